"""Modules without a state over a sequence."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_neurons import data

import rsnn
import rsnn.torch as rt

STEPS, BATCH, N = 12, 3, 6


@pytest.fixture
def x() -> Tensor:
    return torch.from_numpy(data((STEPS, BATCH, 2, N, N)))


# Lift ------------------------------------------------------------------------------------------------------------------------


def test_lift_applies_a_module_to_every_step(x: Tensor) -> None:
    torch.manual_seed(0)
    for module in (nn.Conv2d(2, 3, 3), nn.Sequential(nn.Flatten(), nn.Linear(2 * N * N, 4), nn.ReLU()), rt.SumPool2d(2), nn.MaxPool2d(2)):
        lifted = rt.Lift(module)
        expected = torch.stack([module(x_t) for x_t in x])
        torch.testing.assert_close(lifted(x), expected)
        batch_first = lifted(x.transpose(0, 1))
        torch.testing.assert_close(batch_first.transpose(0, 1), expected)


def test_lift_takes_what_the_module_takes() -> None:
    words = torch.tensor([[0, 1], [2, 0], [1, 1]])
    embedding = nn.Embedding(3, 4)
    assert torch.equal(rt.Lift(embedding)(words), embedding(words))
    assert rt.Lift(nn.Linear(3, 2))(torch.zeros(0, 4, 3)).shape == (0, 4, 2)
    assert rt.Lift(nn.Linear(3, 2))(torch.zeros(4, 0, 3)).shape == (4, 0, 2)


def test_lift_takes_statistics_over_steps_and_samples(x: Tensor) -> None:
    lifted, norm = rt.Lift(nn.BatchNorm2d(2)), nn.BatchNorm2d(2)
    assert torch.equal(lifted(x), norm(x.flatten(0, 1)).unflatten(0, (STEPS, BATCH)))
    assert torch.equal(lifted.module.running_mean, norm.running_mean)


def test_lift_is_a_module_like_any_other(x: Tensor) -> None:
    lifted = rt.Lift(nn.Conv2d(2, 3, 3))
    assert set(lifted.state_dict()) == {"module.weight", "module.bias"}
    for twin in (copy.deepcopy(lifted), pickle.loads(pickle.dumps(lifted))):
        assert torch.equal(twin(x), lifted(x))
    assert lifted.double()(x.double()).dtype == torch.float64
    assert repr(rt.Lift(nn.ReLU())) == "Lift(\n  (module): ReLU()\n)"
    net = rt.Sequential(lifted, rt.IAF().double())
    assert torch.equal(net(x.double())[0], rt.IAF()(lifted(x.double()))[0])


# Dropout ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_first", [False, True])
def test_dropout_draws_one_mask_for_all_steps(batch_first: bool) -> None:
    torch.manual_seed(0)
    x = torch.rand(STEPS, 20, 50) + 1.0
    x = x.transpose(0, 1) if batch_first else x
    dropped = rt.Dropout(0.25, batch_first=batch_first)(x)
    mask = (dropped / x).transpose(0, 1) if batch_first else dropped / x
    assert torch.equal(mask.round(decimals=4), mask[:1].round(decimals=4).expand_as(mask))
    kept = mask[0] != 0
    torch.testing.assert_close(mask[0][kept], torch.full_like(mask[0][kept], 1 / 0.75))
    assert abs(float(kept.float().mean()) - 0.75) < 0.06  # 1000 draws: four standard deviations
    assert not torch.equal(mask[0, 0], mask[0, 1]), "every sample has its own"


def test_dropout_draws_anew_in_every_call_and_not_in_evaluation() -> None:
    torch.manual_seed(0)
    x, dropout = torch.ones(STEPS, BATCH, 50), rt.Dropout()
    assert not torch.equal(dropout(x), dropout(x))
    torch.manual_seed(1)
    first = dropout(x)
    torch.manual_seed(1)
    assert torch.equal(dropout(x), first)
    dropout.eval()
    assert dropout(x) is x


def test_dropout_passes_the_gradient_of_what_it_kept() -> None:
    torch.manual_seed(0)
    x = torch.ones(STEPS, BATCH, 50, requires_grad=True)
    output = rt.Dropout(0.5)(x)
    output.sum().backward()
    assert torch.equal(x.grad, output)


def test_dropout_at_its_limits() -> None:
    x = torch.ones(STEPS, BATCH, 5)
    assert torch.equal(rt.Dropout(0)(x), x)
    assert torch.equal(rt.Dropout(1.0)(x), torch.zeros_like(x))
    for shape in ((0, 2, 3), (2, 0, 3), (4, 2)):
        assert rt.Dropout()(torch.ones(shape)).shape == shape
    assert rt.Dropout()(x.double()).dtype == torch.float64


def test_dropout_is_a_module_like_any_other() -> None:
    dropout = rt.Dropout(0.25, batch_first=True)
    assert repr(dropout) == "Dropout(p=0.25, batch_first=True)"
    assert repr(pickle.loads(pickle.dumps(copy.deepcopy(dropout)))) == repr(dropout)
    assert not dropout.state_dict()
    x = torch.ones(4, STEPS, 3)
    torch.manual_seed(0)
    expected = rt.IAF(batch_first=True)(dropout(x))[0]
    torch.manual_seed(0)
    net = rt.Sequential(dropout, rt.IAF(batch_first=True))
    assert torch.equal(net(x)[0], expected)
    assert net.batch_first
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    assert compiled(x)[0].shape == x.shape


def test_in_a_network_lift_is_unwrapped_and_dropout_is_gone() -> None:
    torch.manual_seed(0)
    net = rt.Sequential(rt.Lift(nn.Sequential(nn.Flatten(), rt.Linear(4, 3))), rt.Dropout(0.5), rt.LIF(beta=0.9), nn.Dropout(0.5)).eval()
    x = torch.from_numpy(data((STEPS, BATCH, 2, 2)))
    network = rt.to_network(net, (2, 2))
    assert [type(layer).__name__ for layer in network.layers] == ["Flatten", "Linear", "LIF"]
    np.testing.assert_array_equal(network.run(x.numpy()).output, net(x)[0].detach().numpy())
    with pytest.raises(rsnn.InvalidTypeError, match=r"module 0.module \(ReLU\) has no counterpart"):
        rt.to_network(rt.Sequential(rt.Lift(nn.ReLU())), 3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: rt.Lift(lambda x: x), rsnn.InvalidTypeError, "module is <function.*must be a torch module"),
        (lambda x: rt.Lift(nn.GRU(3, 3)), rsnn.InvalidTypeError, "module is or holds a GRU: its state would be lost"),
        (lambda x: rt.Lift(nn.Sequential(nn.Linear(3, 3), rt.IAF())), rsnn.InvalidTypeError, "state would be lost.*rsnn.torch.Sequential"),
        (lambda x: rt.Lift(nn.ReLU())(x.numpy()), rsnn.InvalidTypeError, "x is ndarray: must be a tensor"),
        (lambda x: rt.Lift(nn.ReLU())(x[0, 0, 0, 0]), rsnn.InvalidValueError, r"x has the shape \(6,\): must have at least 2 axes"),
        (lambda x: rt.Lift(nn.Flatten(0))(x), rsnn.InvalidValueError, "Flatten returned the shape.*keep the first axis"),
        (lambda x: rt.Lift(nn.MaxPool2d(2, return_indices=True))(x), rsnn.InvalidTypeError, "MaxPool2d returned tuple"),
        (lambda x: rt.Dropout(1.5), rsnn.InvalidValueError, "p=1.5: must be between 0 and 1"),
        (lambda x: rt.Dropout(-0.1), rsnn.InvalidValueError, "p=-0.1"),
        (lambda x: rt.Dropout(float("nan")), rsnn.InvalidValueError, "p=nan"),
        (lambda x: rt.Dropout("half"), rsnn.InvalidTypeError, "p='half'"),
        (lambda x: rt.Dropout(batch_first=1), rsnn.InvalidTypeError, "batch_first=1"),
        (lambda x: rt.Dropout()(x.long()), rsnn.InvalidTypeError, "x is torch.int64"),
        (lambda x: rt.Dropout()(x[0, 0, 0, 0]), rsnn.InvalidValueError, "at least 2 axes"),
        (lambda x: rt.Sequential(rt.Dropout(batch_first=True), rt.IAF()), rsnn.InvalidValueError, "neurons and dropouts disagree"),
    ],
)
def test_what_is_wrong_is_named_with_the_cure(x: Tensor, call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(x)

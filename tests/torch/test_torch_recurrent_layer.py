"""A layer with recurrent weights of its own: what they are, how they begin, what of them is used, and that torch finds them."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from torch_neurons import data, one_after_other

import rsnn
import rsnn.torch as rt

STEPS, BATCH, N = 40, 3, 6
FORMS: list[dict[str, Any]] = [
    {"recurrent": True},
    {"recurrent": True, "autapses": True},
    {"recurrent": True, "recurrent_bias": True},
    {"recurrent": "elementwise"},
    {"recurrent": "elementwise", "recurrent_bias": True},
]


@pytest.fixture
def x() -> Tensor:
    return torch.from_numpy(data((STEPS, BATCH, N)))


def layer(**options: Any) -> rt.Layer:
    torch.manual_seed(3)
    made = rt.LIF(beta=0.9, alpha=0.5, hidden_size=N, **({"recurrent": True} | options))
    assert isinstance(made, rt.Layer)
    return made


@pytest.mark.parametrize("backend", ["rust", "torch"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", FORMS)
def test_it_runs_what_numpy_runs(x: Tensor, form: dict[str, Any], dtype: torch.dtype, backend: str) -> None:
    mine = layer(**form, backend=backend).to(dtype)
    result = mine.run(x.to(dtype), record=("v", "i", "s", "u"))
    reference = rsnn.simulate(mine.neuron, x.to(dtype).numpy(), record=("v", "i", "s", "u"))
    assert 0 < reference.output.sum() < reference.output.size
    np.testing.assert_array_equal(result.output.detach().numpy(), reference.output, strict=True)
    assert result.state._fields == reference.state._fields == ("v", "i", "s")
    for name in ("v", "i", "s"):
        np.testing.assert_array_equal(getattr(result.state, name).detach().numpy(), getattr(reference.state, name), strict=True)
    for name in ("v", "i", "s", "u"):
        np.testing.assert_array_equal(result.traces[name].detach().numpy(), reference.traces[name], strict=True)
    assert not torch.equal(result.output, rt.LIF(beta=0.9, alpha=0.5)(x.to(dtype))[0])


def test_the_weights_are_those_of_the_functional_form(x: Tensor) -> None:
    mine = layer(autapses=True, recurrent_bias=True)
    weights = (mine.weight_recurrent, mine.bias_recurrent)
    expected = rt.functional.simulate(rsnn.LIF(beta=0.9, alpha=0.5), x, recurrent=weights)
    assert torch.equal(mine(x)[0], expected.output)


def test_a_weight_is_from_its_column_to_its_row() -> None:
    chain = rt.LIFRecurrent(beta=0.0, hidden_size=3)
    with torch.no_grad():
        chain.weight_recurrent.copy_(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]))
    spikes, _ = chain(torch.tensor([[[1.0, 0, 0]], [[0, 0, 0]], [[0, 0, 0]]]))
    assert spikes[:, 0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_the_weights_begin_uniform_within_one_over_root_n() -> None:
    torch.manual_seed(0)
    full = rt.LIFRecurrent(hidden_size=100, recurrent_bias=True)
    off = ~torch.eye(100, dtype=torch.bool)
    for values, bound in (
        (full.weight_recurrent[off], 0.1),
        (full.bias_recurrent, 0.1),
        (rt.LIF(recurrent="elementwise", hidden_size=500).weight_recurrent, 1.0),
        (rt.LIFRecurrent(hidden_size=100, autapses=True).weight_recurrent.diagonal(), 0.1),
    ):
        assert values.abs().max() <= bound
        assert values.abs().max() > 0.9 * bound
        assert abs(values.mean()) < 0.2 * bound
    assert full.weight_recurrent.diagonal().count_nonzero() == 0


@pytest.mark.parametrize("backend", ["rust", "torch"])
def test_without_autapses_the_diagonal_is_zero_at_use_and_gets_no_gradient(x: Tensor, backend: str) -> None:
    mine = layer(backend=backend)
    before = mine(x)[0]
    with torch.no_grad():
        mine.weight_recurrent.fill_diagonal_(float("nan"))
    assert torch.equal(mine(x)[0], before)
    mine(x)[0].sum().backward()
    grad = mine.weight_recurrent.grad
    assert grad.diagonal().tolist() == [0.0] * N
    assert grad.abs().sum() > 0
    assert grad.isfinite().all()


@pytest.mark.parametrize("form", FORMS)
def test_the_gradients_of_its_weights_are_those_of_plain_torch(x: Tensor, form: dict[str, Any]) -> None:
    found = []
    for backend in ("rust", "torch"):
        mine = layer(**form, learn="beta", backend=backend).double()
        output, state = mine(x.double())
        found.append(torch.autograd.grad((output * output.cumsum(0).detach()).sum() + state.v.sum(), list(mine.parameters())))
    for native, plain in zip(*found, strict=True):
        assert plain.abs().max() > 0
        torch.testing.assert_close(native, plain, rtol=0, atol=1e-12 * float(plain.abs().max()))


def test_whole_equals_pieces_equals_steps(x: Tensor) -> None:
    mine, cell = layer(), rt.LIFRecurrentCell(beta=0.9, alpha=0.5, hidden_size=N)
    cell.load_state_dict(mine.state_dict())
    whole, end = mine(x)
    pieces, _ = one_after_other(mine, x.split([1, 0, 25, 14]))
    assert torch.equal(torch.cat(pieces), whole)
    steps, state = one_after_other(cell, x)
    assert torch.equal(torch.stack(steps), whole)
    assert all(torch.equal(a, b) for a, b in zip(state, end, strict=True))


def test_batch_first_is_the_transpose(x: Tensor) -> None:
    assert torch.equal(layer(batch_first=True)(x.transpose(0, 1))[0].transpose(0, 1), layer()(x)[0])


def test_other_axes_are_sequences_of_their_own() -> None:
    x = torch.from_numpy(data((STEPS, 2, 4, N)))
    assert torch.equal(layer()(x)[0], layer()(x.flatten(1, 2))[0].unflatten(1, (2, 4)))


def test_torch_finds_the_weights(x: Tensor) -> None:
    mine = layer(recurrent_bias=True, learn="beta")
    names = {"beta", "weight_recurrent", "bias_recurrent"}
    assert set(dict(mine.named_parameters())) == names
    assert names < set(mine.state_dict())
    for twin in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
        assert torch.equal(twin(x)[0], mine(x)[0])
        assert repr(twin) == repr(mine)
        with torch.no_grad():
            twin.weight_recurrent.zero_()
        assert mine.weight_recurrent.count_nonzero() > 0
    wide = copy.deepcopy(mine).double()
    assert wide.weight_recurrent.dtype == torch.float64
    assert wide(x.double())[0].dtype == torch.float64
    optimiser = torch.optim.SGD(mine.parameters(), lr=0.1)
    before = mine.weight_recurrent.detach().clone()
    mine(x)[0].sum().backward()
    optimiser.step()
    assert not torch.equal(mine.weight_recurrent, before)
    assert mine.weight_recurrent.diagonal().count_nonzero() == 0


class Symmetric(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight.triu(1) + weight.triu(1).T


def test_parametrize_takes_the_weights_over(x: Tensor) -> None:
    mine = layer()
    torch.nn.utils.parametrize.register_parametrization(mine, "weight_recurrent", Symmetric())
    symmetric = Symmetric()(mine.parametrizations.weight_recurrent.original)
    expected = rt.functional.simulate(rsnn.LIF(beta=0.9, alpha=0.5), x, recurrent=symmetric)
    assert torch.equal(mine(x)[0], expected.output)
    mine(x)[0].sum().backward()
    grad = mine.parametrizations.weight_recurrent.original.grad
    assert grad.tril().count_nonzero() == 0
    assert grad.count_nonzero() > 0


def test_pruning_and_a_bounded_norm_work_on_the_weights(x: Tensor) -> None:
    pruned = layer()
    prune.l1_unstructured(pruned, "weight_recurrent", 0.5)
    weight = (pruned.weight_recurrent_orig * pruned.weight_recurrent_mask).detach()
    assert weight.count_nonzero() == N * N // 2
    assert torch.equal(pruned(x)[0], rt.functional.simulate(rsnn.LIF(beta=0.9, alpha=0.5), x, recurrent=weight).output)
    assert pruned.double()(x.double())[0].dtype == torch.float64
    bounded = torch.nn.utils.parametrizations.spectral_norm(layer(autapses=True), "weight_recurrent")
    bounded(x)[0].sum().backward()
    assert bounded.parametrizations.weight_recurrent.original.grad.abs().sum() > 0


@pytest.mark.parametrize("backend", ["rust", "torch"])
@pytest.mark.parametrize("shape", [(0, 2, N), (4, 0, N), (0, 0, N), (4, 2, 0, N)])
def test_an_empty_axis_gives_an_empty_output_and_zero_gradients(shape: tuple[int, ...], backend: str) -> None:
    mine = layer(recurrent_bias=True, backend=backend)
    output, state = mine(torch.zeros(shape, requires_grad=True))
    assert output.shape == shape
    assert state.s.shape == shape[1:]
    (output.sum() + state.v.sum() + 0.0 * mine.weight_recurrent.sum() + 0.0 * mine.bias_recurrent.sum()).backward()
    assert mine.weight_recurrent.grad.count_nonzero() == mine.bias_recurrent.grad.count_nonzero() == 0


def test_it_takes_any_neuron_that_can_be_recurrent(x: Tensor) -> None:
    for neuron in (rsnn.IAF(), rsnn.ALIF(beta=0.9), rsnn.LIF(tau_mem=9.0, refractory=2.0).stages):
        mine = rt.Layer(neuron, recurrent=True, hidden_size=N)
        reference = rsnn.simulate(neuron, x.numpy(), recurrent=mine.weight_recurrent.detach().numpy())
        np.testing.assert_array_equal(mine(x)[0].detach().numpy(), reference.output)


def test_a_sequential_carries_it_and_numpy_runs_the_same(x: Tensor) -> None:
    torch.manual_seed(0)
    net = rt.Sequential(
        rt.Linear(N, 8), rt.LIFRecurrent(beta=0.9, hidden_size=8, recurrent_bias=True), rt.Linear(8, 4), rt.IAFRecurrentCell(hidden_size=4)
    )
    result = net.run(x, record=("v", "s"))
    assert result.state[1]._fields == result.state[3]._fields == ("v", "s")
    network = rt.to_network(net, N)
    assert [type(each).__name__ for each in network.layers] == ["Linear", "Recurrent", "Linear", "Recurrent"]
    same = network.run(x.numpy(), record=("v", "s"))
    for k in (1, 3):
        assert same.spikes[k].any()
        np.testing.assert_array_equal(result.spikes[k].detach().numpy(), same.spikes[k])
        np.testing.assert_array_equal(result.traces[k]["v"].detach().numpy(), same.traces[k]["v"])


@pytest.mark.parametrize("form", FORMS)
def test_a_description_makes_the_layer_it_came_from(x: Tensor, form: dict[str, Any]) -> None:
    mine = layer(**form, learn="beta")
    again = rt.Layer(mine.neuron, learn="beta")
    assert torch.equal(again(x)[0], mine(x)[0])
    assert again.recurrent == mine.recurrent
    assert set(dict(again.named_parameters())) == set(dict(mine.named_parameters()))
    with pytest.raises(rsnn.InvalidValueError, match="has weights already; leave out recurrent"):
        rt.Layer(mine.neuron, recurrent=True, hidden_size=N)


def test_repr_says_how_it_is_recurrent() -> None:
    assert repr(rt.LIF(beta=0.5, recurrent="elementwise", hidden_size=3)) == "LIF(beta=0.5, recurrent='elementwise', hidden_size=3)"
    assert repr(rt.LIFRecurrent(beta=0.5, hidden_size=3, autapses=True)) == "LIFRecurrent(beta=0.5, hidden_size=3, autapses=True)"
    assert repr(rt.Layer(rsnn.IAF(), recurrent=True, hidden_size=2, recurrent_bias=True)) == (
        "Layer(IAF(), recurrent=True, hidden_size=2, recurrent_bias=True)"
    )
    assert rt.LIFRecurrent(hidden_size=3).recurrent is True
    assert rt.LIF(recurrent="elementwise", hidden_size=3).recurrent == "elementwise"
    assert rt.LIF().recurrent is False


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: rt.LIF(recurrent=True), rsnn.InvalidValueError, "recurrent=True: needs the number of neurons.*hidden_size="),
        (lambda: rt.LIF(hidden_size=3), rsnn.InvalidValueError, "hidden_size=3: only a recurrent layer.*recurrent=True"),
        (lambda: rt.LIF(autapses=True), rsnn.InvalidValueError, "autapses=True: only a recurrent layer"),
        (lambda: rt.LIF(recurrent_bias=True), rsnn.InvalidValueError, "recurrent_bias=True: only a recurrent layer"),
        (lambda: rt.LIF(recurrent="full", hidden_size=3), rsnn.InvalidTypeError, "recurrent='full': must be True, False or 'elementwise'"),
        (lambda: rt.LIF(recurrent=1, hidden_size=3), rsnn.InvalidTypeError, "recurrent=1"),
        (lambda: rt.LIF(recurrent=True, hidden_size=0), rsnn.InvalidValueError, "hidden_size=0: must be an integer of at least 1"),
        (lambda: rt.LIF(recurrent=True, hidden_size=2.0), rsnn.InvalidTypeError, "hidden_size=2.0"),
        (lambda: rt.LIF(recurrent=True, hidden_size=2, autapses="no"), rsnn.InvalidTypeError, "autapses='no'"),
        (
            lambda: rt.LIF(recurrent="elementwise", hidden_size=2, autapses=True),
            rsnn.InvalidValueError,
            "autapses=True: recurrent='element",
        ),
        (lambda: rt.LIFRecurrent(), rsnn.InvalidTypeError, "rsnn.torch.LIFRecurrent: missing.*'hidden_size'"),
        (
            lambda: rt.LIFRecurrent(hidden=2),
            rsnn.InvalidTypeError,
            "rsnn.torch.LIFRecurrent: .*'hidden'.*did you mean 'hidden_size'|missing",
        ),
        (
            lambda: layer()(torch.zeros(3, 1, 7)),
            rsnn.InvalidValueError,
            r"x has the shape \(3, 1, 7\): its last axis must be hidden_size=6",
        ),
        (lambda: layer()(torch.zeros(3, 6)), rsnn.InvalidValueError, r"x has the shape \(3, 6\).*hidden_size=6"),
        (lambda: layer()(torch.zeros(3, 1, N), rt.LIF(beta=0.9, alpha=0.5)(torch.zeros(3, 1, N))[1]), rsnn.InvalidTypeError, "v, i, s"),
        (lambda: layer().to("meta")(torch.zeros(3, 1, N)), rsnn.InvalidValueError, "is on meta and x on cpu.*layer.to"),
    ],
)
def test_what_is_wrong_is_named_with_the_cure(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_weights_that_are_not_finite_are_refused(x: Tensor) -> None:
    mine = layer()
    with torch.no_grad():
        mine.weight_recurrent[0, 1] = float("nan")
    with pytest.raises(rsnn.InvalidValueError, match=r"weight.* not finite"):
        mine(x)

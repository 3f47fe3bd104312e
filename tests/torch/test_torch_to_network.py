"""From torch to a network without torch: the same spikes, and what cannot be taken over is named."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch_neurons import NEURONS, data

import rsnn
import rsnn.torch as rt

STEPS, BATCH = 15, 4


def convolutional(dtype: torch.dtype = torch.float32) -> rt.Sequential:
    torch.manual_seed(1)
    net = rt.Sequential(
        rt.Conv2d(2, 6, 3, padding=1), rt.IAF(v_threshold=0.5, learn=True), rt.SumPool2d(2),
        rt.Conv2d(6, 8, 3, stride=2, bias=False), rt.LIF(tau_mem=7.1, tau_syn=3.3, r=9.0, learn=("tau_mem", "v_threshold")),
        rt.AvgPool2d(2),
        nn.Flatten(), rt.Linear(8, 5), rt.LIF(beta=0.9, reset="zero", learn=True), rt.Linear(5, 3), rt.LI(beta=0.875),
    ).to(dtype)  # fmt: skip
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.03)  # as if trained: away from the round numbers they started from
    return net


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_network_of_our_own_layers_has_the_same_bits(dtype: torch.dtype) -> None:
    module = convolutional(dtype)
    network = rt.to_network(module, input_shape=(2, 10, 10))
    x = torch.from_numpy(data((STEPS, BATCH, 2, 10, 10))).to(dtype)
    ours = module.run(x, record="v")
    theirs = network.run(x.numpy(), record="v")
    np.testing.assert_array_equal(ours.output.detach().numpy(), theirs.output, strict=True)
    assert list(ours.spikes) == list(theirs.spikes)
    for k, spikes in theirs.spikes.items():
        assert spikes.any(), f"layer {k} is silent: nothing is compared"
        np.testing.assert_array_equal(ours.spikes[k].detach().numpy(), spikes, strict=True)
        np.testing.assert_array_equal(ours.traces[k]["v"].detach().numpy(), theirs.traces[k]["v"], strict=True)
    for k, state in theirs.state.items():
        for mine, other in zip(ours.state[k], state, strict=True):
            np.testing.assert_array_equal(mine.detach().numpy(), other, strict=True)


def test_the_bits_stay_the_same_in_pieces() -> None:
    module = convolutional()
    network = rt.to_network(module, (2, 10, 10))
    x = data((STEPS, BATCH, 2, 10, 10))
    whole = module(torch.from_numpy(x))[0].detach().numpy()
    first = network.run(x[:7])
    np.testing.assert_array_equal(np.concatenate([first.output, network.run(x[7:], first.state).output]), whole)


@pytest.mark.parametrize("name", NEURONS)
def test_every_neuron_is_converted(name: str) -> None:
    x = data((STEPS, BATCH, 5))
    network = rt.to_network(rt.Layer(NEURONS[name]), 5)
    assert network.layers == (NEURONS[name],)
    np.testing.assert_array_equal(network.run(x).output, rsnn.simulate(NEURONS[name], x).output)


def test_layers_of_torch_are_converted_too() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding="same"), nn.AvgPool2d(2), nn.Identity(), nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(12, 4))
    ).eval()
    x = torch.from_numpy(data((STEPS, 1, 4, 4)))
    network = rt.to_network(module, (1, 4, 4))
    assert [type(layer).__name__ for layer in network.layers] == ["Conv2d", "AvgPool2d", "Flatten", "Linear"]
    np.testing.assert_allclose(network.run(x.numpy()).output, module(x).detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("affine", [True, False])
def test_batch_normalisation_is_folded(affine: bool) -> None:
    torch.manual_seed(0)
    module = rt.Sequential(
        rt.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3, affine=affine), nn.Flatten(), rt.Linear(12, 4), nn.BatchNorm1d(4, affine=affine)
    ).double()
    if affine:
        for norm in (module[1], module[4]):
            nn.init.uniform_(norm.weight, 0.5, 2.0)
            nn.init.normal_(norm.bias)
    x = torch.from_numpy(data((STEPS, BATCH, 1, 4, 4), dtype=float))
    module(x)  # moves the running mean and variance
    module.eval()
    network = rt.to_network(module, (1, 4, 4))
    assert [type(layer).__name__ for layer in network.layers] == ["Conv2d", "Flatten", "Linear"]
    np.testing.assert_allclose(network.run(x.numpy()).output, module(x)[0].detach().numpy(), rtol=1e-12, atol=1e-12)


def test_the_network_holds_copies() -> None:
    module = rt.Sequential(rt.Linear(3, 2), rt.LIF(beta=0.5, learn="beta"))
    network = rt.to_network(module, 3)
    x = data((STEPS, 3)) * 3
    before = network.run(x).output
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(network.run(x).output, before)


def test_a_batch_first_module_becomes_a_batch_first_network() -> None:
    torch.manual_seed(0)
    module = rt.Sequential(rt.Linear(3, 2), rt.LIF(beta=0.5, batch_first=True))
    x = data((BATCH, STEPS, 3)) * 3
    network = rt.to_network(module, 3)
    assert network.batch_first
    np.testing.assert_array_equal(network.run(x).output, module(torch.from_numpy(x))[0].detach().numpy())


@pytest.mark.parametrize(
    ("module", "error", "words"),
    [
        (
            rt.Sequential(rt.Linear(3, 2), nn.ReLU()),
            rsnn.InvalidTypeError,
            r"module 1 \(ReLU\) has no counterpart.*Linear, Conv1d, Conv2d, Flatten.*replace",
        ),
        (rt.Sequential(nn.Sequential(nn.Identity(), nn.Softmax(-1))), rsnn.InvalidTypeError, r"module 0.1 \(Softmax\)"),
        (nn.Sequential(nn.BatchNorm1d(3)), rsnn.InvalidTypeError, r"module 0 \(BatchNorm1d\).*right before it"),
        (nn.Sequential(nn.Linear(3, 2), rt.IAF(), nn.BatchNorm1d(2)), rsnn.InvalidTypeError, r"module 2 \(BatchNorm1d\)"),
        (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2, track_running_stats=False)), rsnn.InvalidTypeError, "track_running_stats"),
        (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(4)), rsnn.InvalidValueError, "4 features.*2"),
        (nn.Sequential(nn.Conv2d(3, 3, 1, groups=3)), rsnn.InvalidValueError, r"module 0 \(Conv2d\) has groups=3: only 1"),
        (nn.Sequential(nn.Conv2d(3, 3, 2, padding="same")), rsnn.InvalidValueError, "odd kernels"),
        (nn.Sequential(nn.AvgPool2d(2, stride=1)), rsnn.InvalidValueError, "stride=1"),
        (nn.Sequential(nn.AvgPool2d(2, ceil_mode=True)), rsnn.InvalidValueError, "ceil_mode=True"),
        (nn.Sequential(nn.MaxPool2d(2, stride=1)), rsnn.InvalidValueError, "stride=1"),
        (nn.Sequential(nn.MaxPool2d(2, dilation=2)), rsnn.InvalidValueError, "dilation=2"),
        (nn.Sequential(nn.MaxPool2d(2, return_indices=True)), rsnn.InvalidValueError, "return_indices=True"),
        (nn.Sequential(nn.Flatten(2)), rsnn.InvalidValueError, "start_dim=2"),
        (rsnn.IAF(), rsnn.InvalidTypeError, "module is IAF: must be a torch module"),
        (nn.Sequential(rt.Linear(4, 2)), rsnn.InvalidValueError, r"layers\[0\] \(Linear\)"),
    ],
)
def test_what_cannot_be_converted_is_named_by_its_position(module: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        rt.to_network(module, (3,))

"""`rt.adopt` against SpikingJelly itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from played import data, same, weights
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn

import rsnn
import rsnn.torch as rt
from rsnn.torch.adopt import neuron_of


def play(model: nn.Module, x: Tensor) -> Tensor:
    """Call a model with a step mode of "m", from rest."""
    functional.reset_net(model)
    output: Tensor = model(x)
    return output


def play_steps(model: nn.Module, x: Tensor) -> Tensor:
    """Loop over time."""
    functional.reset_net(model)
    return torch.stack([model(step) for step in x])


PLAYS = {"m": play, "s": play_steps}
NEURONS = {
    "IFNode": lambda: neuron.IFNode(),
    "IFNode soft": lambda: neuron.IFNode(v_reset=None, detach_reset=True),
    "LIFNode": lambda: neuron.LIFNode(tau=3.0, v_reset=-0.2, v_threshold=0.6),
    "LIFNode without decay of the input": lambda: neuron.LIFNode(tau=3.0, decay_input=False, detach_reset=True),
    "LIFNode soft": lambda: neuron.LIFNode(tau=3.0, v_reset=None, v_threshold=0.5),
    "ParametricLIFNode": lambda: neuron.ParametricLIFNode(init_tau=3.0, v_threshold=0.6),
    "QIFNode": lambda: neuron.QIFNode(v_threshold=0.9),
    "EIFNode": lambda: neuron.EIFNode(v_threshold=0.9),
    "IzhikevichNode": lambda: neuron.IzhikevichNode(a=0.1, b=0.2, v_threshold=0.5),
    "CUBALIFNode": lambda: neuron.CUBALIFNode(),
}


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("name", NEURONS)
def test_a_neuron_does_the_same_in_both_step_modes(name: str, mode: str) -> None:
    model = NEURONS[name]()
    model.step_mode = mode
    same(model, data(50, 3, 5, scale=1.5), PLAYS[mode], parameters={"w": "w"} if name == "ParametricLIFNode" else {})


SURROGATES = [
    surrogate.Sigmoid(3.0),
    surrogate.ATan(3.0),
    surrogate.SoftSign(3.0),
    surrogate.SuperSpike(2.0),
    surrogate.Erf(1.5),
    surrogate.PiecewiseQuadratic(0.7),
    surrogate.PiecewiseExp(1.5),
    surrogate.Rect(0.7),
    surrogate.NonzeroSignLogAbs(1.5),
    surrogate.PiecewiseLeakyReLU(0.7, 0.05),
    surrogate.S2NN(3.0, 2.0),
    surrogate.QPseudoSpike(3.0),
    surrogate.LeakyKReLU(0.1, 0.5),
    surrogate.FakeNumericalGradient(0.4),
    surrogate.LogTailedReLU(0.1),
    surrogate.SquarewaveFourierSeries(3, 6.0),
    surrogate.DeterministicPass(),
]


@pytest.mark.parametrize("curve", SURROGATES, ids=lambda curve: type(curve).__name__)
def test_a_surrogate_has_the_same_gradient(curve: Any) -> None:
    same(neuron.LIFNode(tau=3.0, surrogate_function=curve), data(12, 3, 5), play_steps)


def convolutional() -> nn.Sequential:
    net = nn.Sequential(
        layer.Conv2d(2, 4, 3, bias=False),
        layer.BatchNorm2d(4),
        neuron.IFNode(),
        layer.MaxPool2d(2),
        layer.Flatten(),
        layer.Dropout(0.5),
        layer.Linear(4 * 3 * 3, 5),
        neuron.LIFNode(tau=2.0),
    )
    return weights(net)  # type: ignore[return-value]


@pytest.mark.parametrize("mode", ["s", "m"])
def test_a_convolutional_network_does_the_same_in_both_step_modes(mode: str) -> None:
    net = convolutional().eval()
    functional.set_step_mode(net, mode)
    x = (data(12, 3, 2, 8, 8) > 0.6).float()
    for module in net.modules():
        if isinstance(module, neuron.BaseNode):
            module.train()
    adopted = same(net, x, PLAYS[mode])
    assert [type(each).__module__ for each in adopted][:2] == ["torch.nn.modules.conv", "torch.nn.modules.batchnorm"]
    assert isinstance(adopted[5], rt.Dropout)
    assert rt.to_network(adopted, input_shape=(2, 8, 8)) is not None


def test_containers_do_the_same() -> None:
    x = (data(12, 3, 2, 8, 8) > 0.6).float()
    frames = layer.SeqToANNContainer(nn.Conv2d(2, 4, 3, bias=False), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 6))
    steps = layer.MultiStepContainer(nn.Linear(6, 5), neuron.LIFNode(), nn.Linear(5, 5), neuron.IFNode())
    chosen = layer.StepModeContainer(True, "m", nn.Linear(5, 5), neuron.IFNode())
    plain = layer.StepModeContainer(False, "m", nn.Linear(5, 4))
    model = nn.Sequential(frames, neuron.IFNode(step_mode="m"), steps, chosen, plain, neuron.IFNode(step_mode="m"))
    adopted = same(weights(model), x, play)
    assert set(dict(adopted.named_parameters())) == set(dict(model.named_parameters()))


REFUSED: dict[str, tuple[Any, str]] = {
    "s among m": (lambda: neuron.IFNode(), "takes one time step a call, and what is around it gives it a sequence a call"),
    "a neuron among frames": (lambda: layer.SeqToANNContainer(neuron.IFNode()), "takes one time step a call.*frames"),
    "KLIFNode": (lambda: neuron.KLIFNode(step_mode="m"), "use ParametricLIFNode"),
    "TLast": (lambda: layer.TLastSeqToANNContainer(nn.Linear(2, 2)), "time as its last axis"),
    "recurrence": (lambda: layer.LinearRecurrentContainer(neuron.IFNode(), 3, 3, step_mode="m"), "use rsnn.torch.Linear and"),
    "no spikes": (
        lambda: neuron.IFNode(step_mode="m", surrogate_function=surrogate.Sigmoid(spiking=False)),
        "does not send plain spikes",
    ),
    "PSN": (lambda: neuron.PSN(4), "rsnn has no counterpart; neurons that are adopted: IFNode, LIFNode"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_adopted_is_named_with_its_place_and_the_cure(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(rsnn.InvalidValueError, match=r"1\.0(\.0)?: spikingjelly\.\w+: .*" + words):
        rt.adopt(nn.Sequential(neuron.IFNode(step_mode="m"), nn.Sequential(make())))


def test_a_state_left_over_is_neither_used_nor_lost() -> None:
    model, x = neuron.ParametricLIFNode(step_mode="m"), data(20, 3, 5, scale=1.5)
    model(x)
    left = model.v
    adopted = rt.adopt(model, check=x)
    assert model.v is left
    assert torch.equal(adopted(x)[0], play(model, x))


def test_a_neuron_alone_becomes_data() -> None:
    assert neuron_of(neuron.LIFNode(tau=3.0, v_reset=None)) == rsnn.presets.spikingjelly.LIFNode(tau=3.0, v_reset=None)


def test_the_page_of_the_manual_runs_as_it_is_shown() -> None:
    page = (Path(__file__).parents[2] / "docs/howto/spikingjelly.md").read_text()
    for block in re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(compile(block, "spikingjelly.md", "exec"), {"__name__": "__main__"})

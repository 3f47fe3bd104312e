"""`rt.adopt` against snnTorch itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import snntorch as snn
import torch
from played import data, same, weights
from snntorch import surrogate
from torch import Tensor, nn

import rsnn
import rsnn.torch as rt
from rsnn.torch.adopt import neuron_of


def play(model: nn.Module, x: Tensor) -> Tensor:
    """Loop over time, as snnTorch's tutorials do."""
    for module in model.modules():
        if hasattr(module, "reset_mem"):
            module.reset_mem()
    outputs = []
    for step in x:
        output = model(step)
        outputs.append(output[0] if isinstance(output, tuple) else output)
    return torch.stack(outputs)


RESETS = [(mechanism, delay) for mechanism in ("subtract", "zero", "none") for delay in (True, False)]


@pytest.mark.parametrize(("mechanism", "delay"), RESETS)
def test_leaky_and_synaptic_do_the_same_with_every_reset(mechanism: str, delay: bool) -> None:
    given: dict[str, Any] = {"reset_mechanism": mechanism, "reset_delay": delay}
    same(snn.Leaky(beta=0.85, learn_beta=True, learn_threshold=True, **given), data(60, 3, 5), play, parameters=LEARNED)
    same(snn.Synaptic(alpha=0.6, beta=0.7, learn_alpha=True, learn_beta=True, **given), data(60, 3, 5), play, parameters={"alpha": "alpha"})


LEARNED = {"beta": "beta", "threshold": "threshold"}

NEURONS = {
    "numbers for each neuron": lambda: snn.Leaky(beta=torch.tensor([0.2, 0.5, 0.8, 0.9, 0.99]), threshold=torch.linspace(0.5, 1.0, 5)),
    "a beta that is clamped": lambda: snn.Leaky(beta=1.3),
    "graded spikes": lambda: snn.Leaky(beta=0.9, graded_spikes_factor=2.5),
    "alpha": lambda: snn.Alpha(alpha=0.9, beta=0.6, threshold=0.5),
    "alpha that subtracts": lambda: snn.Alpha(alpha=0.9, beta=0.6, threshold=0.5, reset_mechanism="subtract"),
    "lapicque by beta": lambda: snn.Lapicque(beta=0.8),
    "lapicque by R and C": lambda: snn.Lapicque(R=2.0, C=2.5, reset_mechanism="zero"),
    "lapicque by beta and R": lambda: snn.Lapicque(beta=0.8, R=1.5, time_step=0.5),
    "hidden": lambda: snn.Leaky(beta=0.9, init_hidden=True),
}


@pytest.mark.parametrize("name", NEURONS)
def test_a_neuron_does_the_same(name: str) -> None:
    same(NEURONS[name](), data(60, 3, 5), play)


@pytest.mark.filterwarnings("ignore:Inhibition is an unstable")
def test_inhibition_does_the_same() -> None:
    same(snn.Leaky(beta=0.9, inhibition=True), data(60, 3, 5), play)


SURROGATES = {
    "atan": lambda: surrogate.atan(alpha=3.0),
    "fast_sigmoid": lambda: surrogate.fast_sigmoid(slope=10),
    "sigmoid": lambda: surrogate.sigmoid(slope=5),
    "straight_through_estimator": surrogate.straight_through_estimator,
    "triangular": lambda: surrogate.triangular(0.5),
    "heaviside": surrogate.heaviside,
    "spike_rate_escape": lambda: surrogate.spike_rate_escape(beta=2, slope=3),
    "SFS": lambda: surrogate.SFS(slope=4, B=0.5),
}


@pytest.mark.parametrize("name", SURROGATES)
def test_a_surrogate_has_the_same_gradient(name: str) -> None:
    adopted = same(snn.Leaky(beta=0.5, spike_grad=SURROGATES[name]()), data(25, 3, 5), play)
    assert adopted is not None


def recurrent(kind: str, **given: Any) -> nn.Module:
    """A recurrent neuron whose weights are whole sixteenths."""
    made = getattr(snn, kind)(beta=0.8, **({"alpha": 0.6} if kind == "RSynaptic" else {}), **given)
    return weights(made)


@pytest.mark.parametrize("kind", ["RLeaky", "RSynaptic"])
@pytest.mark.parametrize("mechanism", ["subtract", "zero"])
def test_recurrent_neurons_do_the_same_with_their_weights(kind: str, mechanism: str) -> None:
    x = data(40, 3, 5)
    dense = {"recurrent.weight": "weight_recurrent", "recurrent.bias": "bias_recurrent"}
    adopted = same(recurrent(kind, linear_features=5, reset_mechanism=mechanism), x, play, parameters=dense)
    assert adopted.bias_recurrent is not None
    each = recurrent(kind, all_to_all=False, V=torch.tensor([0.5, -0.25, 0.0, 1.0, 0.125]), reset_mechanism=mechanism)
    # With "zero" a spike drops all that came with it, so that V has no gradient.
    same(each, x, play, parameters={"V": "weight_recurrent"} if mechanism == "subtract" else None)
    fixed = rt.adopt(recurrent(kind, linear_features=5, learn_recurrent=False))
    assert not fixed.weight_recurrent.requires_grad


class Net(nn.Module):
    """As in the first tutorials: layers, and a loop of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(12, 9), snn.Leaky(beta=0.9)
        self.fc2, self.lif2 = nn.Linear(9, 4), snn.Leaky(beta=0.8)

    def forward(self, x: Tensor) -> Tensor:
        """Loop over time."""
        mem1, mem2, spikes = self.lif1.reset_mem(), self.lif2.reset_mem(), []
        for step in x:
            spk1, mem1 = self.lif1(self.fc1(step), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
        return torch.stack(spikes)


def test_a_model_with_a_loop_of_its_own_is_adopted_by_its_layers() -> None:
    net = Net()
    weights(net)
    with pytest.raises(rsnn.InvalidValueError, match=r"the model itself: Net: has a forward of its own around lif1.*adopt\(torch.nn.Seq"):
        rt.adopt(net)
    x = (data(30, 4, 12) > 0.5).float()
    model = rt.adopt(nn.Sequential(net.fc1, net.lif1, net.fc2, net.lif2), check=x)
    assert torch.equal(model(x)[0], net(x))
    assert torch.equal(model[0].weight, net.fc1.weight)
    assert model[0].weight is not net.fc1.weight


def test_a_convolutional_list_is_adopted_with_the_same_names_and_frames_follow_one_another() -> None:
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False),
        nn.MaxPool2d(2),
        snn.Leaky(beta=0.5, init_hidden=True),
        nn.Flatten(),
        nn.Sequential(nn.Linear(4 * 3 * 3, 5), snn.Leaky(beta=0.9, init_hidden=True, output=True)),
    )
    adopted = same(weights(net), (data(12, 3, 2, 8, 8) > 0.6).float(), play)
    assert set(adopted.state_dict()) >= {"0.weight", "4.0.weight", "4.0.bias"}


REFUSED = {
    "state_quant": (lambda: snn.Leaky(beta=0.9, state_quant=lambda v: v), "state_quant"),
    "surrogate_disable": (lambda: snn.Leaky(beta=0.9, surrogate_disable=True), "surrogate_disable=True has no gradient; give surrogate="),
    "custom": (lambda: snn.Leaky(beta=0.9, spike_grad=surrogate.custom_surrogate(lambda x, g, s: g)), "spike_grad=custom_surrogate"),
    "SSO": (lambda: snn.Leaky(beta=0.9, spike_grad=surrogate.SSO()), "at random"),
    "one V": (lambda: snn.RLeaky(beta=0.9, all_to_all=False, V=0.5), r"torch.full\(\(n,\), V\)"),
    "conv": (lambda: snn.RLeaky(beta=0.9, conv2d_channels=2, kernel_size=3), "recurrent=Conv2d"),
    "SLSTM": (lambda: snn.SLSTM(4, 5), "gated"),
    "LeakyParallel": (lambda: snn.LeakyParallel(4, 5), "has no reset"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_adopted_is_named_with_its_place_and_the_cure(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(rsnn.InvalidValueError, match=r"1\.0: snntorch\.\w+: .*" + words):
        rt.adopt(nn.Sequential(nn.Linear(4, 4), nn.Sequential(make())))


def test_a_surrogate_of_ones_own_takes_the_place_of_one_that_rsnn_does_not_have() -> None:
    layer = rt.adopt(snn.Leaky(beta=0.9, surrogate_disable=True), surrogate=rsnn.surrogate.Sigmoid(4.0), check=data(20, 2, 3))
    assert "Sigmoid" in repr(layer)


def test_a_state_left_over_from_training_is_neither_used_nor_lost() -> None:
    net = snn.Leaky(beta=0.9, learn_beta=True)
    net(torch.full((3, 5), 0.8))
    left = net.mem
    assert left.grad_fn is not None
    x = data(20, 3, 5)
    adopted = rt.adopt(net, check=x)
    assert net.mem is left
    assert torch.equal(adopted(x)[0], play(net, x))


def test_a_neuron_alone_becomes_data() -> None:
    neuron = neuron_of(snn.Synaptic(alpha=0.9, beta=0.8, reset_mechanism="zero"))
    assert neuron == rsnn.presets.snntorch.Synaptic(alpha=0.9, beta=0.8, reset_mechanism="zero")


def test_the_page_of_the_manual_runs_as_it_is_shown() -> None:
    page = (Path(__file__).parents[2] / "docs/howto/snntorch.md").read_text()
    for block in re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(compile(block, "snntorch.md", "exec"), {"__name__": "__main__"})

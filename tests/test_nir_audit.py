"""What `rsnn.nir.audit` finds: the first divergence, and the convention behind it; modules of other libraries run as they are."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import pytest
import torch
from torch import nn

import rsnn
import rsnn.torch as rt

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(7)
WEIGHTS = [np.round(RNG.normal(0.1, 0.6, shape) * 64) / 64 for shape in ((6, 4), (3, 6))]
X = RNG.integers(0, 3, (80, 2, 4)).astype(np.float32)


def network(*neurons: Any) -> rsnn.Network:
    layers = [layer for pair in zip(map(rsnn.Linear, WEIGHTS), neurons, strict=True) for layer in pair]
    return rsnn.Network(layers, 4)


def both(neuron: Any) -> rsnn.Network:
    return network(neuron, neuron)


STRICT = rsnn.Neuron(membrane=rsnn.stages.Integrator(), fire=rsnn.stages.Strict(), reset=rsnn.stages.Subtract())
CAUSES = [
    ("reset", rsnn.LIF(beta=0.9), rsnn.LIF(beta=0.9, reset="zero")),
    ("reset", rsnn.LIF(beta=0.9, reset="zero"), rsnn.LIF(beta=0.9)),
    ("reset", rsnn.presets.snntorch.Leaky(beta=0.9, reset_mechanism="zero"), rsnn.presets.snntorch.Leaky(beta=0.9)),
    ("reset", rsnn.presets.snntorch.Synaptic(0.8, 0.9, reset_mechanism="zero"), rsnn.presets.snntorch.Synaptic(0.8, 0.9)),
    ("timing", rsnn.presets.snntorch.Leaky(beta=0.9), rsnn.LIF(beta=0.9)),
    ("timing", rsnn.LIF(beta=0.9), rsnn.presets.snntorch.Leaky(beta=0.9)),
    ("timing", rsnn.presets.snntorch.Leaky(beta=0.9), rsnn.presets.snntorch.Leaky(beta=0.9, reset_delay=False)),
    ("gain", rsnn.presets.sinabs.LIF(alpha_mem=0.75, norm_input=False), rsnn.presets.sinabs.LIF(alpha_mem=0.75)),
    ("gain", rsnn.presets.sinabs.LIF(alpha_mem=0.75), rsnn.presets.sinabs.LIF(alpha_mem=0.75, norm_input=False)),
    ("dt", rsnn.LIF(4.0, discretization="euler"), rsnn.LIF(4.0)),
    ("dt", rsnn.LIF(4.0), rsnn.LIF(4.0, discretization="euler")),
    ("dt", rsnn.LIF(4.0), rsnn.LIF(40.0)),
    ("comparison", rsnn.presets.spikingjelly.IFNode(v_reset=None), STRICT),
    ("comparison", rsnn.IAF(), rsnn.IAF(fire="single")),
    ("clip", rsnn.presets.sinabs.IAF(min_v_mem=-1.0), rsnn.presets.sinabs.IAF()),
    ("clip", rsnn.presets.sinabs.IAF(), rsnn.presets.sinabs.IAF(min_v_mem=0.0)),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "original", "other"), CAUSES, ids=lambda value: value if isinstance(value, str) else "")
def test_the_cause_of_a_single_change_is_named_and_explains_every_spike(cause: str, original: Any, other: Any) -> None:
    report = rsnn.nir.audit(both(original), both(other), X)
    assert not report.agrees
    assert report.cause == cause
    assert len(report.causes) == 1
    assert report.causes[0].first_step is None
    assert f"likely cause: {cause}: " in str(report)


def test_the_first_divergence_is_where_it_is() -> None:
    net = both(rsnn.LIF(beta=0.9))
    spikes = {k: np.array(one) for k, one in net.run(X).spikes.items()}
    spikes[3][17, 1, 2] += 1
    spikes[3][18, 0, 0] += 1
    spikes[1][20, 0, 0] += 1
    report = rsnn.nir.audit(spikes, net, X)
    assert (report.step, report.layer, report.sample, report.neuron) == (17, 3, 1, (2,))
    assert report.expected == report.found + 1
    assert [(one.layer, one.first_step, one.differ) for one in report.layers] == [(1, 20, 1), (3, 17, 2)]
    assert report.causes == ()
    assert "first divergence: step 17, layer 3, sample 1, neuron 2" in str(report)
    assert "none of the conventions" in str(report)


def test_recordings_are_taken_in_every_form() -> None:
    net = both(rsnn.LIF(beta=0.9))
    out = net.run(X)
    last, all_ = out.spikes[3], [out.spikes[1], out.spikes[3]]
    for original in (last, np.asarray(last).tolist(), torch.from_numpy(np.array(last)), all_, {3: last}, dict(enumerate_layers(all_))):
        report = rsnn.nir.audit(original, net, X)
        assert report.agrees
        assert report.cause is None
        assert "every spike is the same" in str(report)
    swapped = rsnn.nir.audit(np.asarray(last).swapaxes(0, 1), net, X.swapaxes(0, 1), batch_first=True)
    assert swapped.agrees
    single = net.run(X[:, 0])
    assert rsnn.nir.audit(single.spikes[3], net, torch.from_numpy(X[:, 0])).agrees


def enumerate_layers(spikes: list[Any]) -> list[tuple[int, Any]]:
    return [(1, spikes[0]), (3, spikes[1])]


def test_a_graph_is_read_as_it_is_told() -> None:
    tau, n = np.full(6, 1e-3), 6
    lifs = [nir.LIF(tau[:m], np.full(m, 10.0), np.zeros(m), np.ones(m)) for m in (n, 3)]
    graph = nir.NIRGraph.from_list(nir.Linear(WEIGHTS[0]), lifs[0], nir.Linear(WEIGHTS[1]), lifs[1])
    original = both(rsnn.presets.snntorch.Leaky(beta=np.float32(0.9)))
    assert rsnn.nir.audit(original, graph, X, source="snntorch", reset="subtract").agrees
    assert rsnn.nir.audit(original, graph, X, source="snntorch", arguments={"reset_mechanism": "zero"}).cause == "reset"


TOGETHER = [
    # snnTorch's neuron, and what the equations of NIR make of the node that it writes for it: exact steps, reset to 0 at once.
    (
        {"dt", "reset", "timing"},
        rsnn.presets.snntorch.Leaky(beta=np.float32(0.9)),
        rsnn.Neuron(membrane=rsnn.stages.Leaky(tau_mem=10.0, r=10.0), fire=rsnn.stages.Strict(), reset=rsnn.stages.ToValue(0.0)),
    ),
    # A reader of sinabs, which leaves the gain out and sends as many spikes as fit in.
    ({"gain", "comparison", "reset"}, rsnn.presets.sinabs.LIF(10.0, norm_input=False), rsnn.LIF(10.0, reset="zero")),
    # A file whose IF has r = 1, read by the equations of NIR with steps of 1 ms.
    (
        {"gain", "comparison"},
        rsnn.presets.spikingjelly.IFNode(),
        rsnn.Neuron(membrane=rsnn.stages.Leaky(beta=1.0, r=1e-3), fire=rsnn.stages.Strict(), reset=rsnn.stages.ToValue(0.0)),
    ),
    ({"dt"}, rsnn.LIF(8.0, gain="unit"), rsnn.LIF(0.008, gain="unit")),
]


@pytest.mark.parametrize(("causes", "original", "other"), TOGETHER, ids=lambda value: "-".join(value) if isinstance(value, set) else "")
def test_causes_that_come_together_are_named_each_and_no_other(causes: set[str], original: Any, other: Any) -> None:
    report = rsnn.nir.audit(both(original), both(other), X)
    assert {one.cause for one in report.causes} == causes, report
    assert len(report.causes) == len(causes)
    assert report.causes[-1].first_step is None


def test_the_table_names_neurons_as_they_are_written() -> None:
    snn, back = rsnn.presets.snntorch.Leaky(beta=0.9), rsnn.Recurrent(rsnn.LIF(beta=0.9), np.zeros(3))
    net = rsnn.Network([rsnn.Linear(WEIGHTS[0]), ("first", snn), rsnn.Linear(WEIGHTS[1]), back], 4)
    assert [one.called for one in rsnn.nir.audit(net, net, X).layers] == ["snntorch.Leaky 'first'", "Recurrent LIF"]


def test_modules_of_rsnn_torch_are_originals_too() -> None:
    module = rt.Sequential(rt.Linear(4, 6), rt.LIF(beta=0.9), rt.Linear(6, 3), rt.LIF(beta=0.9))
    assert rsnn.nir.audit(module, rt.to_network(module, 4), X).agrees


# Stand-ins for modules of other libraries: their equations (as of the golden files) and the way they are called, nothing else.


class Leaky(nn.Module):
    """snnTorch: called once a step, hidden state, reset one step late."""

    __module__ = "snntorch._neurons.leaky"

    def __init__(self, init_hidden: bool = True) -> None:
        super().__init__()
        self.threshold, self.init_hidden, self.mem = torch.tensor(1.0), init_hidden, torch.zeros(1)

    def reset_mem(self) -> torch.Tensor:
        self.mem = torch.zeros(1)
        return self.mem

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        reset = (self.mem > self.threshold).to(x.dtype)
        self.mem = 0.9 * self.mem + x - reset
        return (self.mem > self.threshold).to(x.dtype)


class Broken(Leaky):
    """A module that raises what nobody would expect of it."""

    __module__ = "snntorch._neurons.leaky"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise AttributeError("'Node' object has no attribute 'elem'")


class Hidden(Leaky):
    """A neuron that is not called as a module, so that no hook sees what it sends."""

    __module__ = "snntorch._neurons.leaky"

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward(x)


class LIFBoxCell(nn.Module):
    """Norse: called once a step with its state, which it gives back."""

    __module__ = "norse.torch.module.lif_box"

    class Parameters:
        v_th = torch.tensor(1.0)

    p = Parameters()

    def forward(self, x: torch.Tensor, v: Any = None) -> tuple[torch.Tensor, torch.Tensor]:
        v = torch.zeros_like(x) if v is None else v
        u = v + 0.1 * (x - v)
        s = (u > 1.0).to(x.dtype)
        return s, (1 - s) * u


class SequentialState(nn.Sequential):
    """Norse: hands each cell its state."""

    __module__ = "norse.torch.module.sequential"

    def forward(self, x: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, list[Any]]:
        state = [None] * len(self) if state is None else list(state)
        for k, one in enumerate(self):
            if isinstance(one, LIFBoxCell):
                x, state[k] = one(x, state[k])
            else:
                x = one(x)
        return x, state


class IAFSqueeze(nn.Module):
    """sinabs: batch and time are one axis, batch first."""

    __module__ = "sinabs.layers.iaf"

    def __init__(self) -> None:
        super().__init__()
        self.spike_threshold, self.batch_size, self.num_timesteps, self.v = torch.tensor(1.0), 1, -1, torch.zeros(1)

    def reset_states(self) -> None:
        self.v = torch.zeros(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sent = []
        for one in x.reshape(self.batch_size, self.num_timesteps, *x.shape[1:]).transpose(0, 1):
            u = self.v + one
            s = torch.where(u > 0, torch.trunc(u), torch.zeros_like(u))
            self.v = u - s
            sent.append(s)
        return torch.stack(sent, 1).flatten(0, 1)


class IFNode(nn.Module):
    """SpikingJelly: a step at a time, or many at once."""

    __module__ = "spikingjelly.activation_based.neuron"

    def __init__(self, step_mode: str) -> None:
        super().__init__()
        self.step_mode, self.v_threshold, self.v = step_mode, 1.0, torch.zeros(1)

    def reset(self) -> None:
        self.v = torch.zeros(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sent = []
        for one in x if self.step_mode == "m" else [x]:
            u = self.v + one
            s = (u >= self.v_threshold).to(x.dtype)
            self.v = (1 - s) * u
            sent.append(s)
        return torch.stack(sent) if self.step_mode == "m" else sent[0]


def weights() -> list[nn.Linear]:
    made = []
    for weight in WEIGHTS:
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        layer.weight.data = torch.from_numpy(weight).float()
        made.append(layer)
    return made


def between(kind: Any, *neurons: nn.Module) -> Any:
    first, second = weights()
    return kind(first, neurons[0], second, neurons[1])


MODULES = [
    (lambda: between(nn.Sequential, Leaky(), Leaky()), rsnn.presets.snntorch.Leaky(beta=np.float32(0.9)), 1),
    (lambda: between(SequentialState, LIFBoxCell(), LIFBoxCell()), rsnn.presets.norse.LIFBox(tau_mem_inv=np.float32(100.0)), 8),
    (lambda: between(nn.Sequential, IAFSqueeze(), IAFSqueeze()), rsnn.presets.sinabs.IAF(), 1),
    (lambda: between(nn.Sequential, IFNode("m"), IFNode("m")), rsnn.presets.spikingjelly.IFNode(), 1),
    (lambda: between(nn.Sequential, IFNode("s"), IFNode("s")), rsnn.presets.spikingjelly.IFNode(), 1),
]


@pytest.mark.parametrize(("make", "neuron", "size"), MODULES, ids=["snntorch", "norse", "sinabs", "spikingjelly-m", "spikingjelly-s"])
def test_a_module_of_another_library_runs_as_it_is_called_there_and_is_left_as_it_was(make: Any, neuron: Any, size: int) -> None:
    module = make()
    module(torch.ones(1, 4) if not any(isinstance(one, IFNode) for one in module) else torch.ones(1, 1, 4))  # some state from before
    before = [dict(vars(one)) for one in module.modules()]
    report = rsnn.nir.audit(module, both(neuron), size * X)
    assert report.agrees, str(report)
    assert sum(one.expected for one in report.layers) > 50
    assert module.training
    for one, old in zip(module.modules(), before, strict=True):
        assert not one._forward_hooks
        assert all(now is old[name] for name, now in vars(one).items() if isinstance(now, torch.Tensor))
    assert not rsnn.nir.audit(make(), both(rsnn.LIF(beta=0.5, reset="none")), size * X).agrees


def test_what_cannot_be_compared_is_refused() -> None:
    net = both(rsnn.LIF(beta=0.9))
    cases: list[tuple[Any, Any, dict[str, Any], str]] = [
        (between(nn.Sequential, Leaky(init_hidden=False), Leaky()), X, {}, "init_hidden=False are called with their states"),
        (nn.Sequential(*weights()), X, {}, "has no spiking neurons of norse, snntorch, sinabs, spikingjelly"),
        (nn.Sequential(weights()[0], Leaky()), X, {}, "it has 1 layers that spike, the network has 2"),
        (nn.Sequential(Leaky(), *weights()[::-1], Leaky()), X, {}, "snntorch did not run it over x"),
        (
            nn.Sequential(Broken(), Leaky()),
            X,
            {},
            "did not run it over x .*'Node' object has no attribute 'elem'.*record its spikes",
        ),
        (nn.Sequential(Hidden(), Hidden()), X, {}, "calls its neurons of snntorch in a way of its own.*record them in a loop"),
        (np.zeros((80, 2, 4)), X, {}, r"spikes of layer 3 have shape \(80, 2, 4\): must be \(80, 2, 3\)"),
        ({0: np.zeros((80, 2, 6))}, X, {}, "layer 0 has no neurons that spike; those that do are"),
        ("spikes", X, {}, "original='spikes': must be a torch module"),
        (net, X[..., :3], {}, r"x has shape \(80, 2, 3\): must be \(T, \[B,\] \*\(4,\)\)"),
        (net, X, {"source": "nir"}, "source='nir': a Network came, which was read already"),
        (net, X, {"batch_first": 1}, "batch_first=1: must be True or False"),
    ]
    for original, x, more, message in cases:
        with pytest.raises((rsnn.InvalidValueError, rsnn.InvalidTypeError), match=message):
            rsnn.nir.audit(original, net, x, **more)
    with pytest.raises(rsnn.InvalidValueError, match="has no neurons that spike"):
        rsnn.nir.audit(np.zeros((80, 2, 4)), rsnn.Network([rsnn.LI()], 4), X)


def test_the_picture_shows_the_spikes_of_both_around_the_first_divergence() -> None:
    original, other = both(rsnn.LIF(beta=0.9)), both(rsnn.LIF(beta=0.9, reset="zero"))
    report = rsnn.nir.audit(original, other, X)
    axes = report.plot()
    assert axes.get_legend_handles_labels()[1] == ["in both", "in the original alone", "in the network alone"]
    a, b = (net.run(X).spikes[report.layer][:, report.sample] for net in (original, other))
    low, high = max(0, report.step - 20), report.step + 80
    drawn = [len(held.get_offsets()) for held in axes.collections]
    assert drawn == [int(np.count_nonzero(one[low:high])) for one in ((a != 0) & (a == b), a > b, b > a)]
    assert "reset" in axes.get_title(loc="left")
    axes.figure.canvas.draw()
    assert axes.get_legend().get_window_extent().x0 >= axes.get_window_extent().x1  # it hides no spike
    assert report.plot(axes) is axes
    assert "every spike is the same" in rsnn.nir.audit(original, original, X).plot().get_title(loc="left")

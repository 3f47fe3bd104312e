"""`rt.adopt`: what it promises whatever library comes, on classes that stand for theirs; the libraries themselves are in tests/peers.

The stand-ins are written from the libraries' equations. What makes them theirs is the path of their module and the name of their class,
by which rsnn knows them: none of these libraries is installed here.
"""

from __future__ import annotations

import copy
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from stand_ins import Leaky, Spike, curve
from torch import Tensor, nn

import rsnn
import rsnn.torch as rt
from rsnn.torch.adopt import layer_of, neuron_of


def kind(path: str, name: str, base: type[nn.Module], **body: Any) -> Any:
    """Make a class that a library might have."""
    return type(name, (base,), {"__module__": path, **body})


def x(*shape: int, seed: int = 0) -> Tensor:
    return torch.empty(shape).normal_(0.3, 0.6, generator=torch.Generator().manual_seed(seed))


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), Leaky(0.8), nn.Sequential(nn.Linear(8, 5), nn.ReLU(), Leaky(0.9)))


def leaves_of(net: nn.Module) -> list[Any]:
    """List what a list calls, as often as it does."""
    return [leaf for child in net for leaf in leaves_of(child)] if isinstance(net, nn.Sequential) else [net]


def play(net: nn.Sequential, data: Tensor) -> Tensor:
    """Loop over time, leaf by leaf."""
    leaves = leaves_of(copy.deepcopy(net))
    outputs = []
    for step in data:
        for leaf in leaves:
            step = leaf(step)
            step = step[0] if isinstance(step, tuple) else step
        outputs.append(step)
    return torch.stack(outputs)


def test_a_list_in_a_list_is_adopted_with_its_names_and_weights_and_without_the_library() -> None:
    net, data = model(), x(40, 3, 6) * 2
    adopted = rt.adopt(net, check=data)
    assert "snntorch" not in sys.modules
    assert [type(each).__module__ for each in adopted[:2]] == ["torch.nn.modules.linear", "rsnn.torch.presets.snntorch"]
    spikes, state = adopted(data)
    assert torch.equal(spikes, play(net, data))
    assert 0 < spikes.mean() < 1
    assert list(state) == [1, 2]
    assert set(dict(net.named_parameters())) == set(dict(adopted.named_parameters()))
    assert torch.equal(adopted[0].weight, net[0].weight)
    assert adopted[0].weight is not net[0].weight


def test_a_layer_that_is_used_twice_stays_one() -> None:
    shared = nn.Linear(5, 5)
    net, data = nn.Sequential(shared, Leaky(0.8), shared, Leaky(0.9)), x(20, 3, 5) * 3
    adopted = rt.adopt(net, check=data)
    assert len(adopted) == 4
    assert adopted[0] is adopted[2]
    assert torch.equal(adopted(data)[0], play(net, data))


def test_the_comparison_shows_every_layer() -> None:
    report = rt.compare_adopted(model(), x(40, 3, 6) * 2)
    assert [one.path for one in report.layers] == ["0", "1", "2.0", "2.1", "2.2"]
    assert [one.spikes is None for one in report.layers] == [True, False, True, True, False]
    assert all(one.spikes > 0 and one.gradient_difference is not None for one in report.layers if one.spikes is not None)
    assert report.faults() == []
    assert str(report).splitlines()[2].split()[:-1] == ["1", "Leaky", "Leaky", "960", f"{report.layers[1].spikes}", "0", "0.0e+00"]


def test_a_layer_that_does_something_else_is_an_error_that_says_where() -> None:
    class Wrong(Leaky):
        """Says that it subtracts, and does not."""

        __module__ = "snntorch._neurons.leaky"

        def forward(self, x: Tensor) -> Any:
            if self.mem.shape != x.shape:
                self.mem = torch.zeros_like(x)
            self.mem = self.beta * self.mem + x
            return self.spike_grad(self.mem - self.threshold), self.mem

    Wrong.__name__ = "Leaky"
    net, data = nn.Sequential(nn.Linear(6, 8), Leaky(0.8), Wrong(0.8)), x(30, 3, 6) * 3
    with pytest.raises(rt.AdoptionError, match=r"2 \(Leaky\): [\d,]+ of 720 entries differ, first at \((\d+), \d, \d\)") as caught:
        rt.adopt(net, check=data)
    report = caught.value.adoption
    assert [one.flipped > 0 for one in report.layers] == [False, False, True]
    wrong, given = report.layers[2], play(net[:2], data)
    v, before = torch.zeros(3, 8), None
    for t, step in enumerate(given):  # where the two part: the step after the first spike in which the difference matters
        v = 0.8 * v + step
        before = t if before is None and bool((v > 1).any()) else before
    assert wrong.first is not None
    assert before is not None
    assert wrong.first[0] > before
    assert isinstance(rt.adopt(net, check=data, flips=1.0), rt.Sequential)


def test_a_gradient_that_differs_is_an_error() -> None:
    net = Leaky(0.8, spike_grad=curve("atan", 5.0))  # says alpha=5, and has the slope of 2
    with pytest.raises(rt.AdoptionError, match=r"the model itself \(Leaky\): the gradient of its input differs by 1\.1 of the largest"):
        rt.adopt(net, check=x(20, 2, 3))
    rt.adopt(net, check=x(20, 2, 3), surrogate=rsnn.surrogate.ATan(2.0))  # of the caller's own, nothing can be said


def test_the_original_is_given_back_as_it_was() -> None:
    net = model()
    net[1](torch.ones(3, 8))
    left = net[1].mem
    net.eval()
    net[0].train()
    before = copy.deepcopy(net.state_dict())
    adopted = rt.adopt(net, check=x(20, 3, 6))
    assert net[1].mem is left
    assert [each.training for each in (net, net[0], net[1])] == [False, True, False]
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in before.items())
    assert not adopted.training
    assert adopted[1].beta.grad is None


class Node(nn.Module):
    """Stands for SpikingJelly's IFNode."""

    __module__ = "spikingjelly.activation_based.neuron.integrate_and_fire"

    def __init__(self, step_mode: str = "m") -> None:
        super().__init__()
        self.step_mode, self.v_threshold, self.v_reset, self.detach_reset = step_mode, 1.0, 0.0, True
        self.surrogate_function = kind("spikingjelly.activation_based.surrogate", "ATan", nn.Module)()
        self.surrogate_function.alpha, self.surrogate_function.spiking = 2.0, True
        self._memories: dict[str, Any] = {"v": 0.0}
        self._memories_rv: dict[str, Any] = {"v": 0.0}

    def forward(self, x: Tensor) -> Tensor:
        outputs = []
        for step in x if self.step_mode == "m" else x[None]:
            v = self._memories["v"] + step
            s = Spike.apply(v - 1.0)  # type: ignore[no-untyped-call]
            self._memories["v"] = (1.0 - s.detach()) * v
            outputs.append(s)
        return torch.stack(outputs) if self.step_mode == "m" else outputs[0]


Node.__name__ = "IFNode"


def test_containers_say_how_their_contents_are_called() -> None:
    path = "spikingjelly.activation_based.layer.container"

    def fold(self: Any, x: Tensor) -> Tensor:
        return nn.Sequential.forward(self, x.flatten(0, 1)).reshape(*x.shape[:2], -1)

    frames = kind(path, "SeqToANNContainer", nn.Sequential, forward=fold)
    steps = kind(path, "MultiStepContainer", nn.Sequential, forward=lambda self, x: torch.stack([*map(super(nn.Sequential, self), x)]))
    torch.manual_seed(0)
    net = nn.Sequential(frames(nn.Conv2d(2, 3, 3), nn.Flatten()), Node(), steps(nn.Linear(12, 4), Node("s")))
    data = x(15, 3, 2, 4, 4) * 3
    adopted = rt.adopt(net, check=data)
    assert adopted(data)[0].shape == (15, 3, 4)
    assert isinstance(adopted, rt.Sequential)
    with pytest.raises(
        rsnn.InvalidValueError, match=r"1\.0: spikingjelly.IFNode: takes one time step a call.*frames, time and batch folded"
    ):
        rt.adopt(nn.Sequential(Node(), frames(Node("s"))))


def test_norse_is_read_from_its_tuple_and_lifted_modules_take_single_steps() -> None:
    def step(self: Any, x: Tensor, state: Any = None) -> Any:
        v = torch.zeros_like(x) if state is None else state
        v = v + 0.001 * self.p.tau_mem_inv * ((x + self.p.v_leak) - v)
        s = Spike.apply(v - self.p.v_th)  # type: ignore[no-untyped-call]
        return s, (1 - s) * v + s * self.p.v_reset

    def forward(self: Any, x: Tensor, state: Any = None) -> Any:
        return torch.stack([self.lifted_module(each) for each in x])

    cell = kind("norse.torch.module.lif_box", "LIFBoxCell", nn.Module, forward=step)()
    numbers = {"tau_mem_inv": torch.tensor(400.0), "v_leak": torch.tensor(0.0), "v_th": torch.tensor(0.5), "v_reset": torch.tensor(0.0)}
    cell.dt, cell.activation = 0.001, step
    cell.p = SimpleNamespace(**numbers, method="super", alpha=torch.tensor(100.0), reset_method=lambda *_: None)
    with pytest.raises(rsnn.InvalidValueError, match="LIFBoxCell: reset_method=<lambda>: rsnn has reset_value and reset_subtract"):
        rt.adopt(cell)
    cell.p.reset_method.__name__ = "reset_value"
    layer = layer_of(cell)
    assert layer.neuron.stages == rsnn.presets.norse.LIFBox(tau_mem_inv=torch.tensor(400.0).numpy(), v_th=0.5).stages
    rt.adopt(cell, check=x(30, 2, 3) * 3, surrogate=rsnn.surrogate.ATan(2.0))
    lift = kind("norse.torch.module.lift", "Lift", nn.Module, forward=forward)()
    lift.lifted_module = nn.Sequential(nn.Linear(3, 3), cell)
    assert isinstance(rt.adopt(nn.Sequential(lift)), rt.Sequential)


def test_sinabs_is_batch_first_and_its_folded_layers_take_time_and_batch_apart() -> None:
    class IAFSqueeze(nn.Module):
        """Stands for sinabs' layer of the same name."""

        __module__ = "sinabs.layers.iaf"

        def __init__(self) -> None:
            super().__init__()
            self.batch_size, self.num_timesteps, self.train_alphas, self.tau_syn, self.min_v_mem = 7, -1, False, None, None
            self.spike_threshold = nn.Parameter(torch.tensor(1.0), requires_grad=False)
            self.spike_fn, self.reset_fn = type("MultiSpike", (), {}), kind("sinabs.activation", "MembraneSubtract", nn.Module)()
            self.reset_fn.subtract_value = None
            self.register_buffer("v_mem", torch.zeros(0))

        def forward(self, x: Tensor) -> Tensor:
            apart = x.reshape(self.batch_size, self.num_timesteps, *x.shape[1:])
            v, outputs = torch.zeros_like(apart[:, 0]), []
            for step in apart.unbind(1):
                v = v + step
                s = (v > 0) * torch.div(v, self.spike_threshold, rounding_mode="trunc")
                v = v - s * self.spike_threshold
                outputs.append(s)
            return torch.stack(outputs, 1).flatten(0, 1)

    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), IAFSqueeze())
    adopted = rt.adopt(net, check=x(3, 10, 1, 5, 5) * 3, surrogate=rsnn.surrogate.ATan(2.0))
    assert adopted.batch_first
    assert net[1].batch_size == 7
    assert neuron_of(net[1]) == rsnn.presets.sinabs.IAF()
    net[1].surrogate_grad_fn = torch.relu
    with pytest.raises(rsnn.InvalidValueError, match=r"1: sinabs.IAFSqueeze: .*surrogate_grad_fn"):
        rt.adopt(net)


class Own(nn.Module):
    """A model with a forward of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(2, 2), Leaky()


class Derived(Leaky):
    """A neuron of somebody's own."""

    __module__ = "somewhere"


def block(self: Any) -> None:
    nn.Module.__init__(self)
    self.lif = Derived()


Base = kind("sinabs.layers.stateful_layer", "StatefulLayer", nn.Module)


class Made(Base):  # type: ignore[misc]
    """A neuron made of what a library has for that."""

    __module__ = "somewhere"


def twice() -> nn.Sequential:
    shared = Leaky()
    return nn.Sequential(shared, nn.Linear(2, 2), shared)


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "no module": ({}, rsnn.InvalidTypeError, "model is dict: must be a torch module"),
    "no neuron": (nn.Linear(2, 2), rsnn.InvalidValueError, "model: no layer of theirs came; .*norse, sinabs, snntorch, spikingjelly"),
    "two libraries": (nn.Sequential(Leaky(), Node()), rsnn.InvalidValueError, "layers of snntorch and spikingjelly came; .*one of norse"),
    "a forward of its own": (
        nn.Sequential(Own()),
        rsnn.InvalidValueError,
        r"0: Own: has a forward of its own around lif.*adopt\(torch.nn.Sequential\(net.fc1",
    ),
    "a class that derives": (nn.Sequential(Leaky(), Derived()), rsnn.InvalidValueError, "1: Derived: derives from snntorch.Leaky"),
    "a class made of a library's parts": (
        nn.Sequential(nn.ReLU(), Made()),
        rsnn.InvalidValueError,
        "1: Made: derives from sinabs.Stateful",
    ),
    "parts inside of others": (
        nn.Sequential(Leaky(), kind("somewhere", "Block", nn.Module, __init__=block)()),
        rsnn.InvalidValueError,
        "1: Block: has a forward of its own around lif",
    ),
    "neurons used twice": (twice(), rsnn.InvalidValueError, "2: snntorch.Leaky: is the same neurons as 0, .*give each place its own"),
    "rsnn's own": (nn.Sequential(Leaky(), rt.LIF(beta=0.9)), rsnn.InvalidValueError, "1: LIF: is rsnn's already; put it"),
    "a number out of range": (
        nn.Sequential(Leaky(), kind("snntorch._neurons.leaky", "Leaky", Leaky)(float("nan"))),
        rsnn.InvalidValueError,
        "1: snntorch.Leaky: beta=",
    ),
    "several": (
        nn.Sequential(Leaky(state_quant=len), nn.LSTM(2, 2), kind("snntorch._neurons.x", "SLSTM", nn.Module)()),
        rsnn.InvalidValueError,
        "0: snntorch.Leaky: state_quant.*; 1: LSTM: keeps a state.*; 2: snntorch.SLSTM: is a gated network",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_adopted_is_named_by_its_place_with_the_cure(name: str) -> None:
    given, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        rt.adopt(given)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"check": [1.0]}, rsnn.InvalidTypeError, "check is list: must be a tensor"),
        ({"check": torch.ones(3)}, rsnn.InvalidValueError, r"check has the shape \(3,\): .*\(T, B, \.\.\.\)"),
        ({"flips": 2.0}, rsnn.InvalidValueError, "flips=2"),
        ({"surrogate": "atan"}, rsnn.InvalidTypeError, "surrogate='atan'"),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        rt.adopt(Leaky(), **options)


def test_single_neurons_only_are_read_alone() -> None:
    assert neuron_of(Leaky(0.75)) == rsnn.presets.snntorch.Leaky(beta=0.75)
    with pytest.raises(rsnn.InvalidValueError, match=r"module: snntorch.Leaky: reset_mechanism='never'"):
        neuron_of(Leaky(reset_mechanism="never"))
    with pytest.raises(rsnn.InvalidTypeError, match="module is float"):
        layer_of(0.9)  # type: ignore[arg-type]

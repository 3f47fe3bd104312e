"""`rsnn.nir` against the exporters and readers of the libraries themselves: told the source, every spike; and what a reader changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import norse.torch as norse
import numpy as np
import pytest
import sinabs.layers as sl
import sinabs.nir
import snntorch as snn
import spikingjelly.activation_based.layer as sj_layer
import spikingjelly.activation_based.neuron as sj
import torch
from played import data, weights
from snntorch.export_nir import export_to_nir as from_snntorch
from snntorch.import_nir import import_from_nir as to_snntorch
from spikingjelly.activation_based.nir_exchange import export_to_nir as from_spikingjelly
from spikingjelly.activation_based.nir_exchange import import_from_nir as to_spikingjelly
from torch import Tensor, nn

import rsnn

Make = Callable[[int], nn.Module]
VECTORS = (data(40, 2, 8) > 0.5).float()
IMAGES = (data(20, 2, 2, 8, 8) > 0.5).float()


def each(n: int, value: float) -> Tensor:
    """A number for each of n neurons: the exporters that leave one number write a graph that nir 1.0.8 refuses."""
    return torch.full((n,), value)


def two_layers(neuron: Make, linear: Any = nn.Linear, around: Any = nn.Sequential) -> Any:
    """Two layers with weights whose sums are exact."""
    return weights(around(linear(8, 6), neuron(6), linear(6, 4), neuron(4)))


def by_snntorch(neuron: Make) -> tuple[nn.Module, nir.NIRGraph]:
    net = two_layers(neuron)
    return net, from_snntorch(net, torch.zeros(1, 8), ignore_dims=[0])


def by_norse(neuron: Make) -> tuple[nn.Module, nir.NIRGraph]:
    net = two_layers(neuron, around=norse.SequentialState)
    return net, norse.to_nir(net, torch.zeros(8))


def by_sinabs(neuron: Make) -> tuple[nn.Module, nir.NIRGraph]:
    net = two_layers(neuron)
    with torch.no_grad():
        return net, sinabs.nir.to_nir(net, torch.zeros(2, 8))


def by_spikingjelly(neuron: Make) -> tuple[nn.Module, nir.NIRGraph]:
    net = two_layers(neuron, linear=sj_layer.Linear)
    for module in net:
        module.step_mode = "m"
    return net, from_spikingjelly(net, torch.zeros(5, 2, 8))


def leaky(n: int, **more: Any) -> nn.Module:
    return snn.Leaky(beta=each(n, 0.9), threshold=torch.ones(n), init_hidden=True, **more)


def synaptic(n: int, **more: Any) -> nn.Module:
    return snn.Synaptic(alpha=each(n, 0.7), beta=each(n, 0.9), threshold=torch.ones(n), init_hidden=True, **more)


def rleaky(n: int) -> nn.Module:
    return snn.RLeaky(beta=each(n, 0.9), threshold=torch.ones(n), linear_features=n, init_hidden=True)


def squeezed(n: int, **more: Any) -> nn.Module:
    return sl.LIFSqueeze(tau_mem=each(n, 10.0), spike_threshold=torch.ones(n), batch_size=2, **more)


SUBTRACT = {"source": "snntorch", "reset": "subtract"}
LEAKY_NIR = {"reset", "timing", "dt"}
"""Of snnTorch the equations of NIR have neither the reset, nor when it is, nor the Euler step that makes its gain 1."""
PARAMETRIC = {"source": "spikingjelly", "arguments": {"neuron": "ParametricLIFNode"}}
# The exporter's model and graph; what `read` must be told; what the equations of NIR alone (or another argument) have otherwise.
Model = tuple[Callable[[], tuple[nn.Module, nir.NIRGraph]], dict[str, Any], dict[str, Any], set[str]]


def of_norse(neuron: Make, cause: str) -> Model:
    return lambda: by_norse(neuron), {"source": "norse"}, {"source": "nir", "dt": 1e-3}, {cause}


MODELS: dict[str, Model] = {
    "snntorch Leaky": (lambda: by_snntorch(leaky), SUBTRACT, {"source": "nir", "dt": 1e-4}, LEAKY_NIR),
    "snntorch Synaptic": (lambda: by_snntorch(synaptic), SUBTRACT, {"source": "nir", "dt": 1e-4}, LEAKY_NIR | {"gain"}),
    "snntorch Leaky zero": (
        lambda: by_snntorch(lambda n: leaky(n, reset_mechanism="zero")),
        {"source": "snntorch", "reset": "zero"},
        SUBTRACT,
        {"reset"},
    ),
    "snntorch RLeaky": (lambda: by_snntorch(rleaky), SUBTRACT, {"source": "snntorch", "reset": "zero"}, {"reset"}),
    "norse LIFBoxCell": of_norse(lambda n: norse.LIFBoxCell(norse.LIFBoxParameters(v_th=torch.tensor(0.3))), "dt"),
    "norse LIFCell": of_norse(lambda n: norse.LIFCell(norse.LIFParameters(v_th=torch.tensor(0.3))), "dt"),
    "norse IAFCell": of_norse(lambda n: norse.IAFCell(norse.IAFParameters(v_th=torch.tensor(1.5))), "gain"),
    "sinabs IAFSqueeze": (
        lambda: by_sinabs(lambda n: sl.IAFSqueeze(batch_size=2, min_v_mem=0.0)),
        {"source": "sinabs", "arguments": {"min_v_mem": 0.0}},
        {"source": "sinabs", "arguments": {"min_v_mem": None}},
        {"clip"},
    ),
    "sinabs LIFSqueeze": (
        lambda: by_sinabs(lambda n: squeezed(n, norm_input=False, min_v_mem=-0.5)),
        {"source": "sinabs", "arguments": {"norm_input": False, "min_v_mem": -0.5}},
        {"source": "sinabs", "arguments": {"norm_input": True, "min_v_mem": -0.5}},
        {"gain"},
    ),
    "spikingjelly IFNode": (
        lambda: by_spikingjelly(lambda n: sj.IFNode()),
        {"source": "spikingjelly"},
        {"source": "nir", "dt": 1e-4},
        {"comparison"},
    ),
    "spikingjelly LIFNode": (
        lambda: by_spikingjelly(lambda n: sj.LIFNode(tau=2.0)),
        {"source": "spikingjelly"},
        {"source": "nir", "dt": 1e-4},
        {"dt", "comparison"},
    ),
    "spikingjelly LIFNode without decay of the input": (
        lambda: by_spikingjelly(lambda n: sj.LIFNode(tau=3.0, decay_input=False)),
        {"source": "spikingjelly"},
        {"source": "nir", "dt": 1e-4},
        {"comparison", "dt"},
    ),
    "spikingjelly ParametricLIFNode": (
        lambda: by_spikingjelly(lambda n: sj.ParametricLIFNode(init_tau=3.0)),
        PARAMETRIC,
        {"source": "nir", "dt": 1e-4},
        {"dt"},
    ),
    "spikingjelly CUBALIFNode": (
        lambda: by_spikingjelly(lambda n: sj.CUBALIFNode()),
        {"source": "spikingjelly"},
        {"source": "nir", "dt": 1e-4},
        {"gain", "dt"},
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_a_library_exports_is_read_with_every_spike_of_the_original(name: str) -> None:
    make, told, _, _ = MODELS[name]
    original, graph = make()
    report = rsnn.nir.audit(original, graph, VECTORS, **told)
    assert report.agrees, report
    assert report.layers[0].expected > 20


@pytest.mark.parametrize("name", MODELS)
def test_what_is_read_by_other_conventions_is_audited_to_the_last_spike(name: str) -> None:
    make, _, other, causes = MODELS[name]
    original, graph = make()
    report = rsnn.nir.audit(original, graph, VECTORS, **other)
    assert {one.cause for one in report.causes} == causes, report
    assert report.causes[-1].first_step is None, report
    assert f"likely cause: {report.cause}: " in str(report)
    assert report.plot().get_title(loc="left")


def convolutional(kind: str) -> tuple[nn.Module, nir.NIRGraph, dict[str, Any]]:
    """A convolutional model of a library with its graph; Norse's reader and writer leave out the axis of the batch in Flatten."""
    if kind == "snntorch":
        image = snn.Leaky(beta=torch.full((3, 6, 6), 0.9), threshold=torch.ones(3, 6, 6), init_hidden=True)
        net = weights(nn.Sequential(nn.Conv2d(2, 3, 3), image, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(27, 4), leaky(4, output=True)))
        return net, from_snntorch(net, torch.zeros(1, 2, 8, 8), ignore_dims=[0]), SUBTRACT
    if kind == "sinabs":
        made = [sl.IAFSqueeze(batch_size=2, min_v_mem=-1.0) for _ in range(2)]
        net = weights(nn.Sequential(nn.Conv2d(2, 3, 3), made[0], sl.SumPool2d(2), nn.Flatten(), nn.Linear(27, 4), made[1]))
        with torch.no_grad():
            graph = sinabs.nir.to_nir(net, torch.zeros(2, 2, 8, 8))
        return net, graph, {"source": "sinabs", "arguments": {"min_v_mem": -1.0}}
    net = weights(
        nn.Sequential(
            sj_layer.Conv2d(2, 3, 3), sj.IFNode(), sj_layer.AvgPool2d(2), sj_layer.Flatten(), sj_layer.Linear(27, 4), sj.LIFNode()
        )
    )
    for module in net.modules():
        if hasattr(module, "step_mode"):
            module.step_mode = "m"
    return net, from_spikingjelly(net, torch.zeros(5, 2, 2, 8, 8)), {"source": "spikingjelly"}


@pytest.mark.parametrize("kind", ["snntorch", "sinabs", "spikingjelly"])
def test_a_convolutional_model_is_read_with_every_spike(kind: str) -> None:
    original, graph, told = convolutional(kind)
    network = rsnn.nir.read(graph, **told)
    assert network.input_shape == (2, 8, 8)
    report = rsnn.nir.audit(original, network, IMAGES)
    assert report.agrees, report
    assert all(one.expected > 20 for one in report.layers)


def test_norse_to_nir_to_norse_is_another_network_and_the_audit_says_why() -> None:
    original, graph = MODELS["norse LIFBoxCell"][0]()
    again = norse.from_nir(graph)
    kept, were = (rsnn.nir.audit(one, rsnn.nir.read(graph, source="norse"), VECTORS) for one in (again, original))
    assert were.agrees
    assert not kept.agrees
    # The file has dt times the time constant, which the reader takes as it is: an Euler step that weighs its input by 100, not by 0.1.
    assert {one.cause for one in kept.causes} == {"dt", "gain"}, kept


# What rsnn writes, read by the libraries: each has a dt of its own, which is the network's.


def written(path: Path, dt: float, *more: Any, **given: Any) -> tuple[rsnn.Network, nir.NIRGraph]:
    """A network, and its graph as it comes out of a file. Weights have a bias: sinabs knows no nir.Linear."""
    rng = np.random.default_rng(0)
    made = [rsnn.Linear(rng.integers(-8, 25, shape) / 8.0, np.zeros(shape[0])) for shape in ((6, 8), (4, 6))]
    neuron = rsnn.IAF(**given) if "tau_mem" not in given else rsnn.LIF(given.pop("tau_mem") * dt, dt=dt, **given)
    network = rsnn.Network([made[0], neuron, made[1], neuron], 8)
    rsnn.nir.write(network, path, allow_lossy=bool(more))
    return network, nir.read(path)


READ: dict[str, tuple[Callable[[nir.NIRGraph], nn.Module], float, dict[str, Any], set[str]]] = {
    "norse LIF": (lambda graph: norse.from_nir(graph, dt=1.0), 1.0, {"tau_mem": 20.0, "reset": "zero"}, {"dt"}),
    "norse LIF in seconds": (norse.from_nir, 1e-3, {"tau_mem": 20.0, "reset": "zero"}, {"dt"}),
    "norse IF": (lambda graph: norse.from_nir(graph, dt=1.0), 1.0, {"fire": "single", "reset": "zero"}, {"comparison"}),
    "snntorch LIF": (to_snntorch, 1e-4, {"tau_mem": 20.0, "reset": "zero"}, {"dt"}),
    "sinabs IF": (lambda graph: sinabs.nir.from_nir(graph, batch_size=2), 1.0, {"v_min": -1.0}, set()),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READ)
def test_a_library_reads_what_rsnn_writes_and_the_audit_says_what_is_its_own(name: str, tmp_path: Path) -> None:
    reader, dt, given, causes = READ[name]
    network, graph = written(tmp_path / "net.nir", dt, *(["lossy"] if "v_min" in given else []), **given)
    report = rsnn.nir.audit(reader(graph), network, VECTORS)
    assert report.layers[0].expected > 20
    assert {one.cause for one in report.causes} == causes, report
    assert report.agrees or report.causes[-1].first_step is None, report


def test_spikingjelly_reads_what_rsnn_writes_with_the_same_numbers(tmp_path: Path) -> None:
    network, graph = written(tmp_path / "net.nir", 1.0, tau_mem=20.0, reset="zero")
    module = to_spikingjelly(graph, dt=1.0)
    nodes = [one for one in module.modules() if isinstance(one, sj.LIFNode)]
    assert [(round(one.tau, 4), one.decay_input, one.v_reset, one.v_threshold) for one in nodes] == [(20.0, True, 0.0, 1.0)] * 2
    sent, state = [], None
    for step in VECTORS:
        out, state = module(step, state)
        sent.append(out.detach())
    report = rsnn.nir.audit(torch.stack(sent), network, VECTORS)
    assert {one.cause for one in report.causes} == {"dt"}, report
    with pytest.raises(rsnn.InvalidValueError, match="calls its neurons of spikingjelly in a way of its own"):
        rsnn.nir.audit(module, network, VECTORS)

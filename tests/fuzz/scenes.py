"""What the examples in the docstrings do not show: programs whose calls and objects the fuzzing begins with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import rsnn


def play() -> Iterator[Any]:
    """Run every scene; give the objects that it made."""
    for scene in (networks, neurons, chips, pictures, layers, borrowed):
        yield from scene()


def networks() -> Iterator[Any]:
    """A network with layers of several kinds, its streams, and an audit of what NIR says of it."""
    net = rsnn.Network([rsnn.Linear(np.eye(3)), rsnn.IAF(), rsnn.Linear(np.ones((2, 3))), rsnn.LIF(beta=0.5)], 3)
    x = (np.random.default_rng(0).random((6, 3)) < 0.5).astype(np.float32)
    stream = net.stream()
    stream.step(x[0])
    stream.reset(stream.state)
    yield from (net, stream, net.stream(batch=2), net.run(x), net.run(x[:, None]))
    audit = rsnn.nir.audit(net, rsnn.nir.graph(net, allow_lossy=True), x)
    audit.plot()
    yield audit


def neurons() -> Iterator[Any]:
    """Every stage and every surrogate as it is without arguments."""
    for module in (rsnn.stages, rsnn.surrogate, rsnn.presets.sinabs):
        for name in module.__all__:
            kind = getattr(module, name)
            if isinstance(kind, type):
                try:
                    yield kind()
                except (TypeError, rsnn.RsnnError):  # it needs arguments
                    continue
    s = rsnn.stages
    yield from (s.Amount(0.5), s.Gate(0.5), s.Scaled(5.0, 2.0), s.Soft(1.0))
    for curve in (rsnn.surrogate.ATan(2.0), rsnn.surrogate.Custom(lambda v, theta: v - theta)):
        curve(0.5, 1.0)


def chips() -> Iterator[Any]:
    """A network on each kind of chip: its check, its report, its file."""
    x = np.random.default_rng(1).integers(0, 2, (8, 3))
    times = {"tau_syn": 5.0, "tau_mem": 10.0}
    for target, neurons in (
        ("speck2f", [rsnn.IAF(), rsnn.IAF()]),
        ("xylo_audio2", [rsnn.LIF(**times, fire="multi", max_spikes=31), rsnn.LIF(**times)]),
        ("tinyodin", [rsnn.IAF(reset="zero")]),
    ):
        layers = [layer for neuron in neurons for layer in (rsnn.Linear(np.eye(3)), neuron)]
        chip = rsnn.chip.quantize(rsnn.Network(layers, (3,)), target)
        out, report = chip.run(x), chip.report(x)
        chip.in_float()
        yield from (chip, chip.check(), out, report, chip.dequantize())
    yield rsnn.chip.TARGETS["speck2f"]


def pictures() -> Iterator[Any]:
    """An explorer, and pictures of a result."""
    from matplotlib.figure import Figure

    yield rsnn.plot.explore(rsnn.LIF(tau_mem=20.0), figure=Figure())
    out = rsnn.lif(11.0, tau_mem=20.0, v_threshold=10.0, steps=50, record="v")
    out.plot()
    yield out


def layers() -> Iterator[Any]:
    """Every layer of torch that says what it is by itself, with gradients; a list, a graph, and a chip trained for."""
    import torch

    import rsnn.torch as rt

    x = torch.ones(4, 2, 3, requires_grad=True)
    for module in (rt, rt.presets.norse, rt.presets.snntorch, rt.presets.sinabs, rt.presets.spikingjelly):
        for name in module.__all__:
            kind = getattr(module, name)
            if isinstance(kind, type) and issubclass(kind, rt.Layer) and kind not in (rt.Layer, rt.Cell):
                try:
                    layer = kind(**({"hidden_size": 3} if "Recurrent" in name else {}))
                except rsnn.RsnnError:  # it needs arguments
                    continue
                layer(x[0] if "Cell" in name else x)
                yield layer
    frames = torch.ones(3, 2, 1, 4, 4)
    net = rt.Sequential(rt.Conv2d(1, 2, 3), rt.IAF(), rt.SumPool2d(2), rt.Lift(torch.nn.Flatten()), rt.Linear(2, 2), rt.IAF())
    rt.Conv2d(1, 2, 3)(frames)
    rt.Delay(1.0).step(x[0])
    graph = rt.Graph([("a", rt.Linear(3, 3)), ("b", rt.LIF())])
    graph.step(x[0])
    rt.Sequential(rt.Linear(3, 3), rt.LIF()).step(x[0])
    qat = rt.chip.QAT(net, target="speck2f")
    qat(frames)
    qat.quantized()
    rt.convert(torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU()))
    yield from (net, graph, qat, net.run(frames), rt.to_network(net, (1, 4, 4)))


def borrowed() -> Iterator[Any]:
    """A model with a layer of another library, adopted, and one of ReLU, converted."""
    import torch
    from stand_ins import Leaky

    import rsnn.torch as rt

    model = torch.nn.Sequential(torch.nn.Linear(3, 3), Leaky(0.8))
    x = torch.rand(5, 2, 3)
    adoption = rt.compare_adopted(model, x)
    adoption.faults()
    for layer in adoption.layers:
        layer.fault()
    yield from (rt.adopt(model, check=x, flips=1.0), adoption, *adoption.layers)
    relu = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    net = rsnn.convert.from_relu(relu, x[0], percentile=99.0)
    yield from (net, rsnn.convert.compare(relu, net, x[0], steps=4), rsnn.convert.search(relu, x[0], steps=4))

"""Measure what a neuron and step cost over T, N, batch and threads, and draw docs/cost.png: part of ``make bench``.

A layer of LIF neurons with synapses, forward in numpy into an array that is there, and forward + backward in torch; over threads also a
convolutional network on a batch of event frames, and a training step of linear layers. The cost over density is what `inference` found.
Rounds, rotating arrays and least times are those of `neurons`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import inference
import mlp
import neurons
import part
import torch
import training
from targets import COST, Figure

import rsnn
import rsnn.torch as rt

FORWARD, BOTH = "LIF with synapse, forward", "LIF with synapse, forward + backward"
NETWORK, STEP = "conv network, 8 samples of 1 % events", "training step 700-256-256-20, 2 % input"
SAMPLES = 8
LAYERS: dict[str, tuple[tuple[int, ...], Callable[[int], tuple[int, ...]]]] = {
    "T": ((1, 4, 16, 64, 256, 1024, 4096), lambda n: (n, 1, 4096)),
    "N": ((16, 64, 256, 1024, 4096, 16384, 65536), lambda n: (256, 1, n)),
    "B": ((1, 2, 4, 8, 16, 32, 64, 128), lambda n: (100, n, 1024)),
}
"""Over what, where, and the shape (T, B, N) there."""
PANELS = {
    "T": "steps T, of 4096 neurons",
    "N": "neurons N, over 256 steps",
    "B": "batch B, 100 steps of 1024 neurons",
    "density": "inputs that are not 0, %\nconv network, 100 steps of 2 x 128 x 128, one thread",
    "threads": "threads, 1000 steps of 4096 neurons, or as said",
}
NAMES = {name: f"cost over {words}" for name, words in {"T": "steps", "N": "neurons", "B": "batch"}.items()} | {
    "density": "cost over density, forward",
    "threads": "cost over threads",
}


def forward(shape: tuple[int, ...], threads: int = 1) -> Callable[[int], Any]:
    """Run a layer in numpy."""
    xs, outs = neurons.inputs(shape)
    neuron = rsnn.LIF(beta=training.BETA, alpha=training.ALPHA)
    return lambda k: rsnn.simulate(neuron, xs[k], out=outs[k], threads=threads)


def both(shape: tuple[int, ...]) -> Callable[[int], Any]:
    """Run a layer forwards and backwards in torch."""
    xs, gradient = training.inputs(shape)
    layer = rt.LIF(beta=training.BETA, alpha=training.ALPHA)
    return lambda k: training.step(lambda x: layer(x)[0], xs[k], gradient)


def layers(effort: part.Effort) -> Iterator[Figure]:
    """Measure a layer over T, N and B."""
    torch.set_num_threads(1)
    for axis, (places, shape) in LAYERS.items():
        for place in effort.some(places):
            cells = torch.Size(shape(place)).numel()
            seconds = neurons.least({FORWARD: forward(shape(place)), BOTH: both(shape(place))}, 3 * effort.rounds)
            for name, each in seconds.items():
                yield Figure(name, f"{axis} = {place}", COST, each / cells * 1e9)


def over_threads(effort: part.Effort) -> Iterator[Figure]:
    """Measure a layer, a network and a training step over threads."""
    shape, net = neurons.SHAPES[0], inference.network()
    frames = [inference.events(0.01, k, size=(SAMPLES, *inference.SIZE)) for k in range(neurons.SETS)]
    step = mlp.step(mlp.spiking(rt.Linear, 0.8, recurrent=False))
    cells = {
        FORWARD: torch.Size(shape).numel(),
        BOTH: torch.Size(shape).numel(),
        NETWORK: inference.STEPS * SAMPLES * inference.CELLS,
        STEP: mlp.STEPS * mlp.BATCH * sum(mlp.SIZES[1:]),
    }
    backward = both(shape)
    for threads in range(1, rsnn.get_num_threads() + 1):
        torch.set_num_threads(threads)
        runs: dict[str, Callable[[int], Any]] = {
            FORWARD: forward(shape, threads),
            BOTH: backward,
            NETWORK: lambda k, threads=threads: net.run(frames[k], threads=threads),  # type: ignore[misc]
            STEP: lambda _: step(),
        }
        for name, run in runs.items():
            seconds = neurons.least({name: run}, effort.rounds)[name]
            yield Figure(name, f"threads = {threads}", COST, seconds / cells[name] * 1e9)
    torch.set_num_threads(1)


def measure(effort: part.Effort) -> Iterator[Figure]:
    """Measure everything that is drawn and that no other part measures."""
    yield from layers(effort)
    yield from over_threads(effort)


def curves(figures: Iterable[Figure]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Sort what is drawn: of each panel, of each line, the points."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {axis: {} for axis in PANELS}
    for figure in figures:
        axis, _, place = figure.where.partition(" = ")
        if axis in PANELS and figure.measure == COST and figure.value is not None:
            found[axis].setdefault(figure.work, []).append((float(place) * (100 if axis == "density" else 1), figure.value))
    return found


def draw(figures: Iterable[Figure], picture: Path) -> None:
    """Draw the cost over everything, a panel each."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
    from PIL import Image

    plain = FuncFormatter(lambda value, _: f"{value:g}")
    canvas, panels = pyplot.subplots(2, 3, figsize=(11, 6.6), layout="constrained")
    legend = panels.flat[-1]
    legend.axis("off")
    known: dict[str, Any] = {}
    styles = iter(zip("osD^vPX*<>", pyplot.get_cmap("tab10").colors, strict=False))  # type: ignore[attr-defined]
    for axes, (axis, lines) in zip(panels.flat, curves(figures).items(), strict=False):
        for name, points in lines.items():
            if name not in known:
                marker, color = next(styles)
                known[name] = {"marker": marker, "color": color}
            axes.loglog(*zip(*sorted(points), strict=True), label=name, markersize=5, **known[name])
        if not lines:
            axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center")
        axes.set_title(NAMES[axis], fontsize=11)
        axes.set_xlabel(PANELS[axis])
        axes.set_ylabel("ns per neuron and step")
        axes.grid(True, which="major", alpha=0.4)
        if axis == "threads" and lines:
            axes.set_xticks(sorted({place for points in lines.values() for place, _ in points}))
        if lines:
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        for each in (axes.xaxis, axes.yaxis):
            each.set_major_formatter(plain)
            each.set_minor_formatter(NullFormatter())
    handles = {name: handle for axes in panels.flat for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    legend.legend(handles.values(), handles, loc="center left", frameon=False, fontsize=10)
    # In few colours it takes a third of the place.
    with io.BytesIO() as drawn:
        canvas.savefig(drawn, dpi=100)
        Image.open(drawn).convert("RGB").quantize(64).save(picture, optimize=True)
    pyplot.close(canvas)


if __name__ == "__main__":
    part.main(measure, __doc__)

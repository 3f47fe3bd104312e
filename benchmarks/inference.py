"""Measure networks that run on events: part of ``make bench``; ``python benchmarks/inference.py --plot`` draws docs/events.png.

The network is that of an event camera: three convolutions of 3 x 3 (2-8-16-16 channels) with integrate-and-fire neurons, each pooled by
2, and one layer to 11 outputs, over 100 steps of 2 x 128 x 128. Beside it torch's convolutions, pooling and linear layer of the same
sizes with ReLU in the place of neurons, one thread each, and the network as modules of `rsnn.torch` without gradients.
As in `neurons`, times are the least of rounds in which the contestants take turns, and what counts are ratios.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import neurons
import numpy as np
import numpy.typing as npt
import torch

import rsnn
import rsnn.torch as rt

Array = npt.NDArray[np.float32]
STEPS, SIZE = 100, (2, 128, 128)
DENSITIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
PICTURE = Path(__file__).parent.parent / "docs" / "events.png"


def events(density: float, seed: int, steps: int = STEPS, size: tuple[int, ...] = SIZE) -> Array:
    """Random frames, so many of whose pixels have an event."""
    return (np.random.default_rng(seed).random((steps, *size)) < density).astype(np.float32)


def network(neuron: Any = None) -> rsnn.Network:
    """Make the network; its neurons fire at about the rate of its input."""
    rng = np.random.default_rng(0)
    neuron = rsnn.IAF(fire="single") if neuron is None else neuron
    layers: list[Any] = []
    for before, after in ((2, 8), (8, 16), (16, 16)):
        weight = rng.normal(0.02, 1 / np.sqrt(9 * before), (after, before, 3, 3)).astype(np.float32)
        layers += [rsnn.Conv2d(weight, padding=1), neuron, rsnn.AvgPool2d(2)]
    return rsnn.Network([*layers, rsnn.Flatten(), rsnn.Linear(rng.normal(0, 0.02, (11, 4096)).astype(np.float32))], SIZE)


def relu_network() -> torch.nn.Module:
    """Make the same with ReLU, in torch."""
    layers: list[torch.nn.Module] = []
    for before, after in ((2, 8), (8, 16), (16, 16)):
        layers += [torch.nn.Conv2d(before, after, 3, padding=1, bias=False), torch.nn.ReLU(), torch.nn.AvgPool2d(2)]
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(4096, 11, bias=False))


def runner(net: rsnn.Network, frames: list[Array], path: str) -> Callable[[int], Any]:
    """Run the network over one of some inputs, one thread."""
    return lambda k: net.run(frames[k], threads=1, path=path)


def against_torch(rounds: int) -> list[str]:
    """Rows: the network at 1 % against torch's."""
    torch.set_num_threads(1)
    frames = [events(0.01, k) for k in range(neurons.SETS)]
    dense, nets = relu_network(), {"IAF": network(), "LIF": network(rsnn.LIF(beta=0.9))}

    def relu(k: int) -> Any:
        with torch.inference_mode():
            return dense(torch.from_numpy(frames[k]))

    contestants: dict[str, Callable[[int], Any]] = {"torch": relu}
    contestants |= {name: runner(net, frames, "auto") for name, net in nets.items()}
    modules = rt.from_network(nets["IAF"])

    def sequential(k: int) -> Any:
        with torch.no_grad():
            return modules(torch.from_numpy(frames[k])[:, None])

    contestants["modules"] = sequential
    contestants["dense"] = runner(nets["IAF"], frames, "dense")
    seconds = neurons.least(contestants, rounds)
    named = {"IAF": "events, IAF", "LIF": "events, LIF", "modules": "`rt.Sequential`, IAF, no gradients", "dense": 'path="dense", IAF'}
    rows = [f"| torch, ReLU | 1 % | ms | {seconds['torch'] * 1e3:.1f} |"]
    for name, said in named.items():
        rows.append(f"| {said} | 1 % | ms | {seconds[name] * 1e3:.2f} |")
        rows.append(f"| {said} | 1 % | time / torch | {seconds[name] / seconds['torch']:.3f} |")
    return rows


def over_density(rounds: int) -> dict[float, dict[str, float]]:
    """Seconds of each path over the density of the input."""
    net = network()
    measured = {}
    for density in DENSITIES:
        frames = [events(density, k) for k in range(neurons.SETS)]
        runs = {path: runner(net, frames, path) for path in ("auto", "event", "dense")}
        measured[density] = neurons.least(runs, rounds)
    return measured


def streaming(steps: int) -> list[str]:
    """Rows: steps of a small network, one call each."""
    rng = np.random.default_rng(0)
    weight = rng.normal(0.05, 0.3, (8, 2, 3, 3)).astype(np.float32)
    layers = [rsnn.Conv2d(weight, stride=2, padding=1), rsnn.IAF(), rsnn.SumPool2d(2), rsnn.Flatten()]
    net = rsnn.Network([*layers, rsnn.Linear(rng.normal(0, 0.1, (10, 512)).astype(np.float32)), rsnn.LIF(beta=0.9)], (2, 34, 34))
    frames = events(0.01, 0, 1000, (2, 34, 34))
    stream = net.stream(threads=1)
    took = np.empty(steps)
    for k in range(steps):
        frame = frames[k % 1000]
        start = time.perf_counter()
        stream.step(frame)
        took[k] = time.perf_counter() - start
    half, most, worst = np.percentile(took, [50, 99, 99.9]) * 1e6
    work = "stream, conv(2-8, stride 2), IAF, pool, dense(10), LIF on 2x34x34, 1 %"
    return [
        f"| {work} | frames | steps a second | {steps / took.sum():,.0f} |",
        f"| the same | frames | microseconds of a step, 50 / 99 / 99.9 % of them | {half:.1f} / {most:.1f} / {worst:.1f} |",
    ]


MEMORY = """
import re, sys, numpy as np, rsnn
def held():
    return int(re.search(r"VmRSS:\\s*(\\d+)", open("/proc/self/status").read())[1])
rng = np.random.default_rng(0)
net = rsnn.Network([rsnn.Linear(rng.normal(0, 1, (32, 64)).astype("f")), rsnn.IAF(), rsnn.Linear(np.ones((4, 32), "f")), rsnn.LIF()], 64)
stream, frames = net.stream(threads=1), (rng.random((1000, 64)) < 0.1).astype("f")
for k in range(10_000): stream.step(frames[k % 1000])
before = held()
for k in range(int(sys.argv[1])): stream.step(frames[k % 1000])
print(held() - before)
"""


def memory(steps: int) -> list[str]:
    """One row: how much memory a long stream takes."""
    said = subprocess.run([sys.executable, "-c", MEMORY, str(steps)], check=True, capture_output=True, text=True).stdout
    return [f"| memory that {steps:,} steps of a stream take | 64-32-4 | KiB | {int(said)} |"]


def table(rounds: int) -> str:
    """Measure everything."""
    rows = ["| inference of a network, float32, one thread | input | measure | figure |", "|---|---|---|---|"]
    rows += against_torch(rounds)
    for density, seconds in over_density(max(3, rounds // 3)).items():
        best = min(seconds["event"], seconds["dense"])
        name = f"{density:.1%}"
        times = " / ".join(f"{1e3 * seconds[path]:.2f}" for path in ("auto", "event", "dense"))
        ratios = f"{seconds['auto'] / seconds['dense']:.2f}, {seconds['auto'] / best:.2f}"
        rows.append(f"| events, IAF | {name} | ms: auto / event / dense | {times} |")
        rows.append(f"| events, IAF | {name} | auto / dense, auto / better | {ratios} |")
    return "\n".join(rows + streaming(100_000) + memory(1_000_000))


def plot(rounds: int) -> None:
    """Draw time over density."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    measured = over_density(rounds)
    figure, axes = pyplot.subplots(figsize=(6, 4))
    for path, style in {"event": "o-", "dense": "s-", "auto": "k:"}.items():
        axes.loglog([100 * d for d in measured], [1e3 * seconds[path] for seconds in measured.values()], style, label=f'path="{path}"')
    axes.set_xlabel("pixels with an event, %")
    axes.set_ylabel("time of 100 steps, ms")
    axes.set_title("conv(2-8-16-16)-dense(11) on 2x128x128, IAF, one thread", fontsize=10)
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(PICTURE, dpi=120, bbox_inches="tight")


def main() -> None:
    """Measure, or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12, help="more rounds, less chance (default 12)")
    parser.add_argument("--plot", action="store_true", help=f"draw {PICTURE.name} instead")
    options = parser.parse_args()
    if options.plot:
        plot(options.rounds)
    else:
        print(table(options.rounds))


if __name__ == "__main__":
    main()

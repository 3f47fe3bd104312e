"""Measure networks that run on events: part of ``make bench``.

The network is that of an event camera: three convolutions of 3 x 3 (2-8-16-16 channels) with integrate-and-fire neurons, each pooled by
2, and one layer to 11 outputs, over 100 steps of 2 x 128 x 128. Beside it torch's convolutions, pooling and linear layer of the same
sizes with ReLU in the place of neurons, one thread each, and the network as modules of `rsnn.torch` without gradients.
As in `neurons`, times are the least of rounds in which the contestants take turns, and what counts are ratios.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import neurons
import numpy as np
import numpy.typing as npt
import part
import torch
from targets import COST, Aim, Figure, percent

import rsnn
import rsnn.torch as rt

Array = npt.NDArray[np.float32]
STEPS, SIZE = 100, (2, 128, 128)
DENSITIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
CELLS = 8 * 128 * 128 + 16 * 64 * 64 + 16 * 32 * 32
"""Its neurons."""


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


def relu_runner(frames: list[Array]) -> Callable[[int], Any]:
    """Run torch's network over one of some inputs."""
    dense = relu_network()

    def relu(k: int) -> Any:
        with torch.inference_mode():
            return dense(torch.from_numpy(frames[k]))

    return relu


def against_torch(rounds: int) -> Iterator[Figure]:
    """Run the network at 1 % beside torch's."""
    torch.set_num_threads(1)
    frames = [events(0.01, k) for k in range(neurons.SETS)]
    nets = {"IAF": network(), "LIF": network(rsnn.LIF(beta=0.9))}
    modules = rt.from_network(nets["IAF"])

    def sequential(k: int) -> Any:
        with torch.no_grad():
            return modules(torch.from_numpy(frames[k])[:, None])

    contestants: dict[str, Callable[[int], Any]] = {"torch": relu_runner(frames)}
    contestants |= {name: runner(net, frames, "auto") for name, net in nets.items()}
    seconds = neurons.least(contestants | {"modules": sequential}, rounds)
    ratios = {name: each / seconds["torch"] for name, each in seconds.items()}
    beside = f"beside {seconds['torch'] * 1e3:.0f} ms"
    yield Aim.EVENTS.only(ratios["IAF"], f"{seconds['IAF'] * 1e3:.1f} ms {beside}")
    yield Aim.MODULES.only(ratios["modules"], f"{seconds['modules'] * 1e3:.1f} ms {beside}")
    yield Figure("the same network of LIF neurons", "1 % of the pixels", Aim.EVENTS.value.measure, ratios["LIF"])


def over_density(effort: part.Effort) -> Iterator[Figure]:
    """Run each path, and torch, over the density of the input."""
    torch.set_num_threads(1)
    net, ratios, better = network(), {}, {}
    for density in effort.some(DENSITIES):
        frames = [events(density, k) for k in range(neurons.SETS)]
        runs = {f'conv network, path="{path}"': runner(net, frames, path) for path in ("auto", "event", "dense")}
        seconds = neurons.least({**runs, "conv network with ReLU, torch": relu_runner(frames)}, effort.part(3))
        auto, event, dense, _ = seconds.values()
        ratios[density], better[density] = auto / dense, auto / min(event, dense)
        for name, each in seconds.items():
            yield Figure(name, f"density = {density:g}", COST, each / STEPS / CELLS * 1e9)
    worst = max(ratios, key=ratios.__getitem__)
    yield Aim.PATHS.only(ratios[worst], f"{percent(worst)} of the pixels; {max(better.values()):.2f} x the better path at most")


def streaming(steps: int) -> Iterator[Figure]:
    """Take steps of a small network, one call each."""
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
    yield Aim.STREAM.only(steps / took.sum(), f"50, 99 and 99.9 % within {half:.0f}, {most:.0f} and {worst:.0f} microseconds")


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


def memory(steps: int) -> Iterator[Figure]:
    """See how much memory a long stream takes."""
    said = subprocess.run([sys.executable, "-c", MEMORY, str(steps)], check=True, capture_output=True, text=True).stdout
    yield Aim.STREAM_MEMORY.only(int(said))


def measure(effort: part.Effort) -> Iterator[Figure]:
    """Measure everything."""
    yield from against_torch(effort.rounds)
    yield from over_density(effort)
    yield from streaming(2_000 if effort.quick else 100_000)
    yield from memory(2_000 if effort.quick else 1_000_000)


if __name__ == "__main__":
    part.main(measure, __doc__)

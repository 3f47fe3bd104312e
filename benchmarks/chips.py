"""Measure the integer emulators of chips on one thread.

Loihi's neurons against copying their input, a Xylo core, and a convolutional network on DynapCNN against the same integers in floats, as
sinabs has them (torch alone where sinabs is not installed).
Times are those of the thread, so that a busy neighbour disturbs them less; contestants take turns, and the least of several rounds counts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import inference
import numpy as np
import part
import torch
from targets import CONV, Aim, Figure, percent

import rsnn
from rsnn.chip import loihi, xylo

STEPS, NEURONS = 1000, 4096
XYLO_STEPS, HIDDEN, TARGETS = 2000, 992, 8


def least(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Give the least time of each in seconds."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.thread_time()
            run()
            best[name] = min(best.get(name, math.inf), time.thread_time() - start)
    return best


def neurons(rounds: int) -> dict[str, float]:
    """Run Loihi neurons without synapses; seconds."""
    a = np.random.default_rng(0).integers(-200, 400, (STEPS, NEURONS)).astype(np.int32)
    out = np.empty_like(a)
    neuron = loihi.LIF(du=400, dv=300, vth=2000, bias_mant=3, bias_exp=4).neuron
    fired = rsnn.chip.run(neuron, a, threads=1).stats.density
    assert 0.001 < fired < 0.5, fired
    return least({"copy": lambda: np.copyto(out, a), "rsnn": lambda: rsnn.chip.run(neuron, a, threads=1)}, rounds)


def core(rounds: int) -> tuple[float, float]:
    """Run a Xylo core of 16 inputs, 992 hidden and 8 output neurons with 8 synapses each; seconds, and the density of its spikes."""
    rng = np.random.default_rng(0)
    w_rec = np.zeros((HIDDEN, HIDDEN), int)
    for row in w_rec:
        row[rng.choice(HIDDEN, TARGETS, replace=False)] = rng.integers(-90, 91, TARGETS)
    made = xylo.Core(
        w_in=rng.integers(-60, 90, (16, HIDDEN)) * (rng.random((16, HIDDEN)) < 0.5), w_rec=w_rec, w_out=rng.integers(-50, 90, (HIDDEN, 8)),
        dash_syn=3, dash_mem=4, dash_syn_out=3, dash_mem_out=4, threshold=1500, threshold_out=3000,
    )  # fmt: skip
    raster = rng.poisson(0.2, (XYLO_STEPS, 16))
    density = made.run(raster, threads=1).stats.density
    assert 0.005 < density < 0.3, density
    return least({"rsnn": lambda: made.run(raster, threads=1)}, rounds)["rsnn"], density


class Neurons(torch.nn.Module):
    """The neurons of a core in floats that hold integers, a step after the other: what sinabs' IAF computes."""

    def __init__(self, v_threshold: int) -> None:
        super().__init__()
        self.v_threshold = float(v_threshold)

    def forward(self, sums: torch.Tensor) -> torch.Tensor:
        """Run over (T, ...)."""
        v = torch.zeros_like(sums[0])
        spikes = []
        for x in sums:
            v = v + x
            s = torch.where(v > 0, torch.div(v, self.v_threshold, rounding_mode="trunc"), torch.zeros_like(v))
            v = v - s * self.v_threshold
            spikes.append(s)
        return torch.stack(spikes)


class SumPool(torch.nn.Module):
    """Sums over windows."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pool (T, C, H, W)."""
        return torch.nn.functional.avg_pool2d(x, self.side) * (self.side * self.side) if self.side > 1 else x


def emulation(network: Any) -> tuple[str, torch.nn.Sequential]:
    """Make the layers of a quantised network in floats: with sinabs' neurons and pooling, or in torch alone; says which."""
    modules: list[torch.nn.Module] = []
    with_sinabs = find_spec("sinabs") is not None
    if with_sinabs:
        import sinabs.layers as sl
        from sinabs.activation import MembraneSubtract, MultiSpike
    for layer in network.layers:
        core = layer.core
        features, channels, *kernel = core.weight.shape
        conv = torch.nn.Conv2d(channels, features, tuple(kernel), core.stride, core.padding, bias=False)
        conv.weight.data = torch.from_numpy(core.weight.astype(np.float32))
        modules.append(conv)
        if with_sinabs:
            modules.append(
                sl.IAFSqueeze(
                    batch_size=1, spike_threshold=torch.tensor(float(core.v_threshold)), spike_fn=MultiSpike, reset_fn=MembraneSubtract()
                )
            )
            modules.extend([sl.SumPool2d(core.pool)] if core.pool > 1 else [])
        else:
            modules += [Neurons(core.v_threshold), SumPool(core.pool)]
    return "sinabs" if with_sinabs else "torch, as sinabs computes", torch.nn.Sequential(*modules)


def convolutions(rounds: int, density: float) -> tuple[str, dict[str, float], int]:
    """Run the network of `inference` in integers, and its float emulation; which one, seconds, and spikes of the last layer."""
    torch.set_num_threads(1)
    source = inference.network(rsnn.IAF())
    network = rsnn.chip.quantize(rsnn.Network([*source.layers, rsnn.IAF()], inference.SIZE), target="dynapcnn")
    frames = inference.events(density, 0)
    counts = frames.astype(np.uint8)
    name, floats = emulation(network)

    def emulate() -> torch.Tensor:
        with torch.inference_mode():
            for module in floats:
                again = getattr(module, "reset_states", None)  # sinabs keeps the state of the last call
                if callable(again):
                    again()
            made: torch.Tensor = floats(torch.from_numpy(frames))
            return made

    ours, theirs = network.run(counts, threads=1).output, emulate().numpy().reshape(len(frames), -1)
    assert (ours == theirs).all(), "the emulations differ"
    return name, least({"rsnn": lambda: network.run(counts, threads=1), "floats": emulate}, rounds), int(ours.sum())


def beside_floats(rounds: int, density: float) -> tuple[str, float, str]:
    """Run DynapCNN beside its float emulation; what that is, its time over ours, and our time in words."""
    name, times, _ = convolutions(rounds, density)
    return name, times["floats"] / times["rsnn"], f"{times['rsnn'] * 1e3:.1f} ms beside {times['floats'] * 1e3:.0f}"


def measure(effort: part.Effort) -> Iterator[Figure]:
    """Measure everything."""
    found = neurons(effort.rounds)
    yield Aim.LOIHI.only(found["rsnn"] / (STEPS * NEURONS) * 1e9)
    yield Aim.LOIHI_COPY.only(found["rsnn"] / found["copy"])
    seconds, density = core(effort.part(2))
    yield Aim.XYLO.only(seconds / (XYLO_STEPS * HIDDEN) * 1e9, f"{percent(density)} fire")
    for density in effort.some((0.001, 0.01, 0.1)):
        name, ratio, note = beside_floats(effort.part(4), density)
        yield Figure(f"DynapCNN, {CONV}, beside {name}", f"{percent(density)} of the pixels", "its time / rsnn", ratio, note)


if __name__ == "__main__":
    part.main(measure, __doc__)

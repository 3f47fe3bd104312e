"""Measure training in torch: part of ``make bench``.

The gradient of the output is handed in (``output.backward(gradient)``), so that nothing but the layer is measured. As in `neurons`, times
are the least of rounds in which the contestants take turns over rotating arrays, and what counts are ratios.
"""

from __future__ import annotations

import itertools
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import neurons
import part
import torch
from targets import BATCH, TWO, Aim, Figure

import rsnn.torch as rt

ALPHA, BETA = 0.8, 0.9


class Spike(torch.autograd.Function):
    """A step with the gradient of an arctangent, as everybody writes it."""

    @staticmethod
    def forward(ctx: Any, y: torch.Tensor) -> torch.Tensor:  # noqa: D102
        ctx.save_for_backward(y)
        return (y >= 0).to(y.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # noqa: D102
        (y,) = ctx.saved_tensors
        slope: torch.Tensor = 1 / (1 + (torch.pi * y) ** 2)
        return gradient * slope


def torch_loop(x: torch.Tensor) -> torch.Tensor:
    """Run a LIF layer with a synapse by hand: unbound once, stacked once, the reset left out of the gradient."""
    i = v = torch.zeros_like(x[0])
    spikes = []
    for x_t in x.unbind():
        i = ALPHA * i + x_t
        u = BETA * v + i
        s: torch.Tensor = Spike.apply(u - 1.0)
        v = u - s.detach()
        spikes.append(s)
    return torch.stack(spikes)


def inputs(shape: tuple[int, ...]) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Rotating inputs, and the gradient of the output."""
    made = [torch.rand(shape, generator=torch.Generator().manual_seed(k)) * 0.1 for k in range(neurons.SETS)]
    return [x.requires_grad_() for x in made], torch.rand(shape)


def step(run: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, gradient: torch.Tensor) -> None:
    """Run forwards and backwards."""
    x.grad = None
    torch.autograd.backward(run(x), gradient)


def layer(shape: tuple[int, ...], threads: int, rounds: int) -> dict[str, float]:
    """Run a layer, one that keeps every step for backward, and the loop."""
    torch.set_num_threads(threads)
    xs, gradient = inputs(shape)
    ours, kept = rt.LIF(beta=BETA, alpha=ALPHA), rt.LIF(beta=BETA, alpha=ALPHA, checkpoint=1)
    runs: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "rsnn": lambda x: ours(x)[0],
        "kept": lambda x: kept(x)[0],
        "loop": torch_loop,
    }
    return neurons.least({name: lambda k, run=run: step(run, xs[k], gradient) for name, run in runs.items()}, rounds)  # type: ignore[misc]


def growth(effort: part.Effort) -> Iterator[Figure]:
    """Run longer and longer; the time per step."""
    torch.set_num_threads(1)
    ours, times = rt.LIF(beta=BETA, alpha=ALPHA), []
    for steps in map(effort.steps, (250, 1000, 4000)):
        xs, gradient = inputs((steps, 1, 4096))
        run = {"run": lambda k: step(lambda x: ours(x)[0], xs[k], gradient)}  # noqa: B023
        times.append(neurons.least(run, effort.rounds)["run"] / steps)
    yield Aim.TRAIN_GROWTH.only(max(times) / min(times))


def faults(rounds: int) -> Iterator[Figure]:
    """Count the minor page faults of a step in a steady loop."""
    torch.set_num_threads(1)
    (x, *_), gradient = inputs(neurons.SHAPES[1])
    ours = rt.LIF(beta=BETA, alpha=ALPHA)
    for _ in range(3):
        step(lambda x: ours(x)[0], x, gradient)
    counts = [resource.getrusage(resource.RUSAGE_SELF).ru_minflt]
    for _ in range(rounds):
        step(lambda x: ours(x)[0], x, gradient)
        counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
    yield Aim.FAULTS.only(statistics.median(after - before for before, after in itertools.pairwise(counts)), "the median")


KEPT = """
import re, sys, torch, rsnn.torch as rt
def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) * 1024
torch.set_num_threads(1)
layer = rt.LIF(beta=0.9, alpha=0.8, checkpoint=int(sys.argv[1]))
layer(torch.rand(40, 2, 64, requires_grad=True))[0].sum().backward()
x = torch.rand(640, 8, 4096, requires_grad=True)
before = peak()
spikes, _ = layer(x)
print((peak() - before - 4 * x.numel()) / x.numel())
"""


def kept(every: int) -> float:
    """Give the bytes kept for backward beyond the input and the spikes, from the peak of memory of a program of its own."""
    return float(subprocess.run([sys.executable, "-c", KEPT, str(every)], check=True, capture_output=True, text=True).stdout)


def measure(effort: part.Effort) -> Iterator[Figure]:
    """Measure everything."""
    saved = "forward + backward, every state kept (`checkpoint=1`)"
    for shape in neurons.SHAPES:
        where = str(shape)
        work = (effort.steps(shape[0]), *shape[1:])
        one, two = layer(work, 1, effort.rounds), layer(work, 2, effort.rounds)
        yield Aim.LOOP.found(where, one["loop"] / one["rsnn"], f"{one['rsnn'] * 1e3:.2f} ms")
        yield Aim.TRAIN_THREADS.found(where, one["rsnn"] / two["rsnn"])
        yield Figure("forward + backward", where + TWO, "torch loop / time", two["loop"] / two["rsnn"])
        yield Figure(saved, where, "torch loop / time", one["loop"] / one["kept"])
    yield from growth(effort)
    yield from faults(effort.rounds)
    yield Aim.KEPT.only(kept(32), "a state every 32 steps")
    yield Figure(saved, BATCH, "bytes a neuron and step", kept(1))


if __name__ == "__main__":
    part.main(measure, __doc__)

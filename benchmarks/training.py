"""Measure training in torch: part of ``make bench``.

The gradient of the output is handed in (``output.backward(gradient)``), so that nothing but the layer is measured. As in `neurons`, times
are the least of rounds in which the contestants take turns over rotating arrays, and what counts are ratios.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import neurons
import torch

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


def growth(rounds: int) -> list[str]:
    """One row: time per step over the length of the run."""
    torch.set_num_threads(1)
    ours, times = rt.LIF(beta=BETA, alpha=ALPHA), []
    for steps in (250, 1000, 4000):
        xs, gradient = inputs((steps, 1, 4096))
        run = {"run": lambda k: step(lambda x: ours(x)[0], xs[k], gradient)}  # noqa: B023
        times.append(neurons.least(run, rounds)["run"] / steps)
    return [f"| time per step, longest / shortest of T = 250, 1000, 4000 | (T, 1, 4096) | ratio | {max(times) / min(times):.2f} |"]


def faults(rounds: int) -> list[str]:
    """One row: minor page faults of a step in a steady loop."""
    torch.set_num_threads(1)
    shape = neurons.SHAPES[1]
    (x, *_), gradient = inputs(shape)
    ours = rt.LIF(beta=BETA, alpha=ALPHA)
    for _ in range(3):
        step(lambda x: ours(x)[0], x, gradient)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        step(lambda x: ours(x)[0], x, gradient)
    count = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / rounds
    return [f"| page faults of a step in a steady loop | {shape} | faults | {count:.0f} |"]


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


def kept(every: int) -> list[str]:
    """One row: bytes kept for backward beyond the input and the spikes, from the peak of memory of a program of its own."""
    said = subprocess.run([sys.executable, "-c", KEPT, str(every)], check=True, capture_output=True, text=True).stdout
    return [f"| kept for backward, a state every {every} steps | (640, 8, 4096) | bytes a neuron and step | {float(said):.2f} |"]


def table(rounds: int) -> str:
    """Measure everything."""
    rows = ["| forward + backward of LIF with synapse, float32 | shape (T, B, N) | measure | figure |", "|---|---|---|---|"]
    for shape in neurons.SHAPES:
        one, two = layer(shape, 1, rounds), layer(shape, 2, rounds)
        rows += [
            f"| one thread | {shape} | ms | {one['rsnn'] * 1e3:.2f} |",
            f"| one thread | {shape} | torch loop / time | {one['loop'] / one['rsnn']:.1f} |",
            f"| one thread, every state kept (checkpoint=1) | {shape} | torch loop / time | {one['loop'] / one['kept']:.1f} |",
            f"| two threads | {shape} | torch loop with two / time | {two['loop'] / two['rsnn']:.1f} |",
            f"| two threads | {shape} | one thread / two | {one['rsnn'] / two['rsnn']:.2f} |",
        ]
    rows += growth(rounds) + faults(rounds) + kept(32) + kept(1)
    return "\n".join(rows)

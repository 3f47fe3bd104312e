"""Measure a recurrent layer, forwards and backwards, against a torch loop over the same step.

The weights' and the input's gradients are taken, the gradient of the loss is handed in, one thread. Contestants take turns, and what
counts is the ratio of the least times in one run. Times are those of the thread, so that a busy neighbour disturbs them less.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import part
import torch
from targets import Aim, Figure, percent
from training import Spike

import rsnn
from rsnn.torch import functional

BETA = 0.9


def loop(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Run the layer by hand: unbound once, stacked once, the reset left out of the gradient."""
    v = torch.zeros_like(x[0])
    s, spikes, transposed = v, [], weight.t()
    for x_t in x.unbind():
        u = torch.addmm(BETA * v + x_t, s, transposed)
        s = Spike.apply(u - 1.0)
        v = u - s.detach()
        spikes.append(s)
    return torch.stack(spikes)


def ours(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Run the layer in one operator."""
    output: torch.Tensor = functional.simulate(rsnn.LIF(beta=BETA), x, recurrent=weight).output
    return output


def recurrent(neurons: int = 256, steps: int = 100, batch: int = 128, drive: float = 0.08, rounds: int = 20) -> dict[str, float]:
    """Give the least times of forward and backward in seconds, their ratio, the share of neurons that fire, and of spikes that differ."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(steps, batch, neurons, generator=generator) * 0.3 + drive).requires_grad_()
    weight = (torch.randn(neurons, neurons, generator=generator) * 0.3 / math.sqrt(neurons)).requires_grad_()
    gradient = torch.randn(steps, batch, neurons, generator=generator)
    contestants: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {"loop": loop, "rsnn": ours}
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, run in contestants.items():
            x.grad = weight.grad = None
            start = time.thread_time()
            output = run(x, weight)
            middle = time.thread_time()
            torch.autograd.backward(output, gradient)
            end = time.thread_time()
            for phase, seconds in (("forward", middle - start), ("backward", end - middle), ("both", end - start)):
                best[f"{name} {phase}"] = min(best.get(f"{name} {phase}", math.inf), seconds)
    with torch.no_grad():
        spikes, by_hand = ours(x, weight), loop(x, weight)
    best |= {"rate": float(spikes.mean()), "differ": float((spikes != by_hand).double().mean())}
    return best | {"ratio": best["loop both"] / best["rsnn both"]}


def measure(effort: part.Effort) -> Iterator[Figure]:
    """Measure at three activities; the lowest is the target's."""
    for drive in (0.08, 0.16, 0.3):
        found = recurrent(drive=drive, rounds=effort.rounds)
        note = f"{1e3 * found['rsnn forward']:.1f} + {1e3 * found['rsnn backward']:.1f} ms, {percent(found['rate'])} fire"
        if drive == 0.08:
            yield Aim.RECURRENT.only(found["ratio"], note)
        else:
            yield Figure(
                "recurrent layer of 256, forward + backward",
                f"{percent(round(found['rate'], 2))} fire",
                "torch loop / time",
                found["ratio"],
                note,
            )


if __name__ == "__main__":
    part.main(measure, __doc__)

"""Measure a training step of a spiking network of linear layers against its dense products alone: part of ``make bench``.

700-256-256-20 over 100 steps of 128 sequences, 2 % of the inputs spike; Adam, cross entropy of the mean output. What it is measured
against are the same three `nn.Linear` with ReLU between them, loss and Adam, in torch. Contestants take turns and times are the least
of the rounds; page faults are counted beside them, since a step that faults takes twice as long.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import rsnn.torch as rt

STEPS, BATCH, SIZES, DENSITY = 100, 128, (700, 256, 256, 20), 0.02
Step = Callable[[], Any]


def data() -> tuple[Tensor, Tensor]:
    """Make the input, spikes, and the labels."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(STEPS, BATCH, SIZES[0], generator=generator) < DENSITY).float()
    return x, torch.randint(0, SIZES[-1], (BATCH,), generator=generator)


def dense() -> nn.Module:
    """Make the products alone, with something between them."""
    a, b, c, d = SIZES
    return nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c), nn.ReLU(), nn.Linear(c, d))


def spiking(linear: type[nn.Linear], alpha: float | None, recurrent: bool) -> nn.Module:
    """Make the spiking network, whose hidden layers fire at 5 to 15 %."""
    torch.manual_seed(0)
    a, b, c, d = SIZES
    neuron = {"beta": 0.9, "alpha": alpha}
    last = rt.LIFRecurrent(**neuron, hidden_size=c) if recurrent else rt.LIF(**neuron)
    made = rt.Sequential(linear(a, b), rt.LIF(**neuron), linear(b, c), last, linear(c, d), rt.LI(beta=0.9))
    rt.init.calibrate_(made, data()[0][:, :8], rate=0.08)
    return made


def step(model: nn.Module) -> Step:
    """Make a training step of a model."""
    x, labels = data()
    optimizer = torch.optim.Adam(model.parameters(), 1e-5)

    def run() -> None:
        optimizer.zero_grad()
        output = model(x)
        output = output[0] if isinstance(output, tuple) else output
        torch.autograd.backward(nn.functional.cross_entropy(output.mean(0), labels))
        optimizer.step()

    return run


def least(steps: dict[str, Step], rounds: int) -> dict[str, tuple[float, float]]:
    """Run the contestants in turns; of each the least time in seconds and the page faults of a steady step."""
    for run in steps.values():
        run()
        run()
    # The time of the one thread, so that a busy neighbour disturbs it less.
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    best = {name: (math.inf, math.inf) for name in steps}
    for _ in range(rounds):
        for name, run in steps.items():
            run()  # the cache, and the memory, of the one before
            faults, start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, clock()
            run()
            seconds = clock() - start
            count = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
            best[name] = min(best[name][0], seconds), min(best[name][1], count)
    return best


def contestants() -> dict[str, Step]:
    """Everything that is measured, by name."""
    return {
        "dense": step(dense()),
        "LIF": step(spiking(rt.Linear, None, recurrent=False)),
        "LIF with synapse": step(spiking(rt.Linear, 0.8, recurrent=False)),
        "LIF with synapse, second layer recurrent": step(spiking(rt.Linear, 0.8, recurrent=True)),
        "LIF with synapse, torch's Linear": step(spiking(nn.Linear, 0.8, recurrent=False)),
    }


def layer(module: nn.Module, x: Tensor, gradient: Tensor) -> Step:
    """Make a forward and backward of one layer, the gradient of its output handed in."""

    def run() -> None:
        x.grad = None
        module.zero_grad()
        torch.autograd.backward(module(x), gradient)

    return run


def over_density(name: str, shape: tuple[int, ...], ours: nn.Module, theirs: nn.Module, rounds: int) -> list[str]:
    """Measure a layer of ours, forward and backward, against torch's at several densities."""
    rows = []
    for density in (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0):
        x = torch.rand(shape)
        x = ((x < density).float() if density < 1 else x).requires_grad_()
        gradient = torch.rand_like(theirs(x))
        best = least({"ours": layer(ours, x, gradient), "torch": layer(theirs, x, gradient)}, rounds)
        seconds = best["ours"][0]
        start = f"| {name}, forward + backward | {density:.0%} not 0 | 1 | {seconds * 1e3:.1f}"
        rows.append(f"{start} | time / torch's | {seconds / best['torch'][0]:.2f} |")
    return rows


def sweep(rounds: int) -> list[str]:
    """Measure single layers against torch's at several densities."""
    torch.set_num_threads(1)
    rows, samples = [], STEPS * BATCH
    for inputs, outputs in ((700, 256), (256, 256)):
        name = f"`rt.Linear`, {samples} x {inputs} to {outputs}"
        rows += over_density(name, (samples, inputs), rt.Linear(inputs, outputs), nn.Linear(inputs, outputs), rounds)
    for channels, outputs, side in ((2, 8, 128), (16, 32, 32), (64, 64, 16)):
        name = f"`rt.Conv2d` 3 x 3, 50 x {channels} x {side} x {side} to {outputs}"
        ours, theirs = rt.Conv2d(channels, outputs, 3, padding=1), nn.Conv2d(channels, outputs, 3, padding=1)
        rows += over_density(name, (50, channels, side, side), ours, theirs, rounds)
    return rows


def table(rounds: int) -> str:
    """Measure everything; the result is a table in Markdown."""
    rows = ["| training, float32 | work | threads | ms | measure | figure |", "|---|---|---|---|---|---|"]
    work = "-".join(map(str, SIZES)) + f", T={STEPS}, B={BATCH}, {DENSITY:.0%} input"
    one: dict[str, tuple[float, float]] = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found = least(contestants(), rounds)
        one = one or found
        for name, (seconds, faults) in found.items():
            start = f"| step, {name} | {work} | {threads} | {seconds * 1e3:.1f}"
            if name != "dense":
                rows.append(f"{start} | time / dense products alone | {seconds / found['dense'][0]:.3f} |")
                rows.append(f"{start} | page faults | {faults:.0f} |")
            if threads == 2:
                rows.append(f"{start} | one thread / two | {one[name][0] / seconds:.2f} |")
    torch.set_num_threads(1)
    return "\n".join(rows + sweep(max(3, rounds // 3)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    print(table(parser.parse_args().rounds))


if __name__ == "__main__":
    main()

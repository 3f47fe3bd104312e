"""Measure a training step of a spiking network of linear layers against its dense products alone: part of ``make bench``.

700-256-256-20 over 100 steps of 128 sequences, 2 % of the inputs spike; Adam, cross entropy of the mean output. What it is measured
against are the same three `nn.Linear` with ReLU between them, loss and Adam, in torch. Contestants take turns and times are the least
of the rounds; page faults are counted beside them, since a step that faults takes twice as long.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Iterator
from typing import Any

import part
import torch
from targets import DENSE, MODELS, TWO, WORST, Aim, Figure, percent
from torch import Tensor, nn

import rsnn.torch as rt

STEPS, BATCH, SIZES, DENSITY = 100, 128, (700, 256, 256, 20), 0.02
DENSITIES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0)
Step = Callable[[], Any]


def data(steps: int = STEPS) -> tuple[Tensor, Tensor]:
    """Make the input, spikes, and the labels."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(steps, BATCH, SIZES[0], generator=generator) < DENSITY).float()
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


def step(model: nn.Module, steps: int = STEPS) -> Step:
    """Make a training step of a model."""
    x, labels = data(steps)
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


def contestants(steps: int) -> dict[str, Step]:
    """Everything that is measured, by name."""
    options: tuple[tuple[float | None, bool], ...] = ((None, False), (0.8, False), (0.8, True))
    models = {name: spiking(rt.Linear, alpha, recurrent) for name, (alpha, recurrent) in zip(MODELS, options, strict=True)}
    models["LIF with synapse, torch's Linear"] = spiking(nn.Linear, 0.8, recurrent=False)
    return {name: step(model, steps) for name, model in {"dense": dense(), **models}.items()}


def layer(module: nn.Module, x: Tensor, gradient: Tensor) -> Step:
    """Make a forward and backward of one layer, the gradient of its output handed in."""

    def run() -> None:
        x.grad = None
        module.zero_grad()
        torch.autograd.backward(module(x), gradient)

    return run


def steps(effort: part.Effort) -> Iterator[Figure]:
    """Measure training steps on one thread and on two."""
    found = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found[threads] = least(contestants(effort.steps(STEPS)), effort.rounds)
    one, two = found[1], found[2]
    for name, (seconds, faults) in one.items():
        if name in MODELS:
            yield Aim.STEP.found(name, seconds / one["dense"][0], f"{seconds * 1e3:.1f} ms")
            yield Aim.STEP_THREADS.found(name, seconds / two[name][0])
            yield Aim.STEP_FAULTS.found(name, faults)
        for said, of in (("", one), (TWO, two)):
            yield Figure(f"training step, {name}{said}", "2 % of the input", "ms", of[name][0] * 1e3)


def over_density(ours: nn.Module, theirs: nn.Module, shape: tuple[int, ...], effort: part.Effort) -> Iterator[tuple[float, float]]:
    """Measure a layer of ours, forward and backward, against torch's at several densities; these, and the ratios."""
    for density in effort.some(DENSITIES):
        x = torch.rand(effort.steps(shape[0]), *shape[1:])
        x = ((x < density).float() if density < 1 else x).requires_grad_()
        gradient = torch.rand_like(theirs(x))
        best = least({"ours": layer(ours, x, gradient), "torch": layer(theirs, x, gradient)}, effort.part(3))
        yield density, best["ours"][0] / best["torch"][0]


def layers(effort: part.Effort) -> Iterator[Figure]:
    """Measure single layers against torch's at several densities, and say the worst."""
    torch.set_num_threads(1)
    made: dict[Aim, list[tuple[str, nn.Module, nn.Module, tuple[int, ...]]]] = {Aim.LINEAR: [], Aim.CONVOLUTION: []}
    for inputs, outputs in ((700, 256), (256, 256)):
        shape: tuple[int, ...] = (STEPS * BATCH, inputs)
        made[Aim.LINEAR].append((f"{shape} to {outputs}", rt.Linear(inputs, outputs), nn.Linear(inputs, outputs), shape))
    for channels, outputs, side in ((2, 8, 128), (16, 32, 32), (64, 64, 16)):
        shape = (50, channels, side, side)
        of_ours, of_torch = rt.Conv2d(channels, outputs, 3, padding=1), nn.Conv2d(channels, outputs, 3, padding=1)
        made[Aim.CONVOLUTION].append((f"3 x 3, {shape} to {outputs}", of_ours, of_torch, shape))
    for aim, each in made.items():
        ratios: dict[tuple[str, float], float] = {}
        for name, ours, theirs, shape in each:
            for density, ratio in over_density(ours, theirs, shape, effort):
                ratios[name, density] = ratio
                yield Figure(f"{aim.value.work.partition(',')[0]}, {name}", f"{percent(density)} not 0", aim.value.measure, ratio)
        name, density = max(ratios, key=ratios.__getitem__)
        yield aim.found(WORST, ratios[name, density], f"{name}, {percent(density)} not 0")
        name, density = max((key for key in ratios if key[1] == 1), key=ratios.__getitem__)
        yield aim.found(DENSE, ratios[name, density], name)


def measure(effort: part.Effort) -> Iterator[Figure]:
    """Measure everything."""
    yield from steps(effort)
    yield from layers(effort)


if __name__ == "__main__":
    part.main(measure, __doc__)

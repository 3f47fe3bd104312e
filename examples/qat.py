"""Weights of four bits: plain rounding after training against training through the rounding.

A small convolutional network of integrate-and-fire neurons, which has no weights to spare, learns handwritten digits in float. Rounded to
the integers of Speck with 8 bits a weight it answers as before; with 4 bits it does not. `rt.chip.QAT` goes on training with the chip's
own integers forwards and the gradients of the float neurons backwards, from the same float weights, and the accuracy comes back. Integers
are those of `rsnn.chip.quantize` as it is, and all answers of integers are those of the emulator of the chip.

A quarter of the pictures, with every digit in equal share, is held out by the seed and used for nothing but the accuracies told.

    python examples/qat.py [--help]

Came out (Intel Xeon, 2 cores, busy with other work, 2026-11-30), five seeds, 450 held-out digits each, % right: in float 96.89, 95.78,
95.78, 96.22 and 97.33; rounded to 4 bits 82.00, 89.56, 93.11, 91.56 and 86.44, trained with 4 bits 95.33, 96.44, 96.44, 96.67 and 97.33;
rounded to 3 bits 56.89, 77.56, 74.22, 80.67 and 88.67, trained with 3 bits 89.78, 93.33, 93.78, 93.78 and 94.22. So four bits cost 7.9
points in the mean (2.7 to 14.9), and after training none (from 1.6 points less to 0.7 more). 1474 s.
"""

import copy
from dataclasses import dataclass
from typing import Any

import command
import numpy as np
import numpy.typing as npt
import torch
from command import Settings
from digits import Digits as Pictures
from digits import load as load_pictures
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import rsnn
import rsnn.torch as rt
from rsnn import plot

TARGET = "speck2f"
SHAPE = (1, 8, 8)
STEPS = 8
"""Time steps that a picture is shown for."""
ROUNDED = (8, 6, 5, 4, 3)
"""Bits of a weight that the network is rounded to without training, the sign included."""
TRAINED = (4, 3)
"""Bits that it is trained with."""
BATCH = 64
FEATURES = (4, 8)
"""Maps of the two convolutions. With more of them more weights share the error, and rounding to four bits costs less."""
RATES = {"float": 1e-2, "chip": 5e-3}
"""The largest learning rates; on the chip the network begins with what it knows."""
LOGITS = 0.25
"""The count of output spikes times this goes into the softmax."""
SEEDS = 5


@dataclass(frozen=True)
class Digits(Pictures):
    """Spikes (T, n, 1, 8, 8) and labels (n,), and the held-out pictures themselves."""

    pictures: Tensor


def load(seed: int) -> Digits:
    """Take the pictures of digits.py; every pixel drives a neuron that fires at a rate of its brightness, from a chance phase."""
    shown, rng = load_pictures(seed), np.random.default_rng(seed)
    encoder = rsnn.IAF(fire="single")

    def spikes(pictures: Tensor) -> Tensor:
        phase = rng.random(pictures.shape, dtype=np.float32)
        return torch.from_numpy(rsnn.simulate(encoder, pictures.numpy(), encoder.init_state(pictures.shape, v=phase), steps=STEPS).spikes)

    return Digits(spikes(shown.train), shown.train_labels, spikes(shown.test), shown.test_labels, shown.test)


def build(spikes: Tensor, features: tuple[int, int] = FEATURES) -> rt.Sequential:
    """Make the network, of what the chip has, scaled so that its neurons fire in a tenth of the steps when they see `spikes`."""
    model = rt.Sequential(
        rt.Conv2d(1, features[0], 3, padding=1, bias=False),
        rt.IAF(v_min=-1.0),
        rt.SumPool2d(2),
        rt.Conv2d(*features, 3, padding=1, bias=False),
        rt.IAF(v_min=-1.0),
        rt.SumPool2d(2),
        nn.Flatten(),
        rt.Linear(4 * features[1], 10, bias=False),
        rt.IAF(),
    )
    rt.init.calibrate_(model, spikes, rate=0.1)
    return model


def logits(module: nn.Module, spikes: Tensor) -> Tensor:
    """Count the output's spikes; in float with what is left on the membranes, so that a class that does not fire yet learns to."""
    counts, state = module(spikes)
    left = state[len(module) - 1].v if isinstance(module, rt.Sequential) else 0.0
    total: Tensor = LOGITS * (counts.sum(0) + left)
    return total


def train(module: nn.Module, digits: Digits, epochs: int, rate: float, what: str) -> list[float]:
    """Train a network, or one on the chip: it makes no difference here. Returns the accuracies before and after every epoch."""
    optimizer = torch.optim.Adam(module.parameters(), lr=rate)
    batches = -(-len(digits.train_labels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, epochs=epochs, steps_per_epoch=batches)
    accuracies = [accuracy(module, digits)]
    with command.progress(what, epochs * batches) as advance:
        for epoch in range(epochs):
            for chosen in torch.split(torch.randperm(len(digits.train_labels)), BATCH):
                loss = cross_entropy(logits(module, digits.train[:, chosen]), digits.train_labels[chosen])
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
                advance(f"epoch {epoch + 1}/{epochs}  loss {loss.item():.3f}")
            accuracies.append(accuracy(module, digits))
    return accuracies


def accuracy(module: nn.Module, digits: Digits) -> float:
    """Count the held-out pictures that are read rightly."""
    with torch.no_grad():
        counts, _ = module(digits.test)
    return float((counts.sum(0).argmax(1) == digits.test_labels).float().mean())


@dataclass(frozen=True)
class Found:
    """What came out for one seed: accuracies in float, rounded by bits, trained by bits, over epochs; the integers of a layer."""

    in_float: float
    rounded: dict[int, float]
    trained: dict[int, list[float]]
    integers: dict[str, npt.NDArray[np.int8]]
    """Of the second convolution with 4 bits, before and after training."""


def compare(seed: int, settings: Settings) -> Found:
    """Train in float, round, and train through the rounding."""
    torch.manual_seed(seed)
    digits = load(seed)
    model = build(digits.train[:, :BATCH])
    in_float = train(model, digits, settings.epochs, RATES["float"], f"seed {seed}, float")[-1]
    rounded: dict[int, float] = {}
    trained: dict[int, list[float]] = {}
    integers: dict[str, npt.NDArray[np.int8]] = {}
    network = rt.to_network(model, SHAPE)
    for bits in ROUNDED:
        chip = rsnn.chip.quantize(network, TARGET, weight_bits=bits)
        answers = chip.run(digits.test.numpy()).output.sum(0).argmax(1)
        rounded[bits] = float((answers == digits.test_labels.numpy()).mean())
        if bits == TRAINED[0]:
            integers["rounded"] = chip.layers[1].quantized.weight
    for bits in TRAINED[:1] if settings.quick else TRAINED:
        qat = rt.chip.QAT(copy.deepcopy(model), TARGET, weight_bits=bits)
        trained[bits] = train(qat, digits, settings.epochs, RATES["chip"], f"seed {seed}, {bits} bits")
        if bits == TRAINED[0]:
            integers["trained"] = qat.quantized().layers[1].quantized.weight
    return Found(in_float, rounded, trained, integers)


def run(settings: Settings) -> command.Outcome:
    """Compare on several splits; tell and draw the means."""
    found = {}
    for seed in settings.seeds(SEEDS):
        one = found[seed] = compare(seed, settings)
        said = ", ".join(f"{bits} bits: rounded {one.rounded[bits]:.2%}, trained {curve[-1]:.2%}" for bits, curve in one.trained.items())
        print(f"seed {seed}: float {one.in_float:.2%}; {said}")
    every = list(found.values())
    mean: dict[str, Any] = {
        "float": float(np.mean([one.in_float for one in every])),
        "rounded": {bits: float(np.mean([one.rounded[bits] for one in every])) for bits in ROUNDED},
        "trained": {bits: float(np.mean([one.trained[bits][-1] for one in every])) for bits in every[0].trained},
    }
    bits = TRAINED[0]
    print(f"mean at {bits} bits: float {mean['float']:.2%}, rounded {mean['rounded'][bits]:.2%}, trained {mean['trained'][bits]:.2%}")
    results = {
        "mean": mean,
        "seeds": {seed: {"float": one.in_float, "rounded": one.rounded, "trained": one.trained} for seed, one in found.items()},
        "epochs": settings.epochs,
    }
    return results, draw(every, mean)


def draw(every: list[Found], mean: dict[str, Any]) -> Figure:
    """Draw accuracy over bits, accuracy over epochs, and what training does to the integers."""
    figure = Figure(figsize=(13.5, 4.8))
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.5, 1.2, 1.2))
    draw_bits(left, every, mean)
    draw_epochs(middle, every, mean)
    draw_integers(right, every)
    return figure


def draw_bits(axes: Axes, every: list[Found], mean: dict[str, Any]) -> None:
    """Draw what a weight of fewer bits costs, without and with training."""
    axes.axhline(100 * mean["float"], color=plot.FLOAT, linewidth=1.5, label=f"float: {mean['float']:.1%}")
    for one in every:
        axes.plot(ROUNDED, [100 * one.rounded[bits] for bits in ROUNDED], color=plot.QUIET, linewidth=1, zorder=1)
    axes.plot(ROUNDED, [100 * mean["rounded"][bits] for bits in ROUNDED], "o-", color=plot.INK, label="rounded")
    trained = list(mean["trained"])
    points = [100 * mean["trained"][bits] for bits in trained]
    axes.plot(trained, points, "o-", color=plot.INTEGER, markersize=9, linewidth=2.5, label="trained on the chip")
    for bits, point in zip(trained, points, strict=True):
        low = 100 * mean["rounded"][bits]
        axes.annotate("", (bits, point), (bits, low), arrowprops={"arrowstyle": "->", "color": plot.INTEGER, "shrinkA": 6, "shrinkB": 7})
        axes.text(bits + 0.08, (low + point) / 2, f"+{point - low:.1f}", color=plot.INTEGER, ha="right", va="center")
    axes.set(xlabel="bits of a weight", ylabel="held-out digits right, %", title="Few bits: what rounding loses, training wins back")
    axes.invert_xaxis()
    axes.set_xticks(ROUNDED)
    axes.legend(loc="lower left")


def draw_epochs(axes: Axes, every: list[Found], mean: dict[str, Any]) -> None:
    """Draw how accuracy comes back."""
    axes.axhline(100 * mean["float"], color=plot.FLOAT, linewidth=1.5, label="float")
    for bits, style in zip(mean["trained"], ("-", "--"), strict=False):
        curves = 100 * np.array([one.trained[bits] for one in every])
        axes.plot(curves.mean(0), style, color=plot.INTEGER, linewidth=2, label=f"{bits} bits")
        axes.fill_between(range(curves.shape[1]), curves.min(0), curves.max(0), color=plot.INTEGER, alpha=0.12, linewidth=0)
    axes.set(xlabel="epoch on the chip (0: rounded)", title=f"On the way: mean and range of {len(every)} seeds")
    axes.legend(loc="lower right")


def draw_integers(axes: Axes, every: list[Found]) -> None:
    """Draw what became of every integer of the second convolution."""
    before, after = (np.concatenate([one.integers[name].ravel() for one in every]).astype(int) for name in ("rounded", "trained"))
    low, high = -(2 ** (TRAINED[0] - 1)), 2 ** (TRAINED[0] - 1) - 1
    counts = np.zeros((high - low + 1,) * 2, dtype=np.int64)
    np.add.at(counts, (after - low, before - low), 1)
    axes.imshow(np.log1p(counts), cmap="Greys", origin="lower", extent=(low - 0.5, high + 0.5) * 2)
    axes.plot([low, high], [low, high], color=plot.INTEGER, linewidth=1)
    moved, further = np.mean(before != after), np.mean(abs(before - after) > 1)
    axes.set(
        xlabel="integer when rounded", ylabel="integer when trained",
        title=f"Second layer, {TRAINED[0]} bits: {moved:.0%} moved,\n{further:.0%} by more than 1",
    )  # fmt: skip


if __name__ == "__main__":
    command.main(run, __doc__ or "", epochs=30, quick_epochs=5)

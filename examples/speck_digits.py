"""From a float network to Speck: train, check, quantise, report, and train on for the chip with fewer synaptic operations.

The network of examples/qat.py, with twice as many maps, learns handwritten digits in float. `rsnn.chip.quantize` rounds it to the 8-bit
integers of Speck; `check` holds it against every limit of the chip and puts each layer on a core; `report` compares its spikes with those
of the float network. Then `rt.chip.QAT` trains on with the chip's integers forwards: the loss asks for right answers and, in small part,
for few synaptic operations, which are what the chip spends its energy on. Accuracies and operations are those of the emulator of the chip,
on held-out digits.

    python examples/speck_digits.py [--help]

Came out (Intel Xeon, 2 cores, busy with other work, 2026-11-30), three seeds, each with its own split of 450 held-out digits: in float
97.56, 96.44 and 95.11 % right; rounded to Speck's integers 96.44, 96.67 and 95.56 %, with 95,339, 84,856 and 95,348 operations a picture;
trained on the chip for fewer operations 95.33, 95.11 and 94.89 %, with 44,478, 37,931 and 40,920. 426 s.
"""

from dataclasses import dataclass
from typing import Any

import command
import numpy as np
import qat
import torch
from command import Settings
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor
from torch.nn.functional import cross_entropy

import rsnn
import rsnn.torch as rt
from rsnn import plot
from rsnn.chip import mapping

TARGET = "speck2f"
PRICE = 1.0
"""What a picture that takes as many operations as at the start adds to the loss."""
FEATURES = (8, 16)
"""Maps of the two convolutions."""
RATES = {"float": 4e-3, "chip": 2e-3}
"""The largest learning rates."""
SEEDS = 3


@dataclass(frozen=True)
class Point:
    """A network on the chip: held-out accuracy, and synaptic operations for a picture."""

    accuracy: float
    synops: float


def measure(chip: rsnn.chip.ChipNetwork, digits: qat.Digits) -> Point:
    """Run the held-out digits on the emulator."""
    result = chip.run(digits.test.numpy())
    right = result.output.sum(0).argmax(1) == digits.test_labels.numpy()
    return Point(float(right.mean()), result.synops / len(right))


def operations(model: rt.Sequential, spikes: dict[int, Tensor]) -> Tensor:
    """Count the operations of a picture that hidden spikes cause, differentiably: each goes to every weight that leaves its channel.

    A convolution of stride 1 adds a spike's weight to a window of each of its features; border effects are left out.
    """
    total = torch.zeros(())
    weights: list[Tensor] = [model[3].weight, model[7].weight]
    for each, weight in zip((spikes[1], spikes[4]), weights, strict=True):
        fan_out = weight.numel() / weight.shape[1]
        total = total + fan_out * each.sum() / each.shape[1]
    return total


def tune(model: rt.Sequential, digits: qat.Digits, epochs: int, seed: int) -> list[Point]:
    """Train the network on the chip for right answers and few operations; returns what was measured after every epoch."""
    module = rt.chip.QAT(model, TARGET, input_shape=qat.SHAPE)
    optimizer = torch.optim.Adam(module.parameters(), lr=RATES["chip"])
    batches = -(-len(digits.train_labels) // qat.BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATES["chip"], epochs=epochs, steps_per_epoch=batches)
    with torch.no_grad():
        before = operations(model, module.run(digits.train).spikes)
    points = []
    with command.progress(f"seed {seed}, on the chip", epochs * batches) as advance:
        for epoch in range(epochs):
            for chosen in torch.split(torch.randperm(len(digits.train_labels)), qat.BATCH):
                result = module.run(digits.train[:, chosen])
                loss = cross_entropy(qat.LOGITS * result.output.sum(0), digits.train_labels[chosen])
                loss = loss + PRICE * operations(model, result.spikes) / before
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
                advance(f"epoch {epoch + 1}/{epochs}  loss {loss.item():.3f}")
            points.append(measure(module.quantized(), digits))
    return points


@dataclass(frozen=True)
class Found:
    """What came out for one seed."""

    in_float: float
    """Held-out accuracy."""
    rounded: Point
    trained: list[Point]
    """After every epoch on the chip."""
    network: rsnn.Network
    chip: rsnn.chip.ChipNetwork
    """Rounded, before training on it."""
    tuned: rsnn.chip.ChipNetwork
    digits: qat.Digits


def deploy(seed: int, settings: Settings) -> Found:
    """Train, check, quantise, report, and train on for the chip."""
    torch.manual_seed(seed)
    digits = qat.load(seed)
    model = qat.build(digits.train[:, : qat.BATCH], FEATURES)
    accuracies = qat.train(model, digits, settings.epochs, RATES["float"], f"seed {seed}, float")

    network = rt.to_network(model, qat.SHAPE)
    chip = rsnn.chip.quantize(network, TARGET)
    if seed == settings.seed:
        print(chip.check(), chip.report(digits.test.numpy()), sep="\n\n", end="\n\n")
    trained = tune(model, digits, max(1, settings.epochs // 2), seed)
    tuned = rsnn.chip.quantize(rt.to_network(model, qat.SHAPE), TARGET)
    found = Found(accuracies[-1], measure(chip, digits), trained, network, chip, tuned, digits)
    print(
        f"seed {seed}: float {found.in_float:.2%}; on {TARGET} {found.rounded.accuracy:.2%} with {found.rounded.synops:,.0f} operations a "
        f"picture; trained on it {trained[-1].accuracy:.2%} with {trained[-1].synops:,.0f}"
    )
    return found


def run(settings: Settings) -> command.Outcome:
    """Deploy from several seeds; tell the means and draw the first."""
    every = [deploy(seed, settings) for seed in settings.seeds(SEEDS)]

    def mean(points: list[Point]) -> dict[str, float]:
        return {"accuracy": float(np.mean([one.accuracy for one in points])), "synops": float(np.mean([one.synops for one in points]))}

    results: dict[str, Any] = {
        "float": float(np.mean([one.in_float for one in every])),
        "rounded": mean([one.rounded for one in every]),
        "trained": mean([one.trained[-1] for one in every]),
        "fits": every[0].tuned.check().ok,
        "cores": every[0].tuned.check().cores,
        "seeds": len(every),
        "epochs": settings.epochs,
    }
    saved = 1 - results["trained"]["synops"] / results["rounded"]["synops"]
    print(
        f"mean: float {results['float']:.2%}, rounded {results['rounded']['accuracy']:.2%}, trained on the chip "
        f"{results['trained']['accuracy']:.2%} with {saved:.0%} fewer operations"
    )
    return results, draw(every, results, saved)


def draw(every: list[Found], results: dict[str, Any], saved: float) -> Figure:
    """Draw a digit on its way over the cores, where they are, how near the integers are, and what training on the chip gives."""
    first = every[0]
    figure = Figure(figsize=(14.0, 8.0))
    figure.suptitle(
        f"Digits on Speck: {results['trained']['accuracy']:.1%} right (float {results['float']:.1%}) "
        f"with {saved:.0%} fewer operations after training on the chip",
        x=0.01, ha="left", fontsize=15, fontweight="bold",
    )  # fmt: skip
    rows: Any = figure.subfigures(2, 1, height_ratios=(1.0, 1.35))
    draw_way(rows[0].subplots(1, 5, width_ratios=(0.8, 1.3, 1.5, 1.5, 1.1)), first)
    left, middle, right = rows[1].subplots(1, 3, width_ratios=(1.1, 1.0, 1.5))
    draw_cores(left, first.tuned)
    draw_agreement(middle, first)
    draw_tuning(right, every)
    return figure


def draw_way(axes: Any, found: Found) -> None:
    """Draw one digit from picture to answer."""
    digits = found.digits
    answers = found.tuned.run(digits.test.numpy()).output.sum(0).argmax(1)
    shown = int(np.flatnonzero(answers == digits.test_labels.numpy())[0])
    spikes = digits.test[:, shown]
    result = found.tuned.run(spikes[:, None].numpy())
    plot.image(digits.pictures[shown, 0], axes[0]).set_title(f"A held-out {int(digits.test_labels[shown])}")
    plot.raster(spikes.flatten(1), axes[1], color=plot.FLOAT).set(title=f"Its spikes: {int(spikes.sum())}", ylabel="pixel")
    cores = list(found.tuned.check().cores.values())
    for place, k, core in ((axes[2], 1, cores[0]), (axes[3], 4, cores[1])):
        counts = torch.from_numpy(result.spikes[k][:, 0].sum(0))
        plot.image(mosaic(counts, 4), place).set_title(f"Core {core}, a convolution: {int(counts.sum())} spikes")
    counts = result.output[:, 0].sum(0)
    colors = [plot.INTEGER if k == counts.argmax() else plot.QUIET for k in range(len(counts))]
    axes[4].barh(range(len(counts)), counts, color=colors)
    axes[4].set(title=f"Core {cores[2]} answers: {counts.argmax()}", yticks=range(len(counts)), xlabel="spikes")
    axes[4].invert_yaxis()


def mosaic(maps: Tensor, columns: int) -> Tensor:
    """Lay maps (n, H, W) side by side, with a faint line around each."""
    framed = torch.nn.functional.pad(maps, (1, 1, 1, 1), value=0.15 * float(maps.max()))
    return torch.cat([torch.cat(list(row), dim=1) for row in torch.split(framed, columns)], dim=0)


def draw_cores(axes: Axes, chip: rsnn.chip.ChipNetwork) -> None:
    """Draw the nine cores, and what the layers use of their memories."""
    check = chip.check()
    needed = {(row.layer, row.what): row.needed for row in check}
    layer_on = {core: name for name, core in check.cores.items()}
    for core, (kernel, neuron) in enumerate(zip(mapping.KERNEL_MEMORY, mapping.NEURON_MEMORY, strict=True)):
        row, column = divmod(core, 3)
        name = layer_on.get(core)
        axes.add_patch(_box(column, row, name is not None))
        axes.text(column + 0.06, row + 0.08, f"core {core}", va="top", fontsize=8, color=plot.INK if name else plot.QUIET)
        if name:
            parts = (("kernels", needed[name, "kernel memory"] / kernel), ("neurons", needed[name, "neuron memory"] / neuron))
            said = "\n".join(f"{what} {part:.1%}" for what, part in parts)
            axes.text(column + 0.46, row + 0.5, f"{name}\n{said}", ha="center", va="center", fontsize=8.5)
    axes.set(xlim=(-0.05, 3), ylim=(3, -0.05), aspect="equal", title="Where the layers are, and the memory they use")
    axes.axis("off")


def draw_agreement(axes: Axes, found: Found) -> None:
    """Draw float against integers: the spikes of every output neuron for every held-out digit."""
    x = found.digits.test.numpy()
    in_float, in_integers = found.network.run(x).output.sum(0), found.chip.run(x).output.sum(0)
    plot.agreement(in_float, in_integers, axes).legend(loc="lower right")
    axes.set(xlabel="spikes in float", ylabel="spikes in 8-bit integers", title="Rounding alone: output neurons, every digit")


def draw_tuning(axes: Axes, every: list[Found]) -> None:
    """Draw accuracy over operations, from rounding through the epochs on the chip."""
    for one in every:
        points = [one.rounded, *one.trained]
        axes.plot([p.synops / 1e3 for p in points], [100 * p.accuracy for p in points], ".-", color=plot.QUIET, linewidth=1, zorder=1)
    for label, color, points in (
        ("rounded after training in float", plot.FLOAT, [one.rounded for one in every]),
        ("after training on the chip", plot.INTEGER, [one.trained[-1] for one in every]),
    ):
        axes.scatter([p.synops / 1e3 for p in points], [100 * p.accuracy for p in points], color=color, s=70, zorder=3, label=label)
    axes.plot([], [], ".-", color=plot.QUIET, linewidth=1, label="its epochs")
    axes.legend(loc="lower right")
    axes.set(
        xlabel="synaptic operations a picture, thousands", ylabel="held-out digits right, %",
        title=f"Asking for few operations as well: {len(every)} seed{'s' if len(every) > 1 else ''}",
    )  # fmt: skip
    axes.set(xlim=(0, None), ylim=(min(90.0, 100 * min(p.accuracy for one in every for p in one.trained) - 1.0), 100.0))


def _box(column: float, row: float, used: bool) -> FancyBboxPatch:
    """Make the outline of a core."""
    face, edge = (to_rgba(plot.INTEGER, 0.16), plot.INTEGER) if used else ("white", plot.QUIET)
    return FancyBboxPatch((column + 0.04, row + 0.04), 0.84, 0.84, boxstyle="round,pad=0.02", facecolor=face, edgecolor=edge)


if __name__ == "__main__":
    command.main(run, __doc__ or "", epochs=15, quick_epochs=4)

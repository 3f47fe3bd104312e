"""The one picture of the demo: a digit on its way through the network, and how the integers of the chip compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rsnn import plot

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from rsnn.demo.job import Outcome

COLORS = ("#2166ac", "#e08214")
"""Of the two output neurons that fire most, whose membranes are drawn."""
FAINT = "#52606d"
"""Of what is said on the side."""


def write(outcome: Outcome, path: Path) -> Path:
    """Draw the picture and save it as PNG.

    Parameters
    ----------
    outcome : Outcome
        What the demo computed.
    path : Path
        The file to write.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    figure = Figure(figsize=(15.0, 9.2), facecolor="white")
    FigureCanvasAgg(figure)
    rows = figure.add_gridspec(2, 1, left=0.045, right=0.985, top=0.85, bottom=0.065, hspace=0.36)
    upper = rows[0].subgridspec(1, 3, width_ratios=(1.5, 4.0, 7.5), wspace=0.24)
    lower = rows[1].subgridspec(1, 3, width_ratios=(5.2, 4.2, 4.0), wspace=0.26)
    chosen = choose(outcome)
    shown = np.argsort(-outcome.spikes_float[:, chosen].sum(0), kind="stable")[: len(COLORS)]

    _heading(outcome, figure)
    _digit(outcome, chosen, figure.add_subplot(upper[0]))
    _input(outcome, chosen, figure.add_subplot(upper[1]))
    _membranes(outcome, chosen, shown, figure.add_subplot(upper[2]))
    _output(outcome, chosen, shown, figure.add_subplot(lower[0]))
    _agreement(outcome, figure.add_subplot(lower[1]))
    _confusion(outcome, figure.add_subplot(lower[2]))
    figure.savefig(path, dpi=120)
    return path


def choose(outcome: Outcome) -> int:
    """Pick the picture to show: answered rightly by both and clearly, by a neuron with one rival that fires about a third as often."""
    counts = outcome.spikes_float.sum(0)
    order = np.sort(counts, axis=1)
    winner, rival = order[:, -1], order[:, -2]
    labels = outcome.digits.test_labels
    right = (counts.argmax(1) == labels) & (outcome.spikes_integer.sum(0).argmax(1) == labels) & (winner > 0)
    share = rival / np.maximum(winner, 1)
    distance = np.abs(share - 1 / 3) + np.abs(winner - np.median(winner)) / np.maximum(winner, 1)
    return int(np.argmin(np.where(right, distance, np.inf)))


def _heading(outcome: Outcome, figure: Figure) -> None:
    r = outcome.results
    figure.text(0.045, 0.955, "From a handwritten digit to the integers of a chip", fontsize=17, weight="bold", color=plot.INK)
    figure.text(
        0.045,
        0.925,
        f"{r['test_pictures']} held-out digits: float {r['accuracy_float']:.1%} right, DynapCNN integers {r['accuracy_integer']:.1%}, "
        f"the same answer for {r['agreement']:.1%}; {r['spikes_integer']:,.0f} spikes and {r['synops_integer']:,.0f} SynOps a digit",
        fontsize=11,
        color=FAINT,
    )


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=11, color=plot.INK, pad=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=9)


def _digit(outcome: Outcome, chosen: int, axes: Axes) -> None:
    plot.image(outcome.digits.pictures[chosen, 0], axes)
    axes.set_anchor("N")
    axes.set_title(f"A {outcome.digits.test_labels[chosen]}", loc="left", fontsize=11, color=plot.INK, pad=8)
    spikes = outcome.digits.test[:, chosen].sum()
    axes.set_xlabel(f"8 x 8 pixels,\n{outcome.settings.steps} time steps,\n{spikes:.0f} spikes", fontsize=9, color=FAINT, loc="left")


def _input(outcome: Outcome, chosen: int, axes: Axes) -> None:
    spikes = outcome.digits.test[:, chosen].reshape(outcome.settings.steps, -1)
    plot.raster(spikes, axes, color=plot.INK)
    axes.invert_yaxis()
    axes.set_ylabel("pixel, row by row")
    axes.set_yticks(range(0, spikes.shape[1] + 1, 8))
    _whole_steps(axes)
    _title(axes, "Input: darker pixels fire more often")


def _membranes(outcome: Outcome, chosen: int, shown: Any, axes: Axes) -> None:
    labels = [f"class {k}" for k in shown]
    u, v = (outcome.membrane_float[name][:, chosen][:, shown] for name in ("u", "v"))
    plot.traces(v, axes, before=u, threshold=1.0, labels=labels, colors=COLORS)
    u, v = (outcome.membrane_integer[name][:, chosen][:, shown] / outcome.integer_threshold for name in ("u", "v"))
    plot.traces(v, axes, before=u, colors=COLORS, style=":")
    axes.plot([], [], ":", color=plot.INK, label=f"the same in integers (threshold {outcome.integer_threshold})")
    axes.set_ylabel("membrane / threshold")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.15 * (high - low))
    axes.legend(loc="upper left", ncols=3, fontsize=9, frameon=False)
    axes.annotate("threshold", (0.0, 1.0), xycoords=("axes fraction", "data"), xytext=(3, 3), textcoords="offset points", fontsize=9)
    _whole_steps(axes)
    _title(axes, "Membranes of the two busiest outputs, before and after each spike")


def _output(outcome: Outcome, chosen: int, shown: Any, axes: Axes) -> None:
    spikes = outcome.spikes_float[:, chosen]
    classes = spikes.shape[1]
    color = dict(zip(shown.tolist(), COLORS, strict=False))
    for k in range(classes):
        only = np.zeros_like(spikes)
        only[:, k] = spikes[:, k]
        plot.raster(only, axes, color=color.get(k, plot.INK), counts=True)
    answer = int(spikes.sum(0).argmax())
    for k, count in enumerate(spikes.sum(0)):
        weight = "bold" if k == answer else "normal"
        ink = color.get(k, plot.INK)
        axes.annotate(f"{count:g}", (1.02, k), xycoords=("axes fraction", "data"), va="center", fontsize=9, weight=weight, color=ink)
    axes.annotate("sum", (1.02, classes - 0.3), xycoords=("axes fraction", "data"), fontsize=8, color=FAINT, annotation_clip=False)
    axes.set(ylabel="class", yticks=range(classes))
    _whole_steps(axes)
    _title(axes, f"Output spikes, the busiest neuron answers: {answer}")


def _agreement(outcome: Outcome, axes: Axes) -> None:
    plot.agreement(outcome.spikes_float.sum(0), outcome.spikes_integer.sum(0), axes)
    axes.set(xlabel="spikes of an output neuron in float", ylabel="in integers")
    axes.legend(loc="upper left", fontsize=9, frameon=False, markerscale=0.8)
    _title(axes, "Float against integers, all digits and classes")


def _confusion(outcome: Outcome, axes: Axes) -> None:
    classes = outcome.spikes_integer.shape[2]
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (outcome.digits.test_labels, outcome.spikes_integer.sum(0).argmax(1)), 1)
    plot.confusion(matrix, axes)
    _title(axes, f"Answers of the integers: {outcome.results['accuracy_integer']:.1%} right")


def _whole_steps(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))

"""The picture of an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .report import Audit

KINDS = (("in both", "#9aa5b1"), ("in the original alone", "#2166ac"), ("in the network alone", "#d6604d"))
BEFORE, AFTER = 20, 80
"""Steps that are shown around the first divergence."""


def draw(report: Audit, axes: Axes | None) -> Axes:
    """Draw an audit; see `rsnn.nir.Audit.plot`."""
    from rsnn.figures import new_axes, new_figure

    axes = new_figure(None, 8.0, 4.0).subplots() if axes is None else new_axes(axes)
    pair: Any = report._pair
    if pair is None:
        axes.bar([one.called for one in report.layers], [one.expected for one in report.layers], color=KINDS[0][1])
        axes.set(ylabel="spikes")
        axes.set_title("every spike is the same", loc="left", fontsize=10)
        return axes
    assert report.step is not None
    wanted, found = (one[:, report.sample].reshape(len(one), -1) for one in pair)
    low, high = max(0, report.step - BEFORE), min(len(wanted), report.step + AFTER)
    a, b = wanted[low:high], found[low:high]
    for (label, color), where in zip(KINDS, ((a != 0) & (a == b), a > b, b > a), strict=True):
        steps, neurons = np.nonzero(where)
        axes.scatter(steps + low, neurons, s=10, color=color, label=label)
    axes.axvline(report.step, color="#1f2933", linewidth=0.8)
    axes.set(xlabel="step", ylabel="neuron", xlim=(low - 1, high))
    cause = f"; likely cause: {report.causes[0].cause}, {report.causes[0].what}" if report.causes else ""
    axes.set_title(f"layer {report.layer}, sample {report.sample}: first differs in step {report.step}{cause}", loc="left", fontsize=9)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return axes

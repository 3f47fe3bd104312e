"""The picture of a report: where the gap between floats and integers comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rsnn.figures import new_axes, new_figure

from .rungs import CAUSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .report import Report

COLORS = {"weights": "#2166ac", "decays": "#67a9cf", "steps": "#b8a9c9", "saturation": "#d6604d", "order": "#f4a582"}

_COLUMNS = 3


def draw(report: Report, axes: Axes | None) -> Axes:
    """Draw a report; see `rsnn.chip.Report.plot`."""
    axes = new_figure(None, 8.0, 1.6 + 0.55 * len(report.layers)).subplots() if axes is None else new_axes(axes)
    causes = [cause for cause in CAUSES if any(row.moved.get(cause) for row in report.layers)]
    rows = list(range(len(report.layers)))
    left = [0.0] * len(rows)
    for cause in causes:
        parts = [row.moved.get(cause, 0) / max(1, row.spikes_float) for row in report.layers]
        axes.barh(rows, parts, left=left, height=0.6, color=COLORS[cause], label=CAUSES[cause])
        left = [a + b for a, b in zip(left, parts, strict=True)]
    most = max([*left, 0.01])
    for k, row in enumerate(report.layers):
        first = "every step equal" if row.first_step is None else f"{row.agreement:.1%} equal, first differs in step {row.first_step}"
        text = f"{row.spikes_float} → {row.spikes} spikes; {first}"
        axes.text(left[k] + 0.015 * most, k, text, va="center", fontsize=8, color="#1f2933")
    axes.set(xlim=(0, 1.75 * most), ylim=(len(rows) - 0.4, -0.6), xlabel="spikes moved, in parts of the spikes of the layer")
    axes.set_yticks(rows, [row.layer for row in report.layers])
    axes.xaxis.set_major_formatter(_percent())
    axes.spines[["top", "right"]].set_visible(False)
    lines = -(-len(causes) // _COLUMNS)
    axes.set_title(f"{report.target}: where the gap between floats and integers comes from", loc="left", fontsize=10, pad=10 + 14 * lines)
    if causes:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, ncols=_COLUMNS, fontsize=8, frameon=False, handlelength=1.2,
            columnspacing=1.2,
        )  # fmt: skip
    return axes


def _percent() -> Any:
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1.0)

"""Spikes and membranes over time, and what one counts of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.arguments import flag, shown, size
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.figures import new_axes

from .data import (
    DOTTED,
    FLOAT,
    INK,
    LABELS,
    color_of,
    fired,
    is_result,
    over_time,
    span,
    spikes_in,
    step_length,
    threshold_of,
    traces_in,
    whole_ticks,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MARK = 0.97
"""Where the spikes over membranes are, in parts of the height."""
ROW = 0.05
"""How far below each other those of several neurons are."""
SPIKES = "rsnn spikes"
"""How the marks of `traces` are called among what axes hold."""


def raster(
    spikes: Any,
    axes: Axes | None = None,
    *,
    layer: str | int | None = None,
    sample: int | None = None,
    dt: float = 1.0,
    color: str = INK,
    counts: bool = False,
) -> Axes:
    """Draw when each neuron fired: one row a neuron, one mark a spike.

    Parameters
    ----------
    spikes : array, tensor, `rsnn.Spikes` (T, n), or a result
        Spikes, or spike counts, of n neurons over T steps; (T,) is one neuron. Of the result of a run its spikes.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a figure of its own, ``axes.figure``, which no window shows.
    layer : str or int, optional
        Which layer of the result of a network, by index or name; by default the last that spikes.
    sample : int, optional
        Which sample of a batch, (T, B, ...); of the result of a network the first by default. Its neurons are laid in a row.
    dt : float, default 1.0
        Length of a step, for the time axis.
    color : str, optional
        Of the marks.
    counts : bool, optional
        Write the number beside the mark where a neuron fired more than once in a step.

    Returns
    -------
    matplotlib.axes.Axes
        The axes that came in, or the new ones.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        What cannot be drawn as (T, n); a layer or sample that is not there.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from rsnn import plot
    >>> axes = plot.raster(np.eye(5), Figure().subplots())
    >>> axes.get_xlabel()
    'time step'
    """
    seen = fired(spikes, layer, sample)
    dt, color, counts, axes = step_length(dt), color_of(color), flag("counts", counts), new_axes(axes)
    steps, neurons = seen.shape
    t, k = np.nonzero(seen)
    box = axes.get_window_extent()
    points = 72.0 / axes.figure.dpi
    height = float(np.clip(0.95 * points * box.height / max(neurons, 1), 2.5, 12.0))
    width = float(np.clip(0.6 * points * box.width / max(steps, 1), 0.6, 1.6))
    axes.scatter(t * dt, k, s=height**2, c=color, marker="|", linewidths=width)
    if counts:
        for step, neuron in zip(t, k, strict=True):
            if seen[step, neuron] > 1:
                text = f"{seen[step, neuron]:g}"
                axes.annotate(text, (step * dt, neuron), xytext=(3, 0), textcoords="offset points", va="center", fontsize=6, color=color)
    axes.set(ylim=(-0.5, neurons - 0.5), ylabel="neuron")
    whole_ticks(axes.yaxis, max(neurons, 1))
    span(axes, steps, dt)
    return axes


def traces(
    v: Any,
    axes: Axes | None = None,
    *,
    before: Any = None,
    threshold: Any = None,
    spikes: Any = None,
    labels: Sequence[str] = (),
    colors: Sequence[str] = (),
    style: str = "-",
    name: str = "v",
    neurons: Any = None,
    layer: str | int | None = None,
    sample: int | None = None,
    dt: float = 1.0,
) -> Axes:
    """Draw membranes over time, the threshold they fire at, and the spikes.

    Parameters
    ----------
    v : array or tensor (T, n), or a result
        The membrane after each step, one column a neuron; (T,) is one neuron. Of the result of a run its trace `name`, with its spikes, and
        of ``"v"`` also ``"u"`` as `before`, where that was recorded.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a figure of its own.
    before : array or tensor (T, n), optional
        The membrane before the reset (``u``): the line then climbs over the threshold and drops, as the neuron did.
    threshold : float, array (n,) or neuron, optional
        A horizontal line at this value; of a neuron its threshold.
    spikes : array, tensor or `rsnn.Spikes` (T, n), optional
        When they fired: marks along the upper edge in the colour of the membrane.
    labels, colors : sequence of str, optional
        One for each neuron; without labels there is no legend entry, without colours matplotlib's cycle.
    style : str, optional
        Line style of the membranes.
    name : str, default "v"
        Of a result: which trace.
    neurons : index, slice or list of indices, optional
        Which neurons to draw; all by default.
    layer, sample, dt : as of `raster`

    Returns
    -------
    matplotlib.axes.Axes
        The axes that came in, or the new ones.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        What cannot be drawn as (T, n); shapes that differ; a trace that was not recorded.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> from rsnn import plot
    >>> neuron = rsnn.LIF(tau_mem=20.0)
    >>> axes = plot.traces(rsnn.simulate(neuron, np.full((50, 2), 1.5), record=("u", "v")), threshold=neuron)
    >>> len(axes.lines), len(axes.collections)
    (3, 2)
    """
    if not isinstance(name, str):
        raise InvalidTypeError(f'name={shown(name)}: must be the name of a trace, such as "v"')
    source = v if is_result(v) else None
    if source is not None:
        v, before, spikes = _recorded(source, name, layer, before, spikes)
    after = over_time("v", v, source, sample)
    peak = None if before is None else _alike("before", over_time("before", before, source, sample), after)
    marks = None if spikes is None else over_time("spikes", spikes, source, sample)
    if marks is not None and source is not None and marks.shape != after.shape:
        marks = None  # a recording of chosen neurons does not say which these are
    marks = None if marks is None else _alike("spikes", marks, after)
    dt = step_length(dt)
    for name_, given in (("labels", labels), ("colors", colors)):
        _sequence(name_, given)
    for one in colors:
        color_of(one)
    if neurons is not None:
        chosen = [neurons] if isinstance(neurons, (int, np.integer)) else neurons
        after = _chosen(after, chosen)
        peak, marks = (None if one is None else _chosen(one, chosen) for one in (peak, marks))
    level = threshold_of(threshold)
    if not isinstance(style, str):
        raise InvalidTypeError(f'style={shown(style)}: must be a format of matplotlib, such as "-" or "--"')
    axes = new_axes(axes)
    _membranes(axes, after, peak, marks, dt, labels, colors, style)
    if level is not None:
        for one in np.unique(level):
            axes.axhline(float(one), color=INK, linewidth=0.9, linestyle=DOTTED)
    rows = sum(one.get_gid() == SPIKES and np.size(one.get_offsets()) > 0 for one in axes.collections)
    if rows and axes.get_autoscaley_on():
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + (0.06 + ROW * rows) * (high - low), auto=True)  # so that what is drawn here later is not cut off
    axes.set(ylabel=LABELS.get(name, name))
    span(axes, after.shape[0], dt)
    return axes


def _recorded(source: Any, name: str, layer: str | int | None, before: Any, spikes: Any) -> tuple[Any, Any, Any]:
    """Take a trace out of a result; and what was not given, the membrane before its reset and the spikes."""
    recorded = traces_in(source, layer)
    if name not in recorded:
        known = ", ".join(map(repr, recorded)) or "none"
        raise InvalidValueError(f"v: this result has no trace {name!r}, recorded are {known}; run it with record=({name!r},)")
    if name == "v" and before is None:
        before = recorded.get("u")
    if spikes is None and getattr(source, "spiking", True):
        spikes = spikes_in(source, layer)
    return recorded[name], before, spikes


def _membranes(axes: Axes, after: Any, peak: Any, marks: Any, dt: float, labels: Any, colors: Any, style: str) -> None:
    """Draw a line for each neuron, and its spikes as marks in a row along the upper edge."""
    steps = after.shape[0]
    t = np.arange(steps, dtype=np.float64) * dt
    wide, drawn = (t, after) if peak is None else (np.repeat(t, 2), np.stack([peak, after], axis=1).reshape(2 * steps, -1))
    rows = sum(one.get_gid() == SPIKES for one in axes.collections)  # of what was drawn here before
    for k in range(after.shape[1]):
        color = colors[k % len(colors)] if len(colors) else None
        try:
            line = axes.plot(wide, drawn[:, k], style, color=color, label=labels[k] if k < len(labels) else None, linewidth=1.5)[0]
        except ValueError as error:
            raise InvalidValueError(f'style={shown(style)}: must be a format of matplotlib, such as "-" or "--" ({error})') from error
        if marks is not None:
            when = t[np.nonzero(marks[:, k])]
            height, place = np.full(len(when), MARK - ROW * (rows + k)), axes.get_xaxis_transform()
            axes.scatter(when, height, s=36, color=line.get_color(), marker="|", transform=place, linewidths=1.4, gid=SPIKES)


def spike_count(
    spikes: Any,
    axes: Axes | None = None,
    *,
    layer: str | int | None = None,
    sample: int | None = None,
    labels: Sequence[str] = (),
    color: str = FLOAT,
) -> Axes:
    """Draw how often each neuron fired: a bar a neuron.

    Parameters
    ----------
    spikes, axes, layer, sample : as of `raster`
    labels : sequence of str, optional
        Of the neurons, such as the names of classes.
    color : str, optional
        Of the bars.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `raster`; labels that are not one for each neuron.

    Examples
    --------
    >>> from rsnn import plot
    >>> axes = plot.spike_count([[1, 0], [2, 0], [1, 1]], labels=["cat", "dog"])
    >>> [float(bar.get_height()) for bar in axes.patches]
    [4.0, 1.0]
    """
    totals = fired(spikes, layer, sample).sum(axis=0, dtype=np.float64)
    _sequence("labels", labels)
    if len(labels) and len(labels) != len(totals):
        raise InvalidValueError(f"labels: {len(labels)} came for {len(totals)} neurons; give one for each")
    color, axes = color_of(color), new_axes(axes)
    axes.bar(np.arange(len(totals)), totals, width=0.8 if len(totals) < 60 else 1.0, color=color)
    if len(labels):
        axes.set_xticks(range(len(totals)), list(labels))
    else:
        whole_ticks(axes.xaxis, max(len(totals), 1))
    axes.set(xlim=(-0.5, len(totals) - 0.5), xlabel="" if len(labels) else "neuron", ylabel="spikes")
    return axes


def isi(
    spikes: Any,
    axes: Axes | None = None,
    *,
    layer: str | int | None = None,
    sample: int | None = None,
    bins: int = 50,
    dt: float = 1.0,
    color: str = FLOAT,
) -> Axes:
    """Draw the intervals between successive spikes of a neuron, of all neurons together.

    Parameters
    ----------
    spikes, axes, layer, sample, dt : as of `raster`
        Several spikes in a step are 0 apart.
    bins : int, default 50
        At most so many; each is a whole number of steps wide.
    color : str, optional
        Of the bars.

    Returns
    -------
    matplotlib.axes.Axes
        Its title has the number of intervals, their mean, and their coefficient of variation, standard deviation over mean: 0 of a clock, 1
        of a Poisson process.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `raster`.

    Examples
    --------
    >>> import numpy as np
    >>> from rsnn import plot
    >>> plot.isi(np.arange(100) % 10 == 0).get_title()
    '9 intervals, mean 10, CV 0.00'
    """
    seen, bins, dt = fired(spikes, layer, sample), size("bins", bins, 1), step_length(dt)
    color, axes = color_of(color), new_axes(axes)
    steps = intervals(seen)
    times = steps * dt
    if len(steps):
        first, last = int(steps.min()), int(steps.max())
        width = -(-(last - first + 1) // bins)
        edges = (np.arange(first, last + width + 1, width) - 0.5) * dt
        axes.hist(times, edges.tolist(), color=color)
        mean, spread = times.mean(), times.std()
        axes.set_title(f"{len(times)} intervals, mean {mean:.4g}, CV {spread / mean if mean else 0.0:.2f}")
    else:
        axes.set_title("no neuron fired twice")
    axes.set(xlabel="steps between spikes" if dt == 1.0 else "time between spikes", ylabel="intervals")
    return axes


def intervals(seen: NDArray[Any]) -> NDArray[np.int64]:
    """Give the steps between successive spikes of (T, n), neuron after neuron."""
    k, t = np.nonzero(seen.T)
    times = np.maximum(seen.T[k, t].astype(np.int64), 1)
    k, t = np.repeat(k, times), np.repeat(t, times)
    found: NDArray[np.int64] = np.diff(t)[np.diff(k) == 0]
    return found


def _sequence(name: str, given: Any) -> None:
    try:
        len(given)
        listed = hasattr(given, "__getitem__")
    except TypeError:  # an array without an axis has a length by its class, but none
        listed = False
    if not listed:
        raise InvalidTypeError(f"{name}={shown(given)}: must be a list, with one for each neuron")


def _alike(name: str, given: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
    if given.shape != v.shape:
        raise InvalidValueError(f"{name}: shape {given.shape} differs from that of v, {v.shape}; give the same neurons and steps")
    return given


def _chosen(values: NDArray[Any], which: Any) -> NDArray[Any]:
    try:
        found: NDArray[Any] = values[:, which]
    except (IndexError, TypeError) as error:
        raise InvalidValueError(f"neurons={which!r}: {values.shape[1]} neurons can be drawn ({error}); give indices of these") from error
    return found

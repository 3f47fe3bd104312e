"""Pictures of spikes and membranes: axes of matplotlib in, the same axes out.

Nothing here opens a window, keeps state or touches pyplot: every function draws into the axes it is handed and returns them. matplotlib
comes with ``pip install "rsnn[plot]"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

INK = "#1f2933"
"""Text and single spikes."""
FLOAT = "#2166ac"
"""What the float network did."""
INTEGER = "#d6604d"
"""What the integers of the chip did."""
QUIET = "#c3cbd3"
"""What is there for comparison only."""


def raster(spikes: ArrayLike, axes: Axes, *, color: str = INK, counts: bool = False) -> Axes:
    """Draw when each neuron fired: one row a neuron, one mark a spike.

    Parameters
    ----------
    spikes : array_like, shape (T, n)
        Spikes, or spike counts, of `n` neurons over `T` steps.
    axes : matplotlib.axes.Axes
        Where to draw.
    color : str, optional
        Of the marks.
    counts : bool, optional
        Write the number beside the mark where a neuron fired more than once in a step.

    Returns
    -------
    matplotlib.axes.Axes
        The axes that came in.

    Raises
    ------
    InvalidValueError
        Where `spikes` does not have two axes.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from rsnn import plot
    >>> axes = plot.raster(np.eye(5), Figure().subplots())
    >>> axes.get_xlabel()
    'time step'
    """
    fired = _matrix("spikes", spikes)
    steps, neurons = fired.shape
    t, k = np.nonzero(fired)
    size = float(np.clip(150.0 / max(neurons, 1), 3.0, 12.0))
    axes.scatter(t, k, s=size**2, c=color, marker="|", linewidths=1.6)
    if counts:
        for step, neuron in zip(t, k, strict=True):
            if fired[step, neuron] > 1:
                text = f"{fired[step, neuron]:g}"
                axes.annotate(text, (step, neuron), xytext=(3, 0), textcoords="offset points", va="center", fontsize=6, color=color)
    axes.set(xlim=(-0.5, steps - 0.5), ylim=(-0.5, neurons - 0.5), xlabel="time step", ylabel="neuron")
    return axes


def traces(
    v: ArrayLike,
    axes: Axes,
    *,
    before: ArrayLike | None = None,
    threshold: float | None = None,
    labels: Sequence[str] = (),
    colors: Sequence[str] = (),
    style: str = "-",
) -> Axes:
    """Draw membranes over time, and the threshold they fire at.

    Parameters
    ----------
    v : array_like, shape (T, n)
        The membrane after each step, one column a neuron.
    axes : matplotlib.axes.Axes
        Where to draw.
    before : array_like, shape (T, n), optional
        The membrane before the reset (``u``): the line then climbs over the threshold and drops, as the neuron did.
    threshold : float, optional
        A horizontal line at this value.
    labels, colors : sequence of str, optional
        One for each neuron; without labels there is no legend entry, without colours matplotlib's cycle.
    style : str, optional
        Line style of the membranes.

    Returns
    -------
    matplotlib.axes.Axes
        The axes that came in.

    Raises
    ------
    InvalidValueError
        Where `v` does not have two axes, or `before` another shape than `v`.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from rsnn import plot
    >>> axes = plot.traces(np.zeros((10, 2)), Figure().subplots(), threshold=1.0)
    >>> len(axes.lines)
    3
    """
    after = _matrix("v", v)
    steps = after.shape[0]
    t = np.arange(steps, dtype=np.float64)
    if before is not None:
        peak = _matrix("before", before)
        if peak.shape != after.shape:
            raise InvalidValueError(f"before: shape {peak.shape} differs from that of v, {after.shape}; give the same neurons and steps")
        t, after = np.repeat(t, 2), np.stack([peak, after], axis=1).reshape(2 * steps, -1)
    for k in range(after.shape[1]):
        color = colors[k % len(colors)] if colors else None
        axes.plot(t, after[:, k], style, color=color, label=labels[k] if k < len(labels) else None, linewidth=1.5)
    if threshold is not None:
        axes.axhline(threshold, color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
    axes.set(xlim=(-0.5, steps - 0.5), xlabel="time step", ylabel="membrane")
    return axes


def agreement(a: ArrayLike, b: ArrayLike, axes: Axes) -> Axes:
    """Draw two sets of counts against each other: a disc on every pair of values, larger the more often it came.

    Parameters
    ----------
    a, b : array_like
        Whole numbers, of one shape.
    axes : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes that came in.

    Raises
    ------
    InvalidValueError
        Where the shapes differ.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from rsnn import plot
    >>> axes = plot.agreement([0, 1, 1], [0, 1, 2], Figure().subplots())
    >>> axes.get_xlim() == axes.get_ylim()
    True
    """
    left, right = np.asarray(a).ravel(), np.asarray(b).ravel()
    if left.shape != right.shape:
        raise InvalidValueError(f"a, b: shapes {np.shape(a)} and {np.shape(b)} differ; give two arrays of one shape")
    pairs, times = np.unique(np.stack([left, right]), axis=1, return_counts=True)
    top = float(pairs.max(initial=1)) + 1.0
    axes.plot([-1, top], [-1, top], color=QUIET, linewidth=1.0, zorder=0)
    same = pairs[0] == pairs[1]
    area = 4.0 + 160.0 * np.sqrt(times / times.max(initial=1))
    for chosen, color, label in ((same, FLOAT, "equal"), (~same, INTEGER, "different")):
        share = times[chosen].sum() / max(times.sum(), 1)
        axes.scatter(pairs[0, chosen], pairs[1, chosen], s=area[chosen], c=color, alpha=0.8, linewidths=0, label=f"{label} {share:.1%}")
    axes.set(xlim=(-1, top), ylim=(-1, top), aspect="equal")
    return axes


def confusion(matrix: ArrayLike, axes: Axes, *, color: str = FLOAT) -> Axes:
    """Draw a confusion matrix: rows are the truth, columns the answer, every count written in its cell.

    Parameters
    ----------
    matrix : array_like, shape (n, n)
        ``matrix[i, j]``: how many of class `i` were taken for class `j`.
    axes : matplotlib.axes.Axes
        Where to draw.
    color : str, optional
        Of the right answers; wrong ones are drawn in the colour of differences.

    Returns
    -------
    matplotlib.axes.Axes
        The axes that came in.

    Raises
    ------
    InvalidValueError
        Where the matrix is not square.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from rsnn import plot
    >>> axes = plot.confusion([[3, 0], [1, 2]], Figure().subplots())
    >>> len(axes.texts)
    3
    """
    counts = _matrix("matrix", matrix)
    n = counts.shape[0]
    if counts.shape != (n, n):
        raise InvalidValueError(f"matrix: shape {counts.shape} is not square; give (n, n) counts, truth by answer")
    for i, j in np.argwhere(counts > 0):
        right = i == j
        share = counts[i, j] / counts[i].sum()
        alpha = 0.15 + 0.75 * (share if right else min(1.0, 8 * share))
        axes.fill_between([j - 0.5, j + 0.5], i - 0.5, i + 0.5, color=color if right else INTEGER, alpha=alpha, linewidth=0)
        axes.text(j, i, f"{counts[i, j]:g}", ha="center", va="center", fontsize=8, color="white" if right and share > 0.5 else INK)
    axes.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5), xlabel="answer", ylabel="truth", aspect="equal")
    axes.set_xticks(range(n))
    axes.set_yticks(range(n))
    return axes


def image(pixels: ArrayLike, axes: Axes) -> Axes:
    """Draw a grey picture without ticks, dark on light.

    Parameters
    ----------
    pixels : array_like, shape (H, W)
        0 is paper, the largest value is ink.
    axes : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes that came in.

    Raises
    ------
    InvalidValueError
        Where `pixels` does not have two axes.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from rsnn import plot
    >>> axes = plot.image(np.eye(8), Figure().subplots())
    >>> len(axes.images)
    1
    """
    axes.imshow(_matrix("pixels", pixels), cmap="Greys", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def _matrix(name: str, value: ArrayLike) -> NDArray[Any]:
    """Make an array with two axes, or an error that names it."""
    array = np.asarray(value)
    if array.ndim != 2:
        cure = f"select or reshape first, as in {name}.reshape(len({name}), -1)"
        raise InvalidValueError(f"{name}: shape {array.shape} came, two axes are drawn; {cure}")
    return array

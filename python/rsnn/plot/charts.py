"""Counts, weights and pictures: what has no time axis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.arguments import is_tensor, shown, size
from rsnn.convert import Comparison
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.figures import new_axes, new_figure, plain
from rsnn.network import Network

from .data import FLOAT, INK, INTEGER, QUIET, color_of, finite, two_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import ArrayLike, NDArray

DOTS = 3000
"""The most points of a cloud: more make a picture slower, not clearer."""


def agreement(a: ArrayLike, b: ArrayLike, axes: Axes | None = None) -> Axes:
    """Draw two sets of counts against each other: a disc on every pair of values, larger the more often it came.

    Parameters
    ----------
    a, b : array_like
        Whole numbers, of one shape.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a figure of its own.

    Returns
    -------
    matplotlib.axes.Axes
        The axes that came in, or the new ones.

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
    left, right = finite("a", a).ravel(), finite("b", b).ravel()
    axes = new_axes(axes, 4.4, 4.4)
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


def confusion(matrix: ArrayLike, axes: Axes | None = None, *, color: str = FLOAT) -> Axes:
    """Draw a confusion matrix: rows are the truth, columns the answer, every count written in its cell.

    Parameters
    ----------
    matrix : array_like, shape (n, n)
        ``matrix[i, j]``: how many of class `i` were taken for class `j`.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a figure of its own.
    color : str, optional
        Of the right answers; wrong ones are drawn in the colour of differences.

    Returns
    -------
    matplotlib.axes.Axes
        The axes that came in, or the new ones.

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
    counts = two_axes("matrix", finite("matrix", matrix))
    n = counts.shape[0]
    color, axes = color_of(color), new_axes(axes, 4.4, 4.4)
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


def image(pixels: ArrayLike, axes: Axes | None = None) -> Axes:
    """Draw a grey picture without ticks, dark on light.

    Parameters
    ----------
    pixels : array_like, shape (H, W)
        0 is paper, the largest value is ink.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a figure of its own.

    Returns
    -------
    matplotlib.axes.Axes
        The axes that came in, or the new ones.

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
    grey, axes = two_axes("pixels", pixels), new_axes(axes, 3.0, 3.0)
    axes.imshow(grey, cmap="Greys", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def weights(source: Any, axes: Axes | None = None, *, bins: int = 60) -> Axes:
    """Draw how the weights of layers are distributed: an outline a layer.

    Parameters
    ----------
    source : Network, layer, torch module, array or tensor
        Of a network every layer with weights and every `Recurrent`, of a module every parameter with two axes or more.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a figure of its own.
    bins : int, default 60
        Of each outline, over the range of all.

    Returns
    -------
    matplotlib.axes.Axes
        The axes that came in, or the new ones. Every outline encloses the area 1; the legend has each layer's shape and spread.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something without weights.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> from rsnn import plot
    >>> net = rsnn.Network([rsnn.Linear(np.arange(6.0).reshape(3, 2) - 2.0), rsnn.IAF()], input_shape=2)
    >>> plot.weights(net).get_legend().get_texts()[0].get_text()
    '0 Linear (3, 2): 0.5 ± 1.71'
    """
    bins, found = size("bins", bins, 1), list(_weights(source))
    if not found:
        raise InvalidValueError(f"source={shown(source)}: it has no weights; give a network, a layer, a torch module or an array")
    axes = new_axes(axes)
    low = min(float(values.min()) for _, values in found)
    high = max(float(values.max()) for _, values in found)
    edges = np.linspace(low, high, bins + 1) if high > low else np.array([low - 0.5, low + 0.5])
    for name, values in found:
        label = f"{name} {values.shape}: {values.mean(dtype=np.float64):.3g} ± {values.std(dtype=np.float64):.3g}".strip()
        axes.hist(values.ravel(), edges.tolist(), density=True, histtype="step", linewidth=1.5, label=label)
    axes.axvline(0.0, color=QUIET, linewidth=0.9, zorder=0)
    axes.set(xlabel="weight", ylabel="density", xlim=(edges[0], edges[-1]))
    axes.set_ylim(0.0, 1.18 * axes.get_ylim()[1])
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    return axes


def _weights(source: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    """Name every array of weights."""
    if isinstance(source, Network):
        for k, layer in enumerate(source.layers):
            if getattr(layer, "weight", None) is not None:
                yield f"{k} {source.graph.names[k] or type(layer).__name__}", np.asarray(layer.weight)
    elif hasattr(source, "named_parameters"):
        for name, value in source.named_parameters():
            if value.ndim >= 2:
                yield name, finite(name, value)
    elif hasattr(source, "weight"):
        yield type(source).__name__, np.asarray(source.weight)
    elif isinstance(source, (np.ndarray, list, tuple)) or is_tensor(source):
        values = finite("source", source)
        if values.size:
            yield "", values
    else:
        raise InvalidTypeError(f"source={shown(source)}: must be a network, a layer, a torch module, an array or a tensor")


def conversion(comparison: Comparison, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw a converted network against its model: rates over activations, a cloud a layer.

    Parameters
    ----------
    comparison : what `rsnn.convert.compare` gives
    figure : matplotlib figure or subfigure, optional
        Where to draw; by default a new one, which no window shows.

    Returns
    -------
    matplotlib figure
        A panel for each layer: the line is where rates are the activations divided by the layer's unit; at most 3000 points, evenly chosen.

    Raises
    ------
    InvalidTypeError
        Something else than a comparison.

    Examples
    --------
    >>> import torch, rsnn
    >>> from rsnn import plot
    >>> _ = torch.manual_seed(0)
    >>> model, x = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)), torch.rand(50, 4)
    >>> found = rsnn.convert.compare(model, rsnn.convert.from_relu(model, x), x)
    >>> [axes.get_title(loc="left") for axes in plot.conversion(found).axes]
    ['1 IAF: r = 1.000', 'output: r = 0.999']
    """
    if not isinstance(comparison, Comparison):
        raise InvalidTypeError(f"comparison={shown(comparison)}: must be what rsnn.convert.compare(model, network, x) gives")
    n = len(comparison.layers)
    columns = min(n, 4)
    rows = -(-n // columns)
    made = new_figure(figure, 3.1 * columns, 3.0 * rows)
    for k, layer in enumerate(comparison.layers):
        axes = plain(made.add_subplot(rows, columns, k + 1))
        activation, rate = layer.activation.ravel(), layer.rate.ravel()
        shown_ = np.unique(np.linspace(0, len(rate) - 1, min(DOTS, len(rate))).round().astype(int))
        ends = np.array([min(0.0, float(activation.min())), float(activation.max())])
        if layer.unit == layer.unit:  # a silent layer has none
            axes.plot(ends, ends / layer.unit, color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
        axes.scatter(activation[shown_], rate[shown_], s=5, c=FLOAT, alpha=0.35, linewidths=0)
        axes.set_title(f"{layer.layer}: r = {layer.correlation:.3f}", loc="left", fontsize=10)
        axes.set_xlabel("activation")
        axes.set_ylabel("mean output" if layer.index is None else "spikes a step")
    drawn: Figure | SubFigure = made
    return drawn

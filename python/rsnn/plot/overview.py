"""Whole runs and whole networks in one picture: figures in, figures out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.arguments import shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.figures import new_figure, plain
from rsnn.network import Network
from rsnn.network.table import numbers

from .activity import raster, traces
from .data import FLOAT, INK, INTEGER, LABELS, by_layer, fired, is_result, over_time, traces_in

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

    from rsnn.network import NetworkResult

MOST = 6
"""So many membranes are drawn at most, of the neurons that fire most: more cannot be told apart."""


def result(
    out: Any,
    figure: Figure | SubFigure | None = None,
    *,
    threshold: Any = None,
    layer: str | int | None = None,
    sample: int | None = None,
    dt: float = 1.0,
) -> Figure | SubFigure:
    """Draw a run: the spikes of every layer, and below them what was recorded. ``out.plot()`` is short for it.

    Parameters
    ----------
    out : the result of `rsnn.simulate`, of a `Network`, of a module of `rsnn.torch`, or of a chip
    figure : matplotlib figure or subfigure, optional
        Where to draw; by default a new one, which no window shows.
    threshold : float, array or neuron, optional
        A line among the membranes, as of `traces`.
    layer : str or int, optional
        Of a network: this layer alone; by default all that spike or were recorded.
    sample : int, optional
        Of a batch: which of the samples; of a network by default the first.
    dt : float, default 1.0
        Length of a step, for the time axis.

    Returns
    -------
    matplotlib figure
        Panels one above the other: for each layer its spikes, and a panel for each of its traces, v and u together, of at most 6 neurons,
        those that fired most.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something else than a result, or one that cannot be drawn as (T, n), such as a batch of which no sample was chosen.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> net = rsnn.Network([rsnn.Linear(np.eye(3)), ("hidden", rsnn.LIF(beta=0.5)), rsnn.Linear(np.ones((2, 3))), rsnn.IAF()], 3)
    >>> figure = net.run(np.ones((20, 3)), record={"hidden": "v"}).plot()
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['layer hidden: 60 spikes, density 100.00%', 'v of layer hidden', 'layer 3: 120 spikes, density 100.00%']
    """
    if not is_result(out):
        raise InvalidTypeError(f"out={shown(out)}: must be the result of a run, such as rsnn.simulate(neuron, x) or network.run(x)")
    panels: list[tuple[float, Callable[[Any], None]]] = []
    for k in _layers(out, layer):
        panels += _panels(out, k, threshold, sample, dt)
    if not panels and layer is not None:
        known = ", ".join(shown(one) for one in _layers(out, None) if one is not None) or "none"
        raise InvalidValueError(f"layer={shown(layer)}: nothing of it is in this result; there are {known}")
    if not panels:
        raise InvalidValueError("out: neither spikes nor traces are in it; run it with record=")
    heights = [height for height, _ in panels]
    made = new_figure(figure, 7.2, 0.5 + sum(heights))
    axes = made.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for one, (_, draw) in zip(axes, panels, strict=True):
        draw(plain(one))
        if one is not axes[-1]:
            one.set_xlabel("")
    drawn: Figure | SubFigure = made
    return drawn


def _layers(out: Any, layer: Any) -> list[Any]:
    """Choose the layers to draw; of a single neuron None."""
    if layer is not None and not isinstance(layer, (str, int, np.integer)):
        raise InvalidTypeError(f"layer={shown(layer)}: must be the name or the index of a layer, or None for all of them")
    if not by_layer(out) or layer is not None:
        return [layer]
    return (
        sorted({*out.spikes, *out.traces}, key=str) if any(isinstance(k, str) for k in out.spikes) else sorted({*out.spikes, *out.traces})
    )


def _panels(out: Any, layer: Any, threshold: Any, sample: int | None, dt: float) -> list[tuple[float, Callable[[Any], None]]]:
    """Prepare the panels of one layer: how high each is, and what draws it."""
    network = by_layer(out)
    said = f" of layer {_name(out, layer)}" if network else ""
    found: list[tuple[float, Callable[[Any], None]]] = []
    spikes = None
    if layer in out.spikes if network else getattr(out, "spiking", True):
        spikes = fired(out, layer, sample)

        def draw(axes: Any, seen: Any = spikes) -> None:
            raster(seen, axes, dt=dt)
            density = np.count_nonzero(seen) / max(1, seen.size)
            axes.set_title(f"{said[4:] or 'output'}: {seen.sum():,.0f} spikes, density {density:.2%}", loc="left", fontsize=10)

        found.append((float(np.clip(0.05 * spikes.shape[1], 0.7, 2.2)), draw))
    elif not network:
        found.append((1.8, lambda axes: _membranes(axes, {"v": out.output}, out, None, threshold, sample, dt, "output")))
    recorded: Mapping[str, Any] = traces_in(out, layer) if not network or layer in out.traces else {}
    names = [name for name in recorded if name not in ("u", "spikes") or (name == "u" and "v" not in recorded)]
    for name in names:
        held = {"v": recorded[name], **({"u": recorded["u"]} if name == "v" and "u" in recorded else {})}
        level = threshold if name in ("v", "u") else None

        def trace(axes: Any, held: Any = held, level: Any = level, name: str = name) -> None:
            _membranes(axes, held, out, spikes, level, sample, dt, LABELS.get(name, name))
            if network:
                axes.set_title(f"{name}{said}", loc="left", fontsize=10)

        found.append((1.8, trace))
    return found


def _membranes(axes: Any, held: Mapping[str, Any], out: Any, spikes: Any, threshold: Any, sample: Any, dt: float, label: str) -> None:
    """Draw a trace of the neurons that fire most."""
    v = over_time("traces", held["v"], out, sample)
    u = over_time("traces", held["u"], out, sample) if "u" in held else None
    busy = None if spikes is None or spikes.shape != v.shape else np.argsort(-spikes.sum(axis=0), kind="stable")
    chosen = np.arange(min(MOST, v.shape[1])) if busy is None else np.sort(busy[:MOST])
    level = threshold
    traces(v[:, chosen], axes, before=None if u is None else u[:, chosen], threshold=level, dt=dt, labels=[f"{k}" for k in chosen])
    axes.set_ylabel(label)
    if len(chosen) > 1:
        axes.legend(
            title="neuron", ncols=2 if len(chosen) > 3 else 1, fontsize=7, title_fontsize=7, loc="upper left", bbox_to_anchor=(1, 1)
        )


def _name(out: Any, layer: Any) -> str:
    """Give the name of a layer, or its index."""
    names = getattr(out.spikes, "_names", ())
    return str(names[layer] or layer) if isinstance(layer, int) and 0 <= layer < len(names) else str(layer)


def summary(network: Network, figure: Figure | SubFigure | None = None, *, out: NetworkResult | None = None) -> Figure | SubFigure:
    """Draw a network as its table: a row a layer, a panel for each of its numbers.

    Parameters
    ----------
    network : rsnn.Network
    figure : matplotlib figure or subfigure, optional
        Where to draw; by default a new one, which no window shows.
    out : the result of a run of it, optional
        Adds what every layer did: its density, and its synaptic operations.

    Returns
    -------
    matplotlib figure
        Panels side by side: outputs, parameters and synapses of each layer, on a logarithmic scale, the numbers written beside the bars.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No network, or the result of another one.

    Notes
    -----
    `Network.summary` prints the same numbers.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> from rsnn import plot
    >>> net = rsnn.Network([rsnn.Linear(np.ones((3, 2))), rsnn.IAF()], input_shape=2)
    >>> figure = plot.summary(net, out=net.run(np.ones((10, 2))))
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['outputs', 'parameters', 'synapses', 'density', 'SynOps']
    """
    if not isinstance(network, Network):
        raise InvalidTypeError(f"network={shown(network)}: must be a rsnn.Network; of a torch module: rsnn.torch.to_network")
    layers = range(len(network.layers))
    if out is not None and len(getattr(out, "stats", ())) != len(network.layers):
        raise InvalidValueError(f"out={shown(out)}: must be the result of a run of this network, with {len(network.layers)} layers")
    counted = [numbers(network, k) for k in layers]
    panels: dict[str, tuple[list[float], str]] = {
        "outputs": ([float(np.prod(network.shapes[k])) for k in layers], INK),
        "parameters": ([float(one.get("parameters", 0)) for one in counted], FLOAT),
        "synapses": ([float(one.get("synapses", 0)) for one in counted], FLOAT),
    }
    if out is not None:
        panels["density"] = ([out.stats[k].density or 0.0 for k in layers], INTEGER)
        panels["SynOps"] = ([float(out.stats[k].synops or 0) for k in layers], INTEGER)
    made = new_figure(figure, 2.2 + 1.9 * len(panels), 1.0 + 0.32 * len(layers))
    axes = made.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for one, (title, (values, color)) in zip(axes, panels.items(), strict=True):
        plain(one).barh(list(layers), values, color=color, height=0.7)
        for k, value in enumerate(values):
            if value:
                said = f"{value:.2%}" if title == "density" else f"{value:,.0f}"
                one.annotate(said, (value, k), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8)
        largest = max([*values, 0.0])
        if title != "density" and largest:
            one.set_xscale("log")
            one.set_xlim(0.6, largest**1.6 * 3)
        elif largest:
            one.set_xlim(0.0, 1.6 * largest)
        one.set_title(title, loc="left", fontsize=10)
        one.tick_params(labelsize=8)
    shapes = [" x ".join(map(str, network.shapes[k])) or "1" for k in layers]
    names = [network.graph.names[k] or type(network.layers[k]).__name__ for k in layers]
    axes[0].set_yticks(list(layers), [f"{k} {name}  {shape}" for k, (name, shape) in enumerate(zip(names, shapes, strict=True))])
    axes[0].set_ylim(len(layers) - 0.4, -0.6)
    drawn: Figure | SubFigure = made
    return drawn

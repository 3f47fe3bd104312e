"""In which unit every layer of a converted network counts: how large an activation one spike stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import rsnn
from rsnn.errors import InvalidValueError
from rsnn.layers import Weighted

if TYPE_CHECKING:
    from .model import Entry


def units(entries: Sequence[Entry], levels: Mapping[int, float]) -> list[float]:
    """Choose the unit of what every entry sends on.

    Weights can change the unit; everything else keeps it, and what is added up must have one unit. So layers fall into groups. A group
    that the data enter has the unit 1, one with levels the largest of them, any other 1 too.

    Parameters
    ----------
    entries : of `Analog`
    levels : for some entries, the activation that shall be one spike a step
    """
    group = list(range(len(entries) + 1))  # the last one is that of the data, so that the index -1 finds it

    def root(k: int) -> int:
        while group[k] != group[group[k]]:
            group[k] = group[group[k]]
        return group[k]

    for k, entry in enumerate(entries):
        together = list(entry.inputs) if entry.kind == "weights" else [k, *entry.inputs]
        for one in together[1:]:
            group[root(one)] = root(together[0])
    largest: dict[int, float] = {}
    for k, level in levels.items():
        if not level > 0.0:
            raise InvalidValueError(
                f"percentile: this one of the activity of the layer {entries[k].name} is {level:g}, so nothing can be scaled by it; "
                "give a higher percentile or other calibration data"
            )
        largest[root(k)] = max(level, largest.get(root(k), 0.0))
    data = root(len(entries))
    return [1.0 if root(k) == data else largest.get(root(k), 1.0) for k in range(len(entries))]


def unit_before(entries: Sequence[Entry], chosen: Sequence[float], k: int) -> float:
    """Give the unit of what comes into an entry."""
    return 1.0 if entries[k].inputs[0] < 0 else chosen[entries[k].inputs[0]]


def scaled(network: rsnn.Network, entries: Sequence[Entry], chosen: Sequence[float], v_threshold: float) -> rsnn.Network:
    """Put the units into the weights: a current of one unit raises the membrane by one threshold.

    W <- W unit_in c, b <- b c, with c = v_threshold / unit_out before neurons and 1 elsewhere.
    """
    firing = _before_neurons(entries)
    weights = [k for k, entry in enumerate(entries) if entry.kind == "weights"]
    places = [k for k, layer in enumerate(network.layers) if isinstance(layer, Weighted)]
    layers: list[Any] = list(network.layers)
    # What a spiking output adds to the end fires too, though it is no entry.
    ends = max(network.neurons, default=-1) == len(layers) - 1
    for place, k in zip(places, weights, strict=True):
        fires = k in firing or (ends and k in _reaching_end(entries))
        c = v_threshold / chosen[k] if fires else 1.0 / chosen[k]
        layers[place] = _times(layers[place], unit_before(entries, chosen, k) * c, c)
    return rsnn.Network(layers, network.input_shape, names=network.names, inputs=network.inputs)


def _times(layer: Any, weight: float, bias: float) -> Any:
    """Multiply weight and bias in float64, and round once."""

    def product(array: Any, factor: float) -> Any:
        return None if array is None else (np.asarray(array, np.float64) * factor).astype(np.asarray(array).dtype)

    return replace(layer, weight=product(layer.weight, weight), bias=product(layer.bias, bias))


def _before_neurons(entries: Sequence[Entry]) -> set[int]:
    """Find the weights whose sums reach neurons without passing other weights."""
    found: set[int] = set()
    for k, entry in enumerate(entries):
        if entry.kind == "relu":
            found |= sources(entries, k)
    return {k for k in found if k >= 0 and entries[k].kind == "weights"}


def _reaching_end(entries: Sequence[Entry]) -> set[int]:
    last = len(entries) - 1
    return {last} if entries[last].kind == "weights" else sources(entries, last)


def sources(entries: Sequence[Entry], k: int) -> set[int]:
    """Find the weights, neurons and data (-1) that an entry takes, through whatever only passes them on."""
    found: set[int] = set()
    waiting = list(entries[k].inputs)
    while waiting:
        one = waiting.pop()
        if one >= 0 and entries[one].kind == "pass":
            waiting.extend(entries[one].inputs)
        else:
            found.add(one)
    return found

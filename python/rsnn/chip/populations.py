"""A float network as populations of neurons and the matrices between them, for chips whose neurons form one crossbar.

Layers without neurons are linear, so those between two populations are one matrix, which is found by running them on each unit vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import shape_of
from rsnn.errors import InvalidValueError
from rsnn.layers import Add, AvgPool2d, Conv1d, Conv2d, Delay, Flatten, Linear, SumPool2d
from rsnn.network import Network
from rsnn.neurons import AnyNeuron
from rsnn.recurrent import Recurrent

from .reading import index_names, refuse

Array = npt.NDArray[Any]
FOLDED = (Linear, Conv1d, Conv2d, SumPool2d, AvgPool2d, Flatten, Add)
MOST = 4096
"""Entries of what comes into a layer: more than any of these chips has neurons, and a matrix of them still fits memory."""


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons, and what comes to them.

    Attributes
    ----------
    name, neuron_name : the layer with weights before them, and themselves, as ``"0 Linear"``
    index, neuron_index : where they are in the network
    neuron : one neuron, without its recurrence
    n : how many
    synapses : by source (the number of a population, -1 for what comes into the network) and steps of delay: a matrix (n, sources)
    bias : (n,), of the layers with weights and of the recurrence; zeros where there is none
    recurrent : whether its own output comes back to it, a step later: then it is among the sources
    """

    name: str
    index: int
    neuron_name: str
    neuron_index: int
    neuron: AnyNeuron
    n: int
    synapses: dict[tuple[int, int], Array]
    bias: Array
    recurrent: bool = False


@dataclass(frozen=True, eq=False)
class _Sum:
    """What a layer sends on: matrices of its sources, a constant, the last layer with weights before it."""

    terms: dict[tuple[int, int], Array]
    constant: Array
    index: int | None


def populations(target: str, network: Network) -> list[Population]:
    """Read a network; refuse layers that are neither linear nor neurons, by name."""
    names = index_names(network.layers)
    n = math.prod(shape_of("input_shape", network.input_shape))
    sums = {-1: _Sum({(-1, 0): np.eye(n)}, np.zeros(n), None)} if n <= MOST else {}
    if not sums:
        raise InvalidValueError(f"network: {n} inputs are more than {target} could hold; pool or crop them before")
    found: list[Population] = []
    for k, (name, layer) in enumerate(zip(names, network.layers, strict=True)):
        came = _together([sums[one] for one in network.graph.inputs[k]])
        if isinstance(layer, (AnyNeuron, Recurrent)):
            found.append(_population(found, names, k, layer, came))
            size = found[-1].n
            sums[k] = _Sum({(len(found) - 1, 0): np.eye(size)}, np.zeros(size), None)
        elif isinstance(layer, Delay):
            if came.constant.any():
                raise refuse(target, name, "a bias before a delay", "a bias does not come later", "put the delay before the weights")
            sums[k] = _Sum({(s, d + layer.steps): w for (s, d), w in came.terms.items()}, came.constant, came.index)
        elif isinstance(layer, FOLDED):
            matrix, constant = _matrix(target, name, layer, network.shape_before(k))
            terms = {key: matrix @ w for key, w in came.terms.items()}
            sums[k] = _Sum(terms, matrix @ came.constant + constant, k if hasattr(layer, "weight") else came.index)
        else:
            raise refuse(target, name, "the layer", "between neurons the chip has weights, so layers must be linear", "replace it by these")
    if len(network.layers) - 1 != (found[-1].neuron_index if found else -1):
        raise refuse(target, names[-1], "a layer after the last neurons", "the chip sends spikes", "let the network end with neurons")
    return found


def _together(sums: Sequence[_Sum]) -> _Sum:
    """Add up what several layers send."""
    terms: dict[tuple[int, int], Array] = {}
    for one in sums:
        for key, w in one.terms.items():
            terms[key] = terms[key] + w if key in terms else w
    constant = np.sum([one.constant for one in sums], axis=0)
    return _Sum(terms, constant, next((one.index for one in sums if one.index is not None), None))


def _matrix(target: str, name: str, layer: Any, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Give a linear layer as a matrix and a constant."""
    size = math.prod(shape)
    if size > MOST:
        raise refuse(target, name, f"an input of {size}", "it is more than the chip could hold", "use a smaller layer")
    if isinstance(layer, Linear) and len(shape) == 1:
        bias = np.zeros(len(layer.weight)) if layer.bias is None else layer.bias
        return np.asarray(layer.weight, np.float64), np.asarray(bias, np.float64)
    constant = layer.run(np.zeros((1, *shape))).reshape(-1)
    columns = layer.run(np.eye(size).reshape(size, *shape)).reshape(size, -1) - constant
    return columns.T, constant


def _population(found: list[Population], names: list[str], k: int, layer: Any, came: _Sum) -> Population:
    n = len(came.constant)
    index = k if came.index is None else came.index
    neuron = layer.neuron if isinstance(layer, Recurrent) else layer
    synapses, bias = dict(came.terms), came.constant
    if isinstance(layer, Recurrent):
        w = np.asarray(layer.weight, np.float64)
        own = (len(found), 1)
        synapses[own] = np.diag(w) if w.ndim == 1 else w
        bias = bias if layer.bias is None else bias + np.asarray(layer.bias, np.float64)
    return Population(names[index], index, names[k], k, neuron, n, synapses, bias, isinstance(layer, Recurrent))


def lags(target: str, found: Sequence[Population], hop: int) -> list[int]:
    """Say by how many steps each population answers later on a chip whose neurons hear each other `hop` steps later.

    What comes into the network is heard at once. Every way to a population must take the same time, counting the delays that the network
    has itself; a recurrence takes a step in both.
    """
    late: list[int] = []
    for one in found:
        ways = {(late[s] + hop if s >= 0 else 0) - d: (s, d) for (s, d) in one.synapses if s != len(late)}
        if len(ways) > 1:
            least, most = min(ways), max(ways)
            raise refuse(
                target, one.neuron_name, f"ways to it of {least} and {most} steps", "a spike takes a step from neuron to neuron",
                f"put rsnn.Delay({most - least}.0) into the longer way, so that the network waits as the chip does",
            )  # fmt: skip
        lag = next(iter(ways), 0)
        if lag < 0:
            raise refuse(target, one.neuron_name, "a delay of what comes in", "the chip hears its input at once", "leave it out")
        if one.recurrent and hop != 1:
            raise refuse(
                target,
                one.neuron_name,
                "a recurrence a step later",
                "the chip's spikes come back at once",
                "use neurons without recurrence",
            )
        late.append(lag)
    return late

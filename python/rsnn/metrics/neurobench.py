"""What a network costs, in NeuroBench's terms: operations of synapses, updates of membranes, memory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import float_dtype, shown
from rsnn.errors import InvalidTypeError
from rsnn.layers import Delay, Weighted
from rsnn.network import Network
from rsnn.network.graph import call
from rsnn.network.inputs import network_input
from rsnn.network.request import checked_state
from rsnn.network.table import numbers
from rsnn.recurrent import Recurrent

from .sparsity import connection_sparsity

Array = npt.NDArray[Any]

BLOCK = 1 << 22
"""Entries of all layers that are held at once."""


@dataclass(frozen=True)
class LayerWorkload:
    """The operations of one layer's synapses, of one sample on average.

    Attributes
    ----------
    layer : str
        Its kind and its name or index.
    effective_macs, effective_acs, dense : float
        As of `Workload`.
    synops : float
        As of `Workload`.
    """

    layer: str
    effective_macs: float
    effective_acs: float
    dense: float
    synops: float


@dataclass(frozen=True)
class Workload:
    """What a network did over some data; numbers are of one sample on average, as NeuroBench has them.

    Attributes
    ----------
    samples : int
    steps : int
        Of each sample.
    effective_macs : float
        Inputs that are not 0 times the weights that are not 0 that leave them, in steps in which the layer's input is not all -1, 0 and 1:
        a multiplication and an addition each.
    effective_acs : float
        The same in steps in which it is: an addition each.
    dense : float
        Inputs times weights, 0 or not.
    synops : float
        Inputs that are not 0 times the weights that leave them, 0 or not: as `rsnn.Network.run` counts them in ``stats``.
    membrane_updates : float
        Membranes that a step changed; in the first step all count.
    activation_sparsity : float or None
        The part of the outputs of spiking layers that are 0; None where no layer spikes.
    connection_sparsity : float
        The part of the weights that are 0.
    footprint : int
        Bytes, as of `footprint`.
    layers : tuple of LayerWorkload
        Those with synapses, in the order of the network.
    """

    samples: int
    steps: int
    effective_macs: float
    effective_acs: float
    dense: float
    synops: float
    membrane_updates: float
    activation_sparsity: float | None
    connection_sparsity: float
    footprint: int
    layers: tuple[LayerWorkload, ...]

    def neurobench(self) -> dict[str, Any]:
        """Give the numbers under NeuroBench's names, as its benchmarks return them."""
        operations = {"Effective_MACs": self.effective_macs, "Effective_ACs": self.effective_acs, "Dense": self.dense}
        return {
            "Footprint": self.footprint,
            "ConnectionSparsity": round(self.connection_sparsity, 4),
            "ActivationSparsity": self.activation_sparsity,
            "SynapticOperations": operations,
            "MembraneUpdates": self.membrane_updates,
        }


def footprint(network: Network, *, dtype: Any = np.float32) -> int:
    """Give the memory of a network in bytes: NeuroBench's ``Footprint``.

    Parameters
    ----------
    network : rsnn.Network
    dtype : float32 or float64, default float32
        Of every number.

    Returns
    -------
    int
        Weights, biases, the neurons' parameters, and the state of one sample.

    Raises
    ------
    InvalidTypeError
        No network, or another dtype.

    Notes
    -----
    NeuroBench adds up what torch registers. Of a network in snnTorch these are the same weights and biases, and for its neurons other
    numbers than those of rsnn.

    Examples
    --------
    Two weights in float32:

    >>> import rsnn
    >>> net = rsnn.Network([rsnn.Linear([[1.0, 1.0]])], input_shape=2)
    >>> rsnn.metrics.footprint(net)
    8
    """
    _check(network)
    width = float_dtype("dtype", dtype).itemsize
    return width * sum(numbers(network, k).get("memory", 0) for k in range(len(network.layers))) // 4


def workload(
    network: Network,
    x: Any,
    state: Mapping[Any, Any] | None = None,
    *,
    dt: float | None = None,
    steps: int | None = None,
    threads: Any = None,
) -> Workload:
    """Run a network over data and say what that takes.

    Parameters
    ----------
    network : rsnn.Network
    x, state, dt, steps, threads
        As of `rsnn.Network.run`.

    Returns
    -------
    Workload

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No network, or data that it does not take.

    Notes
    -----
    Synaptic operations, sparsity and membrane updates are those of NeuroBench's harness: a layer is counted by its inputs that are not 0
    and its weights that are not 0, biases left out; whether a step takes MACs or ACs goes by the values of the layer's input in that step
    (of all samples), so that counts of spikes above 1, as pooling or ``fire="multi"`` make them, are MACs; pooling is not counted. The
    spikes that come back in a `Recurrent` are an input like any other. Yik et al., "The neurobench framework for benchmarking neuromorphic
    computing algorithms and systems", Nature Communications 2025.

    Examples
    --------
    >>> import rsnn
    >>> net = rsnn.Network([rsnn.Linear([[1.0, 0.0], [1.0, 1.0]]), rsnn.IAF()], input_shape=2)
    >>> cost = rsnn.metrics.workload(net, [[1.0, 1.0], [0.0, 0.5], [0.0, 0.0]])
    >>> cost.effective_acs, cost.effective_macs, cost.dense, cost.synops
    (3.0, 1.0, 12.0, 6.0)
    >>> cost.membrane_updates, cost.activation_sparsity
    (3.0, 0.6666666666666666)
    """
    _check(network)
    given = network_input(network, x, dt, steps)
    whole = given.lead[0]
    time_first = dataclasses.replace(network, batch_first=False)
    tally = _Tally(time_first)
    held = max(1, math.prod(given.lead[1:]) * (given.size + sum(math.prod(shape) for shape in network.shapes)))
    stretch = max(1, BLOCK // held)
    batch = given.lead[1] if len(given.lead) == 2 else None
    current: Any = checked_state(network, state, batch, given.dtype)
    for first in range(0, whole, stretch):
        frames = np.asarray(given.block(slice(first, min(first + stretch, whole)))).astype(given.dtype, copy=False)
        current = tally.add(frames, current, threads, first == 0)
    return tally.total(1 if batch is None else batch, whole)


class _Tally:
    """What is counted, block by block of time."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.synapses = {k: _Synapses(network, k) for k, layer in enumerate(network.layers) if isinstance(layer, (Weighted, Recurrent))}
        self.membranes = [k for k, neuron in network.neurons.items() if "v" in neuron.kernel().states]
        self.updates = self.active = self.activations = 0

    def add(self, frames: Array, before: Any, threads: Any, first: bool) -> Any:
        """Count what frames (t, [B,] *shape) do, from a state; give the state after them."""
        result = self.network.run(frames, before, record={k: "v" for k in self.membranes}, threads=threads)
        outputs = _Outputs(self.network, frames, result, before)
        for k, synapses in self.synapses.items():
            synapses.add(outputs.recurrent(k) if isinstance(self.network.layers[k], Recurrent) else outputs.into(k))
        for k in self.membranes:
            v = result.traces[k]["v"]
            changed = np.concatenate([np.asarray(before[k].v)[None], v[:-1]]) != v
            self.updates += int(np.count_nonzero(changed[first:])) + (v[0].size if first else 0)
        for k in result.spikes:
            self.active += int(np.count_nonzero(result.spikes[k]))
            self.activations += result.spikes[k].size
        return result.state

    def total(self, samples: int, steps: int) -> Workload:
        """Give what was counted."""
        rows, share = samples * steps, 1.0 / samples if samples else 0.0
        layers = tuple(
            LayerWorkload(one.name, one.macs * share, one.acs * share, one.dense * rows * share, one.synops * share)
            for one in self.synapses.values()
        )
        return Workload(
            samples,
            steps,
            sum(one.effective_macs for one in layers),
            sum(one.effective_acs for one in layers),
            sum(one.dense for one in layers),
            sum(one.synops for one in layers),
            self.updates * share,
            (self.activations - self.active) / self.activations if self.activations else None,
            connection_sparsity(self.network),
            footprint(self.network),
            layers,
        )


class _Synapses:
    """The operations of one layer's synapses."""

    def __init__(self, network: Network, k: int) -> None:
        layer: Any = network.layers[k]
        self.name = f"{type(layer).__name__} {call(k, network.graph.names)}"
        self.layer, self.shape = layer, network.shapes[k] if isinstance(layer, Recurrent) else network.shape_before(k)
        self.fan_out = np.ascontiguousarray(layer.fan_out(self.shape), np.float64).ravel()
        self.dense = int(self.fan_out.sum())
        self.macs = self.acs = self.synops = 0
        kept = layer.weight != 0
        self.binary: Any = None
        self.effective = self.fan_out
        if not kept.all():
            if isinstance(layer, Recurrent):
                own = kept.sum(axis=0) if kept.ndim == 2 else kept
                self.effective = np.broadcast_to(own, self.shape).astype(np.float64).ravel()
            else:
                self.binary = dataclasses.replace(layer, weight=kept.astype(np.float32), bias=None)

    def add(self, x: Array) -> None:
        """Count the operations of inputs (t, [B,] *shape)."""
        rows = x.reshape(len(x), -1, len(self.fan_out))
        there = rows != 0
        reached = there.sum(axis=1, dtype=np.float64)
        self.synops += int((reached @ self.fan_out).sum())
        if self.binary is None:
            operations = reached @ self.effective
        else:
            products = self.binary.run(there.reshape(-1, *self.shape).astype(np.float32))
            operations = products.reshape(len(x), -1).sum(axis=1, dtype=np.float64)
        binary = (~there | (np.abs(rows) == 1)).reshape(len(x), -1).all(axis=1)
        self.acs += int(operations[binary].sum())
        self.macs += int(operations[~binary].sum())


class _Outputs:
    """What each layer sent on in a run, made again where the run does not keep it."""

    def __init__(self, network: Network, frames: Array, result: Any, before: Any) -> None:
        self.network, self.result, self.before = network, result, before
        self.lead = frames.shape[: frames.ndim - len(network.input_shape)]  # type: ignore[arg-type]  # a tuple once it is made
        self.made: dict[int, Array] = {-1: frames}

    def into(self, k: int) -> Array:
        """Give what comes into a layer, its inputs added up."""
        first, *others = (self.of(one) for one in self.network.graph.inputs[k])
        for one in others:
            first = first + one
        return first

    def of(self, k: int) -> Array:
        """Give what a layer sends on, (t, [B,] *shape)."""
        if k not in self.made:
            self.made[k] = self._make(k)
        return self.made[k]

    def _make(self, k: int) -> Array:
        layer: Any = self.network.layers[k]
        if k in self.result.spikes:
            spikes: Array = self.result.spikes[k]
            return spikes
        if k in self.network.neurons:  # one that does not spike sends on its membrane
            membrane: Array = self.result.traces[k]["v"]
            return membrane
        x = np.ascontiguousarray(self.into(k))
        if isinstance(layer, Delay):
            out = np.empty_like(x)
            layer.advance(x, self.before[k], out)
            return out
        sent: Array = layer.run(x.reshape(-1, *x.shape[len(self.lead) :])).reshape(*self.lead, *self.network.shapes[k])
        return sent

    def recurrent(self, k: int) -> Array:
        """Give what comes back to recurrent neurons: their output of the step before."""
        return np.concatenate([np.asarray(self.before[k].s)[None], self.of(k)[:-1]])


def _check(network: Any) -> None:
    if not isinstance(network, Network):
        raise InvalidTypeError(
            f"network={shown(network)}: must be a rsnn.Network; rsnn.torch.to_network(module, input_shape) makes one of a torch module"
        )

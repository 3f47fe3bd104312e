"""The engine that runs a network over time: its layers one after another, a block of time at a time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _rsnn
from .layers import Weighted
from .memory import empty
from .network_input import network_input
from .network_request import checked_state, wanted_traces
from .network_result import LayerStats, NetworkResult, States
from .recurrent import Recurrent
from .simulation import simulate
from .threads import resolve
from .weights import Weights

if TYPE_CHECKING:
    from .network import Network

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

BLOCK = 1 << 20
"""Elements of the largest layer in one block of time: what passes between layers stays in the cache and is never held whole."""


def run(network: Network, x: Any, state: Any, record: Any, threads: int | None) -> NetworkResult:
    """Run a network over x; see `Network.run`."""
    given = network_input(network, x)
    workers = resolve(threads)
    batch = given.lead[1] if len(given.lead) == 2 else None
    wanted, begin = wanted_traces(network, record), checked_state(network, state, batch, given.dtype)
    run = _Run(network, given.lead, given.dtype, workers, wanted, begin)
    for k, layer in enumerate(network.layers):
        if isinstance(layer, Weights):
            with network.at(k):
                layer.weights(given.dtype)  # a weight too large for the dtype is found before any work
    for first in range(0, given.lead[0], run.steps):
        run.block(given.block(slice(first, first + run.steps)), first)
    return run.result()


class _Run:
    """One run of a network: what is kept of it, filled block of time by block of time."""

    def __init__(
        self, network: Network, lead: Shape, dtype: np.dtype[Any], threads: int, record: dict[int, tuple[str, ...]], state: States
    ) -> None:
        self.network, self.lead, self.dtype, self.threads, self.record, self.state = network, lead, dtype, threads, record, state
        shapes, layers = network.shapes, network.layers
        largest = max(math.prod(shape) for shape in (network.shape_before(0), *shapes))
        self.steps = max(1, BLOCK // max(1, math.prod(lead[1:]) * largest))
        spiking = [k for k, neuron in network.neurons.items() if neuron.kernel().spiking]
        self.kept = {k: empty((*lead, *shapes[k]), dtype) for k in dict.fromkeys([*spiking, len(layers) - 1])}
        self.spiking = spiking
        self.traces = {k: {name: empty((*lead, *shapes[k]), dtype) for name in wanted} for k, wanted in record.items()}
        # What only passes by, one block long, used again by the next block.
        block = (min(self.steps, lead[0]), *lead[1:])
        self.passing = {k: empty((*block, *shapes[k]), dtype) for k in range(len(layers)) if k not in self.kept}
        counted = {k: network.shape_before(k) for k, layer in enumerate(layers) if isinstance(layer, Weighted)} | {
            k: shapes[k] for k in spiking
        }
        self.counts = {k: np.zeros(math.prod(shape), np.uint64) for k, shape in counted.items()}
        self.sums = dict.fromkeys(spiking, 0.0)
        self.before = {k: np.count_nonzero(state[k].s) for k, layer in enumerate(layers) if isinstance(layer, Recurrent)}

    def block(self, x: Array, first: int) -> None:
        """Run all layers over some steps of the input."""
        steps = slice(first, first + len(x))
        x = np.require(x, self.dtype, ["C", "A"])
        for k, layer in enumerate(self.network.layers):
            out = self.kept[k][steps] if k in self.kept else self.passing[k][: len(x)]
            if k in self.network.neurons:
                result = simulate(layer, x, self.state[k], record=self.record.get(k, ()), threads=self.threads, out=out)
                self.state[k] = result.state
                for name, trace in result.traces.items():
                    self.traces[k][name][steps] = trace
                if k in self.counts:
                    self.sums[k] += self._tally(k, out)
            else:
                if k in self.counts:
                    self._tally(k, x)
                rows = math.prod(x.shape[: len(self.lead)])
                layer.compute(_rows(x, rows, len(self.lead)), _rows(out, rows, len(self.lead)), self.threads)
            x = out

    def _tally(self, k: int, x: Array) -> float:
        positions = len(self.counts[k])
        return _rsnn.tally(x.reshape(math.prod(x.shape[: len(self.lead)]), positions), self.counts[k], threads=self.threads)

    def result(self) -> NetworkResult:
        """Give what was kept, in the caller's layout."""
        spikes = {k: self._layout(self.kept[k]) for k in self.spiking}
        output = spikes.get(len(self.network.layers) - 1, self._layout(self.kept[len(self.network.layers) - 1]))
        traces = {k: {name: self._layout(trace) for name, trace in one.items()} for k, one in self.traces.items()}
        stats = {k: self._stats(k, layer) for k, layer in enumerate(self.network.layers)}
        return NetworkResult(output, spikes, self.state, stats, traces)

    def _layout(self, array: Array) -> Array:
        return array.swapaxes(0, 1) if self.network.batch_first and len(self.lead) == 2 else array

    def _stats(self, k: int, layer: Any) -> LayerStats:
        name = type(layer).__name__
        if k not in self.counts:
            return LayerStats(name)
        counts, entries = self.counts[k], math.prod(self.lead) * len(self.counts[k])
        density = int(counts.sum()) / entries if entries else 0.0
        if isinstance(layer, Weighted):
            before = self.network.shape_before(k)
            synops = int(counts.astype(np.int64) @ layer.fan_out(before).ravel())  # below 2**63: no run multiplies so often
            return LayerStats(name, synops=synops, input_density=density, path="dense")
        total = self.sums[k]
        fired = LayerStats(name, int(total) if math.isfinite(total) else total, density)
        if not isinstance(layer, Recurrent):
            return fired
        # What fired in a step arrives in the next one: the spikes carried in count, those of the last step do not yet.
        arrived = int(counts.sum()) + self.before[k] - int(np.count_nonzero(self.state[k].s))
        return replace(fired, synops=int(arrived * math.prod(layer.weight.shape[1:])))


def _rows(x: Array, rows: int, lead: int) -> Array:
    return x.reshape(rows, *x.shape[lead:])

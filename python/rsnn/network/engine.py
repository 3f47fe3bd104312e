"""The engine that runs a network over time: one native call for all layers and many steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import choice
from rsnn.errors import InvalidValueError
from rsnn.layers import Delay
from rsnn.memory import empty
from rsnn.recurrent import Recurrent
from rsnn.state import State, make_state
from rsnn.threads import resolve

from .graph import ByLayer
from .inputs import NetworkInput, network_input
from .lowering import Lowered, from_raster, lower, to_raster
from .request import checked_state, wanted_traces
from .result import LayerStats, NetworkResult, States
from .spikes import Kept, LayerSpikes

if TYPE_CHECKING:
    from rsnn import _rsnn

    from .network import Network

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

BLOCK = 1 << 20
"""Entries of the input that are converted at once, where the engine cannot read it as it lies."""
PATHS = ("auto", "event", "dense")


def lowered(network: Network, dtype: np.dtype[Any]) -> Lowered:
    """Give the native engine of a network, built once for each dtype."""
    engines: dict[np.dtype[Any], Lowered] = network.engines
    if dtype not in engines:
        engines[dtype] = lower(network, dtype)
    return engines[dtype]


def run(network: Network, x: Any, state: Any, record: Any, threads: int | None, *, dt: Any, steps: Any, path: Any) -> NetworkResult:
    """Run a network over x; see `Network.run`."""
    given = network_input(network, x, dt, steps)
    workers = resolve(threads)
    path = choice("path", path, PATHS)
    batch = given.lead[1] if len(given.lead) == 2 else None
    wanted, begin = wanted_traces(network, record), checked_state(network, state, batch, given.dtype, given.lead[0])
    running = Running(network, given.dtype, batch, begin, keep=True)
    shapes = network.shapes
    output, traces = _room(given, shapes, wanted)
    for stretch, block in blocks(given):
        recorded = {k: {name: trace[stretch] for name, trace in one.items()} for k, one in traces.items()}
        running.advance(block, output[stretch], recorded, path, workers)
    for k, one in traces.items():
        if running.lowered.places[k].raster:
            one.update({name: from_raster(trace.reshape(*given.lead, math.prod(shapes[k])), shapes[k]) for name, trace in one.items()})
    return running.result(given.lead, output, traces, path)


def forward(network: Network, x: Any, state: Any, threads: int) -> tuple[Array, States]:
    """Run a network over dense data for its output and its states alone: spikes between layers are let go as they were used."""
    given = network_input(network, x, None, None)
    batch = given.lead[1] if len(given.lead) == 2 else None
    running = Running(network, given.dtype, batch, checked_state(network, state, batch, given.dtype), keep=False)
    output, _ = _room(given, network.shapes, {})
    for stretch, block in blocks(given):
        running.advance(block, output[stretch], {}, "auto", threads)
    return output.swapaxes(0, 1) if network.batch_first and batch is not None else output, running.states()


def _room(given: NetworkInput, shapes: tuple[Shape, ...], wanted: dict[int, tuple[str, ...]]) -> tuple[Array, dict[int, dict[str, Array]]]:
    """Make room for the output and what is recorded."""
    try:
        output = empty((*given.lead, *shapes[-1]), given.dtype)
        return output, {k: {name: empty((*given.lead, *shapes[k]), given.dtype) for name in one} for k, one in wanted.items()}
    except (MemoryError, ValueError, OverflowError):  # numpy's, of sizes that no memory has
        raise InvalidValueError(
            f"x: a run of {given.lead[0]} steps, its output and what is recorded, is more than memory can hold; "
            "run it in pieces, from state to state"
        ) from None


def blocks(given: NetworkInput) -> Any:
    """Cut the input: for steps at a time, a slice and what the native engine reads of it."""
    steps = given.lead[0]
    whole = given.native()
    if whole is not None:
        yield slice(0, steps), whole
        return
    size = max(1, math.prod(given.lead[1:]) * given.size)
    stretch = max(1, BLOCK // size)
    for first in range(0, steps, stretch):
        chosen = slice(first, min(first + stretch, steps))
        yield chosen, np.require(given.block(chosen), given.dtype, ["C", "A"])


class Running:
    """A network at work: the native run, and what Python knows of it."""

    def __init__(self, network: Network, dtype: np.dtype[Any], batch: int | None, state: States, *, keep: bool) -> None:
        self.network, self.dtype, self.batch = network, dtype, batch
        self.lowered = lowered(network, dtype)
        self.samples = 1 if batch is None else batch
        last = len(network.layers) - 1
        self.spiking = [k for k, neuron in network.neurons.items() if neuron.kernel().spiking]
        self.kept = [k for k in self.spiking if k != last] if keep else []
        self.session: _rsnn.Session = self.lowered.engine.start(self.samples, [self._node(k) for k in self.kept])
        self.steps = 0
        self.carried: dict[int, int] = {}
        self.begin(state)

    def _node(self, k: int) -> int:
        return self.lowered.places[k].node

    def begin(self, state: States) -> None:
        """Take states, checked before, for those of the run."""
        for k, one in state.items():
            self.session.begin(self._node(k), self._laid(k, one))
            if "s" in one._fields:
                self.carried[k] = int(np.count_nonzero(one.s))

    def _laid(self, k: int, state: State) -> Array:
        """Lay a state out as (samples, states, entries)."""
        shape, place = self.network.shapes[k], self.lowered.places[k]
        if state._fields == ("waiting",):  # (n, [B,] *shape), what leaves next first
            array = np.asarray(state[0]).reshape(len(state[0]), self.samples, *shape).swapaxes(0, 1)
        else:
            array = np.stack([np.asarray(one).reshape(self.samples, *shape) for one in state], axis=1)
        if place.raster:
            array = to_raster(array, shape)
        return np.ascontiguousarray(array.reshape(self.samples, array.shape[1], math.prod(shape)))

    def state(self, k: int) -> State:
        """Give the state of a layer as it is now."""
        shape, place = self.network.shapes[k], self.lowered.places[k]
        layer = self.network.layers[k]
        waits = isinstance(layer, Delay)
        fields = ("waiting",) if waits else layer.kernel().states
        array = np.empty((self.samples, layer.steps if waits else len(fields), math.prod(shape)), self.dtype)
        self.session.end(place.node, array)
        seen = from_raster(array, shape) if place.raster else array.reshape(*array.shape[:2], *shape)
        lead = () if self.batch is None else (self.batch,)
        if waits:
            return make_state(fields, (np.ascontiguousarray(seen.swapaxes(0, 1)).reshape(layer.steps, *lead, *shape),))
        return make_state(fields, [np.ascontiguousarray(seen[:, j]).reshape(*lead, *shape) for j in range(len(fields))])

    def states(self) -> States:
        """Give all states as they are now."""
        return self._named({k: self.state(k) for k in self.network.stateful})

    def _named(self, values: dict[int, Any]) -> ByLayer[Any]:
        return ByLayer(values, self.network.graph.names)

    def advance(self, x: Any, output: Array, recorded: dict[int, dict[str, Array]], path: str, threads: int) -> None:
        """Go on over what the native engine reads, checked before; writes the output and what is recorded."""
        record = [(self._node(k), name, trace) for k, one in recorded.items() for name, trace in one.items()]
        self.session.advance(x, output, len(output), path=path, record=record, threads=threads)
        self.steps += len(output)

    def stats(self, path: str) -> ByLayer[LayerStats]:
        """Tell what every layer did so far."""
        return self._named({k: self._stats(k, layer, path) for k, layer in enumerate(self.network.layers)})

    def _stats(self, k: int, layer: Any, path: str) -> LayerStats:
        name, rows = type(layer).__name__, self.steps * self.samples
        if k in self.lowered.products:
            inputs, operations, followed, multiplied, *_ = self.session.counts(self.lowered.products[k])
            entries = rows * math.prod(self.network.shape_before(k))
            took = "mixed" if followed and multiplied else "dense" if multiplied or path == "dense" else "event"
            return LayerStats(name, synops=operations, input_density=inputs / entries if entries else 0.0, path=took)
        if k not in self.spiking:
            return LayerStats(name)
        *_, fired, total = self.session.counts(self._node(k))
        entries = rows * math.prod(self.network.shapes[k])
        arrived = None
        if isinstance(layer, Recurrent):
            # What fired in a step arrives in the next one: the spikes carried in count, those of the last step do not yet.
            arrived = (fired + self.carried[k] - int(np.count_nonzero(self.state(k).s))) * math.prod(layer.weight.shape[1:])
        spikes = int(total) if math.isfinite(total) else total
        return LayerStats(name, spikes, fired / entries if entries else 0.0, synops=arrived)

    def result(self, lead: Shape, output: Array, traces: dict[int, dict[str, Array]], path: str) -> NetworkResult:
        """Give what the run gave, in the caller's layout."""
        turned = self.network.batch_first and len(lead) == 2
        axis = None if len(lead) < 2 else 1 - turned

        def layout(array: Array) -> Array:
            return array.swapaxes(0, 1) if turned else array

        seen = layout(output)
        spikes: dict[int, Kept | Array] = {}
        for k in self.spiking:
            if k in self.kept:
                starts, at, values = self.session.spikes(self._node(k))
                is_raster = self.lowered.places[k].raster
                spikes[k] = Kept(starts, at, values, lead, self.network.shapes[k], self.dtype, is_raster, turned)
            else:
                spikes[k] = seen
        shown = {k: {name: layout(trace) for name, trace in one.items()} for k, one in traces.items()}
        held: Any = spikes  # what is not dense yet is made so by LayerSpikes
        return NetworkResult(seen, LayerSpikes(held, self.network.graph.names), self.states(), self.stats(path), self._named(shown), axis)

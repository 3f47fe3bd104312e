"""Networks as data: layers and neurons in a row, and the engine that runs them over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _rsnn
from .arguments import count, flag, is_tensor, names, shape_of, shown
from .errors import AbsentError, InvalidTypeError, InvalidValueError
from .layers import Layer, Weighted
from .memory import empty
from .neurons import AnyNeuron
from .recurrent import Recurrent
from .simulation import data, simulate
from .spikes import Spikes
from .stages import Description
from .state import State
from .threads import resolve
from .weights import Weights

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
States = dict[int, State]

_NEURONS = (AnyNeuron, Recurrent)
BLOCK = 1 << 20
"""Elements of the largest layer in one block of time: what passes between layers stays in the cache and is never held whole."""


@dataclass(frozen=True)
class LayerStats:
    """What a layer did in a run, counted, not estimated.

    Attributes
    ----------
    layer : str
        Its kind, such as ``"Linear"``.
    spikes : int, or None of a layer that does not spike
        All spikes; an output of 3 spikes in one step is 3. (inf, a float, where an infinite input fired without end.)
    density : float, or None of a layer that does not spike
        The part of its outputs that are not 0.
    synops : int, or None of a layer without synapses
        Synaptic operations: every input that is not 0 counts once for each output it reaches, fewer at the border of an image. An
        input of 3 spikes in one step is one. Of a `Recurrent` the spikes that come back.
    input_density : float, or None of a layer without synapses
        The part of its inputs that are not 0.
    path : str, or None of a layer without synapses
        How its product was computed: ``"dense"``.
    """

    layer: str
    spikes: int | float | None = None
    density: float | None = None
    synops: int | None = None
    input_density: float | None = None
    path: str | None = None


@dataclass(frozen=True, eq=False, repr=False)
class NetworkResult:
    """What a run of a network gives. Layers go by their index in ``network.layers``.

    Attributes
    ----------
    output : array (T, [B,] *output_shape)
        What the last layer sends on; batch first where the network is.
    spikes : dict of arrays
        The output of every layer that spikes, by index.
    state : dict of states
        After the last step, by index of the neurons: pass it back in to go on.
    stats : dict of LayerStats
        What every layer did, by index.
    traces : dict of dicts of arrays
        What was recorded, by index, then by name.
    """

    output: Array
    spikes: dict[int, Array]
    state: States
    stats: dict[int, LayerStats]
    traces: dict[int, dict[str, Array]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        """Say what there is."""
        cure = f"; a trace is .traces[k][{name!r}], recorded with record=({name!r},)" if name in ("v", "i", "rest", "u") else ""
        raise AbsentError(f"{name}: this result has output, spikes, state, stats, traces{cure}")

    def __repr__(self) -> str:
        fired = ", ".join(f"{k}: {one.spikes:,}" for k, one in self.stats.items() if one.spikes is not None)
        traces = f"; traces: {', '.join(f'{k}: {tuple(one)}' for k, one in self.traces.items())}" if self.traces else ""
        return f"NetworkResult(output: {self.output.dtype} {self.output.shape}; spikes: {{{fired}}}{traces})"


@dataclass(frozen=True, eq=False, repr=False)
class Network(Description):
    """Layers and neurons in a row: data, nothing running until `run`.

    Parameters
    ----------
    layers : sequence
        `Linear`, `Conv2d`, `SumPool2d`, `AvgPool2d`, `Flatten`, and neurons (`LI`, `LIF`, `IAF`, `Neuron`), also `Recurrent`.
    input_shape : int or tuple of int
        The shape of one sample in one step, without time and batch: ``(2, 34, 34)``.
    batch_first : bool, default False
        Data with a batch is (B, T, ...) in place of (T, B, ...).

    Attributes
    ----------
    layers : tuple
    input_shape : tuple of int
    shapes : tuple of tuples
        The shape of one sample after each layer; ``shapes[-1]`` is the output's.
    neurons : dict
        The neurons among the layers, by index.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something that is no layer, or a layer that does not take what the layer before it sends on; the message has its position.

    Notes
    -----
    Networks are equal where their layers, shapes and batch_first are. They can be pickled and copied.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> net = rsnn.Network([rsnn.Linear(np.eye(2)), rsnn.LIF(beta=0.5), rsnn.Linear([[1.0, 1.0]]), rsnn.LI(beta=0.5)], input_shape=2)
    >>> out = net.run([[1.0, 0.0], [0.5, 1.0]])
    >>> out
    NetworkResult(output: float64 (2, 1); spikes: {1: 2})
    >>> out.output.tolist(), out.stats[2].synops
    ([[1.0], [1.5]], 2)
    """

    layers: Sequence[Any]
    input_shape: int | Sequence[int]
    _: KW_ONLY
    batch_first: bool = False

    def __post_init__(self) -> None:
        """Check that every layer takes what comes before it."""
        if isinstance(self.layers, (Layer, *_NEURONS)) or is_tensor(self.layers):
            raise InvalidTypeError(f"layers={shown(self.layers)}: must be a list of layers; write [{type(self.layers).__name__}(...)]")
        try:
            layers = tuple(self.layers)
        except TypeError:
            raise InvalidTypeError(
                f"layers={shown(self.layers)}: must be a list of layers, such as [rsnn.Linear(weight), rsnn.LIF()]"
            ) from None
        if not layers:
            raise InvalidValueError("layers: an empty list came; give at least one layer")
        shape = shape_of("input_shape", self.input_shape)
        shapes = []
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "input_shape", shape)
        object.__setattr__(self, "batch_first", flag("batch_first", self.batch_first))
        for k, layer in enumerate(layers):
            with self._at(k):
                if isinstance(layer, Layer):
                    shape = layer.output_shape(shape)
                elif isinstance(layer, _NEURONS):
                    simulate(layer, np.empty((0, *shape), np.float32))  # refuses parameters that do not fit the shape
                else:
                    raise InvalidTypeError(f"{shown(layer)} is no layer; {_cure(layer)}")
            shapes.append(shape)
        object.__setattr__(self, "_shapes", tuple(shapes))

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shape of one sample after each layer."""
        made: tuple[Shape, ...] = self.__dict__["_shapes"]
        return made

    @property
    def neurons(self) -> dict[int, AnyNeuron | Recurrent]:
        """The neurons among the layers, by index."""
        return {k: layer for k, layer in enumerate(self.layers) if isinstance(layer, _NEURONS)}

    def init_state(self, batch: int | None = None, dtype: Any = np.float32) -> States:
        """Make the state that a run starts from.

        Parameters
        ----------
        batch : the number of samples; None for data without a batch axis
        dtype : of the data: float32 or float64

        Returns
        -------
        dict of states
            One for each of `neurons`, by index.

        Examples
        --------
        >>> import rsnn
        >>> rsnn.Network([rsnn.LIF(beta=0.5)], input_shape=2).init_state()
        {0: State(v=array([0., 0.], dtype=float32))}
        """
        lead = () if batch is None else (count("batch", batch, 0, "None for data without a batch axis"),)
        return {k: neuron.init_state((*lead, *self.shapes[k]), dtype) for k, neuron in self.neurons.items()}

    def run(self, x: npt.ArrayLike, state: Mapping[int, Any] | None = None, record: Any = (), threads: int | None = None) -> NetworkResult:
        """Run the network over time.

        Parameters
        ----------
        x : array_like (T, [B,] *input_shape), or `Spikes`
            Time first, then perhaps a batch; with ``batch_first`` (B, T, *input_shape). float32 and float64 are computed in as they
            are, all the way; bool, integers and float16 become float32. Weights are rounded to that dtype once. Any strides and byte
            order; never copied as a whole. NaN and infinity are data: a NaN membrane never fires.
        state : dict of states, optional
            To go on from: ``result.state``, or ``network.init_state(batch)``, which is also the default, also for a single neuron
            (None in place of its state). Never modified.
        record : name, tuple of names, or dict of these by layer
            State fields (their value after each step) and ``"u"`` (the membrane before its reset) to keep for every step: names for
            all neurons that have them, or ``{1: ("v", "u")}``.
        threads : int, optional
            At most so many; by default as `rsnn.set_num_threads` says. The result does not depend on it.

        Returns
        -------
        NetworkResult
            ``output``, ``spikes``, ``state``, ``stats``, ``traces``.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            Something is not accepted; the message says what, and what is. Nothing has been computed then.
        KeyboardInterrupt
            Ctrl-C, within a fraction of a second; nothing of the caller's changed.

        Notes
        -----
        The same bits as running layer after layer over the whole of x, in one piece or in several, alone or in any batch.

        Examples
        --------
        >>> import numpy as np, rsnn
        >>> net = rsnn.Network([rsnn.IAF()], input_shape=(1,))
        >>> first = net.run([[0.5], [0.25]], record="v")
        >>> first.traces[0]["v"].ravel().tolist()
        [0.5, 0.75]
        >>> net.run([[0.25]], first.state).output.tolist()
        [[1.0]]
        """
        array, dtype = data(x)
        workers = resolve(threads)
        lead, block = self._time_first(array)
        run = _Run(self, lead, dtype, workers, self._record(record), self._state(state, lead[1] if len(lead) == 2 else None, dtype))
        for k, layer in enumerate(self.layers):
            if isinstance(layer, Weights):
                with self._at(k):
                    layer.weights(dtype)  # a weight too large for the dtype is found before any work
        for first in range(0, lead[0], run.steps):
            run.block(block(slice(first, first + run.steps)), first)
        return run.result()

    def summary(self) -> str:
        """Describe the network in a table: layers, shapes, weights, synapses of one sample.

        Examples
        --------
        >>> import numpy as np, rsnn
        >>> print(rsnn.Network([rsnn.Linear(np.ones((3, 2))), rsnn.LIF()], input_shape=2).summary())
           layer   output  weights  synapses
        0  Linear  3             6         6
        1  LIF     3
        """
        rows = [("", "layer", "output", "weights", "synapses")]
        for k, (layer, after) in enumerate(zip(self.layers, self.shapes, strict=True)):
            numbers = ("", "")
            if isinstance(layer, (Weighted, Recurrent)):
                weights = layer.weight.size + (0 if layer.bias is None else layer.bias.size)
                numbers = (f"{weights:,}", f"{layer.fan_out(self._before(k)).sum():,}")
            rows.append((str(k), type(layer).__name__, " x ".join(map(str, after)) or "1", *numbers))
        widths = [max(len(row[c]) for row in rows) for c in range(5)]
        return "\n".join("  ".join(f"{cell:{'<' if c < 3 else '>'}{widths[c]}}" for c, cell in enumerate(row)).rstrip() for row in rows)

    def __repr__(self) -> str:
        first = ", batch_first=True" if self.batch_first else ""
        return f"Network([{', '.join(map(repr, self.layers))}], input_shape={self.input_shape}{first})"

    @property
    def _input(self) -> Shape:
        return shape_of("input_shape", self.input_shape)

    def _before(self, k: int) -> Shape:
        """Give the shape of one sample that comes into a layer."""
        return self.shapes[k - 1] if k else self._input

    @contextmanager
    def _at(self, k: int) -> Iterator[None]:
        """Say in a message which layer it is about."""
        try:
            yield
        except (InvalidValueError, InvalidTypeError) as error:
            raise type(error)(f"layers[{k}] ({type(self.layers[k]).__name__}): {error}") from None

    def _time_first(self, x: Any) -> tuple[Shape, Callable[[slice], Array]]:
        """Give the axes before a sample's own, time first, and how to get steps of x in that order."""
        own = self._input
        axes = x.ndim - len(own)
        if axes not in (1, 2) or x.shape[axes:] != own:
            sizes = "".join(f", {n}" for n in own)
            batch = "B, T" if self.batch_first else "T, B"
            raise InvalidValueError(f"x has shape {x.shape}: must be (T{sizes}) or ({batch}{sizes}), as input_shape={own}")
        swapped = self.batch_first and axes == 2
        lead = x.shape[:axes][::-1] if swapped else x.shape[:axes]
        if isinstance(x, Spikes):
            if x.batch_first != swapped:
                raise InvalidValueError(
                    f"x: packed spikes with batch_first={x.batch_first} came; pack them as the network takes its data: "
                    f"rsnn.Spikes.pack(array, batch_first={swapped})"
                )
            return lead, lambda steps: x[steps].numpy().swapaxes(0, 1) if swapped else x[steps].numpy()
        array = x.swapaxes(0, 1) if swapped else x
        return lead, lambda steps: array[steps]

    def _record(self, record: Any) -> dict[int, tuple[str, ...]]:
        has = {k: (*neuron.kernel().states, "u") for k, neuron in self.neurons.items()}
        if isinstance(record, Mapping):
            for k in record:
                if k not in has:
                    raise InvalidValueError(
                        f"record: {shown(k)} is not the index of a neuron; these are {', '.join(map(str, has)) or 'none'}"
                    )
            return {k: names(f"record[{k}]", record[k], has[k]) for k in sorted(record)}
        wanted = names(
            "record", record, dict.fromkeys(name for known in has.values() for name in known), "no neuron of this network has it"
        )
        return {k: kept for k, known in has.items() if (kept := tuple(name for name in wanted if name in known))}

    def _state(self, state: Any, batch: int | None, dtype: np.dtype[Any]) -> States:
        if state is None:
            return self.init_state(batch, dtype)
        cure = f"give network.init_state({batch}, np.{dtype}), or the .state of an earlier result"
        if not isinstance(state, Mapping):
            raise InvalidTypeError(f"state={shown(state)}: must be a dict of states by index of the neurons; {cure}")
        if set(state) != set(self.neurons):
            came = ", ".join(map(shown, state)) or "none"
            raise InvalidValueError(
                f"state: states of the layers {came} came; the neurons are {', '.join(map(str, self.neurons)) or 'none'}; {cure}"
            )
        checked = {}
        lead = () if batch is None else (batch,)
        for k, neuron in self.neurons.items():
            with self._at(k):
                checked[k] = simulate(neuron, np.empty((0, *lead, *self.shapes[k]), dtype), state[k]).state
        return checked


class _Run:
    """One run of a network: what is kept of it, filled block of time by block of time."""

    def __init__(
        self, network: Network, lead: Shape, dtype: np.dtype[Any], threads: int, record: dict[int, tuple[str, ...]], state: States
    ) -> None:
        self.network, self.lead, self.dtype, self.threads, self.record, self.state = network, lead, dtype, threads, record, state
        shapes, layers = network.shapes, network.layers
        largest = max(math.prod(shape) for shape in (network._input, *shapes))
        self.steps = max(1, BLOCK // max(1, math.prod(lead[1:]) * largest))
        spiking = [k for k, neuron in network.neurons.items() if neuron.kernel().spiking]
        self.kept = {k: empty((*lead, *shapes[k]), dtype) for k in dict.fromkeys([*spiking, len(layers) - 1])}
        self.spiking = spiking
        self.traces = {k: {name: empty((*lead, *shapes[k]), dtype) for name in wanted} for k, wanted in record.items()}
        # What only passes by, one block long, used again by the next block.
        block = (min(self.steps, lead[0]), *lead[1:])
        self.passing = {k: empty((*block, *shapes[k]), dtype) for k in range(len(layers)) if k not in self.kept}
        counted = {k: network._before(k) for k, layer in enumerate(layers) if isinstance(layer, Weighted)} | {k: shapes[k] for k in spiking}
        self.counts = {k: np.zeros(math.prod(shape), np.uint64) for k, shape in counted.items()}
        self.sums = dict.fromkeys(spiking, 0.0)
        self.before = {k: np.count_nonzero(state[k].s) for k, layer in enumerate(layers) if isinstance(layer, Recurrent)}

    def block(self, x: Array, first: int) -> None:
        """Run all layers over some steps of the input."""
        steps = slice(first, first + len(x))
        x = np.require(x, self.dtype, ["C", "A"])
        for k, layer in enumerate(self.network.layers):
            out = self.kept[k][steps] if k in self.kept else self.passing[k][: len(x)]
            if isinstance(layer, _NEURONS):
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
            before = self.network._before(k)
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


def _cure(layer: Any) -> str:
    if isinstance(layer, type) and issubclass(layer, (Layer, *_NEURONS)):
        return f"give an instance: {layer.__name__}(...)"
    if isinstance(layer, Network):
        return "write out its layers: *network.layers"
    if any(base.__module__.startswith("torch.") or base.__module__ == "torch" for base in type(layer).__mro__):
        return "convert the whole torch model with rsnn.torch.to_network(model, input_shape=...)"
    return "accepted are rsnn.Linear, Conv2d, SumPool2d, AvgPool2d, Flatten, neurons (LI, LIF, IAF, Neuron) and Recurrent"

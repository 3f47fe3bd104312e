"""One core of DynapCNN: an integer convolution, its neurons and its pooling, in time steps or event by event."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.arguments import choice, flag, names
from rsnn.errors import InvalidValueError
from rsnn.state import State
from rsnn.threads import resolve

from .dynapcnn_events import counts, in_order, run_core
from .integers import Array, blocks, dtype_of, empty, give_state, integer, integers, pair, take_state, whole_array
from .integrate import FIRES
from .mapping import LOWEST, STATE_BITS, Shape, layer_limits
from .neuron import TRACES, IntegerNeuron, Register
from .result import ChipResult, Counter

MODEL_BITS = 32
"""Bits of the membranes of the software model's stand-in: it is exact up to 24, so nothing it can do is lost."""
OVERFLOWS = ("none", "saturate", "wrap", "error")
MODES = ("steps", "events")
RESETS = ("subtract", "zero")


@dataclass(frozen=True, eq=False)
class Core:
    """A layer on a core: an integer convolution, its neurons, sum pooling. Arguments as of `conv_iaf`, checked."""

    weight: npt.NDArray[np.int64]
    bias: npt.NDArray[np.int64] | None
    v_threshold: int
    v_min: int | None
    stride: tuple[int, int]
    padding: tuple[int, int]
    pool: int
    fire: str
    reset: str
    overflow: str

    @classmethod
    def make(
        cls,
        weight: Any,
        bias: Any,
        *,
        v_threshold: Any,
        v_min: Any,
        stride: Any,
        padding: Any,
        pool: Any,
        fire: str,
        reset: str,
        overflow: str,
    ) -> Core:
        """Check every argument."""
        weight = integers("weight", weight)
        if weight.ndim != 4 or 0 in weight.shape[2:]:
            raise InvalidValueError(f"weight has shape {weight.shape}: must be (features, channels, kernel rows, kernel columns)")
        if bias is not None:
            bias = integers("bias", bias)
            if bias.shape != weight.shape[:1]:
                raise InvalidValueError(f"bias has shape {bias.shape}: must be {weight.shape[:1]}, one for each feature of weight")
        for name, value, accepted in (("fire", fire, FIRES), ("reset", reset, RESETS), ("overflow", overflow, OVERFLOWS)):
            choice(name, value, accepted)
        bits = MODEL_BITS if overflow == "none" else STATE_BITS
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        hint = f'a membrane has {bits} bits with overflow="{overflow}"; one value for the whole layer'
        return cls(
            weight,
            bias,
            integer("v_threshold", v_threshold, 1, high, hint),
            None if v_min is None else integer("v_min", v_min, low, high, hint),
            pair("stride", stride, 1),
            pair("padding", padding, 0),
            integer("pool", pool, 1),
            fire,
            reset,
            overflow,
        )

    @property
    def neuron(self) -> IntegerNeuron:
        """The neuron of the core."""
        none = self.overflow == "none"
        membrane = Register(bits=MODEL_BITS if none else STATE_BITS, overflow="error" if none else self.overflow)
        bias = 0 if self.bias is None else self.bias
        return IntegerNeuron(
            v_threshold=self.v_threshold, bias=bias, v_min=self.v_min, fire=self.fire, reset=self.reset, membrane=membrane
        )  # fmt: skip

    def output_map(self, rows: int, columns: int) -> tuple[int, int]:
        """Give the rows and columns of neurons for an input map."""
        kernel = self.weight.shape[2:]
        sizes = [n + 2 * p - k for n, p, k in zip((rows, columns), self.padding, kernel, strict=True)]
        if min(sizes) < 0:
            raise InvalidValueError(
                f"weight: the kernel {kernel[0]}x{kernel[1]} is larger than the map {rows}x{columns} with padding {self.padding}; "
                "use a smaller kernel or more padding"
            )
        return sizes[0] // self.stride[0] + 1, sizes[1] // self.stride[1] + 1

    def shape(self, name: str, rows: int, columns: int) -> Shape:
        """Describe the layer to the limits of the chip."""
        features, channels, *kernel = self.weight.shape

        def extremes(values: Array) -> tuple[int, int]:
            return int(values.min(initial=0)), int(values.max(initial=0))

        return Shape(
            name=name,
            channels=channels,
            input_map=(rows, columns),
            features=features,
            output_map=self.output_map(rows, columns),
            kernel=(kernel[0], kernel[1]),
            stride=self.stride,
            padding=self.padding,
            pools=(self.pool,),
            bias=self.bias is not None,
            weights=extremes(self.weight),
            biases=(0, 0) if self.bias is None else extremes(self.bias),
            v_threshold=self.v_threshold,
            v_min=LOWEST if self.v_min is None else self.v_min,
        )

    def run(self, x: Array, state: Any, recorded: tuple[str, ...], threads: int) -> ChipResult:
        """Run over whole numbers ``(T, [B,] C, H, W)``."""
        features, channels = self.weight.shape[:2]
        if x.ndim not in (4, 5) or x.shape[-3] != channels:
            raise InvalidValueError(
                f"x has shape {x.shape}: must be (T, {channels}, rows, columns), or (T, batch, {channels}, rows, columns)"
            )
        leading = x.shape[: x.ndim - 3]
        rows, columns = self.output_map(*x.shape[-2:])
        own = (*leading[1:], features, rows, columns)
        bits = MODEL_BITS if self.overflow == "none" else STATE_BITS
        kind = dtype_of(bits)
        spikes = empty("x", (leading[0], *own), kind)
        v = take_state(state, own, bits)
        out = spikes if self.pool == 1 else empty("x", (*leading, features, rows // self.pool, columns // self.pool), kind)
        traces = {name: empty("record", spikes.shape, kind) for name in recorded}
        table = self.neuron.table((features,))
        counter = Counter()
        if spikes.size:
            for cut, block in blocks("x", x):
                extent, synops = _rsnn.integer_layer(
                    f"{self.neuron.spec} watch={STATE_BITS}",
                    block.reshape(len(block), math.prod(leading[1:]), *x.shape[-3:]),
                    self.weight,
                    table,
                    v.reshape(-1),
                    spikes[cut],
                    None if out is spikes else out[cut],
                    [(name, trace[cut]) for name, trace in traces.items()],
                    stride=self.stride,
                    padding=self.padding,
                    pool=self.pool,
                    first_step=cut.start,
                    threads=threads,
                )
                counter.add(extent, synops)
        return ChipResult(spikes, out, give_state(v, kind), traces, counter.stats(spikes.size))

    def run_events(self, x: Array, state: Any, order: int | None) -> ChipResult:
        """Run over whole numbers ``(T, [B,] C, H, W)`` event by event."""
        features, channels = self.weight.shape[:2]
        if x.ndim not in (4, 5) or x.shape[-3] != channels:
            raise InvalidValueError(
                f"x has shape {x.shape}: must be (T, {channels}, rows, columns), or (T, batch, {channels}, rows, columns)"
            )
        leading, size = x.shape[: x.ndim - 3], (x.shape[-2], x.shape[-1])
        own = (features, *self.output_map(*size))
        pooled = (features, own[1] // self.pool, own[2] // self.pool)
        spikes = empty("x", (*leading, *own), np.dtype(np.int32))
        spikes.fill(0)
        v = take_state(state, (*leading[1:], *own), MODEL_BITS if self.overflow == "none" else STATE_BITS)
        out = spikes if self.pool == 1 else empty("x", (*leading, *pooled), np.dtype(np.int32))
        counter = Counter()
        for b in np.ndindex(leading[1:]):
            sample = np.zeros((leading[0], *x.shape[-3:]), np.int64)
            for cut, block in blocks("x", x[(slice(None), *b)]):
                sample[cut] = block
            fired = np.zeros((leading[0], *own), np.int32)
            sent = run_core(self, in_order(sample, None if order is None else order + sum(b)), size, v[b], fired, counter)
            spikes[(slice(None), *b)] = fired
            if out is not spikes:
                counts(sent, pooled, out[(slice(None), *b)])
        return ChipResult(spikes, out, give_state(v, spikes.dtype), {}, counter.stats(spikes.size))


def conv_iaf(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *,
    v_threshold: Any,
    v_min: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    pool: Any = 1,
    fire: str = "multi",
    reset: str = "subtract",
    state: State | npt.ArrayLike | None = None,
    record: Any = (),
    overflow: str = "none",
    strict: bool = False,
    mode: str = "steps",
    order: int | None = None,
    threads: int | None = None,
) -> ChipResult:
    """Run a convolutional layer of DynapCNN in time steps: convolution, neurons, sum pooling.

    One step, exact integers::

        u = v + conv2d(x, weight) + bias            cross-correlation; the bias at every step
        s = trunc(u / v_threshold) where u > 0      fire="single": [u >= v_threshold]
        v = u - s v_threshold                       reset="zero": 0 where s, else u
        v = max(v, v_min)
        out = sums of s over windows of pool x pool, trailing rows and columns dropped

    Parameters
    ----------
    x : array_like of integers, (T, C, H, W) or (T, B, C, H, W)
        Events per step. Any integer dtype, bool, or floats that hold whole numbers; any strides and byte order. Never modified.
    weight : array_like of integers, (O, C, kh, kw)
        Any 64-bit integers; the chip has 8 bits (`strict`).
    bias : array_like of integers, (O,), optional
    v_threshold : int
        At least 1, one for the layer.
    v_min : int, optional
        The membrane is kept from falling below, after spike and reset. None: no clip.
    stride, padding : int or pair of int
        For rows and columns.
    pool : int, default 1
        Side of the pooling windows.
    fire : {"multi", "single"}
    reset : {"subtract", "zero"}
    state : named tuple or array of int, optional
        To go on from: ``result.state``, or the membranes ``([B,] O, H', W')``. 0 by default. Never modified.
    record : name or tuple of names
        ``"v"`` (the membrane after the step) and ``"u"`` (before it fires).
    overflow : {"none", "saturate", "wrap", "error"}
        What happens to a membrane beyond 16 bits. ``"none"``: nothing, as in the software model; one beyond 32 bits is an error.
    strict : bool, default False
        Refuse what exceeds a published limit of a core.
    mode : {"steps", "events"}
        ``"events"``: one event after the other, as the chip works, and at most one spike of a neuron for each; a bias is added at the
        beginning of each step and fires nothing by itself. Not verified against silicon; see `rsnn.chip.dynapcnn_events` for what is
        defined there because it is not published. Records nothing; a sample may have 2**24 events.
    order : int, optional
        For ``mode="events"``: the seed of a random order of the events within each step (of each sample by itself). None: by row, column
        and channel.
    threads : int, optional
        At most so many; by default as `rsnn.set_num_threads` says. The result does not depend on it.

    Returns
    -------
    ChipResult
        ``spikes`` (T, [B,] O, H', W') before and ``out`` after pooling, int32; ``state``; ``traces``; ``stats`` with the SynOps, borders
        counted exactly, and the (step, neuron) beyond 16 bits.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted; the message says what is.

    Notes
    -----
    Verified against sinabs 3.1.3 with ``overflow="none"``: 24 layers, every membrane at every step, and 6 networks. Not verified against
    silicon; see the head of `rsnn.chip.dynapcnn` for what is not known.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> x = np.zeros((2, 1, 3, 3), np.int8)
    >>> x[0, 0, 1, 1] = 2
    >>> result = rsnn.chip.dynapcnn.conv_iaf(x, np.full((1, 1, 3, 3), 30), v_threshold=50, padding=1, record="v")
    >>> int(result.spikes.sum()), result.v[0, 0, 0].tolist(), result.stats.synops
    (9, [10, 10, 10], 18)
    """
    core = Core.make(
        weight,
        bias,
        v_threshold=v_threshold,
        v_min=v_min,
        stride=stride,
        padding=padding,
        pool=pool,
        fire=fire,
        reset=reset,
        overflow=overflow,
    )
    recorded, workers = names("record", record, TRACES), resolve(threads)
    array = whole_array("x", x)
    if flag("strict", strict) and array.ndim in (4, 5):
        _refuse_beyond_limits(core.shape("conv_iaf", *array.shape[-2:]))
    if _by_events(mode, order, recorded):
        return core.run_events(array, state, order)
    return core.run(array, state, recorded, workers)


def linear_iaf(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *,
    v_threshold: Any,
    v_min: Any = None,
    fire: str = "multi",
    reset: str = "subtract",
    state: State | npt.ArrayLike | None = None,
    record: Any = (),
    overflow: str = "none",
    strict: bool = False,
    mode: str = "steps",
    order: int | None = None,
    threads: int | None = None,
) -> ChipResult:
    """Run a linear layer of DynapCNN in time steps: as `conv_iaf`, with ``u = v + weight x + bias`` and no pooling.

    Parameters
    ----------
    x : array_like of integers, (T, n) or (T, B, n)
        Events per step.
    weight : array_like of integers, (O, n)
    bias : array_like of integers, (O,), optional
    v_threshold, v_min, fire, reset, record, overflow, strict, mode, order, threads
        As of `conv_iaf`.
    state : named tuple or array of int, optional
        To go on from: ``result.state``, or the membranes ``([B,] O)``.

    Returns
    -------
    ChipResult
        ``spikes`` (T, [B,] O), also as ``out``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted; the message says what is.

    Notes
    -----
    Verified against sinabs 3.1.3 with ``overflow="none"``: 8 layers of the golden data and the last layers of 6 networks. On the chip a
    linear layer is a convolution whose kernel covers its input map; `strict` takes x as a row of channels.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.chip.dynapcnn.linear_iaf([[1, 1], [1, 0]], [[60, 50]], v_threshold=100, record="v").v.tolist()
    [[10], [70]]
    """
    weights = integers("weight", weight)
    if weights.ndim != 2:
        raise InvalidValueError(f"weight has shape {weights.shape}: must be (outputs, inputs)")
    core = Core.make(
        weights[:, :, None, None],
        bias,
        v_threshold=v_threshold,
        v_min=v_min,
        stride=1,
        padding=0,
        pool=1,
        fire=fire,
        reset=reset,
        overflow=overflow,
    )
    recorded, workers = names("record", record, TRACES), resolve(threads)
    array = whole_array("x", x)
    if array.ndim not in (2, 3) or array.shape[-1] != weights.shape[1]:
        raise InvalidValueError(f"x has shape {array.shape}: must be (T, {weights.shape[1]}) or (T, batch, {weights.shape[1]})")
    if flag("strict", strict):
        _refuse_beyond_limits(core.shape("linear_iaf", 1, 1))
    own = (*array.shape[1:-1], len(weights))
    start = take_state(state, own, MODEL_BITS if overflow == "none" else STATE_BITS)
    events = _by_events(mode, order, recorded)
    maps, start = array[..., None, None], start.reshape(*own, 1, 1)
    result = core.run_events(maps, start, order) if events else core.run(maps, start, recorded, workers)
    spikes = result.spikes[..., 0, 0]
    traces = {name: trace[..., 0, 0] for name, trace in result.traces.items()}
    return ChipResult(spikes, spikes, give_state(result.state.v[..., 0, 0], spikes.dtype), traces, result.stats)


def _by_events(mode: str, order: Any, recorded: tuple[str, ...]) -> bool:
    events = choice("mode", mode, MODES) == "events"
    if order is not None and not events:
        raise InvalidValueError(f'order={order!r}: is for mode="events"; within a step the time-stepped model has no order')
    if order is not None:
        integer("order", order, 0)
    if events and recorded:
        raise InvalidValueError(f'record={recorded!r}: mode="events" records nothing; leave it out, or use mode="steps"')
    return events


def _refuse_beyond_limits(shape: Shape) -> None:
    wrong = [f"{row.what} {row.needed} (available: {row.available})" for row in layer_limits(shape) if not row.ok]
    if wrong:
        raise InvalidValueError(f"strict=True: the layer exceeds what a core has: {'; '.join(wrong)}; make it smaller, or leave strict out")

"""Run a neuron over numpy arrays."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _rsnn
from .arguments import array_of, count, did_you_mean, flag, is_tensor, names, shown
from .errors import AbsentError, InvalidTypeError, InvalidValueError
from .neurons import AnyNeuron, Kernel
from .state import State, make_state
from .threads import resolve

Array = npt.NDArray[Any]

BLOCK = 1 << 18
"""Elements of the blocks of time in which input that the engine cannot read as it lies is converted."""
ROWS = 1 << 20
"""Steps of neurons that the engine gets at once: it lists them before it starts, 16 bytes each, and cannot be interrupted there."""


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """What a run gives.

    Attributes
    ----------
    output : array like x
        What the neuron sends on: spikes, or the membrane of a neuron that does not spike.
    state : named tuple of arrays
        After the last step: pass it back in to go on.
    traces : dict of arrays like x
        What was recorded, by name; ``result.v`` is short for ``result.traces["v"]``.
    """

    output: Any
    state: State
    traces: dict[str, Any] = field(default_factory=dict)
    spiking: bool = True

    @property
    def spikes(self) -> Any:
        """The output of a neuron that spikes."""
        if not self.spiking:
            raise AbsentError("spikes: this neuron does not spike, it sends on its membrane; use .output")
        return self.output

    def __getattr__(self, name: str) -> Any:
        """Give a trace by its name."""
        held = self.__dict__  # not through attributes: pickle asks before there are any
        if name in held.get("traces", ()):
            return held["traces"][name]
        if name == "spikes":
            raise AbsentError("spikes: this neuron does not spike, it sends on its membrane; use .output")
        known = (*getattr(held.get("state"), "_fields", ()), "u")
        cure = (
            f"; to have it, run with record=({name!r},)"
            if name in known
            else did_you_mean(name, ("output", "spikes", "state", "traces", *known))
        )
        raise AbsentError(f"{name}: this result has output, spikes, state, traces{''.join(', ' + k for k in held.get('traces', ()))}{cure}")

    def __repr__(self) -> str:
        what = f"output: {self.output.dtype} {tuple(self.output.shape)}"
        if self.spiking and isinstance(self.output, np.ndarray):
            what += f", {self.output.sum(dtype=np.float64):.0f} spikes"
        traces = f"; traces: {', '.join(self.traces)}" if self.traces else ""
        return f"Result({what}; state: {', '.join(self.state._fields)}{traces})"


def simulate(
    neuron: Any,
    x: npt.ArrayLike,
    state: State | None = None,
    *,
    record: Any = (),
    threads: int | None = None,
    out: Array | None = None,
    steps: int | None = None,
    batch_first: bool = False,
) -> Any:
    """Run a neuron, or a network, over time.

    Parameters
    ----------
    neuron : LI, LIF, IAF, Neuron, or Network
    x : array_like, (T, ...)
        The input: time first, then batch and neurons as you like. float32 and float64 are computed in as they are; bool, integers
        and float16 become float32 (integers beyond 2**24 are rounded). Any strides and byte order; never copied as a whole. NaN and
        infinity are data: a NaN membrane never fires.
    state : named tuple of arrays (...), optional
        To go on from: ``result.state``, or ``neuron.init_state(shape)``, which is also the default. Never modified.
    record : name or tuple of names
        State fields (their value after each step) and ``"u"`` (the membrane before its reset) to keep for every step.
    threads : int, optional
        At most so many; by default as `set_num_threads` says. The result does not depend on it.
    out : array like x, optional
        Where the output goes: its dtype and shape, writeable, not overlapping x or state; any strides. It is undefined after an
        interruption.
    steps : int, optional
        For an input that is constant over time: x is then one step, ``(...)`` or a number, and T = steps.
    batch_first : bool, default False
        x is (B, T, ...); the output and the traces are too.

    Returns
    -------
    Result
        ``output``, ``spikes``, ``state``, ``traces``. (Of a `Network` its own result.)

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted; the message says what, and what is. Nothing has been computed then.
    KeyboardInterrupt
        Ctrl-C, within a fraction of a second; nothing of the caller's changed but `out`.

    Notes
    -----
    A step is written out in `rsnn.reference`; results equal it bit for bit on every processor, for any number of threads, and
    whether a sequence is run whole or in pieces.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> result = rsnn.simulate(rsnn.LIF(beta=0.5), np.full((4, 2), 0.75, np.float32), record="v")
    >>> result
    Result(output: float32 (4, 2), 4 spikes; state: v; traces: v)
    >>> result.v[:, 0].tolist()
    [0.75, 0.125, 0.8125, 0.15625]
    """
    if not isinstance(neuron, AnyNeuron):
        return _network(neuron, x, state, {"record": record, "threads": threads, "out": out, "steps": steps, "batch_first": batch_first})
    form, batch_first = neuron.stages, flag("batch_first", batch_first)
    kernel, workers = form.kernel(), resolve(threads)
    recorded = names("record", record, (*kernel.states, "u"), _why_absent(kernel))
    x, dtype = _input(x, steps, batch_first, form.shape)
    axis = int(batch_first)
    trailing = x.shape[:axis] + x.shape[axis + 1 :]
    table = form.table(dtype, x.shape[axis + 1 :])
    fields_in = form.init_state(trailing, dtype) if state is None else _state(state, kernel, trailing, dtype)
    if out is None:
        out = empty(x.shape, dtype)
    else:
        _check_out(out, x, dtype, dict(zip(kernel.states, fields_in, strict=True)))
    traces = {name: empty(x.shape, dtype) for name in recorded}
    layout = _Layout(x.shape, axis)
    current = np.stack([np.asarray(one, dtype).reshape(layout.outer, layout.inner) for one in fields_in])
    if x.size:
        _run(kernel.spec, x, table, current, out, traces, layout, workers)
    end = make_state(kernel.states, [one.reshape(trailing) for one in current])
    return Result(out, end, traces, kernel.spiking)


class _Layout:
    """The axes of the data as the engine sees them: sequences outside, then time, then neurons side by side."""

    def __init__(self, shape: tuple[int, ...], axis: int) -> None:
        self.outer = math.prod(shape[:axis])
        self.time = shape[axis]
        self.inner = math.prod(shape[axis + 1 :])
        self.axis = axis

    def blocks(self, elements: float) -> Iterator[tuple[slice, Iterator[slice]]]:
        """Cut into blocks that lie together in a contiguous array: sequences, and for them stretches of time.

        A block has about so many elements at most, and so few rows that the engine's list of them stays small.
        """
        steps = int(max(1, min(elements / self.inner, ROWS // (1 + self.inner // 1024))))
        together = 1 if self.axis == 0 else max(1, steps // self.time)
        stretch = self.time if together > 1 else steps
        for first in range(0, self.outer, together):
            sequences = slice(first, min(first + together, self.outer))
            yield sequences, (slice(t, min(t + stretch, self.time)) for t in range(0, self.time, stretch))

    def cut(self, array: Array, sequences: slice, stretch: slice) -> Array:
        return array[stretch] if self.axis == 0 else array[sequences, stretch]

    def seen(self, array: Array, sequences: slice, stretch: slice) -> Array:
        """See a contiguous block in three axes."""
        return array.reshape(sequences.stop - sequences.start, stretch.stop - stretch.start, self.inner)


def _run(spec: str, x: Array, table: Array, state: Array, out: Array, traces: dict[str, Array], layout: _Layout, threads: int) -> None:
    """Run block by block; what the engine cannot read or write as it lies goes through a buffer."""
    direct_x, direct_out = (_is_ready(array, table.dtype) for array in (x, out))
    for sequences, stretches in layout.blocks(math.inf if direct_x and direct_out else BLOCK):
        current = np.ascontiguousarray(state[:, sequences])
        for stretch in stretches:
            x_block, out_block, *recorded = (layout.cut(array, sequences, stretch) for array in (x, out, *traces.values()))
            source = x_block if direct_x else np.empty(x_block.shape, table.dtype)
            target = out_block if direct_out else np.empty(out_block.shape, table.dtype)
            if not direct_x:
                np.copyto(source, x_block, casting="unsafe")
            seen_x, seen_out, *seen = (layout.seen(array, sequences, stretch) for array in (source, target, *recorded))
            _rsnn.scan(spec, seen_x, table, current, seen_out, record=list(zip(traces, seen, strict=True)), threads=threads)
            if not direct_out:
                out_block[...] = target
        state[:, sequences] = current


def _is_ready(array: Array, dtype: np.dtype[Any]) -> bool:
    return array.dtype == dtype and array.dtype.isnative and array.flags.c_contiguous and array.flags.aligned


def data(x: Any) -> tuple[Array, np.dtype[Any]]:
    """Check that x is an array of numbers; give it, and the dtype to compute in."""
    if is_tensor(x):
        raise InvalidTypeError("x: a torch tensor; numpy arrays are accepted here: use rsnn.torch.Layer(neuron), or x.numpy()")
    array = array_of("x", x)
    kind = array.dtype
    if kind.kind not in "biuf" or kind.itemsize > 8:
        cure = "take its real part, or run both parts" if kind.kind == "c" else "convert it, for example x.astype(np.float32)"
        raise InvalidTypeError(
            f"x: {kind} came; accepted are float32, float64, and bool, integers and float16, which become float32; {cure}"
        )
    dtype = np.dtype(np.float64 if kind.kind == "f" and kind.itemsize == 8 else np.float32)
    return array, dtype


def _input(x: Any, steps: Any, batch_first: bool, parameters: tuple[int, ...]) -> tuple[Array, np.dtype[Any]]:
    """Check x; give it with its time axis, and the dtype to compute in."""
    array, dtype = data(x)
    if steps is not None:
        steps = count("steps", steps, 0)
        if batch_first and array.ndim == 0:
            raise InvalidValueError("x: a number has no batch; with steps= and batch_first=True give one step of shape (B, ...)")
        axis = int(batch_first)
        batch, own = array.shape[:axis], array.shape[axis:]
        try:
            # A number for neurons of different parameters is a constant input to all of them.
            wide = np.broadcast_shapes(own, parameters)
        except ValueError:
            wide = own  # refused, with the shapes, where the parameters meet the data
        spread = array.reshape(batch + (1,) * (1 + len(wide) - len(own)) + own)
        try:
            array = np.broadcast_to(spread, (*batch, steps, *wide))
        except (ValueError, OverflowError):
            raise InvalidValueError(f"steps={steps}: more than memory can hold; run in pieces, from state to state") from None
    elif array.ndim <= int(batch_first):
        axes = "(B, T, ...)" if batch_first else "(T, ...)"
        raise InvalidValueError(f"x has shape {array.shape}: must be {axes}; for an input that is constant over time give steps=")
    return array, dtype


def _state(state: Any, kernel: Kernel, shape: tuple[int, ...], dtype: np.dtype[Any]) -> list[Array]:
    came = getattr(state, "_fields", None)
    cure = f"give neuron.init_state({shape}, np.{dtype}), or the .state of an earlier result"
    if came is None:
        raise InvalidTypeError(f"state={shown(state)}: must be a named tuple with the fields {', '.join(kernel.states)}; {cure}")
    if tuple(came) != kernel.states:
        raise InvalidValueError(f"state has the fields {', '.join(came)}: this neuron has {', '.join(kernel.states)}; {cure}")
    arrays = []
    for name, value in zip(came, state, strict=True):
        array = array_of(f"state.{name}", value)
        if array.dtype.newbyteorder("=") != dtype:
            raise InvalidTypeError(f"state.{name}: {array.dtype} came, x is computed in {dtype}; {cure}")
        if array.shape != shape:
            raise InvalidValueError(f"state.{name} has shape {array.shape}: one step of x has {shape}; {cure}")
        arrays.append(array)
    return arrays


def _check_out(out: Any, x: Array, dtype: np.dtype[Any], state: dict[str, Array]) -> None:
    cure = f"give np.empty({x.shape}, np.{dtype}), or leave out= out"
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise InvalidTypeError(f"out={shown(out)}: must be a numpy array; {cure}")
    if out.dtype != dtype or not out.dtype.isnative:
        raise InvalidTypeError(f"out: {out.dtype} came, the output is {dtype}; {cure}")
    if out.shape != x.shape:
        raise InvalidValueError(f"out has shape {out.shape}: the output has {x.shape}; {cure}")
    if not out.flags.writeable:
        raise InvalidValueError(f"out: the array cannot be written; {cure}")
    if not out.flags.aligned:
        raise InvalidValueError(f"out: the array is not aligned to its dtype; {cure}")
    if _may_overlap_itself(out):
        raise InvalidValueError(f"out: elements of the array share memory (strides {out.strides}); {cure}")
    for name, other in (("x", x), *((f"state.{name}", one) for name, one in state.items())):
        if _overlap(out, other):
            raise InvalidValueError(f"out: shares memory with {name}, which would change while it is read; {cure}")


def _may_overlap_itself(array: Array) -> bool:
    reach = 0
    for stride, length in sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if stride < reach + array.itemsize:
            return True
        reach += stride * (length - 1)
    return False


def _overlap(a: Array, b: Array) -> bool:
    try:
        return np.shares_memory(a, b, max_work=10_000)  # type: ignore[arg-type]  # numpy's stubs know two of its values
    except np.exceptions.TooHardError:
        return True  # nobody can tell within reason: not worth the risk


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Allocate an uninitialised array on a 64-byte boundary: a misaligned one costs up to 15 % of the time."""
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


def _why_absent(kernel: Kernel) -> str:
    if "i" not in kernel.states:
        return "there is a synaptic current i with tau_syn= or alpha="
    return "" if "rest" in kernel.states else "there is a time left to rest with refractory="


def _network(network: Any, x: Any, state: Any, options: dict[str, Any]) -> Any:
    module = sys.modules.get(f"{__package__}.network")  # who has a network has imported it
    if module is None or not isinstance(network, module.Network):
        hint = f"; give an instance: rsnn.{network.__name__}(...)" if isinstance(network, type) and issubclass(network, AnyNeuron) else ""
        raise InvalidTypeError(f"neuron={shown(network)}: must be a neuron, such as rsnn.LIF(...), or a rsnn.Network{hint}")
    for name, default in (("out", None), ("steps", None), ("batch_first", False)):
        if options[name] is not default:
            raise InvalidValueError(f"{name}={shown(options[name])}: a network does not take it here; leave it out")
    return network.run(x, state, record=options["record"], threads=options["threads"])

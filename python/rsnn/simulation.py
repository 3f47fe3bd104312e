"""Run a neuron over numpy arrays."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _rsnn
from .arguments import array_of, count, did_you_mean, flag, is_tensor, names, shown
from .composed import AnyNeuron, Kernel
from .drawn import Drawn
from .errors import AbsentError, InvalidTypeError, InvalidValueError
from .hints import swapped_axes
from .layout import BLOCK, Layout
from .memory import empty
from .recurrent import Recurrent, acting, recurrence
from .spikes import Spikes, pack_block, words_for
from .state import State, make_state
from .threads import resolve

Array = npt.NDArray[Any]


@dataclass(frozen=True, repr=False, eq=False)
class Result(Drawn):
    """What a run gives.

    Attributes
    ----------
    output : array like x, or `Spikes`
        What the neuron sends on: spikes, or the membrane of a neuron that does not spike. Packed where that was asked for.
    state : named tuple of arrays
        After the last step: pass it back in to go on.
    traces : dict of arrays like x
        What was recorded, by name; ``result.v`` is short for ``result.traces["v"]``. The last axis has the neurons of record_index.
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
        packed = isinstance(self.output, Spikes)
        what = f"output: {'packed' if packed else self.output.dtype} {tuple(self.output.shape)}"
        if packed:
            what += f", {self.output.count()} spikes"
        elif self.spiking and isinstance(self.output, np.ndarray):
            what += f", {self.output.sum(dtype=np.float64):.0f} spikes"
        traces = f"; traces: {', '.join(self.traces)}" if self.traces else ""
        return f"Result({what}; state: {', '.join(self.state._fields)}{traces})"


def simulate(
    neuron: Any,
    x: npt.ArrayLike,
    state: State | None = None,
    *,
    record: Any = (),
    record_index: Any = None,
    threads: int | None = None,
    recurrent: Any = None,
    out: Array | None = None,
    packed: bool = False,
    steps: int | None = None,
    batch_first: bool = False,
) -> Any:
    """Run a neuron, or a network, over time.

    Parameters
    ----------
    neuron : LI, LIF, IAF, Neuron, Recurrent, or Network
    x : array_like, (T, ...), or `Spikes`
        The input: time first, then batch and neurons as you like. float32 and float64 are computed in as they are; bool, integers
        and float16 become float32 (integers beyond 2**24 are rounded). Any strides and byte order; never copied as a whole. NaN and
        infinity are data: a NaN membrane never fires.
    state : named tuple of arrays (...), optional
        To go on from: ``result.state``, or ``neuron.init_state(shape)``, which is also the default. Never modified.
    record : name or tuple of names
        What to keep for every step: state fields (their value after it), ``"u"`` (the membrane before its reset) and ``"spikes"`` (the
        output).
    record_index : int, slice, or array_like of int or bool, optional
        The neurons to record, by their index in the last axis, as in ``trace[..., record_index]`` (a number counts as a list of one);
        all by default. Nothing is kept of the others, and it costs nothing.
    threads : int, optional
        At most so many; by default as `set_num_threads` says. The result does not depend on it.
    recurrent : array_like (n, n) or (n,), or a pair (W, bias), optional
        Brings the last spikes back as an operand of its own, W @ s: see `Recurrent`, which may be given as the neuron instead.
        ``W[post, pre]``; n is the last axis of x. The state has a field more, ``s``.
    out : array like x, optional
        Where the output goes: its dtype and shape, writeable, not overlapping x or state; any strides. It is undefined after an
        interruption.
    packed : bool, default False
        Give the output as `Spikes`, one bit for each neuron and step. Of a neuron that fires several times in a step a count above 1
        is an error when it happens.
    steps : int, optional
        For an input that is constant over time: x is then one step, ``(...)`` or a number, and T = steps.
    batch_first : bool, default False
        x is (B, T, ...); the output and the traces are too. Packed spikes know it themselves: both must say the same.

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
    >>> rsnn.simulate(rsnn.LIF(beta=0.5), np.full((4, 2), 0.75), packed=True).spikes
    Spikes((4, 2), 4 spikes, density 0.5)
    """
    if not isinstance(neuron, (AnyNeuron, Recurrent)):
        given = {"record": record, "threads": threads, "record_index": record_index, "recurrent": recurrent, "out": out}
        return _network(neuron, x, state, given | {"packed": packed, "steps": steps, "batch_first": batch_first})
    form, batch_first, packed = neuron.stages, flag("batch_first", batch_first), flag("packed", packed)
    loop = _loop(neuron, recurrent)
    kernel = form.kernel() if loop is None else loop.kernel()
    workers = resolve(threads)
    recorded = names("record", record, (*kernel.states, "u", *(("spikes",) if kernel.spiking else ())), _why_absent(kernel))
    array, dtype = _input(x, steps, batch_first, form.shape)
    axis = int(batch_first)
    own = array.shape[axis + 1 :]
    trailing = array.shape[:axis] + own
    table = form.table(dtype, own)
    options = {"threads": workers, **acting(loop, kernel.spec, dtype, own)}
    rest = (neuron if loop is None else loop).init_state
    begin = rest(trailing, dtype) if state is None else _state(state, kernel, trailing, dtype, array.shape)
    chosen = None if record_index is None else _picked(record_index, own, recorded)
    kept, restore = (array.shape, None) if chosen is None else _pick(chosen, array.shape, axis, options)
    target = _target(out, packed, array, axis, dtype, kernel, begin)
    if packed:
        options["packed"] = loop is None and _sends_bits(kernel)
    traces = {name: empty(kept, dtype) for name in recorded if name != "spikes"}
    layout = Layout(array.shape, axis)
    current = empty((len(kernel.states), layout.outer, layout.inner), dtype)
    for k, one in enumerate(begin):
        current[k] = one.reshape(layout.outer, layout.inner)
    if array.size:
        _run(kernel.spec, array, table, current, target, traces, layout, options)
    end = make_state(kernel.states, [one.reshape(trailing) for one in current])
    if restore is not None:
        traces = {name: trace[..., restore] for name, trace in traces.items()}
    output = Spikes(target, array.shape, batch_first) if packed else target
    if "spikes" in recorded:
        traces = {name: traces[name] if name in traces else _spikes(output, chosen, layout, dtype) for name in recorded}
    return Result(output, end, traces, kernel.spiking)


def _target(out: Any, packed: bool, x: Any, axis: int, dtype: np.dtype[Any], kernel: Kernel, begin: Iterable[Array]) -> Array:
    """Give what the output is written into: words for packed spikes, the caller's array, or one of our own."""
    if packed:
        _check_packed(out, kernel)
        return words_for(x.shape, axis)
    if out is None:
        return empty(x.shape, dtype)
    _check_out(out, x, dtype, dict(zip(kernel.states, begin, strict=True)))
    given: Array = out
    return given


def _run(
    spec: str, x: Any, table: Array, state: Array, out: Array, traces: dict[str, Array], layout: Layout, options: dict[str, Any]
) -> None:
    """Run, block by block where that is many steps; what the engine cannot read or write as it lies goes through a buffer."""
    dtype = table.dtype
    unpacking, packing = isinstance(x, Spikes), out.dtype == np.uint64 and not options["packed"]
    direct_x = not unpacking and _is_ready(x, dtype)
    direct_out = not packing and (out.dtype == np.uint64 or _is_ready(out, dtype))
    if direct_x and direct_out and layout.is_one_block:
        seen_x, seen_out, *seen = (layout.whole(array) for array in (x, out, *traces.values()))
        _rsnn.scan(spec, seen_x, table, state, seen_out, record=list(zip(traces, seen, strict=True)), **options)
        return
    if packing:
        options = options | {"packed": False}
    for sequences, stretches in layout.blocks(math.inf if direct_x and direct_out else BLOCK):
        current = np.ascontiguousarray(state[:, sequences])
        for stretch in stretches:
            out_block, *recorded = (layout.cut(array, sequences, stretch) for array in (out, *traces.values()))
            size = layout.size(sequences, stretch)
            source = layout.cut(x, sequences, stretch) if direct_x else np.empty(size, dtype)
            target = out_block if direct_out else np.empty(size, dtype)
            if unpacking:
                x.unpack_block(source, layout, sequences, stretch)
            elif not direct_x:
                np.copyto(source, layout.cut(x, sequences, stretch), casting="unsafe")
            seen_x, seen_out, *seen = (layout.seen(array, sequences, stretch) for array in (source, target, *recorded))
            _rsnn.scan(spec, seen_x, table, current, seen_out, record=list(zip(traces, seen, strict=True)), **options)
            if packing:
                pack_block("packed=True: output", target, out, layout, sequences, stretch)
            elif not direct_out:
                out_block[...] = target
        state[:, sequences] = current


def _is_ready(array: Array, dtype: np.dtype[Any]) -> bool:
    return array.dtype == dtype and array.dtype.isnative and array.flags.c_contiguous and array.flags.aligned


def data(x: Any, name: str = "x") -> tuple[Any, np.dtype[Any]]:
    """Check that x, called `name`, is an array of numbers, or packed spikes; give it, and the dtype to compute in."""
    if isinstance(x, Spikes):
        return x, np.dtype(np.float32)
    if is_tensor(x):
        raise InvalidTypeError(f"{name}: a torch tensor; numpy arrays are accepted here: use rsnn.torch.Layer(neuron), or {name}.numpy()")
    array = array_of(name, x)
    kind = array.dtype
    if kind.kind not in "biuf" or kind.itemsize > 8:
        cure = "take its real part, or run both parts" if kind.kind == "c" else f"convert it, for example {name}.astype(np.float32)"
        raise InvalidTypeError(
            f"{name}: {kind} came; accepted are float32, float64, and bool, integers and float16, which become float32; {cure}"
        )
    dtype = np.dtype(np.float64 if kind.kind == "f" and kind.itemsize == 8 else np.float32)
    return array, dtype


def _input(x: Any, steps: Any, batch_first: bool, parameters: tuple[int, ...]) -> tuple[Any, np.dtype[Any]]:
    """Check x; give it with its time axis, and the dtype to compute in."""
    array, dtype = data(x)
    if isinstance(array, Spikes):
        if steps is not None:
            raise InvalidValueError(f"steps={shown(steps)}: packed spikes have a time axis of their own; leave steps= out")
        if array.batch_first != batch_first:
            raise InvalidValueError(
                f"batch_first={batch_first}: the packed spikes have batch_first={array.batch_first}; give the same here, "
                "or pack the other layout: rsnn.Spikes.pack(array, batch_first=...)"
            )
    elif steps is not None:
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


def _state(state: Any, kernel: Kernel, shape: tuple[int, ...], dtype: np.dtype[Any], x: tuple[int, ...]) -> Iterable[Array]:
    def cure() -> str:  # made when it is needed: a step of few neurons takes less time than its text
        recurrent = ", recurrent=True" if "s" in kernel.states else ""
        return f"give neuron.init_state({shape}, np.{dtype}{recurrent}), or the .state of an earlier result"

    came = getattr(state, "_fields", None)
    if came is None:
        raise InvalidTypeError(f"state={shown(state)}: must be a named tuple with the fields {', '.join(kernel.states)}; {cure()}")
    if tuple(came) != kernel.states:
        raise InvalidValueError(f"state has the fields {', '.join(came)}: this neuron has {', '.join(kernel.states)}; {cure()}")
    arrays = []
    for name, value in zip(came, state, strict=True):
        array = array_of(f"state.{name}", value)
        if array.dtype is not dtype and array.dtype.newbyteorder("=") != dtype:
            raise InvalidTypeError(f"state.{name}: {array.dtype} came, x is computed in {dtype}; {cure()}")
        if array.shape != shape:
            raise InvalidValueError(
                f"state.{name} has shape {array.shape}: one step of x has {shape}; {cure()}{swapped_axes(array.shape, shape, x)}"
            )
        arrays.append(array)
    return arrays


def _loop(neuron: Any, recurrent: Any) -> Recurrent | None:
    """Give the neuron in its recurrent form, or None for one that runs without."""
    if recurrent is None:
        return neuron if isinstance(neuron, Recurrent) else None
    if isinstance(neuron, Recurrent):
        raise InvalidValueError(f"recurrent={shown(recurrent)}: the neuron is a rsnn.Recurrent and has its weights; leave recurrent= out")
    return recurrence(neuron, recurrent)


def _pick(chosen: Array, shape: tuple[int, ...], axis: int, options: dict[str, Any]) -> tuple[tuple[int, ...], Any]:
    """Tell the engine which neurons to record, in ascending order; give a trace's shape, and how to order it as asked."""
    ascending, restore = np.unique(chosen, return_inverse=True)
    rows = np.arange(math.prod(shape[axis + 1 : -1]), dtype=np.uint64)[:, None]
    options["record_index"] = (rows * np.uint64(shape[-1]) + ascending).ravel()
    return (*shape[:-1], len(ascending)), None if np.array_equal(ascending, chosen) else restore


def _spikes(output: Any, chosen: Array | None, layout: Layout, dtype: np.dtype[Any]) -> Array:
    """Give the record of the output, which is there already."""
    if not isinstance(output, Spikes):
        return output if chosen is None else output[..., chosen]  # type: ignore[no-any-return]
    if chosen is None:
        return output.numpy(dtype)
    trace = np.empty((*layout.shape[:-1], len(chosen)), dtype)
    if output.size:
        for sequences, stretches in layout.blocks(BLOCK):
            for stretch in stretches:
                block = np.empty(layout.size(sequences, stretch), dtype)
                output.unpack_block(block, layout, sequences, stretch)
                layout.cut(trace, sequences, stretch)[...] = block[..., chosen]
    return trace


def _picked(index: Any, own: tuple[int, ...], recorded: tuple[str, ...]) -> npt.NDArray[np.uint64]:
    """Check record_index; give the numbers of the neurons in the last axis."""
    if not recorded:
        raise InvalidValueError(f"record_index={shown(index)}: nothing is recorded; give record= as well, or leave it out")
    if not own:
        raise InvalidValueError(f"record_index={shown(index)}: x has no axis of neurons; leave it out")
    n = own[-1]
    if isinstance(index, slice):
        try:
            return np.arange(n, dtype=np.uint64)[index]
        except TypeError:
            raise InvalidTypeError(f"record_index={index}: a slice takes integers") from None
        except ValueError:
            raise InvalidValueError(f"record_index={index}: a slice does not step by 0") from None
    array = np.atleast_1d(array_of("record_index", index))
    if array.dtype.kind not in "biu" and array.size:
        raise InvalidTypeError(f"record_index={shown(index)}: {array.dtype} came; give integers, a mask of bool, or a slice")
    if array.ndim != 1 or (array.dtype.kind == "b" and len(array) != n):
        raise InvalidValueError(
            f"record_index has shape {array.shape}: must be a list of neurons of the last axis, or a mask of its length, ({n},)"
        )
    if array.dtype.kind == "b":
        return np.flatnonzero(array).astype(np.uint64)
    outside = (array < -n) | (array >= n) if array.size else np.zeros(0, bool)
    if outside.any():
        raise InvalidValueError(f"record_index: {array[outside][0]} came; the last axis of x has {n} neurons, 0 to {n - 1}")
    return (array.astype(np.int64) % max(1, n)).astype(np.uint64)


def _check_packed(out: Any, kernel: Kernel) -> None:
    if not kernel.spiking:
        raise InvalidValueError("packed=True: this neuron does not spike, it sends on its membrane; leave packed= out")
    if out is not None:
        raise InvalidValueError("out: packed spikes are made anew; leave out= out, or packed=")


def _sends_bits(kernel: Kernel) -> bool:
    """Whether the engine can pack what the neuron sends on: never more than one spike, and not of a group."""
    words = kernel.spec.split(" ")
    return ("fire=single" in words or "fire=strict" in words) and not {"graded", "inhibition"} & set(words)


def _check_out(out: Any, x: Any, dtype: np.dtype[Any], state: dict[str, Array]) -> None:
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
    for name, other in (("x", x.words if isinstance(x, Spikes) else x), *((f"state.{name}", one) for name, one in state.items())):
        if _overlap(out, other):
            raise InvalidValueError(f"out: shares memory with {name}, which would change while it is read; {cure}")


def _may_overlap_itself(array: Array) -> bool:
    if not array.size:
        return False
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


def _why_absent(kernel: Kernel) -> str:
    if "i" not in kernel.states:
        return "there is a synaptic current i with tau_syn= or alpha="
    return "" if "rest" in kernel.states else "there is a time left to rest with refractory="


def _network(network: Any, x: Any, state: Any, options: dict[str, Any]) -> Any:
    module = sys.modules.get(f"{__package__}.network")  # who has a network has imported it
    if module is None or not isinstance(network, module.Network):
        hint = f"; give an instance: rsnn.{network.__name__}(...)" if isinstance(network, type) and issubclass(network, AnyNeuron) else ""
        raise InvalidTypeError(f"neuron={shown(network)}: must be a neuron, such as rsnn.LIF(...), or a rsnn.Network{hint}")
    defaults = {"record_index": None, "recurrent": None, "out": None, "packed": False, "steps": None, "batch_first": False}
    for name, default in defaults.items():
        if options[name] is not default:
            raise InvalidValueError(f"{name}={shown(options[name])}: a network does not take it here; leave it out")
    return network.run(x, state, record=options["record"], threads=options["threads"])

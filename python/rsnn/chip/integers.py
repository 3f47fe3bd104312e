"""Integers of a caller: checked, and laid out as the Rust core reads them.

Every integer dtype, bool, and floats that hold whole numbers are accepted, in any byte order and with any strides. What an integer
cannot hold (a fraction, NaN, infinity, more than 64 bits) is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import memory
from rsnn.arguments import array_of, is_tensor, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.state import State, make_state

Array = npt.NDArray[Any]

BLOCK = 1 << 18
"""Elements of the blocks of time in which input that the Rust core cannot read as it lies is converted."""

MOST_EVENTS = 1 << 24
"""Events of one sample that are laid out one after the other, which take some tens of bytes each on the way."""

_NATIVE: tuple[np.dtype[Any], ...] = tuple(np.dtype(kind) for kind in (np.int8, np.uint8, np.int16, np.int32, np.int64))
_WIDER: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(np.bool_): np.dtype(np.uint8),
    np.dtype(np.uint16): np.dtype(np.int32),
    np.dtype(np.uint32): np.dtype(np.int64),
}
_CURE = "round it yourself, for example np.rint({name}).astype(np.int64), or quantise the network with rsnn.chip.quantize"


def whole_array(name: str, value: Any) -> Array:
    """Check that this is an array of a dtype that can hold whole numbers; its values are checked where they are converted."""
    if is_tensor(value):
        raise InvalidTypeError(f"{name}: a torch tensor; numpy arrays of integers are accepted here: use {name}.numpy()")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InvalidValueError(f"{name}={value}: must fit 64 bits, signed")
    array = array_of(name, value)
    kind = array.dtype
    if kind.kind not in "biuf" or kind.itemsize > 8:
        cure = "; integers beyond 64 bits are not accepted" if kind.kind == "O" else ""
        raise InvalidTypeError(f"{name}: {kind} came; accepted are integers, bool, and floats that hold whole numbers{cure}")
    return array


def convert(name: str, array: Array, offset: int = 0) -> Array:
    """Give a whole array as one of the dtypes of the Rust core, C-contiguous; an error counts the first axis from `offset`."""
    kind = array.dtype.newbyteorder("=")
    if kind.kind == "f":
        wide = array.astype(np.float64)  # float16 could not be compared with the bounds
        bad = ~(np.isfinite(wide) & (wide == np.trunc(wide)) & (wide >= -(2.0**63)) & (wide < 2.0**63))
    elif kind == np.uint64:
        bad = array >= np.uint64(2**63)
    else:
        native: Array = np.require(array, _WIDER.get(kind, kind), ["C", "A"])
        return native
    if bad.any():
        at = tuple(int(k) for k in np.argwhere(bad)[0])
        value = array[at]
        at = (at[0] + offset, *at[1:]) if at else at
        place = f"{name}[{', '.join(map(str, at))}]" if at else name
        fault = "must fit 64 bits, signed" if np.isfinite(value) and value == np.trunc(value) else "is not a whole number"
        raise InvalidValueError(f"{place} = {value}: {fault}; {_CURE.format(name=name)}")
    return np.require(array, np.int64, ["C"])


def integers(name: str, value: Any) -> npt.NDArray[np.int64]:
    """Check and convert at once, to int64: for weights, parameters and states."""
    return convert(name, whole_array(name, value)).astype(np.int64)


def integer(name: str, value: Any, low: int = -(2**63), high: int = 2**63 - 1, hint: str = "") -> int:
    """Check a single integer within a closed range."""
    array = integers(name, value)
    if array.ndim:
        raise InvalidValueError(f"{name}={shown(value)}: must be a single integer{'; ' + hint if hint else ''}")
    number = int(array)
    if not low <= number <= high:
        accepted = f"at least {low}" if high == 2**63 - 1 else f"from {low} to {high}"
        raise InvalidValueError(f"{name}={number}: must be {accepted}{'; ' + hint if hint else ''}")
    return number


def pair(name: str, value: Any, low: int) -> tuple[int, int]:
    """Check an integer, or one for rows and one for columns."""
    array = integers(name, value)
    if array.shape not in ((), (2,)):
        raise InvalidValueError(f"{name}={shown(value)}: must be an integer, or two: for rows and for columns")
    first, second = (int(one) for one in np.broadcast_to(array, (2,)))
    if min(first, second) < low:
        raise InvalidValueError(f"{name}={shown(value)}: must be at least {low}")
    return first, second


def blocks(name: str, array: Array) -> Iterator[tuple[slice, Array]]:
    """Cut along time into pieces that the Rust core reads: one piece where it can read the array as it lies."""
    steps = len(array)
    if array.dtype in _NATIVE and array.dtype.isnative and array.flags.c_contiguous and array.flags.aligned:
        yield slice(0, steps), array
        return
    stretch = max(1, BLOCK // max(1, array[:1].size))
    for start in range(0, steps, stretch):
        cut = slice(start, min(start + stretch, steps))
        yield cut, convert(name, array[cut], start)


def take_states(state: Any, fields: tuple[str, ...], shape: tuple[int, ...], widths: dict[str, int]) -> npt.NDArray[np.int64]:
    """Check a state: a named tuple with these fields, or the one field itself; None: all 0. Gives a row for each field."""
    rows = empty("state", (len(fields), math.prod(shape)), np.dtype(np.int64))
    if state is None:
        rows.fill(0)
        return rows
    came = getattr(state, "_fields", None)
    if (came is None and len(fields) > 1) or (came is not None and tuple(came) != fields):
        found = f"has the fields {', '.join(came)}" if came is not None else f"is {shown(state)}"
        raise InvalidValueError(f"state {found}: an integer neuron has {', '.join(fields)}; give the .state of an earlier result")
    for row, name in zip(rows, fields, strict=True):
        value = integers(f"state.{name}", state if came is None else getattr(state, name))
        try:
            row[:] = np.broadcast_to(value, shape).reshape(-1)
        except ValueError:
            raise InvalidValueError(
                f"state.{name} has shape {value.shape}: one step has {shape}; give the .state of an earlier result"
            ) from None
        bits = widths[name]
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        if row.size and (row.min() < low or row.max() > high):
            what = "membrane" if name == "v" else "state"
            raise InvalidValueError(f"state.{name}: {int(row.min())} to {int(row.max())} came; the {what} has {bits} bits, {low} to {high}")
    return rows


def take_state(state: Any, shape: tuple[int, ...], bits: int) -> npt.NDArray[np.int64]:
    """Check a state of membranes alone; give them in the shape of one step."""
    v: npt.NDArray[np.int64] = take_states(state, ("v",), shape, {"v": bits})[0]
    return v.reshape(shape)


def often(name: str, counts: Array) -> npt.NDArray[np.int64]:
    """Give how often each event of a sample comes, checked to be as many as can be laid out one after the other."""
    total = float(counts.sum(dtype=np.float64))
    if total > MOST_EVENTS:
        raise InvalidValueError(
            f"{name}: {total:.4g} events come in one sample, and one after the other at most {MOST_EVENTS} are taken; give fewer steps at "
            "a time and go on from the state, or scale the counts down"
        )
    return counts.astype(np.int64)


def give_state(v: npt.NDArray[np.int64], kind: np.dtype[Any]) -> State:
    """Make the state that a result holds."""
    return make_state(("v",), (v.astype(kind),))


def dtype_of(bits: int) -> np.dtype[Any]:
    """Give the dtype of spikes and membranes of so many bits."""
    return np.dtype(np.int32 if bits <= 32 else np.int64)


def empty(name: str, shape: tuple[int, ...], kind: np.dtype[Any]) -> Array:
    """Allocate an array for a result."""
    try:
        return memory.empty(shape, kind)
    except (ValueError, OverflowError, MemoryError):
        size = math.prod(shape) * kind.itemsize
        raise InvalidValueError(f"{name}: the result would have shape {shape}, {size / 2**30:.1f} GiB, more than memory can hold") from None

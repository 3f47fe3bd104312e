"""Arguments that are hostile: of the wrong kind, enormous, oddly laid out, sharing memory; and the ones that were meant, altered."""

from __future__ import annotations

import inspect
import mmap
from pathlib import Path
from typing import Any

import numpy as np
from hostile import Rng, hostile, some

from fuzz import tensors
from fuzz.entries import Entry, Interface, copied

SIZES = (0, 1, -1, 7, 2**16, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64)
KINDS = ("?", "i1", "u2", "<i4", ">i4", "i8", "u8", "f2", "f4", "f8", ">f4", ">f8", "g", "F", "O", "U3", "M8[s]", "i4,f4")


def enormous(rng: Rng) -> Any:
    """Shapes whose product overflows, as shapes and as arrays that have them without the memory."""
    kind = rng.integers(4)
    if kind == 0:
        return tuple(int(some(rng, *SIZES)) for _ in range(rng.integers(1, 5)))
    if kind == 1:  # more elements than any memory holds, of one that is there
        return np.broadcast_to(np.asarray(1, some(rng, "f4", "i1", "f8", "i8")), some(rng, (2**59,), (2**30, 2**29), (2**20, 2, 2**38)))
    if kind == 2:  # no elements, along axes that are long
        return np.empty(some(rng, (0, 2**40), (2**40, 0), (2**31, 0, 2**20), (0, 3, 2**32), (2, 0)), some(rng, "f4", "i8"))
    return int(some(rng, *SIZES))


def odd(rng: Rng, array: np.ndarray[Any, Any]) -> Any:
    """The same numbers lying in memory another way: strided, backwards, unaligned, read-only, shared with a file."""
    kind = rng.integers(7)
    if kind == 0:
        array = array.copy()
        array.setflags(write=False)
    elif kind == 1:
        array = np.asfortranarray(array)
    elif kind == 2 and array.ndim:
        array = np.repeat(array, 2, axis=-1)[..., ::2]
    elif kind == 3 and array.ndim:
        array = array[::-1].copy()[::-1]
    elif kind == 4 and array.dtype != object:
        held = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        held[...] = array
        array = held
    elif kind == 5 and array.nbytes and array.dtype != object:
        shared = np.frombuffer(mmap.mmap(-1, array.nbytes), array.dtype).reshape(array.shape)
        shared[...] = array
        array = shared
    elif kind == 6 and array.ndim and len(array):
        array = np.broadcast_to(array[:1], array.shape)
    return array


def altered(rng: Rng, value: Any) -> Any:
    """What was meant, changed a little: another dtype, layout, shape, a number among the others, a word with a letter less."""
    if tensors.is_tensor(value):
        array = tensors.array(value)
        if array is not None and rng.random() >= 0.7:
            return tensors.of(altered(rng, array))
        try:
            return tensors.altered(rng, value)
        except (RuntimeError, TypeError):  # not every kind of tensor takes every change: none of shapes alone, none that is sparse
            return value
    if isinstance(value, np.ndarray) and value.size > 2**24:
        return value[..., None]
    if isinstance(value, np.ndarray):
        kind = rng.integers(6)
        if kind == 0:
            try:
                return value.astype(some(rng, *KINDS))
            except (ValueError, TypeError, OverflowError):
                return value
        if kind == 1:
            return odd(rng, value)
        if kind == 2:
            return value[..., None] if rng.random() < 0.5 else value[None]
        if kind == 3 and value.ndim:
            axis = int(rng.integers(value.ndim))
            return value[(slice(None),) * axis + (slice(int(rng.integers(value.shape[axis] + 1))),)]
        if value.size and value.dtype.kind in "biuf":
            changed = value.copy()
            with np.errstate(all="ignore"):
                at = rng.integers(value.size)
                changed.flat[at] = np.asarray(some(rng, 0, -1, 255, 2**31, 1e38, -1e300, np.nan, np.inf)).astype(value.dtype)
            return changed
        return value.T
    if isinstance(value, str):
        path = Path(value[:40].encode("ascii", "replace").decode().replace("\0", ""))
        return some(rng, value[:-1], value.upper(), value + "\0", value * 50, value.encode(errors="replace"), path, "\ud800")
    if isinstance(value, bool) or value is None:
        return some(rng, True, False, 0, 1, None)
    if isinstance(value, (int, float)):
        near = min(value, 1e300)
        return some(rng, -value, value + 1, near * 1e30, near * 0.5, np.float64(near), np.float32(near), [value] * 3, str(value))
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        parts = list(value)
        kind = rng.integers(4)
        if kind == 0 and parts:
            at = int(rng.integers(len(parts)))
            parts[at] = altered(rng, parts[at])
        elif kind == 1:
            parts = parts[:-1]
        elif kind == 2:
            parts = parts * 2
        return tuple(parts) if rng.random() < 0.5 else parts
    return value


def arguments(rng: Rng, interface: Interface, entry: Entry) -> tuple[Any, dict[str, Any]]:
    """The object and the arguments of one call: as in an example, if there is one, then changed in some places."""
    owner, given = some(rng, *entry.seen) if entry.seen else (None, {})
    names = list(dict.fromkeys([*entry.parameters, *([entry.rest] if entry.rest else []), *given]))
    given = {name: copied(value) if tensors.is_module(value) else value for name, value in given.items()}
    if entry.owner and (owner is None or rng.random() < 0.3):
        alike = interface.objects.get(entry.owner, ())
        owner = some(rng, *alike) if alike else owner
    owner = copied(owner) if tensors.is_module(owner) else owner
    for name in names:
        if name in entry.parameters and name not in given and entry.parameters[name].default is inspect.Parameter.empty:
            given[name] = drawn(rng, interface, name, None)
    for _ in range(rng.integers(0, 4) if names else 0):
        name = some(rng, *names)
        given[name] = drawn(rng, interface, name, given.get(name))
    if names and rng.random() < 0.15:
        share(rng, names, given)
    return owner, given


def drawn(rng: Rng, interface: Interface, name: str, value: Any) -> Any:
    """A value for an argument: altered, of the same name elsewhere, of any name, hostile or enormous."""
    kind = rng.integers(8)
    if tensors.is_module(value) and rng.random() < 0.7:
        return value
    if kind < 2 and value is not None:
        return altered(rng, value)
    if tensors.is_tensor(value) and rng.random() < 0.5:  # what is hostile as an array, as a tensor
        return tensors.of(enormous(rng) if kind == 5 else hostile(rng))
    if kind < 4 and interface.by_name.get(name):
        found = some(rng, *interface.by_name[name])
        return altered(rng, found) if rng.random() < 0.3 else copied(found) if tensors.is_module(found) else found
    if kind == 4 and interface.by_name:
        return some(rng, *interface.by_name[some(rng, *interface.by_name)])
    return enormous(rng) if kind == 5 else hostile(rng)


def share(rng: Rng, names: list[str], given: dict[str, Any]) -> None:
    """Let one argument be another one's memory, all of it or a part that overlaps."""
    arrays = [name for name, value in given.items() if isinstance(value, np.ndarray)]
    if not arrays:
        return
    array = given[some(rng, *arrays)]
    if rng.random() < 0.5 and array.ndim and len(array) and array.nbytes < 2**20 and array.dtype != object:
        both = np.concatenate([array, array[:1]])
        given[some(rng, *arrays)] = both[:-1]
        array = both[1:]
    given[some(rng, *names)] = array

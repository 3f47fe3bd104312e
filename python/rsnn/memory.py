"""Memory for results, used again: a loop that makes the same arrays over and over asks the system for none.

A large array that dies gives its pages back, and the next one asks for them anew, a page fault and 4096 zeros at a time; that can take
longer than the work. Results of rsnn of `SMALLEST` bytes and more therefore live in blocks which return here when the array, every view of
it and every tensor over it are gone, and wait for the next result of about that size. Blocks begin on a 64-byte boundary.

What waits is bounded: `set_limit` and the environment variable ``RSNN_MEMORY_LIMIT`` (bytes) say by how much, `held` says how much it
is now, `clear` gives it back. Threads may share it, and a forked child has its own copy.
"""

from __future__ import annotations

import math
import os
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _rsnn
from .arguments import count, shape_of, shown
from .errors import InvalidTypeError, InvalidValueError

__all__ = ["LIMIT", "SMALLEST", "clear", "empty", "get_limit", "held", "set_limit"]

Array = npt.NDArray[Any]

SMALLEST = 1 << 16
"""Bytes of the smallest array that lives in such a block."""
LIMIT = 1 << 29
"""Bytes that may wait, by default: half a GiB."""
VARIABLE = "RSNN_MEMORY_LIMIT"
LINE = 64


def _default() -> int:
    text = os.environ.get(VARIABLE, "").strip()
    if text and not text.isdecimal():
        raise InvalidValueError(
            f"{VARIABLE}={text!r}: must be a number of bytes, 0 to keep none; correct the environment variable or unset it"
        )
    return int(text or LIMIT)


_limit = _default()
_rsnn.limit_held_bytes(_limit)
_waiting: dict[int, list[tuple[Array, int]]] = {}
"""The blocks that wait, by their size, each with the address of its first whole line. There is no lock, which a thread could hold while the
process forks: a list and the count of bytes change in one native call."""


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Make an uninitialised array: a large one on a 64-byte boundary, in a block that is used again.

    Parameters
    ----------
    shape : tuple of int
    dtype : of numbers

    Returns
    -------
    ndarray
        Its own while it or anything made of it lives.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> array = rsnn.memory.empty((1000, 100), np.float32)
    >>> array.shape, array.ctypes.data % 64
    ((1000, 100), 0)
    """
    try:
        kind = np.dtype(dtype)
    except (TypeError, ValueError):
        raise InvalidTypeError(f"dtype={shown(dtype)}: must be a dtype of numbers") from None
    if kind.kind not in "biufc":  # the memory is not cleared: what is there is no object
        raise InvalidTypeError(f"dtype={kind}: must be a dtype of numbers")
    if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
        shape = shape_of("shape", shape)
    size = math.prod(shape) * kind.itemsize
    if not size:
        shape_of("shape", shape)
    if size > sys.maxsize // 2:
        raise MemoryError(f"an array of shape {shape} and {kind} takes {size} bytes: more than any memory has")
    if size < SMALLEST:
        return np.empty(shape, kind)
    size = _rounded(size)
    waiting = _waiting.setdefault(size, [])
    block = _rsnn.take_block(waiting, size)
    if block is None:
        raw = np.empty(size + LINE, np.uint8)
        block = raw, raw.ctypes.data + -raw.ctypes.data % LINE
    interface = {"version": 3, "shape": shape, "typestr": kind.str, "data": (block[1], False)}
    return np.asarray(_rsnn.Lease(interface, block, waiting, size))


def _rounded(size: int) -> int:
    """Round up to one of eight sizes between two powers of two, so that a block serves arrays of about its size."""
    step = 1 << max(0, size.bit_length() - 4)
    return -(-size // step) * step


def held() -> int:
    """Give the number of bytes that wait to be used again.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.memory.clear()
    >>> rsnn.memory.held()
    0
    """
    return _rsnn.held_bytes()


def clear() -> None:
    """Give everything that waits back to the system. Arrays that live are not touched.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.memory.clear()
    """
    for size, waiting in list(_waiting.items()):
        while _rsnn.take_block(waiting, size) is not None:
            pass


def get_limit() -> int:
    """Give the number of bytes that may wait.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.memory.get_limit() == rsnn.memory.LIMIT
    True
    """
    return _limit


def set_limit(limit: int | None) -> None:
    """Choose how many bytes may wait to be used again.

    Parameters
    ----------
    limit : int or None
        At least 0, which keeps nothing; None: back to the default (``RSNN_MEMORY_LIMIT``, else `LIMIT`).

    Raises
    ------
    InvalidTypeError, InvalidValueError
        limit is no integer, or negative.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.memory.set_limit(0)
    >>> rsnn.memory.set_limit(None)
    """
    global _limit
    _limit = _default() if limit is None else min(count("limit", limit, 0, "None for the default"), sys.maxsize)
    _rsnn.limit_held_bytes(_limit)
    if held() > _limit:
        clear()

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
from typing import Any

import numpy as np
import numpy.typing as npt

from .arguments import count
from .errors import InvalidValueError

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


_bound = [_default()]
_waiting: dict[int, list[tuple[Array, int]]] = {}
"""The blocks that wait, by their size, each with the address of its first whole line. Every access is one call that Python does not
interrupt: a lock could be held by the thread whose garbage collection calls `_Lease.__del__`, or by another one while the process forks."""


class _Lease:
    """What a numpy array names as the owner of its memory: when that is let go, the block comes back."""

    __slots__ = ("__array_interface__", "_block", "_size")

    def __init__(self, size: int, block: tuple[Array, int], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._size, self._block = size, block
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": dtype.str, "data": (block[1], False)}

    def __del__(self, waiting: Any = _waiting, bound: Any = _bound) -> None:  # bound here: at exit the module's names may be gone
        if self._size + sum(size * len(blocks) for size, blocks in list(waiting.items())) <= bound[0]:
            waiting[self._size].append(self._block)


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
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size < SMALLEST:
        return np.empty(shape, kind)
    size = _rounded(size)
    blocks = _waiting.setdefault(size, [])
    try:
        block = blocks.pop()
    except IndexError:
        raw = np.empty(size + LINE, np.uint8)
        block = raw, raw.ctypes.data + -raw.ctypes.data % LINE
    return np.asarray(_Lease(size, block, shape, kind))


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
    return sum(size * len(blocks) for size, blocks in list(_waiting.items()))


def clear() -> None:
    """Give everything that waits back to the system. Arrays that live are not touched.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.memory.clear()
    """
    for blocks in list(_waiting.values()):
        blocks.clear()


def get_limit() -> int:
    """Give the number of bytes that may wait.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.memory.get_limit() == rsnn.memory.LIMIT
    True
    """
    return _bound[0]


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
    _bound[0] = _default() if limit is None else count("limit", limit, 0, "None for the default")
    if held() > _bound[0]:
        clear()

"""How many threads a computation may use.

By default every core this process may run on, or the number in the environment variable ``RSNN_NUM_THREADS``. Results never depend
on it. Work too small to share stays on the caller's thread.
"""

from __future__ import annotations

import os
from typing import Any

from .arguments import count
from .errors import InvalidValueError

MOST = 256
"""More threads than this are never used."""
VARIABLE = "RSNN_NUM_THREADS"

_chosen: int | None = None


def set_num_threads(n: int | None) -> None:
    """Choose how many threads every later call may use.

    Parameters
    ----------
    n : int or None
        At least 1; None: back to the default (``RSNN_NUM_THREADS``, else every core this process may run on).

    Raises
    ------
    InvalidTypeError, InvalidValueError
        n is no integer, or below 1.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.set_num_threads(1)
    >>> rsnn.get_num_threads()
    1
    >>> rsnn.set_num_threads(None)
    """
    global _chosen
    _chosen = None if n is None else min(count("n", n, 1, "None for the default"), MOST)


def get_num_threads() -> int:
    """Give the number of threads that a call without ``threads=`` may use.

    Raises
    ------
    InvalidValueError
        ``RSNN_NUM_THREADS`` is set to something that is no positive integer.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.get_num_threads() >= 1
    True
    """
    if _chosen is not None:
        return _chosen
    text = os.environ.get(VARIABLE, "").strip()
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise InvalidValueError(f"{VARIABLE}={text!r}: must be an integer of at least 1; correct the environment variable or unset it")
        return min(int(text), MOST)
    return min(cores(), MOST)


def cores() -> int:
    """Give the number of cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resolve(threads: Any) -> int:
    """Check the argument ``threads`` of a call: None for the setting, else an integer of at least 1."""
    return get_num_threads() if threads is None else min(count("threads", threads, 1, "None for the default"), MOST)

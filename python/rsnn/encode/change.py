"""Spikes where a signal changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from rsnn import _rsnn
from rsnn.arguments import LARGEST, MOST_STEPS, flag, real, shown
from rsnn.errors import InvalidValueError
from rsnn.memory import empty
from rsnn.threads import resolve

from .given import Array, Given, as_rows, finite, given, packed_or_not, unpacked


def delta(
    x: Any,
    *,
    threshold: float = 0.1,
    padding: bool = False,
    off_spike: bool = False,
    packed: bool = False,
    threads: int | None = None,
) -> Any:
    """Fire where the input rises by a threshold from one step to the next: snnTorch's ``spikegen.delta``.

    With ``d[t] = x[t] - x[t-1]``::

        s[t] = [d[t] >= threshold]                              off_spike=False
        s[t] = [d[t] >= threshold] - [d[t] <= -threshold]       off_spike=True

    Parameters
    ----------
    x : array_like or tensor (T, ...)
        NaN never fires.
    threshold : float, default 0.1
        Not negative.
    padding : bool, default False
        What comes before the first step: x[0], so that it never fires, or 0.
    off_spike : bool, default False
        Fire -1 where the input falls.
    packed : bool, default False
        Give `rsnn.Spikes`, one bit each. Not of a tensor, nor with `off_spike`.
    threads : int, optional
        At most so many; by default as `rsnn.set_num_threads` says.

    Returns
    -------
    array, Spikes or tensor (T, ...)
        0, 1 and -1, of the dtype of x.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument that is not accepted.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.encode.delta([1.0, 2.0, 0.0, 2.0, 2.9], threshold=1.0, off_spike=True).tolist()
    [1.0, 1.0, -1.0, 1.0, 0.0]
    """
    came = given("x", x, 1, "(T, ...)")
    packed, padding, off_spike = unpacked(came, packed), flag("padding", padding), flag("off_spike", off_spike)
    if packed and off_spike:
        raise InvalidValueError("packed=True: a packed spike is one bit, 0 or 1; leave off_spike out, or packed")
    level = real("threshold", threshold)
    if not isinstance(level, float) or not 0 <= level <= LARGEST:
        raise InvalidValueError(f"threshold={shown(threshold)}: must be a single number of at least 0")
    out = empty(came.array.shape, came.dtype)
    rows, workers = as_rows(came.array), resolve(threads)
    _rsnn.encode_delta(rows, as_rows(out), threshold=level, padding=padding, off_spike=off_spike, threads=workers)
    return packed_or_not(came, out, packed)


def up_down(x: Any, *, thr_up: Any = 0.001, thr_down: Any = 0.001) -> Any:
    """Follow a signal in whole thresholds, spikes up and spikes down: rockpool's ``UpDownTorch``.

    With a level ``a`` that starts at x[0], ``d = x[t] - a``::

        up = max(floor(d / thr_up), 0);   down = max(floor(d / -thr_down), 0)
        a  = (a + up thr_up) - down thr_down

    Parameters
    ----------
    x : array_like or tensor (T, ..., n)
        Finite.
    thr_up, thr_down : float or array_like (n,), default 0.001
        Positive; for all channels or for each.

    Returns
    -------
    array or tensor (T, ..., 2 n)
        Counts, of the dtype of x: channel 2 k has the steps up, 2 k + 1 those down of channel k. No gradient flows.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        NaN or infinity in x, thresholds so small that counts are no longer exact, or another argument that is not accepted.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.encode.up_down([[0.0], [0.4], [1.2], [-1.0]], thr_up=0.5, thr_down=1.0).tolist()
    [[0.0, 0.0], [0.0, 0.0], [2.0, 0.0], [0.0, 2.0]]
    """
    came = given("x", x, 2, "(T, ..., n); give one channel as x[:, None]")
    finite(came)
    array = came.array
    n = array.shape[-1]
    thresholds = [_threshold(name, value, came) for name, value in (("thr_up", thr_up), ("thr_down", thr_down))]
    if array.size:
        with np.errstate(over="ignore"):
            most = float((array.max() - array.min()) / min(one.min() for one in thresholds))
        if most > MOST_STEPS:
            raise InvalidValueError(
                f"x: it spans {most:.3g} thresholds, and counts are exact up to {MOST_STEPS}; give larger thr_up and thr_down, or scale x"
            )
    rows = as_rows(array)
    up, down = (np.ascontiguousarray(np.broadcast_to(one, array.shape[1:]).reshape(-1)) for one in thresholds)
    reached = rows[0].copy() if len(rows) else np.zeros(rows.shape[1], came.dtype)
    out = empty((*rows.shape, 2), came.dtype)
    _rsnn.encode_up_down(rows, up, down, reached, out)
    return came.back(out.reshape(*array.shape[:-1], 2 * n))


def _threshold(name: str, value: Any, x: Given) -> Array:
    numbers = np.asarray(real(name, value))
    n = x.array.shape[-1]
    if numbers.shape not in ((), (n,)):
        raise InvalidValueError(f"{name} has shape {numbers.shape}: must be a number or one for each of {n} channels, ({n},)")
    with np.errstate(over="ignore"):
        rounded = numbers.astype(x.dtype)
    if not (rounded > 0).all() or not np.isfinite(rounded).all():
        raise InvalidValueError(f"{name}={shown(value)}: must be positive, also in {x.dtype}")
    return rounded

"""The first spike of every neuron."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rsnn import _rsnn
from rsnn.arguments import MOST_STEPS, flag
from rsnn.errors import InvalidValueError
from rsnn.memory import empty
from rsnn.spikes import Spikes
from rsnn.threads import resolve

from .given import Array, as_rows, given, packed_or_not, time_first, unpacked


def spike_latency(spikes: Any, *, packed: bool = False, threads: int | None = None) -> Any:
    """Keep the first spike of every neuron and remove all others: Norse's ``spike_latency_encode``.

    ``y[t] = x[t]`` where x was 0 in every step before t, else 0.

    Parameters
    ----------
    spikes : array_like, Spikes or tensor (T, ...)
        What is not 0 is a spike.
    packed : bool, default False
        Give `rsnn.Spikes`, one bit each; the first spikes must be 1 then. Not of a tensor.
    threads : int, optional
        At most so many; by default as `rsnn.set_num_threads` says.

    Returns
    -------
    array, Spikes or tensor (T, ...)
        Like the input; packed spikes become float32 unless `packed` says otherwise. The gradient flows to what was kept.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument that is not accepted.

    Notes
    -----
    R. Van Rullen, S. J. Thorpe: Rate coding versus temporal order coding (Neural Computation 13, 2001).

    Examples
    --------
    >>> import rsnn
    >>> rsnn.encode.spike_latency([[0, 1, 1], [1, 1, 1]]).tolist()
    [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
    """
    if isinstance(spikes, Spikes):
        flag("packed", packed)
        first = Spikes.from_events(*_first_events(spikes, threads), spikes.shape) if spikes.size else spikes
        return first if packed else first.numpy()
    x = given("spikes", spikes, 1, "(T, ...)")
    packed = unpacked(x, packed)
    at = first_times(x.array, 1, threads)[0]
    mask = np.zeros(x.array.shape, bool)
    if mask.size:
        np.put_along_axis(mask, np.where(np.isfinite(at), at, 0).astype(np.intp)[None], np.isfinite(at)[None], 0)
    if x.tensor is None or not x.tensor.requires_grad:
        return packed_or_not(x, np.where(mask, x.array, x.dtype.type(0)), packed)
    import torch

    return torch.where(torch.from_numpy(mask).to(x.tensor.device), x.tensor, 0)


def first_times(spikes: Array | Spikes, number: int, threads: Any = None) -> Array:
    """Give the steps of the first `number` spikes of every neuron, (number, ...), infinity where there are no more."""
    workers = resolve(threads)
    own, dtype = spikes.shape[1:], np.dtype(np.float64) if isinstance(spikes, Spikes) else spikes.dtype
    if len(spikes) > MOST_STEPS and dtype == np.float32:
        raise InvalidValueError(f"spikes: {len(spikes)} steps came; float32 counts to {MOST_STEPS}, give float64 or packed spikes")
    found = empty((math.prod(own), number), dtype)
    if isinstance(spikes, Spikes):
        words = np.ascontiguousarray(time_first("spikes", spikes).words)
        _rsnn.decode_times(words, found, packed=True, threads=workers)
    else:
        _rsnn.decode_times(as_rows(spikes), found, threads=workers)
    return np.ascontiguousarray(found.T).reshape(number, *own)


def _first_events(spikes: Spikes, threads: Any) -> tuple[Array, Any]:
    """Give the first event of every neuron that fires: the step, and the index in every axis besides time."""
    at = first_times(spikes, 1, threads)[0]
    fired = np.isfinite(at)
    return at[fired].reshape(-1).astype(np.int64), np.nonzero(fired) if at.ndim else ()

"""What turns numbers into spikes by chance and by change, and spikes into times, step by step: twins of the native kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["bernoulli", "delta", "philox4x32", "spike_times", "up_down", "words"]

Array = npt.NDArray[Any]

ROUNDS = 10
MULTIPLIER = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
MASK = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def philox4x32(counter: npt.ArrayLike, key: npt.ArrayLike) -> npt.NDArray[np.uint32]:
    """Make four random words of each counter: Philox4x32-10.

    Parameters
    ----------
    counter : array_like of int (4, ...)
        Words of 32 bits.
    key : array_like of int (2,)
        Words of 32 bits.

    Returns
    -------
    array of uint32 (4, ...)

    Notes
    -----
    J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC11, 2011),
    https://doi.org/10.1145/2063384.2063405.

    Examples
    --------
    >>> from rsnn.reference import coding
    >>> [hex(word) for word in coding.philox4x32([0, 0, 0, 0], [0, 0])]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = np.asarray(counter, np.uint64)
    k0, k1 = (np.uint64(word) for word in np.asarray(key, np.uint64))
    for _ in range(ROUNDS):
        product_0, product_1 = c0 * np.uint64(MULTIPLIER[0]), c2 * np.uint64(MULTIPLIER[1])
        c0, c1, c2, c3 = (product_1 >> HALF) ^ c1 ^ k0, product_1 & MASK, (product_0 >> HALF) ^ c3 ^ k1, product_0 & MASK
        k0, k1 = (k0 + np.uint64(WEYL[0])) & MASK, (k1 + np.uint64(WEYL[1])) & MASK
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


def words(key: int, steps: int, n: int) -> npt.NDArray[np.uint32]:
    """Make the random words of n neurons over time.

    Neuron i has word ``(i % 64) // 16`` of the counter ``(16 (i // 64) + i % 16, step)``, each of the two in 64 bits, the low word
    first: a function of the key, the step and the neuron alone.

    Parameters
    ----------
    key : int of 64 bits
    steps, n : int

    Returns
    -------
    array of uint32 (steps, n)

    Examples
    --------
    >>> from rsnn.reference import coding
    >>> bool((coding.words(7, 3, 100)[:, :70] == coding.words(7, 5, 70)[:3]).all())
    True
    """
    neuron = np.arange(n, dtype=np.uint64)
    block = np.uint64(16) * (neuron // np.uint64(64)) + neuron % np.uint64(16)
    block, step = np.broadcast_arrays(block, np.arange(steps, dtype=np.uint64)[:, None])
    made = philox4x32(np.stack([block & MASK, block >> HALF, step & MASK, step >> HALF]), [key & 0xFFFFFFFF, key >> 32])
    which = (neuron % np.uint64(64) // np.uint64(16)).astype(np.intp)
    found: npt.NDArray[np.uint32] = np.take_along_axis(made, np.broadcast_to(which, (1, steps, n)), 0)[0]
    return found


def bernoulli(probability: Array, steps: int, key: int) -> Array:
    """Fire by chance: ``s[t, i] = sign(p)`` where ``words[t, i] < |p| 2^32``, else 0.

    Parameters
    ----------
    probability : array (n,), or (steps, n) where it changes over time
        What is above 1 counts as 1; NaN never fires.
    steps : int
    key : int of 64 bits

    Returns
    -------
    array (steps, n)
        Of the dtype of `probability`.

    Examples
    --------
    >>> import numpy as np
    >>> from rsnn.reference import coding
    >>> coding.bernoulli(np.array([0.0, 1.0, -1.0]), 2, key=1).tolist()
    [[0.0, 1.0, -1.0], [0.0, 1.0, -1.0]]
    """
    fires = words(key, steps, probability.shape[-1]).astype(np.float64) < np.abs(probability.astype(np.float64)) * 2.0**32
    return np.where(fires, np.where(probability < 0, -1.0, 1.0), 0.0).astype(probability.dtype)


def delta(x: Array, threshold: float, padding: bool, off_spike: bool) -> Array:
    """Fire where a signal changes from step to step; `rsnn.encode.delta` has the equation.

    Parameters
    ----------
    x : array (T, n)
    threshold, padding, off_spike
        As of `rsnn.encode.delta`.

    Returns
    -------
    array (T, n)

    Examples
    --------
    >>> import numpy as np
    >>> from rsnn.reference import coding
    >>> coding.delta(np.array([[1.0], [2.0], [0.0]]), 1.0, True, True).tolist()
    [[0.0], [1.0], [-1.0]]
    """
    level, out = x.dtype.type(threshold), np.zeros_like(x)
    for t in range(len(x)):
        before = x[t - 1] if t else (x[0] if padding else np.zeros_like(x[0]))
        d = x[t] - before
        out[t] = d >= level
        if off_spike:
            out[t] -= d <= -level
    return out


def up_down(x: Array, thr_up: Array, thr_down: Array) -> Array:
    """Count the thresholds that a signal went up and down; `rsnn.encode.up_down` has the equation.

    Parameters
    ----------
    x : array (T, n)
    thr_up, thr_down : array (n,)

    Returns
    -------
    array (T, n, 2)

    Examples
    --------
    >>> import numpy as np
    >>> from rsnn.reference import coding
    >>> coding.up_down(np.array([[0.0], [1.25], [0.0]]), np.array([0.5]), np.array([1.0])).tolist()
    [[[0.0, 0.0]], [[2.0, 0.0]], [[0.0, 1.0]]]
    """
    out = np.zeros((*x.shape, 2), x.dtype)
    reached = x[0].copy() if len(x) else None
    for t in range(len(x)):
        d = x[t] - reached
        up, down = np.maximum(np.floor(d / thr_up), 0), np.maximum(np.floor(d / -thr_down), 0)
        out[t, :, 0], out[t, :, 1] = up, down
        reached = (reached + up * thr_up) - down * thr_down
    return out


def spike_times(spikes: Array, count: int) -> Array:
    """Give the steps of the first spikes of every neuron; what is not 0 is a spike.

    Parameters
    ----------
    spikes : array (T, n)
    count : int

    Returns
    -------
    array (count, n)
        Ascending; infinity where there are no more. Of the dtype of `spikes`.

    Examples
    --------
    >>> import numpy as np
    >>> from rsnn.reference import coding
    >>> coding.spike_times(np.array([[0.0, 1.0], [1.0, 1.0]]), 2).tolist()
    [[1.0, 0.0], [inf, 1.0]]
    """
    out = np.full((count, spikes.shape[1]), np.inf, spikes.dtype)
    for i in range(spikes.shape[1]):
        at = np.flatnonzero(spikes[:, i])[:count]
        out[: len(at), i] = at
    return out

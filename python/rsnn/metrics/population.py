"""How far neurons go together."""

from __future__ import annotations

from typing import Any

import numpy as np

from rsnn.arguments import count
from rsnn.errors import InvalidValueError

from ._trains import Array, trains


def synchrony(x: Any, *, window: int = 1, batch_first: bool = False) -> Array:
    """Give the synchrony of a population: 1 where all neurons do the same, about 1 / sqrt(N) where each is on its own.

    ``chi = sqrt(Var_t[mean over n of x] / mean over n of Var_t[x[n]])``

    Parameters
    ----------
    x : array_like (T, ..., N), `rsnn.Spikes`, tensor, or result, as of `firing_rate`
        Spikes or membranes of N neurons, the last axis.
    window : int, default 1
        Steps that are added up before, T // window times (a rest is left out): spikes within a window are together.
    batch_first : bool, default False
        x is (B, T, ..., N).

    Returns
    -------
    array of float64 (...)
        One for each sample; NaN where nothing changes.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No finite numbers, fewer than two axes, or a window longer than x.

    Notes
    -----
    Golomb and Rinzel, "Clustering in globally coupled inhibitory neurons", Physica D 1994; Golomb, "Neuronal synchrony measures",
    Scholarpedia 2007.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.metrics.synchrony([[1, 1], [0, 0], [1, 1]]).tolist(), rsnn.metrics.synchrony([[1, 0], [0, 1], [1, 0]]).tolist()
    (1.0, 0.0)
    """
    array, steps = trains("x", x, batch_first, 2), count("window", window, 1)
    if array.ndim < 2 or not array.shape[-1]:
        raise InvalidValueError(f"x has shape {array.shape}: must have an axis of neurons, the last one, after time")
    bins = len(array) // steps
    if not bins:
        raise InvalidValueError(f"window={steps}: x has {len(array)} steps; give a window of at most so many")
    summed = array[: bins * steps].reshape(bins, steps, *array.shape[1:]).sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        chi: Array = np.asarray(np.sqrt(summed.mean(axis=-1).var(axis=0) / summed.var(axis=0).mean(axis=-1)))
    return chi

"""How often neurons fire."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._trains import Array, positive, trains


def firing_rate(spikes: Any, *, dt: float = 1.0, batch_first: bool = False) -> Array:
    """Give the rate of each neuron: its spikes in the unit of dt.

    ``rate[...] = sum over t of spikes[t, ...] / (T dt)``

    Parameters
    ----------
    spikes : array_like (T, ...), `rsnn.Spikes`, tensor, or a result of `rsnn.simulate` or `rsnn.Network.run`
        Of a network the output of its last layer; ``result.spikes[k]`` has those of the others.
    dt : float, default 1.0
        The length of a step: with 0.001, in seconds, the rate is in hertz.
    batch_first : bool, default False
        Spikes are (B, T, ...).

    Returns
    -------
    array of float64 (...)
        One rate for each neuron of each sample; ``.mean()`` is that of the population.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No finite numbers, no step, or a dt that is not positive.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.metrics.firing_rate([[0, 1], [1, 1], [0, 1], [0, 1]]).tolist()
    [0.25, 1.0]
    """
    array, step = trains("spikes", spikes, batch_first), positive("dt", dt)
    rate: Array = np.asarray(array.sum(axis=0, dtype=np.float64) / (len(array) * step))
    return rate

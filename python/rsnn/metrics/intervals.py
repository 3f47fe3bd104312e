"""How regularly neurons fire: the intervals between spikes, and how they vary."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._trains import Array, positive, spike_times, trains

Float64Array = npt.NDArray[np.float64]


class Intervals(NamedTuple):
    """Intervals between spikes, train after train."""

    intervals: Float64Array
    """(n,), in the unit of dt."""
    trains: npt.NDArray[np.int64]
    """(n,): the train of each, counted in memory order over all axes but time."""


def isi(spikes: Any, *, dt: float = 1.0, batch_first: bool = False) -> Intervals:
    """Give the intervals between each neuron's spikes.

    Parameters
    ----------
    spikes : array_like (T, ...), `rsnn.Spikes`, tensor, or result, as of `firing_rate`
        A step counts as one spike where it is not 0.
    dt : float, default 1.0
        The length of a step.
    batch_first : bool, default False

    Returns
    -------
    Intervals
        ``intervals`` (n,) and ``trains`` (n,), the train of each; ``np.unravel_index(trains, shape)`` gives its place.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `firing_rate`.

    Examples
    --------
    >>> import rsnn
    >>> intervals, trains = rsnn.metrics.isi([[1, 0], [0, 1], [0, 1], [1, 0], [1, 1]])
    >>> intervals.tolist(), trains.tolist()
    ([3.0, 1.0, 1.0, 2.0], [0, 0, 1, 1])
    """
    return _intervals(trains("spikes", spikes, batch_first), positive("dt", dt))


def cv_isi(spikes: Any, *, batch_first: bool = False) -> Array:
    """Give the coefficient of variation of each neuron's intervals: 0 of a clock, 1 of a Poisson process.

    ``CV = standard deviation of I / mean of I``

    Parameters
    ----------
    spikes : array_like (T, ...), `rsnn.Spikes`, tensor, or result, as of `firing_rate`
        A step counts as one spike where it is not 0.
    batch_first : bool, default False

    Returns
    -------
    array of float64 (...)
        NaN of a neuron with fewer than two intervals.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `firing_rate`.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.metrics.cv_isi([[1, 1], [1, 0], [0, 1], [0, 0], [1, 1]]).tolist()
    [0.5, 0.0]
    """
    array = trains("spikes", spikes, batch_first)
    own = array.shape[1:]
    size = int(np.prod(own))
    interval, train = _intervals(array, 1.0)
    number = np.bincount(train, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(train, interval, size) / number
        variance = np.bincount(train, (interval - mean[train]) ** 2, size) / number
        cv: Array = np.where(number > 1, np.sqrt(variance) / mean, np.nan)
    return cv.reshape(own)


def local_variation(spikes: Any, *, batch_first: bool = False) -> Array:
    """Give the local variation of each neuron's intervals, which slow changes of its rate leave alone.

    ``LV = 3 / (n - 1) * sum over i of ((I[i] - I[i+1]) / (I[i] + I[i+1]))^2`` for n intervals: 0 of a clock, 1 of a Poisson process.

    Parameters
    ----------
    spikes : array_like (T, ...), `rsnn.Spikes`, tensor, or result, as of `firing_rate`
        A step counts as one spike where it is not 0.
    batch_first : bool, default False

    Returns
    -------
    array of float64 (...)
        NaN of a neuron with fewer than two intervals.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `firing_rate`.

    Notes
    -----
    Shinomoto, Shima and Tanji, "Differences in spiking patterns among cortical neurons", Neural Computation 2003.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.metrics.local_variation([1, 1, 0, 0, 1]).tolist()
    0.75
    """
    array = trains("spikes", spikes, batch_first)
    own = array.shape[1:]
    size = int(np.prod(own))
    interval, train = _intervals(array, 1.0)
    together = train[1:] == train[:-1]
    ratio = ((interval[1:] - interval[:-1]) / (interval[1:] + interval[:-1]))[together] ** 2
    pairs = np.bincount(train[1:][together], minlength=size)
    with np.errstate(invalid="ignore"):
        lv: Array = 3.0 * np.bincount(train[1:][together], ratio, size) / pairs
    return lv.reshape(own)


def _intervals(array: Array, dt: float) -> Intervals:
    train, step = spike_times(array)
    together = train[1:] == train[:-1]
    return Intervals(np.diff(step)[together] * dt, train[1:][together])

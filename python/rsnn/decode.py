"""From spikes, or membranes, to numbers: counts, rates, times, the largest membrane, the votes of a population.

Arrays in, arrays out, time first; `rsnn.Spikes` are taken wherever spikes are. Tensors in, tensors out, with gradients (torch is imported
when one comes). Time is gone from what comes back.

`rsnn.encode` goes the other way.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arguments import count, real, scalar, shown
from .encode.first import first_times
from .encode.given import Given, given, positive, time_first
from .errors import InvalidValueError
from .spikes import Spikes

__all__ = [
    "first_spike_time",
    "membrane_last",
    "membrane_max",
    "membrane_mean",
    "phase",
    "population_vote",
    "rate",
    "spike_times",
    "sum",
]


def sum(spikes: Any) -> Any:
    """Count the spikes of every neuron: Norse's ``sum_decode``.

    ``y[...] = sum over t of spikes[t, ...]``.

    Parameters
    ----------
    spikes : array_like, Spikes or tensor (T, ...)
        Any numbers: counts and signs count as they are.

    Returns
    -------
    array or tensor (...)
        Of the dtype of a float input, else float32. The gradient flows.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No numbers, or no time axis.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.decode.sum([[0, 1], [1, 1]]).tolist()
    [1.0, 2.0]
    """
    return _counts(spikes if isinstance(spikes, Spikes) else _over_time("spikes", spikes))


def rate(spikes: Any, *, dt: float = 1.0) -> Any:
    """Give the rate of every neuron, in spikes per unit of time.

    ``y[...] = sum over t of spikes[t, ...] / (T dt)``.

    Parameters
    ----------
    spikes : array_like, Spikes or tensor (T, ...)
        At least one step.
    dt : float, default 1.0
        The length of a step: 1 gives spikes per step, seconds give Hz.

    Returns
    -------
    array or tensor (...)
        Of the dtype of a float input, else float32. The gradient flows.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No numbers, no steps, or dt that is not positive.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.decode.rate([[0, 1], [1, 1]], dt=0.5).tolist()
    [1.0, 2.0]
    """
    dt = positive("dt", scalar("dt", dt))
    x = spikes if isinstance(spikes, Spikes) else _over_time("spikes", spikes)
    steps = len(x if isinstance(x, Spikes) else x.array)
    if not steps:
        raise InvalidValueError("spikes: there are no steps, and no rate; give at least one")
    return _counts(x) / (steps * dt)


def first_spike_time(spikes: Any, *, dt: float = 1.0, absent: float = math.inf, threads: int | None = None) -> Any:
    """Give the time of the first spike of every neuron.

    ``y[...] = dt min {t: spikes[t, ...] != 0}``, and `absent` where there is none.

    Parameters
    ----------
    spikes : array_like, Spikes or tensor (T, ...)
        What is not 0 is a spike.
    dt : float, default 1.0
        The length of a step.
    absent : float, default infinity
        The time of a neuron that does not fire: a finite one, such as T, keeps a loss finite.
    threads : int, optional
        At most so many; by default as `rsnn.set_num_threads` says.

    Returns
    -------
    array or tensor (...)
        Of the dtype of a float input, else float32. The gradient to the spike whose time it is is -dt, and 0 to all other entries, as in
        Norse's ``ToSpikeTimes``: more spike means earlier.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No numbers, no time axis, or another argument that is not accepted.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.decode.first_spike_time([[0, 0, 1], [1, 0, 1]], dt=0.5).tolist()
    [0.5, inf, 0.0]
    """
    return spike_times(spikes, 1, dt=dt, absent=absent, threads=threads)[0]


def spike_times(spikes: Any, number: int, *, dt: float = 1.0, absent: float = math.inf, threads: int | None = None) -> Any:
    """Give the times of the first spikes of every neuron, ascending: Norse's ``SpikesToTimesDecoder``.

    Parameters
    ----------
    spikes : array_like, Spikes or tensor (T, ...)
        What is not 0 is a spike.
    number : int
        How many.
    dt, absent, threads
        As of `first_spike_time`; `absent` stands where a neuron has fewer spikes.

    Returns
    -------
    array or tensor (number, ...)
        Of the dtype of a float input, else float32. The gradient is that of `first_spike_time`. (Norse gives at most T times, and no
        gradient once a neuron has fewer spikes than asked for.)

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No numbers, no time axis, or another argument that is not accepted.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.decode.spike_times([[0, 1], [1, 1]], 2, absent=-1.0).tolist()
    [[1.0, 0.0], [-1.0, 1.0]]
    """
    number, dt, missing = count("number", number, 1), positive("dt", scalar("dt", dt)), _absent(absent)
    if isinstance(spikes, Spikes):
        times = first_times(spikes, number, threads)
        return np.where(np.isfinite(times), times * dt, missing).astype(np.float32)
    x = _over_time("spikes", spikes)
    times = first_times(x.array, number, threads)
    if x.tensor is not None:
        from .torch._coding import SpikeTimes

        return SpikeTimes.apply(_tensor(x), x.back(times), dt, missing)
    return np.where(np.isfinite(times), times * times.dtype.type(dt), times.dtype.type(missing))


def membrane_max(v: Any) -> Any:
    """Give the largest membrane over time, a usual readout of an integrator.

    ``y[...] = max over t of v[t, ...]``.

    Parameters
    ----------
    v : array_like or tensor (T, ...)
        At least one step.

    Returns
    -------
    array or tensor (...)
        Of the dtype of a float input, else float32. The gradient flows to the step that is largest, the first of several.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No numbers, or no steps.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.decode.membrane_max([[0.0, 3.0], [1.0, 2.0]]).tolist()
    [1.0, 3.0]
    """
    x = _steps(v)
    return x.array.max(0) if x.tensor is None else _tensor(x).gather(0, _tensor(x).detach().argmax(0, keepdim=True))[0]


def membrane_mean(v: Any) -> Any:
    """Give the mean membrane over time.

    ``y[...] = sum over t of v[t, ...] / T``.

    Parameters
    ----------
    v : array_like or tensor (T, ...)
        At least one step.

    Returns
    -------
    array or tensor (...)
        Of the dtype of a float input, else float32. The gradient flows.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No numbers, or no steps.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.decode.membrane_mean([[0.0, 3.0], [1.0, 2.0]]).tolist()
    [0.5, 2.5]
    """
    x = _steps(v)
    return x.array.mean(0) if x.tensor is None else _tensor(x).mean(0)


def membrane_last(v: Any) -> Any:
    """Give the membrane after the last step.

    ``y[...] = v[T - 1, ...]``.

    Parameters
    ----------
    v : array_like or tensor (T, ...)
        At least one step.

    Returns
    -------
    array or tensor (...)
        Of the dtype of a float input, else float32; of an array a copy. The gradient flows.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No numbers, or no steps.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.decode.membrane_last([[0.0, 3.0], [1.0, 2.0]]).tolist()
    [1.0, 2.0]
    """
    x = _steps(v)
    return x.array[-1].copy() if x.tensor is None else _tensor(x)[-1]


def population_vote(spikes: Any, num_classes: int) -> Any:
    """Count the spikes of the neurons that stand for each class: snnTorch's ``population_code``, sums of SpikingJelly's ``VotingLayer``.

    The n neurons of the last axis are num_classes groups of neighbours: ``y[..., c] = sum over t and over i from c n / num_classes to
    (c + 1) n / num_classes of spikes[t, ..., i]``; ``y.argmax(-1)`` is the class.

    Parameters
    ----------
    spikes : array_like, Spikes or tensor (T, ..., n)
        n is a multiple of num_classes, and not 0.
    num_classes : int

    Returns
    -------
    array or tensor (..., num_classes)
        Of the dtype of a float input, else float32. The gradient flows.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No numbers, or neurons that cannot be shared out.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.decode.population_vote([[1, 0, 1, 1], [0, 0, 1, 0]], 2).tolist()
    [1.0, 3.0]
    """
    classes = count("num_classes", num_classes, 1)
    counts = sum(spikes)
    n = counts.shape[-1] if counts.ndim else 0
    if n == 0 or n % classes:
        raise InvalidValueError(
            f"spikes: the last of their axes besides time has {n} neurons; it must be a multiple of num_classes={classes}, and not 0"
        )
    return counts.reshape(*counts.shape[:-1], classes, n // classes).sum(-1)


def phase(spikes: Any) -> Any:
    """Give the number whose binary digits are the spikes, the first worth a half: the inverse of `rsnn.encode.phase`.

    ``y[...] = sum over t of 2**-(t + 1) spikes[t, ...]``.

    Parameters
    ----------
    spikes : array_like, Spikes or tensor (T, ...)

    Returns
    -------
    array or tensor (...)
        Of the dtype of a float input, else float32. The gradient flows.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No numbers, or no time axis.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.decode.phase([[1], [1], [0]]).tolist()
    [0.75]
    """
    x = _over_time("spikes", spikes)
    worth = (0.5 ** np.arange(1.0, len(x.array) + 1)).astype(x.dtype).reshape(-1, *(1,) * (x.array.ndim - 1))
    return sum(x.array * worth if x.tensor is None else _tensor(x) * x.back(worth))


def _over_time(name: str, value: Any) -> Given:
    return given(name, value, 1, "(T, ...)")


def _steps(v: Any) -> Given:
    x = _over_time("v", v)
    if not len(x.array):
        raise InvalidValueError(f"v has shape {x.array.shape}: there are no steps; give at least one")
    return x


def _tensor(x: Given) -> Any:
    """Give the tensor that came, as floats."""
    import torch

    return x.tensor if x.tensor.dtype.is_floating_point else x.tensor.to(torch.float32)


def _counts(x: Given | Spikes) -> Any:
    if isinstance(x, Given):
        return x.array.sum(0) if x.tensor is None else _tensor(x).sum(0)
    return np.asarray(time_first("spikes", x).count(axis=0), np.float32)


def _absent(value: Any) -> float:
    try:
        infinite = math.isinf(value)
    except (TypeError, ValueError, OverflowError):
        infinite = False
    if infinite:
        return float(value)
    number = real("absent", value)
    if not isinstance(number, float):
        raise InvalidValueError(f"absent={shown(value)}: must be a single number")
    return number

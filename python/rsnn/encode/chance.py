"""Spikes by chance: the rate of a neuron is its input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rsnn import _rsnn
from rsnn.arguments import count, scalar
from rsnn.errors import InvalidValueError
from rsnn.memory import empty
from rsnn.spikes import Spikes, words_for
from rsnn.threads import resolve

from .given import Array, Given, as_rows, finite, given, positive, steps_of, unpacked
from .streams import key_of


def poisson(
    x: Any,
    steps: int | None = None,
    *,
    f_max: float = 100.0,
    dt: float = 0.001,
    rng: Any = None,
    packed: bool = False,
    threads: int | None = None,
) -> Any:
    """Fire at random with a rate that is the input: a Poisson train, at most one spike a step.

    ``P(s[t, ...] = 1) = dt f_max x``, every neuron and step for itself; Norse's ``poisson_encode``. With ``f_max * dt = 1`` the input is
    the probability itself, as of SpikingJelly's ``PoissonEncoder``.

    Parameters
    ----------
    x : array_like or tensor (...), or (T, ...) without `steps`
        From 0 to 1; float32 and float64 are computed in as they are, others become float32.
    steps : int, optional
        T, of an input that is constant over time. None: x has a time axis, and every step a rate of its own.
    f_max : float, default 100.0
        The rate of an input of 1, in spikes per unit of dt (with dt in s: Hz); ``f_max * dt`` is at most 1.
    dt : float, default 0.001
        The length of a step.
    rng : int, numpy.random.Generator, torch.Generator or None
        An integer from 0 to 2**64 - 1 names a stream; a generator gives a new one with every call. None: a stream that nobody knows, or of
        tensors, one that ``torch.manual_seed`` sets.
    packed : bool, default False
        Give `rsnn.Spikes`, one bit each. Not of a tensor.
    threads : int, optional
        At most so many; by default as `rsnn.set_num_threads` says. The spikes do not depend on it.

    Returns
    -------
    array, Spikes or tensor (T, ...)
        0 and 1, of the dtype of x. No gradient flows through chance.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An input outside of 0 to 1, NaN, or another argument that is not accepted.

    Notes
    -----
    A spike is where a random word of 32 bits is below ``dt f_max x * 2**32`` (`rsnn.reference.coding.bernoulli`): the probability is
    rounded up to a multiple of 2**-32. The words are those of Philox4x32-10 at the counter (neuron, step): the first T steps of a longer
    run are the same.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> spikes = rsnn.encode.poisson(np.array([0.0, 0.5, 1.0]), 1000, f_max=1.0, dt=1.0, rng=1)
    >>> spikes.shape, bool((spikes[:, 0] == 0).all()), bool((spikes[:, 2] == 1).all())
    ((1000, 3), True, True)
    >>> bool(abs(spikes[:, 1].mean() - 0.5) < 0.1)
    True
    """
    x = given("x", x)
    steps = steps_of(x, steps)
    finite(x, 0.0, 1.0, "scale it: x / x.max()")
    return _fire(x, _of_rate(x, f_max, dt), steps, rng, unpacked(x, packed), threads)


def signed_poisson(
    x: Any,
    steps: int | None = None,
    *,
    f_max: float = 100.0,
    dt: float = 0.001,
    rng: Any = None,
    threads: int | None = None,
) -> Any:
    """Fire at random with a rate that is the size of the input, spikes of its sign: Norse's ``signed_poisson_encode``.

    ``P(s[t, ...] = sign(x)) = dt f_max |x|``, else 0.

    Parameters
    ----------
    x : array_like or tensor (...), or (T, ...) without `steps`
        From -1 to 1.
    steps, f_max, dt, rng, threads
        As of `poisson`. With the same `rng` the spikes are those of ``poisson(abs(x))`` times the sign.

    Returns
    -------
    array or tensor (T, ...)
        -1, 0 and 1, of the dtype of x. No gradient flows through chance.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An input outside of -1 to 1, NaN, or another argument that is not accepted.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.encode.signed_poisson([-1.0, 0.0, 1.0], 2, f_max=1.0, dt=1.0, rng=1).tolist()
    [[-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]]
    """
    x = given("x", x)
    steps = steps_of(x, steps)
    finite(x, -1.0, 1.0, "scale it: x / abs(x).max()")
    return _fire(x, _of_rate(x, f_max, dt), steps, rng, False, threads)


def rate(
    x: Any,
    steps: int | None = None,
    *,
    gain: float = 1.0,
    offset: float = 0.0,
    first_spike_time: int = 0,
    rng: Any = None,
    packed: bool = False,
    threads: int | None = None,
) -> Any:
    """Fire at random with a probability that is the input, scaled and shifted: snnTorch's ``spikegen.rate``.

    ``P(s[t, ...] = 1) = min(max(gain x + offset, 0), 1)`` from step `first_spike_time` on; 0 before.

    Parameters
    ----------
    x : array_like or tensor (...), or (T, ...) without `steps`
        Finite.
    steps : int, optional
        T, of an input that is constant over time. None: x has a time axis, and every step a probability of its own.
    gain, offset : float
    first_spike_time : int, default 0
        The steps before it are silent. (snnTorch puts them in front of an input that has a time axis, which makes it longer.)
    rng, packed, threads
        As of `poisson`.

    Returns
    -------
    array, Spikes or tensor (T, ...)
        0 and 1, of the dtype of x. No gradient flows through chance.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        NaN or infinity in x, or another argument that is not accepted.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.encode.rate([-1.0, 2.0], 3, first_spike_time=1, rng=1).tolist()
    [[0.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    """
    x = given("x", x)
    steps = steps_of(x, steps)
    finite(x)
    silent = count("first_spike_time", first_spike_time, 0)
    times = len(x.array) if steps is None else steps
    if silent > times:
        raise InvalidValueError(f"first_spike_time={silent}: there are {times} steps; give at most {times}")
    kind = x.dtype.type
    with np.errstate(over="ignore"):
        probability = np.clip(x.array * kind(scalar("gain", gain)) + kind(scalar("offset", offset)), kind(0), kind(1))
    return _fire(x, probability, steps, rng, unpacked(x, packed), threads, silent)


def _of_rate(x: Given, f_max: Any, dt: Any) -> Array:
    f_max, dt = positive("f_max", scalar("f_max", f_max)), positive("dt", scalar("dt", dt))
    if f_max * dt > 1.0:
        raise InvalidValueError(
            f"f_max={f_max:g} with dt={dt:g}: {f_max * dt:g} spikes in a step, and there is at most one; give f_max of at most {1 / dt:g}, "
            "or a shorter dt"
        )
    probability: Array = x.array * x.dtype.type(dt * f_max)
    return probability


def _fire(x: Given, probability: Array, steps: int | None, rng: Any, packed: bool, threads: Any, silent: int = 0) -> Any:
    """Fire with probabilities (...), or (T, ...) where steps is None; a negative one fires -1."""
    workers, key = resolve(threads), key_of(rng, x.tensor is not None)
    probability = np.asarray(probability, order="C")
    shape = probability.shape if steps is None else (steps, *probability.shape)
    rows = as_rows(probability) if steps is None else probability.reshape(1, probability.size)
    try:
        target = words_for(shape, 0) if packed else empty(shape, x.dtype)
    except (ValueError, MemoryError, OverflowError):
        raise InvalidValueError(f"steps={steps}: more than memory can hold; encode it in pieces") from None
    if math.prod(shape):
        _rsnn.encode_bernoulli(rows, target if packed else as_rows(target), key=key, packed=packed, threads=workers)
    target[:silent] = 0
    return Spikes(target, shape) if packed else x.back(target)

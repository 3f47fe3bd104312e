"""Spikes that a trained network should give: targets made from the numbers of classes."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import numpy as np

from rsnn.arguments import array_of, choice, count, flag, float_dtype, is_tensor, names, scalar, shape_of, shown, size
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.reference.coding import words

from .given import Array, Given, given
from .streams import key_of
from .timing import latency

PATTERNS = ("regular", "uniform", "poisson")


def to_one_hot(targets: Any, num_classes: int, *, dtype: Any = np.float32) -> Any:
    """Turn numbers of classes into rows with a single 1: snnTorch's ``spikegen.to_one_hot``.

    ``y[..., c] = [targets == c]``.

    Parameters
    ----------
    targets : array_like or tensor of int (...)
        From 0 to num_classes - 1.
    num_classes : int
    dtype : float32 (default) or float64

    Returns
    -------
    array or tensor (..., num_classes)

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Targets that are no integers, or outside of the classes.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.encode.to_one_hot([0, 2], 3).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    came, hot = _one_hot(targets, num_classes, dtype)
    return _back(came, hot)


def targets_rate(
    targets: Any,
    num_classes: int,
    steps: int | None = None,
    *,
    first_spike_time: int = 0,
    correct_rate: float = 1.0,
    incorrect_rate: float = 0.0,
    on_target: float = 1.0,
    off_target: float = 0.0,
    firing_pattern: str = "regular",
    interpolate: bool = False,
    rng: Any = None,
    dtype: Any = np.float32,
) -> Any:
    """Make trains of two rates, one for the right class and one for all others: snnTorch's ``spikegen.targets_rate``.

    A train of a rate r fires from `first_spike_time` on: ``"regular"`` at the steps ``floor(first_spike_time + k / r)``, ``"uniform"`` as
    often, at steps drawn evenly (the same step drawn twice is one spike), ``"poisson"`` in every step with probability r.

    Parameters
    ----------
    targets : array_like or tensor of int (...)
        From 0 to num_classes - 1.
    num_classes : int
    steps : int, optional
        The number of steps, T. None: no time axis, which is enough for the rates 1 and 0 from the first step on. (snnTorch leaves the time
        axis out whenever nothing would change along it, also where num_steps is given.)
    first_spike_time : int, default 0
    correct_rate, incorrect_rate : float, default 1.0 and 0.0
        Spikes per step, from 0 to 1, the first not below the second.
    on_target, off_target : float
        What a spike is, and what it is not. (snnTorch 1.0.0 loses an off_target below 0, and raises where a rate is neither 1 nor 0.)
    firing_pattern : {"regular", "uniform", "poisson"}
    interpolate : bool, default False
        Rise from off_target, the step after a spike, to on_target at the next; off_target after the last.
    rng : int, numpy.random.Generator, torch.Generator or None
        Of the patterns that draw, as of `poisson`. All neurons of the right class share a train, and so do all others.
    dtype : float32 (default) or float64

    Returns
    -------
    array or tensor (T, ..., num_classes), or (..., num_classes) without steps

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument that is not accepted.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.encode.targets_rate([1], 2, 4, correct_rate=0.5).tolist()
    [[[0.0, 1.0]], [[0.0, 0.0]], [[0.0, 1.0]], [[0.0, 0.0]]]
    >>> rsnn.encode.targets_rate([0], 1, 5, correct_rate=0.25, on_target=1.25, off_target=0.5, interpolate=True).ravel().tolist()
    [1.25, 0.5, 0.75, 1.0, 1.25]
    """
    came, hot = _one_hot(targets, num_classes, dtype)
    first, interpolate = count("first_spike_time", first_spike_time, 0), flag("interpolate", interpolate)
    pattern = choice("firing_pattern", firing_pattern, PATTERNS)
    rates = [_rate(name, value) for name, value in (("correct_rate", correct_rate), ("incorrect_rate", incorrect_rate))]
    on, off = scalar("on_target", on_target), scalar("off_target", off_target)
    if rates[0] < rates[1]:
        raise InvalidValueError(f"correct_rate={rates[0]:g}: must be at least incorrect_rate={rates[1]:g}")
    if steps is None:
        if first or rates != [1.0, 0.0]:
            raise InvalidValueError("steps: these targets change over time; give steps=")
        return _back(came, np.where(hot > 0, hot.dtype.type(on), hot.dtype.type(off)))
    steps = size("steps", steps, 0, "None for targets without a time axis")
    if first > steps:
        raise InvalidValueError(f"first_spike_time={first}: there are {steps} steps; give at most {steps}")
    drawn = None
    if pattern != "regular":
        drawn = words(key_of(rng, came.tensor is not None), 2, steps).astype(np.float64) / 2.0**32
    trains = [_train(rate, steps, first, pattern, None if drawn is None else drawn[k]) for k, rate in enumerate(rates)]
    levels = [_rising(train, on, off) if interpolate else np.where(train, on, off) for train in trains]
    right, wrong = (level.astype(hot.dtype).reshape(steps, *(1,) * hot.ndim) for level in levels)
    return _back(came, np.where(hot > 0, right, wrong))


def targets_latency(targets: Any, num_classes: int, steps: int, *, dtype: Any = np.float32, **options: Any) -> Any:
    """Make targets where the right class fires first and all others last: snnTorch's ``spikegen.targets_latency``.

    `latency` of `to_one_hot`: the right class is an input of 1, all others are 0.

    Parameters
    ----------
    targets : array_like or tensor of int (...)
        From 0 to num_classes - 1.
    num_classes : int
    steps : int
        The number of steps, T.
    dtype : float32 (default) or float64
    **options
        As of `latency`.

    Returns
    -------
    array or tensor (T, ..., num_classes)

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument that is not accepted.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.encode.targets_latency([0, 1], 2, 5, normalize=True).argmax(0).tolist()
    [[0, 4], [4, 0]]
    """
    _known(options, latency)
    came, hot = _one_hot(targets, num_classes, dtype)
    made = latency(hot, steps, **options)
    return made if came.tensor is None or not isinstance(made, np.ndarray) else _back(came, made)


def targets_convert(targets: Any, num_classes: int, steps: int | None = None, *, code: str = "rate", **options: Any) -> Any:
    """Make targets by rate or by latency: snnTorch's ``spikegen.targets_convert``.

    Parameters
    ----------
    targets : array_like or tensor of int (...)
        From 0 to num_classes - 1.
    num_classes : int
    steps : int
        T; may be left out of code="rate" where `targets_rate` allows it.
    code : {"rate", "latency"}
        `targets_rate` or `targets_latency`.
    **options
        As of that function. (snnTorch loses on_target, off_target and interpolate of code="latency"; here they are used.)

    Returns
    -------
    array or tensor (T, ..., num_classes), or (..., num_classes) without steps

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument that is not accepted.

    Notes
    -----
    The times are those of ``latency(code="log")``; for another code call `targets_latency`.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.encode.targets_convert([1], 2, code="rate").tolist()
    [[0.0, 1.0]]
    >>> rsnn.encode.targets_convert([1], 2, 3, code="latency", normalize=True)[:, 0].tolist()
    [[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
    """
    if choice("code", code, ("rate", "latency")) == "rate":
        _known(options, targets_rate)
        return targets_rate(targets, num_classes, steps, **options)
    if steps is None:
        raise InvalidValueError("steps: code='latency' changes over time; give steps=")
    return targets_latency(targets, num_classes, steps, **options)


def _known(options: dict[str, Any], *functions: Callable[..., Any]) -> None:
    """Refuse a name that is an option of none of the functions."""
    options_of = (one for function in functions for one in signature(function).parameters.values())
    names("options", options, (one.name for one in options_of if one.kind is Parameter.KEYWORD_ONLY))


def _one_hot(targets: Any, num_classes: Any, dtype: Any) -> tuple[Given, Array]:
    classes, kind = size("num_classes", num_classes, 1), float_dtype("dtype", dtype)
    if is_tensor(targets):
        came = given("targets", targets)
        numbers = came.array.astype(np.int64) if _integers(targets) else came.array
    else:
        numbers = array_of("targets", targets)
        came = Given("targets", numbers)
    if numbers.dtype.kind not in "iu" and numbers.size:
        raise InvalidTypeError(f"targets: {numbers.dtype} came; give integers, the numbers of the classes")
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < classes:
        raise InvalidValueError(
            f"targets: {numbers.min()} to {numbers.max()} came; must be from 0 to {classes - 1}, or give a larger num_classes"
        )
    shape_of("targets, a number for each class", (*numbers.shape, classes))
    return came, (numbers[..., None] == np.arange(classes)).astype(kind)


def _integers(tensor: Any) -> bool:
    import torch

    return not (tensor.dtype.is_floating_point or tensor.dtype == torch.bool)


def _back(came: Given, result: Array) -> Any:
    """Give a result, of its own dtype, in the kind the targets came as."""
    if came.tensor is None:
        return result
    import torch

    return torch.from_numpy(np.ascontiguousarray(result)).to(came.tensor.device)


def _rate(name: str, value: Any) -> float:
    rate = scalar(name, value)
    if not 0 <= rate <= 1:
        raise InvalidValueError(f"{name}={shown(value)}: must be between 0 and 1")
    return rate


def _train(rate: float, steps: int, first: int, pattern: str, drawn: Array | None) -> Array:
    """Make a train of bool (steps,)."""
    train = np.zeros(steps, bool)
    if rate == 0:
        return train
    if pattern == "poisson" and drawn is not None:
        train[first:] = drawn[first:] < rate
        return train
    at = first + np.arange(int(np.ceil((steps - first) * rate)) + 1) / rate
    at = at[at < steps]
    if drawn is not None:
        at = first + drawn[: len(at)] * (steps - first)
    train[at.astype(np.intp)] = True
    return train


def _rising(train: Array, on: float, off: float) -> Array:
    """Rise from off, the step after a spike, to on at the next one; off after the last."""
    t = np.arange(len(train))
    spikes = np.flatnonzero(train)
    k = np.searchsorted(spikes, t)
    bounds = np.concatenate([[-1], spikes, [len(train)]])
    start, end = bounds[k] + 1, bounds[k + 1]
    part = np.where(end > start, (t - start) / np.maximum(end - start, 1), 1.0)
    return np.where(k < len(spikes), off + (on - off) * part, off)

"""One spike of each neuron, the earlier the larger the input."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsnn.arguments import choice, count, flag, scalar, shown, size
from rsnn.errors import InvalidValueError

from .given import Array, Given, finite, given, packed_or_not, positive, unpacked

CODES = ("log", "linear", "log_intensity")
LATE = ("error", "drop")


@dataclass(frozen=True)
class Code:
    """How an intensity becomes a time."""

    steps: int
    code: str
    tau: float
    threshold: float
    first_spike_time: int
    normalize: bool
    epsilon: float

    def times(self, x: Any, xp: Any) -> Any:
        """Give the times of x, which is not empty, in array code over numpy or torch."""
        first, last = self.first_spike_time, self.steps - 1
        if self.code == "log_intensity":
            return last - xp.log(math.expm1(last) * x + 1.0)
        if self.code == "linear":
            tau = float(last - first) if self.normalize else self.tau
            return xp.clip(-tau * (x - 1), None, -tau * (self.threshold - 1)) + first
        above = xp.clip(x, self.threshold + self.epsilon, None)
        time = self.tau * xp.log(above / (above - self.threshold))
        if first:
            time = time + first
        if self.normalize:
            time = (time - first) * (last - first) / (time - first).max() + first
        return time


def latency_times(
    x: Any,
    steps: int,
    *,
    code: str = "log",
    tau: float = 1.0,
    threshold: float = 0.01,
    first_spike_time: int = 0,
    normalize: bool = False,
    epsilon: float = 1e-7,
) -> Any:
    """Give the time at which each input fires, in steps, not rounded; `latency` has the equations.

    Parameters
    ----------
    x : array_like or tensor (...)
        From 0 to 1.
    steps, code, tau, threshold, first_spike_time, normalize, epsilon
        As of `latency`.

    Returns
    -------
    array or tensor (...)
        Of the dtype of x. The gradient flows to a tensor.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An input outside of 0 to 1, NaN, or another argument that is not accepted.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.encode.latency_times([0.02, 0.5, 1.0], 5, code="linear", normalize=True).round(6).tolist()
    [3.92, 2.0, 0.0]
    """
    given_, rule = _checked(x, steps, code, tau, threshold, first_spike_time, normalize, epsilon)
    times = _times(given_, rule)
    if given_.tensor is None or not given_.array.size:
        return given_.back(times)
    import torch

    return given_.differentiable(times, lambda tensor: rule.times(tensor, torch))


def latency(
    x: Any,
    steps: int,
    *,
    code: str = "log",
    tau: float = 1.0,
    threshold: float = 0.01,
    first_spike_time: int = 0,
    normalize: bool = False,
    clip: bool = False,
    late: str = "error",
    interpolate: bool = False,
    on_target: float = 1.0,
    off_target: float = 0.0,
    epsilon: float = 1e-7,
    packed: bool = False,
) -> Any:
    """Fire once, the earlier the larger the input: snnTorch's ``spikegen.latency`` and SpikingJelly's ``LatencyEncoder``.

    A spike comes at the step ``round(time)``, a half to the even step, with::

        code="log"             time = tau ln(x / (x - threshold)) + first_spike_time, of max(x, threshold + epsilon) for x:
                               when a membrane that x charges with time constant tau reaches the threshold
        code="linear"          time = min(tau (1 - x), tau (1 - threshold)) + first_spike_time
        code="log_intensity"   time = (steps - 1) - ln(a x + 1),   a = exp(steps - 1) - 1

    Parameters
    ----------
    x : array_like or tensor (...)
        From 0 to 1.
    steps : int
        T, at least 1.
    code : {"log", "linear", "log_intensity"}
        The first two are snnTorch's (``linear=``); SpikingJelly's ``"linear"`` is ``code="linear", normalize=True, threshold=0``, its
        ``"log"`` is ``"log_intensity"``, which takes none of the numbers below.
    tau : float, default 1.0
        In steps.
    threshold : float, default 0.01
        Between 0 and 1; below it an input fires as one that is just above. 0 for code="linear" alone.
    first_spike_time : int, default 0
        The step of the earliest spike.
    normalize : bool, default False
        Spread the times up to the last step; of code="log" by the largest time of all of x, so that a result depends on its batch.
    clip : bool, default False
        What is below the threshold does not fire.
    late : {"error", "drop"}
        Refuse times beyond the last step, or leave these spikes out (snnTorch's ``bypass``).
    interpolate : bool, default False
        Rise from off_target to on_target in a line up to the spike instead: ``off + (on - off) t / time``.
    on_target, off_target : float
        What a spike is, and what it is not. (snnTorch loses an off_target below 0.)
    epsilon : float, default 1e-7
    packed : bool, default False
        Give `rsnn.Spikes`, one bit each; with targets 1 and 0. Not of a tensor.

    Returns
    -------
    array, Spikes or tensor (T, ...)
        Of the dtype of x. For a gradient see `latency_times`.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An input outside of 0 to 1, NaN, a time beyond the last step, or another argument that is not accepted.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> rsnn.encode.latency([0.02, 0.5, 1.0], 5, code="linear", normalize=True).argmax(0).tolist()
    [4, 2, 0]
    >>> rsnn.encode.latency(np.array([0.0, 1.0]), 5, normalize=True, interpolate=True)[:, 0].tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    given_, rule = _checked(x, steps, code, tau, threshold, first_spike_time, normalize, epsilon)
    packed, clip, interpolate = unpacked(given_, packed), flag("clip", clip), flag("interpolate", interpolate)
    late = choice("late", late, LATE)
    on, off = scalar("on_target", on_target), scalar("off_target", off_target)
    if packed and (interpolate or (on, off) != (1.0, 0.0)):
        raise InvalidValueError("packed=True: a packed spike is one bit; leave interpolate, on_target and off_target out")
    if clip and code == "log_intensity":
        raise InvalidValueError("clip=True: code='log_intensity' has no threshold; leave clip out")
    at = np.asarray(np.rint(_times(given_, rule)))
    fires = given_.array >= threshold if clip else np.ones(at.shape, bool)
    beyond = fires & ~(at <= rule.steps - 1)  # NaN too, of numbers beyond the dtype
    if late == "error" and beyond.any():
        raise InvalidValueError(
            f"steps={rule.steps}: a spike comes at step {at[beyond].max():.0f}; give more steps, a smaller tau, normalize=True, clip=True "
            "or late='drop'"
        )
    return packed_or_not(given_, _at(at, fires & ~beyond, rule.steps, interpolate, on, off), packed)


def _at(at: Array, fires: Array, steps: int, interpolate: bool, on: float, off: float) -> Array:
    """Put a spike at its step, or a line that rises to it."""
    kind = at.dtype.type
    if interpolate:
        t = np.arange(steps, dtype=at.dtype).reshape(-1, *(1,) * at.ndim)
        rising = np.where(at > 0, t / np.where(at > 0, at, kind(1)), kind(1)) * kind(on - off) + kind(off)
        made: Array = np.where(fires & (t <= at), rising, kind(off))
        return made
    out = np.full((steps, *at.shape), off, at.dtype)
    if at.size:
        step = np.where(fires, at, 0).astype(np.intp)[None]
        np.put_along_axis(out, step, np.where(fires, kind(on), kind(off))[None], 0)
    return out


def _times(x: Given, rule: Code) -> Array:
    if not x.array.size:
        return np.empty(x.array.shape, x.dtype)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return np.asarray(rule.times(x.array, np), x.dtype)


def _checked(
    x: Any, steps: Any, code: Any, tau: Any, threshold: Any, first_spike_time: Any, normalize: Any, epsilon: Any
) -> tuple[Given, Code]:
    came = given("x", x)
    finite(came, 0.0, 1.0, "scale it: x / x.max()")
    steps, code, normalize = size("steps", steps, 1), choice("code", code, CODES), flag("normalize", normalize)
    tau, threshold, epsilon = positive("tau", scalar("tau", tau)), scalar("threshold", threshold), scalar("epsilon", epsilon)
    first = count("first_spike_time", first_spike_time, 0)
    if first > steps - 1:
        raise InvalidValueError(f"first_spike_time={first}: there are {steps} steps; give at most {steps - 1}")
    if code == "log_intensity":
        _log_intensity(came, steps, {"tau": (tau, 1.0), "first_spike_time": (first, 0), "normalize": (normalize, False)})
    else:
        low = "at least 0" if code == "linear" else "positive"
        if not (0 <= threshold < 1) or (threshold == 0 and code == "log"):
            raise InvalidValueError(f"threshold={shown(threshold)}: must be {low} and below 1, as x is; scale x instead")
    if code == "log":
        positive("epsilon", epsilon)
        if came.dtype.type(threshold + epsilon) <= came.dtype.type(threshold):
            raise InvalidValueError(f"epsilon={epsilon:g}: nothing is left of it beside threshold={threshold:g} in {came.dtype}; give more")
    if normalize and code == "linear" and tau != 1.0:
        raise InvalidValueError(f"tau={tau:g}: normalize=True sets the time constant of code='linear'; leave tau out")
    return came, Code(steps, code, tau, threshold, first, normalize, epsilon)


def _log_intensity(x: Given, steps: int, unused: dict[str, tuple[Any, Any]]) -> None:
    for name, (value, default) in unused.items():
        if value != default:
            raise InvalidValueError(f"{name}={shown(value)}: code='log_intensity' has no such number; leave {name} out")
    most = math.floor(math.log(float(np.finfo(x.dtype).max))) + 1
    if steps > most:
        raise InvalidValueError(f"steps={steps}: exp(steps - 1) is beyond {x.dtype}; code='log_intensity' takes at most {most} steps")

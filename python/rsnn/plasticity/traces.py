"""Traces of spikes over time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.arguments import LARGEST, SMALLEST, array_of, choice, real, scalar, shown, within
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.memory import empty

from .rules import DISCRETIZATIONS, LONGEST, PAIRINGS
from .states import spikes

Array = npt.NDArray[Any]


def decays(name: str, tau: Any, dt: float, discretization: str) -> Any:
    """Give what is left after a step of several time constants, in float64; checked."""
    value = real(name, tau)
    euler = discretization == "euler"
    hint = "below dt an Euler step would overshoot" if euler else ""
    within(name, value, dt if euler else 1e-9 * dt, LONGEST * dt, hint)
    return 1.0 - dt / value if euler else np.exp(-dt / value)


def step_length(dt: Any) -> float:
    """Check the length of a step."""
    step = scalar("dt", dt)
    within("dt", step, SMALLEST, LARGEST)
    return step


def each(name: str, value: Any, own: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Give a number for all, or one for each entry of a step, rounded to the dtype of the data."""
    array = np.asarray(value)
    if array.ndim == 0:
        return np.array([array], dtype)
    try:
        return np.ascontiguousarray(np.broadcast_to(array, own), dtype).reshape(-1)
    except ValueError:
        raise InvalidValueError(f"{name} has shape {array.shape}: must broadcast against one step of x, {own}") from None


def trace(
    x: npt.ArrayLike,
    tau: Any = 20.0,
    *,
    gain: Any = 1.0,
    pairing: str = "all",
    dt: float = 1.0,
    discretization: str = "exact",
    state: npt.ArrayLike | None = None,
) -> Array:
    """Give the spike trace: what a train leaves behind, raised by every spike and decaying in between.

    ::

        a <- exp(-dt / tau) a + gain x                       pairing="all"
        a <- gain x where x is not 0, else exp(-dt / tau) a  pairing="nearest"

    Parameters
    ----------
    x : array_like (T, ...), or `Spikes`
        Spikes. float32 and float64 are computed in as they are; anything else in float32.
    tau : float or array, default 20.0
        Time constant, in the unit of dt; an array has one for each entry of a step, or broadcasts against it.
    gain : float or array, default 1.0
        What a spike adds.
    pairing : {"all", "nearest"}
        Whether a spike adds to the trace, or sets it.
    dt : float, default 1.0
    discretization : {"exact", "euler"}
        ``"euler"``: the trace decays by 1 - dt / tau.
    state : array_like (...), optional
        The trace before the first step, to go on from: the last one of an earlier trace. 0 by default.

    Returns
    -------
    array like x
        The trace after each step.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument of another type, shape or range.

    Notes
    -----
    Norse's ``stdp_sensor_step`` is this with ``tau=1 / tau_c_inv, gain=eta, dt=0.001, discretization="euler"``, for both of its traces.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.plasticity.trace([1.0, 0.0, 1.0, 0.0], 2.0, discretization="euler").tolist()
    [1.0, 0.5, 1.25, 0.625]
    >>> rsnn.plasticity.trace([1.0, 0.0, 1.0, 0.0], 2.0, pairing="nearest", discretization="euler").tolist()
    [1.0, 0.5, 1.0, 0.5]
    """
    array, dtype = spikes("x", x)
    choice("pairing", pairing, PAIRINGS)
    choice("discretization", discretization, DISCRETIZATIONS)
    step = step_length(dt)
    own = array.shape[1:]
    left = each("tau", decays("tau", tau, step, discretization), own, dtype)
    gains = real("gain", gain)
    within("gain", gains, -LARGEST, LARGEST)
    amount = each("gain", gains, own, dtype)
    if state is None:
        begin = np.zeros(own, dtype)
    else:
        begin = array_of("state", state)
        if begin.dtype.kind not in "biuf":
            raise InvalidTypeError(f"state={shown(state)}: {begin.dtype} came; give real numbers")
        if begin.shape != own:
            raise InvalidValueError(f"state has shape {begin.shape}: must be {own}, as one step of x")
    out = empty(array.shape, dtype)
    n = math.prod(own)
    last = np.array(begin, dtype).reshape(n)
    _rsnn.plasticity_trace(array.reshape(len(array), n), left, amount, last, out.reshape(len(array), n), pairing=pairing)
    return out

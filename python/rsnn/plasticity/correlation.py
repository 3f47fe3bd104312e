"""The correlation sensors of BrainScaleS-2."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from rsnn import _rsnn
from rsnn.arguments import LARGEST, choice, names, scalar, within
from rsnn.errors import InvalidValueError
from rsnn.memory import empty
from rsnn.state import State

from .rules import DISCRETIZATIONS, decay
from .states import begin, spikes
from .traces import step_length

Array = npt.NDArray[Any]

FIELDS = ("post_pre", "correlation", "anticorrelation")


@dataclass(frozen=True)
class SensorResult:
    """What correlation sensors give.

    Attributes
    ----------
    state : named tuple of arrays ([B,] before, after)
        ``post_pre``, ``correlation`` and ``anticorrelation`` after the last step: pass it back in to go on.
    traces : dict of arrays (T, [B,] before, after)
        What was recorded.
    """

    state: State
    traces: dict[str, Array] = field(default_factory=dict)


def correlation_sensor(
    pre: npt.ArrayLike,
    post: npt.ArrayLike,
    state: State | None = None,
    *,
    tau_correlation: float = 100.0,
    tau_anticorrelation: float = 100.0,
    eta_correlation: float = 1.0,
    eta_anticorrelation: float = 1.0,
    dt: float = 1.0,
    discretization: str = "exact",
    record: Any = (),
) -> SensorResult:
    """Run the correlation sensors of an array of synapses over time: an idealised BrainScaleS-2.

    For every synapse, with b whether the last spike was one of post, all of before the step on the right::

        c <- c - (1 - b) k_c c + eta_c pre          k_c = 1 - exp(-dt / tau_correlation)
        a <- a - b k_a a + eta_a post               k_a = 1 - exp(-dt / tau_anticorrelation)
        b <- [b + post - pre > 0]

    Parameters
    ----------
    pre : array_like (T, [B,] before)
        Spikes of the neurons before the synapses. float32 and float64 are computed in as they are; anything else in float32.
    post : array_like (T, [B,] after)
        Those of the neurons after them.
    state : named tuple, optional
        To go on from: ``result.state``; zeros by default. Never modified.
    tau_correlation, tau_anticorrelation : float, default 100.0
        Time constants, in the unit of dt.
    eta_correlation, eta_anticorrelation : float, default 1.0
        What spikes add.
    dt : float, default 1.0
    discretization : {"exact", "euler"}
        ``"euler"``: k = dt / tau, as Norse.
    record : names of state fields
        What to keep of every step, after it.

    Returns
    -------
    SensorResult

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument of another type, shape or range.

    Notes
    -----
    The equations are those of Norse's ``correlation_sensor_step``. Every synapse decays for itself: work is synapses times steps.

    Examples
    --------
    >>> import rsnn
    >>> out = rsnn.plasticity.correlation_sensor([[1.0], [0.0]], [[0.0], [1.0]], tau_correlation=2.0, discretization="euler")
    >>> out.state
    State(post_pre=array([[1.]]), correlation=array([[0.5]]), anticorrelation=array([[1.]]))
    """
    arrived, dtype = spikes("pre", pre)
    sent, _ = spikes("post", post, dtype)
    for name, one in (("pre", arrived), ("post", sent)):
        if one.ndim not in (2, 3):
            raise InvalidValueError(f"{name} has shape {one.shape}: must be (T, neurons) or (T, B, neurons)")
    if sent.shape[:-1] != arrived.shape[:-1]:
        raise InvalidValueError(f"pre has shape {arrived.shape} and post {sent.shape}: all axes but the last must be the same")
    choice("discretization", discretization, DISCRETIZATIONS)
    wanted = names("record", record, FIELDS)
    step = step_length(dt)
    numbers = []
    for name, tau in (("tau_correlation", tau_correlation), ("tau_anticorrelation", tau_anticorrelation)):
        numbers.append(1.0 - decay(name, scalar(name, tau), step, discretization))
    for name, eta in (("eta_correlation", eta_correlation), ("eta_anticorrelation", eta_anticorrelation)):
        numbers.append(scalar(name, eta))
        within(name, numbers[-1], -LARGEST, LARGEST)
    own = (*arrived.shape[1:], sent.shape[-1])
    at = begin("state", state, dict.fromkeys(FIELDS, own), dtype)
    kept = {name: empty((len(arrived), *own), dtype) for name in wanted}
    batch: Any = ... if arrived.ndim == 3 else (slice(None), None)
    if math.prod(own):
        _rsnn.plasticity_sensor(
            arrived[batch],
            sent[batch],
            numbers,
            [one.reshape(-1) for one in at],
            record=[kept[name].reshape(-1) if name in kept else None for name in FIELDS],
        )
    return SensorResult(at, kept)

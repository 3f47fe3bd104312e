"""Short-term plasticity: what a synapse has left to give."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.arguments import choice, flag, names, real, shown, within
from rsnn.errors import InvalidTypeError
from rsnn.memory import empty
from rsnn.simulation import Result
from rsnn.stages import Description
from rsnn.state import State, make_state

from .rules import DISCRETIZATIONS
from .states import begin, spikes
from .traces import decays, each, step_length

if TYPE_CHECKING:
    from rsnn.stages import Parameter

Array = npt.NDArray[Any]

START = {"u": 0.0, "x": 1.0}
"""At rest nothing is facilitated, and all resources are there."""


@dataclass(frozen=True, eq=False, repr=False)
class TsodyksMarkram(Description):
    """Short-term plasticity after Tsodyks and Markram: spikes facilitate a synapse, and use up what it can give.

    With the utilization u and the resources x of before the step, for a spike z::

        u' = u - k_f u + U (1 - u) z,        k_f = 1 - exp(-dt / tau_facilitation)
        out = u' x z
        x' = x + k_d (1 - x) - out,          k_d = 1 - exp(-dt / tau_depression)

    It begins with u = 0 and x = 1.

    Parameters
    ----------
    tau_facilitation : float or array, default 50.0
        How long facilitation lasts, in the unit of dt.
    tau_depression : float or array, default 750.0
        How long resources take to come back.
    utilization : float or array, default 0.45
        U, from 0 to 1: by how much of what is missing to 1 a spike raises u.
    dt : float, default 1.0
    discretization : {"exact", "euler"}
        ``"euler"``: k = dt / tau.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A field of another type or outside its range.

    Notes
    -----
    `short_term` runs it over spikes; among the rules of `run` it stands in front of a layer's weights.

    The equations and defaults (in milliseconds) are those of Norse's ``stp_step``; see Tsodyks, Pawelzik, Markram, Neural Computation 10
    (1998).
    The synaptic current, Norse's tau_s_inv, is the neuron's: ``rsnn.LIF(tau_syn=20.0)``.

    Examples
    --------
    A depressing synapse gives less with every spike:

    >>> import rsnn
    >>> depressing = rsnn.plasticity.TsodyksMarkram(tau_facilitation=20.0, tau_depression=800.0, utilization=0.5)
    >>> [round(float(y), 3) for y in rsnn.plasticity.short_term(depressing, [1.0, 1.0, 1.0]).output]
    [0.5, 0.363, 0.114]
    """

    tau_facilitation: Parameter = 50.0
    tau_depression: Parameter = 750.0
    utilization: Parameter = 0.45
    _: KW_ONLY
    dt: float = 1.0
    discretization: str = "exact"

    states = ("u", "x")

    def __post_init__(self) -> None:
        """Check every field."""
        object.__setattr__(self, "dt", step_length(self.dt))
        choice("discretization", self.discretization, DISCRETIZATIONS)
        for name in ("tau_facilitation", "tau_depression", "utilization"):
            object.__setattr__(self, name, real(name, getattr(self, name)))
        within("utilization", self.utilization, 0.0, 1.0)
        self.coefficients()

    def coefficients(self) -> dict[str, Any]:
        """Give k_f, k_d and U in float64, by the name of the field each comes from."""
        found = {}
        for name in ("tau_facilitation", "tau_depression"):
            found[name] = 1.0 - decays(name, getattr(self, name), self.dt, self.discretization)
        return found | {"utilization": self.utilization}


def short_term(
    rule: TsodyksMarkram, z: npt.ArrayLike, state: State | None = None, *, record: Any = (), batch_first: bool = False
) -> Result:
    """Run short-term plasticity over time.

    Parameters
    ----------
    rule : TsodyksMarkram
    z : array_like (T, ...), or `Spikes`
        Spikes. float32 and float64 are computed in as they are; anything else in float32.
    state : named tuple of u and x, (...) each, optional
        To go on from: ``result.state``. Never modified.
    record : ``"u"``, ``"x"``, or both
        What to keep of every step, after it.
    batch_first : bool, default False
        z is (B, T, ...); the output and the traces are too.

    Returns
    -------
    Result
        ``output``, what the synapses give, ``state``, ``traces``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument of another type, shape or range.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> out = rsnn.plasticity.short_term(rsnn.plasticity.TsodyksMarkram(), np.ones((5, 2)), record="u")
    >>> out.output.shape, out.state.x.shape, out.u.shape
    ((5, 2), (2,), (5, 2))
    """
    if not isinstance(rule, TsodyksMarkram):
        raise InvalidTypeError(f"rule={shown(rule)}: must be rsnn.plasticity.TsodyksMarkram(...)")
    turned = flag("batch_first", batch_first)
    wanted = names("record", record, rule.states)
    array, dtype = spikes("z", z, batch_first=turned)
    if turned and array.ndim > 1:
        array = np.ascontiguousarray(array.swapaxes(0, 1))
    own = array.shape[1:]
    at = begin("state", state, dict.fromkeys(rule.states, own), dtype, START)
    numbers = [each(name, value, own, dtype) for name, value in rule.coefficients().items()]
    n, steps = math.prod(own), len(array)
    out, kept = empty(array.shape, dtype), {name: empty(array.shape, dtype) for name in wanted}
    u, x = (one.reshape(n) for one in at)
    record_into = [kept[name].reshape(steps, n) if name in kept else None for name in rule.states]
    _rsnn.plasticity_short_term(array.reshape(steps, n), numbers, u, x, out.reshape(steps, n), record=record_into)

    def layout(one: Array) -> Array:
        return one.swapaxes(0, 1) if turned and one.ndim > 1 else one

    end = make_state(rule.states, [u.reshape(own), x.reshape(own)])
    return Result(layout(out), end, {name: layout(one) for name, one in kept.items()}, spiking=False)

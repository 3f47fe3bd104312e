"""The NIR node that is closest to a layer or a neuron of rsnn, and what of it no NIR node has.

A neuron whose step is linear between spikes is a solution of the equations of NIR for an input held over a step::

    u = v_leak + beta (v - v_leak) + g (i + bias)       tau = -dt / ln(beta),  r = g / (1 - beta),  v_leak + g bias / (1 - beta)
    i = alpha i + x                                     tau_syn = -dt / ln(alpha),  w_in = 1 / (1 - alpha)

so that ``rsnn.nir.read(..., source="nir")`` gives the same step again, in other roundings. What NIR leaves to whoever runs a graph is no
loss: how a reset is done and when, whether a threshold must be passed or reached, how many spikes go into a step, the order of current
and membrane. What is lost is what changes the equations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rsnn import stages
from rsnn.composed import Neuron

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

SLOW = 1e6
"""The time constant, in steps, that stands for none where a node needs one."""
FAST = 1e-6
"""The one that stands for no memory at all."""


class Step(NamedTuple):
    """A linear step of a membrane: ``u = v_leak + beta (v - v_leak) + gain (i + bias)``."""

    beta: Any
    gain: Any
    v_leak: Any = 0.0
    bias: Any = 0.0


def _decayed(c: dict[str, Any], k: Any, decay_input: bool = True) -> Step:
    return Step(1.0 - k, (k if decay_input else 1.0) * c["gain"], c["v_leak"], c["bias"])


MEMBRANES: dict[type, Callable[[Any, dict[str, Any]], Step]] = {
    stages.Leaky: lambda m, c: Step(c["beta"], c["gain"], c["v_leak"], c["bias"]),
    stages.Integrator: lambda m, c: Step(c["beta"], 1.0, 0.0, c["bias"]),
    stages.Lapicque: lambda m, c: Step(c["beta"], c["r"] * c["inverse"] * c["dt"]),
    stages.Euler: lambda m, c: _decayed(c, c["k"]),
    stages.Box: lambda m, c: _decayed(c, c["k"]),
    stages.Tau: lambda m, c: _decayed(c, 1.0 / c["tau"], m.decay_input),
    stages.Mul: lambda m, c: _decayed(c, c["k"], m.decay_input),
}
"""Membranes whose step is linear, by what their coefficients make of it."""
DRIVEN: dict[type, Callable[[Any, dict[str, Any]], Step]] = {
    stages.EulerExp: lambda m, c: _decayed(c, c["k"]),
    stages.Quad: lambda m, c: _decayed(c, c["k"]),
    stages.TauExp: lambda m, c: _decayed(c, 1.0 / c["tau"]),
    stages.TauQuad: lambda m, c: _decayed(c, 1.0 / c["tau"]),
}
"""Membranes with a drive, without it."""
LATE = {"jump_decay_use": True}
"""Orders of a synapse in which an impulse has decayed once when it is first used."""


def neuron_node(nir: Any, form: Neuron, shape: Shape, scale: float) -> tuple[Any, list[str]]:
    """Give the closest node of a neuron, with time in units of ``dt / scale``, and what is lost."""
    lost: list[str] = []
    c, dt = form.coefficients(), form.dt * scale
    step = _membrane(form, c, lost)
    alpha, jump = _synapse(form, c, lost)
    _other_parts(form, lost)
    beta = np.asarray(step.beta, np.float64)
    integrates = bool(np.all(beta == 1.0))
    fields: dict[str, Any] = {}
    if form.fire is not None:
        fields = {"v_threshold": getattr(form.fire, "v_threshold", 1.0), "v_reset": _v_reset(form, lost)}
    if alpha is None and integrates:
        if np.any(np.asarray(step.bias) != 0):
            lost.append("its constant input")
        kind = nir.I if form.fire is None else nir.IF
        return _node(kind, shape, {"r": np.asarray(step.gain) / dt, **fields}), lost
    tau = _tau(beta, dt, "membrane", lost)
    settled = -np.expm1(-dt / tau)
    v_leak = step.v_leak + step.gain * step.bias / settled
    if form.v_start is not None and np.any(np.asarray(form.start()["v"]) != np.asarray(step.v_leak)):
        lost.append("where its membrane starts")
    common = {"r": step.gain / settled, "v_leak": v_leak, **fields}
    if alpha is None:
        return _node(nir.LI if form.fire is None else nir.LIF, shape, {"tau": tau, **common}), lost
    tau_syn = _tau(np.asarray(alpha, np.float64), dt, "current", lost)
    common |= {"tau_mem": tau, "tau_syn": tau_syn, "w_in": jump / -np.expm1(-dt / tau_syn)}
    return _node(nir.CubaLI if form.fire is None else nir.CubaLIF, shape, common), lost


def _node(kind: Any, shape: Shape, fields: dict[str, Any]) -> Any:
    with np.errstate(over="ignore", under="ignore"):
        most = float(np.finfo(np.float32).max)
        full = {name: np.broadcast_to(np.clip(value, -most, most), shape).astype(np.float32) for name, value in fields.items()}
    return kind(**full)


def _membrane(form: Neuron, c: dict[str, Any], lost: list[str]) -> Step:
    kind = type(form.membrane)
    if kind in MEMBRANES:
        return MEMBRANES[kind](form.membrane, c)
    if kind in DRIVEN:
        lost.append(f"the drive of its membrane ({kind.__name__})")
        return DRIVEN[kind](form.membrane, c)
    lost.append(f"its equations ({kind.__name__})")
    return Step(np.exp(-1.0), 1.0)


def _synapse(form: Neuron, c: dict[str, Any], lost: list[str]) -> tuple[Any, Any]:
    """Give the decay of the current and by how much an input of 1 makes it jump; None without a synapse."""
    synapse = form.synapse
    if synapse is None:
        return None, 1.0
    if isinstance(synapse, stages.EulerCurrent):
        return 1.0 + c["eta"], 1.0
    if isinstance(synapse, stages.Exponential):
        return c["alpha"], c["alpha"] if LATE.get(synapse.order) else 1.0
    lost.append(f"its synapse ({type(synapse).__name__})")
    return c["alpha"], c["scale"]


def _tau(decay: Array, dt: float, what: str, lost: list[str]) -> Array:
    """Give the time constant of a decay per step."""
    if np.any(decay < 0):
        lost.append(f"an Euler step of its {what} that overshoots")
    if np.any(decay >= 1):
        lost.append(f"a {what} that does not decay")
    with np.errstate(all="ignore"):
        tau: Array = np.clip(-dt / np.log(np.clip(decay, 0.0, 1.0)), FAST * dt, SLOW * dt)
    return tau


def _v_reset(form: Neuron, lost: list[str]) -> Any:
    reset = form.reset
    if isinstance(form.membrane, stages.Whole):
        return 0.0
    if reset is None:
        lost.append("that it is never reset")
    elif isinstance(reset, stages.Amount):
        lost.append("the amount that its reset subtracts")
    elif isinstance(reset, stages.Gate) and np.any(np.asarray(reset.v_reset) != 0):
        lost.append("what its reset adds in every step")
    return reset.v_reset if isinstance(reset, (stages.ToValue, stages.Gate)) else 0.0


def _other_parts(form: Neuron, lost: list[str]) -> None:
    fire = form.fire
    parts = {
        "its adaptation": form.adaptation is not None,
        "its refractory period": form.refractory is not None,
        "the bound of its membrane (v_min)": form.v_min is not None,
        "that its neurons inhibit each other": form.inhibition,
        "the size of its spikes (graded)": form.graded is not None and np.any(np.asarray(form.graded) != 1),
        "the cap on its spikes (max_spikes)": isinstance(fire, stages.Multi) and fire.max_spikes is not None,
        "its smooth spikes (Soft)": isinstance(fire, stages.Soft),
    }
    lost += [what for what, is_lost in parts.items() if is_lost]

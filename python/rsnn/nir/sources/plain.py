"""No library: the equations of NIR as they are written, solved for an input that is held over a step.

::

    tau dv/dt = v_leak - v + r i        v <- v_leak + beta (v - v_leak) + (1 - beta) r i,   beta = exp(-dt / tau)
    tau_syn di/dt = -i + w_in s         i <- alpha i + (1 - alpha) w_in s,                  alpha = exp(-dt / tau_syn)
    dv/dt = r i                         v <- v + dt r i
    z = [v > v_threshold]               v <- v_reset where z

The current is held over the step as well. With ``discretization="euler"``, ``beta = 1 - dt / tau`` and ``alpha = 1 - dt / tau_syn``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rsnn.arguments import choice
from rsnn.composed import Neuron
from rsnn.stages import Exponential, Leaky, Strict, Subtract, ToValue

from .source import Node, Source, Told

_DISCRETIZATIONS = ("exact", "euler")


def _neuron(node: Node, told: Told, **stages: Any) -> Any:
    if "v_threshold" not in node.fields:
        return Neuron(dt=told.dt, **stages)
    value = 0.0 if told.reset == "zero" else node.number("v_reset")
    reset = {"none": None, "subtract": Subtract()}[told.reset] if told.reset in ("none", "subtract") else ToValue(value)
    return Neuron(fire=Strict(node.number("v_threshold")), reset=reset, dt=told.dt, **stages)


def _integrator(node: Node, told: Told) -> Any:
    return _neuron(node, told, membrane=Leaky(beta=1.0, r=np.float64(told.dt) * node.number("r")))


def _membrane(node: Node, told: Told, tau: str, gain: Any) -> Leaky:
    how = choice("discretization", told.arguments["discretization"], _DISCRETIZATIONS)
    return Leaky(tau_mem=node.number(tau), v_leak=node.number("v_leak"), r=gain, discretization=how)


def _leaky(node: Node, told: Told) -> Any:
    return _neuron(node, told, membrane=_membrane(node, told, "tau", node.number("r")))


def _cuba(node: Node, told: Told) -> Any:
    tau = np.asarray(node.number("tau_syn"), np.float64)
    if np.any(tau <= 0):
        raise node.error("tau_syn: must be positive")
    euler = told.arguments["discretization"] == "euler"
    alpha = 1.0 - told.dt / tau if euler else np.exp(-told.dt / tau)
    gain = np.asarray(node.number("r"), np.float64) * np.asarray(node.number("w_in"), np.float64) * (1.0 - alpha)
    membrane = _membrane(node, told, "tau_mem", gain)
    return _neuron(node, told, synapse=Exponential(alpha=alpha), membrane=membrane)


SOURCE = Source(
    name="nir",
    title="the specification of NIR 1",
    dt=None,
    conventions={
        "tau": "in the unit of dt",
        "gain": "1 - exp(-dt / tau): the exact solution for an input held over a step; discretization='euler': dt / tau",
        "reset": "to v_reset, in the step of the spike, unless told otherwise",
        "comparison": "v > v_threshold",
        "state order": "the current decays, jumps, then is used",
    },
    resets=("value", "subtract", "zero", "none"),
    reset="value",
    options={"discretization": "exact"},
    neurons={"I": _integrator, "IF": _integrator, "LI": _leaky, "LIF": _leaky, "CubaLI": _cuba, "CubaLIF": _cuba},
)

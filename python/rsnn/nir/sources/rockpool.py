"""Rockpool: time constants in seconds; dt is in the resistance, the bias and the cap on spikes are not in the file."""

from __future__ import annotations

from typing import Any

import numpy as np

from rsnn.arguments import shown
from rsnn.composed import Neuron
from rsnn.stages import Exponential, Leaky, Multi, Subtract

from .source import CLOSE, Node, Source, Told


def _checked(node: Node, told: Told, tau: str) -> None:
    """Refuse a resistance that is not ``tau exp(-dt / tau) / dt``: it is all that a file says of dt."""
    value = np.asarray(node.array(tau), np.float64)
    with np.errstate(all="ignore"):
        wanted = value * np.exp(-told.dt / value) / told.dt
    if not np.all(np.abs(node.array("r") - wanted) <= 10 * CLOSE * np.abs(wanted)):
        raise node.error(
            f"r={shown(node.array('r'))}: Rockpool writes {tau} exp(-dt / {tau}) / dt, which is not so with dt={told.dt:g}; "
            "give the dt= with which it is, or the source that wrote the file"
        )


def _decay(node: Node, told: Told, tau: str) -> Any:
    value = node.number(tau)
    return value.dtype.type(1) * np.exp(-told.dt / np.asarray(value, np.float64)).astype(value.dtype)


def _spiking(node: Node, told: Told, tau: str, synapse: Any) -> Any:
    _checked(node, told, tau)
    return Neuron(
        synapse=synapse,
        membrane=Leaky(beta=_decay(node, told, tau), bias=told.arguments["bias"]),
        fire=Multi(node.number("v_threshold"), told.arguments["max_spikes_per_dt"]),
        reset=Subtract(),
        recurrence="merged",
    )


def _current(node: Node, told: Told, tau: str) -> Any:
    return Exponential(alpha=_decay(node, told, tau), order="jump_decay_use")


def _lif(node: Node, told: Told) -> Any:
    return _spiking(node, told, "tau", None)


def _cuba_lif(node: Node, told: Told) -> Any:
    return _spiking(node, told, "tau_mem", _current(node, told, "tau_syn"))


def _li(node: Node, told: Told) -> Any:
    _checked(node, told, "tau")
    return Neuron(synapse=_current(node, told, "tau"), membrane=Leaky(beta=0.0))


SOURCE = Source(
    name="rockpool",
    title="Rockpool 3",
    dt=None,
    conventions={
        "tau": "in seconds; decays exp(-dt / tau)",
        "gain": "1; r = tau exp(-dt / tau) / dt",
        "reset": "by subtraction, in the step of the spike",
        "comparison": "v >= threshold, several spikes a step, at most max_spikes_per_dt",
        "state order": "the current jumps, decays, then is used; LI is that current alone",
    },
    resets=("subtract",),
    reset="subtract",
    options={"bias": 0.0, "max_spikes_per_dt": 2**16},
    carried=("tau_mem", "tau_syn", "threshold", "tau", "neuron", "state_order"),
    neurons={"LIF": _lif, "CubaLIF": _cuba_lif, "LI": _li},
)

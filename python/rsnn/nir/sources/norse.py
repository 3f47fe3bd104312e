"""Norse 1.1.0: inverse time constants, an Euler step, and the product of dt with a time constant in the file."""

from __future__ import annotations

from typing import Any

import numpy as np

from rsnn import presets

from .source import Node, Source, Told, undone


def _inverse(node: Node, told: Told, name: str) -> Any:
    """Give tau_inv in 1/s of ``tau = factor / tau_inv``; release 1.1.0 has dt for the factor."""
    value, factor = node.number(name), told.arguments["time_scaling_factor"]
    scale = told.dt if factor is None else factor
    kind = value.dtype.type
    return undone(value, lambda v: np.float64(kind(scale)) / v, lambda c: kind(scale) / c, kind)


def _one(node: Node, *names: str) -> None:
    for name in names:
        node.must_be(name, 1.0, f"Norse writes {name} = 1; give the source that wrote the file")


def _value(node: Node, told: Told) -> None:
    if told.reset != "value":
        raise node.error(f"reset={told.reset!r}: Norse resets these neurons to v_reset; give reset='value', or leave it out")


def _if(node: Node, told: Told) -> Any:
    _one(node, "r")
    _value(node, told)
    return presets.norse.IAF(node.number("v_threshold"), node.number("v_reset"))


def _lif(node: Node, told: Told) -> Any:
    _one(node, "r")
    return presets.norse.LIFBox(
        _inverse(node, told, "tau"), node.number("v_leak"), node.number("v_threshold"), node.number("v_reset"),
        reset_method=told.reset, dt=told.dt,
    )  # fmt: skip


def _cuba_lif(node: Node, told: Told) -> Any:
    _one(node, "r", "w_in")
    _value(node, told)
    return presets.norse.LIF(
        _inverse(node, told, "tau_syn"), _inverse(node, told, "tau_mem"), node.number("v_leak"), node.number("v_threshold"),
        node.number("v_reset"), dt=told.dt,
    )  # fmt: skip


def _li(node: Node, told: Told) -> Any:
    _one(node, "r")
    return presets.norse.LIBox(_inverse(node, told, "tau"), node.number("v_leak"), dt=told.dt)


def _cuba_li(node: Node, told: Told) -> Any:
    _one(node, "r", "w_in")
    return presets.norse.LI(_inverse(node, told, "tau_syn"), _inverse(node, told, "tau_mem"), node.number("v_leak"), dt=told.dt)


SOURCE = Source(
    name="norse",
    title="Norse 1.1.0",
    dt=0.001,
    conventions={
        "tau": "dt / tau_inv, that is the time constant times dt; dt = 0.001 s",
        "gain": "dt tau_inv, of an Euler step; IF adds its input as it is",
        "reset": "to v_reset, in the step of the spike",
        "comparison": "v > v_th",
        "state order": "the current jumps, is used, then decays by an Euler step",
    },
    resets=("value", "subtract"),
    reset="value",
    reset_argument="reset_method",
    options={"time_scaling_factor": None},
    carried=("tau_mem_inv", "tau_syn_inv", "v_leak", "v_th", "v_reset", "neuron", "state_order"),
    neurons={"IF": _if, "LIF": _lif, "CubaLIF": _cuba_lif, "LI": _li, "CubaLI": _cuba_li},
)

"""snnTorch 1.0.0: decays written as Euler time constants of a fixed dt, and a reset that is not written."""

from __future__ import annotations

from typing import Any

import numpy as np

from rsnn import presets

from .source import Node, Source, Told, undone


def _decay(node: Node, told: Told, tau: str, gain: str) -> Any:
    """Give the decay per step of ``tau = dt / (1 - decay)``, a float32 tensor in snnTorch."""
    value = node.number(tau)
    node.must_be(
        gain,
        np.asarray(value, np.float64) / told.dt,
        f"snnTorch writes {tau} / dt, which is not so with dt={told.dt:g}; give the dt= with which it is, or the source that wrote it",
    )
    kind = value.dtype.type
    return undone(value, lambda v: 1.0 - told.dt / v, lambda c: kind(told.dt) / (kind(1.0) - kind(c)), np.float32)


def _given(node: Node, told: Told) -> dict[str, Any]:
    if np.any(node.array("v_leak") != 0):
        raise node.error("v_leak: snnTorch writes 0; give the source that wrote the file")
    arguments = ("reset_delay", "inhibition", "graded_spikes_factor")
    return {"threshold": node.number("v_threshold"), "reset_mechanism": told.reset} | {name: told.arguments[name] for name in arguments}


def _lif(node: Node, told: Told) -> Any:
    made: Any = presets.snntorch.RLeaky if told.recurrent else presets.snntorch.Leaky
    return made(_decay(node, told, "tau", "r"), **_given(node, told))


def _cuba_lif(node: Node, told: Told) -> Any:
    made: Any = presets.snntorch.RSynaptic if told.recurrent else presets.snntorch.Synaptic
    return made(_decay(node, told, "tau_syn", "w_in"), _decay(node, told, "tau_mem", "r"), **_given(node, told))


SOURCE = Source(
    name="snntorch",
    title="snnTorch 1.0.0",
    dt=1e-4,
    conventions={
        "tau": "dt / (1 - beta), dt = 0.0001 s",
        "gain": "1: r = tau / dt, w_in = tau_syn / dt",
        "reset": "not in the file: v_reset = 0 is written whatever it is; one step late",
        "comparison": "mem > threshold",
        "state order": "the current decays, jumps, then is used",
    },
    resets=("subtract", "zero", "none"),
    reset=None,
    reset_argument="reset_mechanism",
    options={"reset_delay": True, "inhibition": False, "graded_spikes_factor": 1.0},
    carried=("alpha", "beta", "threshold", "V", "all_to_all", "linear_features", "neuron", "state_order"),
    neurons={"LIF": _lif, "CubaLIF": _cuba_lif},
)

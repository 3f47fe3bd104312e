"""SpikingJelly 2.0.0: time constants in steps times dt, Python floats, a hard reset."""

from __future__ import annotations

from typing import Any

import numpy as np

from rsnn import presets

from .source import CLOSE, Node, Source, Told, undone

_CURE = "give the dt= that it was exported with, or the source that wrote the file"


def _v_reset(node: Node, told: Told) -> Any:
    return None if told.reset == "subtract" else node.number("v_reset")


def _if(node: Node, told: Told) -> Any:
    node.must_be("r", 1.0 / told.dt, f"SpikingJelly writes 1 / dt, which is not so with dt={told.dt:g}; {_CURE}")
    return presets.spikingjelly.IFNode(node.number("v_threshold"), _v_reset(node, told))


def _lif(node: Node, told: Told) -> Any:
    tau = undone(node.number("tau"), lambda v: v / told.dt, lambda c: c * told.dt, np.float64)
    r, v_threshold, v_reset = node.array("r"), node.number("v_threshold"), _v_reset(node, told)
    decayed, whole = np.all(np.abs(r - 1.0) <= CLOSE), np.all(np.abs(r - tau) <= CLOSE * np.abs(tau))
    if not (decayed or whole):
        raise node.error(f"r={node.number('r')}: SpikingJelly writes 1 or tau / dt, which it is not with dt={told.dt:g}; {_CURE}")
    if not np.array_equal(node.number("v_leak"), node.number("v_reset")):
        raise node.error("v_leak: SpikingJelly writes v_reset; give the source that wrote the file")
    if told.arguments["neuron"] == "ParametricLIFNode":
        k: Any = 1.0 / np.asarray(tau)
        return presets.spikingjelly.ParametricLIFNode(decay_input=bool(decayed), v_threshold=v_threshold, v_reset=v_reset, sigmoid_w=k)
    return presets.spikingjelly.LIFNode(tau, bool(decayed), v_threshold, v_reset)


def _cuba_lif(node: Node, told: Told) -> Any:
    decays: list[Any] = []
    for tau, gain in (("tau_syn", "w_in"), ("tau_mem", "r")):
        value = node.number(tau)
        node.must_be(gain, np.asarray(value) / told.dt, f"SpikingJelly writes {tau} / dt, which is not so with dt={told.dt:g}; {_CURE}")
        decays.append(undone(value, lambda v: 1.0 - told.dt / v, lambda c: told.dt / (1.0 - c), np.float64))
    return presets.spikingjelly.CUBALIFNode(decays[0], decays[1], node.number("v_threshold"), _v_reset(node, told))


SOURCE = Source(
    name="spikingjelly",
    title="SpikingJelly 2.0.0",
    dt=1e-4,
    conventions={
        "tau": "tau in steps times dt; dt = 0.0001 s",
        "gain": "r = 1: the input is divided by tau (decay_input); r = tau: it is not; IF has r = 1 / dt",
        "reset": "to v_reset, in the step of the spike; a soft reset is not exported",
        "comparison": "v >= v_threshold",
        "state order": "the current decays, jumps, then is used",
    },
    resets=("value", "subtract"),
    reset="value",
    options={"neuron": "LIFNode"},
    carried=("tau", "init_tau", "decay_input", "v_threshold", "v_reset", "c_decay", "v_decay", "state_order"),
    neurons={"IF": _if, "LIF": _lif, "CubaLIF": _cuba_lif},
)

"""Spyx: the decay itself in place of the resistance, and spikes read off the membrane before the step."""

from __future__ import annotations

from typing import Any

import numpy as np

from rsnn.composed import Neuron
from rsnn.stages import Exponential, Leaky, Strict, Subtract

from .source import Node, Source, Told


def _decay(node: Node, told: Told, tau: str) -> Any:
    """Give the decay, which is r; it is also ``1 - dt / tau``."""
    node.must_be(
        "r",
        1.0 - told.dt / np.asarray(node.array(tau), np.float64),
        f"Spyx writes the decay 1 - dt / {tau}, which is not so with dt={told.dt:g}; "
        "give the dt= that it was exported with, or the source that wrote the file",
    )
    return node.number("r")


def _neuron(node: Node, beta: Any, timing: str, synapse: Any = None) -> Any:
    return Neuron(synapse=synapse, membrane=Leaky(beta=beta), fire=Strict(node.number("v_threshold")), reset=Subtract(timing))


def _if(node: Node, told: Told) -> Any:
    node.must_be("r", 1.0, "Spyx writes r = 1; give the source that wrote the file")
    return _neuron(node, 1.0, "next")


def _lif(node: Node, told: Told) -> Any:
    return _neuron(node, _decay(node, told, "tau"), "next")


def _cuba_lif(node: Node, told: Told) -> Any:
    value = node.number("tau_syn")
    alpha = (1.0 - told.dt / np.asarray(value, np.float64)).astype(value.dtype)
    return _neuron(node, _decay(node, told, "tau_mem"), "same", Exponential(alpha=alpha))


SOURCE = Source(
    name="spyx",
    title="Spyx",
    dt=1.0,
    conventions={
        "tau": "dt / (1 - beta); dt = 1 unless exported with another one",
        "gain": "1; r is written as beta",
        "reset": "by subtraction, before the step, of CuBaLIF before the decay",
        "comparison": "V > threshold, before the step: a spike is sent one step later than snnTorch would",
        "state order": "the current decays, jumps, then is used",
    },
    resets=("subtract",),
    reset="subtract",
    carried=("beta", "alpha", "threshold", "hidden_shape", "neuron", "state_order"),
    neurons={"IF": _if, "LIF": _lif, "CubaLIF": _cuba_lif},
    late=1,
    rewires=True,
)

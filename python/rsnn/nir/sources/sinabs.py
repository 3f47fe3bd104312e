"""sinabs 3.1.3: time constants in steps; whether the input is weighed, and the lower bound, are not in the file."""

from __future__ import annotations

from typing import Any

import numpy as np

from rsnn import presets
from rsnn.arguments import choice

from .source import Node, Source, Told

_SPIKES = ("SingleSpike", "MultiSpike")


def _plain(node: Node) -> None:
    node.must_be("r", 1.0, "sinabs writes r = 1; give the source that wrote the file")
    if "v_leak" in node.fields and np.any(node.array("v_leak") != 0):
        raise node.error("v_leak: sinabs writes 0; give the source that wrote the file")


def _given(node: Node, told: Told) -> dict[str, Any]:
    spike_fn, reset_fn = told.arguments["spike_fn"], told.arguments["reset_fn"]
    if isinstance(spike_fn, str):
        spike_fn = getattr(presets.sinabs, choice("spike_fn", spike_fn, _SPIKES))
    if reset_fn is None:
        reset_fn = presets.sinabs.MembraneSubtract() if told.reset == "subtract" else presets.sinabs.MembraneReset()
    return {
        "spike_threshold": node.number("v_threshold"),
        "spike_fn": spike_fn,
        "reset_fn": reset_fn,
        "tau_syn": told.arguments["tau_syn"],
        "min_v_mem": told.arguments["min_v_mem"],
    }


def _if(node: Node, told: Told) -> Any:
    _plain(node)
    return presets.sinabs.IAF(**_given(node, told))


def _lif(node: Node, told: Told) -> Any:
    _plain(node)
    return presets.sinabs.LIF(node.number("tau"), norm_input=told.arguments["norm_input"], **_given(node, told))


def _li(node: Node, told: Told) -> Any:
    _plain(node)
    return presets.sinabs.ExpLeak(node.number("tau"), told.arguments["norm_input"])


SOURCE = Source(
    name="sinabs",
    title="sinabs 3.1.3",
    dt=1.0,
    fixed=True,
    conventions={
        "tau": "in steps; decay exp(-1 / tau)",
        "gain": "not in the file: norm_input",
        "reset": "by subtraction, in the step of the spike, unless told otherwise; the bound min_v_mem is not in the file",
        "comparison": "v >= spike_threshold, several spikes a step unless spike_fn says otherwise",
        "state order": "the current jumps, decays, then is used; tau_syn is not in the file",
    },
    resets=("subtract", "zero"),
    reset="subtract",
    needs={"norm_input": ("LIF", "LI"), "min_v_mem": ("IF", "LIF")},
    options={"spike_fn": presets.sinabs.MultiSpike, "reset_fn": None, "tau_syn": None},
    carried=("tau_mem", "spike_threshold", "neuron", "state_order", "batch_size", "num_timesteps"),
    neurons={"IF": _if, "LIF": _lif, "LI": _li},
)

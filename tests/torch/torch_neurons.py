"""Neurons that together take every branch of the kernels, and data that makes them fire."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import rsnn
from rsnn import stages

N = 5
PER_NEURON = np.linspace(0.5, 0.95, N)


def _spiking() -> dict[str, rsnn.LIF]:
    made = {}
    for synapse in ({}, {"alpha": 0.7}):
        for fire in ({}, {"fire": "multi"}, {"fire": "multi", "max_spikes": 2}):
            for reset in ({}, {"reset": "value", "v_reset": -0.25}):
                for timing in ("same", "next", "residual"):
                    if fire and reset and timing == "residual":
                        continue  # refused by the neuron: several spikes to a value have no residual
                    name = "-".join(("lif", *synapse, *(str(v) for v in fire.values()), *(("value",) if reset else ()), timing))
                    made[name] = rsnn.LIF(beta=0.875, **synapse, **fire, **reset, reset_timing=timing)
    return made


NEURONS = _spiking() | {
    "li": rsnn.LI(tau_mem=7.0, tau_syn=3.0, v_leak=0.125, bias=0.25),
    "li-unit": rsnn.LI(beta=0.75),
    "lif-all": rsnn.LIF(tau_mem=9.0, tau_syn=4.0, v_threshold=0.75, v_leak=0.125, r=3.0, bias=0.0625, v_min=-0.5),
    "lif-euler": rsnn.LIF(tau_mem=9.0, v_leak=0.25, r=4.0, discretization="euler"),
    "lif-none": rsnn.LIF(beta=0.75, reset="none"),
    "lif-refractory": rsnn.LIF(beta=0.9, refractory=2.0, v_min=-0.25),
    "lif-refractory-next": rsnn.LIF(beta=0.9, alpha=0.5, refractory=3.0, reset="zero", reset_timing="next"),
    "lif-refractory-residual": rsnn.LIF(beta=0.9, refractory=2.0, reset_timing="residual"),
    "lif-per-neuron": rsnn.LIF(beta=PER_NEURON, alpha=PER_NEURON[::-1].copy(), v_threshold=PER_NEURON + 0.25, v_leak=0.5 - PER_NEURON),
    "iaf": rsnn.IAF(bias=0.0625, v_min=-0.5),
    "iaf-capped": rsnn.IAF(max_spikes=3, v_threshold=0.5),
}
"""Every combination of synapse, fire, reset and timing, and every optional term."""

DRIVES = {"LIF": 20.0, "ALIF": 3.0, "Alpha": 3.0, "EIF": 20.0, "QIF": 2.0, "AdEx": 3000.0, "Izhikevich": 30.0, "GLIF3": 1500.0}
"""What makes a named neuron of default numbers fire, where 1 does not."""


def soft(neuron: rsnn.LIF) -> rsnn.Neuron:
    """The same neuron with the smooth stand-in for a spike, whose surrogate gradient is its true gradient."""
    form = neuron.stages
    return rsnn.Neuron(
        synapse=form.synapse,
        membrane=form.membrane,
        fire=None if form.fire is None else stages.Soft(form.fire.v_threshold),
        reset=form.reset,
        refractory=form.refractory,
        v_min=form.v_min,
        dt=form.dt,
    )


def one_after_other(call: Callable[..., Any], parts: Iterable[Any]) -> tuple[list[Any], Any]:
    """Call a layer with part after part, from state to state; give the outputs and the last state."""
    outputs, state = [], None
    for part in parts:
        output, state = call(part, state)
        outputs.append(output)
    return outputs, state


def data(shape: tuple[int, ...], seed: int = 0, dtype: type = np.float32) -> np.ndarray:
    """Inputs of both signs that make most neurons here fire in a third of the steps."""
    return np.random.default_rng(seed).normal(0.25, 0.75, shape).astype(dtype)

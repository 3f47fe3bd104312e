"""Gradients are derivatives: every neuron with the smooth stand-in for a spike, whose surrogate is its true slope, against differences.

The smooth neuron is made in the words of its kernel, so that neurons of stages, whole ones and presets all pass here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from preset_strategies import NEEDED

import rsnn
from rsnn import neurons
from rsnn.surrogate import FastSigmoid
from rsnn.torch import functional

N, STEPS = 3, 6

NAMED: dict[str, Any] = {
    "LI": rsnn.LI(tau_mem=7.0, tau_syn=3.0),
    "LIF": rsnn.LIF(tau_mem=7.0, tau_syn=3.0, v_min=-0.5),
    "IAF": rsnn.IAF(max_spikes=2),
    "ALIF": rsnn.ALIF(tau_mem=7.0, tau_adapt=5.0),
    "Alpha": rsnn.Alpha(tau_mem=7.0),
    "EIF": rsnn.EIF(tau_mem=7.0),
    "QIF": rsnn.QIF(tau_mem=7.0),
    "AdEx": rsnn.AdEx(tau_mem=7.0),
    "Izhikevich": rsnn.Izhikevich(dt=0.25),
    "GLIF3": rsnn.GLIF3(),
}
ARE_STAGES = {"SingleSpike", "MultiSpike", "MaxSpike", "MembraneSubtract", "MembraneReset", "surrogate"}


def presets() -> dict[str, Any]:
    """Every preset with the least arguments, and those of snnTorch with each reset, also at once."""
    made: dict[str, Any] = {}
    for library in ("norse", "snntorch", "sinabs", "spikingjelly"):
        module = import_module(f"rsnn.presets.{library}")
        for name in module.__all__:
            if name in ARE_STAGES:
                continue
            make = getattr(module, name)
            given = NEEDED.get(make, {})
            made[f"{library}.{name}"] = make(**given)
            if library == "snntorch":
                for reset in ("subtract", "zero", "none"):
                    made[f"{library}.{name}-{reset}"] = make(**given, reset_mechanism=reset)
                    if name in ("Leaky", "Synaptic", "Lapicque"):
                        made[f"{library}.{name}-{reset}-at-once"] = make(**given, reset_mechanism=reset, reset_delay=False)
    return made


def resets() -> dict[str, Any]:
    """Every reset with every timing that takes it, and with what holds or bounds the membrane."""
    made: dict[str, Any] = {}
    for reset in ("none", "subtract", "zero", "value"):
        for timing in ("same", "next", "residual") if reset != "none" else ("same",):
            for more in ({}, {"refractory": 2.0}, {"v_min": -0.25}):
                given: dict[str, Any] = {"beta": 0.75, "alpha": 0.5, "reset": reset, "reset_timing": timing, **more}
                given |= {"v_reset": -0.25} if reset == "value" else {}
                made[f"lif-{reset}-{timing}-{''.join(more) or 'plain'}"] = rsnn.LIF(**given)
    return made


CASES = NAMED | presets() | resets()


def smooth(neuron: Any) -> functional.Plan:
    """The plan of the smooth neuron, all parameters learned."""
    plan = functional.Plan.of(neuron, tuple(neuron.parameters))
    spec = re.sub("fire=(single|strict|multi|capped)", "fire=soft", plan.kernel.spec).replace("reset=value", "reset=blend")
    spec = spec.replace(" masked", "")  # whose slope is that of a spike, by which its value does not move
    coefficients = tuple(name for name in plan.kernel.coefficients if name != "max_spikes")
    # Without ranges: at the end of one, where defaults are, a derivative has one side alone.
    everywhere = dict.fromkeys(plan.ranges, (-np.inf, np.inf))
    return replace(plan, kernel=replace(plan.kernel, spec=spec, coefficients=coefficients), ranges=everywhere)


def test_every_named_neuron_is_here() -> None:
    assert set(neurons.NAMED) <= {name.lower() for name in NAMED} | set(NAMED)


@pytest.mark.parametrize("backend", ["rust", "torch"])
@pytest.mark.parametrize("name", CASES)
def test_gradients_are_differences(name: str, backend: str) -> None:
    neuron = CASES[name]
    plan = smooth(neuron)
    size = 10.0 if "zhikevich" in name or "LIFAdEx" in name else 1.0
    x = torch.from_numpy(np.random.default_rng(5).normal(0.4, 1.0, (STEPS, 1, N)) * size).requires_grad_()
    flows = [field for field in plan.kernel.states if field != "rest"]
    given = neuron.init_state((1, N), "float64")._asdict()
    start = [torch.from_numpy(given[field].copy() + 0.0625).requires_grad_() for field in flows]
    learned = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in neuron.parameters.values()]
    options = functional.Options.checked(FastSigmoid(2.0), False, (), 4, False, backend)

    def outcome(x: torch.Tensor, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        state = plan.state(**({k: torch.from_numpy(v) for k, v in given.items()} | dict(zip(flows, values, strict=False))))
        result = functional.run(plan, dict(zip(neuron.parameters, values[len(flows) :], strict=True)), x, state, ("u",), options)
        returned = (result.output, result.u, *(getattr(result.state, field) for field in flows))
        return tuple(value for value in returned if value.requires_grad)

    assert torch.autograd.gradcheck(outcome, (x, *start, *learned), rtol=1e-4, atol=1e-5)

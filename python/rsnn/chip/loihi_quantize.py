"""From a float population to the integers of Loihi: one scale K for its weights, threshold and bias.

``w = K gain weight``, ``vth = ceil(K v_threshold) - 1`` (the chip fires above its threshold, not at it), ``bias = 64 K gain bias``. Decays
become parts of 4096, each rounded to the nearest.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rsnn import stages
from rsnn.composed import Neuron
from rsnn.errors import InvalidValueError

from .integers import Array
from .loihi_layer import LAVA, STATE_BITS, LoihiLayer
from .loihi_synapses import Dense
from .options import Options
from .populations import Population
from .reading import refuse, refuse_extras, refuse_other_resets

MOST_VTH = 131071
MANTISSA = 4095
LAVA_DL = 64.0
"""By what lava-dl multiplies weights and thresholds of every network."""


def quantised(options: Options, one: Population, limit: float, importance: Any) -> LoihiLayer:
    """Quantise weights and neurons together, at no larger scale than the limit."""
    target, name, own, neuron = options.target.name, one.name, one.neuron_name, one.neuron
    (matrix,) = one.synapses.values()
    c = {key: np.asarray(value, np.float64) for key, value in neuron.coefficients().items()}
    refractory = _accept(target, own, neuron, c)
    for key in ("alpha", "beta", "gain", "v_threshold"):
        if key in c and np.unique(c[key]).size != 1:
            raise refuse(target, own, f"a {key} for each neuron", "a population has one", "use one value, or split the layer")
    gain = float(c["gain"].flat[0]) if "gain" in c else 1.0
    threshold = float(c["v_threshold"].flat[0])
    if threshold <= 0:
        raise refuse(target, own, f"v_threshold={threshold:g}", "it would fire without input", "use a positive one")
    weight = matrix * gain
    bias = np.broadcast_to(c.get("bias", np.zeros(())), len(weight)) * gain
    if one.bias.any():
        if "alpha" in c:
            raise refuse(
                target, name, "a bias", "it would have to pass through the synapse", "give the neurons bias=, divided by 1 - alpha"
            )
        bias = bias + one.bias * gain
    mixed = bool((weight < 0).any() and (weight > 0).any())
    used, scale = _weights(options, name, weight, mixed, threshold, limit, importance)
    total = options.round(64 * scale * bias)
    exponent = np.maximum(0, np.ceil(np.log2(np.maximum(np.abs(total), 1) / MANTISSA))).astype(np.int64)
    exponent = exponent if options.rule is None else np.full_like(exponent, 6)
    mantissa = options.round(total / 2.0**exponent).astype(np.int64)
    alpha = float(c["alpha"].flat[0]) if "alpha" in c else 0.0
    beta = float(c["beta"].flat[0]) if "beta" in c else 1.0
    du, dv = min(4095, max(0, round(4096 * (1 - alpha)) - 1)), round(4096 * (1 - beta))
    # The chip fires above its threshold, not at it; lava-dl trains with that in mind, and cuts.
    vth = max(0, math.ceil(scale * threshold) - 1) if options.rule is None else int(scale * threshold)
    return LoihiLayer(
        target=target,
        name=name,
        index=one.index,
        neuron_index=one.neuron_index,
        synapses=Dense(used.astype(np.int64), num_weight_bits=options.weight_bits, sign_mode=None if not mixed else "mixed"),
        du=du,
        dv=dv,
        vth=vth,
        bias_mant=mantissa,
        bias_exp=exponent,
        refractory=refractory,
        scale=scale,
        gain=gain,
    )


def _weights(
    options: Options, name: str, weight: Array, mixed: bool, threshold: float, limit: float, importance: Any
) -> tuple[Array, float]:
    """Scale weights and round them to what the chip holds; give them, and the scale."""
    target = options.target.name
    largest = float(np.abs(weight).max(initial=0))
    if largest == 0:
        raise refuse(target, name, "weights that are all 0", "there is nothing to scale", "leave the layer out")
    # In the mixed mode the chip holds even weights only, with fewer bits multiples of more: the nearest of them, so that nothing is cut.
    # So does lava-dl whatever their signs are.
    even = mixed or options.rule is not None
    step = 1 << (8 - options.weight_bits + int(even))
    low, high = (-256 // step, 256 // step - 1) if even else (-(256 // step - 1), 256 // step - 1)
    if options.rule is None:
        free = step * float(options.scales(weight.reshape(1, -1), low, high, threshold, _spread(importance, weight))[0])
        scale = min(free if options.scale != "max" else high * step / largest, MOST_VTH / threshold, limit)
    else:
        scale = LAVA_DL
    used = step * options.whole(scale * weight / step, low, high)
    if not used.any():
        raise refuse(
            target, name, f"weights of at most {largest:g} at a threshold of {threshold:g}", "all become 0", "use a lower threshold"
        )
    return used, scale


def _spread(importance: Any, weight: Array) -> Any:
    """Give how much each weight's error counts, as one row."""
    return None if importance is None else np.broadcast_to(importance, weight.shape).reshape(1, -1)


def _accept(target: str, name: str, neuron: Any, c: dict[str, Array]) -> int:
    """Refuse what the neuron of the chip does not do; give the refractory steps."""
    form = neuron.stages

    def no(parameter: str, why: str, cure: str) -> InvalidValueError:
        return refuse(target, name, parameter, why, cure)

    if not isinstance(form, Neuron) or not isinstance(form.membrane, (stages.Leaky, stages.Integrator)):
        raise no("its membrane", "the chip has a leaky one", "use rsnn.LIF()")
    synapse: Any = form.synapse
    if synapse is not None and (not isinstance(synapse, stages.Exponential) or synapse.order != "decay_jump_use"):
        raise no("its synapse", "the chip's current decays, jumps and is used", "use rsnn.LIF(tau_syn=...)")
    if np.any(c.get("v_leak", np.zeros(())) != 0):
        raise no("v_leak", "the membrane falls towards 0", "shift v_threshold by it, and add nothing else")
    refuse_extras(target, name, neuron)
    if type(form.fire) is not stages.Single:
        raise no("fire", "a neuron fires at most once in a step", 'use fire="single"')
    refuse_other_resets(target, name, neuron, STATE_BITS)
    if form.refractory is None:
        return 1
    if target == LAVA:
        raise no("a refractory period", "Lava's fixed-point neuron has none", 'leave it out, or use target="loihi1_nengo"')
    steps = np.unique(np.asarray(form.refractory, np.float64) / neuron.dt)
    if steps.size != 1:
        raise no("a refractory period for each neuron", "a population has one", "use one value")
    return int(steps[0]) + 1

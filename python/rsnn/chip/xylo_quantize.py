"""From float populations to the integers of a Xylo core.

Every neuron has a scale K of its own, which changes nothing but the size of its membrane: ``w = K gain weight / alpha`` (the chip's
current decays after a spike has arrived, that of ``rsnn.LIF`` before), ``threshold = K v_threshold``, ``bias = K gain bias``. A decay
becomes a shift by ``round(log2(tau / dt))``: the time constant is rounded to a power of two, and alpha to ``1 - 2**-dash``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import stages
from rsnn.composed import Neuron
from rsnn.errors import InvalidValueError

from . import rockpool
from .options import Options, mean_square
from .populations import Population
from .reading import refuse, refuse_extras
from .xylo import Core
from .xylo_wide import run_wide

Array = npt.NDArray[Any]
STATE = 32767
MOST_SHIFT = 8
ROOM = 2
"""Calibration leaves room for so many times what it saw."""


@dataclass(frozen=True, eq=False)
class Floats:
    """A population in floats, in the chip's form: rows of weights from everything that is before it, one after the other.

    `first` is its first neuron among those of its group; dashes are integers already.
    """

    population: Population
    first: int
    weight: Array
    threshold: Array
    bias: Array
    dash_syn: npt.NDArray[np.int64]
    dash_mem: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Group:
    """Hidden neurons, or output neurons, together: weights (sources, n), and what belongs to each neuron."""

    weight: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.int64]
    bias: npt.NDArray[np.int64]
    dash_syn: npt.NDArray[np.int64]
    dash_mem: npt.NDArray[np.int64]
    scale: Array
    shift: int = 0


def floats(target: str, one: Population, first: int, width: int, places: dict[int, slice], output: bool) -> Floats:
    """Read one population; `places` says where each source has its row among `width`."""
    accept(target, one.neuron_name, one.neuron, output)
    c = {key: np.asarray(value, np.float64) for key, value in one.neuron.coefficients().items()}
    defaults = (("alpha", np.nan), ("beta", 1.0), ("gain", 1.0), ("v_threshold", 1.0), ("bias", 0.0))
    try:
        alpha, beta, gain, threshold, bias = (np.broadcast_to(c.get(key, default), one.n) for key, default in defaults)
    except ValueError:
        raise refuse(
            target, one.neuron_name, "parameters with several axes", "neurons stand in a row", "put rsnn.Flatten() before"
        ) from None
    if one.bias.any():
        raise refuse(target, one.name, "a bias", "it would have to pass through the synapse", "give the neurons bias=")
    dash_syn, dash_mem = (_dash(target, one.neuron_name, kept, label) for kept, label in ((alpha, "tau_syn"), (beta, "tau_mem")))
    order: Any = one.neuron.stages.synapse
    held = 1 - 0.5**dash_syn if order.order == "decay_jump_use" else np.ones(one.n)
    weight = np.zeros((one.n, width))
    for (source, _), w in one.synapses.items():
        weight[:, places[source]] += w
    return Floats(one, first, weight * (gain / held)[:, None], threshold, gain * bias, dash_syn, dash_mem)


def scaled(options: Options, parts: list[Floats], importance: Array | None = None) -> Group:
    """Quantise populations together, each neuron with a scale of its own."""
    weight, threshold, bias, dash_syn, dash_mem = (
        np.concatenate([getattr(one, name) for one in parts]) for name in ("weight", "threshold", "bias", "dash_syn", "dash_mem")
    )
    scale = options.scales(weight, -options.top, options.top, threshold, importance)
    with np.errstate(divide="ignore"):
        scale = np.minimum(scale, STATE / np.maximum(threshold, np.abs(bias)))
    made = _rounded(options, weight, threshold, bias, scale)
    dead = np.flatnonzero(weight.any(axis=1) & ~made[0].any(axis=0))
    if len(dead):
        n, owner = int(dead[0]), next(one for one in reversed(parts) if dead[0] >= one.first - parts[0].first)
        largest = np.abs(weight[n]).max()
        raise refuse(
            options.target.name, owner.population.name,
            f"the weights of neuron {n - owner.first + parts[0].first}, at most {largest:g} at a threshold of {threshold[n]:g}",
            "all become 0", "use a lower threshold",
        )  # fmt: skip
    return Group(*made, dash_syn, dash_mem, scale)


def _rounded(options: Options, weight: Array, threshold: Array, bias: Array, scale: Array, shift: int = 0) -> tuple[Any, Any, Any]:
    whole = options.whole(weight * scale[:, None], -options.top, options.top)
    by = scale * 2.0**shift
    top = options.whole(by * threshold, 1, STATE)
    return np.ascontiguousarray(whole.T), top, options.whole(by * bias, -STATE - 1, STATE)


def by_rockpool(options: Options, hidden: list[Floats], output: Floats, n_in: int) -> tuple[Group, Group]:
    """Quantise with a rule of rockpool."""
    weight, threshold, bias, dash_syn, dash_mem = (
        np.concatenate([getattr(one, name) for one in hidden]) for name in ("weight", "threshold", "bias", "dash_syn", "dash_mem")
    )
    specification = {
        "weights_in": np.ascontiguousarray(weight[:, :n_in].T), "weights_rec": np.ascontiguousarray(weight[:, n_in:].T),
        "weights_out": np.ascontiguousarray(output.weight.T), "threshold": threshold.copy(), "threshold_out": output.threshold.copy(),
        "bias": bias.copy(), "bias_out": output.bias.copy(), "dash_mem": dash_mem, "dash_mem_out": output.dash_mem, "dash_syn": dash_syn,
        "dash_syn_2": dash_syn, "dash_syn_out": output.dash_syn,
    }  # fmt: skip
    q, scales = rockpool.scaled(str(options.rule).removeprefix("rockpool_"), specification, faults=options.faults)
    own: Any = q
    into, n_out = np.concatenate([own["weights_in"], own["weights_rec"]]), len(output.threshold)
    of_hidden, of_output = np.broadcast_to(scales[0], len(threshold)), np.broadcast_to(scales[1], n_out)
    last = (own["weights_out"], own["threshold_out"], own["bias_out"], output.dash_syn, output.dash_mem)
    return Group(into, own["threshold"], own["bias"], dash_syn, dash_mem, of_hidden), Group(*last, of_output)


def core_of(hidden: Group, output: Group, n_in: int, alias: Array) -> Core:
    """Put both groups on a core."""
    return Core(
        w_in=hidden.weight[:n_in], w_rec=hidden.weight[n_in:], w_out=output.weight, dash_syn=hidden.dash_syn, dash_mem=hidden.dash_mem,
        dash_syn_out=output.dash_syn, dash_mem_out=output.dash_mem, threshold=hidden.threshold, threshold_out=output.threshold,
        bias=hidden.bias, bias_out=output.bias, alias=alias, shift_in=hidden.shift, shift_rec=hidden.shift, shift_out=output.shift,
    )  # fmt: skip


def calibrated(
    options: Options, hidden: list[Floats], output: Floats, n_in: int, alias: Array, x: Array, threads: int
) -> tuple[Group, Group]:
    """Choose scales and weight shifts so that states stay inside 16 bits on typical input, with room where there is some."""
    groups = [scaled(options, hidden), scaled(options, [output])]
    parts = [hidden, [output]]
    if options.scale == "mse":
        arriving = mean_square(core_of(groups[0], groups[1], n_in, alias).run(x, threads=threads).spikes, (-1,))
        arriving_in = mean_square(np.minimum(x, 15), (-1,))
        groups = [scaled(options, hidden, np.concatenate([arriving_in, arriving])), scaled(options, [output], arriving)]

    def look(k: int) -> Array:
        """Give the part of 16 bits that each neuron of a group would reach, had it more."""
        traces = run_wide(core_of(groups[0], groups[1], n_in, alias), x, threads)[1][k]
        reached = [
            np.abs(traces[name].astype(np.int64)).reshape(-1, groups[k].weight.shape[1]).max(axis=0, initial=0) for name in ("i", "u")
        ]
        part: Array = np.maximum(*reached) / STATE
        return part

    def again(k: int, scale: Array, shift: int) -> None:
        weight, threshold, bias = (np.concatenate([getattr(one, name) for one in parts[k]]) for name in ("weight", "threshold", "bias"))
        made = _rounded(options, weight, threshold, bias, scale, shift)
        lost = np.flatnonzero(weight.any(axis=1) & ~made[0].any(axis=0))
        if len(lost):
            raise InvalidValueError(
                f"calibration: neuron {lost[0]} of layer {parts[k][0].population.name} leaves 16 bits at every scale that "
                f"leaves it a weight; use a lower threshold, or input with fewer events"
            )
        groups[k] = replace(groups[k], weight=made[0], threshold=made[1], bias=made[2], scale=scale * 2.0**shift, shift=shift)

    # Hidden neurons first: what they send decides what the output neurons take.
    for k in (0, 1):
        base, seen = groups[k].scale, look(k)
        while (seen >= 1).any():
            base = np.where(seen >= 1, base * np.minimum(0.95 / np.maximum(seen, 1e-9), 0.95), base)
            again(k, base, 0)
            seen = look(k)
        sizes = np.concatenate([np.maximum(one.threshold, np.abs(one.bias)) for one in parts[k]])
        room = min(STATE / float((base * sizes).max(initial=1)), 1 / max(ROOM * float(seen.max(initial=0.0)), 1e-9))
        shift = min(MOST_SHIFT, math.floor(math.log2(room))) if room >= 2 else 0
        while shift > 0:
            again(k, base, shift)
            if (look(k) < 1).all():
                break
            shift -= 1
            again(k, base, shift)
    return groups[0], groups[1]


def _dash(target: str, name: str, kept: Array, label: str) -> npt.NDArray[np.int64]:
    """Give the shift for a part that is kept in each step."""
    with np.errstate(divide="ignore", invalid="ignore"):
        dash = np.rint(np.log2(-1 / np.log(kept)))
    if np.any(kept >= 1) or np.any(dash > 15) or np.any(~np.isfinite(dash)) or np.any(dash < 1):
        raise refuse(
            target, name, label, "the chip has time constants of 2 to 32768 steps, in powers of two", f"use a {label} of that size"
        )
    return dash.astype(np.int64)


def accept(target: str, name: str, neuron: Any, output: bool) -> None:
    """Refuse what the neuron of the chip does not do."""
    form = neuron.stages

    def no(parameter: str, why: str, cure: str) -> InvalidValueError:
        return refuse(target, name, parameter, why, cure)

    if not isinstance(form, Neuron) or not isinstance(form.membrane, stages.Leaky):
        raise no("its membrane", "the chip has a leaky one", "use rsnn.LIF(tau_mem=..., tau_syn=...)")
    synapse: Any = form.synapse
    if synapse is None:
        raise no("neurons without a synapse", "the chip's current decays before it is used", "give tau_syn=")
    if not isinstance(synapse, stages.Exponential) or synapse.order not in ("decay_jump_use", "jump_decay_use"):
        raise no("its synapse", "the chip's current jumps, decays and is used", "use rsnn.LIF(tau_syn=...)")
    if np.any(np.asarray(neuron.coefficients().get("v_leak", 0)) != 0):
        raise no("v_leak", "the membrane falls towards 0", "leave it out")
    refuse_extras(target, name, neuron)
    most = getattr(form.fire, "max_spikes", None)
    single = type(form.fire) is stages.Single or (type(form.fire) is stages.Multi and most == 1)
    if output and not single:
        raise no("fire", "an output neuron fires at most once in a step", 'use fire="single"')
    if not output and (type(form.fire) is not stages.Multi or (most is not None and most < 31)):
        raise no("fire", "a hidden neuron fires up to 31 times in a step", 'use fire="multi", max_spikes=31')
    reset: Any = form.reset
    if type(reset) is not stages.Subtract or reset.timing != "same":
        raise no("its reset", "a spike subtracts the threshold at once", 'use reset="subtract"')
    if form.v_min is not None:
        raise no("v_min", "the membrane has only the end of its 16 bits", "leave it out")
    if form.refractory is not None:
        raise no("a refractory period", "the chip has none", "leave it out")

"""Networks on Loihi, as Lava's simulator or nengo-loihi's has it: from float layers to integers.

One scale K for each population makes its weights, threshold and bias integers: ``w = K gain weight``, ``vth = ceil(K v_threshold) - 1``
(the chip fires above its threshold, not at it), ``bias = 64 K gain bias``. Decays become parts of 4096, each rounded to the nearest.
On the chip every population answers one step later than the one before; here steps are aligned with those of the float network.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsnn import stages
from rsnn.composed import Neuron
from rsnn.errors import InvalidValueError
from rsnn.layers import Flatten, Linear
from rsnn.network import Network
from rsnn.neurons import LIF as FloatLIF
from rsnn.threads import resolve

from .integers import Array, integer, integers
from .loihi_neurons import compartment, lif
from .loihi_synapses import Dense
from .network import ChipNetwork, Rung
from .neuron import IntegerNeuron, Register, run
from .options import Options, mean_square
from .quantize import index_names, refuse
from .report import Check, Limit, StateRange
from .result import ChipResult, Stats

LAVA, NENGO = "loihi_lava", "loihi1_nengo"
STATE_BITS = 24
_HIGHEST = (1 << 23) - 1
_SYNAPSE_MEMORY = 128 * 1024
_VTH = 131071
_MANTISSA, _EXPONENT = 4095, 7
_COMPARTMENTS, _AXONS = 1024, 4096


@dataclass(frozen=True, eq=False)
class LoihiLayer:
    """Synapses and a population on the chip.

    Attributes
    ----------
    name : the layer, as ``"0 Linear"``
    index, neuron_index : where the float network has its weights and its neurons
    synapses : the weights, cut to the chip's bits
    du, dv, vth, bias_mant, bias_exp, refractory : what the chip is given
    scale : K, by which weights and threshold were multiplied
    gain : by which the float neuron multiplies its input
    """

    target: str
    name: str
    index: int
    neuron_index: int
    synapses: Dense
    du: int
    dv: int
    vth: int
    bias_mant: Array
    bias_exp: Array
    refractory: int
    scale: float
    gain: float
    state_bits: int = STATE_BITS
    delay: int = 0

    @property
    def v_threshold(self) -> int:
        """The threshold, in the size of the membrane."""
        return self.vth << 6

    @property
    def bias(self) -> Array:
        """The bias as it is added to the membrane."""
        return self.bias_mant << self.bias_exp

    @property
    def kept(self) -> Mapping[str, Array]:
        """The parts of current and membrane that are kept in a step."""
        return {"alpha": np.array((4095 - self.du) / 4096), "beta": np.array((4096 - self.dv) / 4096)}

    def wide(self) -> IntegerNeuron:
        """Give the neuron with states of 32 bits that nothing cuts."""
        current, membrane = (Register(bits=32, decay="scale", by=by) for by in (4095 - self.du, 4096 - self.dv))
        return IntegerNeuron(
            v_threshold=self.v_threshold, compare=">", fire="single", reset="zero", bias=self.bias, membrane=membrane, current=current,
            refractory=self.refractory if self.refractory > 1 else None, input_shift=6,
        )  # fmt: skip

    def time_constants(self, dt: float) -> tuple[float, float]:
        """Give the time constants of current and membrane that the rounded decays stand for, in the unit of `dt`."""

        def tau(kept: int) -> float:
            return 0.0 if kept <= 0 else math.inf if kept >= 4096 else -dt / math.log(kept / 4096)

        return tau(4095 - self.du), tau(4096 - self.dv)

    def run(self, x: Array, state: Any, recorded: tuple[str, ...], threads: int) -> ChipResult:
        """Run over spikes ``(T, [B,] n)``."""
        flat = x.reshape(*x.shape[: x.ndim - 1], -1)
        a = self.synapses.sums(flat, threads)
        own = {"du": self.du, "dv": self.dv, "state": state, "record": recorded, "threads": threads}
        if self.target == LAVA:
            result = lif(a, vth=self.vth, bias_mant=self.bias_mant, bias_exp=self.bias_exp, **own)
        else:
            result = compartment(a, vth=self.v_threshold, bias=self.bias, refractory=self.refractory, **own)
        reached = int(np.count_nonzero(flat != 0)) * len(self.synapses.used)
        return dataclasses.replace(result, stats=dataclasses.replace(result.stats, synops=reached))

    def reached(self, x: Array, threads: int) -> tuple[StateRange, ...]:
        """Say how far membrane and current would rise and fall over spikes, had they 32 bits."""
        result = run(self.wide(), self.synapses.sums(x.reshape(*x.shape[: x.ndim - 1], -1), threads), record=("u", "i"), threads=threads)

        def range_(name: str, values: Array) -> StateRange:
            beyond = int(np.count_nonzero(np.abs(values.astype(np.int64)) > _HIGHEST))
            return StateRange(name, int(values.min(initial=0)), int(values.max(initial=0)), STATE_BITS, beyond)

        return range_("v", result.traces["u"]), range_("i", result.traces["i"])

    def pass_on(self, result: ChipResult) -> Array:
        """Give what the next layer takes."""
        return result.spikes


@dataclass(frozen=True, eq=False, repr=False)
class LoihiTarget(ChipNetwork):
    """A network in the integers of Loihi; see `ChipNetwork`."""

    layers: tuple[LoihiLayer, ...]

    @classmethod
    def build(cls, network: Network, options: Options) -> LoihiTarget:
        """Quantise a network; see `rsnn.chip.quantize`."""
        target = options.target.name
        names, found = index_names(network.layers), _pairs(target, network)
        chip = cls(target, network, ())
        threads = resolve(None)
        flow = None if options.calibration is None else chip.enter("calibration", options.calibration, threads)[0]
        layers: list[LoihiLayer] = []
        for k, own in found:
            product: Any = network.layers[k]
            neuron = network.layers[own]
            counted = mean_square(flow, (-1,)) if flow is not None and options.scale == "mse" else None

            def made(limit: float, k: int = k, own: int = own, product: Any = product, neuron: Any = neuron, counted: Any = counted) -> LoihiLayer:
                return _layer(options, names[k], k, product, names[own], own, neuron, limit, counted)

            layer = made(math.inf)
            if flow is not None:
                result = layer.run(flow, None, (), threads)
                while any(one.beyond for one in layer.reached(flow, threads)):
                    layer = made(layer.scale * 0.8)
                    result = layer.run(flow, None, (), threads)
                flow = layer.pass_on(result)
            layers.append(layer)
        return cls(target, network, tuple(layers))

    def parts(self) -> dict[str, Any]:
        """Give everything but the float network as plain data; see `ChipNetwork.parts`."""
        kept = ("name", "index", "neuron_index", "du", "dv", "vth", "bias_mant", "bias_exp", "refractory", "scale", "gain")
        own = [
            {"weight": layer.synapses.used, "num_weight_bits": layer.synapses.num_weight_bits}
            | {"sign_mode": layer.synapses.sign_mode}
            | {name: getattr(layer, name) for name in kept}
            for layer in self.layers
        ]
        return {"layers": own}

    @classmethod
    def restore(cls, target: str, network: Network, parts: dict[str, Any]) -> LoihiTarget:
        """Undo `parts`; see `ChipNetwork.restore`."""
        layers = []
        for own in parts["layers"]:
            network.neurons[own["neuron_index"]]  # noqa: B018 - neurons that are not there are found here
            synapses = Dense(own["weight"], num_weight_bits=own["num_weight_bits"], sign_mode=own["sign_mode"])
            numbers = {
                name: integer(name, own[name], 0, most)
                for name, most in (("du", 4095), ("dv", 4096), ("vth", 2**31), ("refractory", 2**31 - 1))
            }
            bias = {name: integers(name, own[name]) for name in ("bias_mant", "bias_exp")}
            place = (target, str(own["name"]), int(own["index"]), int(own["neuron_index"]), synapses)
            layers.append(LoihiLayer(*place, **numbers, **bias, scale=float(own["scale"]), gain=float(own["gain"])))
        return cls(target, network, tuple(layers))

    def check(self) -> Check:
        """Compare every layer with every limit of the chip; see `ChipNetwork.check`."""
        rows = []
        cores: dict[str, int] = {}
        used = 0
        for layer in self.layers:

            def add(what: str, needed: Any, available: Any, ok: bool, name: str = layer.name) -> None:
                rows.append(Limit(name, what, needed, available, ok))

            w, (out, into) = layer.synapses.used, layer.synapses.used.shape
            low, high = (int(w.min()), int(w.max())) if w.size else (0, 0)
            add("weights", f"{low} to {high}", "-256 to 254, or 255", low >= -256 and high <= 255)
            add("threshold", layer.vth, f"0 to {_VTH}", 0 <= layer.vth <= _VTH)
            add("decay of the current", layer.du, "0 to 4095", 0 <= layer.du <= 4095)
            add("decay of the membrane", layer.dv, "0 to 4096", 0 <= layer.dv <= 4096)
            most = int(np.abs(layer.bias_mant).max(initial=0))
            add("bias mantissa", most, _MANTISSA, most <= _MANTISSA)
            exponent = int(layer.bias_exp.max(initial=0))
            add("bias exponent", exponent, _EXPONENT, exponent <= _EXPONENT)
            add("refractory steps", layer.refractory - 1, "at most 63", layer.refractory <= 64)
            # Neurons of a population may lie on several cores: as many as hold its compartments and its weights, a byte each.
            each = max(1, min(_COMPARTMENTS, _SYNAPSE_MEMORY // max(1, into)))
            needed = -(-out // each)
            add("input axons of a core", into, _AXONS, into <= _AXONS)
            add("synapses of a neuron, bytes", into, _SYNAPSE_MEMORY, into <= _SYNAPSE_MEMORY)
            add("compartments", out, f"{each} a core: {needed} core{'s' if needed > 1 else ''}", ok=True)
            cores[layer.name] = used
            used += needed
        rows.append(Limit("all", "cores", used, 128, used <= 128))
        return Check(self.target, tuple(rows), cores if used <= 128 else {})

    def in_float(self, *, decays: bool = True) -> tuple[Network, dict[int, int]]:
        """Make the float network of the chip's rounded parameters; see `ChipNetwork.in_float`."""
        layers: list[Any] = list(self.source.layers)
        for layer in self.layers:
            neuron: Any = layers[layer.neuron_index]
            kind = layers[layer.index].weight.dtype
            layers[layer.index] = Linear((layer.synapses.used / layer.scale).astype(kind))
            c = neuron.coefficients()
            # Above an integer is at the next half: between two values that the membrane can have.
            own: dict[str, Any] = {"beta": layer.kept["beta"] if decays else c["beta"], "v_threshold": (layer.v_threshold + 0.5) / (64 * layer.scale)}
            if layer.du != 4095:
                own["alpha"] = layer.kept["alpha"] if decays else c["alpha"]
            if layer.refractory > 1:
                own["refractory"] = (layer.refractory - 1) * neuron.dt
            layers[layer.neuron_index] = FloatLIF(
                **own, bias=layer.bias / (64 * layer.scale), reset="zero", gain="unit", dt=neuron.dt
            )  # fmt: skip
        made = Network(layers, input_shape=self.source.input_shape, batch_first=self.source.batch_first)
        return made, {layer.neuron_index: layer.neuron_index for layer in self.layers}

    def rungs(self, flow: Array, own: Mapping[int, Array], threads: int) -> list[Rung]:
        """Run with states of 32 bits; see `ChipNetwork.rungs`."""
        found = {}
        for layer in self.layers:
            a = layer.synapses.sums(flow.reshape(*flow.shape[: flow.ndim - 1], -1), threads)
            flow = found[layer.neuron_index] = run(layer.wide(), a, threads=threads).spikes
        return [Rung("steps", found), Rung("saturation", own)]

    def ranges(self, flow: Array, stats: Mapping[int, Stats], threads: int) -> dict[int, tuple[StateRange, ...]]:  # noqa: ARG002
        """Say how far currents and membranes rise and fall; see `ChipNetwork.ranges`."""
        found = {}
        for layer in self.layers:
            found[layer.neuron_index] = layer.reached(flow, threads)
            flow = layer.pass_on(layer.run(flow, None, (), threads))
        return found

    def take_in(self, name: str, x: Array, threads: int) -> Array:
        """Check what comes in: spikes."""
        shape = self.source.input_shape if isinstance(self.source.input_shape, tuple) else (self.source.input_shape,)
        if x.ndim not in (1 + len(shape), 2 + len(shape)) or x.shape[x.ndim - len(shape) :] != tuple(shape):
            raise InvalidValueError(f"{name} has shape {x.shape} with time first: must be (T, {shape}) or (T, batch, {shape})")
        if x.size and x.dtype.kind != "b" and not bool(((x == 0) | (x == 1)).all()):
            raise InvalidValueError(
                f"{name}: the chip takes 0 and 1, a spike or none of a channel in a step; use (x > 0), or shorter steps"
            )
        return x.reshape(*x.shape[: x.ndim - len(shape)], -1)


def _pairs(target: str, network: Network) -> list[tuple[int, int]]:
    """Find the weights and the neurons of each population."""
    names = index_names(network.layers)
    found: list[tuple[int, int]] = []
    waiting: int | None = None
    for k, (name, layer) in enumerate(zip(names, network.layers, strict=True)):
        if network.graph.inputs[k] != (k - 1,):
            raise refuse(
                target, name, "its inputs", "its populations come one after the other here", "let every layer take the one before it in the list"
            )
        if isinstance(layer, Linear) and waiting is None:
            waiting = k
        elif isinstance(layer, Flatten) and waiting is None:
            continue
        elif waiting is not None and not isinstance(layer, Linear) and hasattr(layer, "stages"):
            found.append((waiting, k))
            waiting = None
        else:
            raise refuse(
                target, name, "the layer in its place", "the chip has weights, then neurons, in turn", "use Linear, LIF, Linear, LIF, ..."
            )
    if waiting is not None or not found:
        raise InvalidValueError(f"network: every Linear needs neurons after it on {target}, and there must be at least one; add rsnn.LIF()")
    return found


def _layer(
    options: Options, name: str, index: int, product: Linear, own: str, place: int, neuron: Any, limit: float, importance: Any
) -> LoihiLayer:
    """Quantise weights and neurons together, at no larger scale than the limit."""
    target = options.target.name
    if not hasattr(neuron, "coefficients"):
        raise refuse(target, own, "its recurrence", "populations come one after the other here", "use rsnn.chip.loihi.network")
    c = {key: np.asarray(value, np.float64) for key, value in neuron.coefficients().items()}
    refractory = _accept(target, own, neuron, c)
    for key in ("alpha", "beta", "gain", "v_threshold"):
        if key in c and np.unique(c[key]).size != 1:
            raise refuse(target, own, f"a {key} for each neuron", "a population has one", "use one value, or split the layer")
    gain = float(c["gain"].flat[0]) if "gain" in c else 1.0
    threshold = float(c["v_threshold"].flat[0])
    if threshold <= 0:
        raise refuse(target, own, f"v_threshold={threshold:g}", "it would fire without input", "use a positive one")
    weight = np.asarray(product.weight, np.float64) * gain
    bias = np.broadcast_to(c.get("bias", np.zeros(())), len(weight)) * gain
    if product.bias is not None and np.any(product.bias != 0):
        if "alpha" in c:
            raise refuse(
                target, name, "a bias", "it would have to pass through the synapse", "give the neurons bias=, divided by 1 - alpha"
            )
        bias = bias + np.asarray(product.bias, np.float64) * gain
    largest = float(np.abs(weight).max(initial=0))
    if largest == 0:
        raise refuse(target, name, "weights that are all 0", "there is nothing to scale", "leave the layer out")
    mixed = bool((weight < 0).any() and (weight > 0).any())
    # In the mixed mode the chip holds even weights only, with fewer bits multiples of more: the nearest of them, so that nothing is cut.
    step = 1 << (8 - options.weight_bits + int(mixed))
    low, high = (-256 // step, 256 // step - 1) if mixed else (-(256 // step - 1), 256 // step - 1)
    if options.rule is None:
        free = float(options.scales(weight.reshape(1, -1), low, high, threshold, _spread(importance, weight))[0]) * step
        scale = min(free if options.scale != "max" else (254 if mixed else high * step) / largest, _VTH / threshold, limit)
    else:
        scale = _RULES[options.rule][0]
    used = step * options.whole(scale * weight / step, low, high)
    used = used if options.rule != "nir_lava" else np.clip(np.trunc(scale * weight), -256, 255).astype(np.int64)
    if not used.any():
        raise refuse(
            target, name, f"weights of at most {largest:g} at a threshold of {threshold:g}", "all become 0", "use a lower threshold"
        )
    total = np.rint(64 * scale * bias)
    exponent = np.maximum(0, np.ceil(np.log2(np.maximum(np.abs(total), 1) / _MANTISSA))).astype(np.int64)
    mantissa = np.rint(total / 2.0**exponent).astype(np.int64)
    alpha = float(c["alpha"].flat[0]) if "alpha" in c else 0.0
    beta = float(c["beta"].flat[0]) if "beta" in c else 1.0
    du, dv, vth = min(4095, max(0, round(4096 * (1 - alpha)) - 1)), round(4096 * (1 - beta)), max(0, math.ceil(scale * threshold) - 1)
    if options.rule is not None:
        du, dv, vth = _RULES[options.rule][1](alpha, beta, threshold)
    return LoihiLayer(
        target=target,
        name=name,
        index=index,
        neuron_index=place,
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


def _spread(importance: Any, weight: Array) -> Any:
    """Give how much each weight's error counts, as one row."""
    return None if importance is None else np.broadcast_to(importance, weight.shape).reshape(1, -1)


def _lava_dl(alpha: float, beta: float, threshold: float) -> tuple[int, int, int]:
    """Decays to the nearest part of 4096, the threshold cut: as lava-dl writes a network for Lava."""
    return min(4095, max(0, round(4096 * (1 - alpha)) - 1)), min(4096, max(0, round(4096 * (1 - beta)))), int(64 * threshold)


def _nir_lava(alpha: float, beta: float, threshold: float) -> tuple[int, int, int]:
    """Everything cut, with one scale for all networks, and no current: as the scripts of the NIR paper do."""
    return 4095, int(4095 * (1 - beta)), int(131071 * threshold) >> 9


_RULES = {"lava_dl": (64.0, _lava_dl), "nir_lava": (256.0, _nir_lava)}
"""The makers' rules: by what weights are multiplied, and what decays and the threshold become."""


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
    if form.adaptation is not None:
        raise no("its adaptation", "the chip's simulator has none", "use rsnn.LIF()")
    if np.any(c.get("v_leak", np.zeros(())) != 0):
        raise no("v_leak", "the membrane falls towards 0", "shift v_threshold by it, and add nothing else")
    if type(form.fire) is not stages.Single:
        raise no("fire", "a neuron fires at most once in a step", 'use fire="single"')
    reset: Any = form.reset
    if not isinstance(reset, stages.ToValue) or np.any(np.asarray(reset.v_reset) != 0) or reset.timing != "same":
        raise no("its reset", "a spike sets the membrane to 0 at once", 'use reset="zero"')
    if form.v_min is not None:
        raise no("v_min", "the membrane has only the end of its 24 bits", "leave it out")
    if form.refractory is None:
        return 1
    if target == LAVA:
        raise no("a refractory period", "Lava's fixed-point neuron has none", 'leave it out, or use target="loihi1_nengo"')
    steps = np.unique(np.asarray(form.refractory, np.float64) / neuron.dt)
    if steps.size != 1:
        raise no("a refractory period for each neuron", "a population has one", "use one value")
    return int(steps[0]) + 1

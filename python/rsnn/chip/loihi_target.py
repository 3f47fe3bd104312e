"""Networks on Loihi, as Lava's simulator or nengo-loihi's has it: from float layers to integers.

One scale K for each population makes its weights, threshold and bias integers: ``w = K gain weight``, ``vth = ceil(K v_threshold) - 1``
(the chip fires above its threshold, not at it), ``bias = 64 K gain bias``. Decays become parts of 4096, each rounded to the nearest.
On the chip every population answers one step later than the one before; here steps are aligned with those of the float network.
"""

from __future__ import annotations

import dataclasses
import math
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

from .integers import Array
from .loihi_neurons import compartment, lif
from .loihi_synapses import Dense
from .quantize import ChipNetwork, index_names, refuse
from .report import Check, Limit
from .result import ChipResult

LAVA, NENGO = "loihi_lava", "loihi1_nengo"
STATE_BITS = 24
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

    def pass_on(self, result: ChipResult) -> Array:
        """Give what the next layer takes."""
        return result.spikes


@dataclass(frozen=True, eq=False, repr=False)
class LoihiTarget(ChipNetwork):
    """A network in the integers of Loihi; see `ChipNetwork`."""

    layers: tuple[LoihiLayer, ...]

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
            add("weights", f"{low} to {high}", "-256 to 254", low >= -256 and high <= 255)
            add("threshold", layer.vth, f"0 to {_VTH}", 0 <= layer.vth <= _VTH)
            most = int(np.abs(layer.bias_mant).max(initial=0))
            add("bias mantissa", most, _MANTISSA, most <= _MANTISSA)
            add("bias exponent", int(layer.bias_exp.max(initial=0)), _EXPONENT, int(layer.bias_exp.max(initial=0)) <= _EXPONENT)
            add("input axons", into, _AXONS, into <= _AXONS)
            needed = -(-out // _COMPARTMENTS)
            add("compartments", out, f"{_COMPARTMENTS} a core: {needed} core{'s' if needed > 1 else ''}", True)
            cores[layer.name] = used
            used += needed
        rows.append(Limit("all", "cores", used, 128, used <= 128))
        return Check(self.target, tuple(rows), cores)

    def dequantize(self) -> Network:
        """Make the float network of the chip's rounded parameters; see `ChipNetwork.dequantize`."""
        layers = list(self.source.layers)
        for layer in self.layers:
            neuron: Any = layers[layer.neuron_index]
            kind = layers[layer.index].weight.dtype
            layers[layer.index] = Linear((layer.synapses.used / layer.scale).astype(kind))
            # Above an integer is at the next half: between two values that the membrane can have.
            own: dict[str, Any] = {"beta": (4096 - layer.dv) / 4096, "v_threshold": (layer.v_threshold + 0.5) / (64 * layer.scale)}
            if layer.du != 4095:
                own["alpha"] = (4095 - layer.du) / 4096
            if layer.refractory > 1:
                own["refractory"] = (layer.refractory - 1) * neuron.dt
            layers[layer.neuron_index] = FloatLIF(
                **own, bias=layer.bias / (64 * layer.scale), reset="zero", gain="unit", dt=neuron.dt
            )  # fmt: skip
        return Network(layers, input_shape=self.source.input_shape, batch_first=self.source.batch_first)

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


def build_lava(network: Network, calibration: Any) -> LoihiTarget:
    """Quantise a network for Loihi as Lava has it; see `rsnn.chip.quantize`."""
    return _build(LAVA, network, calibration)


def build_nengo(network: Network, calibration: Any) -> LoihiTarget:
    """Quantise a network for Loihi 1 as nengo-loihi has it; see `rsnn.chip.quantize`."""
    return _build(NENGO, network, calibration)


def _build(target: str, network: Network, calibration: Any) -> LoihiTarget:
    names = index_names(network.layers)
    pairs: list[tuple[int, Linear]] = []
    made: list[LoihiLayer] = []
    for k, (name, layer) in enumerate(zip(names, network.layers, strict=True)):
        waiting = bool(pairs) and len(pairs) > len(made)
        if isinstance(layer, Linear) and not waiting:
            pairs.append((k, layer))
        elif isinstance(layer, Flatten) and not waiting:
            continue
        elif waiting and not isinstance(layer, Linear) and hasattr(layer, "stages"):
            index, product = pairs[-1]
            made.append(_layer(target, names[index], index, product, name, k, layer, math.inf))
        else:
            raise refuse(
                target, name, "the layer in its place", "the chip has weights, then neurons, in turn", "use Linear, LIF, Linear, LIF, ..."
            )
    if len(pairs) != len(made) or not made:
        raise InvalidValueError(f"network: every Linear needs neurons after it on {target}, and there must be at least one; add rsnn.LIF()")
    chip = LoihiTarget(target, network, tuple(made))
    if calibration is None:
        return chip
    threads = resolve(None)
    flow, _ = chip.enter("calibration", calibration, threads)
    layers = []
    for layer in made:
        result = layer.run(flow, None, (), threads)
        while result.stats.beyond:
            neuron = network.layers[layer.neuron_index]
            product = network.layers[layer.index]
            layer = _layer(
                target, layer.name, layer.index, product, names[layer.neuron_index], layer.neuron_index, neuron, layer.scale * 0.8
            )
            result = layer.run(flow, None, (), threads)
        layers.append(layer)
        flow = layer.pass_on(result)
    return dataclasses.replace(chip, layers=tuple(layers))


def _layer(target: str, name: str, index: int, product: Linear, own: str, place: int, neuron: Any, limit: float) -> LoihiLayer:
    """Quantise weights and neurons together, at no larger scale than the limit."""
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
    scale = min((254 if mixed else 255) / largest, _VTH / threshold, limit)
    # In the mixed mode the chip holds even weights only: the nearest of them, so that nothing is cut.
    used = 2 * np.rint(scale * weight / 2) if mixed else np.rint(scale * weight)
    if not used.any():
        raise refuse(
            target, name, f"weights of at most {largest:g} at a threshold of {threshold:g}", "all become 0", "use a lower threshold"
        )
    total = np.rint(64 * scale * bias)
    exponent = np.maximum(0, np.ceil(np.log2(np.maximum(np.abs(total), 1) / _MANTISSA))).astype(np.int64)
    mantissa = np.rint(total / 2.0**exponent).astype(np.int64)
    alpha = float(c["alpha"].flat[0]) if "alpha" in c else 0.0
    beta = float(c["beta"].flat[0]) if "beta" in c else 1.0
    return LoihiLayer(
        target=target,
        name=name,
        index=index,
        neuron_index=place,
        synapses=Dense(used.astype(np.int64)),
        du=min(4095, max(0, round(4096 * (1 - alpha)) - 1)),
        dv=round(4096 * (1 - beta)),
        vth=max(0, math.ceil(scale * threshold) - 1),
        bias_mant=mantissa,
        bias_exp=exponent,
        refractory=refractory,
        scale=scale,
        gain=gain,
    )


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

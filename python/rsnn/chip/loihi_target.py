"""Networks on Loihi, as Lava's simulator or nengo-loihi's has it: from float layers to integers.

One scale K for each population makes its weights, threshold and bias integers: ``w = K gain weight``, ``vth = ceil(K v_threshold) - 1``
(the chip fires above its threshold, not at it), ``bias = 64 K gain bias``. Decays become parts of 4096, each rounded to the nearest.
On the chip every population answers one step later than the one before; here steps are aligned with those of the float network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from rsnn.arguments import shape_of
from rsnn.errors import InvalidValueError
from rsnn.layers import Flatten, Linear
from rsnn.network import Network
from rsnn.neurons import LIF as FloatLIF
from rsnn.threads import resolve

from .integers import Array, integer, integers
from .loihi_layer import LoihiLayer
from .loihi_quantize import MANTISSA, MOST_VTH, quantised
from .loihi_synapses import Dense
from .network import ChipNetwork
from .neuron import run
from .options import Options, mean_square
from .populations import Population, populations
from .reading import refuse
from .report import Check, Limit, StateRange
from .result import Stats
from .rungs import Rung

_SYNAPSE_MEMORY = 128 * 1024
_EXPONENT = 7
_COMPARTMENTS, _AXONS = 1024, 4096


@dataclass(frozen=True, eq=False, repr=False)
class LoihiTarget(ChipNetwork):
    """A network in the integers of Loihi; see `ChipNetwork`.

    ``loihi_lava``: verified against lava-nc 0.10.0, 30 populations, 30 dense synapses, 6 networks, and an exported network that ran there.
    ``loihi1_nengo``: the neurons against nengo-loihi 1.1.0, 20 populations; their synapses are those of Lava. Neither against silicon, and
    which of the two it is where they differ is not known.
    """

    layers: tuple[LoihiLayer, ...]

    @classmethod
    def build(cls, network: Network, options: Options) -> LoihiTarget:
        """Quantise a network; see `rsnn.chip.quantize`."""
        target = options.target.name
        found = populations(target, network)
        for k, one in enumerate(found):
            if list(one.synapses) != [(k - 1, 0)]:
                raise refuse(
                    target, one.neuron_name, "what comes to it", "its populations come one after the other here, without a recurrence",
                    "let every population take the one before it, or use rsnn.chip.loihi.network",
                )  # fmt: skip
        if not found:
            raise InvalidValueError(f"network: there must be at least one population on {target}; add rsnn.LIF() after a Linear")
        chip = cls(target, network, ())
        threads = resolve(None)
        flow = None if options.calibration is None else chip.enter("calibration", options.calibration, threads)[0]
        layers: list[LoihiLayer] = []
        for one in found:
            counted = mean_square(flow, (-1,)) if flow is not None and options.scale == "mse" else None

            def made(limit: float, one: Population = one, counted: Any = counted) -> LoihiLayer:
                return quantised(options, one, limit, counted)

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
            network.neurons[own["neuron_index"]]
            synapses = Dense(own["weight"], num_weight_bits=own["num_weight_bits"], sign_mode=own["sign_mode"])
            numbers: dict[str, Any] = {
                name: integer(name, own[name], 0, most)
                for name, most in (("du", 4095), ("dv", 4096), ("vth", 2**31), ("refractory", 2**31 - 1))
            }
            numbers |= {name: integers(name, own[name]) for name in ("bias_mant", "bias_exp")}
            numbers |= {name: float(own[name]) for name in ("scale", "gain")}
            numbers |= {"index": int(own["index"]), "neuron_index": int(own["neuron_index"])}
            layers.append(LoihiLayer(target=target, name=str(own["name"]), synapses=synapses, **numbers))
        return cls(target, network, tuple(layers))

    def check(self) -> Check:
        """Compare every layer with every limit of the chip; see `ChipNetwork.check`."""
        rows = []
        cores: dict[str, int] = {}
        shares: list[tuple[str, int, int]] = []
        used = 0
        for layer in self.layers:

            def add(what: str, needed: Any, available: Any, ok: bool, name: str = layer.name) -> None:
                rows.append(Limit(name, what, needed, available, ok))

            w, (out, into) = layer.synapses.used, layer.synapses.used.shape
            low, high = (int(w.min()), int(w.max())) if w.size else (0, 0)
            add("weights", f"{low} to {high}", "-256 to 254, or 255", low >= -256 and high <= 255)
            add("threshold", layer.vth, f"0 to {MOST_VTH}", 0 <= layer.vth <= MOST_VTH)
            add("decay of the current", layer.du, "0 to 4095", 0 <= layer.du <= 4095)
            add("decay of the membrane", layer.dv, "0 to 4096", 0 <= layer.dv <= 4096)
            most = int(np.abs(layer.bias_mant).max(initial=0))
            add("bias mantissa", most, MANTISSA, most <= MANTISSA)
            exponent = int(layer.bias_exp.max(initial=0))
            add("bias exponent", exponent, _EXPONENT, exponent <= _EXPONENT)
            # Neurons of a population may lie on several cores: as many as hold its compartments and its weights, a byte each.
            each = max(1, min(_COMPARTMENTS, _SYNAPSE_MEMORY // max(1, into)))
            needed = -(-out // each)
            add("input axons of a core", into, _AXONS, into <= _AXONS)
            add("synapses of a neuron, bytes", into, _SYNAPSE_MEMORY, into <= _SYNAPSE_MEMORY)
            add("compartments", out, f"{each} a core: {needed} core{'s' if needed > 1 else ''}", ok=True)
            cores[layer.name] = used
            used += needed
            shares.append((layer.name, min(each, out), needed))
        for (name, neurons, _), (_, _, targets) in pairwise(shares):
            rows.append(Limit(name, "output axons of a core", neurons * targets, _AXONS, neurons * targets <= _AXONS))
        rows.append(Limit("all", "cores", used, 128, used <= 128))
        return Check(self.target, tuple(rows), cores if used <= 128 else {})

    def in_float(self, *, decays: bool = True) -> tuple[Network, dict[int, int]]:
        """Make the float network of the chip's rounded parameters; see `ChipNetwork.in_float`."""
        shape = shape_of("input_shape", self.source.input_shape)
        layers: list[Any] = [Flatten()] if len(shape) > 1 else []
        places = {}
        for layer in self.layers:
            neuron: Any = self.source.layers[layer.neuron_index]
            c = layer.coefficients if decays else neuron.coefficients()
            # Above an integer is at the next half: between two values that the membrane can have.
            own: dict[str, Any] = {"beta": c.get("beta", 1.0), "v_threshold": (layer.v_threshold + 0.5) / (64 * layer.scale)}
            if layer.du != 4095:
                own["alpha"] = c["alpha"]
            if layer.refractory > 1:
                own["refractory"] = (layer.refractory - 1) * neuron.stages.dt
            form = FloatLIF(**own, bias=layer.bias / (64 * layer.scale), reset="zero", gain="unit", dt=neuron.stages.dt)
            layers += [Linear(layer.synapses.used / layer.scale), form]
            places[layer.neuron_index] = len(layers) - 1
        return Network(layers, input_shape=shape, batch_first=self.source.batch_first), places

    def rungs(self, flow: Array, own: Mapping[int, Array], threads: int) -> list[Rung]:
        """Run with states of 32 bits; see `ChipNetwork.rungs`."""
        found = {}
        for layer in self.layers:
            a = layer.synapses.sums(flow, threads)
            flow = found[layer.neuron_index] = run(layer.wide(), a, threads=threads).spikes
        return [Rung("steps", found), Rung("saturation", own)]

    def ranges(self, flow: Array, stats: Mapping[int, Stats], threads: int) -> dict[int, tuple[StateRange, ...]]:
        """Say how far currents and membranes rise and fall; see `ChipNetwork.ranges`."""
        found = {}
        for layer in self.layers:
            found[layer.neuron_index] = layer.reached(flow, threads)
            flow = layer.pass_on(layer.run(flow, None, (), threads))
        return found

    def take_in(self, name: str, x: Array, threads: int) -> Array:
        """Check what comes in: spikes."""
        row = self.row(name, x)
        if x.size and x.dtype.kind != "b" and not bool(((x == 0) | (x == 1)).all()):
            raise InvalidValueError(
                f"{name}: the chip takes 0 and 1, a spike or none of a channel in a step; use (x > 0), or shorter steps"
            )
        return row

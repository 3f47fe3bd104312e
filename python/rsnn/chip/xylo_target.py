"""Networks on Xylo: from two float populations to the integers of a core.

Every neuron has a scale K of its own, which changes nothing but the size of its membrane: ``w = K gain weight / alpha`` (the chip's
current decays after a spike has arrived, that of ``rsnn.LIF`` before), ``threshold = K v_threshold``, ``bias = K gain bias``. A decay
becomes a shift by ``round(log2(tau / dt))``: the time constant is rounded to a power of two, and alpha to ``1 - 2**-dash``.
Output neurons take the hidden spikes of the step before: they answer one step later than in the float network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import stages
from rsnn.arguments import names, shown
from rsnn.composed import Neuron
from rsnn.errors import InvalidValueError
from rsnn.layers import Linear
from rsnn.network import Network
from rsnn.neurons import LIF
from rsnn.state import State
from rsnn.threads import resolve

from .integers import Array, integers
from .quantize import ChipNetwork, ChipNetworkResult, index_names, refuse
from .report import Check, Limit
from .result import Stats
from .xylo import Core

STATE_BITS, WEIGHT_BITS = 16, 8
_WEIGHT, _STATE = 127, 32767


@dataclass(frozen=True)
class Chip:
    """What a chip of the family has: neurons, fan-out of a hidden neuron, hidden neurons that input reaches and that are read out."""

    inputs: int
    hidden: int
    outputs: int
    fan_out: int
    reached: int


CHIPS = {
    "xylo_audio2": Chip(16, 1000, 8, 64, 1000),
    "xylo_audio3": Chip(16, 992, 32, 1024, 128),
    "xylo_imu": Chip(16, 496, 16, 512, 128),
}
"""Sizes from rockpool 3.1.0 and the maker's documentation."""


@dataclass(frozen=True, eq=False)
class XyloLayer:
    """One population on the chip.

    Attributes
    ----------
    name : the layer, as ``"0 Linear"``
    index, neuron_index : where the float network has its weights and its neurons
    weight, dash_syn, dash_mem, threshold, bias : what the chip is given; weights (sources, neurons)
    scale : K, one for each neuron
    delay : by how many steps it answers later than in the float network
    """

    name: str
    index: int
    neuron_index: int
    weight: npt.NDArray[np.int64]
    dash_syn: npt.NDArray[np.int64]
    dash_mem: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.int64]
    bias: npt.NDArray[np.int64]
    scale: npt.NDArray[np.float64]
    delay: int
    state_bits: int = STATE_BITS

    @property
    def v_threshold(self) -> int:
        """The lowest threshold, in integers."""
        return int(self.threshold.min(initial=_STATE))

    def time_constants(self, dt: float) -> tuple[Array, Array]:
        """Give the time constants of currents and membranes that the shifts stand for, in the unit of `dt`; 0 where nothing is kept."""
        with np.errstate(divide="ignore"):
            syn, mem = (np.where(dash > 0, -dt / np.log1p(-(0.5 ** np.maximum(dash, 1))), 0.0) for dash in (self.dash_syn, self.dash_mem))
        return syn, mem


@dataclass(frozen=True, eq=False, repr=False)
class XyloNetwork(ChipNetwork):
    """A network in the integers of Xylo; see `ChipNetwork`."""

    layers: tuple[XyloLayer, XyloLayer]
    core: Core

    def run(
        self, x: npt.ArrayLike, state: dict[int, State] | None = None, *, record: Any = (), threads: int | None = None
    ) -> ChipNetworkResult:
        """Run the core; see `ChipNetwork.run`. Records ``"v"``. The state of both populations is kept with the first."""
        recorded, workers = names("record", record, ("v",)), resolve(threads)
        hidden, output = self.layers
        if state is not None and (not isinstance(state, dict) or set(state) != {hidden.neuron_index}):
            raise InvalidValueError(f"state={shown(state)}: must be a dict with the key {hidden.neuron_index}; give an earlier .state")
        flow, swap = self.enter("x", x, workers)
        kept = None if state is None else state[hidden.neuron_index]
        result = self.core.run(flow, kept, record=("v", "v_out") if recorded else (), threads=workers)

        def layout(one: Array) -> Array:
            return one.swapaxes(0, 1) if swap else one

        fired = int(np.count_nonzero(result.out))
        out_stats = Stats(int(result.out.sum(dtype=np.int64)), fired / max(1, result.out.size))
        keys = (hidden.neuron_index, output.neuron_index)
        traces = {keys[0]: {"v": layout(result.v)}, keys[1]: {"v": layout(result.v_out)}} if recorded else {}
        return ChipNetworkResult(
            layout(result.out),
            dict(zip(keys, (layout(result.spikes), layout(result.out)), strict=True)),
            {keys[0]: result.state},
            dict(zip(keys, (result.stats, out_stats), strict=True)),
            traces,
        )

    def check(self) -> Check:
        """Compare the network with every limit of the chip; see `ChipNetwork.check`."""
        chip, rows = CHIPS[self.target], []
        n_in, n, _, n_out = self.core.sizes
        hidden, output = self.layers

        def add(layer: str, what: str, needed: Any, available: Any, ok: bool) -> None:
            rows.append(Limit(layer, what, needed, available, ok))

        add(hidden.name, "input channels", n_in, chip.inputs, n_in <= chip.inputs)
        add(hidden.name, "hidden neurons", n, chip.hidden, n <= chip.hidden)
        add(output.name, "output neurons", n_out, chip.outputs, n_out <= chip.outputs)
        fan = int(np.count_nonzero(self.core.w_out, axis=1).max(initial=0))
        add(hidden.name, "fan-out of a neuron", fan, chip.fan_out, fan <= chip.fan_out)
        reached, read = (np.flatnonzero(self.core.w_in.any(axis=(0, 2))), np.flatnonzero(self.core.w_out.any(axis=1)))
        last = int(reached.max(initial=-1)) + 1
        add(hidden.name, "neurons reached by input", last, f"the first {chip.reached}", last <= chip.reached)
        first = n - int(read.min(initial=n))
        add(output.name, "neurons read out", first, f"the last {chip.reached}", first <= chip.reached)
        for layer in self.layers:
            for what, values, most in (
                ("weights", layer.weight, _WEIGHT), ("thresholds", layer.threshold, _STATE), ("biases", layer.bias, _STATE),
                ("dashes", np.concatenate([layer.dash_syn, layer.dash_mem]), 15),
            ):  # fmt: skip
                low, high = int(values.min(initial=0)), int(values.max(initial=0))
                add(layer.name, what, f"{low} to {high}", f"at most {most}", max(-low - 1, high) <= most)
        ok = all(row.ok for row in rows)
        return Check(self.target, tuple(rows), {layer.name: 0 for layer in self.layers} if ok else {})

    def dequantize(self) -> Network:
        """Make the float network of the chip's rounded parameters; see `ChipNetwork.dequantize`."""
        layers = list(self.source.layers)
        for layer in self.layers:
            alpha, beta = (1 - 0.5 ** dash.astype(np.float64) for dash in (layer.dash_syn, layer.dash_mem))
            product: Any = self.source.layers[layer.index]
            neuron: Any = self.source.layers[layer.neuron_index]
            layers[layer.index] = Linear((layer.weight.T * (alpha / layer.scale)[:, None]).astype(product.weight.dtype))
            layers[layer.neuron_index] = LIF(
                beta=beta, alpha=alpha, v_threshold=layer.threshold / layer.scale, bias=layer.bias / layer.scale, gain="unit",
                fire="single" if layer.delay else "multi", max_spikes=None if layer.delay else 31, dt=neuron.dt,
            )  # fmt: skip
        return Network(layers, input_shape=self.source.input_shape, batch_first=self.source.batch_first)

    def take_in(self, name: str, x: Array, threads: int) -> Array:
        """Check what comes in."""
        n = self.core.sizes[0]
        if x.ndim not in (2, 3) or x.shape[-1] != n:
            raise InvalidValueError(f"{name} has shape {x.shape} with time first: must be (T, {n}) or (T, batch, {n})")
        return x


def _make(target: str) -> Any:
    """Make the function that quantises for one chip."""

    def build(network: Network, calibration: Any, weight_bits: int = WEIGHT_BITS) -> XyloNetwork:
        return _build(target, network, calibration, (1 << (weight_bits - 1)) - 1)

    return build


build_audio2, build_audio3, build_imu = (_make(target) for target in CHIPS)


def _build(target: str, network: Network, calibration: Any, most: int) -> XyloNetwork:
    known = index_names(network.layers)
    if len(network.layers) != 4 or not all(isinstance(network.layers[k], Linear) for k in (0, 2)):
        raise InvalidValueError(f"network of {', '.join(known)}: {target} has hidden and output neurons; use Linear, LIF, Linear, LIF")
    made = tuple(_layer(target, known, k, network.layers[k], network.layers[k + 1], k == 2, most) for k in (0, 2))
    if calibration is not None:
        # Thresholds and weights already use the whole of their bits; a smaller scale would lose weights first.
        integers("calibration", calibration)
    hidden, output = made
    core = Core(
        w_in=hidden.weight, w_out=output.weight, dash_syn=hidden.dash_syn, dash_mem=hidden.dash_mem, dash_syn_out=output.dash_syn,
        dash_mem_out=output.dash_mem, threshold=hidden.threshold, threshold_out=output.threshold, bias=hidden.bias, bias_out=output.bias,
    )  # fmt: skip
    return XyloNetwork(target, network, (hidden, output), core)


def _layer(target: str, known: list[str], k: int, product: Any, neuron: Any, output: bool, most: int) -> XyloLayer:
    """Quantise weights, to at most this number, and neurons together."""
    name, own, n = known[k], known[k + 1], len(product.weight)
    _accept(target, own, neuron, output)
    c = {key: np.asarray(value, np.float64) for key, value in neuron.coefficients().items()}
    alpha, beta, gain, threshold, bias = (np.broadcast_to(c.get(key, default), n) for key, default in (
        ("alpha", np.nan), ("beta", 1.0), ("gain", 1.0), ("v_threshold", 1.0), ("bias", 0.0),
    ))  # fmt: skip
    dash_syn, dash_mem = (_dash(target, own, kept, label) for kept, label in ((alpha, "tau_syn"), (beta, "tau_mem")))
    if product.bias is not None and np.any(product.bias != 0):
        raise refuse(target, name, "a bias", "it would have to pass through the synapse", "give the neurons bias=")
    order: Any = neuron.stages.synapse
    held = 1 - 0.5**dash_syn if order.order == "decay_jump_use" else np.ones(n)
    weight = np.asarray(product.weight, np.float64) * (gain / held)[:, None]
    largest = np.abs(weight).max(axis=1, initial=0)
    with np.errstate(divide="ignore"):
        scale = np.minimum(most / largest, _STATE / np.maximum(threshold, np.abs(gain * bias)))
    used = np.rint(weight * scale[:, None]).astype(np.int64)
    dead = np.flatnonzero((largest > 0) & ~used.any(axis=1))
    if len(dead):
        raise refuse(
            target, name, f"the weights of neuron {dead[0]}, at most {largest[dead[0]]:g} at a threshold of {threshold[dead[0]]:g}",
            "all become 0", "use a lower threshold",
        )  # fmt: skip
    return XyloLayer(
        name, k, k + 1, np.ascontiguousarray(used.T), dash_syn, dash_mem, np.maximum(1, np.rint(scale * threshold)).astype(np.int64),
        np.rint(scale * gain * bias).astype(np.int64), scale, int(output),
    )  # fmt: skip


def _dash(target: str, name: str, kept: Array, label: str) -> npt.NDArray[np.int64]:
    """Give the shift for a part that is kept in each step."""
    if np.any(np.isnan(kept)):
        raise refuse(target, name, "neurons without a synapse", "the chip's current decays before it is used", "give tau_syn=")
    with np.errstate(divide="ignore", invalid="ignore"):
        dash = np.rint(np.log2(-1 / np.log(kept)))
    if np.any(kept >= 1) or np.any(dash > 15) or np.any(~np.isfinite(dash)) or np.any(dash < 1):
        raise refuse(
            target, name, label, "the chip has time constants of 2 to 32768 steps, in powers of two", f"use a {label} of that size"
        )
    return dash.astype(np.int64)


def _accept(target: str, name: str, neuron: Any, output: bool) -> None:
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
    if form.adaptation is not None:
        raise no("its adaptation", "the chip has none", "use rsnn.LIF()")
    if np.any(np.asarray(neuron.coefficients().get("v_leak", 0)) != 0):
        raise no("v_leak", "the membrane falls towards 0", "leave it out")
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

"""A float network as layers of DynapCNN, or the reason why it is none.

A core is: convolution, IAF neurons, sum pooling. A linear layer is a convolution with a kernel of its whole input map, an average pool
a sum pool whose division moves into the next layer's weights.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsnn import _rsnn, stages
from rsnn.arguments import shape_of
from rsnn.errors import InvalidValueError
from rsnn.layers import AvgPool2d, Conv2d, Flatten, Linear, SumPool2d
from rsnn.network import Network
from rsnn.network.graph import call
from rsnn.neurons import AnyNeuron
from rsnn.state import State, make_state
from rsnn.threads import resolve

from .dynapcnn import MODEL_BITS, Core
from .integers import Array, blocks, empty, pair, take_state
from .mapping import LOWEST, STATE_BITS, WEIGHT_BITS, network_limits
from .quantize import ChipNetwork, index_names, refuse
from .report import Check
from .result import ChipResult
from .scale import Discretized, within_scale

TARGET = "dynapcnn"


@dataclass(frozen=True, eq=False)
class DynapcnnLayer:
    """One layer on a core.

    Attributes
    ----------
    name : the layer of the float network, as ``"0 Conv2d"``
    index, neuron_index : where the float network has its weights and its neurons
    quantized : weight, bias, threshold, lower clip and scale, in integers
    rescale : what the weights were multiplied by before quantising, for average pools in front
    core : the layer as it runs
    input_map : rows and columns that come in
    """

    name: str
    index: int
    neuron_index: int
    quantized: Discretized
    rescale: float
    core: Core
    input_map: tuple[int, int]
    linear: bool

    @property
    def v_threshold(self) -> int:
        """The threshold, in integers."""
        return self.core.v_threshold

    @property
    def state_bits(self) -> int:
        """The bits of a membrane on the chip."""
        return STATE_BITS

    @property
    def delay(self) -> int:
        """No step: layers follow each other within one."""
        return 0

    def run(self, x: Array, state: Any, recorded: tuple[str, ...], threads: int) -> ChipResult:
        """Run over ``(T, [B,] C, H, W)``; the spikes of a linear layer come as ``(T, [B,] O)``."""
        if not self.linear:
            return self.core.run(x, state, recorded, threads)
        start = take_state(state, (*x.shape[1:-3], len(self.core.weight)), MODEL_BITS)
        result = self.core.run(x, start[..., None, None], recorded, threads)
        flat: State = make_state(("v",), (result.state.v[..., 0, 0],))
        spikes = result.spikes[..., 0, 0]
        return ChipResult(spikes, spikes, flat, {name: trace[..., 0, 0] for name, trace in result.traces.items()}, result.stats)

    def pass_on(self, result: ChipResult) -> Array:
        """Give what the next layer takes."""
        return result.out[..., None, None] if self.linear else result.out


@dataclass(frozen=True, eq=False, repr=False)
class DynapcnnNetwork(ChipNetwork):
    """A network in the integers of DynapCNN; see `ChipNetwork`."""

    layers: tuple[DynapcnnLayer, ...]
    input_pool: int = 1

    def check(self) -> Check:
        """Compare every layer with every limit of the chip; see `ChipNetwork.check`."""
        rows, cores = network_limits([layer.core.shape(layer.name, *layer.input_map) for layer in self.layers], self.input_pool)
        return Check(self.target, tuple(rows), cores)

    def dequantize(self) -> Network:
        """Make the float network of the chip's rounded parameters; see `ChipNetwork.dequantize`."""
        layers = list(self.source.layers)
        for layer in self.layers:
            q, product, neuron = layer.quantized, layers[layer.index], layers[layer.neuron_index]
            kind = product.weight.dtype
            # The division of an average pool is still in the pool, so it leaves the weights again.
            weight = (q.weight / (q.scale * layer.rescale)).astype(kind).reshape(product.weight.shape)
            bias = None if q.bias is None else (q.bias / q.scale).astype(product.bias.dtype)
            layers[layer.index] = dataclasses.replace(product, weight=weight, bias=bias)
            clip = {} if neuron.stages.v_min is None else {"v_min": q.v_min / q.scale}
            layers[layer.neuron_index] = neuron.replace(v_threshold=q.v_threshold / q.scale, **clip)
        return dataclasses.replace(self.source, layers=layers)

    def take_in(self, name: str, x: Array, threads: int) -> Array:
        """Check what comes in; pool it where the network begins with a pool."""
        shape = shape_of("input_shape", self.source.input_shape)
        if x.ndim not in (1 + len(shape), 2 + len(shape)) or x.shape[x.ndim - len(shape) :] != shape:
            own = ", ".join(map(str, shape))
            batch = "batch, T" if self.source.batch_first else "T, batch"
            raise InvalidValueError(f"{name} has shape {x.shape} with time first: must be (T, {own}) or ({batch}, {own})")
        x = x if len(shape) == 3 else x.reshape(*x.shape[: x.ndim - len(shape)], math.prod(shape), 1, 1)
        if self.input_pool == 1:
            return x
        pooled = empty(name, (*x.shape[:-2], x.shape[-2] // self.input_pool, x.shape[-1] // self.input_pool), np.dtype(np.int32))
        for cut, block in blocks(name, x):
            _rsnn.integer_pool(block, pooled[cut], pool=self.input_pool, threads=threads)
        return pooled


@dataclass
class _Part:
    """What one core will be, while the layers are read."""

    name: str
    index: int
    product: Conv2d | Linear
    input_shape: tuple[int, ...]
    rescale: float
    neuron_name: str = ""
    neuron_index: int = -1
    neuron: AnyNeuron | None = None
    pool: int = 1
    weight_bits: int = WEIGHT_BITS


def build(network: Network, calibration: Any, weight_bits: int = WEIGHT_BITS) -> DynapcnnNetwork:
    """Quantise a network for DynapCNN; see `rsnn.chip.quantize`."""
    parts, input_pool = _read(network)
    for part in parts:
        part.weight_bits = weight_bits
    made = DynapcnnNetwork(TARGET, network, tuple(_layer(part) for part in parts), input_pool)
    return made if calibration is None else _calibrate(made, parts, calibration)


def _read(network: Network) -> tuple[list[_Part], int]:
    """Take the layers apart into cores: weights, neurons, pooling."""
    names = index_names(network.layers)
    parts: list[_Part] = []
    open_part: _Part | None = None
    input_pool, rescale = 1, 1.0
    shape = shape_of("input_shape", network.input_shape)  # of the map: Flatten leaves it, for the kernel of a linear layer
    for k, (name, layer) in enumerate(zip(names, network.layers, strict=True)):
        if network.graph.inputs[k] != (k - 1,):
            takes = ", ".join(str(call(one, network.graph.names)) for one in network.graph.inputs[k])
            raise refuse(
                TARGET, name, f"inputs=({takes})", "its layers come one after the other here",
                "let every layer take what the one before it in the list sends on",
            )  # fmt: skip
        if open_part is not None and not isinstance(layer, AnyNeuron):
            raise refuse(
                TARGET, name, f"its place after layer {open_part.name}", "a core is weights, then neurons, then pooling",
                "put rsnn.IAF() between them" if isinstance(layer, (Conv2d, Linear)) else "put it after the neurons",
            )  # fmt: skip
        if isinstance(layer, (Conv2d, Linear)):
            came = network.shapes[k - 1] if k else shape
            if isinstance(layer, Linear) and len(came) != 1:
                raise refuse(
                    TARGET, name, f"an input of shape {came}", "a linear layer takes the whole map", "put rsnn.Flatten() before it"
                )
            open_part = _Part(name, k, layer, shape, rescale)
            rescale = 1.0
        elif isinstance(layer, (SumPool2d, AvgPool2d)):
            side = _side(name, layer)
            rescale *= 1.0 / (side * side) if isinstance(layer, AvgPool2d) else 1.0
            if parts:
                parts[-1].pool *= side
            else:
                input_pool *= side
            shape = network.shapes[k]
        elif isinstance(layer, AnyNeuron):
            if open_part is None:
                raise refuse(
                    TARGET, name, "neurons without weights", "a core is weights, then neurons", "put rsnn.Conv2d or rsnn.Linear before them"
                )
            _refuse_neuron(name, layer)
            open_part.neuron_name, open_part.neuron_index, open_part.neuron = name, k, layer
            parts.append(open_part)
            shape = network.shapes[k]
            open_part = None
        elif not isinstance(layer, Flatten):
            raise refuse(
                TARGET, name, "the layer", "the chip has Conv2d, Linear, IAF, SumPool2d, AvgPool2d and Flatten", "replace it by these"
            )
    if open_part is not None:
        raise refuse(
            TARGET, open_part.name, "a layer without neurons", "a core sends spikes only", "add rsnn.IAF() after it and count its spikes"
        )
    if not parts:
        raise InvalidValueError("network: it has no layer with weights and neurons, so there is nothing to put on a chip")
    if rescale != 1.0:
        raise refuse(
            TARGET, names[-1], "an average at the end", "the chip sends counts", "use rsnn.SumPool2d and divide the counts afterwards"
        )
    return parts, input_pool


def _side(name: str, layer: SumPool2d | AvgPool2d) -> int:
    rows, columns = pair("kernel", layer.kernel, 1)
    if rows != columns:
        raise refuse(TARGET, name, f"kernel=({rows}, {columns})", "a core pools over squares", "use the same number of rows and columns")
    return rows


def _refuse_neuron(name: str, neuron: AnyNeuron) -> None:
    """Refuse what the neuron of a core does not do."""
    form = neuron.stages
    p, c = neuron.parameters, neuron.coefficients()
    membrane, fire = form.membrane, form.fire
    reset: Any = form.reset

    def no(parameter: str, why: str, cure: str) -> InvalidValueError:
        return refuse(TARGET, name, parameter, why, cure)

    def given(*known: str) -> str:
        return next(f"{one}={_short(p[one])}" for one in known if one in p)

    if form.synapse is not None:
        raise no(given("tau_syn", "alpha"), "the neuron has no synaptic current", "leave it out: rsnn.IAF()")
    if np.any(c["beta"] != 1):
        raise no(given("tau_mem", "beta"), "the membrane does not leak", "use rsnn.IAF(), and train with it")
    if fire is None:
        raise no("fire=None", "a core sends spikes, never its membrane", "use rsnn.IAF() and count its spikes")
    if not isinstance(membrane, stages.Integrator) and np.any(c["gain"] != 1):
        raise no(f"r={_short(p['r'])}", "a synapse adds its weight as it is", "multiply the weights of the layer before by r")
    if np.any(c.get("bias", 0) != 0):
        raise no(f"bias={_short(p['bias'])}", "biases belong to the weights", "give it to the layer before: bias=")
    if not isinstance(fire, (stages.Single, stages.Multi)) or isinstance(fire, stages.Soft):
        raise no(f"fire={type(fire).__name__}", "a neuron fires whole spikes", 'use fire="multi" or fire="single"')
    if isinstance(fire, stages.Multi) and fire.max_spikes is not None:
        raise no(f"max_spikes={_short(fire.max_spikes)}", "the number of spikes is not limited", 'leave it out, or use fire="single"')
    if isinstance(reset, stages.Blend) and isinstance(fire, stages.Multi):
        raise no("a blended reset of several spikes", "the membrane is reset to 0", 'use reset="subtract" or reset="zero"')
    if reset is None:
        raise no('reset="none"', "every spike resets the membrane", 'use reset="subtract" or reset="zero"')
    if reset.timing != "same":
        raise no(f'reset_timing="{reset.timing}"', "the membrane is reset at the spike", 'use reset_timing="same"')
    if isinstance(reset, stages.ToValue) and np.any(np.asarray(reset.v_reset) != 0):
        raise no(f"v_reset={_short(reset.v_reset)}", "the membrane is reset to 0", "use v_reset=0.0, shifting v_threshold and v_min by it")
    if form.refractory is not None:
        raise no(f"refractory={_short(form.refractory)}", "the neuron has no refractory period", "leave it out")
    for one in ("v_threshold", "v_min"):
        if one in p and np.unique(p[one]).size != 1:
            raise no(
                f"{one}={_short(p[one])}", "a core has one value for all its neurons",
                "use one value; divide the weights and bias of each feature by its threshold, which changes nothing else",
            )  # fmt: skip
    if p["v_threshold"].flat[0] <= 0:
        raise no(f"v_threshold={_short(p['v_threshold'])}", "it would fire without input", "use a positive one")


def _short(value: Any) -> str:
    array = np.asarray(value)
    return f"{float(array):g}" if array.ndim == 0 else f"<array {array.shape}>"


def _layer(part: _Part, limit: float | None = None) -> DynapcnnLayer:
    """Quantise one part; with a limit, at no larger scale."""
    assert part.neuron is not None
    product, p = part.product, part.neuron.parameters
    form = part.neuron.stages
    linear = isinstance(product, Linear)
    maps = part.input_shape if len(part.input_shape) == 3 else (math.prod(part.input_shape), 1, 1)
    weight = np.asarray(product.weight, np.float32) * np.float32(part.rescale)
    weight = weight.reshape(len(weight), *maps) if linear else weight
    v_min = float(p["v_min"].flat[0]) if "v_min" in p else None
    q = within_scale(weight, product.bias, float(p["v_threshold"].flat[0]), v_min, limit=limit, weight_bits=part.weight_bits)
    if q.problems:
        raise InvalidValueError(f"layer {part.name} cannot work on {TARGET}: {'; '.join(q.problems)}")
    core = Core.make(
        q.weight,
        q.bias,
        v_threshold=q.v_threshold,
        v_min=q.v_min,
        stride=product.stride if isinstance(product, Conv2d) else 1,
        padding=product.padding if isinstance(product, Conv2d) else 0,
        pool=part.pool,
        fire="multi" if isinstance(form.fire, stages.Multi) else "single",
        reset="subtract" if isinstance(form.reset, stages.Subtract) else "zero",
        overflow="none",
    )
    return DynapcnnLayer(part.name, part.index, part.neuron_index, q, part.rescale, core, (maps[1], maps[2]), linear)


def _calibrate(made: DynapcnnNetwork, parts: list[_Part], calibration: Any) -> DynapcnnNetwork:
    """Lower the scale of every layer whose membranes rise beyond the chip's bits on these events, in order."""
    threads = resolve(None)
    flow, _ = made.enter("calibration", calibration, threads)
    top = -LOWEST - 1
    layers = []
    for part, layer in zip(parts, made.layers, strict=True):
        result = layer.run(flow, None, (), threads)
        while result.stats.highest > top:
            # Rounding may leave a membrane just beyond: then once more, a little lower.
            layer = _layer(part, layer.quantized.scale * min(top / result.stats.highest, 0.99))
            result = layer.run(flow, None, (), threads)
        layers.append(layer)
        flow = layer.pass_on(result)
    return dataclasses.replace(made, layers=tuple(layers))

"""A network in the integers of DynapCNN: the cores that `dynapcnn_read` finds, quantised, running one after the other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from rsnn import _rsnn, stages
from rsnn.arguments import shape_of
from rsnn.errors import InvalidValueError
from rsnn.layers import Conv2d, Linear
from rsnn.network import Network
from rsnn.neurons import IAF
from rsnn.state import State, make_state
from rsnn.threads import resolve

from .dynapcnn_core import MODEL_BITS, Core
from .dynapcnn_events import in_events
from .dynapcnn_read import Part, cores
from .integers import MOST_EVENTS, Array, blocks, convert, empty, integers, take_state
from .mapping import LOWEST, SENSOR, STATE_BITS, network_limits
from .network import ChipNetwork
from .options import Options, mean_square
from .report import Check, Limit, StateRange
from .result import ChipResult, Stats
from .rungs import Rung
from .scale import Discretized, within_scale


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
    linear : whether it stands for a linear layer
    sources : what comes in: other layers, or -1 for what comes into the network, and the side of the pool in front of each
    """

    name: str
    index: int
    neuron_index: int
    quantized: Discretized
    rescale: float
    core: Core
    input_map: tuple[int, int]
    linear: bool
    sources: tuple[tuple[int, int], ...]

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

    @property
    def coefficients(self) -> Mapping[str, Array]:
        """Nothing decays."""
        return {}

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
    """A network in the integers of DynapCNN or Speck; see `ChipNetwork`.

    Verified against sinabs 3.1.3, the maker's software model: 48 quantised layers, 32 layers, 6 networks, and an exported network that ran
    there. Not against silicon, which has no time steps, whose membranes above 16 bits and order of events are not published.
    """

    layers: tuple[DynapcnnLayer, ...]
    input_pool: int = 1

    rounds_states: ClassVar[bool] = False

    @classmethod
    def build(cls, network: Network, options: Options) -> DynapcnnNetwork:
        """Quantise a network, core after core; see `rsnn.chip.quantize`."""
        target = options.target.name
        found = cores(target, network)
        last = len(found.parts) - 1
        wanted = [{edge.pool for part in found.parts for edge in part.edges if edge.source == k} for k in range(last + 1)]
        wanted[last] |= {found.output_pool}
        pools = [one.pop() if len(one) == 1 else 1 for one in wanted]
        made = cls(target, network, (), found.input_pool)
        threads = resolve(None)
        flows = {} if options.calibration is None else {-1: made.enter("calibration", options.calibration, threads)[0]}
        for k, part in enumerate(found.parts):
            outside = [1 if edge.source < 0 or pools[edge.source] == edge.pool else edge.pool for edge in part.edges]
            sources = tuple((edge.source, pool) for edge, pool in zip(part.edges, outside, strict=True))
            layer = _layer(options, part, sources, pools[k])
            made = dataclasses.replace(made, layers=(*made.layers, layer))
            if flows:
                x = made.gather(k, flows)
                layer, result = _calibrated(options, part, layer, x, threads)
                made = dataclasses.replace(made, layers=(*made.layers[:-1], layer))
                flows[k] = layer.pass_on(result)
        return made

    def parts(self) -> dict[str, Any]:
        """Give everything but the float network as plain data; see `ChipNetwork.parts`."""
        layers = []
        for layer in self.layers:
            q, core = layer.quantized, layer.core
            own = {"name": layer.name, "index": layer.index, "neuron_index": layer.neuron_index, "weight": core.weight.astype(np.int8)}
            own |= {"bias": q.bias, "v_threshold": q.v_threshold, "v_min": q.v_min, "scale": q.scale, "rescale": layer.rescale}
            own |= {name: list(getattr(core, name)) for name in ("stride", "padding")}
            own |= {name: getattr(core, name) for name in ("pool", "fire", "reset")}
            own |= {"input_map": list(layer.input_map), "linear": layer.linear, "sources": [list(one) for one in layer.sources]}
            layers.append(own)
        return {"layers": layers, "input_pool": self.input_pool}

    @classmethod
    def restore(cls, target: str, network: Network, parts: dict[str, Any]) -> DynapcnnNetwork:
        """Undo `parts`; see `ChipNetwork.restore`."""
        layers: list[DynapcnnLayer] = []
        for k, own in enumerate(parts["layers"]):
            core = Core.make(
                own["weight"], own["bias"], overflow="none",
                **{name: own[name] for name in ("v_threshold", "v_min", "stride", "padding", "pool", "fire", "reset")},
            )  # fmt: skip
            bias = None if core.bias is None else core.bias.astype(np.int8)
            q = Discretized(core.weight.astype(np.int8), bias, core.v_threshold, own["v_min"], None, float(own["scale"]))
            sources = tuple((int(source), int(pool)) for source, pool in own["sources"])
            if any(not -1 <= source < k for source, _ in sources):
                raise InvalidValueError(f"layer {own['name']}: its sources {sources} do not come before it")
            rows, columns = (int(one) for one in integers("input_map", own["input_map"]))
            network.neurons[own["neuron_index"]]
            place = (str(own["name"]), int(own["index"]), int(own["neuron_index"]))
            layers.append(DynapcnnLayer(*place, q, float(own["rescale"]), core, (rows, columns), bool(own["linear"]), sources))
        return cls(target, network, tuple(layers), int(parts["input_pool"]))

    def gather(self, k: int, flows: Mapping[int, Array]) -> Array:
        """Give what comes into layer k: what its sources sent, pooled and added up."""
        layer = self.layers[k]
        came = [_pooled("x", flows[source], pool, 1) for source, pool in layer.sources]
        if len(came) == 1:
            return came[0]
        total: Array = np.asarray(np.sum([convert("x", one) for one in came], axis=0, dtype=np.int64))
        return total

    def check(self) -> Check:
        """Compare every layer with every limit of the chip; see `ChipNetwork.check`."""
        shapes = []
        for k, layer in enumerate(self.layers):
            taken = [pool for other in self.layers for source, pool in other.sources if source == k]
            pools = tuple(sorted({layer.core.pool * pool for pool in taken or [1]}))
            shape = layer.core.shape(layer.name, *layer.input_map)
            shapes.append(dataclasses.replace(shape, pools=pools, destinations=max(1, len(taken))))
        rows, placed, readout = network_limits(shapes, self.input_pool, self.chip.readout)
        if self.chip.readout is not None:  # what has a readout has a sensor
            own = "x".join(map(str, shape_of("input_shape", self.source.input_shape)))
            fits = f"from the sensor, {SENSOR[0]}x{SENSOR[1]}x{SENSOR[2]} at most"
            rows.insert(0, Limit("input", "map", own, fits if self.from_sensor else f"{fits}; this one as events from outside", ok=True))
        return Check(self.target, tuple(rows), placed, readout)

    @property
    def from_sensor(self) -> bool:
        """Whether what comes in can be cut out of what the sensor of Speck sends: one or two polarities, a map."""
        shape = shape_of("input_shape", self.source.input_shape)
        return len(shape) == 3 and all(one <= most for one, most in zip(shape, SENSOR, strict=True))

    def in_float(self, *, decays: bool = True) -> tuple[Network, dict[int, int]]:
        """Make the float network of the chip's rounded parameters; see `ChipNetwork.in_float`."""
        layers: list[Any] = list(self.source.layers)
        for layer in self.layers:
            q, product, neuron = layer.quantized, layers[layer.index], layers[layer.neuron_index]
            kind = product.weight.dtype
            # The division of an average pool is still in the pool, so it leaves the weights again.
            weight = (q.weight / (q.scale * layer.rescale)).astype(kind).reshape(product.weight.shape)
            bias = None if q.bias is None else (q.bias / q.scale).astype(product.bias.dtype)
            layers[layer.index] = dataclasses.replace(product, weight=weight, bias=bias)
            clip = None if neuron.stages.v_min is None else q.v_min / q.scale
            layers[layer.neuron_index] = IAF(v_threshold=q.v_threshold / q.scale, v_min=clip, fire=layer.core.fire, reset=layer.core.reset)
        return dataclasses.replace(self.source, layers=layers), {layer.neuron_index: layer.neuron_index for layer in self.layers}

    def rungs(self, flow: Array, own: Mapping[int, Array], threads: int) -> list[Rung]:
        """Run without limits, with the chip's bits, and event by event; see `ChipNetwork.rungs`."""
        found = [Rung("weights", own)]
        bounded, flows = {}, {-1: flow}
        for k, layer in enumerate(self.layers):
            held = dataclasses.replace(layer, core=dataclasses.replace(layer.core, overflow="saturate"))
            result = held.run(self.gather(k, flows), None, (), threads)
            bounded[layer.neuron_index], flows[k] = result.spikes, held.pass_on(result)
        found.append(Rung("saturation", bounded))
        counts = flow.sum(axis=(0, -3, -2, -1), dtype=np.float64) if flow.size else np.zeros(1)
        if self.is_chain and not (flow.dtype.kind == "i" and flow.size and flow.min() < 0) and counts.max() <= MOST_EVENTS:
            found.append(Rung("order", in_events(self, flow)))
        return found

    @property
    def is_chain(self) -> bool:
        """Whether every layer takes the one before it, and nothing else."""
        return all(layer.sources == ((k - 1, 1),) for k, layer in enumerate(self.layers))

    def ranges(self, flow: Array, stats: Mapping[int, Stats], threads: int) -> dict[int, tuple[StateRange, ...]]:
        """Say how far membranes rise and fall; see `ChipNetwork.ranges`."""
        return {k: (StateRange("v", one.lowest, one.highest, STATE_BITS, one.beyond),) for k, one in stats.items()}

    def take_in(self, name: str, x: Array, threads: int) -> Array:
        """Check what comes in; pool it where the network begins with a pool."""
        shape = shape_of("input_shape", self.source.input_shape)
        if x.ndim not in (1 + len(shape), 2 + len(shape)) or x.shape[x.ndim - len(shape) :] != shape:
            own = ", ".join(map(str, shape))
            batch = "batch, T" if self.source.batch_first else "T, batch"
            raise InvalidValueError(f"{name} has shape {x.shape} with time first: must be (T, {own}) or ({batch}, {own})")
        x = x if len(shape) == 3 else x.reshape(*x.shape[: x.ndim - len(shape)], math.prod(shape), 1, 1)
        return _pooled(name, x, self.input_pool, threads)


def _pooled(name: str, x: Array, pool: int, threads: int) -> Array:
    """Add up squares of the last two axes."""
    if pool == 1:
        return x
    pooled = empty(name, (*x.shape[:-2], x.shape[-2] // pool, x.shape[-1] // pool), np.dtype(np.int32))
    for cut, block in blocks(name, x):
        _rsnn.integer_pool(block, pooled[cut], pool=pool, threads=threads)
    return pooled


def _layer(
    options: Options, part: Part, sources: tuple[tuple[int, int], ...], pool: int, limit: float | None = None, importance: Any = None
) -> DynapcnnLayer:
    """Quantise one part; with a limit, at no larger scale."""
    assert part.neuron is not None
    product, form = part.product, part.neuron.stages
    p = form.parameters
    linear = isinstance(product, Linear)
    maps = part.input_shape if len(part.input_shape) == 3 else (math.prod(part.input_shape), 1, 1)
    weight = np.asarray(product.weight, np.float32) * np.float32(part.rescale)
    weight = weight.reshape(len(weight), *maps) if linear else weight
    v_min = float(p["v_min"].flat[0]) if "v_min" in p else None
    own = options
    if options.rule == "sinabs":
        # Its rule takes the lowest value of the chip before scaling.
        own, v_min = dataclasses.replace(options, rule=None), float(LOWEST) if v_min is None else v_min
    q = within_scale(weight, product.bias, float(p["v_threshold"].flat[0]), v_min, limit=limit, options=own, importance=importance)
    if q.problems:
        raise InvalidValueError(f"layer {part.name} cannot work on {options.target.name}: {'; '.join(q.problems)}")
    core = Core.make(
        q.weight,
        q.bias,
        v_threshold=q.v_threshold,
        v_min=q.v_min,
        stride=product.stride if isinstance(product, Conv2d) else 1,
        padding=product.padding if isinstance(product, Conv2d) else 0,
        pool=pool,
        fire="multi" if isinstance(form.fire, stages.Multi) else "single",
        reset="subtract" if isinstance(form.reset, stages.Subtract) else "zero",
        overflow="none",
    )
    return DynapcnnLayer(part.name, part.index, part.neuron_index, q, part.rescale, core, (maps[1], maps[2]), linear, sources)


def _calibrated(options: Options, part: Part, layer: DynapcnnLayer, x: Array, threads: int) -> tuple[DynapcnnLayer, ChipResult]:
    """Weigh errors by what comes in, and lower the scale while membranes rise beyond the chip's bits."""
    counted = None
    if options.scale == "mse":
        counted = mean_square(convert("calibration", x), (-3, -2, -1) if layer.linear else (-3,))
        counted = counted if layer.linear else counted[:, None, None]
        layer = _layer(options, part, layer.sources, layer.core.pool, importance=counted)
    top = -LOWEST - 1
    result = layer.run(x, None, (), threads)
    while result.stats.highest > top:
        # Rounding may leave a membrane just beyond: then once more, a little lower.
        limit = layer.quantized.scale * min(top / result.stats.highest, 0.99)
        layer = _layer(options, part, layer.sources, layer.core.pool, limit, counted)
        result = layer.run(x, None, (), threads)
    return layer, result

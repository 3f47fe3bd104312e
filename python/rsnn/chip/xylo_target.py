"""Networks on Xylo: hidden populations in the chip's hidden neurons, one after the other, the last population in its output neurons.

Hidden neurons hear each other, and output neurons hear them, one step later: a population answers so many steps later than in the float
network as there are populations before it. `xylo_quantize` makes the integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import names, shape_of
from rsnn.errors import InvalidValueError
from rsnn.layers import Add, Delay, Flatten, Linear
from rsnn.network import Network
from rsnn.neurons import LIF
from rsnn.recurrent import Recurrent
from rsnn.state import State
from rsnn.threads import resolve

from .integers import Array, convert, integer, integers
from .network import ChipNetwork, ChipNetworkResult
from .options import Options
from .populations import Population, lags, populations
from .reading import refuse
from .report import Check, Limit, StateRange
from .result import ChipResult, Stats
from .rungs import Rung
from .xylo import Core
from .xylo_quantize import by_rockpool, calibrated, core_of, floats, scaled
from .xylo_wide import shifted_weights, wide

STATE_BITS = 16
_WEIGHT, _STATE = 127, 32767
_ARRAYS = (
    "w_in", "w_rec", "w_out", "dash_syn", "dash_mem", "dash_syn_out", "dash_mem_out", "threshold", "threshold_out", "bias", "bias_out",
    "alias",
)  # fmt: skip
"""What a file has of a core."""


@dataclass(frozen=True)
class Chip:
    """What a chip of the family has.

    Neurons, the fan-out of a hidden neuron at most and on average (0: not published), and how many hidden neurons input reaches and are
    read out.
    """

    inputs: int
    hidden: int
    outputs: int
    fan_out: int
    average: int
    reached: int


CHIPS = {
    "xylo_audio2": Chip(16, 1000, 8, 64, 0, 1000),
    "xylo_audio3": Chip(16, 992, 32, 1024, 32, 128),
    "xylo_imu": Chip(16, 496, 16, 512, 64, 128),
}
"""Sizes from rockpool 3.1.0 and the maker's documentation."""


@dataclass(frozen=True, eq=False)
class XyloLayer:
    """One population on the chip.

    Attributes
    ----------
    name : the layer, as ``"0 Linear"``
    index, neuron_index : where the float network has its weights and its neurons
    first, size : its neurons among the hidden ones of the chip, or among the output ones
    weight : (inputs and, where there are synapses between them, hidden neurons, n), or (hidden neurons, n): as the chip shifts them
    dash_syn, dash_mem, threshold, bias : what the chip is given
    scale : K, one for each neuron
    delay : by how many steps it answers later than in the float network
    output : whether it is in the output neurons
    """

    name: str
    index: int
    neuron_index: int
    first: int
    size: int
    weight: npt.NDArray[np.int64]
    dash_syn: npt.NDArray[np.int64]
    dash_mem: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.int64]
    bias: npt.NDArray[np.int64]
    scale: npt.NDArray[np.float64]
    delay: int
    output: bool
    state_bits: int = STATE_BITS

    @property
    def v_threshold(self) -> int:
        """The lowest threshold, in integers."""
        return int(self.threshold.min(initial=_STATE))

    @property
    def places(self) -> slice:
        """Its neurons."""
        return slice(self.first, self.first + self.size)

    @property
    def coefficients(self) -> Mapping[str, Array]:
        """The parts of current and membrane that are kept in a step."""
        return {"alpha": 1 - 0.5 ** self.dash_syn.astype(np.float64), "beta": 1 - 0.5 ** self.dash_mem.astype(np.float64)}

    def time_constants(self, dt: float) -> tuple[Array, Array]:
        """Give the time constants of currents and membranes that the shifts stand for, in the unit of `dt`; 0 where nothing is kept."""
        with np.errstate(divide="ignore"):
            syn, mem = (np.where(dash > 0, -dt / np.log1p(-(0.5 ** np.maximum(dash, 1))), 0.0) for dash in (self.dash_syn, self.dash_mem))
        return syn, mem


@dataclass(frozen=True, eq=False, repr=False)
class XyloNetwork(ChipNetwork):
    """A network in the integers of Xylo; see `ChipNetwork`.

    Verified against xylosim 0.1.3, the maker's simulator: 24 random cores, and an exported network, deep, recurrent, with aliases and
    weight shifts. Not against silicon. Whether Audio 3 has the second synapse of a hidden neuron is not known; it is not used here.
    """

    layers: tuple[XyloLayer, ...]
    core: Core

    @classmethod
    def build(cls, network: Network, options: Options) -> XyloNetwork:
        """Quantise a network; see `rsnn.chip.quantize`."""
        target = options.target.name
        found = populations(target, network)
        *hidden, output = found
        for parameter, there, why in (
            ("a single population", not hidden, "output neurons hear hidden ones"),
            ("its recurrence", output.recurrent, "output neurons have none"),
            ("what comes into the network", any(source < 0 for source, _ in output.synapses), "output neurons hear hidden ones only"),
        ):
            if there:
                raise refuse(target, output.neuron_name, parameter, why, "use Linear, LIF, Linear, LIF")
        late = lags(target, found, hop=1)
        n_in, sizes = _inputs(network), [one.n for one in hidden]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
        n = int(starts[-1])
        alias = _aliases(found, starts, n)
        hidden_places = {k: slice(n_in + int(starts[k]), n_in + int(starts[k + 1])) for k in range(len(hidden))}
        own = [
            floats(target, one, int(starts[k]), n_in + n, {-1: slice(0, n_in)} | hidden_places, output=False)
            for k, one in enumerate(hidden)
        ]  # fmt: skip
        last = floats(target, output, 0, n, {k: slice(int(starts[k]), int(starts[k + 1])) for k in range(len(hidden))}, output=True)
        if options.rule is not None:
            groups = by_rockpool(options, own, last, n_in)
        elif options.calibration is not None:
            bare = cls(target, network, (), core_of(scaled(options, own), scaled(options, [last]), n_in, alias))
            x = bare.enter("calibration", options.calibration, resolve(None))[0]
            groups = calibrated(options, own, last, n_in, alias, convert("calibration", x), resolve(None))
        else:
            groups = scaled(options, own), scaled(options, [last])
        core = core_of(groups[0], groups[1], n_in, alias)
        firsts = [int(one) for one in starts[:-1]]
        return cls(target, network, _layers(found, [*firsts, 0], late, core, [group.scale for group in groups]), core)

    def parts(self) -> dict[str, Any]:
        """Give everything but the float network as plain data; see `ChipNetwork.parts`."""
        core = self.core
        own: dict[str, Any] = {name: getattr(core, name) for name in _ARRAYS}
        own |= {name: own[name][..., 0] for name in ("w_in", "w_rec", "dash_syn")} | {"shifts": list(core.shifts)}
        kept = ("name", "index", "neuron_index", "first", "size", "delay", "output", "scale")
        return {"core": own, "layers": [{name: getattr(layer, name) for name in kept} for layer in self.layers]}

    @classmethod
    def restore(cls, target: str, network: Network, parts: dict[str, Any]) -> XyloNetwork:
        """Undo `parts`; see `ChipNetwork.restore`."""
        own = {name: parts["core"][name] for name in _ARRAYS}
        core = Core(**own, **dict(zip(("shift_in", "shift_rec", "shift_out"), parts["core"]["shifts"], strict=True)))
        layers = []
        for one in parts["layers"]:
            network.neurons[one["neuron_index"]]
            scale = np.asarray(one["scale"], np.float64)
            size = integer("size", one["size"], 0)
            if scale.shape != (size,):
                raise InvalidValueError(f"layer {one['name']}: scale has shape {scale.shape}, must be ({size},)")
            place = (integer("first", one["first"], 0), size, integer("delay", one["delay"], 0), bool(one["output"]), scale)
            layers.append(_layer(str(one["name"]), int(one["index"]), int(one["neuron_index"]), *place, core))
        _, n, _, n_out = core.sizes
        found = [(one.output, one.first, one.size) for one in layers]
        starts = np.cumsum([0, *(one.size for one in layers[:-1])]).tolist()
        wanted = [(False, first, one.size) for first, one in zip(starts, layers[:-1], strict=False)] + [(True, 0, n_out)]
        if len(layers) < 2 or found != wanted or starts[-1] != n:
            raise InvalidValueError(f"layers: their neurons are not those of the core, {n} hidden and {n_out} output ones")
        return cls(target, network, tuple(layers), core)

    def run(
        self, x: npt.ArrayLike, state: dict[int, State] | None = None, *, record: Any = (), threads: int | None = None
    ) -> ChipNetworkResult:
        """Run the core; see `ChipNetwork.run`. Records ``"v"``. The state of all populations is kept with the first."""
        recorded, workers = names("record", record, ("v",)), resolve(threads)
        first = self.layers[0].neuron_index
        self.check_state(state, (first,))
        flow, swap = self.enter("x", x, workers)
        result = self.core.run(flow, None if state is None else state[first], record=("v", "v_out") if recorded else (), threads=workers)

        own = self._spikes(result.spikes, result.out)
        earlier = None if state is None else state[first].s
        stats = self._stats(own, flow, result, earlier)
        spikes = {k: self.layout(one, k, flow.ndim - 1, swap) for k, one in own.items()}
        traces: dict[int, dict[str, Array]] = {}
        for one in self.layers if recorded else ():
            trace = (result.v_out if one.output else result.v)[..., one.places]
            traces[one.neuron_index] = {"v": self.layout(trace, one.neuron_index, flow.ndim - 1, swap)}
        output = self.layout(result.out, self.layers[-1].neuron_index, flow.ndim - 1, swap)
        return ChipNetworkResult(output, spikes, {first: result.state}, stats, traces, self.batch_axis(flow.ndim - 1))

    def _spikes(self, hidden: Array, out: Array) -> dict[int, Array]:
        """Give the spikes of each population, without what aliases add."""
        found = {}
        for one in self.layers:
            own = (out if one.output else hidden)[..., one.places]
            source = None if one.output else _source(self.core.alias, one)
            found[one.neuron_index] = own if source is None else own - hidden[..., source : source + one.size]
        return found

    def _stats(self, own: dict[int, Array], flow: Array, result: ChipResult, earlier: Any) -> dict[int, Stats]:
        """Count by population; membranes are counted for all hidden neurons together, and go to the first."""
        core, over = self.core, tuple(range(flow.ndim - 1))
        into = np.minimum(convert("x", flow), 15).sum(axis=over, dtype=np.int64)
        sent = result.spikes[:-1].sum(axis=over, dtype=np.int64) if len(flow) else np.zeros(core.sizes[1], np.int64)
        if len(flow) and earlier is not None:
            last = np.asarray(earlier)
            sent = sent + last.sum(axis=tuple(range(last.ndim - 1)), dtype=np.int64)
        stats = {}
        for k, layer in enumerate(self.layers):
            spikes = own[layer.neuron_index]
            rows = [(sent, core.w_out)] if layer.output else [(into, core.w_in[:, :, 0]), (sent, core.w_rec[:, :, 0])]
            synops = sum(int(count @ np.count_nonzero(w[:, layer.places], axis=1)) for count, w in rows)
            reached = (result.stats.beyond, result.stats.lowest, result.stats.highest) if k == 0 else (0, 0, 0)
            density = np.count_nonzero(spikes) / max(1, spikes.size)
            stats[layer.neuron_index] = Stats(int(spikes.sum(dtype=np.int64)), density, synops, *reached)
        return stats

    def check(self) -> Check:
        """Compare the network with every limit of the chip; see `ChipNetwork.check`."""
        chip, rows = CHIPS[self.target], []
        n_in, n, _, n_out = self.core.sizes
        hidden, output = self.layers[0], self.layers[-1]

        def add(layer: str, what: str, needed: Any, available: Any, ok: bool) -> None:
            rows.append(Limit(layer, what, needed, available, ok))

        add(hidden.name, "input channels", n_in, chip.inputs, n_in <= chip.inputs)
        add("hidden", "hidden neurons", n, chip.hidden, n <= chip.hidden)
        add(output.name, "output neurons", n_out, chip.outputs, n_out <= chip.outputs)
        fan = np.count_nonzero(self.core.w_rec, axis=(1, 2)) + np.count_nonzero(self.core.w_out, axis=1)
        add("hidden", "fan-out of a neuron", int(fan.max(initial=0)), chip.fan_out, int(fan.max(initial=0)) <= chip.fan_out)
        if chip.average:
            mean = float(fan.mean()) if n else 0.0
            add("hidden", "fan-out on average", f"{mean:.1f}", chip.average, mean <= chip.average)
        reached, read = (np.flatnonzero(self.core.w_in.any(axis=(0, 2))), np.flatnonzero(self.core.w_out.any(axis=1)))
        last = int(reached.max(initial=-1)) + 1
        add("hidden", "neurons reached by input", last, f"the first {chip.reached}", last <= chip.reached)
        first = n - int(read.min(initial=n))
        add(output.name, "neurons read out", first, f"the last {chip.reached}", first <= chip.reached)
        for layer in self.layers:
            dashes = np.concatenate([layer.dash_syn, layer.dash_mem])
            given = layer.weight >> (self.core.shifts[2] if layer.output else self.core.shifts[0])
            for what, values, low, high in (
                ("weights", given, -_WEIGHT - 1, _WEIGHT), ("thresholds", layer.threshold, 1, _STATE),
                ("biases", layer.bias, -_STATE - 1, _STATE), ("dashes", dashes, 1, 15),
            ):  # fmt: skip
                least, most = (int(values.min()), int(values.max())) if values.size else (low, low)
                add(layer.name, what, f"{least} to {most}", f"{low} to {high}", low <= least and most <= high)
        add("hidden", "aliases", int(np.count_nonzero(self.core.alias >= 0)), "one for each hidden neuron", ok=True)
        ok = all(row.ok for row in rows)
        return Check(self.target, tuple(rows), {layer.name: 0 for layer in self.layers} if ok else {})

    def in_float(self, *, decays: bool = True) -> tuple[Network, dict[int, int]]:
        """Make the float network of the chip's rounded parameters; see `ChipNetwork.in_float`."""
        shape = shape_of("input_shape", self.source.input_shape)
        entries: list[Any] = [(None, Flatten())] if len(shape) > 1 else []
        start = len(entries) - 1
        places: dict[int, int] = {}
        heard: list[int] = []  # the layer whose output is what others hear of a population

        def add(layer: Any, *inputs: int) -> int:
            entries.append((None, layer, inputs))
            return len(entries) - 1

        for k, layer in enumerate(self.layers):
            source: Any = self.source.layers[layer.neuron_index]
            form, by = _float_neuron(getattr(source, "neuron", source), layer, decays)
            inputs, own = [], None
            for j, w in self.rows(layer):
                weight = w.T * by[:, None]
                if j == k:
                    own = weight
                elif w.any():
                    wait = 0 if j < 0 else self.layers[j].delay + 1 - layer.delay
                    at = start if j < 0 else heard[j]
                    at = add(Delay(wait * form.dt, dt=form.dt), at) if wait else at
                    inputs.append(add(Linear(weight), at))
            # A population that nothing reaches is one all the same.
            inputs = inputs or [add(Linear(np.zeros((layer.size, self.core.sizes[0]))), start)]
            places[layer.neuron_index] = add(form if own is None or not own.any() else Recurrent(form, own), *inputs)
            heard.append(places[layer.neuron_index])
            added = None if layer.output else _source(self.core.alias, layer)
            if added is not None:
                other = next(j for j, one in enumerate(self.layers) if one.first == added and not one.output)
                heard[k] = add(Add(), heard[k], places[self.layers[other].neuron_index])
        return Network(entries, input_shape=shape, batch_first=self.source.batch_first), places

    def rows(self, layer: XyloLayer) -> list[tuple[int, Array]]:
        """Give the weights that a population hears, as the chip shifts them, by source: -1 for what comes into the network."""
        w_in, w_rec, w_out = shifted_weights(self.core)
        if layer.output:
            return [(j, w_out[one.places]) for j, one in enumerate(self.layers) if not one.output]
        within = [(j, w_rec[one.places, layer.places]) for j, one in enumerate(self.layers) if not one.output]
        return [(-1, w_in[:, layer.places]), *within]

    def take_in(self, name: str, x: Array, threads: int) -> Array:
        """Check what comes in, and lay it out as a row of channels."""
        return self.row(name, x)

    def rungs(self, flow: Array, own: Mapping[int, Array], threads: int) -> list[Rung]:
        """Run with states of 32 bits; see `ChipNetwork.rungs`."""
        return [Rung("steps", wide(self, flow, threads)[0]), Rung("saturation", own)]

    def ranges(self, flow: Array, stats: Mapping[int, Stats], threads: int) -> dict[int, tuple[StateRange, ...]]:
        """Say how far currents and membranes rise and fall; see `ChipNetwork.ranges`."""
        return wide(self, flow, threads)[1]


def _float_neuron(neuron: Any, layer: XyloLayer, decays: bool) -> tuple[LIF, Array]:
    """Give the float neuron of the rounded parameters, and by what integer weights are multiplied for it."""
    c = neuron.coefficients()
    alpha, beta = (layer.coefficients[key] if decays else np.broadcast_to(c[key], layer.size) for key in ("alpha", "beta"))
    # The chip's current decays after a spike has arrived, that of LIF before: a spike is smaller by that factor. Of a neuron that decays
    # as LIF does the quantised weights hold the chip's factor already.
    falls = layer.coefficients["alpha"] if neuron.stages.synapse.order == "decay_jump_use" else alpha
    form = LIF(
        beta=beta, alpha=alpha, v_threshold=layer.threshold / layer.scale, bias=layer.bias / layer.scale, gain="unit",
        fire="single" if layer.output else "multi", max_spikes=None if layer.output else 31, dt=neuron.stages.dt,
    )  # fmt: skip
    return form, falls / layer.scale


def _inputs(network: Network) -> int:
    return int(np.prod(shape_of("input_shape", network.input_shape), dtype=np.int64))


def _source(alias: Array, layer: XyloLayer) -> int | None:
    """Give the first neuron of the population whose spikes are added to those of a layer."""
    found = np.flatnonzero(alias == layer.first) if layer.size else np.zeros(0, np.int64)
    return int(found[0]) if len(found) else None


def _aliases(found: list[Population], starts: Array, n: int) -> Array:
    """Let one hidden population's spikes be added to another's where everyone who hears the one hears the other with the same weights.

    That is what a residual connection is: layers that take the sum of two populations. The weights from the first of them are left out.
    """
    alias = np.full(n, -1, np.int64)
    taken: set[int] = set()
    hidden = len(found) - 1
    for q in range(hidden):
        for p in range(q):
            hears = [(one, key) for one in found for key in one.synapses if key[0] == q]
            if {p, q} & taken or found[p].n != found[q].n or not hears:
                continue
            both = all((p, d) in one.synapses and np.array_equal(one.synapses[p, d], one.synapses[q, d]) for one, (_, d) in hears)
            if both:
                for one, (_, d) in hears:
                    del one.synapses[p, d]
                alias[int(starts[p]) : int(starts[p + 1])] = np.arange(int(starts[q]), int(starts[q + 1]))
                taken |= {p, q}
    return alias


def _layers(found: list[Population], firsts: list[int], late: list[int], core: Core, scales: list[Array]) -> tuple[XyloLayer, ...]:
    made = []
    for k, one in enumerate(found):
        output = k == len(found) - 1
        scale = np.array(scales[int(output)][firsts[k] : firsts[k] + one.n], np.float64)
        made.append(_layer(one.name, one.index, one.neuron_index, firsts[k], one.n, late[k], output, scale, core))
    return tuple(made)


def _layer(
    name: str, index: int, neuron_index: int, first: int, size: int, delay: int, output: bool, scale: Array, core: Core
) -> XyloLayer:  # fmt: skip
    """Give a population's share of the core."""
    places = slice(first, first + size)
    w_in, w_rec, w_out = shifted_weights(core)
    if output:
        weight, own = w_out[:, places], (core.dash_syn_out, core.dash_mem_out, core.threshold_out, core.bias_out)
    else:
        rows = [w_in[:, places], *([w_rec[:, places]] if w_rec[:, places].any() else [])]
        weight, own = np.concatenate(rows), (core.dash_syn[:, 0], core.dash_mem, core.threshold, core.bias)
    dash_syn, dash_mem, threshold, bias = (integers(name, one[places]) for one in own)
    return XyloLayer(name, index, neuron_index, first, size, weight, dash_syn, dash_mem, threshold, bias, scale, delay, output)

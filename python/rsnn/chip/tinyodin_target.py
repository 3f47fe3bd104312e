"""Networks on tinyODIN: inputs and populations side by side in one crossbar of 256 neurons, one event after the other.

Every neuron has a scale K of its own: ``w = K weight``, 4 bits, ``threshold = K v_threshold``. An input channel takes a neuron that never
fires, and an event of that channel is an event of its address. Of a step the channels come in order, and each event is finished, with all
spikes that follow from it, before the next: what arrives together in a step of the float network arrives one after the other here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rsnn import stages
from rsnn.arguments import names, shape_of
from rsnn.composed import Neuron
from rsnn.errors import InvalidValueError
from rsnn.layers import Flatten, Linear
from rsnn.network import Network
from rsnn.neurons import IAF
from rsnn.state import State, make_state
from rsnn.threads import resolve

from .integers import Array, convert, integer, integers, often
from .loihi_synapses import product
from .network import ChipNetwork, ChipNetworkResult
from .neuron import IntegerNeuron, Register, run
from .options import Options, mean_square
from .populations import Population, lags, populations
from .reading import refuse, refuse_extras, refuse_other_resets
from .report import Check, Limit, StateRange
from .result import Stats
from .rungs import Rung
from .tinyodin import MOST, V_MAX, Chip

STATE_BITS = 12
SILENT = 4095
"""The threshold of a neuron that stands for an input: above what a membrane reaches."""


@dataclass(frozen=True, eq=False)
class TinyodinLayer:
    """One population on the chip.

    Attributes
    ----------
    name : the layer, as ``"0 Linear"``
    index, neuron_index : where the float network has its weights and its neurons
    first, size : its addresses
    threshold : what the chip is given, (n,)
    scale : K, one for each neuron
    delay : none, spikes come back at once
    """

    name: str
    index: int
    neuron_index: int
    first: int
    size: int
    threshold: npt.NDArray[np.int64]
    scale: npt.NDArray[np.float64]
    delay: int = 0
    state_bits: int = STATE_BITS

    @property
    def v_threshold(self) -> int:
        """The lowest threshold, in integers."""
        return int(self.threshold.min(initial=V_MAX))

    @property
    def places(self) -> slice:
        """Its addresses."""
        return slice(self.first, self.first + self.size)

    @property
    def coefficients(self) -> Mapping[str, Array]:
        """Nothing decays by parts."""
        return {}


@dataclass(frozen=True, eq=False, repr=False)
class TinyodinNetwork(ChipNetwork):
    """A network in the integers of tinyODIN; see `ChipNetwork`.

    Verified against the published RTL run in Icarus Verilog 11: 5 chips of 150 events, 4000 updates of a neuron. Not on an FPGA, and
    not with a network that was quantised here.
    """

    layers: tuple[TinyodinLayer, ...]
    crossbar: Chip

    rounds_states: ClassVar[bool] = False

    @classmethod
    def build(cls, network: Network, options: Options) -> TinyodinNetwork:
        """Quantise a network; see `rsnn.chip.quantize`."""
        target = options.target.name
        found = populations(target, network)
        lags(target, found, hop=0)
        if found[-1].neuron_index != len(network.layers) - 1:
            raise InvalidValueError(f"network: it must end with neurons on {target}")
        n_in = math.prod(shape_of("input_shape", network.input_shape))
        starts = np.concatenate([[n_in], n_in + np.cumsum([one.n for one in found])]).astype(int)
        if starts[-1] > MOST:
            raise InvalidValueError(
                f"network: {n_in} inputs and {starts[-1] - n_in} neurons; {target} has {MOST} for both; use a smaller one"
            )
        made = cls(target, network, (), Chip(np.zeros((n_in, n_in)), SILENT, 0))
        flow, threads = None, resolve(None)
        if options.calibration is not None:
            flow = convert("calibration", made.enter("calibration", options.calibration, threads)[0])
        for k, one in enumerate(found):
            made = made.grown(_floats(target, one, starts, k), one, options, flow)
        return made

    def grown(self, weight: Array, one: Population, options: Options, flow: Array | None) -> TinyodinNetwork:
        """Add a population; with calibration at a scale at which its membranes stay inside the chip's bits."""
        c = one.neuron.coefficients()
        threshold = np.broadcast_to(np.asarray(c["v_threshold"], np.float64), one.n)
        counted = None
        if flow is not None:
            sent = self.run_flow(flow)[0] if self.layers else flow
            counted = mean_square(sent if sent.ndim == 2 else sent.reshape(-1, sent.shape[-1]), (-1,))
        scale = options.scales(weight, -options.top - 1, options.top, threshold, counted if options.scale == "mse" else None)
        scale = np.minimum(scale, V_MAX / threshold)
        while True:
            whole, top = options.whole(weight * scale[:, None], -options.top - 1, options.top), options.whole(threshold * scale, 1, V_MAX)
            dead = np.flatnonzero(weight.any(axis=1) & ~whole.any(axis=1))
            if len(dead):
                raise refuse(
                    self.target, one.name, f"the weights of neuron {dead[0]}, at most {np.abs(weight[dead[0]]).max():g} at a threshold of "
                    f"{threshold[dead[0]]:g}", "all become 0", "use a lower threshold",
                )  # fmt: skip
            n = len(self.crossbar.v)
            crossbar = np.zeros((n + one.n, n + one.n), np.int64)
            crossbar[:n, :n], crossbar[:n, n:] = self.crossbar.weights, whole.T
            thresholds = np.concatenate([self.crossbar.threshold, top])
            layer = TinyodinLayer(one.name, one.index, one.neuron_index, n, one.n, top, scale)
            made = TinyodinNetwork(self.target, self.source, (*self.layers, layer), Chip(crossbar, thresholds, 0))
            if flow is None:
                return made
            left = made.stepped(flow, 32, 1)[1][one.neuron_index]
            over = (np.abs(left.astype(np.int64)) > V_MAX).any(axis=tuple(range(left.ndim - 1)))
            if not over.any():
                return made
            scale = np.where(over, scale * 0.7, scale)

    def parts(self) -> dict[str, Any]:
        """Give everything but the float network as plain data; see `ChipNetwork.parts`."""
        kept = ("name", "index", "neuron_index", "first", "size", "scale")
        own = [{name: getattr(layer, name) for name in kept} for layer in self.layers]
        return {"layers": own, "weights": self.crossbar.weights, "threshold": self.crossbar.threshold}

    @classmethod
    def restore(cls, target: str, network: Network, parts: dict[str, Any]) -> TinyodinNetwork:
        """Undo `parts`; see `ChipNetwork.restore`."""
        crossbar = Chip(parts["weights"], parts["threshold"], 0)
        layers = []
        for own in parts["layers"]:
            network.neurons[own["neuron_index"]]
            first, size = integer("first", own["first"], 0), integer("size", own["size"], 0)
            scale, threshold = np.asarray(own["scale"], np.float64), crossbar.threshold[first : first + size]
            if scale.shape != (size,) or threshold.shape != (size,):
                raise InvalidValueError(f"layer {own['name']}: {size} neurons from address {first} are not all on the chip")
            layers.append(TinyodinLayer(str(own["name"]), int(own["index"]), int(own["neuron_index"]), first, size, threshold, scale))
        return cls(target, network, tuple(layers), crossbar)

    def run(
        self, x: npt.ArrayLike, state: dict[int, State] | None = None, *, record: Any = (), threads: int | None = None
    ) -> ChipNetworkResult:
        """Run the chip; see `ChipNetwork.run`. The state, the membranes of all addresses, is kept with the first population."""
        names("record", record, (), "the chip knows events and no steps, so there is nothing to record")
        first, workers = self.layers[0].neuron_index, resolve(threads)
        self.check_state(state, (first,))
        flow, swap = self.enter("x", x, workers)
        sent, v, lost, came = self.run_flow(convert("x", flow), None if state is None else state[first])
        spikes, stats = {}, {}
        for layer in self.layers:
            own = np.ascontiguousarray(sent[..., layer.places])
            number, density = int(own.sum(dtype=np.int64)), np.count_nonzero(own) / max(1, own.size)
            spikes[layer.neuron_index] = self.layout(own, layer.neuron_index, flow.ndim - 1, swap)
            stats[layer.neuron_index] = Stats(number, density, came * layer.size)
        output = spikes[self.layers[-1].neuron_index]
        return ChipNetworkResult(output, spikes, {first: make_state(("v",), (v,))}, stats, {}, self.batch_axis(flow.ndim - 1), lost)

    def run_flow(self, flow: Array, state: Any = None) -> tuple[Array, Array, int, int]:
        """Run samples one after the other: spikes of all addresses by step, inputs among them; membranes, spikes lost, events processed."""
        n_in, n = flow.shape[-1], len(self.crossbar.v)
        if flow.size and flow.min() < 0:
            raise InvalidValueError(f"x: {flow.min()} came; the chip takes counts of events, which are not negative")
        steps, leading = len(flow), flow.shape[1:-1]
        sent = np.zeros((steps, *leading, n), np.int32)
        sent[..., :n_in] = flow
        v = np.zeros((*leading, n), np.int16) if state is None else integers("state.v", state.v).astype(np.int16)
        if v.shape != (*leading, n):
            raise InvalidValueError(f"state.v has shape {v.shape}: must be {(*leading, n)}; give the .state of an earlier result")
        lost = came = 0
        for b in np.ndindex(leading):
            sample = flow[(slice(None), *b)]
            step, channel = np.nonzero(sample)
            times = often("x", sample[step, channel])
            result = self.crossbar.run(np.repeat(channel, times), v=v[b])
            at = np.repeat(np.repeat(step, times), result.counts)
            np.add.at(sent, (at, *(np.full(len(at), one) for one in b), result.spikes.astype(np.int64)), 1)
            v[b] = result.v
            lost, came = lost + result.lost, came + len(result.counts) + len(result.spikes) - result.lost
        return sent, v, lost, came

    def check(self) -> Check:
        """Compare the network with every limit of the chip; see `ChipNetwork.check`."""
        rows = []

        def add(layer: str, what: str, needed: Any, available: Any, ok: bool) -> None:
            rows.append(Limit(layer, what, needed, available, ok))

        n = len(self.crossbar.v)
        add("all", "neurons, inputs among them", n, MOST, n <= MOST)
        add("all", "synapses", n * n, MOST * MOST, n <= MOST)
        for layer in self.layers:
            for what, values, low, high in (
                ("weights", self.crossbar.weights[:, layer.places], -8, 7), ("thresholds", layer.threshold, 1, V_MAX),
            ):  # fmt: skip
                least, most = (int(values.min()), int(values.max())) if values.size else (low, low)
                add(layer.name, what, f"{least} to {most}", f"{low} to {high}", low <= least and most <= high)
            add(layer.name, "leak", 0, "0 to 127 a time reference", ok=True)
        ok = all(row.ok for row in rows)
        return Check(self.target, tuple(rows), {layer.name: 0 for layer in self.layers} if ok else {})

    def in_float(self, *, decays: bool = True) -> tuple[Network, dict[int, int]]:
        """Make the float network of the chip's rounded parameters; see `ChipNetwork.in_float`."""
        shape = shape_of("input_shape", self.source.input_shape)
        entries: list[Any] = [(None, Flatten())] if len(shape) > 1 else []
        heard = [(slice(0, math.prod(shape)), len(entries) - 1)]
        places = {}
        for layer in self.layers:
            inputs = []
            for rows, at in heard:
                w = self.crossbar.weights[rows, layer.places]
                if w.any():
                    entries.append((None, Linear(w.T / layer.scale[:, None]), at))
                    inputs.append(len(entries) - 1)
            if not inputs:
                entries.append((None, Linear(np.zeros((layer.size, math.prod(shape)))), heard[0][1]))
                inputs.append(len(entries) - 1)
            source: Any = self.source.layers[layer.neuron_index]
            fire = "multi" if isinstance(source.stages.fire, stages.Multi) else "single"
            entries.append((None, IAF(v_threshold=layer.threshold / layer.scale, fire=fire, reset="zero"), tuple(inputs)))
            places[layer.neuron_index] = len(entries) - 1
            heard.append((layer.places, len(entries) - 1))
        return Network(entries, input_shape=shape, batch_first=self.source.batch_first), places

    def take_in(self, name: str, x: Array, threads: int) -> Array:
        """Check what comes in, and lay it out as a row of channels."""
        return self.row(name, x)

    def stepped(self, flow: Array, bits: int, threads: int) -> tuple[dict[int, Array], dict[int, Array]]:
        """Run the same integers in time steps, everything of a step at once: spikes and membranes before they fire, by population."""
        sent, spikes, reached = convert("x", flow), {}, {}
        for layer in self.layers:
            source: Any = self.source.layers[layer.neuron_index]
            fire = "multi" if isinstance(source.stages.fire, stages.Multi) else "single"
            neuron = IntegerNeuron(v_threshold=layer.threshold, fire=fire, reset="zero", membrane=Register(bits=bits))
            weights = np.ascontiguousarray(self.crossbar.weights[: sent.shape[-1], layer.places].T)
            result = run(neuron, product(sent, weights, True, threads), record="u", threads=threads)
            spikes[layer.neuron_index], reached[layer.neuron_index] = result.spikes, result.u
            sent = np.concatenate([sent.astype(np.int64), result.spikes], axis=-1)
        return spikes, reached

    def rungs(self, flow: Array, own: Mapping[int, Array], threads: int) -> list[Rung]:
        """Run in time steps without and with the chip's bits, then event by event; see `ChipNetwork.rungs`."""
        wide, bounded = (self.stepped(flow, bits, threads)[0] for bits in (32, STATE_BITS))
        return [Rung("weights", wide), Rung("saturation", bounded), Rung("order", own)]

    def ranges(self, flow: Array, stats: Mapping[int, Stats], threads: int) -> dict[int, tuple[StateRange, ...]]:
        """Say how far membranes rise and fall in time steps; see `ChipNetwork.ranges`."""
        found: dict[int, tuple[StateRange, ...]] = {}
        for k, u in self.stepped(flow, 32, threads)[1].items():
            beyond = int(np.count_nonzero((u > V_MAX) | (u < -V_MAX - 1)))
            found[k] = (StateRange("v", int(u.min(initial=0)), int(u.max(initial=0)), STATE_BITS, beyond),)
        return found


def _floats(target: str, one: Population, starts: Array, k: int) -> Array:
    """Check a population; give its weights from all addresses before it."""
    _accept(target, one.neuron_name, one.neuron)
    if one.bias.any():
        raise refuse(
            target, one.name, "a bias", "the chip adds weights of events, and nothing by itself", "leave it out, and train without"
        )
    weight = np.zeros((one.n, int(starts[k])))
    for (source, _), w in one.synapses.items():
        weight[:, slice(0, int(starts[0])) if source < 0 else slice(int(starts[source]), int(starts[source + 1]))] += w
    return weight


def _accept(target: str, name: str, neuron: Any) -> None:
    """Refuse what the neuron of the chip does not do."""
    form = neuron.stages

    def no(parameter: str, why: str, cure: str) -> InvalidValueError:
        return refuse(target, name, parameter, why, cure)

    if not isinstance(form, Neuron) or not isinstance(form.membrane, (stages.Integrator, stages.Leaky)):
        raise no("its membrane", "the chip adds up weights", 'use rsnn.IAF(reset="zero")')
    c = neuron.coefficients()
    if form.synapse is not None:
        raise no("its synapse", "the chip's neuron has no current", "leave tau_syn= out")
    if np.any(np.asarray(c.get("beta", 1.0)) != 1):
        raise no("its leak", "the chip's is a number that is subtracted, not a part", 'use rsnn.IAF(reset="zero")')
    if np.any(np.asarray(c.get("gain", 1.0)) != 1):
        raise no("r", "a synapse adds its weight as it is", "multiply the weights of the layer before by r")
    if np.any(np.asarray(c.get("bias", 0.0)) != 0):
        raise no("bias", "the chip adds weights of events, and nothing by itself", "leave it out, and train without")
    refuse_extras(target, name, neuron)
    if form.refractory is not None:
        raise no("a refractory period", "the chip has none", "leave it out")
    if type(form.fire) not in (stages.Single, stages.Multi):
        raise no("fire", "a neuron fires whole spikes", 'use fire="multi" or fire="single"')
    refuse_other_resets(target, name, neuron, STATE_BITS)
    threshold = np.asarray(c["v_threshold"], np.float64)
    if threshold.ndim > 1 or np.any(threshold <= 0):
        raise no("v_threshold", "it is one positive number for each neuron of a row", "use positive ones")

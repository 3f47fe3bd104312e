"""The layers of a float network taken apart into cores of DynapCNN, or the reason why they are none.

A core is: convolution, IAF neurons, sum pooling. A linear layer is a convolution with a kernel of its whole input map, an average pool a
sum pool whose division moves into the next layer's weights. Several cores may send to one, which adds their events up, and a core may send
to several, each with a pooling of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rsnn import stages
from rsnn.arguments import shape_of
from rsnn.errors import InvalidValueError
from rsnn.layers import Add, AvgPool2d, Conv2d, Flatten, Linear, SumPool2d
from rsnn.network import Network
from rsnn.network.graph import call
from rsnn.neurons import AnyNeuron

from .integers import pair
from .reading import index_names, refuse, refuse_extras


@dataclass(frozen=True)
class Edge:
    """What a core takes: the spikes of another part, or -1 for what comes into the network, pooled; divided by the pixels of averages."""

    source: int
    pool: int
    rescale: float


@dataclass
class Part:
    """What one core will be."""

    name: str
    index: int
    product: Conv2d | Linear
    input_shape: tuple[int, ...]
    edges: tuple[Edge, ...]
    neuron_name: str = ""
    neuron_index: int = -1
    neuron: AnyNeuron | None = None

    @property
    def rescale(self) -> float:
        """By what the weights are multiplied, for average pools in front."""
        return self.edges[0].rescale


@dataclass
class Cores:
    """The parts of a network, and what the last layer sends on."""

    parts: list[Part] = field(default_factory=list)
    input_pool: int = 1
    output_pool: int = 1


def cores(target: str, network: Network) -> Cores:
    """Take the layers apart: weights, neurons, pooling."""
    reader = _Reader(target, network)
    for k in range(len(network.layers)):
        reader.take(k)
    return reader.finish()


class _Reader:
    def __init__(self, target: str, network: Network) -> None:
        self.target, self.network = target, network
        self.names = index_names(network.layers)
        self.parts: list[Part] = []
        self.waiting: dict[int, Part] = {}  # weights whose neurons have not come yet, by layer
        self.sends: dict[int, tuple[Edge, ...]] = {-1: (Edge(-1, 1, 1.0),)}
        # Of the map: Flatten leaves it, for the kernel of a linear layer.
        self.maps: dict[int, tuple[int, ...]] = {-1: shape_of("input_shape", network.input_shape)}

    def no(self, k: int, parameter: str, why: str, cure: str) -> InvalidValueError:
        return refuse(self.target, self.names[k], parameter, why, cure)

    def take(self, k: int) -> None:
        """Read one layer."""
        layer, came = self.network.layers[k], self.network.graph.inputs[k]
        if isinstance(layer, AnyNeuron):
            self._neurons(k, layer, came)
            return
        open_ = next((self.waiting[one] for one in came if one in self.waiting), None)
        if open_ is not None:
            raise self.no(
                k, f"its place after layer {open_.name}", "a core is weights, then neurons, then pooling",
                "put rsnn.IAF() between them" if isinstance(layer, (Conv2d, Linear)) else "put it after the neurons",
            )  # fmt: skip
        edges = tuple(edge for one in came for edge in self.sends[one])
        maps = self.maps[came[0]]
        if any(self.maps[one] != maps for one in came):
            shapes = ", ".join(str(self.maps[one]) for one in came)
            raise self.no(k, f"inputs of shapes {shapes}", "events of several cores meet in one map", "let maps of the same shape meet")
        if isinstance(layer, (Conv2d, Linear)):
            self._weights(k, layer, edges, maps)
        elif isinstance(layer, (SumPool2d, AvgPool2d)):
            side = self._side(k, layer)
            by = 1.0 / (side * side) if isinstance(layer, AvgPool2d) else 1.0
            self.sends[k] = tuple(Edge(edge.source, edge.pool * side, edge.rescale * by) for edge in edges)
            self.maps[k] = self.network.shapes[k]
        elif isinstance(layer, (Flatten, Add)):
            self.sends[k], self.maps[k] = edges, maps
        else:
            raise self.no(k, "the layer", "the chip has Conv2d, Linear, IAF, SumPool2d, AvgPool2d and Flatten", "replace it by these")

    def _weights(self, k: int, layer: Conv2d | Linear, edges: tuple[Edge, ...], maps: tuple[int, ...]) -> None:
        came = self.network.shape_before(k)
        if isinstance(layer, Linear) and len(came) != 1:
            raise self.no(k, f"an input of shape {came}", "a linear layer takes the whole map", "put rsnn.Flatten() before it")
        if len({edge.rescale for edge in edges}) > 1:
            raise self.no(
                k, "an average pool before it on one way and not on another", "its weights have one scale",
                "use rsnn.SumPool2d, and divide the weights yourself",
            )  # fmt: skip
        if len({edge.source for edge in edges}) < len(edges):
            raise self.no(k, "the same events twice", "a core sends once to each other core", "double the weights instead")
        self.waiting[k] = Part(self.names[k], k, layer, maps, edges)

    def _neurons(self, k: int, neuron: AnyNeuron, came: tuple[int, ...]) -> None:
        open_ = self.waiting.get(came[0])
        if len(came) > 1:
            takes = ", ".join(str(call(one, self.network.graph.names)) for one in came)
            raise self.no(
                k, f"inputs=({takes})", "neurons take the weights of their own core, and nothing past them",
                "let the next layer with weights take both: its core adds their events up",
            )  # fmt: skip
        if open_ is None:
            raise self.no(k, "neurons without weights", "a core is weights, then neurons", "put rsnn.Conv2d or rsnn.Linear before them")
        if open_.neuron is not None:
            raise self.no(
                k, f"its place after layer {open_.name}", "its weights have neurons already", "give the neurons weights of their own"
            )
        refuse_neuron(self.target, self.names[k], neuron)
        open_.neuron_name, open_.neuron_index, open_.neuron = self.names[k], k, neuron
        self.parts.append(open_)
        self.sends[k], self.maps[k] = (Edge(len(self.parts) - 1, 1, 1.0),), self.network.shapes[k]

    def _side(self, k: int, layer: SumPool2d | AvgPool2d) -> int:
        rows, columns = pair("kernel", layer.kernel, 1)
        if rows != columns:
            raise self.no(k, f"kernel=({rows}, {columns})", "a core pools over squares", "use the same number of rows and columns")
        return rows

    def finish(self) -> Cores:
        """Look at the whole."""
        bare = next((part for part in self.waiting.values() if part.neuron is None), None)
        if bare is not None:
            raise self.no(bare.index, "a layer without neurons", "a core sends spikes only", "add rsnn.IAF() after it and count its spikes")
        if not self.parts:
            raise InvalidValueError("network: it has no layer with weights and neurons, so there is nothing to put on a chip")
        last = len(self.network.layers) - 1
        ends = self.sends[last]
        if len(ends) > 1 or ends[0].source != len(self.parts) - 1:
            raise self.no(
                last, "what the network sends on", "it comes from the last core", "let a layer with weights take what is added up"
            )
        if ends[0].rescale != 1.0:
            raise self.no(last, "an average at the end", "the chip sends counts", "use rsnn.SumPool2d and divide the counts afterwards")
        pools = {edge.pool for part in self.parts for edge in part.edges if edge.source < 0}
        if len(pools) > 1:
            first = next(part for part in self.parts if any(edge.source < 0 for edge in part.edges))
            raise self.no(
                first.index, "another pooling of the input than elsewhere", "the input is pooled once", "pool after the first core"
            )
        return Cores(self.parts, pools.pop() if pools else 1, ends[0].pool)


def refuse_neuron(target: str, name: str, neuron: AnyNeuron) -> None:
    """Refuse what the neuron of a core does not do."""
    form = neuron.stages
    p, c = form.parameters | neuron.parameters, neuron.coefficients()  # a preset has its library's names for them
    membrane, fire = form.membrane, form.fire
    reset: Any = form.reset

    def no(parameter: str, why: str, cure: str) -> InvalidValueError:
        return refuse(target, name, parameter, why, cure)

    def given(whole: str, *known: str) -> str:
        return next((f"{one}={_short(p[one])}" for one in known if one in p), whole)

    if form.synapse is not None:
        raise no(given("its synapse", "tau_syn", "alpha"), "the neuron has no synaptic current", "leave it out: rsnn.IAF()")
    if not isinstance(membrane, (stages.Integrator, stages.Leaky)) or np.any(c["beta"] != 1):
        known = ("tau_mem", "beta") if isinstance(membrane, stages.Leaky) else ()
        raise no(given("its membrane", *known), "the membrane does not leak", "use rsnn.IAF(), and train with it")
    refuse_extras(target, name, neuron)
    if fire is None:
        raise no("fire=None", "a core sends spikes, never its membrane", "use rsnn.IAF() and count its spikes")
    if not isinstance(membrane, stages.Integrator) and np.any(c["gain"] != 1):
        raise no(f"r={_short(p['r'])}", "a synapse adds its weight as it is", "multiply the weights of the layer before by r")
    if np.any(c.get("bias", 0) != 0):
        raise no(f"bias={_short(p['bias'])}", "biases belong to the weights", "give it to the layer before: bias=")
    if type(fire) not in (stages.Single, stages.Multi):
        raise no(f"fire={type(fire).__name__}", "a neuron fires whole spikes, at its threshold", 'use fire="multi" or fire="single"')
    if isinstance(fire, stages.Multi) and fire.max_spikes is not None:
        raise no(f"max_spikes={_short(fire.max_spikes)}", "the number of spikes is not limited", 'leave it out, or use fire="single"')
    if reset is None:
        raise no('reset="none"', "every spike resets the membrane", 'use reset="subtract" or reset="zero"')
    if not isinstance(reset, (stages.Subtract, stages.ToValue)):
        raise no(f"reset={type(reset).__name__}", "a spike subtracts the threshold or sets 0", 'use reset="subtract" or reset="zero"')
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

"""The table that describes a network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rsnn.layers import Weighted
from rsnn.recurrent import Recurrent
from rsnn.tables import aligned
from rsnn.weights import Weights

from .graph import call

if TYPE_CHECKING:
    from .network import Network

_NUMBERS = ("parameters", "neurons", "synapses", "memory")
_BYTES = 4
"""Of a float32."""


def table(network: Network) -> str:
    """Describe a network in a table; see `Network.summary`."""
    rows, sums = [], dict.fromkeys(_NUMBERS, 0)
    named, wired = any(network.graph.names), any(inputs != (k - 1,) for k, inputs in enumerate(network.graph.inputs))
    for k, layer in enumerate(network.layers):
        counted = numbers(network, k)
        for column, number in counted.items():
            sums[column] += number
        name, inputs = network.graph.names[k], network.graph.inputs[k]
        said = "" if inputs == (k - 1,) else " + ".join(str(call(one, network.graph.names)) for one in inputs)
        words = {"": str(k), "name": name or "", "layer": type(layer).__name__, "inputs": said}
        output = " x ".join(map(str, network.shapes[k])) or "1"
        rows.append(words | {"output": output} | {column: f"{number:,}" for column, number in counted.items()})
    rows.append({column: f"{number:,}" for column, number in sums.items() if number})
    texts = ("", *(("name",) if named else ()), "layer", *(("inputs",) if wired else ()), "output")
    columns = (*texts, *_NUMBERS)
    return aligned([columns, *([row.get(column, "") for column in columns] for row in rows)], left=range(len(texts)))


def numbers(network: Network, k: int) -> dict[str, int]:
    """Count what a layer has, by column; nothing of what it has none of."""
    layer: Any = network.layers[k]
    parameters = 0
    if isinstance(layer, Weights):
        parameters += layer.weight.size + (0 if layer.bias is None else layer.bias.size)
    found: dict[str, int] = {}
    held = 0
    if k in network.stateful:
        held = sum(one.size for one in network.stateful[k].init_state(network.shapes[k]))
    if k in network.neurons:
        neuron = layer.neuron if isinstance(layer, Recurrent) else layer
        parameters += sum(value.size for value in neuron.parameters.values())
        found["neurons"] = math.prod(network.shapes[k])
    if parameters:
        found["parameters"] = parameters
    if isinstance(layer, (Weighted, Recurrent)):
        found["synapses"] = int(layer.fan_out(network.shape_before(k)).sum())
    if parameters + held:
        found["memory"] = _BYTES * (parameters + held)
    return found

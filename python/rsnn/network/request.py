"""What is asked of a run of a network, checked before any work: what to record, and the state to go on from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.arguments import names, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.hints import swapped_axes
from rsnn.layers import Delay
from rsnn.simulation import simulate
from rsnn.state import State

from .graph import call, index_of

if TYPE_CHECKING:
    from .network import Network


def wanted_traces(network: Network, record: Any) -> dict[int, tuple[str, ...]]:
    """Tell what to record of each neuron, by index."""
    has = {k: (*neuron.kernel().states, "u") for k, neuron in network.neurons.items()}
    if isinstance(record, Mapping):
        asked = {}
        for key, wanted in record.items():
            k = index_of(key, network.graph.names)
            if k not in has:
                known = ", ".join(map(str, has)) or "none"
                raise InvalidValueError(f"record: {shown(key)} is not the index or the name of a neuron; these are {known}")
            if k in asked:
                raise InvalidValueError(f"record: layer {k} came twice, as {call(k, network.graph.names)!r} and as {k}; give it once")
            asked[k] = names(f"record[{key if isinstance(key, int) else repr(key)}]", wanted, has[k])
        return dict(sorted(asked.items()))
    wanted = names("record", record, dict.fromkeys(name for known in has.values() for name in known), "no neuron of this network has it")
    return {k: kept for k, known in has.items() if (kept := tuple(name for name in wanted if name in known))}


def checked_state(network: Network, state: Any, batch: int | None, dtype: np.dtype[Any], steps: int = 0) -> dict[int, State]:
    """Give copies of the states to go on from, by index; the state of rest where None came."""
    if state is None:
        return dict(network.init_state(batch, dtype))
    cure = f"give network.init_state({batch}, np.{dtype}), or the .state of an earlier result"
    if not isinstance(state, Mapping):
        raise InvalidTypeError(f"state={shown(state)}: must be a mapping of states by index of the layers; {cure}")
    given = {index_of(key, network.graph.names): one for key, one in state.items()}
    if len(given) != len(state) or set(given) != set(network.stateful):
        came, known = (", ".join(map(shown, one)) or "none" for one in (state, network.stateful))
        raise InvalidValueError(f"state: states of the layers {came} came; those with a state are {known}; {cure}")
    checked = {}
    lead = () if batch is None else (batch,)
    for k, layer in network.stateful.items():
        with network.at(k):
            shape = (*lead, *network.shapes[k])
            if given[k] is None:
                checked[k] = layer.init_state(shape, dtype)
            elif isinstance(layer, Delay):
                checked[k] = layer.check_state(given[k], shape, dtype)
            else:
                try:
                    checked[k] = simulate(layer, np.empty((0, *shape), dtype), given[k]).state
                except InvalidValueError as error:
                    raise InvalidValueError(f"{error}{swapped_axes(np.shape(given[k][0]), shape, (steps, *shape))}") from None
    return checked

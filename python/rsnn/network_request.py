"""What is asked of a run of a network, checked before any work: what to record, and the state to go on from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .arguments import names, shown
from .errors import InvalidTypeError, InvalidValueError
from .network_result import States
from .simulation import simulate

if TYPE_CHECKING:
    from .network import Network


def wanted_traces(network: Network, record: Any) -> dict[int, tuple[str, ...]]:
    """Tell what to record of each neuron, by index."""
    has = {k: (*neuron.kernel().states, "u") for k, neuron in network.neurons.items()}
    if isinstance(record, Mapping):
        for k in record:
            if k not in has:
                raise InvalidValueError(f"record: {shown(k)} is not the index of a neuron; these are {', '.join(map(str, has)) or 'none'}")
        return {k: names(f"record[{k}]", record[k], has[k]) for k in sorted(record)}
    wanted = names("record", record, dict.fromkeys(name for known in has.values() for name in known), "no neuron of this network has it")
    return {k: kept for k, known in has.items() if (kept := tuple(name for name in wanted if name in known))}


def checked_state(network: Network, state: Any, batch: int | None, dtype: np.dtype[Any]) -> States:
    """Give copies of the states to go on from, by index; the state of rest where None came."""
    if state is None:
        return network.init_state(batch, dtype)
    cure = f"give network.init_state({batch}, np.{dtype}), or the .state of an earlier result"
    if not isinstance(state, Mapping):
        raise InvalidTypeError(f"state={shown(state)}: must be a dict of states by index of the neurons; {cure}")
    if set(state) != set(network.neurons):
        came = ", ".join(map(shown, state)) or "none"
        raise InvalidValueError(
            f"state: states of the layers {came} came; the neurons are {', '.join(map(str, network.neurons)) or 'none'}; {cure}"
        )
    checked = {}
    lead = () if batch is None else (batch,)
    for k, neuron in network.neurons.items():
        with network.at(k):
            checked[k] = simulate(neuron, np.empty((0, *lead, *network.shapes[k]), dtype), state[k]).state
    return checked

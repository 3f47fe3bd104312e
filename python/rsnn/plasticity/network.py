"""Networks whose layers have rules, run over time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.arguments import shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.layers import Conv1d, Conv2d, Linear
from rsnn.memory import empty
from rsnn.network import Network
from rsnn.network.graph import ByLayer, index_of
from rsnn.network.inputs import network_input
from rsnn.network.lowering import to_raster
from rsnn.network.request import checked_state, wanted_traces
from rsnn.recurrent import Recurrent, acting
from rsnn.state import State, make_state
from rsnn.threads import resolve

from .connection import Connection, Learning, checked_rule
from .learning import history_of
from .rules import AnyRule, RewardModulated
from .short_term import START, TsodyksMarkram, short_term
from .states import begin, rewards

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False)
class PlasticResult:
    """What a run of a network with rules gives. Layers go by their index, or by their name.

    Attributes
    ----------
    output : array (T, [B,] *output_shape)
        What the last layer sends on; batch first where the network is.
    spikes : mapping of arrays
        The output of every layer that spikes.
    state : mapping of named tuples
        After the last step, of the layers that have one, rules' among them: pass it back in to go on.
    weights : mapping of arrays
        The weights of the layers with a rule of spike times, after the last step, in the dtype that was computed in.
    traces : mapping of dicts of arrays
        What was recorded.
    history : mapping of arrays (T // weight_every, *shape of the weight)
        The weights after every so many steps, where that was asked for.
    """

    output: Array
    spikes: Mapping[Any, Array]
    state: Mapping[Any, State]
    weights: Mapping[Any, Array]
    traces: Mapping[Any, dict[str, Array]]
    history: Mapping[Any, Array]
    origin: Network = field()

    @cached_property
    def network(self) -> Network:
        """The network with its new weights; the one that was run is as it was."""
        return with_weights(self.origin, self.weights)

    def __repr__(self) -> str:
        fired = ", ".join(f"{k}: {one.sum(dtype=np.float64):,.0f}" for k, one in self.spikes.items())
        changed = ", ".join(map(str, self.weights))
        return f"PlasticResult(output: {self.output.dtype} {self.output.shape}; spikes: {{{fired}}}; weights changed: {changed or 'none'})"


def with_weights(network: Network, weights: Mapping[Any, Array]) -> Network:
    """Give a network with other weights in some layers, by index or name."""
    new = {network.index(k): weight for k, weight in weights.items()}
    layers = [replace(layer, weight=new[k]) if k in new else layer for k, layer in enumerate(network.layers)]
    return Network(layers, network.input_shape, batch_first=network.batch_first, names=network.names, inputs=network.inputs)


def run(
    network: Network,
    x: Any,
    rules: Mapping[Any, Any],
    state: Mapping[Any, Any] | None = None,
    *,
    reward: npt.ArrayLike | None = None,
    record: Any = (),
    weight_every: int | None = None,
    threads: int | None = None,
    dt: float | None = None,
    steps: int | None = None,
) -> PlasticResult:
    """Run a network over time while its synapses change.

    Parameters
    ----------
    network : Network
    x : array_like (T, [B,] *input_shape), `Spikes`, or event records
        As of `Network.run`. A batch changes one set of weights together, so what its samples do is known to the others a step later.
    rules : mapping of rules by index or name
        Of a layer with weights (`Linear`, `Conv1d`, `Conv2d`): `STDP` or `RewardModulated`, `TsodyksMarkram`, or a pair of both kinds.
        What arrives at the layer is pre, what the neurons behind it send post: the layer sends to one layer, of neurons that spike, and
        they take nothing else.
    state : mapping of states by index or name, optional
        To go on from: ``result.state``, or ``network.init_state(batch)``, with which the traces begin at 0. Never modified.
    reward : array_like (T,) or (T, B)
        Of `RewardModulated`, which needs it; (B, T) where the network is batch first.
    record : name, tuple of names, or dict of these by layer
        State fields of neurons to keep for every step, as of `Network.run`.
    weight_every : int, optional
        Keep the weights after every so many steps, in ``history``.
    threads : int, optional
        Of the layers without a rule; those with one run on the caller's thread.
    dt, steps : of event records alone, as of `Network.run`

    Returns
    -------
    PlasticResult
        ``output``, ``spikes``, ``state``, ``weights``, ``network``, ``traces``, ``history``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted; the message says what, and what is. Weights beyond the bounds that a rule keeps; weights that diverge.
    KeyboardInterrupt
        Ctrl-C, within a fraction of a second; nothing of the caller's changed.

    Notes
    -----
    In every step a layer with a rule computes its product with the weights of this moment, its neurons take their step, and the weights
    change: the same bits in one piece or in several. Without rules that change anything the output is that of `Network.run`.

    Layers run one after the other over the whole of x, whose length is bounded by memory: all activity between layers is held.

    What a synapse with `TsodyksMarkram` gives goes through the weights; the traces of `STDP` see the spikes themselves.

    Examples
    --------
    A neuron that is driven by one of two inputs comes to listen to it alone:

    >>> import numpy as np, rsnn
    >>> net = rsnn.Network([rsnn.Linear([[0.8, 0.8]]), rsnn.LIF(beta=0.5)], input_shape=2)
    >>> x = np.zeros((400, 2))
    >>> x[::10, 0] = x[1::10, 0] = 1.0
    >>> x[3::10, 1] = 1.0
    >>> out = rsnn.plasticity.run(net, x, {0: rsnn.plasticity.STDP(5.0, 5.0, a_plus=0.05, a_minus=0.05)})
    >>> out
    PlasticResult(output: float64 (400, 1); spikes: {1: 77}; weights changed: 0)
    >>> out.weights[0].round(2).tolist()
    [[1.0, 0.0]]
    """
    if not isinstance(network, Network):
        raise InvalidTypeError(f"network={shown(network)}: must be a rsnn.Network")
    found = _rules(network, rules)
    given = network_input(network, x, dt, steps)
    workers = resolve(threads)
    batch = given.lead[1] if len(given.lead) == 2 else None
    wanted = wanted_traces(network, record)
    of_rules, of_layers = _states(network, state, found)
    job = _Run(network, given.lead, given.dtype, found, workers, weight_every)
    job.reward = rewards(
        reward, given.lead, given.dtype, any(isinstance(rule, RewardModulated) for _, rule in found.values()), network.batch_first
    )
    begun = checked_state(network, of_layers, batch, given.dtype)
    job.prepare(of_rules)
    values: dict[int, Array] = {-1: np.require(given.block(slice(0, given.lead[0])), given.dtype, ["C", "A"])}
    for k, layer in enumerate(network.layers):
        if k in values:
            continue
        came = [values[j] for j in network.graph.inputs[k]]
        together = came[0] if len(came) == 1 else sum(came[1:], came[0])
        with network.at(k):
            job.layer(k, layer, together, values, begun, wanted)
    return job.result(values)


def _rules(network: Network, rules: Any) -> dict[int, tuple[TsodyksMarkram | None, AnyRule | None]]:
    """Check the rules; give those of each layer, by index."""
    if not isinstance(rules, Mapping) or not rules:
        raise InvalidTypeError(
            f"rules={shown(rules)}: must be a mapping from a layer with weights to its rule, {{0: rsnn.plasticity.STDP()}}"
        )
    found: dict[int, tuple[TsodyksMarkram | None, AnyRule | None]] = {}
    for key, value in rules.items():
        k = index_of(key, network.graph.names)
        weighted = [j for j, layer in enumerate(network.layers) if isinstance(layer, (Linear, Conv1d, Conv2d))]
        if k not in weighted:
            known = ", ".join(map(str, weighted)) or "none"
            raise InvalidValueError(f"rules: {shown(key)} is not the index or the name of a layer with weights; these are {known}")
        if k in found:
            raise InvalidValueError(f"rules: layer {k} came twice, by its name and by its index; give it once")
        parts = value if isinstance(value, tuple) else (value,)
        before = [one for one in parts if isinstance(one, TsodyksMarkram)]
        name = f"rules[{key!r}]"
        after = [checked_rule(name, one) for one in parts if not isinstance(one, TsodyksMarkram)]
        if not parts or len(before) > 1 or len(after) > 1:
            raise InvalidValueError(f"{name}={shown(value)}: must be one rule, or a pair of TsodyksMarkram and STDP or RewardModulated")
        if after:
            with network.at(k):
                _neurons_behind(network, k)
        found[k] = (before[0] if before else None, after[0] if after else None)
    return found


def _neurons_behind(network: Network, k: int) -> int:
    """Give the index of the neurons whose spikes a rule sees; refuse a layer without."""
    takers = [n for n, inputs in enumerate(network.graph.inputs) if k in inputs]
    behind = takers[0] if len(takers) == 1 else None
    if (
        behind is None
        or network.graph.inputs[behind] != (k,)
        or behind not in network.neurons
        or not network.neurons[behind].kernel().spiking
    ):
        came = ", ".join(f"layers[{n}] ({type(network.layers[n]).__name__})" for n in takers) or "nobody"
        raise InvalidValueError(
            f"a rule needs the spikes of the neurons behind the weights: this layer must send to one layer, of neurons that spike, "
            f"which take nothing else; it sends to {came}"
        )
    acts = isinstance(network.layers[behind], Recurrent) or " inhibition" in network.neurons[behind].kernel().spec
    if acts and not isinstance(network.layers[k], Linear):
        raise InvalidValueError(
            f"the neurons behind this convolution act on each other (layers[{behind}]), which a rule does not support there; "
            "use a rsnn.Linear"
        )
    return behind


def _states(network: Network, state: Any, rules: Mapping[int, Any]) -> tuple[dict[int, Any], dict[int, Any] | None]:
    """Take the states of rules and those of layers apart."""
    if state is None:
        return {}, None
    if not isinstance(state, Mapping):
        raise InvalidTypeError(f"state={shown(state)}: must be a mapping of states by index of the layers, the .state of an earlier result")
    given = {key if (k := index_of(key, network.graph.names)) is None else k: one for key, one in state.items()}
    return {k: one for k, one in given.items() if k in rules}, {k: one for k, one in given.items() if k not in rules}


class _Run:
    """A run: layer after layer over all steps."""

    def __init__(
        self, network: Network, lead: Shape, dtype: np.dtype[Any], rules: Mapping[int, Any], threads: int, every: int | None
    ) -> None:
        self.network, self.lead, self.dtype, self.rules, self.threads, self.every = network, lead, dtype, rules, threads, every
        self.batch = lead[1:]
        self.samples = math.prod(self.batch)
        self.reward: Array | None = None
        self.learning: dict[int, Learning] = {}
        self.stp: dict[int, State] = {}
        self.kept: dict[int, tuple[int, Array] | None] = {}
        self.states: dict[int, State] = {}
        self.weights: dict[int, Array] = {}
        self.traces: dict[int, dict[str, Array]] = {}

    def prepare(self, given: Mapping[int, Any]) -> None:
        """Check weights and states of all rules, before any work."""
        for k, (before, after) in self.rules.items():
            layer, shape = self.network.layers[k], self.network.shape_before(k)
            with self.network.at(k):
                connection = Connection(layer, shape)
                fields = {name: (*self.batch, *shape) for name in (before.states if before else ())}
                fields |= connection.fields(after, self.batch) if after else {}
                at = begin("state", given.get(k), fields, self.dtype, START if before else None)
                if before:
                    self.stp[k] = make_state(before.states, at[:2])
                if after:
                    connection.check(after, self.dtype)
                    own = make_state(after.states, at[2:] if before else at)
                    self.learning[k] = Learning(connection, after, own, self.samples, self.dtype)
                    self.kept[k] = history_of(self.learning[k], self.lead[0], self.every)

    def layer(self, k: int, layer: Any, x: Array, values: dict[int, Array], begun: Mapping[int, State], wanted: Mapping[int, Any]) -> None:
        """Run a layer over all steps, and the neurons behind it where it has a rule."""
        drive = x
        if k in self.stp:
            out = short_term(self.rules[k][0], x, self.stp[k])
            drive, self.stp[k] = out.output, out.state
        if k in self.learning:
            behind = _neurons_behind(self.network, k)
            values[k] = x[:0]  # nobody else takes it
            values[behind] = self._learn(k, behind, x, drive, begun[behind], wanted.get(behind, ()))
            return
        single = Network([layer], self.network.shape_before(k))
        stateful = k in self.network.stateful
        result = single.run(drive, {0: begun[k]} if stateful else None, {0: wanted[k]} if k in wanted else (), self.threads)
        values[k] = result.output
        if stateful:
            self.states[k] = result.state[0]
        if k in wanted:
            self.traces[k] = result.traces[0]

    def _learn(self, k: int, behind: int, x: Array, drive: Array, state: State, wanted: tuple[str, ...]) -> Array:
        learning, neurons = self.learning[k], self.network.layers[behind]
        connection, shape = learning.connection, learning.connection.after
        kernel, table = neurons.kernel(), neurons.stages.table(self.dtype, shape)
        options = acting(neurons, kernel.spec, self.dtype, shape)
        if connection.is_image and table.shape[1] > 1:
            table = to_raster(np.tile(table, math.prod(shape) // table.shape[1]).reshape(-1, *shape), shape)
        steps, entries = self.lead[0], math.prod(shape)
        laid = [connection.lay(one.reshape(-1, *shape), shape).reshape(self.samples, entries) for one in state]
        current = np.array(laid, self.dtype).reshape(len(state), self.samples, entries)
        out = empty((steps, self.samples, entries), self.dtype)
        recorded = {name: empty(out.shape, self.dtype) for name in wanted}
        pre = self._laid(connection, x)
        _rsnn.plasticity_run(
            pre=pre,
            neurons=(kernel.spec, np.ascontiguousarray(table), current, out),
            bias=connection.layer.weights(self.dtype)[1],
            drive=None if drive is x else self._laid(connection, drive),
            record=list(recorded.items()),
            kept=self.kept[k],
            **options,
            **learning.arguments(self.reward if isinstance(learning.rule, RewardModulated) else None),
        )

        def back(array: Array, lead: Shape) -> Array:
            return np.ascontiguousarray(connection.unlay(array, shape)).reshape(*lead, *shape)

        self.weights[k] = learning.weight()
        self.states[behind] = make_state(kernel.states, [back(one, self.batch) for one in current])
        if recorded:
            self.traces[behind] = {name: back(one, self.lead) for name, one in recorded.items()}
        return back(out, self.lead)

    def _laid(self, connection: Connection, x: Array) -> Array:
        return connection.lay(x, connection.before).reshape(self.lead[0], self.samples, math.prod(connection.before))

    def result(self, values: dict[int, Array]) -> PlasticResult:
        """Give what the run gave, in the caller's layout."""
        turned = self.network.batch_first and len(self.lead) == 2

        def layout(array: Array) -> Array:
            return array.swapaxes(0, 1) if turned else array

        names = self.network.graph.names
        for k in self.rules:
            parts = [self.stp[k]] if k in self.stp else []
            parts += [self.learning[k].state(self.batch)] if k in self.learning else []
            self.states[k] = make_state([name for one in parts for name in one._fields], [value for one in parts for value in one])
        history = {k: self.learning[k].connection.weight(one[1]) for k, one in self.kept.items() if one is not None}
        spikes = {k: layout(values[k]) for k, neurons in self.network.neurons.items() if neurons.kernel().spiking}
        return PlasticResult(
            layout(values[len(self.network.layers) - 1]),
            ByLayer(spikes, names),
            ByLayer(dict(sorted(self.states.items())), names),
            ByLayer(dict(sorted(self.weights.items())), names),
            ByLayer({k: {name: layout(one) for name, one in traces.items()} for k, traces in self.traces.items()}, names),
            ByLayer(history, names),
            self.network,
        )

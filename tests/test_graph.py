"""Networks with branches: a run equals its layers written out by hand, and wiring that makes no sense is refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import FLOATS, neurons, values

import rsnn
import rsnn.network.engine

Array = np.ndarray[Any, np.dtype[Any]]


def same(a: Any, b: Any) -> bool:
    return bool(a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=True))


@st.composite
def graphs(draw: Any) -> rsnn.Network:
    """Layers over n numbers, each of which takes one, two or three of those before it, by name or by index."""
    n = draw(st.sampled_from([1, 3, 17]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    entries: list[Any] = []
    for k in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["linear", "neuron", "neuron", "delay", "add", "recurrent"]))
        layer: Any = {
            "linear": lambda: rsnn.Linear(rng.normal(0, 0.5, (n, n)), rng.normal(size=n)),
            "neuron": lambda: draw(neurons(n)),
            "delay": lambda: rsnn.Delay(draw(st.sampled_from([0.0, 1.0, 2.0, 50.0]))),
            "add": rsnn.Add,
            "recurrent": lambda: rsnn.Recurrent(draw(neurons(n)), rng.normal(0, 0.3, (n, n))),
        }[kind]()
        known = ["input", *(entry[0] or j for j, entry in enumerate(entries))]
        inputs = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
        entries.append((draw(st.sampled_from([None, f"layer {k}"])), layer, tuple(inputs) if len(inputs) > 1 else inputs[0]))
    # Everything that nobody takes goes into the output.
    taken = {one for entry in entries for one in (entry[2] if isinstance(entry[2], tuple) else (entry[2],))}
    loose = [entry[0] or j for j, entry in enumerate(entries) if (entry[0] or j) not in taken]
    return rsnn.Network([*entries, ("out", rsnn.Add(), tuple(loose))], n)


def by_hand(net: rsnn.Network, x: Array) -> tuple[Array, dict[int, Any], dict[int, Array]]:
    """Layer after layer over the whole of x (T, B, n), by the public calls: output, states, what every layer sent."""
    sent: dict[int, Array] = {-1: x}
    states = {}
    for k, layer in enumerate(net.layers):
        inputs = [sent[one] for one in net.inputs[k]]
        total = inputs[0]
        with np.errstate(all="ignore"):
            for more in inputs[1:]:
                total = total + more
        if isinstance(layer, rsnn.Delay):
            gone = np.concatenate([np.zeros((layer.steps, *total.shape[1:]), x.dtype), total])
            sent[k], states[k] = gone[: len(x)], (gone[len(x) :],)
        elif k in net.neurons:
            result = rsnn.simulate(layer, total)
            sent[k], states[k] = result.output, result.state
        elif isinstance(layer, rsnn.Add):
            sent[k] = total
        else:
            sent[k] = layer.run(total.reshape(-1, total.shape[-1])).reshape(total.shape)
    return sent[len(net.layers) - 1], states, sent


@given(graphs(), st.integers(0, 30), st.integers(0, 3), FLOATS, st.integers(0, 30), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_a_graph_equals_its_layers_by_hand_whole_and_in_pieces(
    net: rsnn.Network, steps: int, batch: int, dtype: Any, cut: int, threads: int, seed: int
) -> None:
    x = values(seed, (steps, batch, *net.input_shape), dtype, wild=True)
    output, states, sent = by_hand(net, x)
    whole = net.run(x)
    assert same(whole.output, output)
    assert set(whole.state) == set(states)
    for k, state in states.items():
        assert all(map(same, whole.state[k], state))
    for k, spikes in whole.spikes.items():
        assert same(spikes, sent[k])
    first = net.run(x[:cut], threads=threads)
    kept = copy.deepcopy(dict(first.state))
    second = net.run(x[cut:], first.state, threads=threads)
    assert all(same(a, b) for k in kept for a, b in zip(kept[k], first.state[k], strict=True)), "a state handed in is not changed"
    assert same(np.concatenate([first.output, second.output]), output)
    assert all(same(a, b) for k in states for a, b in zip(second.state[k], whole.state[k], strict=True))


@given(graphs())
def test_a_graph_survives_repr_pickle_copy_and_the_lists_it_was_written_as(net: rsnn.Network) -> None:
    again = rsnn.Network(net.layers, net.input_shape, names=net.names, inputs=net.inputs)
    for other in (again, pickle.loads(pickle.dumps(net)), copy.deepcopy(net), copy.copy(net)):
        assert other == net
        assert hash(other) == hash(net)
        assert repr(other) == repr(net)


def test_blocks_of_time_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [("a", rsnn.LIF(beta=0.5)), ("late", rsnn.Delay(7.0), "a"), ("join", rsnn.IAF(), ("late", "input", "a"))]
    net, x = rsnn.Network(entries, 3), values(0, (40, 2, 3), np.float32, wild=True)
    whole = net.run(x)
    for elements in (1, 20, 60):
        monkeypatch.setattr(rsnn.network.engine, "BLOCK", elements)
        part = net.run(x)
        assert same(part.output, whole.output)
        assert same(part.state["late"].waiting, whole.state[1].waiting)
        assert part.stats == whole.stats


def test_several_inputs_are_added_in_the_order_in_which_they_are_listed() -> None:
    big, small = rsnn.Linear([[1e8]]), rsnn.Linear([[3.0]])
    entries = [("big", big, "input"), ("small", small, "input"), ("minus", rsnn.Linear([[-1e8]]), "input")]
    x = np.ones((1, 1), np.float32)
    sums = {
        order: float(rsnn.Network([*entries, ("out", rsnn.Add(), order)], 1).run(x).output[0, 0])
        for order in [("big", "small", "minus"), ("big", "minus", "small")]
    }
    # In float32 the neighbours of 1e8 are 8 apart: 1e8 + 3 is 1e8.
    assert sums == {("big", "small", "minus"): 0.0, ("big", "minus", "small"): 3.0}


def test_what_a_run_gives_goes_by_name_as_well_as_by_index() -> None:
    net = rsnn.Network([("weights", rsnn.Linear(np.eye(2))), ("hidden", rsnn.LIF(beta=0.5)), ("late", rsnn.Delay(1.0))], 2)
    assert (net.names, net.inputs) == (("weights", "hidden", "late"), ((-1,), (0,), (1,)))
    assert (net.index("hidden"), net.index(2), net.neurons["hidden"]) == (1, 2, rsnn.LIF(beta=0.5))
    x = values(1, (5, 2), np.float32, wild=False)
    out = net.run(x, record={"hidden": "v"})
    assert out.spikes["hidden"] is out.spikes[1]
    assert out.stats["weights"] is out.stats[0]
    assert out.traces["hidden"]["v"].shape == (5, 2)
    assert "hidden" in out.state
    assert "weights" not in out.state
    by_name = {"hidden": out.state["hidden"], "late": out.state[2]}
    assert same(net.run(x, by_name).output, net.run(x, out.state).output)
    assert same(net.run(x, {1: None, 2: None}).output, out.output)
    with pytest.raises(KeyError):
        out.spikes["nobody"]
    again = pickle.loads(pickle.dumps(out))
    assert same(again.spikes["hidden"], out.spikes[1])


def test_statistics_of_a_sum_are_of_the_sum() -> None:
    net = rsnn.Network([("a", rsnn.IAF()), ("w", rsnn.Linear(np.ones((3, 2))), ("a", "input"))], 2)
    out = net.run([[1.0, 0.0], [-1.0, 0.0], [1.0, 1.0]])
    # The spikes of a are (1, 0), (0, 0), (0, 1); with the input (2, 0), (-1, 0), (1, 2): 4 of 6 are not 0.
    assert out.spikes["a"].tolist() == [[1, 0], [0, 0], [0, 1]]
    assert (out.stats["w"].input_density, out.stats["w"].synops) == (4 / 6, 12)


EYE = rsnn.Linear(np.eye(3))
WRONG: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    ([("a", EYE, "b")], {}, rsnn.InvalidValueError, r"layers\[0\]: its input 'b' is none of the layers before it, which are 'input'"),
    ([("first", EYE), ("b", EYE, "frist")], {}, rsnn.InvalidValueError, "did you mean 'first'"),
    ([("a", EYE, "b"), ("b", EYE)], {}, rsnn.InvalidValueError, r"layers\[0\]: its input 'b' does not come before it.*Recurrent"),
    ([("a", EYE, "a")], {}, rsnn.InvalidValueError, "does not come before it"),
    ([("a", EYE, 0)], {}, rsnn.InvalidValueError, "does not come before it"),
    ([("a", EYE, -2)], {}, rsnn.InvalidValueError, "its input -2 is none of the layers"),
    ([("a", EYE, ())], {}, rsnn.InvalidTypeError, r"inputs=\(\)"),
    ([("a", EYE, 1.5)], {}, rsnn.InvalidTypeError, "inputs=1.5"),
    ([("a", EYE, True)], {}, rsnn.InvalidValueError, "its input True"),
    ([("a", EYE), ("a", EYE)], {}, rsnn.InvalidValueError, r"layers\[1\]: the name 'a' is that of layers\[0\]"),
    ([("input", EYE)], {}, rsnn.InvalidValueError, 'the name "input"'),
    ([("", EYE)], {}, rsnn.InvalidTypeError, "the name ''"),
    ([(EYE, "a")], {}, rsnn.InvalidTypeError, r"must be a layer, \(name, layer\) or \(name, layer, inputs\)"),
    ([("a", EYE, "input", 1)], {}, rsnn.InvalidTypeError, r"must be a layer, \(name, layer\)"),
    ([("a", rsnn.LIF)], {}, rsnn.InvalidTypeError, r"layers\[0\] \(.* 'a'\): .*give an instance: LIF"),
    (
        [("a", rsnn.Linear(np.ones((2, 3)))), ("b", rsnn.LIF(), ("a", "input"))], {}, rsnn.InvalidValueError,
        r"layers\[1\] \(LIF 'b'\): inputs of different shapes come in, 'a' has \(2,\), 'input' has \(3,\)",
    ),
    ([EYE, ("b", EYE, "input")], {}, rsnn.InvalidValueError, r"layers\[0\] \(Linear\): no layer takes what it sends on"),
    ([("a", EYE)], {"names": ["b"]}, rsnn.InvalidValueError, "the layers come with names of their own"),
    ([EYE], {"names": ["a", "b"]}, rsnn.InvalidValueError, "one entry for each of the 1 layers"),
    ([EYE], {"names": "a"}, rsnn.InvalidValueError, "one entry for each of the 1 layers"),
    ([EYE], {"names": [5]}, rsnn.InvalidTypeError, "the name 5"),
    ([EYE], {"inputs": 5}, rsnn.InvalidValueError, "inputs=5"),
]  # fmt: skip


@pytest.mark.parametrize(("layers", "options", "error", "message"), WRONG)
def test_wiring_that_makes_no_sense_is_refused_by_name(layers: Any, options: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        rsnn.Network(layers, 3, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net, x: net.index("nobody"), "layer='nobody': must be an index from 0 to 1, or one of the names: 'a'"),
        (lambda net, x: net.run(x, record={"nobody": "v"}), "record: 'nobody' is not the index or the name of a neuron"),
        (lambda net, x: net.run(x, record={"a": "v", 0: "v"}), "record: layer 0 came twice"),
        (lambda net, x: net.run(x, {"a": None}), "states of the layers 'a' came; those with a state are 0, 1"),
        (lambda net, x: net.run(x, {0: None, "a": None, 1: None}), "states of the layers"),
        (
            lambda net, x: net.run(x, {"a": None, 1: rsnn.Delay(3.0).init_state(2)}),
            r"layers\[1\] \(Delay\): state.waiting has shape \(3, 2\)",
        ),
    ],
)
def test_a_name_that_is_not_there_is_refused(call: Any, message: str) -> None:
    net = rsnn.Network([("a", rsnn.IAF()), rsnn.Delay(2.0)], 2)
    with pytest.raises(rsnn.InvalidValueError, match=message):
        call(net, np.zeros((1, 2), np.float32))


def test_a_branch_of_neurons_may_end_where_it_is_read_from_the_result() -> None:
    net = rsnn.Network([("aside", rsnn.IAF(), "input"), ("out", rsnn.IAF(), "input")], 1)
    assert net.run([[1.0]]).spikes["aside"].tolist() == [[1.0]]


def test_the_summary_says_names_and_inputs_where_there_are_some() -> None:
    net = rsnn.Network([("a", rsnn.IAF()), rsnn.Linear(np.eye(2)), ("b", rsnn.IAF(v_threshold=[1.0, 2.0]), (1, "a")), rsnn.Delay(3.0)], 2)
    assert [line.split() for line in net.summary().splitlines()] == [
        ["name", "layer", "inputs", "output", "parameters", "neurons", "synapses", "memory"],
        ["0", "a", "IAF", "2", "2", "2", "16"],  # threshold and bias; 2 membranes
        ["1", "Linear", "2", "4", "4", "16"],
        ["2", "b", "IAF", "1", "+", "a", "2", "3", "2", "20"],  # two thresholds, a bias; 2 membranes
        ["3", "Delay", "2", "24"],  # 3 steps of 2
        ["9", "4", "4", "76"],
    ]

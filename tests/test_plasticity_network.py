"""Networks whose synapses change while they run: the same as layer, neurons and rule by themselves, a step at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rsnn
from rsnn.plasticity import STDP, PlasticResult, RewardModulated, TsodyksMarkram, learn, run, short_term

Array = np.ndarray[Any, np.dtype[Any]]


def step_by_step(layer: Any, neuron: Any, x: Array, rule: Any, reward: Array | None = None, drive: Array | None = None) -> Any:
    """Run a layer, neurons and a rule by hand: the output, the last weight and the states."""
    weight, traces, state, out = layer.weight.astype(x.dtype), None, None, []
    for t in range(len(x)):
        now = type(layer)(weight, layer.bias, **{k: getattr(layer, k) for k in ("stride", "padding") if hasattr(layer, k)})
        result = rsnn.simulate(neuron, now.run((x if drive is None else drive)[t])[None], state)
        state = result.state
        sizes = {k: getattr(layer, k) for k in ("stride", "padding") if hasattr(layer, k)}
        changed = learn(rule, x[t : t + 1], result.output, weight, traces, reward=None if reward is None else reward[t : t + 1], **sizes)
        weight, traces = changed.weight, changed.state
        out.append(result.output[0])
    return np.array(out), weight, state, traces


def check(got: PlasticResult, wanted: Any) -> None:
    out, weight, state, traces = wanted
    assert np.array_equal(got.output, out)
    assert out.any()
    assert np.array_equal(got.weights[0], weight)
    for name in (0, 1):
        for a, b in zip(got.state[name], (traces, state)[name], strict=True):
            assert np.array_equal(a, b)


RULES = [
    STDP(5.0, a_plus=0.05, a_minus=0.04),
    STDP(dependence="power", mu=0.3, a3_plus=0.02, tau_y=9.0),
    RewardModulated(STDP(a_plus=0.1), 20.0),
]


@pytest.mark.parametrize("rule", RULES, ids=["pair", "triplet", "reward"])
@pytest.mark.parametrize("kind", ["linear", "recurrent", "competing", "multi", "conv1d", "conv2d"])
def test_a_plastic_layer_is_its_product_its_neurons_and_its_rule_at_every_step(kind: str, rule: Any) -> None:
    rng = np.random.default_rng(0)
    dtype = np.float32 if kind in ("linear", "conv2d") else np.float64
    theta = np.linspace(0.4, 0.9, 6)
    layer, neuron, shape = {
        "linear": (rsnn.Linear(rng.random((6, 8)), rng.random(6) * 0.1), rsnn.LIF(tau_mem=5.0, tau_syn=3.0, v_threshold=theta), (8,)),
        "recurrent": (rsnn.Linear(rng.random((6, 8))), rsnn.Recurrent(rsnn.LIF(beta=0.8), -0.5 * (1 - np.eye(6))), (8,)),
        "competing": (rsnn.Linear(rng.random((6, 8))), rsnn.presets.snntorch.Leaky(beta=0.8, inhibition=True), (8,)),
        "multi": (rsnn.Linear(rng.random((6, 4))), rsnn.IAF(v_threshold=0.3), (4,)),
        "conv1d": (rsnn.Conv1d(rng.random((6, 2, 3)), stride=2, padding=1), rsnn.ALIF(beta=0.8), (2, 7)),
        "conv2d": (
            rsnn.Conv2d(rng.random((6, 2, 2, 3)), rng.random(6), (1, 2), 1),
            rsnn.LIF(beta=0.7, v_threshold=theta[:, None, None]),
            (2, 4, 5),
        ),
    }[kind]
    x = (rng.random((30, 3, *shape)) < 0.15).astype(dtype)
    reward = rng.choice([-1.0, 0.0, 0.5], (30, 3)) if isinstance(rule, RewardModulated) else None
    net = rsnn.Network([layer, neuron], input_shape=shape)
    before = layer.weight.copy()
    got = run(net, x, {0: rule}, reward=reward)
    check(got, step_by_step(layer, neuron, x, rule, reward))
    assert np.array_equal(layer.weight, before)
    assert np.array_equal(got.network.layers[0].weight, got.weights[0])
    assert np.array_equal(got.spikes[1], got.output)


def test_a_linear_layer_on_the_last_axis_learns_from_every_row_as_from_a_sample() -> None:
    rng = np.random.default_rng(6)
    x = (rng.random((30, 3, 2, 4)) < 0.3).astype(np.float64)
    net = rsnn.Network([rsnn.Linear(rng.random((6, 4))), rsnn.LIF(beta=0.8)], input_shape=(2, 4))
    got = run(net, x, {0: RULES[0]})
    flat = run(rsnn.Network(net.layers, 4), x.reshape(30, 6, 4), {0: RULES[0]})
    assert np.array_equal(got.output.reshape(30, 6, 6), flat.output)
    assert np.array_equal(got.weights[0], flat.weights[0])
    assert got.output.any()


def test_short_term_plasticity_stands_in_front_of_the_weights_and_traces_see_the_spikes() -> None:
    rng = np.random.default_rng(1)
    layer, neuron, rule = rsnn.Linear(rng.random((6, 8))), rsnn.LIF(beta=0.8, v_threshold=0.3), STDP(a_plus=0.05)
    x = (rng.random((40, 2, 8)) < 0.2).astype(np.float64)
    fading = TsodyksMarkram(20.0, 50.0, 0.5)
    drive = short_term(fading, x).output
    got = run(rsnn.Network([layer, neuron], 8), x, {0: (fading, rule)})
    out, weight, _, traces = step_by_step(layer, neuron, x, rule, drive=drive)
    assert np.array_equal(got.output, out)
    assert out.any()
    assert np.array_equal(got.weights[0], weight)
    assert got.state[0]._fields == ("u", "x", "pre", "post")
    assert np.array_equal(got.state[0].pre, traces.pre)
    alone = run(rsnn.Network([layer, neuron], 8), x, {0: fading})
    assert np.array_equal(alone.output, rsnn.Network([layer, neuron], 8).run(drive).output)
    assert not alone.weights


def deep() -> rsnn.Network:
    rng = np.random.default_rng(2)
    return rsnn.Network(
        [
            ("eye", rsnn.Conv2d(rng.random((3, 1, 3, 3)) * 0.5, padding=1)),
            ("first", rsnn.LIF(beta=0.7)),
            rsnn.SumPool2d(2),
            rsnn.Delay(2.0),
            ("flat", rsnn.Flatten()),
            ("hand", rsnn.Linear(rng.random((5, 12)))),
            ("second", rsnn.ALIF(beta=0.8)),
            ("skip", rsnn.Linear(rng.random((2, 5)))),
            ("more", rsnn.Linear(rng.random((2, 12))), "flat"),
            ("last", rsnn.LI(beta=0.9), ("skip", "more")),
        ],
        input_shape=(1, 4, 4),
    )


def test_rules_in_a_deep_network_give_the_same_bits_in_pieces_and_by_name() -> None:
    net, rng = deep(), np.random.default_rng(3)
    x = (rng.random((24, 2, 1, 4, 4)) < 0.3).astype(np.float32)
    rules = {"eye": STDP(a_plus=0.02), "hand": (TsodyksMarkram(10.0, 30.0), RewardModulated(STDP(a_plus=0.05), 10.0))}
    reward = rng.choice([0.0, 1.0], 24)
    whole = run(net, x, rules, reward=reward, record="v", weight_every=6)
    first = run(net, x[:10], rules, reward=reward[:10], record={"last": "v"})
    second = run(first.network, x[10:], {0: rules["eye"], 5: rules["hand"]}, first.state, reward=reward[10:])
    assert np.array_equal(np.concatenate([first.output, second.output]), whole.output)
    assert whole.spikes["second"].any()
    assert np.array_equal(whole.traces["last"]["v"], whole.output)
    assert np.array_equal(first.traces["last"]["v"], first.output)
    assert np.array_equal(whole.traces["first"]["v"][-1], whole.state["first"].v)
    for name in ("eye", "hand"):
        assert np.array_equal(second.weights[name], whole.weights[name])
        assert np.array_equal(whole.history[name][-1], whole.weights[name])
        assert not np.array_equal(whole.weights[name], net.layers[net.index(name)].weight)
    assert list(second.state) == list(whole.state)
    for k, state in whole.state.items():
        assert all(np.array_equal(a, b) for a, b in zip(state, second.state[k], strict=True)), k


def test_a_rule_that_changes_nothing_gives_the_run_of_the_network() -> None:
    net, rng = deep(), np.random.default_rng(4)
    x = (rng.random((20, 3, 1, 4, 4)) < 0.3).astype(np.float32)
    still = STDP(a_plus=0.0, a_minus=0.0)
    got, wanted = run(net, x, {0: still, 5: still}), net.run(x)
    assert np.array_equal(got.output, wanted.output)
    for name in ("first", "second"):
        assert np.array_equal(got.spikes[name], wanted.spikes[name])
        assert all(np.array_equal(a, b) for a, b in zip(got.state[name], wanted.state[name], strict=True))
    again = run(net, x, {0: still, 5: still}, wanted.state)  # states of layers alone: traces begin at 0
    assert np.array_equal(again.output, net.run(x, wanted.state).output)


def test_batch_first_networks_event_records_and_packed_spikes_run_too() -> None:
    rng = np.random.default_rng(5)
    layers = [rsnn.Linear(rng.random((3, 6))), rsnn.LIF(beta=0.8)]
    x = (rng.random((12, 4, 6)) < 0.3).astype(np.float32)
    rule = {0: RewardModulated(STDP(a_plus=0.1))}
    reward = rng.random((12, 4))
    time_first = run(rsnn.Network(layers, 6), x, rule, reward=reward)
    turned = run(rsnn.Network(layers, 6, batch_first=True), x.swapaxes(0, 1), rule, reward=reward.T)
    assert np.array_equal(turned.output.swapaxes(0, 1), time_first.output)
    assert np.array_equal(turned.weights[0], time_first.weights[0])
    packed = run(rsnn.Network(layers, 6), rsnn.Spikes.pack(x), rule, reward=reward)
    assert np.array_equal(packed.weights[0], time_first.weights[0])
    records = np.zeros(int(x[:, 0].sum()), dtype=[("t", "i8"), ("x", "i2")])
    records["t"], records["x"] = np.nonzero(x[:, 0])
    of_events = run(rsnn.Network(layers, 6), records, {0: STDP()}, dt=1, steps=12)
    assert np.array_equal(of_events.output, run(rsnn.Network(layers, 6), x[:, 0], {0: STDP()}).output)


def test_what_cannot_be_run_is_refused_by_name() -> None:
    eye, rule = np.eye(4), STDP()
    net = rsnn.Network([("w", rsnn.Linear(eye)), ("n", rsnn.LIF())], 4)
    x = np.ones((5, 4))
    cases: list[tuple[Any, Any, dict[str, Any], str]] = [
        (net, {}, {}, "rules="),
        (net, {1: rule}, {}, "layer with weights; these are 0"),
        (net, {"v": rule}, {}, "layer with weights"),
        (net, {0: rule, "w": rule}, {}, "came twice"),
        (net, {0: "stdp"}, {}, r"rules\[0\]"),
        (net, {0: STDP}, {}, "give an instance"),
        (net, {0: (rule, rule)}, {}, "one rule, or a pair"),
        (net, {0: rule}, {"reward": np.ones(5)}, "reward"),
        (net, {0: RewardModulated(rule)}, {}, "reward"),
        (net, {0: rule}, {"state": {0: None, 7: None}}, "state"),
        (net, {0: rule}, {"state": [1]}, "state="),
        (net, {0: rule}, {"record": "w"}, "record"),
        (net, {0: rule}, {"weight_every": -1}, "weight_every"),
        (net, {0: rule}, {"dt": 1.0}, "dt"),
        (rsnn.Network([rsnn.Linear(3 * eye), rsnn.LIF()], 4), {0: rule}, {}, r"layers\[0\].*np\.clip"),
        (rsnn.Network([rsnn.Linear(eye), rsnn.LI()], 4), {0: rule}, {}, "neurons that spike"),
        (rsnn.Network([rsnn.Linear(eye), rsnn.Linear(eye), rsnn.LIF()], 4), {0: rule}, {}, "sends to layers"),
        (rsnn.Network([("a", rsnn.Linear(eye)), ("n", rsnn.LIF(), ("a", "input"))], 4), {0: rule}, {}, "nothing else"),
        (rsnn.Network([rsnn.Linear(eye)], 4), {0: rule}, {}, "nobody"),
    ]
    for network, rules, options, says in cases:
        with pytest.raises(rsnn.RsnnError, match=says):
            run(network, x, rules, **options)
    with pytest.raises(rsnn.InvalidTypeError, match="network="):
        run([rsnn.LIF()], x, {0: rule})
    image = rsnn.Network([rsnn.Conv2d(np.ones((1, 1, 1, 1))), rsnn.Recurrent(rsnn.LIF(), np.eye(4))], (1, 4, 4))
    with pytest.raises(rsnn.InvalidValueError, match="act on each other"):
        run(image, np.ones((5, 1, 4, 4)), {0: rule})


def test_a_result_without_steps_keeps_everything() -> None:
    net = rsnn.Network([rsnn.Linear(np.eye(4)), rsnn.LIF()], 4)
    for lead in ((0,), (0, 3), (3, 0)):
        out = run(net, np.ones((*lead, 4), np.float32), {0: STDP()})
        assert out.output.shape == (*lead, 4)
        assert np.array_equal(out.weights[0], np.eye(4))
        assert "weights changed: 0" in repr(out)

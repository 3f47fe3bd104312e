"""Neurons whose spikes come back to them, that compete, or whose spikes have a size: the engine equals the reference bit for bit."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_strategies import MILD, general
from strategies import FLOATS, layouts, values

import rsnn
from rsnn import presets, reference, stages

VALUE, TYPE = rsnn.InvalidValueError, rsnn.InvalidTypeError
same = np.testing.assert_array_equal
NEURONS = st.sampled_from([1, 2, 3, 7, 16, 17, 33, 64, 65, 130])
STEPS = st.sampled_from([0, 1, 2, 33])


def weights(seed: int, n: int, dtype: Any, kind: str) -> Any:
    """W of a random sign and size, no multiples of a power of two, some of them 0; with a bias or without."""
    rng = np.random.default_rng(seed)
    w = rng.normal(0.0, 1.0 / np.sqrt(n), (n, n) if kind.startswith("full") else n) * (rng.random(n) < 0.8)
    bias = rng.normal(0.0, 0.1, n).astype(dtype)
    return (w.astype(dtype), bias) if kind.endswith("bias") else w.astype(dtype)


@st.composite
def runs(draw: Any) -> tuple[Any, Any, Any, tuple[str, ...]]:
    """A neuron that spikes, data, weights (or none) and what to record."""
    n, dtype = draw(NEURONS), draw(FLOATS)
    neuron = draw(general(n, recurrent=True))
    if neuron.adaptation is None and draw(st.booleans()):
        neuron = dataclasses.replace(neuron, inhibition=True)
    if draw(st.booleans()):
        neuron = dataclasses.replace(neuron, graded=draw(MILD))
    seed = draw(st.integers(0, 2**32 - 1))
    x = values(seed, (draw(STEPS), *draw(st.sampled_from([(), (1,), (3,)])), n), dtype, wild=draw(st.booleans()))
    kind = draw(st.sampled_from(["none", "full", "full+bias", "own", "own+bias"]))
    recurrent = None if kind == "none" else weights(seed, n, dtype, kind)
    return neuron, x, recurrent, (*neuron.kernel(recurrent=recurrent is not None).states, "u", "spikes")


def equal(got: rsnn.Result, wanted: Any) -> None:
    output, state, traces = wanted
    same(got.output, output)
    assert got.output.dtype == output.dtype
    assert got.state._fields == state._fields
    for one, other in zip(got.state, state, strict=True):
        same(one, other)
    for name, trace in traces.items():
        same(got.traces[name], trace, err_msg=name)


@settings(max_examples=300, deadline=None)
@given(runs())
def test_native_equals_the_reference(run: Any) -> None:
    neuron, x, recurrent, names = run
    equal(rsnn.simulate(neuron, x, record=names, recurrent=recurrent), reference.simulate(neuron, x, record=names, recurrent=recurrent))


@given(runs(), st.data())
def test_a_run_in_pieces_equals_the_whole(run: Any, more: Any) -> None:
    neuron, x, recurrent, _ = run
    whole = rsnn.simulate(neuron, x, recurrent=recurrent)
    cut = more.draw(st.integers(0, len(x)))
    first = rsnn.simulate(neuron, x[:cut], recurrent=recurrent)
    second = rsnn.simulate(neuron, x[cut:], first.state, recurrent=recurrent)
    same(np.concatenate([first.output, second.output]), whole.output)
    for one, other in zip(second.state, whole.state, strict=True):
        same(one, other)


@given(runs(), st.sampled_from([2, 64]))
def test_threads_and_layouts_do_not_change_a_bit(run: Any, threads: int) -> None:
    neuron, x, recurrent, names = run
    x = x if x.ndim == 3 else x[:, None]
    whole = rsnn.simulate(neuron, x, record=names, recurrent=recurrent, threads=1)
    again = rsnn.simulate(neuron, np.moveaxis(x, 0, 1), record=names, recurrent=recurrent, threads=threads, batch_first=True)
    same(np.moveaxis(again.output, 1, 0), whole.output)
    for name in names:
        same(np.moveaxis(again.traces[name], 1, 0), whole.traces[name])
    for b in range(x.shape[1]):
        same(rsnn.simulate(neuron, x[:, b], recurrent=recurrent).output, whole.output[:, b])
    for name, lying in layouts(x).items():
        same(rsnn.simulate(neuron, lying, recurrent=recurrent).output, whole.output, err_msg=name)


def test_a_large_batch_on_many_threads_equals_one_thread() -> None:
    neuron, w = rsnn.LIF(beta=0.9, alpha=0.5), weights(0, 100, np.float32, "full+bias")
    x = values(1, (60, 200, 100), np.float32, wild=False)
    one = rsnn.simulate(neuron, x, recurrent=w, threads=1)
    many = rsnn.simulate(neuron, x, recurrent=w, threads=8)
    same(one.output, many.output)
    assert one.spikes.sum() > 0


@given(st.integers(0, 2**32 - 1), FLOATS, st.booleans(), st.booleans())
def test_the_operand_is_a_term_of_its_own_after_the_input(seed: int, dtype: Any, synapse: bool, full: bool) -> None:
    """The loop written out here, not in the library's own words."""
    n, alpha, beta = 5, dtype(0.7), dtype(0.9)
    w, bias = weights(seed, n, dtype, "full+bias" if full else "own+bias")
    x = values(seed, (40, n), dtype, wild=False)
    v, i, s, spikes = np.zeros(n, dtype), np.zeros(n, dtype), np.zeros(n, dtype), []
    for x_t in x:
        r = np.zeros(n, dtype)
        if full:
            for pre in range(n):
                for post in range(n):
                    r[post] = r[post] + w[post, pre] * s[pre]
        else:
            r = w * s
        r = r + bias
        if synapse:
            i = (alpha * i + x_t) + r
            u = beta * v + i
        else:
            u = (beta * v + x_t) + r
        s = (u - dtype(1) >= 0).astype(dtype)
        v = u - s * dtype(1)
        spikes.append(s)
    more = {"alpha": float(alpha)} if synapse else {}
    got = rsnn.simulate(rsnn.LIF(beta=float(beta), **more), x, recurrent=(w, bias))
    same(got.output, np.array(spikes))
    same(got.state.v, v)
    same(got.state.s, s)


def test_a_merged_operand_joins_the_input_first() -> None:
    neuron = rsnn.IAF().stages
    x, w = values(3, (30, 6), np.float32, wild=False), weights(3, 6, np.float32, "full")
    merged = dataclasses.replace(neuron, recurrence="merged")
    v, s = np.zeros(6, np.float32), np.zeros(6, np.float32)
    got = rsnn.simulate(merged, x, record="v", recurrent=w)
    for t, x_t in enumerate(x):
        r = np.zeros(6, np.float32)
        for pre in range(6):
            r = r + w[:, pre] * s[pre]
        u = v + (x_t + r)
        s = np.where(u > 0, np.trunc(u), np.float32(0))
        v = u - s
        same(got.spikes[t], s)
        same(got.v[t], v)
    assert got.spikes.max() > 1


WHOLE = {
    "li": rsnn.LI(beta=0.75),
    "li-all": rsnn.LI(tau_mem=7.0, tau_syn=3.0, v_leak=0.125, bias=0.25),
    "exp_leak": presets.sinabs.ExpLeak(alpha_mem=0.75),
    "izhikevich": rsnn.Izhikevich(dt=0.5),
    "izhikevich-carried": rsnn.Izhikevich(dt=0.5, recovery="carried"),
    "alpha": presets.snntorch.Alpha(alpha=0.9, beta=0.8),
    "alpha-inhibition": presets.snntorch.Alpha(alpha=0.9, beta=0.8, inhibition=True, graded_spikes_factor=1.5),
    "coba": presets.norse.CobaLIF(dt=0.125, v_thresh=0.5, v_reset=0.0, v_rest=0.0, e_rev_I=-2.0, e_rev_E=4.0),
    "glif3": rsnn.GLIF3(tau_mem=5.0, v_threshold=0.5, v_leak=0.0, v_reset=-0.125, r=2.0, jump_1=-0.25, jump_2=0.125),
}
"""Neurons that do not spike, and those that are no row of stages; what comes back to them joins the input in one place."""
DRIVE = {"izhikevich": 12.0, "izhikevich-carried": 12.0}


def whole_run(name: str, dtype: Any, kind: str) -> tuple[Any, Any, Any]:
    x = values(11, (60, 2, 5), dtype, wild=False) + dtype(DRIVE.get(name, 0.25))
    w = weights(12, 5, dtype, kind)
    size = dtype(0.25 if name.startswith("li") or name == "exp_leak" else DRIVE.get(name, 1.0) / 2)
    return WHOLE[name], x, (w[0] * size, w[1]) if isinstance(w, tuple) else w * size


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["full", "full+bias", "own+bias"])
@pytest.mark.parametrize("name", WHOLE)
def test_every_neuron_has_a_recurrent_form_equal_to_the_reference(name: str, kind: str, dtype: Any) -> None:
    neuron, x, w = whole_run(name, dtype, kind)
    names = (*neuron.kernel(recurrent=True).states, "u")
    assert names[-2] == "s"
    wanted = reference.simulate(neuron, x, record=names, recurrent=w)
    equal(rsnn.simulate(neuron, x, record=names, recurrent=w), wanted)
    equal(rsnn.simulate(neuron, x, record=names, recurrent=w, threads=3), wanted)
    first = rsnn.simulate(neuron, x[:23], recurrent=w)
    same(np.concatenate([first.output, rsnn.simulate(neuron, x[23:], first.state, recurrent=w).output]), wanted[0])
    assert np.isfinite(wanted[0]).all()
    assert (wanted[0] != rsnn.simulate(neuron, x).output).any()


def test_what_comes_back_of_a_neuron_that_does_not_spike_is_its_membrane() -> None:
    """sinabs' ExpLeakRecurrent, its loop written out here."""
    neuron, x, w = whole_run("exp_leak", np.float32, "full")
    v = np.zeros((2, 5), np.float32)
    got = rsnn.simulate(neuron, x, recurrent=w)
    for t, x_t in enumerate(x):
        r = np.zeros_like(v)
        for pre in range(5):
            r = r + w[:, pre] * v[:, pre, None]
        v = np.float32(0.75) * v + (x_t + r)
        same(got.output[t], v)
    same(got.state.s, v)


def test_what_comes_back_to_a_whole_neuron_joins_its_input() -> None:
    neuron, x, w = whole_run("izhikevich", np.float64, "full+bias")
    state, s, got = None, np.zeros((2, 5)), rsnn.simulate(neuron, x, recurrent=w)
    for t, x_t in enumerate(x):
        r = np.zeros_like(s)
        for pre in range(5):
            r = r + w[0][:, pre] * s[:, pre, None]
        step = rsnn.simulate(neuron, (x_t + (r + w[1]))[None], state)
        state, s = step.state, step.output[0]
        same(got.output[t], s)
    assert got.spikes.sum() > 0


def test_only_the_neuron_furthest_above_its_threshold_fires() -> None:
    neuron = rsnn.Neuron(membrane=stages.Leaky(beta=0.5), fire=stages.Single([1.0, 2.0, 1.0]), reset=stages.Subtract(), inhibition=True)
    got = rsnn.simulate(neuron, [[1.5, 2.75, 1.25], [0.0, 0.0, 0.5], [1.0, 0.0, 1.0]], record="v")
    assert got.spikes.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]  # in the last step two are as far: the first of them
    assert got.v[0].tolist() == [1.5, 0.75, 1.25]
    nobody = rsnn.simulate(neuron, [[5.0, 5.0, np.nan]]).spikes
    assert nobody.tolist() == [[0, 0, 0]]  # NaN is ahead of all, as in torch, and does not fire


def test_a_graded_spike_resets_as_one() -> None:
    neuron = rsnn.Neuron(membrane=stages.Leaky(beta=1.0), fire=stages.Single(), reset=stages.Subtract(), graded=2.5)
    got = rsnn.simulate(neuron, [[1.5, 0.0], [0.0, 0.0]], record="v", recurrent=[[0.0, 0.0], [1.0, 0.0]])
    assert got.spikes.tolist() == [[2.5, 0.0], [0.0, 2.5]]
    assert got.v.tolist() == [[0.5, 0.0], [0.5, 1.5]]
    assert got.state.s.tolist() == [0.0, 2.5]


def test_recurrent_is_the_same_as_the_argument() -> None:
    x, w = values(5, (20, 2, 4), np.float64, wild=False), weights(5, 4, np.float64, "full+bias")
    layer = rsnn.Recurrent(rsnn.LIF(beta=0.9), *w)
    one, other = rsnn.simulate(layer, x, record="s"), rsnn.simulate(rsnn.LIF(beta=0.9), x, record="s", recurrent=w)
    same(one.output, other.output)
    same(one.s, one.output)
    for again in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        assert again == layer
        same(rsnn.simulate(again, x).output, one.output)
    assert layer != rsnn.Recurrent(rsnn.LIF(beta=0.9), w[0])
    assert repr(layer).startswith("Recurrent(neuron=LIF(beta=0.9), weight=<array (4, 4)")


def test_weights_are_kept_and_rounded_once() -> None:
    w = np.array([[0.1, 0.2], [0.3, 0.4]])
    layer = rsnn.Recurrent(rsnn.LIF(beta=0.5), w)
    w[:] = 0
    x = values(6, (20, 2), np.float32, wild=False)
    same(rsnn.simulate(layer, x).output, reference.simulate(rsnn.LIF(beta=0.5), x, recurrent=np.float32([[0.1, 0.2], [0.3, 0.4]]))[0])
    with pytest.raises(VALUE, match="infinite in float32"):
        rsnn.simulate(rsnn.Recurrent(rsnn.LIF(), [[1e300]]), np.ones((3, 1), np.float32))


def test_one_neuron_needs_no_axis() -> None:
    x = np.full(10, 0.6, np.float32)
    got = rsnn.simulate(rsnn.LIF(beta=0.5), x, recurrent=[-0.5])
    same(got.output, rsnn.simulate(rsnn.LIF(beta=0.5), x[:, None], recurrent=[[-0.5]]).output[:, 0])
    same(got.output, rsnn.lif(0.6, beta=0.5, recurrent=[-0.5], steps=10).output)


def test_nothing_in_is_nothing_out() -> None:
    for shape in ((0, 3), (4, 0, 3)):
        got = rsnn.simulate(rsnn.LIF(), np.empty(shape, np.float32), recurrent=np.ones((3, 3)))
        assert got.output.shape == shape
        assert got.state.s.shape == shape[1:]


# In a network ---------------------------------------------------------------------------------------------------------------------


def test_a_network_runs_recurrent_layers() -> None:
    rng = np.random.default_rng(7)
    w, back = rng.normal(0, 0.5, (6, 3)).astype(np.float32), rng.normal(0, 0.4, (6, 6)).astype(np.float32)
    recurrent = rsnn.Recurrent(rsnn.LIF(beta=0.9), back)
    net = rsnn.Network([rsnn.Linear(w), recurrent, rsnn.Linear(w.T), rsnn.LI(beta=0.5)], input_shape=3)
    assert net.neurons == {1: recurrent, 3: rsnn.LI(beta=0.5)}
    x = rng.random((50, 4, 3)).astype(np.float32)
    out = net.run(x, record=("v", "s"))
    drive = rsnn.Linear(w).run(x.reshape(200, 3)).reshape(50, 4, 6)
    alone = rsnn.simulate(recurrent, drive, record=("v", "s"))
    same(out.spikes[1], alone.spikes)
    same(out.traces[1]["v"], alone.v)
    same(out.state[1].s, alone.state.s)
    first = net.run(x[:20])
    second = net.run(x[20:], first.state)
    same(np.concatenate([first.output, second.output]), out.output)
    # Every spike reaches 6 neurons one step later.
    assert out.stats[1].spikes == alone.spikes.sum() > 0
    assert out.stats[1].synops == 6 * np.count_nonzero(alone.spikes[:-1])
    assert first.stats[1].synops + second.stats[1].synops == out.stats[1].synops
    # Of the LIF beta, v_leak, r, bias and v_threshold can be learned; it has 6 membranes and 6 last spikes.
    assert net.summary().splitlines()[2].split() == ["1", "Recurrent", "6", "41", "6", "36", str(4 * (41 + 12))]
    assert pickle.loads(pickle.dumps(net)) == net


def test_a_network_blocks_time_without_changing_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    import rsnn.network.engine

    net = rsnn.Network([rsnn.Recurrent(rsnn.LIF(beta=0.9), weights(8, 5, np.float32, "full"))], 5)
    x = values(8, (40, 2, 5), np.float32, wild=False)
    whole = net.run(x)
    monkeypatch.setattr(rsnn.network.engine, "BLOCK", 30)
    pieces = net.run(x)
    same(pieces.output, whole.output)
    assert pieces.stats == whole.stats


def test_a_network_says_which_recurrent_layer_does_not_fit() -> None:
    with pytest.raises(VALUE, match=r"layers\[0\] \(Recurrent\): recurrent: the weight has shape \(3, 3\), one step of x has \(4,\)"):
        rsnn.Network([rsnn.Recurrent(rsnn.LIF(), np.ones((3, 3)))], 4)


# What is refused ------------------------------------------------------------------------------------------------------------------

X = np.ones((6, 4), np.float32)
LIF = rsnn.LIF(beta=0.5)
REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"recurrent": np.ones((3, 3))}, VALUE, r"recurrent: the weight has shape \(3, 3\), one step of x has \(4,\): it must be \(4, 4\)"),
    ({"recurrent": np.ones((3, 4))}, VALUE, r"recurrent: weight has shape \(3, 4\): must be \(n, n\) with weight\[post, pre\], or \(n,\)"),
    ({"recurrent": np.ones((4, 4, 1))}, VALUE, r"recurrent: weight has shape \(4, 4, 1\)"),
    ({"recurrent": 1.0}, VALUE, r"recurrent: weight has shape \(\)"),
    ({"recurrent": np.ones((0, 0))}, VALUE, r"recurrent: weight has shape \(0, 0\)"),
    ({"recurrent": np.full((4, 4), np.nan)}, VALUE, r"recurrent: weight\[0, 0\] is nan: every value must be finite"),
    ({"recurrent": (np.ones(4), [0, 0, np.inf, 0])}, VALUE, r"recurrent: bias\[2\] is inf"),
    ({"recurrent": (np.ones(4), [0.0])}, VALUE, r"recurrent: bias has shape \(1,\): the weight has 4 outputs"),
    ({"recurrent": (np.ones(4),)}, VALUE, r"recurrent: a tuple of 1 came; give W, or the pair \(W, bias\)"),
    ({"recurrent": "W"}, TYPE, "recurrent: weight='W'"),
    ({"recurrent": np.ones(4, complex)}, TYPE, "recurrent: weight=.*complex128"),
    ({"neuron": rsnn.Recurrent(LIF, np.ones(4)), "recurrent": np.ones(4)}, VALUE, "recurrent=.*leave recurrent= out"),
    ({"neuron": rsnn.Recurrent(LIF, np.ones(3))}, VALUE, r"recurrent: the weight has shape \(3,\)"),
    ({"state": LIF.init_state(4), "recurrent": np.ones(4)}, VALUE, r"state has the fields v: this neuron has v, s; .*recurrent=True"),
    ({"record": "s"}, VALUE, "'s' is not one of 'v', 'u', 'spikes'"),
    ({"neuron": rsnn.Network([LIF], 4), "recurrent": np.ones(4)}, VALUE, "recurrent=.*a network does not take it here"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_cannot_come_back_is_refused(number: int) -> None:
    given_, error, message = REFUSED[number]
    with pytest.raises(error, match=message):
        rsnn.simulate(**{"neuron": LIF, "x": X} | given_)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: rsnn.Recurrent(1.0, [1.0]), TYPE, r"neuron=1\.0: must be a neuron"),
        (lambda: dataclasses.replace(LIF.stages, recurrence="after"), VALUE, "recurrence='after'"),
        (lambda: dataclasses.replace(LIF.stages, inhibition=1), TYPE, "inhibition=1"),
        (lambda: dataclasses.replace(LIF.stages, graded=np.nan), VALUE, "graded=nan"),
        (lambda: dataclasses.replace(rsnn.LI().stages, inhibition=True), VALUE, "inhibition=True: a neuron without fire="),
        (lambda: dataclasses.replace(rsnn.LI().stages, graded=2.0), VALUE, r"graded=2\.0: a neuron without fire="),
        (lambda: rsnn.Recurrent(LIF, np.ones((2, 2))).fan_out(3), VALUE, r"one step of x has \(3,\)"),
    ],
)
def test_what_makes_no_recurrent_neuron_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_the_engine_refuses_groups_that_do_not_fit() -> None:
    spec = "synapse=none membrane=leaky fire=single reset=none timing=same"
    x, out = np.ones((1, 5, 6), np.float32), np.empty((1, 5, 6), np.float32)
    table = np.ones((2, 1), np.float32)

    def scan(options: str, states: int = 1, **more: Any) -> None:
        rsnn._rsnn.scan(spec + options, x, table, np.zeros((states, 1, 6), np.float32), out, **more)

    for options, more, message in [
        (" inhibition", {}, "group: a spec with inhibition"),
        (" inhibition", {"group": 4}, "group: 4 neurons do not divide 6"),
        (" inhibition", {"group": 0}, "group: 0 neurons"),
        ("", {"group": 3}, "group: a spec with inhibition"),
        ("", {"recurrent": (np.ones(6, np.float32), None)}, "go together"),
        ("", {"record": [("u", np.empty((1, 5, 2), np.float32))], "record_index": np.array([2, 1], np.uint64)}, "must be ascending"),
        ("", {"record": [("u", np.empty((1, 5, 6), np.float32))], "record_index": np.array([1], np.uint64)}, r"\[1, 5, 1\] is needed"),
        ("", {"record": [("u", np.empty((1, 5, 2), np.float32))], "record_index": np.array([2, 2], np.uint64)}, "must be ascending"),
        ("", {"record": [("u", np.empty((1, 5, 2), np.float32))], "record_index": np.array([2, 6], np.uint64)}, "below 6"),
        ("", {"record": [("u", np.empty((1, 5, 1), np.float32))], "record_index": np.array([2], np.int64)}, "record_index: "),
    ]:
        with pytest.raises((VALUE, TYPE), match=message):
            scan(options, **more)
    with pytest.raises(VALUE, match="do not divide"):
        scan(" recurrent", 2, recurrent=(np.ones(4, np.float32), None))
    with pytest.raises(VALUE, match="the size of a group"):
        scan(" recurrent inhibition", 2, recurrent=(np.ones(3, np.float32), None), group=2)

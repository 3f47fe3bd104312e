"""Measures of spike trains and networks: each equals its definition, takes every form of spikes, and refuses what it cannot use."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from rsnn import metrics
from rsnn.metrics import neurobench
from rsnn.metrics.reference import victor_purpura
from rsnn.reference.products import conv2d, linear

Array = np.ndarray[Any, np.dtype[Any]]


def spikes(seed: int, shape: tuple[int, ...], rate: float = 0.3, most: int = 1) -> Array:
    rng = np.random.default_rng(seed)
    return ((rng.random(shape) < rate) * rng.integers(1, most + 1, shape)).astype(np.float32)


trains = st.builds(
    lambda seed, steps, n, rate: spikes(seed, (steps, n), rate),
    st.integers(0, 2**31),
    st.integers(1, 40),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
)


def test_every_form_of_spikes_gives_the_same_numbers() -> None:
    torch = pytest.importorskip("torch")
    neuron, x = rsnn.LIF(beta=0.8), spikes(0, (50, 3, 4), 0.6)
    result = rsnn.simulate(neuron, x)
    network = rsnn.Network([neuron], input_shape=4).run(x)
    forms = [result.spikes, rsnn.Spikes.pack(result.spikes), torch.from_numpy(result.spikes), result, network, result.spikes.tolist()]
    measures: list[Callable[..., Any]] = [metrics.firing_rate, metrics.cv_isi, metrics.local_variation, metrics.synchrony]
    for measure in measures:
        wanted = measure(result.spikes)
        assert wanted.dtype == np.float64
        for form in forms:
            np.testing.assert_array_equal(measure(form), wanted)
        turned = result.spikes.swapaxes(0, 1)
        np.testing.assert_allclose(measure(turned, batch_first=True), wanted, rtol=1e-12)
        np.testing.assert_allclose(measure(rsnn.Spikes.pack(turned, batch_first=True), batch_first=True), wanted, rtol=1e-12)
    assert len({metrics.activation_sparsity(form) for form in forms}) == 1


def test_rates_are_in_the_unit_of_dt() -> None:
    np.testing.assert_allclose(metrics.firing_rate([[1, 0], [1, 0], [0, 2], [1, 0]], dt=0.001), [750.0, 500.0])


@given(trains)
def test_intervals_and_their_variation_equal_their_definitions(x: Array) -> None:
    intervals, owner = metrics.isi(x, dt=0.5)
    cv, lv = metrics.cv_isi(x), metrics.local_variation(x)
    for n in range(x.shape[1]):
        own = np.diff(np.flatnonzero(x[:, n]))
        np.testing.assert_array_equal(intervals[owner == n], own * 0.5)
        if len(own) < 2:
            assert np.isnan(cv[n])
            assert np.isnan(lv[n])
            continue
        assert cv[n] == pytest.approx(np.std(own) / np.mean(own))
        pairs = list(zip(own[:-1].tolist(), own[1:].tolist(), strict=True))
        assert lv[n] == pytest.approx(3 / len(pairs) * sum(((a - b) / (a + b)) ** 2 for a, b in pairs))


def test_a_poisson_process_varies_by_1_and_a_clock_not_at_all() -> None:
    rare = spikes(1, (200_000, 2), 0.01)
    np.testing.assert_allclose(metrics.cv_isi(rare), 1.0, atol=0.06)
    np.testing.assert_allclose(metrics.local_variation(rare), 1.0, atol=0.06)
    clock = np.zeros((100, 1))
    clock[::7] = 1
    assert metrics.cv_isi(clock)[0] == metrics.local_variation(clock)[0] == 0.0


def test_a_rate_that_drifts_changes_the_cv_but_hardly_the_local_variation() -> None:
    fast, slow = np.zeros((1000, 1)), np.zeros((4000, 1))
    fast[::5] = slow[::40] = 1
    both = np.concatenate([fast, slow])
    assert metrics.cv_isi(both)[0] > 0.5
    assert metrics.local_variation(both)[0] < 0.02


def test_synchrony_is_1_together_and_falls_with_the_root_of_the_neurons_apart() -> None:
    one = spikes(2, (5000, 1), 0.2)
    assert metrics.synchrony(np.repeat(one, 30, axis=1)) == pytest.approx(1.0)
    assert metrics.synchrony(spikes(3, (5000, 100), 0.2)) == pytest.approx(0.1, rel=0.1)
    shifted = np.concatenate([one, np.roll(one, 1)], axis=1)
    assert metrics.synchrony(shifted, window=50) > 0.95 > metrics.synchrony(shifted)
    assert np.isnan(metrics.synchrony(np.zeros((5, 2))))


def times(x: Array, n: int, dt: float = 1.0) -> list[float]:
    return [t * dt for t in range(len(x)) for _ in range(int(x[t, n]))]


@given(st.integers(0, 2**31), st.integers(1, 60), st.sampled_from([0.0, 0.1, 0.6]), st.sampled_from([0.0, 0.07, 0.5, 3.0, 1e38]))
def test_the_native_victor_purpura_distance_equals_its_definition_bit_for_bit(seed: int, steps: int, rate: float, q: float) -> None:
    a, b = spikes(seed, (steps, 3), rate, most=2), spikes(seed + 1, (steps, 2), 0.3)
    apart = metrics.victor_purpura_distance(a[:, :, None], b[:, None, :], q=q, dt=0.1)
    for i in range(3):
        for j in range(2):
            assert apart[i, j] == victor_purpura(times(a, i, 0.1), times(b, j, 0.1), q)
    for threads in (1, 3):
        np.testing.assert_array_equal(metrics.victor_purpura_distance(a[:, :, None], b[:, None, :], q=q, dt=0.1, threads=threads), apart)


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_stops_a_long_comparison(threads: int) -> None:
    always = np.ones((40_000, 2))  # 1.6e9 comparisons a pair: many seconds
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    start = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        metrics.victor_purpura_distance(always, always, q=0.1, threads=threads)
    timer.join()
    assert time.perf_counter() - start < 3.0


@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.07, 0.5, 3.0]))
def test_distances_are_metrics(seed: int, scale: float) -> None:
    a, b, c = (spikes(seed + k, (30, 8), 0.2) for k in range(3))
    for distance in (
        lambda x, y: metrics.victor_purpura_distance(x, y, q=scale),
        lambda x, y: metrics.van_rossum_distance(x, y, tau=scale + 0.1),
    ):
        assert not distance(a, a).any()
        np.testing.assert_allclose(distance(a, b), distance(b, a))
        assert (distance(a, c) <= distance(a, b) + distance(b, c) + 1e-9).all()


def test_without_a_price_of_moving_counts_differ_and_with_a_high_one_only_equal_times_match() -> None:
    a, b = spikes(5, (50, 6)), spikes(6, (50, 6))
    np.testing.assert_array_equal(metrics.victor_purpura_distance(a, b, q=0.0), np.abs(a.sum(0) - b.sum(0)))
    alone = a.sum(0) + b.sum(0) - 2 * (a * b).sum(0)
    np.testing.assert_array_equal(metrics.victor_purpura_distance(a, b, q=2.0), alone)
    np.testing.assert_allclose(metrics.van_rossum_distance(a, b, tau=1e-3), np.sqrt(alone))
    np.testing.assert_allclose(metrics.van_rossum_distance(a, b, tau=1e9), np.abs(a.sum(0) - b.sum(0)), atol=1e-3)


@given(st.integers(0, 2**31), st.sampled_from([0.5, 2.0, 30.0]))
def test_van_rossums_distance_equals_the_integral_solved_spike_by_spike(seed: int, tau: float) -> None:
    a, b = spikes(seed, (25, 2), 0.3, most=2), spikes(seed + 1, (25, 2))
    apart = metrics.van_rossum_distance(a, b, tau=tau, dt=0.5)
    for n in range(2):
        signed = [(t, 1.0) for t in times(a, n, 0.5)] + [(t, -1.0) for t in times(b, n, 0.5)]
        square = sum(u * v * math.exp(-abs(s - t) / tau) for s, u in signed for t, v in signed)
        assert apart[n] ** 2 == pytest.approx(square, abs=1e-9)


@given(st.integers(0, 2**31), st.integers(0, 3))
def test_the_coincidence_factor_equals_its_definition(seed: int, window: int) -> None:
    data, model = spikes(seed, (60, 3), 0.1), spikes(seed + 1, (60, 3), 0.1)
    factor = metrics.coincidence_factor(data, model, window=window)
    for n in range(3):
        own, other = np.flatnonzero(data[:, n]), np.flatnonzero(model[:, n])
        together = sum(any(abs(t - s) <= window for s in other) for t in own)
        chance = (2 * window + 1) * len(other) / 60
        if chance >= 1 or not len(own) + len(other):
            assert np.isnan(factor[n])
        else:
            wanted = (together - chance * len(own)) / (0.5 * (len(own) + len(other))) / (1 - chance)
            assert factor[n] == pytest.approx(wanted)


def test_the_coincidence_factor_is_1_of_a_copy_and_0_by_chance() -> None:
    data = spikes(7, (20_000, 4), 0.02)
    np.testing.assert_allclose(metrics.coincidence_factor(data, data), 1.0)
    np.testing.assert_allclose(metrics.coincidence_factor(data, spikes(8, (20_000, 4), 0.02)), 0.0, atol=0.05)


def test_agreement_counts_what_differs_and_where_it_begins() -> None:
    a = spikes(9, (20, 2, 3))
    b = a.copy()
    b[7, 1, 2] = 1 - b[7, 1, 2]
    b[9, 0, 0] = 1 - b[9, 0, 0]
    found = metrics.agreement(a, rsnn.Spikes.pack(b))
    assert found == metrics.Agreement(120, int(a.sum()), 2, 7)
    assert found.part == pytest.approx(118 / 120)
    assert metrics.agreement(a.swapaxes(0, 1), b.swapaxes(0, 1), batch_first=True) == found
    assert metrics.agreement(a, a).first_step is None


def network(seed: int, sparse: bool) -> rsnn.Network:
    rng = np.random.default_rng(seed)

    def weight(*shape: int) -> Array:
        return rng.normal(0.3, 1.0, shape) * (rng.random(shape) < (0.6 if sparse else 2.0))

    return rsnn.Network(
        [
            ("see", rsnn.Conv2d(weight(2, 1, 3, 3), padding=1)),
            rsnn.IAF(),
            rsnn.SumPool2d(2),
            rsnn.Flatten(),
            rsnn.Delay(2.0),
            rsnn.Linear(weight(5, 8), np.ones(5) / 4),
            rsnn.Recurrent(rsnn.LIF(beta=0.9), weight(5, 5) / 4),
            ("read", rsnn.Linear(weight(3, 5))),
            rsnn.LI(beta=0.9),
            rsnn.Linear(weight(2, 3)),
            rsnn.Recurrent(rsnn.LIF(beta=0.5), weight(2)),
        ],
        input_shape=(1, 4, 4),
    )


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("block", [1, 500, 1 << 22])
def test_the_workload_equals_a_count_layer_by_layer(sparse: bool, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neurobench, "BLOCK", block)
    net, steps, batch = network(11, sparse), 12, 3
    x = spikes(13, (steps, batch, 1, 4, 4), 0.4, most=2)
    x[: steps // 2] = x[: steps // 2] != 0
    result = net.run(x, record="v")
    pooled = result.spikes[1].reshape(steps, batch, 2, 2, 2, 2, 2).sum((4, 6)).reshape(steps, batch, 8)
    late = np.concatenate([np.zeros_like(pooled[:2]), pooled[:-2]])
    into = {0: x, 5: late, 6: _before(result.spikes[6]), 7: result.spikes[6], 9: result.traces[8]["v"]}
    into[10] = _before(result.spikes[10])
    cost = metrics.workload(net, x)
    for layer, k in zip(cost.layers, into, strict=True):
        w, there = np.asarray(net.layers[k].weight), (into[k] != 0).astype(np.float64)
        macs = acs = reached = 0.0
        for t in range(steps):
            ones = (w != 0).astype(np.float64)
            counted = []
            for kept in (ones, np.ones_like(ones)):
                if k == 0:
                    counted.append(conv2d(there[t], kept, padding=(1, 1)).sum())
                elif w.ndim == 1:
                    counted.append((there[t] * kept).sum())
                else:
                    counted.append(linear(there[t], kept).sum())
            unit = bool(np.isin(into[k][t], (-1.0, 0.0, 1.0)).all())
            acs += counted[0] * unit
            macs += counted[0] * (not unit)
            reached += counted[1]
        assert layer.effective_acs == pytest.approx(acs / batch)
        assert layer.effective_macs == pytest.approx(macs / batch)
        assert layer.synops == pytest.approx(reached / batch)
        assert result.stats[k].synops == reached
    assert cost.effective_macs > 0 < cost.effective_acs
    assert cost.connection_sparsity == metrics.connection_sparsity(net) == (pytest.approx(0.4, abs=0.15) if sparse else 0.0)
    assert cost.activation_sparsity == metrics.activation_sparsity(result)
    changed = sum((np.diff(result.traces[k]["v"], axis=0) != 0).sum() + batch * math.prod(net.shapes[k]) for k in net.neurons)
    assert cost.membrane_updates == pytest.approx(changed / batch)
    synapses = 2 * 9 * 16 - 2 * (4 * 5 + 8 * 3) + 5 * 8 + 5 * 5 + 3 * 5 + 2 * 3 + 2
    assert cost.dense == pytest.approx(steps * synapses)
    assert (cost.samples, cost.steps) == (batch, steps)
    assert sum(one.dense for one in cost.layers) == cost.dense
    assert cost.neurobench()["SynapticOperations"]["Effective_ACs"] == cost.effective_acs


def _before(x: Array) -> Array:
    return np.concatenate([np.zeros_like(x[:1]), x[:-1]])


def test_a_workload_goes_on_from_a_state_and_takes_what_run_takes() -> None:
    net = network(17, sparse=True)
    x = spikes(19, (10, 2, 1, 4, 4), 0.4)
    first = net.run(x[:6])
    whole, one, two = metrics.workload(net, x), metrics.workload(net, x[:6]), metrics.workload(net, x[6:], first.state)
    assert whole.effective_acs + whole.effective_macs == pytest.approx(sum(part.effective_acs + part.effective_macs for part in (one, two)))
    turned = rsnn.Network(net.layers, (1, 4, 4), names=net.names, inputs=net.inputs, batch_first=True)
    assert metrics.workload(turned, x.swapaxes(0, 1)) == whole
    assert metrics.workload(net, rsnn.Spikes.pack(x)) == whole
    at_rest = {k: None for k in net.stateful}
    assert metrics.workload(net, x, at_rest) == whole
    alone = metrics.workload(net, x[:, 0])
    assert (alone.samples, alone.steps) == (1, 10)
    events = np.array([(0, 1, 2), (3, 0, 0), (3, 3, 1)], dtype=[("t", "i8"), ("x", "i2"), ("y", "i2")])
    assert metrics.workload(net, events, dt=1, steps=5).steps == 5


def test_a_footprint_counts_weights_biases_parameters_and_state() -> None:
    bare = rsnn.Network([rsnn.Linear(np.ones((3, 2)), np.ones(3))], input_shape=2)
    assert metrics.footprint(bare) == 4 * (6 + 3)
    assert metrics.footprint(bare, dtype=np.float64) == 8 * (6 + 3)
    with_neurons = rsnn.Network([*bare.layers, rsnn.LI(beta=0.5)], input_shape=2)
    parameters = sum(value.size for value in rsnn.LI(beta=0.5).parameters.values())
    assert metrics.footprint(with_neurons) == 4 * (6 + 3 + parameters + 3)


def test_sparsity_takes_layers_in_lists_and_mappings() -> None:
    assert metrics.activation_sparsity({"a": np.array([0, 1]), "b": [np.zeros(2)]}) == 0.75
    assert metrics.activation_sparsity([[0, 1], [0, 0]]) == 0.75
    assert metrics.connection_sparsity([np.zeros(3), rsnn.Linear([[1.0]])]) == 0.75
    assert metrics.connection_sparsity([[0.0, 1.0]]) == 0.5
    assert metrics.connection_sparsity(rsnn.Network([rsnn.LIF()], input_shape=2)) == 0.0


X = np.zeros((5, 2))
REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: metrics.firing_rate("abc"), TypeError, "spikes: <U3 came"),
    (lambda: metrics.firing_rate(1.0), ValueError, r"spikes has shape \(\): must be \(T, \.\.\.\)"),
    (lambda: metrics.firing_rate([1.0], batch_first=True), ValueError, r"must be \(B, T, \.\.\.\)"),
    (lambda: metrics.firing_rate([]), ValueError, "give at least one step"),
    (lambda: metrics.firing_rate([np.nan]), ValueError, "spikes: NaN or infinity came"),
    (lambda: metrics.firing_rate(X, dt=0.0), ValueError, r"dt=0\.0: must be positive"),
    (lambda: metrics.firing_rate(rsnn.Spikes.pack(X), batch_first=True), ValueError, "batch_first=True: spikes are packed spikes"),
    (lambda: metrics.isi(X, dt=-1), ValueError, r"dt=-1\.0: must be positive"),
    (lambda: metrics.synchrony([1, 0]), ValueError, "axis of neurons|must be"),
    (lambda: metrics.synchrony(X, window=9), ValueError, "window=9: x has 5 steps"),
    (lambda: metrics.victor_purpura_distance(X, X[:4], q=1), ValueError, "a has 5 steps and b 4"),
    (lambda: metrics.victor_purpura_distance(X, np.zeros((5, 3)), q=1), ValueError, "must broadcast after time"),
    (lambda: metrics.victor_purpura_distance(X + 0.5, X, q=1), ValueError, r"a: 0\.5 came; every entry must be a count"),
    (lambda: metrics.victor_purpura_distance(X, X - 1, q=1), ValueError, r"b: -1\.0 came"),
    (lambda: metrics.victor_purpura_distance(X, X, q=math.inf), ValueError, "q=inf"),
    (lambda: metrics.victor_purpura_distance(X, X, q=1, threads=0), ValueError, "threads=0"),
    (lambda: metrics.van_rossum_distance(X, X, tau=0), ValueError, r"tau=0\.0: must be positive"),
    (lambda: metrics.agreement(X, X[:, :1]), ValueError, r"b has shape \(5, 1\), time first: must be that of a"),
    (lambda: metrics.coincidence_factor(X, X, window=-1), ValueError, "window=-1"),
    (lambda: metrics.activation_sparsity(np.zeros(0)), ValueError, "there is no activation"),
    (lambda: metrics.connection_sparsity(3), TypeError, "network is int"),
    (lambda: metrics.footprint(rsnn.LIF()), TypeError, r"network=.*must be a rsnn\.Network"),
    (lambda: metrics.workload(None, X), TypeError, "network=None"),
    (lambda: metrics.workload(network(0, False), X), ValueError, r"x has shape \(5, 2\)"),
]


@pytest.mark.parametrize(("call", "kind", "message"), REFUSED)
def test_what_cannot_be_measured_is_refused_with_its_name_and_a_cure(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        call()
    assert isinstance(caught.value, rsnn.RsnnError)


def test_a_window_longer_than_the_trains_holds_them_whole() -> None:
    data, model = [[0, 1], [1, 0], [0, 0]], [[0, 1], [0, 0], [1, 0]]
    far, whole = (rsnn.metrics.coincidence_factor(data, model, window=window) for window in (2**64 - 1, 3))
    assert np.array_equal(far, whole, equal_nan=True)

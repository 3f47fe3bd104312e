"""Networks: a run equals its layers one after the other, in one piece or in several, and statistics are counts."""

from __future__ import annotations

import copy
import itertools
import os
import pickle
import signal
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import FLOATS, layouts, neurons, values

import rsnn
import rsnn.network.engine

Array = np.ndarray[Any, np.dtype[Any]]


def same(a: Any, b: Any) -> bool:
    return bool(a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=True))


def small(seed: int = 0, dtype: Any = np.float32, **options: Any) -> rsnn.Network:
    """One layer of each kind, with neurons that fire."""
    rng = np.random.default_rng(seed)
    return rsnn.Network(
        [
            rsnn.Conv2d(rng.normal(0.3, 0.5, (4, 2, 3, 3)).astype(dtype), rng.normal(size=4).astype(dtype) / 4, padding=1),
            rsnn.IAF(),
            rsnn.SumPool2d(2),
            rsnn.Conv2d(rng.normal(0.1, 0.3, (3, 4, 2, 2)).astype(dtype), stride=(1, 2)),
            rsnn.LIF(beta=0.8, alpha=0.5),
            rsnn.AvgPool2d((1, 2)),
            rsnn.Flatten(),
            rsnn.Linear(rng.normal(size=(5, 9)).astype(dtype), rng.normal(size=5).astype(dtype)),
            rsnn.LI(beta=0.9),
        ],
        input_shape=(2, 8, 9),
        **options,
    )


def composed(net: rsnn.Network, x: Array) -> tuple[Array, dict[int, Array], dict[int, Any], dict[int, Any]]:
    """Layer after layer over the whole of x (T, B, ...), by the public calls: output, spikes, states, the input of each layer."""
    spikes, states, inputs = {}, {}, {}
    for k, layer in enumerate(net.layers):
        inputs[k] = x
        if k in net.neurons:
            result = rsnn.simulate(layer, x)
            x, states[k] = result.output, result.state
            if layer.kernel().spiking:
                spikes[k] = x
        else:
            after = layer.run(x.reshape(-1, *x.shape[2:]) if x.size else np.zeros((x.shape[0] * x.shape[1], *x.shape[2:]), x.dtype))
            x = after.reshape(*x.shape[:2], *after.shape[1:])
    return x, spikes, states, inputs


def equal_states(a: Any, b: Any) -> bool:
    return set(a) == set(b) and all(x._fields == y._fields and all(map(same, x, y)) for x, y in ((a[k], b[k]) for k in a))


@given(
    st.sampled_from([0, 1, 2, 9]), st.sampled_from([0, 1, 3]), FLOATS, st.sampled_from([1, 2, 5]), st.integers(0, 2**32 - 1), st.booleans()
)
def test_a_run_equals_its_layers_one_after_the_other(steps: int, batch: int, dtype: Any, threads: int, seed: int, wild: bool) -> None:
    net = small(seed)
    x = values(seed, (steps, batch, 2, 8, 9), dtype, wild=wild)
    output, spikes, states, _ = composed(net, x)
    out = net.run(x, threads=threads)
    assert same(out.output, output)
    assert out.spikes.keys() == spikes.keys()
    assert all(same(out.spikes[k], spikes[k]) for k in spikes)
    assert equal_states(out.state, states)


@st.composite
def networks(draw: Any) -> rsnn.Network:
    """Linear layers and any neurons, with sizes of 0, 1 and odd."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.lists(st.sampled_from([0, 1, 3, 7, 17]), min_size=2, max_size=4))
    layers = []
    for before, after in itertools.pairwise(sizes):
        weight = rng.normal(size=(after, before)).astype(draw(FLOATS))
        layers += [rsnn.Linear(weight), draw(neurons(after))]
    return rsnn.Network(layers, sizes[0])


@given(networks(), st.integers(0, 40), FLOATS, st.integers(0, 40), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_pieces_equal_the_whole_for_any_neurons(net: rsnn.Network, steps: int, dtype: Any, cut: int, threads: int, seed: int) -> None:
    x = values(seed, (steps, 2, *net.input_shape), dtype, wild=True)
    whole = net.run(x)
    first = net.run(x[:cut], threads=threads)
    kept = copy.deepcopy(first.state)
    second = net.run(x[cut:], first.state, threads=threads)
    assert equal_states(kept, first.state), "a state that was handed in is not changed"
    assert same(np.concatenate([first.output, second.output]), whole.output)
    assert all(same(np.concatenate([first.spikes[k], second.spikes[k]]), whole.spikes[k]) for k in whole.spikes)
    assert equal_states(second.state, whole.state)


def test_blocks_of_time_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = small(), values(0, (50, 2, 2, 8, 9), np.float32, wild=True)
    whole = net.run(x, record=("v", "u"))
    for elements in (1, 2000, 4000):
        monkeypatch.setattr(rsnn.network.engine, "BLOCK", elements)
        parts = net.run(x, record=("v", "u"))
        assert same(parts.output, whole.output)
        assert equal_states(parts.state, whole.state)
        assert all(same(parts.spikes[k], whole.spikes[k]) for k in whole.spikes)
        assert all(same(parts.traces[k][name], whole.traces[k][name]) for k in whole.traces for name in whole.traces[k])
        assert parts.stats == whole.stats


def test_the_order_of_the_batch_does_not_matter_and_a_sample_alone_is_the_same() -> None:
    net, x = small(), values(1, (20, 5, 2, 8, 9), np.float32, wild=False)
    order = np.array([3, 0, 4, 1, 2])
    out = net.run(x, record="v")
    shuffled = net.run(x[:, order], record="v")
    alone = net.run(x[:, 2], record="v")
    for k in out.spikes:
        assert same(shuffled.spikes[k], out.spikes[k][:, order])
        assert same(alone.spikes[k], out.spikes[k][:, 2])
    assert same(alone.traces[4]["v"], out.traces[4]["v"][:, 2])
    assert same(alone.output, out.output[:, 2])
    assert alone.state[8].v.shape == (5,)


def test_batch_first_keeps_the_layout_of_the_input() -> None:
    net, first = small(), small(batch_first=True)
    x = values(2, (6, 3, 2, 8, 9), np.float32, wild=False)
    out, turned = net.run(x, record="v"), first.run(np.ascontiguousarray(x.swapaxes(0, 1)), record="v")
    assert same(turned.output.swapaxes(0, 1), out.output)
    assert same(turned.spikes[1].swapaxes(0, 1), out.spikes[1])
    assert same(turned.traces[1]["v"].swapaxes(0, 1), out.traces[1]["v"])
    assert equal_states(turned.state, out.state)
    assert same(first.run(x[:, 0]).output, net.run(x[:, 0]).output)
    assert net != first


def test_every_layout_and_dtype_of_the_input_gives_the_same() -> None:
    net, x = small(), np.random.default_rng(3).integers(0, 3, (5, 2, 2, 8, 9)).astype(np.float32)
    expected = net.run(x)
    for name, lying in (layouts(x) | {str(kind): x.astype(kind) for kind in (np.uint8, np.int64, np.float16)}).items():
        before = lying.copy()
        assert same(net.run(lying).output, expected.output), name
        assert np.array_equal(lying, before)
    assert net.run(x.astype(np.float64)).output.dtype == np.float64


def test_statistics_are_the_counts_of_what_passed() -> None:
    net, x = small(), values(4, (11, 3, 2, 8, 9), np.float32, wild=False)
    _, spikes, _, inputs = composed(net, x)
    stats = net.run(x).stats
    assert list(stats) == list(range(9))
    for k, layer in enumerate(net.layers):
        one = stats[k]
        assert one.layer == type(layer).__name__
        if k in spikes:
            assert one.spikes == spikes[k].sum()
            assert one.density == np.count_nonzero(spikes[k]) / spikes[k].size
        else:
            assert one.spikes is None
        if isinstance(layer, (rsnn.Linear, rsnn.Conv2d)):
            assert one.input_density == np.count_nonzero(inputs[k]) / inputs[k].size
            assert one.path in ("event", "dense", "mixed")
            # An operation is a term of a sum: a product of an input that is not 0 with a weight, counted by a layer of ones.
            ones = np.ones(layer.weight.shape)
            options = {} if isinstance(layer, rsnn.Linear) else {"stride": layer.stride, "padding": layer.padding}
            terms = type(layer)(ones, **options).run((inputs[k] != 0).reshape(33, *inputs[k].shape[2:]))
            assert one.synops == terms.sum()
        else:
            assert one.synops is None


def test_record_by_name_or_by_layer() -> None:
    net, x = small(), values(5, (4, 2, 8, 9), np.float32, wild=False)
    assert {k: tuple(one) for k, one in net.run(x, record=("v", "i")).traces.items()} == {1: ("v",), 4: ("v", "i"), 8: ("v",)}
    out = net.run(x, record={4: "u", 8: ()})
    assert {k: tuple(one) for k, one in out.traces.items()} == {4: ("u",), 8: ()}
    assert out.traces[4]["u"].shape == (4, 3, 3, 2)


def test_simulate_takes_a_network() -> None:
    net, x = small(), values(6, (4, 2, 2, 8, 9), np.float32, wild=False)
    first = rsnn.simulate(net, x[:2], record=("v",), threads=1)
    second = rsnn.simulate(net, x[2:], first.state)
    whole = net.run(x, record="v")
    assert same(np.concatenate([first.output, second.output]), whole.output)
    assert same(first.traces[1]["v"], whole.traces[1]["v"][:2])
    with pytest.raises(rsnn.InvalidValueError, match="steps=3: a network does not take it"):
        rsnn.simulate(net, x, steps=3)


def test_networks_are_equal_by_content_and_survive_pickle_and_copy() -> None:
    net, x = small(), values(7, (4, 2, 2, 8, 9), np.float32, wild=False)
    out = net.run(x)
    for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert other == net
        assert hash(other) == hash(net)
        assert same(other.run(x).output, out.output)
    assert net == small()
    assert net != small(seed=1)
    again = pickle.loads(pickle.dumps(out))
    assert same(again.output, out.output)
    assert same(net.run(x, again.state).output, net.run(x, out.state).output)
    assert rsnn.Network([rsnn.Flatten()], 2) != rsnn.Network([rsnn.Flatten()], (2, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_pickles_to_little_more_than_its_weights_also_after_it_ran(dtype: Any) -> None:
    net = rsnn.Network(
        [
            ("weights", rsnn.Linear(np.ones((100, 300), dtype), np.ones(100, dtype))),
            ("neurons", rsnn.Recurrent(rsnn.LIF(beta=0.9), np.zeros((100, 100), dtype))),
            rsnn.Delay(1000.0),
        ],
        300,
    )
    weights = (100 * 300 + 100 + 100 * 100) * np.dtype(dtype).itemsize
    size = len(pickle.dumps(net))
    assert weights < size < weights + 2000
    net.run(np.zeros((2, 300), np.float32))
    net.run(np.zeros((2, 300)))
    assert len(pickle.dumps(net)) == size
    assert len(pickle.dumps(pickle.loads(pickle.dumps(net)))) == size
    # To another process, or over dask, arrays go beside it, without a copy.
    beside: list[pickle.PickleBuffer] = []
    assert len(pickle.dumps(net, protocol=5, buffer_callback=beside.append)) < 2000
    assert sum(one.raw().nbytes for one in beside) == weights


@pytest.mark.parametrize("kind", rsnn.neurons.NAMED.values())
def test_every_neuron_pickles_to_a_few_hundred_bytes(kind: Any) -> None:
    for neuron in (kind(), kind().stages):
        rsnn.simulate(neuron, np.zeros((2, 50)))
        assert len(pickle.dumps(neuron)) < 1200
    wide = kind().replace(v_threshold=np.ones(50)) if kind is not rsnn.LI else rsnn.LI(beta=np.ones(50))
    assert len(pickle.dumps(wide)) < 1200 + 50 * 8


def test_presets_pickle_to_a_few_hundred_bytes() -> None:
    assert len(pickle.dumps(rsnn.presets.norse.LSNN())) < 2000
    assert len(pickle.dumps(rsnn.presets.snntorch.Synaptic(alpha=0.9, beta=0.8))) < 2000


def test_shapes_neurons_summary_and_repr() -> None:
    net = small()
    assert net.shapes == ((4, 8, 9), (4, 8, 9), (4, 4, 4), (3, 3, 2), (3, 3, 2), (3, 3, 1), (9,), (5,), (5,))
    assert list(net.neurons) == [1, 4, 8]
    lines = net.summary().splitlines()
    assert len(lines) == 11
    assert lines[1].split() == ["0", "Conv2d", "4", "x", "8", "x", "9", "76", f"{4 * 2 * (3 * 8 - 2) * (3 * 9 - 2):,}", "304"]
    assert repr(rsnn.Network([rsnn.LIF(beta=0.5)], 3, batch_first=True)) == "Network([LIF(beta=0.5)], input_shape=(3,), batch_first=True)"
    assert repr(net.run(np.zeros((2, 2, 8, 9)), record={1: "v"})).startswith("NetworkResult(output: float64 (2, 5); spikes: {1: ")


def test_no_steps_no_batch_and_no_neurons_give_empty_results_of_the_right_shapes() -> None:
    net = small()
    for lead in [(0,), (0, 3), (4, 0), (0, 0)]:
        out = net.run(np.zeros((*lead, 2, 8, 9), np.float32), record="v")
        assert out.output.shape == (*lead, 5)
        assert out.spikes[1].shape == (*lead, 4, 8, 9)
        assert out.state[1].v.shape == (*lead[1:], 4, 8, 9)
        assert out.stats[0].synops == 0
        assert out.stats[1].spikes == 0
    nothing = rsnn.Network([rsnn.Linear(np.zeros((3, 0))), rsnn.LIF(beta=0.5), rsnn.Linear(np.zeros((0, 3)))], 0)
    assert nothing.run(np.zeros((4, 0))).output.shape == (4, 0)


def test_an_infinite_input_fires_without_end_and_is_counted_as_that() -> None:
    out = rsnn.Network([rsnn.IAF()], 1).run([[np.inf]])
    assert out.stats[0].spikes == np.inf


@pytest.mark.parametrize(
    ("layers", "shape", "error", "message"),
    [
        ([], 3, ValueError, "layers: an empty list"),
        (rsnn.LIF(), 3, TypeError, r"must be a list of layers; write \[LIF"),
        (5, 3, TypeError, "layers=5: must be a list"),
        ([rsnn.LIF], 3, TypeError, r"layers\[0\] .*give an instance: LIF\("),
        ([rsnn.LIF(), "relu"], 3, TypeError, r"layers\[1\] \(str\): 'relu' is no layer; accepted are"),
        ([rsnn.Network([rsnn.LIF()], 3)], 3, TypeError, r"\*network.layers"),
        ([rsnn.Flatten(), rsnn.Linear(np.ones((2, 4)))], 3, ValueError, r"layers\[1\] \(Linear\): a sample of shape \(3,\) comes in"),
        ([rsnn.Linear(np.ones((2, 3))), rsnn.LIF(beta=[0.5, 0.5, 0.5])], 3, ValueError, r"layers\[1\] \(LIF\): .*does not broadcast"),
        ([rsnn.Conv2d(np.ones((2, 1, 3, 3)))], (1, 2, 9), ValueError, r"layers\[0\] \(Conv2d\): .*smaller than the kernel"),
        ([rsnn.SumPool2d(2)], (4, 4), ValueError, r"layers\[0\] \(SumPool2d\): .*must be an image"),
        ([rsnn.LIF()], -1, ValueError, "input_shape"),
        ([rsnn.LIF()], "wide", TypeError, "input_shape"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_with_the_position(layers: Any, shape: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        rsnn.Network(layers, shape)
    assert isinstance(caught.value, rsnn.RsnnError)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"x": np.zeros((5, 3, 2, 8, 8))}, ValueError, r"x has shape \(5, 3, 2, 8, 8\): must be \(T, 2, 8, 9\) or \(T, B, 2, 8, 9\)"),
        ({"x": np.zeros((2, 8, 9))}, ValueError, "x has shape"),
        ({"x": np.zeros((1, 1, 1, 2, 8, 9))}, ValueError, "x has shape"),
        ({"x": np.zeros((1, 2, 8, 9), complex)}, TypeError, "complex128"),
        ({"x": np.zeros((1, 2, 8, 9), object)}, TypeError, "object"),
        ({"threads": 0}, ValueError, "threads=0"),
        ({"record": "w"}, ValueError, "record='w'"),
        ({"record": {0: "v"}}, ValueError, "record: 0 is not the index or the name of a neuron; these are 1, 4, 8"),
        ({"record": {1: "i"}}, ValueError, r"record\[1\]='i'"),
        ({"record": 5}, TypeError, "record=5"),
        ({"state": 5}, TypeError, "state=5: must be a mapping"),
        ({"state": {1: None}}, ValueError, "states of the layers 1 came; those with a state are 1, 4, 8"),
        ({"state": {1: 5, 4: None, 8: None}}, TypeError, r"layers\[1\] \(IAF\): state=5"),
        ({"state": small().init_state(2, np.float64)}, ValueError, r"layers\[1\] \(IAF\): state.v has shape \(2, 4, 8, 9\)"),
        ({"state": small().init_state(None, np.float32)}, TypeError, r"layers\[1\] \(IAF\): state.v: float32 came"),
    ],
)
def test_a_run_refuses_what_it_cannot_take_before_any_work(options: dict[str, Any], error: Any, message: str) -> None:
    arguments = {"x": np.zeros((1, 2, 8, 9))} | options
    with pytest.raises(error, match=message) as caught:
        small().run(**arguments)
    assert isinstance(caught.value, rsnn.RsnnError)


def test_a_weight_too_large_for_the_data_is_refused_with_the_position() -> None:
    net = rsnn.Network([rsnn.Flatten(), rsnn.Linear([[1e300]])], 1)
    assert net.run(np.ones((1, 1))).output.tolist() == [[1e300]]
    with pytest.raises(rsnn.InvalidValueError, match=r"layers\[1\] \(Linear\): weight: .*infinite in float32"):
        net.run(np.ones((1, 1), np.float32))


def test_a_result_says_how_to_get_what_it_does_not_hold() -> None:
    out = small().run(np.zeros((1, 2, 8, 9)))
    with pytest.raises(AttributeError, match=r"a trace is .traces\[k\]\['v'\], recorded with record="):
        _ = out.v


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_stops_a_long_run_soon(threads: int) -> None:
    net = rsnn.Network([rsnn.Linear(np.ones((2000, 2000), np.float32)), rsnn.LIF(beta=0.5)], 2000)
    x = np.ones((40_000, 2000), np.float32)
    sent = []

    def send() -> None:
        time.sleep(0.3)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    other = threading.Thread(target=send)
    other.start()
    with pytest.raises(KeyboardInterrupt):
        net.run(x, threads=threads)
    late = time.perf_counter() - sent[0]
    other.join()
    assert late < 1.0  # 0.2 on a machine of one's own

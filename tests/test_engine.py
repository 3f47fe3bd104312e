"""The engine of networks: following events, multiplying everything, whole, in pieces, as a stream: the same bits as the definition."""

from __future__ import annotations

import itertools
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import FLOATS, neurons

import rsnn
from rsnn.layers import Pool2d, pair
from rsnn.reference import products

Array = np.ndarray[Any, np.dtype[Any]]
SIZES = st.integers(1, 7)
DENSITIES = st.sampled_from([0.0, 0.02, 0.2, 0.6, 1.0])
VALUES = st.sampled_from(["binary", "counts", "graded", "wild"])


def sparse(seed: int, shape: tuple[int, ...], dtype: Any, density: float, kind: str) -> Array:
    """An array most of whose entries are 0."""
    rng = np.random.default_rng(seed)
    x = {
        "binary": lambda: np.ones(shape),
        "counts": lambda: rng.integers(1, 4, shape),
        "graded": lambda: rng.normal(size=shape) * 10.0 ** rng.integers(-6, 6, shape),
        "wild": lambda: rng.choice([1.0, -1.0, np.inf, -np.inf, np.nan, 1e30, -0.0], size=shape),
    }[kind]()
    return np.where(rng.random(shape) < density, x, 0).astype(dtype)


def same(a: Array, b: Array) -> bool:
    return bool(a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=True))


def same_states(a: Any, b: Any) -> bool:
    return set(a) == set(b) and all(a[k]._fields == b[k]._fields and all(map(same, a[k], b[k])) for k in a)


def by_definition(net: rsnn.Network, x: Array) -> tuple[Array, dict[int, Array]]:
    """Layer after layer: products by their reference, neurons by `rsnn.simulate`, which other tests hold to theirs."""
    sent = {}
    with np.errstate(all="ignore"):
        for k, layer in enumerate(net.layers):
            if isinstance(layer, rsnn.Conv2d):
                weight, bias = layer.weights(x.dtype)
                x = products.conv2d(x, weight, bias, stride=layer.stride, padding=layer.padding)
            elif isinstance(layer, rsnn.Linear):
                weight, bias = layer.weights(x.dtype)
                rows = products.linear(x.reshape(-1, weight.shape[1]), weight, bias)
                x = rows.reshape(*x.shape[:-1], weight.shape[0])
            elif isinstance(layer, Pool2d):
                x = products.pool2d(x, pair("kernel", layer.kernel, 1), kind=layer.kind)
            elif isinstance(layer, rsnn.Flatten):
                x = x.reshape(len(x), -1)
            else:
                x = rsnn.simulate(layer, x).output
            sent[k] = x
    return x, sent


@st.composite
def integrators(draw: Any, channels: int) -> Any:
    """Neurons that may rest untouched, and some that look as if they might."""
    reset = draw(st.sampled_from(["subtract", "value", "zero", "none"]))
    options: dict[str, Any] = {"reset": reset, "fire": draw(st.sampled_from(["single", "multi"]))}
    if reset == "value":
        options["v_reset"] = draw(st.sampled_from([-0.5, 0.25, 2.0, -0.0]))
    if options["fire"] == "multi":
        options["max_spikes"] = draw(st.sampled_from([None, 1.0, 2.0]))
    options["v_min"] = draw(st.sampled_from([None, None, -1.0, -0.0, 1.5]))
    options["bias"] = draw(st.sampled_from([0.0, 0.0, 0.0, 0.125]))
    options["refractory"] = draw(st.sampled_from([0.0, 0.0, 2.0]))
    each = np.resize([1.0, 0.3, 4.0], (channels, 1, 1))
    options["v_threshold"] = draw(st.sampled_from([1.0, 0.3, 4.0, each]))
    return rsnn.IAF(**options)


@st.composite
def images(draw: Any) -> rsnn.Network:
    """Convolutions of any size, stride and padding, neurons, pooling, and a layer to the end."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(st.sampled_from([1, 2, 3, 5])), draw(st.integers(1, 12)), draw(st.sampled_from([1, 2, 5, 9, 66])))
    layers: list[Any] = []
    net = None
    for _ in range(draw(st.integers(1, 2))):
        outputs, kernel = draw(st.sampled_from([1, 2, 3, 4, 8, 16, 17, 32])), (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
        weight = rng.normal(0.1, 0.5, (outputs, shape[0] if net is None else net.shapes[-1][0], *kernel)).astype(draw(FLOATS))
        bias = rng.normal(size=outputs) / 4 if draw(st.booleans()) and draw(st.booleans()) else None
        stride = (draw(st.integers(1, 5)), draw(st.integers(1, 3)))
        padding = (draw(st.integers(0, 4)) + kernel[0] - 1, draw(st.integers(0, 2)) + kernel[1] - 1)
        layers.append(rsnn.Conv2d(weight, bias, stride, padding))
        layers.append(draw(st.one_of(integrators(outputs), integrators(outputs), neurons(1))))
        net = rsnn.Network(layers, shape)
        pool = (draw(st.integers(1, 2)), draw(st.integers(1, 3)))
        if draw(st.booleans()) and net.shapes[-1][1] >= pool[0] and net.shapes[-1][2] >= pool[1]:
            layers.append(draw(st.sampled_from([rsnn.SumPool2d, rsnn.AvgPool2d, rsnn.MaxPool2d]))(pool))
            net = rsnn.Network(layers, shape)
    if draw(st.booleans()):
        layers += [rsnn.Flatten(), rsnn.Linear(rng.normal(size=(draw(SIZES), int(np.prod(net.shapes[-1])))))]  # type: ignore[union-attr]
        layers.append(draw(neurons(1)))
    return rsnn.Network(layers, shape)


@given(images(), FLOATS, DENSITIES, VALUES, st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_every_path_gives_the_bits_of_the_definition(
    net: rsnn.Network, dtype: Any, density: float, kind: str, steps: int, seed: int
) -> None:
    x = sparse(seed, (steps, *net.shape_before(0)), dtype, density, kind)
    output, sent = by_definition(net, x)
    for path in ("auto", "event", "dense"):
        out = net.run(x, path=path)
        assert same(out.output, output), path
        assert all(same(out.spikes[k], sent[k]) for k in out.spikes), path
        for k, layer in enumerate(net.layers):
            if isinstance(layer, (rsnn.Linear, rsnn.Conv2d)):
                before = sent[k - 1] if k else x
                assert out.stats[k].path == path or path == "auto"
                assert out.stats[k].input_density == np.count_nonzero(before) / before.size
                assert out.stats[k].synops == ((before != 0) * layer.fan_out(before.shape[1:])).sum(), path


@given(images(), FLOATS, DENSITIES, VALUES, st.lists(st.integers(0, 12), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_pieces_batches_threads_and_records_do_not_show(
    net: rsnn.Network, dtype: Any, density: float, kind: str, cuts: list[int], seed: int
) -> None:
    steps = sum(cuts)
    x = sparse(seed, (steps, 3, *net.shape_before(0)), dtype, density, kind)
    whole = net.run(x)
    state, outputs, spikes = None, [], {k: [] for k in whole.spikes}
    for first, last in itertools.pairwise([0, *np.cumsum(cuts)]):
        path = ("event", "dense", "auto")[first % 3]
        out = net.run(x[first:last], state, path=path, threads=2, record="v" if last % 2 else ())
        state = out.state
        outputs.append(out.output)
        for k, one in spikes.items():
            one.append(out.spikes[k])
    assert same(np.concatenate(outputs), whole.output)
    assert all(same(np.concatenate(one), whole.spikes[k]) for k, one in spikes.items())
    assert same_states(state, whole.state)
    alone = net.run(x[:, 1])
    assert same(alone.output, whole.output[:, 1])
    assert same(net.run(x[:, [2, 0, 1]]).output, whole.output[:, [2, 0, 1]])


@given(images(), FLOATS, DENSITIES, VALUES, st.integers(1, 12), st.integers(0, 2**32 - 1), st.sampled_from(["auto", "event", "dense"]))
def test_a_stream_gives_the_bits_of_a_run(
    net: rsnn.Network, dtype: Any, density: float, kind: str, steps: int, seed: int, path: str
) -> None:
    x = sparse(seed, (steps, *net.shape_before(0)), dtype, density, kind)
    whole = net.run(x)
    stream = net.stream(dtype=dtype, path=path)
    assert same(np.stack([stream.step(frame) for frame in x]), whole.output)
    assert same_states(stream.state, whole.state)
    for k, one in whole.stats.items():
        counted = stream.stats[k].spikes
        if one.spikes is None or (abs(one.spikes) <= 2**53 and (np.mod(whole.spikes[k], 1) == 0).all()):
            assert counted == one.spikes
        else:  # a sum of fractions, or beyond what floats count, depends on where the run is cut
            assert counted == pytest.approx(one.spikes, rel=1e-12, abs=1, nan_ok=True)
    stream.reset()
    flat = x.reshape(steps, -1)
    listed = [stream.step((np.flatnonzero(row), row[row != 0])) for row in flat]
    assert same(np.stack(listed), whole.output)


@given(st.integers(0, 40), FLOATS, st.sampled_from([1, 5, 70]), st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 63, 64, 65]))
def test_packed_input_gives_the_same(steps: int, dtype: Any, outputs: int, seed: int, inputs: int) -> None:
    rng = np.random.default_rng(seed)
    net = rsnn.Network([rsnn.Linear(rng.normal(size=(outputs, inputs)).astype(dtype)), rsnn.LIF(beta=0.5)], inputs)
    for lead in [(steps,), (steps, 2)]:
        x = sparse(seed, (*lead, inputs), np.float32, 0.2, "binary")
        assert same(net.run(rsnn.Spikes.pack(x)).output, net.run(x).output)


def test_states_that_events_do_not_explain_are_not_forgotten() -> None:
    """A membrane above its threshold fires without an event, as often as it takes; one below its floor is lifted."""
    net = rsnn.Network([rsnn.Conv2d(np.ones((1, 1, 1, 1))), rsnn.IAF(fire="single", v_min=-1.0)], (1, 1, 4))
    state = net.init_state(None, np.float64)
    state[1].v[...] = [[[3.5, 0.5, -7.0, 1.0]]]
    out = net.run(np.zeros((5, 1, 1, 4)), state, path="event")
    assert out.output[:, 0, 0].tolist() == [[1, 0, 0, 1], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert out.state[1].v.tolist() == [[[0.5, 0.5, -1.0, 0.0]]]
    assert net.run(np.zeros((1, 1, 1, 4)), {1: state[1]}).output.sum() == 2, "what was handed in is not changed"


def test_the_path_follows_the_density_and_is_reported() -> None:
    net = rsnn.Network([rsnn.Linear(np.ones((64, 64), np.float32)), rsnn.IAF()], 64)
    sparse_, full = sparse(0, (50, 64), np.float32, 0.02, "binary"), np.ones((50, 64), np.float32)
    assert net.run(sparse_).stats[0].path == "event"
    assert net.run(full).stats[0].path == "dense"
    assert net.run(np.concatenate([sparse_, full])).stats[0].path == "mixed"
    with pytest.raises(rsnn.InvalidValueError, match="path='sparse': must be one of 'auto', 'event', 'dense'"):
        net.run(full, path="sparse")


def test_spikes_are_made_dense_when_somebody_looks_and_survive_pickle() -> None:
    net = rsnn.Network([rsnn.Conv2d(np.ones((2, 1, 3, 3), np.float32), padding=1), rsnn.IAF(), rsnn.SumPool2d(2)], (1, 6, 6))
    out = net.run(sparse(0, (9, 1, 6, 6), np.float32, 0.1, "binary"))
    again = pickle.loads(pickle.dumps(out))
    assert list(out.spikes) == [1]
    assert out.spikes[1] is out.spikes[1]
    assert same(again.spikes[1], out.spikes[1])
    assert out.spikes[1].sum() == out.stats[1].spikes
    with pytest.raises(KeyError):
        out.spikes[0]


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((1, 2, 3)), ValueError, r"x has shape \(1, 2, 3\): one step has \(1, 2, 2\)"),
        (np.zeros((1, 2, 2), complex), TypeError, "complex128 came"),
        (([3, 1], None), ValueError, "must ascend, from 0 to 3"),
        (([0, 0], None), ValueError, "no entry twice"),
        (([4], None), ValueError, "from 0 to 3"),
        (([-1], None), ValueError, "from 0 to 3"),
        (([0.5], None), TypeError, "list of indices"),
        (([1], [1.0, 2.0]), ValueError, "one for each of the 1 events"),
    ],
)
def test_a_stream_refuses_what_is_no_step_and_goes_on(x: Any, error: Any, message: str) -> None:
    stream = rsnn.Network([rsnn.IAF()], (1, 2, 2)).stream()
    with pytest.raises(error, match=message) as caught:
        stream.step(x)
    assert isinstance(caught.value, rsnn.RsnnError)
    assert stream.step(([], None)).shape == (1, 2, 2)


def test_a_stream_takes_event_records() -> None:
    rng = np.random.default_rng(0)
    net = rsnn.Network([rsnn.Conv2d(rng.normal(size=(3, 2, 3, 3)).astype(np.float32), padding=1), rsnn.IAF()], (2, 5, 6))
    events = np.zeros(60, dtype=[("x", "i2"), ("y", "i2"), ("p", "?"), ("t", "i8")])
    events["x"], events["y"], events["p"], events["t"] = (rng.integers(0, n, 60) for n in (6, 5, 2, 8))
    whole = net.run(events, dt=1.0, steps=8)
    stream, several = net.stream(), net.stream(batch=2)
    for t in range(8):
        now = events[events["t"] == t]
        assert same(stream.step(now), whole.output[t])
        assert same(several.step([now[:0], now])[1], whole.output[t])
    with pytest.raises(rsnn.InvalidValueError, match="one recording came; a step of this stream is a list of 2 recordings"):
        several.step(events)
    with pytest.raises(rsnn.InvalidValueError, match="2 recordings came; a step of this stream is one recording"):
        stream.step([events, events])


def test_a_stream_does_not_grow() -> None:
    """Nothing is kept of a step but the state (the benchmark counts a million of them)."""
    net = rsnn.Network([rsnn.Linear(np.ones((4, 8), np.float32)), rsnn.IAF()], 8)
    stream, frame = net.stream(threads=1), np.ones(8, np.float32)
    for _ in range(100):
        stream.step(frame)
    tracemalloc.start()
    for _ in range(2000):
        stream.step(frame)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 20_000

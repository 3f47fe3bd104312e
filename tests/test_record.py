"""Packed output, packed input, and recording of some neurons: the same numbers as of a dense run that keeps everything."""

from __future__ import annotations

import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage_strategies import every
from strategies import FLOATS, SIZES, STEPS, data, layouts, neurons, values

import rsnn
from rsnn import _rsnn, layout

VALUE, TYPE = rsnn.InvalidValueError, rsnn.InvalidTypeError
same = np.testing.assert_array_equal


def batched(draw: Any, n: int) -> tuple[int, ...]:
    return (draw(STEPS), *draw(st.sampled_from([(), (1,), (3,), (2, 2)])), n)


@st.composite
def single(draw: Any) -> tuple[Any, Any, bool]:
    """A neuron that fires at most once a step, data, and whether the batch comes first."""
    n = draw(SIZES)
    neuron = draw(neurons(n, spiking=True).filter(lambda neuron: " fire=single" in neuron.kernel().spec))
    x = draw(data(batched(draw, n)))
    batch_first = x.ndim > 2 and draw(st.booleans())
    return neuron, np.moveaxis(x, 0, 1) if batch_first else x, batch_first


@given(single(), st.booleans(), st.sampled_from([1, 3]))
def test_packed_spikes_are_the_dense_ones(run: Any, contiguous: bool, threads: int) -> None:
    neuron, x, batch_first = run
    if contiguous:
        x = np.ascontiguousarray(x)
    whole = rsnn.simulate(neuron, x, record="u", batch_first=batch_first)
    got = rsnn.simulate(neuron, x, record="u", batch_first=batch_first, packed=True, threads=threads)
    assert got.spikes is got.output
    assert got.spikes == rsnn.Spikes.pack(whole.output, batch_first=batch_first)
    same(got.u, whole.u)
    for one, other in zip(got.state, whole.state, strict=True):
        same(one, other)


@given(single())
def test_packed_spikes_go_in_as_the_dense_ones(run: Any) -> None:
    neuron, x, batch_first = run
    spikes = rsnn.Spikes.pack(x > 0.3, batch_first=batch_first)
    wanted = rsnn.simulate(neuron, spikes.numpy(), record=("v", "u"), batch_first=batch_first)
    got = rsnn.simulate(neuron, spikes, record=("v", "u"), batch_first=batch_first)
    assert got.output.dtype == np.float32
    same(got.output, wanted.output)
    same(got.v, wanted.v)
    assert rsnn.simulate(neuron, spikes, batch_first=batch_first, packed=True).spikes.count() == np.count_nonzero(wanted.output)
    same(
        rsnn.simulate(neuron, spikes[::-1], batch_first=batch_first).output,
        rsnn.simulate(neuron, spikes[::-1].numpy(), batch_first=batch_first).output,
    )


@pytest.mark.parametrize("batch_first", [False, True])
def test_strided_data_is_packed_in_blocks(batch_first: bool) -> None:
    neuron, x = rsnn.LIF(beta=0.9), values(1, (40, 70, 1003), np.float32, wild=True)
    wanted = rsnn.Spikes.pack(rsnn.simulate(neuron, x, batch_first=batch_first).output, batch_first=batch_first)
    for name, lying in layouts(x).items():
        assert rsnn.simulate(neuron, lying, batch_first=batch_first, packed=True).spikes == wanted, name


@pytest.mark.parametrize("level", _rsnn.levels())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 63, 64, 65, 1000, 1024, 1025, 2050])
def test_every_instruction_set_packs_and_picks_the_same(level: str, dtype: Any, n: int) -> None:
    neuron, x = rsnn.LIF(beta=0.9), values(n, (1, 9, n), dtype, wild=True)
    kernel, table = neuron.kernel(), neuron.stages.table(np.dtype(dtype), (n,))
    index = np.unique(np.random.default_rng(n).integers(0, n, 40)).astype(np.uint64)
    words, dense = np.full((1, 9, -(-n // 64)), 2**64 - 1, np.uint64), np.empty((1, 9, n), dtype)
    picked = np.full((1, 9, len(index)), np.nan, dtype)
    for out, packed in ((words, True), (dense, False)):
        state = np.zeros((1, 1, n), dtype)
        more = {"record": [("u", picked)], "record_index": index} if packed else {"record": [("u", u := np.empty((1, 9, n), dtype))]}
        _rsnn.scan(kernel.spec, x, table, state, out, packed=packed, level=level, **more)
    assert rsnn.Spikes(words[0], (9, n)) == rsnn.Spikes.pack(dense[0])
    same(picked, u[..., index])


def test_counts_above_one_are_refused_when_they_happen() -> None:
    few = rsnn.simulate(rsnn.IAF(), [[0.5, 1.0], [0.5, 0.0]], packed=True)
    assert few.spikes == rsnn.Spikes.pack([[0, 1], [1, 0]])
    with pytest.raises(VALUE, match=r"packed=True: output\[1, 0\] is 3\.0: a packed spike is one bit, 0 or 1; counts cannot be packed"):
        rsnn.simulate(rsnn.IAF(), [[0.5, 1.0], [2.5, 0.0]], packed=True)
    graded = rsnn.Neuron(membrane=rsnn.stages.Leaky(beta=0.5), fire=rsnn.stages.Single(), graded=2.0)
    with pytest.raises(VALUE, match=r"output\[0, 1\] is 2\.0"):
        rsnn.simulate(graded, [[0.5, 1.0]], packed=True)


def test_neurons_that_act_on_each_other_are_packed_too() -> None:
    x, w = values(3, (50, 3, 70), np.float32, wild=False), np.random.default_rng(3).normal(0, 0.2, (70, 70))
    rival = rsnn.Neuron(membrane=rsnn.stages.Leaky(beta=0.9), fire=rsnn.stages.Single(), inhibition=True)
    for neuron, more in ((rsnn.LIF(beta=0.9), {"recurrent": w}), (rival, {}), (rival, {"recurrent": w})):
        wanted = rsnn.simulate(neuron, x, **more).output
        assert wanted.sum() > 0
        assert rsnn.simulate(neuron, x, packed=True, **more).spikes == rsnn.Spikes.pack(wanted)


def test_a_packed_result_says_so_and_can_be_pickled() -> None:
    got = rsnn.simulate(rsnn.LIF(beta=0.5), np.full((4, 2), 0.75), packed=True)
    assert repr(got) == "Result(output: packed (4, 2), 4 spikes; state: v)"
    assert pickle.loads(pickle.dumps(got)).spikes == got.spikes


@given(single())
def test_spikes_can_be_recorded(run: Any) -> None:
    neuron, x, batch_first = run
    got = rsnn.simulate(neuron, x, record="spikes", batch_first=batch_first)
    assert got.traces["spikes"] is got.output
    packed = rsnn.simulate(neuron, x, record=("v", "spikes", "u"), batch_first=batch_first, packed=True)
    assert list(packed.traces) == ["v", "spikes", "u"]
    same(packed.traces["spikes"], got.output)
    assert packed.traces["spikes"].dtype == got.output.dtype


# Some neurons -----------------------------------------------------------------------------------------------------------------------


@st.composite
def picks(draw: Any) -> tuple[Any, Any, Any]:
    n = draw(SIZES)
    neuron = draw(every(n))
    x = values(draw(st.integers(0, 2**32 - 1)), batched(draw, n), draw(FLOATS), wild=draw(st.booleans()))
    ends = st.none() | st.integers(-n - 1, n + 1)
    kinds = [
        st.builds(slice, ends, ends, st.sampled_from([None, 1, 2, -1, -3])),
        st.lists(st.booleans(), min_size=n, max_size=n).map(lambda m: np.array(m, bool)),
    ]
    if n:
        numbers = st.integers(-n, n - 1)
        kinds += [st.lists(numbers, max_size=9), st.lists(numbers, max_size=9).map(lambda m: np.array(m, np.int8 if n < 100 else np.int64))]
    return neuron, x, draw(st.one_of(kinds))


@given(picks(), st.booleans())
def test_a_record_of_some_neurons_is_that_part_of_the_whole(run: Any, batch_first: bool) -> None:
    neuron, x, index = run
    if batch_first and x.ndim > 2:
        x = np.moveaxis(x, 0, 1)
    batch_first = batch_first and x.ndim > 2
    kernel = neuron.kernel()
    names = (*kernel.states, "u", *(("spikes",) if kernel.spiking else ()))
    whole = rsnn.simulate(neuron, x, record=names, batch_first=batch_first)
    got = rsnn.simulate(neuron, x, record=names, record_index=index, batch_first=batch_first)
    same(got.output, whole.output)
    chosen = np.array(index, int) if isinstance(index, list) else index
    for name in names:
        same(got.traces[name], whole.traces[name][..., chosen], err_msg=name)
        assert got.traces[name].dtype == whole.traces[name].dtype


def test_a_number_is_a_list_of_one() -> None:
    x = values(5, (20, 2, 6), np.float32, wild=False)
    whole = rsnn.simulate(rsnn.LIF(), x, record="v").v
    same(rsnn.simulate(rsnn.LIF(), x, record="v", record_index=4).v, whole[..., 4:5])
    same(rsnn.simulate(rsnn.LIF(), x, record="v", record_index=-1).v, whole[..., [-1]])


def test_some_neurons_of_wide_strided_packed_and_recurrent_runs() -> None:
    x, index = values(6, (30, 2, 3000), np.float32, wild=False), [2999, 1023, 1024, 0, 1024]
    whole = rsnn.simulate(rsnn.LIF(beta=0.9), x, record="u")
    for lying in layouts(x).values():
        same(rsnn.simulate(rsnn.LIF(beta=0.9), lying, record="u", record_index=index).u, whole.u[..., index])
    got = rsnn.simulate(rsnn.LIF(beta=0.9), x, record=("u", "spikes"), record_index=index, packed=True)
    same(got.u, whole.u[..., index])
    same(got.traces["spikes"], whole.output[..., index])
    assert got.spikes == rsnn.Spikes.pack(whole.output)
    w = np.random.default_rng(0).normal(0, 0.5, 3000)
    whole = rsnn.simulate(rsnn.LIF(beta=0.9), x, record=("u", "s"), recurrent=w)
    got = rsnn.simulate(rsnn.LIF(beta=0.9), x, record=("u", "s"), record_index=index, recurrent=w)
    same(got.u, whole.u[..., index])
    same(got.s, whole.s[..., index])


def test_memory_is_what_is_asked_for() -> None:
    x = np.zeros((2000, 4000), bool)
    spikes = rsnn.Spikes.pack(x)
    kept = x.size // 8 + 2 * 8 * layout.BLOCK + 2**20  # the output, two blocks of converted input and output, and small change
    for given_, more in ((x, {}), (spikes, {}), (x, {"recurrent": np.zeros(4000)}), (x, {"record": ("v", "u"), "record_index": [1, 2, 3]})):
        tracemalloc.start()
        rsnn.simulate(rsnn.LIF(), given_, packed=True, **more)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < kept


# Networks and layers ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_first", [False, True])
def test_a_network_takes_packed_spikes(batch_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    net = rsnn.Network([rsnn.Linear(rng.normal(0, 0.5, (5, 70))), rsnn.LIF(beta=0.9)], input_shape=70, batch_first=batch_first)
    dense = (rng.random((3, 40, 70) if batch_first else (40, 3, 70)) < 0.1).astype(np.float32)
    spikes = rsnn.Spikes.pack(dense, batch_first=batch_first)
    wanted = net.run(dense)
    for block in (None, 500):
        if block:
            monkeypatch.setattr(rsnn.network.engine, "BLOCK", block)
        got = net.run(spikes)
        same(got.output, wanted.output)
        assert got.stats == wanted.stats
    with pytest.raises(VALUE, match=r"x: packed spikes with batch_first=.*rsnn\.Spikes\.pack\(array, batch_first="):
        net.run(rsnn.Spikes.pack(dense, batch_first=not batch_first))
    single = rsnn.Spikes.pack(dense[0] if batch_first else dense[:, 0])
    same(net.run(single).output, wanted.output[0] if batch_first else wanted.output[:, 0])


def test_a_layer_takes_packed_spikes() -> None:
    dense = np.random.default_rng(4).random((30, 20)) < 0.2
    layer = rsnn.Linear(np.random.default_rng(5).normal(0, 1, (3, 20)))
    same(layer.run(rsnn.Spikes.pack(dense)), layer.run(dense))
    same(layer.run(rsnn.Spikes.pack(dense[:, None], batch_first=True)), layer.run(dense[:, None]))


# What is refused --------------------------------------------------------------------------------------------------------------------

X = np.ones((6, 4), np.float32)
SPIKES = rsnn.Spikes.pack(X)
LIF = rsnn.LIF(beta=0.5)
REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"neuron": rsnn.LI(), "packed": True}, VALUE, "packed=True: this neuron does not spike, .*leave packed= out"),
    ({"packed": 1}, TYPE, "packed=1: must be True or False"),
    ({"packed": True, "out": np.empty((6, 4), np.float32)}, VALUE, "out: packed spikes are made anew; leave out= out, or packed="),
    ({"packed": True, "out": SPIKES}, VALUE, "out: packed spikes are made anew"),
    ({"out": SPIKES}, TYPE, "out=.*must be a numpy array"),
    ({"x": SPIKES, "steps": 3}, VALUE, "steps=3: packed spikes have a time axis of their own"),
    ({"x": SPIKES, "batch_first": True}, VALUE, "batch_first=True: the packed spikes have batch_first=False"),
    ({"x": rsnn.Spikes.pack(X, batch_first=True)}, VALUE, "batch_first=False: the packed spikes have batch_first=True"),
    ({"x": SPIKES, "state": LIF.init_state(4, np.float64)}, TYPE, r"state\.v: float64 came, x is computed in float32"),
    ({"x": SPIKES, "neuron": rsnn.LIF(beta=[0.5] * 3)}, VALUE, r"the parameters have shape \(3,\)"),
    ({"record_index": [0]}, VALUE, r"record_index=\[0\]: nothing is recorded; give record="),
    ({"record": "v", "record_index": 4}, VALUE, "record_index: 4 came; the last axis of x has 4 neurons, 0 to 3"),
    ({"record": "v", "record_index": [0, -5]}, VALUE, "record_index: -5 came"),
    ({"record": "v", "record_index": np.array([2**63], np.uint64)}, VALUE, "record_index: 9223372036854775808 came"),
    ({"record": "v", "record_index": [0.0]}, TYPE, "record_index=.*float64 came"),
    ({"record": "v", "record_index": "v"}, TYPE, "record_index='v'"),
    ({"record": "v", "record_index": slice(0.5)}, TYPE, "a slice takes integers"),
    ({"record": "v", "record_index": slice(None, None, 0)}, VALUE, "record_index=.*slice"),
    ({"record": "v", "record_index": [[0, 1]]}, VALUE, r"record_index has shape \(1, 2\)"),
    ({"record": "v", "record_index": [True, False]}, VALUE, r"record_index has shape \(2,\).*mask"),
    ({"record": "v", "record_index": 0, "x": np.ones(3)}, VALUE, "x has no axis of neurons"),
    ({"neuron": rsnn.LI(), "record": "spikes"}, VALUE, "'spikes' is not one of 'v', 'u'"),
    ({"neuron": rsnn.Network([LIF], 4), "packed": True}, VALUE, "packed=True: a network does not take it here"),
    ({"neuron": rsnn.Network([LIF], 4), "record_index": 1}, VALUE, "record_index=1: a network does not take it here"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_cannot_be_packed_or_recorded_is_refused(number: int) -> None:
    given_, error, message = REFUSED[number]
    with pytest.raises(error, match=message):
        rsnn.simulate(**{"neuron": LIF, "x": X} | given_)


def test_out_must_not_be_the_memory_of_the_input() -> None:
    words = np.zeros((2, 64), np.uint64)
    out = words.view(np.float32)[:, :64]
    with pytest.raises(VALUE, match="out: shares memory with x"):
        rsnn.simulate(LIF, rsnn.Spikes(words[:, :1], (2, 64)), out=out)

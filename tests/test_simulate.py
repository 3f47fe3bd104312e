"""`rsnn.simulate` equals the reference, bit for bit, however the data lies and however the work is cut."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import FLOATS, SIZES, STEPS, data, layouts, neurons, values

import rsnn
from rsnn import _rsnn, layout, reference
from rsnn.layout import BLOCK
from rsnn.state import make_state

same = np.testing.assert_array_equal  # NaN equals NaN


def equal(got: rsnn.Result, output: Any, state: Any, traces: dict[str, Any]) -> None:
    same(got.output, output)
    assert got.output.dtype == output.dtype
    assert got.state._fields == state._fields
    for one, other in zip(got.state, state, strict=True):
        same(one, other)
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
    assert got.traces.keys() == traces.keys()
    for name, trace in traces.items():
        same(got.traces[name], trace)


@st.composite
def runs(draw: Any) -> tuple[Any, Any, tuple[str, ...]]:
    """A neuron, data for it, and everything it can record."""
    n = draw(SIZES)
    neuron = draw(neurons(n))
    x = draw(data((draw(STEPS), *draw(st.sampled_from([(), (1,), (3,)])), n)))
    return neuron, x, (*neuron.kernel().states, "u")


@given(runs())
def test_native_equals_the_reference(run: Any) -> None:
    neuron, x, names = run
    equal(rsnn.simulate(neuron, x, record=names), *reference.simulate(neuron, x, record=names))


@given(runs())
def test_every_instruction_set_equals_the_reference(run: Any) -> None:
    neuron, x, names = run
    output, state, traces = reference.simulate(neuron, x, record=names)
    kernel, n = neuron.kernel(), x[:1].size
    table = neuron.stages.table(x.dtype, x.shape[1:])
    if not x.size:
        return
    for level in _rsnn.levels():
        current = np.stack([np.asarray(one).reshape(1, n) for one in neuron.init_state(x.shape[1:], x.dtype)])
        got = {name: np.empty((1, len(x), n), x.dtype) for name in (*names, "out")}
        recorded = [(name, got[name]) for name in names]
        _rsnn.scan(kernel.spec, x.reshape(1, len(x), n), table, current, got["out"], record=recorded, level=level)
        same(got["out"].reshape(x.shape), output)
        for name in names:
            same(got[name].reshape(x.shape), traces[name])
        for one, other in zip(current, state, strict=True):
            same(one.reshape(other.shape), other)


@given(runs(), st.data())
def test_a_run_in_pieces_equals_the_whole(run: Any, more: Any) -> None:
    neuron, x, names = run
    whole = rsnn.simulate(neuron, x, record=names)
    cuts = sorted(more.draw(st.lists(st.integers(0, len(x)), max_size=3)))
    state, pieces = None, []
    for start, stop in zip([0, *cuts], [*cuts, len(x)], strict=True):
        pieces.append(rsnn.simulate(neuron, x[start:stop], state, record=names))
        state = pieces[-1].state
    together = {name: np.concatenate([piece.traces[name] for piece in pieces]) for name in names}
    equal(whole, np.concatenate([piece.output for piece in pieces]), state, together)


@given(runs())
def test_batch_first_equals_time_first(run: Any) -> None:
    neuron, x, names = run
    if x.ndim < 3:
        x = x[:, None]
    expected = rsnn.simulate(neuron, x, record=names)
    got = rsnn.simulate(neuron, np.ascontiguousarray(np.moveaxis(x, 0, 1)), record=names, batch_first=True)
    assert got.output.flags.c_contiguous
    moved = {name: np.moveaxis(trace, 1, 0) for name, trace in got.traces.items()}
    equal(expected, np.moveaxis(got.output, 1, 0), got.state, moved)


@given(st.integers(0, 2**32 - 1), STEPS, st.sampled_from([1, 3, 65]), FLOATS, st.booleans())
def test_the_layout_of_the_data_does_not_matter(seed: int, steps: int, n: int, dtype: Any, batch_first: bool) -> None:
    neuron = rsnn.LIF(beta=0.9, alpha=0.5)
    x = values(seed, (2, steps, n) if batch_first else (steps, 2, n), dtype, wild=True)
    expected = rsnn.simulate(neuron, x, record=("v", "u"), batch_first=batch_first)
    for name, lying in layouts(x).items():
        before = lying.copy()
        got = rsnn.simulate(neuron, lying, record=("v", "u"), batch_first=batch_first)
        equal(got, expected.output, expected.state, expected.traces)
        same(lying, before, err_msg=name)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("shape", [(3, 1000, 301), (40, 20, 1000), (1, 3, BLOCK + 5)])
def test_blocks_of_converted_data_join_up(shape: tuple[int, ...], batch_first: bool) -> None:
    neuron = rsnn.LIF(beta=0.9, alpha=0.5)
    x = values(1, shape, np.float32, wild=True)
    expected = rsnn.simulate(neuron, x, record="v", batch_first=batch_first)
    out = np.empty((*shape[:-1], 2 * shape[-1]), np.float32)[..., ::2]
    got = rsnn.simulate(neuron, x.astype(">f4"), record="v", batch_first=batch_first, out=out)
    assert got.output is out
    equal(got, expected.output, expected.state, expected.traces)


@pytest.mark.parametrize(
    "dtype", [bool, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float16, ">i2"]
)
def test_narrow_numbers_become_float32(dtype: Any) -> None:
    x = (np.arange(60).reshape(20, 3) % 5 == 0).astype(dtype)
    got = rsnn.simulate(rsnn.LIF(beta=0.5), x)
    assert got.output.dtype == got.state.v.dtype == np.float32
    equal(got, *reference.simulate(rsnn.LIF(beta=0.5), x.astype(np.float32)))


@given(runs(), st.sampled_from([1, 7, 64, 100]), st.booleans())
def test_blocks_of_long_data_join_up(run: Any, rows: int, batch_first: bool) -> None:
    neuron, x, names = run
    x = np.stack([x, x[::-1]]) if batch_first else x
    expected = rsnn.simulate(neuron, x, record=names, batch_first=batch_first)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "ROWS", rows)
        got = rsnn.simulate(neuron, x, record=names, batch_first=batch_first)
    equal(got, expected.output, expected.state, expected.traces)


def test_data_that_is_converted_is_never_copied_whole() -> None:
    import tracemalloc

    x = np.zeros((4000, 2000), bool)
    out = np.empty(x.shape, np.float32)
    tracemalloc.start()
    rsnn.simulate(rsnn.LIF(), x, out=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * BLOCK * 4 + 2**20


@pytest.mark.parametrize("threads", [1, 2, 3, 64])
@pytest.mark.parametrize("batch_first", [False, True])
def test_threads_do_not_change_a_bit(threads: int, batch_first: bool) -> None:
    neuron = rsnn.LIF(tau_mem=np.linspace(1, 50, 1500), alpha=0.5, fire="multi", refractory=1.0)
    x = values(2, (7, 100, 1500), np.float32, wild=True)
    expected = rsnn.simulate(neuron, x, record=("v", "u"), threads=1, batch_first=batch_first)
    equal(
        rsnn.simulate(neuron, x, record=("v", "u"), threads=threads, batch_first=batch_first),
        expected.output,
        expected.state,
        expected.traces,
    )


def test_the_order_of_a_batch_does_not_matter() -> None:
    neuron, x = rsnn.LIF(beta=0.9, alpha=0.5), values(3, (50, 9, 33), np.float32, wild=True)
    order = np.random.default_rng(0).permutation(9)
    got, expected = rsnn.simulate(neuron, x[:, order]), rsnn.simulate(neuron, x)
    equal(got, expected.output[:, order], make_state(("v", "i"), [one[order] for one in expected.state]), {})


# Shapes ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0,), (0, 3), (5, 0), (0, 0), (4, 0, 3), (4, 3, 0)])
def test_nothing_in_is_nothing_out(shape: tuple[int, ...]) -> None:
    start = rsnn.LIF().init_state(shape[1:], v=0.25)
    got = rsnn.simulate(rsnn.LIF(), np.empty(shape, np.float32), start, record="v")
    assert got.output.shape == got.v.shape == shape
    same(got.state.v, start.v)


def test_one_neuron_needs_no_axis() -> None:
    got = rsnn.simulate(rsnn.LIF(beta=0.5), np.full(4, 0.75, np.float32))
    assert (got.output.shape, got.state.v.shape) == ((4,), ())


def test_parameters_broadcast_against_the_trailing_axes() -> None:
    x = values(4, (20, 2, 3, 5), np.float32, wild=False)
    by_channel = rsnn.LIF(beta=np.array([0.1, 0.5, 0.9]).reshape(3, 1), v_threshold=np.linspace(0.5, 1, 5))
    equal(rsnn.simulate(by_channel, x), *reference.simulate(by_channel, x))
    got = rsnn.simulate(by_channel, np.ascontiguousarray(np.moveaxis(x, 1, 0)), batch_first=True)
    same(np.moveaxis(got.output, 0, 1), rsnn.simulate(by_channel, x).output)


def test_a_constant_input_is_given_once() -> None:
    neuron = rsnn.LIF(beta=0.9)
    same(rsnn.simulate(neuron, 0.3, steps=50).output, rsnn.simulate(neuron, np.full(50, 0.3)).output)
    step = np.linspace(0, 1, 7, dtype=np.float32)
    same(rsnn.simulate(neuron, step, steps=50).output, rsnn.simulate(neuron, np.tile(step, (50, 1))).output)
    both = np.stack([step, step])
    same(rsnn.simulate(neuron, both, steps=50, batch_first=True).output, np.stack([rsnn.simulate(neuron, step, steps=50).output] * 2))
    assert rsnn.simulate(neuron, step, steps=0).output.shape == (0, 7)


def test_a_number_drives_neurons_of_different_parameters() -> None:
    got = rsnn.lif(0.5, beta=[0.1, 0.5, 0.9], steps=30)
    same(got.output, rsnn.lif(np.full((30, 3), 0.5), beta=[0.1, 0.5, 0.9]).output)


# Results --------------------------------------------------------------------------------------------------------------------------


def test_a_result_has_its_traces_by_name() -> None:
    got = rsnn.simulate(rsnn.LIF(alpha=0.5), np.ones((5, 2)), record=["v", "u", "v"])
    assert list(got.traces) == ["v", "u"]
    assert got.v is got.traces["v"]
    assert got.spikes is got.output
    assert repr(got) == "Result(output: float64 (5, 2), 0 spikes; state: v, i; traces: v, u)"


@pytest.mark.parametrize(
    ("neuron", "name", "message"),
    [
        (rsnn.LI(), "spikes", r"does not spike, .*use \.output"),
        (rsnn.LIF(), "v", r"run with record=\('v',\)"),
        (rsnn.LIF(), "spike", "did you mean 'spikes'"),
        (rsnn.LIF(), "i", "this result has output, spikes, state, traces"),
    ],
)
def test_what_a_result_does_not_have_it_says(neuron: Any, name: str, message: str) -> None:
    got = rsnn.simulate(neuron, np.ones(3))
    with pytest.raises(rsnn.AbsentError, match=message):
        getattr(got, name)
    assert not hasattr(got, name)


def test_a_result_can_be_pickled() -> None:
    got = rsnn.simulate(rsnn.LIF(alpha=0.5), np.ones((5, 2)), record="v")
    again = pickle.loads(pickle.dumps(got))
    equal(again, got.output, got.state, got.traces)


def test_large_outputs_lie_on_a_cache_line() -> None:
    got = rsnn.simulate(rsnn.LIF(), np.ones((50, 1007), np.float32), record="v")
    assert [array.ctypes.data % 64 for array in (got.output, got.v)] == [0, 0]


# State and out --------------------------------------------------------------------------------------------------------------------


def test_a_state_is_never_modified() -> None:
    neuron = rsnn.LIF(beta=0.5, alpha=0.5)
    start = neuron.init_state((2, 3), v=0.25, i=1.0)
    for one in start:
        one.setflags(write=False)
    got = rsnn.simulate(neuron, np.ones((4, 2, 3), np.float32), start)
    same(start.v, np.full((2, 3), 0.25))
    assert not any(np.shares_memory(one, other) for one, other in zip(start, got.state, strict=True))


def test_a_state_may_lie_in_memory_as_it_likes() -> None:
    neuron, x = rsnn.LIF(beta=0.5, alpha=0.5), np.ones((4, 2, 3), np.float32)
    start = neuron.init_state((2, 3), v=0.25, i=1.0)
    odd = start._replace(v=np.asfortranarray(start.v), i=start.i.astype(">f4"))
    equal(rsnn.simulate(neuron, x, odd), *reference.simulate(neuron, x, start))


def test_out_is_written_and_returned() -> None:
    x = values(5, (20, 6), np.float32, wild=False)
    expected = rsnn.simulate(rsnn.LIF(), x).output
    for out in (np.empty((20, 6), np.float32), np.empty((6, 20), np.float32).T, np.empty((40, 12), np.float32)[::-2, ::2]):
        got = rsnn.simulate(rsnn.LIF(), x, out=out)
        assert got.output is out
        same(out, expected)


# One call -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["li", "lif", "iaf"])
def test_one_call_is_the_neuron_and_its_run(name: str) -> None:
    kind, call = getattr(rsnn, name.upper()), getattr(rsnn, name)
    x = values(6, (30, 4), np.float32, wild=False)
    got, expected = call(x, bias=0.1, record="v", threads=1), rsnn.simulate(kind(bias=0.1), x, record="v")
    equal(got, expected.output, expected.state, expected.traces)


def test_published_spike_times() -> None:
    """The page on IAF: tau 20, threshold 10, input 11 spikes at 47 and 94 of a loop that tests before it integrates; at 46 and 93 here."""
    options = {"v_threshold": 10.0, "reset": "zero", "steps": 100}
    assert rsnn.lif(11.0, beta=0.95, gain="leak", **options).spikes.nonzero()[0].tolist() == [46, 93]
    assert rsnn.lif(11.0, tau_mem=20.0, discretization="euler", **options).spikes.nonzero()[0].tolist() == [46, 93]
    assert rsnn.iaf(np.float32(0.025), steps=100).spikes.nonzero()[0].tolist() == [40, 80]


def test_data_that_the_engine_reads_as_it_lies_is_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    scan = rsnn._rsnn.scan
    monkeypatch.setattr(rsnn._rsnn, "scan", lambda *a, **k: (calls.append(1), scan(*a, **k))[1])
    rsnn.simulate(rsnn.LIF(beta=0.5), np.ones((100, 3, 2048), np.float32))
    assert len(calls) == 1

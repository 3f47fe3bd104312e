"""rsnn.chip.iaf: equal to unbounded integers, whatever comes in and however it lies in memory."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from chip.exact import Overrun, neuron

KINDS = [np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float16, np.float32, np.float64]
small = st.integers(-40, 40)
corners = st.builds(lambda k, near, sign: sign * (2**k + near), st.integers(0, 61), st.integers(-2, 2), st.sampled_from([-1, 1]))
numbers = st.one_of(small, corners, st.sampled_from([-(2**63), 2**63 - 1]))


def expected(x: Any, v: Any, threshold: Any, bias: Any, v_min: Any, fire: Any, reset: Any, bits: Any, how: Any, above: Any = False) -> Any:
    """Run every neuron of (T, n) by itself."""
    columns = [neuron(x[:, k].tolist(), v[k], threshold[k], bias[k], v_min, fire, reset, bits, how, above) for k in range(x.shape[1])]
    return [np.array([column[part] for column in columns], object).T.reshape(x.shape) for part in range(3)]


@given(
    data=st.data(),
    fire=st.sampled_from(["multi", "single"]),
    reset=st.sampled_from(["subtract", "zero", "none"]),
    bits=st.one_of(st.none(), st.integers(2, 64), st.sampled_from([8, 16, 24, 31, 32, 33, 63, 64])),
    how=st.sampled_from(["saturate", "wrap", "error"]),
    compare=st.sampled_from([">=", ">"]),
    steps=st.integers(0, 12),
    size=st.integers(1, 5),
)
def test_equals_unbounded_integers_at_every_corner(
    data: Any, fire: Any, reset: Any, bits: Any, how: Any, compare: Any, steps: Any, size: Any
) -> None:
    half = 1 << ((bits or 64) - 1)
    inside = numbers.map(lambda n: max(-half, min(n, half - 1)))
    rows = st.lists(st.lists(numbers, min_size=size, max_size=size), min_size=steps, max_size=steps)
    x = np.array(data.draw(rows), np.int64).reshape(steps, size)
    threshold = data.draw(st.lists(inside.map(lambda n: max(1, abs(n + (n == -half)))), min_size=size, max_size=size))
    bias = data.draw(st.lists(numbers, min_size=size, max_size=size))
    v_min = data.draw(st.one_of(st.none(), inside))
    v = data.draw(st.lists(inside, min_size=size, max_size=size))

    def run() -> Any:
        return rsnn.chip.iaf(
            x, v_threshold=threshold, bias=bias, v_min=v_min, fire=fire, reset=reset, state_bits=bits, overflow=how, state=v,
            record=("v", "u"), compare=compare,
        )  # fmt: skip

    try:
        spikes, u, after = expected(x, v, threshold, bias, v_min, fire, reset, bits, how, compare == ">")
    except Overrun:
        with pytest.raises(rsnn.InvalidValueError, match=r"the membrane of neuron \d+ becomes -?\d+ at step \d+, outside the \d+ bits"):
            run()
        return
    result = run()
    assert result.spikes.tolist() == spikes.tolist()
    assert result.u.tolist() == u.tolist()
    assert result.v.tolist() == after.tolist()
    assert result.state.v.tolist() == (after[-1].tolist() if steps else v)
    assert result.spikes.dtype == (np.int64 if bits is None or bits > 32 else np.int32)


@given(
    data=st.data(), kind=st.sampled_from(KINDS), order=st.sampled_from("<>"), layout=st.sampled_from(["C", "F", "reversed", "every third"])
)
def test_any_dtype_byte_order_and_strides_give_the_same(data: Any, kind: Any, order: Any, layout: Any) -> None:
    dtype = np.dtype(kind).newbyteorder(order)
    shape = data.draw(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 4)))
    low, high = (0, 1) if dtype.kind == "b" else (0, 100) if dtype.kind == "u" else (-100, 100)
    values = np.array(data.draw(st.lists(st.integers(low, high), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))).reshape(
        shape
    )
    x = {
        "C": lambda a: a,
        "F": np.asfortranarray,
        "reversed": lambda a: a[::-1, :, ::-1].copy()[::-1, :, ::-1],
        "every third": lambda a: np.repeat(a, 3, axis=2)[:, :, ::3],
    }[layout](values.astype(dtype))
    before = x.copy()
    x.setflags(write=False)
    result = rsnn.chip.iaf(x, v_threshold=37, v_min=-50, record="v")
    plain = rsnn.chip.iaf(values.astype(np.int64), v_threshold=37, v_min=-50, record="v")
    assert np.array_equal(result.spikes, plain.spikes)
    assert np.array_equal(result.v, plain.v)
    assert np.array_equal(x, before)
    assert result.spikes.shape == shape
    assert result.state.v.shape == shape[1:]


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).integers(-300, 400, shape)


@pytest.mark.parametrize("kind", [np.int16, np.float32, ">i4"])
def test_threads_and_pieces_do_not_show(kind: Any) -> None:
    x = noise(2100, 1037).astype(kind)
    keywords = {"v_threshold": 177, "bias": -3, "v_min": -400, "state_bits": 10, "overflow": "wrap", "record": ("v", "u")}
    whole = rsnn.chip.iaf(x, threads=1, **keywords)
    assert whole.stats.beyond > 0
    for threads in (2, 5):
        again = rsnn.chip.iaf(x, threads=threads, **keywords)
        for name in ("spikes", "v", "u"):
            assert np.array_equal(getattr(again, name), getattr(whole, name))
        assert again.stats == whole.stats
    pieces = [x[:1], x[1:1], x[1:700], x[700:]]
    state, spikes, beyond = None, [], 0
    for piece in pieces:
        result = rsnn.chip.iaf(piece, state=state, **keywords)
        state, beyond = result.state, beyond + result.stats.beyond
        spikes.append(result.spikes)
    assert np.array_equal(np.concatenate(spikes), whole.spikes)
    assert np.array_equal(state.v, whole.state.v)
    assert beyond == whole.stats.beyond


def test_parameters_broadcast_as_neurons_do() -> None:
    x = noise(9, 2, 3, 4)
    threshold, bias = np.array([100, 200, 300])[:, None], np.array([1, -2, 3, -4])
    result = rsnn.chip.iaf(x, v_threshold=threshold, bias=bias, record="v")
    for c in range(3):
        for k in range(4):
            alone = rsnn.chip.iaf(x[:, :, c, k], v_threshold=int(threshold[c, 0]), bias=int(bias[k]), record="v")
            assert np.array_equal(alone.v, result.v[:, :, c, k])


def test_counts_what_left_its_bits_and_how_far() -> None:
    result = rsnn.chip.iaf([100, 100, -300, 0], v_threshold=120, state_bits=8, fire="single", reset="none")
    assert (result.stats.beyond, result.stats.highest, result.stats.lowest) == (2, 200, -173)
    assert result.stats.spikes == 1
    assert result.stats.density == 0.25


def test_a_state_can_be_membranes_and_is_never_changed() -> None:
    start = np.array([5, -7], np.int8)
    result = rsnn.chip.iaf(np.ones((3, 2), int), v_threshold=100, state=start)
    assert result.state.v.tolist() == [8, -4]
    assert start.tolist() == [5, -7]


def test_a_float_network_of_whole_numbers_is_the_same_neuron() -> None:
    x = noise(200, 33)
    float_ = rsnn.iaf(x.astype(np.float64), v_threshold=64.0, v_min=-90.0, record="v")
    result = rsnn.chip.iaf(x, v_threshold=64, v_min=-90, state_bits=None, record="v")
    assert np.array_equal(result.spikes, float_.spikes)
    assert np.array_equal(result.v, float_.v)


REFUSED = [
    ({"x": [0.5]}, r"x\[0\] = 0\.5: is not a whole number; round it yourself"),
    ({"x": [[1.0, 2.0], [3.0, np.nan]]}, r"x\[1, 1\] = nan: is not a whole number"),
    ({"x": [np.inf]}, r"x\[0\] = inf: is not a whole number"),
    ({"x": [1e300]}, r"x\[0\] = 1e\+300: must fit 64 bits, signed"),
    ({"x": [2.0**63]}, "must fit 64 bits"),
    ({"x": np.array([2**63], np.uint64)}, r"x\[0\] = 9223372036854775808: must fit 64 bits"),
    ({"x": 3}, r"x is a single number: must be \(T, \.\.\.\), time first"),
    ({"v_threshold": 0}, "v_threshold=0: must be from 1 to 32767 with state_bits=16; a threshold below 1 fires without input"),
    ({"v_threshold": 32768}, "v_threshold=32768: must be from 1 to 32767"),
    ({"v_threshold": [1, 2, 3]}, r"v_threshold \(3,\): does not broadcast against one step of x, \(\)"),
    ({"v_threshold": 1.5}, r"v_threshold = 1\.5: is not a whole number"),
    ({"v_threshold": 2**64}, "v_threshold=18446744073709551616: must fit 64 bits"),
    ({"v_min": -32769}, "v_min=-32769: must be from -32768 to 32767"),
    ({"state_bits": 1}, "state_bits=1: must be from 2 to 64; None for unbounded"),
    ({"state_bits": 65}, "state_bits=65"),
    ({"overflow": "clamp"}, "overflow='clamp': must be one of 'saturate', 'wrap', 'error'"),
    ({"fire": "capped"}, "fire='capped': must be one of 'multi', 'single'"),
    ({"reset": "value"}, "reset='value'"),
    ({"compare": "=="}, "compare='=='"),
    ({"record": "i"}, "record='i': 'i' is not one of 'v', 'u'"),
    ({"state": [1, 2]}, r"state\.v has shape \(2,\): one step has \(\)"),
    ({"state": 40000}, r"state\.v: 40000 to 40000 came; the membrane has 16 bits"),
    ({"threads": 0}, "threads=0"),
    ({"x": [40000], "overflow": "error"}, "the membrane of neuron 0 becomes 40000 at step 0, outside the 16 bits"),
    (
        {"x": [2**62] * 3, "state_bits": None, "v_threshold": 2**62, "reset": "none"},
        "becomes 9223372036854775808 at step 1, outside the 64 bits",
    ),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_refuses_with_name_value_and_cure(given: Any, message: Any) -> None:
    with pytest.raises(rsnn.InvalidValueError, match=message):
        rsnn.chip.iaf(**({"x": [1, 2], "v_threshold": 5} | given))


@pytest.mark.parametrize(
    "x",
    [
        np.array([1], object),
        ["a"],
        [1 + 2j],
        np.array(["2020"], "M8[Y]"),
        np.ma.array([1], mask=[True]),
        None,
        np.array([1], np.longdouble),
    ],
)
def test_refuses_what_is_no_integer_array(x: Any) -> None:
    with pytest.raises(rsnn.InvalidTypeError, match="x: "):
        rsnn.chip.iaf(x, v_threshold=5)


def test_a_fraction_far_into_a_strided_array_is_found_at_its_place() -> None:
    x = np.zeros((4000, 400), np.float32)
    x[3210, 17] = 0.25
    with pytest.raises(rsnn.InvalidValueError, match=r"x\[3210, 17\] = 0\.25"):
        rsnn.chip.iaf(x, v_threshold=5)


@given(
    x=st.lists(st.one_of(st.integers(-(2**52), 2**52).map(float), st.floats(-1e15, 1e15), st.sampled_from([np.nan, np.inf])), max_size=4)
)
def test_floats_run_where_they_are_whole_and_are_refused_elsewhere(x: Any) -> None:
    if all(np.isfinite(one) and one == int(one) for one in x):
        assert np.array_equal(rsnn.chip.iaf(np.array(x), v_threshold=5).spikes, rsnn.chip.iaf(np.array(x, np.int64), v_threshold=5).spikes)
    else:
        with pytest.raises(rsnn.InvalidValueError, match="is not a whole number"):
            rsnn.chip.iaf(np.array(x), v_threshold=5)

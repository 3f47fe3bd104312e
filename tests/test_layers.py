"""Layers: the products equal their written-out reference bit for bit, and what they are given is checked."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import FLOATS, layouts

import rsnn
from rsnn import _rsnn
from rsnn.reference import products

Array = np.ndarray[Any, np.dtype[Any]]

THREADS = st.sampled_from([1, 2, 5])
LEVELS = st.sampled_from(_rsnn.levels())
SEEDS = st.integers(0, 2**32 - 1)
KINDS = st.sampled_from(["sum", "average", "max"])
PAIRS = st.tuples(st.integers(1, 4), st.integers(1, 4))


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    """Numbers of very different sizes, a third of them zeros of both signs: another order of summation shows."""
    size = rng.choice([0.0, -0.0, 1e-6, 1e-2, 1.0, 3.0, 1e5], shape)
    return (rng.normal(size=shape) * size).astype(dtype)


def bits(array: Array) -> bytes:
    """The bits of every entry: +0 and -0 differ. (NaN is compared on its own: which of its bits are set is the processor's choice.)"""
    return np.where(np.isnan(array), array.dtype.type(np.nan), array).tobytes()


def same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bits(a) == bits(b)


@given(
    st.sampled_from([0, 1, 2, 3, 5, 6, 7, 13, 100]),
    st.sampled_from([0, 1, 2, 17, 64, 511, 512, 513, 1100]),
    st.sampled_from([0, 1, 5, 15, 16, 17, 31, 32, 33, 63, 65]),
    FLOATS,
    st.booleans(),
    THREADS,
    LEVELS,
    SEEDS,
)
def test_linear_equals_the_reference_bit_for_bit(
    rows: int, inputs: int, outputs: int, dtype: Any, with_bias: bool, threads: int, level: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, weight = numbers(rng, (rows, inputs), dtype), numbers(rng, (outputs, inputs), dtype)
    bias = numbers(rng, (outputs,), dtype) if with_bias else None
    out = np.full((rows, outputs), np.nan, dtype)
    _rsnn.linear(x, weight, bias, out, threads=threads, level=level)
    assert same(out, products.linear(x, weight, bias))


@given(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 9)),
    st.tuples(st.integers(0, 20), st.integers(0, 20)),
    PAIRS,
    PAIRS,
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    FLOATS,
    st.booleans(),
    THREADS,
    LEVELS,
    SEEDS,
)
def test_conv2d_equals_the_reference_bit_for_bit(
    counts: tuple[int, int, int],
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dtype: Any,
    with_bias: bool,
    threads: int,
    level: str,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    images, channels, outputs = counts
    size = (max(size[0], kernel[0] - 2 * padding[0]), max(size[1], kernel[1] - 2 * padding[1]))
    x, weight = numbers(rng, (images, channels, *size), dtype), numbers(rng, (outputs, channels, *kernel), dtype)
    bias = numbers(rng, (outputs,), dtype) if with_bias else None
    expected = products.conv2d(x, weight, bias, stride=stride, padding=padding)
    out = np.full(expected.shape, np.nan, dtype)
    _rsnn.conv2d(x, weight, bias, out, stride=stride, padding=padding, threads=threads, level=level)
    assert same(out, expected)


@given(st.integers(0, 3), st.integers(0, 3), st.tuples(st.integers(0, 12), st.integers(0, 12)), PAIRS, KINDS, FLOATS, THREADS, SEEDS)
def test_pooling_equals_the_reference_bit_for_bit(
    rows: int, channels: int, size: tuple[int, int], kernel: tuple[int, int], kind: str, dtype: Any, threads: int, seed: int
) -> None:
    x = numbers(np.random.default_rng(seed), (rows, channels, *size), dtype)
    expected = products.pool2d(x, kernel, kind)
    out = np.full(expected.shape, np.nan, dtype)
    _rsnn.pool2d(x, out, kernel=kernel, kind=kind, threads=threads)
    assert same(out, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_infinity_in_the_data_give_what_the_reference_gives(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.choice(np.array([0.0, 1.0, np.nan, np.inf, -np.inf, 3e38], dtype), (50, 6, 5, 4), p=[0.5, 0.4, 0.02, 0.03, 0.03, 0.02])
    kernel, weight = numbers(rng, (7, 6, 3, 3), dtype), numbers(rng, (9, 120), dtype)
    with np.errstate(all="ignore"):
        expected = products.conv2d(x, kernel, padding=(1, 1))
        flat = products.linear(x.reshape(50, -1), weight)
    assert same(rsnn.Conv2d(kernel, padding=1).run(x), expected)
    assert same(rsnn.Linear(weight).run(x.reshape(50, -1)), flat)
    assert np.isnan(expected).any()
    assert np.isinf(expected).any()
    assert same(rsnn.MaxPool2d((2, 3)).run(x), products.pool2d(x, (2, 3), "max"))


@given(
    st.integers(0, 3), st.integers(0, 3), st.integers(0, 5), st.integers(0, 30), st.integers(1, 5), st.integers(1, 4), st.integers(0, 4),
    st.booleans(), FLOATS, THREADS, SEEDS,
)  # fmt: skip
def test_a_convolution_of_sequences_equals_the_reference_bit_for_bit(
    rows: int, channels: int, outputs: int, size: int, kernel: int, stride: int, padding: int, with_bias: bool, dtype: Any, threads: int,
    seed: int,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    size = max(size, kernel - 2 * padding)
    x, weight = numbers(rng, (rows, channels, size), dtype), numbers(rng, (outputs, channels, kernel), dtype)
    bias = numbers(rng, (outputs,), dtype) if with_bias else None
    layer = rsnn.Conv1d(weight, bias, stride, padding)
    assert same(layer.run(x, threads), products.conv1d(x, weight, bias, stride=stride, padding=padding))
    image = rsnn.Conv2d(weight[:, :, None], bias, (1, stride), (0, padding))
    assert same(layer.run(x), image.run(x[:, :, None])[:, :, 0])
    assert np.array_equal(layer.fan_out((channels, size)), image.fan_out((channels, 1, size))[:, 0])


def test_max_pooling_by_hand_with_nan_zeros_of_both_signs_and_what_does_not_fill_a_cell() -> None:
    nan, inf = np.nan, np.inf
    x = np.array([[[[1, 5, nan, 2, 9], [3, 4, 7, 8, 9], [-0.0, 0.0, -inf, -inf, 9], [0.0, -1, -inf, -2, 9], [9, 9, 9, 9, 9]]]])
    out = rsnn.MaxPool2d(2).run(x)[0, 0]
    assert np.array_equal(out, [[5, nan], [0, -2]], equal_nan=True)
    assert np.signbit(out[1, 0]), "of +0 and -0 the first"
    assert np.array_equal(rsnn.MaxPool2d((1, 5)).run(x)[0, 0, :, 0], [nan, 9, 9, 9, 9], equal_nan=True)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.tuples(st.integers(0, 3), st.integers(0, 2)), FLOATS, SEEDS)
def test_a_delay_equals_the_reference_whole_and_in_pieces(
    steps: int, first: int, second: int, shape: tuple[int, ...], dtype: Any, seed: int
) -> None:
    x = numbers(np.random.default_rng(seed), (first + second, *shape), dtype)
    layer = rsnn.Delay(steps)
    assert same(layer.run(x), products.delay(x, steps))
    parts, state = [], layer.init_state(shape, dtype)
    for piece in (x[:first], x[first:]):
        out, before = np.full_like(piece, np.nan), state[0].copy()
        after = layer.advance(piece, state, out)
        assert same(state[0], before), "a state that is handed in is not changed"
        parts.append(out)
        state = after
    assert same(np.concatenate(parts), products.delay(x, steps))
    # What is on its way leaves when time goes on.
    late = products.delay(np.concatenate([x, np.zeros((steps, *shape), dtype)]), steps)
    assert same(state[0], late[first + second :])


def test_a_delay_counts_its_steps_in_the_unit_of_dt() -> None:
    assert (rsnn.Delay(3.0).steps, rsnn.Delay(0.3, dt=0.1).steps, rsnn.Delay(0).steps) == (3, 3, 0)
    net = rsnn.Network([rsnn.Delay(1.0, dt=0.5)], 1)
    assert net.run([[1.0], [2.0], [3.0]]).output.tolist() == [[0.0], [0.0], [1.0]]


@given(FLOATS, THREADS, SEEDS)
def test_a_sample_gives_the_same_bits_alone_in_any_batch_and_in_any_order(dtype: Any, threads: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = numbers(rng, (37, 3, 9, 8), dtype)
    order = rng.permutation(37)
    layers = [
        rsnn.Conv2d(numbers(rng, (5, 3, 3, 3), dtype), numbers(rng, (5,), dtype), padding=1),
        rsnn.Linear(numbers(rng, (19, 8), dtype), numbers(rng, (19,), dtype)),
        rsnn.AvgPool2d((2, 3)),
        rsnn.MaxPool2d((2, 3)),
    ]
    for layer in layers:
        whole = layer.run(x, threads)
        assert same(layer.run(x[order]), whole[order])
        assert all(same(layer.run(x[k : k + 1], threads)[0], whole[k]) for k in range(3))


def test_work_of_many_tasks_gives_the_same_bits_on_any_number_of_threads() -> None:
    rng = np.random.default_rng(1)
    x, weight = numbers(rng, (3000, 300), np.float32), numbers(rng, (200, 300), np.float32)
    images, kernel = numbers(rng, (60, 16, 20, 21), np.float32), numbers(rng, (32, 16, 3, 3), np.float32)
    linear, conv = rsnn.Linear(weight), rsnn.Conv2d(kernel, padding=1)
    assert same(linear.run(x, 1), products.linear(x, weight))
    assert same(conv.run(images, 1), products.conv2d(images, kernel, padding=(1, 1)))
    for threads in (2, 3, 16):
        assert same(linear.run(x, threads), linear.run(x, 1))
        assert same(conv.run(images, threads), conv.run(images, 1))


def test_every_layout_of_the_data_gives_the_same_and_stays_as_it_is() -> None:
    x = numbers(np.random.default_rng(2), (4, 2, 6, 6), np.float32)
    layers = [rsnn.Conv2d(np.ones((3, 2, 3, 3))), rsnn.Linear(np.ones((3, 6))), rsnn.SumPool2d(2), rsnn.AvgPool2d(3), rsnn.Flatten()]
    layers += [rsnn.MaxPool2d(2), rsnn.Add(), rsnn.Delay(2.0)]
    for layer in layers:
        expected = layer.run(x)
        for name, lying in layouts(x).items():
            assert same(layer.run(lying), expected), (layer, name)
            assert np.array_equal(lying, x)
        result = layer.run(x)
        assert not np.shares_memory(result, x)


def test_bool_integers_and_half_become_float32_and_floats_stay() -> None:
    for dtype, after in [
        (bool, np.float32),
        (np.uint8, np.float32),
        (np.int64, np.float32),
        (np.float16, np.float32),
        (np.float64, np.float64),
    ]:
        out = rsnn.Linear([[1.0, 2.0]]).run(np.ones((1, 2), dtype))
        assert out.dtype == after
        assert out.tolist() == [[3.0]]


def test_weights_are_rounded_to_the_dtype_of_the_data_once() -> None:
    weight = np.random.default_rng(3).normal(size=(4, 5))
    x = np.random.default_rng(4).normal(size=(3, 5)).astype(np.float32)
    assert rsnn.Linear(weight).weight.dtype == np.float64
    assert same(rsnn.Linear(weight).run(x), products.linear(x, weight.astype(np.float32)))
    single = rsnn.Linear(weight.astype(np.float32))
    assert single.weight.dtype == np.float32
    assert same(single.run(x.astype(np.float64)), products.linear(x.astype(np.float64), weight.astype(np.float32).astype(np.float64)))


def test_fan_out_counts_the_synapses_of_each_input() -> None:
    rng = np.random.default_rng(5)
    for stride, padding, kernel in [((1, 1), (1, 1), (3, 3)), ((2, 1), (0, 2), (3, 2)), ((3, 4), (1, 0), (2, 2)), ((1, 1), (5, 5), (3, 3))]:
        layer = rsnn.Conv2d(rng.normal(size=(3, 2, *kernel)), stride=stride, padding=padding)
        ones = rsnn.Conv2d(np.ones((3, 2, *kernel)), stride=stride, padding=padding)
        counted = np.zeros((2, 6, 7), int)
        for at in np.ndindex(2, 6, 7):
            one = np.zeros((1, 2, 6, 7))
            one[(0, *at)] = 1
            counted[at] = np.count_nonzero(ones.run(one))
        assert np.array_equal(layer.fan_out((2, 6, 7)), counted)
    assert np.array_equal(rsnn.Linear(np.ones((4, 3))).fan_out((2, 3)), np.full((2, 3), 4))


LAYERS = [
    rsnn.Linear([[1.0, 2.0]], [0.5]),
    rsnn.Linear(np.ones((2, 3), np.float32)),
    rsnn.Conv2d(np.ones((2, 1, 3, 2)), stride=(1, 2), padding=1),
    rsnn.SumPool2d(2),
    rsnn.AvgPool2d((1, 2)),
    rsnn.MaxPool2d(2),
    rsnn.Conv1d(np.ones((2, 1, 3)), stride=2, padding=1),
    rsnn.Delay(2.0),
    rsnn.Delay(1.0, dt=0.5),
    rsnn.Add(),
    rsnn.Flatten(),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_layers_are_equal_by_content_and_survive_pickle_and_copy_unwritable(layer: Any) -> None:
    for other in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer), copy.copy(layer)):
        assert other == layer
        assert hash(other) == hash(layer)
        for name in ("weight", "bias"):
            array = getattr(other, name, None)
            assert array is None or not array.flags.writeable
    assert [one == layer for one in LAYERS].count(True) == 1


def test_a_layer_does_not_change_with_the_arrays_it_was_made_of() -> None:
    weight, bias = np.ones((2, 3), np.float32), np.zeros(2, np.float32)
    layer = rsnn.Linear(weight, bias)
    weight[:], bias[:] = 7, 7
    assert layer.run(np.ones((1, 3))).tolist() == [[3.0, 3.0]]
    with pytest.raises(ValueError, match="read-only"):
        layer.weight[0, 0] = 2
    with pytest.raises(AttributeError):
        layer.weight = weight  # type: ignore[misc]


WRONG = [
    (lambda: rsnn.Linear([1.0, 2.0]), rsnn.InvalidValueError, r"weight has shape \(2,\): must have 2 axes"),
    (lambda: rsnn.Linear([[1.0, np.nan]]), rsnn.InvalidValueError, r"weight\[0, 1\] is nan: every value must be finite"),
    (lambda: rsnn.Linear([[1.0]], [np.inf]), rsnn.InvalidValueError, r"bias\[0\] is inf"),
    (lambda: rsnn.Linear([[1.0]], [1.0, 2.0]), rsnn.InvalidValueError, r"bias has shape \(2,\): the weight has 1 outputs"),
    (lambda: rsnn.Linear([[1j]]), rsnn.InvalidTypeError, "weight=.*complex128 is not accepted"),
    (lambda: rsnn.Linear("no"), rsnn.InvalidTypeError, "weight='no'.*is not accepted"),
    (lambda: rsnn.Linear([[1.0], [1.0, 2.0]]), rsnn.InvalidTypeError, "weight=.*cannot become a numpy array"),
    (lambda: rsnn.Linear(np.array([[None]])), rsnn.InvalidTypeError, "object is not accepted"),
    (lambda: rsnn.Linear(np.ma.masked_array([[1.0]])), rsnn.InvalidTypeError, "weight: a masked array"),
    (lambda: rsnn.Conv2d(np.ones((2, 2))), rsnn.InvalidValueError, "must have 4 axes"),
    (lambda: rsnn.Conv2d(np.ones((2, 2, 0, 1))), rsnn.InvalidValueError, "at least one row"),
    (lambda: rsnn.Conv2d(np.ones((1, 1, 1, 1)), stride=0), rsnn.InvalidValueError, "stride=0: must be an integer of at least 1"),
    (lambda: rsnn.Conv2d(np.ones((1, 1, 1, 1)), padding=(0, -1)), rsnn.InvalidValueError, r"padding\[1\]=-1"),
    (lambda: rsnn.Conv2d(np.ones((1, 1, 1, 1)), padding="same"), rsnn.InvalidTypeError, "padding='same': must be an integer"),
    (lambda: rsnn.Conv2d(np.ones((1, 1, 1, 1)), stride=(1, 2, 3)), rsnn.InvalidValueError, "one integer or two"),
    (lambda: rsnn.SumPool2d(0), rsnn.InvalidValueError, "kernel=0"),
    (lambda: rsnn.AvgPool2d(1.5), rsnn.InvalidTypeError, "kernel=1.5"),
    (
        lambda: rsnn.Linear(np.ones((2, 3))).run(np.ones((1, 4))),
        rsnn.InvalidValueError,
        r"shape \(4,\) comes in: the weight \(2, 3\) takes",
    ),
    (lambda: rsnn.Linear(np.ones((2, 12))).run(np.ones((1, 3, 4))), rsnn.InvalidValueError, r"put rsnn.Flatten\(\) before it"),
    (lambda: rsnn.Linear(np.ones((2, 3))).run(5.0), rsnn.InvalidValueError, "a single number"),
    (lambda: rsnn.Linear(np.ones((2, 3))).run(np.ones((1, 3), complex)), rsnn.InvalidTypeError, "complex128"),
    (lambda: rsnn.Linear(np.ones((2, 3))).run(np.ones((1, 3)), threads=0), rsnn.InvalidValueError, "threads=0"),
    (lambda: rsnn.Linear([[1e300]]).run(np.ones((1, 1), np.float32)), rsnn.InvalidValueError, "infinite in float32"),
    (lambda: rsnn.Conv2d(np.ones((1, 2, 3, 3))).run(np.ones((1, 1, 9, 9))), rsnn.InvalidValueError, "1 channels comes in"),
    (lambda: rsnn.Conv2d(np.ones((1, 1, 3, 3))).run(np.ones((1, 1, 9, 2))), rsnn.InvalidValueError, "smaller than the kernel"),
    (lambda: rsnn.Conv2d(np.ones((1, 1, 3, 3))).run(np.ones((1, 9, 9))), rsnn.InvalidValueError, "must be an image"),
    (lambda: rsnn.SumPool2d(3).run(np.ones((1, 1, 2, 9))), rsnn.InvalidValueError, "smaller than the kernel"),
    (lambda: rsnn.Flatten().output_shape(-1), rsnn.InvalidValueError, "input_shape"),
    (lambda: rsnn.MaxPool2d((2, 0)), rsnn.InvalidValueError, r"kernel\[1\]=0"),
    (lambda: rsnn.Conv1d(np.ones((1, 1))), rsnn.InvalidValueError, "must have 3 axes"),
    (lambda: rsnn.Conv1d(np.ones((1, 1, 0))), rsnn.InvalidValueError, "at least one column"),
    (lambda: rsnn.Conv1d(np.ones((1, 1, 3)), stride=(1, 1)), rsnn.InvalidTypeError, "stride="),
    (lambda: rsnn.Conv1d(np.ones((1, 1, 3)), padding=-1), rsnn.InvalidValueError, "padding=-1"),
    (lambda: rsnn.Conv1d(np.ones((1, 2, 3))).run(np.ones((1, 1, 9))), rsnn.InvalidValueError, "a sample of 1 channels comes in"),
    (lambda: rsnn.Conv1d(np.ones((1, 1, 3))).run(np.ones((1, 1, 2))), rsnn.InvalidValueError, "smaller than the kernel"),
    (lambda: rsnn.Conv1d(np.ones((1, 1, 3))).run(np.ones((1, 9))), rsnn.InvalidValueError, r"must be \(channels, length\)"),
    (lambda: rsnn.Delay(1.5), rsnn.InvalidValueError, "delay=1.5: must be a whole multiple of dt=1.*the nearest is 2.0"),
    (lambda: rsnn.Delay(-1), rsnn.InvalidValueError, "delay=-1.0: must be a whole multiple"),
    (lambda: rsnn.Delay(1e300), rsnn.InvalidValueError, "from 0 to 16777216 steps"),
    (lambda: rsnn.Delay(np.nan), rsnn.InvalidValueError, "NaN"),
    (lambda: rsnn.Delay([1.0, 2.0]), rsnn.InvalidValueError, "must be a single number"),
    (lambda: rsnn.Delay(1.0, dt=0.0), rsnn.InvalidValueError, "dt=0.0"),
    (lambda: rsnn.Delay("late"), rsnn.InvalidTypeError, "delay='late'"),
    (lambda: rsnn.Delay(2.0**24).init_state((2**30, 2**20)), rsnn.InvalidValueError, "more numbers than any memory holds"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_wrong_input_is_refused_with_a_message_that_says_what_came_and_what_is_accepted(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"x": np.ones((2, 3), np.float16)}, TypeError),
        ({"x": np.ones((2, 3), ">f4")}, TypeError),
        ({"x": np.ones((2, 6), np.float32)[:, ::2]}, ValueError),
        ({"x": np.ones((2, 3, 1), np.float32)}, ValueError),
        ({"x": [[1.0, 2.0, 3.0]] * 2}, TypeError),
        ({"weight": np.ones((4, 3))}, TypeError),
        ({"weight": np.ones((4, 2), np.float32)}, ValueError),
        ({"weight": np.full((4, 3), np.inf, np.float32)}, ValueError),
        ({"bias": np.ones(3, np.float32)}, ValueError),
        ({"bias": np.full(4, np.nan, np.float32)}, ValueError),
        ({"out": np.ones((2, 3), np.float32)}, ValueError),
        ({"out": np.broadcast_to(np.float32(0), (2, 4))}, (ValueError, RuntimeError)),
        ({"level": "abacus"}, ValueError),
    ],
)
def test_the_native_product_checks_again_and_writes_nothing(change: dict[str, Any], error: Any) -> None:
    given = {"x": np.ones((2, 3), np.float32), "weight": np.ones((4, 3), np.float32), "bias": None, "out": np.full((2, 4), 7, np.float32)}
    given |= change
    before = np.array(given["out"])
    with pytest.raises(error):
        _rsnn.linear(**given)
    assert np.array_equal(given["out"], before)


def test_an_output_that_overlaps_an_input_is_refused() -> None:
    shared = np.ones((3, 3), np.float32)
    with pytest.raises(rsnn.InUseError, match="overlaps"):
        _rsnn.linear(shared, np.eye(3, dtype=np.float32), None, shared)

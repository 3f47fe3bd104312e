"""Products by events: the bits of all entries, whatever the density, the values and the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import FLOATS

import rsnn
from rsnn import _rsnn
from rsnn.reference import products

Array = np.ndarray[Any, np.dtype[Any]]

THREADS = st.sampled_from([1, 2, 5])
LEVELS = st.sampled_from(_rsnn.levels())
PATHS = st.sampled_from(["auto", "event", "dense"])
DENSITIES = st.sampled_from([0.0, 0.01, 0.1, 0.3, 0.6, 1.0])
SEEDS = st.integers(0, 2**32 - 1)
WIDTHS = st.sampled_from([0, 1, 5, 63, 64, 65, 128, 200, 700])


def sparse(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, density: float, unit: bool) -> Array:
    """Entries of which this share is not 0: ones, or values of very different sizes; zeros of both signs."""
    values = np.ones(shape) if unit else rng.normal(size=shape) * rng.choice([1e-6, 1.0, 1e5], shape)
    zeros = np.zeros(shape) if unit else rng.choice([0.0, -0.0], shape)
    return np.where(rng.random(shape) < density, values, zeros).astype(dtype)


def same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def words_of(x: Array) -> Array:
    """The bits of what is not 0, by numpy."""
    packed = np.packbits(x != 0, axis=1, bitorder="little")
    words = np.zeros((len(x), -(-x.shape[1] // 64)), "<u8")
    words.view(np.uint8)[:, : packed.shape[1]] = packed
    return words


@given(
    st.sampled_from([0, 1, 2, 3, 17, 70]), WIDTHS, st.sampled_from([0, 1, 15, 16, 17, 65, 300]), DENSITIES, st.booleans(), FLOATS,
    st.booleans(), THREADS, LEVELS, PATHS, SEEDS,
)  # fmt: skip
def test_every_path_equals_the_reference_bit_for_bit(
    rows: int,
    inputs: int,
    outputs: int,
    density: float,
    unit: bool,
    dtype: Any,
    with_bias: bool,
    threads: int,
    level: str,
    path: str,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    x, weight = sparse(rng, (rows, inputs), dtype, density, unit), sparse(rng, (outputs, inputs), dtype, 0.9, False)
    bias = sparse(rng, (outputs,), dtype, 0.9, False) if with_bias else None
    expected, out = products.linear(x, weight, bias), np.full((rows, outputs), np.nan, dtype)
    words = np.full((rows, -(-inputs // 64)), 2**64 - 1, np.uint64)
    taken, count, all_unit = _rsnn.linear(x, weight, bias, out, path=path, words=words, threads=threads, level=level)
    assert same(out, expected)
    if taken == "event":
        assert count == np.count_nonzero(x)
        assert np.array_equal(words, words_of(x))
        assert all_unit == bool(np.all((x == 0) | (x == 1)))
    if path != "auto":
        assert taken == path
    if unit:
        out[...] = np.nan
        said = _rsnn.linear(words_of(x), weight, bias, out, inputs=inputs, path=path, threads=threads, level=level)
        assert said[1:] == (np.count_nonzero(x), True)
        assert same(out, expected)


@given(
    st.sampled_from([0, 1, 3, 70]), WIDTHS, st.sampled_from([0, 1, 17, 65, 300]), DENSITIES, st.booleans(), FLOATS, THREADS, LEVELS, SEEDS
)
def test_the_gradient_of_a_weight_is_the_sum_over_ascending_rows(
    rows: int, inputs: int, outputs: int, density: float, unit: bool, dtype: Any, threads: int, level: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, grad = sparse(rng, (rows, inputs), dtype, density, unit), sparse(rng, (rows, outputs), dtype, 0.9, False)
    weight, bias = np.zeros((outputs, inputs), dtype), np.zeros(outputs, dtype)
    for row, dy in zip(x, grad, strict=True):
        weight += row * dy[:, None]
        bias += dy
    found = np.full_like(weight, np.nan), np.full_like(bias, np.nan)
    values = None if unit else x[x != 0]
    _rsnn.event_weight_gradient(words_of(x), values, grad, *found, threads=threads, level=level)
    assert same(found[0], weight)
    assert same(found[1], bias)


@given(st.sampled_from([1, 2, 40]), st.sampled_from([1, 64, 130]), DENSITIES, FLOATS)
def test_what_is_kept_of_an_input_gives_it_back(rows: int, width: int, density: float, dtype: Any) -> None:
    x = sparse(np.random.default_rng(0), (rows, width), dtype, density, False)
    words = np.empty((rows, -(-width // 64)), np.uint64)
    count, _ = _rsnn.event_scan(x, words)
    values, back = np.empty(count, dtype), np.full_like(x, np.nan)
    _rsnn.event_values(x, words, values)
    _rsnn.event_unpack(words, values, back)
    assert np.array_equal(back, x)
    with pytest.raises(rsnn.InvalidValueError, match="values"):
        _rsnn.event_unpack(words, np.zeros(count + 1, dtype), back)


def test_the_path_follows_the_density() -> None:
    rng, weight = np.random.default_rng(0), np.ones((20, 300), np.float32)
    taken = {}
    for density in (0.0, 0.02, 0.9):
        x, out = sparse(rng, (400, 300), np.float32, density, True), np.empty((400, 20), np.float32)
        taken[density] = _rsnn.linear(x, weight, None, out)[0]
    assert taken == {0.0: "event", 0.02: "event", 0.9: "dense"}


@given(st.sampled_from([(3, 5), (2, 3, 64), (2, 3, 70), (0, 5), (5,)]), st.booleans(), PATHS)
def test_linear_takes_what_the_layer_takes_with_its_bits(shape: tuple[int, ...], with_bias: bool, path: str) -> None:
    rng = np.random.default_rng(1)
    weight, bias = rng.normal(size=(9, shape[-1])).astype(np.float32), rng.normal(size=9).astype(np.float32) if with_bias else None
    x = sparse(rng, shape, np.float32, 0.3, True)
    expected = rsnn.Linear(weight, bias).run(x.reshape(-1, shape[-1])).reshape(*shape[:-1], 9)
    assert same(rsnn.events.linear(x, weight, bias, path=path), expected)
    assert same(rsnn.events.linear(x.astype(np.int8), weight, bias, path=path, threads=2), expected)
    if len(shape) > 1:
        assert same(rsnn.events.linear(rsnn.Spikes.pack(x), weight, bias, path=path), expected)


@given(st.sampled_from([(), (1,), (7,), (2, 3), (0,)]), st.sampled_from([1, 2, 3, 9, None]), PATHS)
def test_threads_of_a_convolution_do_not_show(lead: tuple[int, ...], threads: int | None, path: str) -> None:
    rng = np.random.default_rng(len(lead))
    x, weight = sparse(rng, (*lead, 2, 6, 5), np.float32, 0.3, False), rng.normal(size=(3, 2, 3, 2)).astype(np.float32)
    expected = products.conv2d(x.reshape(-1, 2, 6, 5), weight, padding=(1, 0))
    assert same(rsnn.events.conv2d(x, weight, padding=(1, 0), path=path, threads=threads), expected.reshape(*lead, *expected.shape[1:]))


def test_many_images_use_the_threads_there_are() -> None:
    x = (np.random.default_rng(0).random((65, 1, 64, 64)) < 0.05).astype(np.float32)
    assert x.size >= rsnn.events.SHARED
    weight = np.ones((1, 1, 3, 3), np.float32)
    assert same(rsnn.events.conv2d(x, weight), rsnn.events.conv2d(x, weight, threads=1))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x": np.ones((2, 4))}, rsnn.InvalidValueError, r"\(2, 4\).*\(\.\.\., 3\)"),
        ({"x": np.ones((2, 3), complex)}, rsnn.InvalidTypeError, "complex"),
        ({"weight": np.ones(3)}, rsnn.InvalidValueError, "outputs, inputs"),
        ({"weight": np.full((2, 3), np.inf)}, rsnn.InvalidValueError, "weight.*finite"),
        ({"weight": "three"}, rsnn.InvalidTypeError, "weight"),
        ({"bias": np.ones(3)}, rsnn.InvalidValueError, "2 outputs"),
        ({"bias": np.full(2, np.nan)}, rsnn.InvalidValueError, "bias.*finite"),
        ({"path": "sparse"}, rsnn.InvalidValueError, "'auto', 'event', 'dense'"),
        ({"threads": 0}, rsnn.InvalidValueError, "threads"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], error: type[Exception], words: str) -> None:
    given = {"x": np.ones((2, 3)), "weight": np.ones((2, 3)), "bias": None, "path": "auto"} | change
    with pytest.raises(error, match=words):
        rsnn.events.linear(**given)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_undefined_inputs_are_events(dtype: Any) -> None:
    x = np.zeros((3, 70), dtype)
    x[1, 64], x[2, 1], x[0, 0] = np.nan, np.inf, -0.0
    weight = np.ones((2, 70), dtype)
    weight[1] = 0
    with np.errstate(invalid="ignore"):
        expected = products.linear(x, weight)
    assert np.array_equal(rsnn.events.linear(x, weight, path="event"), expected, equal_nan=True)
    assert np.isnan(expected[1]).all()
    assert np.isnan(expected[2, 1])

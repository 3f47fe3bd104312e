"""Layers of DynapCNN: equal to unbounded integers; the rule of quantisation and its traps."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import rsnn
from chip.exact import convolution, neuron
from rsnn.chip import dynapcnn

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def layers(draw: Any) -> Any:
    """A layer, its events and its options, any of the sizes 0 where that means something."""
    kernel, stride = draw(pairs), draw(pairs)
    padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    size = [draw(st.integers(max(0, k - 2 * p), 6)) for k, p in zip(kernel, padding, strict=True)]
    channels, features, batch, steps = (draw(st.integers(low, 3)) for low in (0, 0, 0, 0))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    events = rng.integers(0, 4, (steps, batch, channels, *size)) * (rng.random((steps, batch, channels, *size)) < draw(st.floats(0, 1)))
    weight = rng.integers(-128, 128, (features, channels, *kernel))
    bias = draw(st.sampled_from([None, rng.integers(-128, 128, features)]))
    options = {
        "v_threshold": draw(st.integers(1, 400)),
        "v_min": draw(st.sampled_from([None, -300, 0, 5])),
        "stride": stride,
        "padding": padding,
    }
    options |= {
        "pool": draw(st.integers(1, 3)),
        "fire": draw(st.sampled_from(["multi", "single"])),
        "reset": draw(st.sampled_from(["subtract", "zero"])),
    }
    return events, weight, bias, options


def expected(
    x: Any,
    weight: Any,
    bias: Any,
    *,
    v_threshold: Any,
    v_min: Any,
    stride: Any,
    padding: Any,
    pool: Any,
    fire: Any,
    reset: Any,
    how: Any = None,
) -> Any:
    sums, operations = convolution(x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]), weight, stride, padding)
    sums = sums.reshape(*x.shape[:2], *sums.shape[1:])
    spikes, v = np.zeros(sums.shape, int), np.zeros(sums.shape, int)
    bits = None if how is None else 16
    for at in np.ndindex(sums.shape[1:]):
        own = 0 if bias is None else int(bias[at[1]])
        one, _, after = neuron(sums[(slice(None), *at)].tolist(), 0, v_threshold, own, v_min, fire, reset, bits, how, above=False)
        spikes[(slice(None), *at)], v[(slice(None), *at)] = one, after
    rows, columns = (n // pool for n in spikes.shape[3:])
    cut = spikes[..., : rows * pool, : columns * pool]
    out = cut.reshape(*cut.shape[:3], rows, pool, columns, pool).sum(axis=(4, 6))
    return spikes, v, out, operations


@given(layer=layers(), threads=st.integers(1, 3))
def test_a_layer_equals_unbounded_integers_and_counts_every_addition(layer: Any, threads: Any) -> None:
    x, weight, bias, options = layer
    spikes, v, out, operations = expected(x, weight, bias, **options)
    result = dynapcnn.conv_iaf(x, weight, bias, record="v", threads=threads, **options)
    assert result.spikes.shape == spikes.shape
    assert np.array_equal(result.spikes, spikes)
    assert np.array_equal(result.v, v)
    assert result.out.shape == out.shape
    assert np.array_equal(result.out, out)
    assert result.stats.synops == operations
    assert result.stats.spikes == spikes.sum()
    if len(x):
        assert np.array_equal(result.state.v, v[-1])


@given(layer=layers(), how=st.sampled_from(["saturate", "wrap"]))
def test_a_layer_of_sixteen_bits_saturates_or_wraps_and_says_so(layer: Any, how: Any) -> None:
    x, weight, bias, options = layer
    options |= {"v_threshold": 30000, "fire": "single"}
    spikes, v, *_ = expected(x, weight * 90, bias, how=how, **options)
    result = dynapcnn.conv_iaf(x, weight * 90, bias, overflow=how, record="v", **options)
    assert np.array_equal(result.spikes, spikes)
    assert np.array_equal(result.v, v)
    unbounded = dynapcnn.conv_iaf(x, weight * 90, bias, record="v", **options)
    assert (result.stats.beyond == 0) == (unbounded.stats.beyond == 0)
    if result.stats.beyond == 0:
        assert np.array_equal(result.v, unbounded.v)


@given(layer=layers(), cut=st.integers(0, 3))
def test_pieces_and_samples_alone_give_the_whole(layer: Any, cut: Any) -> None:
    x, weight, bias, options = layer
    whole = dynapcnn.conv_iaf(x, weight, bias, record="v", **options)
    first = dynapcnn.conv_iaf(x[:cut], weight, bias, **options)
    second = dynapcnn.conv_iaf(x[cut:], weight, bias, state=first.state, **options)
    assert np.array_equal(np.concatenate([first.out, second.out]), whole.out)
    assert np.array_equal(second.state.v, whole.state.v)
    for k in range(x.shape[1]):
        alone = dynapcnn.conv_iaf(x[:, k], weight, bias, record="v", **options)
        assert np.array_equal(alone.v, whole.v[:, k])
        assert np.array_equal(alone.out, whole.out[:, k])


def test_a_linear_layer_is_a_convolution_over_its_whole_map() -> None:
    rng = np.random.default_rng(1)
    x, weight, bias = rng.integers(0, 3, (30, 4, 2, 3, 5)), rng.integers(-128, 128, (7, 30)), rng.integers(-50, 50, 7)
    keywords = {"v_threshold": 200, "v_min": -200, "record": "v"}
    linear = dynapcnn.linear_iaf(x.reshape(30, 4, -1), weight, bias, **keywords)
    conv = dynapcnn.conv_iaf(x, weight.reshape(7, 2, 3, 5), bias, **keywords)
    assert linear.spikes.shape == (30, 4, 7)
    assert np.array_equal(linear.v, conv.v[..., 0, 0])
    assert np.array_equal(linear.spikes, conv.spikes[..., 0, 0])
    assert linear.stats == conv.stats
    pieces = [dynapcnn.linear_iaf(x[:10].reshape(10, 4, -1), weight, bias, **keywords)]
    pieces.append(dynapcnn.linear_iaf(x[10:].reshape(20, 4, -1), weight, bias, state=pieces[0].state, **keywords))
    assert np.array_equal(pieces[1].state.v, linear.state.v)


@pytest.mark.parametrize("kind", [np.float32, ">i2", np.uint16, np.bool_])
def test_events_of_any_dtype_in_blocks_of_time_and_many_threads(kind: Any) -> None:
    x = np.random.default_rng(3).integers(0, 2, (37, 2, 3, 41, 43)).astype(kind)
    weight = np.random.default_rng(4).integers(-100, 100, (5, 3, 3, 3))
    keywords = {"v_threshold": 150, "v_min": -150, "padding": 1, "pool": 2, "record": "u"}
    plain = dynapcnn.conv_iaf(x.astype(np.int8), weight, threads=1, **keywords)
    for threads in (1, 4):
        again = dynapcnn.conv_iaf(x[:, :, :, ::-1].copy()[:, :, :, ::-1], weight, threads=threads, **keywords)
        assert np.array_equal(again.u, plain.u)
        assert np.array_equal(again.out, plain.out)
        assert again.stats == plain.stats


def conv(**changed: Any) -> Any:
    x, weight, keywords = np.zeros((2, 2, 5, 5), int), np.ones((3, 2, 3, 3), int), {"v_threshold": 10}
    arguments = {"x": x, "weight": weight} | keywords | changed
    return dynapcnn.conv_iaf(arguments.pop("x"), arguments.pop("weight"), arguments.pop("bias", None), **arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": np.zeros((2, 3, 5, 5), int)}, r"x has shape \(2, 3, 5, 5\): must be \(T, 2, rows, columns\)"),
        ({"x": np.zeros((2, 2), int)}, r"x has shape \(2, 2\)"),
        ({"x": np.full((2, 2, 5, 5), 0.5)}, r"x\[0, 0, 0, 0\] = 0\.5: is not a whole number"),
        ({"x": np.zeros((2, 2, 2, 5), int)}, r"weight: the kernel 3x3 is larger than the map 2x5 with padding \(0, 0\)"),
        ({"weight": np.ones((3, 2, 3), int)}, r"weight has shape \(3, 2, 3\): must be \(features, channels, kernel rows, kernel columns\)"),
        ({"weight": np.ones((3, 2, 0, 3), int)}, r"weight has shape \(3, 2, 0, 3\)"),
        ({"weight": np.full((3, 2, 3, 3), 0.1)}, r"weight\[0, 0, 0, 0\] = 0\.1: is not a whole number; .* rsnn\.chip\.quantize"),
        ({"bias": [1, 2]}, r"bias has shape \(2,\): must be \(3,\), one for each feature"),
        ({"v_threshold": 0}, "v_threshold=0: must be from 1 to 2147483647"),
        ({"v_threshold": [1, 2]}, r"v_threshold=\[1, 2\]: must be a single integer"),
        ({"v_threshold": 40000, "overflow": "saturate"}, "v_threshold=40000: must be from 1 to 32767; a membrane has 16 bits"),
        ({"stride": 0}, "stride=0: must be at least 1"),
        ({"stride": (1, 2, 3)}, r"stride=\(1, 2, 3\): must be an integer, or two"),
        ({"padding": -1}, "padding=-1: must be at least 0"),
        ({"padding": 2**60}, "x: the result would have shape"),
        ({"pool": 0}, "pool=0: must be at least 1"),
        ({"fire": "once"}, "fire='once'"),
        ({"reset": "none"}, "reset='none': must be one of 'subtract', 'zero'"),
        ({"overflow": "clip"}, "overflow='clip'"),
        ({"state": np.zeros((3, 4, 4), int)}, r"state\.v has shape \(3, 4, 4\): one step has \(3, 3, 3\)"),
        (
            {"x": np.full((2, 2, 5, 5), 2**60), "weight": np.full((3, 2, 3, 3), 2**60)},
            "a sum of products could reach .* use smaller values",
        ),
        ({"x": np.full((2, 2, 5, 5), 2**20), "weight": np.full((3, 2, 3, 3), 2**20)}, "the membrane of neuron 0 becomes .* at step 0"),
        ({"weight": np.full((3, 2, 3, 3), 200), "strict": True}, "strict=True: .* weights 0 to 200 .available: -128 to 127"),
        ({"stride": 3, "strict": True}, "stride 3x3 .available: 1, 2, 4, 8 each way"),
    ],
)
def test_a_layer_refuses_with_name_value_and_cure(changed: Any, message: Any) -> None:
    with pytest.raises(rsnn.InvalidValueError, match=message):
        conv(**changed)


def test_a_linear_layer_refuses_with_name_value_and_cure() -> None:
    for x, weight, message in (
        (np.zeros((2, 3), int), np.ones(3, int), r"weight has shape \(3,\): must be \(outputs, inputs\)"),
        (np.zeros((2, 4), int), np.ones((2, 3), int), r"x has shape \(2, 4\): must be \(T, 3\) or \(T, batch, 3\)"),
    ):
        with pytest.raises(rsnn.InvalidValueError, match=message):
            dynapcnn.linear_iaf(x, weight, v_threshold=5)


def test_a_layer_beyond_float32_is_still_exact() -> None:
    x, weight, each = np.full((3, 1, 1, 1), 3), np.full((1, 1, 1, 1), 2**24 + 1), 3 * (2**24 + 1)
    spikes = dynapcnn.conv_iaf(x, weight, v_threshold=7).spikes.ravel()
    assert spikes.tolist() == [(k + 1) * each // 7 - k * each // 7 for k in range(3)]


reals = st.floats(-8, 8, width=32)


@given(
    weight=st.lists(reals, min_size=1, max_size=12),
    bias=st.one_of(st.none(), st.lists(reals, min_size=1, max_size=3)),
    threshold=st.floats(0.0625, 50, width=32),
    v_min=st.one_of(st.none(), st.floats(-50, 0, width=32)),
)
def test_quantising_fits_the_bits_and_quantising_again_changes_nothing(weight: Any, bias: Any, threshold: Any, v_min: Any) -> None:
    q = dynapcnn.discretize(weight, bias, v_threshold=threshold, v_min=v_min)
    assert q.weight.dtype == np.int8
    for values, integers in (
        (weight, q.weight),
        (bias, q.bias),
        (threshold, q.v_threshold),
        (v_min, q.v_min if v_min is not None else None),
    ):
        if values is not None:
            # The scale is a float32 and every product is rounded to one, so a value near a half may go either way.
            assert np.abs(np.asarray(values, float) * q.scale - integers).max() <= 0.5 + 1e-6 * max(1, np.abs(integers).max())
    assert q.v_min == -32768 if v_min is None else -32768 <= q.v_min <= 0
    assert 0 <= q.v_threshold <= 32767
    assume(not q.problems)
    again = dynapcnn.discretize(
        q.weight / q.scale,
        None if bias is None else q.bias / q.scale,
        v_threshold=q.v_threshold / q.scale,
        v_min=None if v_min is None else q.v_min / q.scale,
    )
    tight = (
        max(np.abs(q.weight).max(initial=0), 0 if bias is None else np.abs(q.bias).max()) >= 127
        or q.v_threshold >= 32767
        or q.v_min <= -32767
    )
    assume(tight)  # the value that set the scale fills its bits unless rounding emptied it
    assert np.array_equal(again.weight, q.weight)
    assert (again.v_threshold, again.v_min) == (q.v_threshold, q.v_min)


def test_no_lower_clip_does_not_kill_the_layer() -> None:
    q = dynapcnn.discretize([0.3, -0.2], v_threshold=1.0)
    assert (q.weight.tolist(), q.v_threshold, q.v_min) == ([127, -85], 423, -32768)
    assert q.problems == ()
    killed = dynapcnn.discretize([0.3, -0.2], v_threshold=1.0, v_min=-32768.0)
    assert killed.weight.tolist() == [0, 0]
    assert "every weight becomes 0: the largest is 0.3, and v_threshold (3.277e+04) makes the scale 1" in killed.problems[0]


def test_a_threshold_that_becomes_zero_is_named() -> None:
    q = dynapcnn.discretize([1.0], v_threshold=0.003)
    assert q.v_threshold == 0
    assert "v_threshold=0.003 becomes 0: weight (1) makes the scale 127" in q.problems[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": [np.nan]}, "weight: NaN, infinity"),
        ({"weight": [1e39]}, "weight: .* more than float32 holds"),
        ({"bias": [np.inf]}, "bias: NaN, infinity"),
        ({"v_threshold": 0.0}, "v_threshold=0.0: must be positive"),
        ({"v_threshold": -1.0}, "v_threshold=-1.0: must be positive"),
        ({"v_threshold": [1.0, 2.0]}, "v_threshold=.*: a core has one for all its neurons"),
        ({"v_min": [-1.0, -2.0]}, "v_min=.*: a core has one"),
        ({"weight": [0.0], "v_threshold": 1e-40}, "the values are too small to scale"),
    ],
)
def test_quantising_refuses_with_name_value_and_cure(arguments: Any, message: Any) -> None:
    arguments = {"weight": [0.5], "v_threshold": 1.0} | arguments
    with pytest.raises(rsnn.InvalidValueError, match=message):
        dynapcnn.discretize(arguments.pop("weight"), arguments.pop("bias", None), **arguments)


def test_quantising_refuses_what_is_no_real_array() -> None:
    for weight in (["a"], [1j], [None]):
        with pytest.raises(rsnn.InvalidTypeError, match="weight"):
            dynapcnn.discretize(weight, v_threshold=1.0)

"""Encoders: equal to their references, the same for any number of threads, and what each of them promises."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SIZES, STEPS

import rsnn
from rsnn import _rsnn, decode, encode
from rsnn.reference import coding

VALUE, TYPE = rsnn.InvalidValueError, rsnn.InvalidTypeError
DTYPES = st.sampled_from([np.float32, np.float64])
KEYS = st.sampled_from([0, 1, 2**32, 2**64 - 1])


def arrays(draw: Any, shape: tuple[int, ...], values: list[float], dtype: Any) -> np.ndarray[Any, Any]:
    """Few numbers, in an order of their own."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return rng.choice(np.array(values), shape).astype(dtype)


def test_the_known_answers_of_random123_come_out() -> None:
    # kat_vectors of Random123 for philox4x32 with 10 rounds.
    counters = np.array([[0] * 4, [0xFFFFFFFF] * 4, [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]])
    keys = [(0, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0xA4093822, 0x299F31D0)]
    wanted = [
        [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8],
        [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ]
    assert [coding.philox4x32(c, k).tolist() for c, k in zip(counters, keys, strict=True)] == wanted


@given(st.data(), STEPS, SIZES, DTYPES, KEYS)
def test_spikes_by_chance_equal_the_reference_on_every_level_and_with_every_number_of_threads(
    data: st.DataObject, steps: int, n: int, dtype: Any, key: int
) -> None:
    changes = data.draw(st.booleans())
    tiny, odd = 1e-12, [0.0, -0.0, 1.0, 2.0, np.nan, -1.0]
    p = arrays(data.draw, (steps if changes else 1, n), [*odd, 0.25, 0.5, -0.75, 1 - 1e-9, tiny], dtype)
    wanted = np.concatenate([coding.bernoulli(p[t % len(p)], steps, key)[t : t + 1] for t in range(steps)] or [np.zeros((0, n), dtype)])
    for level in _rsnn.levels():
        out, bits = np.full((steps, n), 9, dtype), np.full((steps, -(-n // 64)), 2**64 - 1, np.uint64)
        threads = data.draw(st.sampled_from([1, 2, 3]))
        _rsnn.encode_bernoulli(p, out, key=key, threads=threads, level=level)
        np.testing.assert_array_equal(out, wanted)
        _rsnn.encode_bernoulli(p, bits, key=key, packed=True, threads=threads, level=level)
        np.testing.assert_array_equal(rsnn.Spikes(bits, (steps, n)).numpy(), np.abs(wanted))


@given(st.data(), STEPS, SIZES, DTYPES)
def test_delta_equals_the_reference(data: st.DataObject, steps: int, n: int, dtype: Any) -> None:
    x = arrays(data.draw, (steps, n), [0.0, 0.1, 0.2, -0.1, 0.3, np.nan, np.inf, 1e30], dtype)
    padding, off = data.draw(st.booleans()), data.draw(st.booleans())
    threshold = data.draw(st.sampled_from([0.0, 0.1, 0.2, 1e-30]))
    for level in _rsnn.levels():
        out = np.full((steps, n), 9, dtype)
        with np.errstate(invalid="ignore"):
            _rsnn.encode_delta(x, out, threshold=threshold, padding=padding, off_spike=off, threads=2, level=level)
            np.testing.assert_array_equal(out, coding.delta(x, threshold, padding, off))


@given(st.data(), STEPS, SIZES, DTYPES)
def test_up_down_equals_the_reference(data: st.DataObject, steps: int, n: int, dtype: Any) -> None:
    x = arrays(data.draw, (steps, n), [0.0, 0.1, 0.7, -0.1, -3.0, 5.0], dtype)
    up, down = (arrays(data.draw, (n,), [0.1, 0.3, 1.0], dtype) for _ in range(2))
    got = encode.up_down(x, thr_up=up, thr_down=down)
    np.testing.assert_array_equal(got.reshape(steps, n, 2), coding.up_down(x, up, down))


@given(st.data(), STEPS, st.sampled_from([1, 2, 5]))
def test_up_down_stays_within_a_threshold_of_the_signal(data: st.DataObject, steps: int, n: int) -> None:
    x = arrays(data.draw, (steps, n), [0.0, 0.1, 0.7, -0.1, -3.0, 5.0], np.float64)
    counts = encode.up_down(x, thr_up=0.25, thr_down=0.5).reshape(steps, n, 2)
    followed = x[:1] + np.cumsum(counts[..., 0] * 0.25 - counts[..., 1] * 0.5, 0)
    assert ((x - followed < 0.25 + 1e-9) & (followed - x < 0.5 + 1e-9)).all()


def test_up_down_has_the_channels_of_rockpool() -> None:
    # By hand, for two channels of thresholds 1: up and down of the first, then of the second.
    x = [[0.0, 0.0], [2.5, -1.0], [0.0, -1.0]]
    assert encode.up_down(x, thr_up=1.0, thr_down=1.0).tolist() == [[0, 0, 0, 0], [2, 0, 0, 1], [0, 2, 0, 0]]


def test_the_examples_of_snntorch_for_delta() -> None:
    # Its docstring has a spike more in a, at the fourth step, where the difference is 0.1; the function has not.
    a, b = [1.0, 2.0, 2.9, 3.0, 3.9], [1.0, 2.0, 0.0, 2.0, 2.9]
    assert encode.delta(a, threshold=1.0).tolist() == [1, 1, 0, 0, 0]
    assert encode.delta(a, threshold=1.0, padding=True).tolist() == [0, 1, 0, 0, 0]
    assert encode.delta(b, threshold=1.0, off_spike=True).tolist() == [1, 1, -1, 1, 0]
    assert encode.delta(b, threshold=1.0, padding=True, off_spike=True).tolist() == [0, 1, -1, 1, 0]


@given(st.integers(0, 99), st.sampled_from([(), (3,), (2, 70)]), KEYS)
def test_a_seed_names_one_stream_dense_or_packed_long_or_short(seed: int, shape: tuple[int, ...], key: int) -> None:
    x = np.random.default_rng(seed).random(shape)
    spikes = encode.poisson(x, 40, f_max=1.0, dt=1.0, rng=key)
    assert spikes.shape == (40, *shape)
    for threads in (1, 2, 5):
        np.testing.assert_array_equal(encode.poisson(x, 40, f_max=1.0, dt=1.0, rng=key, threads=threads), spikes)
    packed = encode.poisson(x, 40, f_max=1.0, dt=1.0, rng=key, packed=True)
    np.testing.assert_array_equal(packed.numpy(), spikes)
    np.testing.assert_array_equal(encode.poisson(x, 17, f_max=1.0, dt=1.0, rng=key), spikes[:17])
    np.testing.assert_array_equal(encode.poisson(np.broadcast_to(x, (40, *shape)), f_max=1.0, dt=1.0, rng=key), spikes)
    np.testing.assert_array_equal(encode.rate(x, 40, rng=key), spikes)
    np.testing.assert_array_equal(encode.signed_poisson(-x, 40, f_max=1.0, dt=1.0, rng=key), -spikes)


def test_large_work_is_the_same_for_any_number_of_threads() -> None:
    x = np.random.default_rng(1).random((3, 50_000), np.float32)
    one = encode.rate(x, 3, rng=5, threads=1)
    np.testing.assert_array_equal(encode.rate(x, 3, rng=5, threads=4), one)
    np.testing.assert_array_equal(encode.rate(x, 3, rng=5, threads=3, packed=True).numpy(), one)
    np.testing.assert_array_equal(one.reshape(3, -1), coding.bernoulli(x.ravel(), 3, 5))


def test_a_generator_moves_on_and_an_integer_does_not() -> None:
    x = np.full(200, 0.5)
    first, second = np.random.default_rng(3), np.random.default_rng(3)
    a, b = (encode.rate(x, 5, rng=first) for _ in range(2))
    assert (a != b).any()
    np.testing.assert_array_equal(a, encode.rate(x, 5, rng=second))
    np.testing.assert_array_equal(b, encode.rate(x, 5, rng=second))
    np.testing.assert_array_equal(encode.rate(x, 5, rng=3), encode.rate(x, 5, rng=3))
    assert (encode.rate(x, 5) != encode.rate(x, 5)).any()


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9])
def test_rates_neighbours_and_steps_are_as_chance_has_them(p: float) -> None:
    # 400 000 draws: five standard deviations, and the seed is fixed.
    n = 400_000
    spikes = encode.rate(np.full(400, p), 1000, rng=11).astype(np.float64)
    sd = math.sqrt(p * (1 - p) / n)
    assert abs(spikes.mean() - p) < 5 * sd
    for a, b in ((spikes[1:], spikes[:-1]), (spikes[:, 1:], spikes[:, :-1]), (spikes[:, 16:], spikes[:, :-16])):
        assert abs(((a - p) * (b - p)).mean()) < 5 * p * (1 - p) / math.sqrt(a.size)
    # Counts of a neuron over 1000 steps have the binomial's variance (the variance of 400 of them is within a third of it).
    assert abs(spikes.sum(0).var() / (1000 * p * (1 - p)) - 1) < 0.36


def test_a_poisson_train_has_the_rate_in_its_unit_of_time() -> None:
    spikes = encode.poisson(np.full(500, 0.5), 2000, f_max=100.0, dt=0.001, rng=2)
    assert abs(decode.rate(spikes, dt=0.001).mean() - 50.0) < 5 * math.sqrt(50.0 * 0.95 / (500 * 2.0))


def test_rate_scales_shifts_and_waits() -> None:
    x = np.array([-1.0, 0.0, 0.5, 1.0])
    spikes = encode.rate(x, 50, gain=4.0, offset=-1.0, first_spike_time=7, rng=1)
    assert not spikes[:7].any()
    assert not spikes[:, :2].any()
    assert spikes[7:, 2:].all()
    np.testing.assert_array_equal(encode.rate(x, 50, first_spike_time=7, rng=1, packed=True).numpy()[7:], encode.rate(x, 50, rng=1)[7:])


@given(st.lists(st.integers(0, 255), min_size=1, max_size=20), DTYPES)
def test_digits_give_the_number_back(numbers: list[int], dtype: Any) -> None:
    x = np.array(numbers, dtype) / 256
    digits = encode.phase(x, 8)
    np.testing.assert_array_equal(decode.phase(digits), x)
    assert [int("".join(str(int(digit)) for digit in column), 2) for column in digits.T] == numbers
    np.testing.assert_array_equal(encode.phase(x, 8, packed=True).numpy(), digits)
    np.testing.assert_array_equal(encode.phase(x / 2, 5)[1:], digits[:4])


@given(st.data(), st.sampled_from(["log", "linear", "log_intensity"]), st.booleans(), DTYPES)
def test_a_latency_decodes_to_its_time_and_larger_inputs_fire_no_later(data: st.DataObject, code: str, normalize: bool, dtype: Any) -> None:
    x = np.random.default_rng(data.draw(st.integers(0, 99))).random((3, 17)).astype(dtype)
    options: dict[str, Any] = {"code": code} if code == "log_intensity" else {"code": code, "normalize": normalize, "threshold": 0.05}
    first = 0 if code == "log_intensity" else data.draw(st.sampled_from([0, 4]))
    options |= {"first_spike_time": first} if first else {}
    spikes, times = encode.latency(x, 60, **options), encode.latency_times(x, 60, **options)
    assert spikes.dtype == times.dtype == dtype
    np.testing.assert_array_equal(decode.sum(spikes), 1)
    np.testing.assert_array_equal(decode.first_spike_time(spikes), np.rint(times))
    order = np.argsort(x, axis=None)
    assert (np.diff(times.ravel()[order]) <= 0).all()
    assert times.min() >= first - 1e-4
    if normalize and code == "log":
        assert abs(times.max() - 59) < 1e-3
    np.testing.assert_array_equal(encode.latency(x, 60, packed=True, **options).numpy(), spikes)


def test_the_examples_of_snntorch_for_latency() -> None:
    a = np.array([0.02, 0.5, 1.0], np.float32)
    expected = [[0, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]]
    assert encode.latency(a, 5, code="linear", normalize=True).tolist() == expected
    np.testing.assert_allclose(encode.latency_times(a, 5, normalize=True), [4.0, 0.1166, 0.0580], atol=5e-5)
    ramp = encode.targets_latency([0, 3], 4, 5, normalize=True, interpolate=True)
    assert ramp[:, 0, 0].tolist() == [1, 0, 0, 0, 0]
    assert ramp[:, 0, 1].tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_inputs_below_the_threshold_fire_last_or_not_at_all() -> None:
    x = [0.0, 0.05, 0.5]
    assert encode.latency(x, 20, threshold=0.1, normalize=True).argmax(0).tolist() == [19, 19, 0]
    assert decode.sum(encode.latency(x, 20, threshold=0.1, normalize=True, clip=True)).tolist() == [0, 0, 1]
    assert decode.sum(encode.latency(x, 5, threshold=0.1, late="drop")).tolist() == [0, 0, 1]
    assert decode.sum(encode.latency(x, 5, threshold=0.1, clip=True)).tolist() == [0, 0, 1]
    assert encode.latency(x, 5, threshold=0.1, late="drop", on_target=2.0, off_target=-1.0)[0].tolist() == [-1, -1, 2]


def test_the_examples_of_norse() -> None:
    assert encode.constant_current_lif([2, 4, 8, 16], 2).tolist() == [[0, 0, 0, 1], [0, 0, 1, 1]]
    assert encode.spike_latency([[0, 1, 1], [1, 1, 1]]).tolist() == [[0, 1, 1], [1, 0, 0]]
    np.testing.assert_allclose(encode.population([0.0, 0.5, 1.0], 3)[0], [1.0, 0.8825, 0.6065], atol=5e-5)


@pytest.mark.parametrize("v_reset", [0.1, -0.7, 1 / 3, -5.3, -65.1, 0.999])
def test_a_reset_value_that_is_not_round_fires_as_the_step_of_norse(v_reset: float) -> None:
    # Norse's own rounding of the reset, u - s (u - v_reset): the membranes differ in a last bit, the spikes in none.
    single = np.float32
    for scale in (1, 30, 1000):
        x = (np.random.default_rng(scale).uniform(0, 5, 2000) * scale).astype(single)
        v, wanted = np.zeros_like(x), np.empty((100, 2000), single)
        for t in range(100):
            v = v + single(1 / 7) * ((single(0.05) - v) + x)
            wanted[t] = v - single(1) > 0
            v = v - wanted[t] * (v - single(v_reset))
        assert wanted.any(0).any()
        np.testing.assert_array_equal(encode.constant_current_lif(x, 100, tau_mem=7.0, v_leak=0.05, v_reset=v_reset), wanted)


def test_a_current_goes_into_any_neuron_that_spikes() -> None:
    neuron = rsnn.LIF(tau_mem=20.0, v_threshold=10.0)
    spikes = encode.constant_current_lif(11.0, 100, neuron=neuron)
    assert spikes.nonzero()[0].tolist() == [47, 95]
    assert encode.spike_latency_lif(11.0, 100, neuron=neuron).nonzero()[0].tolist() == [47]
    assert encode.spike_latency_lif(11.0, 100, neuron=neuron, packed=True).events()[0].tolist() == [47]


@given(st.integers(0, 99), STEPS, st.sampled_from([(), (1,), (3, 5), (130,)]))
def test_the_first_spike_is_kept_and_nothing_else(seed: int, steps: int, shape: tuple[int, ...]) -> None:
    x = (np.random.default_rng(seed).random((steps, *shape)) < 0.1) * np.float32(3)
    kept = encode.spike_latency(x)
    np.testing.assert_array_equal(kept, np.where(np.cumsum(x != 0, 0) == 1, x, 0))
    packed = rsnn.Spikes.pack(x != 0)
    np.testing.assert_array_equal(encode.spike_latency(packed), kept / 3)
    assert encode.spike_latency(packed, packed=True) == rsnn.Spikes.pack(kept != 0)


def test_targets_by_rate_fire_at_their_rates() -> None:
    regular = encode.targets_rate([2, 0], 3, 20, correct_rate=0.5, incorrect_rate=0.2, first_spike_time=3)
    right, wrong = regular[:, 0, 2], regular[:, 0, 0]
    assert right.nonzero()[0].tolist() == [3, 5, 7, 9, 11, 13, 15, 17, 19]
    assert wrong.nonzero()[0].tolist() == [3, 8, 13, 18]
    np.testing.assert_array_equal(regular[:, 1, 0], right)
    assert encode.targets_rate([1], 2).tolist() == [[0, 1]]
    assert encode.targets_rate([1], 2, 4, first_spike_time=2)[:, 0, 1].tolist() == [0, 0, 1, 1]
    for pattern, most in (("uniform", 1200), ("poisson", 1300)):
        trains = encode.targets_rate([0], 2, 4000, correct_rate=0.3, incorrect_rate=0.1, firing_pattern=pattern, rng=4, first_spike_time=9)
        counts = decode.sum(trains)[0]
        assert not trains[:9].any()
        assert 1000 < counts[0] <= most
        assert 330 < counts[1] < 470
        again = encode.targets_rate([0], 2, 4000, correct_rate=0.3, incorrect_rate=0.1, firing_pattern=pattern, rng=4, first_spike_time=9)
        np.testing.assert_array_equal(again, trains)


def test_the_examples_of_snntorch_for_interpolated_targets() -> None:
    made = encode.targets_rate([0], 1, 5, correct_rate=0.25, on_target=1.2, off_target=0.5, interpolate=True)[:, 0, 0]
    np.testing.assert_allclose(made, [1.2, 0.5, 0.7333, 0.9667, 1.2], atol=5e-5)
    late = encode.targets_rate([0], 1, 6, correct_rate=0.25, first_spike_time=1, interpolate=True)[:, 0, 0]
    np.testing.assert_allclose(late, [0.0, 1.0, 0.0, 1 / 3, 2 / 3, 1.0], rtol=1e-6)


@given(st.integers(0, 99), st.sampled_from(["<f4", ">f8", "f2", "i4", "u1", "?"]), st.booleans())
def test_layouts_and_dtypes_change_no_spike_and_nothing_of_the_callers(seed: int, dtype: str, turned: bool) -> None:
    x = (np.random.default_rng(seed).random((6, 9)) * 1.5).astype(dtype)
    x = np.minimum(x, x.dtype.type(1))
    x = x.T[::2] if turned else x
    x.setflags(write=False)
    plain = np.ascontiguousarray(x, np.float64 if dtype == ">f8" else np.float32)
    for run in (
        lambda a: encode.rate(a, 7, rng=1),
        lambda a: encode.rate(a, rng=1),
        lambda a: encode.latency(a, 7, normalize=True),
        lambda a: encode.delta(a, off_spike=True),
        lambda a: encode.up_down(a, thr_up=0.1, thr_down=0.1),
        lambda a: encode.spike_latency(a),
        lambda a: encode.constant_current_lif(a, 9),
        lambda a: encode.population(a, 4, scale=1.0),
    ):
        got, wanted = run(x), run(plain)
        assert got.dtype == plain.dtype
        np.testing.assert_array_equal(got, wanted)


EMPTY = [
    lambda: encode.rate(np.zeros((0, 3)), 4),
    lambda: encode.rate(np.zeros(3), 0),
    lambda: encode.poisson(np.zeros((0, 3))),
    lambda: encode.rate(np.zeros((2, 0)), 4, packed=True).numpy(),
    lambda: encode.latency(np.zeros(0), 4),
    lambda: encode.latency_times(np.zeros(0), 4, normalize=True),
    lambda: encode.delta(np.zeros((0, 3))),
    lambda: encode.up_down(np.zeros((0, 3))),
    lambda: encode.up_down(np.zeros((4, 0))),
    lambda: encode.phase(np.zeros(0)),
    lambda: encode.population(np.zeros(0), 3),
    lambda: encode.spike_latency(np.zeros((0, 3))),
    lambda: encode.spike_latency(np.zeros((3, 0))),
    lambda: encode.constant_current_lif(np.zeros(0), 3),
    lambda: encode.to_one_hot(np.zeros(0, int), 3),
    lambda: encode.targets_rate(np.zeros(0, int), 3, 4),
]


@pytest.mark.parametrize("run", EMPTY)
def test_nothing_in_gives_nothing_out(run: Any) -> None:
    assert run().size == 0


HALF = np.full(3, 0.5)
REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: encode.poisson([1.5], 3), VALUE, r"x: values from 1\.5 to 1\.5 came; must be between 0 and 1; scale it"),
    (lambda: encode.poisson([-0.1], 3), VALUE, "x: values from -0.1"),
    (lambda: encode.poisson([np.nan], 3), VALUE, "x: NaN or infinity came; give finite numbers"),
    (lambda: encode.poisson(0.5), VALUE, r"x has shape \(\): must be \(T, \.\.\.\).*steps="),
    (lambda: encode.poisson(HALF, -1), VALUE, "steps=-1"),
    (lambda: encode.poisson(HALF, 2.0), TYPE, r"steps=2\.0"),
    (lambda: encode.poisson(HALF, 2**62), VALUE, "steps=4611686018427387904: more than memory"),
    (lambda: encode.poisson(HALF, 3, f_max=2000.0), VALUE, r"f_max=2000 with dt=0\.001: 2 spikes in a step.*at most 1000"),
    (lambda: encode.poisson(HALF, 3, f_max=-1.0), VALUE, r"f_max=-1\.0: must be positive"),
    (lambda: encode.poisson(HALF, 3, dt=0.0), VALUE, r"dt=0\.0: must be positive"),
    (lambda: encode.poisson(HALF, 3, rng=-1), VALUE, "rng=-1: must be from 0"),
    (lambda: encode.poisson(HALF, 3, rng=2**64), VALUE, r"rng=18446744073709551616.*np\.random\.default_rng"),
    (lambda: encode.poisson(HALF, 3, rng=1.0), TYPE, r"rng=1\.0: must be an integer"),
    (lambda: encode.poisson(HALF, 3, rng=True), TYPE, "rng=True"),
    (lambda: encode.poisson(HALF, 3, rng=np.random.RandomState(1)), TYPE, r"rng=RandomState.*default_rng"),
    (lambda: encode.poisson(HALF, 3, packed=1), TYPE, "packed=1: must be True or False"),
    (lambda: encode.poisson(HALF, 3, threads=0), VALUE, "threads=0"),
    (lambda: encode.poisson("a", 3), TYPE, "x: <U1 came"),
    (lambda: encode.poisson(None, 3), TYPE, "x: object came"),
    (lambda: encode.signed_poisson([2.0], 3), VALUE, "x: values from 2 to 2 came; must be between -1 and 1"),
    (lambda: encode.rate(HALF, 3, first_spike_time=4), VALUE, "first_spike_time=4: there are 3 steps"),
    (lambda: encode.rate([np.inf], 3), VALUE, "x: NaN or infinity"),
    (lambda: encode.rate(HALF, 3, gain=np.nan), VALUE, "gain=nan"),
    (lambda: encode.latency(HALF, 0), VALUE, "steps=0: must be an integer of at least 1"),
    (lambda: encode.latency([2.0], 3), VALUE, "x: values from 2 to 2 came; must be between 0 and 1"),
    (lambda: encode.latency([0.0], 3), VALUE, "steps=3: a spike comes at step 12; give more steps.*late='drop'"),
    (lambda: encode.latency(HALF, 3, code="lin"), VALUE, "code='lin'.*did you mean 'linear'"),
    (lambda: encode.latency(HALF, 3, threshold=0.0), VALUE, r"threshold=0\.0: must be positive and below 1"),
    (lambda: encode.latency(HALF, 3, threshold=1.0, code="linear"), VALUE, r"threshold=1\.0: must be at least 0 and below 1"),
    (lambda: encode.latency(HALF, 3, tau=0.0), VALUE, r"tau=0\.0: must be positive"),
    (lambda: encode.latency(HALF, 3, first_spike_time=3), VALUE, "first_spike_time=3.*at most 2"),
    (lambda: encode.latency(HALF, 3, epsilon=1e-20), VALUE, "epsilon=1e-20: nothing is left"),
    (lambda: encode.latency(HALF, 3, code="linear", normalize=True, tau=2.0), VALUE, "tau=2: normalize=True sets"),
    (lambda: encode.latency(HALF, 3, code="log_intensity", tau=2.0), VALUE, r"tau=2\.0: code='log_intensity' has no"),
    (lambda: encode.latency(HALF, 3, code="log_intensity", clip=True), VALUE, "clip=True"),
    (lambda: encode.latency(np.float32(HALF), 100, code="log_intensity"), VALUE, "steps=100.*at most 89 steps"),
    (lambda: encode.latency(HALF, 3, late="clip"), VALUE, "late='clip'"),
    (lambda: encode.latency(HALF, 3, packed=True, on_target=2.0), VALUE, "packed=True.*on_target"),
    (lambda: encode.delta(1.0), VALUE, r"x has shape \(\): must be \(T, \.\.\.\)"),
    (lambda: encode.delta(HALF, threshold=-1.0), VALUE, r"threshold=-1\.0"),
    (lambda: encode.delta(HALF, threshold=[1.0]), VALUE, r"threshold=\[1\.0\]: must be a single number"),
    (lambda: encode.delta(HALF, off_spike=True, packed=True), VALUE, "packed=True: a packed spike is one bit"),
    (lambda: encode.up_down(HALF), VALUE, r"x has shape \(3,\): must be \(T, \.\.\., n\); give one channel as x\[:, None\]"),
    (lambda: encode.up_down([[0.0], [np.nan]]), VALUE, "x: NaN or infinity"),
    (lambda: encode.up_down([[0.0], [1e9]]), VALUE, "x: it spans 1e\\+12 thresholds"),
    (lambda: encode.up_down([[0.0], [1.0]], thr_up=0.0), VALUE, r"thr_up=0\.0: must be positive"),
    (lambda: encode.up_down([[0.0], [1.0]], thr_down=[1.0, 1.0]), VALUE, r"thr_down has shape \(2,\)"),
    (lambda: encode.phase([1.0], 8), VALUE, r"must be between 0 and 0\.99.*8 digits reach"),
    (lambda: encode.phase([0.5], 65), VALUE, "steps=65: must be from 1 to 64"),
    (lambda: encode.population([-1.0], 3), VALUE, "scale: by default the largest x, which is -1"),
    (lambda: encode.population(HALF, 0), VALUE, "out_features=0"),
    (lambda: encode.population(HALF, 3, sigma=0.0), VALUE, "sigma=0.0"),
    (lambda: encode.delta(rsnn.Spikes.pack(np.zeros((2, 3)), batch_first=True)), VALUE, "x: they are packed with batch_first=True"),
    (lambda: encode.spike_latency(1.0), VALUE, r"spikes has shape \(\)"),
    (lambda: encode.constant_current_lif(HALF, 3, neuron=rsnn.LI(5.0)), VALUE, "neuron=.*does not spike"),
    (lambda: encode.constant_current_lif(HALF, 3, neuron="lif"), TYPE, "neuron='lif': must be a neuron"),
    (lambda: encode.constant_current_lif(HALF, 3, neuron=rsnn.LIF(5.0), tau_mem=3.0), VALUE, r"tau_mem=3\.0: the neuron has its own"),
    (lambda: encode.constant_current_lif(HALF, 3, tau_mem=0.5), VALUE, "tau_mem"),
    (lambda: encode.constant_current_lif(HALF, 3, surrogate=rsnn.surrogate.ATan()), VALUE, "surrogate: x is an array"),
    (lambda: encode.to_one_hot([3], 3), VALUE, "targets: 3 to 3 came; must be from 0 to 2"),
    (lambda: encode.to_one_hot([-1], 3), VALUE, "targets: -1 to -1"),
    (lambda: encode.to_one_hot([1.0], 3), TYPE, "targets: float64 came; give integers"),
    (lambda: encode.to_one_hot([1], 3, dtype=int), TYPE, "dtype=int64: must be float32 or float64"),
    (lambda: encode.targets_rate([1], 3, correct_rate=0.5), VALUE, "steps: these targets change over time"),
    (lambda: encode.targets_rate([1], 3, 5, correct_rate=0.1, incorrect_rate=0.2), VALUE, "correct_rate=0.1: must be at least"),
    (lambda: encode.targets_rate([1], 3, 5, correct_rate=2.0), VALUE, "correct_rate=2.0: must be between 0 and 1"),
    (lambda: encode.targets_rate([1], 3, 5, firing_pattern="poison"), VALUE, "did you mean 'poisson'"),
    (lambda: encode.targets_rate([1], 3, 5, first_spike_time=6), VALUE, "first_spike_time=6"),
    (lambda: encode.targets_convert([1], 3, 5, code="time"), VALUE, "code='time'"),
    (lambda: encode.targets_convert([1], 3, code="latency"), VALUE, "steps: code='latency' changes"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_cannot_be_encoded_is_refused_by_name(number: int) -> None:
    run, error, message = REFUSED[number]
    with pytest.raises(error, match=message):
        run()


def test_the_border_refuses_arrays_that_do_not_fit() -> None:
    ok, out = np.zeros((1, 5)), np.zeros((3, 5))
    for run in (
        lambda: _rsnn.encode_bernoulli(np.zeros((2, 5)), out, key=1),
        lambda: _rsnn.encode_bernoulli(ok, np.zeros((3, 4)), key=1),
        lambda: _rsnn.encode_bernoulli(ok, np.zeros((3, 2), np.uint64), key=1, packed=True),
        lambda: _rsnn.encode_bernoulli(ok, out, key=1, level="mmx"),
        lambda: _rsnn.encode_delta(ok, out, threshold=1.0, padding=False, off_spike=False),
        lambda: _rsnn.encode_up_down(out, np.ones(4), np.ones(5), np.zeros(5), np.zeros((3, 5, 2))),
        lambda: _rsnn.encode_up_down(out, np.ones(5), np.ones(5), np.zeros(5), np.zeros((3, 5, 1))),
        lambda: _rsnn.decode_times(out, np.zeros((4, 1))),
        lambda: _rsnn.decode_times(np.zeros((3, 2), np.uint64), np.zeros((5, 1)), packed=True),
    ):
        with pytest.raises(VALUE):
            run()
    with pytest.raises(TYPE):
        _rsnn.encode_bernoulli(ok, out.astype(np.float32), key=1)

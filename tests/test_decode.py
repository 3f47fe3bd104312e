"""Decoders: what each gives of spikes dense and packed, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SIZES, STEPS

import rsnn
from rsnn import decode
from rsnn.reference import coding

VALUE, TYPE = rsnn.InvalidValueError, rsnn.InvalidTypeError


@given(st.integers(0, 99), STEPS, SIZES, st.sampled_from([1, 2, 40]), st.sampled_from([np.float32, np.float64]))
def test_times_equal_the_reference_dense_and_packed(seed: int, steps: int, n: int, number: int, dtype: Any) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.random((steps, n)) < rng.choice([0.02, 0.5])).astype(dtype)
    wanted = coding.spike_times(x, number)
    got = decode.spike_times(x, number)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, wanted)
    packed = rsnn.Spikes.pack(x)
    for threads in (1, 3):
        np.testing.assert_array_equal(decode.spike_times(packed, number, threads=threads), wanted)
        np.testing.assert_array_equal(decode.spike_times(x, number, threads=threads), wanted)
    first = decode.first_spike_time(x, dt=0.5, absent=-1.0)
    np.testing.assert_array_equal(first, np.where(np.isfinite(wanted[0]), wanted[0] * 0.5, -1.0))


def test_times_of_many_neurons_are_the_same_for_any_number_of_threads() -> None:
    x = np.random.default_rng(1).random((50, 5000), np.float32) < 0.05
    wanted = np.where(x.any(0), x.argmax(0), np.inf)
    for spikes in (x, rsnn.Spikes.pack(x)):
        for threads in (1, 2, 4):
            np.testing.assert_array_equal(decode.first_spike_time(spikes, threads=threads), wanted)


@given(st.integers(0, 99), st.sampled_from([1, 5, 64]), st.sampled_from([(), (4,), (3, 12)]))
def test_counts_rates_and_votes_are_sums_of_the_spikes(seed: int, steps: int, shape: tuple[int, ...]) -> None:
    x = (np.random.default_rng(seed).random((steps, *shape)) < 0.4).astype(np.float32)
    for spikes in (x, x.astype(bool), rsnn.Spikes.pack(x)):
        counts = decode.sum(spikes)
        np.testing.assert_array_equal(counts, [x[..., *at].sum() for at in np.ndindex(shape)] if len(shape) == 1 else x.sum(0))
        assert counts.dtype == np.float32
        np.testing.assert_allclose(decode.rate(spikes, dt=0.25), x.sum(0) / (steps * 0.25), rtol=1e-6)
        if shape:
            votes = decode.population_vote(spikes, 2)
            half = shape[-1] // 2
            np.testing.assert_array_equal(votes[..., 0], x[..., :half].sum((0, -1)))
            np.testing.assert_array_equal(votes[..., 1], x[..., half:].sum((0, -1)))


def test_membranes_are_read_at_their_largest_on_average_and_last() -> None:
    v = np.array([[0.0, -5.0], [3.0, -1.0], [0.0, -3.0]], np.float32)
    assert decode.membrane_max(v).tolist() == [3.0, -1.0]
    assert decode.membrane_mean(v).tolist() == [1.0, -3.0]
    last = decode.membrane_last(v)
    assert last.tolist() == [0.0, -3.0]
    last[0] = 9.0
    assert v[2, 0] == 0.0


def test_a_vote_finds_the_class() -> None:
    rates = np.repeat([0.1, 0.6, 0.2], 50)
    votes = decode.population_vote(rsnn.encode.rate(rates, 100, rng=1), 3)
    assert votes.argmax(-1) == 1


BATCH = rsnn.Spikes.pack(np.zeros((2, 3, 4)), batch_first=True)
REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: decode.sum(1.0), VALUE, r"spikes has shape \(\): must be \(T, \.\.\.\)"),
    (lambda: decode.sum(["a"]), TYPE, "spikes: <U1 came"),
    (lambda: decode.sum(BATCH), VALUE, "spikes: they are packed with batch_first=True"),
    (lambda: decode.rate(np.zeros((0, 3))), VALUE, "spikes: there are no steps"),
    (lambda: decode.rate(np.zeros((2, 3)), dt=-1), VALUE, "dt=-1"),
    (lambda: decode.first_spike_time(BATCH), VALUE, "batch_first=True"),
    (lambda: decode.first_spike_time([1], absent=np.nan), VALUE, "absent=nan"),
    (lambda: decode.first_spike_time([1], absent="no"), TYPE, "absent='no'"),
    (lambda: decode.first_spike_time([1], absent=[1, 2]), VALUE, "absent=.*single number"),
    (lambda: decode.spike_times([1], 0), VALUE, "number=0"),
    (lambda: decode.spike_times([1], 1, threads=-1), VALUE, "threads=-1"),
    (lambda: decode.membrane_max(np.zeros((0, 3))), VALUE, r"v has shape \(0, 3\): there are no steps"),
    (lambda: decode.membrane_mean(1.0), VALUE, r"v has shape \(\)"),
    (lambda: decode.membrane_last(np.zeros((0, 3))), VALUE, "v has shape"),
    (lambda: decode.population_vote(np.zeros((2, 5)), 2), VALUE, "has 5 neurons; it must be a multiple of num_classes=2"),
    (lambda: decode.population_vote(np.zeros(2), 2), VALUE, "has 0 neurons"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_cannot_be_decoded_is_refused_by_name(number: int) -> None:
    run, error, message = REFUSED[number]
    with pytest.raises(error, match=message):
        run()


def test_a_vote_without_neurons_is_refused_however_many_the_classes() -> None:
    for classes in (1, 2**62):
        with pytest.raises(rsnn.InvalidValueError, match=f"has 0 neurons; it must be a multiple of num_classes={classes}, and not 0"):
            rsnn.decode.population_vote(np.empty((5, 0)), classes)

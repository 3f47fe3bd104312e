"""A layer of DynapCNN that follows its events gives what visiting every neuron gives."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsnn.chip import dynapcnn
from rsnn.chip.result import ChipResult


def same(one: ChipResult, other: ChipResult) -> None:
    assert (one.spikes == other.spikes).all()
    assert (one.out == other.out).all()
    assert (one.state.v == other.state.v).all()
    assert one.stats == other.stats


@st.composite
def sparse(draw: Any) -> Any:
    """A layer of few events, its state, and options of every kind."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps, batch, channels, features = (draw(st.integers(low, high)) for low, high in ((1, 9), (1, 3), (1, 3), (1, 19)))
    rows, columns = draw(st.integers(5, 14)), draw(st.integers(5, 14))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    x = rng.integers(1, 4, (steps, batch, channels, rows, columns)) * (rng.random((steps, batch, channels, rows, columns)) < 0.02)
    options: dict[str, Any] = {
        "weight": rng.integers(-128, 128, (features, channels, *kernel)),
        "bias": draw(st.sampled_from([None, np.zeros(features, int), rng.integers(-9, 9, features)])),
        "v_threshold": draw(st.sampled_from([1, 7, 90, 400])),
        "v_min": draw(st.sampled_from([None, -300, -1, 0, 5])),
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "padding": draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
        "pool": draw(st.integers(1, 3)),
        "fire": draw(st.sampled_from(["multi", "single"])),
        "reset": draw(st.sampled_from(["subtract", "zero"])),
        "overflow": draw(st.sampled_from(["none", "saturate", "wrap"])),
    }
    size = dynapcnn.conv_iaf(x[:0], **options).spikes.shape[1:]
    state = draw(st.sampled_from([None, "small", "far"]))
    if state is not None:
        options["state"] = rng.integers(-500, 500, size) if state == "small" else rng.choice([-32768, -3, 0, 32767], size)
    return x, options


@given(sparse())
def test_following_events_is_visiting_every_neuron_for_any_number_of_threads(case: Any) -> None:
    x, options = case
    everyone = dynapcnn.conv_iaf(x, **options, record="v", threads=1)  # what is recorded is there for all: nothing is left out
    for threads in (1, 3):
        same(dynapcnn.conv_iaf(x, **options, threads=threads), everyone)
    before = dynapcnn.conv_iaf(x[:4], **options)
    after = dynapcnn.conv_iaf(x[4:], **{**options, "state": before.state})
    assert (np.concatenate([before.spikes, after.spikes]) == everyone.spikes).all()
    assert (after.state.v == everyone.state.v).all()


def test_samples_of_a_batch_do_not_meet() -> None:
    rng = np.random.default_rng(3)
    x = (rng.random((12, 5, 2, 32, 32)) < 0.01).astype(np.int8)
    weight = rng.integers(-60, 90, (6, 2, 3, 3))
    whole = dynapcnn.conv_iaf(x, weight, v_threshold=70, padding=1, pool=2, threads=2)
    assert whole.stats.spikes > 100
    for b in range(5):
        alone = dynapcnn.conv_iaf(x[:, b], weight, v_threshold=70, padding=1, pool=2, threads=1)
        assert (whole.out[:, b] == alone.out).all()
        assert (whole.state.v[b] == alone.state.v).all()


def test_a_neuron_still_at_its_threshold_fires_on_without_events() -> None:
    x = np.zeros((6, 1, 8, 8), int)
    x[1, 0, 4, 4] = 5
    result = dynapcnn.conv_iaf(x, [[[[70]]]], v_threshold=100, fire="single")
    # 350 is three thresholds and 50: one spike a step from the event on
    assert result.spikes[:, 0, 4, 4].tolist() == [0, 1, 1, 1, 0, 0]
    assert result.state.v[0, 4, 4] == 50
    assert result.stats.spikes == 3


def test_a_membrane_that_rests_beyond_16_bits_is_counted_in_every_step() -> None:
    x = np.zeros((6, 1, 8, 8), int)
    x[1, 0, 4, 4] = 1
    result = dynapcnn.conv_iaf(x, [[[[-40000]]]], v_threshold=100)
    assert (result.stats.beyond, result.stats.lowest) == (5, -40000)
    later = dynapcnn.conv_iaf(x[:1], [[[[-40000]]]], v_threshold=100, state=result.state)
    assert (later.stats.beyond, later.stats.lowest) == (1, -40000)


def test_a_pooled_sum_beyond_32_bits_is_refused() -> None:
    x = np.zeros((1, 1, 16, 16), int)
    x[0, 0, :2, :2] = 1
    with pytest.raises(ValueError, match="pooled sum leaves 32 bits"):
        dynapcnn.conv_iaf(x, [[[[2**30 - 1]]]], v_threshold=1, pool=2, overflow="none")


def test_silence_costs_no_events_and_changes_nothing() -> None:
    state = np.arange(64).reshape(1, 8, 8) - 20
    result = dynapcnn.conv_iaf(np.zeros((3, 1, 8, 8), int), [[[[5]]]], v_threshold=100, state=state)
    assert not result.spikes.any()
    assert (result.state.v == state).all()
    assert (result.stats.synops, result.stats.lowest, result.stats.highest) == (0, -20, 43)

"""The published behaviours of Izhikevich's neuron and firing patterns of AdEx: each has what makes it that one, not only spikes."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rsnn

Array = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True)
class Seen:
    """What was done and what came of it; `at` are the times of the spikes, in ms."""

    at: Array
    v: Array
    t: Array
    current: Array

    @property
    def intervals(self) -> Array:
        return np.diff(self.at)

    def between(self, start: float, end: float) -> Array:
        """The spikes between two times."""
        return self.at[(self.at > start) & (self.at < end)]

    def bursts(self, gap: float) -> list[Array]:
        """The spikes, cut where they are further apart than `gap`."""
        return np.split(self.at, np.flatnonzero(self.intervals > gap) + 1)


def see(kind: Any, name: str, dtype: Any = np.float64, finer: int = 1) -> Seen:
    """Run a published experiment, or the same current with a step so many times finer."""
    neuron, stimulus, dt = kind.named(name)
    assert neuron.dt == dt
    x = np.repeat(stimulus.astype(dtype), finer)
    out = rsnn.simulate(dataclasses.replace(neuron, dt=dt / finer), x, record=("v",))
    t = np.arange(len(x)) * (dt / finer)
    return Seen(t[out.spikes != 0], out.v, t, x)


CHECKS: dict[str, Callable[[Seen], None]] = {}


def behaviour(check: Callable[[Seen], None]) -> Callable[[Seen], None]:
    CHECKS[check.__name__] = check
    return check


@behaviour
def tonic_spiking(seen: Seen) -> None:
    # Spikes as long as the current lasts, in the end at equal intervals.
    assert len(seen.at) >= 5
    assert seen.at[0] > 10.0
    assert seen.t[-1] - seen.at[-1] < seen.intervals[-1]
    np.testing.assert_allclose(seen.intervals[-1], seen.intervals[-2], rtol=0.02)


@behaviour
def phasic_spiking(seen: Seen) -> None:
    # One spike at the onset, and none in the 150 ms that the current goes on.
    assert len(seen.at) == 1
    assert 20.0 < seen.at[0] < 50.0
    assert seen.current[-1] > 0


@behaviour
def tonic_bursting(seen: Seen) -> None:
    # Bursts without end: many short intervals, then a long one.
    bursts = seen.bursts(15.0)
    assert len(bursts) >= 4
    assert all(len(burst) >= 4 for burst in bursts[:-1])
    periods = np.diff([burst[0] for burst in bursts[1:]])
    np.testing.assert_allclose(periods, periods[0], rtol=0.05)


@behaviour
def phasic_bursting(seen: Seen) -> None:
    # One burst at the onset, and nothing in the time that the current goes on.
    assert len(seen.bursts(15.0)) == 1
    assert len(seen.at) >= 5
    assert seen.at[-1] < 80.0
    assert seen.current[-1] > 0


@behaviour
def mixed_mode(seen: Seen) -> None:
    # A burst at the onset, then single spikes at equal intervals.
    first, *later = seen.bursts(15.0)
    assert len(first) == 3
    assert len(later) >= 3
    assert all(len(one) == 1 for one in later)
    np.testing.assert_allclose(seen.intervals[-1], seen.intervals[-2], rtol=0.02)


@behaviour
def spike_frequency_adaptation(seen: Seen) -> None:
    # Every interval is longer than the one before.
    assert len(seen.at) >= 6
    assert (np.diff(seen.intervals) > 0).all()
    assert seen.intervals[-1] > 5 * seen.intervals[0]


@behaviour
def class_1(seen: Seen) -> None:
    # The rate follows a rising current, from low on.
    assert len(seen.at) >= 8
    assert (np.diff(seen.intervals) < 0).all()
    assert seen.intervals[0] > 2.5 * seen.intervals[-1]


@behaviour
def class_2(seen: Seen) -> None:
    # Spikes begin at a high rate, which hardly follows the current.
    assert len(seen.at) >= 12
    assert seen.intervals[0] < 25.0
    assert seen.intervals[0] < 2.5 * seen.intervals[-1]


@behaviour
def spike_latency(seen: Seen) -> None:
    # A short current is long over when its spike comes.
    assert len(seen.at) == 1
    assert seen.at[0] > seen.t[seen.current > 0][-1] + 10.0


@behaviour
def subthreshold_oscillations(seen: Seen) -> None:
    # After the spike the membrane swings about its rest, less and less, without another spike.
    assert len(seen.at) == 1
    tail = seen.v[seen.t > 60.0].astype(np.float64)
    swing = tail + 62.5  # its rest: the lower root of 0.04 v^2 + (5 - b) v + 140
    crossings = np.flatnonzero(np.diff(np.sign(swing)))
    peaks = np.array([np.abs(swing[a:b]).max() for a, b in itertools.pairwise(crossings)])
    assert len(peaks) >= 3
    assert peaks[0] > 0.3
    assert (np.diff(peaks[:3]) < 0).all()


@behaviour
def resonator(seen: Seen) -> None:
    # Of two pairs of the same pulses, 20 ms and 40 ms apart, the second fires: 40 ms is its own period.
    assert len(seen.at) == 1
    assert 320.0 < seen.at[0] < 345.0


@behaviour
def integrator(seen: Seen) -> None:
    # Of two pairs of the same pulses, 5 ms and 10 ms apart, the closer fires.
    assert len(seen.at) == 1
    assert 100.0 / 11.0 + 5.0 < seen.at[0] < 30.0


@behaviour
def rebound_spike(seen: Seen) -> None:
    # One spike, after the end of an inhibition.
    assert len(seen.at) == 1
    assert seen.at[0] > 25.0
    assert seen.current.max() == 0
    assert seen.current.min() < 0


@behaviour
def rebound_burst(seen: Seen) -> None:
    # A burst after the end of an inhibition.
    assert len(seen.at) >= 5
    assert seen.at[0] > 25.0
    assert len(seen.bursts(15.0)) == 1
    assert seen.current.max() == 0
    assert seen.current.min() < 0


@behaviour
def threshold_variability(seen: Seen) -> None:
    # The same pulse does nothing at first, and fires after an inhibition.
    assert len(seen.between(0.0, 80.0)) == 0
    assert len(seen.between(80.0, 100.0)) == 1
    np.testing.assert_array_equal(seen.current[(seen.t > 10.5) & (seen.t < 14.5)], seen.current[(seen.t > 80.5) & (seen.t < 84.5)])


@behaviour
def bistability(seen: Seen) -> None:
    # One pulse starts spikes that go on at a current that had none before; another one ends them.
    assert len(seen.between(0.0, 37.5)) == 0
    assert len(seen.between(37.5, 216.0)) >= 5
    assert len(seen.between(216.0, 300.0)) == 0
    np.testing.assert_allclose(seen.intervals, seen.intervals[0], rtol=0.02)


@behaviour
def depolarizing_after_potential(seen: Seen) -> None:
    # After the spike, and after the current, the membrane stands above its rest and above its reset, and then goes back.
    assert len(seen.at) == 1
    after = seen.t > seen.at[0] + 0.05
    assert seen.current[after].max() == 0
    assert seen.v[after][0] > -60.1
    assert seen.v[after].max() > -55.0
    assert seen.v[-1] == pytest.approx(-70.0, abs=0.1)


@behaviour
def accommodation(seen: Seen) -> None:
    # A slow rise does nothing, a fast one of half its height fires.
    assert len(seen.between(0.0, 300.0)) == 0
    assert len(seen.between(300.0, 312.6)) == 1
    assert seen.current[seen.t > 300].max() < 0.5 * seen.current.max()


@behaviour
def inhibition_induced_spiking(seen: Seen) -> None:
    # Spikes while the current is lower, and none before or after.
    assert len(seen.at) >= 3
    assert len(seen.between(50.0, 250.0)) == len(seen.at)
    assert (seen.intervals > 50.0).all()


@behaviour
def inhibition_induced_bursting(seen: Seen) -> None:
    # The same in bursts.
    assert len(seen.between(50.0, 250.0)) == len(seen.at)
    bursts = seen.bursts(15.0)
    assert len(bursts) >= 2
    assert all(len(burst) >= 4 for burst in bursts)


OF_THE_STEP = (
    "spike_latency",
    "bistability",
    "depolarizing_after_potential",
    "inhibition_induced_spiking",
    "inhibition_induced_bursting",
)


def test_every_published_behaviour_is_here() -> None:
    assert set(CHECKS) == set(rsnn.Izhikevich.published)
    assert len(CHECKS) == 20


@pytest.mark.parametrize("name", rsnn.Izhikevich.published)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_behaviour_of_izhikevich_is_what_its_name_says(name: str, dtype: Any) -> None:
    CHECKS[name](see(rsnn.Izhikevich, name, dtype))


@pytest.mark.parametrize("finer", [2, 5, 20])
@pytest.mark.parametrize("name", sorted(set(rsnn.Izhikevich.published) - set(OF_THE_STEP)))
def test_a_behaviour_holds_with_a_finer_step(name: str, finer: int) -> None:
    CHECKS[name](see(rsnn.Izhikevich, name, finer=finer))


@pytest.mark.parametrize("name", OF_THE_STEP)
def test_the_behaviours_that_belong_to_the_published_step_are_the_documented_ones(name: str) -> None:
    with pytest.raises(AssertionError):
        CHECKS[name](see(rsnn.Izhikevich, name, finer=20))


@pytest.mark.parametrize("name", rsnn.Izhikevich.published)
def test_the_spikes_are_those_of_the_published_loop(name: str) -> None:
    neuron, stimulus, dt = rsnn.Izhikevich.named(name)
    drift = name == "accommodation"
    v = neuron.v_init
    u, spikes = -16.0 if drift else neuron.b * v, []
    linear, constant = (4.1, 108.0) if name in ("class_1", "integrator") else (5.0, 140.0)
    for current in stimulus:
        v = v + dt * (0.04 * v**2 + linear * v + constant - u + current)
        u = u + dt * neuron.a * (neuron.b * (v + 65) if drift else neuron.b * v - u)
        spikes.append(float(v > 30))
        if v > 30:
            v, u = neuron.c, u + neuron.d
    assert rsnn.simulate(neuron, stimulus).spikes.tolist() == spikes


def test_class_1_fires_as_slowly_as_one_likes_and_class_2_does_not() -> None:
    slowest = {}
    for name, currents in (("class_1", np.linspace(2.0, 3.0, 101)), ("class_2", np.linspace(0.0, 1.0, 101))):
        neuron, _, dt = rsnn.Izhikevich.named(name)
        steps = round(2000 / dt)
        rates = rsnn.simulate(neuron, np.broadcast_to(currents, (steps, 101)).copy()).spikes[steps // 2 :].sum(0)
        assert rates[0] == 0
        assert rates[-1] > 0
        slowest[name] = rates[rates > 0].min()
    assert slowest["class_1"] <= 2
    assert slowest["class_2"] >= 20


def test_one_pulse_alone_fires_neither_the_resonator_nor_the_integrator() -> None:
    for name, start in (("resonator", 50.0), ("integrator", 13.0)):
        neuron, stimulus, dt = rsnn.Izhikevich.named(name)
        alone = np.where(np.arange(len(stimulus)) * dt < start, stimulus, 0.0)
        assert alone.max() > 0
        assert rsnn.simulate(neuron, alone).spikes.sum() == 0


def test_a_rebound_needs_its_inhibition() -> None:
    for name in ("rebound_spike", "rebound_burst"):
        neuron, stimulus, _ = rsnn.Izhikevich.named(name)
        assert rsnn.simulate(neuron, np.zeros_like(stimulus)).spikes.sum() == 0


PATTERNS: dict[str, Callable[[Seen], None]] = {}


def pattern(check: Callable[[Seen], None]) -> Callable[[Seen], None]:
    PATTERNS[check.__name__.removeprefix("adex_")] = check
    return check


@pattern
def adex_tonic_spiking(seen: Seen) -> None:
    # Equal intervals, nearly so from the first on.
    np.testing.assert_allclose(seen.intervals, seen.intervals[-1], rtol=0.08)
    np.testing.assert_allclose(seen.intervals[8:], seen.intervals[-1], rtol=0.011)
    assert seen.t[-1] - seen.at[-1] < seen.intervals[-1] + 0.1


@pattern
def adaptation(seen: Seen) -> None:
    # Intervals that grow to a steady one.
    assert (np.diff(seen.intervals) > 0).all()
    assert seen.intervals[-1] > 5 * seen.intervals[0]
    np.testing.assert_allclose(seen.intervals[-1], seen.intervals[-2], rtol=0.02)


@pattern
def initial_burst(seen: Seen) -> None:
    # A burst, and then single spikes at equal intervals.
    first, *later = seen.bursts(20.0)
    assert len(first) == 3
    assert len(later) >= 5
    assert all(len(one) == 1 for one in later)
    np.testing.assert_allclose(seen.intervals[4:], seen.intervals[-1], rtol=0.01)


@pattern
def regular_bursting(seen: Seen) -> None:
    # Bursts without end, at equal intervals.
    bursts = seen.bursts(20.0)
    assert len(bursts) == 4
    assert all(len(burst) == 2 for burst in bursts[1:])
    periods = np.diff([burst[0] for burst in bursts[1:]])
    np.testing.assert_allclose(periods, periods[0], rtol=0.01)


@pattern
def delayed_accelerating(seen: Seen) -> None:
    # The first spike comes late, the others ever faster.
    assert seen.at[0] - 20.0 > 1.5 * seen.intervals[0]
    assert (np.diff(seen.intervals) < 0.11).all()  # the step is 0.1 ms
    assert seen.intervals[-1] < 0.65 * seen.intervals[0]


@pattern
def delayed_regular_bursting(seen: Seen) -> None:
    # The first spike comes late; then bursts without end.
    bursts = seen.bursts(20.0)
    assert len(bursts) >= 5
    assert all(len(burst) >= 3 for burst in bursts[:-1])
    assert bursts[0][0] - 20.0 > 3 * max(np.diff(burst).max() for burst in bursts[:-1])
    np.testing.assert_allclose(np.diff([burst[0] for burst in bursts]), 70.0, rtol=0.06)


@pattern
def transient_spiking(seen: Seen) -> None:
    # Spikes at the onset alone, though the current goes on.
    assert 1 <= len(seen.at) <= 5
    assert seen.at[-1] < 70.0
    assert seen.current[-1] > 0
    assert np.ptp(seen.v[-1000:]) < 0.1


@pattern
def irregular_spiking(seen: Seen) -> None:
    # Intervals without a period.
    later = seen.intervals[5:]
    assert len(later) >= 15
    assert later.std() / later.mean() > 0.4
    for period in range(1, 8):
        assert np.abs(later[period:] - later[:-period]).max() > 0.2 * later.mean()


def test_every_published_pattern_is_here() -> None:
    assert set(PATTERNS) == set(rsnn.AdEx.published)
    assert len(PATTERNS) == 8


@pytest.mark.parametrize("name", rsnn.AdEx.published)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_firing_pattern_of_adex_is_what_its_name_says(name: str, dtype: Any) -> None:
    PATTERNS[name](see(rsnn.AdEx, name, dtype))


@pytest.mark.parametrize("name", sorted(set(rsnn.AdEx.published) - {"regular_bursting", "delayed_regular_bursting"}))
def test_a_firing_pattern_holds_with_a_finer_step(name: str) -> None:
    PATTERNS[name](see(rsnn.AdEx, name, finer=5))


def test_irregular_spiking_forgets_and_tonic_spiking_does_not() -> None:
    # A millionth more current leaves a regular neuron its spikes and takes a chaotic one its future.
    same = {}
    for name in ("tonic_spiking", "irregular_spiking"):
        neuron, stimulus, _ = rsnn.AdEx.named(name)
        one, other = (rsnn.simulate(neuron, factor * stimulus).spikes.nonzero()[0] for factor in (1.0, 1.000001))
        few = min(len(one), len(other))
        same[name] = np.abs(one[:few] - other[:few])
    assert same["tonic_spiking"].max() <= 1
    assert same["irregular_spiking"][:5].max() <= 1
    assert same["irregular_spiking"][-5:].max() > 50


def test_adex_named_has_the_published_numbers() -> None:
    neuron, stimulus, dt = rsnn.AdEx.named("initial_burst")
    assert (neuron.tau_mem, neuron.couple, neuron.inc, neuron.r) == (130 / 18, 4 / 18, 120 / 18, 1 / 18)
    assert (neuron.v_leak, neuron.v_rheobase, neuron.delta_t, neuron.v_reset, neuron.v_threshold) == (-58.0, -50.0, 2.0, -50.0, 0.0)
    assert (dt, len(stimulus)) == (0.1, 5201)
    assert stimulus[:201].max() == 0
    assert stimulus[201:].min() == stimulus.max() == 400.0


@pytest.mark.parametrize("kind", [rsnn.Izhikevich, rsnn.AdEx])
def test_another_name_is_refused_with_all_there_are(kind: Any) -> None:
    with pytest.raises(rsnn.InvalidValueError, match=r"'tonic'.*tonic_spiking"):
        kind.named("tonic")
    with pytest.raises(rsnn.InvalidTypeError, match="name"):
        kind.named(3)

"""The named neurons beyond LI, LIF and IAF: the engine equals the reference, and each does what the textbook says of it."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from named_strategies import BEYOND, named
from strategies import FLOATS, SIZES, STEPS, values

import rsnn
from rsnn import _rsnn, reference

NORSE = Path(__file__).parent / "data" / "golden" / "float" / "norse_forward.npz"


@st.composite
def runs(draw: Any) -> tuple[Any, Any]:
    """A neuron, and data for it."""
    n = draw(SIZES)
    neuron, shape = draw(named(n)), (draw(STEPS), n)
    return neuron, values(draw(st.integers(0, 2**32 - 1)), shape, draw(FLOATS), wild=draw(st.booleans()))


@settings(deadline=None, max_examples=300)
@given(runs())
def test_native_equals_the_reference(run: Any) -> None:
    neuron, x = run
    names = (*neuron.kernel().states, "u")
    output, state, traces = reference.simulate(neuron, x, record=names)
    got = rsnn.simulate(neuron, x, record=names)
    np.testing.assert_array_equal(got.output, output)
    for name in names:
        np.testing.assert_array_equal(got.traces[name], traces[name], err_msg=name)
    for one, other in zip(got.state, state, strict=True):
        np.testing.assert_array_equal(one, other)


@given(named(3), st.data())
def test_a_named_neuron_is_data(neuron: Any, more: Any) -> None:
    for other in (
        neuron.stages,
        pickle.loads(pickle.dumps(neuron)),
        copy.deepcopy(neuron),
        dataclasses.replace(neuron),
        neuron.replace(**neuron.parameters),
        neuron.stages.replace(**neuron.parameters),
        eval(repr(neuron), {name: getattr(rsnn, name) for name in rsnn.__all__}),
    ):
        assert other == neuron
        assert hash(other) == hash(neuron)
    learned = more.draw(st.sets(st.sampled_from(sorted(neuron.parameters))))
    kernel = neuron.kernel(learned)
    assert _rsnn.describe(kernel.spec) == (list(kernel.states), list(kernel.coefficients))
    assert neuron.ranges.keys() == neuron.parameters.keys()
    for name, value in neuron.parameters.items():
        low, high = neuron.ranges[name]
        assert ((low <= value) & (value <= high)).all()


@pytest.mark.parametrize("kind", BEYOND)
def test_every_named_neuron_runs_in_one_call_with_its_own_arguments(kind: Any) -> None:
    call = getattr(rsnn, kind.__name__.lower())
    x = np.random.default_rng(0).normal(0.0, 3.0, (50, 4))
    np.testing.assert_array_equal(call(x, dt=1.0).spikes, rsnn.simulate(kind(dt=1.0), x).spikes)
    assert list(inspect.signature(kind).parameters) == [
        name for name in inspect.signature(call).parameters if name in inspect.signature(kind).parameters
    ]


@pytest.mark.parametrize("kind", BEYOND)
def test_every_argument_is_in_the_docstring(kind: Any) -> None:
    for name in inspect.signature(kind).parameters:
        assert name in kind.__doc__.split("Raises")[0].split("Parameters")[1], name


def times(neuron: Any, x: float, steps: int) -> Any:
    """The times of the spikes at a constant input."""
    return rsnn.simulate(neuron, x, steps=steps).spikes.nonzero()[0] * neuron.dt


def test_the_rate_of_alif_falls_to_where_threshold_and_rate_agree() -> None:
    neuron = rsnn.ALIF(20.0, tau_adapt=200.0, adapt_scale=5.0)
    out = rsnn.simulate(neuron, 3.0, steps=4000, record=("a",))
    intervals = np.diff(out.spikes.nonzero()[0])
    assert intervals[-20:].mean() > 1.4 * intervals[:3].mean()
    # Intervals are whole numbers, so their running mean over ten jumps by tenths: it rises, and then stays.
    running = np.convolve(intervals, np.full(10, 0.1), "valid")
    assert (np.diff(running[:20]) > -0.15).all()
    np.testing.assert_allclose(running[-100:], intervals[-100:].mean(), rtol=0.03)
    # `a` is an average of the spikes.
    np.testing.assert_allclose(out.a[3000:].mean(), out.spikes[3000:].mean(), rtol=0.02)


def test_alif_with_a_threshold_that_stays_is_lif() -> None:
    x = np.random.default_rng(1).normal(0.5, 2.0, (500, 7))
    cases: list[dict[str, Any]] = [{}, {"reset": "zero"}, {"fire": "multi"}, {"tau_syn": 3.0, "refractory": 2.0}]
    for options in cases:
        alif = rsnn.simulate(rsnn.ALIF(**options, adapt_scale=0.0), x, record=("v",))
        lif = rsnn.simulate(rsnn.LIF(**options), x, record=("v",))
        np.testing.assert_array_equal(alif.spikes, lif.spikes)
        np.testing.assert_array_equal(alif.v, lif.v)


@pytest.mark.parametrize(("rise", "decay"), [(2.0, 10.0), (1.0, 3.0), (4.9, 5.0)])
def test_the_current_of_alpha_peaks_at_one_at_the_analytic_time(rise: float, decay: float) -> None:
    dt = 0.01
    x = np.zeros(3000)
    x[0] = 1.0
    neuron = rsnn.Alpha(rise, decay, beta=0.0, dt=dt, v_threshold=9.0, reset="none")
    current = rsnn.simulate(neuron, x, record=("v",)).v
    peak = np.log(decay / rise) * decay * rise / (decay - rise)
    assert abs(current.argmax() * dt - peak) <= dt
    assert current.max() == pytest.approx(1.0, abs=1e-5)
    t = np.arange(3000) * dt
    if decay - rise < 0.2:  # nearly the alpha function
        np.testing.assert_allclose(current, t / 5.0 * np.exp(1.0 - t / 5.0), atol=0.01)


def test_eif_fires_above_its_rheobase_alone() -> None:
    rheobase = -59.9 + 65.0 - 3.48
    below, above = (times(rsnn.EIF(dt=0.1), rheobase + more, 20000) for more in (-0.01, 0.01))
    assert len(below) == 0
    assert len(above) > 0
    # Below it the membrane stands where leak and exponential cancel.
    v = rsnn.simulate(rsnn.EIF(dt=0.1), np.full(20000, 1.0)).state.v
    assert -65.0 - v + 3.48 * np.exp((v + 59.9) / 3.48) + 1.0 == pytest.approx(0.0, abs=1e-9)


def test_eif_becomes_lif_where_its_onset_is_infinitely_sharp() -> None:
    eif = rsnn.EIF(10.0, dt=0.01, delta_t=1e-3, v_rheobase=-55.0, v_threshold=-54.0, v_reset=-65.0)
    # A leaky integrator held at 15 mV above rest reaches 10 mV above it after tau ln 3.
    np.testing.assert_allclose(np.diff(times(eif, 15.0, 10000)), 10.0 * np.log(3.0), rtol=0.01)


def test_qif_takes_the_analytic_time_from_reset_to_cut_off() -> None:
    a0, low, high, current = 0.5, -1.0, 1.0, 2.0
    neuron = rsnn.QIF(10.0, dt=0.001, a0=a0, v_leak=low, v_crit=high, v_reset=-20.0, v_threshold=20.0)
    # tau dv/dt = a0 (v - m)^2 + j
    middle, j = (low + high) / 2, current - a0 * (high - low) ** 2 / 4
    root = np.sqrt(a0 / j)
    time = 10.0 / np.sqrt(a0 * j) * (np.arctan(root * (20.0 - middle)) - np.arctan(root * (-20.0 - middle)))
    np.testing.assert_allclose(np.diff(times(neuron, current, 100000)), time, rtol=2e-3)
    # From minus infinity to infinity it would take pi tau / sqrt(a0 j): the cut-off hardly matters.
    assert time == pytest.approx(np.pi * 10.0 / np.sqrt(a0 * j), rel=0.06)


def test_qif_fires_above_its_rheobase_alone_and_is_bistable_below() -> None:
    neuron = rsnn.QIF(dt=0.1)
    assert len(times(neuron, 0.159, 50000)) == 0
    assert len(times(neuron, 0.161, 50000)) > 0
    silent = np.zeros((20000, 2))
    out = rsnn.simulate(neuron, silent, neuron.init_state(2, np.float64, v=[0.79, 0.81]))
    assert out.spikes.sum(0).tolist() == [0.0, 1.0]


def test_adex_without_adaptation_is_eif() -> None:
    same = {"dt": 0.1, "v_leak": -65.0, "delta_t": 3.48, "v_rheobase": -59.9, "v_threshold": -30.0, "v_reset": -68.0, "r": 1.0}
    x = np.random.default_rng(2).normal(4.0, 20.0, (2000, 5))
    adex = rsnn.simulate(rsnn.AdEx(10.0, couple=0.0, inc=0.0, **same), x, record=("v",))
    eif = rsnn.simulate(rsnn.EIF(10.0, dt=0.1), x, record=("v",))
    assert eif.spikes.sum() > 10
    np.testing.assert_array_equal(adex.v, eif.v)


def test_adex_rests_where_its_adaptation_follows_the_membrane() -> None:
    neuron = rsnn.AdEx(dt=0.1)
    state = rsnn.simulate(neuron, np.full(30000, 300.0)).state
    assert state.a == pytest.approx(4.0 / 30.0 * (state.v + 70.6), abs=1e-9)
    # C dV/dt = 0 in the published units: nS mV = pA.
    published = -30.0 * (state.v + 70.6) + 30.0 * 2.0 * np.exp((state.v + 50.4) / 2.0) + 300.0 - 30.0 * state.a
    assert published == pytest.approx(0.0, abs=1e-6)


def test_every_spike_of_adex_raises_its_adaptation_by_inc() -> None:
    neuron = rsnn.AdEx(dt=0.1, couple=0.0, tau_adapt=1e9)
    out = rsnn.simulate(neuron, np.full(2000, 1000.0), record=("a",))
    assert out.spikes.sum() >= 3
    np.testing.assert_allclose(out.a, out.spikes.cumsum() * 80.5 / 30.0, rtol=1e-5)


def test_izhikevich_rests_at_the_root_of_its_equations() -> None:
    neuron = rsnn.Izhikevich(v_init=-70.0, dt=0.25)
    assert neuron.init_state((), np.float64)._asdict() == {"v": -70.0, "w": -14.0}
    state = rsnn.simulate(neuron, np.zeros(4000)).state
    assert (state.v, state.w) == pytest.approx((-70.0, -14.0))


def norse() -> list[dict[str, Any]]:
    """Norse's IzhikevichCell, as recorded."""
    with np.load(NORSE) as held:
        numbers = sorted({key.split("/")[1] for key in held})
        found = [n for n in numbers if json.loads(str(held[f"case/{n}/meta"])).get("class") == "IzhikevichCell"]
        return [{key.split("/")[2]: held[key] for key in held if key.split("/")[1] == n} for n in found]


def test_there_are_enough_cases_of_norse() -> None:
    assert len(norse()) >= 16


@pytest.mark.parametrize("number", range(16))
def test_izhikevich_with_a_carried_recovery_equals_norse(number: int) -> None:
    case = norse()[number]
    numbers = {name: float(case[name]) for name in ("a", "b", "c", "d", "sq", "mn")} | {"const": float(case["bias"])}
    dt = float(case["tau_inv"]) * float(case["dt"])
    neuron = rsnn.Izhikevich(**numbers, v_threshold=float(case["v_th"]), dt=dt, recovery="carried")
    start = neuron.init_state(case["x"].shape[1:], v=case["state0_v"], w=case["state0_u"])
    out = rsnn.simulate(neuron, case["x"], start, record=("v", "w"))
    np.testing.assert_array_equal(out.spikes, case["out_spikes"])
    np.testing.assert_array_equal(out.v, case["out_v"])
    np.testing.assert_array_equal(out.w, case["out_u"])


def test_the_published_behaviours_have_the_parameters_that_norse_gives_its_own() -> None:
    names = {"a": "a", "b": "b", "c": "c", "d": "d", "sq": "sq", "mn": "mn", "const": "bias"}
    ours = {tuple(getattr(rsnn.Izhikevich.named(name)[0], own) for own in names) for name in rsnn.Izhikevich.published}
    assert {tuple(float(case[theirs]) for theirs in names.values()) for case in norse()} <= ours


def test_glif3_without_after_spike_currents_is_lif() -> None:
    x = np.random.default_rng(3).normal(200.0, 400.0, (500, 6))
    same = {"v_leak": -78.85, "v_threshold": -51.68, "v_reset": -78.85, "r": 1 / 9.43, "refractory": 4.0}
    glif = rsnn.simulate(rsnn.GLIF3(6.0, jump_1=0.0, jump_2=0.0, **same), x, record=("v",))
    lif = rsnn.simulate(rsnn.LIF(6.0, reset="value", **same), x, record=("v",))
    assert lif.spikes.sum() > 10
    np.testing.assert_array_equal(glif.spikes, lif.spikes)
    np.testing.assert_array_equal(glif.v, lif.v)


def test_the_after_spike_currents_of_glif3_jump_keep_hold_and_decay() -> None:
    neuron = rsnn.GLIF3(tau_1=20.0, tau_2=5.0, jump_1=-3.0, jump_2=7.0, keep_1=0.5, keep_2=0.25, refractory=2.0)
    x = np.zeros(12)
    x[[0, 6]] = 1e5
    out = rsnn.simulate(neuron, x, record=("a", "w"))
    assert out.spikes.nonzero()[0].tolist() == [0, 6]
    for trace, tau, jump, keep in ((out.a, 20.0, -3.0, 0.5), (out.w, 5.0, 7.0, 0.25)):
        decay = np.exp(-1.0 / tau)
        second = jump + keep * jump * decay**4
        np.testing.assert_allclose(trace[:6], jump * decay ** np.array([0, 0, 0, 1, 2, 3]), rtol=1e-14)
        np.testing.assert_allclose(trace[6:], second * decay ** np.array([0, 0, 0, 1, 2, 3]), rtol=1e-14)


def test_the_after_spike_currents_of_glif3_slow_it_down() -> None:
    intervals = np.diff(times(rsnn.GLIF3(dt=0.25, refractory=3.75), 500.0, 4000))
    assert intervals[-1] > 1.2 * intervals[0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: rsnn.ALIF(reset_timing="next"), "reset_timing='same'"),
        (lambda: rsnn.ALIF(tau_adapt=0.0), "tau_adapt=0"),
        (lambda: rsnn.ALIF(beta=0.5, tau_mem=3.0), "exactly one of tau_mem"),
        (lambda: rsnn.Alpha(10.0, 2.0), "tau_rise=10"),
        (lambda: rsnn.Alpha(2.0, 2.0), "must be shorter"),
        (lambda: rsnn.EIF(0.5), "tau_mem=0.5.*smaller dt"),
        (lambda: rsnn.EIF(delta_t=0.0), "delta_t=0"),
        (lambda: rsnn.QIF(v_crit=np.nan), "v_crit=nan"),
        (lambda: rsnn.AdEx(tau_adapt=-1.0), "tau_adapt=-1"),
        (lambda: rsnn.AdEx(refractory=0.5), "whole multiple"),
        (lambda: rsnn.Izhikevich(recovery="drift"), "give v_leak="),
        (lambda: rsnn.Izhikevich(v_leak=-65.0), "recovery='drift'"),
        (lambda: rsnn.Izhikevich(recovery="after"), "'after'.*updated"),
        (lambda: rsnn.GLIF3(keep_1=1.5), "keep_1=1.5"),
        (lambda: rsnn.GLIF3(dt=0.3), "whole multiple"),
        (lambda: rsnn.GLIF3(tau_1=[1.0, 2.0], tau_2=[1.0, 2.0, 3.0]), "do not broadcast"),
    ],
)
def test_what_makes_no_neuron_is_refused_with_the_cure(make: Any, says: str) -> None:
    with pytest.raises(rsnn.InvalidValueError, match=says):
        make()


@pytest.mark.parametrize("kind", BEYOND)
def test_a_number_of_another_type_is_refused(kind: Any) -> None:
    name = next(iter(kind().parameters))
    with pytest.raises(rsnn.InvalidTypeError, match=name):
        kind(**{name: "fast"})

"""Every stage, in every combination that is accepted: the engine equals the reference bit for bit."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_strategies import every, general, integers
from strategies import FLOATS, SIZES, STEPS, neurons, values

import rsnn
from rsnn import _rsnn, reference, stages
from rsnn.stages import COEFFICIENTS
from rsnn.state import ORDER


@st.composite
def runs(draw: Any) -> tuple[Any, Any, tuple[str, ...]]:
    """A neuron, data for it, and what to record."""
    n = draw(SIZES)
    neuron = draw(every(n))
    shape = (draw(STEPS), n) if draw(st.booleans()) else (draw(st.sampled_from([1, 5, 33])), 2, n)
    x = values(draw(st.integers(0, 2**32 - 1)), shape, draw(FLOATS), wild=draw(st.booleans()))
    return neuron, x, (*neuron.kernel().states, "u")


def equal(got: Any, wanted: Any) -> None:
    output, state, traces = wanted
    np.testing.assert_array_equal(got[0], output)
    for name in traces:
        np.testing.assert_array_equal(got[2][name], traces[name], err_msg=name)
    for name, one, other in zip(state._fields, got[1], state, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)


@settings(deadline=None, max_examples=400)
@given(runs())
def test_native_equals_the_reference(run: Any) -> None:
    neuron, x, names = run
    got = rsnn.simulate(neuron, x, record=names)
    equal((got.output, got.state, got.traces), reference.simulate(neuron, x, record=names))


def scan(neuron: Any, x: Any, level: str, weights: Any = None) -> Any:
    """Run the engine on (T, n) by itself."""
    recurrent = weights is not None
    kernel = neuron.kernel(recurrent=recurrent)
    names = (*kernel.states, "u")
    n = x.shape[1]
    table = neuron.table(x.dtype, (n,)) if x.size else np.zeros((len(kernel.coefficients), 1), x.dtype)
    state = np.stack([np.asarray(one)[None] for one in neuron.init_state(n, x.dtype, recurrent=recurrent)])
    traces = {name: np.empty((1, *x.shape), x.dtype) for name in names}
    output = np.empty((1, *x.shape), x.dtype)
    extra: dict[str, Any] = {}
    if recurrent:
        weight, bias = weights
        extra["recurrent"] = (np.ascontiguousarray(weight.T), bias)
    if neuron.inhibition:
        extra["group"] = n
    _rsnn.scan(kernel.spec, x[None], table, state, output, record=list(traces.items()), level=level, **extra)
    fields = reference.make_state(kernel.states, state[:, 0])
    return output[0], fields, {name: trace[0] for name, trace in traces.items()}


@settings(deadline=None, max_examples=150)
@given(runs())
def test_every_instruction_set_equals_the_reference(run: Any) -> None:
    neuron, x, names = run
    x = x if x.ndim == 2 else np.ascontiguousarray(x[:, 0])
    wanted = reference.simulate(neuron, x, record=names)
    for level in _rsnn.levels():
        equal(scan(neuron, x, level), wanted)


@settings(deadline=None, max_examples=150)
@given(st.data(), st.sampled_from([1, 2, 3, 17, 33]), st.sampled_from([1, 2, 33]), FLOATS, st.booleans(), st.booleans())
def test_recurrent_neurons_equal_the_reference(more: Any, n: int, steps: int, dtype: Any, full: bool, biased: bool) -> None:
    neuron = more.draw(general(n, recurrent=True))
    seed = more.draw(st.integers(0, 2**32 - 1))
    x = values(seed, (steps, n), dtype, wild=more.draw(st.booleans()))
    weight = integers(seed, (n, n) if full else (n,), dtype)
    bias = integers(seed + 1, (n,), dtype) if biased else None
    names = (*neuron.kernel(recurrent=True).states, "u")
    wanted = reference.simulate(neuron, x, record=names, recurrent=(weight, bias))
    for level in _rsnn.levels():
        equal(scan(neuron, x, level, (weight, bias)), wanted)


@settings(deadline=None, max_examples=100)
@given(runs(), st.integers(0, 33))
def test_a_run_in_pieces_equals_the_whole(run: Any, cut: int) -> None:
    neuron, x, names = run
    whole = rsnn.simulate(neuron, x, record=names)
    first = rsnn.simulate(neuron, x[:cut], record=names)
    second = rsnn.simulate(neuron, x[cut:], first.state, record=names)
    np.testing.assert_array_equal(np.concatenate([first.output, second.output]), whole.output)
    for name in names:
        np.testing.assert_array_equal(np.concatenate([first.traces[name], second.traces[name]]), whole.traces[name])


@given(st.one_of(neurons(3), every(3)), st.data())
def test_the_engine_agrees_on_states_and_coefficients(neuron: Any, more: Any) -> None:
    learned = more.draw(st.sets(st.sampled_from(sorted(neuron.parameters))))
    kernel = neuron.kernel(learned)
    states, coefficients = _rsnn.describe(kernel.spec)
    assert (tuple(states), tuple(coefficients)) == (kernel.states, kernel.coefficients)
    assert set(kernel.coefficients) <= set(neuron.coefficients())
    assert reference.Stepper(kernel.spec, neuron.coefficients()).states == kernel.states


@given(general(3, recurrent=True))
def test_a_recurrent_neuron_keeps_its_last_spikes(neuron: Any) -> None:
    kernel = neuron.kernel(recurrent=True)
    assert list(kernel.states) == _rsnn.describe(kernel.spec)[0]
    assert kernel.states == (*neuron.kernel().states, "s")
    assert neuron.init_state(3, recurrent=True)._fields == kernel.states


@given(every(3))
def test_a_neuron_is_equal_to_every_copy(neuron: Any) -> None:
    for other in (pickle.loads(pickle.dumps(neuron)), copy.deepcopy(neuron), neuron.replace(**neuron.parameters)):
        assert other == neuron
        assert hash(other) == hash(neuron)
        assert other.kernel() == neuron.kernel()


@given(every(3))
def test_a_repr_without_large_arrays_is_the_neuron(neuron: Any) -> None:
    assert eval(repr(neuron), {"Neuron": rsnn.Neuron} | vars(stages)) == neuron


@given(every(3))
def test_every_parameter_is_within_its_range(neuron: Any) -> None:
    assert neuron.ranges.keys() == neuron.parameters.keys()
    for name, value in neuron.parameters.items():
        low, high = neuron.ranges[name]
        assert np.all((low <= value) & (value <= high))


def test_the_order_of_states_and_coefficients_is_that_of_the_engine() -> None:
    assert len(set(COEFFICIENTS)) == len(COEFFICIENTS)
    assert ORDER == ("v", "i", "h", "a", "w", "rest", "s")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_exponential_is_within_two_units_in_the_last_place(dtype: Any) -> None:
    limit = 80.0 if dtype is np.float32 else 700.0
    x = np.linspace(-limit, limit, 200_001).astype(dtype)
    wanted = np.exp(x.astype(np.longdouble))
    unit = np.spacing(wanted.astype(dtype))
    assert np.max(np.abs(reference.exp(x, np) - wanted) / unit) <= 2
    with np.errstate(over="ignore", under="ignore"):
        odd = reference.exp(np.array([0.0, -0.0, np.inf, -np.inf, 1e9, -1e9, np.nan], dtype), np)
    np.testing.assert_array_equal(odd, np.array([1.0, 1.0, np.inf, 0.0, np.inf, 0.0, np.nan], dtype))


def test_the_exponential_over_torch_has_the_same_bits() -> None:
    import torch

    for dtype in (np.float32, np.float64):
        x = values(0, (20_000,), dtype, wild=True) * 30
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(reference.exp(torch.tensor(x), torch).numpy(), reference.exp(x, np))


REFUSED = [
    (lambda s: rsnn.Neuron(membrane=s.Euler(), fire=s.Single()), "neither tau_mem= nor k="),
    (lambda s: rsnn.Neuron(membrane=s.Euler(tau_mem=0.5), fire=s.Single()), "overshoots"),
    (lambda s: rsnn.Neuron(membrane=s.Mul(w=1.0, k=0.5)), "exactly one of w= and k="),
    (lambda s: rsnn.Neuron(synapse=s.Dual(2.0, 10.0), membrane=s.Leaky(beta=0.5)), "must be shorter than tau_decay"),
    (lambda s: rsnn.Neuron(synapse=s.EulerCurrent(eta=0.5), membrane=s.Leaky(beta=0.5)), "eta=0.5: must be"),
    (lambda s: s.Exponential(2.0, order="jump"), "order='jump'"),
    (lambda s: s.Drop("same"), "reset_timing='same'"),
    (lambda s: rsnn.Neuron(membrane=s.Leaky(beta=0.5), adaptation=s.AdaptiveThreshold(10.0)), "never spikes"),
    (
        lambda s: rsnn.Neuron(membrane=s.Leaky(beta=0.5), adaptation=s.AdaptationCurrent(10.0), fire=s.Single()),
        "takes no adaptation current",
    ),
    (
        lambda s: rsnn.Neuron(membrane=s.Leaky(beta=0.5), adaptation=s.AdaptiveThreshold(10.0), fire=s.Single(), reset=s.Subtract("next")),
        "late reset",
    ),
    (lambda s: rsnn.Neuron(membrane=s.Leaky(beta=0.5), fire=s.Multi(), reset=s.Drop()), "several spikes"),
    (lambda s: rsnn.Neuron(membrane=s.Leaky(beta=0.5), fire=s.Single(), recurrence="late"), "recurrence='late'"),
    (lambda s: rsnn.Neuron(membrane=s.Leaky(beta=0.5), fire=s.Single(), v_start="v_reset"), "v_start='v_reset'"),
    (lambda s: rsnn.Neuron(membrane=s.Izhikevich(0.02), fire=s.Single(), reset=s.Subtract()), "is a whole neuron"),
    (lambda s: rsnn.Neuron(membrane=s.Izhikevich(0.02), fire=s.Single(), v_min=0.0), "is a whole neuron"),
    (lambda s: rsnn.Neuron(membrane=s.Single()), "membrane=Single\\(\\)"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_is_not_accepted_says_what_is(number: int) -> None:
    make, message = REFUSED[number]
    with pytest.raises(rsnn.InvalidValueError, match=message) if "Single" not in message else pytest.raises(rsnn.InvalidTypeError):
        make(stages)


def test_a_whole_neuron_fires_as_it_can() -> None:
    with pytest.raises(rsnn.InvalidTypeError, match="fire=Multi"):
        rsnn.Neuron(membrane=stages.Izhikevich(0.02), fire=stages.Multi())


# Worked out by hand ----------------------------------------------------------------------------------------------------------------


def test_a_double_exponential_current_peaks_at_one() -> None:
    neuron = rsnn.Neuron(synapse=stages.Dual(10.0, 2.0), membrane=stages.Leaky(beta=0.0), dt=0.001)
    x = np.zeros(30_000)
    x[0] = 1.0
    assert rsnn.simulate(neuron, x).output.max() == pytest.approx(1.0, rel=1e-6)


def test_an_adaptive_threshold_rises_with_the_average_of_the_spikes() -> None:
    neuron = rsnn.Neuron(
        membrane=stages.Integrator(),
        adaptation=stages.AdaptiveThreshold(rho=0.5, adapt_scale=2.0),
        fire=stages.Single(),
        reset=stages.Subtract(),
    )
    result = rsnn.simulate(neuron, np.array([1.0, 1.5, 0.5, 0.0]), record=("v", "a"))
    # theta 1: fires, a = 0.5; theta 2: 1.5 does not, a = 0.25; theta 1.5: 2.0 does and leaves 0.5
    assert result.spikes.tolist() == [1.0, 0.0, 1.0, 0.0]
    assert result.a.tolist() == [0.5, 0.25, 0.625, 0.3125]
    assert result.v.tolist() == [0.0, 1.5, 0.5, 0.5]


def test_a_relaxing_threshold_starts_at_rest_and_jumps() -> None:
    neuron = rsnn.Neuron(
        membrane=stages.Integrator(),
        adaptation=stages.RelaxingThreshold(couple=0.5, inc=2.0),
        fire=stages.Strict(),
        reset=stages.Blend(0.0),
    )
    result = rsnn.simulate(neuron, np.array([1.5, 1.5, 1.5]), record=("v", "a"))
    # 1.5 > 1 fires, a = 3; relaxes to 2: 1.5 does not; to 1.5: 3 fires
    assert result.spikes.tolist() == [1.0, 0.0, 1.0]
    assert result.a.tolist() == [3.0, 2.0, 3.5]


def test_currents_follow_the_membrane_before_or_after_the_step() -> None:
    def run(adaptation: Any, name: str) -> Any:
        neuron = rsnn.Neuron(membrane=stages.Euler(k=0.5), adaptation=adaptation, fire=stages.Single(), reset=stages.Blend(0.0))
        return rsnn.simulate(neuron, np.array([2.0, 0.0]), record=name).traces[name].tolist()

    # u = 1 fires. The current of the next step follows v = 0 carried in, or u = 1.
    assert run(stages.AdaptationCurrent(rho=0.5, couple=1.0, inc=0.25), "a") == [0.25, 0.125]
    assert run(stages.RecoveryCurrent(2.0, couple=1.0, inc=0.25), "w") == [0.75, 0.1875]


def test_the_help_of_a_neuron_names_every_stage_it_takes() -> None:
    kinds = (*stages.SYNAPSES, *stages.MEMBRANES, *stages.WHOLES, *stages.ADAPTATIONS, *stages.RESETS)
    said = str(rsnn.Neuron.__doc__)
    assert not [kind.__name__ for kind in kinds if f"`{kind.__name__}`" not in said and f"`rsnn.stages.{kind.__name__}`" not in said]


def test_izhikevich_by_hand() -> None:
    neuron = rsnn.Neuron(membrane=stages.Izhikevich(0.02), fire=stages.Single(30.0))
    result = rsnn.simulate(neuron, np.array([0.0, 200.0]), record=("u", "v", "w"))
    # v = -65, w = -13: 0.04 4225 - 325 + 140 + 13 = -3; then v = -68
    assert result.u[0] == pytest.approx(-68.0, rel=1e-12)
    assert result.w[0] == pytest.approx(-13.0, rel=1e-12)
    assert result.u[1] == pytest.approx(-68 + 0.04 * 68**2 - 340 + 140 + 13 + 200, rel=1e-12)
    assert (result.v[1], result.spikes.tolist()) == (-65.0 if result.u[1] >= 30 else result.u[1], [0.0, 1.0 if result.u[1] >= 30 else 0.0])

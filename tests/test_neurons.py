"""Neurons are data: checked when they are made, equal by their stages, and known to the engines by their kernel."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import neurons

import rsnn
from rsnn import reference
from rsnn.arguments import LARGEST, SMALLEST
from rsnn.stages import Blend, Exponential, Integrator, Leaky, Multi, Single, Soft, Subtract, ToValue

ANY = neurons(3)


@given(ANY)
def test_a_neuron_is_equal_to_its_stages_and_to_every_copy(neuron: Any) -> None:
    for other in (
        neuron.stages,
        pickle.loads(pickle.dumps(neuron)),
        copy.deepcopy(neuron),
        copy.copy(neuron),
        dataclasses.replace(neuron),
        neuron.replace(**neuron.parameters),
        neuron.stages.replace(**neuron.parameters),
    ):
        assert other == neuron
        assert hash(other) == hash(neuron)
        assert other.kernel() == neuron.kernel()


@given(ANY, ANY)
def test_different_neurons_are_not_equal(one: Any, other: Any) -> None:
    same = one.kernel() == other.kernel() and all(
        np.array_equal(one.coefficients()[name], other.coefficients()[name]) for name in one.kernel().coefficients
    )
    assert (one != other) or same


@given(ANY)
def test_a_repr_without_large_arrays_is_the_neuron(neuron: Any) -> None:
    names = {
        name: getattr(rsnn.stages, name)
        for name in ("Leaky", "Integrator", "Exponential", "Single", "Multi", "Soft", "Subtract", "ToValue", "Blend")
    }
    for form in (neuron, neuron.stages):
        assert eval(repr(form), {"LI": rsnn.LI, "LIF": rsnn.LIF, "IAF": rsnn.IAF, "Neuron": rsnn.Neuron} | names) == neuron


@given(ANY)
def test_every_parameter_is_within_its_range(neuron: Any) -> None:
    assert neuron.ranges.keys() == neuron.parameters.keys()
    for name, value in neuron.parameters.items():
        low, high = neuron.ranges[name]
        assert ((low <= value) & (value <= high)).all()
        assert value.dtype == np.float64


@given(ANY, st.data())
def test_terms_of_learned_parameters_change_no_value(neuron: Any, more: Any) -> None:
    learned = more.draw(st.sets(st.sampled_from(sorted(neuron.parameters))))
    x = np.random.default_rng(0).normal(0, 1, (20, 3))
    outputs = []
    for kernel in (neuron.kernel(), neuron.kernel(learned)):
        values = neuron.coefficients()
        stepper = reference.Stepper(kernel.spec, {name: np.asarray(values[name]) for name in kernel.coefficients})
        with np.errstate(all="ignore"):
            outputs.append(reference.run(stepper, x, dict(zip(kernel.states, neuron.init_state(3, np.float64), strict=True)))[0])
    if (np.abs(neuron.parameters.get("v_leak", np.zeros(1))) < 1e10).all():
        np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("name", ["tau_mem", "beta", "tau_syn", "alpha"])
def test_a_neuron_remembers_what_was_given(name: str) -> None:
    other = {"tau_mem": "beta", "beta": "tau_mem", "tau_syn": "alpha", "alpha": "tau_syn"}[name]
    neuron = rsnn.LIF(**{name: 0.5})
    assert neuron.parameters[name] == 0.5
    assert other not in neuron.parameters
    assert (getattr(neuron, name), getattr(neuron, other)) == (0.5, None)


def test_the_default_tau_mem_gives_way_to_beta_and_contradicts_when_it_is_given() -> None:
    assert rsnn.LIF().tau_mem == 20.0
    assert rsnn.LIF(beta=0.5).tau_mem is None
    assert rsnn.LIF() == rsnn.LIF(20.0) == rsnn.LIF(tau_mem=20)
    with pytest.raises(rsnn.InvalidValueError, match="exactly one of tau_mem"):
        rsnn.LIF(20.0, beta=0.5)


def test_named_neurons_are_short_for_general_ones() -> None:
    assert rsnn.LI(5.0, tau_syn=2.0) == rsnn.Neuron(synapse=Exponential(2.0), membrane=Leaky(5.0))
    assert rsnn.LIF(beta=0.5) == rsnn.Neuron(membrane=Leaky(beta=0.5), fire=Single(), reset=Subtract())
    assert rsnn.LIF(beta=0.5, gain="unit") == rsnn.LIF(beta=0.5) != rsnn.LIF(beta=0.5, gain="leak")
    assert rsnn.IAF(bias=0.1, reset="zero", v_min=-1) == rsnn.Neuron(membrane=Integrator(0.1), fire=Multi(), reset=ToValue(0.0), v_min=-1.0)
    assert rsnn.LIF(reset="zero") == rsnn.LIF(reset="value", v_reset=0.0)
    assert rsnn.LIF(fire="single", beta=1.0) != rsnn.LIF(fire="multi", beta=1.0)


def test_arrays_are_the_neurons_own_and_cannot_be_written() -> None:
    beta = np.array([0.5, 0.25])
    neuron = rsnn.LIF(beta=beta)
    beta[0] = 0.0
    assert neuron == rsnn.LIF(beta=[0.5, 0.25])
    with pytest.raises(ValueError, match="read-only"):
        neuron.beta[0] = 0.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        neuron.beta = 0.5
    neuron.parameters["beta"][0] = 0.0
    assert neuron.beta[0] == 0.5
    assert not pickle.loads(pickle.dumps(neuron)).beta.flags.writeable


def test_signed_zero_and_the_type_of_a_number_do_not_tell_neurons_apart() -> None:
    assert rsnn.LIF(v_leak=-0.0) == rsnn.LIF(v_leak=np.float32(0)) == rsnn.LIF(v_leak=0) == rsnn.LIF(v_leak=np.array(0.0))
    assert hash(rsnn.LIF(v_leak=[-0.0])) == hash(rsnn.LIF(v_leak=[0.0]))


def test_coefficients_are_computed_in_float64() -> None:
    values = rsnn.LIF(tau_mem=3.0, tau_syn=7.0, dt=0.1, r=2.0).coefficients()
    assert values["beta"] == np.exp(-0.1 / 3.0)
    assert values["alpha"] == np.exp(-0.1 / 7.0)
    assert values["gain"] == 2.0 * (1.0 - np.exp(-0.1 / 3.0))


@pytest.mark.parametrize(
    ("neuron", "words"),
    [
        (rsnn.LI(beta=0.5), "membrane=leaky fire=none reset=none timing=same"),
        (rsnn.LIF(), "membrane=leaky+gain fire=single reset=subtract timing=same"),
        (rsnn.LIF(beta=0.5, v_leak=1, bias=1, r=2), "membrane=leaky+leak+bias+gain fire=single reset=subtract timing=same"),
        (rsnn.LIF(beta=0.5, reset_timing="next", refractory=2), "membrane=leaky fire=single reset=subtract timing=next refractory"),
        (rsnn.IAF(v_min=-1), "membrane=leaky fire=multi reset=subtract timing=same clip"),
        (rsnn.IAF(max_spikes=3, reset="none"), "membrane=leaky fire=capped reset=none timing=same"),
    ],
)
def test_a_spec_has_only_the_terms_that_change_something(neuron: Any, words: str) -> None:
    assert neuron.kernel().spec == "synapse=none " + words


def test_a_soft_neuron_exists_in_the_general_form_only() -> None:
    assert "fire=soft" in rsnn.Neuron(membrane=Leaky(beta=0.5), fire=Soft(), reset=Subtract()).kernel().spec
    with pytest.raises(rsnn.InvalidValueError):
        rsnn.LIF(fire="soft")


def test_replace_changes_parameters_and_nothing_else() -> None:
    neuron = rsnn.LIF(beta=0.5, reset="zero", v_min=-1.0)
    assert neuron.replace(v_reset=0.25, v_min=-2.0) == rsnn.LIF(beta=0.5, reset="value", v_reset=0.25, v_min=-2.0)
    assert isinstance(neuron.replace(beta=0.25), rsnn.LIF)
    with pytest.raises(rsnn.InvalidValueError, match=r"'tau_mem' is not one of .*'beta'"):
        neuron.replace(tau_mem=3.0)


def test_the_shape_of_a_neuron_is_that_of_its_parameters_together() -> None:
    assert rsnn.LIF().shape == ()
    assert rsnn.LIF(beta=[[0.1], [0.2]], v_threshold=[1, 2, 3], refractory=[0, 1, 2]).shape == (2, 3)


# First states ---------------------------------------------------------------------------------------------------------------------


def test_a_first_state_is_at_rest() -> None:
    state = rsnn.LIF(v_leak=[0.5, 0.25], alpha=0.5, refractory=1).init_state((3, 2))
    assert state._fields == ("v", "i", "rest")
    np.testing.assert_array_equal(state.v, [[0.5, 0.25]] * 3)
    assert state.i.any() == state.rest.any() == False  # noqa: E712
    assert {one.dtype for one in state} == {np.dtype(np.float32)}
    assert rsnn.IAF().init_state(2, np.float64).v.tolist() == [0.0, 0.0]
    assert rsnn.IAF().init_state(()).v.shape == ()


def test_a_first_state_takes_other_values() -> None:
    state = rsnn.LIF(alpha=0.5, refractory=3).init_state((2, 3), np.float64, v=[1, 2, 3], rest=2)
    assert (state.v.tolist(), state.rest.tolist()) == ([[1, 2, 3]] * 2, [[2] * 3] * 2)


def test_a_state_survives_pickle_and_deepcopy() -> None:
    state = rsnn.LIF(alpha=0.5).init_state(3, v=1.0)
    for other in (pickle.loads(pickle.dumps(state)), copy.deepcopy(state), state._replace(i=state.i)):
        assert type(other) is type(state)
        np.testing.assert_array_equal(other, state)


# Refusals: each names the argument, what came, and what to do ---------------------------------------------------------------------

VALUE, TYPE = rsnn.InvalidValueError, rsnn.InvalidTypeError
REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: rsnn.LIF(-1.0), VALUE, r"tau_mem=-1\.0: must be between"),
    (lambda: rsnn.LIF(0.0), VALUE, r"tau_mem=0\.0: .*rsnn\.IAF"),
    (lambda: rsnn.LIF(np.nan), VALUE, "tau_mem=nan: NaN and infinity"),
    (lambda: rsnn.LIF(np.inf), VALUE, "tau_mem=inf: NaN and infinity"),
    (lambda: rsnn.LIF(None), VALUE, "neither tau_mem= nor beta="),
    (lambda: rsnn.LIF([20.0, np.nan]), VALUE, "tau_mem.*NaN"),
    (lambda: rsnn.LIF("20"), TYPE, "tau_mem='20'.*real number"),
    (lambda: rsnn.LIF(True), TYPE, "tau_mem=True: bool"),
    (lambda: rsnn.LIF(1j), TYPE, "tau_mem=1j: complex128"),
    (lambda: rsnn.LIF([[1.0], [2.0, 3.0]]), TYPE, "tau_mem=.*cannot become a numpy array"),
    (lambda: rsnn.LIF(object()), TYPE, "tau_mem=<object"),
    (lambda: rsnn.LIF(np.ma.masked_array([1.0], [True])), TYPE, "tau_mem: a masked array"),
    (lambda: rsnn.LIF(10**400), TYPE, "tau_mem=1000"),
    (lambda: rsnn.LIF(tau_mem=0.5, discretization="euler"), VALUE, r"tau_mem=0\.5: must be between 1 and .*discretization='exact'"),
    (lambda: rsnn.LIF(beta=0.5, discretization="euler"), VALUE, "discretization='euler'.*give tau_mem="),
    (lambda: rsnn.LIF(discretization="heun"), VALUE, "discretization='heun': must be one of 'exact', 'euler'"),
    (lambda: rsnn.LIF(beta=1.5), VALUE, r"beta=1\.5: must be between 0 and 1"),
    (lambda: rsnn.LIF(beta=-0.1), VALUE, r"beta=-0\.1"),
    (lambda: rsnn.LIF(alpha=2), VALUE, r"alpha=2\.0: must be between 0 and 1"),
    (lambda: rsnn.LIF(alpha=0.5, tau_syn=2.0), VALUE, r"tau_syn=2\.0 and alpha=0\.5: give exactly one"),
    (lambda: rsnn.LIF(tau_syn=0.0), VALUE, r"tau_syn=0\.0: .*leave tau_syn="),
    (lambda: rsnn.LIF(dt=0.0), VALUE, r"dt=0\.0: must be positive"),
    (lambda: rsnn.LIF(dt=[1.0, 2.0]), VALUE, "dt=.*single number"),
    (lambda: rsnn.LIF(dt=None), TYPE, "dt=None"),
    (lambda: rsnn.LIF(v_threshold=0.0), VALUE, r"v_threshold=0\.0: must be positive"),
    (lambda: rsnn.LIF(v_threshold=-1.0, fire="multi", reset="zero"), VALUE, r"v_threshold=-1\.0: must be positive"),
    (lambda: rsnn.LIF(v_threshold=SMALLEST / 2), VALUE, "v_threshold=.*must be positive"),
    (lambda: rsnn.LIF(v_threshold=None), TYPE, "v_threshold=None"),
    (lambda: rsnn.LIF(v_leak=2 * LARGEST), VALUE, "v_leak=.*at most"),
    (lambda: rsnn.LIF(r=None), TYPE, "r=None"),
    (lambda: rsnn.LIF(gain="none"), VALUE, "gain='none': must be one of 'leak', 'unit'"),
    (lambda: rsnn.LIF(gain=1.0), TYPE, r"gain=1\.0: must be one of"),
    (lambda: rsnn.LIF(reset="substract"), VALUE, "reset='substract': .*did you mean 'subtract'"),
    (lambda: rsnn.LIF(reset="value"), VALUE, "reset='value': needs the value; give v_reset="),
    (lambda: rsnn.LIF(v_reset=0.0), VALUE, r"v_reset=0\.0: reset='subtract' does not use it; give reset='value'"),
    (lambda: rsnn.LIF(v_reset=0.0, reset="zero"), VALUE, r"v_reset=0\.0: reset='zero' does not use it"),
    (lambda: rsnn.LIF(reset_timing="later"), VALUE, "reset_timing='later': must be one of 'same', 'next', 'residual'"),
    (lambda: rsnn.LIF(reset="none", reset_timing="next"), VALUE, "reset_timing='next': reset='none' never resets"),
    (lambda: rsnn.LIF(reset="none", reset_timing="soon"), VALUE, "reset_timing='soon': must be one of"),
    (lambda: rsnn.LIF(reset="zero", reset_timing="residual", fire="multi"), VALUE, r"reset=ToValue\(timing='residual'\): .*fire='single'"),
    (lambda: rsnn.LIF(fire="double"), VALUE, "fire='double': must be one of 'single', 'multi'"),
    (lambda: rsnn.LIF(max_spikes=3), VALUE, "max_spikes=3: fire='single'.*give fire='multi'"),
    (lambda: rsnn.LIF(fire="multi", max_spikes=0), VALUE, r"max_spikes=0\.0: must be whole, from 1"),
    (lambda: rsnn.LIF(fire="multi", max_spikes=2.5), VALUE, r"max_spikes=2\.5: must be whole"),
    (lambda: rsnn.LIF(refractory=1.5), VALUE, r"refractory=1\.5: must be a whole multiple of dt=1.*nearest is 2"),
    (lambda: rsnn.LIF(refractory=0.25, dt=0.1), VALUE, r"refractory=0\.25: must be a whole multiple of dt=0\.1"),
    (lambda: rsnn.LIF(refractory=-1), VALUE, r"refractory=-1\.0"),
    (lambda: rsnn.LIF(refractory=1e9), VALUE, "refractory=.*16777216 steps"),
    (lambda: rsnn.LIF(v_min=np.nan), VALUE, "v_min=nan"),
    (lambda: rsnn.LIF(beta=[0.1, 0.2], v_threshold=[1, 2, 3]), VALUE, r"beta \(2,\), v_threshold \(3,\) do not broadcast together"),
    (lambda: rsnn.LIF(beta=np.linspace(2, 3, 100)), VALUE, r"beta=<array \(100,\), 2 to 3>"),
    (lambda: rsnn.IAF(v_threshold=0), VALUE, "v_threshold=0"),
    (lambda: rsnn.IAF(refractory=0.5), VALUE, "refractory=0.5"),
    (lambda: rsnn.IAF(fire="single", max_spikes=1), VALUE, "max_spikes=1"),
    (lambda: rsnn.LI(beta=0.5, tau_mem=3.0), VALUE, "exactly one of"),
    (lambda: rsnn.Neuron(membrane=None), TYPE, r"membrane=None: must be one of rsnn\.stages\.Leaky"),
    (lambda: rsnn.Neuron(membrane=Leaky(beta=0.5), fire="single"), TYPE, r"fire='single': must be one of rsnn\.stages\.Single.*None"),
    (lambda: rsnn.Neuron(membrane=Leaky(beta=0.5), reset=Subtract()), VALUE, "reset=Subtract.*never spikes"),
    (lambda: rsnn.Neuron(membrane=Leaky(beta=0.5), refractory=2.0), VALUE, r"refractory=2\.0: .*never spikes"),
    (lambda: rsnn.Neuron(membrane=Leaky(beta=0.5), fire=Multi(), reset=Blend()), VALUE, r"reset=Blend\(\): several spikes"),
    (lambda: Leaky(), VALUE, "neither tau_mem= nor beta="),
    (lambda: Subtract("never"), VALUE, "reset_timing='never'"),
    (lambda: rsnn.LIF().kernel(learn=("tau",)), VALUE, r"learn=\('tau',\): 'tau' is not one of .*did you mean 'tau_mem'"),
    (lambda: rsnn.LIF().kernel(learn=3), TYPE, "learn=3: must be a name"),
    (lambda: rsnn.LIF().coefficients({"beta": 0.5}), VALUE, "'beta' is not one of"),
    (lambda: rsnn.LIF().init_state(-1), VALUE, r"shape\[0\]=-1"),
    (lambda: rsnn.LIF().init_state(2.5), TYPE, r"shape=2\.5: must be an integer or a tuple"),
    (lambda: rsnn.LIF().init_state((2, True)), TYPE, r"shape\[1\]=True"),
    (lambda: rsnn.LIF().init_state(3, np.int32), TYPE, "dtype=int32: must be float32 or float64"),
    (lambda: rsnn.LIF().init_state(3, "nonsense"), TYPE, "dtype='nonsense'"),
    (lambda: rsnn.LIF().init_state(3, i=1.0), VALUE, r"i=1\.0: the state of this neuron has v"),
    (lambda: rsnn.LIF().init_state(3, v=[1, 2]), VALUE, r"v has shape \(2,\): it must broadcast to shape=\(3,\)"),
    (lambda: rsnn.LIF(v_leak=[1, 2]).init_state(3), VALUE, r"v_leak has shape \(2,\)"),
    (lambda: rsnn.LIF(refractory=2).init_state(3, rest=0.5), VALUE, r"rest=0\.5: must be whole"),
    (lambda: rsnn.surrogate.ATan(0.0), VALUE, r"alpha=0\.0: must be positive"),
    (lambda: rsnn.surrogate.FastSigmoid("steep"), TYPE, "slope='steep'"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_is_not_accepted_says_what_is(number: int) -> None:
    make, error, message = REFUSED[number]
    with pytest.raises(error, match=message):
        make()


def test_a_parameter_that_needs_a_gradient_is_refused_with_its_name() -> None:
    import torch

    assert rsnn.LIF(beta=torch.tensor(0.5)) == rsnn.LIF(beta=0.5)
    with pytest.raises(rsnn.InvalidTypeError, match=r"beta=.*detach"):
        rsnn.LIF(beta=torch.tensor(0.5, requires_grad=True))


# Surrogates -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("surrogate", "peak", "area"),
    [(rsnn.surrogate.ATan(), 1.0, 1.0), (rsnn.surrogate.ATan(5.0), 2.5, 1.0), (rsnn.surrogate.FastSigmoid(), 1.0, 2 / 25)],
)
def test_surrogates_have_their_peak_and_area(surrogate: Any, peak: float, area: float) -> None:
    y = np.linspace(-2000, 2000, 4_000_001)
    values = surrogate.numpy(y)
    assert values.max() == values[len(y) // 2] == peak
    assert np.trapezoid(values, y) == pytest.approx(area, rel=2e-3)
    np.testing.assert_array_equal(values, surrogate.numpy(-y))


def test_surrogates_equal_those_of_snntorch() -> None:
    import json
    from pathlib import Path

    checked = 0
    with np.load(Path(__file__).parent / "data" / "golden" / "float" / "surrogates.npz") as held:
        for key in held:
            if not key.endswith("/meta"):
                continue
            meta, prefix = json.loads(str(held[key])), key.removesuffix("meta")
            kinds = {"atan": rsnn.surrogate.ATan, "fast_sigmoid": rsnn.surrogate.FastSigmoid}
            if meta["library"] != "snntorch" or meta["name"] not in kinds:
                continue
            y, expected = held[prefix + "y"], held[prefix + "grad_y"]
            np.testing.assert_allclose(kinds[meta["name"]](*meta["params"].values()).numpy(y), expected, rtol=2e-6)
            checked += 1
    assert checked >= 2


def test_a_surrogate_is_a_value() -> None:
    assert rsnn.surrogate.ATan(2) == rsnn.surrogate.ATan() != rsnn.surrogate.ATan(3.0)
    assert pickle.loads(pickle.dumps(rsnn.surrogate.ATan(3.0))) == rsnn.surrogate.ATan(3.0)
    assert (rsnn.surrogate.FastSigmoid(5).form, rsnn.surrogate.FastSigmoid(5).numbers) == ("fast_sigmoid", (1.0, 5.0))
    assert rsnn.surrogate.ATan().numpy(np.zeros(2, np.float32)).dtype == np.float32

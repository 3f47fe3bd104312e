"""The neurons of other libraries: their names and defaults, their numbers, and what is refused. Their runs are in tests/golden."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from preset_strategies import NEEDED

import rsnn
from rsnn.presets import norse, sinabs, snntorch, spikingjelly

LIBRARIES = (norse, snntorch, sinabs, spikingjelly)
FUNCTIONS = [(library, name) for library in LIBRARIES for name in library.__all__]
STAGES = {"SingleSpike", "MultiSpike", "MaxSpike", "MembraneSubtract", "MembraneReset"}


def made(library: Any, name: str) -> rsnn.Neuron:
    make = getattr(library, name)
    neuron = make(**NEEDED.get(make, {}))
    assert isinstance(neuron, rsnn.Neuron)
    return neuron


@pytest.mark.parametrize(("library", "name"), [pair for pair in FUNCTIONS if pair[1] not in STAGES])
def test_a_preset_is_a_neuron_that_runs_and_learns(library: Any, name: str) -> None:
    neuron = made(library, name)
    assert pickle.loads(pickle.dumps(neuron)) == neuron == neuron.replace(**neuron.parameters)
    x = np.random.default_rng(0).normal(0.5, 1.0, (40, 3)).astype(np.float32) * (20 if "Izhikevich" in name or name == "LIFAdEx" else 2)
    output = rsnn.simulate(neuron, x).output
    assert np.isfinite(output).all()
    assert output.any()
    for parameter in neuron.parameters:
        learned = neuron.kernel(learn=(parameter,))
        moved = neuron.coefficients({parameter: np.full_like(neuron.parameters[parameter], np.nan)})
        assert any(np.isnan(moved[coefficient]).any() for coefficient in learned.coefficients), parameter


@pytest.mark.parametrize(("library", "name"), FUNCTIONS)
def test_every_preset_says_what_it_does(library: Any, name: str) -> None:
    function = getattr(library, name)
    assert all(part in function.__doc__ for part in ("Parameters\n", "Returns\n", "Examples\n", ">>> "))
    if name not in STAGES:
        assert "One step" in function.__doc__ or "A step of" in function.__doc__
    for parameter in inspect.signature(function).parameters:
        assert parameter in function.__doc__


def test_presets_are_imported_when_used() -> None:
    code = (
        "import rsnn, sys; assert not any('presets' in m for m in sys.modules); rsnn.presets.norse.LIF(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="it has norse, sinabs, snntorch, spikingjelly"):
        rsnn.presets.brian  # noqa: B018


DEFAULTS = {
    norse.LIF: {"tau_syn_inv": 200.0, "tau_mem_inv": 100.0, "v_leak": 0.0, "v_th": 1.0, "v_reset": 0.0, "dt": 0.001},
    norse.LSNN: {"tau_adapt_inv": 1 / 800, "beta": 1.8},
    norse.LIFAdEx: {"adaptation_current": 4.0, "adaptation_spike": 0.02, "delta_T": 0.5, "tau_ada_inv": 2.0},
    norse.LIFRefrac: {"rho_reset": 5.0},
    norse.CobaLIF: {"c_m_inv": 5.0, "g_l": 0.25, "e_rev_I": -100.0, "e_rev_E": 60.0, "v_rest": -20.0, "v_reset": -70.0, "v_thresh": -10.0},
    norse.Izhikevich: {"sq": 0.04, "mn": 5.0, "bias": 140.0, "v_th": 30.0, "tau_inv": 250.0},
    snntorch.Leaky: {"threshold": 1.0, "reset_mechanism": "subtract", "reset_delay": True, "inhibition": False},
    snntorch.Alpha: {"reset_mechanism": "zero"},
    sinabs.LIF: {"spike_threshold": 1.0, "spike_fn": sinabs.MultiSpike, "norm_input": True, "min_v_mem": None, "tau_syn": None},
    sinabs.ALIF: {"adapt_scale": 1.8, "spike_fn": sinabs.SingleSpike, "norm_input": True},
    sinabs.ExpLeak: {"norm_input": False},
    spikingjelly.LIFNode: {"tau": 2.0, "decay_input": True, "v_threshold": 1.0, "v_reset": 0.0},
    spikingjelly.QIFNode: {"tau": 2.0, "v_c": 0.8, "a0": 1.0, "v_threshold": 1.0, "v_rest": 0.0, "v_reset": -0.1},
    spikingjelly.EIFNode: {"delta_T": 1.0, "theta_rh": 0.8},
    spikingjelly.IzhikevichNode: {"v_rest": -0.1, "w_rest": 0.0, "tau_w": 2.0, "a": 0.0, "b": 0.0},
    spikingjelly.CUBALIFNode: {"c_decay": 0.5, "v_decay": 0.75, "v_threshold": 0.5, "v_reset": 0.0},
}


@pytest.mark.parametrize("function", DEFAULTS, ids=lambda f: f"{f.__module__.rpartition('.')[2]}.{f.__name__}")
def test_the_defaults_are_those_of_the_library(function: Any) -> None:
    signature = inspect.signature(function).parameters
    for name, value in DEFAULTS[function].items():
        assert signature[name].default == pytest.approx(value) if isinstance(value, float) else signature[name].default == value


def test_a_float32_number_is_a_tensor_and_a_python_float_is_a_double() -> None:
    # 0.001 * 100.0 is 0.1 in double precision; float32(0.001) * float32(100) is the next float32 but one
    as_tensor = norse.LIF(tau_mem_inv=np.float32(100.0)).stages.parameters["k"]
    as_float = norse.LIF(tau_mem_inv=100.0).stages.parameters["k"]
    assert as_tensor == np.float32(0.001) * np.float32(100.0)
    assert as_float == 0.1
    assert as_tensor.astype(np.float32) == as_tensor != as_float


def test_snntorch_clamps_its_decays() -> None:
    assert snntorch.Leaky(beta=1.5) == snntorch.Leaky(beta=1.0)
    assert snntorch.Synaptic(alpha=-0.5, beta=0.5) == snntorch.Synaptic(alpha=0.0, beta=0.5)


def test_lapicque_decays_by_an_euler_step_and_not_by_beta() -> None:
    assert snntorch.Lapicque(beta=0.9).stages.parameters["beta"] == pytest.approx(1 + np.log(0.9), rel=1e-6)
    # r C = 8: whichever of the two comes of beta
    beta = float(np.exp(-1 / 8))
    for given in ({"R": 2.0, "C": 4.0}, {"beta": beta, "R": 2.0}, {"beta": beta, "C": 4.0}, {"beta": beta}):
        assert snntorch.Lapicque(**given).stages.parameters["beta"] == pytest.approx(0.875, rel=1e-6)


def test_spikes_of_a_group_compete_and_are_sent_on_at_their_size() -> None:
    x = np.array([[2.0, 3.0, 2.5]], np.float32)
    assert rsnn.simulate(snntorch.Leaky(beta=0.9, inhibition=True), x).spikes.tolist() == [[0.0, 1.0, 0.0]]
    assert rsnn.simulate(snntorch.Leaky(beta=0.9, graded_spikes_factor=2.0), x).spikes.tolist() == [[2.0, 2.0, 2.0]]


def test_a_recurrent_term_is_apart_but_in_sinabs() -> None:
    assert {norse.LIF().recurrence, snntorch.RLeaky(beta=0.9).recurrence, spikingjelly.LIFNode().recurrence} == {"apart"}
    assert {sinabs.LIF(20.0).recurrence, sinabs.IAF().recurrence, sinabs.ALIF(20.0, 100.0).recurrence} == {"merged"}


def test_membrane_reset_adds_its_value_to_every_neuron() -> None:
    neuron = sinabs.LIF(20.0, spike_fn=sinabs.SingleSpike, reset_fn=sinabs.MembraneReset(-0.5))
    # five steps without input: a geometric sum of -0.5
    v = rsnn.simulate(neuron, np.zeros(5), record="v").v
    assert v[-1] == pytest.approx(-0.5 * (1 - np.exp(-5 / 20)) / (1 - np.exp(-1 / 20)), rel=1e-6)


def test_spikingjelly_starts_at_its_reset() -> None:
    assert spikingjelly.QIFNode().start() == {"v": -0.1}
    assert spikingjelly.QIFNode(v_rest=0.5, v_reset=None).start() == {"v": 0.0}
    assert spikingjelly.IzhikevichNode(w_rest=0.25).start() == {"v": 0.0, "w": 0.25}


def test_parametric_lif_takes_its_time_constant_in_three_ways() -> None:
    k = [
        float(spikingjelly.ParametricLIFNode(**given).coefficients()["k"])
        for given in ({"init_tau": 4.0}, {"w": -np.log(3.0)}, {"sigmoid_w": 0.25})
    ]
    assert k == pytest.approx([0.25] * 3, rel=1e-12)


REFUSED: list[tuple[Any, str]] = [
    (lambda: norse.LIF(tau_mem_inv=-100.0), "tau_mem_inv=-100.0: must be at least 0"),
    (lambda: norse.LIF(tau_mem_inv=np.nan), "tau_mem_inv=nan: NaN and infinity"),
    (lambda: norse.LIF(tau_mem_inv="fast"), "tau_mem_inv='fast'"),
    (lambda: norse.LIFBox(reset_method="drop"), "reset_method='drop'"),
    (lambda: norse.LIFRefrac(rho_reset=-2.5), "rho_reset=-2.5: must be between 0"),
    (lambda: snntorch.Leaky(beta=0.9, reset_mechanism="sub"), "reset_mechanism='sub'"),
    (lambda: snntorch.Leaky(beta=0.9, reset_delay=1), "reset_delay=1: must be True or False"),
    (lambda: snntorch.Leaky(beta=None), "beta=None"),
    (lambda: snntorch.Alpha(alpha=0.5, beta=0.9), "alpha must be larger than beta"),
    (lambda: snntorch.Alpha(alpha="a", beta=0.9), "alpha='a'"),
    (lambda: snntorch.Alpha(alpha=0.9, beta=0.5, reset_delay=False), "reset_delay=False"),
    (lambda: snntorch.Lapicque(), "give beta=, or both R= and C="),
    (lambda: snntorch.Lapicque(beta=-1.0), "beta=-1.0: must be between"),
    (lambda: snntorch.Lapicque(R=1.0, C=0.25), "time_step, R, C: beta=-3.0: must be between"),
    (lambda: sinabs.LIF(), "give tau_mem= \\(in steps\\), or alpha_mem="),
    (lambda: sinabs.LIF(-2.0), "tau_mem=-2.0: must be positive"),
    (lambda: sinabs.LIF(alpha_mem=1.5), "alpha_mem=1.5: must be between"),
    (lambda: sinabs.LIF(20.0, spike_fn="MultiSpike"), "spike_fn='MultiSpike'"),
    (lambda: sinabs.LIF(20.0, reset_fn="MembraneSubtract"), "reset_fn='MembraneSubtract'"),
    (lambda: sinabs.LIF(20.0, norm_input=None), "norm_input=None"),
    (lambda: spikingjelly.LIFNode(tau=0.0), "tau=0.0: must be positive"),
    (lambda: spikingjelly.ParametricLIFNode(init_tau=1.0), "init_tau=1.0: must be more than 1"),
    (lambda: spikingjelly.IzhikevichNode(tau_w=-1.0), "tau_w=-1.0"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_is_not_accepted_says_what_is(number: int) -> None:
    make, message = REFUSED[number]
    with pytest.raises((rsnn.InvalidValueError, rsnn.InvalidTypeError), match=message):
        make()

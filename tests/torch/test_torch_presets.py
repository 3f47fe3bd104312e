"""Presets as layers: their numbers are learned by the library's names, and the classes train as that library trains."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import numpy as np
import pytest
import torch

import rsnn
import rsnn.torch as rt
from rsnn.presets import norse, sinabs, snntorch, spikingjelly
from rsnn.presets.preset import Preset
from rsnn.stages import Blend, Gate, Multi, Soft, ToValue
from rsnn.torch.presets import norse as norse_layers
from rsnn.torch.presets import sinabs as sinabs_layers
from rsnn.torch.presets import snntorch as snntorch_layers
from rsnn.torch.presets import spikingjelly as spikingjelly_layers
from rsnn.torch.presets._table import NEEDED

LIBRARIES = {norse: norse_layers, snntorch: snntorch_layers, sinabs: sinabs_layers, spikingjelly: spikingjelly_layers}
CLASSES = [(module, name) for module in LIBRARIES.values() for name in module.LAYERS]


def neurons() -> dict[str, Preset]:
    """One of every preset, those that take a derived number also with one."""
    made: dict[str, Preset] = {}
    for library in LIBRARIES:
        for name in library.__all__:
            function = getattr(library, name)
            if not hasattr(function, "derived"):
                continue
            signature = inspect.signature(function).parameters
            given = {key: NEEDED[key] for key, p in signature.items() if key in NEEDED and p.default in (p.empty, None)}
            made[f"{library.__name__.rpartition('.')[2]}.{name}"] = function(**given)
    made["sinabs.LIF with a synapse"] = sinabs.LIF(tau_mem=20.0, tau_syn=5.0, min_v_mem=-1.0)
    made["sinabs.LIF by its decay"] = sinabs.LIF(alpha_mem=0.9)
    made["sinabs.LIF with a decay beside"] = sinabs.LIF(tau_mem=np.float32(20.0), alpha_mem=np.float32(0.9512295))
    made["sinabs.ALIF with a synapse"] = sinabs.ALIF(tau_mem=20.0, tau_adapt=50.0, tau_syn=5.0)
    made["snntorch.Alpha with its weight"] = snntorch.Alpha(alpha=0.9, beta=0.8, tau_alpha=1.894531)
    made["snntorch.Lapicque by R and C"] = snntorch.Lapicque(R=2.0, C=5.0)
    made["snntorch.Lapicque by beta and R"] = snntorch.Lapicque(beta=0.9, R=2.0)
    made["snntorch.Lapicque by beta and C"] = snntorch.Lapicque(beta=0.9, C=5.0)
    made["spikingjelly.ParametricLIFNode by sigmoid_w"] = spikingjelly.ParametricLIFNode(sigmoid_w=0.25)
    made["spikingjelly.LIFNode soft"] = spikingjelly.LIFNode(v_reset=None, decay_input=False)
    return made


NEURONS = neurons()


def parameterised() -> list[Any]:
    return [pytest.param(neuron, id=name) for name, neuron in NEURONS.items()]


@pytest.mark.parametrize("neuron", parameterised())
def test_a_preset_is_replaced_copied_and_shown_by_its_librarys_names(neuron: Preset) -> None:
    accepted = inspect.signature(getattr(LIBRARY[neuron.library], neuron.name)).parameters
    assert neuron.parameters.keys() <= accepted.keys()
    assert neuron.parameters.keys() == neuron.ranges.keys()
    for again in (neuron.replace(**neuron.parameters), pickle.loads(pickle.dumps(neuron)), copy.deepcopy(neuron), neuron.stages):
        assert again == neuron
        assert hash(again) == hash(neuron)
        assert again.coefficients() == neuron.coefficients()
    assert repr(neuron).startswith(f"presets.{neuron.library}.{neuron.name}(")
    rebuilt = eval(repr(neuron), {"presets": rsnn.presets})
    for name, value in neuron.parameters.items():
        assert float(rebuilt.parameters[name]) == pytest.approx(float(value), rel=1e-6), name


LIBRARY = {"norse": norse, "snntorch": snntorch, "sinabs": sinabs, "spikingjelly": spikingjelly}


@pytest.mark.parametrize("neuron", parameterised())
def test_an_unmoved_parameter_leaves_the_coefficients_as_they_were(neuron: Preset) -> None:
    own, given = neuron.coefficients(), neuron.coefficients(neuron.parameters)
    for name, value in own.items():
        np.testing.assert_array_equal(np.float32(given[name]), np.float32(value), err_msg=name)


def moved(neuron: Preset, name: str) -> Any:
    """Another value of a parameter, well inside its range."""
    value = float(neuron.parameters[name])
    return value * 1.03 if value * 1.03 < neuron.ranges[name][1] and value else (value * 0.97 if value else 0.03)


def drive(neuron: Preset) -> torch.Tensor:
    large = {"LIFAdEx": 20.0, "LIFEx": 4.0, "Izhikevich": 14.0}.get(neuron.name, 4.0 if neuron.library == "norse" else 1.0)
    x = np.random.default_rng(3).normal(0.6, 0.5, (25, 2, 3)) * large
    return torch.tensor(x)


@pytest.mark.parametrize("neuron", parameterised())
def test_a_layer_whose_parameter_was_moved_runs_as_the_preset_made_with_that_value(neuron: Preset) -> None:
    for name in neuron.parameters:
        layer = rt.Layer(neuron, learn=(name,)).double()
        value = moved(neuron, name)
        with torch.no_grad():
            getattr(layer, name).fill_(value)
        x = drive(neuron)
        given = neuron.replace(**{name: value})
        expected, got = rsnn.simulate(given, x.numpy(), record="v"), layer.run(x, record="v")
        np.testing.assert_array_equal(got.output.detach().numpy() > 0.5, expected.output > 0.5)
        worst = np.max(np.abs(got.v.detach().numpy() - expected.v))
        assert worst <= 1e-6 * max(1.0, np.max(np.abs(expected.v))), name
        learned = layer.neuron
        assert isinstance(learned, Preset)
        assert float(learned.parameters[name]) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("neuron", parameterised())
def test_the_derivative_of_every_coefficient_is_that_of_its_formula(neuron: Preset) -> None:
    for name, value in neuron.parameters.items():
        leaf = torch.tensor(value, requires_grad=True)
        formed = neuron.coefficients({name: leaf}, rt.functional._NAMESPACE)
        step = 1e-6 * max(1.0, abs(float(value)))
        high, low = (neuron.coefficients({name: np.asarray(value + side * step)}) for side in (1, -1))
        for coefficient, formula in formed.items():
            if isinstance(formula, torch.Tensor) and formula.requires_grad:
                (grad,) = torch.autograd.grad(formula, leaf, retain_graph=True)
                exact = (high[coefficient] - low[coefficient]) / (2 * step)
                assert float(grad) == pytest.approx(float(exact), rel=1e-5, abs=1e-7), (name, coefficient)


class Relaxed(Preset):
    """A preset that fires softly: the same numbers, and a derivative that is true everywhere."""

    def __init__(self, preset: Preset) -> None:
        form = preset.stages
        reset = Blend(form.reset.v_reset) if isinstance(form.reset, (ToValue, Gate)) else form.reset
        soft = {**{f: getattr(form, f) for f in form.__dataclass_fields__}, "fire": Soft(form.fire.v_threshold), "reset": reset}  # type: ignore[union-attr]
        super().__init__(preset.library, preset.name, preset.arguments, rsnn.Neuron(**soft), preset._numbers)


SMOOTH = [
    name
    for name, neuron in NEURONS.items()
    if neuron.stages.fire is not None and not isinstance(neuron.stages.fire, Multi) and neuron.stages.refractory is None
]


@pytest.mark.parametrize("name", SMOOTH)
def test_the_gradient_of_every_parameter_is_that_of_the_smooth_relaxation(name: str) -> None:
    neuron = Relaxed(NEURONS[name])
    x = drive(neuron)[:8]
    weights = torch.tensor(np.random.default_rng(4).normal(size=x.shape))

    def loss(values: dict[str, Any]) -> torch.Tensor:
        surrogate = rsnn.surrogate.FastSigmoid(2.0)
        return (rt.functional.simulate(neuron, x, parameters=values, surrogate=surrogate, detach_reset=False).output * weights).sum()

    for parameter, value in neuron.parameters.items():
        leaf = torch.tensor(value, requires_grad=True)
        (grad,) = torch.autograd.grad(loss({parameter: leaf}), leaf)
        step = 1e-6 * max(1.0, abs(float(value)))
        exact = (loss({parameter: torch.tensor(value + step)}) - loss({parameter: torch.tensor(value - step)})) / (2 * step)
        assert float(grad) == pytest.approx(float(exact), rel=2e-4, abs=1e-6), parameter


def arguments_of(module: Any, name: str) -> dict[str, Any]:
    signature = inspect.signature(module.LAYERS[name]).parameters
    given = {key: NEEDED[key] for key, p in signature.items() if p.default is p.empty and key in NEEDED}
    given |= {key: NEEDED[key] for key in ("tau_mem", "tau_adapt", "beta") if key in signature and signature[key].default is None}
    recurrent = "Recurrent" in name or (module is snntorch_layers and name.startswith("R"))
    return given | ({"hidden_size": 3} if recurrent else {})


@pytest.mark.parametrize(("module", "name"), CLASSES, ids=[f"{module.__name__.rpartition('.')[2]}.{name}" for module, name in CLASSES])
def test_every_class_trains_pickles_and_copies(module: Any, name: str) -> None:
    layer = module.LAYERS[name](**arguments_of(module, name))
    x = torch.full((2, 3) if isinstance(layer, rt.Cell) else (6, 2, 3), 3.0, requires_grad=True)
    output, state = layer(x)
    assert output.shape == x.shape
    assert all(field.shape[-1] == 3 for field in state)
    output.sum().backward()
    assert torch.isfinite(x.grad).all()
    for again in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        assert type(again) is type(layer)
        assert repr(again) == repr(layer)
        torch.testing.assert_close(again(x)[0], output, rtol=0, atol=0)


def test_what_is_learned_is_what_the_library_learns() -> None:
    assert dict(spikingjelly_layers.ParametricLIFNode(init_tau=3.0).named_parameters()).keys() == {"w"}
    assert not list(spikingjelly_layers.LIFNode().parameters())
    synaptic = snntorch_layers.Synaptic(0.9, 0.8, learn_alpha=True, learn_threshold=True)
    assert dict(synaptic.named_parameters()).keys() == {"alpha", "threshold"}
    assert dict(sinabs_layers.LIF(20.0, 5.0).named_parameters()).keys() == {"tau_mem", "tau_syn"}
    assert dict(sinabs_layers.LIF(20.0, 5.0, train_alphas=True).named_parameters()).keys() == {"alpha_mem", "alpha_syn"}
    assert dict(norse_layers.LIF(learn="tau_mem_inv").named_parameters()).keys() == {"tau_mem_inv"}
    assert dict(norse_layers.LIFRecurrent(hidden_size=2).named_parameters()).keys() == {"weight_recurrent"}
    fixed = snntorch_layers.RLeaky(beta=0.9, linear_features=2, learn_recurrent=False)
    assert not any(parameter.requires_grad for parameter in fixed.parameters())
    elementwise = snntorch_layers.RLeaky(beta=0.9, linear_features=2, all_to_all=False, V=0.5)
    assert elementwise.weight_recurrent.tolist() == [0.5, 0.5]


def test_each_library_detaches_and_smooths_as_it_does() -> None:
    def options(layer: Any) -> tuple[bool, tuple[str, ...]]:
        return layer._options.detach_reset, layer._options.detach

    assert options(norse_layers.LIF()) == (False, ())
    assert options(norse_layers.LIFRecurrent(hidden_size=2)) == (True, ())
    assert options(norse_layers.LSNNRecurrent(hidden_size=2)) == (True, ("adaptation",))
    assert options(snntorch_layers.Leaky(0.9)) == (True, ())
    assert options(snntorch_layers.Leaky(0.9, reset_delay=False)) == (False, ("carried",))
    assert options(sinabs_layers.LIF(20.0)) == (False, ())
    assert options(sinabs_layers.ALIF(20.0, 50.0)) == (False, ("threshold",))
    assert options(spikingjelly_layers.IFNode()) == (False, ())
    assert options(spikingjelly_layers.IFNode(detach_reset=True)) == (True, ())
    assert spikingjelly_layers.CUBALIFNode()._options.surrogate == spikingjelly.surrogate("Rect", alpha=1.0)
    assert sinabs_layers.LIF(20.0).batch_first


def test_a_step_of_an_optimiser_moves_the_membrane_through_the_librarys_parameter() -> None:
    layer = norse_layers.LIF(tau_mem_inv=100.0, learn=("tau_mem_inv",))
    before = layer.neuron
    optimiser = torch.optim.SGD(layer.parameters(), lr=1.0)
    layer(torch.full((20, 1, 1), 3.0))[0].sum().backward()
    optimiser.step()
    value = layer.tau_mem_inv.item()
    assert value != 100.0
    assert layer.neuron == before.replace(tau_mem_inv=value)
    assert layer.neuron.stages.parameters["k"] == pytest.approx(0.001 * value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: snntorch_layers.Leaky(), "missing a required argument: 'beta'"),
        (lambda: snntorch_layers.Leaky(beta=0.9, learn_bata=True), "did you mean 'learn_beta'"),
        (lambda: snntorch_layers.Leaky(beta=0.9, learn_beta=1), "learn_beta=1: must be True or False"),
        (lambda: norse_layers.LIFRecurrent(), "missing a required argument|hidden_size"),
        (lambda: norse_layers.LIF(learn="k"), "'k' is not one of 'tau_syn_inv'"),
        (lambda: sinabs_layers.LIF(), "give tau_mem="),
    ],
)
def test_what_is_not_accepted_says_what_is(make: Any, message: str) -> None:
    with pytest.raises((rsnn.InvalidTypeError, rsnn.InvalidValueError), match=message):
        make()

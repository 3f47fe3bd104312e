"""The reference means what the documentation, the libraries and the published pages say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rsnn
from rsnn import reference

GOLDEN = Path(__file__).parent / "data" / "golden" / "float"


def golden(file: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every case of a file: what it is, and its arrays."""
    with np.load(GOLDEN / file) as held:
        cases: dict[str, dict[str, Any]] = {}
        for key in held:
            _, number, name = key.split("/")
            cases.setdefault(number, {})[name] = held[key]
    for case in cases.values():
        yield json.loads(str(case["meta"])), case


def sinabs_cases() -> list[tuple[rsnn.LIF | rsnn.IAF, dict[str, Any]]]:
    """Every case of sinabs whose step is, operation by operation, one of a native neuron."""
    found = []
    for meta, case in golden("sinabs_forward.npz"):
        arguments = meta.get("arguments", {})
        plain = not {"tau_syn", "min_v_mem", "w_rec"} & set(case) and "out_spikes" in case
        if meta["class"] not in ("IAF", "LIF") or not plain or arguments["norm_input"]:
            continue
        fire = {"SingleSpike": {"fire": "single"}, "MultiSpike": {"fire": "multi"}, "MaxSpike(2)": {"fire": "multi", "max_spikes": 2}}
        options = fire[arguments["spike_fn"]] | {"v_threshold": case["spike_threshold"]}
        options |= {"reset": "subtract" if arguments["reset_fn"] == "MembraneSubtract()" else "zero"}
        found.append((rsnn.IAF(**options) if meta["class"] == "IAF" else rsnn.LIF(beta=case["alpha_mem"], **options), case))
    return found


def test_there_are_enough_cases_of_sinabs() -> None:
    assert len(sinabs_cases()) >= 15


@pytest.mark.parametrize("number", range(15))
def test_iaf_and_lif_equal_those_of_sinabs(number: int) -> None:
    neuron, case = sinabs_cases()[number]
    output, _, traces = reference.simulate(neuron, case["x"], record=("v",))
    np.testing.assert_array_equal(output, case["out_spikes"])
    np.testing.assert_array_equal(traces["v"], case["out_v"])


def snntorch_cases() -> list[tuple[rsnn.LIF, dict[str, Any]]]:
    """Every case of snnTorch whose step is one of a native LIF: Leaky and Synaptic with every reset but Synaptic's own "zero".

    snnTorch asks for v > threshold, rsnn for v >= threshold: no membrane of these cases meets its threshold exactly.
    """
    found = []
    for meta, case in golden("snntorch_forward.npz"):
        arguments = meta.get("arguments", {})
        more = {"inhibition", "graded_spikes_factor"} & set(case) or "out_v" not in case
        if meta["class"] not in ("Leaky", "Synaptic") or more or (meta["class"] == "Synaptic" and arguments["reset_mechanism"] == "zero"):
            continue
        options = {"reset": arguments["reset_mechanism"]}
        if options["reset"] != "none":
            options |= {"reset_timing": "next" if arguments["reset_delay"] else "residual"}
        options |= {"alpha": np.clip(case["alpha"], 0, 1)} if meta["class"] == "Synaptic" else {}
        found.append((rsnn.LIF(beta=np.clip(case["beta"], 0, 1), v_threshold=case["threshold"], **options), case))
    return found


def test_there_are_enough_cases_of_snntorch() -> None:
    assert len(snntorch_cases()) >= 37


@pytest.mark.parametrize("number", range(37))
def test_lif_with_every_reset_timing_equals_snntorch(number: int) -> None:
    neuron, case = snntorch_cases()[number]
    shape = case["x"].shape[1:]
    names = neuron.kernel().states
    start = neuron.init_state(shape, **{name: case["state0_" + name] for name in names})
    output, _, traces = reference.simulate(neuron, case["x"], start, record=names)
    np.testing.assert_array_equal(output, case["out_spikes"])
    for name in names:
        np.testing.assert_array_equal(traces[name], case["out_" + name])


def page(number: int) -> dict[str, Any]:
    """A case of the published pages."""
    return list(golden("tutorials.npz"))[number][1]


def test_the_page_on_iaf_spikes_at_47_and_94_one_index_later_than_here() -> None:
    # The page tests the threshold on the membrane before the step, rsnn in the step that integrates.
    case = page(0)
    spikes, _, traces = reference.simulate(
        rsnn.LIF(tau_mem=20.0, discretization="euler", v_threshold=10.0, reset="zero"), np.full(100, 11.0), record=("v",)
    )
    assert (spikes.nonzero()[0] + 1).tolist() == case["out_spike_times"].tolist() == [47, 94]
    # Its step is v + (i - v) / 20, ours 0.95 v + 0.05 i: the same membrane up to rounding.
    np.testing.assert_allclose(traces["v"], case["out_v"][1:], rtol=1e-12)


def test_the_page_on_iaf_counts_spikes_of_a_constant_bias() -> None:
    case = page(1)
    spikes, _, traces = reference.simulate(rsnn.IAF(), np.full(100, case["bias"]), record=("v",))
    np.testing.assert_array_equal(spikes, case["out_counts"])
    assert spikes.nonzero()[0].tolist() == [40, 80]
    np.testing.assert_array_equal(traces["v"], case["out_v"][1:])


def test_the_activation_curve_of_iaf_is_the_recorded_relu() -> None:
    case = page(2)
    spikes, _, _ = reference.simulate(rsnn.IAF(v_threshold=case["spike_threshold"]), np.broadcast_to(case["biases"], (100, 50)))
    np.testing.assert_array_equal(spikes.sum(0), case["out_counts"])


def test_the_page_on_second_order_neurons_spikes_as_recorded() -> None:
    case = page(3)
    neuron = rsnn.LIF(beta=case["beta"], alpha=case["alpha"], v_threshold=case["threshold"], reset_timing="next")
    spikes, _, traces = reference.simulate(neuron, case["x"], record=("v", "i"))
    np.testing.assert_array_equal(spikes, case["out_spikes"])
    np.testing.assert_array_equal(traces["i"], case["out_i"])
    np.testing.assert_array_equal(traces["v"], case["out_v"])


# Behaviour that follows from the definition, worked out by hand -------------------------------------------------------------------


def run(neuron: Any, *x: float, record: Any = ("v",)) -> tuple[list[float], dict[str, list[float]]]:
    output, _, traces = reference.simulate(neuron, np.array(x), record=record)
    return output.tolist(), {name: trace.tolist() for name, trace in traces.items()}


def test_a_leaky_integrator_decays_to_its_leak() -> None:
    output, _ = run(rsnn.LI(beta=0.5, v_leak=1.0), 1.0, 0.0, 0.0)
    assert output == [2.0, 1.5, 1.25]  # starts at v_leak


def test_the_gain_is_one_minus_beta_with_tau_mem_and_one_with_beta() -> None:
    assert run(rsnn.LI(tau_mem=2.0, discretization="euler"), 1.0)[0] == [0.5]
    assert run(rsnn.LI(beta=0.5), 1.0)[0] == [1.0]
    assert run(rsnn.LI(beta=0.5, gain="leak", r=4.0, bias=1.0), 1.0)[0] == [4.0]


def test_the_exact_decay_is_the_exponential() -> None:
    assert run(rsnn.LI(tau_mem=4.0, dt=2.0, gain="unit"), 1.0, 0.0)[0] == [1.0, float(np.exp(-0.5))]


def test_a_synapse_decays_then_jumps_then_is_used() -> None:
    assert run(rsnn.LI(beta=0.5, alpha=0.5), 1.0, 0.0, record=("i", "v")) == ([1.0, 1.0], {"i": [1.0, 0.5], "v": [1.0, 1.0]})


def test_a_neuron_at_its_threshold_fires() -> None:
    assert run(rsnn.LIF(beta=1.0), 1.0, 0.5)[0] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("options", "spikes", "v"),
    [
        ({}, [1.0, 1.0, 0.0], [1.25, 0.25, 0.25]),
        ({"reset": "zero"}, [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ({"reset": "value", "v_reset": -1.0}, [1.0, 0.0, 0.0], [-1.0, -1.0, -1.0]),
        ({"reset": "none"}, [1.0, 1.0, 1.0], [2.25, 2.25, 2.25]),
        ({"reset_timing": "next"}, [1.0, 1.0, 0.0], [2.25, 1.25, 0.25]),
        ({"reset": "zero", "reset_timing": "next"}, [1.0, 0.0, 0.0], [2.25, 0.0, 0.0]),
        # 2.25 fires and keeps 1.25; a threshold is taken off that at the start of the next step, and given back when nothing fires
        ({"reset_timing": "residual"}, [1.0, 0.0, 0.0], [1.25, 1.25, 1.25]),
        ({"fire": "multi"}, [2.0, 0.0, 0.0], [0.25, 0.25, 0.25]),
        ({"fire": "multi", "max_spikes": 1}, [1.0, 1.0, 0.0], [1.25, 0.25, 0.25]),
        ({"refractory": 2}, [1.0, 0.0, 0.0], [1.25, 1.25, 1.25]),
        ({"v_min": 1.0}, [1.0, 1.0, 1.0], [1.25, 1.0, 1.0]),
    ],
)
def test_resets_by_hand(options: dict[str, Any], spikes: list[float], v: list[float]) -> None:
    assert run(rsnn.LIF(beta=1.0, **options), 2.25, 0.0, 0.0) == (spikes, {"v": v})


def test_a_refractory_neuron_holds_its_membrane_while_its_synapse_goes_on() -> None:
    spikes, traces = run(rsnn.LIF(beta=0.5, alpha=0.5, refractory=2, reset="zero"), 2.0, 0.0, 0.0, 1.0, record=("v", "i", "rest"))
    assert traces["i"] == [2.0, 1.0, 0.5, 1.25]
    assert traces["rest"] == [2.0, 1.0, 0.0, 2.0]
    assert (spikes, traces["v"]) == ([1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0])


def test_a_refractory_period_counts_in_steps_of_dt() -> None:
    assert run(rsnn.LIF(beta=1.0, dt=0.1, refractory=0.3), *[1.0] * 5)[0] == [1.0, 0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("fire", ["single", "multi"])
def test_nan_never_fires(fire: str) -> None:
    spikes, traces = run(rsnn.LIF(beta=0.5, fire=fire, v_min=-1.0), np.nan, 5.0)
    assert spikes == [0.0, 0.0]
    assert np.isnan(traces["v"]).all()


def test_soft_spikes_are_smooth_and_blend_the_reset() -> None:
    from rsnn.stages import Leaky, Soft, ToValue

    # y = 1, s = 1/2 + 1/3, v = (1 - s) u + s v_reset
    spikes, traces = run(rsnn.Neuron(membrane=Leaky(beta=0.5), fire=Soft(), reset=ToValue(0.5)), 2.0)
    assert spikes == pytest.approx([5 / 6], rel=1e-15)
    assert traces["v"] == pytest.approx([2.0 - 5 / 6 * 1.5], rel=1e-15)


@pytest.mark.parametrize("order", ["jump_use_decay", "decay_jump_use", "jump_decay_use", "use_decay_jump"])
def test_the_orders_of_a_synapse(order: str) -> None:
    expected = {  # the current that is used, and the one that is kept, of i = 1 and x = 2 with alpha = 1/2
        "jump_use_decay": (3.0, 1.5),
        "decay_jump_use": (2.5, 2.5),
        "jump_decay_use": (1.5, 1.5),
        "use_decay_jump": (1.0, 2.5),
    }
    stepper = reference.Stepper(f"synapse={order} membrane=leaky fire=none reset=none timing=same", {"alpha": 0.5, "beta": 0.0})
    output, _, state = stepper(np.float64(2.0), {"v": np.float64(0.0), "i": np.float64(1.0)})
    assert (output, state["i"]) == expected[order]


# The same file over torch ---------------------------------------------------------------------------------------------------------


def test_torch_gives_the_same_numbers_and_gradients_reach_every_parameter() -> None:
    import torch

    neuron = rsnn.LIF(tau_mem=5.0, tau_syn=2.0, v_leak=0.1, r=2.0, bias=0.1, fire="multi", v_min=0.0)
    x = np.random.default_rng(0).normal(0.5, 1.0, (20, 3))
    learned = {name: torch.tensor(value, requires_grad=True) for name, value in neuron.parameters.items()}
    kernel = neuron.kernel(tuple(learned))
    values = neuron.coefficients(learned, torch)

    class Straight(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, v: Any, theta: Any, fire: Any) -> Any:
            return fire(v, theta)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad, -grad, None

    stepper = reference.Stepper(kernel.spec, values, torch, spike=Straight.apply)
    start = {name: torch.as_tensor(value) for name, value in zip(kernel.states, neuron.init_state(3, np.float64), strict=True)}
    output, _, traces = reference.run(stepper, torch.tensor(x), start, ("v",))
    expected, _, numbers = reference.simulate(neuron, x, record=("v",))
    np.testing.assert_array_equal(output.detach().numpy(), expected)
    np.testing.assert_allclose(traces["v"].detach().numpy(), numbers["v"], rtol=1e-14)  # exp of torch and of numpy may differ
    (output.sum() + traces["v"].square().sum()).backward()
    assert {name for name, parameter in learned.items() if parameter.grad is None or parameter.grad == 0} == set()

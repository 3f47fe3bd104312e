"""The published pages of sinabs, snnTorch and Norse: what their neurons do, done by the presets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

import rsnn
from rsnn.presets import norse, sinabs, snntorch

Array = np.ndarray[Any, np.dtype[Any]]
Case = dict[str, Array]


def near(got: Array, wanted: Array) -> None:
    """Within 1e-6 of the largest value."""
    assert got.shape == wanted.shape
    assert np.max(np.abs(got.astype(np.float64) - wanted)) <= 1e-6 * np.max(np.abs(wanted))


def hand_written(case: Case) -> None:
    # The page tests the membrane before the step, rsnn after it: one index earlier. Its step is v + (i - v) / tau.
    neuron = rsnn.LIF(tau_mem=float(case["tau"]), v_threshold=float(case["v_th"]), reset="zero", discretization="euler")
    result = rsnn.simulate(neuron, float(case["i_syn"]), steps=int(case["t_sim"]), record="v")
    assert (result.spikes.nonzero()[0] + 1).tolist() == case["out_spike_times"].tolist() == [47, 94]
    near(result.v, case["out_v"][1:])


def constant_input(case: Case) -> None:
    counts = case["out_counts"]
    result = rsnn.simulate(sinabs.IAF(), np.full(len(counts), case["bias"]), record="v")
    np.testing.assert_array_equal(result.spikes, counts)
    np.testing.assert_array_equal(result.v, case["out_v"][1:])
    assert counts.sum() == 2


def activation(case: Case) -> None:
    neuron = sinabs.IAF(spike_threshold=case["spike_threshold"])
    np.testing.assert_array_equal(rsnn.simulate(neuron, case["biases"], steps=100).spikes.sum(0), case["out_counts"])


def synaptic(case: Case) -> None:
    neuron = snntorch.Synaptic(case["alpha"], case["beta"], case["threshold"])
    result = rsnn.simulate(neuron, case["x"], record=("v", "i"))
    np.testing.assert_array_equal(result.spikes, case["out_spikes"])
    np.testing.assert_array_equal(result.i, case["out_i"])
    np.testing.assert_array_equal(result.v, case["out_v"])


def alpha(case: Case) -> None:
    # The weight tau_alpha is formed with logarithms, which are ours here.
    result = rsnn.simulate(snntorch.Alpha(case["alpha"], case["beta"], case["threshold"]), case["x"], record=("v", "i", "h"))
    np.testing.assert_array_equal(result.spikes, case["out_spikes"])
    np.testing.assert_array_equal(result.i, case["out_syn_exc"])
    np.testing.assert_array_equal(result.h, case["out_syn_inh"])
    near(result.v, case["out_v"])


def impulses(case: Case) -> Array:
    x = np.zeros((1000, *case["out_v"].shape[1:]), np.float32)
    x[case["spike_times"]] = 1.0
    return x


def integrator(case: Case) -> None:
    neuron = norse.LI(case["tau_syn_inv"], case["tau_mem_inv"], case["v_leak"], dt=0.001)
    np.testing.assert_array_equal(rsnn.simulate(neuron, impulses(case)).output, case["out_v"])


def side_by_side(case: Case) -> None:
    rates, x = (case["tau_syn_inv"], case["tau_mem_inv"]), impulses(case)
    result = rsnn.simulate(norse.LIF(*rates, v_th=case["v_th"]), x, record="v")
    np.testing.assert_array_equal(result.spikes, case["out_spikes"])
    np.testing.assert_array_equal(result.v, case["out_v"])
    np.testing.assert_array_equal(rsnn.simulate(norse.LI(*rates), x).output, case["out_v_li"])


PAGES: dict[str, Callable[[Case], None]] = {
    "page 'IAF neuron model': hand-written LIF": hand_written,
    "IAF, constant input": constant_input,
    "IAF activation curve": activation,
    "Synaptic (tutorial 4)": synaptic,
    "Alpha (tutorial 4)": alpha,
    "LI (introduction page)": integrator,
    "LIF next to LI (introduction page)": side_by_side,
}


def test_tutorials(case: Case) -> None:
    PAGES[json.loads(str(case["meta"]))["class"]](case)

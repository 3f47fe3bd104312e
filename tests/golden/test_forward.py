"""Neurons against Norse, snnTorch, sinabs and SpikingJelly, through the presets and `rsnn.simulate`: spikes equal, states bit-equal.

What a case is, its ``update`` says; ``meta["class"]`` names the preset. A state is compared bit for bit, but for models with an
exponential in the step, which agree to 1e-6 of the largest value of the trace.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

import rsnn
from rsnn.presets import norse, sinabs, snntorch, spikingjelly
from rsnn.presets.numbers import Number, decay

Array = np.ndarray[Any, np.dtype[Any]]
Case = dict[str, Array]


def number(case: Case, name: str) -> Any:
    """A parameter as the library holds it: a float32 tensor, or a Python float."""
    value = case[name]
    return value if value.dtype == np.float32 or value.ndim else value.item()


def numbers(case: Case, *names: str, **renamed: str) -> dict[str, Any]:
    """Parameters that the case has, by the name of the argument."""
    return {to: number(case, name) for to, name in ({name: name for name in names} | renamed).items() if name in case}


def check(
    neuron: rsnn.Neuron,
    case: Case,
    states: dict[str, str],
    *,
    x: Array | None = None,
    recurrent: Any = None,
    rtol: float = 0.0,
) -> Any:
    """Run the case and compare its spikes, and its states: by the field of rsnn, the library's name of it."""
    x = case["x"] if x is None else x
    comes_back = recurrent is not None
    fields = {"s": "z" if "state0_z" in case else "s"} if comes_back else {}
    given = {field: case["state0_" + name] for field, name in (states | fields).items() if "state0_" + name in case}
    start = neuron.init_state(x.shape[1:], x.dtype, recurrent=comes_back, **given)
    result = rsnn.simulate(neuron, x, start, record=tuple(states), recurrent=recurrent)
    if neuron.kernel().spiking:
        assert result.spikes.sum() > 0 or not case["out_spikes"].any()
        np.testing.assert_array_equal(result.spikes, case["out_spikes"])
    for field, name in states.items():
        wanted, got = case["out_" + name], result.traces[field]
        if rtol:
            assert np.max(np.abs(got.astype(np.float64) - wanted)) <= rtol * np.max(np.abs(wanted)), name
        else:
            np.testing.assert_array_equal(got, wanted, err_msg=name)
            assert got.dtype == wanted.dtype
    return result


# Norse ---------------------------------------------------------------------------------------------------------------------------

LIF = ("tau_syn_inv", "tau_mem_inv", "v_leak", "v_th", "v_reset", "dt")
EXPONENTIAL = 1e-6

NORSE: dict[str, tuple[Callable[..., rsnn.Neuron], tuple[str, ...], dict[str, str], float]] = {
    "LIF": (norse.LIF, LIF, {"v": "v", "i": "i"}, 0.0),
    "LI": (norse.LI, ("tau_syn_inv", "tau_mem_inv", "v_leak", "dt"), {"v": "v", "i": "i"}, 0.0),
    "LIBox": (norse.LIBox, ("tau_mem_inv", "v_leak", "dt"), {"v": "v"}, 0.0),
    "LIFBox": (norse.LIFBox, ("tau_mem_inv", "v_leak", "v_th", "v_reset", "dt"), {"v": "v"}, 0.0),
    "LSNN": (norse.LSNN, (*LIF, "tau_adapt_inv", "beta"), {"v": "v", "i": "i", "a": "b"}, 0.0),
    "IAF": (norse.IAF, ("v_th", "v_reset"), {"v": "v"}, 0.0),
    "LIFRefrac": (norse.LIFRefrac, (*LIF, "rho_reset"), {"v": "v", "i": "i", "rest": "rho"}, 0.0),
    "LIFEx": (norse.LIFEx, (*LIF, "delta_T"), {"v": "v", "i": "i"}, EXPONENTIAL),
    "LIFAdEx": (
        norse.LIFAdEx,
        (*LIF, "delta_T", "adaptation_current", "adaptation_spike", "tau_ada_inv"),
        {"v": "v", "i": "i", "a": "a"},
        EXPONENTIAL,
    ),
    "Izhikevich": (
        norse.Izhikevich,
        ("a", "b", "c", "d", "sq", "mn", "bias", "v_th", "tau_inv", "dt"),
        {"v": "v", "w": "u"},
        0.0,
    ),
    "CobaLIF": (
        norse.CobaLIF,
        ("tau_syn_exc_inv", "tau_syn_inh_inv", "c_m_inv", "g_l", "e_rev_I", "e_rev_E", "v_rest", "v_reset", "v_thresh", "dt"),
        {"v": "v", "i": "g_e", "h": "g_i"},
        0.0,
    ),
}


def test_norse_forward(case: Case) -> None:
    meta = json.loads(str(case["meta"]))
    name, _, _ = meta["class"].partition(" ")
    if name == "ExpFilter":
        x = rsnn.Linear(case["w"], case.get("b")).run(case["x"].reshape(-1, case["x"].shape[-1]), 1).reshape(*case["x"].shape[:2], -1)
        wanted = case["out_y"]
        output = rsnn.simulate(norse.ExpFilter(number(case, "tau_filter_inv"), dt=number(case, "dt")), x).output
        assert np.max(np.abs(output.astype(np.float64) - wanted)) <= 1e-6 * np.max(np.abs(wanted))
        return
    recurrent = "Recurrent" in name
    make, parameters, states, rtol = NORSE[name.removesuffix("Cell").removesuffix("Recurrent")]
    given = numbers(case, *parameters)
    assert given.keys() == set(parameters)
    if name == "LIFBoxCell":
        given["reset_method"] = meta["arguments"]["reset_method"]
    neuron = make(**given)
    if recurrent:
        x = case["x"] @ case["w_in"].T  # multiples of 1/64: exact in any order
        check(neuron, case, states, x=x, recurrent=case["w_rec_effective"], rtol=rtol)
        if not meta["arguments"]["autapses"]:
            np.testing.assert_array_equal(case["w_rec_effective"], case["w_rec"] * (1 - np.eye(len(case["w_rec"]))))
    else:
        check(neuron, case, states, rtol=rtol)


# snnTorch ------------------------------------------------------------------------------------------------------------------------

SNNTORCH: dict[str, tuple[Callable[..., rsnn.Neuron], tuple[str, ...], dict[str, str], dict[str, str]]] = {
    "Leaky": (snntorch.Leaky, ("beta", "threshold", "graded_spikes_factor"), {}, {"v": "v"}),
    "Synaptic": (snntorch.Synaptic, ("alpha", "beta", "threshold"), {}, {"v": "v", "i": "i"}),
    "Alpha": (
        snntorch.Alpha,
        ("alpha", "beta", "threshold"),
        {"tau_alpha": "derived_tau_alpha"},
        {"v": "v", "i": "syn_exc", "h": "syn_inh"},
    ),
    "Lapicque": (snntorch.Lapicque, ("beta", "time_step", "threshold"), {"R": "derived_R", "C": "derived_C"}, {"v": "v"}),
    "RLeaky": (snntorch.RLeaky, ("beta", "threshold"), {}, {"v": "v"}),
    "RSynaptic": (snntorch.RSynaptic, ("alpha", "beta", "threshold"), {}, {"v": "v", "i": "i"}),
}


def test_snntorch_forward(case: Case) -> None:
    meta = json.loads(str(case["meta"]))
    if meta.get("fact") == "reset_delay=False":
        # RSynaptic raises there; here it means what it means for Synaptic.
        assert (meta["class"], meta["result"].partition(":")[0]) == ("RSynaptic", "RuntimeError")
        options = {"alpha": 0.9, "beta": 0.8, "reset_delay": False}
        assert snntorch.RSynaptic(**options) == snntorch.Synaptic(**options)
        x = np.random.default_rng(0).normal(0.3, 0.5, (50, 3)).astype(np.float32)
        plain = rsnn.simulate(snntorch.Synaptic(**options), x)
        np.testing.assert_array_equal(rsnn.simulate(snntorch.RSynaptic(**options), x, recurrent=np.zeros((3, 3))).spikes, plain.spikes)
        return
    if meta.get("fact") == "learn_alpha=True":
        # Alpha raises there; here alpha can be learned as any other parameter.
        assert (meta["class"], meta["result"].partition(":")[0]) == ("Alpha", "TypeError")
        neuron = snntorch.Alpha(alpha=0.9, beta=0.8)
        assert {"alpha", "beta", "threshold", "graded_spikes_factor"} == neuron.parameters.keys()
        assert "alpha" in neuron.kernel(learn=("alpha",)).coefficients
        return
    make, parameters, derived, states = SNNTORCH[meta["class"]]
    arguments = meta["arguments"]
    options = {name: arguments[name] for name in ("reset_mechanism", "reset_delay")} | {"inhibition": "inhibition" in case}
    neuron = make(**numbers(case, *parameters, **derived), **options)
    recurrent = None
    if "V" in case:
        recurrent = np.broadcast_to(case["V"], case["x"].shape[-1:])
    elif "rec_weight" in case:
        recurrent = (case["rec_weight"], case["rec_bias"])
    if "out_spk" in case:
        case = case | {"out_spikes": case["out_spk"]}
    check(neuron, case, states, recurrent=recurrent)


# sinabs --------------------------------------------------------------------------------------------------------------------------

SPIKE_FNS = {"SingleSpike": sinabs.SingleSpike, "MultiSpike": sinabs.MultiSpike, "MaxSpike(2)": sinabs.MaxSpike(2)}
RESET_FNS = {
    "MembraneSubtract()": sinabs.MembraneSubtract(),
    "MembraneSubtract(0.6)": sinabs.MembraneSubtract(0.6),
    "MembraneReset()": sinabs.MembraneReset(),
    "MembraneReset(-0.25)": sinabs.MembraneReset(-0.25),
}


def test_sinabs_forward(case: Case) -> None:
    meta = json.loads(str(case["meta"]))
    name, arguments = meta["class"].removesuffix("Recurrent"), meta["arguments"]
    given = numbers(case, "alpha_mem", "alpha_syn", "alpha_adapt", "adapt_scale", "spike_threshold", "min_v_mem")
    if arguments["norm_input"] is not None:
        given["norm_input"] = arguments["norm_input"]
    if arguments["spike_fn"] is not None:
        given |= {"spike_fn": SPIKE_FNS[arguments["spike_fn"]], "reset_fn": RESET_FNS[arguments["reset_fn"]]}
    neuron = {"IAF": sinabs.IAF, "LIF": sinabs.LIF, "ALIF": sinabs.ALIF, "ExpLeak": sinabs.ExpLeak}[name](**given)
    states = {"v": "v"} | ({"i": "i"} if "out_i" in case else {})
    recurrent = case["rec_weight"] if meta["class"].endswith("Recurrent") else None
    result = check(neuron, case, states, recurrent=recurrent)
    if name == "ALIF":
        np.testing.assert_array_equal(result.state.a, case["out_b_final"])
        a = rsnn.simulate(neuron, case["x"], record="a").a
        before = np.concatenate([np.zeros_like(a[:1]), a[:-1]])
        np.testing.assert_array_equal(case["spike_threshold"] + case["adapt_scale"] * before, case["out_threshold_used"])
    for tau in ("mem", "syn", "adapt"):
        if f"tau_{tau}" in case and f"alpha_{tau}" in case:
            # What comes of a time constant is what sinabs formed of it, to one unit in the last place of its exponential.
            got, wanted = decay(Number.of("tau", case[f"tau_{tau}"])).value, case[f"alpha_{tau}"]
            assert got.dtype == wanted.dtype
            assert np.all(np.abs(got - wanted) <= np.spacing(wanted))


# SpikingJelly --------------------------------------------------------------------------------------------------------------------

NODES: dict[str, tuple[Callable[..., rsnn.Neuron], tuple[str, ...], dict[str, str], dict[str, str], float]] = {
    "IFNode": (spikingjelly.IFNode, (), {}, {"v": "v"}, 0.0),
    "LIFNode": (spikingjelly.LIFNode, ("tau",), {}, {"v": "v"}, 0.0),
    "ParametricLIFNode": (spikingjelly.ParametricLIFNode, (), {"sigmoid_w": "derived_sigmoid_w"}, {"v": "v"}, 0.0),
    "QIFNode": (spikingjelly.QIFNode, ("tau", "v_rest", "v_c", "a0"), {}, {"v": "v"}, 0.0),
    "EIFNode": (spikingjelly.EIFNode, ("tau", "v_rest", "delta_T", "theta_rh"), {}, {"v": "v"}, EXPONENTIAL),
    "IzhikevichNode": (
        spikingjelly.IzhikevichNode,
        ("tau", "v_rest", "v_c", "a0", "w_rest", "tau_w", "a", "b"),
        {},
        {"v": "v", "w": "w_state"},
        0.0,
    ),
    "CUBALIFNode": (spikingjelly.CUBALIFNode, ("c_decay", "v_decay"), {}, {"v": "v", "i": "c"}, 0.0),
}


def test_spikingjelly_forward(case: Case) -> None:
    meta = json.loads(str(case["meta"]))
    make, parameters, derived, states, rtol = NODES[meta["class"]]
    given = numbers(case, *parameters, "v_threshold", **derived) | {"v_reset": number(case, "v_reset") if "v_reset" in case else None}
    if "decay_input" in meta["arguments"]:
        given["decay_input"] = meta["arguments"]["decay_input"]
    check(make(**given), case, states, rtol=rtol)

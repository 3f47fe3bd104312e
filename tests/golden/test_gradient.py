"""Gradients against those that Norse, snnTorch, sinabs and SpikingJelly themselves computed: every case, surrogate, leaf and precision.

A case is run through the preset of its class and `rsnn.torch.functional.simulate`, with the library's surrogate and its way of holding
resets constant, and the recorded loss is differentiated by the input and by everything the library can learn.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sinabs_alif
import torch
from test_forward import NODES, NORSE, RESET_FNS, SNNTORCH, SPIKE_FNS, Array, Case, numbers

import rsnn
import rsnn.torch as rt
from rsnn.presets import norse, sinabs, snntorch, spikingjelly

BOUNDS = {"float32": (1e-5, 2e-4), "float64": (1e-12, 1e-12)}
"""Of the largest entry, for the input and for parameters; in float32 the libraries' own sums are no closer to their float64."""
IMPURE = 2e-6
"""For libraries that compute partly in float32 when asked for float64."""


@dataclass
class Run:
    """How a case is run: its neuron, its conventions, and the weights around it, by the name of the leaf."""

    neuron: rsnn.Neuron
    states: dict[str, str]
    """The library's name of each state field."""
    detach_reset: bool
    detach: tuple[str, ...] = ()
    weight: str | None = None
    bias: str | None = None
    mask: Array | None = None
    """1 where a recurrent weight is used."""
    weight_in: str | None = None


def holding(case: Case, double: bool) -> Case:
    """The numbers of a case as the library holds them: in a float64 run they are float64, and what is derived from them as well."""
    if not double:
        return case
    wide = {key: value.astype(np.float64) if value.dtype == np.float32 else value for key, value in case.items()}
    decays = {key: np.exp(-1 / wide[key.replace("alpha", "tau")]) for key in wide if key in ("alpha_mem", "alpha_syn", "alpha_adapt")}
    return {key: value for key, value in (wide | decays).items() if not key.startswith("derived_")}


def of_norse(case: Case, meta: Any) -> Run:
    name = meta["class"]
    recurrent = "Recurrent" in name
    make, parameters, states, _ = NORSE[name.removesuffix("Cell").removesuffix("Recurrent")]
    options = {"reset_method": meta["arguments"]["reset_method"]} if name == "LIFBoxCell" else {}
    # The recurrent LIF, its refractory form and LSNN hold their resets constant.
    run = Run(make(**numbers(case, *parameters), **options), states, recurrent and not name.startswith(("LIFEx", "LIFAdEx")))
    if recurrent:
        run.weight, run.weight_in = "w_rec", "w_in"
        run.mask = None if meta["arguments"]["autapses"] else 1 - np.eye(len(case["w_rec"]))
        run.detach = ("adaptation",) if name.startswith("LSNN") else ()
    return run


def of_snntorch(case: Case, meta: Any) -> Run:
    make, parameters, derived, states = SNNTORCH[meta["class"]]
    if meta["class"] == "Lapicque" and "beta" not in case:
        derived = {"R": "R", "C": "C"}
    options = {name: meta["arguments"][name] for name in ("reset_mechanism", "reset_delay")}
    late = options["reset_delay"]
    run = Run(make(**numbers(case, *parameters, **derived), **options), states, late, () if late else ("carried",))
    run.weight = next((name for name in ("V", "rec_weight") if name in case), None)
    run.bias = "rec_bias" if "rec_bias" in case else None
    return run


def of_sinabs(case: Case, meta: Any) -> Run:
    name, arguments = meta["class"].removesuffix("Recurrent"), meta["arguments"]
    alphas = [f"alpha_{tau}" for tau in ("mem", "syn", "adapt")]
    taus = [] if arguments["train_alphas"] else [f"tau_{tau}" for tau in ("mem", "syn", "adapt")]
    given = numbers(case, *alphas, *taus, "adapt_scale", "spike_threshold", "min_v_mem")
    if arguments["norm_input"] is not None:
        given["norm_input"] = arguments["norm_input"]
    if arguments["spike_fn"] is not None:
        given |= {"spike_fn": SPIKE_FNS[arguments["spike_fn"]], "reset_fn": RESET_FNS[arguments["reset_fn"]]}
    neuron = {"IAF": sinabs.IAF, "LIF": sinabs.LIF, "ALIF": sinabs.ALIF, "ExpLeak": sinabs.ExpLeak}[name](**given)
    run = Run(neuron, {"v": "v"}, False, ("threshold",) if name == "ALIF" else ())
    run.weight = "rec_weight" if "rec_weight" in case else None
    return run


def of_spikingjelly(case: Case, meta: Any) -> Run:
    make, parameters, derived, states, _ = NODES[meta["class"]]
    given = numbers(case, *parameters, "v_threshold", **derived) | {"v_reset": numbers(case, "v_reset").get("v_reset")}
    if meta["class"] == "ParametricLIFNode":
        given |= numbers(case, "w")
    if "decay_input" in meta["arguments"]:
        given["decay_input"] = meta["arguments"]["decay_input"]
    return Run(make(**given), states, meta["arguments"].get("detach_reset", False))


def leaves_of(run: Run, case: Case, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Everything that a gradient was recorded for, as tensors that require one."""
    names = dict.fromkeys(key.split("_", 2)[2].removesuffix("_f64") for key in case if key.startswith("grad_"))
    values = {name: case[name] if name in case else run.neuron.parameters[name] for name in names}
    return {name: torch.tensor(value, dtype=dtype, requires_grad=True) for name, value in values.items()}


def loss_of(run: Run, case: Case, leaves: dict[str, torch.Tensor], surrogate: Any, suffix: str, backend: str) -> torch.Tensor:
    """Run the case, check its spikes, and give its loss."""
    dtype, neuron, x = leaves["x"].dtype, run.neuron, leaves["x"]
    if run.weight_in is not None:
        x = x @ leaves[run.weight_in].T
    comes_back, recurrent = run.weight is not None, None
    if run.weight is not None:
        weight = leaves[run.weight] if run.mask is None else leaves[run.weight] * torch.tensor(run.mask, dtype=dtype)
        recurrent = (weight, leaves[run.bias]) if run.bias else weight
    fields = run.states | ({"s": "z" if "state0_z" in case else "s"} if comes_back else {})
    given = {one: case["state0_" + name] for one, name in fields.items() if "state0_" + name in case}
    start = neuron.init_state(x.shape[1:], case["x"].dtype if dtype == torch.float32 else np.float64, recurrent=comes_back, **given)
    result = rt.functional.simulate(
        neuron,
        x,
        type(start)(*map(torch.from_numpy, start)),
        parameters={name: leaf for name, leaf in leaves.items() if name in neuron.parameters},
        record="v",
        recurrent=recurrent,
        detach_reset=run.detach_reset,
        detach=run.detach,
        backend=backend,
        **({} if surrogate is None else {"surrogate": surrogate}),
    )
    if "out_spikes" + suffix in case:
        np.testing.assert_array_equal(result.spikes.detach().numpy(), case["out_spikes" + suffix])
    weighted = [(value, case[w]) for value, w in ((result.output, "loss_g"), (result.v, "loss_h")) if w in case]
    return torch.stack([(value * torch.tensor(weight, dtype=dtype)).sum() for value, weight in weighted]).sum()


def check(library: Any, case: Case, make: Callable[[Case, Any], Run], impure: bool = False) -> None:
    """Compare every recorded gradient."""
    meta = json.loads(str(case["meta"]))
    compared = 0
    for dtype, suffix in (("float32", ""), ("float64", "_f64")):
        held = holding(case, bool(suffix))
        run = make(held, meta)
        for k, one in enumerate(meta["surrogates"]):
            expected = {key: case[key] for key in case if key.startswith(f"grad_s{k}_") and key.endswith("_f64") == bool(suffix)}
            if not expected:
                # The library has one float64 gradient, of its default; what else is missing, it says why.
                assert (suffix and k) or any(note.startswith(f"s{k}{suffix}") for note in meta["notes_gradient"])
                continue
            surrogate = None if one["name"] == "none" else library.surrogate(one["name"], **one["params"])
            for backend in ("rust", "torch") if k == 0 else ("rust",):
                leaves = leaves_of(run, case, getattr(torch, dtype))
                loss = loss_of(run, held, leaves, surrogate, suffix, backend)
                grads = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values()), allow_unused=True), strict=True))
                wanted, wide = expected, impure and bool(suffix)
                if wide and meta["class"] == "ALIF":
                    # Of float64 there only in part: what sinabs does is compared with the record, and in float64 throughout with ours.
                    theirs, pure = (
                        dict(zip(leaves, sinabs_alif.gradients(case, meta["arguments"], leaves, surrogate, kept), strict=True))
                        for kept in (torch.float32, torch.float64)
                    )
                    close(theirs, expected, BOUNDS[dtype], IMPURE, one, backend)
                    wanted, wide = {f"grad_s{k}_{leaf}": value.numpy() for leaf, value in pure.items()}, False
                close(grads, wanted, BOUNDS[dtype], IMPURE if wide else 0.0, one, backend)
                compared += len(wanted)
    assert compared


def close(grads: Any, expected: dict[str, Array], bounds: tuple[float, float], least: float, *said: Any) -> None:
    """Hold every gradient to its bound, of the largest entry."""
    for key, wanted in expected.items():
        leaf = key.split("_", 2)[2].removesuffix("_f64")
        got = grads[leaf]
        assert got is not None, (leaf, *said)
        worst, largest = np.max(np.abs(got.numpy().astype(np.float64) - wanted)), np.max(np.abs(wanted))
        assert worst <= max(bounds[leaf != "x"], least) * largest, (leaf, worst / largest, *said)


def test_norse_gradient(case: Case) -> None:
    check(norse, case, of_norse)


def test_norse_head_gradient(case: Case) -> None:
    check(Development, case, of_norse)


class Development:
    """The development version of Norse, whose ``super`` uses alpha, as the release does not."""

    @staticmethod
    def surrogate(name: str, alpha: float) -> Any:
        assert name == "super"
        return rsnn.surrogate.SuperSpike(alpha)


def test_snntorch_gradient(case: Case) -> None:
    check(snntorch, case, of_snntorch, impure=True)


def test_sinabs_gradient(case: Case) -> None:
    check(sinabs, case, of_sinabs, impure=True)


def test_spikingjelly_gradient(case: Case) -> None:
    check(spikingjelly, case, of_spikingjelly)

"""Gradients against those that snnTorch, SpikingJelly and Norse themselves computed, where a built-in neuron has their equation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rsnn
import rsnn.torch as rt
from rsnn.surrogate import ATan, FastSigmoid, Surrogate

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "float"


class Case:
    """One recorded run: the neuron that has its equation, its convention, and the leaves by the library's names."""

    def __init__(self, library: str, number: str) -> None:
        with np.load(GOLDEN / f"{library}_gradient.npz") as file:
            start = f"case/{number}/"
            self.arrays = {key.removeprefix(start): file[key] for key in file.files if key.startswith(start)}
        self.meta = json.loads(str(self.arrays.pop("meta")))
        self.options = self.meta["arguments"]
        # per parameter: its name here, and the library's leaf with the factor between the two gradients
        self.leaves: dict[str, tuple[str, float]] = {}
        self.neuron, self.detach_reset = getattr(self, library)()

    def __getitem__(self, name: str) -> Any:
        return self.arrays[name]

    def snntorch(self) -> tuple[rsnn.LIF, bool]:
        reset, late = self.options["reset_mechanism"], self.options["reset_delay"]
        decays = {"beta": self["beta"], **({"alpha": self["alpha"]} if "alpha" in self.arrays else {})}
        timing = "same" if reset == "none" else "next" if late else "residual"
        self.leaves = {name: (name, 1.0) for name in decays} | {"v_threshold": ("threshold", 1.0)}
        return rsnn.LIF(**decays, v_threshold=self["threshold"], reset=reset, reset_timing=timing), late

    def spikingjelly(self) -> tuple[rsnn.LIF, bool]:
        hard = self.options["v_reset"] is not None
        v_reset = {"reset": "value", "v_reset": self["v_reset"], "v_leak": self["v_reset"]} if hard else {}
        decay = 1.0 - 1.0 / float(self["tau"]) if "tau" in self.arrays else 1.0
        gain = "leak" if self.options.get("decay_input") else "unit"
        return rsnn.LIF(beta=decay, gain=gain, v_threshold=self["v_threshold"], **v_reset), self.options["detach_reset"]

    def norse(self) -> tuple[rsnn.LIF, bool]:
        hard = self.options["reset_method"] == "value"
        v_reset = {"reset": "value", "v_reset": self["v_reset"]} if hard else {}
        dt = float(self["dt"])
        self.leaves = {"beta": ("tau_mem_inv", -dt), "v_threshold": ("v_th", 1.0), "v_leak": ("v_leak", 1.0)}
        self.leaves |= {"v_reset": ("v_reset", 1.0)} if hard else {}
        return rsnn.LIF(
            beta=1.0 - dt * self["tau_mem_inv"].astype(float), gain="leak", v_leak=self["v_leak"], v_threshold=self["v_th"], **v_reset
        ), False

    def surrogates(self) -> list[tuple[int, Surrogate]]:
        """Those that are built in, by their number in the file."""
        known = {
            "atan": lambda p: ATan(p["alpha"]),
            "ATan": lambda p: ATan(p["alpha"]),
            "fast_sigmoid": lambda p: FastSigmoid(p["slope"]),
            "SuperSpike": lambda p: FastSigmoid(1.0) if p["alpha"] == 1.0 else None,
            "super": lambda p: FastSigmoid(1.0),  # release 1.1.0 ignores alpha
        }
        made = [(k, known.get(each["name"], lambda p: None)(each["params"])) for k, each in enumerate(self.meta["surrogates"])]
        return [(k, surrogate) for k, surrogate in made if surrogate is not None]


CASES = {
    "snntorch": ["000", "001", "002", "003", "008", "009", "016", "017", "018", "021", "022", "023", "024", "030", "031"],
    "spikingjelly": ["000", "001", "005", "006", "007", "010", "011", "021"],
    "norse": ["004", "005", "006", "007"],
}
BOUNDS = {"float32": (1e-5, 2e-4), "float64": (1e-12, 1e-12)}
"""For the input and for parameters, of the largest entry; in float32 the libraries' own sums are no closer to their float64."""
IMPURE = {"snntorch": 2e-6}
"""What computes partly in float32 when asked for float64."""


@pytest.mark.parametrize("backend", ["rust", "torch"])
@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize(("library", "number"), [(library, number) for library, numbers in CASES.items() for number in numbers])
def test_gradients_are_those_of_the_library(library: str, number: str, dtype: str, backend: str) -> None:
    case, suffix, kind = Case(library, number), "_f64" if dtype == "float64" else "", getattr(torch, dtype)
    surrogates = case.surrogates()
    assert surrogates
    assert case.meta["f64_spikes_equal_f32"]
    fields = case.neuron.kernel().states
    given = {field: case.arrays[f"state0_{field}"] for field in fields if f"state0_{field}" in case.arrays}
    start = case.neuron.init_state(case["x"].shape[1:], dtype, **given)
    for k, surrogate in surrogates:
        if f"grad_s{k}_x{suffix}" not in case.arrays:
            continue
        x = torch.from_numpy(case["x"]).to(kind).requires_grad_()
        parameters = {name: torch.from_numpy(case.neuron.parameters[name]).requires_grad_() for name in case.leaves}
        result = rt.functional.simulate(
            case.neuron,
            x,
            type(start)(*map(torch.from_numpy, start)),
            parameters=parameters,
            record="v",
            surrogate=surrogate,
            detach_reset=case.detach_reset,
            detach=("carried",) if library == "snntorch" else (),  # with reset_delay=False the spikes of the step flow
            backend=backend,
        )
        np.testing.assert_array_equal(result.output.detach().numpy(), case["out_spikes"])
        weighted = [(value, case[w]) for value, w in ((result.output, "loss_g"), (result.v, "loss_h")) if w in case.arrays]
        loss = torch.stack([(value * torch.from_numpy(weight).to(kind)).sum() for value, weight in weighted]).sum()
        for name, grad in zip(("x", *parameters), torch.autograd.grad(loss, [x, *parameters.values()]), strict=True):
            leaf, factor = case.leaves.get(name, (name, 1.0))
            expected = case[f"grad_s{k}_{leaf}{suffix}"]
            bound = IMPURE.get(library, 0.0) if suffix else 0.0
            bound = max(bound, BOUNDS[dtype][name != "x"])
            assert np.abs(grad.numpy() * factor - expected).max() <= bound * np.abs(expected).max(), (name, surrogate)

"""The threshold that an adaptation moves, held constant as sinabs' ALIF holds it, against the gradients that sinabs itself computed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import rsnn.torch as rt
from rsnn.presets import sinabs

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "float" / "sinabs_gradient.npz"


@pytest.mark.parametrize("backend", ["rust", "torch"])
@pytest.mark.parametrize("number", ["023", "024", "025", "026"])
def test_the_gradient_of_the_input_is_that_of_sinabs(number: str, backend: str) -> None:
    with np.load(GOLDEN) as file:
        start = f"case/{number}/"
        case = {key.removeprefix(start): file[key] for key in file.files if key.startswith(start)}
    meta = json.loads(str(case["meta"]))
    options = meta["arguments"]
    decays = {name: case[name] for name in ("alpha_mem", "alpha_adapt", "alpha_syn") if name in case}
    neuron = sinabs.ALIF(
        **decays,
        adapt_scale=case["adapt_scale"],
        spike_threshold=case["spike_threshold"],
        norm_input=options["norm_input"],
        spike_fn=getattr(sinabs, options["spike_fn"]),
    )
    for each in meta["surrogates"]:
        x = torch.from_numpy(case["x"]).requires_grad_()
        form = sinabs.surrogate(each["name"], **each["params"])
        result = rt.functional.simulate(neuron, x, record="v", surrogate=form, detach_reset=False, detach="threshold", backend=backend)
        np.testing.assert_array_equal(result.output.detach().numpy(), case["out_spikes"])
        weighted = [(value, case[w]) for value, w in ((result.output, "loss_g"), (result.v, "loss_h")) if w in case]
        loss = torch.stack([(value * torch.from_numpy(weight)).sum() for value, weight in weighted]).sum()
        (grad,) = torch.autograd.grad(loss, x)
        wanted = case.get(f"grad_{each['key']}_x")
        if wanted is not None:
            assert np.abs(grad.numpy() - wanted).max() <= 1e-5 * np.abs(wanted).max(), form

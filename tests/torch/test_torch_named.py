"""The gradients of the named neurons beyond LIF: those of the engine are those of the reference under autograd."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import rsnn
from rsnn.torch.named import LAYERS

DRIVES = {"ALIF": 3.0, "Alpha": 3.0, "EIF": 20.0, "QIF": 2.0, "AdEx": 3000.0, "Izhikevich": 30.0, "GLIF3": 1500.0}


def run(name: str, backend: str, detach: bool, **arguments: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Run a neuron that learns all it can; give its spikes and all gradients."""
    learn = tuple(getattr(rsnn, name)(**arguments).parameters)
    layer = LAYERS[name](**arguments, learn=learn, backend=backend, detach_reset=detach).double()
    x = torch.rand(40, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * DRIVES[name]
    out = layer(x.requires_grad_())
    spikes = out[0] if isinstance(out, tuple) else out
    weights = torch.arange(spikes.numel(), dtype=torch.float64).cos().reshape(spikes.shape)
    (spikes * weights).sum().backward()
    grads = {"x": x.grad} | {key: parameter.grad for key, parameter in layer.named_parameters()}
    return spikes.detach(), {key: grad for key, grad in grads.items() if grad is not None}


CASES: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in DRIVES]
CASES += [("Izhikevich", {"recovery": "carried"}), ("Izhikevich", {"recovery": "drift", "v_leak": -65.0}), ("GLIF3", {"refractory": 0.0})]


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_the_gradients_of_the_engine_are_those_of_the_reference(name: str, arguments: dict[str, Any], detach: bool) -> None:
    spikes, grads = run(name, "rust", detach, **arguments)
    same, wanted = run(name, "torch", detach, **arguments)
    assert spikes.sum() >= 5
    assert torch.equal(spikes, same)
    assert grads.keys() == wanted.keys()
    assert len(grads) > 5
    if arguments.get("recovery") == "drift":
        # It starts where the membrane stands still, so const changes nothing: what is left is rounding.
        assert max(abs(grads.pop("const")), abs(wanted.pop("const"))) < 1e-12
    for key, want in wanted.items():
        assert want.abs().max() > 0, key
        assert (grads[key] - want).abs().max() <= 1e-12 * want.abs().max(), key

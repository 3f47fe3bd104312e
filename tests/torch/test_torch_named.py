"""The gradients of the named neurons beyond LIF: those of the engine are those of the reference under autograd."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_neurons import DRIVES

import rsnn
from rsnn.neurons import NAMED
from rsnn.torch.named import LAYERS


def run(name: str, backend: str, detach: bool, **arguments: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Run a neuron that learns all it can; give its spikes and all gradients."""
    learn = tuple(getattr(rsnn, name)(**arguments).parameters)
    layer = LAYERS[name](**arguments, learn=learn, backend=backend, detach_reset=detach).double()
    x = torch.rand(40, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * DRIVES.get(name, 1.0)
    out = layer(x.requires_grad_())
    spikes = out[0] if isinstance(out, tuple) else out
    weights = torch.arange(spikes.numel(), dtype=torch.float64).cos().reshape(spikes.shape)
    (spikes * weights).sum().backward()
    grads = {"x": x.grad} | {key: parameter.grad for key, parameter in layer.named_parameters()}
    return spikes.detach(), {key: grad for key, grad in grads.items() if grad is not None}


CASES: list[tuple[str, dict[str, Any]]] = [(kind.__name__, {}) for kind in NAMED.values() if kind not in (rsnn.LI, rsnn.LIF, rsnn.IAF)]
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

"""Every stage over tensors: the native operator equals plain torch operations on the reference, in values and in gradients."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stage_strategies import every

import rsnn
import rsnn.torch as rt
from rsnn import stages

SURROGATES = [rsnn.surrogate.ATan(2.0), rsnn.surrogate.FastSigmoid(10.0)]
CONSTANT = ("reset", "carried", "threshold", "adaptation")


@settings(deadline=None, max_examples=200)
@given(every(3), st.integers(0, 2**32 - 1), st.sampled_from(SURROGATES), st.sets(st.sampled_from(CONSTANT)))
def test_native_gradients_equal_those_of_the_reference(neuron: Any, seed: int, surrogate: Any, constant: set[str]) -> None:
    assume(not neuron.inhibition)  # neurons that compete are not trained
    rng = np.random.default_rng(seed)
    data, weights = rng.normal(0.3, 1.0, (7, 2, 3)), torch.tensor(rng.normal(0.0, 1.0, (7, 2, 3)))
    found = {}
    for backend in ("rust", "torch"):
        x = torch.tensor(data, requires_grad=True)
        learned = {name: torch.tensor(value, requires_grad=True) for name, value in neuron.parameters.items()}
        result = rt.functional.simulate(
            neuron,
            x,
            parameters=learned,
            record="u",
            surrogate=surrogate,
            detach_reset="reset" in constant,
            detach=constant - {"reset"},
            backend=backend,
        )
        loss = (result.output * weights).sum() + (result.u * weights.flip(0)).sum()
        loss = loss + sum(field.sum() for name, field in result.state._asdict().items() if field.requires_grad)
        grads = torch.autograd.grad(loss, [x, *learned.values()], allow_unused=True)
        assume(bool(result.u.detach().abs().max() < 1e6))  # an exponential drive that has run away has no gradient worth the name
        found[backend] = (result.output.detach().numpy(), dict(zip(["x", *learned], grads, strict=True)))
    np.testing.assert_array_equal(found["rust"][0], found["torch"][0])
    for name, native in found["rust"][1].items():
        wanted = found["torch"][1][name]
        if native is None or wanted is None:
            assert not any(grad is not None and grad.any() for grad in (native, wanted)), name
            continue
        size = max(1.0, float(wanted.abs().max()))
        if np.isfinite(size):
            torch.testing.assert_close(native, wanted, rtol=1e-9, atol=1e-9 * size, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("backend", ["rust", "torch"])
def test_a_neuron_starts_where_it_says(backend: str) -> None:
    neuron = rsnn.Neuron(
        membrane=stages.Euler(k=0.5, v_leak=-0.5),
        adaptation=stages.RelaxingThreshold(couple=0.5),
        fire=stages.Strict(2.0),
        reset=stages.Blend(-1.0),
        v_start="v_reset",
    )
    result = rt.functional.simulate(neuron, torch.zeros(1, 1, 2), record=("u", "a"), backend=backend)
    assert result.u.flatten().tolist() == [-0.75, -0.75]
    assert result.a.flatten().tolist() == [2.0, 2.0]

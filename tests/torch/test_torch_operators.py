"""The operators as torch sees them: schemas, shapes, aliasing, and the bits of what recipes use."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_neurons import NEURONS, data

from rsnn.neurons import NAMED
from rsnn.torch import _ops, functional
from rsnn.torch import _product_ops as products

STEPS, N = 20, 5


@pytest.mark.parametrize("recurrent", [None, "full", "elementwise"])
@pytest.mark.parametrize("name", ["lif-same", "lif-all", "lif-per-neuron", "lif-refractory-next", "li"])
def test_the_operators_of_a_neuron_pass_opcheck(name: str, recurrent: str | None) -> None:
    kernel = NEURONS[name].kernel(recurrent=recurrent is not None)
    x = torch.from_numpy(data((1, STEPS, N)))
    values = NEURONS[name].coefficients()
    coefficients = torch.from_numpy(np.stack([np.broadcast_to(values[k], (N,)) for k in kernel.coefficients]))
    state = torch.zeros(len(kernel.states), 1, N)
    weights: tuple[Any, ...] = (None, None, 0)
    if recurrent is not None:
        shape = (N, N) if recurrent == "full" else (N,)
        weights = (torch.from_numpy(data(shape, seed=1)), torch.from_numpy(data((N,), seed=2)), N)
    for every in (0, 7):
        torch.library.opcheck(_ops.scan, (kernel.spec, x, coefficients, state, ["v", "u"], every, *weights))
    checkpoints = _ops.scan(kernel.spec, x, coefficients, state, [], 7, *weights)[3]
    needs = [k for k in kernel.coefficients if k not in ("max_spikes", "refractory")]
    for grad_output, recorded in ((x, torch.stack([x, x])), (None, None)):
        how = (kernel.spec, "atan", [1.0, 3.0], ["reset"])
        rest = (x, coefficients, checkpoints, 7, grad_output, state, ["v", "u"], recorded, needs, *weights)
        torch.library.opcheck(_ops.scan_backward, (*how, *rest))


def test_the_operators_of_the_products_pass_opcheck() -> None:
    generator = torch.Generator().manual_seed(0)
    frames, weight = torch.randn(3, 2, 5, 7, generator=generator), torch.randn(4, 2, 3, 2, generator=generator)
    for bias in (None, torch.randn(4, generator=generator)):
        torch.library.opcheck(products.linear, (torch.randn(6, 3, generator=generator), torch.randn(4, 3, generator=generator), bias))
        torch.library.opcheck(products.conv2d, (frames, weight, bias, [2, 1], [1, 0]))
        for x in (torch.eye(6, 70), 3 * torch.eye(6, 70), torch.randn(6, 70, generator=generator)):
            wide = torch.randn(4, 70, generator=generator)
            torch.library.opcheck(products.linear_kept, (x, wide, bias), test_utils=("test_schema", "test_faketensor"))
            _, words, values = products.linear_kept(x, wide, bias)
            grad = torch.randn(6, 4, generator=generator)
            torch.library.opcheck(products.linear_backward, (grad, x, wide, words, values, [True, True, bias is not None]))
            if words.numel():
                torch.library.opcheck(products.unpacked, (x, words, values))
        for frames in (torch.eye(70).reshape(2, 2, 35, 35)[:, :, :5, :7], torch.randn(2, 2, 5, 7, generator=generator)):
            given = frames.contiguous(), weight, bias, [2, 1], [1, 0]
            torch.library.opcheck(products.conv2d_kept, given, test_utils=("test_schema", "test_faketensor"))
            output, words, values = products.conv2d_kept(*given)
            back = output, given[0], weight, words, values, [2, 1], [1, 0], [True, True, bias is not None]
            torch.library.opcheck(products.conv2d_backward, back)
    for average in (True, False):
        torch.library.opcheck(products.pool2d, (frames, [2, 3], average))
    torch.library.opcheck(_ops.as_numpy, ("exp", torch.randn(5, generator=generator, dtype=torch.float64)))


@pytest.mark.parametrize("name", functional.FUNCTIONS)
def test_what_a_recipe_uses_has_the_bits_of_numpy(name: str) -> None:
    x = np.linspace(-30.0, 0.0, 4001) if name in ("exp", "expm1", "sin", "cos", "tanh") else np.linspace(1e-3, 30.0, 4001)
    assert np.array_equal(_ops.as_numpy(name, torch.from_numpy(x)).numpy(), getattr(np, name)(x))
    leaf = torch.from_numpy(x).requires_grad_()
    value = getattr(functional._NAMESPACE, name)(leaf)
    assert np.array_equal(value.detach().numpy(), getattr(np, name)(x))
    assert torch.equal(*torch.autograd.grad(value.sum(), leaf), *torch.autograd.grad(getattr(torch, name)(leaf).sum(), leaf))


@given(st.sampled_from(sorted(NAMED)), st.floats(1.0, 50.0), st.floats(0.01, 0.99))
@settings(max_examples=200)
def test_the_coefficients_of_a_layer_have_the_bits_of_the_neuron(name: str, tau: float, part: float) -> None:
    numbers = {"tau_mem": tau, "tau_syn": 0.3 * tau, "tau_decay": tau, "tau_rise": part * tau, "tau_adapt": 7.0 * tau, "a": part}
    made = NAMED[name]()
    neuron = made.replace(**{key: value for key, value in numbers.items() if key in made.parameters})
    tensors = {key: torch.tensor(value, dtype=torch.float64) for key, value in neuron.parameters.items()}
    wanted = neuron.coefficients()
    for key, value in functional.coefficients(neuron, tensors).items():
        assert np.array_equal(value.numpy() if isinstance(value, torch.Tensor) else value, wanted[key]), key

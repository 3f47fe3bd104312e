"""The operators as torch sees them: schemas, shapes, aliasing, and the bits of exp."""

from typing import Any

import numpy as np
import pytest
import torch
from torch_neurons import NEURONS, data

from rsnn.torch import _autograd, _ops
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
    torch.library.opcheck(_ops.exp, (torch.randn(5, generator=generator, dtype=torch.float64),))


def test_exp_has_the_bits_of_numpy() -> None:
    x = np.linspace(-30.0, 0.0, 4001)
    assert np.array_equal(_ops.exp(torch.from_numpy(x)).numpy(), np.exp(x))
    assert np.array_equal(_autograd.exp(torch.from_numpy(x)).numpy(), np.exp(x))

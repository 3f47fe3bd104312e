"""Derivatives beyond one backward pass: refused in words by the native kernels, there in plain torch."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad
from torch_neurons import NEURONS, data, soft

import rsnn.torch as rt
from rsnn.surrogate import FastSigmoid

STEPS, BATCH, N = 20, 3, 5


@pytest.fixture
def x() -> Tensor:
    return torch.from_numpy(data((STEPS, BATCH, N)))


@pytest.fixture(params=[False, True], ids=["feed-forward", "recurrent"])
def layer(request: pytest.FixtureRequest) -> rt.Layer:
    recurrent = {"recurrent": True, "hidden_size": N} if request.param else {}
    return rt.Layer(NEURONS["lif-all"], learn="tau_mem", **recurrent)


def test_double_backward_is_refused_in_words(layer: rt.Layer, x: Tensor) -> None:
    x.requires_grad_()
    (first,) = torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)
    with pytest.raises(rt.DifferentiationError, match=r'double backward.*backend="torch"'):
        first.sum().backward()
    with pytest.raises(rt.DifferentiationError, match="double backward"):
        grad(lambda x: grad(lambda x: layer(x)[0].sum())(x).sum())(x.detach())


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
def test_forward_mode_is_refused_in_words(layer: rt.Layer, x: Tensor) -> None:
    with pytest.raises(rt.DifferentiationError, match=r'forward-mode.*backend="torch"'):
        torch.func.jvp(lambda x: layer(x)[0], (x,), (x,))
    with torch.autograd.forward_ad.dual_level(), pytest.raises(rt.DifferentiationError, match="forward-mode"):
        layer(torch.autograd.forward_ad.make_dual(x, x))


def check_derivatives(layer: rt.Layer) -> None:
    """Hold the first and second derivatives, and the forward one, against differences."""
    x = torch.from_numpy(data((4, 1, N), dtype=float)).requires_grad_()
    names = list(dict(layer.named_parameters()))

    def run(x: Tensor, *values: Tensor) -> Any:
        return functional_call(layer, dict(zip(names, values, strict=True)), (x,))[0]

    assert torch.autograd.gradcheck(run, (x, *layer.parameters()), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(run, (x, *layer.parameters()))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
@pytest.mark.parametrize("name", ["lif-same", "lif-value-same", "lif-all", "lif-refractory-next"])
def test_the_torch_backend_differentiates_twice_and_forwards(name: str) -> None:
    layer = rt.Layer(soft(NEURONS[name]), learn=True, surrogate=FastSigmoid(2.0), detach_reset=False, backend="torch").double()
    check_derivatives(layer)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
def test_the_torch_backend_has_the_surrogate_forwards_too(x: Tensor) -> None:
    layer = rt.Layer(NEURONS["lif-value-same"], detach_reset=False, backend="torch")
    tangent = torch.from_numpy(data((STEPS, BATCH, N), seed=9))
    _, forwards = torch.func.jvp(lambda x: layer(x)[0].sum(), (x,), (tangent,))
    backwards = (grad(lambda x: layer(x)[0].sum())(x) * tangent).sum()
    torch.testing.assert_close(forwards, backwards, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
def test_the_torch_backend_differentiates_recurrence_twice_and_forwards() -> None:
    options = {"recurrent": True, "hidden_size": N, "recurrent_bias": True, "backend": "torch"}
    torch.manual_seed(0)
    layer = rt.Layer(soft(NEURONS["lif-same"]), surrogate=FastSigmoid(2.0), detach_reset=False, **options).double()
    check_derivatives(layer)

"""Forward and backward operators joined for torch's autograd: one Function each, around the operators of `_ops`.

A Function with `setup_context` and `generate_vmap_rule` around operators of fixed arity is the form that works with `torch.func`
(`grad`, `vmap`, per-sample gradients) and `torch.compile`, and that refuses forward-mode differentiation instead of returning zeros.
"""

from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import Tensor

from rsnn.errors import RsnnError
from rsnn.torch import _ops


class DifferentiationError(RsnnError, RuntimeError):
    """A kind of differentiation that the native kernels do not have; the message names the way out."""


def _refuse(kind: str) -> NoReturn:
    cure = 'build the layer with backend="torch", which runs plain torch operations'
    raise DifferentiationError(f"{kind} is not available through the native kernels of rsnn; {cure}")


class ScanBackward(torch.autograd.Function):
    """The adjoint as a Function of its own, so that differentiating it again is refused in words."""

    generate_vmap_rule = True

    @staticmethod
    def forward(*arguments: Any) -> Any:
        return _ops.scan_backward(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> NoReturn:
        _refuse("double backward (a derivative of a gradient)")


class Scan(torch.autograd.Function):
    """A whole sequence of one neuron: kept for backward are x, the coefficients, the state before every `every`-th step, and weights."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor,
        coefficients: Tensor,
        state: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        spec: str,
        record: list[str],
        every: int,
        surrogate: tuple[str, list[float]],
        detach: list[str],
        needs: list[str],
        group: int,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        results: tuple[Tensor, Tensor, Tensor, Tensor] = _ops.scan(spec, x, coefficients, state, record, every, weight, bias, group)
        return results

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, coefficients, _, weight, bias, *ctx.options = inputs
        checkpoints = output[3]
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(checkpoints)
        ctx.save_for_backward(x, coefficients, checkpoints, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor | None, grad_state: Tensor | None, grad_recorded: Tensor | None, _: None) -> Any:
        x, coefficients, checkpoints, weight, bias = ctx.saved_tensors
        spec, record, every, (surrogate, surrogate_params), detach, needs, group = ctx.options
        if grad_state is None:
            grad_state = checkpoints.new_zeros(checkpoints.shape[1:])
        grads = ScanBackward.apply(
            spec,
            surrogate,
            surrogate_params,
            detach,
            x,
            coefficients,
            checkpoints,
            every,
            grad_output,
            grad_state,
            record,
            grad_recorded,
            [*(needs if ctx.needs_input_grad[1] else []), *([_ops.RECURRENT] if any(ctx.needs_input_grad[3:5]) else [])],
            weight,
            bias,
            group,
        )
        grad_x, grad_initial, grad_coefficients, grad_weight, grad_bias = grads
        of_weights = (None if weight is None else grad_weight, None if bias is None else grad_bias)
        return grad_x, grad_coefficients, grad_initial, *of_weights, *(None for _ in ctx.options)


class ScanOutsideTracing(Scan):
    """The same with forward-mode differentiation refused in words."""

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> NoReturn:
        _refuse("forward-mode differentiation")


class Clamp(torch.autograd.Function):
    """A parameter held in its valid range [low, high] at use.

    Inside the range this is the identity. Outside it the value is the bound, and of the gradient there only what leads back passes
    (descent moves against the gradient), so a parameter that an optimiser threw over the edge is neither driven further nor stuck.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, low: float, high: float) -> Tensor:
        return x.clamp(low, high)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, ctx.low, ctx.high = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        outward = ((x < ctx.low) & (grad > 0)) | ((x > ctx.high) & (grad < 0))
        return grad.masked_fill(outward, 0.0), None, None


class ClampOutsideTracing(Clamp):
    """The same with its forward-mode derivative."""

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        (x,) = ctx.saved_tensors
        return tangent.masked_fill((x < ctx.low) | (x > ctx.high), 0.0)


def outside_tracing(traced: type[torch.autograd.Function], eager: type[torch.autograd.Function]) -> Callable[..., Any]:
    """Apply `eager`, which has a `jvp`, or under torch.compile, which refuses every Function with one, `traced`."""

    def apply(*arguments: Any) -> Any:
        return traced.apply(*arguments) if torch.compiler.is_compiling() else eager.apply(*arguments)

    return apply


def as_numpy(function: str) -> Callable[[Tensor], Tensor]:
    """Give a function of float64 with the bits of the numpy recipe.

    torch's own differs from numpy's in the last bit now and then. Added is their difference, which is exact, as is the sum; it is a
    constant to autograd, so every derivative is that of torch's.
    """
    own: Callable[[Tensor], Tensor] = getattr(torch, function)

    def same(x: Tensor) -> Tensor:
        value = own(x)
        difference: Tensor = _ops.as_numpy(function, x.detach()) - value.detach()
        return value + difference

    return same


apply_scan: Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]] = outside_tracing(Scan, ScanOutsideTracing)
apply_clamp: Callable[[Tensor, float, float], Tensor] = outside_tracing(Clamp, ClampOutsideTracing)

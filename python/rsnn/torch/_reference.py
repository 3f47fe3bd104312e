"""The reference over tensors: `rsnn.reference` step by step in plain torch, with a surrogate where it fires.

This is what runs on other devices and with ``backend="torch"``, and what the native gradients are tested against. Autograd sees every
operation, so gradients of gradients and forward-mode derivatives exist here; time and memory are those of a loop over time.
"""

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor

from rsnn import reference
from rsnn.neurons import Kernel
from rsnn.surrogate import Surrogate
from rsnn.torch._autograd import outside_tracing


class Spike(torch.autograd.Function):
    """The number of spikes; its derivative is a surrogate, h(v - theta) by the membrane and its negative by the threshold."""

    generate_vmap_rule = True

    @staticmethod
    def forward(v: Tensor, theta: Tensor, fire: reference.Fire, surrogate: Surrogate) -> Tensor:
        spikes: Tensor = fire(v, theta)
        return spikes

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        v, theta, _, ctx.surrogate = inputs
        ctx.save_for_backward(v, theta)
        ctx.save_for_forward(v, theta)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        v, theta = ctx.saved_tensors
        slope = grad * ctx.surrogate.of(v, theta, torch, _exp)
        return slope, -slope, None, None


class SpikeOutsideTracing(Spike):
    """The same with its forward-mode derivative."""

    @staticmethod
    def jvp(ctx: Any, v_tangent: Tensor, theta_tangent: Tensor, *_: None) -> Tensor:
        v, theta = ctx.saved_tensors
        tangent: Tensor = (v_tangent - theta_tangent) * ctx.surrogate.of(v, theta, torch, _exp)
        return tangent


class Select(torch.autograd.Function):
    """v_reset where it fired, else u; by the spikes it has the derivative of u - s (u - v_reset), which is the same value."""

    generate_vmap_rule = True

    @staticmethod
    def forward(s: Tensor, v_reset: Tensor, u: Tensor) -> Tensor:
        return torch.where(s != 0, v_reset, u)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        s, v_reset, u = ctx.saved_tensors
        zero = torch.zeros_like(grad)
        return (v_reset - u) * grad, torch.where(s != 0, grad, zero), torch.where(s != 0, zero, grad)


class SelectOutsideTracing(Select):
    """The same with its forward-mode derivative."""

    @staticmethod
    def jvp(ctx: Any, s_tangent: Tensor, v_reset_tangent: Tensor, u_tangent: Tensor) -> Tensor:
        s, v_reset, u = ctx.saved_tensors
        tangent: Tensor = torch.where(s != 0, v_reset_tangent, u_tangent) + (v_reset - u) * s_tangent
        return tangent


class Exp(torch.autograd.Function):
    """The exponential of the reference; its derivative is itself, not that of the polynomial it is computed with."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        value: Tensor = reference.exp(x, torch)
        return value

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.save_for_backward(output)
        ctx.save_for_forward(output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        slope: Tensor = grad * ctx.saved_tensors[0]
        return slope


class ExpOutsideTracing(Exp):
    """The same with its forward-mode derivative."""

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        moved: Tensor = tangent * ctx.saved_tensors[0]
        return moved


class Recur(torch.autograd.Function):
    """What spikes (..., n) bring to the next step by weights (n, n) [post, pre]: ordered sums forward, torch's fast products backward."""

    generate_vmap_rule = True

    @staticmethod
    def forward(s: Tensor, weight: Tensor) -> Tensor:
        brought: Tensor = reference.recurrence(weight, xp=torch)(s)
        return brought

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        s, weight = ctx.saved_tensors
        n = weight.shape[0]
        return grad @ weight, grad.reshape(-1, n).T @ s.reshape(-1, n)


class RecurOutsideTracing(Recur):
    """The same with its forward-mode derivative."""

    @staticmethod
    def jvp(ctx: Any, s_tangent: Tensor, weight_tangent: Tensor) -> Tensor:
        s, weight = ctx.saved_tensors
        tangent: Tensor = s_tangent @ weight.T + s @ weight_tangent.T
        return tangent


_spike = outside_tracing(Spike, SpikeOutsideTracing)
_select = outside_tracing(Select, SelectOutsideTracing)
_exp = outside_tracing(Exp, ExpOutsideTracing)
_recur = outside_tracing(Recur, RecurOutsideTracing)


def _operand(weight: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    def bring(s: Tensor) -> Tensor:
        brought: Tensor = weight * s if weight.ndim == 1 else _recur(s, weight)
        return brought if bias is None else brought + bias

    return bring


def scan(
    kernel: Kernel,
    x: Tensor,
    coefficients: Tensor,
    state: Tensor,
    record: Collection[str],
    surrogate: Surrogate,
    constant: Collection[str],
    weights: tuple[Tensor, Tensor | None] | None = None,
    group: int = 0,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Run over x (outer, T, inner) as the native operator does; return the output, the final states and the traces by name.

    `weights` of recurrent neurons are those of `rsnn.simulate`, `group` the length of the axis along which neurons act on each other.
    """
    outer, steps, inner = x.shape
    period = coefficients.shape[1]
    rows = coefficients.to(x.dtype)
    rows = rows.repeat(1, inner // period) if period > 1 else rows.expand(-1, inner)
    each = (inner // group, group) if group else (inner,)
    shape = torch.Size((outer, *each))
    rows = rows.reshape(len(rows), *each)

    def spike(v: Tensor, theta: Tensor, fire: reference.Fire) -> Tensor:
        spikes: Tensor = _spike(v, theta.expand(shape), fire, surrogate)
        return spikes

    def select(s: Tensor, v_reset: Tensor, u: Tensor) -> Tensor:
        chosen: Tensor = _select(s, v_reset.expand(shape), u)
        return chosen

    def detach(value: Tensor, *paths: str) -> Tensor:
        return value.detach() if any(path in constant for path in paths) else value

    stepper = reference.Stepper(
        kernel.spec,
        dict(zip(kernel.coefficients, rows, strict=True)),
        torch,
        spike=spike,
        select=select,
        exp=_exp,
        detach=detach,
    )
    begin = dict(zip(kernel.states, state.reshape(len(state), *shape).unbind(0), strict=True))
    operand = None if weights is None else _operand(*weights)
    output, after, traces = reference.run(stepper, x.moveaxis(1, 0).reshape(steps, *shape), begin, record, operand)

    def lying(over_time: Tensor) -> Tensor:
        return over_time.reshape(steps, outer, inner).moveaxis(0, 1)

    final = torch.stack([each.expand(shape) for each in after.values()]).reshape(state.shape)
    return lying(output), final, {name: lying(trace) for name, trace in traces.items()}

"""Forward and backward of the products joined for torch's autograd, in the form that `_autograd` explains.

What backward needs of an input that is mostly zeros is its events: a bit for each entry, and the values where they are not all 1. x itself
is let go. Its place in the graph is held by a tensor without memory of its own (`Hold`), so that gradients of gradients still reach it.
What is traced or batched keeps x instead, since there sizes may not depend on the data, and finds the events anew.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rsnn.torch import _product_ops as ops


class Hold(torch.autograd.Function):
    """The place of x in the graph: its shape and its gradient, not its data."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.new_zeros(()).expand(x.shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class Unpack(torch.autograd.Function):
    """x from its events, in its place in the graph."""

    generate_vmap_rule = True

    @staticmethod
    def forward(held: Tensor, words: Tensor, values: Tensor) -> Tensor:
        dense: Tensor = ops.unpacked(held, words, values)
        return dense

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad, None, None


class Linear(torch.autograd.Function):
    """y = x W^T + b over rows. `held` is the place of x, if that has one: it then receives the gradient."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, held: Tensor | None, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        if held is not None:
            kept: tuple[Tensor, Tensor, Tensor] = ops.linear_kept(x, weight, bias)
            return kept
        return ops.linear(x, weight, bias), *ops.nothing(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, held, weight, _ = inputs
        _, words, values = output
        ctx.place = 0 if held is None else 1
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(words, values)
        ctx.save_for_backward(held if words.numel() else x, weight, words, values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> Any:
        if grad is None:
            return None, None, None, None
        needs = [ctx.needs_input_grad[k] for k in (ctx.place, 2, 3)]
        of_x, *others = (g if need else None for g, need in zip(LinearBackward.apply(grad, *ctx.saved_tensors, needs), needs, strict=True))
        return (None, of_x, *others) if ctx.place else (of_x, None, *others)


class LinearBackward(torch.autograd.Function):
    """The gradients of x, weight and bias. Its own are torch's products, so every further derivative is there."""

    generate_vmap_rule = True

    @staticmethod
    def forward(grad: Tensor, x: Tensor, weight: Tensor, words: Tensor, values: Tensor, needs: list[bool]) -> tuple[Tensor, Tensor, Tensor]:
        grads: tuple[Tensor, Tensor, Tensor] = ops.linear_backward(grad, x, weight, words, values, needs)
        return grads

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        grad, x, weight, words, values, ctx.needs = inputs
        ctx.save_for_backward(grad, x, weight, words, values)

    @staticmethod
    def backward(ctx: Any, of_x: Tensor, of_weight: Tensor, of_bias: Tensor) -> Any:
        grad, x, weight, words, values = ctx.saved_tensors
        if words.numel():
            x = Unpack.apply(x, words, values)
        back_grad, back_x, back_weight = torch.zeros_like(grad), None, None
        if ctx.needs[0]:
            back_grad = back_grad + of_x.matmul(weight.transpose(0, 1))
            back_weight = grad.transpose(0, 1).matmul(of_x)
        if ctx.needs[1]:
            back_grad = back_grad + x.matmul(of_weight.transpose(0, 1))
            back_x = grad.matmul(of_weight)
        if ctx.needs[2]:
            back_grad = back_grad + of_bias
        return back_grad, back_x, back_weight, None, None, None


class Conv2d(torch.autograd.Function):
    """A two-dimensional convolution over frames: rsnn's ordered sums forward, torch's fast products backward."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int]) -> Tensor:
        output: Tensor = ops.conv2d(x, weight, bias, stride, padding)
        return output

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, weight, _, ctx.stride, ctx.padding = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        wanted = list(ctx.needs_input_grad[:3])
        grads = torch.ops.aten.convolution_backward(
            grad, x, weight, [weight.shape[0]], ctx.stride, ctx.padding, [1, 1], False, [0, 0], 1, wanted
        )
        return *(g if w else None for g, w in zip(grads, wanted, strict=True)), None, None


class Pool2d(torch.autograd.Function):
    """Sums or means of non-overlapping windows; every input of a window receives the window's gradient (over its size for means)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, kernel: list[int], average: bool) -> Tensor:
        output: Tensor = ops.pool2d(x, kernel, average)
        return output

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, ctx.kernel, ctx.average = inputs
        ctx.sides = x.shape[-2:]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        ky, kx = ctx.kernel
        if ctx.average:
            grad = grad / (ky * kx)
        grad = grad.repeat_interleave(ky, dim=-2).repeat_interleave(kx, dim=-1)
        height, width = ctx.sides
        return torch.nn.functional.pad(grad, (0, width - grad.shape[-1], 0, height - grad.shape[-2])), None, None


def apply_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Multiply rows by a weight, keeping for backward only what it needs."""
    keep = type(x) is Tensor and not torch.compiler.is_compiling() and torch.is_grad_enabled() and weight.requires_grad
    output: Tensor = Linear.apply(x, Hold.apply(x) if keep else None, weight, bias)[0]
    return output


apply_conv2d: Callable[[Tensor, Tensor, Tensor | None, list[int], list[int]], Tensor] = Conv2d.apply
apply_pool2d: Callable[[Tensor, list[int], bool], Tensor] = Pool2d.apply

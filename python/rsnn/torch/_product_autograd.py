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
        _keep(ctx, x, held, weight, *output[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> Any:
        if grad is None:
            return None, None, None, None
        needs = _needs(ctx)
        return _placed(ctx, LinearBackward.apply(grad, *ctx.saved_tensors, needs), needs)


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
    """A two-dimensional convolution over images, kept as `Linear` keeps rows."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor, held: Tensor | None, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        if held is not None:
            kept: tuple[Tensor, Tensor, Tensor] = ops.conv2d_kept(x, weight, bias, stride, padding)
            return kept
        return ops.conv2d(x, weight, bias, stride, padding), *ops.nothing(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, held, weight, _, ctx.stride, ctx.padding = inputs
        _keep(ctx, x, held, weight, *output[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> Any:
        if grad is None:
            return (None,) * 6
        needs = _needs(ctx)
        return *_placed(ctx, Conv2dBackward.apply(grad, *ctx.saved_tensors, ctx.stride, ctx.padding, needs), needs), None, None


class Conv2dBackward(torch.autograd.Function):
    """The gradients of x, weight and bias; their own are torch's."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        grad: Tensor,
        x: Tensor,
        weight: Tensor,
        words: Tensor,
        values: Tensor,
        stride: list[int],
        padding: list[int],
        needs: list[bool],
    ) -> tuple[Tensor, Tensor, Tensor]:
        grads: tuple[Tensor, Tensor, Tensor] = ops.conv2d_backward(grad, x, weight, words, values, stride, padding, needs)
        return grads

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        grad, x, weight, words, values, ctx.stride, ctx.padding, ctx.needs = inputs
        ctx.save_for_backward(grad, x, weight, words, values)

    @staticmethod
    def backward(ctx: Any, of_x: Tensor, of_weight: Tensor, of_bias: Tensor) -> Any:
        grad, x, weight, words, values = ctx.saved_tensors
        if words.numel():
            x = Unpack.apply(x, words, values)

        def forward(x: Tensor, weight: Tensor) -> Tensor:
            return torch.nn.functional.conv2d(x, weight, None, ctx.stride, ctx.padding)

        def backward(x: Tensor, weight: Tensor, wanted: list[bool]) -> Any:
            return torch.ops.aten.convolution_backward(
                grad, x, weight, None, ctx.stride, ctx.padding, [1, 1], False, [0, 0], 1, [*wanted, False]
            )

        back_grad, back_x, back_weight = torch.zeros_like(grad), None, None
        if ctx.needs[0]:
            back_grad = back_grad + forward(of_x, weight)
            back_weight = backward(of_x, weight, [False, True])[1]
        if ctx.needs[1]:
            back_grad = back_grad + forward(x, of_weight)
            back_x = backward(x, of_weight, [True, False])[0]
        if ctx.needs[2]:
            back_grad = back_grad + of_bias[:, None, None]
        return back_grad, back_x, back_weight, None, None, None, None, None


def _keep(ctx: Any, x: Tensor, held: Tensor | None, weight: Tensor, words: Tensor, values: Tensor) -> None:
    """Save what backward needs: the events of x, or x."""
    ctx.place = 0 if held is None else 1
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(words, values)
    ctx.save_for_backward(held if words.numel() else x, weight, words, values)


def _needs(ctx: Any) -> list[bool]:
    """Say whose gradients are wanted: of x, in its place, of the weight and of the bias."""
    return [ctx.needs_input_grad[k] for k in (ctx.place, 2, 3)]


def _placed(ctx: Any, grads: tuple[Tensor, ...], needs: list[bool]) -> tuple[Tensor | None, ...]:
    """Put the gradients where their inputs stand."""
    of_x, *others = (g if need else None for g, need in zip(grads, needs, strict=True))
    return (None, of_x, *others) if ctx.place else (of_x, None, *others)


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


def _place(x: Tensor, weight: Tensor) -> Tensor | None:
    """Give x a place of its own in the graph, if its data may be let go."""
    keep = type(x) is Tensor and not torch.compiler.is_compiling() and torch.is_grad_enabled() and weight.requires_grad
    return Hold.apply(x) if keep else None


def apply_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Multiply rows by a weight, keeping for backward only what it needs."""
    output: Tensor = Linear.apply(x, _place(x, weight), weight, bias)[0]
    return output


def apply_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int]) -> Tensor:
    """Convolve images, keeping for backward only what it needs."""
    output: Tensor = Conv2d.apply(x, _place(x, weight), weight, bias, stride, padding)[0]
    return output


apply_pool2d: Callable[[Tensor, list[int], bool], Tensor] = Pool2d.apply

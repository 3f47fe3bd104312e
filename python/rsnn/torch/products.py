"""rsnn's products on tensors: the ordered sums of the numpy layers where they run, torch's own elsewhere."""

from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as torch_functional

from rsnn import arguments
from rsnn.errors import InvalidValueError
from rsnn.torch import _checks
from rsnn.torch._product_autograd import apply_conv2d, apply_linear, apply_pool2d

FAR = 1 << 20
"""Pixels from one place of a kernel to the next from which on the image's own size is looked at."""


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply the last axis by a weight matrix, y = x W^T + b, in rsnn's order.

    Each sum runs over ascending input index, multiply then add, from zero; the bias is added last. The bits are those of `rsnn.Linear`.
    Where most of x is 0, the sum runs over the entries that are not, and so does the gradient of the weight; backward then keeps of x one
    bit for each entry, and the values that are neither 0 nor 1. Half precision and other devices than the CPU take torch's product.

    Parameters
    ----------
    x : tensor (..., n_in), float32 or float64
    weight : tensor (n_out, n_in)
    bias : tensor (n_out,), optional

    Returns
    -------
    tensor (..., n_out)

    Raises
    ------
    InvalidTypeError
        x is not a floating point tensor, or the dtypes differ.
    InvalidValueError
        The shapes or devices do not fit; a weight is not finite.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> rt.functional.linear(torch.ones(4, 2), torch.tensor([[1.0, 2.0]]))[0]
    tensor([3.])
    """
    _checks.floating("x", x)
    _checks.axes("x", x, 1, "(..., n_in)")
    _check_weights(weight, bias, ("n_out", "n_in"))
    if x.shape[-1] != weight.shape[1]:
        raise InvalidValueError(
            f"x has the shape {tuple(x.shape)}: its last axis must be the {weight.shape[1]} inputs of the weight {tuple(weight.shape)}"
        )
    x = _meet(x, weight)
    if not _native(x):
        return torch_functional.linear(x, weight, bias)
    output = apply_linear(x.reshape(prod(x.shape[:-1]), x.shape[-1]), weight, bias)
    return output.reshape(*x.shape[:-1], weight.shape[0])


def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int | tuple[int, int] = 1, padding: int | tuple[int, int] = 0
) -> Tensor:
    """Convolve images (a cross-correlation, as in torch), in rsnn's order.

    Each sum runs by kernel row, kernel column, then channel, multiply then add, from zero; the bias is added last. The bits are those
    of `rsnn.Conv2d`. Gradients are torch's fast products. Half precision and other devices take torch's product forward too.

    Parameters
    ----------
    x : tensor (..., C, H, W), float32 or float64
    weight : tensor (O, C, kh, kw)
    bias : tensor (O,), optional
    stride, padding : int or (int, int)
        For the axes (y, x); the padding is zeros on both sides.

    Returns
    -------
    tensor (..., O, H', W') with H' = (H + 2 padding - kh) // stride + 1

    Raises
    ------
    InvalidTypeError
        x is not a floating point tensor, or the dtypes differ.
    InvalidValueError
        The shapes or devices do not fit; an image is smaller than the kernel; a weight is not finite.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> rt.functional.conv2d(torch.ones(5, 2, 1, 3, 3), torch.ones(4, 1, 3, 3)).shape
    torch.Size([5, 2, 4, 1, 1])
    """
    stride, padding = _checks.pair("stride", stride, 1), _checks.pair("padding", padding, 0)
    _checks.floating("x", x)
    _checks.axes("x", x, 3, "(..., channels, height, width)")
    _check_weights(weight, bias, ("O", "C", "kh", "kw"))
    channels, *image = x.shape[-3:]
    if channels != weight.shape[1]:
        raise InvalidValueError(
            f"x has the shape {tuple(x.shape)}: its third axis from the end must be the {weight.shape[1]} channels of the weight"
        )
    if any(size + 2 * more < kernel for size, more, kernel in zip(image, padding, weight.shape[2:], strict=True)):
        raise InvalidValueError(
            f"x has images of {tuple(image)}: with padding={padding} they are smaller than the kernel {tuple(weight.shape[2:])}"
        )
    x = _meet(x, weight)
    images = x.reshape(prod(x.shape[:-3]), channels, *image)
    # A step beyond the image is as long as the image: torch's backward computes with it in 32 bits.
    steps = [step if step < FAR else min(step, size + 2 * more) for step, size, more in zip(stride, image, padding, strict=True)]
    if _native(x):
        output = apply_conv2d(images, weight, bias, steps, list(padding))
    else:
        output = torch_functional.conv2d(images, weight, bias, steps, padding)
    return output.reshape(*x.shape[:-3], *output.shape[1:])


def conv1d(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0) -> Tensor:
    """Convolve the last axis, in rsnn's order: `conv2d` of images one pixel high.

    Parameters
    ----------
    x : tensor (..., C, L), float32 or float64
    weight : tensor (O, C, k)
    bias : tensor (O,), optional
    stride, padding : int

    Returns
    -------
    tensor (..., O, L') with L' = (L + 2 padding - k) // stride + 1

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As `conv2d`.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> rt.functional.conv1d(torch.ones(5, 2, 1, 3), torch.ones(4, 1, 3)).shape
    torch.Size([5, 2, 4, 1])
    """
    _checks.floating("x", x)
    _checks.axes("x", x, 2, "(..., channels, length)")
    _check_weights(weight, bias, ("O", "C", "k"))
    return conv2d(x.unsqueeze(-2), weight.unsqueeze(-2), bias, (1, stride), (0, padding)).squeeze(-2)


def pool2d(x: Tensor, kernel: int | tuple[int, int], *, average: bool) -> Tensor:
    """Sum, or average, non-overlapping windows of images in raster order.

    Parameters
    ----------
    x : tensor (..., C, H, W), float32 or float64
    kernel : int or (int, int)
        Height and width of a window, also the stride; trailing rows and columns that do not fill one are dropped.
    average : bool
        Divide each sum by the size of the window.

    Returns
    -------
    tensor (..., C, H // ky, W // kx)

    Raises
    ------
    InvalidTypeError
        x is not a floating point tensor.
    InvalidValueError
        x has fewer than three axes; `kernel` is below 1.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> rt.functional.pool2d(torch.ones(1, 2, 2), 2, average=False)
    tensor([[[4.]]])
    """
    ky, kx = _checks.pair("kernel", kernel, 1)
    average = arguments.flag("average", average)
    _checks.floating("x", x)
    _checks.axes("x", x, 3, "(..., channels, height, width)")
    images = x.reshape(prod(x.shape[:-3]), *x.shape[-3:])
    if _native(x):
        output = apply_pool2d(images, [ky, kx], average)
    else:
        (height, width), lead = (images.shape[-2] // ky, images.shape[-1] // kx), images.shape[:2]
        windows = images[..., : height * ky, : width * kx].reshape(*lead, height, ky, width, kx)
        output = windows.sum((-3, -1)) / (ky * kx if average else 1)
    return output.reshape(*x.shape[:-3], *output.shape[1:])


def _check_weights(weight: Any, bias: Any, axes: tuple[str, ...]) -> None:
    """Check the weight and the bias of a product, apart from the data."""
    _checks.floating("weight", weight)
    if weight.ndim != len(axes):
        raise InvalidValueError(f"weight has the shape {tuple(weight.shape)}: must be ({', '.join(axes)})")
    if bias is not None:
        _checks.floating("bias", bias)
        if bias.shape != weight.shape[:1]:
            raise InvalidValueError(f"bias has the shape {tuple(bias.shape)}: must be {(weight.shape[0],)}, a number for each output")
        _checks.alike("bias", bias, "the weight", weight, "bias.to(weight) moves and converts it")


def _meet(x: Tensor, weight: Tensor) -> Tensor:
    """Bring x to the weight under autocast, where a layer before may have made it half; otherwise both must agree."""
    cure = "layer.to(x) moves and converts the layer"
    _checks.together("x", x, "the weight", weight, cure)
    kind = x.device.type
    if x.dtype != weight.dtype and torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        x = x.to(weight.dtype)
    _checks.alike("x", x, "the weight", weight, cure)
    return x


def _native(x: Tensor) -> bool:
    """Whether the native kernels take this tensor."""
    return x.device.type == "cpu" and x.dtype in _checks.NATIVE

"""Weights and pooling between neurons: torch's modules with rsnn's own sums.

The forward products add in one documented order, so that a network gives the same bits in torch and in numpy (`rsnn.Linear`,
`rsnn.Conv2d`), for any batch and any number of threads; torch's own products do not promise that. Where most of an input is 0, forward
and the weight's gradient follow what is not, and one bit for each entry is kept for backward. Inputs' gradients are dense products.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from rsnn import arguments
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.torch import products
from rsnn.torch._checks import pair


class Linear(nn.Linear):
    """A fully connected layer, y = x W^T + b, with rsnn's ordered sums.

    A drop-in for `torch.nn.Linear`: the same arguments, parameters, initialisation and `state_dict`. The sum runs over ascending
    input index, multiply then add, the bias last; the result has the same bits as `rsnn.Linear`.

    Where at most about a third of x is not 0, only these entries are summed, forward and in the weight's gradient, and of x one bit for
    each entry is kept for backward, and the values of those that are not 1. Under `torch.compile` and `vmap` x itself is kept.

    Parameters
    ----------
    in_features, out_features, bias, device, dtype
        As in `torch.nn.Linear`.

    Shapes
    ------
    x (..., in_features), any number of leading axes such as (T, B), float32 or float64; the output (..., out_features), the same dtype.
    Half precision, and tensors on another device than the CPU, take torch's product.

    Raises
    ------
    InvalidTypeError
        x is not a floating point tensor.
    InvalidValueError
        The last axis of x is not `in_features`; a weight is not finite.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> rt.Linear(3, 2)(torch.zeros(10, 4, 3)).shape
    torch.Size([10, 4, 2])
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: torch.dtype | None = None
    ) -> None:
        rows, columns = (arguments.size(name, n, 0) for name, n in (("out_features", out_features), ("in_features", in_features)))
        arguments.shape_of("weight", (rows, columns))
        check_making(bias, device, dtype)
        super().__init__(columns, rows, bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Multiply the last axis by the weight."""
        return products.linear(input, self.weight, self.bias)


class Conv2d(nn.Conv2d):
    """A two-dimensional convolution over images, with rsnn's ordered sums.

    A drop-in for `torch.nn.Conv2d`: the same parameters, initialisation and `state_dict`. The sum runs by kernel row, kernel column,
    then channel, multiply then add, the bias last; the result has the same bits as `rsnn.Conv2d`.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, bias, device, dtype
        As in `torch.nn.Conv2d`; `padding="same"` needs odd kernels.
    dilation, groups, padding_mode
        Only 1, 1 and "zeros"; for others use `torch.nn.Conv2d`, whose bits are torch's own.

    Shapes
    ------
    x (..., C, H, W), any number of leading axes such as (T, B), float32 or float64; the output (..., O, H', W'), the same dtype.
    Half precision, and tensors on another device than the CPU, take torch's product.

    Raises
    ------
    InvalidTypeError
        x is not a floating point tensor.
    InvalidValueError
        An option that is not supported; x has another number of channels or is smaller than the kernel; a weight is not finite.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> rt.Conv2d(2, 8, 3, padding=1)(torch.zeros(10, 4, 2, 34, 34)).shape
    torch.Size([10, 4, 8, 34, 34])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_options("Conv2d", dilation, groups, padding_mode)
        inputs, outputs, kernel, stride, padding = convolution_sizes(2, in_channels, out_channels, kernel_size, stride, padding)
        check_making(bias, device, dtype)
        super().__init__(inputs, outputs, kernel, stride, padding, dilation, groups, bias, padding_mode, device, dtype)
        image_padding(self)  # refuses an unequal "same" now rather than at the first call

    def forward(self, input: Tensor) -> Tensor:
        """Convolve the last two axes."""
        return products.conv2d(input, self.weight, self.bias, stride=(self.stride[0], self.stride[1]), padding=image_padding(self))


class Conv1d(nn.Conv1d):
    """A convolution over one axis, with rsnn's ordered sums: `Conv2d` of images one pixel high.

    A drop-in for `torch.nn.Conv1d`: the same parameters, initialisation and `state_dict`. The sum runs by kernel entry, then channel,
    multiply then add, the bias last.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, bias, device, dtype
        As in `torch.nn.Conv1d`; `padding="same"` needs an odd kernel.
    dilation, groups, padding_mode
        Only 1, 1 and "zeros"; for others use `torch.nn.Conv1d`, whose bits are torch's own.

    Shapes
    ------
    x (..., C, L), any number of leading axes such as (T, B), float32 or float64; the output (..., O, L'), the same dtype. Half
    precision, and tensors on another device than the CPU, take torch's product.

    Raises
    ------
    InvalidTypeError
        x is not a floating point tensor.
    InvalidValueError
        An option that is not supported; x has another number of channels or is smaller than the kernel; a weight is not finite.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> rt.Conv1d(2, 8, 3, padding=1)(torch.zeros(10, 4, 2, 34)).shape
    torch.Size([10, 4, 8, 34])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: int | tuple[int] | str = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_options("Conv1d", dilation, groups, padding_mode)
        inputs, outputs, kernel, stride, padding = convolution_sizes(1, in_channels, out_channels, kernel_size, stride, padding)
        check_making(bias, device, dtype)
        super().__init__(inputs, outputs, kernel, stride, padding, dilation, groups, bias, padding_mode, device, dtype)
        side_padding(self)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve the last axis."""
        return products.conv1d(input, self.weight, self.bias, stride=self.stride[0], padding=side_padding(self)[0])


def check_options(kind: str, dilation: Any, groups: Any, padding_mode: Any) -> None:
    """Refuse options of a convolution that rsnn does not have."""
    for name, given, accepted in (
        ("dilation", dilation, (1, (1,), (1, 1))),
        ("groups", groups, (1,)),
        ("padding_mode", padding_mode, ("zeros",)),
    ):
        if type(given) not in (int, str, tuple) or given not in accepted:
            msg = f"{name}={arguments.shown(given)}: rsnn.torch.{kind} takes only {name}={accepted[0]!r}; use torch.nn.{kind} here"
            raise InvalidValueError(msg)


def convolution_sizes(axes: int, in_channels: Any, out_channels: Any, kernel_size: Any, stride: Any, padding: Any) -> tuple[Any, ...]:
    """Check the sizes of a convolution, and give them as whole numbers, one for each axis."""
    outputs, inputs = arguments.size("out_channels", out_channels, 1), arguments.size("in_channels", in_channels, 1)
    checked: list[Any] = []
    for name, value, least in (("kernel_size", kernel_size, 1), ("stride", stride, 1), ("padding", padding, 0)):
        if name == "padding" and isinstance(value, str):
            checked.append(arguments.choice("padding", value, ("valid", "same")))
            continue
        each = value if isinstance(value, (tuple, list)) else (value,) * axes
        if len(each) != axes:
            raise InvalidValueError(f"{name}={arguments.shown(value)}: must be a whole number, or one for each of {axes} axes")
        checked.append(tuple(arguments.size(name, one, least) for one in each))
    arguments.shape_of("weight", (outputs, inputs, *checked[0]))
    return (inputs, outputs, *checked)


def check_making(bias: Any, device: Any, dtype: Any) -> None:
    """Check what says how the parameters of a layer are made."""
    arguments.flag("bias", bias)
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise InvalidTypeError(f"dtype={arguments.shown(dtype)}: must be a floating point dtype of torch, such as torch.float32, or None")
    try:
        torch.empty(0, device=device)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        said = str(error).partition("\n")[0]
        raise InvalidTypeError(
            f'device={arguments.shown(device)}: must be a device that torch has here, such as "cpu", or None ({said})'
        ) from error


def image_padding(conv: nn.Conv2d) -> tuple[int, int]:
    """Give the zeros that a convolution adds before and after each axis of an image (y, x)."""
    py, px = side_padding(conv)
    return py, px


def side_padding(conv: nn.Conv1d | nn.Conv2d) -> tuple[int, ...]:
    """Give the zeros that a convolution adds before and after each axis, whatever form its `padding` was given in."""
    if conv.padding == "valid":
        return (0,) * len(conv.kernel_size)
    if conv.padding == "same":
        if any(k % 2 == 0 for k in conv.kernel_size):
            msg = f'padding="same" with kernel_size={conv.kernel_size}: both sides must be padded alike; use odd kernels or a number'
            raise InvalidValueError(msg)
        return tuple(k // 2 for k in conv.kernel_size)
    return tuple(int(p) for p in conv.padding)


class Pool2d(nn.Module):
    """What sum and average pooling share."""

    average: bool

    def __init__(self, kernel_size: int | tuple[int, int]) -> None:
        super().__init__()
        self.kernel_size = pair("kernel_size", kernel_size, least=1)

    def extra_repr(self) -> str:
        """Show the window."""
        return f"kernel_size={self.kernel_size}"

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last two axes."""
        return products.pool2d(input, self.kernel_size, average=self.average)


class SumPool2d(Pool2d):
    """Sums over non-overlapping windows, as event-driven chips pool: spike counts in, spike counts out.

    Trailing rows and columns that do not fill a window are dropped. The sum runs in raster order; the bits are those of `rsnn.SumPool2d`.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Height and width of a window; the stride is the same.

    Shapes
    ------
    x (..., C, H, W), any number of leading axes such as (T, B); the output (..., C, H // ky, W // kx), the same dtype.

    Raises
    ------
    InvalidTypeError
        x is not a floating point tensor; `kernel_size` is not whole.
    InvalidValueError
        x has fewer than three axes; `kernel_size` is below 1.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> rt.SumPool2d(2)(torch.ones(10, 4, 8, 5, 5))[0, 0, 0]
    tensor([[4., 4.],
            [4., 4.]])
    """

    average = False


class AvgPool2d(Pool2d):
    """Means over non-overlapping windows; `SumPool2d` divided by the window's size.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Height and width of a window; the stride is the same.

    Shapes
    ------
    x (..., C, H, W), any number of leading axes such as (T, B); the output (..., C, H // ky, W // kx), the same dtype.

    Raises
    ------
    InvalidTypeError
        x is not a floating point tensor; `kernel_size` is not whole.
    InvalidValueError
        x has fewer than three axes; `kernel_size` is below 1.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> rt.AvgPool2d(2)(torch.ones(10, 4, 8, 5, 5))[0, 0, 0]
    tensor([[1., 1.],
            [1., 1.]])
    """

    average = True

"""Layers that pool images: the sum, the mean or the largest over windows that lie side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from rsnn import _rsnn
from rsnn.errors import InvalidValueError

from .weighted import Layer, Shape, image_shape, pair

Array = npt.NDArray[Any]


class Pool2d(Layer):
    """What the poolings share."""

    kernel: int | tuple[int, int]
    kind: ClassVar[str]
    """The word by which the engine knows what is done with a window."""

    def __post_init__(self) -> None:
        """Check the kernel; it is kept as a pair."""
        object.__setattr__(self, "kernel", pair("kernel", self.kernel, 1))

    def output_shape(self, input_shape: Any) -> Shape:
        """Give the shape of one sample after the layer; see `Layer.output_shape`."""
        channels, *size = image_shape(input_shape)
        kernel = pair("kernel", self.kernel, 1)
        if size[0] < kernel[0] or size[1] < kernel[1]:
            raise InvalidValueError(f"an image of {tuple(size)} comes in: it is smaller than the kernel {kernel}; use a smaller kernel")
        return (channels, size[0] // kernel[0], size[1] // kernel[1])

    def compute(self, x: Array, out: Array, threads: int) -> None:
        """Write the layer's output for x to out, unchecked."""
        _rsnn.pool2d(x, out, kernel=pair("kernel", self.kernel, 1), kind=self.kind, threads=threads)


@dataclass(frozen=True, eq=False, repr=False)
class SumPool2d(Pool2d):
    """The sum over windows of an image, in raster order from +0: how neuromorphic chips pool spikes.

    Parameters
    ----------
    kernel : int or (rows, columns)
        The size of a window, which is the stride too. Rows and columns that do not fill a window are dropped.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        The kernel is no integer or pair of integers of at least 1.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.SumPool2d(2).run([[[[1, 2, 9], [3, 4, 9]]]]).tolist()
    [[[[10.0]]]]
    """

    kernel: int | tuple[int, int]

    kind = "sum"


@dataclass(frozen=True, eq=False, repr=False)
class AvgPool2d(Pool2d):
    """The mean over windows of an image: the sum in raster order from +0, divided by the number of pixels.

    Parameters
    ----------
    kernel : int or (rows, columns)
        The size of a window, which is the stride too. Rows and columns that do not fill a window are dropped.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        The kernel is no integer or pair of integers of at least 1.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.AvgPool2d(2).run([[[[1, 2, 9], [3, 4, 9]]]]).tolist()
    [[[[2.5]]]]
    """

    kernel: int | tuple[int, int]

    kind = "average"


@dataclass(frozen=True, eq=False, repr=False)
class MaxPool2d(Pool2d):
    """The largest of each window of an image; of spikes, whether any neuron of the window fired.

    In raster order, from the first pixel of a window: the next one takes its place where it is larger, or NaN. So NaN is passed on, and
    of +0 and -0 the first.

    Parameters
    ----------
    kernel : int or (rows, columns)
        The size of a window, which is the stride too. Rows and columns that do not fill a window are dropped.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        The kernel is no integer or pair of integers of at least 1.

    Notes
    -----
    As `torch.nn.MaxPool2d` of that kernel, with the same bits.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.MaxPool2d(2).run([[[[1, 2, 9], [3, 4, 9]]]]).tolist()
    [[[[4.0]]]]
    """

    kernel: int | tuple[int, int]

    kind = "max"

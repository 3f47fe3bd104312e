"""Layers between neurons as data: weights and pooling, nothing running. `rsnn.Network` runs them one after the other.

Sums are taken in one documented order, multiply then add, from +0, the bias last: the same bits on every processor, for any number
of threads, for a sample alone or in a batch, and in `rsnn.torch`, whose `Linear` and `Conv2d` are these. `rsnn.product_reference`
writes them out.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _rsnn
from .arguments import count, shape_of, shown
from .errors import InvalidValueError
from .memory import empty
from .simulation import data
from .stages import Description
from .threads import resolve
from .weights import Weights, kept

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


class Layer(Description):
    """What every layer can do. Layers are equal where their fields are, arrays included."""

    @abstractmethod
    def output_shape(self, input_shape: Any) -> Shape:
        """Give the shape of one sample after the layer.

        Parameters
        ----------
        input_shape : the shape of one sample before it: an int or a tuple

        Raises
        ------
        InvalidTypeError, InvalidValueError
            The layer does not take samples of this shape; the message says which it takes.
        """

    @abstractmethod
    def compute(self, x: Array, out: Array, threads: int) -> None:
        """Write the layer's output for x to out. Nothing is checked here: both are C-contiguous, of one dtype and matching shapes."""

    def run(self, x: npt.ArrayLike, threads: int | None = None) -> Array:
        """Apply the layer to samples.

        Parameters
        ----------
        x : array_like (N, *input_shape)
            Samples, for example steps times batch, also as `rsnn.Spikes`. float32 and float64 are computed in as they are; bool,
            integers and float16 become float32. Weights are rounded to that dtype once.
        threads : int, optional
            At most so many; by default as `rsnn.set_num_threads` says.

        Returns
        -------
        array (N, *output_shape)
            New, of the dtype that was computed in.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            x or threads is not accepted, or a weight is too large for the dtype.

        Examples
        --------
        >>> import numpy as np, rsnn
        >>> rsnn.Linear([[1.0, 2.0], [0.0, -1.0]], bias=[0.5, 0.0]).run([[1.0, 1.0]]).tolist()
        [[3.5, -1.0]]
        """
        array, dtype = data(x)
        if array.ndim == 0:
            raise InvalidValueError("x: a single number came; must be samples (N, *input_shape)")
        shape = self.output_shape(array.shape[1:])
        workers = resolve(threads)
        out = empty((array.shape[0], *shape), dtype)
        self.compute(np.require(array, dtype, ["C", "A"]), out, workers)
        return out


class Weighted(Weights, Layer):
    """A layer with synapses: a weight, and perhaps a bias for each output."""

    def _set_weights(self, axes: tuple[str, ...]) -> None:
        weight = kept("weight", self.weight)
        if weight.ndim != len(axes):
            raise InvalidValueError(f"weight has shape {weight.shape}: must have {len(axes)} axes ({', '.join(axes)}), as in torch")
        object.__setattr__(self, "weight", weight)
        self._set_bias(len(weight))

    @abstractmethod
    def fan_out(self, input_shape: Any) -> Array:
        """Count the synapses that leave each input.

        Parameters
        ----------
        input_shape : the shape of one sample: an int or a tuple

        Returns
        -------
        array of int64, input_shape
            How many outputs each input reaches: fewer at the border of an image. Read-only.

        Examples
        --------
        >>> import numpy as np, rsnn
        >>> rsnn.Conv2d(np.ones((1, 1, 3, 3)), padding=1).fan_out((1, 4, 4))[0].tolist()
        [[4, 6, 6, 4], [6, 9, 9, 6], [6, 9, 9, 6], [4, 6, 6, 4]]
        """


@dataclass(frozen=True, eq=False, repr=False)
class Linear(Weighted):
    """Every input to every output.

    In ascending input index, the bias last::

        y[o] = (sum over ascending i of weight[o, i] * x[i]) + bias[o]

    Parameters
    ----------
    weight : array_like (outputs, inputs)
        float32 and float64 are kept, float16 becomes float32, integers become float64; a read-only copy. Finite.
    bias : array_like (outputs,), optional
        The same.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No array of real numbers, another shape, or a value that is not finite.

    Notes
    -----
    It acts on the last axis of a sample, as `torch.nn.Linear`. torch sums in an order of its own: the last bits differ.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> layer = rsnn.Linear(np.ones((3, 2), np.float32))
    >>> layer.output_shape(2), layer.run([[1, 2]]).tolist()
    ((3,), [[3.0, 3.0, 3.0]])
    """

    weight: Array
    bias: Array | None = None

    def __post_init__(self) -> None:
        """Check the arrays and keep copies of them."""
        self._set_weights(("outputs", "inputs"))

    def output_shape(self, input_shape: Any) -> Shape:
        """Give the shape of one sample after the layer; see `Layer.output_shape`."""
        shape = shape_of("input_shape", input_shape)
        outputs, inputs = self.weight.shape
        if not shape or shape[-1] != inputs:
            flat = "; put rsnn.Flatten() before it" if math.prod(shape) == inputs and len(shape) > 1 else ""
            raise InvalidValueError(f"a sample of shape {shape} comes in: the weight {self.weight.shape} takes (..., {inputs}){flat}")
        return (*shape[:-1], outputs)

    def compute(self, x: Array, out: Array, threads: int) -> None:
        """Write the layer's output for x to out, unchecked."""
        weight, bias = self.weights(x.dtype)
        rows = math.prod(x.shape[:-1])
        _rsnn.linear(x.reshape(rows, weight.shape[1]), weight, bias, out.reshape(rows, weight.shape[0]), threads=threads)

    def fan_out(self, input_shape: Any) -> Array:
        """Count the synapses that leave each input; see `Weighted.fan_out`."""
        self.output_shape(input_shape)
        return np.broadcast_to(np.int64(len(self.weight)), shape_of("input_shape", input_shape))


@dataclass(frozen=True, eq=False, repr=False)
class Conv2d(Weighted):
    """A convolution over images (a correlation, as everywhere in deep learning).

    With 0 outside the image, by kernel row j, kernel column i, then channel c, the bias last::

        y[o, p, q] = (sum of weight[o, c, j, i] * x[c, p sy + j - py, q sx + i - px]) + bias[o]

    Parameters
    ----------
    weight : array_like (outputs, channels, kernel rows, kernel columns)
        float32 and float64 are kept, float16 becomes float32, integers become float64; a read-only copy. Finite.
    bias : array_like (outputs,), optional
        The same.
    stride : int or (rows, columns), default 1
    padding : int or (rows, columns), default 0
        Zeros on each side.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No array of real numbers, another shape, a value that is not finite, a stride below 1, a padding below 0.

    Notes
    -----
    torch sums in an order of its own, which differs in the last bits.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> layer = rsnn.Conv2d(np.ones((4, 2, 3, 3), np.float32), stride=2, padding=1)
    >>> layer.output_shape((2, 34, 34))
    (4, 17, 17)
    >>> layer.run(np.ones((1, 2, 3, 3)))[0, 0].tolist()
    [[8.0, 8.0], [8.0, 8.0]]
    """

    weight: Array
    bias: Array | None = None
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0

    def __post_init__(self) -> None:
        """Check the arrays and keep copies of them; pairs are kept as pairs."""
        self._set_weights(("outputs", "channels", "kernel rows", "kernel columns"))
        if 0 in self.weight.shape[2:]:
            raise InvalidValueError(f"weight has shape {self.weight.shape}: a kernel has at least one row and one column")
        object.__setattr__(self, "stride", _pair("stride", self.stride, 1))
        object.__setattr__(self, "padding", _pair("padding", self.padding, 0))

    def output_shape(self, input_shape: Any) -> Shape:
        """Give the shape of one sample after the layer; see `Layer.output_shape`."""
        channels, height, width = _image(input_shape)
        if channels != self.weight.shape[1]:
            raise InvalidValueError(
                f"an image of {channels} channels comes in: the weight {self.weight.shape} takes {self.weight.shape[1]}"
            )
        return (len(self.weight), *(after for *_, after in self._axes((height, width))))

    def compute(self, x: Array, out: Array, threads: int) -> None:
        """Write the layer's output for x to out, unchecked."""
        weight, bias = self.weights(x.dtype)
        _rsnn.conv2d(
            x, weight, bias, out, stride=_pair("stride", self.stride, 1), padding=_pair("padding", self.padding, 0), threads=threads
        )

    def fan_out(self, input_shape: Any) -> Array:
        """Count the synapses that leave each input; see `Weighted.fan_out`."""
        self.output_shape(input_shape)
        shape = shape_of("input_shape", input_shape)
        rows, columns = (_reach(*axis) for axis in self._axes(shape[1:]))
        return np.broadcast_to(len(self.weight) * rows[:, None] * columns, shape)

    def _axes(self, size: Shape) -> Iterator[tuple[int, int, int, int, int]]:
        """For rows and columns: size, kernel, stride, padding, size of the output."""
        strides, paddings = _pair("stride", self.stride, 1), _pair("padding", self.padding, 0)
        for n, kernel, stride, padding in zip(size, self.weight.shape[2:], strides, paddings, strict=True):
            if n + 2 * padding < kernel:
                raise InvalidValueError(
                    f"an image of {size} comes in: with padding={paddings} it is smaller than the kernel {self.weight.shape[2:]}; "
                    "use a smaller kernel or more padding"
                )
            yield n, kernel, stride, padding, (n + 2 * padding - kernel) // stride + 1


class _Pool2d(Layer):
    kernel: int | tuple[int, int]

    def __post_init__(self) -> None:
        """Check the kernel; it is kept as a pair."""
        object.__setattr__(self, "kernel", _pair("kernel", self.kernel, 1))

    def output_shape(self, input_shape: Any) -> Shape:
        """Give the shape of one sample after the layer; see `Layer.output_shape`."""
        channels, *size = _image(input_shape)
        kernel = _pair("kernel", self.kernel, 1)
        if size[0] < kernel[0] or size[1] < kernel[1]:
            raise InvalidValueError(f"an image of {tuple(size)} comes in: it is smaller than the kernel {kernel}; use a smaller kernel")
        return (channels, size[0] // kernel[0], size[1] // kernel[1])

    def compute(self, x: Array, out: Array, threads: int) -> None:
        """Write the layer's output for x to out, unchecked."""
        _rsnn.pool2d(x, out, kernel=_pair("kernel", self.kernel, 1), average=isinstance(self, AvgPool2d), threads=threads)


@dataclass(frozen=True, eq=False, repr=False)
class SumPool2d(_Pool2d):
    """The sum over cells of an image, in raster order from +0: how neuromorphic chips pool spikes.

    Parameters
    ----------
    kernel : int or (rows, columns)
        The size of a cell, which is the stride too. Rows and columns that do not fill a cell are dropped.

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


@dataclass(frozen=True, eq=False, repr=False)
class AvgPool2d(_Pool2d):
    """The mean over cells of an image: the sum in raster order from +0, divided by the number of pixels.

    Parameters
    ----------
    kernel : int or (rows, columns)
        The size of a cell, which is the stride too. Rows and columns that do not fill a cell are dropped.

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


@dataclass(frozen=True, eq=False, repr=False)
class Flatten(Layer):
    """Every sample as one row, in memory order: (channels, height, width) to (channels * height * width,).

    Examples
    --------
    >>> import rsnn
    >>> rsnn.Flatten().output_shape((2, 3, 4))
    (24,)
    """

    def output_shape(self, input_shape: Any) -> Shape:
        """Give the shape of one sample after the layer; see `Layer.output_shape`."""
        return (math.prod(shape_of("input_shape", input_shape)),)

    def compute(self, x: Array, out: Array, threads: int) -> None:
        """Write the layer's output for x to out, unchecked."""
        out[...] = x.reshape(out.shape)


def _pair(name: str, value: Any, low: int) -> tuple[int, int]:
    """Check an integer, for rows and columns, or a pair of them."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise InvalidValueError(f"{name}={shown(value)}: must be one integer or two, (rows, columns)")
        return count(f"{name}[0]", value[0], low), count(f"{name}[1]", value[1], low)
    number = count(name, value, low, "or a pair, (rows, columns)")
    return number, number


def _image(input_shape: Any) -> Shape:
    shape = shape_of("input_shape", input_shape)
    if len(shape) != 3:
        raise InvalidValueError(f"a sample of shape {shape} comes in: must be an image (channels, height, width)")
    return shape


def _reach(size: int, kernel: int, stride: int, padding: int, after: int) -> Array:
    """For each pixel of an axis: in how many positions the kernel covers it."""
    covered = np.zeros(size + 2 * padding, np.int64)
    for tap in range(kernel):
        covered[tap : tap + stride * (after - 1) + 1 : stride] += 1
    reached: Array = covered[padding : padding + size]
    return reached

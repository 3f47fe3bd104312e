"""Layers with weights as data, nothing running: `rsnn.Network` runs them. `pooling` and `routing` have those without weights.

Sums are taken in one documented order, multiply then add, from +0, the bias last: the same bits on every processor, for any number
of threads, for a sample alone or in a batch, and in `rsnn.torch`, whose `Linear` and `Conv2d` are these. `rsnn.reference.products`
writes them out.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.arguments import count, shape_of, shown, size
from rsnn.errors import InvalidValueError
from rsnn.memory import empty
from rsnn.simulation import data
from rsnn.stages import Description
from rsnn.threads import resolve
from rsnn.weights import Weights, kept

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
class Conv1d(Weighted):
    """A convolution over one axis of space (a correlation, as everywhere in deep learning), not over time.

    With 0 outside, by kernel column i, then channel c, the bias last::

        y[o, q] = (sum of weight[o, c, i] * x[c, q stride + i - padding]) + bias[o]

    Parameters
    ----------
    weight : array_like (outputs, channels, kernel columns)
        float32 and float64 are kept, float16 becomes float32, integers become float64; a read-only copy. Finite.
    bias : array_like (outputs,), optional
        The same.
    stride : int, default 1
    padding : int, default 0
        Zeros on each side.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No array of real numbers, another shape, a value that is not finite, a stride below 1, a padding below 0.

    Notes
    -----
    The bits are those of a `Conv2d` over images of one row. torch sums in an order of its own, which differs in the last bits.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> layer = rsnn.Conv1d([[[1.0, 10.0]]], padding=1)
    >>> layer.output_shape((1, 3)), layer.run([[[1, 2, 3]]]).tolist()
    ((1, 4), [[[10.0, 21.0, 32.0, 3.0]]])
    """

    weight: Array
    bias: Array | None = None
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        """Check the arrays and keep copies of them."""
        self._set_weights(("outputs", "channels", "kernel columns"))
        if self.weight.shape[2] == 0:
            raise InvalidValueError(f"weight has shape {self.weight.shape}: a kernel has at least one column")
        object.__setattr__(self, "stride", count("stride", self.stride, 1))
        object.__setattr__(self, "padding", count("padding", self.padding, 0))

    def output_shape(self, input_shape: Any) -> Shape:
        """Give the shape of one sample after the layer; see `Layer.output_shape`."""
        shape = shape_of("input_shape", input_shape)
        if len(shape) != 2:
            raise InvalidValueError(f"a sample of shape {shape} comes in: must be (channels, length)")
        if shape[0] != self.weight.shape[1]:
            raise InvalidValueError(
                f"a sample of {shape[0]} channels comes in: the weight {self.weight.shape} takes {self.weight.shape[1]}"
            )
        return (len(self.weight), self._axis(shape[1:]).after)

    def compute(self, x: Array, out: Array, threads: int) -> None:
        """Write the layer's output for x to out, unchecked."""
        weight, bias = self.weights(x.dtype)
        one_row: Any = (slice(None), slice(None), None)
        sizes: Any = {"stride": (1, self.stride), "padding": (0, self.padding)}
        _rsnn.conv2d(x[one_row], weight[one_row], bias, out[one_row], **sizes, threads=threads)

    def fan_out(self, input_shape: Any) -> Array:
        """Count the synapses that leave each input; see `Weighted.fan_out`."""
        self.output_shape(input_shape)
        shape = shape_of("input_shape", input_shape)
        return np.broadcast_to(len(self.weight) * self._axis(shape[1:]).reach(), shape)

    def _axis(self, size: Shape) -> Axis:
        return _axes("a row", size, self.weight.shape[2:], (self.stride,), (self.padding,))[0]


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
        object.__setattr__(self, "stride", pair("stride", self.stride, 1))
        object.__setattr__(self, "padding", pair("padding", self.padding, 0))

    def output_shape(self, input_shape: Any) -> Shape:
        """Give the shape of one sample after the layer; see `Layer.output_shape`."""
        channels, height, width = image_shape(input_shape)
        if channels != self.weight.shape[1]:
            raise InvalidValueError(
                f"an image of {channels} channels comes in: the weight {self.weight.shape} takes {self.weight.shape[1]}"
            )
        return (len(self.weight), *(axis.after for axis in self._axes((height, width))))

    def compute(self, x: Array, out: Array, threads: int) -> None:
        """Write the layer's output for x to out, unchecked."""
        weight, bias = self.weights(x.dtype)
        _rsnn.conv2d(x, weight, bias, out, stride=pair("stride", self.stride, 1), padding=pair("padding", self.padding, 0), threads=threads)

    def fan_out(self, input_shape: Any) -> Array:
        """Count the synapses that leave each input; see `Weighted.fan_out`."""
        self.output_shape(input_shape)
        shape = shape_of("input_shape", input_shape)
        rows, columns = (axis.reach() for axis in self._axes(shape[1:]))
        return np.broadcast_to(len(self.weight) * rows[:, None] * columns, shape)

    def _axes(self, size: Shape) -> list[Axis]:
        """Give rows and columns."""
        return _axes("an image", size, self.weight.shape[2:], pair("stride", self.stride, 1), pair("padding", self.padding, 0))


@dataclass(frozen=True)
class Axis:
    """One axis of a convolution: its lengths before and after, its taps, how far apart they are laid, and the zeros on each side."""

    size: int
    kernel: int
    stride: int
    padding: int
    after: int

    def reach(self) -> Array:
        """Count for each position in how many places the kernel covers it."""
        covered = np.zeros(self.size + 2 * self.padding, np.int64)
        for tap in range(self.kernel):
            covered[tap : tap + self.stride * (self.after - 1) + 1 : self.stride] += 1
        reached: Array = covered[self.padding : self.padding + self.size]
        return reached


def _axes(what: str, size: Shape, kernels: Shape, strides: Shape, paddings: Shape) -> list[Axis]:
    """Give the axes of a convolution; refuse a sample that is smaller than the kernel."""
    axes = []
    for n, kernel, stride, padding in zip(size, kernels, strides, paddings, strict=True):
        if n + 2 * padding < kernel:
            raise InvalidValueError(
                f"{what} of {size} comes in: with padding={paddings} it is smaller than the kernel {kernels}; "
                "use a smaller kernel or more padding"
            )
        axes.append(Axis(n, kernel, stride, padding, (n + 2 * padding - kernel) // stride + 1))
    return axes


def pair(name: str, value: Any, low: int) -> tuple[int, int]:
    """Check an integer, for rows and columns, or a pair of them."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise InvalidValueError(f"{name}={shown(value)}: must be one integer or two, (rows, columns)")
        return size(f"{name}[0]", value[0], low), size(f"{name}[1]", value[1], low)
    number = size(name, value, low, "or a pair, (rows, columns)")
    return number, number


def image_shape(input_shape: Any) -> Shape:
    """Check the shape of an image: channels, rows, columns."""
    shape = shape_of("input_shape", input_shape)
    if len(shape) != 3:
        raise InvalidValueError(f"a sample of shape {shape} comes in: must be an image (channels, height, width)")
    return shape

"""The products between layers, written out in numpy: slow and readable. What these say is what the fast ones give, bit for bit.

Every multiplication and every addition is rounded on its own, to the dtype of the arguments. A sum that starts from +0 never
becomes -0, so terms that are 0 times a finite weight (padding, inputs without a spike) change no bit, whether they are added or not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Sum over ascending input index, the bias last.

    Parameters
    ----------
    x : (rows, inputs)
    weight : (outputs, inputs), of the dtype of x
    bias : (outputs,), of the dtype of x, optional

    Returns
    -------
    array (rows, outputs)

    Examples
    --------
    >>> import numpy as np
    >>> linear(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([0.5])).tolist()
    [[11.5]]
    """
    y = np.zeros((len(x), len(weight)), x.dtype)
    for i in range(weight.shape[1]):
        y += x[:, i, None] * weight[:, i]
    return y if bias is None else y + bias


def conv1d(x: Array, weight: Array, bias: Array | None = None, *, stride: int = 1, padding: int = 0) -> Array:
    """Sum by kernel column, then channel, the bias last.

    Parameters
    ----------
    x : (rows, channels, length)
    weight : (outputs, channels, kernel columns), of the dtype of x
    bias : (outputs,), of the dtype of x, optional
    stride, padding : int

    Returns
    -------
    array (rows, outputs, length after)

    Examples
    --------
    >>> import numpy as np
    >>> conv1d(np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1.0, 10.0]]])).tolist()
    [[[21.0, 32.0]]]
    """
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding)])
    outputs, channels, kernel = weight.shape
    length = (x.shape[2] - kernel) // stride + 1
    y = np.zeros((len(x), outputs, length), x.dtype)
    for i in range(kernel):
        seen = x[:, :, i : i + stride * (length - 1) + 1 : stride]
        for c in range(channels):
            y += seen[:, None, c] * weight[:, c, i][:, None]
    return y if bias is None else y + bias[:, None]


def conv2d(
    x: Array, weight: Array, bias: Array | None = None, *, stride: tuple[int, int] = (1, 1), padding: tuple[int, int] = (0, 0)
) -> Array:
    """Sum by kernel row, kernel column, then channel, the bias last.

    Parameters
    ----------
    x : (rows, channels, height, width)
    weight : (outputs, channels, kernel rows, kernel columns), of the dtype of x
    bias : (outputs,), of the dtype of x, optional
    stride, padding : (rows, columns)

    Returns
    -------
    array (rows, outputs, height after, width after)

    Examples
    --------
    >>> import numpy as np
    >>> conv2d(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)), padding=(0, 1)).tolist()
    [[[[2.0, 4.0, 2.0]]]]
    """
    x = np.pad(x, [(0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2])
    outputs, channels, *kernel = weight.shape
    height, width = ((x.shape[2 + k] - kernel[k]) // stride[k] + 1 for k in (0, 1))
    y = np.zeros((len(x), outputs, height, width), x.dtype)
    for j in range(kernel[0]):
        for i in range(kernel[1]):
            seen = x[:, :, j : j + stride[0] * (height - 1) + 1 : stride[0], i : i + stride[1] * (width - 1) + 1 : stride[1]]
            for c in range(channels):
                y += seen[:, None, c] * weight[:, c, j, i][:, None, None]
    return y if bias is None else y + bias[:, None, None]


def pool2d(x: Array, kernel: tuple[int, int], kind: str = "sum") -> Array:
    """Sum over windows in raster order from +0; the average divides that sum by the number of pixels.

    The largest begins with the first pixel of a window; in raster order, one that is larger, or NaN, takes its place.

    Parameters
    ----------
    x : (rows, channels, height, width)
    kernel : (rows, columns) of a window; what does not fill a window is dropped
    kind : ``"sum"``, ``"average"`` or ``"max"``

    Returns
    -------
    array (rows, channels, height // kernel[0], width // kernel[1])

    Examples
    --------
    >>> import numpy as np
    >>> pool2d(np.ones((1, 1, 2, 3)), (2, 2)).tolist()
    [[[[4.0]]]]
    """
    height, width = x.shape[2] // kernel[0], x.shape[3] // kernel[1]
    whole = x[:, :, : height * kernel[0], : width * kernel[1]]
    pixels = [whole[:, :, j :: kernel[0], i :: kernel[1]] for j in range(kernel[0]) for i in range(kernel[1])]
    if kind == "max":
        most = pixels[0].copy()
        for pixel in pixels:
            most = np.where((pixel > most) | np.isnan(pixel), pixel, most)
        return most
    y = np.zeros((*x.shape[:2], height, width), x.dtype)
    for pixel in pixels:
        y += pixel
    return y / x.dtype.type(kernel[0] * kernel[1]) if kind == "average" else y


def delay(x: Array, steps: int) -> Array:
    """Send everything so many steps later, 0 before.

    Parameters
    ----------
    x : (T, ...)
    steps : at least 0

    Returns
    -------
    array (T, ...)

    Examples
    --------
    >>> import numpy as np
    >>> delay(np.array([1.0, 2.0, 3.0]), 1).tolist()
    [0.0, 1.0, 2.0]
    """
    y = np.zeros_like(x)
    for t in range(steps, len(x)):
        y[t] = x[t - steps]
    return y

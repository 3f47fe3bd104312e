"""Products that follow the events: the entries of an input that are not 0.

The bits are those of the layers in `rsnn.layers`, whichever way a product goes: a term of 0 changes no sum.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _rsnn
from .arguments import array_of, choice
from .errors import InvalidTypeError, InvalidValueError
from .layers import Conv2d
from .memory import empty
from .network import Network
from .simulation import data
from .spikes import WORD, Spikes
from .threads import resolve

__all__ = ["conv2d", "linear"]

Array = npt.NDArray[Any]
PATHS = ("auto", "event", "dense")
SHARED = 1 << 18
"""Entries of images that are worth more than one thread."""


def linear(x: Any, weight: npt.ArrayLike, bias: npt.ArrayLike | None = None, *, path: str = "auto", threads: int | None = None) -> Array:
    """Multiply the last axis by a weight, a row of the transposed weight for each entry that is not 0.

    In ascending input index, multiply then add, from +0, the bias last, as `rsnn.Linear`::

        y[..., o] = (sum over ascending i of x[..., i] * weight[o, i]) + bias[o]

    Parameters
    ----------
    x : array_like (..., inputs) or rsnn.Spikes
        float32 and float64 are computed in as they are; bool, integers, float16 and packed spikes become float32. Any values.
    weight : array_like (outputs, inputs)
        Finite.
    bias : array_like (outputs,), optional
        Finite.
    path : {"auto", "event", "dense"}
        Follow the events, multiply everything, or what is faster at the density that is counted. The bits are the same.
    threads : int, optional
        At most so many; by default as `rsnn.set_num_threads` says.

    Returns
    -------
    array (..., outputs)
        New, of the dtype that was computed in.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument of another kind or shape, or a weight that is not finite.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> rsnn.events.linear([[0.0, 1.0, 0.0]], np.arange(6.0).reshape(2, 3), bias=[0.5, 0.0]).tolist()
    [[1.5, 4.0]]
    """
    array, dtype = data(x)
    choice("path", path, PATHS)
    workers = resolve(threads)
    w = _weight("weight", weight, ("outputs", "inputs"), dtype)
    b = None if bias is None else _weight("bias", bias, ("outputs",), dtype)
    outputs, inputs = w.shape
    if array.ndim == 0 or array.shape[-1] != inputs:
        raise InvalidValueError(f"x has shape {array.shape}: the weight {w.shape} takes (..., {inputs})")
    if b is not None and b.shape != (outputs,):
        raise InvalidValueError(f"bias has shape {b.shape}: the weight has {outputs} outputs, so it must be {(outputs,)}; or leave it out")
    lead = array.shape[:-1]
    out = empty((*lead, outputs), dtype)
    rows = math.prod(lead)
    flat = out.reshape(rows, outputs)
    if isinstance(array, Spikes) and (len(lead) == 1 + array.batch_first or inputs % WORD == 0):
        words = np.ascontiguousarray(array.words).reshape(rows, -(-inputs // WORD))
        _rsnn.linear(words, w, b, flat, inputs=inputs, path=path, threads=workers)
    else:
        _rsnn.linear(np.require(array, dtype, ["C", "A"]).reshape(rows, inputs), w, b, flat, path=path, threads=workers)
    return out


def conv2d(
    x: Any,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    *,
    path: str = "auto",
    threads: int | None = None,
) -> Array:
    """Convolve images, scattering each entry that is not 0 to the outputs it reaches.

    By kernel row, kernel column, then channel, multiply then add, from +0, the bias last, as `rsnn.Conv2d`, which see for the equation.

    Parameters
    ----------
    x : array_like (..., channels, height, width) or rsnn.Spikes
        float32 and float64 are computed in as they are; bool, integers, float16 and packed spikes become float32. Any values.
    weight : array_like (outputs, channels, kernel rows, kernel columns)
        Finite.
    bias : array_like (outputs,), optional
        Finite.
    stride, padding : int or (rows, columns)
        As of `rsnn.Conv2d`.
    path : {"auto", "event", "dense"}
        Follow the events, multiply everything, or what is faster at the density that is counted. The bits are the same.
    threads : int, optional
        At most so many, images side by side; by default as `rsnn.set_num_threads` says, one where the images are few.

    Returns
    -------
    array (..., outputs, height after, width after)
        New, of the dtype that was computed in.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument of another kind or shape, or a weight that is not finite.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> rsnn.events.conv2d([[[0, 1, 0]]], np.arange(1.0, 4.0).reshape(1, 1, 1, 3), padding=(0, 1)).tolist()
    [[[3.0, 2.0, 1.0]]]
    """
    layer = Conv2d(weight, bias, stride, padding)  # type: ignore[arg-type]  # which checks them, and keeps arrays
    array, dtype = data(x)
    if array.ndim < 3:
        raise InvalidValueError(f"x has shape {array.shape}: must be (..., channels, height, width)")
    dense = np.require(array, dtype, ["C", "A"])
    workers = resolve(threads) if threads is not None or dense.size >= SHARED else 1
    lead, image = dense.shape[:-3], dense.shape[-3:]
    network, images = Network([layer], image), dense.reshape(math.prod(lead), *image)
    # Samples go side by side, the images of one after each other; those that are left over come last.
    abreast = max(1, min(workers, len(images)))
    whole = len(images) - len(images) % abreast
    out = network.run(images[:whole].reshape(whole // abreast, abreast, *image), path=path, threads=abreast).output
    out = out.reshape(whole, *out.shape[2:])
    if whole < len(images):
        out = np.concatenate([out, network.run(images[whole:], path=path, threads=1).output])
    return out.reshape(*lead, *out.shape[1:])


def _weight(name: str, value: Any, axes: tuple[str, ...], dtype: np.dtype[Any]) -> Array:
    """Check numbers and round them to the dtype of the data; that they are finite, the kernel sees."""
    array = array_of(name, value)
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise InvalidTypeError(f"{name}: {array.dtype} came; give an array of float32 or float64")
    if array.ndim != len(axes):
        raise InvalidValueError(f"{name} has shape {array.shape}: must be ({', '.join(axes)}{',' if len(axes) == 1 else ''})")
    with np.errstate(over="ignore"):
        return np.require(array, dtype, ["C", "A"])

"""Numbers as the libraries form them: float32 where one of them is a float32 tensor there, else double."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import array_of

if TYPE_CHECKING:
    from rsnn.stages.stage import Parameter

Array = npt.NDArray[Any]


def together(**numbers: Parameter) -> list[Array]:
    """Give numbers in the dtype they meet in: float32 if one of them is float32, else float64."""
    arrays = [array_of(name, value) for name, value in numbers.items()]
    kind = np.float32 if any(array.dtype == np.float32 for array in arrays) else np.float64
    return [array.astype(kind) if array.dtype.kind in "fiu" else array for array in arrays]


def product(**numbers: Parameter) -> Array:
    """Multiply from left to right, each product rounded."""
    return _quietly(lambda: reduce(np.multiply, together(**numbers)))


def single(name: str, value: Parameter) -> Array:
    """Give a number as a float32 tensor."""
    array = array_of(name, value)
    return array.astype(np.float32) if array.dtype.kind in "fiu" else array


def decay(name: str, tau: Parameter) -> Array:
    """Give ``exp(-1 / tau)`` in float32, the exponential formed in double precision."""
    array = array_of(name, tau)
    if array.dtype.kind not in "fiu":
        return array
    return _quietly(lambda: np.exp(-1.0 / array.astype(np.float64)).astype(np.float32))


def _quietly(form: Callable[[], Any]) -> Any:
    # What comes of numbers out of range is refused, with its name, where the neuron is made.
    with np.errstate(all="ignore"):
        return form()

"""Numbers as the libraries form them: float32 where one of them is a float32 tensor there, else double."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import LARGEST, SMALLEST, array_of, real, within

if TYPE_CHECKING:
    from rsnn.stages.stage import Parameter

Array = npt.NDArray[Any]


def product(**numbers: Parameter) -> Array:
    """Multiply from left to right, each product rounded: to float32 if one of the numbers is float32, else to float64."""
    kind = np.float32 if any(array_of(name, value).dtype == np.float32 for name, value in numbers.items()) else np.float64
    factors = [np.asarray(real(name, value), kind) for name, value in numbers.items()]
    with np.errstate(all="ignore"):  # what comes of numbers out of range is refused where the neuron is made
        made: Array = np.asarray(reduce(np.multiply, factors))
    return made


def single(name: str, value: Parameter) -> Array:
    """Give a number as a float32 tensor."""
    within(name, real(name, value), -LARGEST, LARGEST)
    return np.asarray(real(name, value), np.float32)


def decay(name: str, tau: Parameter) -> Array:
    """Give ``exp(-1 / tau)`` in float32: the quotient is rounded, as there; the exponential is formed in double precision."""
    steps = real(name, tau)
    within(name, steps, SMALLEST, LARGEST)
    with np.errstate(all="ignore"):
        exponent = np.float32(-1) / np.asarray(steps, np.float32)
        return np.asarray(np.exp(exponent.astype(np.float64)), np.float32)

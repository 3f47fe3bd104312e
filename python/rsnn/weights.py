"""Weights as data: arrays of finite numbers, kept as they came and rounded to the dtype of a run once."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .arguments import array_of, shown
from .errors import InvalidTypeError, InvalidValueError
from .stages import Description

Array = npt.NDArray[Any]


class Weights(Description):
    """Something with a weight, and perhaps a bias."""

    weight: Array
    bias: Array | None

    @cached_property
    def _rounded(self) -> dict[np.dtype[Any], tuple[Array, Array | None]]:
        return {}

    def weights(self, dtype: Any) -> tuple[Array, Array | None]:
        """Give weight and bias in a dtype: rounded once, then kept."""
        kind = np.dtype(dtype)
        if kind not in self._rounded:
            bias = None if self.bias is None else _round("bias", self.bias, kind)
            self._rounded[kind] = (_round("weight", self.weight, kind), bias)
        return self._rounded[kind]

    def _set_bias(self, outputs: int) -> None:
        if self.bias is not None:
            bias = kept("bias", self.bias)
            if bias.shape != (outputs,):
                raise InvalidValueError(
                    f"bias has shape {bias.shape}: the weight has {outputs} outputs, so it must be {(outputs,)}; or leave it out"
                )
            object.__setattr__(self, "bias", bias)


def kept(name: str, value: Any) -> Array:
    """Copy an array of finite numbers, so that nobody can change it."""
    array = array_of(name, value)
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise InvalidTypeError(f"{name}={shown(value)}: {array.dtype} is not accepted; give an array of float32 or float64")
    dtype = np.float64 if array.dtype.kind in "iu" or array.dtype.itemsize == 8 else np.float32
    array = np.array(array, dtype, order="C")
    array += 0  # -0.0 becomes 0.0, which no sum can tell, so that equal layers have equal bytes
    if not np.isfinite(array).all():
        at = np.argwhere(~np.isfinite(array))[0].tolist()
        raise InvalidValueError(
            f"{name}{at} is {array[tuple(at)]}: every value must be finite. Look for a division by zero or a diverged training run"
        )
    array.setflags(write=False)
    return array


def _round(name: str, values: Array, dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore"):
        rounded = values.astype(dtype, copy=False)
    if not np.isfinite(rounded).all():
        largest = np.abs(values).max()
        raise InvalidValueError(
            f"{name}: its largest value, {largest:.6g}, is infinite in {dtype}, the dtype of x; give x in float64, or scale the {name}"
        )
    rounded.setflags(write=False)
    return rounded

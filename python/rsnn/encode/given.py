"""What an encoder or a decoder is given: an array, packed spikes or a tensor in, and the same kind out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import count, flag, is_tensor, of_tensor, shown
from rsnn.errors import InvalidValueError
from rsnn.simulation import data
from rsnn.spikes import Spikes

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Given:
    """An argument as a numpy array, and the way its results take back."""

    name: str
    array: Array
    """Of the dtype that is computed in, C-contiguous; it may be the caller's own."""
    tensor: Any = None
    """The tensor it came as."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """What is computed in: float32 or float64."""
        return self.array.dtype

    def back(self, result: Array) -> Any:
        """Give a result in the kind that came: an array, or a tensor on the device of the one that came, half precision as it was."""
        if self.tensor is None:
            return result
        import torch

        floating = self.tensor.dtype.is_floating_point
        return torch.from_numpy(np.require(result, requirements=["C", "W"])).to(self.tensor.device, self.tensor.dtype if floating else None)

    def differentiable(self, result: Array, formula: Callable[[Any], Any]) -> Any:
        """Give a result with the gradient of a formula over tensors, which has the same value but for rounding."""
        value = self.back(result)
        if self.tensor is None or not self.tensor.requires_grad:
            return value
        smooth = formula(self.tensor)
        return smooth + (value - smooth).detach()  # exactly the value: the difference of two near numbers is exact


def given(name: str, value: Any, axes: int = 0, meaning: str = "") -> Given:
    """Check an argument that is an array of numbers, packed spikes or a tensor, with at least so many axes."""
    tensor = None
    if is_tensor(value):
        tensor, value = value, of_tensor(name, value)
    read, dtype = data(value, name)
    array = time_first(name, read).numpy(dtype) if isinstance(read, Spikes) else np.require(read, dtype, ["C", "A"])
    if array.ndim < axes:
        raise InvalidValueError(f"{name} has shape {array.shape}: must be {meaning}")
    return Given(name, array, tensor)


def time_first(name: str, spikes: Spikes) -> Spikes:
    """Refuse packed spikes whose first axis is the batch."""
    if spikes.batch_first:
        raise InvalidValueError(f"{name}: they are packed with batch_first=True; time must come first: rsnn.Spikes.pack((T, ...))")
    return spikes


def finite(x: Given, low: float = -math.inf, high: float = math.inf, cure: str = "") -> None:
    """Refuse NaN, infinity, and what is outside of a closed range."""
    array = x.array
    if not array.size:
        return
    least, most = float(array.min()), float(array.max())
    if not (math.isfinite(least) and math.isfinite(most)):
        raise InvalidValueError(f"{x.name}: NaN or infinity came; give finite numbers: np.nan_to_num({x.name}) replaces them")
    if least < low or most > high:
        accepted = f"between {low:g} and {high:g}" if math.isfinite(high) else f"at least {low:g}"
        raise InvalidValueError(f"{x.name}: values from {least:.6g} to {most:.6g} came; must be {accepted}{'; ' + cure if cure else ''}")


def steps_of(x: Given, steps: Any) -> int | None:
    """Check `steps`, the time of an input without a time axis, or None for one that has it."""
    if steps is not None:
        return count("steps", steps, 0, "None for an input that has a time axis")
    if x.array.ndim == 0:
        raise InvalidValueError(f"{x.name} has shape (): must be (T, ...); for an input that is constant over time give steps=")
    return None


def unpacked(x: Given, packed: Any) -> bool:
    """Check the argument `packed`."""
    if flag("packed", packed) and x.tensor is not None:
        raise InvalidValueError(f"packed=True: {x.name} is a tensor, and so are its spikes; give {x.name}.numpy(), or leave packed out")
    return bool(packed)


def packed_or_not(x: Given, spikes: Array, packed: bool) -> Any:
    """Give spikes of 0 and 1 in the kind that came, or packed."""
    return Spikes.pack(spikes) if packed else x.back(spikes)


def as_rows(array: Array) -> Array:
    """See (T, ...) as (T, n)."""
    return array.reshape(len(array), math.prod(array.shape[1:]))


def positive(name: str, value: float) -> float:
    """Refuse what is not positive."""
    if not value > 0:
        raise InvalidValueError(f"{name}={shown(value)}: must be positive")
    return value

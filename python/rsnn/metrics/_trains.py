"""Spike trains in any of their forms, as an array with time first."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import LARGEST, SMALLEST, array_of, flag, is_tensor, of_tensor, scalar, within
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.network import NetworkResult
from rsnn.simulation import Result
from rsnn.spikes import Spikes

Array = npt.NDArray[Any]


def dense(name: str, value: Any) -> Array:
    """Give the numbers of an array, a tensor, packed spikes, or a result (of a network its last layer's output), as they are laid out."""
    if isinstance(value, (Result, NetworkResult)):
        value = value.output
    if isinstance(value, Spikes):
        return value.numpy()
    array = array_of(name, of_tensor(name, value) if is_tensor(value) else value)
    if array.dtype.kind not in "biuf":
        raise InvalidTypeError(f"{name}: {array.dtype} came; give numbers or bool")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InvalidValueError(f"{name}: NaN or infinity came; every entry must be finite")
    return array


def trains(name: str, value: Any, batch_first: Any, least: int = 1) -> Array:
    """Give spike trains, or traces, with time first: (T, ...)."""
    later = flag("batch_first", batch_first)
    held = value.output if isinstance(value, (Result, NetworkResult)) else value
    if isinstance(held, Spikes) and held.batch_first != later:
        raise InvalidValueError(f"batch_first={later}: {name} are packed spikes with batch_first={held.batch_first}; give the same here")
    array = dense(name, value)
    if array.ndim < max(least, 1 + later):
        layout = "(B, T, ...)" if later else "(T, ...)" if least == 1 else "(T, ..., N)"
        raise InvalidValueError(f"{name} has shape {array.shape}: must be {layout}")
    time_first = array.swapaxes(0, 1) if later else array
    if not len(time_first):
        raise InvalidValueError(f"{name} has shape {array.shape}: give at least one step")
    return time_first


def counts(name: str, value: Array) -> npt.NDArray[np.int64]:
    """Check that trains are counts of spikes."""
    whole: npt.NDArray[np.int64] = value.astype(np.int64)
    wrong = (value < 0) | (whole != value)
    if wrong.any():
        raise InvalidValueError(f"{name}: {value[wrong][0]} came; every entry must be a count of spikes, 0, 1, 2 and so on")
    return whole


def spike_times(array: Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """List the steps with spikes: the train of each, in memory order over all axes but time, and the step; by train, then by time."""
    train, step = np.nonzero(array.reshape(len(array), -1).T)
    return train, step


def positive(name: str, value: Any) -> float:
    """Check a single positive number."""
    given = scalar(name, value)
    within(name, given, SMALLEST, LARGEST)
    return given

"""What rules carry from step to step, and the data they take: checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import array_of, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.simulation import data
from rsnn.spikes import Spikes
from rsnn.state import State, make_state

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


def begin(name: str, state: Any, fields: dict[str, Shape], dtype: np.dtype[Any], start: dict[str, float] | None = None) -> State:
    """Give a copy of a state to go on from; where None came, one of zeros, or of the numbers to start from."""
    if state is None:
        return make_state(fields, [np.full(shape, (start or {}).get(field, 0.0), dtype) for field, shape in fields.items()])
    if getattr(state, "_fields", None) != tuple(fields):
        raise InvalidTypeError(
            f"{name}={shown(state)}: must be a named tuple with the fields {', '.join(fields)}, the state of an earlier result"
        )
    values = []
    for (field, shape), one in zip(fields.items(), state, strict=True):
        array = array_of(f"{name}.{field}", one)
        if array.dtype.newbyteorder("=") != dtype:
            raise InvalidTypeError(f"{name}.{field}: {array.dtype} came, the run is computed in {dtype}")
        if array.shape != shape:
            raise InvalidValueError(f"{name}.{field} has shape {array.shape}: must be {shape}, as the data of one step")
        values.append(np.array(array, dtype, order="C"))
    return make_state(fields, values)


def spikes(name: str, value: Any, dtype: np.dtype[Any] | None = None, *, batch_first: bool = False) -> tuple[Array, np.dtype[Any]]:
    """Give spikes over time as an array of native floats, and their dtype: another one where that is wanted."""
    array, own = data(value, name)
    if isinstance(array, Spikes) and array.batch_first != batch_first:
        raise InvalidValueError(
            f"{name}: packed spikes with batch_first={array.batch_first} came; "
            f"pack them with rsnn.Spikes.pack(array, batch_first={batch_first})"
        )
    dtype = own if dtype is None else dtype
    if array.ndim == 0:
        raise InvalidValueError(f"{name}: a single number came; must have time as its first axis")
    return np.require(array, dtype, ["C", "A"]), dtype


def rewards(value: Any, lead: Shape, dtype: np.dtype[Any], needed: bool, batch_first: bool = False) -> Array | None:
    """Check a reward; give it as (steps, samples), the same for all samples where it came without them."""
    if not needed:
        if value is not None:
            raise InvalidValueError(
                f"reward={shown(value)}: no rule here takes one; leave it out, or put rsnn.plasticity.RewardModulated around it"
            )
        return None
    if value is None:
        raise InvalidValueError("reward: none came; a rule that is RewardModulated takes one, a number for each step")
    array = array_of("reward", value)
    if array.dtype.kind not in "biuf":
        raise InvalidTypeError(f"reward: {array.dtype} came; give real numbers")
    steps, samples = lead[0], lead[1] if len(lead) == 2 else 1
    if array.shape == lead[::-1] and batch_first and len(lead) == 2:
        array = array.T
    elif array.shape == (steps,):
        array = array[:, None]
    elif array.shape != lead:
        batch = f", or {lead[::-1] if batch_first else lead}" if len(lead) == 2 else ""
        raise InvalidValueError(f"reward has shape {array.shape}: must be {(steps,)}{batch}")
    if not np.isfinite(array).all():
        raise InvalidValueError("reward: NaN and infinity are not accepted; give finite numbers")
    return np.ascontiguousarray(np.broadcast_to(array, (steps, samples)), dtype)

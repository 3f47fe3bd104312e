"""Checks of what a caller hands in: every message names the argument, what came, what is accepted and the cure."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InvalidTypeError, InvalidValueError

Float64Array = npt.NDArray[np.float64]

LARGEST = float(np.finfo(np.float32).max)
"""The largest size of a parameter: beyond it the value would be infinite in float32."""
SMALLEST = float(np.finfo(np.float32).tiny)
"""The smallest size of a parameter that must not be zero: below it the value loses its digits in float32."""
MOST_BYTES = 2**47
"""What a process can address."""
MOST_STEPS = 2**24
"""The largest count that float32 holds exactly together with every count below it."""


def shown(value: object) -> str:
    """Show a value in a message or a repr: short, whatever it is."""
    if isinstance(value, np.ndarray) and value.ndim and max(value.size, *value.shape) > 6:
        # A view may have more elements than anyone can look at, of one that is in memory, or none along an axis of any length.
        ranged = value.dtype.kind in "biuf" and 0 < value.size <= MOST_STEPS
        between = f"{np.min(value):.6g} to {np.max(value):.6g}" if ranged else str(value.dtype)
        return f"<array {value.shape}, {between}>"
    if isinstance(value, np.ndarray) and value.ndim:
        return repr(value.tolist())
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def is_tensor(value: object) -> bool:
    """Tell a torch tensor without importing torch."""
    return type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach")


def in_memory(name: str, tensor: Any) -> None:
    """Refuse a tensor that is sparse, or that shows one element so often that whatever looks at each would not come back."""
    if str(tensor.layout) != "torch.strided":
        raise InvalidTypeError(f"{name} has the layout {tensor.layout}: must be dense; {name}.to_dense() converts it")
    if tensor.numel() * tensor.element_size() > MOST_BYTES:
        raise InvalidValueError(f"{name} has the shape {tuple(tensor.shape)}: more numbers than any memory holds; give a smaller tensor")


def of_tensor(name: str, tensor: Any) -> npt.NDArray[Any]:
    """Give the real numbers of a tensor."""
    import torch

    in_memory(name, tensor)
    if tensor.dtype.is_complex or tensor.is_quantized:
        raise InvalidTypeError(f"{name} is {tensor.dtype}: must be float32 or float64, bool or integers; give real numbers")
    if tensor.is_meta:
        raise InvalidValueError(f"{name} is on the device meta: it has no numbers; give a tensor that has")
    held = tensor.detach().cpu().resolve_conj().resolve_neg()
    half = held.dtype.is_floating_point and held.dtype not in (torch.float32, torch.float64)
    return (held.float() if half else held).numpy()  # type: ignore[no-any-return]


def array_of(name: str, value: Any) -> npt.NDArray[Any]:
    """Make a numpy array of anything that is one, or can become one without losing something."""
    if isinstance(value, np.ma.MaskedArray):
        raise InvalidTypeError(f"{name}: a masked array is not accepted, the mask would be lost; fill it first: {name}.filled(0)")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InvalidTypeError(f"{name}={shown(value)}: cannot become a numpy array ({error}); give numbers") from error
    if array.nbytes > MOST_BYTES:  # one element seen so often: whatever looks at each of them would not come back
        raise InvalidValueError(f"{name} has shape {array.shape}: more numbers than any memory holds; give a smaller array")
    return array


def numbers(name: str, value: Any) -> npt.NDArray[Any]:
    """Make an array of real numbers of anything that is one; NaN and infinity may be among them."""
    array = array_of(name, value)
    if array.dtype.kind not in "biuf":
        raise InvalidTypeError(f"{name}={shown(array)}: {array.dtype} is not accepted; give real numbers")
    return array


def real(name: str, value: Any) -> float | Float64Array:
    """Check a parameter, a finite real number or an array of them: gives a float, or a float64 array of its own that is read-only."""
    array = array_of(name, value)
    if array.dtype.kind not in "fiu":
        raise InvalidTypeError(f"{name}={shown(value)}: {array.dtype} is not accepted; give a real number or an array of real numbers")
    with np.errstate(over="ignore"):
        array = array.astype(np.float64) + 0.0  # a copy of our own, and -0.0 becomes 0.0, so that equal neurons have equal bytes
    if not np.isfinite(array).all():
        raise InvalidValueError(f"{name}={shown(value)}: NaN and infinity are not accepted; give finite numbers")
    if array.ndim == 0:
        return float(array)
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array


def scalar(name: str, value: Any) -> float:
    """Check a single finite real number."""
    number = real(name, value)
    if not isinstance(number, float):
        raise InvalidValueError(f"{name}={shown(value)}: must be a single number")
    return number


def within(name: str, value: Any, low: float, high: float, hint: str = "") -> None:
    """Refuse a parameter outside its closed range."""
    if np.all((value >= low) & (value <= high)):
        return
    # As short as may be, but never a bound that would be refused itself.
    least, most = (f"{bound:.8g}" if float(f"{bound:.8g}") == bound else repr(float(bound)) for bound in (low, high))
    if low == -LARGEST:
        accepted = f"at most {most} in size"
    elif high == LARGEST:
        accepted = "positive" if low == SMALLEST else f"at least {least}"
    else:
        accepted = f"between {least} and {most}"
    raise InvalidValueError(f"{name}={shown(value)}: must be {accepted}{'; ' + hint if hint else ''}")


def whole(name: str, value: float | Float64Array, low: int, hint: str = "") -> None:
    """Refuse numbers that are not whole, below `low`, or too large to be counted in float32."""
    if not np.all((value == np.floor(value)) & (value >= low) & (value <= MOST_STEPS)):
        raise InvalidValueError(f"{name}={shown(value)}: must be whole, from {low} to {MOST_STEPS}{'; ' + hint if hint else ''}")


def count(name: str, value: Any, low: int, hint: str = "") -> int:
    """Check a Python or numpy integer that is at least `low`."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise InvalidTypeError(f"{name}={shown(value)}: must be an integer of at least {low}{'; ' + hint if hint else ''}") from None
    if number < low:
        raise InvalidValueError(f"{name}={number}: must be an integer of at least {low}{'; ' + hint if hint else ''}")
    return number


def size(name: str, value: Any, low: int, hint: str = "") -> int:
    """Check the length of an axis: an integer that is at least `low`, and no more than memory holds."""
    number = count(name, value, low, hint)
    if number > MOST_BYTES:
        raise InvalidValueError(f"{name}={number}: more than any memory holds{'; ' + hint if hint else ''}")
    return number


def fitting(name: str, value: Any, other: str, like: Any) -> None:
    """Refuse arrays whose shapes do not fit together."""
    try:
        np.broadcast_shapes(np.shape(value), np.shape(like))
    except ValueError:
        raise InvalidValueError(
            f"{name} has shape {np.shape(value)} and {other} {np.shape(like)}: they must broadcast; give numbers, or arrays of one shape"
        ) from None


def flag(name: str, value: Any) -> bool:
    """Check True or False, nothing that merely could mean it."""
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidTypeError(f"{name}={shown(value)}: must be True or False")
    return bool(value)


def choice(name: str, value: Any, accepted: Sequence[str]) -> str:
    """Check one of a few words."""
    if not isinstance(value, str):
        raise InvalidTypeError(f"{name}={shown(value)}: must be one of {', '.join(map(repr, accepted))}")
    if value not in accepted:
        raise InvalidValueError(f"{name}={value!r}: must be one of {', '.join(map(repr, accepted))}{did_you_mean(value, accepted)}")
    return value


def names(name: str, value: Any, accepted: Iterable[str], hint: str = "") -> tuple[str, ...]:
    """Check a name or several: known ones, each kept once."""
    known = tuple(accepted)
    try:
        given = (value,) if isinstance(value, str) else tuple(value)
    except TypeError:
        raise InvalidTypeError(f"{name}={shown(value)}: must be a name or a tuple of names, of {', '.join(map(repr, known))}") from None
    for one in given:
        if not isinstance(one, str):
            raise InvalidTypeError(f"{name}={shown(value)}: {shown(one)} is not a name; accepted are {', '.join(map(repr, known))}")
        if one not in known:
            cure = did_you_mean(one, known) or ("; " + hint if hint else "")
            raise InvalidValueError(f"{name}={shown(value)}: {one!r} is not one of {', '.join(map(repr, known)) or 'nothing'}{cure}")
    return tuple(dict.fromkeys(given))


def did_you_mean(word: str, accepted: Iterable[str]) -> str:
    """End a message with the nearest accepted word, if one is near."""
    from difflib import get_close_matches  # only where something went wrong: importing it takes a while

    near = get_close_matches(word, list(accepted), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def shape_of(name: str, value: Any) -> tuple[int, ...]:
    """Check a shape: an integer or a tuple of integers that are not negative."""
    if isinstance(value, (int, np.integer)):
        value = (value,)
    try:
        sizes = tuple(value)
    except TypeError:
        raise InvalidTypeError(f"{name}={shown(value)}: must be an integer or a tuple of integers") from None
    made = tuple(count(f"{name}[{k}]", one, 0) for k, one in enumerate(sizes))
    if prod(one for one in made if one) > MOST_BYTES:
        raise InvalidValueError(f"{name}={shown(made)}: more numbers than any memory holds; give a smaller one")
    return made


def float_dtype(name: str, value: Any) -> np.dtype[Any]:
    """Check a dtype that rsnn computes in: float32 or float64."""
    try:
        dtype: np.dtype[Any] = np.dtype(value).newbyteorder("=")
    except (TypeError, ValueError):
        raise InvalidTypeError(f"{name}={shown(value)}: must be float32 or float64") from None
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise InvalidTypeError(f"{name}={dtype}: must be float32 or float64")
    return dtype

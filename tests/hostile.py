"""Values that belong nowhere, drawn by tests/chip/test_robust.py and by `make fuzz`; and what tells whether a value was changed."""

from __future__ import annotations

import sys
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

Rng = np.random.Generator


def some(rng: Rng, *choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


def whole(rng: Rng, shape: Any, low: int = -9, high: int = 10) -> Any:
    """Integers of some dtype and layout."""
    array = rng.integers(low, high, shape).astype(some(rng, np.int8, np.int16, np.int32, np.int64, np.float32, np.float64, ">i4"))
    layout = rng.integers(4)
    if layout == 0:
        array.setflags(write=False)
    elif layout == 1:
        array = np.asfortranarray(array)
    elif layout == 2:
        array = np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array
    return array


def hostile(rng: Rng) -> Any:
    """Something that belongs nowhere, or nearly so."""
    number = some(
        rng, 0, 1, -1, 2, 3, 255, 2**15, -(2**15), 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63), 2**63, -(2**64), 10**30, True,
        0.5, -1.5, 1e300, -0.0, float("nan"), float("inf"), 1j, None, "", "multi", "x", b"", (), [], {}, object(), slice(3), np.int8(-7),
        np.uint64(2**64 - 1), np.float16(0.25), np.datetime64("now"), len,
    )  # fmt: skip
    kind = rng.integers(4)
    if kind < 2:
        return number
    shape = tuple(int(n) for n in rng.integers(0, 4, rng.integers(0, 6)))
    if kind == 2:
        try:
            return np.full(shape, number)
        except (ValueError, TypeError, OverflowError):
            return np.empty(shape, object)
    return whole(rng, shape, some(rng, -(2**40), -(2**31), -200, 0), some(rng, 2**40, 2**31, 200, 1))


def frozen(value: Any) -> Any:
    """What a change of an argument would change."""
    if isinstance(value, np.ndarray):
        # One element of an axis along which all are the same: an array may have more elements than memory holds.
        held = value[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in value.strides)]
        return value.dtype, value.shape, value.flags.writeable, repr(held) if value.dtype == object else held.tobytes()
    if isinstance(value, (list, tuple)):
        return type(value), [frozen(one) for one in value]
    if isinstance(value, dict):
        return [(key, frozen(one)) for key, one in value.items()]
    if is_dataclass(value) and not isinstance(value, type) and value.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return type(value), [frozen(vars(value).get(one.name)) for one in fields(value)] if hasattr(value, "__dict__") else None
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return frozen_tensor(torch, value)
    return value if isinstance(value, (int, str, bytes)) else None


def frozen_tensor(torch: Any, value: Any) -> Any:
    """What a change of a tensor would change; only its kind where no memory can be read."""
    kind = value.dtype, value.shape, value.requires_grad, str(value.layout)
    if value.layout is not torch.strided or value.is_meta or value.is_quantized:
        return kind
    held = value.detach()[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in value.stride())]
    return kind, held.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format).reshape(-1).view(
        torch.uint8
    ).numpy().tobytes()

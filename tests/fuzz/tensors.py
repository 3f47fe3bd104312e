"""Tensors that are hostile: of odd dtypes, layouts and devices, with and without gradients; and gradients of what comes back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from hostile import Rng, some


def is_tensor(value: Any) -> bool:
    """Tell whether a value is a tensor of torch, which may not be there."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def is_module(value: Any) -> bool:
    """Tell whether a value is a module of torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def copied(value: Any) -> Any:
    """A tensor as it is now, without what it was computed from."""
    return value.detach().clone().requires_grad_(value.requires_grad)


def of(array: Any) -> Any:
    """The tensor of an array; the array itself where torch has none."""
    import torch

    try:
        return torch.from_numpy(array) if isinstance(array, np.ndarray) else array
    except (TypeError, ValueError):
        return array


def array(value: Any) -> Any:
    """The array of a tensor, or None where numpy has none."""
    try:
        return value.detach().numpy()
    except (TypeError, RuntimeError):  # on no device, sparse, of 16 bits that numpy does not know
        return None


def altered(rng: Rng, value: Any) -> Any:
    """The numbers of a tensor in another dtype, layout or place, sharing memory, or with a gradient."""
    import torch

    if value.layout != torch.strided:
        return value.to_dense()
    if value.numel() > 2**24:
        return value[..., None]
    value, kind = value.detach(), rng.integers(14)
    if kind < 4:
        return value.clone().requires_grad_(value.dtype.is_floating_point)
    if kind == 4:
        dtypes = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.complex64)
        return value.to(some(rng, *dtypes))
    if kind == 5:
        return value.to("meta")
    if kind == 6 and value.dtype.is_floating_point:
        return some(rng, value.to_sparse(), torch.nn.Parameter(value.clone()), value.to(torch.complex64).conj(), value._neg_view())
    if kind == 7:
        return some(rng, value[None], value[..., None], value.reshape(-1), value.t() if value.ndim == 2 else value.flip(0))
    if kind == 8 and value.ndim:
        axis = int(rng.integers(value.ndim))
        return value.narrow(axis, 0, int(rng.integers(value.shape[axis] + 1)))
    if kind == 9 and value.ndim and len(value):
        return value[:1].expand(value.shape)
    if kind == 10 and value.numel():
        changed = value.clone()
        changed.view(-1)[int(rng.integers(value.numel()))] = some(rng, 0, 1, 3) if value.dtype == torch.bool else int(some(rng, 0, 1, 100))
        if value.dtype.is_floating_point and rng.random() < 0.5:
            changed.view(-1)[int(rng.integers(value.numel()))] = some(rng, float("nan"), float("inf"), -1e38, 1e-45)
        return changed
    if kind == 11:
        return value if array(value) is None else array(value)
    if kind == 12:
        return torch.zeros((), dtype=value.dtype).expand(some(rng, (2**59,), (2**30, 2**29), (2**20, 2, 2**38)))
    return torch.empty(some(rng, (0,), (0, 2**40), (2, 0), ()), dtype=value.dtype)


def gradients(result: Any) -> None:
    """Send a gradient back through everything that an answer holds."""
    import torch

    sums = [one.float().sum() for one in held(result) if one.requires_grad and one.dtype.is_floating_point and not one.is_meta]
    if sums:
        torch.stack(sums).sum().backward()


def held(value: Any, depth: int = 3) -> Iterator[Any]:
    """Give the tensors in an answer."""
    if is_tensor(value):
        yield value
    elif depth:
        inner = value.values() if isinstance(value, dict) else value[:64] if isinstance(value, (tuple, list)) else ()
        for one in (*inner, *(getattr(value, name, None) for name in ("output", "state", "traces") if not isinstance(value, tuple))):
            yield from held(one, depth - 1)

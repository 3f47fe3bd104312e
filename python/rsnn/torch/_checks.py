"""Checks of tensors at the door: every message names the argument, what came, what is accepted and the cure."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsnn import arguments
from rsnn.errors import InvalidTypeError, InvalidValueError, OutOfRangeError

NATIVE = (torch.float32, torch.float64)
"""The dtypes that the native kernels compute in."""


def floating(name: str, value: Any) -> Tensor:
    """Check a dense tensor of real floating point numbers."""
    if not isinstance(value, Tensor):
        cure = "give a torch.Tensor"
        if isinstance(value, np.ndarray):
            cure = "torch.from_numpy(...) makes one; arrays run through rsnn.simulate"
        elif isinstance(value, tuple):
            cure = "neurons return (output, state): write output, state = layer(x), or use rsnn.torch.Sequential"
        raise InvalidTypeError(f"{name} is {type(value).__name__}: must be a tensor; {cure}")
    if not value.dtype.is_floating_point:
        raise InvalidTypeError(f"{name} is {value.dtype}: must be float32 or float64; {name}.float() converts it")
    if value.layout is not torch.strided:
        raise InvalidTypeError(f"{name} has the layout {value.layout}: must be dense; {name}.to_dense() converts it")
    if not torch.compiler.is_compiling() and not value.is_meta:
        arguments.in_memory(name, value)
    return value


def axes(name: str, value: Tensor, least: int, meaning: str) -> None:
    """Refuse a tensor with too few axes."""
    if value.ndim < least:
        raise InvalidValueError(
            f"{name} has the shape {tuple(value.shape)}: must have at least {least} {'axis' if least == 1 else 'axes'}, {meaning}"
        )


def one_step(x: Tensor, batch_first: bool) -> tuple[Tensor, int]:
    """Check one step (B, ...); give it as a sequence that is one step long, and its axis of time."""
    floating("x", x)
    axes("x", x, 1, "(B, ...)")
    axis = int(batch_first)
    return x.unsqueeze(axis), axis


def together(name: str, value: Tensor, other: str, like: Tensor, cure: str) -> None:
    """Refuse a tensor on another device than the one it meets."""
    if value.device != like.device:
        raise InvalidValueError(f"{name} is on {value.device} and {other} on {like.device}: both must be on one device; {cure}")


def alike(name: str, value: Tensor, other: str, like: Tensor, cure: str) -> None:
    """Refuse a tensor on another device, or of another dtype, than the one it meets."""
    together(name, value, other, like, cure)
    if value.dtype != like.dtype:
        raise InvalidTypeError(f"{name} is {value.dtype} and {other} {like.dtype}: both must have one dtype; {cure}")


def position(index: Any, modules: int) -> int:
    """Check which of some modules is meant, from the end where it is negative."""
    at = arguments.count("index", index, -modules)
    if at >= modules:
        raise OutOfRangeError(f"index={at}: there are {modules} modules, 0 to {modules - 1}")
    return at


def pair(name: str, value: Any, least: int) -> tuple[int, int]:
    """Check a whole number for both axes of an image, or one for each."""
    given = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(given) != 2:
        raise InvalidValueError(f"{name}={arguments.shown(value)}: must be a whole number or two, (y, x)")
    return arguments.size(name, given[0], least), arguments.size(name, given[1], least)

"""What a library's tables are made of: a row for each of its classes, and how a class that has none is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from torch import Tensor, nn

from rsnn.errors import InvalidValueError
from rsnn.surrogate import Surrogate
from rsnn.torch.modules import Layer

LIBRARIES = ("norse", "sinabs", "snntorch", "spikingjelly")
"""The libraries that have tables, by the package that their classes are in."""

STEP, SEQUENCE, FOLDED = "step", "sequence", "folded"
"""How a module is called: once a step with (B, ...), once with both axes, or once with time and batch folded into one."""

CALLED = {
    STEP: "one time step a call",
    SEQUENCE: "a sequence a call",
    FOLDED: "frames, time and batch folded into one axis",
}


class Refusal(Exception):
    """Why a module is not adopted, and what to do about it; the walk adds where it is and raises one error for all of them."""


@dataclass(frozen=True)
class Reading:
    """What was read off a neuron of another library."""

    arguments: Mapping[str, Any]
    """Of the preset, by the library's names."""
    surrogate: Callable[[], Surrogate]
    """Makes its surrogate, or refuses; not called where the caller brings one."""
    learn: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the layer."""
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    """Recurrent weights, by the layer's names."""
    linear: nn.Linear | None = None
    """What the library applies to the input inside of the neuron."""


@dataclass(frozen=True)
class Neuron:
    """One class of neurons of a library.

    Parameters
    ----------
    layer : the class of ``rsnn.torch.presets.<library>`` that it becomes
    read : reads a module of it, or raises `Refusal`
    calls : how a module of it is called
    """

    layer: str
    read: Callable[[Any], Reading]
    calls: Callable[[Any], str]


@dataclass(frozen=True)
class Container:
    """One class of a library that holds modules and runs one after the other.

    Parameters
    ----------
    inside : how the modules in it are called; None: as itself
    calls : how it is called itself; None: as what it holds
    alone : the attribute with the one module that it holds, in whose place nothing is left
    check : refuses a module of it
    """

    inside: Callable[[Any], str | None] = lambda module: None
    calls: Callable[[Any], str | None] = lambda module: None
    alone: str | None = None
    check: Callable[[Any], None] = lambda module: None


@dataclass(frozen=True)
class Stateless:
    """One class of a library that is applied to every step.

    Parameters
    ----------
    make : gives what comes in its place
    calls : how it is called; None: as what is around it
    after : how what follows is called, of a class that only folds time and batch or takes them apart; None: as before
    """

    make: Callable[[Any], nn.Module]
    calls: Callable[[Any], str | None] = lambda module: None
    after: str | None = None


Row = Neuron | Container | Stateless


def library_of(kind: type) -> str | None:
    """Tell which library a class belongs to; None of others."""
    name = kind.__module__.partition(".")[0]
    return name if name in LIBRARIES else None


def base_of(kind: type) -> type | None:
    """Give the class of a library that a class is or derives from; None of others."""
    return next((base for base in kind.__mro__ if library_of(base) is not None), None)


def tables(library: str) -> ModuleType:
    """Give the module with a library's tables."""
    return import_module(f"rsnn.torch.adopt.{library}")


def find(module: nn.Module) -> Row | None:
    """Find the row of a module; None of one that is no library's; refuse one that has none."""
    kind = type(module)
    library = library_of(kind)
    if library is None:
        base = base_of(kind)
        if base is not None:
            called = f"{library_of(base)}.{base.__name__}"
            raise Refusal(f"derives from {called}, and what it changes is not known; use a class of the library itself, or of rsnn.torch")
        return None
    own = tables(library)
    row: Row | None = own.ROWS.get(kind.__name__)
    if row is None:
        neurons = ", ".join(name for name, one in own.ROWS.items() if isinstance(one, Neuron))
        raise Refusal(f"{own.REFUSED.get(kind.__name__, 'rsnn has no counterpart')}; neurons that are adopted: {neurons}")
    return row


def make_layer(library: str, row: Neuron, reading: Reading, surrogate: Any) -> Layer:
    """Make the layer of a reading."""
    kind = getattr(import_module(f"rsnn.torch.presets.{library}"), row.layer)
    chosen = reading.surrogate() if surrogate is None else surrogate
    try:
        layer: Layer = kind(**reading.arguments, **reading.options, learn=reading.learn, surrogate=chosen)
    except InvalidValueError as error:
        raise Refusal(str(error)) from error
    for name, value in reading.weights.items():
        parameter = layer.get_parameter(name)
        parameter.data.copy_(value.detach())
        parameter.requires_grad_(value.requires_grad)
    return layer


def number(value: Any) -> Any:
    """Give a number as a preset takes it: a float32 tensor as a float32 array, other tensors as Python's numbers."""
    if not isinstance(value, Tensor):
        return value
    array = value.detach().cpu().numpy()
    return array.copy() if array.dtype == np.float32 else array.astype(np.float64)


def numbers(holder: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Read attributes that are there and not None."""
    return {name: number(getattr(holder, name)) for name in names if getattr(holder, name, None) is not None}


def learned(holder: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """Give the attributes that are parameters with a gradient."""
    found = {name: getattr(holder, name, None) for name in names}
    return tuple(name for name, value in found.items() if isinstance(value, nn.Parameter) and value.requires_grad)

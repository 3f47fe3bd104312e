"""What a source is: the conventions of one exporter, and how a node is read by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import shown
from rsnn.errors import InvalidTypeError, InvalidValueError

Array = npt.NDArray[Any]
Number = Any
"""A numpy scalar of the dtype in the file where all values are one, else the array: float32 stands for a library's tensor."""

CLOSE = 1e-4
"""Within this, relative to it, what a file says of dt is what was told: float32 times, divided and subtracted by the exporter."""


EACH = ("I", "IF", "LI", "LIF", "CubaLI", "CubaLIF", "Scale", "Threshold", "Delay")
"""Nodes that have a value for each number of a sample."""


@dataclass(frozen=True)
class Node:
    """A node of a graph: its name there, its type, its fields as arrays or plain values."""

    name: str
    kind: str
    fields: Mapping[str, Any]

    def error(self, why: str) -> InvalidValueError:
        """Make the error that something is wrong with this node."""
        return InvalidValueError(f"node {self.name!r} ({self.kind}): {why}")

    def array(self, name: str) -> Array:
        """Give a field as an array of finite or infinite real numbers."""
        value = self.fields.get(name)
        if not isinstance(value, (np.ndarray, np.generic, int, float, tuple, list)) or isinstance(value, bool):
            raise self.error(f"{name}={shown(value)}: must be an array of numbers; the file is incomplete or was altered")
        made = np.asarray(value)
        if made.dtype.kind not in "fiu" or np.isnan(made).any() or not made.size:
            raise self.error(f"{name}={shown(value)}: must be numbers, at least one, and no NaN")
        return made if made.dtype in (np.float32, np.float64) else made.astype(np.float64)

    def number(self, name: str) -> Number:
        """Give a field: one number where all neurons have the same, else the array."""
        made = self.array(name)
        same = made.reshape(-1)[:1]
        return same[0] if np.array_equal(made, np.broadcast_to(same.reshape(()), made.shape)) else made

    def check_size(self, shape: tuple[int, ...]) -> None:
        """Refuse values for other neurons than those of a sample that comes in."""
        if self.kind not in EACH:
            return
        for name, value in self.fields.items():
            own = np.shape(value) if isinstance(value, np.ndarray) else ()
            if name != "input_type" and np.prod(own, dtype=int) != 1 and own != shape:
                raise self.error(f"{name} has shape {own}, samples of shape {shape} come in: must be one value, or one for each of them")

    def must_be(self, name: str, wanted: Any, why: str) -> None:
        """Refuse a field that is not what its exporter writes."""
        value = self.array(name)
        with np.errstate(invalid="ignore"):
            fits = np.isclose(value, wanted, rtol=CLOSE, atol=0)
        if not np.all(fits):
            raise self.error(f"{name}={shown(value)}: {why}")


@dataclass(frozen=True)
class Told:
    """What is known beside the file: the length of a step in its unit of time, the reset, and the library's arguments."""

    dt: float
    reset: str
    arguments: Mapping[str, Any]
    recurrent: bool = False


Reader = Callable[[Node, Told], Any]


@dataclass(frozen=True)
class Source:
    """The conventions of an exporter.

    Parameters
    ----------
    name : the word for ``source=``
    title : the library and the release
    dt : the length of a step in the unit of the file that the exporter has fixed; None: it is told
    fixed : whether no other dt can be meant
    conventions : what the exporter writes, in words: ``tau``, ``gain``, ``reset``, ``comparison``, ``state order``
    resets : the words that ``reset=`` takes
    reset : the one that is meant where none is told; None: the file cannot say, so it is told
    reset_argument : the library's own name of the reset, which ``arguments=`` may have
    needs : arguments that are not in the file and have no default that could be taken for granted, each with the nodes that need it
    options : arguments that are not in the file, and their defaults
    carried : arguments of the library that the file carries; they may be given, and what the file says is taken
    neurons : by type of node, what makes a neuron of one
    late : steps by which the library's neurons send on later than these neurons
    rewires : whether the exporter leads what comes into recurrent neurons to their recurrent weights, where it is not meant to go
    """

    name: str
    title: str
    dt: float | None
    conventions: Mapping[str, str]
    resets: tuple[str, ...]
    reset: str | None
    neurons: Mapping[str, Reader]
    fixed: bool = False
    reset_argument: str = ""
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    carried: tuple[str, ...] = ()
    late: int = 0
    rewires: bool = False

    def neuron(self, node: Node, told: Told) -> Any:
        """Make the neuron of a node."""
        make = self.neurons.get(node.kind)
        if make is None:
            raise node.error(
                f"{self.title} writes no such neuron (it writes {', '.join(self.neurons)}); give the source that wrote the file"
            )
        try:
            return make(node, told)
        except (InvalidValueError, InvalidTypeError) as error:
            if str(error).startswith("node "):
                raise
            raise type(error)(f"node {node.name!r} ({node.kind}): {error}") from None


def undone(value: Number, guess: Callable[[Any], Any], forward: Callable[[Any], Any], kind: type[np.floating[Any]]) -> Number:
    """Give the numbers of which an exporter formed those in the file.

    Rounding makes one number of several. Of those near `guess` (3 units in the last place to each side, and `guess` in fewer and fewer
    digits) that `forward` takes to the very value in the file, the one with the fewest digits is taken, as people write them.

    Parameters
    ----------
    value : what is in the file
    guess : the formula undone, over float64
    forward : the exporter's formula, over `kind` (the value has the dtype of the file)
    kind : float32 where the library holds a tensor, float64 where it holds a Python float
    """

    def one(v: Any) -> Any:
        exact = guess(np.float64(v))
        nearest = kind(exact)
        candidates = [nearest, *(kind(f"{exact:.{digits}g}") for digits in range(1, 17))]
        for end in (np.inf, -np.inf):
            moved = nearest
            for _ in range(3):
                moved = np.nextafter(moved, kind(end))
                candidates.append(moved)
        with np.errstate(all="ignore"):
            fitting = [c for c in candidates if forward(c) == v]
        return min(fitting, key=lambda c: len(str(c))) if fitting else nearest

    array = np.asarray(value)
    with np.errstate(all="ignore"):
        distinct, where = np.unique(array, return_inverse=True)
        made = np.array([one(v) for v in distinct], kind)[where].reshape(array.shape)
    return made if made.ndim else made[()]

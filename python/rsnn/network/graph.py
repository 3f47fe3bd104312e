"""Which layer takes what: the names of layers, and the inputs that they give by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from rsnn.arguments import did_you_mean, is_tensor, shown
from rsnn.errors import InvalidTypeError, InvalidValueError

INPUT = "input"
"""The name of what comes into the network; among the indices of inputs it is -1."""

T = TypeVar("T")


class Graph(NamedTuple):
    """Layers, and for each of them its name or None, and the indices of its inputs, in the order in which they are added up."""

    layers: tuple[Any, ...]
    names: tuple[str | None, ...]
    inputs: tuple[tuple[int, ...], ...]


class ByLayer(Mapping[int, T], Generic[T]):
    """Something of some layers, by index: a mapping that knows the names of layers too.

    Examples
    --------
    >>> held = ByLayer({1: "a"}, ("first", "second"))
    >>> held[1], held["second"], "second" in held, list(held)
    ('a', 'a', True, [1])
    """

    def __init__(self, values: Mapping[int, T], names: Sequence[str | None]) -> None:
        self._values, self._names = dict(values), tuple(names)

    def _index(self, key: Any) -> Any:
        return self._names.index(key) if isinstance(key, str) and key in self._names else key

    def __getitem__(self, key: Any) -> T:
        return self._values[self._index(key)]

    def __iter__(self) -> Iterator[int]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


def read(layers: Any, names: Any, inputs: Any) -> Graph:
    """Take the entries of a network apart.

    Parameters
    ----------
    layers : list of layers, ``(name, layer)`` and ``(name, layer, inputs)``
    names, inputs : one for each layer, where the entries do not have them
    """
    try:
        entries = tuple(layers)
    except TypeError:
        raise InvalidTypeError(f"layers={shown(layers)}: must be a list of layers, such as [rsnn.Linear(weight), rsnn.LIF()]") from None
    if not entries:
        raise InvalidValueError("layers: an empty list came; give at least one layer")
    bare, said, wanted = [], [], []
    for k, entry in enumerate(entries):
        name, layer, takes = _entry(k, entry)
        bare.append(layer)
        said.append(name)
        wanted.append(takes)
    said = _each("names", names, len(bare), said)
    wanted = _each("inputs", inputs, len(bare), wanted)
    for k, name in enumerate(said):
        _check_name(k, name, said)
    return Graph(tuple(bare), tuple(said), tuple(_sources(k, takes, said) for k, takes in enumerate(wanted)))


def write(graph: Graph) -> list[Any]:
    """Give the entries that `read` takes apart into this graph: bare layers where that says it all."""
    entries: list[Any] = []
    for k, (layer, name, inputs) in enumerate(zip(*graph, strict=True)):
        if inputs != (k - 1,):
            said = tuple(call(one, graph.names) for one in inputs)
            entries.append((name, layer, said[0] if len(said) == 1 else said))
        else:
            entries.append(layer if name is None else (name, layer))
    return entries


def call(k: int, names: Sequence[str | None]) -> str | int:
    """Give the name of a layer, or its index where it has none."""
    return INPUT if k < 0 else names[k] or k


def index_of(key: Any, names: Sequence[str | None]) -> int | None:
    """Give the index of a layer from its name or index; None where there is no such layer."""
    if isinstance(key, str):
        return names.index(key) if key in names else None
    is_index = isinstance(key, (int, np.integer)) and not isinstance(key, bool)
    return int(key) if is_index and 0 <= key < len(names) else None


def unread(graph: Graph) -> list[int]:
    """List the layers that send on to nobody, the last one apart."""
    read_ = {one for inputs in graph.inputs for one in inputs}
    return [k for k in range(len(graph.layers) - 1) if k not in read_]


def _entry(k: int, entry: Any) -> tuple[Any, Any, Any]:
    if not isinstance(entry, tuple):
        return None, entry, None
    if len(entry) not in (2, 3) or not (entry[0] is None or isinstance(entry[0], str)):
        raise InvalidTypeError(
            f"layers[{k}]={shown(entry)}: must be a layer, (name, layer) or (name, layer, inputs), such as "
            '("join", rsnn.LIF(), ("left", "right"))'
        )
    return entry[0], entry[1], entry[2] if len(entry) == 3 else None


def _each(what: str, given: Any, n: int, said: list[Any]) -> list[Any]:
    """Give one of `given` for each layer; what the entries say where nothing came."""
    if given is None:
        return said
    if any(one is not None for one in said):
        raise InvalidValueError(f"{what}={shown(given)}: the layers come with {what} of their own; give one or the other")
    listed = isinstance(given, Iterable) and not isinstance(given, str) and not is_tensor(given) and getattr(given, "ndim", 1) > 0
    values = list(given) if listed else None
    if values is None or len(values) != n:
        raise InvalidValueError(f"{what}={shown(given)}: must be a list with one entry for each of the {n} layers, None for the default")
    return values


def _check_name(k: int, name: Any, names: list[Any]) -> None:
    if name is None:
        return
    if not isinstance(name, str) or not name:
        raise InvalidTypeError(f"layers[{k}]: the name {shown(name)} came; must be a string that is not empty")
    if name.isdecimal():
        raise InvalidValueError(f"layers[{k}]: the name {name!r} reads as an index; use another one")
    if name == INPUT:
        raise InvalidValueError(f'layers[{k}]: the name "{INPUT}" is that of what comes into the network; use another one')
    if names.index(name) != k:
        raise InvalidValueError(f"layers[{k}]: the name {name!r} is that of layers[{names.index(name)}] already; use another one")


def _sources(k: int, takes: Any, names: list[Any]) -> tuple[int, ...]:
    """Give the indices of a layer's inputs."""
    if takes is None:
        return (k - 1,)
    given = (takes,) if isinstance(takes, (str, int, np.integer)) else takes
    if not isinstance(given, (tuple, list)) or not given:
        raise InvalidTypeError(f"layers[{k}]: inputs={shown(takes)} came; must be the name or index of a layer, or a tuple of these")
    return tuple(_source(k, one, names) for one in given)


def _source(k: int, key: Any, names: list[Any]) -> int:
    if key == INPUT or (isinstance(key, (int, np.integer)) and key == -1):
        return -1
    found = index_of(key, names)
    if found is None:
        known = [call(one, names) for one in range(-1, k)]
        cure = did_you_mean(key, [one for one in known if isinstance(one, str)]) if isinstance(key, str) else ""
        raise InvalidValueError(
            f"layers[{k}]: its input {shown(key)} is none of the layers before it, which are {', '.join(map(repr, known))}{cure}"
        )
    if found >= k:
        raise InvalidValueError(
            f"layers[{k}]: its input {shown(key)} does not come before it: there are no cycles; move that layer up, "
            "or use rsnn.Recurrent for neurons whose output comes back to them"
        )
    return found

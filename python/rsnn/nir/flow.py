"""A NIR graph as one flat list of nodes: subgraphs laid open, recurrent weights found, everything in the order of the work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, NamedTuple

import numpy as np

from rsnn.arguments import is_tensor, shown
from rsnn.errors import InvalidTypeError, InvalidValueError

from .sources import Node

NEURONS = ("I", "IF", "LI", "LIF", "CubaLI", "CubaLIF")
_WEIGHTS = ("Affine", "Linear", "Scale")


class Loop(NamedTuple):
    """What brings the output of neurons back to them: a node with weights, or None where an edge goes from them to themselves."""

    through: Node | None


@dataclass(frozen=True)
class Flow:
    """A graph in the order of the work.

    Attributes
    ----------
    shape : of the input
    order : names of nodes, each after its inputs
    nodes : by name
    inputs : of each node the names of those it takes, added up in this order; "" is what comes into the graph
    loops : recurrent neurons, by name
    output : the names of those that are the output
    """

    shape: tuple[int, ...]
    order: tuple[str, ...]
    nodes: Mapping[str, Node]
    inputs: Mapping[str, tuple[str, ...]]
    loops: Mapping[str, Loop]
    output: tuple[str, ...]


def flow_of(graph: Any, rewires: bool) -> Flow:
    """Lay a graph open; `rewires` as of `rsnn.nir.sources.Source`."""
    nodes: dict[str, Node] = {}
    edges: list[tuple[str, str]] = []
    _open(graph, "", nodes, edges)
    into = {name: [a for a, b in edges if b == name] for name in nodes}
    entry, exit_ = (_only(kind, nodes) for kind in ("Input", "Output"))
    for name in [name for name, node in nodes.items() if node.kind == "Identity"]:
        _contract(name, into)
        del nodes[name]
    loops = _loops(nodes, into, rewires)
    if into[entry]:
        raise nodes[entry].error(f"it takes the output of {into[entry][0]!r}; an input takes nothing")
    order = _sorted(nodes, into, entry, exit_)
    shape = _bare(_shape(nodes[entry]), [node for name, node in nodes.items() if entry in into.get(name, ())])
    inputs = {name: tuple("" if one == entry else one for one in into[name]) for name in order}
    if not into[exit_]:
        raise nodes[exit_].error("nothing leads to it")
    return Flow(shape, order, nodes, inputs, loops, tuple("" if one == entry else one for one in into[exit_]))


def fields_of(node: Any) -> dict[str, Any]:
    """Give what a node of nir says, by name: torch tensors, which some exporters leave there, as arrays."""
    if not is_dataclass(node):
        raise InvalidTypeError(f"graph: {shown(node)} is no node of nir")
    held = {one.name: getattr(node, one.name, None) for one in fields(node) if one.name not in ("metadata", "output_type")}
    return {name: _plain(value) for name, value in held.items()}


def _plain(value: Any) -> Any:
    if is_tensor(value):
        return value.detach().cpu().numpy()
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else value


def _open(graph: Any, prefix: str, nodes: dict[str, Node], edges: list[tuple[str, str]]) -> None:
    """Collect nodes and edges; a subgraph's input and output stand for it in the edges."""
    inner = getattr(graph, "nodes", None)
    if not isinstance(inner, dict) or not inner:
        raise InvalidTypeError(f"graph={shown(graph)}: must be a nir.NIRGraph with nodes, or the path of a file")
    enter: dict[str, str] = {}
    leave: dict[str, str] = {}
    for name, node in inner.items():
        kind, full = type(node).__name__, f"{prefix}{name}"
        if kind != "NIRGraph":
            if full in nodes:
                raise InvalidValueError(f"two nodes are called {full!r}, one of them in a subgraph; give them other names")
            enter[name] = leave[name] = full
            nodes[full] = Node(full, "Identity" if prefix and kind in ("Input", "Output") else kind, fields_of(node))
            continue
        _open(node, f"{full}.", nodes, edges)
        for wanted, where in (("Input", enter), ("Output", leave)):
            found = [one for one, held in node.nodes.items() if type(held).__name__ == wanted]
            if len(found) != 1:
                raise InvalidValueError(f"subgraph {full!r} has {len(found)} nodes of type {wanted}: must have one")
            where[name] = f"{full}.{found[0]}"
    for edge in graph.edges:
        a, b = (one.decode() if isinstance(one, bytes) else one for one in edge)
        for one in (a, b):
            if one not in inner:
                raise InvalidValueError(f"edge {(a, b)!r}: there is no node {one!r}{f' in {prefix[:-1]!r}' if prefix else ''}")
        edges.append((leave[a], enter[b]))


def _only(kind: str, nodes: Mapping[str, Node]) -> str:
    """Give the one input or output of the whole graph; those of subgraphs are called Identity."""
    found = [name for name, node in nodes.items() if node.kind == kind]
    if len(found) != 1:
        names = f": {', '.join(map(repr, found))}" if found else ""
        raise InvalidValueError(f"the graph has {len(found)} nodes of type {kind}{names}; a Network has one; cut or join the graph there")
    return found[0]


def _contract(name: str, into: dict[str, list[str]]) -> None:
    """Take a node out that passes on what it gets."""
    before = into.pop(name)
    if name in before:
        raise InvalidValueError(f"node {name!r}: it leads to itself alone")
    for takes in into.values():
        while name in takes:
            k = takes.index(name)
            takes[k : k + 1] = before


def _loops(nodes: dict[str, Node], into: dict[str, list[str]], rewires: bool) -> dict[str, Loop]:
    """Find neurons whose output comes back to them, and take their recurrent weights out of the graph."""
    loops: dict[str, Loop] = {}
    for name in [name for name, node in nodes.items() if node.kind in NEURONS]:
        back = [one for one in into[name] if one == name or (nodes[one].kind in _WEIGHTS and name in into[one])]
        if not back:
            continue
        if len(back) > 1:
            raise nodes[name].error(f"its output comes back on {len(back)} ways ({', '.join(back)}); add their weights up into one node")
        weight = back[0]
        into[name].remove(weight)
        if weight == name:
            loops[name] = Loop(None)
            continue
        others = [one for one in into[weight] if one != name]
        if others and not rewires:
            raise nodes[weight].error(
                f"it weighs the recurrent output of {name!r} and {', '.join(map(repr, others))} together; give each a node of its own"
            )
        if any(weight in takes for takes in into.values()):
            raise nodes[weight].error(f"the recurrent weights of {name!r} lead elsewhere too; give each a node of its own")
        into[name] += others
        loops[name] = Loop(nodes.pop(weight))
        del into[weight]
    return loops


def _sorted(nodes: Mapping[str, Node], into: Mapping[str, list[str]], entry: str, exit_: str) -> tuple[str, ...]:
    """Sort nodes so that each comes after its inputs, and the output's last input as late as can be."""
    done: list[str] = []
    left = [name for name in nodes if name not in (entry, exit_)]
    while left:
        known = {entry, *done}
        ready = [name for name in left if all(one in known for one in into[name])]
        if not ready:
            raise InvalidValueError(
                f"the nodes {', '.join(map(repr, left[:6]))} lead to each other in a circle: a Network has no cycles but neurons whose "
                "output comes back to them through an Affine, a Linear or a Scale"
            )
        ends = [name for name in ready if name in into[exit_] and len(ready) > 1]
        chosen = [name for name in ready if name not in ends] or ready
        done += chosen
        left = [name for name in left if name not in chosen]
    for name in done:
        if not into[name]:
            raise nodes[name].error("nothing leads to it; connect it, or leave it out")
    return tuple(done)


def _shape(node: Node) -> tuple[int, ...]:
    held = node.fields.get("input_type")
    value = held.get("input") if isinstance(held, dict) else held
    try:
        if value is None:
            raise TypeError
        sizes = np.atleast_1d(np.asarray(value)) if np.size(value) else np.zeros(0, int)
        if sizes.dtype.kind not in "iu" or sizes.ndim != 1 or np.any(sizes < 0):
            raise TypeError
    except (TypeError, ValueError):
        raise node.error(f"its shape {shown(value)} is none; must be whole numbers, as in nir.Input(np.array([2, 34, 34]))") from None
    return tuple(int(one) for one in sizes)


_AXES = {"Affine": 1, "Linear": 1, "Conv1d": 2, "Conv2d": 3, "SumPool2d": 3, "AvgPool2d": 3}
"""How many axes a sample has that comes into a node."""


def _bare(shape: tuple[int, ...], first: list[Node]) -> tuple[int, ...]:
    """Leave out the axes of time and batch that exporters trace their sample data with, each of length 1, in front."""
    for node in first:
        wanted = _AXES.get(node.kind)
        if node.kind in NEURONS:
            wanted = node.array("r").ndim or None
        while wanted is not None and len(shape) > wanted and shape[0] == 1:
            shape = shape[1:]
    return shape

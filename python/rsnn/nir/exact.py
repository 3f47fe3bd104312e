"""What rsnn keeps in the metadata of a NIR graph, so that a network that was written is read as it was.

Each node that stands for a layer has ``metadata["rsnn"]``, the layer's description (`rsnn.description`) in JSON, with
``{"field": [node, name]}`` in place of an array that is a field of a node, bit for bit, ``{"array": name, "shape": ...}`` in place of one
that lies beside it in the metadata, and ``{"bytes": ..., "dtype": ..., "shape": ...}`` of one of few numbers. The graph's own
``metadata["rsnn"]`` says which layers there are, their names and inputs, and a digest of all that is in the graph: whoever changes a
weight with another tool does not get the old one back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn._rsnn import __version__
from rsnn.arguments import shown
from rsnn.description import from_data, to_data
from rsnn.errors import FileFormatError, InvalidTypeError, InvalidValueError
from rsnn.network import Network

from .flow import fields_of

Array = npt.NDArray[Any]

KEY = "rsnn"
VERSION = 1
FEW = 4
"""Arrays of so many numbers lie in the JSON: nir compresses no array without axes, and none that is empty."""


def describe_layer(layer: Any, nodes: Mapping[str, Any]) -> dict[str, Any]:
    """Give the metadata of the first of the nodes that stand for a layer."""
    fields = {(name, field): value for name, node in nodes.items() for field, value in fields_of(node).items()}
    arrays: dict[str, Array] = {}
    return {KEY: _text(_without_arrays(to_data(layer), fields, arrays)), **arrays}


def describe_graph(network: Network, places: Iterable[str], nodes: Mapping[str, Any], edges: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Give the metadata of a graph whose nodes have theirs already."""
    layers = [
        {"node": node, "name": name, "inputs": list(inputs)}
        for node, name, inputs in zip(places, network.graph.names, network.graph.inputs, strict=True)
    ]
    head = {"version": VERSION, "rsnn": __version__, "layers": layers}
    described = to_data(network)
    head |= {name: described[name] for name in ("input_shape", "batch_first")}
    return {KEY: _text(head | {"digest": _digest(head, nodes, edges)})}


def exact_network(graph: Any, where: str, given: Mapping[str, Any], sources: Iterable[str]) -> Network:
    """Make the network that was written; `given` are arguments that only graphs of others have."""
    names = ", ".join(map(repr, sources))
    text = (graph.metadata or {}).get(KEY) if isinstance(graph.metadata, dict) else None
    if text is None:
        raise InvalidValueError(
            f"source: {where} does not say who wrote it, and exporters mean different things by the same nodes: dt, reset and gain are not "
            f"known; give source=, one of {names}"
        )
    for name, value in given.items():
        if value is not None:
            raise InvalidValueError(
                f"{name}={shown(value)}: {where} was written by rsnn and says itself what it is; leave it out, or give source='nir' to "
                "read the nodes alone"
            )
    cure = "write it again with rsnn.nir.write, or read the nodes as they are with source='nir' and dt="
    try:
        head = json.loads(text)
        version = head["version"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise FileFormatError(f"{where}: what rsnn wrote beside the nodes cannot be read; {cure}") from None
    if version != VERSION:
        raise FileFormatError(
            f"{where}: was written by rsnn {shown(head.get('rsnn'))} with version {shown(version)} of its metadata; this rsnn, "
            f"{__version__}, reads version {VERSION}: use that rsnn or a later one, or read the nodes as they are with source='nir' and dt="
        )
    try:
        digest = head.pop("digest", None)
        if digest != _digest(head, graph.nodes, graph.edges):
            raise FileFormatError(f"{where}: was altered since rsnn wrote it: its digest is another one; {cure}")
        layers = [_layer(graph.nodes[one["node"]], graph.nodes) for one in head["layers"]]
        described = {"kind": "Network", "layers": layers, "input_shape": head["input_shape"], "batch_first": head["batch_first"]}
        described |= {"names": [one["name"] for one in head["layers"]], "inputs": [one["inputs"] for one in head["layers"]]}
        made = from_data(described)
    except FileFormatError:
        raise
    except (InvalidValueError, InvalidTypeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(f"{where}: holds something that this rsnn, {__version__}, does not take ({error}); {cure}") from None
    network: Network = made
    return network


def _layer(node: Any, nodes: Mapping[str, Any]) -> Any:
    return _with_arrays(json.loads(node.metadata[KEY]), node.metadata, nodes)


def _text(data: Any) -> str:
    return json.dumps(data, allow_nan=False, sort_keys=False, separators=(",", ":"))


def _without_arrays(data: Any, fields: Mapping[tuple[str, str], Any], arrays: dict[str, Array]) -> Any:
    """Put a reference in place of every array; those that are nowhere go to `arrays`."""
    if isinstance(data, np.ndarray):
        for at, value in fields.items():
            if isinstance(value, np.ndarray) and _same(value, data):
                return {"field": list(at)}
        little = data.astype(data.dtype.newbyteorder("<"), copy=False)
        if data.size <= FEW:
            return {"bytes": little.tobytes().hex(), "dtype": little.dtype.str, "shape": list(data.shape)}
        name = f"{KEY}_{len(arrays)}"
        arrays[name] = np.ascontiguousarray(data).reshape(-1)
        return {"array": name, "shape": list(data.shape)}
    if isinstance(data, dict):
        return {key: _without_arrays(value, fields, arrays) for key, value in data.items()}
    return [_without_arrays(value, fields, arrays) for value in data] if isinstance(data, list) else data


def _same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _with_arrays(data: Any, beside: Mapping[str, Any], nodes: Mapping[str, Any]) -> Any:
    """Undo `_without_arrays`."""
    if isinstance(data, list):
        return [_with_arrays(one, beside, nodes) for one in data]
    if not isinstance(data, dict):
        return data
    if set(data) == {"field"}:
        node, name = data["field"]
        return np.asarray(getattr(nodes[node], name))
    if set(data) == {"array", "shape"}:
        return np.asarray(beside[data["array"]]).reshape(data["shape"])
    if set(data) == {"bytes", "dtype", "shape"}:
        held = np.frombuffer(bytes.fromhex(data["bytes"]), np.dtype(data["dtype"])).reshape(data["shape"])
        return held.astype(held.dtype.newbyteorder("="), copy=False)
    return {key: _with_arrays(value, beside, nodes) for key, value in data.items()}


def _digest(head: Any, nodes: Mapping[str, Any], edges: Iterable[Any]) -> str:
    """Give the SHA-256 of all that is in a graph, the same in memory and out of a file."""
    total = hashlib.sha256(_text(head).encode())
    for name in sorted(nodes):
        node = nodes[name]
        total.update(f"\n{name} {type(node).__name__}".encode())
        for held in (fields_of(node), node.metadata if isinstance(node.metadata, dict) else {}):
            for field in sorted(held.keys() - _found(node)):
                total.update(f"\n{field} ".encode() + _bytes(held[field]))
    for a, b in sorted((_decoded(a), _decoded(b)) for a, b in edges):
        total.update(f"\n{a} -> {b}".encode())
    return total.hexdigest()


def _found(node: Any) -> set[str]:
    """Name the fields that nir finds by itself, when it reads a graph and its nodes pass each other their shapes."""
    return set() if type(node).__name__ == "Input" else {"input_type"}


def _decoded(text: Any) -> str:
    return text.decode() if isinstance(text, bytes) else str(text)


def _bytes(value: Any) -> bytes:
    """Give the bytes of a field: numbers as a file holds them, whatever Python type they had before."""
    if value is None or isinstance(value, (str, bytes)):
        return repr(_decoded(value)).encode()
    if isinstance(value, dict):
        return b"".join(key.encode() + _bytes(one) for key, one in sorted(value.items()))
    array = np.asarray(value)
    if array.dtype.kind in "iub":
        array = array.astype("<i8")
    return f"{array.shape} {array.dtype.str} ".encode() + array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()

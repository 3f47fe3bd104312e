"""`rsnn.nir.write`: a network becomes a NIR graph, of the closest nodes and with its exact meaning beside them."""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import Any

import numpy as np

from rsnn.archive import path_of, replacing
from rsnn.arguments import flag, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.layers import Add, AvgPool2d, Conv1d, Conv2d, Delay, Flatten, Linear, MaxPool2d, SumPool2d
from rsnn.network import Network
from rsnn.recurrent import Recurrent

from .closest import neuron_node
from .exact import describe_graph, describe_layer

Shape = tuple[int, ...]


def write(network: Network, path: str | os.PathLike[str], *, allow_lossy: bool = False) -> None:
    """Write a network to a file of NIR.

    Each layer becomes the NIR node that is closest to it, for others to read: see `rsnn.nir.closest` for the equations. What rsnn needs to
    read exactly this network again is kept in the nodes' metadata, so that ``rsnn.nir.read(path) == network``, bit for bit.

    Parameters
    ----------
    network : Network
    path : str or path
        Of the file. One that is there is replaced, when the new one is complete.
    allow_lossy : bool, default False
        Whether to write a network of which others get less than there is.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        It is no network; or there is something in it that no NIR node has, such as an adaptation, a refractory period, a lower bound of
        the membrane, a MaxPool2d: the message lists all of it, by layer.
    OSError
        The file cannot be written.
    ImportError
        The package nir is missing.

    Notes
    -----
    Conventions are no loss, since NIR has none: in the step or one step late, by subtraction or to a value, reached or passed, one spike
    in a step or several. Whoever reads the file with another library gets that library's. `audit` says what that changes.

    Time constants are in the unit of the network's dt, which is that of its first neuron or Delay. Readers have a step of their own, which
    must be that one: snnTorch 0.0001, sinabs 1, Norse and SpikingJelly their argument dt. sinabs reads no Linear without a bias.

    Source: J. E. Pedersen et al., Nature Communications 2024; the package nir 1.0.8.

    Examples
    --------
    >>> import numpy as np, pathlib, rsnn, tempfile
    >>> net = rsnn.Network([rsnn.Linear(np.eye(2)), ("hidden", rsnn.LIF(beta=0.9))], input_shape=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rsnn.nir.write(net, pathlib.Path(folder, "net.nir"))
    ...     rsnn.nir.read(pathlib.Path(folder, "net.nir")) == net
    True
    """
    where = path_of("path", path)
    made = graph(network, allow_lossy=allow_lossy)
    from nir import write as write_file

    arrays = [value for node in made.nodes.values() for value in vars(node).values() if isinstance(value, np.ndarray)]
    # nir cannot compress an array without axes, nor an empty one.
    compression = "gzip" if all(array.ndim and array.size for array in arrays) else None
    with replacing(where) as beside:
        write_file(str(beside), made, compression=compression)


def graph(network: Network, *, allow_lossy: bool = False) -> Any:
    """Make the NIR graph that `write` writes.

    Parameters
    ----------
    network, allow_lossy : as of `write`

    Returns
    -------
    nir.NIRGraph
        With the same metadata: ``rsnn.nir.read(rsnn.nir.graph(network)) == network``.

    Raises
    ------
    InvalidTypeError, InvalidValueError, ImportError
        As `write`.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> made = rsnn.nir.graph(rsnn.Network([rsnn.Linear(np.eye(2)), rsnn.IAF()], input_shape=2))
    >>> {name: type(node).__name__ for name, node in made.nodes.items()}
    {'input': 'Input', 'linear_0': 'Linear', 'iaf_1': 'IF', 'output': 'Output'}
    """
    if not isinstance(network, Network):
        raise InvalidTypeError(f"network={shown(network)}: must be a rsnn.Network; of a torch module make one with rsnn.torch.to_network")
    lossy = flag("allow_lossy", allow_lossy)
    try:
        import nir
    except ImportError as error:
        raise ImportError("rsnn.nir needs the package nir: pip install 'rsnn[nir]'") from error
    nodes: dict[str, Any] = {"input": nir.Input(np.array(_input_shape(network), int))}
    edges: list[tuple[str, str]] = []
    losses: list[str] = []
    places = _places(network)
    dt = next((dt for dt in map(_dt, network.layers) if dt is not None), 1.0)
    for k, layer in enumerate(network.layers):
        before = network.shape_before(k)
        made, lost = _nodes(nir, layer, places[k], before, network.shapes[k], dt)
        made[places[k]].metadata = describe_layer(layer, made)
        name = network.graph.names[k]
        losses += [f"layers[{k}] ({type(layer).__name__}{'' if name is None else f' {name!r}'}): {what}" for what in lost]
        for other in made:
            if other != places[k]:
                edges += [(places[k], other), (other, places[k])]
        _connect(nir, network, k, places, made, edges)
        nodes |= made
    nodes["output"] = nir.Output(np.array(network.shapes[-1], int))
    edges.append((places[-1], "output"))
    if losses and not lossy:
        raise InvalidValueError(
            "network: no NIR node has all of it, and others would read less; give allow_lossy=True to write it nevertheless. "
            "Lost would be " + "; ".join(losses)
        )
    metadata = describe_graph(network, places, nodes, edges)
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata, type_check=False)


def _input_shape(network: Network) -> Shape:
    shape: Any = network.input_shape
    return tuple(shape)


def _dt(layer: Any) -> float | None:
    found = layer.dt if isinstance(layer, Delay) else getattr(getattr(layer, "stages", None), "dt", None)
    return None if found is None else float(found)


def _places(network: Network) -> list[str]:
    """Name the nodes: as the layers where their names are plain, since a name is a path in the file."""
    plain = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
    names = [name if name and plain.fullmatch(name) and name != "output" else None for name in network.graph.names]
    taken = {name for name in names if name}
    made = []
    for k, name in enumerate(names):
        new = f"{type(network.layers[k]).__name__.lower()}_{k}"
        while name is None and new in taken:
            new += "_"
        made.append(name or new)
        taken.add(made[-1])
    return made


def _connect(nir: Any, network: Network, k: int, places: list[str], made: dict[str, Any], edges: list[tuple[str, str]]) -> None:
    """Lead its inputs to a layer; one that is taken several times goes through a factor, as NIR has no edge twice."""
    for one, times in Counter(network.graph.inputs[k]).items():
        source = "input" if one < 0 else places[one]
        if times > 1:
            factor = f"{places[k]}.{source}"
            made[factor] = nir.Scale(np.full(network.shape_before(k), times, np.float32))
            edges.append((source, factor))
            source = factor
        edges.append((source, places[k]))


def _nodes(nir: Any, layer: Any, place: str, before: Shape, after: Shape, dt: float) -> tuple[dict[str, Any], list[str]]:
    """Give the node of a layer, by its name, and that of recurrent weights; and what is lost."""
    if isinstance(layer, Recurrent):
        node, lost = neuron_node(nir, layer.stages, after, dt / layer.stages.dt)
        weight = layer.weight if layer.weight.ndim == 2 else np.diag(layer.weight)
        return {place: node, f"{place}.w_rec": _product(nir, weight, layer.bias)}, lost + _on_vectors(before)
    if hasattr(layer, "stages"):
        node, lost = neuron_node(nir, layer.stages, after, dt / layer.stages.dt)
        return {place: node}, lost
    if isinstance(layer, Linear):
        return {place: _product(nir, layer.weight, layer.bias)}, _on_vectors(before)
    if isinstance(layer, (Conv1d, Conv2d)):
        return {place: _conv(nir, layer, before)}, []
    if isinstance(layer, (SumPool2d, AvgPool2d, MaxPool2d)):
        kind = nir.AvgPool2d if isinstance(layer, AvgPool2d) else nir.SumPool2d
        size = np.array(layer.kernel)
        node = kind(kernel_size=size, stride=size.copy(), padding=np.zeros(2, int))
        return {place: node}, ["that it takes the largest of a window, not the sum"] if isinstance(layer, MaxPool2d) else []
    if isinstance(layer, Flatten):
        return {place: nir.Flatten(input_type={"input": np.array(before, int)}, start_dim=0, end_dim=-1)}, []
    if isinstance(layer, Delay):
        return {place: nir.Delay(np.full(before, layer.delay * dt / layer.dt))}, []
    if isinstance(layer, Add):
        return {place: nir.Scale(np.ones(before, np.float32))}, []
    raise InvalidTypeError(f"network: NIR has nothing for a {type(layer).__name__}")


def _product(nir: Any, weight: Any, bias: Any) -> Any:
    return nir.Linear(weight) if bias is None else nir.Affine(weight, bias)


def _on_vectors(shape: Shape) -> list[str]:
    return [] if len(shape) == 1 else [f"that its weights act on the last axis of samples of shape {shape}"]


def _conv(nir: Any, layer: Any, before: Shape) -> Any:
    bias = np.zeros(len(layer.weight), layer.weight.dtype) if layer.bias is None else layer.bias
    size: Any = before[1] if isinstance(layer, Conv1d) else tuple(before[1:])
    one: Any = 1 if isinstance(layer, Conv1d) else (1, 1)
    made = nir.Conv1d if isinstance(layer, Conv1d) else nir.Conv2d
    return made(
        input_shape=size, weight=layer.weight, stride=layer.stride, padding=layer.padding, dilation=one, groups=1, bias=bias,
    )  # fmt: skip

"""`rsnn.nir.read`: a NIR graph becomes a network, by the conventions of whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rsnn.archive import path_of
from rsnn.arguments import LARGEST, SMALLEST, choice, did_you_mean, scalar, shown, within
from rsnn.errors import FileFormatError, InvalidTypeError, InvalidValueError
from rsnn.heap import check_heaps
from rsnn.hints import other_file
from rsnn.layers import Add, Delay, Layer
from rsnn.network import Network
from rsnn.recurrent import Recurrent

from .exact import exact_network
from .flow import NEURONS, Flow, Loop, flow_of
from .nodes import LAYERS
from .sources import SOURCES, Node, Source, Told

READS = 1
"""The version of NIR whose files are read: the first number of what a file says."""


def read(
    path_or_graph: Any,
    *,
    source: str | None = None,
    dt: float | None = None,
    reset: str | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Network:
    """Make a network of a NIR graph.

    NIR says what a neuron is in continuous time; how an exporter got there from its steps it does not say, and every exporter does it in
    its own way. Told who wrote a graph, `read` undoes that exporter's conventions, so that the network's spikes are those of the original.
    ``rsnn.nir.sources.SOURCES`` is the table of them. A graph that `write` wrote says itself what it is, and is read as it was.

    Parameters
    ----------
    path_or_graph : str, path, or nir.NIRGraph
        A file of NIR 1, or a graph in memory, whose arrays may be torch tensors.
    source : {"norse", "snntorch", "sinabs", "spikingjelly", "rockpool", "spyx", "nir"}, optional
        Who wrote it; ``"nir"`` takes the equations of the specification as they are, the input held over a step. None: a graph of `write`.
        Of such a graph a source says that its nodes are to be read, and what rsnn keeps beside them is not.
    dt : float, optional
        The length of a step, in the unit of the graph's time constants. By default the exporter's own: 0.001 of Norse, 0.0001 of snnTorch
        and SpikingJelly, 1 of sinabs and Spyx; ``"rockpool"`` and ``"nir"`` have none, and need it.
    reset : str, optional
        What a spike does to the membrane, where the graph does not say: ``"subtract"``, ``"zero"`` or ``"none"`` of snnTorch, which needs
        it, since it always writes v_reset = 0; ``"value"`` or ``"subtract"`` of Norse and SpikingJelly; ``"subtract"`` or ``"zero"`` of
        sinabs; ``"value"``, ``"subtract"``, ``"zero"`` or ``"none"`` of ``"nir"``.
    arguments : mapping, optional
        Arguments of the library, by its own names, that the file does not carry: of sinabs ``norm_input`` and ``min_v_mem``, which are
        needed, ``spike_fn``, ``reset_fn``, ``tau_syn``; of snnTorch ``reset_mechanism`` (another word for reset=), ``reset_delay``,
        ``inhibition``, ``graded_spikes_factor``; of Norse ``reset_method``, ``time_scaling_factor``; of SpikingJelly ``neuron``
        (``"LIFNode"`` or ``"ParametricLIFNode"``); of Rockpool ``bias``, ``max_spikes_per_dt``; of ``"nir"`` ``discretization``
        (``"exact"`` or ``"euler"``). They hold for all neurons. Those that the file does carry may be there; what the file says is taken.

    Returns
    -------
    Network
        A layer for each node, called as the node where that is no number. What is the same for all neurons of a node is one number.
        Scale is ``rsnn.LI(beta=0, r=scale)``, Threshold a neuron without memory.

    Raises
    ------
    FileFormatError
        The file is no NIR graph, or only a part of one, or of another version; a graph of `write` was altered since.
    InvalidTypeError, InvalidValueError
        The dt, the reset, the gain or an argument is not known: the message names what settles it. Or the graph has something that a
        Network has not: several inputs or outputs, a circle, a node of another type.
    OSError
        There is no such file, or it cannot be read.
    ImportError
        The package nir is missing.

    Notes
    -----
    Time constants come back to the bit where the exporter's formula can be undone; where its rounding made one number of several, the one
    with the fewest digits is taken. Sums are rsnn's (`rsnn.Linear`): where weights are not short binary fractions, a spike in a million
    may differ, as it does between torch and itself on another processor.

    Source: J. E. Pedersen et al., Neuromorphic intermediate representation: a unified instruction set for interoperable brain-inspired
    computing, Nature Communications 2024; the package nir 1.0.8.

    Examples
    --------
    >>> import nir, numpy as np, rsnn
    >>> lif = nir.LIF(tau=np.full(2, 1e-3), r=np.full(2, 10.0), v_leak=np.zeros(2), v_threshold=np.ones(2))
    >>> graph = nir.NIRGraph.from_list(nir.Linear(np.eye(2)), lif)
    >>> rsnn.nir.read(graph, source="snntorch", reset="subtract").layers[1]
    presets.snntorch.Leaky(beta=0.9)
    """
    row = None if source is None else SOURCES[choice("source", source, tuple(SOURCES))]
    step = None if dt is None else _step(dt)
    graph, where = _graph(path_or_graph)
    if row is None:
        return exact_network(graph, where, {"dt": step, "reset": reset, "arguments": arguments}, tuple(SOURCES))
    flow = flow_of(graph, row.rewires)
    return _network(flow, row, _told(row, flow, step, reset, arguments))


def _step(dt: Any) -> float:
    made = scalar("dt", dt)
    within("dt", made, SMALLEST, LARGEST)
    return made


def _graph(path_or_graph: Any) -> tuple[Any, str]:
    """Give a graph of nir, and what to call it in messages."""
    try:
        import nir
    except ImportError as error:
        raise ImportError("rsnn.nir needs the package nir: pip install 'rsnn[nir]'") from error
    if isinstance(path_or_graph, nir.NIRGraph):
        return path_or_graph, "the graph"
    if isinstance(path_or_graph, nir.NIRNode):
        raise InvalidTypeError(f"path_or_graph: a single {type(path_or_graph).__name__} came; give nir.NIRGraph.from_list(...)")
    where = path_of("path_or_graph", path_or_graph, "a nir.NIRGraph, or the path of a file")
    with Path(where).open("rb"):  # what is no file is said as everywhere
        pass
    try:
        check_heaps(Path(where))
        version = nir.serialization.read_version(where)
    except Exception as error:  # nir hands through whatever h5py and its own asserts raise
        cure = other_file(where) or "write it again with nir.write"
        raise FileFormatError(f"{where}: is no file of NIR, or only a part of one ({error}); {cure}") from None
    if version.partition(".")[0] != str(READS):
        raise FileFormatError(f"{where}: was written by nir {version}; nir {READS}.x is read: read and write it with that version again")
    try:
        graph = nir.read(where, type_check=False)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise FileFormatError(f"{where}: is a part of a file of NIR, or was altered ({what}); write it again with nir.write") from None
    if not isinstance(graph, nir.NIRGraph):
        raise FileFormatError(f"{where}: holds a single {type(graph).__name__}; write a nir.NIRGraph")
    return graph, where


def _told(row: Source, flow: Flow, dt: float | None, reset: Any, arguments: Any) -> Told:
    """Bring together what is known; refuse what cannot be known and was not told."""
    if arguments is not None and not isinstance(arguments, Mapping):
        raise InvalidTypeError(f"arguments={shown(arguments)}: must be a dict of arguments of {row.title}, such as {{'norm_input': False}}")
    given = dict(arguments or {})
    known = {*row.needs, *row.options, *row.carried, "dt", row.reset_argument} - {""}
    for name in given:
        if name not in known:
            raise InvalidValueError(
                f"arguments: {name!r} is no argument of {row.title}; known are {', '.join(sorted(known))}{did_you_mean(str(name), known)}"
            )
    step, kind = _dt(row, dt, given), _reset(row, flow, reset, given)
    kinds = {node.kind for node in flow.nodes.values()}
    missing = [name for name, of in row.needs.items() if name not in given and not kinds.isdisjoint(of)]
    if missing:
        example = ", ".join(f"{name!r}: ..." for name in missing)
        raise InvalidValueError(
            f"arguments: {row.title} does not write {' and '.join(missing)}; give what the network was made with: arguments={{{example}}}"
        )
    return Told(step, kind, dict.fromkeys(row.needs) | dict(row.options) | given)


def _dt(row: Source, dt: float | None, given: dict[str, Any]) -> float:
    own = given.pop("dt", None)
    told = own if dt is None else dt
    if told is None:
        if row.dt is None:
            raise InvalidValueError(f"dt: {row.title} does not say how long a step is; give dt=, in the unit of the time constants")
        return row.dt
    made = _step(told)
    if dt is not None and own is not None and _step(own) != dt:
        raise InvalidValueError(f"dt={dt!r}, and arguments has dt={own!r}: they say different things; leave one of them out")
    if row.fixed and made != row.dt:
        raise InvalidValueError(f"dt={made!r}: {row.title} writes time constants in steps, so dt is {row.dt:g}; leave it out")
    return made


def _reset(row: Source, flow: Flow, reset: Any, given: dict[str, Any]) -> str:
    own = given.pop(row.reset_argument, None)
    if reset is not None and own is not None and reset != own:
        raise InvalidValueError(
            f"reset={reset!r}, and arguments has {row.reset_argument}={own!r}: they say different things; leave one of them out"
        )
    told = own if reset is None else reset
    if told is not None:
        return choice("reset" if reset is not None else f"arguments[{row.reset_argument!r}]", told, row.resets)
    if row.reset is None and any(row.neurons.get(node.kind) and "v_threshold" in node.fields for node in flow.nodes.values()):
        accepted = " or ".join(f"reset={word!r}" for word in row.resets)
        raise InvalidValueError(f"reset: {row.title} writes v_reset = 0 whatever the reset is; give the one that was meant: {accepted}")
    return row.reset or row.resets[0]


def _network(flow: Flow, row: Source, told: Told) -> Network:
    """Make the layers in the order of the work."""
    layers: list[Any] = []
    names: list[str | None] = []
    inputs: list[tuple[int, ...]] = []
    last: dict[str, int] = {"": -1}
    shapes: dict[int, tuple[int, ...]] = {-1: flow.shape}

    def add(name: str | None, layer: Any, takes: tuple[int, ...]) -> int:
        came = {shapes[one] for one in takes}
        if len(came) > 1:
            raise InvalidValueError(f"node {name!r}: inputs of different shapes come in, {came}: they are added up, so they must have one")
        shapes[len(layers)] = layer.output_shape(shapes[takes[0]]) if isinstance(layer, Layer) else shapes[takes[0]]
        layers.append(layer)
        names.append(name)
        inputs.append(takes)
        return len(layers) - 1

    for name in flow.order:
        node, takes = flow.nodes[name], tuple(last[one] for one in flow.inputs[name])
        layer = _layer(node, shapes[takes[0]], flow.loops.get(name), row, told)
        try:
            last[name] = add(_name(name, names), layer, takes)
        except (InvalidValueError, InvalidTypeError) as error:
            raise node.error(str(error)) from None
        if row.late and node.kind in NEURONS:
            last[name] = add(None, Delay(row.late * told.dt, dt=told.dt), (last[name],))
    ends = tuple(last[one] for one in flow.output)
    if ends != (len(layers) - 1,):
        add(None, Add(), ends)
    return Network(layers, flow.shape, names=names, inputs=inputs)


def _layer(node: Node, shape: tuple[int, ...], loop: Loop | None, row: Source, told: Told) -> Any:
    node.check_size(shape)
    if node.kind in NEURONS:
        neuron = row.neuron(node, Told(told.dt, told.reset, told.arguments, loop is not None))
        return neuron if loop is None else _recurrent(node, neuron, loop, shape)
    make = LAYERS.get(node.kind)
    if make is None:
        raise node.error(f"rsnn has nothing for this type; it reads {', '.join((*NEURONS, *LAYERS))}, and subgraphs of these")
    try:
        return make(node, shape, told)
    except (InvalidValueError, InvalidTypeError) as error:
        raise error if str(error).startswith("node ") else node.error(str(error)) from None


def _recurrent(node: Node, neuron: Any, loop: Loop, shape: tuple[int, ...]) -> Recurrent:
    if len(shape) != 1:
        raise node.error(f"samples of shape {shape} come in: rsnn.Recurrent acts on vectors; put a Flatten before it")
    weight, bias = np.ones(shape, np.float32), None
    if loop.through is not None:
        weight = loop.through.array("scale" if loop.through.kind == "Scale" else "weight")
        bias = loop.through.array("bias") if loop.through.kind == "Affine" else None
        weight = np.broadcast_to(weight, shape) if weight.ndim == 0 else weight
    try:
        return Recurrent(neuron, weight, bias)
    except (InvalidValueError, InvalidTypeError) as error:
        raise (loop.through or node).error(str(error)) from None


def _name(name: str, names: list[str | None]) -> str | None:
    """Give the name of a layer: that of its node, where a Network takes it."""
    return None if not name or name.isdecimal() or name == "input" or name in names else name

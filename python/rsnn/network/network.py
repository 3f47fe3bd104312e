"""Networks as data: layers and neurons, which of them takes what, and nothing running. `rsnn.network.engine` runs them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rsnn.arguments import count, flag, is_tensor, shape_of, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.layers import Delay, Layer
from rsnn.neurons import AnyNeuron
from rsnn.recurrent import Recurrent
from rsnn.simulation import simulate
from rsnn.stages import Description

from .engine import run
from .graph import ByLayer, Graph, call, index_of, read, unread, write
from .result import NetworkResult, States
from .stream import Stream
from .table import table

Shape = tuple[int, ...]

_NEURONS = (AnyNeuron, Recurrent)


@dataclass(frozen=True, eq=False, repr=False)
class Network(Description):
    """Layers and neurons: data, nothing running until `run`.

    Parameters
    ----------
    layers : sequence
        `Linear`, `Conv1d`, `Conv2d`, `SumPool2d`, `AvgPool2d`, `MaxPool2d`, `Flatten`, `Add`, `Delay`, any neuron, and `Recurrent`. Each
        takes what the one before it in the list sends on. ``(name, layer)`` gives a layer a name; ``(name, layer, inputs)`` says what it
        takes instead: the name or index of an earlier layer, ``"input"`` for what comes into the network, or a tuple of these, which are
        added up in that order. The name may be None.
    input_shape : int or tuple of int
        The shape of one sample in one step, without time and batch: ``(2, 34, 34)``.
    batch_first : bool, default False
        Data with a batch is (B, T, ...) in place of (T, B, ...).
    names, inputs : sequences with one entry for each layer, optional
        The same as in the list, for programs that write networks. As attributes: the names (None of a layer without), and a tuple of
        indices of each layer, -1 for what comes into the network.

    Attributes
    ----------
    layers : tuple
        The layers alone.
    input_shape : tuple of int
    shapes : tuple of tuples
        The shape of one sample after each layer; ``shapes[-1]`` is the output's.
    neurons : mapping
        The neurons among the layers, by index or name.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something that is no layer, a layer that does not take what comes in, inputs of different shapes, a name that is not there or
        stands later in the list, a layer without neurons that nobody takes; the message has the layer's position and name.

    Notes
    -----
    Inputs are named in a list, rather than by calling layers on each other, so that a network stays a value: it can be compared, printed,
    pickled and saved, and a plain list is still all that a plain network needs. The order of the list is the order of the work, so a
    layer's inputs stand before it; what comes back a step later is a `Recurrent`. The last layer's output is that of the network.

    What a run gives by layer (spikes, states, statistics, traces) goes by index, and by name.

    Networks are equal where their layers, shapes, names, inputs and batch_first are. They can be pickled and copied.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> net = rsnn.Network([rsnn.Linear(np.eye(2)), rsnn.LIF(beta=0.5), rsnn.Linear([[1.0, 1.0]]), rsnn.LI(beta=0.5)], input_shape=2)
    >>> out = net.run([[1.0, 0.0], [0.5, 1.0]])
    >>> out
    NetworkResult(output: float64 (2, 1); spikes: {1: 2})
    >>> out.output.tolist(), out.stats[2].synops
    ([[1.0], [1.5]], 2)

    A residual block: the second neurons take their weights' output and, past it, the spikes of the first.

    >>> block = rsnn.Network(
    ...     [("first", rsnn.IAF()), ("weights", rsnn.Linear(np.eye(2) / 2)), ("second", rsnn.IAF(), ("weights", "first"))],
    ...     input_shape=2,
    ... )
    >>> block.run([[1.0, 0.0], [1.0, 0.0]]).spikes["second"].tolist()
    [[1.0, 0.0], [2.0, 0.0]]
    """

    layers: Sequence[Any]
    input_shape: int | Sequence[int]
    _: KW_ONLY
    batch_first: bool = False
    names: Sequence[str | None] | None = None
    inputs: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        """Check that every layer takes what comes to it."""
        if isinstance(self.layers, (Layer, *_NEURONS)) or is_tensor(self.layers):
            raise InvalidTypeError(f"layers={shown(self.layers)}: must be a list of layers; write [{type(self.layers).__name__}(...)]")
        graph = read(self.layers, self.names, self.inputs)
        for name in ("layers", "names", "inputs"):
            object.__setattr__(self, name, getattr(graph, name))
        object.__setattr__(self, "input_shape", shape_of("input_shape", self.input_shape))
        object.__setattr__(self, "batch_first", flag("batch_first", self.batch_first))
        shapes: list[Shape] = []
        object.__setattr__(self, "_shapes", shapes)
        for k, layer in enumerate(self.layers):
            with self.at(k):
                shapes.append(self._shape_after(layer, self._shape_together(k)))
        object.__setattr__(self, "_shapes", tuple(shapes))
        for k in unread(graph):
            if k not in self.neurons:
                with self.at(k):
                    raise InvalidValueError("no layer takes what it sends on; name it among the inputs of a later one, or leave it out")

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shape of one sample after each layer."""
        made: tuple[Shape, ...] = self.__dict__["_shapes"]
        return made

    @cached_property
    def graph(self) -> Graph:
        """Layers, names and the indices of inputs, as an engine reads them."""
        return Graph(*(self.__dict__[name] for name in Graph._fields))

    @cached_property
    def neurons(self) -> ByLayer[AnyNeuron | Recurrent]:
        """The neurons among the layers, by index or name."""
        return self._those(*_NEURONS)

    @cached_property
    def stateful(self) -> ByLayer[Any]:
        """The layers that carry something from step to step: neurons, and `Delay`."""
        return self._those(*_NEURONS, Delay)

    def index(self, layer: str | int) -> int:
        """Give the index of a layer from its name; an index is checked and given back.

        Raises
        ------
        InvalidValueError
            There is no such layer.

        Examples
        --------
        >>> import rsnn
        >>> rsnn.Network([rsnn.Flatten(), ("hidden", rsnn.LIF())], input_shape=2).index("hidden")
        1
        """
        found = index_of(layer, self.graph.names)
        if found is None:
            names = ", ".join(repr(name) for name in self.graph.names if name is not None) or "none"
            raise InvalidValueError(
                f"layer={shown(layer)}: must be an index from 0 to {len(self.layers) - 1}, or one of the names: {names}"
            )
        return found

    @cached_property
    def engines(self) -> dict[Any, Any]:
        """The native engines of this network, by dtype, as they are built."""
        return {}

    def init_state(self, batch: int | None = None, dtype: Any = np.float32) -> States:
        """Make the state that a run starts from.

        Parameters
        ----------
        batch : the number of samples; None for data without a batch axis
        dtype : of the data: float32 or float64

        Returns
        -------
        mapping of states
            One for each of `stateful`, by index or name.

        Examples
        --------
        >>> import rsnn
        >>> rsnn.Network([rsnn.LIF(beta=0.5)], input_shape=2).init_state()
        {0: State(v=array([0., 0.], dtype=float32))}
        """
        lead = () if batch is None else (count("batch", batch, 0, "None for data without a batch axis"),)
        states = {k: layer.init_state((*lead, *self.shapes[k]), dtype) for k, layer in self.stateful.items()}
        return ByLayer(states, self.graph.names)

    def run(
        self,
        x: Any,
        state: Mapping[Any, Any] | None = None,
        record: Any = (),
        threads: int | None = None,
        *,
        dt: float | None = None,
        steps: int | None = None,
        path: str = "auto",
    ) -> NetworkResult:
        """Run the network over time.

        Parameters
        ----------
        x : array_like (T, [B,] *input_shape), `Spikes`, or event records
            Time first, then perhaps a batch; with ``batch_first`` (B, T, *input_shape). float32 and float64 are computed in as they
            are, all the way; bool, integers and float16 become float32. Weights are rounded to that dtype once. Any strides and byte
            order; never copied as a whole. NaN and infinity are data: a NaN membrane never fires.
            Event records, a structured array with the fields ``t x y p`` in any order, or a list of these, which is a batch, are binned
            into steps and counted: `rsnn.records.frames` says how. They stay events, and are computed in float32.
        state : mapping of states by index or name, optional
            To go on from: ``result.state``, or ``network.init_state(batch)``, which is also the default, also for a single layer
            (None in place of its state). Never modified.
        record : name, tuple of names, or dict of these by layer
            State fields (their value after each step) and ``"u"`` (the membrane before its reset) to keep for every step: names for
            all neurons that have them, or ``{1: ("v", "u"), "hidden": "v"}``.
        threads : int, optional
            At most so many; by default as `rsnn.set_num_threads` says. The result does not depend on it. Samples of a batch are shared
            among them.
        dt : float
            Of event records alone: the length of a step, in the unit of their t.
        steps : int, optional
            Of event records alone: how many steps there are; by default as many as it takes to the last event.
        path : {"auto", "event", "dense"}, default "auto"
            How products are computed: following the inputs that are not 0, or all of them; by default the faster, layer by layer, by
            how many there are. The result does not depend on it.

        Returns
        -------
        NetworkResult
            ``output``, ``spikes``, ``state``, ``stats``, ``traces``.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            Something is not accepted; the message says what, and what is. Nothing has been computed then.
        KeyboardInterrupt
            Ctrl-C, within a fraction of a second; nothing of the caller's changed.

        Notes
        -----
        The same bits as running layer after layer over the whole of x, in one piece or in several, alone or in any batch.

        Examples
        --------
        >>> import numpy as np, rsnn
        >>> net = rsnn.Network([rsnn.IAF()], input_shape=(1,))
        >>> first = net.run([[0.5], [0.25]], record="v")
        >>> first.traces[0]["v"].ravel().tolist()
        [0.5, 0.75]
        >>> net.run([[0.25]], first.state).output.tolist()
        [[1.0]]
        >>> events = np.array([(100, 0), (1700, 0), (1800, 0)], dtype=[("t", "i8"), ("x", "i2")])
        >>> net.run(events, dt=1000).output.tolist()
        [[1.0], [2.0]]
        """
        return run(self, x, state, record, threads, dt=dt, steps=steps, path=path)

    def stream(
        self, batch: int | None = None, *, dtype: Any = np.float32, state: Any = None, threads: int | None = None, path: str = "auto"
    ) -> Stream:
        """Run the network one step at a time.

        Parameters
        ----------
        batch : int, optional
            The number of samples; None for data without a batch axis.
        dtype : float32 or float64
            What is computed in.
        state : dict of states, optional
            To go on from, as of `run`.
        threads, path : as of `run`

        Returns
        -------
        Stream
            ``stream.step(x)`` takes a step and gives the output; ``stream.state``, ``stream.stats``, ``stream.reset()``.

        Examples
        --------
        >>> import rsnn
        >>> stream = rsnn.Network([rsnn.IAF()], input_shape=1).stream()
        >>> [stream.step([0.5]).tolist() for _ in range(3)]
        [[0.0], [1.0], [0.0]]
        """
        return Stream(self, batch, dtype, state, threads, path)

    def summary(self) -> str:
        """Describe the network in a table.

        Returns
        -------
        str
            A line for each layer: its index, its name where layers have names, its kind, its inputs where it takes something else than
            the layer before it sends on, the shape of its output; ``parameters``, the numbers that can be learned, weights, biases and
            those of neurons; ``neurons``; ``synapses`` of one sample, connections of an input with an output; ``memory``, the bytes of its
            parameters and of the state of one sample in float32. The last line is the sum.

        Examples
        --------
        >>> import numpy as np, rsnn
        >>> print(rsnn.Network([rsnn.Linear(np.ones((3, 2))), rsnn.IAF()], input_shape=2).summary())
           layer   output  parameters  neurons  synapses  memory
        0  Linear  3                6                  6      24
        1  IAF     3                2        3                20
                                    8        3         6      44
        """
        return table(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file, one .npz, which `load` reads.

        Parameters
        ----------
        path : str or path
            Of the file. One that is there is replaced, when the new one is complete.

        Raises
        ------
        InvalidTypeError
            The path is none, or the network holds a function of the caller's, which no file can describe.
        OSError
            The file cannot be written.

        Notes
        -----
        What the file holds is described in `rsnn.storage`. The same network gives the same bytes.

        Examples
        --------
        >>> import numpy as np, pathlib, rsnn, tempfile
        >>> net = rsnn.Network([rsnn.Linear(np.eye(2)), ("hidden", rsnn.LIF(beta=0.9))], input_shape=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     net.save(pathlib.Path(folder, "net.npz"))
        ...     rsnn.Network.load(pathlib.Path(folder, "net.npz")) == net
        True
        """
        from rsnn.storage import save

        save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Network:
        """Read a network from a file that `save` wrote: the same, in every bit.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        Network

        Raises
        ------
        FileFormatError
            The file is something else, or a part, or was altered, or comes from a later version of the format; the message says which.
        OSError
            There is no such file, or it cannot be read.

        Notes
        -----
        Nothing in the file is run: it holds numbers and names of layers, which go through the constructors. Nothing is unpickled.
        """
        from rsnn.storage import load

        return load(path)

    def __repr__(self) -> str:
        entries = ", ".join(_said(entry) for entry in write(self.graph))
        return f"Network([{entries}], input_shape={self.input_shape}{', batch_first=True' if self.batch_first else ''})"

    def shape_before(self, k: int) -> Shape:
        """Give the shape of one sample that comes into a layer."""
        return self._shape_of(self.graph.inputs[k][0])

    @contextmanager
    def at(self, k: int) -> Iterator[None]:
        """Say in a message which layer it is about."""
        try:
            yield
        except (InvalidValueError, InvalidTypeError) as error:
            name = self.graph.names[k]
            where = f"layers[{k}] ({type(self.layers[k]).__name__}{'' if name is None else f' {name!r}'})"
            raise type(error)(f"{where}: {error}") from None

    def _those(self, *kinds: type) -> ByLayer[Any]:
        return ByLayer({k: layer for k, layer in enumerate(self.layers) if isinstance(layer, kinds)}, self.graph.names)

    def _shape_of(self, k: int) -> Shape:
        return self.shapes[k] if k >= 0 else shape_of("input_shape", self.input_shape)

    def _shape_together(self, k: int) -> Shape:
        """Give the shape of what comes into a layer; refuse inputs that cannot be added up."""
        shapes = {call(one, self.graph.names): self._shape_of(one) for one in self.graph.inputs[k]}
        if len(set(shapes.values())) > 1:
            came = ", ".join(f"{name!r} has {shape}" for name, shape in shapes.items())
            raise InvalidValueError(f"inputs of different shapes come in, {came}: they are added up, so they must have one shape")
        return next(iter(shapes.values()))

    @staticmethod
    def _shape_after(layer: Any, shape: Shape) -> Shape:
        if isinstance(layer, Layer):
            return layer.output_shape(shape)
        if isinstance(layer, _NEURONS):
            simulate(layer, np.empty((0, *shape), np.float32))  # refuses parameters that do not fit the shape
            return shape
        raise InvalidTypeError(f"{shown(layer)} is no layer; {_cure(layer)}")


def _said(entry: Any) -> str:
    """Show an entry, whose layer says all there is to say."""
    return f"({', '.join(map(repr, entry))})" if isinstance(entry, tuple) else repr(entry)


def _cure(layer: Any) -> str:
    if isinstance(layer, type) and issubclass(layer, (Layer, *_NEURONS)):
        return f"give an instance: {layer.__name__}(...)"
    if isinstance(layer, Network):
        return "write out its layers: *network.layers"
    if any(base.__module__.startswith("torch.") or base.__module__ == "torch" for base in type(layer).__mro__):
        return "convert the whole torch model with rsnn.torch.to_network(model, input_shape=...)"
    return "accepted are rsnn.Linear, Conv1d, Conv2d, SumPool2d, AvgPool2d, MaxPool2d, Flatten, Add, Delay, any neuron and Recurrent"

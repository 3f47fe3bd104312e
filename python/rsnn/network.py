"""Networks as data: layers and neurons in a row, nothing running. `rsnn.engine` runs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .arguments import count, flag, is_tensor, shape_of, shown
from .engine import run
from .errors import InvalidTypeError, InvalidValueError
from .layers import Layer, Weighted
from .network_result import NetworkResult, States
from .neurons import AnyNeuron
from .recurrent import Recurrent
from .simulation import simulate
from .stages import Description
from .stream import Stream

Shape = tuple[int, ...]

_NEURONS = (AnyNeuron, Recurrent)


@dataclass(frozen=True, eq=False, repr=False)
class Network(Description):
    """Layers and neurons in a row: data, nothing running until `run`.

    Parameters
    ----------
    layers : sequence
        `Linear`, `Conv2d`, `SumPool2d`, `AvgPool2d`, `Flatten`, and neurons (`LI`, `LIF`, `IAF`, `Neuron`), also `Recurrent`.
    input_shape : int or tuple of int
        The shape of one sample in one step, without time and batch: ``(2, 34, 34)``.
    batch_first : bool, default False
        Data with a batch is (B, T, ...) in place of (T, B, ...).

    Attributes
    ----------
    layers : tuple
    input_shape : tuple of int
    shapes : tuple of tuples
        The shape of one sample after each layer; ``shapes[-1]`` is the output's.
    neurons : dict
        The neurons among the layers, by index.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something that is no layer, or a layer that does not take what the layer before it sends on; the message has its position.

    Notes
    -----
    Networks are equal where their layers, shapes and batch_first are. They can be pickled and copied.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> net = rsnn.Network([rsnn.Linear(np.eye(2)), rsnn.LIF(beta=0.5), rsnn.Linear([[1.0, 1.0]]), rsnn.LI(beta=0.5)], input_shape=2)
    >>> out = net.run([[1.0, 0.0], [0.5, 1.0]])
    >>> out
    NetworkResult(output: float64 (2, 1); spikes: {1: 2})
    >>> out.output.tolist(), out.stats[2].synops
    ([[1.0], [1.5]], 2)
    """

    layers: Sequence[Any]
    input_shape: int | Sequence[int]
    _: KW_ONLY
    batch_first: bool = False

    def __post_init__(self) -> None:
        """Check that every layer takes what comes before it."""
        if isinstance(self.layers, (Layer, *_NEURONS)) or is_tensor(self.layers):
            raise InvalidTypeError(f"layers={shown(self.layers)}: must be a list of layers; write [{type(self.layers).__name__}(...)]")
        try:
            layers = tuple(self.layers)
        except TypeError:
            raise InvalidTypeError(
                f"layers={shown(self.layers)}: must be a list of layers, such as [rsnn.Linear(weight), rsnn.LIF()]"
            ) from None
        if not layers:
            raise InvalidValueError("layers: an empty list came; give at least one layer")
        shape = shape_of("input_shape", self.input_shape)
        shapes = []
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "input_shape", shape)
        object.__setattr__(self, "batch_first", flag("batch_first", self.batch_first))
        for k, layer in enumerate(layers):
            with self.at(k):
                if isinstance(layer, Layer):
                    shape = layer.output_shape(shape)
                elif isinstance(layer, _NEURONS):
                    simulate(layer, np.empty((0, *shape), np.float32))  # refuses parameters that do not fit the shape
                else:
                    raise InvalidTypeError(f"{shown(layer)} is no layer; {_cure(layer)}")
            shapes.append(shape)
        object.__setattr__(self, "_shapes", tuple(shapes))

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shape of one sample after each layer."""
        made: tuple[Shape, ...] = self.__dict__["_shapes"]
        return made

    @property
    def neurons(self) -> dict[int, AnyNeuron | Recurrent]:
        """The neurons among the layers, by index."""
        return {k: layer for k, layer in enumerate(self.layers) if isinstance(layer, _NEURONS)}

    @property
    def stateful(self) -> dict[int, Any]:
        """The layers that carry something from step to step."""
        return self.neurons

    @cached_property
    def engines(self) -> dict[Any, Any]:
        """The native engines of this network, by dtype, as they are built."""
        return {}

    def sources(self, k: int) -> tuple[int, ...]:
        """Give the layers whose outputs come into a layer, -1 for the input of the network."""
        return (k - 1,)

    def init_state(self, batch: int | None = None, dtype: Any = np.float32) -> States:
        """Make the state that a run starts from.

        Parameters
        ----------
        batch : the number of samples; None for data without a batch axis
        dtype : of the data: float32 or float64

        Returns
        -------
        dict of states
            One for each of `neurons`, by index.

        Examples
        --------
        >>> import rsnn
        >>> rsnn.Network([rsnn.LIF(beta=0.5)], input_shape=2).init_state()
        {0: State(v=array([0., 0.], dtype=float32))}
        """
        lead = () if batch is None else (count("batch", batch, 0, "None for data without a batch axis"),)
        return {k: neuron.init_state((*lead, *self.shapes[k]), dtype) for k, neuron in self.neurons.items()}

    def run(
        self,
        x: npt.ArrayLike,
        state: Mapping[int, Any] | None = None,
        record: Any = (),
        threads: int | None = None,
        *,
        path: str = "auto",
    ) -> NetworkResult:
        """Run the network over time.

        Parameters
        ----------
        x : array_like (T, [B,] *input_shape), or `Spikes`
            Time first, then perhaps a batch; with ``batch_first`` (B, T, *input_shape). float32 and float64 are computed in as they
            are, all the way; bool, integers and float16 become float32. Weights are rounded to that dtype once. Any strides and byte
            order; never copied as a whole. NaN and infinity are data: a NaN membrane never fires.
        state : dict of states, optional
            To go on from: ``result.state``, or ``network.init_state(batch)``, which is also the default, also for a single neuron
            (None in place of its state). Never modified.
        record : name, tuple of names, or dict of these by layer
            State fields (their value after each step) and ``"u"`` (the membrane before its reset) to keep for every step: names for
            all neurons that have them, or ``{1: ("v", "u")}``.
        threads : int, optional
            At most so many; by default as `rsnn.set_num_threads` says. The result does not depend on it. Samples of a batch are shared
            among them.
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
        """
        return run(self, x, state, record, threads, path)

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
        """Describe the network in a table: layers, shapes, weights, synapses of one sample.

        Examples
        --------
        >>> import numpy as np, rsnn
        >>> print(rsnn.Network([rsnn.Linear(np.ones((3, 2))), rsnn.LIF()], input_shape=2).summary())
           layer   output  weights  synapses
        0  Linear  3             6         6
        1  LIF     3
        """
        rows = [("", "layer", "output", "weights", "synapses")]
        for k, (layer, after) in enumerate(zip(self.layers, self.shapes, strict=True)):
            numbers = ("", "")
            if isinstance(layer, (Weighted, Recurrent)):
                weights = layer.weight.size + (0 if layer.bias is None else layer.bias.size)
                numbers = (f"{weights:,}", f"{layer.fan_out(self.shape_before(k)).sum():,}")
            rows.append((str(k), type(layer).__name__, " x ".join(map(str, after)) or "1", *numbers))
        widths = [max(len(row[c]) for row in rows) for c in range(5)]
        return "\n".join("  ".join(f"{cell:{'<' if c < 3 else '>'}{widths[c]}}" for c, cell in enumerate(row)).rstrip() for row in rows)

    def __repr__(self) -> str:
        first = ", batch_first=True" if self.batch_first else ""
        return f"Network([{', '.join(map(repr, self.layers))}], input_shape={self.input_shape}{first})"

    def shape_before(self, k: int) -> Shape:
        """Give the shape of one sample that comes into a layer."""
        return self.shapes[k - 1] if k else shape_of("input_shape", self.input_shape)

    @contextmanager
    def at(self, k: int) -> Iterator[None]:
        """Say in a message which layer it is about."""
        try:
            yield
        except (InvalidValueError, InvalidTypeError) as error:
            raise type(error)(f"layers[{k}] ({type(self.layers[k]).__name__}): {error}") from None


def _cure(layer: Any) -> str:
    if isinstance(layer, type) and issubclass(layer, (Layer, *_NEURONS)):
        return f"give an instance: {layer.__name__}(...)"
    if isinstance(layer, Network):
        return "write out its layers: *network.layers"
    if any(base.__module__.startswith("torch.") or base.__module__ == "torch" for base in type(layer).__mro__):
        return "convert the whole torch model with rsnn.torch.to_network(model, input_shape=...)"
    return "accepted are rsnn.Linear, Conv2d, SumPool2d, AvgPool2d, Flatten, neurons (LI, LIF, IAF, Neuron) and Recurrent"

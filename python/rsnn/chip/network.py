"""A network in the integers of a chip: running, comparing, writing to a file, the same for all chips."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from rsnn.arguments import names, shape_of, shown
from rsnn.drawn import Drawn
from rsnn.errors import InvalidValueError
from rsnn.network import Network
from rsnn.state import State
from rsnn.threads import resolve

from .compare import compare
from .integers import Array, whole_array
from .report import Check, Report, StateRange
from .result import ChipResult, Stats
from .rungs import Rung
from .storage import export
from .targets import TARGETS, Target

if TYPE_CHECKING:
    from .options import Options


class ChipLayer(Protocol):
    """What a layer of a chip is to the network it is a part of."""

    @property
    def name(self) -> str:
        """The layer of the float network that it stands for, as ``"0 Conv2d"``."""

    @property
    def neuron_index(self) -> int:
        """Where the float network has its neurons."""

    @property
    def v_threshold(self) -> int:
        """The threshold, in integers."""

    @property
    def state_bits(self) -> int:
        """The bits that a membrane has on the chip."""

    @property
    def delay(self) -> int:
        """By how many steps it answers later than in the float network."""

    @property
    def coefficients(self) -> Mapping[str, Array]:
        """The part of each state that is kept in a step, by the name of its coefficient: ``alpha`` of currents, ``beta`` of membranes."""


@dataclass(frozen=True, repr=False, eq=False)
class ChipNetworkResult(Drawn):
    """What a network on a chip gives.

    Layers are known by the index that their neurons have in the float network, as in its own result.

    Attributes
    ----------
    output : integer array (T, [B,] ...)
        What the last layer sends on.
    spikes : dict of integer arrays
        What every layer of neurons fired, before pooling.
    state : dict of named tuples
        After the last step: pass it back in to go on.
    stats : dict of Stats
        Counts for every layer: spikes, SynOps, membranes beyond the chip's bits.
    traces : dict of dict of integer arrays
        What was recorded.
    batch_axis : int or None
        Where the batch is in these arrays: 1, or 0 where the float network is batch first; None where the data had no batch.
    lost : int
        Spikes that came to a full queue and were not processed, on tinyODIN; 0 on every other chip.
    """

    output: Array
    spikes: dict[int, Array]
    state: dict[int, State]
    stats: dict[int, Stats]
    traces: dict[int, dict[str, Array]] = field(default_factory=dict)
    batch_axis: int | None = None
    lost: int = 0

    @property
    def synops(self) -> int:
        """Additions of a weight to a membrane, all layers together."""
        return sum(one.synops for one in self.stats.values())

    @property
    def beyond(self) -> int:
        """Membranes (layer, step, neuron) that left the chip's bits."""
        return sum(one.beyond for one in self.stats.values())

    def __repr__(self) -> str:
        spikes = ", ".join(f"{k}: {one.spikes}" for k, one in self.stats.items())
        return f"ChipNetworkResult(output: {self.output.dtype} {self.output.shape}; spikes by layer: {spikes}; SynOps: {self.synops})"


@dataclass(frozen=True, eq=False)
class ChipNetwork(ABC):
    """A network in the integers of a chip, made by `rsnn.chip.quantize` or `rsnn.chip.load`.

    Attributes
    ----------
    target : name of the chip; `rsnn.chip.TARGETS` says what was verified of it and what is not known
    source : the float `rsnn.Network` it was made of
    layers : what runs on the chip, in order
    """

    target: str
    source: Network
    layers: tuple[Any, ...]

    rounds_states: ClassVar[bool] = True
    """Whether the chip rounds its states in every step. Where it does not, its integers are the float network of its parameters."""

    @classmethod
    @abstractmethod
    def build(cls, network: Network, options: Options) -> ChipNetwork:
        """Quantise a network; `rsnn.chip.quantize` has checked the options."""

    @abstractmethod
    def parts(self) -> dict[str, Any]:
        """Give everything but the float network as plain data with arrays, as a file holds it."""

    @classmethod
    @abstractmethod
    def restore(cls, target: str, network: Network, parts: dict[str, Any]) -> ChipNetwork:
        """Undo `parts`; every value is checked as if it had been typed in."""

    @abstractmethod
    def check(self) -> Check:
        """Compare every layer with every limit of the chip, and propose a core for each. No driver of the maker is needed.

        Returns
        -------
        Check
            Prints as a table; ``.ok``, ``.rows``, ``.violations``, ``.cores``, ``.readout``, ``.to_dict()``.
        """

    @abstractmethod
    def in_float(self, *, decays: bool = True) -> tuple[Network, dict[int, int]]:
        """Make the float network of the chip's rounded parameters.

        Parameters
        ----------
        decays : whether time constants are those of the chip, or stay those of `source`

        Returns
        -------
        network, indices
            And where it has the neurons of each layer, by where `source` has them.
        """

    def dequantize(self) -> Network:
        """Make the float network of the chip's rounded parameters, to see what the rounding alone does.

        Returns
        -------
        rsnn.Network
            The layers of `source` with weights, biases, thresholds, lower clips and decays that are integers divided by the scale; layers
            that were folded into one are one.
        """
        return self.in_float()[0]

    @abstractmethod
    def take_in(self, name: str, x: Array, threads: int) -> Array:
        """Check what comes into the network, time first; give what the first layer takes. Messages call it by `name`."""

    @abstractmethod
    def rungs(self, flow: Array, own: Mapping[int, Array], threads: int) -> list[Rung]:
        """Run what lies between the rounded floats and the chip, on what `take_in` gave; `own` are the spikes of `run`, time first."""

    @abstractmethod
    def ranges(self, flow: Array, stats: Mapping[int, Stats], threads: int) -> dict[int, tuple[StateRange, ...]]:
        """Say which range the states of each layer reach, had they as many bits as they need."""

    @property
    def chip(self) -> Target:
        """The chip: what was verified, what is not known."""
        return TARGETS[self.target]

    def gather(self, k: int, flows: Mapping[int, Array]) -> Array:
        """Give what comes into layer k: what the one before it sent on; -1 is what came into the network."""
        return flows[k - 1]

    def enter(self, name: str, x: Any, threads: int) -> tuple[Array, bool]:
        """Check what comes into the network, in its own layout; give what the first layer takes, and whether batch came first."""
        array = whole_array(name, x)
        swap = self.source.batch_first and array.ndim == 2 + len(shape_of("input_shape", self.source.input_shape))
        if swap:
            array = array.swapaxes(0, 1)
        if array.ndim and not len(array):
            raise InvalidValueError(f"{name} has shape {np.shape(x)}: it has no step in it; give a network on a chip at least one")
        return self.take_in(name, array, threads), swap

    def row(self, name: str, x: Array) -> Array:
        """Check the shape of what comes in, time first; lay it out as a row of channels."""
        shape = shape_of("input_shape", self.source.input_shape)
        lead = x.ndim - len(shape)
        if lead not in (1, 2) or x.shape[lead:] != shape:
            own = ", ".join(map(str, shape))
            raise InvalidValueError(f"{name} has shape {x.shape} with time first: must be (T, {own}) or (T, batch, {own})")
        return x.reshape(*x.shape[:lead], math.prod(shape))

    def run(
        self, x: npt.ArrayLike, state: dict[int, State] | None = None, *, record: Any = (), threads: int | None = None
    ) -> ChipNetworkResult:
        """Run the network in integers.

        Parameters
        ----------
        x : array_like of integers, (T, *input_shape) or (T, B, *input_shape)
            Events per step, of at least one step; batch first where `source` is. Any integer dtype, bool, or floats that hold whole
            numbers. Never modified.
        state : dict, optional
            To go on from: ``result.state``. All membranes 0 by default.
        record : name or tuple of names
            ``"v"`` and ``"u"``, of every layer, into ``result.traces``: the membrane after the step and before it fires; on Loihi u is
            the current. Xylo has ``"v"`` alone, tinyODIN, which knows events and no steps, nothing.
        threads : int, optional
            At most so many; the result does not depend on it.

        Returns
        -------
        ChipNetworkResult

        Raises
        ------
        InvalidTypeError, InvalidValueError
            Something is not accepted (a fraction: the chip counts events); the message says what is.

        Notes
        -----
        Whole or in pieces with ``state=``, for any number of threads and in any batch: the same integers.
        """
        recorded, workers = names("record", record, ("v", "u")), resolve(threads)
        self.check_state(state, tuple(layer.neuron_index for layer in self.layers))
        flow, swap = self.enter("x", x, workers)
        flows = {-1: flow}
        results: dict[int, ChipResult] = {}
        for k, layer in enumerate(self.layers):
            result = layer.run(self.gather(k, flows), None if state is None else state[layer.neuron_index], recorded, workers)
            results[layer.neuron_index], flows[k] = result, layer.pass_on(result)

        lead = np.ndim(x) - len(shape_of("input_shape", self.source.input_shape))

        def layout(one: Array, k: int) -> Array:
            return self.layout(one, k, lead, swap)

        last = len(self.source.layers) - 1
        traces = {k: {name: layout(trace, k) for name, trace in one.traces.items()} for k, one in results.items()}
        return ChipNetworkResult(
            layout(result.out, last),
            {k: layout(one.spikes, k) for k, one in results.items()},
            {k: one.state for k, one in results.items()},
            {k: one.stats for k, one in results.items()},
            traces if recorded else {},
            self.batch_axis(lead),
        )

    def batch_axis(self, lead: int) -> int | None:
        """Tell where the batch is in the caller's layout, from the number of axes before those of a layer."""
        return 1 - self.source.batch_first if lead == 2 else None

    def layout(self, one: Array, k: int, lead: int, swap: bool) -> Array:
        """Give what the chip computed the shape that layer k of the float network gives it after `lead` axes, and the order of axes."""
        shaped: Array = one.reshape(*one.shape[:lead], *self.source.shapes[k])
        return shaped.swapaxes(0, 1) if swap else shaped

    def check_state(self, state: Any, keys: tuple[int, ...]) -> None:
        """Refuse what is no state of this network."""
        if state is not None and (not isinstance(state, dict) or set(state) != set(keys)):
            came = f"the keys {', '.join(map(str, state))}" if isinstance(state, dict) else shown(state)
            own = ", ".join(map(str, keys))
            raise InvalidValueError(f"state={came}: must be a dict with the keys {own}; give the .state of an earlier result")

    def report(self, x: npt.ArrayLike, *, joules_per_synop: float | None = None, causes: bool = True, threads: int | None = None) -> Report:
        """Run the float network and the integers on the same events, and compare them layer by layer.

        Parameters
        ----------
        x : as of `run`
        joules_per_synop : float, optional
            The energy of one synaptic operation, in joules, from a measurement or a paper that you trust: rsnn has no such number of its
            own. The report then states an energy, which leaves out everything that is no synaptic operation.
        causes : bool, default True
            Find out where the gap comes from, which takes some more runs.
        threads : int, optional

        Returns
        -------
        Report
            Prints as tables; ``.layers``, ``.warnings``, ``.decisions``, ``.synops``, ``.energy``, ``.to_dict()``, ``.plot()``.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            Something is not accepted; the message says what is.

        Notes
        -----
        Where the gap comes from is found by adding one thing after the other to the float network and counting the spikes that move:
        rounded weights, thresholds and biases; rounded decays; states that are rounded in every step, without limit; the chip's bits; on
        DynapCNN one event after the other in place of time steps (of networks without branches, and 2**24 events of a sample at most). Each
        number adds up the sizes of all differences, over steps and neurons; what a layer takes over from the layers before it is in its
        own numbers.
        """
        return compare(self, x, joules_per_synop, causes, threads)

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file that `rsnn.chip.load` and anyone with numpy can read.

        Parameters
        ----------
        path : str or path
            One .npz. A file that is there is replaced, when the new one is complete.

        Raises
        ------
        InvalidTypeError
            The path is none, or the float network holds a function of the caller's.
        OSError
            The file cannot be written.

        Notes
        -----
        `rsnn.chip.storage` describes the file; the page ``docs/chips.md`` feeds sinabs, xylosim (rockpool's simulator) and Lava from it.

        Examples
        --------
        >>> import json, numpy as np, pathlib, rsnn, tempfile
        >>> net = rsnn.Network([rsnn.Linear([[0.5, -0.3], [0.2, 0.9]]), rsnn.IAF(v_min=-1.0)], input_shape=(2,))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "net.npz")
        ...     rsnn.chip.quantize(net, "speck2f").export(path)
        ...     again = rsnn.chip.load(path)
        ...     with np.load(path) as file:  # without rsnn
        ...         head, weight = json.loads(file["chip.json"])["chip"], file["layers/0/weight"]
        >>> weight.ravel().tolist(), head["layers"][0]["v_threshold"], head["cores"], head["readout"]
        ([71, -42, 28, 127], 141, {'0 Linear': 7}, {'channels': [0, 4], 'layer': '0 Linear'})
        >>> again.run([[1, 0], [1, 1], [0, 2]]).output.tolist()
        [[0, 0], [0, 1], [0, 2]]
        """
        export(self, path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.target}: {', '.join(layer.name for layer in self.layers)})"

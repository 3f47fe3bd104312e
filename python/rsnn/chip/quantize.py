"""From a float network to the integers of a chip: one door for every target.

A target is a line of `TARGETS`: a function that turns the layers of a `rsnn.Network` into layers of the chip, or says which of them the
chip does not have. Running, comparing and printing are the same for all of them and live here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from rsnn.arguments import choice, count, names, shape_of, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.network import Network
from rsnn.state import State
from rsnn.threads import resolve

from .integers import Array, whole_array
from .report import Check, LayerReport, Report
from .result import ChipResult, Stats

if TYPE_CHECKING:
    from types import ModuleType

TARGETS = {
    "dynapcnn": ("dynapcnn_network", "build"),
    "speck2e": ("dynapcnn_network", "build"),
    "speck2f": ("dynapcnn_network", "build"),
    "loihi_lava": ("loihi_target", "build_lava"),
    "loihi1_nengo": ("loihi_target", "build_nengo"),
    "xylo_audio2": ("xylo_target", "build_audio2"),
    "xylo_audio3": ("xylo_target", "build_audio3"),
    "xylo_imu": ("xylo_target", "build_imu"),
}
"""Name of a target: the module beside this one that knows it, and its function ``(network, calibration) -> ChipNetwork``."""

FEWER_BITS = ("dynapcnn", "speck2e", "speck2f", "xylo_audio2", "xylo_audio3", "xylo_imu")
"""Targets whose function takes ``weight_bits=``."""


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

    def run(self, x: Array, state: Any, recorded: tuple[str, ...], threads: int) -> ChipResult:
        """Run over the whole numbers that come in; spikes have the shape that the float network gives them."""

    def pass_on(self, result: ChipResult) -> Array:
        """Give what the next layer takes."""


@dataclass(frozen=True, repr=False, eq=False)
class ChipNetworkResult:
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
    """

    output: Array
    spikes: dict[int, Array]
    state: dict[int, State]
    stats: dict[int, Stats]
    traces: dict[int, dict[str, Array]] = field(default_factory=dict)

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
    """A network in the integers of a chip, made by `rsnn.chip.quantize`.

    Attributes
    ----------
    target : name of the chip
    source : the float `rsnn.Network` it was made of
    layers : what runs on the chip, in order
    """

    target: str
    source: Network
    layers: tuple[Any, ...]

    @abstractmethod
    def check(self) -> Check:
        """Compare every layer with every limit of the chip, and propose a core for each.

        Returns
        -------
        Check
            Prints as a table; ``.ok``, ``.rows``, ``.violations``, ``.cores``, ``.to_dict()``.
        """

    @abstractmethod
    def dequantize(self) -> Network:
        """Make the float network of the chip's rounded parameters, to see what the rounding alone does.

        Returns
        -------
        rsnn.Network
            The layers of `source` with weights, biases, thresholds and lower clips that are integers divided by the scale.
        """

    @abstractmethod
    def take_in(self, name: str, x: Array, threads: int) -> Array:
        """Check what comes into the network, time first; give what the first layer takes. Messages call it by `name`."""

    def enter(self, name: str, x: Any, threads: int) -> tuple[Array, bool]:
        """Check what comes into the network, in its own layout; give what the first layer takes, and whether batch came first."""
        array = whole_array(name, x)
        swap = self.source.batch_first and array.ndim == 2 + len(shape_of("input_shape", self.source.input_shape))
        return self.take_in(name, array.swapaxes(0, 1) if swap else array, threads), swap

    def run(
        self, x: npt.ArrayLike, state: dict[int, State] | None = None, *, record: Any = (), threads: int | None = None
    ) -> ChipNetworkResult:
        """Run the network in integers.

        Parameters
        ----------
        x : array_like of integers, (T, *input_shape) or (T, B, *input_shape)
            Events per step; batch first where `source` is. Any integer dtype, bool, or floats that hold whole numbers. Never modified.
        state : dict, optional
            To go on from: ``result.state``. All membranes 0 by default.
        record : name or tuple of names
            ``"v"`` and ``"u"``, of every layer, into ``result.traces``: the membrane after the step and before it fires; on Loihi u is
            the current.
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
        own = tuple(layer.neuron_index for layer in self.layers)
        if state is not None and (not isinstance(state, dict) or set(state) != set(own)):
            came = f"the keys {', '.join(map(str, state))}" if isinstance(state, dict) else shown(state)
            raise InvalidValueError(
                f"state={came}: must be a dict with the keys {', '.join(map(str, own))}; give the .state of an earlier result"
            )
        flow, swap = self.enter("x", x, workers)
        results: dict[int, ChipResult] = {}
        for layer in self.layers:
            result = layer.run(flow, None if state is None else state[layer.neuron_index], recorded, workers)
            results[layer.neuron_index], flow = result, layer.pass_on(result)

        def layout(one: Array) -> Array:
            return one.swapaxes(0, 1) if swap else one

        traces = {k: {name: layout(trace) for name, trace in one.traces.items()} for k, one in results.items()}
        return ChipNetworkResult(
            layout(result.out),
            {k: layout(one.spikes) for k, one in results.items()},
            {k: one.state for k, one in results.items()},
            {k: one.stats for k, one in results.items()},
            traces if recorded else {},
        )

    def report(self, x: npt.ArrayLike, *, threads: int | None = None) -> Report:
        """Run the float network and the integers on the same events, and compare them layer by layer.

        Parameters
        ----------
        x : as of `run`
        threads : int, optional

        Returns
        -------
        Report
            Prints as a table; ``.layers``, ``.warnings``, ``.decisions``, ``.synops``, ``.to_dict()``.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            Something is not accepted; the message says what is.
        """
        integer, float_ = self.run(x, threads=threads), self.source.run(x, threads=threads)
        batched = integer.output.ndim > 1 + len(self.source.shapes[-1])

        def both(expected: Array, found: Array, delay: int) -> tuple[Array, Array]:
            if self.source.batch_first and batched:
                expected, found = expected.swapaxes(0, 1), found.swapaxes(0, 1)
            if delay:  # the chip answers later: so does the float network that it is compared with
                expected = np.concatenate([np.zeros_like(expected[:delay]), expected[: len(expected) - delay]])[: len(found)]
            return expected, found

        rows = []
        for layer in self.layers:
            k = layer.neuron_index
            rows.append(_compare(layer, *both(float_.spikes[k], integer.spikes[k], layer.delay), integer.stats[k], batched))
        outputs = both(float_.output, integer.output, self.layers[-1].delay)
        steps, samples = outputs[1].shape[0], outputs[1].shape[1] if batched else 1
        return Report(self.target, steps, samples, tuple(rows), _decisions(*outputs, batched))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.target}: {', '.join(layer.name for layer in self.layers)})"


def _compare(layer: ChipLayer, expected: Array, found: Array, stats: Stats, batched: bool) -> LayerReport:
    """Compare the spikes of one layer."""
    same = found == expected
    over = tuple(range(2 if batched else 1))  # time and samples
    runs = found.size > 0
    first = None if same.all() else tuple(int(k) for k in np.argwhere(~same)[0])
    fired_float, fired = ((array != 0).any(axis=over) for array in (expected, found))
    return LayerReport(
        layer=layer.name,
        neurons=int(fired.size),
        spikes_float=int(expected.sum(dtype=np.float64)),
        spikes=stats.spikes,
        agreement=float(same.mean()) if runs else 1.0,
        first_step=None if first is None else first[0],
        first_neuron=None if first is None else first[1:],
        dead_float=int(np.count_nonzero(~fired_float)),
        dead=int(np.count_nonzero(~fired)),
        saturated=int(np.count_nonzero((found != 0).all(axis=over))) if runs else 0,
        beyond=stats.beyond,
        state_bits=layer.state_bits,
        highest=stats.highest,
        v_threshold=layer.v_threshold,
        synops=stats.synops,
    )


def _decisions(expected: Array, found: Array, batched: bool) -> float | None:
    """Give the part of the samples with the same most active output."""
    if found.ndim != (3 if batched else 2) or found.size == 0:
        return None
    votes = [array.sum(axis=0, dtype=np.float64).argmax(axis=-1) for array in (expected, found)]
    return float(np.mean(votes[0] == votes[1]))


def quantize(
    network: Network, target: str = "dynapcnn", calibration: npt.ArrayLike | None = None, *, weight_bits: int | None = None
) -> ChipNetwork:
    """Turn a float network into the integers of a chip.

    Parameters
    ----------
    network : rsnn.Network
        For ``"dynapcnn"``: `Conv2d` or `Linear`, each followed by `IAF` neurons, with `SumPool2d`, `AvgPool2d` and `Flatten` between. Of a
        torch module: `rsnn.torch.to_network`. For Loihi: `Linear`, each followed by ``LIF(reset="zero")``, with a synapse or without.
        For Xylo: `Linear`, LIF with a synapse and ``fire="multi"``, `Linear`, LIF with a synapse.
    target : {"dynapcnn", "speck2e", "speck2f", "loihi_lava", "loihi1_nengo", "xylo_audio2", "xylo_audio3", "xylo_imu"}
        The chip. The three first are one processor; Loihi is named after the simulator whose integers it has. The heads of
        `rsnn.chip.dynapcnn`, `rsnn.chip.loihi` and `rsnn.chip.xylo` say what was verified against what.
    calibration : array_like of integers, as x of `ChipNetwork.run`, optional
        Typical events. A layer whose membranes rise beyond the chip's bits on them gets a smaller scale, so that they stay inside.
    weight_bits : int, 2 to 8, optional
        Bits of a weight, its sign included: fewer than the chip has, on DynapCNN and Xylo. The largest weight is the largest of these
        numbers, so thresholds become smaller numbers too. Plain rounding to few bits costs accuracy: `rsnn.torch.chip.QAT` trains for it.

    Returns
    -------
    ChipNetwork
        ``.run(x)``, ``.check()``, ``.report(x)``, ``.dequantize()``, ``.layers``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        The chip has no such layer or neuron, or rounding leaves it nothing to compute with: the message names layer, parameter and cure.

    Notes
    -----
    An average pool becomes a sum pool, and the weights of the next layer are divided by the number of pixels (its bias is not), before the
    rule of `rsnn.chip.dynapcnn.discretize`: as sinabs does, verified on 6 networks.

    On Loihi weights, threshold and bias of a population share one scale, decays are rounded to parts of 4096, and mixed weights to even
    numbers, of which the chip keeps all bits. A population answers one step later than the one before; here they are aligned. On Xylo
    every neuron has a scale of its own, time constants become powers of two, and output neurons answer one step later; the report lets
    the float network answer later too.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> net = rsnn.Network([rsnn.Linear([[0.5, -0.3], [0.2, 0.9]]), rsnn.IAF(v_min=-1.0)], input_shape=(2,))
    >>> chip = rsnn.chip.quantize(net, target="dynapcnn")
    >>> chip.run([[1, 0], [1, 1], [0, 2]]).output.tolist()
    [[0, 0], [0, 1], [0, 2]]
    >>> chip.report([[1, 0], [1, 1], [0, 2]]).layers[0].agreement, chip.check().ok
    (1.0, True)
    """
    given: Any = network
    if not isinstance(given, Network):
        cure = "; use rsnn.torch.to_network(module, input_shape=...)" if hasattr(network, "state_dict") else ""
        raise InvalidTypeError(f"network={shown(network)}: must be a rsnn.Network{cure}")
    module, function = TARGETS[choice("target", target, tuple(TARGETS))]
    known: ModuleType = import_module(f".{module}", __package__)
    build: Callable[..., ChipNetwork] = getattr(known, function)
    if weight_bits is None:
        return replace(build(network, calibration), target=target)
    return replace(build(network, calibration, weight_bits=bits_of_weights(weight_bits, target)), target=target)


def bits_of_weights(weight_bits: Any, target: str) -> int:
    """Check how many bits a weight is to have."""
    if count("weight_bits", weight_bits, 2) > 8:
        raise InvalidValueError(f"weight_bits={weight_bits}: must be from 2 to 8, the sign included")
    if target not in FEWER_BITS:
        raise InvalidValueError(f"weight_bits={weight_bits}: {target} does not take it; leave it out, or use {', '.join(FEWER_BITS)}")
    return int(weight_bits)


def refuse(target: str, layer: str, parameter: str, why: str, cure: str) -> InvalidValueError:
    """Make the error for what a chip cannot express."""
    return InvalidValueError(f"layer {layer}: {parameter} cannot be expressed on {target}: {why}; {cure}")


def index_names(layers: Sequence[Any]) -> list[str]:
    """Name every layer by its place and its kind."""
    return [f"{k} {type(layer).__name__}" for k, layer in enumerate(layers)]

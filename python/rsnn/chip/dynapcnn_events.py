"""DynapCNN event by event, and how much the order of events moves a network's spikes.

The chip has no time steps: a core takes one event after the other, and a neuron fires at most once for each. This follows the maker's
documents; nothing of it was verified against silicon or against the maker's own closed simulator. What is not published (in which order a
core visits its targets, how events of several cores meet, whether a bias alone can make a neuron fire) is defined here: rows, then
columns, then features ascending; one core after the other; a bias, added at the beginning of each step, does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.tables import ruled
from rsnn.threads import resolve

from .integers import Array, blocks, integer, often
from .result import Counter

if TYPE_CHECKING:
    from rsnn.network import Network

    from .dynapcnn import Core
    from .dynapcnn_network import DynapcnnNetwork

STATE_BITS = 16
Ordered = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]
"""Where the events of each step begin, and the entries of the map, in order."""


def in_order(x: Array, seed: int | None) -> Ordered:
    """Put the events of one sample (T, C, H, W) in order: rows, columns, channels ascending, or shuffled within each step."""
    counts = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    if counts.dtype.kind != "b" and counts.size and counts.min() < 0:
        raise InvalidValueError(f'x: {counts.min()} came; mode="events" takes counts of events, which are not negative')
    step, row, column, channel = np.nonzero(counts)
    times = often("x", counts[step, row, column, channel])
    rows, columns = x.shape[2:]
    entries = np.repeat((channel * rows + row) * columns + column, times).astype(np.uint32)
    step = np.repeat(step, times)
    if seed is not None:
        entries = entries[np.lexsort((np.random.default_rng(seed).random(len(entries)), step))]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(step, minlength=len(x)))]).astype(np.int64)
    return offsets, entries


def run_core(core: Core, events: Ordered, input_map: tuple[int, int], v: Array, spikes: Array, counter: Counter) -> Ordered:
    """Run one core over the events of one sample; give those that it sends. `v` and `spikes` are written."""
    offsets, entries, extent, synops = _rsnn.integer_events(
        f"{core.neuron.spec} watch={STATE_BITS}", *events, input_map, core.weight, core.neuron.table((len(core.weight),)), v, spikes,
        stride=core.stride, padding=core.padding, pool=core.pool,
    )  # fmt: skip
    counter.add(extent, synops)
    return np.array(offsets, np.int64), np.array(entries, np.uint32)


def counts(events: Ordered, shape: tuple[int, ...], out: Array) -> None:
    """Count events (T, C, H, W) into `out`."""
    offsets, entries = events
    step = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    size = int(np.prod(shape, dtype=np.int64))
    out[...] = np.bincount(step * size + entries, minlength=(len(offsets) - 1) * size).reshape(len(offsets) - 1, *shape)


@dataclass(frozen=True)
class LayerSpread:
    """One layer under several orders of events.

    Attributes
    ----------
    layer : the layer, as ``"0 Conv2d"``
    spikes_steps : spikes in time steps, as `rsnn.chip.ChipNetwork.run` gives them
    spikes : spikes event by event, one number for each order; the first is the defined order, the others are random
    moved : the part of the spikes that lie in another (step, neuron) than in the defined order, one number for each random order
    """

    layer: str
    spikes_steps: int
    spikes: tuple[int, ...]
    moved: tuple[float, ...]


@dataclass(frozen=True)
class Spread:
    """How much the order of events moves the result of a network; prints as a table.

    Attributes
    ----------
    layers : one `LayerSpread` for each layer
    decisions : the part of the samples whose most active output is the same in every order; None where the output is not a row of classes
    output : the counts of the last layer for each order, (orders + 1, T, [B,] ...); the first is the defined order
    """

    layers: tuple[LayerSpread, ...]
    decisions: float | None
    output: Array

    def __str__(self) -> str:
        head = ("layer", "spikes in steps", "in events", "least", "most", "moved, mean", "moved, most")
        rows = [
            (
                one.layer, one.spikes_steps, one.spikes[0], min(one.spikes), max(one.spikes),
                float(np.mean(one.moved)) if one.moved else 0.0, max(one.moved, default=0.0),
            )
            for one in self.layers
        ]  # fmt: skip
        lines = [f"dynapcnn, event by event in {len(self.output)} orders (not verified against silicon)", ruled(head, rows)]
        if self.decisions is not None:
            lines.append(f"same decision in every order for {self.decisions:.2%} of the samples")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Give everything but the output as plain Python values."""
        rows = [{"layer": o.layer, "spikes_steps": o.spikes_steps, "spikes": list(o.spikes), "moved": list(o.moved)} for o in self.layers]
        return {"layers": rows, "decisions": self.decisions}


def spread(network: Network | DynapcnnNetwork, x: npt.ArrayLike, *, orders: int = 8, seed: int = 0) -> Spread:
    """Run a network event by event, in several orders of the events within each step.

    Parameters
    ----------
    network : rsnn.Network or a ChipNetwork for DynapCNN
        A float network is quantised first, as `rsnn.chip.quantize` does.
    x : array_like of integers, (T, *input_shape) or (T, B, *input_shape)
        Events per step, counted, 2**24 of a sample at most; batch first where the network is. Never modified.
    orders : int, at least 0, default 8
        Random orders, besides the defined one.
    seed : int, default 0
        The orders are drawn from it.

    Returns
    -------
    Spread
        Prints as a table; ``.layers``, ``.decisions``, ``.output``, ``.to_dict()``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted; the message says what is.

    Notes
    -----
    Not verified against silicon: see the head of `rsnn.chip.dynapcnn_events`. Of the chip it is only known that the order is not
    always the same, so a result that moves much here can not be relied upon there.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> net = rsnn.Network([rsnn.Linear([[0.5, -0.5]]), rsnn.IAF(v_min=0.0)], input_shape=(2,))
    >>> result = rsnn.chip.dynapcnn.spread(net, np.full((20, 2), 3), orders=4)
    >>> result.layers[0].spikes_steps, result.layers[0].spikes[0] > 0
    (0, True)
    """
    from .dynapcnn_network import DynapcnnNetwork
    from .quantize import quantize

    given: Any = network
    chip = given if isinstance(given, DynapcnnNetwork) else quantize(given, "dynapcnn")
    if not isinstance(chip, DynapcnnNetwork):
        raise InvalidTypeError(f"network={network!r}: must be a network for DynapCNN")
    if not chip.is_chain:
        raise InvalidValueError(
            f"network={chip!r}: its cores are no chain, and in which order events of several cores meet is not published; "
            "give a network without branches"
        )
    count, first = integer("orders", orders, 0, 10_000), integer("seed", seed, 0)
    steps = chip.run(x)
    flow, swap = chip.enter("x", x, resolve(None))
    seeds = [None, *(int(one) for one in np.random.SeedSequence(first).generate_state(count, np.uint64) >> 1)]
    runs = [_run(chip, flow, one) for one in seeds]
    rows = []
    for layer in chip.layers:
        own = [run[layer.neuron_index] for run in runs]
        total = [int(one.sum(dtype=np.int64)) for one in own]
        moved = [float(np.abs(own[0] - one).sum(dtype=np.int64) / max(1, total[0] + n)) for one, n in zip(own[1:], total[1:], strict=True)]
        rows.append(LayerSpread(layer.name, steps.stats[layer.neuron_index].spikes, tuple(total), tuple(moved)))
    last = chip.layers[-1]
    outputs = np.stack([run["out"] for run in runs])
    outputs = outputs[..., 0, 0] if last.linear else outputs
    batched = flow.ndim == 5
    decisions = None
    if outputs.ndim == 3 + batched and outputs.size:
        votes = outputs.sum(axis=1, dtype=np.int64).argmax(axis=-1)
        decisions = float(np.mean((votes == votes[0]).all(axis=0)))
    return Spread(tuple(rows), decisions, outputs.swapaxes(1, 2) if swap else outputs)


def in_events(chip: DynapcnnNetwork, flow: Array) -> dict[int, Array]:
    """Run a network without branches event by event, in the defined order; give the spikes as its own run gives them."""
    found = _run(chip, flow, None)
    return {
        layer.neuron_index: found[layer.neuron_index][..., 0, 0] if layer.linear else found[layer.neuron_index] for layer in chip.layers
    }


def _run(chip: DynapcnnNetwork, flow: Array, seed: int | None) -> dict[Any, Array]:
    """Run all layers over all samples in one order; spikes by the index of their neurons, and what leaves the last one."""
    batched = flow.ndim == 5
    samples = flow if batched else flow[:, None]
    steps, batch = samples.shape[:2]
    shapes: dict[Any, tuple[int, int, int]] = {}
    size = samples.shape[-2:]
    for layer in chip.layers:
        rows, columns = layer.core.output_map(*size)
        shapes[layer.neuron_index] = (len(layer.core.weight), rows, columns)
        size = (rows // layer.core.pool, columns // layer.core.pool)
        shapes["out"] = (len(layer.core.weight), *size)
    found: dict[Any, Array] = {key: np.zeros((steps, batch, *own), np.int32) for key, own in shapes.items()}
    for b in range(batch):
        whole = [block for _, block in blocks("x", np.ascontiguousarray(samples[:, b]))]
        sample = np.concatenate(whole) if whole else np.zeros(samples[:, b].shape, np.int64)
        events, size = in_order(sample, None if seed is None else seed + b), samples.shape[-2:]
        for layer in chip.layers:
            own, spikes = shapes[layer.neuron_index], np.zeros((steps, *shapes[layer.neuron_index]), np.int32)
            events = run_core(layer.core, events, size, np.zeros(own, np.int64), spikes, Counter())
            found[layer.neuron_index][:, b] = spikes
            size = (own[1] // layer.core.pool, own[2] // layer.core.pool)
        counts(events, shapes["out"], found["out"][:, b])
    return found if batched else {key: one[:, 0] for key, one in found.items()}

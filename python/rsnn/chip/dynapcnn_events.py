"""DynapCNN event by event: a core, and a network without branches.

The chip has no time steps: a core takes one event after the other, and a neuron fires at most once for each. This follows the maker's
documents; nothing of it was verified against silicon or against the maker's own closed simulator. What is not published (in which order a
core visits its targets, how events of several cores meet, whether a bias alone can make a neuron fire) is defined here: rows, then
columns, then features ascending; one core after the other; a bias, added at the beginning of each step, does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.errors import InvalidValueError

from .integers import Array, blocks, often
from .result import Counter

if TYPE_CHECKING:
    from .dynapcnn_core import Core
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


def in_events(chip: DynapcnnNetwork, flow: Array) -> dict[int, Array]:
    """Run a network without branches event by event, in the defined order; give the spikes as its own run gives them."""
    found = in_one_order(chip, flow, None)
    return {
        layer.neuron_index: found[layer.neuron_index][..., 0, 0] if layer.linear else found[layer.neuron_index] for layer in chip.layers
    }


def in_one_order(chip: DynapcnnNetwork, flow: Array, seed: int | None) -> dict[Any, Array]:
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

"""What a network runs over: dense arrays, packed spikes and event records, seen time first and given out in blocks of steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import shown
from rsnn.errors import InvalidValueError
from rsnn.records import Events, are_records, binned
from rsnn.simulation import data
from rsnn.spikes import WORD, Spikes

if TYPE_CHECKING:
    from .network import Network

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """The input of a run.

    Attributes
    ----------
    lead : (T,) or (T, B)
    dtype : what is computed in: float32 or float64
    size : entries of one sample in one step
    block : gives the steps of a slice: an array (steps, [B,] *input_shape) of any dtype and strides
    native : gives all of it as the native engine reads it, without a copy; None where that is not possible
    """

    lead: Shape
    dtype: np.dtype[Any]
    size: int
    block: Callable[[slice], Array]
    native: Callable[[], Any]


def network_input(network: Network, x: Any, dt: Any, steps: Any) -> NetworkInput:
    """Check what a network is to run over."""
    own = network.shape_before(0)
    if are_records(x):
        events = binned(x, own, dt, steps)
        return NetworkInput(events.lead, np.dtype(np.float32), math.prod(own), events.dense, lambda: listed(events))
    for name, value in (("dt", dt), ("steps", steps)):
        if value is not None:
            raise InvalidValueError(f"{name}={shown(value)}: only event records take it, dense and packed data have steps; leave it out")
    array, dtype = data(x)
    axes = array.ndim - len(own)
    if axes not in (1, 2) or array.shape[axes:] != own:
        sizes = "".join(f", {n}" for n in own)
        batch = "B, T" if network.batch_first else "T, B"
        raise InvalidValueError(f"x has shape {array.shape}: must be (T{sizes}) or ({batch}{sizes}), as input_shape={own}")
    swapped = network.batch_first and axes == 2
    lead = array.shape[:axes][::-1] if swapped else array.shape[:axes]
    if isinstance(array, Spikes):
        if array.batch_first != swapped:
            raise InvalidValueError(
                f"x: packed spikes with batch_first={array.batch_first} came; pack them as the network takes its data: "
                f"rsnn.Spikes.pack(array, batch_first={swapped})"
            )
        spikes = array
        return NetworkInput(
            lead,
            dtype,
            math.prod(own),
            lambda steps: spikes[steps].numpy().swapaxes(0, 1) if swapped else spikes[steps].numpy(),
            lambda: _words(spikes, math.prod(own)),
        )
    dense = array.swapaxes(0, 1) if swapped else array
    ready = dense.dtype == dtype and dense.dtype.isnative and dense.flags.c_contiguous and dense.flags.aligned
    return NetworkInput(lead, dtype, math.prod(own), lambda steps: dense[steps], lambda: dense if ready else None)


def listed(events: Events) -> tuple[Array, Array, Array]:
    """Give binned events as the native engine reads them: where each row of a step of a sample begins, entries, counts."""
    size, rows = math.prod(events.shape), math.prod(events.lead)
    starts = np.searchsorted(events.where, np.arange(rows + 1) * size).astype(np.uint64)
    at = (events.where % max(1, size)).astype(np.uint32)
    return starts, at, events.counts.astype(np.float32)


def _words(spikes: Spikes, size: int) -> Any:
    """Give packed spikes as rows of words, one for each step of a sample; None where samples share a word, or batches come first."""
    together = math.prod(spikes.shape[1:]) == size
    if spikes.batch_first or not (together or size % WORD == 0) or not size:
        return None
    words = np.ascontiguousarray(spikes.words)
    return words if together else words.reshape(-1, size // WORD)

"""The spikes of the layers of a run, kept as events and made dense when somebody looks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.memory import empty

from .graph import ByLayer
from .lowering import raster

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Kept:
    """The spikes of one layer.

    Attributes
    ----------
    starts : where the events of each step of each sample begin, sample after sample, and where the last one ends
    at : the entry of each event
    values : how many spikes each is; all are 1 where there are none
    lead : (T,) or (T, B)
    shape : of one sample in one step
    dtype : of the run
    raster : whether entries are numbered in raster order
    batch_first : whether the dense array is (B, T, *shape)
    """

    starts: npt.NDArray[np.uint64]
    at: npt.NDArray[np.uint32]
    values: Array | None
    lead: Shape
    shape: Shape
    dtype: np.dtype[Any]
    raster: bool
    batch_first: bool

    def dense(self) -> Array:
        """Make the dense array (T, [B,] *shape)."""
        steps, batch, n = self.lead[0], math.prod(self.lead[1:]), math.prod(self.shape)
        swapped = self.batch_first and len(self.lead) == 2
        array = empty((*(self.lead[::-1] if swapped else self.lead), *self.shape), self.dtype)
        flat = array.reshape(-1)
        flat.fill(0)
        at = self.at.astype(np.int64)
        if self.raster:
            at = np.argsort(raster(self.shape))[at]
        events = np.diff(self.starts).astype(np.int64)
        row = np.repeat(np.arange(steps * batch), events)
        if not swapped:
            row = row % max(1, steps) * batch + row // max(1, steps)
        flat[row * n + at] = 1 if self.values is None else self.values
        return array


class LayerSpikes(ByLayer[Array]):
    """The output of every layer that spikes, by index or name: a dense array is made when it is asked for, and kept then."""

    def __getitem__(self, key: Any) -> Array:
        k = self._index(key)
        held: Any = self._values[k]
        if isinstance(held, Kept):
            held = self._values[k] = held.dense()
        made: Array = held
        return made

    def entries(self, key: Any) -> int:
        """Count the entries of a layer's dense array without making it: neurons times steps times samples."""
        held: Any = self._values[self._index(key)]
        return math.prod(held.lead) * math.prod(held.shape) if isinstance(held, Kept) else held.size

    def __repr__(self) -> str:
        return f"LayerSpikes(of the layers {', '.join(map(str, self._values)) or 'none'})"

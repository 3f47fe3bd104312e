"""How arrays over time are cut into blocks: sequences outside, then time, then neurons side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]

BLOCK = 1 << 18
"""Elements of the blocks of time in which what the engine cannot read or write as it lies is converted."""
ROWS = 1 << 20
"""Steps of neurons that the engine gets at once: it lists them before it starts, 16 bytes each, and cannot be interrupted there."""


class Layout:
    """The axes of the data as the engine sees them: (sequences, time, neurons).

    Parameters
    ----------
    shape : of the data
    axis : of time, 0 or (batch first) 1
    """

    def __init__(self, shape: tuple[int, ...], axis: int) -> None:
        self.shape = shape
        self.outer = math.prod(shape[:axis])
        self.time = shape[axis]
        self.inner = math.prod(shape[axis + 1 :])
        self.axis = axis

    @property
    def is_one_block(self) -> bool:
        """Whether all of it is few enough steps of neurons for the engine at once."""
        return self.outer * self.time * (1 + self.inner // 1024) <= ROWS

    def whole(self, array: Array) -> Array:
        """See a contiguous array, whose first axes are those of the data, in three axes."""
        return array.reshape(self.outer, self.time, math.prod(array.shape[self.axis + 1 :]))

    def blocks(self, elements: float) -> Iterator[tuple[slice, Iterator[slice]]]:
        """Cut into blocks that lie together in a contiguous array: sequences, and for them stretches of time.

        A block has about so many elements at most, and so few rows that the engine's list of them stays small. There must be
        something to cut.
        """
        steps = int(max(1, min(elements / self.inner, ROWS // (1 + self.inner // 1024))))
        together = 1 if self.axis == 0 else max(1, steps // self.time)
        stretch = self.time if together > 1 else steps
        for first in range(0, self.outer, together):
            sequences = slice(first, min(first + together, self.outer))
            yield sequences, (slice(t, min(t + stretch, self.time)) for t in range(0, self.time, stretch))

    def cut(self, array: Array, sequences: slice, stretch: slice) -> Array:
        """Give the block of an array whose first axes are those of the data."""
        return array[stretch] if self.axis == 0 else array[sequences, stretch]

    def size(self, sequences: slice, stretch: slice) -> tuple[int, ...]:
        """Give the shape of a block of the data."""
        lead = (stretch.stop - stretch.start,)
        return ((sequences.stop - sequences.start, *lead) if self.axis else lead) + self.shape[self.axis + 1 :]

    def seen(self, array: Array, sequences: slice, stretch: slice) -> Array:
        """See a contiguous block in three axes."""
        return array.reshape(sequences.stop - sequences.start, stretch.stop - stretch.start, math.prod(array.shape[self.axis + 1 :]))

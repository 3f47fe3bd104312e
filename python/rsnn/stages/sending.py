"""What becomes of spikes before they leave: one neuron may silence the others, and a spike may have another size than 1."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .stage import Stage

if TYPE_CHECKING:
    from .stage import Parameter


@dataclass(frozen=True, eq=False, repr=False)
class Inhibition(Stage):
    """Of the neurons along the last axis, only the one whose membrane is highest above its threshold may fire."""

    words = "inhibition"


@dataclass(frozen=True, eq=False, repr=False)
class Graded(Stage):
    """Spikes of another size: ``output = s graded``.

    Parameters
    ----------
    graded : the size
    """

    graded: Parameter

    numbers = ("graded",)
    words = "graded"
    reads = ("graded",)

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients: spikes of the size 1 are as they are, unless the size is learned."""
        return (self.words, self.reads) if np.any(self.graded != 1) or "graded" in learn else ("", ())

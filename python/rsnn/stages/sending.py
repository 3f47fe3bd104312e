"""What becomes of spikes before they leave: one neuron may silence the others, and a spike may have another size than 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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

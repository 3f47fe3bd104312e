"""From floats to a chip rung by rung: the causes of the gap between them, and the spikes once another of them is added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .integers import Array

CAUSES = {
    "weights": "weights, thresholds and biases rounded",
    "decays": "decays rounded",
    "steps": "states rounded in every step",
    "saturation": "the chip's bits",
    "order": "one event after the other",
}
"""Where a gap between floats and integers can come from, in the order in which it is looked for."""


@dataclass(frozen=True, eq=False)
class Rung:
    """The spikes of all layers, by the index of their neurons, after one more thing that a chip does to the floats.

    Rungs in the chip's own time, time first; `compare` says how many spikes move from each to the next.
    """

    cause: str
    spikes: Mapping[int, Array]

"""What a run on a chip gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from rsnn.arguments import did_you_mean
from rsnn.drawn import Drawn
from rsnn.errors import AbsentError
from rsnn.state import State

Array = npt.NDArray[Any]

RECORDED = ("v", "u", "i", "isyn", "v_out", "isyn_out")
"""What one or the other emulator records."""


@dataclass(frozen=True)
class Stats:
    """What a layer did, counted on the way.

    Attributes
    ----------
    spikes : int
        All spikes, before pooling.
    density : float
        The part of (step, neuron) that fired.
    synops : int
        Additions of one weight to one membrane: every input event counts once for each neuron it reaches, fewer at a border; a count
        of 3 counts 3, where `rsnn.Network.run` counts it once. 0 where there are no synapses.
    beyond : int
        (step, neuron) whose membrane left the bits of the chip, before overflow was dealt with.
    lowest, highest : int
        The range that membranes reached before overflow was dealt with, 0 included.
    """

    spikes: int = 0
    density: float = 0.0
    synops: int = 0
    beyond: int = 0
    lowest: int = 0
    highest: int = 0


@dataclass(frozen=True, repr=False, eq=False)
class ChipResult(Drawn):
    """What a layer on a chip gives.

    Attributes
    ----------
    spikes : integer array (T, ...)
        How often each neuron fired in each step.
    out : integer array (T, ...)
        What the layer sends on: the spikes, after pooling where there is some.
    state : named tuple of integer arrays
        After the last step: pass it back in to go on.
    traces : dict of integer arrays (T, ...)
        What was recorded, by name; ``result.v`` is short for ``result.traces["v"]``.
    stats : Stats
        Counts: spikes, SynOps, membranes beyond the chip's bits.
    """

    spikes: Array
    out: Array
    state: State
    traces: dict[str, Array] = field(default_factory=dict)
    stats: Stats = Stats()

    def __getattr__(self, name: str) -> Array:
        """Give a trace by its name."""
        traces: Mapping[str, Array] = self.__dict__.get("traces", {})  # not through attributes: pickle asks before there are any
        if name in traces:
            return traces[name]
        known = ("spikes", "out", "state", "traces", "stats", *RECORDED)
        cure = f"; to have it, run with record=({name!r},)" if name in RECORDED else did_you_mean(name, known)
        raise AbsentError(f"{name}: this result has {', '.join(('spikes, out, state, traces, stats', *traces))}{cure}")

    def __repr__(self) -> str:
        traces = f"; traces: {', '.join(self.traces)}" if self.traces else ""
        return f"ChipResult(spikes: {self.spikes.dtype} {self.spikes.shape}, {self.stats.spikes} spikes; out: {self.out.shape}{traces})"


@dataclass
class Counter:
    """Adds up what blocks of a run did."""

    synops: int = 0
    beyond: int = 0
    lowest: int = 0
    highest: int = 0
    spikes: int = 0
    fired: int = 0

    def add(self, extent: tuple[int, int, int, int, int], synops: int = 0) -> None:
        """Add one block."""
        beyond, lowest, highest, spikes, fired = extent
        self.synops += synops
        self.beyond += beyond
        self.lowest = min(self.lowest, lowest)
        self.highest = max(self.highest, highest)
        self.spikes += spikes
        self.fired += fired

    def stats(self, size: int) -> Stats:
        """Give the counts of a whole run of so many (step, neuron)."""
        density = self.fired / size if size else 0.0
        return Stats(self.spikes, density, self.synops, self.beyond, self.lowest, self.highest)

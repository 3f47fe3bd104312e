"""What a run of a network gives: its output, and for every layer what it did, by index or name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from rsnn.drawn import Drawn
from rsnn.errors import AbsentError
from rsnn.state import State

Array = npt.NDArray[Any]
States = Mapping[Any, State]


@dataclass(frozen=True)
class LayerStats:
    """What a layer did in a run, counted, not estimated.

    Attributes
    ----------
    layer : str
        Its kind, such as ``"Linear"``.
    spikes : int, or None of a layer that does not spike
        All spikes; an output of 3 spikes in one step is 3. Exact up to 2**53. (inf, a float, where an infinite input fired
        without end.)
    density : float, or None of a layer that does not spike
        The part of its outputs that are not 0.
    synops : int, or None of a layer without synapses
        Synaptic operations: every input that is not 0 counts once for each output it reaches, fewer at the border of an image. An
        input of 3 spikes in one step is one. Of a `Recurrent` the spikes that come back. Where several
        inputs come in, of their sum.
    input_density : float, or None of a layer without synapses
        The part of its inputs that are not 0.
    path : str, or None of a layer without synapses
        How its product was computed: ``"event"``, following the inputs that are not 0, ``"dense"``, all of them, or ``"mixed"``, now the
        one and now the other.
    """

    layer: str
    spikes: int | float | None = None
    density: float | None = None
    synops: int | None = None
    input_density: float | None = None
    path: str | None = None


@dataclass(frozen=True, eq=False, repr=False)
class NetworkResult(Drawn):
    """What a run of a network gives. Layers go by their index in ``network.layers``, or by their name.

    Attributes
    ----------
    output : array (T, [B,] *output_shape)
        What the last layer sends on; batch first where the network is.
    spikes : mapping of arrays
        The output of every layer that spikes, by index; kept as events, made dense when it is asked for.
    state : mapping of states
        After the last step, by index of the layers that have one: pass it back in to go on.
    stats : mapping of LayerStats
        What every layer did, by index.
    traces : mapping of dicts of arrays
        What was recorded, by index, then by name.
    batch_axis : int or None
        Where the batch is in all these arrays: 1, or 0 where the network is batch first; None where the data had no batch.
    """

    output: Array
    spikes: Mapping[Any, Array]
    state: States
    stats: Mapping[Any, LayerStats]
    traces: Mapping[Any, dict[str, Array]] = field(default_factory=dict)
    batch_axis: int | None = None

    def __getattr__(self, name: str) -> Any:
        """Say what there is."""
        cure = f"; a trace is .traces[k][{name!r}], recorded with record=({name!r},)" if name in ("v", "i", "rest", "u") else ""
        raise AbsentError(f"{name}: this result has output, spikes, state, stats, traces{cure}")

    def __repr__(self) -> str:
        fired = ", ".join(f"{k}: {one.spikes:,}" for k, one in self.stats.items() if one.spikes is not None)
        traces = f"; traces: {', '.join(f'{k}: {tuple(one)}' for k, one in self.traces.items())}" if self.traces else ""
        return f"NetworkResult(output: {self.output.dtype} {self.output.shape}; spikes: {{{fired}}}{traces})"

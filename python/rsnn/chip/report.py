"""What is printed about a network on a chip: tables that are also data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rsnn.tables import ruled, said

from .picture import draw
from .rungs import CAUSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Limit:
    """One limit of a chip, and what a layer needs of it.

    Attributes
    ----------
    layer : the layer, as ``"0 Conv2d"``
    what : the limit
    needed : what the layer needs
    available : what the chip has
    ok : whether that is enough
    """

    layer: str
    what: str
    needed: Any
    available: Any
    ok: bool

    def __str__(self) -> str:
        return f"layer {self.layer}: {self.what} {self.needed}, available: {self.available}"


@dataclass(frozen=True)
class Check:
    """Every limit of a chip against every layer of a network; prints as a table.

    Attributes
    ----------
    target : the chip
    rows : every limit that was looked at
    cores : a core for each layer, by the name of the layer; empty where there is no way to place them all
    readout : which channels of which layer stand for the classes, ``{"layer": name, "channels": [...]}``; None where the chip counts none
    """

    target: str
    rows: tuple[Limit, ...]
    cores: dict[str, int]
    readout: dict[str, Any] | None = None

    @property
    def ok(self) -> bool:
        """Whether the network fits."""
        return not self.violations

    @property
    def violations(self) -> tuple[Limit, ...]:
        """The rows that do not fit."""
        return tuple(row for row in self.rows if not row.ok)

    def __iter__(self) -> Iterator[Limit]:
        return iter(self.rows)

    def __str__(self) -> str:
        head = f"{self.target}: " + ("the network fits" if self.ok else f"{len(self.violations)} limits are exceeded")
        placed = "; ".join(f"layer {name} on core {core}" for name, core in self.cores.items())
        rows = [(row.layer, row.what, said(row.needed), said(row.available), "" if row.ok else "too much") for row in self.rows]
        lines = [head, ruled(("layer", "what", "needed", "available", ""), rows)]
        lines += [f"one way to place it: {placed}"] if placed else []
        if self.readout is not None:
            lines.append(f"classes are read from channels {', '.join(map(str, self.readout['channels']))} of layer {self.readout['layer']}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Give everything as plain Python values."""
        whole = {"target": self.target, "ok": self.ok, "cores": dict(self.cores), "readout": self.readout}
        return whole | {"rows": [asdict(row) for row in self.rows]}


@dataclass(frozen=True)
class StateRange:
    """The range that a state of a layer reaches, had it as many bits as it needs.

    Attributes
    ----------
    name : ``"v"`` the membrane, ``"i"`` the current
    lowest, highest : 0 included
    bits : what the chip has
    beyond : (step, sample, neuron) that leave them
    """

    name: str
    lowest: int
    highest: int
    bits: int
    beyond: int


@dataclass(frozen=True)
class TimeConstant:
    """A time constant of a layer, in the unit of its dt, least and most over its neurons.

    Attributes
    ----------
    name : ``"tau_mem"`` or ``"tau_syn"``
    float_ : of the float network
    chip : what the chip's rounded decay stands for, ``-dt / ln(kept)``; 0 where nothing is kept, infinite where all is
    """

    name: str
    float_: tuple[float, float]
    chip: tuple[float, float]


@dataclass(frozen=True)
class LayerReport:
    """One layer, float against integer.

    Attributes
    ----------
    layer : the layer, as ``"0 Conv2d"``
    neurons : how many neurons it has
    spikes_float, spikes : spikes of the float network and of the integers, all samples together
    agreement : the part of (step, sample, neuron) with the same number of spikes in both
    first_step : the first step in which they differ; None where they never do
    first_neuron : the sample (where there is a batch) and neuron of that step, the first in order
    dead_float, dead : neurons that fired for no sample in the float network, and in integers
    saturated : neurons that fired in every step of every sample, in integers
    beyond : (step, sample, neuron) whose membrane left the bits of the chip
    state_bits : those bits
    highest : the highest membrane, in integers
    v_threshold : the threshold, in integers
    synops : additions of a weight to a membrane, in integers; a count of 3 counts 3, where `rsnn.Network.run` counts it once
    moved : by cause, as `rsnn.chip.rungs.CAUSES` names it: spikes that lie in another (step, sample, neuron) once it is added to those
        before it
    states : the range of each state
    time_constants : of the float network, and what the chip's decays stand for
    """

    layer: str
    neurons: int
    spikes_float: int
    spikes: int
    agreement: float
    first_step: int | None
    first_neuron: tuple[int, ...] | None
    dead_float: int
    dead: int
    saturated: int
    beyond: int
    state_bits: int
    highest: int
    v_threshold: int
    synops: int
    moved: dict[str, int]
    states: tuple[StateRange, ...]
    time_constants: tuple[TimeConstant, ...]

    @property
    def counts_error(self) -> float | None:
        """By how much the number of spikes differs, in parts of the float network's; None where that is silent."""
        return (self.spikes - self.spikes_float) / self.spikes_float if self.spikes_float else None


@dataclass(frozen=True)
class Report:
    """A float network against its integers, layer by layer; prints as a table.

    Attributes
    ----------
    target : the chip
    steps, samples : what was run
    layers : one `LayerReport` for each layer
    decisions : the part of the samples for which the same output fired most in both; None where the output is not a row of classes
    joules_per_synop : the constant that was given, if one was
    lost : spikes that came to a full queue, on tinyODIN
    """

    target: str
    steps: int
    samples: int
    layers: tuple[LayerReport, ...]
    decisions: float | None
    joules_per_synop: float | None = None
    lost: int = 0

    @property
    def synops(self) -> int:
        """Additions of a weight to a membrane, all layers and samples together."""
        return sum(layer.synops for layer in self.layers)

    @property
    def energy(self) -> float | None:
        """SynOps times the constant that was given, in joules, all samples together; None where none was."""
        return None if self.joules_per_synop is None else self.synops * self.joules_per_synop

    @property
    def warnings(self) -> tuple[str, ...]:
        """What will go wrong, in sentences."""
        said = [f"{self.lost} spikes came to a full queue and were lost; use fewer or weaker synapses"] if self.lost else []
        for row in self.layers:
            if row.neurons and row.dead == row.neurons > row.dead_float:
                said.append(
                    f"layer {row.layer} is silent in integers but not in float: its highest membrane is {row.highest}, "
                    f"its threshold {row.v_threshold}"
                )
            elif row.dead > row.dead_float:
                said.append(f"layer {row.layer}: {row.dead - row.dead_float} of {row.neurons} neurons fire in float and never in integers")
            if row.beyond:
                said.append(
                    f"layer {row.layer}: {row.beyond} membranes leave the chip's {row.state_bits} bits; what the chip does there "
                    "is not published"
                )
            said += [
                f"layer {row.layer}: the state {one.name} reaches {one.lowest} to {one.highest}, beyond the chip's {one.bits} bits, "
                f"{one.beyond} times"
                for one in row.states
                if one.beyond and one.name != "v"
            ]
            if row.saturated:
                said.append(f"layer {row.layer}: {row.saturated} of {row.neurons} neurons fire in every step")
        return tuple(said)

    def __str__(self) -> str:
        head = (
            "layer",
            "neurons",
            "spikes float",
            "spikes",
            "agreement",
            "first differs",
            "dead float",
            "dead",
            "saturated",
            "beyond",
            "SynOps",
        )
        rows = [
            (
                row.layer,
                row.neurons,
                row.spikes_float,
                row.spikes,
                row.agreement,
                "never" if row.first_step is None else f"step {row.first_step}, neuron {row.first_neuron}",
                row.dead_float,
                row.dead,
                row.saturated,
                row.beyond,
                row.synops,
            )
            for row in self.layers
        ]
        lines = [f"{self.target}, float against integer (steps: {self.steps}, samples: {self.samples})", ruled(head, rows)]
        causes = [cause for cause in CAUSES if any(cause in row.moved for row in self.layers)]
        if causes:
            moved = [(row.layer, *(row.moved.get(cause) for cause in causes)) for row in self.layers]
            lines += ["where the gap comes from: spikes moved by", ruled(("layer", *(CAUSES[cause] for cause in causes)), moved)]
        constants = [(row.layer, one.name, _span(one.float_), _span(one.chip)) for row in self.layers for one in row.time_constants]
        if constants:
            lines.append(ruled(("layer", "time constant", "float", "on the chip"), constants))
        if self.decisions is not None:
            lines.append(f"same decision for {self.decisions:.2%} of the samples")
        if self.energy is not None:
            each = self.energy / max(1, self.samples)
            lines.append(f"energy of the SynOps: {each:.4g} J a sample, at {self.joules_per_synop:g} J each (your constant)")
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])

    def to_dict(self) -> dict[str, Any]:
        """Give everything as plain Python values."""
        rows = [asdict(row) | {"counts_error": row.counts_error} for row in self.layers]
        whole = {"target": self.target, "steps": self.steps, "samples": self.samples, "decisions": self.decisions}
        energy = {"joules_per_synop": self.joules_per_synop, "energy": self.energy}
        return whole | {"synops": self.synops, "lost": self.lost} | energy | {"warnings": list(self.warnings), "layers": rows}

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw where the gap comes from: for each layer the spikes that each cause moves, in parts of its spikes.

        Parameters
        ----------
        axes : matplotlib.axes.Axes, optional
            Where to draw; by default those of a new figure (``axes.figure.savefig(...)``), which no window shows.

        Returns
        -------
        matplotlib.axes.Axes
            The axes that came in, or the new ones.

        Examples
        --------
        >>> import numpy as np, rsnn
        >>> net = rsnn.Network([rsnn.Linear([[0.5, -0.3], [0.2, 0.9]]), rsnn.IAF(v_min=-1.0)], input_shape=(2,))
        >>> report = rsnn.chip.quantize(net).report(np.ones((20, 2), int))
        >>> report.plot().get_xlabel()
        'spikes moved, in parts of the spikes of the layer'
        """
        return draw(self, axes)


def _span(values: tuple[float, float]) -> str:
    low, high = values
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"

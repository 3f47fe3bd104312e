"""What is printed about a network on a chip: tables that are also data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay rows out under their heads; numbers to the right, everything else to the left."""
    cells = [[_text(value) for value in row] for row in rows]
    right = [bool(rows) and all(isinstance(row[k], (int, float)) or row[k] is None for row in rows) for k in range(len(head))]
    widths = [max(len(line[k]) for line in [list(head), *cells]) for k in range(len(head))]

    def line(texts: Sequence[str]) -> str:
        padded = (text.rjust(width) if to else text.ljust(width) for text, width, to in zip(texts, widths, right, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(head), line(["-" * width for width in widths]), *map(line, cells)])


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


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
    """

    target: str
    rows: tuple[Limit, ...]
    cores: dict[str, int]

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
        rows = [(row.layer, row.what, _text(row.needed), _text(row.available), "" if row.ok else "too much") for row in self.rows]
        lines = [head, table(("layer", "what", "needed", "available", ""), rows)]
        return "\n".join([*lines, *([f"one way to place it: {placed}"] if placed else [])])

    def to_dict(self) -> dict[str, Any]:
        """Give everything as plain Python values."""
        return {"target": self.target, "ok": self.ok, "cores": dict(self.cores), "rows": [asdict(row) for row in self.rows]}


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
    synops : additions of a weight to a membrane, in integers
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
    """

    target: str
    steps: int
    samples: int
    layers: tuple[LayerReport, ...]
    decisions: float | None

    @property
    def synops(self) -> int:
        """Additions of a weight to a membrane, all layers and samples together."""
        return sum(layer.synops for layer in self.layers)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What will go wrong, in sentences."""
        said = []
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
        lines = [f"{self.target}, float against integer (steps: {self.steps}, samples: {self.samples})", table(head, rows)]
        if self.decisions is not None:
            lines.append(f"same decision for {self.decisions:.2%} of the samples")
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])

    def to_dict(self) -> dict[str, Any]:
        """Give everything as plain Python values."""
        rows = [asdict(row) | {"counts_error": row.counts_error} for row in self.layers]
        whole = {"target": self.target, "steps": self.steps, "samples": self.samples, "decisions": self.decisions}
        return whole | {"synops": self.synops, "warnings": list(self.warnings), "layers": rows}

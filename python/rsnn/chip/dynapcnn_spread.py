"""How much the order of events within a step moves what a network on DynapCNN sends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.network import Network
from rsnn.tables import ruled
from rsnn.threads import resolve

from .dynapcnn_events import in_one_order
from .dynapcnn_network import DynapcnnNetwork
from .integers import Array, integer
from .quantize import quantize


@dataclass(frozen=True)
class LayerSpread:
    """One layer under several orders of events.

    Attributes
    ----------
    layer : the layer, as ``"0 Conv2d"``
    spikes_steps : spikes in time steps, as `rsnn.chip.ChipNetwork.run` gives them
    spikes : spikes event by event, one number for each order; the first is the defined order, the others are random
    moved : the part of the spikes that lie in another (step, neuron) than in the defined order, one number for each random order
    """

    layer: str
    spikes_steps: int
    spikes: tuple[int, ...]
    moved: tuple[float, ...]


@dataclass(frozen=True)
class Spread:
    """How much the order of events moves the result of a network; prints as a table.

    Attributes
    ----------
    layers : one `LayerSpread` for each layer
    decisions : the part of the samples whose most active output is the same in every order; None where the output is not a row of classes
    output : the counts of the last layer for each order, (orders + 1, T, [B,] ...); the first is the defined order
    """

    layers: tuple[LayerSpread, ...]
    decisions: float | None
    output: Array

    def __str__(self) -> str:
        head = ("layer", "spikes in steps", "in events", "least", "most", "moved, mean", "moved, most")
        rows = [
            (
                one.layer, one.spikes_steps, one.spikes[0], min(one.spikes), max(one.spikes),
                float(np.mean(one.moved)) if one.moved else 0.0, max(one.moved, default=0.0),
            )
            for one in self.layers
        ]  # fmt: skip
        lines = [f"dynapcnn, event by event in {len(self.output)} orders (not verified against silicon)", ruled(head, rows)]
        if self.decisions is not None:
            lines.append(f"same decision in every order for {self.decisions:.2%} of the samples")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Give everything but the output as plain Python values."""
        rows = [{"layer": o.layer, "spikes_steps": o.spikes_steps, "spikes": list(o.spikes), "moved": list(o.moved)} for o in self.layers]
        return {"layers": rows, "decisions": self.decisions}


def spread(network: Network | DynapcnnNetwork, x: npt.ArrayLike, *, orders: int = 8, seed: int = 0) -> Spread:
    """Run a network event by event, in several orders of the events within each step.

    Parameters
    ----------
    network : rsnn.Network or a ChipNetwork for DynapCNN
        A float network is quantised first, as `rsnn.chip.quantize` does.
    x : array_like of integers, (T, *input_shape) or (T, B, *input_shape)
        Events per step, counted, 2**24 of a sample at most; batch first where the network is. Never modified.
    orders : int, at least 0, default 8
        Random orders, besides the defined one.
    seed : int, default 0
        The orders are drawn from it.

    Returns
    -------
    Spread
        Prints as a table; ``.layers``, ``.decisions``, ``.output``, ``.to_dict()``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted; the message says what is.

    Notes
    -----
    Not verified against silicon: see the head of `rsnn.chip.dynapcnn_events`. Of the chip it is only known that the order is not
    always the same, so a result that moves much here can not be relied upon there.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> net = rsnn.Network([rsnn.Linear([[0.5, -0.5]]), rsnn.IAF(v_min=0.0)], input_shape=(2,))
    >>> result = rsnn.chip.dynapcnn.spread(net, np.full((20, 2), 3), orders=4)
    >>> result.layers[0].spikes_steps, result.layers[0].spikes[0] > 0
    (0, True)
    """
    given: Any = network
    chip = given if isinstance(given, DynapcnnNetwork) else quantize(given, "dynapcnn")
    if not isinstance(chip, DynapcnnNetwork):
        raise InvalidTypeError(f"network={network!r}: must be a network for DynapCNN")
    if not chip.is_chain:
        raise InvalidValueError(
            f"network={chip!r}: its cores are no chain, and in which order events of several cores meet is not published; "
            "give a network without branches"
        )
    count, first = integer("orders", orders, 0, 10_000), integer("seed", seed, 0)
    steps = chip.run(x)
    flow, swap = chip.enter("x", x, resolve(None))
    seeds = [None, *(int(one) for one in np.random.SeedSequence(first).generate_state(count, np.uint64) >> 1)]
    runs = [in_one_order(chip, flow, one) for one in seeds]
    rows = []
    for layer in chip.layers:
        own = [run[layer.neuron_index] for run in runs]
        total = [int(one.sum(dtype=np.int64)) for one in own]
        moved = [float(np.abs(own[0] - one).sum(dtype=np.int64) / max(1, total[0] + n)) for one, n in zip(own[1:], total[1:], strict=True)]
        rows.append(LayerSpread(layer.name, steps.stats[layer.neuron_index].spikes, tuple(total), tuple(moved)))
    last = chip.layers[-1]
    outputs = np.stack([run["out"] for run in runs])
    outputs = outputs[..., 0, 0] if last.linear else outputs
    batched = flow.ndim == 5
    decisions = None
    if outputs.ndim == 3 + batched and outputs.size:
        votes = outputs.sum(axis=1, dtype=np.int64).argmax(axis=-1)
        decisions = float(np.mean((votes == votes[0]).all(axis=0)))
    return Spread(tuple(rows), decisions, outputs.swapaxes(1, 2) if swap else outputs)

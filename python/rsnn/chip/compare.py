"""A float network against its integers: what `rsnn.chip.ChipNetwork.report` computes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.arguments import flag, scalar, shown
from rsnn.errors import InvalidValueError
from rsnn.threads import resolve

from .integers import BLOCK, Array
from .report import LayerReport, Report, StateRange, TimeConstant
from .result import Stats
from .rungs import Rung

if TYPE_CHECKING:
    from .network import ChipLayer, ChipNetwork

_TAUS = {"alpha": "tau_syn", "beta": "tau_mem"}


def compare(chip: ChipNetwork, x: Any, joules_per_synop: Any, causes: bool, threads: int | None) -> Report:
    """Run the float network and the integers, and compare them; see `ChipNetwork.report`."""
    constant = None if joules_per_synop is None else scalar("joules_per_synop", joules_per_synop)
    if constant is not None and constant < 0:
        raise InvalidValueError(f"joules_per_synop={shown(joules_per_synop)}: must not be negative; published figures are around 1e-11")
    workers, source = resolve(threads), chip.source
    integer = chip.run(x, threads=threads)
    batched = integer.output.ndim > 1 + len(source.shapes[-1])
    swap = source.batch_first and batched
    delays = {layer.neuron_index: layer.delay for layer in chip.layers}
    last = chip.layers[-1].neuron_index

    def timed(one: Any) -> Array:
        return np.asarray(one).swapaxes(0, 1) if swap else np.asarray(one)

    def in_chip_time(run: Any, places: Mapping[int, int]) -> dict[int, Array]:
        """Give the spikes of a float network as late as the chip gives them."""
        return {k: _later(timed(run.spikes[place]), delays[k]) for k, place in places.items()}

    float_ = source.run(x, threads=threads)
    expected, found = in_chip_time(float_, {k: k for k in delays}), {k: timed(one) for k, one in integer.spikes.items()}
    flow, _ = chip.enter("x", x, workers)
    rungs = [Rung("float", expected)]
    if flag("causes", causes):
        if chip.rounds_states:
            for cause, decays in (("weights", False), ("decays", True)):
                rounded, places = chip.in_float(decays=decays)
                rungs.append(Rung(cause, in_chip_time(rounded.run(x, threads=threads), places)))
        rungs += chip.rungs(flow, found, workers)
    states = chip.ranges(flow, integer.stats, workers)
    rows = []
    for layer in chip.layers:
        k = layer.neuron_index
        moved = {after.cause: _moved(before.spikes[k], after.spikes[k]) for before, after in pairwise(rungs)}
        constants = _constants(source.layers[k], layer)
        rows.append(_layer(layer, expected[k], found[k], integer.stats[k], batched, moved, states[k], constants))
    outputs = _later(timed(float_.output), delays[last]), timed(integer.output)
    steps, samples = outputs[1].shape[0], outputs[1].shape[1] if batched else 1
    return Report(chip.target, steps, samples, tuple(rows), _decisions(*outputs, batched), constant, integer.lost)


def _later(array: Array, delay: int) -> Array:
    """Delay along time: zeros come first."""
    return np.concatenate([np.zeros_like(array[:delay]), array[: len(array) - delay]])[: len(array)] if delay else array


def _moved(before: Array, after: Array) -> int:
    """Add up how far two counts of spikes are apart, in blocks of time that stay in the cache."""
    stretch, total = max(1, BLOCK // max(1, after[:1].size)), 0
    for start in range(0, len(after), stretch):
        cut = slice(start, start + stretch)
        total += int(np.abs(np.subtract(after[cut], before[cut].reshape(after[cut].shape), dtype=np.float64)).sum())
    return total


def _constants(neuron: Any, layer: ChipLayer) -> tuple[TimeConstant, ...]:
    """Give the time constants of a layer, in floats and on the chip."""
    neuron = getattr(neuron, "neuron", neuron)  # of neurons whose output comes back to them
    own, dt = neuron.coefficients(), neuron.stages.dt

    def span(kept: Any) -> tuple[float, float]:
        part = np.asarray(kept, np.float64)
        with np.errstate(divide="ignore"):
            tau = np.where(part <= 0, 0.0, -dt / np.minimum(np.log(np.maximum(part, 1e-300)), -0.0))
        return float(tau.min(initial=np.inf)), float(tau.max(initial=0.0))

    return tuple(TimeConstant(_TAUS[name], span(own[name]), span(kept)) for name, kept in layer.coefficients.items() if name in own)


def _layer(
    layer: ChipLayer, expected: Array, found: Array, stats: Stats, batched: bool, moved: dict[str, int], states: tuple[StateRange, ...],
    constants: tuple[TimeConstant, ...],
) -> LayerReport:  # fmt: skip
    """Compare the spikes of one layer."""
    same = found == expected
    over = tuple(range(2 if batched else 1))  # time and samples
    runs = found.size > 0
    first = None if same.all() else tuple(int(k) for k in np.argwhere(~same)[0])
    fired_float, fired = ((array != 0).any(axis=over) for array in (expected, found))
    return LayerReport(
        layer=layer.name,
        neurons=int(fired.size),
        spikes_float=int(expected.sum(dtype=np.float64)),
        spikes=stats.spikes,
        agreement=float(same.mean()) if runs else 1.0,
        first_step=None if first is None else first[0],
        first_neuron=None if first is None else first[1:],
        dead_float=int(np.count_nonzero(~fired_float)),
        dead=int(np.count_nonzero(~fired)),
        saturated=int(np.count_nonzero((found != 0).all(axis=over))) if runs else 0,
        beyond=stats.beyond,
        state_bits=layer.state_bits,
        highest=stats.highest,
        v_threshold=layer.v_threshold,
        synops=stats.synops,
        moved=moved,
        states=states,
        time_constants=constants,
    )


def _decisions(expected: Array, found: Array, batched: bool) -> float | None:
    """Give the part of the samples with the same most active output."""
    if found.ndim != (3 if batched else 2) or found.size == 0:
        return None
    votes = [array.sum(axis=0, dtype=np.float64).argmax(axis=-1) for array in (expected, found)]
    return float(np.mean(votes[0] == votes[1]))

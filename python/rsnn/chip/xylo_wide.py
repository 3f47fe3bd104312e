"""Xylo with states of 32 bits: the same shifts and sums, and nothing cut, to see what the chip's 16 bits do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rsnn import _rsnn

from .integers import Array, convert
from .loihi_synapses import product
from .neuron import IntegerNeuron, Register, run
from .report import StateRange

if TYPE_CHECKING:
    from .xylo import Core
    from .xylo_target import XyloNetwork

_BITS = 16
_STATE = (1 << (_BITS - 1)) - 1


def run_wide(core: Core, flow: Array, threads: int) -> tuple[list[Array], list[dict[str, Array]]]:
    """Run the neurons of a core with states of 32 bits and exact sums of weights.

    Parameters
    ----------
    flow : whole numbers (T, [B,] inputs)

    Returns
    -------
    spikes, traces
        Of hidden and output neurons, (T, B, n): spikes without what aliases add; currents ``i`` and membranes before they fire ``u``.
    """
    x = np.minimum(convert("x", flow), 15).astype(np.int64)
    samples = x if x.ndim == 3 else x[:, None]
    steps, batch = samples.shape[:2]
    w_in, w_rec, w_out = shifted_weights(core)
    n = core.sizes[1]
    drive = product(samples, np.ascontiguousarray(w_in.T), True, threads)
    hidden = _neuron(core.dash_syn[:, 0], core.dash_mem, core.threshold, core.bias, 31)
    heard = w_rec.copy()
    added = np.flatnonzero(core.alias >= 0)
    heard[added] += w_rec[core.alias[added]]  # what an alias adds to a neuron is heard wherever that neuron is
    spikes = np.zeros((steps, batch, n), np.int32)
    traces = {name: np.zeros((steps, batch, n), np.int32) for name in ("i", "u")}
    if spikes.size:
        _rsnn.integer_recurrent(
            hidden.spec, np.ascontiguousarray(drive), hidden.table((n,)), np.zeros((2, batch * n), np.int64), np.ascontiguousarray(heard),
            np.zeros((batch, n), np.int64), spikes, list(traces.items()), exponent=0, graded=True, threads=threads,
        )  # fmt: skip
    sent = np.zeros_like(spikes)
    sent[1:] = spikes[:-1]
    for one in added:
        sent[..., core.alias[one]] += sent[..., one]
    last = _neuron(core.dash_syn_out, core.dash_mem_out, core.threshold_out, core.bias_out, 1)
    out = run(last, product(sent, np.ascontiguousarray(w_out.T), True, threads), record=("i", "u"), threads=threads)
    return [spikes, out.spikes], [traces, dict(out.traces)]


def wide(chip: XyloNetwork, flow: Array, threads: int) -> tuple[dict[int, Array], dict[int, tuple[StateRange, ...]]]:
    """Give the spikes and the ranges of the states of each population, with states of 32 bits."""
    spikes, traces = run_wide(chip.core, flow, threads)
    found: dict[int, Array] = {}
    ranges = {}
    for one in chip.layers:
        fired, seen = spikes[int(one.output)][..., one.places], traces[int(one.output)]
        found[one.neuron_index] = fired if flow.ndim == 3 else fired[:, 0]
        ranges[one.neuron_index] = tuple(_range(label, seen[key][..., one.places]) for label, key in (("v", "u"), ("i", "i")))
    return found, ranges


def shifted_weights(core: Core) -> tuple[Array, Array, Array]:
    """Give the weights of input, of hidden neurons among each other, and to the output, as the chip shifts them."""
    w_in, w_rec, w_out = (w << by for w, by in zip((core.w_in[..., 0], core.w_rec[..., 0], core.w_out), core.shifts, strict=True))
    return w_in, w_rec, w_out


def _range(name: str, values: Array) -> StateRange:
    beyond = np.count_nonzero((values > _STATE) | (values < -_STATE - 1))
    return StateRange(name, int(values.min(initial=0)), int(values.max(initial=0)), _BITS, int(beyond))


def _neuron(dash_syn: Array, dash_mem: Array, threshold: Array, bias: Array, most: int) -> IntegerNeuron:
    """Describe the neuron of the chip, with states of 32 bits."""
    return IntegerNeuron(
        v_threshold=threshold, bias=bias, fire="multi", max_spikes=most,
        membrane=Register(bits=32, decay="shift", by=dash_mem), current=Register(bits=32, decay="shift", by=dash_syn, when="after"),
    )  # fmt: skip

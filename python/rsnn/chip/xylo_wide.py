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
    from .xylo_target import XyloNetwork

_BITS = 16
_STATE = (1 << (_BITS - 1)) - 1


def wide(chip: XyloNetwork, flow: Array, threads: int) -> tuple[dict[int, Array], dict[int, tuple[StateRange, ...]]]:
    """Run the same neurons with states of 32 bits and exact sums of weights; aliases add up after the step."""
    core = chip.core
    x = np.minimum(convert("x", flow), 15).astype(np.int64)
    samples = x if x.ndim == 3 else x[:, None]
    steps, batch = samples.shape[:2]
    w_in, w_rec, w_out = chip.weights
    drive = product(samples, np.ascontiguousarray(w_in.T), True, threads)
    neuron = _neuron(core.dash_syn[:, 0], core.dash_mem, core.threshold, core.bias, 31)
    n = core.sizes[1]
    own = w_rec.copy()
    for i in np.flatnonzero(core.alias >= 0):  # what an alias adds to a neuron is heard wherever that neuron is
        own[i] += w_rec[core.alias[i]]
    spikes = np.zeros((steps, batch, n), np.int32)
    traces = {name: np.zeros((steps, batch, n), np.int32) for name in ("i", "u")}
    if spikes.size:
        state = np.zeros((2, batch * n), np.int64)
        _rsnn.integer_recurrent(
            neuron.spec, np.ascontiguousarray(drive), neuron.table((n,)), state, np.ascontiguousarray(own), np.zeros((batch, n), np.int64),
            spikes, list(traces.items()), exponent=0, graded=True, threads=threads,
        )  # fmt: skip
    together = spikes.copy()
    for i in np.flatnonzero(core.alias >= 0):
        together[..., core.alias[i]] += spikes[..., i]
    sent = np.concatenate([np.zeros_like(together[:1]), together[:-1]]) if steps else together
    last = _neuron(core.dash_syn_out, core.dash_mem_out, core.threshold_out, core.bias_out, 1)
    out = run(last, product(sent, np.ascontiguousarray(w_out.T), True, threads), record=("i", "u"), threads=threads)
    found: dict[int, Array] = {}
    ranges = {}
    for one in chip.layers:
        seen = out.traces if one.output else traces
        fired = (out.spikes if one.output else spikes)[..., one.places]
        found[one.neuron_index] = fired if x.ndim == 3 else fired[:, 0]
        ranges[one.neuron_index] = tuple(_range(label, seen[key][..., one.places]) for label, key in (("v", "u"), ("i", "i")))
    return found, ranges


def _range(name: str, values: Array) -> StateRange:
    beyond = np.count_nonzero((values > _STATE) | (values < -_STATE - 1))
    return StateRange(name, int(values.min(initial=0)), int(values.max(initial=0)), _BITS, int(beyond))


def _neuron(dash_syn: Array, dash_mem: Array, threshold: Array, bias: Array, most: int) -> IntegerNeuron:
    """Describe the neuron of the chip, with states of 32 bits."""
    return IntegerNeuron(
        v_threshold=threshold, bias=bias, fire="multi", max_spikes=most,
        membrane=Register(bits=32, decay="shift", by=dash_mem), current=Register(bits=32, decay="shift", by=dash_syn, when="after"),
    )  # fmt: skip

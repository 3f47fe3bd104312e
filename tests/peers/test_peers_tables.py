"""What the tables of docs/howto put side by side: rsnn's own neurons against the libraries' on random data, and the names in them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import norse.torch as norse
import pytest
import sinabs.layers as sl
import snntorch as snn
import spikingjelly.activation_based.neuron as sj
import test_peers_norse
import test_peers_sinabs
import test_peers_snntorch
import test_peers_spikingjelly
import torch
from played import data, weights

import rsnn
import rsnn.torch as rt

HOWTO = Path(__file__).parents[2] / "docs/howto"
SNN, NORSE = test_peers_snntorch.play, test_peers_norse.play
SINABS, SJ = test_peers_sinabs.play, test_peers_spikingjelly.play


def recurrent() -> Any:
    """A recurrent neuron of snnTorch and rsnn's own with its weights."""
    theirs = weights(snn.RLeaky(beta=0.9, linear_features=5))
    ours = rt.LIFRecurrent(beta=0.9, hidden_size=5, autapses=True, recurrent_bias=True, reset_timing="next")
    ours.weight_recurrent.data.copy_(theirs.recurrent.weight.data)
    ours.bias_recurrent.data.copy_(theirs.recurrent.bias.data)
    return theirs, ours, SNN


SAME = {
    "Leaky": lambda: (snn.Leaky(beta=0.9), rt.LIF(beta=0.9, reset_timing="next"), SNN),
    "Leaky, reset_delay=False": lambda: (snn.Leaky(beta=0.9, reset_delay=False), rt.LIF(beta=0.9, reset_timing="residual"), SNN),
    "Leaky, zero, reset_delay=False": lambda: (
        snn.Leaky(beta=0.9, reset_mechanism="zero", reset_delay=False),
        rt.LIF(beta=0.9, reset="zero"),
        SNN,
    ),
    "Synaptic": lambda: (snn.Synaptic(alpha=0.9, beta=0.8), rt.LIF(alpha=0.9, beta=0.8, reset_timing="next"), SNN),
    "Lapicque": lambda: (
        snn.Lapicque(R=2.0, C=4.0),
        rt.LIF(tau_mem=8.0, r=2.0, discretization="euler", reset_timing="next"),
        SNN,
    ),
    "RLeaky": recurrent,
    "LIFBoxCell": lambda: (
        norse.LIFBoxCell(norse.LIFBoxParameters(v_th=torch.tensor(0.25))),
        rt.LIF(tau_mem=10.0, discretization="euler", v_threshold=0.25, reset="zero"),
        test_peers_norse.play_steps,
    ),
    "norse IAF": lambda: (norse.IAF(), rt.IAF(fire="single", reset="zero"), NORSE),
    "sinabs IAF": lambda: (sl.IAF(), rt.IAF(batch_first=True), SINABS),
    "sinabs IAF with a floor": lambda: (sl.IAF(min_v_mem=-1.0), rt.IAF(v_min=-1.0, batch_first=True), SINABS),
    "sinabs LIF": lambda: (sl.LIF(tau_mem=20.0), rt.LIF(tau_mem=20.0, fire="multi", batch_first=True), SINABS),
    "ExpLeak": lambda: (sl.ExpLeak(tau_mem=20.0), rt.LI(tau_mem=20.0, gain="unit", batch_first=True), SINABS),
    "IFNode": lambda: (sj.IFNode(step_mode="m"), rt.IAF(fire="single", reset="zero"), SJ),
    "LIFNode": lambda: (
        sj.LIFNode(tau=2.0, step_mode="m"),
        rt.LIF(tau_mem=2.0, discretization="euler", reset="zero"),
        SJ,
    ),
    "LIFNode, decay_input=False": lambda: (
        sj.LIFNode(tau=2.0, decay_input=False, step_mode="m"),
        rt.LIF(tau_mem=2.0, discretization="euler", reset="zero", gain="unit"),
        SJ,
    ),
    "LIFNode, v_reset=None": lambda: (sj.LIFNode(v_reset=None, step_mode="m"), rt.LIF(tau_mem=2.0, discretization="euler"), SJ),
    "CUBALIFNode": lambda: (sj.CUBALIFNode(), rt.LIF(alpha=0.5, beta=0.75, v_threshold=0.5, reset="zero"), None),
}


@pytest.mark.parametrize("name", SAME)
def test_rsnns_own_neuron_of_a_row_fires_as_the_librarys_but_for_roundings(name: str) -> None:
    theirs, ours, play = SAME[name]()
    if play is None:
        theirs.step_mode, play = "m", SJ
    x = data(40, 40, 5, scale=6.0 if name == "sinabs LIF" else 2.0)
    with torch.no_grad():
        expected, got = play(theirs, x), ours(x)[0]
    if not ours.spiking:
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
        return
    assert expected.sum() > 50
    differs = (got != expected).float().mean()
    assert differs <= 1e-3, float(differs)  # 8 of 8000: one membrane that met its threshold to the last bit, and what followed


def test_a_recording_is_what_the_library_hands_out() -> None:
    x = data(30, 3, 5, scale=2.0)
    neuron, mem = snn.Leaky(beta=0.9), []
    for step in x:
        mem.append(neuron(step)[1])
    assert torch.equal(rt.adopt(neuron).run(x, record=("v",)).v, torch.stack(mem))
    node = sj.LIFNode(step_mode="m", store_v_seq=True)
    node(x)
    assert torch.equal(rt.adopt(node).run(x, record=("v",)).v, node.v_seq)
    layer = sl.LIF(tau_mem=20.0, record_states=True)
    layer(x)
    assert torch.equal(rt.adopt(layer).run(x, record=("v",)).v, layer.recordings["v_mem"])


NAMES = {
    "snntorch": ["snntorch", "snntorch.spikegen", "snntorch.functional", "snntorch.spikeplot", "snntorch.surrogate"],
    "norse": ["norse.torch", "norse.torch.functional.stdp", "norse.torch.functional.tsodyks_makram", "norse.torch.module.encode"],
    "sinabs": ["sinabs.layers", "sinabs.activation", "sinabs.from_torch", "sinabs.utils"],
    "spikingjelly": [
        f"spikingjelly.activation_based{name}" for name in ("", ".neuron", ".layer", ".functional", ".surrogate", ".encoding")
    ],
}
"""Where the names of a page are."""

ATTRIBUTES = {"reset_mem", "recordings", "mem_rec", "append", "DynapcnnNetwork"}
"""Names that are not a module's own, and one that needs the chip maker's driver."""


@pytest.mark.parametrize("library", NAMES)
def test_every_name_in_the_librarys_column_exists(library: str) -> None:
    rows = [line.split("|")[1] for line in (HOWTO / f"{library}.md").read_text().splitlines() if line.startswith("| `")]
    assert rows
    found = {name for row in rows for code in re.findall(r"`([^`]*)`", row) for name in re.findall(r"\b([A-Za-z_]\w+)\(|^([\w.]+)$", code)}
    names = {(a or b).rpartition(".")[2] for a, b in found}
    homes = [torch.nn, *(importlib.import_module(home) for home in NAMES[library])]
    known = {name for home in homes for name in dir(home)} | ATTRIBUTES
    assert not {name for name in names if name not in known}


COUNTERPARTS = {
    "rsnn.encode": "rate latency delta poisson phase constant_current_lif spike_latency population",
    "rsnn.torch.losses": "ce_rate_loss ce_count_loss mse_count_loss mse_membrane_loss",
    "rsnn.plot": "raster traces spike_count animate",
    "rsnn.convert": "from_relu normalize_weights",
}


@pytest.mark.parametrize("home", COUNTERPARTS)
def test_every_counterpart_exists(home: str) -> None:
    module = importlib.import_module(home)
    assert not [name for name in COUNTERPARTS[home].split() if not hasattr(module, name)]
    assert rsnn.chip.TARGETS["speck2f"] is not None

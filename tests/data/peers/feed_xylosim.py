"""Run xylo.npz in xylosim, the simulator of rockpool: writes xylo_out.npz. Needs xylosim and numpy, nothing of rsnn."""

from pathlib import Path

FOLDER = Path(__file__).parent
path, x_path = FOLDER / "xylo.npz", FOLDER / "xylo_x.npz"

# page: begin
import json

import numpy as np
from xylosim.v2 import XyloLayer, XyloSynapse

with np.load(path) as file:
    arrays = dict(file)
core = json.loads(arrays["chip.json"])["chip"]["core"]
core = {name: arrays[value["array"]] if isinstance(value, dict) else value for name, value in core.items()}


def synapses(weights):
    return [[XyloSynapse(int(post), 0, int(row[post])) for post in np.flatnonzero(row)] for row in weights]


kept = [synapses(core[name]) for name in ("w_in", "w_rec", "w_out")]  # xylosim does not keep them alive itself
numbers = {name: core[name].tolist() for name in ("threshold", "threshold_out", "bias", "bias_out", "dash_mem", "dash_mem_out")}
xylo = XyloLayer(
    synapses_in=kept[0],
    synapses_rec=kept[1],
    synapses_out=kept[2],
    aliases=[[int(target)] if target >= 0 else [] for target in core["alias"]],
    has_bias=bool(core["bias"].any() or core["bias_out"].any()),
    dash_syns=[[int(dash), 0] for dash in core["dash_syn"]],
    dash_syns_out=[[int(dash)] for dash in core["dash_syn_out"]],
    **dict(zip(("weight_shift_inp", "weight_shift_rec", "weight_shift_out"), core["shifts"])),
    **numbers,
    name="rsnn",
)
# Rockpool's config_from_specification takes the same numbers: weights_in, weights_rec (a second synapse of zeros beside them) and
# weights_out are w_in, w_rec and w_out; weight_shift_in, weight_shift_rec and weight_shift_out are shifts; bias_hidden is bias.
# page: end

out = np.array(xylo.evolve(np.load(x_path)["x"].tolist()))
np.savez_compressed(FOLDER / "xylo_out.npz", out=out.astype(np.int16), v=np.array(xylo.rec_v_mem).T.astype(np.int16))

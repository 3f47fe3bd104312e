"""Run speck.npz in sinabs: writes speck_out.npz. Needs sinabs and torch, nothing of rsnn."""

from pathlib import Path

FOLDER = Path(__file__).parent
path, x_path = FOLDER / "speck.npz", FOLDER / "speck_x.npz"

# page: begin
import json

import numpy as np
import sinabs.layers
import torch

with np.load(path) as file:
    arrays = dict(file)
head = json.loads(arrays["chip.json"])["chip"]


def tensor(entry):
    return torch.from_numpy(arrays[entry["array"]].astype(np.float32))


modules = []
for layer in head["layers"]:  # a chain of cores: every layer takes the one before it
    weight = tensor(layer["weight"])
    conv = torch.nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2:], layer["stride"], layer["padding"], bias=False)
    conv.weight.data = weight
    if layer["bias"] is not None:
        conv.bias = torch.nn.Parameter(tensor(layer["bias"]))
    modules += [
        conv,
        sinabs.layers.IAFSqueeze(batch_size=1, spike_threshold=float(layer["v_threshold"]), min_v_mem=float(layer["v_min"])),
        sinabs.layers.SumPool2d(layer["pool"]),
    ]
net = torch.nn.Sequential(*modules)
# To go on to the chip: sinabs.backend.dynapcnn.DynapcnnNetwork(net, input_shape, discretize=False), head["cores"] says which core
# each layer may have, head["readout"] which channels of the last layer stand for the classes.
# page: end

with torch.no_grad():
    out = net(torch.from_numpy(np.load(x_path)["x"].astype(np.float32)))
np.savez_compressed(FOLDER / "speck_out.npz", out=out.numpy()[:, :, 0, 0].astype(np.int16))

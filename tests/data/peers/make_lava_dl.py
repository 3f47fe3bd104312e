"""Write lava_dl.npz: random CUBA neurons and weights, and the integers that lava-dl 0.6.0 (slayer) makes of them for Loihi."""

from pathlib import Path

import numpy as np
import torch
from lava.lib.dl.slayer.neuron import cuba
from lava.lib.dl.slayer.utils.quantize import quantize_hook_fx

rng = np.random.default_rng(4)
found: dict[str, np.ndarray] = {}
for k in range(20):
    weight = rng.normal(0, 10 ** rng.uniform(-1, 0.2), (4, 6)).astype(np.float32)
    alpha, beta, threshold = (float(np.float32(rng.uniform(low, high))) for low, high in ((0.1, 0.95), (0.1, 0.99), (0.1, 4.0)))
    neuron = cuba.Neuron(threshold=threshold, current_decay=1 - alpha, voltage_decay=1 - beta)
    made = neuron.device_params
    # What its network reader does before a matrix goes to Lava: what does not fit a synapse is clipped.
    whole = np.clip(quantize_hook_fx(torch.from_numpy(weight), descale=True).numpy(), -256, 254)
    case = {"weight": weight, "alpha": alpha, "beta": beta, "threshold": threshold, "q_weight": whole.astype(np.int32)}
    case |= {f"q_{name}": int(made[name]) for name in ("iDecay", "vDecay", "vThMant")}
    found |= {f"{k:03d}/{name}": np.asarray(value) for name, value in case.items()}
np.savez_compressed(Path(__file__).parent / "lava_dl.npz", **found)

"""Write rockpool.npz: random specifications of Xylo, and the integers that rockpool 3.1.0 makes of them."""

from pathlib import Path

import numpy as np
from rockpool.transform.quantize_methods import channel_quantize, global_quantize

NAMES = ("threshold", "threshold_out", "dash_mem", "dash_mem_out", "dash_syn", "dash_syn_2", "dash_syn_out")
RULES = {"global": global_quantize, "channel": channel_quantize}


def specification(rng: np.random.Generator, k: int) -> dict[str, np.ndarray]:
    n_in, n, n_out, n_syn = (int(rng.integers(low, high)) for low, high in ((2, 6), (3, 8), (2, 5), (1, 3)))
    spread = 10 ** rng.uniform(-3, 1)
    spec = {
        "weights_in": rng.normal(0, spread, (n_in, n, n_syn)), "weights_rec": rng.normal(0, spread, (n, n, n_syn)),
        "weights_out": rng.normal(0, spread, (n, n_out)),
    }  # fmt: skip
    if k % 5 == 0:  # a neuron without weights
        spec["weights_in"][:, 1], spec["weights_rec"][:, 1], spec["weights_out"][:, 0] = 0, 0, 0
    for name, size in zip(NAMES, (n, n_out, n, n_out, n, n, n_out), strict=True):
        spec[name] = rng.uniform(0.3, 2.0, size) * (1 if name.startswith("threshold") else 3)
    if k % 3 == 0:  # thresholds beyond 16 bits
        spec["threshold"][: n // 2] *= 400 * spread
    if k % 4 < 2:
        spec["threshold_out"][0] *= 500 * spread
    if k % 6:
        spec["bias"], spec["bias_out"] = rng.normal(0, spread, n), rng.normal(0, spread, n_out)
    return spec


rng = np.random.default_rng(7)
found: dict[str, np.ndarray] = {}
for k in range(24):
    rule = ("global", "channel")[k % 2]
    spec = specification(rng, k // 2)
    handed = {name: array.copy() for name, array in spec.items()}
    made = RULES[rule](**handed)
    cases = {"rule": np.array(rule), **spec, **{f"q_{name}": value for name, value in made.items()}}
    cases |= {f"after_{name}": handed[name] for name in ("bias", "bias_out") if name in handed}
    found |= {f"{k:03d}/{name}": np.asarray(value) for name, value in cases.items()}
np.savez_compressed(Path(__file__).parent / "rockpool.npz", **found)

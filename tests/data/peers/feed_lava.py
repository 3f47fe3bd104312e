"""Run loihi.npz in Lava's fixed-point models: writes loihi_out.npz. Needs lava-nc (Python 3.10), nothing of rsnn."""

from pathlib import Path

FOLDER = Path(__file__).parent
path, x_path = FOLDER / "loihi.npz", FOLDER / "loihi_x.npz"

# page: begin
import json

import numpy as np
from lava.proc.dense.process import Dense
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIF

with np.load(path) as file:
    arrays = dict(file)
layers = json.loads(arrays["chip.json"])["chip"]["layers"]
x = np.load(x_path)["x"]  # (T, channels), 0 and 1

source = RingBuffer(data=x.T.astype(int))
port, populations = source.s_out, []
for layer in layers:
    own = {name: arrays[value["array"]] if isinstance(value, dict) else value for name, value in layer.items()}
    dense = Dense(weights=own["weight"], num_weight_bits=own["num_weight_bits"])
    numbers = {name: own[name] for name in ("du", "dv", "vth", "bias_mant", "bias_exp")}
    lif = LIF(shape=(len(own["weight"]),), **numbers)
    port.connect(dense.s_in)
    dense.a_out.connect(lif.a_in)
    port = lif.s_out
    populations.append(lif)
# Each Dense takes a step: population k of the chip answers k + 1 steps later than rsnn's, which is aligned with the float network.
# page: end

if __name__ == "__main__":
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.monitor.process import Monitor

    probes = [Monitor() for _ in populations]
    for probe, lif in zip(probes, populations):
        probe.probe(lif.s_out, len(x))
    populations[0].run(condition=RunSteps(num_steps=len(x)), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    found = [next(iter(next(iter(probe.get_data().values())).values())) for probe in probes]
    populations[0].stop()
    np.savez_compressed(FOLDER / "loihi_out.npz", **{f"spikes_{k}": one.astype(np.int16) for k, one in enumerate(found)})

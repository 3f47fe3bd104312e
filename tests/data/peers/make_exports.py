"""Write speck.npz, xylo.npz and loihi.npz, networks that rsnn exported, and x in them for the makers' simulators (`feed_*.py`)."""

from pathlib import Path

import numpy as np

import rsnn

FOLDER = Path(__file__).parent
rng = np.random.default_rng(3)


def normal(*shape: int, mean: float = 0.0, spread: float | None = None) -> np.ndarray:
    wide = 1.2 / np.sqrt(np.prod(shape[1:])) if spread is None else spread
    return rng.normal(mean, wide, shape).astype(np.float32)


def write(name: str, target: str, net: rsnn.Network, x: np.ndarray, *, calibrate: bool = False) -> None:
    rsnn.chip.quantize(net, target, calibration=x if calibrate else None).export(FOLDER / f"{name}.npz")
    np.savez_compressed(FOLDER / f"{name}_x.npz", x=x)


def main() -> None:
    iaf = rsnn.IAF(v_min=-1.0)
    layers = [
        rsnn.Conv2d(normal(4, 2, 3, 3, mean=0.1), normal(4, spread=0.05), padding=1), iaf, rsnn.AvgPool2d(2),
        rsnn.Conv2d(normal(6, 4, 3, 3, mean=0.05), stride=2), iaf, rsnn.SumPool2d(2), rsnn.Flatten(), rsnn.Linear(normal(5, 24, mean=0.1)), iaf,
    ]  # fmt: skip
    write("speck", "speck2f", rsnn.Network(layers, (2, 18, 18)), rng.poisson(0.2, (40, 2, 18, 18)).astype(np.int16))
    own = {"alpha": 0.75, "beta": 0.875, "v_threshold": 4.0}
    hidden, output = rsnn.LIF(**own, fire="multi", max_spikes=31, bias=0.05), rsnn.LIF(**own)
    layers = [
        rsnn.Linear(normal(20, 16, mean=0.2, spread=0.4)), ("first", rsnn.Recurrent(hidden, normal(20, 20, spread=0.2))), rsnn.Delay(1.0),
        rsnn.Linear(normal(20, 20, mean=0.05, spread=0.4)), ("second", hidden),
        (None, rsnn.Linear(normal(5, 20, mean=0.1, spread=0.4)), ("first", "second")), output,
    ]  # fmt: skip
    write("xylo", "xylo_audio2", rsnn.Network(layers, 16), rng.poisson(0.15, (200, 16)).astype(np.int16), calibrate=True)
    lif = rsnn.LIF(beta=0.95, alpha=0.8, reset="zero")
    layers = [rsnn.Linear(normal(20, 16, mean=0.05, spread=0.4)), lif, rsnn.Linear(normal(5, 20, mean=0.1, spread=0.4)), lif]
    write("loihi", "loihi_lava", rsnn.Network(layers, 16), (rng.random((120, 16)) < 0.2).astype(np.int16))


main()

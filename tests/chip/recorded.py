"""What other software gave, recorded case by case in one file: arrays are named ``case/name``."""

from collections import defaultdict
from pathlib import Path

import numpy as np

PEERS = Path(__file__).parents[1] / "data" / "peers"


def cases(name: str) -> dict[str, dict[str, np.ndarray]]:
    """Read a file of tests/data/peers: the arrays of every case by name."""
    found: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    with np.load(PEERS / f"{name}.npz") as file:
        for key, array in file.items():
            number, _, own = key.partition("/")
            found[number][own] = array
    return found

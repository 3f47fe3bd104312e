"""Files cut off and altered at every region, and what reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import event_files
import numpy as np
from hostile import Rng, some

import rsnn


@dataclass
class Kept:
    """A file as it should be, and its reader."""

    name: str
    path: Path
    content: bytes
    read: Callable[[Path], Any]


def network() -> rsnn.Network:
    """Build a network with weights, pooling, a delay, recurrence and neurons with parameters of their own."""
    rng = np.random.default_rng(0)
    return rsnn.Network(
        [
            rsnn.Conv2d(rng.normal(0, 1, (3, 2, 3, 3)), padding=1), rsnn.IAF(), rsnn.SumPool2d(2), rsnn.Flatten(),
            rsnn.Linear(rng.normal(0, 1, (4, 12))), rsnn.LIF(np.linspace(5, 9, 4), tau_syn=2.0), rsnn.Linear(np.eye(4)), rsnn.LI(10.0),
        ],
        (2, 4, 4),
    )  # fmt: skip


def kept(folder: Path) -> list[Kept]:
    """Write one file of each kind that rsnn reads."""
    small = rsnn.Network([rsnn.Linear(np.eye(3)), rsnn.IAF(), rsnn.Linear(np.ones((2, 3))), rsnn.IAF()], (3,))
    network().save(folder / "network.npz")
    readers: list[tuple[str, Path, Callable[[Path], Any]]] = [("Network.load", folder / "network.npz", rsnn.Network.load)]
    for target in ("speck2f", "tinyodin"):
        path = folder / f"{target}.npz"
        neurons = [rsnn.Linear(np.eye(3)), rsnn.IAF(reset="zero")] if target == "tinyodin" else small.layers
        rsnn.chip.quantize(rsnn.Network(neurons, (3,)), target).export(path)
        readers.append((f"chip.load {target}", path, rsnn.chip.load))
    rsnn.nir.write(small, folder / "network.nir", allow_lossy=True)
    readers.append(("nir.read", folder / "network.nir", rsnn.nir.read))
    for name, write, more in (
        ("dvs128.aedat", event_files.dvs128, {"camera": "dvs128"}), ("aedat31.aedat", event_files.aedat31, {}),
        ("nmnist.bin", event_files.nmnist, {}), ("plain.npz", event_files.npz, {}), ("packed.npz", event_files.compressed, {}),
        ("shd.h5", event_files.shd, {}),
    ):  # fmt: skip
        readers.append((f"datasets.events {name}", write(folder / name), lambda path, more=more: list(rsnn.datasets.events(path, **more))))
    return [Kept(name, path, path.read_bytes(), read) for name, path, read in readers]


def damaged(rng: Rng, content: bytes) -> bytes:
    """Cut, altered, zeroed, repeated or filled up, at a place that may be any."""
    at, size = int(rng.integers(len(content))), int(some(rng, 1, 2, 4, 8, 64))
    kind = rng.integers(6)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + rng.bytes(min(size, len(content) - at)) + content[at + size :]
    if kind == 2:
        return content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :]
    if kind == 3:
        return content[:at] + some(rng, b"\0", b"\xff", b"\x7f")[:1] * min(size, len(content) - at) + content[at + size :]
    if kind == 4:
        return content[:at] + content[max(0, at - size) :]
    return content[:at] + content[at + size :]

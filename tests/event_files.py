"""Small files of events in every format that rsnn.datasets reads, and the records that are in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

RNG = np.random.default_rng(3)
N = 200
T = np.sort(RNG.integers(0, 300_000, N))
X, Y, P = RNG.integers(0, 34, N), RNG.integers(0, 34, N), RNG.integers(0, 2, N).astype(bool)
RECORDS = (
    np.rec.fromarrays([T, X, Y, P], dtype=[("t", "i8"), ("x", "u2"), ("y", "u2"), ("p", "?")])
    .view(np.ndarray)
    .view([("t", "i8"), ("x", "u2"), ("y", "u2"), ("p", "?")])
)


def aedat2(path: Path, address: Array, t: Array = T) -> Path:
    pairs = np.empty(len(t), [("address", ">u4"), ("t", ">i4")])
    pairs["address"], pairs["t"] = address, t
    path.write_bytes(b"#!AER-DAT2.0\r\n# This is a raw AE data file\r\n" + pairs.tobytes())
    return path


def dvs128(path: Path) -> Path:
    """x in bits 1 to 7, y in 8 to 14, and bit 0 is set where it got darker: the address of the DVS128 in jAER."""
    return aedat2(path, (Y << 8) | (X << 1) | ~P & 1)


def packet(kind: int, body: bytes, number: int, size: int = 8, overflow: int = 0, room: int = 0) -> bytes:
    head = np.array([kind, 1], "<i2").tobytes() + np.array([size, 4, overflow, number + room, number, number], "<i4").tobytes()
    return head + body + bytes(size * room)


def polarity(some: slice, valid: int = 1) -> bytes:
    pairs = np.empty(len(T[some]), [("data", "<u4"), ("t", "<i4")])
    pairs["data"], pairs["t"] = (X[some] << 17) | (Y[some] << 2) | (P[some] << 1) | valid, T[some]
    return pairs.tobytes()


HEAD = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n"


def aedat31(path: Path) -> Path:
    """Two packets of polarity events, one with room left over, and special events and invalid ones between them."""
    parts = [packet(1, polarity(slice(0, 80)), 80, room=3), packet(0, bytes(16), 2), packet(1, polarity(slice(0, 5), 0), 5)]
    path.write_bytes(HEAD + b"".join([*parts, packet(1, polarity(slice(80, None)), N - 80)]))
    return path


def nmnist(path: Path) -> Path:
    rows = np.stack([X, Y, (P << 7) | (T >> 16), (T >> 8) & 255, T & 255], axis=1).astype(np.uint8)
    path.write_bytes(rows.tobytes())
    return path


def shd(path: Path) -> Path:
    times = [np.sort(RNG.uniform(0, 1, n)).astype(np.float16) for n in (30, 0, 50)]
    with h5py.File(path, "w") as file:
        for name, kind, arrays in (("times", "f2", times), ("units", "u2", [RNG.integers(0, 700, len(t)) for t in times])):
            held = file.create_dataset(f"spikes/{name}", (3,), h5py.vlen_dtype(np.dtype(kind)))
            for k, array in enumerate(arrays):
                held[k] = array.astype(kind)
        file["labels"] = np.array([7, 1, 3])
    return path


def npz(path: Path) -> Path:
    np.savez(path, p=P, x=X, t=T, y=Y, label=4)
    return path


def compressed(path: Path) -> Path:
    np.savez_compressed(path, p=P, x=X, t=T, y=Y)
    return path

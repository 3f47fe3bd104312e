"""Event files of fixed records: AEDAT 2 and 3.1, and the .bin of N-MNIST. Whatever does not add up is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.errors import FileFormatError

Array = npt.NDArray[Any]

MICROSECOND = 1e-6
RECORD = np.dtype([("t", "i8"), ("x", "u2"), ("y", "u2"), ("p", "?")])


@dataclass(frozen=True)
class Camera:
    """What the 32 bits of an address of AEDAT 2 mean.

    Parameters
    ----------
    x, y, p : the lowest bit, and how many there are
    inverted : whether a polarity of 0 says brighter
    other : bits of which one says that it is no event of a pixel
    none : bits that no address has
    """

    x: tuple[int, int]
    y: tuple[int, int]
    p: tuple[int, int]
    inverted: bool
    other: int
    none: int = 0

    def field(self, name: str, address: Array) -> Array:
        """Give a field of addresses."""
        first, bits = getattr(self, name)
        return (address >> np.uint32(first)) & np.uint32((1 << bits) - 1)


CAMERAS = {
    "dvs128": Camera(x=(1, 7), y=(8, 7), p=(0, 1), inverted=True, other=0x80008000, none=0x7FFF0000),
    "davis": Camera(x=(12, 10), y=(22, 9), p=(11, 1), inverted=False, other=0x80000400),
}
"""Cameras of AEDAT 2, as jAER decodes them: external events, frames and the inertial unit are left out."""


def records_of(t: Any, x: Any, y: Any, p: Any) -> Array:
    """Make records of their fields."""
    made = np.empty(len(t), RECORD)
    made["t"], made["x"], made["y"], made["p"] = t, x, y, p
    return np.asarray(made)


def _body(where: Path, ends: bytes | None) -> bytes:
    """Give what follows the head: lines that begin with #, up to one that says so, or as long as they do."""
    content = where.read_bytes()
    at = 0
    while content.startswith(b"#", at):
        end = content.find(b"\n", at)
        if end < 0:
            raise FileFormatError(f"{where}: breaks off in its head")
        line, at = content[at:end].strip(), end + 1
        if ends is not None and line == ends:
            return content[at:]
    if ends is not None:
        raise FileFormatError(f"{where}: its head has no line {ends.decode()}: it is damaged, or only a part of the file")
    return content[at:]


def _whole(where: Path, body: bytes, size: int) -> None:
    if len(body) % size:
        raise FileFormatError(f"{where}: has {len(body)} bytes of events of {size} bytes: it breaks off in one, or is damaged")


def read_aedat2(where: Path, camera: str) -> Array:
    """Read AEDAT 2: big-endian pairs of address and microseconds."""
    kind, body = CAMERAS[camera], _body(where, None)
    _whole(where, body, 8)
    pairs = np.frombuffer(body, [("address", ">u4"), ("t", ">i4")])
    address, t = pairs["address"].astype(np.uint32), pairs["t"].astype(np.int64)
    if np.any(address & np.uint32(kind.none)):
        wrong = int(np.argmax((address & np.uint32(kind.none)) != 0))
        raise FileFormatError(
            f"{where}: event {wrong} has the address {address[wrong]:#x}, which {camera!r} has not: another camera, or damaged"
        )
    # The counter of 32 bits comes round after 71 minutes: a step back by more than half of it is one forward.
    turns = np.zeros(len(t), np.int64)
    turns[1:] = np.cumsum(np.diff(t) < -(2**31))
    if np.any(t + turns * 2**32 < 0):
        raise FileFormatError(f"{where}: has times before its begin: it is damaged")
    pixels = (address & np.uint32(kind.other)) == 0
    brighter = (kind.field("p", address) == 0) if kind.inverted else (kind.field("p", address) == 1)
    made = records_of(t + turns * 2**32, kind.field("x", address), kind.field("y", address), brighter)
    return np.asarray(made[pixels])


_HEADER = np.dtype(
    [(name, "<i2") for name in ("type", "source")]
    + [(name, "<i4") for name in ("size", "offset", "overflow", "capacity", "number", "valid")]
)
_POLARITY = 1


def read_aedat31(where: Path) -> Array:
    """Read AEDAT 3.1: packets with a head of 28 bytes; those of polarity events are kept, and of these the valid ones."""
    body = _body(where, b"#!END-HEADER")
    parts, at = [np.empty(0, RECORD)], 0
    while at < len(body):
        if at + _HEADER.itemsize > len(body):
            raise FileFormatError(f"{where}: breaks off in the head of a packet, {len(body) - at} bytes before its end")
        head = np.frombuffer(body, _HEADER, 1, at)[0]
        at += _HEADER.itemsize
        kind, size, capacity, number, valid = (int(head[name]) for name in ("type", "size", "capacity", "number", "valid"))
        other = kind == _POLARITY and (size != 8 or head["offset"] != 4)
        if size <= 0 or not 0 <= valid <= number <= capacity or not 0 <= kind < 64 or head["overflow"] < 0 or other:
            raise FileFormatError(
                f"{where}: a packet says {number} events of type {kind} and {size} bytes, room for {capacity}: it is damaged"
            )
        end = at + size * capacity
        if end > len(body):
            raise FileFormatError(f"{where}: breaks off in a packet that has {size * capacity} bytes, of which {len(body) - at} are there")
        if kind == _POLARITY:
            pairs = np.frombuffer(body, [("data", "<u4"), ("t", "<i4")], number, at)
            data = pairs["data"]
            t = pairs["t"].astype(np.int64) + (int(head["overflow"]) << 31)
            made = records_of(t, data >> np.uint32(17), (data >> np.uint32(2)) & np.uint32(0x7FFF), (data & np.uint32(2)) != 0)
            parts.append(made[(data & np.uint32(1)) != 0])
        at = end
    return np.concatenate(parts)


_OVERFLOW = 240
"""A row that no pixel has: the time has gone on by 2**13 µs."""


_BACK = 100_000
"""So many µs back from one event to the next there are only in a file that lost a byte."""


def read_nmnist(where: Path) -> Array:
    """Read the .bin of N-MNIST and N-Caltech101: 5 bytes an event, x, y, polarity and 23 bits of microseconds."""
    body = where.read_bytes()
    _whole(where, body, 5)
    rows = np.frombuffer(body, np.uint8).reshape(-1, 5).astype(np.int64)
    x, y, rest = rows[:, 0], rows[:, 1], rows[:, 2]
    turned = y == _OVERFLOW
    t = ((rest & 127) << 16) + (rows[:, 3] << 8) + rows[:, 4] + 2**13 * np.cumsum(turned)
    made = records_of(t, x, y, rest >= 128)[~turned]
    back = np.flatnonzero(np.diff(made["t"]) < -_BACK)
    if back.size or np.any(y > _OVERFLOW):
        what = f"goes back in time at event {back[0] + 1}" if back.size else f"has an event in row {y.max()}"
        raise FileFormatError(f"{where}: {what}: it is damaged, or no .bin of N-MNIST")
    return np.asarray(made)

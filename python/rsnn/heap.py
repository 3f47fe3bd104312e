"""The heaps of a file of HDF5, of texts and recordings of any length: checked first, since libhdf5 may not come back from altered ones."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

POINTER, HEAD, OBJECT = struct.Struct("<IQI"), struct.Struct("<4sB3xQ"), struct.Struct("<HH4xQ")
"""An entry (its length, the address of its collection, its number there); the head of a collection; the head of an object in it."""
COLLECTION = b"GCOL\1"
"""What a collection begins with."""


def check_entry(where: Path, dataset: Any, k: int) -> None:
    """Raise a ValueError where the collection that holds entry k of a dataset is not whole.

    Source: HDF5 File Format Specification, version 3, III.E, Disk Format: Level 1E - Global Heap.
    """
    place = _place(dataset, k)
    if place is None:
        return
    with where.open("rb") as file:
        size = file.seek(0, 2)
        length, address, number = POINTER.unpack(_read(file, place, POINTER.size, size))
        if not length:
            return
        if number not in _numbers(file, address, size):
            raise ValueError(f"entry {k} is not in its heap")


def check_heaps(where: Path) -> None:
    """Raise a ValueError where a collection of the file is not whole, whatever it is that lies in it."""
    content = where.read_bytes()
    with where.open("rb") as file:
        address = content.find(COLLECTION)
        while address >= 0:
            _numbers(file, address, len(content))
            address = content.find(COLLECTION, address + 1)


def _numbers(file: Any, address: int, size: int) -> set[int]:
    """Walk over a collection; the numbers of the objects in it."""
    name, version, whole = HEAD.unpack(_read(file, address, HEAD.size, size))
    if (name, version) != (b"GCOL", 1) or whole > size - address:
        raise ValueError(f"there is no whole heap at byte {address}")
    at, end, found = address + HEAD.size, address + whole, set()
    while end - at >= OBJECT.size:
        own, _, held = OBJECT.unpack(_read(file, at, OBJECT.size, size))
        at += held if own == 0 else OBJECT.size + (held + 7) // 8 * 8  # 0 is what is free, to the end
        if at > end or (own == 0 and at != end):
            raise ValueError(f"the heap at byte {address} is altered")
        found.add(own)
    return found


def _place(dataset: Any, k: int) -> int | None:
    """Give where in the file entry k of a dataset of one axis lies; None where that is not known."""
    if dataset.ndim != 1 or dataset.id.get_type().get_size() != POINTER.size:
        return None
    if dataset.chunks is None:
        begin = dataset.id.get_offset()
        return None if begin is None else int(begin) + k * POINTER.size
    if dataset.id.get_create_plist().get_nfilters():
        return None
    first = k - k % dataset.chunks[0]
    begin = dataset.id.get_chunk_info_by_coord((first,)).byte_offset
    return None if begin is None else int(begin) + (k - first) * POINTER.size


def _read(file: Any, at: int, length: int, size: int) -> bytes:
    if at + length > size:
        raise ValueError(f"points to byte {at} of {size}")
    file.seek(at)
    held: bytes = file.read(length)
    return held

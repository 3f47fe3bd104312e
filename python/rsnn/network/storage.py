"""Networks in files: one .npz with a description in JSON and the arrays, read without running anything that it holds.

The file is a zip archive, uncompressed. ``network.json`` holds::

    {"format": "rsnn.Network", "version": 1, "rsnn": "0.4.0", "digest": "...", "network": {"kind": "Network", ...}}

where ``network`` is the description of `rsnn.description` with ``{"array": 3}`` in place of an array, which is the entry ``3.npy``. The
digest is the SHA-256 of the entries. The same network gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn._rsnn import __version__
from rsnn.arguments import shown
from rsnn.description import from_data, to_data
from rsnn.errors import FileFormatError, InvalidTypeError, InvalidValueError

from .network import Network

Array = npt.NDArray[Any]

FORMAT = "rsnn.Network"
VERSION = 1
"""Of the format: raised when what older versions of rsnn read no longer says everything."""
ENTRY = "network.json"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every entry, the earliest that a zip can say: equal networks are equal files."""
_KINDS = "biuf"
"""Kinds of dtype that a description holds."""


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network to a file; see `rsnn.Network.save`."""
    arrays: list[Array] = []
    described = _without_arrays(to_data(network), arrays)
    entries = {f"{k}.npy": _encoded(array) for k, array in enumerate(arrays)}
    head = {"format": FORMAT, "version": VERSION, "rsnn": __version__, "digest": _digest(described, entries), "network": described}
    where = Path(_path(path))
    # Written beside it and moved there whole: whoever reads meanwhile, or after an interruption, finds the old file.
    beside = where.parent / f".{where.name}.{secrets.token_hex(8)}"
    try:
        with beside.open("xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for entry, content in {ENTRY: _text(head), **entries}.items():
                archive.writestr(zipfile.ZipInfo(entry, EPOCH), content)
        beside.replace(where)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network from a file; see `rsnn.Network.load`."""
    where = _path(path)

    def refuse(why: str) -> FileFormatError:
        return FileFormatError(f"{where}: {why}")

    with Path(where).open("rb") as file:
        try:
            entries = _entries(file)
            head = json.loads(entries.pop(ENTRY, b"null"))
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError, RecursionError) as error:
            raise refuse(f"is no network of rsnn, or only a part of one ({error}); save it again with network.save(path)") from None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise refuse(f"is no network of rsnn: it has no {ENTRY} that says format={FORMAT!r}; write one with network.save(path)")
    if head.get("version") != VERSION:
        came = f"version {shown(head.get('version'))} of the format, written by rsnn {shown(head.get('rsnn'))}"
        raise refuse(f"is of {came}; this rsnn, {__version__}, reads version {VERSION}: use that rsnn or a later one")
    described = head.get("network")
    if head.get("digest") != _digest(described, entries):
        raise refuse("was altered since it was saved: its digest is another one; save it again with network.save(path)")
    try:
        made = from_data(_with_arrays(described, lambda k: _decoded(entries, k)))
    except (InvalidValueError, InvalidTypeError) as error:
        raise refuse(
            f"holds something that this rsnn, {__version__}, does not take; it was written by {head.get('rsnn')}: {error}"
        ) from None
    if not isinstance(made, Network):
        raise refuse(f"holds a {type(made).__name__}, not a network")
    return made


def _path(path: Any) -> str:
    try:
        where = os.fspath(path)
    except TypeError:
        where = None
    if not isinstance(where, str):
        raise InvalidTypeError(f"path={shown(path)}: must be the path of a file, a string or pathlib.Path")
    return where


def _text(data: Any) -> bytes:
    return json.dumps(data, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def _digest(described: Any, entries: dict[str, bytes]) -> str:
    try:
        total = hashlib.sha256(_text(described))
    except (ValueError, RecursionError):  # NaN, which no description holds
        return ""
    for name in sorted(entries):
        total.update(f"{name} {len(entries[name])} ".encode())
        total.update(entries[name])
    return total.hexdigest()


def _entries(file: Any) -> dict[str, bytes]:
    """Read the entries of an archive, none of which is larger than the file: they are not compressed."""
    with zipfile.ZipFile(file) as archive:
        listed = archive.infolist()
        size = file.seek(0, os.SEEK_END)
        if any(one.compress_type != zipfile.ZIP_STORED for one in listed) or sum(one.file_size for one in listed) > size:
            raise ValueError("its entries are compressed, or larger than the file")
        names = [one.filename for one in listed]
        if len(set(names)) != len(names):
            raise ValueError("an entry is there twice")
        return {one.filename: archive.read(one) for one in listed}


def _without_arrays(data: Any, arrays: list[Array]) -> Any:
    """Put {"array": k} in place of every array, and the array in the list."""
    if isinstance(data, np.ndarray):
        arrays.append(data)
        return {"array": len(arrays) - 1}
    if isinstance(data, dict):
        return {key: _without_arrays(value, arrays) for key, value in data.items()}
    return [_without_arrays(value, arrays) for value in data] if isinstance(data, list) else data


def _with_arrays(data: Any, array: Callable[[Any], Array]) -> Any:
    """Undo `_without_arrays`."""
    if isinstance(data, dict):
        return array(data["array"]) if set(data) == {"array"} else {key: _with_arrays(value, array) for key, value in data.items()}
    return [_with_arrays(value, array) for value in data] if isinstance(data, list) else data


def _encoded(array: Array) -> bytes:
    buffer = io.BytesIO()
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)  # the same bytes, whichever machine wrote them
    np.lib.format.write_array(buffer, little, allow_pickle=False)
    return buffer.getvalue()


def _decoded(entries: dict[str, bytes], k: Any) -> Array:
    content = entries.get(f"{k}.npy")
    if content is None:
        raise InvalidValueError(f"the array {shown(k)} is missing")
    try:
        array: Array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, MemoryError, OverflowError, SyntaxError, TypeError) as error:
        raise InvalidValueError(f"the array {k} cannot be read ({error})") from None
    if array.dtype.kind not in _KINDS:
        raise InvalidTypeError(f"the array {k} is of {array.dtype}; must be numbers")
    return array.astype(array.dtype.newbyteorder("="), copy=False)

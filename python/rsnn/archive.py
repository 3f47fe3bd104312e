"""Files of rsnn: an uncompressed zip archive with a description in JSON and arrays, read without running anything that it holds.

The entry of JSON holds ``{"format": ..., "version": ..., "rsnn": ..., "digest": ..., KEY: description}``, with ``{"array": name}`` in place
of an array, which is the entry ``name.npy``. The digest is the SHA-256 of the description and the entries. The same description gives
the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn._rsnn import __version__
from rsnn.arguments import shown
from rsnn.errors import FileFormatError, InvalidTypeError, InvalidValueError
from rsnn.hints import other_file

Array = npt.NDArray[Any]

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every entry, the earliest that a zip can say: equal descriptions are equal files."""
_KINDS = "biuf"
"""Kinds of dtype that a description holds."""


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Parameters
    ----------
    name : what the file says it is
    version : raised when what older versions of rsnn read no longer says everything
    entry : the entry of JSON
    key : under which the description is in it
    thing : what the file is, in messages
    cure : how one is written
    named : whether arrays are named after their place in the description, as ``layers/0/weight``, or counted
    """

    name: str
    version: int
    entry: str
    key: str
    thing: str
    cure: str
    named: bool = False


def write(path: Any, kind: Format, described: Any) -> None:
    """Write plain data with arrays to a file; one that is there is replaced when the new one is complete."""
    arrays: dict[str, Array] = {}
    bare = _without_arrays(described, arrays, "", kind.named)
    entries = {f"{name}.npy": _encoded(array) for name, array in arrays.items()}
    head = {"format": kind.name, "version": kind.version, "rsnn": __version__, "digest": digest(bare, entries), kind.key: bare}
    with replacing(path_of("path", path)) as beside, beside.open("xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for entry, content in {kind.entry: _text(head), **entries}.items():
            archive.writestr(zipfile.ZipInfo(entry, EPOCH), content)


@contextmanager
def replacing(path: str) -> Iterator[Path]:
    """Give the path of a file to write, which takes the place of the other one when it is complete.

    Whoever reads meanwhile, or after an interruption, finds the old file.
    """
    where = Path(path)
    beside = where.parent / f".{where.name}.{secrets.token_hex(8)}"
    try:
        yield beside
        beside.replace(where)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def read(path: Any, kind: Format, make: Callable[[Any], Any]) -> Any:
    """Read a file, and make of its plain data what it describes."""
    where = path_of("path", path)

    def refuse(why: str) -> FileFormatError:
        return FileFormatError(f"{where}: {why}")

    def is_none(why: str) -> FileFormatError:
        return refuse(f"is no {kind.thing}{why}; {other_file(where, kind.entry) or kind.cure}")

    with Path(where).open("rb") as file:
        try:
            entries = _entries(file)
            head = json.loads(entries.pop(kind.entry, b"null"))
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError, RecursionError) as error:
            raise is_none(f", or only a part of one ({error})") from None
    if not isinstance(head, dict) or head.get("format") != kind.name:
        raise is_none(f": it has no {kind.entry} that says format={kind.name!r}")
    if head.get("version") != kind.version:
        came = f"version {shown(head.get('version'))} of the format, written by rsnn {shown(head.get('rsnn'))}"
        raise refuse(f"is of {came}; this rsnn, {__version__}, reads version {kind.version}: use that rsnn or a later one")
    bare = head.get(kind.key)
    if head.get("digest") != digest(bare, entries):
        raise refuse(f"was altered since it was saved: its digest is another one; {kind.cure}")
    try:
        return make(_with_arrays(bare, lambda name: _decoded(entries, name)))
    except (InvalidValueError, InvalidTypeError) as error:
        raise refuse(
            f"holds something that this rsnn, {__version__}, does not take; it was written by {head.get('rsnn')}: {error}"
        ) from None


def path_of(name: str, path: Any, accepted: str = "the path of a file, a string or pathlib.Path") -> str:
    """Check the path of a file."""
    try:
        where = os.fspath(path)
    except TypeError:
        where = None
    if not isinstance(where, str):
        raise InvalidTypeError(f"{name}={shown(path)}: must be {accepted}")
    try:
        held = os.fsencode(where)
    except UnicodeEncodeError:
        held = b"\0"
    if b"\0" in held:
        raise InvalidValueError(f"{name}={shown(where)}: holds a character that no path can have")
    return where


def _text(data: Any) -> bytes:
    return json.dumps(data, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def digest(described: Any, entries: dict[str, bytes]) -> str:
    """Give the SHA-256 of a description without arrays, and of the entries."""
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


def _without_arrays(data: Any, arrays: dict[str, Array], at: str, named: bool) -> Any:
    """Put {"array": name} in place of every array, and the array under its name."""
    if isinstance(data, np.ndarray):
        name: Any = at if named else len(arrays)
        arrays[str(name)] = data
        return {"array": name}
    below = f"{at}/" if at else ""
    if isinstance(data, dict):
        return {key: _without_arrays(value, arrays, f"{below}{key}", named) for key, value in data.items()}
    return [_without_arrays(value, arrays, f"{below}{k}", named) for k, value in enumerate(data)] if isinstance(data, list) else data


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


def _decoded(entries: dict[str, bytes], name: Any) -> Array:
    content = entries.get(f"{name}.npy")
    if content is None:
        raise InvalidValueError(f"the array {shown(name)} is missing")
    try:
        array: Array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, MemoryError, OverflowError, SyntaxError, TypeError) as error:
        raise InvalidValueError(f"the array {name} cannot be read ({error})") from None
    if array.dtype.kind not in _KINDS:
        raise InvalidTypeError(f"the array {name} is of {array.dtype}; must be numbers")
    return array.astype(array.dtype.newbyteorder("="), copy=False)

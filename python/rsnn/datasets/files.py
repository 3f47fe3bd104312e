"""`rsnn.datasets.events`: which file is of which format, and the formats that numpy, h5py and aedat read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.archive import path_of
from rsnn.arguments import choice, shown
from rsnn.errors import FileFormatError, InvalidTypeError, InvalidValueError
from rsnn.heap import check_entry

from .binary import CAMERAS, MICROSECOND, read_aedat2, read_aedat31, read_nmnist, records_of
from .recordings import Recordings

Array = npt.NDArray[Any]

FORMATS = ("aedat2", "aedat3.1", "aedat4", "n-mnist", "shd", "npz")
_ENDINGS = {".bin": "n-mnist", ".h5": "shd", ".hdf5": "shd", ".npz": "npz"}
_VERSIONS = {b"#!AER-DAT2": "aedat2", b"#!AER-DAT3.1": "aedat3.1", b"#!AER-DAT4": "aedat4"}
_NEEDED = ("t", "x")
_KNOWN = ("t", "x", "y", "p")


def events(source: Any, *, format: str | None = None, camera: str | None = None) -> Recordings:
    """Give the recordings of an event file, or of a data set, as event records.

    ===========  ===============================================  ==================  ========
    format       file                                             fields              t in
    ===========  ===============================================  ==================  ========
    aedat2       jAER, one recording; needs ``camera=``           t x y p             µs
    aedat3.1     cAER, one recording (DVS Gesture)                t x y p             µs
    aedat4       DV, one recording; takes the package aedat       t x y p             µs
    n-mnist      .bin of N-MNIST and N-Caltech101, one recording  t x y p             µs
    shd          .h5 of SHD and SSC, many; takes h5py             t x                 s
    npz          arrays t, x and perhaps y, p; one recording      those that it has   its own
    ===========  ===============================================  ==================  ========

    t is int64 where it counts microseconds, and counts as the file does; of SHD it is float64. x and y are uint16, p is bool, True of a
    pixel that got brighter. The first pixel, (0, 0), is where the format has it: nothing is mirrored.

    Parameters
    ----------
    source : path, structured array, or data set
        Of a file. Or records themselves, or an item ``(records, label)``, or a data set of such items with ``len`` and indices, as those of
        tonic: they are handed on as they are, and not copied.
    format : str, optional
        One of the first column; by default the file's ending and head say.
    camera : {"dvs128", "davis"}, optional
        Of aedat2 alone, whose head does not say what its addresses mean.

    Returns
    -------
    Recordings
        A sequence of structured arrays; a file is opened and its head checked now, a recording is read when it is asked for.

    Raises
    ------
    FileFormatError
        The file is no such file, or only a part of one, now or when a recording is read; the message says what is wrong.
    InvalidTypeError, InvalidValueError
        Another source, an unknown format, a camera that is missing or not meant.
    OSError, ImportError
        There is no such file; or aedat or h5py is missing.

    Notes
    -----
    What a format does not say of itself cannot be checked: where it has no checksums, which .npz alone has, a file that was cut off between
    two events looks whole, and so does one in which a pixel of the sensor became another one.

    Source: the AEDAT file formats of iniVation and jAER; G. Orchard et al., Converting static image datasets to spiking neuromorphic
    datasets using saccades, Frontiers in Neuroscience 2015; B. Cramer et al., The Heidelberg spiking data sets for the systematic
    evaluation of spiking neural networks, IEEE TNNLS 2022.

    Examples
    --------
    >>> import numpy as np, pathlib, rsnn, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "one.npz")
    ...     np.savez(path, t=[0, 1500, 1800], x=[1, 0, 0], p=[True, False, True])
    ...     recordings = rsnn.datasets.events(path)
    ...     rsnn.records.frames(recordings[0], (2, 2), dt=1000).tolist()
    [[[0.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]]
    """
    if format is not None:
        choice("format", format, FORMATS)
    if camera is not None:
        choice("camera", camera, tuple(CAMERAS))
    given = _in_memory(source)
    if given is not None:
        if format is not None or camera is not None:
            raise InvalidValueError("format=, camera=: they are of files; records came, leave them out")
        return given
    accepted = "the path of a file, a structured array with the fields t, x, y, p, or a data set of these"
    where = Path(path_of("source", source, accepted))
    with where.open("rb") as file:
        head = file.read(64)
    kind = format or _format_of(where, head)
    if (camera is not None) != (kind == "aedat2"):
        needs = f"is of aedat2, whose head does not say what an address means; give camera=, one of {', '.join(map(repr, CAMERAS))}"
        raise InvalidValueError(
            f"camera={camera!r}: {where} {needs if kind == 'aedat2' else f'is of {kind}, which says itself; leave it out'}"
        )
    return _READERS[kind](where, camera)


def _in_memory(source: Any) -> Recordings | None:
    """Take records, an item with a label, or a data set of items."""
    one = source[0] if isinstance(source, tuple) and source else source
    if isinstance(one, np.ndarray):
        if one.dtype.names is None:
            raise InvalidTypeError(f"source={shown(one)}: must be a structured array with the fields t, x, y, p; {one.dtype} came")
        return Recordings("memory", one.dtype.names, None, 1, lambda k: one)
    if (
        isinstance(source, (str, bytes, Mapping))
        or not (hasattr(source, "__getitem__") and hasattr(source, "__len__"))
        or isinstance(source, tuple)
    ):
        return None
    if not len(source):
        raise InvalidValueError("source: an empty data set came")

    def read(k: int) -> Array:
        item = source[k]
        found = item[0] if isinstance(item, tuple) else item
        if not isinstance(found, np.ndarray) or found.dtype.names is None:
            raise InvalidTypeError(
                f"source[{k}]={shown(found)}: must be a structured array of events, or (events, label); leave out the data set's transform"
            )
        return found

    return Recordings("memory", read(0).dtype.names or (), None, len(source), read)


def _format_of(where: Path, head: bytes) -> str:
    for start, kind in _VERSIONS.items():
        if head.startswith(start):
            return kind
    kind = _ENDINGS.get(where.suffix.lower(), "")
    if not kind:
        version = f": its head says {head[:14]!r}" if head.startswith(b"#!AER-DAT") else ""
        raise FileFormatError(f"{where}: is of no format that is known{version}; give format=, one of {', '.join(map(repr, FORMATS))}")
    return kind


def _single(kind: str, read: Callable[[Path, Any], Array]) -> Callable[[Path, Any], Recordings]:
    """Make the reader of a format with one recording in a file, in microseconds."""
    return lambda where, camera: Recordings(kind, _KNOWN, MICROSECOND, 1, lambda k: read(where, camera))


def _read_by(where: Path, what: str, read: Callable[[], Any]) -> Any:
    """Let a package read a file; whatever it raises, or panics with, says that the file is no such file."""
    try:
        return read()
    except (FileFormatError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # aedat's panic is no Exception
        raise FileFormatError(f"{where}: is no {what}, or only a part of one ({error})") from None


def _aedat4(where: Path, camera: Any) -> Array:
    try:
        import aedat
    except ImportError as error:
        raise ImportError("AEDAT 4 files are read by the package aedat: pip install 'rsnn[datasets]'") from error

    def read() -> tuple[dict[str, Any], list[Array]]:
        decoder = aedat.Decoder(str(where))
        streams = {k: stream for k, stream in decoder.id_to_stream().items() if stream["type"] == "events"}
        if not streams:
            raise ValueError("it has no events")
        first = min(streams)
        return streams[first], [packet["events"] for packet in decoder if packet["stream_id"] == first]

    stream, parts = _read_by(where, "AEDAT 4 file", read)
    found = np.concatenate(parts) if parts else np.zeros(0, [("t", "u8"), ("x", "u2"), ("y", "u2"), ("on", "?")])
    polarity = found["on"] if "on" in (found.dtype.names or ()) else found["p"]
    made = records_of(found["t"], found["x"], found["y"], polarity)
    outside = (made["x"] >= stream["width"]) | (made["y"] >= stream["height"])
    back = np.append(False, np.diff(made["t"]) < 0)
    if np.any(outside | back) or np.any(made["t"] < 0):
        k = int(np.argmax(outside | back | (made["t"] < 0)))
        raise FileFormatError(
            f"{where}: event {k} is at x={made['x'][k]}, y={made['y'][k]}, t={made['t'][k]}, which is outside of its sensor of "
            f"{stream['width']} x {stream['height']} pixels, or before the last one: it is damaged"
        )
    return made


def _shd(where: Path, camera: Any) -> Recordings:
    try:
        import h5py
    except ImportError as error:
        raise ImportError("files of SHD are read by the package h5py: pip install 'rsnn[datasets]'") from error

    def refuse(why: object) -> FileFormatError:
        return FileFormatError(f"{where}: is no file of SHD, or only a part of one ({why})")

    def opened(use: Callable[[Any], Any]) -> Any:
        def read() -> Any:
            with h5py.File(where, "r") as file:
                return use(file)

        return _read_by(where, "file of SHD", read)

    def look(file: Any) -> tuple[int, Array | None]:
        times, units = file["spikes/times"], file["spikes/units"]
        if len(times) != len(units):
            raise refuse(f"{len(times)} recordings of times, {len(units)} of units")
        labels = np.asarray(file["labels"]) if "labels" in file else None
        if labels is not None and len(labels) != len(times):
            raise refuse(f"{len(times)} recordings, {len(labels)} labels")
        return len(times), labels

    def read(k: int) -> Array:
        def one(file: Any) -> Array:
            times, units = file["spikes/times"], file["spikes/units"]
            for dataset in (times, units):
                check_entry(where, dataset, k)
            t, x = np.asarray(times[k], np.float64), np.asarray(units[k])
            if t.shape != x.shape or t.ndim != 1 or not np.isfinite(t).all() or np.any(t < 0) or np.any((x < 0) | (x > 65535)):
                raise refuse(f"recording {k} has {t.size} times, from {t.min(initial=0)}, and {x.size} units")
            made = np.empty(len(t), [("t", "f8"), ("x", "u2")])
            made["t"], made["x"] = t, x
            return made

        found: Array = opened(one)
        return found

    size, labels = opened(look)
    return Recordings("shd", _NEEDED, 1.0, size, read, labels)


def _npz(where: Path, camera: Any) -> Recordings:
    def opened(use: Callable[[Any], Any]) -> Any:
        def read() -> Any:
            # numpy leaves a file that it opened itself open where it cannot read it.
            with where.open("rb") as opened_file, np.load(opened_file, allow_pickle=False) as file:
                return use(file)

        return _read_by(where, ".npz file of numpy", read)

    def look(file: Any) -> tuple[str, ...]:
        for name in file.zip.namelist():
            file.zip.open(name).close()  # an altered name is another one than at the array itself
        fields = tuple(name for name in _KNOWN if name in file.files)
        if not set(_NEEDED) <= set(fields):
            raise FileFormatError(f"{where}: holds {', '.join(file.files) or 'nothing'}; must hold the arrays t, x, and perhaps y, p")
        return fields

    fields = opened(look)

    def read(k: int) -> Array:
        arrays: dict[str, Array] = opened(lambda file: {name: file[name] for name in fields})
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):  # numpy hands on the bytes of what does not begin as an array does
                raise FileFormatError(f"{where}: {name} is no array of numpy; write the file anew with numpy.savez")
        if len({array.shape for array in arrays.values()}) > 1 or arrays["t"].ndim != 1:
            came = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
            raise FileFormatError(f"{where}: its arrays have the shapes {came}; must be (events,), all of them")
        made = np.empty(len(arrays["t"]), [(name, array.dtype) for name, array in arrays.items()])
        for name, array in arrays.items():
            made[name] = array
        return made

    return Recordings("npz", fields, None, 1, read)


_READERS: dict[str, Callable[[Path, Any], Recordings]] = {
    "aedat2": _single("aedat2", read_aedat2),
    "aedat3.1": _single("aedat3.1", lambda where, camera: read_aedat31(where)),
    "aedat4": _single("aedat4", _aedat4),
    "n-mnist": _single("n-mnist", lambda where, camera: read_nmnist(where)),
    "shd": _shd,
    "npz": _npz,
}

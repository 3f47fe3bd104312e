"""Event files: what is in them comes out as records, in the order and unit that is said, and damaged ones are refused."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from event_files import HEAD, RECORDS, N, P, T, X, Y, aedat2, aedat31, compressed, dvs128, nmnist, npz, packet, polarity, shd

import rsnn

Array = np.ndarray[Any, np.dtype[Any]]

SINGLE: list[tuple[str, Any, dict[str, Any]]] = [
    ("one.aedat", dvs128, {"camera": "dvs128"}), ("one.aedat", aedat31, {}), ("one.bin", nmnist, {}), ("one.npz", npz, {}),
    ("one", nmnist, {"format": "n-mnist"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "write", "more"), SINGLE, ids=["aedat2", "aedat3.1", "n-mnist", "npz", "told"])
def test_events_come_out_as_they_went_in(name: str, write: Any, more: dict[str, Any], tmp_path: Path) -> None:
    recordings = rsnn.datasets.events(write(tmp_path / name), **more)
    assert len(recordings) == 1
    assert recordings.fields == ("t", "x", "y", "p") == recordings[0].dtype.names
    for field in recordings.fields:
        np.testing.assert_array_equal(recordings[0][field], RECORDS[field], err_msg=field)
    assert recordings.unit == (None if name.endswith("npz") else 1e-6)
    frames = rsnn.records.frames(recordings[0], (2, 34, 34), dt=1000)
    assert frames.sum() == N
    np.testing.assert_array_equal(frames, rsnn.records.frames(RECORDS, (2, 34, 34), dt=1000))


def test_a_davis_has_wider_addresses_and_its_frames_are_left_out(tmp_path: Path) -> None:
    address = ((Y << 22) | (X << 12) | (P << 11)).astype(np.int64)
    address[5] |= 1 << 31  # a sample of a frame
    mine = rsnn.datasets.events(aedat2(tmp_path / "one.aedat", address), camera="davis")[0]
    np.testing.assert_array_equal(mine, np.delete(RECORDS, 5).astype(mine.dtype))


def test_counters_that_come_round_go_on(tmp_path: Path) -> None:
    wraps = np.array([2**31 - 5, -(2**31) + 3, 10], np.int64)
    mine = rsnn.datasets.events(aedat2(tmp_path / "one.aedat", np.zeros(3, int), wraps), camera="dvs128")[0]
    assert mine["t"].tolist() == [2**31 - 5, 2**31 + 3, 2**32 + 10]
    (tmp_path / "two.aedat").write_bytes(HEAD + packet(1, polarity(slice(0, 1)), 1, overflow=2))
    assert rsnn.datasets.events(tmp_path / "two.aedat")[0]["t"].tolist() == [T[0] + 2**32]
    rows = np.array([[1, 2, 0, 0, 9], [0, 240, 0, 0, 0], [1, 2, 0, 0, 3]], np.uint8)
    (tmp_path / "one.bin").write_bytes(rows.tobytes())
    assert rsnn.datasets.events(tmp_path / "one.bin")[0]["t"].tolist() == [9, 2**13 + 3]


def test_shd_has_many_recordings_in_seconds_and_their_labels(tmp_path: Path) -> None:
    recordings = rsnn.datasets.events(shd(tmp_path / "shd_train.h5"))
    assert (len(recordings), recordings.unit, recordings.fields) == (3, 1.0, ("t", "x"))
    assert recordings.labels.tolist() == [7, 1, 3]
    with h5py.File(tmp_path / "shd_train.h5") as file:
        for k, one in enumerate(recordings):
            np.testing.assert_array_equal(one["t"], file["spikes/times"][k])
            np.testing.assert_array_equal(one["x"], file["spikes/units"][k])
    part = recordings[1:]
    assert part.labels.tolist() == [1, 3]
    np.testing.assert_array_equal(part[-1], recordings[2])
    assert rsnn.records.frames(list(recordings), 700, dt=0.01).shape[1:] == (3, 700)
    assert repr(part) == "Recordings(shd: 2, fields t x, t in 1 s)"


def test_a_recording_is_read_when_it_is_asked_for_and_no_sooner(tmp_path: Path) -> None:
    recordings = rsnn.datasets.events(nmnist(tmp_path / "one.bin"))
    (tmp_path / "one.bin").write_bytes(b"")
    assert len(recordings[0]) == 0


def test_items_of_tonic_go_in_as_they_are() -> None:
    kind = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
    item = np.zeros(3, kind)
    item["t"] = [0, 10, 20]

    class Dataset:
        def __len__(self) -> int:
            return 4

        def __getitem__(self, k: int) -> tuple[Array, int]:
            return item[: k + 1] if k < 3 else item, k

    assert rsnn.datasets.events(item)[0] is item
    assert rsnn.datasets.events((item, 5))[0] is item
    recordings = rsnn.datasets.events(Dataset())
    assert [len(one) for one in recordings] == [1, 2, 3, 3]
    assert recordings.fields == ("x", "y", "t", "p")
    net = rsnn.Network([rsnn.Flatten(), rsnn.IAF()], (2, 1, 1))
    assert net.run(list(recordings), dt=10).output.sum() == 9


DAMAGED: list[tuple[str, Any, dict[str, Any], Any, str]] = [
    ("a.aedat", dvs128, {"camera": "dvs128"}, lambda b: b[:-3], "bytes of events of 8 bytes: it breaks off"),
    ("a.aedat", dvs128, {"camera": "dvs128"}, lambda b: b[:20], "breaks off in its head"),
    ("a.aedat", dvs128, {"camera": "dvs128"}, lambda b: b[:-7] + b"\xff" * 7, "which 'dvs128' has not|before its begin"),
    ("a.aedat", aedat31, {}, lambda b: b[:-3], "breaks off in a packet"),
    ("a.aedat", aedat31, {}, lambda b: b[: len(HEAD) + 9], "breaks off in the head of a packet"),
    ("a.aedat", aedat31, {}, lambda b: b[:20], "breaks off in its head|has no line #!END-HEADER"),
    ("a.aedat", aedat31, {}, lambda b: b.replace(b"#!END-HEADER\r\n", b""), "has no line #!END-HEADER"),
    ("a.aedat", aedat31, {}, lambda b: b[: len(HEAD)] + b"\x01\x00\x01\x00" + b"\xff" * 200, "a packet says .* it is damaged"),
    ("a.bin", nmnist, {}, lambda b: b[:-1], "bytes of events of 5 bytes"),
    ("a.bin", nmnist, {}, lambda b: b[:302] + b[303:] + b"\x00", "it is damaged, or no .bin of N-MNIST"),
    ("a.h5", shd, {}, lambda b: b[:500], "is no file of SHD, or only a part of one"),
    ("a.h5", shd, {}, lambda b: b"hello", "is no file of SHD"),
    ("a.npz", npz, {}, lambda b: b[:-30], "is no .npz file of numpy, or only a part of one"),
    ("a.npz", npz, {}, lambda b: b[:300] + b"\xff\xff" + b[302:], "is no .npz file of numpy, or only a part of one"),
    ("a.dat", nmnist, {}, lambda b: b, "is of no format that is known; give format="),
    ("a.dat", nmnist, {}, lambda b: b"#!AER-DAT1.0\r\n" + b, "is of no format that is known: its head says b'#!AER-DAT1.0"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "write", "more", "damage", "message"), DAMAGED, ids=[str(k) for k in range(len(DAMAGED))])
def test_a_damaged_file_is_refused(name: str, write: Any, more: dict[str, Any], damage: Any, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / name)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(rsnn.FileFormatError, match=message):
        rsnn.datasets.events(path, **more)[0]


FUZZED: list[tuple[str, Any, dict[str, Any], int]] = [
    *((name, write, more, 400) for name, write, more in SINGLE[:4]),
    ("one.npz", compressed, {}, 400),
    ("one.h5", shd, {}, 400),
]


@pytest.mark.parametrize(("name", "write", "more", "altered"), FUZZED, ids=["aedat2", "aedat3.1", "n-mnist", "npz", "compressed", "shd"])
def test_a_file_cut_or_altered_anywhere_is_read_or_refused_by_name(
    name: str, write: Any, more: dict[str, Any], altered: int, tmp_path: Path
) -> None:
    path = write(tmp_path / name)
    content, rng, refused = path.read_bytes(), np.random.default_rng(5), 0
    expected = [np.array(one) for one in rsnn.datasets.events(path, **more)]
    damaged = [content[:size] for size in np.linspace(0, len(content) - 1, 100).astype(int)]
    for _ in range(altered):
        changed, at = bytearray(content), int(rng.integers(len(content)))
        changed[at : at + 4] = rng.bytes(min(4, len(content) - at))
        damaged.append(bytes(changed))
    for one in damaged:
        path.write_bytes(one)
        try:
            found = list(rsnn.datasets.events(path, **more))
        except rsnn.FileFormatError:
            refused += 1
        else:
            assert name.endswith(("aedat", "bin", "h5")) or all(map(np.array_equal, found, expected))
    assert refused > 0.25 * len(damaged)  # most of a file are addresses, any of which may be one


@pytest.mark.parametrize("layout", [{}, {"maxshape": (None,), "chunks": (2,)}], ids=["contiguous", "chunked"])
def test_a_file_of_shd_with_an_altered_heap_is_refused_before_libhdf5_walks_it_for_ever(layout: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "one.h5"
    with h5py.File(path, "w") as file:
        for name, kind in (("times", "f2"), ("units", "u2")):
            held = file.create_dataset(f"spikes/{name}", (3,), h5py.vlen_dtype(np.dtype(kind)), **layout)
            for k, n in enumerate((30, 0, 50)):
                held[k] = np.arange(n).astype(kind)
    content = path.read_bytes()
    first = rsnn.datasets.events(path)[2]
    np.testing.assert_array_equal(first["t"], np.arange(50))
    heap = content.index(b"GCOL")
    size = int.from_bytes(content[heap + 24 : heap + 32], "little")  # of the first object, behind the head of 16 bytes
    assert size == 60
    for other in (68, 10**6, 2**63):
        path.write_bytes(content[: heap + 24] + other.to_bytes(8, "little") + content[heap + 32 :])
        with pytest.raises(rsnn.FileFormatError, match=r"is no file of SHD, or only a part of one .*(heap|points to byte)"):
            list(rsnn.datasets.events(path))


def test_arrays_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", t=[1, 2], x=[1])
    with pytest.raises(rsnn.FileFormatError, match=r"t \(2,\), x \(1,\); must be \(events,\)"):
        rsnn.datasets.events(tmp_path / "a.npz")[0]
    np.savez(tmp_path / "b.npz", times=[1, 2])
    with pytest.raises(rsnn.FileFormatError, match="holds times; must hold the arrays t, x"):
        rsnn.datasets.events(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", t=np.array([{}], object), x=[1])
    with pytest.raises(rsnn.FileFormatError, match="allow_pickle"):
        rsnn.datasets.events(tmp_path / "c.npz")[0]
    with h5py.File(shd(tmp_path / "d.h5"), "r+") as file:
        del file["labels"]
        file["labels"] = [1]
    with pytest.raises(rsnn.FileFormatError, match="3 recordings, 1 labels"):
        rsnn.datasets.events(tmp_path / "d.h5")


def test_what_is_not_accepted_is_refused_by_name(tmp_path: Path) -> None:
    path = dvs128(tmp_path / "one.aedat")
    value, type_ = rsnn.InvalidValueError, rsnn.InvalidTypeError
    cases: list[tuple[Any, dict[str, Any], Any, str]] = [
        (path, {}, value, "camera=None: .* is of aedat2, whose head does not say what an address means; give camera=, one of 'dvs128'"),
        (path, {"camera": "dvs129"}, value, "camera='dvs129': must be one of .*did you mean 'dvs128'"),
        (nmnist(tmp_path / "a.bin"), {"camera": "davis"}, value, "is of n-mnist, which says itself; leave it out"),
        (path, {"format": "aedat"}, value, "format='aedat': must be one of"),
        (RECORDS, {"format": "npz"}, value, "they are of files; records came"),
        (np.zeros(3), {}, type_, r"source=.*must be a structured array with the fields t, x, y, p"),
        ([np.zeros(3)], {}, type_, r"source\[0\]="),
        ([], {}, value, "an empty data set came"),
        (5, {}, type_, "source=5: must be the path of a file, a structured array"),
    ]
    for source, more, error, message in cases:
        with pytest.raises(error, match=message):
            rsnn.datasets.events(source, **more)
    with pytest.raises(FileNotFoundError):
        rsnn.datasets.events(tmp_path / "nothing.bin")
    recordings = rsnn.datasets.events(path, camera="dvs128")
    with pytest.raises(rsnn.OutOfRangeError, match=r"recordings\[1\]: there are 1"):
        recordings[1]
    with pytest.raises(type_, match="must be a whole number or a slice"):
        recordings["a"]


class Panic(BaseException):
    """What a package in Rust raises where it panics: no Exception."""


class Decoder:
    """Of the package aedat 2: streams by id, and packets with structured arrays."""

    def __init__(self, path: str) -> None:
        self.said = Path(path).read_bytes().removeprefix(b"#!AER-DAT4.0\r\n").decode()
        if self.said == "xyz":
            raise RuntimeError("corrupted")
        if self.said == "panic":
            raise Panic("start byte index 141 is not a char boundary")

    def id_to_stream(self) -> dict[int, dict[str, Any]]:
        return {0: {"type": "frame"}, 1: {"type": "events", "width": 34, "height": 34}}

    def __iter__(self) -> Any:
        own = RECORDS.astype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "?")])
        if self.said == "far":
            own["x"][7] = 34
        if self.said == "back":
            own["t"][7] = own["t"][6] - 1
        return iter([{"stream_id": 0}, {"stream_id": 1, "events": own[:50]}, {"stream_id": 1, "events": own[50:]}])


def test_aedat4_is_read_by_the_package_aedat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.aedat4"
    path.write_bytes(b"#!AER-DAT4.0\r\n")
    recordings = rsnn.datasets.events(path)
    assert recordings.format == "aedat4"
    monkeypatch.setitem(sys.modules, "aedat", None)
    with pytest.raises(ImportError, match=r"pip install 'rsnn\[datasets\]'"):
        recordings[0]
    monkeypatch.setitem(sys.modules, "aedat", SimpleNamespace(Decoder=Decoder))  # type: ignore[arg-type]
    np.testing.assert_array_equal(recordings[0], RECORDS)
    for said, message in (
        ("xyz", r"is no AEDAT 4 file, or only a part of one \(corrupted\)"),
        ("panic", "is no AEDAT 4 file, or only a part of one .*char boundary"),
        ("far", "event 7 is at x=34, .* outside of its sensor of 34 x 34 pixels"),
        ("back", "event 7 is at .* before the last one"),
    ):
        path.write_bytes(b"#!AER-DAT4.0\r\n" + said.encode())
        with pytest.raises(rsnn.FileFormatError, match=message):
            recordings[0]

"""Networks in files: what is loaded is what was saved, in every bit, and a file that is anything else is refused by name."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from named_strategies import named
from preset_strategies import presets
from stage_strategies import every
from test_graph import graphs

import rsnn
from rsnn.description import from_data, to_data

Array = np.ndarray[Any, np.dtype[Any]]
# The folder is the same for all examples of a test: each of them writes its file anew.
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def image_network() -> rsnn.Network:
    rng = np.random.default_rng(0)
    return rsnn.Network(
        [
            ("weights", rsnn.Conv2d(rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3).astype(np.float32), stride=(1, 2), padding=1)),
            ("neurons", rsnn.presets.snntorch.Leaky(beta=np.float32(0.9))),
            rsnn.MaxPool2d((2, 1)), rsnn.SumPool2d(1), rsnn.AvgPool2d((4, 2)), rsnn.Flatten(),
            ("late", rsnn.Delay(1.5, dt=0.5)),
            ("hidden", rsnn.Recurrent(rsnn.LIF(tau_mem=np.arange(1.0, 7.0)), rng.normal(size=(6, 6)), rng.normal(size=6)), ("late", 5)),
            rsnn.Add(), rsnn.Linear(rng.normal(size=(4, 6))), rsnn.LI(beta=1 / 3),
        ],
        input_shape=(2, 8, 9),
        batch_first=True,
    )  # fmt: skip


def same_bits(a: Any, b: Any) -> bool:
    """Whether two descriptions in plain data are the same, arrays by dtype, shape and bytes, numbers by type and repr."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same_bits(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same_bits, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


@given(st.one_of(every(3), named(3), presets(3)))
def test_every_neuron_is_made_again_from_its_description(neuron: Any) -> None:
    described = to_data(neuron)
    again = from_data(described)
    assert type(again) is type(neuron)
    assert again == neuron
    assert again.kernel() == neuron.kernel()
    assert repr(again) == repr(neuron)
    assert same_bits(to_data(again), described)
    # Plain data alone: what JSON cannot say is an array.
    json.dumps(described, default=lambda array: array.tolist() if isinstance(array, np.ndarray) else 1 / 0, allow_nan=False)


@ONE_FOLDER
@given(net=graphs())
def test_a_network_is_loaded_as_it_was_saved(net: rsnn.Network, tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    net.save(path)
    again = rsnn.Network.load(path)
    assert again == net
    assert repr(again) == repr(net)
    assert same_bits(to_data(again), to_data(net))


@ONE_FOLDER
@given(neuron=st.one_of(every(3), presets(3)), weight=st.sampled_from([np.float32, np.float64]), seed=st.integers(0, 2**32 - 1))
def test_any_neuron_runs_as_before_after_it_was_saved(neuron: Any, weight: Any, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    net = rsnn.Network([rsnn.Linear(rng.normal(size=(3, 2)).astype(weight)), ("neurons", neuron)], 2)
    net.save(tmp_path / "net.npz")
    x = rng.normal(0.5, 1.0, (20, 4, 2))
    before, after = net.run(x), rsnn.Network.load(tmp_path / "net.npz").run(x)
    assert np.array_equal(before.output, after.output, equal_nan=True)


def test_every_layer_is_in_a_file_that_numpy_reads_and_no_array_is_pickled(tmp_path: Path) -> None:
    net, path = image_network(), tmp_path / "net.npz"
    net.save(str(path))
    again = rsnn.Network.load(str(path))
    assert again == net
    assert again.names == net.names
    assert again.layers[0].weight.dtype == np.float64
    assert again.layers[0].bias.dtype == np.float32
    with np.load(path, allow_pickle=False) as file:
        head = json.loads(file["network.json"])
        assert (head["format"], head["version"]) == ("rsnn.Network", 1)
        assert head["network"]["layers"][0]["kind"] == "Conv2d"
        assert np.array_equal(file[str(head["network"]["layers"][0]["weight"]["array"])], net.layers[0].weight)


def test_the_same_network_gives_the_same_bytes_and_little_more_than_its_weights(tmp_path: Path) -> None:
    net = rsnn.Network([rsnn.Linear(np.ones((100, 1000), np.float32)), rsnn.LIF(beta=0.9)], 1000)
    net.save(tmp_path / "a.npz")
    rsnn.Network.load(tmp_path / "a.npz").save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert (tmp_path / "a.npz").stat().st_size < 400_000 + 3000


def test_a_save_replaces_the_file_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.npz"
    net = image_network()
    net.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(zipfile.ZipFile, "writestr", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="the disk is full"):
        rsnn.Network([rsnn.LIF()], 1).save(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["net.npz"]


def test_a_new_file_may_be_read_by_whom_the_umask_says(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        image_network().save(tmp_path / "net.npz")
    finally:
        os.umask(old)
    assert (tmp_path / "net.npz").stat().st_mode & 0o777 == 0o640


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    image_network().save(path)
    content = path.read_bytes()
    for size in [*range(0, len(content), 211), len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(rsnn.FileFormatError, match=r"net\.npz: "):
            rsnn.Network.load(path)


@ONE_FOLDER
@given(at=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_byte_changed_anywhere_is_refused_or_changes_nothing(at: float, flip: int, tmp_path: Path) -> None:
    net, path = image_network(), tmp_path / "net.npz"
    net.save(path)
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= flip
    path.write_bytes(content)
    try:
        again = rsnn.Network.load(path)
    except rsnn.FileFormatError:
        return
    assert again == net  # a date in the archive, or the like


def rewritten(path: Path, change: Any) -> None:
    """Write the file again with its head or its entries changed by a function."""
    with zipfile.ZipFile(path) as archive:
        entries = {one.filename: archive.read(one) for one in archive.infolist()}
    head = json.loads(entries["network.json"])
    change(head, entries)
    entries["network.json"] = json.dumps(head).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], object), allow_pickle=True)
    return buffer.getvalue()


CHANGES: list[tuple[Any, str]] = [
    (lambda head, entries: head.update(version=2), "is of version 2 of the format.*reads version 1: use that rsnn or a later one"),
    (lambda head, entries: head.update(version="1"), "is of version '1'"),
    (lambda head, entries: head.pop("version"), "is of version None"),
    (lambda head, entries: head.update(format="other"), "is no network of rsnn: it has no network.json that says"),
    (lambda head, entries: head["network"].update(batch_first=False), "was altered"),
    (lambda head, entries: head["network"]["layers"][4].update(kernel=[1, 1]), "was altered"),
    (lambda head, entries: head["network"].update(input_shape=float("nan")), "was altered"),
    (lambda head, entries: entries.pop("0.npy"), "was altered"),
    (lambda head, entries: entries.update({"0.npy": entries["1.npy"]}), "was altered"),
    (lambda head, entries: entries.update({"more.npy": entries["1.npy"]}), "was altered"),
    (lambda head, entries: entries.update({"0.npy": pickled()}), "was altered"),
    (lambda head, entries: head.pop("digest"), "was altered"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_an_altered_file_is_refused(change: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    image_network().save(path)
    rewritten(path, change)
    with pytest.raises(rsnn.FileFormatError, match=message):
        rsnn.Network.load(path)


def shaped(entries: dict[str, bytes], shape: bytes) -> dict[str, bytes]:
    """Give the first array with another shape in its head, of as many characters."""
    before = b"(3, 2, 3, 3)"
    assert len(shape) == len(before)
    assert before in entries["0.npy"]
    return {"0.npy": entries["0.npy"].replace(before, shape)}


# With a digest that fits, as of somebody who meant it: nothing but constructors of rsnn is called, and they check.
FORGED: list[tuple[Any, str]] = [
    (lambda head, entries: entries.update({"0.npy": pickled()}), "the array 0 cannot be read.*allow_pickle=False"),
    (lambda head, entries: entries.pop("0.npy"), "the array 0 is missing"),
    (lambda head, entries: entries.update({"0.npy": entries["0.npy"][:90]}), "the array 0 cannot be read"),
    (lambda head, entries: entries.update({"0.npy": b"no array"}), "the array 0 cannot be read"),
    (lambda head, entries: entries.update(shaped(entries, b"(3, 2*9**9,)")), "the array 0 cannot be read"),
    (lambda head, entries: entries.update(shaped(entries, b"(999999999,)")), "the array 0 cannot be read"),
    (lambda head, entries: entries.update({"0.npy": entries["0.npy"].replace(b"<f8", b"|S8")}), r"the array 0 is of \|S8"),
    (lambda head, entries: head["network"]["layers"][0].update(weight={"array": "../0"}), "the array '../0' is missing"),
    (lambda head, entries: head["network"]["layers"][0].update(kind="os.system"), "kind='os.system': rsnn has no such layer"),
    (lambda head, entries: head["network"]["layers"][0].update(kind="presets.norse.preset"), "rsnn has no such layer"),
    (lambda head, entries: head["network"]["layers"][0].update(kind="presets.norse.surrogate"), "rsnn has no such layer"),
    (lambda head, entries: head["network"]["layers"][0].update(kind="presets.os.system"), "rsnn has no such layer"),
    (lambda head, entries: head["network"]["layers"][0].update(kind=5), "kind=5: must be the name"),
    (lambda head, entries: head["network"]["layers"][0].update(strides=1), "Conv2d: there is no field 'strides'; did you mean 'stride'"),
    (lambda head, entries: head["network"]["layers"][0].pop("weight"), "Conv2d: .*missing.*weight"),
    (lambda head, entries: head["network"]["layers"][0].update(weight="heavy"), "Conv2d: weight='heavy'"),
    (lambda head, entries: head["network"]["layers"][10].update(beta=2.0), "LI: beta=2.0: must be between 0 and 1"),
    (lambda head, entries: head["network"]["layers"][2].update({"kind": "function", "name": "os.system"}), "rsnn has no such layer"),
    (lambda head, entries: head["network"].update(input_shape=[3, 8, 9]), "Network: .*3 channels"),
    (lambda head, entries: head.update(network=head["network"]["layers"][10]), "holds a LI, not a network"),
    (lambda head, entries: head.update(network=None), "holds a NoneType, not a network"),
    (lambda head, entries: head.update(network=[1, 2]), "holds a tuple, not a network"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), FORGED)
def test_a_forged_file_runs_nothing_and_is_refused(change: Any, message: str, tmp_path: Path) -> None:
    from rsnn.archive import digest as _digest

    def forge(head: Any, entries: Any) -> None:
        change(head, entries)
        head["digest"] = _digest(head["network"], {name: data for name, data in entries.items() if name != "network.json"})

    path = tmp_path / "net.npz"
    image_network().save(path)
    rewritten(path, forge)
    with pytest.raises(rsnn.FileFormatError, match=message):
        rsnn.Network.load(path)


def foreign(path: Path, kind: str) -> None:
    if kind == "arrays":
        np.savez(path, weight=np.ones(3))
    elif kind == "pickle":
        path.write_bytes(pickled())
    elif kind == "compressed":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("network.json", "0" * 10**6)
    elif kind == "list":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("network.json", "[1, 2]")
    elif kind == "deep":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("network.json", "[" * 10**5)
    else:
        path.write_bytes({"empty": b"", "text": b"hello", "zip": b"PK\x05\x06" + bytes(18)}[kind])


@pytest.mark.parametrize("kind", ["arrays", "pickle", "compressed", "list", "deep", "empty", "text", "zip"])
def test_a_foreign_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    foreign(path, kind)
    with pytest.raises(rsnn.FileFormatError, match=r"other\.npz: is no network of rsnn"):
        rsnn.Network.load(path)


def test_what_is_no_file_is_said_as_everywhere(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rsnn.Network.load(tmp_path / "nothing.npz")
    with pytest.raises(IsADirectoryError):
        rsnn.Network.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        image_network().save(tmp_path / "no" / "folder.npz")
    for call in (rsnn.Network.load, image_network().save):
        with pytest.raises(rsnn.InvalidTypeError, match="path=5: must be the path of a file"):
            call(5)


def test_a_class_of_the_callers_has_no_description(tmp_path: Path) -> None:
    class Mine(rsnn.LIF):
        pass

    with pytest.raises(rsnn.InvalidTypeError, match=r"\(Mine\) has no description; use layers, neurons and presets of rsnn alone"):
        rsnn.Network([Mine()], 1).save(tmp_path / "net.npz")
    assert list(tmp_path.iterdir()) == []


def test_functions_of_a_library_are_described_by_their_names() -> None:
    for spike_fn in (rsnn.presets.sinabs.SingleSpike, rsnn.presets.sinabs.MaxSpike(2)):
        made = rsnn.presets.sinabs.LIF(tau_mem=20.0, spike_fn=spike_fn, reset_fn=rsnn.presets.sinabs.MembraneReset())
        assert from_data(to_data(made)) == made

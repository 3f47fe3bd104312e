"""Networks on chips in files: what the makers' simulators make of them, what comes back, and what is refused."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rsnn
from rsnn import archive
from rsnn.chip.storage import CHIP

PEERS = Path(__file__).parents[1] / "data" / "peers"
PAGE = Path(__file__).parents[2] / "docs" / "chips.md"


def fed(name: str) -> tuple[Any, Any]:
    chip = rsnn.chip.load(PEERS / f"{name}.npz")
    return chip.run(np.load(PEERS / f"{name}_x.npz")["x"], record="v"), np.load(PEERS / f"{name}_out.npz")


def test_sinabs_fed_with_an_exported_network_gives_the_same_spikes() -> None:
    result, sinabs = fed("speck")
    assert result.output.sum() > 500
    assert np.array_equal(result.output, sinabs["out"])


def test_xylosim_fed_with_an_exported_network_gives_the_same_spikes_and_membranes() -> None:
    result, xylosim = fed("xylo")  # recurrent, deep, with aliases and weight shifts
    assert result.output.sum() > 500
    assert np.array_equal(result.output, xylosim["out"])
    assert np.array_equal(np.concatenate([one["v"] for one in list(result.traces.values())[:-1]], axis=1), xylosim["v"])


def test_lava_fed_with_an_exported_network_gives_the_same_spikes_on_its_own_time() -> None:
    result, lava = fed("loihi")
    for k, spikes in enumerate(result.spikes.values()):
        found = lava[f"spikes_{k}"]
        assert spikes.sum() > 300
        assert not found[: k + 1].any()
        assert np.array_equal(spikes[: -k - 1], found[k + 1 :])


@pytest.mark.parametrize("name", ["sinabs", "xylosim", "lava"])
def test_the_page_shows_the_programs_that_were_run(name: str) -> None:
    program = (PEERS / f"feed_{name}.py").read_text()
    shown = re.search(r"# page: begin\n(.*?)# page: end", program, re.DOTALL)
    assert shown is not None
    assert shown[1].strip() in PAGE.read_text()


def networks() -> dict[str, tuple[rsnn.Network, np.ndarray]]:
    rng = np.random.default_rng(11)

    def w(*shape: int, mean: float = 0.2) -> np.ndarray:
        return rng.normal(mean, 0.4, shape)

    iaf, events = rsnn.IAF(v_min=-1.0), rng.poisson(0.2, (12, 2, 2, 6, 6))
    branches = [
        rsnn.Conv2d(w(3, 2, 3, 3), w(3), padding=1), ("a", iaf), ("pooled", rsnn.SumPool2d(2)),
        rsnn.Conv2d(w(3, 3, 3, 3, mean=0.0), padding=1), ("b", iaf), (None, rsnn.Conv2d(w(2, 3, 1, 1)), ("b", "pooled")), iaf,
        rsnn.Flatten(), rsnn.Linear(w(4, 18)), iaf,
    ]  # fmt: skip
    own = {"alpha": 0.75, "beta": [0.875, 0.75, 0.875, 0.5], "v_threshold": 3.0}
    hidden = rsnn.LIF(**own, fire="multi", bias=0.05)
    xylo = rsnn.Network(
        [
            rsnn.Linear(w(4, 8)), rsnn.Recurrent(hidden, w(4, 4, mean=0.0)), rsnn.Linear(w(4, 4)), hidden, rsnn.Linear(w(4, 4)),
            rsnn.LIF(**own),
        ],
        8, batch_first=True,
    )  # fmt: skip
    lif = rsnn.LIF(beta=0.9, alpha=0.5, reset="zero")
    row = rng.poisson(0.3, (30, 2, 8))
    crossbar = rsnn.Network([rsnn.Linear(w(5, 8)), rsnn.IAF(reset="zero"), rsnn.Linear(w(3, 5)), rsnn.IAF(reset="zero")], 8)
    made = {name: (rsnn.Network(branches, (2, 6, 6)), events) for name in ("dynapcnn", "speck2e", "speck2f")}
    made |= {name: (xylo, row.swapaxes(0, 1)) for name in ("xylo_audio2", "xylo_audio3", "xylo_imu")}
    made |= {
        name: (rsnn.Network([rsnn.Linear(w(5, 8)), lif, rsnn.Linear(w(3, 5)), lif], 8), np.minimum(row, 1))
        for name in ("loihi_lava", "loihi1_nengo")
    }
    return made | {"tinyodin": (crossbar, row)}


NETWORKS = networks()


def test_every_target_is_tried() -> None:
    assert set(NETWORKS) == set(rsnn.chip.TARGETS)


@pytest.mark.parametrize("target", NETWORKS)
def test_what_comes_back_is_the_same_network(target: str, tmp_path: Path) -> None:
    net, x = NETWORKS[target]
    for calibration in (None, x):
        chip = rsnn.chip.quantize(net, target, calibration, scale="mse")
        chip.export(tmp_path / "one.npz")
        again = rsnn.chip.load(tmp_path / "one.npz")
        again.export(tmp_path / "two.npz")
        assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
        assert (again.target, again.source) == (target, net)
        one, two = chip.run(x), again.run(x)
        assert all(np.array_equal(one.spikes[k], two.spikes[k]) for k in one.spikes)
        assert one.output.any()
        assert again.check() == chip.check()
        assert again.report(x) == chip.report(x)
        assert again.dequantize() == chip.dequantize()


def altered(path: Path, change: Any) -> Path:
    """Write the file again with other contents and a right digest."""
    found = archive.read(path, CHIP, lambda described: described)
    change(found)
    archive.write(path, CHIP, found)
    return path


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    rsnn.chip.quantize(*NETWORKS["xylo_imu"][:1], "xylo_imu").export(path)
    whole = path.read_bytes()
    for end in (0, 1, 30, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(rsnn.errors.FileFormatError, match=r"net\.npz: is no network of rsnn on a chip, or only a part"):
            rsnn.chip.load(path)
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 60):
        broken = bytearray(whole)
        broken[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(broken))
        try:
            read = rsnn.chip.load(path)
        except rsnn.errors.FileFormatError:
            continue
        again = io.BytesIO()  # a bit of the archive's own that says nothing of the network
        read.export(tmp_path / "again.npz")
        again.write((tmp_path / "again.npz").read_bytes())
        assert again.getvalue() == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(target="speck9"), "it names no chip that this rsnn knows: dynapcnn, "),
        (lambda d: d.pop("network"), "it has no float network|kind=None"),
        (lambda d: d["layers"][0].pop("v_threshold"), r"something is missing or of another kind \(KeyError: 'v_threshold'\)"),
        (lambda d: d["layers"][0].update(v_threshold=0), "v_threshold=0: must be from 1 to"),
        (lambda d: d["layers"][0].update(weight=3), "weight has shape"),
        (lambda d: d["layers"][1].update(sources=[[7, 1]]), r"its sources \(\(7, 1\),\) do not come before it"),
        (lambda d: d["layers"][1].update(neuron_index=2), "something is missing"),
        (lambda d: d.update(layers=None), "something is missing or of another kind"),
    ],
)
def test_a_file_that_says_something_wrong_is_refused_by_name(change: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    rsnn.chip.quantize(NETWORKS["speck2f"][0], "speck2f").export(path)
    with pytest.raises(rsnn.errors.FileFormatError, match=message):
        rsnn.chip.load(altered(path, change))


@pytest.mark.parametrize(
    ("target", "change", "message"),
    [
        ("xylo_imu", lambda d: d["layers"][1].update(first=3), "their neurons are not those of the core, 8 hidden and 4 output ones"),
        ("xylo_imu", lambda d: d["layers"][0].update(size=3), r"scale has shape \(4,\), must be \(3,\)"),
        ("xylo_imu", lambda d: d["core"].pop("alias"), "KeyError: 'alias'"),
        ("xylo_imu", lambda d: d["core"].update(dash_mem=np.full(8, 16)), "dash_mem=.*: must be from 0 to 15"),
        ("loihi_lava", lambda d: d["layers"][0].update(du=4096), "du=4096: must be from 0 to 4095"),
        ("loihi_lava", lambda d: d["layers"][1].update(weight=np.zeros(3)), "weight has shape"),
        ("tinyodin", lambda d: d.update(weights=np.full((16, 16), 8)), "weights=.*: must be from -8 to 7"),
        ("tinyodin", lambda d: d["layers"][1].update(first=14), "3 neurons from address 14 are not all on the chip"),
    ],
)
def test_every_family_checks_what_its_file_says(target: str, change: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    rsnn.chip.quantize(NETWORKS[target][0], target).export(path)
    with pytest.raises(rsnn.errors.FileFormatError, match=message):
        rsnn.chip.load(altered(path, change))


def test_other_files_and_later_versions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    NETWORKS["tinyodin"][0].save(path)
    with pytest.raises(rsnn.errors.FileFormatError, match=r"it has no chip\.json that says format='rsnn.ChipNetwork'"):
        rsnn.chip.load(path)
    rsnn.chip.quantize(NETWORKS["tinyodin"][0], "tinyodin").export(path)
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    entries["chip.json"] = json.dumps(json.loads(entries["chip.json"]) | {"version": 2}).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)
    with pytest.raises(rsnn.errors.FileFormatError, match="is of version 2 of the format"):
        rsnn.chip.load(path)
    with pytest.raises(rsnn.InvalidTypeError, match="path=3: must be the path of a file"):
        rsnn.chip.load(3)  # type: ignore[arg-type]


def test_numpy_alone_reads_the_integers_the_cores_and_the_readout(tmp_path: Path) -> None:
    chip = rsnn.chip.quantize(NETWORKS["speck2f"][0], "speck2f")
    chip.export(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as file:
        head = json.loads(file["chip.json"])["chip"]
        arrays = {name: file[name] for name in file.files if name != "chip.json"}
    first, last = chip.layers[0], head["layers"][-1]
    assert np.array_equal(arrays[head["layers"][0]["weight"]["array"]], first.quantized.weight)
    assert arrays["layers/0/weight"].dtype == np.int8
    assert (head["cores"], head["readout"]) == (chip.check().cores, {"layer": last["name"], "channels": [0, 4, 8, 12]})
    assert [layer["sources"] for layer in head["layers"]] == [[[-1, 1]], [[0, 1]], [[1, 1], [0, 1]], [[2, 1]]]

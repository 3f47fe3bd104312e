"""NIR graphs: what rsnn writes is read as it was, what others write is read as they meant it, and what is not known is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from named_strategies import named
from preset_strategies import presets
from stage_strategies import every
from test_graph import graphs
from test_storage import image_network

import rsnn

Array = np.ndarray[Any, np.dtype[Any]]
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)


def affine(seed: int, *shape: int) -> nir.Affine:
    rng = np.random.default_rng(seed)
    return nir.Affine(np.round(rng.normal(0, 1, shape) * 64) / 64, np.zeros(shape[0]))


def lif(n: int, **more: Any) -> nir.LIF:
    given_ = {"tau": 1e-3, "r": 10.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | more
    return nir.LIF(**{name: np.full(n, value) for name, value in given_.items()})


def cuba(n: int, **more: Any) -> nir.CubaLIF:
    given_ = {"tau_mem": 1e-3, "tau_syn": 5e-4, "r": 10.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0, "w_in": 5.0} | more
    return nir.CubaLIF(**{name: np.full(n, value) for name, value in given_.items()})


def chain(*nodes: Any) -> nir.NIRGraph:
    return nir.NIRGraph.from_list(*nodes, type_check=False)


def looped(neuron: Any, back: Any, edges: list[tuple[str, str]] | None = None) -> nir.NIRGraph:
    """An input, weights, and neurons whose output comes back to them through `back`, in a subgraph."""
    n = len(neuron.v_threshold)
    inner = nir.NIRGraph(
        {"input": nir.Input(np.array([n])), "lif": neuron, "w_rec": back, "output": nir.Output(np.array([n]))},
        edges or [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
        type_check=False,
    )
    return nir.NIRGraph(
        {"input": nir.Input(np.array([3])), "fc": affine(1, n, 3), "rnn": inner, "output": nir.Output(np.array([n]))},
        [("input", "fc"), ("fc", "rnn"), ("rnn", "output")],
        type_check=False,
    )


# What rsnn writes.


@ONE_FOLDER
@given(net=graphs())
def test_a_network_is_read_as_it_was_written(net: rsnn.Network, tmp_path: Path) -> None:
    rsnn.nir.write(net, tmp_path / "net.nir", allow_lossy=True)
    again = rsnn.nir.read(tmp_path / "net.nir")
    assert again == net
    assert repr(again) == repr(net)


@ONE_FOLDER
@given(neuron=st.one_of(every(3), named(3), presets(3)), seed=st.integers(0, 2**32 - 1), recurrent=st.booleans())
def test_any_neuron_runs_as_before_after_it_was_written(neuron: Any, seed: int, recurrent: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    layer = rsnn.Recurrent(neuron, rng.normal(0, 0.3, (3, 3)), rng.normal(size=3)) if recurrent else neuron
    net = rsnn.Network([rsnn.Linear(rng.normal(size=(3, 2)).astype(np.float32)), ("neurons", layer)], 2)
    rsnn.nir.write(net, tmp_path / "net.nir", allow_lossy=True)
    again = rsnn.nir.read(tmp_path / "net.nir")
    assert again == net
    x = rng.normal(0.5, 1.0, (20, 4, 2))
    assert np.array_equal(again.run(x).output, net.run(x).output, equal_nan=True)


def test_every_layer_comes_back_with_its_dtypes_and_from_a_graph_in_memory_too(tmp_path: Path) -> None:
    net = image_network()
    rsnn.nir.write(net, str(tmp_path / "net.nir"), allow_lossy=True)
    for again in (rsnn.nir.read(str(tmp_path / "net.nir")), rsnn.nir.read(rsnn.nir.graph(net, allow_lossy=True))):
        assert again == net
        assert [again.layers[0].weight.dtype, again.layers[0].bias.dtype] == [np.float64, np.float32]
        assert again.names == net.names
    assert [one.name for one in tmp_path.iterdir()] == ["net.nir"]


def test_weights_lie_in_the_file_once(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).normal(size=(200, 1000)).astype(np.float32)
    rsnn.nir.write(rsnn.Network([rsnn.Linear(weight), rsnn.LIF(beta=0.9)], 1000), tmp_path / "net.nir")
    assert (tmp_path / "net.nir").stat().st_size < 1.1 * weight.nbytes


def test_nir_itself_reads_the_file_and_finds_its_shapes_in_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    net = rsnn.Network(
        [
            rsnn.Conv2d(rng.normal(size=(3, 2, 3, 3)), padding=1), ("spikes", rsnn.IAF()), rsnn.SumPool2d(2), rsnn.Flatten(),
            rsnn.Delay(2.0), rsnn.Linear(rng.normal(size=(5, 48))), rsnn.LIF(20.0, tau_syn=5.0), rsnn.Add(), rsnn.LI(10.0),
        ],
        (2, 8, 8),
    )  # fmt: skip
    rsnn.nir.write(net, tmp_path / "net.nir")
    kinds = [type(node).__name__ for node in nir.read(tmp_path / "net.nir").nodes.values()]
    expected = ["Input", "Conv2d", "IF", "SumPool2d", "Flatten", "Delay", "Linear", "CubaLIF", "Scale", "LI", "Output"]
    assert sorted(kinds) == sorted(expected)
    assert rsnn.nir.read(nir.read(tmp_path / "net.nir")) == net


@pytest.mark.parametrize(
    "neuron",
    [
        rsnn.LIF(20.0, reset="zero"), rsnn.LIF(beta=0.8, v_leak=0.25, bias=0.125, r=2.0, reset="value", v_reset=-0.5),
        rsnn.LIF(20.0, tau_syn=5.0, reset="zero", dt=0.5), rsnn.IAF(fire="single", reset="zero"), rsnn.LI(10.0), rsnn.LI(10.0, tau_syn=3.0),
        rsnn.presets.norse.LIFBox(), rsnn.presets.spikingjelly.LIFNode(tau=4.0), rsnn.presets.snntorch.Lapicque(R=2.0, C=4.0),
    ],
    ids=str,
)  # fmt: skip
def test_the_node_that_others_see_has_the_same_step(neuron: Any) -> None:
    net = rsnn.Network([rsnn.Linear(np.diag([0.3, 0.5, 0.9, 1.3]).astype(np.float32)), neuron], 4)
    seen = rsnn.nir.read(rsnn.nir.graph(net), source="nir", dt=neuron.stages.dt)
    x = np.random.default_rng(0).uniform(0, 4, (60, 4)).astype(np.float32)
    state = seen.init_state()  # where a membrane starts, NIR does not say
    state[1].v[...] = net.init_state()[1].v
    mine, theirs = net.run(x, record="u"), seen.run(x, state, record="u")
    fired = mine.spikes[1].any(axis=1) if 1 in mine.spikes else np.zeros(60, bool)
    late = getattr(neuron.stages.reset, "timing", "same") != "same"  # nor when a reset is
    until = int(np.argmax(fired)) + 1 if late and fired.any() else 60
    assert until > 1
    np.testing.assert_allclose(theirs.traces[1]["u"][:until], mine.traces[1]["u"][:until], rtol=2e-5, atol=2e-5)


LOST = [
    (rsnn.LIF(beta=0.9, refractory=2.0), "refractory"),
    (rsnn.LIF(beta=0.9, v_min=-1.0), "v_min"),
    (rsnn.LIF(beta=0.9, reset="none"), "never reset"),
    (rsnn.IAF(max_spikes=3), "max_spikes"),
    (rsnn.IAF(bias=0.5), "constant input"),
    (rsnn.ALIF(beta=0.9), "adaptation"),
    (rsnn.Alpha(), "synapse"),
    (rsnn.AdEx(), "drive"),
    (rsnn.Izhikevich(), "equations"),
    (rsnn.presets.snntorch.Leaky(beta=0.9, inhibition=True), "inhibit"),
    (rsnn.presets.snntorch.Leaky(beta=0.9, graded_spikes_factor=2.0), "graded"),
    (rsnn.presets.norse.IAF(v_reset=-0.5), None),
    (rsnn.LIF(beta=1.0, tau_syn=5.0), "does not decay"),
]


@pytest.mark.parametrize(("neuron", "what"), LOST, ids=lambda value: str(value))
def test_what_no_node_has_is_an_error_that_lists_it(neuron: Any, what: str | None, tmp_path: Path) -> None:
    net = rsnn.Network([rsnn.Linear(np.eye(2)), ("them", neuron)], 2)
    if what is not None:
        with pytest.raises(rsnn.InvalidValueError, match=rf"allow_lossy=True.*layers\[1\] \(\w+ 'them'\): .*{what}"):
            rsnn.nir.write(net, tmp_path / "net.nir")
        assert not list(tmp_path.iterdir())
    rsnn.nir.write(net, tmp_path / "net.nir", allow_lossy=True)
    assert rsnn.nir.read(tmp_path / "net.nir") == net


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.nir"
    rsnn.nir.write(rsnn.Network([rsnn.IAF()], 2), path)
    before = path.read_bytes()
    monkeypatch.setattr(nir.NIRGraph, "to_dict", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="the disk is full"):
        rsnn.nir.write(rsnn.Network([rsnn.LIF()], 2), path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["net.nir"]


# Files that are something else.


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    rsnn.nir.write(image_network(), path, allow_lossy=True)
    content = path.read_bytes()
    for size in [*range(0, len(content), len(content) // 25), len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(rsnn.FileFormatError, match=r"net\.nir: is"):
            rsnn.nir.read(path)


@pytest.mark.timeout(30)
def test_a_file_with_an_altered_heap_is_refused_before_libhdf5_walks_it_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    rsnn.nir.write(image_network(), path, allow_lossy=True)
    content = path.read_bytes()
    heap = content.index(b"GCOL")
    size = int.from_bytes(content[heap + 24 : heap + 32], "little")  # of the first object, behind the head of 16 bytes
    for other in (0, size + 8, 10**6, 2**63):
        path.write_bytes(content[: heap + 24] + other.to_bytes(8, "little") + content[heap + 32 :])
        with pytest.raises(rsnn.FileFormatError, match=r"net\.nir: is no file of NIR, or only a part of one"):
            rsnn.nir.read(path)
    path.write_bytes(content[: heap + 16] + content[heap + 15 :])  # everything after it lies one byte later
    with pytest.raises(rsnn.FileFormatError, match=r"one \((the heap at byte|there is no whole heap|points to byte)"):
        rsnn.nir.read(path)


def test_a_byte_changed_anywhere_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    net, path = image_network(), tmp_path / "net.nir"
    rsnn.nir.write(net, path, allow_lossy=True)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        changed = bytearray(content)
        changed[rng.integers(len(content))] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        try:
            assert rsnn.nir.read(path) == net
        except rsnn.FileFormatError:
            refused += 1
    assert refused


def altered(path: Path, change: Any) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


def put(file: Any, name: str, value: Any) -> None:
    del file[name]
    file[name] = value


ALTERED = [
    (lambda file: put(file, "version", "2.0.0"), r"was written by nir 2\.0\.0; nir 1\.x is read"),
    (lambda file: put(file, "version", "0.2"), r"was written by nir 0\.2"),
    (lambda file: file.__delitem__("version"), "is no file of NIR"),
    (lambda file: file.__delitem__("node"), "is a part of a file of NIR, or was altered"),
    (lambda file: file["node/nodes/linear_0/weight"].write_direct(np.zeros((3, 2))), "was altered since rsnn wrote it.*source='nir'"),
    (lambda file: put(file, "node/nodes/lif_1/v_threshold", np.ones(3, np.float32)), "was altered since rsnn wrote it"),
    (lambda file: put(file, "node/nodes/lif_1/type", "LI"), "is a part of a file of NIR, or was altered"),
    (lambda file: put(file, "node/edges", [("input", "lif_1"), ("linear_0", "lif_1"), ("lif_1", "output")]), "was altered since rsnn"),
    (lambda file: put(file, "node/metadata/rsnn", "{"), "what rsnn wrote beside the nodes cannot be read"),
    (
        lambda file: put(file, "node/metadata/rsnn", '{"version": 7, "rsnn": "9.0"}'),
        r"was written by rsnn '9\.0' with version 7",
    ),
    (lambda file: put(file, "node/nodes/lif_1/metadata/rsnn", '{"kind": "os.system"}'), "was altered since rsnn wrote it"),
]


@pytest.mark.parametrize(("change", "message"), ALTERED)
def test_an_altered_file_is_refused_by_name(change: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    rsnn.nir.write(rsnn.Network([rsnn.Linear(np.ones((3, 2))), rsnn.LIF(beta=0.5, v_threshold=2.0)], 2), path)
    altered(path, change)
    with pytest.raises(rsnn.FileFormatError, match=rf"net\.nir: {message}"):
        rsnn.nir.read(path)


def test_nodes_that_were_changed_on_purpose_are_read_by_source_nir(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    rsnn.nir.write(rsnn.Network([rsnn.Linear(np.ones((3, 2))), rsnn.LIF(20.0)], 2), path)
    altered(path, lambda file: file["node/nodes/linear_0/weight"].write_direct(np.full((3, 2), 2.0)))
    assert rsnn.nir.read(path, source="nir", dt=1.0).layers[0] == rsnn.Linear(np.full((3, 2), 2.0))


def test_what_is_no_file_is_said_as_everywhere(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rsnn.nir.read(tmp_path / "nothing.nir")
    with pytest.raises(IsADirectoryError):
        rsnn.nir.read(tmp_path)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(rsnn.FileFormatError, match="is no file of NIR"):
        rsnn.nir.read(tmp_path / "text")
    with pytest.raises(rsnn.InvalidTypeError, match=r"path_or_graph=5: must be a nir\.NIRGraph, or the path of a file"):
        rsnn.nir.read(5)
    with pytest.raises(rsnn.InvalidTypeError, match="a single Scale came"):
        rsnn.nir.read(nir.Scale(np.ones(2)))
    with pytest.raises(rsnn.InvalidTypeError, match=r"network=None: must be a rsnn\.Network"):
        rsnn.nir.write(None, tmp_path / "net.nir")  # type: ignore[arg-type]


# Graphs of others.

PAIR = np.array([2])
LIFS = chain(affine(0, 4, 3), lif(4))
REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (LIFS, {}, "source: the graph does not say who wrote it.*dt, reset and gain are not known; give source=, one of 'norse', 'snntorch'"),
    (LIFS, {"source": "norce"}, "source='norce': must be one of .*did you mean 'norse'"),
    (LIFS, {"source": "snntorch"}, "reset: snnTorch .* v_reset = 0 whatever the reset is; .*reset='subtract' or reset='zero'"),
    (LIFS, {"source": "snntorch", "reset": "value"}, "reset='value': must be one of 'subtract', 'zero', 'none'"),
    (LIFS, {"source": "snntorch", "reset": "zero", "arguments": {"reset_mechanism": "subtract"}}, "they say different things"),
    (LIFS, {"source": "snntorch", "reset": "zero", "dt": 1e-3}, r"snnTorch writes tau / dt, which is not so with dt=0\.001; give the dt="),
    (LIFS, {"source": "snntorch", "reset": "zero", "dt": -1.0}, r"dt=-1\.0: must be positive"),
    (LIFS, {"source": "nir"}, "dt: the specification of NIR 1 does not say how long a step is; give dt="),
    (LIFS, {"source": "rockpool"}, "dt: Rockpool 3 does not say how long a step is"),
    (LIFS, {"source": "rockpool", "dt": 1e-4}, r"Rockpool writes tau exp\(-dt / tau\) / dt, which is not so with dt=0\.0001"),
    (LIFS, {"source": "sinabs"}, r"does not write norm_input and min_v_mem; .*arguments=\{'norm_input': \.\.\., 'min_v_mem': \.\.\.\}"),
    (LIFS, {"source": "sinabs", "arguments": {"norm_input": True}}, "does not write min_v_mem"),
    (LIFS, {"source": "sinabs", "dt": 0.1}, "writes time constants in steps, so dt is 1"),
    (LIFS, {"source": "sinabs", "arguments": {"norm_inputs": True}}, "'norm_inputs' is no argument of sinabs.*did you mean 'norm_input'"),
    (LIFS, {"source": "sinabs", "arguments": ["norm_input"]}, "arguments=.*must be a dict"),
    (LIFS, {"source": "sinabs", "arguments": {"norm_input": True, "min_v_mem": None}}, "sinabs writes r = 1"),
    (LIFS, {"source": "norse"}, r"node 'lif' \(LIF\): r=.*Norse writes r = 1"),
    (chain(affine(0, 4, 3), lif(4, r=3.0)), {"source": "spikingjelly"}, r"r=3\.0: SpikingJelly writes 1 or tau / dt"),
    (LIFS, {"source": "spyx"}, r"Spyx writes the decay 1 - dt / tau, which is not so with dt=1"),
    (LIFS, {"source": "norse", "dt": 1e-3, "arguments": {"dt": 1e-4}}, "they say different things"),
    (chain(affine(0, 4, 3), lif(4, tau=np.nan)), {"source": "nir", "dt": 1e-4}, "tau=.*no NaN"),
    (chain(affine(0, 4, 3), lif(4, tau=-1.0)), {"source": "nir", "dt": 1e-4}, r"node 'lif' \(LIF\): tau_mem=-1\.0"),
    (chain(affine(0, 4, 2), lif(3)), {"source": "nir", "dt": 1e-4}, r"'lif' \(LIF\): tau has shape \(3,\), samples of shape \(4,\)"),
    (
        chain(nir.IF(np.ones(3), np.ones(3))),
        {"source": "snntorch", "reset": "zero"},
        r"snnTorch 1\.0\.0 writes no such neuron \(it writes LIF, CubaLIF\)",
    ),
    (looped(lif(4), nir.Conv1d(4, np.ones((1, 1, 1)), 1, 0, 1, 1, np.zeros(1))), {"source": "nir", "dt": 1.0}, "in a circle"),
    (
        looped(lif(4), affine(0, 4, 4), [("input", "w_rec"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")]),
        {"source": "nir", "dt": 1.0},
        "weighs the recurrent output of 'rnn.lif' and .* together",
    ),
    (looped(lif(4), affine(0, 4, 3)), {"source": "nir", "dt": 1.0}, r"node 'rnn\.w_rec' \(Affine\): weight has shape \(4, 3\)"),
    (chain(nir.Delay(np.array([1.0, 2.0]))), {"source": "nir", "dt": 1.0}, "rsnn.Delay has one delay for all"),
    (
        chain(nir.Input(np.array([2, 3, 4])), nir.Flatten(np.array([2, 3, 4]), 1, -1)),
        {"source": "nir", "dt": 1.0},
        "start_dim=1, end_dim=-1",
    ),
    (
        nir.NIRGraph(
            {"a": nir.Input(np.array([2])), "b": nir.Input(np.array([2])), "c": nir.Output(np.array([2]))}, [("a", "c"), ("b", "c")]
        ),
        {"source": "nir", "dt": 1.0},
        "2 nodes of type Input: 'a', 'b'",
    ),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_is_not_known_is_refused_with_what_settles_it(number: int) -> None:
    graph, given_, message = REFUSED[number]
    with pytest.raises((rsnn.InvalidValueError, rsnn.InvalidTypeError), match=message):
        rsnn.nir.read(graph, **given_)


@given(st.integers(50, 999), st.sampled_from([np.float32, np.float64]))
def test_decays_and_time_constants_come_back_to_the_bit(thousandths: int, kind: Any) -> None:
    decay = np.float32(thousandths / 1000)
    one, dt = kind(1.0), kind(1e-4)
    tau = dt / (one - kind(decay))
    node = nir.LIF(np.full(2, tau), np.full(2, tau / dt), np.zeros(2, kind), np.ones(2, kind))
    assert rsnn.nir.read(chain(node), source="snntorch", reset="zero").layers[0].arguments["beta"] == decay
    inverse = kind(thousandths)
    node = nir.LIF(np.full(2, kind(0.001) / inverse), np.ones(2, kind), np.zeros(2, kind), np.ones(2, kind))
    assert rsnn.nir.read(chain(node), source="norse").layers[0].arguments["tau_mem_inv"] == inverse
    node = nir.LIF(np.full(2, thousandths / 10 * 1e-4), np.ones(2), np.zeros(2), np.ones(2))
    assert rsnn.nir.read(chain(node), source="spikingjelly").layers[0].arguments["tau"] == thousandths / 10


def by_rockpool(x: Array, decay: float, syn: float) -> Array:
    """LIFTorch of Rockpool: the current takes its input, both decay, the membrane takes the current, floor(v / threshold) spikes."""
    i, v, sent = np.zeros(x.shape[1]), np.zeros(x.shape[1]), []
    for one in x:
        i = (i + one) * syn
        v = decay * v + i
        spikes = np.where(v > 0, np.floor(v), 0.0)
        v = v - spikes
        sent.append(spikes)
    return np.array(sent)


def test_rockpools_neurons_are_those_of_its_equations() -> None:
    tau, syn, dt = 0.02, 0.01, 1e-3
    node = cuba(4, tau_mem=tau, tau_syn=syn, r=tau * np.exp(-dt / tau) / dt, w_in=1.0)
    x = np.random.default_rng(0).integers(0, 3, (40, 4)) / 4.0
    net = rsnn.nir.read(chain(node), source="rockpool", dt=dt)
    np.testing.assert_array_equal(net.run(x).output, by_rockpool(x, np.exp(-dt / tau), np.exp(-dt / syn)))


def by_spyx(x: Array, beta: float, weight: Array) -> Array:
    """RLIF of Spyx: spikes are read off the membrane before the step, and come back through the weights in it."""
    v, sent = np.zeros(len(weight)), []
    for one in x:
        spikes = (v - 1.0 > 0).astype(float)
        v = beta * v + one + weight @ spikes - spikes
        sent.append(spikes)
    return np.array(sent)


def test_spyx_sends_its_spikes_a_step_late_and_leads_its_input_to_the_wrong_node() -> None:
    beta, back = 0.75, affine(5, 4, 4)
    graph = looped(
        lif(4, tau=1 / (1 - beta), r=beta),
        nir.Linear(back.weight),
        [("input", "w_rec"), ("w_rec", "lif"), ("lif", "w_rec"), ("lif", "output")],
    )
    x = np.random.default_rng(0).integers(0, 3, (40, 3)).astype(float)
    net = rsnn.nir.read(graph, source="spyx")
    recorded = by_spyx(x @ graph.nodes["fc"].weight.T, beta, back.weight)
    np.testing.assert_array_equal(net.run(x).output, recorded)
    assert rsnn.nir.audit(recorded, graph, x, source="spyx").agrees
    other = rsnn.nir.audit(recorded[1:], graph, x[:-1], source="spyx")  # as if they were sent at once
    assert (other.step, other.layer) == (int(np.flatnonzero(recorded.any(axis=1))[0]) - 1, 1)


def test_a_recurrent_subgraph_is_recurrent_neurons() -> None:
    net = rsnn.nir.read(looped(lif(4), affine(2, 4, 4)), source="snntorch", reset="zero")
    neuron = rsnn.presets.snntorch.RLeaky(beta=np.float32(0.9), reset_mechanism="zero")
    assert net.layers[1] == rsnn.Recurrent(neuron, affine(2, 4, 4).weight, np.zeros(4))
    assert net.names == ("fc", "rnn.lif")
    own = nir.NIRGraph(
        {"input": nir.Input(np.array([4])), "lif": lif(4), "output": nir.Output(np.array([4]))},
        [("input", "lif"), ("lif", "lif"), ("lif", "output")], type_check=False,
    )  # fmt: skip
    assert np.array_equal(rsnn.nir.read(own, source="nir", dt=1e-4).layers[0].weight, np.ones(4))


def test_a_residual_graph_keeps_its_sums_and_tensors_are_taken() -> None:
    first, second = affine(3, 4, 3), affine(4, 4, 4)
    second.weight = torch.from_numpy(second.weight)
    nodes = {
        "input": nir.Input(np.array([3])),
        "0": first,
        "1": lif(4),
        "2": second,
        "join": nir.LI(*np.ones((3, 4))),
        "output": nir.Output(np.array([4])),
    }
    edges = [("input", "0"), ("0", "1"), ("1", "2"), ("2", "join"), ("1", "join"), ("join", "output")]
    net = rsnn.nir.read(nir.NIRGraph(nodes, edges, type_check=False), source="nir", dt=1e-4)
    assert net.inputs == ((-1,), (0,), (1,), (2, 1))
    assert net.names == (None, None, None, "join")


CONVOLUTIONS = [
    {"stride": 1, "padding": 0, "dilation": 1, "groups": 1},
    {"stride": 2, "padding": 1, "dilation": 1, "groups": 1},
    {"stride": 1, "padding": 2, "dilation": 2, "groups": 1},
    {"stride": 1, "padding": "same", "dilation": 1, "groups": 2},
    {"stride": 1, "padding": "valid", "dilation": 1, "groups": 2},
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("sizes", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("n", [1, 2])
def test_convolutions_of_every_kind_are_those_of_torch(n: int, sizes: dict[str, Any], kernel: int) -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(-4, 5, (4, 4 // sizes["groups"], *[kernel] * n)) / 4.0
    bias, x = rng.integers(-4, 5, 4) / 4.0, rng.integers(0, 3, (3, 4, *[7] * n)).astype(float)
    made = {1: nir.Conv1d, 2: nir.Conv2d}[n](input_shape=None, weight=weight, bias=bias, **sizes)
    net = rsnn.nir.read(chain(nir.Input(np.array(x.shape[1:])), made), source="nir", dt=1.0)
    function = {1: torch.nn.functional.conv1d, 2: torch.nn.functional.conv2d}[n]
    expected = function(torch.from_numpy(x), torch.from_numpy(weight), torch.from_numpy(bias), **sizes)
    np.testing.assert_array_equal(net.run(x).output, expected.numpy())


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (4, 2, 0), (2, 1, 1), (4, 4, 2)])
def test_pools_of_every_kind_are_those_of_torch(kernel: int, stride: int, padding: int) -> None:
    x = np.random.default_rng(0).integers(0, 3, (2, 3, 8, 8)).astype(float)
    sizes = {"kernel_size": np.array([kernel] * 2), "stride": np.array([stride] * 2), "padding": np.array([padding] * 2)}
    expected = torch.nn.functional.avg_pool2d(torch.from_numpy(x), kernel, stride, padding).numpy()
    for kind, factor in ((nir.AvgPool2d, 1), (nir.SumPool2d, kernel**2)):
        net = rsnn.nir.read(chain(nir.Input(np.array([3, 8, 8])), kind(**sizes)), source="nir", dt=1.0)
        np.testing.assert_array_equal(net.run(x).output, factor * expected)


def test_the_nodes_without_memory_and_the_integrators() -> None:
    x = np.array([[1.0, 2.0], [3.0, -1.0], [1.0, 1.0]])

    def out(*nodes: Any) -> list[Any]:
        return rsnn.nir.read(chain(*nodes), source="nir", dt=0.5).run(x).output.tolist()

    assert out(nir.Scale(np.array([2.0, -1.0]))) == [[2, -2], [6, 1], [2, -1]]
    assert out(nir.Threshold(np.array([1.0, 1.0]))) == [[0, 1], [1, 0], [0, 0]]
    assert out(nir.Delay(np.array([0.5, 0.5]))) == [[0, 0], [1, 2], [3, -1]]
    assert out(nir.I(np.array([2.0, 4.0]))) == [[1, 4], [4, 2], [5, 4]]
    assert out(nir.IF(np.array([2.0, 4.0]), np.array([1.0, 4.0]), np.array([0.5, 0.0]))) == [[0, 0], [1, 0], [1, 0]]


def test_scalars_and_arrays_of_one_value_are_one_number() -> None:
    tau = nir.LIF(np.array(8.0, np.float32), *(np.array(v, np.float32) for v in (1.0, 0.0, 1.0)))
    graph = nir.NIRGraph(
        {"input": nir.Input(np.array([3])), "fc": affine(0, 4, 3), "lif": tau, "output": nir.Output(np.array([4]))},
        [("input", "fc"), ("fc", "lif"), ("lif", "output")], type_check=False,
    )  # fmt: skip
    told = {"norm_input": True, "min_v_mem": None}
    scalar = rsnn.nir.read(graph, source="sinabs", arguments=told)
    array = rsnn.nir.read(chain(affine(0, 4, 3), lif(4, tau=np.float32(8.0), r=np.float32(1.0))), source="sinabs", arguments=told)
    assert scalar.layers[1].parameters["tau_mem"].shape == array.layers[1].parameters["tau_mem"].shape == ()


def test_nir_is_imported_when_a_graph_comes_and_not_before() -> None:
    code = "import rsnn, sys; rsnn.nir.read; assert not {'nir', 'h5py', 'torch', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_source_says_its_conventions() -> None:
    for row in rsnn.nir.sources.SOURCES.values():
        assert set(row.conventions) == {"tau", "gain", "reset", "comparison", "state order"}
        assert re.search(rf'"{row.name}"', rsnn.nir.read.__doc__ or "")

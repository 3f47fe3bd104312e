"""Whatever is handed to simulate and its neighbours: an answer, or an error that names the argument and the cure; never a crash."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from rsnn import _rsnn
from rsnn.state import make_state

VALUE, TYPE = rsnn.InvalidValueError, rsnn.InvalidTypeError
LIF = rsnn.LIF(beta=0.5)
X = np.ones((6, 4), np.float32)


def out_of_x() -> dict[str, Any]:
    base = np.ones((7, 4), np.float32)
    return {"x": base[:-1], "out": base[1:]}


def out_of_state() -> dict[str, Any]:
    base = np.zeros((6, 4), np.float32)
    return {"x": X, "out": base, "state": make_state(("v",), [base[0]])}


def frozen() -> Any:
    array = np.empty((6, 4), np.float32)
    array.setflags(write=False)
    return array


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"x": 1.0}, VALUE, r"x has shape \(\): must be \(T, \.\.\.\); .*give steps="),
    ({"x": np.ones(3), "batch_first": True}, VALUE, r"x has shape \(3,\): must be \(B, T, \.\.\.\)"),
    ({"x": np.array([1.0, None])}, TYPE, "x: object came; accepted are float32"),
    ({"x": np.ones(3, complex)}, TYPE, "x: complex128 came.*real part"),
    ({"x": np.ones(3, np.longdouble)}, TYPE, r"x: float128 came.*astype\(np\.float32\)"),
    ({"x": np.array(["a"])}, TYPE, "x: <U1 came"),
    ({"x": np.zeros(3, "M8[s]")}, TYPE, "x: datetime64"),
    ({"x": np.zeros(3, [("t", "f4")])}, TYPE, "x: .*'t'.* came"),
    ({"x": None}, TYPE, "x: object came"),
    ({"x": [[1.0], [1.0, 2.0]]}, TYPE, "x=.*cannot become a numpy array"),
    ({"x": np.ma.masked_array([1.0, 2.0], [False, True])}, TYPE, r"x: a masked array.*filled\(0\)"),
    ({"neuron": rsnn.LIF}, TYPE, r"neuron=<class.*give an instance: rsnn\.LIF\(\.\.\.\)"),
    ({"neuron": "lif"}, TYPE, "neuron='lif': must be a neuron"),
    ({"neuron": None}, TYPE, "neuron=None"),
    ({"neuron": rsnn.LIF(beta=[0.1, 0.2, 0.3])}, VALUE, r"x: the parameters have shape \(3,\), .*trailing axes \(4,\)"),
    ({"neuron": rsnn.LIF(beta=np.full((6, 4), 0.5)), "x": X}, VALUE, r"\(6, 4\), .*trailing axes \(4,\)"),
    ({"neuron": rsnn.LIF(beta=[0.1, 0.2]), "x": np.ones((6, 1))}, VALUE, r"\(2,\), .*trailing axes \(1,\)"),
    ({"neuron": rsnn.LIF(beta=[0.1, 0.2]), "x": np.ones(4), "steps": 6}, VALUE, r"\(2,\), .*trailing axes \(4,\)"),
    ({"neuron": rsnn.LIF(beta=[0.1] * 6), "x": np.ones((6, 4)), "batch_first": True}, VALUE, r"\(6,\), .*trailing axes \(\)"),
    ({"record": "w"}, VALUE, "record='w': 'w' is not one of 'v', 'u'"),
    ({"record": ("v", "i")}, VALUE, "'i' is not one of 'v', 'u'.*tau_syn="),
    ({"record": 3}, TYPE, "record=3: must be a name"),
    ({"record": (3,)}, TYPE, "record=.*3 is not a name"),
    ({"threads": 0}, VALUE, "threads=0: must be an integer of at least 1; None"),
    ({"threads": -2}, VALUE, "threads=-2"),
    ({"threads": 1.0}, TYPE, r"threads=1\.0"),
    ({"threads": True}, TYPE, "threads=True"),
    ({"steps": -1, "x": 1.0}, VALUE, "steps=-1"),
    ({"steps": 2.0, "x": 1.0}, TYPE, r"steps=2\.0"),
    ({"steps": 2**70, "x": 1.0}, VALUE, "steps=1180591620717411303424"),
    ({"steps": 5, "x": 1.0, "batch_first": True}, VALUE, "a number has no batch"),
    ({"batch_first": 1}, TYPE, "batch_first=1: must be True or False"),
    ({"state": np.zeros(4)}, TYPE, r"state=.*named tuple with the fields v; give neuron\.init_state\(\(4,\), np\.float32\)"),
    ({"state": {"v": 0.0}}, TYPE, "state=.*named tuple"),
    ({"state": rsnn.LIF(alpha=0.5).init_state(4)}, VALUE, "state has the fields v, i: this neuron has v"),
    ({"state": LIF.init_state(3)}, VALUE, r"state\.v has shape \(3,\): one step of x has \(4,\)"),
    ({"state": LIF.init_state((1, 4))}, VALUE, r"state\.v has shape \(1, 4\)"),
    ({"state": LIF.init_state(4, np.float64)}, TYPE, r"state\.v: float64 came, x is computed in float32"),
    ({"state": make_state(("v",), [np.zeros(4, int)])}, TYPE, r"state\.v: int64 came"),
    ({"state": make_state(("v",), [None])}, TYPE, r"state\.v: object came"),
    ({"out": np.empty((6, 4))}, TYPE, r"out: float64 came, the output is float32; give np\.empty\(\(6, 4\), np\.float32\)"),
    ({"out": np.empty((6, 4), ">f4")}, TYPE, "out: >f4 came"),
    ({"out": np.empty((4, 6), np.float32)}, VALUE, r"out has shape \(4, 6\): the output has \(6, 4\)"),
    ({"out": [[0.0] * 4] * 6}, TYPE, "out=.*must be a numpy array"),
    ({"out": np.ma.masked_array(np.empty((6, 4), np.float32))}, TYPE, "out="),
    ({"out": frozen()}, VALUE, "out: the array cannot be written"),
    ({"out": np.lib.stride_tricks.as_strided(np.empty(4, np.float32), (6, 4), (0, 4))}, VALUE, "out: elements of the array share memory"),
    ({"out": np.lib.stride_tricks.as_strided(np.empty(12, np.float32), (6, 4), (4, 4))}, VALUE, "out: elements of the array share memory"),
    ({"out": np.empty(97, np.uint8)[1:].view(np.float32).reshape(6, 4)}, VALUE, "out: the array is not aligned"),
    ({"out": X}, VALUE, "out: shares memory with x"),
    (out_of_x(), VALUE, "out: shares memory with x"),
    (out_of_state(), VALUE, r"out: shares memory with state\.v"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_simulate_refuses_before_it_computes(number: int) -> None:
    given_, error, message = REFUSED[number]
    arguments = {"neuron": LIF, "x": X} | given_
    state = arguments.get("state")
    arrays = [
        a for a in (*arguments.values(), *(state if isinstance(state, tuple) else ())) if isinstance(a, np.ndarray) and a.dtype.kind == "f"
    ]
    before = [np.array(a) for a in arrays]
    with pytest.raises(error, match=message):
        rsnn.simulate(**arguments)
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_a_tensor_is_sent_to_rsnn_torch() -> None:
    import torch

    with pytest.raises(TYPE, match=r"x: a torch tensor.*rsnn\.torch"):
        rsnn.simulate(LIF, torch.ones(3))


def test_every_error_is_an_rsnn_error_and_the_built_in_one() -> None:
    for error, built_in in [
        (VALUE, ValueError),
        (TYPE, TypeError),
        (rsnn.AbsentError, AttributeError),
        (rsnn.InUseError, RuntimeError),
        (rsnn.InternalError, RuntimeError),
    ]:
        assert issubclass(error, rsnn.RsnnError)
        assert issubclass(error, built_in)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rsnn.lif(X, tua_mem=3.0), r"lif\(\): tua_mem=3\.0 is not an argument .*did you mean 'tau_mem'"),
        (lambda: rsnn.lif(X, 20.0, 0.5), r"lif\(\): 0\.5 came without a name"),
        (lambda: rsnn.lif(X, 20.0, tau_mem=20.0), "tau_mem=.*twice"),
        (lambda: rsnn.iaf(X, 1.0), r"iaf\(\): 1\.0 came without a name"),
        (lambda: rsnn.li(X, v_threshold=1.0), r"li\(\): v_threshold=1\.0 is not an argument of rsnn\.LI"),
    ],
)
def test_one_call_refuses_arguments_it_does_not_have(call: Any, message: str) -> None:
    with pytest.raises(TYPE, match=message):
        call()


HUGE = np.broadcast_to(np.int8(1), (2**20, 2**20))
"""More elements than anyone can look at, of one that is in memory."""
ELSEWHERE: list[tuple[Any, type[Exception], str]] = [
    (lambda: rsnn.LIF(HUGE.view(bool)), TYPE, r"tau_mem=<array \(1048576, 1048576\), bool>: bool is not accepted"),
    (lambda: rsnn.memory.empty((2**62, 2**62), "f4"), MemoryError, r"an array of shape .* takes \d+ bytes: more than any memory has"),
    (lambda: rsnn.LIF(np.broadcast_to(1.0, (2**30, 2**20))), VALUE, r"tau_mem has shape .*: more numbers than any memory holds"),
    (lambda: rsnn.metrics.connection_sparsity([np.broadcast_to(1.0, (2**30, 2**20))]), VALUE, "more numbers than any memory holds"),
    (lambda: rsnn.surrogate.Sigmoid(np.empty((2**40, 0))), VALUE, r"slope=<array \(1099511627776, 0\), float64>: must be a single number"),
    (lambda: rsnn.memory.empty((2**20,), object), TYPE, "dtype=object: must be a dtype of numbers"),
    (lambda: rsnn.memory.empty((3,), np.empty((0, 2))), TYPE, "dtype=.*must be a dtype of numbers"),
    (lambda: rsnn.memory.empty(0.5, "f4"), TYPE, r"shape=0\.5: must be an integer or a tuple"),
    (lambda: rsnn.memory.empty((2, -1), "f4"), VALUE, r"shape\[1\]=-1: must be an integer of at least 0"),
    (lambda: rsnn.Spikes.concatenate(3), TYPE, "pieces=3: must be a list of rsnn.Spikes"),
    (lambda: rsnn.plasticity.learn(rsnn.plasticity.STDP(), X, X, np.ones((4, 4)), stride=np.ones(2)), VALUE, "stride=.*only convolutions"),
    (lambda: rsnn.LIF().init_state((2**62, 2**62)), VALUE, "shape=.*more numbers than any memory holds"),
    (lambda: rsnn.LIF().init_state(3, recurrent=np.ones(2)), TYPE, "recurrent=.*True or False"),
    (lambda: rsnn.Recurrent(LIF, np.eye(2)).init_state(2, "\ud800"), TYPE, "dtype=.*must be float32 or float64"),
    (lambda: rsnn.Network([rsnn.IAF()], (2**62, 7)), VALUE, "input_shape=.*more numbers than any memory holds"),
    (lambda: rsnn.Network([rsnn.IAF()], 3, inputs=np.array(3)), VALUE, "inputs=.*must be a list"),
    (lambda: rsnn.Network.load("a\0"), VALUE, "path='a.*no path can have"),
    (lambda: rsnn.Network([rsnn.IAF()], 3).save("\ud800"), VALUE, "path=.*no path can have"),
    (lambda: rsnn.Spikes.concatenate(np.array(3.0)), TYPE, "pieces=.*must be a list of rsnn.Spikes"),
    (lambda: rsnn.Spikes.pack([[0, 1]]).count(np.ones(2)), VALUE, "axis=.*must be different axes"),
    (lambda: rsnn.Spikes.from_events([0, 3], 7, (1,)), TYPE, "i=7: must be 0 arrays"),
    (lambda: rsnn.plasticity.learn(np.ones(3), X, X, np.ones((4, 4))), TYPE, "rule=.*must be rsnn.plasticity.STDP"),
    (lambda: rsnn.presets.sinabs.IAF(reset_fn=np.ones(2)), TYPE, "reset_fn=.*must be MembraneSubtract"),
    (lambda: rsnn.metrics.decaying_integral([1.0], -1e9), VALUE, "ratio=-1000000000.0: must be"),
    (lambda: rsnn.AdEx.from_conductances(g_l=0.0), VALUE, "g_l=0.0: must be positive"),
    (lambda: rsnn.encode.population([0.5], 2**62), VALUE, "out_features=4611686018427387904: more than any memory holds"),
    (lambda: rsnn.encode.targets_rate([0], 2**62), VALUE, "num_classes=.*more than any memory holds"),
    (lambda: rsnn.encode.latency([0.5], 2**62), VALUE, "steps=.*more than any memory holds"),
    (lambda: rsnn.chip.rockpool.quantize("global", {}, bits_per_threshold=2**40), VALUE, "bits_per_threshold=.*must be from 2 to 32"),
    (lambda: rsnn.encode.targets_rate([0], 2, 2**62), VALUE, "steps=.*more than any memory holds"),
    (lambda: rsnn.presets.norse.LIF(dt=b""), TYPE, "dt=b''.*give a real number"),
    (lambda: rsnn.presets.sinabs.LIF(20.0, norm_input=np.ones(2)), TYPE, r"norm_input=.*True or False"),
    (lambda: rsnn.stages.parts(len), TYPE, r"neuron=<built-in function len>: must be a rsnn\.Neuron"),
    (lambda: rsnn.Spikes.pack([[0, 1]]).count(2**64), VALUE, "axis=18446744073709551616: must be different axes"),
    (lambda: rsnn.chip.loihi.network(3), TYPE, "layers=3: must be a list"),
    (lambda: rsnn.encode.targets_convert([1], 2, normalize=True), VALUE, "options=.*'normalize' is not one of"),
    (lambda: rsnn.encode.targets_latency([1], 2, 3, normalise=True), VALUE, "did you mean 'normalize'"),
    (lambda: rsnn.surrogate.ATan().numpy([[1.0], "a"]), TYPE, "v="),
    (lambda: rsnn.surrogate.ATan().numpy([1.0, 2.0], np.int64), TYPE, "theta=.*give real numbers"),
    (lambda: rsnn.surrogate.ATan().numpy([1.0, 2.0], [1.0, 2.0, 3.0]), VALUE, r"theta has shape \(3,\): it must broadcast"),
    (lambda: rsnn.metrics.decaying_integral("a", 0.2), TYPE, "squares=.*give real numbers"),
    (lambda: rsnn.chip.Register(by=None), TYPE, "by=None: must be an integer"),
    (lambda: rsnn.presets.sinabs.IAF(spike_fn=len), TYPE, "spike_fn=<built-in function len>: must be SingleSpike"),
    (lambda: rsnn.metrics.decaying_integral(np.empty((0, 3)), 0.2), VALUE, r"squares has shape \(0, 3\): must be .* at least one step"),
]


@pytest.mark.parametrize("number", range(len(ELSEWHERE)))
def test_what_fuzzing_found_is_refused_in_words(number: int) -> None:
    call, error, message = ELSEWHERE[number]
    with pytest.raises(error, match=message):
        call()


SCRAPS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.just([]),
    st.just(()),
    st.just({}),
    st.just({"v": 1}),
    st.lists(st.one_of(st.floats(), st.none(), st.text(max_size=1)), max_size=3),
    st.sampled_from(
        [
            X,
            X.T,
            X[::-1],
            X.astype(">f8"),
            X[None],
            X > 0,
            np.float32(1),
            np.array(1.0),
            np.empty((0, 4)),
            np.array([object()]),
            LIF,
            rsnn.LIF,
        ]
    ),
    st.just(LIF.init_state(4)),
    st.just(object()),
)
NAMES = st.sampled_from(["x", "state", "record", "threads", "out", "steps", "batch_first", "neuron"])


@given(st.dictionaries(NAMES, SCRAPS, min_size=1, max_size=3))
def test_anything_is_answered_or_refused_in_words(scraps: dict[str, Any]) -> None:
    if isinstance(scraps.get("out"), np.ndarray):
        scraps["out"] = scraps["out"].copy()
    said = None
    try:
        result = rsnn.simulate(**({"neuron": LIF, "x": X} | scraps))
    except rsnn.RsnnError as error:
        said = str(error)
    if said is not None:
        assert any(name in said for name in scraps)
    else:
        assert result.output.dtype in (np.float32, np.float64)


LIF_FIELDS = st.sampled_from(sorted(rsnn.LIF.__dataclass_fields__.keys() - {"_"}))


@given(st.dictionaries(LIF_FIELDS, SCRAPS, min_size=1, max_size=3))
def test_any_argument_of_a_neuron_is_taken_or_refused_in_words(scraps: dict[str, Any]) -> None:
    said = None
    try:
        neuron = rsnn.LIF(**scraps)
    except rsnn.RsnnError as error:
        said = str(error)
    if said is not None:
        assert any(name in said for name in scraps)
    else:
        assert neuron == rsnn.LIF(**scraps)


# Threads and the environment ------------------------------------------------------------------------------------------------------


def test_the_number_of_threads_can_be_chosen() -> None:
    default = rsnn.get_num_threads()
    try:
        rsnn.set_num_threads(3)
        assert rsnn.get_num_threads() == rsnn.build_info()["threads"] == 3
        for wrong, error in [(0, VALUE), (-1, VALUE), (1.5, TYPE), ("2", TYPE), (True, TYPE)]:
            with pytest.raises(error, match="n=" + re.escape(repr(wrong))):
                rsnn.set_num_threads(wrong)
        assert rsnn.get_num_threads() == 3
    finally:
        rsnn.set_num_threads(None)
    assert rsnn.get_num_threads() == default


def test_the_environment_gives_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RSNN_NUM_THREADS", "5")
    assert rsnn.get_num_threads() == 5
    monkeypatch.setenv("RSNN_NUM_THREADS", "")
    assert rsnn.get_num_threads() >= 1
    for wrong in ("0", "-1", "two", "1.5"):
        monkeypatch.setenv("RSNN_NUM_THREADS", wrong)
        with pytest.raises(VALUE, match=r"RSNN_NUM_THREADS=.*correct the environment variable"):
            rsnn.simulate(LIF, X)


# The native functions: whoever calls them wrongly is told, and nothing is written ---------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"spec": "nonsense"}, VALUE),
        ({"x": np.ones((1, 6, 4), np.int32)}, TYPE),
        ({"x": np.ones((6, 4), np.float32)}, VALUE),
        ({"x": np.ones((1, 6, 8), np.float32)[..., ::2]}, VALUE),
        ({"x": [[1.0]]}, TYPE),
        ({"coefficients": np.ones((2, 3), np.float32)}, VALUE),
        ({"coefficients": np.ones((3, 1), np.float32)}, VALUE),
        ({"coefficients": np.ones((2, 0), np.float32)}, VALUE),
        ({"coefficients": np.ones((2, 1))}, TYPE),
        ({"state": np.zeros((2, 1, 4), np.float32)}, VALUE),
        ({"out": np.zeros((1, 6, 4))}, TYPE),
        ({"out": np.zeros((1, 5, 4), np.float32)}, VALUE),
        ({"record": [("i", np.zeros((1, 6, 4), np.float32))]}, VALUE),
        ({"record": [("v", np.zeros((1, 6, 3), np.float32))]}, VALUE),
        ({"level": "mmx"}, VALUE),
        ({"checkpoints": np.zeros((1, 1, 1, 4), np.float32), "every": 0}, VALUE),
        ({"packed": True}, TYPE),
    ],
)
def test_the_engine_refuses_what_does_not_fit(changes: dict[str, Any], error: type[Exception]) -> None:
    arguments = {
        "spec": LIF.kernel().spec,
        "x": np.ones((1, 6, 4), np.float32),
        "coefficients": np.ones((2, 1), np.float32),
        "state": np.zeros((1, 1, 4), np.float32),
        "out": np.zeros((1, 6, 4), np.float32),
    } | changes
    with pytest.raises(error):
        _rsnn.scan(**arguments)
    assert not np.any(arguments["out"])
    assert not np.any(arguments["state"])


def test_two_calls_cannot_write_one_array_at_the_same_time() -> None:
    x, out = np.full((2000, 4096), 0.1, np.float32), np.empty((2000, 4096), np.float32)
    raised: list[BaseException] = []

    def compute() -> None:
        try:
            rsnn.simulate(LIF, x, out=out)
        except rsnn.InUseError as error:
            raised.append(error)

    expected = rsnn.simulate(LIF, x).output
    workers = [threading.Thread(target=compute) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all("out: the array is in use" in str(error) for error in raised)
    assert len(raised) < 4
    np.testing.assert_array_equal(out, expected)


# The package ----------------------------------------------------------------------------------------------------------------------


def test_import_brings_in_neither_torch_nor_matplotlib_and_parts_come_when_used() -> None:
    code = """
import sys, rsnn
assert not {"torch", "matplotlib", "rsnn.surrogate"} & set(sys.modules), sys.modules.keys()
assert rsnn.surrogate.ATan().alpha == 2.0
assert {"surrogate", "stages", "torch", "simulate", "Network"} <= set(dir(rsnn))
try:
    rsnn.nonsense
except AttributeError as error:
    assert "nonsense" in str(error)
else:
    raise SystemExit("rsnn.nonsense exists")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_build_info_says_what_runs_here() -> None:
    info = rsnn.build_info()
    assert info["version"] == rsnn.__version__
    assert info["simd"] == info["levels"][0]
    assert info["threads"] >= 1
    assert info["profile"] in ("release", "debug")

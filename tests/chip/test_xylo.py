"""rsnn.chip.xylo: the replay spike by spike, written out in Python's integers, on any core."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from rsnn.chip import xylo


def sat(x: int) -> int:
    return max(-32768, min(x, 32767))


def wrap(x: int) -> int:
    return (x + 32768) % 65536 - 32768


def fall(x: int, dash: int) -> int:
    return (x >> dash) or (x > 0) - (x < 0)


def replay(core: xylo.Core, raster: np.ndarray) -> list[Any]:
    """Run the equations of the documentation, a spike at a time; everything that can be recorded, by step."""
    _, n, n_syn, n_out = core.sizes
    isyn = [[0] * n_syn for _ in range(n)]
    v, isyn_out, v_out, sent = [0] * n, [0] * n_out, [0] * n_out, [0] * n
    steps = []

    def membrane(v: int, dash: int, current: int, bias: int) -> int:
        if core.version == 1:
            return sat(wrap(v - fall(v, dash)) + current)
        return sat(v + sat(sat(wrap(-fall(v, dash)) + current) + bias))

    for row in raster.tolist():
        for counts, most, weights, shift in ((row, 15, core.w_in, core.shifts[0]), (sent, 31, core.w_rec, core.shifts[1])):
            for pre, count in enumerate(counts):
                for _ in range(min(count, most)):
                    for post in range(n):
                        for k in range(n_syn):
                            isyn[post][k] = sat(isyn[post][k] + wrap(int(weights[pre, post, k]) << shift))
        for pre, count in enumerate(sent):
            for _ in range(min(count, 31)):
                for post in range(n_out):
                    isyn_out[post] = sat(isyn_out[post] + wrap(int(core.w_out[pre, post]) << core.shifts[2]))
        spikes = [0] * n
        for i in range(n):
            for k in range(n_syn):
                isyn[i][k] -= fall(isyn[i][k], int(core.dash_syn[i, k]))
            v[i] = membrane(v[i], int(core.dash_mem[i]), sum(isyn[i]), int(core.bias[i]))
            while v[i] >= core.threshold[i] and spikes[i] < 31:
                spikes[i] += 1
                v[i] = wrap(v[i] - int(core.threshold[i]))
            if core.alias[i] >= 0:
                spikes[core.alias[i]] = min(31, spikes[core.alias[i]] + spikes[i])
        out = [0] * n_out
        for i in range(n_out):
            isyn_out[i] -= fall(isyn_out[i], int(core.dash_syn_out[i]))
            v_out[i] = membrane(v_out[i], int(core.dash_mem_out[i]), isyn_out[i], int(core.bias_out[i]))
            if v_out[i] >= core.threshold_out[i]:
                out[i], v_out[i] = 1, wrap(v_out[i] - int(core.threshold_out[i]))
        sent = spikes
        steps.append([[list(one) for one in isyn], list(v), list(isyn_out), list(v_out), list(spikes), out])
    return steps


@st.composite
def cores(draw: Any) -> xylo.Core:
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    n_in, n, n_syn, n_out = draw(st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(1, 2), st.integers(0, 3)))
    version = draw(st.integers(1, 2))
    span = draw(st.sampled_from([3, 127, 32767]))
    lowest = draw(st.sampled_from([1, -3]))

    def dash(*shape: int) -> np.ndarray:
        return rng.integers(0, draw(st.sampled_from([3, 16])), shape)

    def weights(*shape: int) -> np.ndarray:
        return rng.integers(-span, span + 1, shape) * (rng.random(shape) < draw(st.sampled_from([0.1, 1.0])))

    own: dict[str, Any] = {} if version == 1 else {"bias": rng.integers(-200, 201, n), "bias_out": rng.integers(-200, 201, n_out)}
    if draw(st.booleans()):
        own["alias"] = rng.integers(-1, n, n)
    top = draw(st.sampled_from([20, 2000, 32767]))
    shifts = {f"shift_{name}": draw(st.sampled_from([0, 2, 9, 15])) for name in ("in", "rec", "out")}
    return xylo.Core(
        w_in=weights(n_in, n, n_syn), w_rec=weights(n, n, n_syn), w_out=weights(n, n_out), dash_syn=dash(n, n_syn), dash_mem=dash(n),
        dash_syn_out=dash(n_out), dash_mem_out=dash(n_out), threshold=rng.integers(lowest, top, n),
        threshold_out=rng.integers(lowest, top, n_out),
        version=version, **own, **shifts,
    )  # fmt: skip


@given(core=cores(), seed=st.integers(0, 2**32 - 1), steps=st.integers(0, 12), most=st.sampled_from([1, 3, 40]))
def test_one_addition_for_the_spikes_of_a_source_equals_the_replay_spike_by_spike(
    core: xylo.Core, seed: int, steps: int, most: int
) -> None:
    raster = np.random.default_rng(seed).integers(0, most + 1, (steps, core.sizes[0]))
    result = core.run(raster, record=("isyn", "v", "isyn_out", "v_out"))
    expected = replay(core, raster)
    found = (result.isyn, result.v, result.isyn_out, result.v_out, result.spikes, result.out)
    for k, array in enumerate(found):
        assert array.tolist() == [step[k] for step in expected]


def core(**changed: Any) -> xylo.Core:
    own: dict[str, Any] = {"w_in": [[30, 1]], "w_out": [[20], [0]], "dash_syn": 2, "dash_mem": 3, "dash_syn_out": 1, "dash_mem_out": 2}
    return xylo.Core(**own | {"threshold": 40, "threshold_out": 10} | changed)


def test_threads_and_samples_do_not_show() -> None:
    rng = np.random.default_rng(1)
    large = core(w_in=rng.integers(-90, 90, (5, 40, 2)), w_rec=rng.integers(-60, 60, (40, 40, 2)), w_out=rng.integers(-9, 9, (40, 3)))
    raster = rng.integers(0, 3, (200, 7, 5))
    one, many = (large.run(raster, record="isyn", threads=threads) for threads in (1, 4))
    assert one.stats == many.stats
    assert np.array_equal(one.isyn, many.isyn)
    for k in range(7):
        assert np.array_equal(large.run(raster[:, k]).spikes, one.spikes[:, k])


def test_counts_every_addition_of_a_weight() -> None:
    # By hand: currents 90 -> 68, 98 -> 74, 74 -> 56; membranes 68 - 60, 8 - 1 + 74 - 60, 21 - 2 + 56 - 60.
    result = core(threshold=[60, 30000]).run([[3], [1], [0]], record="v")
    assert result.spikes.tolist() == [[1, 0], [1, 0], [1, 0]]
    assert result.v[:, 0].tolist() == [8, 21, 15]
    # Four input spikes to two neurons; the spikes of two steps have reached one output, where the other weight is 0.
    assert result.stats.synops == 4 * 2 + 2 * 1


REFUSED = [
    ({"w_in": [1, 2]}, r"w_in has shape \(2,\): must be \(sources, hidden\[, synapses\]\)"),
    ({"w_in": [[0.5, 1]]}, r"w_in\[0, 0\] = 0\.5: is not a whole number"),
    ({"w_in": [[np.nan, 1]]}, "is not a whole number"),
    ({"w_in": [[40000, 1]]}, "w_in: 1 to 40000 came; must fit 16 bits"),
    ({"w_in": [[128, 1]], "strict": True}, "w_in: 1 to 128 came; must fit 8 bits"),
    ({"w_rec": [[1]]}, r"w_rec has shape \(1, 1\): must be \(2, 2, 1\), as w_in has it"),
    ({"w_out": [[1]]}, r"w_out has shape \(1, 1\): must be \(2, outputs\)"),
    ({"dash_syn": 16}, "dash_syn=16: must be from 0 to 15"),
    ({"dash_mem": [1, 2, 3]}, r"dash_mem has shape \(3,\): must be a single integer or \(2,\)"),
    ({"threshold": 1 << 15}, "threshold: 32768 to 32768 came; must fit 16 bits"),
    ({"alias": [0, 2]}, r"for each hidden neuron -1 or a hidden neuron below 2"),
    ({"version": 1, "bias": 3}, "version 1 of the chip has none"),
    ({"version": 3}, "version=3: must be from 1 to 2"),
    ({"shift_in": 16}, "shift_in=16: must be from 0 to 15"),
]


@pytest.mark.parametrize(("changed", "message"), REFUSED)
def test_refuses_what_the_chip_does_not_have(changed: dict[str, Any], message: str) -> None:
    with pytest.raises((rsnn.InvalidValueError, rsnn.InvalidTypeError), match=message):
        core(**changed)


@pytest.mark.parametrize(
    ("raster", "message"),
    [
        ([[1, 2]], r"raster has shape \(1, 2\): must be \(T, 1\) or \(T, batch, 1\)"),
        ([[-1]], "raster: -1 came; counts of spikes are not negative"),
        ([[0.5]], r"raster\[0, 0\] = 0\.5: is not a whole number"),
    ],
)
def test_refuses_rasters(raster: Any, message: str) -> None:
    with pytest.raises(rsnn.InvalidValueError, match=message):
        core().run(raster)


def test_refuses_a_state_of_another_core() -> None:
    state = core().run([[1]]).state
    assert core().run(np.zeros((0, 1), int), state).state.v.tolist() == state.v.tolist()
    with pytest.raises(rsnn.InvalidValueError, match=r"state.isyn has shape \(2, 1\): must be \(3, 2, 1\)"):
        core().run([[[1], [1], [1]]], state)
    with pytest.raises(rsnn.InvalidValueError, match="must have the fields isyn, v, isyn_out, v_out, s"):
        core().run([[1]], rsnn.state.make_state(("v",), ([0, 0],)))


@pytest.mark.parametrize("n_syn", [1, 2])
def test_a_core_of_several_registers_with_few_targets_equals_the_replay(n_syn: int) -> None:
    rng = np.random.default_rng(n_syn)
    n = 150
    w_rec = rng.integers(-120, 121, (n, n, n_syn)) * (rng.random((n, n, n_syn)) < 0.04)
    core = xylo.Core(
        w_in=rng.integers(-90, 128, (5, n, n_syn)), w_rec=w_rec, w_out=rng.integers(-90, 128, (n, 3)), dash_syn=3, dash_mem=4,
        dash_syn_out=2, dash_mem_out=3, threshold=rng.integers(200, 900, n), threshold_out=400, shift_in=1, shift_rec=6,
    )  # fmt: skip
    raster = rng.poisson(0.7, (12, 5))
    result = core.run(raster, record=("isyn", "v", "isyn_out", "v_out"))
    steps = replay(core, raster)
    for k, name in enumerate(("isyn", "v", "isyn_out", "v_out")):
        assert result.traces[name].tolist() == [step[k] for step in steps], name
    assert result.spikes.tolist() == [step[4] for step in steps]
    assert result.out.tolist() == [step[5] for step in steps]
    assert result.stats.spikes > 100
    assert result.isyn.max() == 32767 - (32767 >> 3)  # a current that had saturated


def test_a_core_is_laid_out_once_so_its_arrays_do_not_change() -> None:
    core = xylo.Core(w_in=[[30]], w_out=[[20]], dash_syn=2, dash_mem=3, dash_syn_out=1, dash_mem_out=2, threshold=40, threshold_out=10)
    for array in (core.w_in, core.w_rec, core.w_out, core.threshold, core.dash_syn, core.alias, core.bias):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1
    expected = core.run([[1], [1], [0]])
    for again in (pickle.loads(pickle.dumps(core)), copy.deepcopy(core)):
        assert (again.run([[1], [1], [0]]).out == expected.out).all()
        assert not again.w_in.flags.writeable


def test_nothing_of_the_callers_becomes_read_only() -> None:
    w_in, threshold = np.array([[30]]), np.array([40])
    xylo.Core(w_in=w_in, w_out=[[20]], dash_syn=2, dash_mem=3, dash_syn_out=1, dash_mem_out=2, threshold=threshold, threshold_out=10)
    assert w_in.flags.writeable
    assert threshold.flags.writeable

"""rsnn.chip.IntegerNeuron: the Rust core equals the reference in Python's integers, for every knob, at every extreme."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from rsnn.chip import IntegerNeuron, Register, reference

small = st.integers(-40, 40)
corners = st.builds(lambda k, near, sign: sign * (2**k + near), st.integers(0, 61), st.integers(-2, 2), st.sampled_from([-1, 1]))
numbers = st.one_of(small, corners, st.sampled_from([-(2**63), 2**63 - 1]))


def within(low: int, high: int) -> st.SearchStrategy[int]:
    return numbers.map(lambda n: max(low, min(n, high)))


@st.composite
def registers(draw: Any) -> Register:
    bits = draw(st.one_of(st.none(), st.integers(2, 64), st.sampled_from([16, 24, 31, 32, 33])))
    decay = draw(st.sampled_from(["none", "shift", "scale", "floor", "constant"]))
    scale_bits = draw(st.integers(1, 15))
    most = {"shift": 31, "scale": 1 << scale_bits, "floor": 1 << scale_bits}.get(decay, 2**63 - 1)
    by = draw(st.one_of(within(0, most), st.lists(within(0, most), min_size=3, max_size=3)))
    overflow = draw(st.sampled_from(["saturate", "wrap", "wrap_once", "error"]))
    return Register(
        bits=bits, overflow=overflow, decay=decay, by=by, scale_bits=scale_bits, when=draw(st.sampled_from(["before", "after", "end"]))
    )


def one_or_three(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    return st.one_of(numbers, st.lists(numbers, min_size=3, max_size=3))


@st.composite
def neurons(draw: Any) -> IntegerNeuron:
    membrane, current = draw(registers()), draw(st.one_of(st.none(), registers()))
    half = 1 << (membrane.width - 1)
    fire = draw(st.sampled_from(["multi", "single", "ternary"]))
    most = draw(st.one_of(st.none(), st.integers(0, 40))) if fire == "multi" else None
    shift = draw(st.sampled_from([0, 0, 6]))
    top = (2**63 - 1) >> shift
    low = 1 if fire == "multi" and most is None else -9
    optional = {name: draw(st.one_of(st.none(), one_or_three(within(-half, half - 1)))) for name in ("v_min", "v_max")}
    return IntegerNeuron(
        v_threshold=draw(one_or_three(within(low, top))),
        v_low=draw(one_or_three(within(-top, top))) if fire == "ternary" else None,
        threshold_shift=shift,
        bias=draw(one_or_three(numbers)),
        bias_to=draw(st.sampled_from(["membrane", "current"])) if current is not None else "membrane",
        clip=draw(st.sampled_from(["before", "after"])),
        fire=fire,
        max_spikes=most,
        compare=draw(st.sampled_from([">=", ">"])),
        reset=draw(st.sampled_from(["subtract", "zero", "none"])),
        refractory=draw(st.one_of(st.none(), one_or_three(st.integers(0, 4)))),
        membrane=membrane,
        current=current,
        input_shift=draw(st.sampled_from([0, 0, 6, 32])),
        input_bits=draw(st.one_of(st.none(), st.integers(2, 64))),
        change=draw(st.booleans()),
        restart=draw(st.one_of(st.none(), st.tuples(st.integers(1, 6), st.integers(0, 9)))),
        **optional,
    )


@given(neuron=neurons(), rows=st.lists(st.lists(numbers, min_size=3, max_size=3), max_size=12), start=numbers)
def test_equals_plain_integers_for_every_knob(neuron: IntegerNeuron, rows: Any, start: int) -> None:
    x = np.array(rows, np.int64).reshape(-1, 3)

    def inside(register: Register | None) -> int:
        half = 1 << ((register.width if register else 64) - 1)
        return max(-half, min(start, half - 1))

    own = {"v": inside(neuron.membrane), "i": inside(neuron.current), "rest": start % 4}
    begin = {name: np.full(3, own[name], object) for name in neuron.fields}
    record = ("v", "u", "i") if neuron.current is not None else ("v", "u")
    given_state = rsnn.state.make_state(neuron.fields, (value.astype(np.int64) for value in begin.values()))
    try:
        spikes, state, traces = reference.run(neuron, x, begin)
    except rsnn.InvalidValueError:
        with pytest.raises(rsnn.InvalidValueError, match=r"of neuron \d becomes -?\d+ at step \d+, outside the \d+ bits"):
            rsnn.chip.run(neuron, x, state=given_state)
        return
    result = rsnn.chip.run(neuron, x, state=given_state, record=record)
    assert result.spikes.tolist() == spikes.tolist()
    for name in record:
        assert result.traces[name].tolist() == traces[name].tolist()
    for name in neuron.fields:
        assert getattr(result.state, name).tolist() == np.broadcast_to(state[name], 3).tolist()


LAVA = rsnn.chip.loihi.LIF(du=300, dv=200, vth=900, bias_mant=7, bias_exp=2).neuron
CURRENT = Register(bits=12, overflow="wrap", decay="shift", by=3, when="after")
RARE = IntegerNeuron(
    v_threshold=90, current=CURRENT, refractory=2, reset="zero", membrane=Register(bits=14, decay="constant", by=2, when="end")
)


@pytest.mark.parametrize("neuron", [LAVA, RARE])
def test_threads_pieces_tiles_and_layout_do_not_show(neuron: IntegerNeuron) -> None:
    x = np.random.default_rng(3).integers(-400, 700, (1500, 1037))
    whole = rsnn.chip.run(neuron, x, record=("v", "i"), threads=1)
    assert whole.stats.spikes > 1000
    again = rsnn.chip.run(neuron, x.astype(">i4"), record=("v", "i"), threads=3)
    state, v = None, []
    for piece in (x[:1], x[1:1], x[1:1100].astype(np.float32), x[1100:]):
        result = rsnn.chip.run(neuron, piece, state=state, record="v")
        state = result.state
        v.append(result.v)
    turned = rsnn.chip.run(neuron, np.asfortranarray(x)[:, ::-1], record="v")
    for found in (again.v, np.concatenate(v), turned.v[:, ::-1]):
        assert np.array_equal(found, whole.v)
    assert np.array_equal(again.i, whole.i)
    sample = reference.run(neuron, x[:60, :5])
    assert np.array_equal(whole.spikes[:60, :5], sample[0].astype(int))


def test_a_description_is_a_value() -> None:
    by = np.array([1, 2])
    neuron = IntegerNeuron(v_threshold=[5, 6], membrane=Register(decay="shift", by=by))
    by[:] = 9
    assert neuron == IntegerNeuron(v_threshold=np.array([5, 6]), membrane=Register(decay="shift", by=[1, 2]))
    assert neuron != IntegerNeuron(v_threshold=[5, 7], membrane=Register(decay="shift", by=[1, 2]))
    assert len({neuron, IntegerNeuron(v_threshold=[5, 6], membrane=Register(decay="shift", by=[1, 2]))}) == 1
    with pytest.raises(ValueError, match="read-only"):
        neuron.v_threshold[0] = 1


REFUSED = [
    (lambda: Register(bits=1), "bits=1: must be from 2 to 64"),
    (lambda: Register(decay="shift", by=32), 'by=32: must be from 0 to 31 with decay="shift"'),
    (lambda: Register(decay="scale", by=0.5), "by = 0.5: is not a whole number"),
    (lambda: Register(overflow="clamp"), "overflow='clamp': must be one of"),
    (lambda: IntegerNeuron(v_threshold=0), "v_threshold=0: must be at least 1, or it fires without end; give max_spikes"),
    (lambda: IntegerNeuron(v_threshold=[[1.5]]), r"v_threshold\[0, 0\] = 1\.5: is not a whole number"),
    (lambda: IntegerNeuron(v_threshold=None), "v_threshold=None: must be an integer"),
    (lambda: IntegerNeuron(v_threshold=1, v_low=0), 'v_low=0: is the lower threshold of fire="ternary"'),
    (lambda: IntegerNeuron(v_threshold=1, fire="ternary"), "v_low=None: is the lower threshold"),
    (lambda: IntegerNeuron(v_threshold=1, fire="single", max_spikes=3), 'max_spikes=3: limits fire="multi"'),
    (lambda: IntegerNeuron(v_threshold=1, bias_to="current"), "the neuron has no current"),
    (lambda: IntegerNeuron(v_threshold=1, v_max=1 << 15), "v_max=32768: must be from -32768 to 32767"),
    (lambda: IntegerNeuron(v_threshold=1, refractory=-1), "refractory=-1: must be from 0"),
    (lambda: IntegerNeuron(v_threshold=1, restart=(0, 1)), r"restart=\(0, 1\): must be \(every, at\)"),
    (lambda: IntegerNeuron(v_threshold=1, membrane=16), "membrane=16: must be a rsnn.chip.Register"),
    (lambda: rsnn.chip.run(7, [1]), "neuron=7: must be a rsnn.chip.IntegerNeuron"),
    (lambda: rsnn.chip.run(RARE, 1), r"x is a single number: must be \(T"),
    (lambda: rsnn.chip.run(RARE, [1], state=[1]), "an integer neuron has v, i, rest"),
    (lambda: rsnn.chip.run(RARE, [1], record="w"), "'w' is not one of 'v', 'u', 'i'"),
    (lambda: rsnn.chip.run(IntegerNeuron(v_threshold=1), [1], record="i"), "'i' is not one of 'v', 'u'"),
    (lambda: rsnn.chip.run(IntegerNeuron(v_threshold=[1, 2]), [[1, 2, 3]]), r"v_threshold \(2,\): does not broadcast"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refuses_what_it_cannot_do(call: Any, message: str) -> None:
    with pytest.raises((rsnn.InvalidValueError, rsnn.InvalidTypeError), match=message):
        call()

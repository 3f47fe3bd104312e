"""rsnn.chip.loihi beyond the golden cases: networks stepped by hand, delays, refusals."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from rsnn.chip import loihi

exponents = st.integers(-6, 6)


@given(data=st.data(), seed=st.integers(0, 2**32 - 1), batch=st.one_of(st.none(), st.integers(0, 3)), steps=st.integers(0, 9))
def test_a_network_is_its_layers_a_step_at_a_time(data: Any, seed: int, batch: int | None, steps: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    layers: list[Any] = []
    plan = []
    for before, n in itertools.pairwise(sizes):
        bits, exponent, kind = data.draw(st.integers(0, 8)), data.draw(exponents), data.draw(st.sampled_from(["lif", "ternary", "reset"]))
        into = loihi.Dense(rng.integers(-300, 300, (n, before)), bits, exponent)
        rest = {"ternary": {"vth_lo": -30}, "reset": {"reset_interval": 4, "reset_offset": 2}}.get(kind, {})
        lif = loihi.LIF(du=rng.integers(0, 4096, n), dv=1000, vth=50, bias_mant=rng.integers(-90, 90, n), bias_exp=3, kind=kind, **rest)
        own = loihi.Dense(rng.integers(-200, 200, (n, n)), 8, data.draw(exponents)) if data.draw(st.booleans()) else None
        layers += [into, lif] + ([own] if own is not None else [])
        plan.append((into, lif, own))
    shape = () if batch is None else (batch,)
    x = rng.integers(0, 2, (steps, *shape, sizes[0]))
    net = loihi.network(layers)
    result = net.run(x, record=("u", "v"))

    # By hand: one step of every population at a time, with what the others sent in the step before.
    sent = [np.zeros((*shape, n), int) for n in sizes]
    states: list[Any] = [None] * len(plan)
    for t in range(steps):
        now = [x[t]]
        for k, (into, lif, own) in enumerate(plan):
            a = sent_sum(into, sent[k]) + (0 if own is None else sent_sum(own, sent[k + 1]))
            one = rsnn.chip.run(lif.line(t), a[None], state=states[k], record=("i", "v"))
            states[k] = one.state
            assert np.array_equal(one.i[0], result.traces[k]["u"][t])
            assert np.array_equal(one.v[0], result.traces[k]["v"][t])
            assert np.array_equal(one.spikes[0], result.spikes[k][t])
            now.append(one.spikes[0])
        sent = now
    cut = steps // 2
    first = net.run(x[:cut])
    second = net.run(x[cut:], first.state, threads=2)
    for k in range(len(plan)):
        assert np.array_equal(np.concatenate([first.spikes[k], second.spikes[k]]), result.spikes[k])
        for name in ("u", "v", "s", "a"):
            assert np.array_equal(getattr(second.state[k], name), getattr(result.state[k], name))


def sent_sum(synapses: loihi.Dense, s: np.ndarray) -> np.ndarray:
    total = (s != 0).astype(object) @ synapses.used.T.astype(object)
    e = synapses.weight_exp
    return np.array(total * 2**e if e > 0 else total >> -e, dtype=object).astype(np.int64).reshape(*s.shape[:-1], len(synapses.used))


@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(0, 70), exponent=exponents, graded=st.booleans())
def test_delays_are_sums_by_arrival(seed: int, steps: int, exponent: int, graded: bool) -> None:
    rng = np.random.default_rng(seed)
    weight, delays, x = rng.integers(-300, 300, (3, 4)), rng.integers(0, 64, (3, 4)), rng.integers(-5, 6, (steps, 4))
    found = loihi.delay_dense(x, weight, delays, weight_exp=exponent, num_message_bits=8 if graded else 0)
    used = loihi.Dense(weight).used
    expected = np.zeros((steps + 65, 3), object)
    for t in range(steps):
        for post in range(3):
            groups: dict[int, int] = {}
            for pre in range(4):
                value = int(x[t, pre]) if graded else int(x[t, pre] != 0)
                groups[delays[post, pre]] = groups.get(delays[post, pre], 0) + int(used[post, pre]) * value
            for wait, total in groups.items():
                expected[t + 1 + wait, post] += total * 2**exponent if exponent > 0 else total >> -exponent
    assert found.tolist() == expected[:steps].tolist()
    same = loihi.delay_dense(x, weight, np.zeros_like(delays), weight_exp=exponent)
    assert np.array_equal(same, loihi.dense(x, weight, weight_exp=exponent))


def test_a_current_beyond_32_bits_is_an_error() -> None:
    assert loihi.lif([1 << 24], du=0, dv=0, vth=1, record="u").u.tolist() == [(1 << 30) - (1 << 24)]
    with pytest.raises(rsnn.InvalidValueError, match=r"the current of neuron 0 becomes \d+ at step 0, outside the 32 bits"):
        loihi.lif([1 << 26], du=0, dv=0, vth=1)


GOOD: dict[str, Any] = {"du": 1, "dv": 1, "vth": 1}
REFUSED = [
    (lambda: loihi.lif([0.5], **GOOD), r"x\[0\] = 0\.5: is not a whole number"),
    (lambda: loihi.lif([1], **GOOD | {"du": 4096}), "du=4096: must be from 0 to 4095"),
    (lambda: loihi.lif([1], **GOOD | {"dv": -1}), "dv=-1: must be from 0 to 4096"),
    (lambda: loihi.lif([1], **GOOD, kind="ternary"), 'vth_lo=None: is the lower threshold of kind="ternary"'),
    (lambda: loihi.lif([1], **GOOD, vth_lo=3), 'vth_lo=3: is the lower threshold of kind="ternary"'),
    (lambda: loihi.lif([1], **GOOD, kind="reset"), 'reset_interval=None: belongs to kind="reset"'),
    (lambda: loihi.lif([1], **GOOD, kind="reset", reset_interval=0), "reset_interval=0: must be from 1"),
    (lambda: loihi.lif([1], **GOOD, kind="relu"), "kind='relu': must be one of"),
    (lambda: loihi.lif([1], **GOOD, record="i"), "'i' is not one of 'u', 'v'"),
    (lambda: loihi.lif([1], **GOOD, state=[1]), "state is .*: must have v, u"),
    (lambda: loihi.lif([1], **GOOD, bias_exp=40), "bias_exp=40: must be from -31 to 31"),
    (lambda: loihi.compartment([1], **GOOD, refractory=-1), "refractory=-1: must be from 0"),
    (lambda: loihi.compartment([1], **GOOD, v_max=1 << 31), "v_max=2147483648: must be from"),
    (lambda: loihi.dense([[1]], [1]), r"weight has shape \(1,\): must be \(outputs, inputs\)"),
    (lambda: loihi.dense([[1, 2]], [[1]]), r"x has shape \(1, 2\): must be \(T, 1\)"),
    (lambda: loihi.dense([[1]], [[1]], num_weight_bits=9), "num_weight_bits=9: must be from 0 to 8"),
    (lambda: loihi.dense([[1]], [[1]], sign_mode="both"), "sign_mode='both': must be one of"),
    (lambda: loihi.delay_dense([[1]], [[1]], [[64]]), "must be from 0 to 63, one for each weight"),
    (lambda: loihi.conv(np.zeros((1, 2, 2, 1)), np.zeros((1, 3, 3, 1))), "the kernel .* is larger than the map"),
    (lambda: loihi.conv(np.zeros((1, 2, 2, 2)), np.zeros((1, 1, 1, 1))), r"x has shape \(1, 2, 2, 2\): must be \(T, X, Y, 1\)"),
    (lambda: loihi.network([]), "must have at least a Dense and a LIF"),
    (lambda: loihi.network([7]), r"layers\[0\]=7: must be a rsnn.chip.loihi.Dense or LIF"),
    (lambda: loihi.network([loihi.LIF(**GOOD)]), r"layers\[0\]: must be a Dense that is followed by a LIF"),
    (lambda: loihi.network([loihi.Dense([[1]]), loihi.LIF(**GOOD), loihi.Dense([[1, 2]])]), r"recurrent weights of shape \(1, 2\)"),
    (lambda: loihi.network([loihi.Dense([[1]]), loihi.LIF(**GOOD)]).run([[1]], {3: None}), "state=.*: must be a dict with the keys 0 to 0"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refuses_what_it_cannot_do(call: Any, message: str) -> None:
    with pytest.raises((rsnn.InvalidValueError, rsnn.InvalidTypeError), match=message):
        call()

"""Networks on Xylo: what the integers are, how near they come to the float network, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest

import rsnn

TARGETS = ["xylo_audio2", "xylo_audio3", "xylo_imu"]
# Time constants that are powers of two stand for themselves, but for the difference of exp(-1 / tau) and 1 - 1 / tau: given as decays.
EXACT: dict[str, Any] = {"alpha": 0.75, "beta": 0.875}


def network(**changed: Any) -> rsnn.Network:
    rng = np.random.default_rng(5)
    # A high threshold: 8 bits of weight then make many of membrane, and a shift rounds little of it.
    own = EXACT | {"bias": 0.05, "v_threshold": 8.0} | changed
    hidden, output = rsnn.LIF(**own, fire="multi", max_spikes=31), rsnn.LIF(**own)
    return rsnn.Network(
        [rsnn.Linear(rng.normal(0.3, 0.4, (40, 16))), hidden, rsnn.Linear(rng.normal(0.1, 0.2, (8, 40))), output], input_shape=(16,)
    )


def events(steps: int = 300) -> np.ndarray:
    return np.random.default_rng(6).poisson(0.15, (steps, 3, 16))


@pytest.mark.parametrize("target", TARGETS)
def test_integers_stay_near_the_float_network(target: str) -> None:
    chip = rsnn.chip.quantize(network(), target)
    x = events()
    report = chip.report(x)
    assert report.target == target
    assert [row.layer for row in report.layers] == ["0 Linear", "2 Linear"]
    # A shift rounds every membrane in every step and a reset that subtracts carries that on, so spikes move by steps; rates stay.
    for row in report.layers:
        assert row.spikes_float > 300
        assert abs(row.counts_error or 0) < 0.03
        assert row.agreement > 0.7
        assert row.state_bits == 16
    floats, found, rounded = network().run(x).spikes[1], chip.run(x).spikes[1], chip.dequantize().run(x).spikes[1]
    rates = [one.sum(axis=(0, 1), dtype=np.float64) for one in (floats, found, rounded)]
    assert np.abs(rates[1] - rates[0]).max() < 0.05 * rates[0].max()
    assert np.abs(rates[1] - rates[2]).max() < 0.05 * rates[0].max()
    assert chip.check().ok


def test_output_neurons_answer_a_step_later() -> None:
    net = rsnn.Network(
        [rsnn.Linear([[1.0]]), rsnn.LIF(**EXACT, v_threshold=1.7, fire="multi"), rsnn.Linear([[1.0]]), rsnn.LIF(**EXACT, v_threshold=1.7)],
        input_shape=(1,),
    )
    x = np.array([[1], [0], [0], [0], [1], [0], [0], [0]])
    chip = rsnn.chip.quantize(net, "xylo_imu")
    expected, found = net.run(x.astype(float)).output.ravel().tolist(), chip.run(x).output.ravel().tolist()
    assert 0 < sum(expected) < len(x)
    assert found == [0, *expected[:-1]]
    assert chip.report(x).layers[1].agreement == 1.0


def test_numbers_are_those_of_the_rule() -> None:
    chip = rsnn.chip.quantize(network(), "xylo_audio2")
    hidden = chip.layers[0]
    weight = np.asarray(network().layers[0].weight) / 0.75
    scale = 127 / np.abs(weight).max(axis=1)
    assert hidden.weight.tolist() == np.rint(weight * scale[:, None]).T.astype(int).tolist()
    assert hidden.threshold.tolist() == np.rint(8 * scale).tolist()
    assert hidden.bias.tolist() == np.rint(0.05 * scale).tolist()
    assert (set(hidden.dash_syn), set(hidden.dash_mem)) == ({2}, {3})
    assert math.isclose(hidden.time_constants(2.0)[0][0], -2 / math.log(0.75))


def test_a_time_constant_becomes_the_nearest_power_of_two() -> None:
    chip = rsnn.chip.quantize(network(alpha=None, beta=None, tau_syn=6.0, tau_mem=20.0, gain="unit"), "xylo_imu")
    # log2(6) = 2.58, log2(20) = 4.32
    assert (set(chip.layers[0].dash_syn), set(chip.layers[0].dash_mem)) == ({3}, {4})


def test_a_network_goes_on_from_its_state_and_batches_as_the_source_does() -> None:
    chip = rsnn.chip.quantize(network(), "xylo_audio3")
    x = events(60)
    whole, first = chip.run(x, record="v"), chip.run(x[:25])
    rest = chip.run(x[25:], first.state, record="v", threads=2)
    assert np.array_equal(rest.output, whole.output[25:])
    assert np.array_equal(rest.traces[1]["v"], whole.traces[1]["v"][25:])
    assert whole.stats[3].spikes == whole.output.sum()
    with pytest.raises(rsnn.InvalidValueError, match="must be a dict with the keys 1"):
        chip.run(x, {3: None})


def test_check_names_what_is_too_much() -> None:
    rng = np.random.default_rng(0)
    neurons = rsnn.LIF(**EXACT, fire="multi"), rsnn.LIF(**EXACT)
    weights = rng.normal(0, 1, (600, 20)), rng.normal(0, 1, (17, 600))
    net = rsnn.Network([rsnn.Linear(weights[0]), neurons[0], rsnn.Linear(weights[1]), neurons[1]], input_shape=(20,))
    found = {row.what: (row.needed, row.ok) for row in rsnn.chip.quantize(net, "xylo_imu").check() if not row.ok}
    assert found == {
        "input channels": (20, False),
        "hidden neurons": (600, False),
        "output neurons": (17, False),
        "neurons reached by input": (600, False),
        "neurons read out": (600, False),
    }


def two(hidden: Any, output: Any = None, **linear: Any) -> rsnn.Network:
    last = output if output is not None else rsnn.LIF(**EXACT)
    return rsnn.Network([rsnn.Linear([[1.0]], **linear), hidden, rsnn.Linear([[1.0]]), last], input_shape=(1,))


MULTI = {**EXACT, "fire": "multi"}
REFUSED = [
    (lambda: two(rsnn.LIF(**EXACT)), "layer 1 LIF: fire cannot be expressed on xylo_imu: a hidden neuron fires up to 31 times"),
    (lambda: two(rsnn.LIF(**MULTI), rsnn.LIF(**MULTI)), "layer 3 LIF: fire .* an output neuron fires at most once"),
    (lambda: two(rsnn.LIF(beta=0.875, fire="multi")), "neurons without a synapse cannot be expressed"),
    (lambda: two(rsnn.LIF(**MULTI, reset="zero")), "its reset cannot be expressed"),
    (lambda: two(rsnn.LIF(**MULTI, v_min=-1.0)), "v_min cannot be expressed"),
    (lambda: two(rsnn.LIF(**MULTI, refractory=2.0)), "a refractory period cannot be expressed"),
    (lambda: two(rsnn.LIF(**MULTI | {"alpha": 0.1})), "tau_syn cannot be expressed on xylo_imu: the chip has time constants of 2 to 32768"),
    (lambda: two(rsnn.LIF(**MULTI | {"beta": 1.0})), "tau_mem cannot be expressed"),
    (lambda: two(rsnn.LIF(**MULTI), bias=[1.0]), "layer 0 Linear: a bias cannot be expressed"),
    (lambda: two(rsnn.LIF(**MULTI, v_threshold=1e6)), "the weights of neuron 0, at most .* all become 0"),
    (lambda: rsnn.Network([rsnn.Linear([[1.0]]), rsnn.LIF(**MULTI)], 1), "layer 1 LIF: a single population .*; use Linear, LIF"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_refuses_what_the_chip_does_not_have(make: Any, message: str) -> None:
    with pytest.raises(rsnn.InvalidValueError, match=message):
        rsnn.chip.quantize(make(), "xylo_imu")

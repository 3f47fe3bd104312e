"""Networks on Loihi: what the integers are, how near they come to the float network, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest

import rsnn
from rsnn.chip import loihi

TARGETS = ["loihi_lava", "loihi1_nengo"]


def network(**changed: Any) -> rsnn.Network:
    rng = np.random.default_rng(5)
    own = {"beta": 0.95, "alpha": 0.8, "reset": "zero", "bias": 0.02} | changed
    return rsnn.Network(
        [rsnn.Linear(rng.normal(0.02, 0.12, (30, 20))), rsnn.LIF(**own), rsnn.Linear(rng.normal(0.05, 0.2, (7, 30))), rsnn.LIF(**own)],
        input_shape=(20,),
    )


def events(steps: int = 300) -> np.ndarray:
    return (np.random.default_rng(6).random((steps, 3, 20)) < 0.2).astype(np.int8)


@pytest.mark.parametrize("target", TARGETS)
def test_integers_stay_near_the_float_network_and_nearer_to_what_they_stand_for(target: str) -> None:
    chip = rsnn.chip.quantize(network(), target)
    x = events()
    report = chip.report(x)
    assert report.target == target
    for row in report.layers:
        assert row.spikes_float > 500
        assert row.agreement > 0.97
        assert abs(row.counts_error or 0) < 0.02
        assert row.state_bits == 24
    rounded = chip.dequantize().run(x)
    result = chip.run(x)
    near = [float(np.mean(rounded.spikes[k] == result.spikes[k])) for k in (1, 3)]
    assert near[0] > 0.998
    assert near[0] >= report.layers[0].agreement
    assert chip.check().ok
    assert result.stats[1].synops == int(x.sum()) * 30


def test_the_layers_are_lavas_on_the_chips_own_time() -> None:
    # Without a bias: that of the second population would run ahead of what arrives.
    chip = rsnn.chip.quantize(network(bias=0.0), "loihi_lava")
    x = events(80)
    parts: list[Any] = []
    for layer in chip.layers:
        parts += [layer.synapses, loihi.LIF(du=layer.du, dv=layer.dv, vth=layer.vth)]
    on_chip, aligned = loihi.network(parts).run(x), chip.run(x)
    assert np.array_equal(on_chip.spikes[0][1:], aligned.spikes[1][:-1])
    assert np.array_equal(on_chip.spikes[1][2:], aligned.spikes[3][:-2])


def test_numbers_are_those_of_the_rule() -> None:
    net = rsnn.Network([rsnn.Linear([[0.5, -1.0]]), rsnn.LIF(beta=0.75, reset="zero", bias=0.1)], input_shape=(2,))
    layer = rsnn.chip.quantize(net, "loihi_lava").layers[0]
    # K = 254; weights 127 and -254, of which the chip holds even ones; 64 K 0.1 = 1625.6; dv = 4096 / 4.
    assert layer.synapses.used.tolist() == [[128, -254]]
    assert (layer.vth, layer.dv, layer.du) == (253, 1024, 4095)
    assert (int(layer.bias[0]), int(layer.bias_exp[0])) == (1626, 0)
    assert layer.time_constants(1.0) == (0.0, -1 / math.log(0.75))


def test_a_network_goes_on_from_its_state() -> None:
    for target in TARGETS:
        chip = rsnn.chip.quantize(network(), target)
        x = events(60)
        whole, first = chip.run(x, record=("u", "v")), chip.run(x[:25])
        rest = chip.run(x[25:], first.state, record=("u", "v"))
        assert np.array_equal(rest.output, whole.output[25:])
        assert np.array_equal(rest.traces[3]["u"], whole.traces[3]["u"][25:])


def test_calibration_keeps_membranes_inside() -> None:
    net = rsnn.Network([rsnn.Linear([[1.0]]), rsnn.LIF(beta=1.0, v_threshold=400.0, reset="zero")], input_shape=(1,))
    x = np.ones((900, 1), int)
    assert rsnn.chip.quantize(net, "loihi_lava", calibration=x).run(x).stats[1].beyond == 0


def test_a_refractory_period_is_nengos_and_not_lavas() -> None:
    net = rsnn.Network([rsnn.Linear([[1.0]]), rsnn.LIF(beta=0.5, v_threshold=0.9, reset="zero", refractory=2.0)], input_shape=(1,))
    x = np.ones((9, 1), int)
    chip = rsnn.chip.quantize(net, "loihi1_nengo")
    assert chip.run(x).output.ravel().tolist() == net.run(x.astype(float)).output.ravel().tolist() == [1, 0, 0] * 3
    with pytest.raises(rsnn.InvalidValueError, match="a refractory period cannot be expressed on loihi_lava"):
        rsnn.chip.quantize(net, "loihi_lava")


def two(neuron: Any, **linear: Any) -> rsnn.Network:
    return rsnn.Network([rsnn.Linear([[1.0, 0.5]], **linear), neuron], input_shape=(2,))


REFUSED = [
    (
        lambda: rsnn.Network([rsnn.Linear([[1.0]]), rsnn.Recurrent(rsnn.LIF(beta=0.9, reset="zero"), [[1.0]])], input_shape=1),
        "layer 1 Recurrent: what comes to it cannot be expressed on loihi_lava: .*; let every population",
    ),
    (lambda: two(rsnn.LIF(beta=0.9)), 'layer 1 LIF: its reset cannot be expressed on loihi_lava: .*; use reset="zero"'),
    (lambda: two(rsnn.LIF(beta=0.9, reset="zero", v_min=-1.0)), "v_min cannot be expressed"),
    (lambda: two(rsnn.LIF(beta=0.9, reset="zero", v_threshold=-1.0)), "it would fire without input"),
    (lambda: two(rsnn.LIF(beta=0.9, reset="zero", v_leak=0.5)), "v_leak cannot be expressed"),
    (lambda: two(rsnn.LIF(beta=0.9, reset="zero", alpha=0.5), bias=[1.0]), "layer 0 Linear: a bias cannot be expressed"),
    (lambda: two(rsnn.IAF()), "fire cannot be expressed"),
    (
        lambda: rsnn.Network([rsnn.Linear([[1.0]]), rsnn.Linear([[1.0]])], input_shape=(1,)),
        "layer 1 Linear: a layer after the last neurons cannot",
    ),
    (lambda: rsnn.Network([rsnn.Linear([[1.0]])], input_shape=(1,)), "layer 0 Linear: a layer after the last neurons cannot"),
    (lambda: rsnn.Network([rsnn.Linear([[0.0]]), rsnn.LIF(beta=0.9, reset="zero")], input_shape=(1,)), "weights that are all 0"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_refuses_what_the_chip_does_not_have(make: Any, message: str) -> None:
    with pytest.raises(rsnn.InvalidValueError, match=message):
        rsnn.chip.quantize(make(), "loihi_lava")


def test_convolutions_and_pools_become_dense_synapses() -> None:
    rng = np.random.default_rng(9)
    lif = rsnn.LIF(beta=0.9, reset="zero")
    conv, pool = rsnn.Conv2d(rng.normal(0.1, 0.4, (3, 1, 3, 3)), padding=1), rsnn.AvgPool2d(2)
    net = rsnn.Network([conv, lif, pool, rsnn.Flatten(), rsnn.Linear(rng.normal(0.2, 0.5, (4, 12))), lif], (1, 4, 4))
    chip, x = rsnn.chip.quantize(net, "loihi_lava"), (rng.random((60, 2, 1, 4, 4)) < 0.3).astype(int)
    matrix = np.stack([conv.run(one[None]).ravel() for one in np.eye(16).reshape(16, 1, 4, 4)], axis=1)
    used = chip.layers[0].synapses.used
    assert np.array_equal(used, 2 * np.rint(127 / np.abs(matrix).max() * matrix))
    result = chip.run(x, record="v")
    assert (result.spikes[1].shape, result.traces[1]["v"].shape, result.output.shape) == ((60, 2, 3, 4, 4), (60, 2, 3, 4, 4), (60, 2, 4))
    report = chip.report(x)
    assert all(row.spikes_float > 50 and row.agreement > 0.95 for row in report.layers)
    assert np.array_equal(rsnn.chip.quantize(chip.dequantize(), "loihi_lava").layers[0].synapses.used, used)


def test_refuses_counts() -> None:
    with pytest.raises(rsnn.InvalidValueError, match="x: the chip takes 0 and 1"):
        rsnn.chip.quantize(network(), "loihi_lava").run(np.full((2, 20), 2))

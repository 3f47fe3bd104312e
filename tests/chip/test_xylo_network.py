"""Xylo beyond one hidden layer: depth, recurrence, residual connections, folding, calibration; what the report sees of it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from rsnn.chip.xylo_wide import wide

OWN: dict[str, Any] = {"alpha": 0.75, "beta": 0.875, "v_threshold": 8.0}
HIDDEN, OUTPUT = rsnn.LIF(**OWN, fire="multi", max_spikes=31, bias=0.05), rsnn.LIF(**OWN)


def w(seed: int, *shape: int, mean: float = 0.2) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.4, shape)


def events(*shape: int) -> np.ndarray:
    return np.random.default_rng(6).poisson(0.15, shape)


def deep() -> rsnn.Network:
    return rsnn.Network([rsnn.Linear(w(0, 20, 16)), HIDDEN, rsnn.Linear(w(1, 12, 20)), HIDDEN, rsnn.Linear(w(2, 5, 12)), OUTPUT], 16)


def residual(*, delay: bool = True) -> rsnn.Network:
    later = [rsnn.Delay(1.0)] if delay else []
    layers = [
        rsnn.Linear(w(0, 20, 16)), ("one", HIDDEN), *later, rsnn.Linear(w(1, 20, 20, mean=0.05)), ("two", HIDDEN),
        (None, rsnn.Linear(w(2, 5, 20)), ("one", "two")), OUTPUT,
    ]  # fmt: skip
    return rsnn.Network(layers, 16)


def recurrent() -> rsnn.Network:
    return rsnn.Network([rsnn.Linear(w(0, 20, 16)), rsnn.Recurrent(HIDDEN, w(3, 20, 20, mean=0.0)), rsnn.Linear(w(2, 5, 20)), OUTPUT], 16)


NETWORKS = {"deep": deep, "residual": residual, "recurrent": recurrent}


def test_a_spike_takes_a_step_from_population_to_population() -> None:
    relay = {"alpha": 0.5, "beta": 0.5, "v_threshold": 1.0}
    hidden, output = rsnn.LIF(**relay, fire="multi"), rsnn.LIF(**relay)
    net = rsnn.Network([rsnn.Linear([[1.0]]), hidden, rsnn.Linear([[1.0]]), hidden, rsnn.Linear([[1.0]]), output], 1)
    chip = rsnn.chip.quantize(net, "xylo_imu")
    x = np.array([[1], [0], [0], [0], [0], [0]])
    result = chip.run(x)
    assert [int(np.flatnonzero(one)[0]) for one in result.spikes.values()] == [0, 1, 2]
    assert [layer.delay for layer in chip.layers] == [0, 1, 2]
    float_ = net.run(x.astype(float))
    assert [int(np.flatnonzero(one)[0]) for one in float_.spikes.values()] == [0, 0, 0]
    assert [row.first_step for row in chip.report(x).layers] == [None, None, None]


def test_populations_lie_side_by_side_with_the_numbers_of_the_rule() -> None:
    chip = rsnn.chip.quantize(deep(), "xylo_audio2")
    scale = 127 / np.abs(w(1, 12, 20) / 0.75).max(axis=1)
    assert np.array_equal(chip.core.w_rec[:20, 20:, 0], np.rint(w(1, 12, 20) / 0.75 * scale[:, None]).T)
    assert not chip.core.w_rec[:, :20].any()
    assert not chip.core.w_in[:, 20:].any()
    assert not chip.core.w_out[:20].any()
    rec = rsnn.chip.quantize(recurrent(), "xylo_audio2")
    both = np.concatenate([w(0, 20, 16), w(3, 20, 20, mean=0.0)], axis=1) / 0.75
    scale = 127 / np.abs(both).max(axis=1)
    assert np.array_equal(rec.core.w_rec[:, :, 0], np.rint(both[:, 16:] * scale[:, None]).T)


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_stay_near_the_float_network_and_calibration_brings_them_nearer(name: str) -> None:
    net, x = NETWORKS[name](), events(200, 3, 16)
    plain, calibrated = rsnn.chip.quantize(net, "xylo_audio2"), rsnn.chip.quantize(net, "xylo_audio2", calibration=x)
    assert max(calibrated.core.shifts) > 0
    reports = [chip.report(x) for chip in (plain, calibrated)]
    for report in reports:
        for row in report.layers:
            assert row.spikes_float > 300
            assert abs(row.counts_error or 0) < 0.08
    # A shift rounds a large membrane less.
    assert sum(row.moved["steps"] for row in reports[1].layers) < 0.9 * sum(row.moved["steps"] for row in reports[0].layers)
    assert all(one.beyond == 0 for row in reports[1].layers for one in row.states)
    assert calibrated.check().ok
    first = calibrated.layers[0]
    assert np.array_equal(first.weight[:16], calibrated.core.w_in[:, :20, 0] << calibrated.core.shifts[0])
    # As the float network has it, in parts of the scale: rounded to a weight of the chip.
    assert (
        np.abs(first.weight[:16].T / first.scale[:, None] - w(0, 20, 16) / 0.75).max()
        < 0.51 * 2 ** calibrated.core.shifts[0] / first.scale.min()
    )


def test_calibration_makes_membranes_that_leave_sixteen_bits_smaller() -> None:
    lif = {"alpha": 1 - 2**-8, "beta": 1 - 2**-10, "v_threshold": 100.0}
    net = rsnn.Network([rsnn.Linear(w(0, 6, 4, mean=1.0)), rsnn.LIF(**lif, fire="multi"), rsnn.Linear(w(1, 3, 6) / 20), OUTPUT], 4)
    x = np.ones((200, 4), int)
    plain, calibrated = rsnn.chip.quantize(net, "xylo_imu"), rsnn.chip.quantize(net, "xylo_imu", calibration=x)
    before, after = plain.report(x), calibrated.report(x)
    assert any(one.beyond for row in before.layers for one in row.states)
    assert sum(row.moved["saturation"] for row in before.layers) > 100
    assert any("beyond the chip's 16 bits" in text for text in before.warnings)
    assert not any(one.beyond for row in after.layers for one in row.states)
    assert sum(row.moved["saturation"] for row in after.layers) == 0


@given(seed=st.integers(0, 10**6), name=st.sampled_from([*NETWORKS]), steps=st.integers(1, 40))
def test_without_saturation_states_of_32_bits_are_the_chips(seed: Any, name: Any, steps: Any) -> None:
    chip = rsnn.chip.quantize(NETWORKS[name](), "xylo_audio3")
    x = np.random.default_rng(seed).poisson(0.2, (steps, 2, 16))
    spikes, ranges = wide(chip, chip.enter("x", x, 1)[0], 1)
    result = chip.run(x)
    assert not any(one.beyond for row in ranges.values() for one in row)
    assert all(np.array_equal(spikes[k], result.spikes[k]) for k in spikes)


@pytest.mark.parametrize("name", NETWORKS)
def test_pieces_give_the_whole_and_counts_are_shared_out(name: str) -> None:
    chip, x = rsnn.chip.quantize(NETWORKS[name](), "xylo_audio2"), events(60, 2, 16)
    whole, first = chip.run(x, record="v"), chip.run(x[:23])
    rest = chip.run(x[23:], first.state, record="v", threads=2)
    for k in whole.spikes:
        assert np.array_equal(np.concatenate([first.spikes[k], rest.spikes[k]]), whole.spikes[k])
        assert np.array_equal(rest.traces[k]["v"], whole.traces[k]["v"][23:])
        assert whole.stats[k].spikes == whole.spikes[k].sum()
        assert whole.stats[k].synops == first.stats[k].synops + rest.stats[k].synops
    assert whole.synops == chip.core.run(x).stats.synops


def test_a_residual_connection_is_an_alias_and_gives_what_its_weights_would() -> None:
    chip, x = rsnn.chip.quantize(residual(), "xylo_audio2"), events(150, 2, 16)
    core = chip.core
    assert core.alias.tolist() == [*range(20, 40), *[-1] * 20]
    assert not core.w_out[:20].any()
    out = core.w_out.copy()
    out[:20] = out[20:]
    shared = {name: getattr(core, name) for name in ("threshold", "threshold_out", "bias", "bias_out", "dash_mem", "dash_syn")}
    shared |= {name: getattr(core, name) for name in ("dash_mem_out", "dash_syn_out")}
    plain = rsnn.chip.xylo.Core(w_in=core.w_in, w_rec=core.w_rec, w_out=out, **shared).run(x)
    result = chip.run(x)
    assert result.output.sum() > 100
    assert np.array_equal(result.output, plain.out)
    assert np.array_equal(result.spikes[4], plain.spikes[..., 20:])
    assert core.alias.max() >= 0
    assert {row.what: row.needed for row in chip.check()}["aliases"] == 20


def test_ways_of_different_length_are_refused_and_a_delay_evens_them_out() -> None:
    message = r"layer 5 LIF: ways to it of 1 and 2 steps cannot be expressed on xylo_imu: .*; put rsnn\.Delay\(1\.0\) into the longer way"
    with pytest.raises(rsnn.InvalidValueError, match=message):
        rsnn.chip.quantize(residual(delay=False), "xylo_imu")
    assert [layer.delay for layer in rsnn.chip.quantize(residual(), "xylo_imu").layers] == [0, 0, 1]


@pytest.mark.parametrize("kind", ["linear", "convolution", "sum"])
def test_layers_without_neurons_are_folded_into_one(kind: str) -> None:
    last = [HIDDEN, rsnn.Linear(w(2, 5, 20)), OUTPUT]
    if kind == "linear":
        net = rsnn.Network([rsnn.Linear(w(0, 7, 16)), rsnn.Linear(w(1, 20, 7)), *last], 16)
        matrix = w(1, 20, 7) @ w(0, 7, 16)
    elif kind == "convolution":
        conv, pool = rsnn.Conv2d(w(0, 5, 1, 3, 3), padding=1), rsnn.SumPool2d(2)
        net = rsnn.Network([conv, pool, rsnn.Flatten(), *last], (1, 4, 4))
        matrix = np.stack([pool.run(conv.run(one[None])).ravel() for one in np.eye(16).reshape(16, 1, 4, 4)], axis=1)
    else:
        layers = [("a", rsnn.Linear(w(0, 20, 16))), ("b", rsnn.Linear(w(1, 20, 16)), "input"), (None, HIDDEN, ("a", "b")), *last[1:]]
        net, matrix = rsnn.Network(layers, 16), w(0, 20, 16) + w(1, 20, 16)
    chip = rsnn.chip.quantize(net, "xylo_audio2")
    single = rsnn.chip.quantize(rsnn.Network([rsnn.Linear(matrix), *last], 16), "xylo_audio2")
    assert np.array_equal(chip.core.w_in, single.core.w_in)
    x = events(80, 2, 16)
    shaped = x.reshape(80, 2, *net.input_shape)
    assert np.array_equal(chip.run(shaped).output, single.run(x).output)
    assert np.array_equal(chip.dequantize().run(shaped).output, single.dequantize().run(x).output)


def test_neurons_of_a_map_keep_its_shape() -> None:
    net = rsnn.Network([rsnn.Conv1d(w(0, 3, 1, 3), padding=1), HIDDEN, rsnn.Flatten(), rsnn.Linear(w(1, 4, 24, mean=0.05)), OUTPUT], (1, 8))
    chip, x = rsnn.chip.quantize(net, "xylo_audio2"), events(40, 2, 1, 8)
    result, report = chip.run(x, record="v"), chip.report(x)
    assert (result.spikes[1].shape, result.traces[1]["v"].shape) == ((40, 2, 3, 8), (40, 2, 3, 8))
    assert report.layers[0].neurons == 24
    assert abs(report.layers[0].counts_error or 0) < 0.1


def test_every_neuron_may_have_numbers_of_its_own() -> None:
    alpha, beta, threshold, bias = [0.5, 0.75, 0.875], [0.75, 0.5, 0.9375], [1.0, 2.0, 3.0], [0.0, 0.1, -0.1]
    hidden = rsnn.LIF(alpha=alpha, beta=beta, v_threshold=threshold, bias=bias, fire="multi")
    net = rsnn.Network([rsnn.Linear(w(0, 3, 4)), hidden, rsnn.Linear(w(1, 2, 3)), OUTPUT], 4)
    layer = rsnn.chip.quantize(net, "xylo_imu").layers[0]
    assert (layer.dash_syn.tolist(), layer.dash_mem.tolist()) == ([1, 2, 3], [2, 1, 4])
    scale = 127 / np.abs(w(0, 3, 4) / np.array(alpha)[:, None]).max(axis=1)
    assert layer.threshold.tolist() == np.rint(scale * threshold).tolist()
    assert layer.bias.tolist() == np.rint(scale * bias).tolist()


def test_the_report_gives_time_constants_of_both() -> None:
    own = {"tau_syn": 6.0, "tau_mem": 20.0, "gain": "unit"}
    net = rsnn.Network([rsnn.Linear([[1.0]]), rsnn.LIF(**own, fire="multi"), rsnn.Linear([[1.0]]), rsnn.LIF(**own)], 1)
    report = rsnn.chip.quantize(net, "xylo_imu").report(events(50, 1))
    syn, mem = report.layers[0].time_constants
    # 8 and 16 steps: -1 / ln(1 - 1 / 8), -1 / ln(1 - 1 / 16).
    assert (syn.name, syn.float_[0], syn.chip) == (
        "tau_syn",
        pytest.approx(6.0),
        (pytest.approx(7.4889, rel=1e-4), pytest.approx(7.4889, rel=1e-4)),
    )
    assert (mem.name, mem.float_[1], mem.chip) == (
        "tau_mem",
        pytest.approx(20.0),
        (pytest.approx(15.4945, rel=1e-4), pytest.approx(15.4945, rel=1e-4)),
    )
    assert report.layers[0].moved["decays"] > 0
    assert "tau_mem" in str(report)


ONE = rsnn.Linear([[1.0]])
REFUSED: list[tuple[list[Any], str]] = [
    ([ONE, HIDDEN, ONE, rsnn.Recurrent(OUTPUT, [[1.0]])], "layer 3 Recurrent: its recurrence cannot .*: output neurons have none"),
    ([ONE, ("h", HIDDEN), ONE, ("o", OUTPUT), ONE], "layer 4 Linear: a layer after the last neurons"),
    ([rsnn.Delay(2.0), ONE, HIDDEN, ONE, OUTPUT], "layer 2 LIF: a delay of what comes in cannot"),
    ([ONE, HIDDEN, ONE, (None, OUTPUT, (2, "input"))], "layer 3 LIF: what comes into the network cannot .*: output neurons hear hidden"),
    ([rsnn.Linear([[1.0]], bias=[0.5]), HIDDEN, ONE, OUTPUT], "layer 0 Linear: a bias cannot"),
]  # fmt: skip


@pytest.mark.parametrize(("layers", "message"), REFUSED)
def test_what_the_chip_does_not_have_is_refused_by_name(layers: Any, message: str) -> None:
    with pytest.raises(rsnn.InvalidValueError, match=message):
        rsnn.chip.quantize(rsnn.Network(layers, 1), "xylo_imu")


def test_fan_out_is_checked_at_most_and_on_average() -> None:
    net = rsnn.Network([rsnn.Linear(w(0, 300, 16)), rsnn.Recurrent(HIDDEN, w(1, 300, 300)), rsnn.Linear(w(2, 8, 300)), OUTPUT], 16)
    found = {
        target: {row.what: row.needed for row in rsnn.chip.quantize(net, target).check().violations}
        for target in ("xylo_audio2", "xylo_audio3", "xylo_imu")
    }
    assert "fan-out of a neuron" in found["xylo_audio2"]
    assert "fan-out on average" not in found["xylo_audio2"]
    assert set(found["xylo_audio3"]) == {"fan-out on average", "neurons reached by input", "neurons read out"}
    assert float(found["xylo_imu"]["fan-out on average"]) > 64

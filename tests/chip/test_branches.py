"""Branches on DynapCNN and Speck, what differs between those chips, and what the report says of them."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import rsnn
from rsnn.chip import mapping

IAF = rsnn.IAF(v_min=-1.0)


def w(seed: int, *shape: int, mean: float = 0.05) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.2 / np.sqrt(np.prod(shape[1:])), shape)


def events(*shape: int) -> np.ndarray:
    return np.random.default_rng(8).poisson(0.2, shape)


def residual(last: int = 5) -> rsnn.Network:
    layers = [
        rsnn.AvgPool2d(2), rsnn.Conv2d(w(0, 4, 2, 3, 3), padding=1), ("a", IAF), rsnn.SumPool2d(2),
        rsnn.Conv2d(w(1, 4, 4, 3, 3), padding=1), ("b", IAF), ("skipped", rsnn.SumPool2d(2), "a"),
        (None, rsnn.Conv2d(w(2, 4, 4, 3, 3), padding=1), ("b", "skipped")), IAF, rsnn.Flatten(), rsnn.Linear(w(3, last, 64)), IAF,
    ]  # fmt: skip
    return rsnn.Network(layers, (2, 16, 16))


def in_float(chip: Any) -> rsnn.Network:
    """Make a float network of the integers themselves."""
    layers = [rsnn.SumPool2d(layer.kernel) if isinstance(layer, rsnn.AvgPool2d) else layer for layer in chip.source.layers]
    for layer in chip.layers:
        q, product = layer.quantized, layers[layer.index]
        layers[layer.index] = dataclasses.replace(product, weight=q.weight.reshape(product.weight.shape).astype(float))
        layers[layer.neuron_index] = rsnn.IAF(v_threshold=q.v_threshold, v_min=q.v_min)
    return dataclasses.replace(chip.source, layers=layers)


def test_cores_that_meet_add_their_events_up() -> None:
    chip, x = rsnn.chip.quantize(residual(), "speck2f"), events(30, 2, 2, 16, 16)
    assert [layer.sources for layer in chip.layers] == [((-1, 1),), ((0, 1),), ((1, 1), (0, 1)), ((2, 1),)]
    result, float_ = chip.run(x, record="v"), in_float(chip).run(x.astype(float), record="v")
    for k, spikes in result.spikes.items():
        assert spikes.sum() > 100
        assert np.array_equal(spikes, float_.spikes[k])
        assert np.array_equal(result.traces[k]["v"], float_.traces[k]["v"])
    whole, first = chip.run(x), chip.run(x[:11])
    assert np.array_equal(chip.run(x[11:], first.state).output, whole.output[11:])
    report = chip.report(x)
    assert all(set(row.moved) == {"weights", "saturation"} for row in report.layers)  # no order: cores meet


def test_a_core_may_pool_for_one_target_and_not_for_another() -> None:
    layers = [
        rsnn.Conv2d(w(0, 3, 1, 3, 3), padding=1), ("a", IAF), rsnn.SumPool2d(2), rsnn.Conv2d(w(1, 3, 3, 3, 3), padding=1), ("b", IAF),
        (None, rsnn.Conv2d(w(2, 3, 3, 2, 2), stride=2), "a"), ("c", IAF), (None, rsnn.Flatten(), ("b", "c")), rsnn.Linear(w(3, 4, 48)), IAF,
    ]  # fmt: skip
    net = rsnn.Network(layers, (1, 8, 8))
    chip, x = rsnn.chip.quantize(net), events(20, 1, 8, 8)
    assert [layer.sources for layer in chip.layers] == [((-1, 1),), ((0, 2),), ((0, 1),), ((1, 1), (2, 1))]
    assert np.array_equal(chip.run(x).output, in_float(chip).run(x.astype(float)).output)
    pooling = [row.needed for row in chip.check() if row.layer == "0 Conv2d" and row.what == "pooling"]
    assert pooling == [1, 2]
    with pytest.raises(rsnn.InvalidValueError, match="its cores are no chain"):
        rsnn.chip.dynapcnn.spread(chip, x)


def test_three_destinations_are_one_too_many() -> None:
    branch = [(None, rsnn.Linear(w(k, 2, 2)), "a") for k in range(3)]
    layers = [rsnn.Linear(w(9, 2, 2)), ("a", IAF)]
    for k, one in enumerate(branch):
        layers += [one, (f"n{k}", IAF)]
    layers += [(None, rsnn.Linear(w(7, 2, 2)), ("n0", "n1", "n2")), IAF]
    check = rsnn.chip.quantize(rsnn.Network(layers, 2)).check()
    assert [(row.layer, row.what, row.needed, row.available) for row in check.violations] == [
        ("0 Linear", "destinations", 3, "at most 2 cores")
    ]


REFUSED: list[tuple[list[Any], Any, str]] = [
    (
        [rsnn.Linear(np.eye(2)), ("a", IAF), rsnn.Linear(np.eye(2)), ("b", IAF), (None, rsnn.Add(), ("a", "b"))], 2,
        "layer 4 Add: what the network sends on cannot .*; let a layer with weights take what is added up",
    ),
    (
        [rsnn.Linear(np.eye(2)), ("a", IAF), (None, rsnn.Linear(np.eye(2)), ("a", "a")), IAF], 2,
        "layer 2 Linear: the same events twice cannot .*; double the weights instead",
    ),
    (
        [("w", rsnn.Linear(np.eye(2))), ("a", IAF), (None, IAF, "w"), (None, rsnn.Linear(np.eye(2)), ("a", 2)), IAF], 2,
        "layer 2 IAF: its place after layer 0 Linear cannot .*: its weights have neurons already",
    ),
    (
        [
            rsnn.Conv2d(np.ones((1, 1, 1, 1))), ("a", IAF), ("p", rsnn.AvgPool2d(2)), (None, rsnn.SumPool2d(2), "a"),
            (None, rsnn.Conv2d(np.ones((1, 1, 1, 1))), ("p", 3)), IAF,
        ],
        (1, 4, 4), "layer 4 Conv2d: an average pool before it on one way and not on another cannot",
    ),
    (
        [rsnn.SumPool2d(2), rsnn.Conv2d(np.ones((1, 1, 1, 1))), ("a", IAF), (None, rsnn.Conv2d(np.ones((1, 1, 2, 2)), stride=2), "input"),
         IAF, (None, rsnn.Conv2d(np.ones((1, 1, 1, 1))), ("a", 4)), IAF],
        (1, 4, 4), "another pooling of the input than elsewhere cannot",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("layers", "shape", "message"), REFUSED)
def test_branches_that_the_chip_does_not_have_are_refused_by_name(layers: Any, shape: Any, message: str) -> None:
    with pytest.raises(rsnn.InvalidValueError, match=message):
        rsnn.chip.quantize(rsnn.Network(layers, shape))


def test_speck_counts_classes_four_channels_apart_and_dynapcnn_counts_none() -> None:
    plain, speck = (rsnn.chip.quantize(residual(), target).check() for target in ("dynapcnn", "speck2e"))
    assert plain.readout is None
    assert speck.readout == {"layer": "10 Linear", "channels": [0, 4, 8, 12, 16]}
    rows = {row.what: (row.needed, row.available) for row in speck if row.layer == "10 Linear"}
    assert rows["readout classes"] == (5, "15; more are read as events")
    # 4 channels in, 4x4 pixels, 17 features: 4 << 4 + 5.
    needed, available = rows["kernel memory, classes 4 channels apart"]
    core = speck.cores["10 Linear"]
    assert (needed, available) == (4 << 9, f"{mapping.KERNEL_MEMORY[core]} on core {core}")
    assert needed <= mapping.KERNEL_MEMORY[core]
    assert "readout classes" not in {row.what for row in plain}
    assert "classes are read from channels 0, 4, 8, 12, 16 of layer 10 Linear" in str(speck)
    assert {row.what: row.available for row in speck if row.layer == "input"}["map"] == "from the sensor, 2x128x128 at most"
    assert "map" not in {row.what for row in plain if row.layer == "input"}
    many = rsnn.chip.quantize(residual(16), "speck2f").check()
    assert many.ok
    assert many.readout is None


def test_the_channels_of_the_readout_need_room_and_say_where_there_is_none() -> None:
    wide = rsnn.Network([rsnn.Linear(w(0, 10, 2048)), IAF], (2048,))
    check = rsnn.chip.quantize(wide, "speck2f").check()
    assert {row.what: row.available for row in check if row.layer == "input"}["map"].endswith("this one as events from outside")
    # 2048 << 4 fits a core, 2048 << 6 does not.
    assert check.readout is None
    assert {row.what: row.available for row in check}["cores, classes 4 channels apart"] == "no core holds that; read events instead"
    assert [row.what for row in check.violations] == ["input features"]


def test_an_energy_is_the_constant_of_the_caller_and_nothing_else() -> None:
    chip, x = rsnn.chip.quantize(residual(), "speck2f"), events(10, 2, 2, 16, 16)
    plain, priced = chip.report(x), chip.report(x, joules_per_synop=2e-11)
    assert plain.energy is None
    assert "energy" not in str(plain)
    assert priced.energy == priced.synops * 2e-11
    assert f"{priced.energy / 2:.4g} J a sample, at 2e-11 J each (your constant)" in str(priced)
    assert priced.to_dict()["energy"] == priced.energy
    bare = chip.report(x, causes=False)
    assert all(row.moved == {} for row in bare.layers)
    assert "where the gap comes from" not in str(bare)
    assert bare.synops == plain.synops
    with pytest.raises(rsnn.InvalidValueError, match="joules_per_synop=-1: must not be negative"):
        chip.report(x, joules_per_synop=-1)


def test_the_gap_is_traced_to_saturation_where_bits_run_out() -> None:
    net = rsnn.Network([rsnn.Linear([[1.0]]), rsnn.IAF(v_threshold=200.0, fire="single")], 1)
    x = np.array([[250]] * 300 + [[0]] * 200)
    report = rsnn.chip.quantize(net).report(x)
    row = report.layers[0]
    # It gains a quarter of a threshold in each step, which 16 bits do not keep.
    assert row.moved["weights"] == 0
    assert row.moved["saturation"] > 0
    assert row.states[0].beyond == row.beyond > 0
    assert row.states[0].highest > 32767


def test_the_picture_has_a_bar_for_each_cause_and_layer() -> None:
    from matplotlib.figure import Figure

    chip, x = rsnn.chip.quantize(residual(), "speck2f"), events(10, 2, 2, 16, 16)
    report = chip.report(x)
    axes = Figure().subplots()
    assert report.plot(axes) is axes
    assert len(axes.patches) == len(report.layers)  # of weights alone: no state leaves its bits
    assert [one.get_text() for one in axes.get_yticklabels()] == [row.layer for row in report.layers]
    for bar, row in zip(axes.patches, report.layers, strict=False):
        assert bar.get_width() == pytest.approx(row.moved["weights"] / row.spikes_float)

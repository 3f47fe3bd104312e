"""Networks on a chip: what is refused, what is checked, what is reported, and that the integers are the network's."""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from rsnn.chip import mapping

IAF = rsnn.IAF(v_threshold=1.0, v_min=-1.0)


def random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)


def events(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).poisson(0.3, shape)


def network(*, average: bool = True, batch_first: bool = False, bias: bool = False, input_pool: bool = False) -> rsnn.Network:
    pool = rsnn.AvgPool2d(2) if average else rsnn.SumPool2d(2)
    first = [pool] if input_pool else []
    size = 24 if input_pool else 12
    layers = [
        *first, rsnn.Conv2d(random(0, 4, 2, 3, 3), 0.1 * random(1, 4) if bias else None, padding=1), IAF, pool,
        rsnn.Conv2d(random(2, 6, 4, 3, 3) * 2, 0.1 * random(3, 6) if bias else None, stride=2), IAF, rsnn.SumPool2d(2), rsnn.Flatten(),
        rsnn.Linear(random(4, 7, 6), 0.1 * random(5, 7) if bias else None), IAF, rsnn.Linear(random(6, 5, 7)), IAF,
    ]  # fmt: skip
    return rsnn.Network(layers, (2, size, size), batch_first=batch_first)


def in_float(chip: rsnn.chip.ChipNetwork) -> rsnn.Network:
    """Make a float network of the integers themselves."""
    layers = [rsnn.SumPool2d(layer.kernel) if isinstance(layer, rsnn.AvgPool2d) else layer for layer in chip.source.layers]
    for layer in chip.layers:
        q, product = layer.quantized, layers[layer.index]
        bias = None if q.bias is None else q.bias.astype(float)
        layers[layer.index] = dataclasses.replace(product, weight=q.weight.reshape(product.weight.shape).astype(float), bias=bias)
        layers[layer.neuron_index] = rsnn.IAF(v_threshold=q.v_threshold, v_min=q.v_min)
    return rsnn.Network(layers, chip.source.input_shape, batch_first=chip.source.batch_first)


@pytest.mark.parametrize("v_min", [None, -1.0])
def test_a_neuron_by_the_names_of_its_library_is_quantised_as_rsnns_own(v_min: Any) -> None:
    weight, x = random(0, 4, 2, 3, 3), events(1, 20, 2, 8, 8)
    own, preset = (
        rsnn.chip.quantize(rsnn.Network([rsnn.Conv2d(weight, padding=1), neuron], (2, 8, 8)), target="speck2f")
        for neuron in (rsnn.IAF(v_min=v_min), rsnn.presets.sinabs.IAF(min_v_mem=v_min))
    )
    assert own.run(x).output.sum() > 0
    np.testing.assert_array_equal(preset.run(x).output, own.run(x).output)
    leaky = rsnn.Network([rsnn.Conv2d(weight, padding=1), rsnn.presets.sinabs.LIF(tau_mem=20.0)], (2, 8, 8))
    with pytest.raises(rsnn.InvalidValueError, match="does not leak"):
        rsnn.chip.quantize(leaky, target="speck2f")


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("input_pool", [True, False])
def test_the_integers_are_a_float_network_of_whole_numbers(average: Any, bias: Any, input_pool: Any) -> None:
    chip = rsnn.chip.quantize(network(average=average, bias=bias, input_pool=input_pool))
    x = events(1, 25, 3, *chip.source.input_shape)
    result = chip.run(x, record="v")
    float_ = in_float(chip).run(x.astype(np.float64), record="v")
    assert all(one.spikes > 0 for one in result.stats.values())
    assert np.array_equal(result.output, float_.output)
    for k, spikes in result.spikes.items():
        assert np.array_equal(spikes, float_.spikes[k])
        assert np.array_equal(result.traces[k]["v"], float_.traces[k]["v"])
        assert np.array_equal(result.state[k].v, float_.state[k].v)


def test_pieces_samples_threads_and_batch_first_give_the_whole() -> None:
    chip = rsnn.chip.quantize(network())
    x = events(2, 20, 3, 2, 12, 12)
    whole = chip.run(x, record="v", threads=1)
    first = chip.run(x[:7], threads=3)
    second = chip.run(x[7:], first.state)
    assert np.array_equal(np.concatenate([first.output, second.output]), whole.output)
    for k in whole.state:
        assert np.array_equal(second.state[k].v, whole.state[k].v)
        assert np.array_equal(whole.traces[k]["v"][-1], whole.state[k].v)
    assert whole.synops == first.synops + second.synops
    alone = chip.run(x[:, 1])
    assert np.array_equal(alone.output, whole.output[:, 1])
    turned = rsnn.chip.quantize(network(batch_first=True), calibration=x.swapaxes(0, 1))
    result = turned.run(x.swapaxes(0, 1), record="v")
    assert np.array_equal(result.output, whole.output.swapaxes(0, 1))
    for k in whole.state:
        assert np.array_equal(result.spikes[k], whole.spikes[k].swapaxes(0, 1))
        assert np.array_equal(result.traces[k]["v"], whole.traces[k]["v"].swapaxes(0, 1))
    assert turned.report(x.swapaxes(0, 1)) == chip.report(x)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("steps", [1, 6])
def test_the_output_has_the_shape_of_the_float_networks(batch_first: bool, steps: int) -> None:
    layers = [rsnn.Conv2d(random(0, 3, 1, 3, 3), padding=1), IAF, rsnn.SumPool2d(2), rsnn.Flatten()]
    net = rsnn.Network(layers, (1, 4, 4), batch_first=batch_first)
    for shape in ((steps, 1, 4, 4), (steps, 1, 1, 4, 4), (steps, 5, 1, 4, 4)):
        x = events(3, *shape)
        x = x.swapaxes(0, 1) if batch_first and len(shape) == 5 else x
        assert rsnn.chip.quantize(net).run(x).output.shape == net.run(x.astype(float)).output.shape
        assert rsnn.chip.quantize(net).report(x).samples == (shape[1] if len(shape) == 5 else 1)


def test_no_samples_give_empty_results() -> None:
    assert rsnn.chip.quantize(network()).run(np.zeros((4, 0, 2, 12, 12), int)).output.shape == (4, 0, 5)


@pytest.mark.parametrize("shape", [(0, 2, 12, 12), (0, 3, 2, 12, 12)])
def test_no_steps_are_refused(shape: tuple[int, ...]) -> None:
    chip, nothing = rsnn.chip.quantize(network()), np.zeros(shape, int)
    calls: list[Callable[[], object]] = [
        lambda: chip.run(nothing),
        lambda: chip.report(nothing),
        lambda: rsnn.chip.quantize(network(), calibration=nothing),
        lambda: rsnn.chip.dynapcnn.spread(network(), nothing),
    ]
    for call in calls:
        with pytest.raises(rsnn.InvalidValueError, match=r"has shape \(0, .*: it has no step in it; give a network on a chip at least one"):
            call()


def test_a_dequantised_network_quantises_to_the_same_integers() -> None:
    chip = rsnn.chip.quantize(network(bias=True))
    again = rsnn.chip.quantize(chip.dequantize())
    for one, two in zip(chip.layers, again.layers, strict=True):
        assert np.array_equal(one.quantized.weight, two.quantized.weight)
        assert (one.quantized.v_threshold, one.quantized.v_min) == (two.quantized.v_threshold, two.quantized.v_min)
        assert one.quantized.bias is None or np.array_equal(one.quantized.bias, two.quantized.bias)
    for layer in chip.layers:
        near = np.abs(chip.dequantize().layers[layer.index].weight - chip.source.layers[layer.index].weight)
        assert near.max() <= 0.51 / (layer.quantized.scale * layer.rescale)
    assert chip.dequantize().layers[1].stages.v_min is not None
    plain = rsnn.chip.quantize(rsnn.Network([rsnn.Linear([[0.5]]), rsnn.IAF()], 1))
    assert plain.layers[0].quantized.v_min == -32768
    assert plain.dequantize().layers[1].stages.v_min is None


def test_the_report_counts_what_differs_and_who_is_dead_or_saturated() -> None:
    # 0.35 and 0.65 of a threshold become 44 and 83 of 127: two steps of each sum to 1.0 in float and to 127 - exact;
    # 0.332 becomes 42, and three of them 126: silent in integers where float fires.
    weight = np.array([[1.0, 0.0], [0.0, 1.0 / 3.0], [0.0, 0.0], [0.0, 0.5]])
    net = rsnn.Network([rsnn.Linear(weight), rsnn.IAF(v_threshold=0.999)], 2)
    chip = rsnn.chip.quantize(net)
    q = chip.layers[0].quantized
    assert (q.weight.ravel().tolist(), q.v_threshold) == ([127, 0, 0, 42, 0, 0, 0, 64], 127)
    x = np.ones((3, 2), int)
    report = chip.report(x)
    row = report.layers[0]
    assert (row.layer, row.neurons, row.spikes_float, row.spikes) == ("0 Linear", 4, 5, 4)
    assert (row.first_step, row.first_neuron, row.agreement) == (2, (1,), 11 / 12)
    assert (row.dead_float, row.dead, row.saturated, row.beyond) == (1, 2, 1, 0)
    assert (row.synops, report.synops, report.steps, report.samples) == (24, 24, 3, 1)
    assert row.counts_error == -0.2
    assert report.decisions == 1.0
    assert "1 of 4 neurons fire in float and never in integers" in report.warnings[0]
    text = str(report)
    assert "step 2, neuron (1,)" in text
    assert "weights, thresholds and biases rounded" in text
    assert row.moved == {"weights": 1, "saturation": 0, "order": 0}
    data = report.to_dict()
    assert (data["layers"][0]["spikes"], data["decisions"], data["warnings"]) == (4, 1.0, list(report.warnings))


def test_membranes_beyond_sixteen_bits_are_reported_and_calibration_keeps_them_inside() -> None:
    # A threshold far above the weights fills 16 bits; a strong input in one step rises beyond.
    net = rsnn.Network([rsnn.Linear([[1.0]]), rsnn.IAF(v_threshold=200.0, fire="single")], 1)
    x = np.array([[250], [3], [250], [250]])
    chip = rsnn.chip.quantize(net)
    report = chip.report(x)
    assert report.layers[0].beyond == 2
    assert "2 membranes leave the chip's 16 bits" in report.warnings[0]
    calibrated = rsnn.chip.quantize(net, calibration=x)
    assert calibrated.report(x).layers[0].beyond == 0
    assert calibrated.layers[0].quantized.scale < chip.layers[0].quantized.scale
    assert calibrated.run(x).output.ravel().tolist() == net.run(x).output.ravel().tolist()
    unmoved = rsnn.chip.quantize(net, calibration=x[1:2])
    assert unmoved.layers[0].quantized.scale == chip.layers[0].quantized.scale


@given(seed=st.integers(0, 10**6), count=st.integers(1, 9))
def test_a_placement_exists_exactly_where_one_is_found(seed: Any, count: Any) -> None:
    rng = np.random.default_rng(seed)
    shapes = []
    for k in range(count):
        maps = int(rng.choice([4, 16, 32, 64]))
        features, channels = (int(2 ** rng.integers(0, 8)) for _ in range(2))
        shapes.append(mapping.Shape(
            str(k), channels, (maps, maps), features, (maps, maps), (3, 3), (1, 1), (1, 1), 1, False, (0, 1), (0, 0), 1, 0
        ))  # fmt: skip
    cores = mapping.assign(shapes)

    def fits(shape: Any, core: Any) -> Any:
        kernel, neuron, bias = shape.memory
        return kernel <= mapping.KERNEL_MEMORY[core] and neuron <= mapping.NEURON_MEMORY[core] and bias <= mapping.BIAS_MEMORY

    assert all(fits(shape, cores[shape.name]) for shape in shapes if cores)
    assert len(set(cores.values())) == len(cores)
    # Hall: a placement exists where no group of layers fits fewer cores together than it has layers.
    reach = [frozenset(core for core in range(9) if fits(shape, core)) for shape in shapes]
    groups = (group for n in range(1, count + 1) for group in itertools.combinations(reach, n))
    assert bool(cores) == all(len(frozenset().union(*group)) >= len(group) for group in groups)


def test_the_check_names_every_limit_that_is_exceeded() -> None:
    net = rsnn.Network(
        [
            rsnn.Conv2d(random(0, 3, 2, 3, 3), stride=(3, 1), padding=(8, 0)), rsnn.IAF(), rsnn.SumPool2d(3),
            rsnn.Conv2d(random(1, 1100, 3, 2, 17), 0.1 * random(2, 1100)), rsnn.IAF(),
        ],
        (2, 140, 200),
    )  # fmt: skip
    check = rsnn.chip.quantize(net).check()
    found = {(row.layer, row.what): (row.needed, row.available) for row in check.violations}
    assert found == {
        ("0 Conv2d", "input map"): ("140x200", "128x128"),
        ("0 Conv2d", "output map"): ("52x198", "64x64"),
        ("0 Conv2d", "stride"): ("3x1", "1, 2, 4, 8 each way"),
        ("0 Conv2d", "padding"): ("8x0", "at most 7 each way"),
        ("0 Conv2d", "pooling"): (3, "1, 2, 4"),
        ("3 Conv2d", "output features"): (1100, 1024),
        ("3 Conv2d", "kernel"): ("2x17", "square, at most 16x16"),
        ("3 Conv2d", "kernel memory"): (3 << 17, 65536),
        ("3 Conv2d", "neuron memory"): (1100 << 10, 65536),
        ("3 Conv2d", "bias memory"): (1100, 1024),
        ("all", "cores"): (2, "9, and no way to place the layers on them"),
    }
    assert not check.ok
    assert check.cores == {}
    assert f"{len(found)} limits are exceeded" in str(check)
    assert check.to_dict()["ok"] is False


def test_the_check_of_a_network_that_fits_places_every_layer() -> None:
    chip = rsnn.chip.quantize(network(bias=True, input_pool=True))
    check = chip.check()
    assert check.ok
    assert set(check.cores) == {layer.name for layer in chip.layers}
    assert "the network fits" in str(check)
    assert ("input", "pooling", 2) in {(row.layer, row.what, row.needed) for row in check}
    ten = rsnn.Network([one for _ in range(10) for one in (rsnn.Linear([[1.0]]), IAF)], 1)
    assert [row.what for row in rsnn.chip.quantize(ten).check().violations] == ["cores"]


def test_a_dequantized_network_keeps_names_and_layout() -> None:
    net = rsnn.Network([("weights", rsnn.Linear(np.eye(2))), ("cells", IAF)], 2, batch_first=True)
    again = rsnn.chip.quantize(net).dequantize()
    assert (again.names, again.batch_first) == (("weights", "cells"), True)


def before(neuron: rsnn.Neuron) -> list:
    return [rsnn.Linear(np.eye(2)), neuron]


REFUSED = [
    (
        [("a", rsnn.Linear(np.eye(2))), rsnn.IAF(), ("b", rsnn.Linear(np.eye(2))), ("c", rsnn.IAF(), ("b", "a"))],
        r"layer 3 IAF: inputs=\(b, a\) cannot be expressed on dynapcnn: neurons take the weights of their own core",
    ),
    ([rsnn.Linear(np.eye(2)), rsnn.IAF(), rsnn.Delay(1.0)], "layer 2 Delay: the layer cannot be expressed on dynapcnn"),
    (before(rsnn.LIF(beta=0.9)), "layer 1 LIF: beta=0.9 cannot be expressed on dynapcnn: the membrane does not leak; use rsnn.IAF"),
    (before(rsnn.LIF(tau_mem=20.0)), "layer 1 LIF: tau_mem=20 cannot"),
    (before(rsnn.LIF(beta=1.0, tau_syn=5.0)), "layer 1 LIF: tau_syn=5 cannot .* no synaptic current"),
    (before(rsnn.LI(beta=1.0)), "layer 1 LI: fire=None cannot .* sends spikes, never its membrane; use rsnn.IAF.. and count"),
    (before(rsnn.LIF(beta=1.0, r=2.0)), "layer 1 LIF: r=2 cannot .* multiply the weights of the layer before by r"),
    (before(rsnn.IAF(bias=0.5)), "layer 1 IAF: bias=0.5 cannot .* give it to the layer before: bias="),
    (before(rsnn.IAF(max_spikes=3)), "layer 1 IAF: max_spikes=3 cannot"),
    (before(rsnn.IAF(reset="none")), 'layer 1 IAF: reset="none" cannot'),
    (before(rsnn.LIF(beta=1.0, reset_timing="next")), 'layer 1 LIF: reset_timing="next" cannot'),
    (before(rsnn.IAF(v_reset=0.25, reset="value")), "layer 1 IAF: v_reset=0.25 cannot .* shifting v_threshold and v_min by it"),
    (before(rsnn.IAF(refractory=2.0)), "layer 1 IAF: refractory=2 cannot"),
    (
        before(rsnn.IAF(v_threshold=[1.0, 2.0])),
        "layer 1 IAF: v_threshold=<array .2,.> cannot .* one value for all its neurons; .* divide the weights",
    ),
    (before(rsnn.IAF(v_min=[-1.0, -2.0])), "layer 1 IAF: v_min=<array"),
    (before(rsnn.IAF(fire="single", reset="zero", v_threshold=-1.0)), "layer 1 IAF: v_threshold=-1 cannot .* fire without input"),
    ([IAF], "layer 0 IAF: neurons without weights cannot"),
    ([rsnn.Linear(np.eye(2))], "layer 0 Linear: a layer without neurons cannot .* add rsnn.IAF"),
    (
        [rsnn.Linear(np.eye(2)), rsnn.Linear(np.eye(2)), IAF],
        "layer 1 Linear: its place after layer 0 Linear cannot .* put rsnn.IAF.. between",
    ),
    ([rsnn.Flatten()], "network: it has no layer with weights and neurons"),
    ([rsnn.Linear(1e-6 * np.eye(2)), IAF], "layer 0 Linear cannot work on dynapcnn: every weight becomes 0"),
    (
        [rsnn.Linear(1e6 * np.eye(2)), IAF],
        "layer 0 Linear cannot work on dynapcnn: v_threshold=1 becomes 0: weight .1e.06. makes the scale",
    ),
]


@pytest.mark.parametrize(("layers", "message"), REFUSED)
def test_what_the_chip_cannot_express_names_layer_parameter_and_cure(layers: Any, message: Any) -> None:
    with pytest.raises(rsnn.InvalidValueError, match=message):
        rsnn.chip.quantize(rsnn.Network(layers, 2))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([rsnn.SumPool2d(2), IAF], "layer 1 IAF: neurons without weights"),
        (
            [rsnn.Conv2d(np.ones((1, 1, 1, 1))), rsnn.SumPool2d(2), IAF],
            "layer 1 SumPool2d: its place after layer 0 Conv2d cannot .* after the neurons",
        ),
        (
            [rsnn.Conv2d(np.ones((1, 1, 1, 1))), IAF, rsnn.SumPool2d((2, 1))],
            r"layer 2 SumPool2d: kernel=\(2, 1\) cannot .* pools over squares",
        ),
        (
            [rsnn.Conv2d(np.ones((1, 1, 1, 1))), IAF, rsnn.AvgPool2d(2)],
            "layer 2 AvgPool2d: an average at the end cannot .* use rsnn.SumPool2d",
        ),
        ([rsnn.Linear(np.ones((3, 4))), IAF], r"layer 0 Linear: an input of shape \(1, 4, 4\) cannot .* put rsnn.Flatten"),
    ],
)
def test_what_a_core_cannot_do_with_maps_names_layer_parameter_and_cure(layers: Any, message: Any) -> None:
    with pytest.raises(rsnn.InvalidValueError, match=message):
        rsnn.chip.quantize(rsnn.Network(layers, (1, 4, 4)))


def test_equal_thresholds_and_pools_in_a_row_are_expressed() -> None:
    conv = rsnn.Conv2d(random(0, 2, 1, 3, 3), padding=1)
    neuron = rsnn.IAF(v_threshold=np.full((2, 1, 1), 0.5))
    chip = rsnn.chip.quantize(rsnn.Network([conv, neuron, rsnn.SumPool2d(2), rsnn.SumPool2d(2)], (1, 11, 9)))
    assert chip.layers[0].core.pool == 4
    x = events(0, 6, 1, 11, 9)
    assert np.array_equal(chip.run(x).output, in_float(chip).run(x.astype(float)).output)


def test_neurons_by_their_equations_whatever_they_are_called() -> None:
    x = events(5, 30, 2)
    for neuron in (rsnn.LIF(beta=1.0, fire="multi", v_threshold=1.0, v_min=-1.0), IAF.stages):
        chip = rsnn.chip.quantize(rsnn.Network([rsnn.Linear(np.eye(2)), neuron], 2))
        assert np.array_equal(chip.run(x).output, rsnn.chip.quantize(rsnn.Network([rsnn.Linear(np.eye(2)), IAF], 2)).run(x).output)


def test_a_run_refuses_with_name_value_and_cure() -> None:
    chip = rsnn.chip.quantize(network())
    good = events(0, 3, 2, 12, 12)
    for x, state, message in (
        (good[:, :1], None, r"x has shape \(3, 1, 12, 12\) with time first: must be \(T, 2, 12, 12\) or \(T, batch, 2, 12, 12\)"),
        (good * 0.5, None, r"is not a whole number; round it yourself"),
        (good, {0: None}, "state=the keys 0: must be a dict with the keys 1, 4, 8, 10"),
        (good, 3, "state=3: must be a dict"),
    ):
        with pytest.raises(rsnn.InvalidValueError, match=message):
            chip.run(x, state)
    with pytest.raises(rsnn.InvalidValueError, match="record='w'"):
        chip.run(good, record="w")
    with pytest.raises(rsnn.InvalidValueError, match=r"calibration has shape \(3,\)"):
        rsnn.chip.quantize(network(), calibration=[1, 2, 3])


def test_quantize_refuses_what_is_no_network_and_unknown_chips() -> None:
    with pytest.raises(rsnn.InvalidTypeError, match=r"network=3: must be a rsnn\.Network"):
        rsnn.chip.quantize(3)
    with pytest.raises(rsnn.InvalidValueError, match=r"target='dynapcn': must be one of 'dynapcnn', .*; did you mean 'dynapcnn'"):
        rsnn.chip.quantize(network(), target="dynapcn")

"""Networks on tinyODIN: what the integers are, when they are the float network's, and what is refused."""

from typing import Any

import numpy as np
import pytest

import rsnn

IAF = rsnn.IAF(reset="zero", fire="single")


def network(neuron: Any = IAF, **linear: Any) -> rsnn.Network:
    rng = np.random.default_rng(4)
    weights = rng.normal(0.15, 0.4, (20, 12)), rng.normal(0.2, 0.4, (5, 20))
    return rsnn.Network([rsnn.Linear(weights[0], **linear), neuron, rsnn.Linear(weights[1]), neuron], 12)


def events(*shape: int, rate: float = 0.1) -> np.ndarray:
    return np.random.default_rng(5).poisson(rate, shape)


def test_numbers_are_those_of_the_rule() -> None:
    net = rsnn.Network([rsnn.Linear([[0.5, -0.25], [0.1, 0.9]]), rsnn.IAF(v_threshold=2.0, reset="zero")], 2)
    chip = rsnn.chip.quantize(net, "tinyodin")
    # K = 7 / 0.5 and 7 / 0.9; inputs are neurons 0 and 1, which never fire.
    assert chip.crossbar.weights.tolist() == [[0, 0, 7, 1], [0, 0, -4, 7], [0] * 4, [0] * 4]
    assert chip.crossbar.threshold.tolist() == [4095, 4095, 28, 16]
    assert chip.run([[1, 0]] * 5).spikes[1].tolist() == [[0, 0], [0, 0], [0, 0], [1, 0], [0, 0]]


def test_with_one_event_a_step_the_chip_is_the_float_network_of_its_integers() -> None:
    # One population: a second one hears several spikes of a step one after the other.
    rng = np.random.default_rng(6)
    net = rsnn.Network([rsnn.Linear(rng.normal(0.15, 0.4, (20, 12))), IAF], 12)
    chip = rsnn.chip.quantize(net, "tinyodin")
    x = np.eye(12, dtype=int)[rng.integers(0, 12, 400)]
    exact = rsnn.Network(
        [rsnn.Linear(chip.crossbar.weights[:12, 12:].T), rsnn.IAF(v_threshold=chip.crossbar.threshold[12:], reset="zero", fire="single")],
        12,
    )
    assert chip.run(x).output.sum() > 300
    assert np.array_equal(chip.run(x).output, exact.run(x.astype(float)).output)
    moved = chip.report(x).layers[0].moved
    assert (moved["saturation"], moved["order"]) == (0, 0)
    assert moved["weights"] > 0


def test_the_events_of_a_step_come_in_order_and_are_finished_one_by_one() -> None:
    # Together they cancel; one after the other the first fires.
    net = rsnn.Network([rsnn.Linear([[1.0, -1.0]]), IAF], 2)
    chip = rsnn.chip.quantize(net, "tinyodin")
    assert net.run([[1.0, 1.0]]).output.tolist() == [[0.0]]
    assert chip.run([[1, 1]]).output.tolist() == [[1]]
    report = chip.report([[1, 1]])
    assert report.layers[0].moved == {"weights": 0, "saturation": 0, "order": 1}
    assert "one event after the other" in str(report)


def test_pieces_samples_and_batch_first_give_the_whole() -> None:
    chip, x = rsnn.chip.quantize(network(), "tinyodin"), events(40, 3, 12)
    whole, first = chip.run(x), chip.run(x[:15])
    rest = chip.run(x[15:], first.state)
    assert whole.output.sum() > 50
    assert np.array_equal(np.concatenate([first.output, rest.output]), whole.output)
    assert np.array_equal(rest.state[1].v, whole.state[1].v)
    assert np.array_equal(chip.run(x[:, 1]).output, whole.output[:, 1])
    turned = rsnn.chip.quantize(rsnn.Network(network().layers, 12, batch_first=True), "tinyodin").run(x.swapaxes(0, 1))
    assert np.array_equal(turned.output, whole.output.swapaxes(0, 1))


def test_spikes_by_population_are_those_of_the_crossbar() -> None:
    chip, x = rsnn.chip.quantize(network(), "tinyodin"), events(60, 12)
    step, channel = np.nonzero(x)
    direct = chip.crossbar.run(np.repeat(channel, x[step, channel]))
    result = chip.run(x)
    assert sum(one.sum() for one in result.spikes.values()) == len(direct.spikes)
    assert [int((direct.spikes == 12 + k).sum()) for k in range(20)] == result.spikes[1].sum(axis=0).tolist()
    assert result.lost == direct.lost


def test_a_full_queue_is_counted_and_warned_of() -> None:
    net = rsnn.Network([rsnn.Linear(np.ones((200, 2))), IAF, rsnn.Linear(np.ones((1, 200))), rsnn.IAF(v_threshold=100.0, reset="zero")], 2)
    chip = rsnn.chip.quantize(net, "tinyodin")
    x = np.ones((3, 2), int)
    assert chip.run(x).lost > 0
    assert "spikes came to a full queue and were lost" in chip.report(x).warnings[0]


def test_calibration_keeps_membranes_inside_twelve_bits() -> None:
    net = rsnn.Network([rsnn.Linear([[-1.0, 0.5]]), rsnn.IAF(v_threshold=20.0, reset="zero")], 2)
    x = np.full((40, 2), 10) * [1, 0]
    plain, calibrated = (rsnn.chip.quantize(net, "tinyodin", calibration=c) for c in (None, x))
    assert plain.report(x).layers[0].states[0].beyond > 0
    assert calibrated.report(x).layers[0].states[0].beyond == 0
    assert calibrated.layers[0].scale[0] < plain.layers[0].scale[0]


REFUSED: list[tuple[Any, str]] = [
    (lambda: network(rsnn.IAF()), 'layer 1 IAF: its reset cannot be expressed on tinyodin: .*; use reset="zero"'),
    (lambda: network(rsnn.LIF(tau_mem=20.0, reset="zero")), "layer 1 LIF: its leak cannot"),
    (lambda: network(rsnn.LIF(beta=1.0, tau_syn=5.0, reset="zero")), "its synapse cannot"),
    (lambda: network(rsnn.IAF(reset="zero", v_min=-1.0)), "v_min cannot"),
    (lambda: network(rsnn.IAF(reset="zero", bias=0.1)), "bias cannot"),
    (lambda: network(rsnn.IAF(reset="zero", refractory=2.0)), "a refractory period cannot"),
    (lambda: network(bias=np.ones(20)), "layer 0 Linear: a bias cannot"),
    (lambda: network(rsnn.IAF(reset="zero", v_threshold=1e5)), "the weights of neuron 0, at most .* all become 0"),
    (lambda: rsnn.Network([rsnn.Linear([[1.0]]), rsnn.Recurrent(IAF, [[1.0]])], 1), "layer 1 Recurrent: a recurrence a step later cannot"),
    (lambda: rsnn.Network([rsnn.Linear(np.ones((200, 100))), IAF], 100), "100 inputs and 200 neurons; tinyodin has 256 for both"),
    (lambda: rsnn.Network([rsnn.MaxPool2d(2), rsnn.Flatten(), rsnn.Linear([[1.0]]), IAF], (1, 2, 2)), "0 MaxPool2d: the layer cannot"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_refuses_what_the_chip_does_not_have(make: Any, message: str) -> None:
    with pytest.raises(rsnn.InvalidValueError, match=message):
        rsnn.chip.quantize(make(), "tinyodin")


def test_a_run_refuses_with_name_and_value() -> None:
    chip = rsnn.chip.quantize(network(), "tinyodin")
    for x, more, message in (
        (np.ones((2, 3), int), {}, r"x has shape \(2, 3\) with time first: must be \(T, 12\)"),
        (-np.ones((2, 12), int), {}, "x: -1 came; the chip takes counts"),
        (np.ones((2, 12), int), {"record": "v"}, "record='v'.*events and no steps"),
        (np.ones((2, 12), int), {"state": {3: None}}, "must be a dict with the keys 1"),
    ):
        with pytest.raises(rsnn.InvalidValueError, match=message):
            chip.run(x, **more)


def test_the_check_names_what_is_used() -> None:
    check = rsnn.chip.quantize(network(), "tinyodin").check()
    assert check.ok
    assert {row.what: row.needed for row in check}["neurons, inputs among them"] == 37

"""DynapCNN event by event: the documented rule written out in Python's integers, and what it must share with time steps."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from chip.exact import Overrun, overflow
from rsnn.chip import dynapcnn


def plain(x: Any, weight: Any, bias: Any, threshold: int, v_min: int | None, reset: str, how: str, stride: int, padding: int) -> Any:
    """Give spikes and membranes of one sample, an event at a time in the defined order."""
    features, channels, rows_k, columns_k = weight.shape
    steps, _, rows, columns = x.shape
    oy, ox = ((n + 2 * padding - k) // stride + 1 for n, k in ((rows, rows_k), (columns, columns_k)))
    bits = 32 if how == "none" else 16
    v = np.zeros((features, oy, ox), object)
    spikes = np.zeros((steps, features, oy, ox), int)
    for t in range(steps):
        for f in range(features):
            for at in np.ndindex(oy, ox):
                if bias[f]:
                    v[(f, *at)] = overflow(v[(f, *at)] + bias[f], bits, "error" if how == "none" else how)
        for y, k, c in np.ndindex(rows, columns, channels):
            for _ in range(x[t, c, y, k]):
                for b, a, f in np.ndindex(oy, ox, features):
                    ky, kx = y + padding - b * stride, k + padding - a * stride
                    if not (0 <= ky < rows_k and 0 <= kx < columns_k):
                        continue
                    u = overflow(v[f, b, a] + int(weight[f, c, ky, kx]), bits, "error" if how == "none" else how)
                    if u >= threshold:
                        spikes[t, f, b, a] += 1
                        u = u - threshold if reset == "subtract" else 0
                    v[f, b, a] = u if v_min is None else max(u, v_min)
    return spikes, v


@given(
    data=st.data(), seed=st.integers(0, 2**32 - 1), how=st.sampled_from(["none", "saturate", "wrap", "error"]),
    reset=st.sampled_from(["subtract", "zero"]), large=st.booleans(),
)  # fmt: skip
def test_a_layer_is_the_rule_an_event_at_a_time(data: Any, seed: int, how: Any, reset: Any, large: bool) -> None:
    rng = np.random.default_rng(seed)
    steps, channels, rows, columns, features = (data.draw(st.integers(low, high)) for low, high in ((0, 5), (1, 2), (1, 4), (1, 5), (1, 3)))
    kernel, padding, stride = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    span = 30000 if large else 90
    weight = rng.integers(-span, span, (features, channels, kernel, kernel))
    bias, threshold = rng.integers(-3, 4, features), int(rng.integers(1, span))
    v_min = data.draw(st.one_of(st.none(), st.just(-50)))
    x = rng.poisson(0.5, (steps, channels, rows, columns))

    def run() -> Any:
        return dynapcnn.conv_iaf(
            x, weight, bias, v_threshold=threshold, v_min=v_min, reset=reset, overflow=how, stride=stride, padding=padding, mode="events"
        )

    try:
        spikes, v = plain(x, weight, bias.tolist(), threshold, v_min, reset, how, stride, padding)
    except Overrun:
        with pytest.raises(rsnn.InvalidValueError, match="the membrane of neuron"):
            run()
        return
    result = run()
    assert result.spikes.tolist() == spikes.tolist()
    assert result.state.v.tolist() == v.tolist()
    assert result.stats.spikes == spikes.sum()
    assert result.stats.density == (np.count_nonzero(spikes) / spikes.size if spikes.size else 0.0)
    assert result.stats.synops == dynapcnn.conv_iaf(x, weight, v_threshold=1, stride=stride, padding=padding).stats.synops


@given(seed=st.integers(0, 2**32 - 1), order=st.one_of(st.none(), st.integers(0, 9)))
def test_one_event_a_step_and_small_weights_are_the_time_stepped_model(seed: int, order: int | None) -> None:
    rng = np.random.default_rng(seed)
    x = np.zeros((25, 2, 5, 5), int)
    for row in x:
        row[rng.integers(2), rng.integers(5), rng.integers(5)] = 1
    weight = rng.integers(-99, 100, (3, 2, 3, 3))
    own = {"v_threshold": 100, "v_min": -120, "padding": 1, "pool": 2}
    steps, events = dynapcnn.conv_iaf(x, weight, **own), dynapcnn.conv_iaf(x, weight, mode="events", order=order, **own)
    assert np.array_equal(steps.spikes, events.spikes)
    assert np.array_equal(steps.out, events.out)
    assert np.array_equal(steps.state.v, events.state.v)


def test_order_moves_spikes_and_a_seed_gives_the_same_again() -> None:
    x = np.random.default_rng(1).poisson(1.0, (20, 3, 2, 4, 4))
    weight = np.random.default_rng(2).integers(-60, 90, (4, 2, 3, 3))
    runs = [dynapcnn.conv_iaf(x, weight, v_threshold=70, v_min=-70, mode="events", order=order) for order in (None, 5, 5, 6)]
    assert np.array_equal(runs[1].spikes, runs[2].spikes)
    assert not np.array_equal(runs[0].spikes, runs[1].spikes)
    assert not np.array_equal(runs[1].spikes, runs[3].spikes)
    first = dynapcnn.conv_iaf(x[:8, 0], weight, v_threshold=70, v_min=-70, mode="events")
    rest = dynapcnn.conv_iaf(x[8:, 0], weight, v_threshold=70, v_min=-70, mode="events", state=first.state)
    assert np.array_equal(rest.spikes, runs[0].spikes[8:, 0])


def network(batch_first: bool = False) -> rsnn.Network:
    rng = np.random.default_rng(3)
    return rsnn.Network(
        [
            rsnn.Conv2d(rng.normal(0, 0.5, (4, 2, 3, 3)), padding=1), rsnn.IAF(v_min=-1.0), rsnn.SumPool2d(2), rsnn.Flatten(),
            rsnn.Linear(rng.normal(0.1, 0.3, (5, 36))), rsnn.IAF(v_min=-1.0),
        ],
        input_shape=(2, 6, 6), batch_first=batch_first,
    )  # fmt: skip


def test_spread_says_how_far_orders_differ() -> None:
    x = np.random.default_rng(4).poisson(0.4, (12, 3, 2, 6, 6))
    chip = rsnn.chip.quantize(network())
    found = dynapcnn.spread(chip, x, orders=3, seed=7)
    again = dynapcnn.spread(network(batch_first=True), x.swapaxes(0, 1), orders=3, seed=7)
    assert found.layers == again.layers
    assert np.array_equal(found.output, again.output.swapaxes(1, 2))
    assert found.output.shape == (4, 12, 3, 5)
    assert len(found.layers[0].spikes) == 4
    assert 0 < found.layers[0].moved[0] < 1
    assert found.layers[1].spikes[0] == found.output[0].sum()
    # The first layer of the first order is the layer by itself.
    alone = chip.layers[0].core.run_events(x, None, None)
    assert found.layers[0].spikes[0] == alone.stats.spikes
    assert found.layers[0].spikes_steps == chip.run(x).stats[1].spikes
    text = str(found)
    assert "not verified against silicon" in text
    assert "0 Conv2d" in text
    assert found.to_dict()["layers"][0]["layer"] == "0 Conv2d"
    assert 0 <= (found.decisions or 0) <= 1


REFUSED = [
    (
        lambda: dynapcnn.conv_iaf(np.ones((1, 1, 1, 1)), np.ones((1, 1, 1, 1)), v_threshold=1, mode="frames"),
        "mode='frames': must be one of",
    ),
    (lambda: dynapcnn.linear_iaf([[1]], [[1]], v_threshold=1, order=1), 'order=1: is for mode="events"'),
    (lambda: dynapcnn.linear_iaf([[1]], [[1]], v_threshold=1, mode="events", record="v"), "records nothing"),
    (lambda: dynapcnn.linear_iaf([[-1]], [[1]], v_threshold=1, mode="events"), "x: -1 came; .* not negative"),
    (lambda: dynapcnn.linear_iaf([[1]], [[1]], v_threshold=1, mode="events", order=-1), "order=-1: must be at least 0"),
    (lambda: dynapcnn.spread(network(), np.zeros((1, 2, 6, 6)), orders=-1), "orders=-1: must be from 0"),
    (lambda: dynapcnn.spread(3, [[1]]), "network=3: must be a rsnn.Network"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refuses_what_it_cannot_do(call: Any, message: str) -> None:
    with pytest.raises((rsnn.InvalidValueError, rsnn.InvalidTypeError), match=message):
        call()


@pytest.mark.parametrize("target", ["speck2f", "tinyodin"])
def test_more_events_than_can_be_laid_out_are_refused_before_memory_is_taken(target: str) -> None:
    neuron = rsnn.IAF(v_threshold=1e3, reset="zero" if target == "tinyodin" else "subtract")
    chip = rsnn.chip.quantize(rsnn.Network([rsnn.Linear([[1e3, 1.0]]), neuron], 2), target)
    x = np.array([[0, 3], [0, 1 << 30]])
    message = r"x: 1.074e\+09 events come in one sample, .* at most 16777216 are taken; give fewer steps at a time"
    with pytest.raises(rsnn.InvalidValueError, match=message):
        chip.run(x) if target == "tinyodin" else dynapcnn.spread(chip, x)
    if target == "speck2f":  # whose steps need no order; the report leaves that out
        assert "order" not in chip.report(x).layers[0].moved
        assert "order" in chip.report(x[:1]).layers[0].moved


@pytest.mark.parametrize("mode", ["steps", "events"])
def test_a_map_that_no_array_can_have_is_refused_in_either_mode(mode: str) -> None:
    empty = np.zeros((4, 0, 1, 3, 3), int)
    with pytest.raises(rsnn.InvalidValueError, match="the result would have shape"):
        dynapcnn.conv_iaf(empty, np.ones((1, 1, 1, 1), int), v_threshold=1, padding=2**63 - 1, mode=mode)

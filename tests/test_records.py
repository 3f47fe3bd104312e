"""Event records: binned as counted one by one, in any order, dtype and order of fields; and what cannot be binned is named."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from rsnn.records import frames

Array = np.ndarray[Any, np.dtype[Any]]

TIMES = ["u2", "i4", "i8", ">i8", "u8", "f4", "f8"]
PLACES = ["i2", "u2", "u1", "i8", ">u4", "f4"]
WIDTHS = [1, 2, 7, 1000, 0.5, 0.1, 2.75]


def recording(
    t: Any, x: Any, p: Any = None, y: Any = None, *, dtypes: tuple[str, str, str] = ("i8", "i2", "?"), order: Any = None
) -> Array:
    """A structured array of what is given, its fields in an order."""
    given = {"t": (t, dtypes[0]), "x": (x, dtypes[1]), "y": (y, dtypes[1]), "p": (p, dtypes[2])}
    fields = [(name, *given[name]) for name in (order or "txyp") if given[name][0] is not None]
    made = np.zeros(len(t), [(name, kind) for name, _, kind in fields])
    for name, values, _ in fields:
        made[name] = values
    return made


@st.composite
def recordings(draw: Any) -> tuple[list[Array], tuple[int, ...], Any, list[list[tuple[Any, ...]]]]:
    """A batch of recordings, the shape they address, a dt, and for each event its address and time in plain numbers."""
    axes = draw(st.sampled_from(["x", "xp", "xy", "xyp", "xy1", "x1"]))
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    shape = {"x": (width,), "xp": (2, width), "xy": (height, width), "xyp": (2, height, width), "xy1": (1, height, width), "x1": (1, width)}
    kinds = draw(st.sampled_from(TIMES)), draw(st.sampled_from(PLACES)), draw(st.sampled_from(["?", "i1", "u1", "f4"]))
    signed = kinds[2] in ("i1", "f4") and draw(st.booleans())
    dt, order = draw(st.sampled_from(WIDTHS)), draw(st.permutations("txyp"))
    fractions = kinds[0][0] == "f"
    time = st.integers(0, 60).map(lambda k: k / 4 if fractions else k)
    made, plain = [], []
    for _ in range(draw(st.integers(1, 3))):
        events = draw(st.lists(st.tuples(time, st.integers(0, width - 1), st.integers(0, height - 1), st.integers(0, 1)), max_size=20))
        t, x, y, p = (list(one) for one in zip(*events, strict=True)) if events else ([], [], [], [])
        made.append(
            recording(
                t, x, [2 * one - 1 if signed else one for one in p] if "p" in axes else None, y if "y" in axes else None,
                dtypes=kinds, order=order,
            )
        )  # fmt: skip
        places = {"x": lambda x, y, p: (x,), "xp": lambda x, y, p: (p, x), "xy": lambda x, y, p: (y, x), "xyp": lambda x, y, p: (p, y, x)}
        places |= {"xy1": lambda x, y, p: (0, y, x), "x1": lambda x, y, p: (0, x)}
        plain.append([(one[0], *places[axes](*one[1:])) for one in events])
    return made, shape[axes], dt, plain


def counted(plain: list[list[tuple[Any, ...]]], shape: tuple[int, ...], dt: Any, steps: int | None) -> Array:
    """Count events one by one; whole numbers and quarters by exact fractions where dt is exact too."""
    exact = dt != 0.1

    def step(t: Any) -> int:
        return int(Fraction(t) // Fraction(dt)) if exact else int(np.floor(np.float64(t) / np.float64(dt)))

    last = max((step(one[0]) + 1 for events in plain for one in events), default=0)
    dense = np.zeros((last if steps is None else steps, len(plain), *shape), np.float32)
    for b, events in enumerate(plain):
        for t, *place in events:
            dense[(step(t), b, *place)] += 1
    return dense


@given(recordings(), st.booleans(), st.integers(0, 3))
def test_frames_are_the_events_counted_one_by_one(case: Any, more: bool, extra: int) -> None:
    made, shape, dt, plain = case
    expected = counted(plain, shape, dt, None)
    steps = len(expected) + extra if more else None
    expected = counted(plain, shape, dt, steps)
    before = [one.copy() for one in made]
    found = frames(made, shape, dt=dt, steps=steps)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)
    assert all(np.array_equal(a, b) for a, b in zip(made, before, strict=True))
    alone = frames(made[0], shape, dt=dt, steps=len(expected))
    assert np.array_equal(alone, expected[:, 0])


@given(recordings(), st.integers(0, 2**32 - 1), st.booleans())
def test_a_run_over_records_equals_the_run_over_their_frames_in_any_order_of_events(case: Any, seed: int, batch_first: bool) -> None:
    made, shape, dt, _ = case
    rng = np.random.default_rng(seed)
    n = int(np.prod(shape))
    layers = [rsnn.Flatten(), rsnn.Linear(rng.normal(0.3, 0.5, (4, n))), rsnn.LIF(beta=0.8)]
    net = rsnn.Network(layers, shape, batch_first=batch_first)
    dense = frames(made, shape, dt=dt)
    expected = net.run(dense.swapaxes(0, 1) if batch_first else dense, record="v")
    found = net.run([rng.permutation(one) for one in made], record="v", dt=dt)
    assert found.output.dtype == np.float32
    assert np.array_equal(found.output, expected.output)
    assert np.array_equal(found.traces[2]["v"], expected.traces[2]["v"])
    assert found.stats == expected.stats


def test_an_event_on_the_border_of_two_steps_is_in_the_later_one() -> None:
    for t, kind in (([0, 999, 1000, 1999, 2000], "i8"), ([0.0, 999.0, 1000.0, 1999.0, 2000.0], "f8")):
        assert frames(recording(t, [0] * 5, dtypes=(kind, "i2", "?")), 1, dt=1000).ravel().tolist() == [2, 2, 1]
    assert frames(recording([0.25, 0.5], [0, 0], dtypes=("f4", "i2", "?")), 1, dt=0.25).ravel().tolist() == [0, 1, 1]


def test_whole_times_are_divided_exactly_however_large_they_are() -> None:
    late = 2**62
    events = recording([late - 1, late], [0, 1])
    assert frames(events, 2, dt=2**52).nonzero()[0].tolist() == [1023, 1024]
    large = recording([2**63, 2**64 - 1], [0, 1], dtypes=("u8", "i2", "?"))
    assert len(frames(large, 2, dt=2**52)) == 4096
    assert frames(recording([200], [0], dtypes=("u1", "u1", "?")), 1, dt=1000).tolist() == [[1]]


def test_polarities_are_channels_however_they_are_written() -> None:
    for p, kind in (([False, True], "?"), ([0, 1], "i2"), ([-1, 1], "i1"), ([0.0, 1.0], "f4"), ([-1.0, 1.0], "f8")):
        assert frames(recording([0, 0], [0, 0], p, dtypes=("i8", "i2", kind)), (2, 1), dt=1)[0].tolist() == [[1], [1]]
    # Of several recordings one has both signs.
    batch = [recording([0], [0], [1], dtypes=("i8", "i2", "i1")), recording([0], [0], [-1], dtypes=("i8", "i2", "i1"))]
    assert frames(batch, (2, 1), dt=1)[0].tolist() == [[[0], [1]], [[1], [0]]]
    assert frames(recording([0, 0], [0, 0], [0, 2], dtypes=("i8", "i2", "u1")), (3, 1), dt=1)[0].ravel().tolist() == [1, 0, 1]


def test_no_events_are_no_steps_or_silent_ones() -> None:
    nothing = recording([], [])
    assert frames(nothing, 3, dt=1).shape == (0, 3)
    assert frames([nothing, nothing], 3, dt=1, steps=2).tolist() == np.zeros((2, 2, 3)).tolist()
    net = rsnn.Network([rsnn.LI(beta=0.5)], 3)
    assert net.run(nothing, dt=1).output.shape == (0, 3)
    assert net.run([nothing], dt=1, steps=4).output.shape == (4, 1, 3)


def test_records_as_tonic_and_metavision_give_them() -> None:
    tonic = np.array([(1, 0, 900, True), (0, 1, 1000, False)], dtype=[("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
    metavision = np.array([(1, 0, 1, 900), (0, 1, 0, 1000)], dtype=[("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
    expected = np.zeros((2, 2, 2, 2), np.float32)
    expected[0, 1, 0, 1] = expected[1, 0, 1, 0] = 1
    for events in (tonic, metavision, metavision[["t", "x", "y", "p"]], metavision[::-1]):
        assert np.array_equal(frames(events, (2, 2, 2), dt=1000), expected)


def test_records_stay_events_until_a_block_of_steps_is_asked_for() -> None:
    from rsnn.records import binned

    events = binned(recording([0, 10, 10, 10**9], [3, 0, 0, 2]), (4,), 1, None)
    assert events.lead == (10**9 + 1,)
    assert (events.where.tolist(), events.counts.tolist()) == ([3, 40, 4 * 10**9 + 2], [1, 2, 1])
    assert [one.tolist() for one in events.part(slice(10, 20))] == [[0], [2]]
    assert events.dense(slice(10**9, None), np.float64).tolist() == [[0.0, 0.0, 1.0, 0.0]]
    assert events.dense(slice(5, 5)).shape == (0, 4)


@given(recordings())
def test_the_events_of_a_single_step_are_those_of_its_frame(case: Any) -> None:
    made, shape, _, _ = case
    for one in made:
        frame = frames(one, shape, dt=1000, steps=1).ravel()
        for events in (one, one[[name for name in one.dtype.names if name != "t"]]):
            where, counts = rsnn.records.entries(events, shape)
            assert where.tolist() == frame.nonzero()[0].tolist()
            assert counts.tolist() == frame[where].tolist()
    with pytest.raises(rsnn.InvalidValueError, match=r"records\['x'\]: event 0 has 9"):
        rsnn.records.entries(recording([0], [9]), 2)
    with pytest.raises(rsnn.InvalidTypeError, match="records=5"):
        rsnn.records.entries(5, 2)


GOOD = recording([0, 1], [0, 1])
IMAGE = recording([0], [0], [1], [0])
WRONG: list[tuple[Any, Any, Any, type[Exception], str]] = [
    (recording([0, -5, -6], [0, 0, 0]), 2, {}, ValueError, r"x\['t'\]: event 1 has -5 \(2 such events\): times count from 0; subtract"),
    (recording([0, np.nan], [0, 0], dtypes=("f8", "i2", "?")), 2, {}, ValueError, r"x\['t'\]: event 1 has nan: must be a finite time"),
    (recording([np.inf], [0], dtypes=("f4", "i2", "?")), 2, {}, ValueError, "must be a finite time"),
    (recording([0, 7], [0, 0]), 2, {"steps": 7}, ValueError, r"event 1 has 7: beyond steps=7 of dt=1; .* events\[events\['t'\] < 7\]"),
    (recording([2**63 - 1], [0]), 2, {}, ValueError, "more steps than can be counted; give a longer dt="),
    (recording([2**61], [0]), 2, {}, ValueError, "more steps than can be counted; give a longer dt="),
    (recording([10**15], [0]), 2, {}, ValueError, "x: a run of 1000000000000001 steps.*is more than memory can hold"),
    (recording([2**63], [0], dtypes=("u8", "i2", "?")), 2, {}, ValueError, "more steps than can be counted"),
    (recording([1e300], [0], dtypes=("f8", "i2", "?")), 2, {"dt": 1e-30}, ValueError, "more steps than can be counted"),
    (recording([2**60], [0]), 2, {"dt": 0.5}, ValueError, r"is beyond 2\*\*53, and cannot be divided by dt=0.5 exactly"),
    (recording([0, 0], [0, 2]), 2, {}, ValueError, r"x\['x'\]: event 1 has 2: must be from 0 to 1, as input_shape says"),
    (recording([0, 0], [0, -1]), 2, {}, ValueError, r"x\['x'\]: event 1 has -1"),
    (recording([0], [0.5], dtypes=("i8", "f4", "?")), 2, {}, ValueError, "event 0 has 0.5: must be a whole number"),
    (recording([0], [np.nan], dtypes=("i8", "f4", "?")), 2, {}, ValueError, "event 0 has nan: must be a whole number"),
    (recording([0], [0], [2], dtypes=("i8", "i2", "i1")), (2, 2), {}, ValueError, r"x\['p'\]: event 0 has 2: must be from 0 to 1"),
    (
        recording([0, 0], [0, 0], [-1, 0], dtypes=("i8", "i2", "i1")),
        (2, 2),
        {},
        ValueError,
        r"x\['p'\]: event 1 has 0: other events have -1",
    ),
    (recording([0], [0], [1]), (1, 2), {}, ValueError, r"for an input of one channel leave p out: events\[\['t', 'x', 'y'\]\]"),
    (GOOD, (2, 2, 2), {}, ValueError, r"x has the fields t, x: an input of shape \(2, 2, 2\) is addressed by t, x, y, p, in any order"),
    (IMAGE, (2, 2), {}, ValueError, r"has the fields t, x, y, p: .* addressed by t, x, p or t, x, y"),
    (recording([0, 1], [0, 0], [1, 0]), 2, {}, ValueError, r"addressed by t, x, in any order; to leave one out: events\[\['t', 'x'\]\]"),
    (GOOD, (1, 1, 1, 2), {}, ValueError, "is addressed by nothing: give dense data"),
    (np.zeros(1, [("ts", "i8"), ("x", "i2")]), 2, {}, ValueError, "has the fields ts, x"),
    (np.zeros(1, [("t", "i8"), ("x", "i2"), ("id", "i2")]), 2, {}, ValueError, "has the fields t, x, id"),
    (np.zeros(1, [("t", "M8[us]"), ("x", "i2")]), 2, {}, TypeError, r"x\['t'\]: datetime64\[us\] came"),
    (np.zeros(1, [("t", "i8"), ("x", "?")]), 2, {}, TypeError, r"x\['x'\]: bool came; must be whole numbers"),
    (np.zeros(1, [("t", "i8"), ("x", "i2", (2,))]), 2, {}, TypeError, r"x\['x'\]"),
    (np.zeros((2, 2), GOOD.dtype), 2, {}, ValueError, r"x has shape \(2, 2\): must be \(events,\); give a batch as a list"),
    (np.ma.masked_array(GOOD, mask=[True, False]), 2, {}, TypeError, "a masked array is not accepted"),
    ([GOOD, np.zeros(3)], 2, {}, TypeError, r"x\[1\]=.*must be a structured array, as the others"),
    ([GOOD, recording([0], [5])], 2, {}, ValueError, r"x\[1\]\['x'\]: event 0 has 5"),
    (GOOD, 2, {"dt": None}, ValueError, "dt: event records came; say how long a step is"),
    (GOOD, 2, {"dt": 0}, ValueError, "dt=0.0: must be positive"),
    (GOOD, 2, {"dt": -1.0}, ValueError, "dt=-1.0: must be positive"),
    (GOOD, 2, {"dt": "1ms"}, TypeError, "dt='1ms'"),
    (GOOD, 2, {"steps": -1}, ValueError, "steps=-1"),
    (GOOD, 2, {"steps": 1.5}, TypeError, "steps=1.5"),
]


@pytest.mark.parametrize(("events", "shape", "options", "error", "message"), WRONG)
def test_records_that_cannot_be_binned_are_refused_and_the_first_is_named(
    events: Any, shape: Any, options: dict[str, Any], error: Any, message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        rsnn.Network([rsnn.LI(beta=0.5)], shape).run(events, **({"dt": 1} | options))
    assert isinstance(caught.value, rsnn.RsnnError)


@pytest.mark.parametrize("options", [{"dt": 1}, {"steps": 3}])
def test_dense_data_take_no_dt_and_no_steps(options: dict[str, Any]) -> None:
    net = rsnn.Network([rsnn.LI(beta=0.5)], 2)
    for x in (np.zeros((3, 2)), rsnn.Spikes.pack(np.zeros((3, 2)))):
        with pytest.raises(rsnn.InvalidValueError, match="only event records take it"):
            net.run(x, **options)


def test_a_polarity_that_says_nothing_is_passed_over_where_the_input_has_but_one_axis() -> None:
    sound = np.array([(100, 5, 1), (1200, 699, 1)], dtype=[("t", "<i8"), ("x", "<i8"), ("p", "<i8")])  # as tonic gives SHD
    found = rsnn.records.frames(sound, 700, dt=1000)
    assert np.argwhere(found).tolist() == [[0, 5], [1, 699]]
    assert np.array_equal(rsnn.records.frames([sound[:0], sound], 700, dt=1000)[:, 1], found)
    sound["p"][0] = 0
    with pytest.raises(rsnn.InvalidValueError, match="to leave one out"):
        rsnn.records.frames(sound, 700, dt=1000)

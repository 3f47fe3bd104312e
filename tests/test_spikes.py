"""`rsnn.Spikes`: what goes in comes out, bit for bit, and what does not fit into a bit is refused."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from rsnn import layout

VALUE, TYPE = rsnn.InvalidValueError, rsnn.InvalidTypeError
same = np.testing.assert_array_equal

WIDTHS = st.sampled_from([0, 1, 3, 63, 64, 65, 127, 128, 129, 200])


@st.composite
def dense(draw: Any) -> tuple[Any, bool]:
    """0 and 1 of any shape with time, and whether the batch comes first."""
    batch_first = draw(st.booleans())
    axes = draw(st.integers(1 + batch_first, 4))
    shape = (*(draw(st.sampled_from([0, 1, 2, 5])) for _ in range(axes - 1)), draw(WIDTHS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.random(shape) < draw(st.sampled_from([0.0, 0.02, 0.5, 1.0])), batch_first


def pack(array: Any, batch_first: bool = False, block: int | None = None) -> rsnn.Spikes:
    with pytest.MonkeyPatch.context() as patch:
        if block is not None:
            patch.setattr(rsnn.spikes, "BLOCK", block)
        return rsnn.Spikes.pack(array, batch_first=batch_first)


BLOCKS = st.sampled_from([None, 1, 130, 1000])


@given(dense(), st.sampled_from([bool, np.int8, np.uint64, np.float16, np.float32, ">f8"]), BLOCKS)
def test_what_is_packed_unpacks(given_: Any, dtype: Any, block: int | None) -> None:
    array, batch_first = given_
    spikes = pack(array.astype(dtype), batch_first, block)
    assert (spikes.shape, spikes.ndim, spikes.size) == (array.shape, array.ndim, array.size)
    same(spikes.numpy(dtype), array.astype(dtype))
    assert spikes.numpy(dtype).dtype == np.dtype(dtype)
    assert spikes.numpy().dtype == np.asarray(spikes).dtype == np.float32
    same(np.asarray(spikes, bool), array)


@given(dense())
def test_every_bit_is_where_the_class_says(given_: Any) -> None:
    array, batch_first = given_
    spikes = pack(array, batch_first)
    lead = array.shape[: 1 + batch_first]
    rows = array.reshape(*lead, int(np.prod(array.shape[1 + batch_first :])))
    assert spikes.words.shape == (*lead, -(-rows.shape[-1] // 64))
    for *at, i in np.argwhere(np.ones_like(rows, bool)).tolist()[:300]:
        assert (int(spikes.words[(*at, i // 64)]) >> (i % 64)) & 1 == rows[(*at, i)]
    assert spikes.count() == sum(int(word).bit_count() for word in spikes.words.ravel())


@given(dense(), BLOCKS)
def test_events_are_the_spikes_in_order_of_time(given_: Any, block: int | None) -> None:
    array, batch_first = given_
    spikes = pack(array, batch_first)
    with pytest.MonkeyPatch.context() as patch:
        if block is not None:
            patch.setattr(rsnn.spikes, "BLOCK", block)
        events = spikes.events()
    wanted = np.nonzero(array.swapaxes(0, 1) if batch_first else array)
    assert len(events) == array.ndim
    for one, other in zip(events, wanted, strict=True):
        assert one.dtype == np.int64
        same(one, other)


@given(dense(), st.randoms())
def test_events_in_any_order_make_the_spikes(given_: Any, random: Any) -> None:
    array, batch_first = given_
    spikes = pack(array, batch_first)
    t, *i = spikes.events()
    order = list(range(len(t)))
    random.shuffle(order)
    again = rsnn.Spikes.from_events(t[order], [one[order] for one in i], array.shape, batch_first=batch_first)
    assert again == spikes


@given(dense(), BLOCKS, st.data())
def test_counts_are_sums(given_: Any, block: int | None, more: Any) -> None:
    array, batch_first = given_
    axes = more.draw(st.lists(st.integers(-array.ndim, array.ndim - 1), unique_by=lambda k: k % array.ndim))
    spikes = pack(array, batch_first)
    with pytest.MonkeyPatch.context() as patch:
        if block is not None:
            patch.setattr(rsnn.spikes, "BLOCK", block)
        got = spikes.count(tuple(axes))
        single = spikes.count(0)
    same(got, array.sum(axis=tuple(axes), dtype=np.int64))
    same(single, array.sum(axis=0))
    assert spikes.count() == array.sum()
    assert spikes.density == (array.mean() if array.size else 0.0)


@given(dense(), st.data())
def test_indexing_goes_by_time(given_: Any, more: Any) -> None:
    array, batch_first = given_
    spikes, by_time = pack(array, batch_first), array.swapaxes(0, 1) if batch_first else array
    assert len(spikes) == len(by_time)
    numbers = st.none() | st.integers(-7, 7)
    step = more.draw(numbers.filter(lambda n: n != 0))
    cut = slice(more.draw(numbers), more.draw(numbers), step)
    part = spikes[cut]
    same(part.numpy().swapaxes(0, 1) if batch_first else part.numpy(), by_time[cut])
    assert part.count() == by_time[cut].sum()
    assert pack(part.numpy(), batch_first) == part
    assert np.shares_memory(part.words, spikes.words) or not part.size
    for t, frame in enumerate(spikes):
        same(frame, by_time[t])
        same(spikes[np.int64(t - len(spikes))], by_time[t])
    for t in (len(spikes), -len(spikes) - 1):
        with pytest.raises(IndexError, match=r"spikes\[.*there are"):
            spikes[t]


@given(dense(), st.data())
def test_pieces_join_up(given_: Any, more: Any) -> None:
    array, batch_first = given_
    spikes = pack(array, batch_first)
    cuts = sorted(more.draw(st.lists(st.integers(0, len(spikes)), max_size=3)))
    pieces = [spikes[a:b] for a, b in zip([0, *cuts], [*cuts, len(spikes)], strict=True)]
    assert rsnn.Spikes.concatenate(pieces) == spikes


@given(dense())
def test_copies_and_pickles_are_equal(given_: Any) -> None:
    array, batch_first = given_
    spikes = pack(array, batch_first)
    for again in (pickle.loads(pickle.dumps(spikes)), copy.deepcopy(spikes), copy.copy(spikes), rsnn.Spikes.pack(spikes)):
        assert again == spikes
        assert again.batch_first == batch_first
        assert not again.words.flags.writeable
    assert pickle.loads(pickle.dumps(spikes[::-2])) == spikes[::-2]


def test_spikes_are_equal_where_shape_layout_and_bits_are() -> None:
    array = np.array([[0, 1], [1, 1]])
    spikes = rsnn.Spikes.pack(array)
    assert spikes != rsnn.Spikes.pack(1 - array)
    assert spikes != rsnn.Spikes.pack(array, batch_first=True)
    assert spikes != rsnn.Spikes.pack(array[:, :, None])
    assert spikes != "spikes"
    with pytest.raises(TypeError, match="unhashable"):
        hash(spikes)


def test_spikes_cannot_be_changed() -> None:
    words = np.zeros((2, 1), np.uint64)
    spikes = rsnn.Spikes(words, (2, 3))
    assert not spikes.words.flags.writeable
    assert words.flags.writeable
    with pytest.raises(AttributeError):
        spikes.shape = (3, 2)  # type: ignore[misc]


def test_a_32nd_of_the_memory() -> None:
    assert rsnn.Spikes.pack(np.zeros((100, 6400), np.float32)).nbytes == 100 * 6400 // 8


def test_how_spikes_look() -> None:
    assert repr(rsnn.Spikes.pack(np.ones((2, 700)))) == "Spikes((2, 700), 1,400 spikes, density 1)"
    assert repr(rsnn.Spikes.pack(np.zeros((2, 3, 4)), batch_first=True)) == "Spikes((2, 3, 4), batch_first=True, 0 spikes, density 0)"


def test_packing_and_unpacking_take_a_block_of_memory() -> None:
    array = np.zeros((4000, 2000), np.uint8)
    spikes = rsnn.Spikes.pack(array)
    for work in (
        lambda: rsnn.Spikes.pack(array[::-1, ::-1]),
        lambda: spikes.count(axis=0),
        spikes.events,
    ):
        tracemalloc.start()
        work()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < array.size // 8 + 16 * layout.BLOCK


# What is refused ------------------------------------------------------------------------------------------------------------------

ONES = np.ones((3, 2), np.uint64)
SPIKES = rsnn.Spikes.pack([[0, 1], [1, 1]])
REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: rsnn.Spikes.pack([[0, 1], [0, 3]]), VALUE, r"array\[1, 1\] is 3: a packed spike is one bit.*fire='single'"),
    (lambda: rsnn.Spikes.pack([0.0, 0.5]), VALUE, r"array\[1\] is 0\.5"),
    (lambda: rsnn.Spikes.pack([-1]), VALUE, r"array\[0\] is -1"),
    (lambda: rsnn.Spikes.pack([[np.nan]]), VALUE, r"array\[0, 0\] is nan"),
    (lambda: rsnn.Spikes.pack(np.array([[[0, 0], [0, 2]]]), batch_first=True), VALUE, r"array\[0, 1, 1\] is 2"),
    (lambda: rsnn.Spikes.pack(["a"]), TYPE, "array: <U1 came"),
    (lambda: rsnn.Spikes.pack(1), VALUE, r"array has shape \(\): must be \(T, \.\.\.\)"),
    (lambda: rsnn.Spikes.pack([1], batch_first=True), VALUE, r"array has shape \(1,\): must be \(B, T, \.\.\.\)"),
    (lambda: rsnn.Spikes.pack([1], batch_first=1), TYPE, "batch_first=1"),
    (lambda: rsnn.Spikes(ONES, (3, 128)).numpy("U1"), TYPE, "dtype='U1'"),
    (lambda: rsnn.Spikes(ONES.astype(np.int64), (3, 128)), TYPE, r"words: int64 came.*Spikes\.pack"),
    (lambda: rsnn.Spikes([[1]], (1, 1)), TYPE, r"words: \[\[1\]\] came"),
    (lambda: rsnn.Spikes(ONES, (3, 129)), VALUE, r"words has shape \(3, 2\): spikes of shape \(3, 129\) have \(3, 3\)"),
    (lambda: rsnn.Spikes(2 * ONES, (3, 65)), VALUE, "a bit beyond the 65 neurons"),
    (lambda: rsnn.Spikes(ONES, (3,), True), VALUE, r"shape=\(3,\): must be \(B, T, \.\.\.\)"),
    (lambda: rsnn.Spikes(ONES, (3, -1)), VALUE, r"shape\[1\]=-1"),
    (lambda: rsnn.Spikes.from_events([0, 0], [1, 1], (2, 3)), VALUE, "the event at t=0, neuron 1 came twice"),
    (
        lambda: rsnn.Spikes.from_events([1, 1], [[0, 0], [2, 2]], (4, 2, 3), batch_first=True),
        VALUE,
        "the event at t=1, neuron 2 came twice",
    ),
    (lambda: rsnn.Spikes.from_events([2], [1], (2, 3)), VALUE, "t: 2 came; must be from 0 to 1"),
    (lambda: rsnn.Spikes.from_events([0], [-1], (2, 3)), VALUE, "i: -1 came; must be from 0 to 2"),
    (lambda: rsnn.Spikes.from_events([0.0], [1], (2, 3)), TYPE, "t=.*float64 came"),
    (lambda: rsnn.Spikes.from_events([0, 1], [1], (2, 3)), VALUE, "2, 1 events came"),
    (lambda: rsnn.Spikes.from_events([0], [1], (2, 3, 4)), VALUE, "1 arrays came; .*2 axes besides time"),
    (lambda: rsnn.Spikes.from_events([[0]], [1], (2, 3)), VALUE, r"t has shape \(1, 1\)"),
    (lambda: rsnn.Spikes.from_events([], [], ()), VALUE, r"shape=\(\): must be \(T, \.\.\.\)"),
    (lambda: SPIKES["v"], TYPE, r"spikes\['v'\]"),
    (lambda: SPIKES[0, 1], TYPE, r"spikes\[\(0, 1\)\].*unpack it"),
    (lambda: SPIKES[0.5:], TYPE, "a slice takes integers"),
    (lambda: SPIKES[2], rsnn.OutOfRangeError, r"spikes\[2\]: there are 2 steps"),
    (lambda: SPIKES.count(axis=2), VALUE, r"axis=2: must be different axes of \(2, 2\)"),
    (lambda: SPIKES.count(axis=(0, 0)), VALUE, r"axis=\(0, 0\)"),
    (lambda: SPIKES.count(axis="time"), VALUE, "axis='time'"),
    (lambda: np.array(SPIKES, copy=False), VALUE, "copy=False"),
    (lambda: rsnn.Spikes.concatenate([]), VALUE, "an empty list"),
    (lambda: rsnn.Spikes.concatenate([SPIKES, SPIKES.numpy()]), TYPE, r"pieces\[1\]=.*Spikes\.pack"),
    (lambda: rsnn.Spikes.concatenate([SPIKES, rsnn.Spikes.pack([[1]])]), VALUE, r"pieces\[1\] has shape \(1, 1\): the first has \(2, 2\)"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_makes_no_spikes_is_refused(number: int) -> None:
    work, error, message = REFUSED[number]
    with pytest.raises(error, match=message):
        work()


def test_a_tensor_is_told_how_to_become_an_array() -> None:
    import torch

    with pytest.raises(TYPE, match=r"array: a torch tensor; give array\.detach\(\)\.numpy\(\)"):
        rsnn.Spikes.pack(torch.ones(3))

"""Blocks of memory come back when what lives in them dies, never before."""

import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from rsnn import memory

LARGE = (64, 1024)
"""A shape whose float32 array lives in a block."""


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    gc.collect()
    memory.set_limit(None)
    memory.clear()
    yield
    memory.set_limit(None)
    memory.clear()


def address(array: np.ndarray) -> int:
    return array.ctypes.data


def test_the_memory_of_an_array_that_died_is_used_again() -> None:
    first = memory.empty(LARGE, np.float32)
    at = address(first)
    del first
    assert memory.held() > 0
    assert address(memory.empty(LARGE, np.float32)) == at


def test_more_than_any_memory_is_refused_and_leaves_nothing_behind() -> None:
    for shape in ((2**62, 4), (2**64,), (2**40, 2**40)):
        with pytest.raises((ValueError, MemoryError)):
            memory.empty(shape, np.float32)
    memory.clear()
    assert memory.held() == 0


def test_two_arrays_that_live_never_share_memory() -> None:
    kept = [memory.empty(LARGE, np.float32) for _ in range(5)]
    for k, array in enumerate(kept):
        array[...] = k
    assert all((array == k).all() for k, array in enumerate(kept))


@pytest.mark.parametrize(
    "derive", [lambda a: a[3], lambda a: a.T[5:], lambda a: a.reshape(-1)[::2], memoryview, lambda a: a.view(np.uint8)]
)
def test_a_view_keeps_the_block(derive: Callable[[np.ndarray], Any]) -> None:
    array = memory.empty(LARGE, np.float32)
    array[...] = 7.0
    view = derive(array)
    del array
    assert memory.held() == 0
    other = memory.empty(LARGE, np.float32)
    other[...] = 1.0
    assert (np.asarray(view).view(np.float32) == 7.0).all() if not isinstance(view, memoryview) else (np.asarray(view) == 7.0).all()


def test_a_tensor_over_an_array_keeps_the_block() -> None:
    import torch

    tensor = torch.from_numpy(memory.empty(LARGE, np.float32)).fill_(7.0)
    part = tensor[3].detach()
    del tensor
    assert memory.held() == 0
    memory.empty(LARGE, np.float32)[...] = 1.0
    assert (part == 7.0).all()
    del part
    assert memory.held() > 0


@given(st.integers(1, 10**7))
def test_a_block_is_at_most_an_eighth_larger_than_what_was_asked_for(size: int) -> None:
    rounded = memory._rounded(size)
    assert size <= rounded <= size + size // 8 + 1
    assert memory._rounded(rounded) == rounded


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint64, np.int8])
@pytest.mark.parametrize("shape", [(0,), (3, 0, 5), (1,), (), (7, 9), (100, 1001), (1 << 17,)])
def test_arrays_have_the_shape_and_dtype_asked_for_and_can_be_written(shape: tuple[int, ...], dtype: type) -> None:
    array = memory.empty(shape, dtype)
    assert array.shape == shape
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    assert array.flags.writeable
    array[...] = 1
    assert (array == 1).all()
    if array.nbytes >= memory.SMALLEST:
        assert address(array) % 64 == 0


def test_no_more_waits_than_the_limit_allows() -> None:
    size = memory._rounded(4 * 64 * 1024)
    memory.set_limit(2 * size)
    kept = [memory.empty(LARGE, np.float32) for _ in range(5)]
    kept.clear()
    assert memory.held() == 2 * size
    memory.set_limit(size)
    assert memory.held() <= size
    memory.set_limit(0)
    memory.empty(LARGE, np.float32)
    assert memory.held() == 0


def test_clear_gives_back_what_waits_and_leaves_what_lives() -> None:
    lives = memory.empty(LARGE, np.float32)
    lives[...] = 3.0
    memory.empty(LARGE, np.float32)
    memory.clear()
    assert memory.held() == 0
    assert (lives == 3.0).all()


@pytest.mark.parametrize("limit", [-1, 1.5, "big", True])
def test_a_limit_that_is_no_number_of_bytes_is_refused(limit: object) -> None:
    with pytest.raises((rsnn.InvalidValueError, rsnn.InvalidTypeError), match="limit"):
        memory.set_limit(limit)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "says"), [("1000", "1000"), ("", str(memory.LIMIT)), ("much", "RSNN_MEMORY_LIMIT='much'")])
def test_the_environment_variable_is_the_default_limit(text: str, says: str) -> None:
    code = "import rsnn; print(rsnn.memory.get_limit())"
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"RSNN_MEMORY_LIMIT": text}, capture_output=True, text=True, check=False
    )
    assert says in run.stdout + run.stderr


def test_threads_that_make_and_drop_arrays_never_see_each_others() -> None:
    wrong: list[int] = []

    def work(k: int) -> None:
        for n in range(200):
            array = memory.empty((64, 1024 + 16 * (n % 3)), np.float32)
            array[...] = k
            if (array != k).any():
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def _child(queue: "multiprocessing.Queue[bool]", array: np.ndarray) -> None:
    mine = [memory.empty(LARGE, np.float32) for _ in range(3)]
    for one in mine:
        one[...] = 9.0
    queue.put(bool((array == 5.0).all()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_and_its_parent_do_not_disturb_each_other() -> None:
    array = memory.empty(LARGE, np.float32)
    array[...] = 5.0
    memory.empty(LARGE, np.float32)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_child, args=(queue, array))
    process.start()
    assert queue.get(timeout=60)
    process.join(60)
    assert (array == 5.0).all()


def test_results_of_a_steady_loop_ask_the_system_for_no_memory() -> None:
    x = np.random.default_rng(0).random((500, 1024), dtype=np.float32)
    neuron = rsnn.LIF(beta=0.9)
    for _ in range(3):
        seen = {address(rsnn.simulate(neuron, x).output) for _ in range(5)}
    assert len(seen) == 1


def test_an_array_in_a_block_survives_pickling() -> None:
    array = memory.empty(LARGE, np.float32)
    array[...] = 2.0
    assert (pickle.loads(pickle.dumps(array)) == 2.0).all()

"""A run never holds the GIL, survives a fork, and stops on Ctrl-C with nothing of the caller's changed but out."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest
from interrupts import seconds_until_stopped

import rsnn

LONG = rsnn.LIF(tau_mem=20.0, tau_syn=5.0)


@pytest.mark.parametrize("threads", [1, 2])
def test_other_threads_go_on_while_a_run_computes(threads: int) -> None:
    x, out = np.full((3000, 8192), 0.1, np.float32), np.empty((3000, 8192), np.float32)
    ticks, running = 0, threading.Event()

    def compute() -> None:
        running.set()
        rsnn.simulate(LONG, x, out=out, threads=threads)
        running.clear()

    worker = threading.Thread(target=compute)
    worker.start()
    running.wait()
    start = time.perf_counter()
    while running.is_set():
        ticks += 1
        time.sleep(0)
    took = time.perf_counter() - start
    worker.join()
    assert ticks > 20, f"{ticks} ticks in {took:.3f} s"


def test_many_python_threads_get_the_same_results() -> None:
    x = np.random.default_rng(0).normal(0.3, 1, (300, 2000)).astype(np.float32)
    expected = rsnn.simulate(LONG, x).output
    results: list[Any] = [None] * 4
    workers = [threading.Thread(target=lambda k=k: results.__setitem__(k, rsnn.simulate(LONG, x, threads=2).output)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result in results:
        np.testing.assert_array_equal(result, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_computes_after_its_parent_did() -> None:
    # In a process of its own: forking one that has torch's threads in it is not what is tested here.
    code = """
import os, numpy as np, rsnn
x = np.full((400, 4096), 0.1, np.float32)
expected = rsnn.simulate(rsnn.LIF(), x, threads=2).output.sum()
child = os.fork()
if child == 0:
    os._exit(0 if rsnn.simulate(rsnn.LIF(), x, threads=2).output.sum() == expected else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("contiguous", [True, False])
def test_ctrl_c_stops_a_long_run_soon_and_changes_nothing_but_out(threads: int, contiguous: bool) -> None:
    # A sequence is one task: many steps of one neuron take long and need little memory.
    shape = (2, 12_000_000, 1)
    x = np.full(shape, 0.1, np.float32) if contiguous else np.broadcast_to(np.float32(0.1), shape)
    state = LONG.init_state((2, 1), v=0.5)
    out = np.empty(shape, np.float32)
    took = seconds_until_stopped(lambda: rsnn.simulate(LONG, x, state, out=out, threads=threads, batch_first=True), 0.1)
    assert took < 0.2
    assert (x == np.float32(0.1)).all()
    assert (state.v == 0.5).all()
    assert (state.i == 0).all()
    # and the next run is as good as any
    short = x[:, :70]
    np.testing.assert_array_equal(
        rsnn.simulate(LONG, short, batch_first=True).output, rsnn.simulate(LONG, short, threads=1, batch_first=True).output
    )

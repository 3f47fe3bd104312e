"""Long runs in integers stop on Ctrl-C, with nothing of the caller's changed."""

from collections.abc import Callable

import numpy as np
import pytest
from interrupts import seconds_until_stopped

import rsnn
from rsnn.chip import dynapcnn

EVENTS = np.ones((400, 4096), np.int8)
WEIGHT = np.ones((2048, 4096), np.int64)
STATE = np.full(2048, 7, np.int32)
INPUT = np.full((60, 512, 512), 3, np.int16)


def linear(threads: int) -> None:
    dynapcnn.linear_iaf(EVENTS, WEIGHT, v_threshold=9, state=STATE, threads=threads)


def neurons(threads: int) -> None:
    while True:  # one run is over too soon to be stopped in it
        rsnn.chip.iaf(INPUT, v_threshold=9, threads=threads)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("run", [linear, neurons])
def test_ctrl_c_stops_a_long_run_soon(run: Callable[[int], None], threads: int) -> None:
    assert seconds_until_stopped(lambda: run(threads), 0.15) < 0.2
    assert (STATE == 7).all()

"""rsnn.chip.tinyodin and odin beyond the golden cases: the documentation written out in Python's integers, and refusals."""

import os
import signal
import threading
from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from rsnn.chip import odin, tinyodin


def plain(weights: Any, threshold: Any, leak: Any, disable: Any, v: list[int], open_loop: bool, events: list[int]) -> tuple[Any, Any]:
    """Give the spikes of each event, and the membranes at the end."""
    n, sent = len(v), []

    def fire(j: int, queue: deque[int], out: list[int]) -> None:
        if v[j] >= 0 and v[j] >= threshold[j]:
            v[j] = 0
            if not disable[j]:
                out.append(j)
                if not open_loop and len(queue) < 128:
                    queue.append(j)

    def reach(p: int, queue: deque[int], out: list[int]) -> None:
        for j in range(n):
            v[j] = max(-2048, min(v[j] + weights[p][j], 2047))
            fire(j, queue, out)

    for word in events:
        queue: deque[int] = deque()
        out: list[int] = []
        address = word & 255
        if word & 256:
            for j in range(n) if address == 255 else [address] if address < n else []:
                v[j] = v[j] - leak[j] if v[j] > leak[j] else v[j] + leak[j] if v[j] < -leak[j] else 0
                fire(j, queue, out)
        elif word & 512 and address >> 4:
            weight = (address >> 4) - 16 * (address >> 7)
            if address & 15 < n:
                v[address & 15] = max(-2048, min(v[address & 15] + weight, 2047))
                fire(address & 15, queue, out)
        elif (address & 15 if word & 512 else address) < n:
            reach(address & 15 if word & 512 else address, queue, out)
        budget = 3000
        while queue:
            reach(queue[0], queue, out)
            queue.popleft()
            budget -= 1
            if not budget:
                raise OverflowError
        sent.append(out)
    return sent, v


@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(0, 30), count=st.integers(0, 30), open_loop=st.booleans(), low=st.sampled_from([0, 1, 6])
)
def test_a_chip_is_its_documentation(seed: int, n: int, count: int, open_loop: bool, low: int) -> None:
    rng = np.random.default_rng(seed)
    weights, threshold = rng.integers(-8, 4, (n, n)), rng.integers(low, low + 20, n)
    leak, disable, v = rng.integers(0, 9, n), rng.random(n) < 0.2, rng.integers(-40, 8, n)
    events = rng.integers(0, 1024, count)
    try:
        sent, after = plain(weights.tolist(), threshold.tolist(), leak.tolist(), disable, v.tolist(), open_loop, events.tolist())
    except OverflowError:  # spikes that never end; the chip would not either
        return
    chip = tinyodin.Chip(weights, threshold, leak, disable, v, open_loop)
    result = chip.run(events)
    assert result.spikes.tolist() == [j for out in sent for j in out]
    assert result.counts.tolist() == [len(out) for out in sent]
    assert result.v.tolist() == after
    assert chip.run(events).v.tolist() == after, "a run leaves the chip as it was made"


def test_a_full_queue_loses_spikes_and_counts_them() -> None:
    # One spike makes all 200 others fire; 128 of them wait, and none of them reaches anything.
    weights = np.zeros((201, 201), int)
    weights[0, 1:] = 7
    result = tinyodin.Chip(weights, threshold=5, leak=0).run([0])
    assert len(result.spikes) == 200
    assert result.lost == 72
    assert result.synops == 201 * (1 + 128)


def test_a_long_run_can_be_interrupted() -> None:
    chip, events = tinyodin.Chip(np.full((256, 256), 7), threshold=5, leak=0, open_loop=True), np.zeros(1_000_000, np.int16)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        chip.run(events)
    timer.join()


REFUSED = [
    (lambda: tinyodin.Chip([[1, 2]], 1, 0), r"weights has shape \(1, 2\): must be \(n, n\), at most 256"),
    (lambda: tinyodin.Chip([[8]], 1, 0), "weights=.*: must be from -8 to 7"),
    (lambda: tinyodin.Chip([[0.5]], 1, 0), "is not a whole number"),
    (lambda: tinyodin.Chip([[1]], 4096, 0), "threshold=4096: must be from 0 to 4095"),
    (lambda: tinyodin.Chip([[1]], 1, 128), "leak=128: must be from 0 to 127"),
    (lambda: tinyodin.Chip([[1]], [1, 2], 1), r"threshold has shape \(2,\): must be a single integer, or \(1,\)"),
    (lambda: tinyodin.Chip([[1]], 1, 1, v=-2049), "v=-2049: must be from -2048 to 2047"),
    (lambda: tinyodin.Chip([[1]], 1, 1).run([1024]), "events=.*: must be from 0 to 1023"),
    (lambda: tinyodin.Chip([[1]], 1, 1).run(3), r"events has shape \(\): must be a row of words"),
    (lambda: tinyodin.update(2048, 1, 1, 1), "state=2048: must be from -2048 to 2047"),
    (lambda: tinyodin.update([1, 2], [1, 2, 3], 1, 1), "do not broadcast against each other"),
    (lambda: odin.update(256, 1, 1, 1), "state=256: must be from 0 to 255"),
    (lambda: odin.update(1, 8, 1, 1), "weight=8: must be from 0 to 7"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refuses_what_the_chip_does_not_have(call: Any, message: str) -> None:
    with pytest.raises((rsnn.InvalidValueError, rsnn.InvalidTypeError), match=message):
        call()


def test_a_loop_that_fires_for_ever_is_refused_and_not_waited_for() -> None:
    chip = tinyodin.Chip(np.full((2, 2), 7), threshold=0, leak=0)
    with pytest.raises(rsnn.RsnnError, match=r"after event 0 .* open_loop=True"):
        chip.run([0])
    assert tinyodin.Chip(np.full((2, 2), 7), threshold=0, leak=0, open_loop=True).run([0]).counts.tolist() == [2]

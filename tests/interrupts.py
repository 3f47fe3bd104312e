"""Ctrl-C while something runs."""

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest


def seconds_until_stopped(run: Callable[[], object], after: float) -> float:
    """Press Ctrl-C so many seconds after a run began; give how long it then went on, at best.

    The best of three: on a busy machine the others say how busy it is.
    """
    took = []
    for _ in range(3):
        sent: list[float] = []

        def interrupt(sent: list[float] = sent) -> None:
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)

        timer = threading.Timer(after, interrupt)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            run()
        took.append(time.perf_counter() - sent[0])
        timer.join()
    return min(took)

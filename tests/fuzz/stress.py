"""Threads that call rsnn, forks in the midst of them and Ctrl-C at any moment: every answer right, every child back, no input changed."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import rsnn

PATIENCE = 60.0
"""Seconds that a forked child may take."""


def jobs(rng: np.random.Generator) -> list[Callable[[], Any]]:
    """Calls that go through each of the engines, on one thread and on several."""
    x = rng.normal(0.3, 1, (200, 3000)).astype(np.float32)
    frames = (rng.random((20, 2, 32, 32)) < 0.05).astype(np.float32)
    counts = rng.integers(0, 3, (50, 400))
    weight = rng.integers(-9, 9, (60, 400))
    kernel = rng.normal(0, 1, (4, 2, 3, 3))
    net = rsnn.Network([rsnn.Conv2d(kernel, padding=1), rsnn.IAF(), rsnn.SumPool2d(2), rsnn.Flatten(), rsnn.LIF()], (2, 32, 32))
    for array in (x, frames, counts, weight, kernel):
        array.setflags(write=False)
    return [
        lambda: rsnn.simulate(rsnn.LIF(tau_syn=5.0), x, threads=2).output,
        lambda: rsnn.simulate(rsnn.LIF(), x, threads=1, packed=True).spikes.words,
        lambda: net.run(frames, threads=2).output,
        lambda: rsnn.events.conv2d(frames, kernel),
        lambda: rsnn.chip.dynapcnn.linear_iaf(counts, weight, v_threshold=9, threads=2).out,
    ]


class Stress:
    """The jobs, what they gave when nothing disturbed them, and what was wrong since."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.jobs = jobs(self.rng)
        self.expected = [job() for job in self.jobs]
        self.wrong: list[str] = []
        self.over = threading.Event()
        self.calls = 0

    def right(self, k: int, who: str) -> None:
        """Do a job and compare."""
        if not np.array_equal(self.jobs[k]().view(np.uint8), self.expected[k].view(np.uint8)):
            self.wrong.append(f"{who}: job {k} gave something else")
        self.calls += 1

    def work(self, number: int) -> None:
        """Do the jobs in turn until all is over: a thread."""
        k = number
        try:
            while not self.over.is_set():
                self.right(k % len(self.jobs), f"thread {number}")
                k += 1
        except BaseException as error:
            self.wrong.append(f"thread {number}: {error!r}")

    def fork(self) -> None:
        """Let a child do a job while the threads work."""
        k = int(self.rng.integers(len(self.jobs)))
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            self.wrong.clear()
            self.right(k, "a forked child")
            os._exit(3 if self.wrong else 0)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                if status:
                    self.wrong.append(f"a forked child did job {k}: status {status}")
                return
            time.sleep(0.005)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        self.wrong.append(f"a forked child did not come back from job {k} within {PATIENCE:g} s")

    def interrupt(self) -> bool:
        """Send Ctrl-C while a job runs in the main thread; whether it was stopped."""
        k = int(self.rng.integers(len(self.jobs)))
        timer = threading.Timer(float(self.rng.uniform(0, 0.02)), os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            end = time.monotonic() + 5
            while time.monotonic() < end:
                self.right(k, "the main thread")
            self.wrong.append("Ctrl-C did not stop the main thread within 5 s")
        except KeyboardInterrupt:
            timer.join()
            self.right(k, "after Ctrl-C")
            return True
        return False


def main() -> int:
    """Disturb the jobs for the seconds that were asked for."""
    seconds, seed = float(sys.argv[1]), int(sys.argv[2])
    stress = Stress(seed)
    threads = [threading.Thread(target=stress.work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    end, forks, stops = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end and not stress.wrong:
        stress.fork()
        forks += 1
        stops += stress.interrupt()
    stress.over.set()
    for thread in threads:
        thread.join(PATIENCE)
        if thread.is_alive():
            stress.wrong.append("a thread did not end")
    print(f"threads, forks and Ctrl-C: {stress.calls:,} calls of 4 threads, {forks} forks, {stops} interruptions")
    print("\n".join(stress.wrong), file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1 if stress.wrong else 0)  # a thread that does not end would keep this process


if __name__ == "__main__":
    main()

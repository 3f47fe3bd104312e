"""Measure the integer emulators of chips on one thread: Loihi's neurons against copying their input, and a Xylo core.

Times are those of the thread, so that a busy neighbour disturbs them less; contestants take turns, and the least of several rounds counts.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import numpy as np

import rsnn
from rsnn.chip import loihi, xylo

STEPS, NEURONS = 1000, 4096
XYLO_STEPS, HIDDEN, TARGETS = 2000, 992, 8


def least(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Give the least time of each in seconds."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.thread_time()
            run()
            best[name] = min(best.get(name, math.inf), time.thread_time() - start)
    return best


def neurons(rounds: int) -> dict[str, float]:
    """Run Loihi neurons without synapses; seconds."""
    a = np.random.default_rng(0).integers(-200, 400, (STEPS, NEURONS)).astype(np.int32)
    out = np.empty_like(a)
    neuron = loihi.LIF(du=400, dv=300, vth=2000, bias_mant=3, bias_exp=4).neuron
    fired = rsnn.chip.run(neuron, a, threads=1).stats.density
    assert 0.001 < fired < 0.5, fired
    return least({"copy": lambda: np.copyto(out, a), "rsnn": lambda: rsnn.chip.run(neuron, a, threads=1)}, rounds)


def core(rounds: int) -> tuple[float, float]:
    """Run a Xylo core of 16 inputs, 992 hidden and 8 output neurons with 8 targets each; seconds, and the density of its spikes."""
    rng = np.random.default_rng(0)
    w_rec = np.zeros((HIDDEN, HIDDEN), int)
    for row in w_rec:
        row[rng.choice(HIDDEN, TARGETS, replace=False)] = rng.integers(-90, 91, TARGETS)
    made = xylo.Core(
        w_in=rng.integers(-60, 90, (16, HIDDEN)) * (rng.random((16, HIDDEN)) < 0.5), w_rec=w_rec, w_out=rng.integers(-50, 90, (HIDDEN, 8)),
        dash_syn=3, dash_mem=4, dash_syn_out=3, dash_mem_out=4, threshold=1500, threshold_out=3000,
    )  # fmt: skip
    raster = rng.poisson(0.2, (XYLO_STEPS, 16))
    density = made.run(raster, threads=1).stats.density
    assert 0.005 < density < 0.3, density
    return least({"rsnn": lambda: made.run(raster, threads=1)}, rounds)["rsnn"], density


def table(rounds: int) -> str:
    """Measure; the result is a table in Markdown for `speed`."""
    found = neurons(rounds)
    each = found["rsnn"] / (STEPS * NEURONS) * 1e9
    seconds, density = core(max(2, rounds // 3))
    rows = [
        "| chips, one thread | work | ns per neuron and step | measure | ratio |",
        "|---|---|---|---|---|",
        f"| Loihi LIF, as Lava | ({STEPS}, {NEURONS}), no synapses | {each:.2f} | time / `np.copyto` of the int32 input "
        f"| {found['rsnn'] / found['copy']:.2f} |",
        f"| Xylo core 16-{HIDDEN}-8, {TARGETS} targets each | {XYLO_STEPS} steps, {density:.1%} fire "
        f"| {seconds / (XYLO_STEPS * HIDDEN) * 1e9:.2f} | | |",
    ]
    return "\n".join(rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    print(table(parser.parse_args().rounds))


if __name__ == "__main__":
    main()

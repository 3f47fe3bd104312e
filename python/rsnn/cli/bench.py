"""``rsnn bench``: what neurons cost on this machine, beside copying their input."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

import rsnn
from rsnn import neurons

from .terminal import show

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS, CELLS, ROUNDS = 1000, 4096, 15


def run(threads: int) -> int:
    """Run the command. The contestants alternate, and each shows its best round."""
    x = np.random.default_rng(0).random((STEPS, CELLS), dtype=np.float32)
    out = np.empty_like(x)
    work: dict[str, Callable[[], object]] = {"copy": lambda: np.copyto(out, x)}
    for kind in neurons.NAMED.values():
        work[kind.__name__] = partial(rsnn.simulate, kind(), x, out=out, threads=threads)
    best = dict.fromkeys(work, float("inf"))
    for turn in range(ROUNDS):
        show(f"{turn + 1} of {ROUNDS}")
        for name, one in work.items():
            start = time.perf_counter()
            one()
            best[name] = min(best[name], time.perf_counter() - start)
    info = rsnn.build_info()
    show("")
    print(f"{STEPS} steps of {CELLS} neurons, float32, {threads} thread{'s' * (threads > 1)}, {info['simd']}, rsnn {info['version']}")
    print(f"  {'neuron':<12} {'ms':>7} {'ns a neuron and step':>21} {'x copying':>10}")
    for name, seconds in best.items():
        print(f"  {name:<12} {seconds * 1e3:>7.2f} {seconds * 1e9 / STEPS / CELLS:>21.2f} {seconds / best['copy']:>10.2f}")
    return 0

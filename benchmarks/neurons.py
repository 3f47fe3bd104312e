"""Measure every neuron against copying its input: part of ``make bench``.

As in `speed`, times are the least of rounds in which the contestants take turns over rotating arrays, and what counts are ratios.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import rsnn
from rsnn import presets

Array = npt.NDArray[np.float32]
SHAPES = ((1000, 1, 4096), (100, 64, 1024))
SETS = 3
"""Sets of arrays that take turns."""

NEURONS: dict[str, Callable[[], Any]] = {
    "LI": lambda: rsnn.LI(20.0),
    "LIF": lambda: rsnn.LIF(beta=0.9),
    "LIF, synapse": lambda: rsnn.LIF(beta=0.9, alpha=0.8),
    "LIF, all options": lambda: rsnn.LIF(
        20.0, tau_syn=5.0, v_leak=0.1, bias=0.1, reset="value", v_reset=0.0, reset_timing="next", refractory=2.0, v_min=-1.0
    ),
    "IAF": lambda: rsnn.IAF(v_min=-1.0),
    "ALIF": lambda: rsnn.ALIF(beta=0.9),
    "Alpha": lambda: rsnn.Alpha(beta=0.9),
    "QIF": lambda: rsnn.QIF(),
    "Izhikevich": lambda: rsnn.Izhikevich(),
    "EIF (exp)": lambda: rsnn.EIF(),
    "AdEx (exp)": lambda: rsnn.AdEx(),
    "norse.LIF": presets.norse.LIF,
    "norse.LIFBox": presets.norse.LIFBox,
    "norse.LIFRefrac": presets.norse.LIFRefrac,
    "norse.LSNN": presets.norse.LSNN,
    "norse.CobaLIF": presets.norse.CobaLIF,
    "norse.LIFAdEx (exp)": presets.norse.LIFAdEx,
    "snntorch.Leaky": lambda: presets.snntorch.Leaky(beta=0.9),
    "snntorch.Synaptic": lambda: presets.snntorch.Synaptic(alpha=0.8, beta=0.9),
    "snntorch.Alpha": lambda: presets.snntorch.Alpha(alpha=0.9, beta=0.8),
    "snntorch.Lapicque": lambda: presets.snntorch.Lapicque(beta=0.9),
    "sinabs.LIF": lambda: presets.sinabs.LIF(tau_mem=20.0),
    "sinabs.ALIF": lambda: presets.sinabs.ALIF(tau_mem=20.0, tau_adapt=100.0),
    "spikingjelly.LIFNode": presets.spikingjelly.LIFNode,
    "spikingjelly.IzhikevichNode": presets.spikingjelly.IzhikevichNode,
    "spikingjelly.EIFNode (exp)": presets.spikingjelly.EIFNode,
}


def least(contestants: dict[str, Callable[[int], Any]], rounds: int) -> dict[str, float]:
    """Seconds of each contestant, the least of all rounds; it is told which set of arrays to use.

    That is never the one that was used just before, which the cache may hold, and every contestant has all of them in turn.
    """
    best = dict.fromkeys(contestants, float("inf"))
    for turn in range(rounds):
        for place, (name, run) in enumerate(contestants.items()):
            start = time.perf_counter()
            kept = run((turn * (len(contestants) + 1) + place) % SETS)
            best[name] = min(best[name], time.perf_counter() - start)
            del kept
    return best


def inputs(shape: tuple[int, ...]) -> tuple[list[Array], list[Array]]:
    """Rotating inputs and outputs."""
    xs = [np.random.default_rng(k).random(shape, dtype=np.float32) * np.float32(0.2) for k in range(SETS)]
    return xs, [np.zeros_like(x) for x in xs]


def ways(shape: tuple[int, ...], rounds: int) -> list[str]:
    """Rows for one neuron run in different ways: LIF with a synapse and a subtractive reset."""
    neuron = rsnn.LIF(beta=0.9, alpha=0.8)
    xs, outs = inputs(shape)

    def run(k: int, **options: Any) -> Any:
        return rsnn.simulate(neuron, xs[k], **({"threads": 1} | options))

    seconds = least(
        {
            "copyto": lambda k: np.copyto(outs[k], xs[k]),
            "copy": lambda k: xs[k].copy(),
            "out": lambda k: run(k, out=outs[k]),
            "new": run,
            "packed": lambda k: run(k, packed=True),
            "two": lambda k: run(k, out=outs[k], threads=2),
        },
        rounds,
    )
    measures = [
        ("`out=` given", "time / `np.copyto`", seconds["out"] / seconds["copyto"]),
        ("new array", "time / `x.copy()`", seconds["new"] / seconds["copy"]),
        ("packed", "time / `np.copyto`", seconds["packed"] / seconds["copyto"]),
        ("two threads", "time / one thread", seconds["two"] / seconds["out"]),
    ]
    return [f"| LIF with synapse, {name} | {shape} | {measure} | {ratio:.2f} |" for name, measure, ratio in measures]


def all_neurons(rounds: int) -> list[str]:
    """Rows for every neuron, one thread."""
    shape = SHAPES[0]
    xs, outs = inputs(shape)
    made = {name: make() for name, make in NEURONS.items()}

    def runner(neuron: Any) -> Callable[[int], Any]:
        return lambda k: rsnn.simulate(neuron, xs[k], out=outs[k], threads=1)

    contestants: dict[str, Callable[[int], Any]] = {"copyto": lambda k: np.copyto(outs[k], xs[k])}
    seconds = least(contestants | {name: runner(neuron) for name, neuron in made.items()}, rounds)
    copying = seconds["copyto"]
    return [f"| {name} | {shape} | time / `np.copyto` | {seconds[name] / copying:.2f} |" for name in made]


def growth(rounds: int) -> list[str]:
    """One row: time per step over the length of the run."""
    neuron, times = rsnn.LIF(beta=0.9, alpha=0.8), []
    for steps in (250, 1000, 4000):
        xs, outs = inputs((steps, 4096))
        times.append(least({"run": lambda k: rsnn.simulate(neuron, xs[k], out=outs[k], threads=1)}, rounds)["run"] / steps)  # noqa: B023
    ratio = max(times) / min(times)
    return [f"| time per step, longest / shortest of T = 250, 1000, 4000 | (T, 4096) | ratio | {ratio:.2f} |"]


def one_step(rounds: int) -> list[str]:
    """One row: a step of 64 neurons from Python, state and all."""
    neuron, x = rsnn.LIF(beta=0.9), np.zeros((1, 64), np.float32)
    state = neuron.init_state(64)
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(1000):
            state = rsnn.simulate(neuron, x, state).state
        best = min(best, time.perf_counter() - start)
    return [f"| one step of 64 neurons from Python | (1, 64) | microseconds | {best * 1e3:.1f} |"]


MEMORY = """
import re, sys, numpy as np, rsnn
kind = sys.argv[1]
def peak():  # of this program alone: what getrusage says begins with the peak of its parent
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
x = np.ones((64, 100, 8192), np.float32)
view = {"contiguous": x, "strided": x[:, ::-1], "batch first": x}[kind]
rsnn.simulate(rsnn.LIF(beta=0.9), np.ones((2, 64), np.float32))
before = peak()
rsnn.simulate(rsnn.LIF(beta=0.9), view, threads=1, batch_first=kind == "batch first")
after = peak()
print((after - before) * 1024 / x.nbytes)
"""


def memory() -> list[str]:
    """Rows: how far the peak of memory rises above the input, in units of the output (1 is the output itself)."""
    rows = []
    for kind in ("contiguous", "strided", "batch first"):
        grown = float(subprocess.run([sys.executable, "-c", MEMORY, kind], check=True, capture_output=True, text=True).stdout)
        rows.append(f"| peak memory above the input, {kind} | (64, 100, 8192) | outputs | {grown:.2f} |")
    return rows


def table(rounds: int) -> str:
    """Measure everything; the result is a table in Markdown."""
    rows = ["| neuron, float32, one thread unless said | shape | measure | figure |", "|---|---|---|---|"]
    for shape in SHAPES:
        rows += ways(shape, 4 * rounds)
    rows += growth(2 * rounds) + one_step(rounds) + memory() + all_neurons(rounds)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    return "\n".join(rows) + f"\n\nMinor page faults of the whole run: {faults}."

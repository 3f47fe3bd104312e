"""Measure every neuron against copying its input: part of ``make bench``.

Times are the least of rounds in which the contestants take turns over rotating arrays, and what counts are ratios.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import part
from targets import LONG, TWO, Aim, Figure

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
    "GLIF3": lambda: rsnn.GLIF3(),
    "EIF (exp)": lambda: rsnn.EIF(),
    "AdEx (exp)": lambda: rsnn.AdEx(),
    "norse.LI": presets.norse.LI,
    "norse.LIBox": presets.norse.LIBox,
    "norse.ExpFilter": presets.norse.ExpFilter,
    "norse.IAF": presets.norse.IAF,
    "norse.LIF": presets.norse.LIF,
    "norse.LIFBox": presets.norse.LIFBox,
    "norse.LIFRefrac": presets.norse.LIFRefrac,
    "norse.LSNN": presets.norse.LSNN,
    "norse.CobaLIF": presets.norse.CobaLIF,
    "norse.Izhikevich": lambda: presets.norse.Izhikevich(a=0.02, b=0.2, c=-65.0, d=2.0),
    "norse.LIFEx (exp)": presets.norse.LIFEx,
    "norse.LIFAdEx (exp)": presets.norse.LIFAdEx,
    "snntorch.Leaky": lambda: presets.snntorch.Leaky(beta=0.9),
    "snntorch.Synaptic": lambda: presets.snntorch.Synaptic(alpha=0.8, beta=0.9),
    "snntorch.Alpha": lambda: presets.snntorch.Alpha(alpha=0.9, beta=0.8),
    "snntorch.Lapicque": lambda: presets.snntorch.Lapicque(beta=0.9),
    "sinabs.IAF": presets.sinabs.IAF,
    "sinabs.ExpLeak": lambda: presets.sinabs.ExpLeak(tau_mem=20.0),
    "sinabs.LIF": lambda: presets.sinabs.LIF(tau_mem=20.0),
    "sinabs.ALIF": lambda: presets.sinabs.ALIF(tau_mem=20.0, tau_adapt=100.0),
    "spikingjelly.IFNode": presets.spikingjelly.IFNode,
    "spikingjelly.LIFNode": presets.spikingjelly.LIFNode,
    "spikingjelly.ParametricLIFNode": presets.spikingjelly.ParametricLIFNode,
    "spikingjelly.CUBALIFNode": presets.spikingjelly.CUBALIFNode,
    "spikingjelly.QIFNode": presets.spikingjelly.QIFNode,
    "spikingjelly.IzhikevichNode": presets.spikingjelly.IzhikevichNode,
    "spikingjelly.EIFNode (exp)": presets.spikingjelly.EIFNode,
}
RICH = ["Izhikevich", "ALIF", "norse.LSNN", "norse.CobaLIF"]
"""Those whose own target is easier."""


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


def ways(shape: tuple[int, ...], rounds: int) -> Iterator[Figure]:
    """Run one neuron in different ways: LIF with a synapse and a subtractive reset."""
    neuron, where = rsnn.LIF(beta=0.9, alpha=0.8), str(shape)
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
    yield Aim.OUT.found(where, seconds["out"] / seconds["copyto"], f"{seconds['out'] * 1e3:.2f} ms")
    yield Aim.OUT.found(where + TWO, seconds["two"] / seconds["copyto"], f"{seconds['two'] * 1e3:.2f} ms")
    yield Aim.NEW.found(where, seconds["new"] / seconds["copy"])
    yield Aim.PACKED.found(where, seconds["packed"] / seconds["copyto"])
    yield Aim.THREADS.found(where, seconds["two"] / seconds["out"])


def all_neurons(rounds: int) -> Iterator[Figure]:
    """Run every neuron, and say which is the slowest."""
    xs, outs = inputs(SHAPES[0])

    def runner(neuron: Any) -> Callable[[int], Any]:
        return lambda k: rsnn.simulate(neuron, xs[k], out=outs[k], threads=1)

    contestants: dict[str, Callable[[int], Any]] = {"copyto": lambda k: np.copyto(outs[k], xs[k])}
    seconds = least(contestants | {name: runner(make()) for name, make in NEURONS.items()}, rounds)
    ratios = {name: seconds[name] / seconds["copyto"] for name in NEURONS}
    for aim, names in {Aim.PLAIN: [name for name in ratios if "exp" not in name and name not in RICH], Aim.RICH: RICH}.items():
        slowest = max(names, key=ratios.__getitem__)
        yield aim.only(ratios[slowest], slowest)
    for name, ratio in ratios.items():
        yield Figure(name, LONG, "time / `np.copyto`", ratio)


def growth(rounds: int) -> Iterator[Figure]:
    """Run longer and longer; the time per step."""
    neuron, times = rsnn.LIF(beta=0.9, alpha=0.8), []
    for steps in (250, 1000, 4000):
        xs, outs = inputs((steps, 1, 4096))
        times.append(least({"run": lambda k: rsnn.simulate(neuron, xs[k], out=outs[k], threads=1)}, rounds)["run"] / steps)  # noqa: B023
    yield Aim.GROWTH.only(max(times) / min(times))


def one_step(rounds: int) -> Iterator[Figure]:
    """Take a step of 64 neurons from Python, state and all."""
    neuron, x = rsnn.LIF(beta=0.9), np.zeros((1, 64), np.float32)
    state = neuron.init_state(64)
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(1000):
            state = rsnn.simulate(neuron, x, state).state
        best = min(best, time.perf_counter() - start)
    yield Aim.CALL.only(best * 1e3)


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


def memory() -> Iterator[Figure]:
    """See how far the peak of memory rises above the input."""
    for where in Aim.PEAK.value.reach:
        kind = where.rpartition("), ")[2]
        said = subprocess.run([sys.executable, "-c", MEMORY, kind], check=True, capture_output=True, text=True).stdout
        yield Aim.PEAK.found(where, float(said))


def measure(effort: part.Effort) -> Iterator[Figure]:
    """Measure everything."""
    for shape in SHAPES:
        yield from ways(shape, 4 * effort.rounds)
    yield from growth(2 * effort.rounds)
    yield from one_step(effort.rounds)
    yield from memory()
    yield from all_neurons(effort.rounds)


if __name__ == "__main__":
    part.main(measure, __doc__)

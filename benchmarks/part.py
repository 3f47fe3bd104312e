"""Run one part of `make bench` as a program of its own: ``python benchmarks/NAME.py``.

A part is a generator of figures. Each is printed as soon as it is known; ``--json`` keeps them, with the machine and the versions they
belong to, for `speed`.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from targets import Aim, Figure

import rsnn

T = TypeVar("T")
PACKAGES = ("numpy", "torch", "norse", "snntorch", "sinabs", "spikingjelly", "jax")
"""Whose versions are told, where they are installed."""
ROUNDS = 20
# Before torch is loaded, which reads it then: its threads otherwise go on spinning after a product, on the cores that rsnn's want.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@dataclasses.dataclass(frozen=True)
class Effort:
    """How often to measure; `quick` is for seeing that everything runs, its figures mean nothing."""

    rounds: int = ROUNDS
    quick: bool = False

    def some(self, values: Sequence[T]) -> Sequence[T]:
        """Give all of them, or the first and the last where it must be quick."""
        return (values[0], values[-1]) if self.quick else values

    def steps(self, steps: int) -> int:
        """Give how many steps to run."""
        return max(1, steps // 10) if self.quick else steps

    def part(self, share: int) -> int:
        """Give a share of the rounds, for what takes long, but never a single one."""
        return 1 if self.quick else max(3, self.rounds // share)


Measure = Callable[[Effort], Iterable[Figure]]


def processor() -> str:
    """Name the processor."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def cores() -> int:
    """Count the cores that this process may use: `peers` leaves itself one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def versions() -> dict[str, str]:
    """Give the versions of everything that is measured here."""
    found = {"python": platform.python_version(), "rsnn": rsnn.__version__}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def record(measure: Measure, effort: Effort) -> dict[str, Any]:
    """Measure, print each figure when it is known, and give what is to be kept."""
    figures, start = [], time.perf_counter()
    for figure in measure(effort):
        judged = f"  [{Aim[figure.aim].value.bound(figure.where)}]" if figure.aim else ""
        print(f"  {figure.work}, {figure.where}: {figure.text}, {figure.measure}{judged}", flush=True)
        figures.append({name: value for name, value in dataclasses.asdict(figure).items() if value != ""})
    info = rsnn.build_info()
    return {
        "date": f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}",
        "machine": f"{processor()}, {info['cores']} cores, {info['simd']}",
        "versions": versions(),
        "threads": min(rsnn.get_num_threads(), cores()),
        "rounds": effort.rounds,
        "page faults": resource.getrusage(resource.RUSAGE_SELF).ru_minflt,
        "seconds": round(time.perf_counter() - start),
        "figures": figures,
    }


def main(measure: Measure, about: str) -> None:
    """Measure this part alone, and print."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"more rounds, less chance (default {ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="see that it runs, in seconds; the figures mean nothing")
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    options = parser.parse_args()
    found = record(measure, Effort(1 if options.quick else options.rounds, options.quick))
    if options.json:
        options.json.write_text(json.dumps(found, ensure_ascii=False))
    sys.stdout.flush()

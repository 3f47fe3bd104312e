"""Measure the neuron kernel against copying its input and against a torch loop: ``make bench``.

Times are the least of several rounds in which the contestants take turns, so that a busy moment hits all of them. Three sets of arrays
rotate, so that nothing is found in the cache that a real program would not find there. What is published are ratios within one run;
``make bench ARGS=--write`` puts them into docs/performance.md.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import re
import sys
from pathlib import Path

import inference
import mlp
import neurons
import numpy as np
import recurrent
import torch
import training

import rsnn

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BETA = 0.95


def forward(shape: tuple[int, ...], threads: int, rounds: int) -> dict[str, float]:
    """Run a layer in numpy, against copying its input."""
    xs = [np.random.default_rng(k).random(shape, dtype=np.float32) * 0.2 for k in range(neurons.SETS)]
    outs = [np.zeros_like(x) for x in xs]
    neuron = rsnn.LIF(beta=BETA)

    def ours(k: int) -> None:
        rsnn.simulate(neuron, xs[k], out=outs[k], threads=threads)

    return neurons.least({"copy": lambda k: np.copyto(outs[k], xs[k]), "rsnn": ours}, rounds)


def processor() -> str:
    """Name the processor."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def table(rounds: int) -> str:
    """Measure everything; the result is a table in Markdown."""
    rows = [
        "| work, float32 | shape (T, B, N) | threads | ms | measure | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for threads in sorted({1, min(2, rsnn.get_num_threads())}):
        for shape in neurons.SHAPES:
            seconds = forward(shape, threads, 4 * rounds)
            ratio = seconds["rsnn"] / seconds["copy"]
            rows.append(f"| LIF forward | {shape} | {threads} | {seconds['rsnn'] * 1e3:.2f} | time / `np.copyto` of x | {ratio:.2f} |")
    info = rsnn.build_info()
    where = f"{processor()}, {info['cores']} cores, {info['simd']}"
    versions = f"rsnn {info['version']}, numpy {np.__version__}, torch {torch.__version__}"
    head = f"{where}; {versions}; {datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}."
    others = (neurons.table(rounds), training.table(rounds), mlp.table(rounds), recurrent.table(rounds), inference.table(rounds))
    return "\n\n".join((head, "\n".join(rows), *others))


def main() -> int:
    """Measure, print, and write the page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12, help="more rounds, less chance (default 12)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    measured = table(options.rounds)
    print(measured)
    if options.write:
        text = PAGE.read_text()
        new, found = re.subn(r"(?s)(<!-- measured -->\n).*(<!-- end -->)", lambda match: f"{match[1]}{measured}\n{match[2]}", text)
        if not found:
            sys.exit(f"{PAGE}: the marks around the table are gone")
        PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())

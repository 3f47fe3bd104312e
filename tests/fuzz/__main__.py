"""Watch over the calls: start them, report an abort or a hang with its seed, start them again after it, and sum up.

The same call again, with what it is called with: ``make fuzz ARGS="--seed 0 --first 1234 --calls 1 --show"``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz.calls import WHERE
from fuzz.names import MODULES

START = 120.0
"""Seconds that may pass until the examples have run."""
WAIT = 3
"""How many times its limit of processor time a call may take, or sleep, before it is killed."""
POLL = 0.2
"""Seconds from look to look."""
GROWTH = 48
"""MiB by which memory may grow from the first half of the calls to the second: less than 100 bytes a call in half a million."""
MOST_DEATHS = 50
QUIET = os.environ | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
"""Pictures open no windows, and torch leaves the threads to rsnn."""


class Sum:
    """What all the processes reported together."""

    def __init__(self) -> None:
        self.calls = self.entries = 0
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.errors: Counter[str] = Counter()
        self.defects: list[dict[str, Any]] = []
        self.memory: list[tuple[float, float]] = []

    def take(self, folder: Path) -> None:
        """Add the report of one process, if it wrote one."""
        path = folder / "report.json"
        if not path.exists():
            return
        report = json.loads(path.read_text())
        for entry, counts in report["counts"].items():
            self.counts[entry].update(counts)
        self.errors.update(report["errors"])
        self.calls += sum(report["errors"].values())
        self.entries = report["entries"]
        self.defects += report["defects"]
        memory = [held / 2**20 for _, held in report["memory"]][1:]
        if len(memory) >= 8:  # the least of each half: what a single call holds for a while is no leak
            half = len(memory) // 2
            self.memory.append((min(memory[half // 2 : half]), min(memory[half:])))
            if self.memory[-1][1] > self.memory[-1][0] + GROWTH:
                self.died(-1, "all", f"resident memory grew from {self.memory[-1][0]:.0f} to {self.memory[-1][1]:.0f} MiB", "", 0)

    def died(self, number: int, entry: str, what: str, detail: str, seed: int) -> None:
        """Note a defect that only the watching process can see."""
        self.defects.append({"entry": entry, "what": what, "detail": detail, "call": number, "seed": seed, "times": 1})
        print(f"\ncall {number}, {entry}: {what}\n{detail}", file=sys.stderr, flush=True)  # a long run need not end before it is seen


def watch(options: argparse.Namespace, total: Sum, first: int, end: float) -> int:
    """Run one process of calls until it is done or dead; the number of the call to go on with."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "fuzz.calls", str(folder), "--modules", ",".join(options.modules)]
        command += ["--seed", str(options.seed), "--first", str(first), "--calls", str(options.first + options.calls - first)]
        command += ["--seconds", str(end - time.monotonic()), "--limit", str(options.limit), "--memory", str(options.memory)]
        command += ["--show"] * options.show
        with (folder / "said").open("w+b") as said:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=None if options.show else said, env=QUIET)
            stopped = follow(child, folder, options, total.calls)
            said.seek(0)
            text = said.read()[-3000:].decode(errors="replace")
        total.take(folder)
        if child.returncode == 0:
            return options.first + options.calls
        number, entry = WHERE.unpack((folder / "now").read_bytes()) if (folder / "now").exists() else (-1, b"start")
        what = stopped or (f"died of {signal.Signals(-child.returncode).name}" if child.returncode < 0 else "the fuzzer itself failed")
        total.died(number, entry.rstrip(b"\0").decode(), what, text, options.seed)
        return int(number) + 1 if number >= first else options.first + options.calls


def follow(child: subprocess.Popen[bytes], folder: Path, options: argparse.Namespace, before: int) -> str:
    """Wait for a process and show how far it is; kill it, and say so, when it does not come back from a call."""
    at, used, asleep, shown = b"", processor_time(child.pid), 0.0, 0.0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(POLL)
            return ""
        now = (folder / "now").read_bytes() if (folder / "now").exists() else b""
        if now != at:
            at, used, asleep = now, processor_time(child.pid), 0.0
        asleep += 0.0 if wants_to_run(child.pid) else POLL
        number = WHERE.unpack(now)[0] if now else -1
        may = WAIT * options.limit if number >= 0 else START
        if asleep > may or processor_time(child.pid) > used + may:
            child.send_signal(signal.SIGUSR1)  # faulthandler says where it is
            time.sleep(1)
            child.kill()
            child.wait()
            return f"did not come back within {may:g} s and could not be stopped"
        if sys.stderr.isatty() and time.monotonic() > shown + 0.5:
            shown = time.monotonic()
            done = max(0, number - options.first)
            entry = WHERE.unpack(now)[1].rstrip(b"\0").decode() if now else "examples"
            print(f"\r{done:,} calls  {entry:60.60}", end="", file=sys.stderr)


def threads_of(pid: int) -> Iterator[list[str]]:
    """Give what the system knows of each thread of a process: its state first."""
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            yield path.read_text().rpartition(")")[2].split()


def wants_to_run(pid: int) -> bool:
    """Tell a process that works, or that a busy machine keeps from working, from one that sleeps."""
    return any(thread[0] in "RD" for thread in threads_of(pid))


def processor_time(pid: int) -> float:
    """Give the seconds of processor time that a process has used."""
    return sum(int(thread[11]) + int(thread[12]) for thread in threads_of(pid)) / os.sysconf("SC_CLK_TCK")


def show(total: Sum, options: argparse.Namespace, seconds: float) -> None:
    """Print the calls by module, the errors by kind, the memory and every defect."""
    print(f"\nseed {options.seed}: {total.calls:,} calls of {len(total.counts)} of {total.entries} entries in {seconds:.0f} s")
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for entry, counts in total.counts.items():
        group = entry.partition(".")[0] if "." in entry else "rsnn"
        groups[group]["calls"] += sum(counts.values())
        groups[group]["answered"] += counts[""]
        groups[group]["entries"] += 1
    print(f"{'':24}{'entries':>10}{'calls':>12}{'answered':>12}")
    for group, counts in sorted(groups.items()):
        print(f"{group:24}{counts['entries']:>10}{counts['calls']:>12,}{counts['answered']:>12,}")
    silent = sorted(entry for entry, counts in total.counts.items() if not counts[""] and sum(counts.values()) >= 100)
    if silent:
        print(f"never answered in 100 calls or more: {', '.join(silent)}")
    print("refused: " + ", ".join(f"{kind} {count:,}" for kind, count in total.errors.most_common() if kind))
    for early, late in total.memory:
        print(f"resident memory: {early:.0f} MiB, then {late:.0f} MiB")
    for defect in total.defects:
        again = f'make fuzz ARGS="--seed {defect["seed"]} --first {defect["call"]} --calls 1 --show"' if defect["call"] >= 0 else ""
        print(f"DEFECT {defect['entry']}: {defect['what']} ({defect['times']} times)  {again}")
        print("".join(f"    {line}\n" for line in defect["detail"].splitlines()[-25:]), end="")
    print("no defect was found" if not total.defects else f"{len(total.defects)} defects")


def main() -> int:
    """Make the calls that were asked for; 1 if one of them shows a defect."""
    parser = argparse.ArgumentParser(prog="fuzz", description="Call everything that is public with values that belong nowhere.")
    parser.add_argument("--seconds", type=float, default=60.0, help="stop the calls after so long (60)")
    parser.add_argument("--calls", type=int, default=10**6, help="stop after so many (1000000)")
    parser.add_argument("--seed", type=int, default=0, help="which calls: those of a seed are always the same (0)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first call (0)")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds of processor time that a call may take (10)")
    parser.add_argument("--memory", type=float, default=4.0, help="GiB that the calls may use beyond the start (4)")
    parser.add_argument("--modules", type=lambda text: tuple(text.split(",")), default=MODULES, help="what is called (rsnn: all of it)")
    parser.add_argument("--stress", type=float, default=10.0, help="seconds of threads, forks and Ctrl-C at the end; 0: none (10)")
    parser.add_argument("--show", action="store_true", help="print every call with its arguments")
    parser.add_argument("--names", action="store_true", help="say which public names no call drives, and make no calls")
    options = parser.parse_args()
    if options.names:
        return subprocess.run([sys.executable, "-m", "fuzz.entries"], env=QUIET, check=False).returncode
    begin, total = time.monotonic(), Sum()
    first, end = options.first, begin + options.seconds
    for _ in range(MOST_DEATHS):
        if first >= options.first + options.calls or time.monotonic() >= end:
            break
        first = watch(options, total, first, end)
    if options.stress and options.modules == MODULES and not options.show:
        done = subprocess.run(
            [sys.executable, "-m", "fuzz.stress", str(options.stress), str(options.seed)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        print(done.stdout.strip())
        if done.returncode:
            total.died(-1, "threads, forks and Ctrl-C", f"exit status {done.returncode}", done.stderr[-3000:], options.seed)
    show(total, options, time.monotonic() - begin)
    return 1 if total.defects else 0


if __name__ == "__main__":
    raise SystemExit(main())

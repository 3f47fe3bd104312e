"""Measure everything and write docs/performance.md and docs/cost.png: ``make bench``.

Each part is a program of its own (``python benchmarks/NAME.py`` runs it alone and only prints), in a fresh process; `peers` runs in the
environment that ``make peers`` makes. What they find is kept in benchmarks/results.json, from which page and picture are made: a part
that is not run again keeps its figures, its date and its versions.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cost
import page
import part

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS, PAGE, PICTURE = "benchmarks/results.json", "docs/performance.md", "docs/cost.png"
QUICK = ROOT / "out" / "bench"
PEERS = ROOT / ".venv-peers" / "bin" / "python"


def run(name: str, options: argparse.Namespace) -> dict[str, Any] | None:
    """Run a part; what it found, or nothing where it failed."""
    python = options.peers if name == "peers" and options.peers.exists() else Path(sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "figures.json"
        command = [str(python), str(HERE / f"{name}.py"), "--rounds", str(options.rounds), "--json", str(kept)]
        done = subprocess.run(command + ["--quick"] * options.quick, check=False)
        return json.loads(kept.read_text()) if done.returncode == 0 else None


def compact(results: page.Results) -> str:
    """Write JSON with a line for each figure, so that a difference can be read."""
    text = json.dumps(results, ensure_ascii=False, indent=1)
    return re.sub(r"\{[^{}]*\}", lambda found: json.dumps(json.loads(found[0]), ensure_ascii=False), text) + "\n"


def main() -> int:
    """Measure, keep, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=page.PARTS, help="the parts to run; without a name none: the page is written anew")
    parser.add_argument("--rounds", type=int, default=part.ROUNDS, help=f"more rounds, less chance (default {part.ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="see that everything runs; writes to out/bench, the figures mean nothing")
    parser.add_argument("--into", type=Path, help="a folder for results, page and picture (default: the repository)")
    parser.add_argument("--peers", type=Path, default=PEERS, help="the Python that has the other libraries (default .venv-peers)")
    options = parser.parse_args()
    into: Path = options.into or (QUICK if options.quick else ROOT)
    for each in (RESULTS, PAGE, PICTURE):
        (into / each).parent.mkdir(parents=True, exist_ok=True)
        if not (into / each).exists():
            shutil.copy(ROOT / each, into / each)
    results: page.Results = json.loads((into / RESULTS).read_text())
    names = list(page.PARTS) if options.only is None else options.only
    failed = []
    for turn, name in enumerate(names, 1):
        print(f"[{turn}/{len(names)}] {name}", flush=True)
        start = time.perf_counter()
        found = run(name, options)
        print(f"  {'measured' if found else 'failed'} after {time.perf_counter() - start:.0f} s", flush=True)
        if found:
            results[name] = found
            (into / RESULTS).write_text(compact(results))
        else:
            failed.append(name)
    text = page.render(results, (into / PAGE).read_text())
    (into / PAGE).write_text(text)
    cost.draw([figure for name in page.PARTS for figure in page.figures(results, name)], into / PICTURE)
    print(f"{into / PAGE}: {next(line for line in text.splitlines() if 'are reached' in line)}")
    for work in page.unexplained(results, text):
        print(f"missed, and the page does not say why: {work}")
    for name in failed:
        print(f"{name} failed: its figures are those of before")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Compare instruction counts with the recorded ones: ``make gate``; record them: ``make gate-update``.

Counts under callgrind do not depend on what else the machine does, so a small loss shows. They do depend on the compiler, on valgrind
and on the instruction set, so `gate.json` keeps a table for each combination that somebody recorded; on another one there is nothing to
compare, which is said and is no failure.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
RECORD = Path(__file__).with_suffix(".json")
REPEATS = (1, 6)
"""Two runs of each piece of work: what differs is the work, without start and setup."""
TOLERANCE = 0.05


def output_of(*command: str | Path) -> str:
    """Run a command and return what it printed; a failure ends the gate with what it said."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(f"gate: {' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def instructions(binary: Path, name: str, repeats: int) -> int:
    """Count the instructions of one run."""
    with tempfile.TemporaryDirectory() as folder:
        text = output_of("valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", binary, name, str(repeats))
    found = re.search(r"Collected : (\d+)", text)
    if found is None:
        sys.exit(f"gate: valgrind printed no count for {name}:\n{text}")
    return int(found[1])


def cost(binary: Path, name: str) -> int:
    """Instructions of one repeat."""
    few, many = (instructions(binary, name, repeats) for repeats in REPEATS)
    return (many - few) // (REPEATS[1] - REPEATS[0])


def main() -> int:
    """Measure, then compare or record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="record this machine's counts instead of comparing")
    update: bool = parser.parse_args().update
    if shutil.which("valgrind") is None:
        sys.exit("gate: valgrind is not installed: install it, for example with 'apt-get install valgrind'.")

    output_of("cargo", "build", "--locked", "--release", "--quiet", "-p", "rsnn-core", "--example", "gate")
    # Where cargo puts things is its own business (CARGO_TARGET_DIR, config files): ask it.
    metadata = output_of("cargo", "metadata", "--locked", "--no-deps", "--format-version", "1")
    target = json.loads(metadata.splitlines()[0])["target_directory"]
    binary = Path(target) / "release" / "examples" / "gate"
    level, *names = output_of(binary).split()
    compiler, counter = output_of("rustc", "--version").split()[:2], output_of("valgrind", "--version").strip()
    key = " ".join([*compiler, counter, platform.machine(), level])
    with ThreadPoolExecutor() as pool:
        counts = dict(zip(names, pool.map(lambda name: cost(binary, name), names), strict=True))

    recorded: dict[str, dict[str, int]] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if update:
        RECORD.write_text(json.dumps(recorded | {key: counts}, indent=2) + "\n")
        print(f"gate: recorded {len(counts)} counts for {key}")
        return 0
    if key not in recorded:
        print(f"gate: nothing was recorded for {key}; nothing to compare. Record it with 'make gate-update'")
        return 0
    return compare(counts, recorded[key], key)


def compare(counts: dict[str, int], recorded: dict[str, int], key: str) -> int:
    """Print each count beside the recorded one; returns the exit status."""
    print(f"instructions, {key}")
    failed = passed = 0
    for name, count in counts.items():
        before = recorded.get(name)
        if before is None:
            verdict = "not recorded: run 'make gate-update'"
            failed += 1
        elif count > before * (1 + TOLERANCE):
            verdict = f"{count / before - 1:+.1%}: too many"
            failed += 1
        else:
            better = count < before * (1 - TOLERANCE)
            verdict = f"{count / before - 1:+.1%}" + (": better, record it with 'make gate-update'" if better else "")
            passed += 1
        print(f"  {name:<24} {count:>12,}  {verdict}")
    print(f"gate: {passed} passed, {failed} failed")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())

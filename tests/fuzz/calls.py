"""The calls themselves, made in a process that may die: `fuzz.__main__` starts it, watches it and starts it again."""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import gc
import json
import mmap
import os
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from hostile import frozen, some

import rsnn
from fuzz import commands
from fuzz.entries import Interface, harvest
from fuzz.files import Kept, damaged, kept
from fuzz.names import MODULES
from fuzz.tensors import gradients
from fuzz.values import arguments

WHERE = struct.Struct("<q120s")
"""What the mapped file `now` holds: the number of the call and the name of its entry, there even when the process dies."""
ROOT = Path(rsnn.__file__).parent
CHANGED_ON_PURPOSE = ("out", "rng", "seed")
"""Arguments that a call may change: the arrays it writes, and generators."""

SLOW = ("plot.*", "*.plot", "convert.*", "torch.init.calibrate_", "torch.chip.QAT.*", "torch.losses.tet_loss")
"""What takes ten times as long as everything else, and is drawn a tenth as often."""
PRODUCT = ("metrics.victor_purpura_distance",)
"""What says that it takes the product of two numbers of spikes, which may be millions: a long call does not hang, as it stops when told."""
ALLOCATION = "can't allocate memory"
"""What torch says in place of a MemoryError."""


class TooLongError(BaseException):
    """A call took longer than it may."""


def too_long(*_: Any) -> None:
    """Stop the call that runs."""
    raise TooLongError


class Calls:
    """Makes the calls of a seed, counts them, and notes what is a defect."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.errors: Counter[str] = Counter()
        self.defects: dict[str, dict[str, Any]] = {}
        self.memory: list[tuple[int, int]] = []
        (folder / "now").write_bytes(WHERE.pack(-1, b"examples"))
        with (folder / "now").open("r+b") as file:
            self.now = mmap.mmap(file.fileno(), WHERE.size)
        self.interface: Interface = harvest(tuple(options.modules))
        self.slow = {one.name for one in self.interface.entries if any(fnmatch(one.name, slow) for slow in SLOW)}
        gc.collect()
        gc.freeze()  # what is there for good need not be looked through again and again
        self.files = []
        if tuple(options.modules) == MODULES:
            self.files = kept(folder)
            commands.prepare(folder)

    def defect(self, number: int, entry: str, what: str, detail: str = "") -> None:
        """Note a defect; one that is like an earlier one is only counted."""
        known = self.defects.setdefault(
            f"{entry} {what}", {"entry": entry, "what": what, "detail": detail, "call": number, "seed": self.options.seed, "times": 0}
        )
        known["times"] += 1

    def run(self) -> None:
        """Make calls until their number or the time is reached."""
        options = self.options
        end, written = options.begin + options.seconds, 0.0
        number = options.first
        while number < options.first + options.calls and time.monotonic() < end:
            try:
                self.one(number)
            except TooLongError:  # the signal came late, after the call
                self.defect(number, self.now[8:].rstrip(b"\0").decode(), f"longer than {options.limit:g} s")
            number += 1
            if number % 1000 == 0 or time.process_time() > written + 1:
                written = time.process_time()
                self.report(number, False)
        self.report(number, True)

    def one(self, number: int) -> None:
        """Make the call of a number: it depends on the seed and the number alone."""
        rng = np.random.default_rng((self.options.seed, number))
        if "torch" in sys.modules:
            sys.modules["torch"].default_generator.manual_seed(number)
        entry = self.chosen(rng)
        self.now[:] = WHERE.pack(number, entry.name.encode()[:119])
        owner, given = self.meant(rng, entry)
        if self.options.show:
            print(f"{entry.name} on {owner!r:.300} with {given!r:.2000}", file=sys.stderr, flush=True)
        content = entry.path.read_bytes() if isinstance(entry, Kept) else b""
        before = {name: frozen(value) for name, value in given.items() if name not in CHANGED_ON_PURPOSE}
        kind = self.answered(number, entry, owner, given)
        for value in given.values():
            tidy(value)
        after = {name: frozen(value) for name, value in given.items() if name in before}
        changed = [name for name, value in after.items() if value != before[name] and not overlaps(given, name)]
        if changed:
            self.defect(number, entry.name, f"changed {', '.join(changed)}")
        if isinstance(entry, Kept) and entry.path.read_bytes() != content:
            self.defect(number, entry.name, "changed the file it read")
        self.counts[entry.name][kind] += 1
        self.errors[kind] += 1
        rsnn.set_num_threads(None)

    def chosen(self, rng: np.random.Generator) -> Any:
        """Choose what is called: an entry, a reader of files, or the command line."""
        entry: Any = some(rng, *self.interface.entries)
        if entry.name in self.slow and rng.random() < 0.9:
            entry = some(rng, *self.interface.entries)
        if self.files and rng.random() < 0.05:  # a reader has many places where a file may be wrong, and a line of words too
            entry = some(rng, *self.files, *[commands] * 4)
        return entry

    def meant(self, rng: np.random.Generator, entry: Any) -> tuple[Any, dict[str, Any]]:
        """Choose what it is called on, and with."""
        if isinstance(entry, Kept):
            entry.path.write_bytes(damaged(rng, entry.content))
            return None, {"path": entry.path}
        if entry is commands:
            return None, {"words": commands.line(rng, self.folder)}
        return arguments(rng, self.interface, entry)

    def answered(self, number: int, entry: Any, owner: Any, given: dict[str, Any]) -> str:
        """Make the call and note a defect; the name of the error, if it is refused."""
        signal.setitimer(signal.ITIMER_PROF, self.options.limit)  # of processor time: a busy machine is no defect
        try:
            if isinstance(entry, Kept):
                entry.read(entry.path)
            elif entry is commands:
                wrong = commands.call(**given)
                if wrong:
                    self.defect(number, entry.name, wrong, repr(given))
            else:
                answer = entry(owner, given)
                if "torch" in sys.modules:
                    gradients(answer)
            return ""
        except rsnn.RsnnError as error:
            kind = type(error).__name__
            if isinstance(error, rsnn.InternalError) or not str(error):
                self.defect(number, entry.name, f"{kind}: {error}"[:200])
        except (MemoryError, OSError) as error:
            kind = type(error).__name__
            if isinstance(entry, Kept):
                self.defect(number, entry.name, f"{kind}: {error}"[:200])
        except TooLongError as error:
            kind = f"longer than {self.options.limit:g} s"
            if entry.name not in PRODUCT:
                self.defect(number, entry.name, kind, place(error))
        except BaseException as error:  # a panic of Rust is no Exception
            kind = "MemoryError" if ALLOCATION in str(error) else type(error).__name__
            if kind != "MemoryError" and not passed_on(error):
                called = " ".join(repr(given).split())  # tensors come in many lines
                self.defect(number, entry.name, f"{kind} {place(error)}", f"{kind}: {str(error)[:300]}\n{called:.600}")
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        return kind

    def report(self, number: int, done: bool) -> None:
        """Write what is known so far where the watching process reads it."""
        gc.collect()
        rsnn.memory.clear()  # what waits for the next results is bounded, and no leak
        ctypes.CDLL(None).malloc_trim(0)
        self.memory.append((number, resident()))
        text = json.dumps(
            {
                "number": number, "done": done, "counts": self.counts, "errors": self.errors, "defects": list(self.defects.values()),
                "memory": self.memory, "entries": len(self.interface.entries) + len(self.files) + bool(self.files),
            }
        )  # fmt: skip
        (self.folder / "report.new").write_text(text)
        (self.folder / "report.new").replace(self.folder / "report.json")


def tidy(value: Any) -> None:
    """Empty a picture that call after call has drawn on: what it holds is no leak."""
    if "matplotlib.figure" not in sys.modules:
        return
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    if isinstance(value, Figure) and len(value.axes) > 12:
        value.clear()
    for axes in value.axes if isinstance(value, Figure) else [value] if isinstance(value, Axes) else []:
        if len(axes.get_children()) > 200:
            axes.clear()


def overlaps(given: dict[str, Any], name: str) -> bool:
    """Tell whether an argument is part of what the call may write."""
    own = given[name]
    return any(
        isinstance(own, np.ndarray) and isinstance(one, np.ndarray) and np.may_share_memory(own, one)
        for one in (given.get(other) for other in CHANGED_ON_PURPOSE)
    )


def place(error: BaseException) -> str:
    """Say where in rsnn an error came from: the last three of its lines."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(ROOT)]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in own[:-4:-1]) or "before rsnn was reached"


def passed_on(error: BaseException) -> bool:
    """Tell what the caller's own module or function raised, in its own words."""
    frames = traceback.extract_tb(error.__traceback__)[:-1]
    return any((Path(frame.filename).name, frame.name) in (("lift.py", "over_time"), ("surrogate_rare.py", "of")) for frame in frames)


def resident() -> int:
    """Bytes of this process that lie in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def main() -> None:
    """Make the calls that the arguments ask for."""
    parser = argparse.ArgumentParser()
    for name, kind in (("seed", int), ("first", int), ("calls", int), ("seconds", float), ("limit", float), ("memory", float)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    parser.add_argument("--modules", type=lambda text: text.split(","), required=True)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGPROF, too_long)
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # what a call writes under a name that is drawn lands here
        calls = Calls(options, options.folder)
        room = int(options.memory * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE + room,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        options.begin = time.monotonic()
        calls.run()
        os.chdir("/")


if __name__ == "__main__":
    main()

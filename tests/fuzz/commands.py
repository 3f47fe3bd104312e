"""The command line, called in this process with lines that are as they should be but for a word or two."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from hostile import Rng, some

import rsnn
from rsnn.cli import main

name = "the command line"
LINES = (
    "info",
    "--version",
    "simulate lif --set tau_mem=20 v_threshold=10 --constant 11 --steps 20 --record v --out FOLDER/out.npz",
    "simulate alif FOLDER/x.npy --set beta=0.9 --record v a --threads 2",
    "simulate iaf FOLDER/x.csv",
    "simulate izhikevich:tonic_bursting",
    "simulate snntorch.Leaky --set beta=0.9 --constant 1 --steps 9",
    "check FOLDER/network.npz --target speck2f",
    "check FOLDER/network.npz --target speck2f --input FOLDER/x.npy --export FOLDER/chip.npz",
    "demo --epochs 0",
    "demo --out FOLDER/x.csv",
    "bench --threads 0",
)
"""What is meant; of what would take seconds only what is refused."""
PICTURE = "simulate lif FOLDER/x.npz --picture FOLDER/lif.png"
"""It takes a hundred times as long as the others, and is drawn far less often."""
SLOW = ("demo", "bench")
WORDS = (
    "", "-", "--", "-h", "--no", "--set", "--out", "--steps", "--record", "--picture", "--threads", "--constant", "--input", "--target",
    "0", "-1", "1e999", "nan", "2147483648", "9223372036854775808", "tau_mem=nan", "tau_mem=", "=", "tau_mem=[1,2]", "tau_mem=1e-320",
    "tau_mem=" + "(" * 300, "v_threshold=(0,)*9", "reset=zero", "lif", "LIF", "adex:", ":", "norse.", ".LIF", "snntorch.Leaky", "v", "u",
    "FOLDER", "FOLDER/none.npy", "FOLDER/x.npy", "FOLDER/none/out.npz", "FOLDER/a.gif", "/dev/full", "/dev/null",
    "\0", "\ud800", "ä" * 300, "x" * 5000, "speck2e", "xylo_audio2", "tinyodin", "nothing",
)  # fmt: skip


def prepare(folder: Path) -> None:
    """Write the files that the lines name."""
    x = np.random.default_rng(0).integers(0, 3, (9, 3)).astype(np.float32)
    np.save(folder / "x.npy", x)
    np.savez(folder / "x.npz", x=x)
    np.savetxt(folder / "x.csv", x, delimiter=",")
    rsnn.Network([rsnn.Linear(np.eye(3)), rsnn.IAF()], (3,)).save(folder / "network.npz")


def line(rng: Rng, folder: Path) -> list[str]:
    """Draw a line, with words left out, put in, exchanged or repeated."""
    words = (some(rng, *LINES) if rng.random() < 0.99 else PICTURE).split()
    slow = words[0] in SLOW
    for _ in range(rng.integers(0, 4)):
        at = int(rng.integers(slow, len(words) + 1))
        if slow:  # it stays refused, for what it ends with
            words.insert(1, some(rng, *WORDS))
            continue
        kind = rng.integers(4)
        if kind == 0:
            words[at : at + 1] = []
        elif kind == 1:
            words[at:at] = [some(rng, *WORDS)]
        elif kind == 2:
            words[at : at + 1] = [some(rng, *WORDS)]
        else:
            words[at:at] = words[max(0, at - 2) : at]
    return [word.replace("FOLDER", str(folder)) for word in words]


def call(words: list[str]) -> Any:
    """Run a line; what is wrong about the way it ended, or nothing."""
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            status: Any = main(words)
        except SystemExit as stop:
            status = stop.code
    if status not in (0, 1, 2):
        return f"exit status {status}"
    if "Traceback" in said.getvalue():
        return "a traceback was printed"
    if status == 1 and not said.getvalue() and words[:1] != ["check"]:
        return "exit status 1 without a word"
    return ""

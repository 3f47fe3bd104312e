"""The main job, from pictures to a chip: ``python -m rsnn demo``.

1. Handwritten digits (8 x 8 pixels, from scikit-learn) become spikes: every pixel drives one integrate-and-fire neuron with its brightness.
2. A convolutional network of integrate-and-fire neurons, the neuron of the chip, is trained through `rsnn.torch` with a surrogate gradient.
3. The trained network runs in numpy through `rsnn.Network`; its spikes are compared with torch's, one by one.
4. It is quantised to the integers of DynapCNN and run in the emulator of the chip.
5. A table and one picture say what came out.

Nothing here is hidden machinery: `job.py` is what a user would write, in order; `picture.py` draws it.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rsnn.errors import InvalidValueError

if TYPE_CHECKING:
    from rich.table import Table

    from rsnn.demo.job import Outcome

__all__ = ["Settings", "run"]

NEEDED = {"torch": "torch", "sklearn": "scikit-learn", "matplotlib": "matplotlib", "rich": "rich"}
"""What the demo imports beyond numpy, and what each is called where one installs it."""
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells expect it."""


@dataclass(frozen=True)
class Settings:
    """What a run depends on; the same settings give the same numbers.

    Parameters
    ----------
    seed : int
        Where all chance comes from: the split, the phases of the encoder, the weights, the order of training.
    epochs : int
        Passes over the training pictures.
    steps : int
        Time steps that each picture is shown for.
    threads : int, optional
        Threads for the runs in numpy and in integers; default all cores. Training uses one, so that a seed repeats exactly on any of them.
    out : Path
        The folder for the picture and its numbers, made where it is missing.
    """

    seed: int = 0
    epochs: int = 15
    steps: int = 20
    threads: int | None = None
    out: Path = Path("out")


def run(settings: Settings) -> int:
    """Do the whole job, print a table, write ``demo.png`` and ``demo.json``.

    Parameters
    ----------
    settings : Settings
        What to run.

    Returns
    -------
    int
        0 done; 1 where an extra is missing; 130 stopped by Ctrl-C, with nothing written.

    Raises
    ------
    InvalidValueError
        Where the folder cannot be written to; before any work.
    """
    missing = [name for module, name in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        print(f'rsnn: the demo needs {" and ".join(missing)}, which this Python does not have: pip install "rsnn[demo]"', file=sys.stderr)
        return 1
    try:
        settings.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.out):
            pass
    except OSError as error:
        raise InvalidValueError(f"--out {settings.out}: cannot be written to ({error}); name another folder") from error
    try:
        from rich.console import Console

        from rsnn.demo import job, picture

        console = Console()
        outcome = job.do(settings, console)
        console.print(_table(outcome))
        console.print(_sentences(outcome), highlight=False, soft_wrap=True)
        path = picture.write(outcome, settings.out / "demo.png")
        (settings.out / "demo.json").write_text(json.dumps({"results": outcome.results, "seconds": outcome.seconds}, indent=2) + "\n")
    except KeyboardInterrupt:
        print("rsnn: stopped by Ctrl-C; no picture was written.", file=sys.stderr)
        return INTERRUPTED
    console.print(f"picture: {path}   numbers: {settings.out / 'demo.json'}", highlight=False, soft_wrap=True)
    return 0


def _table(outcome: Outcome) -> Table:
    """Say what came out: the float network beside its integers."""
    from rich.table import Table

    r, s, n = outcome.results, outcome.seconds, outcome.results["test_pictures"]
    table = Table(title=f"\n{n} held-out digits, {outcome.settings.steps} time steps each", title_justify="left", title_style="bold")
    table.add_column()
    table.add_column("float", justify="right")
    table.add_column("DynapCNN integers", justify="right")
    table.add_row("test accuracy", f"{r['accuracy_float']:.2%}", f"{r['accuracy_integer']:.2%}")
    table.add_row("same answer as float", "", f"{r['agreement']:.2%}")
    table.add_row("spikes per image", f"{r['spikes_float']:,.0f}", f"{r['spikes_integer']:,.0f}")
    table.add_row("SynOps per image", f"{r['synops_float']:,.0f}", f"{r['synops_integer']:,.0f}")
    table.add_row("states beyond 16 bits", "", f"{r['states_beyond_16_bits']:,}")
    table.add_row("limits of the chip exceeded", "", f"{len(r['limits_exceeded'])}")
    table.add_row("time per image", f"{s['numpy_run'] / n * 1e6:,.0f} µs", f"{s['integer_run'] / n * 1e6:,.0f} µs")
    return table


def _sentences(outcome: Outcome) -> str:
    """Say what the table cannot."""
    r, s = outcome.results, outcome.seconds
    return (
        f"Trained in {s['training']:.1f} s, {s['training_step'] * 1e3:.0f} ms a step.\n"
        f"torch and numpy: {r['spike_trains_compared']:,} spike trains compared, {r['spike_trains_different']} differ.\n"
        "SynOps: in float an input that is not 0 counts once, on the chip every event does, also those that pooling adds up."
    )

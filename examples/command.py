"""What the examples share, so that each shows its subject alone: options, progress, and how a run ends.

Every example is a function from `Settings` to numbers and a picture, handed to `main`.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from rsnn.demo import INTERRUPTED

try:
    import matplotlib as mpl
    import torch
    from matplotlib.figure import Figure
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
except ModuleNotFoundError as error:
    sys.exit(f'the examples need {error.name}, which this Python does not have: pip install "rsnn[demo]"')

STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "legend.frameon": False,
}
"""How every picture looks; colours come from `rsnn.plot`."""


@dataclass(frozen=True)
class Settings:
    """What a run depends on; with one thread the same settings give the same numbers."""

    seed: int
    epochs: int
    quick: bool
    """A small run that shows that everything works, for the tests."""
    out: Path
    options: dict[str, Any]
    """What else the command line said, of an example with options of its own."""

    def seeds(self, n: int) -> range:
        """Give the `n` seeds of a full run; of a quick one only the first."""
        return range(self.seed, self.seed + (1 if self.quick else n))


Outcome = tuple[dict[str, Any], Figure]
"""Numbers for a JSON file and the picture."""


def main(
    run: Callable[[Settings], Outcome | None],
    about: str,
    *,
    epochs: int,
    quick_epochs: int,
    options: Callable[[argparse.ArgumentParser], None] | None = None,
) -> NoReturn:
    """Read the options, run, write ``out/NAME.png`` and ``out/NAME.json``, and exit: with 130 after Ctrl-C, which writes nothing.

    Parameters
    ----------
    run : function
        The example. Where it returns None, nothing is written: a process that only helps.
    about : str
        Its docstring, the text of ``--help``.
    epochs, quick_epochs : int
        The default of ``--epochs``, without and with ``--quick``.
    options : function, optional
        Adds options of the example's own, which `Settings.options` then has; a number must not be negative.
    """
    name = Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--epochs", type=int, metavar="N", help=f"rounds of training (default {epochs}, with --quick {quick_epochs})")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the first seed: all chance comes from it (default 0)")
    parser.add_argument("--quick", action="store_true", help="a small run of seconds: one seed, few epochs")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads; with 1 (default) a seed repeats exactly")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="where picture and numbers go (default out)")
    common = {action.dest for action in parser._actions}
    if options is not None:
        options(parser)
    given = parser.parse_args()
    own = {name: value for name, value in vars(given).items() if name not in common}
    chosen = (quick_epochs if given.quick else epochs) if given.epochs is None else given.epochs
    counts = [("--epochs", chosen, 1), ("--seed", given.seed, 0), ("--threads", given.threads, 1)]
    counts += [(f"--{name}", value, 0) for name, value in own.items() if isinstance(value, int)]
    for option, value, least in counts:
        if value < least:
            parser.error(f"{option} {value}: must be a whole number of {least} or more")
    try:
        given.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out {given.out}: cannot be made ({error}); name another folder")

    torch.set_num_threads(given.threads)  # rsnn's layers follow it
    start = time.perf_counter()
    try:
        with mpl.rc_context(STYLE):
            outcome = run(Settings(given.seed, chosen, given.quick, given.out, own))
            if outcome is None:
                sys.exit(0)
            results, figure = outcome
            figure.savefig(given.out / f"{name}.png", dpi=120)
    except KeyboardInterrupt:
        print(f"{name}: stopped by Ctrl-C; nothing was written.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    results["seconds"] = round(time.perf_counter() - start, 1)
    (given.out / f"{name}.json").write_text(json.dumps(results, indent=2) + "\n")
    print(f"{results['seconds']:.0f} s   picture: {given.out / name}.png   numbers: {given.out / name}.json")
    sys.exit(0)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar of `total` steps on a terminal while the block runs; the function given is called after each, with what to say."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"), TimeElapsedColumn())
    with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(what, total=total, said="")
        yield lambda said: bar.update(task, advance=1, said=said)

"""The command line: ``python -m rsnn demo`` and ``python -m rsnn info``."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import rsnn

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells expect it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``python -m rsnn``; default ``sys.argv[1:]``.

    Returns
    -------
    int
        The exit status: 0 done, 1 refused with a sentence on standard error, 130 stopped by Ctrl-C. Misspelt options exit with 2.

    Examples
    --------
    >>> from rsnn.cli import main
    >>> main(["info"])  # doctest: +ELLIPSIS
    rsnn ...
    0
    """
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except rsnn.RsnnError as error:
        print(f"rsnn: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("rsnn: stopped.", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rsnn", description=rsnn.__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    info = commands.add_parser("info", help="what this build is: versions, instruction set, threads (paste it into a report)")
    info.set_defaults(command=_info)

    demo = commands.add_parser(
        "demo",
        help="train on handwritten digits, run in numpy and in the chip's integers, draw one picture",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    demo.add_argument("--seed", type=_whole(0), default=0, metavar="N", help="where all chance comes from: a seed repeats its run exactly")
    demo.add_argument("--epochs", type=_whole(1), default=15, metavar="N", help="passes over the training images")
    demo.add_argument("--steps", type=_whole(1), default=20, metavar="T", help="time steps that each image is shown for")
    demo.add_argument("--threads", type=_whole(1), metavar="N", help="threads for the runs after training, which uses one; None: all cores")
    demo.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="where the picture and its numbers go")
    demo.set_defaults(command=_demo)
    return parser


def _whole(least: int) -> Callable[[str], int]:
    """Make a type for argparse: a whole number from `least` up."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {least} or more")
        return value

    return parse


def _info(_: argparse.Namespace) -> int:
    print(f"rsnn {rsnn.__version__}")
    rows = rsnn.build_info() | {"machine": platform.platform()}
    del rows["version"]
    for name, value in rows.items():
        print(f"  {name:<8} {' '.join(value) if isinstance(value, tuple) else value}")
    return 0


def _demo(options: argparse.Namespace) -> int:
    from rsnn import demo

    return demo.run(demo.Settings(seed=options.seed, epochs=options.epochs, steps=options.steps, threads=options.threads, out=options.out))

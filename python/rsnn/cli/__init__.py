"""The command line: ``rsnn COMMAND`` or ``python -m rsnn COMMAND``; one file a command, this one says what they take."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import rsnn

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


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
        The exit status: 0 done, 1 refused with a sentence on standard error (``check``: the network does not fit), 130 stopped by
        Ctrl-C. Misspelt options exit with 2.

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
        status = command(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # who read has read enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - what is left in the buffer has nowhere to go
        return 1
    except OSError as error:
        print(f"rsnn: {f'{error.filename}: ' * (error.filename is not None)}{error.strerror or error}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"rsnn: this is more than memory can hold ({error}); give fewer steps or neurons", file=sys.stderr)
        return 1
    except rsnn.RsnnError as error:
        print(f"rsnn: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("rsnn: stopped.", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rsnn", description="Spiking neural networks on a CPU: simulate, train, deploy.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"rsnn {rsnn.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_demo, _add_info, _add_simulate, _add_check, _add_bench):
        add(commands)
    return parser


def _command(commands: Commands, name: str, words: str, run: Callable[[argparse.Namespace], int], example: str) -> argparse.ArgumentParser:
    one = commands.add_parser(
        name, help=words, description=f"{words[0].upper()}{words[1:]}.", epilog=f"example: rsnn {example}", allow_abbrev=False
    )
    one.set_defaults(command=run)
    return one


def _add_info(commands: Commands) -> None:
    _command(commands, "info", "say what this build is: versions, instruction set, threads (paste it into a report)", _info, "info")


def _add_demo(commands: Commands) -> None:
    demo = _command(commands, "demo", "train on digits, run in numpy and in the chip's integers, draw one picture", _demo, "demo")
    demo.add_argument("--seed", type=_whole(0), default=0, metavar="N", help="where all chance comes from: a seed repeats its run (0)")
    demo.add_argument("--epochs", type=_whole(1), default=15, metavar="N", help="passes over the training images (15)")
    demo.add_argument("--steps", type=_whole(1), default=20, metavar="T", help="time steps that each image is shown for (20)")
    demo.add_argument("--threads", type=_whole(1), metavar="N", help="threads for the runs after training, which uses one (all cores)")
    demo.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="where the picture and its numbers go (out)")


def _add_simulate(commands: Commands) -> None:
    simulate = _command(
        commands,
        "simulate",
        "run a neuron over a recorded or a constant input; write its spikes, and a picture",
        _simulate,
        "simulate lif --set tau_mem=20 v_threshold=10 --constant 11 --steps 100 --picture lif.png",
    )
    simulate.add_argument(
        "neuron",
        metavar="NEURON",
        help="lif, alif, adex, ...; a published behaviour, izhikevich:tonic_bursting; or another library's neuron, snntorch.Leaky",
    )
    simulate.add_argument("input", nargs="?", type=Path, metavar="FILE", help="an array (T, ...): .npy, .npz (the first in it) or .csv")
    simulate.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="the neuron's arguments, by their names")
    simulate.add_argument("--constant", type=float, metavar="X", help="a constant input in place of a file")
    simulate.add_argument("--steps", type=_whole(1), metavar="T", help="how long the constant input lasts")
    simulate.add_argument("--record", nargs="+", default=[], metavar="STATE", help="states to keep beside the spikes: v, i, a, ...")
    simulate.add_argument("--threads", type=_whole(1), metavar="N", help="all cores by default")
    simulate.add_argument("--out", type=Path, metavar="FILE", help="where the result goes: .npz with output, traces and state")
    simulate.add_argument("--picture", type=Path, metavar="FILE", help="spikes and traces, the membrane by default: .png, .pdf, .svg")


def _add_check(commands: Commands) -> None:
    check = _command(
        commands,
        "check",
        "say whether a saved network fits a chip, limit by limit; exit status 1 where it does not",
        _check,
        "check net.npz --target speck2f --input events.npy",
    )
    check.add_argument("network", type=Path, metavar="NETWORK", help="a file of rsnn.Network.save")
    check.add_argument("--target", default="speck2f", metavar="CHIP", help="which chip (speck2f); a wrong name lists them all")
    check.add_argument(
        "--input", type=Path, metavar="FILE", help="spike counts (T, ...), .npy, .npz or .csv: compares float with integers too"
    )
    check.add_argument("--export", type=Path, metavar="FILE", help="write the integers for the chip's own tools here")


def _add_bench(commands: Commands) -> None:
    bench = _command(commands, "bench", "measure this machine in some seconds: neurons against copying their input", _bench, "bench")
    bench.add_argument("--threads", type=_whole(1), default=1, metavar="N", help="threads of rsnn (1; copying always uses one)")


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


def _simulate(options: argparse.Namespace) -> int:
    from .simulate import run

    return run(options)


def _check(options: argparse.Namespace) -> int:
    from .check import run

    return run(options)


def _bench(options: argparse.Namespace) -> int:
    from .bench import run

    return run(options.threads)

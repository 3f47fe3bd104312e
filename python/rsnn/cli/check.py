"""``rsnn check``: a saved network against a chip."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import rsnn

from .files import array_from, check_output
from .terminal import working

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Run the command: 0 where the network fits."""
    network = rsnn.Network.load(options.network)
    x = None if options.input is None else array_from(options.input)
    if options.export is not None:
        check_output("--export", options.export)
    with working("looking for scales and places"):
        chip = rsnn.chip.quantize(network, target=options.target, calibration=x)
        check = chip.check()
    print(check, flush=True)
    if x is not None:
        with working("running it in floats and in integers"):
            report = chip.report(x)
        print(report)
    if options.export is not None:
        chip.export(options.export)
        print(f"wrote {options.export}")
    if not check.ok:
        print(f"rsnn: {options.network} does not fit {options.target}.", file=sys.stderr)
    return 0 if check.ok else 1

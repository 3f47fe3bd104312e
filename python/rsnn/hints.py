"""What a caller likely meant, said where two things do not fit; and the warning of what fits and is hardly ever meant."""

from __future__ import annotations

import sys
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import RsnnWarning

BETWEEN = ("rsnn", "dataclasses", "torch")
"""Packages between a caller and a warning."""
FORGOTTEN = 24
"""A decay of less than 2**-24 in a step leaves nothing of a float32 beside anything else."""


def swapped_axes(came: Sequence[int], wanted: Sequence[int], x: Sequence[int]) -> str:
    """Say that the batch and the time of x may have changed places, where what came would fit then."""
    if tuple(came) not in {(*x[:1], *x[2:]), tuple(x[1:])} - {tuple(wanted)}:
        return ""
    return "; it fits if x has its axes of time and batch swapped: (T, B, ...) is read, or with batch_first=True (B, T, ...)"


def channel_shape(came: Sequence[int], axes: Sequence[int]) -> str:
    """Say which shape a value for each channel has, where one came that is as long as an axis before the last."""
    places = [k for k, size in enumerate(axes[:-1]) if tuple(came) == (size,)]
    if not places:
        return ""
    shape = (came[0], *[1] * (len(axes) - 1 - places[-1]))
    return f"; one for each of {came[0]} channels has the shape {shape}: value.reshape{shape}"


def axis_to_the_end(n: int, x: Sequence[int]) -> str:
    """Say which axis of x is likely that of the n neurons, which comes last."""
    places = [k - len(x) for k, size in enumerate(x[:-1]) if size == n]
    return f"; axis {places[-1]} of x has {n}: the neurons are the last axis, so move it there" if places else ""


def other_file(where: str, entry: str = "") -> str:
    """Say what reads a file that is another one than was asked for, by this entry; nothing where it is not known."""
    with Path(where).open("rb") as file:
        head = file.read(8)
    if head == b"\x89HDF\r\n\x1a\n":
        return "it is a file of HDF5, as those of NIR, which rsnn.nir.read reads"
    if head.startswith(b"\x93NUMPY"):
        return "it is one array, which numpy.load reads"
    try:
        with zipfile.ZipFile(where) as archive:
            names = archive.namelist()
    except Exception:  # whatever a damaged archive makes zipfile raise
        return ""
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return "it is a file of torch.save: load it into its module, and make a network of that with rsnn.torch.to_network or adopt"
    read = {
        "network.json": "it is a network of rsnn, which rsnn.Network.load reads",
        "chip.json": "it is a network on a chip, which rsnn.chip.load reads",
    }
    return next((words for name, words in read.items() if name in names and name != entry), "")


def short_time(name: str, tau: Any, dt: float) -> None:
    """Warn of a time constant in which nothing is left after a step: it is likely in another unit than dt."""
    if tau is None or not np.any(np.asarray(tau) * FORGOTTEN * np.log(2.0) < dt):
        return
    least = float(np.min(tau))
    left = f"with dt={dt:g} nothing of it is left after one step, exp(-dt / {name}) = {np.exp(-dt / least):.1g}"
    warn(
        f"{name}={least:g}: {left}. Time constants are in the unit of dt, which is 1 by default: for steps of 1 ms give dt=0.001 where "
        f"they are in seconds, or {name}={1000 * least:g} in ms; a neuron without memory is beta=0.0"
    )


def warn(message: str) -> None:
    """Warn at the line that called rsnn, where something can be done about it."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in BETWEEN:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, RsnnWarning, stacklevel=level)

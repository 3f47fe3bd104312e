"""Networks on chips read from the files that `rsnn.chip.storage` describes."""

from __future__ import annotations

import os
from typing import Any

from rsnn.archive import read
from rsnn.description import from_data
from rsnn.errors import InvalidValueError
from rsnn.network import Network

from .families import family_of
from .network import ChipNetwork
from .storage import CHIP
from .targets import TARGETS


def load(path: str | os.PathLike[str]) -> ChipNetwork:
    """Read a network on a chip from a file that `rsnn.chip.ChipNetwork.export` wrote: the same integers.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    ChipNetwork

    Raises
    ------
    FileFormatError
        The file is something else, or a part, or was altered, or comes from a later version of the format; the message says which.
    OSError
        There is no such file, or it cannot be read.

    Notes
    -----
    Nothing in the file is run: it holds numbers and names, which go through the constructors.

    Examples
    --------
    >>> import pathlib, rsnn, tempfile
    >>> net = rsnn.Network([rsnn.Linear([[0.5, -0.3]]), rsnn.IAF(v_min=-1.0)], input_shape=(2,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rsnn.chip.quantize(net).export(pathlib.Path(folder, "net.npz"))
    ...     rsnn.chip.load(pathlib.Path(folder, "net.npz"))
    DynapcnnNetwork(dynapcnn: 0 Linear)
    """
    made: ChipNetwork = read(path, CHIP, _made)
    return made


def _made(described: Any) -> ChipNetwork:
    if not isinstance(described, dict) or described.get("target") not in TARGETS:
        raise InvalidValueError(f"it names no chip that this rsnn knows: {', '.join(TARGETS)}")
    network = from_data(described.get("network"))
    if not isinstance(network, Network):
        raise InvalidValueError("it has no float network")
    try:
        return family_of(described["target"]).restore(described["target"], network, described)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise InvalidValueError(f"something is missing or of another kind ({type(error).__name__}: {error})") from None

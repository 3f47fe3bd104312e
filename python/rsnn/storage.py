"""Networks in files: one .npz with a description in JSON and the arrays, read without running anything that it holds.

The file is a zip archive, uncompressed. ``network.json`` holds::

    {"format": "rsnn.Network", "version": 1, "rsnn": "0.4.0", "digest": "...", "network": {"kind": "Network", ...}}

where ``network`` is the description of `rsnn.description` with ``{"array": 3}`` in place of an array, which is the entry ``3.npy``. The
digest is the SHA-256 of the entries. The same network gives the same bytes. `rsnn.archive` writes and reads it.
"""

from __future__ import annotations

import os
from typing import Any

from rsnn.archive import Format, read, write
from rsnn.description import from_data, to_data
from rsnn.errors import InvalidTypeError
from rsnn.network import Network

NETWORK = Format("rsnn.Network", 1, "network.json", "network", "network of rsnn", "write it again with network.save(path)")


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network to a file; see `rsnn.Network.save`."""
    write(path, NETWORK, to_data(network))


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network from a file; see `rsnn.Network.load`."""
    network: Network = read(path, NETWORK, _made)
    return network


def _made(described: Any) -> Network:
    made = from_data(described)
    if not isinstance(made, Network):
        raise InvalidTypeError(f"holds a {type(made).__name__}, not a network")
    return made

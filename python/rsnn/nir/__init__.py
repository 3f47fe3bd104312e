"""Networks as graphs of NIR, the Neuromorphic Intermediate Representation: `read` them, `write` them, and `audit` what a reader changed.

NIR names neurons by their equations in continuous time. Norse, snnTorch, sinabs, SpikingJelly, Rockpool and Spyx write it, each with
conventions of its own for dt, gain, reset and time, which are not in the file; so a network that goes from one to another comes out as
another one. `read`, told the ``source``, undoes them::

    net = rsnn.nir.read("net.nir", source="snntorch", reset="subtract")

It takes the package nir: ``pip install 'rsnn[nir]'``.
"""

from __future__ import annotations

from .auditing import audit
from .reading import read
from .report import Audit, Cause, LayerAudit
from .writing import graph, write

__all__ = ["Audit", "Cause", "LayerAudit", "audit", "graph", "read", "write"]

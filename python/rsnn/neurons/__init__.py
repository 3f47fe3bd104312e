"""The named neurons, each short for a `rsnn.Neuron`: its arguments, its defaults, its equations.

To add one, write its dataclass (fields, docstring, `stages`) in a file of its kind and a line in `NAMED`.
"""

from __future__ import annotations

from rsnn.composed import AnyNeuron, Kernel, Neuron

from .adaptive import ALIF, Alpha
from .glif3 import GLIF3
from .izhikevich import Izhikevich
from .leaky import IAF, LI, LIF
from .nonlinear import EIF, QIF, AdEx

__all__ = ["ALIF", "EIF", "GLIF3", "IAF", "LI", "LIF", "NAMED", "QIF", "AdEx", "Alpha", "AnyNeuron", "Izhikevich", "Kernel", "Neuron"]

NAMED: dict[str, type[AnyNeuron]] = {kind.__name__.lower(): kind for kind in (LI, LIF, IAF, ALIF, Alpha, EIF, QIF, AdEx, Izhikevich, GLIF3)}
"""Every named neuron, by the name of the function that simulates it in one call."""

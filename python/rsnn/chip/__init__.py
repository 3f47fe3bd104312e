"""Chips in integers: what a chip's own simulator computes, bit for bit, and what will go wrong on the chip.

`iaf` is the integer neuron by itself. `dynapcnn` has the layers of Speck's processor. `quantize` turns a `rsnn.Network` into a
`ChipNetwork`, which runs, checks the limits of the chip and reports how the integers differ from the floats.

Every target says what it was verified against; nothing here was verified against silicon.
"""

from . import dynapcnn, loihi, odin, tinyodin, xylo
from .neuron import IntegerNeuron, Register, iaf, run
from .quantize import ChipNetwork, ChipNetworkResult, quantize
from .report import Check, LayerReport, Limit, Report
from .result import ChipResult, Stats

__all__ = [
    "Check",
    "ChipNetwork",
    "ChipNetworkResult",
    "ChipResult",
    "IntegerNeuron",
    "LayerReport",
    "Limit",
    "Register",
    "Report",
    "Stats",
    "dynapcnn",
    "iaf",
    "loihi",
    "odin",
    "quantize",
    "run",
    "tinyodin",
    "xylo",
]

"""Chips in integers: what a chip's own simulator computes, bit for bit, and what will go wrong on the chip.

`IntegerNeuron` describes an integer neuron by its knobs and `run` runs it; `iaf` is the everyday one in one call. `dynapcnn` has the layers
of Speck's processor, `xylo` a Xylo core, `loihi` the neurons and synapses of Loihi as Lava and nengo-loihi have them, `tinyodin` and
`odin` those chips. `reference` says in plain integers what an integer neuron does. `quantize` turns a `rsnn.Network` into a
`ChipNetwork`, which runs, checks the limits of the chip and reports how the integers differ from the floats.

Every target says what it was verified against; nothing here was verified against silicon.
"""

from . import dynapcnn, loihi, odin, rockpool, tinyodin, xylo
from .integrate import iaf
from .loading import load
from .network import ChipNetwork, ChipNetworkResult
from .neuron import IntegerNeuron, Register, run
from .quantize import quantize
from .report import Check, LayerReport, Limit, Report, StateRange, TimeConstant
from .result import ChipResult, Stats
from .targets import TARGETS, Target

__all__ = [
    "TARGETS",
    "Check",
    "ChipNetwork",
    "ChipNetworkResult",
    "ChipResult",
    "IntegerNeuron",
    "LayerReport",
    "Limit",
    "Register",
    "Report",
    "StateRange",
    "Stats",
    "Target",
    "TimeConstant",
    "dynapcnn",
    "iaf",
    "load",
    "loihi",
    "odin",
    "quantize",
    "rockpool",
    "run",
    "tinyodin",
    "xylo",
]

"""Spiking layers for torch: rsnn's neurons as modules with exact gradients, on the native kernels.

>>> import torch, rsnn.torch as rt
>>> net = rt.Sequential(rt.Linear(700, 256), rt.LIF(beta=0.95, learn="beta"), rt.Linear(256, 20), rt.LI(beta=0.95))
>>> output, state = net(torch.zeros(100, 8, 700))
>>> output.shape
torch.Size([100, 8, 20])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError('rsnn.torch needs torch, which is not installed: pip install "rsnn[torch]"') from error

from rsnn.torch import _trees as _trees  # names states for torch.export
from rsnn.torch import functional, init
from rsnn.torch._autograd import DifferentiationError
from rsnn.torch.adopt import AdoptedLayer, Adoption, AdoptionError, adopt, compare_adopted
from rsnn.torch.build import from_network
from rsnn.torch.compare import Agreement, LayerAgreement, compare_spikes
from rsnn.torch.delay import Delay
from rsnn.torch.diagnosis import Health, LayerHealth, health
from rsnn.torch.graph import Add, Graph
from rsnn.torch.layers import AvgPool2d, Conv1d, Conv2d, Linear, SumPool2d
from rsnn.torch.lift import Dropout, Lift
from rsnn.torch.modules import Cell, Layer
from rsnn.torch.named import (
    ALIF,
    EIF,
    GLIF3,
    IAF,
    LI,
    LIF,
    QIF,
    AdEx,
    AdExCell,
    AdExRecurrent,
    AdExRecurrentCell,
    ALIFCell,
    ALIFRecurrent,
    ALIFRecurrentCell,
    Alpha,
    AlphaCell,
    AlphaRecurrent,
    AlphaRecurrentCell,
    EIFCell,
    EIFRecurrent,
    EIFRecurrentCell,
    GLIF3Cell,
    GLIF3Recurrent,
    GLIF3RecurrentCell,
    IAFCell,
    IAFRecurrent,
    IAFRecurrentCell,
    Izhikevich,
    IzhikevichCell,
    IzhikevichRecurrent,
    IzhikevichRecurrentCell,
    LICell,
    LIFCell,
    LIFRecurrent,
    LIFRecurrentCell,
    LIRecurrent,
    LIRecurrentCell,
    QIFCell,
    QIFRecurrent,
    QIFRecurrentCell,
)
from rsnn.torch.network import to_network
from rsnn.torch.sequential import Sequential, SequentialResult
from rsnn.torch.swap import convert

if TYPE_CHECKING:
    from rsnn.torch import chip as chip
    from rsnn.torch import losses as losses
    from rsnn.torch import presets as presets

__all__ = [
    "ALIF",
    "EIF",
    "GLIF3",
    "IAF",
    "LI",
    "LIF",
    "QIF",
    "ALIFCell",
    "ALIFRecurrent",
    "ALIFRecurrentCell",
    "AdEx",
    "AdExCell",
    "AdExRecurrent",
    "AdExRecurrentCell",
    "Add",
    "AdoptedLayer",
    "Adoption",
    "AdoptionError",
    "Agreement",
    "Alpha",
    "AlphaCell",
    "AlphaRecurrent",
    "AlphaRecurrentCell",
    "AvgPool2d",
    "Cell",
    "Conv1d",
    "Conv2d",
    "Delay",
    "DifferentiationError",
    "Dropout",
    "EIFCell",
    "EIFRecurrent",
    "EIFRecurrentCell",
    "GLIF3Cell",
    "GLIF3Recurrent",
    "GLIF3RecurrentCell",
    "Graph",
    "Health",
    "IAFCell",
    "IAFRecurrent",
    "IAFRecurrentCell",
    "Izhikevich",
    "IzhikevichCell",
    "IzhikevichRecurrent",
    "IzhikevichRecurrentCell",
    "LICell",
    "LIFCell",
    "LIFRecurrent",
    "LIFRecurrentCell",
    "LIRecurrent",
    "LIRecurrentCell",
    "Layer",
    "LayerAgreement",
    "LayerHealth",
    "Lift",
    "Linear",
    "QIFCell",
    "QIFRecurrent",
    "QIFRecurrentCell",
    "Sequential",
    "SequentialResult",
    "SumPool2d",
    "adopt",
    "chip",
    "compare_adopted",
    "compare_spikes",
    "convert",
    "from_network",
    "functional",
    "health",
    "init",
    "losses",
    "presets",
    "to_network",
]


def __getattr__(name: str) -> Any:
    """Import the losses, the layers of other libraries, and training for chips, when they are first used."""
    if name in ("chip", "losses", "presets"):
        return import_module(f"rsnn.torch.{name}")
    raise AttributeError(f"module 'rsnn.torch' has no attribute {name!r}")

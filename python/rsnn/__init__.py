"""Spiking neural networks on a CPU: simulate, train, deploy.

>>> import rsnn
>>> neuron = rsnn.LIF(tau_mem=20.0, v_threshold=10.0)
>>> rsnn.simulate(neuron, 11.0, steps=100).spikes.nonzero()[0].tolist()
[47, 95]

`rsnn.simulate` runs neurons and networks over numpy arrays; `rsnn.torch` trains them; `rsnn.chip` runs them in the integers of a
chip. Everything is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._rsnn import __version__
from .errors import (
    AbsentError,
    FileFormatError,
    InternalError,
    InUseError,
    InvalidTypeError,
    InvalidValueError,
    OutOfRangeError,
    RsnnError,
    RsnnWarning,
)
from .threads import get_num_threads, set_num_threads

if TYPE_CHECKING:
    from . import convert as convert
    from . import datasets as datasets
    from . import decode as decode
    from . import encode as encode
    from . import events as events
    from . import metrics as metrics
    from . import neurons as neurons
    from . import nir as nir
    from . import plasticity as plasticity
    from . import presets as presets
    from . import records as records
    from . import reference as reference
    from . import stages as stages
    from . import surrogate as surrogate
    from .calls import adex, alif, alpha, eif, glif3, iaf, izhikevich, li, lif, qif
    from .layers import Add, AvgPool2d, Conv1d, Conv2d, Delay, Flatten, Linear, MaxPool2d, SumPool2d
    from .network import Network, NetworkResult
    from .neurons import ALIF, EIF, GLIF3, IAF, LI, LIF, QIF, AdEx, Alpha, Izhikevich, Neuron
    from .recurrent import Recurrent
    from .simulation import Result, simulate
    from .spikes import Spikes

__all__ = [
    "ALIF",
    "EIF",
    "GLIF3",
    "IAF",
    "LI",
    "LIF",
    "QIF",
    "AbsentError",
    "AdEx",
    "Add",
    "Alpha",
    "AvgPool2d",
    "Conv1d",
    "Conv2d",
    "Delay",
    "FileFormatError",
    "Flatten",
    "InUseError",
    "InternalError",
    "InvalidTypeError",
    "InvalidValueError",
    "Izhikevich",
    "Linear",
    "MaxPool2d",
    "Network",
    "NetworkResult",
    "Neuron",
    "OutOfRangeError",
    "Recurrent",
    "Result",
    "RsnnError",
    "RsnnWarning",
    "Spikes",
    "SumPool2d",
    "__version__",
    "adex",
    "alif",
    "alpha",
    "build_info",
    "eif",
    "get_num_threads",
    "glif3",
    "iaf",
    "izhikevich",
    "li",
    "lif",
    "qif",
    "set_num_threads",
    "simulate",
]

_MODULES = (
    "chip",
    "convert",
    "datasets",
    "decode",
    "encode",
    "events",
    "memory",
    "metrics",
    "neurons",
    "nir",
    "plasticity",
    "plot",
    "presets",
    "records",
    "reference",
    "stages",
    "surrogate",
    "torch",
)
_ELSEWHERE = {
    name: module
    for module, names in {
        "calls": ("adex", "alif", "alpha", "eif", "glif3", "iaf", "izhikevich", "li", "lif", "qif"),
        "layers": ("Add", "AvgPool2d", "Conv1d", "Conv2d", "Delay", "Flatten", "Linear", "MaxPool2d", "SumPool2d"),
        "network": ("Network", "NetworkResult"),
        "neurons": ("ALIF", "EIF", "GLIF3", "IAF", "LI", "LIF", "QIF", "AdEx", "Alpha", "Izhikevich", "Neuron"),
        "recurrent": ("Recurrent",),
        "simulation": ("Result", "simulate"),
        "spikes": ("Spikes",),
    }.items()
    for name in names
}
"""What is imported when it is first used, and from where: a neuron costs a millisecond that a program without it need not spend."""


def __getattr__(name: str) -> Any:
    """Import a part of rsnn when it is first used."""
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _ELSEWHERE:
        value = getattr(import_module(f".{_ELSEWHERE[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'rsnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List everything there is, imported or not yet."""
    return sorted({*globals(), *_MODULES, *_ELSEWHERE})


def build_info() -> dict[str, Any]:
    """Say what this build of rsnn is and how it runs here: for reports of defects and of timings.

    Returns
    -------
    dict
        ``version``, ``profile`` (release or debug), ``simd`` (the instruction set in use), ``levels`` (those this machine has),
        ``threads`` (a call may use so many), ``cores`` (this process may run on so many), ``python``, ``numpy``.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.build_info()["version"] == rsnn.__version__
    True
    """
    import platform

    import numpy

    from . import _rsnn, threads

    return {
        **_rsnn.build(),
        "levels": tuple(_rsnn.levels()),
        "threads": get_num_threads(),
        "cores": threads.cores(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
    }

"""Spiking neural networks on a CPU: simulate, train, deploy.

>>> import rsnn
>>> neuron = rsnn.LIF(tau_mem=20.0, v_threshold=10.0)
>>> rsnn.simulate(neuron, 11.0, steps=100).spikes.nonzero()[0].tolist()
[47, 95]

`rsnn.simulate` runs neurons and networks over numpy arrays; `rsnn.torch` trains them; `rsnn.chip` runs them in the integers of a
chip. These, and `rsnn.surrogate` and `rsnn.stages`, are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._rsnn import __version__
from .calls import adex, alif, alpha, eif, glif3, iaf, izhikevich, li, lif, qif
from .errors import AbsentError, InternalError, InUseError, InvalidTypeError, InvalidValueError, OutOfRangeError, RsnnError
from .neurons import ALIF, EIF, GLIF3, IAF, LI, LIF, QIF, AdEx, Alpha, Izhikevich, Neuron
from .recurrent import Recurrent
from .simulate import Result, simulate
from .spikes import Spikes
from .threads import get_num_threads, set_num_threads

if TYPE_CHECKING:
    from . import presets as presets
    from . import reference as reference
    from . import stages as stages
    from . import surrogate as surrogate

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
    "Alpha",
    "InUseError",
    "InternalError",
    "InvalidTypeError",
    "InvalidValueError",
    "Izhikevich",
    "Neuron",
    "OutOfRangeError",
    "Recurrent",
    "Result",
    "RsnnError",
    "Spikes",
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

_MODULES = ("chip", "plot", "presets", "reference", "stages", "surrogate", "torch")
_ELSEWHERE = {
    "Network": "network",
    "NetworkResult": "network",
    "Linear": "layers",
    "Conv2d": "layers",
    "SumPool2d": "layers",
    "AvgPool2d": "layers",
    "Flatten": "layers",
}


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

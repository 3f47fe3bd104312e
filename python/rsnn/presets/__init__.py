"""The neurons of other libraries, by that library's names, argument names and defaults: `norse`, `snntorch`, `sinabs`, `spikingjelly`.

Each function returns a `rsnn.Neuron` that behaves, spike for spike, as that library's class::

    import rsnn

    neuron = rsnn.presets.snntorch.Synaptic(alpha=0.9, beta=0.8, reset_mechanism="zero")
    rsnn.simulate(neuron, x)

Numbers are taken as the library takes them. A float32 array (or numpy scalar) stands for its float32 tensor: what the library derives
from it, such as dt times an inverse time constant, is formed in float32. A Python float stands for its Python float: what is derived
from it is formed in double precision and rounded once. Where a library forms a number with its own exponential or logarithm, whose
last bit nobody else can promise, that number is accepted as well.

Where an argument of the library is left out here, it concerns training alone: `rsnn.torch` has it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import norse as norse
    from . import sinabs as sinabs
    from . import snntorch as snntorch
    from . import spikingjelly as spikingjelly

_MODULES = ("norse", "sinabs", "snntorch", "spikingjelly")


def __getattr__(name: str) -> Any:
    """Import a library's presets when they are first used."""
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'rsnn.presets' has no attribute {name!r}; it has {', '.join(_MODULES)}")


def __dir__() -> list[str]:
    """List the libraries, imported or not yet."""
    return sorted({*globals(), *_MODULES})

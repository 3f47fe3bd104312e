"""Networks, layers and neurons as plain data, and back: what a file, a quantiser or another format reads and writes.

Everything that describes something in rsnn is a frozen dataclass. Here it becomes a dict of its fields, with the name of its kind::

    {"kind": "LIF", "beta": 0.9, "v_threshold": 1.0, ...}
    {"kind": "Linear", "weight": <array>, "bias": None}
    {"kind": "Network", "layers": [...], "names": [None, "hidden"], "inputs": [[-1], [0]], "input_shape": [2], "batch_first": False}
    {"kind": "presets.norse.LIF", "tau_mem_inv": <array>, ...}

whose values are None, bool, int, float, str, arrays, and lists and dicts of these. On the way back every value goes through the
constructor of its kind, which checks it as if it had been typed in; nothing else is ever called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from importlib import import_module
from inspect import signature
from typing import Any

import numpy as np

from . import layers, neurons, stages
from .arguments import did_you_mean, shown
from .errors import InvalidTypeError, InvalidValueError
from .network import Network
from .presets.preset import Preset
from .recurrent import Recurrent
from .stages.adaptation import ADAPTATIONS
from .stages.fire import FIRES
from .stages.membrane import MEMBRANES
from .stages.reset import RESETS
from .stages.synapse import SYNAPSES
from .stages.whole import WHOLES

__all__ = ["from_data", "to_data"]

_PLAIN = (bool, int, float, str, type(None))
_LIBRARIES = ("norse", "sinabs", "snntorch", "spikingjelly")
_NAMED_FUNCTIONS = tuple(f"presets.sinabs.{name}" for name in ("SingleSpike", "MultiSpike", "MembraneSubtract", "MembraneReset"))
"""Functions that an argument of a preset may be, in place of a number."""


def to_data(value: Any) -> Any:
    """Describe a network, a layer or a neuron in plain data.

    Parameters
    ----------
    value : Network, Layer, neuron, or anything that one of them holds

    Returns
    -------
    dict
        ``"kind"`` and the fields, all of them, those of a preset by its library's argument names. Arrays are not copied.

    Raises
    ------
    InvalidTypeError
        There is something in it that has no name, such as an object of a class of the caller's.

    Examples
    --------
    >>> import rsnn
    >>> from rsnn.description import from_data, to_data
    >>> to_data(rsnn.Delay(2.0))
    {'kind': 'Delay', 'delay': 2.0, 'dt': 1.0}
    >>> from_data(to_data(rsnn.LIF(beta=0.9)))
    LIF(beta=0.9)
    """
    if type(value) in _PLAIN or isinstance(value, np.ndarray):
        return value
    if isinstance(value, np.generic):
        return np.asarray(value)
    if isinstance(value, (tuple, list)):
        return [to_data(one) for one in value]
    if isinstance(value, Preset):
        given = {name: to_data(one) for name, one in value.arguments.items()}
        return {"kind": f"presets.{value.library}.{value.name}", **given}
    kind = _names().get(type(value))
    if kind is not None:
        return {"kind": kind, **{field.name: to_data(getattr(value, field.name)) for field in fields(value)}}
    for name in _NAMED_FUNCTIONS:
        if value is _at(name):
            return {"kind": "function", "name": name}
    raise InvalidTypeError(f"{shown(value)} ({type(value).__name__}) has no description; use layers, neurons and presets of rsnn alone")


def from_data(data: Any) -> Any:
    """Make what a description in plain data says.

    Parameters
    ----------
    data : as `to_data` gives it; a field that is missing has its default

    Returns
    -------
    Network, Layer, neuron
        Checked by its constructor as any other.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A kind or a field that there is not, or a value that its constructor refuses.

    Examples
    --------
    >>> from rsnn.description import from_data
    >>> from_data({"kind": "LIF", "beta": 0.9})
    LIF(beta=0.9)
    """
    if isinstance(data, list):
        return tuple(from_data(one) for one in data)
    if not isinstance(data, dict):
        return data
    kind, given = data.get("kind"), {key: value for key, value in data.items() if key != "kind"}
    if kind == "function" and given.get("name") in _NAMED_FUNCTIONS and len(given) == 1:
        return _at(given["name"])
    make, known = _maker(kind)
    for field in given:
        if field not in known:
            raise InvalidValueError(f"{kind}: there is no field {shown(field)}{did_you_mean(str(field), known)}")
    values = {field: from_data(value) for field, value in given.items()}
    try:
        return make(**values)
    except (InvalidValueError, InvalidTypeError) as error:
        raise type(error)(f"{kind}: {error}") from None
    except TypeError as error:  # a field without a default is missing
        raise InvalidTypeError(f"{kind}: {error}") from None


@cache
def _kinds() -> dict[str, type]:
    """Every kind, by name."""
    of_layers = (
        layers.Linear,
        layers.Conv1d,
        layers.Conv2d,
        layers.SumPool2d,
        layers.AvgPool2d,
        layers.MaxPool2d,
        layers.Flatten,
        layers.Add,
        layers.Delay,
    )
    plain = (Network, *of_layers, Recurrent, neurons.Neuron, *neurons.NAMED.values())
    of_stages = (
        *SYNAPSES,
        *MEMBRANES,
        *WHOLES,
        *ADAPTATIONS,
        *FIRES,
        *RESETS,
        stages.RefractoryMask,
        stages.Relu,
    )
    named = {kind.__name__: kind for kind in plain} | {f"stages.{kind.__name__}": kind for kind in of_stages}
    return named | {"presets.sinabs.MaxSpike": _at("presets.sinabs.MaxSpike")}


@cache
def _names() -> dict[type, str]:
    return {kind: name for name, kind in _kinds().items()}


def _maker(kind: Any) -> tuple[Callable[..., Any], list[str]]:
    """Give what makes things of a kind, and the names of its fields."""
    if not isinstance(kind, str):
        raise InvalidTypeError(f"kind={shown(kind)}: must be the name of a layer or neuron, such as 'LIF'")
    if kind in _kinds():
        return _kinds()[kind], [field.name for field in fields(_kinds()[kind])]
    library, _, name = kind.removeprefix("presets.").partition(".")
    if kind.startswith("presets.") and library in _LIBRARIES:
        made: Any = getattr(import_module(f"rsnn.presets.{library}"), name, None)
        if hasattr(made, "derived"):  # a function that makes presets, and nothing else of that module
            return made, list(signature(made).parameters)
    raise InvalidValueError(f"kind={kind!r}: rsnn has no such layer or neuron{did_you_mean(kind, _kinds())}")


def _at(name: str) -> Any:
    module, _, last = name.rpartition(".")
    return getattr(import_module(f"rsnn.{module}"), last)

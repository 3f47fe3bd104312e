"""How a preset becomes a layer: its library's arguments, those of `Layer`, and what the library has of its own for training."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rsnn import arguments
from rsnn.errors import InvalidTypeError
from rsnn.presets.preset import Preset
from rsnn.torch.modules import OPTIONS, RECURRENT, SIZES, Cell, Layer

Arguments = dict[str, Any]
_LAYER = {p.name: p for p in inspect.signature(Layer).parameters.values() if p.kind is p.KEYWORD_ONLY}


@dataclass(frozen=True)
class Row:
    """One class of a library.

    Parameters
    ----------
    preset : the function of `rsnn.presets` that makes its neuron
    name : what the class is called
    defaults : what arguments of `Layer` are by default, where that differs
    extra : the library's own arguments for training, with their defaults and what they are
    settle : turns the arguments of a call, without those that were not given, into those of the preset and of `Layer`
    step : whether a call is one time step
    recurrent : what `Layer` is given for it, where the class stands for it
    """

    preset: Callable[..., Preset]
    name: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    settle: Callable[[Arguments], Arguments] = dict
    step: bool = False
    recurrent: Any = None


def layers(module: str, rows: Iterable[Row]) -> dict[str, type[Layer]]:
    """Make the classes of a library, by name."""
    return {row.name: _layer(module, row) for row in rows}


def _signature(row: Row) -> inspect.Signature:
    own = list(inspect.signature(row.preset).parameters.values())
    extra = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default) for name, (default, _) in row.extra.items()]
    taken = {p.name for p in (*own, *extra)}
    implied = {"recurrent"} if row.recurrent is not None else set()
    options = [p.replace(default=row.defaults.get(p.name, p.default)) for p in _LAYER.values() if p.name not in taken | implied]
    return inspect.Signature([*own, *extra, *options])


def _layer(module: str, row: Row) -> type[Layer]:
    signature, base, name = _signature(row), Cell if row.step else Layer, row.name
    of_preset = inspect.signature(row.preset).parameters

    def __init__(self: Layer, *args: Any, **kwargs: Any) -> None:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            near = "".join(arguments.did_you_mean(one, signature.parameters) for one in kwargs if one not in signature.parameters)
            accepted = ", ".join(signature.parameters)
            raise InvalidTypeError(f"{module}.{name}: {error}{near}; accepted are {accepted}") from None
        implied = {} if row.recurrent is None else {"recurrent": row.recurrent}
        settled = row.settle({**row.defaults, **implied, **given})
        neuron = row.preset(**{key: value for key, value in settled.items() if key in of_preset})
        options = {key: value for key, value in settled.items() if key in _LAYER and key not in of_preset}
        base.__init__(self, neuron, **options)
        if settled.get("begin") is not None:
            settled["begin"](self)

    public = f"rsnn.presets.{row.preset.__module__.rpartition('.')[2]}.{row.preset.__name__}"
    own_docs = "".join(f"\n    {key} : default {default!r}\n        {says}" for key, (default, says) in row.extra.items())
    said = "".join(f"\n    {key}={value!r}" for key, value in row.defaults.items())
    doc = f"""{"One time step a call of" if row.step else "A layer of"} `{public}` neurons, trained as that library trains them.

    Parameters
    ----------
    {", ".join(of_preset)}
        As of `{public}`, where the equations are.{own_docs}
    learn : tuple of str, str or True
        Which of the neuron's numbers are learned, by the library's names; True: all of them.
    {OPTIONS}
    {RECURRENT if row.recurrent is None else ""}
    {SIZES}

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `{public}` and `rsnn.torch.Layer`.

    Notes
    -----
    By default, as in the library::
{said.replace(chr(10) + "    ", chr(10) + "        ")}

    Examples
    --------
    {_example(module, row)}
    """
    body = {"__init__": __init__, "__signature__": signature, "__module__": module, "__qualname__": name, "__doc__": doc}
    return type(name, (base,), body)


NEEDED = {"beta": 0.9, "alpha": 0.95, "tau_mem": 20.0, "tau_adapt": 100.0, "a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0}
"""What examples give where there is no default."""


def _example(module: str, row: Row) -> str:
    needed = [p for p in inspect.signature(row.preset).parameters.values() if p.default is p.empty or (p.name, p.default) in _UNGIVEN]
    given = [f"{p.name}={NEEDED[p.name]}" for p in needed] + (["hidden_size=3"] if row.recurrent is not None else [])
    shape = "2, 3" if row.step else "10, 2, 3"
    return (
        f">>> import torch, {module} as library\n"
        f"    >>> output, state = library.{row.name}({', '.join(given)})(torch.zeros({shape}))\n"
        f"    >>> output.shape\n"
        f"    torch.Size([{shape}])"
    )


_UNGIVEN = {("tau_mem", None), ("tau_adapt", None), ("beta", None)}

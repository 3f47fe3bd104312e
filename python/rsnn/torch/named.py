"""The layers of the named neurons, made from one table: `LIF`, `LIFCell`, `LIFRecurrent`, `LIFRecurrentCell`, and so on.

`LAYERS` has them all by name. A neuron that `rsnn.neurons.NAMED` gains has its four layers here at once.
"""

import inspect
from typing import TYPE_CHECKING, Any, cast

from rsnn import arguments
from rsnn.errors import InvalidTypeError
from rsnn.neurons import NAMED, AnyNeuron
from rsnn.torch.modules import OPTIONS, RECURRENT, SIZES, Cell, Layer

FORMS: dict[str, tuple[type[Layer], bool]] = {
    "": (Layer, False),
    "Cell": (Cell, False),
    "Recurrent": (Layer, True),
    "RecurrentCell": (Cell, True),
}
"""What a name may end in: the class that is called, and whether it is recurrent."""
_IMPLIED = ("recurrent",)
_SAYS = {
    "": "A layer of `rsnn.{neuron}` neurons over a sequence: `Layer` with the neuron written out.",
    "Cell": "`rsnn.{neuron}` neurons, one time step a call: `Cell` with the neuron written out.",
    "Recurrent": "A recurrent layer of `rsnn.{neuron}` neurons over a sequence: `Layer` with recurrent=True and the neuron written out.",
    "RecurrentCell": "Recurrent `rsnn.{neuron}` neurons, one time step a call: `Cell` with recurrent=True and the neuron written out.",
}


def _options(recurrent: bool) -> list[inspect.Parameter]:
    """Give the arguments of `Layer` besides the neuron; a class that is recurrent by its name must be told its size."""
    given = [p for p in inspect.signature(Layer).parameters.values() if p.kind is p.KEYWORD_ONLY]
    if not recurrent:
        return given
    return [p.replace(default=p.empty, annotation=int) if p.name == "hidden_size" else p for p in given if p.name not in _IMPLIED]


_OPTIONS = {recurrent: _options(recurrent) for recurrent in (False, True)}


def _named(neuron: type[AnyNeuron], form: str) -> Any:
    """Make a layer of a named neuron: its arguments and those of `Layer` in one signature."""
    name = neuron.__name__ + form
    base, recurrent = FORMS[form]
    options = _OPTIONS[recurrent]
    signature = inspect.Signature([*inspect.signature(neuron).parameters.values(), *options])
    implied: dict[str, Any] = dict.fromkeys(_IMPLIED, True) if recurrent else {}

    def __init__(self: Layer, *args: Any, **kwargs: Any) -> None:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            near = "".join(arguments.did_you_mean(given, signature.parameters) for given in kwargs if given not in signature.parameters)
            raise InvalidTypeError(f"rsnn.torch.{name}: {error}{near}; accepted are {', '.join(signature.parameters)}") from None
        mine = {p.name: kwargs.pop(p.name) for p in options if p.name in kwargs}
        base.__init__(self, neuron(*args, **kwargs), **mine, **implied)

    doc = (neuron.__doc__ or "").partition("\n")
    hidden = "hidden_size=3" if recurrent else ""
    shape = "2, 3" if "Cell" in form else "10, 2, 3"
    body = {
        "__init__": __init__,
        "__signature__": signature,
        "__module__": __name__,
        "__qualname__": name,
        "_short_for": neuron,
        "_implied": tuple(implied),
        "__doc__": f"""{_SAYS[form].format(neuron=neuron.__name__)}

    {doc[0]}{doc[2].partition("    Raises")[0].rstrip()}
    learn : tuple of str, str or True, default ()
        Which of the neuron's numbers are learned; True: all of them.
    {OPTIONS}
    {SIZES if recurrent else RECURRENT + chr(10) + "    " + SIZES}

    See `Layer` for what it holds and returns, and `rsnn.{neuron.__name__}` for the errors.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> output, state = rt.{name}({hidden})(torch.zeros({shape}))
    >>> output.shape
    torch.Size([{shape}])
    """,
    }
    return type(name, (base,), body)


LAYERS: dict[str, Any] = {made.__name__: made for neuron in NAMED.values() for form in FORMS for made in [_named(neuron, form)]}
"""Every layer of a named neuron, by its name."""

__all__ = ["FORMS", "LAYERS", *LAYERS]

if TYPE_CHECKING:
    _made = cast("Any", None)
    LI = LICell = LIRecurrent = LIRecurrentCell = _made
    LIF = LIFCell = LIFRecurrent = LIFRecurrentCell = _made
    IAF = IAFCell = IAFRecurrent = IAFRecurrentCell = _made
    ALIF = ALIFCell = ALIFRecurrent = ALIFRecurrentCell = _made
    Alpha = AlphaCell = AlphaRecurrent = AlphaRecurrentCell = _made
    EIF = EIFCell = EIFRecurrent = EIFRecurrentCell = _made
    QIF = QIFCell = QIFRecurrent = QIFRecurrentCell = _made
    AdEx = AdExCell = AdExRecurrent = AdExRecurrentCell = _made
    Izhikevich = IzhikevichCell = IzhikevichRecurrent = IzhikevichRecurrentCell = _made
    GLIF3 = GLIF3Cell = GLIF3Recurrent = GLIF3RecurrentCell = _made
else:
    globals().update(LAYERS)  # so that they are found by name: by imports, and by pickle

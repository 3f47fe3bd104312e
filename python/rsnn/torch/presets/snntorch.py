"""The layers of snnTorch, over whole sequences (its own modules take one step, here `Layer.step`).

Its surrogate is ``atan`` with alpha 2. With ``reset_delay=True`` the reset is held constant in the gradient; with False only the spikes
read off the membrane carried in are. What is learned is said by ``learn_beta=``, ``learn_alpha=``, ``learn_threshold=`` and
``learn_graded_spikes_factor=``.
"""

from typing import Any

import torch

from rsnn import arguments
from rsnn.presets import snntorch
from rsnn.torch.modules import Layer
from rsnn.torch.presets._table import Arguments, Row, layers

_LEARNED = ("beta", "alpha", "threshold", "graded_spikes_factor")


def _settle(given: Arguments) -> Arguments:
    """Take the surrogate, the detach rule and what is learned by the library's names."""
    surrogate = given.pop("spike_grad", None)
    if surrogate is not None:
        given["surrogate"] = surrogate
    asked = tuple(name for name in _LEARNED if arguments.flag(f"learn_{name}", given.pop(f"learn_{name}", False)))
    given.setdefault("learn", asked)
    late = arguments.flag("reset_delay", given.get("reset_delay", True))
    given.setdefault("detach_reset", late)
    given.setdefault("detach", () if late else ("carried",))
    return given


def _settle_recurrent(given: Arguments) -> Arguments:
    """Say which recurrent weights there are, and how they begin."""
    size = given.pop("linear_features", None)
    if size is not None:
        given["hidden_size"] = size
    every = arguments.flag("all_to_all", given.pop("all_to_all", True))
    learned = arguments.flag("learn_recurrent", given.pop("learn_recurrent", True))
    v = given.pop("V", 1.0)
    if every:
        given |= {"recurrent": True}
        given.setdefault("autapses", True)
        given.setdefault("recurrent_bias", True)
    else:
        given |= {"recurrent": "elementwise"}

    def begin(layer: Layer) -> None:
        with torch.no_grad():
            if not every:
                layer.weight_recurrent.copy_(torch.as_tensor(arguments.real("V", v)))
            for name in ("weight_recurrent", "bias_recurrent"):
                parameter = layer._parameters.get(name)
                if parameter is not None:
                    parameter.requires_grad_(learned)

    return _settle(given) | {"begin": begin}


def _row(name: str) -> Row:
    recurrent = True if name.startswith("R") else None
    preset = getattr(snntorch, name)
    extra: dict[str, tuple[Any, str]] = {"spike_grad": (None, "As `surrogate`.")}
    for each in _LEARNED:
        if each != "alpha" or "Synaptic" in name or name == "Alpha":
            extra[f"learn_{each}"] = (False, f"Whether {each} is learned.")
    if recurrent:
        extra |= {
            "V": (1.0, "How the weights begin where ``all_to_all=False``: one for every neuron, or one for each."),
            "all_to_all": (True, "Whether every neuron acts on every other; else each on itself alone."),
            "linear_features": (None, "As `hidden_size`."),
            "learn_recurrent": (True, "Whether the recurrent weights are learned."),
        }
    defaults = {"surrogate": snntorch.surrogate("atan", alpha=2.0)}
    return Row(preset, name, defaults, extra, _settle_recurrent if recurrent else _settle, recurrent=recurrent)


LAYERS = layers(__name__, [_row(name) for name in snntorch.__all__ if name != "surrogate"])
__all__ = ["LAYERS", *LAYERS]
globals().update(LAYERS)  # so that they are found by name: by imports, and by pickle

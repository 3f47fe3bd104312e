"""The recurrent weights that a layer holds: which there are, how they begin, and what of them is used."""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from rsnn import arguments
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.hints import axis_to_the_end
from rsnn.recurrent import Recurrent

WEIGHT, BIAS = "weight_recurrent", "bias_recurrent"
"""What the parameters are called."""


@dataclass(frozen=True)
class Recurrence:
    """Which recurrent weights a layer has."""

    elementwise: bool
    """One weight from each neuron to itself, rather than one from every neuron to every neuron."""
    hidden_size: int
    autapses: bool
    """Whether the weights of neurons to themselves, the diagonal, are used."""
    bias: bool

    @staticmethod
    def checked(recurrent: Any, hidden_size: Any, autapses: Any, recurrent_bias: Any) -> "Recurrence | None":
        """Check what a caller handed in; None where the layer is not recurrent."""
        elementwise = recurrent == "elementwise" if isinstance(recurrent, str) else False
        if not elementwise and not isinstance(recurrent, bool):
            raise InvalidTypeError(f"recurrent={arguments.shown(recurrent)}: must be True, False or 'elementwise'")
        autapses, bias = arguments.flag("autapses", autapses), arguments.flag("recurrent_bias", recurrent_bias)
        if recurrent is False:
            for name, value in (("hidden_size", hidden_size), ("autapses", autapses), ("recurrent_bias", bias)):
                if value is not None and value is not False:
                    cure = "only a recurrent layer has it; give recurrent=True, or leave it out"
                    raise InvalidValueError(f"{name}={arguments.shown(value)}: {cure}")
            return None
        if hidden_size is None:
            raise InvalidValueError(
                f"recurrent={recurrent!r}: needs the number of neurons, the last axis of the data; give it as hidden_size="
            )
        if elementwise and autapses:
            raise InvalidValueError("autapses=True: recurrent='elementwise' has no others; leave autapses= out")
        n = arguments.size("hidden_size", hidden_size, 1)
        arguments.shape_of("hidden_size, squared", (n,) if elementwise else (n, n))
        return Recurrence(elementwise, n, autapses, bias)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Make the parameters: uniform within 1 / sqrt(fan-in), as those of `torch.nn.RNN`; an unused diagonal is 0."""
        n = self.hidden_size
        bound = 1.0 if self.elementwise else 1.0 / sqrt(n)
        weight = torch.empty(n) if self.elementwise else torch.empty(n, n)
        made = {WEIGHT: nn.Parameter(self.used(nn.init.uniform_(weight, -bound, bound)))}
        if self.bias:
            made[BIAS] = nn.Parameter(nn.init.uniform_(torch.empty(n), -bound, bound))
        return made

    def check(self, x: object) -> None:
        """Refuse data whose last axis is not the neurons; what else is wrong with it is found by the run."""
        if isinstance(x, Tensor) and x.ndim >= 2 and (x.shape[2:] or (1,))[-1] != self.hidden_size:
            move = axis_to_the_end(self.hidden_size, x.shape)
            raise InvalidValueError(f"x has the shape {tuple(x.shape)}: its last axis must be hidden_size={self.hidden_size}{move}")

    def used(self, weight: Tensor) -> Tensor:
        """Give the weights at use: without autapses the diagonal is 0, and no gradient flows to it."""
        if self.elementwise or self.autapses:
            return weight
        return weight.masked_fill(torch.eye(self.hidden_size, dtype=torch.bool, device=weight.device), 0.0)

    def arguments(self) -> dict[str, Any]:
        """Give the arguments of `Layer` that are not their default."""
        said: dict[str, Any] = {"recurrent": "elementwise" if self.elementwise else True, "hidden_size": self.hidden_size}
        return said | {name: True for name, value in (("autapses", self.autapses), ("recurrent_bias", self.bias)) if value}


def read(neuron: Any, *given: Any) -> tuple[Any, Recurrence | None, dict[str, nn.Parameter]]:
    """Read the arguments of a layer: the neuron alone, how it is recurrent, and its weights.

    `given` are recurrent, hidden_size, autapses and recurrent_bias. An `rsnn.Recurrent` brings weights of its own.
    """
    if not isinstance(neuron, Recurrent):
        recurrence = Recurrence.checked(*given)
        return neuron, recurrence, {} if recurrence is None else recurrence.parameters()
    if any(value is not None and value is not False for value in given):
        came = ", ".join(map(arguments.shown, given))
        raise InvalidValueError(f"neuron={neuron!r}: has weights already; leave out recurrent and what goes with it ({came} came)")
    found = {WEIGHT: neuron.weight} | ({} if neuron.bias is None else {BIAS: neuron.bias})
    made = {name: nn.Parameter(torch.tensor(value, dtype=torch.get_default_dtype())) for name, value in found.items()}
    elementwise = neuron.weight.ndim == 1
    return neuron.neuron, Recurrence(elementwise, len(neuron.weight), not elementwise, neuron.bias is not None), made

"""From a torch module to a network that needs no torch."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

import rsnn
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.torch.counterparts import KNOWN, layer_of, refusal
from rsnn.torch.graph import Add, Graph
from rsnn.torch.lift import Dropout, Lift

_IN_EVALUATION_ABSENT = (nn.Identity, Dropout, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def to_network(module: nn.Module, input_shape: int | Sequence[int]) -> "rsnn.Network":
    """Make an `rsnn.Network` of a torch module, with copies of its weights.

    What is converted: neurons of rsnn.torch, recurrent ones too, `Linear`, `Conv1d` and `Conv2d` (rsnn's and torch's), `Flatten`,
    `SumPool2d`, `AvgPool2d`, `MaxPool2d`, `Delay`, `Add`, these in `Lift`, lists of these, and `Graph`, whose names and inputs are kept, as
    are those that a list gives its modules. Batch normalisation is folded into the layer before it as evaluation applies it; dropout is
    left out. Of rsnn's own layers the network gives the same bits as the module; torch's own `Linear`, `Conv1d`, `Conv2d` and `AvgPool2d`
    sum in another order, which may flip a few spikes in a million: `compare_spikes` counts them.

    Parameters
    ----------
    module : module
        A `Sequential` of rsnn or torch, a `Graph`, nested or not, or a single layer.
    input_shape : int or tuple of int
        Shape of one time step of one sample, such as (2, 34, 34).

    Returns
    -------
    rsnn.Network

    Raises
    ------
    InvalidTypeError
        A module that has no counterpart; the message names its position and the way out.
    InvalidValueError
        An option that the counterpart does not have, or shapes that do not fit.

    Examples
    --------
    >>> import numpy as np, torch, rsnn.torch as rt
    >>> module = rt.Sequential(rt.Linear(3, 2), rt.LIF(beta=0.9))
    >>> rt.to_network(module, input_shape=(3,)).run(np.zeros((10, 4, 3), np.float32)).output.shape
    (10, 4, 2)
    """
    return traced(module, input_shape)[0]


@dataclass
class Origin:
    """Where a layer of the network comes from."""

    module: nn.Module | None
    """None: it is there for the sum of what comes in."""
    norms: list[nn.Module] = field(default_factory=list)
    """Batch normalisations that were folded into it, in order."""


def traced(module: nn.Module, input_shape: int | Sequence[int]) -> "tuple[rsnn.Network, list[Origin]]":
    """Make a network as `to_network` does; tell for each of its layers where it comes from."""
    if not isinstance(module, nn.Module):
        raise InvalidTypeError(f"module is {type(module).__name__}: must be a torch module, such as rsnn.torch.Sequential(...)")
    reader = _Reader()
    last = reader.read(module, "", None, (-1,), alone=False)
    if last != len(reader.layers) - 1:  # the last module leaves no layer behind, and what it passes on is not the last layer's
        reader.add(rsnn.Add(), None, (last,))
    network = rsnn.Network(
        reader.layers,
        input_shape=input_shape,
        batch_first=getattr(module, "batch_first", False),
        names=reader.names,
        inputs=reader.inputs,
    )
    return network, reader.origins


class _Reader:
    """The layers that were read off a module so far, and which of them takes what."""

    def __init__(self) -> None:
        self.layers: list[Any] = []
        self.names: list[str | None] = []
        self.inputs: list[tuple[int, ...]] = []
        self.origins: list[Origin] = []

    def add(self, layer: Any, name: str | None, sources: tuple[int, ...], module: nn.Module | None = None) -> int:
        """Add a layer; give its index."""
        self.layers.append(layer)
        self.names.append(name if name not in self.names else None)
        self.inputs.append(sources)
        self.origins.append(Origin(module))
        return len(self.layers) - 1

    def read(self, module: nn.Module, position: str, name: str | None, sources: tuple[int, ...], *, alone: bool) -> int:
        """Read a module that takes these layers, and `alone` takes them or not; give the index of what it sends on."""
        if isinstance(module, Graph):
            return self._graph(module, position, name, self._one(sources), alone=alone)
        if isinstance(module, nn.Sequential):
            source = self._one(sources)
            for key, each in zip(module._modules, module, strict=True):  # named_children leaves out what comes again
                own = _name(name, None if key.isdecimal() else key, key)
                source = self.read(each, f"{position}.{key}" if position else key, own, (source,), alone=alone)
                alone = True
            return source
        if isinstance(module, Lift):
            return self.read(module.module, f"{position}.module" if position else "module", name, sources, alone=alone)
        position = position or "itself"
        if isinstance(module, _IN_EVALUATION_ABSENT):
            return self._one(sources)
        if isinstance(module, _NORMS):
            return self._fold(module, position, sources, alone=alone)
        layer = rsnn.Add() if isinstance(module, Add) else layer_of(position, module)
        if layer is None:
            known = ", ".join((*KNOWN, "Add", *(kind.__name__ for kind in _NORMS)))
            why = f"has no counterpart in rsnn.Network, which has {known}; replace it by these or leave it outside"
            raise refusal(position, module, why)
        return self.add(layer, name, sources, module)

    def _graph(self, module: Graph, position: str, name: str | None, source: int, *, alone: bool) -> int:
        sent = {-1: source}
        takers = Counter(one for inputs in module.inputs for one in inputs)
        for k, (key, each) in enumerate(zip(module._modules, module, strict=True)):
            inputs = module.inputs[k]
            only = len(inputs) == 1 and takers[inputs[0]] == 1 and (inputs[0] >= 0 or alone)
            sources = tuple(sent[one] for one in inputs)
            sent[k] = self.read(each, f"{position}.{key}" if position else key, _name(name, module.names[k], key), sources, alone=only)
        return sent[len(module.inputs) - 1]

    def _one(self, sources: tuple[int, ...]) -> int:
        """Give one layer that sends on the sum of these."""
        return sources[0] if len(sources) == 1 else self.add(rsnn.Add(), None, sources)

    def _fold(self, module: nn.Module, position: str, sources: tuple[int, ...], *, alone: bool) -> int:
        k = sources[0]
        if len(sources) > 1 or k < 0 or not isinstance(self.layers[k], (rsnn.Linear, rsnn.Conv1d, rsnn.Conv2d)):
            raise refusal(position, module, "can only be folded into a Linear, Conv1d or Conv2d right before it; move it there")
        if not alone:
            raise refusal(
                position, module, "is not the only one that takes what the layer before it sends on, so it cannot be folded into it"
            )
        self.layers[k] = _folded(position, module, self.layers[k])
        self.origins[k].norms.append(module)
        return k


def _name(outer: str | None, own: str | None, key: str) -> str | None:
    """Name a layer after its module, and the list or graph that this is in."""
    if outer is None:
        return own
    return f"{outer}_{own or key}"


def _folded(position: str, norm: Any, layer: Any) -> Any:
    """Fold a batch normalisation into the layer before it, in float64, rounded once.

    y = (W x + b - mean) scale + shift with scale = gamma / sqrt(variance + eps)
    """
    if norm.running_mean is None:
        raise refusal(
            position, norm, "keeps no running mean and variance, so there is nothing to fold; make it with track_running_stats=True"
        )
    mean, variance = (value.detach().cpu().double().numpy() for value in (norm.running_mean, norm.running_var))
    if mean.size != layer.weight.shape[0]:
        raise InvalidValueError(
            f"module {position} ({type(norm).__name__}) has {mean.size} features and the layer before it {layer.weight.shape[0]}"
        )
    scale, shift = 1.0 / np.sqrt(variance + norm.eps), np.zeros_like(mean)
    if norm.affine:
        scale, shift = scale * norm.weight.detach().cpu().double().numpy(), norm.bias.detach().cpu().double().numpy()
    bias = 0.0 if layer.bias is None else layer.bias.astype(np.float64)
    kind = layer.weight.dtype
    weight = layer.weight.astype(np.float64) * scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
    options = {} if isinstance(layer, rsnn.Linear) else {"stride": layer.stride, "padding": layer.padding}
    return type(layer)(weight.astype(kind), ((bias - mean) * scale + shift).astype(kind), **options)

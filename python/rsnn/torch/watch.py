"""What happens in a model while it runs: which layers run in which order, behind which products, on what."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from rsnn import arguments
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.torch import _checks
from rsnn.torch.lift import Dropout
from rsnn.torch.modules import Layer

PRODUCTS = (nn.Linear, nn.Bilinear, _ConvNd, nn.Embedding, _NormBase, nn.GroupNorm, nn.LayerNorm)
"""Modules whose output is proportional to their weight and bias."""


@dataclass
class Seen:
    """A layer of a model, as it ran."""

    name: str
    layer: Layer
    product_name: str | None
    """Of the last module with weights that ran before it, if no other layer ran since."""
    product: nn.Module | None
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    """What went in and came out, call by call: one call, or one for each step of a loop."""

    @property
    def kind(self) -> str:
        """Its class, as a table shows it."""
        return type(self.layer).__name__

    @property
    def spiking(self) -> bool:
        """Whether it sends spikes."""
        return self.layer.spiking

    def spikes(self) -> Tensor:
        """Count the spikes of every neuron, over all steps and samples; in float64."""
        size = getattr(self.layer, "graded", None)
        counts = torch.stack([output.detach().double().sum((0, 1)) for output in self.outputs]).sum(0)
        return counts if size is None else counts / size.detach()

    def steps(self) -> int:
        """Count the steps of all samples that a neuron has seen."""
        return sum(output.shape[0] * output.shape[1] for output in self.outputs)

    def rate(self) -> float:
        """Give the mean number of spikes of a neuron in a step."""
        return float(self.spikes().mean()) / self.steps()


@contextmanager
def watched(model: nn.Module) -> Iterator[dict[str, Seen]]:
    """Note what the layers of a model do in here, by name, in the order in which they first run."""
    seen: dict[str, Seen] = {}
    last: list[tuple[str, nn.Module]] = []
    hooks: list[Any] = []
    layers: list[Layer] = []
    for name, module in model.named_modules():
        if isinstance(module, Layer):
            layers.append(module)
            _watch(name, module, seen, last)
        elif isinstance(module, PRODUCTS) and getattr(module, "weight", None) is not None:
            hooks.append(module.register_forward_hook(lambda module, *_, name=name: last.__setitem__(slice(None), [(name, module)])))
    try:
        yield seen
    finally:
        for layer in layers:
            del layer.run
        for hook in hooks:
            hook.remove()


def _watch(name: str, layer: Layer, seen: dict[str, Seen], last: list[tuple[str, nn.Module]]) -> None:
    """Put a `run` on a layer that notes what it does; every way to call a layer leads there."""
    run = layer.run

    def noted(x: Tensor, *args: Any, **options: Any) -> Any:
        if torch.is_grad_enabled() and isinstance(x, Tensor) and not x.requires_grad:
            x = x.detach().requires_grad_()  # so that the gradient here can be asked for
        result = run(x, *args, **options)
        if name not in seen:
            seen[name] = Seen(name, layer, *(last.pop() if last else (None, None)))
        seen[name].inputs.append(x)
        seen[name].outputs.append(result.output)
        return result

    layer.run = noted  # type: ignore[method-assign]


@contextmanager
def steady(model: nn.Module) -> Iterator[None]:
    """Let a model run as it is, without chance and without a trace: no dropout, running statistics put back."""
    dropping = [each for each in model.modules() if isinstance(each, (_DropoutNd, Dropout)) and each.training]
    kept = [(value, value.clone()) for each in model.modules() if isinstance(each, _NormBase) for value in each.buffers(recurse=False)]
    for each in dropping:
        each.training = False
    try:
        yield
    finally:
        for each in dropping:
            each.training = True
        with torch.no_grad():
            for value, before in kept:
                value.copy_(before)


def checked(model: Any, x: Any) -> Tensor:
    """Check what the functions that watch a model are given."""
    if not isinstance(model, nn.Module):
        raise InvalidTypeError(f"model={arguments.shown(model)}: must be a torch module, such as rsnn.torch.Sequential(...)")
    if not any(isinstance(each, Layer) for each in model.modules()):
        raise InvalidValueError(f"model: {type(model).__name__} holds no layer of rsnn.torch, such as rsnn.torch.LIF(beta=0.95)")
    data = _checks.floating("x", x)
    _checks.axes("x", data, 2, "(T, B, ...)")
    if not data.numel():
        raise InvalidValueError(f"x has the shape {tuple(data.shape)}: give at least one step of one sample")
    return data

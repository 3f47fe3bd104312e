"""From a torch module to a network that needs no torch."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import rsnn
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.torch.layers import AvgPool2d, SumPool2d, frame_padding
from rsnn.torch.lift import Dropout, Lift
from rsnn.torch.modules import Layer

_IN_EVALUATION_ABSENT = (nn.Identity, Dropout, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def to_network(module: nn.Module, input_shape: int | Sequence[int]) -> "rsnn.Network":
    """Make an `rsnn.Network` of a torch module, with copies of its weights.

    What is converted: neurons of rsnn.torch, recurrent ones too, `Linear` and `Conv2d` (rsnn's and torch's), `Flatten`, `AvgPool2d`,
    `SumPool2d`, these in `Lift`, lists of these. Batch normalisation is folded into the layer before it as evaluation applies it; dropout
    is left out. Of rsnn's own layers the
    network gives the same bits as the module; torch's own `Linear`, `Conv2d` and `AvgPool2d` sum in another order, which may flip a few
    spikes in a million.

    Parameters
    ----------
    module : module
        A `Sequential` of rsnn or torch, nested or not, or a single layer.
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
    if not isinstance(module, nn.Module):
        raise InvalidTypeError(f"module is {type(module).__name__}: must be a torch module, such as rsnn.torch.Sequential(...)")
    layers: list[Any] = []
    for position, each in _flat(module, ""):
        if isinstance(each, _IN_EVALUATION_ABSENT):
            continue
        if isinstance(each, _NORMS):
            if not layers or not isinstance(layers[-1], (rsnn.Linear, rsnn.Conv2d)):
                raise _refusal(position, each, "can only be folded into a Linear or Conv2d right before it; move it there")
            layers[-1] = _folded(position, each, layers[-1])
            continue
        convert = next((convert for kind, convert in _CONVERSIONS.items() if isinstance(each, kind)), None)
        if convert is None:
            known = ", ".join(dict.fromkeys(kind.__name__ for kind in (*_CONVERSIONS, *_NORMS)))
            raise _refusal(
                position, each, f"has no counterpart in rsnn.Network, which has {known}; replace it by these or leave it outside"
            )
        layers.append(convert(position, each))
    return rsnn.Network(layers, input_shape=input_shape, batch_first=getattr(module, "batch_first", False))


def _flat(module: nn.Module, position: str) -> Iterator[tuple[str, nn.Module]]:
    """Every module of a nested list with its position, such as "2.0"."""
    if isinstance(module, nn.Sequential):
        for name, each in module.named_children():
            yield from _flat(each, f"{position}.{name}" if position else name)
    elif isinstance(module, Lift):
        yield from _flat(module.module, f"{position}.module" if position else "module")
    else:
        yield position or "itself", module


def _refusal(position: str, module: nn.Module, why: str) -> InvalidTypeError:
    return InvalidTypeError(f"module {position} ({type(module).__name__}) {why}")


def _require(position: str, module: nn.Module, name: str, given: Any, accepted: tuple[Any, ...]) -> None:
    if given not in accepted:
        raise InvalidValueError(f"module {position} ({type(module).__name__}) has {name}={given!r}: only {accepted[0]!r} can be converted")


def _array(tensor: Tensor | None) -> Any:
    """Copy to numpy, as float32 or float64."""
    if tensor is None:
        return None
    tensor = tensor.detach().cpu()
    return tensor.to(torch.float64 if tensor.dtype == torch.float64 else torch.float32).numpy().copy()


def _linear(position: str, module: Any) -> Any:
    return rsnn.Linear(_array(module.weight), _array(module.bias))


def _conv2d(position: str, module: Any) -> Any:
    for name, given, accepted in (
        ("dilation", module.dilation, ((1, 1),)),
        ("groups", module.groups, (1,)),
        ("padding_mode", module.padding_mode, ("zeros",)),
    ):
        _require(position, module, name, given, accepted)
    return rsnn.Conv2d(_array(module.weight), _array(module.bias), stride=tuple(module.stride), padding=frame_padding(module))


def _flatten(position: str, module: Any) -> Any:
    _require(position, module, "start_dim", module.start_dim, (1,))
    _require(position, module, "end_dim", module.end_dim, (-1,))
    return rsnn.Flatten()


def _average(position: str, module: Any) -> Any:
    kernel = module.kernel_size
    pair = tuple(kernel) if isinstance(kernel, tuple) else (kernel, kernel)
    _require(position, module, "stride", module.stride, (kernel, pair, pair[0] if pair[0] == pair[1] else pair))
    _require(position, module, "padding", module.padding, (0, (0, 0)))
    _require(position, module, "ceil_mode", module.ceil_mode, (False,))
    _require(position, module, "divisor_override", module.divisor_override, (None,))
    return rsnn.AvgPool2d(pair)


_CONVERSIONS: dict[type[nn.Module], Callable[[str, Any], Any]] = {
    Layer: lambda position, module: module.neuron,
    nn.Linear: _linear,
    nn.Conv2d: _conv2d,
    nn.Flatten: _flatten,
    nn.AvgPool2d: _average,
    AvgPool2d: lambda position, module: rsnn.AvgPool2d(module.kernel_size),
    SumPool2d: lambda position, module: rsnn.SumPool2d(module.kernel_size),
}


def _folded(position: str, norm: Any, layer: Any) -> Any:
    """Fold a batch normalisation into the layer before it, in float64, rounded once.

    y = (W x + b - mean) scale + shift with scale = gamma / sqrt(variance + eps)
    """
    if norm.running_mean is None:
        raise _refusal(
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

"""Of one torch module the layer of a network that computes the same, with copies of its weights."""

from collections.abc import Callable
from typing import Any

from torch import nn

import rsnn
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.torch.delay import Delay
from rsnn.torch.layers import AvgPool2d, SumPool2d, side_padding
from rsnn.torch.modules import Layer, copied


def layer_of(position: str, module: nn.Module) -> Any:
    """Make the layer of a module at a position; None where there is none."""
    make = next((make for kind, make in _MADE.items() if isinstance(module, kind)), None)
    return None if make is None else make(position, module)


def refusal(position: str, module: nn.Module, why: str) -> InvalidTypeError:
    """Make the error for a module that cannot be converted."""
    return InvalidTypeError(f"module {position} ({type(module).__name__}) {why}")


def _require(position: str, module: nn.Module, name: str, given: Any, accepted: tuple[Any, ...]) -> None:
    if given not in accepted:
        raise InvalidValueError(f"module {position} ({type(module).__name__}) has {name}={given!r}: only {accepted[0]!r} can be converted")


def _linear(position: str, module: Any) -> Any:
    return rsnn.Linear(copied(module.weight), copied(module.bias))


def _convolution(position: str, module: Any) -> Any:
    one = (1,) * len(module.kernel_size)
    for name, given, accepted in (
        ("dilation", module.dilation, (one,)),
        ("groups", module.groups, (1,)),
        ("padding_mode", module.padding_mode, ("zeros",)),
    ):
        _require(position, module, name, given, accepted)
    weights, stride, padding = (copied(module.weight), copied(module.bias)), tuple(module.stride), side_padding(module)
    if isinstance(module, nn.Conv1d):
        return rsnn.Conv1d(*weights, stride=stride[0], padding=padding[0])
    return rsnn.Conv2d(*weights, stride=stride, padding=(padding[0], padding[1]))


def _flatten(position: str, module: Any) -> Any:
    _require(position, module, "start_dim", module.start_dim, (1,))
    _require(position, module, "end_dim", module.end_dim, (-1,))
    return rsnn.Flatten()


def _cell(position: str, module: Any) -> tuple[int, int]:
    """Give the window of a pooling of torch, whose windows must lie side by side."""
    kernel = module.kernel_size
    pair = tuple(kernel) if isinstance(kernel, tuple) else (kernel, kernel)
    _require(position, module, "stride", module.stride, (kernel, pair, pair[0] if pair[0] == pair[1] else pair))
    _require(position, module, "padding", module.padding, (0, (0, 0)))
    _require(position, module, "ceil_mode", module.ceil_mode, (False,))
    return pair


def _average(position: str, module: Any) -> Any:
    pair = _cell(position, module)
    _require(position, module, "divisor_override", module.divisor_override, (None,))
    return rsnn.AvgPool2d(pair)


def _max(position: str, module: Any) -> Any:
    pair = _cell(position, module)
    _require(position, module, "dilation", module.dilation, (1, (1, 1)))
    _require(position, module, "return_indices", module.return_indices, (False,))
    return rsnn.MaxPool2d(pair)


_MADE: dict[type[nn.Module], Callable[[str, Any], Any]] = {
    Layer: lambda position, module: module.neuron,
    nn.Linear: _linear,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.Flatten: _flatten,
    nn.AvgPool2d: _average,
    AvgPool2d: lambda position, module: rsnn.AvgPool2d(module.kernel_size),
    SumPool2d: lambda position, module: rsnn.SumPool2d(module.kernel_size),
    nn.MaxPool2d: _max,
    Delay: lambda position, module: module.layer,
}
"""How a module of each kind, at a position, becomes a layer."""

KNOWN = tuple(dict.fromkeys(kind.__name__ for kind in _MADE))
"""The names of these kinds."""

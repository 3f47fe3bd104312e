"""From a network that needs no torch to a torch module."""

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor, nn

import rsnn
from rsnn.arguments import names, shown
from rsnn.errors import InvalidTypeError
from rsnn.layers import Weighted
from rsnn.network.graph import write
from rsnn.surrogate import ATan, Surrogate
from rsnn.torch import layers
from rsnn.torch.delay import Delay
from rsnn.torch.graph import Add, Graph, child_names
from rsnn.torch.modules import Layer
from rsnn.torch.sequential import Sequential


def from_network(
    net: "rsnn.Network",
    *,
    dtype: torch.dtype = torch.float32,
    learn: Collection[str] | str | bool = (),
    surrogate: Surrogate | Callable[[Tensor, Tensor], Tensor] = ATan(2.0),  # noqa: B008 - a frozen value
    detach_reset: bool = True,
    detach: Collection[str] | str = (),
    checkpoint: int | None = None,
    backend: str | None = None,
) -> Sequential:
    """Make a torch module of an `rsnn.Network`, with copies of its weights: to train it, or to train it on.

    Parameters
    ----------
    net : rsnn.Network
    dtype : torch.float32 or torch.float64, default torch.float32
        Of the weights and of what is learned, which are rounded to it once; `Network.run` does the same with weights, for data of that
        dtype.
    learn : tuple of str, str or True, default ()
        Which parameters of the neurons are learned: each neuron learns those that it has; True: all of them.
    surrogate, detach_reset, detach, checkpoint, backend
        Of every neuron, as of `Layer`.

    Returns
    -------
    Sequential
        A `Graph` where layers name their inputs. Layers that have a name have it as that of a submodule.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No network; a name that no neuron learns; an option that `Layer` does not take; a name that torch does not.

    Notes
    -----
    The module gives the same bits as the network does on data of this dtype, where nothing is learned that rounding has moved, and
    `to_network` gives the network back, with weights of this dtype.

    Examples
    --------
    >>> import numpy as np, rsnn, torch, rsnn.torch as rt
    >>> net = rsnn.Network([rsnn.Linear(np.eye(2, dtype=np.float32)), ("hidden", rsnn.LIF(beta=0.5))], input_shape=2)
    >>> module = rt.from_network(net, learn="beta")
    >>> module.hidden
    Layer(LIF(beta=0.5), learn=('beta',))
    >>> rt.to_network(module, input_shape=2) == net
    True
    """
    if not isinstance(net, rsnn.Network):
        raise InvalidTypeError(f"net={shown(net)}: must be a rsnn.Network")
    if not isinstance(dtype, torch.dtype) or dtype not in (torch.float32, torch.float64):
        raise InvalidTypeError(f"dtype={shown(dtype)}: must be torch.float32 or torch.float64")
    known = dict.fromkeys(name for neuron in net.neurons.values() for name in _neuron(neuron).parameters)
    wanted = tuple(known) if learn is True else names("learn", () if learn is False else learn, known, "no neuron of this network has it")
    options = {"surrogate": surrogate, "detach_reset": detach_reset, "detach": detach, "checkpoint": checkpoint, "backend": backend}
    modules = [_module(net, k, dtype, wanted, options) for k in range(len(net.layers))]
    graph = net.graph
    if any(inputs != (k - 1,) for k, inputs in enumerate(graph.inputs)):
        return Graph(write(graph._replace(layers=tuple(modules))), batch_first=net.batch_first)
    if any(graph.names):
        return Sequential(OrderedDict(zip(child_names(graph.names), modules, strict=True)), batch_first=net.batch_first)
    return Sequential(*modules, batch_first=net.batch_first)


def _module(network: "rsnn.Network", k: int, dtype: torch.dtype, learn: tuple[str, ...], options: dict[str, Any]) -> nn.Module:
    layer = network.layers[k]
    if k in network.neurons:
        parameters = _neuron(layer).parameters
        own = tuple(name for name in learn if name in parameters)
        with network.at(k):
            made: Any = Layer(layer, learn=own, batch_first=network.batch_first, **options).to(dtype)
        back = {"weight_recurrent": layer.weight, "bias_recurrent": layer.bias} if isinstance(layer, rsnn.Recurrent) else {}
        return _filled(made, back | {name: parameters[name] for name in own})
    if isinstance(layer, rsnn.Delay):
        return Delay(layer.delay, dt=layer.dt, batch_first=network.batch_first)
    made = _MODULES[type(layer)](layer)
    return _filled(made.to(dtype), {"weight": layer.weight, "bias": layer.bias}) if isinstance(layer, Weighted) else made


def _filled(module: nn.Module, values: dict[str, Any]) -> nn.Module:
    """Give a module these values, each rounded once from what it was."""
    held = dict(module.named_parameters())
    with torch.no_grad():
        for name, value in values.items():
            if value is not None:
                held[name].copy_(torch.tensor(value))
    return module


def _neuron(neuron: Any) -> Any:
    return neuron.neuron if isinstance(neuron, rsnn.Recurrent) else neuron


def _linear(layer: Any) -> nn.Module:
    outputs, inputs = layer.weight.shape
    return layers.Linear(inputs, outputs, bias=layer.bias is not None)


def _convolution(kind: type[nn.Module]) -> Callable[[Any], nn.Module]:
    def make(layer: Any) -> nn.Module:
        outputs, channels, *kernel = layer.weight.shape
        size = tuple(kernel) if len(kernel) == 2 else kernel[0]
        return kind(channels, outputs, size, stride=layer.stride, padding=layer.padding, bias=layer.bias is not None)

    return make


_MODULES: dict[type, Callable[[Any], Any]] = {
    rsnn.Linear: _linear,
    rsnn.Conv1d: _convolution(layers.Conv1d),
    rsnn.Conv2d: _convolution(layers.Conv2d),
    rsnn.SumPool2d: lambda layer: layers.SumPool2d(layer.kernel),
    rsnn.AvgPool2d: lambda layer: layers.AvgPool2d(layer.kernel),
    rsnn.MaxPool2d: lambda layer: nn.MaxPool2d(layer.kernel),
    rsnn.Flatten: lambda layer: nn.Flatten(),
    rsnn.Add: lambda layer: Add(),
}

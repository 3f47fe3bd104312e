"""A list of modules without gradients, run by the engine of networks, which passes on events where modules pass whole tensors.

The bits are the modules' own: the engine computes what they compute. Where it may not stand in for them (a module it does not know, a
hook, a tracer, mixed dtypes, data that is refused) the answer is None, and the modules run, or refuse, themselves.
"""

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from rsnn import _rsnn
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.network import Network, engine
from rsnn.state import State, make_state
from rsnn.torch import _checks
from rsnn.torch._ops import _numpy
from rsnn.torch.counterparts import layer_of
from rsnn.torch.delay import Delay
from rsnn.torch.layers import AvgPool2d, Conv1d, Conv2d, Linear, SumPool2d
from rsnn.torch.modules import Cell, Layer

LEAST_STEPS = 4
"""Fewer are not worth reading the weights for."""

_KNOWN = (Linear, Conv1d, Conv2d, SumPool2d, AvgPool2d, nn.MaxPool2d, nn.Flatten, Delay)
SPARSE = 0.05
"""The share of entries that are not 0, at most, at which the engine is surely faster (benchmarks/inference.py)."""

_WORTH = (Conv1d, Conv2d, SumPool2d, AvgPool2d)
"""Images are large and their events few; between linear layers alone the modules are as fast (benchmarks/mlp.py's network: faster)."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

_networks: "WeakKeyDictionary[nn.Module, Network]" = WeakKeyDictionary()
"""What a list was last run as: its native engine is used again while the list still says the same."""


def run(modules: nn.Sequential, x: Tensor, state: Mapping[int, Any] | None, *, batch_first: bool) -> tuple[Tensor, dict[int, Any]] | None:
    """Run a list of modules over (T, B, ...), if nothing is lost by it: the output, and the states by position."""
    if torch.is_grad_enabled() or not _plain(modules, x) or x.shape[batch_first] < LEAST_STEPS:
        return None
    try:
        begin = None if state is None else {k: one if one is None else _map(_viewed, one) for k, one in state.items()}
        output, after = engine.forward(_network(modules, tuple(x.shape[2:]), batch_first), _viewed(x), begin, torch.get_num_threads())
    except (InvalidTypeError, InvalidValueError, AttributeError):  # AttributeError: what came is no state, or its members no tensors
        return None
    return torch.from_numpy(output), {k: _map(torch.from_numpy, one) for k, one in after.items()}


def _network(modules: nn.Sequential, shape: tuple[int, ...], batch_first: bool) -> Network:
    """Give the network that the modules are now; the one that is at hand, if nothing changed."""
    layers = [layer_of(str(k), each) for k, each in enumerate(modules)]
    made, known = Network(layers, shape, batch_first=batch_first), _networks.get(modules)
    if known is not None and known == made:
        return known
    _networks[modules] = made
    return made


def _plain(modules: nn.Sequential, x: Tensor) -> bool:
    """Tell whether a call is nothing but numbers through modules that the engine knows."""
    if type(x) is not Tensor or x.device.type != "cpu" or x.dtype not in _checks.NATIVE or x.ndim < 2:
        return False
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() or torch.is_autocast_enabled("cpu"):
        return False
    if torch._C._functorch.is_functorch_wrapped_tensor(x) or torch_module._has_any_global_hook():  # type: ignore[no-untyped-call]
        return False
    if not any(isinstance(one, _WORTH) for one in modules) or not all(_known(one, x) for one in modules):
        return False
    return _rsnn.event_estimate(_numpy(x)) <= SPARSE


def _known(module: nn.Module, x: Tensor) -> bool:
    if isinstance(module, Layer):
        known = type(module).forward in (Layer.forward, Cell.forward) and type(module).run is Layer.run and module._options.native("cpu")
        weights = [one for one in module._weights() or () if one is not None]
    else:
        known, weights = type(module) in _KNOWN, list(module.parameters())
    known = known and all(value.dtype == x.dtype for value in weights)
    own = "forward" in module.__dict__ or any(getattr(module, name) for name in _HOOKS)
    return known and not own and all(value.device.type == "cpu" for value in (*module.parameters(), *module.buffers()))


def _map(function: Callable[[Any], Any], state: State) -> State:
    """Apply a function to each member of a state."""
    return make_state(state._fields, [function(each) for each in state])


def _viewed(tensor: Tensor) -> npt.NDArray[Any]:
    return tensor.detach().resolve_neg().numpy()

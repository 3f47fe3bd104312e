"""Put rsnn's layers of weights into a model that was built with torch's."""

from typing import Any

from torch import nn

from rsnn import arguments
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.torch import layers

TABLE: dict[type[nn.Module], type[nn.Module]] = {nn.Linear: layers.Linear, nn.Conv1d: layers.Conv1d, nn.Conv2d: layers.Conv2d}
"""What is replaced, and by what: these exact classes, none that derives from them."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def convert(model: nn.Module, *, strict: bool = False) -> nn.Module:
    """Swap every `nn.Linear`, `nn.Conv1d` and `nn.Conv2d` of a model for rsnn's, in place.

    The new layers hold the very same parameters under the same names: optimisers, `state_dict` and weights that layers share stay as
    they are. Left as they are, unless `strict`: layers with an option that rsnn does not have (dilation, groups, padding other than
    zeros), with hooks, and of classes that derive from torch's, parametrized ones among them.

    Parameters
    ----------
    model : module
        Changed in place, unless it is itself such a layer.
    strict : bool, default False
        Refuse a model with layers that would be left, before anything is changed.

    Returns
    -------
    module
        The model; or, if it is itself such a layer, the one in its place.

    Raises
    ------
    InvalidTypeError
        model is not a module.
    InvalidValueError
        With `strict`, layers that cannot be swapped; the message names each and says why.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Conv2d(1, 2, 3, dilation=2))
    >>> [type(layer).__module__ for layer in rt.convert(model)]
    ['rsnn.torch.layers', 'torch.nn.modules.activation', 'torch.nn.modules.conv']
    """
    if not isinstance(model, nn.Module):
        raise InvalidTypeError(f"model is {type(model).__name__}: must be a torch module")
    strict = arguments.flag("strict", strict)
    candidates: dict[nn.Module, str] = {}
    for name, module in model.named_modules():
        if any(isinstance(module, kind) for kind in TABLE) and type(module) not in TABLE.values():
            candidates[module] = name
    left = {name: _reason(module) for module, name in candidates.items()}
    if strict and any(left.values()):
        said = "; ".join(f"{name or 'the model itself'}: {reason}" for name, reason in left.items() if reason)
        raise InvalidValueError(f"model: {said}. Change these layers, or leave strict=False, which keeps them as they are")
    made = {module: _twin(module) for module, name in candidates.items() if not left[name]}
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if child in made:
                parent._modules[name] = made[child]
    return made.get(model, model)


def _reason(module: Any) -> str:
    """Say why a layer is not swapped; nothing if it is."""
    kind = type(module)
    if kind not in TABLE:
        return f"its class, {kind.__name__}, derives from torch's"
    if any(getattr(module, name) for name in _HOOKS):
        return "it has hooks, which would be lost"
    if kind is nn.Linear:
        return ""
    try:
        layers.check_options(kind.__name__, module.dilation, module.groups, module.padding_mode)
        layers.side_padding(module)
    except InvalidValueError as error:
        return str(error).partition(":")[0]
    return ""


def _twin(module: nn.Module) -> nn.Module:
    """Make the layer of rsnn that is this one: the same attributes, the same parameters."""
    kind = TABLE[type(module)]
    twin = kind.__new__(kind)
    twin.__dict__ = dict(module.__dict__)
    for registry in ("_parameters", "_buffers", "_modules"):
        twin.__dict__[registry] = dict(module.__dict__[registry])
    return twin

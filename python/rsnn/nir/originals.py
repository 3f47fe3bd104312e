"""Torch modules of other libraries, run as they are, step by step or at once, with the spikes of each of their neurons recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import shown
from rsnn.errors import InvalidTypeError, InvalidValueError

Array = npt.NDArray[Any]
Drive = Callable[[Any, list[Any], Any], None]


@dataclass(frozen=True)
class Library:
    """How modules of a library are run.

    Parameters
    ----------
    threshold : the attribute by which its spiking neurons are known, dots for an attribute of one
    drive : runs a module over a tensor (T, B, ...), from rest
    batch_first : whether what its neurons send is (B, T, ...), or (B T, ...) of those called so
    """

    threshold: str
    drive: Drive
    batch_first: bool = False


def _steps(module: Any, x: Any) -> None:
    for one in x:
        module(one)


def _norse(module: Any, neurons: list[Any], x: Any) -> None:
    if not any(type(one).__name__.endswith("Cell") for one in neurons):
        module(x)
        return
    state = None
    for one in x:
        out = module(one) if state is None else module(one, state)
        state = out[1] if isinstance(out, tuple) else None


def _snntorch(module: Any, neurons: list[Any], x: Any) -> None:
    for one in neurons:
        if not getattr(one, "init_hidden", False):
            raise InvalidTypeError(
                "original: neurons of snnTorch with init_hidden=False are called with their states; record their spikes in your own loop "
                "and give these, or make them with init_hidden=True"
            )
        one.reset_mem()
    _steps(module, x)


def _sinabs(module: Any, neurons: list[Any], x: Any) -> None:
    for one in module.modules():
        if hasattr(one, "reset_states"):
            one.reset_states()
        if hasattr(one, "batch_size") and hasattr(one, "num_timesteps"):
            one.batch_size, one.num_timesteps = x.shape[1], -1
    squeezed = any(type(one).__name__.endswith("Squeeze") for one in neurons)
    first = x.transpose(0, 1)
    module(first.flatten(0, 1) if squeezed else first)


def _spikingjelly(module: Any, neurons: list[Any], x: Any) -> None:
    for one in module.modules():
        if hasattr(one, "reset") and hasattr(one, "step_mode"):
            one.reset()
    if all(one.step_mode == "m" for one in neurons):
        module(x)
    else:
        _steps(module, x)


LIBRARIES = {
    "norse": Library("p.v_th", _norse),
    "snntorch": Library("threshold", _snntorch),
    "sinabs": Library("spike_threshold", _sinabs, batch_first=True),
    "spikingjelly": Library("v_threshold", _spikingjelly),
}
"""The libraries whose modules can be run, by the name of their package."""


def is_module(value: Any) -> bool:
    """Tell a torch module without importing torch."""
    return any(base.__module__.startswith("torch.nn.") and base.__name__ == "Module" for base in type(value).__mro__)


def library_of(module: Any) -> str | None:
    """Name the library that a module's neurons are of; "rsnn" of rsnn.torch, None where there are none."""
    for one in module.modules():
        name = type(one).__module__.partition(".")[0]
        if name == "rsnn" or (name in LIBRARIES and _has(one, LIBRARIES[name].threshold)):
            return name
    return None


def record(module: Any, x: Array) -> list[Array]:
    """Run a copy of a module over x (T, B, ...) from rest, and give what each of its spiking neurons sent: (T, B, ...)."""
    import torch

    name = library_of(module)
    if name not in LIBRARIES:
        known = ", ".join(LIBRARIES)
        raise InvalidTypeError(
            f"original={shown(type(module).__name__)}: has no spiking neurons of {known}; give its recorded spikes, (T, [B,] neurons)"
        )
    row = LIBRARIES[name]
    copied = _copied(module).eval()
    neurons = [one for one in copied.modules() if type(one).__module__.partition(".")[0] == name and _has(one, row.threshold)]
    sent: list[list[Any]] = [[] for _ in neurons]
    hooks = [one.register_forward_hook(_keeper(into)) for one, into in zip(neurons, sent, strict=True)]
    kind = next((one.dtype for one in copied.parameters()), torch.float32)
    steps, batch = x.shape[:2]
    try:
        with torch.no_grad():
            row.drive(copied, neurons, torch.from_numpy(np.ascontiguousarray(x, np.float64)).to(kind))
    except (InvalidTypeError, InvalidValueError):
        raise
    except Exception as error:  # whatever the code of others raises
        raise InvalidValueError(
            f"original: {name} did not run it over x of shape {x.shape} ({error}); record its spikes in your own loop and give these"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    if not any(sent):
        raise InvalidValueError(
            f"original: it calls its neurons of {name} in a way of its own, where no spikes are seen; record them in a loop and give these"
        )
    return [_timed(one, steps, batch, row.batch_first) for one in sent if one]


def _copied(module: Any) -> Any:
    """Copy a module, whose state may come out of a run with gradients, which torch does not copy by itself."""
    inside = [value for one in module.modules() for value in _held(vars(one))]
    return deepcopy(module, {id(one): one.detach().clone() for one in inside if getattr(one, "is_leaf", True) is False})


def _held(value: Any) -> Iterator[Any]:
    """Go through what a module holds."""
    if isinstance(value, (dict, list, tuple)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _held(one)
    else:
        yield value


def _keeper(into: list[Any]) -> Callable[..., None]:
    def keep(_: Any, __: Any, out: Any) -> None:
        into.append((out[0] if isinstance(out, tuple) else out).detach().cpu())

    return keep


def _timed(sent: list[Any], steps: int, batch: int, batch_first: bool) -> Array:
    """Give what a neuron sent as (T, B, ...), whether it was called once or once a step."""
    if len(sent) > 1 or (steps == 1 and not batch_first):
        return np.stack([np.asarray(one) for one in sent]).reshape(steps, batch, *sent[0].shape[1:])
    whole = np.asarray(sent[0])
    if not batch_first:
        return whole
    shape = whole.shape[2:] if whole.shape[:2] == (batch, steps) else whole.shape[1:]
    return whole.reshape(batch, steps, *shape).swapaxes(0, 1)


def _has(module: Any, path: str) -> bool:
    return all(one is not None for one in _walk(module, path.split(".")))


def _walk(value: Any, names: list[str]) -> Iterator[Any]:
    for name in names:
        value = getattr(value, name, None)
        yield value

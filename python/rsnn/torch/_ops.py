"""The operators that torch knows by name: native kernels on CPU tensors, shapes for tracing, one rule for vmap.

Each operator has a fixed number of arguments and results, whatever the neuron: a neuron is its `spec` string, its coefficients are
the rows of one tensor and its states the slices of another. They know nothing of gradients; `_autograd` joins forward and backward.

rsnn::scan            x (outer, T, inner), coefficients (n, P) float64, state (n_states, outer, inner); of neurons that act on each
                      other the weight, (n, n) with a row for each that fires or (n,), the bias (n,), and group = n (else 0)
                      -> output like x, final state, recorded (n_record, outer, T, inner), checkpoints (ceil(T / every), *state)
rsnn::scan_backward   -> gradients of x, of the initial state, of the coefficients (float64), and of weight and bias (empty where there is
                      none); zero where not in `needs`
rsnn::as_numpy        a function of float64 by the routine of the numpy recipe, so that both sides form the same coefficients

The products are in `_product_ops`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsnn import _rsnn
from rsnn.memory import empty

RECURRENT = "recurrent"
"""In `needs`: the gradients of weight and bias."""

_SCHEMAS = {
    "scan": (
        "(str spec, Tensor x, Tensor coefficients, Tensor state, str[] record, int every, Tensor? weight=None, Tensor? bias=None, "
        "int group=0) -> (Tensor, Tensor, Tensor, Tensor)"
    ),
    "scan_backward": (
        "(str spec, str surrogate, float[] surrogate_params, str[] detach, Tensor x, Tensor coefficients, Tensor checkpoints, "
        "int every, Tensor? grad_output, Tensor grad_state, str[] record, Tensor? grad_recorded, str[] needs, "
        "Tensor? weight=None, Tensor? bias=None, int group=0) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
    ),
    "as_numpy": "(str function, Tensor x) -> Tensor",
}

_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}

_library: Any = torch.library.Library("rsnn", "DEF")  # type: ignore[no-untyped-call]


def _new(like: Tensor, shape: Any) -> Tensor:
    """Make an uninitialised tensor of the same kind: a real one on the CPU in memory that is used again, a traced one as torch does."""
    if type(like) is Tensor and like.device.type == "cpu" and like.dtype in _NUMPY:
        return torch.from_numpy(empty(tuple(shape), _NUMPY[like.dtype]))
    return torch.empty(shape, dtype=like.dtype, device=like.device)


def _numpy(tensor: Tensor) -> np.ndarray[Any, Any]:
    """View a CPU tensor as contiguous numpy, a copy only where its layout asks for one."""
    array = tensor.detach().resolve_neg().contiguous().numpy()
    return array if array.flags.aligned else array.copy()  # torch takes bytes from anywhere: torch.frombuffer(offset=1)


def _weights(weight: Tensor | None, bias: Tensor | None) -> tuple[Any, Any] | None:
    return None if weight is None else (_numpy(weight), None if bias is None else _numpy(bias))


def _competing(spec: str, group: int) -> int | None:
    return group if "inhibition" in spec.split(" ") else None


def _like(operand: Tensor | None, x: Tensor) -> Tensor:
    """Make room for the gradient of an operand, none where it is not there."""
    return _new(x, (0,) if operand is None else operand.shape)


def _scan(
    spec: str,
    x: Tensor,
    coefficients: Tensor,
    state: Tensor,
    record: list[str],
    every: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    group: int = 0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    output, final, recorded, checkpoints = _scan_shapes(spec, x, coefficients, state, record, every, weight, bias, group)
    final.copy_(state)
    _rsnn.scan(
        spec,
        _numpy(x),
        _numpy(coefficients.to(x.dtype)),
        final.numpy(),
        output.numpy(),
        record=[(name, recorded[k].numpy()) for k, name in enumerate(record)],
        recurrent=_weights(weight, bias),
        group=_competing(spec, group),
        checkpoints=checkpoints.numpy() if every else None,
        every=every,
        threads=torch.get_num_threads(),
    )
    return output, final, recorded, checkpoints


def _scan_shapes(
    spec: str,
    x: Tensor,
    coefficients: Tensor,
    state: Tensor,
    record: list[str],
    every: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    group: int = 0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    blocks = -(-x.shape[1] // every) if every else 0
    return _new(x, x.shape), _new(state, state.shape), _new(x, (len(record), *x.shape)), _new(state, (blocks, *state.shape))


def _scan_backward(
    spec: str,
    surrogate: str,
    surrogate_params: list[float],
    detach: list[str],
    x: Tensor,
    coefficients: Tensor,
    checkpoints: Tensor,
    every: int,
    grad_output: Tensor | None,
    grad_state: Tensor,
    record: list[str],
    grad_recorded: Tensor | None,
    needs: list[str],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    group: int = 0,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    grad_x, grad_initial, grad_coefficients = _new(x, x.shape), _new(grad_state, grad_state.shape), torch.zeros_like(coefficients)
    learns = weight is not None and RECURRENT in needs
    grad_weight, grad_bias = _like(weight, x), _like(bias, x)
    if not learns:
        grad_weight.zero_()
        grad_bias.zero_()
    grad_initial.copy_(grad_state)
    _rsnn.scan_backward(
        spec,
        surrogate,
        surrogate_params,
        _numpy(x),
        _numpy(coefficients.to(x.dtype)),
        _numpy(checkpoints),
        every,
        None if grad_output is None else _numpy(grad_output),
        [] if grad_recorded is None else [(name, _numpy(grad_recorded[k])) for k, name in enumerate(record)],
        grad_initial.numpy(),
        grad_x.numpy(),
        grad_coefficients.numpy(),
        needs=[name for name in needs if name != RECURRENT],
        detach=detach,
        recurrent=_weights(weight, bias),
        grad_recurrent=(grad_weight.numpy(), None if bias is None else grad_bias.numpy()) if learns else None,
        group=_competing(spec, group),
        threads=torch.get_num_threads(),
    )
    return grad_x, grad_initial, grad_coefficients, grad_weight, grad_bias


def _scan_backward_shapes(
    spec: str,
    surrogate: str,
    surrogate_params: list[float],
    detach: list[str],
    x: Tensor,
    coefficients: Tensor,
    checkpoints: Tensor,
    every: int,
    grad_output: Tensor | None,
    grad_state: Tensor,
    record: list[str],
    grad_recorded: Tensor | None,
    needs: list[str],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    group: int = 0,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    made = _new(x, x.shape), _new(grad_state, grad_state.shape), _new(coefficients, coefficients.shape)
    return *made, _like(weight, x), _like(bias, x)


def _as_numpy(function: str, x: Tensor) -> Tensor:
    return torch.from_numpy(np.array(getattr(np, function)(_numpy(x))))


def _as_numpy_shape(function: str, x: Tensor) -> Tensor:
    return _new(x, x.shape)


def _pick(argument: Any, dim: Any, index: int) -> Any:
    """One member of a batched argument; lists are looked into."""
    if isinstance(argument, (list, tuple)) and isinstance(dim, (list, tuple)):
        return [_pick(each, d, index) for each, d in zip(argument, dim, strict=True)]
    return argument if dim is None else argument.select(dim, index)


def _one_by_one(op: Any) -> Callable[..., Any]:
    """Give the rule of vmap for any operator here: run the members of the batch one after another and stack what they return.

    A sequence is work enough for one call, and each member keeps its own gradients of shared coefficients, which folding the batch
    into another axis would sum.
    """

    def rule(info: Any, in_dims: Any, *arguments: Any) -> Any:
        members = [op(*(_pick(a, d, k) for a, d in zip(arguments, in_dims, strict=True))) for k in range(info.batch_size)]
        if isinstance(members[0], Tensor):
            return torch.stack(members), 0
        return tuple(torch.stack(each) for each in zip(*members, strict=True)), (0,) * len(members[0])

    return rule


def register(name: str, schema: str, kernel: Callable[..., Any], shapes: Callable[..., Any], rule: Callable[..., Any] | None = None) -> Any:
    """Define an operator with its kernel, its shapes and its rule for vmap; give it."""
    _library.define(name + schema, tags=(torch.Tag.pt2_compliant_tag,))
    _library.impl(name, kernel, "CPU")
    torch.library.register_fake(f"rsnn::{name}", shapes, lib=_library)
    op = getattr(torch.ops.rsnn, name).default
    torch.library.register_vmap(f"rsnn::{name}", rule or _one_by_one(op), lib=_library)
    return op


scan = register("scan", _SCHEMAS["scan"], _scan, _scan_shapes)
scan_backward = register("scan_backward", _SCHEMAS["scan_backward"], _scan_backward, _scan_backward_shapes)
as_numpy = register("as_numpy", _SCHEMAS["as_numpy"], _as_numpy, _as_numpy_shape)

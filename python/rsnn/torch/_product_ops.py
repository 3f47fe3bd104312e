"""The operators of rsnn's products over rows; registered as those of `_ops`, which says how.

rsnn::linear            x (rows, inputs), weight, bias -> y (rows, outputs), by events where they are few: the same bits
rsnn::linear_kept       the same, and what backward needs of x: words (rows, ceil(inputs / 64)) with a bit for each entry that is not 0, and
                        the values of these, none where all are 1; no words where x is dense. Their sizes depend on the data, so nothing
                        that is traced may call it. Over a batch (vmap) there are no words: members would differ.
rsnn::linear_backward   -> gradients of x, weight and bias, empty where not in `needs`; x is read only where there are no words
rsnn::unpacked          the dense rows that words and values stand for, like x
rsnn::conv2d, rsnn::pool2d
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsnn import _rsnn
from rsnn.errors import InvalidValueError
from rsnn.memory import empty
from rsnn.torch._ops import _new, _numpy, _one_by_one, register

CROSSOVER = 0.15
"""The share of events above which the dense product is the faster way to a weight's gradient; measured in benchmarks/mlp.py."""


def finite(weight: Tensor) -> Tensor:
    """Refuse weights that are not finite: where the input is zero they would count for nothing on one path and for NaN on another."""
    if not weight.sum().isfinite() and not weight.isfinite().all():
        raise InvalidValueError(
            "weight: NaN or infinity came; weights must be finite, so look for a learning rate too high or a division by zero"
        )
    return weight


def _optional(tensor: Tensor | None) -> np.ndarray[Any, Any] | None:
    return None if tensor is None else _numpy(tensor)


def _words(rows: int, n: int) -> Tensor:
    return torch.from_numpy(empty((rows, -(-n // 64)), np.int64))


def _bits(words: Tensor) -> np.ndarray[Any, Any]:
    return words.numpy().view(np.uint64)


def _values(values: Tensor) -> np.ndarray[Any, Any] | None:
    return _numpy(values) if values.numel() else None


def _listed(x: Tensor, words: Tensor, count: int, unit: bool) -> Tensor:
    """Give the values of the events of x; none where all are 1."""
    values = _new(x, (0 if unit else count,))
    if not unit:
        _rsnn.event_values(_numpy(x), _bits(words), values.numpy())
    return values


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    output = _linear_shape(x, weight, bias)
    words = _words(*x.shape)
    _rsnn.linear(_numpy(x), _numpy(finite(weight)), _optional(bias), output.numpy(), words=_bits(words), threads=torch.get_num_threads())
    return output


def _linear_shape(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return _new(x, (x.shape[0], weight.shape[0]))


def _linear_kept(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    output, words, data = _linear_shape(x, weight, bias), _words(*x.shape), _numpy(x)
    path, count, unit = _rsnn.linear(
        data, _numpy(finite(weight)), _optional(bias), output.numpy(), words=_bits(words), threads=torch.get_num_threads()
    )
    if path == "dense":
        return output, *nothing(x)
    return output, words, _listed(x, words, count, unit)


def nothing(x: Tensor) -> tuple[Tensor, Tensor]:
    """Give no words and no values: x itself is kept."""
    return x.new_empty((0, 0), dtype=torch.int64), x.new_empty((0,))


def _linear_kept_shape(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    sizes = torch.library.get_ctx()
    words = x.new_empty((sizes.new_dynamic_size(), sizes.new_dynamic_size()), dtype=torch.int64)
    return _linear_shape(x, weight, bias), words, x.new_empty((sizes.new_dynamic_size(),))


def _linear_kept_over_a_batch(info: Any, in_dims: Any, *arguments: Any) -> Any:
    output, dim = _one_by_one(linear)(info, in_dims, *arguments)
    words, values = nothing(output)
    return (output, *(each.expand(info.batch_size, *each.shape) for each in (words, values))), (dim, 0, 0)


def _linear_backward(
    grad: Tensor, x: Tensor, weight: Tensor, words: Tensor, values: Tensor, needs: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    made = grad_x, grad_weight, grad_bias = _linear_backward_shape(grad, x, weight, words, values, needs)
    threads, rows = torch.get_num_threads(), _numpy(grad)
    if needs[0]:
        _rsnn.input_gradient(rows, _numpy(weight), grad_x.numpy(), threads=threads)
    if not needs[1]:
        if needs[2]:
            torch.sum(grad, 0, out=grad_bias)
        return made
    if not words.numel():
        words, values = _found(x, threads)
    elif np.bitwise_count(_bits(words)).sum() > CROSSOVER * rows.shape[0] * weight.shape[1]:
        x, words = _unpacked(x, words, values), nothing(x)[0]
    if not words.numel():
        torch.mm(grad.transpose(0, 1), x, out=grad_weight)
        if needs[2]:
            torch.sum(grad, 0, out=grad_bias)
        return made
    bias = grad_bias if needs[2] else _new(grad, grad.shape[1:])
    _rsnn.event_weight_gradient(_bits(words), _values(values), rows, grad_weight.numpy(), bias.numpy(), threads=threads)
    return made


def _found(x: Tensor, threads: int) -> tuple[Tensor, Tensor]:
    """Find the events of x; nothing if they are many."""
    data = _numpy(x)
    if not data.size or _rsnn.event_estimate(data) > CROSSOVER:
        return nothing(x)
    words = _words(*x.shape)
    count, unit = _rsnn.event_scan(data, _bits(words), threads=threads)
    return (words, _listed(x, words, count, unit)) if count <= CROSSOVER * data.size else nothing(x)


def _linear_backward_shape(
    grad: Tensor, x: Tensor, weight: Tensor, words: Tensor, values: Tensor, needs: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    shapes = (grad.shape[0], weight.shape[1]), weight.shape, weight.shape[:1]
    of_x, of_weight, of_bias = (_new(grad, shape if need else (0,)) for shape, need in zip(shapes, needs, strict=True))
    return of_x, of_weight, of_bias


def _unpacked(x: Tensor, words: Tensor, values: Tensor) -> Tensor:
    dense = _new(x, x.shape)
    _rsnn.event_unpack(_bits(words), _values(values), dense.numpy())
    return dense


def _unpacked_shape(x: Tensor, words: Tensor, values: Tensor) -> Tensor:
    return _new(x, x.shape)


def _conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int]) -> Tensor:
    output = _conv2d_shape(x, weight, bias, stride, padding)
    _rsnn.conv2d(
        _numpy(x),
        _numpy(finite(weight)),
        _optional(bias),
        output.numpy(),
        stride=(stride[0], stride[1]),
        padding=(padding[0], padding[1]),
        threads=torch.get_num_threads(),
    )
    return output


def _conv2d_shape(x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int]) -> Tensor:
    sides = [(x.shape[k + 2] + 2 * padding[k] - weight.shape[k + 2]) // stride[k] + 1 for k in (0, 1)]
    return _new(x, (x.shape[0], weight.shape[0], *sides))


def _pool2d(x: Tensor, kernel: list[int], average: bool) -> Tensor:
    output = _pool2d_shape(x, kernel, average)
    _rsnn.pool2d(
        _numpy(x), output.numpy(), kernel=(kernel[0], kernel[1]), kind="average" if average else "sum", threads=torch.get_num_threads()
    )
    return output


def _pool2d_shape(x: Tensor, kernel: list[int], average: bool) -> Tensor:
    return _new(x, (*x.shape[:2], x.shape[2] // kernel[0], x.shape[3] // kernel[1]))


linear = register("linear", "(Tensor x, Tensor weight, Tensor? bias) -> Tensor", _linear, _linear_shape)
linear_kept = register(
    "linear_kept",
    "(Tensor x, Tensor weight, Tensor? bias) -> (Tensor, Tensor, Tensor)",
    _linear_kept,
    _linear_kept_shape,
    _linear_kept_over_a_batch,
)
linear_backward = register(
    "linear_backward",
    "(Tensor grad, Tensor x, Tensor weight, Tensor words, Tensor values, bool[] needs) -> (Tensor, Tensor, Tensor)",
    _linear_backward,
    _linear_backward_shape,
)
unpacked = register("unpacked", "(Tensor x, Tensor words, Tensor values) -> Tensor", _unpacked, _unpacked_shape)
conv2d = register("conv2d", "(Tensor x, Tensor weight, Tensor? bias, int[] stride, int[] padding) -> Tensor", _conv2d, _conv2d_shape)
pool2d = register("pool2d", "(Tensor x, int[] kernel, bool average) -> Tensor", _pool2d, _pool2d_shape)

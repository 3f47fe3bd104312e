"""The operators of rsnn's products over rows; registered as those of `_ops`, which says how.

rsnn::linear            x (rows, inputs), weight, bias -> y (rows, outputs), by events where they are few: the same bits
rsnn::linear_kept       the same, and what backward needs of x: words (rows, ceil(inputs / 64)) with a bit for each entry that is not 0, and
                        the values of these, none where all are 1; no words where x is dense. Their sizes depend on the data, so nothing
                        that is traced may call it. Over a batch (vmap) there are no words: members would differ.
rsnn::linear_backward   -> gradients of x, weight and bias, empty where not in `needs`; x is read only where there are no words
rsnn::unpacked          the dense rows that words and values stand for, like x
rsnn::conv2d, rsnn::conv2d_kept, rsnn::conv2d_backward    the same of images x (rows, channels, height, width): a row of words for each
rsnn::pool2d
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsnn import _rsnn
from rsnn.errors import InvalidValueError
from rsnn.memory import empty
from rsnn.torch._ops import _new, _numpy, _one_by_one, register

CROSSOVER = 0.35
"""The share of events above which the dense product is the faster way to a weight's gradient; measured in benchmarks/mlp.py."""
CONVOLUTION_CROSSOVER = 0.1
"""The same of a convolution, which keeps the events up to here whichever way its forward went. From 0.03 on torch's product, the dense way,
is up to 1.6 times faster, but its bits depend on the number of threads."""


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
    return _linear_shape(x, weight, bias), *_kept_shapes(x)


def _kept_shapes(x: Tensor) -> tuple[Tensor, Tensor]:
    sizes = torch.library.get_ctx()
    words = x.new_empty((sizes.new_dynamic_size(), sizes.new_dynamic_size()), dtype=torch.int64)
    return words, x.new_empty((sizes.new_dynamic_size(),))


def _without_words(op: Any) -> Any:
    """Give the rule of vmap for what keeps words: none, x is kept."""

    def rule(info: Any, in_dims: Any, *arguments: Any) -> Any:
        output, dim = _one_by_one(op)(info, in_dims, *arguments)
        words, values = (each.expand(info.batch_size, *each.shape) for each in nothing(output))
        return (output, words, values), (dim, 0, 0)

    return rule


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
    x, words, values = _followed(x, words, values, CROSSOVER)
    if not words.numel():
        torch.mm(grad.transpose(0, 1), x, out=grad_weight)
        if needs[2]:
            torch.sum(grad, 0, out=grad_bias)
        return made
    bias = grad_bias if needs[2] else _new(grad, grad.shape[1:])
    _rsnn.event_weight_gradient(_bits(words), _values(values), rows, grad_weight.numpy(), bias.numpy(), threads=threads)
    return made


def _found(x: Tensor, crossover: float) -> tuple[Tensor, Tensor]:
    """Find the events of rows; nothing if they are many."""
    data = _numpy(x)
    if not data.size or _rsnn.event_estimate(data) > crossover:
        return nothing(x)
    words = _words(*x.shape)
    count, unit = _rsnn.event_scan(data, _bits(words), threads=torch.get_num_threads())
    return (words, _listed(x, words, count, unit)) if count <= crossover * data.size else nothing(x)


def _followed(x: Tensor, words: Tensor, values: Tensor, crossover: float) -> tuple[Tensor, Tensor, Tensor]:
    """Give x with the events that a weight's gradient should follow; none if they are many, whichever way the forward went."""
    if not words.numel():
        return x, *_found(x.flatten(1), crossover)
    if np.bitwise_count(_bits(words)).sum() > crossover * x.numel():
        return _unpacked(x, words, values), *nothing(x)
    return x, words, values


def _linear_backward_shape(
    grad: Tensor, x: Tensor, weight: Tensor, words: Tensor, values: Tensor, needs: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    shapes = (grad.shape[0], weight.shape[1]), weight.shape, weight.shape[:1]
    of_x, of_weight, of_bias = (_new(grad, shape if need else (0,)) for shape, need in zip(shapes, needs, strict=True))
    return of_x, of_weight, of_bias


def _unpacked(x: Tensor, words: Tensor, values: Tensor) -> Tensor:
    dense = _new(x, x.shape)
    _rsnn.event_unpack(_bits(words), _values(values), dense.flatten(1).numpy())
    return dense


def _unpacked_shape(x: Tensor, words: Tensor, values: Tensor) -> Tensor:
    return _new(x, x.shape)


def _conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int]) -> Tensor:
    return _convolve(x, weight, bias, stride, padding)[0]


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int]
) -> tuple[Tensor, Tensor, tuple[str, int, bool]]:
    output, words = _conv2d_shape(x, weight, bias, stride, padding), _words(x.shape[0], x.shape[1:].numel())
    done = _rsnn.conv2d(
        _numpy(x),
        _numpy(finite(weight)),
        _optional(bias),
        output.numpy(),
        stride=(stride[0], stride[1]),
        padding=(padding[0], padding[1]),
        words=_bits(words),
        threads=torch.get_num_threads(),
    )
    return output, words, done


def _conv2d_kept(x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    output, words, (path, count, unit) = _convolve(x, weight, bias, stride, padding)
    if path == "dense":
        return output, *_found(x.flatten(1), CONVOLUTION_CROSSOVER)
    return output, words, _listed(x.flatten(1), words, count, unit)


def _conv2d_kept_shape(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int]
) -> tuple[Tensor, Tensor, Tensor]:
    return _conv2d_shape(x, weight, bias, stride, padding), *_kept_shapes(x)


def _conv2d_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    words: Tensor,
    values: Tensor,
    stride: list[int],
    padding: list[int],
    needs: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    of_x, of_weight, of_bias = (_new(grad, (0,)) for _ in range(3))
    if needs[1]:
        x, words, values = _followed(x, words, values, CONVOLUTION_CROSSOVER)
    dense = needs[1] and not words.numel()
    if needs[0] or dense:
        # Of the gradient of x torch asks only how large x is: a place without memory will do.
        given = x if dense else x.new_zeros(()).expand(x.shape)
        wanted = [needs[0], dense, False]
        found = torch.ops.aten.convolution_backward(grad, given, weight, None, stride, padding, [1, 1], False, [0, 0], 1, wanted)
        of_x, of_weight = (new if want else old for new, old, want in zip(found, (of_x, of_weight), wanted, strict=False))
    if needs[1] and not dense:
        of_weight = _new(weight, weight.shape)
        _rsnn.event_conv2d_weight_gradient(
            _bits(words),
            _values(values),
            _numpy(grad),
            of_weight.numpy(),
            size=(x.shape[2], x.shape[3]),
            stride=(stride[0], stride[1]),
            padding=(padding[0], padding[1]),
            threads=torch.get_num_threads(),
        )
    if needs[2]:
        of_bias = grad.sum((0, 2, 3))
    return of_x, of_weight, of_bias


def _conv2d_backward_shape(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    words: Tensor,
    values: Tensor,
    stride: list[int],
    padding: list[int],
    needs: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    shapes = x.shape, weight.shape, weight.shape[:1]
    of_x, of_weight, of_bias = (_new(grad, shape if need else (0,)) for shape, need in zip(shapes, needs, strict=True))
    return of_x, of_weight, of_bias


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


_KEPT = " -> (Tensor, Tensor, Tensor)"
_LINEAR = "(Tensor x, Tensor weight, Tensor? bias)"
_CONV2D = "(Tensor x, Tensor weight, Tensor? bias, int[] stride, int[] padding)"
_BACKWARD = "(Tensor grad, Tensor x, Tensor weight, Tensor words, Tensor values"

linear = register("linear", _LINEAR + " -> Tensor", _linear, _linear_shape)
linear_kept = register("linear_kept", _LINEAR + _KEPT, _linear_kept, _linear_kept_shape, _without_words(linear))
linear_backward = register("linear_backward", _BACKWARD + ", bool[] needs)" + _KEPT, _linear_backward, _linear_backward_shape)
conv2d = register("conv2d", _CONV2D + " -> Tensor", _conv2d, _conv2d_shape)
conv2d_kept = register("conv2d_kept", _CONV2D + _KEPT, _conv2d_kept, _conv2d_kept_shape, _without_words(conv2d))
conv2d_backward = register(
    "conv2d_backward",
    _BACKWARD + ", int[] stride, int[] padding, bool[] needs)" + _KEPT,
    _conv2d_backward,
    _conv2d_backward_shape,
)
unpacked = register("unpacked", "(Tensor x, Tensor words, Tensor values) -> Tensor", _unpacked, _unpacked_shape)
pool2d = register("pool2d", "(Tensor x, int[] kernel, bool average) -> Tensor", _pool2d, _pool2d_shape)

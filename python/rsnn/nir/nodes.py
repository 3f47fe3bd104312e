"""NIR nodes that every source means alike, as layers: weights, convolutions, pooling, shapes, delays.

What rsnn has no field for is written out in weights, which changes no sum: a dilated kernel gets zeros between its taps, groups get zeros
between them, a pooling whose windows overlap or are padded is a convolution, ``padding="same"`` is zeros around the kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import shown
from rsnn.composed import Neuron
from rsnn.layers import Add, AvgPool2d, Conv1d, Conv2d, Delay, Flatten, Linear, SumPool2d
from rsnn.neurons import LI
from rsnn.stages import Leaky, Strict

from .sources import Node, Told

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


def _linear(node: Node, shape: Shape, told: Told) -> Any:
    weight = node.array("weight")
    if weight.ndim != 2:
        raise node.error(f"weight has shape {weight.shape}: rsnn.Linear takes (outputs, inputs)")
    return Linear(weight, node.array("bias") if node.kind == "Affine" else None)


def _sizes(node: Node, name: str, n: int, low: int) -> Any:
    """Give whole numbers, one for each of n axes."""
    value = node.array(name)
    if value.size not in (1, n) or np.any(value != np.floor(value)) or np.any(value < low):
        raise node.error(f"{name}={shown(node.fields[name])}: must be {n} whole numbers of at least {low}")
    return tuple(int(one) for one in np.broadcast_to(value.reshape(-1), n))


def _conv(node: Node, shape: Shape, told: Told) -> Any:
    n = 1 if node.kind == "Conv1d" else 2
    weight = node.array("weight")
    if weight.ndim != n + 2:
        raise node.error(f"weight has shape {weight.shape}: must have {n + 2} axes")
    groups = _sizes(node, "groups", 1, 1)[0]
    if len(weight) % groups:
        raise node.error(f"groups={groups}: does not divide the {len(weight)} outputs of the weight")
    stride = _sizes(node, "stride", n, 1)
    weight = _dilated(weight, _sizes(node, "dilation", n, 1))
    weight, padding = _padded(node, weight, stride)
    bias = None if node.fields.get("bias") is None else node.array("bias")
    if n == 1:
        return Conv1d(_ungrouped(weight, groups), bias, stride[0], padding[0])
    return Conv2d(_ungrouped(weight, groups), bias, stride, padding)


def _dilated(weight: Array, dilation: tuple[int, ...]) -> Array:
    """Lay taps apart, zeros between them."""
    sizes = [step * (size - 1) + 1 for size, step in zip(weight.shape[2:], dilation, strict=True)]
    made = np.zeros((*weight.shape[:2], *sizes), weight.dtype)
    made[(slice(None), slice(None), *(slice(None, None, step) for step in dilation))] = weight
    return made


def _padded(node: Node, weight: Array, stride: tuple[int, ...]) -> tuple[Array, Any]:
    """Give the padding, the same on both sides; where torch pads one more behind, the kernel gets a zero in front."""
    padding = node.fields.get("padding")
    n = len(stride)
    if not isinstance(padding, str):
        return weight, _sizes(node, "padding", n, 0)
    if padding == "valid":
        return weight, (0,) * n
    if padding != "same" or any(step != 1 for step in stride):
        raise node.error(f"padding={padding!r}, stride={stride}: must be numbers, 'valid', or 'same' with a stride of 1")
    front = [(0, 0), (0, 0), *((1 - size % 2, 0) for size in weight.shape[2:])]
    made = np.pad(weight, front)
    return made, tuple(size // 2 for size in made.shape[2:])


def _ungrouped(weight: Array, groups: int) -> Array:
    """Give every output all channels, with zeros for those of other groups."""
    if groups == 1:
        return weight
    outputs, channels = len(weight) // groups, weight.shape[1]
    made = np.zeros((len(weight), groups * channels, *weight.shape[2:]), weight.dtype)
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        made[rows, group * channels : (group + 1) * channels] = weight[rows]
    return made


def _pool(node: Node, shape: Shape, told: Told) -> Any:
    kernel, stride, padding = (_sizes(node, name, 2, low) for name, low in (("kernel_size", 1), ("stride", 1), ("padding", 0)))
    average = node.kind == "AvgPool2d"
    if kernel == stride and padding == (0, 0):
        return AvgPool2d(kernel) if average else SumPool2d(kernel)
    if len(shape) != 3:
        raise node.error(f"a sample of shape {shape} comes in: must be an image (channels, height, width)")
    window = np.full((shape[0], 1, *kernel), 1.0 / (kernel[0] * kernel[1]) if average else 1.0, np.float32)
    return Conv2d(_ungrouped(window, shape[0]), None, stride, padding)


def _flatten(node: Node, shape: Shape, told: Told) -> Any:
    start, end = (int(node.array(name)) for name in ("start_dim", "end_dim"))
    last = len(shape) - 1
    first, final = (one + len(shape) if one < 0 else one for one in (start, end))
    if first <= 0 and final >= last:
        return Flatten()
    if first >= final or (sum(size != 1 for size in shape) <= 1 and len(shape) == 1):
        return Add()
    raise node.error(
        f"start_dim={start}, end_dim={end} of a sample of shape {shape}: rsnn.Flatten flattens a sample whole; "
        "axes count without time and batch, so write start_dim=0, end_dim=-1"
    )


def _scale(node: Node, shape: Shape, told: Told) -> Any:
    return LI(beta=0.0, r=node.number("scale"))


def _threshold(node: Node, shape: Shape, told: Told) -> Any:
    return Neuron(membrane=Leaky(beta=0.0), fire=Strict(node.number("threshold")))


def _delay(node: Node, shape: Shape, told: Told) -> Any:
    value = node.number("delay")
    if np.ndim(value):
        raise node.error(f"delay={shown(value)}: rsnn.Delay has one delay for all; give a node to each")
    # Steps, where the exporter's dt is no number that float64 holds: 0.0003 / 0.0001 is not 3.
    steps = float(value) / told.dt
    near = round(steps) if abs(steps) < 2**30 else steps
    return Delay(near * told.dt if abs(steps - near) <= 1e-5 * max(1.0, abs(steps)) else float(value), dt=told.dt)


LAYERS: dict[str, Callable[[Node, Shape, Told], Any]] = {
    "Affine": _linear,
    "Linear": _linear,
    "Conv1d": _conv,
    "Conv2d": _conv,
    "SumPool2d": _pool,
    "AvgPool2d": _pool,
    "Flatten": _flatten,
    "Scale": _scale,
    "Threshold": _threshold,
    "Delay": _delay,
}

"""The equations of the chips in Python's unbounded integers, one neuron at a time."""

from typing import Any

import numpy as np


class Overrun(Exception):
    """A membrane that does not fit."""


def overflow(u: int, bits: int | None, how: str) -> int:
    if bits is None:
        bits, how = 64, "error"
    half = 1 << (bits - 1)
    if -half <= u < half:
        return u
    if how == "error":
        raise Overrun
    return max(-half, min(u, half - 1)) if how == "saturate" else (u + half) % (2 * half) - half


def neuron(
    x: list[int], v: int, threshold: int, bias: int, v_min: int | None, fire: str, reset: str, bits: int | None, how: str, above: bool
) -> Any:
    """Give spikes, membranes before firing and after the step."""
    spikes, us, vs = [], [], []
    for one in x:
        u = overflow(v + one + bias, bits, how)
        y = u - 1 if above else u
        s = 0 if y < threshold else 1 if fire == "single" else y // threshold
        v = {"subtract": u - s * threshold, "zero": 0 if s else u, "none": u}[reset]
        v = v if v_min is None else max(v, v_min)
        spikes.append(s), us.append(u), vs.append(v)
    return spikes, us, vs


def convolution(x: np.ndarray, weight: np.ndarray, stride: tuple[int, int], padding: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Sum every term over (N, C, H, W) in object arrays; give the sums and the synaptic operations."""
    x = np.pad(x.astype(object), ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    weight = weight.astype(object)
    kernel = weight.shape[2:]
    rows, columns = ((n - k) // s + 1 for n, k, s in zip(x.shape[2:], kernel, stride, strict=True))
    out = np.zeros((len(x), len(weight), rows, columns), object)
    operations = 0
    for row in range(rows):
        for column in range(columns):
            window = x[:, :, row * stride[0] :, column * stride[1] :][:, :, : kernel[0], : kernel[1]]
            out[:, :, row, column] = np.einsum("nchw,ochw->no", window, weight)
            operations += len(weight) * int(np.abs(window).sum())
    return out, operations

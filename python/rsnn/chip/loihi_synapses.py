"""The synapses of Loihi as Lava's CPU models have them: weights cut to what the chip holds, sums exact, one step later."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.arguments import choice, shown
from rsnn.errors import InvalidValueError
from rsnn.threads import resolve

from .integers import Array, blocks, empty, integer, integers, pair, whole_array

SIGNS = ("mixed", "excitatory", "inhibitory")
_MOST_EXPONENT = 31


def truncate(weight: Array, num_weight_bits: int, sign_mode: str | None) -> npt.NDArray[np.int64]:
    """Cut weights to the chip's bits and sign mode."""
    if sign_mode is None:
        positive, negative = bool(np.all(weight >= 0)), bool(np.all(weight <= 0))
        sign_mode = "excitatory" if positive else "inhibitory" if negative else "mixed"
    mixed = sign_mode == "mixed"
    w = -weight if sign_mode == "inhibitory" else weight
    w = np.clip(w, -256 if mixed else 0, 255)
    lost = 8 - num_weight_bits + (1 if mixed else 0)
    w = (w >> lost) << lost
    return np.asarray(-w if sign_mode == "inhibitory" else w, np.int64)


@dataclass(frozen=True, eq=False)
class Dense:
    """Synapses of Loihi, all to all; runs in `rsnn.chip.loihi.dense` and in `rsnn.chip.loihi.network`.

    Parameters
    ----------
    weight, num_weight_bits, weight_exp, num_message_bits, sign_mode
        As of `rsnn.chip.loihi.dense`.

    Attributes
    ----------
    used : integer array, (out, in)
        The weights as the chip holds them.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.chip.loihi.Dense([[3, -5]]).used.tolist()
    [[2, -6]]
    """

    weight: Any
    num_weight_bits: int = 8
    weight_exp: int = 0
    num_message_bits: int = 0
    sign_mode: str | None = None
    used: npt.NDArray[np.int64] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Check and cut the weights."""
        weight = integers("weight", self.weight)
        if weight.ndim != 2:
            raise InvalidValueError(f"weight has shape {weight.shape}: must be (outputs, inputs)")
        if self.sign_mode is not None:
            choice("sign_mode", self.sign_mode, SIGNS)
        for name, low, high in (("num_weight_bits", 0, 8), ("weight_exp", -_MOST_EXPONENT, _MOST_EXPONENT), ("num_message_bits", 0, 32)):
            object.__setattr__(self, name, integer(name, getattr(self, name), low, high))
        used = truncate(weight, self.num_weight_bits, self.sign_mode)
        used.setflags(write=False)
        object.__setattr__(self, "used", used)

    @property
    def graded(self) -> bool:
        """Whether messages carry a number."""
        return self.num_message_bits != 0

    def sums(self, x: Array, threads: int, weight: Array | None = None) -> Array:
        """Give the shifted sums of ``(..., in)``, without delay."""
        total = product(x, self.used if weight is None else weight, self.graded, threads)
        return shifted(total, self.weight_exp)


def shifted(total: Array, exponent: int) -> Array:
    """Multiply by a power of two; downwards where it is negative."""
    if exponent > 0 and total.size and max(int(total.max()), -int(total.min())) > (2**63 - 1) >> exponent:
        raise InvalidValueError(f"weight_exp={exponent}: a sum of {int(np.abs(total).max())} would leave 64 bits; use smaller values")
    return total << exponent if exponent > 0 else total >> -exponent


def product(x: Array, weight: Array, graded: bool, threads: int) -> npt.NDArray[np.int64]:
    """Give the exact sums of ``(..., in)``."""
    flat = x.reshape(math.prod(x.shape[:-1]), x.shape[-1]) if x.ndim > 1 else x
    out = empty("x", (len(flat), len(weight)), np.dtype(np.int64))
    if out.size:
        for cut, block in blocks("x", flat):
            events = block if graded else (block != 0).view(np.uint8)
            _rsnn.integer_product(
                events[:, :, None, None],
                weight[:, :, None, None],
                out[cut][:, :, None, None],
                stride=(1, 1),
                padding=(0, 0),
                threads=threads,
            )
    return out.reshape(*x.shape[:-1], len(weight))


def later(a: Array, steps: int) -> Array:
    """Delay along time; zeros come first."""
    out = np.zeros_like(a)
    if steps < len(a):
        out[steps:] = a[: len(a) - steps]
    return out


def _taken(x: Any, inputs: int) -> Array:
    array = whole_array("x", x)
    if array.ndim not in (2, 3) or array.shape[-1] != inputs:
        raise InvalidValueError(f"x has shape {array.shape}: must be (T, {inputs}) or (T, batch, {inputs})")
    return array


def dense(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    *,
    num_weight_bits: int = 8,
    weight_exp: int = 0,
    num_message_bits: int = 0,
    sign_mode: str | None = None,
    delay: int = 1,
    threads: int | None = None,
) -> Array:
    """Send spikes through Lava's fixed-point dense synapses.

    The weights are cut to what the chip holds, the sum is shifted, and it arrives one step later::

        w = weight, negated where inhibitory, clipped to 0 ... 255, or -256 ... 255 where mixed
        w = (w >> k) << k,  k = 8 - num_weight_bits, one more where mixed; negated back
        a(t + 1) = sum << weight_exp, or sum >> -weight_exp;   sum = w [x(t) != 0], or w x(t) where messages are graded

    Parameters
    ----------
    x : array_like of integers, (T, n) or (T, B, n)
        Spikes, or with `num_message_bits` graded messages. Never modified.
    weight : array_like of integers, (O, n)
    num_weight_bits : int, 0 to 8, default 8
    weight_exp : int, -31 to 31, default 0
    num_message_bits : int, 0 to 32, default 0
        0: messages are spikes. Otherwise their value counts; it is not cut to those bits, as Lava does not.
    sign_mode : {"mixed", "excitatory", "inhibitory"}, optional
        By default excitatory where no weight is negative, inhibitory where none is positive, otherwise mixed.
    delay : int, at least 0, default 1
        Steps until the sum arrives. On the chip, and in Lava, 1.
    threads : int, optional

    Returns
    -------
    integer array (T, [B,] O), int64
        What arrives, for `lif`. What the last steps sent is still on its way and is lost; `network` keeps it.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted; the message says what is.

    Notes
    -----
    Verified against lava-nc 0.10.0: 30 cases, every step. Whether the chip shifts the sum or each weight is not known.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.chip.loihi.dense([[1, 1], [0, 2], [0, 0]], [[3, -5]]).tolist()
    [[0], [-4], [-6]]
    """
    synapses = Dense(weight, num_weight_bits, weight_exp, num_message_bits, sign_mode)
    steps, workers = integer("delay", delay, 0), resolve(threads)
    return later(synapses.sums(_taken(x, synapses.used.shape[1]), workers), steps)


def delay_dense(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    delays: npt.ArrayLike,
    *,
    num_weight_bits: int = 8,
    weight_exp: int = 0,
    num_message_bits: int = 0,
    sign_mode: str | None = None,
    threads: int | None = None,
) -> Array:
    """Send spikes through Lava's dense synapses with a delay for each.

    As `dense`, with the sum of each delay shifted by itself before they meet: a negative `weight_exp` rounds each of them down.

    Parameters
    ----------
    x, weight, num_weight_bits, weight_exp, num_message_bits, sign_mode, threads
        As of `dense`.
    delays : array_like of integers, (O, n)
        0 to 63 steps, on top of the one that every message takes.

    Returns
    -------
    integer array (T, [B,] O), int64

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted; the message says what is.

    Notes
    -----
    Verified against lava-nc 0.10.0 (``DelayDense``): 12 cases, every step.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.chip.loihi.delay_dense([[1, 1], [0, 0], [0, 0]], [[3, 5]], [[0, 1]]).tolist()
    [[0], [3], [5]]
    """
    synapses, workers = Dense(weight, num_weight_bits, weight_exp, num_message_bits, sign_mode), resolve(threads)
    wait = integers("delays", delays)
    if wait.shape != synapses.used.shape or (wait.size and (wait.min() < 0 or wait.max() > 63)):
        raise InvalidValueError(f"delays={shown(wait)}: must be from 0 to 63, one for each weight, of shape {synapses.used.shape}")
    array = _taken(x, synapses.used.shape[1])
    total = np.zeros((*array.shape[:-1], len(synapses.used)), np.int64)
    for one in np.unique(wait):
        total += later(synapses.sums(array, workers, np.where(wait == one, synapses.used, 0)), int(one) + 1)
    return total


def conv(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    *,
    stride: Any = 1,
    padding: Any = 0,
    num_message_bits: int = 0,
    delay: int = 1,
    threads: int | None = None,
) -> Array:
    """Send spikes through Lava's fixed-point convolution.

    A true convolution: the kernel is turned round in both axes. The sums wrap in 24 bits and arrive one step later::

        a(t + 1)[x, y, o] = sum over i, j, c of weight[o, -i, -j, c] input(t)[x stride + i - padding, y stride + j - padding, c]

    Parameters
    ----------
    x : array_like of integers, (T, X, Y, C) or (T, B, X, Y, C)
        Spikes, or with `num_message_bits` graded messages. Never modified.
    weight : array_like of integers, (O, kx, ky, C)
        Taken as they are: the CPU model neither clips nor cuts them, and has no ``weight_exp``.
    stride, padding : int or pair of int
    num_message_bits : int, 0 to 32, default 0
        0: messages are spikes. Otherwise their value counts.
    delay : int, at least 0, default 1
    threads : int, optional

    Returns
    -------
    integer array (T, [B,] X', Y', O), int64

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted; the message says what is.

    Notes
    -----
    Verified against lava-nc 0.10.0: 10 cases, every step. No groups and no dilation.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> x = np.zeros((2, 2, 2, 1), int)
    >>> x[0, 0, 0] = 1
    >>> rsnn.chip.loihi.conv(x, np.array([[1, 2], [3, 4]])[None, :, :, None])[1].tolist()
    [[[4]]]
    """
    weights = integers("weight", weight)
    if weights.ndim != 4 or 0 in weights.shape[1:3]:
        raise InvalidValueError(f"weight has shape {weights.shape}: must be (outputs, kernel x, kernel y, channels)")
    step, pad, wait, workers = pair("stride", stride, 1), pair("padding", padding, 0), integer("delay", delay, 0), resolve(threads)
    graded = integer("num_message_bits", num_message_bits, 0, 32) != 0
    array = whole_array("x", x)
    if array.ndim not in (4, 5) or array.shape[-1] != weights.shape[3]:
        raise InvalidValueError(
            f"x has shape {array.shape}: must be (T, X, Y, {weights.shape[3]}), or (T, batch, X, Y, {weights.shape[3]})"
        )
    sizes = [n + 2 * p - k for n, p, k in zip(array.shape[-3:-1], pad, weights.shape[1:3], strict=True)]
    if min(sizes) < 0:
        raise InvalidValueError(f"weight: the kernel {weights.shape[1:3]} is larger than the map {array.shape[-3:-1]} with padding {pad}")
    rows, columns = (size // one + 1 for size, one in zip(sizes, step, strict=True))
    turned = np.ascontiguousarray(weights[:, ::-1, ::-1].transpose(0, 3, 1, 2))
    flat = array.reshape(math.prod(array.shape[:-3]), *array.shape[-3:])
    out = empty("x", (len(flat), len(weights), rows, columns), np.dtype(np.int64))
    if out.size:
        for cut, block in blocks("x", flat.transpose(0, 3, 1, 2)):
            events = block if graded else (block != 0).view(np.uint8)
            _rsnn.integer_product(events, turned, out[cut], stride=step, padding=pad, threads=workers)
    half = 1 << 23
    wrapped = ((out + half) & (2 * half - 1)) - half
    return later(np.ascontiguousarray(wrapped.transpose(0, 2, 3, 1)).reshape(*array.shape[:-3], rows, columns, len(weights)), wait)

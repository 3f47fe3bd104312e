"""From floats to the integers of a DynapCNN core: one scale for everything in a layer, as sinabs 3.1.3 computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import array_of, is_tensor, shown
from rsnn.errors import InvalidTypeError, InvalidValueError

from .mapping import LOWEST, STATE_BITS, WEIGHT_BITS

if TYPE_CHECKING:
    from .options import Options

BITS = {"weight": WEIGHT_BITS, "bias": WEIGHT_BITS, "v_threshold": STATE_BITS, "state": STATE_BITS}
"""Bits of each quantity on the chip; the lower clip has those of the threshold."""


@dataclass(frozen=True, eq=False)
class Discretized:
    """A layer in the integers of the chip.

    Attributes
    ----------
    weight : int8 array, of the shape that came
    bias : int8 array or None
    v_threshold : int
    v_min : int
    state : int16 array or None
    scale : float
        What everything was multiplied by.
    problems : tuple of str
        Why the layer cannot work, in sentences; empty where it can.
    """

    weight: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int8] | None
    v_threshold: int
    v_min: int
    state: npt.NDArray[np.int16] | None
    scale: float
    problems: tuple[str, ...] = ()


def discretize(weight: npt.ArrayLike, bias: Any = None, *, v_threshold: Any, v_min: Any = None, state: Any = None) -> Discretized:
    """Quantise a layer as sinabs does: one scale for everything in it, since a core has one threshold.

    In float32, for signed values of ``bits`` bits, ``lo = -2**(bits-1)`` and ``hi = 2**(bits-1) - 1``::

        scale(x, bits) = |(1 / max x) hi|   where |min x| <= |max x| |lo / hi|,   else |(1 / min x) lo|
        s = min(scale(weight, 8), scale(bias, 8), scale([v_min, v_threshold], 16), scale(state, 16))
        q = round_half_to_even(x s)

    Parameters
    ----------
    weight : array_like of float
        Any shape; finite. Computed in float32.
    bias : array_like of float, optional
    v_threshold : float
        Positive.
    v_min : float, optional
        The lower clip. None: none of its own, so the lowest value of the chip, -32768, after scaling. (sinabs takes -32768 before
        scaling, which makes the scale 1 and most weights 0.)
    state : array_like of float, optional
        Membranes to start from.

    Returns
    -------
    Discretized
        Its ``problems`` say where rounding left nothing to compute with: all weights 0, or a threshold of 0.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        NaN or infinity, a threshold that is not positive, values too small to scale.

    Notes
    -----
    Verified against sinabs 3.1.3 (``sinabs/backend/dynapcnn/discretize.py``): 48 layers of the golden data, equal.

    Examples
    --------
    >>> import rsnn
    >>> q = rsnn.chip.dynapcnn.discretize([[0.5, -0.25, 0.1]], v_threshold=1.0, v_min=-1.0)
    >>> q.weight.tolist(), q.v_threshold, q.v_min, q.scale
    ([[127, -64, 25]], 254, -254, 254.0)
    """
    return within_scale(weight, bias, v_threshold, v_min, state)


def within_scale(
    weight: Any,
    bias: Any,
    v_threshold: Any,
    v_min: Any,
    state: Any = None,
    limit: float | None = None,
    options: Options | None = None,
    importance: Any = None,
) -> Discretized:
    """Quantise as `discretize`, at a scale of at most `limit`, with other options for weights; their errors count by `importance`."""
    threshold = _number("v_threshold", v_threshold)
    clip = None if v_min is None else _number("v_min", v_min)
    if threshold <= 0:
        raise InvalidValueError(f"v_threshold={float(threshold)}: must be positive")
    weights = _floats("weight", weight)
    biases = None if bias is None else _floats("bias", bias)
    membranes = None if state is None else _floats("state", state)
    parts = {"weight": weights, "v_threshold": np.stack([threshold] if clip is None else [clip, threshold])}
    parts |= {name: values for name, values in (("bias", biases), ("state", membranes)) if values is not None}
    bits = BITS if options is None else BITS | {"weight": options.weight_bits}
    top = (1 << (bits["weight"] - 1)) - 1
    scales = {name: _scale(values, bits[name]) for name, values in parts.items()}
    if options is not None and options.scale != "max" and weights.size:
        scales["weight"] = _optional(options, weights, top, threshold, importance, scales["weight"])
    by = min(scales, key=lambda name: scales[name])
    if limit is not None and limit < scales[by]:
        by, scales["limit"] = "limit", np.float32(limit)
    scale = scales[by]
    if not np.isfinite(scale):
        raise InvalidValueError(
            f"weight, v_threshold: the values are too small to scale in float32 (v_threshold={float(threshold)}); multiply all of them"
        )

    def q(values: Any) -> Any:
        return np.rint(values * scale) if options is None else options.round(values * scale)

    whole = np.clip(q(weights), -top - 1, top)
    theta = int(q(threshold))
    makes = "the calibration" if by == "limit" else f"{by} ({_largest(parts[by]):.4g})"
    makes += f" makes the scale {float(scale):.4g}; reduce it"
    problems = []
    if weights.any() and not whole.any():
        problems.append(
            f"every weight becomes 0: the largest is {_largest(weights):.4g}, and {makes}, or scale the weights of the layer up"
        )
    if theta < 1:
        problems.append(f"v_threshold={float(threshold):.4g} becomes 0: {makes} to less than {2 * top} thresholds")
    return Discretized(
        whole.astype(np.int8),
        None if biases is None else q(biases).astype(np.int8),
        theta,
        LOWEST if clip is None else int(q(clip)),
        None if membranes is None else q(membranes).astype(np.int16),
        float(scale),
        tuple(problems),
    )


def _optional(options: Options, weights: Any, top: int, threshold: Any, importance: Any, largest: np.float32) -> np.float32:
    """Give the scale of weights that the options ask for, or that of the largest where they ask for none."""
    counted = None if importance is None else np.broadcast_to(importance, weights.shape).reshape(1, -1)
    found = options.scales(weights.reshape(1, -1), -top - 1, top, threshold, counted)[0]
    return np.float32(found) if np.isfinite(found) else largest


def _floats(name: str, value: Any) -> npt.NDArray[np.float32]:
    if is_tensor(value):
        raise InvalidTypeError(f"{name}: a torch tensor; numpy arrays are accepted here: use {name}.detach().numpy()")
    array = array_of(name, value)
    if array.dtype.kind not in "fiu":
        raise InvalidTypeError(f"{name}: {array.dtype} came; accepted are real numbers")
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    if not np.isfinite(single).all():
        raise InvalidValueError(f"{name}: NaN, infinity or more than float32 holds; give finite numbers")
    return single


def _number(name: str, value: Any) -> npt.NDArray[np.float32]:
    """Check what a core has one of."""
    single = _floats(name, value)
    if single.ndim:
        raise InvalidValueError(
            f"{name}={shown(single)}: a core has one for all its neurons; give a single number, or one layer for each value"
        )
    return single


def _largest(values: Any) -> float:
    return float(np.abs(values).max())


def _scale(values: npt.NDArray[np.float32], bits: int) -> np.float32:
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if not values.size:
        return np.float32(np.inf)
    least, most = values.min(), values.max()
    # The reciprocal first, then the product: two roundings, as the rule is written.
    with np.errstate(divide="ignore", over="ignore"):
        if abs(least) <= abs(most) * np.float32(-low / high):
            return np.float32(abs((np.float32(1) / most) * np.float32(high)))
        return np.float32(abs((np.float32(1) / least) * np.float32(low)))

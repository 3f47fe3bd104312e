"""The exponential, the same bits in Rust and over any array namespace, within 2 units in the last place.

::

    x  is kept within +-170 (float32) or +-1400 (float64); NaN stays NaN
    n  = x log2(e), rounded to the nearest whole number, ties to even
    r  = (x - n ln2_hi) - n ln2_lo
    p  = 1 + r (1 + r (1/2 + r (1/6 + ...)))        to r^7 (float32) or r^13 (float64), multiply then add
    h  = floor(n / 2);   exp = (p 2^h) 2^(n - h)    two powers, so that results below the normal range are reached too
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

Array = Any


class _Float(NamedTuple):
    """What the exponential needs to know of a float type; each number is rounded to it where it meets the data."""

    limit: float
    log2_e: float
    ln2_hi: float
    ln2_lo: float
    degree: int
    whole: str
    """The integers of the same width."""
    bias: int
    digits: int


_FLOATS = {
    "float32": _Float(170.0, 1.44269504, 0.693359375, -2.12194440e-4, 7, "int32", 127, 23),
    "float64": _Float(1400.0, 1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10, 13, "int64", 1023, 52),
}


def exp(x: Array, xp: Any) -> Array:
    """Give e to the power x.

    Parameters
    ----------
    x : array of float32 or float64
    xp : numpy or torch

    Examples
    --------
    >>> import numpy as np
    >>> exp(np.array([0.0, -np.inf, np.log(2.0)]), np).tolist()
    [1.0, 0.0, 2.0]
    """
    kind = _FLOATS[str(x.dtype).removeprefix("torch.")]
    x = xp.where(x < -kind.limit, xp.full_like(x, -kind.limit), x)
    x = xp.where(x > kind.limit, xp.full_like(x, kind.limit), x)
    n = xp.round(x * kind.log2_e)
    r = (x - n * kind.ln2_hi) - n * kind.ln2_lo
    p = xp.full_like(r, 1.0 / math.factorial(kind.degree))
    for k in range(kind.degree - 1, -1, -1):
        p = p * r + 1.0 / math.factorial(k)
    n = xp.where(n == n, n, xp.zeros_like(n))  # p is NaN where n was
    half = xp.floor(n * 0.5)
    return (p * _power_of_two(half, kind, xp)) * _power_of_two(n - half, kind, xp)


def _power_of_two(n: Array, kind: _Float, xp: Any) -> Array:
    """Write n, a whole number, where a float has its exponent."""
    whole = xp.asarray(n, dtype=getattr(xp, kind.whole))
    return ((whole + kind.bias) << kind.digits).view(n.dtype)

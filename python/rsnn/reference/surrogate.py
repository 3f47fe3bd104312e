"""The slopes of the surrogates that the kernels have, over any array namespace: the twin of ``rust/neurons/src/surrogate.rs``.

Every operation is rounded on its own, in the order written; the numbers are rounded to the dtype of the data first.
``y = v - theta`` and ``a = |y|``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .exponential import exp as polynomial

Array = Any


class Curve:
    """What a form is written with: the membrane, the threshold, their difference, and the numbers in the dtype of the data."""

    def __init__(self, numbers: Sequence[float], v: Array, theta: Array, xp: Any, exp: Callable[[Array], Array] | None) -> None:
        self.v, self.theta, self.y, self.xp = v, theta, v - theta, xp
        self.exp = exp or (lambda x: polynomial(x, xp))
        self.numbers = [self.number(each) for each in numbers]
        self.zero, self.one = self.number(0.0), self.number(1.0)

    def number(self, value: float) -> Array:
        """Round a number to the dtype of the data."""
        return self.xp.asarray(value, dtype=self.y.dtype)

    def where(self, test: Array, yes: Array, no: Array) -> Array:
        """Choose, entry by entry."""
        return self.xp.where(test, yes, no)

    def atan(self, p: Array, k: Array) -> Array:
        """``p / (1 + (k y)^2)``."""
        q = self.y * k
        return p / (self.one + q * q)

    def fast_sigmoid(self, p: Array, k: Array) -> Array:
        """``p / (1 + k a)^2``."""
        q = self.xp.abs(self.y) * k + self.one
        return p / (q * q)

    def sigmoid(self, p: Array, k: Array) -> Array:
        """``p e / (1 + e)^2``, ``e = exp(-k a)``."""
        e = self.exp(-(self.xp.abs(self.y) * k))
        q = e + self.one
        return (e / (q * q)) * p

    def laplace(self, p: Array, k: Array, c: Array) -> Array:
        """``p exp(-k |y - c|)``."""
        return self.exp(-(self.xp.abs(self.y - c) * k)) * p

    def exponential(self, p: Array, width: Array) -> Array:
        """``p / (width theta) exp(-a / (width theta))``."""
        w = self.theta * width
        return self.exp(-(self.xp.abs(self.y) / w)) * (p / w)

    def periodic_exponential(self, p: Array, width: Array) -> Array:
        """``p exp(-|d| / width)``, d = y where v < theta, else ``theta (2 frac(v / theta - 1/2) - 1)``."""
        turns = self.v / self.theta - self.number(0.5)
        part = turns - self.xp.floor(turns)
        folded = self.theta * ((part + part) - self.one)
        away = self.where(self.v < self.theta, self.y, folded)
        return self.exp(-(self.xp.abs(away) / width)) * p

    def _gaussian(self, y: Array, p: Array, k: Array) -> Array:
        q = y * k
        return self.exp(-(q * q)) * p

    def gaussian(self, p: Array, k: Array, c: Array) -> Array:
        """``p exp(-(k (y - c))^2)``."""
        return self._gaussian(self.y - c, p, k)

    def multi_gaussian(self, p: Array, k: Array, c: Array, q: Array, l: Array, d: Array) -> Array:  # noqa: E741
        """``p exp(-(k (y - c))^2) - q exp(-(l (y - d))^2) - q exp(-(l (y + d))^2)``."""
        return (self._gaussian(self.y - c, p, k) - self._gaussian(self.y - d, q, l)) - self._gaussian(self.y + d, q, l)

    def triangle(self, p: Array, k: Array) -> Array:
        """``max(0, p - k a)``."""
        h = p - self.xp.abs(self.y) * k
        return self.where(h < 0, self.zero, h)

    def boxcar(self, p: Array, half: Array, outside: Array) -> Array:
        """Give p where ``a < half``, else `outside`."""
        return self.where(self.xp.abs(self.y) < half, p, outside)

    def sides(self, below: Array, at: Array, above: Array) -> Array:
        """Give one number below the threshold, one at it, one above."""
        return self.where(self.y < 0, below, self.where(self.y > 0, above, at))

    def window(self, p: Array, width: Array) -> Array:
        """``p / theta`` where ``v >= theta - width``, else 0."""
        return self.where(self.v >= self.theta - width, p / self.theta, self.zero)

    def circ(self, p: Array, square: Array) -> Array:
        """``p / (square + y^2)^(3/2)``."""
        r = self.y * self.y + square
        return p / (r * self.xp.sqrt(r))

    def sparse_fast_sigmoid(self, p: Array, k: Array, above: Array) -> Array:
        """``p / (1 + k a)^2`` where ``y > above``, else 0."""
        return self.where(self.y > above, self.fast_sigmoid(p, k), self.zero)

    def reciprocal(self, p: Array, k: Array) -> Array:
        """``p / (1 + k a)``."""
        return p / (self.xp.abs(self.y) * k + self.one)

    def s2nn(self, p: Array, k: Array, q: Array) -> Array:
        """Give the sigmoid's slope below the threshold, ``q / (y + 1)`` above."""
        return self.where(self.y < 0, self.sigmoid(p, k), q / (self.y + self.one))

    def capped_reciprocal(self, p: Array, cap: Array) -> Array:
        """``min(p / a, cap)``."""
        h = p / self.xp.abs(self.y)
        return self.where(h > cap, cap, h)

    def log_tail(self, below: Array, p: Array) -> Array:
        """Give `below` up to the threshold, p up to 1 beyond, then ``p / y``."""
        return self.where(self.y <= 0, below, self.where(self.y > 1, p / self.y, p))


def slope(form: str, numbers: Sequence[float], v: Array, theta: Array, xp: Any = np, exp: Callable[[Array], Array] | None = None) -> Array:
    """Evaluate a form.

    Parameters
    ----------
    form : the name of a method of `Curve`, by which the kernels know it too
    numbers : its numbers
    v, theta : the membrane and the threshold, arrays of one dtype
    xp : numpy or torch
    exp : the exponential; a hook for gradients gives it its own value as its derivative

    Examples
    --------
    >>> slope("fast_sigmoid", (1.0, 1.0), np.array([1.0, 2.0]), np.array(1.0)).tolist()
    [1.0, 0.25]
    """
    curve = Curve(numbers, v, theta, xp, exp)
    value: Array = getattr(curve, form)(*curve.numbers)
    return value

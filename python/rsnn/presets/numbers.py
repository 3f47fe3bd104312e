"""Numbers as the libraries form them, and the same formulas for gradients.

A library holds a number as a float32 tensor or as a Python float, and what it derives from one is rounded accordingly. A `Number` is both:
the value with the library's own rounding, which a run uses, and the formula, which tells how the value moves with the arguments.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import array_of, fitting, real, shown, within
from rsnn.stages.stage import ANY, POSITIVE

if TYPE_CHECKING:
    from rsnn.stages.stage import Range

Array = npt.NDArray[Any]
Formula = Callable[[Mapping[str, Any], Any], Any]


class Number:
    """A number, by value and by formula.

    Parameters
    ----------
    value : float32 or float64 array, as the library holds it: float32 stands for a tensor, float64 for a Python float
    formula : the number from a mapping of arguments, by name, over a namespace with exp and log
    given : the value of each argument that the formula reads
    ranges : the closed range of each of them
    argument : the argument that it is, unless something was done to it
    """

    def __init__(
        self, value: Array, formula: Formula, given: Mapping[str, Array], ranges: Mapping[str, Range], argument: str | None = None
    ) -> None:
        self.value, self.formula, self.given, self.ranges, self.argument = value, formula, given, ranges, argument

    @staticmethod
    def of(name: str, value: Any) -> Number:
        """Make one of an argument: float32 stays float32, everything else is a Python float."""
        kind = np.float32 if array_of(name, value).dtype == np.float32 else np.float64
        array = np.asarray(real(name, value), kind)
        array.setflags(write=False)
        return Number(array, lambda p, xp: p[name], {name: array}, {name: ANY}, name)

    def __repr__(self) -> str:
        return shown(real("", self.value))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Give the value."""
        return np.array(self.value, dtype, copy=copy)

    def single(self) -> Number:
        """Hold it as a float32 tensor."""
        return self._valued(self.value.astype(np.float32))

    def double(self) -> Number:
        """Hold it in double precision."""
        return self._valued(self.value.astype(np.float64))

    def clamped(self, low: float, high: float) -> Number:
        """Hold it between two values, where its argument is to stay as well."""
        return self._valued(np.clip(self.value, low, high)).ranging(low, high)

    def held(self, low: float, high: float, hint: str = "") -> Number:
        """Refuse an argument outside a range, in which it is to stay."""
        for name in self.ranges:
            within(name, real(name, self.value), low, high, hint)
        return self.ranging(low, high)

    def ranging(self, low: float, high: float) -> Number:
        """Say in what range its arguments are to stay."""
        ranges = {name: (max(low, own[0]), min(high, own[1])) for name, own in self.ranges.items()}
        return Number(self.value, self.formula, self.given, ranges, self.argument)

    def valued(self, value: Number) -> Number:
        """Take another's value, which the library formed of it with an exponential or logarithm of its own."""
        return self._valued(value.value)

    def _valued(self, value: Array) -> Number:
        given = self.given if self.argument is None else {self.argument: value}
        return Number(value, self.formula, given, self.ranges, self.argument)

    def __neg__(self) -> Number:
        return Number(-self.value, lambda p, xp: -self.formula(p, xp), self.given, self.ranges)

    def __add__(self, other: Any) -> Number:
        return _join(operator.add, self, other)

    def __radd__(self, other: Any) -> Number:
        return _join(operator.add, other, self)

    def __sub__(self, other: Any) -> Number:
        return _join(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Number:
        return _join(operator.sub, other, self)

    def __mul__(self, other: Any) -> Number:
        return _join(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Number:
        return _join(operator.mul, other, self)

    def __truediv__(self, other: Any) -> Number:
        return _join(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Number:
        return _join(operator.truediv, other, self)


def _join(function: Callable[[Any, Any], Any], a: Any, b: Any) -> Number:
    """Join two numbers, one of which may be a Python float: in float32 if one of them is, else in float64, rounded once."""
    numbers = [x for x in (a, b) if isinstance(x, Number)]
    kind = np.float32 if any(x.value.dtype == np.float32 for x in numbers) else np.float64
    if len(numbers) == 2:
        fitting(", ".join(a.given), a.value, ", ".join(b.given), b.value)
    values = [x.value.astype(kind) if isinstance(x, Number) else kind(x) for x in (a, b)]
    formulas = [x.formula if isinstance(x, Number) else (lambda p, xp, x=x: x) for x in (a, b)]
    given: dict[str, Array] = {}
    ranges: dict[str, Range] = {}
    for number in numbers:
        given |= number.given
        for name, (low, high) in number.ranges.items():
            own = ranges.get(name, ANY)
            ranges[name] = (max(low, own[0]), min(high, own[1]))
    with np.errstate(all="ignore"):  # what comes of numbers out of range is refused where the neuron is made
        value = np.asarray(function(*values), kind)
    return Number(value, lambda p, xp: function(formulas[0](p, xp), formulas[1](p, xp)), given, ranges)


def exp(number: Number) -> Number:
    """Give the exponential, formed in double precision and rounded once."""
    return _apply("exp", number)


def log(number: Number) -> Number:
    """Give the natural logarithm, formed in double precision and rounded once."""
    return _apply("log", number)


def _apply(function: str, number: Number) -> Number:
    with np.errstate(all="ignore"):
        value = getattr(np, function)(number.value.astype(np.float64))
    return Number(
        np.asarray(value, number.value.dtype), lambda p, xp: getattr(xp, function)(number.formula(p, xp)), number.given, number.ranges
    )


def decay(tau: Number) -> Number:
    """Give ``exp(-1 / tau)`` in float32: the quotient is rounded, as in sinabs."""
    return exp(-1.0 / tau.held(*POSITIVE).single())

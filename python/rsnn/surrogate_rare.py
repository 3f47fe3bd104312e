"""Surrogates that one library has, and any Python callable as one: the rest of `rsnn.surrogate`, which has them by name too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import Any

import numpy as np

from .arguments import is_tensor, shown
from .errors import InvalidTypeError, InvalidValueError
from .surrogate_base import Surrogate


@dataclass(frozen=True, repr=False)
class Laplace(Surrogate):
    """A two-sided exponential: ``h(y) = peak exp(-|y - centre| / width)``.

    Area 2 peak width. ``PiecewiseExp`` of SpikingJelly, and ``spike_rate_escape`` of snnTorch, whose centre is 1.

    Parameters
    ----------
    width : float, default 1.0
    peak : float, default 1.0
    centre : float, default 0.0

    Examples
    --------
    >>> Laplace(width=0.5).numpy([0.0, 0.5]).round(4).tolist()
    [1.0, 0.3679]
    """

    width: float = 1.0
    peak: float = 1.0
    centre: float = 0.0

    form = "laplace"
    _signed = ("centre",)

    def _numbers(self) -> tuple[float, ...]:
        return self.height * self.peak, 1 / self.width, self.centre

    def _area(self) -> float:
        return 2 * self.peak * self.width


@dataclass(frozen=True, repr=False)
class Sides(Surrogate):
    """One number below the threshold, one at it, one above: area infinite.

    ``triangular`` (t, -t, -t) and ``heaviside`` (0, 0, 1) of snnTorch, ``LeakyKReLU`` of SpikingJelly.

    Parameters
    ----------
    below, at, above : float, default 0.0, 0.0, 1.0

    Examples
    --------
    >>> Sides().numpy([-1.0, 0.0, 1.0]).tolist()
    [0.0, 0.0, 1.0]
    """

    below: float = 0.0
    at: float = 0.0
    above: float = 1.0

    form = "sides"
    _signed = ("below", "at", "above")

    def _numbers(self) -> tuple[float, ...]:
        return self.height * self.below, self.height * self.at, self.height * self.above


@dataclass(frozen=True, repr=False)
class Window(Surrogate):
    """A step that begins below the threshold: ``h = 1 / theta`` where ``v >= theta - width``, else 0; area infinite.

    ``Heaviside`` of sinabs.

    Parameters
    ----------
    width : float, default 1.0
        How far below the threshold it begins; at least 0.

    Examples
    --------
    >>> Window(0.5).numpy([1.0, 1.5, 4.0], 2.0).tolist()
    [0.0, 0.5, 0.5]
    """

    width: float = 1.0

    form = "window"
    _signed = ("width",)

    def _numbers(self) -> tuple[float, ...]:
        return self.height, self.width


@dataclass(frozen=True, repr=False)
class SparseFastSigmoid(Surrogate):
    """`FastSigmoid` above a bound alone: ``h(y) = 1 / (1 + slope |y|)^2`` where ``y > above``, else 0.

    Peak 1 where the bound is not above the threshold. Perez-Nieves and Goodman 2021; ``SFS`` of snnTorch.

    Parameters
    ----------
    slope : float, default 25.0
        Steepness.
    above : float, default 1.0
        The bound.

    Examples
    --------
    >>> SparseFastSigmoid(1.0, -0.5).numpy([-1.0, 0.0, 1.0]).tolist()
    [0.0, 1.0, 0.25]
    """

    slope: float = 25.0
    above: float = 1.0

    form = "sparse_fast_sigmoid"
    _signed = ("above",)

    def _numbers(self) -> tuple[float, ...]:
        return self.height, self.slope, self.above

    def _area(self) -> float:
        beyond = 1 / (self.slope * (1 + self.slope * abs(self.above)))
        return beyond if self.above >= 0 else 2 / self.slope - beyond


@dataclass(frozen=True, repr=False)
class Reciprocal(Surrogate):
    """``h(y) = alpha / (1 + alpha |y|)``: peak alpha, area infinite. ``NonzeroSignLogAbs`` of SpikingJelly.

    Parameters
    ----------
    alpha : float, default 1.0
        Peak and steepness.

    Examples
    --------
    >>> Reciprocal().numpy([0.0, 1.0]).tolist()
    [1.0, 0.5]
    """

    alpha: float = 1.0

    form = "reciprocal"

    def _numbers(self) -> tuple[float, ...]:
        return self.height * self.alpha, self.alpha


@dataclass(frozen=True, repr=False)
class S2NN(Surrogate):
    """`Sigmoid` below the threshold, ``beta / (y + 1)`` from it on; area infinite.

    Suetake et al. 2022; ``S2NN`` of SpikingJelly.

    Parameters
    ----------
    alpha : float, default 4.0
        Steepness below.
    beta : float, default 1.0
        Value at the threshold.

    Examples
    --------
    >>> S2NN().numpy([0.0, 1.0]).tolist()
    [1.0, 0.5]
    """

    alpha: float = 4.0
    beta: float = 1.0

    form = "s2nn"

    def _numbers(self) -> tuple[float, ...]:
        return self.height * self.alpha, self.alpha, self.height * self.beta


@dataclass(frozen=True, repr=False)
class CappedReciprocal(Surrogate):
    """``h(y) = min(1 / |y|, alpha)``: peak alpha, area infinite. ``FakeNumericalGradient`` of SpikingJelly.

    Parameters
    ----------
    alpha : float, default 0.3
        The cap.

    Examples
    --------
    >>> CappedReciprocal(0.5).numpy([0.0, 4.0]).tolist()
    [0.5, 0.25]
    """

    alpha: float = 0.3

    form = "capped_reciprocal"

    def _numbers(self) -> tuple[float, ...]:
        return self.height, self.height * self.alpha


@dataclass(frozen=True, repr=False)
class LogTail(Surrogate):
    """`alpha` up to the threshold, 1 up to 1 beyond it, then ``1 / y``; area infinite.

    Cai et al. 2017; ``LogTailedReLU`` of SpikingJelly.

    Parameters
    ----------
    alpha : float, default 0.0
        Slope below the threshold.

    Examples
    --------
    >>> LogTail().numpy([-1.0, 0.5, 2.0]).tolist()
    [0.0, 1.0, 0.5]
    """

    alpha: float = 0.0

    form = "log_tail"
    _signed = ("alpha",)

    def _numbers(self) -> tuple[float, ...]:
        return self.height * self.alpha, self.height


@dataclass(frozen=True, repr=False)
class QPseudoSpike(Surrogate):
    """``h(y) = (1 + 2 |y| / (alpha - 1))^-alpha``: peak 1, area 1. Herranz-Celotti and Rouat 2022; of SpikingJelly.

    It needs a power, which the native engine does not have: layers with it run on the torch backend.

    Parameters
    ----------
    alpha : float, default 2.0
        Weight of the tails; above 1.

    Examples
    --------
    >>> QPseudoSpike().numpy([0.0, 0.5]).tolist()
    [1.0, 0.25]
    """

    alpha: float = 2.0

    def __post_init__(self) -> None:
        """Check the parameters."""
        super().__post_init__()
        if self.alpha <= 1:
            raise InvalidValueError(f"alpha={self.alpha!r}: must be above 1")

    def _area(self) -> float:
        return 1.0

    def of(self, v: Any, theta: Any, xp: Any = np, exp: Callable[[Any], Any] | None = None) -> Any:
        """Evaluate at arrays."""
        return self.height * (1 + 2 / (self.alpha - 1) * xp.abs(v - theta)) ** -self.alpha


@dataclass(frozen=True, repr=False)
class SquareWave(Surrogate):
    """The derivative of the first terms of a square wave: ``h(y) = 4 / period sum over k = 1 .. n - 1 of cos((2 k - 1) 2 pi y / period)``.

    Peak 4 (n - 1) / period, its area not defined: the wave goes on. ``SquarewaveFourierSeries`` of SpikingJelly.
    It needs a cosine, which the native engine does not have: layers with it run on the torch backend.

    Parameters
    ----------
    n : int, default 2
        One more than the number of terms; at least 2.
    period : float, default 8.0

    Examples
    --------
    >>> SquareWave().numpy([0.0]).tolist()
    [0.5]
    """

    n: float = 2
    period: float = 8.0

    def __post_init__(self) -> None:
        """Check the parameters."""
        super().__post_init__()
        if self.n < 2 or self.n != int(self.n):
            raise InvalidValueError(f"n={self.n!r}: must be a whole number of at least 2")

    def of(self, v: Any, theta: Any, xp: Any = np, exp: Callable[[Any], Any] | None = None) -> Any:
        """Evaluate at arrays."""
        y = (v - theta) * (2 * pi / self.period)
        total = xp.cos(y)
        for k in range(2, int(self.n)):
            total = total + xp.cos((2 * k - 1) * y)
        return self.height * (4 / self.period) * total


@dataclass(frozen=True, repr=False)
class Custom(Surrogate):
    """Any Python callable as a surrogate; wherever a surrogate is taken, the callable alone will do.

    It is called once a step as ``function(v, theta)`` with two tensors of one shape and dtype: the membrane before its reset and the
    threshold. It returns ``ds/dv``, a tensor of that shape and dtype; ``ds/dtheta`` is the negative of it. The native engine cannot
    call it: layers with it run on the torch backend, one step after another.

    Parameters
    ----------
    function : callable of (v, theta)

    Examples
    --------
    >>> Custom(lambda v, theta: 1 / (1 + abs(v - theta))).numpy([1.0, 2.0], 1.0).tolist()
    [1.0, 0.5]
    """

    function: Callable[[Any, Any], Any] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Check that it can be called."""
        if not callable(self.function) or isinstance(self.function, type):
            raise InvalidTypeError(f"function={shown(self.function)}: must be a callable of (v, theta), such as lambda v, theta: ...")

    def of(self, v: Any, theta: Any, xp: Any = np, exp: Callable[[Any], Any] | None = None) -> Any:
        """Evaluate, and check what was returned."""
        value = self.function(v, theta)
        if not is_tensor(v):
            return self.height * np.asarray(value)
        wanted = f"a tensor of the shape {tuple(v.shape)} and of {v.dtype}, like v"
        if not is_tensor(value):
            raise InvalidTypeError(f"surrogate: the callable {shown(self.function)} returned {type(value).__name__}: must return {wanted}")
        if value.shape != v.shape or value.dtype != v.dtype or value.device != v.device:
            came = f"a tensor of the shape {tuple(value.shape)} and of {value.dtype} on {value.device}"
            raise InvalidValueError(f"surrogate: the callable {shown(self.function)} returned {came}: must return {wanted}, on {v.device}")
        return value if self.height == 1.0 else value * self.height

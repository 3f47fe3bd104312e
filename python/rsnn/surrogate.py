"""Surrogate gradients: what backpropagation uses in place of the derivative of a spike, which is zero wherever it exists.

A surrogate is a function h of the membrane v and the threshold theta (of the step: the adaptive one where the neuron adapts), mostly of
their distance ``y = v - theta`` alone. Training only: the spikes of the forward pass do not depend on it.

Curves of one name differ between libraries by up to 50 times in their area, and the gradients with them, once for every layer.
``normalised()`` gives the same curve scaled to area 1, ``scaled(k)`` times k; `rsnn.presets` has each library's own scaling.
Any Python callable of (v, theta) is accepted where a surrogate is, see `Custom`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, pi, sqrt

from .surrogate_base import Surrogate
from .surrogate_rare import (
    S2NN,
    CappedReciprocal,
    Custom,
    Laplace,
    LogTail,
    QPseudoSpike,
    Reciprocal,
    Sides,
    SparseFastSigmoid,
    SquareWave,
    Window,
)

__all__ = [
    "S2NN",
    "ATan",
    "Boxcar",
    "CappedReciprocal",
    "Circ",
    "Custom",
    "Erfc",
    "Exponential",
    "FastSigmoid",
    "Gaussian",
    "Laplace",
    "LogTail",
    "MultiGaussian",
    "PeriodicExponential",
    "QPseudoSpike",
    "Reciprocal",
    "Sides",
    "Sigmoid",
    "SparseFastSigmoid",
    "SquareWave",
    "StraightThrough",
    "SuperSpike",
    "Surrogate",
    "Tanh",
    "Triangle",
    "Window",
]


@dataclass(frozen=True, repr=False)
class ATan(Surrogate):
    """The derivative of an arctangent: ``h(y) = (alpha / 2) / (1 + (pi / 2 alpha y)^2)``.

    Peak alpha / 2, area 1. Fang et al. 2021; the default of snnTorch, ``ATan`` of SpikingJelly.

    Parameters
    ----------
    alpha : float, default 2.0
        Steepness.

    Examples
    --------
    >>> ATan(2.0).numpy([0.0]).tolist()
    [1.0]
    """

    alpha: float = 2.0

    form = "atan"

    def _numbers(self) -> tuple[float, ...]:
        return self.height * (self.alpha / 2), pi / 2 * self.alpha

    def _area(self) -> float:
        return 1.0


@dataclass(frozen=True, repr=False)
class FastSigmoid(Surrogate):
    """The derivative of a fast sigmoid: ``h(y) = 1 / (1 + slope |y|)^2``.

    Peak 1, area 2 / slope. Zenke and Ganguli 2018; ``fast_sigmoid`` of snnTorch.

    Parameters
    ----------
    slope : float, default 25.0
        Steepness.

    Examples
    --------
    >>> FastSigmoid(1.0).numpy([0.0, 1.0]).tolist()
    [1.0, 0.25]
    """

    slope: float = 25.0

    form = "fast_sigmoid"

    def _numbers(self) -> tuple[float, ...]:
        return self.height, self.slope

    def _area(self) -> float:
        return 2 / self.slope


@dataclass(frozen=True, repr=False)
class SuperSpike(Surrogate):
    """`FastSigmoid` by the name of the rule it comes from: ``h(y) = 1 / (1 + alpha |y|)^2``.

    Peak 1, area 2 / alpha. Zenke and Ganguli 2018; ``super`` of Norse. SpikingJelly's ``SuperSpike`` is alpha / (1 + abs(y))^2, see
    ``rsnn.presets.spikingjelly.surrogate``.

    Parameters
    ----------
    alpha : float, default 100.0
        Steepness.

    Examples
    --------
    >>> SuperSpike(1.0).numpy([0.0, -1.0]).tolist()
    [1.0, 0.25]
    """

    alpha: float = 100.0

    form = "fast_sigmoid"

    def _numbers(self) -> tuple[float, ...]:
        return self.height, self.alpha

    def _area(self) -> float:
        return 2 / self.alpha


@dataclass(frozen=True, repr=False)
class Sigmoid(Surrogate):
    """The derivative of a sigmoid: ``h(y) = slope sg(y) (1 - sg(y))``, ``sg(y) = 1 / (1 + exp(-slope y))``.

    Peak slope / 4, area 1. The default of SpikingJelly; ``sigmoid`` of snnTorch, there with slope 25. Finite for any y.

    Parameters
    ----------
    slope : float, default 4.0
        Steepness.

    Examples
    --------
    >>> Sigmoid(4.0).numpy([0.0]).tolist()
    [1.0]
    """

    slope: float = 4.0

    form = "sigmoid"

    def _numbers(self) -> tuple[float, ...]:
        return self.height * self.slope, self.slope

    def _area(self) -> float:
        return 1.0


@dataclass(frozen=True, repr=False)
class Exponential(Surrogate):
    """A two-sided exponential that widens with the threshold: ``h = scale / w exp(-|y| / w)``, ``w = width theta``.

    Peak scale / (width theta), area 2 scale. Shrestha and Orchard 2018; ``SingleExponential``, the default of sinabs.

    Parameters
    ----------
    width : float, default 0.5
        Width in thresholds.
    scale : float, default 1.0
        Half of the area.

    Examples
    --------
    >>> Exponential().numpy([1.0, 2.0], [1.0, 2.0]).tolist()
    [2.0, 1.0]
    """

    width: float = 0.5
    scale: float = 1.0

    form = "exponential"

    def _numbers(self) -> tuple[float, ...]:
        return self.height * self.scale, self.width

    def _area(self) -> float:
        return 2 * self.scale


@dataclass(frozen=True, repr=False)
class PeriodicExponential(Surrogate):
    """An exponential that comes again at further multiples of the threshold: ``h = scale exp(-|d| / width)``.

    ``d = y`` below the threshold, else ``theta (2 frac(v / theta - 1/2) - 1)``. Peak scale, its area infinite. For neurons that send
    several spikes a step. Weidel and Sheik 2021 (WaveSense); ``PeriodicExponential`` of sinabs.

    Parameters
    ----------
    width : float, default 0.5
        Width, in units of the membrane.
    scale : float, default 1.0
        Peak.

    Examples
    --------
    >>> PeriodicExponential().numpy([1.0, 2.0], 1.0).tolist()
    [1.0, 1.0]
    """

    width: float = 0.5
    scale: float = 1.0

    form = "periodic_exponential"

    def _numbers(self) -> tuple[float, ...]:
        return self.height * self.scale, self.width


def _bell(sigma: float) -> tuple[float, float]:
    """Give peak and steepness of a normal density."""
    return 1 / (sigma * sqrt(2 * pi)), 1 / (sigma * sqrt(2))


@dataclass(frozen=True, repr=False)
class Gaussian(Surrogate):
    """A normal density: ``h(y) = scale / (sigma sqrt(2 pi)) exp(-(y - mu)^2 / (2 sigma^2))``.

    Peak 0.4 scale / sigma, area scale. Yin et al. 2020; ``Gaussian`` of sinabs.

    Parameters
    ----------
    sigma : float, default 0.5
        Standard deviation.
    mu : float, default 0.0
        Mean.
    scale : float, default 1.0
        Area.

    Examples
    --------
    >>> Gaussian(0.5).numpy([0.0]).round(4).tolist()
    [0.7979]
    """

    sigma: float = 0.5
    mu: float = 0.0
    scale: float = 1.0

    form = "gaussian"
    _signed = ("mu",)

    def _numbers(self) -> tuple[float, ...]:
        peak, steep = _bell(self.sigma)
        return self.height * self.scale * peak, steep, self.mu

    def _area(self) -> float:
        return self.scale


@dataclass(frozen=True, repr=False)
class MultiGaussian(Surrogate):
    """A normal density less two wide ones: ``scale ((1 + h) N(y; mu, sigma) - h N(y; sigma, s sigma) - h N(y; -sigma, s sigma))``.

    Peak 0.88 scale by default, area (1 - h) scale; negative at the sides. Yin et al. 2021; ``MultiGaussian`` of sinabs.

    Parameters
    ----------
    sigma : float, default 0.5
        Standard deviation of the middle.
    h : float, default 0.15
        Weight of the sides.
    s : float, default 6.0
        How much wider the sides are.
    mu : float, default 0.0
        Mean of the middle.
    scale : float, default 1.0
        What the whole is multiplied with.

    Examples
    --------
    >>> MultiGaussian().numpy([0.0, 1.5]).round(4).tolist()
    [0.8782, -0.0246]
    """

    sigma: float = 0.5
    h: float = 0.15
    s: float = 6.0
    mu: float = 0.0
    scale: float = 1.0

    form = "multi_gaussian"
    _signed = ("mu",)

    def _numbers(self) -> tuple[float, ...]:
        (peak, steep), (side, wide) = _bell(self.sigma), _bell(self.s * self.sigma)
        total = self.height * self.scale
        return total * (1 + self.h) * peak, steep, self.mu, total * self.h * side, wide, self.sigma

    def _area(self) -> float:
        return self.scale * (1 - self.h)


@dataclass(frozen=True, repr=False)
class Triangle(Surrogate):
    """A triangle: ``h(y) = peak max(0, 1 - |y| / width)``.

    Area peak width. Esser et al. 2016, Bellec et al. 2018 (peak 0.3); ``triangle`` of Norse, ``PiecewiseQuadratic`` of SpikingJelly.

    Parameters
    ----------
    width : float, default 1.0
        How far from the threshold it reaches.
    peak : float, default 1.0
        Its height.

    Examples
    --------
    >>> Triangle().numpy([0.0, 0.5, 2.0]).tolist()
    [1.0, 0.5, 0.0]
    """

    width: float = 1.0
    peak: float = 1.0

    form = "triangle"

    def _numbers(self) -> tuple[float, ...]:
        peak = self.height * self.peak
        return peak, peak / self.width

    def _area(self) -> float:
        return self.peak * self.width


@dataclass(frozen=True, repr=False)
class Boxcar(Surrogate):
    """A box: ``h(y) = peak`` where ``|y| < width / 2``, else `outside`.

    Area peak width, infinite with `outside`. Wu et al. 2018; ``Rect`` and, with `outside`, ``PiecewiseLeakyReLU`` of SpikingJelly.

    Parameters
    ----------
    width : float, default 1.0
        Its whole width.
    peak : float, default 1.0
        Its height.
    outside : float, default 0.0
        What is left of the gradient outside.

    Examples
    --------
    >>> Boxcar(width=1.0).numpy([0.0, 0.25, 0.5]).tolist()
    [1.0, 1.0, 0.0]
    """

    width: float = 1.0
    peak: float = 1.0
    outside: float = 0.0

    form = "boxcar"
    _signed = ("outside",)

    def _numbers(self) -> tuple[float, ...]:
        return self.height * self.peak, self.width / 2, self.height * self.outside

    def _area(self) -> float:
        return inf if self.outside else self.peak * self.width


@dataclass(frozen=True, repr=False)
class StraightThrough(Surrogate):
    """The straight-through estimator: ``h(y) = 1``, its area infinite. Bengio et al. 2013; ``straight_through_estimator`` of snnTorch.

    Examples
    --------
    >>> StraightThrough().numpy([-9.0, 9.0]).tolist()
    [1.0, 1.0]
    """

    form = "sides"

    def _numbers(self) -> tuple[float, ...]:
        return (self.height,) * 3


@dataclass(frozen=True, repr=False)
class Tanh(Surrogate):
    """The derivative of a hyperbolic tangent: ``h(y) = 1 - tanh(slope y)^2``.

    Peak 1, area 2 / slope. ``tanh`` of Norse.

    Parameters
    ----------
    slope : float, default 1.0
        Steepness.

    Examples
    --------
    >>> Tanh().numpy([0.0, 1.0]).round(4).tolist()
    [1.0, 0.42]
    """

    slope: float = 1.0

    form = "sigmoid"  # 1 - tanh(x)^2 = 4 e / (1 + e)^2 with e = exp(-2 |x|)

    def _numbers(self) -> tuple[float, ...]:
        return 4 * self.height, 2 * self.slope

    def _area(self) -> float:
        return 2 / self.slope


@dataclass(frozen=True, repr=False)
class Erfc(Surrogate):
    """The derivative of an error function: ``h(y) = 2 / sqrt(pi) exp(-(slope y)^2)``.

    Peak 1.13, area 2 / slope. ``heavi_erfc`` of Norse; SpikingJelly's ``Erf`` is slope / 2 times this.

    Parameters
    ----------
    slope : float, default 1.0
        Steepness.

    Examples
    --------
    >>> Erfc().numpy([0.0]).round(4).tolist()
    [1.1284]
    """

    slope: float = 1.0

    form = "gaussian"

    def _numbers(self) -> tuple[float, ...]:
        return self.height * 2 / sqrt(pi), self.slope, 0.0

    def _area(self) -> float:
        return 2 / self.slope


@dataclass(frozen=True, repr=False)
class Circ(Surrogate):
    """The derivative of ``y / sqrt(alpha^2 + y^2)``, scaled to peak 1: ``h(y) = alpha^3 / (alpha^2 + y^2)^(3/2)``.

    Area 2 alpha. ``circ`` of Norse.

    Parameters
    ----------
    alpha : float, default 0.5
        Width.

    Examples
    --------
    >>> Circ(0.75).numpy([0.0, 1.0]).tolist()
    [1.0, 0.216]
    """

    alpha: float = 0.5

    form = "circ"

    def _numbers(self) -> tuple[float, ...]:
        return self.height * self.alpha**3, self.alpha**2

    def _area(self) -> float:
        return 2 * self.alpha

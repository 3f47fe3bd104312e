"""Every surrogate gradient of Norse, snnTorch, sinabs and SpikingJelly, by its name, argument names and defaults there.

`TABLE` has a line for each: the library's name, its arguments with their defaults, and the curve of `rsnn.surrogate` that is the same::

    rsnn.presets.spikingjelly.surrogate("PiecewiseExp", alpha=2.0)

Formulas in ``y = v - theta``; they were checked against curves recorded from the libraries (Norse 1.1.0, snnTorch 1.0.0, sinabs 3.1.3,
SpikingJelly 2.0.0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rsnn import surrogate as forms
from rsnn.arguments import LARGEST, SMALLEST, did_you_mean, scalar, shown, within
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.surrogate import Surrogate

Line = tuple[Mapping[str, float], Callable[..., Surrogate]]


def _gaussian(mu: float, sigma: float, grad_scale: float) -> Surrogate:
    return forms.Gaussian(sigma, mu, grad_scale)


def _multi_gaussian(mu: float, sigma: float, h: float, s: float, grad_scale: float) -> Surrogate:
    return forms.MultiGaussian(sigma, h, s, mu, grad_scale)


def _escape(beta: float, slope: float) -> Surrogate:
    """``slope exp(-beta |y - 1|)``."""
    return forms.Laplace(1 / beta, slope, 1.0)


def _triangular(threshold: float) -> Surrogate:
    """Threshold below, its negative from there on: not a triangle, but what snnTorch does."""
    return forms.Sides(threshold, -threshold, -threshold)


def _leaky_relu(w: float, c: float) -> Surrogate:
    return forms.Boxcar(2 * w, 1 / (2 * w), c)


TABLE: dict[str, dict[str, Line]] = {
    "norse": {
        # Release 1.1.0 ignores alpha; the development version is rsnn.surrogate.SuperSpike(alpha).
        "super": ({"alpha": 100.0}, lambda alpha: forms.SuperSpike(1.0)),
        "triangle": ({"alpha": 0.3}, lambda alpha: forms.Triangle(1.0, alpha)),
        "tanh": ({"alpha": 1.0}, lambda alpha: forms.Tanh(alpha)),
        "circ": ({"alpha": 0.5}, lambda alpha: forms.Circ(alpha)),
        "heavi_erfc": ({"alpha": 1.0}, lambda alpha: forms.Erfc(alpha)),
    },
    "snntorch": {
        "atan": ({"alpha": 2.0}, lambda alpha: forms.ATan(alpha)),
        "fast_sigmoid": ({"slope": 25.0}, lambda slope: forms.FastSigmoid(slope)),
        "sigmoid": ({"slope": 25.0}, lambda slope: forms.Sigmoid(slope)),
        "straight_through_estimator": ({}, lambda: forms.StraightThrough()),
        "triangular": ({"threshold": 1.0}, _triangular),
        "heaviside": ({}, lambda: forms.Sides(0.0, 0.0, 1.0)),
        "spike_rate_escape": ({"beta": 1.0, "slope": 25.0}, _escape),
        "SFS": ({"slope": 25.0, "B": 1.0}, lambda slope, B: forms.SparseFastSigmoid(slope, B)),
    },
    "sinabs": {
        "SingleExponential": (
            {"grad_width": 0.5, "grad_scale": 1.0},
            lambda grad_width, grad_scale: forms.Exponential(grad_width, grad_scale),
        ),
        "PeriodicExponential": (
            {"grad_width": 0.5, "grad_scale": 1.0},
            lambda grad_width, grad_scale: forms.PeriodicExponential(grad_width, grad_scale),
        ),
        "Heaviside": ({"window": 1.0}, lambda window: forms.Window(window)),
        "Gaussian": ({"mu": 0.0, "sigma": 0.5, "grad_scale": 1.0}, _gaussian),
        "MultiGaussian": ({"mu": 0.0, "sigma": 0.5, "h": 0.15, "s": 6.0, "grad_scale": 1.0}, _multi_gaussian),
    },
    "spikingjelly": {
        "Sigmoid": ({"alpha": 4.0}, lambda alpha: forms.Sigmoid(alpha)),
        "ATan": ({"alpha": 2.0}, lambda alpha: forms.ATan(alpha)),
        "SoftSign": ({"alpha": 2.0}, lambda alpha: forms.FastSigmoid(alpha, height=alpha / 2)),
        "SuperSpike": ({"alpha": 1.0}, lambda alpha: forms.FastSigmoid(1.0, height=alpha)),
        "Erf": ({"alpha": 2.0}, lambda alpha: forms.Erfc(alpha, height=alpha / 2)),
        "PiecewiseQuadratic": ({"alpha": 1.0}, lambda alpha: forms.Triangle(1 / alpha, alpha)),
        "PiecewiseExp": ({"alpha": 1.0}, lambda alpha: forms.Laplace(1 / alpha, alpha / 2)),
        "Rect": ({"alpha": 1.0}, lambda alpha: forms.Boxcar(1 / alpha, alpha)),
        "NonzeroSignLogAbs": ({"alpha": 1.0}, lambda alpha: forms.Reciprocal(alpha)),
        "PiecewiseLeakyReLU": ({"w": 1.0, "c": 0.01}, _leaky_relu),
        "S2NN": ({"alpha": 4.0, "beta": 1.0}, lambda alpha, beta: forms.S2NN(alpha, beta)),
        "QPseudoSpike": ({"alpha": 2.0}, lambda alpha: forms.QPseudoSpike(alpha)),
        "LeakyKReLU": ({"leak": 0.0, "k": 1.0}, lambda leak, k: forms.Sides(leak, k, k)),
        "FakeNumericalGradient": ({"alpha": 0.3}, lambda alpha: forms.CappedReciprocal(alpha)),
        "LogTailedReLU": ({"alpha": 0.0}, lambda alpha: forms.LogTail(alpha)),
        "SquarewaveFourierSeries": ({"n": 2, "T_period": 8.0}, lambda n, T_period: forms.SquareWave(n, T_period)),
        "DeterministicPass": ({}, lambda: forms.StraightThrough()),
    },
}
"""By library and name: the arguments with their defaults, and what makes the curve of them."""


_SIGNED = frozenset({"mu", "B", "c", "leak", "k", "window", "threshold"})
"""Arguments that may be zero or negative."""


def find(library: str, name: Any, given: Mapping[str, Any]) -> Surrogate:
    """Make the surrogate of a library by its name; see ``rsnn.presets.<library>.surrogate``."""
    table = TABLE[library]
    if not isinstance(name, str):
        raise InvalidTypeError(f"name={shown(name)}: must be a name; {library} has {', '.join(table)}")
    if name not in table:
        raise InvalidValueError(f"name={name!r} is not a surrogate of {library}; it has {', '.join(table)}{did_you_mean(name, table)}")
    defaults, make = table[name]
    for argument in given:
        if argument not in defaults:
            taken = f"takes {', '.join(defaults)}" if defaults else "takes no arguments"
            raise InvalidTypeError(f"{library}.surrogate: {name} {taken}, not {argument!r}{did_you_mean(argument, defaults)}")
    numbers = {argument: scalar(argument, given.get(argument, default)) for argument, default in defaults.items()}
    for argument, number in numbers.items():
        if argument not in _SIGNED and (name, argument) != ("LogTailedReLU", "alpha"):
            within(argument, number, SMALLEST, LARGEST)
    return make(**numbers)

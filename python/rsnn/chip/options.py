"""How floats become integers: the options of `rsnn.chip.quantize`, checked once, and the arithmetic that all chips share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import choice, count, names, scalar, shown
from rsnn.errors import InvalidValueError

from .rockpool import FAULTS
from .targets import TARGETS, Target

Array = npt.NDArray[Any]

SCALES = ("max", "percentile", "mse")
ROUNDINGS = ("nearest", "away", "zero", "floor")

_FACTORS = np.unique(np.append(np.geomspace(0.7, 4.0, 44), 1.0))
"""What "mse" tries, in parts of the scale at which every weight fits."""


@dataclass(frozen=True, eq=False)
class Options:
    """What a network is quantised with; see `rsnn.chip.quantize`.

    Attributes
    ----------
    target : the chip
    calibration : typical input, or None
    scale, percentile, rounding, rule, faults, weight_bits : as of `rsnn.chip.quantize`
    """

    target: Target
    calibration: Any = None
    scale: str = "max"
    percentile: float = 99.9
    rounding: str = "nearest"
    rule: str | None = None
    faults: tuple[str, ...] = ()
    weight_bits: int = 8

    @classmethod
    def make(
        cls, target: Target, calibration: Any, scale: Any, percentile: Any, rounding: Any, rule: Any, faults: Any, weight_bits: Any
    ) -> Options:
        """Check every option, and those that contradict each other."""
        choice("scale", scale, SCALES)
        choice("rounding", rounding, ROUNDINGS)
        part = scalar("percentile", percentile)
        if not 0 < part <= 100:
            raise InvalidValueError(f"percentile={part:g}: must be above 0 and at most 100")
        bits = target.weight_bits if weight_bits is None else bits_of_weights(weight_bits, target.name)
        if rule is not None:
            if not target.rules:
                raise InvalidValueError(f"rule={shown(rule)}: {target.name} has no rule of a maker; leave it out")
            choice("rule", rule, target.rules)
            for name, value, own in (("scale", scale, "max"), ("rounding", rounding, "nearest"), ("weight_bits", bits, target.weight_bits)):
                if value != own:
                    raise InvalidValueError(f"{name}={value!r}: the rule {rule!r} has its own; leave one of the two out")
            if calibration is not None:
                raise InvalidValueError(f"calibration: the rule {rule!r} knows none; leave one of the two out")
        wrong = names("faults", faults, FAULTS)
        if wrong and not (rule or "").startswith("rockpool"):
            raise InvalidValueError(
                f'faults={shown(wrong)}: are those of rockpool\'s rules; give rule="rockpool_global" or "rockpool_channel"'
            )
        return cls(target, calibration, scale, part, rounding, rule, wrong, bits)

    @property
    def top(self) -> int:
        """The largest weight."""
        return (1 << (self.weight_bits - 1)) - 1

    def round(self, values: Any) -> npt.NDArray[np.float64]:
        """Round to whole numbers, half to even unless another rule was asked for."""
        x = np.asarray(values, np.float64)
        if self.rounding == "nearest":
            made: npt.NDArray[np.float64] = np.rint(x)
        elif self.rounding == "away":
            made = np.trunc(x + np.copysign(0.5, x))
        else:
            made = np.trunc(x) if self.rounding == "zero" else np.floor(x)
        return made

    def whole(self, values: Any, low: int, high: int) -> npt.NDArray[np.int64]:
        """Round, and hold to a range."""
        return np.clip(self.round(values), low, high).astype(np.int64)

    def scales(self, rows: Array, low: int, high: int, threshold: Any, importance: Array | None = None) -> npt.NDArray[np.float64]:
        """Give a scale for each row of weights, so that they fit a range.

        Parameters
        ----------
        rows : float array (rows, weights)
        low, high : the range of a weight on the chip
        threshold : the threshold of each row, or one for all
        importance : how much each weight's error counts, (weights,) or as rows: the mean square of what comes in; None: all the same

        Returns
        -------
        array (rows,)
            ``"max"``: the largest at which no weight leaves the range; infinite where all are 0. ``"percentile"``: that of the percentile
            of their sizes. ``"mse"``: that with the smallest sum of squares of the error, weights counted in thresholds.
        """
        w = np.asarray(rows, np.float64)
        with np.errstate(divide="ignore"):
            up = high / np.maximum(w.max(axis=1, initial=0), 0)
            down = low / np.minimum(w.min(axis=1, initial=0), 0) if low else np.full(len(w), np.inf)
            largest: npt.NDArray[np.float64] = np.minimum(up, np.abs(down))
            if self.scale == "max" or not w.size:
                return largest
            if self.scale == "percentile":
                sized = np.percentile(np.abs(w), self.percentile, axis=1)
                return np.where(sized > 0, high / sized, largest)
        best, least = largest.copy(), np.full(len(w), np.inf)
        theta = np.broadcast_to(np.asarray(threshold, np.float64), len(w))
        counted = 1.0 if importance is None else importance
        finite = np.where(np.isfinite(largest), largest, 1.0)
        for factor in _FACTORS:
            k = finite * factor
            whole, top = np.clip(self.round(w * k[:, None]), low, high), self.round(theta * k)
            error = np.where(top > 0, (counted * (whole / np.maximum(top, 1)[:, None] - w / theta[:, None]) ** 2).sum(axis=1), np.inf)
            better = (error < least) & np.isfinite(largest)
            best, least = np.where(better, k, best), np.where(better, error, least)
        return best


def bits_of_weights(weight_bits: Any, target: str) -> int:
    """Check how many bits a weight is to have on a chip."""
    most = TARGETS[target].weight_bits
    bits = count("weight_bits", weight_bits, 2, f"{target} has {most}")
    if bits > most:
        raise InvalidValueError(f"weight_bits={bits}: must be from 2 to {most}, the sign included; {target} has {most}")
    return bits


def mean_square(x: Array, kept: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Give the mean square of what comes in over time, samples and all but the last axes that are kept, for `Options.scales`."""
    squares = np.square(np.asarray(x, np.float64))
    gone = tuple(axis for axis in range(x.ndim) if axis - x.ndim not in kept)
    mean: npt.NDArray[np.float64] = squares.mean(axis=gone) if squares.size else np.ones([x.shape[k] for k in kept])
    return mean

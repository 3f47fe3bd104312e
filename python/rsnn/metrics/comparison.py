"""How far spike trains agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rsnn.arguments import count
from rsnn.errors import InvalidValueError

from ._trains import Array, trains


@dataclass(frozen=True)
class Agreement:
    """How far two recordings agree, entry by entry.

    Attributes
    ----------
    entries : int
        Neurons times steps times samples.
    spikes : int
        Of the first recording.
    flipped : int
        Entries that differ.
    first_step : int or None
        The first step in which one does; None where they agree.
    """

    entries: int
    spikes: int
    flipped: int
    first_step: int | None

    @property
    def part(self) -> float:
        """The part of the entries that agree; 1.0 where there are none."""
        return 1.0 - self.flipped / self.entries if self.entries else 1.0


def agreement(a: Any, b: Any, *, batch_first: bool = False) -> Agreement:
    """Say how many entries of two recordings differ, and where the first one does.

    Parameters
    ----------
    a, b : array_like (T, ...), `rsnn.Spikes`, tensor, or result, as of `firing_rate`
        Of one shape.
    batch_first : bool, default False

    Returns
    -------
    Agreement

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No finite numbers, or different shapes.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.metrics.agreement([[0, 1], [1, 1]], [[0, 1], [0, 1]])
    Agreement(entries=4, spikes=3, flipped=1, first_step=1)
    """
    one, other = _alike(a, b, batch_first)
    differs = one != other
    steps = np.flatnonzero(differs.reshape(len(differs), -1).any(axis=1))
    return Agreement(differs.size, int(one.sum(dtype=np.float64)), int(np.count_nonzero(differs)), int(steps[0]) if steps.size else None)


def coincidence_factor(data: Any, model: Any, *, window: int = 0, batch_first: bool = False) -> Array:
    """Give the coincidence factor of each neuron: 1 where a model fires as the data do, about 0 where it does so by chance alone.

    With N_c the spikes of the data that have one of the model at most `window` steps away, N_d and N_m all spikes of both in T steps, and
    p = (2 window + 1) N_m / T the chance that a window holds one::

        Gamma = (N_c - p N_d) / (1/2 (N_d + N_m)) / (1 - p)

    Parameters
    ----------
    data, model : array_like (T, ...), `rsnn.Spikes`, tensor, or result, as of `firing_rate`
        Of one shape. A step counts as one spike where it is not 0.
    window : int, default 0
        In steps, to either side: shorter than half of the intervals between spikes, or one spike is counted for two.
    batch_first : bool, default False

    Returns
    -------
    array of float64 (...)
        NaN where neither fires, and where the model fires so often that p is 1 or more.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No finite numbers, or different shapes.

    Notes
    -----
    Kistler, Gerstner and van Hemmen, "Reduction of the Hodgkin-Huxley equations to a single-variable threshold model", Neural Computation
    1997, with 2 Delta the width of the window in steps. The measure of the INCF's spike timing competitions.

    Examples
    --------
    >>> import rsnn
    >>> data, model = [0, 1, 0, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 1, 0, 0]
    >>> [round(float(rsnn.metrics.coincidence_factor(data, model, window=w)), 3) for w in (0, 1)]
    [0.333, 1.0]
    """
    one, other = (array != 0 for array in _alike(data, model, batch_first, ("data", "model")))
    steps = len(one)
    reach = min(count("window", window, 0), steps)  # beyond that nothing changes
    before = np.concatenate([np.zeros((1, *other.shape[1:]), np.int64), np.cumsum(other, axis=0)])
    at = np.arange(steps)
    near = before[np.minimum(at + reach + 1, steps)] > before[np.maximum(at - reach, 0)]
    together, of_data, of_model = (x.sum(axis=0, dtype=np.float64) for x in (near & one, one, other))
    chance = (2 * reach + 1) * of_model / steps
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = (together - chance * of_data) / (0.5 * (of_data + of_model)) / (1.0 - chance)
    return np.where(chance < 1.0, factor, np.nan)


def _alike(a: Any, b: Any, batch_first: bool, names: tuple[str, str] = ("a", "b")) -> tuple[Array, Array]:
    one, other = (trains(name, value, batch_first) for name, value in zip(names, (a, b), strict=True))
    if one.shape != other.shape:
        raise InvalidValueError(f"{names[1]} has shape {other.shape}, time first: must be that of {names[0]}, {one.shape}")
    return one, other

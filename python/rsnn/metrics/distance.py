"""How far spike trains are apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.arguments import LARGEST, in_memory, is_tensor, numbers, scalar, within
from rsnn.errors import InvalidValueError
from rsnn.neurons import LI
from rsnn.simulation import simulate
from rsnn.threads import resolve

from ._trains import Array, counts, positive, spike_times, trains


def van_rossum_distance(a: Any, b: Any, *, tau: float, dt: float = 1.0, batch_first: bool = False) -> Array:
    """Give van Rossum's distance of spike trains: that of the trains smoothed by a decaying exponential.

    With f(t) the sum over the spikes of a of exp(-(t - t_i)/tau) from t_i on, less the same of b::

        D = sqrt(2/tau * integral over all t of f(t)^2)

    One spike against none is 1 apart, two single spikes sqrt(2 (1 - exp(-d/tau))) at a distance d in time.

    Parameters
    ----------
    a, b : array_like (T, ...), `rsnn.Spikes`, tensor, or result, as of `firing_rate`
        Both broadcast against each other after time: (T, N, 1) and (T, 1, N) give all pairs.
    tau : float
        Time constant, in the unit of dt. Small, and only spikes in the same step are alike; large, and only counts matter.
    dt : float, default 1.0
        The length of a step.
    batch_first : bool, default False

    Returns
    -------
    array of float64 (...)
        One for each pair of trains.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No finite numbers, shapes that do not broadcast, different numbers of steps, or a tau or dt that is not positive.

    Notes
    -----
    Exact for spikes at the beginning of their steps: the integral is taken between and after them. van Rossum, "A novel spike distance",
    Neural Computation 2001, times the square root of 2, as Elephant and pymuvr have it. `rsnn.torch.losses.van_rossum_loss` is its square.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> a, b = np.zeros((10, 1)), np.zeros((10, 1))
    >>> a[2] = b[4] = 1
    >>> rsnn.metrics.van_rossum_distance(a, 0 * a, tau=5.0).round(6).tolist()
    [1.0]
    >>> bool(np.isclose(rsnn.metrics.van_rossum_distance(a, b, tau=5.0)[0], np.sqrt(2 * (1 - np.exp(-2 / 5)))))
    True
    """
    one, other, _ = _pair(a, b, batch_first)
    neuron = LI(positive("tau", tau), dt=positive("dt", dt), gain="unit")
    f = simulate(neuron, one.astype(np.float64) - other).output
    distance: Array = np.asarray(np.sqrt(decaying_integral(f * f, dt / tau)))
    return distance


def decaying_integral(squares: Any, ratio: float) -> Any:
    """Integrate f(t)^2 over all t, times 2/tau, from its values (T, ...) at every step; ratio = dt/tau.

    Examples
    --------
    >>> import numpy as np
    >>> float(decaying_integral(np.array([0.0, 1.0]), 0.5))
    1.0
    """
    if is_tensor(squares):
        in_memory("squares", squares)
    else:
        squares = numbers("squares", squares)
    if squares.ndim == 0 or len(squares) == 0:
        raise InvalidValueError(f"squares has shape {tuple(squares.shape)}: must be (T, ...) with at least one step")
    steps = scalar("ratio", ratio)
    within("ratio", steps, 0.0, LARGEST)
    return -math.expm1(-2.0 * steps) * squares[:-1].sum(0) + squares[-1]


def victor_purpura_distance(a: Any, b: Any, *, q: float, dt: float = 1.0, batch_first: bool = False, threads: int | None = None) -> Array:
    """Give Victor and Purpura's distance of spike trains: the least price of turning one into the other.

    Putting a spike in or taking one out costs 1, moving one by d in time costs ``q d``. With q = 0 it is the difference of the counts;
    above 2 per step, the number of spikes that have none in the same step.

    Parameters
    ----------
    a, b : array_like (T, ...), `rsnn.Spikes`, tensor, or result, as of `firing_rate`
        Counts of spikes; several in a step are several spikes at one time. Both broadcast against each other after time: (T, N, 1) and
        (T, 1, N) give all pairs.
    q : float
        The price of moving a spike by one unit of dt, at least 0.
    dt : float, default 1.0
        The length of a step.
    batch_first : bool, default False
    threads : int, optional
        At most so many; by default as `rsnn.set_num_threads` says. The result does not depend on it.

    Returns
    -------
    array of float64 (...)
        One for each pair of trains.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No counts, shapes that do not broadcast, different numbers of steps, or a q or dt out of range.

    Notes
    -----
    The time is that of n m steps for n and m spikes. Equals `rsnn.metrics.reference.victor_purpura` bit for bit. Victor and Purpura,
    "Nature and precision of temporal coding in visual cortex: a metric-space analysis", Journal of Neurophysiology 1996.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> a, b = np.zeros((40, 1)), np.zeros((40, 1))
    >>> a[[10, 20, 30]] = b[[12, 24, 30]] = 1
    >>> rsnn.metrics.victor_purpura_distance(a, b, q=0.125).tolist(), rsnn.metrics.victor_purpura_distance(a, b, q=3.0).tolist()
    ([0.75], [4.0])
    """
    one, other, shape = _pair(a, b, batch_first)
    price, step, workers = scalar("q", q), positive("dt", dt), resolve(threads)
    within("q", price, 0.0, LARGEST)
    left, right = (_listed(counts(name, array), step) for name, array in (("a", one), ("b", other)))
    places = [np.broadcast_to(np.arange(each[0].size).reshape(each.shape[1:]), shape).ravel() for each in (one, other)]
    pairs = np.stack(places, axis=1).astype(np.uint64)
    out = np.empty(len(pairs), np.float64)
    _rsnn.victor_purpura(left, right, np.ascontiguousarray(pairs), price, out, threads=workers)
    return out.reshape(shape)


def _pair(a: Any, b: Any, batch_first: bool) -> tuple[Array, Array, tuple[int, ...]]:
    """Read two sets of trains, and the shape of their pairs."""
    one, other = trains("a", a, batch_first), trains("b", b, batch_first)
    if len(one) != len(other):
        raise InvalidValueError(f"a has {len(one)} steps and b {len(other)}: both must have as many; fill the shorter one up with 0")
    try:
        return one, other, np.broadcast_shapes(one.shape[1:], other.shape[1:])
    except ValueError:
        raise InvalidValueError(f"a has shape {one.shape} and b {other.shape}, time first: they must broadcast after time") from None


def _listed(array: npt.NDArray[np.int64], dt: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint64]]:
    """List spike times, train after train, and where each train begins and the last one ends."""
    train, step = spike_times(array)
    several = array.reshape(len(array), -1)[step, train]
    starts = np.concatenate([[0], np.cumsum(array.reshape(len(array), -1).sum(axis=0))]).astype(np.uint64)
    return np.repeat(step * dt, several), starts

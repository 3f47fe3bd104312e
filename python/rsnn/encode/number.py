"""Codes of a number: its binary digits over time, or how near it is to the centres of a population."""

from __future__ import annotations

from typing import Any

import numpy as np

from rsnn.arguments import scalar, size
from rsnn.errors import InvalidValueError

from .given import finite, given, packed_or_not, positive, unpacked

MOST_DIGITS = 64


def phase(x: Any, steps: int = 8, *, packed: bool = False) -> Any:
    """Fire the binary digits of the input, the first worth a half: SpikingJelly's ``WeightedPhaseEncoder``.

    ``s[t] = floor(2**(t + 1) x) mod 2``; a spike at step t is worth ``2**-(t + 1)``.

    Parameters
    ----------
    x : array_like or tensor (...)
        From 0 to ``1 - 2**-steps``.
    steps : int, default 8
        The number of digits, from 1 to 64; what is beyond them is cut off.
    packed : bool, default False
        Give `rsnn.Spikes`, one bit each. Not of a tensor.

    Returns
    -------
    array, Spikes or tensor (steps, ...)
        Of the dtype of x. `rsnn.decode.phase` gives the number back.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument that is not accepted.

    Notes
    -----
    J. Kim, H. Kim, S. Huh, J. Lee, K. Choi: Deep neural networks with weighted spikes (Neurocomputing 311, 2018), whose table of examples
    this reproduces.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.encode.phase([192 / 256, 1 / 256]).T.tolist()
    [[1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]
    """
    came, steps = given("x", x), size("steps", steps, 1)
    packed = unpacked(came, packed)
    if steps > MOST_DIGITS:
        raise InvalidValueError(f"steps={steps}: must be from 1 to {MOST_DIGITS}; a number has no more digits")
    finite(came, 0.0, 1.0 - 2.0**-steps, f"{steps} digits reach up to 1 - 2**-{steps}; scale or clip x")
    scale = 2.0 ** np.arange(1, steps + 1).reshape(-1, *(1,) * came.array.ndim)
    digits = np.floor(came.array.astype(np.float64) * scale) % 2.0  # exact: by a power of 2
    return packed_or_not(came, digits.astype(came.dtype), packed)


def population(x: Any, out_features: int, *, scale: float | None = None, sigma: float = 1.0) -> Any:
    """Say how near the input is to each of several centres: Norse's ``population_encode``.

    ``y[..., k] = exp(-scale (x - c[k])**2 / (2 sigma**2))``, centres c evenly from 0 to scale.

    Parameters
    ----------
    x : array_like or tensor (...)
        Finite.
    out_features : int
        The number of centres.
    scale : float, optional
        Positive: the last centre, and the weight of distances. By default the largest x, a constant in the gradient.
    sigma : float, default 1.0
        Positive: the width of the bells.

    Returns
    -------
    array or tensor (..., out_features)
        From 0 to 1, of the dtype of x: not spikes yet, give them to `poisson` or `rate`. The gradient flows to a tensor.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument that is not accepted.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.encode.population([0.0, 0.5, 1.0], 3).round(4).tolist()
    [[1.0, 0.8825, 0.6065], [0.8825, 1.0, 0.8825], [0.6065, 0.8825, 1.0]]
    """
    came, features = given("x", x), size("out_features", out_features, 1)
    finite(came)
    width = np.float64(positive("sigma", scalar("sigma", sigma)))
    if scale is None:
        last = float(came.array.max()) if came.array.size else 1.0
        if not last > 0:
            raise InvalidValueError(f"scale: by default the largest x, which is {last:g} here and must be positive; give scale=")
    else:
        last = positive("scale", scalar("scale", scale))
    centres = np.linspace(0.0, last, features).astype(came.dtype)
    with np.errstate(over="ignore", under="ignore"):
        value = np.exp(-((came.array[..., None] - centres) ** 2 * came.dtype.type(last)) / came.dtype.type(2 * width**2))

    def smooth(tensor: Any) -> Any:
        import torch

        own = torch.from_numpy(centres).to(tensor)
        return torch.exp(-((tensor[..., None] - own) ** 2 * last) / (2 * width**2))

    return came.differentiable(value, smooth)

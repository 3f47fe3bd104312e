"""Surrogate gradients: what backpropagation uses in place of the derivative of a spike, which is zero wherever it exists.

A surrogate is a function of ``y = u - v_threshold``, the distance of the membrane from its threshold. Training only: the spikes of
the forward pass do not depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .arguments import LARGEST, SMALLEST, scalar, within

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class Surrogate:
    """A surrogate by the name the engine knows it by, with its parameters."""

    kernel: ClassVar[str]
    """The name of the surrogate in the native engine."""

    @property
    def parameters(self) -> tuple[float, ...]:
        """The parameters in the order of the native engine."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def __post_init__(self) -> None:
        """Check that every parameter is a positive number."""
        for field in fields(self):
            number = scalar(field.name, getattr(self, field.name))
            within(field.name, number, SMALLEST, LARGEST)
            object.__setattr__(self, field.name, number)

    def of(self, y: Any, xp: Any = np) -> Any:
        """Evaluate at y over the namespace `xp` (numpy or torch)."""
        raise NotImplementedError

    def numpy(self, y: npt.ArrayLike) -> npt.NDArray[Any]:
        """Evaluate at y.

        Parameters
        ----------
        y : membrane minus threshold; float32 stays float32

        Returns
        -------
        array of the shape of y
        """
        return np.asarray(self.of(np.asarray(y)))


@dataclass(frozen=True)
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

    kernel = "atan"

    def of(self, y: Any, xp: Any = np) -> Any:
        """Evaluate at y."""
        k = np.pi / 2 * self.alpha * y
        return self.alpha / 2 / (1.0 + k * k)


@dataclass(frozen=True)
class FastSigmoid(Surrogate):
    """The derivative of a fast sigmoid: ``h(y) = 1 / (1 + slope |y|)^2``.

    Peak 1, area 2 / slope. Zenke and Ganguli 2018 (SuperSpike); ``fast_sigmoid`` of snnTorch, ``SuperSpike`` of Norse.

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

    kernel = "fast_sigmoid"

    def of(self, y: Any, xp: Any = np) -> Any:
        """Evaluate at y."""
        k = 1.0 + self.slope * xp.abs(y)
        return 1.0 / (k * k)

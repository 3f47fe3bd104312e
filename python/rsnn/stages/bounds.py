"""What holds a membrane: a refractory period, and a lower bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.arguments import MOST_STEPS, shown
from rsnn.errors import InvalidValueError

from .stage import Stage

if TYPE_CHECKING:
    from rsnn.neurons import Neuron

    from .stage import Parameter, Range


@dataclass(frozen=True, eq=False, repr=False)
class Refractory(Stage):
    """The membrane holds still and does not fire for a time after a spike."""

    refractory: Parameter

    fixed = ("refractory",)
    states = ("rest",)
    words = "refractory"
    reads = ("refractory",)

    def steps(self, dt: float) -> Any:
        """Give the time in steps."""
        exact = np.asarray(self.refractory) / dt
        nearest = np.rint(exact)
        if not np.all((np.abs(exact - nearest) <= 1e-9 * np.maximum(nearest, 1.0)) & (nearest >= 0) & (nearest <= MOST_STEPS)):
            raise InvalidValueError(
                f"refractory={shown(self.refractory)}: must be a whole multiple of dt={dt:g}, from 0 to {MOST_STEPS} steps; "
                f"the nearest is {shown(nearest * dt if nearest.ndim else float(nearest) * dt)}"
            )
        return nearest

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return {"refractory": xp.asarray(self.steps(dt))}


@dataclass(frozen=True, eq=False, repr=False)
class RefractoryMask(Stage):
    """As `Refractory`, in steps, where gradients see the rest: the test ``rest > 0`` is a spike to them, as of Norse's LIFRefrac.

    With m the test, and the membrane and the spikes as without it::

        v    = (1 - m) v_free + m v;   s = (1 - m) s_free
        rest = (1 - s) relu(rest - m) + s refractory

    It goes with a `Blend` that resets in the step of the spike.

    Parameters
    ----------
    refractory : the time after a spike, in steps, not negative
    """

    refractory: Parameter

    numbers = ("refractory",)
    states = ("rest",)
    words = "refractory masked"
    reads = ("refractory",)

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return {"refractory": (0.0, float(MOST_STEPS))}


@dataclass(frozen=True, eq=False, repr=False)
class Floor(Stage):
    """The membrane is kept from falling below a value: ``v = v_min`` where ``v < v_min``.

    Parameters
    ----------
    v_min : the value
    """

    v_min: Parameter

    numbers = ("v_min",)
    words = "clip"
    reads = ("v_min",)


class Relu(Floor):
    """As `Floor`, written as sinabs writes it: ``v = relu(v - v_min) + v_min``, which is rounded twice.

    Parameters
    ----------
    v_min : the value
    """

    words = "relu"

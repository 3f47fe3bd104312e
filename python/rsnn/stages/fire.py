"""When a neuron fires, and how many spikes that is: ``s`` from ``u``. NaN never fires."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.arguments import whole

from .reset import Subtract
from .stage import ANY, POSITIVE, Stage

if TYPE_CHECKING:
    from rsnn.neurons import Neuron

    from .stage import Parameter, Range


@dataclass(frozen=True, eq=False, repr=False)
class Single(Stage):
    """At most one spike a step: ``s = [u - v_threshold >= 0]``.

    Parameters
    ----------
    v_threshold : positive where the reset subtracts it, else any number
    """

    v_threshold: Parameter = 1.0

    numbers = ("v_threshold",)
    words = "fire=single"
    reads = ("v_threshold",)

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return {"v_threshold": POSITIVE if isinstance(neuron.reset, Subtract) else ANY}

    def hint(self, name: str) -> str:
        """Say what else to do about a number outside its range."""
        return "a threshold that the reset subtracts, or that fire='multi' divides by, cannot be zero or negative"


class Strict(Single):
    """As `Single`, where the threshold is passed and not only reached, as of Norse and snnTorch: ``s = [u - v_threshold > 0]``.

    Parameters
    ----------
    v_threshold : as of `Single`
    """

    words = "fire=strict"


@dataclass(frozen=True, eq=False, repr=False)
class Multi(Single):
    """Several spikes a step: ``s = trunc(u / v_threshold)`` where ``u > 0``, else 0; at most max_spikes.

    Parameters
    ----------
    v_threshold : positive
    max_spikes : the most spikes in one step, a whole number; None: no limit
    """

    max_spikes: Parameter | None = None

    fixed = ("max_spikes",)

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        if self.max_spikes is not None:
            whole("max_spikes", self.max_spikes, 1)  # type: ignore[arg-type]

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return {"v_threshold": POSITIVE}

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        return ("fire=multi", self.reads) if self.max_spikes is None else ("fire=capped", (*self.reads, "max_spikes"))

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        cap = {} if self.max_spikes is None else {"max_spikes": xp.asarray(np.array(self.max_spikes))}
        return super().recipe(p, dt, xp) | cap


class Soft(Single):
    """A smooth stand-in for a spike, to check gradients with: ``s = 0.5 + y / (1 + 2 |y|)``, ``y = u - v_threshold``.

    Its derivative is the surrogate ``FastSigmoid(2)``, so the surrogate gradient of a neuron with this stage is its true gradient.
    A reset to a value is a `Blend`, which is smooth too.

    Parameters
    ----------
    v_threshold : as of `Single`
    """

    words = "fire=soft"


FIRES = (Single, Strict, Multi, Soft)

"""Slow variables that spikes move: an adaptive threshold ``theta``, or a current ``y`` that the membrane loses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .stage import NOT_NEGATIVE, UNIT, Stage, one_of, time_constant

if TYPE_CHECKING:
    from rsnn.neurons import Neuron

    from .stage import Parameter, Range


class Adaptation(Stage):
    """Any adaptation."""

    is_current = False


@dataclass(frozen=True, eq=False, repr=False)
class AdaptiveThreshold(Adaptation):
    """A threshold that rises with an average of the spikes, as of ALIF.

    One step::

        theta = v_threshold + adapt_scale a
        a     = rho a + inc s                   after the spikes

    Parameters
    ----------
    tau_adapt : time constant in the unit of dt; ``rho = exp(-dt / tau_adapt)``
    rho : or the decay per step itself, 0 to 1
    adapt_scale : how much the threshold rises
    inc : what a spike adds; None: ``1 - rho``, which makes `a` an average
    """

    tau_adapt: Parameter | None = None
    rho: Parameter | None = None
    adapt_scale: Parameter = 1.8
    inc: Parameter | None = None

    numbers = ("tau_adapt", "rho", "adapt_scale", "inc")
    states = ("a",)
    words = "adaptation=threshold"
    reads = ("rho", "kappa", "inc")

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        one_of(self, "tau_adapt", "rho")

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return super().ranges(neuron) | {"tau_adapt": time_constant(neuron.dt), "rho": UNIT}

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        rho = p["rho"] if self.tau_adapt is None else xp.exp(-dt / p["tau_adapt"])
        return {"rho": rho, "kappa": p["adapt_scale"], "inc": 1.0 - rho if self.inc is None else p["inc"]}


@dataclass(frozen=True, eq=False, repr=False)
class RelaxingThreshold(Adaptation):
    """A threshold that relaxes to its rest and jumps with a spike, as of Norse's LSNN.

    One step::

        a     = a + couple (v_threshold - a);   theta = a        a starts at v_threshold
        a     = a + s inc                                        after the spikes

    Parameters
    ----------
    tau_adapt : time constant in the unit of dt, at least dt; ``couple = dt / tau_adapt``
    couple : or the step itself, not negative
    inc : what a spike adds
    """

    tau_adapt: Parameter | None = None
    couple: Parameter | None = None
    inc: Parameter = 1.8

    numbers = ("tau_adapt", "couple", "inc")
    states = ("a",)
    words = "adaptation=relax"
    reads = ("couple", "inc")

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        one_of(self, "tau_adapt", "couple", "the Euler step")

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return super().ranges(neuron) | {"tau_adapt": time_constant(neuron.dt, euler=True), "couple": NOT_NEGATIVE}

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return {"couple": p["couple"] if self.tau_adapt is None else dt / p["tau_adapt"], "inc": p["inc"]}

    def start(self, p: Mapping[str, Any]) -> dict[str, Any]:
        """Start at rest, which is the threshold."""
        return {"a": p["v_threshold"]}


@dataclass(frozen=True, eq=False, repr=False)
class AdaptationCurrent(Adaptation):
    """A current that follows the membrane and jumps with a spike, as of AdEx and Norse's LIFAdEx.

    One step, v the membrane carried in::

        y = a
        a = a + rho (couple (v - v_leak) - a)
        a = a + s inc                                            after the spikes

    Parameters
    ----------
    tau_adapt : time constant in the unit of dt, at least dt; ``rho = dt / tau_adapt``
    rho : or the step itself, not negative
    couple : how strongly the current follows the membrane
    inc : what a spike adds
    begins : where the current starts
    """

    tau_adapt: Parameter | None = None
    rho: Parameter | None = None
    couple: Parameter = 0.0
    inc: Parameter = 0.0
    begins: Parameter = 0.0

    numbers = ("tau_adapt", "rho", "couple", "inc")
    fixed = ("begins",)
    states = ("a",)
    words = "adaptation=current"
    reads = ("rho", "couple", "inc")
    is_current = True

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        one_of(self, "tau_adapt", "rho", "the Euler step")

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return super().ranges(neuron) | {"tau_adapt": time_constant(neuron.dt, euler=True), "rho": NOT_NEGATIVE}

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return {"rho": p["rho"] if self.tau_adapt is None else dt / p["tau_adapt"], "couple": p["couple"], "inc": p["inc"]}

    def start(self, p: Mapping[str, Any]) -> dict[str, Any]:
        """Start where it begins."""
        return {"a": self.begins} if np.any(self.begins) else {}


@dataclass(frozen=True, eq=False, repr=False)
class RecoveryCurrent(Adaptation):
    """As `AdaptationCurrent`, by division and following the membrane before its reset, as of SpikingJelly's Izhikevich.

    One step, u the membrane before its reset::

        y = w
        w = w + (couple (u - v_leak) - w) / (tau_adapt / dt)
        w = w + inc s                                            after the spikes

    Parameters
    ----------
    tau_adapt : time constant in the unit of dt
    couple, inc, begins : as of `AdaptationCurrent`
    """

    tau_adapt: Parameter
    couple: Parameter = 0.0
    inc: Parameter = 0.0
    begins: Parameter = 0.0

    numbers = ("tau_adapt", "couple", "inc")
    fixed = ("begins",)
    states = ("w",)
    words = "adaptation=recovery"
    reads = ("rho", "couple", "inc")
    is_current = True

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return super().ranges(neuron) | {"tau_adapt": time_constant(neuron.dt)}

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return {"rho": p["tau_adapt"] / dt, "couple": p["couple"], "inc": p["inc"]}

    def start(self, p: Mapping[str, Any]) -> dict[str, Any]:
        """Start where it begins."""
        return {"w": self.begins} if np.any(self.begins) else {}


ADAPTATIONS = (AdaptiveThreshold, RelaxingThreshold, AdaptationCurrent, RecoveryCurrent)

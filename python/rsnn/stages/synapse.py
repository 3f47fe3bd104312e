"""How input becomes the current ``c`` that drives the membrane. ``x`` is the input, ``i`` and ``h`` are currents kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.arguments import choice, shown
from rsnn.errors import InvalidValueError

from .stage import NOT_POSITIVE, UNIT, Stage, one_of, time_constant

if TYPE_CHECKING:
    from rsnn.neurons import Neuron

    from .stage import Parameter, Range

ORDERS = ("decay_jump_use", "jump_decay_use", "jump_use_decay", "use_decay_jump")
EULER_ORDERS = ("jump_use_euler", "use_euler_jump")


@dataclass(frozen=True, eq=False, repr=False)
class Exponential(Stage):
    """A current that decays exponentially.

    By `order`::

        decay_jump_use   i = alpha i + x;    c = i              native, snnTorch, SpikingJelly
        jump_decay_use   i = alpha (i + x);  c = i              sinabs, rockpool
        jump_use_decay   j = i + x;  c = j;  i = alpha j
        use_decay_jump   c = i;  i = alpha i + x

    Parameters
    ----------
    tau_syn : time constant in the unit of dt; ``alpha = exp(-dt / tau_syn)``
    alpha : or the decay per step itself, 0 to 1
    order : when it decays, jumps by the input, and is used
    """

    tau_syn: Parameter | None = None
    alpha: Parameter | None = None
    order: str = "decay_jump_use"

    numbers = ("tau_syn", "alpha")
    states = ("i",)
    reads = ("alpha",)

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        one_of(self, "tau_syn", "alpha")
        choice("order", self.order, ORDERS)

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return {"tau_syn": time_constant(neuron.dt), "alpha": UNIT}

    def hint(self, name: str) -> str:
        """Say what else to do about a number outside its range."""
        return "for an input without a synapse leave tau_syn= and alpha= out"

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        return f"synapse={self.order}", self.reads

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return {"alpha": p["alpha"] if self.tau_syn is None else xp.exp(-dt / p["tau_syn"])}


@dataclass(frozen=True, eq=False, repr=False)
class Scaled(Stage):
    """A current that keeps the scaled value, as sinabs' ALIF does: ``i = scale (alpha (i + x));  c = i``.

    Parameters
    ----------
    alpha : the decay per step, 0 to 1
    scale : the factor
    """

    alpha: Parameter
    scale: Parameter

    numbers = ("alpha", "scale")
    states = ("i",)
    words = "synapse=scaled_jump_decay"
    reads = ("alpha", "scale")

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return super().ranges(neuron) | {"alpha": UNIT}


@dataclass(frozen=True, eq=False, repr=False)
class EulerCurrent(Stage):
    """A current that decays by an Euler step, as Norse's does.

    By `order`::

        jump_use_euler   j = i + x;  c = j;  i = j + eta j          Norse LIF
        use_euler_jump   c = i;  i = (i + eta i) + x                Norse LSNN

    Parameters
    ----------
    tau_syn : time constant in the unit of dt; ``eta = -dt / tau_syn``
    eta : or the step itself, not positive
    order : when it jumps by the input, is used, and decays
    """

    tau_syn: Parameter | None = None
    eta: Parameter | None = None
    order: str = "jump_use_euler"

    numbers = ("tau_syn", "eta")
    states = ("i",)
    reads = ("eta",)

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        one_of(self, "tau_syn", "eta", "the Euler step, not positive")
        choice("order", self.order, EULER_ORDERS)

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return {"tau_syn": time_constant(neuron.dt, euler=True), "eta": NOT_POSITIVE}

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        return f"synapse={self.order}", self.reads

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return {"eta": p["eta"] if self.tau_syn is None else -dt / p["tau_syn"]}


@dataclass(frozen=True, eq=False, repr=False)
class Dual(Stage):
    """A double-exponential current, whose response to one spike rises and falls with a peak of 1.

    One step::

        i = alpha i + x;   h = alpha_rise h + x;   c = scale (i - h)
        alpha = exp(-dt / tau_decay),   alpha_rise = exp(-dt / tau_rise)
        1 / scale = q^(q / (1 - q)) (1 - q),   q = tau_rise / tau_decay        the peak of exp(-t / tau_decay) - exp(-t / tau_rise)

    Parameters
    ----------
    tau_decay, tau_rise : time constants in the unit of dt, tau_rise the shorter
    """

    tau_decay: Parameter
    tau_rise: Parameter

    numbers = ("tau_decay", "tau_rise")
    states = ("i", "h")
    words = "synapse=dual"
    reads = ("alpha", "alpha_rise", "scale")

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return dict.fromkeys(self.numbers, time_constant(neuron.dt))

    def check(self) -> None:
        """Refuse a rise that is not shorter than the decay."""
        if not np.all(np.asarray(self.tau_rise) < np.asarray(self.tau_decay)):
            raise InvalidValueError(
                f"tau_rise={shown(self.tau_rise)}: must be shorter than tau_decay={shown(self.tau_decay)}; "
                "for a current that jumps at once give tau_syn= alone"
            )

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        q = p["tau_rise"] / p["tau_decay"]
        peak = xp.exp(xp.log(q) * (q / (1.0 - q))) * (1.0 - q)
        return {"alpha": xp.exp(-dt / p["tau_decay"]), "alpha_rise": xp.exp(-dt / p["tau_rise"]), "scale": 1.0 / peak}


SYNAPSES = (Exponential, Scaled, EulerCurrent, Dual)

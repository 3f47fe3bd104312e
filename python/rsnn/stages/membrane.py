"""How the membrane integrates: ``u`` from ``v``, the membrane carried in, and ``z``, its input.

``z`` is the current ``c``, plus `bias`, times `r`; ``y`` is the current of an adaptation, where there is one, and 0 else. Forms with a
bracket ``[...]`` take one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rsnn.arguments import choice, flag
from rsnn.errors import InvalidValueError

from .stage import ANY, NOT_NEGATIVE, POSITIVE, UNIT, Stage, one_of, time_constant

if TYPE_CHECKING:
    from rsnn.neurons import Neuron

    from .stage import Parameter, Range


class Membrane(Stage):
    """Any membrane."""

    states = ("v",)
    takes_current: ClassVar[bool] = False
    """Whether the form has a bracket that the current of an adaptation can join."""

    def start(self, p: Mapping[str, Any]) -> dict[str, Any]:
        """Start at rest."""
        return {"v": p["v_leak"]} if "v_leak" in p else {}


@dataclass(frozen=True, eq=False, repr=False)
class Leaky(Membrane):
    """The membrane of LI and LIF: ``u = v_leak + beta (v - v_leak) + g r (i + bias)``.

    Parameters
    ----------
    tau_mem : time constant in the unit of dt; ``beta = exp(-dt / tau_mem)``, or ``1 - dt / tau_mem`` by ``discretization="euler"``
    beta : or the decay per step itself, 0 to 1
    v_leak, r, bias : resting value, resistance, constant input
    gain : ``"leak"`` (g = 1 - beta, the default with tau_mem) or ``"unit"`` (g = 1, the default with beta)
    discretization : ``"exact"`` or ``"euler"``
    """

    tau_mem: Parameter | None = None
    beta: Parameter | None = None
    v_leak: Parameter = 0.0
    r: Parameter = 1.0
    bias: Parameter = 0.0
    gain: str | None = None
    discretization: str = "exact"

    numbers = ("tau_mem", "beta", "v_leak", "r", "bias")

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        one_of(self, "tau_mem", "beta")
        default = "unit" if self.tau_mem is None else "leak"
        object.__setattr__(self, "gain", default if self.gain is None else choice("gain", self.gain, ("leak", "unit")))
        if choice("discretization", self.discretization, ("exact", "euler")) == "euler" and self.tau_mem is None:
            raise InvalidValueError(
                "discretization='euler': beta= is the decay per step already; give tau_mem=, or leave discretization= out"
            )

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        shortest = time_constant(neuron.dt, euler=self.discretization == "euler")
        return super().ranges(neuron) | {"tau_mem": shortest, "beta": UNIT}

    def hint(self, name: str) -> str:
        """Say what else to do about a number outside its range."""
        if name == "tau_mem" and self.discretization == "euler":
            return "an Euler step longer than tau_mem overshoots: use discretization='exact', or a smaller dt="
        return "a membrane without leak is rsnn.IAF(), or beta=1.0" if name in ("tau_mem", "beta") else ""

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients: a term that changes nothing is left out, unless it is learned."""
        gain = self.recipe(self.parameters(), dt, np)["gain"]
        moving = {"r"} if self.gain == "unit" else {"r", "tau_mem", "beta"}
        leak = ("v_leak",) if np.any(self.v_leak != 0) or "v_leak" in learn else ()
        used = (*leak, *_weighed(self.bias, gain, learn, moving))
        return "+".join(("membrane=leaky", *(name.removeprefix("v_") for name in used))), ("beta", *used)

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        if self.tau_mem is None:
            beta = p["beta"]
        else:
            beta = 1.0 - dt / p["tau_mem"] if self.discretization == "euler" else xp.exp(-dt / p["tau_mem"])
        gain = p["r"] if self.gain == "unit" else (1.0 - beta) * p["r"]
        return {"beta": beta, "v_leak": p["v_leak"], "bias": p["bias"], "gain": gain}


def _weighed(bias: Any, gain: Any, learn: Collection[str], moving: set[str]) -> tuple[str, ...]:
    """Name the weights of the input that change something, or will."""
    present = {"bias": np.any(bias != 0) or "bias" in learn, "gain": np.any(gain != 1) or not moving.isdisjoint(learn)}
    return tuple(name for name, wanted in present.items() if wanted)


@dataclass(frozen=True, eq=False, repr=False)
class Integrator(Membrane):
    """The membrane of IAF, without leak: ``u = v + (i + bias)``.

    Parameters
    ----------
    bias : constant input
    """

    bias: Parameter = 0.0

    numbers = ("bias",)

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        used = _weighed(self.bias, 1.0, learn, set())
        return "+".join(("membrane=leaky", *used)), ("beta", *used)

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return {"beta": xp.ones_like(p["bias"]), "bias": p["bias"]}


@dataclass(frozen=True, eq=False, repr=False)
class Lapicque(Membrane):
    """The membrane of snnTorch's Lapicque: ``u = beta v + ((z r) inverse) time_step``.

    Parameters
    ----------
    beta : the decay per step, which snnTorch makes ``1 - time_step / (r C)``
    r, inverse, time_step : resistance, ``1 / (r C)`` and length of a step, each a factor of its own
    """

    beta: Parameter
    r: Parameter
    inverse: Parameter
    time_step: Parameter = 1.0

    numbers = ("beta", "r", "inverse", "time_step")
    words = "membrane=lapicque"
    reads = ("beta", "r", "inverse", "dt")

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return super().ranges(neuron) | {"beta": UNIT}

    def hint(self, name: str) -> str:
        """Say what else to do about a number outside its range."""
        return "a step longer than r C overshoots: use a smaller time_step" if name == "beta" else ""

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return {"beta": p["beta"], "r": p["r"], "inverse": p["inverse"], "dt": p["time_step"]}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class _Form(Membrane):
    """A form that is a word of the engines, with a constant input and a resistance."""

    r: Parameter = 1.0
    bias: Parameter = 0.0

    form: ClassVar[str] = ""

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        known = {"tau_mem": time_constant(neuron.dt, euler=True), "k": NOT_NEGATIVE, "tau": POSITIVE, "delta_t": POSITIVE}
        return {name: known.get(name, ANY) for name in self.numbers}

    def hint(self, name: str) -> str:
        """Say what else to do about a number outside its range."""
        return "an Euler step longer than tau_mem overshoots: use a smaller dt=" if name == "tau_mem" else ""

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        used = _weighed(self.bias, self.r, learn, {"r"})
        return "+".join((f"membrane={self.form}", *used)), (*self.reads, *used)

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return {name: p[name] for name in self.reads if name in p} | {"bias": p["bias"], "gain": p["r"]}


@dataclass(frozen=True, eq=False, repr=False)
class Euler(_Form):
    """A leaky membrane by an Euler step, as Norse writes it: ``u = v + k [((v_leak - v) + z) - y]``.

    Parameters
    ----------
    tau_mem : time constant in the unit of dt, at least dt; ``k = dt / tau_mem``
    k : or the step itself, not negative
    v_leak : resting value
    r, bias : ``z = r (c + bias)``
    """

    tau_mem: Parameter | None = None
    k: Parameter | None = None
    v_leak: Parameter = 0.0

    numbers: ClassVar[tuple[str, ...]] = ("tau_mem", "k", "v_leak", "r", "bias")
    reads: ClassVar[tuple[str, ...]] = ("k", "v_leak")
    form = "euler"
    takes_current = True

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        one_of(self, "tau_mem", "k", "the Euler step")

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return super().recipe(p, dt, xp) | {"k": p["k"] if self.tau_mem is None else dt / p["tau_mem"]}


class Box(Euler):
    """As `Euler`, input first, as Norse's LIFBox writes it: ``u = v + k ((z + v_leak) - v)``.

    Parameters
    ----------
    tau_mem, k, v_leak, r, bias : as of `Euler`
    """

    form = "box"
    takes_current = False


@dataclass(frozen=True, eq=False, repr=False)
class EulerExp(Euler):
    """An exponential drive: ``u = v + k [(((v_leak - v) + delta_t exp((v - v_rheobase) / delta_t)) + z) - y]``.

    Parameters
    ----------
    tau_mem, k, v_leak, r, bias : as of `Euler`
    delta_t : sharpness of the drive, positive
    v_rheobase : where it sets in
    """

    delta_t: Parameter = 1.0
    v_rheobase: Parameter = 1.0

    numbers = (*Euler.numbers, "delta_t", "v_rheobase")
    reads = (*Euler.reads, "delta_t", "v_rheobase")
    form = "euler_exp"


@dataclass(frozen=True, eq=False, repr=False)
class Quad(Euler):
    """A quadratic drive: ``u = v + k [((a0 (v - v_leak)) (v - v_crit) + z) - y]``.

    Parameters
    ----------
    tau_mem, k, v_leak, r, bias : as of `Euler`
    a0 : steepness of the drive
    v_crit : its upper root
    """

    a0: Parameter = 1.0
    v_crit: Parameter = 1.0

    numbers = (*Euler.numbers, "a0", "v_crit")
    reads = (*Euler.reads, "a0", "v_crit")
    form = "quad"


@dataclass(frozen=True, eq=False, repr=False)
class Tau(_Form):
    """A leaky membrane by division, as SpikingJelly writes it.

    One step::

        decay_input         u = v + (z - (v - v_leak)) / tau
        without             u = (v - (v - v_leak) / tau) + z

    Parameters
    ----------
    tau : time constant in steps, positive
    v_leak : resting value
    decay_input : whether the input is divided too
    r, bias : ``z = r (c + bias)``
    """

    tau: Parameter = 2.0
    v_leak: Parameter = 0.0
    decay_input: bool = True

    numbers = ("tau", "v_leak", "r", "bias")
    reads = ("tau", "v_leak")

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        object.__setattr__(self, "decay_input", flag("decay_input", self.decay_input))

    @property
    def form(self) -> str:  # type: ignore[override]
        """The word of the form."""
        return "tau" if self.decay_input else "tau_decay"


@dataclass(frozen=True, eq=False, repr=False)
class TauExp(_Form):
    """An exponential drive by division: ``u = v + [(((z + v_leak) - v) + delta_t exp((v - v_rheobase) / delta_t)) - y] / tau``.

    Parameters
    ----------
    tau, v_leak, r, bias : as of `Tau`
    delta_t : sharpness of the drive, positive
    v_rheobase : where it sets in
    """

    tau: Parameter = 2.0
    v_leak: Parameter = 0.0
    delta_t: Parameter = 1.0
    v_rheobase: Parameter = 0.8

    numbers = ("tau", "v_leak", "delta_t", "v_rheobase", "r", "bias")
    reads = ("tau", "v_leak", "delta_t", "v_rheobase")
    form = "tau_exp"
    takes_current = True


@dataclass(frozen=True, eq=False, repr=False)
class TauQuad(_Form):
    """A quadratic drive by division: ``u = v + [(z + (a0 (v - v_leak)) (v - v_crit)) - y] / tau``.

    Parameters
    ----------
    tau, v_leak, r, bias : as of `Tau`
    a0 : steepness of the drive
    v_crit : its upper root
    """

    tau: Parameter = 2.0
    v_leak: Parameter = 0.0
    a0: Parameter = 1.0
    v_crit: Parameter = 0.8

    numbers = ("tau", "v_leak", "a0", "v_crit", "r", "bias")
    reads = ("tau", "v_leak", "a0", "v_crit")
    form = "tau_quad"
    takes_current = True


@dataclass(frozen=True, eq=False, repr=False)
class Mul(_Form):
    """A leaky membrane by multiplication, as SpikingJelly's ParametricLIF writes it.

    One step::

        decay_input         u = v + (z - (v - v_leak)) k
        without             u = (v - (v - v_leak) k) + z

    Parameters
    ----------
    w : ``k = 1 / (1 + exp(-w))``
    k : or the step itself, 0 to 1
    v_leak : resting value
    decay_input : whether the input is multiplied too
    r, bias : ``z = r (c + bias)``
    """

    w: Parameter | None = None
    k: Parameter | None = None
    v_leak: Parameter = 0.0
    decay_input: bool = True

    numbers = ("w", "k", "v_leak", "r", "bias")
    reads = ("k", "v_leak")

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        one_of(self, "w", "k", "its sigmoid")
        object.__setattr__(self, "decay_input", flag("decay_input", self.decay_input))

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return super().ranges(neuron) | {"w": (-500.0, 500.0), "k": UNIT}

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return super().recipe(p, dt, xp) | {"k": p["k"] if self.w is None else 1.0 / (1.0 + xp.exp(-p["w"]))}

    @property
    def form(self) -> str:  # type: ignore[override]
        """The word of the form."""
        return "mul" if self.decay_input else "mul_decay"


MEMBRANES = (Leaky, Integrator, Euler, Box, EulerExp, Quad, Lapicque, Tau, TauExp, TauQuad, Mul)

"""Neurons that are no chain of stages. They take the place of the membrane, and bring synapse, adaptation and reset of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rsnn.arguments import choice

from .fire import Single, Soft, Strict
from .stage import NOT_NEGATIVE, NOT_POSITIVE, UNIT, Absent, Stage, one_of

if TYPE_CHECKING:
    from rsnn.neurons import Neuron

    from .stage import Parameter, Range


class Whole(Stage):
    """Any of them."""

    fires: ClassVar[tuple[type[Stage], ...]] = (Strict, Soft)
    """How it may fire."""
    takes_sending: ClassVar[bool] = False
    """Whether it takes inhibition and graded spikes."""

    def after_fire(self) -> tuple[Stage, ...]:
        """Give what the specification says after how it fires."""
        return ()


@dataclass(frozen=True, eq=False, repr=False)
class Izhikevich(Whole):
    """Izhikevich's neuron, an Euler step of it.

    One step, v and w as carried in::

        u = v + k ((((sq v v + mn v) + const) - w) + x)
        y = w + a_k (b v - w),   a_k = k a
        s = fire(u)
        v = (1 - s) u + s c
        w = (1 - s) y + s (y + d)

    Parameters
    ----------
    a, b, c, d : rate of the recovery w, how it follows v, v after a spike, what a spike adds to w
    sq, mn, const : the quadratic drive of v
    k : length of the step; None: dt
    a_k : rate of the recovery per step, in place of `a`
    """

    a: Parameter | None = None
    b: Parameter = 0.2
    c: Parameter = -65.0
    d: Parameter = 8.0
    sq: Parameter = 0.04
    mn: Parameter = 5.0
    const: Parameter = 140.0
    k: Parameter | None = None
    a_k: Parameter | None = None

    numbers = ("a", "b", "c", "d", "sq", "mn", "const", "k", "a_k")
    states = ("v", "w")
    words = "izhikevich"
    reads = ("k", "a", "b", "c", "d", "sq", "mn", "const")
    fires = (Single, Strict, Soft)

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        one_of(self, "a", "a_k", "the rate per step")

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return super().ranges(neuron) | {"k": NOT_NEGATIVE}

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        k = xp.ones_like(p["b"]) * dt if self.k is None else p["k"]
        own = {name: p[name] for name in ("b", "c", "d", "sq", "mn", "const")}
        return own | {"k": k, "a": p["a_k"] if self.a is None else k * p["a"]}

    def start(self, p: Mapping[str, Any]) -> dict[str, Any]:
        """Start as after a spike, the recovery at its rest."""
        return {"v": p["c"], "w": p["b"] * p["c"]}


@dataclass(frozen=True, eq=False, repr=False)
class SnnTorchAlpha(Whole):
    """Alpha of snnTorch: the membrane is the difference of two decays, and the reset acts on both of them, one step late.

    One step, v, i and h as carried in::

        R = [v - v_threshold > 0]
        e = alpha i + x;   f = beta h - x;   m = scale (e + f)
        i, h, v = e, f, m                                            reset="none"
                  e - v_threshold R, f - f R, m + h R                reset="subtract"
                  e - e R, f - f R, m - m R                          reset="drop"
        s = [v - v_threshold > 0]

    Parameters
    ----------
    alpha, beta : decays of the two currents per step, 0 to 1
    scale : weight of their sum
    reset : ``"none"``, ``"subtract"`` or ``"drop"``
    """

    alpha: Parameter
    beta: Parameter
    scale: Parameter
    reset: str = "drop"

    numbers = ("alpha", "beta", "scale")
    states = ("v", "i", "h")
    words = "alpha"
    takes_sending = True
    reads = ("alpha", "beta", "scale")

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        choice("reset", self.reset, ("none", "subtract", "drop"))

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return super().ranges(neuron) | {"alpha": UNIT, "beta": UNIT}

    def after_fire(self) -> tuple[Stage, ...]:
        """Say what the reset does."""
        return (Absent(f"reset={self.reset}"),)


@dataclass(frozen=True, eq=False, repr=False)
class Coba(Whole):
    """A neuron of two conductances, Norse's CobaLIF: i the excitatory one, h the inhibitory one.

    One step::

        i = i + relu(x);      h = h + relu(-x)
        i = i + k_e i;        h = h + k_i h
        u = v + k ((g_leak (v_leak - v) + i (e_exc - v)) + h (e_inh - v))
        s = [u - v_threshold > 0];   v = (1 - s) u + s v_reset

    Parameters
    ----------
    k_e, k_i : Euler steps of the conductances, ``-dt / tau``
    k : Euler step of the membrane, ``dt / capacitance``
    g_leak, v_leak : leak conductance, resting value
    e_exc, e_inh : reversal potentials
    v_reset : where the membrane starts from after a spike
    """

    k_e: Parameter
    k_i: Parameter
    k: Parameter
    g_leak: Parameter
    v_leak: Parameter
    e_exc: Parameter
    e_inh: Parameter
    v_reset: Parameter

    numbers = ("k_e", "k_i", "k", "g_leak", "v_leak", "e_exc", "e_inh", "v_reset")
    states = ("v", "i", "h")
    words = "coba"
    reads = numbers

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return super().ranges(neuron) | {"k_e": NOT_POSITIVE, "k_i": NOT_POSITIVE, "k": NOT_NEGATIVE}

    def start(self, p: Mapping[str, Any]) -> dict[str, Any]:
        """Start at rest."""
        return {"v": p["v_leak"]}


WHOLES = (Izhikevich, SnnTorchAlpha, Coba)

"""Neurons that are no row of stages. They take the place of the membrane, and bring synapse, adaptation and reset of their own.

To add one, write its class here, a line in `WHOLES`, its step in `rsnn.reference`, and its file in the Rust core.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rsnn.arguments import choice, shown
from rsnn.errors import InvalidValueError

from .fire import Single, Soft, Strict
from .stage import NOT_NEGATIVE, NOT_POSITIVE, UNIT, Absent, Stage, one_of, time_constant

if TYPE_CHECKING:
    from rsnn.neurons import Neuron

    from .stage import Parameter, Range


class Whole(Stage):
    """Any of them."""

    fires: ClassVar[tuple[type[Stage], ...]] = (Strict, Soft)
    """How it may fire."""
    own: ClassVar[tuple[str, ...]] = ()
    """The coefficients that no other neuron has, in the order in which it has them."""
    takes: ClassVar[tuple[str, ...]] = ()
    """What else it takes: ``"refractory"``; ``"sending"``, which is inhibition and graded spikes."""

    def after_fire(self) -> tuple[Stage, ...]:
        """Give what the specification says after how it fires."""
        return ()


@dataclass(frozen=True, eq=False, repr=False)
class Izhikevich(Whole):
    """Izhikevich's neuron, an Euler step of it.

    One step, v and w as carried in::

        u = v + k ((((sq v v + mn v) + const) - w) + x)
        y = w + a_k (b v - w)                   recovery="carried": the membrane carried in, as of Norse
            w + a_k (b u - w)                   "updated": the membrane of this step, as of the published code
            w + a_k (b (u - v_leak))            "drift": the same without a decay, as of its accommodation
        a_k = k a
        s = fire(u)
        v = (1 - s) u + s c
        w = (1 - s) y + s (y + d)

    Parameters
    ----------
    a, b, c, d : rate of the recovery w, how it follows v, v after a spike, what a spike adds to w
    sq, mn, const : the quadratic drive of v
    k : length of the step; None: dt
    a_k : rate of the recovery per step, in place of `a`
    v_leak : where a recovery that drifts stands still
    v_init : where a run starts; None: c. The recovery starts at its rest, or where it drifts so that v stands still.
    recovery : ``"carried"``, ``"updated"`` or ``"drift"``
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
    v_leak: Parameter | None = None
    v_init: Parameter | None = None
    recovery: str = "carried"

    numbers = ("a", "b", "c", "d", "sq", "mn", "const", "k", "a_k", "v_leak")
    fixed = ("v_init",)
    states = ("v", "w")
    own = ("a", "b", "c", "d", "sq", "mn", "const")
    fires = (Single, Strict, Soft)

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        one_of(self, "a", "a_k", "the rate per step")
        if choice("recovery", self.recovery, ("carried", "updated", "drift")) == "drift" and self.v_leak is None:
            raise InvalidValueError("recovery='drift': needs the membrane at which it stands still; give v_leak=")
        if self.recovery != "drift" and self.v_leak is not None:
            raise InvalidValueError(
                f"v_leak={shown(self.v_leak)}: recovery={self.recovery!r} does not use it; give recovery='drift', or leave it out"
            )

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        words = "izhikevich" if self.recovery == "carried" else f"izhikevich recovery={self.recovery}"
        return words, ("k", *(("v_leak",) if self.recovery == "drift" else ()), *self.own)

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return super().ranges(neuron) | {"k": NOT_NEGATIVE}

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        k = xp.ones_like(p["b"]) * dt if self.k is None else p["k"]
        own = {name: p[name] for name in ("b", "c", "d", "sq", "mn", "const")}
        leak = {"v_leak": p["v_leak"]} if self.recovery == "drift" else {}
        return own | leak | {"k": k, "a": p["a_k"] if self.a is None else k * p["a"]}

    def start(self, p: Mapping[str, Any]) -> dict[str, Any]:
        """Start at v_init, or as after a spike, the recovery at its rest."""
        v = p["c"] if self.v_init is None else self.v_init
        return {"v": v, "w": (p["sq"] * v + p["mn"]) * v + p["const"] if self.recovery == "drift" else p["b"] * v}


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
    takes = ("sending",)
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

    own = ("k_e", "k_i", "g_leak", "e_exc", "e_inh")
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


@dataclass(frozen=True, eq=False, repr=False)
class Glif3(Whole):
    """A leaky integrate-and-fire neuron with two after-spike currents a and w, the Allen Institute's GLIF-3.

    One step, v, a and w as carried in::

        u = v_leak + beta (v - v_leak) + r (1 - beta) (x + (a + w)),       beta = exp(-dt / tau_mem)
        p = a exp(-dt / tau_1);   q = w exp(-dt / tau_2)
        s = [u - v_threshold >= 0]
        v = (1 - s) u + s v_reset
        a = (1 - s) p + s (jump_1 + keep_1 p)
        w = (1 - s) q + s (jump_2 + keep_2 q)

    Where the neuron rests after a spike, v, a and w hold still.

    Parameters
    ----------
    tau_mem : time constant of the membrane, in the unit of dt
    v_leak, r : resting value, resistance
    v_reset : where the membrane starts from after a spike
    tau_1, tau_2 : time constants of the currents
    jump_1, jump_2 : what a spike adds to them
    keep_1, keep_2 : what a spike leaves of them, 0 to 1
    """

    tau_mem: Parameter
    v_leak: Parameter
    r: Parameter
    v_reset: Parameter
    tau_1: Parameter
    tau_2: Parameter
    jump_1: Parameter
    jump_2: Parameter
    keep_1: Parameter = 1.0
    keep_2: Parameter = 1.0

    numbers = ("tau_mem", "v_leak", "r", "v_reset", "tau_1", "tau_2", "jump_1", "jump_2", "keep_1", "keep_2")
    states = ("v", "a", "w")
    words = "glif3"
    own = ("decay_1", "decay_2", "keep_1", "keep_2", "jump_1", "jump_2")
    reads = ("beta", "v_leak", "gain", "v_reset", *own)
    fires = (Single, Soft)
    takes = ("refractory",)

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        times = dict.fromkeys(("tau_mem", "tau_1", "tau_2"), time_constant(neuron.dt))
        return super().ranges(neuron) | times | {"keep_1": UNIT, "keep_2": UNIT}

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        beta = xp.exp(-dt / p["tau_mem"])
        same = {name: p[name] for name in ("v_leak", "v_reset", "jump_1", "jump_2", "keep_1", "keep_2")}
        decays = {"decay_1": xp.exp(-dt / p["tau_1"]), "decay_2": xp.exp(-dt / p["tau_2"])}
        return same | decays | {"beta": beta, "gain": (1.0 - beta) * p["r"]}

    def start(self, p: Mapping[str, Any]) -> dict[str, Any]:
        """Start at rest."""
        return {"v": p["v_leak"]}


WHOLES = (Izhikevich, SnnTorchAlpha, Coba, Glif3)

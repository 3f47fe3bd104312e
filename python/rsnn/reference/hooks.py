"""What the steps are written with: how a neuron fires, and the places where gradients differ from values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .exponential import exp

Array = Any
Fire = Callable[[Array, Array], Array]
Spike = Callable[[Array, Array, Fire], Array]
Select = Callable[[Array, Array, Array], Array]
Exp = Callable[[Array], Array]
Detach = Callable[..., Array]


def hard_spike(v: Array, theta: Array, fire: Fire) -> Array:
    """Fire as the neuron says: the hook `spike` without a surrogate.

    A hook with a surrogate returns the value of ``fire(v, theta)`` and gives it the derivative of its own.
    """
    return fire(v, theta)


def keep(value: Array, *_: str) -> Array:
    """Hold nothing constant: the hook `detach` of a run without gradients."""
    return value


def fire_rule(kind: str, max_spikes: Array, xp: Any) -> Fire:
    """Give the number of spikes as a function of the membrane and the threshold."""

    def single(v: Array, theta: Array) -> Array:
        return xp.where(v - theta >= 0, xp.ones_like(v), xp.zeros_like(v))

    def strict(v: Array, theta: Array) -> Array:
        return xp.where(v - theta > 0, xp.ones_like(v), xp.zeros_like(v))

    def multi(v: Array, theta: Array) -> Array:
        return xp.where(v > 0, xp.trunc(v / theta), xp.zeros_like(v))

    def capped(v: Array, theta: Array) -> Array:
        n = multi(v, theta)
        return xp.where(n > max_spikes, max_spikes, n)

    def soft(v: Array, theta: Array) -> Array:
        y = v - theta
        return 0.5 + y / (1.0 + 2.0 * xp.abs(y))

    return {"single": single, "strict": strict, "multi": multi, "capped": capped, "soft": soft}[kind]


class Hooks:
    """The namespace, and the hooks of a `Stepper`."""

    def __init__(self, xp: Any, spike: Spike, select: Select | None, exponential: Exp | None, detach: Detach) -> None:
        self.xp = xp
        self.spike = spike
        self.select = select or (lambda s, v_reset, u: xp.where(s != 0, v_reset, u))
        self.exp = exponential or (lambda x: exp(x, xp))
        self.detach = detach

    def fire(self, kind: str, max_spikes: Array = None) -> Fire:
        """Give the rule of a kind of fire, through the hook."""
        rule = fire_rule(kind, max_spikes, self.xp)
        return lambda v, theta: self.spike(v, theta, rule)

    def test(self, rest: Array) -> Array:
        """Give 1 where it is positive, else 0, as a spike at the threshold 0."""
        return self.spike(rest, self.xp.zeros_like(rest), fire_rule("strict", None, self.xp))

    def relu(self, y: Array) -> Array:
        """Give y where it is positive, else 0; NaN stays NaN."""
        return self.xp.where(y <= 0, self.xp.zeros_like(y), y)

    def winner(self, lead: Array) -> Array:
        """Give 1 for the first of the largest along the last axis (NaN is the largest), else 0."""
        if not lead.ndim:
            return self.xp.ones_like(lead)
        if not lead.shape[-1]:
            return lead
        place = self.xp.arange(lead.shape[-1], **({} if isinstance(lead, np.ndarray) else {"device": lead.device}))
        best = place == self.xp.argmax(lead, -1)[..., None]
        return self.xp.where(best, self.xp.ones_like(lead), self.xp.zeros_like(lead))

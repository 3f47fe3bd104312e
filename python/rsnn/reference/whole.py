"""The steps of the neurons that are no chain of stages. To add one, write its class here and a line in `WHOLES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .hooks import Array, Hooks

Step = tuple[Array, Array, dict[str, Array]]


class Izhikevich:
    """Izhikevich's neuron, an Euler step of it.

    One step, v and w as carried in::

        u = v + k ((((sq v v + mn v) + const) - w) + x)
        y = w + a (b v - w)
        s = fire(u)
        v = (1 - s) u + s c
        w = (1 - s) y + s (y + d)
    """

    states = ("v", "w")

    def __init__(self, options: str, coefficients: Mapping[str, Array], hooks: Hooks) -> None:
        self.c, self.hooks = coefficients, hooks
        self.fire = hooks.fire(options.removeprefix("fire="))

    def __call__(self, x: Array, state: Mapping[str, Array], operand: Array | None) -> Step:
        """Make one step."""
        c, v, w = self.c, state["v"], state["w"]
        u = v + c["k"] * ((((c["sq"] * (v * v) + c["mn"] * v) + c["const"]) - w) + x)
        y = w + c["a"] * (c["b"] * v - w)
        spikes = self.fire(u, c["v_threshold"])
        s = self.hooks.detach(spikes)
        return spikes, u, {"v": (1 - s) * u + s * c["c"], "w": (1 - s) * y + s * (y + c["d"])}


class Alpha:
    """snnTorch's Alpha.

    One step, v, i and h as carried in::

        R = fire(v)
        e = alpha i + x;   f = beta h - x;   m = scale (e + f)
        i, h, v = e, f, m                                            reset=none
                  e - v_threshold R, f - f R, m + h R                reset=subtract
                  e - e R, f - f R, m - m R                          reset=drop
        s = fire(v)                                                  inhibition: 0 but for the largest v - v_threshold
        output = s                                                   graded: s graded
    """

    states = ("v", "i", "h")

    def __init__(self, options: str, coefficients: Mapping[str, Array], hooks: Hooks) -> None:
        self.c, self.hooks = coefficients, hooks
        fire, reset, *self.options = options.split(" ")
        self.fire, self.reset = hooks.fire(fire.removeprefix("fire=")), reset.removeprefix("reset=")

    def __call__(self, x: Array, state: Mapping[str, Array], operand: Array | None) -> Step:
        """Make one step."""
        c, i, h, theta = self.c, state["i"], state["h"], self.c["v_threshold"]
        e, f = c["alpha"] * i + x, c["beta"] * h - x
        m = c["scale"] * (e + f)
        before = self.hooks.detach(self.fire(state["v"], theta))
        match self.reset:
            case "subtract":
                i, h, v = e - theta * before, f - f * before, m + h * before
            case "drop":
                i, h, v = e - e * before, f - f * before, m - m * before
            case _:
                i, h, v = e, f, m
        s = self.fire(v, theta)
        if "inhibition" in self.options:
            s = s * self.hooks.winner(v - theta)
        if "graded" in self.options:
            s = s * c["graded"]
        return s, v, {"v": v, "i": i, "h": h}


class Coba:
    """Norse's CobaLIF.

    One step::

        i = i + relu(x);      h = h + relu(-x)
        i = i + k_e i;        h = h + k_i h
        u = v + k ((g_leak (v_leak - v) + i (e_exc - v)) + h (e_inh - v))
        s = fire(u);          v = (1 - s) u + s v_reset
    """

    states = ("v", "i", "h")

    def __init__(self, options: str, coefficients: Mapping[str, Array], hooks: Hooks) -> None:
        self.c, self.hooks = coefficients, hooks
        self.fire = hooks.fire(options.removeprefix("fire="))

    def __call__(self, x: Array, state: Mapping[str, Array], operand: Array | None) -> Step:
        """Make one step."""
        c, v = self.c, state["v"]
        i, h = state["i"] + self.hooks.relu(x), state["h"] + self.hooks.relu(-x)
        i, h = i + c["k_e"] * i, h + c["k_i"] * h
        u = v + c["k"] * ((c["g_leak"] * (c["v_leak"] - v) + i * (c["e_exc"] - v)) + h * (c["e_inh"] - v))
        spikes = self.fire(u, c["v_threshold"])
        s = self.hooks.detach(spikes)
        return spikes, u, {"v": (1 - s) * u + s * c["v_reset"], "i": i, "h": h}


WHOLES: dict[str, Callable[..., Any]] = {"izhikevich": Izhikevich, "alpha": Alpha, "coba": Coba}
"""Every neuron that is no chain of stages, by the name the engines know it by."""

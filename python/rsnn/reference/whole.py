"""The steps of the neurons that are no row of stages. To add one, write its class here and a line in `WHOLES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .hooks import Array, Hooks

Step = tuple[Array, Array, dict[str, Array]]


class Izhikevich:
    """Izhikevich's neuron, an Euler step of it.

    One step, v and w as carried in::

        u = v + k ((((sq v v + mn v) + const) - w) + x)
        y = w + a (b v - w)                                          recovery=carried, and without the word
            w + a (b u - w)                                          recovery=updated
            w + a (b (u - v_leak))                                   recovery=drift
        s = fire(u)
        v = (1 - s) u + s c
        w = (1 - s) y + s (y + d)
    """

    states = ("v", "w")

    def __init__(self, options: str, coefficients: Mapping[str, Array], hooks: Hooks) -> None:
        self.c, self.hooks = coefficients, hooks
        words = dict(word.split("=") for word in options.split(" "))
        self.fire, self.recovery = hooks.fire(words["fire"]), words.get("recovery", "carried")

    def __call__(self, x: Array, state: Mapping[str, Array], operand: Array | None) -> Step:
        """Make one step."""
        c, v, w = self.c, state["v"], state["w"]
        u = v + c["k"] * ((((c["sq"] * (v * v) + c["mn"] * v) + c["const"]) - w) + x)
        if self.recovery == "drift":
            y = w + c["a"] * (c["b"] * (u - c["v_leak"]))
        else:
            y = w + c["a"] * (c["b"] * (u if self.recovery == "updated" else v) - w)
        spikes = self.fire(u, c["v_threshold"])
        s = self.hooks.detach(spikes, "reset")
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
        before = self.hooks.detach(self.fire(state["v"], theta), "reset", "carried")
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
        s = self.hooks.detach(spikes, "reset")
        return spikes, u, {"v": (1 - s) * u + s * c["v_reset"], "i": i, "h": h}


class Glif3:
    """The Allen Institute's GLIF-3, a and w its after-spike currents.

    One step, v, a and w as carried in::

        u = (v_leak + beta (v - v_leak)) + gain (x + (a + w))
        p = decay_1 a;   q = decay_2 w
        s = fire(u)
        v = (1 - s) u + s v_reset
        a = (1 - s) p + s (jump_1 + keep_1 p)
        w = (1 - s) q + s (jump_2 + keep_2 q)
        refractory: where rest > 0 everything holds: u = v, p = a, q = w, s = 0
                    rest = refractory where s != 0, else rest - 1 where rest > 0, else 0
    """

    def __init__(self, options: str, coefficients: Mapping[str, Array], hooks: Hooks) -> None:
        self.c, self.hooks = coefficients, hooks
        fire, _, rests = options.partition(" ")
        self.fire = hooks.fire(fire.removeprefix("fire="))
        self.states = ("v", "a", "w", "rest") if rests else ("v", "a", "w")

    def __call__(self, x: Array, state: Mapping[str, Array], operand: Array | None) -> Step:
        """Make one step."""
        c, xp, v, a, w = self.c, self.hooks.xp, state["v"], state["a"], state["w"]
        u = (c["v_leak"] + c["beta"] * (v - c["v_leak"])) + c["gain"] * (x + (a + w))
        p, q, new = c["decay_1"] * a, c["decay_2"] * w, {}
        if "rest" in state:
            rest = state["rest"]
            held, zero = rest > 0, xp.zeros_like(rest)
            u, p, q = xp.where(held, v, u), xp.where(held, a, p), xp.where(held, w, q)
            spikes = xp.where(held, zero, self.fire(u, c["v_threshold"]))
            new["rest"] = xp.where(spikes != 0, c["refractory"] + zero, xp.where(held, rest - 1, zero))
        else:
            spikes = self.fire(u, c["v_threshold"])
        s = self.hooks.detach(spikes, "reset")
        new["v"] = (1 - s) * u + s * c["v_reset"]
        new["a"] = (1 - s) * p + s * (c["jump_1"] + c["keep_1"] * p)
        new["w"] = (1 - s) * q + s * (c["jump_2"] + c["keep_2"] * q)
        return spikes, u, new


class Merged:
    """Any of them whose own output comes back to it: the operand joins the input before anything else.

    One step::

        x = x + r
        the step of the neuron
        last output = output
    """

    def __init__(self, step: Any) -> None:
        self.step, self.states = step, (*step.states, "s")

    def __call__(self, x: Array, state: Mapping[str, Array], operand: Array | None) -> Step:
        """Make one step."""
        output, u, new = self.step(x if operand is None else x + operand, state, None)
        return output, u, new | {"s": output}


WHOLES: dict[str, Callable[..., Any]] = {"izhikevich": Izhikevich, "alpha": Alpha, "coba": Coba, "glif3": Glif3}
"""Every neuron that is no row of stages, by the name the engines know it by."""

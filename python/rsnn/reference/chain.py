"""One step of a neuron of stages.

x the input, r what its own output brings (recurrent neurons), v and the other states carried in, s and u the output and the membrane
before its reset. The forms of synapse and membrane are at their functions::

    x    = x + r                                   recurrent_merged
    c    from the synapse                          takes r, unless there is no synapse
    R    = fire(v)                                 timing next and residual only, on the membrane carried in
    v0   = v;  timing next and residual, reset value: v_reset where R != 0, else v; reset blend: (1 - R) v + R v_reset
    z    = c                                       bias: c + bias; then gain: gain z; then r, where there is no synapse
    u    from the membrane, v0 and z               less y, the current of an adaptation
    u    = u                                       timing next and residual, reset subtract: u - R v_threshold; drop: u - R u
    u    = v where rest > 0                        refractory: the membrane holds still
    theta, a  from the adaptation                  without: theta = v_threshold
    s    = fire(u, theta)                          inhibition: 0 but for the largest u - v_threshold; refractory: 0 where rest > 0
    v    = same:      none: u;  subtract: u - s theta;  value: v_reset where s != 0, else u;  blend: (1 - s) u + s v_reset
                      blend_subtract: (1 - s) u + s (u - theta);  amount: u - s v_subtract;  gate: u [s = 0] + v_reset
           next:      u, reset in the next step
           residual:  with d = s - R:  subtract: u - d v_threshold;  value, blend: u - d (u - v_reset);  drop: u - d u
    a    from the adaptation, after the spikes
    rest = refractory where s != 0, else rest - 1 where that is more than 0, else 0
                                                   masked: the same, where gradients see the test rest > 0 as a spike (Norse)
    v    = clip: v_min where v < v_min, else v;    relu: relu(v - v_min) + v_min
    output and last output = s                     graded: s graded; a neuron that does not fire sends v
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .forms import FORMS, TAKES_OPERAND_LAST, synapse
from .hooks import Array, Hooks


def parse(spec: str) -> dict[str, Any]:
    """Read a specification into its axes: synapse, membrane (its form and the other words), adaptation, fire, reset, timing, options."""
    words = [word.partition("=") for word in spec.split(" ")]
    axes: dict[str, Any] = {"adaptation": "none"} | {name: value for name, equals, value in words if equals}
    form, *more = axes["membrane"].split("+")
    return axes | {"form": form, "membrane": frozenset(more), "options": frozenset(name for name, equals, _ in words if not equals)}


class Chain:
    """The step; see `rsnn.reference.Stepper`."""

    def __init__(self, spec: str, coefficients: Mapping[str, Array], hooks: Hooks) -> None:
        self.axes, self.c, self.hooks = parse(spec), coefficients, hooks
        kind, options = self.axes["fire"], self.axes["options"]
        self.fire = hooks.fire(kind, coefficients.get("max_spikes")) if kind != "none" else None
        self.adaptation = self.axes["adaptation"]
        there = {
            "v": True,
            "i": self.axes["synapse"] != "none",
            "h": self.axes["synapse"] == "dual",
            "a": self.adaptation in ("threshold", "relax", "current"),
            "w": self.adaptation == "recovery",
            "rest": "refractory" in options,
            "s": bool(options & {"recurrent", "recurrent_merged"}),
        }
        self.states = tuple(name for name, needed in there.items() if needed)
        self.slow = "w" if there["w"] else "a"

    def __call__(self, x: Array, state: Mapping[str, Array], operand: Array | None) -> tuple[Array, Array, dict[str, Array]]:
        """Make one step."""
        axes, c, xp, options = self.axes, self.c, self.hooks.xp, self.axes["options"]
        v, rest, a = state["v"], state.get("rest"), state.get(self.slow)
        if operand is not None and "recurrent_merged" in options:
            x, operand = x + operand, None
        z, i, h, operand = synapse(axes["synapse"], c, x, state.get("i"), state.get("h"), operand)

        reset, early = axes["reset"], axes["timing"] in ("next", "residual")
        before = self.hooks.detach(self.fire(v, c["v_threshold"]), "reset", "carried") if early and self.fire else None
        v0 = self._to_value(before, v) if early and reset in ("value", "blend") else v

        if "bias" in axes["membrane"]:
            z = z + c["bias"]
        if "gain" in axes["membrane"]:
            z = c["gain"] * z
        form = axes["form"]
        if operand is not None and form not in TAKES_OPERAND_LAST:
            z = z + operand
        y = a if self.adaptation in ("current", "recovery") else None
        u = FORMS[form](c, v0, z, y, self.hooks.exp, "leak" in axes["membrane"])
        if operand is not None and form in TAKES_OPERAND_LAST:
            u = u + operand
        if early and reset == "subtract":
            u = u - before * c["v_threshold"]
        elif early and reset == "drop":
            u = u - u * before
        masked = "masked" in options
        free = u
        if rest is not None:
            u = xp.where(rest > 0, v, u)

        if self.fire is None:
            v = self._bounded(u)
            return v, u, {"v": v, "i": i, "h": h, "s": v}
        theta, tested, a = self._adapt_before(a, v, u)
        s = self.fire(free if masked else u, tested)
        if "inhibition" in options:
            s = s * self.hooks.winner(u - c["v_threshold"])
        if masked:
            mask = self.hooks.test(rest)
            v = self._bounded(self.hooks.select(mask, v, self._reset(free, s, before, theta)))
            s = self.hooks.select(mask, xp.zeros_like(s), s)
            less, zero = rest - mask, xp.zeros_like(rest)
            rest = self.hooks.select(s, c["refractory"] + zero, xp.where(less > 0, less, zero))
        elif rest is not None:
            s = xp.where(rest > 0, xp.zeros_like(s), s)
            v = self._bounded(self._reset(u, s, before, theta))
            zero = xp.zeros_like(rest)
            rest = xp.where(s != 0, c["refractory"] + zero, xp.where(rest - 1 > 0, rest - 1, zero))
        else:
            v = self._bounded(self._reset(u, s, before, theta))
        a = self._adapt_after(a, self.hooks.detach(s, "adaptation"))
        if "graded" in options:
            s = s * c["graded"]
        return s, u, {"v": v, "i": i, "h": h, self.slow: a, "rest": rest, "s": s}

    def _adapt_before(self, a: Array, v: Array, u: Array) -> tuple[Array, Array, Array]:
        """Give theta, the same as spikes are tested against it (other gradients may flow), and the slow variable before the spikes."""
        c, theta, detach = self.c, self.c["v_threshold"], self.hooks.detach
        tested = theta
        match self.adaptation:
            case "threshold":
                raised = c["kappa"] * a
                theta, tested = theta + raised, theta + detach(raised, "threshold")
            case "relax":
                theta = a = a + c["couple"] * (theta - a)
                tested = detach(theta, "threshold")
            case "current":
                a = a + c["rho"] * (c["couple"] * (v - c["v_leak"]) - a)
            case "recovery":
                a = a + (c["couple"] * (u - c["v_leak"]) - a) / c["rho"]
        return theta, tested, a

    def _adapt_after(self, a: Array, s: Array) -> Array:
        match self.adaptation:
            case "none":
                return a
            case "threshold":
                return self.c["rho"] * a + self.c["inc"] * s
            case _:
                return a + s * self.c["inc"]

    def _reset(self, u: Array, s: Array, before: Array, theta: Array) -> Array:
        reset, timing, c, xp = self.axes["reset"], self.axes["timing"], self.c, self.hooks.xp
        if reset == "none" or timing == "next":
            return u
        s = self.hooks.detach(s, "reset")
        if timing == "residual":
            d = s - before
            return u - d * {"subtract": theta, "drop": u}[reset] if reset in ("subtract", "drop") else u - d * (u - c["v_reset"])
        match reset:
            case "subtract":
                return u - s * theta
            case "blend_subtract":
                return (1 - s) * u + s * (u - theta)
            case "amount":
                return u - s * c["v_subtract"]
            case "gate":
                return u * xp.where(s == 0, xp.ones_like(s), xp.zeros_like(s)) + c["v_reset"]
            case _:
                return self._to_value(s, u)

    def _to_value(self, s: Array, u: Array) -> Array:
        v_reset = self.c["v_reset"]
        return self.hooks.select(s, v_reset, u) if self.axes["reset"] == "value" else (1 - s) * u + s * v_reset

    def _bounded(self, v: Array) -> Array:
        options = self.axes["options"]
        if "clip" in options:
            return self.hooks.xp.where(v < self.c["v_min"], self.c["v_min"], v)
        return self.hooks.relu(v - self.c["v_min"]) + self.c["v_min"] if "relu" in options else v

"""The forms of synapse and membrane, every operation rounded on its own, in the order written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .hooks import Array, Exp

Coefficients = Mapping[str, Array]
Form = Callable[[Coefficients, Array, Array, Array | None, Exp, bool], Array]


def synapse(order: str, c: Coefficients, x: Array, i: Array, h: Array, operand: Array | None) -> tuple[Array, Array, Array, Array | None]:
    """Give the current that drives the membrane, the currents kept, and the operand if no synapse took it.

    The operand is added right after x, as a term of its own.
    """

    def jump(base: Array) -> Array:
        return base + x if operand is None else (base + x) + operand

    match order:
        case "none":
            return x, None, None, operand
        case "decay_jump_use":
            i = current = jump(c["alpha"] * i)
        case "jump_decay_use":
            i = current = c["alpha"] * jump(i)
        case "scaled_jump_decay":
            i = current = c["scale"] * (c["alpha"] * jump(i))
        case "jump_use_decay":
            current = jump(i)
            i = c["alpha"] * current
        case "jump_use_euler":
            current = jump(i)
            i = current + c["eta"] * current
        case "use_decay_jump":
            current, i = i, jump(c["alpha"] * i)
        case "use_euler_jump":
            current, i = i, jump(i + c["eta"] * i)
        case "dual":
            i, h = jump(c["alpha"] * i), jump(c["alpha_rise"] * h)
            current = c["scale"] * (i - h)
    return current, i, h, None


def _less(bracket: Array, y: Array | None) -> Array:
    return bracket if y is None else bracket - y


def _leaky(c: Coefficients, v: Array, z: Array, y: Any, exp: Any, leak: bool) -> Array:
    return (c["v_leak"] + c["beta"] * (v - c["v_leak"]) if leak else c["beta"] * v) + z


def _lapicque(c: Coefficients, v: Array, z: Array, *_: Any) -> Array:
    return c["beta"] * v + ((z * c["r"]) * c["inverse"]) * c["dt"]


def _euler(c: Coefficients, v: Array, z: Array, y: Array | None, *_: Any) -> Array:
    return v + c["k"] * _less((c["v_leak"] - v) + z, y)


def _exponential(c: Coefficients, v: Array, exp: Exp) -> Array:
    return c["delta_t"] * exp((v - c["v_rheobase"]) / c["delta_t"])


def _euler_exp(c: Coefficients, v: Array, z: Array, y: Array | None, exp: Exp, _: bool) -> Array:
    return v + c["k"] * _less(((c["v_leak"] - v) + _exponential(c, v, exp)) + z, y)


def _box(c: Coefficients, v: Array, z: Array, *_: Any) -> Array:
    return v + c["k"] * ((z + c["v_leak"]) - v)


def _quadratic(c: Coefficients, v: Array) -> Array:
    return (c["a0"] * (v - c["v_leak"])) * (v - c["v_crit"])


def _quad(c: Coefficients, v: Array, z: Array, y: Array | None, *_: Any) -> Array:
    return v + c["k"] * _less(_quadratic(c, v) + z, y)


def _tau(c: Coefficients, v: Array, z: Array, *_: Any) -> Array:
    return v + (z - (v - c["v_leak"])) / c["tau"]


def _tau_decay(c: Coefficients, v: Array, z: Array, *_: Any) -> Array:
    return (v - (v - c["v_leak"]) / c["tau"]) + z


def _tau_exp(c: Coefficients, v: Array, z: Array, y: Array | None, exp: Exp, _: bool) -> Array:
    return v + _less(((z + c["v_leak"]) - v) + _exponential(c, v, exp), y) / c["tau"]


def _tau_quad(c: Coefficients, v: Array, z: Array, y: Array | None, *_: Any) -> Array:
    return v + _less(z + _quadratic(c, v), y) / c["tau"]


def _mul(c: Coefficients, v: Array, z: Array, *_: Any) -> Array:
    return v + (z - (v - c["v_leak"])) * c["k"]


def _mul_decay(c: Coefficients, v: Array, z: Array, *_: Any) -> Array:
    return (v - (v - c["v_leak"]) * c["k"]) + z


FORMS: dict[str, Form] = {
    "leaky": _leaky,
    "lapicque": _lapicque,
    "euler": _euler,
    "euler_exp": _euler_exp,
    "box": _box,
    "quad": _quad,
    "tau": _tau,
    "tau_decay": _tau_decay,
    "tau_exp": _tau_exp,
    "tau_quad": _tau_quad,
    "mul": _mul,
    "mul_decay": _mul_decay,
}
"""u from the coefficients, the membrane that decays, its input z, the adaptation current y, the exponential, and the word leak."""

TAKES_OPERAND_LAST = frozenset({"leaky", "lapicque"})
"""Forms to whose u the operand is added, where no synapse took it; to the others it comes with z."""

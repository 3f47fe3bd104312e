"""What an integer neuron does, in Python's integers: slow, of any size, and the definition that the Rust core equals.

Arrays of objects hold the integers, so nothing overflows. `step` is one step of any number of neurons, `run` the loop over time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rsnn.errors import InvalidValueError

from .integers import integers
from .neuron import IntegerNeuron, Register

Array = Any


def contain(register: Register, x: Array) -> Array:
    """Bring values back into their bits."""
    half = 1 << (register.width - 1)
    overflow = "error" if register.bits is None else register.overflow
    if overflow == "saturate":
        x = np.minimum(np.maximum(x, -half), half - 1)
    elif overflow == "wrap":
        x = wrap(x, register.width)
    elif overflow == "wrap_once":
        x = np.where(x > half, x - 2 * half, np.where(x <= -half, x + 2 * half, x))
    kept = 1 << (register.kept - 1)
    if np.any(x < -kept) or np.any(x >= kept):
        raise InvalidValueError("a state left its bits")
    return x


def wrap(x: Array, bits: int) -> Array:
    """Give the two's complement of so many bits."""
    half = 1 << (bits - 1)
    return (x + half) % (2 * half) - half


def decay(register: Register, x: Array, when: str) -> Array:
    """Let values fall towards 0, if this is the moment."""
    if register.decay == "none" or register.when != when:
        return x
    by = _objects(register.by)
    sign = np.where(x > 0, 1, np.where(x < 0, -1, 0)).astype(object)
    if register.decay == "shift":
        a = x >> by
        return x - np.where(a == 0, sign, a)
    if register.decay == "scale":
        return sign * ((np.abs(x) * by) >> register.scale_bits)
    if register.decay == "floor":
        return (x * by) >> register.scale_bits
    return sign * np.maximum(np.abs(x) - by, 0)


def clip(neuron: IntegerNeuron, x: Array, when: str) -> Array:
    """Keep membranes between the clips, if this is the moment."""
    if neuron.clip != when:
        return x
    x = x if neuron.v_min is None else np.maximum(x, _objects(neuron.v_min))
    return x if neuron.v_max is None else np.minimum(x, _objects(neuron.v_max))


def fire(neuron: IntegerNeuron, u: Array) -> tuple[Array, Array]:
    """Give the spikes, and what their subtraction leaves of the membranes."""
    strict = neuron.compare == ">"
    threshold = _objects(neuron.v_threshold) * 2**neuron.threshold_shift
    if neuron.fire == "ternary":
        low = _objects(neuron.v_low) * 2**neuron.threshold_shift
        up, down = (u > threshold, u < low) if strict else (u >= threshold, u <= low)
        s = np.where(up, 1, 0).astype(object) - np.where(down, 1, 0)
        return s, np.where(s == 0, u, wrap(u - np.where(s > 0, threshold, low), neuron.membrane.width))
    most = 1 if neuron.fire == "single" else neuron.max_spikes
    both: list[Array] = list(np.broadcast_arrays(u, threshold))
    u, threshold = both
    pairs = [
        _spikes(int(one), int(level), int(strict), most, neuron.membrane.width) for one, level in zip(u.flat, threshold.flat, strict=True)
    ]
    s, left = (np.array([pair[k] for pair in pairs], object).reshape(u.shape) for k in range(2))
    return s, left


def _spikes(u: int, threshold: int, strict: int, most: int | None, bits: int) -> tuple[int, int]:
    """Fire one neuron."""
    if threshold >= 1:
        s = max(u - strict, 0) // threshold
        s = s if most is None else min(s, most)
        return s, u - s * threshold
    s, v = 0, u
    while v - strict >= threshold and s < (most or 0):
        s, v = s + 1, int(wrap(v - threshold, bits))
    return s, v


def step(neuron: IntegerNeuron, x: Array, state: dict[str, Array]) -> tuple[Array, dict[str, Array], Array]:
    """Take one step: spikes, the states after it, and the membranes before they fired."""
    membrane, current = neuron.membrane, neuron.current
    v, after = state["v"], {}
    d = x * 2**neuron.input_shift
    d = d if neuron.input_bits is None else wrap(d, neuron.input_bits)
    bias = _objects(neuron.bias)
    if current is not None:
        i = decay(current, contain(current, decay(current, state["i"], "before") + d), "after")
        d = contain(current, i + bias) if neuron.bias_to == "current" else i
        after["i"] = decay(current, i, "end")
    bias = 0 if neuron.bias_to == "current" else bias
    fallen = decay(membrane, v, "before")
    change = contain(membrane, contain(membrane, wrap(fallen - v, membrane.width) + d) + bias) if neuron.change else None
    u = fallen + d + bias if change is None else v + change
    u = clip(neuron, decay(membrane, contain(membrane, u), "after"), "before")
    if neuron.refractory is not None:
        u = np.where(state["rest"] > 0, 0, u)
    s, left = fire(neuron, u)
    v = {"subtract": left, "zero": np.where(s == 0, u, 0), "none": u}[neuron.reset]
    after["v"] = decay(membrane, clip(neuron, v, "after"), "end")
    if neuron.refractory is not None:
        left_over: Array = np.where(s == 0, state["rest"], _objects(neuron.refractory))
        after["rest"] = np.maximum(left_over - 1, 0)
    return s, after, u


def run(neuron: IntegerNeuron, x: Any, state: dict[str, Any] | None = None) -> tuple[Array, dict[str, Array], dict[str, Array]]:
    """Run over (T, ...): spikes, the states at the end, and the traces v, u and, where there is a current, i.

    Raises
    ------
    InvalidValueError
        A state left its bits where that is an error.

    Examples
    --------
    >>> import rsnn
    >>> from rsnn.chip import reference
    >>> spikes, state, traces = reference.run(rsnn.chip.IntegerNeuron(v_threshold=5), [3, 4, 15, -9])
    >>> spikes.tolist(), int(state["v"])
    ([0, 1, 3, 0], -7)
    """
    x = _objects(integers("x", x))
    now = {name: np.broadcast_to(_objects((state or {}).get(name, 0)), x.shape[1:]) for name in neuron.fields}
    spikes: list[Array] = []
    traces: dict[str, list[Array]] = {name: [] for name in ("v", "u", "i") if name != "i" or neuron.current is not None}
    for t, row in enumerate(x):
        if neuron.restart is not None and (t + 1) % neuron.restart[0] == neuron.restart[1] % neuron.restart[0]:
            now = {name: value if name == "rest" else value * 0 for name, value in now.items()}
        s, now, u = step(neuron, row, now)
        spikes.append(s)
        for name, trace in traces.items():
            trace.append(u if name == "u" else now[name])

    def stack(rows: list[Array]) -> Array:
        out = np.empty(x.shape, object)
        for t, row in enumerate(rows):
            out[t, ...] = row
        return out

    return stack(spikes), now, {name: stack(trace) for name, trace in traces.items()}


def _objects(value: Any) -> Array:
    return np.asarray(value).astype(object)

"""What a neuron does, step by step, over any array namespace: the semantics of rsnn are settled here and nowhere else.

The engines in Rust equal this file bit for bit (``==``) on numpy arrays: every operation below is rounded on its own, in the order
written. Over torch tensors the same file is the fallback on other devices and, with a surrogate in place of `hard_spike`, the
gradients that the native adjoint is checked against.

One step, x the input, v and i and rest the state carried in, s and u the output and the membrane before its reset::

    c    synapse none: x.  decay_jump_use: i = alpha i + x, c = i.  The other orders are in `_synapse`.
    R    = fire(v)                                 timing next and residual only, on the membrane carried in
    v0   = v;  timing next and residual, reset value: v_reset where R != 0, else v; reset blend: (1 - R) v + R v_reset
    d    = beta v0                                 leak: v_leak + beta (v0 - v_leak)
    z    = c                                       bias: c + bias; then gain: gain z
    u    = d + z                                   timing next and residual, reset subtract: u - R v_threshold
    u    = v where rest > 0                        refractory: the membrane holds still
    s    = fire(u)                                 refractory: 0 where rest > 0
    v    = same:      subtract: u - s v_threshold;  value: v_reset where s != 0, else u;  blend: (1 - s) u + s v_reset;  none: u
           next:      u, reset at the start of the next step
           residual:  with d = s - R:  subtract: u - d v_threshold;  value, blend: u - d (u - v_reset)
    rest = refractory where s != 0, else rest - 1 where rest > 0, else 0
    v    = v_min where v < v_min, else v

Comparisons with NaN are false: a NaN membrane never fires, and is not kept from falling.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .state import State, make_state

if TYPE_CHECKING:
    from .neurons import AnyNeuron

Array = Any
Fire = Callable[[Array, Array], Array]
Spike = Callable[[Array, Array, Fire], Array]
Select = Callable[[Array, Array, Array], Array]


def hard_spike(v: Array, theta: Array, fire: Fire) -> Array:
    """Fire as the neuron says: the hook `spike` of `run` without a surrogate.

    A hook with a surrogate returns the value of ``fire(v, theta)`` and gives it the derivative of its own.
    """
    return fire(v, theta)


def fire_rule(kind: str, max_spikes: Array, xp: Any) -> Fire:
    """Give the number of spikes as a function of the membrane and the threshold."""

    def single(v: Array, theta: Array) -> Array:
        return xp.where(v - theta >= 0, xp.ones_like(v), xp.zeros_like(v))

    def multi(v: Array, theta: Array) -> Array:
        return xp.where(v > 0, xp.trunc(v / theta), xp.zeros_like(v))

    def capped(v: Array, theta: Array) -> Array:
        n = multi(v, theta)
        return xp.where(n > max_spikes, max_spikes, n)

    def soft(v: Array, theta: Array) -> Array:
        y = v - theta
        return 0.5 + y / (1.0 + 2.0 * xp.abs(y))

    return {"single": single, "multi": multi, "capped": capped, "soft": soft}[kind]


def parse(spec: str) -> dict[str, Any]:
    """Read a specification into its axes: synapse, membrane (a set of words), fire, reset, timing, refractory, clip."""
    words = dict(word.partition("=")[::2] for word in spec.split(" "))
    return words | {
        "membrane": frozenset(words["membrane"].split("+")),
        "refractory": "refractory" in words,
        "clip": "clip" in words,
    }


class Stepper:
    """One step of a neuron, of given coefficients.

    Parameters
    ----------
    spec : the stages in words, as of `rsnn.neurons.Kernel`
    coefficients : by name, in the dtype of the data, broadcasting against one time step of it
    xp : numpy or torch
    spike : the hook that fires, `hard_spike` or one with a surrogate: ``spike(v, theta, fire)``
    select : the reset to a value, ``select(s, v_reset, u)``: v_reset where s != 0, else u. A hook for gradients gives it the
        derivative of ``u - s (u - v_reset)``, which has the same value.
    detach : applied to spikes before they reset anything; one that stops gradients makes the reset constant
    """

    def __init__(
        self,
        spec: str,
        coefficients: Mapping[str, Array],
        xp: Any = np,
        *,
        spike: Spike = hard_spike,
        select: Select | None = None,
        detach: Callable[[Array], Array] = lambda s: s,
    ) -> None:
        self.axes = parse(spec)
        self.c = coefficients
        self.xp = xp
        self.detach = detach
        self.states = tuple(
            name for name, there in (("v", True), ("i", self.axes["synapse"] != "none"), ("rest", self.axes["refractory"])) if there
        )
        kind = self.axes["fire"]
        rule = fire_rule(kind, coefficients.get("max_spikes"), xp) if kind != "none" else None
        self.fire = (lambda v: spike(v, coefficients["v_threshold"], rule)) if rule else None
        self.select = select or (lambda s, v_reset, u: xp.where(s != 0, v_reset, u))

    def __call__(self, x: Array, state: Mapping[str, Array]) -> tuple[Array, Array, dict[str, Array]]:
        """Make one step; give the output, the membrane before its reset, and the new state."""
        axes, c, xp = self.axes, self.c, self.xp
        v, i, rest = state["v"], state.get("i"), state.get("rest")

        drive, i = self._synapse(x, i)

        reset, early = axes["reset"], axes["timing"] in ("next", "residual")
        before = self.detach(self.fire(v)) if early and self.fire else None
        v0 = self._to_value(before, v) if early and reset in ("value", "blend") else v

        membrane = axes["membrane"]
        decayed = c["v_leak"] + c["beta"] * (v0 - c["v_leak"]) if "leak" in membrane else c["beta"] * v0
        if "bias" in membrane:
            drive = drive + c["bias"]
        if "gain" in membrane:
            drive = c["gain"] * drive
        u = decayed + drive
        if early and reset == "subtract":
            u = u - before * c["v_threshold"]
        if rest is not None:
            u = xp.where(rest > 0, v, u)

        if self.fire is None:
            v, s = u, None
        else:
            s = self.fire(u)
            if rest is not None:
                s = xp.where(rest > 0, xp.zeros_like(s), s)
            v = self._reset(u, s, before)
        if rest is not None:
            zero = xp.zeros_like(rest)
            rest = xp.where(s != 0, c["refractory"] + zero, xp.where(rest > 0, rest - 1, zero))
        if axes["clip"]:
            v = xp.where(v < c["v_min"], c["v_min"], v)

        new = {"v": v, "i": i, "rest": rest}
        return (v if s is None else s), u, {name: new[name] for name in self.states}

    def _synapse(self, x: Array, i: Array) -> tuple[Array, Array]:
        order = self.axes["synapse"]
        if order == "none":
            return x, None
        alpha = self.c["alpha"]
        if order == "decay_jump_use":
            i = alpha * i + x
            return i, i
        if order == "jump_use_decay":
            jumped = i + x
            return jumped, alpha * jumped
        if order == "jump_decay_use":
            i = alpha * (i + x)
            return i, i
        return i, alpha * i + x  # use_decay_jump

    def _reset(self, u: Array, s: Array, before: Array) -> Array:
        reset, timing, c = self.axes["reset"], self.axes["timing"], self.c
        if reset == "none" or timing == "next":
            return u
        s = self.detach(s)
        if timing == "residual":
            d = s - before
            return u - d * c["v_threshold"] if reset == "subtract" else u - d * (u - c["v_reset"])
        return u - s * c["v_threshold"] if reset == "subtract" else self._to_value(s, u)

    def _to_value(self, s: Array, u: Array) -> Array:
        v_reset = self.c["v_reset"]
        return self.select(s, v_reset, u) if self.axes["reset"] == "value" else (1 - s) * u + s * v_reset


def run(
    stepper: Stepper, x: Array, state: Mapping[str, Array], record: Collection[str] = ()
) -> tuple[Array, dict[str, Array], dict[str, Array]]:
    """Run over time.

    Parameters
    ----------
    stepper : the neuron
    x : (T, ...), the input
    state : by field, each of the shape of one time step
    record : state fields (after the step) and ``"u"`` (the membrane before its reset)

    Returns
    -------
    output : (T, ...)
    state : by field, after the last step
    traces : (T, ...) by name of `record`
    """
    state, outputs = dict(state), []
    traces: dict[str, list[Array]] = {name: [] for name in record}
    for x_t in x:
        output, u, state = stepper(x_t, state)
        outputs.append(output)
        for name, trace in traces.items():
            trace.append(u if name == "u" else state[name])

    def over_time(steps: list[Array]) -> Array:
        return stepper.xp.stack(steps) if steps else stepper.xp.zeros_like(x)

    return over_time(outputs), state, {name: over_time(trace) for name, trace in traces.items()}


def simulate(
    neuron: AnyNeuron, x: Array, state: State | None = None, record: Collection[str] = ()
) -> tuple[Array, State, dict[str, Array]]:
    """Do what `rsnn.simulate` does, in plain numpy: slow, and the meaning of it.

    Parameters
    ----------
    neuron : any neuron
    x : (T, ...) of float32 or float64
    state : a state of the neuron, or None for its first
    record : state fields and ``"u"``

    Returns
    -------
    output, state, traces

    Examples
    --------
    >>> import rsnn
    >>> simulate(rsnn.IAF(), np.array([0.5, 0.5, 2.5]))[0].tolist()
    [0.0, 1.0, 2.0]
    """
    kernel, values = neuron.kernel(), neuron.coefficients()
    coefficients = {name: np.asarray(values[name]).astype(x.dtype) for name in kernel.coefficients}
    start = neuron.init_state(x.shape[1:], x.dtype) if state is None else state
    with np.errstate(all="ignore"):  # overflow and NaN in the data are data
        output, end, traces = run(Stepper(kernel.spec, coefficients), x, dict(zip(kernel.states, start, strict=True)), record)
    return output, make_state(kernel.states, end.values()), traces

"""What a neuron does, step by step, over any array namespace: the semantics of rsnn are settled here and nowhere else.

The engines in Rust equal these files bit for bit (``==``) on numpy arrays: every operation is rounded on its own, in the order
written. Over torch tensors the same files are the fallback on other devices and, with a surrogate in place of `hard_spike`, the
gradients that the native adjoint is checked against.

`chain` has the step of a neuron of stages, `whole` those of the neurons that are none, `exponential` the exponential they share,
and this file runs them over time. `products` has what comes between layers, `coding` the encoders and decoders that have a kernel.

Comparisons with NaN are false: a NaN membrane never fires, and is not kept from falling.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.state import State, make_state

from .chain import Chain
from .exponential import exp
from .hooks import Array, Detach, Exp, Fire, Hooks, Select, Spike, fire_rule, hard_spike, keep
from .whole import WHOLES, Merged

if TYPE_CHECKING:
    from rsnn.neurons import AnyNeuron

__all__ = ["Array", "Detach", "Exp", "Fire", "Select", "Spike", "Stepper", "exp", "fire_rule", "hard_spike", "run", "simulate"]


class Stepper:
    """One step of a neuron, of given coefficients.

    Parameters
    ----------
    spec : the neuron in words, as of `rsnn.neurons.Kernel`
    coefficients : by name, in the dtype of the data, broadcasting against one time step of it
    xp : numpy or torch
    spike : the hook that fires, `hard_spike` or one with a surrogate: ``spike(v, theta, fire)``
    select : the reset to a value, ``select(s, v_reset, u)``: v_reset where s != 0, else u. A hook for gradients gives it the
        derivative of ``u - s (u - v_reset)``, which has the same value.
    exp : the exponential; a hook for gradients gives it its own value as its derivative
    detach : ``detach(value, *paths)``, applied to what a gradient may hold constant, with the names of what holds it: "reset" (spikes
        before they reset anything), "carried" (those read off the membrane carried in), "threshold" (what an adaptation moves of it),
        "adaptation" (spikes before they add to an adaptation)
    """

    def __init__(
        self,
        spec: str,
        coefficients: Mapping[str, Array],
        xp: Any = np,
        *,
        spike: Spike = hard_spike,
        select: Select | None = None,
        exp: Exp | None = None,
        detach: Detach = keep,
    ) -> None:
        self.xp = xp
        hooks = Hooks(xp, spike, select, exp, detach)
        name, _, options = spec.partition(" ")
        if name not in WHOLES:
            self._step: Any = Chain(spec, coefficients, hooks)
        else:
            plain, merged = options.removesuffix(" recurrent_merged"), options.endswith(" recurrent_merged")
            step = WHOLES[name](plain, coefficients, hooks)
            self._step = Merged(step) if merged else step
        self.states: tuple[str, ...] = self._step.states

    def __call__(self, x: Array, state: Mapping[str, Array], operand: Array | None = None) -> tuple[Array, Array, dict[str, Array]]:
        """Make one step; give the output, the membrane before its reset, and the new state.

        `operand` is what a recurrent neuron's own output brings to this step.
        """
        output, u, new = self._step(x, state, operand)
        return output, u, {name: new[name] for name in self.states}


def run(
    stepper: Stepper,
    x: Array,
    state: Mapping[str, Array],
    record: Collection[str] = (),
    recurrent: Callable[[Array], Array] | None = None,
) -> tuple[Array, dict[str, Array], dict[str, Array]]:
    """Run over time.

    Parameters
    ----------
    stepper : the neuron
    x : (T, ...), the input
    state : by field, each of the shape of one time step
    record : state fields (after the step), ``"u"`` (the membrane before its reset) and ``"spikes"`` (the output)
    recurrent : what the last output brings to a step, of a recurrent neuron

    Returns
    -------
    output : (T, ...)
    state : by field, after the last step
    traces : (T, ...) by name of `record`
    """
    state, outputs = dict(state), []
    traces: dict[str, list[Array]] = {name: [] for name in record}
    for x_t in x:
        output, u, state = stepper(x_t, state, recurrent(state["s"]) if recurrent else None)
        outputs.append(output)
        seen = state | {"u": u, "spikes": output}
        for name, trace in traces.items():
            trace.append(seen[name])

    def over_time(steps: list[Array]) -> Array:
        return stepper.xp.stack(steps) if steps else stepper.xp.zeros_like(x)

    return over_time(outputs), state, {name: over_time(trace) for name, trace in traces.items()}


def recurrence(weight: Array, bias: Array | None = None, xp: Any = np) -> Callable[[Array], Array]:
    """Give what the output brings to the next step: ``W s + bias``, summed over ascending neurons from +0, the bias last.

    Parameters
    ----------
    weight : (n, n) [to, from], or (n,) for each neuron to itself alone
    bias : (n,), optional
    xp : numpy or torch
    """

    def operand(s: Array) -> Array:
        if weight.ndim == 1:
            r = weight * s
        else:
            r = xp.zeros_like(s)
            for j in range(weight.shape[1]):
                r = r + weight[:, j] * s[..., j, None]
        return r if bias is None else r + bias

    return operand


def simulate(
    neuron: AnyNeuron, x: Array, state: State | None = None, record: Collection[str] = (), recurrent: Any = None
) -> tuple[Array, State, dict[str, Array]]:
    """Do what `rsnn.simulate` does, in plain numpy: slow, and the meaning of it.

    Parameters
    ----------
    neuron : any neuron
    x : (T, ...) of float32 or float64
    state : a state of the neuron, or None for its first
    record : state fields, ``"u"`` and ``"spikes"``
    recurrent : weights as of `recurrence`, alone or with a bias, in the dtype of x

    Returns
    -------
    output, state, traces

    Examples
    --------
    >>> import rsnn
    >>> simulate(rsnn.IAF(), np.array([0.5, 0.5, 2.5]))[0].tolist()
    [0.0, 1.0, 2.0]
    """
    comes_back = recurrent is not None
    kernel, values = neuron.kernel(recurrent=comes_back), neuron.coefficients()
    coefficients = {name: np.asarray(values[name]).astype(x.dtype) for name in kernel.coefficients}
    start = neuron.init_state(x.shape[1:], x.dtype, recurrent=comes_back) if state is None else state
    operand = recurrence(*(recurrent if isinstance(recurrent, tuple) else (recurrent,))) if comes_back else None
    with np.errstate(all="ignore"):  # overflow and NaN in the data are data
        stepper, fields = Stepper(kernel.spec, coefficients), dict(zip(kernel.states, start, strict=True))
        output, end, traces = run(stepper, x, fields, record, operand)
    return output, make_state(kernel.states, end.values()), traces

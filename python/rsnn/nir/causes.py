"""What may be behind a divergence: changes of convention, each tried on all neurons of a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rsnn import stages
from rsnn.composed import Neuron
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.layers import Delay
from rsnn.network import Network
from rsnn.recurrent import Recurrent

from .closest import MEMBRANES

Form = Callable[[Neuron], Neuron | None]


@dataclass(frozen=True)
class Change:
    """A change of convention.

    Parameters
    ----------
    cause : ``"reset"``, ``"timing"``, ``"gain"``, ``"dt"``, ``"comparison"`` or ``"clip"``
    what : the change in words
    form : makes the changed neuron; None where it changes nothing
    late : steps by which every neuron sends on later
    """

    cause: str
    what: str
    form: Form
    late: int = 0


def _spiking(form: Neuron) -> bool:
    return form.fire is not None and not isinstance(form.membrane, stages.Whole)


def _reset_to(make: Callable[[str], Any]) -> Form:
    def change(form: Neuron) -> Neuron | None:
        if not _spiking(form):
            return None
        timing = getattr(form.reset, "timing", "same")
        return replace(form, reset=make(timing))

    return change


def _timed(timing: str) -> Form:
    def change(form: Neuron) -> Neuron | None:
        reset: Any = form.reset
        if not _spiking(form) or reset is None:
            return None
        if isinstance(reset, stages.Drop):
            return replace(form, reset=stages.ToValue(0.0) if timing == "same" else stages.Drop(timing))
        if isinstance(reset, (stages.Subtract, stages.ToValue)):
            return replace(form, reset=replace(reset, timing=timing))
        return replace(form, reset=stages.Subtract(timing)) if isinstance(reset, stages.BlendSubtract) else None

    return change


def _zeroed(timing: str) -> Any:
    return stages.ToValue(0.0, timing)


def _to_zero(form: Neuron) -> Neuron | None:
    """Reset to 0; where that happens late, a neuron with a synapse drops its input too, as of snnTorch."""
    dropped = form.synapse is not None and getattr(form.reset, "timing", "same") != "same"
    return _reset_to(stages.Drop if dropped else _zeroed)(form)


def _dropped(form: Neuron) -> Neuron | None:
    return replace(form, reset=stages.Drop()) if _spiking(form) else None


def _linear(make: Callable[[Any, Any], tuple[Any, Any]]) -> Form:
    """Change decay and gain of a linear membrane."""

    def change(form: Neuron) -> Neuron | None:
        kind = type(form.membrane)
        if kind not in MEMBRANES:
            return None
        step = MEMBRANES[kind](form.membrane, form.coefficients())
        beta, gain = np.asarray(step.beta, np.float64), np.asarray(step.gain, np.float64)
        with np.errstate(all="ignore"):
            made = make(beta, gain)
        if not all(np.all(np.isfinite(one)) for one in made) or np.any(made[0] < 0) or np.all(made[1] == 0):
            return None  # of one without leak: there is none to take for something else
        if np.array_equal(made[0], beta) and np.array_equal(made[1], gain):
            return None
        return replace(form, membrane=stages.Leaky(beta=made[0], r=made[1], v_leak=step.v_leak, bias=step.bias))

    return change


def _decays(make: Callable[[Any], Any], *, weighed: bool) -> Form:
    """Change the decays; weighed: and the gain with that of the membrane."""

    def change(beta: Any, gain: Any) -> Any:
        other = make(beta)
        # The gain of an Euler step or of an exact one is what the decay leaves over, times a resistance.
        return other, gain * (1.0 - other) / (1.0 - beta) if weighed else gain

    def both(form: Neuron) -> Neuron | None:
        moved = _linear(change)(form)
        synapse: Any = form.synapse
        if moved is None or not isinstance(synapse, stages.Exponential):
            return moved
        alpha = np.asarray(form.coefficients()["alpha"], np.float64)
        return replace(moved, synapse=stages.Exponential(alpha=np.clip(make(alpha), 0.0, 1.0), order=synapse.order))

    return both


def _dt(what: str, make: Callable[[Any], Any]) -> tuple[Change, Change]:
    """Change the decays alone, and the gain with them."""
    return Change("dt", what, _decays(make, weighed=False)), Change("dt", f"{what}, and the gain with it", _decays(make, weighed=True))


def _slower(factor: float) -> Callable[[Any], Any]:
    """Make a decay of which so many are one of the other."""
    return lambda decay: decay**factor


def _ordered(order: str) -> Form:
    def change(form: Neuron) -> Neuron | None:
        synapse: Any = form.synapse
        if not isinstance(synapse, (stages.Exponential, stages.EulerCurrent)):
            return None
        c = form.coefficients()
        alpha = c["alpha"] if isinstance(synapse, stages.Exponential) else 1.0 + c["eta"]
        return replace(form, synapse=stages.Exponential(alpha=alpha, order=order))

    return change


def _fires(kind: Any) -> Form:
    def change(form: Neuron) -> Neuron | None:
        if not _spiking(form) or isinstance(form.fire, stages.Soft):
            return None
        fire: Any = form.fire
        return replace(form, fire=kind(fire.v_threshold))

    return change


def _bounded(make: Callable[[Any], Any]) -> Form:
    def change(form: Neuron) -> Neuron | None:
        if not _spiking(form):
            return None
        fire: Any = form.fire
        return replace(form, v_min=make(fire.v_threshold))

    return change


SUBTRACT = Change("reset", "reset by subtraction", _reset_to(lambda timing: stages.Subtract(timing)))
ZERO = Change("reset", "reset to 0", _to_zero)
DROPPED = Change("reset", "reset to 0, the input of that step dropped (snnTorch's Synaptic)", _dropped)
NEVER = Change("reset", "no reset", _reset_to(lambda timing: None))
NEXT = Change("timing", "reset at the start of the next step", _timed("next"))
UNWEIGHED = Change("gain", "input not weighed: gain 1", _linear(lambda beta, gain: (beta, np.ones_like(beta))))
WEIGHED = Change("gain", "input weighed by 1 - beta", _linear(lambda beta, gain: (beta, 1.0 - beta)))
PASSED = Change("comparison", "fires where the threshold is passed, not only reached", _fires(stages.Strict))
REACHED = Change("comparison", "fires where the threshold is reached", _fires(stages.Single))
SEVERAL = Change("comparison", "several spikes in a step", _fires(stages.Multi))
FLOOR = Change("clip", "membrane bounded below by -v_threshold", _bounded(lambda threshold: stages.Relu(-np.asarray(threshold))))
EULER, EULER_WEIGHED = _dt("decay 1 - dt/tau in place of exp(-dt/tau)", lambda decay: 1.0 + np.log(decay))
EXACT, EXACT_WEIGHED = _dt("decay exp(-dt/tau) in place of 1 - dt/tau", lambda decay: np.exp(decay - 1.0))
LONGER = {n: _dt(f"time constants {n} times as long", _slower(1.0 / n)) for n in (10, 100, 1000)}
SHORTER = {n: _dt(f"time constants {n} times as short", _slower(float(n))) for n in (10, 100, 1000)}

CHANGES = (
    *(SUBTRACT, ZERO, DROPPED, NEVER),
    Change("timing", "reset in the step of the spike", _timed("same")),
    NEXT,
    Change("timing", "reset of what was not reset at the start of the step (reset_delay=False)", _timed("residual")),
    Change("timing", "spikes sent one step later", lambda form: form, late=1),
    *(UNWEIGHED, WEIGHED),
    Change("gain", "input weighed by beta (1 - beta)", _linear(lambda beta, gain: (beta, beta * (1.0 - beta)))),
    *(EULER, EULER_WEIGHED, EXACT, EXACT_WEIGHED),
    *(change for pair in (*LONGER.values(), *SHORTER.values()) for change in pair),
    Change("timing", "the current decays before it is used", _ordered("jump_decay_use")),
    Change("timing", "the current is used before the input reaches it", _ordered("use_decay_jump")),
    Change("timing", "the input reaches the current as it is, and is used at once", _ordered("decay_jump_use")),
    *(PASSED, REACHED, SEVERAL),
    Change("clip", "membrane not bounded below", _bounded(lambda threshold: None)),
    FLOOR,
    Change("clip", "membrane bounded below by -v_threshold / 2", _bounded(lambda threshold: stages.Relu(-np.asarray(threshold) / 2))),
    Change("clip", "membrane bounded below by 0", _bounded(lambda threshold: stages.Relu(0.0))),
)

TOGETHER = (
    *((*step, reset, NEXT, PASSED) for step in ((EULER_WEIGHED,), (EULER, UNWEIGHED)) for reset in (SUBTRACT, ZERO, DROPPED)),  # snnTorch
    *((gain, SEVERAL, SUBTRACT, FLOOR) for gain in (UNWEIGHED, WEIGHED)),  # sinabs
    *((*step, REACHED, reset) for step in ((EULER_WEIGHED,), (EULER, UNWEIGHED)) for reset in (SUBTRACT, ZERO)),  # SpikingJelly
    (LONGER[1000][1], EULER_WEIGHED, PASSED),  # Norse, which writes dt times the time constant
)
"""Changes that libraries make all at once, where the equations of NIR are read as theirs or theirs as those of NIR."""


def changed(network: Network, change: Change) -> Network | None:
    """Give the network with a change made to all its neurons; None where it changes nothing."""
    layers: list[Any] = []
    moved = bool(change.late)
    try:
        for layer in network.layers:
            form = getattr(layer, "stages", None)
            made = None if form is None or change.late else change.form(form)
            if made is None or made == form:
                layers.append(layer)
                continue
            moved = True
            layers.append(Recurrent(made, layer.weight, layer.bias) if isinstance(layer, Recurrent) else made)
        if not moved:
            return None
        return _later(network, change.late) if change.late else _with(network, layers)
    except (InvalidValueError, InvalidTypeError):
        return None  # stages that do not go together


def _with(network: Network, layers: list[Any]) -> Network:
    shape: Any = network.input_shape
    return Network(layers, shape, batch_first=network.batch_first, names=network.graph.names, inputs=network.graph.inputs)


def _later(network: Network, late: int) -> Network:
    """Put a delay behind all neurons, in front of whoever takes their output."""
    shape: Any = network.input_shape
    place: dict[int, int] = {-1: -1}
    made: list[tuple[Any, Any, Any]] = []
    for k, (layer, name, takes) in enumerate(zip(*network.graph, strict=True)):
        made.append((layer, name, tuple(place[one] for one in takes)))
        place[k] = len(made) - 1
        if k in network.neurons:
            made.append((Delay(float(late)), None, (place[k],)))
            place[k] = len(made) - 1
    layers, names, inputs = zip(*made, strict=True)
    return Network(layers, shape, batch_first=network.batch_first, names=names, inputs=inputs)

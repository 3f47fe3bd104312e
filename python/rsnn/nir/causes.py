"""What may be behind a divergence: changes of convention, each tried on all neurons of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


def _linear(make: Callable[[Any, Any], tuple[Any, Any] | None]) -> Form:
    """Change decay and gain of a linear membrane."""

    def change(form: Neuron) -> Neuron | None:
        kind = type(form.membrane)
        if kind not in MEMBRANES:
            return None
        step = MEMBRANES[kind](form.membrane, form.coefficients())
        beta, gain = np.asarray(step.beta, np.float64), np.asarray(step.gain, np.float64)
        if np.all(beta == 1.0):
            return None  # it has no leak to take for something else
        with np.errstate(all="ignore"):
            made = make(beta, gain)
        if made is None or not np.all(np.isfinite(made[0])) or np.any(made[0] < 0):
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


CHANGES = (
    Change("reset", "reset by subtraction", _reset_to(lambda timing: stages.Subtract(timing))),
    Change("reset", "reset to 0", _to_zero),
    Change("reset", "reset to 0, the input of that step dropped (snnTorch's Synaptic)", _dropped),
    Change("reset", "no reset", _reset_to(lambda timing: None)),
    Change("timing", "reset in the step of the spike", _timed("same")),
    Change("timing", "reset at the start of the next step", _timed("next")),
    Change("timing", "reset of what was not reset at the start of the step (reset_delay=False)", _timed("residual")),
    Change("timing", "spikes sent one step later", lambda form: form, late=1),
    Change("gain", "input not weighed: gain 1", _linear(lambda beta, gain: (beta, np.ones_like(beta)))),
    Change("gain", "input weighed by 1 - beta", _linear(lambda beta, gain: (beta, 1.0 - beta))),
    Change("gain", "input weighed by beta (1 - beta)", _linear(lambda beta, gain: (beta, beta * (1.0 - beta)))),
    *(
        Change("dt", what + of, _decays(make, weighed=weighed))
        for what, make in (
            ("decay 1 - dt/tau in place of exp(-dt/tau)", lambda decay: 1.0 + np.log(decay)),
            ("decay exp(-dt/tau) in place of 1 - dt/tau", lambda decay: np.exp(decay - 1.0)),
            ("time constants 10 times as long", lambda decay: decay**0.1),
            ("time constants a 10th as long", lambda decay: decay**10.0),
        )
        for of, weighed in (("", False), (", and the gain with it", True))
    ),
    Change("timing", "the current decays before it is used", _ordered("jump_decay_use")),
    Change("timing", "the current is used before the input reaches it", _ordered("use_decay_jump")),
    Change("timing", "the input reaches the current as it is, and is used at once", _ordered("decay_jump_use")),
    Change("comparison", "fires where the threshold is passed, not only reached", _fires(stages.Strict)),
    Change("comparison", "fires where the threshold is reached", _fires(stages.Single)),
    Change("comparison", "several spikes in a step", _fires(stages.Multi)),
    Change("clip", "membrane not bounded below", _bounded(lambda threshold: None)),
    Change("clip", "membrane bounded below by -v_threshold", _bounded(lambda threshold: stages.Relu(-np.asarray(threshold)))),
    Change("clip", "membrane bounded below by 0", _bounded(lambda threshold: stages.Relu(0.0))),
)


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


def each(network: Network) -> Iterator[tuple[Change, Network]]:
    """Give every change that changes something, and the network with it."""
    for change in CHANGES:
        made = changed(network, change)
        if made is not None:
            yield change, made

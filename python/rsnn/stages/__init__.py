"""The stages a neuron is built from: synapse, membrane, adaptation, fire, reset, refractory period, floor.

A stage is data: a frozen dataclass with its own numbers. It knows the words by which the engines know it, the coefficients those
words need, the recipe from its numbers to the coefficients, the range of each number, and where its states start. What a step does
with them is written once, in `rsnn.reference`.

To add a stage, write a class in the file of its kind (numbers, words, reads, states) and its step in `rsnn.reference` and in the Rust
core. A neuron that is no row of stages is a `Whole`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rsnn.arguments import shown
from rsnn.errors import InvalidTypeError, InvalidValueError

from .adaptation import ADAPTATIONS, AdaptationCurrent, AdaptiveThreshold, RecoveryCurrent, RelaxingThreshold
from .bounds import Floor, Refractory, RefractoryMask, Relu
from .fire import FIRES, Multi, Single, Soft, Strict
from .membrane import MEMBRANES, Box, Euler, EulerExp, Integrator, Lapicque, Leaky, Membrane, Mul, Quad, Tau, TauExp, TauQuad
from .reset import RESETS, Amount, Blend, BlendSubtract, Drop, Gate, Subtract, ToValue
from .sending import Graded, Inhibition
from .stage import COEFFICIENTS, TIMINGS, Absent, Description, Stage
from .synapse import SYNAPSES, Dual, EulerCurrent, Exponential, Scaled
from .whole import WHOLES, Coba, Glif3, Izhikevich, SnnTorchAlpha, Whole

if TYPE_CHECKING:
    from rsnn.neurons import Neuron

    from .stage import Parameter as Parameter
    from .stage import Range as Range

__all__ = [
    "COEFFICIENTS",
    "TIMINGS",
    "AdaptationCurrent",
    "AdaptiveThreshold",
    "Amount",
    "Blend",
    "BlendSubtract",
    "Box",
    "Coba",
    "Description",
    "Drop",
    "Dual",
    "Euler",
    "EulerCurrent",
    "EulerExp",
    "Exponential",
    "Floor",
    "Gate",
    "Glif3",
    "Graded",
    "Inhibition",
    "Integrator",
    "Izhikevich",
    "Lapicque",
    "Leaky",
    "Membrane",
    "Mul",
    "Multi",
    "Quad",
    "RecoveryCurrent",
    "Refractory",
    "RefractoryMask",
    "RelaxingThreshold",
    "Relu",
    "Scaled",
    "Single",
    "SnnTorchAlpha",
    "Soft",
    "Stage",
    "Strict",
    "Subtract",
    "Tau",
    "TauExp",
    "TauQuad",
    "ToValue",
    "Whole",
    "parts",
]


def parts(neuron: Neuron) -> tuple[Stage, ...]:
    """Give the stages of a neuron in the order of a step, each absent one as a stage that does nothing."""
    if not hasattr(neuron, "membrane"):
        raise InvalidTypeError(f"neuron={shown(neuron)}: must be a rsnn.Neuron, the general form; give .stages of a named neuron")
    if isinstance(neuron.membrane, WHOLES):
        return _whole(neuron, neuron.membrane)
    reset = _expect("reset", neuron.reset, RESETS, Absent("reset=none timing=same"))
    if isinstance(neuron.fire, Soft) and type(reset) is ToValue:
        reset = Blend(reset.v_reset, reset.timing)
    return (
        _expect("synapse", neuron.synapse, SYNAPSES, Absent("synapse=none")),
        _expect("membrane", neuron.membrane, (*MEMBRANES, *WHOLES), None),
        _expect("adaptation", neuron.adaptation, ADAPTATIONS, Absent()),
        _expect("fire", neuron.fire, FIRES, Absent("fire=none")),
        reset,
        *_rest(neuron),
        *(() if neuron.v_min is None else (neuron.v_min if isinstance(neuron.v_min, Relu) else Floor(neuron.v_min),)),
        *_sending(neuron),
    )


def _sending(neuron: Neuron) -> tuple[Stage, ...]:
    return (*((Inhibition(),) if neuron.inhibition else ()), *(() if neuron.graded is None else (Graded(neuron.graded),)))


def _whole(neuron: Neuron, model: Whole) -> tuple[Stage, ...]:
    for name in ("synapse", "adaptation", "reset", "refractory", "v_min"):
        value = getattr(neuron, name)
        if value is not None and name not in model.takes:
            raise InvalidValueError(f"{name}={shown(value)}: {type(model).__name__} is a whole neuron and takes none; leave it out")
    if isinstance(neuron.refractory, RefractoryMask):
        raise InvalidValueError(f"refractory={neuron.refractory}: {type(model).__name__} is a whole neuron; give a number")
    sending = _sending(neuron)
    if sending and "sending" not in model.takes:
        raise InvalidValueError(f"inhibition=, graded=: {type(model).__name__} is a whole neuron and takes none; leave them out")
    return (model, _expect("fire", neuron.fire, model.fires, None), *model.after_fire(), *_rest(neuron), *sending)


def _rest(neuron: Neuron) -> tuple[Stage, ...]:
    if neuron.refractory is None:
        return ()
    return (neuron.refractory if isinstance(neuron.refractory, RefractoryMask) else Refractory(neuron.refractory),)


def _expect(name: str, stage: Any, kinds: tuple[type[Stage], ...], absent: Stage | None) -> Stage:
    if stage is None and absent is not None:
        return absent
    # Exactly: a Multi is no Single to a model that fires once.
    if type(stage) in kinds:
        return stage  # type: ignore[no-any-return]
    accepted = ", ".join(f"rsnn.stages.{kind.__name__}(...)" for kind in kinds) + (", None" if absent is not None else "")
    raise InvalidTypeError(f"{name}={shown(stage)}: must be one of {accepted}")

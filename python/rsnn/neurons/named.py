"""What the named neurons share: how arguments become stages, and their defaults."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from rsnn.arguments import choice, shown
from rsnn.composed import AnyNeuron
from rsnn.errors import InvalidValueError
from rsnn.hints import short_time
from rsnn.stages import TIMINGS, Exponential, Leaky, Multi, Single, Subtract, ToValue


class Default(float):
    """A default number, told by identity from the same number given on purpose."""

    __slots__ = ()


TAU_MEM = Default(20.0)


def membrane_of(neuron: Any) -> Leaky:
    """Give the membrane of a neuron that has LIF's arguments; settle what its defaults depend on."""
    # beta= takes the place of the default tau_mem, and contradicts one that was given on purpose.
    if neuron.tau_mem is TAU_MEM:
        object.__setattr__(neuron, "tau_mem", None if neuron.beta is not None else float(TAU_MEM))
    return Leaky(neuron.tau_mem, neuron.beta, neuron.v_leak, neuron.r, neuron.bias, neuron.gain, neuron.discretization)


def synapse_of(neuron: Any) -> Exponential | None:
    """Give the synapse, if the neuron was given one."""
    return None if neuron.tau_syn is None and neuron.alpha is None else Exponential(neuron.tau_syn, neuron.alpha)


def fire_of(neuron: Any) -> Single:
    """Give how the neuron fires."""
    if choice("fire", neuron.fire, ("single", "multi")) == "multi":
        return Multi(neuron.v_threshold, neuron.max_spikes)
    if neuron.max_spikes is not None:
        raise InvalidValueError(
            f"max_spikes={shown(neuron.max_spikes)}: fire='single' fires at most once a step; give fire='multi', or leave it out"
        )
    return Single(neuron.v_threshold)


def reset_of(neuron: Any, timing: str) -> Subtract | ToValue | None:
    """Give its reset; settle what it depends on."""
    reset = choice("reset", neuron.reset, ("subtract", "value", "zero", "none"))
    if neuron.v_reset is not None and reset != "value":
        raise InvalidValueError(
            f"v_reset={shown(neuron.v_reset)}: reset={reset!r} does not use it; give reset='value', or leave v_reset= out"
        )
    if reset == "zero":
        # Kept in its general form, so that v_reset can be learned and replaced.
        object.__setattr__(neuron, "reset", "value")
        object.__setattr__(neuron, "v_reset", 0.0)
    elif reset == "value" and neuron.v_reset is None:
        raise InvalidValueError("reset='value': needs the value; give v_reset=, or reset='zero'")
    if reset == "none":
        if choice("reset_timing", timing, TIMINGS) != "same":
            raise InvalidValueError(f"reset_timing={timing!r}: reset='none' never resets; leave reset_timing= out")
        return None
    return Subtract(timing) if reset == "subtract" else ToValue(neuron.v_reset, timing)


class Named(AnyNeuron):
    """A neuron that is short for a general one."""

    def __post_init__(self) -> None:
        """Check every field by building the general form, and keep the numbers as it keeps them."""
        form = self.stages
        kept = dict(form._given) | {"dt": form.dt}
        for part in form._parts:
            kept |= {name: getattr(part, name) for name in part.fixed}
        for one in fields(self):  # type: ignore[arg-type]
            if one.name in kept:
                object.__setattr__(self, one.name, kept[one.name])
            if one.name.startswith("tau_"):
                short_time(one.name, getattr(self, one.name), form.dt)

"""What all readers of float networks share: names of layers, and refusals, in one form, of what a chip does not have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rsnn.arguments import shown
from rsnn.errors import InvalidValueError
from rsnn.neurons import AnyNeuron
from rsnn.stages import ToValue


def refuse(target: str, layer: str, parameter: str, why: str, cure: str) -> InvalidValueError:
    """Make the error for what a chip cannot express."""
    return InvalidValueError(f"layer {layer}: {parameter} cannot be expressed on {target}: {why}; {cure}")


def refuse_extras(target: str, layer: str, neuron: AnyNeuron) -> None:
    """Refuse what no chip here does: spikes with a size, neurons that compete, an adaptation, a start that is not at 0."""
    form = neuron.stages
    for parameter, there in (
        ("its adaptation", form.adaptation is not None), ("inhibition=True", form.inhibition),
        (f"graded={shown(form.graded)}", form.graded is not None),
    ):  # fmt: skip
        if there:
            raise refuse(target, layer, parameter, "its neurons have nothing of the kind", "leave it out")
    begun = next((value for value in neuron.start().values() if np.any(np.asarray(value) != 0)), None)
    if begun is not None:
        raise refuse(target, layer, f"a start at {shown(begun)}", "states begin at 0", "leave it out, and give run a state")


def refuse_other_resets(target: str, layer: str, neuron: AnyNeuron, bits: int) -> None:
    """Refuse any reset but the one to 0 in the step of the spike, and a floor below the membrane, which has nothing but its bits."""
    form = neuron.stages
    reset = form.reset
    if not isinstance(reset, ToValue) or np.any(np.asarray(reset.v_reset) != 0) or reset.timing != "same":
        raise refuse(target, layer, "its reset", "a spike sets the membrane to 0 at once", 'use reset="zero"')
    if form.v_min is not None:
        raise refuse(target, layer, "v_min", f"the membrane has only the end of its {bits} bits", "leave it out")


def index_names(layers: Sequence[Any]) -> list[str]:
    """Name every layer by its place and its kind."""
    return [f"{k} {type(layer).__name__}" for k, layer in enumerate(layers)]

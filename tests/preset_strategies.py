"""The neurons of other libraries, with numbers as those hold them: float32 for a tensor, float64 for a Python float."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from rsnn.presets import norse, sinabs, snntorch, spikingjelly

NEEDED: dict[Any, dict[str, Any]] = {
    snntorch.Leaky: {"beta": 0.9},
    snntorch.RLeaky: {"beta": 0.9},
    snntorch.Synaptic: {"alpha": 0.9, "beta": 0.8},
    snntorch.RSynaptic: {"alpha": 0.9, "beta": 0.8},
    snntorch.Alpha: {"alpha": 0.9, "beta": 0.8},
    snntorch.Lapicque: {"beta": 0.9},
    sinabs.LIF: {"tau_mem": 20.0},
    sinabs.ALIF: {"tau_mem": 20.0, "tau_adapt": 100.0},
    sinabs.ExpLeak: {"tau_mem": 20.0},
    norse.Izhikevich: {"a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0},
}
"""What a preset does not make up itself."""
MAKERS = [
    made
    for library in (norse, snntorch, sinabs, spikingjelly)
    for made in (getattr(library, name) for name in library.__all__)
    if hasattr(made, "derived")
]


@st.composite
def presets(draw: Callable[..., Any], n: int) -> Any:
    """Any preset, some of its numbers moved a little, as scalars or for n neurons."""
    make = draw(st.sampled_from(MAKERS))
    neuron = make(**NEEDED.get(make, {}))
    moved = {}
    for name, value in neuron.parameters.items():
        if draw(st.booleans()):
            kind, factor = draw(st.sampled_from([np.float32, np.float64])), draw(st.sampled_from([0.9, 0.99]))
            moved[name] = (np.full(n, value * factor) if draw(st.booleans()) else value * factor).astype(kind)
    return neuron.replace(**moved)

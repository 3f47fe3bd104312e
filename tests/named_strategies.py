"""The named neurons beyond LI, LIF and IAF, with parameters at their extremes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from strategies import REAL, TAU, THRESHOLD, UNIT, WHOLE, per_neuron

import rsnn
from rsnn.neurons import NAMED

BEYOND = [kind for kind in NAMED.values() if kind not in (rsnn.LI, rsnn.LIF, rsnn.IAF)]
LONG = TAU.filter(lambda tau: tau >= 1)
MILD = st.sampled_from([-2.0, -0.5, 0.0, 0.25, 1.0])
SHARP = st.sampled_from([0.25, 2.0, 3.48])


@st.composite
def named(draw: Callable[..., Any], n: int) -> Any:
    """Any of them, for n neurons; one that has not the arguments of the last lines needs lines of its own."""

    def some(**given: st.SearchStrategy[float]) -> dict[str, Any]:
        """Some of these arguments."""
        return {name: draw(per_neuron(values, n)) for name, values in given.items() if draw(st.booleans())}

    kind = draw(st.sampled_from(BEYOND))
    if kind is rsnn.Izhikevich:
        recovery = draw(st.sampled_from(["updated", "carried", "drift"]))
        more = {"v_leak": draw(per_neuron(MILD, n))} if recovery == "drift" else {}
        # A drifting recovery starts at a square of c, which is no float32 of the largest c.
        given = some(a=MILD, b=MILD, c=MILD if more else REAL, d=MILD, v_threshold=THRESHOLD, sq=MILD, mn=MILD, const=MILD, v_init=MILD)
        return kind(**given, **more, recovery=recovery, dt=draw(st.sampled_from([0.1, 0.25, 1.0])))
    if kind is rsnn.GLIF3:
        times = some(tau_mem=TAU, tau_1=TAU, tau_2=TAU)
        return kind(**times, **some(v_leak=REAL, v_threshold=THRESHOLD, v_reset=MILD, r=MILD, jump_1=MILD, keep_2=UNIT, refractory=WHOLE))
    synapse = draw(st.sampled_from([{}, {"tau_syn": 5.0}, {"alpha": 0.9}])) if kind is not rsnn.Alpha else {}
    shared = some(bias=MILD, r=MILD, v_leak=MILD, refractory=WHOLE, v_min=MILD)
    if kind is rsnn.ALIF or kind is rsnn.Alpha:
        decay = draw(st.sampled_from([{}, {"beta": 0.9}, {"tau_mem": 5.0, "gain": "unit"}]))
        reset = draw(st.sampled_from([{}, {"reset": "zero"}, {"reset": "none"}, {"reset": "value", "v_reset": -0.5}, {"fire": "multi"}]))
        own = some(tau_adapt=TAU, adapt_scale=MILD) if kind is rsnn.ALIF else some(tau_rise=st.sampled_from([0.5, 9.0]))
        return kind(**shared, **synapse, **decay, **reset, **own, **some(v_threshold=THRESHOLD))
    own = some(tau_mem=LONG, v_threshold=THRESHOLD, v_reset=REAL)
    own |= some(a0=MILD, v_crit=MILD) if kind is rsnn.QIF else some(delta_t=SHARP, v_rheobase=MILD)
    own |= some(tau_adapt=LONG, couple=MILD, inc=MILD) if kind is rsnn.AdEx else {}
    return kind(**shared, **synapse, **own)

"""The LIF neuron of ODIN in integers: one update at a time.

What was verified: 4000 updates against the published RTL run in Icarus Verilog 11 (``tests/golden/test_tinyodin.py``). ODIN's crossbar,
its phenomenological Izhikevich neuron and its learning rule are not here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .integers import Array
from .neuron import IntegerNeuron, Register, run
from .tinyodin import together

__all__ = ["update"]


def update(
    state: Any,
    weight: Any,
    leak: Any,
    threshold: Any,
    event: Any = 1,
    time_reference: Any = 0,
    *,
    leak_enable: Any = 1,
    inhibitory: Any = 0,
) -> tuple[Array, Array]:
    """Update neurons of ODIN once, each by itself.

    A synaptic event adds `weight`, or subtracts it where the source is inhibitory; the membrane stays within 0 to 255. A time reference
    subtracts `leak` where that is enabled, not below 0. Afterwards ``v >= threshold`` fires and sets v to 0.

    Parameters
    ----------
    state : integer or array of integers
        Membranes, 0 to 255.
    weight : integer or array of integers
        0 to 7.
    leak : integer or array of integers
        0 to 127.
    threshold : integer or array of integers
        0 to 255.
    event, time_reference : bool or array of bool
        Whether an event comes at all (default True; without one the membrane is compared all the same), and whether it is
        a time reference (default False).
    leak_enable : bool or array of bool, default True
    inhibitory : bool or array of bool, default False

    Returns
    -------
    next, spike : integer arrays
        The membranes, 0 where they fired, and whether they did. All arguments broadcast.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted; the message says what is.

    Notes
    -----
    Verified against the published RTL: 4000 updates.

    Examples
    --------
    >>> import rsnn
    >>> after, spike = rsnn.chip.odin.update([3, 9, 2], [5, 5, 4], 1, 10, inhibitory=[0, 0, 1])
    >>> after.tolist(), spike.tolist()
    ([8, 0, 0], [0, 1, 0])
    """
    ranges = {
        "state": (0, 255), "weight": (0, 7), "leak": (0, 127), "threshold": (0, 255), "event": (0, 1), "time_reference": (0, 1),
        "leak_enable": (0, 1), "inhibitory": (0, 1),
    }  # fmt: skip
    given = dict(zip(ranges, (state, weight, leak, threshold, event, time_reference, leak_enable, inhibitory), strict=True))
    arrays = together(given, ranges)
    v, on, leaks = arrays["state"], arrays["event"] != 0, arrays["time_reference"] != 0
    sign = np.where(arrays["inhibitory"] != 0, -1, 1)
    x = np.where(on & ~leaks, sign * arrays["weight"], 0) - np.where(on & leaks & (arrays["leak_enable"] != 0), arrays["leak"], 0)
    threshold, membrane = arrays["threshold"].ravel(), Register(bits=12)
    neuron = IntegerNeuron(v_threshold=threshold, fire="single", reset="zero", v_min=0, v_max=255, clip="before", membrane=membrane)
    result = run(neuron, x.reshape(1, -1), state=v.ravel())
    return np.asarray(result.state.v).reshape(v.shape), result.spikes[0].reshape(v.shape)

"""Integrate and fire in integers, in one call."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from rsnn.arguments import choice, names
from rsnn.errors import InvalidValueError
from rsnn.state import State

from .integers import integer, integers
from .neuron import COMPARES, RESETS, TRACES, IntegerNeuron, Register, ends, run
from .result import ChipResult

FIRES = ("multi", "single")
OVERFLOWS = ("saturate", "wrap", "error")


def iaf(
    x: npt.ArrayLike,
    *,
    v_threshold: Any,
    bias: Any = 0,
    v_min: Any = None,
    fire: str = "multi",
    reset: str = "subtract",
    state_bits: int | None = 16,
    overflow: str = "saturate",
    state: State | npt.ArrayLike | None = None,
    record: Any = (),
    compare: str = ">=",
    threads: int | None = None,
) -> ChipResult:
    """Integrate and fire in integers, at a chosen width of the membrane.

    One step, exact::

        u = overflow(v + x + bias)
        s = trunc(u / v_threshold) where u > 0      fire="single": [u >= v_threshold]
        v = u - s v_threshold                       reset="zero": 0 where s, else u; "none": u
        v = max(v, v_min)

    Parameters
    ----------
    x : array_like of integers, (T, ...)
        Time first. Any integer dtype, bool, or floats that hold whole numbers; any strides and byte order. Never modified.
    v_threshold : int or array of int
        At least 1, and not above the largest membrane of `state_bits`.
    bias : int or array of int, default 0
        Added at every step.
    v_min : int or array of int, optional
        The membrane is kept from falling below, after spike and reset. `v_threshold`, `bias` and `v_min` broadcast against the
        trailing axes of x.
    fire : {"multi", "single"}
        As many spikes a step as thresholds fit into the membrane, or at most one.
    reset : {"subtract", "zero", "none"}
    state_bits : int, 2 to 64, or None
        Bits of the membrane, signed. None: unbounded; a membrane beyond 64 bits is then an error.
    overflow : {"saturate", "wrap", "error"}
        What happens to a membrane that leaves its bits: it stays at the end of the range, wraps as two's complement, or the run
        stops with an error that names step and neuron.
    state : named tuple or array of int, optional
        To go on from: ``result.state``, or the membranes themselves. 0 by default. Never modified.
    record : name or tuple of names
        ``"v"`` (the membrane after the step) and ``"u"`` (before it fires, after overflow).
    compare : {">=", ">"}
        Whether a membrane at the threshold fires.
    threads : int, optional
        At most so many; by default as `rsnn.set_num_threads` says. The result does not depend on it.

    Returns
    -------
    ChipResult
        ``spikes`` (also as ``out``), ``state``, ``traces``: int32 where the membrane has at most 32 bits, else int64. ``stats``
        counts spikes and the (step, neuron) that left `state_bits`.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted (fractions, NaN, a threshold below 1, a state that does not fit): the message says what is.

    Notes
    -----
    With ``state_bits=None`` and ``fire="multi"`` this is the neuron of sinabs' time-stepped DynapCNN model. The upper end of the
    membrane of the silicon (saturating or wrapping) is not published. Results equal Python's unbounded integers for every input.

    Examples
    --------
    >>> import rsnn
    >>> result = rsnn.chip.iaf([3, 4, 15, -9], v_threshold=5, v_min=-2, record="v")
    >>> result.spikes.tolist(), result.v.tolist()
    ([0, 1, 3, 0], [3, 2, 2, -2])
    >>> rsnn.chip.iaf([100, 100], v_threshold=127, state_bits=8, overflow="wrap").state.v.tolist()
    -56
    """
    fire, reset = choice("fire", fire, FIRES), choice("reset", reset, RESETS)
    overflow, compare = choice("overflow", overflow, OVERFLOWS), choice("compare", compare, tuple(COMPARES))
    names("record", record, TRACES)
    bits = 64 if state_bits is None else integer("state_bits", state_bits, 2, 64, "None for unbounded")
    low, high = ends(bits)
    for name, value, least, most, why in (
        ("v_threshold", v_threshold, 1, high, "a threshold below 1 fires without input, one beyond the membrane's bits never"),
        ("v_min", 0 if v_min is None else v_min, low, high, f"the membrane has {bits} bits"),
    ):
        row = integers(name, value)
        if row.size and (row.min() < least or row.max() > most):
            worst = int(row.min() if row.min() < least else row.max())
            raise InvalidValueError(f"{name}={worst}: must be from {least} to {most} with state_bits={bits}; {why}")
    membrane = Register(bits=bits, overflow="error" if state_bits is None else overflow)
    neuron = IntegerNeuron(
        v_threshold=v_threshold, bias=bias, v_min=v_min, fire=fire, reset=reset, compare=compare, membrane=membrane
    )  # fmt: skip
    return run(neuron, x, state=state, record=record, threads=threads)

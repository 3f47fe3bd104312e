"""The integer neuron by itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.arguments import choice, names
from rsnn.errors import InvalidValueError
from rsnn.state import State
from rsnn.threads import resolve

from .integers import blocks, dtype_of, empty, give_state, integer, integers, take_state, whole_array
from .result import ChipResult, Counter

FIRES = ("multi", "single")
RESETS = ("subtract", "zero", "none")
OVERFLOWS = ("saturate", "wrap", "error")
COMPARES = {">=": "at_least", ">": "above"}
TRACES = ("v", "u")


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
    recorded = names("record", record, TRACES)
    bits = 64 if state_bits is None else integer("state_bits", state_bits, 2, 64, "None for unbounded")
    array = whole_array("x", x)
    if array.ndim == 0:
        raise InvalidValueError("x is a single number: must be (T, ...), time first; for a constant input give np.full(T, x)")
    trailing = array.shape[1:]
    table = _table(v_threshold, bias, v_min, bits, trailing)
    v = take_state(state, trailing, bits)
    kind, workers = dtype_of(bits), resolve(threads)
    spikes = empty("x", array.shape, kind)
    traces = {name: empty("record", array.shape, kind) for name in recorded}
    spec = f"fire={fire} reset={reset} compare={COMPARES[compare]} bits={bits} watch={bits}"
    spec += f" overflow={'error' if state_bits is None else overflow}{' clip' if v_min is not None else ''}"
    counter = Counter()
    if array.size:
        for cut, block in blocks("x", array):
            record_ = [(name, trace[cut]) for name, trace in traces.items()]
            counter.add(_rsnn.integer_scan(spec, block, table, v.reshape(-1), spikes[cut], record_, first_step=cut.start, threads=workers))
    return ChipResult(spikes, spikes, give_state(v, kind), traces, counter.stats(spikes))


def _table(v_threshold: Any, bias: Any, v_min: Any, bits: int, trailing: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Check the parameters; give the rows bias, v_threshold, v_min as the native half takes them."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    rows = {
        "bias": integers("bias", bias),
        "v_threshold": integers("v_threshold", v_threshold),
        "v_min": integers("v_min", 0 if v_min is None else v_min),
    }
    for name, least, most, why in (
        ("v_threshold", 1, high, "a threshold below 1 fires without input, one beyond the membrane's bits never"),
        ("v_min", low, high, f"the membrane has {bits} bits"),
    ):
        row = rows[name]
        if row.size and (row.min() < least or row.max() > most):
            worst = int(row.min() if row.min() < least else row.max())
            raise InvalidValueError(f"{name}={worst}: must be from {least} to {most} with state_bits={bits}; {why}")
    shapes = [row.shape for row in rows.values()]
    try:
        shape = np.broadcast_shapes(*shapes)
        last = trailing[len(trailing) - len(shape) :]
        if len(shape) > len(trailing) or np.broadcast_shapes(shape, last) != last:
            raise ValueError
    except ValueError:
        came = ", ".join(f"{name} {row.shape}" for name, row in rows.items() if row.ndim)
        raise InvalidValueError(
            f"{came}: does not broadcast against one step of x, {trailing}; give a single integer, or one for each channel or neuron"
        ) from None
    table = np.empty((3, math.prod(last)), np.int64)
    for k, row in enumerate(rows.values()):
        table[k] = np.broadcast_to(row, last).reshape(-1)
    return table

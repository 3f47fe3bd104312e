"""tinyODIN in integers: a crossbar of up to 256 neurons, events one after the other, and the update of a single neuron.

What was verified: whole chips, every address sent in order and every final membrane, on 5 random networks of 150 events, and 4000
updates of a neuron, against the published RTL run in Icarus Verilog 11 (``tests/golden/test_tinyodin.py``). Not against silicon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.arguments import flag, shown
from rsnn.errors import InvalidValueError

from .integers import Array, integers
from .neuron import IntegerNeuron, Register, run

MOST = 256
V_MIN, V_MAX = -2048, 2047

__all__ = ["Chip", "ChipEvents", "update"]


@dataclass(frozen=True, eq=False)
class ChipEvents:
    """What tinyODIN did.

    Attributes
    ----------
    spikes : uint8 array
        The addresses of the neurons that fired, in order.
    counts : int64 array, (events,)
        How many of them each event caused.
    v : int16 array, (n,)
        The membranes after the last event: pass them back in as ``v=`` to go on.
    synops : int
        Additions of a weight to a membrane.
    lost : int
        Spikes that came to a full queue: sent, but never processed.
    """

    spikes: npt.NDArray[np.uint8]
    counts: npt.NDArray[np.int64]
    v: npt.NDArray[np.int16]
    synops: int
    lost: int

    def __repr__(self) -> str:
        return f"ChipEvents({len(self.spikes)} spikes of {len(self.counts)} events; lost: {self.lost}; SynOps: {self.synops})"


class Chip:
    """A tinyODIN chip.

    Events are words of 10 bits, each finished before the next, with all that follows from it::

        1xx.... bit 8 set               time reference: address 255 of every neuron, another address of that neuron alone
        10wwwwnnnn  bit 9, not bit 8    virtual event: weight w (4 bits, signed) to neuron n (0 to 15); weight 0: a spike of n
        00aaaaaaaa                      a spike of neuron a

        spike of neuron p      v_j = clamp(v_j + W[p, j]) for every j ascending, in 12 bits
        time reference         v_j moves by leak_j towards 0, not across
        after each of the two  v_j >= threshold_j and v_j >= 0: v_j = 0, and a spike of j, which is sent and waits in a queue of 128;
                               the one being processed counts, a full queue loses what comes

    Parameters
    ----------
    weights : array_like of integers, (n, n)
        From the first axis to the second, -8 to 7; at most 256 neurons. Others are as if not there.
    threshold : integer or array of integers, (n,)
        0 to 4095, without a sign: above 2047 a neuron never fires.
    leak : integer or array of integers, (n,)
        0 to 127.
    disable : array_like of bool, (n,), optional
        Neurons whose spikes are not sent; they are updated and reset all the same.
    v : array_like of integers, (n,), optional
        Membranes to begin with, -2048 to 2047; 0 by default.
    open_loop : bool, default False
        Spikes are sent, but do not come back to the neurons.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted; the message says what is.

    Examples
    --------
    >>> import rsnn
    >>> chip = rsnn.chip.tinyodin.Chip([[0, 6], [0, 0]], threshold=5, leak=1)
    >>> result = chip.run([0b00_0000_0000, 0b01_1111_1111])
    >>> result.spikes.tolist(), result.counts.tolist(), result.v.tolist()
    ([1], [1, 0], [0, 0])
    """

    def __init__(
        self, weights: npt.ArrayLike, threshold: Any, leak: Any, disable: Any = None, v: Any = None, open_loop: bool = False
    ) -> None:
        self.weights = integers("weights", weights)
        n = len(self.weights) if self.weights.ndim else 0
        if self.weights.shape != (n, n) or n > MOST:
            raise InvalidValueError(f"weights has shape {self.weights.shape}: must be (n, n), at most {MOST} neurons")
        _within("weights", self.weights, -8, 7)
        self.threshold = _each("threshold", threshold, n, 0, 4095)
        self.leak = _each("leak", leak, n, 0, 127)
        self.disable = _each("disable", 0 if disable is None else disable, n, 0, 1).astype(bool)
        self.v = _each("v", 0 if v is None else v, n, V_MIN, V_MAX)
        self.open_loop = bool(open_loop) if isinstance(open_loop, (int, np.integer)) else flag("open_loop", open_loop)

    def run(self, events: npt.ArrayLike, *, v: npt.ArrayLike | None = None) -> ChipEvents:
        """Process events, from the membranes that the chip was made with.

        Parameters
        ----------
        events : array_like of integers, (events,)
            Words of 10 bits, see `Chip`.
        v : array_like of integers, (n,), optional
            Membranes to begin with instead.

        Returns
        -------
        ChipEvents

        Raises
        ------
        InvalidTypeError, InvalidValueError
            Something is not accepted; the message says what is. A loop that fires for ever: 65,536 spikes after one event.
        """
        words = integers("events", events)
        if words.ndim != 1:
            raise InvalidValueError(f"events has shape {words.shape}: must be a row of words")
        _within("events", words, 0, 1023)
        now = self.v.copy() if v is None else _each("v", v, len(self.v), V_MIN, V_MAX)
        spikes, counts, synops, lost = _rsnn.tinyodin_run(
            np.ascontiguousarray(self.weights), self.threshold, self.leak, self.disable.tolist(), self.open_loop, words.tolist(), now
        )
        return ChipEvents(np.frombuffer(bytes(spikes), np.uint8).copy(), np.array(counts, np.int64), now.astype(np.int16), synops, lost)

    def __repr__(self) -> str:
        return f"tinyodin.Chip({len(self.v)} neurons{', open loop' if self.open_loop else ''})"


def update(state: Any, weight: Any, leak: Any, threshold: Any, event: Any = 1, time_reference: Any = 0) -> tuple[Array, Array]:
    """Update neurons of tinyODIN once, each by itself.

    Parameters
    ----------
    state : integer or array of integers
        Membranes, -2048 to 2047.
    weight : integer or array of integers
        -8 to 7, added by a synaptic event.
    leak : integer or array of integers
        0 to 127, by which a time reference moves the membrane towards 0, not across.
    threshold : integer or array of integers
        0 to 4095, without a sign.
    event : bool or array of bool, default True
        Whether an event comes at all; without one the membrane stays, but is compared with the threshold all the same.
    time_reference : bool or array of bool, default False
        Whether the event is a time reference instead of a synaptic one.

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
    >>> after, spike = rsnn.chip.tinyodin.update([3, 9, -4], 5, 1, 10)
    >>> after.tolist(), spike.tolist()
    ([8, 0, 1], [0, 1, 0])
    """
    ranges = {
        "state": (V_MIN, V_MAX),
        "weight": (-8, 7),
        "leak": (0, 127),
        "threshold": (0, 4095),
        "event": (0, 1),
        "time_reference": (0, 1),
    }
    given = dict(zip(ranges, (state, weight, leak, threshold, event, time_reference), strict=True))
    arrays = together(given, ranges)
    v, on, leaks = arrays["state"], arrays["event"] != 0, arrays["time_reference"] != 0
    membrane = Register(bits=12, decay="constant", by=np.where(on & leaks, arrays["leak"], 0).ravel())
    neuron = IntegerNeuron(v_threshold=arrays["threshold"].ravel(), fire="single", reset="zero", membrane=membrane)
    result = run(neuron, np.where(on & ~leaks, arrays["weight"], 0).reshape(1, -1), state=v.ravel())
    return np.asarray(result.state.v).reshape(v.shape), result.spikes[0].reshape(v.shape)


def together(given: dict[str, Any], ranges: dict[str, tuple[int, int]]) -> dict[str, Array]:
    """Check numbers within their ranges; give them in one shape."""
    arrays = {name: integers(name, value) for name, value in given.items()}
    for name, (low, high) in ranges.items():
        _within(name, arrays[name], low, high)
    try:
        return dict(zip(arrays, np.broadcast_arrays(*arrays.values()), strict=True))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise InvalidValueError(f"{shapes}: do not broadcast against each other") from None


def _within(name: str, values: Array, low: int, high: int) -> None:
    if values.size and (values.min() < low or values.max() > high):
        raise InvalidValueError(f"{name}={shown(values if values.ndim else int(values))}: must be from {low} to {high}")


def _each(name: str, value: Any, n: int, low: int, high: int) -> npt.NDArray[np.int64]:
    array = integers(name, value)
    _within(name, array, low, high)
    if array.shape not in ((), (n,)):
        raise InvalidValueError(f"{name} has shape {array.shape}: must be a single integer, or ({n},)")
    return np.array(np.broadcast_to(array, (n,)), np.int64, order="C")

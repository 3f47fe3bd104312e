"""The neurons of Loihi: two lines of the table of integer neurons, in the names that Loihi's users know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import choice, names, shown
from rsnn.errors import InvalidValueError
from rsnn.state import State, make_state

from .integers import Array, integer, integers
from .neuron import IntegerNeuron, Register, run
from .result import ChipResult

KINDS = ("lif", "ternary", "reset")
_LARGEST = (1 << 23) - 1
_NAMES = {"u": "i", "v": "v", "rest": "rest"}
"""Loihi's names of states, and those of the integer neuron: on Loihi u is the current."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LIF:
    """A population of Lava's fixed-point LIF neurons; runs in `rsnn.chip.loihi.lif` and in `rsnn.chip.loihi.network`.

    Parameters
    ----------
    du, dv : int or array of int
        Decays, 0 to 4095 and 0 to 4096, in parts of 4096. Note the 1 that the chip adds to du.
    vth : int or array of int
        Threshold; for ``kind="ternary"`` the upper one.
    bias_mant, bias_exp : int or array of int, default 0
        The bias is ``bias_mant << bias_exp``, shifted right where the exponent is negative.
    kind : {"lif", "ternary", "reset"}
    vth_lo : int or array of int, optional
        Lower threshold, for ``kind="ternary"``.
    reset_interval : int, optional
        For ``kind="reset"``, together with `reset_offset`.
    reset_offset : int, default 0

    Examples
    --------
    >>> import rsnn
    >>> rsnn.chip.loihi.LIF(du=4095, dv=0, vth=3).neuron.v_threshold
    3
    """

    du: Any
    dv: Any
    vth: Any
    bias_mant: Any = 0
    bias_exp: Any = 0
    kind: str = "lif"
    vth_lo: Any = None
    reset_interval: Any = None
    reset_offset: Any = 0

    def __post_init__(self) -> None:
        """Check every number."""
        choice("kind", self.kind, KINDS)
        for name, most in (("du", 4095), ("dv", 4096)):
            _within(name, integers(name, getattr(self, name)), 0, most)
        if (self.vth_lo is None) != (self.kind != "ternary"):
            raise InvalidValueError(f'vth_lo={shown(self.vth_lo)}: is the lower threshold of kind="ternary", and only of that')
        if (self.reset_interval is None) != (self.kind != "reset"):
            raise InvalidValueError(f'reset_interval={shown(self.reset_interval)}: belongs to kind="reset", and only to that')
        if self.reset_interval is not None:
            integer("reset_interval", self.reset_interval, 1, 2**62)
            integer("reset_offset", self.reset_offset, 0, 2**62)
        self.line()

    @property
    def bias(self) -> Array:
        """The bias as it is added."""
        mantissa, exponent = integers("bias_mant", self.bias_mant), integers("bias_exp", self.bias_exp)
        _within("bias_mant", mantissa, -(2**31), 2**31 - 1)
        _within("bias_exp", exponent, -31, 31)
        try:
            mantissa, exponent = np.broadcast_arrays(mantissa, exponent)
        except ValueError:
            raise InvalidValueError(f"bias_mant, bias_exp: shapes {mantissa.shape} and {exponent.shape} do not fit each other") from None
        return np.where(exponent >= 0, mantissa << np.maximum(exponent, 0), mantissa >> np.maximum(-exponent, 0))

    def line(self, start: int = 0) -> IntegerNeuron:
        """Give the line of the table, for a run that begins after `start` steps."""
        du, dv = integers("du", self.du), integers("dv", self.dv)
        restart = None
        if self.reset_interval is not None:
            every = integer("reset_interval", self.reset_interval, 1, 2**62)
            restart = (every, (integer("reset_offset", self.reset_offset, 0, 2**62) - start) % every)
        return IntegerNeuron(
            v_threshold=self.vth,
            v_low=self.vth_lo,
            threshold_shift=6,
            compare=">",
            fire="ternary" if self.kind == "ternary" else "single",
            reset="zero",
            bias=self.bias,
            v_min=-_LARGEST,
            v_max=_LARGEST,
            clip="before",
            membrane=Register(bits=24, decay="scale", by=4096 - dv),
            current=Register(bits=24, overflow="wrap_once", decay="scale", by=4095 - du),
            input_shift=6,
            restart=restart,
        )

    @property
    def neuron(self) -> IntegerNeuron:
        """The same in the terms of `rsnn.chip.IntegerNeuron`."""
        return self.line()

    def _key(self) -> tuple[Any, ...]:
        return (self.neuron, self.kind)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LIF) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


def _within(name: str, values: Array, low: int, high: int) -> None:
    if values.size and (values.min() < low or values.max() > high):
        raise InvalidValueError(f"{name}={shown(values if values.ndim else int(values))}: must be from {low} to {high}")


def inner_state(state: Any, fields_: tuple[str, ...]) -> Any:
    """Give a state in Loihi's names as one in those of the integer neuron."""
    if state is None:
        return None
    came = getattr(state, "_fields", None)
    own = tuple(next(ours for ours, theirs in _NAMES.items() if theirs == name) for name in fields_)
    if came is None or tuple(one for one in came if one != "t") != own:
        found = f"has the fields {', '.join(came)}" if came is not None else f"is {shown(state)}"
        raise InvalidValueError(f"state {found}: must have {', '.join(own)}; give the .state of an earlier result")
    return make_state(fields_, (getattr(state, name) for name in own))


def outer_state(state: State, steps: int | None = None) -> State:
    """Give a state of the integer neuron in Loihi's names, with the steps taken where the neuron counts them."""
    own = tuple(next(ours for ours, theirs in _NAMES.items() if theirs == name) for name in state._fields)
    values = tuple(state)
    return make_state((*own, "t"), (*values, np.int64(steps))) if steps is not None else make_state(own, values)


def steps_of(state: Any) -> int:
    """Give how many steps a state is old."""
    return 0 if state is None else integer("state.t", getattr(state, "t", 0), 0, 2**62)


def _run(neuron: IntegerNeuron, x: Any, state: Any, record: Any, threads: int | None, steps: int | None) -> ChipResult:
    recorded = names("record", record, ("u", "v"))
    inner = inner_state(state, neuron.fields)
    result = run(neuron, x, state=inner, record=tuple(_NAMES[name] for name in recorded), threads=threads)
    traces = {name: result.traces[_NAMES[name]] for name in recorded}
    after = outer_state(result.state, None if steps is None else steps + len(result.spikes))
    return ChipResult(result.spikes, result.out, after, traces, result.stats)


def lif(
    a: npt.ArrayLike,
    *,
    du: Any,
    dv: Any,
    vth: Any,
    bias_mant: Any = 0,
    bias_exp: Any = 0,
    kind: str = "lif",
    vth_lo: Any = None,
    reset_interval: Any = None,
    reset_offset: Any = 0,
    state: State | None = None,
    record: Any = (),
    threads: int | None = None,
) -> ChipResult:
    """Run Lava's fixed-point LIF neurons.

    One step, exact integers, ``D(x, k) = sign(x) ((|x| (4096 - k)) >> 12)``::

        u = D(u, du + 1) + (a << 6)         above 2^23 less 2^24, at or below -2^23 plus 2^24, once
        v = clip(D(v, dv) + u + bias)       to -(2^23 - 1) ... 2^23 - 1;  bias = bias_mant << bias_exp, or >> -bias_exp
        s = [v > vth << 6]                  kind="ternary": less [v < vth_lo << 6]
        v = 0 where s                       no refractory period

    With ``kind="reset"``, u and v are 0 before each step t, counted from 1, with ``t % reset_interval == reset_offset % reset_interval``.

    Parameters
    ----------
    a : array_like of integers, (T, ...)
        What arrives at the neurons, as from `dense`. Any integer dtype, bool, or floats that hold whole numbers. Never modified.
    du, dv : int or array of int
        Decay of current and membrane, 0 to 4095 and 0 to 4096. ``du=4095`` keeps no current; ``du=0`` still loses 1/4096 each step.
    vth : int or array of int
        Threshold, of which the neuron takes 64 times; for ``kind="ternary"`` the upper one. Lava checks no range, nor is one here; the chip
        has 0 to 131071.
    bias_mant, bias_exp : int or array of int, default 0
        32 bits, and -31 to 31.
    kind : {"lif", "ternary", "reset"}
    vth_lo, reset_interval, reset_offset
        For the last two kinds. All numbers broadcast against the trailing axes of `a`.
    state : named tuple, optional
        To go on from: ``result.state``, with the fields v, u (and t, the steps taken, for ``kind="reset"``). Never modified.
    record : name or tuple of names
        ``"u"``, the current after the step, and ``"v"``, the membrane after it.
    threads : int, optional
        At most so many; the result does not depend on it.

    Returns
    -------
    ChipResult
        ``spikes`` (also as ``out``), ``state``, ``traces``, all int32.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted; the message says what is. A current that leaves 32 bits, which Lava does not hold either, is an error.

    Notes
    -----
    Verified against lava-nc 0.10.0 (``PyLifModelBitAcc``, ``PyTernLifModelFixed``, ``PyLifResetModelBitAcc``): 30 populations, u, v and
    spikes at every step. See the head of `rsnn.chip.loihi` for what is not known about the chip.

    Examples
    --------
    >>> import rsnn
    >>> result = rsnn.chip.loihi.lif([10, 0, 0, 10], du=2047, dv=0, vth=15, record=("u", "v"))
    >>> result.u.tolist(), result.v.tolist(), result.spikes.tolist()
    ([640, 320, 160, 720], [640, 960, 0, 720], [0, 0, 1, 0])
    """
    neuron = LIF(
        du=du, dv=dv, vth=vth, bias_mant=bias_mant, bias_exp=bias_exp, kind=kind, vth_lo=vth_lo,
        reset_interval=reset_interval, reset_offset=reset_offset,
    )  # fmt: skip
    start = steps_of(state)
    return _run(neuron.line(start), a, state, record, threads, start if kind == "reset" else None)


def compartment(
    a: npt.ArrayLike,
    *,
    du: Any,
    dv: Any,
    vth: Any,
    bias: Any = 0,
    refractory: Any = 1,
    v_min: Any = -_LARGEST,
    v_max: Any = _LARGEST,
    state: State | None = None,
    record: Any = (),
    threads: int | None = None,
) -> ChipResult:
    """Run Loihi 1 compartments as nengo-loihi's emulator does.

    One step, exact integers, ``D(x, k) = sign(x) ((|x| (4096 - k)) >> 12)``::

        q = a << 6                          wraps in 22 bits
        u = D(u, du + 1) + q                wraps in 24 bits
        d = u + bias                        wraps in 24 bits, and is not kept
        v = clip(D(v, dv) + d)              to v_min ... v_max
        v = 0 while refractory steps are left
        s = [v > vth];  v = 0 where s, and `refractory` steps are left; then one less

    Parameters
    ----------
    a : array_like of integers, (T, ...)
        What arrives at the compartments. Any integer dtype, bool, or floats that hold whole numbers. Never modified.
    du, dv : int or array of int
        Decay of current and membrane, 0 to 4095 and 0 to 4096.
    vth : int or array of int
        Threshold, already shifted: of the size of v, not of a weight.
    bias : int or array of int, default 0
        Already shifted.
    refractory : int or array of int, default 1
        With 1 no step is silent.
    v_min, v_max : int or array of int
        32 bits. On the chip ``1 - 2**e`` with e from 0 to 23, and ``2**(9 + 2 e) - 1`` with e from 0 to 7. All numbers broadcast
        against the trailing axes of `a`.
    state : named tuple, optional
        To go on from: ``result.state``, with the fields v, u, rest. Never modified.
    record : name or tuple of names
        ``"u"``, the current after the step, without the bias, and ``"v"``, the membrane after it.
    threads : int, optional

    Returns
    -------
    ChipResult
        ``spikes`` (also as ``out``), ``state``, ``traces``, all int32.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted; the message says what is.

    Notes
    -----
    Verified against nengo-loihi 1.1.0: 20 populations, u, v and spikes at every step. See the head of `rsnn.chip.loihi` for what is
    not known about the chip.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.chip.loihi.compartment([10, 10, 10], du=4095, dv=0, vth=1000, refractory=2, record="v").v.tolist()
    [640, 0, 0]
    """
    for name, value, most in (("du", du, 4095), ("dv", dv, 4096)):
        _within(name, integers(name, value), 0, most)
    neuron = IntegerNeuron(
        v_threshold=vth,
        compare=">",
        fire="single",
        reset="zero",
        bias=bias,
        bias_to="current",
        v_min=v_min,
        v_max=v_max,
        clip="before",
        refractory=refractory,
        membrane=Register(bits=32, decay="scale", by=4096 - integers("dv", dv)),
        current=Register(bits=24, overflow="wrap", decay="scale", by=4095 - integers("du", du)),
        input_shift=6,
        input_bits=22,
    )
    return _run(neuron, a, state, record, threads, None)

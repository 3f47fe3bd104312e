"""Integer neurons: a description by knobs, and its run.

`IntegerNeuron` is the table in which every chip here is a line: `rsnn.chip.loihi` and `rsnn.chip.dynapcnn` are neurons of it with
synapses in front. `rsnn.chip.reference` says in plain integers what a step does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.arguments import choice, flag, names, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.state import State, make_state
from rsnn.threads import resolve

from .integers import Array, blocks, dtype_of, empty, integer, integers, take_states, whole_array
from .result import ChipResult, Counter

RESETS = ("subtract", "zero", "none")
COMPARES = {">=": "at_least", ">": "above"}
TRACES = ("v", "u")
ROWS = ("bias", "v_threshold", "v_low", "v_min", "v_max", "decay_v", "decay_i", "refractory")
"""Rows of the table that the Rust core reads."""
_SCALES = ("scale", "floor")


def ends(bits: int) -> tuple[int, int]:
    """Give the first and the last value of so many bits."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


class _Plain:
    """Arrays become integers or read-only int64 arrays, so that a description never changes; equal by value."""

    def _fix(self, *known: str) -> None:
        for name in known:
            value = integers(name, getattr(self, name)) if getattr(self, name) is not None else None
            if value is not None:
                value = value.copy()
                value.setflags(write=False)
            object.__setattr__(self, name, int(value) if value is not None and value.ndim == 0 else value)

    def _key(self) -> tuple[Any, ...]:
        values = (getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
        return tuple((v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v for v in values)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))


@dataclass(frozen=True, eq=False, kw_only=True)
class Register(_Plain):
    """A state of an integer neuron: its width, what happens at the end of it, how it decays.

    Parameters
    ----------
    bits : int, 2 to 64, or None, default 16
        Signed. None: unbounded; beyond 64 bits is then an error.
    overflow : {"saturate", "wrap", "wrap_once", "error"}
        What happens to a value that leaves its bits. ``"wrap"`` is two's complement. ``"wrap_once"``, as Lava does: above
        ``2**(bits-1)`` one turn of ``2**bits`` down, at or below its negative one turn up; what is still outside stays, and is an error
        where it leaves 32 bits (64 where `bits` is 32 or more).
    decay : {"none", "shift", "scale", "floor", "constant"}
        Towards 0, by `by`::

            shift      x - a,  a = x >> by, or the sign of x where that is 0
            scale      sign(x) (|x| by >> scale_bits)         towards zero
            floor      x by >> scale_bits                     downwards
            constant   x - by, not across 0                   x + by below 0

    by : int or array of int, default 0
        The number of the decay, one for all neurons or one for each: 0 to 31 for a shift, 0 to ``2**scale_bits`` for a scale.
    scale_bits : int, 1 to 15, default 12
    when : {"before", "after", "end"}
        Before something is added, after that and before the value is used, or at the end of the step.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A knob is not accepted; the message says what is.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.chip.Register(bits=24, overflow="wrap", decay="scale", by=4096 - 512).bits
    24
    """

    bits: int | None = 16
    overflow: str = "saturate"
    decay: str = "none"
    by: Any = 0
    scale_bits: int = 12
    when: str = "before"

    def __post_init__(self) -> None:
        """Check every knob."""
        if self.bits is not None:
            object.__setattr__(self, "bits", integer("bits", self.bits, 2, 64, "None for unbounded"))
        choice("overflow", self.overflow, ("saturate", "wrap", "wrap_once", "error"))
        choice("decay", self.decay, ("none", "shift", "scale", "floor", "constant"))
        choice("when", self.when, ("before", "after", "end"))
        object.__setattr__(self, "scale_bits", integer("scale_bits", self.scale_bits, 1, 15))
        if self.by is None:
            raise InvalidTypeError('by=None: must be an integer or an array of integers; 0 with decay="none"')
        self._fix("by")
        most = {"shift": 31, "constant": 2**63 - 1, "none": 2**63 - 1}.get(self.decay, 1 << self.scale_bits)
        if np.any(np.less(self.by, 0)) or np.any(np.greater(self.by, most)):
            raise InvalidValueError(f'by={shown(self.by)}: must be from 0 to {most} with decay="{self.decay}"')

    @property
    def width(self) -> int:
        """The bits, 64 where it is unbounded."""
        return 64 if self.bits is None else self.bits

    @property
    def kept(self) -> int:
        """The bits that a value keeps after overflow was dealt with."""
        return self.width if self.overflow != "wrap_once" else 32 if self.width < 32 else 64

    @property
    def spec(self) -> str:
        """As the Rust core reads it."""
        overflow = "error" if self.bits is None else self.overflow
        if self.decay == "none":
            return f"{self.width},{overflow}"
        return f"{self.width},{overflow},{self.decay}{f':{self.scale_bits}' if self.decay in _SCALES else ''},{self.when}"


@dataclass(frozen=True, eq=False, kw_only=True)
class IntegerNeuron(_Plain):
    """A neuron in integers, of any mix of the knobs that chips have.

    One step, exact (`contain` is the register's overflow, `decay` its decay at the moment that it names)::

        q = wrap(x << input_shift)                                    into input_bits, where they are given
        i = contain(decay(i) + q)                                     where there is a current
        d = i                                                         bias_to="current": contain(i + bias); no current: q
        u = contain(decay(v) + d + bias)                              bias_to="membrane"
            change=True: contain(v + c),  c = contain(contain(wrap(decay(v) - v) + d) + bias)
        u = min(max(u, v_min), v_max)                                 clip="before"
        u = 0 where rest > 0                                          refractory
        s = how often v_threshold goes into u > 0, up to max_spikes   fire="multi"
            [u >= v_threshold]                                        fire="single"
            [u >= v_threshold] - [u <= v_low]                         fire="ternary"; compare=">": > and < in all three
        v = u - s v_threshold (ternary, downwards: u - v_low)         reset="subtract"
            0 where s, else u                                         reset="zero"
        v = min(max(v, v_min), v_max)                                 clip="after"
        rest = max(rest - 1, 0); where it fires, refractory - 1

    Parameters
    ----------
    v_threshold : int or array of int
        At least 1 where nothing limits the spikes of a step. Below 1 a neuron fires one spike after the other up to its limit, and what
        the subtractions push out of the membrane's bits wraps.
    v_low : int or array of int, optional
        The lower threshold, for ``fire="ternary"``.
    bias : int or array of int, default 0
    bias_to : {"membrane", "current"}
    v_min, v_max : int or array of int, optional
    clip : {"after", "before"}
    fire : {"multi", "single", "ternary"}
    max_spikes : int, 0 to 65535, optional
        For ``fire="multi"``.
    compare : {">=", ">"}
    threshold_shift : int, 0 to 32, default 0
        Thresholds are multiplied by two to the power of this.
    reset : {"subtract", "zero", "none"}
    refractory : int or array of int, optional
        Steps that a spike lasts, its own counted, during which the membrane is held at 0: with 1 no step is silent.
    membrane : Register
    current : Register, optional
    input_shift : int, 0 to 32, default 0
    input_bits : int, 2 to 64, optional
    change : bool, default False
    restart : pair of int, optional
        ``(every, at)``: at each step t, counted from 1, with ``t % every == at % every``, membrane and current are 0 before it.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A knob is not accepted, or contradicts another; the message says what is.

    Notes
    -----
    Arrays broadcast against the trailing axes of the input. This describes; `rsnn.chip.run` runs it.

    Examples
    --------
    >>> import rsnn
    >>> neuron = rsnn.chip.IntegerNeuron(v_threshold=100, fire="single", membrane=rsnn.chip.Register(bits=8, decay="shift", by=2))
    >>> rsnn.chip.run(neuron, [60, 60, 0, 60], record="v").v.tolist()
    [60, 5, 4, 63]
    """

    v_threshold: Any
    v_low: Any = None
    bias: Any = 0
    bias_to: str = "membrane"
    v_min: Any = None
    v_max: Any = None
    clip: str = "after"
    fire: str = "multi"
    max_spikes: int | None = None
    compare: str = ">="
    threshold_shift: int = 0
    reset: str = "subtract"
    refractory: Any = None
    membrane: Register = Register()
    current: Register | None = None
    input_shift: int = 0
    input_bits: int | None = None
    change: bool = False
    restart: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Check every knob, and those that contradict each other."""
        for name, accepted in (
            ("bias_to", ("membrane", "current")),
            ("clip", ("after", "before")),
            ("fire", ("multi", "single", "ternary")),
            ("compare", tuple(COMPARES)),
            ("reset", RESETS),
        ):
            choice(name, getattr(self, name), accepted)
        flag("change", self.change)
        for name, kinds in (("membrane", Register), ("current", (Register, type(None)))):
            if not isinstance(getattr(self, name), kinds):
                raise InvalidTypeError(f"{name}={shown(getattr(self, name))}: must be a rsnn.chip.Register")
        self._fix("v_threshold", "v_low", "bias", "v_min", "v_max", "refractory")
        for name, low, high in (("max_spikes", 0, 65535), ("threshold_shift", 0, 32), ("input_shift", 0, 32), ("input_bits", 2, 64)):
            if getattr(self, name) is not None or name.endswith("_shift"):
                object.__setattr__(self, name, integer(name, getattr(self, name), low, high))
        if self.restart is not None:
            given = integers("restart", self.restart)
            every, at = (int(one) for one in given) if given.shape == (2,) else (0, 0)
            if every < 1 or not 0 <= at < 2**62:
                raise InvalidValueError(f"restart={shown(self.restart)}: must be (every, at), every at least 1 and at not negative")
            object.__setattr__(self, "restart", (every, at))
        self._check_numbers()

    def _check_numbers(self) -> None:
        if self.v_threshold is None:
            raise InvalidTypeError("v_threshold=None: must be an integer or an array of integers")
        if (self.v_low is None) != (self.fire != "ternary"):
            raise InvalidValueError(f'v_low={shown(self.v_low)}: is the lower threshold of fire="ternary", and only of that')
        if self.max_spikes is not None and self.fire != "multi":
            raise InvalidValueError(f'max_spikes={self.max_spikes}: limits fire="multi"; fire="{self.fire}" fires once a step')
        if self.bias_to == "current" and self.current is None:
            raise InvalidValueError('bias_to="current": the neuron has no current; give current=rsnn.chip.Register(...)')
        if self.fire == "multi" and self.max_spikes is None and np.any(np.less(self.v_threshold, 1)):
            raise InvalidValueError(f"v_threshold={shown(self.v_threshold)}: must be at least 1, or it fires without end; give max_spikes")
        low, high = ends(self.membrane.width)
        for name in ("v_min", "v_max"):
            value = getattr(self, name)
            if value is not None and (np.any(np.less(value, low)) or np.any(np.greater(value, high))):
                raise InvalidValueError(f"{name}={shown(value)}: must be from {low} to {high}; the membrane has {self.membrane.width} bits")
        if self.refractory is not None and (np.any(np.less(self.refractory, 0)) or np.any(np.greater(self.refractory, 2**31 - 1))):
            raise InvalidValueError(f"refractory={shown(self.refractory)}: must be from 0 to {2**31 - 1} steps")
        most = (2**63 - 1) >> self.threshold_shift
        for name in ("v_threshold", "v_low"):
            value = getattr(self, name)
            if value is not None and (np.any(np.less(value, -most)) or np.any(np.greater(value, most))):
                raise InvalidValueError(
                    f"{name}={shown(value)}: must be at most {most} in size with threshold_shift={self.threshold_shift}"
                )

    @property
    def spec(self) -> str:
        """Every choice in one line, as the Rust core reads it."""
        words = [
            f"fire={self.fire}", f"reset={self.reset}", f"compare={COMPARES[self.compare]}", f"v={self.membrane.spec}",
            f"watch={self.membrane.width}",
        ]  # fmt: skip
        words += [f"most={self.max_spikes}"] if self.max_spikes is not None else []
        words += [f"shift={self.input_shift}"] if self.input_shift else []
        words += [f"input={self.input_bits}"] if self.input_bits is not None else []
        words += [f"i={self.current.spec}"] if self.current is not None else []
        words += ["bias=current"] if self.bias_to == "current" else []
        words += ["change"] if self.change else []
        words += [f"low={self.clip}"] if self.v_min is not None else []
        words += [f"high={self.clip}"] if self.v_max is not None else []
        words += ["refractory"] if self.refractory is not None else []
        words += [f"restart={self.restart[0]},{self.restart[1]}"] if self.restart is not None else []
        return " ".join(words)

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of its states."""
        return ("v", *(["i"] if self.current is not None else []), *(["rest"] if self.refractory is not None else []))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of spikes, states and traces."""
        return dtype_of(max(one.kept for one in (self.membrane, self.current) if one is not None))

    def numbers(self) -> dict[str, Array]:
        """Give the rows of the table of the Rust core, as they were given."""
        shift = self.threshold_shift
        given = {
            "bias": self.bias,
            "v_threshold": self.v_threshold * 2**shift,
            "v_low": 0 if self.v_low is None else self.v_low * 2**shift,
            "v_min": self.v_min,
            "v_max": self.v_max,
            "decay_v": self.membrane.by,
            "decay_i": None if self.current is None else self.current.by,
            "refractory": self.refractory,
        }
        return {name: np.asarray(0 if given[name] is None else given[name], np.int64) for name in ROWS}

    def table(self, trailing: tuple[int, ...]) -> npt.NDArray[np.int64]:
        """Lay the numbers out for neurons of this shape, a row for each name of `ROWS`."""
        rows = self.numbers()
        try:
            shape = np.broadcast_shapes(*(row.shape for row in rows.values()))
            last = trailing[len(trailing) - len(shape) :]
            if len(shape) > len(trailing) or np.broadcast_shapes(shape, last) != last:
                raise ValueError
        except ValueError:
            came = ", ".join(f"{name} {row.shape}" for name, row in rows.items() if row.ndim)
            raise InvalidValueError(
                f"{came}: does not broadcast against one step of x, {trailing}; give a single integer, or one for each channel or neuron"
            ) from None
        if not shape:
            last = (1,)
        table = np.empty((len(rows), math.prod(last)), np.int64)
        for k, row in enumerate(rows.values()):
            table[k] = np.broadcast_to(row, last).reshape(-1)
        return table


def run(
    neuron: IntegerNeuron,
    x: npt.ArrayLike,
    *,
    state: State | npt.ArrayLike | None = None,
    record: Any = (),
    threads: int | None = None,
) -> ChipResult:
    """Run an integer neuron over an input.

    Parameters
    ----------
    neuron : IntegerNeuron
    x : array_like of integers, (T, ...)
        Time first. Any integer dtype, bool, or floats that hold whole numbers; any strides and byte order. Never modified.
    state : named tuple or array of int, optional
        To go on from: ``result.state``, or the membranes where there is no other state. 0 by default. Never modified.
    record : name or tuple of names
        ``"v"`` (the membrane after the step), ``"u"`` (before it fires, after overflow and clip), ``"i"`` (the current, if any).
    threads : int, optional
        At most so many; by default as `rsnn.set_num_threads` says. The result does not depend on it.

    Returns
    -------
    ChipResult
        ``spikes`` (also as ``out``), ``state`` and ``traces``: int32 where every state has at most 32 bits, else int64. ``stats``
        counts spikes and the (step, neuron) whose membrane left its bits.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted (fractions, NaN, a state that does not fit): the message says what is.

    Notes
    -----
    Equal to `rsnn.chip.reference`, plain integers of any size, for every knob and every input. A neuron with ``restart`` counts steps
    from the beginning of the call.

    Examples
    --------
    >>> import rsnn
    >>> current = rsnn.chip.Register(bits=24, overflow="wrap", decay="scale", by=2048)
    >>> neuron = rsnn.chip.IntegerNeuron(v_threshold=10, reset="zero", fire="single", current=current)
    >>> rsnn.chip.run(neuron, [8, 0, 0, 0], record="i").i.tolist()
    [8, 4, 2, 1]
    """
    given: Any = neuron
    if not isinstance(given, IntegerNeuron):
        raise InvalidTypeError(f"neuron={shown(neuron)}: must be a rsnn.chip.IntegerNeuron")
    recorded = names("record", record, ("v", "u", "i") if neuron.current is not None else TRACES)
    array = whole_array("x", x)
    if array.ndim == 0:
        raise InvalidValueError("x is a single number: must be (T, ...), time first; for a constant input give np.full(T, x)")
    trailing = array.shape[1:]
    table, kind, workers = neuron.table(trailing), neuron.dtype, resolve(threads)
    widths = {"v": neuron.membrane.kept, "i": 64 if neuron.current is None else neuron.current.kept, "rest": 32}
    states = take_states(state, neuron.fields, trailing, widths)
    spikes = empty("x", array.shape, kind)
    traces = {name: empty("record", array.shape, kind) for name in recorded}
    counter = Counter()
    if array.size:
        for cut, block in blocks("x", array):
            record_ = [(name, trace[cut]) for name, trace in traces.items()]
            counter.add(_rsnn.integer_scan(neuron.spec, block, table, states, spikes[cut], record_, first_step=cut.start, threads=workers))
    after = make_state(neuron.fields, (row.reshape(trailing).astype(kind) for row in states))
    return ChipResult(spikes, spikes, after, traces, counter.stats(spikes.size))

"""Event records, as event cameras give them, as the input of a network: binned into steps and counted, kept as events.

A record has a time ``t`` and an address: a pixel ``x``, in an image also ``y``, and of a polarity ``p``. A recording is a structured array
of records with these fields, in any order, as tonic and Metavision have them; a list of recordings is a batch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .arguments import LARGEST, SMALLEST, array_of, count, scalar, shape_of, shown, within
from .errors import InvalidTypeError, InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

AXES = ("p", "y", "x")
"""The fields that address an input, in the order of its axes: channel, row, column."""
MOST_ENTRIES = 2**62
"""Of steps times samples times inputs: the number of an entry is an int64."""
EXACT = 2**53
"""Below this a whole number is a float64."""


class Events:
    """Binned recordings: where something happened, and how often.

    Attributes
    ----------
    lead : (T,), or (T, B) of a list of recordings
    shape : of one sample in one step
    where : array of int64, ascending
        Numbers of the entries of the dense array (T, [B,] *shape), in memory order, that are not 0.
    counts : array of int64
        How many events each of them has.
    """

    def __init__(self, lead: Shape, shape: Shape, where: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> None:
        self.lead, self.shape, self.where, self.counts = lead, shape, where, counts

    def part(self, steps: slice) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Give `where`, counted from the first of some steps, and `counts` of these steps; a slice without a step of its own."""
        first, last, _ = steps.indices(self.lead[0])
        size = math.prod(self.lead[1:]) * math.prod(self.shape)
        low, high = np.searchsorted(self.where, (first * size, last * size))
        return self.where[low:high] - first * size, self.counts[low:high]

    def dense(self, steps: slice, dtype: Any = np.float32) -> Array:
        """Give the dense array of some steps: (steps, [B,] *shape), the counts of events."""
        first, last, _ = steps.indices(self.lead[0])
        array = np.zeros((max(0, last - first), *self.lead[1:], *self.shape), dtype)
        where, counts = self.part(steps)
        array.reshape(-1)[where] = counts
        return array


def are_records(x: Any) -> bool:
    """Tell a recording, or a list of them, from everything else."""
    one = x[0] if isinstance(x, (list, tuple)) and x else x
    return isinstance(one, np.ndarray) and one.dtype.names is not None


def frames(records: Any, input_shape: int | Sequence[int], *, dt: float, steps: int | None = None) -> Array:
    """Bin recordings into dense frames that count events: what `rsnn.Network.run` sees of them.

    Parameters
    ----------
    records : structured array, or list of structured arrays
        Fields ``t x y p``, ``t x y``, ``t x p`` or ``t x``, in any order, and no other; records in any order. ``p`` is the first
        axis of the input, ``y`` the next one, ``x`` the last one. p is bool, or counts channels from 0, or is -1 and +1, which are
        the channels 0 and 1. Without p an input may have one channel in front. Of fields ``t x p`` a p that is the same for
        all events, as tonic gives of sound, is passed over where the input has but one axis.
    input_shape : int or tuple of int
        Of one sample in one step: (2, 34, 34) for ``t x y p``.
    dt : float
        The length of a step, in the unit of t.
    steps : int, optional
        How many steps there are; by default so many that the last event of all recordings is in the last one.

    Returns
    -------
    array of float32 (T, *input_shape), or (T, B, *input_shape) of a list
        How many events each input got in each step.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Other fields, a field that does not hold whole numbers, an address outside of the input, a time that is negative, NaN, beyond
        ``steps`` or too large to be counted: the message names the first such event.

    Notes
    -----
    An event at time t is in step ``floor(t / dt)``: one that falls on the border of two steps is in the later one. Whole numbers are
    divided exactly; where t or dt is a fraction, the quotient is that of float64.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> events = np.array([(0, 1, 1), (1500, 0, 1), (2000, 0, 0), (1999, 0, 1)], dtype=[("t", "i8"), ("x", "i2"), ("p", "?")])
    >>> rsnn.records.frames(events, (2, 2), dt=1000).tolist()
    [[[0.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [2.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]]
    """
    events = binned(records, shape_of("input_shape", input_shape), dt, steps)
    return events.dense(slice(None))


def entries(records: Any, input_shape: int | Sequence[int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give the events of a single step, such as what a camera sent since the last one, as `Network.stream` takes them.

    Parameters
    ----------
    records : structured array
        As of `frames`; a field ``t`` may be there, and does not matter.
    input_shape : int or tuple of int
        Of one sample in one step.

    Returns
    -------
    where, counts : arrays of int64
        The numbers of the inputs that got an event, in memory order, and how many each of them got.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As `frames`.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> events = np.array([(1, 1), (0, 0), (1, 1)], dtype=[("x", "i2"), ("p", "?")])
    >>> [one.tolist() for one in rsnn.records.entries(events, (2, 2))]
    [[0, 3], [1, 2]]
    """
    shape = shape_of("input_shape", input_shape)
    own = _fields("records", records, shape, timed=False)
    where, counts = np.unique(_places("records", own, shape, own.get("p", np.zeros(0))), return_counts=True)
    return where, counts.astype(np.int64, copy=False)


def binned(records: Any, shape: Shape, dt: Any, steps: Any) -> Events:
    """Bin recordings into events; see `frames`."""
    several = isinstance(records, (list, tuple))
    width = _width(dt)
    given = None if steps is None else count("steps", steps, 0)
    batch = records if several else [records]
    fields = [_fields(f"x[{b}]" if several else "x", one, shape) for b, one in enumerate(batch)]
    polarities = np.array([own["p"].min() for own in fields if "p" in own and len(own["p"])])
    placed = []
    for b, own in enumerate(fields):
        name = f"x[{b}]" if several else "x"
        placed.append((_steps(name, own["t"], width, given), _places(name, own, shape, polarities)))
    last = max((int(step.max()) + 1 for step, _ in placed if len(step)), default=0)
    time, size = last if given is None else given, math.prod(shape)
    lead = (time, len(batch)) if several else (time,)
    if time * len(batch) * size > MOST_ENTRIES:
        raise InvalidValueError(
            f"x: {time} steps came, more steps than can be counted; give a longer dt=, or subtract the time of the first event"
        )
    entries = [(step * len(batch) + b) * size + place for b, (step, place) in enumerate(placed)]
    where, counts = np.unique(np.concatenate([np.zeros(0, np.int64), *entries]), return_counts=True)
    return Events(lead, shape, where, counts.astype(np.int64, copy=False))


def _width(dt: Any) -> int | float:
    """Check the length of a step; give a whole one as an int."""
    if dt is None:
        raise InvalidValueError("dt: event records came; say how long a step is, in the unit of their t, such as dt=1000 for 1 ms of µs")
    width = scalar("dt", dt)
    within("dt", width, SMALLEST, LARGEST)
    return int(width) if width == math.floor(width) and width < EXACT else width


def _fields(name: str, records: Any, shape: Shape, *, timed: bool = True) -> dict[str, Array]:
    """Check that the fields of a recording address an input of this shape; give them by name."""
    if not isinstance(records, np.ndarray) or records.dtype.names is None:
        raise InvalidTypeError(f"{name}={shown(records)}: must be a structured array, as the others, with the fields t, x, y, p")
    records = array_of(name, records)
    if records.ndim != 1:
        raise InvalidValueError(f"{name} has shape {records.shape}: must be (events,); give a batch as a list of recordings")
    found = records.dtype.names
    if len(shape) == 1 and set(found) == {"t", "x", "p"} and _constant(records["p"]):
        found = tuple(field for field in found if field != "p")
    has = {field for field in found if field in AXES}
    axes = [axis for axis in AXES if axis in has]
    bare = shape[1:] if "p" not in has and shape[:1] == (1,) else shape
    own = ("t", *axes) if timed or "t" in found else axes
    if set(own) != set(found) or "x" not in has or len(axes) not in (len(shape), len(bare)):
        accepted = {1: "t, x", 2: "t, x, p or t, x, y", 3: "t, x, y, p"}.get(len(shape), "nothing: give dense data")
        more = {2: " (t, x of one channel)", 3: " (t, x, y of one channel)"}.get(len(shape), "") if shape[:1] == (1,) else ""
        keep = f"; to leave one out: events[{['t', *reversed(axes[1:])]}]" if len(axes) > len(shape) else ""
        raise InvalidValueError(
            f"{name} has the fields {', '.join(found)}: an input of shape {shape} is addressed by {accepted}{more}, in any order{keep}"
        )
    fields = {field: records[field] for field in own}
    for field, value in fields.items():
        kinds = "biuf" if field == "p" else "iuf"
        if value.dtype.kind not in kinds or value.ndim != 1 or value.dtype.itemsize > 8:
            raise InvalidTypeError(f"{name}[{field!r}]: {value.dtype} came; must be whole numbers{' or fractions' if field == 't' else ''}")
    return fields


def _constant(p: Array) -> bool:
    """Tell whether every event says the same, and so nothing."""
    return p.ndim == 1 and (not len(p) or bool((p == p[0]).all()))


def _axes(own: dict[str, Array], shape: Shape) -> list[str]:
    """Name the field of each axis of the input."""
    axes = [axis for axis in AXES if axis in own]
    return axes if len(axes) == len(shape) else ["p", *axes]


def _places(name: str, own: dict[str, Array], shape: Shape, polarities: Array) -> npt.NDArray[np.int64]:
    """Give the number of the input that each event addresses; these polarities, its own or others, say whether there are signs."""
    signed = bool((polarities < 0).any())
    address = [_address(name, axis, own, size, signed) for axis, size in zip(_axes(own, shape), shape, strict=True)]
    return np.ravel_multi_index(address, shape) if len(own["x"]) else np.zeros(0, np.int64)


def _address(name: str, axis: str, own: dict[str, Array], size: int, signed: bool) -> npt.NDArray[np.int64]:
    """Check the addresses along one axis."""
    value = own.get(axis)
    if value is None:  # the one channel of an input of records without polarity
        return np.zeros(len(own["x"]), np.int64)
    if value.dtype.kind == "f":
        _refuse_first(f"{name}[{axis!r}]", value, own, lambda: ~(np.floor(own[axis]) == value), "must be a whole number")
    if axis == "p" and signed:
        _refuse_first(
            f"{name}['p']", value, own, lambda: (value != -1) & (value != 1),
            "other events have -1: a polarity is -1 or +1, or counts channels from 0",
        )  # fmt: skip
        value = value > 0
    hint = "; for an input of one channel leave p out: events[['t', 'x', 'y']]" if axis == "p" and size == 1 else ""
    _refuse_first(
        f"{name}[{axis!r}]", value, own, lambda: (value < 0) | (value >= size), f"must be from 0 to {size - 1}, as input_shape says{hint}"
    )
    return value.astype(np.int64)


def _steps(name: str, t: Array, width: int | float, steps: int | None) -> npt.NDArray[np.int64]:
    """Give the step of each time."""
    own, where = {"t": t}, f"{name}['t']"
    if t.dtype.kind == "f":
        _refuse_first(where, t, own, lambda: ~np.isfinite(t), "must be a finite time")
    _refuse_first(
        where, t, own, lambda: t < 0, "times count from 0; subtract the time of the first event: events['t'] -= events['t'].min()"
    )
    if t.dtype.kind != "f" and isinstance(width, int):
        step = t // t.dtype.type(width) if width <= np.iinfo(t.dtype).max else np.zeros_like(t)
    else:
        if t.dtype.kind != "f":
            _refuse_first(
                where,
                t,
                own,
                lambda: t >= EXACT,
                f"is beyond 2**53, and cannot be divided by dt={width!r} exactly; subtract the first time",
            )
        with np.errstate(over="ignore"):
            step = np.floor(t.astype(np.float64) / width)
    most = MOST_ENTRIES if steps is None else steps
    cure = (
        "more steps than can be counted; give a longer dt=, or subtract the time of the first event"
        if steps is None
        else f"beyond steps={steps} of dt={width!r}; give more steps, or cut them off: events[events['t'] < {steps * width!r}]"
    )
    _refuse_first(where, t, own, lambda: step >= most, cure)
    return step.astype(np.int64)


def _refuse_first(name: str, value: Array, own: dict[str, Array], wrong: Callable[[], Any], why: str) -> None:
    """Name the first event that is wrong."""
    if not len(value):
        return
    bad = np.flatnonzero(wrong())
    if bad.size:
        k = int(bad[0])
        more = f" ({bad.size} such events)" if bad.size > 1 else ""
        raise InvalidValueError(f"{name}: event {k} has {value[k].item()!r}{more}: {why}")

"""Spikes packed to one bit for each neuron and step."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .arguments import array_of, flag, is_tensor, shape_of, shown
from .errors import InvalidTypeError, InvalidValueError, OutOfRangeError
from .layout import BLOCK, Layout
from .memory import empty

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

WORD = 64
"""Bits of a word."""
_COUNTS = "counts cannot be packed: keep the dense array, or let the neuron fire at most once a step (fire='single')"


class Spikes:
    """Spikes over time, one bit for each neuron and step.

    Bit ``i % 64`` of ``words[..., i // 64]`` is neuron i of a step, counted in memory order over all axes after time; the bits that
    fill up the last word are 0.

    Parameters
    ----------
    words : array of uint64
        ``(T, ceil(n / 64))`` for n neurons in a step (batch and all), or with `batch_first` ``(B, T, ceil(n / 64))``. Not copied.
    shape : tuple of int
        What the dense array has: ``(T, ...)``, or with `batch_first` ``(B, T, ...)``.
    batch_first : bool, default False
        Whether time is the second axis.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Words of another dtype or shape, or with bits that belong to no neuron.

    Notes
    -----
    A 32nd of the memory of float32. ``len``, indexing and iteration go by time, also with `batch_first`: ``spikes[t]`` is the dense
    step t, ``spikes[a:b]`` is packed and shares memory. ``np.asarray(spikes)`` unpacks. Equal where shape, layout and bits are.
    It cannot be changed, and can be pickled.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> spikes = rsnn.Spikes.pack([[0, 1, 0], [1, 1, 0]])
    >>> spikes
    Spikes((2, 3), 3 spikes, density 0.5)
    >>> spikes.words.tolist(), spikes[1].tolist()
    ([[2], [3]], [1.0, 1.0, 0.0])
    """

    __slots__ = ("_batch_first", "_shape", "_words")
    _words: npt.NDArray[np.uint64]
    _shape: Shape
    _batch_first: bool

    def __init__(self, words: npt.NDArray[np.uint64], shape: Any, batch_first: bool = False) -> None:
        sizes, later = shape_of("shape", shape), flag("batch_first", batch_first)
        if len(sizes) <= later:
            raise InvalidValueError(f"shape={sizes}: must be {'(B, T, ...)' if later else '(T, ...)'}")
        if not isinstance(words, np.ndarray) or words.dtype != np.uint64:
            came = words.dtype if isinstance(words, np.ndarray) else shown(words)
            raise InvalidTypeError(f"words: {came} came; must be an array of uint64. To pack a dense array use rsnn.Spikes.pack(array)")
        width = math.prod(sizes[later + 1 :])
        expected = (*sizes[: later + 1], -(-width // WORD))
        if words.shape != expected:
            raise InvalidValueError(f"words has shape {words.shape}: spikes of shape {sizes} have {expected}")
        if width % WORD and np.any(words[..., -1] >> np.uint64(width % WORD)):
            raise InvalidValueError(f"words: a bit beyond the {width} neurons of a step is set; it must be 0")
        kept = words.view()
        kept.setflags(write=False)
        self._words, self._shape, self._batch_first = kept, sizes, later

    @property
    def words(self) -> npt.NDArray[np.uint64]:
        """The bits, in 64-bit words; read-only."""
        return self._words

    @property
    def shape(self) -> Shape:
        """The shape of the dense array."""
        return self._shape

    @property
    def batch_first(self) -> bool:
        """Whether time is the second axis."""
        return self._batch_first

    @property
    def ndim(self) -> int:
        """The number of axes of the dense array."""
        return len(self._shape)

    @property
    def size(self) -> int:
        """The number of neurons times steps."""
        return math.prod(self._shape)

    @property
    def nbytes(self) -> int:
        """The memory the words take."""
        return self._words.nbytes

    @property
    def density(self) -> float:
        """The part of the bits that are spikes; 0.0 where there are none at all."""
        return self.count() / self.size if self.size else 0.0

    @classmethod
    def pack(cls, array: npt.ArrayLike, *, batch_first: bool = False) -> Spikes:
        """Pack a dense array.

        Parameters
        ----------
        array : array_like (T, ...)
            0 and 1, of any dtype; read in blocks, never copied as a whole.
        batch_first : bool, default False
            The array is (B, T, ...).

        Raises
        ------
        InvalidTypeError, InvalidValueError
            No array of numbers, no time axis, or a value other than 0 and 1.

        Examples
        --------
        >>> import numpy as np, rsnn
        >>> rsnn.Spikes.pack(np.eye(100)).count()
        100
        """
        if isinstance(array, Spikes):
            return array
        if is_tensor(array):
            raise InvalidTypeError("array: a torch tensor; give array.detach().numpy()")
        dense, later = array_of("array", array), flag("batch_first", batch_first)
        if dense.dtype.kind not in "biuf":
            raise InvalidTypeError(f"array: {dense.dtype} came; give numbers or bool, 0 and 1")
        if dense.ndim <= later:
            raise InvalidValueError(f"array has shape {dense.shape}: must be {'(B, T, ...)' if later else '(T, ...)'}")
        words = words_for(dense.shape, int(later))
        layout = Layout(dense.shape, int(later))
        if dense.size:
            for sequences, stretches in layout.blocks(BLOCK):
                for stretch in stretches:
                    pack_block("array", layout.cut(dense, sequences, stretch), words, layout, sequences, stretch)
        return cls(words, dense.shape, later)

    @classmethod
    def from_events(cls, t: npt.ArrayLike, i: Any, shape: Any, *, batch_first: bool = False) -> Spikes:
        """Make spikes from a list of events, in any order.

        Parameters
        ----------
        t : array_like of int (events,)
            The step of each.
        i : array_like of int (events,), or a sequence of them
            The neuron of each; for data of more axes one array for each axis other than time, as `events` gives them.
        shape : tuple of int
            Of the dense array: ``(T, ...)``, or with `batch_first` ``(B, T, ...)``.
        batch_first : bool, default False

        Raises
        ------
        InvalidTypeError, InvalidValueError
            No integers, one outside of the shape, or the same event twice: a bit cannot hold a count.

        Examples
        --------
        >>> import rsnn
        >>> spikes = rsnn.Spikes.from_events([0, 3], [2, 1], (5, 4))
        >>> t, i = spikes.events()
        >>> t.tolist(), i.tolist()
        ([0, 3], [2, 1])
        """
        sizes, later = shape_of("shape", shape), int(flag("batch_first", batch_first))
        if len(sizes) <= later:
            raise InvalidValueError(f"shape={sizes}: must be {'(B, T, ...)' if later else '(T, ...)'}")
        others = sizes[:later] + sizes[later + 1 :]
        try:
            given = [i] if len(others) == 1 and np.ndim(i) <= 1 else list(i)
        except (TypeError, ValueError):  # no sequence, or rows of different lengths
            raise InvalidTypeError(f"i={shown(i)}: must be {len(others)} arrays, one for each axis besides time") from None
        if len(given) != len(others):
            raise InvalidValueError(f"i: {len(given)} arrays came; shape={sizes} has {len(others)} axes besides time, one array for each")
        at = [_indices("t", t, sizes[later])]
        at += [_indices("i" if len(others) == 1 else f"i[{k}]", one, size) for k, (one, size) in enumerate(zip(given, others, strict=True))]
        if any(len(one) != len(at[0]) for one in at):
            raise InvalidValueError(f"t and i: {', '.join(str(len(one)) for one in at)} events came; they must be as many")
        own = sizes[later + 1 :]
        neuron = np.ravel_multi_index(at[1 + later :], own) if own else np.zeros_like(at[0])
        words = words_for(sizes, later)
        across = words.shape[-1]
        row = at[0] if later == 0 else at[1] * sizes[1] + at[0]
        bits = np.sort(row * (across * WORD) + neuron)
        twice = np.flatnonzero(bits[1:] == bits[:-1])
        if twice.size:
            word, bit = divmod(int(bits[twice[0]]), across * WORD)
            step = word if later == 0 else word % sizes[1]
            raise InvalidValueError(f"t and i: the event at t={step}, neuron {bit} came twice; {_COUNTS}")
        np.bitwise_or.at(words.reshape(-1), bits // WORD, np.uint64(1) << (bits % WORD).astype(np.uint64))
        return cls(words, sizes, bool(later))

    @classmethod
    def concatenate(cls, pieces: Iterable[Spikes]) -> Spikes:
        """Join pieces one after the other in time, such as the runs of a stream.

        Parameters
        ----------
        pieces : sequence of Spikes
            At least one; equal in all axes but time.

        Examples
        --------
        >>> import rsnn
        >>> spikes = rsnn.Spikes.pack([[0, 1], [1, 1], [0, 0]])
        >>> rsnn.Spikes.concatenate([spikes[:1], spikes[1:]]) == spikes
        True
        """
        try:
            all_ = list(pieces)
        except TypeError:
            raise InvalidTypeError(f"pieces={shown(pieces)}: must be a list of rsnn.Spikes") from None
        for k, piece in enumerate(all_):
            if not isinstance(piece, Spikes):
                raise InvalidTypeError(f"pieces[{k}]={shown(piece)}: must be rsnn.Spikes; pack it with rsnn.Spikes.pack(array)")
            if piece.batch_first != all_[0].batch_first or piece._step != all_[0]._step:
                raise InvalidValueError(f"pieces[{k}] has shape {piece.shape}: the first has {all_[0].shape}; only the time may differ")
        if not all_:
            raise InvalidValueError("pieces: an empty list came; give at least one")
        words = np.concatenate([piece.words for piece in all_], axis=all_[0]._axis)
        return all_[0]._of(words)

    def numpy(self, dtype: Any = np.float32) -> Array:
        """Unpack to a new dense array of 0 and 1.

        Parameters
        ----------
        dtype : of the array: bool or a number, default float32

        Examples
        --------
        >>> import rsnn
        >>> rsnn.Spikes.pack([[0, 1]]).numpy(bool).tolist()
        [[False, True]]
        """
        try:
            kind = np.dtype(dtype)
        except (TypeError, ValueError):
            kind = np.dtype(object)
        if kind.kind not in "biufc":
            raise InvalidTypeError(f"dtype={shown(dtype)}: must be bool or a dtype of numbers")
        dense = np.empty(self._shape, kind)
        if self.size:
            layout = Layout(self._shape, self._axis)
            for sequences, stretches in layout.blocks(BLOCK):
                for stretch in stretches:
                    self.unpack_block(layout.cut(dense, sequences, stretch), layout, sequences, stretch)
        return dense

    def unpack_block(self, to: Array, layout: Layout, sequences: slice, stretch: slice) -> None:
        """Write a block of `layout`, that of the dense array, to `to`."""
        words = np.ascontiguousarray(layout.cut(self._words, sequences, stretch)).astype("<u8", copy=False)
        bits = np.unpackbits(words.view(np.uint8), axis=-1, count=layout.inner, bitorder="little")
        np.copyto(to, bits.reshape(to.shape), casting="unsafe")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise InvalidValueError("copy=False: packed spikes must be unpacked, which is a copy; use .words for the bits themselves")
        return self.numpy(np.float32 if dtype is None else dtype)

    def count(self, axis: int | tuple[int, ...] | None = None) -> Any:
        """Count the spikes.

        Parameters
        ----------
        axis : int or tuple of int, optional
            Axes of the dense array to count along; all of them by default.

        Returns
        -------
        int, or array of int64

        Examples
        --------
        >>> import rsnn
        >>> spikes = rsnn.Spikes.pack([[0, 1, 0], [1, 1, 0]])
        >>> spikes.count(), spikes.count(axis=0).tolist()
        (3, [1, 2, 0])
        """
        if axis is None:
            return int(np.bitwise_count(self._words).sum(dtype=np.int64))
        try:
            if not isinstance(axis, (int, np.integer, tuple, list)):
                raise TypeError
            axes = np.lib.array_utils.normalize_axis_tuple(axis, self.ndim)
        except (TypeError, ValueError, OverflowError):
            raise InvalidValueError(f"axis={shown(axis)}: must be different axes of {self._shape}, from 0 to {self.ndim - 1}") from None
        time, total = self._axis, np.zeros([n for k, n in enumerate(self._shape) if k not in axes], np.int64)
        place = (slice(None),) * (time - sum(k < time for k in axes))
        for stretch in self._stretches():
            part = self[stretch].numpy(bool).sum(axis=axes, dtype=np.int64)
            if time in axes:
                total += part
            else:
                total[(*place, stretch)] = part
        return total

    def events(self) -> tuple[npt.NDArray[np.int64], ...]:
        """List the spikes.

        Returns
        -------
        tuple of arrays of int64 (spikes,)
            The step of each, then its index in every other axis, in their order; sorted by time, then by these.

        Examples
        --------
        >>> import rsnn
        >>> [one.tolist() for one in rsnn.Spikes.pack([[0, 1, 0], [1, 1, 0]]).events()]
        [[0, 1, 1], [1, 0, 1]]
        """
        words = self._words.swapaxes(0, 1) if self._batch_first else self._words
        own = self._shape[self._axis + 1 :]
        found = []
        for stretch in self._stretches():
            block = words[stretch]
            lead = np.nonzero(block)
            bits = np.unpackbits(block[lead].astype("<u8", copy=False).view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
            which, bit = np.nonzero(bits)
            neuron = lead[-1][which] * WORD + bit
            found.append(
                (lead[0][which] + stretch.start, *(one[which] for one in lead[1:-1]), *(np.unravel_index(neuron, own) if own else ()))
            )
        if not found:
            return tuple(np.zeros(0, np.int64) for _ in self._shape)
        return tuple(np.concatenate(one).astype(np.int64, copy=False) for one in zip(*found, strict=True))

    def __len__(self) -> int:
        return self._shape[self._axis]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            try:
                return self._of(self._words[(slice(None),) * self._axis + (key,)])
            except (TypeError, ValueError):
                raise InvalidTypeError(f"spikes[{shown(key)}]: a slice takes integers, and no step of 0") from None
        try:
            step = operator.index(key)
        except TypeError:
            raise InvalidTypeError(
                f"spikes[{shown(key)}]: give a step or a slice of steps; for anything else unpack it: .numpy()"
            ) from None
        if not -len(self) <= step < len(self):
            raise OutOfRangeError(f"spikes[{step}]: there are {len(self)} steps")
        step %= len(self)
        return self[step : step + 1].numpy().reshape(self._step)

    def __iter__(self) -> Iterator[Array]:
        return (self[t] for t in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spikes):
            return NotImplemented
        return (self._shape, self._batch_first) == (other._shape, other._batch_first) and bool(np.array_equal(self._words, other._words))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        first = ", batch_first=True" if self._batch_first else ""
        return f"Spikes({self._shape}{first}, {self.count():,} spikes, density {self.density:.3g})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (np.ascontiguousarray(self._words), self._shape, self._batch_first)

    @property
    def _axis(self) -> int:
        return int(self._batch_first)

    @property
    def _step(self) -> Shape:
        """The shape of one step."""
        return self._shape[: self._axis] + self._shape[self._axis + 1 :]

    def _of(self, words: npt.NDArray[np.uint64]) -> Spikes:
        """Make spikes of the same neurons over another time."""
        steps = words.shape[self._axis]
        return Spikes(words, (*self._shape[: self._axis], steps, *self._shape[self._axis + 1 :]), self._batch_first)

    def _stretches(self) -> Iterator[slice]:
        """Cut the time so that a stretch of dense steps is a block."""
        length = max(1, BLOCK // max(1, math.prod(self._step)))
        return (slice(t, min(t + length, len(self))) for t in range(0, len(self), length))


def words_for(shape: Shape, axis: int) -> npt.NDArray[np.uint64]:
    """Allocate the words of spikes of this shape, time in this axis: all 0."""
    words = empty((*shape[: axis + 1], -(-math.prod(shape[axis + 1 :]) // WORD)), np.uint64)
    words[...] = 0
    return words


def pack_block(name: str, block: Array, words: Array, layout: Layout, sequences: slice, stretch: slice) -> None:
    """Pack a block of `layout` into the words of all of it; refuse what is not 0 or 1."""
    bits = block.astype(bool) if block.dtype.kind == "b" else block != 0
    wrong = bits & (block != 1)
    if wrong.any():
        at = np.argwhere(wrong)[0]
        value = block[tuple(at)]
        at[layout.axis] += stretch.start
        at[: layout.axis] += sequences.start
        raise InvalidValueError(f"{name}{at.tolist()} is {value}: a packed spike is one bit, 0 or 1; {_COUNTS}")
    rows = layout.seen(bits, sequences, stretch)
    packed = np.packbits(rows, axis=-1, bitorder="little")
    to = layout.seen(layout.cut(words, sequences, stretch), sequences, stretch)
    raw = np.zeros((*to.shape[:-1], 8 * to.shape[-1]), np.uint8)
    raw[..., : packed.shape[-1]] = packed
    to[...] = raw.view("<u8")


def _indices(name: str, value: Any, size: int) -> npt.NDArray[np.int64]:
    array = array_of(name, value)
    if array.dtype.kind not in "iu" and array.size:
        raise InvalidTypeError(f"{name}={shown(value)}: {array.dtype} came; give integers")
    if array.ndim != 1:
        raise InvalidValueError(f"{name} has shape {array.shape}: must be (events,)")
    outside = (array < 0) | (array >= size) if array.size else np.zeros(0, bool)
    if outside.any():
        raise InvalidValueError(f"{name}: {array[outside][0]} came; must be from 0 to {size - 1}")
    return array.astype(np.int64)

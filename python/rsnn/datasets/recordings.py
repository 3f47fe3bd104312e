"""Recordings that are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import count, shown
from rsnn.errors import InvalidTypeError, OutOfRangeError

Array = npt.NDArray[Any]


class Recordings(Sequence[Array]):
    """Recordings of events, each of which is read when it is asked for, and not kept.

    It is a sequence: ``len(recordings)``, ``recordings[k]``, a slice, a loop. What comes are structured arrays, one record an event, as
    `rsnn.records` describes them, so one goes into `rsnn.Network.run` as it is, and ``list(recordings[:32])`` is a batch.

    Attributes
    ----------
    format : str
        What the file is: ``"aedat2"``, ``"aedat3.1"``, ``"aedat4"``, ``"n-mnist"``, ``"shd"``, ``"npz"``, or ``"memory"``.
    unit : float or None
        The unit of ``t`` in seconds: 1e-6 of cameras, 1.0 of SHD; None where the source does not say.
    fields : tuple of str
        The fields of a record, in order.
    labels : array or None
        The class of each recording, where the file has it.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> item = np.array([(0, 1, 1, 1), (1500, 0, 1, 0)], dtype=[("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "?")])
    >>> recordings = rsnn.datasets.events(item)
    >>> len(recordings), recordings.fields
    (1, ('t', 'x', 'y', 'p'))
    """

    def __init__(
        self, format: str, fields: tuple[str, ...], unit: float | None, size: int, read: Callable[[int], Array], labels: Array | None = None
    ) -> None:
        self.format, self.fields, self.unit, self.labels = format, fields, unit, labels
        self._size, self._read = size, read

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, k: Any) -> Any:
        """Read a recording, or give those of a slice, which are read when they are asked for."""
        if isinstance(k, slice):
            chosen = range(self._size)[k]
            labels = None if self.labels is None else self.labels[k]
            return Recordings(self.format, self.fields, self.unit, len(chosen), lambda j: self._read(chosen[j]), labels)
        if isinstance(k, (bool, np.bool_)) or not isinstance(k, (int, np.integer)):
            raise InvalidTypeError(f"recordings[{shown(k)}]: must be a whole number or a slice")
        place = int(k) + self._size if k < 0 else int(k)
        if not 0 <= place < self._size:
            raise OutOfRangeError(f"recordings[{k}]: there are {self._size}, from 0 to {self._size - 1}")
        return self._read(count("k", place, 0))

    def __iter__(self) -> Iterator[Array]:
        return (self._read(k) for k in range(self._size))

    def __repr__(self) -> str:
        unit = "" if self.unit is None else f", t in {self.unit:g} s"
        return f"Recordings({self.format}: {self._size}, fields {' '.join(self.fields)}{unit})"

"""A network that takes one step at a time, as a sensor gives them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import array_of, choice, count, float_dtype, is_tensor, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.records import are_records, binned
from rsnn.threads import resolve

from .engine import PATHS, Running
from .graph import ByLayer
from .inputs import listed
from .request import checked_state
from .result import LayerStats, States

if TYPE_CHECKING:
    from .network import Network

Array = npt.NDArray[Any]


class Stream:
    """A network at work, step after step; made by `Network.stream`.

    It holds its state itself, and nothing else that grows. The steps of a stream give the same bits as one run over all of them.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> stream = rsnn.Network([rsnn.Linear(np.eye(2)), rsnn.IAF()], input_shape=2).stream()
    >>> stream.step([0.75, 0.0]).tolist(), stream.step([0.5, 0.25]).tolist()
    ([0.0, 0.0], [1.0, 0.0])
    >>> stream.state[1].v.tolist()
    [0.25, 0.25]
    >>> stream.step(([1], [3.0])).tolist()
    [0.0, 3.0]
    """

    def __init__(self, network: Network, batch: Any, dtype: Any, state: Any, threads: Any, path: Any) -> None:
        self._network, self._dtype = network, np.dtype(float_dtype("dtype", dtype))
        self._batch = None if batch is None else count("batch", batch, 0, "None for data without a batch axis")
        self._threads, self._path = resolve(threads), choice("path", path, PATHS)
        lead = () if batch is None else (self._batch,)
        self._shape, self._after = (*lead, *network.shape_before(0)), (*lead, *network.shapes[-1])
        begin = checked_state(network, state, self._batch, self._dtype)
        self._running = Running(network, self._dtype, self._batch, begin, keep=False)
        self._advance = self._running.session.advance

    def step(self, x: Any) -> Array:
        """Take one step.

        Parameters
        ----------
        x : array_like ([B,] *input_shape), event records, or a pair (where, counts)
            The input of the step: an array of any real numbers; or event records as of `Network.run` (of a batch a list of these), all of
            which are in this step, whatever their ``t``; or, for one sample, which entries have events, as ascending indices in memory
            order (``np.flatnonzero(frame)``), and how many, None where it is one each.

        Returns
        -------
        array ([B,] *output_shape)
            What the last layer sends on; new.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            x is not accepted; the message says what is. The stream goes on from where it was.
        """
        output = np.empty(self._after, self._dtype)
        whole = type(x) is np.ndarray and x.dtype is self._dtype and x.shape == self._shape and x.flags.carray
        self._advance(x if whole else self._read(x), output, 1, path=self._path, threads=self._threads)
        self._running.steps += 1
        return output

    @property
    def state(self) -> States:
        """The states as they are now, by index: copies, for `Network.run`, another stream or `reset`."""
        return self._running.states()

    @property
    def stats(self) -> ByLayer[LayerStats]:
        """What every layer did since the stream was made, as `NetworkResult.stats`."""
        return self._running.stats(self._path)

    def reset(self, state: Any = None) -> None:
        """Begin again.

        Parameters
        ----------
        state : dict of states, optional
            Where to begin: ``stream.state`` of some time, ``result.state`` of a run; rest by default.
        """
        begin = checked_state(self._network, state, self._batch, self._dtype)
        self._running = Running(self._network, self._dtype, self._batch, begin, keep=False)
        self._advance = self._running.session.advance

    def _read(self, x: Any) -> Any:
        """Check a step; give it as the native engine reads it."""
        if are_records(x):
            return self._records(x)
        if isinstance(x, tuple) and len(x) == 2 and self._batch is None:
            return self._events(*x)
        if is_tensor(x):
            raise InvalidTypeError("x: a torch tensor; give x.detach().numpy()")
        array = array_of("x", x)
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise InvalidTypeError(f"x: {array.dtype} came; give real numbers, for example x.astype(np.float32)")
        if array.shape != self._shape:
            raise InvalidValueError(f"x has shape {array.shape}: one step has {self._shape}")
        return np.require(array, self._dtype, ["C", "A"])

    def _records(self, x: Any) -> tuple[Array, Array, Array]:
        several = isinstance(x, (list, tuple))
        if several != (self._batch is not None) or (several and len(x) != self._batch):
            wanted = "one recording" if self._batch is None else f"a list of {self._batch} recordings"
            raise InvalidValueError(f"x: {f'{len(x)} recordings' if several else 'one recording'} came; a step of this stream is {wanted}")
        now = [np.array(one) for one in (x if several else [x])]
        for one in now:
            if "t" in (one.dtype.names or ()):
                one["t"] = 0
        starts, at, counts = listed(binned(now if several else now[0], self._network.shape_before(0), 1, 1))
        return starts, at, counts.astype(self._dtype)

    def _events(self, where: Any, counts: Any) -> tuple[Array, Array, Array | None]:
        at = np.asarray(where)
        size = math.prod(self._shape)
        if at.ndim != 1 or (at.dtype.kind not in "iu" and at.size):
            raise InvalidTypeError(f"x: where={shown(where)}: must be a list of indices of the {size} entries of a step")
        if at.size and (at[0] < 0 or at[-1] >= size or (at[1:] <= at[:-1]).any()):
            raise InvalidValueError(f"x: where={shown(where)}: must ascend, from 0 to {size - 1}, no entry twice")
        values = None
        if counts is not None:
            values = np.require(np.asarray(counts), self._dtype, ["C", "A"])
            if values.shape != at.shape:
                raise InvalidValueError(f"x: counts has shape {values.shape}: must have one for each of the {len(at)} events")
        return np.array([0, len(at)], np.uint64), at.astype(np.uint32), values

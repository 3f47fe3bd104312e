"""Layers that pass on what comes in: flattened, added up where several layers come in, or later."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import LARGEST, MOST_STEPS, SMALLEST, array_of, float_dtype, scalar, shape_of, shown, within
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.state import State, make_state

from .weighted import Layer, Shape

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class Flatten(Layer):
    """Every sample as one row, in memory order: (channels, height, width) to (channels * height * width,).

    Examples
    --------
    >>> import rsnn
    >>> rsnn.Flatten().output_shape((2, 3, 4))
    (24,)
    """

    def output_shape(self, input_shape: Any) -> Shape:
        """Give the shape of one sample after the layer; see `Layer.output_shape`."""
        return (math.prod(shape_of("input_shape", input_shape)),)

    def compute(self, x: Array, out: Array, threads: int) -> None:
        """Write the layer's output for x to out, unchecked."""
        out[...] = x.reshape(out.shape)


@dataclass(frozen=True, eq=False, repr=False)
class Add(Layer):
    """What comes in, as it is: a place to add several layers up, for those that take the sum more than once and for an output.

    Any layer of a `rsnn.Network` may have several inputs, and takes their sum; this one does nothing else.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> double = rsnn.Network([rsnn.Linear(np.eye(2)), ("twice", rsnn.Add(), (0, "input"))], input_shape=2)
    >>> double.run([[1.0, 2.0]]).output.tolist()
    [[2.0, 4.0]]
    """

    def output_shape(self, input_shape: Any) -> Shape:
        """Give the shape of one sample after the layer; see `Layer.output_shape`."""
        return shape_of("input_shape", input_shape)

    def compute(self, x: Array, out: Array, threads: int) -> None:
        """Write the layer's output for x to out, unchecked."""
        out[...] = x


@dataclass(frozen=True, eq=False, repr=False)
class Delay(Layer):
    """What comes in, later: 0 at first, then what came ``delay / dt`` steps before.

    ::

        y[t] = x[t - n],        n = delay / dt;        0 for t < n

    Parameters
    ----------
    delay : float
        In the unit of dt: a whole multiple of it, 0 to 2**24 steps.
    dt : float, default 1.0
        The length of a step.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        The delay is no number, negative, or no whole multiple of dt.

    Notes
    -----
    The state has one field, ``waiting``: what is still on its way, (n, [B,] *shape), what leaves next first. A layer after a `Delay` sees
    the same as it would in a run that began n steps later, so a delay of 0 changes nothing.

    Examples
    --------
    >>> import rsnn
    >>> late = rsnn.Network([rsnn.Delay(2.0)], input_shape=1)
    >>> out = late.run([[1.0], [2.0], [3.0]])
    >>> out.output.ravel().tolist(), out.state[0].waiting.ravel().tolist()
    ([0.0, 0.0, 1.0], [2.0, 3.0])
    """

    delay: float
    _: KW_ONLY
    dt: float = 1.0

    def __post_init__(self) -> None:
        """Check that the delay is a whole number of steps."""
        for name in ("delay", "dt"):
            object.__setattr__(self, name, scalar(name, getattr(self, name)))
        within("dt", self.dt, SMALLEST, LARGEST)
        exact = self.delay / self.dt
        nearest = round(exact) if abs(exact) <= MOST_STEPS + 1 else -1
        if not 0 <= nearest <= MOST_STEPS or abs(exact - nearest) > 1e-9 * max(nearest, 1):
            close = f"; the nearest is {shown(nearest * self.dt)}" if 0 <= nearest <= MOST_STEPS else ""
            raise InvalidValueError(
                f"delay={self.delay!r}: must be a whole multiple of dt={self.dt:g}, from 0 to {MOST_STEPS} steps{close}"
            )

    @property
    def steps(self) -> int:
        """The delay in steps."""
        return round(self.delay / self.dt)

    def output_shape(self, input_shape: Any) -> Shape:
        """Give the shape of one sample after the layer; see `Layer.output_shape`."""
        return shape_of("input_shape", input_shape)

    def init_state(self, shape: Any, dtype: Any = np.float32) -> State:
        """Make the state that a run starts from: zeros.

        Parameters
        ----------
        shape : the shape of one step, batch and all: an int or a tuple
        dtype : of the data: float32 or float64

        Examples
        --------
        >>> import rsnn
        >>> rsnn.Delay(3.0).init_state((2, 5)).waiting.shape
        (3, 2, 5)
        """
        sizes = (self.steps, *shape_of("shape", shape))
        try:
            return make_state(("waiting",), (np.zeros(sizes, float_dtype("dtype", dtype)),))
        except (MemoryError, ValueError):
            raise InvalidValueError(f"delay={self.delay!r}: {self.steps} steps of {sizes[1:]} are more than memory can hold") from None

    def check_state(self, state: Any, shape: Shape, dtype: np.dtype[Any]) -> State:
        """Check a state to go on from, and copy it; shape is that of one step, batch and all."""
        expected = (self.steps, *shape)
        if getattr(state, "_fields", None) != ("waiting",):
            raise InvalidTypeError(f"state={shown(state)}: must be a named tuple with the field waiting, as Delay.init_state makes it")
        array = array_of("state.waiting", state[0])
        if array.dtype.newbyteorder("=") != dtype:
            raise InvalidTypeError(f"state.waiting: {array.dtype} came, x is computed in {dtype}")
        if array.shape != expected:
            raise InvalidValueError(f"state.waiting has shape {array.shape}: must be {expected}, the steps on their way first")
        return make_state(("waiting",), (np.array(array, dtype, order="C"),))

    def advance(self, x: Array, state: State, out: Array) -> State:
        """Write what leaves during the steps of x to out, unchecked; give what is on its way then. Axes are (T, ...)."""
        waiting: Array = state[0]
        n, steps = len(waiting), len(x)
        now = min(n, steps)
        out[:now] = waiting[:now]
        out[now:] = x[: steps - now]
        left = np.empty_like(waiting)
        left[: n - now] = waiting[now:]
        left[n - now :] = x[steps - now :]
        return make_state(("waiting",), (left,))

    def compute(self, x: Array, out: Array, threads: int) -> None:
        """Write what leaves during the samples of x, which are steps, to out, unchecked: from rest."""
        self.advance(x, self.init_state(x.shape[1:], x.dtype), out)

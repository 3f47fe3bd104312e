"""Delays over a sequence, with an explicit state."""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from rsnn import arguments, layers
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.simulation import Result
from rsnn.state import State, make_state
from rsnn.torch import _checks

_STATE: Any = type(make_state(("waiting",), (None,)))
"""Made here, not in a call: what compiles a call does not follow it."""


class Delay(nn.Module):
    """What comes in, later: 0 at first, then what came ``delay / dt`` steps before; the torch form of `rsnn.Delay`.

    Parameters
    ----------
    delay : float
        In the unit of dt: a whole multiple of it.
    dt : float, default 1.0
        The length of a step.
    batch_first : bool, default False
        Data are (B, T, ...) rather than (T, B, ...).

    Shapes
    ------
    x (T, B, ...), or (B, T, ...) with ``batch_first=True``; the output like x. The state has one field, ``waiting`` (n, B, ...): what is
    still on its way, what leaves next first. Gradients flow through both.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        The delay is no number, negative, or no whole multiple of dt; x is no floating point tensor; a state of another shape.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> output, state = rt.Delay(2.0)(torch.tensor([[1.0], [2.0], [3.0]]))
    >>> output.ravel().tolist(), state.waiting.ravel().tolist()
    ([0.0, 0.0, 1.0], [2.0, 3.0])
    """

    spiking = False
    recordable: tuple[str, ...] = ()

    def __init__(self, delay: float, *, dt: float = 1.0, batch_first: bool = False) -> None:
        super().__init__()
        self.layer = layers.Delay(delay, dt=dt)
        self.batch_first: bool = arguments.flag("batch_first", batch_first)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run a sequence: the output, and the state to go on from."""
        result = self.run(x, state, ())
        return result.output, result.state

    def step(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run one time step: x (B, ...)."""
        sequence, axis = _checks.one_step(x, self.batch_first)
        result = self.run(sequence, state, ())
        return result.output.squeeze(axis), result.state

    def run(self, x: Tensor, state: State | None = None, record: Collection[str] | str = ()) -> Result:
        """Run a sequence: the result object of every layer; there is nothing to record."""
        _checks.floating("x", x)
        _checks.axes("x", x, 2, "(B, T, ...)" if self.batch_first else "(T, B, ...)")
        arguments.names("record", record, self.recordable)
        moving = x.swapaxes(0, 1) if self.batch_first else x
        n = self.layer.steps
        together = torch.cat([self._waiting(state, moving, n), moving])
        output = together[: len(moving)]
        return Result(output.swapaxes(0, 1) if self.batch_first else output, _STATE(together[len(moving) :]), spiking=False)

    def _waiting(self, state: Any, x: Tensor, n: int) -> Tensor:
        """Check a state; give what is on its way."""
        if state is None:
            return x.new_zeros((n, *x.shape[1:]))
        if getattr(state, "_fields", None) != ("waiting",) or not isinstance(state[0], Tensor):
            raise InvalidTypeError(f"state={arguments.shown(state)}: must be a state as a call returned it, or None")
        waiting = state[0]
        if waiting.shape != (n, *x.shape[1:]):
            raise InvalidValueError(
                f"state.waiting has the shape {tuple(waiting.shape)}: must be {(n, *x.shape[1:])}, steps on their way first"
            )
        _checks.alike("state.waiting", waiting, "x", x, "give a state of a call with such data")
        return waiting

    def extra_repr(self) -> str:
        """Show the delay, and what is not the default."""
        dt = "" if self.layer.dt == 1.0 else f", dt={self.layer.dt}"
        return f"{self.layer.delay}{dt}{', batch_first=True' if self.batch_first else ''}"

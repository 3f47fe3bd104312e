"""States: named tuples of arrays, one field for each quantity that a neuron carries from step to step."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

ORDER = ("v", "i", "h", "a", "w", "rest", "s")
"""Every field that a state may have, in the order in which it has them."""

if TYPE_CHECKING:

    class State(tuple[Any, ...]):
        """What a neuron carries from one step to the next; which fields there are depends on the neuron."""

        _fields: tuple[str, ...]
        v: Any
        i: Any
        a: Any
        rest: Any
        s: Any
        pre: Any
        post: Any
        eligibility: Any

        def _asdict(self) -> dict[str, Any]: ...
        def _replace(self, **values: Any) -> State: ...
else:
    State = tuple


_make: Any = namedtuple  # as it is at run time; type checkers know only named tuples written out


@cache
def _type_of(fields: tuple[str, ...]) -> Any:
    kind = _make("State", fields, module=__name__)

    def remake(self: State) -> tuple[Any, ...]:
        return make_state, (self._fields, tuple(self))

    # The class has no name that pickle and deepcopy could import: they are told how to make it again.
    kind.__reduce__ = remake
    kind.__doc__ = f"The state of a neuron: {', '.join(fields)}."
    return kind


def make_state(fields: Iterable[str], values: Iterable[Any]) -> State:
    """Make a state of these fields (a named tuple).

    Parameters
    ----------
    fields : names, such as ``("v", "i")``
    values : one value for each, arrays or tensors

    Examples
    --------
    >>> make_state(("v", "i"), (0.5, 0.25)).i
    0.25
    """
    made: State = _type_of(tuple(fields))(*values)
    return made

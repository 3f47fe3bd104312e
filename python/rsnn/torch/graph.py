"""A network with branches: modules that name their inputs, as in `rsnn.Network`."""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from rsnn import arguments
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.network import graph
from rsnn.torch import _checks
from rsnn.torch.sequential import Sequential, SequentialResult


class Add(nn.Module):
    """What comes in, as it is: a place in a `Graph` where several inputs are added up; the torch form of `rsnn.Add`.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> double = rt.Graph([("once", rt.Linear(2, 2)), ("twice", rt.Add(), ("once", "once"))])
    >>> bool((double(torch.ones(1, 1, 2))[0] == 2 * double[0](torch.ones(1, 1, 2))).all())
    True
    """

    def forward(self, input: Tensor) -> Tensor:
        """Pass it on."""
        return input


class Graph(Sequential):
    """Modules over a sequence, each of which takes what it names: branches, sums, residual connections.

    The entries are those of `rsnn.Network`: a module takes what the one before it sends on; ``(name, module)`` names it;
    ``(name, module, inputs)`` says what it takes instead, the name or position of an earlier module, ``"input"``, or a tuple of these,
    which are added up in that order. The last module's output is that of the graph. Everything else is as in `Sequential`: state,
    spikes and traces go by position.

    Parameters
    ----------
    modules : list of modules, ``(name, module)`` and ``(name, module, inputs)``
    batch_first : bool, optional
        As of `Sequential`.

    Attributes
    ----------
    names : tuple of str or None
    inputs : tuple of tuples of int
        The positions that each module takes, -1 for what comes into the graph.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `Sequential`; a name that is not there, stands later in the list, or that torch does not take in a ``state_dict``.

    Examples
    --------
    A residual block:

    >>> import torch, rsnn.torch as rt
    >>> block = rt.Graph([("first", rt.IAF()), ("weights", rt.Linear(8, 8)), ("second", rt.IAF(), ("weights", "first"))])
    >>> output, state = block(torch.rand(10, 4, 8))
    >>> output.shape, list(state)
    (torch.Size([10, 4, 8]), [0, 2])
    """

    names: tuple[str | None, ...] = ()
    inputs: tuple[tuple[int, ...], ...] = ()

    def __init__(self, modules: Any, *, batch_first: bool | None = None) -> None:
        read = graph.read(modules, None, None)
        keys = child_names(read.names)
        super().__init__(OrderedDict(zip(keys, read.layers, strict=True)), batch_first=batch_first)
        self.names, self.inputs = read.names, read.inputs

    def run(
        self, x: Tensor, state: Mapping[int, Any] | None = None, record: Collection[str] | str | Mapping[int, Any] = ("v",)
    ) -> SequentialResult:
        """Run a sequence and record what happens inside; as `Sequential.run`."""
        work = self._begin(x, state, record)
        last_use = {one: k for k, inputs in enumerate(self.inputs) for one in inputs}
        sent = {-1: x}
        for k, inputs in enumerate(self.inputs):
            sent[k] = work(k, self._together(k, [sent[one] for one in inputs]))
            for one in [one for one in sent if one != k and last_use.get(one, -2) <= k]:
                del sent[one]  # kept for gradients, if they need it, and else no longer
        return work.result(sent[len(self.inputs) - 1])

    def __getitem__(self, index: Any) -> Any:
        """Give a module; a part of a graph would have inputs that are not there."""
        if isinstance(index, slice):
            raise InvalidTypeError(f"{arguments.shown(index)}: a graph has no slices; make another one of its modules")
        return super().__getitem__(_checks.position(index, len(self)))

    def _together(self, k: int, inputs: list[Tensor]) -> Tensor:
        """Add up what comes into a module, in order."""
        total = inputs[0]
        for one in inputs[1:]:
            if one.shape != total.shape:
                came = ", ".join(
                    f"{graph.call(each, self.names)!r} sends {tuple(t.shape)}" for each, t in zip(self.inputs[k], inputs, strict=True)
                )
                raise InvalidValueError(f"module {k}: inputs of different shapes come in, {came}: they are added up")
            total = total + one
        return total

    def extra_repr(self) -> str:
        """Show what each module takes, where that is not the one before it."""
        wired = [(k, inputs) for k, inputs in enumerate(self.inputs) if inputs != (k - 1,)]
        return ", ".join(
            f"{graph.call(k, self.names)} takes {' + '.join(str(graph.call(i, self.names)) for i in inputs)}" for k, inputs in wired
        )


def child_names(names: Sequence[str | None]) -> list[str]:
    """Name the children of a module after layers, those without a name after their position; refuse what torch does not take."""
    keys = [name or str(k) for k, name in enumerate(names)]
    for key in keys:
        if "." in key or hasattr(Graph, key) or key in ("training", "batch_first"):
            raise InvalidValueError(f"the name {key!r} cannot be that of a torch module; use another one, without a dot")
    return keys

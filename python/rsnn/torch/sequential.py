"""A network as a list: stateless modules are applied to every time step, neurons to the sequence."""

from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from rsnn import arguments
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.torch import _checks
from rsnn.torch.layers import Conv2d, Linear, Pool2d
from rsnn.torch.modules import Layer

_STATEFUL = (nn.RNNBase, nn.RNNCellBase)


@dataclass(frozen=True)
class SequentialResult:
    """What a run of `Sequential` returns; where a position k is asked for, it is that of the neuron in the list."""

    output: Tensor
    """What the last module sends on, like x."""
    spikes: dict[int, Tensor]
    """The spikes of every neuron that spikes, by position."""
    state: tuple[Any, ...]
    """The state of every neuron, in the order of the list: pass it back in to go on."""
    traces: dict[int, dict[str, Tensor]]
    """What was recorded, by position and name."""


class Sequential(nn.Sequential):
    """Modules one after another over a sequence, with an explicit state.

    Neurons (`Layer` and its named forms) and inner `Sequential` get the whole sequence. Every other module is stateless: it is applied to
    each time step, to all of them at once, (T, B, ...) folded to (T * B, ...).

    Parameters
    ----------
    *modules : modules, or one OrderedDict of modules
        As of `torch.nn.Sequential`, with its indexing and its `state_dict`.
    batch_first : bool, optional
        Data are (B, T, ...) rather than (T, B, ...). By default as the neurons inside say, which must agree.

    Raises
    ------
    InvalidTypeError
        Something that is not a module, or a recurrent module of torch, whose state would be lost.
    InvalidValueError
        Neurons that disagree about `batch_first`.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> net = rt.Sequential(torch.nn.Flatten(), rt.Linear(4, 3), rt.LIF(beta=0.9), rt.Linear(3, 2), rt.LI(beta=0.9))
    >>> output, state = net(torch.zeros(10, 5, 2, 2))
    >>> output.shape, len(state)
    (torch.Size([10, 5, 2]), 2)
    """

    def __init__(self, *modules: Any, batch_first: bool | None = None) -> None:
        named = modules[0].items() if len(modules) == 1 and isinstance(modules[0], OrderedDict) else enumerate(modules)
        for name, module in named:
            if not isinstance(module, nn.Module):
                raise InvalidTypeError(f"module {name} is {arguments.shown(module)}: must be a torch module, such as rsnn.torch.LIF(beta=0.95)")
            if isinstance(module, _STATEFUL):
                cure = "its state would be lost; use a neuron of rsnn.torch"
                raise InvalidTypeError(f"module {name} is {type(module).__name__}: a stateful module cannot be applied step by step; {cure}")
        super().__init__(*modules)
        said = {module.batch_first for module in self if isinstance(module, (Layer, Sequential))}
        if len(said) > 1:
            raise InvalidValueError("batch_first: the neurons disagree; give all of them the same")
        if batch_first is None:
            batch_first = said.pop() if said else False
        self.batch_first = arguments.flag("batch_first", batch_first)
        if said and self.batch_first not in said:
            raise InvalidValueError(f"batch_first={batch_first}: the neurons were made with batch_first={not batch_first}; give them the same")

    def forward(self, x: Tensor, state: Sequence[Any] | None = None) -> tuple[Tensor, tuple[Any, ...]]:  # type: ignore[override]
        """Run a sequence.

        Parameters
        ----------
        x : tensor (T, B, ...), or (B, T, ...) with ``batch_first=True``
        state : tuple, optional
            As a call before returned it; by default every neuron is at rest.

        Returns
        -------
        output : tensor
            What the last module sends on.
        state : tuple
            The state of every neuron, in order.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            x or the state is not what a module takes; the message names the module's position.
        """
        result = self.run(x, state, ())
        return result.output, result.state

    def step(self, x: Tensor, state: Sequence[Any] | None = None) -> tuple[Tensor, tuple[Any, ...]]:
        """Run one time step: x (B, ...); otherwise as `forward`, whose bits these are."""
        _checks.floating("x", x)
        _checks.axes("x", x, 1, "(B, ...)")
        axis = 1 if self.batch_first else 0
        output, state = self.forward(x.unsqueeze(axis), state)
        return output.squeeze(axis), state

    def run(self, x: Tensor, state: Sequence[Any] | None = None, record: Collection[str] | str = ("v",)) -> SequentialResult:
        """Run a sequence and record what happens inside.

        Parameters
        ----------
        x, state
            As of `forward`.
        record : str or tuple of str, default ("v",)
            State fields and ``"u"``: recorded of every neuron that has them.

        Returns
        -------
        SequentialResult
            ``output``, ``spikes`` and ``traces`` by position, ``state``.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            As of `forward`; a name that no neuron here can record.
        """
        _checks.floating("x", x)
        _checks.axes("x", x, 2, "(B, T, ...)" if self.batch_first else "(T, B, ...)")
        states = self._states(state)
        record = self._record(record)
        spikes, traces, after = {}, {}, []
        for k, module in enumerate(self):
            try:
                if isinstance(module, Sequential):
                    inner = module.run(x, next(states), [name for name in record if name in module.recordable])
                    x = inner.output
                    after.append(inner.state)
                elif isinstance(module, Layer):
                    result = module.run(x, next(states), [name for name in record if name in module.recordable])
                    x = result.output
                    after.append(result.state)
                    traces[k] = dict(result.traces)
                    if result.spiking:
                        spikes[k] = x
                else:
                    x = over_time(module, x)
            except (InvalidTypeError, InvalidValueError) as error:
                raise type(error)(f"module {k} ({type(module).__name__}): {error}") from error
        return SequentialResult(x, spikes, tuple(after), traces)

    @property
    def recordable(self) -> tuple[str, ...]:
        """What a neuron in here can record."""
        return tuple(dict.fromkeys(name for module in self._neurons() for name in module.recordable))

    def _neurons(self) -> Iterator["Layer | Sequential"]:
        return (module for module in self if isinstance(module, (Layer, Sequential)))

    def _record(self, record: Collection[str] | str) -> tuple[str, ...]:
        known = self.recordable
        if record == ("v",) and not known:
            return ()
        return arguments.names("record", record, known)

    def _states(self, state: Sequence[Any] | None) -> Iterator[Any]:
        """One state for every neuron, in order."""
        neurons = list(self._neurons())
        if state is None:
            return iter([None] * len(neurons))
        if not isinstance(state, (tuple, list)) or hasattr(state, "_fields"):
            raise InvalidTypeError(f"state is {type(state).__name__}: must be a tuple with one state for each of the {len(neurons)} neurons")
        if len(state) != len(neurons):
            raise InvalidValueError(f"state has {len(state)} entries: must have one for each of the {len(neurons)} neurons, as a call before returned it")
        return iter(state)


def over_time(module: nn.Module, x: Tensor) -> Tensor:
    """Apply a stateless module to every time step of (T, B, ...), or of (B, T, ...), at once."""
    if isinstance(module, (Linear, Conv2d, Pool2d)):
        return module(x)  # type: ignore[no-any-return]  # takes any leading axes
    first, second, *trailing = x.shape
    output = module(x.reshape(first * second, *trailing))
    if not isinstance(output, Tensor):
        raise InvalidTypeError(f"{type(module).__name__} returned {type(output).__name__}: a stateless module must return one tensor")
    if output.shape[:1] != (first * second,):
        msg = f"{type(module).__name__} returned the shape {tuple(output.shape)} for {first} x {second} frames: it must keep the first axis, (T * B, ...)"
        raise InvalidValueError(msg)
    return output.reshape(first, second, *output.shape[1:])

"""A network as a list: stateless modules are applied to every time step, neurons to the sequence."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from rsnn import arguments
from rsnn.drawn import Drawn
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.torch import _checks, inference
from rsnn.torch.delay import Delay
from rsnn.torch.lift import Dropout, over_time, refuse_state
from rsnn.torch.modules import Layer


@dataclass(frozen=True)
class SequentialResult(Drawn):
    """What a run of `Sequential` returns, laid out as that of a run of `rsnn.Network`: modules go by their position in the list."""

    output: Tensor
    """What the last module sends on, like x."""
    spikes: dict[int, Any]
    """The spikes of every neuron that spikes, by position (of an inner `Sequential` such a dict)."""
    state: dict[int, Any]
    """The state of every neuron, by position (of an inner `Sequential` such a dict): pass it back in to go on."""
    traces: dict[int, dict[str, Tensor]]
    """What was recorded, by position, then by name."""
    batch_axis: int = 1
    """Where the batch is: 1, or 0 with ``batch_first=True``."""


class Sequential(nn.Sequential):
    """Modules one after another over a sequence, with an explicit state.

    Neurons (`Layer` and its named forms, also cells), `Delay`, inner `Sequential` and `Dropout` get the whole sequence. Every other module
    is stateless: it is applied to each time step, to all of them at once, (T, B, ...) folded to (T * B, ...), as `Lift` does. So batch
    normalisation takes its statistics over steps and samples, and ``torch.nn.Dropout`` drops anew in every step.

    Parameters
    ----------
    *modules : modules, or one OrderedDict of modules
        As of `torch.nn.Sequential`, with its indexing and its `state_dict`.
    batch_first : bool, optional
        Data are (B, T, ...) rather than (T, B, ...). By default as the neurons inside say, which must agree.

    Raises
    ------
    InvalidTypeError
        Something that is not a module, or one of torch that is recurrent or holds neurons, whose state would be lost.
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
            if not isinstance(module, _STATEFUL):
                refuse_state(f"module {name}", module, "rsnn.torch.LIF(beta=0.95)")
        super().__init__(*modules)
        said: set[bool] = {module.batch_first for module in self if isinstance(module, (*_STATEFUL, Dropout))}
        if len(said) > 1:
            raise InvalidValueError("batch_first: the neurons and dropouts disagree; give all of them the same")
        if batch_first is None:
            batch_first = said.pop() if said else False
        self.batch_first: bool = arguments.flag("batch_first", batch_first)
        if said and self.batch_first not in said:
            raise InvalidValueError(
                f"batch_first={batch_first}: the modules were made with batch_first={not batch_first}; give them the same"
            )

    def forward(self, x: Tensor, state: Mapping[int, Any] | None = None) -> tuple[Tensor, dict[int, Any]]:
        """Run a sequence.

        Parameters
        ----------
        x : tensor (T, B, ...), or (B, T, ...) with ``batch_first=True``
        state : dict, optional
            As a call before returned it; by default every neuron is at rest.

        Returns
        -------
        output : tensor
            What the last module sends on.
        state : dict
            The state of every neuron, by position.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            x or the state is not what a module takes; the message names the module's position.
        """
        found = inference.run(self, x, state, batch_first=self.batch_first) if type(self) is Sequential else None
        if found is not None:
            return found
        result = self.run(x, state, ())
        return result.output, result.state

    def step(self, x: Tensor, state: Mapping[int, Any] | None = None) -> tuple[Tensor, dict[int, Any]]:
        """Run one time step: x (B, ...); otherwise as `forward`, whose bits these are."""
        sequence, axis = _checks.one_step(x, self.batch_first)
        output, state = self.forward(sequence, state)
        return output.squeeze(axis), state

    def run(
        self, x: Tensor, state: Mapping[int, Any] | None = None, record: Collection[str] | str | Mapping[int, Any] = ("v",)
    ) -> SequentialResult:
        """Run a sequence and record what happens inside.

        Parameters
        ----------
        x, state
            As of `forward`.
        record : str, tuple of str, or dict of these by position, default ("v",)
            State fields and ``"u"``: names for every neuron that has them, or ``{1: ("v", "u")}``.

        Returns
        -------
        SequentialResult
            ``output``, and by position ``spikes``, ``state`` and ``traces``.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            As of `forward`; a name that no neuron here can record.
        """
        work = self._begin(x, state, record)
        for k in range(len(self)):
            x = work(k, x)
        return work.result(x)

    def _begin(self, x: Any, state: Any, record: Any) -> "_Work":
        """Check what a run was given, and begin it."""
        _checks.floating("x", x)
        _checks.axes("x", x, 2, "(B, T, ...)" if self.batch_first else "(T, B, ...)")
        return _Work(self, self._states(state), self._wanted(record))

    def __getitem__(self, index: Any) -> Any:
        """Give a module, or with a slice a `Sequential` of some."""
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]), batch_first=self.batch_first)
        return super().__getitem__(_checks.position(index, len(self)))

    @property
    def recordable(self) -> tuple[str, ...]:
        """What a neuron in here can record."""
        return tuple(dict.fromkeys(name for module in self._neurons().values() for name in module.recordable))

    def _neurons(self) -> "dict[int, Layer | Sequential | Delay]":
        """Give the modules that have a state."""
        return {k: module for k, module in enumerate(self) if isinstance(module, _STATEFUL)}

    def _wanted(self, record: Any) -> dict[int, Any]:
        """Tell what to record of each neuron."""
        neurons = self._neurons()
        if isinstance(record, Mapping):
            for k in record:
                if k not in neurons:
                    positions = ", ".join(map(str, neurons)) or "none"
                    raise InvalidValueError(f"record: {arguments.shown(k)} is not the position of a neuron; these are {positions}")
            return {k: record.get(k, ()) for k in neurons}
        known = self.recordable
        given = () if isinstance(record, tuple) and record == ("v",) and not known else arguments.names("record", record, known)
        return {k: tuple(name for name in given if name in module.recordable) for k, module in neurons.items()}

    def _states(self, state: Any) -> dict[int, Any]:
        """One state for each neuron."""
        neurons = self._neurons()
        known = ", ".join(map(str, neurons)) or "none"
        if state is None:
            return dict.fromkeys(neurons)
        if not isinstance(state, Mapping):
            raise InvalidTypeError(
                f"state is {type(state).__name__}: must be a dict of states by position of the neurons ({known}), as a call returned it"
            )
        if set(state) != set(neurons):
            came = ", ".join(map(arguments.shown, state)) or "none"
            raise InvalidValueError(
                f"state: states of the modules {came} came; the neurons are {known}; pass what a call of this module returned"
            )
        return dict(state)


class _Work:
    """A run of a list of modules: what they are called with, and what is kept of what they return."""

    def __init__(self, modules: Sequential, states: dict[int, Any], wanted: dict[int, Any]) -> None:
        self.modules, self.states, self.wanted = list(modules), states, wanted
        self.batch_first = modules.batch_first
        self.spikes: dict[int, Any] = {}
        self.traces: dict[int, dict[str, Any]] = {}
        self.after: dict[int, Any] = {}

    def __call__(self, k: int, x: Tensor) -> Tensor:
        """Call a module with what comes to it; give what it sends on."""
        module = self.modules[k]
        try:
            if isinstance(module, (*_STATEFUL, Dropout)) and module.batch_first is not self.batch_first:
                raise InvalidValueError(f"batch_first={module.batch_first}: the Sequential it was put into has {self.batch_first}")
            if not isinstance(module, _STATEFUL):
                return over_time(module, x)
            result: Any = module.run(x, self.states[k], self.wanted[k])
        except (InvalidTypeError, InvalidValueError) as error:
            raise type(error)(f"module {k} ({type(module).__name__}): {error}") from error
        self.after[k] = result.state
        if self.wanted[k]:
            self.traces[k] = result.traces
        if isinstance(result, SequentialResult):
            self.spikes |= {k: result.spikes} if result.spikes else {}
        elif result.spiking:
            self.spikes[k] = result.output
        output: Tensor = result.output
        return output

    def result(self, output: Tensor) -> SequentialResult:
        """Give what the last module sent on, and what was kept."""
        return SequentialResult(output, self.spikes, self.after, self.traces, 1 - self.batch_first)


_STATEFUL = (Layer, Sequential, Delay)

"""Neurons as torch modules: one class for all of them, over a sequence or step by step."""

from collections.abc import Callable, Collection
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from rsnn import arguments
from rsnn.errors import InvalidTypeError
from rsnn.hints import warn
from rsnn.neurons import AnyNeuron
from rsnn.recurrent import Recurrent
from rsnn.simulation import Result
from rsnn.state import State
from rsnn.surrogate import ATan, Surrogate
from rsnn.torch import _checks, functional
from rsnn.torch.functional import Options, Plan
from rsnn.torch.recurrent import BIAS, WEIGHT, read

FORGOTTEN = 10
"""So many calls of a cell in a row without a state are a loop that forgets it."""
OPTIONS = """surrogate : surrogate or callable, default ``rsnn.surrogate.ATan(2.0)``
        Stands in for the derivative of the spike: one of `rsnn.surrogate`, or any ``function(v, theta)`` of two tensors of one shape, the
        membrane before its reset and the threshold, that returns a tensor of that shape and dtype (see `rsnn.surrogate.Custom`). With a
        callable the layer runs on the torch backend, many times slower.
    detach_reset : bool, default True
        Whether the reset is left out of the gradient: True as in snnTorch, False as in Norse, sinabs and SpikingJelly.
    detach : tuple of str, default ()
        What else is left out of the gradient. "carried": the spikes that late resets read off the membrane carried in, while those of the
        step still flow (snnTorch with ``reset_delay=False``). "threshold": what an adaptation moves of the threshold, where spikes are
        tested against it; what a reset takes off still flows (sinabs' ALIF). "adaptation": the spikes, in what they add to an adaptation
        (Norse's recurrent LSNN).
    checkpoint : int, optional
        Steps between two states kept for backward, which recomputes those between (default 32). The gradients are the same bits for any
        number; the memory beyond x is 4 / checkpoint bytes for each state, neuron and step.
    batch_first : bool, default False
        Data are (B, T, ...) rather than (T, B, ...).
    backend : {"rust", "torch"}, optional
        The native kernels, or the same steps in plain torch operations (slower; any device; differentiable twice and in forward mode).
        By default native on the CPU and torch elsewhere."""
RECURRENT = """recurrent : bool or "elementwise", default False
        Whether the output of the last step comes back as input, through weights that the layer holds and learns: ``weight_recurrent``
        of the shape (n, n), ``[post, pre]``, or of the shape (n,) with ``"elementwise"``, one weight from each neuron to itself. They
        begin uniform within 1 / sqrt(n) (elementwise: within 1). What is weighted and summed is that of `rsnn.Recurrent`."""
SIZES = """hidden_size : int
        n, the last axis of the data, of a recurrent layer; there are no input weights.
    autapses : bool, default False
        Whether neurons act on themselves. If not, the diagonal of the weights is 0 at use, and its gradient is 0.
    recurrent_bias : bool, default False
        Whether there is a ``bias_recurrent`` (n,) as well, which begins as the weights do."""


class Layer(nn.Module):
    """A layer of neurons over a whole sequence: one operator, linear in time, with exact gradients.

    The parameters of the neuron are attributes by name, such as `layer.beta`: the effective value. Those in `learn` are parameters of the
    module, the others buffers. A learned parameter is held in its valid range at use, so its ``.grad`` is the derivative by that name; from
    outside the range only what leads back passes. The state is explicit, passed in and returned; nothing is kept between calls.

    Parameters
    ----------
    neuron : neuron
        Any neuron, such as ``rsnn.LIF(beta=0.95)``; or an `rsnn.Recurrent`, whose weights the layer begins with, the diagonal included.
    learn : tuple of str, str or True, default ()
        Which of ``neuron.parameters`` are learned; True: all of them. A parameter that is an array is learned for each of its entries.
    OPTIONS
    RECURRENT
    SIZES

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument of another type or outside what is accepted, or arguments that contradict each other.

    Notes
    -----
    float32 and float64 are computed in themselves. Half precision is computed in float32: the output has the dtype of x, states and traces
    are float32. Parameters that are not learned stay in float64 whatever the module is converted to, so that the coefficients, formed in
    float64 and rounded once, have the same bits as those of `rsnn.simulate`. Learned ones have torch's default dtype.
    `layer.neuron` is the neuron with the present values, of a recurrent layer an `rsnn.Recurrent`: `rsnn.simulate` gives the same
    bits. No gradient flows through the refractory time left, ``state.rest``, which counts steps. Exported under ``torch.no_grad()`` a layer
    takes any number of steps; what is kept for backward would fix it.

    Examples
    --------
    >>> import rsnn, torch, rsnn.torch as rt
    >>> layer = rt.Layer(rsnn.LIF(beta=0.5), learn="beta")
    >>> spikes, state = layer(torch.ones(3, 1, 2, requires_grad=True))
    >>> spikes[:, 0, 0]
    tensor([1., 1., 1.], grad_fn=<SelectBackward0>)
    >>> spikes.sum().backward()
    >>> layer.beta.grad is not None
    True
    >>> memory = rt.Layer(rsnn.LIF(beta=0.9), recurrent=True, hidden_size=2)
    >>> memory.weight_recurrent.shape, memory(torch.ones(3, 1, 2))[1]._fields
    (torch.Size([2, 2]), ('v', 's'))
    """

    _short_for: ClassVar[type[AnyNeuron] | None] = None
    """The neuron whose arguments the layer is made with, of a named layer."""
    _implied: ClassVar[tuple[str, ...]] = ()
    """Arguments that the class stands for and `repr` leaves out."""

    def __init__(
        self,
        neuron: AnyNeuron | Recurrent,
        *,
        learn: Collection[str] | str | bool = (),
        surrogate: Surrogate | Callable[[Tensor, Tensor], Tensor] = ATan(2.0),  # noqa: B008 - a frozen value
        detach_reset: bool = True,
        detach: Collection[str] | str = (),
        checkpoint: int | None = None,
        batch_first: bool = False,
        backend: str | None = None,
        recurrent: bool | str = False,
        hidden_size: int | None = None,
        autapses: bool = False,
        recurrent_bias: bool = False,
    ) -> None:
        super().__init__()
        neuron, self._recurrence, weights = read(neuron, recurrent, hidden_size, autapses, recurrent_bias)
        if not isinstance(neuron, AnyNeuron):
            raise InvalidTypeError(f"neuron={arguments.shown(neuron)}: must be a neuron, such as rsnn.LIF(beta=0.95)")
        if learn is True:
            learn = tuple(neuron.parameters)
        elif learn is False:
            learn = ()
        self._learned = arguments.names("learn", learn, neuron.parameters, "only these can be learned")
        self._options = Options.checked(surrogate, detach_reset, detach, checkpoint, batch_first, backend)
        for name, value in neuron.parameters.items():
            if name in self._learned:
                self.register_parameter(name, nn.Parameter(torch.tensor(value, dtype=torch.get_default_dtype())))
            else:
                self.register_buffer(name, torch.tensor(value, dtype=torch.float64))
        for name, parameter in weights.items():
            self.register_parameter(name, parameter)
        self._plan = self._plan_of(neuron)
        self._seen = self._versions()

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run a sequence.

        Parameters
        ----------
        x : tensor (T, B, ...), or (B, T, ...) with ``batch_first=True``
        state : state, optional
            As a call before returned it; by default at rest.

        Returns
        -------
        output : tensor like x
            The spikes, or the membrane of a neuron that does not spike.
        state : State
            A named tuple of tensors (B, ...), to go on from.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            x or the state is of another type, dtype, shape or device than the layer takes.
        """
        result = self.run(x, state, ())
        return result.output, result.state

    def step(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run one time step: x (B, ...); otherwise as `forward`, whose bits these are."""
        sequence, axis = _checks.one_step(x, self._options.batch_first)
        result = self.run(sequence, state, ())
        return result.output.squeeze(axis), result.state

    def run(self, x: Tensor, state: State | None = None, record: Collection[str] | str = ("v",)) -> Result:
        """Run a sequence and record what happens inside.

        Parameters
        ----------
        x, state
            As of `forward`.
        record : str or tuple of str, default ("v",)
            State fields (after each step) and ``"u"``, the membrane before reset.

        Returns
        -------
        rsnn.simulate.Result
            ``output``, ``spikes``, ``state`` and ``traces`` (also ``.v`` for short), holding differentiable tensors.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            As of `forward`; a name that this neuron cannot record.
        """
        plan = self._current_plan()
        if self._recurrence is not None:
            self._recurrence.check(x)
        values = {name: self._value(name) for name in plan.neuron.parameters}
        return functional.run(plan, values, x, state, record, self._options, recurrent=self._weights())

    @property
    def neuron(self) -> AnyNeuron | Recurrent:
        """The neuron with the values that the layer has now (on the meta device, where there are none: had when it was made).

        Of a recurrent layer an `rsnn.Recurrent` with its weights (on the meta device the neuron alone).
        """
        neuron, weights = self._neuron(), self._weights()
        return neuron if weights is None or self._is_meta() else Recurrent(neuron, *map(copied, weights))

    @property
    def recurrent(self) -> bool | str:
        """Whether the output comes back as input: False, True or "elementwise"."""
        return False if self._recurrence is None else ("elementwise" if self._recurrence.elementwise else True)

    def _neuron(self) -> AnyNeuron:
        if self._is_meta():
            return self._plan.neuron
        with torch.no_grad():
            values = self._used()
        return self._plan.neuron.replace(**{name: np.array(value.tolist()) for name, value in values.items()})

    def _used(self) -> dict[str, Tensor]:
        """Give the parameters as they are used, in float64."""
        return {name: functional.effective(self._plan, name, self._value(name).double()) for name in self._plan.neuron.parameters}

    @property
    def spiking(self) -> bool:
        """Whether the output is spikes; else it is the membrane."""
        return self._plan.kernel.spiking

    @property
    def recordable(self) -> tuple[str, ...]:
        """What `run` can record."""
        return (*self._plan.kernel.states, "u")

    @property
    def batch_first(self) -> bool:
        """Whether data are (B, T, ...) rather than (T, B, ...)."""
        return self._options.batch_first

    def extra_repr(self) -> str:
        """Show the neuron as it is now, and every option that is not the default."""
        values = {} if self._is_meta() else {name: self._value(name).detach().cpu().numpy() for name in self._learned}
        # A float32 parameter is shown as it was given: 0.9 rather than the float64 nearest to it.
        shown = self._neuron().replace(**{name: value.astype(str).astype(np.float64) for name, value in values.items()})
        text = repr(shown)
        own = type(shown) is self._short_for
        said = [part for part in [text.partition("(")[2][:-1] if own else text] if part]
        if self._learned:
            said.append(f"learn={self._learned}")
        said += [f"{name}={getattr(self._options, name)!r}" for name in _SHOWN if getattr(self._options, name) != getattr(_DEFAULTS, name)]
        if self._recurrence is not None:
            said += [f"{name}={value!r}" for name, value in self._recurrence.arguments().items() if name not in self._implied]
        return ", ".join(said)

    def __getattr__(self, name: str) -> Any:
        # The parameter itself while it is in its range (so that .grad and optimisers find it), else the value that is used in its place.
        value = super().__getattr__(name)
        plan = self.__dict__.get("_plan")
        if plan is None or name not in plan.ranges or not isinstance(value, Tensor) or value.is_meta:
            return value
        effective = functional.effective(plan, name, value)
        return value if torch.equal(effective.detach(), value.detach()) else effective

    def _value(self, name: str) -> Tensor:
        """Give a parameter as it is stored; one that `torch.nn.utils.parametrize` took over is an attribute."""
        for store in (self._parameters, self._buffers):
            value = store.get(name)
            if value is not None:
                return value
        stored: Tensor = getattr(self, name)
        return stored

    def _is_meta(self) -> bool:
        return any(self._value(name).is_meta for name in self._plan.neuron.parameters)

    def _versions(self) -> list[tuple[int, int]]:
        """Which buffers there are, and how often each was written."""
        return [(id(value), value._version) for value in self._buffers.values() if value is not None]

    def _current_plan(self) -> Plan:
        """Give the plan, made anew where a buffer was replaced or written: whether a term is present depends on its value."""
        if not torch.compiler.is_compiling() and not self._is_meta():
            seen = self._versions()
            if seen != self._seen:
                self._plan, self._seen = self._plan_of(self._neuron()), seen
        return self._plan

    def _plan_of(self, neuron: AnyNeuron) -> Plan:
        return Plan.of(neuron, self._learned, self._recurrence is not None)

    def _weights(self) -> tuple[Tensor, Tensor | None] | None:
        """Give the recurrent weights and bias as they are used."""
        if self._recurrence is None:
            return None
        return self._recurrence.used(self._value(WEIGHT)), self._value(BIAS) if self._recurrence.bias else None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Layer":
        """Move with the module, but keep what is not learned in float64; see Notes."""
        fixed = {name: self._buffers.get(name) for name in self._plan.neuron.parameters}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, before in fixed.items():
            after = self._buffers.get(name)
            if before is not None and after is not None and after.dtype != before.dtype:
                self._buffers[name] = before.to(after.device)
        return self


class Cell(Layer):
    """A layer whose call is one time step, for loops of one's own; `run` takes sequences, as that of any `Layer`.

    Parameters
    ----------
    neuron, **options
        As of `Layer`.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `Layer`.

    Warns
    -----
    RsnnWarning
        Ten calls in a row without a state: a loop that forgets it begins from rest in every step.

    Notes
    -----
    A sequence in one call of a `Layer` is far faster than a loop over its steps; the bits are the same. Inside `Sequential` a cell runs
    over the sequence, as every layer does.

    Examples
    --------
    >>> import rsnn, torch, rsnn.torch as rt
    >>> cell, state = rt.Cell(rsnn.LIF(beta=0.5)), None
    >>> for x in torch.full((4, 1, 2), 0.75):
    ...     spikes, state = cell(x, state)
    >>> spikes
    tensor([[1., 1.]])
    """

    _from_rest: int = 0
    """So many calls in a row came without a state; nothing else of a call is kept."""

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run one time step: x (B, ...); the same as `step`."""
        if not torch.compiler.is_compiling():
            self._count(state)
        return self.step(x, state)

    def _count(self, state: State | None) -> None:
        """Warn of a loop that forgets the state."""
        if state is None:
            self._from_rest += 1
            if self._from_rest == FORGOTTEN:
                warn(
                    f"state: the cell was called {FORGOTTEN} times in a row without one, and began from rest every time; "
                    "pass on what the last call returned: spikes, state = cell(x, state)"
                )
        elif self._from_rest:
            self._from_rest = 0


def copied(tensor: Tensor | None) -> Any:
    """Copy to numpy, as float32 or float64."""
    if tensor is None:
        return None
    tensor = tensor.detach().cpu()
    return (tensor if tensor.dtype in _checks.NATIVE else tensor.float()).numpy().copy()


_SHOWN = ("surrogate", "detach_reset", "detach", "checkpoint", "batch_first", "backend")
_DEFAULTS = Options.checked(ATan(2.0), True, (), None, False, None)
Layer.__doc__ = (Layer.__doc__ or "").replace("OPTIONS", OPTIONS).replace("RECURRENT", RECURRENT).replace("SIZES", SIZES)

"""Neurons as torch modules: one class for all of them, and the named ones made from a table."""

import inspect
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsnn import arguments
from rsnn.errors import InvalidTypeError
from rsnn.neurons import NAMED, AnyNeuron
from rsnn.simulation import Result
from rsnn.state import State
from rsnn.surrogate import ATan, Surrogate
from rsnn.torch import _checks, functional
from rsnn.torch.functional import Options, Plan

_OPTIONS = """surrogate : surrogate or callable, default ``rsnn.surrogate.ATan(2.0)``
        Stands in for the derivative of the spike: one of `rsnn.surrogate`, or any ``function(v, theta)`` of two tensors of one shape, the
        membrane before its reset and the threshold, that returns a tensor of that shape and dtype (see `rsnn.surrogate.Custom`). With a
        callable the layer runs on the torch backend, many times slower.
    detach_reset : bool, default True
        Whether the reset is left out of the gradient: True as in snnTorch, False as in Norse, sinabs and SpikingJelly.
    detach : tuple of str, default ()
        What else is left out of the gradient. "carried": the spikes that late resets read off the membrane carried in, while those of the
        step still flow (snnTorch with ``reset_delay=False``). "threshold": what an adaptation moves of the threshold, where spikes are
        tested against it; what a reset takes off still flows (sinabs' ALIF).
    checkpoint : int, optional
        Steps between two states kept for backward, which recomputes those between (default 32). The gradients are the same bits for any
        number; the memory beyond x is 4 / checkpoint bytes for each state, neuron and step.
    batch_first : bool, default False
        Data are (B, T, ...) rather than (T, B, ...).
    backend : {"rust", "torch"}, optional
        The native kernels, or the same steps in plain torch operations (slower; any device; differentiable twice and in forward mode).
        By default native on the CPU and torch elsewhere."""


class Layer(nn.Module):
    """A layer of neurons over a whole sequence: one operator, linear in time, with exact gradients.

    The parameters of the neuron are attributes by name, such as `layer.beta`: the effective value. Those in `learn` are parameters of the
    module, the others buffers. A learned parameter is held in its valid range at use, so its ``.grad`` is the derivative by that name; from
    outside the range only what leads back passes. The state is explicit, passed in and returned; nothing is kept between calls.

    Parameters
    ----------
    neuron : neuron
        Any neuron, such as ``rsnn.LIF(beta=0.95)``.
    learn : tuple of str, str or True, default ()
        Which of ``neuron.parameters`` are learned; True: all of them. A parameter that is an array is learned for each of its entries.
    OPTIONS

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument of another type or outside what is accepted.

    Notes
    -----
    float32 and float64 are computed in themselves. Half precision is computed in float32: the output has the dtype of x, states and traces
    are float32. Parameters that are not learned stay in float64 whatever the module is converted to, so that the coefficients, formed in
    float64 and rounded once, have the same bits as those of `rsnn.simulate`. Learned ones have torch's default dtype.
    `layer.neuron` is the neuron with the present values.

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
    """

    def __init__(
        self,
        neuron: AnyNeuron,
        *,
        learn: Collection[str] | str | bool = (),
        surrogate: Surrogate | Callable[[Tensor, Tensor], Tensor] = ATan(2.0),  # noqa: B008 - a frozen value
        detach_reset: bool = True,
        detach: Collection[str] | str = (),
        checkpoint: int | None = None,
        batch_first: bool = False,
        backend: str | None = None,
    ) -> None:
        super().__init__()
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
        self._plan = Plan.of(neuron, self._learned)
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
        _checks.floating("x", x)
        _checks.axes("x", x, 1, "(B, ...)")
        axis = 1 if self._options.batch_first else 0
        output, state = self.forward(x.unsqueeze(axis), state)
        return output.squeeze(axis), state

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
        values = {name: self._value(name) for name in plan.neuron.parameters}
        return functional.run(plan, values, x, state, record, self._options)

    @property
    def neuron(self) -> AnyNeuron:
        """The neuron with the values that the layer has now (on the meta device, where there are none: had when it was made)."""
        if self._is_meta():
            return self._plan.neuron
        with torch.no_grad():
            values = {name: functional.effective(self._plan, name, self._value(name).double()) for name in self._plan.neuron.parameters}
        return self._plan.neuron.replace(**{name: np.array(value.tolist()) for name, value in values.items()})

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
        shown = self.neuron.replace(**{name: value.astype(str).astype(np.float64) for name, value in values.items()})
        text = repr(shown)
        own = text.partition("(")[0] == type(self).__name__
        said = [part for part in [text.partition("(")[2][:-1] if own else text] if part]
        if self._learned:
            said.append(f"learn={self._learned}")
        said += [f"{name}={getattr(self._options, name)!r}" for name in _SHOWN if getattr(self._options, name) != getattr(_DEFAULTS, name)]
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
                self._plan, self._seen = Plan.of(self.neuron, self._learned), seen
        return self._plan

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Layer":
        """Move with the module, but keep what is not learned in float64; see Notes."""
        fixed = dict(self._buffers)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, before in fixed.items():
            after = self._buffers[name]
            if before is not None and after is not None and after.dtype != before.dtype:
                self._buffers[name] = before.to(after.device)
        return self


_SHOWN = ("surrogate", "detach_reset", "detach", "checkpoint", "batch_first", "backend")
_DEFAULTS = Options.checked(ATan(2.0), True, (), None, False, None)
Layer.__doc__ = (Layer.__doc__ or "").replace("OPTIONS", _OPTIONS)


def _named(neuron: type[AnyNeuron]) -> Any:
    """Make the layer of a named neuron: its arguments and those of `Layer` in one signature."""
    name = neuron.__name__
    own = list(inspect.signature(neuron).parameters.values())
    options = [p for p in inspect.signature(Layer).parameters.values() if p.kind is p.KEYWORD_ONLY]
    signature = inspect.Signature([*own, *options])

    def __init__(self: Layer, *args: Any, **kwargs: Any) -> None:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            near = "".join(arguments.did_you_mean(given, signature.parameters) for given in kwargs if given not in signature.parameters)
            raise InvalidTypeError(f"rsnn.torch.{name}: {error}{near}; accepted are {', '.join(signature.parameters)}") from None
        mine = {p.name: kwargs.pop(p.name) for p in options if p.name in kwargs}
        Layer.__init__(self, neuron(*args, **kwargs), **mine)

    doc = (neuron.__doc__ or "").partition("\n")
    body = {
        "__init__": __init__,
        "__signature__": signature,
        "__module__": __name__,
        "__qualname__": name,
        "__doc__": f"""A layer of `rsnn.{name}` neurons: `Layer` with the neuron written out.

    {doc[0]}{doc[2].partition("    Raises")[0].rstrip()}
    learn : tuple of str, str or True, default ()
        Which of the neuron's numbers are learned; True: all of them.
    {_OPTIONS}

    See `Layer` for what it holds and returns, and `rsnn.{name}` for the errors.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> output, state = rt.{name}()(torch.zeros(10, 2, 3))
    >>> output.shape
    torch.Size([10, 2, 3])
    """,
    }
    return type(name, (Layer,), body)


LAYERS: dict[str, Any] = {neuron.__name__: _named(neuron) for neuron in NAMED.values()}
"""The layer of every named neuron, by its name."""

LI, LIF, IAF = LAYERS["LI"], LAYERS["LIF"], LAYERS["IAF"]

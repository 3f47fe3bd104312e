"""A neuron over tensors without a module: every state and every parameter is an argument."""

import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsnn import arguments
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.hints import channel_shape, swapped_axes
from rsnn.neurons import AnyNeuron, Kernel
from rsnn.simulation import Result
from rsnn.state import State, make_state
from rsnn.surrogate import ATan, Custom, Surrogate
from rsnn.torch import _checks, _reference
from rsnn.torch._autograd import apply_clamp, apply_scan, as_numpy
from rsnn.torch.products import conv1d, conv2d, linear, pool2d

__all__ = ["conv1d", "conv2d", "linear", "pool2d", "simulate"]

BLOCK = 32
"""Steps between two kept states unless `checkpoint` says otherwise: backward recomputes a block of this length into the cache."""

DETACHABLE = ("carried", "threshold", "adaptation")
"""What `detach` can hold constant, besides every reset."""

GROUP_BLOCK = 16
"""The same where neurons act on each other: several sequences go through time side by side, and share the cache with the weights."""

COUNTS = frozenset({"max_spikes"})
"""Coefficients that are numbers of spikes: nothing flows through them."""

FUNCTIONS = ("exp", "log", "expm1", "log1p", "sin", "cos", "tanh", "sqrt")
"""What a recipe may take of numpy beside arithmetic."""

_NAMESPACE = SimpleNamespace(ones_like=torch.ones_like, asarray=torch.asarray, **{name: as_numpy(name) for name in FUNCTIONS})


@dataclass(frozen=True)
class Options:
    """How a sequence is run and differentiated."""

    surrogate: Surrogate
    detach_reset: bool
    detach: tuple[str, ...]
    """What else is held constant."""
    checkpoint: int | None
    batch_first: bool
    backend: str | None
    native_surrogate: tuple[str, list[float]] | None
    """The surrogate as the native operator takes it, if it has it."""

    def native(self, device: str) -> bool:
        """Tell whether the native operator runs."""
        if self.backend is not None:
            return self.backend == "rust"
        return device == "cpu" and self.native_surrogate is not None

    @property
    def constant(self) -> list[str]:
        """Everything that is held constant in the gradient, by the words of the native operator."""
        return [*(["reset"] if self.detach_reset else []), *self.detach]

    @staticmethod
    def checked(surrogate: Any, detach_reset: Any, detach: Any, checkpoint: Any, batch_first: Any, backend: Any) -> "Options":
        """Check what a caller handed in."""
        if not isinstance(surrogate, Surrogate):
            if not callable(surrogate) or isinstance(surrogate, type):
                raise InvalidTypeError(
                    f"surrogate={arguments.shown(surrogate)}: must be one of rsnn.surrogate, such as rsnn.surrogate.ATan(2.0), "
                    "or a callable of (v, theta)"
                )
            surrogate = Custom(surrogate)
        if surrogate.form is None and backend == "rust":
            raise InvalidValueError(
                f'backend="rust" does not have surrogate={arguments.shown(surrogate)}: leave backend out, or say backend="torch"'
            )
        return Options(
            surrogate,
            arguments.flag("detach_reset", detach_reset),
            arguments.names("detach", detach, DETACHABLE),
            None if checkpoint is None else min(arguments.count("checkpoint", checkpoint, 1), sys.maxsize),
            arguments.flag("batch_first", batch_first),
            None if backend is None else arguments.choice("backend", backend, ("rust", "torch")),
            None if surrogate.form is None else (surrogate.form, list(surrogate.numbers)),
        )


@dataclass(frozen=True)
class Plan:
    """What is known of a neuron before data comes: kernel, type of state, and which coefficients its learned parameters reach."""

    neuron: AnyNeuron
    kernel: Kernel
    state: type[State]
    needs: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]]
    """The valid range of every learned parameter."""
    recurrent: bool = False
    """Whether its own output comes back to it."""

    @staticmethod
    def of(neuron: AnyNeuron, learned: Collection[str], recurrent: bool = False) -> "Plan":
        """Plan a neuron some of whose parameters will change, and whose own output may come back to it."""
        kernel = neuron.kernel(learned, recurrent=recurrent)
        # A coefficient is reached by a parameter if it becomes NaN with it.
        marked = neuron.coefficients({name: np.full_like(neuron.parameters[name], np.nan) for name in learned})
        needs = tuple(name for name in kernel.coefficients if name not in COUNTS and np.isnan(marked[name]).any())
        ranges = {name: neuron.ranges[name] for name in learned}
        return Plan(neuron, kernel, type(make_state(kernel.states, kernel.states)), needs, ranges, recurrent)

    def __reduce__(self) -> tuple[Any, ...]:
        return Plan.of, (self.neuron, tuple(self.ranges), self.recurrent)


def simulate(
    neuron: AnyNeuron,
    x: Tensor,
    state: State | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    record: Collection[str] | str = (),
    recurrent: Any = None,
    surrogate: Surrogate | Callable[[Tensor, Tensor], Tensor] = ATan(2.0),  # noqa: B008 - a frozen value
    detach_reset: bool = True,
    detach: Collection[str] | str = (),
    checkpoint: int | None = None,
    batch_first: bool = False,
    backend: str | None = None,
) -> Result:
    """Run a neuron over a sequence of tensors, differentiably: `rsnn.simulate` for torch.

    Parameters
    ----------
    neuron : neuron
        Any neuron, such as ``rsnn.LIF(beta=0.95)``.
    x : tensor (T, B, ...), or (B, T, ...) with ``batch_first=True``
        float32 or float64; half precision is computed in float32.
    state : state, optional
        As a call before returned it; by default at rest.
    parameters : mapping from name to tensor, optional
        Values to use in place of the neuron's own; gradients flow to them. They are held in the neuron's ranges.
    record : str or tuple of str, default ()
        State fields (after each step) and ``"u"``, the membrane before reset.
    recurrent : tensor (n, n) or (n,), or a pair (W, bias), optional
        Weights by which the last output comes back, as of `rsnn.simulate`: ``W[post, pre]``, n the last axis of x; gradients flow to W and
        bias. They are converted to the dtype of x. The state has a field more, ``s``.
    surrogate, detach_reset, detach, checkpoint, backend
        As of `rsnn.torch.Layer`.

    Returns
    -------
    rsnn.simulate.Result
        ``output``, ``spikes``, ``state`` and ``traces``, holding tensors.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is of another type, dtype, shape or device than is accepted; the message names it and the cure.

    Examples
    --------
    >>> import rsnn, torch, rsnn.torch as rt
    >>> beta = torch.tensor(0.5, requires_grad=True)
    >>> result = rt.functional.simulate(rsnn.LIF(beta=0.9), torch.full((3, 1), 0.75), parameters={"beta": beta}, record="v")
    >>> result.v[:, 0].tolist()
    [0.75, 0.125, 0.8125]
    >>> torch.autograd.grad(result.v.sum(), beta)[0] != 0
    tensor(True)
    """
    if not isinstance(neuron, AnyNeuron):
        raise InvalidTypeError(f"neuron={arguments.shown(neuron)}: must be a neuron, such as rsnn.LIF(beta=0.95)")
    options = Options.checked(surrogate, detach_reset, detach, checkpoint, batch_first, backend)
    _checks.floating("x", x)
    weights = None if recurrent is None else _pair(recurrent)
    given = {} if parameters is None else parameters
    if not isinstance(given, Mapping):
        raise InvalidTypeError(f"parameters={arguments.shown(given)}: must be a dict from names to tensors")
    arguments.names("parameters", given, neuron.parameters)
    plan = Plan.of(neuron, tuple(given), weights is not None)
    values = {name: _parameter(name, given.get(name, own), x) for name, own in neuron.parameters.items()}
    return run(plan, values, x, state, record, options, weights)


def run(
    plan: Plan,
    values: Mapping[str, Tensor],
    x: Tensor,
    state: State | None,
    record: Collection[str],
    options: Options,
    recurrent: tuple[Tensor, Tensor | None] | None = None,
) -> Result:
    """Run a planned neuron whose parameters are `values` (tensors, by name); see `simulate`.

    `recurrent` are the weights and the bias, if any, of a plan that is recurrent.
    """
    kernel = plan.kernel
    record = arguments.names("record", record, (*kernel.states, "u"))
    x = _checks.floating("x", x)
    _checks.axes("x", x, 2, "(B, T, ...)" if options.batch_first else "(T, B, ...)")
    given = x.dtype
    if given not in _checks.NATIVE:
        x = x.float()
    together = recurrent is not None or "inhibition" in kernel.spec.split(" ")
    turned = options.batch_first and together
    if turned:
        x = x.transpose(0, 1)  # sequences whose neurons act on each other go through time side by side
    layout = _Layout.of(x, options.batch_first and not turned)
    group = layout.group if together else 0
    weights = None if recurrent is None else _operands(*recurrent, x, group)
    values = {name: effective(plan, name, _wide(name, value, x)) for name, value in values.items()}
    coefficients, needs = _stack_coefficients(plan, values, layout.trailing)
    start = _stack_state(plan, values, x, state, layout)
    sequence = x.reshape(layout.sequence)
    if options.native(x.device.type):
        output, final, recorded = _native(kernel, sequence, coefficients, start, record, options, weights, group, needs)
    else:
        output, final, recorded = _reference.scan(
            kernel, sequence, coefficients, start, record, options.surrogate, options.constant, weights, group
        )

    def shaped(over_time: Tensor) -> Tensor:
        array = over_time.reshape(x.shape)
        return array.transpose(0, 1).contiguous() if turned else array

    output = shaped(output).to(given)
    after = plan.state(*(_flow(kernel, name, each).reshape(layout.step) for name, each in zip(kernel.states, final.unbind(0), strict=True)))
    return Result(output, after, {name: shaped(_flow(kernel, name, trace)) for name, trace in recorded.items()}, kernel.spiking)


def _native(
    kernel: Kernel,
    x: Tensor,
    coefficients: Tensor,
    start: Tensor,
    record: Collection[str],
    options: Options,
    weights: tuple[Tensor, Tensor | None] | None,
    group: int,
    needs: list[str],
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Run by the native operator; give the output, the last state and what was recorded, as `_reference.scan` does."""
    if x.device.type != "cpu":
        raise InvalidValueError(f'x is on {x.device}: backend="rust" runs on the CPU; leave backend out, or move x with x.cpu()')
    every = (options.checkpoint or (GROUP_BLOCK if group else BLOCK)) if torch.is_grad_enabled() else 0
    weight, bias = (None, None) if weights is None else (weights[0].t(), weights[1])
    said = (kernel.spec, list(record), every, options.native_surrogate, options.constant, needs, group)
    output, final, traces, _ = apply_scan(x, coefficients, start, weight, bias, *said)
    recorded = dict(zip(record, traces.unbind(0), strict=True)) if record else {}  # torch cannot load a program that unbinds nothing
    return output, final, recorded


def _parameter(name: str, value: Any, x: Tensor) -> Tensor:
    """Read the value of a parameter: a tensor, a number or an array."""
    if not isinstance(value, Tensor):
        arguments.real(f"parameters: {name}", value)
        if isinstance(value, np.ndarray) and not (value.dtype.isnative and value.dtype.itemsize <= 8):
            value = value.astype(np.float64)
    return torch.as_tensor(value, device=x.device)


def _pair(recurrent: Any) -> tuple[Any, Any]:
    """Read the argument: W, or a pair (W, bias)."""
    if not isinstance(recurrent, tuple):
        return recurrent, None
    if len(recurrent) != 2:
        raise InvalidValueError(f"recurrent: a tuple of {len(recurrent)} came; give W, or the pair (W, bias)")
    return recurrent


def _operands(weight: Any, bias: Any, x: Tensor, n: int) -> tuple[Tensor, Tensor | None]:
    """Check weights against x, in whose dtype they are used."""
    for name, value, shapes in (("weight", weight, ((n, n), (n,))), ("bias", bias, ((n,),))):
        if name == "bias" and value is None:
            continue
        _checks.floating(f"recurrent: {name}", value)
        if tuple(value.shape) not in shapes:
            wanted = f"{(n, n)} with weight[post, pre], or {(n,)}" if name == "weight" else f"{(n,)}"
            raise InvalidValueError(
                f"recurrent: {name} has the shape {tuple(value.shape)}: for x of shape {tuple(x.shape)} it must be {wanted}"
            )
        _checks.together(f"recurrent: {name}", value, "x", x, "layer.to(x.device) moves the layer")
    return weight.to(x.dtype), None if bias is None else bias.to(x.dtype)


def _flow(kernel: Kernel, name: str, value: Tensor) -> Tensor:
    """Pass a state, or a trace of one, from or to the caller; no gradient flows through what counts steps."""
    return value.detach() if name == "rest" and "masked" not in kernel.spec.split() else value


def coefficients(neuron: AnyNeuron, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Form the coefficients of a neuron whose parameters are these tensors."""
    formed: dict[str, Tensor] = neuron.coefficients(values, _NAMESPACE)
    return formed


def effective(plan: Plan, name: str, value: Tensor) -> Tensor:
    """Give the value of a parameter at use: a learned one held in its valid range."""
    return apply_clamp(value, *plan.ranges[name]) if name in plan.ranges else value


@dataclass(frozen=True)
class _Layout:
    """The shapes of one call: of the sequence as the kernels see it (outer, T, inner), of one step (B, ...), of one sample's step (...)."""

    sequence: tuple[int, int, int]
    step: tuple[int, ...]
    trailing: tuple[int, ...]

    @property
    def group(self) -> int:
        """The length of the axis along which neurons act on each other: the last of a sample."""
        return self.trailing[-1] if self.trailing else 1

    @staticmethod
    def of(x: Tensor, batch_first: bool) -> "_Layout":
        """Read a layout; sizes are multiplied out because one of them may be zero."""
        first, second, *trailing = x.shape
        batch, steps = (first, second) if batch_first else (second, first)
        inner = prod(trailing)
        sequence = (batch, steps, inner) if batch_first else (1, steps, batch * inner)
        return _Layout(sequence, (batch, *trailing), tuple(trailing))


def _wide(name: str, value: Tensor, x: Tensor) -> Tensor:
    """Give a parameter in float64, in which coefficients are formed; it must be where x is."""
    _checks.together(name, value, "x", x, "layer.to(x.device) moves the layer")
    return value.to(torch.float64)


def _stack_coefficients(plan: Plan, values: Mapping[str, Tensor], trailing: tuple[int, ...]) -> tuple[Tensor, list[str]]:
    """Lay the coefficients out as rows of one tensor (n, P), P = 1 where every one is a scalar, else the neurons they differ over.

    And the names of those whose gradient is needed: what learned parameters reach (known beforehand, because inside vmap a tensor does
    not say whether it requires grad), and what was put in a buffer's place by `torch.func.functional_call`.
    """
    formed = coefficients(plan.neuron, values)
    rows = [formed[name] for name in plan.kernel.coefficients]
    for name, value in (*values.items(), *zip(plan.kernel.coefficients, rows, strict=True)):
        sizes = zip(reversed(value.shape), reversed(trailing), strict=False)
        if value.ndim > len(trailing) or any(size not in (1, wanted) for size, wanted in sizes):
            wanted = f"the trailing axes {trailing} of x, those after time and batch"
            wanted += channel_shape(value.shape, trailing)
            raise InvalidValueError(f"{name} has the shape {tuple(value.shape)}: it must broadcast against {wanted}")
    most = max(row.ndim for row in rows)
    shape = trailing[len(trailing) - most :]
    device = next(iter(values.values())).device
    named = list(zip(plan.kernel.coefficients, rows, strict=True))
    needs = [name for name, row in named if name in plan.needs or (row.requires_grad and name not in COUNTS)]
    return torch.stack([row.to(device).expand(shape) for row in rows]).reshape(len(rows), prod(shape)), needs


def _stack_state(plan: Plan, values: Mapping[str, Tensor], x: Tensor, state: State | None, layout: _Layout) -> Tensor:
    """Lay the state out as slices of one tensor (n_states, outer, inner): the one given, or where the neuron starts."""
    fields = plan.kernel.states
    if state is None:
        # A fresh array where it is no tensor: torch warns about arrays that cannot be written.
        begun = {name: torch.as_tensor(v if isinstance(v, Tensor) else np.array(v)).to(x) for name, v in plan.neuron.start(values).items()}
        each = [begun.get(name, x.new_zeros(())).expand(layout.step) for name in fields]
    else:
        if getattr(state, "_fields", None) != fields:
            came = f"fields {', '.join(state._fields)}" if hasattr(state, "_fields") else type(state).__name__
            msg = f"state has {came}: this neuron needs one with {', '.join(fields)}, such as a call of it returned; None starts at rest"
            raise InvalidTypeError(msg)
        for name, value in zip(fields, state, strict=True):
            _checks.floating(f"state.{name}", value)
            if value.shape != layout.step:
                wanted = f"for x of shape {tuple(x.shape)} it must be {layout.step}; None starts at rest"
                wanted += swapped_axes(value.shape, layout.step, x.shape)
                raise InvalidValueError(f"state.{name} has the shape {tuple(value.shape)}: {wanted}")
            _checks.alike(f"state.{name}", value, "x", x, f"state.{name}.to(x) moves and converts it")
        each = [_flow(plan.kernel, name, value) for name, value in zip(fields, state, strict=True)]
    outer, _, inner = layout.sequence
    return torch.stack(each).reshape(len(fields), outer, inner)

"""Spikes of a neuron that gets the input as a constant current."""

from __future__ import annotations

from typing import Any

import numpy as np

from rsnn.arguments import scalar, shown, size
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.neurons import AnyNeuron, Neuron
from rsnn.simulation import simulate
from rsnn.stages import Blend, Euler, Strict
from rsnn.state import make_state

from .first import spike_latency
from .given import Given, given, unpacked

DEFAULTS = {"tau_mem": 10.0, "v_threshold": 1.0, "v_leak": 0.0, "v_reset": 0.0, "dt": 1.0}


def constant_current_lif(
    x: Any,
    steps: int,
    *,
    tau_mem: float = 10.0,
    v_threshold: float = 1.0,
    v_leak: float = 0.0,
    v_reset: float = 0.0,
    dt: float = 1.0,
    neuron: AnyNeuron | None = None,
    surrogate: Any = None,
    packed: bool = False,
    threads: int | None = None,
) -> Any:
    """Give the input to a neuron as a constant current, and its spikes: Norse's ``constant_current_lif_encode``.

    One step, from v = 0::

        u = v + (dt / tau_mem) ((v_leak - v) + x)
        s = [u - v_threshold > 0];   v = (1 - s) u + s v_reset

    Parameters
    ----------
    x : array_like or tensor (...)
        The current; any sign.
    steps : int
        The number of steps, T.
    tau_mem, dt : float, default 10.0 and 1.0
        Time constant and step, in one unit. (Norse has 0.01 s and 0.001 s.)
    v_threshold, v_leak, v_reset : float
    neuron : neuron, optional
        Any other neuron that spikes, from its own start: then none of the numbers above.
    surrogate : of `rsnn.surrogate`, optional
        Of a tensor: the slope of a spike in the gradient, as of `rsnn.torch.Layer`.
    packed : bool, default False
        Give `rsnn.Spikes`, one bit each. Not of a tensor.
    threads : int, optional
        As of `rsnn.simulate`; not of a tensor.

    Returns
    -------
    array, Spikes or tensor (T, ...)
        Of the dtype of x. The gradient flows from the spikes of a tensor to its currents.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument that is not accepted.

    Notes
    -----
    Norse forms the reset as ``u - s (u - v_reset)``, which may differ from v_reset in the last bit where that is not 0.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.encode.constant_current_lif([2.0, 4.0, 8.0, 16.0], 2).tolist()
    [[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
    """
    numbers = {"tau_mem": tau_mem, "v_threshold": v_threshold, "v_leak": v_leak, "v_reset": v_reset, "dt": dt}
    return _spikes(x, steps, numbers, neuron, surrogate, packed, threads)


def spike_latency_lif(
    x: Any,
    steps: int,
    *,
    tau_mem: float = 10.0,
    v_threshold: float = 1.0,
    v_leak: float = 0.0,
    v_reset: float = 0.0,
    dt: float = 1.0,
    neuron: AnyNeuron | None = None,
    surrogate: Any = None,
    packed: bool = False,
    threads: int | None = None,
) -> Any:
    """Fire once, when a neuron with the input as its constant current would fire first: Norse's ``spike_latency_lif_encode``.

    Parameters
    ----------
    x, steps, tau_mem, v_threshold, v_leak, v_reset, dt, neuron, surrogate, packed, threads
        As of `constant_current_lif`, of whose spikes the first is kept.

    Returns
    -------
    array, Spikes or tensor (T, ...)
        Of the dtype of x. The gradient flows from the spikes that are kept.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument that is not accepted.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.encode.spike_latency_lif([4.0, 8.0, 16.0], 4).argmax(0).tolist()
    [2, 1, 0]
    """
    numbers = {"tau_mem": tau_mem, "v_threshold": v_threshold, "v_leak": v_leak, "v_reset": v_reset, "dt": dt}
    return spike_latency(_spikes(x, steps, numbers, neuron, surrogate, packed, threads), packed=packed, threads=threads)


def _spikes(x: Any, steps: Any, numbers: dict[str, Any], neuron: Any, surrogate: Any, packed: Any, threads: Any) -> Any:
    came, steps = given("x", x), size("steps", steps, 0)
    packed = unpacked(came, packed)
    start = None
    if neuron is None:
        neuron = _lif(**numbers)
        start = make_state(("v",), [np.zeros(came.array.shape, came.dtype)])  # as Norse, also where v_leak is not 0
    else:
        _check(neuron, numbers)
    if came.tensor is not None:
        return _tensor(came, steps, neuron, start, surrogate, threads)
    if surrogate is not None:
        raise InvalidValueError("surrogate: x is an array, which has no gradient; leave surrogate out, or give torch.as_tensor(x)")
    return simulate(neuron, came.array, start, steps=steps, packed=packed, threads=threads).spikes


def _lif(tau_mem: Any, v_threshold: Any, v_leak: Any, v_reset: Any, dt: Any) -> Neuron:
    numbers = {"tau_mem": tau_mem, "v_threshold": v_threshold, "v_leak": v_leak, "v_reset": v_reset, "dt": dt}
    tau_mem, v_threshold, v_leak, v_reset, dt = (scalar(name, value) for name, value in numbers.items())
    return Neuron(membrane=Euler(tau_mem=tau_mem, v_leak=v_leak), fire=Strict(v_threshold=v_threshold), reset=Blend(v_reset=v_reset), dt=dt)


def _check(neuron: Any, numbers: dict[str, Any]) -> None:
    if not isinstance(neuron, AnyNeuron):
        raise InvalidTypeError(f"neuron={shown(neuron)}: must be a neuron, such as rsnn.LIF(tau_mem=20.0), or None for Norse's LIF")
    if not neuron.stages.kernel().spiking:
        raise InvalidValueError(f"neuron={neuron!r}: it does not spike; give one that does, such as rsnn.LIF(tau_mem=20.0)")
    twice = [name for name, value in numbers.items() if scalar(name, value) != DEFAULTS[name]]
    if twice:
        raise InvalidValueError(f"{twice[0]}={numbers[twice[0]]!r}: the neuron has its own numbers; give it there, or leave neuron out")


def _tensor(x: Given, steps: int, neuron: Any, start: Any, surrogate: Any, threads: Any) -> Any:
    import torch

    from rsnn.torch import functional

    if threads is not None:
        raise InvalidValueError(f"threads={threads!r}: x is a tensor; leave threads out and use rsnn.set_num_threads")
    tensor = x.tensor
    current = tensor if tensor.dtype.is_floating_point else tensor.to(torch.float32)
    sequence = current.reshape(1, 1, -1).expand(steps, 1, -1)
    if start is not None:
        start = make_state(("v",), [torch.zeros_like(sequence[0] if steps else current.reshape(1, -1))])
    options = {} if surrogate is None else {"surrogate": surrogate}
    return functional.simulate(neuron, sequence, start, **options).spikes.reshape(steps, *tensor.shape)

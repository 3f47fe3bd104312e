"""The neurons of SpikingJelly (2.0.0), by its class and argument names.

All fire where ``u - v_threshold >= 0``, and start at v_reset. A reset is ``v = s v_reset + (1 - s) u``, or with ``v_reset=None``
``v = u - s v_threshold``; the membrane then starts at 0. SpikingJelly divides by its time constants, which are in steps, and so does
rsnn. Its numbers are Python floats, rounded to the data's dtype where they are used.

Source: W. Fang et al., SpikingJelly: an open-source machine learning infrastructure platform for spike-based intelligence, Science
Advances 2023, https://github.com/fangwei123456/spikingjelly.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.errors import InvalidValueError
from rsnn.stages import Blend, Exponential, Integrator, Leaky, Mul, RecoveryCurrent, Single, Subtract, Tau, TauExp, TauQuad

from .numbers import Number, exp
from .preset import Stages, preset
from .surrogates import find

if TYPE_CHECKING:
    from rsnn.stages.stage import Parameter
    from rsnn.surrogate import Surrogate

__all__ = ["CUBALIFNode", "EIFNode", "IFNode", "IzhikevichNode", "LIFNode", "ParametricLIFNode", "QIFNode"]


def _make(membrane: Any, v_threshold: Parameter, v_reset: Parameter | None, **more: Any) -> Stages:
    """Make a neuron that is reset to v_reset and starts there, or by subtraction."""
    soft = v_reset is None
    reset = Subtract() if soft else partial(Blend, v_reset=v_reset)  # type: ignore[arg-type]
    fire = partial(Single, v_threshold=v_threshold)
    return {"membrane": membrane, "fire": fire, "reset": reset, "v_start": 0.0 if soft else "v_reset", **more}


def _rest(v_reset: Parameter | None) -> Parameter:
    return 0.0 if v_reset is None else v_reset


def _quadratic(tau: Parameter, v_rest: Parameter, a0: Parameter, v_c: Parameter) -> Any:
    return partial(TauQuad, tau=tau, v_leak=v_rest, a0=a0, v_crit=v_c)


STEEPEST = 500.0
"""The largest size of w: beyond it its sigmoid is 0 or 1."""


@preset()
def IFNode(v_threshold: Parameter = 1.0, v_reset: Parameter | None = 0.0) -> Stages:
    """Make SpikingJelly's integrate-and-fire neuron.

    One step::

        u = v + x
        s = [u - v_threshold >= 0];   v = s v_reset + (1 - s) u          v_reset=None: v = u - s v_threshold

    Parameters
    ----------
    v_threshold : positive where it is subtracted
    v_reset : value after a spike and before the first step; None: the threshold is subtracted

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.spikingjelly.IFNode(), [0.5, 0.5, 0.5]).spikes.tolist()
    [0.0, 1.0, 0.0]
    """
    return _make(Integrator(), v_threshold, v_reset)


@preset()
def LIFNode(tau: Parameter = 2.0, decay_input: bool = True, v_threshold: Parameter = 1.0, v_reset: Parameter | None = 0.0) -> Stages:
    """Make SpikingJelly's leaky integrate-and-fire neuron.

    One step, the membrane leaking to v_reset (to 0 with ``v_reset=None``)::

        u = v + (x - (v - v_reset)) / tau           decay_input=True
            (v - (v - v_reset) / tau) + x                       False
        s = [u - v_threshold >= 0];   v = s v_reset + (1 - s) u          v_reset=None: v = u - s v_threshold

    Parameters
    ----------
    tau : time constant in steps
    decay_input : whether the input is divided too
    v_threshold, v_reset : as of `IFNode`

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.spikingjelly.LIFNode(), [1.0, 1.5, 0.0], record="v").v.tolist()
    [0.5, 0.0, 0.0]
    """
    return _make(partial(Tau, tau=tau, v_leak=_rest(v_reset), decay_input=decay_input), v_threshold, v_reset)


@preset(init_tau=("w",), sigmoid_w=("w", "init_tau"))
def ParametricLIFNode(
    init_tau: Parameter = 2.0,
    decay_input: bool = True,
    v_threshold: Parameter = 1.0,
    v_reset: Parameter | None = 0.0,
    *,
    w: Parameter | None = None,
    sigmoid_w: Parameter | None = None,
) -> Stages:
    """Make SpikingJelly's LIF whose time constant is learned, ``1 / tau = sigmoid(w)``.

    One step, k = sigmoid(w), the membrane leaking to v_reset (to 0 with ``v_reset=None``)::

        u = v + (x - (v - v_reset)) k               decay_input=True
            (v - (v - v_reset) k) + x                           False
        s = [u - v_threshold >= 0];   v = s v_reset + (1 - s) u          v_reset=None: v = u - s v_threshold

    Parameters
    ----------
    init_tau : time constant in steps, more than 1: ``w = -ln(init_tau - 1)``
    decay_input, v_threshold, v_reset : as of `LIFNode`
    w : the learned number itself, in place of init_tau
    sigmoid_w : its sigmoid, as SpikingJelly's own exponential formed it, in place of both

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.spikingjelly.ParametricLIFNode(), [1.0, 1.5, 0.0], record="v").v.tolist()
    [0.5, 0.0, 0.0]
    """
    k = 1.0 / (1.0 + exp(-_learned(init_tau, w, sigmoid_w)))
    if sigmoid_w is not None:
        k = k.valued(sigmoid_w)  # type: ignore[arg-type]
    return _make(partial(Mul, k=k, v_leak=_rest(v_reset), decay_input=decay_input), v_threshold, v_reset)


def _learned(init_tau: Any, w: Any, sigmoid_w: Any) -> Number:
    """Give the number that is learned, w, from whichever of the three was given."""
    if w is None and sigmoid_w is not None:
        k = sigmoid_w.held(0.0, 1.0).double().value
        with np.errstate(divide="ignore"):
            w = Number.of("w", np.clip(np.log(k) - np.log1p(-k), -STEEPEST, STEEPEST))
    elif w is None:
        tau = init_tau.double().value
        if np.any(tau <= 1):
            raise InvalidValueError(f"init_tau={init_tau}: must be more than 1, in steps; or give w= or sigmoid_w=")
        w = Number.of("w", -np.log(tau - 1.0))
    made: Number = w.held(-STEEPEST, STEEPEST)
    return made


@preset()
def QIFNode(
    tau: Parameter = 2.0,
    v_c: Parameter = 0.8,
    a0: Parameter = 1.0,
    v_threshold: Parameter = 1.0,
    v_rest: Parameter = 0.0,
    v_reset: Parameter | None = -0.1,
) -> Stages:
    """Make SpikingJelly's quadratic integrate-and-fire neuron.

    One step::

        u = v + (x + (a0 (v - v_rest)) (v - v_c)) / tau
        s = [u - v_threshold >= 0];   v = s v_reset + (1 - s) u          v_reset=None: v = u - s v_threshold

    Parameters
    ----------
    tau : time constant in steps
    v_c, a0, v_rest : upper root, steepness and lower root of the drive
    v_threshold, v_reset : as of `IFNode`

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.spikingjelly.QIFNode(v_reset=0.0), [1.0, 0.0], record="v").v.tolist()
    [0.5, 0.425]
    """
    return _make(_quadratic(tau, v_rest, a0, v_c), v_threshold, v_reset)


@preset()
def EIFNode(
    tau: Parameter = 2.0,
    delta_T: Parameter = 1.0,
    theta_rh: Parameter = 0.8,
    v_threshold: Parameter = 1.0,
    v_rest: Parameter = 0.0,
    v_reset: Parameter | None = -0.1,
) -> Stages:
    """Make SpikingJelly's exponential integrate-and-fire neuron.

    One step::

        u = v + (((x + v_rest) - v) + delta_T exp((v - theta_rh) / delta_T)) / tau
        s = [u - v_threshold >= 0];   v = s v_reset + (1 - s) u          v_reset=None: v = u - s v_threshold

    Parameters
    ----------
    tau : time constant in steps
    delta_T, theta_rh : sharpness of the drive, where it sets in
    v_rest : resting value
    v_threshold, v_reset : as of `IFNode`

    Returns
    -------
    rsnn.Neuron

    Notes
    -----
    The exponential is rsnn's own, within two units in the last place of the true one; torch's is another such.

    Examples
    --------
    >>> import rsnn
    >>> round(float(rsnn.simulate(rsnn.presets.spikingjelly.EIFNode(v_reset=0.0), [1.0], record="v").v[0]), 6)
    0.724664
    """
    return _make(partial(TauExp, tau=tau, v_leak=v_rest, delta_t=delta_T, v_rheobase=theta_rh), v_threshold, v_reset)


@preset()
def IzhikevichNode(
    tau: Parameter = 2.0,
    v_c: Parameter = 0.8,
    a0: Parameter = 1.0,
    v_threshold: Parameter = 1.0,
    v_reset: Parameter | None = 0.0,
    v_rest: Parameter = -0.1,
    w_rest: Parameter = 0.0,
    tau_w: Parameter = 2.0,
    a: Parameter = 0.0,
    b: Parameter = 0.0,
) -> Stages:
    """Make SpikingJelly's Izhikevich neuron, a quadratic one with a recovery current w.

    One step::

        u = v + ((x + (a0 (v - v_rest)) (v - v_c)) - w) / tau
        w = w + (a (u - v_rest) - w) / tau_w
        s = [u - v_threshold >= 0];   v = s v_reset + (1 - s) u          v_reset=None: v = u - s v_threshold
        w = w + b s

    Parameters
    ----------
    tau, tau_w : time constants of membrane and recovery in steps
    v_c, a0, v_rest : upper root, steepness and lower root of the drive
    v_threshold, v_reset : as of `IFNode`
    w_rest : where the recovery starts
    a, b : how the recovery follows the membrane, what a spike adds to it

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> neuron = rsnn.presets.spikingjelly.IzhikevichNode(b=0.25)
    >>> rsnn.simulate(neuron, [2.5, 0.0], record="w").w.tolist()
    [0.25, 0.125]
    """
    recovery = partial(RecoveryCurrent, tau_adapt=tau_w, couple=a, inc=b, begins=w_rest)
    return _make(_quadratic(tau, v_rest, a0, v_c), v_threshold, v_reset, adaptation=recovery)


@preset()
def CUBALIFNode(
    c_decay: Parameter = 0.5, v_decay: Parameter = 0.75, v_threshold: Parameter = 0.5, v_reset: Parameter | None = 0.0
) -> Stages:
    """Make SpikingJelly's current-based leaky integrate-and-fire neuron.

    One step, i being SpikingJelly's c::

        i = c_decay i + x
        u = v_decay v + i
        s = [u - v_threshold >= 0];   v = s v_reset + (1 - s) u          v_reset=None: v = u - s v_threshold

    Parameters
    ----------
    c_decay, v_decay : decays per step of current and membrane
    v_threshold, v_reset : as of `IFNode`

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.spikingjelly.CUBALIFNode(), [0.25, 0.25, 0.0], record="v").v.tolist()
    [0.25, 0.0, 0.1875]
    """
    return _make(partial(Leaky, beta=v_decay), v_threshold, v_reset, synapse=partial(Exponential, alpha=c_decay))


def surrogate(name: str, **params: float) -> Surrogate:
    """Give a surrogate gradient of SpikingJelly by its name, argument names and defaults.

    Its surrogates: Sigmoid, ATan, SoftSign, SuperSpike, Erf, PiecewiseQuadratic, PiecewiseExp, Rect, NonzeroSignLogAbs,
    PiecewiseLeakyReLU, S2NN, QPseudoSpike, LeakyKReLU, FakeNumericalGradient, LogTailedReLU, SquarewaveFourierSeries,
    DeterministicPass.

    ``QPseudoSpike`` and ``SquarewaveFourierSeries`` need functions that the native engine does not have, and run on the torch backend.

    Parameters
    ----------
    name : str
        As SpikingJelly calls it.
    **params : float
        Its arguments, by SpikingJelly's names; see ``rsnn.presets.surrogates.TABLE`` for the defaults.

    Returns
    -------
    Surrogate
        A curve of `rsnn.surrogate`, for ``rsnn.torch.Layer(..., surrogate=)``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        The name or an argument is not one of SpikingJelly's; the message lists those that are.

    Examples
    --------
    >>> surrogate("SoftSign", alpha=2.0).numpy([0.0]).round(4).tolist()
    [1.0]
    """
    return find("spikingjelly", name, params)

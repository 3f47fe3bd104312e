"""The neurons of snnTorch (1.0.0), by its class and argument names.

Every neuron fires where ``v - threshold > 0`` and is reset one step late, by the test R of the membrane carried in::

    reset_delay=True    R = [v - threshold > 0], at the start of the step; the membrane is reported before its own reset
    reset_delay=False   the same, and then what of this step's spikes was not already reset: d = s - R

    reset_mechanism="subtract"  - R threshold, then - d threshold
                    "zero"      Leaky: v = (1 - R) v before it decays; the others: u = u - R u, which drops the input of the step;
                                then u - d u
                    "none"      nothing

snnTorch holds every number as a float32 tensor, so that what it derives is formed in float32. ``beta`` and ``alpha`` are clamped to 0
to 1 where they are used, and so here.

The recurrent neurons ``RLeaky`` and ``RSynaptic`` are run with ``rsnn.simulate(..., recurrent=(weight, bias))`` (``all_to_all=True``) or
``recurrent=V`` (``all_to_all=False``); the term is added after the input, as snnTorch does.

Source: J. K. Eshraghian et al., Training spiking neural networks using lessons from deep learning, Proceedings of the IEEE 2023,
https://github.com/jeshraghian/snntorch.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.arguments import LARGEST, SMALLEST, choice, flag
from rsnn.errors import InvalidValueError
from rsnn.stages import Blend, Drop, Exponential, SnnTorchAlpha, Strict, Subtract
from rsnn.stages import Lapicque as _Lapicque
from rsnn.stages import Leaky as _Leaky

from .numbers import Number, log
from .preset import Stages, preset
from .surrogates import find

if TYPE_CHECKING:
    from rsnn.stages import Stage
    from rsnn.stages.stage import Parameter
    from rsnn.surrogate import Surrogate

__all__ = ["Alpha", "Lapicque", "Leaky", "RLeaky", "RSynaptic", "Synaptic"]

RESETS = ("subtract", "zero", "none")
SLOWEST, FASTEST = float(np.exp(-1.0)), 1.0 - 2.0**-24
"""Between these a beta of Lapicque is learned: its Euler step decays by ``1 + ln(beta)``, from 0 to 1."""


def _leaky(beta: Any) -> Any:
    return partial(_Leaky, beta=_decay(beta))


def _decay(number: Any) -> Any:
    return number.single().clamped(0.0, 1.0)


def _make(
    membrane: Any,
    threshold: Any,
    reset_mechanism: str,
    reset_delay: bool,
    inhibition: bool,
    graded_spikes_factor: Any,
    *,
    synapse: Any = None,
    zero: type[Stage] = Drop,
) -> Stages:
    timing = "next" if flag("reset_delay", reset_delay) else "residual"
    kind = choice("reset_mechanism", reset_mechanism, RESETS)
    reset: Stage | None = None
    if kind != "none":
        reset = Subtract(timing) if kind == "subtract" else zero(timing=timing)  # type: ignore[call-arg]
    return {"synapse": synapse, "membrane": membrane, "reset": reset} | _sending(threshold, inhibition, graded_spikes_factor)


def _sending(threshold: Any, inhibition: bool, graded_spikes_factor: Any) -> Stages:
    fire = partial(Strict, v_threshold=threshold.single())
    return {"fire": fire, "inhibition": inhibition, "graded": graded_spikes_factor.single()}


@preset()
def Leaky(
    beta: Parameter,
    threshold: Parameter = 1.0,
    *,
    reset_mechanism: str = "subtract",
    reset_delay: bool = True,
    inhibition: bool = False,
    graded_spikes_factor: Parameter = 1.0,
) -> Stages:
    """Make snnTorch's leaky integrate-and-fire neuron.

    One step, with R, d and what follows as of `rsnn.presets.snntorch`::

        u = (beta v + x) - R threshold              reset_mechanism="subtract"
            beta ((1 - R) v) + x                                    "zero"
            beta v + x                                              "none"
        s = [u - threshold > 0]

    Parameters
    ----------
    beta : decay per step, clamped to 0 to 1
    threshold : positive
    reset_mechanism : ``"subtract"``, ``"zero"`` or ``"none"``
    reset_delay : whether this step's spikes wait for the next step to reset the membrane
    inhibition : whether of the neurons along the last axis only the one furthest above its threshold fires
    graded_spikes_factor : the size of a spike that is sent on

    Returns
    -------
    rsnn.Neuron

    Notes
    -----
    With ``reset_delay=False`` a membrane of more than two thresholds is held back once more, and given back when it does not fire: that
    is what snnTorch does, and not a plain reset in the step that fires (``rsnn.LIF``).

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.snntorch.Leaky(beta=0.5), [1.5, 0.0, 0.0], record="v").v.tolist()
    [1.5, -0.25, -0.125]
    """
    return _make(_leaky(beta), threshold, reset_mechanism, reset_delay, inhibition, graded_spikes_factor, zero=Blend)


@preset()
def Synaptic(
    alpha: Parameter,
    beta: Parameter,
    threshold: Parameter = 1.0,
    *,
    reset_mechanism: str = "subtract",
    reset_delay: bool = True,
    inhibition: bool = False,
    graded_spikes_factor: Parameter = 1.0,
) -> Stages:
    """Make snnTorch's neuron of second order.

    One step, with R, d and what follows as of `rsnn.presets.snntorch`::

        i = alpha i + x
        u = (beta v + i) - R threshold              reset_mechanism="subtract"
            (beta v + i) - R (beta v + i)                           "zero": drops the input of the step, unlike Leaky
            beta v + i                                              "none"
        s = [u - threshold > 0]

    Parameters
    ----------
    alpha, beta : decays per step of current and membrane, clamped to 0 to 1
    threshold, reset_mechanism, reset_delay, inhibition, graded_spikes_factor : as of `Leaky`

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> neuron = rsnn.presets.snntorch.Synaptic(alpha=0.5, beta=0.5, reset_mechanism="zero")
    >>> rsnn.simulate(neuron, [1.5, 1.0, 0.0], record=("v", "i")).v.tolist()
    [1.5, 0.0, 0.875]
    """
    synapse = partial(Exponential, alpha=_decay(alpha))
    return _make(_leaky(beta), threshold, reset_mechanism, reset_delay, inhibition, graded_spikes_factor, synapse=synapse)


@preset(tau_alpha=("alpha", "beta"))
def Alpha(
    alpha: Parameter,
    beta: Parameter,
    threshold: Parameter = 1.0,
    *,
    reset_mechanism: str = "zero",
    reset_delay: bool = True,
    inhibition: bool = False,
    graded_spikes_factor: Parameter = 1.0,
    tau_alpha: Parameter | None = None,
) -> Stages:
    """Make snnTorch's Alpha: the membrane is the difference of two decays.

    One step, i and h being snnTorch's syn_exc and syn_inh as carried in::

        R = [v - threshold > 0]
        e = alpha i + x;   f = beta h - x;   m = tau_alpha (e + f)
        i, h, v = e, f, m                                            reset_mechanism="none"
                  e - threshold R, f - f R, m + h R                                  "subtract"
                  e - e R, f - f R, m - m R                                          "zero"
        s = [v - threshold > 0]

    Parameters
    ----------
    alpha, beta : decays per step of the two currents, alpha the larger, clamped to 0 to 1
    threshold, inhibition, graded_spikes_factor : as of `Leaky`
    reset_mechanism : ``"zero"``, ``"subtract"`` or ``"none"``
    reset_delay : True; False, which resets the membrane a second time without its currents, is not here
    tau_alpha : the weight ``ln(alpha) / (ln(beta) - ln(alpha)) + 1``, as snnTorch formed it

    Returns
    -------
    rsnn.Neuron

    Notes
    -----
    Nothing decays but the currents: v has no memory of its own. In snnTorch ``learn_alpha=True`` raises a TypeError; as a layer of
    rsnn alpha, beta and the weight can be learned, each for itself.

    Examples
    --------
    >>> import rsnn
    >>> neuron = rsnn.presets.snntorch.Alpha(alpha=0.75, beta=0.5, tau_alpha=2.0)
    >>> rsnn.simulate(neuron, [1.0, 0.0, 0.0], record="v").v.tolist()
    [0.0, 0.5, 0.625]
    """
    if not flag("reset_delay", reset_delay):
        raise InvalidValueError("reset_delay=False: Alpha is here with reset_delay=True alone; leave it out, or use Synaptic")
    mechanism = choice("reset_mechanism", reset_mechanism, RESETS)
    slow, fast = _decay(alpha), _decay(beta)
    wide, narrow = (log(decay.ranging(SMALLEST, 1.0).double()) for decay in (slow, fast))
    weight = (wide / (narrow - wide) + 1.0).single()
    if tau_alpha is not None:
        weight = weight.valued(tau_alpha.single())  # type: ignore[union-attr]
    elif not np.all(np.isfinite(weight.value)) or np.any(slow.value <= fast.value):
        raise InvalidValueError(f"alpha={slow}, beta={fast}: alpha must be larger than beta, both between 0 and 1")
    reset = {"zero": "drop"}.get(mechanism, mechanism)
    membrane = partial(SnnTorchAlpha, alpha=slow, beta=fast, scale=weight, reset=reset)
    return {"membrane": membrane} | _sending(threshold, inhibition, graded_spikes_factor)


@preset(R=("beta", "C", "time_step"), C=("beta", "R", "time_step"))
def Lapicque(
    beta: Parameter | None = None,
    R: Parameter | None = None,
    C: Parameter | None = None,
    time_step: Parameter = 1.0,
    threshold: Parameter = 1.0,
    *,
    reset_mechanism: str = "subtract",
    reset_delay: bool = True,
    inhibition: bool = False,
    graded_spikes_factor: Parameter = 1.0,
) -> Stages:
    """Make snnTorch's Lapicque neuron.

    One step, with R the reset test of `rsnn.presets.snntorch`, and r the resistance::

        u = (1 - time_step / (r C)) v + ((x r) (1 / (r C))) time_step
        u = u - R threshold                         reset_mechanism="subtract"
            u - R u                                                 "zero"
            u                                                       "none"
        s = [u - threshold > 0]

    Parameters
    ----------
    beta : the decay from which what is not given of R and C comes: ``r C = time_step / ln(1 / beta)``, r = 1 where neither is given
    R, C : resistance and capacitance; given with beta they are taken as they are, as snnTorch derived them
    time_step : length of a step
    threshold, reset_mechanism, reset_delay, inhibition, graded_spikes_factor : as of `Leaky`

    Returns
    -------
    rsnn.Neuron

    Notes
    -----
    snnTorch never decays by beta: its Euler step decays by ``1 - time_step / (r C) = 1 + ln(beta)``, 0.8946 for 0.9. So it does here.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.snntorch.Lapicque(R=2.0, C=4.0), [1.0, 0.0], record="v").v.tolist()
    [0.25, 0.21875]
    """
    step: Any = time_step.single()  # type: ignore[union-attr]
    r, c = _resistance_and_capacitance(beta, R, C, step)
    made = partial(_Lapicque, beta=1.0 - step / (r * c), r=r, inverse=1.0 / (r * c), time_step=step)
    return _make(made, threshold, reset_mechanism, reset_delay, inhibition, graded_spikes_factor)


def _resistance_and_capacitance(beta: Any, r: Any, c: Any, step: Number) -> tuple[Number, Number]:
    """Give R and C in float32; where beta was given, what is left of them is learned by it."""
    r, c = (None if number is None else number.single().ranging(SMALLEST, LARGEST) for number in (r, c))
    if beta is None:
        if r is None or c is None:
            raise InvalidValueError("beta=None: give beta=, or both R= and C=")
        return r, c
    beta = beta.single().held(SMALLEST, 1.0).ranging(SLOWEST, FASTEST)
    rc = step.double() / log(1.0 / beta.double())
    if r is None and c is not None:
        return (rc / c.double()).single(), c
    made_r = Number.of("R", np.float32(1.0)) if r is None else r
    made_c = (rc / made_r.double()).single()
    return made_r, made_c if c is None else made_c.valued(c)


@preset()
def RLeaky(
    beta: Parameter,
    threshold: Parameter = 1.0,
    *,
    reset_mechanism: str = "subtract",
    reset_delay: bool = True,
    inhibition: bool = False,
    graded_spikes_factor: Parameter = 1.0,
) -> Stages:
    """Make snnTorch's recurrent leaky neuron; its weights are given to the run.

    One step, r being what the last spikes bring, with R, d and what follows as of `rsnn.presets.snntorch`::

        u = ((beta v + x) + r) - R threshold        reset_mechanism="subtract"
            ((beta v + x) + r) - R ((beta v + x) + r)               "zero": drops the input of the step, unlike Leaky
            (beta v + x) + r                                        "none"
        s = [u - threshold > 0]

    Parameters
    ----------
    beta, threshold, reset_mechanism, reset_delay, inhibition, graded_spikes_factor : as of `Leaky`

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> neuron = rsnn.presets.snntorch.RLeaky(beta=0.5)
    >>> rsnn.simulate(neuron, [[1.5], [0.0]], recurrent=[0.5], record="v").v.ravel().tolist()
    [1.5, 0.25]
    """
    return _make(_leaky(beta), threshold, reset_mechanism, reset_delay, inhibition, graded_spikes_factor)


@preset()
def RSynaptic(
    alpha: Parameter,
    beta: Parameter,
    threshold: Parameter = 1.0,
    *,
    reset_mechanism: str = "subtract",
    reset_delay: bool = True,
    inhibition: bool = False,
    graded_spikes_factor: Parameter = 1.0,
) -> Stages:
    """Make snnTorch's recurrent neuron of second order; its weights are given to the run.

    One step, r being what the last spikes bring, and the rest as of `Synaptic`::

        i = (alpha i + x) + r

    Parameters
    ----------
    alpha, beta, threshold, reset_mechanism, reset_delay, inhibition, graded_spikes_factor : as of `Synaptic`

    Returns
    -------
    rsnn.Neuron

    Notes
    -----
    snnTorch raises a RuntimeError with ``reset_delay=False``; here it means what it means for `Synaptic`.

    Examples
    --------
    >>> import rsnn
    >>> neuron = rsnn.presets.snntorch.RSynaptic(alpha=0.5, beta=0.5)
    >>> rsnn.simulate(neuron, [[1.5], [0.0]], recurrent=[0.5], record="i").i.ravel().tolist()
    [1.5, 1.25]
    """
    return Synaptic.stages(
        alpha,
        beta,
        threshold,
        reset_mechanism=reset_mechanism,
        reset_delay=reset_delay,
        inhibition=inhibition,
        graded_spikes_factor=graded_spikes_factor,
    )


def surrogate(name: str, **params: float) -> Surrogate:
    """Give a surrogate gradient of snnTorch by its name, argument names and defaults.

    Its surrogates: atan, fast_sigmoid, sigmoid, straight_through_estimator, triangular, heaviside, spike_rate_escape, SFS.

    ``triangular`` is negative above the threshold, as snnTorch has it. ``sigmoid`` is finite where snnTorch overflows to NaN.

    Parameters
    ----------
    name : str
        As snnTorch calls it.
    **params : float
        Its arguments, by snnTorch's names; see ``rsnn.presets.surrogates.TABLE`` for the defaults.

    Returns
    -------
    Surrogate
        A curve of `rsnn.surrogate`, for ``rsnn.torch.Layer(..., surrogate=)``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        The name or an argument is not one of snnTorch's; the message lists those that are.

    Examples
    --------
    >>> surrogate("fast_sigmoid", slope=25.0).numpy([0.0]).round(4).tolist()
    [1.0]
    """
    return find("snntorch", name, params)

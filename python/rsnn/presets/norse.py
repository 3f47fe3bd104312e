"""The neurons of Norse (1.1.0), by the names and defaults of its parameters.

Its time constants are inverse, in 1/s, and dt is in s. Its modules are feed-forward (``LIF``) and recurrent (``LIFRecurrent``): here
the same neuron is run with ``rsnn.simulate(..., recurrent=w_rec)``, whose term is added after the input, as Norse does. In the update
equations v, i, a and rest are the states of rsnn; Norse's own names are given where they differ. Everything fires where ``u > v_th``,
and a reset is ``v = (1 - s) u + s v_reset``.

Source: C. Pehle and J. E. Pedersen, Norse: a deep learning library for spiking neural networks, https://github.com/norse/norse.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rsnn.arguments import choice
from rsnn.stages import (
    AdaptationCurrent,
    Blend,
    BlendSubtract,
    Box,
    Coba,
    Euler,
    EulerCurrent,
    EulerExp,
    Integrator,
    Leaky,
    RefractoryMask,
    RelaxingThreshold,
    Strict,
)
from rsnn.stages import Izhikevich as _Izhikevich
from rsnn.stages.stage import NOT_NEGATIVE

from .numbers import exp
from .preset import Stages, preset
from .surrogates import find

if TYPE_CHECKING:
    from rsnn.stages.stage import Parameter
    from rsnn.surrogate import Surrogate

__all__ = [
    "IAF",
    "LI",
    "LIF",
    "LSNN",
    "CobaLIF",
    "ExpFilter",
    "Izhikevich",
    "LIBox",
    "LIFAdEx",
    "LIFBox",
    "LIFEx",
    "LIFRefrac",
]


def _step(dt: float, inverse: Any) -> Any:
    """Give an Euler step of an inverse time constant."""
    return dt * inverse.held(*NOT_NEGATIVE)


def _membrane(kind: Any, dt: float, tau_mem_inv: Parameter, v_leak: Parameter, **more: Parameter) -> Any:
    return partial(kind, k=_step(dt, tau_mem_inv), v_leak=v_leak, **more)


def _current(dt: float, tau_syn_inv: Parameter, order: str = "jump_use_euler") -> Any:
    return partial(EulerCurrent, eta=-_step(dt, tau_syn_inv), order=order)


def _spikes(v_th: Parameter, v_reset: Parameter) -> Stages:
    return {"fire": partial(Strict, v_threshold=v_th), "reset": partial(Blend, v_reset=v_reset)}


@preset()
def LI(tau_syn_inv: Parameter = 200.0, tau_mem_inv: Parameter = 100.0, v_leak: Parameter = 0.0, *, dt: float = 0.001) -> Stages:
    """Make Norse's leaky integrator, whose output is the membrane.

    One step::

        j = i + x
        v = v + (dt tau_mem_inv) ((v_leak - v) + j)
        i = j - (dt tau_syn_inv) j

    Parameters
    ----------
    tau_syn_inv, tau_mem_inv : inverse time constants in 1/s
    v_leak : resting value
    dt : length of a step in s

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.norse.LI(), [10.0, 0.0]).output.round(6).tolist()
    [1.0, 1.7]
    """
    return {"synapse": _current(dt, tau_syn_inv), "membrane": _membrane(Euler, dt, tau_mem_inv, v_leak)}


@preset()
def LIBox(tau_mem_inv: Parameter = 100.0, v_leak: Parameter = 0.0, *, dt: float = 0.001) -> Stages:
    """Make Norse's leaky integrator without a synapse, whose output is the membrane.

    One step::

        v = v + (dt tau_mem_inv) ((v_leak - v) + x)

    Parameters
    ----------
    tau_mem_inv, v_leak, dt : as of `LI`

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.norse.LIBox(), [10.0, 0.0]).output.tolist()
    [1.0, 0.9]
    """
    return {"membrane": _membrane(Euler, dt, tau_mem_inv, v_leak)}


@preset()
def LIF(
    tau_syn_inv: Parameter = 200.0,
    tau_mem_inv: Parameter = 100.0,
    v_leak: Parameter = 0.0,
    v_th: Parameter = 1.0,
    v_reset: Parameter = 0.0,
    *,
    dt: float = 0.001,
) -> Stages:
    """Make Norse's LIF: the membrane sees the current before it decays.

    One step::

        j = i + x
        u = v + (dt tau_mem_inv) ((v_leak - v) + j)
        i = j - (dt tau_syn_inv) j
        s = [u - v_th > 0];   v = (1 - s) u + s v_reset

    Parameters
    ----------
    tau_syn_inv, tau_mem_inv : inverse time constants in 1/s
    v_leak, v_th, v_reset : resting value, threshold, value after a spike
    dt : length of a step in s

    Returns
    -------
    rsnn.Neuron

    Notes
    -----
    In training, Norse lets gradients flow through the reset of the feed-forward module and not of the recurrent one. Its ``"super"``
    surrogate ignored alpha in release 1.1.0.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.norse.LIF(), [11.0, 0.0]).spikes.tolist()
    [1.0, 0.0]
    """
    return LI.stages(tau_syn_inv, tau_mem_inv, v_leak, dt=dt) | _spikes(v_th, v_reset)


@preset()
def LIFBox(
    tau_mem_inv: Parameter = 100.0,
    v_leak: Parameter = 0.0,
    v_th: Parameter = 1.0,
    v_reset: Parameter = 0.0,
    *,
    reset_method: str = "value",
    dt: float = 0.001,
) -> Stages:
    """Make Norse's LIF without a synapse.

    One step::

        u = v + (dt tau_mem_inv) ((x + v_leak) - v)
        s = [u - v_th > 0]
        v = (1 - s) u + s v_reset                   reset_method="value"
            (1 - s) u + s (u - v_th)                reset_method="subtract"

    Parameters
    ----------
    tau_mem_inv, v_leak, v_th, v_reset, dt : as of `LIF`
    reset_method : ``"value"`` or ``"subtract"``: the functions ``reset_value`` and ``reset_subtract`` of Norse

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.norse.LIFBox(reset_method="subtract"), [15.0, 0.0], record="v").v.tolist()
    [0.5, 0.45]
    """
    subtract = choice("reset_method", reset_method, ("value", "subtract")) == "subtract"
    reset = {"reset": BlendSubtract()} if subtract else {}
    return {"membrane": _membrane(Box, dt, tau_mem_inv, v_leak)} | _spikes(v_th, v_reset) | reset


@preset()
def IAF(v_th: Parameter = 1.0, v_reset: Parameter = 0.0) -> Stages:
    """Make Norse's integrate-and-fire neuron: the input is added as it is, without dt.

    One step, from ``v = v_reset``::

        u = v + x
        s = [u - v_th > 0];   v = (1 - s) u + s v_reset

    Parameters
    ----------
    v_th, v_reset : threshold, value after a spike and before the first step

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.norse.IAF(), [0.5, 0.5, 0.5]).spikes.tolist()
    [0.0, 0.0, 1.0]
    """
    return {"membrane": Integrator(), "v_start": "v_reset"} | _spikes(v_th, v_reset)


@preset()
def LIFEx(
    delta_T: Parameter = 0.5,
    tau_syn_inv: Parameter = 200.0,
    tau_mem_inv: Parameter = 100.0,
    v_leak: Parameter = 0.0,
    v_th: Parameter = 1.0,
    v_reset: Parameter = 0.0,
    *,
    dt: float = 0.001,
) -> Stages:
    """Make Norse's LIF with an exponential drive.

    One step::

        j = i + x
        u = v + (dt tau_mem_inv) (((v_leak - v) + delta_T exp((v - v_th) / delta_T)) + j)
        i = j - (dt tau_syn_inv) j
        s = [u - v_th > 0];   v = (1 - s) u + s v_reset

    Parameters
    ----------
    delta_T : sharpness of the drive
    tau_syn_inv, tau_mem_inv, v_leak, v_th, v_reset, dt : as of `LIF`

    Returns
    -------
    rsnn.Neuron

    Notes
    -----
    The exponential is rsnn's own, within two units in the last place of the true one; torch's is another such. Membranes agree to
    about 1e-7 of their size in each step.

    Examples
    --------
    >>> import rsnn
    >>> round(float(rsnn.simulate(rsnn.presets.norse.LIFEx(), [0.0], record="v").v[0]), 6)
    0.006767
    """
    membrane = _membrane(EulerExp, dt, tau_mem_inv, v_leak, delta_t=delta_T, v_rheobase=v_th)
    return {"synapse": _current(dt, tau_syn_inv), "membrane": membrane} | _spikes(v_th, v_reset)


@preset()
def LIFAdEx(
    adaptation_current: Parameter = 4.0,
    adaptation_spike: Parameter = 0.02,
    delta_T: Parameter = 0.5,
    tau_ada_inv: Parameter = 2.0,
    tau_syn_inv: Parameter = 200.0,
    tau_mem_inv: Parameter = 100.0,
    v_leak: Parameter = 0.0,
    v_th: Parameter = 1.0,
    v_reset: Parameter = 0.0,
    *,
    dt: float = 0.001,
) -> Stages:
    """Make Norse's adaptive exponential LIF.

    One step, a being an adaptation current::

        j = i + x
        u = v + (dt tau_mem_inv) ((((v_leak - v) + delta_T exp((v - v_th) / delta_T)) + j) - a)
        i = j - (dt tau_syn_inv) j
        a = a + (dt tau_ada_inv) (adaptation_current (v - v_leak) - a)          v: the membrane carried in
        s = [u - v_th > 0];   v = (1 - s) u + s v_reset;   a = a + s adaptation_spike

    Parameters
    ----------
    adaptation_current, adaptation_spike : how the current follows the membrane, what a spike adds
    delta_T, tau_ada_inv : sharpness of the drive, inverse time constant of the adaptation
    tau_syn_inv, tau_mem_inv, v_leak, v_th, v_reset, dt : as of `LIF`

    Returns
    -------
    rsnn.Neuron

    Notes
    -----
    For the exponential see `LIFEx`. Norse's ``lif_adex_current_encoder`` overwrites its adaptation; this neuron does not.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.norse.LIFAdEx(), [20.0], record="a").a.tolist()
    [0.02]
    """
    current = partial(AdaptationCurrent, rho=_step(dt, tau_ada_inv), couple=adaptation_current, inc=adaptation_spike)
    exponential = LIFEx.stages(delta_T, tau_syn_inv, tau_mem_inv, v_leak, v_th, v_reset, dt=dt)
    return exponential | {"adaptation": current}


@preset()
def LIFRefrac(
    tau_syn_inv: Parameter = 200.0,
    tau_mem_inv: Parameter = 100.0,
    v_leak: Parameter = 0.0,
    v_th: Parameter = 1.0,
    v_reset: Parameter = 0.0,
    rho_reset: Parameter = 5.0,
    *,
    dt: float = 0.001,
) -> Stages:
    """Make Norse's LIF with a refractory period.

    A step of `LIF`, and where ``rest > 0`` (Norse: rho) the membrane holds still and no spike is sent; the current goes on::

        rest = rho_reset where s != 0, else rest - 1 where rest > 0, else 0

    Parameters
    ----------
    tau_syn_inv, tau_mem_inv, v_leak, v_th, v_reset, dt : as of `LIF`
    rho_reset : refractory period in steps

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> rsnn.simulate(rsnn.presets.norse.LIFRefrac(), np.full(8, 20.0)).spikes.tolist()
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    """
    return LIF.stages(tau_syn_inv, tau_mem_inv, v_leak, v_th, v_reset, dt=dt) | {
        "refractory": partial(RefractoryMask, refractory=rho_reset)
    }


@preset()
def LSNN(
    tau_syn_inv: Parameter = 200.0,
    tau_mem_inv: Parameter = 100.0,
    tau_adapt_inv: Parameter = 1 / 800,
    v_leak: Parameter = 0.0,
    v_th: Parameter = 1.0,
    v_reset: Parameter = 0.0,
    beta: Parameter = 1.8,
    *,
    dt: float = 0.001,
) -> Stages:
    """Make Norse's LIF with an adaptive threshold.

    One step, a (Norse: b) being the threshold, which starts at v_th::

        u = v + (dt tau_mem_inv) ((v_leak - v) + i)             the current carried in: the input acts one step later
        i = (i - (dt tau_syn_inv) i) + x
        a = a + (dt tau_adapt_inv) (v_th - a)
        s = [u - a > 0];   v = (1 - s) u + s v_reset;   a = a + s beta

    Parameters
    ----------
    tau_syn_inv, tau_mem_inv, v_leak, v_th, v_reset, dt : as of `LIF`
    tau_adapt_inv : inverse time constant of the threshold
    beta : what a spike adds to it

    Returns
    -------
    rsnn.Neuron

    Notes
    -----
    Norse's default ``tau_adapt_inv`` is 1/800 in 1/s, that is 800 s: within a sequence the threshold hardly falls again. Where 800 ms
    are meant, give 1/0.8.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.norse.LSNN(), [20.0, 0.0, 0.0], record="a").a.round(6).tolist()
    [1.0, 2.8, 2.799998]
    """
    threshold = partial(RelaxingThreshold, couple=_step(dt, tau_adapt_inv), inc=beta)
    synapse = _current(dt, tau_syn_inv, "use_euler_jump")
    return LIF.stages(tau_syn_inv, tau_mem_inv, v_leak, v_th, v_reset, dt=dt) | {"synapse": synapse, "adaptation": threshold}


@preset()
def Izhikevich(
    a: Parameter,
    b: Parameter,
    c: Parameter,
    d: Parameter,
    sq: Parameter = 0.04,
    mn: Parameter = 5.0,
    bias: Parameter = 140.0,
    v_th: Parameter = 30.0,
    tau_inv: Parameter = 250.0,
    *,
    dt: float = 0.001,
) -> Stages:
    """Make Norse's Izhikevich neuron.

    One step, w being Norse's u::

        u = v + (tau_inv dt) ((((sq v v + mn v) + bias) - w) + x)
        y = w + ((tau_inv dt) a) (b v - w)
        s = [u - v_th > 0];   v = (1 - s) u + s c;   w = (1 - s) y + s (y + d)

    Parameters
    ----------
    a, b, c, d : rate of the recovery, how it follows the membrane, membrane after a spike, what a spike adds to the recovery
    sq, mn, bias : the quadratic drive
    v_th : threshold
    tau_inv, dt : inverse time constant in 1/s, length of a step in s

    Returns
    -------
    rsnn.Neuron

    Notes
    -----
    It starts as after a spike, ``v = c`` and ``w = b c``; Norse's named behaviours each bring a state of their own.

    Examples
    --------
    >>> import rsnn
    >>> neuron = rsnn.presets.norse.Izhikevich(a=0.02, b=0.2, c=-65.0, d=6.0)
    >>> int(rsnn.simulate(neuron, 14.0, steps=400).spikes.sum())
    5
    """
    k = _step(dt, tau_inv)
    return {
        "membrane": partial(_Izhikevich, k=k, a_k=k * a, b=b, c=c, d=d, sq=sq, mn=mn, const=bias),
        "fire": partial(Strict, v_threshold=v_th),
    }


@preset()
def CobaLIF(
    tau_syn_exc_inv: Parameter = 1 / 5,
    tau_syn_inh_inv: Parameter = 1 / 5,
    c_m_inv: Parameter = 1 / 0.2,
    g_l: Parameter = 1 / 20 * 1 / 0.2,
    e_rev_I: Parameter = -100.0,
    e_rev_E: Parameter = 60.0,
    v_rest: Parameter = -20.0,
    v_reset: Parameter = -70.0,
    v_thresh: Parameter = -10.0,
    *,
    dt: float = 0.001,
) -> Stages:
    """Make Norse's conductance-based LIF.

    One step, i and h being Norse's g_e and g_i::

        i = i + relu(x);                    h = h + relu(-x)
        i = i - (dt tau_syn_exc_inv) i;     h = h - (dt tau_syn_inh_inv) h
        u = v + (dt c_m_inv) ((g_l (v_rest - v) + i (e_rev_E - v)) + h (e_rev_I - v))
        s = [u - v_thresh > 0];   v = (1 - s) u + s v_reset

    Parameters
    ----------
    tau_syn_exc_inv, tau_syn_inh_inv : inverse time constants of the conductances
    c_m_inv, g_l : inverse capacitance, leak conductance
    e_rev_I, e_rev_E : reversal potentials
    v_rest, v_reset, v_thresh : resting value, value after a spike, threshold
    dt : length of a step

    Returns
    -------
    rsnn.Neuron

    Notes
    -----
    Norse's recurrent ``coba_lif_step`` drops its input spikes, its conductances restarting from the state carried in: only the
    feed-forward step, which is meant, is here.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.norse.CobaLIF(dt=0.05), [1.0, -1.0], record="i").i.tolist()
    [0.99, 0.9801]
    """
    return {
        "membrane": partial(
            Coba,
            k_e=-_step(dt, tau_syn_exc_inv),
            k_i=-_step(dt, tau_syn_inh_inv),
            k=_step(dt, c_m_inv),
            g_leak=g_l,
            v_leak=v_rest,
            e_exc=e_rev_E,
            e_inh=e_rev_I,
            v_reset=v_reset,
        ),
        "fire": partial(Strict, v_threshold=v_thresh),
    }


@preset()
def ExpFilter(tau_filter_inv: Parameter = 223.1435511314, *, dt: float = 0.001) -> Stages:
    """Make Norse's exponential filter, whose output is the filtered input; its linear map is a layer of its own.

    One step::

        v = exp(-dt tau_filter_inv) v + x

    Parameters
    ----------
    tau_filter_inv : inverse time constant in 1/s
    dt : length of a step in s

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.norse.ExpFilter(), [1.0, 0.0]).output.round(6).tolist()
    [1.0, 0.8]
    """
    return {"membrane": partial(Leaky, beta=exp(-_step(dt, tau_filter_inv)))}


def surrogate(name: str, **params: float) -> Surrogate:
    """Give a surrogate gradient of Norse by its name, argument names and defaults.

    Its surrogates: super, triangle, tanh, circ, heavi_erfc.

    Release 1.1.0 of Norse ignores alpha of ``super``, and so does this; its development version is ``rsnn.surrogate.SuperSpike(alpha)``.

    Parameters
    ----------
    name : str
        As Norse calls it.
    **params : float
        Its arguments, by Norse's names; see ``rsnn.presets.surrogates.TABLE`` for the defaults.

    Returns
    -------
    Surrogate
        A curve of `rsnn.surrogate`, for ``rsnn.torch.Layer(..., surrogate=)``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        The name or an argument is not one of Norse's; the message lists those that are.

    Examples
    --------
    >>> surrogate("tanh", alpha=2.0).numpy([0.0]).round(4).tolist()
    [1.0]
    """
    return find("norse", name, params)

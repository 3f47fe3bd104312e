"""The neurons of sinabs (3.1.3), by its class and argument names.

Time constants are in steps; a decay is ``alpha = exp(-1 / tau)`` in float32. Where sinabs' own exponential rounded it otherwise, give
the number itself: ``alpha_mem=``, ``alpha_syn=``, ``alpha_adapt=``. sinabs is batch first: ``rsnn.simulate(..., batch_first=True)``.

The recurrent variants (``LIFRecurrent``, ``IAFRecurrent``, ``ALIFRecurrent``, ``ExpLeakRecurrent``) are the same neurons, run with
``rsnn.simulate(..., recurrent=weight)``: the term is added to the input before anything else, as sinabs does.

``spike_fn`` is `SingleSpike`, `MultiSpike` or ``MaxSpike(n)``; ``reset_fn`` is ``MembraneSubtract()`` or ``MembraneReset()``. Membranes
are kept above ``min_v_mem`` by ``relu(v - min_v_mem) + min_v_mem``, which is rounded twice.

Source: S. Sheik, G. Lenz, F. Bauer, N. Kuepelioglu, SINABS: a simple PyTorch based SNN library specialised for Speck,
https://github.com/synsense/sinabs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rsnn.arguments import flag, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.stages import AdaptiveThreshold, Amount, Exponential, Gate, Integrator, Leaky, Multi, Relu, Scaled, Single, Subtract

from .numbers import Number, decay
from .preset import Stages, preset
from .surrogates import find

if TYPE_CHECKING:
    from rsnn.stages import Stage
    from rsnn.stages.stage import Parameter
    from rsnn.surrogate import Surrogate

    SpikeFn = Callable[[Parameter], Stage]

__all__ = ["ALIF", "IAF", "LIF", "ExpLeak", "MaxSpike", "MembraneReset", "MembraneSubtract", "MultiSpike", "SingleSpike"]


def SingleSpike(spike_threshold: Parameter) -> Single:
    """Fire at most once a step: ``s = [u - theta >= 0]``; the ``spike_fn=`` of sinabs by this name.

    Parameters
    ----------
    spike_threshold : the threshold, which the neuron hands over

    Returns
    -------
    rsnn.stages.Single

    Examples
    --------
    >>> SingleSpike(1.0)
    Single()
    """
    return Single(spike_threshold)


def MultiSpike(spike_threshold: Parameter) -> Multi:
    """Fire several times a step: ``s = trunc(u / theta)`` where ``u > 0``; the ``spike_fn=`` of sinabs by this name.

    Parameters
    ----------
    spike_threshold : the threshold, which the neuron hands over

    Returns
    -------
    rsnn.stages.Multi

    Examples
    --------
    >>> MultiSpike(2.0)
    Multi(v_threshold=2.0)
    """
    return Multi(spike_threshold)


@dataclass(frozen=True)
class MaxSpike:
    """Fire as `MultiSpike`, at most so many times a step; ``spike_fn=MaxSpike(n)``.

    Parameters
    ----------
    max_num_spikes_per_bin : the most spikes in one step

    Returns
    -------
    MaxSpike

    Examples
    --------
    >>> MaxSpike(2)(1.0)
    Multi(max_spikes=2.0)
    """

    max_num_spikes_per_bin: Parameter

    def __call__(self, spike_threshold: Parameter) -> Multi:
        """Give the stage."""
        return Multi(spike_threshold, self.max_num_spikes_per_bin)


def MembraneSubtract(subtract_value: Parameter | None = None) -> Stage:
    """Reset by subtraction: ``v = u - s theta``, or ``v = u - s subtract_value``.

    Parameters
    ----------
    subtract_value : what each spike takes off; None: the threshold, as the adaptation moved it

    Returns
    -------
    rsnn.stages.Subtract or rsnn.stages.Amount

    Examples
    --------
    >>> MembraneSubtract(), MembraneSubtract(0.5)
    (Subtract(), Amount(v_subtract=0.5))
    """
    return Subtract() if subtract_value is None else Amount(subtract_value)


def MembraneReset(reset_value: Parameter = 0.0) -> Gate:
    """Reset to zero: ``v = u [s = 0] + reset_value``.

    Parameters
    ----------
    reset_value : added in every step to every neuron, whether it fired or not: so does sinabs, though a value after a spike is meant.
        Leave it at 0, or use ``rsnn.LIF(reset="value", v_reset=...)`` for the latter.

    Returns
    -------
    rsnn.stages.Gate

    Examples
    --------
    >>> MembraneReset()
    Gate()
    """
    return Gate(reset_value)


def _spiking(spike_fn: Any, spike_threshold: Any, reset_fn: Any, min_v_mem: Any) -> Stages:
    """Give what follows the integration."""
    known = spike_fn is SingleSpike or spike_fn is MultiSpike or isinstance(spike_fn, MaxSpike)
    made = spike_fn(spike_threshold.value) if known else None
    if not isinstance(made, Single):
        raise InvalidTypeError(f"spike_fn={shown(spike_fn)}: must be SingleSpike, MultiSpike or MaxSpike(n) of rsnn.presets.sinabs")
    reset = reset_fn() if reset_fn is MembraneSubtract or reset_fn is MembraneReset else reset_fn
    if not isinstance(reset, (Subtract, Amount, Gate)):
        raise InvalidTypeError(f"reset_fn={shown(reset_fn)}: must be MembraneSubtract() or MembraneReset() of rsnn.presets.sinabs")
    most = {"max_spikes": made.max_spikes} if isinstance(made, Multi) else {}
    fire = partial(type(made), v_threshold=spike_threshold, **most)
    floor = None if min_v_mem is None else partial(Relu, v_min=min_v_mem)
    return {"fire": fire, "reset": reset, "v_min": floor, "recurrence": "merged"}


def _alpha(name: str, tau: Any, alpha: Any) -> Any:
    """Give a decay that is learned by its time constant, or by itself where that alone was given; None where neither was."""
    if alpha is not None:
        alpha = alpha.held(0.0, 1.0)
    if tau is None:
        return alpha
    made = decay(tau)
    return made if alpha is None else made.valued(alpha)


def _needed(name: str, tau: Any, alpha: Any) -> Any:
    found = _alpha(name, tau, alpha)
    if found is None:
        raise InvalidValueError(f"tau_{name}=None: give tau_{name}= (in steps), or alpha_{name}= (the decay per step)")
    return found


def _synapse(alpha: Number | None) -> Any:
    return None if alpha is None else partial(Exponential, alpha=alpha, order="jump_decay_use")


def _membrane(beta: Number, norm_input: bool) -> Any:
    return partial(Leaky, beta=beta, gain="leak" if norm_input else "unit")


@preset(alpha_syn=("tau_syn",))
def IAF(
    spike_threshold: Parameter = 1.0,
    spike_fn: SpikeFn = MultiSpike,
    reset_fn: Stage = Subtract(),  # noqa: B008 - a frozen value
    tau_syn: Parameter | None = None,
    min_v_mem: Parameter | None = None,
    *,
    alpha_syn: Parameter | None = None,
) -> Stages:
    """Make sinabs' integrate-and-fire neuron.

    One step::

        i = alpha_syn (i + x)                       without tau_syn: i = x
        u = v + i
        s = spike_fn(u);   v = reset_fn(u, s);   v = relu(v - min_v_mem) + min_v_mem

    Parameters
    ----------
    spike_threshold : positive
    spike_fn : `SingleSpike`, `MultiSpike` or ``MaxSpike(n)``
    reset_fn : ``MembraneSubtract()`` or ``MembraneReset()``
    tau_syn, alpha_syn : synaptic time constant in steps, or the decay per step itself
    min_v_mem : the membrane is kept from falling below

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.sinabs.IAF(), [0.5, 0.5, 2.5]).spikes.tolist()
    [0.0, 1.0, 2.0]
    """
    synapse = _synapse(_alpha("syn", tau_syn, alpha_syn))
    return {"synapse": synapse, "membrane": Integrator()} | _spiking(spike_fn, spike_threshold, reset_fn, min_v_mem)


@preset(alpha_mem=("tau_mem",), alpha_syn=("tau_syn",))
def LIF(
    tau_mem: Parameter | None = None,
    tau_syn: Parameter | None = None,
    spike_threshold: Parameter = 1.0,
    spike_fn: SpikeFn = MultiSpike,
    reset_fn: Stage = Subtract(),  # noqa: B008
    min_v_mem: Parameter | None = None,
    norm_input: bool = True,
    *,
    alpha_mem: Parameter | None = None,
    alpha_syn: Parameter | None = None,
) -> Stages:
    """Make sinabs' leaky integrate-and-fire neuron.

    One step::

        i = alpha_syn (i + x)                       without tau_syn: i = x
        u = alpha_mem v + (1 - alpha_mem) i         without norm_input: alpha_mem v + i
        s = spike_fn(u);   v = reset_fn(u, s);   v = relu(v - min_v_mem) + min_v_mem

    Parameters
    ----------
    tau_mem, alpha_mem : membrane time constant in steps, or the decay per step itself
    tau_syn, alpha_syn, spike_threshold, spike_fn, reset_fn, min_v_mem : as of `IAF`
    norm_input : whether the input is weighed by 1 - alpha_mem

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.sinabs.LIF(alpha_mem=0.75), [2.0, 2.0, 4.0]).spikes.tolist()
    [0.0, 0.0, 1.0]
    """
    synapse = _synapse(_alpha("syn", tau_syn, alpha_syn))
    membrane = _membrane(_needed("mem", tau_mem, alpha_mem), flag("norm_input", norm_input))
    return {"synapse": synapse, "membrane": membrane} | _spiking(spike_fn, spike_threshold, reset_fn, min_v_mem)


@preset(alpha_mem=("tau_mem",), alpha_adapt=("tau_adapt",), alpha_syn=("tau_syn",))
def ALIF(
    tau_mem: Parameter | None = None,
    tau_adapt: Parameter | None = None,
    tau_syn: Parameter | None = None,
    adapt_scale: Parameter = 1.8,
    spike_threshold: Parameter = 1.0,
    spike_fn: SpikeFn = SingleSpike,
    reset_fn: Stage = Subtract(),  # noqa: B008
    min_v_mem: Parameter | None = None,
    norm_input: bool = True,
    *,
    alpha_mem: Parameter | None = None,
    alpha_adapt: Parameter | None = None,
    alpha_syn: Parameter | None = None,
) -> Stages:
    """Make sinabs' adaptive leaky integrate-and-fire neuron.

    One step, a being sinabs' b::

        i = alpha_syn (i + x)                       without tau_syn: i = x
        i = (1 - alpha_mem) i                       norm_input: the current is kept so
        u = alpha_mem v + i
        theta = spike_threshold + adapt_scale a
        s = spike_fn(u);   v = reset_fn(u, s);   v = relu(v - min_v_mem) + min_v_mem
        a = alpha_adapt a + (1 - alpha_adapt) s

    Parameters
    ----------
    tau_mem, alpha_mem, tau_syn, alpha_syn, spike_threshold, spike_fn, reset_fn, min_v_mem : as of `LIF`
    tau_adapt, alpha_adapt : time constant of the threshold in steps, or the decay per step itself
    adapt_scale : how much the threshold rises with the average of the spikes
    norm_input : whether the current is weighed by 1 - alpha_mem

    Returns
    -------
    rsnn.Neuron

    Notes
    -----
    With tau_syn and norm_input sinabs writes the weighed current back into its state, so that it is weighed anew in every step (after 50
    steps 4.0e-3 of an impulse are left where LIF has 7.2e-2). So it does here; with ``norm_input=False`` and a weighed input it does not.
    sinabs' ``recordings`` hold the membrane of the following step before its reset; ``record="v"`` holds what it was after the step.

    Examples
    --------
    >>> import rsnn
    >>> neuron = rsnn.presets.sinabs.ALIF(alpha_mem=0.5, alpha_adapt=0.5, norm_input=False)
    >>> rsnn.simulate(neuron, [1.0, 1.5, 1.5], record="a").a.tolist()
    [0.5, 0.25, 0.625]
    """
    beta, normed = _needed("mem", tau_mem, alpha_mem), flag("norm_input", norm_input)
    syn = _alpha("syn", tau_syn, alpha_syn)
    kept = normed and syn is not None
    synapse = partial(Scaled, alpha=syn, scale=1.0 - beta) if kept else _synapse(syn)
    threshold = partial(AdaptiveThreshold, rho=_needed("adapt", tau_adapt, alpha_adapt), adapt_scale=adapt_scale)
    stages = {"synapse": synapse, "membrane": _membrane(beta, normed and not kept), "adaptation": threshold}
    return stages | _spiking(spike_fn, spike_threshold, reset_fn, min_v_mem)


@preset(alpha_mem=("tau_mem",))
def ExpLeak(tau_mem: Parameter | None = None, norm_input: bool = False, *, alpha_mem: Parameter | None = None) -> Stages:
    """Make sinabs' leaky integrator, whose output is the membrane.

    One step::

        v = alpha_mem v + x                         with norm_input: alpha_mem v + (1 - alpha_mem) x

    Parameters
    ----------
    tau_mem, alpha_mem : membrane time constant in steps, or the decay per step itself
    norm_input : whether the input is weighed by 1 - alpha_mem

    Returns
    -------
    rsnn.Neuron

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.presets.sinabs.ExpLeak(alpha_mem=0.5), [1.0, 0.0]).output.tolist()
    [1.0, 0.5]
    """
    membrane = _membrane(_needed("mem", tau_mem, alpha_mem), flag("norm_input", norm_input))
    return {"membrane": membrane, "recurrence": "merged"}


def surrogate(name: str, **params: float) -> Surrogate:
    """Give a surrogate gradient of sinabs by its name, argument names and defaults.

    Its surrogates: SingleExponential, PeriodicExponential, Heaviside, Gaussian, MultiGaussian.

    ``SingleExponential`` and ``Heaviside`` change with the threshold, ``PeriodicExponential`` with the membrane itself.

    Parameters
    ----------
    name : str
        As sinabs calls it.
    **params : float
        Its arguments, by sinabs's names; see ``rsnn.presets.surrogates.TABLE`` for the defaults.

    Returns
    -------
    Surrogate
        A curve of `rsnn.surrogate`, for ``rsnn.torch.Layer(..., surrogate=)``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        The name or an argument is not one of sinabs's; the message lists those that are.

    Examples
    --------
    >>> surrogate("Gaussian", sigma=0.5).numpy([0.0]).round(4).tolist()
    [0.7979]
    """
    return find("sinabs", name, params)

"""Leaky integrate-and-fire neurons with one thing more: `ALIF`, an adaptive threshold; `Alpha`, a current that rises and falls."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rsnn.composed import Neuron
from rsnn.stages import AdaptiveThreshold, Dual

from .named import TAU_MEM, Named, fire_of, membrane_of, reset_of, synapse_of

if TYPE_CHECKING:
    from rsnn.stages import Parameter


@dataclass(frozen=True, eq=False, repr=False)
class ALIF(Named):
    """The adaptive leaky integrate-and-fire neuron: `LIF` with a threshold that its own spikes raise.

    One step, i, u and the reset as of `LIF`::

        i <- exp(-dt / tau_syn) i + x                       (without synapse: i = x)
        u  = v_leak + beta (v - v_leak) + g r (i + bias),   beta = exp(-dt / tau_mem)
        theta = v_threshold + adapt_scale a
        s  = [u - theta >= 0]
        v <- u - s theta                                    (reset="value": v_reset where s, else u)
        a <- rho a + (1 - rho) s,                           rho = exp(-dt / tau_adapt)

    Its output is s. `a` is an average of the spikes over tau_adapt, so a steady rate of f spikes a step raises the threshold by
    ``adapt_scale * f``.

    Parameters
    ----------
    tau_mem, beta, tau_syn, alpha, dt, v_threshold, v_leak, v_reset, r, bias, gain, discretization, reset, fire, max_spikes, \
refractory, v_min
        As of `LIF`, with its defaults.
    reset_timing : {"same"}
        A late reset would test the carried membrane against a threshold that has moved since: it is refused.
    tau_adapt : float or array, default 200.0
        Time constant of the adaptation, in the unit of dt.
    adapt_scale : float or array, default 1.8
        How much the threshold rises.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A field of another type or outside its range, or fields that contradict each other.

    Warns
    -----
    RsnnWarning
        A time constant of which nothing is left after one step: it is likely in another unit than dt.

    Notes
    -----
    Bellec, Salaj, Subramoney, Legenstein, Maass: Long short-term memory and learning-to-learn in networks of spiking neurons,
    NeurIPS 2018, whose adaptation time is 200 ms and whose scale is 1.8; the average is normalised as in sinabs. State: v, i (with a
    synapse), a, rest (with a refractory period).

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.ALIF(beta=0.5, tau_adapt=2.0), 1.0, steps=8).spikes.tolist()
    [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0]
    """

    tau_mem: Parameter | None = TAU_MEM
    _: KW_ONLY
    beta: Parameter | None = None
    tau_syn: Parameter | None = None
    alpha: Parameter | None = None
    dt: float = 1.0
    v_threshold: Parameter = 1.0
    v_leak: Parameter = 0.0
    v_reset: Parameter | None = None
    r: Parameter = 1.0
    bias: Parameter = 0.0
    gain: str | None = None
    discretization: str = "exact"
    reset: str = "subtract"
    reset_timing: str = "same"
    fire: str = "single"
    max_spikes: Parameter | None = None
    refractory: Parameter = 0.0
    v_min: Parameter | None = None
    tau_adapt: Parameter = 200.0
    adapt_scale: Parameter = 1.8

    @cached_property
    def stages(self) -> Neuron:
        """The general form of this neuron."""
        return Neuron(
            synapse=synapse_of(self),
            membrane=membrane_of(self),
            adaptation=AdaptiveThreshold(self.tau_adapt, adapt_scale=self.adapt_scale),
            fire=fire_of(self),
            reset=reset_of(self, self.reset_timing),
            refractory=self.refractory,
            v_min=self.v_min,
            dt=self.dt,
        )


@dataclass(frozen=True, eq=False, repr=False)
class Alpha(Named):
    """A leaky integrate-and-fire neuron whose current rises and falls: `LIF` with a double-exponential synapse.

    One step, u, s and the reset as of `LIF`::

        i <- exp(-dt / tau_decay) i + x
        h <- exp(-dt / tau_rise) h + x
        c  = scale (i - h)
        u  = v_leak + beta (v - v_leak) + g r (c + bias),   beta = exp(-dt / tau_mem)
        s  = [u - v_threshold >= 0]
        v <- u - s v_threshold                              (reset="value": v_reset where s, else u)

    Its output is s. The current of one input spike, ``exp(-t / tau_decay) - exp(-t / tau_rise)`` at its time t, is highest at
    ``ln(tau_decay / tau_rise) tau_decay tau_rise / (tau_decay - tau_rise)``; scale makes it 1 there. With tau_rise close to tau_decay it
    is the alpha function ``t / tau exp(1 - t / tau)``.

    Parameters
    ----------
    tau_rise, tau_decay : float or array, default 2.0, 10.0
        Time constants of the rise and of the decay, in the unit of dt; tau_rise is the shorter.
    tau_mem, beta, dt, v_threshold, v_leak, v_reset, r, bias, gain, discretization, reset, reset_timing, fire, max_spikes, \
refractory, v_min
        As of `LIF`, with its defaults.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A field of another type or outside its range, or fields that contradict each other.

    Warns
    -----
    RsnnWarning
        A time constant of which nothing is left after one step: it is likely in another unit than dt.

    Notes
    -----
    Gerstner, Kistler, Naud, Paninski: Neuronal Dynamics, Cambridge University Press 2014, section 3.1. snnTorch's neuron of that name,
    whose membrane itself is the difference of two decays, is another one. State: v, i, h, rest (with a refractory period).

    Examples
    --------
    >>> import rsnn
    >>> out = rsnn.simulate(rsnn.Alpha(beta=0.0, reset="none", v_threshold=9.0), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], record=("v",))
    >>> out.v.round(2).tolist()
    [0.0, 0.56, 0.84, 0.97, 1.0, 0.98]
    """

    tau_rise: Parameter = 2.0
    tau_decay: Parameter = 10.0
    _: KW_ONLY
    tau_mem: Parameter | None = TAU_MEM
    beta: Parameter | None = None
    dt: float = 1.0
    v_threshold: Parameter = 1.0
    v_leak: Parameter = 0.0
    v_reset: Parameter | None = None
    r: Parameter = 1.0
    bias: Parameter = 0.0
    gain: str | None = None
    discretization: str = "exact"
    reset: str = "subtract"
    reset_timing: str = "same"
    fire: str = "single"
    max_spikes: Parameter | None = None
    refractory: Parameter = 0.0
    v_min: Parameter | None = None

    @cached_property
    def stages(self) -> Neuron:
        """The general form of this neuron."""
        return Neuron(
            synapse=Dual(self.tau_decay, self.tau_rise),
            membrane=membrane_of(self),
            fire=fire_of(self),
            reset=reset_of(self, self.reset_timing),
            refractory=self.refractory,
            v_min=self.v_min,
            dt=self.dt,
        )

"""`Izhikevich`: two equations that do what cortical neurons do, and twenty of those things by name."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from rsnn import stages
from rsnn.composed import Neuron

from .behaviours import BEHAVIOURS, found, stimulus
from .named import Named

if TYPE_CHECKING:
    import numpy.typing as npt

    from rsnn.stages import Parameter


@dataclass(frozen=True, eq=False, repr=False)
class Izhikevich(Named):
    """Izhikevich's neuron.

    The Euler step of ``dv/dt = sq v^2 + mn v + const - w + x`` and ``dw/dt = a (b v - w)``, as the published code takes it::

        u  = v + dt ((((sq v v + mn v) + const) - w) + x)
        y  = w + dt a (b u - w)
        s  = [u - v_threshold >= 0]
        v <- c where s, else u
        w <- y + d where s, else y

    Its output is s. v is in mV and time in ms. The recovery w (u, in the papers) follows the membrane of this step.

    Parameters
    ----------
    a : float or array, default 0.02
        Rate of the recovery.
    b : float or array, default 0.2
        How the recovery follows the membrane.
    c : float or array, default -65.0
        The membrane after a spike.
    d : float or array, default 8.0
        What a spike adds to the recovery. These four are the regular spiking neuron of the cortex.
    dt : float, default 1.0
        Length of a step. The published code takes 0.1 to 0.5; at 1.0 spikes come, but not at their times.
    v_threshold : float or array, default 30.0
        Peak of the spike.
    sq, mn, const : float or array, default 0.04, 5.0, 140.0
        The square that drives the membrane. A class 1 neuron and an integrator have mn=4.1, const=108.
    v_init : float or array, optional
        Where a run starts; by default c. The recovery starts at ``b v_init``.
    recovery : {"updated", "carried", "drift"}, default "updated"
        ``"carried"``: the recovery follows the membrane carried in, ``y = w + dt a (b v - w)``, as Norse has it. ``"drift"``: it does not
        decay, ``y = w + dt a (b (u - v_leak))``, and starts where v_init stands still; accommodation is published so.
    v_leak : float or array, optional
        Where a recovery that drifts stands still.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A field of another type or outside its range, or fields that contradict each other.

    Notes
    -----
    Izhikevich: Simple model of spiking neurons, IEEE Transactions on Neural Networks 14 (2003); `named` has the twenty behaviours of
    Izhikevich: Which model to use for cortical spiking neurons?, IEEE Transactions on Neural Networks 15 (2004). The reset is written
    ``v = (1 - s) u + s c``. State: v, w.

    Examples
    --------
    >>> import rsnn
    >>> spikes = rsnn.simulate(rsnn.Izhikevich(dt=0.25), 10.0, steps=800).spikes
    >>> (spikes.nonzero()[0] * 0.25).tolist()
    [3.5, 28.75, 74.75, 120.75, 166.5]
    """

    published: ClassVar[tuple[str, ...]] = tuple(BEHAVIOURS)
    """The names that `named` knows."""

    a: Parameter = 0.02
    b: Parameter = 0.2
    c: Parameter = -65.0
    d: Parameter = 8.0
    _: KW_ONLY
    dt: float = 1.0
    v_threshold: Parameter = 30.0
    sq: Parameter = 0.04
    mn: Parameter = 5.0
    const: Parameter = 140.0
    v_init: Parameter | None = None
    recovery: str = "updated"
    v_leak: Parameter | None = None

    @cached_property
    def stages(self) -> Neuron:
        """The general form of this neuron."""
        model = stages.Izhikevich(
            self.a,
            self.b,
            self.c,
            self.d,
            sq=self.sq,
            mn=self.mn,
            const=self.const,
            v_leak=self.v_leak,
            v_init=self.v_init,
            recovery=self.recovery,
        )
        return Neuron(membrane=model, fire=stages.Single(self.v_threshold), dt=self.dt)

    @classmethod
    def named(cls, name: str) -> tuple[Izhikevich, npt.NDArray[np.float64], float]:
        """Give a published behaviour: the neuron, the current that shows it, and the length of a step.

        Parameters
        ----------
        name : one of `Izhikevich.published`
            ``"tonic_spiking"``, ``"phasic_spiking"``, ``"tonic_bursting"``, ``"phasic_bursting"``, ``"mixed_mode"``,
            ``"spike_frequency_adaptation"``, ``"class_1"``, ``"class_2"``, ``"spike_latency"``, ``"subthreshold_oscillations"``,
            ``"resonator"``, ``"integrator"``, ``"rebound_spike"``, ``"rebound_burst"``, ``"threshold_variability"``, ``"bistability"``,
            ``"depolarizing_after_potential"``, ``"accommodation"``, ``"inhibition_induced_spiking"``, ``"inhibition_induced_bursting"``.

        Returns
        -------
        neuron : Izhikevich
        stimulus : (T,) of float64, the current
        dt : float, the published step in ms, which is ``neuron.dt``

        Raises
        ------
        InvalidTypeError, InvalidValueError
            Another name.

        Notes
        -----
        The parameters, currents, steps and starting values are those of the code published with Izhikevich (2004), and so are the spikes.
        Its step, of 0.1 to 0.5 ms, is part of five of the behaviours. With a finer one, under the same current, ``"spike_latency"`` has no
        spike (its current is just enough), the second pulse of ``"bistability"`` no longer ends the spikes, more spikes follow that of
        ``"depolarizing_after_potential"``, one comes after the inhibition of ``"inhibition_induced_spiking"``, and those of
        ``"inhibition_induced_bursting"`` do not end. The other fifteen keep their character.

        Examples
        --------
        >>> import rsnn
        >>> neuron, stimulus, dt = rsnn.Izhikevich.named("phasic_spiking")
        >>> (rsnn.simulate(neuron, stimulus).spikes.nonzero()[0] * dt).tolist()
        [43.75]
        """
        experiment = found("Izhikevich", name, BEHAVIOURS)
        return cls(**experiment.parameters, dt=experiment.dt), stimulus(experiment), experiment.dt

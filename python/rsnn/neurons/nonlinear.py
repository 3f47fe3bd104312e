"""Integrate-and-fire neurons that make their spikes by themselves: `EIF` by an exponential, `QIF` by a square, `AdEx` with adaptation.

They take Euler steps, and a cut-off, v_threshold, tells when the membrane has run away: the spike. Where it lies hardly matters, since the
membrane gets there in no time.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rsnn.arguments import LARGEST, SMALLEST, fitting, real, within
from rsnn.composed import Neuron
from rsnn.stages import AdaptationCurrent, EulerExp, Membrane, Quad, Single, ToValue

from .behaviours import PATTERNS, found, stimulus
from .named import Named, synapse_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from rsnn.stages import Parameter
    from rsnn.stages.adaptation import Adaptation


def _form(neuron: EIF | QIF | AdEx, membrane: Membrane, adaptation: Adaptation | None = None) -> Neuron:
    return Neuron(
        synapse=synapse_of(neuron),
        membrane=membrane,
        adaptation=adaptation,
        fire=Single(neuron.v_threshold),
        reset=ToValue(neuron.v_reset),
        refractory=neuron.refractory,
        v_min=neuron.v_min,
        dt=neuron.dt,
    )


@dataclass(frozen=True, eq=False, repr=False)
class EIF(Named):
    """The exponential integrate-and-fire neuron.

    The Euler step of ``tau_mem dv/dt = v_leak - v + delta_t exp((v - v_rheobase) / delta_t) + r (i + bias)``::

        i <- exp(-dt / tau_syn) i + x                       (without synapse: i = x)
        u  = v + dt / tau_mem (((v_leak - v) + delta_t exp((v - v_rheobase) / delta_t)) + r (i + bias))
        s  = [u - v_threshold >= 0]
        v <- v_reset where s, else u

    Its output is s. A constant input fires it where ``r (i + bias)`` exceeds ``v_rheobase - v_leak - delta_t``, its rheobase.

    Parameters
    ----------
    tau_mem : float or array, default 10.0
        Membrane time constant, in the unit of dt and at least dt. The defaults are in ms and mV.
    tau_syn, alpha : float or array, optional
        Synaptic time constant, or the decay per step itself; with neither there is no synapse.
    dt : float, default 1.0
        Length of a step. The spike's onset is steep: use 0.1 or less where its time matters.
    v_leak : float or array, default -65.0
        Resting value of the leak. The membrane rests a little above it, held up by the exponential.
    delta_t : float or array, default 3.48
        Sharpness of the onset of a spike.
    v_rheobase : float or array, default -59.9
        Where the onset is.
    v_threshold : float or array, default -30.0
        Cut-off of the spike.
    v_reset : float or array, default -68.0
        Where the membrane starts from after a spike.
    r, bias : float or array, default 1.0, 0.0
        Resistance, constant input.
    refractory : float or array, default 0.0
        Time after a spike in which the membrane holds still, in the unit of dt: a whole multiple of it. Published: 1.7 ms.
    v_min : float or array, optional
        The membrane is kept from falling below.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A field of another type or outside its range, or fields that contradict each other.

    Notes
    -----
    Fourcaud-Trocme, Hansel, van Vreeswijk, Brunel: How spike generation mechanisms determine the neuronal response to fluctuating inputs,
    Journal of Neuroscience 23 (2003), whose fit to the Wang-Buzsaki model gives the defaults. The exponential is that of rsnn, within
    2 units in the last place. State: v, i (with a synapse), rest (with a refractory period).

    Examples
    --------
    >>> import rsnn
    >>> [int(rsnn.simulate(rsnn.EIF(dt=0.1), drive, steps=5000).spikes.sum()) for drive in (1.6, 1.7, 5.0)]
    [0, 1, 16]
    """

    tau_mem: Parameter = 10.0
    _: KW_ONLY
    tau_syn: Parameter | None = None
    alpha: Parameter | None = None
    dt: float = 1.0
    v_leak: Parameter = -65.0
    delta_t: Parameter = 3.48
    v_rheobase: Parameter = -59.9
    v_threshold: Parameter = -30.0
    v_reset: Parameter = -68.0
    r: Parameter = 1.0
    bias: Parameter = 0.0
    refractory: Parameter = 0.0
    v_min: Parameter | None = None

    @cached_property
    def stages(self) -> Neuron:
        """The general form of this neuron."""
        return _form(
            self,
            EulerExp(self.tau_mem, v_leak=self.v_leak, r=self.r, bias=self.bias, delta_t=self.delta_t, v_rheobase=self.v_rheobase),
        )


@dataclass(frozen=True, eq=False, repr=False)
class QIF(Named):
    """The quadratic integrate-and-fire neuron.

    The Euler step of ``tau_mem dv/dt = a0 (v - v_leak) (v - v_crit) + r (i + bias)``::

        i <- exp(-dt / tau_syn) i + x                       (without synapse: i = x)
        u  = v + dt / tau_mem ((a0 (v - v_leak)) (v - v_crit) + r (i + bias))
        s  = [u - v_threshold >= 0]
        v <- v_reset where s, else u

    Its output is s. Without input a membrane below v_crit returns to v_leak, one above it runs away. A constant input fires it where
    ``r (i + bias)`` exceeds ``a0 (v_crit - v_leak)^2 / 4``, its rheobase.

    Parameters
    ----------
    tau_mem : float or array, default 20.0
        Membrane time constant, in the unit of dt and at least dt.
    tau_syn, alpha : float or array, optional
        Synaptic time constant, or the decay per step itself; with neither there is no synapse.
    dt : float, default 1.0
        Length of a step.
    a0 : float or array, default 1.0
        Steepness of the square.
    v_leak, v_crit : float or array, default 0.0, 0.8
        Resting value, and where the membrane runs away.
    v_threshold : float or array, default 1.0
        Cut-off of the spike.
    v_reset : float or array, default -0.1
        Where the membrane starts from after a spike.
    r, bias : float or array, default 1.0, 0.0
        Resistance, constant input.
    refractory : float or array, default 0.0
        Time after a spike in which the membrane holds still, in the unit of dt: a whole multiple of it.
    v_min : float or array, optional
        The membrane is kept from falling below.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A field of another type or outside its range, or fields that contradict each other.

    Notes
    -----
    Latham, Richmond, Nelson, Nirenberg: Intrinsic dynamics in neuronal networks, Journal of Neurophysiology 83 (2000); Gerstner, Kistler,
    Naud, Paninski: Neuronal Dynamics (2014), section 5.3. The defaults, with a threshold of 1, are those of SpikingJelly's QIFNode, but
    for tau_mem. State: v, i (with a synapse), rest (with a refractory period).

    Examples
    --------
    >>> import rsnn
    >>> [int(rsnn.simulate(rsnn.QIF(dt=0.1), drive, steps=10000).spikes.sum()) for drive in (0.15, 0.17, 0.5)]
    [0, 1, 19]
    """

    tau_mem: Parameter = 20.0
    _: KW_ONLY
    tau_syn: Parameter | None = None
    alpha: Parameter | None = None
    dt: float = 1.0
    a0: Parameter = 1.0
    v_leak: Parameter = 0.0
    v_crit: Parameter = 0.8
    v_threshold: Parameter = 1.0
    v_reset: Parameter = -0.1
    r: Parameter = 1.0
    bias: Parameter = 0.0
    refractory: Parameter = 0.0
    v_min: Parameter | None = None

    @cached_property
    def stages(self) -> Neuron:
        """The general form of this neuron."""
        return _form(self, Quad(self.tau_mem, v_leak=self.v_leak, r=self.r, bias=self.bias, a0=self.a0, v_crit=self.v_crit))


@dataclass(frozen=True, eq=False, repr=False)
class AdEx(Named):
    """The adaptive exponential integrate-and-fire neuron.

    The Euler step of ``tau_mem dv/dt = v_leak - v + delta_t exp((v - v_rheobase) / delta_t) + r (i + bias) - a`` and
    ``tau_adapt da/dt = couple (v - v_leak) - a``, which a spike raises by inc::

        i <- exp(-dt / tau_syn) i + x                       (without synapse: i = x)
        u  = v + dt / tau_mem ((((v_leak - v) + delta_t exp((v - v_rheobase) / delta_t)) + r (i + bias)) - a)
        s  = [u - v_threshold >= 0]
        a <- a + dt / tau_adapt (couple (v - v_leak) - a) + s inc,     v the membrane carried in
        v <- v_reset where s, else u

    Its output is s. Published in conductances, ``C dV/dt = -g_l (V - e_l) + ... + I - w`` and ``tau_w dw/dt = a (V - e_l) - w``; here
    everything is divided by g_l, so that ``tau_mem = C / g_l``, ``r = 1 / g_l``, ``couple = a / g_l``, ``inc = b / g_l``, and the state a
    is ``w / g_l``, a voltage. `from_conductances` takes the published numbers.

    Parameters
    ----------
    tau_mem : float or array, default 281 / 30
        Membrane time constant, in the unit of dt and at least dt. The defaults are in ms, mV and pA.
    tau_syn, alpha : float or array, optional
        Synaptic time constant, or the decay per step itself; with neither there is no synapse.
    dt : float, default 1.0
        Length of a step. The spike's onset is steep: the published patterns take 0.1.
    v_leak : float or array, default -70.6
        Resting value of the leak.
    delta_t, v_rheobase : float or array, default 2.0, -50.4
        Sharpness of the onset of a spike, and where it is.
    tau_adapt : float or array, default 144.0
        Time constant of the adaptation, in the unit of dt and at least dt.
    couple : float or array, default 4 / 30
        How the adaptation follows the membrane.
    inc : float or array, default 80.5 / 30
        What a spike adds to it.
    v_threshold : float or array, default 20.0
        Cut-off of the spike.
    v_reset : float or array, default -70.6
        Where the membrane starts from after a spike.
    r, bias : float or array, default 1 / 30, 0.0
        Resistance, in mV per pA; constant input.
    refractory : float or array, default 0.0
        Time after a spike in which the membrane holds still, in the unit of dt: a whole multiple of it.
    v_min : float or array, optional
        The membrane is kept from falling below.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A field of another type or outside its range, or fields that contradict each other.

    Notes
    -----
    Brette, Gerstner: Adaptive exponential integrate-and-fire model as an effective description of neuronal activity, Journal of
    Neurophysiology 94 (2005), whose parameters are the defaults. `named` has the firing patterns of Naud, Marcille, Clopath, Gerstner:
    Firing patterns in the adaptive exponential integrate-and-fire model, Biological Cybernetics 99 (2008). State: v, i (with a synapse),
    a, rest (with a refractory period).

    Examples
    --------
    >>> import rsnn
    >>> spikes = rsnn.simulate(rsnn.AdEx(dt=0.1), 800.0, steps=3000).spikes
    >>> (spikes.nonzero()[0] * 0.1).round(1).tolist()
    [17.9, 41.0, 72.2, 115.8, 173.3, 238.2]
    """

    published: ClassVar[tuple[str, ...]] = tuple(PATTERNS)
    """The names that `named` knows."""

    tau_mem: Parameter = 281.0 / 30.0
    _: KW_ONLY
    tau_syn: Parameter | None = None
    alpha: Parameter | None = None
    dt: float = 1.0
    v_leak: Parameter = -70.6
    delta_t: Parameter = 2.0
    v_rheobase: Parameter = -50.4
    tau_adapt: Parameter = 144.0
    couple: Parameter = 4.0 / 30.0
    inc: Parameter = 80.5 / 30.0
    v_threshold: Parameter = 20.0
    v_reset: Parameter = -70.6
    r: Parameter = 1.0 / 30.0
    bias: Parameter = 0.0
    refractory: Parameter = 0.0
    v_min: Parameter | None = None

    @cached_property
    def stages(self) -> Neuron:
        """The general form of this neuron."""
        return _form(
            self,
            EulerExp(self.tau_mem, v_leak=self.v_leak, r=self.r, bias=self.bias, delta_t=self.delta_t, v_rheobase=self.v_rheobase),
            AdaptationCurrent(self.tau_adapt, couple=self.couple, inc=self.inc),
        )

    @classmethod
    def from_conductances(
        cls,
        *,
        C: Parameter = 281.0,
        g_l: Parameter = 30.0,
        e_l: Parameter = -70.6,
        v_t: Parameter = -50.4,
        delta_t: Parameter = 2.0,
        tau_w: Parameter = 144.0,
        a: Parameter = 4.0,
        b: Parameter = 80.5,
        v_r: Parameter = -70.6,
        **others: Any,
    ) -> AdEx:
        """Make one from the parameters as they are published.

        Parameters
        ----------
        C, g_l, e_l : capacitance (pF), leak conductance (nS), leak reversal potential (mV)
        v_t, delta_t : where the onset of a spike is, and its sharpness (mV)
        tau_w, a, b : time constant (ms), coupling (nS) and increment (pA) of the adaptation
        v_r : where the membrane starts from after a spike (mV)
        **others : of the fields, by their own name: ``dt``, ``v_threshold``, ``bias`` (pA), ...

        Returns
        -------
        AdEx

        Examples
        --------
        >>> import rsnn
        >>> rsnn.AdEx.from_conductances() == rsnn.AdEx()
        True
        """
        leak = real("g_l", g_l)
        within("g_l", leak, SMALLEST, LARGEST)
        over = {name: real(name, value) for name, value in {"C": C, "a": a, "b": b}.items()}
        for name, value in over.items():
            fitting(name, value, "g_l", leak)
        tau_mem, couple, inc = (value / leak for value in over.values())
        return cls(
            tau_mem,
            v_leak=e_l,
            r=1.0 / leak,
            delta_t=delta_t,
            v_rheobase=v_t,
            tau_adapt=tau_w,
            couple=couple,
            inc=inc,
            v_reset=v_r,
            **others,
        )

    @classmethod
    def named(cls, name: str) -> tuple[AdEx, npt.NDArray[np.float64], float]:
        """Give a published firing pattern: the neuron, the current that shows it, and the length of a step.

        Parameters
        ----------
        name : one of `AdEx.published`
            ``"tonic_spiking"``, ``"adaptation"``, ``"initial_burst"``, ``"regular_bursting"``, ``"delayed_accelerating"``,
            ``"delayed_regular_bursting"``, ``"transient_spiking"``, ``"irregular_spiking"``.

        Returns
        -------
        neuron : AdEx
        stimulus : (T,) of float64, in pA: a step of current after 20 ms, for 500 ms
        dt : float, 0.1 ms, which is ``neuron.dt``

        Raises
        ------
        InvalidTypeError, InvalidValueError
            Another name.

        Notes
        -----
        Figure 4 and table 1 of Naud, Marcille, Clopath, Gerstner (2008), with its cut-off at 0 mV.

        Examples
        --------
        >>> import rsnn
        >>> neuron, stimulus, dt = rsnn.AdEx.named("transient_spiking")
        >>> int(rsnn.simulate(neuron, stimulus).spikes.sum()), dt
        (1, 0.1)
        """
        experiment = found("AdEx", name, PATTERNS)
        return cls.from_conductances(**experiment.parameters, v_threshold=0.0, dt=experiment.dt), stimulus(experiment), experiment.dt

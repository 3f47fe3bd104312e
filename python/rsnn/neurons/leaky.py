"""The leaky and the perfect integrator, spiking or not: `LI`, `LIF`, `IAF`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rsnn.composed import Neuron
from rsnn.stages import Integrator

from .named import TAU_MEM, Named, fire_of, membrane_of, reset_of, synapse_of

if TYPE_CHECKING:
    from rsnn.stages import Parameter


@dataclass(frozen=True, eq=False, repr=False)
class LI(Named):
    """The leaky integrator: a membrane that follows its input and does not spike.

    The exact solution of ``tau_mem dv/dt = v_leak - v + r (i + bias)`` for an input held over a step::

        i <- exp(-dt / tau_syn) i + x                       (without synapse: i = x)
        v <- v_leak + beta (v - v_leak) + g r (i + bias),   beta = exp(-dt / tau_mem)

    Its output is v.

    Parameters
    ----------
    tau_mem : float or array, default 20.0
        Membrane time constant, in the unit of dt.
    beta : float or array, optional
        The decay per step itself, 0 to 1, in place of tau_mem.
    tau_syn, alpha : float or array, optional
        Synaptic time constant, or the decay per step itself; with neither there is no synapse.
    dt : float, default 1.0
        Length of a step.
    v_leak, r, bias : float or array, default 0.0, 1.0, 0.0
        Resting value, resistance, constant input.
    gain : {"leak", "unit"}, optional
        g = 1 - beta (the default with tau_mem) or g = 1 (the default with beta).
    discretization : {"exact", "euler"}, default "exact"
        ``"euler"``: beta = 1 - dt / tau_mem. The synapse stays exact.

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
    Arrays broadcast against the trailing axes of the data: one value per channel or per neuron. The equation is that of the
    node CubaLI / LI of the Neuromorphic Intermediate Representation (Pedersen et al., Nature Communications 2024).

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.LI(beta=0.5), [1.0, 0.0, 0.0]).output.tolist()
    [1.0, 0.5, 0.25]
    """

    tau_mem: Parameter | None = TAU_MEM
    _: KW_ONLY
    beta: Parameter | None = None
    tau_syn: Parameter | None = None
    alpha: Parameter | None = None
    dt: float = 1.0
    v_leak: Parameter = 0.0
    r: Parameter = 1.0
    bias: Parameter = 0.0
    gain: str | None = None
    discretization: str = "exact"

    @cached_property
    def stages(self) -> Neuron:
        """The general form of this neuron."""
        return Neuron(synapse=synapse_of(self), membrane=membrane_of(self), dt=self.dt)


@dataclass(frozen=True, eq=False, repr=False)
class LIF(Named):
    """The leaky integrate-and-fire neuron.

    The exact solution of ``tau_mem dv/dt = v_leak - v + r (i + bias)`` for an input held over a step, then fire and reset::

        i <- exp(-dt / tau_syn) i + x                       (without synapse: i = x)
        u  = v_leak + beta (v - v_leak) + g r (i + bias),   beta = exp(-dt / tau_mem)
        s  = [u - v_threshold >= 0]                         (fire="multi": trunc(u / v_threshold) where u > 0, at most max_spikes)
        v <- u - s v_threshold                              (reset="value": v_reset where s, else u)
        v <- max(v, v_min)

    Its output is s.

    Parameters
    ----------
    tau_mem : float or array, default 20.0
        Membrane time constant, in the unit of dt.
    beta : float or array, optional
        The decay per step itself, 0 to 1, in place of tau_mem.
    tau_syn, alpha : float or array, optional
        Synaptic time constant, or the decay per step itself; with neither there is no synapse.
    dt : float, default 1.0
        Length of a step.
    v_threshold : float or array, default 1.0
        Positive where it is subtracted or divided by.
    v_leak, r, bias : float or array, default 0.0, 1.0, 0.0
        Resting value, resistance, constant input.
    v_reset : float or array, optional
        The value of ``reset="value"``.
    gain : {"leak", "unit"}, optional
        g = 1 - beta (the default with tau_mem) or g = 1 (the default with beta). With torch's default initialisation a network
        with ``"leak"`` hardly fires at first: to train, use beta.
    discretization : {"exact", "euler"}, default "exact"
        ``"euler"``: beta = 1 - dt / tau_mem. The synapse stays exact.
    reset : {"subtract", "value", "zero", "none"}, default "subtract"
        ``"zero"`` is ``"value"`` with v_reset=0.
    reset_timing : {"same", "next", "residual"}, default "same"
        When the reset happens: in the step that fires; at the start of the next step (snnTorch's default, the membrane is
        reported before its reset); or what was not already subtracted at the start of this step (snnTorch's ``reset_delay=False``).
    fire : {"single", "multi"}, default "single"
        At most one spike a step, or as many as the threshold fits in.
    max_spikes : whole number or array, optional
        The most spikes in one step of ``fire="multi"``.
    refractory : float or array, default 0.0
        Time after a spike in which the membrane holds still and does not fire, in the unit of dt: a whole multiple of it.
    v_min : float or array, optional
        The membrane is kept from falling below.

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
    Arrays broadcast against the trailing axes of the data: one value per channel or per neuron. A NaN membrane never fires.
    The equation is that of the node CubaLIF / LIF of the Neuromorphic Intermediate Representation (Pedersen et al., Nature
    Communications 2024).

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.LIF(beta=0.5), [0.75, 0.75, 0.0, 0.75]).spikes.tolist()
    [0.0, 1.0, 0.0, 0.0]
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

    @cached_property
    def stages(self) -> Neuron:
        """The general form of this neuron."""
        return Neuron(
            synapse=synapse_of(self),
            membrane=membrane_of(self),
            fire=fire_of(self),
            reset=reset_of(self, self.reset_timing),
            refractory=self.refractory,
            v_min=self.v_min,
            dt=self.dt,
        )


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class IAF(Named):
    """The integrate-and-fire neuron: a membrane without leak, the counterpart of a ReLU.

    One step::

        u  = v + x + bias
        s  = trunc(u / v_threshold) where u > 0, else 0     (fire="single": [u - v_threshold >= 0])
        v <- u - s v_threshold                              (reset="value": v_reset where s, else u)
        v <- max(v, v_min)

    Its output is s.

    Parameters
    ----------
    v_threshold : float or array, default 1.0
        Positive where it is subtracted or divided by.
    bias : float or array, default 0.0
        Constant input.
    v_reset : float or array, optional
        The value of ``reset="value"``.
    reset : {"subtract", "value", "zero", "none"}, default "subtract"
        ``"zero"`` is ``"value"`` with v_reset=0.
    fire : {"multi", "single"}, default "multi"
        As many spikes a step as the threshold fits in, or at most one.
    max_spikes : whole number or array, optional
        The most spikes in one step of ``fire="multi"``.
    refractory : whole number or array, default 0.0
        Steps after a spike in which the membrane holds still and does not fire.
    v_min : float or array, optional
        The membrane is kept from falling below.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A field of another type or outside its range, or fields that contradict each other.

    Notes
    -----
    Arrays broadcast against the trailing axes of the data: one value per channel or per neuron. A NaN membrane never fires.
    The defaults are those of sinabs (``sinabs.layers.IAF``) and of the DynapCNN chips.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.IAF(), [0.5, 0.5, 2.5]).spikes.tolist()
    [0.0, 1.0, 2.0]
    """

    v_threshold: Parameter = 1.0
    bias: Parameter = 0.0
    v_reset: Parameter | None = None
    reset: str = "subtract"
    fire: str = "multi"
    max_spikes: Parameter | None = None
    refractory: Parameter = 0.0
    v_min: Parameter | None = None

    @cached_property
    def stages(self) -> Neuron:
        """The general form of this neuron."""
        return Neuron(
            membrane=Integrator(self.bias),
            fire=fire_of(self),
            reset=reset_of(self, "same"),
            refractory=self.refractory,
            v_min=self.v_min,
        )

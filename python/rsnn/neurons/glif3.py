"""`GLIF3`: the Allen Institute's leaky integrate-and-fire neuron with after-spike currents."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rsnn.composed import Neuron
from rsnn.stages import Glif3, Single

from .named import Named

if TYPE_CHECKING:
    from rsnn.stages import Parameter


@dataclass(frozen=True, eq=False, repr=False)
class GLIF3(Named):
    """The generalized leaky integrate-and-fire neuron with two after-spike currents.

    One step, a and w the currents::

        u  = v_leak + beta (v - v_leak) + r (1 - beta) (x + (a + w)),      beta = exp(-dt / tau_mem)
        s  = [u - v_threshold >= 0]
        v <- v_reset where s, else u
        a <- jump_1 + keep_1 p where s, else p,                            p = exp(-dt / tau_1) a
        w <- jump_2 + keep_2 q where s, else q,                            q = exp(-dt / tau_2) w

    Its output is s. For a time after a spike, `refractory`, the membrane and both currents hold still.

    Parameters
    ----------
    tau_mem : float or array, default 58.72 / 9.43
        Membrane time constant, in the unit of dt. The defaults are in ms, mV and pA.
    dt : float, default 1.0
        Length of a step.
    v_leak, v_threshold, v_reset : float or array, default -78.85, -51.68, -78.85
        Resting value, threshold, and where the membrane starts from after a spike.
    r : float or array, default 1 / 9.43
        Resistance, in mV per pA.
    tau_1, tau_2 : float or array, default 1 / 0.003, 10.0
        Time constants of the after-spike currents.
    jump_1, jump_2 : float or array, default -9.18, -198.94
        What a spike adds to them.
    keep_1, keep_2 : float or array, default 1.0, 1.0
        What a spike leaves of them, 0 to 1. A current that goes on decaying through the refractory period keeps
        ``exp(-refractory / tau)`` of itself.
    refractory : float or array, default 4.0
        Time after a spike in which everything holds still, in the unit of dt: a whole multiple of it. Published: 3.75 ms.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A field of another type or outside its range, or fields that contradict each other.

    Notes
    -----
    Teeter, Iyer, Menon, Gouwens, Feng, Berg, Szafer, Cain, Zeng, Hawrylycz, Koch, Mihalas: Generalized leaky integrate-and-fire models
    classify multiple neuron types, Nature Communications 9 (2018), its model LIF-ASC. The defaults are the cell that NEST's glif_psc
    starts from. State: v, a, w, rest (with a refractory period).

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.GLIF3(), 400.0, steps=100).spikes.nonzero()[0].tolist()
    [6, 23, 43, 63, 84]
    """

    tau_mem: Parameter = 58.72 / 9.43
    _: KW_ONLY
    dt: float = 1.0
    v_leak: Parameter = -78.85
    v_threshold: Parameter = -51.68
    v_reset: Parameter = -78.85
    r: Parameter = 1.0 / 9.43
    tau_1: Parameter = 1.0 / 0.003
    tau_2: Parameter = 10.0
    jump_1: Parameter = -9.18
    jump_2: Parameter = -198.94
    keep_1: Parameter = 1.0
    keep_2: Parameter = 1.0
    refractory: Parameter = 4.0

    @cached_property
    def stages(self) -> Neuron:
        """The general form of this neuron."""
        model = Glif3(
            self.tau_mem,
            self.v_leak,
            self.r,
            self.v_reset,
            self.tau_1,
            self.tau_2,
            self.jump_1,
            self.jump_2,
            self.keep_1,
            self.keep_2,
        )
        return Neuron(membrane=model, fire=Single(self.v_threshold), refractory=self.refractory, dt=self.dt)

"""A layer on Loihi, as Lava's simulator or nengo-loihi's has it: synapses and the population behind them, in the chip's own numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .integers import Array
from .loihi_neurons import compartment, lif
from .loihi_synapses import Dense
from .neuron import IntegerNeuron, Register, run
from .report import StateRange
from .result import ChipResult

LAVA = "loihi_lava"
"""The target whose neurons are Lava's; those of every other are nengo-loihi's."""
STATE_BITS = 24
_HIGHEST = (1 << 23) - 1


@dataclass(frozen=True, eq=False)
class LoihiLayer:
    """Synapses and a population on the chip.

    Attributes
    ----------
    name : the layer, as ``"0 Linear"``
    index, neuron_index : where the float network has its weights and its neurons
    synapses : the weights, cut to the chip's bits
    du, dv, vth, bias_mant, bias_exp, refractory : what the chip is given
    scale : K, by which weights and threshold were multiplied
    gain : by which the float neuron multiplies its input
    """

    target: str
    name: str
    index: int
    neuron_index: int
    synapses: Dense
    du: int
    dv: int
    vth: int
    bias_mant: Array
    bias_exp: Array
    refractory: int
    scale: float
    gain: float
    state_bits: int = STATE_BITS
    delay: int = 0

    @property
    def v_threshold(self) -> int:
        """The threshold, in the size of the membrane."""
        return self.vth << 6

    @property
    def bias(self) -> Array:
        """The bias as it is added to the membrane."""
        return self.bias_mant << self.bias_exp

    @property
    def coefficients(self) -> Mapping[str, Array]:
        """The parts of current and membrane that are kept in a step."""
        return {"alpha": np.array((4095 - self.du) / 4096), "beta": np.array((4096 - self.dv) / 4096)}

    def wide(self) -> IntegerNeuron:
        """Give the neuron with states of 32 bits that nothing cuts."""
        current, membrane = (Register(bits=32, decay="scale", by=by) for by in (4095 - self.du, 4096 - self.dv))
        return IntegerNeuron(
            v_threshold=self.v_threshold, compare=">", fire="single", reset="zero", bias=self.bias, membrane=membrane, current=current,
            refractory=self.refractory if self.refractory > 1 else None, input_shift=6,
        )  # fmt: skip

    def time_constants(self, dt: float) -> tuple[float, float]:
        """Give the time constants of current and membrane that the rounded decays stand for, in the unit of `dt`."""

        def tau(kept: int) -> float:
            return 0.0 if kept <= 0 else math.inf if kept >= 4096 else -dt / math.log(kept / 4096)

        return tau(4095 - self.du), tau(4096 - self.dv)

    def run(self, x: Array, state: Any, recorded: tuple[str, ...], threads: int) -> ChipResult:
        """Run over spikes ``(T, [B,] n)``."""
        a = self.synapses.sums(x, threads)
        own = {"du": self.du, "dv": self.dv, "state": state, "record": recorded, "threads": threads}
        if self.target == LAVA:
            result = lif(a, vth=self.vth, bias_mant=self.bias_mant, bias_exp=self.bias_exp, **own)
        else:
            result = compartment(a, vth=self.v_threshold, bias=self.bias, refractory=self.refractory, **own)
        reached = int(np.count_nonzero(x != 0)) * len(self.synapses.used)
        return dataclasses.replace(result, stats=dataclasses.replace(result.stats, synops=reached))

    def reached(self, x: Array, threads: int) -> tuple[StateRange, ...]:
        """Say how far membrane and current would rise and fall over spikes, had they 32 bits."""
        result = run(self.wide(), self.synapses.sums(x, threads), record=("u", "i"), threads=threads)

        def range_(name: str, values: Array) -> StateRange:
            beyond = int(np.count_nonzero(np.abs(values.astype(np.int64)) > _HIGHEST))
            return StateRange(name, int(values.min(initial=0)), int(values.max(initial=0)), STATE_BITS, beyond)

        return range_("v", result.traces["u"]), range_("i", result.traces["i"])

    def pass_on(self, result: ChipResult) -> Array:
        """Give what the next layer takes."""
        return result.spikes

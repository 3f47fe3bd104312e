"""Loihi in integers, as two public simulators have it: Lava's bit-accurate CPU models, and nengo-loihi's compartment.

What was verified: `lif`, `dense`, `conv`, `delay_dense` and `network` equal lava-nc 0.10.0 (``fixed_pt``) on 30 populations, 30 dense,
10 convolutional and 12 delayed synapses and 6 networks; `compartment` equals nengo-loihi 1.1.0 on 20 populations: every recorded state
at every step (``tests/golden/test_lava.py``, ``test_loihi1.py``). What was not: the silicon. The two disagree (the 22 bit accumulator,
where a current wraps, whether the bias wraps with it) and which of them is the chip is not known (open issue lava-nc/lava#322); nor
whether the chip shifts by ``weight_exp`` each synapse or their sum, nor that it ignores it in a convolution, as the CPU model does.
"""

from .loihi_network import LoihiNetwork, network
from .loihi_neurons import LIF, compartment, lif
from .loihi_synapses import Dense, conv, delay_dense, dense

__all__ = ["LIF", "Dense", "LoihiNetwork", "compartment", "conv", "delay_dense", "dense", "lif", "network"]

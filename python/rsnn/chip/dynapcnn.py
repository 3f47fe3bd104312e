"""DynapCNN (the processor of Speck) in time steps, in integers.

What was verified: quantisation, layers and whole networks equal sinabs 3.1.3, whose software model of the chip this is, bit for bit:
48 quantised layers, 32 layers and 6 networks, every recorded membrane at every step (``tests/golden/test_dynapcnn.py``).
What was not: the silicon. It has no time steps (each event is processed when it comes, and a neuron fires at most once for it), it adds
biases at the tick of a slow clock, and what its membranes do beyond 16 bits is not published. The software model keeps no bounds:
``stats.beyond`` counts the membranes that would leave them, ``overflow="saturate"`` or ``"wrap"`` shows what that could do.
"""

from .dynapcnn_core import conv_iaf, linear_iaf
from .dynapcnn_spread import LayerSpread, Spread, spread
from .scale import Discretized, discretize

__all__ = ["Discretized", "LayerSpread", "Spread", "conv_iaf", "discretize", "linear_iaf", "spread"]

"""The layers of other libraries: their neurons, with that library's surrogate, detach rule and learnable arguments.

>>> import torch
>>> import rsnn.torch.presets.snntorch as snn
>>> layer = snn.Leaky(beta=0.9, learn_beta=True)
>>> layer
Leaky(presets.snntorch.Leaky(beta=0.9), learn=('beta',))

Each class is a `rsnn.torch.Layer`: data are whole sequences, the state is explicit, and every option of `Layer` is an argument beside the
library's own. A library's neuron that has no number of its own for training is `rsnn.torch.Layer(rsnn.presets...)`.
"""

from rsnn.torch.presets import norse, sinabs, snntorch, spikingjelly

__all__ = ["norse", "sinabs", "snntorch", "spikingjelly"]

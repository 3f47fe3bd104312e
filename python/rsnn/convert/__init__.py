"""From a trained torch network of ReLUs to spiking neurons: weights kept, rates carry the activations.

>>> import torch, rsnn
>>> _ = torch.manual_seed(0)
>>> model = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
>>> x = torch.rand(50, 4)
>>> net = rsnn.convert.from_relu(model, x)
>>> output = net.run(x.expand(64, 50, 4).numpy()).output.mean(0)
>>> float(abs(output - model(x).detach().numpy()).max()) < 0.05
True

An integrate-and-fire neuron that gets the constant current a fires ``max(0, a / v_threshold)`` times a step in the mean: it is a ReLU
(`rsnn.plot.activation_curve` draws it). So a network of ReLUs becomes one of these neurons with the same weights, as sinabs'
``from_model`` makes it. How many spikes an activation is, and with it how exact and how dear a run is, is a matter of scale: weights are
normalised so that a percentile of every layer's activity is one spike a step (Rueckauer, Lungu, Hu, Pfeiffer, Liu: Conversion of
continuous-valued deep networks to efficient event-driven networks for image classification, Frontiers in Neuroscience 11 (2017)).
"""

from .relu import CANDIDATES, from_relu, normalize_weights, search
from .report import Candidate, Comparison, LayerComparison, Search, compare

__all__ = ["CANDIDATES", "Candidate", "Comparison", "LayerComparison", "Search", "compare", "from_relu", "normalize_weights", "search"]

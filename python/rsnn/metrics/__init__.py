"""Measures of spike trains and of networks, over numpy arrays, packed spikes, results and torch tensors: numbers out.

>>> import numpy as np, rsnn
>>> spikes = rsnn.lif(1.5, beta=0.9, steps=100).spikes
>>> float(rsnn.metrics.firing_rate(spikes)), float(rsnn.metrics.cv_isi(spikes)) < 0.5
(1.0, True)

Rates and intervals (`firing_rate`, `isi`, `cv_isi`, `local_variation`), how neurons go together (`synchrony`), how trains differ
(`agreement`, `coincidence_factor`, `van_rossum_distance`, `victor_purpura_distance`), and what a network costs, in NeuroBench's terms
(`activation_sparsity`, `connection_sparsity`, `footprint`, `workload`). Trains are (T, ...), with ``batch_first=True`` (B, T, ...).
"""

from . import reference as reference
from .comparison import Agreement, agreement, coincidence_factor
from .distance import decaying_integral, van_rossum_distance, victor_purpura_distance
from .intervals import Intervals, cv_isi, isi, local_variation
from .neurobench import LayerWorkload, Workload, footprint, workload
from .population import synchrony
from .rates import firing_rate
from .sparsity import activation_sparsity, connection_sparsity

__all__ = [
    "Agreement",
    "Intervals",
    "LayerWorkload",
    "Workload",
    "activation_sparsity",
    "agreement",
    "coincidence_factor",
    "connection_sparsity",
    "cv_isi",
    "decaying_integral",
    "firing_rate",
    "footprint",
    "isi",
    "local_variation",
    "reference",
    "synchrony",
    "van_rossum_distance",
    "victor_purpura_distance",
    "workload",
]

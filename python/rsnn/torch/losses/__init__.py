"""Losses, accuracies and regularisation of spiking networks, over recordings (T, B, C).

>>> import torch
>>> from rsnn.torch import losses
>>> spikes, targets = torch.zeros(100, 8, 10), torch.zeros(8, dtype=torch.long)
>>> loss = losses.ce_count_loss()(spikes, targets) + losses.silence_reg(min_spikes=1.0)(spikes)
>>> losses.accuracy_rate(spikes, targets)
1.0

A loss is a module: made with its options, called with a recording and labels. Those that snnTorch has carry its names, and equal its values
and gradients; where it departs from what its documentation says, the default here is what is meant, and ``faithful=True`` what it does.
"""

from rsnn.torch.losses.accuracy import accuracy_rate, accuracy_temporal
from rsnn.torch.losses.distance import van_rossum_loss, victor_purpura_distance
from rsnn.torch.losses.membrane import ce_max_membrane_loss, mse_membrane_loss
from rsnn.torch.losses.rates import ce_count_loss, ce_rate_loss, mse_count_loss, tet_loss
from rsnn.torch.losses.regularisation import (
    SparsityEnforcer,
    kl_rate_sparsity,
    l1_rate_sparsity,
    rate_reg,
    silence_reg,
    sparsity_reg,
    temporal_sparsity,
    voltage_reg,
)
from rsnn.torch.losses.temporal import ce_temporal_loss, mse_temporal_loss, spike_times

__all__ = [
    "SparsityEnforcer",
    "accuracy_rate",
    "accuracy_temporal",
    "ce_count_loss",
    "ce_max_membrane_loss",
    "ce_rate_loss",
    "ce_temporal_loss",
    "kl_rate_sparsity",
    "l1_rate_sparsity",
    "mse_count_loss",
    "mse_membrane_loss",
    "mse_temporal_loss",
    "rate_reg",
    "silence_reg",
    "sparsity_reg",
    "spike_times",
    "temporal_sparsity",
    "tet_loss",
    "van_rossum_loss",
    "victor_purpura_distance",
    "voltage_reg",
]

"""How far a torch module and a network that was made of it agree, in spikes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import rsnn
from rsnn import metrics
from rsnn.arguments import of_tensor, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.tables import aligned
from rsnn.torch import _checks
from rsnn.torch.modules import Layer
from rsnn.torch.network import to_network
from rsnn.torch.sequential import Sequential, SequentialResult


@dataclass(frozen=True)
class LayerAgreement(metrics.Agreement):
    """How far one layer of neurons agrees: what `rsnn.metrics.agreement` of the module's spikes and the network's gives, and its place.

    Attributes
    ----------
    layer : str
        Its index in the network, its kind, and its name if it has one.
    """

    layer: str


@dataclass(frozen=True)
class Agreement:
    """How far a module and a network agree; prints as a table.

    Attributes
    ----------
    layers : tuple of LayerAgreement
        Of all neurons that spike, in the order of the network.
    output_difference : float
        The largest difference of the outputs, in size; NaN where only one of them is NaN.
    """

    layers: tuple[LayerAgreement, ...]
    output_difference: float

    @property
    def flipped(self) -> int:
        """Entries whose spikes differ, in all layers together."""
        return sum(one.flipped for one in self.layers)

    @property
    def entries(self) -> int:
        """Neurons times steps times samples, in all layers together."""
        return sum(one.entries for one in self.layers)

    def __str__(self) -> str:
        rows = [("layer", "entries", "spikes", "flipped", "first step")]
        rows += [
            (one.layer, f"{one.entries:,}", f"{one.spikes:,}", f"{one.flipped:,}", "" if one.first_step is None else str(one.first_step))
            for one in self.layers
        ]
        part = f" ({1e6 * self.flipped / self.entries:.3g} in a million)" if self.entries else ""
        flipped = f"{self.flipped:,} flipped{part}; largest difference of the output: {self.output_difference:.3g}"
        return f"{aligned(rows, left=range(1))}\n{flipped}"


def compare_spikes(module: nn.Module, x: Tensor, network: "rsnn.Network | None" = None) -> Agreement:
    """Run a module and the network made of it over the same data, and count the spikes that differ.

    Of rsnn's own layers none does. torch's own `Linear`, `Conv1d`, `Conv2d` and `AvgPool2d` add in an order of their own, so that a
    membrane that lands on its threshold may miss it by a last bit: a few spikes in a million flip, and what follows from them.

    Parameters
    ----------
    module : Sequential, Graph, or a single `Layer`
        It is run in evaluation mode, without gradients; afterwards it is in the mode it was in.
    x : tensor (T, B, ...), or (B, T, ...) as the module takes it
    network : rsnn.Network, optional
        By default `to_network` of the module.

    Returns
    -------
    Agreement

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A module that has no neurons, or no network; networks and data that do not fit each other.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> _ = torch.manual_seed(0)
    >>> module = rt.Sequential(rt.Linear(20, 10), rt.LIF(beta=0.9))
    >>> print(rt.compare_spikes(module, torch.rand(50, 4, 20)))
    layer  entries  spikes  flipped  first step
    1 LIF    2,000      53        0
    0 flipped (0 in a million); largest difference of the output: 0
    """
    if not isinstance(module, (Sequential, Layer)):
        raise InvalidTypeError(f"module is {type(module).__name__}: must be a rsnn.torch.Sequential, Graph or Layer")
    _checks.floating("x", x)
    _checks.axes("x", x, 2, "(B, T, ...)" if module.batch_first else "(T, B, ...)")
    if not x.numel():
        raise InvalidValueError(f"x has the shape {tuple(x.shape)}: give at least one step of one sample")
    made = to_network(module, tuple(x.shape[2:])) if network is None else network
    if not isinstance(made, rsnn.Network):
        raise InvalidTypeError(f"network={shown(network)}: must be a rsnn.Network, or None for the one that to_network makes")
    was_training = module.training
    try:
        with torch.no_grad():
            theirs: Any = module.eval().run(x, record=())
    finally:
        module.train(was_training)
    found = list(_spikes(theirs))
    ours = made.run(of_tensor("x", x))
    if len(found) != len(ours.spikes):
        raise InvalidValueError(
            f"network: it has {len(ours.spikes)} layers that spike, the module has {len(found)}; give the one made of it"
        )
    rows = tuple(_layer(made, k, theirs, ours.spikes[k]) for k, theirs in zip(ours.spikes, found, strict=True))
    output = theirs.output.detach().cpu().numpy()
    if output.shape != ours.output.shape:
        raise InvalidValueError(
            f"network: its output has shape {ours.output.shape}, that of the module {output.shape}; give the one made of it"
        )
    same = (output == ours.output) | (np.isnan(output) & np.isnan(ours.output))
    apart = np.abs(output[~same].astype(np.float64) - ours.output[~same])
    return Agreement(rows, float(apart.max()) if apart.size else 0.0)


def _spikes(result: Any) -> Iterator[Any]:
    """Give the spikes of every layer that spikes, in order, those of inner lists too."""
    if not isinstance(result, SequentialResult):
        if result.spiking:
            yield result.output.detach().cpu().numpy()
        return
    for one in result.spikes.values():
        if isinstance(one, dict):
            yield from _spikes(SequentialResult(result.output, one, {}, {}))
        else:
            yield one.detach().cpu().numpy()


def _layer(network: "rsnn.Network", k: int, theirs: Any, ours: Any) -> LayerAgreement:
    if theirs.shape != ours.shape:
        raise InvalidValueError(f"network: layer {k} has shape {ours.shape}, that of the module {theirs.shape}; give the one made of it")
    found, name = metrics.agreement(theirs, ours, batch_first=network.batch_first), network.graph.names[k]
    return LayerAgreement(**vars(found), layer=f"{k} {type(network.layers[k]).__name__}{'' if name is None else f' {name}'}")

"""How much of what could be there is not: activations without a spike, synapses without a weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rsnn.arguments import is_tensor
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.network import Network, NetworkResult
from rsnn.simulation import Result
from rsnn.spikes import Spikes
from rsnn.weights import Weights

from ._trains import dense


def activation_sparsity(x: Any) -> float:
    """Give the part of the activations that are 0, over all layers, steps and samples: NeuroBench's ``ActivationSparsity``.

    Parameters
    ----------
    x : array_like, `rsnn.Spikes`, tensor, a result of `rsnn.simulate` or `rsnn.Network.run`, or a list or mapping of these
        Of a network every layer that spikes counts, by what was counted in the run: nothing is made dense.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No finite numbers, or none at all; a network no layer of which spikes.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> rsnn.metrics.activation_sparsity([[0, 1], [0, 0]])
    0.75
    >>> net = rsnn.Network([rsnn.IAF(), rsnn.Linear([[1.0, 1.0]]), rsnn.IAF()], input_shape=2)
    >>> rsnn.metrics.activation_sparsity(net.run([[1.0, 0.0], [0.0, 0.0]]))
    0.6666666666666666
    """
    entries, active = _activations("x", x)
    if not entries:
        raise InvalidValueError("x: there is no activation; give a recording with at least one entry, or a network that spikes")
    return (entries - active) / entries


def _activations(name: str, x: Any) -> tuple[int, int]:
    """Count the activations, and those that are not 0."""
    if isinstance(x, NetworkResult):
        each = [(x.spikes.entries(k), x.stats[k].density or 0.0) for k in x.spikes]  # type: ignore[attr-defined]  # of LayerSpikes
        return sum(entries for entries, _ in each), sum(round(entries * density) for entries, density in each)
    if isinstance(x, Result):
        return _activations(name, x.spikes)
    if isinstance(x, Spikes):
        return x.size, x.count()
    if isinstance(x, Mapping) or (isinstance(x, (list, tuple)) and any(_is_recording(one) for one in x)):
        named = x.items() if isinstance(x, Mapping) else enumerate(x)
        each_of = [_activations(f"{name}[{key!r}]", one) for key, one in named]
        return sum(entries for entries, _ in each_of), sum(active for _, active in each_of)
    array = dense(name, x)
    return array.size, int(np.count_nonzero(array))


def _is_recording(x: Any) -> bool:
    return isinstance(x, (np.ndarray, Spikes, Result, NetworkResult, Mapping)) or is_tensor(x)


def connection_sparsity(network: Any) -> float:
    """Give the part of the weights that are 0: NeuroBench's ``ConnectionSparsity``, which rounds it to four digits.

    Parameters
    ----------
    network : rsnn.Network, a layer with weights, array_like or tensor of weights, or a list of these
        Biases do not count.

    Returns
    -------
    float
        From 0 to 1; 0.0 where there are no weights.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something else came.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.metrics.connection_sparsity(rsnn.Network([rsnn.Linear([[1.0, 0.0], [0.5, 2.0]]), rsnn.LIF()], input_shape=2))
    0.25
    """
    weights = [dense("network", one) for one in _weights(network)]
    entries = sum(one.size for one in weights)
    return sum(one.size - int(np.count_nonzero(one)) for one in weights) / entries if entries else 0.0


def _weights(x: Any) -> Iterable[Any]:
    if isinstance(x, Network):
        return [layer.weight for layer in x.layers if isinstance(layer, Weights)]
    if isinstance(x, Weights):
        return [x.weight]
    if isinstance(x, np.ndarray) or is_tensor(x):
        return [x]
    if isinstance(x, (list, tuple)) and any(isinstance(one, (np.ndarray, Weights, Network)) or is_tensor(one) for one in x):
        return [weight for one in x for weight in _weights(one)]
    if isinstance(x, (list, tuple)):
        return [x]
    raise InvalidTypeError(f"network is {type(x).__name__}: must be a rsnn.Network, a layer with weights, an array, or a list of these")

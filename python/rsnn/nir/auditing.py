"""`rsnn.nir.audit`: where a network that went through NIR first does something else than the original, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import array_of, flag, is_tensor, of_tensor, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.network import Network
from rsnn.recurrent import Recurrent
from rsnn.spikes import Spikes

from .originals import is_module, library_of, record
from .reading import read
from .report import Audit, LayerAudit
from .search import first_difference, likely_causes, sent
from .sources import SOURCES

Array = npt.NDArray[Any]


def audit(
    original: Any,
    graph_or_network: Any,
    x: Any,
    *,
    source: str | None = None,
    dt: float | None = None,
    reset: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    batch_first: bool = False,
) -> Audit:
    """Run a network against the original it came from; report the first divergence, and the convention that is likely behind it.

    Both run from rest over the same x. Where they differ, changes of convention (how the neurons reset and when, the gain of their input,
    the decay, whether a threshold is passed or reached, several spikes in a step, a lower bound of the membrane) are made to all neurons of
    the network, one alone, several, and those that a library makes together: the fewest with which it agrees for the longest are the
    likely causes, the one that does most first.

    Parameters
    ----------
    original : torch module, Network, or recorded spikes
        A module of Norse, snnTorch (``init_hidden=True``), sinabs or SpikingJelly, whose neurons come in the order of the network's; a
        copy of it runs, in evaluation. Or what was recorded of it: the spikes (T, [B,] neurons...) of the last layer that spikes, a list of
        those of each layer that spikes, or a dict of these by index or name of the layer in the network.
    graph_or_network : Network, nir.NIRGraph, or path of a file
        What came of it. A graph or a file is read by `read`.
    x : array_like (T, [B,] *input_shape)
        The input; torch tensors are taken as arrays.
    source, dt, reset, arguments : as of `read`
        Of a graph or a file alone.
    batch_first : bool, default False
        Whether x and recorded spikes are (B, T, ...).

    Returns
    -------
    Audit

    Raises
    ------
    InvalidTypeError, InvalidValueError, FileFormatError
        As `read`; or the spikes of the original do not have the shapes of the network's; or its library did not run it over x.

    Notes
    -----
    An original of rsnn.torch is compared by `rsnn.torch.to_network`, or by recording its spikes. Spikes recorded of Spyx, whose neurons
    send a step late, are compared with a graph and ``source="spyx"``.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> x = np.array([[1.5], [0.75], [0.75], [0.75], [0.75]])
    >>> original = rsnn.Network([rsnn.LIF(beta=0.5)], input_shape=1)
    >>> changed = rsnn.Network([rsnn.LIF(beta=0.5, reset="zero")], input_shape=1)
    >>> report = rsnn.nir.audit(original, changed, x)
    >>> report.step, report.layer, report.neuron, report.cause
    (1, 0, (0,), 'reset')
    >>> print(report)
    layer       original  network  differ  first in step
    0      LIF         3        3       4              1
    first divergence: step 1, layer 0, sample 0, neuron 0: 1 spikes in the original, 0 here
    likely cause: reset: reset by subtraction; then every spike is the same
    """
    swap = flag("batch_first", batch_first)
    given = {"source": source, "dt": dt, "reset": reset, "arguments": arguments}
    if isinstance(graph_or_network, Network):
        for name, value in given.items():
            if value is not None:
                raise InvalidValueError(f"{name}={shown(value)}: a Network came, which was read already; leave it out")
        network, late = graph_or_network, 0
    else:
        network = read(graph_or_network, **given)  # type: ignore[arg-type]
        late = 0 if source is None else SOURCES[source].late
    network = _time_first(network)
    spiking = [k for k, neuron in network.neurons.items() if neuron.kernel().spiking]
    if not spiking:
        raise InvalidValueError("graph_or_network: it has no neurons that spike, so there is nothing to compare")
    frames = _frames(network, x, swap)
    wanted = _wanted(original, network, spiking, frames, swap)
    found = sent(network, frames, late)
    return _report(network, spiking, frames, wanted, found, late)


def _time_first(network: Network) -> Network:
    if not network.batch_first:
        return network
    shape: Any = network.input_shape
    return Network(network.layers, shape, names=network.graph.names, inputs=network.graph.inputs)


def _frames(network: Network, x: Any, swap: bool) -> Array:
    """Give the input as (T, B, ...)."""
    array = array_of("x", of_tensor("x", x) if is_tensor(x) else x)
    shape: Any = network.input_shape
    lead = array.ndim - len(shape)
    if lead not in (1, 2) or array.shape[lead:] != tuple(shape) or (swap and lead == 1):
        accepted = f"(B, T, *{tuple(shape)})" if swap else f"(T, [B,] *{tuple(shape)})"
        raise InvalidValueError(f"x has shape {array.shape}: must be {accepted}, as the network takes it")
    if not array.size:
        raise InvalidValueError(f"x has shape {array.shape}: there is nothing to run over; give at least one step")
    frames = array[:, None] if lead == 1 else (array.swapaxes(0, 1) if swap else array)
    return np.asarray(frames, np.float64 if array.dtype == np.float64 else np.float32)


def _wanted(original: Any, network: Network, spiking: list[int], frames: Array, swap: bool) -> dict[int, Array]:
    """Give the spikes of the original (T, B, ...), by the place of the layer among those that spike."""
    if is_module(original):
        if library_of(original) == "rsnn":
            from rsnn.torch import to_network

            shape: Any = network.input_shape
            original = to_network(original, shape)
        else:
            return _matched(record(original, frames), network, spiking, frames)
    if isinstance(original, Network):
        same = _time_first(original)
        return _matched(sent(same, frames), network, spiking, frames)
    if isinstance(original, Mapping):
        places = {}
        for key, one in original.items():
            k = network.index(key)
            if k not in spiking:
                raise InvalidValueError(f"original[{key!r}]: layer {k} has no neurons that spike; those that do are {spiking}")
            places[spiking.index(k)] = one
    elif isinstance(original, (list, tuple)) and original and np.ndim(original[0]) > 0 and not np.isscalar(original[0]):
        if len(original) == len(spiking) and all(_is_recording(one) for one in original):
            places = dict(enumerate(original))
        else:
            places = {len(spiking) - 1: original}
    else:
        places = {len(spiking) - 1: original}
    return {place: _recorded(one, network, spiking[place], frames, swap) for place, one in places.items()}


def _is_recording(one: Any) -> bool:
    return isinstance(one, (np.ndarray, Spikes)) or is_tensor(one)


def _recorded(one: Any, network: Network, k: int, frames: Array, swap: bool) -> Array:
    """Check recorded spikes of a layer."""
    held = one.numpy() if isinstance(one, Spikes) else (of_tensor("original", one) if is_tensor(one) else one)
    array = array_of("original", held)
    if array.dtype.kind not in "biuf":
        raise InvalidTypeError(
            f"original={shown(one)}: must be a torch module of Norse, snnTorch, sinabs or SpikingJelly, a Network, or recorded spikes"
        )
    array = array.swapaxes(0, 1) if swap and array.ndim >= 2 else array
    full = (*frames.shape[:2], *network.shapes[k])
    if array.shape == (full[0], *full[2:]) and full[1] == 1:
        array = array[:, None]
    if array.shape != full:
        raise InvalidValueError(f"original: the spikes of layer {k} have shape {array.shape}: must be {full}, as of the network over x")
    return array


def _matched(recorded: list[Array], network: Network, spiking: list[int], frames: Array) -> dict[int, Array]:
    if len(recorded) != len(spiking):
        raise InvalidValueError(
            f"original: it has {len(recorded)} layers that spike, the network has {len(spiking)}; record the spikes of those to compare, "
            "and give them as {layer: spikes}"
        )
    return {place: _recorded(one, network, spiking[place], frames, False) for place, one in enumerate(recorded)}


def _report(network: Network, spiking: list[int], frames: Array, wanted: Mapping[int, Array], found: list[Array], late: int) -> Audit:
    rows = []
    for one in sorted(wanted):
        k = spiking[one]
        begins, _, differ = first_difference({one: wanted[one]}, found)
        name = network.graph.names[k]
        called = f"{_kind(network.layers[k])}{'' if name is None else f' {name!r}'}"
        rows.append(LayerAudit(k, called, int(wanted[one].sum()), int(found[one].sum()), differ, begins))
    step, place, _ = first_difference(wanted, found)
    if step is None or place is None:
        return Audit(tuple(rows), None, None, None, None, None, None, ())
    first_entry = tuple(int(one) for one in np.argwhere(wanted[place][step] != found[place][step])[0])
    sample, neuron = first_entry[0], first_entry[1:]
    at = (step, *first_entry)
    alone = slice(sample, sample + 1)
    causes = likely_causes(network, frames[:, alone], {k: one[:, alone] for k, one in wanted.items()}, step, late)
    values = float(wanted[place][at]), float(found[place][at])
    return Audit(tuple(rows), step, spiking[place], sample, neuron, *values, causes, (wanted[place], found[place]))


def _kind(layer: Any) -> str:
    """Name the neurons of a layer: those of other libraries with the library."""
    kind = repr(layer.neuron if isinstance(layer, Recurrent) else layer).partition("(")[0].removeprefix("presets.")
    return f"Recurrent {kind}" if isinstance(layer, Recurrent) else kind

"""`rsnn.nir.audit`: where a network that went through NIR first does something else than the original, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rsnn.arguments import array_of, flag, is_tensor, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.network import Network
from rsnn.spikes import Spikes

from .causes import Change, each
from .originals import is_module, library_of, record
from .reading import read
from .report import Audit, Cause, LayerAudit

Array = npt.NDArray[Any]

DEEPEST = 5
"""So many conventions together are tried."""
PAIRED = 6
"""So many of the changes, those that come nearest, are tried together with another one."""
FEWER = 0.8
"""A change after which the first difference is no later must leave at most so many of the others."""
AFTER = 100
"""Causes are sought in the sample that differs first, up to so many steps after it does."""


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
    the network: the one with which it agrees for the longest is the likely cause. If it explains not all of it, the next is sought.

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
    An original of rsnn.torch is compared by `rsnn.torch.to_network`, or by recording its spikes.

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
        network = graph_or_network
    else:
        network = read(graph_or_network, **given)  # type: ignore[arg-type]
    network = _time_first(network)
    spiking = [k for k, neuron in network.neurons.items() if neuron.kernel().spiking]
    if not spiking:
        raise InvalidValueError("graph_or_network: it has no neurons that spike, so there is nothing to compare")
    frames = _frames(network, x, swap)
    wanted = _wanted(original, network, spiking, frames, swap)
    found = _run(network, frames, spiking)
    return _report(network, spiking, frames, wanted, found)


def _time_first(network: Network) -> Network:
    if not network.batch_first:
        return network
    shape: Any = network.input_shape
    return Network(network.layers, shape, names=network.graph.names, inputs=network.graph.inputs)


def _frames(network: Network, x: Any, swap: bool) -> Array:
    """Give the input as (T, B, ...)."""
    array = array_of("x", x.detach().cpu().numpy() if is_tensor(x) else x)
    shape: Any = network.input_shape
    lead = array.ndim - len(shape)
    if lead not in (1, 2) or array.shape[lead:] != tuple(shape) or (swap and lead == 1):
        accepted = f"(B, T, *{tuple(shape)})" if swap else f"(T, [B,] *{tuple(shape)})"
        raise InvalidValueError(f"x has shape {array.shape}: must be {accepted}, as the network takes it")
    frames = array[:, None] if lead == 1 else (array.swapaxes(0, 1) if swap else array)
    return np.asarray(frames, np.float64 if array.dtype == np.float64 else np.float32)


def _run(network: Network, frames: Array, spiking: list[int]) -> list[Array]:
    out = network.run(frames)
    return [np.asarray(out.spikes[k]) for k in spiking]


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
        return _matched(_run(same, frames, [k for k, one in same.neurons.items() if one.kernel().spiking]), network, spiking, frames)
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
    held = one.numpy() if isinstance(one, Spikes) else (one.detach().cpu().numpy() if is_tensor(one) else one)
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


def _first(wanted: Mapping[int, Array], found: list[Array], late: int = 0) -> tuple[int | None, int | None, int]:
    """Give the first step in which something differs, the first layer there by its place, and how many entries differ in all."""
    step: int | None = None
    place: int | None = None
    differ = 0
    for k in sorted(wanted):
        other = _later(found[k], late)
        unequal = wanted[k] != other[: len(wanted[k])]
        differ += int(np.count_nonzero(unequal))
        steps = np.flatnonzero(unequal.reshape(len(unequal), -1).any(axis=1))
        if steps.size and (step is None or steps[0] < step):
            step, place = int(steps[0]), k
    return step, place, differ


def _later(spikes: Array, late: int) -> Array:
    return spikes if not late else np.concatenate([np.zeros_like(spikes[:late]), spikes[:-late]])


def _report(network: Network, spiking: list[int], frames: Array, wanted: Mapping[int, Array], found: list[Array]) -> Audit:
    rows = []
    for one in sorted(wanted):
        k = spiking[one]
        begins, _, differ = _first({one: wanted[one]}, found)
        name = network.graph.names[k]
        called = f"{type(network.layers[k]).__name__}{'' if name is None else f' {name!r}'}"
        rows.append(LayerAudit(k, called, int(wanted[one].sum()), int(found[one].sum()), differ, begins))
    step, place, _ = _first(wanted, found)
    if step is None or place is None:
        return Audit(tuple(rows), None, None, None, None, None, None, ())
    first_entry = tuple(int(one) for one in np.argwhere(wanted[place][step] != found[place][step])[0])
    sample, neuron = first_entry[0], first_entry[1:]
    at = (step, *first_entry)
    alone = slice(sample, sample + 1)
    causes = _causes(network, spiking, frames[:, alone], {k: one[:, alone] for k, one in wanted.items()}, step)
    values = float(wanted[place][at]), float(found[place][at])
    return Audit(tuple(rows), step, spiking[place], sample, neuron, *values, causes, (wanted[place], found[place]))


def _causes(network: Network, spiking: list[int], frames: Array, wanted: Mapping[int, Array], step: int) -> tuple[Cause, ...]:
    """Change one convention after the other, each time that with which the network agrees for the longest."""
    short = frames[: step + 1 + AFTER]
    cut = {place: one[: len(short)] for place, one in wanted.items()}

    def tried(changes: tuple[Change, ...], other: Network, late: int) -> _Trial:
        late += changes[-1].late
        spikes = _run(other, short, [k for k, neuron in other.neurons.items() if neuron.kernel().spiking])
        first, _, differ = _first(cut, spikes, late)
        return _Trial(other, changes, late, first, differ, len(short) if first is None else first)

    now = tried((Change("", "", lambda form: form),), network, 0)
    causes: list[Cause] = []
    while len(causes) < DEEPEST and now.first is not None:
        # As long as before counts for something where much less differs.
        least = (now.until, int(-FEWER * now.differ))
        singles = [tried((change,), other, now.late) for change, other in each(now.network)]
        best = max(singles, key=_Trial.score, default=now)
        if best.score() <= least:  # two conventions may show together alone
            singles = sorted(singles, key=_Trial.score, reverse=True)[:PAIRED]
            pairs = (
                tried((*one.changes, change), other, one.late)
                for one in singles
                for change, other in each(one.network)
                if change.cause != one.changes[0].cause and not one.changes[0].late
            )
            best = max(pairs, key=_Trial.score, default=now)
        if best.score() <= least:
            break
        causes += [Cause(change.cause, change.what, best.first, best.differ) for change in best.changes]
        now = best
    return tuple(causes)


class _Trial(NamedTuple):
    """A network after some changes: by how much it sends later, and what still differs."""

    network: Network
    changes: tuple[Change, ...]
    late: int
    first: int | None
    differ: int
    until: int

    def score(self) -> tuple[int, int]:
        """Tell better trials by larger scores: they agree for longer, or less differs."""
        return self.until, -self.differ

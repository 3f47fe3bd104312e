"""Networks of Loihi populations as Lava runs them: every message takes one step, also that to the own population."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.arguments import names, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.state import State, make_state
from rsnn.threads import resolve

from .integers import Array, convert, empty, integers, take_states, whole_array
from .loihi_neurons import LIF, inner_state, outer_state, steps_of
from .loihi_synapses import Dense
from .network import ChipNetworkResult
from .neuron import run
from .result import ChipResult, Counter


@dataclass(frozen=True, eq=False)
class LoihiNetwork:
    """A network of Loihi populations, made by `rsnn.chip.loihi.network`.

    Attributes
    ----------
    layers : tuple of (Dense, LIF, Dense or None)
        Synapses that feed a population, the population, and its synapses onto itself.
    """

    layers: tuple[tuple[Dense, LIF, Dense | None], ...]

    def run(
        self, x: npt.ArrayLike, state: dict[int, State] | None = None, *, record: Any = (), threads: int | None = None
    ) -> ChipNetworkResult:
        """Run the network.

        Parameters
        ----------
        x : array_like of integers, (T, n) or (T, B, n)
            Spikes into the first synapses. Never modified.
        state : dict, optional
            To go on from: ``result.state``. All 0 by default.
        record : name or tuple of names
            ``"u"`` and ``"v"``, of every population, into ``result.traces``.
        threads : int, optional
            At most so many; the result does not depend on it.

        Returns
        -------
        ChipNetworkResult
            Populations are known by their number, from 0. A state has u, v, what is on its way (``a``) and the last spikes (``s``).

        Raises
        ------
        InvalidTypeError, InvalidValueError
            Something is not accepted; the message says what is.
        """
        recorded, workers = names("record", record, ("u", "v")), resolve(threads)
        if state is not None and (not isinstance(state, dict) or set(state) != set(range(len(self.layers)))):
            raise InvalidValueError(
                f"state={shown(state)}: must be a dict with the keys 0 to {len(self.layers) - 1}; give an earlier .state"
            )
        array = whole_array("x", x)
        inputs = self.layers[0][0].used.shape[1]
        if array.ndim not in (2, 3) or array.shape[-1] != inputs:
            raise InvalidValueError(f"x has shape {array.shape}: must be (T, {inputs}) or (T, batch, {inputs})")
        flow, results = array, {}
        for k, layer in enumerate(self.layers):
            results[k] = _layer(layer, flow, None if state is None else state[k], recorded, workers)
            flow = results[k].spikes
        return ChipNetworkResult(
            flow,
            {k: one.spikes for k, one in results.items()},
            {k: one.state for k, one in results.items()},
            {k: one.stats for k, one in results.items()},
            {k: one.traces for k, one in results.items()} if recorded else {},
            1 if array.ndim == 3 else None,
        )

    def __repr__(self) -> str:
        sizes = [self.layers[0][0].used.shape[1], *(len(into.used) for into, _, _ in self.layers)]
        return f"LoihiNetwork({' -> '.join(map(str, sizes))})"


def network(layers: Sequence[Any]) -> LoihiNetwork:
    """Put populations and synapses together: every message takes one step, and recurrent populations are stepped with their own spikes.

    Parameters
    ----------
    layers : sequence of Dense and LIF
        In turn: ``[Dense(w0), LIF(...), Dense(w1), LIF(...)]``. A second ``Dense`` after a ``LIF`` that is followed by another
        ``Dense``, or ends the network, is from that population to itself: ``[Dense(w0), LIF(...), Dense(recurrent), Dense(w1), LIF(...)]``.

    Returns
    -------
    LoihiNetwork
        ``.run(x)``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        The layers are not in turn, or do not fit each other; the message says what is accepted.

    Notes
    -----
    Verified against lava-nc 0.10.0 through its runtime: 6 networks of 2 or 3 populations, some recurrent, spikes and membranes at every
    step.

    Examples
    --------
    >>> import rsnn
    >>> from rsnn.chip import loihi
    >>> net = loihi.network([loihi.Dense([[40]]), loihi.LIF(du=4095, dv=0, vth=50), loihi.Dense([[-30]])])
    >>> net.run([[1]] * 6).output.ravel().tolist()
    [0, 0, 1, 0, 0, 1]
    """
    if not isinstance(layers, Sequence):
        raise InvalidTypeError(f"layers={shown(layers)}: must be a list of rsnn.chip.loihi.Dense and LIF")
    parts: list[Any] = list(layers)
    for k, part in enumerate(parts):
        if not isinstance(part, (Dense, LIF)):
            raise InvalidTypeError(f"layers[{k}]={shown(part)}: must be a rsnn.chip.loihi.Dense or LIF")
    made: list[tuple[Dense, LIF, Dense | None]] = []
    k = 0
    while k < len(parts):
        if not (isinstance(parts[k], Dense) and k + 1 < len(parts) and isinstance(parts[k + 1], LIF)):
            raise InvalidValueError(f"layers[{k}]: must be a Dense that is followed by a LIF")
        after = parts[k + 2 : k + 4]
        own = after[0] if after and isinstance(after[0], Dense) and not (len(after) == 2 and isinstance(after[1], LIF)) else None
        made.append((parts[k], parts[k + 1], own))
        k += 2 if own is None else 3
    if not made:
        raise InvalidValueError("layers: must have at least a Dense and a LIF")
    for j, (into, _, own) in enumerate(made):
        n = len(into.used)
        if j and into.used.shape[1] != len(made[j - 1][0].used):
            raise InvalidValueError(f"population {j}: its weights take {into.used.shape[1]} inputs, {len(made[j - 1][0].used)} come")
        if own is not None and own.used.shape != (n, n):
            raise InvalidValueError(f"population {j}: recurrent weights of shape {own.used.shape}, must be {(n, n)}")
    return LoihiNetwork(tuple(made))


def _layer(layer: tuple[Dense, LIF, Dense | None], x: Array, state: Any, recorded: tuple[str, ...], threads: int) -> ChipResult:
    """Run one population with the synapses that feed it."""
    into, lif, own = layer
    n, shape = len(into.used), (*x.shape[1:-1], len(into.used))
    sums = into.sums(x, threads)
    arriving, sent = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    held = None
    if state is not None:
        came = getattr(state, "_fields", ())
        if not {"v", "u", "a", "s"} <= set(came):
            raise InvalidValueError(f"state={shown(state)}: must have the fields v, u, a and s; give the .state of an earlier result")
        arriving, sent = (_shaped(name, getattr(state, name), shape) for name in ("a", "s"))
        held = make_state(("v", "u"), (state.v, state.u))
    steps, start = len(x), steps_of(state if "t" in getattr(state, "_fields", ()) else None)
    drive = np.concatenate([arriving[None], sums])
    arriving, drive = drive[-1], np.ascontiguousarray(drive[:-1])
    neuron = lif.line(start)
    renamed = {"u": "i", "v": "v"}
    if own is None:
        result = run(neuron, drive, state=inner_state(held, neuron.fields), record=tuple(renamed[one] for one in recorded), threads=threads)
        spikes, traces, after, stats = result.spikes, {one: result.traces[renamed[one]] for one in recorded}, result.state, result.stats
        sent = spikes[-1] if steps else sent
    else:
        states = take_states(inner_state(held, neuron.fields), neuron.fields, shape, {"v": 24, "i": 32})
        spikes = empty("x", (steps, *shape), np.dtype(np.int32))
        traces = {one: empty("record", spikes.shape, np.dtype(np.int32)) for one in recorded}
        batch = int(np.prod(shape[:-1], dtype=np.int64))
        sent = np.ascontiguousarray(sent, np.int64).copy()
        counter = Counter()
        if spikes.size:
            extent, synops = _rsnn.integer_recurrent(
                neuron.spec, drive.reshape(steps, batch, n), neuron.table((n,)), states, np.ascontiguousarray(own.used.T),
                sent.reshape(batch, n), spikes, [(renamed[one], trace) for one, trace in traces.items()],
                exponent=own.weight_exp, graded=own.graded, threads=threads,
            )  # fmt: skip
            counter.add(extent, synops)
        after = make_state(neuron.fields, (row.reshape(shape).astype(np.int32) for row in states))
        stats = counter.stats(spikes.size)
    kept = outer_state(after)
    fields_, values = [*kept._fields, "a", "s"], [*kept, arriving, np.asarray(sent, np.int64)]
    if lif.kind == "reset":
        fields_, values = [*fields_, "t"], [*values, np.int64(start + steps)]
    return ChipResult(spikes, spikes, make_state(tuple(fields_), values), traces, stats)


def _shaped(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    array = convert(f"state.{name}", whole_array(f"state.{name}", value))
    if array.shape != shape:
        raise InvalidValueError(f"state.{name} has shape {array.shape}: must be {shape}; give the .state of an earlier result")
    return integers(f"state.{name}", array)

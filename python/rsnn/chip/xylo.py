"""Xylo in integers, as xylosim has it.

What was verified: cores of version 1 (SYNS61300) and 2 (all later ones) equal xylosim 0.1.3 on 10 and 24 random cores, every current,
membrane and spike at every step, among them cores whose currents saturate, thresholds below 1, aliases in both directions
(``tests/golden/test_xylo.py``). What was not: the silicon; xylosim claims to be exact to it. Of Audio 3 it is not known whether the
second synapse of a hidden neuron is there: the documents say so, the maker's software writes and simulates only the first. The
hibernation mode of version 2 changes no state in the simulator, and is left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.arguments import flag, names, shown
from rsnn.errors import InvalidValueError
from rsnn.state import State, make_state
from rsnn.threads import resolve

from .integers import Array, blocks, empty, integer, integers, whole_array
from .result import ChipResult, Counter

STATES = ("isyn", "v", "isyn_out", "v_out", "s")
TRACES = STATES[:4]
WEIGHT_BITS, BITS = 8, 16

__all__ = ["Core"]


class Core:
    """A Xylo core: input synapses, hidden neurons with recurrent synapses and aliases, output neurons.

    One step, exact integers of 16 bits, ``decay(x, d) = x >> d``, or the sign of x where that is 0::

        isyn[k] = sat(isyn[k] + wrap(w << shift))      for each spike: input channels ascending, then hidden neurons of the last step;
                                                       of a channel at most 15 spikes count, of a neuron 31
        isyn_out = sat(isyn_out + wrap(w_out << shift_out))   the same, for hidden spikes of the last step
        isyn[k] = isyn[k] - decay(isyn[k], dash_syn[k])
        version 2:  c = sat(sat(wrap(-decay(v, dash_mem)) + sum of isyn[k]) + bias);  v = sat(v + c)
        version 1:  v = sat(v - decay(v, dash_mem) + sum of isyn[k])
        while v >= threshold and fewer than 31 spikes: a spike, v = wrap(v - threshold)
        alias: a neuron's spikes are added to another's, 31 at most: to a higher one before it fires, to a lower one after
        output neurons: the same with isyn_out, one spike a step

    Parameters
    ----------
    w_in : array_like of integers, (n_in, n[, n_syn])
    w_rec : array_like of integers, (n, n[, n_syn]), optional
        From the first axis to the second. None: no recurrent synapses.
    w_out : array_like of integers, (n, n_out)
    dash_syn : integer or array of integers, (n[, n_syn])
        Shifts of the currents, 0 to 15: about the time constant in steps, as a power of two. 0 makes a synapse useless.
    dash_mem, dash_syn_out, dash_mem_out : integer or array of integers, (n,) and (n_out,)
    threshold, threshold_out : integer or array of integers
        Below 1 a neuron fires as often as it may, in every step.
    bias, bias_out : integer or array of integers, optional
        Version 1 has none.
    alias : array_like of integers, (n,), optional
        For each hidden neuron the one that its spikes are added to, -1 for none.
    shift_in, shift_rec, shift_out : int, 0 to 15, default 0
    version : {1, 2}
    strict : bool, default False
        Refuse weights beyond the chip's 8 bits, as `wrap` would hide them. All else is held to 16 bits anyhow.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Something is not accepted; the message says what is.

    Notes
    -----
    The spikes of one source share one weight, so that they are one saturating addition of their sum: the fast path is the
    spike-by-spike replay, in which only silent sources are left out. See the head of `rsnn.chip.xylo` for what was verified.

    Examples
    --------
    >>> import rsnn
    >>> core = rsnn.chip.xylo.Core(
    ...     w_in=[[30]], w_rec=[[0]], w_out=[[20]], dash_syn=2, dash_mem=3, dash_syn_out=1, dash_mem_out=2, threshold=40, threshold_out=10
    ... )
    >>> result = core.run([[1], [1], [0], [0]], record=("isyn", "v"))
    >>> result.isyn.ravel().tolist(), result.spikes.ravel().tolist(), result.out.ravel().tolist()
    ([23, 40, 30, 23], [0, 1, 1, 0], [0, 0, 1, 1])
    """

    def __init__(
        self,
        *,
        w_in: npt.ArrayLike,
        w_out: npt.ArrayLike,
        dash_syn: Any,
        dash_mem: Any,
        dash_syn_out: Any,
        dash_mem_out: Any,
        threshold: Any,
        threshold_out: Any,
        w_rec: npt.ArrayLike | None = None,
        bias: Any = None,
        bias_out: Any = None,
        alias: npt.ArrayLike | None = None,
        shift_in: int = 0,
        shift_rec: int = 0,
        shift_out: int = 0,
        version: int = 2,
        strict: bool = False,
    ) -> None:
        self.version = integer("version", version, 1, 2)
        bits = WEIGHT_BITS if flag("strict", strict) else BITS
        self.w_in = _weights("w_in", w_in, None, None, bits)
        n_in, n, n_syn = self.w_in.shape
        self.w_rec = _weights("w_rec", np.zeros((n, n, n_syn), np.int64) if w_rec is None else w_rec, (n, n), n_syn, bits)
        out = integers("w_out", w_out)
        if out.ndim != 2 or len(out) != n:
            raise InvalidValueError(f"w_out has shape {out.shape}: must be ({n}, outputs), a row for each hidden neuron of w_in")
        self.w_out = _held("w_out", out, bits)
        n_out = out.shape[1]
        self.sizes = (n_in, n, n_syn, n_out)
        if version == 1 and (bias is not None or bias_out is not None):
            raise InvalidValueError("bias: version 1 of the chip has none; leave it out, or use version=2")
        syn = integers("dash_syn", dash_syn)
        syn = syn[:, None] if syn.ndim == 1 and syn.shape == (n,) else syn
        self.dash_syn = _dash("dash_syn", syn, (n, n_syn))
        self.dash_mem = _dash("dash_mem", integers("dash_mem", dash_mem), (n,))
        self.dash_syn_out = _dash("dash_syn_out", integers("dash_syn_out", dash_syn_out), (n_out,))
        self.dash_mem_out = _dash("dash_mem_out", integers("dash_mem_out", dash_mem_out), (n_out,))
        self.threshold = _own("threshold", threshold, n)
        self.threshold_out = _own("threshold_out", threshold_out, n_out)
        self.bias = _own("bias", 0 if bias is None else bias, n)
        self.bias_out = _own("bias_out", 0 if bias_out is None else bias_out, n_out)
        self.alias = np.full(n, -1, np.int64) if alias is None else np.array(integers("alias", alias))
        if self.alias.shape != (n,) or (n and (self.alias.min() < -1 or self.alias.max() >= n)):
            raise InvalidValueError(f"alias={shown(self.alias)}: must be ({n},), for each hidden neuron -1 or a hidden neuron below {n}")
        self.shifts = tuple(
            integer(name, value, 0, 15) for name, value in (("shift_in", shift_in), ("shift_rec", shift_rec), ("shift_out", shift_out))
        )

        self._freeze()

    def _freeze(self) -> None:
        """Lay the core out natively, once: its arrays do not change any more."""
        arrays = [value for value in self.__dict__.values() if isinstance(value, np.ndarray)]
        for array in arrays:
            array.setflags(write=False)
        # Synapse by synapse, as the Rust core reads them.
        self._native = _rsnn.XyloCore(
            self.version,
            [np.ascontiguousarray(w.transpose(0, 2, 1)) for w in (self.w_in, self.w_rec)] + [np.ascontiguousarray(self.w_out)],
            self.shifts,
            [np.ascontiguousarray(self.dash_syn.T), self.dash_mem, self.threshold, self.bias],
            [self.dash_syn_out, self.dash_mem_out, self.threshold_out, self.bias_out],
            self.alias,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_native"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._freeze()

    def run(self, raster: npt.ArrayLike, state: State | None = None, *, record: Any = (), threads: int | None = None) -> ChipResult:
        """Run the core.

        Parameters
        ----------
        raster : array_like of integers, (T, n_in) or (T, B, n_in)
            Spikes that come in, counted, not negative. Never modified.
        state : named tuple, optional
            To go on from: ``result.state``, with the fields isyn, v, isyn_out, v_out and s, the last spikes. All 0 by default.
        record : name or tuple of names
            ``"isyn"`` (T, [B,] n, n_syn), ``"v"`` (T, [B,] n), ``"isyn_out"`` and ``"v_out"`` (T, [B,] n_out), at the end of each step.
        threads : int, optional
            At most so many, a sample each; the result does not depend on it.

        Returns
        -------
        ChipResult
            ``out`` (T, [B,] n_out), ``spikes`` (T, [B,] n) with what aliases add, ``state``, ``traces``, all int32. ``stats``: hidden
            spikes, SynOps (one for each spike and weight that is not 0), hidden membranes that would have left 16 bits.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            Something is not accepted; the message says what is.
        """
        n_in, n, n_syn, n_out = self.sizes
        recorded, workers = names("record", record, TRACES), resolve(threads)
        array = whole_array("raster", raster)
        if array.ndim not in (2, 3) or array.shape[-1] != n_in:
            raise InvalidValueError(f"raster has shape {array.shape}: must be (T, {n_in}) or (T, batch, {n_in})")
        if array.dtype.kind != "b" and array.size and array.min() < 0:
            raise InvalidValueError(f"raster: {array.min()} came; counts of spikes are not negative")
        leading = array.shape[:-1]
        batch = int(np.prod(leading[1:], dtype=np.int64))
        states = self._take(state, leading[1:])
        kind = np.dtype(np.int32)
        spikes, out = empty("raster", (*leading, n), kind), empty("raster", (*leading, n_out), kind)
        shapes = dict(zip(TRACES, ((n_syn, n), (n,), (n_out,), (n_out,)), strict=True))
        traces = {name: empty("record", (*leading, *shapes[name]), kind) for name in recorded}
        counter = Counter()
        for cut, block in blocks("raster", array):
            record_ = [traces[name][cut] if name in traces else None for name in TRACES]
            extent, _, synops = self._native.run(
                block.reshape(len(block), batch, n_in), states, [spikes[cut], out[cut]], record_, threads=workers
            )
            counter.add(extent, synops)
        if "isyn" in traces:
            traces["isyn"] = np.ascontiguousarray(traces["isyn"].swapaxes(-1, -2))
        states[0] = np.ascontiguousarray(states[0].swapaxes(-1, -2))
        return ChipResult(spikes, out, make_state(STATES, states), traces, counter.stats(spikes.size))

    def _take(self, state: Any, leading: tuple[int, ...]) -> list[Array]:
        """Check a state; give arrays of our own, the currents synapse by synapse."""
        _, n, n_syn, n_out = self.sizes
        shapes = ((n, n_syn), (n,), (n_out,), (n_out,), (n,))
        if state is None:
            made = [np.zeros((*leading, *shape), np.int32) for shape in shapes]
        else:
            if tuple(getattr(state, "_fields", ())) != STATES:
                raise InvalidValueError(
                    f"state={shown(state)}: must have the fields {', '.join(STATES)}; give the .state of an earlier result"
                )
            made = []
            for name, shape in zip(STATES, shapes, strict=True):
                value = _held(f"state.{name}", integers(f"state.{name}", getattr(state, name)), BITS)
                if value.shape != (*leading, *shape):
                    raise InvalidValueError(f"state.{name} has shape {value.shape}: must be {(*leading, *shape)}; give an earlier .state")
                made.append(value.astype(np.int32))
        made[0] = np.ascontiguousarray(made[0].swapaxes(-1, -2))
        return made

    def __repr__(self) -> str:
        n_in, n, n_syn, n_out = self.sizes
        return f"xylo.Core({n_in}-{n}-{n_out}, {n_syn} synapse{'s' if n_syn != 1 else ''}, version {self.version})"


def _held(name: str, values: Array, bits: int) -> Array:
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if values.size and (values.min() < low or values.max() > high):
        raise InvalidValueError(f"{name}: {int(values.min())} to {int(values.max())} came; must fit {bits} bits, {low} to {high}")
    return values


def _weights(name: str, value: Any, sizes: tuple[int, int] | None, n_syn: int | None, bits: int) -> Array:
    array = integers(name, value)
    array = array[:, :, None] if array.ndim == 2 else array
    wrong = array.ndim != 3 or (sizes is not None and array.shape != (*sizes, n_syn))
    if wrong:
        wanted = "(sources, hidden[, synapses])" if sizes is None else f"{(*sizes, n_syn)}, as w_in has it"
        raise InvalidValueError(f"{name} has shape {np.shape(value)}: must be {wanted}")
    return _held(name, array, bits)


def _dash(name: str, array: Array, shape: tuple[int, ...]) -> Array:
    if array.size and (array.min() < 0 or array.max() > 15):
        raise InvalidValueError(f"{name}={shown(array if array.ndim else int(array))}: must be from 0 to 15")
    return _spread(name, array, shape)


def _own(name: str, value: Any, n: int) -> Array:
    return _spread(name, _held(name, integers(name, value), BITS), (n,))


def _spread(name: str, array: Array, shape: tuple[int, ...]) -> Array:
    try:
        return np.array(np.broadcast_to(array, shape), np.int64, order="C")
    except ValueError:
        raise InvalidValueError(f"{name} has shape {array.shape}: must be a single integer or {shape}") from None

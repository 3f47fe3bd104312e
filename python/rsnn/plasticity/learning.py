"""Rules applied to spikes that are there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.arguments import array_of, count, scalar, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.memory import empty
from rsnn.state import State
from rsnn.weights import kept

from .connection import Connection, Learning, checked_rule, layer_of
from .rules import AnyRule, RewardModulated
from .states import begin, rewards, spikes

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LearnResult:
    """What a rule makes of weights.

    Attributes
    ----------
    weight : array like the weight
        After the last step, in the dtype that was computed in.
    state : named tuple of arrays ([B,] ...)
        ``pre``, ``post``, and what else the rule carries (``pre_slow``, ``post_slow``, ``eligibility``): pass it back in to go on.
    history : array (T // weight_every, *shape of the weight), or None
        The weight after every so many steps, where that was asked for.
    """

    weight: Array
    state: State
    history: Array | None = None


def learn(
    rule: AnyRule,
    pre: npt.ArrayLike,
    post: npt.ArrayLike,
    weight: npt.ArrayLike,
    state: State | None = None,
    *,
    reward: npt.ArrayLike | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    weight_every: int | None = None,
) -> LearnResult:
    """Apply a rule of spike times to spikes before and after synapses, whoever fired them.

    Parameters
    ----------
    rule : STDP or RewardModulated
    pre : array_like (T, [B,] *input_shape), or `Spikes`
        What arrives. float32 and float64 are computed in as they are; anything else in float32. A batch changes one weight together.
    post : array_like (T, [B,] *output_shape), or `Spikes`
        What is sent.
    weight : array_like
        (outputs, inputs) as of `rsnn.Linear`, (outputs, channels, columns) of `rsnn.Conv1d`, or (outputs, channels, rows, columns) of
        `rsnn.Conv2d`. Finite. Never modified.
    state : named tuple, optional
        To go on from: ``result.state``; zeros by default. Never modified.
    reward : array_like (T,) or (T, B)
        Of `RewardModulated`, which needs it.
    stride, padding : int or (rows, columns)
        Of a convolution.
    weight_every : int, optional
        Keep the weight after every so many steps.

    Returns
    -------
    LearnResult
        ``weight``, ``state``, ``history``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument of another type, shape or range; weights beyond the bounds that the rule keeps; weights that diverge.
    KeyboardInterrupt
        Ctrl-C, within a fraction of a second; nothing of the caller's changed.

    Notes
    -----
    The same bits in one piece or in several. The equations are those of `STDP`; a whole layer with its neurons is run by
    `rsnn.plasticity.run`.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> rng = np.random.default_rng(0)
    >>> pre, post = rng.random((100, 8)) < 0.1, rng.random((100, 3)) < 0.1
    >>> out = rsnn.plasticity.learn(rsnn.plasticity.STDP(), pre, post, np.full((3, 8), 0.5), weight_every=10)
    >>> out.weight.shape, out.history.shape, out.state._fields
    ((3, 8), (10, 3, 8), ('pre', 'post'))
    """
    checked_rule("rule", rule)
    layer = layer_of(kept("weight", weight), stride, padding)
    arrived, dtype = spikes("pre", pre)
    sent, _ = spikes("post", post, dtype)
    axes = 1 if layer.weight.ndim == 2 else layer.weight.ndim - 1
    if arrived.ndim not in (axes + 1, axes + 2):
        sizes = "inputs" if axes == 1 else "channels, *size"
        raise InvalidValueError(f"pre has shape {arrived.shape}: with this weight it must be (T, {sizes}) or (T, B, {sizes})")
    lead = arrived.shape[:-axes]
    connection = Connection(layer, arrived.shape[len(lead) :])
    if sent.shape != (*lead, *connection.after):
        raise InvalidValueError(f"post has shape {sent.shape}: the weight makes {(*lead, *connection.after)} of pre")
    connection.check(rule, dtype)
    given = rewards(reward, lead, dtype, isinstance(rule, RewardModulated))
    at = begin("state", state, connection.fields(rule, lead[1:]), dtype)
    steps, samples = lead[0], lead[1] if len(lead) == 2 else 1
    learning = Learning(connection, rule, at, samples, dtype)
    history = history_of(learning, steps, weight_every)
    _rsnn.plasticity_run(
        pre=connection.lay(arrived, connection.before).reshape(steps, samples, -1 if arrived.size else _size(connection.before)),
        post=connection.lay(sent, connection.after).reshape(steps, samples, -1 if sent.size else _size(connection.after)),
        kept=history,
        **learning.arguments(given),
    )
    found = None if history is None else connection.weight(history[1])
    return LearnResult(learning.weight(), learning.state(lead[1:]), found)


def history_of(learning: Learning, steps: int, every: int | None) -> tuple[int, Array] | None:
    """Make room for the weights of every so many steps: give how many steps, and the array."""
    if every is None:
        return None
    kept_steps = steps // count("weight_every", every, 1)
    try:
        return min(every, steps + 1), empty((kept_steps, *learning.rows.shape), learning.dtype)
    except (MemoryError, ValueError, OverflowError):
        raise InvalidValueError(f"weight_every={every}: {kept_steps} weights are more than memory can hold; keep fewer") from None


def normalize(weight: npt.ArrayLike, total: float) -> Array:
    """Scale the weights that lead to each output so that they sum to a number.

    ``w[o] <- w[o] total / (sum of w[o])``: neurons that compete for synapses cannot all win, or all lose (homeostasis by synaptic scaling).

    Parameters
    ----------
    weight : array_like (outputs, ...)
        As of a layer.
    total : float
        What the weights of an output sum to.

    Returns
    -------
    array like the weight
        New. An output whose weights sum to 0 keeps them.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No array of real numbers with an axis of outputs, or no number.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.plasticity.normalize([[0.25, 0.75], [0.5, 1.5]], total=4.0).tolist()
    [[1.0, 3.0], [1.0, 3.0]]
    """
    array = array_of("weight", weight)
    if array.dtype.kind not in "fiu":
        raise InvalidTypeError(f"weight={shown(weight)}: {array.dtype} is not accepted; give an array of real numbers")
    if array.ndim == 0:
        raise InvalidValueError(f"weight={shown(weight)}: a single number came; must have an axis of outputs")
    wanted = scalar("total", total)
    array = array if array.dtype.kind == "f" else array.astype(np.float64)
    sums = array.sum(axis=tuple(range(1, array.ndim)), dtype=np.float64, keepdims=True)
    factor = np.divide(wanted, sums, out=np.ones_like(sums), where=sums != 0.0)
    return np.asarray(array * factor, array.dtype)


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))

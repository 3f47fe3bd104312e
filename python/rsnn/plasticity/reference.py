"""The definition of what rules compute: plain numpy, slow and readable. The native kernels equal it bit for bit.

Weights are those of a convolution, (outputs, channels, kernel rows, kernel columns); every input to every output is a kernel of one
entry over images of one pixel. Spikes are (T, B, channels, height, width).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.reference.exponential import exp

from .rules import STDP, AnyRule, RewardModulated

Array = npt.NDArray[Any]
Pair = tuple[int, int]


def power(distance: Array, mu: float) -> Array:
    """Give a distance to the power mu, 0 where it is at most 0: in double precision, rounded to its dtype.

    ``d = m 2^e`` with m from sqrt(1/2) to sqrt(2), ``s = (m - 1) / (m + 1)``, ``ln d = e ln 2 + 2 s (1 + s^2 / 3 + ... + s^20 / 21)``.

    Examples
    --------
    >>> power(np.array([0.0, 0.25, -1.0]), 0.5).tolist()
    [0.0, 0.5, 0.0]
    """
    wide = distance.astype(np.float64)
    safe = np.where(wide > 0.0, wide, 1.0)
    m, e = np.frexp(np.where(np.isfinite(safe), safe, 1.0))
    low = m < np.sqrt(0.5)
    m, e = np.where(low, m * 2.0, m), np.where(low, e - 1, e)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    p = np.full_like(z, 1.0 / 21.0)
    for odd in range(19, 0, -2):
        p = p * z + 1.0 / odd
    log = e.astype(np.float64) * np.log(2.0) + (2.0 * s) * p
    log = np.where(np.isfinite(safe), log, safe)
    found = np.where(np.isnan(wide), np.nan, np.where(wide > 0.0, exp(mu * log, np), 0.0))
    return found.astype(distance.dtype)


def factors(words: Mapping[str, str], p: Mapping[str, Any], w: Array) -> tuple[Array, Array]:
    """Give f+ and f-, by which a weight scales its change."""
    up, down = p["w_max"] - w, w - p["w_min"]
    if words["dependence"] == "additive":
        return np.ones_like(w), np.ones_like(w)
    if words["dependence"] == "step":
        return (up > 0).astype(w.dtype), (down > 0).astype(w.dtype)
    if words["dependence"] == "multiplicative":
        return np.where(up < 0, 0, up).astype(w.dtype), np.where(down < 0, 0, down).astype(w.dtype)
    return power(up, float(p["mu_wide"])), power(down, float(p["mu_wide"]))


def joined(trace: Array, z: Array, gain: Any, pairing: str) -> Array:
    """Let spikes join a trace that has decayed already."""
    return trace + gain * z if pairing == "all" else np.where(z == 0, trace, gain * z)


def places(image: Pair, kernel: Pair, stride: Pair, padding: Pair, after: Pair) -> Iterator[tuple[Pair, Pair, Pair]]:
    """Go through the pixels after a convolution and the kernel: pixel after, kernel entry, pixel before."""
    for pixel in np.ndindex(*after):
        for entry in np.ndindex(*kernel):
            y, x = (pixel[k] * stride[k] + entry[k] - padding[k] for k in range(2))
            if 0 <= y < image[0] and 0 <= x < image[1]:
                yield pixel, (entry[0], entry[1]), (y, x)


def sums(
    w: Array, spikes: tuple[Array, Array], traces: tuple[Array, Array], x_target: Any, stride: Pair, padding: Pair
) -> tuple[Array, Array]:
    """Give dp and dm of some samples: what spikes, with their amplitudes, find in the traces on the other side."""
    dp, dm = np.zeros_like(w), np.zeros_like(w)
    (arrived, sent), (x, y) = spikes, traces
    for b in range(len(arrived)):
        for (p, q), (j, i), (row, column) in places(arrived.shape[2:], w.shape[2:], stride, padding, sent.shape[2:]):
            fired, came = sent[b, :, p, q][:, None], arrived[b, :, row, column]
            dp[:, :, j, i] += np.where(fired == 0, 0, (x[b, :, row, column] - x_target) * fired)
            dm[:, :, j, i] += np.where(came == 0, 0, y[b, :, p, q][:, None] * came)
    return dp, dm


def learn(
    rule: AnyRule,
    pre: Array,
    post: Array,
    weight: Array,
    state: Mapping[str, Array],
    reward: Array | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
) -> tuple[Array, dict[str, Array]]:
    """Apply a rule to spikes.

    Parameters
    ----------
    rule : STDP or RewardModulated
    pre : array (T, B, channels, height, width)
    post : array (T, B, outputs, height after, width after)
    weight : array (outputs, channels, kernel rows, kernel columns)
    state : the fields of ``rule.states``, (B, ...) each
    reward : array (T, B), of RewardModulated
    stride, padding : pairs

    Returns
    -------
    weight, state
        After the last step; new.

    Examples
    --------
    >>> one = np.ones((1, 1, 1, 1, 1))
    >>> at = {"pre": one[0], "post": one[0]}
    >>> learn(STDP(discretization="euler"), one, one, one[0] / 2, at)[1]["pre"].item()
    1.95
    """
    stdp: STDP = rule.rule if isinstance(rule, RewardModulated) else rule
    words, numbers = stdp.described()
    p: dict[str, Any] = {name: weight.dtype.type(value) for name, value in numbers.items()} | {"mu_wide": numbers["mu"]}
    w, at, pairing, coincidence = weight.copy(), {name: one.copy() for name, one in state.items()}, words["pairing"], words["coincidence"]
    for t in range(len(pre)):
        z = {"pre": pre[t], "post": post[t]}
        spikes = []
        for side, tau, slow_tau, a, a3 in (("pre", "plus", "x", "a_minus", "a3_minus"), ("post", "minus", "y", "a_plus", "a3_plus")):
            at[side] = p[f"decay_{tau}"] * at[side]
            amplitude = p[a]
            if stdp.triplet:
                slow = p[f"decay_{slow_tau}"] * at[f"{side}_slow"]
                amplitude = p[a] + p[a3] * slow
                at[f"{side}_slow"] = joined(slow, z[side], weight.dtype.type(1), pairing)
            spikes.append(z[side] * amplitude)
        early = {"pre": coincidence != "none", "post": coincidence == "both"}
        after = {side: joined(at[side], z[side], p[f"gain_{tau}"], pairing) for side, tau in (("pre", "plus"), ("post", "minus"))}
        seen = {side: after[side] if early[side] else at[side] for side in after}
        up, down = factors(words, p, w)
        groups = range(len(z["pre"])) if isinstance(rule, RewardModulated) else [slice(None)]
        changes = []
        for b in groups:
            part: Any = slice(b, b + 1) if isinstance(b, int) else b
            dp, dm = sums(w, (spikes[0][part], spikes[1][part]), (seen["pre"][part], seen["post"][part]), p["x_target"], stride, padding)
            changes.append(up * dp - down * dm)
        if isinstance(rule, RewardModulated):
            assert reward is not None
            at["eligibility"] = weight.dtype.type(rule.decay()) * at["eligibility"] + np.array(changes).reshape(at["eligibility"].shape)
            change = np.zeros_like(w)
            for r, e in zip(reward[t], at["eligibility"], strict=True):
                change = change + r * e
        else:
            change = changes[0]
        w = w + change
        if stdp.bounded:
            w = np.clip(w, p["w_min"], p["w_max"])
        at |= after
    return w, at


def trace(x: Array, decay: Array, gain: Array, state: Array, pairing: str) -> Array:
    """Give the trace of spikes (T, n), from a state (n,).

    Examples
    --------
    >>> trace(np.array([[1.0], [0.0]]), np.array([0.5]), np.array([1.0]), np.zeros(1), "all").ravel().tolist()
    [1.0, 0.5]
    """
    out = np.empty_like(x)
    for t, z in enumerate(x):
        state = joined(decay * state, z, gain, pairing)
        out[t] = state
    return out


def short_term(z: Array, k_f: Any, k_d: Any, jump: Any, u: Array, x: Array) -> tuple[Array, Array, Array]:
    """Give what synapses send on for spikes (T, n), and u and x after the last step.

    Examples
    --------
    >>> short_term(np.ones((1, 1)), 0.0, 0.0, 0.5, np.zeros(1), np.ones(1))[0].tolist()
    [[0.5]]
    """
    out = np.empty_like(z)
    for t in range(len(z)):
        u = (u - k_f * u) + (jump * (1 - u)) * z[t]
        out[t] = (u * x) * z[t]
        x = (x + k_d * (1 - x)) - out[t]
    return out, u, x


def sensor(pre: Array, post: Array, numbers: Any, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    """Give the state of correlation sensors (B, before, after) after spikes (T, B, before) and (T, B, after).

    Examples
    --------
    >>> one = np.ones((1, 1, 1))
    >>> [float(s[0, 0, 0]) for s in sensor(one, 0 * one, (0.5, 0.5, 1.0, 1.0), (0 * one, one, one))]
    [0.0, 1.5, 1.0]
    """
    b, c, a = state
    k_c, k_a, eta_c, eta_a = numbers
    for came, sent in zip(pre[..., None], post[:, :, None], strict=True):
        c = (c + (1 - b) * (-(k_c * c))) + eta_c * came
        a = (a + b * (-(k_a * a))) + eta_a * sent
        b = ((b + sent) - came > 0).astype(b.dtype)
    return b, c, a

"""What hypothesis draws from: neurons with parameters at their extremes, data with ties, NaN and infinity, in every layout."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import rsnn

Array = np.ndarray[Any, np.dtype[Any]]

SIZES = st.sampled_from([0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 130])
"""Numbers of neurons around the widths of registers, columns and words."""
STEPS = st.sampled_from([0, 1, 2, 5, 31, 32, 33, 65])
"""Numbers of steps around the engine's block of 32."""

UNIT = st.sampled_from([0.0, 1e-30, 0.25, 0.5, 0.9, 0.95, 1.0 - 2.0**-24, 1.0])
TAU = st.sampled_from([1e-3, 0.5, 1.0, 2.0, 20.0, 1e4, 1e12])
THRESHOLD = st.sampled_from([1e-30, 0.25, 0.5, 1.0, 3.0, 1e20])
REAL = st.sampled_from([-1e20, -1.0, -0.25, 0.0, 1e-30, 0.5, 1.0, 1e20])
WHOLE = st.sampled_from([0.0, 1.0, 2.0, 5.0])


def per_neuron(values: st.SearchStrategy[float], n: int) -> st.SearchStrategy[Any]:
    """A scalar, or a value for each of n neurons."""
    array = st.lists(values, min_size=4, max_size=4).map(lambda few: np.resize(np.array(few), n))
    return st.one_of(values, values, array)


@st.composite
def neurons(draw: Callable[..., Any], n: int, *, spiking: bool | None = None) -> Any:
    """Any neuron whose parameters fit n neurons (its last axis)."""

    def number(values: st.SearchStrategy[float]) -> Any:
        return draw(per_neuron(values, n))

    def maybe(name: str, values: st.SearchStrategy[float]) -> dict[str, Any]:
        return {name: number(values)} if draw(st.booleans()) else {}

    kind = draw(
        st.sampled_from(["li", "lif", "lif", "lif", "iaf"])
        if spiking is None
        else st.sampled_from(["lif", "lif", "iaf"] if spiking else ["li"])
    )
    arguments: dict[str, Any] = maybe("bias", REAL)
    if kind != "iaf":
        decay = draw(st.sampled_from(["tau_mem", "beta", "euler"]))
        arguments |= {"beta": number(UNIT)} if decay == "beta" else {"tau_mem": number(TAU.filter(lambda t: decay != "euler" or t >= 1))}
        arguments |= {"discretization": "euler"} if decay == "euler" else {}
        arguments |= draw(st.sampled_from([{}, {"gain": "leak"}, {"gain": "unit"}]))
        arguments |= maybe("v_leak", REAL) | maybe("r", REAL)
        synapse = draw(st.sampled_from([None, "tau_syn", "alpha"]))
        if synapse:
            arguments[synapse] = number(TAU if synapse == "tau_syn" else UNIT)
    if kind == "li":
        return rsnn.LI(**arguments)
    arguments |= maybe("v_threshold", THRESHOLD) | maybe("refractory", WHOLE) | maybe("v_min", REAL)
    arguments["fire"] = draw(st.sampled_from(["single", "multi"]))
    if arguments["fire"] == "multi":
        arguments |= maybe("max_spikes", st.sampled_from([1.0, 2.0, 31.0, 65536.0]))
    arguments["reset"] = draw(st.sampled_from(["subtract", "value", "zero", "none"]))
    if arguments["reset"] == "value":
        arguments["v_reset"] = number(REAL)
    if kind == "lif" and arguments["reset"] != "none":
        several = arguments["fire"] == "multi" and arguments["reset"] != "subtract"
        arguments["reset_timing"] = draw(st.sampled_from(["same", "next"] if several else ["same", "next", "residual"]))
    neuron = (rsnn.LIF if kind == "lif" else rsnn.IAF)(**arguments)
    # Stages that only the general form has.
    form, general = neuron.stages, draw(st.sampled_from(["named", "named", "soft", "blend"]))
    if general == "soft":
        return dataclasses.replace(form, fire=rsnn.stages.Soft(form.fire.v_threshold))
    if general == "blend" and isinstance(form.reset, rsnn.stages.ToValue) and type(form.fire) is rsnn.stages.Single:
        return dataclasses.replace(form, reset=rsnn.stages.Blend(form.reset.v_reset, form.reset.timing))
    return neuron


FLOATS = st.sampled_from([np.float32, np.float64])


def values(seed: int, shape: tuple[int, ...], dtype: Any, *, wild: bool) -> Array:
    """Data of about the size of a threshold, with ties; wild: also zeros of both signs, huge, tiny, NaN and infinity."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(shape) < 0.5, rng.normal(0.3, 1.0, shape), rng.integers(-4, 8, shape) / 4)
    if wild:
        odd = np.array([0.0, -0.0, 1e30, -1e30, 1e-40, np.nan, np.inf, -np.inf])
        x = np.where(rng.random(shape) < 0.02, rng.choice(odd, shape), x)
    return x.astype(dtype)


@st.composite
def data(draw: Callable[..., Any], shape: tuple[int, ...], dtypes: st.SearchStrategy[Any] = FLOATS) -> Array:
    """Contiguous data of a shape."""
    return values(draw(st.integers(0, 2**32 - 1)), shape, draw(dtypes), wild=draw(st.booleans()))


def layouts(x: Array) -> dict[str, Array]:
    """The same numbers lying in memory in every way an array can."""
    wide = np.zeros([2 * n for n in x.shape], x.dtype)[tuple(slice(None, None, 2) for _ in x.shape)]
    wide[...] = x
    shifted = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    shifted[...] = x
    frozen = x.copy()
    frozen.setflags(write=False)
    return {
        "strided": wide,
        "reversed": x[::-1].copy()[::-1],
        "fortran": np.asfortranarray(x),
        "big-endian": x.astype(x.dtype.newbyteorder(">")),
        "misaligned": shifted,
        "read-only": frozen,
    }

"""sinabs 3.1.3: layers take (B, T, ...), their Squeeze forms (B * T, ...)."""

import dataclasses
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsnn.presets import sinabs as presets
from rsnn.presets.surrogates import TABLE
from rsnn.surrogate import Surrogate
from rsnn.torch.adopt._table import FOLDED, SEQUENCE, Container, Neuron, Reading, Refusal, Row, Stateless, number, numbers
from rsnn.torch.layers import SumPool2d

TIMES = {"LIF": ("mem", "syn"), "IAF": ("syn",), "ALIF": ("mem", "adapt", "syn"), "ExpLeak": ("mem",)}
"""The time constants of a neuron."""


def _surrogate(module: Any) -> Surrogate:
    given = module.surrogate_grad_fn
    name = type(given).__name__
    if name not in TABLE["sinabs"] or not dataclasses.is_dataclass(given):
        raise Refusal(f"surrogate_grad_fn={name} is none that rsnn has ({', '.join(TABLE['sinabs'])}); give surrogate=")
    return presets.surrogate(name, **{key: float(getattr(given, key)) for key in TABLE["sinabs"][name][0]})


def _spike_fn(given: Any) -> Any:
    if getattr(given, "__name__", "") in ("SingleSpike", "MultiSpike"):
        return getattr(presets, given.__name__)
    if type(given).__name__ == "MaxSpike":
        return presets.MultiSpike if given.max_num_spikes_per_bin is None else presets.MaxSpike(given.max_num_spikes_per_bin)
    raise Refusal(f"spike_fn={given!r}: rsnn has SingleSpike, MultiSpike and MaxSpike; use one of them")


def _reset_fn(given: Any) -> Any:
    kind = type(given).__name__
    if kind == "MembraneSubtract":
        return presets.MembraneSubtract(given.subtract_value)
    if kind == "MembraneReset":
        return presets.MembraneReset(given.reset_value)
    raise Refusal(f"reset_fn={given!r}: rsnn has MembraneSubtract and MembraneReset; use one of them")


def _read(name: str, module: Any) -> Reading:
    arguments: dict[str, Any] = {}
    kind, learn = "alpha" if module.train_alphas else "tau", []
    for time in TIMES[name]:
        value = getattr(module, f"{kind}_{time}")
        if value is None:
            continue
        arguments[f"{kind}_{time}"] = number(value)
        if kind == "tau":  # the decay as sinabs' own exponential rounds it
            arguments[f"alpha_{time}"] = number(getattr(module, f"alpha_{time}_calculated"))
        if value.requires_grad:
            learn.append(f"{kind}_{time}")
    if name != "IAF":
        arguments["norm_input"] = bool(module.norm_input)
    if name == "ExpLeak":
        if module.min_v_mem is not None:
            raise Refusal("min_v_mem: a layer that does not spike has no floor in rsnn; leave it out")
        return Reading(arguments, lambda: presets.surrogate("SingleExponential"), tuple(learn))
    threshold = module.b0 if name == "ALIF" else module.spike_threshold
    arguments |= {"spike_threshold": number(threshold), "spike_fn": _spike_fn(module.spike_fn), "reset_fn": _reset_fn(module.reset_fn)}
    arguments |= numbers(module, ("min_v_mem", "adapt_scale"))
    recurrent = getattr(module, "rec_connect", None)
    if recurrent is None:
        return Reading(arguments, partial(_surrogate, module), tuple(learn))
    linear = _dense(recurrent)
    options = {"hidden_size": linear.in_features}
    return Reading(arguments, partial(_surrogate, module), tuple(learn), options, {"weight_recurrent": linear.weight})


def _dense(recurrent: nn.Module) -> nn.Linear:
    """Find the one matrix that spikes come back through."""
    inner = [m for m in recurrent.modules() if not list(m.children())]
    linear = [m for m in inner if type(m) is nn.Linear]
    others = [type(m).__name__ for m in inner if type(m) not in (nn.Linear, nn.Flatten, nn.Unflatten, nn.Identity)]
    if len(linear) != 1 or others or linear[0].in_features != linear[0].out_features:
        came = ", ".join(type(m).__name__ for m in inner)
        raise Refusal(f"rec_connect={came}: rsnn's recurrent weights are one square matrix; use nn.Linear(n, n, bias=False)")
    if linear[0].bias is not None and np.any(number(linear[0].bias) != 0):
        raise Refusal("rec_connect has a bias, which sinabs leaves out of the first step; use nn.Linear(n, n, bias=False)")
    return linear[0]


def _rows() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for name in TIMES:
        rows[name] = Neuron(name, partial(_read, name), lambda module: SEQUENCE)
        rows[name + "Squeeze"] = Neuron(name, partial(_read, name), lambda module: FOLDED)
        if name != "ExpLeak":
            rows[name + "Recurrent"] = Neuron(name + "Recurrent", partial(_read, name), lambda module: SEQUENCE)
    return rows


def _pool(module: Any) -> nn.Module:
    kernel = module.kernel_size
    pair = tuple(kernel) if isinstance(kernel, tuple) else (kernel, kernel)
    if module.stride not in (None, kernel, pair, kernel if pair[0] == pair[1] else pair) or module.ceil_mode:
        raise Refusal(f"stride={module.stride}, ceil_mode={module.ceil_mode}: rsnn sums over windows side by side; use stride=kernel_size")
    return SumPool2d(pair)


ROWS: dict[str, Row] = {
    **_rows(),
    "SumPool2d": Stateless(_pool, calls=lambda module: FOLDED),
    "FlattenTime": Stateless(lambda module: nn.Identity(), calls=lambda module: SEQUENCE, after=FOLDED),
    "UnflattenTime": Stateless(lambda module: nn.Identity(), calls=lambda module: FOLDED, after=SEQUENCE),
    "Repeat": Container(inside=lambda module: FOLDED, calls=lambda module: SEQUENCE, alone="module"),
    "Network": Container(alone="spiking_model"),
}

REFUSED = {
    "NeuromorphicReLU": "belongs to the network before its conversion; rsnn.convert.from_relu makes a spiking one of that",
    "QuantizeLayer": "rounds what passes; rsnn.chip.quantize does that for a whole network",
    "SpikingMaxPooling2dLayer": "chooses by the spikes of all steps so far; use SumPool2d, or torch.nn.MaxPool2d",
    "Merge": "takes two inputs; build a rsnn.torch.Graph with rsnn.torch.Add() of the adopted layers",
    "ChannelShift": "moves channels for a chip; leave it out, rsnn.chip.quantize maps them itself",
    "Cropping2dLayer": "cuts images; do it to the data, or use torch.nn.ZeroPad2d with negative sizes",
    "Img2SpikeLayer": "encodes at random; use rsnn.encode.rate before the network",
    "Sig2SpikeLayer": "encodes at random; use rsnn.encode.rate before the network",
}


def call(module: Any, x: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Call a neuron, which keeps its state itself."""
    return module(x), None


def rest(module: Any, batch: int) -> None:
    """Put a neuron to rest: an empty state is made anew by its next call, for this many samples."""
    for name in module._buffers:
        module._buffers[name] = torch.zeros(0)
    if hasattr(module, "num_timesteps"):
        module.batch_size, module.num_timesteps = batch, -1

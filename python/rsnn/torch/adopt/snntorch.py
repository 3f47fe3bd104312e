"""snnTorch 1.0.0: every class of `snntorch._neurons`, called one step at a time."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from rsnn.presets.snntorch import surrogate as make_surrogate
from rsnn.presets.surrogates import TABLE
from rsnn.surrogate import Surrogate
from rsnn.torch.adopt._table import STEP, Neuron, Reading, Refusal, Row, learned, number, numbers

COMMON = ("threshold", "graded_spikes_factor")


def _surrogate(module: Any) -> Surrogate:
    """Read what a function of ``snntorch.surrogate`` enclosed."""
    function = module.spike_grad
    name = getattr(function, "__qualname__", "").partition(".")[0]
    if getattr(module, "surrogate_disable", False):
        raise Refusal("surrogate_disable=True has no gradient; give surrogate=")
    if getattr(function, "__module__", "") != "snntorch.surrogate" or name not in TABLE["snntorch"]:
        raise Refusal(f"spike_grad={name or function} is none that rsnn has ({', '.join(TABLE['snntorch'])}); give surrogate=")
    enclosed = inspect.getclosurevars(function).nonlocals
    return make_surrogate(name, **{key: float(enclosed[key]) for key in TABLE["snntorch"][name][0]})


def _read(names: tuple[str, ...], more: Callable[[Any], dict[str, Any]] | None, module: Any) -> Reading:
    if module.state_quant:
        raise Refusal("state_quant rounds its state; train with state_quant=False, and quantise with rsnn.chip.quantize")
    drawn = getattr(module.spike_grad, "__qualname__", "").partition(".")[0]
    if drawn in ("SSO", "LSO"):
        raise Refusal(f"spike_grad={drawn} draws its spikes at random; use snntorch.surrogate.atan")
    arguments = numbers(module, (*names, *COMMON)) | {"reset_mechanism": module.reset_mechanism, "inhibition": bool(module.inhibition)}
    if hasattr(module, "reset_delay"):
        arguments["reset_delay"] = bool(module.reset_delay)
    weights: Mapping[str, Tensor] = {}
    if more is not None:
        arguments |= more(module)
        weights = arguments.pop("weights", {})
    return Reading(arguments, partial(_surrogate, module), learned(module, (*names, *COMMON)), weights=weights)


def _weight_of_alpha(module: Any) -> dict[str, Any]:
    """Form the weight with torch's own logarithm, as snnTorch does in every step."""
    with torch.no_grad():
        wide, narrow = torch.log(module.alpha.clamp(0, 1)), torch.log(module.beta.clamp(0, 1))
        return {"tau_alpha": number(wide / (narrow - wide) + 1)}


def _circuit(module: Any) -> dict[str, Any]:
    """Take R and C as snnTorch derived them; beta beside them only where it is learned."""
    read = numbers(module, ("R", "C", "time_step"))
    return read if isinstance(module.beta, nn.Parameter) else read | {"beta": None}


def _recurrent(module: Any) -> dict[str, Any]:
    inner = module.recurrent
    if type(inner) is nn.Linear:
        weights: dict[str, Tensor] = {"weight_recurrent": inner.weight, "bias_recurrent": inner.bias}
        return {"linear_features": inner.in_features, "weights": weights}
    v = getattr(inner, "V", None)
    if not isinstance(v, Tensor):
        raise Refusal(f"recurrent={type(inner).__name__}: rsnn's recurrent weights are dense or one for each neuron; use linear_features=")
    if v.ndim != 1 or v.numel() < 2:
        raise Refusal("V is one number for any number of neurons, and rsnn needs one for each; give V=torch.full((n,), V)")
    return {"linear_features": v.numel(), "all_to_all": False, "weights": {"weight_recurrent": v}}


def _neuron(name: str, *names: str, more: Callable[[Any], dict[str, Any]] | None = None) -> Neuron:
    return Neuron(name, partial(_read, names, more), lambda module: STEP)


ROWS: dict[str, Row] = {
    "Leaky": _neuron("Leaky", "beta"),
    "Synaptic": _neuron("Synaptic", "alpha", "beta"),
    "Alpha": _neuron("Alpha", "alpha", "beta", more=_weight_of_alpha),
    "Lapicque": _neuron("Lapicque", "beta", more=_circuit),
    "RLeaky": _neuron("RLeaky", "beta", more=_recurrent),
    "RSynaptic": _neuron("RSynaptic", "alpha", "beta", more=_recurrent),
}

_UNRESET = "has no reset and is trained in parallel; rsnn.torch.LIF(beta=..., reset='none') is the neuron that it stands for"
REFUSED = {
    "SLSTM": "is a gated network, no neuron of rsnn; keep it outside, or use rsnn.torch.LIFRecurrent",
    "SConv2dLSTM": "is a gated network, no neuron of rsnn; keep it outside, or use rsnn.torch.LIFRecurrent",
    "LeakyParallel": _UNRESET,
    "StateLeaky": _UNRESET + ", with exp(-t / tau) in place of beta ** t",
    "LinearLeaky": _UNRESET + ", with exp(-t / tau) in place of beta ** t",
    "DeltaLeaky": "fires on changes of the membrane; rsnn.encode.delta finds them",
}


def call(module: Any, x: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Call a neuron, which keeps its state itself."""
    output = module(x)
    return (output[0] if isinstance(output, tuple) else output), None


def rest(module: Any, batch: int) -> None:
    """Put a neuron to rest: an empty state is made anew by its next call."""
    for name in ("mem", "syn", "spk", "syn_exc", "syn_inh"):
        if name in module._buffers:
            module._buffers[name] = torch.zeros(0)

"""Norse 1.1.0: cells take one step, the other classes a sequence; numbers are in the tuple ``p``."""

import inspect
from functools import partial
from math import log
from typing import Any

from torch import Tensor, nn

from rsnn.presets import norse as presets
from rsnn.presets.surrogates import TABLE
from rsnn.surrogate import Surrogate
from rsnn.torch.adopt._table import SEQUENCE, STEP, Container, Neuron, Reading, Refusal, Row, Stateless, learned, number, numbers


def _surrogate(p: Any) -> Surrogate:
    if p.method not in TABLE["norse"]:
        raise Refusal(f"method={p.method!r} is none that rsnn has ({', '.join(TABLE['norse'])}); give surrogate=")
    return presets.surrogate(p.method, **({"alpha": float(p.alpha)} if "alpha" in TABLE["norse"][p.method][0] else {}))


def _none() -> Surrogate:
    """Stand for the surrogate of a neuron that does not spike."""
    return presets.surrogate("super")


def _read(preset: Any, module: Any) -> Reading:
    p = module.p
    inner = getattr(p, "lif", p)  # LIFRefrac's parameters hold those of its LIF
    if "adjoint" in (getattr(inner, "method", ""), getattr(module.activation, "__name__", "")) or "adjoint" in repr(module.activation):
        raise Refusal('method="adjoint" computes another gradient than rsnn; use method="super", which sends the same spikes')
    names = tuple(inspect.signature(preset).parameters)
    arguments = numbers(inner, names) | numbers(p, names)
    if "dt" in names:
        arguments["dt"] = float(module.dt)
    if hasattr(p, "reset_method"):
        arguments["reset_method"] = _reset(p.reset_method)
    if hasattr(module, "spiking_method"):
        _begin(module.spiking_method)
    made = partial(_surrogate, inner) if hasattr(inner, "method") else _none
    learn = tuple(dict.fromkeys((*learned(inner, names), *learned(p, names))))
    if not hasattr(module, "recurrent_weights"):
        return Reading(arguments, made, learn)
    weights = module.recurrent_weights
    options = {"hidden_size": int(module.hidden_size), "autapses": bool(module.autapses)}
    return Reading(arguments, made, learn, options, {"weight_recurrent": weights}, _linear(module.input_weights, None))


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """Make a layer of the weights that a neuron applies to its input."""
    outputs, inputs = weight.shape
    made = nn.Linear(inputs, outputs, bias=bias is not None, dtype=weight.dtype)
    made.weight.data.copy_(weight.detach())
    if bias is not None:
        made.bias.data.copy_(bias.detach())
    return made


def _reset(method: Any) -> str:
    name = str(getattr(method, "__name__", method)).removeprefix("reset_")
    if name not in ("value", "subtract"):
        raise Refusal(f"reset_method={name}: rsnn has reset_value and reset_subtract; use one of them")
    return name


def _begin(behaviour: Any) -> None:
    """Refuse a start other than that of the preset, just after a spike."""
    p, s = behaviour.p, behaviour.s
    v, u = (float(number(value)) for value in (s.v, s.u))
    if (v, u) != (float(p.c), float(p.b * p.c)):
        made = f"rsnn.torch.presets.norse.Izhikevich(a={p.a}, b={p.b}, c={p.c}, d={p.d})"
        raise Refusal(
            f"its behaviour starts at v={v:g}, u={u:g}, and a layer of rsnn just after a spike; "
            f"use {made} and pass state=layer.neuron.init_state(shape, v={v:g}, w={u:g})"
        )


def _read_filter(module: Any) -> Reading:
    # Norse keeps the decay alone; dt=1 makes of its logarithm the time constant.
    return Reading({"tau_filter_inv": -log(module.parameter), "dt": 1.0}, _none, linear=_linear(module.linear.weight, module.linear.bias))


def _read_linear_cell(module: Any) -> Reading:
    names = ("tau_syn_inv", "tau_mem_inv", "v_leak")
    arguments = numbers(module.p, names) | {"dt": float(module.dt)}
    return Reading(arguments, _none, learned(module.p, names), linear=_linear(module.input_weights, None))


def _called(form: str) -> str:
    return STEP if "Cell" in form else SEQUENCE


def _rows() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for name in ("LIF", "LI", "LIBox", "LIFBox", "IAF", "LIFEx", "LIFAdEx", "LIFRefrac", "LSNN", "Izhikevich"):
        for form in ("", "Cell", "Recurrent", "RecurrentCell"):
            read = partial(_read, getattr(presets, name))
            # A layer runs over a sequence, whatever its module took.
            rows[name + form] = Neuron(name + form.removesuffix("Cell"), read, lambda module, form=form: _called(form))  # type: ignore[misc]
    return rows


def _sequence_only(module: Any) -> None:
    if getattr(module, "return_hidden", False):
        raise Refusal("return_hidden=True returns every layer's output; use return_hidden=False, and .run(x).spikes of what is adopted")


ROWS: dict[str, Row] = {
    **_rows(),
    "ExpFilter": Neuron("ExpFilter", _read_filter, lambda module: SEQUENCE),
    "LILinearCell": Neuron("LI", _read_linear_cell, lambda module: STEP),
    "SequentialState": Container(check=_sequence_only),
    "Lift": Container(inside=lambda module: STEP, calls=lambda module: SEQUENCE, alone="lifted_module"),
    "LConv2d": Stateless(lambda module: _flat(module), calls=lambda module: SEQUENCE),
}


def _flat(module: Any) -> nn.Module:
    """Make a convolution of one whose third axis, time, has a kernel of 1."""

    def both(name: str) -> tuple[int, int]:
        y, x, _ = getattr(module, name)
        return int(y), int(x)

    size, stride, padding, dilation = map(both, ("kernel_size", "stride", "padding", "dilation"))
    made = nn.Conv2d(module.in_channels, module.out_channels, size, stride, padding, dilation, module.groups, bias=False)
    made.weight.data.copy_(module.weight.detach().squeeze(-1))
    return made


REFUSED = {
    "CobaLIFCell": "its step drops the spikes that come in (norse 1.1.0); use rsnn.torch.Layer(rsnn.presets.norse.CobaLIF())",
    "LIFAdExRefracCell": "its refractory period comes on top of an adaptation, which no preset has; use LIFAdEx or LIFRefrac",
    "LIFAdExRefracRecurrentCell": "its refractory period comes on top of an adaptation, which no preset has; use LIFAdEx or LIFRefrac",
    "LIFMCRecurrentCell": "couples neurons within a step, which rsnn does not",
    "LIFMCRefracRecurrentCell": "couples neurons within a step, which rsnn does not",
    "LIFCorrelation": "records for plasticity beside its run; rsnn.plasticity does",
    "RecurrentSequential": "feeds the output of a list back to its input; use LIFRecurrent, or a loop over .step()",
    "RegularizationCell": "counts spikes for a loss; leave it out and use rsnn.torch.losses on the spikes of .run(x)",
}


def call(module: Any, x: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Call a neuron, whose state comes in and goes out."""
    result = module(x, state) if type(module).__name__ != "ExpFilter" else (module(x), None)
    return result[0], result[1]


def rest(module: Any, batch: int) -> None:
    """Leave a neuron: without a state it begins from rest."""

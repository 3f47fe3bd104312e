"""SpikingJelly 2.0.0: ``step_mode`` says how a module is called; its layers are torch's with that switch."""

import copy
import inspect
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from rsnn.presets import spikingjelly as presets
from rsnn.presets.surrogates import TABLE
from rsnn.surrogate import Surrogate
from rsnn.torch.adopt._table import FOLDED, SEQUENCE, STEP, Container, Neuron, Reading, Refusal, Row, Stateless, learned, number
from rsnn.torch.lift import Dropout


def _surrogate(module: Any) -> Surrogate:
    given = module.surrogate_function
    name = type(given).__name__
    if name not in TABLE["spikingjelly"]:
        raise Refusal(f"surrogate_function={name} is none that rsnn has ({', '.join(TABLE['spikingjelly'])}); give surrogate=")
    return presets.surrogate(name, **{key: float(getattr(given, key)) for key in TABLE["spikingjelly"][name][0]})


def _read(preset: Any, module: Any) -> Reading:
    given = module.surrogate_function
    if not getattr(given, "spiking", True) or type(given).__name__ in ("PoissonPass", "MultiLevelSpikeCount"):
        raise Refusal(f"surrogate_function={given!r} does not send plain spikes; use one with spiking=True, such as Sigmoid()")
    if getattr(module, "_neuron_precision", None) is not None:
        raise Refusal("it computes in a precision of its own; set it back to float32")
    arguments = {name: number(getattr(module, name)) for name in inspect.signature(preset).parameters if hasattr(module, name)}
    if preset is presets.ParametricLIFNode:
        with torch.no_grad():
            arguments["sigmoid_w"] = number(module.w.sigmoid())
    return Reading(arguments, partial(_surrogate, module), learned(module, ("w",)), {"detach_reset": bool(module.detach_reset)})


def _called(module: Any) -> str:
    return SEQUENCE if module.step_mode == "m" else STEP


def _called_stateless(module: Any) -> str | None:
    """Say how a layer is called: with a step mode of "s" it is torch's own."""
    return SEQUENCE if module.step_mode == "m" else None


def _torch(module: Any) -> nn.Module:
    """Make the layer of torch that one with a step mode derives from, with copies of its weights."""
    kind = next(base for base in type(module).__mro__ if base.__module__.startswith("torch.nn"))
    made = copy.deepcopy(module)
    made.__dict__.pop("_step_mode", None)
    made.__class__ = kind
    return made  # type: ignore[no-any-return]


def _dropout(module: Any) -> nn.Module:
    """Make the dropout with one mask for a sequence, as SpikingJelly's has."""
    return Dropout(module.p)


def _stateful(module: Any) -> str | None:
    if module.step_mode == "s":
        return None
    return STEP if module.stateful else FOLDED


WRAPPED = (
    *("Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Linear", "Upsample", "GroupNorm", "Flatten"),
    *("MaxPool1d", "MaxPool2d", "MaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d"),
    *("AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
)
"""Classes that are torch's, by the same name, with a step mode."""

ROWS: dict[str, Row] = {
    **{
        name: Neuron(name, partial(_read, getattr(presets, name)), _called)
        for name in ("IFNode", "LIFNode", "ParametricLIFNode", "QIFNode", "EIFNode", "IzhikevichNode", "CUBALIFNode")
    },
    **{name: Stateless(_torch, _called_stateless) for name in WRAPPED},
    "Dropout": Stateless(_dropout, _called),
    "SeqToANNContainer": Container(inside=lambda module: FOLDED, calls=lambda module: SEQUENCE),
    "MultiStepContainer": Container(inside=lambda module: STEP, calls=lambda module: SEQUENCE),
    "StepModeContainer": Container(inside=_stateful, calls=_called_stateless),
}

_TIME_LAST = "has time as its last axis; move it to the front and use the container without TLast"
REFUSED = {
    "TLastMultiStepContainer": _TIME_LAST,
    "TLastSeqToANNContainer": _TIME_LAST,
    "LinearRecurrentContainer": "sums input and feedback in one product; use rsnn.torch.Linear and rsnn.torch.LIFRecurrent",
    "ElementWiseRecurrentContainer": "joins input and feedback by a function of yours; use rsnn.torch.LIFRecurrent",
    "SimpleLIFNode": "sums in another order than LIFNode; use LIFNode",
    "SimpleIFNode": "is IFNode for learning how neurons are written; use IFNode",
    "NonSpikingLIFNode": "does not spike; use rsnn.torch.LI(tau_mem=tau, discretization='euler')",
    "NonSpikingIFNode": "does not spike; use torch.cumsum over time",
    "Dropout2d": "keeps one mask of channels; use torch.nn.Dropout2d, which draws anew in every step, or rsnn.torch.Dropout",
    "KLIFNode": "has a gain that is learned behind the membrane, which no preset has; use ParametricLIFNode",
}


def call(module: Any, x: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Call a neuron, which keeps its state itself."""
    return module(x), None


def rest(module: Any, batch: int) -> None:
    """Put a neuron to rest: each of its memories is what it begins with."""
    module._memories.update(copy.deepcopy(module._memories_rv))

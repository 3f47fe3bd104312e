"""The float twin of every layer of a chip: the same rounded numbers in the model's own units, differentiable in the float parameters.

What a twin computes is used for its gradient alone; its values are put aside for those of the emulator. A rounded number that stands for a
float one passes its gradient to it unchanged (`through`): the straight-through estimator of Bengio, Léonard and Courville 2013. Twins are
at the chip's own membranes at every step, so that a surrogate sees how near to its threshold a neuron of the chip was.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

import rsnn
from rsnn.neurons import AnyNeuron
from rsnn.state import make_state
from rsnn.torch import functional
from rsnn.torch.modules import Layer
from rsnn.torch.network import Origin

HALF = 0.5
"""How far above the chip's integers a twin's membranes are, where it decays as floats do."""


def through(own: Tensor, values: Any) -> Tensor:
    """Give exactly these values, with the gradient of `own`, which is finite: ``values + (own - own)``, the latter held apart."""
    return torch.as_tensor(values).to(own) + (own - own.detach())


@dataclass(frozen=True)
class Twin:
    """Weights and neurons of one layer of a chip, in floats."""

    weight: Tensor
    bias: Tensor | None
    neuron: AnyNeuron
    parameters: Mapping[str, Tensor]
    """Those of the neuron that are learned, as values that pass a gradient on."""
    layer: Layer
    """Whose surrogate and rules of the gradient are used."""
    start: Mapping[str, Any] = field(default_factory=dict)
    """The neurons' state to go on from, by field; empty: at rest."""
    scale: Any = None
    """Of a leaky neuron: its membrane times this is an integer of the chip and a half. None: the twin computes the chip's integers."""
    carried: Any = None
    """What came in at the step before the first, where the layer hears the one before it a step later."""
    delayed: bool = False
    most: int | None = None
    """Events of one channel that count in a step; None: all of them."""

    def product(self, x: Tensor, layer: Any) -> Tensor:
        """Multiply (T, B, ...) by the weights, as `layer` of the network does."""
        if self.most is not None:
            x = x.clamp(max=self.most)
        if self.delayed:
            first = torch.zeros_like(x[:1]) if self.carried is None else torch.as_tensor(self.carried).to(x)[None]
            x = torch.cat([first, x])[: len(x)]
        if isinstance(layer, rsnn.Linear):
            return functional.linear(x, self.weight, self.bias)
        return functional.conv2d(x, self.weight, self.bias, layer.stride, layer.padding)

    def neurons(self, x: Tensor, spikes: Tensor, v: Any) -> Tensor:
        """Run the neurons over (T, B, ...); give their spikes. The chip's, and its membranes, are for twins that ask for them."""
        if self.scale is not None:
            x = through(x, self._drive(spikes, v))
        options = self.layer._options
        state = None
        if self.start:
            fields = self.neuron.kernel(tuple(self.parameters)).states
            state = make_state(fields, [torch.as_tensor(self.start[name]).to(x).expand(x.shape[1:]) for name in fields])
        output: Tensor = functional.simulate(
            self.neuron, x, state, parameters=self.parameters, surrogate=options.surrogate, detach_reset=options.detach_reset,
            detach=options.detach, checkpoint=options.checkpoint, backend=options.backend,
        ).output  # fmt: skip
        return output

    def _drive(self, spikes: Tensor, v: Any) -> Tensor:
        """Give the input that brings a leaky neuron with a synapse to the chip's membranes.

        Its decays are those of floats, the chip's those of integers: the difference is in here. Every membrane is half an integer above
        the chip's, before and after its reset, so that none lies on the threshold.
        """
        c = {name: torch.as_tensor(value) for name, value in self.neuron.coefficients().items()}
        after = (torch.as_tensor(v).double() + HALF) / torch.as_tensor(self.scale)
        before = torch.cat([torch.as_tensor(self.start["v"]).expand(after.shape[1:])[None], after])[: len(after)]
        current = after + c["v_threshold"] * spikes.detach().cpu() - c["beta"] * before - c["bias"]
        previous = torch.cat([torch.as_tensor(self.start["i"]).expand(after.shape[1:])[None], current])[: len(after)]
        return current - c["alpha"] * previous


def _weights(origin: Origin) -> tuple[Tensor, Tensor | None]:
    """Give the weights and the bias of a product, with what `to_network` folds into it, differentiable."""
    module: Any = origin.module
    weight, bias = module.weight, module.bias
    for each in origin.norms:
        norm: Any = each
        scale, shift = (norm.running_var + norm.eps).rsqrt(), torch.zeros_like(norm.running_mean)
        if norm.affine:
            scale, shift = scale * norm.weight, norm.bias
        weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        bias = ((0.0 if bias is None else bias) - norm.running_mean) * scale + shift
    return weight, bias


def _learned(values: Mapping[str, Tensor], rounded: Mapping[str, Any]) -> dict[str, Tensor]:
    """Give the rounded values of what is learned."""
    pairs = ((values[name], value, name) for name, value in rounded.items() if name in values and values[name].requires_grad)
    return {name: through(torch.broadcast_to(own, np.broadcast_shapes(own.shape, np.shape(value))), value) for own, value, name in pairs}


def unit_of(scale: float, bits: int = 8) -> float:
    """Give ``1 / scale`` to 8 significant bits: times an integer of 16 bits it is a float32, so that the twin computes exactly."""
    part, exponent = math.frexp(1.0 / scale)
    return math.ldexp(round(math.ldexp(part, bits)), exponent - bits)


def dynapcnn(chip: Any, k: int, product: Origin, neurons: Layer, state: Any) -> Twin:
    """Make the twin of a core of DynapCNN: integers times one unit, with sum pools in place of average pools."""
    layer = chip.layers[k]
    q, core = layer.quantized, layer.core
    unit = unit_of(q.scale)
    weight, bias = _weights(product)
    rounded = {"v_threshold": q.v_threshold * unit, "v_min": q.v_min * unit}
    start = {} if state is None else {"v": state[layer.neuron_index].v * unit}
    return Twin(
        through(weight * layer.rescale, (q.weight * unit).reshape(weight.shape)),
        None if bias is None else through(bias, q.bias * unit),
        rsnn.IAF(**rounded, fire=core.fire, reset=core.reset),
        _learned(neurons._used(), rounded),
        neurons,
        start,
    )


def xylo(chip: Any, k: int, product: Origin, neurons: Layer, state: Any) -> Twin:
    """Make the twin of a population of Xylo: weights, thresholds and biases in integers times the unit of each neuron, decays as shifts."""
    layer, n = chip.layers[k], chip.layers[k].size
    integers = dict(chip.rows(layer))[k - 1]  # of the population before it, or of what comes in
    own: dict[str, Tensor] = {"bias": torch.zeros(()), **functional.coefficients(neurons._plan.neuron, neurons._used())}
    synapse: Any = neurons._plan.neuron.stages.synapse
    alpha, beta = (1 - 0.5 ** dash.astype(np.float64) for dash in (layer.dash_syn, layer.dash_mem))
    gain = own["gain"]
    own["bias"] = own["bias"] * gain
    weight, _ = _weights(product)
    # The chip's current decays after a spike arrived, the twin's before: its weights have that decay in them.
    weight = weight * (gain if synapse.order == "decay_jump_use" else gain * own["alpha"]).expand(n)[:, None].to(weight)
    rounded = {"alpha": alpha, "beta": beta, "v_threshold": layer.threshold / layer.scale, "bias": layer.bias / layer.scale}
    isyn: Any = np.zeros(n)
    v: Any = np.zeros(n)
    carried = None
    if state is not None:
        (kept,) = state.values()
        isyn, v = (kept.isyn_out, kept.v_out) if layer.output else (kept.isyn[..., 0], kept.v)
        isyn, v = isyn[..., layer.places], v[..., layer.places]
        carried = kept.s[..., chip.layers[k - 1].places] if k else None
    return Twin(
        through(weight, integers.T * (alpha / layer.scale)[:, None]),
        None,
        rsnn.LIF(**rounded, gain="unit", fire="single" if layer.output else "multi", max_spikes=None if layer.output else 31),
        _learned(own, rounded),
        neurons,
        {"v": (v + HALF) / layer.scale, "i": isyn / layer.scale},
        layer.scale,
        carried,
        k > 0,
        15 if k == 0 else None,
    )


TWINS: dict[str, tuple[Callable[[Any, int, Origin, Layer, Any], Twin], tuple[str, ...]]] = {
    "dynapcnn": (dynapcnn, ()),
    "speck2e": (dynapcnn, ()),
    "speck2f": (dynapcnn, ()),
    "xylo_audio2": (xylo, ("v",)),
    "xylo_audio3": (xylo, ("v",)),
    "xylo_imu": (xylo, ("v",)),
}
"""For every target that is trained for: how the twin of a layer is made, and what the emulator records for it."""

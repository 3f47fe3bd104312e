"""sinabs' ALIF, written out, with the types that its states have in a float64 run.

There the adaptation and the synaptic current begin as float32 and stay so, since a 0-d float64 number does not widen them, and spikes
are cast to float32. What comes of them is float32 too: the threshold, and the sums of the gradients of their decays. Where the terms of
such a sum cancel, it differs from that of float64 by much more than a unit of float32. So its recorded float64 gradients are compared
with this, and this in float64 throughout with rsnn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Slope = Callable[[Tensor, Tensor], Tensor]


class Fire(torch.autograd.Function):
    """Spikes of v at a threshold, in the dtype asked for."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, theta: Tensor, several: bool, slope: Slope, dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(v, theta)
        ctx.slope = slope
        spikes = (v > 0) * torch.div(v, theta, rounding_mode="trunc") if several else (v - theta >= 0)
        return spikes.to(dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        v, theta = ctx.saved_tensors
        return grad * ctx.slope(v, theta.to(v.dtype)), None, None, None, None


def gradients(
    case: Mapping[str, Any], options: Mapping[str, Any], leaves: Mapping[str, Tensor], slope: Slope, kept: torch.dtype
) -> list[Tensor]:
    """Give the gradients of the case's loss by the leaves (float64), with the states beside the membrane kept in a dtype."""
    numbers = {
        name: leaves.get(name, torch.tensor(case[name], dtype=torch.float64)) for name in case if name.startswith(("tau_", "spike_"))
    }
    decays = {name: torch.exp(-1 / value) for name, value in numbers.items() if name.startswith("tau_")}
    x, mem, adapt = leaves["x"], decays["tau_mem"], decays["tau_adapt"]
    v = i = a = torch.zeros(x.shape[1:], dtype=kept)
    spikes, membranes = [], []
    for x_t in x:
        i = decays["tau_syn"] * (i + x_t) if "tau_syn" in decays else x_t
        if options["norm_input"]:
            i = (1 - mem) * i
        v = mem * v + i
        theta = numbers["spike_threshold"] + float(case["adapt_scale"]) * a
        s: Tensor = Fire.apply(v, theta, options["spike_fn"] == "MultiSpike", slope, kept)  # type: ignore[no-untyped-call]
        v = v - s * theta
        a = adapt * a + (1 - adapt) * s
        spikes.append(s)
        membranes.append(v)
    recorded = ((torch.stack(spikes), "loss_g"), (torch.stack(membranes), "loss_h"))
    loss = torch.stack([(value * torch.tensor(case[w], dtype=torch.float64)).sum() for value, w in recorded if w in case]).sum()
    return list(torch.autograd.grad(loss, list(leaves.values())))

"""A layer that stands for one of snntorch: what makes it theirs is the path of its module and the name of its class."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Spike(torch.autograd.Function):
    """A step, with the slope of ``ATan(2)``."""

    @staticmethod
    def forward(ctx: Any, y: Tensor) -> Tensor:
        ctx.save_for_backward(y)
        return (y > 0).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return gradients[0] / (1 + (torch.pi * y) ** 2)


def curve(name: str = "atan", alpha: float = 2.0) -> Any:
    """Give a function that encloses its number, as those of ``snntorch.surrogate``."""

    def inner(y: Tensor) -> Tensor:
        return Spike.apply(y) + 0.0 * alpha  # type: ignore[no-untyped-call,no-any-return]

    inner.__module__, inner.__qualname__ = "snntorch.surrogate", f"{name}.<locals>.inner"
    return inner


class Leaky(nn.Module):
    """Stands for snntorch.Leaky: one step a call, the reset one step late and held constant in the gradient."""

    __module__ = "snntorch._neurons.leaky"

    def __init__(self, beta: float = 0.9, **options: Any) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(beta))
        self.register_buffer("threshold", torch.tensor(1.0))
        self.register_buffer("graded_spikes_factor", torch.tensor(1.0))
        self.register_buffer("mem", torch.zeros(0), False)
        given = {"reset_mechanism": "subtract", "reset_delay": True, "inhibition": False, "state_quant": False, "spike_grad": curve()}
        self.__dict__.update(given | options)

    def forward(self, x: Tensor) -> Any:
        if self.mem.shape != x.shape:
            self.mem = torch.zeros_like(x)
        reset = Spike.apply(self.mem - self.threshold).detach()  # type: ignore[no-untyped-call]
        self.mem = self.beta.clamp(0, 1) * self.mem + x - reset * self.threshold
        return self.spike_grad(self.mem - self.threshold), self.mem

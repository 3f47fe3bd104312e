"""The gradient of spike times."""

from typing import Any

import torch
from torch import Tensor


class SpikeTimes(torch.autograd.Function):
    """Times of the first spikes, whose gradient to a spike is that of moving it: -dt where it is one of them, else 0."""

    @staticmethod
    def forward(ctx: Any, spikes: Tensor, steps: Tensor, dt: float, absent: float) -> Tensor:
        """Give `steps` (number, ...), infinity where there is no spike, in units of dt."""
        ctx.save_for_backward(steps)
        ctx.dt, ctx.length = dt, len(spikes)
        return torch.where(torch.isfinite(steps), steps * dt, absent)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        """Bring the gradient of each time back to its spike."""
        (steps,) = ctx.saved_tensors
        found = torch.isfinite(steps)
        at = torch.where(found, steps, 0).long()
        to = torch.zeros(ctx.length, *steps.shape[1:], dtype=grad.dtype, device=grad.device)
        return (to.scatter_add(0, at, torch.where(found, grad * -ctx.dt, 0)) if ctx.length else to), None, None, None

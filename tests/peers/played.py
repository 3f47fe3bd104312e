"""What the tests of all libraries share: a model is adopted, and both are run as their users run them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import rsnn.torch as rt

Play = Callable[[nn.Module, Tensor], Tensor]
"""Runs a model of a library over a sequence from rest, as its documentation does."""


def data(*shape: int, scale: float = 1.0, seed: int = 0) -> Tensor:
    """Draw an input that is sometimes negative and makes neurons fire."""
    generator = torch.Generator().manual_seed(seed)
    return torch.empty(shape).normal_(0.4, 0.5, generator=generator) * scale


def weights(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give layers weights that are whole sixteenths, whose sums of spikes are exact in any order."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        for name in ("weight", "bias", "input_weights", "recurrent_weights"):
            value = getattr(module, name, None)
            if isinstance(value, nn.Parameter) and not isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                value.data = torch.randint(-6, 11, value.shape, generator=generator) / 16.0
                if name == "recurrent_weights" and not module.autapses:
                    value.data.fill_diagonal_(0.0)
    return model


def same(model: nn.Module, x: Tensor, play: Play, *, fires: bool = True, flips: int = 0, parameters: dict[str, str] | None = None) -> Any:
    """Hold an adopted model against the original: outputs entry by entry, gradients of input and parameters; give the adopted one."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    adopted = rt.adopt(model, check=x, flips=flips / x.numel())
    report = rt.compare_adopted(model, x)
    assert not report.faults(flips / x.numel()), report
    assert all((one.gradient_difference or 0.0) <= 1e-5 for one in report.layers), report
    if fires:
        assert all(one.spikes != 0 for one in report.layers), report
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert [module.training for module in model.modules()] == modes

    here, there = (x.clone().requires_grad_() for _ in range(2))
    theirs, (ours, _) = play(model, there), adopted(here)
    differs = theirs != ours
    spikes = bool(((theirs == theirs.round()) & (theirs >= 0)).all())
    if spikes:
        assert int(differs.sum()) <= flips, report
    else:
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    sent = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(1))
    if not theirs.requires_grad or (spikes and differs.any()):
        return adopted
    theirs.backward(sent)
    ours.backward(sent)
    close(here.grad, there.grad, 1e-4 if parameters is None else 1e-5)
    for theirs_name, ours_name in (parameters or {}).items():
        close(adopted.get_parameter(ours_name).grad, model.get_parameter(theirs_name).grad, 2e-4)
    return adopted


def close(ours: Any, theirs: Any, rtol: float) -> None:
    """Demand that gradients agree, as a part of the largest."""
    assert theirs is not None
    assert theirs.abs().max() > 0
    assert (ours - theirs).abs().max() <= rtol * theirs.abs().max()

"""Losses on when the outputs fire: cross entropy and squared error of spike times."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rsnn import arguments
from rsnn.errors import InvalidValueError
from rsnn.torch import _checks
from rsnn.torch.losses._loss import Loss, number, numbers
from rsnn.torch.losses._loss import recording as checked_recording
from rsnn.torch.losses.membrane import wanted_of


def spike_times(spikes: Tensor, count: int = 1, *, batch_first: bool = False) -> Tensor:
    """Give the steps of each output's first spikes, differentiably.

    ``t[n] = the step of the n-th spike``, or T - 1, the last step, where there is none. The derivative by the spike in that step is taken
    to be -1, by all others 0: a membrane that grows fires earlier. So silent outputs learn too, through the last step.

    Parameters
    ----------
    spikes : tensor (T, B, C), or (B, T, C) with `batch_first`
        A step counts as one spike where it is not 0.
    count : int, default 1
        How many spikes.
    batch_first : bool, default False

    Returns
    -------
    tensor (count, B, C)
        Whole numbers, in the dtype of `spikes`.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No tensor of floating point numbers, or of another shape; a count below 1.

    Notes
    -----
    snnTorch's ``SpikeTime`` finds them in loops over steps, samples and outputs; here running counts are compared, all at once.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> spikes = torch.tensor([0.0, 1.0, 0.0, 1.0]).reshape(4, 1, 1).requires_grad_()
    >>> times = losses.spike_times(spikes, 3)
    >>> times.ravel().tolist(), torch.autograd.grad(times.sum(), spikes)[0].ravel().tolist()
    ([1.0, 3.0, 3.0], [0.0, -1.0, 0.0, -2.0])
    """
    x = checked_recording("spikes", spikes, arguments.flag("batch_first", batch_first))
    count = arguments.size("count", count, 1)
    if count > len(x):
        arguments.shape_of("count, of every output", (count, *x.shape[1:]))
    return _at(x, _steps(x, count).clamp(max=len(x) - 1))


class ce_temporal_loss(Loss):
    """Cross entropy of how early each output first fires.

    With `spike_times` t, T - 1 for an output that is silent::

        z[b, c] = -t[b, c]            inverse="negate"
        z[b, c] = 1 / (t[b, c] + 1)   inverse="reciprocal"
        loss[b] = log sum over c of exp(z[b, c]) - z[b, target[b]]

    Parameters
    ----------
    inverse : {"negate", "reciprocal"}, default "negate"
    reduction, weight, batch_first
        As of `ce_rate_loss`. (snnTorch's mean is the weighted one here too: there is nothing to be faithful to.)

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `ce_rate_loss`.

    Notes
    -----
    Called with the spikes (T, B, C) and labels (B,). From snnTorch's ``functional.ce_temporal_loss``.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> losses.ce_temporal_loss()(torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]]]), torch.tensor([0]))
    tensor(1.3133)
    """

    def __init__(self, *, inverse: str = "negate", reduction: str = "mean", weight: Any = None, batch_first: bool = False) -> None:
        super().__init__(reduction, weight, batch_first)
        self.inverse = arguments.choice("inverse", inverse, ("negate", "reciprocal"))

    def forward(self, spikes: Tensor, targets: Tensor) -> Tensor:
        """Give the loss of spikes (T, B, C) and labels (B,)."""
        x = self.recording("spikes", spikes)
        target = self.labels(targets, x, x.shape[-1])
        (first,) = spike_times(x)
        early = -first if self.inverse == "negate" else 1.0 / (first + 1.0)
        return self.reduce(F.cross_entropy(early, target, reduction="none"), target)


class mse_temporal_loss(Loss):
    """Squared error of the times of the first spikes, as parts of the sequence.

    With `spike_times` t::

        loss[n, b, c] = ((t[n, b, c] - wanted[n, b, c]) / T)^2, 0 where |t - wanted| < tolerance

    Later spikes cost nothing.

    Parameters
    ----------
    target_is_time : bool, default False
        Targets are times in steps, (B, C) or with `multi_spike` (n, B, C), in place of labels (B,).
    on_target : float, or a list of them with `multi_spike`; default 0
        The time wanted of the right class, in steps.
    off_target : the same, default -1
        The time wanted of the others. Negative times count from the end: -1 is the last step.
    tolerance : float, default 0.0
        In steps.
    multi_spike : bool, default False
        Several spikes have wanted times: `on_target` and `off_target` have one for each, or `targets` an axis more.
    reduction, batch_first
        As of `ce_rate_loss`; "none" gives (B, C) or (n, B, C).
    weight : tensor or list (C,), optional
        A weight for each class, that of the sample's label, for all outputs of the sample; the mean is the weighted one. Not with
        `target_is_time`.
    faithful : bool, default False
        As snnTorch 1.0.0. With on_target above off_target the wanted time is max(on_target at the label and 0 elsewhere, off_target) before
        negative times are counted from the end: so the defaults want step 0 of every class. With `multi_spike` all spikes of a step are
        forgotten once one of them was somebody's n-th; and where several missing spikes fall on the last step, only the last one's gradient
        reaches it. Refused together with `weight`, which snnTorch spreads over the wrong axis.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `ce_rate_loss`.

    Notes
    -----
    Called with the spikes (T, B, C) and targets, which stay as they are (snnTorch changes negative times in place). From snnTorch's
    ``functional.mse_temporal_loss``.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> spikes = torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]]])
    >>> losses.mse_temporal_loss(reduction="none")(spikes, torch.tensor([1])), losses.mse_temporal_loss()(spikes, torch.tensor([0]))
    (tensor([[0., 0.]]), tensor(0.2500))
    """

    def __init__(
        self,
        *,
        target_is_time: bool = False,
        on_target: Any = 0,
        off_target: Any = -1,
        tolerance: float = 0.0,
        multi_spike: bool = False,
        reduction: str = "mean",
        weight: Any = None,
        batch_first: bool = False,
        faithful: bool = False,
    ) -> None:
        super().__init__(reduction, weight, batch_first, faithful)
        self.target_is_time = arguments.flag("target_is_time", target_is_time)
        self.multi_spike = arguments.flag("multi_spike", multi_spike)
        self.tolerance = number("tolerance", tolerance, 0.0)
        self.on_target, self.off_target = numbers("on_target", on_target), numbers("off_target", off_target)
        if len(self.on_target) != len(self.off_target):
            raise InvalidValueError(
                f"on_target has {len(self.on_target)} times and off_target {len(self.off_target)}: both must have one for each spike"
            )
        if len(self.on_target) > 1 and not self.multi_spike:
            raise InvalidValueError(f"on_target={arguments.shown(on_target)}: several times need multi_spike=True")
        if weight is not None and (self.target_is_time or self.faithful):
            raise InvalidValueError(
                "weight: classes are weighed by labels, which target_is_time=True does not have, and snnTorch spreads them over the wrong "
                "axis; leave target_is_time and faithful out"
            )

    def forward(self, spikes: Tensor, targets: Tensor) -> Tensor:
        """Give the loss of spikes (T, B, C) and labels (B,), or times (B, C) or (n, B, C) with `target_is_time`."""
        x = self.recording("spikes", spikes)
        steps, classes = len(x), x.shape[-1]
        target = None
        if self.target_is_time:
            wanted = self._times(targets, x)
        else:
            target = self.labels(targets, x, classes)
            each = zip(self.on_target, self.off_target, strict=True)
            wanted = torch.stack([wanted_of(target, classes, on, off, self.faithful) for on, off in each]).to(x)
        wanted = torch.where(wanted < 0, steps + wanted, wanted)
        times = _faithful_times(x, len(wanted)) if self.faithful and self.multi_spike else spike_times(x, len(wanted))
        apart = (times - wanted) / steps
        if self.tolerance:
            apart = torch.where((times - wanted).abs() < self.tolerance, 0.0, apart)
        return self.reduce(apart.square() if self.multi_spike else apart.square()[0], target)

    def _times(self, targets: Any, x: Tensor) -> Tensor:
        """Check targets that are times; give (n, B, C)."""
        if isinstance(targets, Tensor) and not targets.dtype.is_floating_point:
            targets = targets.to(x.dtype)
        given = _checks.floating("targets", targets)
        _checks.together("targets", given, "spikes", x, "targets.to(spikes.device) moves them")
        shape = tuple(x.shape[1:])
        if tuple(given.shape[-2:]) != shape or given.ndim != 2 + self.multi_spike or not len(given):
            wanted = f"(n, {shape[0]}, {shape[1]}), n times" if self.multi_spike else f"{shape}, a time"
            raise InvalidValueError(f"targets has the shape {tuple(given.shape)}: must be {wanted} for each output of each sample")
        return given.to(x.dtype) if self.multi_spike else given.to(x.dtype)[None]


def _steps(x: Tensor, count: int) -> Tensor:
    """Find the steps of the first `count` spikes: (count, B, C), T where there is none."""
    so_far, steps = (x != 0).cumsum(0, dtype=torch.int32), len(x)
    found = [(so_far < n).sum(0) for n in range(1, min(count, steps) + 1)]
    return torch.cat([torch.stack(found), torch.full((count - len(found), *x.shape[1:]), steps, device=x.device)])


def _at(x: Tensor, step: Tensor, keeps: Tensor | float = 1.0) -> Tensor:
    """Give steps as numbers whose derivative by the spikes in them is -1, or 0 where `keeps` is."""
    held = x.gather(0, step)
    return step.to(x.dtype) - keeps * (held - held.detach())


def _faithful_times(x: Tensor, count: int) -> Tensor:
    """Find the steps of the first spikes as snnTorch does, which forgets all spikes of a step with the n-th spike of anybody."""
    left, steps = x.detach() != 0, []
    for _ in range(count):
        steps.append((left.cumsum(0) == 0).sum(0).clamp(max=len(x) - 1))
        left = left.index_fill(0, steps[-1].flatten(), False)
    found = torch.stack(steps)
    last = torch.ones_like(found, dtype=torch.bool)
    last[:-1] = found[:-1] != found[1:]
    return _at(x, found, last)

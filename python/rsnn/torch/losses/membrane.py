"""Losses on the membrane of the outputs: cross entropy of its maximum, squared error to a value."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from rsnn import arguments
from rsnn.errors import InvalidValueError
from rsnn.torch.losses._loss import Loss, labels, number
from rsnn.torch.losses.rates import one_of, refuse_weight_of_samples


class ce_max_membrane_loss(Loss):
    """Cross entropy of each output's largest membrane.

    ::

        m[b, c] = max over t of v[t, b, c]
        loss[b] = log sum over c of exp(m[b, c]) - m[b, target[b]]

    The gradient goes to the step of the maximum, the first of equal ones.

    Parameters
    ----------
    reduction, weight, batch_first, faithful
        As of `ce_rate_loss`.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `ce_rate_loss`.

    Notes
    -----
    Called with the membranes (T, B, C) and labels (B,). From snnTorch's ``functional.ce_max_membrane_loss``, which is after SpyTorch
    (Zenke).

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> losses.ce_max_membrane_loss()(torch.tensor([[[0.5, 0.0]], [[1.0, -1.0]]]), torch.tensor([0]))
    tensor(0.3133)
    """

    def __init__(self, *, reduction: str = "mean", weight: Any = None, batch_first: bool = False, faithful: bool = False) -> None:
        super().__init__(reduction, weight, batch_first, faithful)

    def forward(self, membrane: Tensor, targets: Tensor) -> Tensor:
        """Give the loss of membranes (T, B, C) and labels (B,)."""
        v = self.recording("membrane", membrane)
        target = self.labels(targets, v, v.shape[-1])
        return self.reduce(F.cross_entropy(v.max(0).values, target, reduction="none"), target)


class mse_membrane_loss(Loss):
    """Squared error of the membranes to one value for the right class and another for the others, averaged over the steps.

    ::

        wanted[t, b, c] = on_target where c = target[t, b], off_target elsewhere
        loss[b, c]      = mean over t of (v[t, b, c] - wanted[t, b, c])^2

    Parameters
    ----------
    time_var_targets : bool, default False
        Labels are (T, B), one for each step, in place of (B,).
    on_target : float, default 1.0
        The membrane wanted of the right class.
    off_target : float, default 0.0
        The membrane wanted of the others.
    reduction, batch_first
        As of `ce_rate_loss`; "none" gives (B, C).
    weight : tensor or list (C,), optional
        A weight for each class, that of the sample's label, for all outputs of the sample; the mean is the weighted one. Not with
        `time_var_targets`.
    faithful : bool, default False
        As snnTorch 1.0.0: with on_target above off_target the wanted value is max(on_target at the label and 0 elsewhere, off_target), so
        that a negative off_target is lost. Refused together with `weight`, which snnTorch spreads over the wrong axis.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `ce_rate_loss`.

    Notes
    -----
    Called with the membranes (T, B, C) and labels. From snnTorch's ``functional.mse_membrane_loss``. There the loss has the shape (1,) and
    is float32 for float64 data; here it is a number of the data's dtype.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> losses.mse_membrane_loss(off_target=-1.0)(torch.zeros(5, 1, 2), torch.tensor([0]))
    tensor(1.)
    """

    def __init__(
        self,
        *,
        time_var_targets: bool = False,
        on_target: float = 1.0,
        off_target: float = 0.0,
        reduction: str = "mean",
        weight: Any = None,
        batch_first: bool = False,
        faithful: bool = False,
    ) -> None:
        super().__init__(reduction, weight, batch_first, faithful)
        self.time_var_targets = arguments.flag("time_var_targets", time_var_targets)
        self.on_target, self.off_target = number("on_target", on_target), number("off_target", off_target)
        refuse_weight_of_samples(self)
        if self.time_var_targets and weight is not None:
            raise InvalidValueError("weight: a sample has several labels with time_var_targets=True; weigh what reduction='none' gives")

    def forward(self, membrane: Tensor, targets: Tensor) -> Tensor:
        """Give the loss of membranes (T, B, C) and labels (B,), or (T, B) with `time_var_targets`."""
        v = self.recording("membrane", membrane)
        steps, batch, classes = v.shape
        if self.time_var_targets:
            shape = (batch, steps) if self.batch_first else (steps, batch)
            target = labels("targets", targets, shape, classes, v)
            target = target.transpose(0, 1) if self.batch_first else target
        else:
            target = self.labels(targets, v, classes)
        wanted = wanted_of(target, classes, self.on_target, self.off_target, self.faithful).to(v)
        each = (v - wanted).square().mean(0)
        return self.reduce(each, None if self.time_var_targets else target)


def wanted_of(target: Tensor, classes: int, on: float, off: float, faithful: bool) -> Tensor:
    """Give what is wanted of every output (..., classes), in float64; `faithful` as snnTorch's ``targets_convert`` gives it."""
    if faithful and on > off:
        return one_of(target, classes, on, 0.0).clamp(min=off)
    return one_of(target, classes, on, off)

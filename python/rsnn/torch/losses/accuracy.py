"""How many samples are told right, by how often or how early the outputs fire."""

import torch
from torch import Tensor

from rsnn import arguments
from rsnn.torch.losses._loss import PopulationCode, labels, recording
from rsnn.torch.losses.temporal import _steps


def accuracy_rate(
    spikes: Tensor, targets: Tensor, *, population_code: bool = False, num_classes: int | None = None, batch_first: bool = False
) -> float:
    """Give the part of the samples whose right class fires most.

    Parameters
    ----------
    spikes : tensor (T, B, C), or (B, T, C) with `batch_first`
        Membranes are taken too; they are summed over time.
    targets : tensor of int (B,)
        The right class of each sample.
    population_code : bool, default False
        Several neighbouring outputs stand for each class; they are added up.
    num_classes : int, optional
        With `population_code`: into how many classes the outputs are shared out.
    batch_first : bool, default False

    Returns
    -------
    float
        From 0 to 1. Of classes that fire equally often the first one counts as the answer, also where none fires.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A recording or labels of another shape, dtype, range or device.

    Notes
    -----
    From snnTorch's ``functional.accuracy_rate``.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> losses.accuracy_rate(torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]), torch.tensor([1, 1]))
    0.5
    """
    x = recording("spikes", spikes, arguments.flag("batch_first", batch_first))
    population = PopulationCode(population_code, num_classes)
    target = labels("targets", targets, (x.shape[1],), population.classes(x), x)
    return _part(population.together(x.detach().sum(0)).argmax(-1) == target)


def accuracy_temporal(spikes: Tensor, targets: Tensor, *, batch_first: bool = False, faithful: bool = False) -> float:
    """Give the part of the samples whose right class fires first.

    Parameters
    ----------
    spikes : tensor (T, B, C), or (B, T, C) with `batch_first`
    targets : tensor of int (B,)
        The right class of each sample.
    batch_first : bool, default False
    faithful : bool, default False
        As snnTorch 1.0.0: an output that is silent counts as one that fires in the last step, so that a silent network
        answers class 0.

    Returns
    -------
    float
        From 0 to 1. Of classes that fire first in the same step the first one counts as the answer. A silent output is later
        than any other, and where all are silent the sample is not told right.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A recording or labels of another shape, dtype, range or device.

    Notes
    -----
    From snnTorch's ``functional.accuracy_temporal``.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> losses.accuracy_temporal(torch.tensor([[[0.0, 1.0], [0.0, 0.0]]]), torch.tensor([1, 0]))
    0.5
    """
    x = recording("spikes", spikes, arguments.flag("batch_first", batch_first))
    target = labels("targets", targets, (x.shape[1],), x.shape[-1], x)
    (first,) = _steps(x.detach(), 1)
    if arguments.flag("faithful", faithful):
        return _part(first.clamp(max=len(x) - 1).argmin(-1) == target)
    earliest = first.min(-1)
    return _part((earliest.indices == target) & (earliest.values < len(x)))


def _part(right: Tensor) -> float:
    return int(torch.count_nonzero(right)) / right.numel()

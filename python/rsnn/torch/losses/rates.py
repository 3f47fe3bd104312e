"""Losses on how often the outputs fire: cross entropy of counts or at every step, squared error of counts."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rsnn.errors import InvalidValueError
from rsnn.torch.losses._loss import Loss, PopulationCode, number


class CrossEntropy(Loss):
    """Cross entropy of what stands for the classes; `of` says of what."""

    def __init__(
        self,
        *,
        population_code: bool = False,
        num_classes: int | None = None,
        reduction: str = "mean",
        weight: Any = None,
        batch_first: bool = False,
        faithful: bool = False,
    ) -> None:
        super().__init__(reduction, weight, batch_first, faithful)
        self.population = PopulationCode(population_code, num_classes)

    def forward(self, spikes: Tensor, targets: Tensor) -> Tensor:
        """Give the loss of a recording (T, B, C) and labels (B,)."""
        x = self.recording("spikes", spikes)
        target = self.labels(targets, x, self.population.classes(x))
        return self.reduce(self.of(x, target), target)

    def of(self, x: Tensor, target: Tensor) -> Tensor:
        """Give the loss of every sample."""
        raise NotImplementedError


class ce_rate_loss(CrossEntropy):
    """Cross entropy of the spikes at every step, averaged over the steps.

    ::

        loss[b] = mean over t of (log sum over c of exp(x[t, b, c]) - x[t, b, target[b]])

    Pushes the right class to fire in every step, and the others not to fire.

    Parameters
    ----------
    population_code : bool, default False
        Several neighbouring outputs stand for each class; they are added up.
    num_classes : int, optional
        With `population_code`: into how many classes the outputs are shared out.
    reduction : {"mean", "sum", "none"}, default "mean"
        Of the samples' losses.
    weight : tensor or list (C,), optional
        A weight for each class, that of the sample's label. The mean is the weighted one, sum of w loss / sum of w, as of torch's
        ``cross_entropy``.
    batch_first : bool, default False
        Recordings are (B, T, C) in place of (T, B, C).
    faithful : bool, default False
        As snnTorch 1.0.0: the mean of the weighted losses is divided by B, not by the sum of their weights, so that
        weights that are not 1 on average change the step size.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Of a call, for a recording or labels of another shape, dtype, range or device; of the constructor, for options that do not fit.

    Notes
    -----
    Called with the recording, float32 or float64, and labels (B,). From snnTorch's ``functional.ce_rate_loss``. There the loss has the
    shape (1,), is float32 for float64 data, and a population code raises without weights; here it is a number of the data's dtype.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> spikes = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 0.0]]])
    >>> losses.ce_rate_loss()(spikes, torch.tensor([0]))
    tensor(0.4399)
    """

    def of(self, x: Tensor, target: Tensor) -> Tensor:
        """Average over the steps."""
        return cross_entropy_over_time(self.population.together(x), target)


class ce_count_loss(CrossEntropy):
    """Cross entropy of the spike counts.

    ::

        n[b, c] = sum over t of x[t, b, c]
        loss[b] = log sum over c of exp(n[b, c]) - n[b, target[b]]

    Parameters
    ----------
    population_code, num_classes, reduction, weight, batch_first, faithful
        As of `ce_rate_loss`.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `ce_rate_loss`.

    Notes
    -----
    Called with the recording and labels (B,). From snnTorch's ``functional.ce_count_loss``, whose counts of a population code are float32
    for float64 data; here they keep the dtype. Of membranes it is Spyx's ``integral_crossentropy`` without smoothing.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> spikes = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 0.0]]])
    >>> losses.ce_count_loss()(spikes, torch.tensor([0]))
    tensor(0.1269)
    """

    def of(self, x: Tensor, target: Tensor) -> Tensor:
        """Count first."""
        return F.cross_entropy(self.population.together(x.sum(0)), target, reduction="none")


class mse_count_loss(Loss):
    """Squared error of the spike counts, per step.

    With m outputs for each class (1 without a population code)::

        n[b, c]      = sum over t, and over the outputs of class c, of x[t, b, .]
        wanted[b, c] = floor(T m correct_rate) where c = target[b], floor(T m incorrect_rate) elsewhere
        loss[b, c]   = (n[b, c] - wanted[b, c])^2 / T

    Parameters
    ----------
    correct_rate : float, default 1.0
        The part of the steps in which the right class is to fire.
    incorrect_rate : float, default 0.0
        The same of the others. A little above 0 keeps neurons alive.
    population_code, num_classes, reduction, batch_first
        As of `ce_rate_loss`; "none" gives (B, C).
    weight : tensor or list (C,), optional
        A weight for each class, that of the sample's label, for all outputs of the sample; the mean is the weighted one.
    faithful : bool, default False
        As snnTorch 1.0.0, which spreads a weight of each sample over the classes, an error unless B and C happen to be equal: it is refused
        together with `weight`.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `ce_rate_loss`.

    Notes
    -----
    Called with the recording and labels (B,). From snnTorch's ``functional.mse_count_loss``, which is after SLAYER's (Shrestha and Orchard
    2018). A product such as 100 * 0.29, one rounding below 29, counts as 29 here, and as 28 there.

    Examples
    --------
    Two spikes where three are wanted, none where none is:

    >>> import torch
    >>> from rsnn.torch import losses
    >>> spikes = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 0.0]]])
    >>> losses.mse_count_loss(reduction="none")(spikes, torch.tensor([0]))
    tensor([[0.3333, 0.0000]])
    """

    def __init__(
        self,
        *,
        correct_rate: float = 1.0,
        incorrect_rate: float = 0.0,
        population_code: bool = False,
        num_classes: int | None = None,
        reduction: str = "mean",
        weight: Any = None,
        batch_first: bool = False,
        faithful: bool = False,
    ) -> None:
        super().__init__(reduction, weight, batch_first, faithful)
        self.correct_rate = number("correct_rate", correct_rate, 0.0)
        self.incorrect_rate = number("incorrect_rate", incorrect_rate, 0.0)
        self.population = PopulationCode(population_code, num_classes)
        refuse_weight_of_samples(self)

    def forward(self, spikes: Tensor, targets: Tensor) -> Tensor:
        """Give the loss of a recording (T, B, C) and labels (B,)."""
        x = self.recording("spikes", spikes)
        classes = self.population.classes(x)
        target = self.labels(targets, x, classes)
        slots = len(x) * self.population.share(x)
        on, off = (math.floor(slots * rate + 1e-9 * slots) for rate in (self.correct_rate, self.incorrect_rate))
        counts = self.population.together(x.sum(0))
        wanted = one_of(target, classes, on, off).to(counts)
        return self.reduce((counts - wanted).square() / len(x), target)


class tet_loss(Loss):
    """Temporal efficient training: cross entropy at every step, and a pull of all outputs towards one value.

    ::

        loss[b] = (1 - lamb) mean over t of CE(x[t, b], target[b]) + lamb mean over t, c of (x[t, b, c] - means)^2

    It keeps the gradient of every step large, where a loss on the mean output lets the steps make up for each other.

    Parameters
    ----------
    lamb : float, default 1e-3
        The part of the second term, from 0 to 1. With 0 it is SpikingJelly's ``temporal_efficient_training_cross_entropy``, and
        `ce_rate_loss`.
    means : float, default 1.0
        The value that outputs are pulled to: the threshold of the neurons, say.
    reduction, weight, batch_first
        As of `ce_rate_loss`.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `ce_rate_loss`.

    Notes
    -----
    Called with the outputs (T, B, C), membranes or sums of the last layer, and labels (B,). Deng, Li, Zhang and Gu, "Temporal efficient
    training of spiking neural network via gradient re-weighting", ICLR 2022, equations 9 to 11.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> losses.tet_loss(lamb=0.5)(torch.zeros(4, 2, 3), torch.tensor([0, 2]))
    tensor(1.0493)
    """

    def __init__(
        self, *, lamb: float = 1e-3, means: float = 1.0, reduction: str = "mean", weight: Any = None, batch_first: bool = False
    ) -> None:
        super().__init__(reduction, weight, batch_first)
        self.lamb = number("lamb", lamb, 0.0, 1.0)
        self.means = number("means", means)

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give the loss of outputs (T, B, C) and labels (B,)."""
        x = self.recording("outputs", outputs)
        target = self.labels(targets, x, x.shape[-1])
        each = cross_entropy_over_time(x, target)
        if self.lamb:
            each = (1.0 - self.lamb) * each + self.lamb * (x - self.means).square().mean((0, 2))
        return self.reduce(each, target)


def cross_entropy_over_time(x: Tensor, target: Tensor) -> Tensor:
    """Average the cross entropies of all steps: (T, B, C) and (B,) to (B,)."""
    return F.cross_entropy(x.permute(1, 2, 0), target[:, None].expand(-1, len(x)), reduction="none").mean(1)


def one_of(target: Tensor, classes: int, on: float, off: float) -> Tensor:
    """Give (..., classes): `on` at the label, `off` elsewhere; in float64, which holds both as they are."""
    hot = target[..., None] == torch.arange(classes, device=target.device)
    return hot.double() * on + (~hot).double() * off


def refuse_weight_of_samples(loss: Loss) -> None:
    """Refuse what snnTorch cannot do: weigh squared errors by class."""
    if loss.faithful and loss.weight is not None:
        raise InvalidValueError(
            "weight: snnTorch spreads the weights of samples over classes, which fails unless there are as many; leave faithful=True out"
        )

"""How far two sets of spike trains are apart: van Rossum's distance as a loss, and Victor and Purpura's as a measure."""

from typing import Any

import torch
from torch import Tensor

import rsnn
from rsnn import arguments, metrics
from rsnn.arguments import SMALLEST
from rsnn.errors import InvalidValueError
from rsnn.torch import _checks
from rsnn.torch.functional import simulate
from rsnn.torch.losses._loss import Loss, number


class van_rossum_loss(Loss):
    """The squared distance of van Rossum between each output's spikes and those wanted.

    ::

        f[t]       = exp(-dt/tau) f[t-1] + (spikes - targets)[t]
        loss[b, c] = (2/tau) times the integral of f(t)^2, which decays from step to step and after the last one
                   = (1 - exp(-2 dt/tau)) sum over t < T - 1 of f[t]^2 + f[T-1]^2

    One spike too many costs 1; a spike at a distance d from where it is wanted 2 (1 - exp(-d/tau)).

    Parameters
    ----------
    tau : float
        Time constant, in the unit of dt: small, and only spikes in the same step are alike; large, and only counts matter.
    dt : float, default 1.0
        The length of a step.
    reduction : {"mean", "sum", "none"}, default "mean"
        Over samples and outputs; "none" gives (B, C).
    batch_first : bool, default False

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Recordings of another shape, dtype or device, or of different ones.

    Notes
    -----
    Called with the spikes (T, B, C) and those wanted, of the same shape. The square, since the distance itself has no gradient where it is
    0. `rsnn.metrics.van_rossum_distance` is its root. The filter runs in the native engine, forward and backward. van Rossum, "A novel
    spike distance", Neural Computation 2001, times 2, as Elephant has it. lava-dl's ``SpikeTime`` is its like, with a filter cut off.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> spikes = torch.tensor([0.0, 1.0, 0.0]).reshape(3, 1, 1)
    >>> losses.van_rossum_loss(tau=2.0)(spikes, torch.zeros(3, 1, 1)), losses.van_rossum_loss(tau=2.0)(spikes, spikes)
    (tensor(1.), tensor(0.))
    """

    def __init__(self, *, tau: float, dt: float = 1.0, reduction: str = "mean", batch_first: bool = False) -> None:
        super().__init__(reduction, batch_first=batch_first)
        self.tau, self.dt = number("tau", tau, SMALLEST), number("dt", dt, SMALLEST)
        self.neuron = rsnn.LI(self.tau, dt=self.dt, gain="unit")

    def forward(self, spikes: Tensor, targets: Tensor) -> Tensor:
        """Give the loss of spikes and of those wanted, both (T, B, C)."""
        x, wanted = self.recording("spikes", spikes), self.recording("targets", targets)
        if x.shape != wanted.shape:
            raise InvalidValueError(f"targets has the shape {tuple(targets.shape)}: must be that of spikes, {tuple(spikes.shape)}")
        _checks.alike("targets", wanted, "spikes", x, "targets.to(spikes) moves and converts it")
        f = simulate(self.neuron, x - wanted).output.square()
        return self.reduce(metrics.decaying_integral(f, self.dt / self.tau))


def victor_purpura_distance(spikes: Tensor, targets: Tensor, *, q: float, dt: float = 1.0, batch_first: bool = False) -> Tensor:
    """Give the distance of Victor and Purpura between each output's spikes and those wanted.

    A measure, not a loss: no gradient flows through it. `rsnn.metrics.victor_purpura_distance` says what it is, and takes tensors too.

    Parameters
    ----------
    spikes, targets : tensor (T, B, C), or (B, T, C) with `batch_first`
    q : float
        The price of moving a spike by one unit of dt; inserting or deleting one costs 1.
    dt : float, default 1.0
        The length of a step.
    batch_first : bool, default False

    Returns
    -------
    tensor (B, C)
        In the dtype of `spikes`.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Recordings of another shape or dtype, or of different shapes; q below 0.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> spikes, wanted = torch.tensor([0.0, 1.0, 0.0]).reshape(3, 1, 1), torch.tensor([0.0, 0.0, 1.0]).reshape(3, 1, 1)
    >>> losses.victor_purpura_distance(spikes, wanted, q=0.25)
    tensor([[0.2500]])
    """
    later = arguments.flag("batch_first", batch_first)
    given: Any = {}
    for name, value in (("spikes", spikes), ("targets", targets)):
        _checks.floating(name, value)
        _checks.axes(name, value, 3, "(B, T, C)" if later else "(T, B, C)")
        given[name] = arguments.of_tensor(name, value)
    apart = metrics.victor_purpura_distance(given["spikes"], given["targets"], q=q, dt=dt, batch_first=later)
    return torch.as_tensor(apart).to(spikes)

"""Terms that keep activity within bounds: rates, silence, bursts, membranes. Each is made with its numbers and called with recordings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rsnn import arguments
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.torch import _checks
from rsnn.torch.losses._loss import number


class Regulariser(nn.Module):
    """A term over one recording (T, B, ...), or over several, such as ``net.run(x).spikes``: those of this module derive from it."""

    def __init__(self, scale: float, batch_first: Any) -> None:
        super().__init__()
        self.scale = scale
        self.batch_first = arguments.flag("batch_first", batch_first)

    def forward(self, recording: Any) -> Tensor:
        """Give the term, summed over the recordings: a tensor, or a list or mapping of them, also in several levels."""
        found = list(_recordings("recording", recording))
        if not found:
            raise InvalidValueError("recording: none came; give at least one tensor (T, B, ...)")
        axes = "(B, T, ...)" if self.batch_first else "(T, B, ...)"
        terms = []
        for name, value in found:
            x = _checks.floating(name, value)
            _checks.axes(name, x, 2, axes)
            if not x.numel():
                raise InvalidValueError(f"{name} has the shape {tuple(x.shape)}: give at least one step of one sample")
            x = x.flatten(2) if x.ndim > 2 else x[:, :, None]
            terms.append(self.term(x.transpose(0, 1) if self.batch_first else x))
        return self.scale * torch.stack([term.to(terms[0]) for term in terms]).sum()

    def term(self, x: Tensor) -> Tensor:
        """Give the unscaled term of one recording (T, B, N)."""
        raise NotImplementedError


class l1_rate_sparsity(Regulariser):
    """A price for every spike.

    ``Lambda * sum over t, b, n of s[t, b, n]``, summed over the recordings.

    Parameters
    ----------
    Lambda : float, default 1e-5
    batch_first : bool, default False
        Recordings are (B, T, ...) in place of (T, B, ...); no difference here.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Of a call, for anything but tensors (T, B, ...); of the constructor, for a number that is not finite or is out of range.

    Notes
    -----
    Called with spikes (T, B, ...), or with a list or mapping of them. From snnTorch's ``functional.reg.l1_rate_sparsity``. The sum grows
    with batch and length. It is also Norse's ``spike_accumulator``.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> losses.l1_rate_sparsity(Lambda=0.5)(torch.ones(4, 1, 3))
    tensor(6.)
    """

    def __init__(self, *, Lambda: float = 1e-5, batch_first: bool = False) -> None:
        super().__init__(number("Lambda", Lambda), batch_first)

    def term(self, x: Tensor) -> Tensor:
        """Give the unscaled term of one recording (T, B, N)."""
        return x.sum()


class kl_rate_sparsity(Regulariser):
    """The Kullback-Leibler divergence of each neuron's rate from a wanted one.

    With q the mean over t of s[t, b, n], and p and q held between eps and 1 - eps::

        Lambda * sum over b, n of p log(p / q) + (1 - p) log((1 - p) / (1 - q))

    Parameters
    ----------
    target_rate : float, default 0.05
        p, in spikes per step.
    Lambda : float, default 1e-4
    eps : float, default 1e-8
        Where q is below it, the gradient is 0. In float32 1 - eps is 1 below about 6e-8, and a neuron that always fires costs infinitely
        much; it is then held at the largest number below 1.
    batch_first : bool, default False

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `l1_rate_sparsity`.

    Notes
    -----
    Called as `l1_rate_sparsity`. From snnTorch's ``functional.reg.kl_rate_sparsity``.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> losses.kl_rate_sparsity(target_rate=0.5, Lambda=1.0)(torch.tensor([1.0, 0.0, 0.0, 0.0]).reshape(4, 1, 1))
    tensor(0.1438)
    """

    def __init__(
        self,
        *,
        target_rate: float = 0.05,
        Lambda: float = 1e-4,
        eps: float = 1e-8,
        batch_first: bool = False,
    ) -> None:
        super().__init__(number("Lambda", Lambda), batch_first)
        self.target_rate, self.eps = number("target_rate", target_rate, 0.0, 1.0), number("eps", eps, 1e-30, 0.5)

    def term(self, x: Tensor) -> Tensor:
        """Give the unscaled term of one recording (T, B, N)."""
        high = min(1.0 - self.eps, 1.0 - torch.finfo(x.dtype).eps / 2)
        p = min(max(self.target_rate, self.eps), high)
        q = x.mean(0).clamp(self.eps, high)
        return (p * (p / q).log() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).log()).sum()


class temporal_sparsity(Regulariser):
    """A price for every change from step to step.

    ``Lambda * sum over t > 0, b, n of (s[t, b, n] - s[t - 1, b, n])^2``, summed over the recordings.

    Parameters
    ----------
    Lambda : float, default 1e-5
    batch_first : bool, default False

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `l1_rate_sparsity`.

    Notes
    -----
    Called as `l1_rate_sparsity`. From snnTorch's ``functional.reg.temporal_sparsity``. Its description
    there speaks of avoiding bursts; but a burst, however long, costs as much as a single spike, a change up and one down.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> burst, single = torch.tensor([0.0, 1.0, 1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0])
    >>> [losses.temporal_sparsity(Lambda=1.0)(s.reshape(5, 1, 1)).item() for s in (burst, single)]
    [2.0, 4.0]
    """

    def __init__(self, *, Lambda: float = 1e-5, batch_first: bool = False) -> None:
        super().__init__(number("Lambda", Lambda), batch_first)

    def term(self, x: Tensor) -> Tensor:
        """Give the unscaled term of one recording (T, B, N)."""
        return (x[1:] - x[:-1]).square().sum()


class silence_reg(Regulariser):
    """A price for neurons that fire too little.

    With m[n] the spikes of neuron n in a sample, averaged over the samples::

        sum over n of max(0, min_spikes - m[n])^2

    Parameters
    ----------
    min_spikes : float
        Spikes in a sample that are enough.
    batch_first : bool, default False

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `l1_rate_sparsity`.

    Notes
    -----
    Called as `l1_rate_sparsity`. From Spyx's ``fn.silence_reg``, which averages over the first axis of what it is given and takes every
    other entry, a step of a neuron as well, for a neuron of its own: it must be given counts. Here the steps are added up.

    Examples
    --------
    Two neurons, of which one is silent:

    >>> import torch
    >>> from rsnn.torch import losses
    >>> losses.silence_reg(min_spikes=3.0)(torch.tensor([[[1.0, 0.0]]]).expand(4, 1, 2))
    tensor(9.)
    """

    def __init__(self, *, min_spikes: float, batch_first: bool = False) -> None:
        super().__init__(1.0, batch_first)
        self.min_spikes = number("min_spikes", min_spikes, 0.0)

    def term(self, x: Tensor) -> Tensor:
        """Give the term of one recording (T, B, N)."""
        return (self.min_spikes - x.sum(0).mean(0)).clamp(min=0.0).square().sum()


class sparsity_reg(Regulariser):
    """A price for layers that fire too much.

    With m[b] the spikes of a neuron in sample b, averaged over the neurons of the layer::

        sum over b of norm(max(0, m[b] - max_spikes))

    Parameters
    ----------
    max_spikes : float
        Spikes of a neuron that are not too many.
    norm : callable, optional
        Of a tensor, entry by entry; by default Huber's, d^2 / 2 up to 1 and d - 1/2 beyond.
    batch_first : bool, default False

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `l1_rate_sparsity`.

    Notes
    -----
    Called as `l1_rate_sparsity`. From Spyx's ``fn.sparsity_reg``, which averages over steps and neurons alike of what it is given; here the
    steps are added up.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> losses.sparsity_reg(max_spikes=1.0)(torch.ones(3, 1, 5))
    tensor(1.5000)
    """

    def __init__(self, *, max_spikes: float, norm: Callable[[Tensor], Tensor] | None = None, batch_first: bool = False) -> None:
        super().__init__(1.0, batch_first)
        self.max_spikes = number("max_spikes", max_spikes, 0.0)
        if norm is not None and not callable(norm):
            raise InvalidTypeError(f"norm={arguments.shown(norm)}: must be a function, such as torch.square, or None for Huber's")
        self.norm = _huber if norm is None else norm

    def term(self, x: Tensor) -> Tensor:
        """Give the term of one recording (T, B, N)."""
        return self.norm((x.sum(0).mean(-1) - self.max_spikes).clamp(min=0.0)).sum()


class SparsityEnforcer(Regulariser):
    """A price for layers whose mean rate is too high.

    ``lam * max(0, mean over t, b, n of |s| - max_rate)^2``, summed over the recordings.

    Parameters
    ----------
    max_rate : float, default 0.01
        Spikes per step and neuron that are not too many.
    lam : float, default 1.0
    batch_first : bool, default False
        No difference here.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `l1_rate_sparsity`.

    Notes
    -----
    Called as `l1_rate_sparsity`. From lava-dl's ``slayer.loss.SparsityEnforcer``, where layers are appended and the term read from
    ``.loss``; here it is called with all layers at once and keeps nothing.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> losses.SparsityEnforcer(max_rate=0.5)([torch.ones(4, 1, 2), torch.zeros(4, 1, 3)])
    tensor(0.2500)
    """

    def __init__(self, *, max_rate: float = 0.01, lam: float = 1.0, batch_first: bool = False) -> None:
        super().__init__(number("lam", lam), batch_first)
        self.max_rate = number("max_rate", max_rate, 0.0)

    def term(self, x: Tensor) -> Tensor:
        """Give the unscaled term of one recording (T, B, N)."""
        return (x.abs().mean() - self.max_rate).clamp(min=0.0).square()


class rate_reg(Regulariser):
    """A pull of every neuron's rate towards a wanted one.

    With f[n] the mean over t, b of s[t, b, n]::

        Lambda * 1/2 sum over n of (f[n] - target_rate)^2

    Parameters
    ----------
    target_rate : float, default 0.01
        Spikes per step.
    Lambda : float, default 1.0
    batch_first : bool, default False
        No difference here.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `l1_rate_sparsity`.

    Notes
    -----
    Called as `l1_rate_sparsity`. Bellec et al., "A solution to the learning dilemma for recurrent networks of spiking neurons", Nature
    Communications 2020, equation of E_reg.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> losses.rate_reg(target_rate=0.5)(torch.ones(4, 1, 2))
    tensor(0.2500)
    """

    def __init__(self, *, target_rate: float = 0.01, Lambda: float = 1.0, batch_first: bool = False) -> None:
        super().__init__(number("Lambda", Lambda), batch_first)
        self.target_rate = number("target_rate", target_rate, 0.0)

    def term(self, x: Tensor) -> Tensor:
        """Give the unscaled term of one recording (T, B, N)."""
        return 0.5 * (x.mean((0, 1)) - self.target_rate).square().sum()


class voltage_reg(Regulariser):
    """A price for membranes outside of a range, where surrogate gradients vanish.

    ::

        Lambda * mean over t, b, n of max(0, v - v_high)^2 + max(0, v_low - v)^2

    Parameters
    ----------
    v_low, v_high : float, default -1.0 and 1.0
        The range, such as -v_threshold to v_threshold.
    Lambda : float, default 1.0
    batch_first : bool, default False
        No difference here.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `l1_rate_sparsity`; v_low above v_high.

    Notes
    -----
    Called with membranes (T, B, ...), recorded with ``record="v"`` or ``"u"``, or a list or mapping of them. Bellec et al. 2020 use it with
    bounds at the threshold. (Norse's ``voltage_accumulator`` is ``v.sum(0)``.)

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch import losses
    >>> losses.voltage_reg()(torch.tensor([[[0.5, 3.0]], [[-2.0, 0.0]]]))
    tensor(1.2500)
    """

    def __init__(
        self,
        *,
        v_low: float = -1.0,
        v_high: float = 1.0,
        Lambda: float = 1.0,
        batch_first: bool = False,
    ) -> None:
        super().__init__(number("Lambda", Lambda), batch_first)
        self.v_low, self.v_high = number("v_low", v_low), number("v_high", v_high)
        if self.v_low > self.v_high:
            raise InvalidValueError(f"v_low={arguments.shown(v_low)}: must be at most v_high={arguments.shown(v_high)}")

    def term(self, x: Tensor) -> Tensor:
        """Give the unscaled term of one recording (T, B, N)."""
        return ((x - self.v_high).clamp(min=0.0).square() + (self.v_low - x).clamp(min=0.0).square()).mean()


def _recordings(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Give all recordings in lists and mappings, with their names."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _recordings(f"{name}[{key!r}]", one)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for k, one in enumerate(value):
            yield from _recordings(f"{name}[{k}]", one)
    else:
        yield name, value


def _huber(x: Tensor) -> Tensor:
    return F.huber_loss(x, torch.zeros_like(x), reduction="none")

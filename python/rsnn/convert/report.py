"""How well spikes carry what the model computed: percentiles compared, and layers compared one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import shown, size
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.network import Network
from rsnn.tables import ruled

if TYPE_CHECKING:
    from .model import Analog

Array = npt.NDArray[Any]

ENTRIES = 2**25
"""So many outputs of layers are held at a time when a network is run over many samples."""


@dataclass(frozen=True)
class Candidate:
    """What one percentile gives.

    Attributes
    ----------
    percentile : of each layer's activity, which becomes one spike a step
    error : root mean square of the difference between the outputs of the network and of the model, in parts of that of the model's
    agreement : the part of the samples with the same largest output; None where there is one output alone, or a map
    spikes : of a sample, all layers and steps together
    """

    percentile: float
    error: float
    agreement: float | None
    spikes: float


@dataclass(frozen=True)
class Search:
    """Percentiles that were tried, highest first; prints as a table.

    Attributes
    ----------
    steps, samples : how long and for how many of the data each was run
    candidates : one `Candidate` for each percentile
    best : the one that was chosen: the highest percentile, and so the fewest spikes, with an error of at most `tolerance`, or where
        there is none the one with the least error
    tolerance : as given
    skipped : percentiles at which some layer's activity is 0
    """

    steps: int
    samples: int
    candidates: tuple[Candidate, ...]
    best: Candidate
    tolerance: float
    skipped: tuple[float, ...] = ()

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.candidates)

    def __str__(self) -> str:
        head = ("percentile", "error", "agreement", "spikes", "")
        rows = [(one.percentile, one.error, one.agreement, one.spikes, "chosen" if one is self.best else "") for one in self.candidates]
        lines = [f"percentiles of the activity (steps: {self.steps}, samples: {self.samples})", ruled(head, rows)]
        if self.skipped:
            lines.append(f"skipped, since some layer's activity is 0 there: {', '.join(f'{one:g}' for one in self.skipped)}")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class LayerComparison:
    """One layer of spiking neurons against the activations that it stands for.

    Attributes
    ----------
    layer : its name, or index and kind
    index : its index in the network; None of the output of a network that does not end in neurons
    activation : array (samples, ...), what the model computes
    rate : array (samples, ...), spikes a step, or the mean output
    """

    layer: str
    index: int | None
    activation: Array
    rate: Array

    @property
    def correlation(self) -> float:
        """Pearson's correlation of activations and rates over samples and neurons; NaN where one of them is constant."""
        a, r = (one.astype(np.float64).ravel() - one.mean(dtype=np.float64) for one in (self.activation, self.rate))
        size = float(np.sqrt((a @ a) * (r @ r)))
        return float(a @ r) / size if size else float("nan")

    @property
    def unit(self) -> float:
        """The activation that one spike a step stands for: the least squares of ``activation = unit rate``; NaN of a silent layer."""
        a, r = self.activation.astype(np.float64).ravel(), self.rate.astype(np.float64).ravel()
        return float(a @ r) / float(r @ r) if r.any() else float("nan")

    @property
    def error(self) -> float:
        """Root mean square of ``unit rate - activation``, in parts of the root mean square activation; NaN of a silent layer."""
        difference = self.unit * self.rate.astype(np.float64) - self.activation
        size = float(np.sqrt(np.mean(np.square(self.activation, dtype=np.float64))))
        return float(np.sqrt(np.mean(difference**2))) / size if size else float("nan")


@dataclass(frozen=True, eq=False)
class Comparison:
    """A converted network against its model, layer by layer; prints as a table. `rsnn.plot.conversion` draws it.

    Attributes
    ----------
    steps, samples : what was run
    layers : one `LayerComparison` for every layer of neurons, and one for the output where that does not spike
    agreement : the part of the samples with the same largest output; None where the output is no row of several
    """

    steps: int
    samples: int
    layers: tuple[LayerComparison, ...]
    agreement: float | None

    def __iter__(self) -> Iterator[LayerComparison]:
        return iter(self.layers)

    def __str__(self) -> str:
        head = ("layer", "correlation", "unit", "error", "rate", "silent")
        rows = [
            (
                one.layer,
                one.correlation,
                one.unit,
                one.error,
                float(one.rate.mean()),
                None if one.index is None else int(np.count_nonzero(~one.rate.any(axis=0))),
            )
            for one in self.layers
        ]
        lines = [f"activations against rates (steps: {self.steps}, samples: {self.samples})", ruled(head, rows)]
        if self.agreement is not None:
            lines.append(f"same largest output for {self.agreement:.2%} of the samples")
        return "\n".join(lines)


@dataclass(frozen=True)
class Means:
    """What a network did under inputs that are constant over time.

    Attributes
    ----------
    output : array (samples, ...), its mean over time
    rates : by layer, array (samples, ...), spikes a step, where they were asked for
    spikes : all of them
    """

    output: Array
    rates: dict[int, Array]
    spikes: float


def means(network: Network, data: Array, steps: int, *, rates: bool, threads: int | None) -> Means:
    """Run a network on samples that each stay for all steps, some samples at a time."""
    largest = max(int(np.prod(shape)) for shape in (data.shape[1:], *network.shapes))
    at_once = max(1, ENTRIES // (steps * largest))
    outputs: list[Array] = []
    found: dict[int, list[Array]] = {}
    total = 0.0
    for first in range(0, len(data), at_once):
        some = data[first : first + at_once]
        out = network.run(np.broadcast_to(some, (steps, *some.shape)), threads=threads)
        outputs.append(out.output.mean(axis=0, dtype=np.float64))
        total += sum(float(one.spikes) for one in out.stats.values() if one.spikes is not None)
        for k in out.spikes if rates else ():
            found.setdefault(k, []).append(out.spikes[k].mean(axis=0, dtype=np.float64))
    return Means(np.concatenate(outputs), {k: np.concatenate(one) for k, one in found.items()}, total)


def read_model(model: Any) -> Analog:
    """Read a torch model, if there is torch."""
    try:
        from .model import Analog
    except ModuleNotFoundError as error:
        raise ImportError('rsnn.convert needs torch, which is not installed: pip install "rsnn[torch]"') from error
    return Analog(model)


def agreement(expected: Array, found: Array) -> float | None:
    """Give the part of samples with the same largest output."""
    if expected.ndim != 2 or expected.shape[1] < 2:
        return None
    return float(np.mean(expected.argmax(1) == found.argmax(1)))


def compare(model: Any, network: Network, x: Any, *, steps: int = 64, threads: int | None = None) -> Comparison:
    """Compare a converted network with its model, layer by layer: whether rates follow the activations.

    Parameters
    ----------
    model : torch.nn.Module
        That was converted.
    network : rsnn.Network
        What `from_relu` made of it, or a chip's ``dequantize()`` of that.
    x : tensor or array (samples, ...)
        Data, as the model takes it; every sample is shown to the network for all steps.
    steps : int, default 64
    threads : int, optional

    Returns
    -------
    Comparison
        For every layer of neurons the activations, the rates, their correlation and error; prints as a table, and `rsnn.plot.conversion`
        draws it.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A network with another number of spiking layers than the model has ReLUs.

    Examples
    --------
    >>> import torch, rsnn
    >>> _ = torch.manual_seed(0)
    >>> model, x = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)), torch.rand(50, 4)
    >>> net = rsnn.convert.from_relu(model, x)
    >>> [one.correlation > 0.99 for one in rsnn.convert.compare(model, net, x)]
    [True, True]
    """
    given: Any = network
    if not isinstance(given, Network):
        raise InvalidTypeError(f"network={shown(network)}: must be the rsnn.Network that from_relu made of the model")
    read, steps = read_model(model), size("steps", steps, 1)
    data = read.data("x", x)
    relus = read.of("relu")
    spiking = [k for k, neuron in network.neurons.items() if neuron.kernel().spiking]
    ends = bool(spiking) and spiking[-1] == len(network.layers) - 1
    extra = int(ends and read.output().kind != "relu")
    if len(spiking) != len(relus) + extra:
        raise InvalidValueError(
            f"network: it has {len(spiking)} layers of spiking neurons and the model {len(relus)} ReLUs; give what from_relu made of it"
        )
    *activity, wanted = read.activity(data, [*relus, read.output()])
    ran = means(network, data.cpu().numpy(), steps, rates=True, threads=threads)
    names = network.graph.names
    rows = [
        LayerComparison(names[k] or f"{k} {type(network.layers[k]).__name__}", k, activation, ran.rates[k])
        for k, activation in zip(spiking, [*activity, *([np.maximum(wanted, 0)] if extra else [])], strict=True)
    ]
    if not ends:
        rows.append(LayerComparison("output", None, wanted, ran.output))
    return Comparison(steps, len(data), tuple(rows), agreement(wanted, ran.output))

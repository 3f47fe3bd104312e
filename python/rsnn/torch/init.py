"""Weights that make a network fire from the first step."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from rsnn import arguments
from rsnn.errors import InvalidValueError
from rsnn.tables import aligned
from rsnn.torch import watch

__all__ = ["CalibratedLayer", "Calibration", "calibrate_"]

NEAR = 0.02
"""A rate this close to the one wanted, relatively, is good enough."""
FARTHEST = 30
"""Scales from 2^-30 to 2^30 are tried."""
HALVINGS = 20


@dataclass(frozen=True)
class CalibratedLayer:
    """What was done for one spiking layer."""

    name: str
    """Its place in the model, as of ``named_modules``."""
    kind: str
    """Its class."""
    product: str | None
    """The module whose weights were scaled; None where there is none of its own before the layer."""
    scale: float
    """What they were multiplied by."""
    before: float
    """Mean number of spikes of a neuron in a step, before any scaling."""
    rate: float
    """The same, after all of it."""


@dataclass(frozen=True, repr=False)
class Calibration:
    """What `calibrate_` did, layer by layer; shown as a table."""

    layers: tuple[CalibratedLayer, ...]

    @property
    def rates(self) -> dict[str, float]:
        """The rate of every spiking layer afterwards, by name."""
        return {layer.name: layer.rate for layer in self.layers}

    def __repr__(self) -> str:
        rows: list[tuple[str, ...]] = [("layer", "", "weights", "scale", "before", "rate")]
        for each in self.layers:
            scale = f"{each.scale:.4g}" if each.product is not None else ""
            rows.append((each.name or "itself", each.kind, each.product or "none", scale, f"{each.before:.4f}", f"{each.rate:.4f}"))
        return aligned(rows, left=range(3))


def calibrate_(model: nn.Module, x: Tensor, rate: float = 0.1) -> Calibration:
    """Scale the weights of a model in place, layer by layer, so that every spiking layer fires at about `rate`.

    For each spiking layer, in the order in which they run, the module with weights that runs last before it (linear, convolution,
    embedding, normalisation) is multiplied, weight and bias, by the factor at which the layer's mean number of spikes per neuron and step
    is `rate`. The factor is searched by running the model: doubled or halved from 1 until the rate is passed, then the interval halved
    (geometrically) until within 2 % of `rate`, or as near as the data allow.

    Parameters
    ----------
    model : module
        A `Sequential`, or any module that runs layers of rsnn.torch when it is called as ``model(x)``.
    x : tensor
        A batch of data as the model takes it, such as (T, B, ...).
    rate : float, default 0.1
        Wanted spikes of a neuron in a step, above 0.

    Returns
    -------
    Calibration
        A table: the layers, what was scaled by how much, rates before and after. A layer without weights of its own before it is left as it
        is and listed.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No model with spiking layers, or data with which nothing can be measured; nothing to scale before any layer; a layer that does not
        reach the rate at any scale; weights that several modules share, or that a parametrization computes. Then the model is as it was.

    Notes
    -----
    Deterministic: the model runs in the mode it is in, but without dropout; the running statistics of normalisations are put back. No
    gradient is computed. It costs some ten runs of the model for every layer. Recurrent weights and the neurons' own parameters are not
    touched.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> _ = torch.manual_seed(0)
    >>> net = rt.Sequential(rt.Linear(20, 50), rt.LIF(), rt.Linear(50, 10), rt.LIF())
    >>> x = (torch.rand(50, 8, 20, generator=torch.Generator().manual_seed(0)) < 0.1).float()
    >>> rates = rt.init.calibrate_(net, x, rate=0.1).rates
    >>> all(0.09 < rate < 0.11 for rate in rates.values())
    True
    """
    x = watch.checked(model, x)
    rate = arguments.scalar("rate", rate)
    if rate <= 0.0:
        raise InvalidValueError(f"rate={rate}: must be above 0, such as 0.1")

    def run() -> dict[str, watch.Seen]:
        with watch.watched(model) as seen, watch.steady(model), torch.no_grad():
            model(x)
        return {name: each for name, each in seen.items() if each.spiking}

    first = run()
    if not first:
        raise InvalidValueError("model: none of its layers spikes, so there is no rate; calibrate a model with spiking layers")
    products = {name: each.product for name, each in first.items() if each.product is not None}
    if not products:
        known = "linear, convolution, embedding, normalisation"
        raise InvalidValueError(f"model: no module with weights ({known}) runs before a spiking layer, so there is nothing to scale")
    weights = {name: _weights(model, first[name]) for name in products}
    kept = [(value, value.detach().clone()) for value in chain(*weights.values())]
    scales = {}
    try:
        for name, mine in weights.items():
            scales[name] = _Search(name, rate, mine, run).scale()
    except BaseException:
        with torch.no_grad():
            for value, before in kept:
                value.copy_(before)
        raise
    last = run()
    return Calibration(
        tuple(
            CalibratedLayer(name, each.kind, each.product_name, scales.get(name, 1.0), each.rate(), last[name].rate())
            for name, each in first.items()
        )
    )


def _weights(model: nn.Module, seen: watch.Seen) -> list[Tensor]:
    """Give what is to be scaled before a layer: parameters of one module alone."""
    own = (
        {name: value for name, value in seen.product.named_parameters(recurse=False) if name in ("weight", "bias")} if seen.product else {}
    )
    where = f"model: the layer {seen.name or 'itself'} ({seen.kind}) has {seen.product_name} before it, "
    if "weight" not in own:
        raise InvalidValueError(where + "whose weight is computed by a parametrization; calibrate before registering it")
    holders = [path for path, value in model.named_parameters(remove_duplicate=False) if value is own["weight"]]
    if len(holders) > 1:
        raise InvalidValueError(where + f"whose weight is shared: {', '.join(holders)}; calibrate before sharing it")
    return list(own.values())


class _Search:
    """The search for the scale of the weights before one layer."""

    def __init__(self, name: str, rate: float, weights: list[Tensor], run: Callable[[], dict[str, watch.Seen]]) -> None:
        self.name, self.rate, self.weights, self.run = name, rate, weights, run
        self.originals = [value.detach().clone() for value in weights]
        self.tried: dict[float, float] = {}

    def at(self, scale: float) -> float:
        """Scale the weights, and measure the rate."""
        with torch.no_grad():
            for value, original in zip(self.weights, self.originals, strict=True):
                value.copy_(original * scale)
        self.tried[scale] = self.run()[self.name].rate()
        return self.tried[scale]

    def scale(self) -> float:
        """Find the scale, and leave the weights there."""
        step = 2.0 if self.at(1.0) < self.rate else 0.5
        beyond = 1.0
        while not self._near(beyond) and (self.tried[beyond] < self.rate) == (step > 1.0):
            if len(self.tried) > FARTHEST:
                self._refuse()
            beyond *= step
            self.at(beyond)
        below, above = sorted((beyond / step, beyond))
        middle = beyond
        for _ in range(HALVINGS):
            if self._near(middle):
                break
            middle = (below * above) ** 0.5
            below, above = (middle, above) if self.at(middle) < self.rate else (below, middle)
        best = min(self.tried, key=lambda scale: abs(self.tried[scale] - self.rate))
        self.at(best)
        return best

    def _near(self, scale: float) -> bool:
        return abs(self.tried[scale] - self.rate) <= NEAR * self.rate

    def _refuse(self) -> None:
        most, least = max(self.tried.values()), min(self.tried.values())
        what = f"model: the layer {self.name or 'itself'} fires at {{}}, whatever the scale of the weights before it; rate={self.rate:.4g} "
        if least >= self.rate:
            raise InvalidValueError(what.format(f"{least:.4g} or more") + "is out of reach; look at its bias and threshold")
        cause = (
            "its input is silent or only inhibits"
            if most == 0.0
            else "too few of its inputs ever drive it, or it fires once a step at most"
        )
        raise InvalidValueError(what.format(f"{most:.4g} at most") + f"is out of reach; {cause}: give other data or a lower rate")

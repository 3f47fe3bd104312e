"""The conversion itself, and its search for a scale."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.arguments import choice, flag, scalar, shown, size
from rsnn.errors import InvalidTypeError, InvalidValueError

from .report import Array, Candidate, Search, agreement, means, read_model
from .units import scaled, sources, unit_before, units

if TYPE_CHECKING:
    from torch import nn

    from rsnn.network import Network
    from rsnn.stages import Parameter

    from .model import Analog

CANDIDATES = (100.0, 99.9, 99.5, 99.0, 98.0, 95.0, 90.0)
"""The percentiles that are tried by default."""
SAMPLES = 256
"""The most samples that each of them is tried on."""


def from_relu(
    model: Any,
    calibration: Any = None,
    percentile: float | str | None = "auto",
    *,
    input_shape: Any = None,
    steps: int = 64,
    tolerance: float = 0.05,
    v_threshold: float = 1.0,
    v_min: Parameter | None = None,
    fire: str = "multi",
    max_spikes: int | None = None,
    output: str = "current",
    max_pool: str = "refuse",
    threads: int | None = None,
) -> Network:
    """Make a spiking network of a trained torch model: every ReLU becomes a layer of `rsnn.IAF` neurons.

    A layer computes ``a = max(0, W x + b)``. In the network its neurons get the current ``c (W x + b)`` in every step, the bias too,
    and fire ``a / unit`` times a step in the mean, with ``c = v_threshold / unit``; the next layer's weights are multiplied by the unit.
    Of every layer the unit is a percentile of its activity on the calibration data.

    Parameters
    ----------
    model : torch.nn.Module
        Linear, Conv1d, Conv2d, ReLU, average pooling, flattening, batch normalisation (folded), dropout (left out) and sums, as modules or
        as functions in its ``forward``, in any nesting. It is used in evaluation, and not changed.
    calibration : tensor or array (samples, ...)
        Typical data, as the model takes it. Not needed with ``percentile=None``.
    percentile : "auto", number above 0 and at most 100, or None, default "auto"
        Which part of a layer's activity (of all its neurons and samples) lies below one spike a step. ``"auto"`` tries `CANDIDATES`, as
        `search` does, and takes the highest, with the fewest spikes, whose outputs are near enough. None: the weights stay as they are, one
        spike stands for v_threshold: what sinabs' ``from_model(model, spike_threshold=v_threshold, min_v_mem=v_min)`` makes.
    input_shape : int or tuple of int, optional
        The shape of one sample; that of the calibration data by default.
    steps : int, default 64
        Of ``"auto"`` alone: how long a sample is shown.
    tolerance : float, default 0.05
        Of ``"auto"`` alone: outputs are near enough where their relative root mean square error is at most this.
    v_threshold : float, default 1.0
        Of all neurons.
    v_min : float, optional
        The membranes are kept from falling below. Without it (the default) a neuron whose current is negative for a while pays its debt
        before it fires, so that rates follow the mean current; sinabs uses -1.0.
    fire : {"multi", "single"}, default "multi"
        As many spikes a step as the membrane holds thresholds, so that no rate is too high; or one at most, which cuts activations off at
        the unit.
    max_spikes : int, optional
        The most spikes a step of ``fire="multi"``.
    output : {"current", "spikes"}, default "current"
        What a model that does not end in a ReLU ends in: its last weights, whose mean over time is what the model computes; or neurons
        behind them (sinabs' ``add_spiking_output``).
    max_pool : {"refuse", "keep"}, default "refuse"
        The largest of some spikes in a step, summed over time, is more than the largest of their sums, so maximum pooling is refused, or
        kept knowingly: `compare` then shows what it does.
    threads : int, optional
        Of ``"auto"`` alone: at most so many.

    Returns
    -------
    rsnn.Network
        Its layers have the model's names. Show it a sample by repeating it: ``net.run(np.broadcast_to(x, (64, *x.shape)))``, or as
        spikes whose mean it is. ``rsnn.torch.from_network`` makes a torch module of it, to train it on, and `rsnn.chip.quantize` a chip's.

    Raises
    ------
    InvalidTypeError
        A model that cannot be followed, or with a layer that has no counterpart: the message names it.
    InvalidValueError
        Data that the model does not take; a percentile at which a layer is silent; an option that does not fit.

    Notes
    -----
    Rueckauer et al. (2017); sinabs ``from_torch.from_model``, whose golden outputs the tests keep. Biases are divided by the unit of
    their layer, so that the network computes the model's function; sinabs' `normalize_weights` does not see to that. sinabs' network,
    when it is given an input_shape, starts from the state that one step of zeros leaves, which is not 0 where there are biases: to have
    its spikes, start from ``net.run(np.zeros((1, *input_shape))).state``.

    Examples
    --------
    >>> import numpy as np, torch, rsnn
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.ReLU())
    >>> _ = model[0].weight.data.copy_(torch.tensor([[0.5, 0.25], [-1.0, 0.5]]))
    >>> net = rsnn.convert.from_relu(model, percentile=None, input_shape=2)
    >>> net
    Network([Linear(weight=[[0.5, 0.25], [-1.0, 0.5]]), IAF()], input_shape=(2,))
    >>> net.run(np.ones((8, 2))).output.mean(0).tolist()
    [0.75, 0.0]
    """
    read, data, options = _begin(model, calibration, percentile, input_shape, output, max_pool)
    options |= {"v_threshold": v_threshold, "v_min": v_min, "fire": fire, "max_spikes": max_spikes}
    base = _raw(read, options)
    if percentile is None:
        return base
    assert data is not None
    levels = _Levels(read, data, options["output"])
    if isinstance(percentile, str):
        at = _search(read, base, data, levels, CANDIDATES, steps, SAMPLES, tolerance, options, threads).best.percentile
    else:
        at = float(percentile)
    return scaled(base, read.entries, levels.at(at), options["v_threshold"])


def search(
    model: Any,
    calibration: Any,
    candidates: Sequence[float] = CANDIDATES,
    *,
    steps: int = 64,
    samples: int = SAMPLES,
    tolerance: float = 0.05,
    v_threshold: float = 1.0,
    v_min: Parameter | None = None,
    fire: str = "multi",
    max_spikes: int | None = None,
    output: str = "current",
    max_pool: str = "refuse",
    threads: int | None = None,
) -> Search:
    """Try percentiles: convert with each, run the network on calibration data, and compare its outputs with the model's.

    A high percentile makes few spikes, each of which stands for much, so that after `steps` rates are coarse. A low one makes many, and
    with ``fire="single"`` cuts large activations off. What is best lies between, and depends on the network.

    Parameters
    ----------
    model, calibration : as of `from_relu`
    candidates : sequence of numbers above 0 and at most 100
        The percentiles.
    steps : int, default 64
        How long each sample is shown.
    samples : int, default 256
        At most so many of the calibration data are run, evenly spread over them. The percentiles themselves are of all of them.
    tolerance : float, default 0.05
        The highest percentile with an error of at most this is chosen, and where there is none the one with the least error.
    v_threshold, v_min, fire, max_spikes, output, max_pool, threads : as of `from_relu`

    Returns
    -------
    Search
        A `Candidate` for each percentile, and which is best; prints as a table.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `from_relu`; no candidate with which every layer is active.

    Examples
    --------
    >>> import torch, rsnn
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
    >>> found = rsnn.convert.search(model, torch.rand(50, 4), (100, 99, 90))
    >>> [one.percentile for one in found], found.best.error < 0.05
    ([100.0, 99.0, 90.0], True)
    """
    if not isinstance(candidates, Iterable) or not getattr(candidates, "ndim", 1):
        raise InvalidTypeError(f"candidates={shown(candidates)}: must be a list of percentiles, such as (100, 99, 90)")
    at = tuple(sorted({_percentile("candidates", one) for one in candidates}, reverse=True))
    if not at:
        raise InvalidValueError("candidates: an empty list came; give at least one percentile")
    read, data, options = _begin(model, calibration, at[0], None, output, max_pool)
    assert data is not None
    options |= {"v_threshold": v_threshold, "v_min": v_min, "fire": fire, "max_spikes": max_spikes}
    base = _raw(read, options)
    return _search(read, base, data, _Levels(read, data, options["output"]), at, steps, samples, tolerance, options, threads)


def normalize_weights(model: Any, calibration: Any, percentile: float = 99.0, *, keep_function: bool = True) -> nn.Module:
    """Scale the weights of a torch model so that a percentile of every layer's activity is 1.

    Parameters
    ----------
    model : torch.nn.Module
        As of `from_relu`, without batch normalisation. It is not changed.
    calibration : tensor or array (samples, ...)
        Typical data.
    percentile : float, default 99.0
        Of the outputs of the ReLU behind the weights, or of the weights themselves where there is none. 100 is the maximum.
    keep_function : bool, default True
        True: ``W <- W unit_in / unit_out`` and ``b <- b / unit_out``, after which the model computes what it did, divided by the last
        unit. False: as sinabs' ``normalize_weights``: weight and bias of a layer are both divided by the percentile of its activity behind
        the layers that are normalised already. Without biases that is the same; with biases it is another function, since those of later
        layers do not shrink with what comes in.

    Returns
    -------
    torch.nn.Module
        A copy with other weights.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `from_relu`; batch normalisation; weights that two layers share.

    Notes
    -----
    Rueckauer et al. (2017), section 2.2.4; sinabs ``utils.normalize_weights`` (3.1.3), given every layer with weights in order. Where
    branches are added up, with ``keep_function``, they share the largest of their units.

    Examples
    --------
    >>> import torch, rsnn
    >>> _ = torch.manual_seed(0)
    >>> model, x = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)), torch.rand(50, 4)
    >>> normal = rsnn.convert.normalize_weights(model, x, 100.0)
    >>> round(normal(x).max().item(), 4)
    1.0
    >>> torch.allclose(normal(x) / normal(x).max(), model(x) / model(x).max(), atol=1e-6)
    True
    """
    at, keep = _percentile("percentile", percentile), flag("keep_function", keep_function)
    read, data, _ = _begin(model, calibration, at, None, "spikes", "keep")
    import torch

    from .model import NORMS
    from .model import percentile as percentile_of

    for entry in read.entries:
        if isinstance(entry.module, NORMS):
            raise InvalidValueError(
                f"model: the layer {entry.name} normalises batches, which would undo the scaling; fold it into the layer before it first, "
                "with torch.nn.utils.fusion.fuse_conv_bn_eval"
            )
    weighted = read.of("weights")
    held = [value for entry in weighted for value in entry.module.parameters()]
    if len({id(value) for value in held}) < len(held):
        raise InvalidValueError("model: some of its layers share their weights, which cannot be scaled for each")
    with torch.no_grad():
        if keep:
            chosen = _Levels(read, data, "spikes").at(at)
            for k, entry in enumerate(read.entries):
                if entry.kind == "weights":
                    for name, value in entry.module.named_parameters():
                        before = unit_before(read.entries, chosen, k) if name == "weight" else 1.0
                        value.mul_(before / chosen[k])
        else:
            for k, entry in enumerate(read.entries):
                if entry.kind == "weights":
                    after = next((one for one in read.entries if one.kind == "relu" and one.inputs == (k,)), entry)
                    level = percentile_of(after.name, read.activity(data, [after])[0], at)
                    units([entry], {0: level})  # refuses a silent layer
                    for value in entry.module.parameters():
                        value.mul_(1.0 / level)
    made: nn.Module = copy.deepcopy(read.model).train(model.training)
    return made


class _Levels:
    """The activity of a model on the calibration data, and percentiles of it."""

    def __init__(self, read: Analog, data: Any, output: str) -> None:
        self.read = read
        measured = [k for k, entry in enumerate(read.entries) if entry.kind == "relu"]
        if output == "spikes" and read.entries[-1].kind != "relu":
            measured.append(len(read.entries) - 1)
        self.activity = dict(zip(measured, read.activity(data, [read.entries[k] for k in measured]), strict=True))

    def at(self, percentile: float) -> list[float]:
        """Give the unit of every entry."""
        from .model import percentile as percentile_of

        levels = {k: percentile_of(self.read.entries[k].name, one, percentile) for k, one in self.activity.items()}
        return units(self.read.entries, levels)


def _begin(
    model: Any, calibration: Any, percentile: Any, input_shape: Any, output: Any, max_pool: Any
) -> tuple[Analog, Any, dict[str, Any]]:
    """Check what every conversion is given."""
    if percentile is not None and not (isinstance(percentile, str) and percentile == "auto"):
        _percentile("percentile", percentile)
    read = read_model(model)
    from .model import MAX_POOL

    if choice("max_pool", max_pool, ("refuse", "keep")) == "refuse":
        for entry in read.entries:
            if isinstance(entry.module, MAX_POOL):
                raise InvalidValueError(
                    f"model: the layer {entry.name} is a maximum pooling; the maximum of spikes is not that of rates: train with "
                    "torch.nn.AvgPool2d, or give max_pool='keep' and see with rsnn.convert.compare what it does"
                )
    if calibration is None:
        if percentile is not None:
            raise InvalidValueError(
                f"calibration: none came, but percentile={shown(percentile)} needs typical data; give some, or percentile=None"
            )
        if input_shape is None:
            raise InvalidValueError("input_shape: none came; give the shape of one sample, such as (1, 28, 28), or calibration data")
        data = None
    else:
        data = read.data("calibration", calibration)
        read.activity(data[:1], ())  # whether the model takes it
    shape = tuple(data.shape[1:]) if input_shape is None and data is not None else input_shape
    return read, data, {"output": choice("output", output, ("current", "spikes")), "input_shape": shape}


def _percentile(name: str, value: Any) -> float:
    number = scalar(name, value) if not isinstance(value, str) else math.nan
    if not 0.0 < number <= 100.0:
        raise InvalidValueError(f"{name}={shown(value)}: must be above 0 and at most 100, 'auto', or None")
    return number


def _raw(read: Analog, options: dict[str, Any]) -> Network:
    """Make the network with the model's own weights."""
    import rsnn
    import rsnn.torch as rt

    options["v_threshold"] = scalar("v_threshold", options["v_threshold"])
    make = partial(rsnn.IAF, **{name: options[name] for name in ("v_threshold", "v_min", "fire", "max_spikes")})
    make()  # refuses what a neuron does not take, under its own name
    if options["v_threshold"] != 1.0:
        for k, entry in enumerate(read.entries):
            past = [one for one in sources(read.entries, k) if one < 0 or read.entries[one].kind == "relu"]
            if entry.kind == "relu" and past:
                raise InvalidValueError(
                    f"v_threshold={options['v_threshold']:g}: the neurons of {entry.name} take spikes past all weights, one of which is "
                    "then no threshold; give v_threshold=1.0"
                )
    graph = read.graph(lambda: rt.Layer(make()), spiking_output=options["output"] == "spikes")
    return rt.to_network(graph, input_shape=options["input_shape"])


def _search(
    read: Analog,
    base: Network,
    data: Any,
    levels: _Levels,
    candidates: Sequence[float],
    steps: Any,
    samples: Any,
    tolerance: Any,
    options: Mapping[str, Any],
    threads: int | None,
) -> Search:
    """Run the network of each candidate."""
    steps, samples, tolerance = size("steps", steps, 1), size("samples", samples, 1), scalar("tolerance", tolerance)
    chosen = np.unique(np.linspace(0, len(data) - 1, min(samples, len(data))).round().astype(int))
    some = data[chosen.tolist()]
    expected: Array = read.activity(some, [read.output()])[0].astype(np.float64)
    if options["output"] == "spikes":
        expected = np.maximum(expected, 0.0)
    largest = float(np.sqrt(np.mean(expected**2))) or 1.0
    tried, skipped = [], []
    for one in candidates:
        try:
            unit = levels.at(one)
        except InvalidValueError:
            if one == candidates[0]:  # no lower one can be better
                raise
            skipped.append(one)
            continue
        network = scaled(base, read.entries, unit, options["v_threshold"])
        ran = means(network, some.cpu().numpy(), steps, rates=False, threads=threads)
        found = ran.output * unit[-1]
        error = float(np.sqrt(np.mean((found - expected) ** 2))) / largest
        tried.append(Candidate(one, error, agreement(expected, found), ran.spikes / len(some)))
    best = next((one for one in tried if one.error <= tolerance), min(tried, key=lambda one: one.error))
    return Search(steps, len(some), tuple(tried), best, tolerance, tuple(skipped))

"""Whether an adopted model does what the original does: both are run, layer by layer, on the same input."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rsnn import arguments
from rsnn.errors import InvalidValueError
from rsnn.tables import aligned
from rsnn.torch import _checks
from rsnn.torch.adopt._table import FOLDED, STEP, tables
from rsnn.torch.adopt.walk import Pair, Walk
from rsnn.torch.lift import over_time
from rsnn.torch.modules import Layer
from rsnn.torch.sequential import Sequential

CLOSE = 1e-5
"""How far outputs that are no spikes may be apart, as a part of the largest."""
CLOSE_GRADIENT = 1e-4
"""The same of gradients, which go back through all steps."""


class AdoptionError(InvalidValueError):
    """An adopted layer does not do what the original does; `adoption` is the whole comparison."""

    adoption: "Adoption"


@dataclass(frozen=True)
class AdoptedLayer:
    """How far one layer does what the original does, both given what the original's earlier layers sent on.

    Attributes
    ----------
    path : str
        Where it is in the original model.
    original, adopted : str
        What the two are, by class.
    entries : int
        Numbers that it sends on.
    spikes : int or None
        Spikes that the original sends on; None where it sends no spikes.
    flipped : int
        Entries whose spikes differ.
    first : tuple of int or None
        The first that does, by step: (t, b, ...), or (b, t, ...) with the batch first.
    difference : float
        The largest difference of what they send on, as a part of the largest number.
    gradient_difference : float or None
        The same of the gradient of the input, for a random gradient of the output; None where there is none to compare.
    recurrent : bool
        Whether spikes come back through weights, which the libraries sum in another order.
    """

    path: str
    original: str
    adopted: str
    entries: int
    spikes: int | None
    flipped: int
    first: tuple[int, ...] | None
    difference: float
    gradient_difference: float | None
    recurrent: bool

    def fault(self, flips: float = 0.0) -> str | None:
        """Say in which way it does not do what the original does, where this part of the spikes may differ; None where it does."""
        flips = checked_flips(flips)
        if self.spikes is None:
            if not self.difference <= CLOSE:
                return f"what it sends on differs by {self.difference:.2g} of the largest number"
        elif self.flipped > flips * self.entries:
            text = f"{self.flipped:,} of {self.entries:,} entries differ, first at {self.first}"
            cure = ": its recurrent sums may be rounded otherwise; flips= lets some pass"
            return text + cure * self.recurrent
        if self.gradient_difference is not None and not self.gradient_difference <= CLOSE_GRADIENT:
            return f"the gradient of its input differs by {self.gradient_difference:.2g} of the largest"
        return None


@dataclass(frozen=True)
class Adoption:
    """How far an adopted model does what the original does; prints as a table.

    Attributes
    ----------
    layers : tuple of AdoptedLayer
        Every layer, in the order of the calls.
    output_difference : float
        The largest difference of the outputs of the two models, each run by itself, as a part of the largest number. Products of torch
        are rounded otherwise for other shapes, so that a membrane at its threshold may flip, and what follows from it.
    """

    layers: tuple[AdoptedLayer, ...]
    output_difference: float

    def faults(self, flips: float = 0.0) -> list[str]:
        """Say what is wrong, each by the path of its layer; see `AdoptedLayer.fault`."""
        found = [(one, one.fault(flips)) for one in self.layers]
        return [f"{one.path or 'the model itself'} ({one.original}): {fault}" for one, fault in found if fault]

    def __str__(self) -> str:
        rows = [("layer", "original", "adopted", "entries", "spikes", "flipped", "first", "output", "gradient")]
        for one in self.layers:
            spikes = ("", "", "") if one.spikes is None else (f"{one.spikes:,}", f"{one.flipped:,}", str(one.first or ""))
            gradient = "" if one.gradient_difference is None else f"{one.gradient_difference:.1e}"
            rows.append((one.path or ".", one.original, one.adopted, f"{one.entries:,}", *spikes, f"{one.difference:.1e}", gradient))
        return f"{aligned(rows, left=range(3))}\ndifference of the outputs: {self.output_difference:.1e} of the largest number"


def compare(model: nn.Module, adopted: Sequential | Layer, walk: Walk, x: Tensor, *, gradients: bool) -> Adoption:
    """Run both over x; see `rsnn.torch.compare_adopted`."""
    _checks.floating("check", x)
    _checks.axes("check", x, 2, "(B, T, ...)" if walk.batch_first else "(T, B, ...)")
    x = x.detach()
    layers, own = [], tables(walk.library)
    with _undisturbed(model), _undisturbed(adopted):
        given = x
        for pair in walk.pairs:
            for side in (pair.original, pair.adopted):
                side.train(pair.spiking is not None)  # neurons as in training, so that they have a gradient; all else as in use
            layer, given = _layer(pair, given, own, walk, gradients)
            layers.append(layer)
        with torch.no_grad():
            ours = _send(adopted, x)
        return Adoption(tuple(layers), _apart(ours, given))


def _send(module: nn.Module, x: Tensor) -> Tensor:
    """Run what was adopted over a sequence."""
    return module.run(x, record=()).output if isinstance(module, (Layer, Sequential)) else over_time(module, x)


def _layer(pair: Pair, given: Tensor, own: Any, walk: Walk, gradients: bool) -> tuple[AdoptedLayer, Tensor]:
    """Compare one layer; give also what the original sends on."""
    wants = gradients and pair.spiking is not None
    here, there = (given.clone().requires_grad_(wants) for _ in range(2))
    with torch.set_grad_enabled(wants):
        if pair.spiking is not None:
            own.rest(pair.original, given.shape[0 if walk.batch_first else 1])
        try:
            theirs = _play(pair, here, own, walk.batch_first)
        except RuntimeError as error:
            said = str(error).partition("\n")[0]
            raise InvalidValueError(f"x: {pair.path or 'the model itself'} does not take {tuple(given.shape)}: {said}") from error
        ours = _send(pair.adopted, there)
    if ours.shape != theirs.shape:
        raise InvalidValueError(
            f"{pair.path or 'the model itself'}: the original sends {tuple(theirs.shape)} and the adopted layer {tuple(ours.shape)} "
            f"for {tuple(given.shape)}: check what the model is called with"
        )
    differs = (ours != theirs) & ~(ours.isnan() & theirs.isnan())
    flipped = int(differs.sum()) if pair.spiking else 0
    gradient = None
    if wants and not flipped and theirs.requires_grad:
        sent = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(theirs)
        (a,), (b,) = (torch.autograd.grad(output, leaf, sent) for output, leaf in ((ours, there), (theirs, here)))
        gradient = _apart(a, b)
    first = None
    if flipped:
        axis = 1 if walk.batch_first else 0
        found = differs.nonzero()
        first = tuple(found[found[:, axis].argmin()].tolist())
    return AdoptedLayer(
        pair.path,
        type(pair.original).__name__,
        type(pair.adopted).__name__,
        theirs.numel(),
        int(theirs.detach().sum(dtype=torch.float64)) if pair.spiking else None,
        flipped,
        first,
        _apart(ours.detach(), theirs.detach()),
        gradient,
        pair.recurrent,
    ), theirs.detach()


def _play(pair: Pair, x: Tensor, own: Any, batch_first: bool) -> Tensor:
    """Call an original in its own way over a sequence, from rest; give (T, B, ...), or (B, T, ...)."""
    neuron = pair.spiking is not None

    def call(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        return own.call(pair.original, x, state) if neuron else (pair.original(x), None)

    if pair.calls == STEP:
        outputs, state = [], None
        for step in x.unbind(1 if batch_first else 0):
            output, state = call(step, state)
            outputs.append(output)
        return torch.stack(outputs, 1 if batch_first else 0)
    if pair.calls == FOLDED:
        output = call(x.flatten(0, 1), None)[0]
        return output.reshape(*x.shape[:2], *output.shape[1:])
    return call(x, None)[0]


def _apart(a: Tensor, b: Tensor) -> float:
    """Give the largest difference, as a part of the largest number of the second; NaN only where one of them is."""
    if not b.numel():
        return 0.0
    same = (a == b) | (a.isnan() & b.isnan())
    largest = float(b.abs().nan_to_num().max())
    return float(torch.where(same, 0.0, (a - b).abs()).max()) / (largest or 1.0)


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Give a model back as it was: modes, states, and what its modules keep beside."""
    modules = [(each, {k: dict(v) if isinstance(v, dict) else v for k, v in each.__dict__.items()}) for each in model.modules()]
    kept = [(each, dict(each.__dict__), saved) for each, saved in modules]
    try:
        yield
    finally:
        for each, attributes, saved in kept:
            each.__dict__.clear()
            each.__dict__.update(attributes)
            for name, value in attributes.items():
                if isinstance(value, dict):
                    value.clear()
                    value.update(saved[name])


def refuse(adoption: Adoption, flips: float) -> None:
    """Raise what a comparison found."""
    faults = adoption.faults(flips)
    if faults:
        error = AdoptionError(
            f"model: adopted layers do not do what the original does: {'; '.join(faults)}. Keep the original, or report this with both "
            "classes and their numbers; rsnn.torch.compare_adopted(model, x) shows every layer"
        )
        error.adoption = adoption
        raise error


def checked_flips(flips: Any) -> float:
    """Check the part of the spikes that may differ."""
    value = arguments.scalar("flips", flips)
    arguments.within("flips", value, 0.0, 1.0)
    return value

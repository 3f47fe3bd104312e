"""A look at a network's health: who fires, who cannot, and what reaches whom backwards."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rsnn import arguments
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.tables import aligned
from rsnn.torch import watch

OFTEN = 0.9
"""Neurons that fire in at least this part of the steps are saturated."""
FAINT = 1e-3
"""A silent neuron is dead where its largest gradient is below this part of the largest in its layer."""
MANY = 0.5
"""Advice is given where more than this part of a layer is silent, or a tenth of it saturated."""
SPREAD = 1e3
"""Gradients that differ by more than this factor between layers vanish or explode."""


@dataclass(frozen=True)
class LayerHealth:
    """What was seen of one layer. Neurons are the entries of the axes after time and batch, summed up over steps and samples."""

    name: str
    """Its place in the model, as of ``named_modules``."""
    kind: str
    """Its class."""
    neurons: int
    rate: float | None
    """Mean number of spikes of a neuron in a step; None of a layer that does not spike, as are the next three."""
    silent: int | None
    """Neurons that never fired."""
    saturated: int | None
    """Neurons that fired at least nine times in ten steps."""
    dead: int | None
    """Silent neurons that hardly any gradient reaches, so that training does not wake them: in no step of any sample is its size a
    thousandth of the largest in the layer."""
    gradient: float
    """Norm of the gradient at the layer's input."""
    weight_gradient: float | None
    """Norm of the gradient of the weights before the layer, and of what it learns itself; None where there are none."""


@dataclass(frozen=True, repr=False)
class Health:
    """What `health` saw, layer by layer, and advice in words; shown as a table."""

    layers: tuple[LayerHealth, ...]
    advice: tuple[str, ...]
    """What to look at and what helps; empty where nothing is wrong."""

    def __repr__(self) -> str:
        rows: list[tuple[str, ...]] = [("layer", "", "neurons", "rate", "silent", "saturated", "dead", "gradient", "of weights")]
        for each in self.layers:
            parts = ["" if count is None else _part(count, each.neurons) for count in (each.silent, each.saturated, each.dead)]
            norms = ["" if norm is None else f"{norm:.2e}" for norm in (each.gradient, each.weight_gradient)]
            rows.append(
                (each.name or "itself", each.kind, str(each.neurons), "" if each.rate is None else f"{each.rate:.4f}", *parts, *norms)
            )
        advice = "\n".join(f"- {sentence}" for sentence in self.advice) or "Every layer fires, and gradients reach it."
        return f"{aligned(rows, left=range(2))}\n{advice}"


def health(model: nn.Module, x: Tensor, loss: Callable[[Any], Tensor] | None = None) -> Health:
    """Run a model forwards and backwards once, and say which layers are silent, saturated or cut off from the gradient.

    Parameters
    ----------
    model : module
        A `Sequential`, or any module that runs layers of rsnn.torch when it is called as ``model(x)``.
    x : tensor
        A batch of data as the model takes it, such as (T, B, ...).
    loss : callable, optional
        Makes a number of the model's output (the first of what it returns), such as ``lambda output: cross_entropy(output.sum(0), y)``. By
        default the sum of the output.

    Returns
    -------
    Health
        ``layers``, a `LayerHealth` for each, and ``advice``; printed, a table and sentences.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No model with layers, data with which nothing can be seen, or a loss that is no single number that depends on the model.

    Notes
    -----
    Silent: fires in no step of any sample. Saturated: fires at least nine times in ten steps. Dead: silent, and its gradient is in no
    step of any sample as large as a thousandth of the layer's largest. The model runs in the mode it is in, but without dropout; running
    statistics are put back, and every ``.grad`` is left as it is.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> net = rt.Sequential(rt.Linear(2, 3, bias=False), rt.LIF(beta=0.9), rt.Linear(3, 1), rt.LI(beta=0.9))
    >>> report = rt.health(net, torch.zeros(10, 4, 2))
    >>> [layer.rate for layer in report.layers], report.layers[0].neurons
    ([0.0, None], 3)
    """
    x = watch.checked(model, x)
    if loss is not None and not callable(loss):
        raise InvalidTypeError(f"loss={arguments.shown(loss)}: must be a function of the model's output, or None for its sum")
    with watch.watched(model) as seen, watch.steady(model), torch.enable_grad():
        returned = model(x)
        output = returned[0] if isinstance(returned, (tuple, list)) else returned
        value = output.sum() if loss is None else loss(output)
        if not isinstance(value, Tensor) or value.numel() != 1:
            came = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise InvalidTypeError(f"loss returned {came}: must return a single number, such as output.square().mean()")
        if not value.requires_grad:
            raise InvalidValueError("loss: does not depend on the layers of the model by a gradient; leave out what detaches it")
        weights = {name: _weights(each) for name, each in seen.items()}
        wanted = {id(t): t for name, each in seen.items() for t in (*each.inputs, *weights[name])}
        found = torch.autograd.grad(value.sum(), list(wanted.values()), allow_unused=True)
    grads = {key: torch.zeros_like(t) if g is None else g for (key, t), g in zip(wanted.items(), found, strict=True)}
    layers = tuple(_look(each, [grads[id(t)] for t in each.inputs], [grads[id(t)] for t in weights[name]]) for name, each in seen.items())
    return Health(layers, tuple(_advise(layers)))


def _weights(seen: watch.Seen) -> list[Tensor]:
    """Give the parameters before a layer and in it."""
    modules = [seen.layer] if seen.product is None else [seen.product, seen.layer]
    return [value for module in modules for value in module.parameters() if value.requires_grad]


def _look(seen: watch.Seen, at_input: list[Tensor], of_weights: list[Tensor]) -> LayerHealth:
    """Sum up what was seen of a layer."""
    neurons = max(1, seen.outputs[0][0, 0].numel())
    rate = silent = saturated = dead = None
    if seen.spiking:
        spikes = seen.spikes()
        reached = torch.stack([grad.abs().amax((0, 1)) for grad in at_input]).amax(0)
        quiet = spikes == 0
        rate, silent, saturated = seen.rate(), int(quiet.sum()), int((spikes >= OFTEN * seen.steps()).sum())
        dead = int((quiet & ~(reached > FAINT * reached.max())).sum())
    return LayerHealth(
        seen.name, seen.kind, neurons, rate, silent, saturated, dead, _norm(at_input), _norm(of_weights) if of_weights else None
    )


def _norm(grads: list[Tensor]) -> float:
    return float(torch.stack([torch.linalg.vector_norm(grad.double()) for grad in grads]).norm())


def _advise(layers: tuple[LayerHealth, ...]) -> list[str]:
    """Say in words what stands out, and what helps."""
    advice = []
    for each in layers:
        where = f"layer {each.name or 'itself'} ({each.kind})"
        if each.silent is not None and each.saturated is not None and each.dead is not None:
            if each.silent > MANY * each.neurons:
                cure = "raise the weights before it, rt.init.calibrate_(model, x) does, or lower v_threshold"
                advice.append(f"{where}: {_part(each.silent, each.neurons)} of the neurons never fire; {cure}.")
            if each.saturated > 0.1 * each.neurons:
                cure = "lower the weights before it, rt.init.calibrate_(model, x) does, or raise v_threshold"
                advice.append(f"{where}: {_part(each.saturated, each.neurons)} of the neurons fire in nearly every step; {cure}.")
            if each.dead:
                cure = "use a wider surrogate, such as rsnn.surrogate.ATan(1.0), or raise the weights before it"
                advice.append(f"{where}: {_part(each.dead, each.neurons)} of the neurons are silent and get hardly any gradient; {cure}.")
        if each.gradient != each.gradient or each.gradient == float("inf"):
            advice.append(f"{where}: its gradient is not finite; look for NaN in the data, lower the learning rate or clip gradients.")
        elif each.gradient == 0.0:
            advice.append(f"{where}: no gradient reaches it; what comes after it is cut off, or its surrogate is too narrow.")
    sizes = [each.gradient for each in layers if 0.0 < each.gradient < float("inf")]
    if len(sizes) > 1 and sizes[0] * SPREAD < sizes[-1]:
        advice.append("Gradients vanish on the way to the first layer; use a wider surrogate, fewer layers or steps, or a higher rate.")
    if len(sizes) > 1 and sizes[0] > sizes[-1] * SPREAD:
        advice.append("Gradients explode on the way to the first layer; clip them, use detach_reset=True or smaller weights.")
    return advice


def _part(count: int, whole: int) -> str:
    """Show a count as a percentage; what is not none and not all is not shown as such."""
    percent = 100.0 * count / whole
    return f"{min(max(percent, 1.0), 99.0):.0f} %" if 0 < count < whole else f"{percent:.0f} %"

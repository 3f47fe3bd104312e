"""What every loss does around its equation: check recording and labels, weigh the classes, reduce to a number."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from rsnn import arguments
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.hints import swapped_axes
from rsnn.torch import _checks

REDUCTIONS = ("mean", "sum", "none")


class Loss(nn.Module):
    """A loss over a recording (T, B, C) and a label for each sample: the losses of this package derive from it."""

    weight: Tensor | None

    def __init__(self, reduction: Any, weight: Any = None, batch_first: Any = False, faithful: Any = False) -> None:
        super().__init__()
        self.reduction = arguments.choice("reduction", reduction, REDUCTIONS)
        self.batch_first = arguments.flag("batch_first", batch_first)
        self.faithful = arguments.flag("faithful", faithful)
        self.register_buffer("weight", None if weight is None else class_weight(weight))

    def extra_repr(self) -> str:
        """Show how the loss reduces."""
        return f"reduction={self.reduction!r}"

    def recording(self, name: str, value: Any) -> Tensor:
        """Check a recording; give it time first."""
        return recording(name, value, self.batch_first)

    def reduce(self, each: Tensor, labels: Tensor | None = None) -> Tensor:
        """Weigh and reduce the losses of all samples (B,), or of their outputs (..., B, C)."""
        if self.weight is None or labels is None:
            return each if self.reduction == "none" else each.mean() if self.reduction == "mean" else each.sum()
        weight = self.weight.to(each)[labels]
        weight = (weight if each.ndim == 1 else weight[:, None]).expand(each.shape)
        weighed = weight * each
        if self.reduction == "mean":
            return weighed.mean() if self.faithful else weighed.sum() / weight.sum()
        return weighed if self.reduction == "none" else weighed.sum()

    def labels(self, targets: Any, like: Tensor, classes: int) -> Tensor:
        """Check a label for each sample of a recording, and that there is a weight for each class."""
        if self.weight is not None and len(self.weight) != classes:
            raise InvalidValueError(f"weight has {len(self.weight)} entries: there are {classes} classes, one entry for each")
        return labels("targets", targets, (like.shape[1],), classes, like)


def class_weight(value: Any) -> Tensor:
    """Check a weight for each class; give a copy."""
    if isinstance(value, Tensor):
        _checks.floating("weight", value)
        given = value.detach().clone()
    else:
        given = torch.tensor(arguments.real("weight", value), dtype=torch.get_default_dtype())
    if given.ndim != 1:
        raise InvalidValueError(f"weight has the shape {tuple(given.shape)}: must be (C,), one entry for each class")
    if not bool((torch.isfinite(given) & (given >= 0)).all()):
        raise InvalidValueError(f"weight={arguments.shown(given.tolist())}: every entry must be finite and at least 0")
    return given


def recording(name: str, value: Any, batch_first: bool) -> Tensor:
    """Check a recording (T, B, C), or (B, T, C) with batch_first; give it time first."""
    layout = "(B, T, C)" if batch_first else "(T, B, C)"
    x = _checks.floating(name, value)
    if x.ndim != 3:
        more = f"; {name}.flatten(2) makes one axis of the outputs" if x.ndim > 3 else ""
        raise InvalidValueError(f"{name} has the shape {tuple(x.shape)}: must be {layout}{more}")
    if not x.numel():
        raise InvalidValueError(f"{name} has the shape {tuple(x.shape)}: give at least one step of one sample, with one output")
    return x.transpose(0, 1) if batch_first else x


def labels(name: str, value: Any, shape: tuple[int, ...], classes: int, like: Tensor) -> Tensor:
    """Check labels from 0 to classes - 1, of this shape and where the recording is."""
    if not isinstance(value, Tensor):
        raise InvalidTypeError(f"{name} is {type(value).__name__}: must be a tensor of integers, such as torch.tensor([0, 2])")
    if value.dtype.is_floating_point or value.dtype.is_complex or value.dtype == torch.bool:
        raise InvalidTypeError(f"{name} is {value.dtype}: must be integers, the index of the class; {name}.long() converts it")
    if tuple(value.shape) != shape:
        raise InvalidValueError(
            f"{name} has the shape {tuple(value.shape)}: must be {shape}, one label from 0 to {classes - 1} for each sample"
            + swapped_axes(value.shape, shape, like.shape[:2])
        )
    _checks.together(name, value, "the recording", like, f"{name}.to(recording.device) moves it")
    made = value.long()
    if _holds((made < 0) | (made >= classes)):
        raise InvalidValueError(f"{name}: {int(made.min())} to {int(made.max())} came; must be from 0 to {classes - 1}, the classes")
    return made


def _holds(wrong: Tensor) -> bool:
    """Tell whether any entry is True; False where values cannot be looked at: while torch compiles, and inside vmap."""
    if torch.compiler.is_compiling():
        return False
    try:
        return bool(wrong.any())
    except RuntimeError:
        return False


class PopulationCode:
    """How outputs stand for classes: each for one, or several neighbours for each."""

    def __init__(self, population_code: Any, num_classes: Any) -> None:
        self.size: int | None = None
        if arguments.flag("population_code", population_code):
            if num_classes is None:
                raise InvalidValueError("num_classes=None: population_code=True needs it, the number of classes that the outputs share")
            self.size = arguments.count("num_classes", num_classes, 1)
        elif num_classes is not None:
            raise InvalidValueError(f"num_classes={arguments.shown(num_classes)}: only population_code=True takes it; leave it out")

    def classes(self, x: Tensor) -> int:
        """Count the classes of a recording; refuse outputs that cannot be shared out."""
        outputs = x.shape[-1]
        if self.size is None:
            return outputs
        if outputs % self.size:
            raise InvalidValueError(f"num_classes={self.size}: the {outputs} outputs must be a multiple of it")
        return self.size

    def together(self, x: Tensor) -> Tensor:
        """Add up the outputs of each class: (..., outputs) to (..., classes)."""
        return x if self.size is None else x.reshape(*x.shape[:-1], self.size, x.shape[-1] // self.size).sum(-1)

    def share(self, x: Tensor) -> int:
        """Count the outputs of one class."""
        return 1 if self.size is None else x.shape[-1] // self.size


def number(name: str, value: Any, low: float = -arguments.LARGEST, high: float = arguments.LARGEST) -> float:
    """Check a single finite number in a closed range."""
    given = arguments.scalar(name, value)
    arguments.within(name, given, low, high)
    return given


def numbers(name: str, value: Any) -> tuple[float, ...]:
    """Check one finite number or several."""
    if isinstance(value, Tensor):
        value = arguments.of_tensor(name, value)
    given = arguments.real(name, list(value) if isinstance(value, Iterable) and getattr(value, "ndim", 1) != 0 else value)
    if isinstance(given, float):
        return (given,)
    if given.ndim != 1 or not given.size:
        raise InvalidValueError(f"{name}={arguments.shown(value)}: must be a number, or a list of them")
    return tuple(given.tolist())

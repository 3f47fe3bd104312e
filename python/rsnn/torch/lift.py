"""Modules without a state over a sequence: `Lift` applies one to every time step, `Dropout` draws one mask for all of them."""

import torch
from torch import Tensor, nn

from rsnn import arguments
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.torch import _checks
from rsnn.torch.delay import Delay
from rsnn.torch.layers import Conv2d, Linear, Pool2d
from rsnn.torch.modules import Layer

_STATEFUL = (Layer, Delay, nn.RNNBase, nn.RNNCellBase)


class Lift(nn.Module):
    """A stateless module over a sequence: it is applied to each time step, to all of them at once.

    (T, B, ...) is folded to (T * B, ...), as torch's modules expect, and what comes out is unfolded. The order of the first two axes does
    not matter. `Sequential` does the same to every module that is no neuron; `Lift` is for modules and loops of one's own.

    Parameters
    ----------
    module : module
        Takes and returns one tensor and keeps its first axis, such as ``torch.nn.Conv2d``, ``torch.nn.BatchNorm2d`` or a
        ``torch.nn.Sequential`` of these.

    Shapes
    ------
    x (T, B, ...) or (B, T, ...), whatever dtype the module takes; the output has the same first two axes.

    Raises
    ------
    InvalidTypeError
        Something that is not a module, or that is recurrent or holds neurons, whose state would be lost; a call returns no tensor.
    InvalidValueError
        x has fewer than two axes; the module does not keep the first.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> rt.Lift(torch.nn.Conv2d(2, 4, 3))(torch.zeros(10, 5, 2, 8, 8)).shape
    torch.Size([10, 5, 4, 6, 6])
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        refuse_state("module", module, "torch.nn.Linear(4, 3)")
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Apply the module to every time step."""
        if not isinstance(x, Tensor):
            raise InvalidTypeError(f"x is {type(x).__name__}: must be a tensor")
        _checks.axes("x", x, 2, "(T, B, ...)")
        if not torch.compiler.is_compiling():
            arguments.in_memory("x", x)
        return over_time(self.module, x)


class Dropout(nn.Module):
    """Dropout with one mask for a whole sequence: what is dropped stays dropped in every time step.

    In training each entry of (B, ...) is zeroed with probability p, and the others are scaled by 1 / (1 - p); every call draws anew. In
    evaluation the input is returned as it is. A mask that changed from step to step, as that of ``torch.nn.Dropout`` would inside
    `Sequential`, averages out in a membrane that integrates.

    Parameters
    ----------
    p : float, default 0.5
        Probability to be dropped, 0 to 1.
    batch_first : bool, default False
        Data are (B, T, ...) rather than (T, B, ...).

    Shapes
    ------
    x (T, B, ...), or (B, T, ...) with ``batch_first=True``; the output like x.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        p is not a number from 0 to 1; x is not a floating point tensor with at least two axes.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> output = rt.Dropout(0.5)(torch.ones(10, 4, 100))
    >>> bool((output == output[0]).all()), output.unique().tolist()
    (True, [0.0, 2.0])
    """

    def __init__(self, p: float = 0.5, *, batch_first: bool = False) -> None:
        super().__init__()
        self.p = arguments.scalar("p", p)
        arguments.within("p", self.p, 0.0, 1.0)
        self.batch_first: bool = arguments.flag("batch_first", batch_first)

    def forward(self, x: Tensor) -> Tensor:
        """Drop, in training."""
        _checks.floating("x", x)
        _checks.axes("x", x, 2, "(B, T, ...)" if self.batch_first else "(T, B, ...)")
        if not self.training or self.p == 0.0:
            return x
        shape = list(x.shape)
        shape[1 if self.batch_first else 0] = 1
        return x * nn.functional.dropout(x.new_ones(shape), self.p)

    def extra_repr(self) -> str:
        """Show the probability, and the layout where it is not the default."""
        return f"p={self.p}{', batch_first=True' if self.batch_first else ''}"


def refuse_state(name: str, module: object, example: str) -> None:
    """Refuse what is no module, or has a state that nobody would carry."""
    if not isinstance(module, nn.Module):
        raise InvalidTypeError(f"{name} is {arguments.shown(module)}: must be a torch module, such as {example}")
    if any(isinstance(each, _STATEFUL) for each in module.modules()):
        cure = "its state would be lost, it is applied step by step; use neurons of rsnn.torch, in a rsnn.torch.Sequential"
        raise InvalidTypeError(f"{name} is or holds a {type(module).__name__}: {cure}")


def over_time(module: nn.Module, x: Tensor) -> Tensor:
    """Apply a stateless module to every time step of (T, B, ...), or of (B, T, ...), at once."""
    if isinstance(module, (Lift, Dropout, Linear, Conv2d, Pool2d)):
        return module(x)  # type: ignore[no-any-return]  # takes sequences
    first, second, *trailing = x.shape
    output = module(x.reshape(first * second, *trailing))
    if not isinstance(output, Tensor):
        raise InvalidTypeError(f"{type(module).__name__} returned {type(output).__name__}: a stateless module must return one tensor")
    if output.shape[:1] != (first * second,):
        came = f"{type(module).__name__} returned the shape {tuple(output.shape)} for {first} x {second} frames"
        raise InvalidValueError(f"{came}: it must keep the first axis, (T * B, ...)")
    return output.reshape(first, second, *output.shape[1:])

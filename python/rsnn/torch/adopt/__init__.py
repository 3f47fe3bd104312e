"""From a model of snnTorch, Norse, sinabs or SpikingJelly to one of rsnn: the same weights, the same neurons, spike for spike.

Nothing of these libraries is imported: a layer is known by the module path and the name of its class, and its numbers are read off it.
Each library has one file here, a table with a row for each of its classes.
"""

from typing import Any

from torch import Tensor, nn

from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.neurons import AnyNeuron
from rsnn.recurrent import Recurrent
from rsnn.surrogate import ATan
from rsnn.torch.adopt._table import Neuron, Refusal, find, library_of, make_layer
from rsnn.torch.adopt.check import AdoptedLayer, Adoption, AdoptionError, checked_flips, compare, refuse
from rsnn.torch.adopt.walk import Walk
from rsnn.torch.modules import Layer
from rsnn.torch.sequential import Sequential

__all__ = ["AdoptedLayer", "Adoption", "AdoptionError", "adopt", "compare_adopted", "layer_of", "neuron_of"]


def adopt(model: nn.Module, *, check: Tensor | None = None, flips: float = 0.0, surrogate: Any = None) -> Sequential | Layer:
    """Make a model of rsnn of one that holds layers of snnTorch, Norse, sinabs or SpikingJelly, with copies of its weights.

    Its neurons become those of ``rsnn.torch.presets.<library>``: the same numbers, the same surrogate, the same rule of what the gradient
    leaves out, and learned is what is a parameter there. What is read are lists, in lists: `torch.nn.Sequential`, Norse's
    ``SequentialState`` and ``Lift``, sinabs' ``Network``, ``Repeat`` and Squeeze layers, SpikingJelly's ``SeqToANNContainer``,
    ``MultiStepContainer``, ``StepModeContainer`` and layers with a ``step_mode``. What has no state is copied as it is. A model with a
    ``forward`` of its own is adopted by its layers, in the order of their calls::

        rsnn.torch.adopt(torch.nn.Sequential(net.fc1, net.lif1, net.fc2, net.lif2))

    Parameters
    ----------
    model : module
        Left as it is; neurons begin from rest, whatever state is in it.
    check : tensor, optional
        Data (T, B, ...), of sinabs (B, T, ...), on which both are run: `compare_adopted`, and an error if a layer does not do what the
        original does.
    flips : float, default 0.0
        With `check`, the part of the spikes of a layer that may differ. Neurons that get the same input send the same spikes; recurrent
        products and exponentials are rounded otherwise, so that a membrane at its threshold may flip.
    surrogate : surrogate, optional
        Of every neuron, one of `rsnn.surrogate`, in place of the model's own; gradients are then not checked.

    Returns
    -------
    rsnn.torch.Sequential, or rsnn.torch.Layer of a single neuron
        Modules have the names that they have in the model, so that ``state_dict`` of layers with weights fits. It takes whole sequences,
        (T, B, ...), of sinabs (B, T, ...), and returns ``(output, state)``.

    Raises
    ------
    InvalidTypeError
        model is not a module, check not a tensor of floating point numbers.
    InvalidValueError
        Layers that cannot be adopted: the message names each by its path, and says what to use.
    AdoptionError
        With `check`, layers that do not do what the original does; the message names each, and where it differs first.

    Notes
    -----
    Products stay torch's own; `rsnn.torch.convert` puts rsnn's in their place, which follow the events. sinabs' ``SumPool2d`` becomes
    `rsnn.torch.SumPool2d`, the same sums; sinabs' lets no gradient through a window whose sum is 0.

    Checked against norse 1.1.0, snntorch 1.0.0, sinabs 3.1.3 and spikingjelly 2.0.0.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> rt.adopt(torch.nn.Linear(2, 2))
    Traceback (most recent call last):
    rsnn.errors.InvalidValueError: model: no layer of theirs came; accepted are models of one of norse, sinabs, snntorch, spikingjelly; ...

    With snnTorch installed::

        net = torch.nn.Sequential(torch.nn.Linear(64, 10), snntorch.Leaky(beta=0.9, init_hidden=True))
        model = rt.adopt(net, check=torch.rand(25, 8, 64))
        spikes, state = model(x)
    """
    adopted, walk = _adopted(model, surrogate)
    allowed = checked_flips(flips)
    if check is not None:
        refuse(compare(model, adopted, walk, check, gradients=surrogate is None), allowed)
    return adopted


def compare_adopted(model: nn.Module, x: Tensor) -> Adoption:
    """Adopt a model, run the original and the adopted over the same data, and tell layer by layer how far they do the same.

    Every layer of both gets what the original's earlier layers sent on, so that what differs shows where it begins: spikes entry by entry,
    other outputs, and of neurons the gradient of the input. The original is run from rest and in its own way, one step a call or a
    sequence, neurons in training mode and everything else in evaluation mode; it is given back as it was.

    Parameters
    ----------
    model : module
        As of `adopt`.
    x : tensor
        (T, B, ...), of sinabs (B, T, ...).

    Returns
    -------
    Adoption
        Its `faults()` are what `adopt` with ``check=`` raises.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `adopt`.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> rt.compare_adopted(torch.nn.Linear(2, 2), torch.zeros(1, 1, 2))
    Traceback (most recent call last):
    rsnn.errors.InvalidValueError: model: no layer of theirs came; ...

    With snnTorch installed ``print(rt.compare_adopted(net, x))`` is a table with a line for each layer.
    """
    adopted, walk = _adopted(model, None)
    return compare(model, adopted, walk, x, gradients=True)


def layer_of(module: nn.Module, surrogate: Any = None) -> Layer:
    """Make the layer of rsnn of one neuron of another library; weights that it applies to its input are left out.

    Parameters
    ----------
    module : module
        A neuron of snnTorch, Norse, sinabs or SpikingJelly.
    surrogate : surrogate, optional
        In place of its own.

    Returns
    -------
    rsnn.torch.Layer
        One of ``rsnn.torch.presets.<library>``.

    Raises
    ------
    InvalidTypeError
        Something that is not a module.
    InvalidValueError
        A module that is no neuron of these libraries, or that cannot be adopted; the message says what to use.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch.adopt import layer_of
    >>> layer_of(torch.nn.ReLU())
    Traceback (most recent call last):
    rsnn.errors.InvalidValueError: module: ReLU is no neuron of norse, sinabs, snntorch, spikingjelly; ...
    """
    if not isinstance(module, nn.Module):
        raise InvalidTypeError(f"module is {type(module).__name__}: must be a torch module, such as snntorch.Leaky(beta=0.9)")
    kind = type(module)
    called = f"{library_of(kind) or kind.__module__.partition('.')[0]}.{kind.__name__}"
    try:
        row = find(module)
        if not isinstance(row, Neuron):
            raise InvalidValueError(
                f"module: {kind.__name__} is no neuron of norse, sinabs, snntorch, spikingjelly; rsnn.torch.adopt takes models of them"
            )
        return make_layer(str(library_of(kind)), row, row.read(module), surrogate)
    except Refusal as refusal:
        raise InvalidValueError(f"module: {called}: {refusal}") from refusal


def neuron_of(module: nn.Module) -> AnyNeuron | Recurrent:
    """Give the neuron of rsnn that one neuron of another library is: data, to simulate, plot, or put into a network.

    Parameters
    ----------
    module : module
        As of `layer_of`.

    Returns
    -------
    neuron
        A preset of ``rsnn.presets.<library>``; of a recurrent one a `rsnn.Recurrent` with its weights.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `layer_of`.

    Examples
    --------
    >>> import torch
    >>> from rsnn.torch.adopt import neuron_of
    >>> neuron_of("snntorch.Leaky")
    Traceback (most recent call last):
    rsnn.errors.InvalidTypeError: module is str: must be a torch module, such as snntorch.Leaky(beta=0.9)
    """
    return layer_of(module, ATan(2.0)).neuron


def _adopted(model: Any, surrogate: Any) -> tuple[Sequential | Layer, Walk]:
    if not isinstance(model, nn.Module):
        raise InvalidTypeError(f"model is {type(model).__name__}: must be a torch module, such as torch.nn.Sequential(...)")
    walk = Walk(model, surrogate)
    return walk.result(model), walk

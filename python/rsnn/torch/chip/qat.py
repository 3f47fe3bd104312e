"""Quantisation-aware training: the chip's integers forwards, the gradients of the float network backwards."""

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import rsnn
from rsnn import arguments
from rsnn.chip import TARGETS, ChipNetwork, quantize
from rsnn.chip.options import bits_of_weights
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.torch import _checks
from rsnn.torch.chip.twins import TWINS, Twin, through
from rsnn.torch.functional import pool2d
from rsnn.torch.modules import Layer
from rsnn.torch.network import Origin, traced
from rsnn.torch.sequential import SequentialResult


class QAT(nn.Module):
    """A model as the chip computes it, to be trained: the emulator forwards, straight through the rounding backwards.

    Every call quantises the model's float parameters and runs them on the emulator: the output has the bits of
    ``rsnn.chip.quantize(rsnn.torch.to_network(model, shape), target).run(x)``. Backwards every layer has the gradient of its float neurons,
    with their surrogate, at the rounded parameters and at the integer spikes that came in; rounding passes a gradient on as it is::

        forward   q = round(K w),  s = chip(q, x)
        backward  ds/dw = d s_float/dw at w = q / K and at x,  ds/dx likewise

    The float parameters stay where they are, in `model`: the optimiser, the `state_dict` and evaluation in float are the model's own.

    Parameters
    ----------
    model : module
        What `rsnn.torch.to_network` takes and the target can express, layers in a row: for Speck a `Sequential` of `Conv2d` or `Linear`,
        each followed by `IAF`, with `SumPool2d`, `AvgPool2d` and `Flatten` between them; for Xylo `Linear` and `LIF` in turn, two times or
        more. It is kept, not copied.
    target : {"dynapcnn", "speck2e", "speck2f", "xylo_audio2", "xylo_audio3", "xylo_imu"}
        As of `rsnn.chip.quantize`.
    input_shape : int or tuple of int, optional
        Shape of one time step of one sample. By default that of the first data seen.
    weight_bits : int, 2 to 8, optional
        Bits of a weight, fewer than the chip has; as of `rsnn.chip.quantize`.
    **options
        What else `rsnn.chip.quantize` takes; it is applied at every call.

    Attributes
    ----------
    model : module
    target : str

    Raises
    ------
    InvalidTypeError, InvalidValueError
        An argument that is not accepted; when called, a layer that the chip does not have. The message names it and the cure.

    Notes
    -----
    Train in float first, then go on here with a smaller learning rate. Training and evaluation compute the same: as `to_network` says,
    dropout is left out, and batch normalisation is folded with its running statistics, which are not updated. Scales are no part of the
    gradient. ``torch.no_grad()`` runs the emulator alone.

    The neurons of the gradient compute in the model's own units and are at the chip's own membranes. On DynapCNN an integer of the chip is
    ``1 / K`` to 8 significant bits, so that 16 bits of them are exact in float32. On Xylo, whose decays are shifts of integers, they decay
    by the factor that the shift stands for, and what the chip's rounding adds is added to their input.

    Examples
    --------
    >>> import torch, rsnn.torch as rt
    >>> model = rt.Sequential(rt.Linear(6, 4, bias=False), rt.IAF(v_min=-1.0))
    >>> qat = rt.chip.QAT(model, target="speck2f", weight_bits=4)
    >>> x = torch.ones(10, 2, 6)
    >>> counts, state = qat(x)
    >>> counts.sum().backward()
    >>> model[0].weight.grad.shape
    torch.Size([4, 6])
    >>> bool((qat.quantized().run(x.numpy()).output == counts.detach().numpy()).all())
    True
    """

    def __init__(
        self,
        model: nn.Module,
        target: str = "dynapcnn",
        *,
        input_shape: int | Sequence[int] | None = None,
        weight_bits: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if not isinstance(model, nn.Module) or isinstance(model, QAT):
            raise InvalidTypeError(
                f"model is {type(model).__name__}: must be a module that rsnn.torch.to_network takes, such as rsnn.torch.Sequential(...)"
            )
        if isinstance(target, str) and target in TARGETS and target not in TWINS:
            raise InvalidValueError(
                f"target={target!r}: QAT does not train for it, rsnn.chip.quantize quantises for it; use one of {', '.join(TWINS)}"
            )
        self.model, self.target = model, arguments.choice("target", target, tuple(TWINS))
        arguments.names("options", options, inspect.signature(quantize).parameters.keys() - {"network", "target"})
        self.options: dict[str, Any] = options if weight_bits is None else {"weight_bits": bits_of_weights(weight_bits, target), **options}
        self.input_shape = None if input_shape is None else arguments.shape_of("input_shape", input_shape)

    def forward(self, x: Tensor, state: Mapping[int, Any] | None = None) -> tuple[Tensor, dict[int, Any]]:
        """Run the chip over a sequence.

        Parameters
        ----------
        x : tensor (T, B, ...) of floats that are whole numbers, or (B, T, ...) where the model has batch first
            Events per step. Any dtype of the model's weights.
        state : dict, optional
            To go on from, as a call before returned it; by default at rest.

        Returns
        -------
        output : tensor like x
            Counts of what the last layer sends on, with a gradient.
        state : dict
            That of `rsnn.chip.ChipNetworkResult`: the chip's integers, through which no gradient flows. After a step of the optimiser the
            scale may be another, and the integers stand for something else: begin a sequence anew.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            x or the state is not what is accepted (a fraction: the chip counts events), or the chip does not have a layer of the model.
        """
        result = self.run(x, state)
        return result.output, result.state

    def run(self, x: Tensor, state: Mapping[int, Any] | None = None) -> SequentialResult:
        """Run the chip over a sequence; give the spikes of every layer as well.

        Parameters
        ----------
        x, state
            As of `forward`.

        Returns
        -------
        SequentialResult
            ``output``, ``state`` and ``spikes``, a differentiable tensor for every layer of neurons, before pooling: a loss may ask for
            fewer of them. They go by index in ``rsnn.torch.to_network(model, shape)``, as in `rsnn.chip.ChipNetworkResult`.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            As of `forward`.
        """
        if _checks.floating("x", x).dtype not in _checks.NATIVE:
            raise InvalidTypeError(f"x is {x.dtype}: must be float32 or float64; x.float() converts it")
        _checks.axes("x", x, 2, "(T, B, ...), or (B, T, ...) where the model has batch first")
        if self.input_shape is None:
            self.input_shape = tuple(x.shape[2:])
        elif x.ndim != 2 + len(self.input_shape):
            raise InvalidValueError(
                f"x has the shape {tuple(x.shape)}: must be (T, B, {', '.join(map(str, self.input_shape))}), or batch first"
            )
        chip, origins = self._made()
        record = TWINS[self.target][1] if torch.is_grad_enabled() else ()
        if state is not None and not isinstance(state, Mapping):
            raise InvalidTypeError(f"state={arguments.shown(state)}: must be the state that a call returned, a dict by layer, or None")
        given = None if state is None else dict(state)
        result = chip.run(arguments.of_tensor("x", x), given, record=record, threads=torch.get_num_threads())
        output, spikes = _tensor(result.output, x), {k: _tensor(each, x) for k, each in result.spikes.items()}
        if torch.is_grad_enabled():
            turn = _turned if chip.source.batch_first else _as_it_is
            traces = {k: {name: turn(trace) for name, trace in each.items()} for k, each in result.traces.items()}
            output, spikes = _backwards(chip, origins, turn(x), given, {k: turn(each) for k, each in spikes.items()}, traces)
            output, spikes = turn(output), {k: turn(each) for k, each in spikes.items()}
        return SequentialResult(output, spikes, result.state, {}, int(chip.source.batch_first) ^ 1)

    def quantized(self) -> ChipNetwork:
        """Quantise the model as it is now.

        Returns
        -------
        rsnn.chip.ChipNetwork
            What calls of this module run: ``.check()``, ``.report(x)``, ``.run(x)`` and ``.export(path)``.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            The chip does not have a layer of the model, or the shape of the data is not known yet.
        """
        return self._made()[0]

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the integers of the model as it is now to a file: ``quantized().export(path)``.

        Parameters
        ----------
        path : str or path
            As of `rsnn.chip.ChipNetwork.export`; `rsnn.chip.load` reads it, without torch.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            As of `quantized`, and the path is none.
        OSError
            The file cannot be written.

        Examples
        --------
        >>> import pathlib, rsnn, rsnn.torch as rt, tempfile
        >>> qat = rt.chip.QAT(rt.Sequential(rt.Linear(6, 4), rt.IAF()), target="speck2f", input_shape=6)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     qat.export(pathlib.Path(folder, "net.npz"))
        ...     rsnn.chip.load(pathlib.Path(folder, "net.npz"))
        DynapcnnNetwork(speck2f: 0 Linear)
        """
        self.quantized().export(path)

    def extra_repr(self) -> str:
        """Show the target and what else was said."""
        said = {"target": self.target, "input_shape": self.input_shape, **self.options}
        return ", ".join(f"{name}={arguments.shown(value)}" for name, value in said.items() if value is not None)

    def _made(self) -> tuple[ChipNetwork, list[Origin]]:
        """Quantise the model; tell where its layers come from."""
        if self.input_shape is None:
            raise InvalidValueError("input_shape: is not known before data were seen; give it to QAT")
        network, origins = traced(self.model, self.input_shape)
        for k, sources in enumerate(network.graph.inputs):
            if sources != (k - 1,):
                raise InvalidValueError(
                    f"model: layer {k} takes something else than what the one before it sends on; QAT trains layers in a row, so "
                    "use a Sequential"
                )
            module = origins[k].module
            if isinstance(module, Layer) and module.recurrent:
                raise InvalidValueError(f"model: the neurons of layer {k} are recurrent; QAT trains layers without recurrent weights")
        return _known(quantize(network, self.target, **self.options)), origins


def _turned(values: Any) -> Any:
    """Exchange time and batch."""
    return values.swapaxes(0, 1)


def _as_it_is(values: Any) -> Any:
    return values


def _tensor(values: Any, like: Tensor) -> Tensor:
    """Give whole numbers as a tensor."""
    return torch.from_numpy(np.ascontiguousarray(values)).to(like)


def _backwards(
    chip: ChipNetwork,
    origins: list[Origin],
    x: Tensor,
    state: Mapping[int, Any] | None,
    spikes: dict[int, Tensor],
    traces: dict[int, dict[str, Any]],
) -> tuple[Tensor, dict[int, Tensor]]:
    """Give output and spikes, time first, the numbers of the emulator with the gradient of the float twins."""
    twins: dict[int, Twin] = {}
    for k, each in enumerate(chip.layers):
        neurons: Any = origins[each.neuron_index].module
        twin = TWINS[chip.target][0](chip, k, origins[each.index], neurons, state)
        twins |= {each.index: twin, each.neuron_index: twin}
    sent = {}
    for k, layer in enumerate(chip.source.layers):
        if k in spikes:
            x = sent[k] = through(twins[k].neurons(x, spikes[k], traces.get(k, {}).get("v")), spikes[k])
        elif k in twins:
            x = twins[k].product(x, layer)
        elif isinstance(layer, (rsnn.SumPool2d, rsnn.AvgPool2d)):
            x = pool2d(x, layer.kernel, average=False)
        else:  # Flatten, as `_known` saw
            x = x.flatten(2)
    return x, sent


def _known(chip: ChipNetwork) -> ChipNetwork:
    """Refuse layers that the chip folds into others, of which a twin knows nothing."""
    folds = chip.target.startswith("xylo")
    products, neurons = {each.index for each in chip.layers}, {each.neuron_index for each in chip.layers}
    pools = () if folds else (rsnn.SumPool2d, rsnn.AvgPool2d)
    for k, layer in enumerate(chip.source.layers):
        trained = (k in products and (not folds or isinstance(layer, rsnn.Linear))) or isinstance(layer, (rsnn.Flatten, *pools))
        if k in products & neurons or not (trained or k in neurons):
            cure = "let each population take a Linear of its own, and nothing else than a Flatten before that" if folds else "leave it out"
            raise InvalidTypeError(
                f"model: QAT does not train layer {k}, {type(layer).__name__}, for {chip.target}; {cure} (rsnn.chip.quantize quantises it)"
            )
    return chip

"""A torch model as a list of entries: what its layers are, which takes what, and what each sends on for given data.

The model is traced by `torch.fx`, so that its ``forward`` may be written with modules or with functions; it is never changed.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from rsnn.arguments import is_tensor, numbers, of_tensor, shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.torch.graph import Add, Graph
from rsnn.torch.lift import Dropout, Lift
from rsnn.torch.sequential import Sequential

Array = npt.NDArray[Any]

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d)
MAX_POOL = nn.MaxPool2d
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
ABSENT = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, Dropout)
"""What does nothing in evaluation."""
_SHAPE = (operator.getitem, getattr)
"""Functions whose results are sizes, which a reshape may use."""


@dataclass(frozen=True)
class Entry:
    """One layer of the model.

    Attributes
    ----------
    name : where it is in the model, such as ``"features_0"``
    kind : ``"weights"``, ``"relu"``, or ``"pass"``, which keeps the unit of what it takes
    module : what computes it; nothing of ``"relu"`` is used but that it is one
    inputs : indices of the entries that it takes, which are added up; -1 is the data
    node : of the traced model
    """

    name: str
    kind: str
    module: nn.Module
    inputs: tuple[int, ...]
    node: fx.Node


class Analog:
    """A model in evaluation, read into entries; a copy, so nothing of the caller's changes."""

    def __init__(self, model: Any) -> None:
        if not isinstance(model, nn.Module):
            raise InvalidTypeError(f"model={shown(model)}: must be a torch module whose activations are ReLU, such as torch.nn.Sequential")
        self.model = copy.deepcopy(model).eval()
        self.traced = _trace(self.model)
        self.entries: list[Entry] = []
        self._index: dict[fx.Node, int] = {}
        for node in self.traced.graph.nodes:
            self._read(node)
        if not any(entry.kind == "relu" for entry in self.entries):
            raise InvalidValueError("model: it has no ReLU, so there is nothing to turn into spiking neurons")
        self._one_output()

    def of(self, kind: str) -> list[Entry]:
        """Give the entries of a kind, in the order in which they run."""
        return [entry for entry in self.entries if entry.kind == kind]

    def graph(self, neuron: Callable[[], nn.Module], *, spiking_output: bool) -> Graph:
        """Make the same model with neurons in place of its ReLUs; `spiking_output` adds some to the end, where there are none."""
        names = _names(self.entries)
        entries: list[tuple[str | None, nn.Module, tuple[str | int, ...]]] = [
            (names[k], neuron() if entry.kind == "relu" else entry.module, tuple("input" if i < 0 else i for i in entry.inputs))
            for k, entry in enumerate(self.entries)
        ]
        if spiking_output and self.entries[-1].kind != "relu":
            entries.append((None, neuron(), (len(entries) - 1,)))
        return Graph(entries)

    def activity(self, data: Tensor, wanted: Sequence[Entry]) -> list[Array]:
        """Run the model; give what these entries send on."""
        nodes = [entry.node for entry in wanted]
        run = _Watching(self.traced, nodes)
        with torch.no_grad():
            try:
                run.run(data)
            except RuntimeError as error:
                said = str(error).partition("\n")[0]
                raise InvalidValueError(f"data: the model does not take samples of shape {tuple(data.shape[1:])}: {said}") from error
        return [run.seen[node].detach().cpu().numpy() for node in nodes]

    def output(self) -> Entry:
        """Give the entry whose output is the model's."""
        return self.entries[-1]

    def data(self, name: str, value: Any) -> Tensor:
        """Check data for the model: a tensor of its dtype, at least one sample."""
        if is_tensor(value):
            of_tensor(name, value)  # which refuses one without numbers
            given = value
        else:
            array = numbers(name, value)
            # By its letters: of two names for one integer of C torch knows the one.
            kind = array.dtype.str if array.dtype.isnative and array.dtype.itemsize <= 8 else "f8"
            given = torch.tensor(array.astype(kind))
        if given.ndim < 2 or not given.numel():
            raise InvalidValueError(
                f"{name} has shape {tuple(given.shape)}: must be (samples, ...), at least one sample as the model takes it"
            )
        if not bool(torch.isfinite(given).all()):
            raise InvalidValueError(f"{name}: NaN or infinity came; give finite numbers")
        held = next((p for p in self.model.parameters() if p.is_floating_point()), None)
        moved: Tensor = given.detach().to(held) if held is not None else given.detach()
        return moved

    def _one_output(self) -> None:
        node = next(node for node in self.traced.graph.nodes if node.op == "output")
        given = node.args[0]
        if not isinstance(given, fx.Node):
            raise InvalidTypeError("model: it returns several values; convert one that returns its output alone")
        if self._index[given] != len(self.entries) - 1:
            raise InvalidValueError("model: some of its layers lead nowhere; leave them out")

    def _add(self, node: fx.Node, kind: str, module: nn.Module, sources: Sequence[Any]) -> None:
        inputs = tuple(self._source(node, one) for one in sources)
        self.entries.append(
            Entry(str(node.target if node.op == "call_module" else node.name).replace(".", "_"), kind, module, inputs, node)
        )
        self._index[node] = len(self.entries) - 1

    def _source(self, node: fx.Node, given: Any) -> int:
        if not isinstance(given, fx.Node) or given not in self._index:
            raise _refusal(node, f"takes {given}, which is no output of a layer")
        return self._index[given]

    def _read(self, node: fx.Node) -> None:
        """Take one node of the traced model."""
        if node.op == "placeholder":
            if self._index:
                raise InvalidTypeError(
                    f"model: its forward takes a second argument, {node.name}; convert a model that takes its data alone"
                )
            self._index[node] = -1
        elif node.op == "call_module":
            self._read_module(node, self.traced.get_submodule(str(node.target)))
        elif node.op in ("call_function", "call_method"):
            self._read_call(node)
        elif node.op == "get_attr":
            raise _refusal(node, "is a tensor that the forward uses by itself; put it into a layer")

    def _read_module(self, node: fx.Node, module: nn.Module) -> None:
        if isinstance(module, ABSENT):
            self._index[node] = self._source(node, node.args[0])
        elif isinstance(module, nn.ReLU):
            self._add(node, "relu", module, node.args)
        else:
            self._add(node, "weights" if isinstance(module, WEIGHTED) else "pass", module, node.args)

    def _read_call(self, node: fx.Node) -> None:
        called = node.target if node.op == "call_function" else str(node.target)
        if called in _CALLS:
            kind, make = _CALLS[called]
            module, sources = make(node)
            if module is None:
                self._index[node] = self._source(node, sources[0])
            else:
                self._add(node, kind, module, sources)
        elif called not in _SHAPE and called != "size":
            name = called if isinstance(called, str) else getattr(called, "__name__", str(called))
            raise _refusal(node, f"is {name}(), which cannot be converted; give linear, convolution, ReLU, pooling, flattening, sums")


class _Watching(fx.Interpreter):
    """A run of a traced model that keeps what some nodes send on."""

    def __init__(self, traced: fx.GraphModule, nodes: Sequence[fx.Node]) -> None:
        super().__init__(traced)
        self.wanted, self.seen = set(nodes), dict[fx.Node, Tensor]()

    def run_node(self, n: fx.Node) -> Any:
        """Run one node."""
        result = super().run_node(n)
        if n in self.wanted:
            self.seen[n] = result.clone()  # an in-place ReLU would change it
        return result


class _Tracer(fx.Tracer):
    """Goes into containers, but not into layers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Tell a layer."""
        return isinstance(m, (*WEIGHTED, *ABSENT, Add)) or super().is_leaf_module(m, module_qualified_name)


def _trace(model: nn.Module) -> fx.GraphModule:
    for name, module in model.named_modules():
        if isinstance(module, (Sequential, Lift)):
            where = f"its part {name} " if name else "it "
            raise InvalidTypeError(f"model: {where}is of rsnn.torch and runs over time; convert a model that takes (samples, ...)")
    if type(model).__module__.startswith("torch.nn") and not isinstance(model, nn.Sequential):
        model = nn.Sequential(model)  # a layer alone, which would be followed into
    try:
        graph = _Tracer().trace(model)
    except Exception as error:  # fx raises what the model's own code raises on its proxies
        raise InvalidTypeError(
            f"model: its forward cannot be followed ({error}); write it without branches that depend on data, or as a torch.nn.Sequential"
        ) from error
    return fx.GraphModule(model, graph)


def _refusal(node: fx.Node, why: str) -> InvalidTypeError:
    return InvalidTypeError(f"model: its step {node.name} {why}")


def _names(entries: Sequence[Entry]) -> list[str | None]:
    """Name layers as the model does, where a network can have that name."""
    names: list[str | None] = []
    for entry in entries:
        free = not (entry.name.isdecimal() or entry.name == "input" or hasattr(Graph, entry.name) or entry.name in names)
        names.append(entry.name if free else None)
    return names


Made = tuple[nn.Module | None, Sequence[Any]]


def _relu(node: fx.Node) -> Made:
    return nn.ReLU(), node.args[:1]


def _flatten(node: fx.Node) -> Made:
    given = dict(zip(("start_dim", "end_dim"), node.args[1:], strict=False)) | dict(node.kwargs)
    return nn.Flatten(**{"start_dim": 0} | given), node.args[:1]  # type: ignore[arg-type]


def _reshape(node: fx.Node) -> Made:
    sizes = node.args[1:] if not isinstance(node.args[1], (tuple, list)) else tuple(node.args[1])
    if len(sizes) == 2 and isinstance(sizes[0], fx.Node) and sizes[1] == -1:
        return nn.Flatten(), node.args[:1]
    raise _refusal(node, f"reshapes to {sizes}, which cannot be converted; flatten as x.flatten(1)")


def _sum(node: fx.Node) -> Made:
    if node.kwargs:
        raise _refusal(node, f"adds with {dict(node.kwargs)}; add as x + y")
    return Add(), node.args


def _pool(kind: type[nn.Module]) -> Callable[[fx.Node], Made]:
    def make(node: fx.Node) -> Made:
        return kind(*node.args[1:], **node.kwargs), node.args[:1]

    return make


_CALLS: Mapping[Any, tuple[str, Callable[[fx.Node], Made]]] = {
    functional.relu: ("relu", _relu),
    torch.relu: ("relu", _relu),
    "relu": ("relu", _relu),
    "relu_": ("relu", _relu),
    torch.flatten: ("pass", _flatten),
    "flatten": ("pass", _flatten),
    "view": ("pass", _reshape),
    "reshape": ("pass", _reshape),
    torch.reshape: ("pass", _reshape),
    operator.add: ("pass", _sum),
    operator.iadd: ("pass", _sum),
    torch.add: ("pass", _sum),
    "add": ("pass", _sum),
    functional.avg_pool2d: ("pass", _pool(nn.AvgPool2d)),
    functional.max_pool2d: ("pass", _pool(nn.MaxPool2d)),
    torch.max_pool2d: ("pass", _pool(nn.MaxPool2d)),
    functional.dropout: ("pass", lambda node: (None, node.args[:1])),
}
"""Functions and methods of tensors that stand for a layer: its kind, and how to make it and what it takes."""


def percentile(name: str, activity: Array, at: float) -> float:
    """Give a percentile of all values, between neighbours linearly, as numpy does."""
    if activity.size == 0:
        raise InvalidValueError(f"model: the layer {name} has no outputs")
    return float(np.percentile(activity, at))

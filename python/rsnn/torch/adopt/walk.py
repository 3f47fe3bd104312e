"""How a model is read: module after module, in the order of its calls, each in the way that it is called."""

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from rsnn.errors import InvalidValueError
from rsnn.torch.adopt._table import (
    CALLED,
    LIBRARIES,
    SEQUENCE,
    STEP,
    Container,
    Neuron,
    Reading,
    Refusal,
    Row,
    Stateless,
    base_of,
    find,
    library_of,
    make_layer,
)
from rsnn.torch.delay import Delay
from rsnn.torch.modules import Layer
from rsnn.torch.sequential import Sequential

ANY_AXES = (
    *(nn.Linear, nn.Identity, nn.LayerNorm, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Hardtanh),
    *(nn.Softplus, nn.Dropout, nn.AlphaDropout),
)
"""Modules of torch that do the same whatever axes come first."""


@dataclass(frozen=True)
class Pair:
    """A module that does something, and what comes in its place."""

    path: str
    """Where it is in the model."""
    original: nn.Module
    adopted: nn.Module
    calls: str
    """How the original is called."""
    spiking: bool | None
    """Of a neuron whether it spikes; None of others."""

    @property
    def recurrent(self) -> bool:
        """Whether its spikes come back to it."""
        return any(isinstance(each, Layer) and each.recurrent is not False for each in self.adopted.modules())


class Walk:
    """The reading of one model; what is refused is collected."""

    def __init__(self, model: nn.Module, surrogate: Any) -> None:
        bases = (base_of(type(each)) for each in model.modules())
        found = {library_of(base) for base in bases if base is not None}
        if len(found) != 1:
            came = f"layers of {' and '.join(sorted(map(str, found)))}" if found else "no layer of theirs"
            cure = "adopt the parts one by one" if found else "give a model that holds some, such as torch.nn.Sequential(...)"
            raise InvalidValueError(f"model: {came} came; accepted are models of one of {', '.join(LIBRARIES)}; {cure}")
        self.library = str(found.pop())
        self.batch_first = self.library == "sinabs"
        self.surrogate = surrogate
        self.pairs: list[Pair] = []
        self.refused: list[str] = []
        self.copies: dict[int, Any] = {}
        """Copies of what was copied, so that what is shared stays shared."""
        self.neurons: dict[nn.Module, str] = {}

    def result(self, model: nn.Module) -> Sequential | Layer:
        """Read a model."""
        adopted = self.read(model, "", _wanted(model) or STEP)[0]
        if self.refused:
            raise InvalidValueError("model cannot be adopted: " + "; ".join(self.refused))
        made = adopted if isinstance(adopted, (Sequential, Layer)) else Sequential(adopted, batch_first=self.batch_first)
        held = next((value for value in (*model.parameters(), *model.buffers()) if value.numel()), None)
        if held is not None:
            made.to(held.device)
        return made.train(model.training)

    def read(self, module: nn.Module, path: str, calls: str) -> tuple[nn.Module, str]:
        """Read a module that is called like this; give what comes in its place, and how what follows is called."""
        try:
            row = find(module)
            if row is None:
                return self._own(module, path, calls), calls
            return _READERS[type(row)](self, row, module, path, calls)
        except Refusal as refusal:
            self.refused.append(f"{path or 'the model itself'}: {_called(module)}: {refusal}")
            return nn.Identity(), calls

    def _neuron(self, row: Neuron, module: nn.Module, path: str, calls: str) -> tuple[nn.Module, str]:
        _require(row.calls(module), calls)
        if module in self.neurons:
            raise Refusal(f"is the same neurons as {self.neurons[module]}, with one state for both places; give each place its own")
        self.neurons[module] = path or "the model itself"
        reading = row.read(module)
        layer = make_layer(self.library, row, reading, self.surrogate)
        adopted = _with_linear(reading, layer, self.batch_first)
        self.pairs.append(Pair(path, module, adopted, calls, layer.spiking))
        return adopted, calls

    def _container(self, row: Container, module: nn.Module, path: str, calls: str) -> tuple[nn.Module, str]:
        row.check(module)
        wanted = row.calls(module)
        if wanted is not None:
            _require(wanted, calls)
        inside = row.inside(module) or calls
        if row.alone is not None:
            return self.read(getattr(module, row.alone), _join(path, row.alone), inside)[0], calls
        return self._list(module, path, inside), calls

    def _stateless(self, row: Stateless, module: nn.Module, path: str, calls: str) -> tuple[nn.Module, str]:
        wanted = row.calls(module)
        if wanted is not None:
            _require(wanted, calls)
        adopted = self.copies[id(module)] if id(module) in self.copies else row.make(module)
        self.copies[id(module)] = adopted
        if row.after is None:
            self.pairs.append(Pair(path, module, adopted, calls, None))
        return adopted, row.after or calls

    def _list(self, module: nn.Module, path: str, calls: str) -> nn.Module:
        """Read modules that are called one after the other."""
        made: OrderedDict[str, nn.Module] = OrderedDict()
        for name, child in module._modules.items():  # not named_children, which leaves out what comes again
            made[name], calls = self.read(child or nn.Identity(), _join(path, name), calls)
        if self.refused:
            return nn.Identity()
        return Sequential(made, batch_first=self.batch_first)

    def _own(self, module: nn.Module, path: str, calls: str) -> nn.Module:
        """Read a module that is of no library."""
        if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
            return self._list(module, path, calls)
        if isinstance(module, (Layer, Delay)):
            raise Refusal("is rsnn's already; put it and what is adopted into a rsnn.torch.Sequential")
        holds = next((name for name, each in module.named_modules() if base_of(type(each)) or isinstance(each, (Layer, Delay))), None)
        if holds is not None:
            cure = "give its layers in the order of their calls, as in rsnn.torch.adopt(torch.nn.Sequential(net.fc1, net.lif1))"
            raise Refusal(f"has a forward of its own around {holds or 'itself'}, which nobody can read off; {cure}")
        if isinstance(module, (nn.RNNBase, nn.RNNCellBase)):
            raise Refusal("keeps a state that is no neuron's; use rsnn.torch.LIFRecurrent, or leave it outside")
        adopted = copy.deepcopy(module, self.copies)
        if calls == SEQUENCE and not isinstance(module, ANY_AXES):
            adopted = _shifted(adopted)
        self.pairs.append(Pair(path, module, adopted, calls, None))
        return adopted


_READERS: Mapping[type[Row], Callable[..., tuple[nn.Module, str]]] = {
    Neuron: Walk._neuron,
    Container: Walk._container,
    Stateless: Walk._stateless,
}


def _with_linear(reading: Reading, layer: Layer, batch_first: bool) -> nn.Module:
    """Put what a library applies to the input inside of its neuron in front of the layer."""
    if reading.linear is None:
        return layer
    return Sequential(OrderedDict(linear=reading.linear, neuron=layer), batch_first=batch_first)


def _shifted(module: nn.Module) -> nn.Module:
    """Make of a module that counts axes with time the one that counts them without."""
    if type(module) is nn.Flatten and module.start_dim >= 2:
        end = module.end_dim if module.end_dim < 0 else module.end_dim - 1
        return nn.Flatten(module.start_dim - 1, end)
    raise Refusal("is called with time and batch, and what it does with two axes in front is not known; put it into Lift or its like")


def _wanted(module: nn.Module) -> str | None:
    """Tell how the first module that minds is called, which is how the model is."""
    try:
        row = find(module)
    except Refusal:
        return None
    if row is not None:
        said = row.calls(module)
        if said is not None:
            return said
    return next((said for child in module.children() if (said := _wanted(child)) is not None), None)


def _require(wanted: str, calls: str) -> None:
    if wanted != calls:
        raise Refusal(f"takes {CALLED[wanted]}, and what is around it gives it {CALLED[calls]}; make all of them alike")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _called(module: nn.Module) -> str:
    """Name a class as its users do."""
    kind = type(module)
    library = library_of(kind)
    return f"{library}.{kind.__name__}" if library else kind.__name__

"""What is public: the names that ``__all__`` lists, the modules among them and what these list, and the methods of the classes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from importlib import import_module
from types import ModuleType
from typing import Any

MODULES = ("rsnn",)
"""What is called unless another module is asked for; a module stands for the public ones in it."""
APART = {"rsnn": ("rsnn.description", "rsnn.cli", "rsnn.network.stream")}
"""Public modules that no ``__all__`` names."""
SPECIAL = ("__call__", "__getitem__", "__iter__", "__len__")
"""Methods with underscores that users call."""
RESULTS = """
    Result NetworkResult chip.Check chip.ChipNetworkResult chip.ChipResult chip.LayerReport chip.loihi.LoihiNetwork chip.Limit
    chip.Report chip.StateRange chip.Stats chip.Target chip.TimeConstant chip.dynapcnn.Discretized chip.dynapcnn.LayerSpread
    chip.dynapcnn.Spread chip.tinyodin.ChipEvents convert.Candidate convert.Comparison convert.LayerComparison convert.Search
    metrics.Agreement metrics.Intervals metrics.LayerWorkload metrics.Workload nir.Audit nir.Cause nir.LayerAudit plasticity.LearnResult
    plasticity.PlasticResult plasticity.SensorResult plot.Explorer stages.Description torch.AdoptedLayer torch.Adoption torch.Agreement
    torch.Health torch.LayerAgreement torch.LayerHealth torch.SequentialResult torch.init.CalibratedLayer torch.init.Calibration
    neurons.Kernel network.stream.Stream
"""
HOOKS = """
    *.kernel *.described *.coefficients *.start *.table *.compute *.fan_out *.advance *.check_state *.check_size *.operands
    Network.shape_before Network.at [CLR]*.weights Spikes.unpack_block stages.*.check stages.*.hint stages.*.parameters stages.*.ranges
    stages.*.recipe stages.*.terms stages.*.after_fire stages.*.steps surrogate.*.of chip.ChipNetwork.batch_axis chip.ChipNetwork.build
    chip.ChipNetwork.enter chip.ChipNetwork.gather chip.ChipNetwork.in_float chip.ChipNetwork.layout chip.ChipNetwork.parts
    chip.ChipNetwork.ranges chip.ChipNetwork.restore chip.ChipNetwork.row chip.ChipNetwork.rungs chip.ChipNetwork.take_in
    chip.IntegerNeuron.numbers chip.loihi.LIF.line chip.loihi.Dense.sums plasticity.RewardModulated.decay torch.losses.*.term
    torch.losses.*.labels torch.losses.*.of torch.losses.*.recording torch.losses.*.reduce presets.sinabs.MaxSpike.__call__
"""
LEFT_OUT = {
    "reference.*": "it is the definition, over any arrays: it takes what was checked before, and holds no checks itself",
    "metrics.reference.*": "it is a definition, over any arrays, as rsnn.reference",
    "cli.main": "fuzz.commands calls it, with lines of words",
    **dict.fromkeys(RESULTS.split(), "what a call gives, made by rsnn alone; its methods are called"),
    **dict.fromkeys(HOOKS.split(), "engines call it, with what was checked before"),
}
"""Public names that are not called, and why; a star stands for any name."""


def modules(home: str) -> Iterator[ModuleType]:
    """Give a module and the public ones in it."""
    names, seen = [home, *APART.get(home, ())], set()
    while names:
        module = import_module(names.pop(0))
        yield module
        for name in (*getattr(module, "__all__", ()), *getattr(module, "_MODULES", ())):
            inner = getattr(module, name)
            if inspect.ismodule(inner) and inner.__name__.startswith(home) and inner.__name__ not in seen:
                seen.add(inner.__name__)
                names.append(inner.__name__)


def public(homes: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Give the functions and classes of modules, each once, without the errors. Where nothing is listed, what has examples is meant."""
    seen: list[Any] = []
    for module in (module for home in homes for module in modules(home)):
        listed = getattr(module, "__all__", None)
        for name in listed or [name for name, value in vars(module).items() if not name.startswith("_") and is_documented(value)]:
            value = getattr(module, name)
            home = (getattr(value, "__module__", None) or "").startswith(module.__name__.partition(".")[0] if listed else module.__name__)
            raised = inspect.isclass(value) and issubclass(value, BaseException)
            if callable(value) and home and not raised and not any(value is one for one in seen):
                seen.append(value)
                yield f"{module.__name__}.{name}".removeprefix("rsnn."), value


def methods(kind: type) -> Iterator[tuple[str, Any, type]]:
    """Give the public methods of a class that its own library has written: the name, how the class holds it, and the class it is of."""
    for name in dir(kind):
        static = inspect.getattr_static(kind, name)
        function = getattr(static, "__func__", static)
        if inspect.isfunction(function) and (not name.startswith("_") or name in SPECIAL):
            owner = next(one for one in kind.__mro__ if name in vars(one))
            if owner.__module__.partition(".")[0] == kind.__module__.partition(".")[0]:
                yield name, static, owner


def is_documented(function: Callable[..., Any]) -> bool:
    """Tell whether a docstring says what is taken, or shows how it is called: a function for users."""
    text = getattr(function, "__doc__", None) or ""
    return "Parameters\n" in text or ">>>" in text


def stale(homes: tuple[str, ...] = MODULES) -> list[str]:
    """Give what is left out and is not there."""
    names = [name for name, _ in public(homes)]
    names += [f"{name}.{method}" for name, kind in public(homes) if inspect.isclass(kind) for method, _, _ in methods(kind)]
    return [pattern for pattern in LEFT_OUT if not any(fnmatch(name, pattern) for name in names)]


def reason(name: str) -> str:
    """Why a public name is not called, or nothing."""
    return next((why for pattern, why in LEFT_OUT.items() if fnmatch(name, pattern)), "")

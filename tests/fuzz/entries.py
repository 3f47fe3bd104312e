"""What is public, and how it is meant to be called: the arguments that the examples in the docstrings hand in."""

from __future__ import annotations

import contextlib
import doctest
import inspect
import io
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import numpy as np

MODULES = (
    "rsnn", "rsnn.chip", "rsnn.datasets", "rsnn.decode", "rsnn.encode", "rsnn.events", "rsnn.memory", "rsnn.metrics", "rsnn.nir",
    "rsnn.plasticity", "rsnn.presets.norse", "rsnn.presets.snntorch", "rsnn.presets.sinabs", "rsnn.presets.spikingjelly", "rsnn.records",
    "rsnn.stages", "rsnn.surrogate",
)  # fmt: skip
"""What needs numpy alone. rsnn.torch and rsnn.plot can be named too: a call of theirs takes a hundred times as long."""
HOOKS = ("kernel", "table", "coefficients", "start", "plot")
"""Methods that engines call with what was checked before, and pictures, which need matplotlib: they are not called."""
MOST = 20_000
"""Arguments of examples with more elements are left out: calls are to be many."""
EXAMPLES = 12
"""So many calls of one entry are kept."""


@dataclass
class Entry:
    """One public callable, and the calls of it that were seen: the object it was called on, if any, and the arguments by name."""

    name: str
    call: Callable[..., Any]
    parameters: dict[str, inspect.Parameter]
    method: bool = False
    seen: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)


@dataclass
class Interface:
    """The entries, and every value that an example handed in under a name or had a method called on."""

    entries: list[Entry]
    by_name: dict[str, list[Any]]
    objects: dict[str, list[Any]]


def public(module: ModuleType, seen: set[str]) -> Iterator[tuple[str, Any]]:
    """Names and callables of a module and of the modules that it names, each once."""
    listed, home = getattr(module, "__all__", None), module.__name__.partition(".")[0]
    for name in listed or [name for name in vars(module) if not name.startswith("_")]:
        value = getattr(module, name)
        if inspect.ismodule(value):
            own = value.__name__.startswith(module.__name__ + ".") and not value.__name__.endswith(".reference")
            if listed and own and value.__name__ not in seen:
                seen.add(value.__name__)
                yield from public(value, seen)
        elif callable(value) and (getattr(value, "__module__", None) or "").startswith(module.__name__ if not listed else home):
            where = f"{module.__name__}.{name}".removeprefix("rsnn.")
            shown = listed or inspect.isclass(value) or is_documented(value)
            if shown and not (inspect.isclass(value) and issubclass(value, BaseException)):
                yield where, value


def discover(modules: tuple[str, ...]) -> list[Entry]:
    """Every public function and class, and every method whose docstring says what it takes or shows how it is called."""
    found: dict[Any, Entry] = {}
    walked: set[str] = set(modules)
    for name, value in (pair for module in modules for pair in public(import_module(module), walked)):
        if value in found or inspect.isabstract(value):
            continue
        found[value] = Entry(name, value, parameters_of(value))
        if not inspect.isclass(value):
            continue
        for attribute in dir(value):
            static = inspect.getattr_static(value, attribute)
            function = getattr(static, "__func__", static)
            called = attribute in ("__getitem__", "__call__") or (is_documented(function) and not attribute.startswith("_"))
            if inspect.isfunction(function) and attribute not in HOOKS and called:
                bound = isinstance(static, (classmethod, staticmethod))
                call = getattr(value, attribute)
                parameters = parameters_of(call)
                if not bound:
                    parameters.pop(next(iter(parameters)), None)
                if (value, attribute) not in found and (bound or function not in found):
                    found[(value, attribute) if bound else function] = Entry(f"{name}.{attribute}", call, parameters, not bound)
    return [entry for entry in found.values() if entry.parameters or entry.method]


def is_documented(function: Any) -> bool:
    """Tell whether a docstring says what is taken, or shows how it is called: a function for users."""
    text = getattr(function, "__doc__", None) or ""
    return "Parameters\n" in text or ">>>" in text


def parameters_of(call: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters that can be given by name."""
    try:
        given = inspect.signature(call).parameters
    except (ValueError, TypeError):
        return {}
    return {name: p for name, p in given.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


def copied(value: Any) -> Any:
    """A value as it is now, however it is changed later."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(map(copied, value))
    if type(value) is dict:
        return {key: copied(one) for key, one in value.items()}
    return value


def elements(value: Any) -> int:
    """How many numbers a value holds, roughly."""
    if isinstance(value, (list, tuple)):
        return sum(map(elements, value[:MOST]))
    return int(getattr(value, "size", 1)) if isinstance(value, np.ndarray) else 1


class Watch:
    """Notes what the functions of the entries are called with, while it is a profile function."""

    def __init__(self, entries: list[Entry]) -> None:
        self.by_name: dict[str, list[Any]] = defaultdict(list)
        self.objects: dict[str, list[Any]] = defaultdict(list)
        self.codes: dict[CodeType, list[Entry]] = defaultdict(list)
        for entry in entries:
            function: Any = entry.call.__init__ if inspect.isclass(entry.call) else entry.call  # type: ignore[misc]
            function = inspect.unwrap(getattr(function, "__func__", function))
            if isinstance(function, FunctionType):
                self.codes[function.__code__].append(entry)

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Note one call."""
        if event != "call" or frame.f_code not in self.codes:
            return
        code, values = frame.f_code, dict(frame.f_locals)
        arguments = [values[name] for name in code.co_varnames[: code.co_argcount]]
        if code.co_flags & inspect.CO_VARARGS:
            arguments += values[code.co_varnames[code.co_argcount + code.co_kwonlyargcount]]
        named = {name: values[name] for name in code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]}
        if code.co_flags & inspect.CO_VARKEYWORDS:
            named |= values[code.co_varnames[code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & inspect.CO_VARARGS)]]
        entry = self.meant(frame, arguments)
        if entry is None:
            return
        owner = arguments.pop(0) if (entry.method or code.co_varnames[:1] in (("self",), ("cls",))) and arguments else None
        given = {name: copied(value) for name, value in (*zip(entry.parameters, arguments, strict=False), *named.items())}
        if sum(map(elements, given.values())) > MOST:
            return
        for name, value in given.items():
            self.by_name[name].append(value)
        if entry.method:
            self.objects[type(owner).__name__].append(owner)
        if len(entry.seen) < EXAMPLES:
            entry.seen.append((owner if entry.method else None, given))

    def meant(self, frame: FrameType, arguments: list[Any]) -> Entry | None:
        """Which of the entries that share this code was called."""
        entries = self.codes[frame.f_code]
        if len(entries) == 1:
            return entries[0]
        for entry in entries:
            own = arguments[0] if arguments else None
            if entry.call is type(own) or entry.call.__name__ == frame.f_code.co_name or getattr(entry.call, "__self__", None) is own:
                return entry
        # The calls that are made from a table, such as rsnn.lif, share one piece of code and differ in their closure.
        made = frame.f_locals.get("name")
        return next((entry for entry in entries if entry.call.__name__ == made), None)


def harvest(modules: tuple[str, ...]) -> Interface:
    """Find the entries, run the examples of their docstrings and note how they are called."""
    if modules == MODULES:
        sys.modules.setdefault("torch", None)  # type: ignore[arg-type]  # examples that would import it are left out
    entries = discover(modules)
    watch = Watch(entries)
    finder = doctest.DocTestFinder(recurse=False, exclude_empty=True)
    for entry in entries:
        tests = finder.find(entry.call, entry.name, module=False, globs={})
        for test in tests:
            scope: dict[str, Any] = {}
            sys.setprofile(watch)
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    for example in test.examples:
                        exec(compile(example.source, entry.name, "single"), scope)
            except Exception:  # an example that shows an error, or needs a library that is not here
                pass
            finally:
                sys.setprofile(None)
    for entry in entries:  # objects whose methods no example shows
        if inspect.isclass(entry.call):
            for _, given in entry.seen[:2] or [(None, {})]:
                with contextlib.suppress(Exception):
                    watch.objects[entry.call.__name__].append(entry.call(**given))
    entries = [one for one in entries if not one.method or one.seen or watch.objects.get(owner_of(one))]
    by_name = {name: distinct(values) for name, values in watch.by_name.items()}
    return Interface(entries, by_name, {name: values[:EXAMPLES] for name, values in watch.objects.items()})


def owner_of(entry: Entry) -> str:
    """The name of the class that a method is of."""
    return entry.name.split(".")[-2]


def distinct(values: list[Any]) -> list[Any]:
    """One of each value, by what it looks like."""
    return list({f"{type(value).__name__} {str(value)[:200]} {getattr(value, 'shape', '')}": value for value in values}.values())[:40]

"""How what is public is meant to be called: the arguments that the examples in the docstrings, and the scenes, hand in."""

from __future__ import annotations

import contextlib
import copy
import doctest
import inspect
import io
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np

from fuzz import scenes, tensors
from fuzz.names import MODULES, is_documented, methods, public, reason, stale

MOST = 20_000
"""Arguments of examples with more elements are left out: calls are to be many."""
EXAMPLES = 12
"""So many calls of one entry are kept, and objects of one class."""


@dataclass
class Entry:
    """One public callable, and the calls of it that were seen: the object it was called on, if any, and the arguments by name."""

    name: str
    call: Callable[..., Any]
    parameters: dict[str, inspect.Parameter]
    rest: str = ""
    """The name of what takes any number of arguments, or nothing."""
    owner: type | None = None
    """The class whose objects it is called on."""
    seen: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, owner: Any, given: dict[str, Any]) -> Any:
        """Call it as it is meant."""
        named = dict(given)
        rest = named.pop(self.rest, ())
        rest = rest if isinstance(rest, (tuple, list)) else (rest,)
        kinds = (inspect.Parameter.POSITIONAL_ONLY, *(() if not rest else (inspect.Parameter.POSITIONAL_OR_KEYWORD,)))
        by_place = [named.pop(p.name) for p in self.parameters.values() if p.kind in kinds and p.name in named]
        call = self.call if self.owner is None else getattr(owner, self.call.__name__)
        return call(*by_place, *rest, **named)


@dataclass
class Interface:
    """The entries, every value that an example handed in under a name, and the objects of every class."""

    entries: list[Entry]
    by_name: dict[str, list[Any]]
    objects: dict[type, list[Any]]

    def undriven(self) -> list[str]:
        """Name what is never called as it is meant to be: entries, and methods for users of objects that calls hand out."""
        never = [one.name for one in self.entries if not one.seen and (one.parameters or one.rest or one.owner)]
        called = {(one.owner, one.call.__name__) for one in self.entries}
        for kind in self.objects:
            if kind.__module__.startswith("rsnn.") and any(type(one) is kind for one in self.objects[kind]):
                for name, static, _ in methods(kind):
                    where = f"{kind.__module__}.{kind.__name__}.{name}"
                    known = isinstance(static, (classmethod, staticmethod)) or any((one, name) in called for one in kind.__mro__)
                    if not known and is_documented(static) and not reason(where.removeprefix("rsnn.")):
                        never.append(where)
        return never


def discover(modules: tuple[str, ...]) -> list[Entry]:
    """Every public function, class and method, without those that are left out for a reason."""
    found: dict[Any, Entry] = {}
    for name, value in public(modules):
        if not inspect.isabstract(value) and not reason(name):
            found[value] = Entry(name, value, *parameters_of(value))
        if not inspect.isclass(value):
            continue
        for attribute, static, owner in methods(value):
            bound, where = isinstance(static, (classmethod, staticmethod)), f"{name}.{attribute}"
            key = (value, attribute) if bound else static
            if key not in found and not reason(where):
                call = getattr(value, attribute)
                parameters, rest = parameters_of(call)
                if not bound:
                    parameters.pop(next(iter(parameters), ""), None)
                found[key] = Entry(where, call, parameters, rest, None if bound else owner)
    return list(found.values())


def parameters_of(call: Callable[..., Any]) -> tuple[dict[str, inspect.Parameter], str]:
    """The parameters that can be given by name, and the name of what takes the rest."""
    try:
        given = inspect.signature(call).parameters.values()
    except (ValueError, TypeError):
        return {}, ""
    if {p.kind for p in given} == {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
        return {}, ""  # what `object` and torch.nn.Module say where nothing is taken
    rest = next((p.name for p in given if p.kind is p.VAR_POSITIONAL), "")
    return {p.name: p for p in given if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}, rest


def copied(value: Any) -> Any:
    """A value as it is now, however it is changed later."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if tensors.is_tensor(value):
        return tensors.copied(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(copied, value))
    if type(value) in (list, tuple):
        return type(value)(map(copied, value))
    if type(value) is dict:
        return {key: copied(one) for key, one in value.items()}
    return copy.deepcopy(value) if tensors.is_module(value) else value


def elements(value: Any) -> int:
    """How many numbers a value holds, roughly."""
    if isinstance(value, (list, tuple)):
        return sum(map(elements, value[:MOST]))
    if tensors.is_tensor(value):
        return int(value.numel())
    return int(getattr(value, "size", 1)) if isinstance(value, np.ndarray) else 1


class Watch:
    """Notes what the functions of the entries are called with, while it is a profile function."""

    def __init__(self, entries: list[Entry]) -> None:
        self.by_name: dict[str, list[Any]] = defaultdict(list)
        self.objects: dict[type, list[Any]] = defaultdict(list)
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
        places = code.co_argcount + code.co_kwonlyargcount
        arguments = [values[name] for name in code.co_varnames[: code.co_argcount]]
        if code.co_flags & inspect.CO_VARARGS:
            arguments += values[code.co_varnames[places]]
        named = {name: values[name] for name in code.co_varnames[code.co_argcount : places]}
        if code.co_flags & inspect.CO_VARKEYWORDS:
            named |= values[code.co_varnames[places + bool(code.co_flags & inspect.CO_VARARGS)]]
        entry = self.meant(frame, arguments)
        if entry is None or len(entry.seen) >= EXAMPLES:
            return
        own = entry.owner is not None or code.co_varnames[:1] in (("self",), ("cls",))
        owner = arguments.pop(0) if own and arguments else None
        self.keep(entry, owner if entry.owner else None, arguments, named)

    def keep(self, entry: Entry, owner: Any, arguments: list[Any], named: dict[str, Any]) -> None:
        """Keep one call."""
        by_place = [p.name for p in entry.parameters.values() if p.kind is not p.KEYWORD_ONLY]
        given = {name: copied(value) for name, value in (*zip(by_place, arguments, strict=False), *named.items())}
        if entry.rest and arguments[len(by_place) :]:
            given[entry.rest] = tuple(map(copied, arguments[len(by_place) :]))
        if sum(map(elements, given.values())) > MOST:
            return
        for name, value in given.items():
            self.by_name[name].append(value)
        self.note(owner)
        entry.seen.append((copied(owner), given))

    def note(self, value: Any) -> None:
        """Keep an object for the methods of its class."""
        for kind in type(value).__mro__[:-1]:
            known = self.objects[kind]
            if len(known) < EXAMPLES and not any(value is one for one in known):
                known.append(value)

    def meant(self, frame: FrameType, arguments: list[Any]) -> Entry | None:
        """Which of the entries that share this code was called."""
        entries = self.codes[frame.f_code]
        own = arguments[0] if arguments else None
        exact = [one for one in entries if one.call is type(own)]
        if len(entries) == 1 or exact:
            return (exact or entries)[0]
        for entry in entries:
            if entry.call.__name__ == frame.f_code.co_name or getattr(entry.call, "__self__", None) is own:
                return entry
        # The calls that are made from a table, such as rsnn.lif, share one piece of code and differ in their closure.
        made = frame.f_locals.get("name")
        return next((entry for entry in entries if entry.call.__name__ == made), None)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Note the calls that are made meanwhile; what they print is not shown."""
        sys.setprofile(self)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        finally:
            sys.setprofile(None)


def harvest(modules: tuple[str, ...]) -> Interface:
    """Find the entries, run the examples of their docstrings and the scenes, and note how they are called."""
    entries = discover(modules)
    watch = Watch(entries)
    finder = doctest.DocTestFinder(recurse=False, exclude_empty=True)
    for entry in entries:
        for test in finder.find(entry.call, entry.name, module=False, globs={}):
            scope = dict(vars(sys.modules[entry.call.__module__]))
            before = set(map(id, scope.values()))
            # An example may show an error, or need a library that is not here.
            with contextlib.suppress(Exception), watch.watching():
                for example in test.examples:
                    exec(compile(example.source, entry.name, "single"), scope)
            for value in scope.values():
                if id(value) not in before:
                    watch.note(value)
    if modules == MODULES:
        with watch.watching():
            for value in scenes.play():
                watch.note(value)
    for entry in entries:
        if inspect.isclass(entry.call):  # objects whose methods no example shows
            for _, given in entry.seen[:2] or [(None, {})]:
                with contextlib.suppress(Exception):
                    watch.note(entry(None, given))
        elif entry.owner and not entry.parameters and not entry.rest:
            entry.seen += [(one, {}) for one in watch.objects.get(entry.owner, ()) if not entry.seen]
    by_name = {name: distinct(values) for name, values in watch.by_name.items()}
    return Interface(entries, by_name, dict(watch.objects))


def distinct(values: list[Any]) -> list[Any]:
    """One of each value, by what it looks like."""
    return list({f"{type(value).__name__} {str(value)[:200]} {getattr(value, 'shape', '')}": value for value in values}.values())[:40]


if __name__ == "__main__":  # what `make fuzz ARGS=--names` and the tests ask for
    print("\n".join([f"no call drives {name}" for name in harvest(MODULES).undriven()] + [f"there is no {name}" for name in stale()]))

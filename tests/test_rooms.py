"""The rooms of the library, which docs/architecture.md describes: no module and no folder needs itself, no file is long.

Imports are read in the source, also those inside functions. Two kinds are left out: those for types alone, which never run, and what
data name (a preset, the tables of a library).
"""

import ast
import re
import sys
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import rsnn
import rsnn.torch as rt
from rsnn import _rsnn

ROOT = Path(__file__).parent.parent
SOURCE = Path(rsnn.__file__).parent

DOORS = {
    ("rsnn.drawn", "rsnn.plot"): "out.plot() draws a result, and pictures are made of results",
    ("rsnn.network.network", "rsnn.storage"): "net.save() writes a network, and files are read into networks",
}
"""Methods that reach up for the caller's convenience, at the moment they are called."""
HEAVY = {"torch": ("rsnn.torch", "rsnn.convert.model", "rsnn.demo.job"), "matplotlib": ("rsnn.picture", "rsnn.demo.picture")}
"""Libraries that the numpy library does without, and the only places that import them before they are asked for."""


class Import(NamedTuple):
    by: str
    of: str
    late: bool


def named(path: Path) -> str:
    parts = ("rsnn", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {named(path): path for path in SOURCE.rglob("*.py")}


def module_of(name: str) -> str:
    """Give the module that has a name, which may be one that rsnn itself imports when it is first used."""
    if name.startswith("rsnn._rsnn"):
        return "rsnn._rsnn"
    first = name.split(".")[1] if name.startswith("rsnn.") else ""
    if name not in MODULES and first in rsnn._ELSEWHERE:
        return f"rsnn.{rsnn._ELSEWHERE[first]}"
    return name if name in MODULES or "." not in name else module_of(name.rpartition(".")[0])


class Reader(ast.NodeVisitor):
    """Lists the imports of a module, and the names of rsnn that it uses as ``rsnn.Name``."""

    def __init__(self, name: str) -> None:
        self.name, self.depth, self.found = name, 0, set[Import]()
        package = MODULES[name].name == "__init__.py"
        self.here = name.split(".") if package else name.split(".")[:-1]
        self.visit(ast.parse(MODULES[name].read_text()))

    def add(self, name: str) -> None:
        of = module_of(name)
        if of != self.name:
            self.found.add(Import(self.name, of, self.depth > 0))

    def visit_Import(self, node: ast.Import) -> None:
        for one in node.names:
            self.add(one.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        above = ".".join(self.here[: len(self.here) - node.level + 1]) if node.level else ""
        base = ".".join(part for part in (above, node.module) if part)
        for one in node.names:
            self.add(f"{base}.{one.name}")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and node.value.id == "rsnn":
            self.add(f"rsnn.{node.attr}")
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.Lambda) -> None:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    visit_Lambda = visit_FunctionDef

    def visit_If(self, node: ast.If) -> None:
        for_types = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for one in (*(() if for_types else (node.test, *node.body)), *node.orelse):
            self.visit(one)


IMPORTS = sorted(set().union(*(Reader(name).found for name in MODULES)))


def room_of(name: str) -> str:
    """Give the folder or file right below rsnn that a module is in."""
    return ".".join(name.split(".")[:2])


@pytest.mark.parametrize("part", [str, room_of], ids=["module", "room"])
def test_none_needs_itself_by_any_way_around(part: Callable[[str], str]) -> None:
    needs: dict[str, set[str]] = {}
    for one in IMPORTS:
        by, of = part(one.by), part(one.of)
        if (one.by, one.of) not in DOORS and by != of:
            needs.setdefault(by, set()).add(of)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other: {' <- '.join(error.args[1])}; move what both need into a module of its own")


@pytest.mark.parametrize(("by", "of"), DOORS)
def test_a_door_upwards_is_there_and_opens_only_when_it_is_called(by: str, of: str) -> None:
    assert [one.late for one in IMPORTS if (one.by, one.of) == (by, of)] == [True]


@pytest.mark.parametrize("library", HEAVY)
def test_the_numpy_library_imports_a_heavy_library_only_where_it_is_asked_for(library: str) -> None:
    early = {one.by for one in IMPORTS if one.of.split(".")[0] == library and not one.late}
    assert {name for name in early if not name.startswith(HEAVY[library])} == set()
    assert early, "nothing was found, so nothing was looked at"


def test_the_numpy_library_imports_no_torch_module_of_ours_before_it_is_asked_for() -> None:
    def is_torch(name: str) -> bool:
        return name.startswith(HEAVY["torch"])

    assert [one for one in IMPORTS if is_torch(one.of) and not is_torch(one.by) and not one.late] == []


ROADS = {
    "rsnn.simulate": (lambda: rsnn.simulate(rsnn.LIF(), np.ones((3, 2))), ["simulation.py"]),
    "rsnn.torch.LIF": (
        lambda: rt.LIF()(torch.ones(3, 1, 2)),
        ["torch/modules.py", "torch/functional.py", "torch/_autograd.py", "torch/_ops.py"],
    ),
}
"""The rooms between a call and the border to Rust, which is the last of at most five; the kernel is behind it."""


@pytest.mark.parametrize("name", ROADS)
def test_an_array_passes_no_other_rooms_on_its_way_to_the_kernel(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call, road = ROADS[name]
    passed: list[str] = []
    scan = _rsnn.scan

    def border(*arguments: Any, **options: Any) -> Any:
        frame: Any = sys._getframe(1)
        while frame is not None:
            passed.append(frame.f_code.co_filename)
            frame = frame.f_back
        return scan(*arguments, **options)

    monkeypatch.setattr(_rsnn, "scan", border)
    call()
    rooms = [Path(one).relative_to(SOURCE).as_posix() for one in reversed(passed) if Path(one).is_relative_to(SOURCE)]
    assert list(dict.fromkeys(rooms)) == road
    assert len(road) + 1 <= 5


def test_every_file_and_folder_that_the_architecture_names_is_there() -> None:
    places = [*ROOT.glob("python/**/*"), *ROOT.glob("rust/**/*"), *ROOT.glob("tests/**/*")]
    held = {f"/{place.relative_to(ROOT).as_posix()}{'/' if place.is_dir() else ''}" for place in places}
    named = set(re.findall(r"`([\w/.]+(?:\.py|\.rs|/))`", (ROOT / "docs" / "architecture.md").read_text()))
    assert len(named) > 80
    assert {name for name in named if not any(place.endswith(f"/{name}") for place in held)} == set()


@pytest.mark.parametrize("folder", ["python", "rust", "tests", "benchmarks", "examples", "docs", "tools"])
def test_no_file_of_code_has_more_than_600_lines(folder: str) -> None:
    files = [path for ending in ("*.py", "*.pyi", "*.rs") for path in (ROOT / folder).rglob(ending)]
    assert files
    assert {path.name: lines for path in files if (lines := path.read_text().count("\n")) > 600} == {}

"""`make bench`: every part runs, judges what it finds as the page says it, and the page is what the kept results make of it."""

import importlib
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "benchmarks"
PARTS = ("neurons", "training", "recurrent", "mlp", "inference", "chips", "peers", "cost")
PAGE = ROOT / "docs" / "performance.md"

# A part is a program in a fresh process, which loads torch; two of them train.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def targets(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("targets")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("page")


def kept() -> dict[str, Any]:
    return json.loads((FOLDER / "results.json").read_text())


def speed(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / "speed.py"), "--into", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_measures_each_of_its_targets_and_the_page_shows_them(
    name: str, tmp_path: Path, targets: ModuleType, page: ModuleType
) -> None:
    done = speed(tmp_path, "--quick", "--only", name, "--peers", sys.executable)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "benchmarks" / "results.json").read_text())
    found = page.figures(results, name)
    assert results[name]["rounds"] == 1
    assert results[name] != kept().get(name)
    for figure in found:
        assert figure.note if figure.value is None else math.isfinite(figure.value) and figure.value >= 0, figure
    wanted = [(aim, where) for aim in targets.Aim if aim.value.part == name for where in aim.value.reach]
    assert sorted((figure.aim, figure.where) for figure in found if figure.aim) == sorted((aim.name, where) for aim, where in wanted)
    text = (tmp_path / "docs" / "performance.md").read_text()
    for aim, where in wanted:
        (figure,) = (each for each in found if (each.aim, each.where) == (aim.name, where))
        assert f"| {aim.value.work} | {where} | {aim.value.measure} | {aim.value.bound(where)} | {figure.text} |" in text
    for figure in found:
        if not figure.aim and figure.value is not None:
            assert f"| {figure.text} |" in text
    assert (tmp_path / "docs" / "cost.png").stat().st_size > 10_000


def test_a_library_that_is_not_installed_is_named_in_the_page(tmp_path: Path) -> None:
    bare = tmp_path / "python"  # without what is installed beside this Python's rsnn, but with rsnn, numpy and torch
    bare.write_text(f"""#!/bin/sh
exec {sys.executable} -c '
import runpy, sys
for name in ("norse", "snntorch", "sinabs", "spikingjelly", "jax"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
sys.path.insert(0, "{FOLDER}")
runpy.run_path(sys.argv[0], run_name="__main__")
' "$@"
""")
    bare.chmod(0o755)
    done = speed(tmp_path, "--quick", "--only", "peers", "--peers", str(bare))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "docs" / "performance.md").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("Left out: "))
    assert all(f"{name} (" in line for name in ("norse", "snntorch", "sinabs", "spikingjelly"))
    assert "jax, a compiled scan (" in line
    assert "not measured: none of them is installed | not measured |" in text


def test_a_part_that_fails_keeps_its_old_figures_and_the_command_says_so(tmp_path: Path) -> None:
    done = speed(tmp_path, "--quick", "--only", "peers", "--peers", "/bin/false")
    assert done.returncode == 1
    assert "peers failed: its figures are those of before" in done.stdout
    assert json.loads((tmp_path / "benchmarks" / "results.json").read_text()) == kept()


def test_the_page_is_what_the_kept_results_make_of_it(page: ModuleType) -> None:
    assert page.render(kept(), PAGE.read_text()) == PAGE.read_text()


def test_every_target_stands_in_the_page_with_its_verdict(page: ModuleType) -> None:
    judged = list(page.verdicts(kept()))
    assert len(judged) > 50
    for aim, where, _, verdict in judged:
        row = rf"^\| {re.escape(aim.value.work)} \| {re.escape(where)} \|.*\| {re.escape(verdict)} \|$"
        assert re.search(row, PAGE.read_text(), re.MULTILINE), (aim, where)


def test_the_page_says_why_each_missed_target_is_missed(page: ModuleType) -> None:
    text = PAGE.read_text()
    assert page.unexplained(kept(), text) == []
    missed = next(aim.value.work for aim, _, _, verdict in page.verdicts(kept()) if "missed" in verdict)
    assert page.unexplained(kept(), text.replace(f"**{missed}**", "")) == [missed]


def test_the_programs_and_options_that_the_page_names_exist() -> None:  # test_docs.py holds what it names of make
    text = PAGE.read_text()
    programs = re.findall(r"benchmarks/(\w+\.py)", text) + re.findall(r"^\| `(\w+\.py)` \|", text, re.MULTILINE)
    assert programs
    assert all((FOLDER / program).is_file() for program in programs)
    said = subprocess.run([sys.executable, FOLDER / "speed.py", "--help"], capture_output=True, text=True, check=True).stdout
    options = re.findall(r'`make bench ARGS="([^"]*)"`', text)
    assert options
    for option in " ".join(options).split():
        assert option in said


@pytest.mark.parametrize(
    ("value", "at_least", "verdict"),
    [
        (1.5, False, "reached"),
        (1.5049, False, "reached"),  # written as 1.50
        (1.5051, False, "**missed**"),
        (1.4949, True, "**missed**"),  # written as 1.49
        (1.4951, True, "reached"),  # written as 1.50
        (1234.4, True, "reached"),
        (None, True, "not measured"),
    ],
)
def test_a_figure_is_judged_as_it_is_written(value: float | None, at_least: bool, verdict: str, targets: ModuleType) -> None:
    target = targets.Target("part", "work", "measure", {"here": 1.5}, at_least)
    assert target.verdict(targets.Figure("work", "here", "measure", value)) == verdict


def test_a_figure_has_three_digits(targets: ModuleType) -> None:
    written = [targets.said(value) for value in (0, 0.06399, 1.0, 28.04, 116.2, 999.6, 43024.4)]
    assert written == ["0", "0.0640", "1.00", "28.0", "116", "1,000", "43,024"]


def test_a_figure_of_a_place_without_a_target_is_refused(targets: ModuleType) -> None:
    with pytest.raises(KeyError, match="NEW has no target for 'elsewhere'"):
        targets.Aim.NEW.found("elsewhere", 1.0)

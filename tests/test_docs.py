"""What the documents show is run: every docstring's example, every block of Python in the README and in docs, every tutorial.

Blocks marked ``py`` need other libraries: those of docs/howto are run in `tests/peers`, those of docs/chips.md are held in `tests/chip`.
"""

import doctest
import importlib
import inspect
import pkgutil
import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest

import rsnn
from rsnn.cli import bench, main

ROOT = Path(__file__).parent.parent
GENERATED = ("api", "neurons", "_build")
"""What `make docs` writes into docs."""
WRITTEN = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.relative_to(ROOT / "docs").parts[0] not in GENERATED]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *WRITTEN]
TUTORIALS = [page for page in WRITTEN if "file_format: mystnb" in page.read_text()]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules() -> list[str]:
    found = [info.name for info in pkgutil.walk_packages(rsnn.__path__, "rsnn.")]
    return ["rsnn", *(name for name in found if name != "rsnn.__main__")]


def examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for name in modules() for test in finder.find(importlib.import_module(name)) if test.examples]


def blocks() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text[: match.start()].count("\n") + 2
            found.append((f"{page.relative_to(ROOT)}:{line}", "\n" * (line - 1) + match[1]))
    return found


@pytest.mark.parametrize("test", examples(), ids=lambda test: test.name)
def test_the_example_of_a_docstring_runs_and_prints_what_it_says(test: doctest.DocTest) -> None:
    report: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    assert not report, "".join(report)


@pytest.mark.parametrize(("where", "code"), blocks(), ids=lambda value: value if "\n" not in value else "code")
def test_a_block_of_python_in_a_page_runs(where: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, where, "exec"), {"__name__": "__main__"})  # the page's own asserts say what comes out


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_runs_and_its_own_asserts_hold(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    text = page.read_text()
    cells = list(re.finditer(r"^```\{code-cell\}\n((?::[^\n]*\n)*)(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert cells
    for cell in cells:
        code = re.sub(r"^%.*$", "", cell[2], flags=re.MULTILINE)  # a line for the notebook alone
        exec(compile("\n" * text[: cell.start(2)].count("\n") + code, str(page), "exec"), names)


def shell() -> list[str]:
    """Give the lines for the shell that the pages show."""
    blocks = [match[1] for page in PAGES for match in re.finditer(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)]
    return [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]


def helped(command: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Give the words of the example that the help of a command ends with, however it was wrapped."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    return shlex.split(capsys.readouterr().out.rpartition("example: rsnn ")[2])


def in_a_folder_with_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where the files are that the commands of pages and helps read."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(bench, "ROUNDS", 1)
    for where, code in blocks():  # what the page saves, for the commands after it
        if where.startswith("docs/start.md"):
            exec(compile(code, where, "exec"), {"__name__": "__main__"})
    np.save("events.npy", np.ones((10, 64), dtype=np.int8))


@pytest.mark.parametrize("line", [line for line in shell() if line.startswith("rsnn ") and line != "rsnn demo"])
def test_a_command_in_a_page_runs(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_folder_with_files(tmp_path, monkeypatch)
    assert main(shlex.split(line)[1:]) == 0


# `rsnn demo` is run by tests/test_demo.py.
@pytest.mark.parametrize("command", ["info", "simulate", "check", "bench"])
def test_the_example_in_the_help_of_a_command_runs(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_a_folder_with_files(tmp_path, monkeypatch)
    words = helped(command, capsys)
    assert words[0] == command
    assert main(words) == 0


def test_every_target_of_make_and_every_extra_that_a_page_names_is_there() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", text)) | {line.split()[1] for line in shell() if line.startswith("make ")}
    assert {"demo", "test", "docs"} <= named <= targets
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    named = set(re.findall(r"(?:rsnn|\.)\[(\w+)\]\"", text))
    assert {"torch", "plot", "notebook"} <= named <= extras


def test_every_name_of_rsnn_that_a_page_mentions_is_there() -> None:
    absent = set()
    for page in PAGES:
        for name in re.findall(r"(?<![\w./\"'-])((?:rsnn|rt)(?:\.[A-Za-z_]\w*)+)", page.read_text()):
            value: object = rsnn
            for part in re.sub(r"^rt\.", "rsnn.torch.", name).split(".")[1:]:
                value = getattr(value, part, None)
            if value is None:
                absent.add((page.name, name))
    assert not absent


def test_the_readme_shows_numpy_torch_and_chip_use() -> None:
    code = "".join(block for where, block in blocks() if where.startswith("README.md"))
    assert "rsnn.simulate" in code
    assert "rsnn.torch" in code
    assert "rsnn.chip" in code


def test_every_module_says_what_it_is_for() -> None:
    silent = [name for name in modules() if not (importlib.import_module(name).__doc__ or "").strip()]
    assert not silent


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_links_to_is_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", page.read_text())
    made = re.compile(rf"(\.\./)*({'|'.join(GENERATED)})/")
    assert not [link for link in links if not made.match(link) and not (page.parent / link).exists()]


def test_the_glossary_has_thirty_terms_and_more_in_order_each_with_a_meaning() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text()
    terms = re.findall(r"^([^\n:#]+)\n: \S", text, re.MULTILINE)
    assert len(terms) >= 30
    assert terms == sorted(set(terms), key=str.lower)
    assert len(terms) == text.count("\n: ")
    assert '"deflist"' in (ROOT / "docs" / "conf.py").read_text()  # or it is shown as paragraphs


def test_the_manual_has_a_page_with_equation_defaults_and_picture_for_every_neuron(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    generated = importlib.import_module("generated")
    monkeypatch.setattr(generated, "HERE", tmp_path)
    generated.write()
    names = [kind.__name__ for kind in rsnn.neurons.NAMED.values()]
    assert {path.stem for path in (tmp_path / "neurons").glob("*.md")} == {*names, "index"}
    for name in names:
        page = (tmp_path / "neurons" / f"{name}.md").read_text()
        for argument in inspect.signature(getattr(rsnn, name)).parameters:
            assert f"| `{argument}` | `" in page
        assert "::\n\n" in getattr(rsnn, name).__doc__  # its equation
        assert "<-" in getattr(rsnn, name).__doc__ or "u  = " in getattr(rsnn, name).__doc__
        assert (tmp_path / "neurons" / f"{name}.png").stat().st_size > 5000
    written = {path.stem for path in (tmp_path / "api").glob("*.md")}
    assert written == {*generated.MODULES, "index"}

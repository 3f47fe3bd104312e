"""What the documents show is run: every docstring's example, every block of Python in the README and in docs, every tutorial."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import rsnn

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
    monkeypatch.setattr(rsnn.plot, "explore", lambda *_: None)  # opens a window
    names: dict[str, object] = {"__name__": "__main__"}
    text = page.read_text()
    cells = list(re.finditer(r"^```\{code-cell\}\n((?::[^\n]*\n)*)(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert cells
    for cell in cells:
        code = re.sub(r"^%.*$", "", cell[2], flags=re.MULTILINE)  # a line for the notebook alone
        exec(compile("\n" * text[: cell.start(2)].count("\n") + code, str(page), "exec"), names)


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

"""The package as a user gets it: light to import, small, typed, and numpy its only need."""

import ast
import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import rsnn

ROOT = Path(__file__).parent.parent
INSTALLED = Path(rsnn.__file__).parent
EXTRAS = {"torch", "plot", "notebook", "nir", "datasets", "demo", "test", "docs"}


def python(code: str, *arguments: str) -> str:
    """Run code in an interpreter of its own, which takes rsnn from where this one does."""
    setup = f"import sys; sys.path.insert(0, {str(INSTALLED.parent)!r})\n"
    done = subprocess.run([sys.executable, *arguments, "-c", setup + code], capture_output=True, text=True, check=True)
    return done.stdout


def test_import_brings_neither_torch_nor_matplotlib_nor_sklearn() -> None:
    loaded = python("import rsnn, sys; print(*{m.partition('.')[0] for m in sys.modules})").split()
    assert not {"torch", "matplotlib", "sklearn", "scipy", "rich"} & set(loaded)


def test_import_costs_at_most_20_ms_beyond_numpy() -> None:
    # Time of the processor, the least of several: what else the machine does is no cost of ours.
    code = "import numpy, time; t = time.process_time(); import rsnn; print(time.process_time() - t)"
    assert min(float(python(code)) for _ in range(5)) <= 0.020


def test_type_checkers_and_programs_find_the_same_names_in_the_same_places() -> None:
    (block,) = [node for node in ast.parse((INSTALLED / "__init__.py").read_text()).body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert {name: module for name, module in seen.items() if module} == rsnn._ELSEWHERE
    assert {name for name, module in seen.items() if not module} <= set(rsnn._MODULES)
    assert set(rsnn._ELSEWHERE) <= set(rsnn.__all__)


def test_every_documented_name_is_there_and_dir_finds_it() -> None:
    listed = dir(rsnn)
    for name in (*rsnn.__all__, "Network", "Linear", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten", "chip", "surrogate", "torch", "plot"):
        assert getattr(rsnn, name) is not None
        assert name in listed


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_like_this"):
        rsnn.nothing_like_this  # noqa: B018


def test_build_info_says_what_is_running() -> None:
    info = rsnn.build_info()
    assert info["version"] == rsnn.__version__ == importlib.metadata.version("rsnn")
    assert info["profile"] == "release"
    assert info["simd"]
    assert info["threads"] >= 1


def test_the_tests_run_against_the_installed_package() -> None:
    assert ROOT / "python" not in INSTALLED.parents or (INSTALLED / "_rsnn.abi3.so").exists()


def test_types_are_shipped() -> None:
    assert (INSTALLED / "py.typed").exists()
    assert (INSTALLED / "_rsnn.pyi").exists()


def test_numpy_is_the_only_need_and_the_rest_are_extras() -> None:
    needs = importlib.metadata.requires("rsnn") or []
    assert [need for need in needs if "extra ==" not in need] == ["numpy>=2"]
    assert set(importlib.metadata.metadata("rsnn").get_all("Provides-Extra") or []) >= EXTRAS


def test_a_wheel_is_small_and_for_every_python_from_3_11() -> None:
    wheels = [*ROOT.glob("target/wheels/*.whl"), *ROOT.glob("dist/*.whl")]
    if not wheels:
        pytest.fail("no wheel was built here; 'make test' builds one")
    for wheel in wheels:
        assert "-cp311-abi3-" in wheel.name
        assert wheel.stat().st_size <= 5 * 2**20
        names = zipfile.ZipFile(wheel).namelist()
        assert {"rsnn/_rsnn.abi3.so", "rsnn/_rsnn.pyi", "rsnn/py.typed", "rsnn/torch/__init__.py"} <= set(names)
        assert any(name.endswith("licenses/LICENSE") for name in names)
        assert not [name for name in names if "tests/" in name or name.endswith(".pyc")]

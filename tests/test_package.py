"""The package as a user gets it: light to import, small, typed, and numpy its only need."""

import importlib.metadata
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import rsnn

ROOT = Path(__file__).parent.parent
INSTALLED = Path(rsnn.__file__).parent
EXTRAS = {"torch", "plot", "demo", "test", "docs"}
DEMO = [sys.executable, "-m", "rsnn", "demo"]


def python(code: str, *arguments: str) -> str:
    """Run code in an interpreter of its own, which takes rsnn from where this one does."""
    setup = f"import sys; sys.path.insert(0, {str(INSTALLED.parent)!r})\n"
    done = subprocess.run([sys.executable, *arguments, "-c", setup + code], capture_output=True, text=True, check=True)
    return done.stdout


def test_import_brings_neither_torch_nor_matplotlib_nor_sklearn() -> None:
    loaded = python("import rsnn, sys; print(*{m.partition('.')[0] for m in sys.modules})").split()
    assert not {"torch", "matplotlib", "sklearn", "scipy", "rich"} & set(loaded)


def test_import_costs_at_most_20_ms_beyond_numpy() -> None:
    code = "import numpy, time; t = time.perf_counter(); import rsnn; print(time.perf_counter() - t)"
    # The least of several: the machine may be busy, the import cannot be faster than it is.
    assert min(float(python(code)) for _ in range(9)) <= 0.020


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
        pytest.skip("no wheel was built here; 'make test' builds one")
    for wheel in wheels:
        assert "-cp311-abi3-" in wheel.name
        assert wheel.stat().st_size <= 5 * 2**20
        names = zipfile.ZipFile(wheel).namelist()
        assert {"rsnn/_rsnn.abi3.so", "rsnn/_rsnn.pyi", "rsnn/py.typed", "rsnn/torch/__init__.py"} <= set(names)
        assert any(name.endswith("licenses/LICENSE") for name in names)
        assert not [name for name in names if "tests/" in name or name.endswith(".pyc")]


def test_info_is_one_line_a_fact_and_needs_no_extra() -> None:
    done = subprocess.run([sys.executable, "-m", "rsnn", "info"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"rsnn {rsnn.__version__}\n")
    assert "simd" in done.stdout


@pytest.mark.parametrize("arguments", [["demo", "--epochs", "0"], ["demo", "--seed", "x"], ["demo", "--threads=-1"], ["nothing"], []])
def test_a_wrong_command_line_is_refused_with_usage(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "rsnn", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage: python -m rsnn" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_without_its_extra_names_the_way_to_get_it() -> None:
    code = "import sys; sys.modules['rich'] = None; from rsnn.cli import main; sys.exit(main(['demo']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'pip install "rsnn[demo]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_refuses_a_folder_that_cannot_be_written_before_it_trains(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run([*DEMO, "--out", str(tmp_path / "file")], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "--out" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.timeout(300)
def test_the_demo_repeats_exactly_whatever_the_number_of_threads(tmp_path: Path) -> None:
    results = []
    for name, threads in (("a", "1"), ("b", "2")):
        command = [*DEMO, "--epochs", "1", "--seed", "3", "--threads", threads, "--out", str(tmp_path / name)]
        subprocess.run(command, capture_output=True, check=True, cwd=tmp_path)
        results.append(json.loads((tmp_path / name / "demo.json").read_text())["results"])
        assert (tmp_path / name / "demo.png").stat().st_size > 50_000
    assert results[0] == results[1]

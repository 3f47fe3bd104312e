"""The command line and the main job: what it reaches, that it repeats, that it stops."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import rsnn

DEMO = [sys.executable, "-m", "rsnn", "demo"]


def results(folder: Path, *arguments: str) -> dict[str, Any]:
    subprocess.run([*DEMO, *arguments, "--out", str(folder)], capture_output=True, check=True)
    assert (folder / "demo.png").stat().st_size > 50_000
    found: dict[str, Any] = json.loads((folder / "demo.json").read_text())["results"]
    return found


@pytest.mark.timeout(600)
def test_the_demo_learns_keeps_its_spikes_in_numpy_and_its_answers_in_integers(tmp_path: Path) -> None:
    found = results(tmp_path)
    assert found["test_pictures"] == 450
    assert found["accuracy_float"] >= 0.95
    assert abs(found["accuracy_integer"] - found["accuracy_float"]) <= 0.02
    assert found["spike_trains_compared"] == 450 * (16 * 64 + 32 * 16 + 10)
    assert found["spike_trains_different"] == 0
    assert found["limits_exceeded"] == []


@pytest.mark.timeout(300)
def test_the_demo_repeats_exactly_whatever_the_number_of_threads(tmp_path: Path) -> None:
    short = ("--epochs", "1", "--seed", "3")
    assert results(tmp_path / "a", *short, "--threads", "1") == results(tmp_path / "b", *short, "--threads", "2")


def test_ctrl_c_ends_the_demo_with_one_sentence_and_no_picture(tmp_path: Path) -> None:
    # A process started in the background may have been told to ignore the signal; a person's has not.
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from rsnn.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "demo", "--epochs", "1000", "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        while not (tmp_path / "out").exists():
            time.sleep(0.05)
        time.sleep(5.0)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert said == "rsnn: stopped by Ctrl-C; no picture was written.\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_info_is_one_line_a_fact_and_needs_no_extra() -> None:
    done = subprocess.run([sys.executable, "-m", "rsnn", "info"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"rsnn {rsnn.__version__}\n")
    assert "simd" in done.stdout


@pytest.mark.parametrize("arguments", [["demo", "--epochs", "0"], ["demo", "--seed", "x"], ["demo", "--threads=-1"], ["nothing"], []])
def test_a_wrong_command_line_is_refused_with_usage(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "rsnn", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage: rsnn" in done.stderr
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

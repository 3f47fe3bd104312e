"""The programs in examples/: each runs at small size, learns, writes what it says, and stops when told to."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "examples"
TIMEOUT = 280.0
"""Seconds; a run takes some ten, on a machine with nothing else to do."""
SHARED = "command"
"""No example, but what they share."""
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != SHARED)

pytestmark = pytest.mark.timeout(2 * TIMEOUT + 20)


def run(name: str, folder: Path, *arguments: str, launcher: tuple[str, ...] = ("-W", "error")) -> dict[str, Any]:
    """Run an example as a person would, and give its numbers."""
    # gloo then needs neither a network nor a name for this machine.
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | ({"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {})
    command = [sys.executable, *launcher, str(FOLDER / f"{name}.py"), "--quick", "--out", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    assert (folder / f"{name}.png").stat().st_size > 10_000
    assert f"{name}.png" in done.stdout.splitlines()[-1]
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


def test_digits_are_read_after_three_epochs(tmp_path: Path) -> None:
    found = run("digits", tmp_path)
    assert found["epochs"] == 3
    assert found["accuracy"]["0"] >= 0.8


def test_converted_digits_are_within_a_point_of_the_relus(tmp_path: Path) -> None:
    found = run("conversion", tmp_path)
    assert found["steps"] == 64
    assert found["accuracy_relu"]["0"] >= 0.9
    assert abs(found["accuracy_spikes"]["0"] - found["accuracy_relu"]["0"]) <= 0.01
    curve = found["curves"]["0"]
    assert curve[0] < 0.8 < curve[15]  # it takes time


def test_learned_time_constants_answer_what_fixed_ones_cannot(tmp_path: Path) -> None:
    rates = run("time_constants", tmp_path)["rates"]
    assert 0.4 <= rates["fixed 20"]["both"][0] <= 0.6  # the volleys, and a guess of the cue
    assert rates["learned"]["both"][0] >= 0.75


def test_adaptive_neurons_begin_to_recall(tmp_path: Path) -> None:
    found = run("memory", tmp_path)
    assert found["adaptive"]["accuracy"][0] >= 0.7
    assert len(found["not adaptive"]["by_delay"][0]) == 11


def test_training_on_the_chip_wins_back_what_rounding_to_four_bits_lost(tmp_path: Path) -> None:
    found = run("qat", tmp_path)["mean"]
    assert found["float"] >= 0.8
    assert found["rounded"]["8"] >= found["float"] - 0.02
    assert found["trained"]["4"] >= found["rounded"]["4"]
    assert found["trained"]["4"] >= found["float"] - 0.05


def test_digits_fit_on_speck_and_need_fewer_operations_after_training_there(tmp_path: Path) -> None:
    found = run("speck_digits", tmp_path)
    assert found["fits"]
    assert len(set(found["cores"].values())) == 3
    assert found["trained"]["accuracy"] >= 0.8
    assert found["trained"]["synops"] < found["rounded"]["synops"]


def test_a_synapse_learns_the_delay_between_two_trains(tmp_path: Path) -> None:
    found = run("stdp_delay", tmp_path)
    assert found["found"]["0"] == found["delays"] == [8, 19, 30]
    assert min(found["in_time"][0]) >= 0.95  # without teachers


def test_digits_are_read_that_were_learned_without_labels(tmp_path: Path) -> None:
    found = run("stdp_digits", tmp_path)
    assert found["accuracy"]["0"] >= 0.75
    assert found["curves"]["0"][0] <= 0.6  # before anything was learned


def test_one_process_and_two_under_torchrun_learn_the_same(tmp_path: Path) -> None:
    one = run("distributed", tmp_path / "1")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    two = run("distributed", tmp_path / "2", launcher=torchrun)
    assert (one["processes"], two["processes"]) == (1, 2)
    for found in (one, two):
        assert found["accuracy"][-1] >= 0.8
    # Other pictures meet in a batch, so the losses are near each other, not equal.
    assert two["loss"][-1] == pytest.approx(one["loss"][-1], rel=0.25)


def test_two_workers_measure_what_one_process_does_bit_for_bit_and_keep_a_core_each_busy(tmp_path: Path) -> None:
    alone = run("cluster_sweep", tmp_path / "0", "--workers", "0")
    shared = run("cluster_sweep", tmp_path / "2", "--workers", "2")
    assert (alone["processes"], shared["processes"]) == (1, 2)
    assert shared["points"] == alone["points"]
    assert len({point["digest"] for point in alone["points"]}) == 4
    assert all(point["rate"] > 0 for point in alone["points"])
    assert max(alone["cores"], shared["cores"]) < 1.3  # a core, and what a worker's heartbeat takes


def test_a_sweep_runs_on_a_cluster_whose_workers_know_rsnn_alone(tmp_path: Path) -> None:
    options = "n_workers=1, threads_per_worker=2, dashboard_address=None"
    code = (
        f"from distributed import LocalCluster\nwith LocalCluster({options}) as c:\n    print(c.scheduler_address, flush=True)\n    input()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as cluster:
        assert cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        try:
            there = run("cluster_sweep", tmp_path / "there", "--scheduler", address)
        finally:
            cluster.communicate("\n", timeout=60)
    here = run("cluster_sweep", tmp_path / "here", "--workers", "0")
    assert there["points"] == here["points"]
    assert there["processes"] == 1


def test_a_sweep_refuses_workers_that_cannot_be_and_says_which_scheduler_does_not_answer(tmp_path: Path) -> None:
    for arguments, words in (
        (["--workers", "-1"], "--workers -1: must be a whole number of 0 or more"),
        (["--scheduler", "tcp://127.0.0.1:9"], "127.0.0.1:9"),
    ):
        command = [sys.executable, str(FOLDER / "cluster_sweep.py"), "--quick", "--out", str(tmp_path), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        assert done.returncode == (2 if "--workers" in arguments else 1)
        assert words in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", EXAMPLES)
def test_help_says_what_an_example_shows_how_to_run_it_and_what_came_out(name: str) -> None:
    done = subprocess.run([sys.executable, str(FOLDER / f"{name}.py"), "--help"], capture_output=True, text=True, check=True)
    for part in (f"python examples/{name}.py", "Came out", "--epochs", "--seed", "--quick", "--threads", "--out"):
        assert part in done.stdout


@pytest.mark.parametrize("arguments", [["--epochs", "0"], ["--seed", "x"], ["--threads", "-1"], ["--out", str(Path(__file__))], ["more"]])
def test_a_wrong_option_is_refused_with_usage(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, str(FOLDER / "digits.py"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage: digits.py" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", EXAMPLES)
def test_ctrl_c_ends_an_example_with_one_sentence_and_no_files(name: str, tmp_path: Path) -> None:
    # A process started in the background may have been told to ignore the signal; a person's has not.
    code = f"""import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {str(FOLDER)!r})
sys.argv = [{str(FOLDER / name) + ".py"!r}, "--epochs", "1000", "--out", {str(tmp_path / "out")!r}]
runpy.run_path(sys.argv[0], run_name="__main__")"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        while not (tmp_path / "out").exists():
            assert running.poll() is None
            time.sleep(0.05)
        time.sleep(3.0)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert said == f"{name}: stopped by Ctrl-C; nothing was written.\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_make_runs_every_example() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert EXAMPLES == [
        "cluster_sweep",
        "conversion",
        "digits",
        "distributed",
        "memory",
        "qat",
        "speck_digits",
        "stdp_delay",
        "stdp_digits",
        "time_constants",
    ]
    for name in EXAMPLES:
        assert f"examples/{name}.py $(ARGS)" in makefile

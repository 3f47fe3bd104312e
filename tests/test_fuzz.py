"""`make fuzz` finds each kind of defect when there is one, with the number of the call, and calls rsnn without finding any."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

PLANTED = '''
"""Functions with one defect each."""
import os, time
import numpy as np
from rsnn.errors import InternalError, InvalidValueError

KEPT = []


class PanicException(BaseException):
    """What a panic of Rust is in Python."""


def sound(x):
    """Refuse everything.

    >>> sound(np.ones(3))
    """
    raise InvalidValueError("x: nothing is accepted")


def foreign(x):
    raise ZeroDivisionError("nobody checked")


def broken(x):
    raise InternalError("a check inside failed")


def panic(x):
    raise PanicException("index out of bounds")


def changes(x):
    """Write into its input.

    >>> changes(np.ones(3))
    """
    if isinstance(x, np.ndarray) and x.dtype == float and x.flags.writeable:
        x[...] = 2


def slow(x):
    while True:
        pass


def aborts(x):
    os.abort()


def deaf(x):
    import signal
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPROF])
    time.sleep(600)


def leaks(x):
    KEPT.append(np.ones(2**12))


__all__ = ["NAME"]
'''


def fuzz(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), *sys.path])
    return subprocess.run(
        [sys.executable, "-m", "fuzz", "--seed", "1", *options], cwd=TESTS, env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "said", "options"),
    [
        ("foreign", "ZeroDivisionError: nobody checked", ()),
        ("broken", "InternalError: a check inside failed", ()),
        ("panic", "PanicException: index out of bounds", ()),
        ("changes", "changed x", ()),
        ("slow", "longer than 0.2 s", ("--calls", "2")),
        ("aborts", "died of SIGABRT", ("--calls", "2")),
        ("deaf", "could not be stopped", ("--calls", "1")),
        ("leaks", "resident memory grew", ("--calls", "20000", "--seconds", "90")),
    ],
)
def test_a_planted_defect_is_found_and_can_be_called_again(name: str, said: str, options: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(PLANTED.replace("NAME", name))
    done = fuzz(tmp_path, "--modules", "planted", "--calls", "60", "--limit", "0.2", *options)
    assert done.returncode == 1, done.stdout + done.stderr
    assert said in done.stdout
    assert f"DEFECT planted.{name}" in done.stdout or name == "leaks"
    assert "--seed 1 --first " in done.stdout or name == "leaks"


def test_what_refuses_everything_in_its_own_words_has_no_defect(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(PLANTED.replace("NAME", "sound"))
    done = fuzz(tmp_path, "--modules", "planted", "--calls", "60")
    assert (done.returncode, "no defect was found" in done.stdout) == (0, True), done.stdout + done.stderr
    assert "InvalidValueError 60" in done.stdout


def test_some_calls_of_everything_public_show_no_defect(tmp_path: Path) -> None:
    done = fuzz(tmp_path, "--seconds", "60", "--calls", "1500", "--limit", "20", "--stress", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1,500 calls" in done.stdout
    assert "interruptions" in done.stdout


def test_every_public_name_is_called_as_it_is_meant_to_be_or_listed_with_a_reason(tmp_path: Path) -> None:
    done = fuzz(tmp_path, "--names")
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stdout + done.stderr

"""Cases recorded from the real libraries and simulators: one test for each.

``test_NAME(case)`` takes the cases of ``NAME.npz``, found anywhere below the folder in the environment variable ``RSNN_GOLDEN`` (by
default the copy in ``tests/data/golden``). A file holds keys ``NNN/name`` or ``case/NNN/name``; a case is the mapping from name to array
of one NNN.
"""

import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(os.environ.get("RSNN_GOLDEN") or Path(__file__).parents[1] / "data" / "golden")


def cases(stem: str) -> dict[str, dict[str, np.ndarray]]:
    """Read a file of cases."""
    found = sorted(FOLDER.rglob(f"{stem}.npz"))
    if len(found) != 1:
        raise pytest.UsageError(f"{FOLDER} holds {len(found)} files {stem}.npz; RSNN_GOLDEN must name the folder of the golden data")
    read: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    with np.load(found[0], allow_pickle=False) as file:
        for key, array in file.items():
            number, _, name = key.removeprefix("case/").partition("/")
            read[number][name] = array
    return dict(sorted(read.items()))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each case."""
    if "case" in metafunc.fixturenames:
        stem = metafunc.function.__name__.removeprefix("test_")
        found = cases(stem)
        metafunc.parametrize("case", found.values(), ids=[f"{stem}-{number}" for number in found])

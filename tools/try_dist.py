"""Install what `make wheel` built into clean environments, and use it there: ``python tools/try_dist.py dist``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

USE = """
import numpy as np, rsnn
assert rsnn.lif(np.full((100, 3), 11.0), tau_mem=20.0, v_threshold=10.0).spikes.sum() == 6
net = rsnn.Network([rsnn.Linear(np.eye(3)), rsnn.IAF()], input_shape=3)
assert rsnn.chip.quantize(net, target="dynapcnn").run(np.ones((5, 3), int)).output.sum() == 15
"""
"""What must work with numpy alone."""


def attempt(archive: Path) -> None:
    """Install one archive into an environment of its own and use it; raises where that fails."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", archive], check=True)
        subprocess.run([python, "-c", USE], check=True, cwd=folder)
    print(f"{archive}: {archive.stat().st_size / 2**20:.1f} MiB, installs and runs")


def main(folder: Path) -> int:
    """Try every archive in a folder."""
    archives = sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")])
    for archive in archives:
        attempt(archive.resolve())
    return 0 if archives else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

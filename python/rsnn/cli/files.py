"""Arrays from the files that people have, .npy, .npz, .csv; and files that are to be written, looked at beforehand."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.errors import FileFormatError, InvalidValueError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def array_from(path: Path) -> NDArray[Any]:
    r"""Read the array of a file: .npy, the first of an .npz, or the rows of a .csv.

    Parameters
    ----------
    path : pathlib.Path
        Which file.

    Returns
    -------
    numpy.ndarray
        Its array, as it was stored; of a .csv a row a step, float64, where a first line of names is left out.

    Raises
    ------
    InvalidValueError
        A file of another kind.
    FileFormatError
        A file that is damaged, empty, or holds Python objects.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from rsnn.cli.files import array_from
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "x.csv"
    >>> _ = path.write_text("0.5,1\n0.5,0\n")
    >>> array_from(path).tolist()
    [[0.5, 1.0], [0.5, 0.0]]
    """
    kind = path.suffix.lower()
    if kind not in (".npy", ".npz", ".csv"):
        raise InvalidValueError(f"{path}: a file that ends in .npy, .npz or .csv is read")
    try:
        array = _rows(path) if kind == ".csv" else _stored(path)
    except OSError:
        raise
    except Exception as error:  # zipfile, struct, numpy: whatever a damaged file provokes
        cure = "write a row of numbers for each step, with commas between them" if kind == ".csv" else "write it again with numpy"
        raise FileFormatError(f"{path}: cannot be read as {kind} ({error}); {cure}") from error
    if not array.ndim or not array.size:
        raise FileFormatError(f"{path}: an array of shape {array.shape} is in it; must be (T, ...), of at least one step")
    return array


def _rows(path: Path) -> NDArray[Any]:
    """Read numbers, a row a line; leave out a first line that is none."""
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    try:
        [float(cell) for cell in lines[0].split(",")]
    except (ValueError, IndexError):
        lines = lines[1:]
    return np.loadtxt(lines, delimiter=",", ndmin=1) if lines else np.empty(0)


def _stored(path: Path) -> NDArray[Any]:
    """Read what numpy wrote."""
    with path.open("rb") as file:  # numpy leaves a damaged one open
        found = np.load(file, allow_pickle=False)
        if not isinstance(found, np.ndarray):
            if not found.files:
                raise ValueError("no array in it")
            found = found[found.files[0]]
        array: NDArray[Any] = found
        return array


def check_output(option: str, path: Path, kinds: Collection[str] = ()) -> None:
    """Refuse, before any work, a file that could not be written after it.

    Parameters
    ----------
    option : str
        Of the command line, which names it.
    path : pathlib.Path
        Where something shall go.
    kinds : collection of str, optional
        How its name may end, without the dot; by default in any way.

    Raises
    ------
    InvalidValueError
        Another ending, or a folder that is not there.

    Examples
    --------
    >>> import pathlib
    >>> from rsnn.cli.files import check_output
    >>> check_output("--out", pathlib.Path("result.npz"), ("npz",))
    """
    if kinds and path.suffix.lower().removeprefix(".") not in kinds:
        raise InvalidValueError(f"{option} {path}: must end in {', '.join(f'.{kind}' for kind in sorted(kinds))}")
    if not path.parent.is_dir():
        raise InvalidValueError(f"{option} {path}: there is no folder {path.parent}; make it, or name another")

"""Arrays from the files that people have: .npy, .npz, .csv."""

from __future__ import annotations

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
        Its array, as it was stored; of a .csv a row a step, float64.

    Raises
    ------
    InvalidValueError
        A file of another kind.
    FileFormatError
        A file that is damaged, or holds Python objects.

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
        if kind == ".csv":
            return np.loadtxt(path, delimiter=",", ndmin=1)
        with path.open("rb") as file:  # numpy leaves a damaged one open
            found = np.load(file, allow_pickle=False)
            if not isinstance(found, np.ndarray):
                if not found.files:
                    raise ValueError("no array in it")
                found = found[found.files[0]]
            array: NDArray[Any] = found
            return array
    except OSError:
        raise
    except Exception as error:  # zipfile, struct, numpy: whatever a damaged file provokes
        raise FileFormatError(f"{path}: cannot be read as {kind} ({error}); write it again with numpy") from error

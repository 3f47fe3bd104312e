"""The figure that pictures are in where none was handed over."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A figure that pyplot does not know, and that a notebook shows nevertheless, as the last value of a cell."""

    def _repr_png_(self) -> bytes:
        held = io.BytesIO()
        self.savefig(held, format="png")
        return held.getvalue()

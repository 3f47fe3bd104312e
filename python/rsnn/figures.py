"""Figures and axes for every room that draws: those that came, or new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .arguments import shown
from .errors import InvalidTypeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


def missing(error: ModuleNotFoundError) -> ImportError:
    """Make the error for a package that a picture needs."""
    return ImportError(f'rsnn.plot needs {error.name}, which this Python does not have: pip install "rsnn[plot]"')


def new_figure(figure: Figure | SubFigure | None, width: float, height: float) -> Any:
    """Give the figure that came, or one of its own, which no window or list of pyplot knows."""
    if figure is not None:
        if not hasattr(figure, "add_subplot"):
            raise InvalidTypeError(f"figure={shown(figure)}: must be a matplotlib figure or subfigure, or None for a new one")
        return figure
    try:
        from .picture import Picture
    except ModuleNotFoundError as error:
        raise missing(error) from error
    return Picture(figsize=(width, height), layout="constrained")


def new_axes(axes: Axes | None, width: float = 6.4, height: float = 3.6) -> Axes:
    """Give the axes that came, or some in a figure of their own."""
    if axes is None:
        made: Axes = plain(new_figure(None, width, height).add_subplot())
        return made
    if not hasattr(axes, "transData"):
        raise InvalidTypeError(f"axes={shown(axes)}: must be matplotlib axes, such as those of figure.subplots(), or None for new ones")
    return axes


def plain(axes: Any) -> Any:
    """Take the frame off two sides of axes that are ours."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return axes

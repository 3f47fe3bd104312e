"""What every result of a run can do: draw itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure


class Drawn:
    """A result with a picture."""

    def plot(self, figure: Figure | SubFigure | None = None, **options: Any) -> Figure | SubFigure:
        """Draw this run: spikes, and below them what was recorded.

        Parameters
        ----------
        figure : matplotlib figure or subfigure, optional
            Where to draw; by default a new one, which no window shows: ``out.plot().savefig("run.png")``.
        **options : as of `rsnn.plot.result`
            ``threshold``, ``layer``, ``sample``, ``dt``.

        Returns
        -------
        matplotlib figure

        Raises
        ------
        ImportError
            matplotlib is not installed.
        InvalidTypeError, InvalidValueError
            As of `rsnn.plot.result`.

        Examples
        --------
        >>> import rsnn
        >>> figure = rsnn.lif(1.5, tau_mem=20.0, steps=100, record="v").plot(threshold=1.0)
        >>> len(figure.axes)
        2
        """
        from rsnn import plot

        return plot.result(self, figure, **options)

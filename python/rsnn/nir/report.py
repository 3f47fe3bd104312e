"""What an audit found, in numbers, as a table and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from rsnn.tables import aligned

from .picture import draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LayerAudit:
    """How far one layer of spiking neurons agrees.

    Attributes
    ----------
    layer : int
        Its index in the network.
    called : str
        Its kind, and its name where it has one.
    expected, found : int
        Spikes of the original and of the network.
    differ : int
        Entries, neurons times steps times samples, whose spikes differ.
    first_step : int or None
        The first step in which one does.
    """

    layer: int
    called: str
    expected: int
    found: int
    differ: int
    first_step: int | None


@dataclass(frozen=True)
class Cause:
    """A change of convention that was tried on all neurons of the network.

    Attributes
    ----------
    cause : str
        ``"reset"``, ``"timing"``, ``"gain"``, ``"dt"``, ``"comparison"`` or ``"clip"``.
    what : str
        The change in words.
    first_step : int or None
        The first step that still differs with it and those before it; None where all is equal. Of two that help together alone, with both.
    differ : int
        Entries that still differ, in the sample that differs first, up to 100 steps after.
    """

    cause: str
    what: str
    first_step: int | None
    differ: int


@dataclass(frozen=True)
class Audit:
    """What `audit` found; prints as a table, and `plot` draws it.

    Attributes
    ----------
    layers : tuple of LayerAudit
        The spiking layers that were compared.
    step, layer, sample, neuron : int or None, int or None, int or None, tuple of int or None
        Where the first difference is: the earliest step, in it the first layer, by its index in the network; in it the first sample and
        neuron. None where nothing differs.
    expected, found : float or None
        The spikes of the original and of the network there.
    causes : tuple of Cause
        The changes of convention that, one after the other, make the network agree for longer. Empty where none does.
    """

    layers: tuple[LayerAudit, ...]
    step: int | None
    layer: int | None
    sample: int | None
    neuron: tuple[int, ...] | None
    expected: float | None
    found: float | None
    causes: tuple[Cause, ...]
    _pair: tuple[Array, Array] | None = None

    @property
    def agrees(self) -> bool:
        """Whether all spikes are equal."""
        return self.step is None

    @property
    def cause(self) -> str | None:
        """The likely cause, the first of `causes`; None where nothing differs or none was found."""
        return self.causes[0].cause if self.causes else None

    def __str__(self) -> str:
        rows = [("layer", "", "original", "network", "differ", "first in step")]
        rows += [
            (str(one.layer), one.called, str(one.expected), str(one.found), str(one.differ), _said(one.first_step)) for one in self.layers
        ]
        return "\n".join([aligned(rows, left=range(2)), *self._told()])

    def _told(self) -> list[str]:
        if self.agrees:
            return ["every spike is the same"]
        assert self.neuron is not None
        where = f"step {self.step}, layer {self.layer}, sample {self.sample}, neuron {', '.join(map(str, self.neuron))}"
        told = [f"first divergence: {where}: {self.expected:g} spikes in the original, {self.found:g} here"]
        if not self.causes:
            return [*told, "likely cause: none of the conventions that were tried makes it agree for longer"]
        for k, one in enumerate(self.causes):
            then = "then every spike is the same" if one.first_step is None else f"then the first difference is in step {one.first_step}"
            told.append(f"{'likely cause' if k == 0 else 'and'}: {one.cause}: {one.what}; {then}")
        return told

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the spikes of the layer that differs first: those of both, of the original alone, and of the network alone.

        Parameters
        ----------
        axes : matplotlib axes, optional
            To draw into; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            ``.figure.savefig(...)`` saves it.

        Raises
        ------
        ImportError
            matplotlib is missing.
        """
        return draw(self, axes)


def _said(step: int | None) -> str:
    return "" if step is None else str(step)

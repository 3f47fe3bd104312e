"""What a spike does to the membrane, and when: ``v`` from ``u`` and ``s``; ``theta`` is the threshold of this step."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rsnn.arguments import choice

from .stage import TIMINGS, Stage

if TYPE_CHECKING:
    from .stage import Parameter


@dataclass(frozen=True, eq=False, repr=False)
class Subtract(Stage):
    """After a spike the threshold is subtracted: ``v = u - s theta``.

    Parameters
    ----------
    timing : ``"same"``: in the step that fires. ``"next"``: at the start of the next step (snnTorch's default).
        ``"residual"``: what of this step's spikes was not already subtracted at its start (snnTorch's ``reset_delay=False``)
    """

    timing: str = "same"

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        choice("reset_timing", self.timing, TIMINGS)

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        return f"reset=subtract timing={self.timing}", ()


@dataclass(frozen=True, eq=False, repr=False)
class ToValue(Stage):
    """After a spike the membrane starts from a value: ``v = v_reset`` where it fired, else ``u``.

    Parameters
    ----------
    v_reset : the value
    timing : as of `Subtract`
    """

    v_reset: Parameter = 0.0
    timing: str = "same"

    numbers = ("v_reset",)
    reads = ("v_reset",)
    words = "reset=value"

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        choice("reset_timing", self.timing, TIMINGS)

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        return f"{self.words} timing={self.timing}", self.reads


class Blend(ToValue):
    """As `ToValue`, written as Norse and SpikingJelly write it: ``v = (1 - s) u + s v_reset``.

    The same value of a single spike, up to the sign of zero and where u is not finite; smooth in s.

    Parameters
    ----------
    v_reset : the value
    timing : as of `Subtract`
    """

    words = "reset=blend"


class BlendSubtract(Stage):
    """As `Subtract`, written as Norse's LIFBox writes it: ``v = (1 - s) u + s (u - theta)``."""

    words = "reset=blend_subtract timing=same"


@dataclass(frozen=True, eq=False, repr=False)
class Drop(Stage):
    """After a spike the next step is dropped, its input included, as of snnTorch's Synaptic and Lapicque.

    With R the spikes read off the membrane carried in, after the integration: ``u = u - R u``; residual: then ``v = u - (s - R) u``.

    Parameters
    ----------
    timing : ``"next"`` or ``"residual"``, as of `Subtract`
    """

    timing: str = "next"

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        choice("reset_timing", self.timing, ("next", "residual"))

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        return f"reset=drop timing={self.timing}", ()


@dataclass(frozen=True, eq=False, repr=False)
class Amount(Stage):
    """After a spike an amount of its own is subtracted, as of sinabs' MembraneSubtract: ``v = u - s v_subtract``.

    Parameters
    ----------
    v_subtract : the amount
    """

    v_subtract: Parameter

    numbers = ("v_subtract",)
    words = "reset=amount timing=same"
    reads = ("v_subtract",)


@dataclass(frozen=True, eq=False, repr=False)
class Gate(Stage):
    """After a spike the membrane is cut off, as of sinabs' MembraneReset: ``v = u [s = 0] + v_reset``.

    Parameters
    ----------
    v_reset : added to every neuron in every step, whether it fired or not
    """

    v_reset: Parameter = 0.0

    numbers = ("v_reset",)
    words = "reset=gate timing=same"
    reads = ("v_reset",)


RESETS = (Subtract, ToValue, Blend, BlendSubtract, Drop, Amount, Gate)

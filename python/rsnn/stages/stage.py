"""What a stage is: its numbers, the words by which the engines know it, and the recipe from the numbers to the coefficients."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rsnn.arguments import LARGEST, SMALLEST, real, shown
from rsnn.errors import InvalidValueError

if TYPE_CHECKING:
    import numpy.typing as npt

    from rsnn.neurons import Neuron

    Parameter = float | npt.ArrayLike
    Range = tuple[float, float]

ANY = (-LARGEST, LARGEST)
POSITIVE = (SMALLEST, LARGEST)
NOT_NEGATIVE = (0.0, LARGEST)
NOT_POSITIVE = (-LARGEST, 0.0)
UNIT = (0.0, 1.0)
SHORTEST, LONGEST = 1e-9, 1e15
"""Time constants lie between these many steps: beyond them the decay is 0 or 1 in float64."""

TIMINGS = ("same", "next", "residual")

# fmt: off
COEFFICIENTS = (
    "alpha", "alpha_rise", "eta", "scale",
    "beta", "k", "tau", "v_leak", "v_crit", "a0", "delta_t", "v_rheobase", "r", "inverse", "dt", "bias", "gain",
    "rho", "kappa", "couple", "inc",
    "v_threshold", "max_spikes", "v_reset", "v_subtract", "refractory", "v_min", "graded",
)
# fmt: on
"""Every coefficient that stages have, in the order in which a neuron has them; those that a whole neuron has alone come after."""


class Description:
    """A value made of its fields: equal, hashed, shown, pickled and copied by them, arrays included."""

    def _items(self) -> Iterator[tuple[str, Any, Any]]:
        for field in fields(self):  # type: ignore[arg-type]
            default = field.default_factory() if field.default_factory is not MISSING else field.default
            yield field.name, getattr(self, field.name), default

    def _key(self) -> Any:
        return (type(self).__qualname__, *(_comparable(value) for _, value, _ in self._items()))

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Description) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        # None is a field that was not given, or gave way to another one.
        said = (
            f"{name}={value if isinstance(value, Description) else shown(value)}"
            for name, value, default in self._items()
            if value is not None and _comparable(value) != _comparable(default)
        )
        return f"{type(self).__name__}({', '.join(said)})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor: a plain copy of the attributes would hold arrays that can be written.
        return _rebuild, (type(self), {name: value for name, value, _ in self._items()})


def _comparable(value: Any) -> Any:
    if isinstance(value, Description):
        return value._key()
    return (value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value


def _rebuild(kind: Any, values: dict[str, Any]) -> Any:
    return kind(**values)


@dataclass(frozen=True, eq=False, repr=False)
class Stage(Description):
    """One stage of a neuron.

    Most stages are a few lines: `numbers`, `words`, `reads` and `states`. `terms` and `recipe` are for those whose words depend on
    their numbers, or whose coefficients are not the numbers themselves.
    """

    numbers: ClassVar[tuple[str, ...]] = ()
    """The fields that are parameters: numbers or arrays, learnable, None where another one was given instead."""
    fixed: ClassVar[tuple[str, ...]] = ()
    """The fields that are numbers or arrays but not learnable."""
    states: ClassVar[tuple[str, ...]] = ()
    """The state fields that the stage needs."""
    words: ClassVar[str] = ""
    """How the engines call the stage."""
    reads: ClassVar[tuple[str, ...]] = ()
    """The coefficients that those words need."""

    def __post_init__(self) -> None:
        """Turn every number into a float or a float64 array of its own."""
        for name in (*self.numbers, *self.fixed):
            value = getattr(self, name)
            if value is not None or type(self).__dataclass_fields__[name].default is not None:
                object.__setattr__(self, name, real(name, value))

    def parameters(self) -> dict[str, Any]:
        """Give the numbers that were given, by name."""
        return {name: getattr(self, name) for name in self.numbers if getattr(self, name) is not None}

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number, as a part of this neuron."""
        return dict.fromkeys(self.numbers, ANY)

    def hint(self, name: str) -> str:
        """Say what else to do about a number outside its range."""
        return ""

    def check(self) -> None:
        """Refuse numbers that are each in range but do not go together."""

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words of the stage in the specification, and the coefficients they need."""
        return self.words, self.reads

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients from the numbers `p`, over the namespace `xp`."""
        return {name: p[name] for name in self.reads}

    def start(self, p: Mapping[str, Any]) -> dict[str, Any]:
        """Give the states that do not start at 0, from the numbers `p` of the whole neuron."""
        return {}


class Absent(Stage):
    """A stage that is not there."""

    def __init__(self, words: str = "") -> None:
        object.__setattr__(self, "words", words)

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the words, which are no field."""
        return Absent, (self.words,)


def one_of(stage: Stage, first: str, second: str, what: str = "the decay per step") -> None:
    """Refuse both of two numbers that say the same, and neither."""
    given = [name for name in (first, second) if getattr(stage, name) is not None]
    if len(given) != 1:
        came = " and ".join(f"{name}={shown(getattr(stage, name))}" for name in given) or f"neither {first}= nor {second}="
        time = " (a time constant, in the unit of dt)" if first.startswith("tau") else ""
        raise InvalidValueError(f"{came}: give exactly one of {first}={time} and {second}= ({what})")


def time_constant(dt: float, *, euler: bool = False) -> Range:
    """Give the range of a time constant. Below dt an Euler step would overshoot: its decay would be negative."""
    return (dt if euler else SHORTEST * dt, LONGEST * dt)

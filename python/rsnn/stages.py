"""The stages a neuron is built from: synapse, membrane, fire, reset, refractory period, floor.

A stage is data: a frozen dataclass with its own numbers. It knows four things: the words by which the engines know it, the
coefficients those words need, the recipe from its numbers to the coefficients, and the range of each number. What a step does with
them is written once, in `rsnn.reference`.

To add a stage, write a class here (numbers, `terms`, `recipe`, `ranges`) and its step in `rsnn.reference` and in the Rust core.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .arguments import LARGEST, MOST_STEPS, SMALLEST, choice, real, shown, whole
from .errors import InvalidTypeError, InvalidValueError

if TYPE_CHECKING:
    import numpy.typing as npt

    from .neurons import Neuron

    Parameter = float | npt.ArrayLike
    Range = tuple[float, float]

ANY = (-LARGEST, LARGEST)
POSITIVE = (SMALLEST, LARGEST)
UNIT = (0.0, 1.0)
SHORTEST, LONGEST = 1e-9, 1e15
"""Time constants lie between these many steps: beyond them the decay is 0 or 1 in float64."""

TIMINGS = ("same", "next", "residual")


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
    """One stage of a neuron."""

    numbers: ClassVar[tuple[str, ...]] = ()
    """The fields that are parameters: numbers or arrays, learnable, None where another one was given instead."""
    fixed: ClassVar[tuple[str, ...]] = ()
    """The fields that are numbers or arrays but not learnable."""
    states: ClassVar[tuple[str, ...]] = ()
    """The state fields that the stage needs."""

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

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words of the stage in the specification, and the coefficients they need, in order."""
        raise NotImplementedError

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients from the numbers `p`, over the namespace `xp`."""
        raise NotImplementedError


def _one_of(stage: Stage, first: str, second: str) -> None:
    given = [name for name in (first, second) if getattr(stage, name) is not None]
    if len(given) != 1:
        came = " and ".join(f"{name}={shown(getattr(stage, name))}" for name in given) or f"neither {first}= nor {second}="
        raise InvalidValueError(
            f"{came}: give exactly one of {first}= (a time constant, in the unit of dt) and {second}= (the decay per step)"
        )


# Synapses ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Exponential(Stage):
    """A current that decays exponentially: ``i <- alpha i + x``, and ``i`` drives the membrane.

    Parameters
    ----------
    tau_syn : time constant in the unit of dt; ``alpha = exp(-dt / tau_syn)``
    alpha : or the decay per step itself, 0 to 1
    """

    tau_syn: Parameter | None = None
    alpha: Parameter | None = None

    numbers = ("tau_syn", "alpha")
    states = ("i",)

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        _one_of(self, "tau_syn", "alpha")

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return {"tau_syn": (SHORTEST * neuron.dt, LONGEST * neuron.dt), "alpha": UNIT}

    def hint(self, name: str) -> str:
        """Say what else to do about a number outside its range."""
        return "for an input without a synapse leave tau_syn= and alpha= out"

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        return "synapse=decay_jump_use", ("alpha",)

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return {"alpha": p["alpha"] if self.tau_syn is None else xp.exp(-dt / p["tau_syn"])}


class _NoSynapse(Stage):
    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        return "synapse=none", ()

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        return {}


# Membranes -----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Leaky(Stage):
    """The membrane of LI and LIF: ``u = v_leak + beta (v - v_leak) + g r (i + bias)``.

    Parameters
    ----------
    tau_mem : time constant in the unit of dt; ``beta = exp(-dt / tau_mem)``, or ``1 - dt / tau_mem`` by ``discretization="euler"``
    beta : or the decay per step itself, 0 to 1
    v_leak, r, bias : resting value, resistance, constant input
    gain : ``"leak"`` (g = 1 - beta, the default with tau_mem) or ``"unit"`` (g = 1, the default with beta)
    discretization : ``"exact"`` or ``"euler"``
    """

    tau_mem: Parameter | None = None
    beta: Parameter | None = None
    v_leak: Parameter = 0.0
    r: Parameter = 1.0
    bias: Parameter = 0.0
    gain: str | None = None
    discretization: str = "exact"

    numbers = ("tau_mem", "beta", "v_leak", "r", "bias")
    states = ("v",)

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        _one_of(self, "tau_mem", "beta")
        default = "unit" if self.tau_mem is None else "leak"
        object.__setattr__(self, "gain", default if self.gain is None else choice("gain", self.gain, ("leak", "unit")))
        if choice("discretization", self.discretization, ("exact", "euler")) == "euler" and self.tau_mem is None:
            raise InvalidValueError(
                "discretization='euler': beta= is the decay per step already; give tau_mem=, or leave discretization= out"
            )

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        # Below dt the Euler step would overshoot: its decay would be negative.
        shortest = neuron.dt if self.discretization == "euler" else SHORTEST * neuron.dt
        return super().ranges(neuron) | {"tau_mem": (shortest, LONGEST * neuron.dt), "beta": UNIT}

    def hint(self, name: str) -> str:
        """Say what else to do about a number outside its range."""
        if name == "tau_mem" and self.discretization == "euler":
            return "an Euler step longer than tau_mem overshoots: use discretization='exact', or a smaller dt="
        return "a membrane without leak is rsnn.IAF(), or beta=1.0" if name in ("tau_mem", "beta") else ""

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients: a term that changes nothing is left out, unless it is learned."""
        gain = self.recipe(self.parameters(), dt, np)["gain"]
        moving = {"r"} if self.gain == "unit" else {"r", "tau_mem", "beta"}
        present = {
            "v_leak": np.any(self.v_leak != 0) or "v_leak" in learn,
            "bias": np.any(self.bias != 0) or "bias" in learn,
            "gain": np.any(gain != 1) or not moving.isdisjoint(learn),
        }
        used = tuple(name for name, wanted in present.items() if wanted)
        return "+".join(("membrane=leaky", *(name.removeprefix("v_") for name in used))), ("beta", *used)

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        if self.tau_mem is None:
            beta = p["beta"]
        else:
            beta = 1.0 - dt / p["tau_mem"] if self.discretization == "euler" else xp.exp(-dt / p["tau_mem"])
        gain = p["r"] if self.gain == "unit" else (1.0 - beta) * p["r"]
        return {"beta": beta, "v_leak": p["v_leak"], "bias": p["bias"], "gain": gain}


@dataclass(frozen=True, eq=False, repr=False)
class Integrator(Stage):
    """The membrane of IAF, without leak: ``u = v + (i + bias)``.

    Parameters
    ----------
    bias : constant input
    """

    bias: Parameter = 0.0

    numbers = ("bias",)
    states = ("v",)

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        if np.any(self.bias != 0) or "bias" in learn:
            return "membrane=leaky+bias", ("beta", "bias")
        return "membrane=leaky", ("beta",)

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return {"beta": xp.ones_like(p["bias"]), "bias": p["bias"]}


# Fire ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Single(Stage):
    """At most one spike a step: ``s = [u - v_threshold >= 0]``.

    Parameters
    ----------
    v_threshold : positive where the reset subtracts it, else any number
    """

    v_threshold: Parameter = 1.0

    numbers = ("v_threshold",)

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return {"v_threshold": POSITIVE if isinstance(neuron.reset, Subtract) else ANY}

    def hint(self, name: str) -> str:
        """Say what else to do about a number outside its range."""
        return "a threshold that the reset subtracts, or that fire='multi' divides by, cannot be zero or negative"

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        return "fire=single", ("v_threshold",)

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return {"v_threshold": p["v_threshold"]}


@dataclass(frozen=True, eq=False, repr=False)
class Multi(Single):
    """Several spikes a step: ``s = trunc(u / v_threshold)`` where ``u > 0``, else 0; at most max_spikes.

    Parameters
    ----------
    v_threshold : positive
    max_spikes : the most spikes in one step, a whole number; None: no limit
    """

    max_spikes: Parameter | None = None

    fixed = ("max_spikes",)

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        if self.max_spikes is not None:
            whole("max_spikes", self.max_spikes, 1)  # type: ignore[arg-type]

    def ranges(self, neuron: Neuron) -> dict[str, Range]:
        """Give the closed range of every number."""
        return {"v_threshold": POSITIVE}

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        return ("fire=multi", ("v_threshold",)) if self.max_spikes is None else ("fire=capped", ("v_threshold", "max_spikes"))

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        cap = {} if self.max_spikes is None else {"max_spikes": xp.asarray(np.array(self.max_spikes))}
        return super().recipe(p, dt, xp) | cap


class Soft(Single):
    """A smooth stand-in for a spike, to check gradients with: ``s = 0.5 + y / (1 + 2 |y|)``, ``y = u - v_threshold``.

    Its derivative is the surrogate ``FastSigmoid(2)``, so the surrogate gradient of a neuron with this stage is its true gradient.
    A reset to a value is a `Blend`, which is smooth too.
    """

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        return "fire=soft", ("v_threshold",)


class _NoFire(Stage):
    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        return "fire=none", ()

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        return {}


# Reset ---------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Subtract(Stage):
    """After a spike the threshold is subtracted: ``v = u - s v_threshold``.

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

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return {}


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

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        choice("reset_timing", self.timing, TIMINGS)

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        return f"reset=value timing={self.timing}", ("v_reset",)

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        """Give the coefficients."""
        return {"v_reset": p["v_reset"]}


class Blend(ToValue):
    """As `ToValue`, written as Norse and SpikingJelly write it: ``v = (1 - s) u + s v_reset``.

    The same value of a single spike, up to the sign of zero and where u is not finite; smooth in s.

    Parameters
    ----------
    v_reset : the value
    timing : as of `Subtract`
    """

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        """Give the words and the coefficients."""
        return f"reset=blend timing={self.timing}", ("v_reset",)


class _NoReset(Stage):
    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        return "reset=none timing=same", ()

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        return {}


# Refractory period and floor -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class _Refractory(Stage):
    """The membrane holds still and does not fire for a time after a spike."""

    refractory: Parameter

    fixed = ("refractory",)
    states = ("rest",)

    def steps(self, dt: float) -> Any:
        exact = np.asarray(self.refractory) / dt
        nearest = np.rint(exact)
        if not np.all((np.abs(exact - nearest) <= 1e-9 * np.maximum(nearest, 1.0)) & (nearest >= 0) & (nearest <= MOST_STEPS)):
            raise InvalidValueError(
                f"refractory={shown(self.refractory)}: must be a whole multiple of dt={dt:g}, from 0 to {MOST_STEPS} steps; "
                f"the nearest is {shown(nearest * dt if nearest.ndim else float(nearest) * dt)}"
            )
        return nearest

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        return "refractory", ("refractory",)

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        return {"refractory": xp.asarray(self.steps(dt))}


@dataclass(frozen=True, eq=False, repr=False)
class _Floor(Stage):
    """The membrane is kept from falling below a value."""

    v_min: Parameter

    numbers = ("v_min",)

    def terms(self, learn: Collection[str], dt: float) -> tuple[str, tuple[str, ...]]:
        return "clip", ("v_min",)

    def recipe(self, p: Mapping[str, Any], dt: float, xp: Any) -> dict[str, Any]:
        return {"v_min": p["v_min"]}


SYNAPSES = (Exponential,)
MEMBRANES = (Leaky, Integrator)
FIRES = (Single, Multi, Soft)
RESETS = (Subtract, ToValue, Blend)


def parts(neuron: Neuron) -> tuple[Stage, ...]:
    """Give the stages of a neuron in the order of a step, each absent one as a stage that does nothing."""
    reset = _expect("reset", neuron.reset, RESETS, _NoReset())
    if isinstance(neuron.fire, Soft) and type(reset) is ToValue:
        reset = Blend(reset.v_reset, reset.timing)
    return (
        _expect("synapse", neuron.synapse, SYNAPSES, _NoSynapse()),
        _expect("membrane", neuron.membrane, MEMBRANES, None),
        _expect("fire", neuron.fire, FIRES, _NoFire()),
        reset,
        *(() if neuron.refractory is None else (_Refractory(neuron.refractory),)),
        *(() if neuron.v_min is None else (_Floor(neuron.v_min),)),
    )


def _expect(name: str, stage: Any, kinds: tuple[type[Stage], ...], absent: Stage | None) -> Stage:
    if stage is None and absent is not None:
        return absent
    if isinstance(stage, kinds):
        return stage
    accepted = ", ".join(f"rsnn.stages.{kind.__name__}(...)" for kind in kinds) + (", None" if absent is not None else "")
    raise InvalidTypeError(f"{name}={shown(stage)}: must be one of {accepted}")

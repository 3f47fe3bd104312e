"""What a preset is: a neuron of stages that knows its library's arguments, and how its numbers come of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property, partial, wraps
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, cast

import numpy as np

from rsnn.arguments import flag, names, scalar, shown
from rsnn.composed import Float64Array, Kernel, Neuron
from rsnn.errors import InvalidValueError

from .numbers import Number

if TYPE_CHECKING:
    from rsnn.stages.stage import Range

P = ParamSpec("P")
Stages = dict[str, Any]
"""The arguments of `rsnn.Neuron`: a stage as a `partial` of its class, whose numbers are `Number`."""


class Preset(Neuron):
    """A neuron of another library: its stages, with that library's arguments for parameters.

    It is a `rsnn.Neuron` and equal to the one with its stages. `parameters`, `ranges` and `replace` have the library's names, and what
    is learned is learned by them. A number of a stage that comes of arguments is used as the library itself rounds it; where an
    argument has moved away from the value that it was given, by the change of the formula is added::

        number = rounded + (f(arguments) - f(arguments as given))

    so that an untrained neuron has the library's bits, and every gradient goes through f.

    It is made by the functions of `rsnn.presets`.
    """

    def __init__(self, library: str, name: str, arguments: dict[str, Any], form: Neuron, numbers: dict[str, Number]) -> None:
        self.__dict__.update(form.__dict__)
        self.__dict__.update(library=library, name=name, arguments=arguments, _form=form, _numbers=numbers)

    library: str
    """The library whose neuron it is, a module of `rsnn.presets`."""
    name: str
    """The function that made it."""
    arguments: dict[str, Any]
    """Its arguments, the library's own."""
    _form: Neuron
    _numbers: dict[str, Number]

    @property
    def stages(self) -> Neuron:
        """The general form: the same neuron with the numbers of its stages."""
        return self._form

    @cached_property
    def _ranges_by_argument(self) -> dict[str, Range]:
        ranges: dict[str, Range] = {}
        for stage_number, number in self._numbers.items():
            for name, (low, high) in number.ranges.items():
                own = ranges.get(name, (-np.inf, np.inf))
                if number.argument is not None:
                    of_stage = self._form._ranges[stage_number]
                    low, high = max(low, of_stage[0]), min(high, of_stage[1])
                ranges[name] = (max(low, own[0]), min(high, own[1]))
        order = [*signature(_function(self.library, self.name)).parameters]
        return dict(sorted(ranges.items(), key=lambda each: order.index(each[0])))

    @property
    def ranges(self) -> dict[str, Range]:
        """The closed range of each of `parameters`."""
        return dict(self._ranges_by_argument)

    @cached_property
    def _values(self) -> dict[str, Float64Array]:
        given = {name: value for number in self._numbers.values() for name, value in number.given.items()}
        return {name: given[name].astype(np.float64) for name in self._ranges_by_argument}

    @property
    def parameters(self) -> dict[str, Float64Array]:
        """The arguments that are numbers of the model, by the library's names, as float64 arrays (0-d of a scalar): what can be learned."""
        return {name: value.copy() for name, value in self._values.items()}

    @cached_property
    def _references(self) -> dict[str, Any]:
        """The formula of every derived number at the arguments as given."""
        with np.errstate(all="ignore"):
            return {key: number.formula(self._values, np) for key, number in self._numbers.items() if number.argument is None}

    def kernel(self, learn: Collection[str] = (), *, recurrent: bool = False) -> Kernel:
        """Describe the neuron to an engine; see `rsnn.Neuron`."""
        learned = names("learn", learn, self._values)
        moving = [key for key, number in self._numbers.items() if not number.ranges.keys().isdisjoint(learned)]
        return self._form.kernel(moving, recurrent=recurrent)

    def start(self, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Give the states that do not start at 0; see `rsnn.Neuron`."""
        given = values or {}
        own = {key: number.argument for key, number in self._numbers.items() if number.argument is not None}
        moved = {key: given[argument] for key, argument in own.items() if argument in given}
        return self._form.start(moved)

    def coefficients(self, values: Mapping[str, Any] | None = None, xp: Any = np) -> dict[str, Any]:
        """Compute the coefficients of a step; see `rsnn.Neuron`."""
        given = {} if values is None else values
        names("values", given, self._values)
        touched = {key: number for key, number in self._numbers.items() if not number.ranges.keys().isdisjoint(given)}
        moved = {key: self._at(key, number, given, xp) for key, number in touched.items()}
        return self._form.coefficients(moved, xp)

    def _at(self, key: str, number: Number, given: Mapping[str, Any], xp: Any) -> Any:
        """Give a number of a stage at other arguments."""
        if number.argument is not None:
            return given[number.argument]
        device = next(getattr(given[name], "device", None) for name in number.ranges if name in given)

        def array(value: Any) -> Any:
            return xp.asarray(np.array(value), device=device)  # a fresh one: torch warns about arrays that cannot be written

        def constant(value: Any) -> Any:
            return array(value) if np.ndim(value) else float(value)

        at = {name: given[name] if name in given else array(self._values[name]) for name in number.ranges}
        moved, own = number.formula(at, xp) - constant(self._references[key]), self._form._given[key]
        try:
            np.broadcast_shapes(tuple(moved.shape), np.shape(own))
        except ValueError:
            came = f"{', '.join(number.ranges)} form the shape {tuple(moved.shape)}"
            raise InvalidValueError(f"{came}, what was given in their place has {np.shape(own)}: give only the one or the other") from None
        return constant(own) + moved

    def replace(self, **parameters: Any) -> Preset:
        """Make the same neuron with other arguments, by the library's names.

        Parameters
        ----------
        **parameters : any of `parameters`, or another argument of the function that made it

        Notes
        -----
        A number that was given beside its argument, as the library derived it, does not outlive a change of the argument.

        Examples
        --------
        >>> import rsnn
        >>> rsnn.presets.norse.LIF(tau_mem_inv=50.0).replace(v_th=0.5)
        presets.norse.LIF(tau_mem_inv=50.0, v_th=0.5)
        """
        names("replace()", parameters, self.arguments)
        changed = {name: value for name, value in parameters.items() if not _same(value, self._values.get(name, self.arguments[name]))}
        function = _function(self.library, self.name)
        stale = {name for name, of in function.derived.items() if name not in self._values and not changed.keys().isdisjoint(of)}
        kept = {name: value for name, value in self.arguments.items() if name not in stale}
        return cast(Preset, function(**(kept | changed)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.library, self.name, self.arguments)

    def __repr__(self) -> str:
        defaults = signature(_function(self.library, self.name)).parameters
        said = [f"{name}={_said(value)}" for name, value in self.arguments.items() if not _same(value, defaults[name].default)]
        return f"presets.{self.library}.{self.name}({', '.join(said)})"


def _function(library: str, name: str) -> Any:
    return getattr(import_module(f"rsnn.presets.{library}"), name)


def _rebuild(library: str, name: str, arguments: dict[str, Any]) -> Any:
    return _function(library, name)(**arguments)


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, np.ndarray) or isinstance(other, np.ndarray):
        try:
            return np.shape(value) == np.shape(other) and bool(np.all(np.equal(value, other)))
        except TypeError:
            return False
    return value is other or bool(value == other)


def _said(value: Any) -> str:
    if isinstance(value, np.ndarray):
        # A float32 number is shown as it was given: 0.9 rather than the float64 nearest to it.
        value = np.array(value.astype(str).astype(np.float64))
        return shown(float(value) if value.ndim == 0 else value)
    return getattr(value, "__name__", None) or shown(value)


class Maker(Protocol[P]):
    """A function that makes presets."""

    derived: Mapping[str, tuple[str, ...]]
    """Arguments that give a number as the library derived it, each with the arguments that it is derived from."""
    stages: Callable[P, Stages]
    """The function as it was written."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Preset:
        """Make a preset."""
        ...


def preset(**derived: tuple[str, ...]) -> Callable[[Callable[P, Stages]], Maker[P]]:
    """Make presets of a function from a library's arguments to stages.

    The function is called with a `Number` in place of each argument annotated ``Parameter``, and returns `Stages`. What it writes is all
    there is to say: the numbers of its stages know which arguments they come of.

    Parameters
    ----------
    **derived : arguments that give a number as the library derived it, each with the arguments that it is derived from

    Examples
    --------
    >>> import rsnn
    >>> rsnn.presets.norse.LIF(tau_mem_inv=50.0).parameters["tau_mem_inv"]
    array(50.)
    """

    def decorate(function: Callable[P, Stages]) -> Maker[P]:
        parameters = signature(function).parameters
        library = function.__module__.rpartition(".")[2]
        numeric = {name for name, one in parameters.items() if str(one.annotation).startswith("Parameter")}
        single = {"float": scalar, "bool": flag}
        plain = {name: single[one.annotation] for name, one in parameters.items() if one.annotation in single}
        optional = {name for name in numeric if "None" in str(parameters[name].annotation)}

        @wraps(function)
        def make(*args: P.args, **kwargs: P.kwargs) -> Preset:
            bound = signature(function).bind(*args, **kwargs)
            bound.apply_defaults()
            given = bound.arguments
            given |= {name: check(name, given[name]) for name, check in plain.items()}
            numbers = {name: Number.of(name, given[name]) for name in numeric if given[name] is not None or name not in optional}
            form, found = _build(function(**(given | numbers)))  # type: ignore[call-arg]
            return Preset(library, function.__name__, given | {name: n.value for name, n in numbers.items()}, form, found)

        made = cast(Maker[P], make)
        made.derived, made.stages = derived, function
        return made

    return decorate


def _build(stages: Stages) -> tuple[Neuron, dict[str, Number]]:
    """Make the neuron, and give its numbers by the names that its stages have for them."""
    numbers: dict[str, Number] = {}

    def plain(given: Mapping[str, Any]) -> dict[str, Any]:
        numbers.update({name: value for name, value in given.items() if isinstance(value, Number)})
        return {name: value.value if isinstance(value, Number) else value for name, value in given.items()}

    made = {role: part.func(**plain(part.keywords)) if isinstance(part, partial) else part for role, part in stages.items()}
    try:
        form = Neuron(**plain(made))
    except InvalidValueError as error:
        # A stage names its own number: say which argument that is.
        stage_name, equals, rest = str(error).partition("=")
        number = numbers.get(stage_name)
        if number is None or not equals:
            raise
        if number.argument is not None:
            raise InvalidValueError(f"{number.argument}={rest}") from None
        raise InvalidValueError(f"{', '.join(number.ranges)}: {error}") from None
    return form, {name: number for name, number in numbers.items() if name in form._given and number.ranges}

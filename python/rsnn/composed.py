"""The general form of a neuron: any mix of stages, checked, and laid out for an engine.

A neuron holds numbers, nothing runs in it. `rsnn.simulate` runs it over numpy arrays, `rsnn.torch.Layer` trains it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .arguments import LARGEST, SMALLEST, choice, did_you_mean, flag, float_dtype, names, real, scalar, shape_of, shown, whole, within
from .errors import InvalidValueError
from .hints import channel_shape
from .memory import empty
from .stages import COEFFICIENTS, Blend, BlendSubtract, Description, Drop, Multi, RefractoryMask, Relu, Stage, ToValue, Whole, parts
from .state import ORDER, State, make_state

if TYPE_CHECKING:
    from typing import Self

    from .stages import Parameter, Range

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Kernel:
    """What an engine needs to know of a neuron.

    Parameters
    ----------
    spec : the stages in words, such as ``"synapse=none membrane=leaky+gain fire=single reset=subtract timing=same"``
    states : the state fields, in order
    coefficients : the names of the coefficients, in order
    spiking : whether the output is spikes; else it is the membrane
    """

    spec: str
    states: tuple[str, ...]
    coefficients: tuple[str, ...]
    spiking: bool


class AnyNeuron(Description):
    """What every neuron can do, whichever form it is written in.

    Neurons are equal where their stages are, so ``LIF(...) == LIF(...).stages``.
    """

    @property
    @abstractmethod
    def stages(self) -> Neuron:
        """The general form of this neuron."""

    def _key(self) -> Any:
        return Description._key(self.stages)

    def kernel(self, learn: Collection[str] = (), *, recurrent: bool = False) -> Kernel:
        """Describe the neuron to an engine.

        Parameters
        ----------
        learn : names of `parameters` that will change: their terms are present even where they change nothing now
        recurrent : whether its own output comes back to it, as an operand that joins the input as the neuron's `recurrence` says

        Returns
        -------
        Kernel

        Examples
        --------
        >>> import rsnn
        >>> rsnn.LIF(beta=0.5).kernel().coefficients
        ('beta', 'v_threshold')
        >>> rsnn.LIF(beta=0.5).kernel(learn=("bias",)).coefficients
        ('beta', 'bias', 'v_threshold')
        """
        return self.stages.kernel(learn, recurrent=recurrent)

    @property
    def parameters(self) -> dict[str, Float64Array]:
        """The numbers of the neuron by name, as float64 arrays (0-d of a scalar): what can be learned."""
        return {name: np.array(value) for name, value in self.stages._given.items()}

    @property
    def ranges(self) -> dict[str, Range]:
        """The closed range of each of `parameters`."""
        return dict(self.stages._ranges)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that all parameters together broadcast to: ``()`` where all are scalars."""
        return self.stages._shape

    def coefficients(self, values: Mapping[str, Any] | None = None, xp: Any = np) -> dict[str, Any]:
        """Compute the coefficients of a step from the parameters, in float64.

        Parameters
        ----------
        values : parameters to use in place of the neuron's own, by name (float64 arrays or tensors)
        xp : the namespace to compute in, `numpy` or one for tensors

        Returns
        -------
        dict
            Every coefficient the neuron can need; `kernel` says which it does need. Round once to the dtype of the data.

        Examples
        --------
        >>> import rsnn
        >>> float(rsnn.LIF(tau_mem=20.0, discretization="euler").coefficients()["beta"])
        0.95
        """
        return self.stages.coefficients(values, xp)

    def start(self, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Give the states that do not start at 0, by field.

        Parameters
        ----------
        values : parameters to use in place of the neuron's own, by name

        Examples
        --------
        >>> import rsnn
        >>> rsnn.LI(beta=0.5, v_leak=-1.0).start()
        {'v': -1.0}
        """
        return self.stages.start(values)

    def replace(self, **parameters: Any) -> Self:
        """Make the same neuron with other parameters.

        Parameters
        ----------
        **parameters : any of `parameters`, by name

        Examples
        --------
        >>> import rsnn
        >>> rsnn.LIF(beta=0.5).replace(v_threshold=2.0)
        LIF(beta=0.5, v_threshold=2.0)
        """
        names("replace()", parameters, self.stages._given)
        return replace(self, **parameters)  # type: ignore[type-var]

    def init_state(self, shape: Any, dtype: Any = np.float32, *, recurrent: bool = False, **values: Any) -> State:
        """Make the state that a run starts from: the membrane at rest (v_leak), everything else 0; `start` says what is not.

        Parameters
        ----------
        shape : the shape of one time step, batch and neurons: an int or a tuple
        dtype : of the data: float32 or float64
        recurrent : whether the neuron's own output comes back to it: then the state has the last of it, ``s``
        **values : other starting values by field (``v=``, ``i=``, ``rest=`` in steps), broadcast to `shape`

        Returns
        -------
        State
            A named tuple of new arrays of `shape`.

        Examples
        --------
        >>> import rsnn
        >>> rsnn.LIF(beta=0.5, alpha=0.9).init_state(3, i=1.0)
        State(v=array([0., 0., 0.], dtype=float32), i=array([1., 1., 1.], dtype=float32))
        """
        flag("recurrent", recurrent)
        form, sizes, kind = self.stages, shape_of("shape", shape), float_dtype("dtype", dtype)
        fields = form.kernel(recurrent=recurrent).states
        unknown = next((name for name in values if name not in fields), None)
        if unknown is not None:
            cure = did_you_mean(unknown, fields)
            raise InvalidValueError(f"{unknown}={shown(values[unknown])}: the state of this neuron has {', '.join(fields)}{cure}")
        start = form.start() | {name: real(name, value) for name, value in values.items()}
        if "rest" in values:
            whole("rest", start["rest"], 0, "it counts steps")
        arrays = []
        for name in fields:
            array = empty(sizes, kind)
            try:
                array[...] = start.get(name, 0.0)
            except ValueError:
                source = name if name in values else next((p for p, own in form._given.items() if own is start[name]), name)
                raise InvalidValueError(
                    f"{source} has shape {np.shape(start[name])}: it must broadcast to shape={sizes}; give shape=(batch..., neurons...)"
                ) from None
            arrays.append(array)
        return make_state(fields, arrays)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Neuron(AnyNeuron):
    """The general form of a neuron: any mix of the built-in stages.

    Parameters
    ----------
    synapse : `rsnn.stages.Exponential`, `Dual`, `EulerCurrent`, `Scaled`, or None: the input drives the membrane directly
    membrane : `rsnn.stages.Leaky`, `Integrator`, `Euler`, `EulerExp`, `Quad`, `Box`, `Lapicque`, `Tau`, `TauExp`, `TauQuad`, `Mul`;
        or a whole neuron, which takes little else but `fire`: `rsnn.stages.Izhikevich`, `SnnTorchAlpha`, `Coba`, `Glif3`
    adaptation : `rsnn.stages.AdaptiveThreshold`, `RelaxingThreshold`, `AdaptationCurrent`, `RecoveryCurrent`, or None
    fire : `rsnn.stages.Single`, `Strict`, `Multi`, or None: the output is the membrane
    reset : `rsnn.stages.Subtract`, `ToValue`, `Blend`, `BlendSubtract`, `Drop`, `Amount`, `Gate`, or None: the membrane goes on
    refractory : float or array, optional
        Time after a spike in which the membrane holds still, in the unit of dt: a whole multiple of it; or
        `rsnn.stages.RefractoryMask`, through which gradients flow as in Norse.
    v_min : float or array, optional
        The membrane is kept from falling below; or `rsnn.stages.Relu`, which rounds as sinabs does.
    dt : length of a step; time constants and `refractory` share its unit
    v_start : where the membrane starts: a number, or the name of a parameter; None: where the membrane says, which is v_leak
    recurrence : ``"apart"`` or ``"merged"``
        How its own output comes back to it, where a run is recurrent: as a term of its own after the input, or added to the input
        before anything else (sinabs, and every whole neuron).
    inhibition : bool, default False
        Of the neurons along the last axis of the data only the first of those whose ``u - v_threshold`` is largest may fire, and is
        reset (snnTorch).
    graded : float or array, optional
        The size of a spike that is sent on, and comes back where a run is recurrent: ``output = s graded`` (snnTorch). What resets the
        neuron is s.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A stage of another kind, a number outside its range, stages that contradict each other.

    Notes
    -----
    One step, for input x (`rsnn.reference` writes it out, for every stage)::

        i <- alpha i + x                          (without synapse: i = x)
        u  = v_leak + beta (v - v_leak) + g r (i + bias)
        s  = [u - v_threshold >= 0]               (Multi: trunc(u / v_threshold) where u > 0)
        v <- u - s v_threshold                    (ToValue: v_reset where s, else u)
        v <- max(v, v_min)

    Examples
    --------
    >>> import rsnn
    >>> from rsnn.stages import Leaky, Single, ToValue
    >>> rsnn.Neuron(membrane=Leaky(beta=0.9), fire=Single(), reset=ToValue(0.0)) == rsnn.LIF(beta=0.9, reset="zero")
    True
    """

    synapse: Stage | None = None
    membrane: Stage
    adaptation: Stage | None = None
    fire: Stage | None = None
    reset: Stage | None = None
    refractory: Parameter | RefractoryMask | None = None
    v_min: Parameter | Relu | None = None
    dt: float = 1.0
    v_start: Parameter | str | None = None
    recurrence: str = "apart"
    inhibition: bool = False
    graded: Parameter | None = None

    def __post_init__(self) -> None:
        """Check every stage, and that they go together."""
        set_ = object.__setattr__
        set_(self, "dt", scalar("dt", self.dt))
        within("dt", self.dt, SMALLEST, LARGEST)
        if self.refractory is not None and not isinstance(self.refractory, RefractoryMask):
            value = real("refractory", self.refractory)
            set_(self, "refractory", value if np.any(value != 0) else None)
        if self.v_min is not None and not isinstance(self.v_min, Relu):
            set_(self, "v_min", real("v_min", self.v_min))
        choice("recurrence", self.recurrence, ("apart", "merged"))
        set_(self, "inhibition", flag("inhibition", self.inhibition))
        if self.graded is not None:
            set_(self, "graded", real("graded", self.graded))
        self._parts  # noqa: B018 - a stage of another kind is found here
        what = self._contradiction()
        if what is not None:
            raise InvalidValueError(what)
        if isinstance(self.v_start, str):
            choice("v_start", self.v_start, tuple(self._given))
        elif self.v_start is not None:
            set_(self, "v_start", real("v_start", self.v_start))
        for part in self._parts:
            for name, value in part.parameters().items():
                within(name, value, *self._ranges[name], part.hint(name))
        self._shape  # noqa: B018 - parameters that do not broadcast are found here
        for part in self._parts:
            part.check()
        self.coefficients()  # a refractory period that is no multiple of dt is found here

    def _contradiction(self) -> str | None:
        """Say which stages do not go together, and what to do about it."""
        timing = getattr(self.reset, "timing", "same")
        if self.fire is None:
            for name in ("reset", "refractory", "adaptation", "inhibition", "graded"):
                value = getattr(self, name)
                if value is not None and value is not False:
                    return f"{name}={shown(value)}: a neuron without fire= never spikes; give fire=, or leave it out"
        if isinstance(self.fire, Multi) and (
            isinstance(self.reset, (Blend, BlendSubtract, Drop)) or (timing == "residual" and isinstance(self.reset, ToValue))
        ):
            return (
                f"reset={self.reset}: several spikes in one step cannot reset in this way; "
                "use fire='single', reset='subtract', or another reset_timing"
            )
        if isinstance(self.refractory, RefractoryMask) and not (isinstance(self.reset, Blend) and timing == "same"):
            return f"refractory={self.refractory}: takes reset=rsnn.stages.Blend(...) in the same step, as Norse has it; or give a number"
        if self.adaptation is not None and self.inhibition:
            return "inhibition=True: neurons compete by their distance from v_threshold, which an adaptation would move; leave one out"
        if self.adaptation is not None and timing != "same":
            return (
                f"reset={self.reset}: a late reset tests the membrane carried in, whose threshold the adaptation has moved since; "
                "use reset_timing='same', or no adaptation="
            )
        if getattr(self.adaptation, "is_current", False) and not getattr(self.membrane, "takes_current", False):
            return (
                f"membrane={self.membrane}: takes no adaptation current; use rsnn.stages.Euler, EulerExp, Quad, TauExp or TauQuad, "
                "or an adaptive threshold"
            )
        return None

    @property
    def stages(self) -> Neuron:
        """The general form of this neuron: itself."""
        return self

    def kernel(self, learn: Collection[str] = (), *, recurrent: bool = False) -> Kernel:
        """Describe the neuron to an engine; see `AnyNeuron.kernel`."""
        learned = names("learn", learn, self._given)
        return self._kernel_of(learned, recurrent) if learned or recurrent else self._plain_kernel

    @cached_property
    def _plain_kernel(self) -> Kernel:
        return self._kernel_of((), False)

    def _kernel_of(self, learned: tuple[str, ...], recurrent: bool) -> Kernel:
        terms = [part.terms(learned, self.dt) for part in self._parts]
        words, states = [words for words, _ in terms if words], self._states
        if recurrent:
            apart = self.recurrence == "apart" and not isinstance(self.membrane, Whole)
            words.append("recurrent" if apart else "recurrent_merged")
            states = (*states, "s")
        used = {name for _, reads in terms for name in reads}
        return Kernel(
            spec=" ".join(words),
            states=states,
            coefficients=tuple(name for name in (*COEFFICIENTS, *getattr(self.membrane, "own", ())) if name in used),
            spiking=self.fire is not None,
        )

    def start(self, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Give the states that do not start at 0; see `AnyNeuron.start`."""
        numbers = self._given | dict(values or {})
        begun = {name: value for part in self._parts for name, value in part.start(numbers).items()}
        if self.v_start is None:
            return begun
        return begun | {"v": numbers[self.v_start] if isinstance(self.v_start, str) else self.v_start}

    def coefficients(self, values: Mapping[str, Any] | None = None, xp: Any = np) -> dict[str, Any]:
        """Compute the coefficients of a step; see `AnyNeuron.coefficients`."""
        values = {} if values is None else values
        names("values", values, self._given)
        # A fresh array for each number: torch warns about arrays that cannot be written.
        numbers = {name: values[name] if name in values else xp.asarray(np.array(own)) for name, own in self._given.items()}
        return {name: value for part in self._parts for name, value in part.recipe(numbers, self.dt, xp).items()}

    def table(self, dtype: np.dtype[Any], axes: tuple[int, ...]) -> npt.NDArray[Any]:
        """Lay the coefficients out for an engine.

        Parameters
        ----------
        dtype : of the data; every coefficient is rounded to it once
        axes : the lengths of the trailing axes of the data that parameters broadcast against

        Returns
        -------
        array (number of coefficients, P)
            P = 1 where every parameter is a scalar, else the product of the last axes of the data, as many as the parameters have.
        """
        shape = self._shape
        last = axes[len(axes) - len(shape) :]
        key = (dtype, last)
        if self._newest_table[:1] != [key]:
            if len(shape) > len(axes) or any(own not in (1, there) for own, there in zip(shape, last, strict=True)):
                raise InvalidValueError(
                    f"x: the parameters have shape {shape}, which does not broadcast against the data's trailing axes {axes}; "
                    f"give scalars, or one value for each channel or neuron{channel_shape(shape, axes)}"
                )
            values = self.coefficients()
            rows = [np.broadcast_to(np.asarray(values[name], dtype), last).ravel() for name in self._plain_kernel.coefficients]
            self._newest_table[:] = [key, np.stack(rows)]
        made: npt.NDArray[Any] = self._newest_table[1]
        return made

    @cached_property
    def _newest_table(self) -> list[Any]:
        return []  # a run of many calls on the same shape makes its table once

    def replace(self, **parameters: Any) -> Neuron:
        """Make the same neuron with other parameters; see `AnyNeuron.replace`."""
        names("replace()", parameters, self._given)
        changed: dict[str, Any] = {}
        if "graded" in parameters:
            changed["graded"] = parameters["graded"]
        if "refractory" in parameters:
            changed["refractory"] = RefractoryMask(parameters["refractory"])
        if "v_min" in parameters:
            changed["v_min"] = Relu(parameters["v_min"]) if isinstance(self.v_min, Relu) else parameters["v_min"]
        for role in ("synapse", "membrane", "adaptation", "fire", "reset"):
            stage = getattr(self, role)
            mine = {} if stage is None else {name: parameters[name] for name in stage.parameters() if name in parameters}
            if mine:
                changed[role] = replace(stage, **mine)
        return replace(self, **changed)

    @cached_property
    def _parts(self) -> tuple[Stage, ...]:
        return parts(self)

    @cached_property
    def _given(self) -> dict[str, Any]:
        return {name: value for part in self._parts for name, value in part.parameters().items()}

    @cached_property
    def _ranges(self) -> dict[str, Range]:
        known = {name: value for part in self._parts for name, value in part.ranges(self).items()}
        return {name: known[name] for name in self._given}

    @cached_property
    def _states(self) -> tuple[str, ...]:
        needed = {name for part in self._parts for name in part.states}
        return tuple(name for name in ORDER if name in needed)

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        numbers = dict(self._given)
        for part in self._parts:
            numbers |= {name: getattr(part, name) for name in part.fixed if getattr(part, name) is not None}
        try:
            return np.broadcast_shapes(*(np.shape(value) for value in numbers.values()))
        except ValueError:
            came = ", ".join(f"{name} {np.shape(value)}" for name, value in numbers.items() if np.ndim(value))
            raise InvalidValueError(
                f"shapes of parameters: {came} do not broadcast together; give scalars, or arrays of the shape of the neurons"
            ) from None

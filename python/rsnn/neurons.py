"""Neurons as data: the general form, and the named neurons that are short for it.

A neuron holds numbers, nothing runs in it. `rsnn.simulate` runs it over numpy arrays, `rsnn.torch.Layer` trains it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import KW_ONLY, dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import stages
from .arguments import choice, did_you_mean, float_dtype, names, real, scalar, shape_of, shown, whole, within
from .errors import InvalidValueError
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


class AnyNeuron(stages.Description):
    """What every neuron can do, whichever form it is written in.

    Neurons are equal where their stages are, so ``LIF(...) == LIF(...).stages``.
    """

    @property
    @abstractmethod
    def stages(self) -> Neuron:
        """The general form of this neuron."""

    def _key(self) -> Any:
        return stages.Description._key(self.stages)

    def kernel(self, learn: Collection[str] = ()) -> Kernel:
        """Describe the neuron to an engine.

        Parameters
        ----------
        learn : names of `parameters` that will change: their terms are present even where they change nothing now

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
        return self.stages.kernel(learn)

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
        xp : the namespace to compute in, `numpy` or `torch`

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

    def init_state(self, shape: Any, dtype: Any = np.float32, **values: Any) -> State:
        """Make the state that a run starts from: the membrane at rest (v_leak), everything else 0.

        Parameters
        ----------
        shape : the shape of one time step, batch and neurons: an int or a tuple
        dtype : of the data: float32 or float64
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
        form, sizes, kind = self.stages, shape_of("shape", shape), float_dtype("dtype", dtype)
        unknown = next((name for name in values if name not in form._states), None)
        if unknown is not None:
            cure = did_you_mean(unknown, form._states)
            raise InvalidValueError(f"{unknown}={shown(values[unknown])}: the state of this neuron has {', '.join(form._states)}{cure}")
        start = {"v": form._given.get("v_leak", 0.0)} | {name: real(name, value) for name, value in values.items()}
        if "rest" in values:
            whole("rest", start["rest"], 0, "it counts steps")
        arrays = []
        for name in form._states:
            array = np.empty(sizes, kind)
            try:
                array[...] = start.get(name, 0.0)
            except ValueError:
                source = name if name in values else "v_leak"
                raise InvalidValueError(
                    f"{source} has shape {np.shape(start[name])}: it must broadcast to shape={sizes}; give shape=(batch..., neurons...)"
                ) from None
            arrays.append(array)
        return make_state(form._states, arrays)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Neuron(AnyNeuron):
    """The general form of a neuron: any mix of the built-in stages.

    Parameters
    ----------
    synapse : `rsnn.stages.Exponential`, or None: the input drives the membrane directly
    membrane : `rsnn.stages.Leaky` or `rsnn.stages.Integrator`
    fire : `rsnn.stages.Single`, `rsnn.stages.Multi`, or None: the output is the membrane
    reset : `rsnn.stages.Subtract`, `rsnn.stages.ToValue`, or None: the membrane goes on
    refractory : float or array, optional
        Time after a spike in which the membrane holds still, in the unit of dt: a whole multiple of it.
    v_min : float or array, optional
        The membrane is kept from falling below.
    dt : length of a step; time constants and `refractory` share its unit

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

    synapse: stages.Stage | None = None
    membrane: stages.Stage
    fire: stages.Stage | None = None
    reset: stages.Stage | None = None
    refractory: Parameter | None = None
    v_min: Parameter | None = None
    dt: float = 1.0

    def __post_init__(self) -> None:
        """Check every stage, and that they go together."""
        set_ = object.__setattr__
        set_(self, "dt", scalar("dt", self.dt))
        within("dt", self.dt, stages.SMALLEST, stages.LARGEST)
        if self.refractory is not None:
            value = real("refractory", self.refractory)
            set_(self, "refractory", value if np.any(value != 0) else None)
        if self.v_min is not None:
            set_(self, "v_min", real("v_min", self.v_min))
        if self.fire is None and (self.reset is not None or self.refractory is not None):
            what = f"reset={self.reset}" if self.reset is not None else f"refractory={shown(self.refractory)}"
            raise InvalidValueError(f"{what}: a neuron without fire= never spikes; give fire=, or leave it out")
        if isinstance(self.fire, stages.Multi) and isinstance(self.reset, stages.ToValue) and self.reset.timing == "residual":
            raise InvalidValueError("reset_timing='residual': a reset to a value has no residual of several spikes; use fire='single' or reset='subtract'")
        for part in self._parts:
            for name, value in part.parameters().items():
                within(name, value, *self._ranges[name], part.hint(name))
        self.coefficients()  # a refractory period that is no multiple of dt is found here
        self._shape  # noqa: B018 - parameters that do not broadcast are found here

    @property
    def stages(self) -> Neuron:
        """The general form of this neuron: itself."""
        return self

    def kernel(self, learn: Collection[str] = ()) -> Kernel:
        """Describe the neuron to an engine; see `AnyNeuron.kernel`."""
        learned = names("learn", learn, self._given)
        return self._kernel_of(learned) if learned else self._plain_kernel

    @cached_property
    def _plain_kernel(self) -> Kernel:
        return self._kernel_of(())

    def _kernel_of(self, learned: tuple[str, ...]) -> Kernel:
        terms = [part.terms(learned, self.dt) for part in self._parts]
        return Kernel(
            spec=" ".join(words for words, _ in terms),
            states=self._states,
            coefficients=tuple(name for _, used in terms for name in used),
            spiking=self.fire is not None,
        )

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
                    "give scalars, or one value for each channel or neuron"
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
        changed: dict[str, Any] = {name: value for name, value in parameters.items() if name == "v_min"}
        for role in ("synapse", "membrane", "fire", "reset"):
            stage = getattr(self, role)
            mine = {} if stage is None else {name: parameters[name] for name in stage.parameters() if name in parameters}
            if mine:
                changed[role] = replace(stage, **mine)
        return replace(self, **changed)

    @cached_property
    def _parts(self) -> tuple[stages.Stage, ...]:
        return stages.parts(self)

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


class _Default(float):
    """A default number, told by identity from the same number given on purpose."""

    __slots__ = ()


_TAU_MEM = _Default(20.0)


def _membrane(neuron: LI | LIF) -> stages.Leaky:
    # beta= takes the place of the default tau_mem, and contradicts one that was given on purpose.
    if neuron.tau_mem is _TAU_MEM:
        object.__setattr__(neuron, "tau_mem", None if neuron.beta is not None else float(_TAU_MEM))
    return stages.Leaky(neuron.tau_mem, neuron.beta, neuron.v_leak, neuron.r, neuron.bias, neuron.gain, neuron.discretization)


def _synapse(neuron: LI | LIF) -> stages.Exponential | None:
    return None if neuron.tau_syn is None and neuron.alpha is None else stages.Exponential(neuron.tau_syn, neuron.alpha)


def _fire(neuron: LIF | IAF) -> stages.Single:
    if choice("fire", neuron.fire, ("single", "multi")) == "multi":
        return stages.Multi(neuron.v_threshold, neuron.max_spikes)
    if neuron.max_spikes is not None:
        raise InvalidValueError(f"max_spikes={shown(neuron.max_spikes)}: fire='single' fires at most once a step; give fire='multi', or leave it out")
    return stages.Single(neuron.v_threshold)


def _reset(neuron: LIF | IAF, timing: str) -> stages.Subtract | stages.ToValue | None:
    reset = choice("reset", neuron.reset, ("subtract", "value", "zero", "none"))
    if neuron.v_reset is not None and reset != "value":
        raise InvalidValueError(f"v_reset={shown(neuron.v_reset)}: reset={reset!r} does not use it; give reset='value', or leave v_reset= out")
    if reset == "zero":
        # Kept in its general form, so that v_reset can be learned and replaced.
        object.__setattr__(neuron, "reset", "value")
        object.__setattr__(neuron, "v_reset", 0.0)
    elif reset == "value" and neuron.v_reset is None:
        raise InvalidValueError("reset='value': needs the value; give v_reset=, or reset='zero'")
    if reset == "none":
        if choice("reset_timing", timing, stages.TIMINGS) != "same":
            raise InvalidValueError(f"reset_timing={timing!r}: reset='none' never resets; leave reset_timing= out")
        return None
    return stages.Subtract(timing) if reset == "subtract" else stages.ToValue(neuron.v_reset, timing)  # type: ignore[arg-type]


class _Named(AnyNeuron):
    """A neuron that is short for a general one."""

    def __post_init__(self) -> None:
        """Check every field by building the general form, and keep the numbers as it keeps them."""
        form = self.stages
        kept = dict(form._given) | {"dt": form.dt}
        for part in form._parts:
            kept |= {name: getattr(part, name) for name in part.fixed}
        for one in fields(self):  # type: ignore[arg-type]
            if one.name in kept:
                object.__setattr__(self, one.name, kept[one.name])


@dataclass(frozen=True, eq=False, repr=False)
class LI(_Named):
    """The leaky integrator: a membrane that follows its input and does not spike.

    The exact solution of ``tau_mem dv/dt = v_leak - v + r (i + bias)`` for an input held over a step::

        i <- exp(-dt / tau_syn) i + x                       (without synapse: i = x)
        v <- v_leak + beta (v - v_leak) + g r (i + bias),   beta = exp(-dt / tau_mem)

    Its output is v.

    Parameters
    ----------
    tau_mem : float or array, default 20.0
        Membrane time constant, in the unit of dt.
    beta : float or array, optional
        The decay per step itself, 0 to 1, in place of tau_mem.
    tau_syn, alpha : float or array, optional
        Synaptic time constant, or the decay per step itself; with neither there is no synapse.
    dt : float, default 1.0
        Length of a step.
    v_leak, r, bias : float or array, default 0.0, 1.0, 0.0
        Resting value, resistance, constant input.
    gain : {"leak", "unit"}, optional
        g = 1 - beta (the default with tau_mem) or g = 1 (the default with beta).
    discretization : {"exact", "euler"}, default "exact"
        ``"euler"``: beta = 1 - dt / tau_mem. The synapse stays exact.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A field of another type or outside its range, or fields that contradict each other.

    Notes
    -----
    Arrays broadcast against the trailing axes of the data: one value per channel or per neuron. The equation is that of the
    node CubaLI / LI of the Neuromorphic Intermediate Representation (Pedersen et al., Nature Communications 2024).

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.LI(beta=0.5), [1.0, 0.0, 0.0]).output.tolist()
    [1.0, 0.5, 0.25]
    """

    tau_mem: Parameter | None = _TAU_MEM
    _: KW_ONLY
    beta: Parameter | None = None
    tau_syn: Parameter | None = None
    alpha: Parameter | None = None
    dt: float = 1.0
    v_leak: Parameter = 0.0
    r: Parameter = 1.0
    bias: Parameter = 0.0
    gain: str | None = None
    discretization: str = "exact"

    @cached_property
    def stages(self) -> Neuron:  # type: ignore[override]
        """The general form of this neuron."""
        return Neuron(synapse=_synapse(self), membrane=_membrane(self), dt=self.dt)


@dataclass(frozen=True, eq=False, repr=False)
class LIF(_Named):
    """The leaky integrate-and-fire neuron.

    The exact solution of ``tau_mem dv/dt = v_leak - v + r (i + bias)`` for an input held over a step, then fire and reset::

        i <- exp(-dt / tau_syn) i + x                       (without synapse: i = x)
        u  = v_leak + beta (v - v_leak) + g r (i + bias),   beta = exp(-dt / tau_mem)
        s  = [u - v_threshold >= 0]                         (fire="multi": trunc(u / v_threshold) where u > 0, at most max_spikes)
        v <- u - s v_threshold                              (reset="value": v_reset where s, else u)
        v <- max(v, v_min)

    Its output is s.

    Parameters
    ----------
    tau_mem : float or array, default 20.0
        Membrane time constant, in the unit of dt.
    beta : float or array, optional
        The decay per step itself, 0 to 1, in place of tau_mem.
    tau_syn, alpha : float or array, optional
        Synaptic time constant, or the decay per step itself; with neither there is no synapse.
    dt : float, default 1.0
        Length of a step.
    v_threshold : float or array, default 1.0
        Positive where it is subtracted or divided by.
    v_leak, r, bias : float or array, default 0.0, 1.0, 0.0
        Resting value, resistance, constant input.
    v_reset : float or array, optional
        The value of ``reset="value"``.
    gain : {"leak", "unit"}, optional
        g = 1 - beta (the default with tau_mem) or g = 1 (the default with beta). With torch's default initialisation a network
        with ``"leak"`` hardly fires at first: to train, use beta.
    discretization : {"exact", "euler"}, default "exact"
        ``"euler"``: beta = 1 - dt / tau_mem. The synapse stays exact.
    reset : {"subtract", "value", "zero", "none"}, default "subtract"
        ``"zero"`` is ``"value"`` with v_reset=0.
    reset_timing : {"same", "next", "residual"}, default "same"
        When the reset happens: in the step that fires; at the start of the next step (snnTorch's default, the membrane is
        reported before its reset); or what was not already subtracted at the start of this step (snnTorch's ``reset_delay=False``).
    fire : {"single", "multi"}, default "single"
        At most one spike a step, or as many as the threshold fits in.
    max_spikes : whole number or array, optional
        The most spikes in one step of ``fire="multi"``.
    refractory : float or array, default 0.0
        Time after a spike in which the membrane holds still and does not fire, in the unit of dt: a whole multiple of it.
    v_min : float or array, optional
        The membrane is kept from falling below.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A field of another type or outside its range, or fields that contradict each other.

    Notes
    -----
    Arrays broadcast against the trailing axes of the data: one value per channel or per neuron. A NaN membrane never fires.
    The equation is that of the node CubaLIF / LIF of the Neuromorphic Intermediate Representation (Pedersen et al., Nature
    Communications 2024).

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.LIF(beta=0.5), [0.75, 0.75, 0.0, 0.75]).spikes.tolist()
    [0.0, 1.0, 0.0, 0.0]
    """

    tau_mem: Parameter | None = _TAU_MEM
    _: KW_ONLY
    beta: Parameter | None = None
    tau_syn: Parameter | None = None
    alpha: Parameter | None = None
    dt: float = 1.0
    v_threshold: Parameter = 1.0
    v_leak: Parameter = 0.0
    v_reset: Parameter | None = None
    r: Parameter = 1.0
    bias: Parameter = 0.0
    gain: str | None = None
    discretization: str = "exact"
    reset: str = "subtract"
    reset_timing: str = "same"
    fire: str = "single"
    max_spikes: Parameter | None = None
    refractory: Parameter = 0.0
    v_min: Parameter | None = None

    @cached_property
    def stages(self) -> Neuron:  # type: ignore[override]
        """The general form of this neuron."""
        return Neuron(
            synapse=_synapse(self),
            membrane=_membrane(self),
            fire=_fire(self),
            reset=_reset(self, self.reset_timing),
            refractory=self.refractory,
            v_min=self.v_min,
            dt=self.dt,
        )


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class IAF(_Named):
    """The integrate-and-fire neuron: a membrane without leak, the counterpart of a ReLU::

        u  = v + x + bias
        s  = trunc(u / v_threshold) where u > 0, else 0     (fire="single": [u - v_threshold >= 0])
        v <- u - s v_threshold                              (reset="value": v_reset where s, else u)
        v <- max(v, v_min)

    Its output is s.

    Parameters
    ----------
    v_threshold : float or array, default 1.0
        Positive where it is subtracted or divided by.
    bias : float or array, default 0.0
        Constant input.
    v_reset : float or array, optional
        The value of ``reset="value"``.
    reset : {"subtract", "value", "zero", "none"}, default "subtract"
        ``"zero"`` is ``"value"`` with v_reset=0.
    fire : {"multi", "single"}, default "multi"
        As many spikes a step as the threshold fits in, or at most one.
    max_spikes : whole number or array, optional
        The most spikes in one step of ``fire="multi"``.
    refractory : whole number or array, default 0.0
        Steps after a spike in which the membrane holds still and does not fire.
    v_min : float or array, optional
        The membrane is kept from falling below.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A field of another type or outside its range, or fields that contradict each other.

    Notes
    -----
    Arrays broadcast against the trailing axes of the data: one value per channel or per neuron. A NaN membrane never fires.
    The defaults are those of sinabs (``sinabs.layers.IAF``) and of the DynapCNN chips.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.simulate(rsnn.IAF(), [0.5, 0.5, 2.5]).spikes.tolist()
    [0.0, 1.0, 2.0]
    """

    v_threshold: Parameter = 1.0
    bias: Parameter = 0.0
    v_reset: Parameter | None = None
    reset: str = "subtract"
    fire: str = "multi"
    max_spikes: Parameter | None = None
    refractory: Parameter = 0.0
    v_min: Parameter | None = None

    @cached_property
    def stages(self) -> Neuron:  # type: ignore[override]
        """The general form of this neuron."""
        return Neuron(
            membrane=stages.Integrator(self.bias),
            fire=_fire(self),
            reset=_reset(self, "same"),
            refractory=self.refractory,
            v_min=self.v_min,
        )


NAMED: dict[str, type[AnyNeuron]] = {"li": LI, "lif": LIF, "iaf": IAF}
"""Every named neuron, by the name of the function that simulates it in one call."""

"""What pictures are made of: colours, and arrays from whatever holds spikes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.arguments import LARGEST, SMALLEST, array_of, count, is_tensor, of_tensor, scalar, shown, within
from rsnn.composed import AnyNeuron
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.spikes import Spikes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

INK = "#1f2933"
"""Text and single spikes."""
FLOAT = "#2166ac"
"""What the float network did."""
INTEGER = "#d6604d"
"""What the integers of the chip did."""
QUIET = "#c3cbd3"
"""What is there for comparison only."""
DOTTED = (0, (1, 2))
"""The line of a threshold."""
LABELS = {"v": "membrane", "u": "membrane", "i": "current i", "h": "second current h", "a": "adaptation a", "w": "recovery w"}
"""What states are called on an axis."""


def color_of(value: Any) -> Any:
    """Check a colour."""
    from matplotlib.colors import is_color_like

    if not is_color_like(value):
        raise InvalidValueError(f'color={shown(value)}: must be a colour of matplotlib, such as "black", "#2166ac" or (0.1, 0.4, 0.7)')
    return value


def array(name: str, value: Any) -> NDArray[Any]:
    """Make an array of an array, a tensor, spikes or a list."""
    if is_tensor(value):
        value = of_tensor(name, value)
    if isinstance(value, Spikes):
        dense = value.numpy()
        return dense.swapaxes(0, 1) if value.batch_first else dense
    made = array_of(name, value)
    if made.dtype.kind not in "biuf":
        raise InvalidTypeError(f"{name}={shown(value)}: {made.dtype} cannot be drawn; give numbers, spikes, or the result of a run")
    return made


def finite(name: str, value: Any) -> NDArray[Any]:
    """Make an array of finite numbers, or an error that names it."""
    made = array(name, value)
    if made.dtype.kind == "f" and not np.isfinite(made).all():
        raise InvalidValueError(f"{name}: NaN or infinity came; give finite numbers")
    return made


def step_length(dt: Any) -> float:
    """Check the length of a step."""
    given = scalar("dt", dt)
    within("dt", given, SMALLEST, LARGEST)
    return given


def limits(name: str, value: Any) -> tuple[float, float] | None:
    """Check the limits of an axis: two numbers that ascend, or None."""
    if value is None:
        return None
    made = finite(name, value)
    if made.shape != (2,) or not made[0] < made[1]:
        raise InvalidValueError(f"{name}={shown(value)}: must be two numbers that ascend, (low, high), or None for those of the run")
    return float(made[0]), float(made[1])


def two_axes(name: str, value: Any) -> NDArray[Any]:
    """Make an array with two axes, or an error that names it."""
    made = array(name, value)
    if made.ndim != 2 or not made.size:
        cure = f"select or reshape first, as in {name}.reshape(len({name}), -1)"
        raise InvalidValueError(f"{name}: shape {made.shape} came, two axes are drawn, with something in them; {cure}")
    return made


def is_result(value: Any) -> bool:
    """Tell the result of a run, of a neuron, a network, a module or a chip."""
    return hasattr(value, "traces") and hasattr(value, "state")


def by_layer(result: Any) -> bool:
    """Tell the result of a network from that of a neuron."""
    return isinstance(result.spikes if getattr(result, "spiking", True) else None, Mapping)


def layer_of(result: Any, layer: Any, held: Mapping[Any, Any], what: str) -> Any:
    """Choose a layer of those that have something: by default the last."""
    if layer is None:
        if not held:
            raise InvalidValueError(f"layer: no layer of this result has {what}; for traces run with record=")
        return list(held)[-1]
    if not isinstance(layer, (str, int, np.integer)) or layer not in held:
        raise InvalidValueError(f"layer={shown(layer)}: has no {what}; these layers do: {', '.join(map(str, held)) or 'none'}")
    return layer


def spikes_in(result: Any, layer: Any) -> Any:
    """Give the spikes of a result, or of one of its layers."""
    if not by_layer(result):
        if layer is not None:
            raise InvalidValueError(f"layer={shown(layer)}: this is the result of one layer alone; leave layer= out")
        return result.spikes
    return result.spikes[layer_of(result, layer, result.spikes, "spikes")]


def traces_in(result: Any, layer: Any) -> Mapping[str, Any]:
    """Give what a result recorded, or of one of its layers."""
    if by_layer(result):
        found: Mapping[str, Any] = result.traces[layer_of(result, layer, result.traces, "traces")]
        return found
    recorded: Mapping[str, Any] = result.traces
    return recorded


def over_time(name: str, value: Any, source: Any, sample: int | None) -> NDArray[Any]:
    """Lay values out as (T, n): one sample of a batch, and its neurons in a row.

    Parameters
    ----------
    name : of the argument
    value : (T, ...)
    source : the result that they come from, which may know where its batch is; else anything
    sample : which of the second axis
    """
    made = array(name, value)
    if not made.size:
        raise InvalidValueError(f"{name}: shape {made.shape} came, so there is nothing to draw; give at least one step of one neuron")
    sample = None if sample is None else count("sample", sample, 0, "which of the batch")
    if hasattr(source, "batch_axis") and is_result(source):
        if source.batch_axis is None:
            if sample is not None:
                raise InvalidValueError(f"sample={shown(sample)}: this result has no batch; leave sample= out")
            return made.reshape(len(made), -1)
        made = made.swapaxes(0, 1) if source.batch_axis == 0 else made
        sample = 0 if sample is None else sample
    if made.ndim == 1 and sample is None:
        return made[:, None]
    if sample is not None:
        if made.ndim < 2 or not 0 <= sample < made.shape[1]:
            raise InvalidValueError(f"sample={shown(sample)}: {name} has the shape {made.shape}; the second axis has no such entry")
        return made[:, sample].reshape(len(made), -1)
    if made.ndim != 2:
        raise InvalidValueError(
            f"{name}: shape {made.shape} came, (T, n) is drawn; choose of a batch with sample=0, or reshape, as in "
            f"{name}.reshape(len({name}), -1)"
        )
    return made


def fired(spikes: Any, layer: Any, sample: int | None) -> NDArray[Any]:
    """Give spikes as (T, n), whatever holds them."""
    if is_result(spikes):
        return finite("spikes", over_time("spikes", spikes_in(spikes, layer), spikes, sample))
    if layer is not None:
        raise InvalidValueError(f"layer={shown(layer)}: only results of networks have layers; leave layer= out")
    return finite("spikes", over_time("spikes", spikes, None, sample))


def threshold_of(given: Any) -> Any:
    """Give the threshold of a neuron, or the number that came; None where there is none."""
    if isinstance(given, AnyNeuron):
        return given.coefficients().get("v_threshold")
    return None if given is None else array("threshold", given)


def whole_ticks(axis: Any, count: int) -> None:
    """Let an axis that counts have its ticks at whole numbers: one, of a single thing, else two or more."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10], min_n_ticks=min(count, 2)))


def span(axes: Axes, steps: int, dt: float) -> None:
    """Set the time axis."""
    axes.set(xlim=(-0.5 * dt, (steps - 0.5) * dt), xlabel="time step" if dt == 1.0 else "time")

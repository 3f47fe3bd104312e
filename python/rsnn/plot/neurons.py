"""What a neuron is: its answer to constant inputs, and the plane that its two variables move in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.arguments import flag, scalar, shown, size
from rsnn.composed import AnyNeuron
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.figures import new_axes
from rsnn.simulation import simulate
from rsnn.stages import Integrator
from rsnn.state import make_state

from .data import DOTTED, FLOAT, INK, INTEGER, LABELS, QUIET, color_of, finite, limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

POINTS = 600
"""Of a nullcline."""
ARROWS = 19
"""Arrows in a row of the field."""
NEAR = 0.93
"""The part of the steps of a run whose membranes are shown: in the others it runs away towards a spike, and nothing is to be seen."""
FINE = 1e-6
"""Steps this much shorter than the neuron's give the direction of its differential equation."""


def activation_curve(
    neuron: Any,
    axes: Axes | None = None,
    *,
    inputs: ArrayLike | None = None,
    steps: int = 100,
    relu: bool | None = None,
    color: str = FLOAT,
    label: str | None = None,
) -> Axes:
    """Draw how often a neuron fires under constant inputs: its activation function.

    Of `rsnn.IAF` it is the ReLU, ``max(0, steps x / v_threshold)``, rounded to whole spikes: why trained ReLU networks can become spiking
    ones (`rsnn.convert`).

    Parameters
    ----------
    neuron : a neuron of rsnn that spikes
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a figure of its own.
    inputs : array_like (n,), optional
        The inputs; by default 51 from -5 to 5 times the threshold.
    steps : int, default 100
        For so many steps each; every neuron starts at rest.
    relu : bool, optional
        Draw the ReLU too; by default for neurons without leak.
    color, label : str, optional
        Of the curve.

    Returns
    -------
    matplotlib.axes.Axes
        The axes that came in, or the new ones; the last line is the curve.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No neuron, or one that does not spike or holds arrays.

    Examples
    --------
    >>> import rsnn
    >>> from rsnn import plot
    >>> axes = plot.activation_curve(rsnn.IAF(), inputs=[-1.0, 0.25, 1.5])
    >>> axes.lines[-1].get_ydata().tolist()
    [0.0, 25.0, 150.0]
    """
    one = _scalar_neuron(neuron)
    if not one.kernel().spiking:
        raise InvalidValueError(
            f"neuron={shown(neuron)}: does not spike, so nothing can be counted; draw its membrane with rsnn.plot.traces"
        )
    threshold = float(one.coefficients()["v_threshold"])
    drive = np.linspace(-5.0, 5.0, 51) * abs(threshold) if inputs is None else np.sort(finite("inputs", inputs).astype(np.float64).ravel())
    spikes = simulate(one, drive, steps=size("steps", steps, 1)).spikes.sum(axis=0)
    color, axes = color_of(color), new_axes(axes)
    if isinstance(one.stages.membrane, Integrator) if relu is None else flag("relu", relu):
        axes.plot(drive, np.maximum(0.0, steps * drive / threshold), color=QUIET, linewidth=4.0, label="ReLU", zorder=1)
    axes.plot(
        drive,
        spikes,
        ".-",
        color=color,
        markersize=4,
        linewidth=1.0,
        label=type(neuron).__name__ if label is None else str(label),
        zorder=2,
    )
    axes.set(xlabel="constant input", ylabel=f"spikes in {steps} steps")
    axes.legend(frameon=False, fontsize=9)
    return axes


def phase_plane(
    neuron: Any,
    x: Any = 0.0,
    axes: Axes | None = None,
    *,
    steps: int | None = None,
    current: float | None = None,
    v: tuple[float, float] | None = None,
    w: tuple[float, float] | None = None,
    field: bool = True,
) -> Axes:
    """Draw the plane of membrane and recovery: nullclines, directions, and the way a run takes.

    On the nullcline of the membrane it stands still, on that of the recovery the recovery does; where they cross is a fixed point. At a
    spike the run jumps to the reset: these jumps are dotted, and dots mark where they land.

    Parameters
    ----------
    neuron : AdEx, Izhikevich, or another neuron whose state is v and one of w and a
    x : float or array (T,), default 0.0
        The input of the run: a number is constant.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a figure of its own.
    steps : int, optional
        Of a constant input: for so many steps; by default 2000. 0 draws no run.
    current : float, optional
        The input that the nullclines are for; by default the largest of x.
    v, w : pair of float, optional
        The limits of the axes; by default those of the run, without its last steps before spikes.
    field : bool, default True
        Draw arrows in the direction of movement, of equal length.

    Returns
    -------
    matplotlib.axes.Axes
        The axes that came in, or the new ones. Its lines are labelled ``"v stands still"``, ``"w stands still"`` (or a), ``"run"``,
        ``"reset"``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No neuron, one with another state, or one that holds arrays.

    Notes
    -----
    Nothing is known here of any equation: the nullclines are found from what the neuron itself does in a step of a millionth of its own
    length. The second variable must enter linearly, as it does in every neuron of rsnn.

    Examples
    --------
    >>> import rsnn
    >>> from rsnn import plot
    >>> neuron, stimulus, dt = rsnn.Izhikevich.named("tonic_spiking")
    >>> axes = plot.phase_plane(neuron, stimulus)
    >>> [line.get_label() for line in axes.lines]
    ['v stands still', 'w stands still', 'run', 'reset']
    """
    one = _scalar_neuron(neuron)
    states = one.kernel().states
    second = states[-1] if states in (("v", "w"), ("v", "a")) else None
    if second is None:
        raise InvalidValueError(
            f"neuron={shown(neuron)}: its state is {', '.join(states)}; a plane needs v and one of w and a: AdEx or Izhikevich, "
            "without synapse and refractory period"
        )
    drive, steps = finite("x", x).astype(np.float64), 2000 if steps is None else size("steps", steps, 0)
    if drive.ndim > 1:
        raise InvalidValueError(f"x: shape {drive.shape} came; must be a number or (T,), the input of one neuron")
    drive = np.full(steps, float(drive)) if drive.ndim == 0 else drive
    level = float(drive.max(initial=float(np.asarray(x)) if np.ndim(x) == 0 else 0.0)) if current is None else scalar("current", current)
    run = simulate(one, drive, record=("u", "v", second))
    begin = one.init_state((), np.float64)
    way = np.stack([np.append(begin.v, run.v), np.append(getattr(begin, second), run.traces[second])])
    threshold = float(one.coefficients()["v_threshold"])
    flow = _Flow(one, second, level)
    landed = run.v[run.spikes > 0]
    wide = limits("v", v) or _limits(np.append(landed, way[0][way[0] <= np.quantile(way[0], NEAR)]))
    at = np.linspace(*wide, POINTS)
    still_v = np.column_stack([at, flow.still_v(at)])
    still_w = flow.still_w(at)
    found = still_v[np.isfinite(still_v[:, 1]), 1]
    tall = limits("w", w) or _limits(np.append(way[1], found.min(initial=float(np.nanmax(way[1])))))
    axes = new_axes(axes, 6.4, 4.6)
    if flag("field", field):
        _draw_field(axes, flow, wide, tall)
    axes.plot(*still_v.T, color=FLOAT, linewidth=1.6, label="v stands still")
    axes.plot(*still_w.T, color=INTEGER, linewidth=1.6, label=f"{second} stands still")
    if len(drive):
        _draw_way(axes, way, run, second, threshold)
    axes.set(xlim=wide, ylim=tall, xlabel="membrane v", ylabel=LABELS[second])
    axes.legend(frameon=False, fontsize=9, ncols=4, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
    return axes


def _draw_field(axes: Axes, flow: _Flow, wide: tuple[float, float], tall: tuple[float, float]) -> None:
    """Draw arrows of equal length in the directions of movement."""
    # In one row: axes that were drawn on with names of categories take no more than that.
    grid = [one.ravel() for one in np.meshgrid(np.linspace(*wide, ARROWS), np.linspace(*tall, ARROWS))]
    size = np.array([wide[1] - wide[0], tall[1] - tall[0]])
    along = np.stack(flow.direction(*grid)) / size[:, None]
    along /= np.maximum(np.hypot(*along), 1e-300)
    axes.quiver(*grid, *along, color=QUIET, angles="uv", pivot="mid", scale=1.3 * ARROWS, width=0.0025, zorder=0)


def _draw_way(axes: Axes, way: NDArray[Any], run: Any, second: str, threshold: float) -> None:
    """Draw a run without its jumps, and then the jumps."""
    fired = np.nonzero(run.spikes)[0]
    # A spike is where the threshold is passed; the membrane of Izhikevich's last step is far beyond, which says nothing.
    peaks = np.minimum(run.u[fired], threshold)
    steps = np.insert(way, fired + 1, np.stack([peaks, way[1, fired]]), axis=1)
    gaps = fired + 2 + np.arange(len(fired))
    axes.plot(*np.insert(steps, gaps, np.nan, axis=1), color=INK, linewidth=1.1, label="run")
    ends = way[:, fired + 1]
    jumps = np.stack([np.stack([peaks, way[1, fired]]), ends, np.full_like(ends, np.nan)], axis=2).reshape(2, -1)
    axes.plot(*jumps, color=INK, linewidth=0.7, linestyle=DOTTED, marker=".", markersize=4, markevery=(1, 3), label="reset")


class _Flow:
    """Where the differential equation of a neuron leads, from what the neuron does in a very short step."""

    def __init__(self, neuron: AnyNeuron, second: str, current: float) -> None:
        fine: Any = neuron
        if "refractory" in neuron.parameters:
            fine = fine.replace(refractory=0.0)
        self.neuron: AnyNeuron = replace(fine, dt=fine.stages.dt * FINE)
        self.second, self.current = second, current

    def direction(self, v: NDArray[Any], w: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give the change of v and of the second variable in the short step."""
        recovery = np.broadcast_to(np.asarray(w, np.float64), v.shape)
        state = make_state(("v", self.second), (v, recovery))
        made = simulate(self.neuron, np.full((1, *v.shape), self.current), state, record=("u", self.second))
        return made.u[0] - v, np.where(made.spikes[0] > 0, np.nan, made.traces[self.second][0] - recovery)

    def still_v(self, v: NDArray[Any]) -> NDArray[Any]:
        """Give the second variable at which v stands still."""
        return _root(*(self.direction(v, w)[0] for w in (0.0, 1.0)))

    def still_w(self, v: NDArray[Any]) -> NDArray[Any]:
        """Give points (n, 2) at which the second variable stands still."""
        at_0, at_1 = self.direction(v, 0.0)[1], self.direction(v, 1.0)[1]
        if np.abs(np.nan_to_num(at_1 - at_0)).max() <= 1e-6 * np.abs(np.nan_to_num(at_0)).max():
            # It does not decay by itself: it stands still at one membrane, whatever it is.
            v0 = float(np.interp(0.0, *((at_0, v) if at_0[-1] > at_0[0] else (at_0[::-1], v[::-1]))))
            return np.array([[v0, -1e6], [v0, 1e6]])
        return np.column_stack([v, _root(at_0, at_1)])


def _root(at_0: NDArray[Any], at_1: NDArray[Any]) -> NDArray[Any]:
    """Where lines are 0, from what they are at 0 and at 1; NaN where v is so large that their difference is lost in rounding."""
    slope = at_0 - at_1
    found: NDArray[Any] = np.divide(at_0, slope, out=np.full_like(at_0, np.nan), where=slope != 0)
    return found


def _scalar_neuron(neuron: Any) -> AnyNeuron:
    """Check that something is a neuron with one number for each parameter."""
    if not isinstance(neuron, AnyNeuron):
        raise InvalidTypeError(f"neuron={shown(neuron)}: must be a neuron of rsnn, such as rsnn.IAF()")
    if neuron.shape:
        raise InvalidValueError(f"neuron={shown(neuron)}: holds arrays of shape {neuron.shape}; give one neuron, with numbers alone")
    return neuron


def _limits(values: NDArray[Any]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.12 * (high - low) or 1.0
    return low - margin, high + margin

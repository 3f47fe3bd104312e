"""What an explorer shows: input, membranes, other states and spikes, and how little of it is drawn anew when a slider moves."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import LARGEST, SMALLEST, did_you_mean, names, scalar, shown
from rsnn.composed import AnyNeuron
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.figures import plain
from rsnn.simulation import simulate

from .data import DOTTED, FLOAT, INK, INTEGER, LABELS, QUIET, array

Array = npt.NDArray[Any]

COLORS = (FLOAT, INTEGER, "#4d9221", "#e08214", "#762a83")
"""Of the neurons."""
TRIED = 2.0 ** np.arange(-6, 14)
"""Currents among which one is found that makes the neuron fire."""
WHOLE = ("dt", "refractory", "max_spikes")
"""What has no slider: whole numbers, and the step itself."""
EMPTY = 0.35
"""Axes of which the lines fill less than this part shrink."""


@dataclass(frozen=True)
class Slide:
    """A slider: its limits, its step, and where it starts."""

    low: float
    high: float
    start: float
    step: float | None = None


def sliders_of(
    neurons: tuple[AnyNeuron, ...], x: Any, steps: int, wanted: Mapping[str, Any] | None
) -> tuple[dict[str, Slide], Callable[[Mapping[str, float]], Array]]:
    """Choose the sliders, and give the function from their values to the input."""
    if wanted is not None and not isinstance(wanted, Mapping):
        raise InvalidTypeError(f"sliders={shown(wanted)}: must be a dict from names to (low, high), or None")
    given = dict(wanted or {})
    slides: dict[str, Slide] = {}
    own, signal = _signal(neurons, x, steps)
    for one in neurons:
        for name, value in one.parameters.items():
            if name not in slides and name not in WHOLE:
                slides[name] = _slide(name, float(value), one.ranges[name], given.pop(name, ()))
    for name, start in own.items():
        if name in slides:
            raise InvalidValueError(f"x: its argument {name!r} is also a parameter of the neuron; use another name")
        slides[name] = _slide(name, start, (-LARGEST, LARGEST), given.pop(name, ()))
    if given:
        name = next(iter(given))
        raise InvalidValueError(f"sliders: {name!r} is none of {', '.join(slides)}{did_you_mean(name, slides)}")
    fixed_values = {name: slide.start for name, slide in slides.items() if wanted and name in wanted and wanted[name] is None}
    kept = {name: slide for name, slide in slides.items() if name not in fixed_values}
    return kept, lambda values: signal({name: values.get(name, fixed_values.get(name)) for name in own})


def _signal(neurons: tuple[AnyNeuron, ...], x: Any, steps: int) -> tuple[dict[str, float], Callable[[Mapping[str, Any]], Array]]:
    """Give the numbers that an input depends on, with their starts, and the function from them to the input."""
    if x is None:
        shape = (np.arange(steps) >= steps // 10).astype(np.float64)
        return {"drive": _drive(neurons, steps)}, lambda values: values["drive"] * shape
    if callable(x):
        starts: dict[str, float] = {}
        for name, parameter in inspect.signature(x).parameters.items():
            if parameter.default is parameter.empty:
                raise InvalidValueError(f"x: its argument {name!r} has no default to start from; write def x({name}=1.0)")
            starts[name] = scalar(name, parameter.default)
        return starts, lambda values: _checked(x(**values))
    fixed = _checked(x)
    return {"gain": 1.0}, lambda values: values["gain"] * fixed


def _checked(x: Any) -> Array:
    made = array("x", x).astype(np.float64)
    if made.ndim != 1 or not made.size:
        raise InvalidValueError(f"x: shape {made.shape} came; must be (T,), the input of one neuron over time")
    return made


def _drive(neurons: tuple[AnyNeuron, ...], steps: int) -> float:
    """Find a current with which the first neuron that spikes does so a few times."""
    for one in neurons:
        if one.kernel().spiking:
            counts = simulate(one, TRIED, steps=steps).spikes.sum(axis=0)
            least = np.nonzero(counts >= min(3, steps))[0]
            return float(TRIED[least[0]] if len(least) else TRIED[np.argmax(counts)])
    return 1.0


def _slide(name: str, value: float, allowed: tuple[float, float], wanted: Any) -> Slide:
    """Choose limits around a value, within what is allowed."""
    low, high = allowed
    if wanted is None:
        return Slide(value, value, value)
    if isinstance(wanted, (int, float)) and not isinstance(wanted, bool):
        value, wanted = scalar(f"sliders[{name!r}]", wanted), ()
    if not isinstance(wanted, (tuple, list)) or len(wanted) not in (0, 2, 3):
        raise InvalidTypeError(
            f"sliders[{name!r}]={shown(wanted)}: must be (low, high), (low, high, step), a number, or None for no slider"
        )
    if wanted:
        numbers = [scalar(f"sliders[{name!r}]", one) for one in wanted]
        if not max(numbers[0], low) < min(numbers[1], high):
            raise InvalidValueError(f"sliders[{name!r}]={shown(wanted)}: low must be below high, within {low:g} and {high:g}")
        step = numbers[2] if len(numbers) == 3 else None
        if step is not None and not step > 0.0:
            raise InvalidValueError(f"sliders[{name!r}]={shown(wanted)}: the step must be above 0")
        low, high = max(numbers[0], low), min(numbers[1], high)
        return Slide(low, high, float(np.clip(value, low, high)), step)
    size = abs(value) or 1.0
    around = (0.0, 1.0) if allowed == (0.0, 1.0) else (value / 10, 4 * value) if low >= SMALLEST else (value - 2 * size, value + 2 * size)
    return Slide(max(low, around[0]), min(high, around[1]), value)


@dataclass
class Part:
    """A part of the figure: the image of what does not move in it, and what does.

    Attributes
    ----------
    place : left, bottom, right and top, in parts of the figure
    moving : artists, which an ordinary drawing leaves out
    background : the image; None before the first drawing
    """

    place: tuple[float, float, float, float]
    moving: list[Any]
    background: Any = None

    def box(self, figure: Any) -> Any:
        """Give the place in pixels."""
        from matplotlib.transforms import Bbox

        return Bbox.from_extents(*self.place).transformed(figure.transFigure)


class Scene:
    """The picture, and the neurons in it.

    Parameters
    ----------
    figure : to draw in
    neurons : as they are at first
    slides : by name
    signal : from the values of the sliders to the input (T,)
    states : to draw besides the membrane
    room : the part of the height below, which is left to sliders
    """

    def __init__(
        self,
        figure: Any,
        neurons: tuple[AnyNeuron, ...],
        slides: dict[str, Slide],
        signal: Callable[[Mapping[str, float]], Array],
        states: Sequence[str] | None,
        room: float,
    ) -> None:
        from matplotlib.backend_bases import FigureCanvasBase
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self.figure, self.first, self.slides, self.signal = figure, neurons, slides, signal
        self.values = {name: slide.start for name, slide in slides.items()}
        self.neurons, self.seconds = neurons, 0.0
        known = tuple(dict.fromkeys(name for one in neurons for name in one.kernel().states if name not in ("v", "rest")))
        self.states = known if states is None else names("states", states, known)
        self._panels(room)
        self.parts: dict[str, Part] = {
            "": Part((0.0, room, 1.0, 1.0), [self.x_line, self.note, *(line for one in self.lines for line in one.values())])
        }
        self._run()
        self._limits(force=True)
        if type(figure.canvas) is FigureCanvasBase:
            FigureCanvasAgg(figure)  # a figure that nothing shows has no canvas to draw on yet
        self.listening = figure.canvas.mpl_connect("draw_event", self._drawn)

    def _panels(self, room: float) -> None:
        """Make the axes and the lines, which are left out of an ordinary drawing."""
        self.figure.set_layout_engine("none")
        heights = [0.7, *[1.0] * len(self.states), 2.4]
        place = {"left": 0.1, "right": 0.97, "top": 0.94, "bottom": room + 0.09, "hspace": 0.18}
        grid = self.figure.add_gridspec(len(heights), 1, height_ratios=heights, **place)
        self.axes = [plain(self.figure.add_subplot(grid[k])) for k in range(len(heights))]
        for one in self.axes[:-1]:
            one.tick_params(labelbottom=False)
        for one, name in zip(self.axes, ("input", *self.states, "v"), strict=True):
            one.set_ylabel(LABELS.get(name, name))
        self.axes[-1].set_xlabel("time step")
        self.x_line = self.axes[0].plot([], [], color=INK, linewidth=1.2, animated=True)[0]
        self.lines: list[dict[str, Any]] = []
        for k, neuron in enumerate(self.first):
            color = COLORS[k % len(COLORS)]
            lines: dict[str, Any] = {}
            for axes, name in zip(self.axes[1:], (*self.states, "v"), strict=True):
                if name in neuron.kernel().states:
                    lines[name] = axes.plot([], [], color=color, linewidth=1.4, animated=True, label=type(neuron).__name__)[0]
            if neuron.kernel().spiking:
                edge = self.axes[-1].get_xaxis_transform()
                lines["spikes"] = self.axes[-1].plot([], [], "|", color=color, transform=edge, markersize=7, animated=True)[0]
                lines["threshold"] = self.axes[-1].plot([], [], color=color, linestyle=DOTTED, linewidth=1.0, animated=True)[0]
            self.lines.append(lines)
        if len(self.first) > 1:
            self.axes[-1].legend([one["v"] for one in self.lines], [type(one).__name__ for one in self.first], frameon=False, fontsize=8)
        self.axes[-1].axhline(0.0, color=QUIET, linewidth=0.6, zorder=0)
        self.note = self.figure.text(0.1, 0.96, "", color=INTEGER, fontsize=9, animated=True)

    def update(self, **values: float) -> bool:
        """Take new values, run, and draw the lines anew; True where everything was drawn, since the limits changed."""
        begin = time.perf_counter()
        self.values.update(values)
        try:
            self._run()
            self.note.set_text("")
        except InvalidValueError as error:  # parameters that are each in range but do not go together: nothing moves until they do
            self.note.set_text(str(error).partition(";")[0])
        changed = self._limits()
        self.draw(("", *(name for name in values if name in self.parts)), everything=changed)
        self.seconds = time.perf_counter() - begin
        return changed

    def draw(self, parts: Sequence[str] = ("",), *, everything: bool = False) -> None:
        """Draw what moves in these parts over the image of what does not; where there is no image, everything."""
        canvas = self.figure.canvas
        if self.x_line.get_figure() is None:  # the figure was cleared for something else
            canvas.mpl_disconnect(self.listening)
            return
        if everything or self.parts[""].background is None or not canvas.supports_blit:
            canvas.draw()  # which calls _drawn
            return
        for part in (self.parts[name] for name in parts):
            canvas.restore_region(part.background)
            for artist in part.moving:
                self.figure.draw_artist(artist)
            canvas.blit(part.box(self.figure))
        canvas.flush_events()

    def _drawn(self, event: Any) -> None:
        """Keep the image of all but the lines, and draw these."""
        if event.canvas.is_saving():  # then matplotlib draws the lines too
            return
        if self.x_line.get_figure() is None:
            event.canvas.mpl_disconnect(self.listening)
            return
        for part in self.parts.values():
            if event.canvas.supports_blit:
                part.background = event.canvas.copy_from_bbox(part.box(self.figure))
            for artist in part.moving:
                self.figure.draw_artist(artist)

    def _run(self) -> None:
        """Run the neurons with the values of the sliders, and hand the lines what came out."""
        x = self.signal(self.values)
        t = np.arange(len(x), dtype=np.float64)
        self.x_line.set_data(t, x)
        changed = []
        for neuron, lines in zip(self.first, self.lines, strict=True):
            own = {name: self.values[name] for name in neuron.parameters if name in self.values}
            one = neuron.replace(**own)
            changed.append(one)
            recorded = tuple(name for name in (*self.states, "v", "u") if name in lines or name == "u")
            result = simulate(one, x, record=recorded, threads=1)
            for name in self.states:
                if name in lines:
                    lines[name].set_data(t, result.traces[name])
            if "spikes" not in lines:
                lines["v"].set_data(t, result.v)
                continue
            level = float(one.coefficients()["v_threshold"])
            # A model that makes its spikes by itself overshoots the threshold by far in its last step, which says nothing.
            peak = np.where(result.spikes > 0, np.clip(result.u, None, level + abs(level)), result.u)
            lines["v"].set_data(np.repeat(t, 2), np.stack([peak, result.v], axis=1).ravel())
            when = np.nonzero(result.spikes)[0]
            lines["spikes"].set_data(t[when], np.full(len(when), 0.96 - 0.05 * self.lines.index(lines)))
            lines["threshold"].set_data([t[0], t[-1]], [level, level])
        self.neurons = tuple(changed)

    def _limits(self, *, force: bool = False) -> bool:
        """Let the axes follow where lines leave them, or fill little of them."""
        changed = force
        steps = len(self.x_line.get_xdata())
        if force or self.axes[0].get_xlim()[1] != steps - 0.5:
            for one in self.axes:
                one.set_xlim(-0.5, steps - 0.5)
            changed = True
        for k, axes in enumerate(self.axes):
            name = ("input", *self.states, "v")[k]
            keys = ("v", "threshold") if name == "v" else (name,)
            shown_ = [self.x_line] if k == 0 else [one[key] for one in self.lines for key in keys if key in one]
            values = np.concatenate([np.asarray(line.get_ydata(), np.float64) for line in shown_])
            values = values[np.isfinite(values)]
            low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
            now = axes.get_ylim()
            top = 0.12 if name == "v" else 0.0
            fits = now[0] <= low and high <= now[1] - top * (now[1] - now[0])
            if force or not fits or (high - low) < EMPTY * (now[1] - now[0]):
                wanted = _rounded(low, high, top)
                if wanted != now:
                    axes.set_ylim(wanted)
                    changed = True
        return changed


def _rounded(low: float, high: float, top: float) -> tuple[float, float]:
    """Give limits around values on a coarse scale, so that they do not change with every little step."""
    size = max(high - low, 1e-3 * max(abs(low), abs(high)), 1e-9)
    unit = 10.0 ** math.floor(math.log10(size)) / 5.0
    below, above = math.floor((low - 0.05 * size) / unit) * unit, math.ceil((high + 0.05 * size) / unit) * unit
    return below, above + top * 1.2 * (above - below)

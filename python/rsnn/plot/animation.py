"""Moving pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.arguments import count, scalar, shown
from rsnn.errors import InvalidValueError
from rsnn.figures import new_axes

from .activity import raster
from .data import INK, finite, fired, is_result, spikes_in, step_length

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes

GLOW = 0.7
"""What is left of the light of a spike one frame later."""


def animate(
    spikes: Any,
    axes: Axes | None = None,
    *,
    layer: str | int | None = None,
    sample: int | None = None,
    interval: float = 40.0,
    glow: float = GLOW,
    dt: float = 1.0,
) -> FuncAnimation:
    """Make a film of spikes: a frame a step.

    Parameters
    ----------
    spikes : array, tensor, `rsnn.Spikes`, or a result
        (T, H, W) is drawn as pictures, (T, 2, H, W) as those of an event camera, polarity 0 blue and 1 red; (T, n) as a raster that grows.
        Of a result of a network, one of its layers.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a figure of its own.
    layer : str or int, optional
        As of `raster`.
    sample : int, optional
        Which sample of a batch, whose axis comes after time.
    interval : float, default 40.0
        Milliseconds from frame to frame.
    glow : float, default 0.7
        The part of the light of a spike that is left in the next frame, 0 to below 1: single spikes are hard to see.
    dt : float, default 1.0
        Length of a step, for the time that the title tells.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        Keep it while it plays; ``.save("film.gif")`` writes it, ``.to_jshtml()`` gives what a notebook shows.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        What is none of these shapes.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> from rsnn import plot
    >>> film = plot.animate(np.random.default_rng(0).random((5, 8, 8)) < 0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     film.save(pathlib.Path(folder, "film.gif"))
    ...     pathlib.Path(folder, "film.gif").stat().st_size > 0
    True
    """
    interval, glow, dt = scalar("interval", interval), scalar("glow", glow), step_length(dt)
    if not 0.0 <= glow < 1.0:
        raise InvalidValueError(f"glow={glow}: must be at least 0 and below 1")
    if not interval > 0.0:
        raise InvalidValueError(f"interval={interval}: must be above 0, in milliseconds")
    frames = _frames(spikes, layer, sample)
    if not len(frames):
        raise InvalidValueError("spikes: no steps came, so there is no frame; give at least one")
    if not frames.size:
        raise InvalidValueError(f"spikes has shape {frames.shape}: no neurons came, so there is nothing to see; give at least one")
    if frames.ndim == 2:
        return _growing(frames, axes, interval, dt)
    light = np.zeros(frames.shape[1:])
    lit = np.empty(frames.shape)
    for t, frame in enumerate(frames != 0):
        light = np.where(frame, 1.0, glow * light)
        lit[t] = light
    pictures = _coloured(lit)
    axes = new_axes(axes, 4.0, 4.2)
    shown_ = axes.imshow(pictures[0], cmap="Greys", vmin=0.0, vmax=1.0, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    title = axes.set_title(_said(0, dt))

    def draw(t: int) -> list[Any]:
        shown_.set_data(pictures[t])
        title.set_text(_said(t, dt))
        return [shown_, title]

    return _film(axes, draw, len(frames), interval)


def _growing(seen: Any, axes: Axes | None, interval: float, dt: float) -> FuncAnimation:
    """Make a film of a raster."""
    axes = raster(seen, axes, dt=dt)
    marks = axes.collections[-1]
    places = np.asarray(marks.get_offsets())
    cursor = axes.axvline(0.0, color=INK, linewidth=0.8)

    def draw(t: int) -> list[Any]:
        marks.set_offsets(places[places[:, 0] <= t * dt])
        cursor.set_xdata([t * dt])
        return [marks, cursor]

    draw(0)
    return _film(axes, draw, len(seen), interval)


def _frames(spikes: Any, layer: Any, sample: int | None) -> Any:
    """Give (T, n), (T, H, W) or (T, 2, H, W)."""
    held, batched = spikes, sample is not None
    if is_result(spikes):
        held = spikes_in(spikes, layer)
        where = getattr(spikes, "batch_axis", None)
        batched = batched or where is not None
        if where == 0:
            held = finite("spikes", held).swapaxes(0, 1)
    made = finite("spikes", held)
    if batched:
        chosen = 0 if sample is None else count("sample", sample, 0, "which of the batch")
        if made.ndim < 2 or not chosen < made.shape[1]:
            raise InvalidValueError(f"sample={shown(sample)}: the spikes have the shape {made.shape}; the second axis has no such entry")
        made = made[:, chosen]
    if made.ndim <= 2:
        return fired(made, None, None)
    if made.ndim == 3 or (made.ndim == 4 and made.shape[1] in (1, 2)):
        return made[:, 0] if made.ndim == 4 and made.shape[1] == 1 else made
    raise InvalidValueError(
        f"spikes: shape {made.shape} came; must be (T, n), (T, H, W) or (T, 2, H, W): choose of a batch with sample=0, and of channels "
        "as in spikes[:, 0]"
    )


def _coloured(lit: Any) -> Any:
    """Give grey values (T, H, W), or of two polarities colours (T, H, W, 3) on white: blue takes away red, red takes away blue."""
    if lit.ndim == 3:
        return lit
    off, on = lit[:, 0], lit[:, 1]
    return np.stack([1.0 - 0.85 * off, 1.0 - 0.7 * np.maximum(off, on), 1.0 - 0.75 * on], axis=-1).clip(0.0, 1.0)


def _film(axes: Axes, draw: Any, frames: int, interval: float) -> FuncAnimation:
    from matplotlib.animation import FuncAnimation

    figure: Any = axes.figure
    return FuncAnimation(figure, draw, frames=frames, interval=interval, blit=False)


def _said(t: int, dt: float) -> str:
    return f"step {t}" if dt == 1.0 else f"{t * dt:.4g}"

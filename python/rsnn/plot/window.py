"""Sliders of matplotlib, below the picture."""

from __future__ import annotations

from functools import partial
from typing import Any

from .data import QUIET
from .scene import Part, Scene


class Window:
    """An explorer in a figure of matplotlib."""

    def __init__(self, scene: Scene) -> None:
        from matplotlib.widgets import Slider

        self.scene = scene
        self.sliders: dict[str, Any] = {}
        for k, (name, slide) in enumerate(scene.slides.items()):
            row, column = divmod(k, 2)
            left, bottom = 0.14 + 0.47 * column, _bottom(scene, row)
            axes = scene.figure.add_axes((left, bottom, 0.26, 0.025))
            made = Slider(axes, name, slide.low, slide.high, valinit=slide.start, valstep=slide.step, valfmt="%.4g", color=QUIET)
            made.label.set(fontsize=9, x=-0.06)  # clear of the handle at its lowest
            made.valtext.set_fontsize(9)
            # The scene draws what moves, over the image of what does not; the slider alone would draw the whole figure.
            made.drawon = False
            moving = [made.poly, made.valtext, *axes.lines]
            for artist in moving:
                artist.set_animated(True)
            scene.parts[name] = Part((left - 0.01, bottom - 0.01, left + 0.34, bottom + 0.035), moving)
            made.on_changed(partial(self._moved, name))
            self.sliders[name] = made

    def _moved(self, name: str, value: float) -> None:
        self.scene.update(**{name: float(value)})

    def move(self, name: str, value: float) -> None:
        """Move a slider."""
        self.sliders[name].set_val(value)

    def show(self) -> None:
        """Show the window, if the figure has one."""
        from matplotlib import pyplot

        manager = self.scene.figure.canvas.manager
        if manager is not None:
            pyplot.show()


def _bottom(scene: Scene, row: int) -> float:
    rows = -(-len(scene.slides) // 2)
    return 0.03 + 0.045 * (rows - 1 - row)

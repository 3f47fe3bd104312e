"""Sliders of ipywidgets, beside the picture as an image: it needs no support of the notebook for matplotlib."""

from __future__ import annotations

import io
import time
from importlib import import_module
from typing import Any

import numpy as np

from .scene import Scene


class Notebook:
    """An explorer of widgets."""

    def __init__(self, scene: Scene) -> None:
        try:
            widgets: Any = import_module("ipywidgets")
        except ModuleNotFoundError as error:
            raise ImportError(
                f'rsnn.plot.explore needs {error.name} in a notebook, which this Python does not have: pip install "rsnn[notebook]"; '
                'or give where="window"'
            ) from error
        self.scene = scene
        self.picture: Any = widgets.Image(format="png")
        self.sliders: dict[str, Any] = {}
        for name, slide in scene.slides.items():
            step = slide.step or (slide.high - slide.low) / 200
            self.sliders[name] = widgets.FloatSlider(
                value=slide.start, min=slide.low, max=slide.high, step=step, description=name, continuous_update=True, readout_format=".4g"
            )
            self.sliders[name].observe(lambda change, name=name: self._moved(name, change["new"]), names="value")
        scene.draw(everything=True)
        self._send()
        self.box: Any = widgets.HBox([self.picture, widgets.VBox(list(self.sliders.values()))])

    def move(self, name: str, value: float) -> None:
        """Move a slider."""
        self.sliders[name].value = value

    def show(self) -> None:
        """Show the widgets."""
        display: Any = import_module("IPython.display").display
        display(self.box)

    def _moved(self, name: str, value: float) -> None:
        begin = time.perf_counter()
        self.scene.update(**{name: float(value)})
        self._send()
        self.scene.seconds = time.perf_counter() - begin

    def _send(self) -> None:
        """Hand the picture to the browser."""
        from PIL import Image

        held = io.BytesIO()
        # Few colours and little compression: what is sent over a wire of this machine must be made fast, not small.
        Image.fromarray(np.asarray(self.scene.figure.canvas.buffer_rgba())).convert("RGB").save(held, format="png", compress_level=1)
        self.picture.value = held.getvalue()

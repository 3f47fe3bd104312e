"""`rsnn.plot.explore`: sliders move neurons, and only what moves is drawn anew."""

from __future__ import annotations

import gc
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.backend_bases import MouseButton, MouseEvent
from matplotlib.figure import Figure
from PIL import Image

import rsnn
from rsnn import plot

ONE = rsnn.LIF(tau_mem=20.0, v_threshold=0.8, reset="zero")


def pulses(first: float = 20.0, second: float = 100.0) -> np.ndarray:
    x = np.zeros(150)
    x[[int(first), int(second)]] = 1.0
    return x


def pixels(explorer: plot.Explorer) -> np.ndarray:
    canvas: Any = explorer.figure.canvas
    return np.array(canvas.buffer_rgba())


def shown(*args: Any, **options: Any) -> plot.Explorer:
    explorer = plot.explore(*args, figure=Figure(figsize=(6, 5)), **options)
    explorer.figure.canvas.draw()
    return explorer


def test_there_is_a_slider_for_every_parameter_within_its_range_and_for_the_input() -> None:
    explorer = shown(rsnn.LIF(beta=0.9))
    assert set(explorer.values) == {*rsnn.LIF(beta=0.9).parameters, "drive"} - {"refractory"}
    slides = explorer.scene.slides
    assert (slides["beta"].low, slides["beta"].high) == (0.0, 1.0)
    for name, (low, high) in rsnn.LIF(beta=0.9).ranges.items():
        if name in slides:
            assert low <= slides[name].low < slides[name].high <= high


def test_the_first_picture_has_spikes() -> None:
    for neuron in (rsnn.IAF(), rsnn.AdEx(dt=0.1), rsnn.Izhikevich(dt=0.25), rsnn.ALIF(20.0)):
        explorer = plot.explore(neuron, steps=1000, figure=Figure())
        assert len(explorer.scene.lines[0]["spikes"].get_xdata()) >= 1


def test_a_slider_moves_the_neuron_and_its_lines() -> None:
    explorer = shown(ONE, steps=120)
    explorer.set(tau_mem=40.0, drive=2.0)
    moved = ONE.replace(tau_mem=40.0)
    assert explorer.neurons == (moved,)
    x = 2.0 * (np.arange(120) >= 12)
    out = rsnn.simulate(moved, x, record=("v", "u"))
    lines = explorer.scene.lines[0]
    np.testing.assert_array_equal(lines["v"].get_ydata()[1::2], out.v)
    assert lines["spikes"].get_xdata().tolist() == out.spikes.nonzero()[0].tolist()
    assert explorer.seconds > 0


def test_a_hand_drags_a_slider_even_where_nobody_keeps_the_explorer() -> None:
    figure: Any = Figure(figsize=(6, 5))
    explorer = plot.explore(ONE, figure=figure)
    figure.canvas.draw()
    axes = explorer.front.sliders["tau_mem"].ax
    del explorer
    gc.collect()
    (start, y), (end, _) = (axes.transData.transform((value, 0.5)) for value in (20.0, 55.0))
    for name, x in (("button_press_event", start), ("motion_notify_event", end), ("button_release_event", end)):
        MouseEvent(name, figure.canvas, x, y, MouseButton.LEFT)._process()  # type: ignore[attr-defined]
    assert figure.rsnn_explorer.values["tau_mem"] == pytest.approx(55.0)


def test_a_slider_moves_all_neurons_that_have_the_parameter() -> None:
    explorer = shown([rsnn.LI(20.0), ONE], pulses, sliders={"first": (0, 149, 1), "second": (0, 149, 1), "tau_mem": (10, 200)})
    explorer.set(tau_mem=60.0, v_threshold=0.5, first=30.0)
    assert explorer.neurons == (rsnn.LI(60.0), ONE.replace(tau_mem=60.0, v_threshold=0.5))
    assert explorer.scene.x_line.get_ydata().nonzero()[0].tolist() == [30, 100]


def test_only_what_moves_is_drawn_and_the_picture_is_that_of_a_full_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = shown(ONE)
    explorer.set(tau_mem=20.5)
    canvas: Any = explorer.figure.canvas
    before = pixels(explorer)
    with monkeypatch.context() as patch:
        patch.setattr(type(canvas), "draw", lambda self: pytest.fail("everything was drawn"))
        explorer.set(tau_mem=21.0)
    quick = pixels(explorer)
    assert (quick != before).any()
    canvas.draw()
    np.testing.assert_array_equal(quick, pixels(explorer))


def test_limits_follow_a_line_that_leaves_them() -> None:
    explorer = shown(rsnn.LI(20.0))
    axes = explorer.scene.axes[-1]
    before = axes.get_ylim()
    explorer.set(drive=2.9)
    explorer.set(r=2.9)
    assert axes.get_ylim() != before
    low, high = axes.get_ylim()
    assert low <= 0.0
    assert high >= max(explorer.scene.lines[0]["v"].get_ydata())


def test_what_is_refused_while_a_slider_moves_is_said_and_nothing_breaks() -> None:
    def odd(half: float = 0.0) -> np.ndarray:
        if half > 0.5:
            raise rsnn.InvalidValueError("half: too much; give less")
        return np.ones(20)

    refusing = shown(rsnn.IAF(), odd, sliders={"half": (0, 1)})
    refusing.set(half=1.0)
    assert refusing.scene.note.get_text() == "half: too much"
    refusing.set(half=0.0)
    assert refusing.scene.note.get_text() == ""


def test_a_picture_can_be_saved_with_lines_and_sliders(tmp_path: Any) -> None:
    explorer = shown(ONE)
    explorer.figure.savefig(tmp_path / "explorer.png", dpi=explorer.figure.dpi)
    with Image.open(tmp_path / "explorer.png") as image:
        saved = np.asarray(image.convert("RGB"), dtype=int)
    assert np.abs(saved - pixels(explorer)[..., :3]).mean() < 1.0


def test_widgets_of_a_notebook_do_the_same() -> None:
    explorer = plot.explore(ONE, where="notebook", show=False)
    first = bytes(explorer.front.picture.value)
    assert first.startswith(b"\x89PNG")
    explorer.front.sliders["tau_mem"].value = 31.0
    assert explorer.neurons == (ONE.replace(tau_mem=31.0),)
    assert bytes(explorer.front.picture.value) != first
    explorer.set(drive=2.0)
    assert explorer.front.sliders["drive"].value == 2.0
    assert len(explorer.front.box.children[1].children) == len(explorer.values)


@pytest.mark.parametrize("where", ["window", "notebook"])
def test_a_move_is_drawn_within_the_tenth_of_a_second_that_feels_immediate(where: str) -> None:
    explorer = shown(ONE) if where == "window" else plot.explore(ONE, where="notebook", show=False)
    seconds = []
    for tau_mem in np.linspace(18.0, 22.0, 20):
        explorer.set(tau_mem=float(tau_mem))
        seconds.append(explorer.seconds)
    assert min(seconds) < 0.1  # Miller 1968: what answers sooner seems to be moved by hand


def test_a_notebook_is_known_by_its_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    from rsnn.plot import explorer

    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert explorer.in_notebook()
    assert plot.explore(ONE, show=False).where == "notebook"
    assert plot.explore(ONE, figure=Figure()).where == "window"
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: object()))
    assert not explorer.in_notebook()


def test_without_a_display_nothing_is_opened_and_pyplot_keeps_nothing() -> None:
    explorer = plot.explore(ONE)
    assert explorer.where == "window"
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []
    assert repr(explorer).startswith("Explorer(LIF: tau_mem=20, ")


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"neuron": "lif"}, rsnn.InvalidTypeError, "neuron='lif'"),
    ({"neuron": []}, rsnn.InvalidValueError, "an empty list"),
    ({"neuron": rsnn.LIF(tau_mem=[1.0, 2.0])}, rsnn.InvalidValueError, "holds arrays"),
    ({"x": np.ones((3, 2))}, rsnn.InvalidValueError, r"x: shape \(3, 2\)"),
    ({"x": lambda t: t}, rsnn.InvalidValueError, r"'t' has no default.*def x\(t=1.0\)"),
    ({"x": lambda tau_mem=1.0: np.ones(3)}, rsnn.InvalidValueError, "is also a parameter"),
    ({"steps": 0}, rsnn.InvalidValueError, "steps=0"),
    ({"sliders": {"tau": (1, 2)}}, rsnn.InvalidValueError, "'tau' is none of .*did you mean 'tau_mem'"),
    ({"sliders": {"tau_mem": (3, 2)}}, rsnn.InvalidValueError, "low must be below high"),
    ({"sliders": {"tau_mem": (1, 2, 0)}}, rsnn.InvalidValueError, "the step must be above 0"),
    ({"sliders": {"tau_mem": "wide"}}, rsnn.InvalidTypeError, r"must be \(low, high\)"),
    ({"states": ("w",)}, rsnn.InvalidValueError, "states=.*'w'"),
    ({"where": "browser"}, rsnn.InvalidValueError, "where='browser'"),
]


@pytest.mark.parametrize(("given", "error", "message"), REFUSED)
def test_what_cannot_be_explored_is_refused(given: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments: dict[str, Any] = {"neuron": rsnn.LIF(), "figure": Figure()} | given
    with pytest.raises(error, match=message):
        plot.explore(**arguments)


def test_a_slider_that_is_not_there_or_a_value_beyond_it_is_refused() -> None:
    explorer = shown(ONE)
    with pytest.raises(rsnn.InvalidValueError, match=r"there is no such slider.*did you mean 'tau_mem'"):
        explorer.set(tau_men=3.0)
    with pytest.raises(rsnn.InvalidValueError, match="goes from 2 to 80"):
        explorer.set(tau_mem=100.0)


def test_a_figure_that_was_cleared_for_something_else_is_drawn_without_the_sliders() -> None:
    explorer = shown(ONE, steps=120)
    explorer.figure.clear()
    explorer.figure.canvas.draw()
    explorer.set(tau_mem=30.0)
    assert explorer.values["tau_mem"] == 30.0
    again = plot.explore(ONE, steps=120, figure=explorer.figure)
    again.figure.canvas.draw()
    again.set(tau_mem=25.0)
    assert again.neurons[0].tau_mem == 25.0

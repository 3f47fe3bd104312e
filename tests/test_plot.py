"""Pictures: what is drawn, with which numbers, and that nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

import rsnn
import rsnn.torch as rt
from rsnn import plot

RNG = np.random.default_rng(0)
FIRED = np.array([[0, 1, 0], [2, 0, 0], [0, 1, 0], [0, 1, 3]])
"""Of three neurons over four steps."""
NET = rsnn.Network(
    [
        rsnn.Conv2d(RNG.normal(size=(2, 1, 3, 3)), padding=1),
        ("first", rsnn.IAF()),
        rsnn.Flatten(),
        rsnn.Linear(RNG.normal(size=(3, 32))),
        rsnn.IAF(),
    ],
    input_shape=(1, 4, 4),
)


def marks(axes: Any, k: int = 0) -> np.ndarray:
    return np.asarray(axes.collections[k].get_offsets())


@pytest.mark.parametrize(
    "spikes",
    [FIRED, FIRED.tolist(), torch.tensor(FIRED), np.stack([FIRED, 0 * FIRED], 1), np.stack([0 * FIRED, FIRED], 1)],
    ids=["array", "list", "tensor", "sample 0", "sample 1"],
)
def test_a_raster_has_a_mark_for_every_neuron_that_fired_in_a_step(spikes: Any) -> None:
    sample = None if np.ndim(spikes) == 2 else int(np.asarray(spikes)[:, 1].any())
    axes = plot.raster(spikes, sample=sample)
    assert marks(axes).tolist() == np.argwhere(FIRED).tolist()
    assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, 3.5), (-0.5, 2.5))


def test_a_raster_takes_packed_spikes_of_either_layout() -> None:
    fired = FIRED > 0
    both = np.stack([fired, ~fired])
    for packed, sample in ((rsnn.Spikes.pack(fired), None), (rsnn.Spikes.pack(both, batch_first=True), 0)):
        assert marks(plot.raster(packed, sample=sample)).tolist() == np.argwhere(fired).tolist()


def test_a_raster_writes_counts_and_times() -> None:
    axes = plot.raster(FIRED, counts=True, dt=0.5)
    assert [text.get_text() for text in axes.texts] == ["2", "3"]
    assert marks(axes)[:, 0].tolist() == (np.argwhere(FIRED)[:, 0] * 0.5).tolist()
    assert axes.get_xlabel() == "time"


FORMS: dict[str, Any] = {
    "list": (FIRED > 0).astype(int).tolist(),
    "bool": FIRED > 0,
    "tensor": torch.tensor(FIRED > 0).float().requires_grad_(),
    "packed": rsnn.Spikes.pack(FIRED > 0),
    "result": rsnn.simulate(rsnn.IAF(), (FIRED > 0).astype(float)),
}


@pytest.mark.parametrize("form", FORMS)
def test_counts_intervals_films_and_marks_of_traces_are_the_same_of_every_form(form: str) -> None:
    given, plain = FORMS[form], (FIRED > 0).astype(float)
    for draw in (plot.spike_count, plot.isi):
        bars, wanted = ([bar.get_height() for bar in draw(one).patches] for one in (given, plain))  # type: ignore[attr-defined]
        assert bars == wanted
    films: Any = [plot.animate(one) for one in (given, plain)]
    for film in films:
        film._func(2)
        film._draw_was_started = True  # it is not played
    np.testing.assert_array_equal(*(marks(film._fig.axes[0]) for film in films))
    spikes = given.spikes if form == "result" else given
    np.testing.assert_array_equal(marks(plot.traces(plain, spikes=spikes), 1), marks(plot.traces(plain, spikes=plain), 1))


def test_axes_come_back_as_they_went_in_and_a_new_figure_is_its_own() -> None:
    axes = Figure().subplots()
    assert plot.raster(FIRED, axes) is axes
    figure: Any = plot.raster(FIRED).figure
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert figure.canvas.manager is None


def test_traces_of_a_result_have_membrane_reset_threshold_and_spikes() -> None:
    neuron = rsnn.LIF(tau_mem=20.0)
    x = np.linspace(1.2, 2.0, 3) * np.ones((60, 1))
    out = rsnn.simulate(neuron, x, record=("v", "u"))
    axes = plot.traces(out, threshold=neuron, labels="abc")
    *membranes, threshold = axes.lines
    for k, line in enumerate(membranes):
        climbs = np.stack([out.u[:, k], out.v[:, k]], axis=1).ravel()
        np.testing.assert_array_equal(line.get_ydata(), climbs)
        assert marks(axes, k)[:, 0].tolist() == out.spikes[:, k].nonzero()[0].tolist()
        assert line.get_label() == "abc"[k]
    assert list(threshold.get_ydata()) == [1.0, 1.0]
    low, high = axes.get_ylim()
    assert (out.u.max() - low) / (high - low) < marks(axes)[:, 1].min()  # the marks are above the lines


@pytest.mark.parametrize("last", ["spikes", "no spikes"])
def test_traces_drawn_one_after_the_other_are_all_in_sight_below_the_marks(last: str) -> None:
    neuron = rsnn.LIF(tau_mem=20.0)
    out = rsnn.simulate(neuron, np.full((60, 1), 2.0), record=("v", "u"))
    high = rsnn.simulate(rsnn.LI(tau_mem=20.0), np.full((60, 1), 5.0)).output
    axes = Figure().subplots()
    for drawn in (high, out, out) if last == "spikes" else (out, out, high):
        plot.traces(drawn, axes)
    bottom, top = axes.get_ylim()
    low, upper = marks(axes, 1)[0, 1], marks(axes, 0)[0, 1]
    assert low < upper  # the marks of two runs are in two rows
    assert (high.max() - bottom) / (top - bottom) < low


def test_the_only_neuron_of_a_raster_has_the_only_tick() -> None:
    axes = plot.raster([0, 1, 0, 1])
    axes.figure.canvas.draw()
    assert [text.get_text() for text in axes.get_yticklabels() if -0.5 <= text.get_position()[1] <= 0.5] == ["0"]


def test_traces_draw_chosen_neurons_and_other_states() -> None:
    out = rsnn.simulate(rsnn.LIF(tau_mem=20.0, tau_syn=5.0), np.ones((30, 4)), record=("v", "i"))
    axes = plot.traces(out, name="i", neurons=[2])
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), out.i[:, 2])
    assert axes.get_ylabel() == "current i"


def test_bars_count_the_spikes_of_every_neuron() -> None:
    axes = plot.spike_count(FIRED, labels=["a", "b", "c"])
    assert [bar.get_height() for bar in axes.patches] == [2, 3, 3]  # type: ignore[attr-defined]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b", "c"]


def test_intervals_are_those_between_spikes_of_one_neuron() -> None:
    axes = plot.isi(FIRED)
    heights = {bar.get_x() + bar.get_width() / 2: bar.get_height() for bar in axes.patches}  # type: ignore[attr-defined]
    assert heights == {0: 3, 1: 1, 2: 1}  # neuron 0: 0; neuron 1: 2, 1; neuron 2: 0, 0
    assert axes.get_title() == f"5 intervals, mean 0.6, CV {np.std([0, 2, 1, 0, 0]) / 0.6:.2f}"
    assert plot.isi(np.eye(3)).get_title() == "no neuron fired twice"


@settings(max_examples=12)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=20), st.integers(1, 12))
def test_no_interval_is_lost_between_bins(gaps: list[int], bins: int) -> None:
    spikes = np.zeros(sum(gaps) + 1)
    spikes[np.cumsum([0, *gaps])] = 1
    axes = plot.isi(spikes, bins=bins)
    assert len(axes.patches) <= bins
    for bar in axes.patches:
        left, width = bar.get_x(), bar.get_width()  # type: ignore[attr-defined]
        assert bar.get_height() == sum(left < gap < left + width for gap in gaps)  # type: ignore[attr-defined]


def test_the_activation_curve_of_iaf_is_the_relu() -> None:
    axes = plot.activation_curve(rsnn.IAF(v_threshold=0.5), steps=64, inputs=np.arange(-4, 5) / 8)
    relu, curve = axes.lines
    np.testing.assert_array_equal(curve.get_ydata(), np.maximum(0, np.arange(-4, 5)) * 16)  # 64 x / 0.5
    np.testing.assert_array_equal(curve.get_ydata(), relu.get_ydata())
    assert len(plot.activation_curve(rsnn.LIF(beta=0.9)).lines) == 1


def nullclines(axes: Any) -> dict[str, np.ndarray]:
    return {line.get_label().split()[0]: np.stack(line.get_data()) for line in axes.lines[:2]}


def test_nullclines_of_izhikevich_are_the_published_parabola_and_line() -> None:
    neuron = rsnn.Izhikevich(dt=0.25)
    found = nullclines(plot.phase_plane(neuron, 10.0, steps=400))
    v, w = found["v"]
    np.testing.assert_allclose(w, 0.04 * v**2 + 5 * v + 140 + 10, rtol=1e-5)
    v, w = found["w"]
    np.testing.assert_allclose(w, 0.2 * v, rtol=1e-3)


def test_nullclines_of_adex_are_the_published_ones() -> None:
    neuron = rsnn.AdEx(dt=0.1)
    found = nullclines(plot.phase_plane(neuron, 800.0, steps=3000))
    v, a = found["v"]
    np.testing.assert_allclose(a, -70.6 - v + 2.0 * np.exp((v + 50.4) / 2.0) + 800 / 30, rtol=1e-5, atol=1e-5)
    v, a = found["a"]
    np.testing.assert_allclose(a, (v + 70.6) * 4 / 30, rtol=1e-5, atol=1e-5)


def test_a_recovery_that_drifts_has_a_vertical_nullcline() -> None:
    neuron, stimulus, _ = rsnn.Izhikevich.named("accommodation")
    v, _ = nullclines(plot.phase_plane(neuron, stimulus))["w"]
    np.testing.assert_allclose(v, neuron.v_leak, atol=1e-6)


def test_the_run_in_a_plane_is_that_of_the_neuron_and_jumps_where_it_fires() -> None:
    neuron, stimulus, _ = rsnn.Izhikevich.named("tonic_spiking")
    out = rsnn.simulate(neuron, stimulus, record=("v", "w"))
    axes = plot.phase_plane(neuron, stimulus)
    run, reset = (np.stack(line.get_data()) for line in axes.lines[2:])
    points = {tuple(point) for point in run.T}
    assert {tuple(point) for point in np.stack([out.v, out.w]).T} <= points
    landed = reset[:, 1::3]
    np.testing.assert_array_equal(landed, np.stack([out.v, out.w])[:, out.spikes > 0])
    assert np.isnan(reset[:, 2::3]).all()


def test_weights_are_outlined_layer_by_layer() -> None:
    weight = np.array([[-1.0, 0.0], [0.5, 1.0]])
    for source in (rsnn.Linear(weight), weight, torch.tensor(weight), rsnn.Network([rsnn.Linear(weight), rsnn.IAF()], 2)):
        outline = plot.weights(source, bins=4).patches[0]
        assert outline.get_xy()[:, 1].max() == 0.5 / 0.5 * 1.0  # type: ignore[attr-defined]
    assert [text.get_text().split()[0] for text in plot.weights(rt.from_network(NET)).get_legend().get_texts()] == ["0.weight", "3.weight"]  # type: ignore[union-attr]


def test_a_summary_shows_the_numbers_of_the_table_and_of_a_run() -> None:
    out = NET.run(RNG.random((20, 2, 1, 4, 4)))
    panels = {axes.get_title(loc="left"): [bar.get_width() for bar in axes.patches] for axes in plot.summary(NET, out=out).axes}  # type: ignore[attr-defined]
    assert panels["outputs"] == [32, 32, 32, 3, 3]
    assert panels["parameters"] == [18, 2, 0, 96, 2]
    assert panels["density"] == [0, out.stats[1].density, 0, 0, out.stats[4].density]
    assert panels["SynOps"] == [out.stats[k].synops or 0 for k in range(5)]
    assert sum(panels["synapses"]) == int(NET.summary().split()[-2].replace(",", ""))


@pytest.mark.parametrize("batch_first", [False, True])
def test_the_result_of_a_network_draws_one_sample_layer_by_layer(batch_first: bool) -> None:
    net = rsnn.Network(NET.layers, NET.input_shape, names=NET.names, batch_first=batch_first)
    x = RNG.random((20, 3, 1, 4, 4))
    out = net.run(x.swapaxes(0, 1) if batch_first else x, record={"first": "v"})
    figure: Any = out.plot(sample=1, threshold=1.0)
    spikes = out.spikes["first"].swapaxes(0, 1) if batch_first else out.spikes["first"]
    first, membranes, last = figure.axes
    assert len(marks(first)) == np.count_nonzero(spikes[:, 1])
    assert len(membranes.lines) == 6 + 1
    assert (first.get_title(loc="left").split(":")[0], last.get_title(loc="left").split(":")[0]) == ("layer first", "layer 4")
    alone: Any = NET.run(x[:, 1]).plot(layer="first")
    np.testing.assert_array_equal(marks(alone.axes[0]), marks(first))


def results() -> list[Any]:
    layer = rt.LIF(beta=0.9)
    module = rt.Sequential(rt.Linear(4, 3), rt.LIF(beta=0.9), rt.Linear(3, 2), rt.LI(beta=0.9))
    chip = rsnn.chip.quantize(rsnn.Network([rsnn.Linear(RNG.normal(size=(3, 4))), rsnn.IAF()], 4))
    events = RNG.integers(0, 2, (20, 4))
    torch.manual_seed(0)
    x = torch.rand(20, 2, 4)
    return [
        rsnn.lif(1.5, tau_mem=20.0, steps=50, record=("v", "u")),
        rsnn.li(np.ones((50, 3)), tau_mem=20.0),
        layer.run(x[:, 0], record=("v",)),
        module.run(x, record=("v",)),
        chip.run(events, record=("v", "u")),
        rsnn.chip.iaf(events, v_threshold=2, record="v"),
        rsnn.lif(np.ones((9, 2)), beta=0.5, packed=True),
    ]


@pytest.mark.parametrize("out", results(), ids=["neuron", "integrator", "layer", "module", "chip", "chip layer", "packed"])
def test_every_result_draws_itself(out: Any, tmp_path: Path) -> None:
    figure = out.plot()
    figure.savefig(tmp_path / "run.png")
    assert (tmp_path / "run.png").stat().st_size > 3000


def chips() -> list[tuple[rsnn.chip.ChipNetwork, int]]:
    linear = rsnn.Linear(RNG.normal(size=(3, 4)))
    fast = {"tau_mem": 8.0, "tau_syn": 4.0, "fire": "multi"}
    xylo = [linear, rsnn.LIF(**fast), rsnn.Linear(RNG.normal(size=(2, 3))), rsnn.LIF(**fast | {"fire": "single"})]
    return [
        (rsnn.chip.quantize(rsnn.Network([linear, rsnn.IAF()], 4), "dynapcnn"), 1),
        (rsnn.chip.quantize(rsnn.Network([linear, rsnn.IAF()], 4, batch_first=True), "dynapcnn"), 0),
        (rsnn.chip.quantize(rsnn.Network([linear, rsnn.LIF(tau_mem=8.0, reset="zero")], 4), "loihi_lava"), 1),
        (rsnn.chip.quantize(rsnn.Network(xylo, 4), "xylo_audio2"), 1),
    ]


@pytest.mark.parametrize(("chip", "axis"), chips(), ids=["dynapcnn", "batch first", "loihi", "xylo"])
def test_the_result_of_a_chip_draws_the_sample_that_was_asked_for(chip: Any, axis: int) -> None:
    x = RNG.integers(0, 2, (20, 5, 4))
    out = chip.run(x if axis else x.swapaxes(0, 1))
    alone = chip.run(x[:, 2])
    assert (out.batch_axis, alone.batch_axis) == (axis, None)
    for drawn, expected in zip(out.plot(sample=2).axes, alone.plot().axes, strict=True):
        np.testing.assert_array_equal(marks(drawn), marks(expected))


def test_conversion_draws_rates_over_activations() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    x = torch.rand(20, 4)
    found = rsnn.convert.compare(model, rsnn.convert.from_relu(model, x, 99.0), x)
    axes = plot.conversion(found).axes
    np.testing.assert_array_equal(marks(axes[0]), np.column_stack([found.layers[0].activation.ravel(), found.layers[0].rate.ravel()]))
    assert [one.get_title(loc="left").split(":")[0] for one in axes] == ["1 IAF", "output"]


def test_a_film_has_a_frame_a_step_and_spikes_glow(tmp_path: Path) -> None:
    frames = np.zeros((3, 2, 2))
    frames[0, 0, 1] = 1
    axes = Figure().subplots()
    film: Any = plot.animate(frames, axes, glow=0.5)
    seen = []
    for t in range(3):
        film._func(t)
        seen.append(float(np.asarray(axes.images[0].get_array())[0, 1]))
    assert seen == [1.0, 0.5, 0.25]
    film.save(tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as written:
        assert written.n_frames == 3  # type: ignore[attr-defined]


def test_films_of_events_and_rasters_play(tmp_path: Path) -> None:
    for name, spikes in (("events", RNG.random((2, 2, 4, 4)) < 0.5), ("raster", FIRED[:2])):
        plot.animate(spikes).save(tmp_path / f"{name}.gif")
    axes = Figure().subplots()
    film: Any = plot.animate(FIRED, axes)
    film._func(1)
    assert marks(axes).tolist() == np.argwhere(FIRED[:2]).tolist()
    film.save(tmp_path / "grows.gif")


def test_an_image_and_a_confusion_matrix_and_an_agreement() -> None:
    image = plot.image(np.eye(3))
    np.testing.assert_array_equal(image.images[0].get_array(), np.eye(3))  # type: ignore[arg-type]
    matrix = plot.confusion([[3, 0], [1, 2]])
    assert sorted(text.get_text() for text in matrix.texts) == ["1", "2", "3"]
    equal, different = plot.agreement([0, 1, 1, 2], [0, 1, 2, 2]).collections
    assert (np.asarray(equal.get_offsets()).tolist(), np.asarray(different.get_offsets()).tolist()) == ([[0, 0], [1, 1], [2, 2]], [[1, 2]])
    assert equal.get_label() == "equal 75.0%"


def test_pictures_need_no_pyplot_and_change_no_setting_drawn_into_axes_or_figures_that_came_or_not() -> None:
    code = """
import sys, matplotlib, numpy as np, rsnn, torch
from matplotlib.figure import Figure
from rsnn import plot
before = repr(list(dict.items(matplotlib.rcParams)))  # not by [], which looks for a backend
out = rsnn.lif(1.5, tau_mem=20.0, steps=50, record="v")
net = rsnn.Network([rsnn.Linear(np.ones((3, 2))), rsnn.IAF()], 2)
torch.manual_seed(0)
model, x = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)), torch.rand(20, 4)
found = rsnn.convert.compare(model, rsnn.convert.from_relu(model, x), x)
into_axes = {
    "raster": out, "traces": out, "spike_count": out, "isi": out, "activation_curve": rsnn.IAF(), "weights": net,
    "image": np.eye(3), "confusion": [[1, 2], [0, 3]],
}
for name, given in into_axes.items():
    axes = Figure().subplots()
    assert getattr(plot, name)(given, axes) is axes, name
    assert getattr(plot, name)(given).figure is not axes.figure, name
axes = Figure().subplots()
assert plot.phase_plane(rsnn.AdEx(dt=0.1), 800.0, axes) is axes
assert plot.agreement([0, 1], [1, 1], axes) is axes
plot.animate(out, axes)._draw_was_started = True  # never played
into_figures = {"result": out, "summary": net, "conversion": found}
for name, given in into_figures.items():
    figure = Figure()
    assert getattr(plot, name)(given, figure) is figure, name
    assert getattr(plot, name)(given) is not figure, name
explorer = plot.explore(rsnn.IAF(), figure=Figure())
explorer.set(v_threshold=0.5)
plot.explore(rsnn.IAF(), where="notebook", show=False)
drawn = {*into_axes, *into_figures, "phase_plane", "agreement", "animate", "explore"}
assert drawn == {name for name in plot.__all__ if name[0].islower()}, drawn
assert repr(list(dict.items(matplotlib.rcParams))) == before
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


VALUE, TYPE = rsnn.InvalidValueError, rsnn.InvalidTypeError
OUT = rsnn.lif(np.ones((5, 2)), beta=0.5, record="v")
REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: plot.raster(np.ones((2, 2, 2))), VALUE, r"spikes: shape \(2, 2, 2\) came.*sample=0"),
    (lambda: plot.raster(np.ones((2, 2, 2)), sample=2), VALUE, "sample=2"),
    (lambda: plot.raster(["a"]), TYPE, "spikes=.*cannot be drawn"),
    (lambda: plot.raster(FIRED, "axes"), TYPE, "axes='axes': must be matplotlib axes"),
    (lambda: plot.raster(FIRED, layer=1), VALUE, "layer=1: only results of networks"),
    (lambda: plot.raster(OUT, layer=1), VALUE, "layer=1: this is the result of one layer"),
    (lambda: plot.raster(NET.run(np.zeros((3, 1, 4, 4))), layer="frist"), VALUE, "layer='frist': has no spikes; these layers do: 1, 4"),
    (lambda: plot.raster(NET.run(np.zeros((3, 1, 4, 4))), sample=0), VALUE, "sample=0: this result has no batch"),
    (lambda: plot.traces(OUT, name="i"), VALUE, r"no trace 'i', recorded are 'v'; run it with record=\('i',\)"),
    (lambda: plot.traces(FIRED, before=FIRED[1:]), VALUE, r"before: shape \(3, 3\) differs"),
    (lambda: plot.traces(FIRED, spikes=FIRED[1:]), VALUE, r"spikes: shape \(3, 3\) differs"),
    (lambda: plot.traces(FIRED, neurons=[7]), VALUE, "neurons=.*3 neurons"),
    (lambda: plot.spike_count(FIRED, labels=["a"]), VALUE, "labels: 1 came for 3 neurons"),
    (lambda: plot.isi(FIRED, bins=0), VALUE, "bins=0"),
    (lambda: plot.activation_curve(rsnn.LI()), VALUE, "does not spike"),
    (lambda: plot.activation_curve("iaf"), TYPE, "neuron='iaf': must be a neuron"),
    (lambda: plot.activation_curve(rsnn.IAF(v_threshold=[1.0, 2.0])), VALUE, "holds arrays"),
    (lambda: plot.phase_plane(rsnn.LIF()), VALUE, "its state is v; a plane needs v and one of w and a"),
    (lambda: plot.phase_plane(rsnn.AdEx(), np.ones((3, 2))), VALUE, r"x: shape \(3, 2\)"),
    (lambda: plot.weights(rsnn.IAF()), TYPE, "source=IAF"),
    (lambda: plot.weights(rsnn.Network([rsnn.IAF()], 2)), VALUE, "it has no weights"),
    (lambda: plot.summary(rt.IAF()), TYPE, "rsnn.torch.to_network"),
    (lambda: plot.summary(NET, out=OUT), VALUE, "with 5 layers"),
    (lambda: plot.result(FIRED), TYPE, "must be the result of a run"),
    (lambda: plot.result(OUT, "figure"), TYPE, "figure='figure'"),
    (lambda: plot.animate(np.zeros((0, 2, 2))), VALUE, "no steps"),
    (lambda: plot.animate(np.zeros((0, 2))), VALUE, r"spikes: shape \(0, 2\) came, so there is nothing to draw"),
    (lambda: plot.raster(np.zeros((3, 0))), VALUE, r"spikes: shape \(3, 0\) came, so there is nothing to draw"),
    (lambda: plot.traces(np.zeros((0, 3))), VALUE, "v: shape .*nothing to draw"),
    (lambda: plot.spike_count([]), VALUE, "spikes: shape .*nothing to draw"),
    (lambda: NET.run(np.zeros((0, 1, 4, 4))).plot(), VALUE, "nothing to draw"),
    (lambda: plot.raster([0.0, np.nan]), VALUE, "spikes: NaN or infinity"),
    (lambda: plot.isi([0.0, np.inf]), VALUE, "spikes: NaN or infinity"),
    (lambda: plot.animate([0.0, np.inf]), VALUE, "spikes: NaN or infinity"),
    (lambda: plot.weights([[np.nan]]), VALUE, "source: NaN or infinity"),
    (lambda: plot.agreement([np.nan], [1.0]), VALUE, "a: NaN or infinity"),
    (lambda: plot.confusion([[np.inf]]), VALUE, "matrix: NaN or infinity"),
    (lambda: plot.confusion(np.zeros((0, 0))), VALUE, r"matrix: shape \(0, 0\)"),
    (lambda: plot.image(np.zeros((0, 3))), VALUE, r"pixels: shape \(0, 3\)"),
    (lambda: plot.phase_plane(rsnn.AdEx(dt=0.1), np.nan), VALUE, "x: NaN or infinity"),
    (lambda: plot.activation_curve(rsnn.IAF(), inputs=[np.nan]), VALUE, "inputs: NaN or infinity"),
    (lambda: plot.raster(FIRED, dt=0), VALUE, "dt=0"),
    (lambda: plot.traces(FIRED, dt=-1.0), VALUE, "dt=-1"),
    (lambda: plot.raster(np.zeros((3, 2, 2)), sample="a"), TYPE, "sample='a': must be an integer"),
    (lambda: plot.animate(np.zeros((3, 2, 2)), sample=True), TYPE, "sample=True: must be an integer"),
    (lambda: plot.traces(FIRED, labels=5), TYPE, "labels=5: must be a list"),
    (lambda: plot.animate(np.zeros((3, 5, 4, 4))), VALUE, r"shape \(3, 5, 4, 4\) came"),
    (lambda: plot.animate(FIRED, glow=1.0), VALUE, "glow=1.0"),
    (lambda: plot.conversion(OUT), TYPE, "rsnn.convert.compare"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED, ids=[f"{message[:40]}" for _, _, message in REFUSED])
def test_what_cannot_be_drawn_is_refused_with_its_cure(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()

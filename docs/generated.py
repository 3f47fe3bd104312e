"""The pages of the manual that nobody writes: one for each neuron, from its class, and the list of all names, from ``__all__``.

They are written into docs/neurons and docs/api when a build begins, and ignored by git.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import rsnn
from rsnn import neurons, plot

HERE = Path(__file__).parent

SHOWN: dict[str, tuple[dict[str, Any], float, int]] = {
    "LI": ({}, 1.0, 200),
    "LIF": ({}, 2.0, 200),
    "IAF": ({}, 0.08, 200),
    "ALIF": ({"tau_adapt": 100.0, "adapt_scale": 10.0}, 2.0, 400),
    "Alpha": ({}, 0.15, 200),
    "EIF": ({"dt": 0.1}, 10.0, 2000),
    "QIF": ({}, 0.6, 300),
    "AdEx": ({"dt": 0.1}, 800.0, 4000),
    "Izhikevich": ({"dt": 0.25}, 10.0, 1600),
    "GLIF3": ({}, 500.0, 400),
}
"""For the picture of a neuron: its arguments, the constant input that makes it do something, and for how many steps."""

MODULES = {
    "rsnn": "Neurons, networks and simulation",
    "rsnn.stages": "The stages that neurons are made of",
    "rsnn.surrogate": "Surrogate gradients",
    "rsnn.events": "Products that follow the events",
    "rsnn.encode": "From values to spikes",
    "rsnn.decode": "From spikes to values",
    "rsnn.metrics": "Measures of spike trains and networks",
    "rsnn.plasticity": "Learning without gradients",
    "rsnn.convert": "From ReLU to spikes",
    "rsnn.nir": "NIR graphs, and audits of them",
    "rsnn.datasets": "Event files",
    "rsnn.plot": "Pictures",
    "rsnn.presets.norse": "Norse's neurons",
    "rsnn.presets.snntorch": "snnTorch's neurons",
    "rsnn.presets.sinabs": "sinabs' neurons",
    "rsnn.presets.spikingjelly": "SpikingJelly's neurons",
    "rsnn.torch": "Layers for PyTorch",
    "rsnn.torch.presets.norse": "Norse's layers",
    "rsnn.torch.presets.snntorch": "snnTorch's layers",
    "rsnn.torch.presets.sinabs": "sinabs' layers",
    "rsnn.torch.presets.spikingjelly": "SpikingJelly's layers",
    "rsnn.torch.init": "Weights that make a network fire",
    "rsnn.torch.losses": "Losses, accuracies, regularisers",
    "rsnn.torch.chip": "Training for a chip",
    "rsnn.chip": "Chips",
    "rsnn.chip.dynapcnn": "DynapCNN and Speck",
    "rsnn.chip.xylo": "Xylo",
    "rsnn.chip.loihi": "Loihi",
    "rsnn.chip.tinyodin": "tinyODIN",
    "rsnn.chip.odin": "ODIN",
    "rsnn.records": "Events as records",
    "rsnn.description": "Networks as plain data",
    "rsnn.memory": "Memory that is used again",
}
"""The rooms of the API, in the order of the manual."""


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", lambda _: write())
    app.connect("autodoc-process-docstring", _plain_stars, priority=400)  # before napoleon, whose stars are meant
    return {"parallel_read_safe": True}


def write() -> None:
    """Write every generated page; what has not changed keeps its time, so that Sphinx does not read it again."""
    _write("neurons", {name: _neuron(name) for name in (kind.__name__ for kind in neurons.NAMED.values())}, "Neurons", NEURONS)
    _write("api", {name: _module(name, title) for name, title in MODULES.items() if _there(name)}, "API", API)


NEURONS = """Every neuron is data: its equation, its numbers, nothing running. `rsnn.simulate(neuron, x)` runs it over an array,
`rsnn.torch.Layer(neuron)` trains it. All are short for an `rsnn.Neuron`: a row of stages, any mix of them, or a whole model."""

API = """Everything public, by where it is imported from. `rsnn` itself imports nothing but numpy, its modules come when they are used."""


def _write(folder: str, pages: dict[str, str], title: str, words: str) -> None:
    place = HERE / folder
    place.mkdir(exist_ok=True)
    toc = "\n".join(pages)
    pages = {**pages, "index": f"# {title}\n\n{words}\n\n```{{toctree}}\n:maxdepth: 1\n\n{toc}\n```\n"}
    for old in place.glob("*.md"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        path = place / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _neuron(name: str) -> str:
    kind = getattr(rsnn, name)
    _picture(name, kind)
    rows = "\n".join(f"| `{one.name}` | `{_default(one.default)}` |" for one in inspect.signature(kind).parameters.values())
    return (
        f"# {name}\n\n![{name} under a constant input: membrane, spikes, other states]({name}.png)\n\n"
        f"```{{eval-rst}}\n.. autoclass:: rsnn.{name}\n   :noindex:\n```\n\n"
        f"## Defaults\n\n| argument | default |\n|---|---|\n{rows}\n\n"
        f"State: {', '.join(f'`{field}`' for field in kind().init_state(1)._fields)}. "
        f"In one call: `rsnn.{name.lower()}(x, ...)`; in torch: `rsnn.torch.{name}`.\n"
    )


def _default(value: Any) -> str:
    return "required" if value is inspect.Parameter.empty else repr(value)


def _picture(name: str, kind: Any) -> None:
    """Draw a neuron under an input that begins and ends: its membrane as it climbs and is reset, its spikes, its other states."""
    arguments, level, steps = SHOWN[name]
    neuron = kind(**arguments)
    dt = neuron.stages.dt
    first, last = steps // 10, steps * 8 // 10
    current = np.zeros(steps, dtype=np.float32)
    current[first:last] = level
    states, spiking = neuron.init_state(1)._fields, neuron.kernel().spiking
    out = rsnn.simulate(neuron, current, record=(*states, "u") if spiking else states)
    before = None
    if spiking:
        threshold = float(neuron.coefficients()["v_threshold"])
        # What makes its spikes by itself overshoots the threshold by far in its last step, which says nothing.
        before = np.where(out.spikes > 0, np.minimum(out.u, threshold + 0.1 * abs(threshold)), out.u)
    figure = Figure(figsize=(7.0, 1.7 + 0.9 * len(states)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(states), squeeze=False, sharex=True, height_ratios=[2.0] + [1.0] * (len(states) - 1))[:, 0]
    for axes, state in zip(panels, states, strict=True):
        if state == "v":
            spikes = out.spikes if spiking else None
            plot.traces(out.v, axes, before=before, threshold=neuron if spiking else None, spikes=spikes, dt=dt, colors=[plot.FLOAT])
        else:
            plot.traces(out.traces[state], axes, name=state, dt=dt, colors=[plot.INTEGER])
        axes.axvspan(first * dt, last * dt, color=plot.QUIET, alpha=0.3, lw=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.label_outer()
    figure.align_ylabels(panels)
    panels[0].set_title(f"{neuron!r}, input {level:g} in the grey part", loc="left", fontsize=9)
    (HERE / "neurons").mkdir(exist_ok=True)
    figure.savefig(HERE / "neurons" / f"{name}.png", dpi=110)


def _module(name: str, title: str) -> str:
    module = importlib.import_module(name)
    public = getattr(module, "__all__", None) or [key for key, value in vars(module).items() if _is_own(key, value, name)]
    lines = [f"# {name}: {title}", "", "```{eval-rst}", f".. automodule:: {name}", "```", ""]
    for one in sorted(public, key=str.lower):
        value = getattr(module, one)
        if inspect.isclass(value):
            # What all layers have is said once, of rsnn.torch.Layer.
            members = [] if name.startswith("rsnn.torch.presets") else ["   :members:", "   :inherited-members: Module, tuple, Exception"]
            lines += ["```{eval-rst}", f".. autoclass:: {name}.{one}", *members, "```", ""]
        elif callable(value):
            lines += ["```{eval-rst}", f".. autofunction:: {name}.{one}", "```", ""]
    return "\n".join(lines)


def _is_own(key: str, value: Any, module: str) -> bool:
    """Whether a module without ``__all__`` is where this name comes from."""
    return not key.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module


def _there(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _plain_stars(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Keep the star of a shape, ``(T, *shape)``, from beginning an emphasis."""
    for k, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = line.split("``")  # every second one is code
            parts[::2] = [re.sub(r"(?<=[ (])\*(?=\w)", r"\\*", part) for part in parts[::2]]
            lines[k] = "``".join(parts)

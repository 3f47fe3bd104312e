"""Pictures of spikes, membranes, neurons and networks: axes or figures of matplotlib in, the same out.

Nothing here keeps state, changes matplotlib's settings or leaves a figure with pyplot: every function draws into the axes it is handed, or
into new ones, and returns them; ``axes.figure.savefig("picture.png")`` writes them, and a notebook shows ``axes.figure``. Results of runs
go in as they are, so do arrays, tensors and `rsnn.Spikes`. Only `explore` opens a window.
matplotlib comes with ``pip install "rsnn[plot]"``.

>>> import rsnn
>>> out = rsnn.lif(11.0, tau_mem=20.0, v_threshold=10.0, steps=100, record="v")
>>> axes = rsnn.plot.traces(out, threshold=10.0)
>>> figure = out.plot(threshold=10.0)
>>> [axes.get_ylabel() for axes in figure.axes]
['neuron', 'membrane']
"""

from .activity import isi, raster, spike_count, traces
from .animation import animate
from .charts import agreement, confusion, conversion, image, weights
from .data import FLOAT, INK, INTEGER, QUIET
from .explorer import Explorer, explore
from .neurons import activation_curve, phase_plane
from .overview import result, summary

__all__ = [
    "FLOAT",
    "INK",
    "INTEGER",
    "QUIET",
    "Explorer",
    "activation_curve",
    "agreement",
    "animate",
    "confusion",
    "conversion",
    "explore",
    "image",
    "isi",
    "phase_plane",
    "raster",
    "result",
    "spike_count",
    "summary",
    "traces",
    "weights",
]

"""What has been published of what neurons do: parameters, the current that shows it, and the step it was shown with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rsnn.arguments import choice

if TYPE_CHECKING:
    import numpy.typing as npt

Piece = tuple[float, float, float, float]
"""From a time to a time, both left out, the current goes straight from a value to a value."""


@dataclass(frozen=True)
class Experiment:
    """A neuron and what is done to it.

    Parameters
    ----------
    parameters : of the neuron
    dt, duration : length of a step and of the run, which counts both ends
    pieces : of the current, which is `base` elsewhere
    """

    parameters: Mapping[str, Any]
    dt: float
    duration: float
    pieces: tuple[Piece, ...]
    base: float = 0.0


def found(kind: str, name: str, experiments: Mapping[str, Experiment]) -> Experiment:
    """Give the experiment of this name.

    Parameters
    ----------
    kind : what it is of, for the message
    name : the name, as it came
    experiments : all there are
    """
    return experiments[choice(f"rsnn.{kind}.named: name", name, tuple(experiments))]


def stimulus(experiment: Experiment) -> npt.NDArray[np.float64]:
    """Make the current, one value for each step.

    Parameters
    ----------
    experiment : the experiment

    Returns
    -------
    array (T,) of float64
    """
    t = np.arange(round(experiment.duration / experiment.dt) + 1) * experiment.dt
    current = np.full(t.shape, experiment.base)
    slack = 1e-6 * experiment.dt  # a product of steps is not the time it stands for, to the last bit
    for start, end, first, last in experiment.pieces:
        inside = (t > start + slack) & (t < end - slack)
        # A constant is written as such: a slope would round it.
        current[inside] = first if first == last else first + (t[inside] - start) * ((last - first) / (end - start))
    return current


def _step(start: float, end: float, value: float) -> Piece:
    return (start, end, value, value)


def _izhikevich(
    a: float, b: float, c: float, d: float, v: float, dt: float, duration: float, *pieces: Piece, base: float = 0.0, **more: Any
) -> Experiment:
    return Experiment({"a": a, "b": b, "c": c, "d": d, "v_init": v} | more, dt, duration, pieces, base)


_FOREVER = 1e6
_SLOW = {"mn": 4.1, "const": 108.0}

# The code published with E. M. Izhikevich, "Which model to use for cortical spiking neurons?",
# IEEE Transactions on Neural Networks 15 (2004).
BEHAVIOURS: dict[str, Experiment] = {
    "tonic_spiking": _izhikevich(0.02, 0.2, -65.0, 6.0, -70.0, 0.25, 100.0, _step(10.0, _FOREVER, 14.0)),
    "phasic_spiking": _izhikevich(0.02, 0.25, -65.0, 6.0, -64.0, 0.25, 200.0, _step(20.0, _FOREVER, 0.5)),
    "tonic_bursting": _izhikevich(0.02, 0.2, -50.0, 2.0, -70.0, 0.25, 220.0, _step(22.0, _FOREVER, 15.0)),
    "phasic_bursting": _izhikevich(0.02, 0.25, -55.0, 0.05, -64.0, 0.2, 200.0, _step(20.0, _FOREVER, 0.6)),
    "mixed_mode": _izhikevich(0.02, 0.2, -55.0, 4.0, -70.0, 0.25, 160.0, _step(16.0, _FOREVER, 10.0)),
    "spike_frequency_adaptation": _izhikevich(0.01, 0.2, -65.0, 8.0, -70.0, 0.25, 85.0, _step(8.5, _FOREVER, 30.0)),
    "class_1": _izhikevich(0.02, -0.1, -55.0, 6.0, -60.0, 0.25, 300.0, (30.0, 301.0, 0.0, 0.075 * 271.0), **_SLOW),
    "class_2": _izhikevich(0.2, 0.26, -65.0, 0.0, -64.0, 0.25, 300.0, (30.0, 301.0, -0.5, -0.5 + 0.015 * 271.0), base=-0.5),
    "spike_latency": _izhikevich(0.02, 0.2, -65.0, 6.0, -70.0, 0.2, 100.0, _step(10.0, 13.0, 7.04)),
    "subthreshold_oscillations": _izhikevich(0.05, 0.26, -60.0, 0.0, -62.0, 0.25, 200.0, _step(20.0, 25.0, 2.0)),
    "resonator": _izhikevich(
        0.1, 0.26, -60.0, -1.0, -62.0, 0.25, 400.0, *(_step(start, start + 4.0, 0.65) for start in (40.0, 60.0, 280.0, 320.0))
    ),
    "integrator": _izhikevich(
        0.02,
        -0.1,
        -55.0,
        6.0,
        -60.0,
        0.25,
        100.0,
        *(_step(start, start + 2.0, 9.0) for start in (100.0 / 11.0, 100.0 / 11.0 + 5.0, 70.0, 80.0)),
        **_SLOW,
    ),
    "rebound_spike": _izhikevich(0.03, 0.25, -60.0, 4.0, -64.0, 0.2, 200.0, _step(20.0, 25.0, -15.0)),
    "rebound_burst": _izhikevich(0.03, 0.25, -52.0, 0.0, -64.0, 0.2, 200.0, _step(20.0, 25.0, -15.0)),
    "threshold_variability": _izhikevich(
        0.03, 0.25, -60.0, 4.0, -64.0, 0.25, 100.0, _step(10.0, 15.0, 1.0), _step(70.0, 75.0, -6.0), _step(80.0, 85.0, 1.0)
    ),
    "bistability": _izhikevich(0.1, 0.26, -60.0, 0.0, -61.0, 0.25, 300.0, _step(37.5, 42.5, 1.24), _step(216.0, 221.0, 1.24), base=0.24),
    "depolarizing_after_potential": _izhikevich(1.0, 0.2, -60.0, -21.0, -70.0, 0.1, 50.0, _step(9.0, 11.0, 20.0)),
    "accommodation": _izhikevich(
        0.02, 1.0, -55.0, 4.0, -65.0, 0.5, 400.0, (0.0, 200.0, 0.0, 8.0), (300.0, 312.5, 0.0, 4.0), recovery="drift", v_leak=-65.0
    ),
    "inhibition_induced_spiking": _izhikevich(-0.02, -1.0, -60.0, 8.0, -63.8, 0.5, 350.0, _step(49.75, 250.25, 75.0), base=80.0),
    "inhibition_induced_bursting": _izhikevich(-0.026, -1.0, -45.0, -2.0, -63.8, 0.5, 350.0, _step(49.75, 250.25, 75.0), base=80.0),
}


def _adex(C: float, g_l: float, e_l: float, a: float, tau_w: float, b: float, v_r: float, current: float) -> Experiment:
    parameters = {"C": C, "g_l": g_l, "e_l": e_l, "v_t": -50.0, "delta_t": 2.0, "tau_w": tau_w, "a": a, "b": b, "v_r": v_r}
    return Experiment(parameters, 0.1, 520.0, (_step(20.0, _FOREVER, current),))


# Table 1 of R. Naud, N. Marcille, C. Clopath, W. Gerstner, "Firing patterns in the adaptive exponential integrate-and-fire model",
# Biological Cybernetics 99 (2008): pF, nS, mV, nS, ms, pA, mV, pA.
PATTERNS: dict[str, Experiment] = {
    "tonic_spiking": _adex(200.0, 10.0, -70.0, 2.0, 30.0, 0.0, -58.0, 500.0),
    "adaptation": _adex(200.0, 12.0, -70.0, 2.0, 300.0, 60.0, -58.0, 500.0),
    "initial_burst": _adex(130.0, 18.0, -58.0, 4.0, 150.0, 120.0, -50.0, 400.0),
    "regular_bursting": _adex(200.0, 10.0, -58.0, 2.0, 120.0, 100.0, -46.0, 210.0),
    "delayed_accelerating": _adex(200.0, 12.0, -70.0, -10.0, 300.0, 0.0, -58.0, 300.0),
    "delayed_regular_bursting": _adex(100.0, 10.0, -65.0, -10.0, 90.0, 30.0, -47.0, 110.0),
    "transient_spiking": _adex(100.0, 10.0, -65.0, 10.0, 90.0, 100.0, -47.0, 180.0),
    "irregular_spiking": _adex(100.0, 12.0, -60.0, -11.0, 130.0, 30.0, -48.0, 160.0),
}

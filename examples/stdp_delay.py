"""A synapse learns the delay between two spike trains.

A source fires at random, and its spikes arrive at each of three neurons through 40 synapses: one after a step, one after two, and so on.
Every neuron also has a teacher that fires a fixed time after the source (8, 19 and 30 steps), misses a spike in ten, and fires at random
besides. Spike-timing-dependent plasticity strengthens the synapse whose spikes come in the very step of the teacher's, and weakens the
others: their spikes come at other times, and meet the long trace of what was fired before. In the end each neuron has kept one synapse,
the one with its delay. Then the teachers fall silent, and the neurons answer the source by themselves, in time.

The rule: Song, Miller, Abbott: Competitive Hebbian learning through spike-timing-dependent synaptic plasticity, Nature Neuroscience 3,
2000; delays chosen by it: Gerstner, Kempter, van Hemmen, Wagner: A neuronal learning rule for sub-millisecond temporal coding, Nature 383,
1996.

    python examples/stdp_delay.py [--help]

Came out (Intel Xeon, 2 cores, 2026-11-29): from each of five seeds all three neurons found their delays, 8, 19 and 30 steps, and without
teachers every spike of theirs came in time.
"""

from dataclasses import dataclass

import command
import numpy as np
import numpy.typing as npt
from command import Settings
from matplotlib.figure import Figure

import rsnn
from rsnn import plot

LINES = 40
"""Synapses from the source to every neuron, with delays of 1, 2, ... steps."""
DELAYS = (8, 19, 30)
"""Of the teachers, in steps."""
ROUND = 1000
"""Steps in a round of training, which `--epochs` counts."""
RATE, NOISE, MISSED = 0.01, 0.001, 0.1
"""Spikes a step of the source; spikes a step that a teacher adds; the part of its spikes that it misses."""
TEST = 20_000
"""Steps without teachers, at the end."""
SEEDS = 5
RULE = rsnn.plasticity.STDP(tau_plus=2.0, tau_minus=100.0, a_plus=0.02, a_minus=0.015)

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Learned:
    """A network that has learned, its weights (rounds, 3, 43) after every round, and where its synapses and its answers lie.

    `delays` are those of the strongest synapses; `lags` counts (3, 40) how often each neuron fired how many steps after a spike of the
    source, without teachers, and `fired` (3,) how often at all.
    """

    network: rsnn.Network
    history: Array
    delays: list[int]
    lags: npt.NDArray[np.int64]
    fired: npt.NDArray[np.int64]

    def in_time(self) -> list[float]:
        """Give the part of each neuron's spikes that came when its teacher's would have."""
        return [float(lags[delay] / max(1, fired)) for lags, delay, fired in zip(self.lags, DELAYS, self.fired, strict=True)]


def network() -> rsnn.Network:
    """Make the three neurons: weak synapses from the lines, and a strong one from their own teacher."""
    weight = np.concatenate([np.full((3, LINES), 0.3), np.eye(3)], axis=1)
    return rsnn.Network([("synapses", rsnn.Linear(weight)), ("neurons", rsnn.LIF(beta=0.5, reset="zero"))], input_shape=LINES + 3)


def trains(steps: int, rng: np.random.Generator, taught: bool = True) -> tuple[Array, Array]:
    """Give the source (T,), and what arrives at the synapses (T, 43): the source through its delays, then the teachers."""
    source = (rng.random(steps) < RATE).astype(np.float32)

    def late(delay: int) -> Array:
        return np.concatenate([np.zeros(delay, np.float32), source[: steps - delay]])

    lines = np.stack([late(delay) for delay in range(1, LINES + 1)], axis=1)
    told = np.stack([late(delay) for delay in DELAYS], axis=1)
    teachers = np.maximum(told * (rng.random(told.shape) >= MISSED), rng.random(told.shape) < NOISE)
    return source, np.concatenate([lines, teachers * taught], axis=1).astype(np.float32)


def train(settings: Settings, seed: int) -> Learned:
    """Let a network learn, then let it answer without teachers."""
    rng = np.random.default_rng(seed)
    net, state, history = network(), None, []
    with command.progress(f"seed {seed}", settings.epochs) as advance:
        for number in range(settings.epochs):
            result = rsnn.plasticity.run(net, trains(ROUND, rng)[1], {"synapses": RULE}, state)
            net, state = result.network, result.state
            history.append(result.weights["synapses"])
            advance(f"round {number + 1}/{settings.epochs}")
    delays = [int(k) + 1 for k in history[-1][:, :LINES].argmax(1)]
    source, arriving = trains(TEST, rng, taught=False)
    spikes = net.run(arriving).output
    lags = np.array([[np.count_nonzero(source[: TEST - lag] * one[lag:]) for lag in range(LINES)] for one in spikes.T])
    return Learned(net, np.array(history), delays, lags, np.count_nonzero(spikes, axis=0))


def run(settings: Settings) -> command.Outcome:
    """Learn from several seeds; tell the delays that were found, and draw the first network's."""
    found = []
    for seed in settings.seeds(SEEDS):
        found.append(train(settings, seed))
        share = ", ".join(f"{part:.1%}" for part in found[-1].in_time())
        print(f"seed {seed}: delays {found[-1].delays} of {list(DELAYS)}; without teachers in time: {share} of the spikes")
    numbers = {
        "epochs": settings.epochs,
        "delays": list(DELAYS),
        "found": {seed: one.delays for seed, one in zip(settings.seeds(SEEDS), found, strict=True)},
        "in_time": [one.in_time() for one in found],
    }
    return numbers, draw(found[0], settings)


def draw(learned: Learned, settings: Settings) -> Figure:
    """Draw what arrives, the rule, and the weights on their way; then what the neurons do alone."""
    figure = Figure(figsize=(12.0, 8.0))
    grid = figure.add_gridspec(3, 3)
    arriving, window = figure.add_subplot(grid[0, :2]), figure.add_subplot(grid[0, 2])
    source, x = trains(300, np.random.default_rng(settings.seed + 3))
    plot.raster(np.concatenate([source[:, None], x[:, LINES:]], axis=1), arriving)
    arriving.set(yticks=range(4), yticklabels=["source", *(f"teacher, {d} late" for d in DELAYS)], ylabel="", title="What is fired")
    shifts = np.arange(-60, 61)
    window.plot(shifts, [change(int(shift)) for shift in shifts], ".", color=plot.FLOAT)
    window.set(xlabel="steps from arrival to spike", ylabel="change of weight", title="The rule")
    window.axhline(0.0, color=plot.QUIET, linewidth=0.8, zorder=0)
    for k, delay in enumerate(DELAYS):
        course, answer = figure.add_subplot(grid[1, k]), figure.add_subplot(grid[2, k])
        shown = course.imshow(
            learned.history[:, k, :LINES].T, aspect="auto", origin="lower", cmap="Blues", vmin=0.0, vmax=1.0,
            extent=(0.5, len(learned.history) + 0.5, 0.5, LINES + 0.5),
        )  # fmt: skip
        course.axhline(delay, color=plot.INTEGER, linewidth=0.8, linestyle=":")
        course.set(
            xlabel=f"rounds of {ROUND} steps", ylabel="delay of the synapse", title=f"Weights of neuron {k}: finds {learned.delays[k]}"
        )
        answer.bar(np.arange(LINES), learned.lags[k], color=plot.FLOAT)
        answer.axvline(delay, color=plot.INTEGER, linewidth=0.8, linestyle=":")
        answer.set(xlabel="steps after a spike of the source", ylabel="spikes", title="Without its teacher it fires")
    figure.colorbar(shown, ax=course, label="weight")
    return figure


def change(shift: int) -> float:
    """Give what one pair of spikes does to a weight in the middle, the neuron's `shift` steps after the other."""
    x = np.zeros((2, 130, 1))
    x[0, 65], x[1, 65 + shift] = 1.0, 1.0
    return float(rsnn.plasticity.learn(RULE, x[0], x[1], [[0.5]]).weight[0, 0]) - 0.5


if __name__ == "__main__":
    command.main(run, __doc__ or "", epochs=100, quick_epochs=40)

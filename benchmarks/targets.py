"""What `make bench` measures: figures, and the targets some of them are held against.

Every target stands here once, with its name as the page says it; the parts report a figure of it by `Aim.NAME.found(where, value)`.
One thread and float32 unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

LONG, BATCH = "(1000, 1, 4096)", "(100, 64, 1024)"
"""The two shapes (T, B, N) of a layer: one long sequence, and a batch of short ones."""
TWO = ", two threads"
COST = "ns per neuron and step"
"""The measure that docs/cost.png is drawn in."""
CONV = "conv(2-8-16-16, IAF, pooled)-dense(11), 100 steps of 2 x 128 x 128"
MLP = "training step 700-256-256-20, T = 100, B = 128, 2 % of the input"
MODELS = ("LIF", "LIF with synapse", "LIF with synapse, second layer recurrent")
WORST, DENSE = "any density, the worst", "dense input, the worst"


def percent(share: float) -> str:
    """Write a share."""
    return f"{100 * share:.3g} %"


def said(value: float) -> str:
    """Write a figure with three digits, as the page has it and as it is judged."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:#.3g}".rstrip(".")


@dataclass(frozen=True)
class Figure:
    """One measured number, or why there is none (`value` is None, `note` says why)."""

    work: str
    where: str
    measure: str
    value: float | None
    note: str = ""
    aim: str = ""

    @property
    def text(self) -> str:
        """Give the number in words, with its note."""
        return f"not measured: {self.note}" if self.value is None else said(self.value) + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True)
class Target:
    """A number to reach in each of some places: at most that, or at least."""

    part: str
    work: str
    measure: str
    reach: dict[str, float]
    at_least: bool = False

    def bound(self, where: str) -> str:
        """Say what is aimed at."""
        bound = self.reach[where]
        return f"{'≥' if self.at_least else '≤'} {bound:,g}" if bound else "0"

    def verdict(self, figure: Figure | None) -> str:
        """Judge a figure as it is written."""
        if figure is None or figure.value is None:
            return "not measured"
        value, bound = float(said(figure.value).replace(",", "")), self.reach[figure.where]
        return "reached" if (value >= bound if self.at_least else value <= bound) else "**missed**"


class Aim(Enum):
    """Every target, part by part."""

    _value_: Target

    OUT = Target(
        "neurons", "LIF with synapse, `out=` given", "time / `np.copyto`", dict.fromkeys((LONG, LONG + TWO, BATCH, BATCH + TWO), 1.5)
    )
    NEW = Target("neurons", "LIF with synapse, new array", "time / `x.copy()`", {LONG: 1.6, BATCH: 1.6})
    PACKED = Target("neurons", "LIF with synapse, packed spikes", "time / `np.copyto`", {LONG: 1.0, BATCH: 1.0})
    THREADS = Target("neurons", "LIF with synapse on two threads", "time / one thread", {LONG: 0.8, BATCH: 0.8})
    PLAIN = Target("neurons", "every neuron and preset without exp, the slowest", "time / `np.copyto`", {LONG: 2.5})
    RICH = Target("neurons", "Izhikevich, LSNN, ALIF, CobaLIF, the slowest", "time / `np.copyto`", {LONG: 4.0})
    GROWTH = Target("neurons", "time per step of a layer", "longest / shortest of T = 250, 1000, 4000", {"(T, 1, 4096)": 1.15})
    CALL = Target("neurons", "one step from Python, state and all", "microseconds", {"64 neurons": 15.0})
    PEAK = Target(
        "neurons", "peak memory above the input", "outputs (1 is the output itself)",
        dict.fromkeys(("(64, 100, 8192), contiguous", "(64, 100, 8192), strided", "(64, 100, 8192), batch first"), 1.1),
    )  # fmt: skip

    LOOP = Target("training", "forward + backward of LIF with synapse", "torch loop / time", {LONG: 12.0, BATCH: 5.0}, at_least=True)
    TRAIN_THREADS = Target("training", "forward + backward on two threads", "one thread / two", {LONG: 1.6, BATCH: 1.6}, at_least=True)
    TRAIN_GROWTH = Target(
        "training", "time per step, forward + backward", "longest / shortest of T = 250, 1000, 4000", {"(T, 1, 4096)": 1.15}
    )
    FAULTS = Target("training", "page faults of forward + backward in a steady loop", "faults", {BATCH: 0.0})
    KEPT = Target("training", "kept for backward beyond input and spikes", "bytes a neuron and step", {"(640, 8, 4096)": 0.5})

    RECURRENT = Target(
        "recurrent", "recurrent layer of 256, forward + backward", "torch loop / time", {"T = 100, B = 128, 6 % fire": 4.0}, at_least=True
    )

    STEP = Target("mlp", MLP, "time / its dense products in torch", dict(zip(MODELS, (0.2, 0.2, 0.25), strict=True)))
    STEP_THREADS = Target("mlp", "training step on two threads", "one thread / two", dict.fromkeys(MODELS, 1.5), at_least=True)
    STEP_FAULTS = Target("mlp", "page faults of a training step in a steady loop", "faults", dict.fromkeys(MODELS, 0.0))
    LINEAR = Target("mlp", "`rt.Linear`, forward + backward", "time / `nn.Linear`", {WORST: 1.15, DENSE: 1.03})
    CONVOLUTION = Target("mlp", "`rt.Conv2d`, forward + backward", "time / `nn.Conv2d`", {WORST: 1.15, DENSE: 1.03})

    EVENTS = Target("inference", f"`Network.run`, {CONV}", "time / torch's convolutions with ReLU", {"1 % of the pixels": 0.035})
    MODULES = Target(
        "inference", "the same as `rt.Sequential`, no gradients", "time / torch's convolutions with ReLU", {"1 % of the pixels": 0.15}
    )
    PATHS = Target("inference", 'the same, `path="auto"`', 'time / `path="dense"`', {WORST: 1.15})
    STREAM = Target(
        "inference", "stream of a small network", "steps a second", {"conv(2-8)-dense(10) on 2 x 34 x 34": 20_000.0}, at_least=True
    )
    STREAM_MEMORY = Target("inference", "memory that a million steps of a stream take", "KiB", {"64-32-4": 0.0})

    LOIHI = Target("chips", "Loihi LIF without synapses", COST, {"(1000, 4096)": 1.0})
    LOIHI_COPY = Target("chips", "Loihi LIF beside copying its input", "time / `np.copyto` of int32", {"(1000, 4096)": 2.5})
    XYLO = Target("chips", "Xylo core 16-992-8, 8 synapses each", COST, {"2000 steps": 4.0})

    PEERS = Target("peers", "the fastest other spiking library, forward", "its time / rsnn", {LONG: 20.0, BATCH: 8.0}, at_least=True)
    PEERS_TRAIN = Target(
        "peers", "the fastest other spiking library, forward + backward", "its time / rsnn", {LONG: 40.0, BATCH: 8.0}, at_least=True
    )
    JAX = Target("peers", "JAX, a compiled scan, forward + backward", "its time / rsnn", {LONG: 1.7, BATCH: 1.7}, at_least=True)
    SINABS = Target("peers", "DynapCNN beside sinabs' float emulation", "its time / rsnn", {f"{CONV}, 1 %": 10.0}, at_least=True)

    def found(self, where: str, value: float | None, note: str = "") -> Figure:
        """Report a figure of this target."""
        if where not in self.value.reach:
            raise KeyError(f"{self.name} has no target for {where!r}, but for {list(self.value.reach)}")
        return Figure(self.value.work, where, self.value.measure, value, note, self.name)

    def only(self, value: float | None, note: str = "") -> Figure:
        """Report the figure of a target that is measured in one place."""
        (where,) = self.value.reach
        return self.found(where, value, note)

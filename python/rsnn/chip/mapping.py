"""The limits of DynapCNN (Speck), and a core for every layer.

Numbers from the maker's documentation and software (sinabs 3.1.3: ``docs/speck/overview.md``, ``backend/dynapcnn/chips/dynapcnn.py``,
``validate_memory_speck.py``). The rule of memory use equals that software's on the six networks of the golden data. At the boundary of
the kernel size (16) and of the features (1024) its texts contradict each other; here the larger number is accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .report import Limit

WEIGHT_BITS, STATE_BITS = 8, 16
LOWEST = -(1 << (STATE_BITS - 1))
KERNEL_MEMORY = tuple(n * 1024 for n in (16, 16, 16, 32, 32, 64, 64, 16, 16))
NEURON_MEMORY = tuple(n * 1024 for n in (64, 64, 64, 32, 32, 16, 16, 16, 16))
BIAS_MEMORY = 1024
INPUT_MAP, OUTPUT_MAP = 128, 64
FEATURES = 1024
KERNEL = 16
STRIDES = (1, 2, 4, 8)
PADDING = 7
POOLS = (1, 2, 4)
DESTINATIONS = 2
SENSOR = (2, 128, 128)
"""Polarities, rows and columns of Speck's sensor."""


@dataclass(frozen=True)
class Shape:
    """A layer as a core sees it: everything is a convolution; a linear layer has a kernel of its whole input map."""

    name: str
    channels: int
    input_map: tuple[int, int]
    features: int
    output_map: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    pools: tuple[int, ...]
    bias: bool
    weights: tuple[int, int]
    biases: tuple[int, int]
    v_threshold: int
    v_min: int
    destinations: int = 1

    @property
    def memory(self) -> tuple[int, int, int]:
        """Entries of kernel, neuron and bias memory."""
        rows, columns = self.output_map
        kernel = self.channels << _up(self.kernel[0] * self.kernel[1]) + _up(self.features)
        return kernel, self.features << _up(rows) + _up(columns), self.features if self.bias else 0


def _up(n: int) -> int:
    """Give the bits of an address of n places."""
    return max(n - 1, 0).bit_length()


def layer_limits(shape: Shape) -> list[Limit]:
    """Compare a layer with every limit of a core."""
    rows: list[Limit] = []

    def add(what: str, needed: Any, available: Any, ok: bool) -> None:
        rows.append(Limit(shape.name, what, needed, available, ok))

    def words(sizes: tuple[int, int]) -> str:
        return f"{sizes[0]}x{sizes[1]}"

    kernel, neuron, bias = shape.memory
    strides = ", ".join(map(str, STRIDES))
    add("input map", words(shape.input_map), words((INPUT_MAP, INPUT_MAP)), max(shape.input_map) <= INPUT_MAP)
    add("output map", words(shape.output_map), words((OUTPUT_MAP, OUTPUT_MAP)), max(shape.output_map) <= OUTPUT_MAP)
    add("input features", shape.channels, FEATURES, shape.channels <= FEATURES)
    add("output features", shape.features, FEATURES, shape.features <= FEATURES)
    square = shape.kernel[0] == shape.kernel[1]
    add("kernel", words(shape.kernel), f"square, at most {words((KERNEL, KERNEL))}", square and max(shape.kernel) <= KERNEL)
    add("stride", words(shape.stride), f"{strides} each way", all(one in STRIDES for one in shape.stride))
    add("padding", words(shape.padding), f"at most {PADDING} each way", max(shape.padding) <= PADDING)
    for pool in shape.pools:
        add("pooling", pool, ", ".join(map(str, POOLS)), pool in POOLS)
    add("destinations", shape.destinations, f"at most {DESTINATIONS} cores", shape.destinations <= DESTINATIONS)
    for what, (low, high), bits in (
        ("weights", shape.weights, WEIGHT_BITS),
        ("biases", shape.biases, WEIGHT_BITS),
        ("threshold and lower clip", (min(shape.v_threshold, shape.v_min), max(shape.v_threshold, shape.v_min)), STATE_BITS),
    ):
        first, last = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        add(what, f"{low} to {high}", f"{first} to {last}", first <= low and high <= last)
    add("kernel memory", kernel, max(KERNEL_MEMORY), kernel <= max(KERNEL_MEMORY))
    add("neuron memory", neuron, max(NEURON_MEMORY), neuron <= max(NEURON_MEMORY))
    add("bias memory", bias, BIAS_MEMORY, bias <= BIAS_MEMORY)
    return rows


def assign(shapes: Sequence[Shape]) -> dict[str, int]:
    """Give every layer a core of its own whose memories hold it; empty where that is impossible.

    A bipartite matching by augmenting paths: a layer takes a free core that holds it, or one whose layer can move to another. Layers
    prefer the smallest cores, so what is left over is large.
    """
    held: dict[int, int] = {}
    order = sorted(range(len(KERNEL_MEMORY)), key=lambda core: (KERNEL_MEMORY[core] * NEURON_MEMORY[core], core))

    def place(layer: int, tried: set[int]) -> bool:
        kernel, neuron, bias = shapes[layer].memory
        for core in order:
            if core in tried or kernel > KERNEL_MEMORY[core] or neuron > NEURON_MEMORY[core] or bias > BIAS_MEMORY:
                continue
            tried.add(core)
            if core not in held or place(held[core], tried):
                held[core] = layer
                return True
        return False

    if not all(place(layer, set()) for layer in range(len(shapes))):
        return {}
    core_of = {layer: core for core, layer in held.items()}
    return {shape.name: core_of[layer] for layer, shape in enumerate(shapes)}


def spread(shape: Shape, step: int) -> Shape:
    """Lay the features of the last layer out for the chip's readout: feature k at channel ``step k``, nothing between."""
    return replace(shape, features=step * (shape.features - 1) + 1)


def network_limits(
    shapes: Sequence[Shape], input_pool: int, readout: tuple[int, int] | None
) -> tuple[list[Limit], dict[str, int], dict[str, Any] | None]:
    """Compare a network with every limit of the chip; give the rows, a core for each layer, and the channels that are read out.

    Parameters
    ----------
    readout : how many classes the chip counts, and by how many channels they lie apart; None where it counts none
    """
    rows = [Limit("input", "pooling", input_pool, ", ".join(map(str, POOLS)), input_pool in POOLS)] if input_pool != 1 else []
    rows += [row for shape in shapes for row in layer_limits(shape)]
    last, channels = shapes[-1], None
    if readout is not None and last.output_map == (1, 1):
        classes, step = readout
        fits = last.features <= classes
        rows.append(Limit(last.name, "readout classes", last.features, f"{classes}; more are read as events", ok=True))
        wide = spread(last, step)
        if fits and assign([*shapes[:-1], wide]):
            shapes, channels = [*shapes[:-1], wide], {"layer": last.name, "channels": [step * k for k in range(last.features)]}
            kernel, _, _ = wide.memory
            what = f"kernel memory, classes {step} channels apart"
            rows.append(Limit(last.name, what, kernel, max(KERNEL_MEMORY), kernel <= max(KERNEL_MEMORY)))
        elif fits:
            what = f"cores, classes {step} channels apart"
            rows.append(Limit(last.name, what, "spread over the channels", "no core holds that; read events instead", ok=True))
    cores = assign(shapes)
    placed = len(cores) == len(shapes)
    available = f"{len(KERNEL_MEMORY)}" if placed else f"{len(KERNEL_MEMORY)}, and no way to place the layers on them"
    rows.append(Limit("all", "cores", len(shapes), available, placed))
    return [_on_core(row, cores) for row in rows], cores, channels


def _on_core(row: Limit, cores: dict[str, int]) -> Limit:
    """Say what the core has that a layer is placed on, where a row is about its memory."""
    kind = row.what.partition(" ")[0]
    memory = {"kernel": KERNEL_MEMORY, "neuron": NEURON_MEMORY}.get(kind)
    if memory is None or " memory" not in row.what or row.layer not in cores or not row.ok:
        return row
    core = cores[row.layer]
    return replace(row, available=f"{memory[core]} on core {core}")

"""The chips that a network can be quantised for: what each was verified against, what is not known of it, and which family it is of.

A chip is a line of `TARGETS`. Everything that differs between chips of one family (sizes, readout, rules of its maker) is in that line or
in a table of the family's own module; `quantize`, `run`, `check`, `report`, `export` and `load` are written once, for all.
"""

from __future__ import annotations

from dataclasses import dataclass

_SILICON = "silicon: nothing here was compared with a chip"
_SPECK_UNKNOWN = (
    _SILICON,
    "what a membrane does above 16 bits (saturate or wrap)",
    "whether a bias alone can make a neuron fire: the chip adds it at each tick of a slow clock, the model in every step",
    "the order in which a core visits its targets, and how events of several cores meet; the chip has no time steps",
    "the boundary of the kernel size (16) and of the features (1024): the maker's texts contradict each other",
    "the rows that a pool does not cover",
)
_XYLO_UNKNOWN = (
    f"{_SILICON}; the maker says that its simulator is exact to it",
)  # fmt: skip
_LOIHI_UNKNOWN = (
    _SILICON,
    "which of Lava and nengo-loihi is the chip where they differ: 22 bits of arriving weight, ends of the wrap, the wrap of a bias",
    "whether the chip shifts each weight or their sum",
)


@dataclass(frozen=True)
class Target:
    """A chip that a network can be quantised for; prints as a paragraph.

    Attributes
    ----------
    name : as `rsnn.chip.quantize` takes it
    title : the chip in words
    takes : the layers and neurons that it takes
    rules : the makers' own rules that can be selected with ``rule=``, besides that of rsnn
    weight_bits : the bits of a weight; fewer may be asked for
    verified : what its integers were compared with, and how often
    unknown : what is not known of it
    family : chips whose networks are of one class
    readout : classes that the chip counts by itself, and by how many channels they lie apart; None where there is no readout

    Examples
    --------
    >>> import rsnn
    >>> rsnn.chip.TARGETS["speck2f"].readout
    (15, 4)
    """

    name: str
    title: str
    takes: str
    rules: tuple[str, ...]
    weight_bits: int
    verified: str
    unknown: tuple[str, ...]
    family: str
    readout: tuple[int, int] | None = None

    def __str__(self) -> str:
        rules = f"rules: rsnn's{''.join(f', {one}' for one in self.rules)}"
        unknown = "\n".join(f"  not known: {one}" for one in self.unknown)
        return f"{self.name}: {self.title}\n  takes: {self.takes}\n  {rules}\n  verified: {self.verified}\n{unknown}"


def _dynapcnn(name: str, title: str, readout: tuple[int, int] | None, *unknown: str) -> Target:
    return Target(
        name,
        title,
        "Conv2d or Linear, each followed by IAF; SumPool2d, AvgPool2d, Flatten; branches that meet again in a layer with weights",
        ("sinabs",),
        8,
        "sinabs 3.1.3, the maker's software model: 48 quantised layers, 32 layers and 6 networks, every membrane at every step; memory use "
        "of the 6 networks",
        (*_SPECK_UNKNOWN, *unknown),
        "dynapcnn",
        readout,
    )


def _xylo(name: str, title: str, *unknown: str) -> Target:
    return Target(
        name,
        title,
        "populations of LIF with a synapse: hidden ones (fire='multi'), also recurrent, and an output (fire='single'); before each of them "
        "any layers that are linear, which are folded; Delay where ways differ in length",
        ("rockpool_global", "rockpool_channel"),
        8,
        "xylosim 0.1.3, the maker's simulator: 24 random cores of version 2, every current, membrane and spike at every step; the rules of "
        "rockpool 3.1.0: 24 specifications",
        (*_XYLO_UNKNOWN, *unknown),
        "xylo",
    )


def _loihi(name: str, title: str, verified: str) -> Target:
    return Target(
        name,
        title,
        "populations of LIF(reset='zero'), with a synapse or without, one after the other; before each of them any layers that are linear, "
        "which become dense synapses",
        ("lava_dl",),
        8,
        verified,
        (*_LOIHI_UNKNOWN, "biases in the rule lava_dl: they were read in its source, not run"),
        "loihi",
    )


_ERRATUM = (
    "whether 2e and 2f differ in more than their names: what is published of both, limits and the erratum of the readout, is the same"
)

TARGETS: dict[str, Target] = {
    one.name: one
    for one in (
        _dynapcnn("dynapcnn", "DynapCNN, SynSense: 9 cores, no sensor and no readout of its own", None),
        _dynapcnn("speck2e", "Speck 2e, SynSense: the cores of DynapCNN, a sensor of 128x128, a readout of 15 classes", (15, 4), _ERRATUM),
        _dynapcnn("speck2f", "Speck 2f, SynSense: the cores of DynapCNN, a sensor of 128x128, a readout of 15 classes", (15, 4), _ERRATUM),
        _xylo("xylo_audio2", "Xylo Audio 2 (SYNS61201), SynSense: 16 inputs, 1000 hidden neurons, 8 outputs"),
        _xylo(
            "xylo_audio3",
            "Xylo Audio 3 (SYNS65302), SynSense: 16 inputs, 992 hidden neurons, 32 outputs",
            "whether hidden neurons have a second synapse: the documents say so, the maker's software writes and simulates only the first",
        ),
        _xylo("xylo_imu", "Xylo IMU (SYNS63300), SynSense: 16 inputs, 496 hidden neurons, 16 outputs"),
        _loihi(
            "loihi_lava",
            "Loihi as Lava's fixed-point models have it, Intel",
            "lava-nc 0.10.0, its fixed-point CPU models: 30 populations, 30 dense synapses, 6 networks, every state at every step; the "
            "rule of lava-dl 0.6.0: 20 populations",
        ),
        _loihi(
            "loihi1_nengo",
            "Loihi 1 as nengo-loihi's emulator has it",
            "nengo-loihi 1.1.0, its emulator: 20 populations, every state at every step; the synapses are those of lava-nc",
        ),
        Target(
            "tinyodin",
            "tinyODIN, an open design for FPGAs: 256 neurons, 4-bit weights, one event after the other",
            "populations of IAF(reset='zero'); before each of them any layers that are linear, which are folded",
            (),
            4,
            "the published RTL in Icarus Verilog 11: 5 chips of 150 events, every address sent and every membrane at the end; 4000 single "
            "updates",
            (f"{_SILICON}, and nothing with an FPGA",),
            "tinyodin",
        ),
    )
}
"""Every chip, by name."""

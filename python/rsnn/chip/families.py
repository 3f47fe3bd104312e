"""The families of chips: of which class their networks are."""

from __future__ import annotations

from .dynapcnn_network import DynapcnnNetwork
from .loihi_target import LoihiTarget
from .network import ChipNetwork
from .targets import TARGETS
from .tinyodin_target import TinyodinNetwork
from .xylo_target import XyloNetwork

FAMILIES: dict[str, type[ChipNetwork]] = {
    "dynapcnn": DynapcnnNetwork,
    "loihi": LoihiTarget,
    "tinyodin": TinyodinNetwork,
    "xylo": XyloNetwork,
}


def family_of(target: str) -> type[ChipNetwork]:
    """Give the class of the networks of a target, which has been checked."""
    return FAMILIES[TARGETS[target].family]

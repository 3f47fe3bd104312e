"""Who writes NIR graphs, and what each of them means by the same nodes: a row for each exporter."""

from __future__ import annotations

from . import norse, plain, rockpool, sinabs, snntorch, spikingjelly, spyx
from .source import Node, Source, Told

__all__ = ["SOURCES", "Node", "Source", "Told"]

SOURCES: dict[str, Source] = {
    module.SOURCE.name: module.SOURCE for module in (norse, snntorch, sinabs, spikingjelly, rockpool, spyx, plain)
}

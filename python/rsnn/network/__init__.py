"""Networks: what they are (`network`, `graph`), how they run (`engine`, `lowering`, `stream`), and how they are kept (`storage`)."""

from .network import Network
from .result import LayerStats, NetworkResult

__all__ = ["LayerStats", "Network", "NetworkResult"]

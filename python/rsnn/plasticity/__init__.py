"""Synapses that change by themselves: spike-timing-dependent plasticity, short-term plasticity, spike traces, correlation sensors.

A rule is data: `STDP` (pairs or triplets of spikes, additive or by the distance to a bound, all pairs or the nearest),
`RewardModulated` around it, `TsodyksMarkram` for what a synapse does for some hundred milliseconds. `run` runs a `rsnn.Network` whose
layers have rules, and gives the network that came of it; `learn` applies a rule to spikes that are there already. `reference` is the
definition, in numpy.
"""

from .correlation import SensorResult, correlation_sensor
from .learning import LearnResult, learn, normalize
from .network import PlasticResult, run
from .rules import STDP, RewardModulated, norse_stdp
from .short_term import TsodyksMarkram, short_term
from .traces import trace

__all__ = [
    "STDP",
    "LearnResult",
    "PlasticResult",
    "RewardModulated",
    "SensorResult",
    "TsodyksMarkram",
    "correlation_sensor",
    "learn",
    "normalize",
    "norse_stdp",
    "run",
    "short_term",
    "trace",
]

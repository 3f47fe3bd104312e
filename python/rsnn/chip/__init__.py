from .neuron import iaf
from .result import ChipResult, Stats

"""From numbers to spikes: rates, times, changes, digits, populations and targets.

Arrays in, arrays out, time first; tensors in, tensors out (torch is imported when one comes). Where spikes are binary, ``packed=True``
gives `rsnn.Spikes`. What draws takes ``rng=``, an integer or a generator, and gives the same spikes for any number of threads.

=======================  ==============================================================  ================================
`poisson`                rate as the input, in spikes per unit of time                   Norse, SpikingJelly
`signed_poisson`         the same, spikes of the sign of the input                       Norse
`rate`                   probability as the input, scaled and shifted                    snnTorch
`constant_current_lif`   spikes of a neuron with the input as its current                Norse
`spike_latency_lif`      the first of these                                              Norse
`spike_latency`          the first of any spikes                                         Norse
`latency`                one spike, the earlier the larger the input                     snnTorch, SpikingJelly
`latency_times`          its time, with a gradient
`delta`                  where the input changes from step to step                       snnTorch
`up_down`                steps of a threshold up and down                                rockpool
`phase`                  binary digits                                                   SpikingJelly
`population`             nearness to the centres of a population (not spikes)            Norse
`to_one_hot`             classes as rows with a single 1                                 snnTorch
`targets_rate`           trains of two rates, for the right class and all others         snnTorch
`targets_latency`        the right class first, all others last                          snnTorch
`targets_convert`        either of the two                                               snnTorch
=======================  ==============================================================  ================================

`rsnn.decode` goes the other way.
"""

from .chance import poisson, rate, signed_poisson
from .change import delta, up_down
from .current import constant_current_lif, spike_latency_lif
from .first import spike_latency
from .number import phase, population
from .targets import targets_convert, targets_latency, targets_rate, to_one_hot
from .timing import latency, latency_times

__all__ = [
    "constant_current_lif",
    "delta",
    "latency",
    "latency_times",
    "phase",
    "poisson",
    "population",
    "rate",
    "signed_poisson",
    "spike_latency",
    "spike_latency_lif",
    "targets_convert",
    "targets_latency",
    "targets_rate",
    "to_one_hot",
    "up_down",
]

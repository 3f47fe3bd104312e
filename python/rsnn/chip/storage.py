"""Networks on chips in files: an .npz that numpy alone can read, with the integers, the cores and the readout channels.

A zip archive, uncompressed (`rsnn.archive`). ``chip.json`` holds ``{"format": "rsnn.ChipNetwork", "version": 1, "rsnn": ..., "digest":
..., "chip": {...}}``; an array in it is ``{"array": "layers/0/weight"}``, the entry ``layers/0/weight.npy``. ``chip`` has, for every chip:

=============  =====================================================================================================================
``target``     the chip, as ``"speck2f"``
``network``    the float network, as `rsnn.description` has it: `rsnn.Network.load` needs nothing of it, a reader of integers neither
``layers``     a list, one for each population, in the order in which they run (below)
``cores``      a core for each layer by name, as ``check()`` proposes it; empty where the network does not fit
``readout``    ``{"layer": name, "channels": [...]}``: the channel of the last layer that stands for each class; null where there is none
=============  =====================================================================================================================

A layer has ``name``, ``index`` and ``neuron_index`` (of its weights and its neurons in the float network), and:

* DynapCNN, Speck: ``weight`` (features, channels, kernel rows, kernel columns) int8, a linear layer as a kernel of its whole input map;
  ``bias`` (features,) int8 or null; ``v_threshold``, ``v_min``, ``stride``, ``padding`` (rows, columns), ``pool``, ``fire``, ``reset``,
  ``input_map``, ``linear``, ``scale`` (by which floats were multiplied), ``rescale`` (1 / pixels of an average pool before it), and
  ``sources``: a list of ``[layer, pool]``, layer -1 for what comes into the network. ``input_pool`` beside the layers.
* Xylo: ``first``, ``size`` (which neurons of the chip), ``scale`` (n,), ``delay`` and ``bias_in_float``. Beside the layers ``core``, with
  ``w_in`` (n_in, n), ``w_rec`` (n, n), ``w_out`` (n, n_out), ``dash_syn``, ``dash_mem``, ``threshold``, ``bias`` (n,), the same with
  ``_out``, ``alias`` (n,) with -1 for none, ``shifts`` of input, recurrent and output weights.
* Loihi: ``weight`` (out, in), cut to the chip's bits, ``num_weight_bits``, ``du``, ``dv``, ``vth``, ``bias_mant``, ``bias_exp``,
  ``refractory``, ``scale``, ``gain``.
* tinyODIN: ``first``, ``size``, ``scale``. Beside the layers ``weights`` (n, n) from row to column, inputs first, ``threshold`` (n,).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rsnn.archive import Format, write
from rsnn.description import to_data

if TYPE_CHECKING:
    from .network import ChipNetwork

CHIP = Format(
    "rsnn.ChipNetwork", 1, "chip.json", "chip", "network of rsnn on a chip", "write it again with chip_network.export(path)", named=True
)


def export(chip: ChipNetwork, path: str | os.PathLike[str]) -> None:
    """Write a network on a chip to a file; see `rsnn.chip.ChipNetwork.export`."""
    check = chip.check()
    head = {"target": chip.target, "network": to_data(chip.source), "cores": dict(check.cores), "readout": check.readout}
    write(path, CHIP, head | chip.parts())

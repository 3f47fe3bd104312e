"""From a float network to the integers of a chip: one door for every target.

A target is a line of `rsnn.chip.TARGETS`; the class of its family (`families`) turns the layers of a `rsnn.Network` into layers of the
chip, or says which of them the chip does not have. Options and the arithmetic that all chips share are in `options`.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from rsnn.arguments import choice, shown
from rsnn.errors import InvalidTypeError
from rsnn.network import Network

from .families import family_of
from .network import ChipNetwork
from .options import Options
from .targets import TARGETS


def quantize(
    network: Network,
    target: str = "dynapcnn",
    calibration: npt.ArrayLike | None = None,
    *,
    scale: str = "max",
    percentile: float = 99.9,
    rounding: str = "nearest",
    rule: str | None = None,
    faults: Any = (),
    weight_bits: int | None = None,
) -> ChipNetwork:
    """Turn a float network into the integers of a chip.

    Parameters
    ----------
    network : rsnn.Network
        What each chip takes, `rsnn.chip.TARGETS` says: ``print(rsnn.chip.TARGETS["xylo_imu"])``. Of a torch module:
        `rsnn.torch.to_network`.
    target : {"dynapcnn", "speck2e", "speck2f", "xylo_audio2", "xylo_audio3", "xylo_imu", "loihi_lava", "loihi1_nengo", "tinyodin"}
        The chip; Loihi is named after the simulator whose integers it has.
    calibration : array_like of integers, as x of `ChipNetwork.run`, optional
        Typical events. Scales become such that states stay inside the chip's bits on them: smaller where they rise beyond; on Xylo also
        larger, by its weight shifts, where there is room for twice of what was seen, so that decays round less away. With
        ``scale="mse"`` errors of weights count by what arrives there.
    scale : {"max", "percentile", "mse"}
        How far the weights of a layer, on Xylo of a neuron, are scaled up before rounding. ``"max"``: until the largest is the largest
        of the chip. ``"percentile"``: until the percentile of their sizes is; larger ones are cut to it. ``"mse"``: the scale with the
        least sum of squares of the error, weights in parts of the threshold.
    percentile : float, default 99.9
        For ``scale="percentile"``.
    rounding : {"nearest", "away", "zero", "floor"}
        Halves to even, or away from 0; towards 0; downwards. Of weights, biases and thresholds.
    rule : str, optional
        A rule of the chip's maker in place of all this: ``"sinabs"`` (DynapCNN, Speck), ``"rockpool_global"``, ``"rockpool_channel"``
        (Xylo), ``"lava_dl"`` (Loihi).
    faults : name or tuple of names, default none
        Of `rsnn.chip.rockpool.FAULTS`, for rockpool's rules: what it does wrong and should be done wrong here too.
    weight_bits : int, optional
        Bits of a weight, its sign included: fewer than the chip has, 2 at least. The largest weight is the largest of these numbers, so
        thresholds become smaller numbers too.

    Returns
    -------
    ChipNetwork
        ``.run(x)``, ``.check()``, ``.report(x)``, ``.dequantize()``, ``.export(path)``, ``.layers``, ``.chip``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        The chip has no such layer or neuron, or rounding leaves it nothing to compute with: the message names layer, parameter and cure.

    Notes
    -----
    DynapCNN: one scale for weights, bias, threshold and lower clip of a layer; by default sinabs' own, as `rsnn.chip.dynapcnn.discretize`
    says, but for a neuron without a lower clip, of which sinabs' rule makes silence and rsnn's the lowest value of the chip. An average
    pool becomes a sum pool, and the weights of the next layer are divided by the number of pixels (its bias is not).

    Xylo: every neuron has a scale of its own, time constants become powers of two, populations answer a step later than those before them.

    Loihi: weights, threshold and bias of a population share one scale, decays are rounded to parts of 4096, and mixed weights to even
    numbers, of which the chip keeps all bits. A population answers one step later than the one before; here they are aligned.

    tinyODIN: one scale for a population. Events come one after the other: of each step the channels in order, and all that follows from
    each before the next.

    `rsnn.chip.TARGETS` says for each chip what was verified, how often, and what is not known.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> net = rsnn.Network([rsnn.Linear([[0.5, -0.3], [0.2, 0.9]]), rsnn.IAF(v_min=-1.0)], input_shape=(2,))
    >>> chip = rsnn.chip.quantize(net, target="dynapcnn")
    >>> chip.run([[1, 0], [1, 1], [0, 2]]).output.tolist()
    [[0, 0], [0, 1], [0, 2]]
    >>> chip.report([[1, 0], [1, 1], [0, 2]]).layers[0].agreement, chip.check().ok
    (1.0, True)
    """
    given: Any = network
    if not isinstance(given, Network):
        cure = "; use rsnn.torch.to_network(module, input_shape=...)" if hasattr(network, "state_dict") else ""
        raise InvalidTypeError(f"network={shown(network)}: must be a rsnn.Network{cure}")
    chip = TARGETS[choice("target", target, tuple(TARGETS))]
    options = Options.make(chip, calibration, scale, percentile, rounding, rule, faults, weight_bits)
    return family_of(chip.name).build(network, options)

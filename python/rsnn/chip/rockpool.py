"""Rockpool's two rules that turn the floats of a Xylo specification into integers, without their faults, or with them.

What was verified: with every fault selected the integers equal those of rockpool 3.1.0 (``rockpool/transform/quantize_methods.py``) on
24 specifications (``tests/chip/test_rockpool.py``). `FAULTS` names what is wrong there; all of it is off by default.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import array_of, choice, count, names
from rsnn.errors import InvalidTypeError, InvalidValueError

Array = npt.NDArray[Any]

FAULTS = {
    "bias_out_scale": "global: the output bias takes the scale of the hidden neurons",
    "bias_unscaled": "channel, one synapse: the hidden bias is rounded as it is, without its scale",
    "bias_overwritten": "channel: the caller's bias arrays are written to",
    "recurrent_shrunk": "global: an output threshold that is too large shrinks the recurrent weights",
    "limit_without_bias": "both: where a threshold is too large, weights and threshold are scaled down, the bias is not",
    "weights_wrap": "on the way to the chip weights are cast to 8 bits, so that those beyond wrap (config_from_specification)",
}
"""What is wrong in rockpool 3.1.0, by name."""

_WEIGHTS = ("weights_in", "weights_rec", "weights_out")
_OWN = ("threshold", "threshold_out", "dash_mem", "dash_mem_out", "dash_syn", "dash_syn_2", "dash_syn_out")


def quantize(
    rule: str,
    specification: dict[str, Any],
    *,
    faults: Any = (),
    bits_per_weight: int = 8,
    bits_per_threshold: int = 16,
) -> dict[str, Array | None]:
    """Turn the floats of a specification of Xylo into integers, as rockpool does.

    With ``top = 2**(bits_per_weight - 1) - 1``, halves to even::

        rule="global"    K = top / max |weights_in, weights_rec, bias|;      K_out = top / max |weights_out, bias_out|
        rule="channel"   K of each hidden neuron = top / max |its weights|;  K_out of each output neuron the same
        q = round(K x)   of weights, threshold and bias
        where a threshold would leave bits_per_threshold, everything of its group (of its neuron) is scaled down until it does not

    Parameters
    ----------
    rule : {"global", "channel"}
    specification : dict
        As rockpool's mapper gives it: ``weights_in`` (n_in, n[, n_syn]), ``weights_rec`` (n, n[, n_syn]), ``weights_out`` (n, n_out),
        ``threshold`` (n,), ``threshold_out`` (n_out,), the dashes, optionally ``bias`` (n,) and ``bias_out`` (n_out,); input may reach
        the first of the hidden neurons only. Floats. Not modified, unless the fault is selected that modifies it.
    faults : name or tuple of names, of `FAULTS`
        What rockpool 3.1.0 does wrong and should be done wrong here too. None by default; ``tuple(FAULTS)`` is rockpool.
    bits_per_weight, bits_per_threshold : int, default 8 and 16

    Returns
    -------
    dict
        The same names, int64 arrays; a bias that was not given is None.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A name is missing, a shape does not fit, a value is not finite.

    Notes
    -----
    The global rule rounds twice where a threshold is too large, as rockpool's does. The channel rule leaves the bias out of a
    neuron's scale, so that a large one may leave the chip's bits: `ChipNetwork.check` says so.

    Examples
    --------
    >>> import rsnn
    >>> spec = {
    ...     "weights_in": [[0.5, -0.2]],
    ...     "weights_rec": [[0.0, 0.1], [0.0, 0.0]],
    ...     "weights_out": [[0.4], [0.3]],
    ...     "threshold": [1.0, 1.0],
    ... }
    >>> spec |= {"threshold_out": [1.0], "bias_out": [0.2]} | dict.fromkeys(("dash_mem", "dash_syn", "dash_syn_2"), [3.0, 2.6])
    >>> spec |= {"dash_mem_out": [4.0], "dash_syn_out": [2.0]}
    >>> q = rsnn.chip.rockpool.quantize("global", spec)
    >>> q["weights_in"].tolist(), q["threshold"].tolist(), q["bias_out"].tolist()
    ([[127, -51]], [254, 254], [64])
    >>> rsnn.chip.rockpool.quantize("global", spec, faults="bias_out_scale")["bias_out"].tolist()
    [51]
    """
    return scaled(rule, specification, faults=faults, bits_per_weight=bits_per_weight, bits_per_threshold=bits_per_threshold)[0]


MOST_BITS = 32
"""Of a weight or a threshold: more than any chip has, and scaled in whole numbers of 64."""


def _bits(name: str, value: Any) -> int:
    bits = count(name, value, 2)
    if bits > MOST_BITS:
        raise InvalidValueError(f"{name}={bits}: must be from 2 to {MOST_BITS}")
    return bits


def scaled(
    rule: str, specification: dict[str, Any], *, faults: Any = (), bits_per_weight: int = 8, bits_per_threshold: int = 16
) -> tuple[dict[str, Array | None], tuple[Array, Array]]:
    """Quantise as `quantize`; give also the scales of hidden and output neurons: one number, or one for each neuron."""
    choice("rule", rule, ("global", "channel"))
    wrong = frozenset(names("faults", faults, FAULTS))
    tops = tuple(
        (1 << (_bits(name, bits) - 1)) - 1
        for name, bits in (("bits_per_weight", bits_per_weight), ("bits_per_threshold", bits_per_threshold))
    )
    given = _taken(specification)
    made, written, scales = (_global if rule == "global" else _channel)(given, wrong, *tops)
    for name in _OWN[2:]:
        made[name] = np.rint(given[name])
    q: dict[str, Array | None] = {name: None if value is None else value.astype(np.int64) for name, value in made.items()}
    if "bias_overwritten" in wrong:
        for name, where in written.items():
            target, value = specification.get(name), q[name]
            if isinstance(target, np.ndarray) and value is not None:
                target[where] = value[where]
    if "weights_wrap" in wrong:
        q |= {name: np.asarray(q[name]).astype(np.int8).astype(np.int64) for name in _WEIGHTS}
    return q, (scales[0], scales[1])


def _taken(specification: Any) -> dict[str, Any]:
    """Check the arrays; give copies in float64."""
    if not isinstance(specification, dict):
        raise InvalidTypeError("specification: must be a dict, as rockpool's mapper gives it")
    made: dict[str, Any] = {}
    for name in (*_WEIGHTS, *_OWN, "bias", "bias_out"):
        value = specification.get(name)
        if value is None:
            if not name.startswith("bias"):
                raise InvalidValueError(f"specification: {name} is missing; it needs {', '.join((*_WEIGHTS, *_OWN))}")
            made[name] = None
            continue
        array = array_of(name, value)
        if array.dtype.kind not in "fiu" or not np.isfinite(array.astype(np.float64)).all():
            raise InvalidValueError(f"{name}: must be finite real numbers")
        made[name] = array.astype(np.float64)
    into, within, out = (made[name] for name in _WEIGHTS)
    n = len(within)
    if not (
        into.ndim in (2, 3) and within.ndim == into.ndim and within.shape[1] == n and into.shape[1] <= n and out.ndim == 2 and len(out) <= n
    ):
        raise InvalidValueError(
            f"weights_in {into.shape}, weights_rec {within.shape}, weights_out {out.shape}: must be "
            "(n_in, n[, n_syn]), (n, n[, n_syn]), (n, n_out)"
        )
    for name, size in (("threshold", n), ("bias", n), ("threshold_out", out.shape[1]), ("bias_out", out.shape[1])):
        if made[name] is not None and made[name].shape != (size,):
            raise InvalidValueError(f"{name} has shape {made[name].shape}: must be ({size},), one for each neuron")
    return made


def _largest(*arrays: Any) -> float:
    return max((float(np.abs(array).max(initial=0)) for array in arrays if array is not None), default=0.0)


def _global(given: dict[str, Any], wrong: frozenset[str], top: int, most: int) -> tuple[dict[str, Any], dict[str, Array], list[Array]]:
    """Scale hidden neurons together, and output neurons together."""
    hidden: tuple[str, ...] = ("weights_in", "weights_rec", "bias")
    output: tuple[str, ...] = ("weights_out", "bias_out")
    q: dict[str, Any] = {}
    scales = []
    for group, threshold in ((hidden, "threshold"), (output, "threshold_out")):
        largest = _largest(*(given[name] for name in group))
        scales.append(top / largest if largest else 1.0)
        for name in (*group, threshold):
            q[name] = None if given[name] is None else np.rint(given[name] * scales[-1])
    if "bias_out_scale" in wrong and q["bias_out"] is not None:
        q["bias_out"] = np.rint(given["bias_out"] * scales[0])
    for k, (group, threshold) in enumerate(((hidden, "threshold"), (output, "threshold_out"))):
        highest = q[threshold].max(initial=0)
        if highest > most:
            scales[k] *= most / highest
            down = [*group, threshold]
            down += ["weights_rec"] if threshold == "threshold_out" and "recurrent_shrunk" in wrong else []
            for name in down:
                if q[name] is not None and not (name.startswith("bias") and "limit_without_bias" in wrong):
                    q[name] = np.rint(q[name] * (most / highest))
    return q, {}, [np.asarray(one) for one in scales]


def _channel(given: dict[str, Any], wrong: frozenset[str], top: int, most: int) -> tuple[dict[str, Any], dict[str, Array], list[Array]]:
    """Scale each neuron by itself; give also which biases rockpool writes to: of neurons with weights, hidden ones with two synapses."""
    q: dict[str, Any] = {}
    written: dict[str, Array] = {}
    scales = []
    two = given["weights_in"].ndim == 3 and given["weights_in"].shape[2] > 1
    for group, threshold, bias in ((("weights_in", "weights_rec"), "threshold", "bias"), (("weights_out",), "threshold_out", "bias_out")):
        theta, own = given[threshold], given[bias]
        largest = np.zeros(len(theta))
        for name in group:
            w = np.abs(given[name]).max(axis=(0, *range(2, given[name].ndim)), initial=0)
            largest[: len(w)] = np.maximum(largest[: len(w)], w)
        scale = np.where(largest > 0, top / np.where(largest > 0, largest, 1), 1.0)
        over = (np.abs(np.rint(theta * scale)) > most) & (largest > 0)
        limited = np.where(over, most / np.where(over, theta, 1), scale)
        for name in group:
            w = given[name]
            k = limited[: w.shape[1]].reshape(-1, *[1] * (w.ndim - 2))
            q[name] = np.rint(w * k)
        q[threshold] = np.rint(theta * limited)
        by = scale if "limit_without_bias" in wrong else limited
        if bias == "bias" and "bias_unscaled" in wrong and not two:
            by = np.ones_like(scale)
        q[bias] = None if own is None else np.rint(own * by)
        written[bias] = (largest > 0) & (two or bias == "bias_out")
        scales.append(limited)
    return q, written, scales

"""The layers of sinabs: batch first, data are (B, T, ...).

Its surrogate is ``SingleExponential(0.5, 1)``, and the reset lets gradients through; the threshold of ALIF takes none. Learned are the time
constants, or with ``train_alphas=True`` the decays that come of them.
"""

from typing import Any

import numpy as np

from rsnn.arguments import flag
from rsnn.presets import sinabs
from rsnn.presets.numbers import Number, decay
from rsnn.torch.presets._table import Arguments, Row, layers

_TIMES = ("mem", "adapt", "syn")
_EXTRA: dict[str, tuple[Any, str]] = {
    "train_alphas": (False, "Whether the decays are learned in place of the time constants."),
    "surrogate_grad_fn": (None, "As `surrogate`."),
}


def _settle(given: Arguments) -> Arguments:
    """Say what is learned: every time constant that was given, or its decay."""
    surrogate, alphas = given.pop("surrogate_grad_fn", None), flag("train_alphas", given.pop("train_alphas", False))
    if surrogate is not None:
        given["surrogate"] = surrogate
    for time in _TIMES:
        if alphas and given.get(f"tau_{time}") is not None:
            tau = given.pop(f"tau_{time}")
            given.setdefault(f"alpha_{time}", np.asarray(decay(Number.of(f"tau_{time}", tau)).value))
    kind = "alpha" if alphas else "tau"
    given.setdefault("learn", tuple(f"{kind}_{time}" for time in _TIMES if given.get(f"{kind}_{time}") is not None))
    return given


def _rows() -> list[Row]:
    rows = []
    for name in ("LIF", "ALIF", "IAF", "ExpLeak"):
        for form in ("", "Recurrent"):
            recurrent = None if form == "" else True
            if recurrent and name == "ExpLeak":
                continue
            surrogate = sinabs.surrogate("SingleExponential", grad_width=0.5, grad_scale=1.0)
            defaults: dict[str, Any] = {"surrogate": surrogate, "detach_reset": False, "batch_first": True}
            if name == "ALIF":
                defaults["detach"] = ("threshold",)
            if recurrent:
                defaults["autapses"] = True
            rows.append(Row(getattr(sinabs, name), name + form, defaults, _EXTRA, _settle, recurrent=recurrent))
    return rows


LAYERS = layers(__name__, _rows())
__all__ = ["LAYERS", *LAYERS]
globals().update(LAYERS)  # so that they are found by name: by imports, and by pickle

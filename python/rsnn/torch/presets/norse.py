"""The layers of Norse: ``LIF`` over a sequence, ``LIFCell`` one step, ``LIFRecurrent`` and ``LIFRecurrentCell`` with weights of their own.

Its surrogate is ``super``. The reset lets gradients through in feed-forward layers; the recurrent LIF, LSNN and LIFRefrac hold it constant,
and LSNN also what its spikes add to the threshold. Nothing is learned unless `learn` says so.
"""

from typing import Any

from rsnn.presets import norse
from rsnn.torch.presets._table import Row, layers

_NOT_RECURRENT = {"ExpFilter"}
_DETACHED = {"LIF", "LSNN", "LIFRefrac", "IAF", "LIFBox"}


def _rows() -> list[Row]:
    rows = []
    for name in norse.__all__:
        preset = getattr(norse, name)
        if not isinstance(getattr(preset, "derived", None), dict):
            continue
        for form in ("", "Cell", "Recurrent", "RecurrentCell"):
            recurrent = "Recurrent" in form
            if recurrent and name in _NOT_RECURRENT:
                continue
            defaults: dict[str, Any] = {"surrogate": norse.surrogate("super", alpha=100.0)}
            defaults["detach_reset"] = recurrent and name in _DETACHED
            if recurrent and name == "LSNN":
                defaults["detach"] = ("adaptation",)
            rows.append(Row(preset, name + form, defaults, step="Cell" in form, recurrent=True if recurrent else None))
    return rows


LAYERS = layers(__name__, _rows())
__all__ = ["LAYERS", *LAYERS]
globals().update(LAYERS)  # so that they are found by name: by imports, and by pickle

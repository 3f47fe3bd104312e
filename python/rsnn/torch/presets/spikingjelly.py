"""The layers of SpikingJelly: ``step_mode="m"``, time first.

Its surrogate is ``Sigmoid(4)``, of CUBALIFNode ``Rect(1)``, and the reset lets gradients through unless ``detach_reset=True``. Learned is
the w of ParametricLIFNode.
"""

from typing import Any

from rsnn.presets import spikingjelly
from rsnn.torch.presets._table import Arguments, Row, layers


def _settle(given: Arguments) -> Arguments:
    """Take the surrogate by the library's name."""
    surrogate = given.pop("surrogate_function", None)
    return given if surrogate is None else given | {"surrogate": surrogate}


def _row(name: str) -> Row:
    kind, alpha = ("Rect", 1.0) if name == "CUBALIFNode" else ("Sigmoid", 4.0)
    defaults: dict[str, Any] = {"surrogate": spikingjelly.surrogate(kind, alpha=alpha), "detach_reset": False}
    if name == "ParametricLIFNode":
        defaults["learn"] = ("w",)
    extra = {"surrogate_function": (None, "As `surrogate`.")}
    return Row(getattr(spikingjelly, name), name, defaults, extra, _settle)


LAYERS = layers(__name__, [_row(name) for name in spikingjelly.__all__ if name.endswith("Node")])
__all__ = ["LAYERS", *LAYERS]
globals().update(LAYERS)  # so that they are found by name: by imports, and by pickle

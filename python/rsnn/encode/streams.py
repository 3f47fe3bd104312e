"""Where random numbers come from: a key of 64 bits names a stream, and a stream is the same for any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from rsnn.arguments import shown
from rsnn.errors import InvalidTypeError, InvalidValueError

KEYS = 1 << 64


def key_of(rng: Any, tensors: bool) -> int:
    """Give the key that the argument `rng` stands for; a generator moves on by one draw.

    None: of numpy, from the system; of torch, where tensors came, from its default generator, which ``torch.manual_seed`` sets.
    """
    if rng is None and not tensors:
        rng = np.random.default_rng()
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(KEYS - 1, dtype=np.uint64, endpoint=True))
    if rng is None or type(rng).__module__.partition(".")[0] == "torch":
        return _torch_key(rng)
    if isinstance(rng, (bool, np.bool_)) or not isinstance(rng, (int, np.integer)):
        raise InvalidTypeError(f"rng={shown(rng)}: must be an integer, a numpy.random.Generator such as np.random.default_rng(1), or None")
    if not 0 <= rng < KEYS:
        raise InvalidValueError(f"rng={rng}: must be from 0 to 2**64 - 1; np.random.default_rng({rng}) takes larger ones")
    return int(rng)


def _torch_key(rng: Any) -> int:
    import torch

    if rng is not None and not isinstance(rng, torch.Generator):
        raise InvalidTypeError(f"rng={shown(rng)}: must be an integer, a numpy.random.Generator, a torch.Generator, or None")
    device = "cpu" if rng is None else rng.device
    low, high = torch.randint(1 << 32, (2,), generator=rng, device=device).tolist()
    return int(low | high << 32)

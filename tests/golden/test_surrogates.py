"""Surrogate gradients against the curves that Norse, snnTorch, sinabs and SpikingJelly themselves gave, by the presets' names.

Bounds as of the README of the data: 1e-6 of the largest value, in float32 and float64; 2e-6 in float64 for the libraries that compute
partly in float32. The curves are those of `rsnn.surrogate` and those that backpropagation really uses, through the native engine where it
has the form and through torch.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import numpy as np
import torch

import rsnn
import rsnn.torch as rt

Case = dict[str, np.ndarray[Any, np.dtype[Any]]]


def used(surrogate: rsnn.surrogate.Surrogate, v: np.ndarray[Any, Any], theta: float, backend: str | None) -> np.ndarray[Any, Any]:
    """The slope that backpropagation uses: one step of a neuron whose membrane is its input."""
    x = torch.from_numpy(v)[None, None].requires_grad_()
    neuron = rsnn.LIF(beta=0.5, v_threshold=theta, reset="none")
    output = rt.functional.simulate(neuron, x, surrogate=surrogate, backend=backend).output
    (grad,) = torch.autograd.grad(output.sum(), x)
    return grad[0, 0].numpy()


def test_surrogates(case: Case) -> None:
    meta = json.loads(str(case["meta"]))
    library = import_module(f"rsnn.presets.{meta['library']}")
    surrogate = library.surrogate(meta["name"], **meta["params"])
    theta = meta.get("spike_threshold", 0.0)
    impure = 2e-6 if meta["library"] in ("snntorch", "sinabs") else 1e-6
    for dtype, name, bound in (("float32", "grad_y", 1e-6), ("float64", "grad_y_f64", impure)):
        y, wanted = case["y"].astype(dtype), case[name].astype(np.float64)
        largest = np.nanmax(np.abs(wanted))
        known = ~np.isnan(wanted)  # snnTorch's sigmoid overflows
        if meta["name"] != "sigmoid":
            assert known.all()

        def close(got: np.ndarray[Any, Any], wanted: Any = wanted, known: Any = known, most: float = bound * largest) -> None:
            assert np.isfinite(got).all()
            assert np.max(np.abs(got.astype(np.float64) - wanted)[known]) <= most

        close(surrogate.numpy(y + np.asarray(theta, dtype), theta))
        if dtype == "float64":  # y + threshold has the bits of y there
            for backend in ("torch", None if surrogate.form is None else "rust"):
                close(used(surrogate, y + (theta or 1.0), theta or 1.0, backend))

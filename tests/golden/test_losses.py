"""Losses and accuracies against what snnTorch itself computed: value and gradient of every case, in both precisions.

Bounds as of the README of the data: 1e-6 of the largest value, 1e-5 of the largest gradient, 2e-6 in float64, where snnTorch computes
partly in float32. Where snnTorch departs from its own documentation the case is run with ``faithful=True``; the default is held against its
equation in `tests/torch/test_torch_losses.py`.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

import rsnn
from rsnn.torch import losses

Case = dict[str, np.ndarray[Any, np.dtype[Any]]]


def departs(name: str, options: dict[str, Any]) -> bool:
    """Whether snnTorch does another thing than it says: plain means of weighted losses, lost negative targets, lost spikes."""
    if "weight" in options:
        return name != "ce_temporal_loss"
    if name == "mse_temporal_loss":
        on, off = (np.atleast_1d(options.get(key, default)) for key, default in (("on_target", 0), ("off_target", -1)))
        return options.get("multi_spike", False) or (not options.get("target_is_time") and bool(((on > off) & (off < 0)).any()))
    return name == "mse_membrane_loss" and options.get("on_target", 1) > options.get("off_target", 0) < 0


def check_accuracies(case: Case) -> None:
    spikes, targets = torch.from_numpy(case["spk"]).float(), torch.from_numpy(case["targets"])
    assert losses.accuracy_rate(spikes, targets) == case["out_accuracy_rate"]
    assert losses.accuracy_temporal(spikes, targets, faithful=True) == case["out_accuracy_temporal"]
    of_five = losses.accuracy_rate(spikes, targets % 5, population_code=True, num_classes=5)
    assert of_five == case["out_accuracy_rate_population5"]


def test_losses(case: Case) -> None:
    meta = json.loads(str(case["meta"]))
    name = meta["class"].removeprefix("functional.")
    if name == "accuracy":
        check_accuracies(case)
        return
    options = dict(meta["arguments"])
    if "weight" in options:
        options["weight"] = torch.from_numpy(case[options["weight"]])
    make, recording = getattr(losses, name), case[meta["recording"]]
    faithful = {"faithful": True} if departs(name, options) else {}
    if "raises" in meta:
        with pytest.raises(rsnn.InvalidValueError, match="weight: snnTorch spreads"):
            make(**options, **faithful)
        check_weighted_counts(case, options)
        return
    for dtype, suffix, of_value, of_gradient in ((torch.float32, "", 1e-6, 1e-5), (torch.float64, "_f64", 2e-6, 2e-6)):
        if f"out_loss{suffix}" not in case:
            continue
        x = torch.from_numpy(recording).to(dtype).requires_grad_()
        targets = torch.from_numpy(case["targets"].copy())
        loss = make(**options, **faithful)(x, targets)
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        assert loss.dtype == dtype
        assert targets.equal(torch.from_numpy(case["targets"]))
        wanted, wanted_gradient = case[f"out_loss{suffix}"], case[f"grad_{meta['recording']}{suffix}"]
        assert loss.shape == wanted.shape or (loss.shape == () and wanted.shape == (1,))
        assert np.max(np.abs(loss.detach().double().numpy() - wanted)) <= of_value * np.max(np.abs(wanted))
        assert np.max(np.abs(gradient.double().numpy() - wanted_gradient)) <= of_gradient * np.max(np.abs(wanted_gradient))


def check_weighted_counts(case: Case, options: dict[str, Any]) -> None:
    """What snnTorch meant where it raises: the loss of each sample, weighed by its class."""
    spikes, targets = case["spk"].astype(float), case["targets"]
    steps, batch, classes = spikes.shape
    total = weights = 0.0
    for b in range(batch):
        for c in range(classes):
            wanted = int(steps * (options["correct_rate"] if c == targets[b] else options["incorrect_rate"]))
            total += case["class_weight"][targets[b]] * (spikes[:, b, c].sum() - wanted) ** 2 / steps
            weights += case["class_weight"][targets[b]]
    loss = losses.mse_count_loss(**options)(torch.from_numpy(spikes), torch.from_numpy(targets))
    assert float(loss) == pytest.approx(total / weights, rel=1e-6)

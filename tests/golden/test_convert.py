"""Conversion and normalisation as sinabs does them."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from torch import nn

import rsnn

Array = np.ndarray[Any, np.dtype[Any]]
Case = dict[str, Array]


def model_of(case: Case, meta: dict[str, Any]) -> nn.Sequential:
    """Build the model that a case was recorded from: its layers as torch printed them, with its weights."""
    layers = (line.partition(": ") for line in meta["layers"])
    made = OrderedDict((name, eval(f"nn.{call}", {"nn": nn})) for name, _, call in layers)  # text of the golden file, in the repository
    model = nn.Sequential(made)
    weights = {key.removeprefix("w_"): torch.from_numpy(value) for key, value in case.items() if key.startswith("w_")}
    model.load_state_dict(weights)
    return model


def near(got: Array, wanted: Array) -> None:
    """Within 1e-6 of the largest value."""
    assert got.shape == wanted.shape
    assert np.max(np.abs(got.astype(np.float64) - wanted)) <= 1e-6 * np.max(np.abs(wanted))


def converted(case: Case, meta: dict[str, Any]) -> None:
    model, arguments = model_of(case, meta), meta["arguments"]
    net = rsnn.convert.from_relu(
        model,
        percentile=None,
        input_shape=case["x"].shape[2:],
        v_threshold=float(case["spike_threshold"]),
        v_min=arguments["min_v_mem"],
        output="spikes" if arguments["add_spiking_output"] else "current",
    )
    # sinabs' Network with an input_shape runs one step of zeros to learn the shapes and keeps the state, in which the biases then are.
    out = net.run(case["x"], net.run(np.zeros_like(case["x"][:1])).state)
    for key, spikes in case.items():
        if key.startswith("out_spikes_") and key != "out_spikes_spike_output":
            np.testing.assert_array_equal(out.spikes[key.removeprefix("out_spikes_")], spikes, err_msg=key)
    if "out_spikes_spike_output" in case:
        np.testing.assert_array_equal(out.output, case["out_spikes_spike_output"])
    near(out.output, case["out_y"])


def normalized(case: Case, meta: dict[str, Any]) -> None:
    x = torch.from_numpy(case["x"])
    model = model_of(case, meta)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    normal = rsnn.convert.normalize_weights(model, x, meta["arguments"]["percentile"], keep_function=False)
    for name, value in normal.state_dict().items():
        near(value.numpy(), case[f"out_w_{name}"])
    with torch.no_grad():
        near(normal(x).numpy(), case["out_y"])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


KINDS = {"from_torch.from_model": converted, "utils.normalize_weights": normalized}


def test_convert(case: Case) -> None:
    meta = json.loads(str(case["meta"]))
    KINDS[meta["class"]](case, meta)

"""Encoders and decoders against what Norse, snnTorch and SpikingJelly themselves gave.

Bounds as of the README of the data: spikes equal, values 1e-6 of the largest, gradients 1e-5. Every case runs over arrays and over tensors.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import rsnn
from rsnn import decode, encode, stages

Case = dict[str, np.ndarray[Any, np.dtype[Any]]]
Run = Callable[[Any], Any]


def both(x: Any, run: Run) -> np.ndarray[Any, Any]:
    """Run over an array and over a tensor; the results are the same."""
    array = run(x)
    tensor = run(torch.from_numpy(np.array(x)))
    np.testing.assert_array_equal(tensor.numpy(), array)
    return np.asarray(array)


def close(got: Any, wanted: Any, bound: float = 1e-6) -> None:
    """Compare values; infinity stands where it stands."""
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    assert got.shape == wanted.shape
    known = np.isfinite(wanted)
    np.testing.assert_array_equal(np.isfinite(got), known)
    if known.any():
        assert np.abs(got - wanted)[known].max() <= bound * np.abs(wanted[known]).max()


def lif(case: Case) -> dict[str, Any]:
    """Norse's encoder: its Euler step is a product of a Python float and a float32 tensor, formed in float32."""
    k = np.float32(case["dt"]) * case["tau_mem_inv"]
    neuron = rsnn.Neuron(
        membrane=stages.Euler(k=k, v_leak=case["v_leak"]),
        fire=stages.Strict(v_threshold=case["v_th"]),
        reset=stages.Blend(v_reset=case["v_reset"]),
    )
    return {"neuron": neuron}


def numbers(case: Case) -> dict[str, Any]:
    """The same by the arguments of rsnn, in seconds."""
    named = {"v_threshold": "v_th", "v_leak": "v_leak", "v_reset": "v_reset", "dt": "dt"}
    return {"tau_mem": 1 / float(case["tau_mem_inv"])} | {ours: float(case[theirs]) for ours, theirs in named.items()}


def constant_current_lif_encode(case: Case, a: dict[str, Any]) -> None:
    steps = a["seq_length"]
    spikes = both(case["x"], lambda x: encode.constant_current_lif(x, steps, **numbers(case)))
    np.testing.assert_array_equal(spikes, case["out_spikes"])
    if not case["v_leak"]:  # a neuron of one's own starts at rest, Norse's encoder at 0
        np.testing.assert_array_equal(encode.constant_current_lif(case["x"], steps, **lif(case)), case["out_spikes"])
    packed = encode.constant_current_lif(case["x"], steps, packed=True, **numbers(case))
    np.testing.assert_array_equal(packed.numpy(), case["out_spikes"])


def spike_latency_lif_encode(case: Case, a: dict[str, Any]) -> None:
    spikes = both(case["x"], lambda x: encode.spike_latency_lif(x, a["seq_length"], **numbers(case)))
    np.testing.assert_array_equal(spikes, case["out_spikes"])


def spike_latency_encode(case: Case, a: dict[str, Any]) -> None:
    np.testing.assert_array_equal(both(case["x"], encode.spike_latency), case["out_spikes"])
    packed = rsnn.Spikes.pack(case["x"])
    np.testing.assert_array_equal(encode.spike_latency(packed, packed=True).numpy(), case["out_spikes"])


def population_encode(case: Case, a: dict[str, Any]) -> None:
    close(both(case["x"], lambda x: encode.population(x, a["out_features"], scale=a["scale"])), case["out_y"])


def sum_decode(case: Case, a: dict[str, Any]) -> None:
    close(both(case["x"], decode.sum), case["out_y"])
    close(decode.sum(rsnn.Spikes.pack(case["x"])), case["out_y"])


def to_spike_times(case: Case, a: dict[str, Any]) -> None:
    asked, wanted = a["spike_count"], case["out_times"]
    for spikes in (case["x"], rsnn.Spikes.pack(case["x"])):
        times = decode.spike_times(spikes, asked)
        np.testing.assert_array_equal(times[: len(wanted)], wanted)
        assert np.isinf(times[len(wanted) :]).all()  # Norse gives no more times than there are steps
    np.testing.assert_array_equal(decode.first_spike_time(case["x"]), wanted[0])
    x = torch.from_numpy(case["x"].astype(np.float32)).requires_grad_()
    times = decode.spike_times(x, asked)
    np.testing.assert_array_equal(times.detach().numpy()[: len(wanted)], wanted)
    if "grad_x" in case:
        (grad,) = torch.autograd.grad(times, x, torch.from_numpy(case["loss_h"]))
        close(grad, case["grad_x"], 1e-5)
    else:  # Norse raises; here every spike whose time was given has the gradient -1
        (grad,) = torch.autograd.grad(times, x, torch.ones_like(times))
        earlier = np.cumsum(case["x"], 0) - case["x"]
        np.testing.assert_array_equal(grad.numpy(), -np.where(earlier < asked, case["x"], 0))


def latency_options(a: dict[str, Any]) -> dict[str, Any]:
    """Arguments of snnTorch's latency as those of rsnn."""
    options = {name: value for name, value in a.items() if name not in ("num_steps", "linear", "bypass")}
    options |= {"code": "linear"} if a.get("linear") else {}
    options |= {"late": "drop"} if a.get("bypass") else {}
    if a.get("linear") and a.get("normalize"):
        options.pop("tau", None)  # which snnTorch replaces then
    return options


def spikegen_latency(case: Case, a: dict[str, Any]) -> None:
    options, steps = latency_options(a), a["num_steps"]
    close(both(case["x"], lambda x: encode.latency(x, steps, **options)), case["out_y"])
    timing = ("code", "tau", "threshold", "first_spike_time", "normalize", "epsilon")
    own = {name: value for name, value in options.items() if name in timing}
    times = both(case["x"], lambda x: encode.latency_times(x, steps, **own))
    close(times, case["out_times"])
    on = options.get("on_target", 1.0)
    fired = (case["out_y"] == on).any(0)
    np.testing.assert_array_equal(decode.first_spike_time(case["out_y"] == on)[fired], np.rint(times)[fired])


def spikegen_delta(case: Case, a: dict[str, Any]) -> None:
    np.testing.assert_array_equal(both(case["x"], lambda x: encode.delta(x, **a)), case["out_spikes"])


def spikegen_targets_convert(case: Case, a: dict[str, Any]) -> None:
    steps, classes = a["num_steps"], a["num_classes"]
    options = {name: value for name, value in a.items() if name not in ("num_steps", "num_classes")}
    if a["code"] == "latency":
        options = {"code": "latency", **latency_options({k: v for k, v in options.items() if k != "code"})}
        # snnTorch's targets_convert does not hand these on; here they are used, so they are left out to compare.
        lost = {name: options.pop(name) for name in ("on_target", "off_target", "interpolate") if name in options}
        got = both(case["x"], lambda x: encode.targets_convert(x, classes, steps, **options))
        close(got, case["out_y"])
        used = encode.targets_convert(case["x"], classes, steps, **options, **lost)
        on, off = lost.get("on_target", 1.0), lost.get("off_target", 0.0)
        if on != off:
            np.testing.assert_array_equal(np.isclose(used, on), got == 1)
        return
    got = both(case["x"], lambda x: encode.targets_convert(x, classes, steps, **options))
    assert got.shape == (steps, *case["x"].shape, classes)
    if "out_y" in case:  # snnTorch leaves out a time axis along which nothing changes
        close(got, np.broadcast_to(case["out_y"], got.shape))
        return
    # It raises for these rates; as its documentation has them, a class fires at its rate.
    on, off = a.get("on_target", 1.0), a.get("off_target", 0.0)
    right = np.eye(classes, dtype=bool)[case["x"]]
    for which, rate in ((right, a["correct_rate"]), (~right, a["incorrect_rate"])):
        expected = [int(k / rate) for k in range(steps) if rate and int(k / rate) < steps]
        trains = got[:, which]
        assert (trains[expected] == on).all()
        assert (np.delete(trains, expected, 0) == off).all()


def latency_encoder(case: Case, a: dict[str, Any]) -> None:
    linear = {"code": "linear", "normalize": True, "threshold": 0.0}
    options = linear if a["enc_function"] == "linear" else {"code": "log_intensity"}
    np.testing.assert_array_equal(both(case["x"], lambda x: encode.latency(x, a["T"], **options)), case["out_spikes"])


def weighted_phase_encoder(case: Case, a: dict[str, Any]) -> None:
    np.testing.assert_array_equal(both(case["x"], lambda x: encode.phase(x, a["K"])), case["out_spikes"])


CLASSES: dict[str, Callable[[Case, dict[str, Any]], None]] = {
    "LatencyEncoder": latency_encoder,
    "ToSpikeTimes": to_spike_times,
    "WeightedPhaseEncoder": weighted_phase_encoder,
    "constant_current_lif_encode": constant_current_lif_encode,
    "population_encode": population_encode,
    "spike_latency_encode": spike_latency_encode,
    "spike_latency_lif_encode": spike_latency_lif_encode,
    "spikegen.delta": spikegen_delta,
    "spikegen.latency": spikegen_latency,
    "spikegen.targets_convert": spikegen_targets_convert,
    "sum_decode": sum_decode,
}


def test_encoders(case: Case) -> None:
    meta = json.loads(str(case["meta"]))
    if meta["class"] not in CLASSES:
        pytest.fail(f"no encoder is known as {meta['class']}")
    CLASSES[meta["class"]](case, meta.get("arguments", {}))

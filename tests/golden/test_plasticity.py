"""Synapses that change, against what Norse recorded: 1e-6 of the largest value, as the README of the data has it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

import rsnn
from rsnn import plasticity

Array = np.ndarray[Any, np.dtype[Any]]
Case = dict[str, Array]


def close(got: Array, wanted: Array) -> None:
    assert got.shape == wanted.shape
    assert np.max(np.abs(got.astype(np.float64) - wanted)) <= 1e-6 * np.max(np.abs(wanted))


def floats(case: Case) -> dict[str, float]:
    return {name: float(value) for name, value in case.items() if value.ndim == 0 and value.dtype.kind == "f"}


def short_term(case: Case, arguments: Any) -> None:
    p = floats(case)
    synapse = plasticity.TsodyksMarkram(1 / p["tau_f_inv"], 1 / p["tau_d_inv"], p["U"], dt=p["dt"], discretization="euler")
    out = plasticity.short_term(synapse, case["x"].astype(np.float32), record=("u", "x"))
    close(out.output, case["out_current"])
    close(out.traces["u"], case["out_u"])
    close(out.traces["x"], case["out_x"])


def linear(case: Case, arguments: Any) -> None:
    rule = plasticity.norse_stdp(**(floats(case) | arguments))
    pre, post = case["z_pre"].astype(np.float32), case["z_post"].astype(np.float32)
    out = plasticity.learn(rule, pre, post, case["w0"], weight_every=1)
    assert out.history is not None
    close(out.history, case["out_w"])
    for spikes, tau, gain, wanted, end in (
        (pre, rule.tau_plus, rule.gain_plus, case["out_t_pre"], out.state.pre),
        (post, rule.tau_minus, rule.gain_minus, case["out_t_post"], out.state.post),
    ):
        traces = plasticity.trace(spikes, tau, gain=gain, dt=rule.dt, discretization="euler")
        close(traces, wanted)
        assert np.array_equal(traces[-1], end)


def conv2d(case: Case, arguments: Any) -> None:
    assert arguments.pop("dilation") == 1
    sizes = {name: arguments.pop(name) for name in ("stride", "padding")}
    rule = plasticity.norse_stdp(**(floats(case) | arguments))
    pre, post = case["z_pre"].astype(np.float32), case["z_post"].astype(np.float32)
    out = plasticity.learn(rule, pre, post, case["w0"], weight_every=1, **sizes)
    assert out.history is not None
    close(out.history[:: len(pre) // len(case["out_w"])], case["out_w"])  # of every fifth step, the first one among them


def sensor(case: Case, arguments: Any) -> None:
    p = floats(case)  # Norse uses tau_c_inv for both traces
    for spikes, eta, wanted in (("z_pre", "eta_p", "out_a_pre"), ("z_post", "eta_m", "out_a_post")):
        got = plasticity.trace(case[spikes].astype(np.float32), 1 / p["tau_c_inv"], gain=p[eta], dt=p["dt"], discretization="euler")
        close(got, case[wanted])


def correlation(case: Case, arguments: Any) -> None:
    p = floats(case)
    out = plasticity.correlation_sensor(
        case["z_pre"].astype(np.float32),
        case["z_post"].astype(np.float32),
        tau_correlation=1 / p["tau_c_inv"],
        tau_anticorrelation=1 / p["tau_ac_inv"],
        eta_correlation=p["eta_p"],
        eta_anticorrelation=p["eta_m"],
        dt=p["dt"],
        discretization="euler",
        record=("post_pre", "correlation", "anticorrelation"),
    )
    assert np.array_equal(out.traces["post_pre"], case["out_post_pre"])
    close(out.traces["correlation"], case["out_correlation_trace"])
    close(out.traces["anticorrelation"], case["out_anti_correlation_trace"])


CHECKS = {
    "tsodyks_makram.stp_step": short_term,
    "stdp.stdp_step_linear": linear,
    "stdp.stdp_step_conv2d": conv2d,
    "stdp_sensor_step": sensor,
    "correlation_sensor_step": correlation,
}


def test_plasticity(case: Case) -> None:
    meta = json.loads(str(case["meta"]))
    assert rsnn.plasticity is plasticity
    CHECKS[meta["class"]](case, dict(meta.get("arguments") or {}) if isinstance(meta.get("arguments"), dict) else {})

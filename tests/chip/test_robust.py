"""Whatever the chip interface is called with: a result or an error of rsnn that has a text, and nothing of the caller's changed.

`RSNN_CHIP_CALLS` says how many random calls are made; 100000 take some minutes.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hostile import Rng, frozen, hostile, some, whole

import rsnn
from rsnn.chip import dynapcnn, loihi, odin, tinyodin, xylo
from rsnn.errors import InternalError

CALLS = int(os.environ.get("RSNN_CHIP_CALLS", "2500"))
Arguments = dict[str, Any]


def size(rng: Rng, most: int = 4) -> int:
    return int(rng.integers(0, most + 1))


def chip_iaf(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    n = size(rng)
    return rsnn.chip.iaf, {
        "x": whole(rng, (size(rng, 9), n)), "v_threshold": some(rng, 1, 5, whole(rng, n, 1, 9)), "bias": some(rng, 0, -3),
        "v_min": some(rng, None, -4), "fire": some(rng, "multi", "single"), "reset": some(rng, "subtract", "zero", "none"),
        "state_bits": some(rng, 4, 16, 33, None), "overflow": some(rng, "saturate", "wrap", "error"),
        "record": some(rng, (), "v", ("v", "u")),
        "state": None, "compare": some(rng, ">=", ">"), "threads": some(rng, None, 1, 2),
    }  # fmt: skip


def integer_neuron(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    def call(x: Any, record: Any, state: Any, membrane: Any, current: Any, **knobs: Any) -> Any:
        registers = [None if one is None else rsnn.chip.Register(**one) if isinstance(one, dict) else one for one in (membrane, current)]
        neuron = rsnn.chip.IntegerNeuron(membrane=registers[0], current=registers[1], **knobs)
        return rsnn.chip.run(neuron, x, record=record, state=state)

    def register() -> Any:
        return {
            "bits": some(rng, 3, 16, 24, 32, 40, 64, None), "overflow": some(rng, "saturate", "wrap", "wrap_once", "error"),
            "decay": some(rng, "none", "shift", "scale", "floor", "constant"), "by": some(rng, 0, 1, 3, 30),
            "scale_bits": some(rng, 1, 12, 15),
            "when": some(rng, "before", "after", "end"),
        }  # fmt: skip

    n = size(rng)
    return call, {
        "x": whole(rng, (size(rng, 40), n)), "record": some(rng, (), "v"), "state": None, "membrane": register(),
        "current": some(rng, None, register()), "v_threshold": some(rng, 1, 40, whole(rng, n, 1, 9)),
        "fire": some(rng, "multi", "single", "ternary"), "v_low": some(rng, None, -3), "max_spikes": some(rng, None, None, 0, 31),
        "reset": some(rng, "subtract", "zero", "none"), "compare": some(rng, ">=", ">"), "threshold_shift": some(rng, 0, 6, 32),
        "bias": some(rng, 0, -2, whole(rng, n)), "bias_to": some(rng, "membrane", "membrane", "current"), "v_min": some(rng, None, -3),
        "v_max": some(rng, None, 3), "clip": some(rng, "before", "after"), "refractory": some(rng, None, 2),
        "input_shift": some(rng, 0, 6, 32), "input_bits": some(rng, None, 22), "change": some(rng, True, False),
        "restart": some(rng, None, (3, 1)),
    }  # fmt: skip


def convolution(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    channels, features = size(rng, 3), size(rng, 5)
    dense = rng.random() < 0.3
    x = whole(rng, (size(rng, 5), *some(rng, (), (size(rng),)), channels, size(rng, 8), size(rng, 8)), 0, 4 if dense else 2)
    return dynapcnn.conv_iaf, {
        "x": x if dense else x * (rng.random(x.shape) < 0.05),
        "weight": whole(rng, (features, channels, 1 + size(rng, 2), 1 + size(rng, 2))),
        "bias": some(rng, None, whole(rng, features)), "v_threshold": some(rng, 1, 9, 2**15 - 1), "v_min": some(rng, None, -4, 0),
        "stride": some(rng, 1, 2, (1, 3)), "padding": some(rng, 0, 1, (2, 0)), "pool": some(rng, 1, 2, 3),
        "fire": some(rng, "multi", "single"), "reset": some(rng, "subtract", "zero"), "state": None,
        "record": some(rng, (), "v"), "overflow": some(rng, "none", "saturate", "wrap", "error"), "strict": some(rng, True, False),
        "mode": some(rng, "steps", "events"), "order": None, "threads": some(rng, 1, 2),
    }  # fmt: skip


def linear(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    n, features = size(rng, 9), size(rng, 9)
    return dynapcnn.linear_iaf, {
        "x": whole(rng, (size(rng, 5), *some(rng, (), (size(rng),)), n), 0, 3), "weight": whole(rng, (features, n)),
        "bias": some(rng, None, whole(rng, features)), "v_threshold": some(rng, 1, 9), "v_min": some(rng, None, -4),
        "fire": some(rng, "multi", "single"), "reset": some(rng, "subtract", "zero"), "state": None, "record": some(rng, (), "u"),
        "overflow": some(rng, "none", "saturate"), "mode": some(rng, "steps", "events"), "order": some(rng, None, 3), "threads": 1,
    }  # fmt: skip


def discretize(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    features = 1 + size(rng)
    return dynapcnn.discretize, {
        "weight": rng.normal(0, 1, (features, 2, 2, 2)), "bias": some(rng, None, rng.normal(0, 1, features)),
        "v_threshold": some(rng, 1.0, 40.0), "v_min": some(rng, None, -1.0), "state": None,
    }  # fmt: skip


def xylo_core(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    def call(raster: Any, state: Any, record: Any, threads: Any, **numbers: Any) -> Any:
        return xylo.Core(**numbers).run(raster, state, record=record, threads=threads)

    n_in, n, n_out, syn = size(rng), size(rng, 70), size(rng), some(rng, (), (2,))
    return call, {
        "raster": whole(rng, (size(rng, 6), *some(rng, (), (size(rng),)), n_in), 0, 20), "state": None,
        "record": some(rng, (), "isyn", ("v", "v_out")), "threads": some(rng, 1, 2), "w_in": whole(rng, (n_in, n, *syn), -128, 128),
        "w_rec": some(rng, None, whole(rng, (n, n, *syn), -128, 128)), "w_out": whole(rng, (n, n_out), -128, 128),
        "dash_syn": some(rng, 0, 3, 15), "dash_mem": some(rng, 0, 4, whole(rng, n, 0, 15)), "dash_syn_out": 2, "dash_mem_out": 3,
        "threshold": some(rng, 40, 0, whole(rng, n, 1, 99)), "threshold_out": some(rng, 90, -1), "bias": some(rng, None, whole(rng, n)),
        "bias_out": None, "alias": some(rng, None, rng.integers(-1, max(n, 1), n) if n else None), "shift_in": some(rng, 0, 7),
        "shift_rec": 0, "shift_out": some(rng, 0, 15), "version": some(rng, 1, 2), "strict": some(rng, True, False),
    }  # fmt: skip


def loihi_lif(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    kind = some(rng, "lif", "ternary", "reset")
    return loihi.lif, {
        "a": whole(rng, (size(rng, 40), size(rng, 70)), -90, 90), "du": some(rng, 0, 400, 4095), "dv": some(rng, 0, 300, 4096),
        "vth": some(rng, 0, 20, 131071), "bias_mant": some(rng, 0, 7), "bias_exp": some(rng, 0, 6, -3), "kind": kind,
        "vth_lo": -20 if kind == "ternary" else None, "reset_interval": 5 if kind == "reset" else None, "reset_offset": 0,
        "state": None, "record": some(rng, (), "v", "u"), "threads": 1,
    }  # fmt: skip


def compartment(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    return loihi.compartment, {
        "a": whole(rng, (size(rng, 40), size(rng)), -90, 90), "du": some(rng, 0, 4095), "dv": some(rng, 0, 4095), "vth": some(rng, 0, 900),
        "bias": some(rng, 0, 77), "refractory": some(rng, 0, 1, 3), "v_min": -(2**20) + 1, "v_max": some(rng, 2**23 - 1, 2**9 - 1),
        "state": None, "record": some(rng, (), "v"), "threads": 1,
    }  # fmt: skip


def loihi_dense(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    n, outputs = size(rng, 6), size(rng, 6)
    weight = whole(rng, (outputs, n), -256, 255)
    common: Arguments = {"x": whole(rng, (size(rng, 5), n), 0, 3), "weight": weight, "num_message_bits": some(rng, 0, 8)}
    more = {"num_weight_bits": some(rng, 8, 3), "weight_exp": some(rng, 0, 3, -3), "sign_mode": None}
    if rng.random() < 0.5:
        return loihi.dense, {**common, **more, "delay": some(rng, 0, 1, 2)}
    return loihi.delay_dense, {**common, **more, "delays": whole(rng, (outputs, n), 0, 6)}


def loihi_conv(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    channels = size(rng, 3)
    return loihi.conv, {
        "x": whole(rng, (size(rng, 4), size(rng, 6), size(rng, 6), channels), 0, 3),
        "weight": whole(rng, (size(rng, 3), 1 + size(rng, 2), 1 + size(rng, 2), channels), -99, 99), "stride": some(rng, 1, 2),
        "padding": some(rng, 0, 1), "num_message_bits": 0, "delay": some(rng, 0, 1),
    }  # fmt: skip


def loihi_network(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    def call(into: Any, own: Any, du: Any, vth: Any, x: Any, record: Any) -> Any:
        layers = [loihi.Dense(into), loihi.LIF(du=du, dv=100, vth=vth)] + ([] if own is None else [loihi.Dense(own)])
        return loihi.network(layers).run(x, record=record)

    n, inputs = 1 + size(rng), 1 + size(rng)
    return call, {
        "into": whole(rng, (n, inputs), -99, 99), "own": some(rng, None, whole(rng, (n, n), -99, 99)), "du": some(rng, 4095, 500),
        "vth": some(rng, 3, 90), "x": whole(rng, (size(rng, 6), inputs), 0, 2), "record": some(rng, (), "v"),
    }  # fmt: skip


def tiny(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    def call(events: Any, start: Any, **numbers: Any) -> Any:
        return tinyodin.Chip(**numbers).run(events, v=start)

    n = size(rng, 9)
    return call, {
        "events": whole(rng, size(rng, 9), 0, 1024).astype(np.int64), "start": None, "weights": whole(rng, (n, n), -8, 8),
        "threshold": some(rng, 0, 30, 4095), "leak": some(rng, 0, 5), "disable": None, "v": None,
        "open_loop": some(rng, True, True, False) if n == 0 else True,
    }  # fmt: skip


def single(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    given: Arguments = {
        "state": whole(rng, 3, 0, 99), "weight": some(rng, 3, whole(rng, 3, 0, 7)), "leak": some(rng, 0, 9), "threshold": some(rng, 1, 50),
        "event": some(rng, 0, 1), "time_reference": some(rng, 0, 1),
    }  # fmt: skip
    return some(rng, odin.update, tinyodin.update), given


def network(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    def call(weight: Any, v_threshold: Any, target: Any, x: Any, record: Any, **options: Any) -> Any:
        name, first, last = str(target), rsnn.Linear(weight), []
        if name.startswith(("xylo", "loihi")):
            fire, reset = ("multi", "subtract") if name.startswith("xylo") else ("single", "zero")
            neuron: Any = rsnn.LIF(10.0, tau_syn=5.0, v_threshold=v_threshold, fire=fire, reset=reset)
            last = [rsnn.Linear(np.ones((2, len(first.weight)))), rsnn.LIF(10.0, tau_syn=5.0, reset=reset)]
        else:
            neuron = rsnn.IAF(v_threshold=v_threshold, reset="zero" if name == "tinyodin" else "subtract")
        chip = rsnn.chip.quantize(rsnn.Network([first, neuron, *last], (3,)), target, **options)
        return chip.run(x, record=record), chip.check(), chip.dequantize(), chip.report(x)

    x = rng.integers(0, 2, (size(rng, 6), *some(rng, (), (2,)), 3))
    target = some(rng, *rsnn.chip.TARGETS)
    rule = some(rng, None, None, None, *rsnn.chip.TARGETS[target].rules)
    options = {"scale": "max", "rounding": "nearest", "weight_bits": None, "calibration": None}
    if rule is None:
        options = {
            "scale": some(rng, "max", "percentile", "mse"), "rounding": some(rng, "nearest", "away", "zero", "floor"),
            "weight_bits": some(rng, None, 2, 4), "calibration": some(rng, None, x),
        }  # fmt: skip
    return call, {
        "weight": rng.normal(0, 1, (1 + size(rng), 3)).astype(np.float32), "v_threshold": some(rng, 0.3, 1.0), "target": target, "x": x,
        "record": some(rng, (), () if target == "tinyodin" else "v"), "rule": rule, "percentile": some(rng, 99.9, 50), **options,
    }  # fmt: skip


def spread(rng: Rng) -> tuple[Callable[..., Any], Arguments]:
    def call(weight: Any, v_threshold: Any, x: Any, orders: Any, seed: Any) -> Any:
        return dynapcnn.spread(rsnn.Network([rsnn.Linear(weight), rsnn.IAF(v_threshold=v_threshold)], (3,)), x, orders=orders, seed=seed)

    return call, {
        "weight": rng.normal(0, 1, (1 + size(rng), 3)), "v_threshold": some(rng, 0.3, 1.0), "orders": size(rng), "seed": size(rng),
        "x": whole(rng, (size(rng, 6), *some(rng, (), (2,)), 3), 0, 3),
    }  # fmt: skip


ENTRIES = (
    chip_iaf, integer_neuron, convolution, linear, discretize, xylo_core, loihi_lif, compartment, loihi_dense, loihi_conv, loihi_network,
    tiny, single, network, spread,
)  # fmt: skip


@pytest.mark.timeout(60 + CALLS // 10)
def test_random_calls_give_a_result_or_an_error_that_says_why() -> None:
    refused = 0
    for k in range(CALLS):
        rng = np.random.default_rng((20, k))
        call, arguments = ENTRIES[k % len(ENTRIES)](rng)
        for _ in range(rng.integers(0, 3)):
            arguments[some(rng, *arguments)] = hostile(rng)
        before = {name: frozen(value) for name, value in arguments.items()}
        said = None
        try:
            call(**arguments)
        except rsnn.RsnnError as error:
            said = error
            refused += 1
        except Exception as error:
            raise AssertionError(f"call {k} of {call.__qualname__} with {arguments}") from error
        assert said is None or (isinstance(said, (ValueError, TypeError)) and not isinstance(said, InternalError)), (k, call, said)
        assert {name: frozen(value) for name, value in arguments.items()} == before, (k, call)
    assert CALLS // 20 < refused < CALLS * 19 // 20


@pytest.mark.parametrize("make", ENTRIES)
def test_calls_as_they_are_meant_mostly_give_results(make: Callable[[Rng], tuple[Callable[..., Any], Arguments]]) -> None:
    given = 0
    for k in range(60):
        call, arguments = make(np.random.default_rng((21, k)))
        try:
            call(**arguments)
            given += 1
        except rsnn.RsnnError:
            pass
    assert given >= 5

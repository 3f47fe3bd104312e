"""Loihi against lava-nc 0.10.0 (fixed_pt CPU models), through the public interface: every recorded integer, equal."""

import numpy as np

from rsnn.chip import loihi

Case = dict[str, np.ndarray]


def equal(found: object, expected: np.ndarray) -> None:
    assert np.shape(found) == expected.shape
    assert np.array_equal(np.asarray(found), expected)


def test_lava_lif(case: Case) -> None:
    mode = str(case["mode"])
    own = {
        "lif": {},
        "ternary": {"vth_lo": case["vth_lo"]},
        "reset": {"reset_interval": case["reset_interval"], "reset_offset": case["reset_offset"]},
    }[mode]
    vth = case["vth_hi"] if mode == "ternary" else case["vth"]
    shared = {name: case[name] for name in ("du", "dv", "bias_mant", "bias_exp")} | {"vth": vth, "kind": mode, "record": ("u", "v")} | own
    result = loihi.lif(case["a"], **shared)
    equal(result.u, case["out_u"])
    equal(result.v, case["out_v"])
    equal(result.spikes, case["out_s"])
    equal(result.state.u, case["out_u"][-1])
    equal(result.state.v, case["out_v"][-1])
    first = loihi.lif(case["a"][:23], **shared)
    equal(loihi.lif(case["a"][23:], state=first.state, **shared).v, case["out_v"][23:])


def test_lava_dense(case: Case) -> None:
    a = loihi.dense(case["x"], case["w"], num_weight_bits=case["nwb"], weight_exp=case["wexp"], num_message_bits=case["mb"])
    equal(a, case["out"])


def test_lava_conv(case: Case) -> None:
    equal(loihi.conv(case["x"], case["w"], stride=case["stride"], padding=case["padding"], num_message_bits=case["mb"]), case["out"])


def test_lava_delay(case: Case) -> None:
    a = loihi.delay_dense(case["x"], case["w"], case["delays"], num_weight_bits=case["nwb"], weight_exp=case["wexp"])
    equal(a, case["out"])


def test_lava_net(case: Case) -> None:
    def part(name: str) -> Case:
        return {key.partition("/")[2]: array for key, array in case.items() if key.startswith(f"{name}/")}

    def synapses(own: Case) -> loihi.Dense:
        return loihi.Dense(own["w"], own["nwb"], own["wexp"])

    layers: list[object] = []
    count = int(case["n_layers"])
    for k in range(count):
        own = part(f"l{k}")
        layers += [synapses(own), loihi.LIF(**{name: own[name] for name in ("du", "dv", "vth", "bias_mant", "bias_exp")})]
        layers += [synapses(part("rec"))] if k == 0 and part("rec") else []
    net = loihi.network(layers)
    result = net.run(case["x"], record="v")
    for k in range(count):
        equal(result.spikes[k], case[f"l{k}/out_s"])
        equal(result.traces[k]["v"], case[f"l{k}/out_v"])
    half = net.run(case["x"][:31])
    rest = net.run(case["x"][31:], half.state, record="v")
    equal(rest.traces[count - 1]["v"], case[f"l{count - 1}/out_v"][31:])

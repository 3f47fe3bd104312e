"""Scales, rounding, the makers' rules: what each does to the numbers, and which options contradict each other."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from chip.recorded import cases
from rsnn.chip import ChipNetwork
from rsnn.chip.families import FAMILIES
from rsnn.chip.options import ROUNDINGS, Options
from rsnn.chip.targets import TARGETS

IAF = rsnn.IAF(v_threshold=1.0, v_min=-1.0)


def options(target: str = "xylo_imu", **given_: Any) -> Options:
    own = {"calibration": None, "scale": "max", "percentile": 99.9, "rounding": "nearest", "rule": None, "faults": (), "weight_bits": None}
    return Options.make(TARGETS[target], **(own | given_))


def linear(weight: Any, neuron: Any = IAF, **given_: Any) -> Any:
    net = rsnn.Network([rsnn.Linear(weight), neuron], np.shape(weight)[1])
    return rsnn.chip.quantize(net, **({"target": "dynapcnn"} | given_)).layers[0]


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [("nearest", [0, 2, 2, -2, -1]), ("away", [1, 2, 3, -3, -1]), ("zero", [0, 1, 2, -2, -1]), ("floor", [0, 1, 2, -3, -2])],
)
def test_each_rounding_by_hand(rounding: str, expected: list[int]) -> None:
    assert options(rounding=rounding).round([0.5, 1.5, 2.5, -2.5, -1.2]).tolist() == expected
    assert set(ROUNDINGS) == {"nearest", "away", "zero", "floor"}


def test_a_rounding_reaches_the_integers_of_every_family() -> None:
    # K = 127: 0.3 is 38.1, -0.3 is -38.1.
    assert [linear([[1.0, -0.3]], rounding=one).quantized.weight.ravel().tolist()[1] for one in ("nearest", "floor")] == [-38, -39]
    lif = {"alpha": 0.5, "beta": 0.5, "v_threshold": 2.0}
    net = rsnn.Network([rsnn.Linear([[1.0, -0.3]]), rsnn.LIF(**lif, fire="multi"), rsnn.Linear([[1.0]]), rsnn.LIF(**lif)], 2)
    assert [rsnn.chip.quantize(net, "xylo_imu", rounding=one).core.w_in.ravel().tolist()[1] for one in ("zero", "floor")] == [-38, -39]
    loihi = [linear([[1.0, -0.3]], rsnn.LIF(beta=0.5, reset="zero"), target="loihi_lava", rounding=one) for one in ("zero", "floor")]
    # K = 254, in steps of two: -38.1 of them.
    assert [one.synapses.used.tolist() for one in loihi] == [[[254, -76]], [[254, -78]]]
    # 64 K 0.1 = 1625.6, of which the mantissa has 12 bits.
    biased = [
        linear([[1.0, -0.3]], rsnn.LIF(beta=0.5, reset="zero", bias=0.1), target="loihi_lava", rounding=one) for one in ("nearest", "floor")
    ]
    assert [one.bias_mant.tolist() for one in biased] == [[1626], [1625]]
    odin = rsnn.Network([rsnn.Linear([[1.0, -0.3]]), rsnn.IAF(reset="zero")], 2)
    assert [rsnn.chip.quantize(odin, "tinyodin", rounding=one).crossbar.weights[1, 2] for one in ("zero", "floor")] == [-2, -3]


def test_a_percentile_cuts_the_largest_weights_off() -> None:
    weight = np.append(np.linspace(0.01, 0.1, 99), 10.0)[None]
    plain, cut = linear(weight), linear(weight, scale="percentile", percentile=99.0)
    assert plain.quantized.scale == pytest.approx(12.7)
    assert cut.quantized.scale == pytest.approx(127 / np.percentile(weight, 99.0), rel=1e-6)
    assert (cut.quantized.weight.max(), plain.quantized.weight.max()) == (127, 127)
    assert cut.quantized.v_threshold == round(cut.quantized.scale)
    same = linear(weight, scale="percentile", percentile=100.0)
    assert same.quantized.weight.tolist() == plain.quantized.weight.tolist()


@given(seed=st.integers(0, 10**6), bits=st.integers(2, 8))
def test_the_least_square_error_is_never_larger_than_that_of_the_largest_scale(seed: Any, bits: Any) -> None:
    rng = np.random.default_rng(seed)
    w = rng.standard_t(3, (4, 30))

    def error(scale: str) -> Any:
        own = options(scale=scale, weight_bits=bits)
        k = own.scales(w, -own.top, own.top, 1.0)
        whole, theta = own.whole(w * k[:, None], -own.top, own.top), own.round(k)
        return np.where(theta > 0, ((whole / np.maximum(theta, 1)[:, None] - w) ** 2).sum(axis=1), np.inf)

    assert np.all(error("mse") <= error("max"))


def test_calibration_weighs_errors_by_what_arrives() -> None:
    # The largest weight belongs to a channel that never sends: with events it may be cut.
    weight = np.array([[8.0, 0.3, 0.21, 0.17, 0.12]])
    x = np.ones((20, 5), int) * [0, 1, 1, 1, 1]
    blind, seeing = linear(weight, scale="mse", weight_bits=4), linear(weight, scale="mse", weight_bits=4, calibration=x)
    assert seeing.quantized.scale > blind.quantized.scale
    net = rsnn.Network([rsnn.Linear(weight), IAF], 5)
    counts = [rsnn.chip.quantize(net, "dynapcnn", c, scale="mse", weight_bits=4).run(x).output.sum() for c in (None, x)]
    assert abs(counts[1] - net.run(x).output.sum()) < abs(counts[0] - net.run(x).output.sum())


@pytest.mark.parametrize(("target", "bits"), [("dynapcnn", 4), ("xylo_imu", 3), ("loihi_lava", 4), ("tinyodin", 2)])
def test_fewer_weight_bits_leave_as_many_values(target: str, bits: int) -> None:
    rng = np.random.default_rng(1)
    weight = rng.normal(0, 1, (6, 40))
    own = {"alpha": 0.5, "beta": 0.5}
    if target == "xylo_imu":
        layers = [rsnn.Linear(weight[:, :16]), rsnn.LIF(**own, fire="multi"), rsnn.Linear(np.eye(6)), rsnn.LIF(**own)]
        found = rsnn.chip.quantize(rsnn.Network(layers, 16), target, weight_bits=bits).core.w_in
    else:
        neuron = {"dynapcnn": IAF, "loihi_lava": rsnn.LIF(beta=0.5, reset="zero"), "tinyodin": rsnn.IAF(reset="zero")}[target]
        chip = rsnn.chip.quantize(rsnn.Network([rsnn.Linear(weight), neuron], 40), target, weight_bits=bits)
        if target == "tinyodin":
            found = chip.crossbar.weights[:40, 40:]
        else:
            found = chip.layers[0].quantized.weight if target == "dynapcnn" else chip.layers[0].synapses.used
    assert 2 ** (bits - 1) < len(np.unique(found)) <= 2**bits


def test_sinabs_rule_has_its_trap_and_rsnns_has_not() -> None:
    plain = rsnn.Network([rsnn.Linear([[0.7, 0.4]]), rsnn.IAF()], 2)
    trapped = rsnn.chip.quantize(plain, rule="sinabs").layers[0].quantized
    # Without a lower clip its scale is 32768 / 32768 = 1.
    assert (trapped.weight.ravel().tolist(), trapped.v_threshold, trapped.v_min) == ([1, 0], 1, -32768)
    assert rsnn.chip.quantize(plain).layers[0].quantized.scale == pytest.approx(127 / 0.7)
    with pytest.raises(rsnn.InvalidValueError, match="every weight becomes 0"):
        rsnn.chip.quantize(rsnn.Network([rsnn.Linear([[0.4]]), rsnn.IAF()], 1), rule="sinabs")
    clipped = rsnn.Network([rsnn.Linear([[0.7, 0.4]]), IAF], 2)
    one, two = (rsnn.chip.quantize(clipped, rule=rule).layers[0].quantized for rule in (None, "sinabs"))
    assert (one.weight.tolist(), one.v_threshold, one.v_min) == (two.weight.tolist(), two.v_threshold, two.v_min)


def test_rockpools_rules_on_a_network_are_those_on_its_specification() -> None:
    rng = np.random.default_rng(2)
    own = {"alpha": 0.75, "beta": 0.875, "v_threshold": 1.5}
    w = rng.normal(0, 0.3, (6, 4)), rng.normal(0, 0.3, (3, 6)), rng.normal(0, 0.3, (6, 6))
    hidden = rsnn.LIF(**own, fire="multi", bias=np.linspace(0.1, 0.4, 6))
    net = rsnn.Network([rsnn.Linear(w[0]), rsnn.Recurrent(hidden, w[2]), rsnn.Linear(w[1]), rsnn.LIF(**own, bias=0.2)], 4)
    spec = {
        # The chip's current decays after a spike has arrived, that of LIF before.
        "weights_in": w[0].T / 0.75, "weights_rec": w[2].T / 0.75, "weights_out": w[1].T / 0.75, "threshold": np.full(6, 1.5),
        "threshold_out": np.full(3, 1.5), "bias": np.linspace(0.1, 0.4, 6), "bias_out": np.full(3, 0.2), "dash_mem": [3] * 6,
        "dash_mem_out": [3] * 3, "dash_syn": [2] * 6, "dash_syn_2": [2] * 6, "dash_syn_out": [2] * 3,
    }  # fmt: skip
    for rule in ("global", "channel"):
        for faults in ((), tuple(rsnn.chip.rockpool.FAULTS)):
            core = rsnn.chip.quantize(net, "xylo_audio2", rule=f"rockpool_{rule}", faults=faults).core
            q = rsnn.chip.rockpool.quantize(rule, {name: np.array(value) for name, value in spec.items()}, faults=faults)
            found = {"weights_in": core.w_in[..., 0], "weights_rec": core.w_rec[..., 0], "weights_out": core.w_out}
            found |= {name: getattr(core, name) for name in ("threshold", "threshold_out", "bias", "bias_out", "dash_mem", "dash_syn_out")}
            for name, value in found.items():
                assert np.array_equal(value, q[name]), (rule, faults, name)


def test_the_rule_of_lava_dl_by_hand() -> None:
    net = rsnn.Network([rsnn.Linear([[0.5, -1.31]]), rsnn.LIF(beta=0.75, alpha=0.5, v_threshold=1.1, reset="zero")], 2)
    layer = rsnn.chip.quantize(net, "loihi_lava", rule="lava_dl").layers[0]
    # 32 and -83.84, to even numbers; 0.25 4096 and 0.5 4096 - 1; 70.4 is cut.
    assert (layer.synapses.used.tolist(), layer.dv, layer.du, layer.vth) == ([[32, -84]], 1024, 2047, 70)
    positive = rsnn.Network([rsnn.Linear([[0.5, 1.3]]), rsnn.LIF(beta=0.75, reset="zero", bias=0.1)], 2)
    layer = rsnn.chip.quantize(positive, "loihi_lava", rule="lava_dl").layers[0]
    # 83.2 to an even number also without a negative one; 6.4 << 6.
    assert (layer.synapses.used.tolist(), layer.bias_mant.tolist(), layer.bias_exp.tolist()) == ([[32, 84]], [6], [6])


LAVA_DL = cases("lava_dl")


@pytest.mark.parametrize("number", LAVA_DL)
def test_the_rule_of_lava_dl_gives_its_integers(number: str) -> None:
    case = LAVA_DL[number]
    neuron = rsnn.LIF(alpha=float(case["alpha"]), beta=float(case["beta"]), v_threshold=float(case["threshold"]), reset="zero")
    layer = rsnn.chip.quantize(rsnn.Network([rsnn.Linear(case["weight"]), neuron], 6), "loihi_lava", rule="lava_dl").layers[0]
    assert np.array_equal(layer.synapses.used, case["q_weight"])
    assert (layer.du, layer.dv, layer.vth) == (case["q_iDecay"] - 1, case["q_vDecay"], case["q_vThMant"])


NET = rsnn.Network([rsnn.Linear([[0.5]]), IAF], 1)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"scale": "least"}, "scale='least': must be one of 'max', 'percentile', 'mse'"),
        ({"rounding": "up"}, "rounding='up': must be one of"),
        ({"percentile": 0}, "percentile=0: must be above 0 and at most 100"),
        ({"weight_bits": 9}, "weight_bits=9: must be from 2 to 8, the sign included; dynapcnn has 8"),
        ({"weight_bits": 1}, "weight_bits=1: must be an integer of at least 2"),
        ({"rule": "rockpool_global"}, "rule='rockpool_global': must be one of 'sinabs'"),
        ({"rule": "sinabs", "scale": "mse"}, "scale='mse': the rule 'sinabs' has its own; leave one of the two out"),
        ({"rule": "sinabs", "weight_bits": 4}, "weight_bits=4: the rule 'sinabs' has its own"),
        ({"rule": "sinabs", "calibration": [[1]]}, "calibration: the rule 'sinabs' knows none"),
        ({"faults": "bias_out_scale"}, "faults=.*: are those of rockpool's rules"),
        ({"target": "xylo_imu", "rule": "rockpool_global", "faults": "bias_scale"}, "'bias_scale' is not one of .*; did you mean 'bias_"),
        ({"target": "tinyodin", "rule": "sinabs"}, "rule='sinabs': tinyodin has no rule of a maker"),
    ],
)
def test_options_are_refused_with_name_value_and_cure(given_: dict[str, Any], message: str) -> None:
    with pytest.raises(rsnn.InvalidValueError, match=message):
        rsnn.chip.quantize(NET, **given_)


def test_the_help_of_quantize_and_the_page_on_chips_name_every_target() -> None:
    page = (Path(__file__).parents[2] / "docs" / "chips.md").read_text()
    for name in rsnn.chip.TARGETS:
        assert f'"{name}"' in str(rsnn.chip.quantize.__doc__)
        assert f"| `{name}`" in page or f"` `{name}`" in page


def test_every_target_says_what_was_verified_and_what_is_not_known() -> None:
    for name, target in rsnn.chip.TARGETS.items():
        text = str(target)
        assert text.startswith(f"{name}: ")
        assert target.verified in text
        assert any("silicon" in one for one in target.unknown)
        assert issubclass(FAMILIES[target.family], ChipNetwork)
        assert math.isfinite(target.weight_bits)

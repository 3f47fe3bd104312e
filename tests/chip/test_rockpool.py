"""Rockpool's rules: with every fault equal to rockpool 3.1.0, and without them what the fault spoiled is right."""

from typing import Any

import numpy as np
import pytest

import rsnn
from chip.recorded import cases
from rsnn.chip import rockpool

Case = dict[str, np.ndarray]


CASES = cases("rockpool")


@pytest.mark.parametrize("number", CASES)
def test_with_all_its_faults_the_integers_are_rockpools(number: str) -> None:
    case = CASES[number]
    spec = {name: array.copy() for name, array in case.items() if name != "rule" and not name.startswith(("q_", "after_"))}
    q = rockpool.quantize(str(case["rule"]), spec, faults=[one for one in rockpool.FAULTS if one != "weights_wrap"])
    for name in ("weights_in", "weights_rec", "weights_out", "threshold", "threshold_out", "dash_mem", "dash_syn_2", "bias", "bias_out"):
        assert (q[name] is None) == (f"q_{name}" not in case), name
        if q[name] is not None:
            assert np.array_equal(q[name], case[f"q_{name}"]), name
    for name in ("bias", "bias_out"):
        if name in spec:
            assert np.array_equal(spec[name], case[f"after_{name}"])


def plain(**changed: Any) -> dict[str, Any]:
    spec = {
        "weights_in": [[0.5, -0.2]], "weights_rec": [[0.0, 0.1], [0.0, 0.6]], "weights_out": [[0.2], [0.1]], "threshold": [1.0, 1.0],
        "threshold_out": [1.0], "dash_mem": [3, 3], "dash_mem_out": [3], "dash_syn": [2, 2], "dash_syn_2": [2, 2], "dash_syn_out": [2],
        "bias": np.array([0.3, 0.1]), "bias_out": np.array([0.1]),
    }  # fmt: skip
    return spec | changed


@pytest.mark.parametrize(
    ("fault", "rule", "name", "right", "wrong", "changed"),
    [
        # K = 127 / 0.6, K_out = 127 / 0.2
        ("bias_out_scale", "global", "bias_out", [64], [21], {}),
        # K = 127 / 0.5 and 127 / 0.6
        ("bias_unscaled", "channel", "bias", [76, 21], [0, 0], {}),
        # 127 / 0.2 * 100 = 63500: everything of the output by 32767 / 63500
        ("recurrent_shrunk", "global", "weights_rec", [[0, 21], [0, 127]], [[0, 11], [0, 66]], {"threshold_out": [100.0]}),
        ("limit_without_bias", "global", "bias_out", [33], [64], {"threshold_out": [100.0]}),
        # The second neuron's threshold: 127 / 0.6 * 300 = 63500
        ("limit_without_bias", "channel", "bias", [76, 11], [76, 21], {"threshold": [1.0, 300.0]}),
    ],
)
def test_each_fault_spoils_what_it_names_and_nothing_else(
    fault: str, rule: str, name: str, right: Any, wrong: Any, changed: dict[str, Any]
) -> None:
    sound, spoilt = (rockpool.quantize(rule, plain(**changed), faults=one) for one in ((), fault))
    assert np.asarray(sound[name]).tolist() == right
    assert np.asarray(spoilt[name]).tolist() == wrong
    assert all(np.array_equal(sound[other], spoilt[other]) for other in sound if other != name)


def test_the_callers_arrays_stay_unless_the_fault_is_asked_for() -> None:
    spec = plain()
    rockpool.quantize("channel", spec)
    assert (spec["bias"].tolist(), spec["bias_out"].tolist()) == ([0.3, 0.1], [0.1])
    q = rockpool.quantize("channel", spec, faults="bias_overwritten")
    # As there: hidden ones only of neurons with two synapses.
    assert spec["bias_out"].tolist() == q["bias_out"].tolist() == [64]
    assert spec["bias"].tolist() == [0.3, 0.1]


def test_weights_beyond_eight_bits_wrap_only_where_the_fault_is_asked_for() -> None:
    wide = {"bits_per_weight": 9}
    assert rockpool.quantize("channel", plain(), **wide)["weights_in"].tolist() == [[255, -85]]
    assert rockpool.quantize("channel", plain(), faults="weights_wrap", **wide)["weights_in"].tolist() == [[-1, -85]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"threshold": None}, "specification: threshold is missing"),
        ({"threshold": [1.0]}, r"threshold has shape \(1,\): must be \(2,\)"),
        ({"weights_out": [1.0]}, r"weights_in \(1, 2\), weights_rec \(2, 2\), weights_out \(1,\): must be"),
        ({"bias": [np.nan, 0.0]}, "bias: must be finite real numbers"),
    ],
)
def test_refuses_with_the_name(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(rsnn.InvalidValueError, match=message):
        rockpool.quantize("global", plain(**changed))

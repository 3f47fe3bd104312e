"""The Loihi 1 compartment against nengo-loihi 1.1.0, through the public interface: every recorded integer, equal."""

import numpy as np

from rsnn.chip import loihi

Case = dict[str, np.ndarray]


def equal(found: object, expected: np.ndarray) -> None:
    assert np.shape(found) == expected.shape
    assert np.array_equal(np.asarray(found), expected)


def test_loihi1_nengo(case: Case) -> None:
    shared = {name: case[name] for name in ("du", "dv", "vth", "bias")} | {"refractory": case["ref"], "record": ("u", "v")}
    shared |= {"v_min": case["vmin"], "v_max": case["vmax"]}
    result = loihi.compartment(case["a"], **shared)
    equal(result.u, case["out_u"])
    equal(result.v, case["out_v"])
    equal(result.spikes, case["out_s"])
    first = loihi.compartment(case["a"][:17], **shared)
    equal(loihi.compartment(case["a"][17:], state=first.state, **shared).v, case["out_v"][17:])

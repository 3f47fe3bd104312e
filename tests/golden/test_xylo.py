"""Xylo against xylosim 0.1.3, through the public interface: every recorded integer, equal."""

import numpy as np

from rsnn.chip import xylo

Case = dict[str, np.ndarray]


def equal(found: object, expected: np.ndarray) -> None:
    assert np.shape(found) == expected.shape
    assert np.array_equal(np.asarray(found), expected)


def check(case: Case) -> None:
    names = (
        "w_in",
        "w_rec",
        "w_out",
        "dash_syn",
        "dash_mem",
        "dash_syn_out",
        "dash_mem_out",
        "alias",
        "shift_in",
        "shift_rec",
        "shift_out",
    )
    own = {name: case[name] for name in names} | {"threshold": case["thr"], "threshold_out": case["thr_out"], "version": case["version"]}
    if case["has_bias"]:
        own |= {"bias": case["bias"], "bias_out": case["bias_out"]}
    core = xylo.Core(**own)
    record = ("isyn", "v", "isyn_out", "v_out")
    expected = {"isyn": "out_isyn", "v": "out_vmem", "isyn_out": "out_isyn_out", "v_out": "out_vmem_out"}
    raster = case["raster"]
    result = core.run(raster, record=record)
    equal(result.out, case["out_out"])
    equal(result.spikes, case["out_spikes"])
    for name in record:
        equal(result.traces[name], case[expected[name]])
        equal(getattr(result.state, name), case[expected[name]][-1])
    # In pieces, and in a batch with others, the same.
    half = len(raster) // 2
    first = core.run(raster[:half])
    rest = core.run(raster[half:], first.state, record=record)
    equal(rest.out, case["out_out"][half:])
    equal(rest.v, case["out_vmem"][half:])
    batch = core.run(np.stack([raster[::-1], raster, raster], 1), record="v", threads=2)
    equal(batch.v[:, 1], case["out_vmem"])
    equal(batch.out[:, 2], case["out_out"])
    if case["w_in"].shape[2] == 1:
        flat = xylo.Core(**own | {"w_in": case["w_in"][:, :, 0], "w_rec": case["w_rec"][:, :, 0], "dash_syn": case["dash_syn"][:, 0]})
        equal(flat.run(raster).out, case["out_out"])


def test_xylo_v1(case: Case) -> None:
    check(case)


def test_xylo_v2(case: Case) -> None:
    check(case)

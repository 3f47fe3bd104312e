"""DynapCNN against sinabs 3.1.3, through the public interface: every recorded integer, equal."""

import numpy as np

from rsnn.chip import dynapcnn

Case = dict[str, np.ndarray]


def equal(found: object, expected: np.ndarray) -> None:
    assert np.shape(found) == expected.shape
    assert np.array_equal(np.asarray(found), expected)


def test_dynapcnn_quant(case: Case) -> None:
    found = dynapcnn.discretize(case["w"], case.get("bias"), v_threshold=case["thr"], v_min=case["mn"], state=case.get("state"))
    equal(found.weight, case["q_w"])
    equal(found.v_threshold, case["q_thr"])
    equal(found.v_min, case["q_mn"])
    assert (found.bias is None) == ("q_bias" not in case)
    assert (found.state is None) == ("q_state" not in case)
    if found.bias is not None:
        equal(found.bias, case["q_bias"])
    if found.state is not None:
        equal(found.state, case["q_state"])


def test_dynapcnn_layer(case: Case) -> None:
    q = dynapcnn.discretize(case["wt"], case.get("bias"), v_threshold=case["thr"], v_min=case["mn"])
    weight = q.weight.reshape(case["out_qw"].shape)  # sinabs writes a linear layer as a convolution over its whole map
    equal(weight, case["out_qw"])
    equal(q.v_threshold, case["out_qthr"])
    equal(q.v_min, case["out_qmin"])
    assert (q.bias is None) == ("out_qb" not in case)
    if q.bias is not None:
        equal(q.bias, case["out_qb"])
    x, shared = case["x"], {"v_threshold": q.v_threshold, "v_min": q.v_min, "fire": str(case["spike"]), "reset": str(case["reset"]), "record": "v"}
    if case["lin"]:
        result = dynapcnn.linear_iaf(x.reshape(len(x), -1), q.weight, q.bias, **shared)
        for array, name in ((result.spikes, "out_spikes"), (result.v, "out_vmem"), (result.out, "out_out")):
            equal(array[..., None, None], case[name])
        options = {}
    else:
        options = {"stride": case["stride"], "padding": case["pad"], "pool": case["pool"]}
    result = dynapcnn.conv_iaf(x, weight, q.bias, **options, **shared)
    equal(result.spikes, case["out_spikes"])
    equal(result.v, case["out_vmem"])
    equal(result.out, case["out_out"])
    equal(result.state.v, case["out_vmem"][-1])

"""DynapCNN against sinabs 3.1.3, through the public interface: every recorded integer, equal."""

import numpy as np

import rsnn
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
    x, shared = (
        case["x"],
        {"v_threshold": q.v_threshold, "v_min": q.v_min, "fire": str(case["spike"]), "reset": str(case["reset"]), "record": "v"},
    )
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


def test_dynapcnn_net(case: Case) -> None:
    def weights(layer: str) -> tuple[np.ndarray, np.ndarray | None]:
        return case[f"{layer}/w"], case.get(f"{layer}/b")

    neuron = rsnn.IAF(v_threshold=1.0, v_min=-1.0)
    pool = rsnn.AvgPool2d(2) if case["avg"] else rsnn.SumPool2d(2)
    first, second = rsnn.Conv2d(*weights("l0"), padding=1), rsnn.Conv2d(*weights("l1"), stride=2)
    last = rsnn.Linear(*weights("l2"))
    x = case["x"]
    net = rsnn.Network([first, neuron, pool, second, neuron, rsnn.Flatten(), last, neuron], x.shape[1:])
    for rule in (None, "sinabs"):
        network_is_the_case(rsnn.chip.quantize(net, rule=rule), case)


def network_is_the_case(chip: rsnn.chip.ChipNetwork, case: Case) -> None:
    result = chip.run(case["x"])
    for k, layer in enumerate(chip.layers):
        own = {name.partition("/")[2]: array for name, array in case.items() if name.startswith(f"l{k}/")}
        q = layer.quantized
        equal(q.weight, own["qw"])
        equal(q.v_threshold, own["qthr"])
        equal(q.v_min, own["qmin"])
        assert (q.bias is None) == ("qb" not in own)
        if q.bias is not None:
            equal(q.bias, own["qb"])
        v = result.state[layer.neuron_index].v
        equal(v.reshape(own["v_end"].shape), own["v_end"])
        needed = {row.what: row.needed for row in chip.check() if row.layer == layer.name}
        assert [needed[f"{kind} memory"] for kind in ("kernel", "neuron", "bias")] == own["mem"].tolist()
    equal(result.output, case["out"])

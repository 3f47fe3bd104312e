"""Branches and delays in torch: the bits of `rsnn.Network`, both ways, and gradients that are those of the sum."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from preset_strategies import presets
from strategies import neurons, values
from test_graph import graphs
from torch import nn

import rsnn
import rsnn.torch as rt

FEW = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
DTYPES = st.sampled_from([torch.float32, torch.float64])


def same(a: Any, b: Any) -> bool:
    a, b = (one.detach().numpy() if isinstance(one, torch.Tensor) else one for one in (a, b))
    return bool(a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=True))


def rounded(net: rsnn.Network, dtype: torch.dtype) -> rsnn.Network:
    """The network with its weights in a dtype."""
    kind = np.float32 if dtype == torch.float32 else np.float64

    def layer(one: Any) -> Any:
        weights = [one.weight, one.bias] if isinstance(one, (rsnn.Linear, rsnn.Conv1d, rsnn.Recurrent)) else []
        given = {name: value.astype(kind) for name, value in zip(("weight", "bias"), weights, strict=False) if value is not None}
        return dataclasses.replace(one, **given) if given else one

    return rsnn.Network(
        [layer(one) for one in net.layers], net.input_shape, batch_first=net.batch_first, names=net.names, inputs=net.inputs
    )


@FEW
@given(graphs(), st.integers(1, 20), st.integers(1, 3), DTYPES, st.integers(0, 2**32 - 1))
def test_a_graph_has_the_bits_of_its_network_and_gives_it_back(
    net: rsnn.Network, steps: int, batch: int, dtype: torch.dtype, seed: int
) -> None:
    module = rt.from_network(net, dtype=dtype)
    x = values(seed, (steps, batch, *net.input_shape), np.float32 if dtype == torch.float32 else np.float64, wild=True)
    found, expected = module.run(torch.from_numpy(x), record=()), net.run(x)
    assert same(found.output, expected.output)
    assert list(found.spikes) == list(expected.spikes)
    assert all(same(found.spikes[k], expected.spikes[k]) for k in expected.spikes)
    assert set(found.state) == set(expected.state)
    assert all(same(a, b) for k in expected.state for a, b in zip(found.state[k], expected.state[k], strict=True))
    again = rt.to_network(module, net.input_shape)
    assert again == rounded(net, dtype)
    assert again.names == net.names


@FEW
@given(st.one_of(neurons(3), presets(3)), st.integers(0, 2**32 - 1), st.booleans())
def test_any_neuron_goes_to_torch_and_back(neuron: Any, seed: int, batch_first: bool) -> None:
    rng = np.random.default_rng(seed)
    net = rsnn.Network([rsnn.Linear(rng.normal(size=(3, 2))), ("cells", neuron), rsnn.LI(beta=0.5)], 2, batch_first=batch_first)
    module = rt.from_network(net, dtype=torch.float64)
    x = rng.normal(0.5, 1.0, (4, 10, 2))
    assert same(module(torch.from_numpy(x))[0], net.run(x).output)
    assert rt.to_network(module, 2) == net


def image_network(batch_first: bool = False) -> rsnn.Network:
    rng = np.random.default_rng(3)

    def weights(*shape: int) -> Any:
        return rng.normal(0.2, 0.5, shape).astype(np.float32)

    return rsnn.Network(
        [
            ("conv", rsnn.Conv2d(weights(4, 2, 3, 3), weights(4), padding=1)), ("first", rsnn.IAF()), ("pool", rsnn.MaxPool2d(2)),
            ("branch", rsnn.Conv2d(weights(4, 4, 3, 3), padding=1)), ("second", rsnn.LIF(beta=0.8), ("branch", "pool")),
            rsnn.SumPool2d((1, 2)), rsnn.AvgPool2d((2, 1)), rsnn.Delay(3.0), rsnn.Flatten(),
            ("loop", rsnn.Recurrent(rsnn.LIF(beta=0.9), weights(16, 16), weights(16))),
            rsnn.Linear(weights(5, 16)), ("out", rsnn.LI(beta=0.9)),
        ],
        (2, 8, 8), batch_first=batch_first,
    )  # fmt: skip


@pytest.mark.parametrize("batch_first", [False, True])
def test_every_layer_goes_to_torch_and_back_and_has_the_same_bits(batch_first: bool) -> None:
    net = image_network(batch_first)
    module = rt.from_network(net)
    assert isinstance(module, rt.Graph)
    x = values(0, (7, 12, 2, 8, 8), np.float32, wild=False)
    found, expected = module.run(torch.from_numpy(x), record="v"), net.run(x, record="v")
    assert same(found.output, expected.output)
    for k, spikes in expected.spikes.items():
        assert spikes.any(), f"layer {k} is silent: nothing is compared"
        assert same(found.spikes[k], spikes)
        assert same(found.traces[k]["v"], expected.traces[k]["v"])
    assert rt.to_network(module, (2, 8, 8)) == net
    pieces = module.run(torch.from_numpy(x[:, :5] if batch_first else x[:5]))
    rest = module.run(torch.from_numpy(x[:, 5:] if batch_first else x[5:]), pieces.state)
    assert same(torch.cat([pieces.output, rest.output], int(batch_first)), expected.output)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_convolutions_of_sequences_go_to_torch_and_back_and_have_the_same_bits(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(4)
    layers = [rsnn.Conv1d(rng.normal(0.2, 0.5, (4, 2, 3)), rng.normal(size=4), stride=2, padding=1), rsnn.IAF()]
    layers += [rsnn.Conv1d(rng.normal(0.2, 0.5, (3, 4, 2))), rsnn.LIF(beta=0.8)]
    net = rsnn.Network(layers, (2, 9))
    module = rt.from_network(net, dtype=dtype)
    x = torch.from_numpy(values(5, (20, 3, 2, 9), np.float64, wild=False)).to(dtype)
    found, expected = module.run(x, record=()), net.run(x.numpy())
    assert expected.spikes[1].any()
    assert expected.spikes[3].any()
    assert all(same(found.spikes[k], expected.spikes[k]) for k in expected.spikes)
    assert rt.to_network(module, (2, 9)) == rounded(net, dtype)
    own = nn.Sequential(nn.Conv1d(2, 3, 3, padding="same"), nn.Conv1d(3, 2, 2, stride=2, padding=1, bias=False), nn.MaxPool2d((1, 2)))
    with pytest.raises(rsnn.InvalidValueError, match=r"layers\[2\] \(MaxPool2d\): .*must be an image"):
        rt.to_network(own, (2, 9))
    assert rt.to_network(own[:2], (2, 9)).layers[0].padding == 1
    for wrong, words in ((nn.Conv1d(2, 2, 2, padding="same"), "odd kernels"), (nn.Conv1d(2, 2, 2, dilation=2), r"dilation=\(2,\)")):
        with pytest.raises(rsnn.InvalidValueError, match=words):
            rt.to_network(wrong, (2, 9))


def test_a_trained_module_and_its_network_have_the_same_bits() -> None:
    torch.manual_seed(0)
    module = rt.from_network(image_network(), learn=True, surrogate=rsnn.surrogate.ATan(2.0))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    x = torch.from_numpy(values(1, (10, 4, 2, 8, 8), np.float32, wild=False))
    before = module(x)[0].detach().clone()
    for _ in range(3):
        optimizer.zero_grad()
        module(x)[0].square().mean().backward()
        optimizer.step()
    assert not torch.equal(module(x)[0], before)
    network = rt.to_network(module, (2, 8, 8))
    assert same(module(x)[0], network.run(x.numpy()).output)
    assert rt.compare_spikes(module, x, network).flipped == 0


def test_a_graph_has_the_gradients_of_the_sum_written_out() -> None:
    torch.manual_seed(0)
    a, b = rt.Linear(3, 3), rt.Linear(3, 3)
    first, second = rt.LIF(beta=0.5), rt.LIF(beta=0.5)
    graph = rt.Graph([("a", a), ("first", first), ("b", b), ("second", second, ("b", "a", "input")), ("late", rt.Delay(2.0))])
    x = torch.randn(9, 2, 3, requires_grad=True)
    output, _ = graph(x)
    seen = a(x)
    by_hand = second(b(first(seen)[0]) + seen + x)[0]
    by_hand = torch.cat([torch.zeros(2, 2, 3), by_hand[:-2]])
    assert torch.equal(output, by_hand)
    weights = torch.randn_like(output)
    found = torch.autograd.grad((output * weights).sum(), [x, a.weight, b.weight])
    expected = torch.autograd.grad((by_hand * weights).sum(), [x, a.weight, b.weight])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)
        assert one.abs().sum() > 0


def test_gradients_flow_through_the_state_of_a_delay() -> None:
    layer = rt.Delay(2.0)
    x = torch.randn(3, 1, 2, dtype=torch.float64, requires_grad=True)
    waiting = torch.randn(2, 1, 2, dtype=torch.float64, requires_grad=True)
    state = layer(torch.zeros(1, 1, 2, dtype=torch.float64))[1]

    def run(x: Any, waiting: Any) -> Any:
        output, after = layer(x, state._replace(waiting=waiting))
        return output, after.waiting

    assert torch.autograd.gradcheck(run, (x, waiting))


def test_a_graph_steps_compiles_moves_and_is_saved_as_every_module() -> None:
    torch.manual_seed(0)
    graph = rt.Graph([("a", rt.IAF()), ("w", rt.Linear(2, 2)), ("b", rt.LIF(beta=0.5), ("w", "a")), rt.Delay(1.0)])
    x = torch.rand(6, 3, 2) * 2
    whole, _ = graph(x)
    state, steps = None, []
    for one in x:
        out, state = graph.step(one, state)
        steps.append(out)
    assert torch.equal(torch.stack(steps), whole)
    assert list(graph.state_dict()) == [*(f"a.{n}" for n in ("bias", "v_threshold")), "w.weight", "w.bias",
                                        *(f"b.{n}" for n in graph.b.neuron.parameters)]  # fmt: skip
    again = pickle.loads(pickle.dumps(graph))
    assert torch.equal(again(x)[0], whole)
    assert torch.equal(copy.deepcopy(graph)(x)[0], whole)
    assert repr(graph).startswith("Graph(\n  b takes w + a\n")
    compiled = torch.compile(graph, fullgraph=True, backend="eager")
    assert torch.equal(compiled(x)[0], whole)


def test_a_module_that_stands_in_a_graph_twice_becomes_two_layers() -> None:
    twice = rt.Linear(3, 3)
    graph = rt.Graph([twice, rt.IAF(), twice, ("join", rt.LI(beta=0.9), (0, 2))])
    x = torch.rand(6, 2, 3, generator=torch.Generator().manual_seed(0))
    net = rt.to_network(graph, 3)
    assert len(net.layers) == 4
    assert torch.equal(torch.from_numpy(net.run(x.numpy()).output), graph(x)[0].detach())


def test_a_name_of_a_module_becomes_that_of_its_layer() -> None:
    inner = nn.Sequential(nn.Flatten(), rt.Linear(4, 2))
    module = rt.Sequential(rt.Linear(4, 4), inner)
    assert rt.to_network(module, 4).names == (None, None, None)
    from collections import OrderedDict

    named = rt.Sequential(OrderedDict(head=inner, cells=rt.IAF(), drop=nn.Dropout(), tail=rt.Linear(2, 1)))
    assert rt.to_network(named, 4).names == ("head_0", "head_1", "cells", "tail")
    nested = rt.Graph([("block", rt.Graph([("in", rt.IAF()), rt.Linear(4, 4)])), ("sum", rt.IAF(), ("block", "input"))])
    net = rt.to_network(nested, 4)
    assert (net.names, net.inputs) == (("block_in", "block_1", "sum"), ((-1,), (0,), (1, -1)))


def test_a_sum_into_a_list_or_of_what_leaves_no_layer_is_a_layer_of_its_own() -> None:
    torch.manual_seed(0)
    inner = rt.Sequential(rt.Linear(3, 3), rt.IAF())
    module = rt.Graph([("a", rt.IAF()), ("block", inner, ("a", "input")), ("out", nn.Identity(), ("a", "block"))])
    net = rt.to_network(module, 3)
    assert [type(layer).__name__ for layer in net.layers] == ["IAF", "Add", "Linear", "IAF", "Add"]
    x = values(2, (12, 2, 3), np.float32, wild=False)
    assert same(module(torch.from_numpy(x))[0], net.run(x).output)
    back = rt.Graph([("a", rt.IAF()), ("b", rt.IAF(), "input"), ("out", nn.Identity(), "a")])
    assert same(back(torch.from_numpy(x))[0], rt.to_network(back, 3).run(x).output)


def test_batch_normalisation_is_folded_in_a_graph_where_nobody_else_takes_what_it_takes() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(3)
    entries = [("w", rt.Linear(3, 3)), ("norm", norm), ("cells", rt.IAF(), ("norm", "input"))]
    module = rt.Graph(entries).double()
    x = torch.randn(20, 8, 3, dtype=torch.float64)
    module(x)
    module.eval()
    net = rt.to_network(module, 3)
    assert [type(layer).__name__ for layer in net.layers] == ["Linear", "IAF"]
    np.testing.assert_allclose(net.run(x.numpy()).output, module(x)[0].detach().numpy())
    for shared in (rt.Graph([*entries[:2], ("cells", rt.IAF(), ("norm", "w"))]), rt.Graph([("norm", norm, "input")])):
        with pytest.raises(rsnn.InvalidTypeError, match=r"module norm \(BatchNorm1d\)"):
            rt.to_network(shared, 3)


WRONG: list[tuple[Any, type[Exception], str]] = [
    (lambda: rt.Graph([("a", rt.IAF(), "b")]), rsnn.InvalidValueError, "its input 'b' is none of the layers before it"),
    (lambda: rt.Graph([]), rsnn.InvalidValueError, "an empty list"),
    (lambda: rt.Graph([("a.b", rt.IAF())]), rsnn.InvalidValueError, "the name 'a.b' cannot be that of a torch module"),
    (lambda: rt.Graph([("run", rt.IAF())]), rsnn.InvalidValueError, "the name 'run' cannot"),
    (lambda: rt.Graph([("names", rt.IAF())]), rsnn.InvalidValueError, "the name 'names' cannot"),
    (lambda: rt.Graph([("training", rt.IAF())]), rsnn.InvalidValueError, "the name 'training' cannot"),
    (lambda: rt.Graph([("a", rsnn.IAF())]), rsnn.InvalidTypeError, "module a is IAF.*must be a torch module"),
    (lambda: rt.Graph([rt.Linear(3, 2), ("b", rt.IAF(), (0, "input"))])(torch.zeros(2, 2, 3)), rsnn.InvalidValueError, "different shapes"),
    (lambda: rt.Graph([rt.IAF()])[0:1], rsnn.InvalidTypeError, "a graph has no slices"),
    (lambda: rt.Delay(1.5), rsnn.InvalidValueError, "delay=1.5"),
    (lambda: rt.Delay(1.0)(torch.zeros(3)), rsnn.InvalidValueError, "must have at least 2 axes"),
    (lambda: rt.Delay(1.0)(np.zeros((3, 1))), rsnn.InvalidTypeError, "x is ndarray"),
    (lambda: rt.Delay(1.0)(torch.zeros(3, 1), 5), rsnn.InvalidTypeError, "state=5"),
    (lambda: rt.Delay(1.0)(torch.zeros(3, 1), rt.Delay(2.0)(torch.zeros(3, 1))[1]), rsnn.InvalidValueError, "state.waiting has the shape"),
    (lambda: rt.Lift(rt.Delay(1.0)), rsnn.InvalidTypeError, "its state would be lost"),
    (lambda: rt.Sequential(rt.IAF(), rt.Delay(1.0, batch_first=True)), rsnn.InvalidValueError, "batch_first"),
    (lambda: rt.from_network(rsnn.IAF()), rsnn.InvalidTypeError, "net=IAF\\(\\): must be a rsnn.Network"),
    (lambda: rt.from_network(image_network(), dtype=torch.float16), rsnn.InvalidTypeError, "dtype=torch.float16"),
    (lambda: rt.from_network(image_network(), learn="tau"), rsnn.InvalidValueError, "learn='tau'"),
    (lambda: rt.from_network(rsnn.Network([("a.b", rsnn.IAF())], 1)), rsnn.InvalidValueError, "the name 'a.b' cannot"),
    (lambda: rt.from_network(image_network(), checkpoint=0), rsnn.InvalidValueError, r"layers\[1\] \(IAF 'first'\): checkpoint=0"),
    (lambda: rt.compare_spikes(nn.Linear(2, 2), torch.zeros(1, 1, 2)), rsnn.InvalidTypeError, "must be a rsnn.torch.Sequential"),
    (lambda: rt.compare_spikes(rt.IAF(), torch.zeros(1, 1, 2), 5), rsnn.InvalidTypeError, "network=5"),
    (
        lambda: rt.compare_spikes(rt.IAF(), torch.zeros(1, 1, 2), rsnn.Network([rsnn.LI(beta=0.5)], 2)), rsnn.InvalidValueError,
        "it has 0 layers that spike, the module has 1",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_what_cannot_be_is_refused(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_flipped_spikes_of_torchs_own_layers_are_counted_and_those_of_ours_are_none() -> None:

    torch.manual_seed(0)
    ours = rt.Sequential(rt.Linear(400, 50), rt.IAF(), rt.Linear(50, 20), rt.LIF(beta=0.9))
    theirs = rt.Sequential(nn.Linear(400, 50), rt.IAF(), nn.Linear(50, 20), rt.LIF(beta=0.9))
    theirs.load_state_dict(ours.state_dict())
    x = (torch.rand(60, 16, 400) < 0.2).float()
    agreement = rt.compare_spikes(ours, x)
    assert [one.layer for one in agreement.layers] == ["1 IAF", "3 LIF"]
    assert (agreement.flipped, agreement.output_difference, agreement.entries) == (0, 0.0, 60 * 16 * 70)
    assert all(one.first_step is None for one in agreement.layers)
    assert agreement.layers[0].spikes == int(ours.run(x).spikes[1].sum()) > 0
    # Counted by hand against torch's own products.
    network = rt.to_network(theirs, 400)
    expected = network.run(x.numpy())
    with torch.no_grad():
        found = theirs.run(x)
    flips = {k: int((found.spikes[k].numpy() != expected.spikes[k]).sum()) for k in expected.spikes}
    agreement = rt.compare_spikes(theirs, x)
    assert {1: agreement.layers[0].flipped, 3: agreement.layers[1].flipped} == flips
    assert agreement.flipped <= 1e-3 * agreement.entries
    assert theirs.training


def test_a_network_with_another_threshold_is_told_by_its_flips() -> None:
    torch.manual_seed(0)
    module = rt.Sequential(rt.Sequential(rt.Linear(20, 10), rt.IAF()), rt.Linear(10, 5), rt.IAF()).eval()
    x = torch.rand(30, 4, 20)
    network = rt.to_network(module, 20)
    other = rsnn.Network([network.layers[0], rsnn.IAF(v_threshold=1.5), *network.layers[2:]], 20)
    agreement = rt.compare_spikes(module, x, other)
    a, b = module.run(x).spikes[0][1].detach().numpy(), other.run(x.numpy()).spikes[1]
    assert agreement.layers[0].flipped == np.count_nonzero(a != b) > 0
    assert agreement.layers[0].first_step == int(np.argwhere(a != b)[0, 0])
    assert agreement.flipped == sum(one.flipped for one in agreement.layers)
    assert "flipped" in str(agreement)
    assert not module.training

"""A list of modules over a sequence, with an explicit state."""

import copy
import pickle
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_neurons import data

import rsnn
import rsnn.torch as rt

STEPS, BATCH = 12, 3


@pytest.fixture
def x() -> Tensor:
    return torch.from_numpy(data((STEPS, BATCH, 1, 6, 6)))


def network(**options: Any) -> rt.Sequential:
    torch.manual_seed(0)
    return rt.Sequential(
        rt.Conv2d(1, 4, 3), rt.IAF(**options), rt.SumPool2d(2), nn.Flatten(), nn.Dropout(0.0),
        rt.Linear(16, 5), rt.LIF(beta=0.9, alpha=0.5, **options),
        nn.Linear(5, 2), rt.LI(beta=0.9, **options),
    )  # fmt: skip


def test_it_is_module_after_module(x: Tensor) -> None:
    net = network()
    output, state = net(x)
    conv, iaf, pool, flatten, _, linear, lif, last, li = net
    spikes, first = iaf(conv(x))
    hidden = linear(flatten(pool(spikes).flatten(0, 1)).unflatten(0, (STEPS, BATCH)))
    spikes, second = lif(hidden)
    expected, third = li(last(spikes))
    assert torch.equal(output, expected)
    assert list(state) == [1, 6, 8]
    assert torch.equal(state[1].v, first.v)
    assert torch.equal(state[6].i, second.i)
    assert torch.equal(state[8].v, third.v)


def test_whole_equals_pieces_equals_steps(x: Tensor) -> None:
    net = network()
    whole, end = net(x)
    pieces, state = [], None
    for piece in x.split([5, 1, 6]):
        output, state = net(piece, state)
        pieces.append(output)
    assert state is not None
    assert torch.equal(torch.cat(pieces), whole)
    assert torch.equal(state[6].i, end[6].i)
    steps, state = [], None
    for x_t in x:
        output, state = net.step(x_t, state)
        steps.append(output)
    torch.testing.assert_close(torch.stack(steps), whole)  # torch's own Linear sums a batch and a step in different orders


def test_run_records_by_position(x: Tensor) -> None:
    net = network()
    result = net.run(x, record=("v", "i", "u"))
    assert list(result.spikes) == [1, 6]
    assert {k: list(traces) for k, traces in result.traces.items()} == {1: ["v", "u"], 6: ["v", "i", "u"], 8: ["v", "u"]}
    assert result.spikes[1].shape == (STEPS, BATCH, 4, 4, 4)
    assert torch.equal(result.traces[8]["v"], result.output)
    assert torch.equal(result.output, net(x)[0])
    assert {k: list(traces) for k, traces in net.run(x, record={6: ("i",)}).traces.items()} == {6: ["i"]}
    assert net.run(x, record=()).traces == {}
    assert rt.Sequential(nn.Flatten()).run(x).traces == {}


def test_a_recorded_membrane_carries_gradients_to_the_first_layer(x: Tensor) -> None:
    net = network()
    net.run(x, record={6: "v"}).traces[6]["v"].square().mean().backward()
    assert net[0].weight.grad.abs().sum() > 0
    assert net[7].weight.grad is None


def test_batch_first_is_the_transpose(x: Tensor) -> None:
    output, state = network()(x)
    first = network(batch_first=True)
    assert first.batch_first
    transposed, end = first(x.transpose(0, 1))
    torch.testing.assert_close(transposed.transpose(0, 1), output)
    assert torch.equal(first.step(x[0])[1][1].v, network().step(x[0])[1][1].v)
    assert torch.equal(end[1].v, state[1].v)
    assert rt.Sequential(nn.Flatten(), batch_first=True).batch_first


def test_nested_lists_keep_their_states_together(x: Tensor) -> None:
    torch.manual_seed(0)
    flat = rt.Sequential(nn.Flatten(), rt.Linear(36, 5), rt.LIF(beta=0.9), rt.Linear(5, 2), rt.LI(beta=0.9))
    nested = rt.Sequential(nn.Flatten(), rt.Sequential(flat[1], flat[2]), rt.Sequential(flat[3], flat[4]))
    output, state = nested(x[:7])
    assert torch.equal(output, flat(x[:7])[0])
    assert torch.equal(state[1][1].v, flat(x[:7])[1][2].v)
    assert torch.equal(nested(x[7:], state)[0], flat(x[7:], flat(x[:7])[1])[0])
    result = nested.run(x)
    assert list(result.spikes) == [1]
    assert torch.equal(result.traces[2][1]["v"], result.output)


def test_batch_normalisation_sees_every_step(x: Tensor) -> None:
    net = rt.Sequential(rt.Conv2d(1, 4, 3), nn.BatchNorm2d(4), rt.IAF())
    frames = net[0](x).flatten(0, 1)
    expected = nn.BatchNorm2d(4)(frames).unflatten(0, (STEPS, BATCH))
    assert torch.equal(net(x)[0], rt.IAF()(expected)[0])
    torch.testing.assert_close(net[1].running_mean, 0.1 * frames.mean((0, 2, 3)))


def test_it_is_a_torch_sequential(x: Tensor) -> None:
    net = network()
    assert isinstance(net, nn.Sequential)
    assert len(net) == 9
    assert isinstance(net[6], rt.LIF)
    assert {"0.weight", "0.bias", "6.beta", "8.beta"} <= set(net.state_dict())
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x)[0], net(x)[0])
    named = rt.Sequential(OrderedDict(flat=nn.Flatten(), neuron=rt.IAF()))
    assert isinstance(named.neuron, rt.IAF)
    assert torch.equal(named(x)[0], rt.IAF()(x.flatten(2))[0])


def test_an_empty_sequence_keeps_the_state(x: Tensor) -> None:
    net = network()
    _, state = net(x)
    output, after = net(x[:0], state)
    assert output.shape == (0, BATCH, 2)
    assert all(torch.equal(a, b) for k in state for a, b in zip(state[k], after[k], strict=True))
    assert net(x[:, :0])[0].shape == (STEPS, 0, 2)


def test_recurrent_layers_cells_pooling_and_normalisation_go_inside(x: Tensor) -> None:
    torch.manual_seed(0)
    net = rt.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), rt.IAFCell(), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Flatten(),
        rt.LIFRecurrent(beta=0.9, hidden_size=4), rt.Lift(nn.Linear(4, 3)), rt.Dropout(0.5), rt.LIFRecurrentCell(beta=0.5, hidden_size=3),
    ).eval()  # fmt: skip
    result = net.run(x, record=("v", "s"))
    assert list(result.state) == list(result.spikes) == [2, 6, 9]
    assert {k: list(traces) for k, traces in result.traces.items()} == {2: ["v"], 6: ["v", "s"], 9: ["v", "s"]}
    assert torch.equal(result.traces[6]["s"], result.spikes[6])
    pieces, state = [], None
    for piece in x.split([5, 0, 7]):
        output, state = net(piece, state)
        pieces.append(output)
    torch.testing.assert_close(torch.cat(pieces), result.output)
    result.output.sum().backward()
    assert net[0].weight.grad.abs().sum() > 0
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x)[0], result.output)
    assert net.double()(x.double())[0].dtype == torch.float64


def test_a_slice_is_a_sequential_that_keeps_the_layout(x: Tensor) -> None:
    net = network()
    first, second = net[:5], net[5:]
    assert isinstance(first, rt.Sequential)
    assert torch.equal(second(first(x)[0])[0], net(x)[0])
    assert first[1] is net[1]
    assert network(batch_first=True)[2:5].batch_first
    assert not net[2:5].batch_first


def test_what_is_put_in_later_is_held_to_the_same_layout(x: Tensor) -> None:
    net = rt.Sequential(nn.Flatten(), rt.IAF())
    net.append(rt.LIF(beta=0.9))
    assert list(net(x)[1]) == [1, 2]
    net.append(rt.IAF(batch_first=True))
    with pytest.raises(rsnn.InvalidValueError, match=r"module 3 \(IAF\): batch_first=True: the Sequential it was put into has False"):
        net(x)
    net[3] = nn.GRU(36, 2)
    with pytest.raises(rsnn.InvalidTypeError, match=r"module 3 \(GRU\): GRU returned tuple"):
        net(x)


def test_a_learned_parameter_inside_is_parametrized(x: Tensor) -> None:
    class Half(nn.Module):
        def forward(self, value: Tensor) -> Tensor:
            return value / 2

    net = rt.Sequential(nn.Flatten(), rt.LIF(beta=0.9, learn="beta"), rt.LIFRecurrent(beta=0.9, hidden_size=36))
    torch.nn.utils.parametrize.register_parametrization(net[1], "beta", Half())
    torch.nn.utils.parametrize.register_parametrization(net[2], "weight_recurrent", Half())
    result = net.run(x)
    assert torch.equal(result.spikes[1], rt.LIF(beta=torch.tensor(0.9).div(2).item())(x.flatten(2))[0])
    weight = net[2].parametrizations.weight_recurrent.original / 2
    assert torch.equal(result.output, rt.functional.simulate(rsnn.LIF(beta=0.9), result.spikes[1], recurrent=weight).output)
    result.output.sum().backward()
    assert net[1].parametrizations.beta.original.grad != 0
    assert net[2].parametrizations.weight_recurrent.original.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: network()(x.long()), rsnn.InvalidTypeError, "torch.int64"),
        (lambda x: network()(x[0, 0, 0, 0]), rsnn.InvalidValueError, "at least 2 axes"),
        (lambda x: network()(x, (1, 2)), rsnn.InvalidTypeError, "tuple.*dict of states"),
        (lambda x: network()(x, {1: None}), rsnn.InvalidValueError, "modules 1 came; the neurons are 1, 6, 8"),
        (lambda x: network()(x, network()(x[:, :1])[1]), rsnn.InvalidValueError, r"module 1 \(IAF\): state.v has the shape \(1, 4, 4, 4\)"),
        (lambda x: network()(x[..., :5]), rsnn.InvalidValueError, r"module 5 \(Linear\): x has the shape"),
        (lambda x: network().run(x, record="w"), rsnn.InvalidValueError, "record='w'.*'v', 'u', 'i'"),
        (lambda x: network().run(x, record={0: "v"}), rsnn.InvalidValueError, "0 is not the position of a neuron; these are 1, 6, 8"),
        (lambda x: network().run(x, record={1: "i"}), rsnn.InvalidValueError, r"module 1 \(IAF\).*'i' is not one of 'v', 'u'"),
        (lambda x: rt.Sequential(nn.LSTM(3, 3)), rsnn.InvalidTypeError, "LSTM.*state would be lost"),
        (lambda x: rt.Sequential(nn.Sequential(rt.IAF())), rsnn.InvalidTypeError, "module 0.*state would be lost.*rsnn.torch.Sequential"),
        (lambda x: rt.Sequential(rsnn.IAF()), rsnn.InvalidTypeError, r"module 0 is IAF\(\).*rsnn.torch.LIF"),
        (lambda x: rt.Sequential(rt.IAF(), rt.IAF(batch_first=True)), rsnn.InvalidValueError, "disagree"),
        (lambda x: rt.Sequential(rt.IAF(), batch_first=True), rsnn.InvalidValueError, "batch_first=False"),
        (lambda x: rt.Sequential(nn.Flatten(0), rt.IAF())(x), rsnn.InvalidValueError, r"module 0 \(Flatten\).*keep the first axis"),
    ],
)
def test_what_is_wrong_is_named_with_its_position(x: Tensor, call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(x)

"""The state is a value: gradients flow through it or are cut where the caller says, and nothing else is carried from call to call."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch_neurons import data

import rsnn
import rsnn.torch as rt
from rsnn.state import State

STEPS, BATCH, N, CUT = 24, 3, 5, 10
OPTIONS: dict[str, dict[str, Any]] = {
    "feed-forward": {},
    "recurrent": {"recurrent": True, "recurrent_bias": True, "hidden_size": N},
    "elementwise": {"recurrent": "elementwise", "hidden_size": N},
}


@pytest.fixture
def x() -> Tensor:
    return torch.from_numpy(data((STEPS, BATCH, N), dtype=float)).requires_grad_()


@pytest.fixture(params=list(OPTIONS))
def layer(request: pytest.FixtureRequest) -> rt.Layer:
    torch.manual_seed(0)
    neuron = rsnn.ALIF(beta=0.9, alpha=0.7, tau_adapt=20.0)
    return rt.Layer(neuron, learn=("beta", "alpha"), detach_reset=False, **OPTIONS[request.param]).double()


def detached(state: Any) -> Any:
    """Cut the gradient at a state, of a layer or of a whole network."""
    if isinstance(state, dict):
        return {k: detached(each) for k, each in state.items()}
    return state._replace(**{name: value.detach() for name, value in state._asdict().items()})


def grads(loss: Tensor, x: Tensor, module: torch.nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(loss, [x, *module.parameters()]))


def close(mine: list[Tensor], theirs: list[Tensor]) -> None:
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


# Truncated backpropagation through time ------------------------------------------------------------------------------------------


def test_segments_that_hand_on_their_state_have_the_gradients_of_the_whole(layer: rt.Layer, x: Tensor) -> None:
    whole, end = layer(x)
    first, between = layer(x[:CUT])
    second, after = layer(x[CUT:], between)
    assert torch.equal(torch.cat([first, second]), whole)
    weight = torch.linspace(-1.0, 1.0, whole.numel(), dtype=torch.float64).reshape(whole.shape)
    close(
        grads((torch.cat([first, second]) * weight).sum() + after.v.sum(), x, layer),
        grads((whole * weight).sum() + end.v.sum(), x, layer),
    )


def test_segments_cut_at_their_state_have_the_gradients_of_each_alone(layer: rt.Layer, x: Tensor) -> None:
    first, between = layer(x[:CUT])
    second, _ = layer(x[CUT:], detached(between))
    cut = grads(first.sum() + second.square().sum(), x, layer)
    early = grads(layer(x[:CUT])[0].sum(), x, layer)
    start = detached(layer(x[:CUT])[1])
    late = grads(layer(x[CUT:], start)[0].square().sum(), x, layer)
    close(cut, [a + b for a, b in zip(early, late, strict=True)])
    output, _ = layer(x)
    whole = grads(output[:CUT].sum() + output[CUT:].square().sum(), x, layer)
    assert not torch.allclose(cut[0][:CUT], whole[0][:CUT]), "the cut keeps something from the first segment"
    torch.testing.assert_close(cut[0][CUT:], whole[0][CUT:], rtol=1e-12, atol=1e-12)


def test_a_network_is_cut_by_detaching_its_states(x: Tensor) -> None:
    torch.manual_seed(0)
    net = rt.Sequential(rt.Linear(N, 6), rt.LIFRecurrent(beta=0.9, hidden_size=6), rt.Linear(6, 2), rt.LI(beta=0.8)).double()
    _, between = net(x[:CUT])
    (reached,) = torch.autograd.grad(net(x[CUT:], between)[0].sum(), x)
    assert reached[:CUT].abs().sum() > 0
    (reached,) = torch.autograd.grad(net(x[CUT:], detached(between))[0].sum(), x)
    assert reached[:CUT].count_nonzero() == 0


def test_gradients_flow_to_the_first_state(layer: rt.Layer, x: Tensor) -> None:
    _, state = layer(x.detach())
    leaves = {name: value.detach().requires_grad_() for name, value in state._asdict().items()}
    output, _ = layer(x.detach(), state._replace(**leaves))
    found = torch.autograd.grad(output.square().sum(), list(leaves.values()))
    plain = rt.Layer(layer._plan.neuron, detach_reset=False, backend="torch", **_recurrent(layer)).double()
    plain.load_state_dict(layer.state_dict())
    expected = torch.autograd.grad(plain(x.detach(), state._replace(**leaves))[0].square().sum(), list(leaves.values()))
    assert [name for name, value in zip(leaves, expected, strict=True) if value.abs().sum() > 0] == list(state._fields)
    close(list(found), list(expected))


def _recurrent(layer: rt.Layer) -> dict[str, Any]:
    return {} if layer._recurrence is None else layer._recurrence.arguments()


# Nothing is hidden ---------------------------------------------------------------------------------------------------------------


def test_two_calls_give_the_same(layer: rt.Layer, x: Tensor) -> None:
    def call() -> list[Tensor]:
        result = layer.run(x, record=layer.recordable)
        return [result.output, *result.state, *result.traces.values(), *grads(result.output.sum() + result.state.v.sum(), x, layer)]

    first = call()
    layer(torch.full((7, 9, N), 5.0, dtype=torch.float64))
    layer.step(x[0])
    assert all(torch.equal(a, b) for a, b in zip(call(), first, strict=True))
    assert not hasattr(layer, "reset")


def test_a_batch_has_nothing_of_another(layer: rt.Layer, x: Tensor) -> None:
    output, state = layer(x)
    for k in range(BATCH):
        alone, end = layer(x[:, k : k + 1])
        assert torch.equal(alone[:, 0], output[:, k])
        assert all(torch.equal(a[0], b[k]) for a, b in zip(end, state, strict=True))


def test_a_state_dict_has_values_only(layer: rt.Layer, x: Tensor) -> None:
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer(x)
    assert set(layer.state_dict()) == set(before)
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


# What cannot have a gradient -----------------------------------------------------------------------------------------------------


def test_no_gradient_flows_through_the_time_left_to_rest(x: Tensor) -> None:
    layer = rt.LIF(beta=0.9, refractory=3.0).double()
    _, state = layer(x)
    assert not state.rest.requires_grad
    rest = torch.ones_like(state.rest).requires_grad_()
    output, after = layer(x, state._replace(rest=rest))
    assert not after.rest.requires_grad
    assert torch.autograd.grad(output.sum(), rest, allow_unused=True) == (None,)
    assert not layer.run(x, record="rest").traces["rest"].requires_grad
    with pytest.raises(rsnn.InvalidTypeError, match=r"state.rest is torch.int64: must be float32 or float64"):
        layer(x, state._replace(rest=state.rest.long()))


@pytest.mark.parametrize("name", ["refractory", "max_spikes"])
def test_numbers_of_steps_and_spikes_cannot_be_learned(name: str) -> None:
    neuron = rsnn.LIF(beta=0.9, refractory=2.0, fire="multi", max_spikes=3)
    with pytest.raises(rsnn.InvalidValueError, match=f"learn='{name}': '{name}' is not one of.*only these can be learned"):
        rt.Layer(neuron, learn=name)
    with pytest.raises(rsnn.InvalidValueError, match=f"'{name}' is not one of"):
        rt.functional.simulate(neuron, torch.zeros(3, 1), parameters={name: torch.tensor(2.0, requires_grad=True)})
    assert name not in dict(rt.Layer(neuron, learn=True).named_parameters())


# Another device, another dtype ---------------------------------------------------------------------------------------------------


def both(**options: Any) -> tuple[rt.Sequential, rt.Sequential]:
    made = []
    for backend in ("rust", "torch"):
        torch.manual_seed(0)
        made.append(
            rt.Sequential(
                torch.nn.Linear(N, 6), rt.LIF(beta=0.9, alpha=0.8, learn=True, backend=backend),
                torch.nn.Linear(6, 4), rt.ALIFRecurrent(beta=0.9, hidden_size=4, learn="adapt_scale", backend=backend),
                rt.Dropout(0.5, **options), torch.nn.Linear(4, 2), rt.LI(beta=0.8, backend=backend),
            )
        )  # fmt: skip
    return made[0], made[1]


def test_plain_torch_runs_the_same_modules(x: Tensor) -> None:
    native, plain = (net.double().eval() for net in both())
    plain.load_state_dict(native.state_dict())
    mine, theirs = native.run(x, record=("v", "u", "a", "s")), plain.run(x, record=("v", "u", "a", "s"))
    assert torch.equal(mine.output, theirs.output)
    for k in mine.state:
        assert all(torch.equal(a, b) for a, b in zip(mine.state[k], theirs.state[k], strict=True))
        assert all(torch.equal(mine.traces[k][name], theirs.traces[k][name]) for name in mine.traces[k])
    close(grads(mine.output.square().sum(), x, native), grads(theirs.output.square().sum(), x, plain))


@pytest.mark.parametrize("backend", [None, "torch"])
def test_on_meta_there_are_shapes_and_dtypes(backend: str | None) -> None:
    net = rt.Sequential(
        rt.Linear(N, 6), rt.LIFRecurrent(beta=0.9, hidden_size=6, learn="beta", backend=backend), rt.Dropout(), rt.GLIF3(backend=backend)
    ).to("meta")
    x = torch.zeros(4, 2, N, device="meta")
    result = net.run(x, record=("v", "u"))
    assert result.output.shape == result.traces[1]["u"].shape == (4, 2, 6)
    assert result.output.device.type == result.state[1].s.device.type == "meta"
    assert result.state[1].s.shape == result.state[3].v.shape == (2, 6)
    result.output.sum().backward()
    assert net[1].weight_recurrent.grad.shape == (6, 6)
    assert "LIFRecurrent(beta=0.9, learn=('beta',)" in repr(net)


def test_a_network_comes_back_from_meta_by_loading(x: Tensor) -> None:
    net = rt.Sequential(rt.Linear(N, 6), rt.LIFRecurrent(beta=0.9, hidden_size=6, learn="beta")).double()
    expected = net(x)[0]
    empty = rt.Sequential(rt.Linear(N, 6), rt.LIFRecurrent(beta=0.5, hidden_size=6, learn="beta")).to("meta")
    empty.load_state_dict(net.state_dict(), assign=True)
    assert torch.equal(empty(x)[0], expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_network_in_half_precision_computes_its_neurons_in_float32(dtype: torch.dtype, x: Tensor) -> None:
    net = rt.Sequential(rt.Linear(N, 6), rt.LIFRecurrent(beta=0.9, hidden_size=6, learn="beta"), torch.nn.Linear(6, 2)).to(dtype)
    output, state = net(x.detach().to(dtype))
    assert output.dtype == dtype
    assert state[1].v.dtype == state[1].s.dtype == torch.float32
    output.sum().backward()
    assert all(p.grad is not None and p.grad.dtype == dtype for p in net.parameters())


def test_a_state_is_a_named_tuple_of_tensors(layer: rt.Layer, x: Tensor) -> None:
    _, state = layer(x)
    assert isinstance(state, State)
    assert state.v is state[0]
    assert all(isinstance(value, Tensor) and value.shape == (BATCH, N) for value in state)

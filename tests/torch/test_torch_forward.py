"""The layers run what `rsnn.simulate` runs, to the bit, in every form a module has."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_neurons import NEURONS, data, one_after_other

import rsnn
import rsnn.torch as rt

STEPS, BATCH, N = 70, 3, 5


def same(result: rsnn.Result, reference: rsnn.Result) -> None:
    """Assert that two results are equal, NaN included."""
    np.testing.assert_array_equal(result.output.detach().numpy(), reference.output, strict=True)
    assert result.state._fields == reference.state._fields
    for mine, theirs in zip(result.state, reference.state, strict=True):
        np.testing.assert_array_equal(mine.detach().numpy(), theirs, strict=True)
    assert list(result.traces) == list(reference.traces)
    for name, trace in reference.traces.items():
        np.testing.assert_array_equal(result.traces[name].detach().numpy(), trace, strict=True)


@pytest.mark.parametrize("backend", ["rust", "torch"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NEURONS)
def test_every_neuron_equals_numpy(name: str, dtype: type, backend: str) -> None:
    neuron = NEURONS[name]
    record = (*neuron.kernel().states, "u")
    x = data((STEPS, BATCH, N), dtype=dtype)
    layer = rt.Layer(neuron, backend=backend)
    same(layer.run(torch.from_numpy(x), record=record), rsnn.simulate(neuron, x, record=record))


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("name", ["lif-all", "lif-per-neuron", "lif-refractory", "iaf", "li"])
def test_batch_first_is_the_transpose(name: str, learned: bool) -> None:
    x = torch.from_numpy(data((STEPS, BATCH, N)))
    time_first, batch_first = (rt.Layer(NEURONS[name], learn=learned, batch_first=first) for first in (False, True))
    a = time_first.run(x, record="u")
    b = batch_first.run(x.transpose(0, 1).contiguous(), record="u")
    assert torch.equal(a.output, b.output.transpose(0, 1))
    assert torch.equal(a.u, b.u.transpose(0, 1))
    assert all(torch.equal(p, q) for p, q in zip(a.state, b.state, strict=True))


@pytest.mark.parametrize("backend", ["rust", "torch"])
@pytest.mark.parametrize("name", ["lif-all", "lif-refractory-next", "lif-alpha-residual", "iaf", "li"])
def test_whole_equals_pieces_equals_steps(name: str, backend: str) -> None:
    x = torch.from_numpy(data((STEPS, BATCH, N)))
    layer = rt.Layer(NEURONS[name], backend=backend)
    whole, end = layer(x)
    pieces, state = one_after_other(layer, x.split([1, 31, 0, 38]))
    assert torch.equal(torch.cat(pieces), whole)
    assert all(torch.equal(p, q) for p, q in zip(state, end, strict=True))
    steps, state = one_after_other(layer.step, x)
    assert torch.equal(torch.stack(steps), whole)
    assert all(torch.equal(p, q) for p, q in zip(state, end, strict=True))


def test_step_of_a_batch_first_layer_takes_the_batch_alone() -> None:
    x = torch.from_numpy(data((BATCH, N)))
    assert torch.equal(rt.LIF(beta=0.9, batch_first=True).step(x)[0], rt.LIF(beta=0.9).step(x)[0])


@pytest.mark.parametrize(
    "arrange", [lambda x: x.transpose(1, 2).contiguous().transpose(1, 2), lambda x: x.flip(0).flip(0), lambda x: x[:, :1].expand(-1, 3, -1)]
)
def test_any_strides_are_accepted(arrange: object) -> None:
    x = arrange(torch.from_numpy(data((STEPS, BATCH, N))))  # type: ignore[operator]
    layer = rt.Layer(NEURONS["lif-per-neuron"])
    assert torch.equal(layer(x)[0], layer(x.clone(memory_format=torch.contiguous_format))[0])


@given(st.sampled_from([(), (1,), (3, 1), (1, 4), (2, 3, 4)]), st.sampled_from([0, 1, 33]), st.sampled_from([0, 1, 2]))
def test_parameters_broadcast_against_the_trailing_axes(shape: tuple[int, ...], steps: int, batch: int) -> None:
    rng = np.random.default_rng(1)
    trailing = (2, 3, 4)
    neuron = rsnn.LIF(beta=rng.uniform(0.5, 0.9, shape), v_threshold=rng.uniform(0.5, 0.9, shape[-1:]))
    x = data((steps, batch, *trailing))
    same(rt.Layer(neuron, learn=()).run(torch.from_numpy(x)), rsnn.simulate(neuron, x, record="v"))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_change_a_bit(threads: int) -> None:
    x = torch.from_numpy(data((33, 4, 4099))).requires_grad_()
    layer = rt.LIF(beta=0.9, alpha=0.8, learn=True)

    def outcome() -> list[torch.Tensor]:
        output, state = layer(x)
        return [output, *state, *torch.autograd.grad((output * output.detach().cumsum(0)).sum() + state.v.sum(), [x, *layer.parameters()])]

    before = torch.get_num_threads()
    reference = outcome()
    try:
        torch.set_num_threads(threads)
        assert all(torch.equal(a, b) for a, b in zip(outcome(), reference, strict=True))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("backend", ["rust", "torch"])
def test_nan_and_infinity_are_data(backend: str) -> None:
    x = data((40, 2, 5))
    x[3, 0, 0], x[5, 0, 1], x[7, 0, 2], x[9, 1, 3] = np.nan, np.inf, -np.inf, np.nan
    for name in ("lif-same", "lif-alpha-value-next", "lif-all", "iaf", "lif-refractory"):
        same(rt.Layer(NEURONS[name], backend=backend).run(torch.from_numpy(x)), rsnn.simulate(NEURONS[name], x, record="v"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    x = torch.from_numpy(data((STEPS, BATCH, N))).to(dtype)
    layer = rt.LIF(beta=0.9)
    result, wide = layer.run(x), layer.run(x.float())
    assert result.output.dtype == dtype
    assert result.state.v.dtype == result.v.dtype == torch.float32
    assert torch.equal(result.output.float(), wide.output)
    assert torch.equal(result.v, wide.v)


def test_autocast_around_a_network_computes_neurons_in_float32() -> None:
    net = rt.Sequential(torch.nn.Linear(N, 4), rt.LIF(beta=0.9), rt.Linear(4, 2), rt.LI(beta=0.9))
    x = torch.from_numpy(data((STEPS, BATCH, N)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, state = net(x)
    assert state[1].v.dtype == state[3].v.dtype == torch.float32
    output.sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in net.parameters())


def test_an_empty_axis_gives_an_empty_output_and_zero_gradients() -> None:
    for shape in ((0, 2, N), (4, 0, N), (0, 0, N)):
        layer = rt.Layer(NEURONS["lif-per-neuron"], learn="beta")
        x = torch.zeros(shape, requires_grad=True)
        output, state = layer(x)
        assert output.shape == shape
        assert state.v.shape == shape[1:]
        (output.sum() + state.v.sum()).backward()
        assert x.grad is not None
        assert x.grad.shape == shape
        assert torch.equal(layer.beta.grad, torch.zeros(N))
        output, state = rt.Layer(NEURONS["lif-per-neuron"], backend="torch")(x)
        assert output.shape == shape
        assert state.v.shape == shape[1:]
    assert torch.equal(rt.LIF(beta=0.9, v_leak=0.5)(torch.zeros(0, 2, 3))[1].v, torch.full((2, 3), 0.5))


def test_a_tensor_on_meta_gives_shapes() -> None:
    output, state = rt.LIF(beta=0.9, alpha=0.5).to("meta")(torch.zeros(3, 2, N, device="meta"))
    assert output.device.type == state.i.device.type == "meta"
    assert output.shape == (3, 2, N)
    assert state.v.shape == (2, N)


# The module itself -----------------------------------------------------------------------------------------------------------


def test_what_is_learned_is_a_parameter_and_the_rest_are_buffers() -> None:
    layer = rt.LIF(tau_mem=20.0, v_threshold=0.5, learn=("tau_mem", "v_threshold"))
    assert set(dict(layer.named_parameters())) == {"tau_mem", "v_threshold"}
    assert set(dict(layer.named_buffers())) == {"v_leak", "r", "bias"}
    assert set(layer.state_dict()) == {"tau_mem", "v_threshold", "v_leak", "r", "bias"}
    assert isinstance(layer.tau_mem, torch.nn.Parameter)
    assert set(dict(rt.LIF(beta=0.9, learn=True).named_parameters())) == {"beta", "v_threshold", "v_leak", "r", "bias"}
    assert not list(rt.LIF(beta=0.9, learn=False).parameters())
    assert set(dict(rt.LI(beta=0.9, learn="beta").named_parameters())) == {"beta"}


def test_state_dict_carries_values_that_change_the_terms_of_the_neuron() -> None:
    x = torch.from_numpy(data((STEPS, BATCH, N)))
    source, target = rt.LIF(beta=0.9, v_leak=0.5, bias=0.25), rt.LIF(beta=0.5)
    target.load_state_dict(source.state_dict())
    assert torch.equal(target(x)[0], source(x)[0])
    target.v_leak.fill_(0.0)
    target.bias.fill_(0.0)
    assert torch.equal(target(x)[0], rt.LIF(beta=0.9)(x)[0])


def test_loading_an_invalid_value_is_refused_by_name() -> None:
    layer, bad = rt.LIF(beta=0.9), rt.LIF(beta=0.9).state_dict()
    layer.load_state_dict(bad | {"beta": torch.tensor(float("nan"))})
    with pytest.raises(rsnn.InvalidValueError, match="beta"):
        layer(torch.zeros(3, 1, 1))


@pytest.mark.parametrize("through", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
@pytest.mark.parametrize(
    "make", [lambda: rt.Layer(NEURONS["lif-all"], learn=True), lambda: rt.LIF(beta=0.9, learn="beta"), lambda: rt.IAF()]
)
def test_copies_compute_the_same_and_share_nothing(make: object, through: object) -> None:
    layer = make()  # type: ignore[operator]
    twin = through(layer)  # type: ignore[operator]
    x = torch.from_numpy(data((STEPS, BATCH, N)))
    assert type(twin) is type(layer)
    assert repr(twin) == repr(layer)
    assert torch.equal(twin(x)[0], layer(x)[0])
    with torch.no_grad():
        for value in (*twin.parameters(), *twin.buffers()):
            value.fill_(0.25)
    assert torch.equal(layer(x)[0], make()(x)[0])  # type: ignore[operator]


def test_conversion_keeps_coefficients_exact() -> None:
    neuron = rsnn.LIF(tau_mem=20.1, tau_syn=7.3)
    x = data((STEPS, BATCH, N), dtype=np.float64)
    for convert in (lambda m: m.double(), lambda m: m.float(), lambda m: m.half(), lambda m: m.float().double()):
        layer = convert(rt.Layer(neuron))
        same(layer.run(torch.from_numpy(x)), rsnn.simulate(neuron, x, record="v"))


def test_double_converts_what_is_learned() -> None:
    layer = rt.LIF(beta=0.9, learn="beta").double()
    assert layer.beta.dtype == torch.float64
    assert layer(torch.zeros(3, 1, 2, dtype=torch.float64))[0].dtype == torch.float64


def test_the_neuron_of_a_layer_has_its_present_values_and_bits() -> None:
    layer = rt.Layer(NEURONS["lif-per-neuron"], learn=True)
    with torch.no_grad():
        layer.beta.mul_(0.75)
    assert np.array_equal(layer.neuron.parameters["beta"], layer.beta.detach().double().numpy())
    x = data((STEPS, BATCH, N))
    same(layer.run(torch.from_numpy(x)), rsnn.simulate(layer.neuron, x, record="v"))


def test_repr_says_what_is_not_default() -> None:
    assert repr(rt.LIF(beta=0.9, learn="beta", detach_reset=False)) == "LIF(beta=0.9, learn=('beta',), detach_reset=False)"
    assert repr(rt.IAF()) == "IAF()"
    assert repr(rt.Layer(rsnn.LI(beta=0.5), checkpoint=8)) == "Layer(LI(beta=0.5), checkpoint=8)"


def test_parametrize_takes_a_parameter_over() -> None:
    class Sigmoid(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(x)

    layer = rt.LIF(beta=0.9, learn="beta")
    torch.nn.utils.parametrize.register_parametrization(layer, "beta", Sigmoid())
    x = torch.from_numpy(data((STEPS, BATCH, N)))
    assert torch.equal(layer(x)[0], rt.LIF(beta=torch.sigmoid(torch.tensor(0.9)).item())(x)[0])
    layer(x)[0].sum().backward()
    assert layer.parametrizations.beta.original.grad != 0


def test_nothing_is_kept_between_calls() -> None:
    layer, x = rt.LIF(beta=0.9), torch.from_numpy(data((STEPS, BATCH, N)))
    first = layer(x)
    layer(torch.full((3, 7, N), 5.0))
    again = layer(x)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1].v, again[1].v)


def test_a_call_changes_neither_input_nor_state() -> None:
    layer = rt.Layer(NEURONS["lif-refractory-next"])
    x = torch.from_numpy(data((STEPS, BATCH, N)))
    _, state = layer(x)
    kept = [x.clone(), *(value.clone() for value in state)]
    layer(x, state)
    assert all(torch.equal(a, b) for a, b in zip([x, *state], kept, strict=True))

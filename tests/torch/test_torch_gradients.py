"""Native gradients against torch's autograd through the reference, and against the true gradient of a smooth neuron."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_neurons import NEURONS, data, soft

import rsnn
import rsnn.torch as rt
from rsnn.surrogate import ATan, FastSigmoid
from rsnn.torch import functional

STEPS, BATCH, N = 45, 2, 5
TERMS = STEPS * BATCH * N
"""A scalar's gradient is a sum of so many terms of about unit size, which may cancel."""


def gradients(layer: rt.Layer, dtype: torch.dtype, record: tuple[str, ...], steps: int = STEPS) -> dict[str, Tensor]:
    """The gradients of a random linear function of everything a run returns, by everything that it depends on."""
    neuron, generator = layer.neuron, torch.Generator().manual_seed(1)
    x = torch.from_numpy(data((steps, BATCH, N))).to(dtype).requires_grad_()
    start = neuron.init_state((BATCH, N), "float64", v=0.25)
    state = type(start)(*(torch.from_numpy(value).to(dtype).requires_grad_(name != "rest") for name, value in start._asdict().items()))
    result = layer.run(x, state, record)
    returned = [result.output, *(v for k, v in result.state._asdict().items() if k != "rest"), *result.traces.values()]
    loss = sum(
        ((value * torch.randn(value.shape, generator=generator, dtype=torch.float64).to(dtype)).sum() for value in returned),
        torch.zeros(()),
    )
    leaves = {"x": x, **{f"state.{k}": v for k, v in state._asdict().items() if k != "rest"}, **dict(layer.named_parameters())}
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return {name: torch.zeros_like(leaf) if grad is None else grad for (name, leaf), grad in zip(leaves.items(), found, strict=True)}


def distance(mine: Tensor, reference: Tensor, smallest: float = 0.0) -> float:
    """The largest difference, over the largest entry, which is taken to be at least `smallest`."""
    return float((mine.double() - reference).abs().max() / reference.abs().max().clamp_min(max(smallest, 1e-300)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("detach_reset", [True, False])
@pytest.mark.parametrize("name", NEURONS)
def test_native_gradients_are_those_of_the_reference(name: str, detach_reset: bool, dtype: torch.dtype) -> None:
    neuron = NEURONS[name]
    for surrogate, record in itertools.product((ATan(2.0), FastSigmoid(5.0)), ((), ("v",), ("u", *neuron.kernel().states))):
        native, reference = (
            gradients(
                rt.Layer(neuron, learn=True, surrogate=surrogate, detach_reset=detach_reset, backend=backend).to(dtype), dtype, record
            )
            for backend in ("rust", "torch")
        )
        for leaf, true in reference.items():
            smallest = 0.0 if leaf == "x" or leaf.startswith("state.") or dtype == torch.float64 else TERMS**0.5
            bound = 1e-12 if dtype == torch.float64 else 1e-5
            assert distance(native[leaf], true, smallest) <= bound, (leaf, surrogate, record)
        assert reference["x"].abs().max() > 0


@pytest.mark.parametrize(
    "name", [name for name, neuron in NEURONS.items() if "capped" not in neuron.kernel().spec and "multi" not in neuron.kernel().spec]
)
def test_gradcheck_of_the_smooth_neuron(name: str) -> None:
    smooth = soft(NEURONS[name])
    layer = rt.Layer(smooth, learn=True, surrogate=FastSigmoid(2.0), detach_reset=False).double()
    x = torch.from_numpy(data((7, 1, N), seed=3, dtype=float)).requires_grad_()
    fields = [field for field in smooth.kernel().states if field != "rest"]
    start = [torch.full((1, N), 0.125, dtype=torch.float64, requires_grad=True) for _ in fields]
    names = [parameter for parameter, _ in layer.named_parameters()]

    def outcome(x: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        given = smooth.init_state((1, N), "float64")
        state = type(given)(*(dict(zip(fields, values, strict=False)).get(k, torch.from_numpy(v)) for k, v in given._asdict().items()))
        result = torch.func.functional_call(
            _Run(layer), {f"layer.{k}": v for k, v in zip(names, values[len(fields) :], strict=True)}, (x, state)
        )
        return (result.output, result.u, *(v for k, v in result.state._asdict().items() if k != "rest"))

    assert torch.autograd.gradcheck(outcome, (x, *start, *layer.parameters()))


class _Run(torch.nn.Module):
    def __init__(self, layer: rt.Layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, state: Any) -> rsnn.Result:
        return self.layer.run(x, state, "u")


@pytest.mark.parametrize("name", ["lif-all", "lif-per-neuron", "lif-alpha-multi-residual", "lif-refractory-next", "li"])
def test_how_often_the_state_is_kept_does_not_change_a_bit(name: str) -> None:
    reference = gradients(rt.Layer(NEURONS[name], learn=True), torch.float32, ("v",))
    for every in (1, 2, 7, 44, 45, 46, 1000):
        for leaf, grad in gradients(rt.Layer(NEURONS[name], learn=True, checkpoint=every), torch.float32, ("v",)).items():
            assert torch.equal(grad, reference[leaf]), (every, leaf)


def test_the_gradient_passes_through_the_state_from_piece_to_piece() -> None:
    x = torch.from_numpy(data((STEPS, BATCH, N))).double().requires_grad_()
    layer = rt.Layer(NEURONS["lif-all"], learn=True).double()
    leaves = [x, *layer.parameters()]
    output, state = layer(x)
    whole = torch.autograd.grad((output * x.detach()).sum() + state.v.sum(), leaves)
    pieces, state = [], None
    for piece in x.split(7):
        output, state = layer(piece, state)
        pieces.append(output)
    assert state is not None
    parts = torch.autograd.grad((torch.cat(pieces) * x.detach()).sum() + state.v.sum(), leaves)
    for a, b in zip(parts, whole, strict=True):
        assert distance(a, b) <= 1e-12


def test_truncation_stops_at_a_detached_state() -> None:
    x = torch.from_numpy(data((20, 1, N))).requires_grad_()
    layer = rt.LIF(beta=0.9, learn="beta")
    _, state = layer(x[:10])
    output, _ = layer(x[10:], type(state)(*(value.detach() for value in state)))
    (grad,) = torch.autograd.grad(output.sum(), x)
    assert torch.equal(grad[:10], torch.zeros_like(grad[:10]))
    assert grad[10:].abs().min() > 0


def test_a_learned_resting_value_receives_the_gradient_of_the_state_it_starts() -> None:
    layer = rt.LI(beta=0.5, v_leak=0.25, learn="v_leak").double()
    output, _ = layer(torch.zeros(4, 1, 3, dtype=torch.float64))
    output.sum().backward()
    assert layer.v_leak.grad == pytest.approx(12.0)  # the membrane rests at v_leak: every output moves with it


@pytest.mark.parametrize("name", ["lif-refractory", "lif-refractory-next"])
def test_no_gradient_flows_through_what_counts_steps(name: str) -> None:
    layer = rt.Layer(NEURONS[name])
    result = layer.run(torch.from_numpy(data((STEPS, BATCH, N))).requires_grad_(), record="rest")
    assert result.output.requires_grad
    assert not result.rest.requires_grad
    assert not result.state.rest.requires_grad


def test_a_parameter_beyond_its_range_is_held_at_it_and_can_come_back() -> None:
    x = torch.from_numpy(data((STEPS, BATCH, N)))
    for value, bound in ((1.25, 1.0), (-0.25, 0.0)):
        layer = rt.LIF(beta=0.9, learn="beta")
        parameter = layer.beta
        with torch.no_grad():
            parameter.fill_(value)
        assert layer.beta.item() == bound
        assert torch.equal(layer(x)[0], rt.LIF(beta=bound)(x)[0])
        at_bound = rt.LIF(beta=bound, learn="beta")
        for sign in (1.0, -1.0):
            (true,) = torch.autograd.grad(sign * at_bound.run(x).v.sum(), at_bound.beta)
            (held,) = torch.autograd.grad(sign * layer.run(x).v.sum(), parameter)
            leads_back = (true > 0) == (value > bound)  # descent goes against the gradient
            assert held == (true if leads_back else 0.0)


def test_a_learned_time_constant_has_its_own_derivative() -> None:
    x = torch.from_numpy(data((STEPS, BATCH, N))).double()
    layer = rt.LI(tau_mem=7.0, learn="tau_mem").double()
    layer(x)[0].sum().backward()
    above, below = (rt.LI(tau_mem=7.0 + step)(x)[0].sum() for step in (1e-4, -1e-4))
    assert float(layer.tau_mem.grad) == pytest.approx(float(above - below) / 2e-4, rel=1e-6)


def test_parameters_per_channel_receive_a_gradient_each() -> None:
    neuron = rsnn.LIF(beta=[[0.5], [0.75]], v_threshold=0.5)
    x = torch.from_numpy(data((STEPS, BATCH, 2, 3))).double()
    layer = rt.Layer(neuron, learn=True).double()
    layer.run(x).v.sum().backward()
    assert layer.beta.grad.shape == (2, 1)
    for channel in range(2):
        alone = rt.Layer(rsnn.LIF(beta=float(neuron.parameters["beta"][channel, 0]), v_threshold=0.5), learn="beta").double()
        alone.run(x[:, :, channel]).v.sum().backward()
        assert distance(layer.beta.grad[channel, 0], alone.beta.grad) <= 1e-12


def test_functional_parameters_receive_gradients_like_those_of_a_layer() -> None:
    x = torch.from_numpy(data((STEPS, BATCH, N)))
    layer = rt.LIF(beta=0.9, learn=("beta", "v_threshold"))
    (layer.run(x).v.sum()).backward()
    given = {"beta": torch.tensor(0.9, requires_grad=True), "v_threshold": torch.tensor(1.0, requires_grad=True)}
    result = functional.simulate(rsnn.LIF(beta=0.5), x, parameters=given, record="v")
    result.v.sum().backward()
    assert torch.equal(given["beta"].grad, layer.beta.grad)
    assert torch.equal(given["v_threshold"].grad, layer.v_threshold.grad)


def test_only_what_is_asked_for_is_differentiated() -> None:
    x = torch.from_numpy(data((STEPS, BATCH, N)))
    layer = rt.LIF(beta=0.9, learn="v_threshold")
    layer(x)[0].sum().backward()
    assert layer.v_threshold.grad != 0
    assert layer.beta.grad is None
    assert not layer.beta.requires_grad


@pytest.mark.parametrize("backend", ["rust", "torch"])
def test_a_threshold_held_constant_takes_no_gradient_from_spikes_and_still_the_one_of_the_reset(backend: str) -> None:
    neuron = rsnn.ALIF(beta=0.5, v_threshold=1.0, adapt_scale=2.0, tau_adapt=10.0)
    found = {}
    for detach in ((), "threshold"):
        v, a = (torch.tensor([[value]], dtype=torch.float64, requires_grad=True) for value in (0.0, 0.25))
        state = type(neuron.init_state((1, 1), "float64"))(v, a)
        learned = {"v_threshold": torch.tensor(1.0, dtype=torch.float64, requires_grad=True)}
        x = torch.full((1, 1, 1), 1.75, dtype=torch.float64)  # u = 1.75 meets theta = 1.5
        result = functional.simulate(
            neuron, x, state, parameters=learned, surrogate=FastSigmoid(4.0), detach_reset=True, detach=detach, backend=backend
        )
        leaves = (a, learned["v_threshold"])
        found[detach] = [
            [float(g) for g in torch.autograd.grad(value.sum(), leaves, retain_graph=True)] for value in (result.output, result.state.v)
        ]
    slope = 0.25  # 1 / (1 + 4 (1.75 - 1.5))^2
    assert found[()] == [[-2.0 * slope, -slope], [-2.0, -1.0]]
    assert found["threshold"] == [[0.0, -slope], [-2.0, -1.0]]


@pytest.mark.parametrize("backend", ["rust", "torch"])
def test_spikes_carried_in_can_be_held_constant_alone(backend: str) -> None:
    neuron = rsnn.LIF(beta=0.5, reset_timing="residual")
    found = {}
    for detach_reset, detach in ((False, ()), (False, "carried"), (True, ())):
        v = torch.tensor([[1.25]], dtype=torch.float64, requires_grad=True)
        x = torch.full((1, 1, 1), 1.625, dtype=torch.float64, requires_grad=True)  # r = 1, u = 0.625 + 1.625 - 1 = 1.25, s = 1
        result = functional.simulate(
            neuron,
            x,
            type(neuron.init_state((1, 1), "float64"))(v),
            surrogate=FastSigmoid(4.0),
            detach_reset=detach_reset,
            detach=detach,
            backend=backend,
        )
        assert result.state.v.item() == 1.25  # u - (s - r) theta
        found[detach_reset, detach] = [float(g) for g in torch.autograd.grad(result.state.v.sum(), (x, v))]
    h = 0.25  # the slope at 1.25, of both
    # v = u - (s - r): by x through s, by v through s and r, and r takes 1 off u
    assert found[False, ()] == [1.0 - h, (0.5 - h) * (1.0 - h) + h]
    assert found[False, "carried"] == [1.0 - h, 0.5 * (1.0 - h)]
    assert found[True, ()] == [1.0, 0.5]

"""What torch offers around a module works, and what the native path cannot do is refused in words."""

import os
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, jacrev, vmap
from torch_neurons import NEURONS, data, soft

import rsnn
import rsnn.torch as rt
from rsnn.surrogate import FastSigmoid
from rsnn.torch import _autograd, _ops

STEPS, BATCH, N = 20, 3, 5


@pytest.fixture
def x() -> Tensor:
    return torch.from_numpy(data((STEPS, BATCH, N)))


def network() -> rt.Sequential:
    torch.manual_seed(0)
    return rt.Sequential(
        rt.Linear(N, 8), rt.LIF(beta=0.9, alpha=0.8, learn=("beta", "alpha")), torch.nn.Linear(8, 2), rt.LI(tau_mem=5.0, learn="tau_mem")
    )


# Operators -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recurrent", [None, "full", "elementwise"])
@pytest.mark.parametrize("name", ["lif-all", "lif-per-neuron", "lif-refractory-next", "li"])
def test_the_operators_of_a_neuron_pass_opcheck(name: str, recurrent: str | None) -> None:
    kernel = NEURONS[name].kernel(recurrent=recurrent is not None)
    x = torch.from_numpy(data((1, STEPS, N)))
    values = NEURONS[name].coefficients()
    coefficients = torch.from_numpy(np.stack([np.broadcast_to(values[k], (N,)) for k in kernel.coefficients]))
    state = torch.zeros(len(kernel.states), 1, N)
    weights: tuple[Any, ...] = (None, None, 0)
    if recurrent is not None:
        shape = (N, N) if recurrent == "full" else (N,)
        weights = (torch.from_numpy(data(shape, seed=1)), torch.from_numpy(data((N,), seed=2)), N)
    for every in (0, 7):
        torch.library.opcheck(_ops.scan, (kernel.spec, x, coefficients, state, ["v", "u"], every, *weights))
    checkpoints = _ops.scan(kernel.spec, x, coefficients, state, [], 7, *weights)[3]
    needs = [k for k in kernel.coefficients if k not in ("max_spikes", "refractory")]
    for grad_output, recorded in ((x, torch.stack([x, x])), (None, None)):
        how = (kernel.spec, "atan", [2.0], ["reset"])
        rest = (x, coefficients, checkpoints, 7, grad_output, state, ["v", "u"], recorded, needs, *weights)
        torch.library.opcheck(_ops.scan_backward, (*how, *rest))


def test_the_operators_of_the_products_pass_opcheck() -> None:
    generator = torch.Generator().manual_seed(0)
    frames, weight = torch.randn(3, 2, 5, 7, generator=generator), torch.randn(4, 2, 3, 2, generator=generator)
    for bias in (None, torch.randn(4, generator=generator)):
        torch.library.opcheck(_ops.linear, (torch.randn(6, 3, generator=generator), torch.randn(4, 3, generator=generator), bias))
        torch.library.opcheck(_ops.conv2d, (frames, weight, bias, [2, 1], [1, 0]))
    for average in (True, False):
        torch.library.opcheck(_ops.pool2d, (frames, [2, 3], average))
    torch.library.opcheck(_ops.exp, (torch.randn(5, generator=generator, dtype=torch.float64),))


def test_exp_has_the_bits_of_numpy() -> None:
    x = np.linspace(-30.0, 0.0, 4001)
    assert np.array_equal(_ops.exp(torch.from_numpy(x)).numpy(), np.exp(x))
    assert np.array_equal(_autograd.exp(torch.from_numpy(x)).numpy(), np.exp(x))


# Compilation -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["rust", "torch"])
def test_a_layer_compiles_whole(x: Tensor, backend: str) -> None:
    layer = rt.Layer(rsnn.LIF(tau_mem=9.0, tau_syn=4.0, v_leak=0.25, v_min=-0.5), learn=True, backend=backend)
    x = x[:2].requires_grad_()  # the torch backend unrolls over time

    def run(x: Tensor) -> tuple[Tensor, ...]:
        output, state = layer(x)
        output, state = layer(output, state)
        result = layer.run(output, state, ("u", "v"))
        return result.output, *result.state, result.u, result.v

    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    outcomes = []
    for form in (run, compiled):
        returned = form(x)
        outcomes.append((*returned, *torch.autograd.grad(sum((v.sum() for v in returned), torch.zeros(())), [x, *layer.parameters()])))
    for mine, eager in zip(*outcomes, strict=True):
        torch.testing.assert_close(mine, eager, rtol=0, atol=0 if backend == "rust" else 1e-5)


def test_a_network_compiles_whole(x: Tensor) -> None:
    net = network()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    output, state = compiled(x)
    expected, end = net(x)
    assert torch.equal(output, expected)
    assert torch.equal(state[1].i, end[1].i)
    mine = torch.autograd.grad(output.square().sum(), list(net.parameters()))
    theirs = torch.autograd.grad(expected.square().sum(), list(net.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


# Functions of modules -----------------------------------------------------------------------------------------------------------


def test_func_grad_equals_backward(x: Tensor) -> None:
    net = network()

    def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        output: Tensor = functional_call(net, parameters, (x,))[0]
        return output.square().mean()

    parameters = {name: value.detach() for name, value in net.named_parameters()}
    found = grad(loss)(parameters, x)
    loss(dict(net.named_parameters()), x).backward()
    for name, value in net.named_parameters():
        assert torch.equal(found[name], value.grad), name


def test_per_sample_gradients_are_those_of_each_sample_alone(x: Tensor) -> None:
    net = network()

    def loss(parameters: dict[str, Tensor], sample: Tensor) -> Tensor:
        output: Tensor = functional_call(net, parameters, (sample.unsqueeze(1),))[0]
        return output.square().mean()

    parameters = {name: value.detach() for name, value in net.named_parameters()}
    each = vmap(grad(loss), in_dims=(None, 1))(parameters, x)
    for k in range(BATCH):
        alone = grad(loss)(parameters, x[:, k])
        for name, value in alone.items():
            torch.testing.assert_close(each[name][k], value, rtol=1e-5, atol=1e-6)


def test_the_gradient_of_a_vmap_reaches_shared_parameters(x: Tensor) -> None:
    layer = rt.LIF(beta=0.9, learn="beta")

    def loss(beta: Tensor) -> Tensor:
        return vmap(lambda sample: functional_call(layer, {"beta": beta}, (sample.unsqueeze(1),))[0].sum(), in_dims=1)(x).sum()

    (expected,) = torch.autograd.grad(layer(x)[0].sum(), layer.beta)
    torch.testing.assert_close(grad(loss)(layer.beta.detach()), expected, rtol=1e-5, atol=0)


def test_vmap_over_a_parameter_is_a_sweep(x: Tensor) -> None:
    layer = rt.LIF(beta=0.9, learn="beta")
    betas = torch.tensor([0.25, 0.5, 0.9])
    swept = vmap(lambda beta: functional_call(layer, {"beta": beta}, (x,))[0])(betas)
    for beta, output in zip(betas, swept, strict=True):
        assert torch.equal(output, rt.LIF(beta=beta.item())(x)[0])


def test_a_tensor_in_the_place_of_a_buffer_is_used_and_differentiated(x: Tensor) -> None:
    fixed, learned = rt.LIF(beta=0.5), rt.LIF(beta=0.9, learn="beta")
    found = grad(lambda beta: functional_call(fixed, {"beta": beta}, (x,))[0].sum())(torch.tensor(0.9))
    (expected,) = torch.autograd.grad(learned(x)[0].sum(), learned.beta)
    assert torch.equal(found, expected)


def test_jacrev_gives_the_causal_jacobian(x: Tensor) -> None:
    layer = rt.LIF(beta=0.9)
    jacobian = jacrev(lambda x: layer(x)[0])(x[:6, :1, :1]).reshape(6, 6)
    assert torch.equal(jacobian, jacobian.tril())
    assert jacobian.diagonal().min() > 0


def test_torch_checkpoint_gives_the_same_gradients(x: Tensor) -> None:
    net = network()
    direct = torch.autograd.grad(net(x)[0].square().sum(), list(net.parameters()))
    through = torch.utils.checkpoint.checkpoint(lambda x: net(x)[0], x.clone().requires_grad_(), use_reentrant=False)
    assert all(torch.equal(a, b) for a, b in zip(torch.autograd.grad(through.square().sum(), list(net.parameters())), direct, strict=True))


def test_gradients_accumulate(x: Tensor) -> None:
    layer = rt.LIF(beta=0.9, learn="beta")
    layer(x)[0].sum().backward()
    once = layer.beta.grad.clone()
    layer(x)[0].sum().backward()
    assert torch.equal(layer.beta.grad, 2 * once)


def test_no_grad_and_inference_mode_keep_nothing_and_change_nothing(x: Tensor) -> None:
    net = network()
    expected = net(x)[0]
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            output, state = net(x)
        assert torch.equal(output, expected)
        assert not output.requires_grad
        assert not state[1].v.requires_grad


class _Items(torch.utils.data.Dataset[Tensor]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, k: int) -> Tensor:
        with torch.no_grad():
            output: Tensor = rt.LIF(beta=0.9, learn="beta")(torch.from_numpy(data((200, 4, 300), seed=k)))[0]
        return output


def test_layers_run_in_dataloader_workers() -> None:
    here = torch.stack([_Items()[k] for k in range(4)])  # uses the pool of threads before the workers are forked
    loader = torch.utils.data.DataLoader(_Items(), batch_size=2, num_workers=2, multiprocessing_context="fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # python and torch warn of fork as such, whatever runs in the child
        there = torch.cat(list(loader))
    assert torch.equal(here, there)


def test_python_threads_get_the_same_results() -> None:
    net, x = network(), torch.from_numpy(data((200, 16, N)))
    expected = torch.autograd.grad(net(x)[0].square().sum(), list(net.parameters()))
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(lambda: torch.autograd.grad(net(x)[0].square().sum(), list(net.parameters()))) for _ in range(8)]
    for job in jobs:
        assert all(torch.equal(a, b) for a, b in zip(job.result(), expected, strict=True))


def test_ctrl_c_stops_training_and_leaves_the_layer_as_it_was() -> None:
    layer = rt.LIF(tau_mem=9.0, tau_syn=4.0, fire="multi", max_spikes=3, refractory=2.0, learn=True)
    x = torch.full((500, 1, 8192), 0.5)
    before = layer(x[:50])[0]
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    start = time.perf_counter()

    def train() -> None:
        while time.perf_counter() - start < 10:
            torch.autograd.grad(layer(x)[0].sum(), list(layer.parameters()))

    with pytest.raises(KeyboardInterrupt):
        train()
    assert time.perf_counter() - start < 2.0
    assert torch.equal(layer(x[:50])[0], before)


def test_a_trained_network_is_exported(x: Tensor) -> None:
    net = rt.Sequential(rt.Linear(N, 4), rt.LIF(beta=0.9, learn="beta"), rt.Linear(4, 2), rt.LI(beta=0.9)).eval()
    exported = torch.export.export(net, (x,)).module()
    assert torch.equal(exported(x)[0], net(x)[0])


# What there is not ----------------------------------------------------------------------------------------------------------


def test_double_backward_is_refused_in_words(x: Tensor) -> None:
    layer = rt.LIF(beta=0.9, learn="beta")
    x.requires_grad_()
    (first,) = torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)
    with pytest.raises(rt.DifferentiationError, match=r'double backward.*backend="torch"'):
        first.sum().backward()
    with pytest.raises(rt.DifferentiationError, match="double backward"):
        grad(lambda x: grad(lambda x: layer(x)[0].sum())(x).sum())(x.detach())


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
def test_forward_mode_is_refused_in_words(x: Tensor) -> None:
    layer = rt.LIF(beta=0.9, learn="beta")
    with pytest.raises(rt.DifferentiationError, match=r'forward-mode.*backend="torch"'):
        torch.func.jvp(lambda x: layer(x)[0], (x,), (x,))
    with torch.autograd.forward_ad.dual_level(), pytest.raises(rt.DifferentiationError, match="forward-mode"):
        layer(torch.autograd.forward_ad.make_dual(x, x))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
@pytest.mark.parametrize("name", ["lif-same", "lif-value-same", "lif-all", "lif-refractory-next"])
def test_the_torch_backend_differentiates_twice_and_forwards(name: str) -> None:
    layer = rt.Layer(soft(NEURONS[name]), learn=True, surrogate=FastSigmoid(2.0), detach_reset=False, backend="torch").double()
    x = torch.from_numpy(data((4, 1, N), dtype=float)).requires_grad_()
    names = list(dict(layer.named_parameters()))

    def run(x: Tensor, *values: Tensor) -> Any:
        return functional_call(layer, dict(zip(names, values, strict=True)), (x,))[0]

    assert torch.autograd.gradcheck(run, (x, *layer.parameters()), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(run, (x, *layer.parameters()))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
def test_the_torch_backend_has_the_surrogate_forwards_too(x: Tensor) -> None:
    layer = rt.Layer(NEURONS["lif-value-same"], detach_reset=False, backend="torch")
    tangent = torch.from_numpy(data((STEPS, BATCH, N), seed=9))
    _, forwards = torch.func.jvp(lambda x: layer(x)[0].sum(), (x,), (tangent,))
    backwards = (grad(lambda x: layer(x)[0].sum())(x) * tangent).sum()
    torch.testing.assert_close(forwards, backwards, rtol=1e-4, atol=1e-4)

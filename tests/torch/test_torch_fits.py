"""What torch offers around a module works, and what the native path cannot do is refused in words."""

import io
import os
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, jacrev, vmap
from torch_neurons import data

import rsnn
import rsnn.torch as rt

STEPS, BATCH, N = 20, 3, 5


@pytest.fixture
def x() -> Tensor:
    return torch.from_numpy(data((STEPS, BATCH, N)))


def network(recurrent: bool = False) -> rt.Sequential:
    torch.manual_seed(0)
    hidden = {"recurrent": True, "recurrent_bias": True, "hidden_size": 8} if recurrent else {}
    return rt.Sequential(
        rt.Linear(N, 8),
        rt.LIF(beta=0.9, alpha=0.8, learn=("beta", "alpha"), **hidden),
        torch.nn.Linear(8, 2),
        rt.LI(tau_mem=5.0, learn="tau_mem"),
    )


@pytest.fixture(params=[False, True], ids=["feed-forward", "recurrent"])
def net(request: pytest.FixtureRequest) -> rt.Sequential:
    return network(request.param)


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


def test_a_network_compiles_whole(net: rt.Sequential, x: Tensor) -> None:
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    output, state = compiled(x)
    expected, end = net(x)
    assert torch.equal(output, expected)
    assert torch.equal(state[1].i, end[1].i)
    mine = torch.autograd.grad(output.square().sum(), list(net.parameters()))
    theirs = torch.autograd.grad(expected.square().sum(), list(net.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


# Functions of modules -----------------------------------------------------------------------------------------------------------


def test_func_grad_equals_backward(net: rt.Sequential, x: Tensor) -> None:

    def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        output: Tensor = functional_call(net, parameters, (x,))[0]
        return output.square().mean()

    parameters = {name: value.detach() for name, value in net.named_parameters()}
    found = grad(loss)(parameters, x)
    loss(dict(net.named_parameters()), x).backward()
    for name, value in net.named_parameters():
        assert torch.equal(found[name], value.grad), name


def test_per_sample_gradients_are_those_of_each_sample_alone(net: rt.Sequential, x: Tensor) -> None:

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


def test_torch_checkpoint_gives_the_same_gradients(net: rt.Sequential, x: Tensor) -> None:
    direct = torch.autograd.grad(net(x)[0].square().sum(), list(net.parameters()))
    through = torch.utils.checkpoint.checkpoint(lambda x: net(x)[0], x.clone().requires_grad_(), use_reentrant=False)
    assert all(torch.equal(a, b) for a, b in zip(torch.autograd.grad(through.square().sum(), list(net.parameters())), direct, strict=True))


def test_gradients_accumulate(x: Tensor) -> None:
    layer = rt.LIF(beta=0.9, learn="beta")
    layer(x)[0].sum().backward()
    once = layer.beta.grad.clone()
    layer(x)[0].sum().backward()
    assert torch.equal(layer.beta.grad, 2 * once)


def test_no_grad_and_inference_mode_keep_nothing_and_change_nothing(net: rt.Sequential, x: Tensor) -> None:
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
            net = rt.Sequential(rt.LIF(beta=0.9, learn="beta"), network(recurrent=True))
            output: Tensor = net(torch.from_numpy(data((200, 40, N), seed=k)))[0]
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


def train(net: rt.Sequential, x: Tensor) -> rt.Sequential:
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(3):
        optimiser.zero_grad()
        net(x)[0].square().mean().backward()
        optimiser.step()
    return net.eval()


def test_a_trained_network_is_exported_saved_and_loaded(net: rt.Sequential, x: Tensor) -> None:
    train(net, x)
    output, state = net(x)
    program = torch.export.export(net, (x,))
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    for exported in (program.module(), torch.export.load(file).module()):
        same, end = exported(x)
        assert torch.equal(same, output)
        assert all(torch.equal(a, b) for k in state for a, b in zip(state[k], end[k], strict=True))


def test_an_exported_network_goes_on_from_a_state(net: rt.Sequential, x: Tensor) -> None:
    train(net, x)
    _, state = net(x)
    state = {k: type(each)(*(value.detach() for value in each)) for k, each in state.items()}
    exported = torch.export.export(net, (x, state)).module()
    assert torch.equal(exported(x, state)[0], net(x, state)[0])


def test_an_exported_network_takes_other_lengths_and_batches(net: rt.Sequential, x: Tensor) -> None:
    train(net, x)
    sizes = {0: torch.export.Dim("steps", min=2), 1: torch.export.Dim("batch", min=2)}
    with torch.no_grad():  # nothing is kept for backward, whose blocks would fix the number of steps
        exported = torch.export.export(net, (x,), dynamic_shapes=(sizes,)).module()
    for other in (x, torch.from_numpy(data((33, 7, N)))):
        assert torch.equal(exported(other)[0], net(other)[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_computes_neurons_in_float32(net: rt.Sequential, x: Tensor, dtype: torch.dtype) -> None:
    with torch.autocast("cpu", dtype=dtype):
        result = net.run(x, record="v")
        result.output.sum().backward()
    assert result.spikes[1].dtype == torch.float32
    assert result.state[1].v.dtype == result.state[3].v.dtype == torch.float32
    assert all(p.grad is not None and p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in net.parameters())
    assert torch.equal(result.spikes[1], net.run(x).spikes[1]), "what comes before the first neuron is rsnn's product, in float32"


def test_accumulated_gradients_are_those_of_the_whole_batch(net: rt.Sequential) -> None:
    net.double()
    x = torch.from_numpy(data((STEPS, 6, N))).double()
    whole = torch.autograd.grad(net(x)[0].square().sum(), list(net.parameters()))
    for piece in x.split(2, dim=1):
        net(piece)[0].square().sum().backward()
    for parameter, expected in zip(net.parameters(), whole, strict=True):
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-10, atol=1e-12)

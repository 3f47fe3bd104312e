"""What follows the events in training: gradients are torch's, of x only its events are kept, and everything around a module works."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vmap
from torch.utils.checkpoint import checkpoint

import rsnn.torch as rt
from rsnn.torch import _product_ops as ops

FLOATS = [torch.float32, torch.float64]
KINDS = ["spikes", "graded", "none", "dense"]


def sparse(*shape: int, kind: str = "spikes", density: float = 0.05, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    if kind == "dense":
        return values.to(dtype)
    events = torch.rand(shape, generator=generator) < (0 if kind == "none" else density)
    return torch.where(events, torch.ones_like(values) if kind == "spikes" else values, 0.0).to(dtype)


def pairs(kind: str) -> dict[str, tuple[nn.Module, nn.Module, Tensor]]:
    """Ours, torch's, and an input that fires rarely."""
    made: dict[str, tuple[nn.Module, nn.Module, Tensor]] = {
        "linear": (rt.Linear(70, 9), nn.Linear(70, 9), sparse(6, 3, 70, kind=kind)),
        "linear without bias": (rt.Linear(130, 33, bias=False), nn.Linear(130, 33, bias=False), sparse(40, 130, kind=kind)),
        "conv2d": (rt.Conv2d(3, 5, 3, padding=1), nn.Conv2d(3, 5, 3, padding=1), sparse(6, 3, 8, 9, kind=kind)),
        "conv2d strided": (
            rt.Conv2d(2, 17, (3, 2), stride=(2, 3), padding=(1, 0), bias=False),
            nn.Conv2d(2, 17, (3, 2), stride=(2, 3), padding=(1, 0), bias=False),
            sparse(4, 2, 11, 10, kind=kind),
        ),
        "conv1d": (rt.Conv1d(3, 4, 5, stride=2, padding=2), nn.Conv1d(3, 4, 5, stride=2, padding=2), sparse(6, 3, 40, kind=kind)),
    }
    return made


NAMES = list(pairs("spikes"))


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def outcome(module: nn.Module, x: Tensor, *, create_graph: bool = False) -> list[Tensor]:
    """The output, and the gradients of x and the parameters."""
    leaf = x.clone().requires_grad_()
    output = module(leaf)
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).reshape(output.shape)
    gradients = torch.autograd.grad((output * weights).sum(), [leaf, *module.parameters()], create_graph=create_graph)
    return [output, *gradients]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_are_those_of_torch(name: str, kind: str) -> None:
    ours, theirs, x = (each.double() for each in pairs(kind)[name])
    theirs.load_state_dict(ours.state_dict())
    for mine, other in zip(outcome(ours, x), outcome(theirs, x), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", FLOATS)
@given(st.sampled_from(NAMES), st.sampled_from(KINDS))
def test_neither_threads_nor_the_path_change_a_bit(dtype: torch.dtype, name: str, kind: str) -> None:
    ours, _, x = (each.to(dtype) for each in pairs(kind)[name])
    torch.set_num_threads(1)
    alone = outcome(ours, x)
    with torch.no_grad():
        assert torch.equal(ours(x), alone[0])
    torch.set_num_threads(3)
    many = outcome(ours, x)
    assert torch.equal(alone[0], many[0])
    if kind != "dense":  # there the gradients are torch's
        assert torch.equal(alone[2], many[2])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("module", [rt.Linear(40, 2), rt.Conv2d(1, 2, 2, padding=1), rt.Conv1d(2, 2, 3)], ids=repr)
def test_gradients_of_gradients(module: nn.Module, kind: str) -> None:
    module = module.double()
    shape = (2, 40) if isinstance(module, rt.Linear) else (1, 1, 4, 6) if isinstance(module, rt.Conv2d) else (1, 2, 12)
    x = sparse(*shape, kind=kind, density=0.06)

    def second(model: Callable[[Tensor], Tensor]) -> list[Tensor]:
        found = outcome(model, x, create_graph=True)  # type: ignore[arg-type]
        total = sum((each.pow(2).sum() for each in found[1:]), torch.zeros((), dtype=torch.float64))
        return list(torch.autograd.grad(total, [model.weight]))  # type: ignore[attr-defined]

    twin = {rt.Linear: nn.Linear, rt.Conv2d: nn.Conv2d, rt.Conv1d: nn.Conv1d}[type(module)]
    theirs = twin.__new__(twin)
    theirs.__dict__ = module.__dict__
    for mine, other in zip(second(module), second(theirs), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_gradcheck_twice_through_an_input_that_is_itself_computed(kind: str) -> None:
    weight = torch.randn(3, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    x = sparse(2, 30, kind=kind)
    scale = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)

    def run(scale: Tensor, weight: Tensor) -> Tensor:
        return rt.functional.linear(x * scale, weight)

    assert torch.autograd.gradcheck(run, (scale, weight))
    assert torch.autograd.gradgradcheck(run, (scale, weight))


# What is kept -------------------------------------------------------------------------------------------------------------------


def kept(module: nn.Module, x: Tensor) -> int:
    """Bytes saved for backward beyond the parameters."""
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if all(storage.data_ptr() != p.untyped_storage().data_ptr() for p in module.parameters()):
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(x)
    return sum(seen.values())


def test_of_spikes_one_bit_is_kept_and_of_graded_events_their_values_too() -> None:
    linear = rt.Linear(640, 10)
    spikes = sparse(50, 8, 640, dtype=torch.float32, density=0.02).requires_grad_()
    assert kept(linear, spikes) <= spikes.numel() / 8 + 64
    graded = (spikes.detach() * 0.5).requires_grad_()
    assert kept(linear, graded) <= graded.numel() / 8 + 4 * int(graded.count_nonzero()) + 64
    dense = torch.rand(50, 8, 640).requires_grad_()
    assert kept(linear, dense) == 4 * dense.numel()
    conv = rt.Conv2d(2, 4, 3)
    frames = sparse(10, 2, 32, 32, dtype=torch.float32, density=0.02).requires_grad_()
    assert kept(conv, frames) <= frames.numel() / 8 + 64


@pytest.mark.parametrize(
    ("ours", "theirs", "x"),
    [
        (rt.Linear(640, 16), nn.Linear(640, 16), sparse(50, 640, density=0.4)),
        (rt.Conv2d(64, 64, 3), nn.Conv2d(64, 64, 3), sparse(2, 64, 8, 8, density=0.2)),
        (rt.Conv2d(64, 64, 3), nn.Conv2d(64, 64, 3), sparse(2, 64, 8, 8, density=0.2, kind="graded")),
    ],
    ids=["linear", "conv2d", "conv2d graded"],
)
def test_gradients_are_right_where_a_bit_is_kept_of_more_events_than_the_gradient_follows(
    ours: nn.Module, theirs: nn.Module, x: Tensor
) -> None:
    ours, theirs = ours.double(), theirs.double()
    theirs.load_state_dict(ours.state_dict())
    assert kept(ours, x.clone().requires_grad_()) < 8 * x.numel() / 2  # the forward has followed events
    for mine, other in zip(outcome(ours, x), outcome(theirs, x), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


def test_x_may_change_or_die_after_the_forward() -> None:
    linear, x = rt.Linear(70, 4), sparse(20, 70, dtype=torch.float32)
    expected = outcome(linear, x)[2]
    output = linear(x)
    x.zero_()
    weights = torch.linspace(-1, 1, output.numel()).reshape(output.shape)
    assert torch.equal(torch.autograd.grad((output * weights).sum(), linear.weight)[0], expected)


# What torch offers around a module ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_compiled_whole_it_gives_the_same(name: str, kind: str) -> None:
    ours, _, x = pairs(kind)[name]
    x = x.float()
    compiled: Any = torch.compile(ours, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x), ours(x))
    leaf = x.clone().requires_grad_()
    mine = torch.autograd.grad(compiled(leaf).square().sum(), [leaf, *ours.parameters()])
    theirs = torch.autograd.grad(ours(leaf).square().sum(), [leaf, *ours.parameters()])
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_per_sample_gradients_and_jacobians(name: str, kind: str) -> None:
    ours, theirs, x = (each.double() for each in pairs(kind)[name])
    x = x[:3]
    theirs.load_state_dict(ours.state_dict())
    parameters = {key: value.detach() for key, value in ours.named_parameters()}
    found = []
    for module in (ours, theirs):

        def loss(parameters: dict[str, Tensor], x: Tensor, module: nn.Module = module) -> Tensor:
            output: Tensor = functional_call(module, parameters, (x,))
            return output.square().sum()

        samples = x if isinstance(module, (rt.Linear, nn.Linear)) else x.unsqueeze(1)
        each = vmap(grad(loss), in_dims=(None, 0))(parameters, samples)
        whole = grad(loss)(parameters, x)
        jacobian = jacrev(lambda x, module=module: module(x).sum(-1))(samples[0])
        found.append([*each.values(), *whole.values(), jacobian])
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_recomputed_in_backward_it_gives_the_same_gradients(name: str) -> None:
    ours, _, x = pairs("spikes")[name]
    x = x.float().requires_grad_()
    expected = torch.autograd.grad(ours(x).square().sum(), list(ours.parameters()))
    found = torch.autograd.grad(checkpoint(ours, x, use_reentrant=False).square().sum(), list(ours.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_under_autocast_half_spikes_meet_the_weight() -> None:
    ours, _, x = pairs("spikes")["linear"]
    with torch.autocast("cpu", torch.bfloat16):
        output = ours(x.bfloat16())
    assert output.dtype == torch.float32
    assert torch.equal(output, ours(x.float()))


def test_frozen_weights_and_frozen_inputs() -> None:
    ours, x = rt.Linear(70, 4), sparse(20, 70, dtype=torch.float32)
    expected = outcome(ours, x)
    ours.weight.requires_grad_(False)
    leaf = x.clone().requires_grad_()
    output = ours(leaf)
    weights = torch.linspace(-1, 1, output.numel()).reshape(output.shape)
    of_x, of_bias = torch.autograd.grad((output * weights).sum(), [leaf, ours.bias])
    assert torch.equal(of_x, expected[1])
    torch.testing.assert_close(of_bias, expected[3])


def test_every_form_of_the_operator_is_taken() -> None:
    weight = torch.ones(2, 70)
    forms = {}
    for kind in ("spikes", "graded", "dense"):
        _, words, values = ops.linear_kept(sparse(20, 70, kind=kind, dtype=torch.float32), weight, None)
        forms[kind] = bool(words.numel()), bool(values.numel())
    assert forms == {"spikes": (True, False), "graded": (True, True), "dense": (False, False)}

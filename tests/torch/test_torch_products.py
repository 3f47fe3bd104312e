"""Linear, Conv2d and pooling: torch's modules with the bits of rsnn's numpy layers."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import rsnn
import rsnn.torch as rt

FLOATS = [torch.float32, torch.float64]


def values(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@given(st.tuples(*[st.sampled_from([0, 1, 2, 5, 17])] * 2), st.sampled_from([1, 3, 33]), st.sampled_from([1, 2, 17]), st.booleans())
def test_linear_has_the_bits_of_the_numpy_layer(dtype: torch.dtype, lead: tuple[int, int], inputs: int, outputs: int, bias: bool) -> None:
    layer = rt.Linear(inputs, outputs, bias=bias, dtype=dtype)
    twin = rsnn.Linear(layer.weight.detach().numpy(), layer.bias.detach().numpy() if bias else None)
    x = values(*lead, inputs, dtype=dtype)
    expected = twin.run(x.reshape(lead[0] * lead[1], inputs).numpy())
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected.reshape(*lead, outputs), strict=True)


@pytest.mark.parametrize("dtype", FLOATS)
@given(
    lead=st.sampled_from([(), (1,), (2, 3), (0, 2)]),
    size=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    kernel=st.sampled_from([1, 3, (2, 3)]),
    stride=st.sampled_from([1, 2, (2, 1)]),
    padding=st.sampled_from([0, 1, (1, 0), "valid"]),
    channels=st.tuples(st.sampled_from([1, 3]), st.sampled_from([1, 5])),
)
def test_conv2d_has_the_bits_of_the_numpy_layer(
    dtype: torch.dtype, lead: tuple[int, ...], size: tuple[int, int], kernel: Any, stride: Any, padding: Any, channels: tuple[int, int]
) -> None:
    layer = rt.Conv2d(*channels, kernel, stride=stride, padding=padding, dtype=dtype)
    plain = 0 if padding == "valid" else padding
    twin = rsnn.Conv2d(layer.weight.detach().numpy(), layer.bias.detach().numpy(), stride=stride, padding=plain)
    x = values(*lead, channels[0], *size, dtype=dtype)
    expected = twin.run(x.reshape(int(np.prod(lead)), *x.shape[len(lead) :]).numpy())
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected.reshape(*lead, *expected.shape[1:]), strict=True)


@pytest.mark.parametrize("kind", ["SumPool2d", "AvgPool2d"])
@pytest.mark.parametrize("kernel", [1, 2, (3, 2)])
def test_pooling_has_the_bits_of_the_numpy_layer(kind: str, kernel: Any) -> None:
    x = values(4, 2, 3, 7, 9)
    expected = getattr(rsnn, kind)(kernel).run(x.reshape(8, 3, 7, 9).numpy())
    output = getattr(rt, kind)(kernel)(x)
    np.testing.assert_array_equal(output.numpy(), expected.reshape(4, 2, *expected.shape[1:]), strict=True)


def pairs() -> dict[str, tuple[nn.Module, nn.Module, Tensor]]:
    """Ours, torch's, and an input."""
    made: dict[str, tuple[nn.Module, nn.Module, Tensor]] = {
        "linear": (rt.Linear(7, 5), nn.Linear(7, 5), values(6, 7)),
        "linear without bias": (rt.Linear(7, 5, bias=False), nn.Linear(7, 5, bias=False), values(6, 7)),
        "conv": (rt.Conv2d(2, 5, 3), nn.Conv2d(2, 5, 3), values(6, 2, 8, 9)),
        "conv strided": (
            rt.Conv2d(2, 5, (3, 2), stride=(2, 3), padding=(1, 0)),
            nn.Conv2d(2, 5, (3, 2), stride=(2, 3), padding=(1, 0)),
            values(6, 2, 8, 9),
        ),
        "conv same": (
            rt.Conv2d(2, 5, (3, 5), padding="same", bias=False),
            nn.Conv2d(2, 5, (3, 5), padding="same", bias=False),
            values(6, 2, 8, 9),
        ),
        "pool": (rt.AvgPool2d((2, 3)), nn.AvgPool2d((2, 3)), values(6, 2, 8, 10)),
    }
    return made


@pytest.mark.parametrize("name", pairs())
def test_values_gradients_and_state_are_those_of_torch(name: str) -> None:
    ours, theirs, x = (each.double() for each in pairs()[name])
    theirs.load_state_dict(ours.state_dict())
    outcomes = []
    for module in (ours, theirs):
        leaf = x.clone().requires_grad_()
        output = module(leaf)
        outcomes.append(
            (output, *torch.autograd.grad((output * values(*output.shape, seed=3).double()).sum(), [leaf, *module.parameters()]))
        )
    for mine, other in zip(*outcomes, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


def test_the_initialisation_is_that_of_torch() -> None:
    for ours, theirs in ((lambda: rt.Linear(7, 5), lambda: nn.Linear(7, 5)), (lambda: rt.Conv2d(2, 5, 3), lambda: nn.Conv2d(2, 5, 3))):
        made = []
        for make in (ours, theirs):
            torch.manual_seed(0)
            made.append(make().state_dict())
        assert list(made[0]) == list(made[1])
        assert all(torch.equal(a, b) for a, b in zip(made[0].values(), made[1].values(), strict=True))


@pytest.mark.parametrize("module", [rt.Linear(3, 4), rt.Conv2d(1, 2, 2, padding=1), rt.SumPool2d(2), rt.AvgPool2d((1, 2))], ids=repr)
def test_gradcheck_once_and_twice(module: nn.Module) -> None:
    module = module.double()
    x = values(2, 3, dtype=torch.float64) if isinstance(module, rt.Linear) else values(1, 1, 3, 4, dtype=torch.float64)

    def run(x: Tensor, *parameters: Tensor) -> Any:
        names = dict(module.named_parameters())
        return torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x.requires_grad_(), *module.parameters()))
    assert torch.autograd.gradgradcheck(run, (x.requires_grad_(), *module.parameters()))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_and_batches_do_not_change_a_bit(threads: int) -> None:
    linear, conv = rt.Linear(300, 200), rt.Conv2d(3, 8, 3, padding=1)
    x, frames = values(64, 300), values(16, 3, 32, 32)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        many = linear(x), conv(frames)
        torch.set_num_threads(1)
        assert torch.equal(many[0], torch.stack([linear(each) for each in x]))
        assert torch.equal(many[1], torch.stack([conv(each) for each in frames]))
    finally:
        torch.set_num_threads(before)


def test_strided_inputs_are_accepted() -> None:
    linear, conv = rt.Linear(6, 5), rt.Conv2d(2, 3, 3)
    x, frames = values(6, 4), values(5, 6, 7, 2)
    assert torch.equal(linear(x.T), linear(x.T.contiguous()))
    assert torch.equal(conv(frames.permute(0, 3, 1, 2)), conv(frames.permute(0, 3, 1, 2).contiguous()))


def test_half_precision_takes_the_product_of_torch() -> None:
    linear = rt.Linear(6, 5).bfloat16()
    x = values(3, 6).bfloat16()
    assert torch.equal(linear(x), nn.functional.linear(x, linear.weight, linear.bias))
    pooled = rt.SumPool2d(2)(values(1, 1, 4, 5).bfloat16())
    assert pooled.dtype == torch.bfloat16
    assert pooled.shape == (1, 1, 2, 2)


def test_weights_that_are_not_finite_are_refused() -> None:
    for module, x in ((rt.Linear(3, 2), values(4, 3)), (rt.Conv2d(1, 1, 2), values(1, 1, 3, 3))):
        for bad in (float("nan"), float("inf")):
            with torch.no_grad():
                module.weight.flatten()[1] = bad
            with pytest.raises(rsnn.InvalidValueError, match=r"weight.*finite"):
                module(x)
    huge = rt.Linear(3, 2)
    with torch.no_grad():
        huge.weight.fill_(3e38)  # finite, though the sum is not
    assert torch.isfinite(huge(torch.zeros(1, 3))).all()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: rt.Linear(3, 2)(torch.zeros(4, 3, dtype=torch.int64)), rsnn.InvalidTypeError, "x is torch.int64.*float()"),
        (lambda: rt.Linear(3, 2)(np.zeros((4, 3), np.float32)), rsnn.InvalidTypeError, "ndarray.*torch.from_numpy"),
        (lambda: rt.Linear(3, 2)(torch.zeros(4, 2)), rsnn.InvalidValueError, r"\(4, 2\).*3 inputs"),
        (lambda: rt.Linear(3, 2)(torch.zeros(())), rsnn.InvalidValueError, "at least 1 axis"),
        (
            lambda: rt.Linear(3, 2)(torch.zeros(4, 3, dtype=torch.float64)),
            rsnn.InvalidTypeError,
            r"torch.float64.*torch.float32.*layer.to\(x\)",
        ),
        (lambda: rt.Linear(3, 2)(torch.zeros(4, 3, device="meta")), rsnn.InvalidValueError, "on meta.*on cpu.*one device"),
        (lambda: rt.Linear(3, 2)(torch.zeros(4, 3).to_sparse()), rsnn.InvalidTypeError, "to_dense"),
        (lambda: rt.Conv2d(2, 3, 3)(torch.zeros(4, 3, 5, 5)), rsnn.InvalidValueError, "2 channels"),
        (lambda: rt.Conv2d(2, 3, 3)(torch.zeros(4, 2, 2, 5)), rsnn.InvalidValueError, r"\(2, 5\).*smaller than the kernel \(3, 3\)"),
        (lambda: rt.Conv2d(2, 3, 3)(torch.zeros(5, 5)), rsnn.InvalidValueError, "at least 3 axes"),
        (lambda: rt.Conv2d(2, 4, 3, groups=2), rsnn.InvalidValueError, "groups=2.*torch.nn.Conv2d"),
        (lambda: rt.Conv2d(2, 4, 3, dilation=2), rsnn.InvalidValueError, "dilation=2"),
        (lambda: rt.Conv2d(2, 4, 3, padding_mode="reflect"), rsnn.InvalidValueError, "padding_mode='reflect'"),
        (lambda: rt.Conv2d(2, 4, 2, padding="same"), rsnn.InvalidValueError, "odd kernels"),
        (lambda: rt.SumPool2d(0), rsnn.InvalidValueError, "kernel_size=0"),
        (lambda: rt.SumPool2d(1.5), rsnn.InvalidTypeError, "kernel_size=1.5"),
        (lambda: rt.SumPool2d((1, 2, 3)), rsnn.InvalidValueError, "whole number or two"),
        (lambda: rt.AvgPool2d(2)(torch.zeros(5, 5)), rsnn.InvalidValueError, "at least 3 axes"),
    ],
)
def test_what_is_wrong_is_named_with_the_cure(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()

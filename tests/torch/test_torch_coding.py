"""Encoders and decoders over tensors: the numbers of the arrays, and gradients where there are any."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

import rsnn
from rsnn import decode, encode

X = np.random.default_rng(5).random((6, 2, 8)).astype(np.float32)
SPIKES = (X < 0.3).astype(np.float32)
ALIKE = [
    (X, lambda x: encode.rate(x, rng=3)),
    (X, lambda x: encode.poisson(x, 5, rng=3)),
    (X, lambda x: encode.signed_poisson(x - 0.5, 5, rng=3)),
    (X, lambda x: encode.constant_current_lif(4 * x, 20)),
    (X, lambda x: encode.constant_current_lif(4 * x, 20, neuron=rsnn.LIF(beta=0.9))),
    (X, lambda x: encode.spike_latency_lif(4 * x, 20, v_leak=0.1)),
    (X, lambda x: encode.latency(x, 9, normalize=True)),
    (X, lambda x: encode.latency_times(x, 9, code="linear")),
    (X, lambda x: encode.delta(x, off_spike=True)),
    (X, lambda x: encode.up_down(x, thr_up=0.1, thr_down=0.2)),
    (X, lambda x: encode.phase(x / 2, 8)),
    (X, lambda x: encode.population(x, 5)),
    (SPIKES, encode.spike_latency),
    (SPIKES, decode.sum),
    (SPIKES, decode.phase),
    (SPIKES, lambda x: decode.rate(x, dt=0.5)),
    (SPIKES, lambda x: decode.first_spike_time(x, absent=6.0)),
    (SPIKES, lambda x: decode.spike_times(x, 3)),
    (SPIKES, lambda x: decode.population_vote(x, 4)),
    (X, decode.membrane_max),
    (X, decode.membrane_last),
]


@pytest.mark.parametrize("number", range(len(ALIKE)))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tensor_gives_what_an_array_gives(number: int, dtype: torch.dtype) -> None:
    array, run = ALIKE[number]
    tensor = torch.from_numpy(array).to(dtype)
    before = tensor.clone()
    for needs_grad in (False, True):
        got = run(tensor.clone().requires_grad_(needs_grad))
        assert got.dtype == dtype
        np.testing.assert_array_equal(got.detach().numpy(), run(tensor.numpy()))
    assert torch.equal(tensor, before)


def test_the_mean_membrane_is_the_same_but_for_the_order_of_the_sum() -> None:
    np.testing.assert_allclose(decode.membrane_mean(torch.from_numpy(X)).numpy(), decode.membrane_mean(X), rtol=1e-6)


def test_targets_of_tensors_are_tensors() -> None:
    targets = torch.tensor([2, 0])
    for run in (
        lambda t: encode.to_one_hot(t, 3),
        lambda t: encode.targets_rate(t, 3, 6, correct_rate=0.5, firing_pattern="poisson", rng=1),
        lambda t: encode.targets_latency(t, 3, 6, normalize=True),
        lambda t: encode.targets_convert(t, 3),
    ):
        got = run(targets)
        assert isinstance(got, torch.Tensor)
        np.testing.assert_array_equal(got.numpy(), run(targets.numpy()))
    with pytest.raises(rsnn.InvalidTypeError, match="targets: float32 came; give integers"):
        encode.to_one_hot(torch.tensor([1.0]), 3)


def test_integers_and_half_precision_are_computed_in_float32() -> None:
    counts = torch.tensor([[0, 1], [1, 1]], dtype=torch.int8)
    assert decode.sum(counts).dtype == decode.first_spike_time(counts).dtype == encode.delta(counts).dtype == torch.float32
    for half in (torch.float16, torch.bfloat16):
        assert encode.rate(torch.full((4,), 0.5, dtype=half), 3, rng=1).dtype == half
        assert decode.first_spike_time(counts.to(half)).dtype == half


def test_manual_seed_sets_the_stream_of_tensors_and_a_torch_generator_has_one() -> None:
    x = torch.full((300,), 0.5)
    torch.manual_seed(7)
    a, b = encode.rate(x, 4), encode.rate(x, 4)
    torch.manual_seed(7)
    assert torch.equal(a, encode.rate(x, 4))
    assert not torch.equal(a, b)
    one, other = (encode.rate(x, 4, rng=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, other)
    assert torch.equal(encode.rate(x, 4, rng=9), torch.from_numpy(encode.rate(x.numpy(), 4, rng=9)))


def test_times_and_populations_pass_gradcheck() -> None:
    x = (0.1 + 0.8 * torch.rand(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))).requires_grad_()
    for options in ({}, {"normalize": True}, {"code": "linear"}, {"code": "linear", "normalize": True}, {"code": "log_intensity"}):
        gradcheck(lambda x, o=options: encode.latency_times(x, 20, **o), (x,))
    gradcheck(lambda x: encode.population(x, 5, scale=1.0, sigma=0.5), (x,))
    for readout in (decode.membrane_max, decode.membrane_mean, decode.membrane_last, decode.sum, decode.rate, decode.phase):
        gradcheck(readout, (x,))
    gradcheck(lambda x: decode.population_vote(x, 2), (x,))


def test_the_gradient_of_a_spike_time_is_that_of_moving_the_spike() -> None:
    x = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 1.0]], requires_grad=True)
    times = decode.first_spike_time(x, dt=0.5, absent=3.0)
    assert times.tolist() == [0.5, 3.0, 0.0]
    (grad,) = torch.autograd.grad((times * torch.tensor([1.0, 10.0, 100.0])).sum(), x)
    assert grad.tolist() == [[0.0, 0.0, -50.0], [-0.5, 0.0, 0.0], [0.0, 0.0, 0.0]]
    (grad,) = torch.autograd.grad(decode.spike_times(x, 2, absent=0.0).sum(), x)
    assert grad.tolist() == [[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [-1.0, 0.0, -1.0]]


def test_currents_learn_from_the_spikes_they_cause() -> None:
    x = torch.tensor([0.5, 2.0, 4.0], requires_grad=True)
    spikes = encode.constant_current_lif(x, 30, surrogate=rsnn.surrogate.ATan(2.0))
    (grad,) = torch.autograd.grad(spikes.sum(), x)
    assert (grad > 0).all()
    first = encode.spike_latency_lif(x, 30)
    (grad,) = torch.autograd.grad(decode.first_spike_time(first, absent=30.0).sum(), x)
    assert (grad[1:] < 0).all()  # more current, an earlier spike
    assert grad[0] == 0


REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda x: encode.rate(x, 3, packed=True), rsnn.InvalidValueError, r"packed=True: x is a tensor.*x\.numpy\(\)"),
    (lambda x: encode.rate(x.to_sparse(), 3), rsnn.InvalidTypeError, r"x has the layout torch\.sparse_coo.*to_dense"),
    (lambda x: encode.rate(x.to("meta"), 3), rsnn.InvalidValueError, "x is on the device meta"),
    (lambda x: encode.rate(x.to(torch.complex64), 3), rsnn.InvalidTypeError, r"x is torch\.complex64"),
    (lambda x: encode.rate(x, 3, rng=x), rsnn.InvalidTypeError, "rng=.*torch.Generator"),
    (lambda x: encode.constant_current_lif(x, 3, threads=2), rsnn.InvalidValueError, "threads=2: x is a tensor"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_a_tensor_cannot_have_is_refused_by_name(number: int) -> None:
    run, error, message = REFUSED[number]
    with pytest.raises(error, match=message):
        run(torch.full((3,), 0.5))

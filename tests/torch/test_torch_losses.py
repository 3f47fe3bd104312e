"""The losses: each equals its equation written out in loops, whatever the data; options, gradients, and what is refused."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import rsnn
from rsnn import metrics
from rsnn.torch import losses

Array = np.ndarray[Any, np.dtype[Any]]


def data(seed: int, steps: int = 9, batch: int = 4, outputs: int = 6, rate: float = 0.2) -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes in float64, some outputs silent, some several times in a step; and labels."""
    rng = np.random.default_rng(seed)
    spikes = (rng.random((steps, batch, outputs)) < rate) * rng.integers(1, 3, (steps, batch, outputs))
    return torch.from_numpy(spikes.astype(float)), torch.from_numpy(rng.integers(0, outputs, batch))


def cross_entropy(z: Array, label: int) -> float:
    return math.log(sum(math.exp(value) for value in z)) - float(z[label])


def first_times(train: Array, count: int) -> list[int]:
    at = [t for t, value in enumerate(train) if value != 0]
    return [at[n] if n < len(at) else len(train) - 1 for n in range(count)]


shapes = st.tuples(st.integers(0, 2**31), st.integers(1, 7), st.integers(1, 3), st.integers(1, 5), st.sampled_from([0.0, 0.2, 0.7, 1.0]))


def drawn(shape: tuple[int, int, int, int, float]) -> tuple[torch.Tensor, torch.Tensor]:
    return data(*shape)


@given(shapes)
def test_cross_entropies_equal_their_equations(shape: Any) -> None:
    spikes, targets = drawn(shape)
    x, labels = spikes.numpy(), targets.tolist()
    steps, batch, _ = x.shape
    wanted = [np.mean([cross_entropy(x[t, b], labels[b]) for t in range(steps)]) for b in range(batch)]
    assert losses.ce_rate_loss(reduction="none")(spikes, targets).tolist() == pytest.approx(wanted)
    assert losses.ce_rate_loss(reduction="sum")(spikes, targets).item() == pytest.approx(sum(wanted))
    assert losses.ce_count_loss()(spikes, targets).item() == pytest.approx(
        np.mean([cross_entropy(x[:, b].sum(0), labels[b]) for b in range(batch)])
    )
    assert losses.ce_max_membrane_loss()(spikes, targets).item() == pytest.approx(
        np.mean([cross_entropy(x[:, b].max(0), labels[b]) for b in range(batch)])
    )
    pulled = [0.75 * wanted[b] + 0.25 * np.mean((x[:, b] - 0.5) ** 2) for b in range(batch)]
    assert losses.tet_loss(lamb=0.25, means=0.5, reduction="none")(spikes, targets).tolist() == pytest.approx(pulled)


@given(shapes, st.sampled_from([(1.0, 0.0), (0.8, 0.1), (0.29, 0.57)]))
def test_squared_errors_equal_their_equations(shape: Any, rates: tuple[float, float]) -> None:
    spikes, targets = drawn(shape)
    x, labels = spikes.numpy(), targets.tolist()
    steps, batch, outputs = x.shape
    each = np.zeros((batch, outputs))
    membrane = np.zeros((batch, outputs))
    for b in range(batch):
        for c in range(outputs):
            hundredths = round(100 * rates[c != labels[b]])
            each[b, c] = (x[:, b, c].sum() - steps * hundredths // 100) ** 2 / steps
            membrane[b, c] = np.mean((x[:, b, c] - (1.5 if c == labels[b] else -0.5)) ** 2)
    count_loss = losses.mse_count_loss(correct_rate=rates[0], incorrect_rate=rates[1], reduction="none")
    np.testing.assert_allclose(count_loss(spikes, targets).numpy(), each)
    membrane_loss = losses.mse_membrane_loss(on_target=1.5, off_target=-0.5, reduction="none")
    np.testing.assert_allclose(membrane_loss(spikes, targets).numpy(), membrane)


@given(shapes, st.integers(1, 4))
def test_spike_times_are_those_of_the_spikes_and_the_last_step_where_there_is_none(shape: Any, count: int) -> None:
    spikes, _ = drawn(shape)
    x = spikes.requires_grad_()
    times = losses.spike_times(x, count)
    weights = torch.arange(1.0, 1 + times.numel(), dtype=torch.float64).reshape(times.shape)
    (gradient,) = torch.autograd.grad((times * weights).sum(), x)
    wanted = np.zeros(x.shape)
    for b in range(x.shape[1]):
        for c in range(x.shape[2]):
            at = first_times(x.detach().numpy()[:, b, c], count)
            assert times[:, b, c].tolist() == at
            for n, t in enumerate(at):
                wanted[t, b, c] -= weights[n, b, c]
    np.testing.assert_array_equal(gradient.numpy(), wanted)


@given(shapes, st.sampled_from([0.0, 1.0, 2.5]))
def test_temporal_losses_equal_their_equations(shape: Any, tolerance: float) -> None:
    spikes, targets = drawn(shape)
    x, labels = spikes.numpy(), targets.tolist()
    steps, batch, outputs = x.shape
    early = np.array([[first_times(x[:, b, c], 1)[0] for c in range(outputs)] for b in range(batch)])
    for inverse, z in (("negate", -early), ("reciprocal", 1 / (early + 1))):
        each = [cross_entropy(z[b], labels[b]) for b in range(batch)]
        assert losses.ce_temporal_loss(inverse=inverse, reduction="none")(spikes, targets).tolist() == pytest.approx(each)
    wanted = np.zeros((2, batch, outputs))
    for b in range(batch):
        for c in range(outputs):
            aims = (1, 3) if c == labels[b] else (steps - 2, steps - 1)
            for n, (t, aim) in enumerate(zip(first_times(x[:, b, c], 2), aims, strict=True)):
                wanted[n, b, c] = 0.0 if abs(t - aim) < tolerance else ((t - aim) / steps) ** 2
    loss = losses.mse_temporal_loss(on_target=[1, 3], off_target=[-2, -1], multi_spike=True, tolerance=tolerance, reduction="none")
    np.testing.assert_allclose(loss(spikes, targets).numpy(), wanted)


def test_by_default_the_right_class_is_to_fire_first_and_the_others_last() -> None:
    spikes = torch.zeros(10, 1, 3)
    spikes[0, 0, 1] = 1.0
    spikes[9, 0, 0] = 1.0
    label = torch.tensor([1])
    assert losses.mse_temporal_loss()(spikes, label) == 0.0
    assert losses.mse_temporal_loss(faithful=True)(spikes, label) == pytest.approx(2 * 0.9**2 / 3)
    assert losses.mse_membrane_loss(off_target=-1.0)(torch.full((4, 1, 2), -1.0), torch.tensor([0])) == 2.0
    assert losses.mse_membrane_loss(off_target=-1.0, faithful=True)(torch.full((4, 1, 2), -1.0), torch.tensor([0])) == 2.5


def test_times_as_targets_stay_as_they_are_and_negative_ones_count_from_the_end() -> None:
    spikes, wanted = torch.zeros(10, 1, 2), torch.tensor([[2.0, -1.0]])
    spikes[4, 0, 0] = 1.0
    assert losses.mse_temporal_loss(target_is_time=True, reduction="none")(spikes, wanted).tolist() == [[pytest.approx(0.04), 0.0]]
    assert wanted.tolist() == [[2.0, -1.0]]
    assert losses.mse_temporal_loss(target_is_time=True)(spikes, wanted.int()) == pytest.approx(0.02)


@pytest.mark.parametrize("make", [losses.ce_count_loss, losses.ce_max_membrane_loss, losses.ce_rate_loss, losses.tet_loss])
def test_the_mean_of_weighted_losses_is_that_of_torch(make: Callable[..., Any]) -> None:
    spikes, targets = data(3)
    weight = torch.tensor([0.5, 1.0, 2.0, 0.0, 3.0, 1.5])
    each, of_sample = make(reduction="none")(spikes, targets), weight[targets].double()
    assert make(weight=weight)(spikes, targets).item() == pytest.approx(((each * of_sample).sum() / of_sample.sum()).item())
    assert make(weight=weight.tolist(), reduction="sum")(spikes, targets).item() == pytest.approx((each * of_sample).sum().item())
    if make is losses.ce_count_loss:
        assert make(weight=weight)(spikes, targets).item() == pytest.approx(
            F.cross_entropy(spikes.sum(0), targets, weight=weight.double()).item()
        )


@pytest.mark.parametrize("make", [losses.ce_rate_loss, losses.ce_count_loss, losses.mse_count_loss])
def test_a_population_is_its_sum(make: Callable[..., Any]) -> None:
    spikes, targets = data(5, outputs=6)
    options = {"correct_rate": 0.5} if make is losses.mse_count_loss else {}
    shared = make(population_code=True, num_classes=3, **options)(spikes, targets % 3)
    if make is losses.mse_count_loss:
        options = {"correct_rate": 1.0}  # of two outputs in half of the steps: as many spikes as one in every step
    assert shared.item() == pytest.approx(make(**options)(spikes.reshape(9, 4, 3, 2).sum(-1), targets % 3).item())


LOSSES: list[Callable[..., Any]] = [
    losses.ce_rate_loss,
    losses.ce_count_loss,
    losses.ce_max_membrane_loss,
    losses.mse_count_loss,
    losses.mse_membrane_loss,
    losses.ce_temporal_loss,
    losses.mse_temporal_loss,
    losses.tet_loss,
]


@pytest.mark.parametrize("make", LOSSES)
def test_layout_precision_copies_and_devices_do_not_matter(make: Callable[..., Any]) -> None:
    spikes, targets = data(7)
    loss = make()(spikes, targets)
    turned = make(batch_first=True)(spikes.transpose(0, 1), targets)
    assert turned.equal(loss)
    single = make()(spikes.float(), targets.int())
    assert single.dtype == torch.float32
    assert single.item() == pytest.approx(loss.item(), rel=1e-6)
    weighted = make(weight=torch.ones(6))
    for again in (copy.deepcopy(weighted), pickle.loads(pickle.dumps(weighted)), weighted.double()):
        assert again(spikes, targets).item() == pytest.approx(loss.item())


@pytest.mark.parametrize("make", LOSSES)
def test_losses_compile_whole_and_give_the_gradient_of_each_sample(make: Callable[..., Any]) -> None:
    spikes, targets = data(11)
    loss = make()
    assert torch.compile(loss, fullgraph=True, backend="eager")(spikes, targets).equal(loss(spikes, targets))
    alone = torch.func.vmap(torch.func.grad(lambda x, y: loss(x[:, None], y[None])), in_dims=(1, 0), out_dims=1)(spikes, targets)
    x = spikes.clone().requires_grad_()
    (together,) = torch.autograd.grad(loss(x, targets), x)
    np.testing.assert_allclose(alone.numpy() / 4, together.numpy(), atol=1e-15)


def test_labels_may_change_over_time_for_membranes() -> None:
    rng = np.random.default_rng(0)
    v, labels = torch.from_numpy(rng.normal(size=(5, 2, 3))), torch.from_numpy(rng.integers(0, 3, (5, 2)))
    wanted = np.mean([F.mse_loss(v[t], F.one_hot(labels[t], 3).double()).item() for t in range(5)])
    assert losses.mse_membrane_loss(time_var_targets=True)(v, labels).item() == pytest.approx(wanted)
    turned = losses.mse_membrane_loss(time_var_targets=True, batch_first=True)
    assert turned(v.transpose(0, 1), labels.T).item() == pytest.approx(wanted)


def test_the_temporal_accuracy_of_a_silent_network_is_nothing() -> None:
    silent, label = torch.zeros(5, 1, 2), torch.tensor([0])
    assert losses.accuracy_temporal(silent, label) == 0.0
    assert losses.accuracy_temporal(silent, label, faithful=True) == 1.0
    late = silent.clone()
    late[4, 0, 1] = 1.0
    assert losses.accuracy_temporal(late, torch.tensor([1])) == 1.0
    assert losses.accuracy_temporal(late.transpose(0, 1), torch.tensor([1]), batch_first=True) == 1.0


@given(shapes)
def test_van_rossums_loss_is_the_square_of_the_distance(shape: Any) -> None:
    spikes, _ = drawn(shape)
    other, _ = data(shape[0] + 1, *shape[1:])
    loss = losses.van_rossum_loss(tau=3.0, dt=0.5, reduction="none")(spikes, other)
    distance = metrics.van_rossum_distance(spikes, other, tau=3.0, dt=0.5)
    np.testing.assert_allclose(loss.numpy(), distance**2, rtol=1e-12, atol=1e-12)


def test_van_rossums_loss_has_the_gradient_of_its_equation() -> None:
    spikes, _ = data(2, 6, 2, 3)
    other, _ = data(3, 6, 2, 3)
    assert torch.autograd.gradcheck(losses.van_rossum_loss(tau=2.0), (spikes.requires_grad_(), other.requires_grad_()))


def test_victor_and_purpuras_distance_is_that_of_metrics() -> None:
    spikes, _ = data(2)
    other, _ = data(3)
    wanted = metrics.victor_purpura_distance(spikes.numpy(), other.numpy(), q=0.3)
    assert losses.victor_purpura_distance(spikes.requires_grad_(), other, q=0.3).tolist() == wanted.tolist()


def test_regularisers_equal_their_equations() -> None:
    spikes, _ = data(13, rate=0.4)
    s = spikes.numpy()
    steps, batch, n = s.shape
    close = pytest.approx
    assert losses.l1_rate_sparsity(Lambda=0.5)(spikes).item() == close(0.5 * s.sum())
    changes = sum((s[t, b, k] - s[t - 1, b, k]) ** 2 for t in range(1, steps) for b in range(batch) for k in range(n))
    assert losses.temporal_sparsity(Lambda=0.5)(spikes).item() == close(0.5 * changes)
    counts = s.sum(0)
    quiet = sum(max(0.0, 4.0 - counts[:, k].mean()) ** 2 for k in range(n))
    assert losses.silence_reg(min_spikes=4.0)(spikes).item() == close(quiet)
    above = [max(0.0, counts[b].mean() - 4.0) for b in range(batch)]
    huber = sum(d * d / 2 if d <= 1 else d - 0.5 for d in above)
    assert losses.sparsity_reg(max_spikes=4.0)(spikes).item() == close(huber)
    assert losses.sparsity_reg(max_spikes=4.0, norm=torch.square)(spikes).item() == close(sum(d * d for d in above))
    assert losses.SparsityEnforcer(max_rate=0.1, lam=2.0)(spikes).item() == close(2.0 * (s.mean() - 0.1) ** 2)
    assert losses.rate_reg(target_rate=0.1)(spikes).item() == close(0.5 * ((s.mean((0, 1)) - 0.1) ** 2).sum())
    outside = np.mean([max(0.0, v - 0.5) ** 2 + max(0.0, 0.25 - v) ** 2 for v in s.ravel()])
    assert losses.voltage_reg(v_low=0.25, v_high=0.5)(spikes).item() == close(outside)
    q = (s > 0).mean(0).clip(1e-8, 1 - 1e-8)
    divergence = (0.1 * np.log(0.1 / q) + 0.9 * np.log(0.9 / (1 - q))).sum()
    assert losses.kl_rate_sparsity(target_rate=0.1, Lambda=1.0)((spikes > 0).double()).item() == close(divergence)


@pytest.mark.parametrize(
    "term",
    [
        lambda **o: losses.l1_rate_sparsity(**o),
        lambda **o: losses.kl_rate_sparsity(**o),
        lambda **o: losses.temporal_sparsity(**o),
        lambda **o: losses.silence_reg(min_spikes=4.0, **o),
        lambda **o: losses.sparsity_reg(max_spikes=1.0, **o),
        lambda **o: losses.SparsityEnforcer(**o),
        lambda **o: losses.rate_reg(**o),
        lambda **o: losses.voltage_reg(**o),
    ],
)
def test_a_term_takes_many_layers_in_any_form_and_layout(term: Callable[..., Any]) -> None:
    one, other = data(17)[0], data(19, outputs=4)[0].reshape(9, 4, 2, 2)
    apart = term()(one) + term()(other)
    for several in ([one, other], {0: one, "inner": {1: other}}):
        assert term()(several).item() == pytest.approx(apart.item())
    assert term(batch_first=True)([one.transpose(0, 1), other.transpose(0, 1)]).item() == pytest.approx(apart.item())
    always = torch.ones(9, 4, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(term()(always), always)
    assert torch.isfinite(gradient).all()


S, Y = torch.zeros(5, 2, 3), torch.tensor([0, 2])
REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: losses.ce_rate_loss()(S.numpy(), Y), TypeError, r"spikes is ndarray.*from_numpy"),
    (lambda: losses.ce_rate_loss()(S.int(), Y), TypeError, r"spikes is torch\.int32.*float\(\)"),
    (lambda: losses.ce_rate_loss()(S[0], Y), ValueError, r"spikes has the shape \(2, 3\): must be \(T, B, C\)"),
    (lambda: losses.ce_rate_loss()(S[..., None], Y), ValueError, r"flatten\(2\)"),
    (lambda: losses.ce_rate_loss()(S[:0], Y), ValueError, r"\(0, 2, 3\): give at least one step"),
    (lambda: losses.ce_rate_loss()(S, [0, 2]), TypeError, "targets is list: must be a tensor of integers"),
    (lambda: losses.ce_rate_loss()(S, Y.float()), TypeError, r"targets is torch\.float32.*long\(\)"),
    (lambda: losses.ce_rate_loss()(S, Y[:1]), ValueError, r"targets has the shape \(1,\): must be \(2,\)"),
    (lambda: losses.ce_rate_loss()(S, Y + 1), ValueError, "targets: 1 to 3 came; must be from 0 to 2"),
    (lambda: losses.ce_rate_loss()(S, Y - 1), ValueError, "targets: -1 to 1 came"),
    (lambda: losses.ce_rate_loss()(S, Y.to("meta")), ValueError, r"targets is on meta.*moves it"),
    (lambda: losses.ce_rate_loss(weight=[1.0, 1.0])(S, Y), ValueError, "weight has 2 entries: there are 3 classes"),
    (lambda: losses.ce_rate_loss(weight=1.0), ValueError, r"weight has the shape \(\)"),
    (lambda: losses.ce_rate_loss(weight=[-1.0, 1.0]), ValueError, "weight=.*at least 0"),
    (lambda: losses.ce_rate_loss(reduction="max"), ValueError, "reduction='max': must be one of 'mean', 'sum', 'none'"),
    (lambda: losses.ce_rate_loss(batch_first=1), TypeError, "batch_first=1"),
    (lambda: losses.ce_rate_loss(faithful="yes"), TypeError, "faithful='yes'"),
    (lambda: losses.ce_rate_loss(population_code=True), ValueError, "num_classes=None: population_code=True needs it"),
    (lambda: losses.ce_rate_loss(num_classes=2), ValueError, "num_classes=2: only population_code=True takes it"),
    (lambda: losses.ce_rate_loss(population_code=True, num_classes=2)(S, Y), ValueError, "num_classes=2: the 3 outputs"),
    (lambda: losses.mse_count_loss(correct_rate=-0.1), ValueError, r"correct_rate=-0\.1: must be at least 0"),
    (lambda: losses.mse_count_loss(weight=[1.0], faithful=True), ValueError, "leave faithful=True out"),
    (lambda: losses.mse_membrane_loss(time_var_targets=True, weight=[1.0]), ValueError, "weight: a sample has several labels"),
    (lambda: losses.mse_membrane_loss(time_var_targets=True)(S, Y), ValueError, r"targets has the shape \(2,\): must be \(5, 2\)"),
    (lambda: losses.mse_temporal_loss(on_target=[1, 2]), ValueError, "on_target has 2 times and off_target 1"),
    (lambda: losses.mse_temporal_loss(on_target=[1, 2], off_target=[3, 4]), ValueError, "several times need multi_spike=True"),
    (lambda: losses.mse_temporal_loss(tolerance=-1), ValueError, r"tolerance=-1\.0: must be at least 0"),
    (lambda: losses.mse_temporal_loss(weight=[1.0], target_is_time=True), ValueError, "weight: classes are weighed by labels"),
    (lambda: losses.mse_temporal_loss(target_is_time=True)(S, Y), ValueError, r"targets has the shape \(2,\): must be \(2, 3\)"),
    (lambda: losses.ce_temporal_loss(inverse="log"), ValueError, "inverse='log'"),
    (lambda: losses.spike_times(S, 0), ValueError, "count=0"),
    (lambda: losses.tet_loss(lamb=2.0), ValueError, r"lamb=2\.0: must be between 0 and 1"),
    (lambda: losses.van_rossum_loss(tau=0.0), ValueError, r"^tau=0\.0: must be positive"),
    (lambda: losses.van_rossum_loss(tau=1.0)(S, S[:4]), ValueError, r"targets has the shape \(4, 2, 3\): must be that of spikes"),
    (lambda: losses.van_rossum_loss(tau=1.0)(S, S.double()), TypeError, r"targets is torch\.float64 and spikes torch\.float32"),
    (lambda: losses.victor_purpura_distance(S, S, q=-1.0), ValueError, r"q=-1\.0: must be at least 0"),
    (lambda: losses.accuracy_rate(S, Y + 5), ValueError, "targets: 5 to 7 came"),
    (lambda: losses.l1_rate_sparsity()([]), ValueError, "recording: none came"),
    (lambda: losses.l1_rate_sparsity()({"hidden": S, "out": 3}), TypeError, r"recording\['out'\] is int"),
    (lambda: losses.l1_rate_sparsity(Lambda=math.nan), ValueError, "Lambda=nan"),
    (lambda: losses.sparsity_reg(max_spikes=1.0, norm=2), TypeError, "norm=2: must be a function"),
    (lambda: losses.voltage_reg(v_low=2.0), ValueError, r"v_low=2\.0: must be at most v_high=1\.0"),
]


@pytest.mark.parametrize(("call", "kind", "message"), REFUSED)
def test_what_cannot_be_is_refused_with_its_name_and_a_cure(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        call()
    assert isinstance(caught.value, rsnn.RsnnError)

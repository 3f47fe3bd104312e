"""`rsnn.convert`: spiking networks that compute what a network of ReLUs does."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

import rsnn
import rsnn.torch as rt
from rsnn import convert

VALUE, TYPE = rsnn.InvalidValueError, rsnn.InvalidTypeError


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


class Residual(nn.Module):
    """Functions in place of modules, a branch, and everything that is folded or left out."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.second, self.drop, self.last = nn.Conv2d(3, 3, 3, padding=1), nn.Dropout(), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.first(x)))
        x = torch.relu(self.second(x)) + x
        x = functional.avg_pool2d(x.relu(), 2)
        return self.last(self.drop(x.view(x.size(0), -1)))  # type: ignore[no-any-return]


def residual() -> tuple[Residual, Tensor]:
    torch.manual_seed(0)
    model = Residual()
    for _ in range(5):
        model(torch.rand(16, 1, 4, 4))
    return model, torch.rand(40, 1, 4, 4)


def multilayer(seed: int, widths: list[int], bias: bool, ends: bool) -> tuple[nn.Sequential, Tensor]:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for k, (before, after) in enumerate(pairwise(widths)):
        layers += [nn.Linear(before, after, bias=bias)] + ([nn.ReLU()] if ends or k < len(widths) - 2 else [])
    return nn.Sequential(*layers), torch.rand(30, widths[0])


def active(model: nn.Sequential, x: Tensor, percentile: float) -> bool:
    """Whether this percentile of every layer is above 0; else it is refused."""
    with torch.no_grad():
        levels = [np.percentile(model[: k + 1](x).numpy(), percentile) for k in range(len(model)) if k % 2 or k == len(model) - 1]
    return all(level > 0 for level in levels)


def means(net: rsnn.Network, x: Tensor, steps: int) -> np.ndarray:
    return net.run(np.broadcast_to(x.numpy(), (steps, *x.shape))).output.mean(0)


MODELS = st.builds(multilayer, st.integers(0, 99), st.lists(st.integers(3, 12), min_size=3, max_size=4), st.booleans(), st.just(False))


@settings(max_examples=20)
@given(MODELS, st.sampled_from([100.0, 99.0, 90.0]), st.sampled_from([1.0, 0.25]))
def test_the_mean_output_nears_that_of_the_model_whatever_the_scale(
    made: tuple[nn.Sequential, Tensor], percentile: float, v_threshold: float
) -> None:
    model, x = made
    with torch.no_grad():
        expected = model(x).numpy()
    assume(active(model, x, percentile))
    net = convert.from_relu(model, x, percentile, v_threshold=v_threshold)
    # A rate that was floored is off by less than a spike: the error falls as 1 / T.
    short, long = (np.abs(means(net, x, steps) - expected).max() for steps in (50, 1600))
    assert long <= max(short / 8, 1e-3)


@settings(max_examples=20)
@given(MODELS, st.sampled_from([100.0, 99.0]))
def test_normalised_weights_keep_the_function_and_make_every_layer_reach_one(made: tuple[nn.Sequential, Tensor], percentile: float) -> None:
    model, x = made
    with torch.no_grad():
        expected = model(x)
        assume(active(model, x, percentile))
        normal = convert.normalize_weights(model, x, percentile)
        level = np.percentile(expected.numpy(), percentile)
        torch.testing.assert_close(normal(x) * level, expected, rtol=1e-4, atol=1e-5)
        for k, layer in enumerate(normal):
            if isinstance(layer, nn.ReLU):
                assert np.percentile(normal[: k + 1](x).numpy(), percentile) == pytest.approx(1.0, rel=1e-4)


def test_without_biases_both_ways_to_normalise_are_the_same() -> None:
    model, x = multilayer(1, [4, 8, 8, 3], False, False)
    for a, b in zip(*(convert.normalize_weights(model, x, 99.0, keep_function=keep).parameters() for keep in (True, False)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_with_biases_the_way_of_sinabs_is_another_function() -> None:
    model, x = multilayer(1, [4, 8, 8, 3], True, False)
    with torch.no_grad():
        wanted, kept, sinabs = model(x), *(convert.normalize_weights(model, x, 99.0, keep_function=keep)(x) for keep in (True, False))
    assert np.corrcoef(wanted.ravel(), kept.ravel())[0, 1] > 0.999999
    assert np.corrcoef(wanted.ravel(), sinabs.ravel())[0, 1] < 0.9999


def test_a_forward_with_functions_and_branches_is_followed() -> None:
    model, x = residual()
    net = convert.from_relu(model, x)
    assert [type(layer).__name__ for layer in net.layers] == [
        "Conv2d",
        "IAF",
        "Conv2d",
        "IAF",
        "Add",
        "IAF",
        "AvgPool2d",
        "Flatten",
        "Linear",
    ]
    assert model.training
    found = convert.compare(model, net, x, steps=256)
    assert [one.correlation > 0.99 for one in found] == [True] * 4
    assert "same largest output" in str(found)


def test_nothing_of_the_callers_model_changes() -> None:
    model, x = residual()
    before, kept = copy.deepcopy(model.state_dict()), x.clone()
    convert.from_relu(model, x)
    convert.search(model, x, (100, 90))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(x, kept)


def test_a_network_that_ends_in_spikes_fires_as_the_relu_of_the_output() -> None:
    model, x = multilayer(3, [4, 16, 3], True, False)
    net = convert.from_relu(model, x, 100.0, output="spikes")
    rates = means(net, x, 2000)
    with torch.no_grad():
        expected = np.maximum(model(x).numpy(), 0)
    assert convert.compare(model, net, x, steps=500).layers[-1].correlation > 0.999
    np.testing.assert_allclose(rates * expected.max(), expected, atol=0.01)


def test_the_search_takes_the_fewest_spikes_that_are_near_enough() -> None:
    model, x = multilayer(0, [4, 16, 3], True, False)
    found = convert.search(model, x, (100, 99, 90), tolerance=0.025)
    assert [one.percentile for one in found] == [100, 99, 90]
    assert found.best is next(one for one in found if one.error <= 0.025)
    assert found.best.spikes == min(one.spikes for one in found if one.error <= 0.025)
    tight = convert.search(model, x, (100, 99, 90), tolerance=0.0)
    assert tight.best is min(tight, key=lambda one: one.error)
    assert "chosen" in str(tight)
    assert convert.from_relu(model, x, tolerance=0.0) == convert.from_relu(
        model, x, convert.search(model, x, tolerance=0.0).best.percentile
    )


def test_cut_off_at_one_spike_a_step_a_low_percentile_is_worse() -> None:
    model, x = multilayer(0, [4, 32, 32, 3], True, False)
    single = {one.percentile: one.error for one in convert.search(model, x, (100, 90), fire="single")}
    multi = {one.percentile: one.error for one in convert.search(model, x, (100, 90))}
    assert single[90] > 2 * single[100]
    assert multi[90] < multi[100]


def test_a_percentile_at_which_a_layer_is_silent_is_skipped_by_the_search_and_refused_alone() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    model[0].weight.data.fill_(1.0)
    model[0].bias.data.fill_(-0.9)
    x = torch.linspace(0, 1, 100)[:, None]
    assert convert.search(model, x, (100, 50)).skipped == (50.0,)
    with pytest.raises(VALUE, match="the activity of the layer 1 is 0"):
        convert.from_relu(model, x, 50.0)


def test_a_converted_network_goes_to_torch_and_to_a_chip() -> None:
    model, x = multilayer(0, [4, 16, 3], False, True)
    net = convert.from_relu(model, x, 99.0, v_min=-1.0)
    module = rt.from_network(net)
    steps = x.expand(10, *x.shape)
    assert np.array_equal(module(steps)[0].detach().numpy(), net.run(steps.numpy()).output)
    assert rsnn.chip.quantize(net, "dynapcnn").check().ok


class Branching(nn.Module):
    """Depends on its data."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) if x.sum() > 0 else x


class Scaled(nn.Module):
    """Uses a function that no layer stands for."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(torch.sin(x))


class Pair(nn.Module):
    """Takes and gives two."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return torch.relu(x), y


LINEAR = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
POOLED = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.MaxPool2d(2))
for layer in (LINEAR[0], POOLED[0]):
    nn.init.ones_(layer.weight)  # so that every layer is active
REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"model": "relu"}, TYPE, "model='relu': must be a torch module"),
    ({"model": nn.Sequential(nn.Linear(2, 2))}, VALUE, "it has no ReLU"),
    ({"model": nn.Sequential(nn.Linear(2, 2), nn.GELU(), nn.ReLU())}, TYPE, "GELU"),
    ({"model": Branching()}, TYPE, "forward cannot be followed"),
    ({"model": Scaled()}, TYPE, r"is sin\(\), which cannot be converted"),
    ({"model": Pair()}, TYPE, "second argument, y"),
    ({"model": rt.Sequential(rt.Linear(2, 2), nn.ReLU())}, TYPE, "of rsnn.torch and runs over time"),
    ({"model": POOLED, "calibration": torch.rand(3, 1, 2, 2)}, VALUE, "maximum pooling.*AvgPool2d.*max_pool='keep'"),
    ({"calibration": None}, VALUE, "calibration: none came"),
    ({"calibration": None, "percentile": None}, VALUE, "input_shape: none came"),
    ({"calibration": torch.rand(0, 2)}, VALUE, "at least one sample"),
    ({"calibration": torch.rand(5, 3)}, VALUE, r"does not take samples of shape \(3,\)"),
    ({"calibration": torch.full((3, 2), torch.nan)}, VALUE, "NaN or infinity"),
    ({"percentile": 0}, VALUE, "percentile=0: must be above 0 and at most 100, 'auto', or None"),
    ({"percentile": 101}, VALUE, "percentile=101"),
    ({"percentile": "best"}, VALUE, "percentile='best'"),
    ({"v_threshold": -1.0}, VALUE, "v_threshold=-1"),
    ({"fire": "single", "max_spikes": 2}, VALUE, "max_spikes=2"),
    ({"fire": "often"}, VALUE, "fire='often'"),
    ({"output": "rates"}, VALUE, "output='rates'"),
    ({"steps": 0}, VALUE, "steps=0"),
    ({"model": nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), "v_threshold": 2.0}, VALUE, "past all weights"),
]


@pytest.mark.parametrize(("given_", "error", "message"), REFUSED, ids=[message[:30] for _, _, message in REFUSED])
def test_what_cannot_be_converted_is_refused_with_its_cure(given_: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments: dict[str, Any] = {"model": LINEAR, "calibration": torch.rand(5, 2)} | given_
    with pytest.raises(error, match=message):
        convert.from_relu(**arguments)


def test_other_refusals() -> None:
    model, x = residual()
    with pytest.raises(VALUE, match="fuse_conv_bn_eval"):
        convert.normalize_weights(model, x)
    shared = nn.Linear(2, 2)
    with pytest.raises(VALUE, match="share their weights"):
        convert.normalize_weights(nn.Sequential(shared, nn.ReLU(), shared), torch.rand(4, 2))
    with pytest.raises(VALUE, match=r"1 layers of spiking neurons and the model 3 ReLUs"):
        convert.compare(model, rsnn.Network([rsnn.IAF()], (1, 4, 4)), x)
    with pytest.raises(TYPE, match=r"must be the rsnn\.Network"):
        convert.compare(model, model, x)  # type: ignore[arg-type]
    with pytest.raises(VALUE, match="candidates: an empty list"):
        convert.search(LINEAR, torch.rand(4, 2), ())
    kept = convert.from_relu(POOLED, torch.rand(3, 1, 2, 2), 100.0, max_pool="keep")
    assert [type(layer).__name__ for layer in kept.layers] == ["Conv2d", "IAF", "MaxPool2d"]

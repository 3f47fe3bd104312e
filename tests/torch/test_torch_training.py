"""A network that trains from the first step: weights scaled until every layer fires, and a look at who does not."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import rsnn
import rsnn.torch as rt
from rsnn.surrogate import FastSigmoid

STEPS, BATCH = 25, 8


@pytest.fixture
def x() -> Tensor:
    return (torch.rand(STEPS, BATCH, 20, generator=torch.Generator().manual_seed(0)) < 0.1).float()


def network(**options: Any) -> rt.Sequential:
    """Layers as they come: with their default gain and torch's default weights they are silent."""
    torch.manual_seed(0)
    return rt.Sequential(rt.Linear(20, 60), rt.LIF(**options), rt.Linear(60, 40), rt.LIF(**options), rt.Linear(40, 3), rt.LI(**options))


def rates(net: nn.Module, x: Tensor) -> dict[int, float]:
    return {k: float(spikes.detach().mean()) for k, spikes in net.run(x).spikes.items()}


# calibrate_ ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.4])
def test_every_layer_fires_at_the_rate_asked_for(x: Tensor, rate: float) -> None:
    net = network()
    assert max(rates(net, x).values()) == 0.0
    report = rt.init.calibrate_(net, x, rate=rate)
    found = rates(net, x)
    assert report.rates == pytest.approx({str(k): value for k, value in found.items()})
    assert all(abs(value - rate) <= 0.05 * rate for value in found.values())


def test_the_weights_before_a_layer_are_scaled_as_the_table_says(x: Tensor) -> None:
    net = network()
    before = copy.deepcopy(net)
    report = rt.init.calibrate_(net, x)
    assert [(each.name, each.kind, each.product) for each in report.layers] == [("1", "LIF", "0"), ("3", "LIF", "2")]
    for each, k in zip(report.layers, (0, 2), strict=True):
        assert torch.equal(net[k].weight, before[k].weight * each.scale)
        assert torch.equal(net[k].bias, before[k].bias * each.scale)
        assert each.before == 0.0
    assert torch.equal(net[4].weight, before[4].weight), "nothing that spikes comes after it"
    lines = repr(report).splitlines()
    assert lines[0].split() == ["layer", "weights", "scale", "before", "rate"]
    assert len({len(line) for line in lines}) == 1


def test_it_is_deterministic_and_leaves_no_trace(x: Tensor) -> None:
    torch.manual_seed(0)
    net = rt.Sequential(
        rt.Linear(20, 60), nn.BatchNorm1d(60), rt.Dropout(0.5), rt.LIF(), nn.Dropout(0.5), rt.Linear(60, 9), rt.LIFRecurrent(hidden_size=9)
    )
    twin = copy.deepcopy(net)
    chance = torch.random.get_rng_state()
    first, second = rt.init.calibrate_(net, x), rt.init.calibrate_(twin, x)
    assert torch.equal(torch.random.get_rng_state(), chance)
    assert first == second
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), twin.parameters(), strict=True))
    assert first.layers[0].product == "1", "the normalisation would undo a scale of what comes before it"
    assert torch.equal(net[1].running_mean, torch.zeros(60))
    assert net[1].num_batches_tracked == 0
    assert all(module.training for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert "run" not in net[3].__dict__
    assert all(abs(rate - 0.1) < 0.01 for rate in first.rates.values())


def test_it_sees_any_module_that_runs_layers(x: Tensor) -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.cell = nn.Linear(20, 30), rt.LIFCell(beta=0.9)

        def forward(self, x: Tensor) -> Tensor:
            state, outputs = None, []
            for x_t in x:
                output, state = self.cell(self.inner(x_t), state)
                outputs.append(output)
            return torch.stack(outputs)

    torch.manual_seed(0)
    net = Loop()
    report = rt.init.calibrate_(net, x, rate=0.2)
    assert [(each.name, each.product) for each in report.layers] == [("cell", "inner")]
    assert abs(float(net(x).detach().mean()) - 0.2) < 0.01
    conv = rt.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), rt.IAF(batch_first=True))
    frames = torch.rand(BATCH, STEPS, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert abs(rt.init.calibrate_(conv, frames, rate=0.3).rates["2"] - 0.3) < 0.015


def test_a_layer_without_weights_before_it_is_left_as_it_is(x: Tensor) -> None:
    torch.manual_seed(0)
    net = rt.Sequential(rt.IAF(v_threshold=0.5), rt.Linear(20, 10), rt.LIF())
    report = rt.init.calibrate_(net, x)
    assert (report.layers[0].product, report.layers[0].scale) == (None, 1.0)
    assert report.layers[0].rate == pytest.approx(float(rt.IAF(v_threshold=0.5)(x)[0].mean()))
    assert abs(report.rates["2"] - 0.1) < 0.01


def positive() -> rt.Sequential:
    net = rt.Sequential(rt.Linear(20, 5), rt.IAF())
    nn.init.constant_(net[0].weight, -1.0)
    nn.init.constant_(net[0].bias, 0.0)
    return net


def shared() -> rt.Sequential:
    linear = rt.Linear(20, 20)
    return rt.Sequential(linear, rt.LIF(), linear, rt.LIF())


def parametrized() -> rt.Sequential:
    net = network()
    torch.nn.utils.parametrizations.weight_norm(net[0])
    return net


@pytest.mark.parametrize(
    ("make", "options", "error", "words"),
    [
        (lambda: rt.Sequential(rt.LIF()), {}, rsnn.InvalidValueError, "no module with weights.*nothing to scale"),
        (lambda: rt.Sequential(rt.Linear(20, 3), rt.LI()), {}, rsnn.InvalidValueError, "none of its layers spikes"),
        (lambda: nn.Linear(20, 3), {}, rsnn.InvalidValueError, "Linear holds no layer of rsnn.torch"),
        (lambda: rsnn.LIF(), {}, rsnn.InvalidTypeError, "must be a torch module"),
        (positive, {}, rsnn.InvalidValueError, r"the layer 1 \(IAF\)|the layer 1 fires at 0 at most.*silent or only inhibits"),
        (network, {"rate": 1.5}, rsnn.InvalidValueError, "the layer 1 fires at .* at most.*rate=1.5 is out of reach"),
        (lambda: rt.Sequential(rt.Linear(20, 3), rt.IAF(bias=2.0)), {}, rsnn.InvalidValueError, "or more.*look at its bias"),
        (shared, {}, rsnn.InvalidValueError, r"the layer 1 \(LIF\) has 0 before it, whose weight is shared: 0.weight, 2.weight"),
        (parametrized, {}, rsnn.InvalidValueError, "computed by a parametrization; calibrate before"),
        (network, {"rate": 0}, rsnn.InvalidValueError, "rate=0.0: must be above 0"),
        (network, {"rate": "high"}, rsnn.InvalidTypeError, "rate='high'"),
        (network, {"x": torch.zeros(0, 2, 20)}, rsnn.InvalidValueError, "at least one step of one sample"),
        (network, {"x": torch.zeros(2, 2, 20).long()}, rsnn.InvalidTypeError, "x is torch.int64"),
    ],
)
def test_what_cannot_be_calibrated_is_named_and_left_as_it_was(
    x: Tensor, make: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    net = make()
    before = [value.detach().clone() for value in net.parameters()] if isinstance(net, nn.Module) else []
    with pytest.raises(error, match=words):
        rt.init.calibrate_(net, options.pop("x", x), **options)
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters() if before else [], strict=True))


# health ----------------------------------------------------------------------------------------------------------------------


def test_health_counts_silent_saturated_and_dead_neurons() -> None:
    net = rt.Sequential(rt.Linear(1, 4, bias=False), rt.IAF(fire="single", surrogate=FastSigmoid(25.0)), rt.Linear(4, 1), rt.LI(beta=0.9))
    with torch.no_grad():
        # Of an input of 1: one fires in every step, one in every second, one comes near the threshold, one is driven far below it.
        net[0].weight.copy_(torch.tensor([[1.0], [0.5], [0.02], [-50.0]]))
    report = rt.health(net, torch.ones(40, 3, 1))
    hidden, readout = report.layers
    assert (hidden.name, hidden.kind, hidden.neurons) == ("1", "IAF", 4)
    assert (hidden.silent, hidden.saturated, hidden.dead) == (2, 1, 1)
    assert hidden.rate == pytest.approx((1 + 0.5) / 4)
    assert (readout.rate, readout.silent, readout.saturated, readout.dead) == (None, None, None, None)
    assert any("25 %" in sentence and "hardly any gradient" in sentence for sentence in report.advice)
    assert any("25 %" in sentence and "nearly every step" in sentence for sentence in report.advice)


def test_health_gives_the_norms_of_gradients(x: Tensor) -> None:
    net = network(beta=0.9)
    target = torch.arange(BATCH) % 3

    def loss(output: Tensor) -> Tensor:
        return cross_entropy(output.sum(0), target)

    report = rt.health(net, x, loss)
    assert all(parameter.grad is None for parameter in net.parameters())
    loss(net(x)[0]).backward()
    for layer, k in zip(report.layers, (0, 2, 4), strict=True):
        expected = torch.cat([net[k].weight.grad.flatten(), net[k].bias.grad]).norm()
        assert layer.weight_gradient == pytest.approx(float(expected), rel=1e-5)
    net.zero_grad()
    currents = net[0](x).detach().requires_grad_()
    loss(net[1:](currents)[0]).backward()
    assert report.layers[0].gradient == pytest.approx(float(currents.grad.norm()), rel=1e-5)
    summed = rt.health(net, x)
    net.zero_grad()
    net(x)[0].sum().backward()
    assert summed.layers[2].weight_gradient == pytest.approx(
        float(torch.cat([net[4].weight.grad.flatten(), net[4].bias.grad]).norm()), rel=1e-5
    )


def test_health_says_what_helps_and_it_does(x: Tensor) -> None:
    net = network()
    report = rt.health(net, x)
    assert [layer.silent for layer in report.layers] == [60, 40, None]
    assert "100 % of the neurons never fire; raise the weights before it, rt.init.calibrate_(model, x)" in report.advice[0]
    rt.init.calibrate_(net, x)
    after = rt.health(net, x)
    assert max(layer.silent or 0 for layer in after.layers) < 30
    assert not any("never fire" in sentence for sentence in after.advice)


def test_health_is_shown_as_an_aligned_table(x: Tensor) -> None:
    text = repr(rt.health(network(beta=0.9), x))
    header, *rows = text.splitlines()
    assert header.split() == ["layer", "neurons", "rate", "silent", "saturated", "dead", "gradient", "of", "weights"]
    assert [row.split()[:3] for row in rows[:3]] == [["1", "LIF", "60"], ["3", "LIF", "40"], ["5", "LI", "3"]]
    assert len({len(row) for row in [header, *rows[:3]]}) == 1
    assert len(rows) > 3


def test_health_finds_what_is_cut_off_and_what_is_not_finite(x: Tensor) -> None:
    net = rt.Sequential(rt.Linear(20, 8), rt.LIF(beta=0.9), rt.Linear(8, 2), rt.LI(beta=0.9))
    nn.init.zeros_(net[2].weight)
    report = rt.health(net, x)
    assert report.layers[0].gradient == 0.0
    assert any("layer 1 (LIF): no gradient reaches it" in sentence for sentence in report.advice)
    report = rt.health(net, x, lambda output: (output * float("nan")).sum())
    assert any("not finite" in sentence for sentence in report.advice)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: rt.health(network(), x, lambda output: output), rsnn.InvalidTypeError, r"loss returned a tensor of shape \(25, 8, 3\)"),
        (lambda x: rt.health(network(), x, lambda output: 1.0), rsnn.InvalidTypeError, "loss returned float"),
        (lambda x: rt.health(network(), x, lambda output: output.detach().sum()), rsnn.InvalidValueError, "loss: does not depend"),
        (lambda x: rt.health(nn.ReLU(), x), rsnn.InvalidValueError, "holds no layer"),
        (lambda x: rt.health(network(), x[:, :0]), rsnn.InvalidValueError, "at least one step"),
    ],
)
def test_what_health_cannot_look_at_is_named(x: Tensor, call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(x)


# It trains -------------------------------------------------------------------------------------------------------------------


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    pixels, labels = torch.tensor(pixels / 16.0, dtype=torch.float32), torch.tensor(labels)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return pixels[order[:1437]], labels[order[:1437]], pixels[order[1437:]], labels[order[1437:]]


@pytest.mark.parametrize("options", [{}, {"beta": 0.95}], ids=["as they come", "beta"])
def test_default_layers_learn_the_digits_in_two_epochs(options: dict[str, float]) -> None:
    train, labels, test, answers = digits()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a seed repeats exactly
    try:
        torch.manual_seed(0)
        net = rt.Sequential(rt.Linear(64, 128), rt.LIF(**options), rt.Linear(128, 10), rt.LI(**options))
        rt.init.calibrate_(net, train[:128].expand(STEPS, -1, -1))
        optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
        for _ in range(2):
            for batch in torch.randperm(len(train)).split(32):
                output, _ = net(train[batch].expand(STEPS, -1, -1))
                optimiser.zero_grad()
                cross_entropy(output.sum(0), labels[batch]).backward()
                optimiser.step()
        with torch.no_grad():
            output, _ = net(test.expand(STEPS, -1, -1))
        assert (output.sum(0).argmax(1) == answers).float().mean() >= 0.9
    finally:
        torch.set_num_threads(threads)

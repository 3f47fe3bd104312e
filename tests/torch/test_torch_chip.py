"""Training for a chip: forwards the emulator's integers, backwards the gradients of its float twins, straight through the rounding."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import rsnn
import rsnn.torch as rt
from rsnn.torch.chip import qat as module
from rsnn.torch.chip.twins import through, unit_of

torch.set_num_threads(1)


def convolutional(*, bias: bool = True, v_min: float | None = -1.0, batch_first: bool = False) -> rt.Sequential:
    torch.manual_seed(1)
    neuron = {"v_min": v_min, "batch_first": batch_first}
    model = rt.Sequential(
        nn.AvgPool2d(2), rt.Conv2d(2, 4, 3, padding=1, bias=bias), rt.IAF(**neuron), rt.SumPool2d(2), rt.Conv2d(4, 5, 3, stride=2),
        rt.IAF(v_threshold=0.7, fire="single", **neuron), nn.Dropout(0.5), rt.AvgPool2d(3), nn.Flatten(), rt.Linear(5, 6, bias=bias),
        rt.IAF(reset="zero", **neuron), rt.Linear(6, 3, bias=False), rt.IAF(**neuron),
    )  # fmt: skip
    with torch.no_grad():
        for k in (9, 11):
            model[k].weight.abs_().mul_(2.0)  # every layer fires
    return model


def frames(seed: int, *leading: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).poisson(0.7, (*leading, 2, 32, 32)).astype(np.float32))


def audio(learn: tuple[str, ...] = (), **options: Any) -> rt.Sequential:
    torch.manual_seed(2)
    hidden, output = rsnn.LIF(12.0, tau_syn=5.0, fire="multi", bias=0.01, gain="unit"), rsnn.LIF(20.0, tau_syn=8.0, gain="unit")
    model = rt.Sequential(
        rt.Linear(5, 30, bias=False), rt.Layer(hidden, learn=learn, **options), rt.Linear(30, 4, bias=False), rt.Layer(output, **options)
    )
    with torch.no_grad():
        model[2].weight.add_(0.05)
    return model


def deep(learn: tuple[str, ...] = (), **options: Any) -> rt.Sequential:
    """Three hidden populations: the second and the third hear hidden neurons, and none hears itself."""
    torch.manual_seed(5)
    model, n_in = rt.Sequential(), 5
    for n, tau_mem, tau_syn in ((20, 12.0, 5.0), (13, 30.0, 9.0), (17, 6.0, 3.0)):
        hidden = rsnn.LIF(tau_mem, tau_syn=tau_syn, fire="multi", bias=0.01, gain="unit")
        model.extend([rt.Linear(n_in, n, bias=False), rt.Layer(hidden, learn=learn, **options)])
        n_in = n
    output = rsnn.LIF(20.0, tau_syn=8.0, gain="unit")
    model.extend([rt.Linear(n_in, 4, bias=False), rt.Layer(output, learn=learn, **options)])
    with torch.no_grad():
        for k in (2, 4, 6):
            model[k].weight.add_(0.05)
    return model


def sound(seed: int, *leading: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).poisson(0.2, (*leading, 5)).astype(np.float32))


CASES: dict[str, tuple[str, Callable[[], rt.Sequential], Callable[..., Tensor]]] = {
    "convolutions": ("speck2f", convolutional, frames),
    "without biases and lower clips": ("dynapcnn", lambda: convolutional(bias=False, v_min=None), frames),
    "two populations": ("xylo_audio3", audio, sound),
    "four populations": ("xylo_imu", deep, sound),
    "the other order of a synapse": ("xylo_imu", lambda: rt.Sequential(*_turned()), sound),
}


def _turned() -> list[nn.Module]:
    synapse = rsnn.stages.Exponential(tau_syn=6.0, order="jump_decay_use")
    kinds = ((rsnn.stages.Multi(max_spikes=31), 5, 20), (rsnn.stages.Single(), 20, 3))
    made: list[nn.Module] = []
    for fire, n_in, n in kinds:
        neuron = rsnn.Neuron(
            synapse=synapse, membrane=rsnn.stages.Leaky(tau_mem=15.0, gain="unit"), fire=fire, reset=rsnn.stages.Subtract()
        )
        made += [rt.Linear(n_in, n, bias=False), rt.Layer(neuron)]
    return made


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("bits", [None, 4, 2])
def test_a_call_gives_the_bits_of_the_emulator_whole_and_in_pieces(case: str, bits: int | None) -> None:
    target, build, data = CASES[case]
    model, x = build(), data(0, 30, 3)
    chip = rsnn.chip.quantize(rt.to_network(model, x.shape[2:]), target, weight_bits=bits)
    expected = chip.run(x.numpy())
    qat = rt.chip.QAT(model, target, weight_bits=bits)
    result = qat.run(x)
    assert np.array_equal(result.output.detach(), expected.output)
    assert expected.output.any() or bits == 2
    assert result.spikes.keys() == expected.spikes.keys()
    for k, spikes in expected.spikes.items():
        assert np.array_equal(result.spikes[k].detach(), spikes)
    first, state = qat(x[:11])
    second, state = qat(x[11:], state)
    assert np.array_equal(torch.cat([first, second]).detach(), expected.output)
    for k, each in expected.state.items():
        for mine, theirs in zip(state[k], each, strict=True):
            assert np.array_equal(mine, theirs)
    with torch.no_grad():
        assert torch.equal(qat(x)[0], result.output)
    assert np.array_equal(qat.quantized().run(x.numpy()).output, expected.output)


def test_training_mode_and_double_precision_and_batch_first_change_no_number() -> None:
    x = frames(3, 12, 2)
    expected, _ = rt.chip.QAT(convolutional(), "speck2e").eval()(x)
    assert torch.equal(rt.chip.QAT(convolutional(), "speck2e").train()(x)[0], expected)
    wide, _ = rt.chip.QAT(convolutional().double(), "speck2e")(x.double())
    assert wide.dtype == torch.float64
    turned = rt.chip.QAT(convolutional(batch_first=True), "speck2e").run(x.transpose(0, 1))
    assert torch.equal(turned.output, expected.transpose(0, 1))
    assert all(each.shape[:2] == (2, 12) for each in turned.spikes.values())
    assert (turned.batch_axis, rt.chip.QAT(convolutional(), "speck2e").run(x).batch_axis) == (0, 1)
    grads = []
    for batch_first in (False, True):
        qat = rt.chip.QAT(convolutional(batch_first=batch_first), "speck2e")
        qat(x.transpose(0, 1) if batch_first else x)[0].square().sum().backward()
        grads.append([each.grad for each in qat.parameters()])
    for one, two in zip(*grads, strict=True):
        assert one is not None
        assert one.abs().sum() > 0
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("bits", [None, 4, 3])
def test_the_neurons_of_the_gradient_fire_the_chips_spikes(case: str, bits: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    target, build, data = CASES[case]
    compared = []

    def watched(own: Tensor, values: Any) -> Tensor:
        compared.append((own.detach(), values))
        return through(own, values)

    monkeypatch.setattr(module, "through", watched)  # there it puts the chip's spikes in the place of the twin's
    qat, x = rt.chip.QAT(build(), target, weight_bits=bits), data(4, 60, 3)
    first = qat.run(x[:25])
    second = qat.run(x[25:], first.state)
    assert len(compared) == 2 * len(first.spikes)
    for own, spikes in compared:
        assert torch.equal(own, spikes)
    for k in first.spikes:
        assert first.spikes[k].sum() + second.spikes[k].sum() > 0 or bits == 3


def test_each_layer_has_the_gradient_of_its_float_neurons_at_the_rounded_weights_and_the_integer_spikes() -> None:
    # Weights of at most 127/128 make the scale 128, so that the rounded parameters are floats without error.
    torch.manual_seed(0)
    model = rt.Sequential(rt.Linear(7, 9), rt.IAF(v_min=-1.0), rt.Linear(9, 4), rt.IAF(v_min=-1.0, fire="single"))
    with torch.no_grad():
        for k in (0, 2):
            model[k].weight.mul_(1.5).clamp_(-0.9, 0.9)[0, 0] = 127 / 128
    x = torch.from_numpy(np.random.default_rng(1).poisson(0.5, (20, 3, 7)).astype(np.float32)).requires_grad_()
    qat = rt.chip.QAT(model, "dynapcnn")
    result = qat.run(x)
    weights = torch.randn(result.output.shape)
    (result.output * weights).sum().backward()

    rounded = rt.from_network(qat.quantized().dequantize())
    inner = result.spikes[1].detach().requires_grad_()
    output, _ = rounded[3](rounded[2](inner))
    assert torch.equal(output, result.output)
    (output * weights).sum().backward()
    outer = x.detach().clone().requires_grad_()
    hidden, _ = rounded[1](rounded[0](outer))
    hidden.backward(inner.grad)
    for k in (0, 2):
        assert not torch.equal(rounded[k].weight, model[k].weight)
        for name in ("weight", "bias"):
            torch.testing.assert_close(getattr(model[k], name).grad, getattr(rounded[k], name).grad)
    torch.testing.assert_close(x.grad, outer.grad)


class Fire(torch.autograd.Function):
    """Spikes that were counted elsewhere, with a slope that was computed elsewhere."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, slope: Tensor, spikes: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        return spikes.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        return grad * ctx.saved_tensors[0], None, None


@pytest.mark.parametrize("build", [audio, deep])
def test_on_xylo_the_gradient_is_that_of_the_chips_linear_filters_with_slopes_at_its_membranes(build: Callable[..., Any]) -> None:
    surrogate, x = rsnn.surrogate.Sigmoid(4.0), sound(8, 60, 4)
    x[3, 0, 1] = 40.0  # of which the chip counts 15
    qat = rt.chip.QAT(build(surrogate=surrogate), "xylo_audio3")
    output, _ = qat(x)
    weights = torch.from_numpy(np.random.default_rng(1).normal(size=output.shape))
    (output * weights.float()).sum().backward()

    chip = qat.quantized()
    result = chip.run(x.numpy(), record="v")
    core = chip.core
    sizes = [0, *np.cumsum([layer.size for layer in chip.layers[:-1]])]
    heard = [core.w_in[:, : sizes[1], 0]]
    for k in range(1, len(chip.layers) - 1):
        heard.append(core.w_rec[sizes[k - 1] : sizes[k], sizes[k] : sizes[k + 1], 0])
    heard.append(core.w_out[sizes[-2] :])
    flow, mine = x.double().clamp(max=15), []
    for layer, integers in zip(chip.layers, heard, strict=True):
        k = layer.neuron_index
        scale, threshold = torch.from_numpy(layer.scale), torch.from_numpy(layer.threshold)
        alpha, beta = (1 - 0.5 ** torch.from_numpy(dash).double() for dash in (layer.dash_syn, layer.dash_mem))
        spikes = torch.from_numpy(result.spikes[k]).double()
        before = torch.from_numpy(result.traces[k]["v"]) + threshold * spikes
        slope = surrogate((before + 0.5) / scale, threshold / scale)
        weight = torch.from_numpy(integers.T * 1.0) * (alpha / scale)[:, None]
        mine.append(weight.requires_grad_())
        i = v = torch.zeros(spikes.shape[1:], dtype=torch.float64)
        fired = []
        for t in range(len(x)):
            came = flow[t] if layer is chip.layers[0] else (flow[t - 1] if t else torch.zeros_like(flow[0]))
            i = alpha * i + came @ weight.T
            v = beta * v + i
            fired.append(Fire.apply(v, slope[t], spikes[t]))
        flow = torch.stack(fired)
    (flow * weights).sum().backward()
    for k, own in enumerate(mine):
        found: Any = qat.model[2 * k].weight.grad  # type: ignore[index, union-attr]
        assert found.abs().max() > 0.1
        torch.testing.assert_close(found.double(), own.grad, rtol=1e-4, atol=1e-5 * float(found.abs().max()))


def test_a_loss_on_hidden_spikes_reaches_the_weights_before_them_alone() -> None:
    qat = rt.chip.QAT(audio(), "xylo_audio3")
    spikes = qat.run(sound(6, 30, 2)).spikes
    spikes[1].mean().backward()
    assert qat.model[0].weight.grad.abs().sum() > 0  # type: ignore[index, union-attr]
    assert qat.model[2].weight.grad is None  # type: ignore[index, union-attr]


@pytest.mark.parametrize("case", CASES)
def test_the_file_it_writes_gives_the_bits_it_trains_with(case: str, tmp_path: Path) -> None:
    target, build, data = CASES[case]
    qat, x = rt.chip.QAT(build(), target, weight_bits=5), data(7, 30, 3)
    output, _ = qat(x)
    qat.export(tmp_path / "net.npz")
    assert np.array_equal(rsnn.chip.load(tmp_path / "net.npz").run(x.numpy()).output, output.detach())
    assert output.any()


@pytest.mark.parametrize("fold", [True, False])
def test_batch_normalisation_is_folded_and_learned(fold: bool) -> None:
    torch.manual_seed(0)
    model = rt.Sequential(rt.Conv2d(2, 3, 3, bias=fold), nn.BatchNorm2d(3), rt.IAF(v_min=-1.0), nn.Flatten())
    norm = model[1].eval()
    with torch.no_grad():
        norm.running_var.uniform_(0.2, 0.6)
        norm.running_mean.uniform_(-0.1, 0.1)
        norm.weight.uniform_(0.5, 1.0)
    x = torch.from_numpy(np.random.default_rng(1).poisson(0.5, (10, 2, 2, 8, 8)).astype(np.float32))
    plain = rt.from_network(rt.to_network(model, (2, 8, 8)))
    outputs = [rt.chip.QAT(each, "dynapcnn")(x)[0] for each in (model.train(), plain)]
    assert torch.equal(*outputs)
    for output in outputs:
        output.square().sum().backward()
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    torch.testing.assert_close(model[0].weight.grad, plain[0].weight.grad * scale.detach()[:, None, None, None], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.bias.grad, plain[0].bias.grad, rtol=1e-4, atol=1e-5)
    assert norm.weight.grad.abs().sum() > 0
    assert norm.num_batches_tracked == 0


def test_learned_thresholds_and_time_constants_have_gradients() -> None:
    model = rt.Sequential(rt.Linear(4, 5), rt.IAF(learn=("v_threshold",)))
    rt.chip.QAT(model)(torch.ones(10, 2, 4))[0].sum().backward()
    assert model[1].v_threshold.grad < 0
    heard = audio(learn=("tau_mem", "tau_syn", "bias", "v_threshold"), detach_reset=False)
    rt.chip.QAT(heard, "xylo_audio2")(sound(0, 50, 3))[0].sum().backward()
    for name in ("tau_mem", "tau_syn", "bias", "v_threshold"):
        grad = getattr(heard[1], name).grad
        assert grad.isfinite()
        assert grad != 0


@pytest.mark.parametrize("case", CASES)
def test_no_steps_are_refused(case: str) -> None:
    target, build, data = CASES[case]
    with pytest.raises(rsnn.InvalidValueError, match=r"x has shape \(0, 2, .*: it has no step in it"):
        rt.chip.QAT(build(), target)(0 * data(0, 0, 2))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("leading", [(3, 0), (1, 1)])
def test_no_samples_have_empty_results_and_gradients_of_0(case: str, leading: tuple[int, int]) -> None:
    target, build, data = CASES[case]
    model = build()
    output, state = rt.chip.QAT(model, target)(0 * data(0, *leading))
    assert output.shape[:2] == leading
    assert len(state) == (1 if target.startswith("xylo") else 4)
    output.sum().backward()
    assert all(each.grad is not None and not each.grad.isnan().any() for each in model.parameters())


def test_without_gradients_the_emulator_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(module, "_backwards", called)
    qat = rt.chip.QAT(audio(), "xylo_audio3")
    with torch.no_grad():
        assert not qat(sound(0, 10, 2))[0].requires_grad
    with pytest.raises(AssertionError):
        qat(sound(0, 10, 2))


def test_an_optimiser_trains_the_models_own_parameters_through_the_rounding() -> None:
    torch.manual_seed(3)
    model = rt.Sequential(rt.Linear(8, 16), rt.IAF(v_min=-1.0), rt.Linear(16, 2), rt.IAF(v_min=-1.0))
    x = torch.from_numpy(np.random.default_rng(0).poisson(0.4, (20, 32, 8)).astype(np.float32))
    labels = (x[:, :, :4].sum((0, 2)) > x[:, :, 4:].sum((0, 2))).long()
    qat = rt.chip.QAT(model, "speck2f", weight_bits=3)
    assert {id(each) for each in qat.parameters()} == {id(each) for each in model.parameters()}
    optimizer = torch.optim.Adam(qat.parameters(), 2e-2)
    losses = []
    for _ in range(40):
        counts, _ = qat(x)
        loss = nn.functional.cross_entropy(counts.sum(0) * 0.5, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-5:]) < 0.5 * losses[0]
    # The trained integers are those of the model itself, also after it was stored and loaded without QAT.
    other = rt.Sequential(rt.Linear(8, 16), rt.IAF(v_min=-1.0), rt.Linear(16, 2), rt.IAF(v_min=-1.0))
    other.load_state_dict(model.state_dict())
    chip = rsnn.chip.quantize(rt.to_network(other, 8), "speck2f", weight_bits=3)
    assert np.array_equal(chip.run(x.numpy()).output, qat(x)[0].detach())
    assert np.abs(chip.layers[0].quantized.weight).max() <= 4
    for copied in (copy.deepcopy(qat), pickle.loads(pickle.dumps(qat))):
        assert torch.equal(copied(x)[0], qat(x)[0])
    assert "target='speck2f', input_shape=(8,), weight_bits=3" in repr(qat)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=5), st.integers(-(2**16), 2**16), st.floats(1e-3, 1e6))
def test_what_goes_straight_through_is_exact_and_a_unit_times_16_bits_is_a_float32(own: list[float], whole: int, scale: float) -> None:
    tensor = torch.tensor(own, requires_grad=True)
    values = torch.full_like(tensor, float(whole))
    output = through(tensor, values)
    assert torch.equal(output, values)
    assert torch.equal(torch.autograd.grad(output.sum(), tensor)[0], torch.ones(len(own)))
    unit = unit_of(scale)
    assert float(np.float32(whole * unit)) == whole * unit
    assert unit * scale == pytest.approx(1.0, abs=2.0**-8)


@pytest.mark.parametrize("target", ["dynapcnn", "speck2e", "xylo_audio2"])
@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_have_the_bits_that_were_asked_for_and_use_them(target: str, bits: int) -> None:
    model, shape = (audio(), 5) if target == "xylo_audio2" else (convolutional(bias=False), (2, 32, 32))
    chip = rsnn.chip.quantize(rt.to_network(model, shape), target, weight_bits=bits)
    for layer in chip.layers:
        weight = layer.weight if target == "xylo_audio2" else layer.quantized.weight
        assert -(2 ** (bits - 1)) <= weight.min()
        assert weight.max() <= 2 ** (bits - 1) - 1
        assert np.abs(weight).max() >= 2 ** (bits - 1) - 1
    if bits == 8:
        plain = rsnn.chip.quantize(rt.to_network(model, shape), target)
        x = (sound if shape == 5 else frames)(0, 20, 2).numpy()
        assert np.array_equal(plain.run(x).output, chip.run(x).output)


def folded() -> list[tuple[Any, list[nn.Module], str]]:
    """Give what Xylo folds into one matrix, of which no twin can be made."""

    def neurons(fire: str = "multi") -> rt.Layer:
        return rt.Layer(rsnn.LIF(12.0, tau_syn=5.0, fire=fire, gain="unit"))

    def end(n: int) -> list[nn.Module]:
        return [rt.Linear(n, 2, bias=False), neurons("single")]

    told = "model: QAT does not train layer {}, {}, for xylo_imu; let each population take a Linear of its own"
    return [
        (3, [rt.Linear(3, 5, bias=False), rt.Linear(5, 4, bias=False), neurons(), *end(4)], told.format(0, "Linear")),
        ((1, 3, 3), [rt.Conv2d(1, 2, 2, bias=False), nn.Flatten(), neurons(), *end(8)], told.format(0, "Conv2d")),
        ((1, 4, 4), [rt.SumPool2d(2), nn.Flatten(), rt.Linear(4, 3, bias=False), neurons(), *end(3)], told.format(0, "SumPool2d")),
        (3, [neurons(), *end(3)], told.format(0, "LIF")),
    ]


IAF = rt.Sequential(rt.Linear(3, 2), rt.IAF())


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: rt.chip.QAT(3), TypeError, "model is int: must be a module"),  # type: ignore[arg-type]
        (lambda: rt.chip.QAT(rt.chip.QAT(IAF)), TypeError, "model is QAT: must be a module"),
        (lambda: rt.chip.QAT(IAF, "loihi_lava"), ValueError, "target='loihi_lava': QAT does not train for it, .* use one of dynapcnn"),
        (lambda: rt.chip.QAT(IAF, "speck"), ValueError, "target='speck'"),
        (lambda: rt.chip.QAT(IAF, weight_bits=1), ValueError, "weight_bits=1: must be"),
        (lambda: rt.chip.QAT(IAF, weight_bits=9), ValueError, "weight_bits=9: must be from 2 to 8"),
        (lambda: rt.chip.QAT(IAF, weight_bits=4.0), TypeError, "weight_bits=4.0"),  # type: ignore[arg-type]
        (lambda: rt.chip.QAT(IAF, weights=4), ValueError, "'weights'"),
        (lambda: rt.chip.QAT(IAF, input_shape=0.5), TypeError, "input_shape"),  # type: ignore[arg-type]
        (lambda: rt.chip.QAT(IAF).export("net.npz"), ValueError, "input_shape: is not known before data were seen; give it to QAT"),
        (lambda: rt.chip.QAT(IAF, input_shape=3).export(3), TypeError, "path"),  # type: ignore[arg-type]
        (lambda: rt.chip.QAT(IAF).quantized(), ValueError, "input_shape: is not known before data were seen; give it to QAT"),
        (lambda: rt.chip.QAT(IAF)(np.zeros((2, 2, 3))), TypeError, "x is ndarray: must be a tensor"),
        (lambda: rt.chip.QAT(IAF)(torch.zeros(2, 2, 3).bfloat16()), TypeError, "x is torch.bfloat16: must be float32 or float64"),
        (lambda: rt.chip.QAT(IAF)(torch.full((2, 2, 3), 0.5)), ValueError, "x.*0.5"),
        (lambda: rt.chip.QAT(IAF)(torch.full((2, 2, 3), torch.nan)), ValueError, "x"),
        (lambda: rt.chip.QAT(IAF)(torch.zeros(3)), ValueError, "x has the shape .3,.: must have at least 2 axes"),
        (lambda: rt.chip.QAT(IAF, input_shape=3)(torch.zeros(4, 3)), ValueError, r"x has the shape \(4, 3\): must be \(T, B, 3\)"),
        (lambda: rt.chip.QAT(IAF)(torch.zeros(4, 2, 5)), ValueError, "5"),
        (lambda: rt.chip.QAT(IAF)(torch.zeros(4, 2, 3), {7: None}), ValueError, "state=the keys 7: must be a dict with the keys 1"),
        (lambda: rt.chip.QAT(IAF)(torch.zeros(4, 2, 3, dtype=torch.float64)), TypeError, "x is torch.float64 and the weight torch.float32"),
        (
            lambda: rt.chip.QAT(rt.Sequential(rt.Linear(3, 2), rt.LIF(beta=0.9)))(torch.zeros(4, 2, 3)), ValueError,
            "layer 1 LIF: beta=0.9 cannot be expressed on dynapcnn",
        ),
        (
            lambda: rt.chip.QAT(rt.Sequential(rt.Linear(3, 2), rt.IAFRecurrent(hidden_size=2)))(torch.zeros(4, 2, 3)), ValueError,
            "the neurons of layer 1 are recurrent",
        ),
        *(
            (lambda s=shape, layers=layers: rt.chip.QAT(rt.Sequential(*layers), "xylo_imu", input_shape=s).quantized(), TypeError, words)
            for shape, layers, words in folded()
        ),
        (
            lambda: rt.chip.QAT(rt.Graph([("a", rt.Linear(3, 2)), ("b", rt.IAF(), ("a", "a"))]))(torch.zeros(4, 2, 3)), ValueError,
            "layer 1 takes something else .* use a Sequential",
        ),
    ],
)  # fmt: skip
def test_what_is_not_accepted_is_named_with_the_cure(act: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        act()
    assert isinstance(caught.value, rsnn.RsnnError)

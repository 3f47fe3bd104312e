"""`rt.adopt` against sinabs itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import sinabs.activation as sa
import sinabs.layers as sl
import torch
from played import data, same, weights
from sinabs.from_torch import from_model
from torch import Tensor, nn

import rsnn
import rsnn.torch as rt
from rsnn.torch.adopt import neuron_of


def play(model: nn.Module, x: Tensor) -> Tensor:
    """Call a model with (B, T, ...) from rest."""
    for module in model.modules():
        if isinstance(module, sl.StatefulLayer):
            module.reset_states()
    output: Tensor = model(x)
    return output


def play_folded(model: nn.Module, x: Tensor) -> Tensor:
    """Call a model of Squeeze layers with (B * T, ...)."""
    return play(model, x.flatten(0, 1)).unflatten(0, x.shape[:2])


NEURONS = {
    "IAF": (lambda: sl.IAF(min_v_mem=-1.0), ()),
    "IAF single": (lambda: sl.IAF(spike_fn=sa.SingleSpike, spike_threshold=torch.tensor(0.8), tau_syn=4.0), ("tau_syn",)),
    "LIF": (lambda: sl.LIF(tau_mem=20.0), ("tau_mem",)),
    "LIF with a synapse": (lambda: sl.LIF(tau_mem=15.0, tau_syn=7.0, norm_input=False, min_v_mem=-0.5), ("tau_mem", "tau_syn")),
    "LIF by alphas": (lambda: sl.LIF(tau_mem=15.0, tau_syn=7.0, train_alphas=True), ("alpha_mem", "alpha_syn")),
    "LIF at most 2": (lambda: sl.LIF(tau_mem=15.0, norm_input=False, spike_fn=sa.MaxSpike(2)), ("tau_mem",)),
    "LIF that resets": (lambda: sl.LIF(tau_mem=15.0, norm_input=False, reset_fn=sa.MembraneReset()), ("tau_mem",)),
    "LIF that subtracts a value": (lambda: sl.LIF(tau_mem=15.0, reset_fn=sa.MembraneSubtract(0.7)), ("tau_mem",)),
    "LIF for each neuron": (lambda: sl.LIF(tau_mem=torch.tensor([5.0, 10.0, 15.0, 20.0, 40.0])), ("tau_mem",)),
    "ALIF": (lambda: sl.ALIF(tau_mem=15.0, tau_adapt=30.0, norm_input=False), ("tau_mem", "tau_adapt")),
    "ALIF with a synapse": (lambda: sl.ALIF(tau_mem=9.0, tau_adapt=30.0, tau_syn=5.0, spike_threshold=torch.tensor(0.1)), ("tau_mem",)),
    "ExpLeak": (lambda: sl.ExpLeak(tau_mem=15.0, norm_input=True), ("tau_mem",)),
}


@pytest.mark.parametrize("name", NEURONS)
def test_a_neuron_does_the_same(name: str) -> None:
    make, learned = NEURONS[name]
    same(make(), data(3, 60, 5, scale=2.0), play, parameters={name: name for name in learned})


SURROGATES = [
    sa.SingleExponential(0.3, 2.0),
    sa.PeriodicExponential(0.4, 1.5),
    sa.Heaviside(0.5),
    sa.Gaussian(0.1, 0.4, 2.0),
    sa.MultiGaussian(0.0, 0.4, 0.2, 5.0, 1.5),
]


@pytest.mark.parametrize("curve", SURROGATES, ids=lambda curve: type(curve).__name__)
def test_a_surrogate_has_the_same_gradient(curve: Any) -> None:
    same(sl.LIF(tau_mem=10.0, norm_input=False, surrogate_grad_fn=curve), data(3, 25, 5), play)


RECURRENT = {
    "LIFRecurrent": lambda inner: sl.LIFRecurrent(tau_mem=10.0, rec_connect=inner, norm_input=False),
    "IAFRecurrent": lambda inner: sl.IAFRecurrent(rec_connect=inner, spike_threshold=torch.tensor(2.0), min_v_mem=-1.0),
    "ALIFRecurrent": lambda inner: sl.ALIFRecurrent(tau_mem=10.0, tau_adapt=30.0, rec_connect=inner, norm_input=False),
}


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_neurons_do_the_same_with_their_weights(name: str) -> None:
    model = RECURRENT[name](weights(nn.Linear(5, 5, bias=False)))
    same(model, data(3, 30, 5), play, parameters={"rec_connect.weight": "weight_recurrent"})


def convolutional(**given: int) -> nn.Sequential:
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False),
        sl.IAFSqueeze(**given),
        sl.SumPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 3 * 3, 6, bias=False),
        sl.LIFSqueeze(tau_mem=10.0, **given),
        sl.ExpLeakSqueeze(tau_mem=5.0, **given),
    )
    return weights(net)  # type: ignore[return-value]


@pytest.mark.parametrize("given", [{"batch_size": 3}, {"num_timesteps": 12}], ids=str)
def test_squeeze_layers_take_time_and_batch_apart_and_the_chip_takes_what_is_adopted(given: dict[str, int]) -> None:
    x = (data(3, 12, 2, 8, 8) > 0.6).float()
    model = convolutional(**given)
    adopted = rt.adopt(model, check=x)
    assert torch.equal(adopted(x)[0], play_folded(model, x))
    assert adopted.batch_first
    net = rt.to_network(adopted, input_shape=(2, 8, 8))
    assert (net.run(x.numpy()).output == adopted(x)[0].detach().numpy()).all()


def test_time_folded_in_between_and_repeated_layers_do_the_same() -> None:
    x = (data(3, 12, 2, 8, 8) > 0.6).float()
    conv = nn.Conv2d(2, 4, 3, bias=False)
    folded = nn.Sequential(sl.FlattenTime(), conv, sl.IAFSqueeze(batch_size=3), sl.UnflattenTime(3), sl.LIF(tau_mem=10.0))
    same(weights(folded), x, play)
    repeated = nn.Sequential(sl.Repeat(conv), sl.IAF(), sl.Repeat(nn.Sequential(nn.Flatten(), nn.Linear(144, 5))), sl.LIF(tau_mem=5.0))
    same(weights(repeated), x, play)


def test_what_from_model_makes_is_adopted() -> None:
    ann = weights(nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(108, 5, bias=False), nn.ReLU()))
    made = from_model(ann, input_shape=(1, 8, 8), batch_size=2, add_spiking_output=False)
    x = (data(2, 10, 1, 8, 8) > 0.4).float()
    adopted = rt.adopt(made, check=x)
    assert torch.equal(adopted(x)[0], play_folded(made, x))


REFUSED: dict[str, tuple[Any, str]] = {
    "a bias that comes back": (lambda: sl.LIFRecurrent(tau_mem=9.0, rec_connect=nn.Linear(3, 3)), "sinabs leaves out of the first step"),
    "a deep recurrence": (
        lambda: sl.LIFRecurrent(tau_mem=9.0, rec_connect=nn.Sequential(nn.Linear(3, 3), nn.ReLU())),
        "rec_connect=Linear, ReLU",
    ),
    "a floor without spikes": (lambda: sl.ExpLeak(tau_mem=9.0, min_v_mem=-1.0), "min_v_mem"),
    "SpikingMaxPooling2dLayer": (lambda: sl.SpikingMaxPooling2dLayer(2), "use SumPool2d"),
    "Squeeze among sequences": (lambda: sl.IAFSqueeze(batch_size=2), "takes frames, time and batch folded into one axis"),
    "a surrogate": (lambda: sl.LIF(tau_mem=9.0, surrogate_grad_fn=torch.sigmoid), "surrogate_grad_fn=.*give surrogate="),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_adopted_is_named_with_its_place_and_the_cure(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(rsnn.InvalidValueError, match=r"1\.0: sinabs\.\w+: .*" + words):
        rt.adopt(nn.Sequential(sl.IAF(), nn.Sequential(make())))


def test_a_state_left_over_is_neither_used_nor_lost() -> None:
    model, x = sl.LIF(tau_mem=10.0), data(3, 20, 5, scale=2.0)
    model(x)
    left = model.v_mem.clone()
    adopted = rt.adopt(model, check=x)
    assert torch.equal(model.v_mem, left)
    assert torch.equal(adopted(x)[0], play(model, x))


def test_a_neuron_alone_becomes_data() -> None:
    assert neuron_of(sl.IAFSqueeze(batch_size=2, min_v_mem=-1.0)) == rsnn.presets.sinabs.IAF(min_v_mem=-1.0)


def test_the_page_of_the_manual_runs_as_it_is_shown() -> None:
    page = (Path(__file__).parents[2] / "docs/howto/sinabs.md").read_text()
    for block in re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(compile(block, "sinabs.md", "exec"), {"__name__": "__main__"})

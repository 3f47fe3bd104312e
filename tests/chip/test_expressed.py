"""Every neuron of rsnn and of four libraries, and mixes of stages, on every chip: the same spikes, or a refusal in words."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import rsnn
from rsnn import stages
from rsnn.neurons import NAMED, AnyNeuron

SPECK, CROSSBARS = ("dynapcnn", "speck2e", "speck2f"), ("loihi_lava", "loihi1_nengo", "tinyodin")
XYLO = ("xylo_audio2", "xylo_audio3", "xylo_imu")
EXACT = np.random.default_rng(0).integers(-64, 128, (6, 5)) / 128
EXACT[0, 0] = 127 / 128
"""The scale of these on Speck is 128, so that nothing is rounded, and membranes often meet the threshold."""


def neurons() -> Iterator[tuple[str, AnyNeuron]]:
    for kind in NAMED.values():
        yield kind.__name__, kind()
    yield "LIF(tau_syn=5.0)", rsnn.LIF(10.0, tau_syn=5.0)
    numbers: tuple[dict[str, Any], ...] = (
        {}, {"beta": 1.0}, {"v_reset": None}, {"beta": 1.0, "reset_mechanism": "zero"}, {"beta": 1.0, "reset_delay": False},
        {"tau_mem": 10.0}, {"tau_mem": 10.0, "tau_syn": 5.0}, {"alpha": 0.75, "beta": 0.875},
        {"alpha": 0.5, "beta": 0.875, "inhibition": True}, {"beta": 1.0, "graded_spikes_factor": 2.0},
    )  # fmt: skip
    for library in ("norse", "snntorch", "sinabs", "spikingjelly"):
        presets = getattr(rsnn.presets, library)
        for name, given in itertools.product((name for name in dir(presets) if name[0].isupper()), numbers):
            try:
                made = getattr(presets, name)(**given)
            except (TypeError, ValueError):
                continue  # this one has no such argument
            if isinstance(made, AnyNeuron):
                yield f"{library}.{name} {given}", made


def mixes() -> Iterator[tuple[str, AnyNeuron]]:
    membranes = (stages.Integrator(), stages.Leaky(beta=1.0), stages.Leaky(beta=0.875, gain="unit"), stages.Integrator(bias=0.5))
    synapses = (None, stages.Exponential(alpha=0.75))
    fires = (None, stages.Single(), stages.Strict(), stages.Multi(), stages.Multi(max_spikes=2), stages.Soft())
    resets = (
        None, stages.Subtract(), stages.Subtract(timing="next"), stages.ToValue(), stages.ToValue(0.25), stages.ToValue(timing="residual"),
        stages.Blend(), stages.BlendSubtract(), stages.Drop(), stages.Amount(0.5), stages.Gate(),
    )  # fmt: skip
    extras: tuple[dict[str, Any], ...] = (
        {"v_min": -0.5}, {"refractory": 2.0}, {"adaptation": stages.AdaptiveThreshold(tau_adapt=10.0)}, {"inhibition": True},
        {"graded": 2.0}, {"v_start": 0.5},
    )  # fmt: skip
    ends = [(reset, {}) for reset in resets] + [(reset, extra) for reset in resets[1:4:2] for extra in extras]
    for membrane, synapse, fire, (reset, extra) in itertools.product(membranes, synapses, fires, ends):
        what = f"{membrane} {synapse} {fire} {reset} {extra}"
        try:
            yield what, rsnn.Neuron(membrane=membrane, synapse=synapse, fire=fire, reset=reset, **extra)
        except ValueError:
            continue  # stages that contradict each other


def tried(network: rsnn.Network, target: str) -> rsnn.chip.ChipNetwork | None:
    """Quantise; None where it was refused as it should be."""
    try:
        return rsnn.chip.quantize(network, target)
    except rsnn.InvalidValueError as error:
        said = str(error)
    assert re.match(rf"layer \d \w+: .+ cannot be expressed on {target}: .+; .+", said), said
    return None


def test_every_target_is_tried() -> None:
    assert {*SPECK, *CROSSBARS, *XYLO} == set(rsnn.chip.TARGETS)


def events(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, shape)


@pytest.mark.parametrize("kind", [neurons, mixes])
def test_what_speck_accepts_fires_as_in_float_and_the_rest_is_refused_by_layer_parameter_and_cure(kind: Any) -> None:
    accepted = 0
    x = events(40, 2, 5)
    for name, neuron in kind():
        network = rsnn.Network([rsnn.Linear(EXACT), neuron], 5)
        chips = [tried(network, target) for target in SPECK]
        assert len({chip is None for chip in chips}) == 1, name
        if chips[0] is None:
            continue
        accepted += 1
        assert chips[0].layers[0].quantized.scale == 128
        assert np.array_equal(chips[0].run(x).output, network.run(x.astype(float)).output), name
        report = chips[0].report(x)
        assert report.layers[0].agreement == 1.0
        assert np.array_equal(chips[0].dequantize().run(x.astype(float)).output, network.run(x.astype(float)).output), name
    assert accepted >= 4


@pytest.mark.parametrize("kind", [neurons, mixes])
@pytest.mark.parametrize("target", [*CROSSBARS, *XYLO])
def test_other_chips_accept_neurons_that_agree_with_float_and_refuse_the_rest_by_layer_parameter_and_cure(kind: Any, target: str) -> None:
    accepted = 0
    x = events(80, 2, 5)
    if target == "tinyodin":  # which takes one event after the other
        x &= np.arange(5) == np.arange(80)[:, None, None] % 5
    other = rsnn.LIF(alpha=0.75, beta=0.875, fire="multi")
    for name, neuron in kind():
        last = [rsnn.Linear(EXACT), neuron]
        layers = [*last] if target in CROSSBARS else [rsnn.Linear(EXACT[:5]), other, *last]
        chip = tried(rsnn.Network(layers, 5), target)
        if chip is None:
            continue
        accepted += 1
        report = chip.report(x)
        # A neuron that had something the chip has not would differ in more than the rounding of its states.
        assert report.layers[-1].agreement > 0.8, (name, str(report))
    assert accepted >= 1

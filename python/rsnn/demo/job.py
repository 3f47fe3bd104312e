"""The five steps of the demo as plain code: data, training, numpy, integers, counting."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn.functional import cross_entropy

import rsnn
import rsnn.torch as rt
from rsnn.errors import InternalError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.console import Console

    from rsnn.demo import Settings

    Floats = NDArray[np.float32]
    Labels = NDArray[np.int64]

SHAPE = (1, 8, 8)
"""One picture: channels, rows, columns."""
CLASSES = 10
TARGET = "dynapcnn"
BATCH = 64
LEARNING_RATE = 1e-2
GAIN = 2.0
"""Weights start at this multiple of torch's default: with less, the deeper layers are nearly silent at first and learn late."""
LOGITS = 0.5
"""The count of output spikes times this goes into the softmax: larger, and fewer spikes decide."""


@dataclass(frozen=True)
class Digits:
    """Spikes (T, n, 1, 8, 8) and labels (n,) of the training and of the held-out pictures, and the held-out pictures themselves."""

    train: Floats
    train_labels: Labels
    test: Floats
    test_labels: Labels
    pictures: Floats


@dataclass(frozen=True)
class Outcome:
    """What the table says and the picture shows. Arrays are (T, n, 10): the output layer, for every held-out picture."""

    settings: Settings
    digits: Digits
    results: dict[str, Any]
    """Numbers that the seed decides."""
    seconds: dict[str, float]
    """Numbers that the machine decides."""
    spikes_float: NDArray[Any]
    spikes_integer: NDArray[Any]
    membrane_float: dict[str, NDArray[Any]]
    """``u`` before and ``v`` after the reset."""
    membrane_integer: dict[str, NDArray[Any]]
    integer_threshold: int


def do(settings: Settings, console: Console) -> Outcome:
    """Run the five steps."""
    # One thread in training: a step is some milliseconds of small operations, and torch's sums depend on how many threads share them.
    torch.set_num_threads(1)
    torch.manual_seed(settings.seed)
    digits = load(settings)
    model = build()
    seconds = train(model, digits, settings, console)

    net = rt.to_network(model, input_shape=SHAPE)
    last = max(net.neurons)
    compared, different = compare(model, net, digits.test)
    start = time.perf_counter()
    in_float = net.run(digits.test, record={last: ("u", "v")}, threads=settings.threads)
    seconds["numpy_run"] = time.perf_counter() - start

    chip = rsnn.chip.quantize(net, target=TARGET)
    start = time.perf_counter()
    in_integers = chip.run(digits.test, record=("u", "v"), threads=settings.threads)
    seconds["integer_run"] = time.perf_counter() - start

    answers = {"float": in_float.output.sum(0).argmax(1), "integer": in_integers.output.sum(0).argmax(1)}
    n = len(digits.test_labels)
    results = {
        "seed": settings.seed,
        "test_pictures": n,
        **{f"accuracy_{name}": float((answer == digits.test_labels).mean()) for name, answer in answers.items()},
        "agreement": float((answers["float"] == answers["integer"]).mean()),
        "spikes_float": sum(one.spikes or 0 for one in in_float.stats.values()) / n,
        "spikes_integer": sum(one.spikes for one in in_integers.stats.values()) / n,
        "synops_float": sum(one.synops or 0 for one in in_float.stats.values()) / n,
        "synops_integer": in_integers.synops / n,
        "states_beyond_16_bits": in_integers.beyond,
        "limits_exceeded": [str(limit) for limit in chip.check().violations],
        "spike_trains_compared": compared,
        "spike_trains_different": different,
    }
    return Outcome(
        settings,
        digits,
        results,
        seconds,
        in_float.output,
        in_integers.output,
        in_float.traces[last],
        in_integers.traces[last],
        chip.layers[-1].v_threshold,
    )


def load(settings: Settings) -> Digits:
    """Split the digits, and let every pixel drive a neuron that fires at a rate of its brightness, from a phase of its own."""
    pixels, labels = load_digits(return_X_y=True)
    pictures = (pixels / pixels.max()).astype(np.float32).reshape(-1, *SHAPE)
    train, test, train_labels, test_labels = train_test_split(pictures, labels, test_size=0.25, random_state=settings.seed, stratify=labels)
    rng = np.random.default_rng(settings.seed)
    encoder = rsnn.IAF(fire="single")

    def spikes(pictures: Floats) -> Floats:
        phase = rng.random(pictures.shape, dtype=np.float32)
        encoded: Floats = rsnn.simulate(encoder, pictures, encoder.init_state(pictures.shape, v=phase), steps=settings.steps).spikes
        return encoded

    return Digits(spikes(train), train_labels, spikes(test), test_labels, test)


def build() -> rt.Sequential:
    """Make the network: every neuron integrates and fires, no layer has a bias, so that all of it exists on the chip."""
    model = rt.Sequential(
        rt.Conv2d(1, 16, 3, padding=1, bias=False),
        rt.IAF(),
        rt.AvgPool2d(2),
        rt.Conv2d(16, 32, 3, padding=1, bias=False),
        rt.IAF(),
        rt.AvgPool2d(2),
        torch.nn.Flatten(),
        rt.Linear(128, CLASSES, bias=False),
        rt.IAF(),
    )
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(GAIN)
    return model


def train(model: rt.Sequential, digits: Digits, settings: Settings, console: Console) -> dict[str, float]:
    """Train on the spike counts of the output layer; returns how long it took."""
    x, labels = torch.from_numpy(digits.train), torch.from_numpy(digits.train_labels)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    batches = -(-len(labels) // BATCH)
    steps = settings.epochs * batches
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=max(steps, 2))
    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    start = time.perf_counter()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=steps)
        for epoch in range(settings.epochs):
            right = 0
            for chosen in torch.split(torch.randperm(len(labels)), BATCH):
                spikes, state = model(x[:, chosen])
                # A whole number of spikes, and what is left on the membrane: a class that never fires still learns from it.
                logits = LOGITS * (spikes.sum(0) + state[len(model) - 1].v)
                loss = cross_entropy(logits, labels[chosen])
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
                right += int((logits.argmax(1) == labels[chosen]).sum())
                progress.advance(task)
            text = f"epoch {epoch + 1}/{settings.epochs}  loss {loss.item():.3f}  training accuracy {right / len(labels):.1%}"
            progress.update(task, description=text)
    elapsed = time.perf_counter() - start
    return {"training": elapsed, "training_step": elapsed / steps}


def compare(model: rt.Sequential, net: rsnn.Network, x: Floats) -> tuple[int, int]:
    """Count the spike trains of all neurons in torch and in numpy, and those that differ anywhere: there must be none."""
    with torch.no_grad():
        expected = model.run(torch.from_numpy(x), record=()).spikes
    found = net.run(x).spikes
    compared = different = 0
    for k, spikes in expected.items():
        unequal = (spikes.numpy() != found[k]).any(axis=0)
        compared += unequal.size
        different += int(unequal.sum())
    if different:
        raise InternalError(
            f"{different} of {compared} spike trains differ between torch and numpy; please report it with `python -m rsnn info`"
        )
    return compared, different

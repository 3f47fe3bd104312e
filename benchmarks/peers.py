"""Measure a LIF layer against the libraries people use: ``make bench-peers``, which installs them into an environment of their own.

The same work for all: a layer of leaky integrate-and-fire neurons over a whole float32 input on one thread, forward, without gradients.
A library that is not installed is left out.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from typing import Any

import neurons
import numpy as np
import torch

import rsnn

SHAPES = ((1000, 1, 4096), (100, 64, 1024))
ROUNDS = 7


def snntorch(x: torch.Tensor) -> Callable[[], Any]:
    """Call `Leaky` once a step, as snnTorch is used."""
    cell = importlib.import_module("snntorch").Leaky(beta=0.9)

    def run() -> Any:
        v, spikes = cell.init_leaky(), []
        for x_t in x.unbind():
            s, v = cell(x_t, v)
            spikes.append(s)
        return torch.stack(spikes)

    return run


def norse(x: torch.Tensor) -> Callable[[], Any]:
    """Call the sequence module `LIF`."""
    layer = importlib.import_module("norse.torch").LIF()
    return lambda: layer(x)


def sinabs(x: torch.Tensor) -> Callable[[], Any]:
    """Call the sequence module `LIF` on its batch-first input, from rest."""
    layer = importlib.import_module("sinabs.layers").LIF(tau_mem=10.0)
    batch_first = x.transpose(0, 1).contiguous()

    def run() -> Any:
        layer.reset_states()
        return layer(batch_first)

    return run


def spikingjelly(x: torch.Tensor) -> Callable[[], Any]:
    """Call `LIFNode` in multi-step mode, from rest."""
    node = importlib.import_module("spikingjelly.activation_based.neuron").LIFNode(tau=10.0, step_mode="m")
    reset = importlib.import_module("spikingjelly.activation_based.functional").reset_net

    def run() -> Any:
        reset(node)
        return node(x)

    return run


def main() -> int:
    """Measure and print a table."""
    warnings.simplefilter("ignore")  # of the other libraries
    torch.set_num_threads(1)
    print("| library | shape (T, B, N) | ms | time / rsnn |\n|---|---|---|---|")
    for shape in SHAPES:
        x = np.random.default_rng(0).random(shape, dtype=np.float32) * np.float32(0.3)
        out = np.zeros_like(x)
        lif = rsnn.LIF(beta=0.9)
        contestants: dict[str, Callable[[int], Any]] = {"rsnn": lambda _: rsnn.simulate(lif, x, out=out, threads=1)}  # noqa: B023
        with torch.no_grad():
            for make in (snntorch, norse, sinabs, spikingjelly):
                try:
                    run = make(torch.from_numpy(x))
                except ImportError as error:
                    print(f"{make.__name__} is left out: {error}", file=sys.stderr)
                    continue
                contestants[make.__name__] = lambda _, run=run: run()  # type: ignore[misc]
            seconds = neurons.least(contestants, ROUNDS)
        for name, time in seconds.items():
            print(f"| {name} | {shape} | {time * 1e3:.2f} | {time / seconds['rsnn']:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

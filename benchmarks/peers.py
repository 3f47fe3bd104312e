"""Measure a LIF layer against the libraries people use: ``make bench-peers``, which installs them into an environment of their own.

The same work for all, on one core: a layer of leaky integrate-and-fire neurons with a synapse over a whole float32 input; forward without
gradients, and forward with the gradient of the input, the gradient of the spikes handed in. A library that is not installed is left out.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import neurons
import numpy as np
import torch
from training import ALPHA, BETA, torch_loop

import rsnn.torch as rt

ROUNDS = 7

Array = np.ndarray[Any, np.dtype[np.float32]]
Layer = Callable[[torch.Tensor], torch.Tensor]


def ours() -> Layer:
    """Call one operator."""
    layer = rt.LIF(beta=BETA, alpha=ALPHA)
    return lambda x: layer(x)[0]


def snntorch() -> Layer:
    """Call `Synaptic` once a step, as snnTorch is used."""
    cell = importlib.import_module("snntorch").Synaptic(alpha=ALPHA, beta=BETA)

    def run(x: torch.Tensor) -> torch.Tensor:
        (i, v), spikes = cell.init_synaptic(), []
        for x_t in x.unbind():
            s, i, v = cell(x_t, i, v)
            spikes.append(s)
        return torch.stack(spikes)

    return run


def norse() -> Layer:
    """Call the sequence module `LIF`."""
    layer = importlib.import_module("norse.torch").LIF()
    return lambda x: layer(x)[0]


def sinabs() -> Layer:
    """Call the sequence module `LIF` on its batch-first input, from rest."""
    layer = importlib.import_module("sinabs.layers").LIF(tau_mem=10.0, tau_syn=5.0)

    def run(x: torch.Tensor) -> torch.Tensor:
        layer.reset_states()
        spikes: torch.Tensor = layer(x.transpose(0, 1))
        return spikes

    return run


def spikingjelly() -> Layer:
    """Call `CUBALIFNode` in multi-step mode, from rest."""
    node = importlib.import_module("spikingjelly.activation_based.neuron").CUBALIFNode(c_decay=ALPHA, v_decay=BETA, v_threshold=1.0)
    node.step_mode = "m"
    reset = importlib.import_module("spikingjelly.activation_based.functional").reset_net

    def run(x: torch.Tensor) -> torch.Tensor:
        reset(node)
        spikes: torch.Tensor = node(x)
        return spikes

    return run


def jax_scan(x: Array, gradient: Array) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Compile a scan over time, and its vector-Jacobian product; give both as calls that wait for the result."""
    jax = importlib.import_module("jax")
    jnp = jax.numpy
    spike = jax.custom_jvp(lambda y: (y >= 0).astype(y.dtype))

    def slope(primals: Any, tangents: Any) -> Any:
        (y,), (dy,) = primals, tangents
        return spike(y), dy / (1 + (jnp.pi * y) ** 2)

    spike.defjvp(slope)

    def step(state: Any, x_t: Any) -> Any:
        i, v = state
        i = ALPHA * i + x_t
        u = BETA * v + i
        s = spike(u - 1.0)
        return (i, u - jax.lax.stop_gradient(s)), s

    def forward(x: Any) -> Any:
        zero = jnp.zeros_like(x[0])
        return jax.lax.scan(step, (zero, zero), x)[1]

    def both(x: Any, gradient: Any) -> Any:
        spikes, pull = jax.vjp(forward, x)
        return spikes, pull(gradient)[0]

    run, train = jax.jit(forward), jax.jit(both)
    x, gradient = jnp.asarray(x), jnp.asarray(gradient)
    return lambda: run(x).block_until_ready(), lambda: [each.block_until_ready() for each in train(x, gradient)]


MAKERS = {
    "rsnn": ours,
    "torch loop": lambda: torch_loop,
    "snntorch": snntorch,
    "norse": norse,
    "sinabs": sinabs,
    "spikingjelly": spikingjelly,
}


def contestants(shape: tuple[int, ...]) -> tuple[dict[str, Callable[[int], Any]], dict[str, Callable[[int], Any]]]:
    """Everybody who is installed, forwards, and forwards and backwards."""
    x = np.random.default_rng(0).random(shape, dtype=np.float32) * np.float32(0.1)
    gradient = np.random.default_rng(1).random(shape, dtype=np.float32)
    forward: dict[str, Callable[[int], Any]] = {}
    training: dict[str, Callable[[int], Any]] = {}

    of = torch.from_numpy(x).requires_grad_()

    def call(layer: Layer) -> None:
        with torch.no_grad():
            layer(torch.from_numpy(x))

    def train(layer: Layer) -> None:
        of.grad = None
        torch.autograd.backward(layer(of), torch.from_numpy(gradient))

    for name, make in MAKERS.items():
        try:
            layer = make()
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        forward[name] = lambda _, layer=layer: call(layer)  # type: ignore[misc]
        training[name] = lambda _, layer=layer: train(layer)  # type: ignore[misc]
    try:
        run, both = jax_scan(x, gradient)
    except ImportError as error:
        print(f"jax is left out: {error}", file=sys.stderr)
    else:
        forward["jax scan"], training["jax scan"] = lambda _: run(), lambda _: both()
    return forward, training


def main() -> int:
    """Measure and print a table."""
    warnings.simplefilter("ignore")  # of the other libraries
    if hasattr(os, "sched_setaffinity"):  # jax asks nobody how many threads it may use
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    print("| library | shape (T, B, N) | work | ms | time / rsnn |\n|---|---|---|---|---|")
    for shape in neurons.SHAPES:
        for work, all_of_them in zip(("forward", "forward + backward"), contestants(shape), strict=True):
            seconds = neurons.least(all_of_them, ROUNDS)
            for name, time in seconds.items():
                print(f"| {name} | {shape} | {work} | {time * 1e3:.2f} | {time / seconds['rsnn']:.1f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

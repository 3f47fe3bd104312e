"""Measure against the libraries people use: part of ``make bench``, in an environment of their own (``make peers``).

The same work for all, on one core: a layer of leaky integrate-and-fire neurons with a synapse over a whole float32 input; forward without
gradients (of rsnn both ways: numpy into an array that is there, and the torch layer), and forward with the gradient of the input, the
gradient of the spikes handed in. DynapCNN's emulator runs beside sinabs' as well. A library that is not installed is left out, and
the page says so.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import chips
import neurons
import numpy as np
import part
import torch
from targets import Aim, Figure
from training import ALPHA, BETA, torch_loop

import rsnn
import rsnn.torch as rt

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
        return spikes.transpose(0, 1)

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


LIBRARIES: dict[str, Callable[[], Layer]] = {"snntorch": snntorch, "norse": norse, "sinabs": sinabs, "spikingjelly": spikingjelly}
JAX = "jax, a compiled scan"
Contestants = dict[str, Callable[[int], Any]]


def contestants(shape: tuple[int, ...]) -> tuple[Contestants, Contestants, dict[str, str]]:
    """Everybody who is installed, forwards, and forwards and backwards; and why the others are not here."""
    x = np.random.default_rng(0).random(shape, dtype=np.float32) * np.float32(0.1)
    gradient = np.random.default_rng(1).random(shape, dtype=np.float32)
    out, neuron = np.zeros_like(x), rsnn.LIF(beta=BETA, alpha=ALPHA)
    of = torch.from_numpy(x).requires_grad_()
    layers: dict[str, Layer] = {"rsnn, torch layer": ours(), "torch loop": torch_loop}
    absent: dict[str, str] = {}

    def call(layer: Layer) -> None:
        with torch.no_grad():
            layer(torch.from_numpy(x))

    def train(layer: Layer) -> None:
        of.grad = None
        torch.autograd.backward(layer(of), torch.from_numpy(gradient))

    for name, make in LIBRARIES.items():
        try:
            layers[name] = make()
        except ImportError as error:
            absent[name] = str(error)
    forward: Contestants = {"rsnn": lambda _: rsnn.simulate(neuron, x, out=out, threads=1)}
    forward |= {name: lambda _, layer=layer: call(layer) for name, layer in layers.items()}  # type: ignore[misc]
    training: Contestants = {name: lambda _, layer=layer: train(layer) for name, layer in layers.items()}  # type: ignore[misc]
    try:
        run, both = jax_scan(x, gradient)
    except ImportError as error:
        absent[JAX] = str(error)
    else:
        forward[JAX], training[JAX] = lambda _: run(), lambda _: both()
    return forward, training, absent


def beside(shape: tuple[int, ...], rounds: int) -> Iterator[Figure]:
    """Measure everybody at one shape."""
    forward, training, absent = contestants(shape)
    for aim, work, ours, runs in (
        (Aim.PEERS, "forward", "rsnn", forward),
        (Aim.PEERS_TRAIN, "forward + backward", "rsnn, torch layer", training),
    ):
        # Jax compiles, and the others allocate, in a first round that does not count.
        neurons.least(runs, 1)
        seconds = neurons.least(runs, rounds)
        ratios = {name: each / seconds[ours] for name, each in seconds.items()}
        for name, each in seconds.items():
            yield Figure(name, f"{shape}, {work}", "ms", each * 1e3)
            yield Figure(name, f"{shape}, {work}", "time / rsnn", ratios[name])
        libraries = [name for name in LIBRARIES if name in ratios]
        fastest = min(libraries, key=ratios.__getitem__, default=None)
        yield aim.found(str(shape), ratios[fastest], fastest) if fastest else aim.found(str(shape), None, "none of them is installed")
    yield Aim.JAX.found(str(shape), ratios.get(JAX), absent.get(JAX, ""))
    for name, why in absent.items():
        yield Figure(name, str(shape), "time / rsnn", None, why)


def measure(effort: part.Effort) -> Iterator[Figure]:
    """Measure everybody on one core."""
    warnings.simplefilter("ignore")  # of the other libraries
    if hasattr(os, "sched_setaffinity"):  # jax asks nobody how many threads it may use
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    for shape in neurons.SHAPES:
        yield from beside(shape, effort.part(2))
    name, ratio, note = chips.beside_floats(effort.part(4), 0.01)
    yield Aim.SINABS.only(*((ratio, note) if name == "sinabs" else (None, "sinabs is not installed")))


if __name__ == "__main__":
    part.main(measure, __doc__)

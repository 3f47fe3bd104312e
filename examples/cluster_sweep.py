"""A sweep over a network's parameters, in one process, in several on this machine, or on a cluster, with dask.distributed.

A thousand leaky neurons, eight in ten of them exciting and the others inhibiting whom they reach, are driven by noise (Brunel 2000). Swept
are how much stronger inhibition is than excitation, and how strong the drive is; of every point the mean rate, the irregularity of single
neurons (the coefficient of variation of the time between their spikes: 0 of a clock, 1 of chance) and the synchrony of all of them.

A `rsnn.Network` is data: it is made here, pickled, a few bytes more than its weights, and run there. Every point is one task that runs on
one thread, so as many run at a time as the workers have threads, and no core has two. Whoever computes a point, its bits are the same.

    python examples/cluster_sweep.py [--help]                                     a process for each core of this machine
    python examples/cluster_sweep.py --workers 0                                  this process alone
    python examples/cluster_sweep.py --scheduler tcp://HOST:8786                  a cluster, whose workers have rsnn

A cluster is started with ``dask scheduler`` on one machine and ``dask worker tcp://HOST:8786 --nthreads 8`` on each of the others, or by
dask-jobqueue under Slurm. ``--epochs`` are rounds of 500 steps at each point.

Came out (Intel Xeon, 2 cores, busy with other work, 2026-11-29): where excitation wins all fire at once, up to 228 times a second and as
regularly as clocks; where inhibition is five times stronger and more, each fires on its own and irregularly, up to 0.70. Two processes
and one gave the same bits; one took 40 s.
"""

import hashlib
import logging
import os
import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import command
import numpy as np
from command import Settings
from matplotlib.figure import Figure

import rsnn
from rsnn import plot

# `distributed` is dask's here, not the example of that name beside this one: what is installed comes first, also in the workers.
BESIDE = str(Path(__file__).parent)
sys.path[:] = [*(path for path in sys.path if path != BESIDE), BESIDE]

try:
    dask: Any = import_module("distributed")
except ModuleNotFoundError as error:
    raise SystemExit(f'this example needs {error.name}, which this Python does not have: pip install "rsnn[distributed]"') from None

ROUND = 500
"""Steps in a round; 2 steps are a millisecond."""
WARM_UP = 200
"""Steps at the start that are not counted."""
CONNECTED = 0.1
EXCITATORY = 0.8
WEIGHT = 0.4
"""Of an excitatory connection; the threshold is 20."""

Point = tuple[float, float]
"""Strength of inhibition over excitation, and of the drive: 1 brings the mean membrane to the threshold."""


def network(inhibition: float, n: int, seed: int) -> rsnn.Network:
    """Make the network; its connections depend on the seed alone."""
    rng = np.random.default_rng(seed)
    weight = WEIGHT * (rng.random((n, n)) < CONNECTED)
    weight[:, int(EXCITATORY * n) :] *= -inhibition
    cells = rsnn.LIF(tau_mem=20.0, dt=0.5, v_threshold=20.0, reset="value", v_reset=10.0, refractory=2.0, gain="unit")
    return rsnn.Network([("cells", rsnn.Recurrent(cells, weight.astype(np.float32)))], input_shape=n)


def measure(net: rsnn.Network, drive: float, steps: int, seed: int) -> dict[str, Any]:
    """Run the network with noise of this strength, on one thread, and say what its spikes are like."""
    begin, busy = time.perf_counter(), time.process_time()
    (n,), rng = net.shapes[-1], np.random.default_rng(seed)
    # A mean of 0.5 a step holds a membrane that keeps 0.975 of itself at 20.
    x = WEIGHT * rng.poisson(0.5 * drive / WEIGHT, (steps, n))
    spikes = net.run(x.astype(np.float32), threads=1).spikes["cells"]
    late = spikes[WARM_UP:]
    intervals = [np.diff(late[:, k].nonzero()[0]) for k in range(n)]
    irregular = [float(one.std() / one.mean()) for one in intervals if len(one) >= 3]
    together, alone = late.mean(axis=1).var(), late.var(axis=0).mean()
    return {
        "rate": float(late.mean() * 2000.0),
        "irregularity": float(np.mean(irregular)) if irregular else 0.0,
        "synchrony": float(n * together / alone) if alone else 0.0,
        "digest": hashlib.sha256(np.packbits(spikes.astype(bool)).tobytes()).hexdigest(),
        "process": os.getpid(),
        "cores": (time.process_time() - busy) / (time.perf_counter() - begin),
    }


@contextmanager
def client(settings: Settings) -> Iterator[Any]:
    """Give who computes: a cluster's scheduler, workers started here, or nobody else."""
    address, workers = settings.options["scheduler"], settings.options["workers"]
    if address is not None:
        try:
            there = dask.Client(address, timeout=10)
        except (OSError, ValueError) as error:
            raise SystemExit(f"--scheduler {address}: no scheduler answers there ({error}); start one with: dask scheduler") from None
        with there:
            yield there
    elif workers == 0:
        yield None
    else:
        with ExitStack() as open_:
            with uninterrupted():
                cluster = dask.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL)
                mine = open_.enter_context(dask.Client(open_.enter_context(cluster)))
                mine.wait_for_workers(workers)  # or those that are there first compute everything
            yield mine


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C waiting while workers start: dask would leave half of them behind."""
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt


def sweep(settings: Settings, points: list[Point], n: int) -> Iterator[tuple[Point, dict[str, Any]]]:
    """Measure every point, in whatever order they are ready."""
    steps = WARM_UP + ROUND * settings.epochs
    nets = {inhibition: network(inhibition, n, settings.seed) for inhibition in dict.fromkeys(g for g, _ in points)}
    with client(settings) as there:
        if there is None:
            for g, drive in points:
                yield (g, drive), measure(nets[g], drive, steps, settings.seed)
            return
        held = {g: there.scatter(net, broadcast=True) for g, net in nets.items()}
        tasks = {there.submit(measure, held[g], drive, steps, settings.seed, pure=False): (g, drive) for g, drive in points}
        for done, found in dask.as_completed(tasks, with_results=True):
            yield tasks[done], found


def run(settings: Settings) -> command.Outcome:
    """Sweep, and tell and draw what came out."""
    n = 200 if settings.quick else 1000
    inhibitions = [3.0, 6.0] if settings.quick else [2.0, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0]
    drives = [0.8, 1.5] if settings.quick else [0.6, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0, 4.0]
    points = [(g, drive) for g in inhibitions for drive in drives]
    found: dict[Point, dict[str, Any]] = {}
    with command.progress(f"{len(points)} points", len(points)) as advance:
        for point, one in sweep(settings, points, n):
            found[point] = one
            advance(f"{one['rate']:.1f} Hz")
    rows = [{"inhibition": g, "drive": drive, **found[g, drive]} for g, drive in points]
    processes, cores = len({row.pop("process") for row in rows}), max(row.pop("cores") for row in rows)
    print(f"{len(rows)} points by {processes} process{'es' if processes > 1 else ''}, each of which kept at most {cores:.2f} cores busy")
    for name, unit in (("rate", "Hz"), ("irregularity", ""), ("synchrony", "")):
        values = [row[name] for row in rows]
        print(f"{name:<14}{min(values):>8.2f} to {max(values):.2f} {unit}")
    return {"points": rows, "processes": processes, "cores": cores, "neurons": n}, draw(found, inhibitions, drives)


def draw(found: dict[Point, dict[str, Any]], inhibitions: list[float], drives: list[float]) -> Figure:
    """Draw rate, irregularity and synchrony over both parameters."""
    figure = Figure(figsize=(12.0, 4.0))
    titles = {"rate": "mean rate in Hz", "irregularity": "irregularity (1: as chance)", "synchrony": "synchrony (1: none)"}
    for axes, (name, title) in zip(figure.subplots(1, 3), titles.items(), strict=True):
        values = np.array([[found[g, drive][name] for g in inhibitions] for drive in drives])
        scale = "log" if name == "synchrony" else "linear"
        image = axes.imshow(values, origin="lower", aspect="auto", cmap="viridis", norm=scale)
        axes.set(xticks=range(len(inhibitions)), yticks=range(len(drives)), xticklabels=inhibitions, yticklabels=drives)
        axes.set(xlabel="inhibition over excitation", ylabel="drive", title=title)
        figure.colorbar(image, ax=axes)
    figure.text(0.995, 0.005, f"rsnn {rsnn.__version__}", ha="right", color=plot.INK, fontsize=7)
    return figure


def options(parser: ArgumentParser) -> None:
    """Add the options that say who computes."""
    cores = rsnn.get_num_threads()
    parser.add_argument("--workers", type=int, default=cores, metavar="N", help=f"processes of this machine, 0: none (default {cores})")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a dask cluster, such as tcp://HOST:8786")


if __name__ == "__main__":
    command.main(run, __doc__ or "", epochs=6, quick_epochs=1, options=options)

"""``rsnn simulate``: a neuron by its name, an input from a file, the result into one."""

from __future__ import annotations

import ast
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

import rsnn
from rsnn.arguments import did_you_mean
from rsnn.errors import InvalidValueError

from .files import array_from, check_output
from .terminal import working

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from rsnn.composed import AnyNeuron


def run(options: argparse.Namespace) -> int:
    """Run the command: 0 where the result was written."""
    if options.out is not None:
        check_output("--out", options.out, ("npz",))
    if options.picture is not None:
        check_output("--picture", options.picture, _pictures())
    neuron, x, steps = _task(options)
    spiking = neuron.kernel().spiking
    record = tuple(options.record) or (("v",) if options.picture is not None and spiking else ())  # a picture shows a membrane
    with working("running"):
        out = rsnn.simulate(neuron, x, record=record, steps=steps, threads=options.threads)
    print(repr(neuron))
    times, cells = len(out.output), int(np.prod(out.output.shape[1:], dtype=int))
    counted = f"{int(out.output.sum()):,} spikes" if spiking else f"membrane {out.output.min():.6g} to {out.output.max():.6g}"
    print(f"  {times:,} step{'s' * (times != 1)}, {cells:,} neuron{'s' * (cells != 1)}: {counted}")
    when = np.flatnonzero(out.output) if spiking and cells == 1 else ()
    if len(when):
        print(f"  at steps {' '.join(map(str, when[:20]))}{' ...' if len(when) > 20 else ''}")
    if options.out is not None:
        _save(options.out, out, options.record)
        print(f"  wrote {options.out}")
    if options.picture is not None:
        _draw(options.picture, out, neuron)
        print(f"  drew {options.picture}")
    return 0


def _task(options: argparse.Namespace) -> tuple[AnyNeuron, Any, int | None]:
    """Tell what runs over what: the neuron, its input, and for how long where the input is constant."""
    neuron, x, steps = _neuron(options.neuron, options.set)
    if options.input is not None:
        if options.constant is not None or options.steps is not None:
            raise InvalidValueError("--constant and --steps stand in place of a file; give one of both")
        return neuron, array_from(options.input), None
    if options.constant is not None:
        if options.steps is None:
            raise InvalidValueError(f"--constant {options.constant:g}: say for how long as well: --steps 100")
        return neuron, np.float64(options.constant), options.steps
    if x is None:
        raise InvalidValueError("an input is missing: give a file of an array (T, ...), or --constant X --steps T")
    return neuron, x, steps


def _neuron(name: str, settings: Sequence[str]) -> tuple[AnyNeuron, Any, int | None]:
    """Find a neuron by its name: of rsnn, a published behaviour with its input, or of another library."""
    arguments = dict(_setting(text) for text in settings)
    kind, _, behaviour = name.partition(":")
    library, _, cell = kind.rpartition(".")
    if library:
        module = _one_of("library", library, {one: getattr(rsnn.presets, one) for one in ("norse", "sinabs", "snntorch", "spikingjelly")})
        made = _one_of(
            f"neuron of {library}", cell, {one: getattr(module, one) for one in module.__all__ if hasattr(getattr(module, one), "stages")}
        )
        return _make(made, arguments), None, None
    made = _one_of("neuron", kind.lower(), rsnn.neurons.NAMED)
    if not behaviour:
        return _make(made, arguments), None, None
    if not hasattr(made, "named") or arguments:
        raise InvalidValueError(f"{name}: only izhikevich and adex have named behaviours, and these take no --set")
    neuron, current, _ = made.named(behaviour)
    return neuron, current, None


def _make(made: Callable[..., AnyNeuron], arguments: dict[str, Any]) -> AnyNeuron:
    known = signature(made).parameters
    for name in arguments:
        if name not in known:
            raise InvalidValueError(f"--set {name}: {made.__name__} has {', '.join(known)}{did_you_mean(name, known)}")
    missing = [name for name, one in known.items() if one.default is one.empty and name not in arguments]
    if missing:
        raise InvalidValueError(f"{made.__name__}: {', '.join(missing)} must be given: --set {' '.join(f'{name}=...' for name in missing)}")
    return made(**arguments)


def _one_of(what: str, name: str, known: dict[str, Any]) -> Any:
    if name not in known:
        raise InvalidValueError(f"{name!r} is no {what}; there are {', '.join(known)}{did_you_mean(name, known)}")
    return known[name]


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidValueError(f"--set {text}: write NAME=VALUE, as tau_mem=20")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value  # a word, as reset=zero


def _save(path: Path, out: rsnn.Result, wanted: Sequence[str]) -> None:
    traces = {name: out.traces[name] for name in wanted}
    np.savez(path, output=out.output, **traces, **{f"state_{name}": value for name, value in out.state._asdict().items()})


def _pictures() -> Collection[str]:
    """Give the kinds of pictures that can be written."""
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError:
        raise InvalidValueError('--picture needs matplotlib: pip install "rsnn[plot]"') from None
    return FigureCanvasBase.get_supported_filetypes()


def _draw(path: Path, out: rsnn.Result, neuron: AnyNeuron) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    out.plot(figure, threshold=neuron)
    figure.savefig(path, dpi=150)

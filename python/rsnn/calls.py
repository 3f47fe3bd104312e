"""A neuron and its run in one call: `lif`, `li`, `iaf` and so on, one for each line of `rsnn.neurons.NAMED`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from inspect import Parameter, Signature, signature
from typing import Any

from .arguments import did_you_mean, shown
from .errors import InvalidTypeError
from .neurons import NAMED
from .simulation import Result, simulate

_RUN = tuple(p for p in signature(simulate).parameters.values() if p.name not in ("neuron", "x"))
_EXAMPLES = {
    "li": "rsnn.li(1.0, beta=0.5, steps=3).output.tolist()\n    [1.0, 1.5, 1.75]",
    "lif": "rsnn.lif(11.0, tau_mem=20.0, v_threshold=10.0, steps=100).spikes.nonzero()[0].tolist()\n    [47, 95]",
    "iaf": "rsnn.iaf([0.5, 0.5, 2.5]).spikes.tolist()\n    [0.0, 1.0, 2.0]",
    "alif": "rsnn.alif(1.0, beta=0.5, tau_adapt=2.0, steps=8).spikes.nonzero()[0].tolist()\n    [0, 2, 5, 7]",
    "alpha": "rsnn.alpha([1.0, 0.0, 0.0, 0.0], beta=0.5).spikes.tolist()\n    [0.0, 0.0, 1.0, 1.0]",
    "eif": "rsnn.eif(5.0, dt=0.5, steps=100).spikes.nonzero()[0].tolist()\n    [54]",
    "qif": "rsnn.qif(0.5, steps=100).spikes.nonzero()[0].tolist()\n    [48]",
    "adex": "rsnn.adex(800.0, dt=0.5, steps=250).spikes.nonzero()[0].tolist()\n    [37, 85, 150, 240]",
    "izhikevich": "rsnn.izhikevich(10.0, dt=0.25, steps=400).spikes.nonzero()[0].tolist()\n    [14, 115, 299]",
    "glif3": "rsnn.glif3(400.0, steps=100).spikes.nonzero()[0].tolist()\n    [6, 23, 43, 63, 84]",
}


def _call(name: str, kind: type[Any]) -> Callable[..., Result]:
    own = [
        Parameter(f.name, Parameter.KEYWORD_ONLY if f.kw_only else Parameter.POSITIONAL_OR_KEYWORD, default=f.default) for f in fields(kind)
    ]
    run = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in _RUN]
    known = {p.name for p in (*own, *run)}
    positional = [p.name for p in own if p.kind is not Parameter.KEYWORD_ONLY]

    def call(x: Any, *values: Any, **named: Any) -> Result:
        if len(values) > len(positional):
            raise InvalidTypeError(
                f"{name}(): {shown(values[len(positional)])} came without a name; give it by name, as in rsnn.{kind.__name__}"
            )
        for key in named:
            if key not in known or key in positional[: len(values)]:
                twice = "; it came twice" if key in known else did_you_mean(key, known)
                raise InvalidTypeError(
                    f"{name}(): {key}={shown(named[key])} is not an argument of rsnn.{kind.__name__} or rsnn.simulate{twice}"
                )
        options = {p.name: named.pop(p.name) for p in run if p.name in named}
        result: Result = simulate(kind(*values, **named), x, **options)
        return result

    call.__name__ = call.__qualname__ = name
    call.__module__ = __name__
    call.__signature__ = Signature(  # type: ignore[attr-defined]
        [Parameter("x", Parameter.POSITIONAL_OR_KEYWORD), *sorted((*own, *run), key=lambda p: p.kind)]
    )
    call.__doc__ = f"""Run a `rsnn.{kind.__name__}` over time in one call.

    Parameters
    ----------
    x : array_like
        The input, as of `rsnn.simulate`; a number with ``steps=`` is a constant input.
    {", ".join(p.name for p in own)}
        As of `rsnn.{kind.__name__}`.
    {", ".join(p.name for p in run)}
        As of `rsnn.simulate`.

    Returns
    -------
    Result

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As `rsnn.{kind.__name__}` and `rsnn.simulate` do.

    Examples
    --------
    >>> import rsnn
    >>> {_EXAMPLES[name]}
    """
    return call


li = _call("li", NAMED["li"])
lif = _call("lif", NAMED["lif"])
iaf = _call("iaf", NAMED["iaf"])
alif = _call("alif", NAMED["alif"])
alpha = _call("alpha", NAMED["alpha"])
eif = _call("eif", NAMED["eif"])
qif = _call("qif", NAMED["qif"])
adex = _call("adex", NAMED["adex"])
izhikevich = _call("izhikevich", NAMED["izhikevich"])
glif3 = _call("glif3", NAMED["glif3"])

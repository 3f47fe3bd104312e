"""What a layer does not accept is refused before any work: the message names it, what came, what is accepted, the cure."""

import builtins
import importlib
import inspect
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch_neurons import NEURONS, data

import rsnn
import rsnn.torch as rt

X = torch.from_numpy(data((6, 2, 5)))
LAYER = rt.LIF(beta=0.9, alpha=0.5)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: LAYER(X.long()), rsnn.InvalidTypeError, r"x is torch.int64: must be float32 or float64; x.float\(\)"),
        (lambda: LAYER(X.bool()), rsnn.InvalidTypeError, "x is torch.bool"),
        (lambda: LAYER(X.to(torch.complex64)), rsnn.InvalidTypeError, "x is torch.complex64"),
        (lambda: LAYER(X.numpy()), rsnn.InvalidTypeError, "x is ndarray: must be a tensor; torch.from_numpy.*rsnn.simulate"),
        (lambda: LAYER([1.0]), rsnn.InvalidTypeError, "x is list"),
        (lambda: LAYER(X.to_sparse()), rsnn.InvalidTypeError, r"x has the layout torch.sparse_coo: must be dense; x.to_dense\(\)"),
        (lambda: LAYER(X[0, 0]), rsnn.InvalidValueError, r"x has the shape \(5,\): must have at least 2 axes, \(T, B, ...\)"),
        (lambda: rt.IAF(batch_first=True)(X[0, 0]), rsnn.InvalidValueError, r"\(B, T, ...\)"),
        (lambda: LAYER.step(torch.tensor(1.0)), rsnn.InvalidValueError, "at least 1 axis"),
        (lambda: LAYER.step(1.0), rsnn.InvalidTypeError, "x is float"),
        (lambda: LAYER(X.to("meta")), rsnn.InvalidValueError, "is on cpu and x on meta.*layer.to"),
        (lambda: rt.LIF(beta=0.9).to("meta")(X), rsnn.InvalidValueError, "is on meta and x on cpu"),
        (lambda: rt.LIF(beta=0.9, backend="rust").to("meta")(X.to("meta")), rsnn.InvalidValueError, 'backend="rust" runs on the CPU'),
        (lambda: LAYER(X, LAYER(X[:, :1])[1]), rsnn.InvalidValueError, r"state.v has the shape \(1, 5\).*must be \(2, 5\).*None"),
        (lambda: LAYER(X, LAYER(X.double())[1]), rsnn.InvalidTypeError, "state.v is torch.float64 and x torch.float32"),
        (lambda: LAYER(X, (X[0], X[0])), rsnn.InvalidTypeError, "state has tuple.*v, i"),
        (lambda: LAYER(X, rt.IAF()(X)[1]), rsnn.InvalidTypeError, "state has fields v.*v, i"),
        (lambda: LAYER(X, rsnn.LIF(beta=0.9, alpha=0.5).init_state((2, 5))), rsnn.InvalidTypeError, "state.v is ndarray"),
        (lambda: LAYER(X, LAYER(X)[1]._replace(v=X[0].long())), rsnn.InvalidTypeError, "state.v is torch.int64"),
        (
            lambda: LAYER(X, LAYER(X)[1]._replace(i=X[0].half())),
            rsnn.InvalidTypeError,
            r"state.i is torch.float16 and x torch.float32",
        ),
        (lambda: LAYER(X, LAYER(X)[1]._replace(v=X[0].to("meta"))), rsnn.InvalidValueError, "state.v is on meta and x on cpu"),
        (lambda: LAYER(X, LAYER(X)[1]._replace(v=None)), rsnn.InvalidTypeError, "state.v is NoneType: must be a tensor"),
        (lambda: LAYER(X, X[0]), rsnn.InvalidTypeError, "state has Tensor: this neuron needs one with v, i"),
        (lambda: LAYER(X, tuple(LAYER(X)[1])), rsnn.InvalidTypeError, "state has tuple"),
        (lambda: LAYER(X, {"v": X[0], "i": X[0]}), rsnn.InvalidTypeError, "state has dict"),
        (lambda: LAYER(X[:, :0], LAYER(X)[1]), rsnn.InvalidValueError, r"state.v has the shape \(2, 5\).*must be \(0, 5\)"),
        (lambda: LAYER.step(X[0], LAYER(X[:, :1])[1]), rsnn.InvalidValueError, r"state.v has the shape \(1, 5\)"),
        (lambda: LAYER(X.to(torch.uint8)), rsnn.InvalidTypeError, "x is torch.uint8"),
        (lambda: LAYER(None), rsnn.InvalidTypeError, "x is NoneType"),
        (lambda: LAYER.run(X, record="w"), rsnn.InvalidValueError, "record='w'.*'v', 'i', 'u'"),
        (lambda: LAYER.run(X, record=7), rsnn.InvalidTypeError, "record=7"),
        (lambda: rt.Layer(NEURONS["lif-per-neuron"])(X[..., :4]), rsnn.InvalidValueError, r"has the shape \(5,\).*trailing axes \(4,\)"),
        (lambda: rt.LIF(beta=[0.5, 0.9])(X[..., 0]), rsnn.InvalidValueError, r"beta has the shape \(2,\).*trailing axes \(\)"),
        (lambda: rt.IAF(max_spikes=[1, 2])(X), rsnn.InvalidValueError, "max_spikes has the shape"),
        (lambda: rt.Layer("LIF"), rsnn.InvalidTypeError, "neuron='LIF'"),
        (lambda: rt.Layer(rsnn.LIF), rsnn.InvalidTypeError, "must be a neuron"),
        (lambda: rt.LIF(beta=0.9, learn="bta"), rsnn.InvalidValueError, "learn='bta'.*did you mean 'beta'"),
        (lambda: rt.LIF(tau_mem=9.0, learn="beta"), rsnn.InvalidValueError, "'beta' is not one of 'tau_mem'"),
        (lambda: rt.LIF(beta=0.9, learn=("refractory",)), rsnn.InvalidValueError, "only these can be learned"),
        (lambda: rt.LIF(beta=0.9, learn=3), rsnn.InvalidTypeError, "learn=3"),
        (lambda: rt.LIF(beta=1.5), rsnn.InvalidValueError, "beta=1.5"),
        (lambda: rt.LIF(bta=0.5), rsnn.InvalidTypeError, "rsnn.torch.LIF: .*'bta'.*did you mean 'beta'"),
        (lambda: rt.LIF(20.0, 0.9), rsnn.InvalidTypeError, "rsnn.torch.LIF: too many positional"),
        (lambda: rt.IAF(surrogate="atan"), rsnn.InvalidTypeError, "surrogate='atan'.*rsnn.surrogate.ATan"),
        (lambda: rt.IAF(detach_reset=1), rsnn.InvalidTypeError, "detach_reset=1"),
        (lambda: rt.IAF(detach="cariedd"), rsnn.InvalidValueError, "detach='cariedd'.*'carried'.*; did you mean 'carried'"),
        (lambda: rt.IAF(detach=True), rsnn.InvalidTypeError, "detach=True.*'carried', 'threshold'"),
        (lambda: rt.IAF(batch_first="no"), rsnn.InvalidTypeError, "batch_first='no'"),
        (lambda: rt.IAF(checkpoint=0), rsnn.InvalidValueError, "checkpoint=0"),
        (lambda: rt.IAF(checkpoint=1.5), rsnn.InvalidTypeError, "checkpoint=1.5"),
        (lambda: rt.IAF(backend="cuda"), rsnn.InvalidValueError, "backend='cuda'.*'rust', 'torch'"),
        (lambda: rt.functional.simulate(rsnn.LIF(beta=0.9), X, parameters={"tau": 1}), rsnn.InvalidValueError, "parameters.*'tau'"),
        (lambda: rt.functional.simulate("LIF", X), rsnn.InvalidTypeError, "neuron='LIF'"),
        (lambda: rt.functional.simulate(rsnn.IAF(), np.zeros((3, 1))), rsnn.InvalidTypeError, "x is ndarray"),
    ],
)
def test_what_is_wrong_is_named_with_the_cure(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_signatures_show_every_name() -> None:
    assert {"tau_mem", "beta", "v_threshold", "reset_timing", "learn", "surrogate", "detach_reset", "batch_first"} <= set(
        inspect.signature(rt.LIF).parameters
    )
    assert {"v_threshold", "fire", "learn"} <= set(inspect.signature(rt.IAF).parameters)
    assert {"tau_mem", "gain", "learn"} <= set(inspect.signature(rt.LI).parameters)
    for layer in (rt.LI, rt.LIF, rt.IAF):
        assert issubclass(layer, rt.Layer)
        assert layer.__module__.startswith("rsnn.torch")


def test_without_torch_the_import_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no_torch(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "torch" or name.startswith("torch."):
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return real(name, *arguments, **options)

    for name in [name for name in sys.modules if name.startswith("rsnn.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", no_torch)
    with pytest.raises(ImportError, match=r'pip install "rsnn\[torch\]"'):
        importlib.import_module("rsnn.torch")

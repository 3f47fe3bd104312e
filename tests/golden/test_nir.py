"""Networks exported by Norse, snnTorch, sinabs and SpikingJelly: told the source, the spikes of the original."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from conftest import FOLDER

import rsnn

Array = np.ndarray[Any, np.dtype[Any]]
Case = dict[str, Array]


def refused(meta: dict[str, Any]) -> None:
    """A soft reset, which SpikingJelly does not export, is what only ``reset=`` can say: the same file is read with both."""
    assert meta["raises"] == "NotImplementedError: NIR does not distinguish soft reset."
    import nir

    lif = nir.LIF(tau=np.full(2, 2e-4), r=np.ones(2), v_leak=np.zeros(2), v_threshold=np.ones(2), v_reset=np.zeros(2))
    graph = nir.NIRGraph.from_list(nir.Linear(np.eye(2)), lif)
    hard, soft = (rsnn.nir.read(graph, source=meta["library"], reset=reset).layers[1] for reset in (None, "subtract"))
    assert hard == rsnn.presets.spikingjelly.LIFNode()
    assert soft == rsnn.presets.spikingjelly.LIFNode(v_reset=None)
    with pytest.raises(rsnn.InvalidValueError, match="reset='zero': must be one of 'value', 'subtract'"):
        rsnn.nir.read(graph, source=meta["library"], reset="zero")


def test_nir(case: Case) -> None:
    meta = json.loads(str(case["meta"]))
    if "raises" in meta:
        return refused(meta)
    (path,) = FOLDER.rglob(meta["file"])
    net = rsnn.nir.read(path, source=meta["library"], arguments=meta["arguments"])
    out = net.run(case["x"], record="v")
    neurons = list(net.neurons)
    expected = [key for key in case if key.startswith("out_spikes_")]
    assert len(neurons) == len(expected)
    for key in expected:
        k = neurons[int(key.removeprefix("out_spikes_"))]
        np.testing.assert_array_equal(out.spikes[k], case[key], err_msg=key)
        traces = case.get(key.replace("spikes", "v"))
        if traces is not None:
            assert np.max(np.abs(out.traces[k]["v"] - traces)) <= 1e-6 * np.max(np.abs(traces))

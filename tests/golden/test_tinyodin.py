"""tinyODIN and ODIN against the published RTL (Icarus Verilog 11), through the public interface: every recorded integer, equal."""

import numpy as np

from rsnn.chip import odin, tinyodin

Case = dict[str, np.ndarray]


def equal(found: object, expected: np.ndarray) -> None:
    assert np.shape(found) == expected.shape
    assert np.array_equal(np.asarray(found), expected)


def test_tinyodin_chip(case: Case) -> None:
    chip = tinyodin.Chip(case["W"], case["thr"], case["leak"], case["disable"], case["v0"], bool(case["open_loop"]))
    result = chip.run(case["events"])
    equal(result.spikes, case["out_spikes"])
    equal(result.counts, case["out_counts"])
    equal(result.v, case["out_v"])
    first = chip.run(case["events"][:40])
    rest = chip.run(case["events"][40:], v=first.v)
    equal(np.concatenate([first.spikes, rest.spikes]), case["out_spikes"])
    equal(rest.v, case["out_v"])


def test_odin_neuron(case: Case) -> None:
    own = [case[name] for name in ("state", "w", "leak", "thr", "event", "tref")]
    found = odin.update(*own, leak_enable=case["leak_en"], inhibitory=case["inh"]) if "inh" in case else tinyodin.update(*own)
    equal(found[0], case["next"])
    equal(found[1], case["spike"])

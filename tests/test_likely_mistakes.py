"""The ten likeliest mistakes: each is provoked through the public interface, and what is said about it names the cure."""

from __future__ import annotations

import copy
import pickle
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import rsnn
import rsnn.torch as rt
from rsnn.torch import losses

VALUE, TYPE = rsnn.InvalidValueError, rsnn.InvalidTypeError
T, B, N = 20, 8, 5
X = np.random.default_rng(0).random((T, B, N)).astype(np.float32)
BATCH_FIRST = np.ascontiguousarray(X.swapaxes(0, 1))
SWAPPED = r"it fits if x has its axes of time and batch swapped: \(T, B, \.\.\.\) is read, or with batch_first=True \(B, T, \.\.\.\)"
LIF = rsnn.LIF(beta=0.9)
NET = rsnn.Network([rsnn.Linear(np.ones((3, N))), LIF], N)


# 1. Batch first in a call that reads time first. Alone it cannot be told; against a state or labels it can.


def test_batch_first_input_against_a_state_of_the_batch() -> None:
    model = rt.Sequential(rt.Linear(N, 3), rt.LIF(beta=0.9))
    other = torch.from_numpy(BATCH_FIRST)
    calls: list[Any] = [
        lambda: rsnn.simulate(LIF, BATCH_FIRST, LIF.init_state((B, N))),
        lambda: rsnn.simulate(LIF, X, LIF.init_state((B, N)), batch_first=True),
        lambda: NET.run(BATCH_FIRST, NET.run(X).state),
        lambda: rt.LIF(beta=0.9)(other, rt.LIF(beta=0.9)(torch.from_numpy(X))[1]),
        lambda: model(other, model(torch.from_numpy(X))[1]),
    ]
    for call in calls:
        with pytest.raises(VALUE, match=SWAPPED):
            call()
    rsnn.simulate(LIF, BATCH_FIRST, LIF.init_state((B, N)), batch_first=True)


def test_batch_first_spikes_against_labels() -> None:
    spikes, labels = torch.rand(B, T, 3), torch.zeros(B, dtype=torch.long)
    for loss in (losses.ce_count_loss(), losses.ce_rate_loss()):
        with pytest.raises(VALUE, match=SWAPPED):
            loss(spikes, labels)
    with pytest.raises(VALUE, match=SWAPPED):
        losses.accuracy_rate(spikes, labels)
    assert losses.accuracy_rate(spikes, labels, batch_first=True) >= 0.0


def test_layers_that_read_either_way_in_one_list() -> None:
    with pytest.raises(VALUE, match="batch_first: the neurons and dropouts disagree; give all of them the same"):
        rt.Sequential(rt.LIF(), rt.LIF(batch_first=True))


# 2. A time constant in seconds, and dt left at 1.


@pytest.mark.parametrize("given", [{"tau_mem": 0.02}, {"tau_syn": 0.005}, {"tau_mem": [20.0, 0.02]}], ids=str)
@pytest.mark.parametrize("make", [rsnn.LIF, rsnn.LI, rsnn.ALIF, rt.LIF, rt.LIFCell], ids=lambda make: f"{make.__module__}.{make.__name__}")
def test_a_time_constant_in_seconds_with_steps_of_1(make: Any, given: dict[str, Any]) -> None:
    name = next(iter(given))
    with pytest.warns(
        rsnn.RsnnWarning, match=rf"{name}=0\.0\d+: with dt=1 nothing of it is left.*give dt=0\.001.* or {name}=\d+ in ms"
    ) as said:
        make(**given)
    assert {one.filename for one in said} == {__file__}


def test_a_time_constant_that_leaves_something_is_not_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for neuron in (rsnn.LIF(0.02, dt=0.001), rsnn.LIF(0.1), rsnn.LIF(beta=0.0), rsnn.LIF(0.02, dt=0.001, tau_syn=0.005)):
            assert neuron.replace(v_threshold=2.0) != neuron


def test_other_times_in_seconds_are_refused() -> None:
    with pytest.raises(VALUE, match=r"refractory=0\.002: must be a whole multiple of dt=1"):
        rsnn.LIF(20.0, refractory=0.002)
    with pytest.raises(VALUE, match=r"delay=0\.003: must be a whole multiple of dt=1"):
        rsnn.Delay(0.003)
    with pytest.raises(VALUE, match=r"tau_mem=0\.02: must be between 1 .* or a smaller dt="):
        rsnn.LIF(0.02, discretization="euler")


# 3. Spikes as bool or uint8: numpy's are taken as they are, torch's are refused, since they have no gradient.


@pytest.mark.parametrize("kind", [np.bool_, np.uint8])
def test_spikes_of_bool_or_bytes(kind: Any) -> None:
    spikes = (X > 0.5).astype(kind)
    wanted = spikes.astype(np.float32)
    np.testing.assert_array_equal(rsnn.simulate(LIF, spikes).output, rsnn.simulate(LIF, wanted).output)
    np.testing.assert_array_equal(NET.run(spikes).output, NET.run(wanted).output)
    tensor = torch.from_numpy(spikes)
    calls: list[Any] = [
        rt.LIF(),
        rt.LIFCell(),
        rt.Linear(N, 3),
        rt.Sequential(nn.Linear(N, 3), rt.LIF()),
        losses.silence_reg(min_spikes=1.0),
    ]
    for call in calls:
        with pytest.raises(TYPE, match=r"is torch\.(bool|uint8): must be float32 or float64; \w+\.float\(\) converts it"):
            call(tensor)


# 4. A state that is forgotten.


def test_a_loop_that_forgets_the_state_of_a_cell() -> None:
    cell = rt.LIFCell(beta=0.9)
    with pytest.warns(rsnn.RsnnWarning, match=r"called 10 times in a row without one.*spikes, state = cell\(x, state\)") as said:
        list(map(cell, torch.from_numpy(X)))
    assert [one.filename for one in said] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for again in (rt.LIFCell(beta=0.9), copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
            state = None
            for _ in range(12):  # one sequence after the other, each from rest
                for x in torch.from_numpy(X[:2]):
                    _, state = again(x, state)
                state = None


def test_an_output_whose_state_was_not_taken_apart() -> None:
    for call in (rt.Linear(N, 3), rt.LIF(beta=0.9)):
        with pytest.raises(TYPE, match=r"x is tuple: must be a tensor; neurons return \(output, state\): write output, state = layer\(x\)"):
            call(rt.LIF(beta=0.9)(torch.from_numpy(X)))


def test_a_state_of_another_batch() -> None:
    state = rt.LIF(beta=0.9)(torch.from_numpy(X))[1]
    with pytest.raises(VALUE, match=r"state\.v has the shape \(8, 5\): for x of shape .* must be \(3, 5\); None starts at rest"):
        rt.LIF(beta=0.9)(torch.from_numpy(X[:, :3].copy()), state)


# 5. A parameter for each channel in the shape of one for each column.


def test_a_parameter_of_channels_without_the_axes_of_the_image() -> None:
    beta, images = np.full(3, 0.9), np.zeros((T, B, 3, 8, 8), np.float32)
    cure = r"one for each of 3 channels has the shape \(3, 1, 1\): value\.reshape\(3, 1, 1\)"
    calls: list[Any] = [
        lambda: rsnn.simulate(rsnn.LIF(beta=beta), images),
        lambda: rsnn.Network([rsnn.Conv2d(np.ones((3, 2, 3, 3))), rsnn.LIF(beta=beta)], (2, 8, 8)),
        lambda: rt.LIF(beta=beta)(torch.from_numpy(images)),
    ]
    for call in calls:
        with pytest.raises(VALUE, match=cure):
            call()
    rsnn.simulate(rsnn.LIF(beta=beta.reshape(3, 1, 1)), images)


# 6. A threshold of 0.


@pytest.mark.parametrize("make", [rsnn.LIF, rsnn.IAF, rsnn.ALIF, rt.LIF, rt.IAF], ids=lambda make: f"{make.__module__}.{make.__name__}")
def test_a_threshold_of_0(make: Any) -> None:
    with pytest.raises(VALUE, match=r"v_threshold=0\.0: must be positive; a threshold that the reset subtracts, .* cannot be zero"):
        make(v_threshold=0)


# 7. Time, batch and neurons in another order in Recurrent.


def test_axes_in_another_order_in_recurrent_neurons() -> None:
    neuron, layer = rsnn.Recurrent(LIF, np.eye(N)), rt.LIFRecurrent(beta=0.9, hidden_size=N)
    moved = np.ascontiguousarray(X.swapaxes(1, 2))
    with pytest.raises(VALUE, match=rf"axis -2 of x has {N}: the neurons are the last axis, so move it there"):
        rsnn.simulate(neuron, moved)
    with pytest.raises(VALUE, match=rf"hidden_size={N}; axis -2 of x has {N}: the neurons are the last axis, so move it there"):
        layer(torch.from_numpy(moved))
    with pytest.raises(VALUE, match=SWAPPED):
        rsnn.simulate(neuron, BATCH_FIRST, rsnn.simulate(neuron, X).state)
    with pytest.raises(VALUE, match=SWAPPED):
        layer(torch.from_numpy(BATCH_FIRST), layer(torch.from_numpy(X))[1])


# 8. Neurons that leak for a chip whose neurons do not.


@pytest.mark.parametrize("target", ["speck2e", "speck2f"])
def test_quantising_neurons_that_leak_for_a_chip_that_has_none(target: str) -> None:
    with pytest.raises(VALUE, match=rf"layer 1 LIF: beta=0\.9 cannot be expressed on {target}: .* does not leak; use rsnn\.IAF\(\)"):
        rsnn.chip.quantize(NET, target=target, calibration=X)


# 9. A file of another program, or of another function.


def test_a_file_that_something_else_reads(tmp_path: Path) -> None:
    rsnn.nir.write(NET, tmp_path / "net.nir")
    NET.save(tmp_path / "net.npz")
    rsnn.chip.quantize(rsnn.Network([rsnn.Linear([[0.5]]), rsnn.IAF()], input_shape=1), target="speck2f").export(tmp_path / "chip.npz")
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "net.pt")
    np.save(tmp_path / "net.npy", X)
    (tmp_path / "net.txt").write_text("hello")
    np.savez(tmp_path / "other.npz", a=X)
    cases: list[tuple[Any, str, str]] = [
        (rsnn.Network.load, "net.nir", r"it is a file of HDF5, as those of NIR, which rsnn\.nir\.read reads"),
        (rsnn.Network.load, "net.pt", r"it is a file of torch\.save: load it into its module.*rsnn\.torch\.to_network"),
        (rsnn.Network.load, "net.npy", r"it is one array, which numpy\.load reads"),
        (rsnn.Network.load, "chip.npz", r"it is a network on a chip, which rsnn\.chip\.load reads"),
        (rsnn.chip.load, "net.npz", r"it is a network of rsnn, which rsnn\.Network\.load reads"),
        (rsnn.Network.load, "net.txt", r"write it again with network\.save\(path\)"),
        (rsnn.Network.load, "other.npz", r"write it again with network\.save\(path\)"),
        (rsnn.nir.read, "net.npz", r"it is a network of rsnn, which rsnn\.Network\.load reads"),
        (rsnn.nir.read, "net.pt", r"it is a file of torch\.save"),
        (rsnn.nir.read, "net.txt", r"write it again with nir\.write"),
    ]
    for read, name, cure in cases:
        with pytest.raises(rsnn.FileFormatError, match=rf"{name}: is no .*{cure}"):
            read(tmp_path / name)
    content = (tmp_path / "net.npz").read_bytes()
    (tmp_path / "net.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(rsnn.FileFormatError, match=r"write it again with network\.save\(path\)"):
        rsnn.Network.load(tmp_path / "net.npz")


# 10. Two threads that write one array.


def test_two_threads_that_write_one_out() -> None:
    x, out = np.full((2000, 4096), 0.1, np.float32), np.empty((2000, 4096), np.float32)
    raised: list[BaseException] = []

    def compute() -> None:
        try:
            rsnn.simulate(LIF, x, out=out)
        except rsnn.RsnnError as error:
            raised.append(error)

    workers = [threading.Thread(target=compute) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(raised) < 4
    assert all(isinstance(one, rsnn.InUseError) for one in raised)
    assert all("out: the array is in use" in str(one) and "Give every call arrays of its own" in str(one) for one in raised)
    np.testing.assert_array_equal(out, rsnn.simulate(LIF, x).output)

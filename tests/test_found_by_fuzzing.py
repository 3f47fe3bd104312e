"""What `make fuzz` found, once each: it is answered, or refused in words that name the argument."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from stand_ins import Leaky
from torch import nn

import rsnn
import rsnn.torch as rt
from rsnn import plot

VALUE, TYPE = rsnn.InvalidValueError, rsnn.InvalidTypeError
WIDE = np.empty((0, 2**40), np.float32)
HUGE = torch.zeros(1).expand(2**59)
FEW = np.array([], int)
NET = rsnn.Network([rsnn.Linear(np.eye(2)), ("hidden", rsnn.LIF(beta=0.5))], 2)
SPIKING = rsnn.Network([rsnn.Linear(np.eye(2)), rsnn.IAF()], 2)
OUT = NET.run(np.ones((5, 2)), record="v")
FIRED = np.eye(3)
X, W = torch.ones(4, 2, 3), torch.ones(2, 3)
LIST = rt.Sequential(rt.Linear(3, 2), rt.LIF(beta=0.9))
QAT = rt.chip.QAT(rt.Sequential(rt.Linear(3, 2, bias=False), rt.IAF()), target="speck2f")
ADOPTED = nn.Sequential(nn.Linear(3, 3), Leaky(0.8))
LAPICQUE = rsnn.presets.snntorch.Lapicque

CASES: list[tuple[Any, type[Exception], str]] = [
    (lambda: LAPICQUE(R=np.ones(2), C=np.ones(3)), VALUE, r"[RC] has shape \(\d,\) and [RC] \(\d,\): they must broadcast"),
    (lambda: rsnn.Spikes.pack([[0, 1]]).numpy("\ud800"), TYPE, "dtype=.*must be bool or a dtype of numbers"),
    (lambda: rsnn.events.conv2d([[[0, 1]]], np.ones((1, 1, 1, 1)), padding=10**30), VALUE, "padding=10+: more than any memory holds"),
    (lambda: rsnn.AdEx.from_conductances(C=np.ones(2), g_l=np.ones(3)), VALUE, r"C has shape \(2,\) and g_l \(3,\)"),
    (lambda: rsnn.encode.to_one_hot(WIDE, 2**27), VALUE, "targets, a number for each class=.*more numbers than any memory"),
    (lambda: rsnn.memory.empty((2**63 - 1, 0), "f8"), VALUE, "shape=.*more numbers than any memory holds"),
    (lambda: rsnn.encode.latency([0.0, 1.0], 3, code="log", normalize=True, epsilon=1e23), VALUE, "steps=3: a spike comes at step nan"),
    (lambda: rsnn.nir.audit(NET, NET, np.ones((0, 2))), VALUE, r"x has shape \(0, 2\): there is nothing to run over"),
    (lambda: rsnn.chip.IntegerNeuron(v_threshold=9, threshold_shift=None), TYPE, "threshold_shift"),
    (lambda: rsnn.datasets.events({"v": np.ones(3)}), TYPE, "source="),
    (lambda: rsnn.metrics.coincidence_factor([0, 1], nn.Linear(2, 2), window=1), TYPE, "model"),
    (lambda: rsnn.metrics.decaying_integral(HUGE, 0.5), VALUE, "squares has the shape .*more numbers than any memory holds"),
    (lambda: rsnn.metrics.decaying_integral(X.to_sparse(), 0.5), TYPE, "squares has the layout torch.sparse_coo"),
    (lambda: rsnn.metrics.firing_rate(HUGE), VALUE, "more numbers than any memory holds"),
    (lambda: plot.animate(torch.ones(4, 1, 1, device="meta")), VALUE, "spikes is on the device meta"),
    (lambda: plot.explore(rsnn.LIF(), figure=Figure(), show=np.ones(2)), TYPE, "show=.*True or False"),
    (lambda: plot.animate(np.empty((2**31, 0, 2))), VALUE, "spikes has shape .*no neurons came"),
    (lambda: rsnn.nir.audit(NET, NET, OUT.output).plot(3), TYPE, "axes=3: must be matplotlib axes"),
    (
        lambda: rsnn.chip.quantize(rsnn.Network([rsnn.Linear(np.eye(2)), rsnn.IAF()], 2)).report(np.ones((4, 2), int)).plot(0),
        TYPE,
        "axes=0",
    ),
    (lambda: plot.raster(FIRED, counts=np.ones(2)), TYPE, "counts=.*True or False"),
    (lambda: plot.raster(FIRED, color=3), VALUE, "color=3: must be a colour"),
    (lambda: plot.isi(FIRED, color="\0"), VALUE, "color=.*must be a colour"),
    (lambda: plot.spike_count(FIRED, color=FEW), VALUE, "color="),
    (lambda: plot.confusion([[3, 0], [1, 2]], color=-1), VALUE, "color=-1"),
    (lambda: plot.activation_curve(rsnn.IAF(), color=()), VALUE, r"color=\(\)"),
    (lambda: plot.traces(FIRED, colors=np.ones((2, 2, 2))), VALUE, "color="),
    (lambda: plot.result(OUT, layer=-(2**63)), VALUE, "layer=-9.*nothing of it is in this result; there are "),
    (lambda: plot.traces(FIRED, labels=np.array("one")), TYPE, "labels=.*must be a list"),
    (lambda: plot.traces(FIRED, name=np.ones(2)), TYPE, "name=.*must be the name of a trace"),
    (lambda: rsnn.convert.from_relu(nn.Linear(2, 2), X, percentile=np.ones(0)), VALUE, "percentile"),
    (lambda: plot.phase_plane(rsnn.AdEx(dt=0.1), v=np.ones((2, 2))), VALUE, "v=.*two numbers that ascend"),
    (lambda: plot.phase_plane(rsnn.AdEx(dt=0.1), w=(2.0, 1.0)), VALUE, "w=.*two numbers that ascend"),
    (lambda: plot.phase_plane(rsnn.AdEx(dt=0.1), field=FEW), TYPE, "field="),
    (lambda: plot.result(OUT, layer=FEW), TYPE, "layer=.*must be the name or the index of a layer"),
    (lambda: plot.raster(OUT, layer=FEW), VALUE, "layer="),
    (lambda: plot.explore(rsnn.LIF(tau_mem=20.0), sliders=FEW, figure=Figure()), TYPE, "sliders=.*must be a dict"),
    (lambda: plot.spike_count(FIRED, labels=np.empty((2, 1, 0))), VALUE, "labels: 2 came for 3 neurons"),
    (lambda: plot.weights(NET, bins=2**63), VALUE, "bins=.*more than any memory holds"),
    (lambda: plot.isi(FIRED, bins=2**63), VALUE, "bins=.*more than any memory holds"),
    (lambda: plot.activation_curve(rsnn.IAF(), steps=2**63), VALUE, "steps=.*more than any memory holds"),
    (lambda: QAT(X, [("a", 1)]), TYPE, "state=.*a dict by layer"),
    (lambda: rt.presets.sinabs.LIF(tau_mem=20.0, train_alphas=FEW), TYPE, "train_alphas=.*True or False"),
    (lambda: rt.presets.sinabs.LIF(tau_mem=np.ones(3), alpha_mem=np.ones(2)), VALUE, r"tau_mem form the shape \(3,\).*has \(2,\)"),
    (lambda: rt.Lift(nn.ReLU())(X.to_sparse()), TYPE, "x has the layout torch.sparse_coo"),
    (lambda: rt.presets.snntorch.Leaky(beta=0.9, reset_delay=FEW), TYPE, "reset_delay=.*True or False"),
    (lambda: rt.Conv2d(2, 8, 3, device=FEW), TYPE, "device=.*must be a device"),
    (lambda: rt.Conv1d(2, "multi", 3), TYPE, "out_channels='multi'"),
    (lambda: rt.Conv1d(2, 8, (3, 3)), VALUE, r"kernel_size=\(3, 3\): must be a whole number, or one for each of 1 axes"),
    (lambda: rt.Conv2d(2, 8, 3, groups=FEW), VALUE, "groups="),
    (lambda: rt.Conv2d(2, 8, 3, padding="full"), VALUE, "padding='full'"),
    (lambda: rt.Linear(2**40, 2**40), VALUE, "weight=.*more numbers than any memory"),
    (lambda: rt.Linear(2, 2, dtype="f4"), TYPE, "dtype='f4': must be a floating point dtype of torch"),
    (lambda: rt.Linear(2, 2, bias=FEW), TYPE, "bias=.*True or False"),
    (lambda: rt.LIFRecurrent(hidden_size=2**31), VALUE, "hidden_size, squared=.*more numbers than any memory"),
    (lambda: LIST["0"], TYPE, "index='0'"),
    (lambda: LIST[2], rsnn.OutOfRangeError, "index=2: there are 2 modules, 0 to 1"),
    (lambda: rt.Graph([rt.LIF()])[1.0], TYPE, r"index=1\.0"),
    (lambda: LIST.run(X, record=np.ones((2, 2))), TYPE, "record="),
    (lambda: rt.health(LIST, X, loss=FEW), TYPE, "loss=.*must be a function"),
    (lambda: rt.functional.linear(X, W, 0.5), TYPE, "bias is float: must be a tensor"),
    (lambda: rt.functional.linear(X, [[1.0]]), TYPE, "weight is list: must be a tensor"),
    (lambda: rt.functional.linear(X, W, torch.ones(3)), VALUE, r"bias has the shape \(3,\): must be \(2,\)"),
    (lambda: rt.functional.linear(X, W, torch.ones(2, device="meta")), VALUE, "bias is on meta and the weight on cpu"),
    (lambda: rt.functional.conv1d(X, np.ones((1, 2, 1))), TYPE, "weight is ndarray"),
    (lambda: rt.functional.conv2d(X, torch.ones(1, 4, 1)), VALUE, r"weight has the shape \(1, 4, 1\): must be \(O, C, kh, kw\)"),
    (lambda: rt.functional.pool2d(X, 2, average=FEW), TYPE, "average=.*True or False"),
    (lambda: rt.functional.simulate(rsnn.IAF(), X, parameters=FEW), TYPE, "parameters=.*must be a dict"),
    (lambda: rt.functional.simulate(rsnn.LIF(beta=0.9), X, parameters={"beta": "a"}), TYPE, "parameters: beta='a'"),
    (lambda: rt.LIF()(HUGE[None]), VALUE, "x has the shape .*more numbers than any memory holds"),
    (lambda: rt.from_network(NET, dtype=FEW), TYPE, "dtype="),
    (lambda: rt.compare_adopted(ADOPTED, X[..., :1]), VALUE, r"x: 0 does not take \(4, 2, 1\)"),
    (lambda: rt.compare_adopted(ADOPTED, X).faults("a"), TYPE, "flips='a'"),
    (lambda: rt.losses.spike_times(X, 2**62), VALUE, "count=.*more than any memory holds"),
    (lambda: rt.losses.spike_times(X, 2**46), VALUE, "count, of every output=.*more numbers than any memory"),
    (lambda: rt.losses.mse_temporal_loss(off_target=np.array("x")), TYPE, "off_target="),
    (lambda: rt.functional.conv1d(X, torch.ones(1, 2, 1), stride=10**30), VALUE, "stride=10+: more than any memory holds"),
    (lambda: rsnn.convert.search(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), X[0].to("meta")), VALUE, "calibration is on the device meta"),
    (lambda: rsnn.convert.search(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), X[0], False), TYPE, "candidates=False: must be a list"),
    (lambda: plot.traces(FIRED, style="-\0"), VALUE, "style=.*must be a format of matplotlib"),
    (lambda: plot.traces(FIRED, style=1), TYPE, "style=1"),
    (lambda: rsnn.convert.normalize_weights(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), ""), TYPE, "calibration=.*give real numbers"),
]


@pytest.mark.parametrize(("call", "error", "message"), CASES, ids=[f"{k} {message[:30]}" for k, (_, _, message) in enumerate(CASES)])
def test_it_is_refused_in_words(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_weights_that_lie_unaligned_are_taken() -> None:
    weight = np.empty(8 * 6 + 1, np.uint8)[1:].view(np.float64).reshape(2, 3)
    weight[...] = [[0, 1, 2], [3, 4, 5]]
    assert rsnn.events.linear(np.array([[0.0, 1.0, 0.0]]), weight).tolist() == [[1.0, 4.0]]


def test_a_bell_may_be_wider_than_floats_reach() -> None:
    assert rsnn.encode.population([0.0, 1.0], 2, sigma=1e30).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_labels_of_any_integer_dtype_are_taken() -> None:
    targets = torch.tensor([1, 0], dtype=torch.uint64)
    assert rt.losses.accuracy_rate(torch.ones(3, 2, 2), targets) == rt.losses.accuracy_rate(torch.ones(3, 2, 2), targets.long())


def test_times_of_more_spikes_than_steps_are_the_last_step() -> None:
    spikes = torch.tensor([0.0, 1.0, 1.0]).reshape(3, 1, 1)
    assert rt.losses.spike_times(spikes, 5).ravel().tolist() == [1.0, 2.0, 2.0, 2.0, 2.0]


def test_a_chip_takes_a_tensor_whose_sign_is_still_to_be_turned() -> None:
    x = -torch.ones(4, 2, 3)
    assert torch.equal(QAT(x._neg_view())[0], QAT(-x)[0])


def test_a_conversion_takes_data_of_any_byte_order() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    nn.init.ones_(model[0].weight)
    x = np.random.default_rng(0).random((5, 3))
    ours, theirs = (rsnn.convert.normalize_weights(model, data) for data in (x, x.astype(">f8")))
    assert torch.equal(ours[0].weight, theirs[0].weight)


def test_tensors_at_an_odd_address_are_taken_as_any_other() -> None:
    def odd(tensor: torch.Tensor) -> torch.Tensor:
        held = bytearray(b"\0" + tensor.numpy().tobytes())
        return torch.frombuffer(held, dtype=tensor.dtype, offset=1).reshape(tensor.shape)

    x = (torch.arange(4 * 2 * 3 * 4 * 4) % 7).float().reshape(4, 2, 3, 4, 4)
    assert odd(x).data_ptr() % 4 != 0
    assert torch.equal(odd(x), x)
    layers = rt.IAF(), rt.Linear(4, 2), rt.Conv2d(3, 2, 3), rt.SumPool2d(2), rt.Sequential(rt.Conv2d(3, 2, 3), rt.IAF())
    for layer in layers:
        plain, ours = x.clone().requires_grad_(), odd(x).requires_grad_()
        one, other = (value[0] if isinstance(value, tuple) else value for value in (layer(plain), layer(ours)))
        assert torch.equal(one, other)
        one.backward(torch.ones_like(one))
        other.backward(odd(torch.ones_like(one)))
        assert torch.equal(plain.grad, ours.grad)
        with torch.no_grad():
            again = layer(odd(x))
            assert torch.equal(again[0] if isinstance(again, tuple) else again, one)
    state = rt.IAF()(x)[1]
    given = type(state)(*[odd(each) for each in state])
    assert torch.equal(rt.IAF()(x, given)[0], rt.IAF()(x, state)[0])


def test_sizes_of_layers_may_be_arrays_without_an_axis() -> None:
    two = np.array(2)
    assert rt.Conv1d(two, two, two, two, two)(X[:, :2, :2]).shape == (4, 2, 3)
    assert rt.Conv2d(two, 4, (two, 1), stride=two).kernel_size == (2, 1)
    assert repr(rt.Linear(two, 3)) == repr(rt.Linear(2, 3))


def test_a_file_of_events_whose_array_is_none_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "events.npz"
    np.savez(path, t=np.arange(3), x=np.arange(3))
    whole = path.read_bytes()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("t.npy", b"nothing")
        file.writestr("x.npy", zipfile.ZipFile(io.BytesIO(whole)).read("x.npy"))
    with pytest.raises(rsnn.RsnnError, match=r"events\.npz: t is no array of numpy"):
        rsnn.datasets.events(path)[0]


def test_a_plane_of_phases_may_be_wider_than_its_flow_reaches() -> None:
    axes = plot.phase_plane(rsnn.Izhikevich(dt=0.25), 14.0, steps=50, v=(2**32, 2**63 - 1))
    assert axes.get_xlim() == (2**32, 2**63 - 1)
    assert np.isfinite(axes.get_ylim()).all()


def test_a_plane_of_phases_may_lie_over_a_chart_of_names() -> None:
    axes = Figure().add_subplot()
    axes.bar(["one", "two"], [1.0, 2.0])
    assert plot.phase_plane(rsnn.Izhikevich(dt=0.25), 14.0, axes, steps=50) is axes


def test_a_conversion_takes_integers_by_either_of_their_names() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    nn.init.ones_(model[0].weight)
    x = np.ones((4, 3), np.ulonglong)
    assert rsnn.convert.normalize_weights(model, x)[0].weight.shape == (2, 3)


def test_a_stride_and_a_checkpoint_may_be_longer_than_all_there_is() -> None:
    x, weight = torch.ones(3, 1, 4, 4), torch.ones(2, 1, 3, 3, requires_grad=True)
    far, near = (rt.functional.conv2d(x, weight, stride=stride) for stride in (2**31 - 1, 4))
    assert torch.equal(far, near)
    assert torch.equal(*(torch.autograd.grad(one.sum(), weight)[0] for one in (far, near)))
    given = torch.ones(5, 2, requires_grad=True)
    rt.functional.simulate(rsnn.LIF(beta=0.9), given, checkpoint=2**63).output.sum().backward()
    assert given.grad is not None

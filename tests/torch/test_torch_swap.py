"""`rt.convert`: rsnn's layers in a model that was built with torch's."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

import rsnn
import rsnn.torch as rt


class Own(nn.Linear):
    """A layer of somebody's own."""


def model() -> nn.Sequential:
    shared = nn.Linear(6, 6)
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Sequential(shared, nn.ReLU(), shared), nn.Linear(6, 3, bias=False))


def test_layers_are_swapped_in_place_and_share_parameters() -> None:
    net = model()
    before, keys = dict(net.named_parameters()), list(net.state_dict())
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    x = torch.rand(5, 8)
    expected = net(x)
    assert rt.convert(net) is net
    assert [type(net[k]) for k in (0, 3)] == [rt.Linear, rt.Linear]
    assert type(net[2][0]) is rt.Linear
    assert net[2][0] is net[2][2], "a layer used twice stays one"
    after = dict(net.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)
    assert list(net.state_dict()) == keys
    torch.testing.assert_close(net(x), expected)
    net(x).sum().backward()
    optimizer.step()
    assert not torch.equal(net(x), expected)


@pytest.mark.parametrize(
    ("layer", "kind", "shape"),
    [
        (nn.Linear(4, 3), rt.Linear, (2, 4)),
        (nn.Conv1d(2, 3, 3, padding="same"), rt.Conv1d, (2, 2, 9)),
        (nn.Conv2d(2, 3, (3, 1), stride=2, padding=(1, 0)), rt.Conv2d, (2, 2, 9, 8)),
    ],
    ids=["linear", "conv1d", "conv2d"],
)
def test_a_layer_itself_comes_back_as_ours(layer: nn.Module, kind: type[nn.Module], shape: tuple[int, ...]) -> None:
    layer.eval()
    made = rt.convert(layer)
    assert type(made) is kind
    assert type(layer) is not kind
    assert not made.training
    assert made.weight is layer.weight
    x = torch.rand(shape)
    torch.testing.assert_close(made(x), layer(x))
    assert repr(made) == repr(layer)
    assert rt.convert(made) is made
    assert torch.equal(copy.deepcopy(made)(x), made(x))


def hooked() -> nn.Linear:
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda *_: None)
    return layer


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Conv2d(2, 4, 3, dilation=2), r"dilation=\(2, 2\)"),
        (nn.Conv2d(2, 4, 3, groups=2), "groups=2"),
        (nn.Conv1d(2, 4, 3, padding_mode="reflect"), "padding_mode='reflect'"),
        (nn.Conv2d(2, 4, 2, padding="same"), 'padding="same"'),
        (Own(2, 2), "Own.*derives"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), "derives"),
        (hooked(), "hooks"),
    ],
)
def test_what_cannot_be_swapped_is_left_or_refused_before_anything_changes(layer: nn.Module, words: str) -> None:
    net = nn.Sequential(nn.Linear(3, 3), layer)
    with pytest.raises(rsnn.InvalidValueError, match="1: .*" + words):
        rt.convert(net, strict=True)
    assert type(net[0]) is nn.Linear
    rt.convert(net)
    assert type(net[0]) is rt.Linear
    assert net[1] is layer


def test_a_swapped_model_keeps_fewer_bytes_and_compiles() -> None:
    net: Any = rt.convert(rt.Sequential(nn.Linear(64, 8), rt.LIF(beta=0.9), nn.Linear(8, 2)))
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    x = (torch.rand(10, 3, 64) < 0.05).float()
    assert torch.equal(compiled(x)[0], net(x)[0])


def test_anything_else_is_refused() -> None:
    with pytest.raises(rsnn.InvalidTypeError, match="model is dict"):
        rt.convert({})  # type: ignore[arg-type]
    with pytest.raises(rsnn.InvalidTypeError, match="strict"):
        rt.convert(nn.Linear(1, 1), strict=1)  # type: ignore[arg-type]

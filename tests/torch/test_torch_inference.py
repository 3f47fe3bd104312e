"""A list of modules without gradients runs by the engine of networks: the same bits as its modules give, and nothing of theirs is lost."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import rsnn.torch as rt
from rsnn.network import engine


def frames(*shape: int, density: float = 0.03, dtype: torch.dtype = torch.float32) -> Tensor:
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(0)) < density).to(dtype)


def convolutional(dtype: torch.dtype = torch.float32, *, batch_first: bool = False) -> rt.Sequential:
    torch.manual_seed(0)
    options: dict[str, Any] = {"batch_first": batch_first}
    return rt.Sequential(
        rt.Conv2d(2, 3, 3, padding=1, dtype=dtype),
        rt.IAF(v_threshold=0.2, **options),
        rt.SumPool2d(2),
        rt.Delay(2.0, **options),
        nn.Flatten(),
        rt.Linear(48, 5, dtype=dtype),
        rt.LIFRecurrent(beta=0.9, alpha=0.8, v_threshold=0.2, learn="beta", hidden_size=5, **options).to(dtype),
        rt.LI(beta=0.9, **options),
    )


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each run by the engine."""
    seen: list[int] = []
    forward = engine.forward

    def counted(*arguments: Any) -> Any:
        seen.append(1)
        return forward(*arguments)

    monkeypatch.setattr(engine, "forward", counted)
    return seen


def equal(found: tuple[Tensor, dict[int, Any]], expected: Any) -> bool:
    output, state = found
    assert list(state) == list(expected.state)
    pairs = [(output, expected.output)]
    for k, one in state.items():
        assert one._fields == expected.state[k]._fields
        pairs += zip(one, expected.state[k], strict=True)
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch_first", [False, True])
@torch.no_grad()
def test_without_gradients_a_list_gives_the_bits_of_its_modules_from_state_to_state(
    dtype: torch.dtype, batch_first: bool, runs: list[int]
) -> None:
    model = convolutional(dtype, batch_first=batch_first)
    x = frames(3, 12, 2, 8, 8, dtype=dtype) if batch_first else frames(12, 3, 2, 8, 8, dtype=dtype)
    first = model(x)
    assert equal(first, model.run(x, None, ()))
    assert equal(model(x, first[1]), model.run(x, first[1], ()))
    assert equal(model(x, {**first[1], 3: None}), model.run(x, {**first[1], 3: None}, ()))
    assert len(runs) == 3


@torch.no_grad()
def test_a_module_that_stands_in_the_list_twice_runs_twice(runs: list[int]) -> None:
    torch.manual_seed(0)
    convolution, pool = rt.Conv2d(2, 2, 3, padding=1), rt.SumPool2d(2)
    model = rt.Sequential(convolution, rt.IAF(v_threshold=0.2), pool, convolution, rt.IAF(v_threshold=0.2), pool)
    x = frames(10, 3, 2, 8, 8)
    assert equal(model(x), model.run(x))
    assert runs
    assert torch.equal(torch.from_numpy(rt.to_network(model, (2, 8, 8)).run(x.numpy()).output), model(x)[0])


@torch.no_grad()
def test_a_weight_that_is_written_in_any_way_counts_at_once(runs: list[int]) -> None:
    model, x = convolutional(), frames(12, 3, 2, 8, 8)
    model(x)
    for write in (
        lambda: model[0].weight.data.mul_(2),
        lambda: model[6].beta.data.fill_(0.5),
        lambda: model[1].v_threshold.fill_(0.7),
        lambda: model.__setitem__(7, rt.LI(beta=0.1)),
    ):
        write()
        assert equal(model(x), model.run(x, None, ()))
    assert len(runs) == 5


def hooked(model: rt.Sequential, seen: list[int]) -> None:
    model[0].register_forward_hook(lambda *_: seen.append(1))


def replaced(model: rt.Sequential, seen: list[int]) -> None:
    forward = model[5].forward
    model[5].forward = lambda x: seen.append(1) or forward(x)  # type: ignore[method-assign]


@pytest.mark.parametrize("change", [hooked, replaced])
@torch.no_grad()
def test_what_a_user_hung_into_a_module_still_runs(change: Callable[..., None], runs: list[int]) -> None:
    model, seen = convolutional(), []  # type: ignore[var-annotated]
    change(model, seen)
    model(frames(12, 3, 2, 8, 8))
    assert seen
    assert not runs


@torch.no_grad()
def test_what_is_refused_is_refused_in_the_words_of_the_module() -> None:
    model = convolutional()
    with pytest.raises(ValueError, match=r"module 0 \(Conv2d\)"):
        model(frames(12, 3, 1, 8, 8))
    with pytest.raises(ValueError, match="state: states of the modules 1 came"):
        model(frames(12, 3, 2, 8, 8), {1: None})
    with pytest.raises(TypeError, match="state"):
        model(frames(12, 3, 2, 8, 8), {**model(frames(12, 3, 2, 8, 8))[1], 1: (0.0,)})


def test_gradients_tracing_other_modules_and_dense_frames_keep_the_modules_own_way(runs: list[int]) -> None:
    model, x = convolutional(), frames(12, 3, 2, 8, 8)
    model(x)[0].sum().backward()
    with torch.no_grad():
        torch.vmap(lambda one: model(one)[0], in_dims=1)(x.unsqueeze(2))
        rt.Sequential(nn.Conv2d(2, 3, 3), rt.IAF())(x)
        rt.Sequential(rt.Linear(8, 3), rt.LIF())(x)
        model(frames(12, 3, 2, 8, 8, density=0.5))
    assert not runs

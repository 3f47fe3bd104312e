"""Every neuron has four layers by name, made from one table."""

import inspect
import pickle
from typing import Any

import pytest
import torch
from torch_neurons import DRIVES, data

import rsnn
import rsnn.torch as rt
from rsnn.neurons import NAMED
from rsnn.torch import named

STEPS, BATCH, N = 20, 3, 5
NEURONS = [kind.__name__ for kind in NAMED.values()]
NAMES = [neuron + form for neuron in NEURONS for form in ("", "Cell", "Recurrent", "RecurrentCell")]


def make(name: str, **options: Any) -> rt.Layer:
    torch.manual_seed(0)
    made: rt.Layer = getattr(rt, name)(**({"hidden_size": N} if "Recurrent" in name else {}), **options)
    return made


def drive(name: str) -> torch.Tensor:
    neuron = next(neuron for neuron in sorted(NEURONS, key=len, reverse=True) if name.startswith(neuron))
    return torch.from_numpy(data((STEPS, BATCH, N))) * DRIVES.get(neuron, 1.0)


def test_the_table_has_every_neuron_in_every_form() -> None:
    assert list(named.LAYERS) == NAMES
    assert set(NAMES) <= set(rt.__all__)
    assert len(rt.__all__) == len(set(rt.__all__))
    for name in rt.__all__:
        assert hasattr(rt, name), name


@pytest.mark.parametrize("name", NAMES)
def test_a_name_says_what_it_is(name: str) -> None:
    kind = getattr(rt, name)
    assert kind.__name__ == kind.__qualname__ == name
    assert issubclass(kind, rt.Cell if name.endswith("Cell") else rt.Layer)
    assert issubclass(kind, rt.Cell) == name.endswith("Cell")
    assert "Examples" in kind.__doc__
    assert make(name).recurrent is ("Recurrent" in name)
    for twin in (pickle.loads(pickle.dumps(make(name))), pickle.loads(pickle.dumps(kind))):
        assert kind in (twin, type(twin))


@pytest.mark.parametrize("name", NAMES)
def test_a_signature_shows_every_argument(name: str) -> None:
    shown = inspect.signature(getattr(rt, name)).parameters
    neuron = next(kind for kind in NAMED.values() if name in {kind.__name__ + form for form in named.FORMS})
    own = inspect.signature(neuron).parameters
    options = {key for key, p in inspect.signature(rt.Layer).parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert set(shown) == set(own) | options - ({"recurrent"} if "Recurrent" in name else set())
    assert all(shown[key].default is own[key].default for key in own)
    assert not any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in shown.values())
    assert (shown["hidden_size"].default is inspect.Parameter.empty) == ("Recurrent" in name)


@pytest.mark.parametrize("name", NAMES)
def test_all_forms_of_a_neuron_give_the_bits_of_its_layer(name: str) -> None:
    layer, x = make(name), drive(name)
    plain = make(name.removesuffix("Cell"))
    plain.load_state_dict(layer.state_dict())
    expected, end = plain(x)
    assert expected.count_nonzero() > 0
    outputs, state = [], None
    for x_t in x:
        output, state = layer(x_t, state) if name.endswith("Cell") else layer.step(x_t, state)
        outputs.append(output)
    assert torch.equal(torch.stack(outputs), expected)
    assert all(torch.equal(a, b) for a, b in zip(state, end, strict=True))
    result = layer.run(x, record="v")  # of a cell too: the whole sequence
    assert torch.equal(result.output, expected)
    assert torch.equal(result.state.v, result.v[-1])


def test_a_cell_keeps_nothing_between_calls() -> None:
    cell, x = rt.LIFCell(beta=0.9), torch.from_numpy(data((BATCH, N)))
    first, _ = cell(x)
    cell(torch.full((7, N), 5.0))
    assert torch.equal(cell(x)[0], first)


def test_a_cell_of_any_neuron() -> None:
    x = torch.from_numpy(data((BATCH, N)))
    assert torch.equal(rt.Cell(rsnn.LIF(beta=0.9).stages)(x)[0], rt.LIF(beta=0.9).step(x)[0])
    with pytest.raises(rsnn.InvalidValueError, match=r"x has the shape \(\).*at least 1 axis"):
        rt.LIFCell(beta=0.9)(torch.tensor(1.0))


def test_a_wrong_argument_is_named_with_the_class() -> None:
    for call, words in (
        (lambda: rt.AdExCell(tau_men=3.0), r"rsnn.torch.AdExCell: .*'tau_men'.*did you mean 'tau_mem'"),
        (lambda: rt.QIFRecurrent(3.0, recurrent=True, hidden_size=3), r"rsnn.torch.QIFRecurrent: .*'recurrent'"),
    ):
        with pytest.raises(rsnn.InvalidTypeError, match=words):
            call()

"""`rt.adopt` against Norse itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import norse.torch as norse
import pytest
import torch
from norse.torch.functional import reset
from norse.torch.functional.izhikevich import tonic_spiking
from norse.torch.module.exp_filter import ExpFilter
from played import data, same, weights
from torch import Tensor, nn

import rsnn
import rsnn.torch as rt
from rsnn.torch.adopt import neuron_of


def play(model: nn.Module, x: Tensor) -> Tensor:
    """Call a model of sequences."""
    output = model(x)
    return output[0] if isinstance(output, tuple) else output


def play_steps(model: nn.Module, x: Tensor) -> Tensor:
    """Loop over time, state out and in, as Norse's documentation does with cells."""
    outputs, state = [], None
    for step in x:
        output, state = model(step, state)
        outputs.append(output)
    return torch.stack(outputs)


LIF = norse.LIFParameters(tau_syn_inv=torch.tensor(300.0), v_th=torch.tensor(0.4), v_reset=torch.tensor(-0.1), v_leak=torch.tensor(0.05))
SEQUENCES = {
    "LIF": lambda: norse.LIF(LIF),
    "LIF with another dt": lambda: norse.LIF(LIF, dt=0.002),
    "LI": norse.LI,
    "LSNN": lambda: norse.LSNN(norse.LSNNParameters(v_th=torch.tensor(0.4), tau_adapt_inv=torch.tensor(10.0))),
    "LIFEx": lambda: norse.LIFEx(norse.LIFExParameters(v_th=torch.tensor(0.6))),
    "LIFAdEx": lambda: norse.LIFAdEx(norse.LIFAdExParameters(v_th=torch.tensor(0.6))),
    "IAF": lambda: norse.IAF(norse.IAFParameters(v_reset=torch.tensor(0.1))),
}
CELLS = {
    "LIFCell": lambda: norse.LIFCell(LIF),
    "LIFRefracCell": lambda: norse.LIFRefracCell(norse.LIFRefracParameters(LIF, torch.tensor(3.0))),
    "LIFBoxCell": lambda: norse.LIFBoxCell(norse.LIFBoxParameters(v_th=torch.tensor(0.3))),
    "LIFBoxCell that subtracts": lambda: norse.LIFBoxCell(
        norse.LIFBoxParameters(v_th=torch.tensor(0.3), reset_method=reset.reset_subtract)
    ),
    "LIBoxCell": norse.LIBoxCell,
    "LICell": norse.LICell,
    "LSNNCell": lambda: norse.LSNNCell(norse.LSNNParameters(v_th=torch.tensor(0.4))),
    "LIFExCell": lambda: norse.LIFExCell(norse.LIFExParameters(v_th=torch.tensor(0.6))),
    "IAFCell": norse.IAFCell,
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sequence_of_neurons_does_the_same(name: str) -> None:
    same(SEQUENCES[name](), data(60, 3, 5, scale=2.0), play)


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_becomes_a_layer_over_the_sequence(name: str) -> None:
    same(CELLS[name](), data(60, 3, 5, scale=2.0), play_steps)


@pytest.mark.parametrize("method", ["super", "triangle", "tanh", "circ", "heavi_erfc"])
def test_a_surrogate_has_the_same_gradient(method: str) -> None:
    same(norse.LIF(LIF._replace(method=method, alpha=torch.tensor(0.7))), data(25, 3, 5, scale=2.0), play)


def test_a_parameter_is_learned() -> None:
    tau = nn.Parameter(torch.tensor(120.0))
    model, x = norse.LIF(LIF._replace(tau_mem_inv=tau)), data(40, 3, 5, scale=2.0)
    adopted = same(model, x, play)
    adopted.tau_mem_inv.grad = tau.grad = None
    adopted(x)[0].sum().backward()
    play(model, x).sum().backward()
    torch.testing.assert_close(adopted.tau_mem_inv.grad, tau.grad, rtol=2e-4, atol=0.0)


RECURRENT = {
    "LIFRecurrent": lambda: norse.LIFRecurrent(6, 5, p=LIF),
    "LIFRecurrent with autapses": lambda: norse.LIFRecurrent(6, 5, p=LIF, autapses=True),
    "LSNNRecurrent": lambda: norse.LSNNRecurrent(6, 5, p=norse.LSNNParameters(v_th=torch.tensor(0.4))),
    "LIFRefracRecurrent": lambda: norse.LIFRefracRecurrent(6, 5, p=norse.LIFRefracParameters(LIF, torch.tensor(3.0))),
    "LIFExRecurrent": lambda: norse.LIFExRecurrent(6, 5, p=norse.LIFExParameters(v_th=torch.tensor(0.6))),
}


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_neurons_do_the_same_with_both_matrices(name: str) -> None:
    model = weights(RECURRENT[name]())
    x = (data(40, 3, 6) > 0.5).float()
    of = {"input_weights": "linear.weight", "recurrent_weights": "neuron.weight_recurrent"}
    adopted = same(model, x, play, parameters=of)
    if not model.autapses:
        assert torch.equal(adopted.neuron.weight_recurrent.grad.diagonal(), torch.zeros(5))


def test_a_recurrent_cell_and_a_filter_do_the_same() -> None:
    x = (data(40, 3, 6) > 0.5).float()
    same(weights(norse.LIFRecurrentCell(6, 5, p=LIF)), x, play_steps)
    same(weights(ExpFilter(6, 5, tau_filter_inv=200.0)), x, play, parameters={"linear.weight": "linear.weight"})
    same(norse.LILinearCell(6, 5), x, play_steps)


def test_lists_of_sequences_with_lifted_convolutions_do_the_same() -> None:
    model = norse.SequentialState(
        norse.Lift(nn.Conv2d(2, 4, 3, bias=False)),
        norse.LIF(LIF),
        norse.LConv2d(4, 3, 3),
        norse.Lift(nn.AvgPool2d(2)),
        nn.Flatten(2),
        nn.Linear(3 * 2 * 2, 5),
        norse.LSNN(norse.LSNNParameters(v_th=torch.tensor(0.2))),
        norse.SequentialState(nn.Linear(5, 4), norse.LI()),
    )
    adopted = same(weights(model), (data(15, 3, 2, 8, 8) > 0.6).float(), play)
    assert isinstance(adopted[4], nn.Flatten)
    assert adopted[4].start_dim == 1


def test_lists_of_cells_do_the_same_step_by_step_and_lifted() -> None:
    def made() -> nn.Module:
        return weights(
            norse.SequentialState(nn.Conv2d(2, 4, 3, bias=False), norse.LIFCell(LIF), nn.Flatten(), nn.Linear(144, 5), norse.LICell())
        )

    x = (data(15, 3, 2, 8, 8) > 0.6).float()
    same(made(), x, play_steps)
    same(norse.Lift(made()), x, play)


REFUSED: dict[str, tuple[Any, str]] = {
    "adjoint": (lambda: norse.LIF(LIF._replace(method="adjoint")), 'norse.LIF: method="adjoint" computes another gradient'),
    "heaviside": (lambda: norse.LIF(LIF._replace(method="heaviside")), "method='heaviside' is none that rsnn has"),
    "Izhikevich": (lambda: norse.Izhikevich(tonic_spiking), r"starts at v=-70, u=-14.*init_state\(shape, v=-70, w=-14\)"),
    "CobaLIFCell": (lambda: norse.CobaLIFCell(3, 4), "drops the spikes that come in"),
    "hidden": (lambda: norse.SequentialState(norse.LIF(), return_hidden=True), "return_hidden=True"),
    "a cell among sequences": (norse.LIFCell, "takes one time step a call, and what is around it gives it a sequence a call"),
    "a convolution that is not lifted": (lambda: nn.Conv2d(1, 1, 1), "Conv2d: is called with time and batch"),
    "torch's recurrent": (lambda: nn.RNN(6, 4), "RNN: keeps a state that is no neuron's"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_adopted_is_named_with_its_place_and_the_cure(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(rsnn.InvalidValueError, match=r"1\.0: .*" + words):
        rt.adopt(norse.SequentialState(norse.LIF(), norse.SequentialState(make())))


def test_a_neuron_alone_becomes_data() -> None:
    assert neuron_of(norse.LIFCell(LIF)).stages == neuron_of(norse.LIF(LIF)).stages
    recurrent = norse.LIFRecurrent(3, 2)
    assert isinstance(neuron_of(recurrent), rsnn.Recurrent)


def test_the_page_of_the_manual_runs_as_it_is_shown() -> None:
    page = (Path(__file__).parents[2] / "docs/howto/norse.md").read_text()
    for block in re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(compile(block, "norse.md", "exec"), {"__name__": "__main__"})

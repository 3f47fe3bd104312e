"""DistributedDataParallel over gloo: several processes, each with its share of a batch, learn what one learns from all of it."""

import multiprocessing
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import rsnn.torch as rt

PROCESSES = 2
STEPS, BATCH, INPUTS = 20, 8, 6
PATIENCE = 60.0
"""Seconds after which a process that still runs is a failure."""


class Net(nn.Module):
    """Weights, learned decays and thresholds, and recurrence."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = rt.Sequential(
            rt.Linear(INPUTS, 16),
            rt.LIF(beta=0.9, learn=("beta", "v_threshold")),
            rt.Linear(16, 12),
            rt.ALIFRecurrent(beta=0.9, tau_adapt=20.0, learn="tau_adapt", hidden_size=12),
            rt.Linear(12, 3),
            rt.LI(beta=0.9, learn="beta"),
        )

    def forward(self, x: Tensor) -> Tensor:
        output, _ = self.layers(x)
        mean: Tensor = output.mean(0)
        return mean


def problem() -> tuple[Net, Tensor, Tensor]:
    """The same in every process; float64, so that the order of sums does not hide a mistake."""
    torch.manual_seed(0)
    net = Net().double()
    x = (torch.rand(STEPS, BATCH, INPUTS) < 0.4).double()
    rt.init.calibrate_(net, x, rate=0.2)
    return net, x, torch.randint(0, 3, (BATCH,))


def gradients(net: nn.Module, model: nn.Module, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
    loss = nn.functional.cross_entropy(model(x), labels)
    torch.autograd.backward(loss)
    return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


def work(rank: int, folder: Path) -> None:
    """One of the processes: the gradients of its share, twice, averaged by torch."""
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "store"), PROCESSES)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=PROCESSES, timeout=timedelta(seconds=PATIENCE / 2))
    try:
        net, x, labels = problem()
        model = DistributedDataParallel(net)
        share = slice(rank * BATCH // PROCESSES, (rank + 1) * BATCH // PROCESSES)
        found = []
        for _ in range(2):  # again: after the first step DDP has regrouped the gradients
            net.zero_grad()
            found.append(gradients(net, model, x[:, share], labels[share]))
        dist.barrier()  # a process that ends while gloo's threads let go of its tensors is aborted
        torch.save(found, folder / f"gradients{rank}.pt")
    finally:
        dist.destroy_process_group()
        time.sleep(0.5)  # or torch's threads, letting go of the last tensors, may abort the process (pytorch/pytorch#190489)


@pytest.mark.skipif(not dist.is_available(), reason="this torch was built without torch.distributed")
def test_two_processes_give_the_gradients_of_one_with_the_whole_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "linux":
        monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")  # needs neither a network nor a name for this machine
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=work, args=(rank, tmp_path), daemon=True) for rank in range(PROCESSES)]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join(PATIENCE)
        assert [process.exitcode for process in processes] == [0] * PROCESSES
    finally:
        for process in processes:
            process.kill()
            process.join()

    net, x, labels = problem()
    expected = gradients(net, net, x, labels)
    assert len(expected) == len(list(net.parameters()))
    assert all(gradient.abs().max() > 0 for gradient in expected.values())
    for rank in range(PROCESSES):
        for found in torch.load(tmp_path / f"gradients{rank}.pt"):
            for name, gradient in expected.items():
                torch.testing.assert_close(found[name], gradient, rtol=1e-12, atol=1e-12 * float(gradient.abs().max()), msg=name)

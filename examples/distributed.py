"""The network of `digits.py`, trained by several processes, on one machine or on many.

Every process holds the model and sees its share of each batch; `DistributedDataParallel` averages the gradients over gloo, torch's
transport between CPUs. A batch is 64 pictures for any number of processes, other ones together.
Nothing of rsnn is special here: its layers are modules without hidden state, and this is torch's own recipe.

    python examples/distributed.py [--help]                                           one process
    torchrun --standalone --nproc-per-node 2 examples/distributed.py                  two on this machine
    torchrun --nnodes 4 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 examples/distributed.py
                                                                                        on each of four machines, HOST one of them

With Slurm, put ``srun`` before the last and take HOST from ``scontrol show hostnames``. More threads for each process: ``--threads``.

Came out (AMD EPYC, 2 cores, 2026-11-25) after 15 epochs: 98.22 % of 450 held-out digits right with one process, 97.78 %
with two; 13 s with one.
"""

import os
import time

import command
import numpy as np
import torch
import torch.distributed as dist
from command import Settings
from digits import BATCH, LEARNING_RATE, build, load, logits
from matplotlib.figure import Figure
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from rsnn import plot


def join() -> None:
    """Join the other processes, as torchrun's variables say; without torchrun, be the only one."""
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
    else:
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)  # type: ignore[attr-defined]


def total(*values: float) -> list[float]:
    """Add up numbers over all processes."""
    numbers = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(numbers)
    summed: list[float] = numbers.tolist()
    return summed


def run(settings: Settings) -> command.Outcome | None:
    """Train; the process of rank 0 tells how it went."""
    join()
    try:
        outcome = train(settings, dist.get_rank(), dist.get_world_size())
        # Leave together: torch's threads may hold the last sum a moment longer, and abort a process that ends meanwhile.
        dist.barrier()
        return outcome
    finally:
        dist.destroy_process_group()
        # torch's threads may hold the last sum a moment longer. They need the interpreter to let go of it, and abort the process if it is
        # ending already (pytorch/pytorch#190489, seen with torch 2.15 in one run of ten).
        time.sleep(0.5)


def train(settings: Settings, rank: int, processes: int) -> command.Outcome | None:
    """Train this process's copy of the model on its share."""
    torch.manual_seed(settings.seed)
    digits = load(settings.seed)
    model = DistributedDataParallel(build(digits.train[:BATCH]))
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    data = TensorDataset(digits.train, digits.train_labels)
    sampler: DistributedSampler[TensorDataset] = DistributedSampler(data, processes, rank, shuffle=True, seed=settings.seed)
    loader = DataLoader(data, batch_size=max(BATCH // processes, 1), sampler=sampler)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, epochs=settings.epochs, steps_per_epoch=len(loader))
    test, test_labels = digits.test[rank::processes], digits.test_labels[rank::processes]
    losses, accuracies = [], []
    for epoch in range(settings.epochs):
        sampler.set_epoch(epoch)
        summed = 0.0
        for pictures, labels in loader:
            loss = cross_entropy(logits(model, pictures), labels)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            summed += loss.item() * len(labels)
        with torch.no_grad():
            right = (logits(model.module, test).argmax(1) == test_labels).sum()
        loss_sum, seen, right_sum = total(summed, len(sampler), float(right))
        losses.append(loss_sum / seen)
        accuracies.append(right_sum / len(digits.test))
        if rank == 0:
            said = f"loss {losses[-1]:.3f}, {accuracies[-1]:.2%} of the held-out digits right"
            print(f"epoch {epoch + 1}/{settings.epochs}: {said}", flush=True)
    if rank != 0:
        return None
    print(f"{processes} process{'es' if processes > 1 else ''}, {loader.batch_size} pictures each in a step")
    return {"processes": processes, "loss": losses, "accuracy": accuracies}, draw(losses, accuracies, processes)


def draw(losses: list[float], accuracies: list[float], processes: int) -> Figure:
    """Draw the training, epoch by epoch."""
    figure = Figure(figsize=(9.0, 3.6))
    epochs = np.arange(1, len(losses) + 1)
    left, right = figure.subplots(1, 2)
    left.plot(epochs, losses, ".-", color=plot.FLOAT)
    left.set(xlabel="epoch", title=f"Training loss, {processes} process{'es' if processes > 1 else ''}")
    right.plot(epochs, accuracies, ".-", color=plot.FLOAT)
    right.set(xlabel="epoch", ylim=(0, 1), title=f"Held-out digits: {accuracies[-1]:.1%} right")
    return figure


if __name__ == "__main__":
    command.main(run, __doc__ or "", epochs=15, quick_epochs=3)

"""Several processes that train one network: who they are, and what they tell each other.

``torchrun`` starts the processes, and tells each its number in environment variables. They compute parts of
the same batch. ``DistributedDataParallel`` averages the gradients, and batch norms use the statistics of all
processes. So the learning curve is that of one process with the whole batch. Only process 0 writes.

If a process is lost, ``torchrun`` (``max-restarts``) starts all again with the same command. They know by
`launch_name` that the run in the folder is theirs, and go on from its checkpoint. In `meeting` they find each
other, and not the lost ones.

Reference: https://docs.pytorch.org/docs/stable/elastic/run.html (environment variables).
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from musicdenoise.core.families import Network
from musicdenoise.errors import TrainingError
from musicdenoise.training.meeting import meet

_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# One process may read many songs before it comes; PyTorch's own limit for gloo is the same.
_PATIENCE_SECONDS = 30 * 60.0


@dataclass(frozen=True, kw_only=True)
class Topology:
    """Which process this is, of how many.

    Parameters
    ----------
    rank
        Number of this process.
    num_processes
        Number of processes.
    local_rank
        Number among those on this machine, which is also that of its GPU.
    """

    rank: int = 0
    num_processes: int = 1
    local_rank: int = 0

    @classmethod
    def from_environment(cls) -> Topology:
        """As ``torchrun`` says; a single process if it did not start this one."""
        if not os.environ.keys() >= set(_VARIABLES):
            return cls()
        rank, size, local = (int(os.environ[name]) for name in _VARIABLES[:3])
        return cls(rank=rank, num_processes=size, local_rank=local)

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether this is the only process."""
        return self.num_processes == 1

    def choose_device(self, device: torch.device) -> torch.device:
        """The device of this process. If there are several processes, each has a GPU of its own."""
        if self.is_alone or device != torch.device("cuda"):
            return device
        return torch.device("cuda", self.local_rank)

    def average(self, values: Sequence[float], device: torch.device) -> list[float]:
        """Mean of each value over all processes, the same in each of them."""
        if self.is_alone:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(total)
        return [float(value) / self.num_processes for value in total]

    def agree(self, decision: bool, device: torch.device) -> bool:
        """What process 0 has decided, in all of them."""
        return self.average((float(decision and self.is_first),), device)[0] > 0.0

    def gather(self, values: Sequence[float]) -> list[float]:
        """Values of all processes, in order, if items are dealt out by ``items[rank::num_processes]``."""
        if self.is_alone:
            return list(values)
        hands: list[Any] = [None] * self.num_processes
        dist.all_gather_object(hands, list(values))
        total = sum(len(hand) for hand in hands)
        return [hands[i % self.num_processes][i // self.num_processes] for i in range(total)]


def launch_name() -> str | None:
    """What tells this call of ``torchrun`` from others, the same after a restart; None without torchrun."""
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    if name != "none":
        return name
    # Without a name of its own, it is the process above this one.
    return f"{platform.node()} {os.getppid()}"


@contextlib.contextmanager
def process_group(topology: Topology, device: torch.device) -> Iterator[None]:
    """Connect the processes, by nccl on GPUs and by gloo otherwise.

    Raises
    ------
    TrainingError
        If they cannot be connected, or one of them is lost.
    """
    if topology.is_alone:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        _connect("nccl" if device.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"the training processes cannot be connected: {reason}; start them with torchrun"
        ) from error
    try:
        yield
        # None leaves while the first still writes: torchrun ends all as soon as one ends badly.
        dist.barrier()
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        if not isinstance(error, dist.DistError) and "gloo" not in reason:
            raise
        raise TrainingError(
            f"another training process is lost ({reason}); torchrun with max-restarts starts all again, and "
            "they go on from the last checkpoint"
        ) from error
    finally:
        dist.destroy_process_group()


def _connect(backend: str) -> None:
    limit = timedelta(seconds=_PATIENCE_SECONDS)
    store, rank, size = next(dist.rendezvous("env://", timeout=limit))  # type: ignore[attr-defined,no-untyped-call]
    store = meet(store, rank=rank, num_processes=size, patience_seconds=_PATIENCE_SECONDS)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size)


def synchronise_norms(network: Network, topology: Topology, device: torch.device) -> Network:
    """Give the network batch norms that share statistics over all processes; names stay as they are."""
    if topology.is_alone:
        return network
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return network
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            synced: nn.Module
            if type(child) is nn.BatchNorm1d:
                synced = SyncedBatchNorm1d(child.num_features)
            elif type(child) is nn.BatchNorm2d:
                synced = SyncedBatchNorm2d(child.num_features)
            else:
                continue
            synced.load_state_dict(child.state_dict())
            setattr(module, name, synced)
    return network


def wrap(network: Network, topology: Topology, device: torch.device) -> nn.Module:
    """The network as the steps run it: itself, or with gradients averaged over processes."""
    if topology.is_alone:
        return network
    for parameter in network.parameters():
        if parameter.requires_grad and 1 in parameter.shape:
            strides = partial(_with_strides, parameter.stride())
            parameter.register_hook(strides)  # type: ignore[no-untyped-call]
    runner = DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None)
    # The norms keep their buffers equal. The attribute, because PyTorch 2.14 has renamed the argument.
    runner.broadcast_buffers = False
    return runner


def _with_strides(strides: tuple[int, ...], gradient: Tensor) -> Tensor:
    """The gradient with the strides of its parameter, if they differ along axes of length 1 only.

    There they mean nothing, but `DistributedDataParallel` compares them, warns, and copies the gradient.
    """
    pairs = zip(gradient.shape, gradient.stride(), strides, strict=True)
    is_alike = all(length == 1 or ours == theirs for length, ours, theirs in pairs)
    return gradient.as_strided(gradient.shape, strides) if is_alike else gradient


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the examples of all processes, for processors (``nn.SyncBatchNorm`` is for GPUs).

    Every process must hold the same number of values.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(batch, channels, freqs, frames)``."""
        return _normalise(self, x) if self.training else super().forward(x)


class SyncedBatchNorm1d(nn.BatchNorm1d):
    """The same for ``(batch, channels, freqs)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(batch, channels, freqs)``."""
        return _normalise(self, x) if self.training else super().forward(x)


def _normalise(norm: SyncedBatchNorm1d | SyncedBatchNorm2d, x: Tensor) -> Tensor:
    assert norm.running_mean is not None and norm.running_var is not None and norm.momentum is not None
    wide = x.float()
    shape = (1, -1, *[1] * (x.dim() - 2))
    others = tuple(axis for axis in range(x.dim()) if axis != 1)
    mean: Tensor = _Average.apply(wide.mean(dim=others))  # type: ignore[no-untyped-call]
    centred = wide - mean.reshape(shape)
    variance: Tensor = _Average.apply(centred.square().mean(dim=others))  # type: ignore[no-untyped-call]
    with torch.no_grad():
        count = x.numel() // x.shape[1] * dist.get_world_size()
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
    scale = norm.weight * (variance + norm.eps).rsqrt()
    return (centred * scale.reshape(shape) + norm.bias.reshape(shape)).to(x.dtype)


class _Average(torch.autograd.Function):
    """Mean over processes, of the gradient as well as of the value."""

    @staticmethod
    def forward(_context: Any, x: Tensor) -> Tensor:
        return _average(x)

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        return _average(gradient)


def _average(x: Tensor) -> Tensor:
    total = x.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()

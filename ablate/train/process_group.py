"""The process group of a trial: the processes ("ranks") that train it together, one on each device.

Each rank takes its part of every batch in the order of (seed, epoch), and DistributedDataParallel averages the gradients,
so all ranks have the same weights. Batch norm uses each rank's part of the batch, as the Torch of the paper (Zagoruyko and
Komodakis, Wide Residual Networks) did, with the running statistics of rank 0; with sync_batch_norm it uses the whole batch.
The backend is gloo on CPUs and NCCL on GPUs.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

HOST = "127.0.0.1"
TIMEOUT = timedelta(minutes=30)  # of one collective operation: the other ranks wait while rank 0 writes a checkpoint


class ProcessGroup:
    """The ranks of a trial, as one of them sees them; a group of one rank does not communicate.

    Args:
        rank: Of this process, from 0.
        size: Number of ranks.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which alone reads and writes the trial's directory."""
        return self.rank == 0

    def batch_rows(self, size: int) -> tuple[int, int]:
        """The rows [start, stop) of a batch that this rank takes.

        Args:
            size: Images of the batch, all ranks together.
        """
        return size * self.rank // self.size, size * (self.rank + 1) // self.size

    def distribute(self, network: nn.Module) -> nn.Module:
        """Wrap a network in DistributedDataParallel, with the weights of rank 0; a group of one rank returns it unchanged.

        Args:
            network: On the device of this rank.
        """
        if self.size == 1:
            return network
        device = next(network.parameters()).device
        # Blocks that are left out have unused parameters. find_unused_parameters also keeps the gradient buckets: without
        # it DDP rebuilds them after the first step, and a resumed trial would add the gradients in another order.
        return DistributedDataParallel(
            network, device_ids=[device.index] if device.type == "cuda" else None, find_unused_parameters=True
        )

    def all_reduce(self, totals: Tensor) -> Tensor:
        """Replace a tensor by its sum over all ranks, in place, and return it.

        Args:
            totals: Of the same shape on every rank.
        """
        if self.size > 1:
            dist.all_reduce(totals)
        return totals

    def broadcast_buffers(self, network: nn.Module) -> None:
        """Copy the buffers of rank 0, which are the running statistics of batch norm, to all ranks.

        Args:
            network: On the device of this rank.
        """
        if self.size > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, src=0)

    def broadcast_object(self, value: Any) -> Any:
        """Broadcast the value of rank 0 to every rank and return it.

        Args:
            value: Any value that can be pickled, with its tensors on the CPU; only that of rank 0 matters.
        """
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]


ALONE = ProcessGroup()


def join_process_group(rank: int, size: int, port: int, listening: int, device: torch.device) -> ProcessGroup:
    """Wait for all ranks and return their group.

    Args:
        rank: Of this process, from 0.
        size: Number of ranks.
        port: On 127.0.0.1, where rank 0 listens.
        listening: File descriptor of rank 0's listening socket; the other ranks ignore it.
        device: Of this rank.
    """
    first = rank == 0
    store = dist.TCPStore(HOST, port, size, first, TIMEOUT, master_listen_fd=listening if first else None)  # type: ignore[attr-defined]
    gpu = device.type == "cuda"
    dist.init_process_group(
        "nccl" if gpu else "gloo",
        store=store,
        rank=rank,
        world_size=size,
        timeout=TIMEOUT,
        device_id=device if gpu else None,
    )
    return ProcessGroup(rank, size)


def synchronize_batch_norm(network: nn.Module, device: torch.device) -> nn.Module:
    """Make every batch norm of a network use the whole batch; the names in its state do not change.

    Args:
        network: May be changed in place; use the network that is returned.
        device: Where it will be trained.
    """
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for module in network.modules():  # torch's SyncBatchNorm supports GPUs only
        if isinstance(module, _BatchNorm):
            module.forward = partial(batch_norm, module)  # type: ignore[method-assign]
    return network


def batch_norm(norm: _BatchNorm, x: Tensor) -> Tensor:
    """Normalize this rank's part of a batch, in training mode with the statistics of the parts of all ranks.

    Args:
        norm: With running statistics, which are updated in training mode.
        x: Of shape (B, C, ...), with the same B on every rank.
    """
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None and norm.num_batches_tracked is not None
    if not norm.training:
        return F.batch_norm(x, mean, variance, norm.weight, norm.bias, eps=norm.eps)
    across, shape = (0, *range(2, x.ndim)), (1, -1, *(1 for _ in range(2, x.ndim)))
    values = x.float()
    n = values.numel() // values.shape[1] * dist.get_world_size()
    average = Sum.apply(values.sum(across)) / n
    centred = values - average.view(shape)
    spread = Sum.apply((centred**2).sum(across)) / n
    with torch.no_grad():
        norm.num_batches_tracked += 1
        momentum = norm.momentum or 1 / float(norm.num_batches_tracked)
        mean.lerp_(average, momentum)
        variance.lerp_(spread * (n / (n - 1)), momentum)
    scale = norm.weight * (spread + norm.eps).rsqrt()
    made: Tensor = (centred * scale.view(shape) + norm.bias.view(shape)).to(x.dtype)
    return made


class Sum(torch.autograd.Function):
    """The sum of a tensor over all ranks; its backward pass sums the gradients over all ranks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Sum a tensor over all ranks."""
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Sum the gradients over all ranks."""
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total

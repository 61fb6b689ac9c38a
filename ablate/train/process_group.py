"""The processes ("ranks") that train one trial together, one on each device.

Each rank takes its part of every batch in the order of (seed, epoch), and DistributedDataParallel averages the gradients,
so all have the same weights. Batch norm uses each rank's part of the batch, as in the paper's Torch, with the running
statistics of rank 0; with sync_batch_norm it uses the whole batch. The backend is gloo on CPUs and NCCL on GPUs.
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
TIMEOUT = timedelta(minutes=30)  # of one exchange: the others wait while the first writes a checkpoint


class ProcessGroup:
    """`size` processes, of which this one is number `rank` from 0; a group of one exchanges nothing."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which alone reads and writes the trial's directory."""
        return self.rank == 0

    def batch_rows(self, size: int) -> tuple[int, int]:
        """The rows [start, stop) of a batch of `size` that are this rank's."""
        return size * self.rank // self.size, size * (self.rank + 1) // self.size

    def distribute(self, network: nn.Module) -> nn.Module:
        """Returns the network in DistributedDataParallel, with the weights of rank 0; of one rank, the network itself."""
        if self.size == 1:
            return network
        device = next(network.parameters()).device
        # Blocks left out have unused parameters. Looking for them also keeps the gradient buckets: DDP would else rebuild
        # them after the first step, and a resumed trial would add the gradients in another order.
        return DistributedDataParallel(
            network,
            device_ids=[device.index] if device.type == "cuda" else None,
            find_unused_parameters=True,
        )

    def all_reduce(self, totals: Tensor) -> Tensor:
        """Replaces a tensor by its sum over all ranks, and returns it."""
        if self.size > 1:
            dist.all_reduce(totals)
        return totals

    def broadcast_buffers(self, network: nn.Module) -> None:
        """Gives all ranks the buffers of rank 0, which are the running statistics of batch norm."""
        if self.size > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, src=0)

    def broadcast_object(self, value: Any) -> Any:
        """Returns the value of rank 0 on every rank; its tensors must be on the CPU."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]


ALONE = ProcessGroup()


def join_process_group(rank: int, size: int, port: int, listening: int, device: torch.device) -> ProcessGroup:
    """Waits for all ranks and returns their group.

    Args:
        rank: Of this process, from 0.
        size: How many ranks there are.
        port: Of 127.0.0.1, at which rank 0 listens.
        listening: File descriptor of rank 0's listening socket.
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
    """Returns the network with every batch norm using the whole batch; its state has the same names."""
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for module in network.modules():  # torch's own is for GPUs only
        if isinstance(module, _BatchNorm):
            module.forward = partial(batch_norm, module)  # type: ignore[method-assign]
    return network


def batch_norm(norm: _BatchNorm, x: Tensor) -> Tensor:
    """Batch norm of this rank's part of a batch, in training by the statistics of all ranks' parts, of equal sizes."""
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
    """The sum over all ranks, and of their gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total

"""Group: the processes that train one trial together, a device each, as one of them sees them.

Each takes its part of every batch in the order of (seed, epoch), DistributedDataParallel averages the gradients, and all
come to the same weights. Batch norm is that of each device's part alone, as in the paper's Torch, with the running
statistics of the first rank, or with sync_batch_norm that of the whole batch. gloo on CPUs, NCCL on GPUs.
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


class Group:
    """`size` processes, of which this one is number `rank` from 0; where it is alone nothing is exchanged."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def first(self) -> bool:
        """Whether this is the one that keeps the records."""
        return self.rank == 0

    def rows(self, size: int) -> tuple[int, int]:
        """(first, behind the last) row of this rank's part of a batch."""
        return size * self.rank // self.size, size * (self.rank + 1) // self.size

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network whose gradients are the mean of all ranks', from the weights of the first."""
        if self.size == 1:
            return network
        device = next(network.parameters()).device
        # Looking for unused parameters, which blocks left out have, also keeps the buckets that gradients are added up in
        # as they are; they would be made anew after the first step, and a resumed trial would add in another order.
        return DistributedDataParallel(
            network,
            device_ids=[device.index] if device.type == "cuda" else None,
            find_unused_parameters=True,
        )

    def add(self, totals: Tensor) -> Tensor:
        """The sum of all ranks'."""
        if self.size > 1:
            dist.all_reduce(totals)
        return totals

    def level(self, network: nn.Module) -> None:
        """Gives all ranks the first one's running statistics."""
        if self.size > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, src=0)

    def agree(self, value: Any) -> Any:
        """What the first rank says, on every rank; tensors come on the CPU as they went."""
        if self.size == 1:
            return value
        said = [value]
        dist.broadcast_object_list(said, src=0)
        return said[0]


ALONE = Group()


def join(rank: int, size: int, port: int, listening: int, device: torch.device) -> Group:
    """The group, once all are there; whoever started them ends them. listening: the first rank's socket at that port."""
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
    return Group(rank, size)


def synchronize_batch_norm(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with every batch norm by the statistics of all ranks' parts together; its state has the same names."""
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for module in network.modules():  # torch's own is for GPUs only
        if isinstance(module, _BatchNorm):
            module.forward = partial(batch_norm, module)  # type: ignore[method-assign]
    return network


def batch_norm(norm: _BatchNorm, x: Tensor) -> Tensor:
    """What batch norm makes of this rank's part of a batch, in training by the whole batch; all parts are of one size."""
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

"""The learning rate and the optimizer of a recipe.

Source: Zagoruyko and Komodakis, Wide Residual Networks, section 3, and the authors' code.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ablate.kinds.optimizers import OPTIMIZERS
from ablate.kinds.schedules import SCHEDULES
from ablate.study.study import Recipe


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """The learning rate of an epoch.

    Args:
        recipe: Says the rate and the schedule.
        epoch: From 1.
    """
    schedule = SCHEDULES[recipe.schedule]
    return recipe.rate * schedule.factor(schedule.settings(recipe.values), epoch, recipe.epochs)


def make_optimizer(recipe: Recipe, network: nn.Module, fused: bool | None = None) -> torch.optim.Optimizer:
    """Make the recipe's optimizer.

    With decay_on: weights, weight decay does not apply to batch norms and biases, which are the one-dimensional parameters.

    Args:
        recipe: Says the optimizer and its values.
        network: On the device.
        fused: Whether one kernel does the whole update, with the learning rate as a tensor on the device, which a CUDA
            graph reads at each step; None: on CUDA only. The last bits of a weight differ between the two ways.
    """
    parameters = list(network.parameters())
    device = parameters[0].device
    fused = device.type == "cuda" if fused is None else fused
    groups: list[dict[str, Any]] = [{"params": parameters}]
    if recipe.decay_on == "weights":
        groups = [
            {"params": [p for p in parameters if p.ndim > 1]},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
    rate = torch.tensor(recipe.rate, device=device) if fused else recipe.rate
    arguments = {"lr": rate, "weight_decay": recipe.weight_decay, "foreach": not fused, "fused": fused}
    optimizer = OPTIMIZERS[recipe.optimizer]
    return optimizer.build(groups, arguments, optimizer.settings(recipe.values))


def start_epoch(recipe: Recipe, optimizer: torch.optim.Optimizer, epoch: int) -> float:
    """Set the learning rate of an epoch, discard the momentum if the schedule says so, and return the rate.

    Args:
        recipe: Says the rate and the schedule.
        optimizer: From make_optimizer().
        epoch: From 1.
    """
    rate = learning_rate(recipe, epoch)
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    schedule = SCHEDULES[recipe.schedule]
    if schedule.discards_momentum(schedule.settings(recipe.values), epoch, recipe.epochs):
        for state in optimizer.state.values():  # in place, because a CUDA graph holds the tensors
            for value in filter(torch.is_tensor, state.values()):
                value.zero_()
    return rate


def restore(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load the state of a checkpoint, such as momentum, into an optimizer.

    The optimizer keeps its own settings, because the checkpoint may come from another device: fused updates, for example.

    Args:
        optimizer: From make_optimizer().
        state: From its state_dict() in the checkpoint.
    """
    own = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, settings in zip(optimizer.param_groups, own):
        group.update(settings)

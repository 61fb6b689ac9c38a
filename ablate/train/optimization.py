"""Recipe -> learning rate and optimizer. Source: WRN, section 3, and the authors' code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ablate.kinds.optimizers import OPTIMIZERS
from ablate.kinds.schedules import SCHEDULES
from ablate.study.study import Recipe


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """The learning rate of an epoch, from 1."""
    schedule = SCHEDULES[recipe.schedule]
    return recipe.rate * schedule.factor(schedule.settings(recipe.values), epoch, recipe.epochs)


def make_optimizer(recipe: Recipe, network: nn.Module, fused: bool | None = None) -> torch.optim.Optimizer:
    """The recipe's optimizer; decay_on: weights leaves batch norm and biases (all one-dimensional) undecayed.

    fused: one kernel for the whole update, its learning rate a tensor on the device, which a CUDA graph reads anew at
    each step; None: on CUDA. The last bits of a weight then differ from those of the plain update.
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
    """Sets the epoch's learning rate, discards the momentum where the recipe says so, and returns the rate."""
    rate = learning_rate(recipe, epoch)
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    schedule = SCHEDULES[recipe.schedule]
    if schedule.discards_momentum(schedule.settings(recipe.values), epoch, recipe.epochs):
        for state in optimizer.state.values():  # in place: a CUDA graph holds them
            for value in filter(torch.is_tensor, state.values()):
                value.zero_()
    return rate


def restore(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Takes over the momentum of a checkpoint; how the update is made is the optimizer's own, wherever that was."""
    own = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, settings in zip(optimizer.param_groups, own):
        group.update(settings)

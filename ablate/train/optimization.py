"""Recipe -> learning rate and optimizer. Source: WRN, section 3, and the authors' code."""

from __future__ import annotations

import math

import torch
from torch import nn

from ablate.study.study import Recipe


def drop_epochs(recipe: Recipe) -> tuple[int, ...]:
    """The epochs, from 1, at whose start the rate drops: 60, 120, 160 of 200 for 0.3, 0.6, 0.8; never the first."""
    return tuple(max(2, math.ceil(fraction * recipe.epochs - 1e-9)) for fraction in recipe.milestones)


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """The learning rate of an epoch, from 1."""
    drops = sum(epoch >= drop for drop in drop_epochs(recipe))
    return recipe.rate * recipe.drop**drops


def make_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimizer; decay_on: weights leaves batch norm and biases (all one-dimensional) undecayed."""
    parameters = list(network.parameters())
    groups: list[dict[str, object]] = [{"params": parameters}]
    if recipe.decay_on == "weights":
        groups = [
            {"params": [p for p in parameters if p.ndim > 1]},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            groups,
            recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            foreach=True,
        )
    return torch.optim.Adam(
        groups, recipe.lr, betas=recipe.betas, eps=recipe.eps, weight_decay=recipe.weight_decay, foreach=True
    )


def start_epoch(recipe: Recipe, optimizer: torch.optim.Optimizer, epoch: int) -> float:
    """Sets the epoch's learning rate, discards the momentum where the recipe says so, and returns the rate."""
    rate = learning_rate(recipe, epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate
    if recipe.momentum_at_drop == "discard" and epoch in drop_epochs(recipe):
        optimizer.state.clear()
    return rate

"""The learning rate and the optimizer of a recipe.

Source: Zagoruyko and Komodakis, Wide Residual Networks, section 3, and the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ablate.errors import NotationError, RunError
from ablate.kinds.hooks import Hooks
from ablate.kinds.optimizers import checked_optimizer
from ablate.own_code import OwnCode, own_number
from ablate.study.recipe import Recipe

SCALE = "scale"  # key of a parameter group: its rate, as a multiple of the recipe's


class Rates:
    """The learning rate and the momentum of every step of a training: functions of the step alone.

    Args:
        recipe: Says the rate, the schedule and the epochs.
        steps_per_epoch: Steps of an epoch.
        hooks: Of a recipe of the user's own; None: there is none.

    Raises:
        NotationError: A schedule of the user's own is missing.
    """

    def __init__(self, recipe: Recipe, steps_per_epoch: int, hooks: Hooks | None = None) -> None:
        self.recipe, self.steps_per_epoch, self.steps = recipe, steps_per_epoch, recipe.epochs * steps_per_epoch
        self.schedule = recipe.kinds[1]
        self.settings = self.schedule.settings(recipe.values)
        self.own: Callable[[int], Any] | None = None
        known = {"steps": self.steps, "steps_per_epoch": steps_per_epoch, "epochs": recipe.epochs, "lr": recipe.rate}
        if hooks and "rate" in hooks:
            self.own, self.reference = lambda step: hooks.call("rate", step, **known), hooks.own.python
        elif isinstance(recipe.schedule, OwnCode):
            bound = recipe.schedule.bind()
            self.own, self.reference = lambda step: bound(step=step, **known), recipe.schedule.python
        self.by_step = self.own is not None or self.schedule.by_step(self.settings)
        self.cycles_momentum = self.own is None and self.at(0)[1] is not None

    def at(self, step: int) -> tuple[float, float | None]:
        """(the learning rate, the momentum or None where the recipe's stays) of a step.

        Args:
            step: From 0. After the last step of the training it is the last.

        Raises:
            NotationError: The user's own schedule raises an error or returns no number.
        """
        step = min(step, self.steps - 1)
        if self.own is None:
            factor, momentum = self.schedule.at(self.settings, step, self.steps_per_epoch, self.recipe.epochs)
            return self.recipe.rate * factor, momentum
        return own_number(self.own(step), self.reference, 0, f" in step {step}"), None

    def set(self, optimizer: torch.optim.Optimizer, step: int) -> float:
        """Set the rate and the momentum of a step, and return the largest rate of a parameter group.

        A rate that the user's own code returns is that of the group with the largest; other groups keep their ratio to it.

        Args:
            optimizer: From make_optimizer().
            step: From 0.
        """
        rate, momentum = self.at(step)
        largest = max(float(group.get(SCALE, 1.0)) for group in optimizer.param_groups)
        rate = rate / largest if self.own else rate
        for group in optimizer.param_groups:
            each = rate * group.get(SCALE, 1.0)
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(each)
            else:
                group["lr"] = each
            if momentum is not None and group.get("momentum"):  # an optimizer without momentum stays without it
                group["momentum"] = momentum
            elif momentum is not None and "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
        return rate * largest


def make_optimizer(
    recipe: Recipe, network: nn.Module, fused: bool | None = None, hooks: Hooks | None = None
) -> torch.optim.Optimizer:
    """Make the recipe's optimizer.

    With decay_on: weights, weight decay does not apply to batch norms and biases, which are the one-dimensional parameters.
    The groups of an optimizer of the user's own keep the ratio of their rates to the recipe's in the whole training.

    Args:
        recipe: Says the optimizer and its values.
        network: On the device.
        fused: Whether one kernel does the whole update, with the learning rate as a tensor on the device, which a CUDA
            graph reads at each step; None: on CUDA only. The last bits of a weight differ between the two ways.
        hooks: Of a recipe of the user's own, whose method `optimizer` makes it; None: there is none.

    Raises:
        RunError: The optimizer needs a package that is not installed.
        NotationError: No parameter is trained, or an optimizer of the user's own raises an error.
    """
    if hooks and "optimizer" in hooks:
        return scaled(checked_optimizer(hooks.call("optimizer", network), hooks.own.python, network), recipe)
    parameters = list(network.parameters())
    if not any(parameter.requires_grad for parameter in parameters):
        raise NotationError("the network has no parameter that is trained")
    device = parameters[0].device
    entry = recipe.kinds[0]
    fused = (device.type == "cuda" if fused is None else fused) and entry.capturable
    rate = torch.tensor(recipe.rate, device=device) if fused else recipe.rate
    arguments = {"lr": rate, "weight_decay": recipe.weight_decay, "foreach": not fused, "fused": fused}
    if entry.missing:
        raise RunError(entry.missing)
    if isinstance(recipe.optimizer, OwnCode):
        return scaled(entry.build(network, arguments, {}), recipe)
    groups: list[dict[str, Any]] = [{"params": parameters}]
    if recipe.decay_on == "weights":
        groups = [
            {"params": [p for p in parameters if p.ndim > 1]},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
    return entry.build(groups, arguments, entry.settings(recipe.values))


def scaled(optimizer: torch.optim.Optimizer, recipe: Recipe) -> torch.optim.Optimizer:
    """Note the ratio of each group's learning rate to the recipe's in the group, and return the optimizer."""
    for group in optimizer.param_groups:
        group[SCALE] = float(group["lr"]) / recipe.rate
    return optimizer


def start_epoch(recipe: Recipe, optimizer: torch.optim.Optimizer, epoch: int, rates: Rates | None = None) -> float:
    """Set the learning rate of an epoch's first step, discard the momentum if the schedule says so, and return the rate.

    An optimizer of the user's own keeps its state, of which nothing is known: it may hold copies of the weights.

    Args:
        recipe: Says the rate and the schedule.
        optimizer: From make_optimizer().
        epoch: From 1.
        rates: Of the training; None: those of a recipe whose rate changes per epoch.
    """
    rates = rates or Rates(recipe, 1)
    rate = rates.set(optimizer, (epoch - 1) * rates.steps_per_epoch)
    kind, schedule, _ = recipe.kinds
    own = any(SCALE in group for group in optimizer.param_groups)
    if not own and schedule.discards_momentum(schedule.settings(recipe.values), epoch, recipe.epochs):
        for state in optimizer.state.values():  # in place, because a CUDA graph holds the tensors
            for name, value in state.items():
                if torch.is_tensor(value):
                    value.fill_(kind.initial.get(name, 0.0))
        for group in optimizer.param_groups:
            if "step" in group:  # LAMB's; a number or a tensor, by the version of timm
                group["step"] = group["step"] * 0
    return rate


def restore(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load the state of a checkpoint, such as momentum, into an optimizer.

    The optimizer keeps its own settings, because the checkpoint may come from another device: fused updates, for example,
    which count steps on the device. One of the user's own takes those of the checkpoint, as it may count steps in them.

    Args:
        optimizer: From make_optimizer().
        state: From its state_dict() in the checkpoint.
    """
    own = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    kept = [{} if SCALE in settings else settings for settings in own]
    # Before, as torch moves the states to where these settings need them, and after, as it adds defaults of older versions.
    if "param_groups" in state:  # an optimizer that is made of several, or a user's own, may have another form
        state = {**state, "param_groups": [{**group, **each} for group, each in zip(state["param_groups"], kept)]}
    optimizer.load_state_dict(state)
    for group, settings in zip(optimizer.param_groups, kept):
        group.update(settings)

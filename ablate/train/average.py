"""The exponential moving average of a network's weights, which is tested in place of the weights."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from ablate.kinds.schedules import epochs_of
from ablate.study.recipe import Recipe


class Average:
    """Keeps a network at the exponential moving average of another one's weights and running statistics.

    After each update, average = decay * average + (1 - decay) * weights. In the warm-up the average is a copy of the
    weights. Whole numbers, such as the batches that batch norm has counted, are copied at the end of an epoch, and so is
    the state that a user's own modules return from get_extra_state().

    Args:
        recipe: Says the decay and the warm-up.
        network: The network that is trained, on the device.
        average: Another network of the same layers, on the same device; it becomes a copy of the first.
        steps_per_epoch: Steps of an epoch.

    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging"; the form as in TensorFlow's
    ExponentialMovingAverage.
    """

    def __init__(self, recipe: Recipe, network: nn.Module, average: nn.Module, steps_per_epoch: int) -> None:
        self.network, self.decay = average, recipe.ema.decay
        self.warmup = epochs_of(recipe.ema.warmup, recipe.epochs) * steps_per_epoch
        average.load_state_dict(network.state_dict())
        average.requires_grad_(False)
        theirs = average.state_dict(keep_vars=True)
        states = network.state_dict(keep_vars=True).items()
        both = [(theirs[name], one) for name, one in states if isinstance(one, Tensor)]
        unique = {id(mean): (_real(mean), _real(one)) for mean, one in both}  # shared weights have several names
        self.pairs = [(mean, one) for mean, one in unique.values() if one.is_floating_point()]
        self.counters = [(mean, one) for mean, one in unique.values() if not one.is_floating_point()]
        modules = zip(average.modules(), network.modules())
        self.own = [pair for pair in modules if type(pair[1]).get_extra_state is not nn.Module.get_extra_state]
        self.follow = torch.zeros((), device=next(network.parameters()).device)  # read by a CUDA graph at each step
        self.set_step(0)

    def set_step(self, step: int) -> None:
        """Set the decay of a step.

        Args:
            step: From 0.
        """
        self.follow.fill_(1.0 if step < self.warmup else 1 - self.decay)

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the weights, after an update of the weights."""
        means, weights = ([pair[side] for pair in self.pairs] for side in (0, 1))
        torch._foreach_lerp_(means, weights, [self.follow] * len(means))

    @torch.no_grad()
    def end_epoch(self) -> None:
        """Copy the whole numbers, and the state of a user's own modules that is no tensor."""
        for mean, one in self.counters:
            mean.copy_(one)
        for module, other in self.own:
            module.set_extra_state(deepcopy(other.get_extra_state()))


def _real(tensor: Tensor) -> Tensor:
    """A tensor without its gradient; complex numbers as pairs of real ones that share their memory."""
    tensor = tensor.detach()
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor

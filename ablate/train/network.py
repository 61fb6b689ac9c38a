"""The network of a trial on its device, ready to be trained."""

from __future__ import annotations

import torch
from torch import nn

from ablate.nets.blueprint import Blueprint
from ablate.nets.build import build, checkpoint_blocks
from ablate.study.study import Recipe
from ablate.train.randomness import generator


def make_network(blueprint: Blueprint, recipe: Recipe, seed: int, device: torch.device) -> nn.Module:
    """The network with the weights that the seed initializes, in channels_last memory."""
    network = build(blueprint, generator(seed, "initialization"))
    if recipe.checkpoint_activations == "blocks":
        checkpoint_blocks(network)
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network

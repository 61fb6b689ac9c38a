"""The network of a trial on its device, ready to be trained."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch
from torch import nn

from ablate.errors import RunError
from ablate.nets.blueprint import Blueprint
from ablate.nets.build import build, checkpoint_blocks, compile_blocks
from ablate.study.study import Recipe
from ablate.train.group import synchronize_batch_norm
from ablate.train.randomness import generator


def make_network(blueprint: Blueprint, recipe: Recipe, seed: int, device: torch.device, cache: Path) -> nn.Module:
    """The network with the weights that the seed initializes, in channels_last memory.

    cache: below it is kept what is compiled, for every process and later run. Raises RunError where nothing can compile.
    """
    network: nn.Module = build(blueprint, generator(seed, "initialization"))
    if recipe.checkpoint_activations == "blocks":
        checkpoint_blocks(network)
    if recipe.sync_batch_norm:
        network = synchronize_batch_norm(network, device)
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if recipe.compile == "always":
        if device.type == "cpu" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++", "cl"))):
            raise RunError("recipe.compile: on a CPU it needs a C++ compiler, such as g++; allowed here: never")
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache / "compiled"))
        compile_blocks(network)
    return network

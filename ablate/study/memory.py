"""What training keeps in memory, read from a network's counts. An estimate: workspaces and allocators come on top."""

from __future__ import annotations

from typing import Any, NamedTuple

from ablate.kinds.optimizers import OPTIMIZERS
from ablate.nets.counts import Counts
from ablate.study.study import Recipe

BYTES = {"float32": 4, "bfloat16": 2}


class Memory(NamedTuple):
    """Bytes of one training. momentum: whatever the optimizer keeps for each weight."""

    weights: int
    gradients: int
    momentum: int
    activations: int

    @property
    def total(self) -> int:
        return sum(self)


def training_memory(counts: Counts, recipe: Recipe) -> Memory:
    """Weights, gradients and momentum in float32; a batch's activations kept for the backward pass in its precision.

    Under bfloat16 the weights are there a second time, cast, for as long as the activations are.
    """
    size = BYTES[recipe.precision]
    weights = 4 * counts.parameters
    optimizer = OPTIMIZERS[recipe.optimizer]
    states = optimizer.states(optimizer.settings(recipe.values))
    cast = size * counts.parameters if size < 4 else 0
    return Memory(weights, weights, states * weights, activation_memory(counts, recipe) + cast)


def memory_choices(counts: Counts, recipe: Recipe) -> list[dict[str, Any]]:
    """The training memory, in plain values, in both precisions, activations kept or computed again."""
    choices = []
    for precision in BYTES:
        for checkpoint in ("none", "blocks"):
            changed = recipe.model_copy(update={"precision": precision, "checkpoint_activations": checkpoint})
            memory = training_memory(counts, changed)
            choices.append({"precision": precision, "checkpoint_activations": checkpoint, **memory._asdict()})
            choices[-1]["total"] = memory.total
    return choices


def activation_memory(counts: Counts, recipe: Recipe) -> int:
    """Bytes of one batch's activations that are kept for the backward pass; on several GPUs of each one's part of it."""
    kept = counts.kept_by_blocks if recipe.checkpoint_activations == "blocks" else counts.kept
    return recipe.batch_size // recipe.gpus * BYTES[recipe.precision] * kept

"""What a training costs before anything is timed: multiply-adds, the time of a GPU that the paper names, and memory.

Memory is read from a network's counts: an estimate, to which workspaces and the allocator add.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, NamedTuple

from ablate.kinds.optimizers import OPTIMIZERS
from ablate.nets.counts import Counts
from ablate.nets.families import count_network
from ablate.nets.notation import parse_architecture
from ablate.study.study import Data, Recipe, Trial

COMPILE_HOURS = 1.0  # of a Titan X: from there on a training repays that its blocks are compiled, on any device since


def training_cost(trial: Trial) -> float:
    """Multiply-adds of a whole training, for sorting: forward, backward (twice that), and the test set each epoch."""
    counts = count_network(trial.architecture, trial.data.classes, trial.data.input_shape)
    return cost_of(counts, trial.data, trial.recipe)


def cost_of(counts: Counts, data: Data, recipe: Recipe) -> float:
    """The same of a network with these counts."""
    full = data.full_sizes
    train, test = (size or most or 50_000 for size, most in zip((data.train_size, data.test_size), full))
    if held_out := data.held_out:
        test = held_out.images or train // (held_out.folds or 1)
        train -= test
    return float(counts.multiply_adds) * (3 * train + test) * recipe.epochs


def compile_choice(counts: Counts, data: Data, recipe: Recipe) -> Literal["always", "never"]:
    """What recipe.compile: auto means for a network: by its own cost alone, so that its trials keep their ids."""
    return "always" if cost_of(counts, data, recipe) >= 3600 * COMPILE_HOURS * titan_x_speed() else "never"


@lru_cache(maxsize=1)
def titan_x_speed() -> float:
    """Multiply-adds a second, as training_cost() counts them, of the Titan X that needs 67.5 s for an epoch of WRN-28-2.

    A measure that every study has before anything is timed. Source: WRN, Table 2, whose epochs are of training.
    """
    return 3 * 50_000 * count_network(parse_architecture("WRN-28-2"), 10, (3, 32, 32)).multiply_adds / 67.5


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

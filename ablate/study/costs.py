"""The cost of a training before anything is timed: multiply-adds, the time on a reference GPU, and memory.

Memory is an estimate from a network's counts. Workspaces and the allocator need additional memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from ablate.data.preprocessing import PREPROCESSING
from ablate.nets.counts import Counts
from ablate.nets.families import count_network
from ablate.nets.notation import parse_architecture
from ablate.study.data import Data
from ablate.study.decision import CostName
from ablate.study.recipe import Recipe
from ablate.study.study import Trial, Variant

MIB = 2**20  # bytes of a mebibyte
PROCESS_BYTES = 500 * MIB  # of a worker process on the CPU, beside its training
COMPILE_HOURS = 1.0  # on a Titan X; a longer training saves more time than compiling takes, on any newer device


def training_cost(trial: Trial) -> float:
    """Multiply-adds of a whole training, for sorting: forward, backward (twice that), and the evaluation each epoch.

    Args:
        trial: The training.
    """
    return cost_of(trial_counts(trial), trial.data, trial.recipe)


def variant_cost(variant: Variant) -> float:
    """The cost of each trial of a variant, as training_cost().

    Args:
        variant: Of a study.
    """
    return training_cost(variant.trials((0,))[0])


def trial_counts(trial: Trial) -> Counts:
    """The counts of a trial's network, for one image.

    Args:
        trial: The training.
    """
    return count_network(trial.architecture, *trial.data.asked)


def cost_of(counts: Counts, data: Data, recipe: Recipe) -> float:
    """Multiply-adds of a whole training, as training_cost().

    Args:
        counts: Of the network, for one image.
        data: For the number of images.
        recipe: For the number of epochs.
    """
    full = data.full_sizes
    train, test = (size or most or 50_000 for size, most in zip((data.train_size, data.test_size), full))
    if held_out := data.held_out:
        test = held_out.images or (train // held_out.folds if held_out.folds else 0)
        train -= test
    return float(counts.multiply_adds) * (3 * train + test) * recipe.epochs


def compile_choice(counts: Counts, data: Data, recipe: Recipe) -> Literal["always", "never"]:
    """The meaning of recipe.compile: auto for a network. It depends only on the network's cost, so trial ids are stable.

    Args:
        counts: Of the network, for one image.
        data: For the number of images.
        recipe: For the number of epochs.
    """
    return "always" if cost_of(counts, data, recipe) >= 3600 * COMPILE_HOURS * titan_x_speed() else "never"


@lru_cache(maxsize=1)
def titan_x_speed() -> float:
    """Multiply-adds a second, as training_cost() counts them, of a Titan X. It needs 67.5 s for an epoch of WRN-28-2.

    Every study has this measure before anything is timed.

    Source: WRN, Table 2; its epochs are of training.
    """
    return 3 * 50_000 * count_network(parse_architecture("WRN-28-2"), 10, (3, 32, 32)).multiply_adds / 67.5


class Memory(NamedTuple):
    """Bytes of one training.

    Args:
        weights: In float32.
        gradients: In float32.
        momentum: Everything that is kept for each weight: by the optimizer, and the moving average of the weights.
        activations: Kept for the backward pass; with cast weights under autocast.
    """

    weights: int
    gradients: int
    momentum: int
    activations: int

    @property
    def total(self) -> int:
        """The sum of all parts, in bytes."""
        return sum(self)


def training_memory(counts: Counts, recipe: Recipe) -> Memory:
    """The memory of a training: weights, gradients and momentum in float32, activations in the recipe's precision.

    The activations are those of one batch, kept for the backward pass. Under autocast a cast copy of the weights is kept
    as long as they are.

    Args:
        counts: Of the network, for one image.
        recipe: For precision, batch size, optimizer and checkpoint_activations.
    """
    size = recipe.arithmetic.bytes
    weights = 4 * counts.parameters
    optimizer = recipe.kinds[0]
    states = optimizer.states(optimizer.settings(recipe.values)) + int(recipe.ema.decay > 0)
    cast = size * counts.parameters if recipe.arithmetic.cast else 0
    return Memory(weights, weights, states * weights, activation_memory(counts, recipe) + cast)


class MemoryNeed(NamedTuple):
    """The memory of a run on the CPU.

    Args:
        slot: Bytes of each worker process.
        images: Bytes of the decoded images, which all processes share; 0 where neither the data set nor the study says
            how many there are.
    """

    slot: int
    images: int

    def total(self, slots: int) -> int:
        """Bytes that a run needs.

        Args:
            slots: How many trials run at the same time.
        """
        return slots * self.slot + self.images


def memory_need(trainings: Iterable[tuple[Counts, Recipe, Data]]) -> MemoryNeed:
    """The memory that a run on the CPU needs; an estimate.

    Args:
        trainings: The counts of the network, the recipe and the data of each training, at least one.
    """
    slot, images = 0, dict[Any, int]()
    for counts, recipe, data in trainings:
        slot = max(slot, PROCESS_BYTES + training_memory(counts, recipe).total)
        if (key := (data.name, data.title, data.image_size, data.preprocess, data.read_options.sizes)) not in images:
            images[key] = _image_bytes(data)
    return MemoryNeed(slot, sum(images.values()))


def _image_bytes(data: Data) -> int:
    """Bytes of the decoded images of a data set, and of those that its preprocessing makes of them."""
    if data.streamed:
        return 0
    decoded, used = data.read_options.sizes, (data.train_size, data.test_size)  # a subset of files is decoded alone
    train, test = (min(full or size or 0, part or math.inf) for full, size, part in zip(data.full_sizes, used, decoded))
    prepared = min(train, data.train_size or train) + test if PREPROCESSING[data.preprocess].prepare else 0
    return int(train + test + 4 * prepared) * math.prod(data.input_shape)  # prepared images are float32


def memory_choices(counts: Counts, recipe: Recipe) -> list[dict[str, Any]]:
    """The training memory in float32 and bfloat16, with activations kept or recomputed, in plain values.

    Args:
        counts: Of the network, for one image.
        recipe: Its precision and checkpoint_activations are replaced by each choice.
    """
    choices = []
    for precision in ("float32", "bfloat16"):  # the others take as much as one of them
        for checkpoint in ("none", "blocks"):
            changed = recipe.model_copy(update={"precision": precision, "checkpoint_activations": checkpoint})
            memory = training_memory(counts, changed)
            choices.append({"precision": precision, "checkpoint_activations": checkpoint, **memory._asdict()})
            choices[-1]["total"] = memory.total
    return choices


def named_cost(name: CostName, counts: Counts, recipe: Recipe) -> int:
    """A cost of a network that a search may minimize: parameters, multiply-adds, or bytes of activation memory.

    Args:
        name: Of the cost.
        counts: Of the network.
        recipe: How it is trained.
    """
    return activation_memory(counts, recipe) if name == "activation_memory" else int(getattr(counts, name))


def activation_memory(counts: Counts, recipe: Recipe) -> int:
    """Bytes of the activations of one batch that are kept for the backward pass.

    On several GPUs it is one GPU's part of the batch; with gradient accumulation it is one of its parts.

    Args:
        counts: Of the network, for one image.
        recipe: For precision, batch size, GPUs, accumulate and checkpoint_activations.
    """
    kept = counts.kept_by_blocks if recipe.checkpoint_activations == "blocks" else counts.kept
    return -(-(recipe.batch_size // recipe.gpus) // recipe.accumulate) * recipe.arithmetic.bytes * kept

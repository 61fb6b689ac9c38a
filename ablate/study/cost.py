"""What a training costs before anything is timed: in multiply-adds, and in the time of a GPU that the paper names."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

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

"""The trainings of a candidate."""

from __future__ import annotations

from ablate.study.study import Data, HeldOut, Study, Trial, Variant


def candidate_trials(study: Study, variant: Variant) -> tuple[Trial, ...]:
    """The trainings of a candidate: folds in order, within a fold seeds in order.

    Args:
        study: A study that has a search.
        variant: The network, recipe and data of the candidate.
    """
    assert study.search is not None
    folds = [hold_out(variant.data, held_out) for held_out in study.search.held_out]
    return tuple(Trial(variant.architecture, variant.recipe, data, seed) for data in folds for seed in study.seeds)


def hold_out(data: Data, held_out: HeldOut) -> Data:
    """The same data with some training images held out for validation. The test images are then not read.

    Args:
        data: The data of a variant.
        held_out: The fold or the part of the training images to hold out.
    """
    return data.model_copy(update={"held_out": held_out, "test_size": None})


def name_training(trial: Trial) -> str:
    """A training of a candidate in words: "fold 2 seed 0". Folds are counted from 1.

    Args:
        trial: One of candidate_trials().
    """
    held_out = trial.data.held_out
    fold = f"fold {held_out.fold + 1} " if held_out and held_out.fold is not None else ""
    return f"{fold}seed {trial.seed}"

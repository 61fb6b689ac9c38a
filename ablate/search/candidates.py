"""The trainings of a candidate."""

from __future__ import annotations

from ablate.study.study import Study, Trial, Variant, hold_out


def candidate_trials(study: Study, variant: Variant) -> tuple[Trial, ...]:
    """The trainings of a candidate: folds in order, within a fold seeds in order.

    Args:
        study: A study that has a search.
        variant: The network, recipe and data of the candidate.
    """
    assert study.search is not None
    folds = [hold_out(variant.data, held_out) for held_out in study.search.held_out]
    return tuple(Trial(variant.architecture, variant.recipe, data, seed) for data in folds for seed in study.seeds)

"""Candidate: what a search tried, in plain values, and what came of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from ablate.records.records import Record
from ablate.study.study import Study, Trial, Variant

State = Literal["complete", "pruned", "failed", "running", "interrupted"]
DIVERGED = 100.0  # percent: what a diverged training counts as where Optuna wants a number


@dataclass(frozen=True)
class Candidate:
    """One candidate of a search.

    values: of the axes that are searched. trials: every training of it, folds in order, in each the seeds in order;
    errors: validation errors in percent by the number of the training, infinite where it diverged, those that are
    recorded. intermediate: what the pruner was told, by Optuna's step: folds, or epochs over all folds. also: the
    second objective. enqueued: named in the study file, not sampled.
    """

    number: int
    state: State
    values: dict[str, Any]
    variant: Variant
    trials: tuple[Trial, ...]
    errors: Mapping[int, float]
    intermediate: Mapping[int, float]
    also: float | None = None
    enqueued: bool = False

    @cached_property
    def median(self) -> float | None:
        """Of the validation errors, in percent; infinite where half diverged."""
        return statistics.median(self.errors.values()) if self.errors else None

    @cached_property
    def mean(self) -> float | None:
        return statistics.fmean(self.errors.values()) if self.errors else None

    def objective(self, kind: str) -> float | None:
        """The median or the mean, in percent, of what is recorded."""
        return self.median if kind == "median_validation_error" else self.mean

    @property
    def label(self) -> str:
        """ "WRN-16-4-dropout0.3", or the values where the name does not show them."""
        return label_of(self.variant, self.values)


def label_of(variant: Variant, values: Mapping[str, Any]) -> str:
    """The name of a candidate's network, and the values that it does not show."""
    shown = [f"{axis} {_plain(value)}" for axis, value in values.items() if axis.startswith(("recipe.", "data."))]
    return ", ".join([variant.net, *shown])


def candidate_trials(study: Study, variant: Variant) -> tuple[Trial, ...]:
    """The trainings of a candidate: folds in order, in each the seeds in order."""
    assert study.search is not None
    parts = [
        variant.data.model_copy(update={"held_out": held_out, "test_size": None}) for held_out in study.search.held_out
    ]
    return tuple(Trial(variant.architecture, variant.recipe, data, seed) for data in parts for seed in study.seeds)


def name_training(trial: Trial) -> str:
    """ "fold 2 seed 0", folds from 1, seeds as they are."""
    held_out = trial.data.held_out
    fold = f"fold {held_out.fold + 1} " if held_out and held_out.fold is not None else ""
    return f"{fold}seed {trial.seed}"


def error_of(record: Record) -> float:
    """The validation error of a training, in percent, infinite if it diverged."""
    return math.inf if record.test_error is None else record.test_error


def objective_of(kind: str, errors: Sequence[float]) -> float:
    """The median or the mean of some errors."""
    return statistics.median(errors) if kind == "median_validation_error" else statistics.fmean(errors)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and math.isfinite(value) else str(value)

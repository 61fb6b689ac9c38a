"""Candidate: what a search tried and what came of it, in plain values (no Optuna)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from ablate.records.records import Record
from ablate.study.study import Data, HeldOut, Study, Trial, Variant

CandidateState = Literal["complete", "pruned", "failed", "running", "interrupted"]
DIVERGED = 100.0  # percent: the error of a diverged training where Optuna needs a finite number


@dataclass(frozen=True)
class Candidate:
    """One candidate of a search.

    values: of the axes that are searched. trials: its trainings, folds in order, within a fold seeds in order. errors:
    validation errors in percent by the index of the training, for those that are recorded; infinite where it diverged.
    intermediate: what the pruner was told, by Optuna's step (a training, or an epoch counted over all trainings). also:
    the second objective. enqueued: given in the study file, not sampled.
    """

    number: int
    state: CandidateState
    values: dict[str, Any]
    variant: Variant
    trials: tuple[Trial, ...]
    errors: Mapping[int, float]
    intermediate: Mapping[int, float]
    also: float | None = None
    enqueued: bool = False

    @cached_property
    def median(self) -> float | None:
        """The median of the validation errors, in percent; infinite if half of the trainings diverged."""
        return statistics.median(self.errors.values()) if self.errors else None

    @cached_property
    def mean(self) -> float | None:
        """The mean of the validation errors, in percent; infinite if one training diverged."""
        return statistics.fmean(self.errors.values()) if self.errors else None

    def objective(self, kind: str) -> float | None:
        """The median or the mean of the recorded validation errors, in percent; kind: the study's `objective`."""
        return self.median if kind == "median_validation_error" else self.mean

    @property
    def label(self) -> str:
        """See label_of()."""
        return label_of(self.variant, self.values)


def label_of(variant: Variant, values: Mapping[str, Any]) -> str:
    """The name of a candidate's network, then the values that it does not show: "WRN-16-4-dropout0.3, recipe.lr 0.1"."""
    shown = [f"{axis} {_plain(value)}" for axis, value in values.items() if axis.startswith(("recipe.", "data."))]
    return ", ".join([variant.net, *shown])


def candidate_trials(study: Study, variant: Variant) -> tuple[Trial, ...]:
    """The trainings of a candidate: folds in order, within a fold seeds in order."""
    assert study.search is not None
    folds = [hold_out(variant.data, held_out) for held_out in study.search.held_out]
    return tuple(Trial(variant.architecture, variant.recipe, data, seed) for data in folds for seed in study.seeds)


def hold_out(data: Data, held_out: HeldOut) -> Data:
    """The same images with some training images held out; test images are then not read."""
    return data.model_copy(update={"held_out": held_out, "test_size": None})


def name_training(trial: Trial) -> str:
    """A training of a candidate in words: "fold 2 seed 0", folds counted from 1."""
    held_out = trial.data.held_out
    fold = f"fold {held_out.fold + 1} " if held_out and held_out.fold is not None else ""
    return f"{fold}seed {trial.seed}"


def error_of(record: Record) -> float:
    """The validation error of a training, in percent; infinite if it diverged."""
    return math.inf if record.test_error is None else record.test_error


def objective_of(kind: str, errors: Sequence[float]) -> float:
    """The median or the mean of errors; kind: the study's `objective`."""
    return statistics.median(errors) if kind == "median_validation_error" else statistics.fmean(errors)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and math.isfinite(value) else str(value)

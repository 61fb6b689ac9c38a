"""Candidate: what a search tried, in plain values, and what came of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from ablate.study.plan import plain
from ablate.study.study import Trial, Variant

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
    def recorded_ids(self) -> tuple[str, ...]:
        """The ids of the trainings with an error, in their order."""
        return tuple(self.trials[number].id for number in sorted(self.errors))

    @property
    def name(self) -> str:
        """ "candidate 12 (dropout 0.3, lr 0.1)"."""
        values = (f"{axis.rpartition('.')[2]} {self.value_text(value)}" for axis, value in self.values.items())
        return f"candidate {self.number} ({', '.join(values)})"

    def value_text(self, value: Any) -> str:
        """A value as a reader would write it; a network of the reader's own by its name."""
        return self.variant.net if isinstance(value, dict) else plain(value)

    @property
    def label(self) -> str:
        """See label_of()."""
        return label_of(self.variant, self.values)


def label_of(variant: Variant, values: Mapping[str, Any]) -> str:
    """The name of a candidate's network, then the values that it does not show: "WRN-16-4-dropout0.3, recipe.lr 0.1"."""
    shown = [f"{axis} {_plain(value)}" for axis, value in values.items() if axis.startswith(("recipe.", "data."))]
    return ", ".join([variant.net, *shown])


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and math.isfinite(value) else str(value)


def is_number(value: Any) -> bool:
    """Whether a searched value is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)

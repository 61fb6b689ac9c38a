"""Optuna's pruners by the names that a study uses, and the reports of one candidate to its pruner."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, WilcoxonPruner

from ablate.records.epochs import Row
from ablate.study.program import MEASURED
from ablate.study.search import Search

PRUNED = "pruned_at"  # user attribute of a candidate: the step at which the pruner ended it


def make_pruner(search: Search, steps: int) -> BasePruner:
    """Optuna's pruner of a search.

    Args:
        search: The search.
        steps: Epochs of one candidate over all its folds and seeds.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match search.pruner:
            case "wilcoxon":
                return WilcoxonPruner()
            case "median":
                return MedianPruner()
            case "hyperband":
                return HyperbandPruner(max_resource=steps)
            case _:
                return NopPruner()


class Pruning:
    """Reports each step of one candidate to the pruner once, and keeps whether the candidate is pruned.

    A step is an epoch, counted over all trainings, or else a training. After an interruption the same steps are seen again.
    Steps that were reported before are not reported twice; only the last of them may still need an answer from the pruner.
    Nothing is pruned at the last step.

    Args:
        search: The search.
        trial: The candidate in Optuna.
        reported: The values that were reported before an interruption, by step.
        epochs: Of one training.
        trainings: Of the candidate.
        told: A value as the pruner is told it; the value is infinite where a training diverged.
    """

    def __init__(
        self,
        search: Search,
        trial: optuna.Trial,
        reported: Mapping[int, float],
        epochs: int,
        trainings: int,
        told: Callable[[float], float],
    ) -> None:
        self.trial = trial
        self.told = told
        self.over_epochs = search.prunes_over_epochs
        self.disabled = search.pruner == "none"  # always with two objectives: Optuna then accepts no reports
        self.epochs = epochs
        self.last = trainings * epochs if self.over_epochs else trainings - 1
        self.reported = set(reported)
        self.unanswered = max(self.reported, default=None)  # the interruption may have come before the pruner's answer
        self.pruned_at: int | None = trial.user_attrs.get(PRUNED)
        self.pruned = False

    def report_epoch(self, training: int, epoch: int, value: float) -> None:
        """Report an epoch of a training, if the steps are epochs.

        Args:
            training: The number of the training, from 0.
            epoch: The number of the epoch, from 1. One after the last is not reported.
            value: Such as the validation error in percent; infinite if the training diverged.
        """
        if self.over_epochs and epoch <= self.epochs:
            self._report(training * self.epochs + epoch, value)

    def report_training(self, training: int, error: float) -> None:
        """Report a training that has ended, if the steps are trainings.

        Args:
            training: The number of the training, from 0.
            error: Such as its validation error in percent; infinite if it diverged.
        """
        if not self.over_epochs:
            self._report(training, error)

    def _report(self, step: int, error: float) -> None:
        if self.disabled or self.pruned:
            return
        if step not in self.reported:
            self.reported.add(step)
            self.trial.report(self.told(error), step)
        elif step == self.pruned_at:
            self.pruned = True
            return
        elif step != self.unanswered:
            return
        if step < self.last and self.trial.should_prune():
            self.trial.set_user_attr(PRUNED, step)
            self.pruned = True


class EpochListener:
    """Receives the epochs of one training in order, also those of earlier attempts, and reports each once.

    Args:
        pruning: Of the candidate.
        training: The number of the training, from 0.
        column: The measure that is reported.
        worst: Its value in an epoch in which the training diverged.
        final: Whether an epoch does not change any more when it is received. Otherwise it is reported when the next begins.
    """

    def __init__(self, pruning: Pruning, training: int, column: str, worst: float, final: bool) -> None:
        self.pruning, self.training, self.column, self.worst, self.final = pruning, training, column, worst, final
        self.first = 1  # the number of the first epoch: a program may count from 0
        self.last: dict[str, Any] | None = None

    def __call__(self, row: Row) -> bool:
        """Receive an epoch and return whether the candidate is pruned.

        Args:
            row: The epoch's measures.
        """
        before, self.last = self.last, row
        self.first = min(self.first, row["epoch"])
        if self.final:
            self._report(row)
        elif before and row["epoch"] > before["epoch"]:
            self._report(before)
        return self.pruning.pruned

    def end(self) -> None:
        """Report the last epoch: the training has ended."""
        if self.last and not self.final:
            self._report(self.last)

    def _report(self, row: Row) -> None:
        if self.column in row and row.get(MEASURED, True):
            value = self.worst if row[self.column] is None else row[self.column]
            self.pruning.report_epoch(self.training, row["epoch"] - self.first + 1, value)

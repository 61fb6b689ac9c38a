"""Optuna's pruners by the names that a study uses, and the reports of one candidate to its pruner."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, WilcoxonPruner

from ablate.records.records import Row
from ablate.report.candidate import DIVERGED
from ablate.study.study import Search

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
        reported: The errors in percent that were reported before an interruption, by step.
        epochs: Of one training.
        trainings: Of the candidate.
    """

    def __init__(
        self, search: Search, trial: optuna.Trial, reported: Mapping[int, float], epochs: int, trainings: int
    ) -> None:
        self.trial = trial
        self.over_epochs = search.prunes_over_epochs
        self.disabled = search.pruner == "none"  # always with two objectives: Optuna then accepts no reports
        self.epochs = epochs
        self.last = trainings * epochs if self.over_epochs else trainings - 1
        self.reported = set(reported)
        self.unanswered = max(self.reported, default=None)  # the interruption may have come before the pruner's answer
        self.pruned_at: int | None = trial.user_attrs.get(PRUNED)
        self.pruned = False

    def report_epoch(self, training: int, row: Row) -> None:
        """Report an epoch of a training, if the steps are epochs.

        Args:
            training: The number of the training, from 0.
            row: The epoch's measures; its `test_error` is the validation error in percent.
        """
        if self.over_epochs:
            self._report(training * self.epochs + row["epoch"], row["test_error"])

    def report_training(self, training: int, error: float) -> None:
        """Report a training that has ended, if the steps are trainings.

        Args:
            training: The number of the training, from 0.
            error: Its validation error in percent; infinite if it diverged.
        """
        if not self.over_epochs:
            self._report(training, error)

    def _report(self, step: int, error: float) -> None:
        if self.disabled or self.pruned:
            return
        if step not in self.reported:
            self.reported.add(step)
            self.trial.report(min(error, DIVERGED), step)
        elif step == self.pruned_at:
            self.pruned = True
            return
        elif step != self.unanswered:
            return
        if step < self.last and self.trial.should_prune():
            self.trial.set_user_attr(PRUNED, step)
            self.pruned = True

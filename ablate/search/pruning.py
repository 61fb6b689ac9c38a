"""Optuna's pruners by the names that a study uses, and what a pruner is told of one candidate."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, WilcoxonPruner

from ablate.records.records import Row
from ablate.report.candidate import DIVERGED
from ablate.study.study import Search

PRUNED = "pruned_at"  # user attribute of a candidate: the step at which the pruner said to end it


def make_pruner(search: Search, steps: int) -> BasePruner:
    """Optuna's pruner of a search.

    Args:
        search: the search.
        steps: epochs of one candidate over all its folds and seeds.
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
    """Reports one candidate to the pruner, every step once, and keeps whether the candidate is pruned.

    A step is an epoch, counted over all trainings, or else a training. After a break the same steps are seen again: those
    reported before are not reported twice, and only the last of them may still want an answer. Nothing is pruned at the
    last step.
    """

    def __init__(
        self, search: Search, trial: optuna.Trial, reported: Mapping[int, float], epochs: int, trainings: int
    ) -> None:
        """
        Args:
            search: the search.
            trial: the candidate in Optuna.
            reported: what the pruner was told before a break: step -> error in percent.
            epochs: of one training.
            trainings: of the candidate.
        """
        self.trial = trial
        self.over_epochs = search.prunes_over_epochs
        self.disabled = search.pruner == "none"  # always with two objectives, for which Optuna takes no reports
        self.epochs = epochs
        self.last = trainings * epochs if self.over_epochs else trainings - 1
        self.reported = set(reported)
        self.unanswered = max(self.reported, default=None)  # the break may have come before the pruner's answer
        self.pruned_at: int | None = trial.user_attrs.get(PRUNED)
        self.pruned = False

    def report_epoch(self, training: int, row: Row) -> None:
        """Reports an epoch of a training (numbered from 0)."""
        if self.over_epochs:
            self._report(training * self.epochs + row["epoch"], row["test_error"])

    def report_training(self, training: int, error: float) -> None:
        """Reports that a training (numbered from 0) ended with an error in percent."""
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

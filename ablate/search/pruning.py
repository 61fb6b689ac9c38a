"""Optuna's pruners by the names that a study uses, and what they are told of a candidate."""

from __future__ import annotations

import warnings

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, WilcoxonPruner

from ablate.records.records import Row
from ablate.search.candidates import DIVERGED
from ablate.study.study import Search

OVER_EPOCHS = ("median", "hyperband")
PRUNED = "pruned_at"  # the attribute of a candidate that is to end: the step, though a break may come before its end


def make_pruner(search: Search, steps: int) -> BasePruner:
    """Optuna's pruner of a search. steps: epochs of a candidate over all its folds and seeds."""
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
    """What a pruner is told of one candidate, each step once, however often it is seen: after a break it is seen again.

    Over epochs a step is an epoch, counted over all trainings; else it is a training. After the last nothing is pruned.
    """

    def __init__(self, search: Search, optuna_trial: optuna.Trial, epochs: int, trainings: int) -> None:
        self.optuna_trial = optuna_trial
        self.over_epochs = search.pruner in OVER_EPOCHS
        self.silent = search.pruner == "none"  # as with two objectives, of which Optuna takes no reports
        self.epochs = epochs
        self.last = trainings * epochs if self.over_epochs else trainings - 1
        known = optuna_trial._cached_frozen_trial
        self.told = set(known.intermediate_values)
        self.unsure = max(self.told, default=None)  # the step that was told before the break, perhaps without an answer
        self.pruned_at = known.user_attrs.get(PRUNED)
        self.pruned = False

    def epoch(self, training: int, row: Row) -> bool:
        """An epoch of a training, numbered from 0, was seen; whether the candidate is pruned."""
        return self.over_epochs and self._tell(training * self.epochs + row["epoch"], row["test_error"])

    def training(self, training: int, error: float) -> bool:
        """A training, numbered from 0, has ended with an error in percent; whether the candidate is pruned."""
        return self.pruned if self.over_epochs else self._tell(training, error)

    def _tell(self, step: int, error: float) -> bool:
        if self.silent or self.pruned:
            return self.pruned
        if step not in self.told:
            self.told.add(step)
            self.optuna_trial.report(min(error, DIVERGED), step)
        elif step == self.pruned_at:
            self.pruned = True
            return True
        elif step != self.unsure:
            return False
        if step < self.last and self.optuna_trial.should_prune():
            self.optuna_trial.set_user_attr(PRUNED, step)
            self.pruned = True
        return self.pruned

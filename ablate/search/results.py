"""The candidates of a search, read from Optuna's storage and the records, and the importances of its parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from ablate.errors import RecordError
from ablate.records.records import read_record
from ablate.records.searches import KeptSearch, search_path
from ablate.report.candidate import Candidate, CandidateState
from ablate.search.candidates import Candidates
from ablate.search.distributions import pick_values
from ablate.search.drivers import is_alive
from ablate.search.storage import current_trials
from ablate.study.decision import Decision
from ablate.study.search import Search
from ablate.study.space import allows

STATES: dict[TrialState, CandidateState] = {
    TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed", TrialState.RUNNING: "running",
}  # fmt: skip
DEVICE = "costs measured on"  # user attribute of a search: the device
RESULT = "result"  # user attribute of an ended candidate: its network; its values such as errors, null if diverged


def read_candidates(
    candidates: Candidates[Any, Any], opened: optuna.Study, runs: Path, damaged: bool = False
) -> list[Candidate]:
    """Every candidate that has begun, in the order of the numbers, without failed ones that another candidate replaces.

    Args:
        candidates: Of the search.
        opened: Optuna's study of the search.
        runs: The runs directory.
        damaged: Whether one with a damaged record is returned as such.

    Raises:
        RecordError: A record is damaged, unless `damaged`.
    """
    found, labels = [], candidates.study.labels.texts
    device = str(opened.user_attrs.get(DEVICE, ""))
    for trial in current_trials(opened.get_trials(deepcopy=False)):
        if trial.state == TrialState.WAITING:
            continue
        try:
            values = pick_values(candidates.search, partial(_known, trial))
        except KeyError:  # its driver died while sampling it
            continue
        variant = candidates.make(values)
        trials = candidates.trials(variant)
        state = STATES[trial.state]
        if state == "running" and not is_alive(opened, trial, runs):
            state = "interrupted"
        errors, problem = dict[int, float](), ""
        try:
            errors = _errors(candidates, trial, trials, runs)
        except RecordError as error:
            if not damaged:
                raise
            state, problem = "damaged", str(error)
        costs, told = _costs(candidates, trial, variant, runs, device), trial.intermediate_values
        known = values, variant, trials, errors, told, costs, bool(trial.user_attrs.get("enqueued"))
        found.append(Candidate(trial.number, state, *known, labels, problem))
    return found


def kept_candidates(candidates: Candidates[Any, Any], kept: KeptSearch, runs: Path) -> list[Candidate]:
    """The candidates of a search without its storage, in the order of the numbers.

    Args:
        candidates: Of the search.
        kept: As the report of the search found them.
        runs: The runs directory that they were read from, for messages.

    Raises:
        RecordError: They are not those of this search.
    """
    found, worst = [], candidates.decision.worst
    for one in kept.candidates:
        trials: tuple[Any, ...] = ()
        if allows(candidates.search.parameters, one.values):
            variant = candidates.make(one.values)
            trials = candidates.trials(variant)
        if not trials or tuple(trial.id for trial in trials) != one.trials or any(i >= len(trials) for i in one.errors):
            raise RecordError(
                f"{search_path(runs, kept.name)}: candidate {one.number} had other trainings than the study asks for now; "
                "restore the study's own code and files, or remove this file"
            )
        state = "interrupted" if one.state == "running" else cast(CandidateState, one.state)
        errors = {i: worst if value is None else value for i, value in one.errors.items()}
        told = {step: math.nan if value is None else value for step, value in one.intermediate.items()}
        known = one.values, variant, trials, errors, told, one.costs, one.enqueued
        found.append(Candidate(one.number, state, *known, candidates.study.labels.texts))
    return found


def _costs(candidates: Candidates[Any, Any], trial: FrozenTrial, variant: Any, runs: Path, device: str) -> dict[str, float]:
    """The costs of a candidate that are minimized too, by name; of one trained to the end those that Optuna was told."""
    names = candidates.search.also_minimize
    if trial.state == TrialState.COMPLETE and len(trial.values) == len(names) + 1:
        return dict(zip(names, trial.values[1:]))
    return candidates.costs(variant, runs, device)


def _known(trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
    """A Pick that returns the value that a trial already has."""
    return trial.params[name]


def _errors(candidates: Candidates[Any, Any], trial: FrozenTrial, trials: Sequence[Any], runs: Path) -> dict[int, float]:
    """The values of a candidate, such as errors in percent, by the index of the training.

    For an ended candidate these are the values that were judged; for any other, those that are recorded.
    """
    if RESULT in trial.user_attrs:
        return dict(enumerate(judged_values(trial, candidates.decision)))
    records = {i: read_record(runs, one.id) for i, one in enumerate(trials)}
    return {i: candidates.value(record) for i, record in records.items() if record}


def judged_values(trial: FrozenTrial, decision: Decision) -> list[float]:
    """The values of an ended candidate that were judged, in the order of its trainings; infinite where one diverged.

    Args:
        trial: The candidate in Optuna.
        decision: What candidates are compared by.
    """
    values = trial.user_attrs[RESULT][decision.values_name]
    return [decision.worst if value is None else value for value in values]


def count_planned(search: Search, known: Sequence[FrozenTrial] | None) -> int:
    """The number of candidates that a search evaluates in total.

    All candidates of a grid are enqueued when the search begins, so there may be fewer than the study asks for.

    Args:
        search: The search.
        known: The current trials; None before the search begins.
    """
    if search.sampler != "grid" or known is None:
        return search.trials
    return min(search.trials, len(known))


def importances(opened: optuna.Study) -> dict[str, float] | None:
    """The share of the objective's variance that each parameter explains, 0 to 1; None if it cannot be computed.

    Parameters that some completed candidate lacks are left out. At least two parameters must remain.

    Args:
        opened: Optuna's study of the search.

    Source: fANOVA, Hutter et al., 2014.
    """
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    try:
        found = optuna.importance.get_param_importances(opened, evaluator=evaluator, target=lambda trial: trial.values[0])
    except (ValueError, RuntimeError):  # too few candidates, or all with the same value
        return None
    return {axis: float(share) for axis, share in found.items()} if len(found) > 1 else None  # some are numpy's


def best_objective(trials: Iterable[FrozenTrial], decision: Decision) -> float | None:
    """The best objective, such as an error in percent; None if there is no trial.

    Args:
        trials: Completed trials of Optuna.
        decision: What candidates are compared by.
    """
    return min((trial.values[0] for trial in trials), key=decision.cost, default=None)

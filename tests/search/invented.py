"""Invented searches: candidates as a search would have left them, without a training."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from recorded import DIGITS, record

from ablate.records.records import trial_state
from ablate.report.candidate import Candidate, CandidateState
from ablate.report.search_analysis import SearchAnalysis
from ablate.report.search_report import SearchReport
from ablate.study.make_variant import candidate_maker
from ablate.study.spec import load_study
from ablate.study.study import Study

DROPOUT = """\
search:
  space: {dropout: {low: 0.0, high: 0.6, step: 0.025}}
  validation: {folds: 5}
  objective: median_validation_error
  trials: 40
"""
INFINITE = float("inf")


def searched(folder: Path, search: str = DROPOUT, more: str = "") -> Study:
    """The study of a search over the digits, based on WRN-16-1."""
    path = folder / "invented_search.yaml"
    path.write_text(f"{DIGITS}title: A search that was invented\nbase: WRN-16-1\n{search}\n{more}\n")
    return load_study(path)


def candidate(
    study: Study,
    number: int,
    values: Mapping[str, Any],
    errors: Sequence[float],
    state: CandidateState = "complete",
    enqueued: bool = False,
    intermediate: Mapping[int, float] | None = None,
) -> Candidate:
    """A candidate with the errors of its first trainings, in percent; the pruner was told them."""
    variant = candidate_maker(study)(dict(values))
    told = dict(enumerate(errors)) if intermediate is None else intermediate
    assert study.search is not None
    trials = tuple(replace(variant, folds=study.search.held_out).trials(study.seeds))
    return Candidate(
        number, state, dict(values), variant, trials, dict(enumerate(errors)), told, {}, enqueued, study.labels.texts
    )


def forty(study: Study) -> list[Candidate]:
    """40 candidates of dropout with 5 folds: every eighth pruned, one failed, one diverged, two named in the study file.

    The lowest error is near 0.3; fold 2 is the hardest. The values have steps, so some are repeated.
    """
    draw = random.Random(0)
    found = []
    for number in range(40):
        dropout = (0.0, 0.3)[number] if number < 2 else round(0.05 * draw.randrange(13), 2)
        noise = random.Random(f"{dropout}")  # the same values, the same trainings
        errors = [5 + 20 * (dropout - 0.3) ** 2 + noise.gauss(0, 0.15) + 0.5 * (fold == 2) for fold in range(5)]
        state: CandidateState = "complete"
        if number == 20:
            state, errors = "failed", errors[:1]
        elif number == 30:
            dropout, errors = 0.575, [INFINITE] * 5
        elif number % 8 == 7:
            dropout = round(0.025 + 0.05 * (number // 8), 3)
            state, errors = "pruned", [error + 1 for error in errors[: 2 + number % 3]]
        found.append(candidate(study, number, {"dropout": dropout}, [round(e, 2) for e in errors], state, number < 2))
    return found


def recorded_report(study: Study, candidates: Sequence[Candidate], runs: Path, **more: Any) -> SearchReport:
    """The report, with a record of every training that has an error."""
    for one in candidates:
        for number, error in one.errors.items():
            if trial_state(runs, one.trials[number].id) == "missing":
                record(runs, one.trials[number], None if error == INFINITE else error)
    return SearchReport(SearchAnalysis(study, tuple(candidates), runs, "studies/invented_search.yaml", **more))

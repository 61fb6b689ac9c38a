"""The trainings of the candidates of a search: their records, and one row each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ablate.records.records import read_record
from ablate.records.result import TEST, VALIDATION, renamed
from ablate.report.candidate import Candidate
from ablate.report.numbers import finite
from ablate.report.provenance import trials_frame
from ablate.report.seeds import TrialRecord
from ablate.report.summary import Summary
from ablate.study.study import Trial, Variant

if TYPE_CHECKING:
    import pandas as pd

FIRST = ("candidate", "fold", "net")


class CandidateTrainings(NamedTuple):
    """Some trainings of a candidate.

    Args:
        candidate: The candidate.
        numbers: The indices of the trainings in the candidate.
        summary: The records of these trainings.
    """

    candidate: Candidate
    numbers: list[int]
    summary: Summary


def read_trainings(candidates: Sequence[Candidate], runs: Path) -> list[CandidateTrainings]:
    """The candidates with the indices and records of their trainings.

    A training that several candidates share is given to the first candidate with its error, or else to the first of them.

    Args:
        candidates: The candidates of a search.
        runs: The runs directory.
    """
    found = []
    for one, numbers in zip(candidates, owned_trainings(candidates)):
        assert isinstance(one.variant, Variant)
        own = [trial for number in numbers if isinstance(trial := one.trials[number], Trial)]
        trials = tuple(TrialRecord(trial, read_record(runs, trial.id)) for trial in own)
        axes = {axis: value for axis, value in one.values.items() if axis != "net"}
        by = one.variant.data.task.entry.decision("test")
        found.append(CandidateTrainings(one, numbers, Summary(one.variant, trials, by, axes)))
    return found


def owned_trainings(candidates: Sequence[Candidate]) -> list[list[int]]:
    """For each candidate the indices of the trainings that are shown as its own, each training once.

    A training that several candidates share is given to the first candidate with its value, or else to the first of them.
    """
    owners: dict[str, int] = {}
    ids = [[trial.id for trial in one.trials] for one in candidates]
    for judged in (True, False):
        for one, of_one in zip(candidates, ids):
            for number, trial_id in enumerate(of_one):
                if (number in one.errors) is judged:
                    owners.setdefault(trial_id, one.number)
    return [
        [number for number, trial_id in enumerate(of_one) if owners[trial_id] == one.number]
        for one, of_one in zip(candidates, ids)
    ]


def trainings_frame(found: Sequence[CandidateTrainings], runs: Path, measure: str = "error") -> pd.DataFrame:
    """One row per training that has begun; errors in percent, losses in nats, times in seconds; folds are counted from 1.

    The column `candidate` has the first of the candidates that share the training. All columns except the error are empty
    if the record is on another machine.

    Args:
        found: As returned by read_trainings().
        runs: The runs directory.
        measure: The name of the measure that candidates are compared by.
    """
    import pandas as pd

    if not found:
        return pd.DataFrame(columns=[*FIRST, "seed", "id", "state", f"validation_{measure}"])
    frame = trials_frame([each.summary for each in found], runs)
    parts = [one.trial.data.held_out for each in found for one in each.summary.trials]
    frame = frame.assign(
        candidate=[each.candidate.number for each in found for _ in each.numbers],
        fold=pd.array([None if part is None or part.fold is None else part.fold + 1 for part in parts], "Int64"),
        **{f"test_{measure}": [finite(each.candidate.errors.get(number)) for each in found for number in each.numbers]},
    )
    judged = pd.array([number in each.candidate.errors for each in found for number in each.numbers], bool)
    frame = frame[(frame["state"] != "missing") | judged].drop(columns="epoch_rule")
    frame = frame.rename(columns=lambda name: next(iter(renamed({name: None}, TEST, VALIDATION))))
    return frame[[*FIRST, *(name for name in frame.columns if name not in FIRST)]]

"""Where a search's numbers come from: versions, devices, code, a row a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ablate.records.records import read_record
from ablate.records.result import TEST, VALIDATION, renamed
from ablate.report.provenance import made_with, trials_frame
from ablate.report.summary import Run, Summary, finite
from ablate.search.candidates import Candidate

if TYPE_CHECKING:
    import pandas as pd

FIRST = ("candidate", "fold", "net")


def candidates_made_with(candidates: Sequence[Candidate], runs: Path) -> list[str]:
    """The versions, devices and code behind the records, and the time they took, each training counted once."""
    return made_with([summary for _, _, summary in _trainings(candidates, runs)], runs)


def trainings_frame(candidates: Sequence[Candidate], runs: Path) -> pd.DataFrame:
    """A row a training that has begun; errors in percent, losses in nats, times in seconds; folds counted from 1.

    candidate: the first of those that are judged by it. Columns but for the error are empty where the record is on another
    machine.
    """
    import pandas as pd

    found = _trainings(candidates, runs)
    if not found:
        return pd.DataFrame(columns=[*FIRST, "seed", "id", "state", "validation_error"])
    frame = trials_frame([summary for _, _, summary in found], runs)
    parts = [run.trial.data.held_out for _, _, summary in found for run in summary.runs]
    frame = frame.assign(
        candidate=[one.number for one, numbers, _ in found for _ in numbers],
        fold=pd.array([None if part is None or part.fold is None else part.fold + 1 for part in parts], "Int64"),
        test_error=[finite(one.errors.get(number)) for one, numbers, _ in found for number in numbers],
    )
    judged = pd.array([number in one.errors for one, numbers, _ in found for number in numbers], bool)
    frame = frame[(frame["state"] != "missing") | judged].drop(columns="epoch_rule")
    frame = frame.rename(columns=lambda name: next(iter(renamed({name: None}, TEST, VALIDATION))))
    return frame[[*FIRST, *(name for name in frame.columns if name not in FIRST)]]


def _trainings(candidates: Sequence[Candidate], runs: Path) -> list[tuple[Candidate, list[int], Summary]]:
    """The candidates, each with the numbers and records of its trainings, a shared one with the first judged by it."""
    owners: dict[str, int] = {}
    for judged in (True, False):
        for one in candidates:
            for number, trial in enumerate(one.trials):
                if (number in one.errors) is judged:
                    owners.setdefault(trial.id, one.number)
    found = []
    for one in candidates:
        numbers = [number for number, trial in enumerate(one.trials) if owners[trial.id] == one.number]
        runs_of = tuple(Run(one.trials[number], read_record(runs, one.trials[number].id)) for number in numbers)
        axes = {axis: value for axis, value in one.values.items() if axis != "net"}
        found.append((one, numbers, Summary(one.variant, axes, runs_of)))
    return found

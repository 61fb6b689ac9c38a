"""with_kept_records(): an experiment that reads the records beside its report, for who has the report and no runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ablate.api import Experiment
from ablate.files import is_real_directory
from ablate.program_experiment import ProgramExperiment
from ablate.records.choices import read_choice
from ablate.records.kept import FOLDER
from ablate.records.records import trial_state
from ablate.search.experiment import SearchExperiment

AnyExperiment = Experiment | ProgramExperiment | SearchExperiment


def with_kept_records(experiment: AnyExperiment, out: Path) -> tuple[AnyExperiment, str]:
    """The experiment, and "" as it is; or reading the records of its report, and a sentence that says so.

    The records of the report are read only if the runs directory has nothing of the experiment, and they have something.

    Args:
        experiment: Of a study or a search.
        out: The directory of reports.

    Raises:
        RecordError: A record is damaged.
    """
    kept = out / experiment.study.name / FOLDER
    if not is_real_directory(kept) or _has_begun(experiment):
        return experiment, ""
    other = replace(experiment, runs=kept)
    if not _has_begun(other):
        return experiment, ""
    told = f"{experiment.runs} has none of these trials; the records are read from {kept}"
    return other, f"{told}; `ablate merge {kept} --into {experiment.runs}` takes them over"


def _has_begun(experiment: AnyExperiment) -> bool:
    """Whether the runs directory has a trial or a candidate of the experiment."""
    if isinstance(experiment, SearchExperiment):
        return experiment.opened is not None
    runs = experiment.runs
    return any(trial_state(runs, one.id) != "missing" for one in experiment.trials()) or any(
        read_choice(runs, one.id) for one in experiment.tunings
    )

"""The tasks that trials become: what a worker does, and what it is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ablate.launch.options import RunOptions
from ablate.records.records import trial_directory
from ablate.study.costs import training_cost
from ablate.study.program import ProgramStudy, ProgramTrial
from ablate.study.study import Trial

if TYPE_CHECKING:
    from ablate.data.location import Location
    from ablate.schedule.tasks import Task

WORK, COHORT_WORK = "ablate.train.trial:TrialWork", "ablate.train.cohort:CohortWork"
MEASURE_WORK = "ablate.train.measure_again:MeasureWork"
PROGRAM_WORK = "ablate.train.program:run_program"


def make_task(
    trial: Trial,
    label: str,
    runs: Path,
    location: Location,
    device: str,
    options: RunOptions,
    folders: tuple[Path, ...],
    digest: str = "",
    memory: int | None = None,
) -> Task:
    """The task of training a trial.

    Args:
        trial: To train.
        label: The name of the trial for people.
        runs: Directory of the records.
        location: Where the images are.
        device: "cpu" or "cuda".
        options: Say how often to write checkpoints.
        folders: Where the readers' modules are looked for first.
        digest: Of the images; "" if not known.
        memory: As in Job.
    """
    from ablate.schedule.tasks import Task
    from ablate.train.job import Job

    job = Job(
        trial,
        runs,
        location,
        device,
        options.checkpoint_epochs,
        options.checkpoint_seconds,
        folders,
        digest,
        memory=memory,
        auto_precision=options.auto_precision,
    )
    return Task(trial.id, label, job, training_cost(trial), trial_directory(runs, trial.id) / "log.txt")


def make_program_task(study: ProgramStudy, trial: ProgramTrial, label: str, runs: Path, device: str) -> Task:
    """The task of running a program's trial.

    Args:
        study: With the program.
        trial: To run.
        label: The name of the trial for people.
        runs: Directory of the records.
        device: "cpu" or "cuda".
    """
    from ablate.schedule.tasks import Task
    from ablate.train.program import ProgramJob

    names = tuple(one.name for one in study.measures)
    job = ProgramJob(trial, runs.absolute(), study.folder.absolute(), names, study.decision.measure, device)
    return Task(trial.id, label, job, 1.0, trial_directory(runs, trial.id) / "log.txt")

"""Candidates that are values of a program's placeholders."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import RunError
from ablate.estimate.program import plan_program, program_cost
from ablate.launch.connections import teller
from ablate.launch.in_progress import PROGRAM_STOPPING
from ablate.launch.options import RunOptions
from ablate.launch.tasks import PROGRAM_WORK, make_program_task
from ablate.records.records import Record, trial_state
from ablate.report.program_analysis import program_value
from ablate.search.candidates import Candidates, PlannedCandidates
from ablate.study.program import ProgramStudy, ProgramTrial, ProgramVariant
from ablate.study.program_search import most_epochs, program_candidate_maker

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.schedule.backends import Backend
    from ablate.schedule.tasks import Task


@dataclass
class ProgramCandidates(Candidates[ProgramVariant, ProgramTrial]):
    """Candidates that are values of a program's placeholders; a training is a run of its command.

    Args:
        study: A study of a program that has a search.
        maker: As in NetworkCandidates.
    """

    study: ProgramStudy
    maker: Callable[[dict[str, Any]], ProgramVariant] | None = None
    work: str = PROGRAM_WORK
    stopping: str = PROGRAM_STOPPING
    rows_are_final: bool = False

    def __post_init__(self) -> None:
        self.make = self.maker or program_candidate_maker(self.study)

    def trials(self, variant: ProgramVariant) -> tuple[ProgramTrial, ...]:
        return tuple(variant.trials(self.study.seeds))

    def name(self, trial: ProgramTrial) -> str:
        return f"seed {trial.seed}"

    def epochs(self, variant: ProgramVariant) -> int:
        return self.trials(variant)[0].epochs or 0

    @cached_property
    def most_epochs(self) -> int:
        return most_epochs(self.study.program, self.study.base, self.search.parameters) or 0

    def value(self, record: Record) -> float:
        return program_value(record, self.decision)

    def objective_told(self, value: float) -> float:
        return value

    def step_told(self, value: float) -> float:
        """As in Candidates; NaN for Optuna's pruners, which prune such a candidate."""
        return value if math.isfinite(value) else math.nan

    def fit(
        self, backend: Backend, trials: tuple[ProgramTrial, ...], left: int, options: RunOptions, say: Callable[[str], None]
    ) -> None:
        """Nothing: what a program needs is known to it alone. RunError if this machine does not have the program."""
        if self.study.missing and options.on == "local":
            raise RunError(self.study.missing)

    def prepare(self, trials: tuple[ProgramTrial, ...], console: Console, quiet: bool) -> None:
        for remark in self.study.remarks:
            teller(console, quiet)(remark)

    def check(self, trial: ProgramTrial, record: Record) -> None:
        """Nothing: the digests of the program's files are part of a trial's id."""

    def task(self, trial: ProgramTrial, label: str, runs: Path, device: str, options: RunOptions) -> Task:
        return make_program_task(self.study, trial, label, runs, device)

    def plan(self, planned: PlannedCandidates[ProgramVariant]) -> tuple[dict[str, Any], dict[str, Any]]:
        runs = planned.runs
        if planned.probe:
            raise RunError("`probe`: a program cannot be timed; run one trial, such as `ablate run X -s seeds=1`")
        waiting = [trial for variant in planned.drawn for trial in self.trials(variant)]
        begun = [trial for variant in planned.begun for trial in self.trials(variant)]
        unfinished = [trial for variant in planned.open for trial in self.trials(variant)]
        cost = program_cost([*waiting, *begun], runs)
        missing = sum(trial_state(runs, trial.id) not in ("recorded", "diverged") for trial in waiting)
        left = sum(trial_state(runs, trial.id) not in ("recorded", "diverged") for trial in unfinished)
        cost["open_trials"] = round(missing * planned.stand_for) + left
        remarks = [*self.study.remarks, *([self.study.missing] if self.study.missing else [])]
        remarks += self.earlier((*planned.drawn, *planned.begun), runs)
        first = (waiting or begun)[:1]
        about = plan_program(self.study, first[0], runs) if first else None
        return {}, {"program": about, "cost": cost, "remarks": remarks}

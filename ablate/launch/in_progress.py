"""RunInProgress: runs the tasks of missing trials, and waits for the trials that another run is training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import RecordError
from ablate.launch.connections import signals
from ablate.launch.options import RunOptions
from ablate.launch.summary import RunSummary
from ablate.launch.tasks import COHORT_WORK
from ablate.records.attempts import write_failure
from ablate.records.records import FINAL, read_record, trial_directory, trial_state
from ablate.study.decision import TEST_ERROR, Decision

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.schedule.backends import Backend
    from ablate.schedule.progress import Progress
    from ablate.schedule.tasks import OnEvent, Outcome, Stop, Task

    Execute = Callable[[Sequence[Task], Stop, Progress, OnEvent], Iterator[Outcome | Task]]


STOPPING = "stopping after the running epochs, which are kept"
PROGRAM_STOPPING = "stopping: the programs are asked to end by SIGTERM"
WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class RunInProgress:
    """A run in progress; it adds the outcome of each trial to its summary."""

    labels: Mapping[str, str]
    runs: Path
    options: RunOptions
    console: Console
    summary: RunSummary
    decision: Decision = TEST_ERROR
    stopping: str = STOPPING

    def train(self, tasks: Sequence[Task], backend: Backend, one_by_one: bool) -> None:
        """Train trials on a backend, those of a variant together where that is faster."""
        from ablate.schedule.cohorts import Cohorts, cohort_size, step_by_step

        gpu = backend.slots[0].device == "cuda"
        slots = min(len(backend.slots), len(tasks))
        total = sum(task.cost for task in tasks)

        def size(task: Task) -> int:
            return 1 if one_by_one else cohort_size(self.options.cohort, task.cost, total, slots, gpu)

        together = gpu or max(map(size, tasks), default=1) > 1

        def execute(waiting: Sequence[Task], stop: Stop, progress: Progress, heard: OnEvent) -> Iterator[Outcome | Task]:
            cohorts = Cohorts(waiting, _variant_of, size)
            for outcome in backend.execute(COHORT_WORK, cohorts.tasks, stop, cohorts.listener(heard)):
                for one, by_itself in cohorts.outcomes(outcome):
                    if together and (again := step_by_step(one, by_itself)):
                        progress.say(again[1])
                        yield again[0]
                    else:
                        yield one

        self.follow(tasks, backend, execute)

    def follow(self, tasks: Sequence[Task], backend: Backend, execute: Execute) -> None:
        """Run tasks on a backend, and wait for the trials that another run is training.

        Args:
            tasks: One for each missing trial.
            backend: Where they run.
            execute: Runs some tasks; yields the outcome of each, or the task if it has to run again.
        """
        from ablate.schedule.progress import Progress
        from ablate.schedule.tasks import Outcome, Stop, Task

        runs, summary = self.runs, self.summary
        runs.mkdir(parents=True, exist_ok=True)
        before = summary.recorded_before + summary.trained + summary.elsewhere
        names = [slot.name for slot in backend.slots]
        progress = Progress(tasks, before, names, self.console, self.options.quiet, self.decision)
        stop = Stop(lambda: progress.say(f"{self.stopping}; Ctrl-C again stops now"))
        follower = self.options.follower

        def hear(slot: int, task: Task, event: dict[str, Any]) -> None:
            progress.event(slot, task, event)
            if follower and event["event"] == "epoch":
                follower.hear(task.payload.trial, task.label, event)

        with progress, signals(stop):
            waiting, elsewhere = list(tasks), list[Task]()
            while (waiting or elsewhere) and not stop.level:
                now, waiting = waiting, []
                for one in execute(now, stop, progress, hear):
                    if isinstance(one, Task):
                        waiting.append(one)
                    elif one.status == "busy":
                        elsewhere.append(one.task)
                    else:
                        self.note(one, progress)
                # Wait for the trials that another run trains; train those that it no longer runs.
                time.sleep(WAIT_SECONDS if elsewhere else 0)
                states = {task.id: trial_state(runs, task.id) for task in elsewhere}
                for task in elsewhere:
                    if states[task.id] in FINAL:
                        self.note(Outcome(task, "recorded"), progress)
                waiting += [task for task in elsewhere if states[task.id] not in ("running", *FINAL)]
                elsewhere = [task for task in elsewhere if states[task.id] == "running"]
        summary.exit_code = stop.exit_code

    def note(self, outcome: Outcome, progress: Progress) -> None:
        """Show an outcome, add it to the summary, and record a failure in the trial's directory."""
        if self.options.follower and outcome.status in ("completed", "diverged", "failed"):
            self.options.follower.ended(outcome.task.payload.trial, outcome.task.label, outcome.status)
        try:
            record = read_record(self.runs, outcome.task.id)
        except RecordError as error:  # of this trial alone
            record, outcome = None, replace(outcome, status="failed", cause=str(error))
        if outcome.status == "failed":
            self.summary.failed.append((outcome.task.label, outcome.cause, outcome.task.log))
            try:
                write_failure(trial_directory(self.runs, outcome.task.id), outcome.cause, outcome.attempts)
            except (OSError, RecordError) as error:  # a full disk must not end the other trials
                progress.say(f"{outcome.task.label}: its failure could not be recorded: {error}")
        elif outcome.status == "recorded" and outcome.attempts == 1:
            self.summary.elsewhere += 1
        elif record is not None:
            self.summary.trained += 1
        value = record.result.get(self.decision.column) if record and not record.diverged else None
        progress.outcome(outcome, value)


def _variant_of(task: Task) -> str | None:
    """The key of a task's variant; None for a trial that must be trained alone."""
    return None if task.payload.plain else replace(task.payload.trial, seed=0).id

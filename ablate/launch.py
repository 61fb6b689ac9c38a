"""run_trials(): what is missing, trained, whatever happens on the way. Composes records, data, schedule and train."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import RecordError
from ablate.records.records import Record, read_record, trial_directory, trial_state, write_failure
from ablate.study.plan import training_cost
from ablate.study.study import Trial

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.data.cache import Location
    from ablate.schedule.progress import Progress
    from ablate.schedule.slots import Slot
    from ablate.schedule.tasks import Outcome, Stop, Task

WORK = "ablate.train.trial:train_trial"
WAIT_SECONDS = 0.5
INTERRUPTED, PREEMPTED, INCOMPLETE = 130, 75, 3  # exit codes


@dataclass(frozen=True)
class RunOptions:
    """How to run, none of which changes a result. device: auto, cpu or cuda; checkpoint_*: at least so often."""

    device: str = "auto"
    slots: int | None = None
    slots_per_gpu: int = 1
    checkpoint_epochs: int = 1
    checkpoint_seconds: float = 0.0
    quiet: bool = False


@dataclass
class RunSummary:
    """What a run found and did. The lists hold (label, cause, log) of trials."""

    trials: int = 0
    recorded_before: int = 0
    trained: int = 0
    elsewhere: int = 0  # recorded by another run meanwhile
    diverged: list[tuple[str, str, Path]] = field(default_factory=list)
    failed: list[tuple[str, str, Path]] = field(default_factory=list)
    open: int = 0
    seconds: float = 0.0
    exit_code: int = 0


def run_trials(
    trials: Sequence[Trial],
    labels: Sequence[str],
    runs: Path,
    location: Location,
    options: RunOptions,
    console: Console,
) -> RunSummary:
    """Trains the trials that are not recorded and says what came of all of them. Raises AblateError if it cannot start."""
    begun = time.monotonic()
    names = {trial.id: name for trial, name in zip(trials, labels)}
    records = {trial.id: read_record(runs, trial.id) for trial in trials}
    missing = [trial for trial in trials if records[trial.id] is None]
    summary = RunSummary(len(trials), len(trials) - len(missing))
    if missing:
        _train(missing, names, records, runs, location, options, console, summary)
    for trial in trials:
        record = records[trial.id] or read_record(runs, trial.id)
        if record is None:
            summary.open += 1
        elif record.diverged:
            cause = f"diverged in epoch {record.result.get('epochs')}"
            summary.diverged.append((names[trial.id], cause, record.directory / "log.txt"))
    summary.seconds = time.monotonic() - begun
    if not summary.exit_code and (summary.open or summary.diverged):
        summary.exit_code = INCOMPLETE
    return summary


def _train(
    missing: Sequence[Trial],
    names: dict[str, str],
    records: dict[str, Record | None],
    runs: Path,
    location: Location,
    options: RunOptions,
    console: Console,
    summary: RunSummary,
) -> None:
    from ablate.schedule.local import run_local
    from ablate.schedule.progress import Progress
    from ablate.schedule.slots import find_slots
    from ablate.schedule.tasks import Stop, Task
    from ablate.train.trial import Job

    digests: dict[Any, str] = {}
    for trial in missing:
        if (key := (trial.data.name, trial.data.image_size)) not in digests:
            digests[key] = _prepare(trial, location, console, options.quiet)
    _check_digests([record for record in records.values() if record], missing[0], digests)
    slots = find_slots(options.device, options.slots, options.slots_per_gpu)
    tasks = [
        Task(
            trial.id,
            names[trial.id],
            Job(trial, runs, location, slots[0].device, options.checkpoint_epochs, options.checkpoint_seconds),
            training_cost(trial),
            trial_directory(runs, trial.id) / "log.txt",
        )
        for trial in missing
    ]
    runs.mkdir(parents=True, exist_ok=True)
    stop = Stop()
    slots = slots[: len(tasks)]
    with Progress(tasks, summary.recorded_before, len(slots), console, options.quiet) as progress, _signals(stop, progress):
        waiting = tasks
        while waiting and not stop.level:
            busy = []
            for outcome in run_local(WORK, waiting, slots, stop, progress.event):
                if outcome.status == "busy":
                    busy.append(outcome.task)
                else:
                    _note(outcome, runs, progress, summary)
            # Another run trains these; should it die, they are ours.
            while busy and not stop.level and all(trial_state(runs, task.id) == "running" for task in busy):
                time.sleep(WAIT_SECONDS)
            waiting = busy
    summary.exit_code = stop.exit_code


def _note(outcome: Outcome, runs: Path, progress: Progress, summary: RunSummary) -> None:
    """Puts an outcome where it belongs: the terminal, the summary, and for a failure the trial's directory."""
    record = read_record(runs, outcome.task.id)
    if outcome.status == "failed":
        write_failure(trial_directory(runs, outcome.task.id), outcome.cause, outcome.attempts)
        summary.failed.append((outcome.task.label, outcome.cause, outcome.task.log))
    elif outcome.status == "recorded":
        summary.elsewhere += 1
    elif record is not None:
        summary.trained += 1
    progress.outcome(outcome, record.test_error if record else None)


def _prepare(trial: Trial, location: Location, console: Console, quiet: bool) -> str:
    """Makes sure that the images are there, decoded, before any worker starts; returns their digest."""
    from ablate.data.cache import load_images

    def announce(message: str) -> None:
        if not quiet:
            console.print(message, highlight=False, markup=False)

    return load_images(trial.data.name, trial.data.image_size, location, announce)[1]


def _check_digests(records: Sequence[Record], trial: Trial, digests: dict[Any, str]) -> None:
    """Refuses to add trials on these images to records of the same study made on others."""
    known = set(digests.values())
    for record in records:
        digest = record.result.get("data_digest")
        if len(known) == 1 and digest not in known:
            raise RecordError(
                f"{record.directory}: recorded on images of digest {digest}, those in place now have {known.pop()}; "
                "restore the images, give data.digest, or use another --runs"
            )


@contextmanager
def _signals(stop: Stop, progress: Progress) -> Iterator[None]:
    """SIGINT: stop after the epochs under way, a second one at once; SIGTERM: like the first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        again = stop.level > 0
        stop.raise_to(2 if again else 1, INTERRUPTED)
        if not again:
            progress.say("stopping when the epochs under way are done and kept; Ctrl-C again stops now")

    def terminate(number: int, frame: object) -> None:
        stop.raise_to(1, PREEMPTED)

    before = {signal.SIGINT: signal.signal(signal.SIGINT, interrupt), signal.SIGTERM: signal.signal(signal.SIGTERM, terminate)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

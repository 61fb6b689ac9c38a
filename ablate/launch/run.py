"""run_trials() and run_programs(): what is not recorded is trained, despite failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ablate.errors import RecordError, RunError
from ablate.launch.connections import open_backend, signals, teller
from ablate.launch.in_progress import PROGRAM_STOPPING, RunInProgress
from ablate.launch.options import RunOptions
from ablate.launch.summary import INCOMPLETE, RunSummary
from ablate.launch.tasks import MEASURE_WORK, PROGRAM_WORK, make_program_task, make_task
from ablate.memory import fit_to_memory, probed_memory
from ablate.precision import check_precisions
from ablate.processes.signals import PREEMPTING, handling, preempted
from ablate.records.records import Record, read_record, recover_record
from ablate.report.measured import unmeasured
from ablate.report.numbers import counted
from ablate.schedule.shards import assign_shards
from ablate.study.costs import training_cost
from ablate.study.decision import TEST_ERROR, Decision
from ablate.study.program import ProgramStudy, ProgramTrial
from ablate.study.study import Trial

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.data.location import Location

AnyTrial = TypeVar("AnyTrial", Trial, ProgramTrial)


def run_trials(
    trials: Sequence[Trial],
    labels: Mapping[str, str],
    runs: Path,
    location: Location,
    options: RunOptions,
    console: Console,
    folders: tuple[Path, ...] = (),
    decision: Decision = TEST_ERROR,
) -> RunSummary:
    """Train the trials that are not recorded and return a summary of all.

    Args:
        trials: Each of them once.
        labels: The name of each trial for people, by its id.
        runs: Directory of the records.
        location: Where the images are.
        options: How to run.
        console: Shows progress.
        folders: Where the readers' modules are looked for first.
        decision: The measure that is shown of each trial.

    Raises:
        AblateError: The run cannot start.
    """
    from ablate.train.image_checks import check_digests, image_set, prepare_images

    with _summed_up(trials, training_cost, labels, runs, options, console) as (missing, recorded, summary):
        for recipe in dict.fromkeys(trial.recipe for trial in missing):
            if absent := recipe.kinds[0].missing:
                raise RunError(absent)
        with handling(dict.fromkeys(PREEMPTING, preempted)):
            digests, pixels = prepare_images(missing, location, teller(console, options.quiet))
            check_digests([(trial.data, record) for trial, record in recorded], digests, pixels, location)
            run = RunInProgress(labels, runs, options, console, summary, decision)
            for gpus, group in _by_gpus(missing):
                if summary.exit_code:
                    break
                with open_backend(runs, options, say := teller(console), gpus) as backend:
                    device = backend.slots[0].device
                    if options.on == "local":
                        check_precisions(device, [trial.recipe.precision for trial in group], say)
                        fit_to_memory(backend, group, len(group), options.slots, say)
                    memory = probed_memory(group, runs, backend) if device == "cuda" else {}
                    make = partial(make_task, runs=runs, location=location, device=device, options=options, folders=folders)
                    tasks = [
                        make(trial, labels[trial.id], digest=digests[image_set(trial.data)], memory=memory.get(trial.id))
                        for trial in group
                    ]
                    run.train(tasks, backend, one_by_one=gpus > 1)
            if not summary.exit_code:
                _measure_again(recorded, labels, runs, location, options, folders, teller(console), summary)
    return summary


def _measure_again(
    recorded: Sequence[tuple[Trial, Record]],
    labels: Mapping[str, str],
    runs: Path,
    location: Location,
    options: RunOptions,
    folders: tuple[Path, ...],
    say: Callable[[str], None],
    summary: RunSummary,
) -> None:
    """Evaluate the recorded trials that lack a measure or further test images of the study once more."""
    lacking = [(trial, record) for trial, record in recorded if not record.diverged and unmeasured(record, trial.data)]
    found = [trial for trial, record in lacking if any(record.directory.glob("checkpoint-*.pt"))]
    for trial, record in lacking:
        if trial not in found:
            cause = "it has no checkpoint; train it into another runs directory"
            summary.unmeasured.append((labels[trial.id], cause, record.directory / "log.txt"))
    if not found:
        return
    from ablate.schedule.tasks import Stop

    say(f"measuring {counted(len(found), 'recorded trial')} once more; nothing is trained")
    stop = Stop()
    with signals(stop), open_backend(runs, options, say) as backend:
        device = backend.slots[0].device
        tasks = [make_task(trial, labels[trial.id], runs, location, device, options, folders) for trial in found]
        for outcome in backend.execute(MEASURE_WORK, tasks, stop, lambda *event: None):
            if outcome.status != "measured":
                cause = {"busy": "another run works on it"}.get(outcome.status, outcome.cause or outcome.status)
                summary.unmeasured.append((outcome.task.label, cause, outcome.task.log))
    summary.exit_code = stop.exit_code


def run_programs(
    study: ProgramStudy,
    trials: Sequence[ProgramTrial],
    labels: Mapping[str, str],
    runs: Path,
    options: RunOptions,
    console: Console,
) -> RunSummary:
    """Run the trials of a program that are not recorded and return a summary of all.

    Args:
        study: With the program.
        trials, labels, runs, options, console: As in run_trials().

    Raises:
        AblateError: The run cannot start.
    """
    if study.missing and options.on == "local":
        raise RunError(study.missing)
    with _summed_up(trials, lambda trial: 1.0, labels, runs, options, console) as (missing, _, summary):
        if missing:
            with handling(dict.fromkeys(PREEMPTING, preempted)), open_backend(runs, options, teller(console)) as backend:
                device = backend.slots[0].device
                tasks = [make_program_task(study, trial, labels[trial.id], runs, device) for trial in missing]
                RunInProgress(labels, runs, options, console, summary, study.decision, PROGRAM_STOPPING).follow(
                    tasks,
                    backend,
                    lambda waiting, stop, progress, heard: backend.execute(PROGRAM_WORK, waiting, stop, heard),
                )
    return summary


@contextmanager
def _summed_up(
    trials: Sequence[AnyTrial],
    cost: Callable[[AnyTrial], float],
    labels: Mapping[str, str],
    runs: Path,
    options: RunOptions,
    console: Console,
) -> Iterator[tuple[list[AnyTrial], list[tuple[AnyTrial, Record]], RunSummary]]:
    """The trials of this shard without a record, the others with theirs, and the summary, which is complete at the end."""
    begun, say = time.monotonic(), teller(console)
    if options.shard:
        shards = assign_shards({trial.id: cost(trial) for trial in trials}, options.shard[1])
        trials = [trial for trial in trials if shards[trial.id] == options.shard[0]]
    records = {trial.id: recover_record(runs, trial.id, say) for trial in trials}
    recorded = [(trial, record) for trial in trials if (record := records[trial.id])]
    summary = RunSummary(len(trials), len(recorded), shard=options.shard)
    yield [trial for trial in trials if records[trial.id] is None], recorded, summary
    for trial_id, before in records.items():
        try:
            record = before or read_record(runs, trial_id)
        except RecordError as error:  # it was damaged while the run went on
            record = None
            say(str(error))
        if record is None:
            summary.open += 1
        elif record.diverged:
            cause = f"diverged within {counted(record.result['epochs'], 'epoch')}"
            summary.diverged.append((labels[trial_id], cause, record.directory / "log.txt"))
    if not summary.exit_code and (summary.open or summary.diverged or summary.unmeasured):
        summary.exit_code = INCOMPLETE
    summary.seconds = time.monotonic() - begun


def _by_gpus(missing: Sequence[Trial]) -> list[tuple[int, list[Trial]]]:
    """The trials by the number of GPUs that each takes, most first: if there are too few GPUs, no trial is begun."""
    groups: dict[int, list[Trial]] = {}
    for trial in sorted(missing, key=lambda trial: -trial.recipe.gpus):
        groups.setdefault(trial.recipe.gpus, []).append(trial)
    return list(groups.items())

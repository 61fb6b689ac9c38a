"""run_trials(): trains the trials that are not recorded, despite failures. Composes records, data, schedule and train."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ablate.errors import RecordError, RunError, allowed, printable
from ablate.memory import fit_to_memory, probed_memory
from ablate.precision import check_precisions
from ablate.processes.signals import PREEMPTED, PREEMPTING, handling, preempted
from ablate.records.records import FINAL, Record, read_record, recover_record, trial_directory, trial_state, write_failure
from ablate.report.measured import unmeasured
from ablate.report.numbers import counted
from ablate.report.rounds import Rounds, round_lines
from ablate.schedule.shards import assign_shards
from ablate.study.costs import training_cost
from ablate.study.decision import TEST_ERROR, Decision
from ablate.study.program import ProgramStudy, ProgramTrial
from ablate.study.study import Trial

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.data.location import Location
    from ablate.schedule.backends import Backend
    from ablate.schedule.progress import Progress
    from ablate.schedule.tasks import OnEvent, Outcome, Stop, Task
    from ablate.tracking.follow import Follower, OnEpoch

    Execute = Callable[[Sequence[Task], Stop, Progress, OnEvent], Iterator[Outcome | Task]]

WORK, COHORT_WORK = "ablate.train.trial:TrialWork", "ablate.train.cohort:CohortWork"
MEASURE_WORK = "ablate.train.measure_again:MeasureWork"
PROGRAM_WORK = "ablate.train.program:ProgramWork"
STOPPING = "stopping after the running epochs, which are kept"
PROGRAM_STOPPING = "stopping: the programs are asked to end by SIGTERM"
WAIT_SECONDS = 0.5
AnyTrial = TypeVar("AnyTrial", Trial, ProgramTrial)
INTERRUPTED, INCOMPLETE = 130, 3  # exit codes


@dataclass(frozen=True)
class RunOptions:
    """How to run; no option changes a result.

    Args:
        device: "auto", "cpu" or "cuda".
        slots: How many trials run at the same time, on GPUs at most; None: as many as the devices allow.
        slots_per_gpu: How many slots share a GPU, from 1.
        checkpoint_epochs: As in Job.
        checkpoint_seconds: As in Job.
        quiet: Whether to show nothing.
        inline: Whether to run in this process, on the CPU, for debuggers.
        cohort: How many seeds of a variant one worker trains side by side; None: on a GPU as many as keep all slots busy.
        hung_seconds: Seconds without a report after which a trial counts as hung, see schedule.watchdog; 0: never.
        on: "local", "ray" or "ray:ADDRESS".
        shard: The part of the trials to run: (2, 8) is the second of eight; None: all.
        log: Where the epochs are sent while it runs: names in tracking.trackers.TRACKERS.
        logs: The directory that trackers write into.
        follower: Receives the epochs of the trials; following() sets it.
        auto_precision: What `precision: auto` has become, for workers to check; "" if the study does not have it.
    """

    device: str = "auto"
    slots: int | None = None
    slots_per_gpu: int = 1
    checkpoint_epochs: int = 0
    checkpoint_seconds: float = 0.0
    quiet: bool = False
    inline: bool = False
    cohort: int | None = None
    hung_seconds: float = 3600.0
    on: str = "local"
    shard: tuple[int, int] | None = None
    log: tuple[str, ...] = ()
    logs: Path = Path("logs")
    follower: Follower | None = None
    auto_precision: str = ""

    @property
    def usual_device(self) -> str:
        """The device that trials run on, which is the CPU in this process."""
        return "cpu" if self.inline else self.device


@dataclass
class RunSummary:
    """What a run found and did.

    Args:
        trials: How many trials the run has; in a shard, only those of the shard.
        recorded_before: How many were recorded before the run.
        trained: How many this run trained and recorded.
        elsewhere: How many another run recorded meanwhile.
        diverged: (label, cause, path of the log) of each trial that has diverged.
        failed: (label, cause, path of the log) of each trial that failed in this run.
        unmeasured: (label, cause, path of the log) of each recorded trial that still lacks a measure or further test images
            of the study, because it could not be evaluated once more.
        open: How many have no record at the end.
        seconds: That the run took.
        exit_code: 0 if all trials are recorded with all measures and none has diverged, else INCOMPLETE (3); 130 or 75 if
            it was stopped.
        shard: As in RunOptions.
        tried: How many candidates this run evaluated, in a study that tunes its variants.
        untuned: How many variants are not tuned at the end, so that their seeds are not trained.
    """

    trials: int = 0
    recorded_before: int = 0
    trained: int = 0
    elsewhere: int = 0
    diverged: list[tuple[str, str, Path]] = field(default_factory=list)
    failed: list[tuple[str, str, Path]] = field(default_factory=list)
    unmeasured: list[tuple[str, str, Path]] = field(default_factory=list)
    open: int = 0
    seconds: float = 0.0
    exit_code: int = 0
    shard: tuple[int, int] | None = None
    tried: int = 0
    untuned: int = 0


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
            run = _RunInProgress(labels, runs, options, console, summary, decision)
            for gpus, group in _by_gpus(missing):
                if not summary.exit_code:
                    with open_backend(runs, options, say := teller(console), gpus) as backend:
                        if options.on == "local":
                            check_precisions(backend.slots[0].device, [trial.recipe.precision for trial in group], say)
                            fit_to_memory(backend, group, len(group), options.slots, say)
                        device = backend.slots[0].device
                        memory = probed_memory(group, runs, backend) if device == "cuda" else {}
                        tasks = [
                            make_task(
                                trial,
                                labels[trial.id],
                                runs,
                                location,
                                device,
                                options,
                                folders,
                                digest=digests[image_set(trial.data)],
                                memory=memory.get(trial.id),
                            )
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
        trials: As in run_trials().
        labels: As in run_trials().
        runs: As in run_trials().
        options: As in run_trials().
        console: As in run_trials().

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
                _RunInProgress(labels, runs, options, console, summary, study.decision, PROGRAM_STOPPING).follow(
                    tasks,
                    backend,
                    lambda waiting, stop, progress, heard: backend.execute(PROGRAM_WORK, waiting, stop, heard),
                )
    return summary


def run_rounds(
    follow: Callable[[], Sequence[Rounds]],
    asked: Callable[[Sequence[Rounds]], Sequence[AnyTrial]],
    most: Sequence[AnyTrial],
    train: Callable[[Sequence[AnyTrial], RunOptions], RunSummary],
    runs: Path,
    options: RunOptions,
    console: Console,
) -> RunSummary:
    """Train round after round of a study with `seeds.until`, until its records ask for no more; return a summary of all.

    A round is asked for by the complete rounds before it alone, so all runs that share the directory of the records ask for
    the same, and a trial that another run trains is waited for. A shard trains its part of a round first, then what is
    left.

    Args:
        follow: Reads what the records came to; with `tune`, at the chosen values and then at the variants' own.
        asked: The trials that this asks for, with those that are recorded.
        most: All trials that may be asked for.
        train: Trains the trials that are not recorded, such as run_trials().
        runs: Directory of the records.
        options: How to run.
        console: Shows progress.

    Raises:
        AblateError: A round cannot start.
    """
    say = teller(console, options.quiet)
    for trial in most:
        recover_record(runs, trial.id, say)  # a damaged one counts for nothing
    begun, trained, elsewhere = time.monotonic(), 0, 0
    if options.shard:
        say(f"{options.shard[1]} shards share each round through {runs}; a shard that runs alone there trains everything")
    followed = follow()
    for note in dict.fromkeys(rounds.note for rounds in followed if rounds.note):
        say(f"note: {note}")
    while True:
        for line in round_lines(followed):
            say(line)
        trials = asked(followed)
        if options.shard:
            shards = assign_shards({trial.id: 1.0 for trial in trials}, options.shard[1])
            trials = sorted(trials, key=lambda trial: shards[trial.id] != options.shard[0])  # type: ignore[index]
        summary = train(trials, replace(options, shard=None))
        trained, elsewhere = trained + summary.trained, elsewhere + summary.elsewhere
        if summary.open or summary.exit_code not in (0, INCOMPLETE):
            break
        followed = follow()
        if len(asked(followed)) == len(trials):
            break
    for line in round_lines(followed) if summary.failed else ():
        say(f"the {line}; it is not complete, so no further seed is trained")
    summary.trained, summary.elsewhere, summary.seconds = trained, elsewhere, time.monotonic() - begun
    summary.recorded_before = summary.trials - trained - elsewhere - summary.open
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
            cause = f"diverged in epoch {record.result.get('epochs')}"
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


@dataclass(frozen=True)
class _RunInProgress:
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


@contextmanager
def following(
    study: str, runs: Path, options: RunOptions, on_epoch: OnEpoch | None, console: Console
) -> Iterator[RunOptions]:
    """A context manager that gives the options with a follower, if they name trackers or there is a function to call.

    Args:
        study: The name of the study.
        runs: Directory of the records.
        options: How to run.
        on_epoch: Called with each epoch that is recorded.
        console: Shows errors of trackers and of the function.

    Raises:
        RunError: There is no such tracker, or it cannot be used.
    """
    if not options.log and on_epoch is None:
        yield options
        return
    from ablate.tracking.follow import Follower
    from ablate.tracking.trackers import TRACKERS

    for name in options.log:
        if name not in TRACKERS:
            raise RunError(f"`log`: found '{name}'; {allowed(name, TRACKERS)}")
    trackers = {name: TRACKERS[name].open(options.logs, study) for name in options.log}
    with Follower(study, runs, trackers, on_epoch, teller(console)).following() as follower:
        yield replace(options, follower=follower)


def open_backend(
    runs: Path, options: RunOptions, announce: Callable[[str], None], gpus: int = 1
) -> AbstractContextManager[Backend]:
    """Open the backend that the options ask for; see schedule.backends.

    Args:
        runs: Directory of the records.
        options: How to run.
        announce: Receives lines of text about a cluster and about GPUs that are not used, unless options.quiet.
        gpus: How many GPUs each trial takes.

    Raises:
        RunError: There is no such backend or device.
    """
    from ablate.schedule import backends

    return backends.open_backend(
        "inline" if options.inline else options.on,
        runs,
        options.device,
        options.slots,
        options.slots_per_gpu,
        gpus,
        patience=options.hung_seconds,
        announce=(lambda line: None) if options.quiet else announce,
    )


def teller(console: Console, quiet: bool = False) -> Callable[[str], None]:
    """A function that prints a line of text without markup or highlighting, on a terminal broken between words.

    Args:
        console: Where it is printed.
        quiet: Whether to print nothing.
    """
    piped = not console.is_terminal
    return lambda line: None if quiet else console.print(printable(line), highlight=False, markup=False, soft_wrap=piped)


def _variant_of(task: Task) -> str | None:
    """The key of a task's variant; None for a trial that must be trained alone."""
    return None if task.payload.plain else replace(task.payload.trial, seed=0).id


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


@contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """Within the block, let signals stop a run.

    The first SIGINT, and SIGTERM and SIGUSR1, stop it after the running epochs; a second SIGINT stops it at once.

    Args:
        stop: Of the run; its exit code becomes 130 for SIGINT, 75 for the others.
    """
    with handling(
        {
            signal.SIGINT: lambda: stop.raise_to(2 if stop.level else 1, INTERRUPTED),
            **dict.fromkeys(PREEMPTING, lambda: stop.raise_to(1, PREEMPTED)),
        }
    ):
        yield

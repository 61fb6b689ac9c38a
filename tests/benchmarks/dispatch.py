"""What a trial costs beside its training: trials that do nothing, through our scheduler and through others.

Processes are started and modules imported before the clock runs: what is timed is a trial more, not a run.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from rich.console import Console

from ablate.data.location import Location
from ablate.files import hold_lock
from ablate.launch.options import RunOptions
from ablate.launch.tasks import make_task
from ablate.nets.architecture import Architecture
from ablate.records.attempts import begin_attempt, open_trial, write_result
from ablate.records.epochs import Row, append_epoch
from ablate.records.records import read_record, trial_directory
from ablate.schedule.local import open_workers, run_tasks
from ablate.schedule.progress import Progress
from ablate.schedule.slots import Slot, find_slots
from ablate.schedule.tasks import Executor, Stop
from ablate.study.data import Data
from ablate.study.recipe import Recipe
from ablate.study.study import Trial
from ablate.train.job import Job
from tests.benchmarks.comparison import Announce, Comparison, compare
from tests.benchmarks.ray_dispatch import RayWays, open_here, ray_ways

Way = Callable[[], object]
EPOCH: Row = {
    "epoch": 1,
    "lr": 0.1,
    "train_loss": 1.0,
    "train_error": 50.0,
    "test_loss": 1.0,
    "test_error": 50.0,
    "train_seconds": 0.0,
    "test_seconds": 0.0,
}
RESULT = {"status": "completed", "epochs": 1, "test_error": 50.0, "train_seconds": 0.0, "test_seconds": 0.0}
RESULT |= {"train_images": 0, "test_images": 0, "provenance": {}, "earlier_attempts": []}


def bench_dispatch(
    trials: int = 200,
    tune_trials: int = 8,
    slots: int = 2,
    rounds: int = 5,
    folder: Path | None = None,
    ray: bool = True,
    announce: Announce = lambda line: None,
) -> list[Comparison]:
    """Seconds a trial that does nothing, of schedulers, and of the files that a trial of one epoch leaves.

    trials: in a round, of each way but Ray Tune's, which has tune_trials, more than slots, and five times as many where
    it reuses actors; slots: processes at once; folder: on the disk that is meant (default: that of temporary files);
    ray: whether Ray is compared with, where it is installed.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        others = ray_ways(trials, tune_trials, slots, place, announce) if ray else contextlib.nullcontext(RayWays())
        return [
            _compare_schedulers(others, trials, slots, rounds, place, announce),
            _compare_files(trials, rounds, place, announce),
        ]


def _compare_schedulers(
    others: AbstractContextManager[RayWays],
    trials: int,
    slots: int,
    rounds: int,
    folder: Path,
    announce: Announce,
) -> Comparison:
    """Trials that return at once, through Optuna (random values of one parameter), joblib, ours and Ray, if that is there.

    Ours is all that `ablate run` does of a trial but its training, on a terminal; "files written" has its worker write
    and flush the trial's record too, here and as a task of Ray. joblib hands out one trial at a time, as for trials that
    take minutes.
    """
    with contextlib.ExitStack() as opened:
        ways = {
            "Optuna, SQLite": opened.enter_context(_optuna(trials, folder)),
            "joblib, loky": opened.enter_context(_joblib(trials, slots)),
            "ablate": opened.enter_context(_ablate("return_at_once", trials, slots, folder, open_workers)),
            "ablate, files written": opened.enter_context(_ablate("write_files", trials, slots, folder, open_workers)),
        }
        work = dict.fromkeys(ways, float(trials))
        ray = opened.enter_context(others)
        if ray.ways:
            on_ray = opened.enter_context(_ablate("write_files", trials, slots, folder, open_here))
            ray = ray.with_tasks("ablate on Ray, files written", on_ray, trials)
        timed = compare(
            "trials that do nothing", "trials", {**ways, **ray.ways}, {**work, **ray.work}, rounds, True, announce
        )
    return ray.without_start(timed)


def _compare_files(trials: int, rounds: int, folder: Path, announce: Announce) -> Comparison:
    """The files of a trial of one epoch: merely written, flushed to the disk too, and as we write them, under a lock."""
    definitions = [trial.definition for trial in make_trials(trials)]

    def write(flush: bool) -> None:
        runs = _fresh(folder)
        for number, definition in enumerate(definitions):
            directory = runs / str(number)
            directory.mkdir()
            for name, data in (("trial.json", definition), ("epochs.jsonl", b"0" * 180), ("result.json", b"0" * 250)):
                with open(directory / name, "wb") as file:
                    file.write(data)
                    if flush:
                        file.flush()
                        os.fsync(file.fileno())

    def record() -> None:
        runs = _fresh(folder)
        for number, definition in enumerate(definitions):
            record_trial(runs / str(number), definition)

    ways: dict[str, Way] = {"written": lambda: write(False), "flushed": lambda: write(True), "ablate": record}
    return compare("the files of a trial of one epoch", "trials", ways, float(trials), rounds, True, announce)


def make_trials(number: int) -> list[Trial]:
    """Trials that differ in their seed."""
    recipe, data = Recipe.named("wrn_cifar"), Data.named("digits")
    return [Trial(Architecture(1, 0.25), recipe, data, seed) for seed in range(number)]


def return_at_once(job: Job, stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]) -> str:
    """A trial of one epoch that does nothing."""
    report({**EPOCH, "epochs": 1, "images_per_second": 1.0})
    return "completed"


def write_files(job: Job, stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]) -> str:
    """A trial of one epoch that does nothing but write its record."""
    record_trial(trial_directory(job.runs, job.trial.id), job.trial.definition)
    return return_at_once(job, stop, report)


def record_trial(directory: Path, definition: bytes) -> None:
    """Writes what training writes of a trial of one epoch, but its checkpoint."""
    open_trial(directory, definition)
    with hold_lock(directory / "lock"):
        begin_attempt(directory)
        append_epoch(directory, EPOCH)
        write_result(directory, RESULT)


@contextlib.contextmanager
def _ablate(
    work: str,
    trials: int,
    slots: int,
    folder: Path,
    opened: Callable[[str, list[Slot], Stop], AbstractContextManager[Executor]],
) -> Iterator[Way]:
    here = find_slots("cpu", slots)
    location = Location(folder, folder)

    def dispatch() -> None:
        runs = _fresh(folder)
        made = make_trials(trials)
        tasks = [make_task(trial, f"seed {trial.seed}", runs, location, "cpu", RunOptions(), ()) for trial in made]
        console = Console(file=io.StringIO(), force_terminal=True, width=120)
        with Progress(tasks, 0, [slot.name for slot in here], console) as progress:
            for outcome in run_tasks(run, tasks, slots, progress.event):
                assert outcome.status == "completed", outcome.cause
                record = read_record(runs, outcome.task.id)
                progress.outcome(outcome, record.eval_error if record else None)
        assert progress.ended == trials

    with opened(f"{__name__}:{work}", here, Stop()) as run:
        yield dispatch


@contextlib.contextmanager
def _joblib(trials: int, slots: int) -> Iterator[Way]:
    from joblib.externals.loky import get_reusable_executor

    def dispatch() -> None:
        assert sum(Parallel(slots, backend="loky", batch_size=1)(delayed(abs)(-1) for _ in range(trials))) == trials

    try:
        yield dispatch
    finally:
        get_reusable_executor().shutdown(wait=True)


@contextlib.contextmanager
def _optuna(trials: int, folder: Path) -> Iterator[Way]:
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'optuna.db'}")

    def dispatch() -> None:
        study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))
        study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=trials)
        assert len(study.get_trials(deepcopy=False)) == trials

    try:
        yield dispatch
    finally:
        storage.remove_session()
        storage.engine.dispose()
        optuna.logging.set_verbosity(before)


def _fresh(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))

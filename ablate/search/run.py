"""run_search(): asks Optuna for candidates, trains each fold by fold on the scheduler's slots, and reports the results.

There is one thread for each slot; it evaluates one candidate after another. A training of a candidate is an ordinary trial
with its id and record. Sampled values and reported results depend on the records only, so a search that is killed and
started again gives the same result as one that was not. The candidate that was running keeps its number and its values,
and its training continues from its checkpoint.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import joblib
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from ablate.data.preprocessing import PREPROCESSING
from ablate.errors import AblateError
from ablate.launch import (
    INCOMPLETE,
    WORK,
    RunOptions,
    check_digests,
    fit_to_memory,
    make_task,
    open_backend,
    prepare,
    signals,
    teller,
)
from ablate.processes.signals import PREEMPTING, handling, preempted
from ablate.records.records import Record, Row, read_epochs, recover_record, trial_directory, trial_state, write_failure
from ablate.report.candidate import DIVERGED, label_of
from ablate.schedule.tasks import Executor, Outcome, Stop, Task
from ablate.search.candidates import candidate_trials
from ablate.search.distributions import pick_values, suggest_with
from ablate.search.drivers import WORKER, driver_of, heartbeat, is_alive, register_driver
from ablate.search.optuna_internals import continue_trial
from ablate.search.progress import SearchProgress, SearchSummary
from ablate.search.pruning import Pruning, make_pruner
from ablate.search.results import RESULT, best_objective, count_planned
from ablate.search.sampler import FeasibleSampler, check_enqueued, draw_values
from ablate.search.storage import (
    SURPLUS,
    current_trials,
    hold_search,
    open_search,
    retry_failed,
    storage_errors,
)
from ablate.study.plan import candidate_maker, name_training
from ablate.study.study import Study, Trial, Variant

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.data.cache import Location
    from ablate.schedule.backends import Backend

WAIT_SECONDS = 1.0  # between two checks of the other drivers


class Taken(NamedTuple):
    """A candidate that this driver works on.

    Args:
        trial: The candidate in Optuna.
        values: Its values by axis.
        reported: The errors in percent that an earlier driver reported to the pruner, by step.
    """

    trial: optuna.Trial
    values: dict[str, Any]
    reported: Mapping[int, float]


def run_search(
    study: Study,
    runs: Path,
    url: str,
    location: Location,
    options: RunOptions,
    console: Console,
    folders: tuple[Path, ...] = (),
) -> SearchSummary:
    """Evaluate the candidates that remain; return a summary.

    Args:
        study: The study, which has a search.
        runs: The runs directory.
        url: Of Optuna's storage, or the path of a journal.
        location: Where the images are.
        options: How to run.
        console: Where progress is printed.
        folders: Searched first for the modules of the study's custom networks.

    Raises:
        AblateError: The search cannot start, or its storage fails.
    """
    begun = time.monotonic()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with open_backend(runs, options, teller(console), study.recipe.gpus) as backend:
        driver = SearchDriver(study, runs, url, location, options, folders, backend.slots[0].device)
        return _run_driver(driver, backend, url, console, begun)


def _run_driver(driver: SearchDriver, backend: Backend, url: str, console: Console, begun: float) -> SearchSummary:
    """Run a driver on all slots of a backend until the search ends or is stopped."""
    options, slots = driver.options, backend.slots
    with handling(dict.fromkeys(PREEMPTING, preempted)):
        left = max(0, driver.count_planned() - driver.count_ended())
        fit_to_memory(backend, driver.candidate(), left, options, teller(console))
        driver.prepare(console)
    summary = driver.summary
    summary.candidates, summary.done_before = driver.count_planned(), driver.count_ended()
    names = [slot.name for slot in slots]
    driver.progress = SearchProgress(summary.candidates, summary.done_before, names, console, options.quiet)
    driver.stop = Stop(
        lambda: driver.progress.say("stopping when the epochs under way are done and kept; Ctrl-C again stops now")
    )
    with (
        storage_errors(url),
        register_driver(driver.opened, driver.runs) as driver.name,
        driver.progress,
        signals(driver.stop),
        backend.open(WORK, driver.stop) as driver.run,
    ):
        joblib.Parallel(len(slots), backend="threading")(joblib.delayed(driver.serve)() for _ in slots)
        summary.best = driver.best()
        summary.elsewhere = driver.count_ended() - summary.done_before - summary.evaluated - summary.pruned
    summary.seconds = time.monotonic() - begun
    summary.exit_code = driver.stop.exit_code or (INCOMPLETE if summary.failed else 0)
    return summary


class SearchDriver:
    """This process as a driver of a search. Other drivers may work on the same search; see drivers.py.

    Args:
        study: A study that has a search.
        runs: The runs directory.
        url: Of Optuna's storage, or the path of a journal.
        location: Where the images are.
        options: How to run.
        folders: Searched first for the modules of the study's custom networks.
        device: The name of the device that every slot of this run uses, such as "cuda".

    Raises:
        RunError: The storage cannot be opened.
    """

    progress: SearchProgress
    stop: Stop
    name: str
    run: Executor
    lowest: float | None = None  # the lowest objective so far, in percent

    def __init__(
        self,
        study: Study,
        runs: Path,
        url: str,
        location: Location,
        options: RunOptions,
        folders: tuple[Path, ...],
        device: str,
    ) -> None:
        assert study.search is not None
        self.study, self.search = study, study.search
        self.runs, self.location, self.options, self.folders, self.device = runs, location, options, folders, device
        self.make = candidate_maker(study)
        self.summary = SearchSummary()
        self.lock = threading.Lock()
        self.digests: dict[Any, str] = {}
        self.pixels: dict[Any, str] = {}
        self.opened = open_search(study, url, runs, self.is_possible)
        self.opened.sampler = FeasibleSampler(self.search, self.make)
        self.opened.pruner = make_pruner(self.search, study.recipe.epochs * len(self.search.held_out) * len(study.seeds))

    def is_possible(self, values: dict[str, Any]) -> bool:
        """Whether a candidate can be built, meets the budget and fulfills the study's `where`.

        Args:
            values: Of the candidate, by axis.
        """
        try:
            self.make(values)
        except AblateError:
            return False
        return True

    def candidate(self) -> tuple[Trial, ...]:
        """The trainings of a candidate drawn at random."""
        return candidate_trials(self.study, self.make(draw_values(self.search, self.make)))

    def prepare(self, console: Console) -> None:
        """Decode and check the images, and enqueue failed candidates again.

        Args:
            console: Where progress is printed.

        Raises:
            AblateError: The images cannot be read, or an enqueued candidate is not feasible.
        """
        data = self.study.data
        one = self.candidate()
        # Such a preprocessing is computed from the training images, so it differs between the folds.
        held_out = one if PREPROCESSING[data.preprocess].prepare else one[:1]
        check_enqueued(self.search, self.make)
        self.digests, self.pixels = prepare(held_out, self.location, console, self.options.quiet)
        retry_failed(self.opened, self.runs)

    def count_planned(self, trials: list[FrozenTrial] | None = None) -> int:
        """The number of candidates that the search evaluates in total.

        Args:
            trials: The current trials; None to read them from the storage.
        """
        return count_planned(self.study, self.trials() if trials is None else trials)

    def trials(self) -> list[FrozenTrial]:
        """The candidates in Optuna; see current_trials()."""
        return current_trials(self.opened.get_trials(deepcopy=False))

    def count_ended(self) -> int:
        """The number of candidates that are complete or pruned."""
        return sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in self.trials())

    def serve(self) -> None:
        """Evaluate one candidate after another until none is left or the search stops. Each slot has one thread."""
        try:
            while not self.stop.level:
                if taken := self.take_candidate():
                    with contextlib.suppress(UpdateFinishedTrialError):  # ended by a driver that took this one for dead
                        self.evaluate(taken)
                elif self.others_at_work():
                    time.sleep(WAIT_SECONDS)  # if the other driver dies, this one continues its candidate
                else:
                    break
        except BaseException:
            self.stop.raise_to(1, 2)
            raise

    def take_candidate(self) -> Taken | None:
        """The candidate of a driver that died, or else a new one; None if no candidate is available at present.

        Writes this driver's name to the candidate, and samples its values while no other driver of this machine samples.
        """
        with self.lock, hold_search(self.runs):
            everything = self.opened.get_trials(deepcopy=False)
            known = current_trials(everything)
            self.lowest = best_objective(trial for trial in known if trial.state == TrialState.COMPLETE)
            running = [trial for trial in known if trial.state == TrialState.RUNNING]
            for trial in running:
                if driver_of(trial) != self.name and not is_alive(self.opened, trial, self.runs):
                    return self._sign(continue_trial(self.opened, trial), trial.intermediate_values)
            waiting = [trial for trial in known if trial.state == TrialState.WAITING]
            if len(known) - len(waiting) >= self.count_planned(known) or not all(map(driver_of, running)):
                return None
            asked = self.opened.ask()
            expected = waiting[0].number if waiting else len(everything)
            if asked.number != expected and self.is_surplus(asked):
                self._withdraw(asked)
                return None
            return self._sign(asked, {})

    def is_surplus(self, trial: optuna.Trial) -> bool:
        """Whether a driver on another machine, which does not share the lock, has just taken the last candidate.

        Args:
            trial: The candidate that this driver was given.
        """
        before = [other for other in self.trials() if other.number < trial.number]
        return len(before) >= self.count_planned(before)

    def _withdraw(self, trial: optuna.Trial) -> None:
        """End a surplus candidate; it does not count."""
        trial.set_user_attr(SURPLUS, True)
        self.opened.tell(trial, state=TrialState.FAIL)

    def _sign(self, trial: optuna.Trial, reported: Mapping[int, float]) -> Taken:
        """Write this driver's name to a candidate, and sample the candidate's values."""
        trial.set_user_attr(WORKER, heartbeat(self.name))
        return Taken(trial, pick_values(self.search, suggest_with(trial)), reported)

    def others_at_work(self) -> bool:
        """Whether other drivers have running candidates."""
        return any(trial.state == TrialState.RUNNING and driver_of(trial) != self.name for trial in self.trials())

    def evaluate(self, taken: Taken) -> None:
        """Train a candidate and report the result to Optuna. If the search is stopped, the candidate stays running.

        Args:
            taken: A candidate from take_candidate().
        """
        variant = self.make(taken.values)
        trials = candidate_trials(self.study, variant)
        label = label_of(variant, taken.values)
        pruning = Pruning(self.search, taken.trial, taken.reported, variant.recipe.epochs, len(trials))
        errors: list[float] = []
        for index, trial in enumerate(trials):
            record = self.train(trial, f"{label} {name_training(trial)}", _epoch_listener(pruning, index))
            if pruning.pruned:  # at an epoch; the training may have run on by a random number of epochs
                break
            if not isinstance(record, Record):
                return self.fail(taken.trial, label, record) if record.status == "failed" else None
            errors.append(record.error())
            pruning.report_training(index, errors[-1])
            if pruning.pruned:
                break
        shown = [error if math.isfinite(error) else None for error in errors]
        taken.trial.set_user_attr(RESULT, {"net": label, "validation_errors": shown})
        if pruning.pruned:
            self.prune(taken.trial, label)
        else:
            self.complete(taken.trial, label, variant, errors)

    def train(self, trial: Trial, label: str, on_epoch: Callable[[Row], bool] | None) -> Record | Outcome:
        """The record of a training, trained first if there is none; or the outcome of a training that left no record.

        Args:
            trial: The training.
            label: Its name on the terminal.
            on_epoch: Called with every epoch, including those of an earlier attempt; returns whether to end the training.
                None if no epoch is needed.
        """
        directory = trial_directory(self.runs, trial.id)

        def on_event(slot: int, task: Task, event: dict[str, Any]) -> bool:
            self.progress.event(slot, task, event)
            return on_epoch is not None and event["event"] == "epoch" and on_epoch(event)

        while True:
            if record := recover_record(self.runs, trial.id, self.progress.say):
                check_digests([(trial.data, record)], self.digests, self.pixels, self.location)
                if on_epoch:
                    any(map(on_epoch, record.epochs()))
                return record
            task = make_task(trial, label, self.runs, self.location, self.device, self.options, self.folders)
            if on_epoch and any(map(on_epoch, read_epochs(directory))):
                return Outcome(task, "interrupted")
            outcome = self.run(task, on_event)
            if outcome.status in ("completed", "diverged"):
                self.summary.trained += 1
            elif outcome.status == "busy":  # another run trains the same trial; if it dies, this one continues
                while trial_state(self.runs, trial.id) == "running" and not self.stop.level:
                    time.sleep(WAIT_SECONDS)
            elif outcome.status != "recorded":
                return outcome

    def complete(self, trial: optuna.Trial, label: str, variant: Variant, errors: list[float]) -> None:
        """End a candidate with its objectives.

        Args:
            trial: The candidate in Optuna.
            label: Its name on the terminal.
            variant: Its network, recipe and data.
            errors: Validation errors of its trainings in percent, infinite for a training that diverged.
        """
        objective = self.search.objective_of(errors)
        costs = [float(getattr(variant.counts, self.search.also_minimize))] if self.search.also_minimize else []
        with self.lock:
            if not self._tell(trial, TrialState.COMPLETE, [min(objective, DIVERGED), *costs]):
                return
            self.summary.evaluated += 1
            better = ""
            if math.isfinite(objective) and (self.lowest is None or objective < self.lowest):
                self.lowest, better = objective, ", the best so far"
        self.progress.candidate(trial.number, label, f"{_in_words(objective)}{better}")

    def prune(self, trial: optuna.Trial, label: str) -> None:
        """End a candidate as pruned.

        Args:
            trial: The candidate in Optuna.
            label: Its name on the terminal.
        """
        if self._tell(trial, TrialState.PRUNED):
            self.summary.pruned += 1
            self.progress.candidate(trial.number, label, "pruned")

    def fail(self, trial: optuna.Trial, label: str, outcome: Outcome) -> None:
        """End a candidate that cannot be trained. The next run of the search tries it again.

        Args:
            trial: The candidate in Optuna.
            label: Its name on the terminal.
            outcome: Of the training that failed.
        """
        write_failure(trial_directory(self.runs, outcome.task.id), outcome.cause, outcome.attempts)
        self._tell(trial, TrialState.FAIL)
        self.summary.failed.append((label, outcome.cause, outcome.task.log))
        self.progress.candidate(trial.number, label, f"failed: {outcome.cause}")

    def _tell(self, trial: optuna.Trial, state: TrialState, values: list[float] | None = None) -> bool:
        """End a candidate in Optuna. Return False if another driver had ended it already."""
        try:
            self.opened.tell(trial, values, state)
        except (UpdateFinishedTrialError, ValueError):  # ValueError: for a finished trial, among other reasons
            if not self.opened.get_trials(deepcopy=False)[trial.number].state.is_finished():
                raise
            return False
        return True

    def best(self) -> str:
        """The candidate with the lowest error, in words; "" if none is complete."""
        complete = [trial for trial in self.trials() if trial.state == TrialState.COMPLETE]
        if not complete:
            return ""
        best = min(complete, key=lambda trial: trial.values[0])
        found = best.user_attrs[RESULT]
        errors = [math.inf if error is None else error for error in found["validation_errors"]]
        return f"{found['net']}: {_in_words(self.search.objective_of(errors))}"


def _in_words(objective: float) -> str:
    """An objective in percent; it is infinite if too many of the trainings diverged."""
    return f"{objective:.2f}% validation error" if math.isfinite(objective) else "diverged"


def _epoch_listener(pruning: Pruning, training: int) -> Callable[[Row], bool] | None:
    """A function that reports epochs to the pruner and returns whether the candidate is pruned; None if not needed."""
    if not pruning.over_epochs:
        return None

    def report(row: Row) -> bool:
        pruning.report_epoch(training, row)
        return pruning.pruned

    return report

"""run_search(): candidates asked for, each trained fold by fold on the scheduler's slots, and told to Optuna.

A thread a slot takes one candidate after the other, each training of it a trial like any other, with its own id and
record. What is sampled and told depends on nothing but the records, so a search that is killed goes on as if it had not
been: the candidate that was running keeps its number and its values, and its training goes on from its checkpoint.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial

from ablate.errors import AblateError
from ablate.launch import (
    INCOMPLETE,
    WORK,
    RunOptions,
    check_digests,
    make_task,
    open_place,
    prepare,
    signals,
    teller,
)
from ablate.processes.signals import PREEMPTING, handling, preempted
from ablate.records.records import Record, Row, read_epochs, read_record, trial_directory, trial_state, write_failure
from ablate.schedule.tasks import Outcome, Run, Stop, Task
from ablate.search.candidates import DIVERGED, candidate_trials, error_of, label_of, name_training, objective_of
from ablate.search.distributions import pick_values, picker
from ablate.search.progress import SearchProgress
from ablate.search.pruning import Pruning, make_pruner
from ablate.search.results import RESULT, best_objective, count_planned
from ablate.search.sampler import Feasible, check_enqueued, draw_values
from ablate.search.storage import SURPLUS, hold_search, open_search, retry_failed, standing, storage_errors
from ablate.search.summary import SearchSummary
from ablate.search.workers import WORKER, be_alive, driver_of, is_alive, sign
from ablate.study.plan import candidate_maker
from ablate.study.study import Study, Trial, Variant

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.data.cache import Location
    from ablate.schedule.places import Place

WAIT_SECONDS = 1.0  # between two looks at what other drivers do


def run_search(
    study: Study,
    runs: Path,
    url: str,
    location: Location,
    options: RunOptions,
    console: Console,
    folders: tuple[Path, ...] = (),
) -> SearchSummary:
    """Tries the candidates that are still to be tried and says what came of it. Raises AblateError if it cannot start.

    url: of the storage. folders: where the readers' networks are looked for first.
    """
    begun = time.monotonic()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with open_place(runs, options, teller(console), study.recipe.gpus) as place:
        search = Searching(study, runs, url, location, options, folders, place.slots[0].device)
        return _search(search, place, url, console, begun)


def _search(search: Searching, place: Place, url: str, console: Console, begun: float) -> SearchSummary:
    options, slots = search.options, place.slots
    with handling(dict.fromkeys(PREEMPTING, preempted)):
        search.prepare(console)
    summary = search.summary
    summary.candidates, summary.done_before = search.limit(), search.ended()
    names = [slot.name for slot in slots]
    search.progress = SearchProgress(summary.candidates, summary.done_before, names, console, options.quiet)
    search.stop = Stop(
        lambda: search.progress.say("stopping when the epochs under way are done and kept; Ctrl-C again stops now")
    )
    with (
        storage_errors(url),
        be_alive(search.opened, search.runs) as search.name,
        search.progress,
        signals(search.stop),
        place.open(WORK, search.stop) as search.run,
    ):
        joblib.Parallel(len(slots), backend="threading")(joblib.delayed(search.serve)() for _ in slots)
        summary.best = search.best()
        summary.elsewhere = search.ended() - summary.done_before - summary.evaluated - summary.pruned
    summary.seconds = time.monotonic() - begun
    summary.exit_code = search.stop.exit_code or (INCOMPLETE if summary.failed else 0)
    return summary


class Searching:
    """A search under way in this process."""

    progress: SearchProgress
    stop: Stop
    name: str  # of this driver
    run: Run
    lowest: float | None = None  # objective so far, in percent

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
        self.opened = open_search(study, url, runs, self.possible)
        self.opened.sampler = Feasible(self.search, self.make)
        self.opened.pruner = make_pruner(self.search, study.recipe.epochs * len(self.search.held_out) * len(study.seeds))

    def possible(self, values: dict[str, Any]) -> bool:
        """Whether there is such a candidate."""
        try:
            self.make(values)
        except AblateError:
            return False
        return True

    def prepare(self, console: Console) -> None:
        """Images decoded and checked, failed candidates brought back. Raises AblateError."""
        data = self.study.data
        one = candidate_trials(self.study, self.make(draw_values(self.search, self.make)))
        held_out = one if data.preprocess == "zca" else one[:1]  # prepared by what is trained on, so fold by fold
        check_enqueued(self.search, self.make)
        self.digests = prepare(held_out, self.location, console, self.options.quiet)
        retry_failed(self.opened, self.runs)

    def limit(self, known: list[FrozenTrial] | None = None) -> int:
        """How many candidates there are to be. known: those that count, where they have just been read."""
        return count_planned(self.study, self.trials() if known is None else known)

    def trials(self) -> list[FrozenTrial]:
        """Optuna's trials that count."""
        return standing(self.opened.get_trials(deepcopy=False))

    def ended(self) -> int:
        return sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in self.trials())

    def serve(self) -> None:
        """Takes one candidate after the other until there is none, or the search is to stop."""
        try:
            while not self.stop.level:
                if taken := self.next():
                    with contextlib.suppress(UpdateFinishedTrialError):  # ended by a driver that took us for dead
                        self.evaluate(*taken)
                elif self.others():
                    time.sleep(WAIT_SECONDS)  # should the other driver die, its candidate is ours
                else:
                    break
        except BaseException:
            self.stop.raise_to(1, 2)
            raise

    def next(self) -> tuple[optuna.Trial, dict[str, Any]] | None:
        """The candidate of a driver that died; or a new one, while there are to be more; or None. With its values."""
        with self.lock, hold_search(self.runs):
            self.opened._thread_local.cached_all_trials = None  # as ask() does
            every = self.opened.get_trials(deepcopy=False)
            known = standing(every)
            self.lowest = best_objective(trial for trial in known if trial.state == TrialState.COMPLETE)
            running = [trial for trial in known if trial.state == TrialState.RUNNING]
            for trial in running:
                if driver_of(trial) != self.name and not is_alive(self.opened, trial, self.runs):
                    return self.take(optuna.Trial(self.opened, trial._trial_id), True)
            waiting = [trial for trial in known if trial.state == TrialState.WAITING]
            if len(known) - len(waiting) >= self.limit(known) or not all(map(driver_of, running)):
                return None
            if waiting:
                return self.take(self.opened.ask(), True)
            template = create_trial(state=TrialState.RUNNING, user_attrs={WORKER: sign(self.name)})
            trial_id = self.opened._storage.create_new_trial(self.opened._study_id, template)
            optuna_trial = optuna.Trial(self.opened, trial_id)
            if optuna_trial.number > len(every) and self.is_surplus(optuna_trial):
                return None
            return self.take(optuna_trial, False)

    def is_surplus(self, optuna_trial: optuna.Trial) -> bool:
        """Whether another machine, which does not share our lock, took the last place meanwhile; ends the candidate."""
        before = [trial for trial in self.trials() if trial.number < optuna_trial.number]
        if len(before) < self.limit(before):
            return False
        optuna_trial.set_user_attr(SURPLUS, True)
        self.opened.tell(optuna_trial, state=TrialState.FAIL)
        return True

    def take(self, optuna_trial: optuna.Trial, unsigned: bool) -> tuple[optuna.Trial, dict[str, Any]]:
        """Marks a candidate as this driver's, and has its values sampled while no other samples."""
        if unsigned:
            optuna_trial.set_user_attr(WORKER, sign(self.name))
        return optuna_trial, pick_values(self.search, picker(optuna_trial))

    def others(self) -> bool:
        """Whether other drivers have candidates under way."""
        return any(trial.state == TrialState.RUNNING and driver_of(trial) != self.name for trial in self.trials())

    def evaluate(self, optuna_trial: optuna.Trial, values: dict[str, Any]) -> None:
        """Trains a candidate and tells Optuna what came of it; where the search is to stop, the candidate stays open."""
        variant = self.make(values)
        trials = candidate_trials(self.study, variant)
        label = label_of(variant, values)
        pruning = Pruning(self.search, optuna_trial, variant.recipe.epochs, len(trials))
        errors: list[float] = []
        for index, trial in enumerate(trials):
            epoch = partial(pruning.epoch, index) if pruning.over_epochs else None
            record = self.train(trial, f"{label} {name_training(trial)}", epoch)
            if pruning.pruned:  # by its epochs; how far the training went on from there is chance
                break
            if not isinstance(record, Record):
                return self.fail(optuna_trial, label, record) if record.status == "failed" else None
            errors.append(error_of(record))
            if pruning.training(index, errors[-1]):
                break
        shown = [error if math.isfinite(error) else None for error in errors]
        optuna_trial.set_user_attr(RESULT, {"net": label, "validation_errors": shown})
        self.tell(optuna_trial, label, variant, errors, pruning.pruned)

    def train(self, trial: Trial, label: str, told: Callable[[Row], bool] | None) -> Record | Outcome:
        """The record of a training, made if there is none yet, or how it ended without one.

        told() is given every epoch, those of an earlier attempt too; it holds when the training is to end.
        """
        directory = trial_directory(self.runs, trial.id)

        def on_event(slot: int, task: Task, event: dict[str, Any]) -> bool:
            self.progress.event(slot, task, event)
            return told is not None and event["event"] == "epoch" and told(event)

        while True:
            if record := read_record(self.runs, trial.id):
                check_digests([(trial.data, record)], self.digests, self.location)
                if told:
                    any(map(told, record.epochs()))
                return record
            task = make_task(trial, label, self.runs, self.location, self.device, self.options, self.folders)
            if told and any(map(told, read_epochs(directory))):
                return Outcome(task, "interrupted")
            outcome = self.run(task, on_event)
            if outcome.status in ("completed", "diverged"):
                self.summary.trained += 1
            elif outcome.status == "busy":  # another run has the same trial; should that die, it is ours
                while trial_state(self.runs, trial.id) == "running" and not self.stop.level:
                    time.sleep(WAIT_SECONDS)
            elif outcome.status != "recorded":
                return outcome

    def tell(self, optuna_trial: optuna.Trial, label: str, variant: Variant, errors: list[float], pruned: bool) -> None:
        """Ends a candidate: with its objectives, or pruned."""
        if pruned:
            self.opened.tell(optuna_trial, state=TrialState.PRUNED, skip_if_finished=True)
            self.summary.pruned += 1
            return self.progress.candidate(optuna_trial.number, label, "pruned")
        objective = objective_of(self.search.objective, errors)
        also = [float(getattr(variant.counts, self.search.also_minimize))] if self.search.also_minimize else []
        with self.lock:
            # What tell() does, but that would read the trial twice more: the samplers need nothing after a trial.
            values = [min(objective, DIVERGED), *also]
            self.opened._storage.set_trial_state_values(optuna_trial._trial_id, TrialState.COMPLETE, values)
            self.summary.evaluated += 1
            better = ""
            if self.lowest is None or objective < self.lowest:
                self.lowest, better = objective, ", the best so far"
        self.progress.candidate(optuna_trial.number, label, f"{objective:.2f}% validation error{better}")

    def best(self) -> str:
        """The candidate with the lowest error, in words; "" where there is none."""
        complete = [trial for trial in self.trials() if trial.state == TrialState.COMPLETE]
        if not complete:
            return ""
        best = min(complete, key=lambda trial: trial.values[0])
        return f"{best.user_attrs[RESULT]['net']}: {best.values[0]:.2f}% validation error"

    def fail(self, optuna_trial: optuna.Trial, label: str, outcome: Outcome) -> None:
        """Ends a candidate that cannot be trained; the next search tries it again."""
        write_failure(trial_directory(self.runs, outcome.task.id), outcome.cause, outcome.attempts)
        self.opened.tell(optuna_trial, state=TrialState.FAIL, skip_if_finished=True)
        self.summary.failed.append((label, outcome.cause, outcome.task.log))
        self.progress.candidate(optuna_trial.number, label, f"failed: {outcome.cause}")

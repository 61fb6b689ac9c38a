"""SearchDriver: this process as a driver of a search; it asks Optuna for candidates, trains and reports them.

A candidate is trained fold by fold; on a GPU all its trainings run side by side, unless the pruner may end it between them.

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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from ablate.launch.options import RunOptions
from ablate.launch.tasks import COHORT_WORK
from ablate.records.attempts import write_failure
from ablate.records.epochs import read_epochs
from ablate.records.records import Record, recover_record, trial_directory, trial_state
from ablate.report.candidate import label_of
from ablate.report.numbers import format_of
from ablate.schedule.cohorts import MOST, Cohorts, step_by_step
from ablate.schedule.tasks import Executor, OnEvent, Outcome, Stop, Task
from ablate.search.candidates import Candidates
from ablate.search.distributions import pick_values, suggest_with
from ablate.search.drivers import WORKER, driver_of, heartbeat, is_alive
from ablate.search.optuna_internals import continue_trial
from ablate.search.progress import SearchProgress, SearchSummary
from ablate.search.pruning import EpochListener, Pruning, make_pruner
from ablate.search.results import DEVICE, RESULT, best_objective, count_planned, judged_values
from ablate.search.sampler import FeasibleSampler, check_enqueued, draw_values
from ablate.search.storage import SURPLUS, current_trials, hold_search, open_search, retry_failed
from ablate.study.decision import Decision

if TYPE_CHECKING:
    from rich.console import Console


WAIT_SECONDS = 1.0  # between two checks of the other drivers


class Taken(NamedTuple):
    """A candidate that this driver works on.

    Args:
        trial: The candidate in Optuna.
        values: Its values by axis.
        reported: The values that an earlier driver reported to the pruner, by step.
    """

    trial: optuna.Trial
    values: dict[str, Any]
    reported: Mapping[int, float]


class SearchDriver:
    """This process as a driver of a search. Other drivers may work on the same search; see drivers.py.

    Args:
        candidates: What the candidates of the search are.
        runs: The runs directory.
        url: Of Optuna's storage, or the path of a journal.
        options: How to run.
        device: The name of the device that every slot of this run uses, such as "cuda".

    Raises:
        RunError: The storage cannot be opened.
    """

    progress: SearchProgress
    stop: Stop
    name: str
    run: Executor
    best_yet: float | None = None  # the best objective so far

    def __init__(self, candidates: Candidates[Any, Any], runs: Path, url: str, options: RunOptions, device: str) -> None:
        self.candidates, self.search, self.decision = candidates, candidates.search, candidates.decision
        self.runs, self.options, self.device, self.make = runs, options, device, candidates.make
        self.cohorts = candidates.work_on(device) == COHORT_WORK
        self.summary = SearchSummary(lowest=self.decision.lowest)
        self.lock, self.measuring = threading.Lock(), threading.Lock()
        study = candidates.study
        self.opened = open_search(study, url, runs, candidates.possible)
        self.opened.sampler = FeasibleSampler(self.search, self.make)
        trainings = (len(self.search.held_out) or 1) * len(study.seeds)
        self.opened.pruner = make_pruner(self.search, candidates.most_epochs * trainings)

    def candidate(self) -> tuple[Any, ...]:
        """The trainings of a candidate drawn at random."""
        return self.candidates.trials(self.make(draw_values(self.search, self.make)))

    def prepare(self, console: Console) -> None:
        """Load and check what trainings need, and enqueue failed candidates again.

        Args:
            console: Where progress is printed.

        Raises:
            AblateError: The images cannot be read, or an enqueued candidate is not feasible.
        """
        one = self.candidate()
        check_enqueued(self.search, self.make)
        self.candidates.prepare(one, console, self.options.quiet)
        retry_failed(self.opened, self.runs)

    def count_planned(self, trials: list[FrozenTrial] | None = None) -> int:
        """The number of candidates that the search evaluates in total.

        Args:
            trials: The current trials; None to read them from the storage.
        """
        return count_planned(self.search, self.trials() if trials is None else trials)

    def trials(self) -> list[FrozenTrial]:
        """The candidates in Optuna; see current_trials()."""
        return current_trials(self.opened.get_trials(deepcopy=False))

    def count_ended(self) -> int:
        """The number of candidates that are complete or pruned."""
        return sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in self.trials())

    def serve(self, wait: bool = True) -> None:
        """Evaluate one candidate after another until none is left or the search stops. Each slot has one thread.

        Args:
            wait: Whether to wait for candidates of other drivers, which may be left to this one.
        """
        try:
            while not self.stop.level:
                if taken := self._take_candidate():
                    with contextlib.suppress(UpdateFinishedTrialError):  # ended by a driver that took this one for dead
                        self._evaluate(taken)
                elif wait and self._others_at_work():
                    time.sleep(WAIT_SECONDS)  # if the other driver dies, this one continues its candidate
                else:
                    break
        except BaseException:
            self.stop.raise_to(1, 2)
            raise

    def _take_candidate(self) -> Taken | None:
        """The candidate of a driver that died, or else a new one; None if no candidate is available at present.

        Writes this driver's name to the candidate, and samples its values while no other driver of this machine samples.
        """
        with self.lock, hold_search(self.runs):
            everything = self.opened.get_trials(deepcopy=False)
            known = current_trials(everything)
            complete = (trial for trial in known if trial.state == TrialState.COMPLETE)
            self.best_yet = best_objective(complete, self.decision)
            running = [trial for trial in known if trial.state == TrialState.RUNNING]
            for trial in running:
                if driver_of(trial) != self.name and not is_alive(self.opened, trial, self.runs):
                    return self._sign(continue_trial(self.opened, trial), trial.intermediate_values)
            waiting = [trial for trial in known if trial.state == TrialState.WAITING]
            if len(known) - len(waiting) >= self.count_planned(known) or not all(map(driver_of, running)):
                return None
            asked = self.opened.ask()
            expected = waiting[0].number if waiting else len(everything)
            if asked.number != expected and self._is_surplus(asked):
                asked.set_user_attr(SURPLUS, True)  # it does not count
                self.opened.tell(asked, state=TrialState.FAIL)
                return None
            return self._sign(asked, {})

    def _is_surplus(self, trial: optuna.Trial) -> bool:
        """Whether a driver on another machine, which does not share the lock, has just taken the last candidate."""
        before = [other for other in self.trials() if other.number < trial.number]
        return len(before) >= self.count_planned(before)

    def _sign(self, trial: optuna.Trial, reported: Mapping[int, float]) -> Taken:
        """Write this driver's name to a candidate, and sample the candidate's values."""
        trial.set_user_attr(WORKER, heartbeat(self.name))
        return Taken(trial, pick_values(self.search, suggest_with(trial)), reported)

    def _others_at_work(self) -> bool:
        """Whether other drivers have running candidates."""
        return any(trial.state == TrialState.RUNNING and driver_of(trial) != self.name for trial in self.trials())

    def _evaluate(self, taken: Taken) -> None:
        """Train a candidate and report the result to Optuna. If the search is stopped, the candidate stays running."""
        variant = self.make(taken.values)
        kind = self.candidates
        trials = kind.trials(variant)
        label = label_of(variant, taken.values)
        epochs = kind.epochs(variant)
        pruning = Pruning(self.search, taken.trial, taken.reported, epochs, len(trials), kind.step_told)
        costs = self._measure(variant)
        errors: list[float] = []
        labels = [f"{label} {kind.name(trial)}" for trial in trials]
        size = len(trials) if self.cohorts and pruning.disabled else 1
        for first in range(0, len(trials), size):
            listener = None
            if pruning.over_epochs:
                by = self.decision
                listener = EpochListener(pruning, first, by.column, by.worst, kind.rows_are_final)
            part = slice(first, first + size)
            found = self.train(trials[part], labels[part], listener)
            if pruning.pruned:  # at an epoch; the training may have run on by a random number of epochs
                break
            for record in found:
                if not isinstance(record, Record):
                    return self._fail(taken.trial, label, record) if record.status == "failed" else None
                errors.append(kind.value(record))
                pruning.report_training(len(errors) - 1, errors[-1])
            if pruning.pruned:
                break
        shown = [error if math.isfinite(error) else None for error in errors]
        taken.trial.set_user_attr(RESULT, {"net": label, self.decision.values_name: shown})
        if pruning.pruned:
            self._prune(taken.trial, label)
        else:
            self.complete(taken.trial, label, costs, errors)

    def _measure(self, variant: Any) -> list[float]:
        """The costs of a candidate that are minimized too, in order; measured first if they are not, one at a time."""
        with self.measuring:
            known = str(self.opened.user_attrs.get(DEVICE, ""))
            costs, device = self.candidates.measure(variant, self.runs, self.options, known)
            if device != known:
                self.opened.set_user_attr(DEVICE, device)
        return [*costs.values()]

    def train(self, trials: Sequence[Any], labels: Sequence[str], on_epoch: EpochListener | None) -> list[Record | Outcome]:
        """The records of trainings, trained first if there are none; in the place of a record that is not made its outcome.

        Args:
            trials: The trainings, of one candidate.
            labels: Their names on the terminal.
            on_epoch: Called with every epoch, including those of an earlier attempt; returns whether to end the training.
                None if no epoch is needed, as it must be for several trainings.
        """

        def on_event(slot: int, task: Task, event: dict[str, Any]) -> bool:
            self.progress.event(slot, task, event)
            if self.options.follower and event["event"] == "epoch":
                self.options.follower.hear(task.payload.trial, task.label, event)
            return on_epoch is not None and event["event"] == "epoch" and on_epoch(event)

        found: dict[str, Record | Outcome] = {}
        while True:
            tasks: list[Task] = []
            for trial, label in zip(trials, labels):
                if trial.id in found:
                    continue
                if record := recover_record(self.runs, trial.id, self.progress.say):
                    self.candidates.check(trial, record)
                    if on_epoch and not any(map(on_epoch, record.epochs())):
                        on_epoch.end()
                    found[trial.id] = record
                    continue
                task = self.candidates.task(trial, label, self.runs, self.device, self.options)
                if on_epoch and any(map(on_epoch, read_epochs(trial_directory(self.runs, trial.id)))):
                    found[trial.id] = Outcome(task, "interrupted")
                else:
                    tasks.append(task)
            if not tasks:
                return [found[trial.id] for trial in trials]
            for outcome in self._run_together(tasks, on_event):
                trial = outcome.task.payload.trial
                if self.options.follower and outcome.status in ("completed", "diverged", "failed", "interrupted"):
                    self.options.follower.ended(trial, outcome.task.label, outcome.status)
                if outcome.status in ("completed", "diverged"):
                    self.summary.trained += 1
                elif outcome.status == "busy":  # another run trains the same trial; if it dies, this one continues
                    while trial_state(self.runs, trial.id) == "running" and not self.stop.level:
                        time.sleep(WAIT_SECONDS)
                elif outcome.status != "recorded":
                    found[trial.id] = outcome

    def _run_together(self, tasks: Sequence[Task], on_event: OnEvent) -> Iterator[Outcome]:
        """Yield the outcome of each training of a candidate; on a GPU they run side by side.

        One that fails among others or in a CUDA graph is run again from its checkpoint, alone and step by step.
        """
        if not self.cohorts:
            yield from (self.run(task, on_event) for task in tasks)
            return
        waiting = [tasks[first : first + MOST] for first in range(0, len(tasks), MOST)]
        while waiting:
            together = Cohorts(waiting.pop(0), lambda task: "", MOST)
            (joined,) = together.tasks
            for one, by_itself in together.outcomes(self.run(joined, together.listener(on_event))):
                if again := step_by_step(one, by_itself):
                    self.progress.say(again[1])
                    waiting.append([again[0]])
                else:
                    yield one

    def complete(self, trial: optuna.Trial, label: str, costs: list[float], errors: list[float]) -> None:
        """End a candidate with its objectives.

        Args:
            trial: The candidate in Optuna.
            label: Its name on the terminal.
            costs: That are minimized too.
            errors: The values of its trainings, such as errors in percent; infinite for a training that diverged.
        """
        objective, cost = self.search.objective_of(errors), self.decision.cost
        values = [self.candidates.objective_told(objective), *costs]
        with self.lock:
            if not self._tell(trial, TrialState.COMPLETE, values):
                return
            self.summary.evaluated += 1
            better = ""
            if math.isfinite(objective) and (self.best_yet is None or cost(objective) < cost(self.best_yet)):
                self.best_yet, better = objective, ", the best so far"
        self.progress.candidate(trial.number, label, f"{_in_words(objective, self.decision)}{better}")

    def _prune(self, trial: optuna.Trial, label: str) -> None:
        """End a candidate as pruned."""
        if self._tell(trial, TrialState.PRUNED):
            self.summary.pruned += 1
            self.progress.candidate(trial.number, label, "pruned")

    def _fail(self, trial: optuna.Trial, label: str, outcome: Outcome) -> None:
        """End a candidate that cannot be trained. The next run of the search tries it again."""
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
        """The candidate with the best objective, in words; "" if none is complete."""
        complete = [trial for trial in self.trials() if trial.state == TrialState.COMPLETE]
        if not complete:
            return ""
        best = min(complete, key=lambda trial: self.decision.cost(trial.values[0]))
        objective = self.search.objective_of(judged_values(best, self.decision))
        return f"{best.user_attrs[RESULT]['net']}: {_in_words(objective, self.decision)}"


def _in_words(objective: float, decision: Decision) -> str:
    """An objective with its unit and measure; it is infinite if too many of the trainings diverged."""
    written = format_of(decision.unit).with_unit(objective)
    return f"{written} {decision.words}" if math.isfinite(objective) else "diverged"

"""Follower: passes on the epochs of a run's trials as they are recorded, to trackers and to a function of the reader's own.

It reads what the workers record, in the process that supervises them and in a thread of its own: neither a slow tracker nor
an error in one holds up a training.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from ablate.errors import AblateError, printable
from ablate.own_modules import own_errors
from ablate.records.epochs import Row, measured_on, read_epochs
from ablate.records.records import Record, read_record, trial_directory
from ablate.records.result import FINAL, OWN, TEST, renamed

CLOSING_SECONDS = 120.0  # to pass on what is recorded, after the run
ON_EPOCH = "on_epoch"
NO_MEASURES = ("images", "seconds", "images_in_training")  # fields of the one evaluation of the test images


@dataclass(frozen=True)
class Epoch:
    """An epoch of a trial, as its record has it.

    Args:
        study: The name of the study.
        trial: The trial's id.
        label: The name of the trial for people.
        seed: The trial's seed.
        epoch: The number of the epoch.
        epochs: How many the trial has; None where that is not known, as of a program.
        values: What was measured, by its name in epochs.jsonl, such as "test_error". Errors in percent, times in seconds.
    """

    study: str
    trial: str
    label: str
    seed: int
    epoch: int
    epochs: int | None
    values: Mapping[str, Any]


OnEpoch = Callable[[Epoch], object]


class AnyTrial(Protocol):
    """A trial of networks or of a program."""

    @property
    def id(self) -> str:
        """The trial's id."""

    @property
    def definition(self) -> bytes:
        """The bytes of trial.json."""

    @property
    def seed(self) -> int:
        """The trial's seed."""


@dataclass(frozen=True)
class Followed:
    """A trial that is followed.

    Args:
        study: The name of the study.
        id: The trial's id.
        label: The name of the trial for people.
        seed: The trial's seed.
        hparams: All that can change the trial's result, by a dotted name such as "recipe.lr".
    """

    study: str
    id: str
    label: str
    seed: int
    hparams: Mapping[str, Any]


class Tracker(Protocol):
    """What receives the epochs of trials. The methods are called from one thread, begin() first for each trial."""

    def begin(self, trial: Followed) -> None:
        """Begin to follow a trial; the epochs of earlier runs follow.

        Args:
            trial: The trial.
        """

    def add(self, trial: Followed, row: Row) -> None:
        """Take an epoch of a trial.

        Args:
            trial: The trial.
            row: The number of the epoch, and its values by their names in epochs.jsonl.
        """

    def end(self, trial: Followed, completed: bool) -> None:
        """End a trial.

        Args:
            trial: The trial.
            completed: Whether it was trained to its end: it neither failed nor diverged, and was not interrupted.
        """

    def close(self) -> None:
        """End all."""


@dataclass
class _State:
    """How far a trial is followed.

    Args:
        trial: The trial.
        epochs: How many epochs it has, if known.
        first: The number of the first epoch that the reader's function receives: the first of this run.
        rows: How many rows were passed on.
    """

    trial: Followed
    epochs: int | None
    first: float
    rows: int = 0


@dataclass
class Follower:
    """Passes on the epochs of trials as they are recorded.

    Args:
        study: The name of the study.
        runs: The runs directory.
        trackers: By their name.
        on_epoch: The reader's own function; None: none.
        say: Prints a line.
    """

    study: str
    runs: Path
    trackers: Mapping[str, Tracker]
    on_epoch: OnEpoch | None
    say: Callable[[str], None]
    _waiting: queue.SimpleQueue[tuple[Any, ...] | None] = field(default_factory=queue.SimpleQueue)
    _states: dict[str, _State] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)

    def hear(self, trial: AnyTrial, label: str, event: Mapping[str, Any]) -> None:
        """Note that a trial has recorded an epoch. Any thread may call it; it does not wait.

        Args:
            trial: The trial.
            label: The name of the trial for people.
            event: With "epoch", its number, and "epochs", how many there are.
        """
        self._waiting.put((trial, label, event["epoch"], event.get("epochs"), None))

    def ended(self, trial: AnyTrial, label: str, status: str) -> None:
        """Note that a trial has ended. Any thread may call it; it does not wait.

        Args:
            trial: The trial.
            label: The name of the trial for people.
            status: Of its outcome, such as "completed" or "failed".
        """
        self._waiting.put((trial, label, float("inf"), None, status))

    @contextlib.contextmanager
    def following(self) -> Iterator[Follower]:
        """A context manager within which epochs are passed on. At its end what is recorded has been passed on."""
        thread = threading.Thread(target=self._follow, name="ablate-follow", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._waiting.put(None)
            thread.join(CLOSING_SECONDS)
            if thread.is_alive():
                self.say(
                    f"{', '.join((*self.trackers, *([ON_EPOCH] if self.on_epoch else [])))}: not all was passed on in time"
                )

    def _follow(self) -> None:
        while (one := self._waiting.get()) is not None:
            trial, label, epoch, epochs, status = one
            with contextlib.suppress(OSError, AblateError):  # of a record; the run itself tells of it
                self._pass_on(trial, label, epoch, epochs, status)
        for state in self._states.values():  # those that were interrupted
            self._tell(lambda tracker, state=state: tracker.end(state.trial, False))  # type: ignore[misc]
        self._tell(lambda tracker: tracker.close())

    def _pass_on(self, trial: AnyTrial, label: str, epoch: float, epochs: int | None, status: str | None) -> None:
        """Pass on what a trial has recorded since the last time; the end of the trial too if it has a status."""
        state = self._states.get(trial.id)
        if state is None:
            followed = Followed(self.study, trial.id, label, trial.seed, MappingProxyType(hparams(trial.definition)))
            state = self._states[trial.id] = _State(followed, epochs, epoch)
            self._tell(lambda tracker: tracker.begin(followed))
        followed, directory = state.trial, trial_directory(self.runs, trial.id)
        measured = measured_on(directory)
        rows = read_epochs(directory)
        # A program may add to an epoch until the next one begins.
        whole = rows[:-1] if measured == OWN and status is None else rows
        for row in whole[state.rows :]:
            state.rows += 1
            named = renamed(row, TEST, measured)
            self._tell(lambda tracker, named=named: tracker.add(followed, named))  # type: ignore[misc]
            if self.on_epoch and row["epoch"] >= state.first:
                values = MappingProxyType({name: value for name, value in named.items() if name != "epoch"})
                self._call(Epoch(self.study, trial.id, followed.label, trial.seed, row["epoch"], state.epochs, values))
        if status is not None:
            record = read_record(self.runs, trial.id)
            if record and rows and (once := _tested_once(record)):
                self._tell(lambda tracker: tracker.add(followed, {"epoch": rows[-1]["epoch"], **once}))
            self._tell(lambda tracker: tracker.end(followed, record is not None and not record.diverged))
            del self._states[trial.id]

    def _tell(self, call: Callable[[Tracker], None]) -> None:
        """Call each tracker. One that raises an error is not called again."""
        for name, tracker in list(self.trackers.items()):
            try:
                call(tracker)
            except Exception as error:
                self.trackers = {other: one for other, one in self.trackers.items() if other != name}
                text = " ".join(str(error).split())[:300]
                self.say(f"{name}: {type(error).__name__}: {text}; nothing more is sent to it, the training goes on")

    def _call(self, epoch: Epoch) -> None:
        """Call the reader's function. An error in it is said, once in the same words."""
        assert self.on_epoch is not None
        try:
            with own_errors(ON_EPOCH):
                self.on_epoch(epoch)
        except AblateError as error:
            if str(error) not in self._said:
                self._said.add(str(error))
                self.say(f"{error}; the training goes on")


def _tested_once(record: Record) -> Row:
    """What was measured on the test images after the last epoch, of a trial that holds out others; empty for others."""
    found = {name.removeprefix(FINAL): value for name, value in record.result.items() if name.startswith(FINAL)}
    return {f"{TEST}{name}": value for name, value in found.items() if name not in NO_MEASURES}


def hparams(definition: bytes) -> dict[str, Any]:
    """All that can change a trial's result, as numbers and texts by dotted names, such as {"recipe.lr": 0.1}.

    Args:
        definition: The bytes of trial.json.
    """
    return dict(_flat("", json.loads(definition)))


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _flat(f"{name}.{key}" if name else printable(str(key)), child)
    else:
        yield name, value if isinstance(value, (bool, int, float, str)) else json.dumps(value)

"""What is being trained now, by whichever process on whichever machine, read from the runs directory that they share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.errors import RecordError
from ablate.files import is_locked
from ablate.records.attempts import RUNNING, read_running
from ablate.records.epochs import Row, read_epochs
from ablate.records.records import FINAL, state_or_damage, trial_directory
from ablate.study.costs import training_cost
from ablate.study.decision import Decision
from ablate.study.labels import fold_of
from ablate.study.program import ProgramTrial
from ablate.study.study import Trial

AnyTrial = Trial | ProgramTrial


@dataclass(frozen=True)
class Running:
    """A trial that is being trained.

    Args:
        name: Of its variant or candidate.
        trial: The trial.
        about: Of running.json: `machine`, `started`, `device`.
        rows: Its epochs so far.
        epochs: That it is to have; None where a program does not say it.
        pace: Seconds an epoch, by the clock of the file system; None before one has ended in this attempt.
        train_images: Of an epoch; None where that is not known.
    """

    name: str
    trial: AnyTrial
    about: dict[str, Any]
    rows: list[Row]
    epochs: int | None
    pace: float | None
    train_images: int | None

    @property
    def epoch(self) -> int:
        """The last epoch that has ended; 0 before the first has."""
        return int(self.rows[-1]["epoch"]) if self.rows else 0

    @property
    def share(self) -> float:
        """The part of the training that is done, 0 to 1; 0 where that is not known."""
        return min(1.0, self.epoch / self.epochs) if self.epochs else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds to its end at its pace; None where that is not known."""
        known = self.pace is not None and self.epochs
        return max(0, self.epochs - self.epoch) * self.pace if known and self.epochs and self.pace else None

    @property
    def images_per_second(self) -> float | None:
        """Images that the last epoch trained on a second; None where that is not known."""
        seconds = self.rows[-1].get("train_seconds") if self.rows else None
        return self.train_images / seconds if self.train_images and seconds else None

    def as_json(self, decision: Decision) -> dict[str, Any]:
        """Plain values under stable names; times in seconds."""
        value = next((row[decision.column] for row in reversed(self.rows) if row.get(decision.column) is not None), None)
        fold = None if isinstance(self.trial, ProgramTrial) else fold_of(self.trial)
        return {
            "net": self.name,
            **({} if fold is None else {"fold": fold}),
            "seed": self.trial.seed,
            "id": self.trial.id,
            "epoch": self.epoch,
            "epochs": self.epochs,
            decision.name: value,
            "images_per_second": self.images_per_second,
            "seconds_left": self.seconds_left,
            **{key: self.about.get(key) for key in ("machine", "device", "started")},
        }


def _find_running(named: Iterable[tuple[str, AnyTrial]], runs: Path) -> list[Running]:
    """Those of some trials that are being trained now. Nothing is written."""
    found = {trial.id: (name, trial) for name, trial in named}
    return [one for name, trial in found.values() if (one := _look(name, trial, runs))]


def _look(name: str, trial: AnyTrial, runs: Path) -> Running | None:
    try:
        directory = trial_directory(runs, trial.id)
        if not is_locked(directory / "lock"):
            return None
        about, rows = read_running(directory), read_epochs(directory)
    except (OSError, RecordError):
        return None
    epochs = about.get("epochs") or (trial.epochs if isinstance(trial, ProgramTrial) else trial.recipe.epochs)
    new = len(rows) - about.get("begun_at", len(rows))
    return Running(name, trial, about, rows, epochs, _pace(directory, new), about.get("train_images"))


def _pace(directory: Path, epochs: int) -> float | None:
    """Seconds an epoch since the attempt began, by the times of two files: clocks of machines may differ."""
    try:
        begun, last = (os.lstat(directory / name).st_mtime for name in (RUNNING, "epochs.jsonl"))
    except FileNotFoundError:
        return None
    return (last - begun) / epochs if epochs > 0 and last > begun else None


def status_of_runs(
    named: Sequence[tuple[str, AnyTrial]],
    candidates: Sequence[tuple[str, AnyTrial]],
    runs: Path,
    decision: Decision,
    more: float = 0.0,
) -> dict[str, Any]:
    """What is being trained now and how long all will take at this pace, in the plain values that `status` prints.

    Args:
        named: The name of its variant or candidate, and each trial that the study asks for.
        candidates: The same of trainings that choose the values of a variant.
        runs: The runs directory.
        decision: The measure that is shown.
        more: How many trainings are left beside those that are named.
    """
    running, choosing = _find_running(named, runs), _find_running(candidates, runs)
    return {
        "running": [one.as_json(decision) for one in [*choosing, *running]],
        "seconds_left": None if candidates else _seconds_left(named, running, runs, more),
        "decided_by": {"name": decision.name, "axis": decision.axis, "unit": decision.unit},
    }


def _seconds_left(
    named: Sequence[tuple[str, AnyTrial]], running: Sequence[Running], runs: Path, more: float
) -> float | None:
    """Seconds until all trials have ended, at the pace of those that are running; None before one has a pace."""
    paced = [one for one in running if one.pace and one.epochs]
    if not paced:
        return None
    rate = sum(_cost(one.trial) / (one.pace * one.epochs) for one in paced if one.pace and one.epochs)
    rate *= len(running) / len(paced)
    shares = {one.trial.id: one.share for one in running}
    trials = {trial.id: trial for _, trial in named}
    open_ = (id for id in trials if state_or_damage(runs, id)[0] not in FINAL)
    left = sum(_cost(trials[id]) * (1 - shares.get(id, 0.0)) for id in open_)
    return (left + more * sum(_cost(one.trial) for one in running) / len(running)) / rate


def _cost(trial: AnyTrial) -> float:
    """How long a training takes, in any unit; all runs of a program alike."""
    return 1.0 if isinstance(trial, ProgramTrial) else training_cost(trial)

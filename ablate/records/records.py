"""Records of trials: written during training, read by all later stages.

A trial that holds out images is evaluated on them after each epoch. In its files the fields that begin with test_ in a
record that is read therefore begin with validation_. If it also evaluates the test images, once, after its last epoch, the
fields of that begin with test_ in result.json, and with final_test_ in a record that is read. The names are changed only
here and in attempts.py and epochs.py, when files are written and read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ablate.errors import DamagedRecord, RecordError
from ablate.files import content_id, hold_lock, is_locked, read_file, real_directory
from ablate.records.adopted import adopted_from
from ablate.records.epochs import Row, measured_on, parse_epochs, read_epoch_lines, read_epochs
from ablate.records.former import former_ids
from ablate.records.result import OWN, TEST, VALIDATION, check_result, renamed
from ablate.records.sealed import HASH, find_sealed

RecordState = Literal["recorded", "diverged", "failed", "running", "interrupted", "missing"]
# The images that a trial is evaluated on; "": those that a program chooses, whose measures have names of their own.
Split = Literal["test", "validation", ""]
PREFIX: dict[Split, str] = {"test": TEST, "validation": VALIDATION, "": OWN}  # of measured fields on disk, by split
FINAL: tuple[RecordState, ...] = ("recorded", "diverged")  # states after which a trial is not trained again
# Fields of a program's result.json that are no measures.
PROGRAM_FIELDS = ("status", "epochs", "seconds", "provenance", "earlier_attempts")
TRIAL = "trial"  # field of result.json: the trial's id; results of earlier versions have none
EPOCHS_HASH = "epochs_sha256"  # field of result.json: the hash of epochs.jsonl
IMPORTED = "imported"  # the directory of imported trainings, whose ids are of another kind
FILES = "program"  # the directory of a program's own files, in that of its trial


@dataclass(frozen=True)
class Record:
    """The record of a trial.

    Args:
        id: The trial's id.
        runs: The runs directory.
        result: The fields of result.json; those of the evaluation begin with `test_`, whatever the split, and those of the
            one evaluation of the test images of a trial that holds out images with `final_test_`.
        split: The images that the trial was evaluated on: test images, or held-out images ("validation"); "" for the trial
            of a program.
        epochs_sha256: The hash of epochs.jsonl when the result was written; None in a record of an earlier version.
    """

    id: str
    runs: Path
    result: dict[str, Any]
    split: Split = "test"
    epochs_sha256: str | None = None

    @property
    def directory(self) -> Path:
        """The record's directory."""
        return trial_directory(self.runs, self.id)

    @property
    def diverged(self) -> bool:
        """Whether the training diverged."""
        return bool(self.result["status"] == "diverged")

    @property
    def state(self) -> RecordState:
        """The state of the trial: "recorded", or "diverged" if the training diverged."""
        return "diverged" if self.diverged else "recorded"

    @property
    def eval_error(self) -> float | None:
        """The error on the images of the split at the last epoch, in percent; None if the trial diverged."""
        error = self.result.get("test_error")
        return None if self.diverged or error is None else float(error)

    def value(
        self, column: str, worst: float, epoch_rule: Literal["last", "best"] = "last", maximized: bool = False
    ) -> float:
        """A measure of the trial, for medians and ranks.

        Args:
            column: The name of the measure in `result` and in the epochs, such as "test_error".
            worst: The value of a trial that diverged.
            epoch_rule: "last" for the value of the last epoch, "best" for the best of all epochs.
            maximized: Whether the highest value is the best.

        Raises:
            RecordError: The record does not have the measure, or epochs are missing.
        """
        if self.diverged:
            return worst
        if epoch_rule == "best":
            found = [float(row[column]) for row in self.epochs() if row.get(column) is not None]
            if found:
                return max(found) if maximized else min(found)
            raise RecordError(f"{self.directory}: has no {column} of each epoch; use epoch_rule: last, or train it again")
        if self.result.get(column) is None:
            raise RecordError(f"{self.directory}: has no {column}; run again: it is measured with the last checkpoint")
        return float(self.result[column])

    def epochs(self) -> list[Row]:
        """Every epoch, a row of EPOCH_FIELDS each.

        Raises:
            RecordError: epochs.jsonl is not the one that was recorded, or epochs are missing.
        """
        rows = parse_epochs(self.epoch_lines(), PREFIX[self.split])
        self.check_epochs(len(rows))
        return rows

    def epoch_lines(self) -> bytes:
        """The bytes of epochs.jsonl.

        Raises:
            RecordError: They are not those that were recorded.
        """
        lines = read_epoch_lines(self.directory)
        if self.epochs_sha256 not in (None, hashlib.sha256(lines).hexdigest()):
            raise self._lost()
        return lines

    def check(self) -> None:
        """Check that epochs.jsonl is that of the result: its hash, the number of epochs, the error of the last one.

        Raises:
            RecordError: It is not.
        """
        lines = self.epoch_lines()
        self.check_epochs(lines.count(b"\n"))
        if lines and not self.diverged:
            rows = parse_epochs(lines[lines.rfind(b"\n", 0, -1) + 1 :], PREFIX[self.split], first=None)
            if not rows or any(rows[0][key] != self.result.get(key) for key in self._decisive if key in rows[0]):
                raise self._lost()

    @property
    def _decisive(self) -> tuple[str, ...]:
        """The measures in the result that are those of the last epoch."""
        if not self.split:
            return tuple(self.measures)
        return ("test_error",) if "test_error" in self.result else ("test_loss",)  # of another task than classification

    @property
    def measures(self) -> dict[str, Any]:
        """The last value of each measure of a program's trial, by its name."""
        return {key: value for key, value in self.result.items() if key not in PROGRAM_FIELDS}

    def check_epochs(self, found: int) -> None:
        """Check the number of epochs that were read.

        Args:
            found: How many epochs were read.

        Raises:
            RecordError: The result has another number.
        """
        if found != self.result.get("epochs", found):
            raise self._lost()

    def _lost(self) -> DamagedRecord:
        """The error for an epochs.jsonl that is not the recorded one."""
        return DamagedRecord(
            f"{self.directory}: damaged, its epochs.jsonl is not that of its result.json; remove it and run again"
        )


def trial_directory(runs: Path, trial_id: str) -> Path:
    """The directory of a trial's record, which may not exist yet.

    Args:
        runs: The runs directory.
        trial_id: 16 hexadecimal digits.

    Raises:
        RecordError: Something else is in its place, such as a link to a directory.
    """
    return real_directory(runs / trial_id)


def read_record(runs: Path, trial_id: str, split: Split | None = None) -> Record | None:
    """The record of a trial; None if the trial is not recorded.

    What every reader relies on is checked here: the result is the one that was written, it is this trial's, and the epochs
    are its epochs. A result of an earlier version does not say whose it is; then trial.json must be this trial's. Without a
    result of its own, a trial has the record of the trial of earlier code that `ablate adopt` found to be equal, or that of
    the same trial under an id of an earlier version.

    Args:
        runs: The runs directory.
        trial_id: 16 hexadecimal digits.
        split: The images that the trial is evaluated on; None: as its trial.json says.

    Raises:
        RecordError: The record is damaged, or it is another trial's.
    """
    if record := own_record(runs, trial_id, split):
        return record
    earlier = adopted_from(runs, trial_id)
    others = ([earlier] if earlier else []) + list(former_ids(runs, trial_id))
    return next(filter(None, (own_record(runs, other, split) for other in others)), None)


def own_record(runs: Path, trial_id: str, split: Split | None = None) -> Record | None:
    """As read_record(), without records of earlier code.

    Args:
        runs: The runs directory.
        trial_id: 16 hexadecimal digits.
        split: The images that the trial is evaluated on; None: as its trial.json says.

    Raises:
        RecordError: The record is damaged, or it is another trial's.
    """
    directory = trial_directory(runs, trial_id)
    path = directory / "result.json"
    # A result of an earlier version has no hash.
    result = find_sealed(path, lambda fields: HASH in fields or EPOCHS_HASH in fields)
    if result is None:
        return None
    names_its_trial = TRIAL in result  # not in results of earlier versions
    if (owner := result.pop(TRIAL, trial_id)) != trial_id:
        raise DamagedRecord(f"{path}: is the result of trial {owner}, not of this one; remove it and run again")
    if not names_its_trial and (owner := _defined(directory)) != trial_id:
        raise RecordError(f"{directory / 'trial.json'}: damaged or of another trial ({owner}); remove it and run again")
    epochs_sha256 = result.pop(EPOCHS_HASH, None)
    if split is None:
        split = {prefix: name for name, prefix in PREFIX.items()}[measured_on(directory)]
    measured = PREFIX[split]
    if problem := check_result(result, measured):
        raise DamagedRecord(f"{path}: {problem}")
    record = Record(trial_id, runs, renamed(result, measured, TEST), split, epochs_sha256)
    record.check()
    return record


def _defined(directory: Path) -> str:
    """The id of the trial that trial.json defines; the directory's name if there is no trial.json, or of an import."""
    with suppress(FileNotFoundError):
        if directory.parent.name != IMPORTED:
            return content_id(read_file(directory / "trial.json"))
    return directory.name


def recover_record(runs: Path, trial_id: str, announce: Callable[[str], None]) -> Record | None:
    """The record of a trial; None if the trial is not recorded. For a caller that can train the trial.

    The result.json of a damaged record is renamed and announced. The trial then goes on from its last checkpoint.

    Args:
        runs: The runs directory.
        trial_id: 16 hexadecimal digits.
        announce: Called with one line, such as print.

    Raises:
        RecordError: A file of the record cannot be read, or something else is in its place or the directory's.
    """
    directory = trial_directory(runs, trial_id)
    try:
        return read_record(runs, trial_id)
    except DamagedRecord:
        directory.mkdir(exist_ok=True)
        with hold_lock(directory / "lock") as free:
            if not free:
                return None
            try:
                return read_record(runs, trial_id)  # another run may have written it again
            except DamagedRecord as error:
                if not os.path.lexists(directory / "result.json"):  # the record of earlier code is the damaged one
                    announce(f"{str(error).split(';')[0]}; it does not count for {trial_id}, which is trained")
                    return None
                os.replace(directory / "result.json", directory / "result.json.damaged")
                announce(f"{str(error).split(';')[0]}; put aside, going on from the trial's last checkpoint")
        return None


def trial_state(runs: Path, trial_id: str) -> RecordState:
    """The state of a trial. "recorded" and "diverged" are final; "failed" and "interrupted" trials go on in the next run.

    Args:
        runs: The runs directory.
        trial_id: 16 hexadecimal digits.

    Raises:
        RecordError: result.json is damaged.
    """
    directory = trial_directory(runs, trial_id)
    if record := read_record(runs, trial_id):
        return record.state
    if not directory.is_dir():
        return "missing"
    if is_locked(directory / "lock"):
        return "running"
    if (directory / "failure.json").exists():
        return "failed"
    return "interrupted" if read_epochs(directory) else "missing"


def state_or_damage(runs: Path, trial_id: str) -> tuple[RecordState | Literal["damaged"], str]:
    """The state of a trial and ""; "damaged" and what is wrong if it cannot be read.

    Args:
        runs: The runs directory.
        trial_id: 16 hexadecimal digits.
    """
    try:
        return trial_state(runs, trial_id), ""
    except RecordError as error:
        return "damaged", str(error)


def state_reader(runs: Path) -> Callable[[str], RecordState]:
    """trial_state() for many trials: the directories that there are now are listed once.

    Args:
        runs: The runs directory.
    """
    try:
        names = {*os.listdir(runs)}
    except OSError:
        names = set()

    def state(trial_id: str) -> RecordState:
        if trial_id not in names and not adopted_from(runs, trial_id) and not former_ids(runs, trial_id):
            return "missing"
        return trial_state(runs, trial_id)

    return state

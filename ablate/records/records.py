"""Records of trials: written during training, read by all later stages.

A trial that holds out images is evaluated on them after each epoch. In its files the fields that begin with test_ in a
record that is read therefore begin with validation_. If it also evaluates the test images, once, after its last epoch, the
fields of that begin with test_ in result.json, and with final_test_ in a record that is read. The names are changed only
here and in epochs.py, when files are written and read.
"""

from __future__ import annotations

import hashlib
import math
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import orjson

from ablate.errors import DamagedRecord, RecordError, printable
from ablate.files import (
    CHUNK,
    content_id,
    hold_lock,
    is_locked,
    read_file,
    real_directory,
    remove_leftovers,
    write_atomically,
)
from ablate.records.adopted import adopted_from
from ablate.records.epochs import Row, measured_on, parse_epochs, read_epoch_lines, read_epochs
from ablate.records.former import former_ids
from ablate.records.result import OWN, TEST, VALIDATION, check_result, renamed

RecordState = Literal["recorded", "diverged", "failed", "running", "interrupted", "missing"]
# The images that a trial is evaluated on; "": those that a program chooses, whose measures have names of their own.
Split = Literal["test", "validation", ""]
PREFIX: dict[Split, str] = {"test": TEST, "validation": VALIDATION, "": OWN}  # of measured fields on disk, by split

FINAL: tuple[RecordState, ...] = ("recorded", "diverged")  # states after which a trial is not trained again
# Fields of a program's result.json that are no measures.
PROGRAM_FIELDS = ("status", "epochs", "seconds", "provenance", "earlier_attempts")
TRIAL = "trial"  # field of result.json: the trial's id; results of earlier versions have none
HASH, EPOCHS_HASH = "sha256", "epochs_sha256"  # fields of result.json: hashes of all before it, and of epochs.jsonl
RUNNING = "running.json"  # in the directory of a trial that is being trained; no other file names a machine
NOTED: dict[str, type] = {
    "machine": str,  # its name
    "started": str,  # the time in ISO 8601
    "device": str,
    "begun_at": int,  # epochs that earlier attempts had trained
    "epochs": int,  # that the trial is to have
    "train_images": int,  # of an epoch
}
IMPORTED = "imported"  # the directory of imported trainings, whose ids are of another kind
LOCK_SECONDS = 0.5  # to wait for a trial's lock, which `ablate status` holds for a moment when it tests it
FILES = "program"  # the directory of a program's own files, in that of its trial
JSON_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
_HASH, _END = b',\n  "%s": ' % HASH.encode(), b"\n}\n"


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

    def error(self) -> float:
        """The error on the images of the split at the last epoch, in percent; infinite if the trial diverged."""
        return self.value("test_error", math.inf)

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


def open_trial(directory: Path, definition: bytes) -> None:
    """Create the trial's directory and its trial.json. A damaged trial.json is written again.

    Args:
        directory: Of trial_directory().
        definition: The bytes of trial.json.

    Raises:
        RecordError: The directory holds another trial.
        OSError: A file cannot be read or written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "trial.json"
    try:
        found = read_file(path)
    except FileNotFoundError:
        found = None
    if found == definition:
        return
    if found is not None:
        if content_id(found) == directory.name or content_id(definition) != directory.name:
            raise RecordError(f"{path}: defines another trial than its directory's name says; move the directory away")
        print(f"{path.name} is damaged; written again")
    write_atomically(path, definition)


@contextmanager
def hold_attempt(runs: Path, trial_id: str, definition: bytes) -> Iterator[str]:
    """A context manager that begins an attempt at a trial and holds the trial's lock.

    It gives "", or why there is no attempt: "busy" (another process trains the trial) or "recorded".

    Args:
        runs: The runs directory.
        trial_id: 16 hexadecimal digits.
        definition: The bytes of trial.json.

    Raises:
        RecordError: The directory holds another trial, or the record is damaged.
        OSError: A file cannot be read or written.
    """
    directory = trial_directory(runs, trial_id)
    open_trial(directory, definition)
    with hold_lock(directory / "lock", LOCK_SECONDS) as free:
        why = "" if free else "busy"
        if free and read_record(runs, trial_id):
            why = "recorded"
        if why:
            yield why
            return
        begin_attempt(directory)
        note_running(directory, machine=platform.node(), started=utc_now(), begun_at=len(read_epochs(directory)))
        try:
            yield ""
        finally:
            (directory / RUNNING).unlink(missing_ok=True)


def note_running(directory: Path, **facts: Any) -> None:
    """Add to running.json, which says where and from when a trial is trained. Without a lock there is no such file.

    Args:
        directory: The trial's directory. The caller holds the trial's lock, or works for a process that does.
        facts: Of NOTED, by name.

    Raises:
        OSError: The file cannot be written.
    """
    if is_locked(directory / "lock"):
        write_atomically(directory / RUNNING, orjson.dumps({**read_running(directory), **facts}, option=JSON_OPTIONS))


def read_running(directory: Path) -> dict[str, Any]:
    """What running.json says, as far as it is valid; {} if there is no such file.

    Args:
        directory: The trial's directory.
    """
    try:
        found = orjson.loads(read_file(directory / RUNNING, CHUNK))
        return {key: found[key] for key, kind in NOTED.items() if type(found.get(key)) is kind}
    except (OSError, RecordError, orjson.JSONDecodeError, AttributeError):
        return {}


def utc_now() -> str:
    """The time in UTC, in ISO 8601 to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def begin_attempt(directory: Path) -> None:
    """Remove the files of an earlier attempt: its failure.json and temporary files. The caller holds the trial's lock.

    Args:
        directory: The trial's directory.
    """
    remove_leftovers(directory)
    (directory / "failure.json").unlink(missing_ok=True)


def write_result(directory: Path, result: Mapping[str, Any]) -> None:
    """Write result.json, with the trial's id, its SHA-256 and that of epochs.jsonl. The trial is then never trained again.

    Args:
        directory: The trial's directory.
        result: The fields of result.json; those of the evaluation begin with `test_`.

    Raises:
        OSError: The file cannot be written.
    """
    fields = renamed(result, TEST, measured_on(directory))
    data = result_bytes(directory.name, fields, read_epoch_lines(directory))
    write_atomically(directory / "result.json", data)
    (directory / "failure.json").unlink(missing_ok=True)


def write_failure(directory: Path, cause: str, attempts: int) -> None:
    """Write failure.json: why a trial has no result. The next run tries the trial again.

    Args:
        directory: The trial's directory; it is created if it does not exist.
        cause: In words.
        attempts: How many attempts have failed.

    Raises:
        OSError: The file cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    failure = {"cause": cause, "attempts": attempts}
    write_atomically(directory / "failure.json", orjson.dumps(failure, option=JSON_OPTIONS))


def read_failure(directory: Path) -> str | None:
    """The cause of the last attempt's failure; None if it did not fail.

    Args:
        directory: The trial's directory.
    """
    try:
        failure = orjson.loads(read_file(f"{directory}/failure.json"))
        return printable(str(failure["cause"]))
    except FileNotFoundError:
        return None
    except (OSError, RecordError, orjson.JSONDecodeError, KeyError, TypeError):
        return "unknown, its failure.json is damaged"


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
    result = _read_result(path)
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


def _read_result(path: Path, sealed: bool = False) -> dict[str, Any] | None:
    """The fields of a result.json without its hash; None if there is no such file. Raises RecordError if it is damaged."""
    try:
        data = read_file(path)
        value = orjson.loads(data)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error}); try again") from None
    except orjson.JSONDecodeError as error:
        raise DamagedRecord(f"{path}: cannot be read ({error}); remove it and run again") from None
    if not isinstance(value, dict):
        raise DamagedRecord(f"{path}: not a JSON object; remove it and run again")
    # A result of an earlier version has no hash.
    if (sealed or HASH in value or EPOCHS_HASH in value) and data != _sealed(data[: data.rfind(_HASH)]):
        raise DamagedRecord(f"{path}: damaged, its {HASH} is not that of its content; remove it and run again")
    value.pop(HASH, None)
    return value


def result_bytes(trial_id: str, fields: Mapping[str, Any], epoch_lines: bytes) -> bytes:
    """The bytes of result.json.

    Args:
        trial_id: 16 hexadecimal digits.
        fields: The fields under their names in the file.
        epoch_lines: The bytes of epochs.jsonl.
    """
    return sealed_bytes({TRIAL: trial_id, **fields, EPOCHS_HASH: hashlib.sha256(epoch_lines).hexdigest()})


def sealed_bytes(fields: Mapping[str, Any]) -> bytes:
    """The bytes of a file whose last field is the SHA-256 of all before it.

    Args:
        fields: Plain values.
    """
    return _sealed(orjson.dumps(fields, option=JSON_OPTIONS).removesuffix(_END))


def read_sealed(path: Path) -> dict[str, Any]:
    """The fields of a file of sealed_bytes(), without the hash.

    Args:
        path: Of the file.

    Raises:
        RecordError: The file is missing or damaged.
    """
    value = _read_result(path, sealed=True)
    if value is None:
        raise RecordError(f"{path}: is missing; run again")
    return value


def _sealed(head: bytes) -> bytes:
    """The bytes of a result: `head` and the last line, which holds the SHA-256 of `head`."""
    return b'%s%s"%s"%s' % (head, _HASH, hashlib.sha256(head).hexdigest().encode(), _END)

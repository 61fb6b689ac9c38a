"""What an attempt at a trial writes into the trial's directory: its definition, where it runs, its result or its failure.

The names of measured fields in a file are those of epochs.py; see records.py.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson

from ablate.errors import RecordError, printable
from ablate.files import CHUNK, content_id, hold_lock, is_locked, read_file, remove_leftovers, write_atomically
from ablate.records.epochs import measured_on, read_epoch_lines, read_epochs
from ablate.records.records import EPOCHS_HASH, TRIAL, read_record, trial_directory
from ablate.records.result import TEST, renamed
from ablate.records.sealed import JSON_OPTIONS, sealed_bytes

LOCK_SECONDS = 0.5  # to wait for a trial's lock, which `ablate status` holds for a moment when it tests it
RUNNING = "running.json"  # in the directory of a trial that is being trained; no other file names a machine
NOTED: dict[str, type] = {
    "machine": str,  # its name
    "started": str,  # the time in ISO 8601
    "device": str,
    "begun_at": int,  # epochs that earlier attempts had trained
    "epochs": int,  # that the trial is to have
    "train_images": int,  # of an epoch
}


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


def begin_attempt(directory: Path) -> None:
    """Remove the files of an earlier attempt: its failure.json and temporary files. The caller holds the trial's lock.

    Args:
        directory: The trial's directory.
    """
    remove_leftovers(directory)
    (directory / "failure.json").unlink(missing_ok=True)


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


def result_bytes(trial_id: str, fields: Mapping[str, Any], epoch_lines: bytes) -> bytes:
    """The bytes of result.json.

    Args:
        trial_id: 16 hexadecimal digits.
        fields: The fields under their names in the file.
        epoch_lines: The bytes of epochs.jsonl.
    """
    return sealed_bytes({TRIAL: trial_id, **fields, EPOCHS_HASH: hashlib.sha256(epoch_lines).hexdigest()})


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

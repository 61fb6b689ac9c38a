"""epochs.jsonl: a line for each epoch of a trial, appended while it is trained, and read again.

The fields that begin with test_ in a row begin with validation_ in the file of a trial that holds out images.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from ablate.files import append_durably, read_file, write_atomically
from ablate.records.result import OWN, TEST, VALIDATION, renamed

Row = dict[str, Any]

EPOCH_FIELDS = ("epoch", "lr", "train_loss", "train_error", "test_loss", "test_error", "train_seconds", "test_seconds")
EPOCH_KINDS = {int, float, bool, type(None)}  # the types of an epoch's values


def measured_on(directory: Path) -> str:
    """The prefix of measured fields on disk: VALIDATION if the trial holds out training images, OWN if it is a program's.

    Args:
        directory: The trial's directory. Without a readable trial.json the answer is TEST.

    Raises:
        RecordError: trial.json is not a regular file.
    """
    try:
        definition = read_file(f"{directory}/trial.json")
        if not any(name in definition for name in (b"held_out", b'"program"', b"\\")):  # an escape may hide a name
            return TEST  # fast, for most trials
        fields = orjson.loads(definition)
        if "program" in fields:
            return OWN
        held_out = "held_out" in fields["data"]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        held_out = False
    return VALIDATION if held_out else TEST


_NEEDED = {kind: frozenset(renamed(dict.fromkeys(EPOCH_FIELDS), TEST, kind)) for kind in (TEST, VALIDATION)}
_ERRORS = frozenset(f"{prefix}error" for prefix in ("train_", TEST, VALIDATION))
_NO_MEASURE = ("loss", "seconds")  # what follows the prefix of an evaluation and is no measure
_NEEDED[OWN] = frozenset(("epoch", "seconds"))


def append_epoch(directory: Path, row: Row) -> None:
    """Append an epoch to epochs.jsonl. A loss that is not finite is written as null.

    Args:
        directory: The trial's directory.
        row: The values of EPOCH_FIELDS by name, and of other measures.

    Raises:
        OSError: The file cannot be written.
    """
    append_durably(directory / "epochs.jsonl", orjson.dumps(renamed(row, TEST, measured_on(directory))) + b"\n")


def read_epochs(directory: Path) -> list[Row]:
    """The epochs 1, 2, ... in order, up to the first line that is torn, damaged or out of order.

    Args:
        directory: The trial's directory.

    Raises:
        RecordError: epochs.jsonl is not a regular file or is too large.
        OSError: It cannot be read.
    """
    lines = read_epoch_lines(directory)
    return parse_epochs(lines, measured_on(directory)) if lines else []


def read_epoch_lines(directory: Path) -> bytes:
    """The bytes of epochs.jsonl; b"" if there is no such file.

    Args:
        directory: The trial's directory.

    Raises:
        RecordError: epochs.jsonl is not a regular file or is too large.
        OSError: It cannot be read.
    """
    try:
        return read_file(f"{directory}/epochs.jsonl")
    except FileNotFoundError:
        return b""


def parse_epochs(lines: bytes, measured: str, first: int | None = 1) -> list[Row]:
    """The epochs of the lines of epochs.jsonl, up to the first line that is torn, damaged or out of order.

    Args:
        lines: The bytes of the file.
        measured: The prefix of measured fields in these lines: TEST, VALIDATION or OWN. In the rows it is TEST or OWN.
        first: The number of the first epoch; None: any, for a single line. A program numbers its epochs itself: each number
            is larger than the one before.
    """
    needed = _NEEDED[measured]
    rows: list[Row] = []
    for line in lines.split(b"\n")[:-1]:  # what follows the last newline is torn or empty
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            break
        if not isinstance(row, dict) or not (needed <= row.keys() or _of_other_task(row, needed, measured)):
            break
        if first and not (_follows(row, rows) if measured == OWN else row.get("epoch") == len(rows) + first):
            break
        if not EPOCH_KINDS.issuperset(map(type, row.values())):
            break
        rows.append(row if measured == TEST else renamed(row, measured, TEST))
    return rows


def _of_other_task(row: Row, needed: frozenset[str], measured: str) -> bool:
    """Whether a row has all but the errors, which are of classification alone, and another measure in their place."""
    if measured == OWN or not needed - _ERRORS <= row.keys() or not _ERRORS.isdisjoint(row):
        return False
    return any(key.startswith(measured) and key.removeprefix(measured) not in _NO_MEASURE for key in row)


def _follows(row: Row, rows: list[Row]) -> bool:
    """Whether the number of a program's epoch is larger than that of the epoch before."""
    return type(row["epoch"]) is int and row["epoch"] > (rows[-1]["epoch"] if rows else -1)


def write_epochs(directory: Path, rows: list[Row]) -> None:
    """Write epochs.jsonl with exactly these epochs. A torn line, and epochs that will be trained again, are removed.

    Args:
        directory: The trial's directory.
        rows: The epochs 1, 2, ... in order.

    Raises:
        OSError: The file cannot be read or written.
    """
    path = directory / "epochs.jsonl"
    measured = measured_on(directory)
    data = b"".join(orjson.dumps(renamed(row, TEST, measured)) + b"\n" for row in rows)
    if read_epoch_lines(directory) != data:
        write_atomically(path, data)

"""The rows that a program reports: the lines of its output, read as rows, which become the epochs of its trial."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from ablate.errors import RunError, describe, printable
from ablate.own_code import LARGEST
from ablate.records.epochs import Row, append_epoch, read_epochs, write_epochs
from ablate.study.program import RESERVED

LONGEST_LINE = 1 << 20  # bytes; a longer line is split
MOST_ROWS = 200_000  # of a trial
MOST_MEASURES = 1000


@dataclass
class Lines:
    """Bytes that become lines."""

    left: bytes = b""

    def take(self, data: bytes) -> Iterator[bytes]:
        """Add bytes and yield the lines that are complete, without their ends.

        Args:
            data: What follows the bytes before.
        """
        *whole, self.left = (self.left + data).split(b"\n")
        yield from whole
        if len(self.left) > LONGEST_LINE:
            yield self.left
            self.left = b""

    def rest(self) -> Iterator[bytes]:
        """Yield what follows the last line end, if anything."""
        left, self.left = self.left, b""
        if left:
            yield left


def read_row(line: bytes, known: frozenset[str]) -> dict[str, Any] | None:
    """The row of a line: a JSON object that has one of the known names; None for any other line.

    Args:
        line: Of the output, without its end.
        known: The measures of the study, and "epoch".
    """
    text = line.strip().rpartition(b"\r")[2].strip()
    if not (text.startswith(b"{") and text.endswith(b"}")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and not known.isdisjoint(value) else None


class Rows:
    """The epochs of a trial as its program reports them, kept on disk at once.

    A row that has the number of an earlier epoch replaces it and all after it: the program trains from there again. A row
    without a number goes on with the present epoch until it repeats one of its measures; then it begins the next one.
    Standard output and the file of metrics are read side by side, so that one may be ahead: neither replaces what the other
    has told in this attempt.

    Args:
        directory: The trial's directory.
        wanted: The measures of the study.
    """

    def __init__(self, directory: Path, wanted: Iterable[str] = ()) -> None:
        self.directory, self.wanted = directory, frozenset(wanted)
        self.rows = read_epochs(directory)
        self.refused: dict[str, str] = {}  # what the program reported instead of a number, by name
        self.begin()
        write_epochs(directory, self.rows)

    def begin(self) -> None:
        """Begin an attempt: nothing is told yet."""
        self.present: int | None = None  # the epoch that was told last
        self.reached: dict[bool, int] = {}  # the same of each source
        self.told: dict[int, dict[str, bool]] = {}  # by epoch: the measures that are told, and their source
        self.since = time.monotonic()

    def add(self, reported: Mapping[str, Any], of_file: bool = False) -> bool:
        """Add a reported row and return whether it changed what is kept.

        Args:
            reported: A JSON object with `epoch` or a measure.
            of_file: Whether it is of the file of metrics, not of standard output.

        Raises:
            RunError: Its epoch is not a whole number, or there are too many rows.
        """
        values = {name: number for name, value in reported.items() if (number := _number(name, value)) is not _NO_NUMBER}
        for name in self.wanted & reported.keys() - values.keys():
            self.refused[name] = describe(reported[name])
        if not values:
            return False
        if "epoch" in reported:
            epoch = _whole(reported["epoch"])
        else:
            epoch = 1 if self.present is None else self.present + bool(self.told[self.present].keys() & values.keys())
        if epoch < self.reached.get(of_file, 0):
            for number, known in self.told.items():
                if number >= epoch:
                    self.told[number] = {name: source for name, source in known.items() if source != of_file}
        self.present = self.reached[of_file] = epoch
        told, passed = self.told.setdefault(epoch, {}), self._passed()
        new = not self.rows or epoch > self.rows[-1]["epoch"]
        old = {} if new else next((row for row in reversed(self.rows) if row["epoch"] == epoch), {})
        before = told.copy()
        told |= dict.fromkeys(values, of_file)
        if before:
            values = {**{name: old[name] for name in old if name in before}, **values}
            passed += old["seconds"]
        if old and all(name in old and old[name] == value for name, value in values.items()):
            return False  # told again after a break
        kept = self.rows if new else [row for row in self.rows if row["epoch"] < epoch]
        if len(kept) >= MOST_ROWS or len(values) > MOST_MEASURES:
            raise RunError(f"more than {MOST_ROWS:,} rows or {MOST_MEASURES:,} measures; report once an epoch")
        row: Row = {"epoch": epoch, **values, "seconds": round(passed, 6)}
        kept.append(row)
        for later in () if new else self.rows:
            if later["epoch"] > epoch and (names := self.told.get(later["epoch"])):
                kept.append({name: later[name] for name in later if name in names or name in ("epoch", "seconds")})
        self.rows = kept
        if new:
            append_epoch(self.directory, row)
        else:
            write_epochs(self.directory, kept)
        return True

    def end(self) -> None:
        """Remove the epochs after the last one that the attempt reported: the program has trained fewer this time."""
        last = max(self.reached.values(), default=None)
        if last is not None and self.rows[-1]["epoch"] > last:
            self.rows = [row for row in self.rows if row["epoch"] <= last]
            write_epochs(self.directory, self.rows)

    def last(self) -> dict[str, Any]:
        """The last value of each measure."""
        return {key: value for row in self.rows for key, value in row.items() if key not in ("epoch", "seconds")}

    def _passed(self) -> float:
        """Seconds since the last call."""
        before, self.since = self.since, time.monotonic()
        return self.since - before


_NO_NUMBER = object()


def _number(name: str, value: Any) -> Any:
    """A measure's value as records keep it: None where it is not finite or too large; _NO_NUMBER for what is no measure."""
    if name in RESERVED or len(name) > 100 or printable(name) != name:
        return _NO_NUMBER
    if isinstance(value, bool) or not isinstance(value, (int, float, NoneType)):
        return _NO_NUMBER
    if value is None or not abs(value) <= LARGEST:
        return None
    return value if isinstance(value, float) or abs(value) < 2**63 else float(value)


def _whole(epoch: Any) -> int:
    """The number of an epoch. Raises RunError for anything else."""
    number = isinstance(epoch, (int, float)) and not isinstance(epoch, bool)
    if not number or not 0 <= epoch < 2**53 or epoch != int(epoch):
        raise RunError(f"the program reported the epoch {describe(epoch)}; allowed: a whole number from 0")
    return int(epoch)

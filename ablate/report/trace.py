"""Finds the trials behind a cell of a written table. It reads only table.csv and the trials.csv beside it."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.errors import RecordError, allowed
from ablate.files import read_file
from ablate.report.numbers import format_of
from ablate.report.verdicts import COMPARED_COLUMNS

TRIALS = "trials"  # the column of table.csv with the ids
SHOWN = (
    "id", "candidate", "fold", "seed", "state", "*", "epoch_rule", "revision", "ablate",
    "python", "torch", "device", "threads",
    "train_seconds", "test_seconds", "started", "finished",
)  # fmt: skip
MEASURE = "*"  # in SHOWN: the measure that the study or search decides by
MEDIAN = "median_"  # the name of a column with the median of a measure begins so
COUNTED = ("blocks_per_group", "parameters", "multiply_adds", "activations")
PUBLISHED = ("published", "published_source", "protocol_differs", "not_run")
COMPARED = ("baseline", "difference", "p_floor", "p_holm", *COMPARED_COLUMNS)  # also of earlier reports
NUMBERS = {
    "candidate": int, "fold": int, "seed": int, "threads": int, "train_seconds": float, "test_seconds": float,
}  # fmt: skip
SELECTED = {"min": "the minimum", "max": "the maximum"}

CsvRow = dict[str, str]


@dataclass(frozen=True)
class Trace:
    """The origin of the value of a cell.

    Args:
        table: The path of table.csv.
        row: The number of the row from 1, without the header.
        column: The name of the column.
        name: The label of the row, else the text in its first column; in the table of a search the candidate.
        rows: How many rows the table has.
        value: The text of the cell in table.csv.
        trials: The rows of trials.csv behind the row; the columns in SHOWN are shown as text.
        selected: The ids of the trials that the cell has its value from, such as those of a median.
        baseline_trials: The trials of the baseline, for a comparison.
        remarks: The origin of the value in words.
        measure: The column of trials.csv with the measure of the cell, or else the one that the study or search decides by.
    """

    table: str
    row: int
    column: str
    name: str
    value: str
    trials: list[CsvRow]
    selected: list[str]
    baseline_trials: list[CsvRow]
    remarks: list[str]
    measure: str
    rows: int

    def as_json(self) -> dict[str, Any]:
        """Plain values under stable names."""
        return {
            **{key: getattr(self, key) for key in ("table", "row", "column", "name", "value", "selected")},
            "trials": [_plain(row, self.measure) for row in self.trials],
            "baseline_trials": [_plain(row, self.measure) for row in self.baseline_trials],
            "remarks": self.remarks,
        }


def trace_cell(path: Path, cell: str) -> Trace:
    """The origin of the value of a cell.

    Args:
        path: The path of a report's table.csv.
        cell: "ROW,COL": each a number from 1, or the name of the row, which is its label, the text of its first column, or
            "candidate 12" in the table of a search; and the name of the column.

    Raises:
        RecordError: The cell does not exist, or the files are not those of a report.
    """
    columns, rows = read_csv(path)
    if TRIALS not in columns:
        raise RecordError(
            f"{path}: has no column '{TRIALS}'; allowed: the table.csv of a study with seeds, written by this version"
        )
    index, column = _find(path, cell, columns, rows)
    row, measure = rows[index], _measure_of(columns)
    shown = column.removeprefix(MEDIAN) if column.startswith(MEDIAN) else measure
    name, value = _name(columns, row), row[column]
    known = {} if column in PUBLISHED else _trials(path.with_name("trials.csv"), measure)
    trials = [] if column in PUBLISHED else _of_row(path, row[TRIALS], known)
    remarks: list[str] = []
    selected: list[str] = []
    baseline: list[CsvRow] = []
    if column in PUBLISHED or (column == "published_difference" and not trials):
        remarks = _published(row)
    elif column == "published_difference":
        median = f"{MEDIAN}{measure}"
        selected, remarks = _selected(row, median, row.get(median, ""), trials, measure)
        remarks += _published(row)
    elif column in SELECTED or column.startswith(MEDIAN):
        selected, remarks = _selected(row, column, value, trials, measure)
    elif column in COMPARED and row.get("baseline"):
        baseline = _of_row(path, row.get("baseline_trials", ""), known)
        remarks = [f"compared with {row['baseline']}: all {'trainings' if 'number' in row else 'seeds'} of both"]
    elif column in COUNTED:
        remarks = [f"{column} is counted from the network; no training changes it"]
    if column not in PUBLISHED and not trials:
        remarks.append("no trial is behind this row" + (f": {row['not_run']}" if row.get("not_run") else ""))
    return Trace(str(path), index + 1, column, name, value, trials, selected, baseline, remarks, shown, len(rows))


def _measure_of(columns: Sequence[str]) -> str:
    """The column of trials.csv with the measure that a study or search decides by."""
    return next((name.removeprefix(MEDIAN) for name in columns if name.startswith(MEDIAN)), "validation_error")


def read_csv(path: Path) -> tuple[list[str], list[CsvRow]]:
    """The columns and the rows of a CSV file of a report, as texts.

    Args:
        path: Of the file.

    Raises:
        RecordError: It is no CSV file.
        OSError: It cannot be read.
    """
    try:
        text = read_file(path).decode()
    except UnicodeDecodeError:
        raise RecordError(f"{path}: is no CSV file in UTF-8; allowed: the table.csv of a report") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    try:
        rows = [{key: value for key, value in row.items() if key is not None} for row in reader]
    except csv.Error as error:
        raise RecordError(f"{path}: is no CSV file ({error}); allowed: the table.csv of a report") from None
    return list(reader.fieldnames or ()), rows


def _find(path: Path, cell: str, columns: list[str], rows: list[CsvRow]) -> tuple[int, str]:
    """The index of the row and the name of the column. The name of a network may contain commas, a column's cannot."""
    row_text, comma, column_text = (part.strip().strip('"') for part in cell.rpartition(","))
    if not (comma and row_text and column_text):
        column = next((name for name in columns if name.startswith(MEDIAN)), columns[0])
        raise RecordError(f"`cell`: found '{cell}'; allowed: ROW,COL such as 1,{column}")
    names = [_name(columns, row) for row in rows]
    if row_text.isdecimal():
        index = int(row_text) - 1
        if not 0 <= index < len(rows):
            raise RecordError(f"`cell`: row: found {row_text}; allowed: 1 to {len(rows)}, as {path} has")
    else:
        found = [i for i, row in enumerate(rows) if row_text in (names[i], row[columns[0]])]
        if not found:
            raise RecordError(f"`cell`: row: found '{row_text}'; {allowed(row_text, dict.fromkeys(names))}")
        if len(found) > 1:
            numbers = " or ".join(str(i + 1) for i in found)
            raise RecordError(f"`cell`: row: found '{row_text}' {len(found)} times; allowed: {numbers}")
        index = found[0]
    if column_text in columns:
        return index, column_text
    if column_text.isdecimal():
        if not 1 <= int(column_text) <= len(columns):
            raise RecordError(f"`cell`: column: found {column_text}; allowed: 1 to {len(columns)}, as {path} has")
        return index, columns[int(column_text) - 1]
    raise RecordError(f"`cell`: column: found '{column_text}'; {allowed(column_text, columns)}")


def _name(columns: Sequence[str], row: CsvRow) -> str:
    """What a row is called."""
    return f"candidate {row['number']}" if "number" in columns else row.get("title") or row[columns[0]]


def _trials(path: Path, measure: str) -> dict[str, CsvRow]:
    """The rows of trials.csv by id."""
    columns, rows = read_csv(path)
    if "id" not in columns:
        raise RecordError(f"{path}: has no column 'id'; write the report again with `ablate report`")
    for row in rows:
        for column in (*NUMBERS, measure):
            try:
                float(row.get(column) or 0)
            except ValueError:
                raise RecordError(f"{path}: {column}: found '{row[column]}'; allowed: a number") from None
    return {row["id"]: row for row in rows}


def _of_row(path: Path, named: str, known: dict[str, CsvRow]) -> list[CsvRow]:
    """The trials with the ids that a cell names."""
    ids = named.split()
    if missing := [trial for trial in ids if trial not in known]:
        where = path.with_name("trials.csv")
        raise RecordError(f"{where}: has no trial {missing[0]}, which {path} names; write the report again")
    return [known[trial] for trial in ids]


def _selected(row: CsvRow, column: str, value: str, trials: Sequence[CsvRow], decided: str) -> tuple[list[str], list[str]]:
    """The ids of the trials that have the median, minimum or maximum of a measure, and a sentence that says so."""
    measure = column.removeprefix(MEDIAN) if column.startswith(MEDIAN) else decided
    if not trials or measure not in trials[0]:
        return [], []
    worst = -math.inf if row.get("goal") == "maximize" and measure == decided else math.inf

    def number(trial: CsvRow) -> float:
        return float(trial[measure]) if trial.get(measure) else worst

    write = format_of("%" if measure.endswith("error") else "").value
    ordered = sorted(trials, key=number)
    n = len(ordered)
    middle = [ordered[n // 2]] if n % 2 else ordered[n // 2 - 1 : n // 2 + 1]
    chosen = {"min": ordered[:1], "max": ordered[-1:]}.get(column, middle)
    what = SELECTED.get(column, "the median")
    ours = statistics.median(map(number, chosen))
    if not _same(ours, value):
        these = "errors" if measure.endswith("error") else "values"
        return [], [f"{what} of these {these} is {write(ours)}: one of the two files is older; write the report again"]
    names = " and ".join(f"{trial['id']} (seed {trial.get('seed')}, {write(number(trial))})" for trial in chosen)
    verb = "lies between" if len(chosen) == 2 else "is"
    return [trial["id"] for trial in chosen], [f"{what} of {n} {verb} {names}"]


def _same(ours: float, value: str) -> bool:
    """Whether a cell has this error. An empty cell means an infinite error."""
    try:
        return math.isclose(ours, float(value), abs_tol=1e-6) if value else math.isinf(ours)
    except ValueError:
        return False


def _published(row: CsvRow) -> list[str]:
    source = row.get("published_source")
    if not source:
        return ["no published value stands in this row"]
    lines = [f"published {row.get('published') or 'without a number'}: {source}"]
    lines += [f"protocol differs: {row['protocol_differs']}"] if row.get("protocol_differs") else []
    return lines + ([f"not run: {row['not_run']}"] if row.get("not_run") else [])


def shown_columns(measure: str) -> list[str]:
    """The columns of trials.csv that a trace shows.

    Args:
        measure: The column with the measure that the study or search decides by.
    """
    return [measure if column == MEASURE else column for column in SHOWN]


def _plain(row: CsvRow, measure: str) -> dict[str, Any]:
    """A row of trials.csv with numbers converted, and None for missing values."""
    values: dict[str, Any] = {column: row.get(column) or None for column in shown_columns(measure) if column in row}
    for column, kind in {**NUMBERS, measure: float}.items():
        if values.get(column) is not None:
            values[column] = kind(float(values[column]))
    return values

"""CSV."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from ablate.report.numbers import is_number
from ablate.report.table import Cell, Table

if TYPE_CHECKING:
    import pandas as pd


def to_csv(frame: pd.DataFrame) -> bytes:
    """CSV in UTF-8. A text that a spreadsheet would read as a formula gets an apostrophe in front.

    Args:
        frame: The data frame; its index is not written.
    """
    frame = frame.rename(columns=_no_formula)
    for column in frame.columns:
        values = frame[column].tolist()
        if any(_no_formula(value) != value for value in values if isinstance(value, str)):
            frame[column] = [_no_formula(value) if isinstance(value, str) else value for value in values]
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text.encode()


def table_csv(table: Table) -> str:
    """A table as CSV: a number as it is, without its format, and of other cells the text."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    group = ["Group"] if table.groups else []
    writer.writerow(map(_no_formula, [*group, *table.titles]))
    for title, rows in table.parts:
        of_group = [_no_formula(title)] if group else []
        writer.writerows([*of_group, *map(_plain, row)] for row in rows)
    return written.getvalue()


def _plain(cell: Cell) -> str:
    shown = re.fullmatch(r"[-+−]?[\d,.]+( [kMG])?", cell.text)  # a range is not the number that it is sorted by
    return str(cell.value) if is_number(cell.value) and shown else _no_formula(cell.text)


def _no_formula(text: str) -> str:
    number = re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not number else text

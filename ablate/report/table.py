"""Tables as plain values: a value and a text per cell, columns, footnotes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeVar

from ablate.report.numbers import DASH, MINUS

T = TypeVar("T")


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Args:
        value: The value that the cell is sorted by; None if there is no value.
        text: The text that is shown.
        mark: The mark of its footnotes, such as "a" or "a,b"; empty for none.
        bold: Whether the text is bold.
        trials: The ids of the trials that the value was computed from.
        underlined: Whether the text is underlined.
        shaded: Whether the text is on a shade.
    """

    value: Any
    text: str
    mark: str = ""
    bold: bool = False
    trials: tuple[str, ...] = ()
    underlined: bool = False
    shaded: bool = False


def words(text: str, mark: str = "") -> Cell:
    """A cell with its text as the value.

    Args:
        text: The text that is shown.
        mark: The mark of its footnote; empty for none.
    """
    return Cell(text, text, mark)


def number(
    value: T | None, write: Callable[[T], str] = str, mark: str = "", bold: bool = False, trials: tuple[str, ...] = ()
) -> Cell:
    """A cell with a value and its formatted text.

    Args:
        value: The value; None is shown as a dash.
        write: The number format, such as percent().
        mark: The mark of its footnote; empty for none.
        bold: Whether the text is bold.
        trials: The ids of the trials that the value was computed from.
    """
    return Cell(value, DASH if value is None else re.sub(r"^-(?=[\d.])", MINUS, write(value)), mark, bold, trials)


NO_VALUE = Cell(None, DASH)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        title: The header.
        numeric: Whether the column is aligned to the right and sorted by number.
        fold: When the column is not shown. "constant": where all its cells are equal; the caption then says their text.
            "stated": the same, for a text that the caption says already. "always": everywhere but on the page, which shows
            it on request. "never": for results.
    """

    title: str
    numeric: bool = True
    fold: Literal["constant", "stated", "always", "never"] = "constant"


class ShapedColumn(NamedTuple):
    """A column and the function that computes its cells.

    Args:
        key: Its name in `table.columns` of a study file.
        title: The header.
        cell: The cell of a row.
        numeric: Whether the column is aligned to the right and sorted by number.
        fold: When the column is not shown, as in Column.
        asked: Whether it is shown only where the author asks for it.
    """

    key: str
    title: str
    cell: Callable[[Any], Cell]
    numeric: bool = True
    fold: Literal["constant", "stated", "always", "never"] = "constant"
    asked: bool = False


@dataclass(frozen=True)
class Table:
    """A table of cells, such as one row per variant or candidate.

    Args:
        label: The name for references to the table.
        caption: The caption.
        columns: The columns.
        rows: The rows; each has one cell per column.
        notes: The footnotes, as pairs (mark, text).
        title: A few words on what the table shows; empty for the main table of a report.
        groups: The title of each group of rows and the number of its first row, from 0; empty without groups.
        folded: Whether a page shows the table on request only.
        details: What the columns mean and how they were computed, a sentence or more each; writers put them below.
    """

    label: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[tuple[str, str], ...] = ()
    title: str = ""
    groups: tuple[tuple[int, str], ...] = ()
    folded: bool = False
    details: tuple[str, ...] = ()

    @property
    def titles(self) -> list[str]:
        """The headers of the columns."""
        return [column.title for column in self.columns]

    @property
    def parts(self) -> list[tuple[str, tuple[tuple[Cell, ...], ...]]]:
        """The rows of each group with its title; all rows with the title "" if there are no groups."""
        starts = [start for start, _ in self.groups]
        ends = [*starts[1:], len(self.rows)]
        return [(title, self.rows[start:end]) for (start, title), end in zip(self.groups, ends)] or [("", self.rows)]

    @property
    def narrowed(self) -> Table:
        """The table without columns whose cells are all equal, if others are left. The caption says what they are."""
        found = {i: self.rows[0][i].text for i in range(1, len(self.columns)) if self._is_constant(i)}
        if len(found) == len(self.columns) - 1:
            return self
        said = [
            f"{self.columns[i].title} {text}"
            for i, text in found.items()
            if self.columns[i].fold == "constant" and text not in ("", DASH)
        ]
        caption = f"{self.caption} The same in every row: {'; '.join(said)}." if said else self.caption
        return replace(self._only([i for i in range(len(self.columns)) if i not in found]), caption=caption)

    @property
    def brief(self) -> Table:
        """The narrowed table without the columns that are shown on request only."""
        table = self.narrowed
        return table._only([i for i, column in enumerate(table.columns) if column.fold != "always"])

    def _is_constant(self, column: int) -> bool:
        cells = {(row[column].text, row[column].mark) for row in self.rows}
        folds = self.columns[column].fold in ("constant", "stated")
        return folds and len(self.rows) > 1 and len(cells) == 1 and not self.rows[0][column].mark

    def _only(self, kept: Sequence[int]) -> Table:
        """The table with some of its columns, and the notes that their cells or those of other columns still mark."""
        rows = tuple(tuple(row[i] for i in kept) for row in self.rows)
        marks = {mark for row in self.rows for cell in row for mark in cell.mark.split(",")}
        left = {mark for row in rows for cell in row for mark in cell.mark.split(",")}
        notes = tuple(note for note in self.notes if note[0] in left or note[0] not in marks)
        return replace(self, columns=tuple(self.columns[i] for i in kept), rows=rows, notes=notes)


def make_table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell | str]],
    label: str = "",
    caption: str = "",
    notes: Any = (),
    title: str = "",
    details: Iterable[str] = (),
) -> Table:
    """A table from cells and texts.

    Args:
        columns: The columns.
        rows: The rows; a text becomes a cell with that text.
        label: The name for references to the table.
        caption: The caption.
        notes: The footnotes, an iterable of pairs (mark, text).
        title: A few words on what the table shows; empty for the main table of a report.
        details: What the columns mean, a sentence or more each; empty ones are left out.
    """
    cells = (tuple(cell if isinstance(cell, Cell) else words(cell) for cell in row) for row in rows)
    return Table(label, caption, tuple(columns), tuple(cells), tuple(notes), title, details=tuple(filter(None, details)))


class Footnotes:
    """Footnotes with the marks a, b, c, ... in the order in which their texts are first used."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def mark(self, text: str) -> str:
        """The mark of a footnote. The footnote is added if it is new.

        Args:
            text: The text of the footnote; an empty text has the mark "".
        """
        if not text:
            return ""
        letters, n = "", len(self.texts)
        while n >= 0:
            letters, n = chr(ord("a") + n % 26) + letters, n // 26 - 1
        return self.texts.setdefault(text, letters)

    @property
    def notes(self) -> list[tuple[str, str]]:
        """The footnotes as pairs (mark, text)."""
        return [(mark, text) for text, mark in self.texts.items()]

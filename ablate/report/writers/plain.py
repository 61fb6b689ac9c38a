"""Plain text, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from ablate.errors import UNPRINTABLE, printable
from ablate.report.document import Document
from ablate.report.table import Cell, Column, Table


def document_text(document: Document) -> str:
    """The finding, the tables with their captions but those that a page folds, and the conclusions."""
    finding = f"{document.finding}\n\n" if document.finding else ""
    shown = [table for table in document.brief_tables if not table.folded]
    separated = "\n".join(f"{table.caption}\n\n{table_text(table)}" for table in shown)
    sentences = "".join(f"- {sentence}\n" for sentence in document.sentences)
    return f"{document.heading}\n\n{finding}{separated}\n{sentences}"


def table_text(table: Table) -> str:
    """A table with aligned columns and its footnotes and what its columns mean below."""
    titles = [printable(title) for title in table.titles]
    rows: list[Sequence[str] | None] = []
    for title, part in table.parts:
        rows += [None] if rows else []
        rows += [[printable(title), *[""] * (len(titles) - 1)]] if title else []
        rows += [[cell_text(cell) for cell in row] for row in part]
    lines = [*line_up(titles, rows, [c.numeric for c in table.columns])]
    for mark, note in table.notes:
        lines += ["", f"({mark}) {printable(note)}"]
    lines += ["", *map(printable, table.details)] if table.details else []
    return "\n".join(lines) + "\n"


def cell_text(cell: Cell) -> str:
    """The text of a cell with its mark."""
    return f"{printable(cell.text)} ({cell.mark})" if cell.mark else printable(cell.text)


def rows_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int]) -> Iterator[str]:
    """The lines of a table of texts, as table_text() writes it. Without a Table, which 100,000 rows would fill.

    Args:
        columns: The columns.
        rows: The texts of the cells.
        shown: The numbers of the columns that are shown, in order.
    """
    if any(map(UNPRINTABLE.search, chain.from_iterable(rows))):
        rows = [[*map(printable, row)] for row in rows]
    titles = [printable(column.title) for column in columns]
    return line_up(titles, rows, [one.numeric for one in columns], shown)


def line_up(
    titles: Sequence[str],
    rows: Sequence[Sequence[str] | None],
    numeric: Sequence[bool],
    shown: Sequence[int] | None = None,
) -> Iterator[str]:
    """The lines of a table with bars between the columns, each column as wide as its widest text.

    Args:
        titles: The headers.
        rows: The texts of the cells; None for a rule.
        numeric: For each column, whether it is aligned to the right.
        shown: The numbers of the columns that are shown, in order; None: all.
    """
    widths = [(i, max(3, *(len(row[i]) for row in (titles, *rows) if row))) for i in shown or range(len(titles))]

    def line(row: Sequence[str]) -> str:
        padded = (row[i].rjust(width) if numeric[i] else row[i].ljust(width) for i, width in widths)
        return f"| {' | '.join(padded)} |"

    yield line(titles)
    yield f"| {' | '.join('-' * (width - 1) + ':' if numeric[i] else '-' * width for i, width in widths)} |"
    plain = f"| {' | '.join('-' * width for _, width in widths)} |"
    yield from (plain if row is None else line(row) for row in rows)

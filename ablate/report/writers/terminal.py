"""A report on a terminal: the finding, the main table as wide as the terminal, and what the seeds say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ablate.errors import printable
from ablate.report.document import Cell, Document, Table
from ablate.report.numbers import counted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

FEWEST_COLUMNS = 3  # these are shown on the narrowest terminal too
MIDDLE = 24  # characters that a text column may be folded to
BETWEEN = 2  # blanks between two columns


def print_document(document: Document, console: Console) -> None:
    """Print a report in brief. Columns at the right that find no room are left out, and a line says so.

    Args:
        document: The report.
        console: Of a terminal.
    """
    from rich.text import Text

    console.print(Text(printable(document.heading), style="bold"))
    if document.finding:
        console.print(Text(printable(document.finding)))
    if document.tables:
        console.print()
        for shown in _fitted(document.tables[0].brief, console.width):
            console.print(shown)
    for sentence in document.sentences:
        if sentence != document.finding:
            console.print(Text(f"- {printable(sentence)}"))


def _fitted(table: Table, width: int) -> list[RichTable | str]:
    """The table with as many of its columns, from the left, as a width has room for, and the lines below it."""
    from rich.text import Text

    kept = len(table.columns)
    while kept > FEWEST_COLUMNS and sum(_widths(table, kept)) + BETWEEN * kept > width:
        kept -= 1
    made = _rich_table(table, kept)
    lines = [f"({mark}) {printable(note)}" for mark, note in table.notes if _marks(table, kept, mark)]
    left = [printable(column.title) for column in table.columns[kept:]]
    lines += [f"{counted(len(left), 'more column')} in the report: {', '.join(left)}"] if left else []
    return [made, *(Text(line, style="dim") for line in lines)]  # type: ignore[list-item]


def _marks(table: Table, kept: int, mark: str) -> bool:
    return any(mark in cell.mark.split(",") for row in table.rows for cell in row[:kept])


def _text(cell: Cell) -> str:
    return f"{printable(cell.text)} ({cell.mark})" if cell.mark else printable(cell.text)


def _widths(table: Table, kept: int) -> list[int]:
    """The characters that the first columns take. Titles are folded between words, and long texts; numbers are not."""
    from rich.cells import cell_len

    found = []
    for i, column in enumerate(table.columns[:kept]):
        title = max(map(cell_len, printable(column.title).split()), default=0)
        widest = max((cell_len(_text(row[i])) for row in table.rows), default=0)
        found.append(max(title, widest if column.numeric else min(widest, MIDDLE)))
    return found


def _rich_table(table: Table, kept: int) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    made = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), header_style="bold")
    for column, width in zip(table.columns, _widths(table, kept)):
        side: Literal["left", "right"] = "right" if column.numeric else "left"
        made.add_column(Text(printable(column.title)), justify=side, width=width, overflow="fold", vertical="bottom")
    for row in table.rows:
        made.add_row(*(Text(_text(cell), style="bold" if cell.bold else "") for cell in row[:kept]))
    return made

"""Reports and the output of commands on a terminal: tables as wide as the terminal, lines broken between words."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from ablate.errors import printable
from ablate.report.document import Document
from ablate.report.numbers import counted
from ablate.report.table import Column, Table, make_table
from ablate.report.writers.plain import cell_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

FEWEST_COLUMNS = 3  # these are shown on the narrowest terminal too
NAMES, TEXTS = 36, 24  # characters that the first and any other text column may be folded to
BETWEEN = 3  # characters between two columns
KEPT_LAST = ("Trials", "Total")  # titles of a last column that is shown on every terminal


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


def print_text(text: str, console: Console, elsewhere: str) -> None:
    """Print the text of a command, with its Markdown tables as tables of the terminal.

    Columns that find no room are left out from the right, except for one of KEPT_LAST, and a line says so.

    Args:
        text: As a command prints it into a pipe.
        console: Of a terminal.
        elsewhere: Where the columns are that are left out.
    """
    from rich.text import Text

    for is_table, lines in groupby(text.rstrip("\n").split("\n"), lambda line: line.startswith("| ")):
        shown = list(lines)
        table = _parsed(shown) if is_table else None
        if not is_table:  # a table has empty lines around it
            shown = [line for line, _ in groupby("\n".join(shown).strip("\n").split("\n"))] if any(shown) else []
        for one in _fitted(table, console.width, elsewhere) if table else map(Text, shown):
            console.print(one)


def _parsed(lines: Sequence[str]) -> Table | None:
    """The table of Markdown lines; None where a text of a cell cannot be told from a border."""
    titles, rule, *rows = [[cell.strip() for cell in line[2:-2].split(" | ")] for line in lines]
    if any(len(row) != len(titles) for row in (rule, *rows)):
        return None
    columns = [Column(title, numeric=right.endswith(":")) for title, right in zip(titles, rule)]
    return make_table(columns, [row for row in rows if not all(re.fullmatch("-+", cell) for cell in row)])


def _fitted(table: Table, width: int, elsewhere: str = "in the report") -> list[RichTable | Text]:
    """The table with as many of its columns, from the left, as a width in characters has room for; the lines below it."""
    from rich.text import Text

    kept = list(range(len(table.columns)))
    room = width + 1
    last = table.columns[-1].title in KEPT_LAST
    while len(kept) > FEWEST_COLUMNS and sum(_widths(table, kept)) + BETWEEN * len(kept) > room:
        kept.pop(-2 if last else -1)
    ways = [_widths(table, kept, lines, fold) for lines, fold in ((1, False), (2, False), (2, True))]
    narrow = _widths(table, kept)
    widths = next((found for found in ways if sum(found) + BETWEEN * len(kept) <= room), narrow)
    marks = {mark for row in table.rows for i in kept for mark in row[i].mark.split(",")}
    notes = [f"({mark}) {printable(note)}" for mark, note in table.notes if mark in marks]
    left = [printable(column.title) for i, column in enumerate(table.columns) if i not in kept]
    notes += [f"{counted(len(left), 'more column')} {elsewhere}: {', '.join(left)}"] if left else []
    return [_rich_table(table, kept, widths), *(Text(note, style="dim") for note in notes)]


def _widths(table: Table, kept: Sequence[int], lines: int | None = None, fold: bool = True) -> list[int]:
    """The characters that some columns take, with titles of so many lines; None: of as many as they have words.

    Long texts may be folded, numbers are not.
    """
    from rich.cells import cell_len

    found = []
    for i in kept:
        title = printable(table.columns[i].title)
        word = max(map(cell_len, title.split()), default=0)
        folded = range(word, len(title) + 1) if lines else [word]
        head = next((n for n in folded if not lines or len(textwrap.wrap(title, max(n, 1))) <= lines), word)
        widest = max((cell_len(cell_text(row[i])) for row in table.rows), default=0)
        most = widest if table.columns[i].numeric or not fold else NAMES if i == 0 else TEXTS
        found.append(max(head, min(widest, most)))
    return found


def _rich_table(table: Table, kept: Sequence[int], widths: Sequence[int]) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    made = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), header_style="bold")
    titles = [textwrap.wrap(printable(table.columns[i].title), width) or [""] for i, width in zip(kept, widths)]
    for i, title, width in zip(kept, titles, widths):
        side: Literal["left", "right"] = "right" if table.columns[i].numeric else "left"
        lowered = "\n" * (max(map(len, titles)) - len(title)) + "\n".join(title)
        made.add_column(Text(lowered), justify=side, width=width, overflow="fold")
    for row in table.rows:
        made.add_row(*(Text(cell_text(row[i]), style="bold" if row[i].bold else "") for i in kept))
    return made

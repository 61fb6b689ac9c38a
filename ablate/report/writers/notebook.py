"""A report in brief as HTML, for the output of a notebook's cell: heading, finding, main table, main figure."""

from __future__ import annotations

import base64
from html import escape

from ablate.errors import printable
from ablate.report.table import Cell, Table

MOST_ROWS = 40


def brief_html(heading: str, finding: str, table: Table | None, figure: bytes = b"", alt_text: str = "") -> str:
    """The HTML of a report in brief. Every text is escaped.

    Args:
        heading: Of the report.
        finding: What came out; empty for nothing yet.
        table: The main table, of which MOST_ROWS rows are shown; None: none.
        figure: As PNG; empty: none.
        alt_text: The figure in words.
    """
    shown = [f"<p><b>{_text(heading)}</b></p>"]
    shown += [f"<p>{_text(finding)}</p>"] if finding else []
    shown += [_table(table.brief)] if table is not None else []
    if figure:
        data = base64.b64encode(figure).decode()
        shown.append(f'<img alt="{_text(alt_text)}" style="max-width: 720px" src="data:image/png;base64,{data}">')
    return "\n".join(shown)


def _table(table: Table) -> str:
    numeric = [column.numeric for column in table.columns]
    head = "".join(_aligned("th", _text(title), right) for title, right in zip(table.titles, numeric))
    cells = [[_aligned("td", _cell(cell), right) for cell, right in zip(row, numeric)] for row in table.rows[:MOST_ROWS]]
    rows = "\n".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    more = len(table.rows) - MOST_ROWS
    notes = [f"<sup>{_text(mark)}</sup> {_text(note)}" for mark, note in table.notes]
    notes += [f"{more:,} more rows are in the report."] if more > 0 else []
    below = "".join(f"<p><small>{note}</small></p>" for note in [_text(table.caption), *notes] if note)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n{below}"


def _cell(cell: Cell) -> str:
    text = f"<b>{_text(cell.text)}</b>" if cell.bold else _text(cell.text)
    return f"{text}<sup>{_text(cell.mark)}</sup>" if cell.mark else text


def _aligned(tag: str, content: str, right: bool) -> str:
    return f'<{tag} style="text-align: {"right" if right else "left"}">{content}</{tag}>'


def _text(text: str) -> str:
    return escape(printable(text))

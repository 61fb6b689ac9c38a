"""Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ablate.errors import printable
from ablate.report.document import Content, Curves, Document, Figures, Notes, ParallelAxes, Provenance, Sentences
from ablate.report.table import Cell, Table
from ablate.report.writers.plain import line_up


def document_markdown(document: Document) -> str:
    """The finding, the main figure, the tables with their captions, the remarks and the sections.

    Figures are links; what only a page can show is left out.
    """
    lines = [f"# {prose(' '.join(document.heading.split()))}", ""]
    lines += [f"**{prose(document.finding)}**", ""] if document.finding else []
    lines += [f"Source: {prose(document.source)}.", ""] if document.source else []
    if document.main_figure:
        lines += _figures({document.main_figure: document.alt_texts.get(document.main_figure, "")})
    brief = iter(document.brief_tables)
    blocks = [
        _block(one.heading, next(brief) if isinstance(one.content, Table) else one.content) for one in document.blocks
    ]
    remarks = [f"**{prose(one.text)}**" if one.strong else prose(one.text) for one in document.remarks]
    first, *others = blocks or [[]]
    lines += [*first, *(line for remark in remarks for line in (remark, ""))]
    return "\n".join([*lines, *(line for block in others for line in block)])


def _block(heading: str, content: Content) -> list[str]:
    """The lines of a table or of a section."""
    match content:
        case Table(caption=caption):
            return [*([f"## {prose(heading)}", ""] if heading else []), prose(caption), "", table_markdown(content)]
        case Sentences(texts):
            return _list(heading, texts)
        case Notes(text):
            return [prose(text), ""]
        case Figures(alt_texts):
            return _figures(alt_texts)
        case Curves() | ParallelAxes():
            return []
        case Provenance(texts, _, where, files):
            for file in files:
                where = where.replace(file, f"[{file}]({file})")
            return [*(_list(heading, texts) if texts else []), where, ""]


def _figures(alt_texts: Mapping[str, str]) -> list[str]:
    return [line for name, words in alt_texts.items() for line in (f"![{words}]({name}.svg)", "")]


def _list(heading: str, texts: Sequence[str]) -> list[str]:
    return [f"## {heading}", "", *(f"- {prose(text)}" for text in texts), ""]


def table_markdown(table: Table) -> str:
    """A Markdown table with its footnotes below. Its columns are also aligned as plain text."""

    def text(cell: Cell) -> str:
        body = _escape(cell.text)
        body = f"<ins>{body}</ins>" if cell.underlined else body
        body = f"`{cell.text}`" if cell.shaded else body  # which GitHub and most others shade
        body = f"**{body}**" if cell.bold else body
        return f"{body}<sup>{cell.mark}</sup>" if cell.mark else body

    titles = [_escape(title) for title in table.titles]
    rows: list[list[str]] = []
    for title, part in table.parts:
        rows += [[f"**{_escape(title)}**", *[""] * (len(titles) - 1)]] if title else []
        rows += [[text(cell) for cell in row] for row in part]
    lines = [*line_up(titles, rows, [c.numeric for c in table.columns])]
    for mark, note in table.notes:
        lines += ["", f"<sup>{mark}</sup> {_escape(note)}"]
    lines += ["", *(f"- {prose(each)}" for each in table.details)] if table.details else []
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    """A text in which nothing is Markdown syntax."""
    # An underscore inside a word needs no escape.
    return re.sub(r"[\\`*|<\[]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", printable(text))


def prose(text: str) -> str:
    """Paragraphs in which nothing is HTML or a link; other Markdown syntax is kept.

    Args:
        text: Paragraphs, separated by an empty line.
    """
    lines = (re.sub(r"[\\[]|<(?=[A-Za-z/!?])", r"\\\g<0>", printable(line)) for line in text.split("\n"))
    return "\n".join(lines)

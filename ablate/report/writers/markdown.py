"""Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ablate.errors import printable
from ablate.report.document import Cell, Curves, Document, Figures, Notes, Provenance, Section, Sentences, Table
from ablate.report.writers.plain import line_up


def document_markdown(document: Document) -> str:
    """The tables with their captions, the remarks and the sections. Figures are links; curves are left out.

    Args:
        document: The report.
    """
    lines = [f"# {prose(' '.join(document.heading.split()))}", ""]
    lines += [f"Source: {prose(document.source)}.", ""] if document.source else []
    for caption, table in zip(document.captions, document.tables):
        lines += [prose(caption), "", table_markdown(table)]
    for remark in document.remarks:
        lines += [f"**{prose(remark.text)}**" if remark.strong else prose(remark.text), ""]
    return "\n".join([*lines, *(line for section in document.sections for line in _section(section))])


def _section(section: Section) -> list[str]:
    """The lines of a section."""
    match section.content:
        case Sentences(texts):
            return _list(section.heading, texts)
        case Notes(text):
            return [prose(text), ""]
        case Figures(alt_texts):
            return [line for name, words in alt_texts.items() for line in (f"![{words}]({name}.svg)", "")]
        case Curves():
            return []
        case Provenance(texts, _, where, files):
            for file in files:
                where = where.replace(file, f"[{file}]({file})")
            return [*(_list(section.heading, texts) if texts else []), where, ""]


def _list(heading: str, texts: Sequence[str]) -> list[str]:
    return [f"## {heading}", "", *(f"- {prose(text)}" for text in texts), ""]


def table_markdown(table: Table) -> str:
    """A Markdown table with its footnotes below. Its columns are also aligned as plain text.

    Args:
        table: The table.
    """

    def text(cell: Cell) -> str:
        body = markdown_escape(cell.text)
        body = f"**{body}**" if cell.bold else body
        return f"{body}<sup>{cell.mark}</sup>" if cell.mark else body

    titles = [markdown_escape(title) for title in table.titles]
    lines = line_up(titles, [[text(cell) for cell in row] for row in table.rows], [c.numeric for c in table.columns])
    for mark, note in table.notes:
        lines += ["", f"<sup>{mark}</sup> {markdown_escape(note)}"]
    return "\n".join(lines) + "\n"


def markdown_escape(text: str) -> str:
    """A text in which nothing is Markdown syntax.

    Args:
        text: A text of one line.
    """
    # An underscore inside a word needs no escape.
    return re.sub(r"[\\`*|<\[]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", printable(text))


def prose(text: str) -> str:
    """Paragraphs in which nothing is HTML or a link; other Markdown syntax is kept.

    Args:
        text: Paragraphs, separated by an empty line.
    """
    lines = (re.sub(r"[\\[]|<(?=[A-Za-z/!?])", r"\\\g<0>", printable(line)) for line in text.split("\n"))
    return "\n".join(lines)

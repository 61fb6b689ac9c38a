"""LaTeX: tables that a paper's source can take as they are, with booktabs, siunitx and threeparttable."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import count, pairwise
from typing import NamedTuple

from ablate.errors import printable
from ablate.report.document import Document
from ablate.report.numbers import DASH, MINUS
from ablate.report.table import Cell, Column, Table

NUMBER = re.compile(rf"[-+{MINUS}]?\d[\d,]*(\.\d+)?")
SIZES = (("normalsize", 1.0, 6.0), ("small", 0.9, 5.0), ("footnotesize", 0.8, 4.0))  # name, scale, space beside a column
ROWS = {"normalsize": 36, "small": 40, "footnotesize": 46}  # that a page has room for, beside caption, head and notes
COLUMN, PAGE = 229.0, 394.0  # points: the column of an article in two columns, the text of a paper in one
LONGEST = 150.0  # points: a wider column of words is broken into lines
MOST_LINES = 3  # of a header


class _Layout(NamedTuple):
    """How a table fits."""

    environment: str  # "table", or "table*" for the width of the page
    size: str  # of the letters, such as "small"
    gap: float  # on either side of a column, in points
    parts: list[list[int]]  # the columns of each part; several, one below the other, where they need more than a page


def document_latex(document: Document) -> str:
    """The tables, each with the title of the report as its caption and its setting in the notes below it."""
    return "\n".join(table_latex(table, document.headline(table), document.badge) for table in document.brief_tables)


def table_latex(table: Table, caption: str, badge: str = "") -> str:
    """A table in the size of letters that fits, with its setting and its footnotes below.

    Args:
        table: The table; its own caption becomes the first note, its details the second.
        caption: The caption, unescaped: one line.
        badge: Such as that the study runs at another scale, which the notes begin with; empty for none.
    """
    badge = f"{badge[:1].upper()}{badge[1:]}." if badge else ""
    columns = [_LatexColumn(column, [row[i] for row in table.rows]) for i, column in enumerate(table.columns)]
    layout = _layout([column.width for column in columns])
    setting = " ".join(filter(None, [badge, table.caption]))
    notes = [rf"    \item {_note(text)}" for text in (setting, " ".join(table.details)) if text]
    notes += [rf"    \item[{mark}] {_note(note)}" for mark, note in table.notes]
    most = max(1, ROWS[layout.size] // len(layout.parts))
    floats = max(1, math.ceil(len(table.rows) / most))
    bounds = [round(len(table.rows) * i / floats) for i in range(floats + 1)]  # all about equally long
    marked = any("✓" in cell.text for row in table.rows for cell in row)
    shaded = any(cell.shaded for row in table.rows for cell in row)
    more = [*(["amssymb"] if marked else []), *(["colortbl and xcolor"] if shaded else [])]
    needs = " and ".join(["booktabs, siunitx, threeparttable", *more]) if more else "booktabs, siunitx and threeparttable"
    found = []
    for number, (start, stop) in enumerate(pairwise(bounds)):
        parts = [_tabular([columns[i] for i in part], table.groups, start, stop) for part in layout.parts]
        named = [rf"  \caption{{{latex_escape(caption)}}}", rf"  \label{{tab:{table.label}}}"]
        again = [r"  \addtocounter{table}{-1}", rf"  \caption{{{latex_escape(caption)} (continued)}}"]
        under = notes if stop == len(table.rows) else []
        found += _float(layout, needs, again if number else named, parts, under)
    return "\n".join(found) + "\n"


def _float(
    layout: _Layout, needs: str, caption: Sequence[str], parts: Sequence[Sequence[str]], notes: Sequence[str]
) -> list[str]:
    """The lines of one float: its caption, the parts of its rows one below the other, and notes."""
    return [
        f"\\begin{{{layout.environment}}}  % needs {needs}",
        r"  \centering",
        rf"  \{layout.size}",
        rf"  \setlength{{\tabcolsep}}{{{layout.gap:g}pt}}",
        r"  \sisetup{group-digits=integer, group-separator={,}, group-minimum-digits=4, retain-explicit-plus, "
        r"detect-weight}",
        r"  \begin{threeparttable}",
        *caption,
        *parts[0],
        *(
            line
            for part in parts[1:]
            for line in (r"  \end{threeparttable}\par\medskip", r"  \begin{threeparttable}", *part)
        ),
        *([r"  \begin{tablenotes}[flushleft]", r"    \footnotesize", *notes, r"  \end{tablenotes}"] if notes else []),
        r"  \end{threeparttable}",
        f"\\end{{{layout.environment}}}",
    ]


def _tabular(columns: Sequence[_LatexColumn], groups: Sequence[tuple[int, str]], start: int, stop: int) -> list[str]:
    """The lines of a tabular of some columns and rows, with a rule between groups of rows."""
    titles = dict(groups)
    if started := [title for row, title in groups if row < start]:
        titles.setdefault(start, started[-1])  # a group that an earlier float has begun
    lines = []
    for number, row in enumerate(zip(*(column.cells[start:stop] for column in columns)), start):
        if number in titles:
            lines += [r"    \midrule"] if number > start else []
            lines += [rf"    \multicolumn{{{len(columns)}}}{{l}}{{\textit{{{latex_escape(titles[number])}}}}} \\"]
        lines.append(rf"    {' & '.join(row)} \\")
    return [
        rf"  \begin{{tabular}}{{{' '.join(column.kind for column in columns)}}}",
        r"    \toprule",
        rf"    {' & '.join(column.header for column in columns)} \\",
        r"    \midrule",
        *lines,
        r"    \bottomrule",
        r"  \end{tabular}",
    ]


def _layout(widths: Sequence[float]) -> _Layout:
    """The largest letters in which columns fit, given their widths in points, in letters of 10 points.

    They are tried in one column of a paper first, then across the page.
    """
    for environment, room in (("table", COLUMN), ("table*", PAGE)):
        for size, scale, gap in SIZES:
            if sum(scale * width + 2 * gap for width in widths) <= room:
                return _Layout(environment, size, gap, [[*range(len(widths))]])
    widths = [scale * width + 2 * gap for width in widths]
    least = len(_parts(widths, PAGE))
    room = next(room for room in count() if len(_parts(widths, room)) <= least)  # the narrowest: parts about equally wide
    return _Layout("table*", size, gap, _parts(widths, room))


def _parts(widths: Sequence[float], room: float) -> list[list[int]]:
    """The columns of each part of a table. The first column, the name, stands in every part."""
    parts = [[0]]
    for i in range(1, len(widths)):
        if sum(widths[k] for k in (*parts[-1], i)) > room and len(parts[-1]) > 1:
            parts.append([0])
        parts[-1].append(i)
    return parts


class _LatexColumn:
    """A column as LaTeX: its kind, its header and its cells, and its width in points, in letters of 10 points."""

    def __init__(self, column: Column, cells: Sequence[Cell]) -> None:
        numbers = [cell.text for cell in cells if NUMBER.fullmatch(cell.text)]
        self._aligned = column.numeric and 2 * len(numbers) >= max(1, sum(cell.text != DASH for cell in cells))
        bodies = [cell.text for cell in cells]
        marks = max((cell.mark for cell in cells), key=len, default="")
        content = max(map(_width, bodies), default=0.0) + 0.7 * _width(marks)
        self.width = content
        self.kind = "r" if column.numeric else "l"
        if self._aligned:
            after = rf", table-space-text-post=\tnote{{{marks}}}" if marks else ""
            self.kind = f"S[table-format={_format(numbers)}{after}]"
        elif not column.numeric and content > LONGEST:
            self.kind, self.width = rf">{{\raggedright\arraybackslash}}p{{{LONGEST / 10:g}em}}", LONGEST
        rooms = count(max(36, math.ceil(self.width)), 6)
        lines = next(lines for room in rooms if len(lines := _wrapped(column.title, room)) <= MOST_LINES)
        self.width = max([self.width, *map(_width, lines)])
        side = "r" if column.numeric else "l"
        words = r" \\ ".join(map(latex_escape, lines))
        header = words if len(lines) == 1 else rf"\shortstack[{side}]{{{words}}}"
        self.header = f"{{{header}}}" if self._aligned else header
        self.cells = [self._cell(cell) for cell in cells]

    def _cell(self, cell: Cell) -> str:
        note = rf"\tnote{{{cell.mark}}}" if cell.mark else ""
        shade = r"\cellcolor[gray]{0.88}" if cell.shaded else ""
        underlined = rf"\underline{{{latex_escape(cell.text)}}}" if cell.underlined else latex_escape(cell.text)
        if self._aligned and NUMBER.fullmatch(cell.text):
            bold = r"\bfseries " if cell.bold else ""
            digits = cell.text.replace(",", "").replace(MINUS, "-")
            return f"{shade}{bold}{rf'{{{underlined}}}' if cell.underlined else digits}{note}"
        body = rf"\textbf{{{underlined}}}" if cell.bold else underlined
        return f"{shade}{{{body}{note}}}" if self._aligned else f"{shade}{body}{note}"


def _format(numbers: Sequence[str]) -> str:
    """The table-format of siunitx: the most digits before and after the decimal point, and whether there are signs."""
    parts = [text.lstrip(f"+-{MINUS}").replace(",", "").partition(".") for text in numbers]
    before = max((len(whole) for whole, _, _ in parts), default=1)
    after = max((len(decimals) for _, _, decimals in parts), default=0)
    signed = "+" if any(text[0] in f"+-{MINUS}" for text in numbers) else ""
    return f"{signed}{before}{f'.{after}' if after else ''}"


def _width(text: str) -> float:
    """About the width of a text in points, in Computer Modern of 10 points."""
    return 1.02 * sum(7.4 if c.isupper() else 3.4 if c in ".,;:()'|[] il" else 5.1 for c in text)


def _wrapped(text: str, room: float) -> list[str]:
    """The lines of a header, broken between words."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _width(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "±": r"$\pm$",
    MINUS: "$-$",
    "≈": r"$\approx$",
    "×": r"$\times$",
    "<": "$<$",
    ">": "$>$",
    "→": r"$\to$",
    "✓": r"$\checkmark$",
    "[": "{[}",  # unescaped at the start of a row it would be read as an argument of the previous row's end
    "*": "{*}",
}


def latex_escape(text: str) -> str:
    """A text that LaTeX prints unchanged, in one paragraph.

    Args:
        text: Any text; line breaks become spaces.
    """
    return "".join(_LATEX.get(character, character) for character in printable(" ".join(text.split("\n"))))


def _note(text: str) -> str:
    """The text of a note: what is `code` in it is set in letters of one width."""
    return re.sub(r"`([^`]+)`", r"\\texttt{\1}", latex_escape(text))

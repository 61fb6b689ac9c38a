"""Tables of cells -> Markdown, LaTeX and CSV, every text in them escaped, and how a number is written in a cell."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ablate.errors import printable
from ablate.report.growth import Exponent
from ablate.report.summary import Summary
from ablate.study.plan import plain

if TYPE_CHECKING:
    import pandas as pd

DASH = "–"
TIMING_TITLES = {"step_ms": "Step, ms", "published_error": "Published error, %"}
MEASURE_TITLES = {"parameters": "Parameters", "multiply_adds": "Mult-adds", "activations": "Activations"}


@dataclass(frozen=True)
class Cell:
    """A cell that is more than its text: with the mark of a footnote, in bold, or with a variant's runs behind it."""

    text: str
    mark: str = ""
    bold: bool = False
    summary: Summary | None = None


class Footnotes:
    """Marks a, b, c, ... in the order in which their texts first come up."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def mark(self, text: str) -> str:
        """The mark of a text; "" for none."""
        if not text:
            return ""
        letters, n = "", len(self.texts)
        while n >= 0:
            letters, n = chr(ord("a") + n % 26) + letters, n // 26 - 1
        return self.texts.setdefault(text, letters)

    @property
    def notes(self) -> list[tuple[str, str]]:
        return [(mark, text) for text, mark in self.texts.items()]


class Table(NamedTuple):
    """Cells, a row a variant. numeric: which columns are set to the right. notes: the footnotes, (mark, text)."""

    header: list[str]
    rows: Sequence[Sequence[Cell | str]]
    numeric: list[bool]
    notes: Sequence[tuple[str, str]] = ()


def as_cell(cell: Cell | str) -> Cell:
    return cell if isinstance(cell, Cell) else Cell(cell)


def count_rows(networks: Sequence[Mapping[str, Any]]) -> Table:
    """The table of a study without seeds, from the plain values of its networks."""
    titles = {"net": "Network", "varied": "Varied", **MEASURE_TITLES, **TIMING_TITLES}
    header = [titles.get(key, key) for key in networks[0]]
    rows = [[_count_cell(key, value) for key, value in network.items()] for network in networks]
    return Table(header, rows, [key not in ("net", "varied") for key in networks[0]])


def _count_cell(key: str, value: Any) -> str:
    if key == "N":
        return blocks_cell(value)
    if key in MEASURE_TITLES:
        return f"{value:,}" if key == "parameters" else quantity(value)
    return "–" if value is None else plain(value)


def growth_rows(exponents: Sequence[Exponent]) -> Table:
    """The table of exponents, two decimals: over all values of an axis, and between the two largest."""
    header = ["Axis", "Count", "From", "To", "Exponent", "Two largest"]
    rows = [
        [e.axis, MEASURE_TITLES[e.measure], plain(e.smallest), plain(e.largest), f"{e.fitted:.2f}", f"{e.last:.2f}"]
        for e in exponents
    ]
    return Table(header, rows, [False, False, True, True, True, True])


def percent(error: float | None) -> str:
    if error is None:
        return "–"
    return f"{error:.2f}" if math.isfinite(error) else "diverged"


def seeds_cell(summary: Summary) -> str:
    """ "5"; "3/5" where seeds are missing; "5, 1 diverged"."""
    n = str(summary.n) if summary.n == summary.planned else f"{summary.n}/{summary.planned}"
    return f"{n}, {len(summary.diverged)} diverged" if summary.diverged else n


def blocks_cell(blocks: int | Sequence[int] | None) -> str:
    """ "4"; "3 4 6 3" where groups differ; a dash for a network without groups."""
    if blocks is None:
        return "–"
    return str(blocks) if isinstance(blocks, int) else " ".join(map(str, blocks))


def quantity(number: int) -> str:
    """ "26.4 M", "5.24 G": three digits."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            scaled = number / size
            return f"{scaled:,.{2 if scaled < 10 else 1 if scaled < 100 else 0}f} {unit}"
    return str(number)


def range_cell(summary: Summary) -> str:
    """ "38.60–41.15": minimum to maximum; from 8 seeds on the 95% interval of the median."""
    if summary.description is None:
        return DASH
    return "–".join(map(percent, summary.description.interval))


def counted(n: int, word: str) -> str:
    """ "1 seed", "5 seeds"."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def to_markdown(table: Table, escape: bool = True) -> str:
    """A Markdown table whose columns also line up as plain text. escape: not where it is only read as that."""
    write = _markdown_escape if escape else printable

    def text(cell: Cell | str) -> str:
        cell = as_cell(cell)
        body = write(cell.text)
        body = f"**{body}**" if cell.bold and escape else body
        return body + ((f"<sup>{cell.mark}</sup>" if escape else f" ({cell.mark})") if cell.mark else "")

    cells = [[text(cell) for cell in row] for row in (table.header, *table.rows)]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(table.header))]

    def line(row: Sequence[str]) -> str:
        padded = (cell.rjust(w) if right else cell.ljust(w) for cell, w, right in zip(row, widths, table.numeric))
        return f"| {' | '.join(padded)} |"

    rule = [f"{'-' * (w - 1)}:" if right else "-" * w for w, right in zip(widths, table.numeric)]
    lines = [line(cells[0]), f"| {' | '.join(rule)} |", *map(line, cells[1:])]
    for mark, note in table.notes:
        lines += ["", f"<sup>{mark}</sup> {write(note)}" if escape else f"({mark}) {write(note)}"]
    return "\n".join(lines) + "\n"


def to_latex(table: Table, caption: str, label: str) -> str:
    """A booktabs table, its footnotes below it."""
    columns = "".join("r" if right else "l" for right in table.numeric)

    def text(cell: Cell | str) -> str:
        cell = as_cell(cell)
        body = latex_escape(cell.text)
        body = rf"\textbf{{{body}}}" if cell.bold else body
        return body + (rf"\textsuperscript{{{cell.mark}}}" if cell.mark else "")

    notes = [rf"    \textsuperscript{{{mark}}} {latex_escape(note)}\par" for mark, note in table.notes]
    lines = [
        r"\begin{table}  % needs booktabs and graphicx",
        r"  \centering",
        rf"  \caption{{{latex_escape(caption)}}}",
        rf"  \label{{tab:{label}}}",
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        f"    {' & '.join(map(latex_escape, table.header))} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(map(text, row))} \\\\" for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}}",
        *([r"  \par\medskip\begin{minipage}{\linewidth}\footnotesize", *notes, r"  \end{minipage}"] if notes else []),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


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
    "−": "$-$",
    "≈": r"$\approx$",
    "×": r"$\times$",
    "<": "$<$",
    ">": "$>$",
    "[": "{[}",  # at the start of a row it would be an argument of the end of the row before
    "*": "{*}",
}


def latex_escape(text: str) -> str:
    """Text that LaTeX prints as it is, in one paragraph."""
    return "".join(_LATEX.get(character, character) for character in printable(" ".join(text.split("\n"))))


def prose(text: str) -> str:
    """Prose, in paragraphs, in which Markdown finds no HTML and no link."""
    lines = (re.sub(r"[\\[]|<(?=[A-Za-z/!?])", r"\\\g<0>", printable(line)) for line in text.split("\n"))
    return "\n".join(lines)


def to_csv(frame: pd.DataFrame) -> bytes:
    """CSV in UTF-8, in which no text is a formula for a spreadsheet: one that could be stands behind an apostrophe."""
    frame = frame.rename(columns=_no_formula)
    for column in frame.columns:
        values = frame[column].tolist()
        if any(_no_formula(value) != value for value in values if isinstance(value, str)):
            frame[column] = [_no_formula(value) if isinstance(value, str) else value for value in values]
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text.encode()


def _no_formula(text: str) -> str:
    is_number = re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not is_number else text


def _markdown_escape(text: str) -> str:
    return re.sub(r"[\\`*|<\[]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", printable(text))  # but inside a word

"""Summaries -> the cells of a table -> Markdown, LaTeX and CSV."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ablate.report.growth import Exponent
from ablate.report.summary import Summary, finite
from ablate.study.plan import plain

if TYPE_CHECKING:
    import pandas as pd


MEASURE_TITLES = {"parameters": "Parameters", "multiply_adds": "Mult-adds", "activations": "Activations"}


class Table(NamedTuple):
    """Cells as text, a row a variant. numeric: which columns are set to the right."""

    header: list[str]
    rows: list[list[str]]
    numeric: list[bool]


def table_rows(summaries: Sequence[Summary], baseline: Summary | None = None) -> Table:
    """The study's table: errors in percent, differences to the baseline's median in points."""
    axes = list(summaries[0].axes) if summaries else []
    header = ["Network", *axes, "N", "Parameters", "Mult-adds", "Median test error, %", "Min", "Max", "n"]
    if baseline:
        header.insert(header.index("Min"), "Difference")
    rows = []
    for summary in summaries:
        counts = summary.variant.counts
        row = [
            summary.net,
            *(plain(value) for value in summary.axes.values()),
            blocks_cell(summary.variant.blocks_per_group),
            f"{counts.parameters:,}",
            quantity(counts.multiply_adds),
            percent(summary.median),
            percent(min(summary.errors, default=None)),
            percent(max(summary.errors, default=None)),
            seeds_cell(summary),
        ]
        if baseline:
            row.insert(header.index("Difference"), difference(summary, baseline))
        rows.append(row)
    return Table(header, rows, [column > 0 for column in range(len(header))])


def count_rows(networks: Sequence[Mapping[str, Any]]) -> Table:
    """The table of a study without seeds, from the plain values of its networks."""
    titles = {"net": "Network", "varied": "Varied", **MEASURE_TITLES}
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


def difference(summary: Summary, baseline: Summary) -> str:
    """The difference of two medians in points; the baseline's own cell names it."""
    if summary is baseline:
        return "baseline"
    if finite(summary.median) is None or finite(baseline.median) is None:
        return "–"
    assert summary.median is not None and baseline.median is not None
    return f"{summary.median - baseline.median:+.2f}"


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


def counted(n: int, word: str) -> str:
    """ "1 seed", "5 seeds"."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def to_markdown(table: Table, escape: bool = True) -> str:
    """A Markdown table whose columns also line up as plain text. escape: not where it is only read as that."""
    write = _markdown_escape if escape else str
    cells = [[write(cell) for cell in row] for row in (table.header, *table.rows)]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(table.header))]

    def line(row: Sequence[str]) -> str:
        padded = (cell.rjust(w) if right else cell.ljust(w) for cell, w, right in zip(row, widths, table.numeric))
        return f"| {' | '.join(padded)} |"

    rule = [f"{'-' * (w - 1)}:" if right else "-" * w for w, right in zip(widths, table.numeric)]
    return "\n".join([line(cells[0]), f"| {' | '.join(rule)} |", *map(line, cells[1:])]) + "\n"


def to_latex(table: Table, caption: str, label: str) -> str:
    """A booktabs table."""
    columns = "".join("r" if right else "l" for right in table.numeric)
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{latex_escape(caption)}}}",
        rf"  \label{{tab:{label}}}",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        f"    {' & '.join(map(latex_escape, table.header))} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(map(latex_escape, row))} \\\\" for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_frame(summaries: Sequence[Summary], baseline: Summary | None = None) -> pd.DataFrame:
    """Plain numbers under stable names, for table.csv; difference: of the medians, to the baseline's, in points."""
    import pandas as pd

    rows = []
    for summary in summaries:
        values = summary.as_json()
        axes = values.pop("axes")
        values["seeds"] = " ".join(map(str, values["seeds"]))
        values["diverged"] = " ".join(map(str, values["diverged"]))
        values.pop("test_errors")
        if baseline:
            ours, theirs = finite(summary.median), finite(baseline.median)
            values["difference"] = None if ours is None or theirs is None else round(ours - theirs, 10)
        rows.append({"net": values.pop("net"), **{k: plain(v) for k, v in axes.items()}, **values})
    return pd.DataFrame(rows)


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
}


def latex_escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_LATEX.get(character, character) for character in text)


def _markdown_escape(text: str) -> str:
    return re.sub(r"[\\`*|<\[]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", text)  # an underscore inside a word is plain

"""How the author of a study shapes its main table: the order of rows, groups, the statistic, what is marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ablate.report.compared import Compared
from ablate.report.design_table import row_designs
from ablate.report.document import Cell, Column, ShapedColumn, Table, make_table
from ablate.report.seeds import S, Seeds
from ablate.report.statistics_table import mean_text, median_cell
from ablate.study.decision import Decision
from ablate.study.designs import Design
from ablate.study.table_style import Mark, TableStyle

R = TypeVar("R")
BASELINE = "baseline"


def shaped_table(
    columns: Iterable[ShapedColumn],
    rows: Sequence[tuple[str, R]],
    style: TableStyle,
    label: str,
    caption: str,
    notes: Callable[[], Iterable[tuple[str, str]]] = list,
) -> Table:
    """The main table of a study with the columns that its author wants.

    Args:
        columns: All columns, in the usual order.
        rows: The group and the content of each row; rows of a group follow each other.
        style: Of the study.
        label: The name of the study.
        caption: The caption.
        notes: Returns the footnotes once all cells are made.
    """
    known = [*columns]
    shown = [column for column in known if not column.asked]
    if style.columns is not None:
        wanted = [column for key in style.columns for column in known if column.key == key]
        shown = [column._replace(fold="never") for column in wanted] or shown
    cells = [[column.cell(row) for column in shown] for _, row in rows]
    starts = [i for i, (group, _) in enumerate(rows) if i == 0 or group != rows[i - 1][0]]
    groups = tuple((i, rows[i][0]) for i in starts) if style.group_by else ()
    table = make_table([Column(one.title, one.numeric, one.fold) for one in shown], cells, label, caption, notes())
    return replace(table, groups=groups)


def in_groups(rows: Sequence[R], group: Callable[[R], str]) -> list[tuple[str, R]]:
    """The rows with their groups, those of a group together; the order of rows and of the first of each group is kept.

    Args:
        rows: In order.
        group: The group of a row.
    """
    order = [*dict.fromkeys(map(group, rows))]
    return sorted(((group(row), row) for row in rows), key=lambda both: order.index(both[0]))


def usual_order(style: TableStyle, designs: dict[int, Design], published: bool) -> str:
    """The order of the rows: as the author says, else as in the paper, else as the design says, else by result.

    Args:
        style: Of the study.
        designs: As returned by row_designs().
        published: Whether there are published values.
    """
    kinds = {design.kind for design in designs.values()}
    by_design = "study" if kinds & {"path", "one_at_a_time"} else "full" if "leave_one_out" in kinds else "result"
    return style.order or ("published" if published else by_design)


def _by_result(summaries: Sequence[S], style: TableStyle) -> list[S]:
    """The summaries, the best first and those without a record last."""
    return sorted(summaries, key=lambda summary: cost(summary, style))


def ordered(analysis: Compared[S]) -> list[S]:
    """The summaries as their tables have them, data set by data set, where no paper orders them.

    Args:
        analysis: Of the study.
    """
    summaries, designs = analysis.summaries, row_designs(analysis.summaries)
    titles = list(dict.fromkeys(summary.data_title for summary in summaries))
    order = usual_order(analysis.study.table, designs, False)
    rows = [*summaries] if order == "study" else _by_result(summaries, analysis.study.table)
    full = {key for key, design in designs.items() if order == "full" and design.row == 0}
    return sorted(rows, key=lambda summary: (titles.index(summary.data_title), id(summary) not in full))


def cost(summary: Seeds[Any] | None, style: TableStyle) -> tuple[bool, float]:
    """What a summary is sorted by: those without a record last, before them those that diverged.

    Args:
        summary: The summary; None for none.
        style: Of the study.
    """
    found = None if summary is None else shown_value(summary, style)
    return (True, 0.0) if summary is None or found is None else (False, summary.decision.cost(found))


def shown_value(summary: Seeds[Any], style: TableStyle) -> float | None:
    """The statistic that the column of results shows; None without a record.

    Args:
        summary: The summary of a variant.
        style: Of the study.
    """
    if style.statistic == "median" or summary.description is None:
        return summary.median
    return summary.decision.worst if summary.description.mean is None else summary.description.mean


def result_title(by: Decision, style: TableStyle) -> str:
    """The title of the column of results, such as "Median test error, %".

    Args:
        by: What the variants are compared by.
        style: Of the study.
    """
    return f"Median {by.axis}" if style.statistic == "median" else f"{by.axis[:1].upper()}{by.axis[1:]}, mean ± SD"


def result_cell(summary: Seeds[Any], style: TableStyle, marks: dict[int, set[Mark]], mark: str = "") -> Cell:
    """The cell of a variant's result.

    Args:
        summary: Of the variant.
        style: Of the study.
        marks: As returned by marked().
        mark: The mark of its footnote; empty for none.
    """
    found = marks.get(id(summary), set())
    cell = median_cell(summary, mark)
    if style.statistic == "mean_std" and summary.description:
        cell = replace(cell, value=shown_value(summary, style), text=mean_text(summary))
    both = "best" in style.mark
    return replace(
        cell,
        bold="best" in found or (not both and "indistinguishable" in found),
        underlined="second" in found,
        shaded=both and "indistinguishable" in found,
    )


def marked(analysis: Compared[S], style: TableStyle) -> dict[int, set[Mark]]:
    """What is marked of each result, by the id() of the summary; each data set by itself.

    Args:
        analysis: Of the study.
        style: Of the study.
    """
    found: dict[int, set[Mark]] = {}
    for title in analysis.titles:
        costs = {id(summary): cost(summary, style)[1] for summary in analysis.on(title)}
        ranked = sorted({each for each in costs.values() if math.isfinite(each)})
        for name, place in (("best", 0), ("second", 1)):
            for key in (key for key, each in costs.items() if each in ranked[place : place + 1]):
                found.setdefault(key, set()).add(name)  # type: ignore[arg-type]
    for key in analysis.leading:
        found.setdefault(key, set()).add("indistinguishable")
    return {key: names & set(style.mark) for key, names in found.items()}


def mark_words(analysis: Compared[S], style: TableStyle, marks: dict[int, set[Mark]]) -> str:
    """What the marks mean, as sentences for the caption; empty where nothing is marked.

    Args:
        analysis: Of the study.
        style: Of the study.
        marks: As returned by marked().
    """
    there = {name for names in marks.values() for name in names}
    lowest = analysis.decision.lowest
    said = [f"Bold: the {lowest}."] if "best" in there else []
    said += [f"Underlined: the second {lowest}."] if "second" in there else []
    if "indistinguishable" in there:
        said.append(f"{'Shaded' if 'best' in style.mark else 'Bold'}: indistinguishable from the best.")
    return " ".join(said)


def statistic_words(text: str, style: TableStyle) -> str:
    """The sentence that defines the values, with the statistic that the table shows.

    Args:
        text: As returned by measured().
        style: Of the study.
    """
    return text if style.statistic == "median" else text.replace(", median over ", ", mean ± SD over ", 1)


def with_baseline(cell: Cell, is_baseline: bool) -> Cell:
    """The cell of a name, which says that the variant is a baseline.

    Args:
        cell: The cell.
        is_baseline: Whether others are compared with the variant.
    """
    return replace(cell, text=f"{cell.text} ({BASELINE})") if is_baseline else cell


def is_baseline(analysis: Compared[S], summary: S) -> bool:
    """Whether others are compared with a variant.

    Args:
        analysis: Of the study.
        summary: One of its summaries.
    """
    compared = any(one is summary and other is not summary for other, one in zip(analysis.summaries, analysis.baselines))
    return compared and analysis.baseline(summary) is summary

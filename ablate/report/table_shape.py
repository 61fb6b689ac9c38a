"""How the author of a study shapes its main table: the order of rows, groups, the statistic, what is marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

from ablate.report.compared import Compared
from ablate.report.design_table import row_designs
from ablate.report.seeds import S
from ablate.report.statistics_table import mean_text, median_cell
from ablate.report.table import Cell, Column, ShapedColumn, Table, make_table
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


@dataclass(frozen=True)
class MainTable(Generic[S]):
    """How the main table of a study orders its rows, and what it shows and marks of their results."""

    analysis: Compared[S]

    @property
    def style(self) -> TableStyle:
        """As in the study file."""
        style: TableStyle = self.analysis.study.table
        return style

    @cached_property
    def designs(self) -> dict[int, Design]:
        """What each row is, as returned by row_designs()."""
        return row_designs(self.analysis.summaries)

    def order(self, published: bool = False) -> str:
        """The order of the rows: as the author says, else as in the paper, else as the design says, else by result.

        Args:
            published: Whether there are published values.
        """
        kinds = {design.kind for design in self.designs.values()}
        by_design = "study" if kinds & {"path", "one_at_a_time"} else "full" if "leave_one_out" in kinds else "result"
        return self.style.order or ("published" if published else by_design)

    def ordered(self) -> list[S]:
        """The summaries, data set by data set, where no paper orders them."""
        summaries, order = self.analysis.summaries, self.order()
        titles = list(dict.fromkeys(summary.data_title for summary in summaries))
        rows = [*summaries] if order == "study" else sorted(summaries, key=self.cost)
        full = {key for key, design in self.designs.items() if order == "full" and design.row == 0}
        return sorted(rows, key=lambda summary: (titles.index(summary.data_title), id(summary) not in full))

    def cost(self, summary: S | None) -> tuple[bool, float]:
        """What a summary is sorted by: those without a record last, before them those that diverged.

        Args:
            summary: The summary; None for none.
        """
        found = None if summary is None else self.shown_value(summary)
        return (True, 0.0) if summary is None or found is None else (False, summary.decision.cost(found))

    def shown_value(self, summary: S) -> float | None:
        """The statistic that the column of results shows; None without a record."""
        if self.style.statistic == "median" or summary.description is None:
            return summary.median
        return summary.decision.worst if summary.description.mean is None else summary.description.mean

    @property
    def result_title(self) -> str:
        """The title of the column of results, such as "Median test error, %"."""
        axis = self.analysis.decision.axis
        return f"Median {axis}" if self.style.statistic == "median" else f"{axis[:1].upper()}{axis[1:]}, mean ± SD"

    def result_cell(self, summary: S, mark: str = "") -> Cell:
        """The cell of a variant's result.

        Args:
            summary: Of the variant.
            mark: The mark of its footnote; empty for none.
        """
        found = self._marked.get(id(summary), set())
        cell = median_cell(summary, mark)
        if self.style.statistic == "mean_std" and summary.description:
            cell = replace(cell, value=self.shown_value(summary), text=mean_text(summary))
        both = "best" in self.style.mark
        return replace(
            cell,
            bold="best" in found or (not both and "indistinguishable" in found),
            underlined="second" in found,
            shaded=both and "indistinguishable" in found,
        )

    @cached_property
    def _marked(self) -> dict[int, set[Mark]]:
        """What is marked of each result, by the id() of the summary; each data set by itself."""
        found: dict[int, set[Mark]] = {}
        for title in self.analysis.titles:
            costs = {id(summary): self.cost(summary)[1] for summary in self.analysis.on(title)}
            ranked = sorted({each for each in costs.values() if math.isfinite(each)})
            for name, place in (("best", 0), ("second", 1)):
                for key in (key for key, each in costs.items() if each in ranked[place : place + 1]):
                    found.setdefault(key, set()).add(name)  # type: ignore[arg-type]
        for key in self.analysis.leading:
            found.setdefault(key, set()).add("indistinguishable")
        return {key: names & set(self.style.mark) for key, names in found.items()}

    def mark_words(self) -> str:
        """What the marks mean, as sentences for the caption; empty where nothing is marked."""
        there = {name for names in self._marked.values() for name in names}
        lowest = self.analysis.decision.lowest
        said = [f"Bold: the {lowest}."] if "best" in there else []
        said += [f"Underlined: the second {lowest}."] if "second" in there else []
        if "indistinguishable" in there:
            said.append(f"{'Shaded' if 'best' in self.style.mark else 'Bold'}: indistinguishable from the best.")
        return " ".join(said)

    def measured(self) -> str:
        """The sentences that define the values, with the statistic that the table shows."""
        text = self.analysis.measured()
        return text if self.style.statistic == "median" else text.replace(", median over ", ", mean ± SD over ", 1)

    def named(self, cell: Callable[[S], Cell]) -> Callable[[S], Cell]:
        """The cells of names, which say which variant is the baseline where no column of differences does."""

        def of(summary: S) -> Cell:
            made = cell(summary)
            marked = not self._shows_differences and self.is_baseline(summary)
            return replace(made, text=f"{made.text} ({BASELINE})") if marked else made

        return of

    @cached_property
    def _shows_differences(self) -> bool:
        columns, alone = self.style.columns, len({summary.data_title for summary in self.analysis.summaries}) == 1
        return bool(self.analysis.verdicts) and (alone if columns is None else "difference" in columns)

    def is_baseline(self, summary: S) -> bool:
        """Whether others are compared with a variant."""
        one: Any = self.analysis
        compared = any(base is summary and other is not summary for other, base in zip(one.summaries, one.baselines))
        return compared and one.baseline(summary) is summary

"""Summaries -> the rows of a trained study's tables: the paper's, ours beside the published value, and the statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ablate.report.analysis import Analysis
from ablate.report.published import Match
from ablate.report.statistics import INTERVAL_FROM
from ablate.report.summary import Summary, finite
from ablate.report.tables import Cell, Table, blocks_cell, percent, quantity, seeds_cell
from ablate.study.plan import DATA_TITLE, RECIPE_NAME, plain
from ablate.study.study import PublishedRow

if TYPE_CHECKING:
    import pandas as pd

DASH = "–"
NOT_RUN = "not part of this study"
Row = list["Cell | str"]


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


def paper_rows(analysis: Analysis) -> Table:
    """A row a network, a group of columns a data set: our median, the published value, the difference in points.

    The best median of each data set is bold. A published value whose protocol is not ours carries a footnote saying so.
    """
    rows = _grouped(analysis.summaries)
    titles = list(dict.fromkeys(summary.variant.data.title for summary in analysis.summaries))
    axes = [axis for axis in _axes(analysis.summaries) if axis != RECIPE_NAME or _by_recipe(analysis.summaries)]
    others = list(dict.fromkeys(title for table in analysis.study.published for row in table.rows for title in row.other))
    beside = bool(analysis.study.published)
    header = ["Network", *("Recipe" if axis == RECIPE_NAME else axis for axis in axes)]
    stands_for = any(summary.variant.stands_for not in ("", summary.net) for summary in analysis.summaries)
    header += ["Stands for"] if stands_for else []
    header += ["N", "Parameters", "Mult-adds"]
    for title in titles:
        header += [f"{title}, %" if len(titles) > 1 else "Median test error, %"]
        header += ["Range", "n"] if len(titles) == 1 else []
        header += ["Published", "Ours − published"] if beside else []
    top5 = any(summary.top5 is not None for summary in analysis.summaries)
    header += [*(["Top-5 error, %"] if top5 else []), *(f"{title} (published)" for title in others)]
    footnotes, best = Footnotes(), _best(analysis.summaries, titles)
    cells: list[Row] = []
    for of_data in rows.values():
        first = next(iter(of_data.values()))
        counts = first.variant.counts
        row: Row = [first.net, *(plain(first.axes[axis]) for axis in axes)]
        row += [first.variant.stands_for] if stands_for else []
        row += [blocks_cell(first.variant.blocks_per_group), f"{counts.parameters:,}", quantity(counts.multiply_adds)]
        for title in titles:
            row += _data_cells(analysis, of_data.get(title), len(titles) == 1, beside, footnotes, best)
        row += [percent(next((s.top5 for s in of_data.values() if s.top5 is not None), None))] if top5 else []
        matches = [match for summary in of_data.values() if (match := analysis.match(summary))]
        row += [plain(_other(matches, title)) for title in others]
        cells.append(row)
    for table, published in analysis.rows_without_variant:
        note = "; ".join(filter(None, [published.not_run or NOT_RUN, published.note, table.source]))
        blank = [DASH] * (len(axes) + stands_for)
        row = [Cell(published.label, footnotes.mark(note)), *blank, DASH, published.parameters or DASH, DASH]
        for summary_title in titles:
            error = published.errors.get(_stands_for(analysis.summaries, summary_title))
            row += [DASH, *([DASH, DASH] if len(titles) == 1 else []), percent(error), DASH]
        row += [DASH] if top5 else []
        cells.append([*row, *(plain(published.other.get(title, DASH)) for title in others)])
    numeric = [name not in ("Network", "Stands for") for name in header]
    return Table(header, cells, numeric, footnotes.notes)


def _data_cells(
    analysis: Analysis, summary: Summary | None, alone: bool, beside: bool, footnotes: Footnotes, best: set[int]
) -> Row:
    """The cells of one variant: median, range and n where there is one data set, published value and difference."""
    if summary is None:
        return [DASH] * ((3 if alone else 1) + (2 if beside else 0))
    row: Row = [Cell(percent(summary.median), bold=id(summary) in best, summary=summary)]
    row += [Cell(range_cell(summary), summary=summary), Cell(seeds_cell(summary), summary=summary)] if alone else []
    if beside:
        match = analysis.match(summary)
        row.append(Cell(percent(match.error), footnotes.mark(_protocol(match))) if match else DASH)
        ours = finite(summary.median)
        row.append(DASH if match is None or ours is None else f"{ours - match.error:+.2f}")
    return row


def _protocol(match: Match) -> str:
    """The footnote of a published value: where it is from, what differs, what is said of it."""
    differs = f"{match.published.source}; the protocols differ: {'; '.join(match.differences)}" if match.differences else ""
    notes = [text for text in (differs, match.row.note, match.published.note) if text]
    return ". ".join(notes)


def _other(matches: Sequence[Match], title: str) -> float | str:
    return next((match.row.other[title] for match in matches if title in match.row.other), DASH)


def _stands_for(summaries: Sequence[Summary], title: str) -> str:
    return next(summary.variant.data.stands_for for summary in summaries if summary.variant.data.title == title)


def _axes(summaries: Sequence[Summary]) -> list[str]:
    return [axis for axis in (summaries[0].axes if summaries else ()) if axis != DATA_TITLE]


def _by_recipe(summaries: Sequence[Summary]) -> bool:
    """Whether a network stands on one data set under several recipes, which then need rows of their own."""
    keys = [(*_key(summary, False), summary.variant.data.title) for summary in summaries]
    return len(set(keys)) < len(keys)


def _key(summary: Summary, by_recipe: bool) -> tuple[str, ...]:
    left_out = {DATA_TITLE} | (set() if by_recipe else {RECIPE_NAME})
    return (summary.net, *(plain(value) for axis, value in summary.axes.items() if axis not in left_out))


def _grouped(summaries: Sequence[Summary]) -> dict[tuple[str, ...], dict[str, Summary]]:
    """The summaries by row, and in it by the title of the data set."""
    rows: dict[tuple[str, ...], dict[str, Summary]] = {}
    by_recipe = _by_recipe(summaries)
    for summary in summaries:
        rows.setdefault(_key(summary, by_recipe), {})[summary.variant.data.title] = summary
    return rows


def _best(summaries: Sequence[Summary], titles: Sequence[str]) -> set[int]:
    """The ids of the summaries with the lowest median of their data set."""
    best = set()
    for title in titles:
        of_data = [s for s in summaries if s.variant.data.title == title and finite(s.median) is not None]
        lowest = min((s.median for s in of_data if s.median is not None), default=None)
        best |= {id(s) for s in of_data if s.median == lowest and len(of_data) > 1}
    return best


def range_cell(summary: Summary) -> str:
    """ "38.60–41.15": minimum to maximum; from 8 seeds on the 95% interval of the median."""
    description = summary.description
    if description is None:
        return DASH
    low, high = description.interval
    return f"{percent(low)}–{percent(high)}"


def statistics_rows(analysis: Analysis) -> Table:
    """A row a variant: its seeds in numbers, and what they say against its baseline."""
    several = len({summary.variant.data.title for summary in analysis.summaries}) > 1
    interval = "Range" if all(s.n < INTERVAL_FROM for s in analysis.summaries) else "95% interval"
    header = ["Variant", *(["Data"] if several else []), "n", "Median", "Mean ± SD", interval]
    header += ["Baseline", "Difference", "P(better)", "p", "p (Holm)", "Seeds needed"] if analysis.verdicts else []
    rows: list[Row] = []
    for summary in analysis.summaries:
        d = summary.description
        row: Row = [short_label(summary), *([summary.variant.data.title] if several else [])]
        mean = (
            DASH if d is None or d.mean is None else f"{d.mean:.2f} ± {d.std:.2f}" if d.std is not None else f"{d.mean:.2f}"
        )
        row += [seeds_cell(summary), percent(summary.median), mean, range_cell(summary)]
        row = [Cell(text, summary=summary) for text in row]  # type: ignore[arg-type]
        if analysis.verdicts:
            row += _verdict_cells(analysis, summary)
        rows.append(row)
    return Table(header, rows, [name not in ("Variant", "Data", "Baseline") for name in header])


def _verdict_cells(analysis: Analysis, summary: Summary) -> Row:
    baseline, verdict = analysis.baseline(summary), analysis.verdict(summary)
    if baseline is summary:
        return ["baseline", *[DASH] * 5]
    if baseline is None or verdict is None:
        return [DASH] * 6
    c = verdict.comparison
    gap = DASH if c.difference is None else f"{c.difference:+.2f}"
    row: Row = [short_label(baseline), gap, f"{c.probability:.2f}", p_text(c.p_value), p_text(verdict.adjusted_p)]
    return [*row, needed_text(verdict.needed)]


def p_text(p: float) -> str:
    """ "0.008", "0.0003": two digits of what is small."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"


def needed_text(needed: float | None) -> str:
    return DASH if needed is None else "> 1,000" if math.isinf(needed) else f"≈ {needed:,.0f}"


def short_label(summary: Summary) -> str:
    """The network and the varied axes that tell it from others, but for the data set."""
    rest = [plain(value) if axis == RECIPE_NAME else f"{axis.partition('.')[2]} {plain(value)}"
            for axis, value in summary.axes.items() if axis != DATA_TITLE and axis in summary.variant.axes]  # fmt: skip
    return ", ".join([summary.net, *rest])


def to_frame(analysis: Analysis) -> pd.DataFrame:
    """Plain numbers under stable names, for table.csv: a row a variant and data set, then rows only published.

    Errors in percent, differences in points; trials: the ids of those behind the row, in the order of `seeds`.
    """
    import pandas as pd

    rows = [_frame_row(analysis, summary) for summary in analysis.summaries]
    for table, row in analysis.rows_without_variant:
        errors: dict[str, float | None] = {**row.errors} or {"": None}
        rows += [_published_only(table.source, row, data, error) for data, error in errors.items()]
    return pd.DataFrame(rows)


def _frame_row(analysis: Analysis, summary: Summary) -> dict[str, Any]:
    values = summary.as_json()
    axes = {axis: plain(value) for axis, value in values.pop("axes").items() if axis != DATA_TITLE}
    values["seeds"] = " ".join(map(str, values["seeds"]))
    values["diverged"] = " ".join(map(str, values["diverged"]))
    values.pop("test_errors")
    d, baseline, verdict, match = (
        summary.description, analysis.baseline(summary), analysis.verdict(summary), analysis.match(summary)
    )  # fmt: skip
    values |= {"mean": d and d.mean, "std": d and d.std, "epoch_rule": summary.epoch_rule}
    if baseline:
        c = verdict.comparison if verdict else None
        values |= {
            "baseline": baseline.label,
            "difference": c and _rounded(c.difference),
            "probability_better": c and c.probability,
            "p_value": c and c.p_value,
            "p_floor": c and c.floor,
            "p_holm": verdict and verdict.adjusted_p,
        }
    if match:
        ours = finite(summary.median)
        values |= {
            "published": match.error,
            "published_difference": None if ours is None else _rounded(ours - match.error),
            "published_source": match.published.source,
            "protocol_differs": "; ".join(match.differences),
        }
    return {"net": values.pop("net"), **axes, **values, "trials": " ".join(record.id for record in summary.records)}


def _published_only(source: str, row: PublishedRow, data: str, error: float | None) -> dict[str, Any]:
    reason = row.not_run or NOT_RUN
    return {"net": row.label, "data": data, "published": error, "published_source": source, "not_run": reason}


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 10)

"""Summaries -> what their seeds say: the statistics' table, and table.csv with everything in plain numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ablate.report.analysis import Analysis
from ablate.report.published import NOT_RUN
from ablate.report.summary import Summary, finite
from ablate.report.tables import DASH, Cell, Table, percent, range_cell, seeds_cell
from ablate.study.plan import DATA_TITLE, RECIPE_NAME, plain
from ablate.study.study import PublishedRow

if TYPE_CHECKING:
    import pandas as pd

Row = list["Cell | str"]


def statistics_rows(analysis: Analysis) -> Table:
    """A row a variant: its seeds in numbers, and what they say against its baseline."""
    several = len({summary.variant.data.title for summary in analysis.summaries}) > 1
    kinds = dict.fromkeys(summary.description.interval_kind for summary in analysis.summaries if summary.description)
    interval = " or ".join(kinds or ["range"]).capitalize()
    header = ["Variant", *(["Data"] if several else []), "n", "Median", "Mean ± SD", interval]
    header += ["Baseline", "Difference", "P(better)", "p", "p (Holm)", "Seeds needed"] if analysis.verdicts else []
    rows: list[Row] = []
    for summary in analysis.summaries:
        row: Row = [short_label(summary), *([summary.variant.data.title] if several else [])]
        row += [Cell(text, summary=summary) for text in _seed_cells(summary)]
        if analysis.verdicts:
            row += _verdict_cells(analysis, summary)
        rows.append(row)
    return Table(header, rows, [name not in ("Variant", "Data", "Baseline") for name in header])


def _seed_cells(summary: Summary) -> list[str]:
    found = summary.description
    mean = DASH if found is None or found.mean is None else f"{found.mean:.2f}"
    mean += f" ± {found.std:.2f}" if found and found.std is not None else ""
    return [seeds_cell(summary), percent(summary.median), mean, range_cell(summary)]


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
